/* SPDX-License-Identifier: MIT */
/*
 * cached.h - elements of a reserve that are near the CPUs
 *
 * cached.c has the theory.  A pool that may do it has lanes (core.h).
 */
#ifndef LIB_CACHED_H
#define LIB_CACHED_H

#include <stdbool.h>
#include <stdint.h>

#include "recall.h"

struct mempool_core;

enum cached_state {
	CACHED_OFF,
	CACHED_TRIED,		/* it was quiet: a fence is made, for a try */
	CACHED_ON,		/* lanes may be loaded */
};

/* Under the pool's lock. */
struct cached {
	struct recall	recall;
	struct magazine	*spare;		/* not in use */
	struct magazine	*lost;		/* whose fence was refused */
	unsigned int	cap;		/* elements of a magazine; below it */
	unsigned int	nr_recalling;	/* threads between strip and end */
	enum cached_state state;
	unsigned int	nr_quiet;	/* plain takes and gives in it */
	unsigned int	nr_needed;	/* of them, to load lanes again */
	uint64_t	nr_taken;	/* by the fast path, of those not loaded,
					   since they were recalled before */
};

/* 0 or -ENOMEM.  Nobody else knows the pool.  May ask the system.  Without what
 * it takes to recall, the pool has no lanes afterwards. */
int cached_init(struct mempool_core *core);
void cached_fini(struct mempool_core *core);

/* Lock held, and nobody is to be woken, after a plain take or give: lets it go,
 * and loads the lane of this CPU if it is time. */
void cached_unlock(struct mempool_core *core);

/* Lock held: no lane is loaded until it was quiet for a while. */
static inline void cached_pause(struct cached *cached)
{
	cached->state = CACHED_OFF;
	cached->nr_quiet = 0;
}

/* For core_recall(). */
bool cached_recall(struct mempool_core *core);

/* Lock held, nothing is cached: min_nr is another now. */
void cached_set_cap(struct mempool_core *core);

/* Nobody uses the pool any more, and the reserve is empty: it has what one
 * magazine had.  False when none has any. */
bool cached_take_in(struct mempool_core *core);

/* In the child of a fork, with the lock. */
void cached_child(struct mempool_core *core);

#endif /* LIB_CACHED_H */
