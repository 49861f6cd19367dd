/* SPDX-License-Identifier: MIT */
/*
 * cache.h - the inside of a cache
 *
 * The layers, from the user down:
 *
 *   cache.c      the calls; sheaf.c: objects taken in advance
 *   checked.c    what is checked, where the flags ask for it
 *   layer.c      magazines in front of the lists: loaded near a CPU, or in the
 *                depot; lane.c and rseq.c: whose they are; magazine.c: memory
 *   slabs.c      the lists of slabs: which gives, which goes
 *   slab.c       one slab
 *   pages.c      memory; pagemap.c: from an address to its slab
 */
#ifndef LIB_CACHE_H
#define LIB_CACHE_H

#include <kmempool/mempool.h>
#include <kmempool/slab.h>

#include "compiler.h"
#include "layer.h"
#include "lock.h"
#include "pagemap.h"
#include "slab.h"

struct registry_entry;

struct slab_list {
	struct slab	*head, *tail;
	unsigned int	nr;
};

struct kmem_cache {
	/* fixed after create */
	struct layout		layout;
	slab_flags_t		flags;
	bool			checked;	/* checked.c has a part in it */
	bool			constructs;	/* objects are, once each */
	bool			shares_runs;	/* with other general caches (runs.c) */
	bool			is_typed;	/* made for one pool (typed.c) */
	bool			reports;	/* when that ends */
	char			*name;
	void			(*ctor)(void *object);
	int			(*ctor_try)(void *object, void *ctor_arg,
					    gfp_t gfp_mask);
	void			(*dtor)(void *object, void *ctor_arg);
	void			*ctor_arg;
	void			(*reclaim)(void *ctor_arg);
	unsigned int		min_partial;
	int			node;		/* -1: any */
	struct registry_entry	*entry;

	mempool_t		*typed;		/* the pool, while that is; else NULL;
						   atomic */

	struct layer		layer;

	unsigned int		colour;		/* of the next slab; atomic */

	struct pool_lock	lock __attribute__((aligned(CACHE_LINE)));

	/* under lock */
	struct slab_list	lists[NR_SLAB_LISTS];
	unsigned int		nr_slabs;	/* in all lists; atomic [S1] */
	unsigned int		nr_sheaves;	/* not returned */
	/* The working set (slabs.c). */
	unsigned int		keep;		/* empty slabs worth keeping */
	unsigned int		nr_events;	/* since the epoch began */
	unsigned int		nr_returned;	/* slabs, and none made again */
	unsigned int		since_return;	/* events since the last one */
	unsigned int		least_empty;	/* slabs, since the epoch began */

	uint64_t		active;		/* objects that no slab has */
	uint64_t		allocs;		/* but for what layer.c counts */
	uint64_t		forgotten;	/* objects, by resets */
	uint64_t		failures;
	uint64_t		slabs_made;
	uint64_t		slabs_returned;
	uint64_t		resets;
	uint64_t		defects;
};

static inline void cache_lock(struct kmem_cache *cache)
{
	pool_lock_take(&cache->lock);
}

static inline void cache_unlock(struct kmem_cache *cache)
{
	pool_lock_release(&cache->lock);
}

/* The cache that @slab is of, or NULL; for any address's slab. */
static inline struct kmem_cache *slab_cache(const struct slab *slab)
{
	return __atomic_load_n(&slab->cache, __ATOMIC_RELAXED);	/* [M1] */
}

/* With the lock: whether @slab, any address's, is in a list of @cache.  If so
 * its memory is there until the lock is released, and while one of its objects
 * is out. */
static inline bool slab_is_listed(const struct kmem_cache *cache,
				  const struct slab *slab)
{
	return slab_cache(slab) == cache && slab->list < NR_SLAB_LISTS;
}

/* ---- slabs.c: with the lock ---- */

/*
 * The slab after @slab, the first after NULL; NULL after the last.  The lock
 * may be released in between if no object is allocated or freed meanwhile: only
 * empty slabs can go then, and they are the first.
 */
struct slab *slabs_next(struct kmem_cache *cache, const struct slab *slab);

/* ---- cachelife.c: as the calls of slab.h ---- */

enum cache_use {
	CACHE_USERS,
	CACHE_GENERAL,			/* of kmalloc.c */
	CACHE_TYPED			/* of typed.c */
};

struct kmem_cache *cache_create(const char *name, unsigned int size,
				const struct kmem_cache_args *args,
				slab_flags_t flags, enum cache_use use);
int cache_destroy(struct kmem_cache *cache);

/* ---- cache.c: without the lock, for calls of the library's own ---- */

/* As kmem_cache_alloc() and kmem_cache_free(), but that errno is left alone,
 * and nothing is checked that only a caller outside can do wrong. */
void *cache_alloc(struct kmem_cache *cache, gfp_t gfp, const void *caller);
void cache_free(struct kmem_cache *cache, void *object, const void *caller);

/* 0, or -EINVAL when no object may be asked for so. */
int cache_check_call(const struct kmem_cache *cache, gfp_t gfp);
/* @n objects, the first @done of which are there, or none: whether.  Neither
 * zeroed nor, in a checked cache, out. */
bool cache_take_all(struct kmem_cache *cache, void **objects, size_t done,
		    size_t n, gfp_t gfp);

/* ---- slabs.c ---- */

/* With the lock: up to @n objects into @objects, of slabs that there are: how
 * many.  Neither zeroed nor checked.  @fresh is set if any has to be touched
 * before it is given back: that is done without the lock. */
size_t slabs_take(struct kmem_cache *cache, void **objects, size_t n,
		  bool *fresh);
void slabs_touch(const struct kmem_cache *cache, void *const *objects,
		 size_t n);

/* Without the lock: a new slab, or NULL; with it: that slab is one of the
 * cache's. */
struct slab *slabs_make(struct kmem_cache *cache, gfp_t gfp);
void slabs_add(struct kmem_cache *cache, struct slab *slab);

#define SLABS_PUT_MAX	128		/* objects under one lock */

/* With the lock: they go to their slabs, at most SLABS_PUT_MAX, and @going is a
 * chain of slabs to be unmade without it.  NULL; or the first of them that is no
 * object of @cache, or free, and so are the rest not given. */
void *slabs_put(struct kmem_cache *cache, void *const *objects, size_t n,
		struct slab **going);
void slabs_unmake(struct slab *going);

/* Without the lock: each goes to its slab; anything else is reported, and ends
 * the program. */
void slabs_give(struct kmem_cache *cache, void *const *objects, size_t n);
/* The same for what was taken and never handed out: it is not counted. */
void slabs_untake(struct kmem_cache *cache, void *const *objects, size_t n);
/* Every empty slab goes back. */
void slabs_shrink(struct kmem_cache *cache);
/* Every object is free; no call overlaps. */
void slabs_reset(struct kmem_cache *cache);

#endif /* LIB_CACHE_H */
