/* SPDX-License-Identifier: MIT */
/*
 * cache.c - the calls on a cache
 *
 * An object is taken from, and put into, the magazine of this CPU, where
 * nothing is looked at.  What can be seen at no cost is looked at when an object
 * comes back to its slab, which has to be found anyway: that there is one, and
 * of which cache; and where the free list is outside the objects, that it is an
 * object, and out.  Caches with checks have no layer, and go by checked.c.
 */
#include "config.h"

#include "cache.h"

#include <errno.h>
#include <string.h>

#include "checked.h"
#include "gfp_known.h"
#include "registry.h"
#include "rseq.h"
#include "sized.h"

int cache_check_call(const struct kmem_cache *cache, gfp_t gfp)
{
	if (!cache || gfp & ~GFP_KNOWN)
		return -EINVAL;
	if (gfp & __GFP_ZERO && (cache->ctor || cache->ctor_try))
		return -EINVAL;
	return 0;
}

static inline void *take(struct kmem_cache *cache, gfp_t gfp)
{
	void *object = rseq_pop(cache->layer.cpus);

	if (unlikely(!object))
		layer_take(cache, &object, 1, gfp);
	return object;
}

void *cache_alloc(struct kmem_cache *cache, gfp_t gfp, const void *caller)
{
	void *object = take(cache, gfp);

	if (unlikely(!object))
		return NULL;
	if (unlikely(cache->checked) &&
	    !checked_hand_out(cache, &object, 1, gfp, caller))
		return NULL;
	if (gfp & __GFP_ZERO)
		memset(object, 0, cache->layout.size);
	return object;
}

static COLD void *alloc(struct kmem_cache *cache, gfp_t gfp, const void *caller)
{
	void *object;

	if (unlikely(cache_check_call(cache, gfp))) {
		errno = EINVAL;
		return NULL;
	}
	object = cache_alloc(cache, gfp, caller);
	if (unlikely(!object))
		errno = ENOMEM;
	return object;
}

void *kmem_cache_alloc(struct kmem_cache *cache, gfp_t gfp_mask)
{
	void *object;

	if (likely(cache && !(gfp_mask & ~GFP_KNOWN_PLAIN))) {
		object = rseq_pop(cache->layer.cpus);
		if (likely(object))
			return object;
	}
	return alloc(cache, gfp_mask, __builtin_return_address(0));
}

void *kmem_cache_zalloc(struct kmem_cache *cache, gfp_t gfp_mask)
{
	return alloc(cache, gfp_mask | __GFP_ZERO, __builtin_return_address(0));
}

bool cache_take_all(struct kmem_cache *cache, void **objects, size_t done,
		    size_t n, gfp_t gfp)
{
	done += layer_take(cache, objects + done, n - done, gfp);
	if (done == n)
		return true;
	if (unlikely(cache->checked))
		checked_put_back(cache, objects, done);
	else
		slabs_untake(cache, objects, done);
	return false;
}

/* The first @done are there. */
static COLD bool alloc_bulk(struct kmem_cache *cache, gfp_t gfp, size_t done,
			    size_t n, void **objects, const void *caller)
{
	size_t i;

	if (cache_check_call(cache, gfp) || (!objects && n)) {
		errno = EINVAL;
		return false;
	}
	if (!cache_take_all(cache, objects, done, n, gfp) ||
	    (unlikely(cache->checked) &&
	     !checked_hand_out(cache, objects, n, gfp, caller))) {
		errno = ENOMEM;
		return false;
	}
	if (gfp & __GFP_ZERO)
		for (i = 0; i < n; i++)
			memset(objects[i], 0, cache->layout.size);
	return true;
}

bool kmem_cache_alloc_bulk(struct kmem_cache *cache, gfp_t gfp_mask, size_t n,
			   void **objects)
{
	size_t done = 0;

	if (likely(cache && objects && !(gfp_mask & ~GFP_KNOWN_PLAIN))) {
		done = rseq_pop_run(cache->layer.cpus, objects, n);
		if (likely(done == n))
			return true;
	}
	return alloc_bulk(cache, gfp_mask, done, n, objects,
			  __builtin_return_address(0));
}

void cache_free(struct kmem_cache *cache, void *object, const void *caller)
{
	if (likely(rseq_push(cache->layer.cpus, object)))
		return;
	if (unlikely(cache->checked)) {
		checked_take_back(cache, object, caller);
		return;
	}
	check_object(cache, object);
	layer_give(cache, &object, 1);
}

static COLD void free_slow(struct kmem_cache *cache, void *object,
			   const void *caller)
{
	if (cache && object)
		cache_free(cache, object, caller);
}

