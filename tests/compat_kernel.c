/* SPDX-License-Identifier: MIT */
/*
 * compat_kernel.c - code written for the kernel, compiled unchanged against
 * <linux/gfp.h>, <linux/mempool.h> and <linux/slab.h>
 *
 * Between the two marks stands a small block driver in the kernel's manner:
 * what it includes, how it declares, casts and calls is not adapted to this
 * library.  Above the marks is what its porter supplies, below them the
 * machine that drives it and looks at the results.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define __init
#define __exit
#define PAGE_SIZE	4096
typedef uint64_t sector_t;

/* ---- kernel code begins ------------------------------------------------ */

#include <linux/types.h>
#include <linux/gfp.h>
#include <linux/mempool.h>
#include <linux/mempool.h>
#include <linux/slab.h>
#include <linux/slab.h>

#define TOY_MIN_IOS	4
#define TOY_MIN_PAGES	8
#define TOY_IO_PAGES	4

struct toy_bounce {
	unsigned int tag;
};

struct toy_dev {
	mempool_t	ios;
	struct mempool	pages;
	mempool_t	*tags;
	mempool_t	*bounce;
	unsigned int	nr_bounce;
};

struct toy_io {
	struct toy_dev	*dev;
	sector_t	sector;
	unsigned int	nr_pages;
	int		error;
	void		*pages[TOY_IO_PAGES];
};

static void *toy_bounce_alloc(gfp_t gfp_mask, void *pool_data)
{
	struct toy_dev *dev = pool_data;
	struct toy_bounce *b;

	if (!(gfp_mask & __GFP_NOWARN))
		return NULL;
	b = malloc(sizeof(*b));
	if (b)
		b->tag = ++dev->nr_bounce;
	return b;
}

static void toy_bounce_free(void *element, void *pool_data)
{
	struct toy_dev *dev = pool_data;

	dev->nr_bounce--;
	free(element);
}

static mempool_alloc_t *toy_alloc_fn = toy_bounce_alloc;
static mempool_free_t *toy_free_fn = toy_bounce_free;

static void toy_dev_exit(struct toy_dev *dev)
{
	mempool_destroy(dev->bounce);
	mempool_destroy(dev->tags);
	mempool_exit(&dev->pages);
	mempool_exit(&dev->ios);
}

static int __init toy_dev_init(struct toy_dev *dev)
{
	int ret;

	ret = mempool_init_kmalloc_pool(&dev->ios, TOY_MIN_IOS,
					sizeof(struct toy_io));
	if (ret)
		goto out;
	ret = mempool_init_page_pool(&dev->pages, TOY_MIN_PAGES, 0);
	if (ret)
		goto out;

	ret = -ENOMEM;
	dev->tags = mempool_create(TOY_MIN_IOS, mempool_kmalloc,
				   mempool_kfree, (void *)sizeof(int));
	if (!dev->tags)
		goto out;
	dev->bounce = mempool_create_node(1, toy_alloc_fn, toy_free_fn, dev,
					  GFP_KERNEL | __GFP_NOWARN, -1);
	if (!dev->bounce)
		goto out;
	return 0;
out:
	toy_dev_exit(dev);
	return ret;
}

static void toy_put_io(struct toy_io *io)
{
	struct toy_dev *dev = io->dev;
	unsigned int i;

	i = mempool_free_bulk(&dev->pages, io->pages, io->nr_pages);
	for (; i < io->nr_pages; i++)
		mempool_free(io->pages[i], &dev->pages);
	mempool_free(io, &dev->ios);
}

static struct toy_io *toy_get_io(struct toy_dev *dev, sector_t sector,
				 unsigned int nr_pages, gfp_t gfp)
{
	struct toy_io *io = mempool_alloc(&dev->ios, gfp | __GFP_ZERO);

	if (!io)
		return NULL;
	io->dev = dev;
	io->sector = sector;
	if (gfpflags_allow_blocking(gfp)) {
		io->error = mempool_alloc_bulk(&dev->pages, io->pages,
					       nr_pages);
		io->nr_pages = io->error ? 0 : nr_pages;
		return io;
	}
	while (io->nr_pages < nr_pages) {
		void *page = mempool_alloc(&dev->pages, gfp);

		if (!page) {
			toy_put_io(io);
			return NULL;
		}
		io->pages[io->nr_pages++] = page;
	}
	return io;
}

