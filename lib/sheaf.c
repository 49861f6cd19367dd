/* SPDX-License-Identifier: MIT */
/*
 * sheaf.c - objects of a cache that are taken before they are needed
 *
 * Theory of operation
 * ===================
 *
 * 1. Purpose
 *
 * Who is in the middle of a change, or holds a lock under which nobody should
 * ask the system for memory, must not find that there is no object.  A sheaf is
 * filled beforehand, where failing is easy, and its user takes from it without
 * a failure: as many as were asked for.
 *
 * A pool promises more, that there will be an object in the end, to any number
 * of threads, and for that may have to wait.  A sheaf is one thread's, for one
 * piece of work, and never waits.
 *
 * 2. What it is
 *
 * An array of objects that are out, as far as the cache knows: they came as a
 * bulk does and go back as a bulk does, count as out meanwhile, and no recall,
 * shrinking or want of memory elsewhere touches them.  So taking one is neither
 * a matter of the cache's lock nor of a CPU.
 *
 * With checks they are not out yet (checked.c, section 2).
 *
 * 3. Memory
 *
 * The array is from malloc(), as the cache itself: had it been an object of
 * some cache, filling one sheaf would need two.  It has room for the most
 * objects that were ever asked for; a larger one replaces it.
 *
 * 4. Lifetime
 *
 * The cache counts its sheaves, under its lock.  It is neither destroyed nor
 * reset while there are any, empty ones too: a sheaf has a pointer to its
 * cache, and after a reset its objects would be other people's.
 *
 * 5. What this file does not do
 *
 * A sheaf has no lock.  One that was returned is not known to be one.
 */
#include "config.h"

#include "cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "checked.h"
#include "gfp_known.h"

struct slab_sheaf {
	struct kmem_cache	*cache;		/* fixed */
	/* its owner's */
	unsigned int		nr;		/* objects in it; the next is
						   the last of them */
	unsigned int		room;		/* for as many */
	void			*objects[];
};

/* ---- the sheaf itself, of no objects ----------------------------------- */

static struct slab_sheaf *make(struct kmem_cache *cache, unsigned int room)
{
	struct slab_sheaf *sheaf = NULL;
	int saved_errno = errno;
	size_t size;

	if (!__builtin_mul_overflow(room, sizeof(void *), &size) &&
	    !__builtin_add_overflow(size, sizeof(*sheaf), &size))
		sheaf = malloc(size);
	errno = saved_errno;
	if (!sheaf)
		return NULL;
	sheaf->cache = cache;
	sheaf->nr = 0;
	sheaf->room = room;
	return sheaf;
}

static void unmake(struct slab_sheaf *sheaf)
{
	int saved_errno = errno;

	free(sheaf);
	errno = saved_errno;
}

/* Whether objects may be had so, in advance. */
static bool may_fill(const struct kmem_cache *cache, gfp_t gfp)
{
	return cache && !(gfp & ~GFP_KNOWN_PLAIN);
}

static bool is_of(const struct slab_sheaf *sheaf,
		  const struct kmem_cache *cache)
{
	return sheaf && sheaf->cache == cache;
}

/* ---- filling and returning --------------------------------------------- */

/* Up to @n objects, for which there is room; or as it was, and false. */
static bool fill(struct slab_sheaf *sheaf, gfp_t gfp, unsigned int n,
		 const void *caller)
{
	struct kmem_cache *cache = sheaf->cache;
	void **objects = sheaf->objects + sheaf->nr;
	unsigned int lacking = n - sheaf->nr;

	if (!cache_take_all(cache, objects, 0, lacking, gfp))
		return false;
	if (unlikely(cache->checked) &&
	    !checked_set_aside(cache, objects, lacking, gfp, caller))
		return false;
	sheaf->nr = n;
	return true;
}

struct slab_sheaf *kmem_cache_prefill_sheaf(struct kmem_cache *cache,
					    gfp_t gfp_mask, unsigned int n)
{
	struct slab_sheaf *sheaf;

	if (!may_fill(cache, gfp_mask)) {
		errno = EINVAL;
		return NULL;
	}
	sheaf = make(cache, n);
	if (!sheaf)
		goto no_memory;
	if (!fill(sheaf, gfp_mask, n, __builtin_return_address(0)))
		goto unmake_sheaf;
	cache_lock(cache);
	cache->nr_sheaves++;
	cache_unlock(cache);
	return sheaf;

unmake_sheaf:
	unmake(sheaf);
no_memory:
	errno = ENOMEM;
	return NULL;
}

/* What it has, and more, goes to a larger one; or it is as it was: false. */
static bool replace(struct slab_sheaf **sheaf, gfp_t gfp, unsigned int n,
		    const void *caller)
{
	struct slab_sheaf *old = *sheaf, *new = make(old->cache, n);

	if (!new)
		return false;
	memcpy(new->objects, old->objects, old->nr * sizeof(void *));
	new->nr = old->nr;
	if (!fill(new, gfp, n, caller)) {
		unmake(new);
		return false;
	}
	unmake(old);
	*sheaf = new;
	return true;
}

int kmem_cache_refill_sheaf(struct kmem_cache *cache, gfp_t gfp_mask,
			    struct slab_sheaf **sheaf, unsigned int n)
{
	const void *caller = __builtin_return_address(0);
	bool filled = true;

	if (!may_fill(cache, gfp_mask) || !sheaf || !is_of(*sheaf, cache))
		return -EINVAL;
	if (n > (*sheaf)->room)
		filled = replace(sheaf, gfp_mask, n, caller);
	else if (n > (*sheaf)->nr)
		filled = fill(*sheaf, gfp_mask, n, caller);
	return filled ? 0 : -ENOMEM;
}

void kmem_cache_return_sheaf(struct kmem_cache *cache, gfp_t gfp_mask,
			     struct slab_sheaf *sheaf)
{
	if (!is_of(sheaf, cache) || gfp_mask & ~GFP_KNOWN)
		return;
	if (unlikely(cache->checked))
		checked_not_handed_over(cache, sheaf->objects, sheaf->nr,
					__builtin_return_address(0));
	else
		layer_give(cache, sheaf->objects, sheaf->nr);
	unmake(sheaf);
	cache_lock(cache);
	cache->nr_sheaves--;
	cache_unlock(cache);
}

/* ---- taking ------------------------------------------------------------ */

static COLD void *take_slowly(struct kmem_cache *cache, gfp_t gfp,
			      struct slab_sheaf *sheaf, const void *caller)
{
	void *object;

	if (!is_of(sheaf, cache) || cache_check_call(cache, gfp)) {
		errno = EINVAL;
		return NULL;
	}
	if (!sheaf->nr) {
		errno = ENOMEM;
		return NULL;
	}
	object = sheaf->objects[--sheaf->nr];
	if (unlikely(cache->checked))
		checked_hand_over(cache, object, caller);
	if (gfp & __GFP_ZERO)
		memset(object, 0, cache->layout.size);
	return object;
}

void *kmem_cache_alloc_from_sheaf(struct kmem_cache *cache, gfp_t gfp_mask,
				  struct slab_sheaf *sheaf)
{
	/* A sheaf always has a cache: so this one is none of NULL. */
	if (likely(is_of(sheaf, cache) && !(gfp_mask & ~GFP_KNOWN_PLAIN) &&
		   sheaf->nr && !cache->checked))
		return sheaf->objects[--sheaf->nr];
	return take_slowly(cache, gfp_mask, sheaf, __builtin_return_address(0));
}

unsigned int kmem_cache_sheaf_size(struct slab_sheaf *sheaf)
{
	return sheaf ? sheaf->nr : 0;
}
