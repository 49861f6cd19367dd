/* SPDX-License-Identifier: MIT */
/*
 * mempool.h - reserve pools over any allocator
 *
 * A pool keeps min_nr elements aside so that work in progress can always
 * finish: when the allocator underneath (the backend) fails, an allocation
 * takes from the reserve; when the reserve is empty, it sleeps until some
 * thread gives an element back.  The calls are those of the Linux kernel's
 * mempool_t, with deadlines, bulk requests, shutdown and statistics added.
 *
 * What holds for every function here
 *
 *   errors     int functions return 0 or -errno; pointer functions return
 *              NULL and set errno, and on success leave it alone (a callback
 *              of the user's may still change it).  NULL objects, values out
 *              of range and unknown flags are EINVAL; a void function given
 *              one does nothing.
 *   callbacks  alloc_fn and free_fn are entered with no library lock held.
 *              They may sleep, and may call into any other pool.  They must
 *              return: leaving one by longjmp(), an exception or
 *              pthread_exit() is undefined.
 *   sleeping   each comment says whether the library itself sleeps; a call
 *              also sleeps wherever the callback it enters does.
 *   cancelling the sleeping waits are cancellation points and nothing else
 *              in the library is.  A cancelled call has taken nothing.
 *   signals    nothing here is async-signal-safe.
 *   threads    any thread may call, without registering.  Calls on one pool
 *              may overlap, except pairs marked X, which the caller must
 *              keep apart:
 *
 *                              init/create  exit/destroy  any other
 *              init/create          X            X            X
 *              exit/destroy         X            X            X
 *              any other            X            X            -
 *
 *   symbols    every function is exported as kmempool_*, whatever its name
 *              in C, so that a program may hold another mempool_alloc().
 *
 * Since: 0.1, all of it.
 */
#ifndef KMEMPOOL_MEMPOOL_H
#define KMEMPOOL_MEMPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <kmempool/api.h>
#include <kmempool/gfp.h>

#define KMEMPOOL_VERSION_MAJOR 0
#define KMEMPOOL_VERSION_MINOR 1
#define KMEMPOOL_VERSION_PATCH 0
#define KMEMPOOL_VERSION "0.1.0"	/* equals PACKAGE_VERSION; tested */

