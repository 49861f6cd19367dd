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

#include "compiler.h"
#include "invariant.h"
#include "reserve.h"
#include "retry.h"
#include "waitq.h"

struct counter_slot;
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

	pthread_mutex_t		lock __attribute__((aligned(CACHE_LINE)));

	/* under lock */
	struct reserve		reserve;
	unsigned int		min_nr;		/* elements the reserve wants */
	unsigned int		bulk_nr;	/* longest bulk request; written
						   under lock, read anywhere */
	bool			shutdown;
	long			nr_out;		/* shares of max_nr taken; 0 in a
						   pool without (cap.c) */
	struct waitq		waitq;
	struct retry		retry;

	/* Counted under lock.  What is known elsewhere (min_nr, curr_nr, the
	 * counters of counters.h ...) stats.c fills into its copy. */
	struct mempool_stats	stats;
};

/* What the first try asks of the backend: do not wait, do not do I/O. */
#define GFP_FIRST_CLEAR	(__GFP_DIRECT_RECLAIM | __GFP_IO)
/* What every try of alloc and bulk adds: the caller has something to fall back
 * on. */
#define GFP_HINTS	(__GFP_NOMEMALLOC | __GFP_NORETRY | __GFP_NOWARN)
#define GFP_KNOWN	0x7ffu

static inline bool may_sleep(gfp_t gfp)
{
	return gfp & __GFP_DIRECT_RECLAIM;
}

/* 0 or -errno; only a lock with priority inheritance can fail. */
int core_init_lock(struct mempool_core *core);

static inline void core_lock(struct mempool_core *core)
{
	pthread_mutex_lock(&core->lock);
}

/*
 * Opens or closes the short path of alloc and free, after every change to the
 * reserve or the queue.  Lock held; theory in waitq.c section 6.
 */
void core_update_gate(struct mempool_core *core);

static inline void core_unlock(struct mempool_core *core)
{
	core_update_gate(core);
	invariant_check(core);
	pthread_mutex_unlock(&core->lock);
}

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

#endif /* LIB_CORE_H */
