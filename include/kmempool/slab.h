/* SPDX-License-Identifier: MIT */
/*
 * slab.h - caches of objects of one kind
 *
 * A cache hands out objects of one size and takes them back.  It gets memory
 * from the system in slabs of many objects, can construct each object once, when
 * its slab is made, instead of at every use, and knows of any address whether
 * it is one of its objects.  The calls are those of the Linux kernel's
 * kmem_cache; destructors, constructors that may fail, reset and statistics are
 * added.
 *
 * What holds for every function here
 *
 *   errors     int functions return 0 or -errno; pointer functions return
 *              NULL and set errno, and on success leave it alone.  NULL
 *              caches and unknown flags are EINVAL; a void function given one
 *              does nothing.
 *   misuse     an object given to the wrong cache, an address that is no
 *              object, an object given back twice: a cache with SLAB_POISON,
 *              SLAB_RED_ZONE, SLAB_STORE_USER or SLAB_CONSISTENCY_CHECKS
 *              sees all of it, reports it and goes on without doing what was
 *              asked; one with none of them sees what can be seen at no
 *              cost, reports it and calls abort().
 *   callbacks  constructors, destructors and reclaim are entered with no
 *              library lock held and with cancellation disabled, and may use
 *              any other cache or pool.  They must return.
 *   sleeping   no function here sleeps, but destroy; callbacks and the system
 *              may.
 *   cancelling nothing here is a cancellation point.
 *   signals    nothing here is async-signal-safe.
 *   threads    any thread may call, without registering.  Calls on one cache
 *              may overlap, but for create, destroy and reset, which the
 *              caller must keep apart from every other.  A sheaf belongs to
 *              one thread at a time.
 *   symbols    kmem_cache_* is exported as kmempool_cache_*.
 *
 * Since: 0.1, all of it.
 */
#ifndef KMEMPOOL_SLAB_H
#define KMEMPOOL_SLAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kmempool/api.h>
#include <kmempool/gfp.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef unsigned int slab_flags_t;

/* Objects begin on a cache line, or on a half, a quarter or an eighth of one if
 * they are no longer than that. */
#define SLAB_HWCACHE_ALIGN	0x01u
/* With each of the next four misuse is reported and refused, see above. */

/* Free objects, and new ones, are filled with a pattern; one that changed while
 * it was free is reported when it is handed out.  Constructed objects are only
 * with SLAB_CONSISTENCY_CHECKS, which destroys them meanwhile. */
#define SLAB_POISON		0x02u
/* Bytes before and after each object, which must not change. */
#define SLAB_RED_ZONE		0x04u
/* Reports say which thread allocated and freed an object, and where. */
#define SLAB_STORE_USER		0x08u
/* Constructor and destructor are run around each use of an object. */
#define SLAB_CONSISTENCY_CHECKS	0x10u
/* Creation that fails stops the program with a report. */
#define SLAB_PANIC		0x20u

/* Bytes: the largest object, and the largest alignment. */
#define KMEM_CACHE_SIZE_MAX	(4u << 20)
#define KMEM_CACHE_ALIGN_MAX	(64u << 10)

struct kmem_cache;			/* ended by kmem_cache_destroy() */
struct slab_sheaf;			/* ended by kmem_cache_return_sheaf() */

/*
 * How a cache is to be.  All-zero is every default, so initialisers name what
 * differs:
 *
 *	struct kmem_cache_args args = { .ctor_try = io_init, .dtor = io_fini };
 */
struct kmem_cache_args {
	unsigned int	align;		/* bytes, a power of two; default 8 */
	/* Accepted for ported code, and of no effect. */
	unsigned int	useroffset;
	unsigned int	usersize;
	unsigned int	freeptr_offset;
	bool		use_freeptr_offset;
	unsigned int	sheaf_capacity;
	/* Constructs an object; runs once for each, when its slab is made. */
	void		(*ctor)(void *object);

