/* SPDX-License-Identifier: MIT */
/*
 * retry.c - who tries the backend again while requests wait
 *
 * Theory of operation
 * ===================
 *
 * 1. Purpose
 *
 * A backend that has memory again tells nobody.  So while requests wait, one
 * of them calls alloc_fn now and then: every period_ns, and at once after a
 * kick.  There is no thread of ours to do it, and requests that have nothing
 * to do are to sleep through.
 *
 * 2. Objects (all under the pool's lock; a "request" is waitq.c's)
 *
 *   holder   the request whose duty the retry is: from when it was chosen
 *            until alloc_fn has returned in its thread, or it left, or the
 *            duty was taken from it.
 *   watch    the one request that sleeps only until due_ns.
 *   due_ns   when there is no holder, the time of the next retry; when there
 *            is one, the time from which it no longer counts.
 *   owed     in a pool with max_nr: it was time to try, and the first request
 *            had no share for what the try would bring.
 *   kicks    how often somebody had reason to think that the backend has
 *            something.  It is never reset, so "something happened since" is
 *            one comparison.
 *
 * 3. The duty
 *
 * It goes to the first QUEUED request that has not been passed over, else to
 * the first QUEUED one.  must_retry tells it, a signal wakes it; its thread
 * then goes TRYING and calls alloc_fn without the lock.  What that brings
 * goes through the reserve to the first request, which may be another.
 *
 * The next try follows at once after a success, and when kicks has changed
 * since the try began: the kick may have come after the backend had decided.
 *
 *   R1  A holder that was chosen and leaves before it tried (granted, timed
 *       out, cancelled) passes the duty on.
 *   R2  A holder that is still at it when due_ns comes is forgotten, and
 *       marked as passed over, so that a backend call that hangs holds up its
 *       own request only.
 *   R3  A request notes kicks before its last try outside the queue and is
 *       compared when it joins, so a kick in between is not lost.
 *   R4  After a try its request is QUEUED for half a period at least, unless
 *       there was a kick: a request whose alloc_fn takes longer than a period
 *       would otherwise be passed over for ever.
 *   R5  A try that was put off for want of a share is made as soon as the
 *       first request has one: a kick is not lost, and who was queued without
 *       a try of its own, there being no share, does not wait for due_ns.
 *
 * 4. The watch
 *
 * Invariant I4 of waitq.c.  The newest request keeps it, because it is awake
 * anyway when it joins and will be the last to leave: while requests come and
 * are served in order, nobody is woken to take it over.  When it leaves or
 * goes TRYING, the last QUEUED request is signalled and takes over.  The
 * watch does not try; it gives the duty to whose it is.  One that another has
 * relieved wakes once more, at the time it had set, and sleeps on without.
 *
 * 5. What this file does not do
 *
 * It does not bound the time inside alloc_fn, nor cut it short at a deadline.
 */
#include "config.h"

#include "retry.h"

#include "core.h"
#include "deadline.h"

/* ---- the duty ---------------------------------------------------------- */

static struct request *choose(struct mempool_core *core)
{
	struct request *request;

	for (request = core->waitq.head; request; request = request->next)
		if (request->state == REQUEST_QUEUED && !request->passed_over)
			return request;
	return waitq_first(core);
}

/* Whoever had the duty is not trying any more, or no longer counts. */
static void give_duty(struct mempool_core *core, uint64_t now_ns)
{
	struct retry *retry = &core->retry;
	struct request *holder;

	if (retry->holder) {
		retry->holder->must_retry = false;
		retry->holder->passed_over = true;
	}
	holder = choose(core);
	retry->holder = holder;
	if (!holder)
		return;
	retry->due_ns = now_ns + retry->period_ns;
	/* What the backend has is no use without a share. */
	retry->owed = !waitq_has_share(core, waitq_first(core)->lack);
	if (retry->owed) {
		retry->holder = NULL;
		return;
	}
	holder->must_retry = true;
	waitq_rouse(core, holder);
}

/* Unless a try is under way: that one will see that kicks has changed, and if
 * it hangs, the watch sees to it. */
static void try_now(struct mempool_core *core)
{
	if (!core->fixed && core->waitq.nr && !core->retry.holder)
		give_duty(core, deadline_now_ns());
}

void retry_kick(struct mempool_core *core)
{
	core->retry.kicks++;
	try_now(core);
}

void retry_owed(struct mempool_core *core)
{
	struct request *first = core->retry.owed ? waitq_first(core) : NULL;

	if (first && waitq_has_share(core, first->lack))
		try_now(core);		/* R5 */
}

void retry_due(struct mempool_core *core, uint64_t now_ns)
{
	give_duty(core, now_ns);
}

/* ---- the watch --------------------------------------------------------- */

static void pass_watch(struct mempool_core *core)
{
	struct request *last = waitq_last(core);

	core->retry.watch = last;
	if (last)
		waitq_rouse(core, last);
}

uint64_t retry_wake_ns(struct mempool_core *core, struct request *request)
{
	return core->retry.watch == request ? core->retry.due_ns
					    : DEADLINE_NEVER;
}

/* ---- requests come and go ---------------------------------------------- */

void retry_joined(struct mempool_core *core, struct request *request,
		  uint64_t kicks)
{
	struct retry *retry = &core->retry;

	if (core->fixed)
		return;
	if (core->waitq.nr == 1)
		retry->due_ns = request->since_ns + retry->period_ns;
	retry->watch = request;
	if (retry->kicks != kicks || retry->owed)
		try_now(core);
}

void retry_left(struct mempool_core *core, struct request *request)
{
	struct retry *retry = &core->retry;

	if (retry->watch == request)
		pass_watch(core);
	if (retry->holder == request) {
		retry->holder = NULL;
		if (request->must_retry)
			try_now(core);
	}
}

/* ---- trying ------------------------------------------------------------ */

void retry_run(struct mempool_core *core, struct request *request)
{
	struct retry *retry = &core->retry;
	uint64_t kicks = retry->kicks;
	uint64_t now_ns;
	int cancel_state;
	void *element;

	request->must_retry = false;
	request->state = REQUEST_TRYING;
	request->told = false;
	if (retry->watch == request)
		pass_watch(core);
	waitq_serve(core);

	core_unlock(core);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
	element = core->alloc_fn(request->gfp | GFP_HINTS,
				 core->pool->kmp_pool_data);
	pthread_setcancelstate(cancel_state, NULL);
	now_ns = deadline_now_ns();
	if (!element)
		counters_add(core->slot, BACKEND_FAILURES, 1);
	core_lock(core);

	if (retry->holder == request)
		retry->holder = NULL;
	if (retry->due_ns < now_ns + retry->period_ns / 2)
		retry->due_ns = now_ns + retry->period_ns;	/* R4 */
	if (request->state == REQUEST_TRYING) {
		request->state = REQUEST_QUEUED;
		if (!retry->watch)
			retry->watch = request;
		waitq_serve(core);
	}
	if (element)
		retry->kicks++;
	if (element && waitq_give_first(core, element) == WAITQ_REFUSED)
		core_return(core, element);
	if (retry->kicks != kicks)
		try_now(core);
}
