/* SPDX-License-Identifier: MIT */
/*
 * waitq.h - requests that wait for elements, in order of arrival
 *
 * Every function here is called with the pool's lock held.  Only
 * waitq_wait() sleeps.
 */
#ifndef LIB_WAITQ_H
#define LIB_WAITQ_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <kmempool/gfp.h>

struct mempool_core;

enum request_state {
	REQUEST_QUEUED,			/* linked; sleeps, or is about to */
	REQUEST_TRYING,			/* linked; its thread is in alloc_fn */
	REQUEST_GRANTED,		/* unlinked; its slots are full */
	REQUEST_CANCELLED,		/* unlinked by shutdown */
	REQUEST_LEFT,			/* unlinked by its own thread */
};

/* One waiting request, on the stack of its thread.  Under the pool's lock. */
struct request {
	struct request		*next, *prev;
	enum request_state	state;
	pthread_cond_t		cond;		/* no other thread waits on it */
	void			**slots;	/* where granted elements go */
	unsigned int		lack;		/* elements wanted, at least 1 */
	gfp_t			gfp;		/* the caller's mask */
	bool			must_retry;	/* the retry is its duty now */
	bool			passed_over;	/* somebody behind was served, or its
						   retry hung: not to retry next */
	uint64_t		since_ns;	/* when it was queued */
	pthread_t		thread;
};

struct waitq {
	struct request	*head, *tail;
	unsigned int	nr;		/* linked; read without the lock too */
	unsigned int	nr_inside;	/* threads not yet out of waitq_wait() */
};

/*
 * The policy: whether a newcomer may take @nr elements out of the reserve, or
 * a share of max_nr for as many, now, past those who wait.
 */
bool waitq_may_take(struct mempool_core *core, unsigned int nr);
bool waitq_may_claim(struct mempool_core *core, unsigned int nr);

/* Whether max_nr leaves room for @nr more elements outside. */
bool waitq_has_share(struct mempool_core *core, unsigned int nr);

/*
 * Gives an element to the requests that wait, or to a reserve that wants it.
 * WAITQ_REFUSED: the element is still the caller's, for free_fn.
 */
enum waitq_gift { WAITQ_REFUSED, WAITQ_TO_RESERVE, WAITQ_TO_REQUEST };
enum waitq_gift waitq_give(struct mempool_core *core, void *element);

/*
 * Serves whom the reserve can serve, first come first served.  Called after
 * every change that could let somebody proceed.  Returns how many it served.
 */
unsigned int waitq_serve(struct mempool_core *core);

/* The first request, and the last, that may be served now; or NULL. */
struct request *waitq_first(struct mempool_core *core);
struct request *waitq_last(struct mempool_core *core);

/* Whether the reserve may hold as many as @nr: no more than min_nr, or than a
 * bulk request lacks that was admitted under a larger min_nr. */
bool waitq_wants(struct mempool_core *core, unsigned int nr);

/*
 * Queues a request for @lack elements and sleeps until it is served.  @kicks
 * is core->retry.kicks as it was before the caller last tried the backend.
 * A cancellation point: a cancelled thread gives back what it was granted and
 * leaves with the lock released, without returning.
 *
 * 0, -EBUSY, -ETIMEDOUT or -ECANCELED; the lock is held again.
 */
int waitq_wait(struct mempool_core *core, void **slots, unsigned int lack,
	       gfp_t gfp, uint64_t deadline_ns, uint64_t kicks);

/* Ends all waiting. */
void waitq_shutdown(struct mempool_core *core);

/* In the child of a fork: forgets the requests of other threads. */
void waitq_child(struct mempool_core *core);

#endif /* LIB_WAITQ_H */
