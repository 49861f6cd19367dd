/* SPDX-License-Identifier: MIT */
/*
 * world.h - the pool, the backend and the elements of a scenario
 *
 * Every scenario has one pool, over a backend that can be emptied, filled and
 * held up.  Whoever takes an element here is its holder until it gives it
 * back, and no other may get it meanwhile.
 */
#ifndef WORLD_H
#define WORLD_H

#include <stdbool.h>

#include <kmempool/mempool.h>

#include "explore.h"

#define HOUR_MS		3600000u
#define MSEC		1000000ull

struct backend {
	unsigned int	give;		/* elements it has */
	unsigned int	live;		/* elements it gave */
	unsigned int	calls;		/* of alloc_fn */
	unsigned int	fail;		/* the next calls fail, whatever it has */
	unsigned int	hold;		/* the next calls are held, */
	unsigned int	nr_held;	/* as these are, */
	bool		released;	/* until this */
	bool		fork;		/* the next call forks */
	bool		may_cancel;	/* its calls are cancellation points */
	mempool_t	*below;		/* takes its elements from this pool */
};

mempool_alloc_t backend_alloc;
mempool_free_t backend_free;

struct world {
	mempool_t	*pool;
	struct backend	backend;
	int		curr_nr;	/* expected at the end; -1: min_nr */
	unsigned int	nr_served;	/* requests of count_served() */
	unsigned int	nr_refused;
	unsigned int	max_nr;
	unsigned int	max_waiters;
};
extern struct world world;

/* The usual pool: all it will ever have is its reserve, if @give is 0, and
 * a retry comes once in @retry_ms. */
void world_make(int min_nr, unsigned int give, unsigned int retry_ms);
void world_make_fixed(int min_nr);
/* No more than @max_nr elements outside; no retry. */
void world_make_capped(int min_nr, unsigned int give, unsigned int max_nr);
/* No more than @max_waiters requests wait. */
void world_make_crowded(int min_nr, unsigned int max_waiters);
/* @attr as it is, with no retry unless it has one. */
void world_make_attr(int min_nr, unsigned int give, struct mempool_attr *attr);

/* Nobody is passed: the pool has no overtaking bound. */
void world_in_order(void);

/* First of all, where pools are made or walked over: has the registry's free
 * places follow each other in the order of a walk, whatever the schedule before
 * has left. */
void world_settle(void);

/* In pool_end: everything came back, nobody waits, nothing is lost. */
void world_check(void);
/* The same for a pool beside world.pool. */
void pool_end(mempool_t *pool, struct backend *backend, int curr_nr);

/* ---- calls on the pool that keep account of the elements --------------- */

void *hold(void *element);		/* from elsewhere; NULL is passed on */
void *let_go(void *element);
void *take(gfp_t gfp);			/* mempool_alloc() */
void *take_until(uint64_t ms);		/* after the schedule began */
int take_bulk(void **elems, unsigned int count, uint64_t ms);
void give(void *element);		/* mempool_free(), NULL too */
void give_bulk(void **elems, unsigned int count);
/* While the scenario is set up: takes what the fiber @holder is to have. */
void *take_for(int holder);
/* In the fiber that it was taken for. */
void give_mine(void *element);

#define NEVER_MS	UINT64_MAX

/* ---- looking into the pool, and waiting for it ------------------------- */

unsigned int nr_queued(void);		/* requests linked now */
void await_queued(unsigned int nr);	/* so many so far, or one served */
void await_held(void);			/* until the backend holds a call */

/* ---- fibers for many scenarios ----------------------------------------- */

void takes_and_gives(void *unused);	/* waits for ever, if it must */
void takes_cancellably(void *unused);
void takes_with_deadline(void *unused);	/* 10 ms; may fail with ETIMEDOUT */
void takes_until_shutdown(void *unused);
void gives(void *element);		/* one taken by take_for() */

#endif /* WORLD_H */