	size_t		size;		/* of this structure, bytes; 0: as it is
					   in the header */
	/* Instead of ctor: 0, or -errno, which makes the allocation fail. */
	int		(*ctor_try)(void *object, void *ctor_arg,
				    gfp_t gfp_mask);
	/* Runs once for each object, when its slab goes back: also in threads
	 * that only wanted memory, as reclaim. */
	void		(*dtor)(void *object, void *ctor_arg);
	void		*ctor_arg;	/* to ctor_try, dtor and reclaim */
	/* Memory is short: frees objects that the user only keeps.  Entered
	 * from any allocation that would fail, if it may sleep.  A lock that
	 * this or dtor takes must not be held across kmem_cache_destroy(), nor
	 * be waited for if it may be held around an allocation. */
	void		(*reclaim)(void *ctor_arg);
	unsigned int	min_partial;	/* empty slabs kept at least; default 1 */
	unsigned int	cache_size;	/* objects kept near a CPU at most: less
					   than 4 are none; default 0: up to
					   124, or 64 KiB */
	int		node;		/* where slabs should lie: a hint, and 0,
					   as -1, is none */
};

/* What kmem_cache_get_stats() reports: true at one moment during the call (but
 * where membarrier(2) came to be forbidden: libkmempool-slab(7)). */
struct kmem_cache_stats {
	uint64_t object_size;		/* bytes asked for at creation */
	uint64_t stride;		/* bytes from one object to the next */
	uint64_t slab_size;		/* bytes of one slab */
	uint64_t slab_objects;		/* objects in one slab */
	uint64_t active;		/* objects outside, or in a sheaf */
	uint64_t objects;		/* objects in all slabs */
	uint64_t slabs_full;		/* slabs with no object to give, */
	uint64_t slabs_partial;		/* with some, */
	uint64_t slabs_empty;		/* with all of theirs */
	uint64_t allocs;		/* objects handed out */
	uint64_t frees;			/* objects taken back; not by reset */
	uint64_t failures;		/* allocations that failed */
	uint64_t slabs_made;
	uint64_t slabs_returned;	/* to the system */
	uint64_t resets;
	uint64_t defects;		/* reported so far */
	uint64_t layer;			/* KMEM_CACHE_LAYER_* */
};

/* What is in front of the slabs. */
#define KMEM_CACHE_LAYER_NONE		0	/* nothing: calls take a lock */
#define KMEM_CACHE_LAYER_CLAIMED	1	/* magazines that threads claim */
#define KMEM_CACHE_LAYER_CPU		2	/* a magazine for each CPU */

/* ---- life cycle -------------------------------------------------------- */

/**
 * kmem_cache_create - make a cache
 * @name:  for statistics and reports; copied; need not be unique
 * @size:  bytes in an object, 1 to KMEM_CACHE_SIZE_MAX
 * @align: bytes, a power of two up to KMEM_CACHE_ALIGN_MAX; 0: 8
 * @flags: SLAB_*
 * @ctor:  constructs an object, or NULL
 *
 * Return: the cache, or NULL with errno
 *           EINVAL  @name is NULL, or a value is out of range
 *           ENOMEM
 */
KMEMPOOL_API KMEMPOOL_MUST_CHECK
struct kmem_cache *kmem_cache_create(const char *name, unsigned int size,
				     unsigned int align, slab_flags_t flags,
				     void (*ctor)(void *object))
	KMEMPOOL_SYM(cache_create);

/**
 * kmem_cache_create_args - make a cache that differs from the default
 * @args: how; NULL is all-zero.  Read during the call.
 *
 * Errors as kmem_cache_create(), and
 *           EINVAL  both ctor and ctor_try; node below -1; args->size below
 *                   the first published size and not 0
 *           E2BIG   args->size is larger than this library's structure and
 *                   the tail it does not know is not zero
 */
KMEMPOOL_API KMEMPOOL_MUST_CHECK
struct kmem_cache *kmem_cache_create_args(const char *name, unsigned int size,
					  const struct kmem_cache_args *args,
					  slab_flags_t flags)
	KMEMPOOL_SYM(cache_create_args);

/* A cache for a structure, by its name, size and alignment. */
#define KMEM_CACHE(struct_name, flags) \
	kmem_cache_create(#struct_name, sizeof(struct struct_name), \
			  __alignof__(struct struct_name), (flags), NULL)

/**
 * kmem_cache_destroy - end a cache
 * @cache: NULL is a no-op.  One that is no more is a misuse: reported, then
 *         abort().
 *
 * Sleeps: while kmem_cache_for_each() visits the cache, or an allocation under
 *         way has it let go.  So the caller must hold no lock that the
 *         cache's reclaim function or destructor takes.
 * Return: 0; -EBUSY, and the cache is as it was, while objects are out, or
 *         there is a sheaf.
 */
KMEMPOOL_API
int kmem_cache_destroy(struct kmem_cache *cache) KMEMPOOL_SYM(cache_destroy);

