/* SPDX-License-Identifier: MIT */
/*
 * retry.h - who tries the backend again while requests wait
 *
 * Every function here is called with the pool's lock held.  None sleeps,
 * except in alloc_fn and free_fn, for which retry_run() drops the lock.
 */
#ifndef LIB_RETRY_H
#define LIB_RETRY_H

#include <stdbool.h>
#include <stdint.h>

struct mempool_core;
struct request;

struct retry {
	uint64_t	period_ns;	/* fixed after init */
	struct request	*holder;	/* whose duty the retry is, or NULL */
	struct request	*watch;		/* who sleeps no longer than due_ns */
	uint64_t	due_ns;		/* the next retry; or, while there is a
					   holder, when it no longer counts */
	uint64_t	kicks;		/* reasons to think that the backend
					   has something, so far */
	bool		owed;		/* a try that the first request had no
					   share of max_nr for */
};

/* @request was queued last; @kicks is what retry.kicks was before it last
 * tried the backend. */
void retry_joined(struct mempool_core *core, struct request *request,
		  uint64_t kicks);
/* @request was unlinked, whatever the reason. */
void retry_left(struct mempool_core *core, struct request *request);

/* The backend may have something: try now, or again. */
void retry_kick(struct mempool_core *core);

/* The first request may have changed, or there are more shares. */
void retry_owed(struct mempool_core *core);

/* The time until which @request may sleep for the retry's sake. */
uint64_t retry_wake_ns(struct mempool_core *core, struct request *request);
/* It has come. */
void retry_due(struct mempool_core *core, uint64_t now_ns);

/* Called by @request's own thread when must_retry is set: calls alloc_fn. */
void retry_run(struct mempool_core *core, struct request *request);

#endif /* LIB_RETRY_H */
