/* SPDX-License-Identifier: MIT */
/*
 * slabreserve.c - a reserve of objects that are expensive to make
 *
 * Each descriptor of an I/O has a mutex and a buffer aligned for the device.
 * They are made once, when the cache gets memory for descriptors, and go with
 * that memory: not with each I/O.  A pool over the cache sees to it that there
 * are descriptors when the cache can make no more, and these are constructed
 * like all others.
 *
 * Shown in kmem_cache_create(3).
 */

#include <err.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include <kmempool/mempool.h>
#include <kmempool/slab.h>

#define SECTOR		4096
#define MIN_IOS		2	/* that can always be under way */
#define NR_THREADS	4
#define NR_IOS		500	/* of each thread */

struct io {
	pthread_mutex_t	lock;	/* made once, as the buffer */
	char		*bounce;
	unsigned int	nr_vecs;
	struct iovec	vecs[64];
};

struct device {
	struct kmem_cache	*cache;
	mempool_t		*ios;
	atomic_bool		memory_is_short;
	atomic_int		nr_made;	/* and not unmade */
};

static int io_init(void *object, void *ctor_arg, gfp_t gfp_mask)
{
	struct device *dev = ctor_arg;
	struct io *io = object;
	void *bounce;

	(void)gfp_mask;
	if (dev->memory_is_short || posix_memalign(&bounce, SECTOR, SECTOR))
		return -ENOMEM;
	if (pthread_mutex_init(&io->lock, NULL)) {
		free(bounce);
		return -ENOMEM;
	}
	io->bounce = bounce;
	io->nr_vecs = 0;
	dev->nr_made++;
	return 0;
}

static void io_fini(void *object, void *ctor_arg)
{
	struct device *dev = ctor_arg;
	struct io *io = object;

	pthread_mutex_destroy(&io->lock);
	free(io->bounce);
	dev->nr_made--;
}

static void device_init(struct device *dev)
{
	struct kmem_cache_args args = {
		.ctor_try = io_init,
		.dtor = io_fini,
		.ctor_arg = dev,
	};

	dev->cache = kmem_cache_create_args("io", sizeof(struct io), &args, 0);
	if (!dev->cache)
		err(1, "kmem_cache_create_args");
	dev->ios = mempool_create_slab_pool(MIN_IOS, dev->cache);
	if (!dev->ios)
		err(1, "mempool_create_slab_pool");
}

/* The pool first: its reserve is of the cache. */
static void device_exit(struct device *dev)
{
	mempool_destroy(dev->ios);
	if (kmem_cache_destroy(dev->cache))
		errx(1, "a descriptor is missing");
	if (dev->nr_made)
		errx(1, "a descriptor was not unmade");
}

static void do_io(struct device *dev, const char *data)
{
	struct io *io = mempool_alloc(dev->ios, GFP_NOIO);

	if (!io)
		err(1, "mempool_alloc");
	pthread_mutex_lock(&io->lock);
	if (io->nr_vecs)
		errx(1, "a descriptor was not given back as it was made");
	memcpy(io->bounce, data, SECTOR);
	io->vecs[io->nr_vecs++] = (struct iovec){ io->bounce, SECTOR };
	/* The device is at work here.  Then all is put back as it was. */
	io->nr_vecs = 0;
	pthread_mutex_unlock(&io->lock);
	mempool_free(io, dev->ios);
}

static void *user(void *arg)
{
	static const char data[SECTOR];
	int i;

	for (i = 0; i < NR_IOS; i++)
		do_io(arg, data);
	return NULL;
}

static void run(struct device *dev)
{
	pthread_t thread[NR_THREADS];
	int i;

	for (i = 0; i < NR_THREADS; i++)
		if (pthread_create(&thread[i], NULL, user, dev))
			errx(1, "pthread_create");
	for (i = 0; i < NR_THREADS; i++)
		pthread_join(thread[i], NULL);
}

/* Somebody else takes all there are, a chain by what is free to use. */
static struct io *take_all(struct device *dev)
{
	struct io *all = NULL, *io;

	while ((io = kmem_cache_alloc(dev->cache, GFP_NOWAIT))) {
		io->vecs[0].iov_base = all;
		all = io;
	}
	return all;
}

static void give_all(struct device *dev, struct io *all)
{
	struct io *io;

	while ((io = all)) {
		all = io->vecs[0].iov_base;
		kmem_cache_free(dev->cache, io);
	}
}

int main(void)
{
	static struct device dev;
	struct mempool_stats stats;
	struct io *all;
	int nr_made;

	device_init(&dev);
	run(&dev);
	nr_made = dev.nr_made;

	/* No more can be made, and none are left but those of the pool. */
	dev.memory_is_short = true;
	all = take_all(&dev);
	run(&dev);
	give_all(&dev, all);

	mempool_get_stats(dev.ios, &stats, sizeof(stats));
	if (stats.alloc_reserve + stats.alloc_handoff < NR_THREADS * NR_IOS)
		errx(1, "the reserve was not used, so nothing was shown");
	if (dev.nr_made > nr_made)
		errx(1, "descriptors were made without memory");
	device_exit(&dev);
	return 0;
}
