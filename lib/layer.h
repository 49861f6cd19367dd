/* SPDX-License-Identifier: MIT */
/*
 * layer.h - magazines in front of the slabs of one cache
 */
#ifndef LIB_LAYER_H
#define LIB_LAYER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kmempool/gfp.h>

#include "compiler.h"
#include "magazine.h"
#include "recall.h"
#include "rseq.h"

struct kmem_cache;
struct lane;

struct layer {
	/* fixed after create */
	struct lane	*cpus;		/* the lanes, where they are CPUs';
						   else lanes with nothing */
	struct lane	*lanes;		/* all; NULL: no layer here */
	unsigned int	cap_max;	/* most objects of a magazine */

	/* under the cache's lock, and apart from what every call reads */
	unsigned int	cap __attribute__((aligned(CACHE_LINE)));
					/* the same, now */
	unsigned int	nr_locked;	/* times the lock was taken, */
	unsigned int	nr_contended;	/* and another thread had it */
	unsigned int	nr_full;
	unsigned int	nr_empty;	/* atomic [L3] */
	struct magazine	*full;		/* the depot: have objects; newest */
	struct magazine	*empty;		/* first.  And have none */
	struct recall	recall;
	uint64_t	nr_loads;	/* of lanes */
	uint64_t	taken;		/* by the fast path, of those not loaded */
	uint64_t	untouched;	/* objects that threads are about to load */
};

/* False: no memory.  @stride: bytes of an object; 0: no layer.  @cap: most
 * objects of a magazine; 0: what seems right. */
bool layer_init(struct layer *layer, size_t stride, unsigned int cap);
/* KMEM_CACHE_LAYER_* */
unsigned int layer_kind(const struct layer *layer);
/* Has nothing any more. */
void layer_fini(struct layer *layer);

/* Up to @n objects: how many, fewer only when there is no more to be had.
 * Neither zeroed nor checked. */
size_t layer_take(struct kmem_cache *cache, void **objects, size_t n,
		  gfp_t gfp);
/* The first of @n objects, 1 or more, to the lane of this CPU: as many as fit.  Not
 * a single one that was given back just before. */
static inline size_t layer_push(struct layer *layer, void **objects, size_t n)
{
	return n > 1 ? rseq_push_run(layer->cpus, objects, n)
		     : rseq_push(layer->cpus, objects[0]);
}

/* Each is an object of @cache. */
void layer_give(struct kmem_cache *cache, void **objects, size_t n);

/* Everything goes back to the slabs.  @alone: no call overlaps. */
void layer_flush(struct kmem_cache *cache, bool alone);

struct layer_count {
	uint64_t	held;		/* objects that the layer has */
	uint64_t	taken;		/* times that one left by the fast path */
};

/* With the lock: as it is at one moment.  The lock is to be let go of by
 * layer_unlock(), which may enter the kernel. */
void layer_count(struct kmem_cache *cache, struct layer_count *count);
void layer_unlock(struct kmem_cache *cache);
/* With the lock: the same, if nothing moves meanwhile; and the sum of the
 * counts, which grows with every move. */
uint64_t layer_sum(const struct kmem_cache *cache, struct layer_count *count);
/* In the child of a fork, with the lock. */
void layer_child(struct kmem_cache *cache);

#endif /* LIB_LAYER_H */
