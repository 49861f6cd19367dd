/* SPDX-License-Identifier: MIT */
/*
 * wait.c - one thread's wait, from joining the queue to leaving it
 *
 * Theory of operation
 * ===================
 *
 * 1. Purpose
 *
 * waitq.c says who is served; here a thread waits for that.  It may spin for a
 * while, then it sleeps, and it does what only it can do: take what lies there
 * for it, try the backend (retry.c), give up.
 *
 * 2. Objects
 *
 *   request   on this thread's stack (waitq.h).
 *   spin      one word of it: how the thread can be told something.
 *   bed       where no other thread ever sleeps (lock.c).  It lies in the
 *             thread's block (counters.c), whose memory is never given back; on
 *             the stack when the thread has none.
 *
 * 3. States of spin
 *
 *               own thread, with the lock          own thread: enough of it
 *       AWAY --------------------------> SPINNING ------------------> AWAY
 *        ^                                |    |
 *        |  own thread,    waitq_rouse()  |    |  dismiss()
 *        |  with the lock                 v    v
 *        +--------------------------- ROUSED  SERVED: never returns
 *
 * Out of SPINNING it is compare and exchange on both sides, so a spinner is
 * told, or has left, never both; who finds it AWAY or ROUSED knows that the
 * thread will take the lock by itself, or sleeps and needs the signal.  Who was
 * granted while it spun is SERVED: it has all it wants, and does not touch the
 * pool again: there need not be one.  All others are on their way to the lock,
 * and nr_inside counts them.
 *
 * 4. Who spins, and how long
 *
 * The first request only, on a CPU that can be spared (spin.c):
 *
 *   when it joins       for twice as long as first requests waited lately, and
 *                       a little longer, if those waits were shorter than
 *                       sleeping costs;
 *   when it was told,   until nobody may pass it any more, and a little longer
 *   in vain             for the next free: elements come and go, and to sleep
 *                       now would mean to be woken soon.  Who may not spin is
 *                       kept instead, so it is not woken in vain again.
 *
 * A pool with priority inheritance has no spinners: the one waited for may need
 * their CPU, at a lower priority.
 *
 * 5. Signals
 *
 * A bed in a block may be roused when its owner has long gone on, so
 * core_unlock() does that after it has released the lock, which is what a woken
 * thread wants first.  A signal that comes too late ends some later sleep for
 * no reason, and the loop here looks again.  A bed on the stack dies with the
 * request, and is roused with the lock held.
 *
 * That no two threads sleep in one is also what avoids glibc bug 25847, a
 * wake-up lost among several waiters of one condition variable (2.25 to 2.40);
 * keep it when that is history, for the order.
 *
 * 6. Cancellation
 *
 * A thread can be cancelled while it sleeps, and nowhere else here.
 *
 * 7. What this file does not do
 *
 * It does not choose who is served, and knows no other request than its own.
 */
#include "config.h"

#include "wait.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>

#include "core.h"
#include "deadline.h"
#include "spin.h"

struct wait {
	struct mempool_core	*core;
	struct request		request;
	struct bed		bed;		/* if there is no other */
};

/* What every way out ends with that has the lock. */
static void end_wait(struct mempool_core *core)
{
	core_trim(core);
	/* waitq_child() does not count a thread that forked in core_trim(). */
	if (core->waitq.nr_inside)
		core->waitq.nr_inside--;
	core_unlock(core);
}

/* pthread_cancel() found the request asleep; the lock is held again. */
static void cancelled(void *arg)
{
	struct wait *wait = arg;
	struct mempool_core *core = wait->core;
	struct request *request = &wait->request;
	bool granted = request->state == REQUEST_GRANTED;
	unsigned int i;

	if (request->state == REQUEST_QUEUED)
		waitq_leave(core, request);
	/* A shutdown has counted it. */
	core->stats.cancellations += request->state != REQUEST_CANCELLED;
	end_wait(core);
	if (request->bed_dies)
		bed_destroy(&wait->bed);
	if (granted)
		for (i = 0; i < request->lack; i++)
			core_free(request->slots[i], core->pool);
}

static void sleep_until(struct mempool_core *core, struct request *request,
			uint64_t ns)
{
	request->told = false;
	waitq_signal_now(core);
	core_update_gate(core);
	invariant_check(core);
	pool_lock_sleep(&core->lock, request->bed, ns);
}

