/* SPDX-License-Identifier: MIT */
/*
 * waitq.c - requests that wait for elements, in order of arrival
 *
 * Theory of operation
 * ===================
 *
 * 1. Purpose
 *
 * A request that found the backend failing and the reserve too short sleeps
 * here.  Elements that come back go to the requests in the order in which
 * these arrived, single and bulk alike; each is handed to one named request,
 * whose thread alone is woken.  A bulk request gets what it lacks all at once
 * or not at all, so two of them cannot hold what the other needs.  The retry
 * of the backend, which requests do for each other, is in retry.c.
 *
 * 2. Objects
 *
 *   queue     a list inside the pool.
 *   request   on the stack of its thread; linked while it waits.
 *   reserve   where every element passes through on its way to a request,
 *             and where elements collect for a bulk request.
 *
 * The pool's mutex, "the lock", guards all three.  The gate (section 6) is an
 * atomic; nr is also read without the lock, by who only asks whether to take
 * it.
 *
 * 3. States of a request, and who moves it.  All moves are made with the lock.
 *
 *                              own thread, for the retry
 *        own thread    QUEUED <-------------------------> TRYING
 *       ------------->  | | |   own thread, alloc_fn back    |
 *                       | | |                                |
 *           +-----------+ | +------------+         +---------+
 *           |             |              |         |
 *       anybody who   own thread:     waitq_shutdown()
 *       put or left:  its deadline,      |
 *       waitq_serve() or cancelled       |
 *           |             |              |
 *           v             v              v
 *        GRANTED         LEFT        CANCELLED
 *
 * QUEUED and TRYING are linked, the others are not, and there is no way back:
 * a request leaves by exactly one arrow.  That settles "the time-out fired
 * while the element was handed over": who gets the lock first decides, and
 * what pthread_cond_timedwait() returned decides nothing.  A request that was
 * granted reports success even if it is late; one that was granted and is
 * then cancelled gives back what it got.
 *
 * A TRYING request keeps its place but is passed over: alloc_fn may take as
 * long as it likes, and nobody is to wait for that.  Below, "first" means the
 * first QUEUED request.
 *
 * 4. Invariants (hold whenever the lock is free)
 *
 *   I1  linked  <=>  QUEUED or TRYING.
 *   I2  There is a first request  =>  the reserve holds less than it lacks, or
 *       there is no share of max_nr for it (cap.c).  So nothing lies idle
 *       while somebody could use it, and nobody is woken in vain.
 *   I3  An element is in the reserve, or in one request's slots, or owned by
 *       a caller or the backend; never in two of these places.
 *   I4  There is a QUEUED request, and the pool is not FIXED  =>  some QUEUED
 *       request, the watch, sleeps no longer than until the next retry is
 *       due, or has been signalled (retry.c).
 *
 * I2 is kept by waitq_serve(), called after each change that can break it: an
 * element or a share came, a request left, went TRYING or came back.
 *
 * 5. Order
 *
 * Overtaking bound: zero.  While there is a first request no newcomer takes
 * from the reserve; waitq_may_take() is the one place that says so.
 *
 * Reserve elements that are out come back, by the gate's promise below, as
 * long as their users free them; a bulk request lacks no more than min_nr was
 * when it was queued, and the reserve keeps up to that many for it even if
 * min_nr shrinks meanwhile (waitq_wants()).  So the first request is served
 * in the end, and after it the next.
 *
 * 6. The gate
 *
 * A free whose element nobody wants here goes to free_fn without the lock.
 * It looks at the gate, which is open only while no request is linked and the
 * reserve is full.
 *
 *   [G1] core_update_gate() stores it, with the lock; the free loads it,
 *        without.  Both relaxed.
 *
 *   Needs     a free of an element that left the reserve sees the gate closed
 *             by that, or a later value.
 *   Holds     the gate was closed before the taker, or the thread that served
 *             it, released the lock; the taker got the element after that;
 *             and the pointer reached whoever frees it by some order of the
 *             caller's.  Coherence does the rest.
 *   So        a request sleeps only when reserve elements it lacks are out,
 *             and each of their frees takes the lock and finds it.
 *   If stale  a backend element may go to free_fn although a request has just
 *             fallen asleep: found at that request's next retry.  The other
 *             way, we lock for nothing.
 *   Breaks    if an element could leave the reserve before the gate closes.
 *
 * A pool with min_nr 0 has no reserve elements whose frees would come, so its
 * gate is never open, and whoever gave an element to free_fn kicks (retry.c).
 *
 * 7. Lifetime
 *
 * A request dies when waitq_wait() returns or is unwound, so others touch it
 * only with the lock and while it is linked; granting, which unlinks, ends
 * with the signal, still under the lock.  Each request has a condition
 * variable that no other thread ever waits on.  This is also what avoids
 * glibc bug 25847, a wake-up lost among several waiters of one condition
 * variable (2.25 to 2.40); keep it when that is history, for the order.
 *
 * nr_inside counts the threads that have still to take the lock again; a pool
 * that is destroyed with any is misused.
 *
 * 8. Lock order
 *
 * The lock is a leaf.  No callback, allocator or other lock is entered with
 * it held.
 *
 * 9. How it is checked
 *
 * tests/model/wait.pml is sections 3 to 6, retry.c and cap.c in Promela, over
 * all interleavings of three threads; lib/invariant.c checks section 4 at run
 * time (--enable-debug).  A change here is made there first.
 *
 * 10. What this file does not do
 *
 * It knows no priorities.  It does not find deadlocks among callers: a thread
 * that holds an element and waits for another may wait for ever.
 */
