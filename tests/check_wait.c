/* SPDX-License-Identifier: MIT */
/*
 * check_wait.c - single requests that sleep
 *
 * Covers the order in which they are served and that nobody overtakes; what
 * ends a sleep: a freed element, a deadline, a cancellation, shutdown; and
 * the retries of the backend: when, by whom, and what others get meanwhile.
 *
 * Pools retry once an hour unless the test is about that, so a wake-up that
 * is lost ends a test by its time limit.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <errno.h>
#include <signal.h>
#include <string.h>

#include <check.h>

#include "suite.h"
#include "testlib.h"

#define ELEMENT_SIZE	64
#define NR_ELEMENTS	4

/*
 * A pool whose whole reserve is in elements[], and whose backend gives
 * nothing until told.
 */
static struct backend b;
static mempool_t *pool;
static void *elements[NR_ELEMENTS];

static void empty_pool(int min_nr, unsigned int retry_ms)
{
	int i;

	backend_init(&b, ELEMENT_SIZE);
	pool = pool_retrying(&b, min_nr, retry_ms);
	ck_assert_ptr_nonnull(pool);
	for (i = 0; i < min_nr; i++) {
		elements[i] = mempool_alloc_preallocated(pool);
		ck_assert_ptr_nonnull(elements[i]);
	}
	backend_give(&b, 0);
}

/* Gives back what the test still has; everything must be there. */
static void end_pool(void)
{
	int i;

	for (i = 0; i < NR_ELEMENTS; i++) {
		mempool_free(elements[i], pool);
		elements[i] = NULL;
	}
	ck_assert_int_eq(stats_of(pool).outstanding, 0);
	ck_assert_uint_eq(stats_of(pool).waiters, 0);
	ck_assert_uint_eq(stats_of(pool).curr_nr, backend_live(&b));
	ck_assert(pool_end(pool, &b));
}

/* Gives elements[i] back. */
static void give(int i)
{
	mempool_free(elements[i], pool);
	elements[i] = NULL;
}

/* Starts @nr sleepers, one after the other. */
static void queue(struct sleeper *s, unsigned int nr)
{
	unsigned int i, before = (unsigned int)stats_of(pool).waiters;

	for (i = 0; i < nr; i++) {
		sleeper_start(&s[i], pool, 0);
		ck_assert(wait_for_waiters(pool, before + i + 1));
	}
}

/* ---- hand-off and order -------------------------------------------------- */

START_TEST(freed_element_goes_to_the_first_sleeper)
{
	struct sleeper s[3];
	int i;

	empty_pool(3, HOUR_MS);
	queue(s, 3);
	for (i = 0; i < 3; i++) {
		void *element = elements[i];

		give(i);
		ck_assert_int_eq(sleeper_join(&s[i]), 0);
		ck_assert_ptr_eq(s[i].elems[0], element);
		ck_assert_uint_eq(stats_of(pool).waiters, 2u - (unsigned)i);
	}
	for (i = 0; i < 3; i++)
		sleeper_free(&s[i]);
	end_pool();
}
END_TEST

START_TEST(free_bulk_serves_sleepers_in_order)
{
	struct sleeper s[2];
	void *both[2];
	int i;

	empty_pool(2, HOUR_MS);
	queue(s, 2);
	memcpy(both, elements, sizeof(both));
	memset(elements, 0, sizeof(elements));
	pause_ms(2);		/* beyond the overtaking bound: handed over */
	ck_assert_uint_eq(mempool_free_bulk(pool, both, 2), 2);
	for (i = 0; i < 2; i++) {
		ck_assert_int_eq(sleeper_join(&s[i]), 0);
		ck_assert_ptr_eq(s[i].elems[0], both[i]);
	}
	for (i = 0; i < 2; i++)
		sleeper_free(&s[i]);
	end_pool();
}
END_TEST

