/* SPDX-License-Identifier: MIT */
/*
 * core.h - what is behind a mempool_t
 *
 * The public structure holds what the short path reads and nobody writes in
 * the steady state: the gate, the callbacks, and a pointer to this.
 */
#ifndef LIB_CORE_H
#define LIB_CORE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kmempool/mempool.h>

#include "cached.h"
#include "compiler.h"
#include "counters.h"
#include "invariant.h"
#include "lock.h"
#include "reserve.h"
#include "retry.h"
#include "waitq.h"

struct registry_entry;

struct mempool_core {
	/* fixed after init */
	mempool_t		*pool;
	mempool_alloc_t		*alloc_fn;	/* the user's; the short path of
						   a FIXED pool has another */
	size_t			element_size;	/* bytes; 0 = unknown */
	bool			fixed;		/* MEMPOOL_FIXED */
	struct counter_slot	*slot;
	char			*name;		/* NULL: none was given */
	struct registry_entry	*entry;
	bool			prio_inherit;	/* MEMPOOL_PRIO_INHERIT */
	unsigned int		max_waiters;	/* 0: no bound */
	unsigned int		max_nr;		/* 0: no bound */
	struct kmem_cache	*typed;		/* its own (typed.c), or NULL */

	intptr_t		open_gate;	/* the gate when it is open */
	struct lane		*lanes;		/* NULL: nothing is cached */

	/* The two in one line, which is all that a plain take or give
	 * writes, unless the pool is cached. */
	struct pool_lock	lock __attribute__((aligned(CACHE_LINE)));

	/* under lock */
	struct reserve		reserve;

	/* elements the reserve wants; written under lock, read anywhere */
	unsigned int		min_nr __attribute__((aligned(CACHE_LINE)));
	unsigned int		bulk_nr;	/* longest bulk request; written
						   under lock, read anywhere */
	unsigned int		room;		/* of them that the reserve may
						   have: min_nr, but for what is
						   cached */
	bool			shutdown;
	int64_t			nr_out;		/* shares of max_nr taken; 0 in a
						   pool without (cap.c) */
	int64_t			most_out;	/* nr_out at its most */
	struct waitq		waitq;
	struct retry		retry;
	struct cached		cached;
	pthread_mutex_t		inheriting;	/* what lock is, if prio_inherit */

	/* Counted under lock.  What is known elsewhere (min_nr, curr_nr, the
	 * counters of counters.h ...) stats.c fills into its copy. */
	struct mempool_stats	stats;
};

/* What the first try asks of the backend: do not wait, do not do I/O. */
#define GFP_FIRST_CLEAR	(__GFP_DIRECT_RECLAIM | __GFP_IO)
/* What every try of alloc and bulk adds: the caller has something to fall back
 * on. */
#define GFP_HINTS	(__GFP_NOMEMALLOC | __GFP_NORETRY | __GFP_NOWARN)

static inline bool may_sleep(gfp_t gfp)
{
	return gfp & __GFP_DIRECT_RECLAIM;
}

static inline void core_lock(struct mempool_core *core)
{
	pool_lock_take(&core->lock);
}

/* Lock held, and let go of if true: then something was cached.  Either way the
 * reserve has every element that is not in use, until the lock is let go of. */
static inline bool core_recall(struct mempool_core *core)
{
	return unlikely(core->room != core->min_nr) && cached_recall(core);
}

static inline void core_lock_and_recall(struct mempool_core *core)
{
	core_lock(core);
	core_recall(core);
}

/* @nr elements leave a pool with max_nr, or are tried for. */
static inline void core_take_share(struct mempool_core *core, unsigned int nr)
{
	core->nr_out += nr;
	if (core->nr_out > core->most_out)
		core->most_out = core->nr_out;
}

/* Nobody waits and the reserve is full: frees need not come this way. */
static inline bool core_is_idle(struct mempool_core *core)
{
	return core->reserve.nr >= core->min_nr && core->min_nr &&
	       !core->waitq.nr;
}

/* A growth that could not be filled at once now is.  Lock held. */
static inline void core_note_growth(struct mempool_core *core)
{
	if (unlikely(core->bulk_nr != core->min_nr) &&
	    core->reserve.nr >= core->min_nr)
		__atomic_store_n(&core->bulk_nr, core->min_nr,
				 __ATOMIC_RELAXED);
}

/* Closes the short path of free.  Lock held; theory in waitq.c section 6. */
static inline void core_close_gate(struct mempool_core *core)
{
	mempool_t *pool = core->pool;

	/* [G1] with the loads in alloc and free. */
	if (unlikely(pool->kmp_gate != COUNTERS_CLOSED))
		__atomic_store_n(&pool->kmp_gate, COUNTERS_CLOSED,
				 __ATOMIC_RELAXED);
}

/* The two, as far as they are due, after every change to the reserve or the
 * queue. */
static inline void core_update_gate(struct mempool_core *core)
{
	core_note_growth(core);
	if (!core_is_idle(core))
		core_close_gate(core);
}

/*
 * Opens it, if the pool is idle.  Called when an element came from the backend,
 * and not each time that the reserve fills up: while the backend is dead, that
 * may be with every other free, and the line is everybody's.
 */
static inline void core_open_gate(struct mempool_core *core)
{
	if (core_is_idle(core))
		__atomic_store_n(&core->pool->kmp_gate, core->open_gate,
				 __ATOMIC_RELAXED);
}

/* When the gate is as it should be, and nobody is to be woken. */
static inline void core_unlock_plain(struct mempool_core *core)
{
	invariant_check(core);
	pool_lock_release(&core->lock);
}

/* Who is to be woken is signalled afterwards: its first act is to take the
 * lock, and a signal takes longer than all that is done with it. */
static inline void core_unlock(struct mempool_core *core)
{
	struct bed *signal = core->waitq.signal;

	core_update_gate(core);
	if (unlikely(signal))
		core->waitq.signal = NULL;
	core_unlock_plain(core);
	if (unlikely(signal))
		bed_rouse(signal);
}

/* waitq_may_take(), when nothing is cached if that is the answer to it.  Lock
 * held; may be let go of meanwhile. */
bool core_may_take(struct mempool_core *core, unsigned int nr);

/*
 * Gives an element that nobody wants to the backend, and has those who wait
 * try there.  Lock held; dropped around free_fn, which runs with cancellation
 * disabled: the caller may have elements in hand.
 */
void core_return(struct mempool_core *core, void *element);

/* The same with what the reserve holds beyond what it may, after a request
 * left or min_nr shrank. */
void core_trim(struct mempool_core *core);

/* mempool_free() without the short path: for calls from within, which are not
 * to go through a name that the program could define. */
void core_free(void *element, mempool_t *pool);

/* mempool_free() itself, under a name that is only the library's. */
void core_free_any(void *element, mempool_t *pool);

void core_get_stats(struct mempool_core *core, struct mempool_stats *stats);

#endif /* LIB_CORE_H */
