/* SPDX-License-Identifier: MIT */
/*
 * waitq.c - requests that wait for elements, in order of arrival
 *
 * Theory of operation
 * ===================
 *
 * 1. Purpose
 *
 * A request that found the backend failing and the reserve too short waits
 * here.  Elements that come back go to the requests in the order in which
 * these arrived, single and bulk alike.  A bulk request gets what it lacks all
 * at once or not at all, so two of them cannot hold what the other needs.
 *
 * This file is the queue and the policy: who is served, and who may pass.  How
 * a thread waits is in wait.c; the retry of the backend, which requests do for
 * each other, in retry.c.
 *
 * 2. Objects
 *
 *   queue     a list inside the pool.
 *   request   on the stack of its thread; linked while it waits.
 *   reserve   where every element passes through on its way to a request,
 *             and where elements collect for a bulk request.
 *
 * The pool's lock (lock.c) guards all three, but for a request's spin
 * (wait.c).  The gate (section 6) is an atomic; nr is also read without the
 * lock, by who only asks whether to take it.
 *
 * 3. States of a request, and who moves it.  All moves are made with the lock.
 *
 *                              own thread, for the retry
 *        own thread    QUEUED <-------------------------> TRYING
 *       ------------->  | | |   own thread, alloc_fn back    |
 *                       | | |                                |
 *           +-----------+ | +------------+         +---------+
 *           |             |              |         |
 *       waitq_take(),  own thread:     waitq_shutdown()
 *       or who put     its deadline,     |
 *       or left:       or cancelled      |
 *       waitq_serve()  |                 |
 *           |          |                 |
 *           v          v                 v
 *        GRANTED      LEFT           CANCELLED
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
 *   I2  There is a first request, the reserve holds what it lacks, and there is
 *       a share of max_nr for it (cap.c)  =>  it was told and has not slept
 *       since, and it is not kept.  So nothing lies idle while somebody could
 *       use it but for as long as that one's thread takes to come.
 *   I3  An element is in the reserve, or in one request's slots, or owned by
 *       a caller or the backend; never in two of these places.
 *   I4  There is a QUEUED request, and the pool is not FIXED  =>  some QUEUED
 *       request, the watch, sleeps no longer than until the next retry is
 *       due, or has been signalled (retry.c).
 *
 *   I5  A request is linked  =>  no CPU has anything of the reserve near it
 *       (E2 of cached.c).  So a free finds no place there, and comes here.
 *
 * I2 is kept by waitq_serve(), called after each change that can break it: an
 * element or a share came, a request left, went TRYING or came back.
 *
 * 5. Order
 *
 * A thread that is running, and has the element in its cache, does hundreds of
 * operations in the time that another takes to wake up.  So newcomers may pass
 * the first request, but not for long: until it has been first for the
 * overtaking bound.
 *
 *   told   What it lacks lay in the reserve, so it was woken to take that.
 *          It is told once, and not again before it has slept: others may have
 *          been faster, but then it is awake, and looks by itself.
 *   kept   Nobody passes it any more; elements are handed to it, and only then
 *          is it woken.  It is kept when the bound is found to have passed; at
 *          once, when its thread was woken in vain and may not spin, when
 *          somebody fetched an element for it from the backend, or in a pool
 *          with priority inheritance, whose bound is zero.
 *
 * waitq_may_take() and waitq_may_claim() are the only places where a newcomer
 * passes, and read the clock each time that it matters.  A free reads it when
 * there is enough for the first request, and hands over if the bound has
 * passed, or if the reserve has no more room: what lies there for one that was
 * told and has not come must not keep those behind it waiting
 * (waitq_make_room()).
 *
 * Requests are served in order all the same, so one at place n is served after
 * n bounds at most, and the time that n users keep their elements.  While a
 * request is linked that could miss its deadline by that ("pressed"), nobody
 * passes at all.
 *
 * Reserve elements that are out come back, by the gate's promise below, as
 * long as their users free them; a bulk request lacks no more than min_nr was
 * when it was queued, and the reserve keeps up to that many for it even if
 * min_nr shrinks meanwhile (waitq_wants()).  When it is kept, nobody takes
 * from what collects for it.  So the first request is served in the end, and
 * after it the next.
 *
 * The bound is a compromise.  With 16 threads on two CPUs the longest wait is
 * 16 times the bound; and each time that the first request is served past the
 * bound costs some 40 us of CPU, which with four elements is an eighth of the
 * throughput where the bound is 200 us, and a twentieth where it is 500 us.
 *
 * 6. The gate
 *
 * A free whose element nobody wants here goes to free_fn without the lock.
 * It looks at the gate, which is open only while no request is linked and the
 * reserve is full; so no CPU has any of that near it then.
 *
 *   [G1] core_close_gate() and core_open_gate() store it, with the lock; the
 *        free loads it, without.  Both relaxed.
 *
 *   Needs     a free of an element that left the reserve sees the gate closed
 *             by that, or a later value.
 *   Holds     the gate was closed before the taker, or the thread that served
 *             it, released the lock or let a spinner go; the taker got the
 *             element after that; and the pointer reached whoever frees it by
 *             some order of the caller's.  Coherence does the rest.
 *             What a CPU has near it left the reserve when it was loaded there,
 *             by a thread on that CPU ([E5] in cached.c).
 *   So        a request sleeps only when reserve elements it lacks are out,
 *             and each of their frees takes the lock and finds it.
 *   If stale  a backend element may go to free_fn although a request has just
 *             fallen asleep: found at that request's next retry.  The other
 *             way, we lock for nothing.
 *   Breaks    if an element could leave the reserve before the gate closes.
 *
 * It is closed wherever that is due, but opened only when an element came from
 * the backend: while the backend is dead, frees fill the reserve, and to open
 * it then would only cost the line that all calls read.
 *
 * A pool with min_nr 0 has no reserve elements whose frees would come, so its
 * gate is never open, and whoever gave an element to free_fn kicks (retry.c).
 *
 * 7. Lifetime
 *
 * A request dies when wait_for() returns or is unwound, so others touch it only
 * with the lock and while it is linked; unlinking it ends with dismiss(), the
 * last touch.  wait.c says why that may be signalled later.
 *
 * nr_inside counts the threads that have still to take the lock again; a pool
 * that is destroyed with any is misused.
 *
 * 8. Lock order
 *
 * No callback, allocator or other lock is entered with the lock held, but for
 * that of a bed, which is a leaf (lock.c).
 *
 * 9. How it is checked
 *
 * tests/model/wait.pml is sections 3 to 6, wait.c, retry.c and cap.c in
 * Promela, over all interleavings of three threads; lib/invariant.c checks
 * section 4 at run time (--enable-debug).  A change here is made there first.
 *
 * 10. What this file does not do
 *
 * It knows no priorities.  It does not find deadlocks among callers: a thread
 * that holds an element and waits for another may wait for ever.
 */