START_TEST(a_foreign_element_serves_a_sleeper)
{
	struct sleeper s;
	void *foreign;

	empty_pool(1, HOUR_MS);
	queue(&s, 1);
	backend_give(&b, GIVE_ALWAYS);
	foreign = backend_alloc(GFP_KERNEL, &b);
	mempool_free(foreign, pool);
	ck_assert_int_eq(sleeper_join(&s), 0);
	ck_assert_ptr_eq(s.elems[0], foreign);
	sleeper_free(&s);
	mempool_free(elements[0], pool);
	elements[0] = NULL;
	ck_assert_int_eq(stats_of(pool).outstanding, -1);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(a_sleeper_of_a_fixed_pool_is_served_by_a_free)
{
	struct sleeper s;
	void *element;

	backend_init(&b, ELEMENT_SIZE);
	pool = pool_over(&b, 1, MEMPOOL_FIXED);
	element = mempool_alloc_preallocated(pool);
	queue(&s, 1);
	mempool_kick(pool);
	mempool_free(element, pool);
	ck_assert_int_eq(sleeper_join(&s), 0);
	ck_assert_uint_eq(backend_calls(&b), 1);
	sleeper_free(&s);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(min_nr_0_hands_a_freed_element_to_the_sleeper)
{
	struct sleeper s;
	void *element;

	backend_init(&b, ELEMENT_SIZE);
	pool = pool_over(&b, 0, 0);
	element = mempool_alloc(pool, GFP_KERNEL);
	backend_give(&b, 0);
	queue(&s, 1);
	mempool_free(element, pool);
	ck_assert_int_eq(sleeper_join(&s), 0);
	ck_assert_ptr_eq(s.elems[0], element);
	ck_assert_uint_eq(backend_frees(&b), 0);
	sleeper_free(&s);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(min_nr_0_finds_what_went_to_the_backend_as_it_fell_asleep)
{
	struct freer freer;
	struct sleeper s;
	void *element;

	/*
	 * A thread is inside free_fn, on its way past an empty queue, when
	 * the request arrives; what it frees is there only afterwards.
	 */
	backend_init(&b, ELEMENT_SIZE);
	pool = pool_over(&b, 0, 0);
	element = mempool_alloc(pool, GFP_KERNEL);
	backend_give(&b, 0);
	backend_hold_frees(&b, 1);
	freer_start(&freer, pool, element);
	ck_assert(backend_wait_held(&b, 1));
	queue(&s, 1);
	backend_give(&b, 1);
	backend_release(&b);
	ck_assert_int_eq(sleeper_join(&s), 0);
	freer_join(&freer);
	sleeper_free(&s);
	ck_assert(pool_end(pool, &b));
}
END_TEST

/* ---- deadlines ----------------------------------------------------------- */

START_TEST(a_deadline_is_waited_for)
{
	struct timespec deadline;
	uint64_t end;

	empty_pool(1, HOUR_MS);
	end = now_ns() + 50 * 1000000;
	deadline = deadline_in_ms(50);
	errno = 0;
	ck_assert_ptr_null(mempool_alloc_until(pool, GFP_KERNEL, &deadline));
	ck_assert_int_eq(errno, ETIMEDOUT);
	ck_assert_uint_ge(now_ns(), end);
	end_pool();
}
END_TEST

START_TEST(an_element_freed_after_a_time_out_is_not_lost)
{
	struct timespec deadline;
	void *element;

	empty_pool(1, HOUR_MS);
	deadline = deadline_in_ms(10);
	ck_assert_ptr_null(mempool_alloc_until(pool, GFP_KERNEL, &deadline));
	give(0);
	element = mempool_alloc_preallocated(pool);
	ck_assert_ptr_nonnull(element);
	mempool_free(element, pool);
	end_pool();
}
END_TEST

START_TEST(the_sleepers_behind_a_time_out_keep_their_order)
{
	struct sleeper s[3];

	empty_pool(2, HOUR_MS);
	sleeper_start(&s[0], pool, 0);
	ck_assert(wait_for_waiters(pool, 1));
	sleeper_start_until(&s[1], pool, 0, GFP_KERNEL, deadline_in_ms(200));
	ck_assert(wait_for_waiters(pool, 2) || sleeper_done(&s[1]));
	sleeper_start(&s[2], pool, 0);
	ck_assert_int_eq(sleeper_join(&s[1]), ETIMEDOUT);
	ck_assert(wait_for_waiters(pool, 2));
	give(0);
	ck_assert_int_eq(sleeper_join(&s[0]), 0);
	give(1);
	ck_assert_int_eq(sleeper_join(&s[2]), 0);
	sleeper_free(&s[0]);
	sleeper_free(&s[2]);
	end_pool();
}
END_TEST

START_TEST(the_latest_deadline_of_all_is_no_past_one)
{
	struct timespec latest = { .tv_nsec = 999999999 };
	struct sleeper s;

	latest.tv_sec = (time_t)(sizeof(time_t) > 4 ? INT64_MAX : INT32_MAX);
	empty_pool(1, HOUR_MS);
	sleeper_start_until(&s, pool, 0, GFP_KERNEL, latest);
	ck_assert(wait_for_waiters(pool, 1));
	pause_ms(20);
	ck_assert(!sleeper_done(&s));
	give(0);
	ck_assert_int_eq(sleeper_join(&s), 0);
	sleeper_free(&s);
	end_pool();
}
END_TEST

/* A signal handler that keeps its thread until told. */
static atomic_bool in_handler, leave_handler;

static void stay(int sig)
{
	struct timespec ms = { .tv_nsec = 1000000 };
	int saved = errno;

	(void)sig;
	atomic_store(&in_handler, true);
	while (!atomic_load(&leave_handler))
		nanosleep(&ms, NULL);
	errno = saved;
}

/* Stops the sleeper's thread in its sleep; false: no way. */
static bool stop_sleeper(struct sleeper *s)
{
	struct sigaction action = { .sa_handler = stay };

	atomic_store(&in_handler, false);
	atomic_store(&leave_handler, false);
	sigemptyset(&action.sa_mask);
	sigaction(SIGUSR1, &action, NULL);
	/* It is queued, but must also have let go of the lock. */
	pause_ms(50);
	pthread_kill(s->thread, SIGUSR1);
	return wait_for_flag(&in_handler);
}

START_TEST(late_grant_beats_deadline)
{
	struct timespec deadline;
	struct sleeper s;

	/* The deadline passes and the element comes while the sleeper cannot
	 * look: what was granted first counts. */
	empty_pool(1, HOUR_MS);
	deadline = deadline_in_ms(2000);
	sleeper_start_until(&s, pool, 0, GFP_KERNEL, deadline);
	ck_assert(wait_for_waiters(pool, 1));
	ck_assert(stop_sleeper(&s));
	pause_ms(2100);
	give(0);
	ck_assert_uint_eq(stats_of(pool).waiters, 0);
	atomic_store(&leave_handler, true);
	ck_assert_int_eq(sleeper_join(&s), 0);
	sleeper_free(&s);
	end_pool();
}
END_TEST

START_TEST(newcomers_cannot_take_what_a_sleeper_was_given)
{
	struct timespec past = deadline_past();
	struct sleeper s;

	/* Its thread has not run since: it must not have to compete. */
	empty_pool(1, HOUR_MS);
	queue(&s, 1);
	ck_assert(stop_sleeper(&s));
	give(0);
	ck_assert_ptr_null(mempool_alloc_preallocated(pool));
	ck_assert_ptr_null(mempool_alloc(pool, GFP_ATOMIC));
	ck_assert_ptr_null(mempool_alloc_until(pool, GFP_KERNEL, &past));
	atomic_store(&leave_handler, true);
	ck_assert_int_eq(sleeper_join(&s), 0);
	sleeper_free(&s);
	end_pool();
}
END_TEST

START_TEST(a_signal_does_not_end_a_sleep)
{
	struct sleeper s;

	empty_pool(1, HOUR_MS);
	queue(&s, 1);
	ck_assert(stop_sleeper(&s));
	atomic_store(&leave_handler, true);
	pause_ms(20);
	ck_assert(!sleeper_done(&s));
	give(0);
	ck_assert_int_eq(sleeper_join(&s), 0);
	sleeper_free(&s);
	end_pool();
}
END_TEST

/* ---- cancellation -------------------------------------------------------- */

START_TEST(a_sleeper_can_be_cancelled_and_runs_its_cleanup)
{
	struct sleeper s;

	empty_pool(1, HOUR_MS);
	queue(&s, 1);
	ck_assert(sleeper_cancel(&s));
	ck_assert(s.cleanup_ran);
	ck_assert_uint_eq(stats_of(pool).waiters, 0);
	ck_assert_uint_eq(stats_of(pool).cancellations, 1);
	end_pool();
}
END_TEST

START_TEST(a_cancelled_sleeper_takes_nothing_with_it)
{
	struct sleeper s[2];

	empty_pool(1, HOUR_MS);
	queue(s, 2);
	ck_assert(sleeper_cancel(&s[0]));
	give(0);
	ck_assert_int_eq(sleeper_join(&s[1]), 0);
	sleeper_free(&s[1]);
	end_pool();
}
END_TEST

START_TEST(a_sleeper_in_the_middle_can_be_cancelled)
{
	struct sleeper s[3];

	empty_pool(2, HOUR_MS);
	queue(s, 3);
	ck_assert(sleeper_cancel(&s[1]));
	give(0);
	ck_assert_int_eq(sleeper_join(&s[0]), 0);
	give(1);
	ck_assert_int_eq(sleeper_join(&s[2]), 0);
	sleeper_free(&s[0]);
	sleeper_free(&s[2]);
	end_pool();
}
END_TEST

START_TEST(cancelling_the_one_who_was_to_retry_leaves_the_retry_to_the_next)
{
	struct sleeper s[2];

	/* The head is inside alloc_fn when it is cancelled, and the kick that
	 * comes then must not be lost with it.  It may be served before it
	 * notices. */
	empty_pool(1, HOUR_MS);
	queue(s, 2);
	backend_hold_allocs(&b, 1);
	mempool_kick(pool);
	ck_assert(backend_wait_held(&b, 1));
	pthread_cancel(s[0].thread);
	backend_give(&b, GIVE_ALWAYS);
	mempool_kick(pool);
	backend_release(&b);
	if (!sleeper_cancel(&s[0]))
		sleeper_free(&s[0]);
	ck_assert_int_eq(sleeper_join(&s[1]), 0);
	sleeper_free(&s[1]);
	end_pool();
}
END_TEST

START_TEST(what_a_cancelled_retry_brought_goes_to_the_next)
{
	struct sleeper s[2];

	empty_pool(1, HOUR_MS);
	queue(s, 2);
	backend_hold_allocs(&b, 1);
	backend_give(&b, 1);
	mempool_kick(pool);
	ck_assert(backend_wait_held(&b, 1));
	pthread_cancel(s[0].thread);
	backend_release(&b);
	/* It may see the element before the cancellation. */
	if (!sleeper_cancel(&s[0]))
		sleeper_free(&s[0]);
	ck_assert_int_eq(sleeper_join(&s[1]), 0);
	sleeper_free(&s[1]);
	end_pool();
}
END_TEST

static void *call_everything(void *arg)
{
	struct timespec past = deadline_past();
	atomic_bool *came_through = arg;
	struct mempool_stats stats;
	void *element, *three[3];
	unsigned int nr;

	pthread_cleanup_push(cancel_cleanup, NULL);
	pthread_cancel(pthread_self());
	element = mempool_alloc(pool, GFP_KERNEL);
	mempool_free(element, pool);
	element = mempool_alloc_noreserve(pool, GFP_KERNEL);
	mempool_free(element, pool);
	element = mempool_alloc_preallocated(pool);
	mempool_free(element, pool);
	if (mempool_alloc_bulk(pool, three, 3) == 0) {
		nr = mempool_free_bulk(pool, three, 3);
		while (nr < 3)
			mempool_free(three[nr++], pool);
	}
	element = mempool_alloc_until(pool, GFP_KERNEL, &past);
	mempool_free(element, pool);
	mempool_resize(pool, 4);
	mempool_resize(pool, 3);
	(void)mempool_is_saturated(pool);
	(void)mempool_get_stats(pool, &stats, sizeof(stats));
	if (mempool_refill(pool) == 0 && stats.outstanding == 0)
		atomic_store(came_through, true);
	mempool_kick(pool);
	mempool_shutdown(pool);
	mempool_exit(pool);
	pthread_testcancel();
	pthread_cleanup_pop(0);
	return NULL;
}

START_TEST(only_sleeping_is_a_cancellation_point)
{
	atomic_bool came_through = false;
	mempool_t storage;
	pthread_t thread;
	void *result;

	backend_init(&b, ELEMENT_SIZE);
	ck_assert_int_eq(mempool_init(&storage, 3, backend_alloc,
				      backend_free, &b), 0);
	pool = &storage;
	pthread_create(&thread, NULL, call_everything, &came_through);
	pthread_join(thread, &result);
	ck_assert(atomic_load(&came_through));
	ck_assert_ptr_eq(result, PTHREAD_CANCELED);
	ck_assert_uint_eq(backend_live(&b), 0);
}
END_TEST

START_TEST(a_retry_runs_with_cancellation_disabled)
{
	struct sleeper s;

	empty_pool(1, HOUR_MS);
	queue(&s, 1);
	backend_give(&b, 1);
	mempool_kick(pool);
	ck_assert_int_eq(sleeper_join(&s), 0);
	ck_assert_uint_eq(backend_calls(&b), 4);
	ck_assert_int_eq(backend_cancel_state(&b, 3), PTHREAD_CANCEL_DISABLE);
	sleeper_free(&s);
	end_pool();
}
END_TEST

START_TEST(the_first_try_runs_with_the_callers_cancel_state)
{
	struct sleeper s;

	backend_init(&b, ELEMENT_SIZE);
	pool = pool_over(&b, 1, 0);
	sleeper_start(&s, pool, 0);
	ck_assert_int_eq(sleeper_join(&s), 0);
	ck_assert_int_eq(backend_cancel_state(&b, 1), PTHREAD_CANCEL_ENABLE);
	sleeper_free(&s);
	ck_assert_int_eq(backend_free_cancel_state(&b), PTHREAD_CANCEL_ENABLE);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(a_sleep_gives_the_cancel_state_back)
{
	struct sleeper s;

	empty_pool(1, HOUR_MS);
	queue(&s, 1);
	mempool_kick(pool);
	ck_assert(backend_wait_calls(&b, 4));
	give(0);
	ck_assert_int_eq(sleeper_join(&s), 0);
	ck_assert_int_eq(s.cancel_state_after, PTHREAD_CANCEL_ENABLE);
	sleeper_free(&s);
	end_pool();
}
END_TEST

/* A backend whose calls are cancellation points. */
static void *cancelled_alloc(gfp_t gfp_mask, void *pool_data)
{
	(void)gfp_mask;
	(void)pool_data;
	pthread_testcancel();
	return NULL;
}

static void *alloc_while_cancelled(void *arg)
{
	void *element;

	pthread_cleanup_push(cancel_cleanup, NULL);
	pthread_cancel(pthread_self());
	element = mempool_alloc(arg, GFP_KERNEL);
	(void)element;
	pthread_cleanup_pop(0);
	return NULL;
}

START_TEST(a_first_try_cancelled_in_the_backend_leaves_the_pool_whole)
{
	mempool_t *cancelling;
	pthread_t thread;
	void *result;

	backend_init(&b, ELEMENT_SIZE);
	cancelling = mempool_create(0, cancelled_alloc, backend_free, &b);
	pthread_create(&thread, NULL, alloc_while_cancelled, cancelling);
	pthread_join(thread, &result);
	ck_assert_ptr_eq(result, PTHREAD_CANCELED);
	ck_assert_int_eq(stats_of(cancelling).outstanding, 0);
	ck_assert_uint_eq(stats_of(cancelling).waiters, 0);
	ck_assert_ptr_null(mempool_alloc(cancelling, GFP_NOWAIT));
	ck_assert(pool_end(cancelling, &b));
}
END_TEST

/* Given back first: a free_fn that is cancelled earlier loses its element. */
static void cancelled_free(void *element, void *pool_data)
{
	backend_free(element, pool_data);
	pthread_testcancel();
}

static void *free_while_cancelled(void *arg)
{
	void *element;

	pthread_cleanup_push(cancel_cleanup, NULL);
	/* A thread's first call is a slow one. */
	if (arg)
		mempool_free(mempool_alloc(pool, GFP_KERNEL), pool);
	element = mempool_alloc(pool, GFP_KERNEL);
	pthread_cancel(pthread_self());
	mempool_free(element, pool);
	pthread_cleanup_pop(0);
	return NULL;
}

START_TEST(a_free_cancelled_in_free_fn_counts_all_the_same)
{
	pthread_t thread;
	void *result;

	backend_init(&b, ELEMENT_SIZE);
	pool = mempool_create(1, backend_alloc, cancelled_free, &b);
	ck_assert_ptr_nonnull(pool);
	pthread_create(&thread, NULL, free_while_cancelled,
		       _i ? pool : NULL);
	pthread_join(thread, &result);
	ck_assert_ptr_eq(result, PTHREAD_CANCELED);
	ck_assert_uint_eq(stats_of(pool).free_backend, _i + 1);
	ck_assert_int_eq(stats_of(pool).outstanding, 0);
	ck_assert(pool_end(pool, &b));
}
END_TEST

static void *free_first(void *arg)
{
	pthread_cleanup_push(cancel_cleanup, NULL);
	mempool_free(arg, pool);
	pthread_cleanup_pop(0);
	return NULL;
}

START_TEST(a_free_cancelled_in_free_fn_still_kicks_who_fell_asleep_meanwhile)
{
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;
	struct sleeper s;
	pthread_t thread;

	backend_init(&b, ELEMENT_SIZE);
	attr.retry_ms = HOUR_MS;
	pool = mempool_create_attr(0, backend_alloc, cancelled_free, &b, &attr);
	ck_assert_ptr_nonnull(pool);
	elements[0] = mempool_alloc(pool, GFP_KERNEL);
	backend_give(&b, 0);
	backend_hold_frees(&b, 1);
	pthread_create(&thread, NULL, free_first, elements[0]);
	elements[0] = NULL;
	ck_assert(backend_wait_held(&b, 1));
	queue(&s, 1);
	backend_give(&b, 1);
	pthread_cancel(thread);
	backend_release(&b);
	pthread_join(thread, NULL);
	ck_assert_int_eq(sleeper_join(&s), 0);
	sleeper_free(&s);
	end_pool();
}
END_TEST

/* ---- shutdown ------------------------------------------------------------ */

START_TEST(shutdown_ends_every_sleep)
{
	struct sleeper s[3];
	int i;

	empty_pool(1, HOUR_MS);
	queue(s, 3);
	mempool_shutdown(pool);
	for (i = 0; i < 3; i++)
		ck_assert_int_eq(sleeper_join(&s[i]), ECANCELED);
	ck_assert_uint_eq(stats_of(pool).cancellations, 3);
	end_pool();
}
END_TEST

START_TEST(shutdown_ends_a_sleep_that_is_inside_the_backend)
{
	struct sleeper s;

	empty_pool(1, HOUR_MS);
	queue(&s, 1);
	backend_hold_allocs(&b, 1);
	mempool_kick(pool);
	ck_assert(backend_wait_held(&b, 1));
	mempool_shutdown(pool);
	backend_release(&b);
	ck_assert_int_eq(sleeper_join(&s), ECANCELED);
	end_pool();
}
END_TEST

/* ---- destroy ------------------------------------------------------------- */

START_TEST(destroying_a_pool_with_a_sleeper_aborts)
{
	struct sleeper s;

	empty_pool(1, HOUR_MS);
	queue(&s, 1);
	mempool_destroy(pool);
}
END_TEST

START_TEST(exiting_a_pool_with_a_sleeper_aborts)
{
	mempool_t storage;
	struct sleeper s;

	backend_init(&b, ELEMENT_SIZE);
	backend_give(&b, 0);
	ck_assert_int_eq(mempool_init(&storage, 0, backend_alloc,
				      backend_free, &b), 0);
	pool = &storage;
	queue(&s, 1);
	mempool_exit(pool);
}
END_TEST

/* ---- retries ------------------------------------------------------------- */

START_TEST(a_kick_makes_the_sleeper_retry)
{
	struct sleeper s;

	empty_pool(1, HOUR_MS);
	queue(&s, 1);
	backend_give(&b, 1);
	mempool_kick(pool);
	ck_assert_int_eq(sleeper_join(&s), 0);
	ck_assert_uint_eq(backend_mask(&b, 3) & HINTS, HINTS);
	sleeper_free(&s);
	end_pool();
}
END_TEST

START_TEST(after_a_kick_all_are_served_in_order_while_the_backend_gives)
{
	struct sleeper s[3];
	int i;

	empty_pool(1, HOUR_MS);
	queue(s, 3);
	backend_give(&b, 3);
	mempool_kick(pool);
	for (i = 0; i < 3; i++)
		ck_assert_int_eq(sleeper_join(&s[i]), 0);
	ck_assert_int_eq(stats_of(pool).outstanding, 4);
	for (i = 0; i < 3; i++)
		sleeper_free(&s[i]);
	end_pool();
}
END_TEST

START_TEST(the_first_sleeper_is_the_first_to_retry)
{
	struct sleeper s[2];

	empty_pool(1, HOUR_MS);
	queue(s, 2);
	backend_give(&b, 1);
	mempool_kick(pool);
	ck_assert_int_eq(sleeper_join(&s[0]), 0);
	ck_assert(pthread_equal(backend_caller(&b, 5), s[0].thread));
	ck_assert(wait_for_waiters(pool, 1));
	give(0);
	ck_assert_int_eq(sleeper_join(&s[1]), 0);
	sleeper_free(&s[0]);
	sleeper_free(&s[1]);
	end_pool();
}
END_TEST

START_TEST(one_sleeper_retries_at_a_time)
{
	struct sleeper s[3];
	unsigned int calls;
	int i;

	empty_pool(1, HOUR_MS);
	queue(s, 3);
	calls = backend_calls(&b);
	backend_hold_allocs(&b, 1);
	mempool_kick(pool);
	ck_assert(backend_wait_held(&b, 1));
	mempool_kick(pool);
	pause_ms(50);
	ck_assert_uint_eq(backend_calls(&b), calls + 1);
	backend_give(&b, GIVE_ALWAYS);
	mempool_kick(pool);
	backend_release(&b);
	for (i = 0; i < 3; i++) {
		ck_assert_int_eq(sleeper_join(&s[i]), 0);
		sleeper_free(&s[i]);
	}
	end_pool();
}
END_TEST

START_TEST(a_kick_during_a_retry_is_not_lost)
{
	struct sleeper s;

	/* The retry under way was refused before the backend recovered. */
	empty_pool(1, HOUR_MS);
	queue(&s, 1);
	backend_hold_allocs(&b, 1);
	mempool_kick(pool);
	ck_assert(backend_wait_held(&b, 1));
	backend_give(&b, GIVE_ALWAYS);
	mempool_kick(pool);
	backend_release(&b);
	ck_assert_int_eq(sleeper_join(&s), 0);
	sleeper_free(&s);
	end_pool();
}
END_TEST

START_TEST(a_kick_before_the_sleep_is_not_lost)
{
	struct sleeper s;

	/* Its second try was refused before the backend recovered, and the
	 * kick comes before it is queued. */
	empty_pool(1, HOUR_MS);
	backend_hold_allocs(&b, 2);
	sleeper_start(&s, pool, 0);
	ck_assert(backend_wait_calls(&b, 2));
	backend_release(&b);
	ck_assert(backend_wait_calls(&b, 3));
	backend_give(&b, GIVE_ALWAYS);
	mempool_kick(pool);
	backend_release(&b);
	ck_assert_int_eq(sleeper_join(&s), 0);
	sleeper_free(&s);
	end_pool();
}
END_TEST

START_TEST(a_kick_outlives_the_one_who_was_to_follow_it)
{
	struct sleeper s[2];

	/* The head is to retry, but is served before its thread runs. */
	empty_pool(1, HOUR_MS);
	queue(s, 2);
	ck_assert(stop_sleeper(&s[0]));
	backend_give(&b, 1);
	mempool_kick(pool);
	give(0);
	ck_assert_int_eq(sleeper_join(&s[1]), 0);
	atomic_store(&leave_handler, true);
	ck_assert_int_eq(sleeper_join(&s[0]), 0);
	sleeper_free(&s[0]);
	sleeper_free(&s[1]);
	end_pool();
}
END_TEST

START_TEST(a_kick_with_nobody_waiting_does_nothing)
{
	empty_pool(1, HOUR_MS);
	mempool_kick(pool);
	ck_assert_uint_eq(backend_calls(&b), 1);
	end_pool();
}
END_TEST

START_TEST(another_callers_success_makes_sleepers_retry)
{
	struct sleeper s[2];
	void *element;
	int i;

	empty_pool(1, HOUR_MS);
	queue(s, 2);
	backend_give(&b, GIVE_ALWAYS);
	element = _i ? mempool_alloc_noreserve(pool, GFP_KERNEL) :
		       mempool_alloc(pool, GFP_NOWAIT);
	ck_assert_ptr_nonnull(element);
	for (i = 0; i < 2; i++) {
		ck_assert_int_eq(sleeper_join(&s[i]), 0);
		sleeper_free(&s[i]);
	}
	mempool_free(element, pool);
	end_pool();
}
END_TEST

START_TEST(a_recovered_backend_is_noticed_after_retry_ms)
{
	struct sleeper s[3];
	int i;

	empty_pool(1, 20);
	queue(s, 3);
	backend_give(&b, GIVE_ALWAYS);
	for (i = 0; i < 3; i++)
		ck_assert_int_eq(sleeper_join(&s[i]), 0);
	for (i = 0; i < 3; i++)
		sleeper_free(&s[i]);
	end_pool();
}
END_TEST

START_TEST(retries_go_on_for_as_long_as_the_backend_fails)
{
	struct sleeper s[2];

	empty_pool(1, 5);
	queue(s, 2);
	ck_assert(backend_wait_calls(&b, 30));
	backend_give(&b, GIVE_ALWAYS);
	ck_assert_int_eq(sleeper_join(&s[0]), 0);
	ck_assert_int_eq(sleeper_join(&s[1]), 0);
	sleeper_free(&s[0]);
	sleeper_free(&s[1]);
	end_pool();
}
END_TEST

START_TEST(retries_outlive_the_departure_of_whoever_was_to_make_them)
{
	struct sleeper s[3];

	/* The first leaves by its deadline, the second by cancellation; the
	 * third must take over. */
	empty_pool(1, 300);
	sleeper_start_until(&s[0], pool, 0, GFP_KERNEL, deadline_in_ms(100));
	ck_assert(wait_for_waiters(pool, 1) || sleeper_done(&s[0]));
	sleeper_start(&s[1], pool, 0);
	sleeper_start(&s[2], pool, 0);
	ck_assert_int_eq(sleeper_join(&s[0]), ETIMEDOUT);
	ck_assert(wait_for_waiters(pool, 2));
	ck_assert(sleeper_cancel(&s[1]));
	backend_give(&b, 1);
	ck_assert_int_eq(sleeper_join(&s[2]), 0);
	sleeper_free(&s[2]);
	end_pool();
}
END_TEST

START_TEST(retries_outlive_the_departure_of_the_newest_request)
{
	struct sleeper old, newest;

	empty_pool(1, 20);
	queue(&old, 1);
	if (_i) {
		queue(&newest, 1);
		ck_assert(sleeper_cancel(&newest));
	} else {
		sleeper_start_until(&newest, pool, 0, GFP_KERNEL,
				    deadline_in_ms(100));
		ck_assert_int_eq(sleeper_join(&newest), ETIMEDOUT);
	}
	backend_give(&b, 1);
	ck_assert_int_eq(sleeper_join(&old), 0);
	sleeper_free(&old);
	end_pool();
}
END_TEST

START_TEST(a_sleeper_leaves_the_backend_alone_for_retry_ms)
{
	struct sleeper s;
	uint64_t start = now_ns();

	empty_pool(1, 200);
	queue(&s, 1);
	ck_assert(backend_wait_calls(&b, 4));
	ck_assert_uint_ge(now_ns() - start, 200 * 1000000);
	give(0);
	ck_assert_int_eq(sleeper_join(&s), 0);
	sleeper_free(&s);
	end_pool();
}
END_TEST

START_TEST(a_deadline_comes_between_two_retries)
{
	struct timespec deadline;

	empty_pool(1, HOUR_MS);
	deadline = deadline_in_ms(20);
	errno = 0;
	ck_assert_ptr_null(mempool_alloc_until(pool, GFP_KERNEL, &deadline));
	ck_assert_int_eq(errno, ETIMEDOUT);
	ck_assert_uint_eq(backend_calls(&b), 3);
	end_pool();
}
END_TEST

START_TEST(a_request_inside_the_backend_is_passed_over)
{
	struct sleeper s[2];

	empty_pool(2, HOUR_MS);
	queue(s, 2);
	backend_hold_allocs(&b, 1);
	mempool_kick(pool);
	ck_assert(backend_wait_held(&b, 1));
	give(0);
	ck_assert_int_eq(sleeper_join(&s[1]), 0);
	ck_assert(!sleeper_done(&s[0]));
	backend_release(&b);
	give(1);
	ck_assert_int_eq(sleeper_join(&s[0]), 0);
	sleeper_free(&s[0]);
	sleeper_free(&s[1]);
	end_pool();
}
END_TEST

START_TEST(a_request_that_was_passed_over_keeps_its_place)
{
	struct sleeper s[3];

	empty_pool(3, HOUR_MS);
	queue(s, 3);
	backend_hold_allocs(&b, 1);
	mempool_kick(pool);
	ck_assert(backend_wait_held(&b, 1));
	give(0);
	ck_assert_int_eq(sleeper_join(&s[1]), 0);
	/* Once it is back, it comes before the last. */
	backend_release(&b);
	ck_assert(backend_wait_not_held(&b));
	pause_ms(200);
	give(1);
	ck_assert_int_eq(sleeper_join(&s[0]), 0);
	ck_assert_uint_eq(stats_of(pool).waiters, 1);
	give(2);
	ck_assert_int_eq(sleeper_join(&s[2]), 0);
	sleeper_free(&s[0]);
	sleeper_free(&s[1]);
	sleeper_free(&s[2]);
	end_pool();
}
END_TEST

START_TEST(a_free_with_the_only_request_inside_the_backend_is_not_lost)
{
	struct sleeper s;

	empty_pool(1, HOUR_MS);
	queue(&s, 1);
	backend_hold_allocs(&b, 1);
	mempool_kick(pool);
	ck_assert(backend_wait_held(&b, 1));
	give(0);
	backend_release(&b);
	ck_assert_int_eq(sleeper_join(&s), 0);
	sleeper_free(&s);
	end_pool();
}
END_TEST

START_TEST(with_min_nr_0_a_free_during_a_retry_is_not_lost)
{
	struct sleeper s;
	void *element;

	/* Nobody can be given the element and no reserve wants it. */
	backend_init(&b, ELEMENT_SIZE);
	pool = pool_over(&b, 0, 0);
	element = mempool_alloc(pool, GFP_KERNEL);
	backend_give(&b, 0);
	queue(&s, 1);
	backend_hold_allocs(&b, 1);
	mempool_kick(pool);
	ck_assert(backend_wait_held(&b, 1));
	backend_give(&b, 1);
	mempool_free(element, pool);
	backend_release(&b);
	ck_assert_int_eq(sleeper_join(&s), 0);
	sleeper_free(&s);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(one_that_was_passed_over_lets_another_retry)
{
	struct sleeper s[3];
	unsigned int calls;

	empty_pool(1, HOUR_MS);
	queue(s, 3);
	calls = backend_calls(&b);
	backend_hold_allocs(&b, 1);
	mempool_kick(pool);
	ck_assert(backend_wait_held(&b, 1));
	give(0);
	ck_assert_int_eq(sleeper_join(&s[1]), 0);
	backend_release(&b);
	ck_assert(backend_wait_not_held(&b));
	pause_ms(200);
	mempool_kick(pool);
	ck_assert(backend_wait_calls(&b, calls + 2));
	ck_assert(pthread_equal(backend_caller(&b, calls), s[0].thread));
	ck_assert(pthread_equal(backend_caller(&b, calls + 1), s[2].thread));
	backend_give(&b, GIVE_ALWAYS);
	mempool_kick(pool);
	ck_assert_int_eq(sleeper_join(&s[0]), 0);
	ck_assert_int_eq(sleeper_join(&s[2]), 0);
	sleeper_free(&s[0]);
	sleeper_free(&s[1]);
	sleeper_free(&s[2]);
	end_pool();
}
END_TEST

START_TEST(a_retry_stuck_in_the_backend_does_not_stop_the_others)
{
	struct sleeper s[2];
	bool second;

	empty_pool(1, 20);
	queue(s, 2);
	backend_hold_allocs(&b, 1);
	ck_assert(backend_wait_held(&b, 1));
	backend_give(&b, GIVE_ALWAYS);
	/* The second is held if the first just then took 20 ms for a try. */
	while (!sleeper_done(&s[0]) && !sleeper_done(&s[1]))
		pause_ms(1);
	second = sleeper_done(&s[0]);
	ck_assert_int_eq(sleeper_join(&s[!second]), 0);
	pause_ms(100);
	ck_assert(!sleeper_done(&s[second]));
	backend_release(&b);
	ck_assert_int_eq(sleeper_join(&s[second]), 0);
	sleeper_free(&s[0]);
	sleeper_free(&s[1]);
	end_pool();
}
END_TEST

START_TEST(what_a_retry_brings_after_the_deadline_is_kept)
{
	struct timespec deadline;
	struct sleeper s;

	empty_pool(1, HOUR_MS);
	deadline = deadline_in_ms(1000);
	sleeper_start_until(&s, pool, 0, GFP_KERNEL, deadline);
	ck_assert(wait_for_waiters(pool, 1));
	backend_give(&b, 1);
	backend_hold_allocs(&b, 1);
	mempool_kick(pool);
	ck_assert(backend_wait_held(&b, 1));
	pause_ms(1100);
	backend_release(&b);
	ck_assert_int_eq(sleeper_join(&s), 0);
	sleeper_free(&s);
	end_pool();
}
END_TEST

START_TEST(a_sleep_uses_next_to_no_processor_time)
{
	struct timespec deadline, cpu[2];
	int64_t used_ns;

	empty_pool(1, 100);
	deadline = deadline_in_ms(1000);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu[0]);
	ck_assert_ptr_null(mempool_alloc_until(pool, GFP_KERNEL, &deadline));
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu[1]);
	used_ns = (int64_t)(cpu[1].tv_sec - cpu[0].tv_sec) * 1000000000 +
		  (cpu[1].tv_nsec - cpu[0].tv_nsec);
	/* Ten retries take microseconds; a loop would take the second. */
	ck_assert_int_lt(used_ns, 100 * 1000000);
	end_pool();
}
END_TEST

/* ---- drain --------------------------------------------------------------- */

START_TEST(drain_of_a_quiet_pool_succeeds_at_once)
{
	struct timespec past = deadline_past();

	backend_init(&b, ELEMENT_SIZE);
	pool = pool_over(&b, 1, 0);
	ck_assert_int_eq(mempool_drain_until(pool, &past), 0);
	ck_assert_int_eq(mempool_drain_until(pool, NULL), 0);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(drain_waits_until_its_deadline)
{
	struct timespec deadline;
	uint64_t end;

	empty_pool(1, HOUR_MS);
	end = now_ns() + 30 * 1000000;
	deadline = deadline_in_ms(30);
	ck_assert_int_eq(mempool_drain_until(pool, &deadline), -ETIMEDOUT);
	ck_assert_uint_ge(now_ns(), end);
	end_pool();
}
END_TEST

START_TEST(drain_waits_for_the_last_element)
{
	struct freer freer;

	/* The one who frees it is held in free_fn: not back yet. */
	backend_init(&b, ELEMENT_SIZE);
	pool = pool_over(&b, 0, 0);
	backend_hold_frees(&b, 1);
	freer_start(&freer, pool, mempool_alloc(pool, GFP_KERNEL));
	ck_assert(backend_wait_held(&b, 1));
	ck_assert_int_eq(mempool_drain_until(pool,
			&(struct timespec) { .tv_sec = 1 }), -ETIMEDOUT);
	backend_release(&b);
	ck_assert_int_eq(mempool_drain_until(pool, NULL), 0);
	ck_assert_uint_eq(backend_live(&b), 0);
	freer_join(&freer);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(drain_does_not_wait_for_what_foreign_elements_replaced)
{
	struct timespec past = deadline_past();

	backend_init(&b, ELEMENT_SIZE);
	pool = pool_over(&b, 1, 0);
	mempool_free(backend_alloc(GFP_KERNEL, &b), pool);
	ck_assert_int_eq(mempool_drain_until(pool, &past), 0);
	ck_assert(pool_end(pool, &b));
}
END_TEST

static void *drain(void *arg)
{
	pthread_cleanup_push(cancel_cleanup, NULL);
	mempool_drain_until(arg, NULL);
	pthread_cleanup_pop(0);
	return NULL;
}

START_TEST(drain_can_be_cancelled)
{
	pthread_t thread;
	void *result;

	empty_pool(1, HOUR_MS);
	pthread_create(&thread, NULL, drain, pool);
	pthread_cancel(thread);
	pthread_join(thread, &result);
	ck_assert_ptr_eq(result, PTHREAD_CANCELED);
	end_pool();
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("wait");
	TCase *tc = tcase_create("order");

	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_test(tc, freed_element_goes_to_the_first_sleeper);
	tcase_add_test(tc, free_bulk_serves_sleepers_in_order);
	tcase_add_test(tc, a_foreign_element_serves_a_sleeper);
	tcase_add_test(tc, a_sleeper_of_a_fixed_pool_is_served_by_a_free);
	tcase_add_test(tc, min_nr_0_hands_a_freed_element_to_the_sleeper);
	tcase_add_test(tc,
		min_nr_0_finds_what_went_to_the_backend_as_it_fell_asleep);
	suite_add_tcase(s, tc);

	tc = tcase_create("deadline");
	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_test(tc, a_deadline_is_waited_for);
	tcase_add_test(tc, an_element_freed_after_a_time_out_is_not_lost);
	tcase_add_test(tc, the_sleepers_behind_a_time_out_keep_their_order);
	tcase_add_test(tc, the_latest_deadline_of_all_is_no_past_one);
	tcase_add_test(tc, late_grant_beats_deadline);
	tcase_add_test(tc, newcomers_cannot_take_what_a_sleeper_was_given);
	tcase_add_test(tc, a_signal_does_not_end_a_sleep);
	suite_add_tcase(s, tc);

	tc = tcase_create("cancellation");
	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_test(tc, a_sleeper_can_be_cancelled_and_runs_its_cleanup);
	tcase_add_test(tc, a_cancelled_sleeper_takes_nothing_with_it);
	tcase_add_test(tc, a_sleeper_in_the_middle_can_be_cancelled);
	tcase_add_test(tc,
	 cancelling_the_one_who_was_to_retry_leaves_the_retry_to_the_next);
	tcase_add_test(tc, what_a_cancelled_retry_brought_goes_to_the_next);
	tcase_add_test(tc, only_sleeping_is_a_cancellation_point);
	tcase_add_test(tc, a_retry_runs_with_cancellation_disabled);
	tcase_add_test(tc, the_first_try_runs_with_the_callers_cancel_state);
	tcase_add_test(tc, a_sleep_gives_the_cancel_state_back);
	tcase_add_test(tc,
		a_first_try_cancelled_in_the_backend_leaves_the_pool_whole);
	tcase_add_loop_test(tc,
		a_free_cancelled_in_free_fn_counts_all_the_same, 0, 2);
	tcase_add_test(tc,
	    a_free_cancelled_in_free_fn_still_kicks_who_fell_asleep_meanwhile);
	suite_add_tcase(s, tc);

	tc = tcase_create("shutdown and destroy");
	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_test(tc, shutdown_ends_every_sleep);
	tcase_add_test(tc, shutdown_ends_a_sleep_that_is_inside_the_backend);
	tcase_add_test_raise_signal(tc,
		destroying_a_pool_with_a_sleeper_aborts, SIGABRT);
	tcase_add_test_raise_signal(tc,
		exiting_a_pool_with_a_sleeper_aborts, SIGABRT);
	suite_add_tcase(s, tc);

	tc = tcase_create("retry");
	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_test(tc, a_kick_makes_the_sleeper_retry);
	tcase_add_test(tc,
		after_a_kick_all_are_served_in_order_while_the_backend_gives);
	tcase_add_test(tc, the_first_sleeper_is_the_first_to_retry);
	tcase_add_test(tc, one_sleeper_retries_at_a_time);
	tcase_add_test(tc, a_kick_during_a_retry_is_not_lost);
	tcase_add_test(tc, a_kick_before_the_sleep_is_not_lost);
	tcase_add_test(tc, a_kick_outlives_the_one_who_was_to_follow_it);
	tcase_add_test(tc, a_kick_with_nobody_waiting_does_nothing);
	tcase_add_loop_test(tc, another_callers_success_makes_sleepers_retry,
			    0, 2);
	tcase_add_test(tc, a_recovered_backend_is_noticed_after_retry_ms);
	tcase_add_test(tc, retries_go_on_for_as_long_as_the_backend_fails);
	tcase_add_test(tc,
		retries_outlive_the_departure_of_whoever_was_to_make_them);
	tcase_add_loop_test(tc,
		retries_outlive_the_departure_of_the_newest_request, 0, 2);
	tcase_add_test(tc, a_sleeper_leaves_the_backend_alone_for_retry_ms);
	tcase_add_test(tc, a_deadline_comes_between_two_retries);
	tcase_add_test(tc, a_request_inside_the_backend_is_passed_over);
	tcase_add_test(tc, a_request_that_was_passed_over_keeps_its_place);
	tcase_add_test(tc,
		a_free_with_the_only_request_inside_the_backend_is_not_lost);
	tcase_add_test(tc, with_min_nr_0_a_free_during_a_retry_is_not_lost);
	tcase_add_test(tc, one_that_was_passed_over_lets_another_retry);
	tcase_add_test(tc,
		a_retry_stuck_in_the_backend_does_not_stop_the_others);
	tcase_add_test(tc, what_a_retry_brings_after_the_deadline_is_kept);
	tcase_add_test(tc, a_sleep_uses_next_to_no_processor_time);
	suite_add_tcase(s, tc);

	tc = tcase_create("drain");
	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_test(tc, drain_of_a_quiet_pool_succeeds_at_once);
	tcase_add_test(tc, drain_waits_until_its_deadline);
	tcase_add_test(tc, drain_waits_for_the_last_element);
	tcase_add_test(tc,
		drain_does_not_wait_for_what_foreign_elements_replaced);
	tcase_add_test(tc, drain_can_be_cancelled);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