void kmem_cache_free(struct kmem_cache *cache, void *object)
{
	/* As in mempool_free(): one test for two NULLs. */
	if (unlikely(!((uintptr_t)cache & (uintptr_t)object)) ||
	    unlikely(!rseq_push(cache->layer.cpus, object)))
		free_slow(cache, object, __builtin_return_address(0));
}

static void free_checked(struct kmem_cache *cache, size_t n, void **objects,
			 const void *caller)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (objects[i])
			checked_take_back(cache, objects[i], caller);
}

/* The lane was full. */
static COLD void free_rest(struct kmem_cache *cache, size_t n, void **objects)
{
	size_t i;

	for (i = 0; i < n; i++)
		check_object(cache, objects[i]);
	layer_give(cache, objects, n);
}

static inline bool has_null(void *const *objects)
{
	return !objects[0] || !objects[1] || !objects[2] || !objects[3] ||
	       !objects[4] || !objects[5] || !objects[6] || !objects[7];
}

/* How many there are before the first NULL; by eights, since one by one takes as
 * long as all the rest of a bulk of 32. */
static size_t run_length(size_t n, void *const *objects)
{
	size_t nr = 0;

	while (n - nr >= 8 && !has_null(objects + nr))
		nr += 8;
	while (nr < n && objects[nr])
		nr++;
	return nr;
}

/* The longest run without a NULL is given back at once. */
static size_t free_run(struct kmem_cache *cache, size_t n, void **objects)
{
	size_t nr = run_length(n, objects), done;

	if (!nr)
		return 0;
	done = layer_push(&cache->layer, objects, nr);
	if (unlikely(done < nr))
		free_rest(cache, nr - done, objects + done);
	return nr;
}

void kmem_cache_free_bulk(struct kmem_cache *cache, size_t n, void **objects)
{
	size_t i;

	if (!cache || !objects)
		return;
	if (unlikely(cache->checked)) {
		free_checked(cache, n, objects, __builtin_return_address(0));
		return;
	}
	for (i = 0; i < n; i++)
		i += free_run(cache, n - i, objects + i);
}

/* ---- the whole cache --------------------------------------------------- */

int kmem_cache_shrink(struct kmem_cache *cache)
{
	if (!cache)
		return -EINVAL;
	layer_flush(cache, false);
	slabs_shrink(cache);
	return 0;
}

int kmem_cache_reset(struct kmem_cache *cache)
{
	bool has_sheaves;

	if (!cache)
		return -EINVAL;
	cache_lock(cache);
	has_sheaves = cache->nr_sheaves;
	cache_unlock(cache);
	if (has_sheaves)
		return -EBUSY;
	layer_flush(cache, true);
	if (cache->checked)
		checked_take_back_all(cache);
	slabs_reset(cache);
	return 0;
}

int kmem_cache_validate(struct kmem_cache *cache)
{
	if (!cache)
		return -EINVAL;
	layer_flush(cache, false);
	return checked_validate(cache);
}

unsigned int kmem_cache_size(struct kmem_cache *cache)
{
	return cache ? cache->layout.size : 0;
}

int kmem_cache_get_stats(struct kmem_cache *cache,
			 struct kmem_cache_stats *stats, size_t size)
{
	struct kmem_cache_stats now = { 0 };
	struct layer_count count;
	int list;

	if (!cache || !stats || !size)
		return -EINVAL;
	layer_flush(cache, false);
	now.object_size = cache->layout.size;
	now.stride = cache->layout.stride;
	now.slab_size = cache->layout.run_size;
	now.slab_objects = cache->layout.nr;
	now.layer = layer_kind(&cache->layer);
	cache_lock(cache);
	layer_count(cache, &count);
	now.active = count.held < cache->active ? cache->active - count.held : 0;
	now.objects = (uint64_t)cache->nr_slabs * cache->layout.nr;
	now.slabs_full = cache->lists[SLAB_FULL].nr;
	now.slabs_empty = cache->lists[SLAB_EMPTY].nr;
	for (list = SLAB_PARTIAL; list < SLAB_FULL; list++)
		now.slabs_partial += cache->lists[list].nr;
	now.allocs = cache->allocs + count.taken;
	now.frees = now.allocs - now.active - cache->forgotten;
	now.failures = cache->failures;
	now.slabs_made = cache->slabs_made;
	now.slabs_returned = cache->slabs_returned;
	now.resets = cache->resets;
	now.defects = cache->defects;
	layer_unlock(cache);
	sized_write(stats, size, &now, sizeof(now));
	return 0;
}