#include "config.h"

#include "waitq.h"

#include <sched.h>

#include "core.h"
#include "deadline.h"
#include "spin.h"

/* ---- the list ---------------------------------------------------------- */

/* [N1] Read without the lock by who only wants to know whether to take it. */
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

static void record_wait(struct mempool_core *core, struct request *request)
{
	uint64_t now_ns = deadline_now_ns();
	uint64_t ns = now_ns - request->since_ns;
	uint64_t us = ns / NSEC_PER_USEC;
	int bucket = us ? 64 - __builtin_clzll(us) : 0;

	if (bucket >= MEMPOOL_WAIT_BUCKETS)
		bucket = MEMPOOL_WAIT_BUCKETS - 1;
	core->stats.wait_hist[bucket]++;
	core->stats.wait_total_ns += ns;
	if (ns > core->stats.wait_max_ns)
		core->stats.wait_max_ns = ns;
	if (request->first_ns)
		spin_learn(&core->waitq.recent_ns, now_ns - request->first_ns);
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
	q->nr_pressed -= request->pressed;
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

	if (nr <= core->room)
		return true;
	for (request = core->waitq.head; request; request = request->next)
		if (request->lack >= nr)
			return true;
	return false;
}

/* ---- telling a thread -------------------------------------------------- */

/* False when it does not spin. */
static bool stop_spinning(struct mempool_core *core, struct request *request,
			  enum spin why)
{
	core->waitq.giver_cpu = sched_getcpu();
	return spin_stop(&request->spin, why);
}

void waitq_signal_now(struct mempool_core *core)
{
	struct bed *bed = core->waitq.signal;

	core->waitq.signal = NULL;
	if (bed)
		bed_rouse(bed);
}

/* Leaves the signal to core_unlock(), if it may come late; not two of them. */
static void signal_soon(struct mempool_core *core, struct request *request)
{
	waitq_signal_now(core);
	core->waitq.signal = request->bed;
	/* Where priorities are inherited, from who waits for the lock: not to
	 * be preempted between the two. */
	if (request->bed_dies || core->prio_inherit)
		waitq_signal_now(core);
}

void waitq_rouse(struct mempool_core *core, struct request *request)
{
	if (!stop_spinning(core, request, SPIN_ROUSED))
		signal_soon(core, request);
}

/* The request was granted.  This is the last touch: a spinner is gone with it,
 * and does not come to the lock again. */
static void dismiss(struct mempool_core *core, struct request *request)
{
	if (stop_spinning(core, request, SPIN_SERVED))
		core->waitq.nr_inside--;
	else
		signal_soon(core, request);
}

/* ---- the policy -------------------------------------------------------- */

bool waitq_has_share(struct mempool_core *core, unsigned int nr)
{
	return !core->max_nr || core->nr_out + nr <= core->max_nr;
}

static void become_first(struct mempool_core *core, struct request *first,
			 uint64_t now_ns)
{
	first->first_ns = now_ns;
	first->kept = !core->waitq.bound_ns;
}

