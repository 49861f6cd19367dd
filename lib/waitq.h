/* SPDX-License-Identifier: MIT */
/*
 * waitq.h - requests that wait for elements, in order of arrival
 *
 * Every function here is called with the pool's lock held; none sleeps.  How a
 * thread waits is in wait.h.
 */
#ifndef LIB_WAITQ_H
#define LIB_WAITQ_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <kmempool/gfp.h>

#include "deadline.h"

struct mempool_core;

/* How long free elements may be taken past the first request; as the manual
 * says. */
#define OVERTAKING_BOUND_NS	400000ull

enum request_state {
	REQUEST_QUEUED,			/* linked; waits, or is about to */
	REQUEST_TRYING,			/* linked; its thread is in alloc_fn */
	REQUEST_GRANTED,		/* unlinked; its slots are full */
	REQUEST_CANCELLED,		/* unlinked by shutdown */
	REQUEST_LEFT,			/* unlinked by its own thread */
};

/* One waiting request, on the stack of its thread.  Under the pool's lock, but
 * for spin. */
struct request {
	struct request		*next, *prev;
	enum request_state	state;
	uint32_t		spin;		/* enum spin; atomic [S2] */
	struct bed		*bed;		/* of its thread */
	bool			bed_dies;	/* with the request */
	void			**slots;	/* where granted elements go */
	unsigned int		lack;		/* elements wanted, at least 1 */
	gfp_t			gfp;		/* the caller's mask */
	bool			must_retry;	/* the retry is its duty now */
	bool			passed_over;	/* somebody behind was served, or its
						   retry hung: not to retry next */
	bool			told;		/* roused to take what lay there,
						   and not asleep since */
	bool			kept;		/* nobody overtakes it any more */
	bool			pressed;	/* nor any other, for its deadline
						   is near */
	uint64_t		since_ns;	/* when it was queued */
	uint64_t		first_ns;	/* became the first; 0: has not */
	pthread_t		thread;
};

struct waitq {
	struct request	*head, *tail;
	unsigned int	nr;		/* linked; read without the lock too */
	unsigned int	nr_inside;	/* threads not yet out of wait_for() */
	unsigned int	nr_pressed;	/* linked and pressed */
	uint64_t	bound_ns;	/* of overtaking; fixed after init */
	int		giver_cpu;	/* where the last one ran who served or
					   told a request; -1: nobody yet */
	struct bed	*signal;	/* to be roused without the lock */
	uint64_t	recent_ns;	/* how long first requests waited as
					   such lately (wait.c) */
};

/*
 * The policy: whether a newcomer may take @nr elements out of the reserve, or
 * a share of max_nr for as many, now, past those who wait.
 */
bool waitq_may_take(struct mempool_core *core, unsigned int nr);
bool waitq_may_claim(struct mempool_core *core, unsigned int nr);
/* Both at once: each may serve somebody first, so one after the other will not
 * do. */
bool waitq_may_take_and_claim(struct mempool_core *core, unsigned int nr);

/* Whether max_nr leaves room for @nr more elements outside. */
bool waitq_has_share(struct mempool_core *core, unsigned int nr);

/*
 * Hands over what lies in the reserve for a request that was told and has not
 * come yet, so that there is room for those behind it.  False when there is no
 * such request.
 */
bool waitq_make_room(struct mempool_core *core);

/* Whether the reserve takes one more element, after that if it must be. */
bool waitq_has_room(struct mempool_core *core);

/*
 * Gives an element to the requests that wait, or to a reserve that wants it.
 * WAITQ_REFUSED: the element is still the caller's, for free_fn.
 */
enum waitq_gift { WAITQ_REFUSED, WAITQ_TO_RESERVE, WAITQ_TO_REQUEST };
enum waitq_gift waitq_give(struct mempool_core *core, void *element);

/* The same with what somebody fetched from the backend because requests wait:
 * nobody is to pass the first of them any more. */
enum waitq_gift waitq_give_first(struct mempool_core *core, void *element);

/*
 * Serves whom the reserve can serve, first come first served, or tells the
 * first request to come and take it.  Called after every change that could let
 * somebody proceed.  Returns how many it served or told.
 */
unsigned int waitq_serve(struct mempool_core *core);

/* Called by the thread of @request: takes what it lacks, if it is the first
 * and all of it is there. */
bool waitq_take(struct mempool_core *core, struct request *request);

/* The first request, and the last, that may be served now; or NULL. */
struct request *waitq_first(struct mempool_core *core);
struct request *waitq_last(struct mempool_core *core);

/* Whether the reserve may hold as many as @nr: no more than min_nr, or than a
 * bulk request lacks that was admitted under a larger min_nr. */
bool waitq_wants(struct mempool_core *core, unsigned int nr);

/* The thread of @request joins the queue, and leaves it unserved. */
void waitq_join(struct mempool_core *core, struct request *request,
		uint64_t deadline_ns);
void waitq_leave(struct mempool_core *core, struct request *request);

/* Has the thread of a linked request take the lock and look. */
void waitq_rouse(struct mempool_core *core, struct request *request);

/* What is left for core_unlock() to signal is signalled now. */
void waitq_signal_now(struct mempool_core *core);

/* Ends all waiting. */
void waitq_shutdown(struct mempool_core *core);

/* In the child of a fork: forgets the requests of other threads. */
void waitq_child(struct mempool_core *core);

#endif /* LIB_WAITQ_H */