#ifdef __cplusplus
extern "C" {
#endif

/**
 * mempool_alloc_t - the backend's allocation
 * @gfp_mask:  what it may do to find memory; never __GFP_ZERO
 * @pool_data: as given to create
 * Return:     an element, or NULL when there is none at the moment.  It must
 *             return in the end, or a waiter that it serves never does.
 */
typedef void *(mempool_alloc_t)(gfp_t gfp_mask, void *pool_data);

/**
 * mempool_free_t - give an element back to the backend
 * @element:   never NULL; may have come from another pool over this backend
 * @pool_data: as given to create
 */
typedef void (mempool_free_t)(void *element, void *pool_data);

struct mempool_core;
struct kmem_cache;

/*
 * A pool in the caller's storage.  All members are private.  Once initialised
 * it must not be copied or moved.  All-zero memory is a valid exited pool.
 */
typedef struct mempool {
	intptr_t		kmp_gate;
	mempool_alloc_t		*kmp_alloc_fn;
	mempool_free_t		*kmp_free_fn;
	void			*kmp_pool_data;
	struct mempool_core	*kmp_core;
	void			*kmp_spare[3];	/* zero; for later versions */
} mempool_t;

/* struct mempool_attr.flags */
/* alloc_fn is called only by create, resize and refill: the pool lives on its
 * reserve.  free_fn is called as always. */
#define MEMPOOL_FIXED		0x1u
#define MEMPOOL_RESIDENT	0x2u	/* not yet: EINVAL */
/* A thread that holds the pool's lock has the priority of those who want it. */
#define MEMPOOL_PRIO_INHERIT	0x4u
/* While the backend is dead, CPUs may have elements of the reserve near them,
 * which are had back when anyone needs them: most calls take no lock then.  Not
 * in a pool with max_nr, or made with min_nr 0, nor where the system lacks what
 * it takes: then the flag does nothing, and the statistics say so. */
#define MEMPOOL_CACHED		0x8u

#define MEMPOOL_NODE_ANY	(-1)

/*
 * How a pool is to behave.  Begin with MEMPOOL_ATTR_INIT and set what differs;
 * 0 in any field but node is that field's default.  Fields marked "not yet"
 * must keep their default, or the pool is refused with EINVAL.
 */
struct mempool_attr {
	size_t		size;		/* of this structure, bytes; the
					   default is the first published */
	const char	*name;		/* copied; need not be unique */
	size_t		element_size;	/* bytes; makes __GFP_ZERO possible.
					   The stock backends know theirs */
	unsigned int	flags;		/* MEMPOOL_* */
	unsigned int	max_nr;		/* most elements outside at once,
					   wherever they came from; at least
					   min_nr.  Beyond it callers wait.
					   Every call takes the lock then */
	unsigned int	max_waiters;	/* most requests that wait; the next
					   ends with EBUSY */
	unsigned int	emergency_nr;	/* not yet */
	unsigned int	retry_ms;	/* a sleeping request tries the backend
					   again this often; default 100 */
	unsigned int	stall_ms;	/* not yet */
	void		(*stall_fn)(mempool_t *pool, void *stall_arg);
					/* not yet */
	void		*stall_arg;	/* not yet */
	int		node;		/* a hint, as in mempool_create_node();
					   0 is node 0 */
};

#define MEMPOOL_ATTR_INIT \
	{ sizeof(struct mempool_attr), NULL, 0, 0, 0, 0, 0, 0, 0, NULL, NULL, \
	  MEMPOOL_NODE_ANY }

#define MEMPOOL_WAIT_BUCKETS	32

/* What mempool_get_stats() reports.  Exact when no call on the pool is under
 * way; otherwise each figure was true at some moment during the call, but for
 * outstanding, which is then no less than it was at any. */
struct mempool_stats {
	uint64_t min_nr;		/* size of the full reserve */
	uint64_t curr_nr;		/* elements in the reserve */
	uint64_t low_nr;		/* lowest curr_nr since creation; what
					   CPUs had near them counts as out */
	int64_t  outstanding;		/* taken less given back; foreign
					   elements may make it negative */
	uint64_t alloc_backend;		/* elements served by the caller's own
					   call of alloc_fn, */
	uint64_t alloc_reserve;		/* by the reserve without waiting, */
	uint64_t alloc_handoff;		/* to a request that waited, whatever
					   they came from */
	uint64_t backend_failures;	/* times alloc_fn returned NULL */
	uint64_t nowait_failures;	/* calls that could not sleep, failed,
					   but for those of _noreserve */
	uint64_t waits;			/* requests that were queued */
	uint64_t waiters;		/* requests queued now */
	uint64_t waiters_max;		/* most at once */
	uint64_t wait_total_ns;		/* of waits that ended */
	uint64_t wait_max_ns;		/* longest that ended */
	uint64_t wait_oldest_ns;	/* age of the oldest queued request */
	uint64_t timeouts;		/* requests ended by their deadline, */
	uint64_t cancellations;		/* by pthread_cancel() or shutdown */
	uint64_t free_waiter;		/* elements that served a request, or
					   for which one was woken, */
	uint64_t free_reserve;		/* stayed in the reserve, be it for a
					   bulk request that lacks more, */
	uint64_t free_backend;		/* went to free_fn */
	/* ended waits by length: [0] below 1 us, [i] below 2^i us, the last
	 * all longer ones */
	uint64_t wait_hist[MEMPOOL_WAIT_BUCKETS];
	uint64_t cached;		/* 1: CPUs may have some of the reserve
					   near them (MEMPOOL_CACHED) */
};

/* ---- life cycle -------------------------------------------------------- */

/**
 * mempool_create - make a pool and fill its reserve
 * @min_nr:    elements to keep aside; 0 keeps none, which promises nothing
 * @alloc_fn:  takes an element from the backend
 * @free_fn:   gives one back
 * @pool_data: passed to both; must outlive every call on the pool
 *
 * Calls @alloc_fn min_nr times with GFP_KERNEL before it returns, or undoes
 * everything and fails.
 *
 * Sleeps: no.
 * Return: the pool, to be ended by mempool_destroy(), or NULL with errno
 *           EINVAL  @min_nr is negative, a function is NULL, or @pool_data
 *                   of a stock backend is no size or order
 *           ENOMEM  the reserve could not be filled
 */
KMEMPOOL_API KMEMPOOL_MUST_CHECK
mempool_t *mempool_create(int min_nr, mempool_alloc_t *alloc_fn,
			  mempool_free_t *free_fn, void *pool_data)
	KMEMPOOL_SYM(create);

/**
 * mempool_create_node - the same, with the mask for filling and a NUMA node
 * @gfp_mask: what @alloc_fn may do while the reserve is filled
 * @node:     where the caller would like the pool's own bookkeeping, or -1.
 *            A hint: memory is placed where the creating thread runs.
 *
 * Errors as mempool_create(); EINVAL also for unknown bits, __GFP_ZERO in
 * @gfp_mask and for @node below -1.
 */
KMEMPOOL_API KMEMPOOL_MUST_CHECK
mempool_t *mempool_create_node(int min_nr, mempool_alloc_t *alloc_fn,
			       mempool_free_t *free_fn, void *pool_data,
			       gfp_t gfp_mask, int node)
	KMEMPOOL_SYM(create_node);

/**
 * mempool_create_attr - make a pool that differs from the default
 * @attr: how; NULL is the same as mempool_create().  Read during the call.
 *
 * Errors as mempool_create(), and
 *           EINVAL  a field or flag that this version does not know how to
 *                   honour, max_nr below @min_nr, attr->size below the first
 *                   published size and not 0, retry_ms above INT_MAX, node
 *                   below -1, element_size above what a stock backend returns
 *           ENOMEM  also when there can be no lock with priority inheritance
 *           E2BIG   attr->size is larger than this library's structure and
 *                   the tail it does not know is not zero
 */
KMEMPOOL_API KMEMPOOL_MUST_CHECK
mempool_t *mempool_create_attr(int min_nr, mempool_alloc_t *alloc_fn,
			       mempool_free_t *free_fn, void *pool_data,
			       const struct mempool_attr *attr)
	KMEMPOOL_SYM(create_attr);

/**
 * mempool_destroy - end a pool made by one of the create functions
 * @pool: NULL is a no-op
 *
 * Frees the reserve.  Elements still outside are the caller's to give back to
 * the backend.  Every other call on the pool must have returned, or, for
 * frees, been counted: mempool_drain_until() returned 0 and no call began
 * since.  Requests still waiting are a misuse: reported, then abort().
 *
 * Sleeps: while mempool_for_each() or mempool_find() visits the pool; not a
 *         cancellation point.
 */
KMEMPOOL_API
void mempool_destroy(mempool_t *pool) KMEMPOOL_SYM(destroy);

/**
 * mempool_init - make a pool in storage of the caller's
 * @pool: need not be zeroed; must not be a live pool
 *
 * The other parameters, and the errors, are those of the create functions.  A
 * failed init leaves an exited pool.
 * Return: 0 or -errno.
 */
KMEMPOOL_API KMEMPOOL_MUST_CHECK
int mempool_init(mempool_t *pool, int min_nr, mempool_alloc_t *alloc_fn,
		 mempool_free_t *free_fn, void *pool_data)
	KMEMPOOL_SYM(init);
KMEMPOOL_API KMEMPOOL_MUST_CHECK
int mempool_init_node(mempool_t *pool, int min_nr, mempool_alloc_t *alloc_fn,
		      mempool_free_t *free_fn, void *pool_data,
		      gfp_t gfp_mask, int node)
	KMEMPOOL_SYM(init_node);
KMEMPOOL_API KMEMPOOL_MUST_CHECK
int mempool_init_attr(mempool_t *pool, int min_nr, mempool_alloc_t *alloc_fn,
		      mempool_free_t *free_fn, void *pool_data,
		      const struct mempool_attr *attr)
	KMEMPOOL_SYM(init_attr);

/**
 * mempool_exit - end a pool made by one of the init functions
 * @pool: NULL, all-zero, failed and exited pools are no-ops
 *
 * As mempool_destroy(), but the storage stays the caller's.
 */
KMEMPOOL_API
void mempool_exit(mempool_t *pool) KMEMPOOL_SYM(exit);

/**
 * mempool_initialized - whether init succeeded and exit has not followed
 * @pool: initialised, failed, exited or all-zero storage; NULL gives false
 */
KMEMPOOL_API
bool mempool_initialized(mempool_t *pool) KMEMPOOL_SYM(initialized);

/**
 * mempool_is_saturated - whether the reserve is full (curr_nr >= min_nr)
 *
 * True at some moment during the call; NULL gives false.  Sleeps: no.
 */
KMEMPOOL_API
bool mempool_is_saturated(mempool_t *pool) KMEMPOOL_SYM(is_saturated);

/* ---- taking elements --------------------------------------------------- */

/**
 * mempool_alloc - take an element
 * @gfp_mask: GFP_KERNEL, GFP_NOIO, GFP_NOWAIT, ...
 *
 * Tries, in this order: the backend, with a mask that asks it not to wait;
 * the reserve; then, if the caller may sleep, the backend with the caller's
 * mask and the reserve once more; then it joins the sleepers, who are served
 * in order of arrival.  A sleeping request is woken for the next element freed,
 * and tries the backend again every retry_ms.  A caller that finds an element
 * in the reserve may take it past those who sleep only while the first of them
 * has been first for less than 400 us.
 *
 * Never take one element while holding another of the same pool: two threads
 * that do so can wait for each other for ever.  Use mempool_alloc_bulk().
 *
 * Sleeps:  with __GFP_DIRECT_RECLAIM, until an element is granted.
 * Owner:   the caller, until mempool_free() on the same pool.
 * Content: undefined, or zero with __GFP_ZERO.
 * Return:  the element, or NULL with errno
 *            EAGAIN     the caller may not sleep and there was none, or
 *                       max_nr are outside
 *            EBUSY      it would have to sleep, and max_waiters do
 *            ECANCELED  it would have to sleep, and the pool is shut down
 *            EINVAL     @pool is NULL, an unknown bit, or __GFP_ZERO on a
 *                       pool whose element size is unknown
 */
KMEMPOOL_API KMEMPOOL_MUST_CHECK
void *mempool_alloc(mempool_t *pool, gfp_t gfp_mask) KMEMPOOL_SYM(alloc);

/**
 * mempool_alloc_until - the same, sleeping no later than a deadline
 * @deadline: absolute CLOCK_MONOTONIC time, or NULL for none.  A time already
 *            past still tries the backend and the reserve.  Not read when
 *            @gfp_mask does not allow sleeping.
 *
 * The time is absolute because callers retry in loops, where a relative one
 * would start again on each turn.  It does not cut @alloc_fn short, and an
 * element granted before the request noticed the time is kept.
 *
 * Errors as mempool_alloc(), and
 *            EINVAL     @deadline->tv_nsec is not in 0..999999999
 *            ETIMEDOUT  the deadline passed and nothing was granted first
 */
KMEMPOOL_API KMEMPOOL_MUST_CHECK
void *mempool_alloc_until(mempool_t *pool, gfp_t gfp_mask,
			  const struct timespec *deadline)
	KMEMPOOL_SYM(alloc_until);

/**
 * mempool_alloc_preallocated - take an element from the reserve, or fail
 *
 * One try; the backend is never called.  Sleeps: no.
 * Return: the element, or NULL with errno
 *           EAGAIN  the reserve is empty, or what is in it is kept for
 *                   requests that wait, or max_nr are outside
 *           EINVAL  @pool is NULL
 */
KMEMPOOL_API KMEMPOOL_MUST_CHECK
void *mempool_alloc_preallocated(mempool_t *pool)
	KMEMPOOL_SYM(alloc_preallocated);

/**
 * mempool_alloc_noreserve - take an element from the backend, or fail
 *
 * One call of alloc_fn with the caller's mask; the reserve is not touched.
 * Sleeps: no.
 * Return: the element, or NULL with errno
 *           EAGAIN  max_nr are outside
 *           ENOMEM  alloc_fn failed, or the pool is MEMPOOL_FIXED
 *           EINVAL  as mempool_alloc()
 */
KMEMPOOL_API KMEMPOOL_MUST_CHECK
void *mempool_alloc_noreserve(mempool_t *pool, gfp_t gfp_mask)
	KMEMPOOL_SYM(alloc_noreserve);

/**
 * mempool_alloc_bulk - take several elements at once, or none
 * @elems: filled from 0 to @count - 1
 * @count: at most min_nr; 0 does nothing
 *
 * What the backend does not give is taken from the reserve all at once, so
 * that callers of this function cannot block each other half-served.  Sleeps
 * as mempool_alloc(pool, GFP_KERNEL).
 *
 * Return: 0, or, with nothing taken and the slots unspecified,
 *           -EBUSY, -ECANCELED  as mempool_alloc()
 *           -EINVAL     @pool or @elems is NULL, or @count is above min_nr
 *                       (after a growth that could not be filled: above the
 *                       older min_nr, until the reserve was once full; also
 *                       when min_nr shrank below @count before it had to wait)
 */
KMEMPOOL_API KMEMPOOL_MUST_CHECK
int mempool_alloc_bulk(mempool_t *pool, void **elems, unsigned int count)
	KMEMPOOL_SYM(alloc_bulk);

/**
 * mempool_alloc_bulk_until - the same with a mask and a deadline
 *
 * Return: as mempool_alloc_bulk(), and -EAGAIN, -EINVAL, -ETIMEDOUT for the
 * causes that mempool_alloc() and mempool_alloc_until() give.
 */
KMEMPOOL_API KMEMPOOL_MUST_CHECK
int mempool_alloc_bulk_until(mempool_t *pool, void **elems,
			     unsigned int count, gfp_t gfp_mask,
			     const struct timespec *deadline)
	KMEMPOOL_SYM(alloc_bulk_until);

/* ---- giving them back -------------------------------------------------- */

/**
 * mempool_free - give an element back
 * @element: NULL is a no-op
 *
 * It goes to a request that waits; else into a reserve below min_nr; else to
 * free_fn.  Any thread may free.  An element of the same backend that did not
 * come from this pool may be given too, if it is at least element_size long.
 *
 * Sleeps: no.
 */
KMEMPOOL_API
void mempool_free(void *element, mempool_t *pool) KMEMPOOL_SYM(free);

/**
 * mempool_free_bulk - give back what the pool itself can use
 *
 * Takes elements from @elems[0] on for as long as requests wait or the
 * reserve is short; a NULL among them is passed over, as if taken.  Never calls
 * free_fn and never sleeps.
 *
 * Return: how many it took.  The rest stays the caller's: give each to
 *         mempool_free().  0 when @pool or @elems is NULL.
 */
KMEMPOOL_API KMEMPOOL_MUST_CHECK
unsigned int mempool_free_bulk(mempool_t *pool, void *const *elems,
			       unsigned int count)
	KMEMPOOL_SYM(free_bulk);

/* ---- running a pool ---------------------------------------------------- */

/**
 * mempool_resize - change min_nr while the pool is in use
 *
 * Growing fills the reserve as far as alloc_fn gives, which also serves
 * requests that wait; what is short, later frees or mempool_refill() fill.
 * Shrinking frees the surplus before it returns, less what is collected for a
 * bulk request that already waits.  The room for pointers is not given back.
 *
 * Sleeps: no.
 * Return: 0; -EINVAL (@pool NULL, @new_min_nr negative or above max_nr);
 *         -ENOMEM with nothing changed when there is no memory for the
 *         pointers.
 */
KMEMPOOL_API
int mempool_resize(mempool_t *pool, int new_min_nr) KMEMPOOL_SYM(resize);

/**
 * mempool_refill - fill a reserve that is below min_nr
 *
 * Sleeps: no.
 * Return: 0 when the reserve was full; -ENOMEM when alloc_fn failed first;
 *         -EINVAL when @pool is NULL.
 */
KMEMPOOL_API
int mempool_refill(mempool_t *pool) KMEMPOOL_SYM(refill);

/**
 * mempool_kick - have sleeping requests try the backend now
 *
 * For a backend that knows when it has memory again.  NULL and FIXED pools
 * are no-ops.  Sleeps: no.
 */
KMEMPOOL_API
void mempool_kick(mempool_t *pool) KMEMPOOL_SYM(kick);

/**
 * mempool_shutdown - let nobody wait any more
 *
 * Requests that wait, and later ones that would have to, fail with ECANCELED.
 * Calls that need not sleep still succeed.  Cannot be undone.  Sleeps: no.
 */
KMEMPOOL_API
void mempool_shutdown(mempool_t *pool) KMEMPOOL_SYM(shutdown);

/**
 * mempool_drain_until - wait until every element is back
 * @deadline: absolute CLOCK_MONOTONIC time, or NULL for none
 *
 * Polls in the caller's thread, in steps of at most a millisecond.  When it
 * has returned 0 and no new call begins, the pool may be destroyed, if every
 * element leaves and returns through it.
 *
 * Sleeps: yes; a cancellation point.
 * Return: 0; -ETIMEDOUT; -EINVAL (@pool NULL, tv_nsec out of range).
 */
KMEMPOOL_API
int mempool_drain_until(mempool_t *pool, const struct timespec *deadline)
	KMEMPOOL_SYM(drain_until);

/**
 * mempool_get_stats - read the counters
 * @size: sizeof *stats as the caller knows it: what this library does not
 *        know is set to zero, what the caller does not know is left out
 *
 * Sleeps: no.  Return: 0; -EINVAL when a pointer is NULL or @size is 0.
 */
KMEMPOOL_API
int mempool_get_stats(mempool_t *pool, struct mempool_stats *stats,
		      size_t size)
	KMEMPOOL_SYM(get_stats);

/* ---- all pools --------------------------------------------------------- */

/**
 * mempool_for_each - visit every pool
 * @fn: called with each, until it returns other than 0
 *
 * A pool stays while @fn has it: its destroy waits.  @fn may use the pool and
 * make others, but must not destroy the one it visits.  Pools made or
 * destroyed meanwhile are visited or not.  Takes no lock.
 *
 * Sleeps: no.
 * Return: what @fn returned last, 0 when there was no pool; -EINVAL when @fn
 *         is NULL.
 */
KMEMPOOL_API
int mempool_for_each(int (*fn)(mempool_t *pool, void *arg), void *arg)
	KMEMPOOL_SYM(for_each);

/**
 * mempool_find - a pool by the name it was given at creation
 *
 * Which one, when several have it, is not said.  The caller must keep it from
 * being destroyed while it uses it.
 *
 * Sleeps: no.
 * Return: the pool, or NULL with errno
 *           EINVAL  @name is NULL
 *           ENOENT  there is none
 */
KMEMPOOL_API KMEMPOOL_MUST_CHECK
mempool_t *mempool_find(const char *name) KMEMPOOL_SYM(find);

/**
 * kmempool_set_report - where reports go
 * @fn:  called with one or more lines of text: before abort(), when a misuse or
 *       a broken invariant is found; and before the program goes on, with what
 *       a cache with checks found (slab.h) and with what a typed pool was asked
 *       to say at its end (typed.h).  NULL writes them to stderr, the default.
 *       A library built with --enable-debug may hold a pool's lock before it
 *       aborts
 * @arg: passed to it
 *
 * To be called before pools and caches are used: not thread-safe.  Sleeps: no.
 */
KMEMPOOL_API void kmempool_set_report(void (*fn)(const char *text, void *arg),
				      void *arg);

/* The version of the library in use, as "0.1.0". */
KMEMPOOL_API const char *kmempool_version(void);

/* ---- stock backends ---------------------------------------------------- */

/*
 * slab: @pool_data is a struct kmem_cache (slab.h), which may construct its
 * objects; it cannot be destroyed while one of them is out, and those in the
 * pool's reserve are.  kmalloc: @pool_data is the size in bytes (kmalloc.h).
 * pages: @pool_data is the order; an element is the page-aligned address of
 * 2^order pages, which come zeroed from the system but not from the reserve.
 * All leave errno alone.
 */
KMEMPOOL_API KMEMPOOL_MUST_CHECK
void *mempool_alloc_slab(gfp_t gfp_mask, void *pool_data)
	KMEMPOOL_SYM(alloc_slab);
KMEMPOOL_API
void mempool_free_slab(void *element, void *pool_data)
	KMEMPOOL_SYM(free_slab);
KMEMPOOL_API KMEMPOOL_MUST_CHECK
void *mempool_kmalloc(gfp_t gfp_mask, void *pool_data)
	KMEMPOOL_SYM(pool_kmalloc);
KMEMPOOL_API
void mempool_kfree(void *element, void *pool_data) KMEMPOOL_SYM(pool_kfree);
KMEMPOOL_API KMEMPOOL_MUST_CHECK
void *mempool_alloc_pages(gfp_t gfp_mask, void *pool_data)
	KMEMPOOL_SYM(alloc_pages);
KMEMPOOL_API
void mempool_free_pages(void *element, void *pool_data)
	KMEMPOOL_SYM(free_pages);

KMEMPOOL_MUST_CHECK
static inline int mempool_init_slab_pool(mempool_t *pool, int min_nr,
					 struct kmem_cache *cache)
{
	return mempool_init(pool, min_nr, mempool_alloc_slab,
			    mempool_free_slab, cache);
}

KMEMPOOL_MUST_CHECK
static inline mempool_t *mempool_create_slab_pool(int min_nr,
						  struct kmem_cache *cache)
{
	return mempool_create(min_nr, mempool_alloc_slab, mempool_free_slab,
			      cache);
}

KMEMPOOL_MUST_CHECK
static inline int mempool_init_kmalloc_pool(mempool_t *pool, int min_nr,
					    size_t size)
{
	return mempool_init(pool, min_nr, mempool_kmalloc, mempool_kfree,
			    (void *)(uintptr_t)size);
}

KMEMPOOL_MUST_CHECK
static inline mempool_t *mempool_create_kmalloc_pool(int min_nr, size_t size)
{
	return mempool_create(min_nr, mempool_kmalloc, mempool_kfree,
			      (void *)(uintptr_t)size);
}

KMEMPOOL_MUST_CHECK
static inline int mempool_init_page_pool(mempool_t *pool, int min_nr,
					 int order)
{
	return mempool_init(pool, min_nr, mempool_alloc_pages,
			    mempool_free_pages, (void *)(intptr_t)order);
}

KMEMPOOL_MUST_CHECK
static inline mempool_t *mempool_create_page_pool(int min_nr, int order)
{
	return mempool_create(min_nr, mempool_alloc_pages, mempool_free_pages,
			      (void *)(intptr_t)order);
}

#ifdef __cplusplus
}
#endif

#endif /* KMEMPOOL_MEMPOOL_H */