/* Whether what is free is by now the first request's. */
static bool is_kept(struct mempool_core *core, struct request *first)
{
	struct waitq *q = &core->waitq;

	if (!first->kept)
		first->kept = q->nr_pressed ||
			      deadline_about_now_ns() >=
			      first->first_ns + q->bound_ns;
	return first->kept;
}

/* Whether a newcomer may pass those who wait.  Who is kept is served first:
 * what lies there may have been put there before. */
static bool may_pass(struct mempool_core *core)
{
	struct request *first;

	while ((first = waitq_first(core)) && is_kept(core, first))
		if (!waitq_serve(core))
			return false;
	return true;
}

bool waitq_may_take(struct mempool_core *core, unsigned int nr)
{
	return core->reserve.nr >= nr && may_pass(core) &&
	       core->reserve.nr >= nr;
}

bool waitq_may_claim(struct mempool_core *core, unsigned int nr)
{
	return waitq_has_share(core, nr) && may_pass(core) &&
	       waitq_has_share(core, nr);
}

bool waitq_may_take_and_claim(struct mempool_core *core, unsigned int nr)
{
	return core->reserve.nr >= nr && waitq_may_claim(core, nr) &&
	       core->reserve.nr >= nr;
}

/* ---- serving ----------------------------------------------------------- */

static bool can_serve(struct mempool_core *core, struct request *request)
{
	return core->reserve.nr >= request->lack &&
	       waitq_has_share(core, request->lack);
}

static void fill(struct mempool_core *core, struct request *request)
{
	struct request *ahead;
	unsigned int i;

	for (ahead = request->prev; ahead; ahead = ahead->prev)
		ahead->passed_over = true;
	for (i = 0; i < request->lack; i++)
		request->slots[i] = reserve_take(&core->reserve);
	core->stats.alloc_handoff += request->lack;
	if (core->max_nr)
		core_take_share(core, request->lack);
	record_wait(core, request);
	unlink_request(core, request, REQUEST_GRANTED);
}

/* False if it has been told. */
static bool tell(struct mempool_core *core, struct request *first)
{
	if (first->told)
		return false;
	first->told = true;
	waitq_rouse(core, first);
	return true;
}

unsigned int waitq_serve(struct mempool_core *core)
{
	struct request *first;
	unsigned int nr = 0;

	while ((first = waitq_first(core))) {
		if (!first->first_ns)
			become_first(core, first, deadline_now_ns());
		if (!can_serve(core, first))
			break;
		if (!is_kept(core, first)) {
			nr += tell(core, first);
			break;
		}
		fill(core, first);
		dismiss(core, first);
		nr++;
	}
	retry_owed(core);
	return nr;
}

bool waitq_take(struct mempool_core *core, struct request *request)
{
	if (request != waitq_first(core) || !can_serve(core, request))
		return false;
	fill(core, request);
	waitq_serve(core);
	return true;
}

bool waitq_make_room(struct mempool_core *core)
{
	struct request *first = waitq_first(core);

	if (!first || !can_serve(core, first))
		return false;
	first->kept = true;
	return waitq_serve(core) > 0;
}

bool waitq_has_room(struct mempool_core *core)
{
	while (!waitq_wants(core, core->reserve.nr + 1))
		if (!waitq_make_room(core))
			return false;
	return true;
}

enum waitq_gift waitq_give(struct mempool_core *core, void *element)
{
	if (!waitq_has_room(core))
		return WAITQ_REFUSED;
	reserve_put(&core->reserve, element);
	return waitq_serve(core) ? WAITQ_TO_REQUEST : WAITQ_TO_RESERVE;
}

enum waitq_gift waitq_give_first(struct mempool_core *core, void *element)
{
	struct request *first = waitq_first(core);

	if (first)
		first->kept = true;
	return waitq_give(core, element);
}

/* ---- joining and leaving ----------------------------------------------- */

/* Whether a deadline could be missed for others being let past those who wait:
 * twice the time that they may take at most. */
static bool is_pressed(struct mempool_core *core, struct request *request,
		       uint64_t deadline_ns)
{
	return deadline_ns - request->since_ns <
	       2 * (core->waitq.nr + 1ull) * core->waitq.bound_ns;
}

void waitq_join(struct mempool_core *core, struct request *request,
		uint64_t deadline_ns)
{
	request->pressed = is_pressed(core, request, deadline_ns);
	core->waitq.nr_pressed += request->pressed;
	link_request(core, request);
	if (waitq_first(core) == request)
		become_first(core, request, request->since_ns);
}

void waitq_leave(struct mempool_core *core, struct request *request)
{
	record_wait(core, request);
	unlink_request(core, request, REQUEST_LEFT);
	waitq_serve(core);
}

void waitq_shutdown(struct mempool_core *core)
{
	struct request *request;

	while ((request = core->waitq.head)) {
		record_wait(core, request);
		unlink_request(core, request, REQUEST_CANCELLED);
		core->stats.cancellations++;
		/* To the lock, spinners too: it may have to trim, and a pool
		 * that is destroyed too early is to be found out. */
		waitq_rouse(core, request);
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