#include "config.h"

#include "waitq.h"

#include <assert.h>
#include <errno.h>

#include "core.h"
#include "deadline.h"

/* ---- the list ---------------------------------------------------------- */

/* Read without the lock by who only wants to know whether to take it. */
static void set_nr(struct waitq *q, unsigned int nr)
{
	__atomic_store_n(&q->nr, nr, __ATOMIC_RELAXED);
}

static void link_request(struct mempool_core *core, struct request *request)
{
	struct waitq *q = &core->waitq;

	request->next = NULL;
	request->prev = q->tail;
	if (q->tail)
		q->tail->next = request;
	else
		q->head = request;
	q->tail = request;
	set_nr(q, q->nr + 1);
	if (q->nr > core->stats.waiters_max)
		core->stats.waiters_max = q->nr;
}

static void unlink_request(struct mempool_core *core, struct request *request,
			   enum request_state state)
{
	struct waitq *q = &core->waitq;

	if (request->prev)
		request->prev->next = request->next;
	else
		q->head = request->next;
	if (request->next)
		request->next->prev = request->prev;
	else
		q->tail = request->prev;
	set_nr(q, q->nr - 1);
	request->state = state;
	retry_left(core, request);
}

struct request *waitq_first(struct mempool_core *core)
{
	struct request *request = core->waitq.head;

	while (request && request->state != REQUEST_QUEUED)
		request = request->next;
	return request;
}

struct request *waitq_last(struct mempool_core *core)
{
	struct request *request = core->waitq.tail;

	while (request && request->state != REQUEST_QUEUED)
		request = request->prev;
	return request;
}

bool waitq_wants(struct mempool_core *core, unsigned int nr)
{
	struct request *request;

	if (nr <= core->min_nr)
		return true;
	for (request = core->waitq.head; request; request = request->next)
		if (request->lack >= nr)
			return true;
	return false;
}

/* ---- serving ----------------------------------------------------------- */

bool waitq_has_share(struct mempool_core *core, unsigned int nr)
{
	return !core->max_nr || core->nr_out + (long)nr <= (long)core->max_nr;
}

bool waitq_may_claim(struct mempool_core *core, unsigned int nr)
{
	return waitq_has_share(core, nr) && !waitq_first(core);
}

bool waitq_may_take(struct mempool_core *core, unsigned int nr)
{
	return core->reserve.nr >= nr && !waitq_first(core);
}

static void grant(struct mempool_core *core, struct request *request)
{
	struct request *ahead;
	unsigned int i;

	for (ahead = request->prev; ahead; ahead = ahead->prev)
		ahead->passed_over = true;
	for (i = 0; i < request->lack; i++)
		request->slots[i] = reserve_take(&core->reserve);
	core->stats.alloc_handoff += request->lack;
	if (core->max_nr)
		core->nr_out += request->lack;
	unlink_request(core, request, REQUEST_GRANTED);
	pthread_cond_signal(&request->cond);
}

unsigned int waitq_serve(struct mempool_core *core)
{
	struct request *first;
	unsigned int served = 0;

	while ((first = waitq_first(core)) &&
	       core->reserve.nr >= first->lack &&
	       waitq_has_share(core, first->lack)) {
		grant(core, first);
		served++;
	}
	retry_owed(core);
	return served;
}

enum waitq_gift waitq_give(struct mempool_core *core, void *element)
{
	if (!waitq_wants(core, core->reserve.nr + 1))
		return WAITQ_REFUSED;
	reserve_put(&core->reserve, element);
	return waitq_serve(core) ? WAITQ_TO_REQUEST : WAITQ_TO_RESERVE;
}

void waitq_shutdown(struct mempool_core *core)
{
	struct request *request;

	while ((request = core->waitq.head)) {
		unlink_request(core, request, REQUEST_CANCELLED);
		pthread_cond_signal(&request->cond);
	}
}