struct toy_extent {
	sector_t	start;
	unsigned int	len;
};

static struct kmem_cache *toy_extent_cache;
static struct kmem_cache *toy_node_cache;
static struct kmem_cache *toy_name_cache;
static struct kmem_cache *toy_key_cache;

static void toy_extent_init_once(void *obj)
{
	struct toy_extent *ex = obj;

	ex->len = 0;
}

static void toy_destroy_caches(void)
{
	kmem_cache_destroy(toy_key_cache);
	kmem_cache_destroy(toy_name_cache);
	kmem_cache_destroy(toy_node_cache);
	kmem_cache_destroy(toy_extent_cache);
}

static int __init toy_init_caches(void)
{
	struct kmem_cache_args args = {
		.align		= 64,
		.ctor		= toy_extent_init_once,
	};

	toy_extent_cache = kmem_cache_create("toy_extent",
				sizeof(struct toy_extent), 0,
				SLAB_RECLAIM_ACCOUNT | SLAB_MEM_SPREAD |
				SLAB_ACCOUNT, toy_extent_init_once);
	toy_node_cache = kmem_cache_create("toy_node",
				sizeof(struct toy_extent), &args,
				SLAB_NO_MERGE | SLAB_TEMPORARY);
	toy_name_cache = kmem_cache_create("toy_name", 24, NULL,
				SLAB_HWCACHE_ALIGN);
	toy_key_cache = KMEM_CACHE(toy_extent, SLAB_ACCOUNT);
	if (!toy_extent_cache || !toy_node_cache || !toy_name_cache ||
	    !toy_key_cache)
		goto out;
	return 0;
out:
	toy_destroy_caches();
	return -ENOMEM;
}

static struct toy_extent *toy_get_extent(sector_t start, unsigned int len)
{
	struct toy_extent *ex = kmem_cache_alloc(toy_extent_cache, GFP_NOFS);

	if (!ex)
		return NULL;
	if (ex->len) {
		kmem_cache_free(toy_extent_cache, ex);
		return NULL;
	}
	ex->start = start;
	ex->len = len;
	return ex;
}

static void toy_put_extent(struct toy_extent *ex)
{
	ex->len = 0;
	kmem_cache_free(toy_extent_cache, ex);
}

static int toy_resize(struct toy_dev *dev, int nr)
{
	int ret = mempool_resize(&dev->ios, nr);

	return ret ? ret : mempool_resize(&dev->pages, nr * TOY_IO_PAGES);
}

/* ---- kernel code ends -------------------------------------------------- */

static const gfp_t masks[] = {
	GFP_KERNEL, GFP_NOFS, GFP_NOIO, GFP_NOWAIT, GFP_ATOMIC,
	GFP_NOIO | __GFP_NORETRY | __GFP_NOMEMALLOC | __GFP_NOWARN,
	GFP_KERNEL | __GFP_NOFAIL,
	(GFP_KERNEL & ~(__GFP_DIRECT_RECLAIM | __GFP_IO | __GFP_FS)) |
		__GFP_HIGH | __GFP_MEMALLOC,
	__GFP_RECLAIM & ~__GFP_KSWAPD_RECLAIM,
};

static int all_zero(const void *element, size_t size)
{
	const unsigned char *byte = element;

	while (size--)
		if (*byte++)
			return 0;
	return 1;
}

static int fail(const char *what)
{
	printf("compat_kernel: %s\n", what);
	return 1;
}

static int try_mask(struct toy_dev *dev, gfp_t gfp)
{
	struct toy_io *io = toy_get_io(dev, 7, TOY_IO_PAGES, gfp);
	unsigned int i;

	if (!io || io->error || io->nr_pages != TOY_IO_PAGES)
		return fail("no request");
	for (i = 0; i < io->nr_pages; i++) {
		if ((uintptr_t)io->pages[i] % PAGE_SIZE)
			return fail("a page is not aligned");
		memset(io->pages[i], 0x5a, PAGE_SIZE);
	}
	toy_put_io(io);
	return 0;
}

