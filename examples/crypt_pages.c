/* SPDX-License-Identifier: MIT */
/*
 * crypt_pages.c - many pages at once, for a block device that encrypts
 *
 * A write must not change the data it was given, so it is encrypted into
 * pages of the device's own: a request from one pool, then as many pages as
 * the write has from another.  Memory may run out at any time, and the writes
 * must go on, since it is they that will free some.
 *
 * Two requests that each took half of the reserve and sleep for the other
 * half would wait for each other for ever.  Two ways around that:
 *
 * (a) mempool_alloc_bulk_until() takes all it lacks from the reserve, or
 *     nothing.
 *
 * (b) The old way, one by one.  First without sleeping; if a page cannot be
 *     had, all are given back, and then, with a mutex held, the request
 *     sleeps for one page after the other.  The mutex is what makes this
 *     right: only its owner sleeps with pages in its hands, so all others
 *     give theirs back, and what comes back is collected by one.
 *
 * (a) saves the mutex, behind which a request waits even if the pages it
 * needs are there; taking and giving back the pages of the first attempt; and
 * a sleep for each page, where one for all will do.
 */

#include <err.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include <kmempool/mempool.h>

#define PAGE		4096
#define MAX_PAGES	8	/* of one write: the pool must hold as many */
#define NR_MEMORY	12	/* all the pages there are: that and a few */
#define MIN_IOS		2
#define NR_THREADS	4
#define NR_WRITES	100	/* of each thread */

struct io {
	unsigned int	nr;
	void		*page[MAX_PAGES];
};

struct dev {
	mempool_t	ios, pages;
	atomic_int	left;	/* pages that memory still has */
	pthread_mutex_t	lock;	/* for (b) */
	int		(*get_pages)(struct dev *dev, struct io *io);
};

/* Memory that runs out: the backend for pages. */
static void *memory_alloc(gfp_t gfp_mask, void *pool_data)
{
	struct dev *dev = pool_data;
	void *page = NULL;

	if (atomic_fetch_sub(&dev->left, 1) > 0)
		page = mempool_kmalloc(gfp_mask, (void *)PAGE);
	if (!page)
		atomic_fetch_add(&dev->left, 1);
	return page;
}

static void memory_free(void *page, void *pool_data)
{
	struct dev *dev = pool_data;

	mempool_kfree(page, (void *)PAGE);
	atomic_fetch_add(&dev->left, 1);
}

/* (a) */
static int get_pages_bulk(struct dev *dev, struct io *io)
{
	return mempool_alloc_bulk_until(&dev->pages, io->page, io->nr,
					GFP_NOIO, NULL);
}

/* For (b): all, or none and an error. */
static int try_pages(struct dev *dev, struct io *io, gfp_t gfp_mask)
{
	unsigned int i;

	for (i = 0; i < io->nr; i++) {
		io->page[i] = mempool_alloc(&dev->pages, gfp_mask);
		if (!io->page[i]) {
			int ret = -errno;

			while (i > 0)
				mempool_free(io->page[--i], &dev->pages);
			return ret;
		}
	}
	return 0;
}

static int get_pages_one_by_one(struct dev *dev, struct io *io)
{
	int ret = try_pages(dev, io, GFP_NOWAIT);

	if (ret == -EAGAIN) {
		pthread_mutex_lock(&dev->lock);
		ret = try_pages(dev, io, GFP_NOIO);
		pthread_mutex_unlock(&dev->lock);
	}
	return ret;
}

static void encrypt(char *out, const char *in, unsigned char key)
{
	unsigned int i;

	for (i = 0; i < PAGE; i++)
		out[i] = (char)(in[i] ^ (key + i));
}

/* Encrypt, see that it can be decrypted, and forget it. */
static void do_write(struct dev *dev, const char *data, unsigned int nr,
		     unsigned char key)
{
	/* In this order always: who holds pages waits for nothing more. */
	struct io *io = mempool_alloc(&dev->ios, GFP_NOIO);
	char back[PAGE];
	unsigned int i;

	if (!io)
		err(1, "mempool_alloc");
	io->nr = nr;
	if (dev->get_pages(dev, io))
		errx(1, "no pages");

	for (i = 0; i < io->nr; i++)
		encrypt(io->page[i], data + i * PAGE, key);
	sched_yield();		/* the device is at work */
	for (i = 0; i < io->nr; i++) {
		encrypt(back, io->page[i], key);
		if (memcmp(back, data + i * PAGE, PAGE) != 0)
			errx(1, "somebody else wrote to this page");
	}
	while (io->nr > 0)
		mempool_free(io->page[--io->nr], &dev->pages);
	mempool_free(io, &dev->ios);
}

static void *writer(void *arg)
{
	char data[MAX_PAGES * PAGE];
	unsigned int i;

	for (i = 0; i < NR_WRITES; i++) {
		memset(data, (int)i, sizeof(data));
		do_write(arg, data, 1 + i % MAX_PAGES, (unsigned char)(i * 7));
	}
	return NULL;
}

static void run(int (*get_pages)(struct dev *dev, struct io *io))
{
	struct dev dev = {
		.left = NR_MEMORY,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.get_pages = get_pages,
	};
	struct mempool_stats stats;
	pthread_t thread[NR_THREADS];
	int i;

	if (mempool_init_kmalloc_pool(&dev.ios, MIN_IOS, sizeof(struct io)) ||
	    mempool_init(&dev.pages, MAX_PAGES, memory_alloc, memory_free,
			 &dev))
		errx(1, "no memory");

	for (i = 0; i < NR_THREADS; i++)
		if (pthread_create(&thread[i], NULL, writer, &dev))
			errx(1, "pthread_create");
	for (i = 0; i < NR_THREADS; i++)
		pthread_join(thread[i], NULL);
	mempool_get_stats(&dev.pages, &stats, sizeof(stats));
	mempool_exit(&dev.pages);
	mempool_exit(&dev.ios);

	if (stats.backend_failures == 0)
		errx(1, "memory did not run out, so nothing was shown");
	if (dev.left != NR_MEMORY)
		errx(1, "memory was lost");
}

int main(void)
{
	run(get_pages_bulk);
	run(get_pages_one_by_one);
	return 0;
}