void waitq_child(struct mempool_core *core)
{
	struct request *request, *next;

	/* Neither signalled nor relieved of duties: they are not there. */
	core->retry.holder = NULL;
	core->retry.watch = NULL;
	for (request = core->waitq.head; request; request = next) {
		next = request->next;
		if (!pthread_equal(request->thread, pthread_self()))
			unlink_request(core, request, REQUEST_LEFT);
	}
	core->waitq.nr_inside = core->waitq.nr;
}

/* ---- waiting ----------------------------------------------------------- */

static void init_cond(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	/* None of these can fail on Linux. */
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
}

static void record_wait(struct mempool_core *core, struct request *request)
{
	uint64_t ns = deadline_now_ns() - request->since_ns;
	uint64_t us = ns / NSEC_PER_USEC;
	int bucket = us ? 64 - __builtin_clzll(us) : 0;

	if (bucket >= MEMPOOL_WAIT_BUCKETS)
		bucket = MEMPOOL_WAIT_BUCKETS - 1;
	core->stats.wait_hist[bucket]++;
	core->stats.wait_total_ns += ns;
	if (ns > core->stats.wait_max_ns)
		core->stats.wait_max_ns = ns;
}

static void leave(struct mempool_core *core, struct request *request)
{
	unlink_request(core, request, REQUEST_LEFT);
	waitq_serve(core);
}

/* What every way out of waitq_wait() ends with. */
static void end_wait(struct mempool_core *core, struct request *request)
{
	record_wait(core, request);
	core_trim(core);
	pthread_cond_destroy(&request->cond);
	/* waitq_child() does not count a thread that forked in core_trim(). */
	if (core->waitq.nr_inside)
		core->waitq.nr_inside--;
}

struct wait {
	struct mempool_core	*core;
	struct request		request;
};

/* pthread_cancel() found the request asleep; the lock is held again. */
static void cancelled(void *arg)
{
	struct wait *wait = arg;
	struct mempool_core *core = wait->core;
	struct request *request = &wait->request;
	bool granted = request->state == REQUEST_GRANTED;
	unsigned int i;

	if (request->state == REQUEST_QUEUED)
		leave(core, request);
	core->stats.cancellations++;
	end_wait(core, request);
	core_unlock(core);
	if (granted)
		for (i = 0; i < request->lack; i++)
			core_free(request->slots[i], core->pool);
}

static void sleep_until(struct mempool_core *core, struct request *request,
			uint64_t ns)
{
	struct timespec ts;

	core_update_gate(core);
	invariant_check(core);
	if (ns == DEADLINE_NEVER) {
		pthread_cond_wait(&request->cond, &core->lock);
	} else {
		ts = deadline_to_timespec(ns);
		pthread_cond_timedwait(&request->cond, &core->lock, &ts);
	}
}

/* Until the request is unlinked.  Returns what waitq_wait() does. */
static int wait_until_unlinked(struct mempool_core *core,
			       struct request *request, uint64_t deadline_ns)
{
	while (request->state == REQUEST_QUEUED) {
		uint64_t now_ns = deadline_now_ns();
		uint64_t wake_ns = retry_wake_ns(core, request);

		if (now_ns >= deadline_ns) {
			leave(core, request);
			core->stats.timeouts++;
			return -ETIMEDOUT;
		}
		if (request->must_retry)
			retry_run(core, request);
		else if (now_ns >= wake_ns)
			retry_due(core, now_ns);
		else
			sleep_until(core, request, wake_ns < deadline_ns ?
						   wake_ns : deadline_ns);
	}
	if (request->state == REQUEST_GRANTED)
		return 0;
	core->stats.cancellations++;
	return -ECANCELED;
}

int waitq_wait(struct mempool_core *core, void **slots, unsigned int lack,
	       gfp_t gfp, uint64_t deadline_ns, uint64_t kicks)
{
	struct wait wait = {
		.core = core,
		.request = {
			.state = REQUEST_QUEUED,
			.slots = slots,
			.lack = lack,
			.gfp = gfp,
			.since_ns = deadline_now_ns(),
			.thread = pthread_self(),
		},
	};
	struct request *request = &wait.request;
	int err;

	assert(lack > 0 && lack <= core->reserve.cap);
	if (core->max_waiters && core->waitq.nr >= core->max_waiters)
		return -EBUSY;
	/* Not queued for nothing: the newest request becomes the watch, which
	 * would have to be handed back, with a signal. */
	if (request->since_ns >= deadline_ns) {
		core->stats.timeouts++;
		return -ETIMEDOUT;
	}
	init_cond(&request->cond);
	core->stats.waits++;
	core->waitq.nr_inside++;
	link_request(core, request);
	retry_joined(core, request, kicks);
	pthread_cleanup_push(cancelled, &wait);
	err = wait_until_unlinked(core, request, deadline_ns);
	pthread_cleanup_pop(0);
	end_wait(core, request);
	return err;
}