/* As a tree does that is about to change. */
static int try_sheaf(void)
{
	struct slab_sheaf *sheaf;
	void *node;

	sheaf = kmem_cache_prefill_sheaf(toy_node_cache, GFP_KERNEL, 4);
	if (!sheaf || kmem_cache_sheaf_size(sheaf) < 4)
		return fail("kmem_cache_prefill_sheaf");
	node = kmem_cache_alloc_from_sheaf(toy_node_cache, GFP_NOWAIT, sheaf);
	if (!node)
		return fail("kmem_cache_alloc_from_sheaf");
	kmem_cache_free(toy_node_cache, node);
	if (kmem_cache_refill_sheaf(toy_node_cache, GFP_KERNEL, &sheaf, 6) ||
	    kmem_cache_sheaf_size(sheaf) < 6)
		return fail("kmem_cache_refill_sheaf");
	kmem_cache_return_sheaf(toy_node_cache, GFP_KERNEL, sheaf);
	return 0;
}

static int try_caches(void)
{
	/* The name without a call is the function. */
	struct kmem_cache *(*create)(const char *name, unsigned int size,
				     unsigned int align, slab_flags_t flags,
				     void (*ctor)(void *object)) =
		kmem_cache_create;
	struct toy_extent *ex;
	void *names[8];
	void *node, *key;

	if (!create || toy_init_caches())
		return fail("toy_init_caches");
	ex = toy_get_extent(8, 16);
	if (!ex)
		return fail("no extent");
	toy_put_extent(ex);
	ex = toy_get_extent(24, 8);
	if (!ex)
		return fail("an extent did not stay constructed");
	toy_put_extent(ex);

	node = kmem_cache_alloc(toy_node_cache, GFP_KERNEL);
	if (!node || (uintptr_t)node % 64 || ((struct toy_extent *)node)->len)
		return fail("the arguments were not read");
	kmem_cache_free(toy_node_cache, node);

	if (!kmem_cache_alloc_bulk(toy_name_cache, GFP_KERNEL, 8, names))
		return fail("kmem_cache_alloc_bulk");
	kmem_cache_free_bulk(toy_name_cache, 8, names);
	if (kmem_cache_size(toy_name_cache) != 24 ||
	    kmem_cache_shrink(toy_name_cache))
		return fail("kmem_cache_shrink");

	if (try_sheaf())
		return 1;

	key = kmem_cache_zalloc(toy_key_cache, GFP_ATOMIC);
	if (!key || !all_zero(key, sizeof(struct toy_extent)))
		return fail("a key is not zeroed");
	kmem_cache_free(toy_key_cache, key);
	toy_destroy_caches();
	return 0;
}

int main(void)
{
	static struct toy_dev dev;
	struct toy_io *io;
	void *element;
	size_t i;

	toy_dev_exit(&dev);		/* all zero: nothing to do */
	if (toy_dev_init(&dev))
		return fail("toy_dev_init");
	if (!mempool_initialized(&dev.ios) ||
	    !mempool_is_saturated(&dev.pages))
		return fail("the reserves are not full");

	for (i = 0; i < sizeof(masks) / sizeof(masks[0]); i++)
		if (try_mask(&dev, masks[i]))
			return 1;
	if (toy_resize(&dev, 2) || toy_resize(&dev, 6))
		return fail("toy_resize");

	io = mempool_alloc_preallocated(&dev.ios);
	if (!io)
		return fail("no preallocated element");
	memset(io, 0xff, sizeof(*io));
	mempool_free(io, &dev.ios);
	io = mempool_alloc(&dev.ios, GFP_NOIO | __GFP_ZERO);
	if (!io || !all_zero(io, sizeof(*io)))
		return fail("not zeroed");
	mempool_free(io, &dev.ios);

	element = mempool_alloc(dev.bounce, GFP_ATOMIC);
	if (!element || dev.nr_bounce != 2)
		return fail("the driver's own backend was not asked");
	mempool_free(element, dev.bounce);
	mempool_free(NULL, dev.bounce);

	toy_dev_exit(&dev);
	if (dev.nr_bounce || mempool_initialized(&dev.ios))
		return fail("toy_dev_exit");
	return try_caches();
}
