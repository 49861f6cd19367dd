/* SPDX-License-Identifier: MIT */
/*
 * adapter_kmempool.c - a cache, a pool over one, memory by size, and a reserve
 *
 *   kmem_cache   an object of a cache
 *   mempool      the same by way of a pool, which does not need its reserve
 *   kmalloc      memory of the object's size
 *   reserve      a pool whose backend gave what was set aside, and then died;
 *                CPUs may have some of that near them
 *   reserve-lock the same where they may not
 */
#include "config.h"

#include "adapter.h"

#include <kmempool/kmalloc.h>
#include <kmempool/mempool.h>
#include <kmempool/slab.h>

#include <stdbool.h>
#include <time.h>

/* What a bulk allocation may ask for at most. */
#define SET_ASIDE	256

/* ---- kmem_cache -------------------------------------------------------- */

static void *cache_create(size_t size, size_t nr)
{
	struct kmem_cache *cache;

	(void)nr;
	cache = kmem_cache_create("bench", (unsigned int)size, 0, 0, NULL);
	if (!cache)
		abort();
	return cache;
}

static inline void *cache_alloc(void *cache)
{
	return kmem_cache_alloc(cache, GFP_KERNEL);
}

static inline void cache_free(void *cache, void *object)
{
	kmem_cache_free(cache, object);
}

ADAPTER_LOOPS(cache)

static size_t cache_fill_bulk(void *cache, void **objects, size_t nr)
{
	return kmem_cache_alloc_bulk(cache, GFP_KERNEL, nr, objects) ? nr : 0;
}

static void cache_drain_bulk(void *cache, void **objects, size_t nr)
{
	kmem_cache_free_bulk(cache, nr, objects);
}

const struct adapter adapter_kmem_cache = {
	.name = "kmem_cache",
	.parts = PART_PAIR | PART_BATCH | PART_BULK | PART_THREADS | PART_HEAP,
	.create = cache_create,
	.pairs = cache_pairs,
	.fill = cache_fill,
	.drain = cache_drain,
	.fill_bulk = cache_fill_bulk,
	.drain_bulk = cache_drain_bulk,
};

/* ---- mempool ----------------------------------------------------------- */

static void *pool_create(size_t size, size_t nr)
{
	mempool_t *pool = mempool_create_slab_pool(SET_ASIDE,
						   cache_create(size, nr));

	if (!pool)
		abort();
	return pool;
}

static inline void *pool_alloc(void *pool)
{
	return mempool_alloc(pool, GFP_KERNEL);
}

static inline void pool_free(void *pool, void *object)
{
	mempool_free(object, pool);
}

ADAPTER_LOOPS(pool)

static size_t pool_fill_bulk(void *pool, void **objects, size_t nr)
{
	return mempool_alloc_bulk(pool, objects, (unsigned int)nr) ? 0 : nr;
}

static void pool_drain_bulk(void *pool, void **objects, size_t nr)
{
	size_t taken = mempool_free_bulk(pool, objects, (unsigned int)nr);

	pool_drain(pool, objects + taken, nr - taken);
}

const struct adapter adapter_mempool = {
	.name = "mempool",
	.parts = PART_PAIR | PART_BATCH | PART_BULK | PART_THREADS,
	.create = pool_create,
	.pairs = pool_pairs,
	.fill = pool_fill,
	.drain = pool_drain,
	.fill_bulk = pool_fill_bulk,
	.drain_bulk = pool_drain_bulk,
};

/* ---- kmalloc ----------------------------------------------------------- */

static void *size_create(size_t size, size_t nr)
{
	(void)nr;
	return (void *)size;
}

static inline void *size_alloc(void *pool)
{
	return kmalloc((size_t)pool, GFP_KERNEL);
}

static inline void size_free(void *pool, void *object)
{
	(void)pool;
	kfree(object);
}

ADAPTER_LOOPS(size)

static void *size_alloc_any(size_t size)
{
	return kmalloc(size, GFP_KERNEL);
}

static void size_free_any(void *object)
{
	kfree(object);
}

const struct adapter adapter_kmalloc = {
	.name = "kmalloc",
	.parts = PART_PAIR | PART_BATCH | PART_THREADS | PART_HEAP | PART_MIX,
	.create = size_create,
	.pairs = size_pairs,
	.fill = size_fill,
	.drain = size_drain,
	.alloc_any = size_alloc_any,
	.free_any = size_free_any,
};

/* ---- reserve ----------------------------------------------------------- */

static bool backend_dead;

static void *dying_alloc(gfp_t gfp_mask, void *pool_data)
{
	(void)gfp_mask;
	return backend_dead ? NULL : malloc((size_t)pool_data);
}

static void dying_free(void *element, void *pool_data)
{
	(void)pool_data;
	free(element);
}

static mempool_t *reserve_make(size_t size, size_t nr, unsigned int flags)
{
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;

	attr.flags = flags;
	return mempool_create_attr((int)nr, dying_alloc, dying_free,
				   (void *)size, &attr);
}

static void *reserve_then_dead(size_t size, size_t nr, unsigned int flags)
{
	mempool_t *pool = reserve_make(size, nr, flags);

	if (!pool)
		abort();
	backend_dead = true;
	return pool;
}

/* Elements are cached where the library can do that. */
static void *reserve_create(size_t size, size_t nr)
{
	return reserve_then_dead(size, nr, MEMPOOL_CACHED);
}

static void *reserve_lock_create(size_t size, size_t nr)
{
	return reserve_then_dead(size, nr, 0);
}

static inline void *reserve_alloc(void *pool)
{
	return mempool_alloc(pool, GFP_NOWAIT);
}

static inline void reserve_free(void *pool, void *object)
{
	mempool_free(object, pool);
}

ADAPTER_LOOPS(reserve)

static void *reserve_take(void *pool, uint64_t until_ns)
{
	struct timespec deadline = {
		(time_t)(until_ns / 1000000000), (long)(until_ns % 1000000000)
	};

	return mempool_alloc_until(pool, GFP_KERNEL, &deadline);
}

const struct adapter adapter_reserve = {
	.name = "reserve",
	.parts = PART_RESERVE | PART_LAST,
	.create = reserve_create,
	.pairs = reserve_pairs,
	.fill = reserve_fill,
	.drain = reserve_drain,
	.take = reserve_take,
};

const struct adapter adapter_reserve_lock = {
	.name = "reserve-lock",
	.parts = PART_RESERVE | PART_LAST,
	.create = reserve_lock_create,
	.pairs = reserve_pairs,
	.fill = reserve_fill,
	.drain = reserve_drain,
	.take = reserve_take,
};
