/* SPDX-License-Identifier: MIT */
/*
 * typed.c - pools that objects know
 *
 * A typed pool has a cache of its own, which knows the pool; so from an object's
 * address the map leads to the slab, the cache and the pool.  How many were out
 * at most is only known to pools with max_nr, so a pool that is to report has
 * one, which nobody reaches.
 */
#include "config.h"

#include <kmempool/typed.h>

#include <errno.h>
#include <inttypes.h>
#include <limits.h>

#include "cache.h"
#include "core.h"
#include "lifecycle.h"
#include "report.h"
#include "typed.h"

mempool_t *mempool_new_typed(const char *type, size_t size, size_t align,
			     int nr, unsigned int flags)
{
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;
	struct kmem_cache_args args = { 0 };
	struct kmem_cache *cache;
	mempool_t *pool;
	int saved_errno;

	if (!type || size > KMEM_CACHE_SIZE_MAX ||
	    align > KMEM_CACHE_ALIGN_MAX || flags & ~MEMPOOL_NEW_REPORT) {
		errno = EINVAL;
		return NULL;
	}
	args.align = (unsigned int)align;
	cache = cache_create(type, (unsigned int)size, &args, 0, CACHE_TYPED);
	if (!cache)
		return NULL;
	attr.name = type;
	if (flags & MEMPOOL_NEW_REPORT) {
		cache->reports = true;
		attr.max_nr = UINT_MAX;
	}
	pool = lifecycle_create_typed(nr, cache, &attr);
	if (!pool) {
		saved_errno = errno;
		cache_destroy(cache);
		errno = saved_errno;
	}
	return pool;
}

void typed_set(struct kmem_cache *cache, mempool_t *pool)
{
	/* [T1] with mempool_put(): who has an object had it from the pool, which
	 * could be found only after this, or before the end. */
	__atomic_store_n(&cache->typed, pool, __ATOMIC_RELAXED);
}

void mempool_put(void *object)
{
	struct kmem_cache *cache;
	struct slab *slab;
	mempool_t *pool;

	if (!object)
		return;
	slab = pagemap_find(object);
	cache = slab ? slab_cache(slab) : NULL;
	if (unlikely(!cache || !cache->is_typed))
		report_and_abort("libkmempool: %p was given to mempool_put() and is "
				 "not an object of a typed pool\n", object);
	pool = __atomic_load_n(&cache->typed, __ATOMIC_RELAXED);	/* [T1] */
	if (likely(pool))
		core_free_any(object, pool);
	else
		cache_free(cache, object, __builtin_return_address(0));
}

static void report_end(const mempool_t *pool)
{
	struct mempool_core *core = pool->kmp_core;
	struct mempool_stats stats;
	struct report report;
	uint64_t served;

	core_get_stats(core, &stats);
	report_begin(&report);
	served = stats.alloc_backend + stats.alloc_reserve +
		 stats.alloc_handoff;
	report_add(&report, "libkmempool: pool %s (%p) of objects of %u bytes "
		   "ends: %" PRIu64 " served, %" PRId64 " out at most, %"
		   PRId64 " now\n", core->name, (const void *)pool,
		   core->typed->layout.size, served, core->most_out,
		   stats.outstanding);
	report_send(&report);
}

struct kmem_cache *typed_begin_end(const mempool_t *pool)
{
	struct kmem_cache *cache = pool->kmp_core->typed;

	if (cache && cache->reports)
		report_end(pool);
	return cache;
}

void typed_end(struct kmem_cache *cache)
{
	if (!cache)
		return;
	typed_set(cache, NULL);
	/* With objects outside it stays, for them to come back to. */
	cache_destroy(cache);
}