/* ---- objects ----------------------------------------------------------- */

/**
 * kmem_cache_alloc - take an object
 * @gfp_mask: __GFP_ZERO gives it zeroed; with __GFP_DIRECT_RECLAIM all caches
 *            are asked to let go before the call fails, but for those that
 *            are being destroyed
 *
 * Owner:   the caller, until kmem_cache_free() on the same cache.
 * Content: constructed; without a constructor undefined, or zero as asked.
 * Return:  the object, or NULL with errno
 *            EINVAL  @cache is NULL, an unknown bit, or __GFP_ZERO on a cache
 *                    with a constructor
 *            ENOMEM  the system has no memory, or a constructor failed
 */
KMEMPOOL_API KMEMPOOL_MUST_CHECK
void *kmem_cache_alloc(struct kmem_cache *cache, gfp_t gfp_mask)
	KMEMPOOL_SYM(cache_alloc);

/* The same with __GFP_ZERO. */
KMEMPOOL_API KMEMPOOL_MUST_CHECK
void *kmem_cache_zalloc(struct kmem_cache *cache, gfp_t gfp_mask)
	KMEMPOOL_SYM(cache_zalloc);

/**
 * kmem_cache_free - give an object back
 * @object: NULL is a no-op; constructed, if the cache has a constructor
 *
 * Any thread may free.
 */
KMEMPOOL_API
void kmem_cache_free(struct kmem_cache *cache, void *object)
	KMEMPOOL_SYM(cache_free);

/**
 * kmem_cache_alloc_bulk - take several objects, or none
 * @n:       how many; 0 succeeds
 * @objects: filled from 0 to n - 1
 *
 * Return: whether it succeeded; if not, with nothing taken, the slots
 *         unspecified and errno as for kmem_cache_alloc(); EINVAL also when
 *         @objects is NULL and @n is not 0.
 */
KMEMPOOL_API KMEMPOOL_MUST_CHECK
bool kmem_cache_alloc_bulk(struct kmem_cache *cache, gfp_t gfp_mask, size_t n,
			   void **objects)
	KMEMPOOL_SYM(cache_alloc_bulk);

/* Gives back n objects; a NULL among them is passed over. */
KMEMPOOL_API
void kmem_cache_free_bulk(struct kmem_cache *cache, size_t n, void **objects)
	KMEMPOOL_SYM(cache_free_bulk);

/* ---- sheaves ----------------------------------------------------------- */

/**
 * kmem_cache_prefill_sheaf - take objects before they are needed
 * @gfp_mask: as for kmem_cache_alloc(); without __GFP_ZERO, which is for the
 *            taking
 * @n:        how many; 0 makes an empty sheaf
 *
 * A sheaf is a reserve that cannot fail until it is empty.  Its objects are out
 * as far as the cache is concerned; the sheaf itself is memory from malloc().
 *
 * Owner:  the caller, until kmem_cache_return_sheaf().
 * Return: the sheaf, or NULL with errno, and nothing taken
 *           EINVAL  @cache is NULL, an unknown bit, or __GFP_ZERO
 *           ENOMEM  there is no memory for the sheaf or for an object, or a
 *                   constructor failed
 */
KMEMPOOL_API KMEMPOOL_MUST_CHECK
struct slab_sheaf *kmem_cache_prefill_sheaf(struct kmem_cache *cache,
					    gfp_t gfp_mask, unsigned int n)
	KMEMPOOL_SYM(cache_prefill_sheaf);

/**
 * kmem_cache_alloc_from_sheaf - take an object that was taken in advance
 * @gfp_mask: __GFP_ZERO gives it zeroed; all other bits change nothing
 *
 * Takes no lock, and asks neither the cache nor the system.  The object goes
 * back by kmem_cache_free(), not to the sheaf.
 *
 * Return: the object, or NULL with errno
 *           EINVAL  @cache or @sheaf is NULL, the sheaf is another cache's, an
 *                   unknown bit, or __GFP_ZERO on a cache with a constructor
 *           ENOMEM  the sheaf is empty
 */
KMEMPOOL_API KMEMPOOL_MUST_CHECK
void *kmem_cache_alloc_from_sheaf(struct kmem_cache *cache, gfp_t gfp_mask,
				  struct slab_sheaf *sheaf)
	KMEMPOOL_SYM(cache_alloc_from_sheaf);