/* Who holds elements of the reserve, and is presumed to run. */
static unsigned int nr_users(struct mempool_core *core)
{
	unsigned int nr = core->reserve.nr;

	return nr < core->min_nr ? core->min_nr - nr : 0;
}

/* Until when a first request should spin, or 0. */
static uint64_t spin_limit(struct mempool_core *core, struct request *request)
{
	struct waitq *q = &core->waitq;

	if (request != waitq_first(core) || core->prio_inherit)
		return 0;
	if (request->told)
		return request->first_ns + q->bound_ns + SPIN_MAX_NS;
	return request->first_ns + spin_budget(q->recent_ns);
}

/* True when it was served and the lock is not held. */
static bool spin(struct mempool_core *core, struct request *request,
		 uint64_t now_ns, uint64_t until_ns)
{
	/* Without a share elements are no use. */
	unsigned int enough = waitq_has_share(core, request->lack)
			      ? request->lack : UINT_MAX;
	enum spin end;

	__atomic_store_n(&request->spin, SPIN_SPINNING, __ATOMIC_RELAXED);
	core_unlock(core);
	end = spin_until(&request->spin, &core->reserve.nr, enough, now_ns,
			 until_ns);
	if (end == SPIN_SERVED)
		return true;
	core_lock(core);
	__atomic_store_n(&request->spin, SPIN_AWAY, __ATOMIC_RELAXED);
	return false;
}

/* One round of waiting; true as spin(). */
static bool pause_until(struct mempool_core *core, struct request *request,
			uint64_t now_ns, uint64_t wake_ns)
{
	uint64_t limit_ns = spin_limit(core, request);

	if (limit_ns > wake_ns)
		limit_ns = wake_ns;
	if (limit_ns > now_ns) {
		if (spin_begin(nr_users(core), core->waitq.giver_cpu))
			return spin(core, request, now_ns, limit_ns);
		if (request->told)
			request->kept = true;
	}
	sleep_until(core, request, wake_ns);
	return false;
}

/* Until the request is unlinked; returns what wait_for() does.  The lock is
 * held unless *away. */
static int wait_until_unlinked(struct mempool_core *core,
			       struct request *request, uint64_t deadline_ns,
			       bool *away)
{
	uint64_t now_ns = request->since_ns;

	for (; !*away && request->state == REQUEST_QUEUED &&
	       !waitq_take(core, request); now_ns = deadline_now_ns()) {
		uint64_t wake_ns = retry_wake_ns(core, request);

		if (now_ns >= deadline_ns) {
			waitq_leave(core, request);
			core->stats.timeouts++;
			return -ETIMEDOUT;
		}
		if (request->must_retry)
			retry_run(core, request);
		else if (now_ns >= wake_ns)
			retry_due(core, now_ns);
		else
			*away = pause_until(core, request, now_ns,
					    wake_ns < deadline_ns ?
					    wake_ns : deadline_ns);
	}
	return request->state == REQUEST_GRANTED ? 0 : -ECANCELED;
}

int wait_for(struct mempool_core *core, void **slots, unsigned int lack,
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
	bool away = false;
	int err;

	assert(lack > 0 && lack <= core->reserve.cap);
	if (core->max_waiters && core->waitq.nr >= core->max_waiters) {
		core_unlock(core);
		return -EBUSY;
	}
	/* Not queued for nothing: the newest request becomes the watch, which
	 * would have to be handed back, with a signal. */
	if (request->since_ns >= deadline_ns) {
		core->stats.timeouts++;
		core_unlock(core);
		return -ETIMEDOUT;
	}
	request->bed = counters_own_bed();
	if (!request->bed) {
		bed_init(&wait.bed);
		request->bed = &wait.bed;
		request->bed_dies = true;
	}
	core->stats.waits++;
	cached_pause(&core->cached);
	core->waitq.nr_inside++;
	waitq_join(core, request, deadline_ns);
	retry_joined(core, request, kicks);
	pthread_cleanup_push(cancelled, &wait);
	err = wait_until_unlinked(core, request, deadline_ns, &away);
	pthread_cleanup_pop(0);
	if (!away)
		end_wait(core);
	if (request->bed_dies)
		bed_destroy(&wait.bed);
	return err;
}