/**
 * kmem_cache_refill_sheaf - take as many more as are lacking, or none
 * @gfp_mask: as for kmem_cache_prefill_sheaf()
 * @sheaf:    set to another sheaf if this one is too small, and then has what
 *            it had
 * @n:        that it has at least afterwards; if it has, nothing happens
 *
 * Return: 0, or with the sheaf as it was
 *           -EINVAL  @cache, @sheaf or *@sheaf is NULL, the sheaf is another
 *                    cache's, an unknown bit, or __GFP_ZERO
 *           -ENOMEM  as for kmem_cache_prefill_sheaf()
 */
KMEMPOOL_API KMEMPOOL_MUST_CHECK
int kmem_cache_refill_sheaf(struct kmem_cache *cache, gfp_t gfp_mask,
			    struct slab_sheaf **sheaf, unsigned int n)
	KMEMPOOL_SYM(cache_refill_sheaf);

/**
 * kmem_cache_return_sheaf - give back a sheaf and what is left in it
 * @gfp_mask: changes nothing
 * @sheaf:    is no more afterwards; with NULL, another cache's sheaf or an
 *            unknown bit in @gfp_mask nothing happens
 */
KMEMPOOL_API
void kmem_cache_return_sheaf(struct kmem_cache *cache, gfp_t gfp_mask,
			     struct slab_sheaf *sheaf)
	KMEMPOOL_SYM(cache_return_sheaf);

/* Objects in the sheaf; 0 when @sheaf is NULL. */
KMEMPOOL_API
unsigned int kmem_cache_sheaf_size(struct slab_sheaf *sheaf)
	KMEMPOOL_SYM(cache_sheaf_size);

/* ---- the whole cache --------------------------------------------------- */

/**
 * kmem_cache_shrink - give every empty slab back to the system
 *
 * Return: 0; -EINVAL when @cache is NULL.
 */
KMEMPOOL_API
int kmem_cache_shrink(struct kmem_cache *cache) KMEMPOOL_SYM(cache_shrink);

/**
 * kmem_cache_reset - every object back at once
 *
 * For a server that allocates freely during a request and frees nothing until
 * its end.  Slabs are kept for the next.  Objects of a cache with a constructor
 * must be in constructed state.  No object may be used afterwards, and no other
 * call on the cache may overlap, nor its reclaim function free an object.
 *
 * Return: 0; -EBUSY, and nothing has happened, while there is a sheaf; -EINVAL
 *         when @cache is NULL.
 */
KMEMPOOL_API
int kmem_cache_reset(struct kmem_cache *cache) KMEMPOOL_SYM(cache_reset);

/**
 * kmem_cache_validate - look for damage
 *
 * Looks at the free list of each slab and, where the flags of the cache say
 * so, at the red zones of every object and the poison of free ones.  Each
 * defect is reported.  Objects in use may be written to meanwhile, no objects
 * are allocated or freed.
 *
 * Return: defects found; -EINVAL when @cache is NULL.
 */
KMEMPOOL_API
int kmem_cache_validate(struct kmem_cache *cache)
	KMEMPOOL_SYM(cache_validate);

/* Bytes in an object, as asked for at creation; 0 when @cache is NULL. */
KMEMPOOL_API
unsigned int kmem_cache_size(struct kmem_cache *cache)
	KMEMPOOL_SYM(cache_size);

/**
 * kmem_cache_get_stats - read the counters
 * @size: sizeof *stats as the caller knows it: what this library does not
 *        know is set to zero, what the caller does not know is left out
 *
 * Return: 0; -EINVAL when a pointer is NULL or @size is 0.
 */
KMEMPOOL_API
int kmem_cache_get_stats(struct kmem_cache *cache,
			 struct kmem_cache_stats *stats, size_t size)
	KMEMPOOL_SYM(cache_get_stats);

/**
 * kmem_cache_for_each - visit every cache
 * @fn: called with each, until it returns other than 0
 *
 * A cache stays while @fn has it: its destroy waits.  @fn may use the cache and
 * make others, but must not destroy the one it visits.  Caches made or
 * destroyed meanwhile are visited or not.  Takes no lock.
 *
 * Return: what @fn returned last, 0 when there was no cache; -EINVAL when @fn
 *         is NULL.
 */
KMEMPOOL_API
int kmem_cache_for_each(int (*fn)(struct kmem_cache *cache, void *arg),
			void *arg)
	KMEMPOOL_SYM(cache_for_each);

#ifdef __cplusplus
}
#endif

#endif /* KMEMPOOL_SLAB_H */
