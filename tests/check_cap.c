/* SPDX-License-Identifier: MIT */
/*
 * check_cap.c - pools with max_nr or max_waiters
 *
 * Covers that no more than max_nr elements are outside whatever they came
 * from, that shares are claimed whole and served in order, how each call ends
 * at the cap, and that callbacks cannot be cancelled there; and that no more
 * than max_waiters requests wait.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include <check.h>

#include "suite.h"
#include "testlib.h"

#define ELEMENT_SIZE	64
#define MAX_NR		3

static struct backend b;
static mempool_t *pool;
static void *elements[MAX_NR];

/* A backend that gives; retries once an hour. */
static void make_pool(int min_nr, unsigned int max_nr,
		      unsigned int max_waiters)
{
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;

	backend_init(&b, ELEMENT_SIZE);
	attr.element_size = ELEMENT_SIZE;
	attr.retry_ms = HOUR_MS;
	attr.max_nr = max_nr;
	attr.max_waiters = max_waiters;
	pool = mempool_create_attr(min_nr, backend_alloc, backend_free, &b,
				   &attr);
	ck_assert_ptr_nonnull(pool);
}

static void take(int from, int to)
{
	int i;

	for (i = from; i < to; i++) {
		elements[i] = mempool_alloc(pool, GFP_NOWAIT);
		ck_assert_ptr_nonnull(elements[i]);
	}
}

static void give(int i)
{
	mempool_free(elements[i], pool);
	elements[i] = NULL;
}

static void end_pool(void)
{
	int i;

	for (i = 0; i < MAX_NR; i++)
		give(i);
	ck_assert_int_eq(stats_of(pool).outstanding, 0);
	ck_assert(pool_end(pool, &b));
}

static void queue(struct sleeper *s, unsigned int count, unsigned int position)
{
	sleeper_start(s, pool, count);
	ck_assert(wait_for_waiters(pool, position));
}

/* ---- max_nr -------------------------------------------------------------- */

START_TEST(a_max_nr_below_min_nr_is_refused)
{
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;
	mempool_t storage;

	backend_init(&b, ELEMENT_SIZE);
	attr.max_nr = 1;
	errno = 0;
	ck_assert_ptr_null(mempool_create_attr(2, backend_alloc, backend_free,
					       &b, &attr));
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(mempool_init_attr(&storage, 2, backend_alloc,
					   backend_free, &b, &attr), -EINVAL);
	ck_assert(!mempool_initialized(&storage));
	ck_assert_uint_eq(backend_calls(&b), 0);
}
END_TEST

START_TEST(a_resize_above_max_nr_is_refused)
{
	make_pool(1, MAX_NR, 0);
	ck_assert_int_eq(mempool_resize(pool, MAX_NR + 1), -EINVAL);
	ck_assert_uint_eq(stats_of(pool).min_nr, 1);
	ck_assert_int_eq(mempool_resize(pool, MAX_NR), 0);
	end_pool();
}
END_TEST

START_TEST(at_max_nr_nobody_who_may_not_sleep_gets_more)
{
	unsigned int calls;
	void *more[1];

	make_pool(1, MAX_NR, 0);
	take(0, MAX_NR);
	calls = backend_calls(&b);
	errno = 0;
	ck_assert_ptr_null(mempool_alloc(pool, GFP_NOWAIT));
	ck_assert_int_eq(errno, EAGAIN);
	errno = 0;
	ck_assert_ptr_null(mempool_alloc_preallocated(pool));
	ck_assert_int_eq(errno, EAGAIN);
	errno = 0;
	ck_assert_ptr_null(mempool_alloc_noreserve(pool, GFP_NOWAIT));
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_int_eq(mempool_alloc_bulk_until(pool, more, 1, GFP_NOWAIT,
						  NULL), -EAGAIN);
	/* The reserve is full and the backend gives: it is the cap alone. */
	ck_assert_uint_eq(backend_calls(&b), calls);
	ck_assert_uint_eq(stats_of(pool).curr_nr, 1);
	end_pool();
}
END_TEST

START_TEST(reserve_and_backend_count_together)
{
	make_pool(2, MAX_NR, 0);
	backend_give(&b, 1);
	take(0, MAX_NR);
	ck_assert_uint_eq(stats_of(pool).alloc_backend, 1);
	ck_assert_uint_eq(stats_of(pool).alloc_reserve, 2);
	backend_give(&b, GIVE_ALWAYS);
	ck_assert_ptr_null(mempool_alloc(pool, GFP_NOWAIT));
	end_pool();
}
END_TEST

START_TEST(a_free_at_max_nr_serves_the_first_sleeper)
{
	struct sleeper s[2];

	make_pool(1, MAX_NR, 0);
	take(0, MAX_NR);
	queue(&s[0], 0, 1);
	queue(&s[1], 0, 2);
	give(0);
	ck_assert_int_eq(sleeper_join(&s[0]), 0);
	ck_assert(!sleeper_done(&s[1]));
	give(1);
	ck_assert_int_eq(sleeper_join(&s[1]), 0);
	sleeper_free(&s[0]);
	sleeper_free(&s[1]);
	end_pool();
}
END_TEST

START_TEST(a_share_is_kept_for_the_first_from_newcomers)
{
	struct sleeper s;

	make_pool(2, MAX_NR, 0);
	take(0, MAX_NR);
	queue(&s, 2, 1);
	pause_ms(2);		/* beyond the overtaking bound */
	give(0);
	/* One share is free, one is not enough for the first. */
	errno = 0;
	ck_assert_ptr_null(mempool_alloc(pool, GFP_NOWAIT));
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert(!sleeper_done(&s));
	give(1);
	ck_assert_int_eq(sleeper_join(&s), 0);
	sleeper_free(&s);
	end_pool();
}
END_TEST

START_TEST(a_bulk_that_must_wait_gives_back_share_and_elements)
{
	struct sleeper s;

	/* The backend gives one of the three it asks for, the reserve none. */
	make_pool(3, 5, 0);
	backend_give(&b, 0);
	take(0, 2);
	backend_give(&b, 1);
	queue(&s, 3, 1);
	/* What it had is in the reserve, where it collects. */
	ck_assert_uint_eq(stats_of(pool).outstanding, 2);
	ck_assert_uint_eq(stats_of(pool).curr_nr, 2);
	give(0);
	ck_assert_int_eq(sleeper_join(&s), 0);
	sleeper_free(&s);
	end_pool();
}
END_TEST

START_TEST(two_bulks_at_max_nr_cannot_interlock)
{
	struct sleeper s[2];

	make_pool(2, MAX_NR, 0);
	take(0, MAX_NR);
	queue(&s[0], 2, 1);
	queue(&s[1], 2, 2);
	give(0);
	give(1);
	ck_assert_int_eq(sleeper_join(&s[0]), 0);
	ck_assert(!sleeper_done(&s[1]));
	sleeper_free(&s[0]);
	ck_assert_int_eq(sleeper_join(&s[1]), 0);
	sleeper_free(&s[1]);
	end_pool();
}
END_TEST

START_TEST(a_share_given_back_serves_who_waits_for_it)
{
	struct sleeper bulk, single;

	/* While the bulk asks the backend, both shares are its. */
	make_pool(2, 2, 0);
	backend_give(&b, 0);
	backend_hold_allocs(&b, 1);
	sleeper_start(&bulk, pool, 2);
	ck_assert(backend_wait_held(&b, 1));
	queue(&single, 0, 1);
	pause_ms(1);			/* nobody may pass it any more */
	backend_release(&b);
	ck_assert_int_eq(sleeper_join(&single), 0);
	sleeper_free(&single);
	ck_assert_int_eq(sleeper_join(&bulk), 0);
	sleeper_free(&bulk);
	end_pool();
}
END_TEST

START_TEST(a_failed_try_gives_its_share_back)
{
	int i;

	make_pool(0, 1, 0);
	backend_give(&b, 0);
	for (i = 0; i < 3; i++) {
		ck_assert_ptr_null(mempool_alloc(pool, GFP_NOWAIT));
		ck_assert_ptr_null(mempool_alloc_noreserve(pool, GFP_NOWAIT));
		ck_assert_int_eq(errno, ENOMEM);
	}
	backend_give(&b, 1);
	take(0, 1);
	end_pool();
}
END_TEST

START_TEST(a_timed_out_request_gives_back_what_it_claimed)
{
	struct timespec past = deadline_past();

	make_pool(0, 1, 0);
	backend_give(&b, 0);
	ck_assert_ptr_null(mempool_alloc_until(pool, GFP_KERNEL, &past));
	ck_assert_int_eq(errno, ETIMEDOUT);
	backend_give(&b, 1);
	take(0, 1);
	end_pool();
}
END_TEST

START_TEST(a_cancelled_sleeper_at_max_nr_takes_no_share_with_it)
{
	struct sleeper s;

	make_pool(1, 1, 0);
	take(0, 1);
	queue(&s, 0, 1);
	ck_assert(sleeper_cancel(&s));
	give(0);
	take(0, 1);
	end_pool();
}
END_TEST

START_TEST(callbacks_of_a_capped_pool_cannot_be_cancelled)
{
	make_pool(0, MAX_NR, 0);
	take(0, 1);
	ck_assert_int_eq(backend_cancel_state(&b, 0), PTHREAD_CANCEL_DISABLE);
	give(0);
	ck_assert_int_eq(backend_free_cancel_state(&b),
			 PTHREAD_CANCEL_DISABLE);
	end_pool();
}
END_TEST

START_TEST(what_goes_to_the_backend_at_max_nr_is_found_without_a_retry)
{
	struct freer f;
	struct sleeper s;

	make_pool(1, MAX_NR, 0);
	take(0, 1);
	backend_give(&b, 0);
	/* The element is on its way back when the request falls asleep. */
	backend_hold_frees(&b, 1);
	freer_start(&f, pool, elements[0]);
	elements[0] = NULL;
	ck_assert(backend_wait_held(&b, 1));
	elements[1] = mempool_alloc_preallocated(pool);
	ck_assert_ptr_nonnull(elements[1]);
	queue(&s, 0, 1);
	backend_give(&b, 1);
	backend_release(&b);
	freer_join(&f);
	ck_assert_int_eq(sleeper_join(&s), 0);
	sleeper_free(&s);
	end_pool();
}
END_TEST

START_TEST(free_bulk_gives_shares_back_too)
{
	make_pool(2, 2, 0);
	backend_give(&b, 0);
	take(0, 2);
	ck_assert_uint_eq(mempool_free_bulk(pool, elements, 2), 2);
	take(0, 2);
	end_pool();
}
END_TEST

START_TEST(the_tries_of_a_capped_pool_have_the_masks_of_any_other)
{
	make_pool(1, 4, 0);
	elements[0] = mempool_alloc_preallocated(pool);
	backend_fail_first(&b, 1);
	elements[1] = mempool_alloc(pool, GFP_NOIO);
	ck_assert_ptr_nonnull(elements[1]);
	ck_assert_uint_eq(backend_calls(&b), 3);
	ck_assert_uint_eq(backend_mask(&b, 1), FIRST_TRY(GFP_NOIO));
	ck_assert_uint_eq(backend_mask(&b, 2), SECOND_TRY(GFP_NOIO));
	give(0);
	give(1);
	end_pool();
}
END_TEST

START_TEST(a_fixed_pool_can_be_capped)
{
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;

	backend_init(&b, ELEMENT_SIZE);
	attr.flags = MEMPOOL_FIXED;
	attr.max_nr = MAX_NR;
	pool = mempool_create_attr(2, backend_alloc, backend_free, &b, &attr);
	ck_assert_ptr_nonnull(pool);
	take(0, 2);
	ck_assert_uint_eq(backend_calls(&b), 2);
	ck_assert_ptr_null(mempool_alloc(pool, GFP_NOWAIT));
	ck_assert_int_eq(errno, EAGAIN);
	end_pool();
}
END_TEST

START_TEST(a_capped_pool_zeroes_like_any_other)
{
	unsigned char *element;
	int i, dirty = 0;

	make_pool(1, 1, 0);
	element = mempool_alloc(pool, GFP_NOWAIT | __GFP_ZERO);
	ck_assert_ptr_nonnull(element);
	for (i = 0; i < ELEMENT_SIZE; i++)
		dirty += element[i] != 0;
	ck_assert_int_eq(dirty, 0);
	elements[0] = element;
	end_pool();
}
END_TEST

START_TEST(noreserve_takes_a_share)
{
	make_pool(0, 1, 0);
	elements[0] = mempool_alloc_noreserve(pool, GFP_NOWAIT);
	ck_assert_ptr_nonnull(elements[0]);
	errno = 0;
	ck_assert_ptr_null(mempool_alloc_noreserve(pool, GFP_NOWAIT));
	ck_assert_int_eq(errno, EAGAIN);
	give(0);
	take(0, 1);
	end_pool();
}
END_TEST

START_TEST(after_shutdown_a_request_that_had_to_wait_at_max_nr_ends)
{
	make_pool(1, 1, 0);
	take(0, 1);
	mempool_shutdown(pool);
	errno = 0;
	ck_assert_ptr_null(mempool_alloc(pool, GFP_KERNEL));
	ck_assert_int_eq(errno, ECANCELED);
	end_pool();
}
END_TEST

/* The share serves the sleeper from the reserve, which then wants no more. */
START_TEST(a_freed_element_may_go_to_the_backend_though_its_share_serves)
{
	struct sleeper s;

	make_pool(1, MAX_NR, 0);
	take(0, MAX_NR);
	queue(&s, 0, 1);
	ck_assert_int_eq(mempool_resize(pool, 0), 0);
	ck_assert_uint_eq(stats_of(pool).curr_nr, 1);
	give(0);
	ck_assert_int_eq(sleeper_join(&s), 0);
	ck_assert_uint_eq(stats_of(pool).free_backend, 1);
	ck_assert_uint_eq(backend_frees(&b), 1);
	sleeper_free(&s);
	end_pool();
}
END_TEST

START_TEST(a_failed_bulk_gives_back_its_share_and_no_more)
{
	void *bulk[2];

	make_pool(2, 4, 0);
	backend_give(&b, 0);
	take(0, 2);
	/* One comes from the backend, none from the reserve. */
	backend_give(&b, 1);
	ck_assert_int_eq(mempool_alloc_bulk_until(pool, bulk, 2, GFP_NOWAIT,
						  NULL), -EAGAIN);
	backend_give(&b, GIVE_ALWAYS);
	ck_assert_int_eq(mempool_alloc_bulk_until(pool, bulk, 2, GFP_NOWAIT,
						  NULL), 0);
	ck_assert_ptr_null(mempool_alloc(pool, GFP_NOWAIT));
	mempool_free(bulk[0], pool);
	mempool_free(bulk[1], pool);
	end_pool();
}
END_TEST

START_TEST(a_kick_that_finds_no_share_does_not_use_up_the_next)
{
	struct sleeper claims, first;

	make_pool(0, 1, 0);
	backend_give(&b, 0);
	backend_hold_allocs(&b, 1);
	sleeper_start(&claims, pool, 0);
	ck_assert(backend_wait_held(&b, 1));
	queue(&first, 0, 1);
	mempool_kick(pool);
	backend_release(&b);
	ck_assert(wait_for_waiters(pool, 2));
	backend_give(&b, 1);
	mempool_kick(pool);
	ck_assert_int_eq(sleeper_join(&first), 0);
	sleeper_free(&first);
	ck_assert_int_eq(sleeper_join(&claims), 0);
	sleeper_free(&claims);
	end_pool();
}
END_TEST

START_TEST(who_comes_to_a_queue_at_max_nr_sets_off_one_try)
{
	struct sleeper s[2];

	make_pool(0, MAX_NR, 0);
	backend_give(&b, 0);
	mempool_kick(pool);
	queue(&s[0], 0, 1);
	pause_ms(2);		/* beyond the overtaking bound */
	queue(&s[1], 0, 2);
	pause_ms(20);
	mempool_shutdown(pool);
	ck_assert_int_eq(sleeper_join(&s[0]), ECANCELED);
	ck_assert_int_eq(sleeper_join(&s[1]), ECANCELED);
	/* Two of the first's own, and one because the second made none. */
	ck_assert_uint_eq(backend_calls(&b), 3);
	end_pool();
}
END_TEST

START_TEST(who_may_not_sleep_asks_the_backend_once)
{
	make_pool(0, MAX_NR, 0);
	backend_give(&b, 0);
	ck_assert_ptr_null(mempool_alloc(pool, GFP_NOWAIT));
	ck_assert_uint_eq(backend_calls(&b), 1);
	ck_assert_uint_eq(stats_of(pool).nowait_failures, 1);
	end_pool();
}
END_TEST

static int cancel_state(void)
{
	int state;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	pthread_setcancelstate(state, NULL);
	return state;
}

START_TEST(calls_of_a_capped_pool_give_the_cancel_state_back)
{
	make_pool(0, MAX_NR, 0);
	take(0, 1);
	ck_assert_int_eq(cancel_state(), PTHREAD_CANCEL_ENABLE);
	elements[1] = mempool_alloc_noreserve(pool, GFP_NOWAIT);
	ck_assert_int_eq(cancel_state(), PTHREAD_CANCEL_ENABLE);
	give(0);
	ck_assert_int_eq(cancel_state(), PTHREAD_CANCEL_ENABLE);
	end_pool();
}
END_TEST

/* Leaves a bulk request for 2 in the free_fn of a pool of 0, where it gives
 * back the one element that it got. */
static void hold_a_bulk_that_gives_back(struct sleeper *s)
{
	make_pool(2, 2, 0);
	backend_give(&b, 1);
	backend_hold_allocs(&b, 1);
	sleeper_start(s, pool, 2);
	ck_assert(backend_wait_held(&b, 1));
	ck_assert_int_eq(mempool_resize(pool, 0), 0);
	backend_hold_frees(&b, 1);
	backend_release(&b);
	/* 2 filled the reserve, 1 gave, 2 fail. */
	ck_assert(backend_wait_calls(&b, 5));
	ck_assert(backend_wait_held(&b, 1));
}

START_TEST(a_bulk_at_max_nr_takes_what_came_while_it_gave_back)
{
	struct sleeper s;

	hold_a_bulk_that_gives_back(&s);
	backend_give(&b, 2);
	ck_assert_int_eq(mempool_resize(pool, 2), 0);
	ck_assert_uint_eq(stats_of(pool).curr_nr, 2);
	backend_release(&b);
	ck_assert_int_eq(sleeper_join(&s), 0);
	ck_assert_uint_eq(stats_of(pool).waits, 0);
	backend_give(&b, GIVE_ALWAYS);
	ck_assert_ptr_null(mempool_alloc(pool, GFP_NOWAIT));
	sleeper_free(&s);
	end_pool();
}
END_TEST

START_TEST(a_bulk_at_max_nr_too_long_after_a_shrinking_is_refused)
{
	struct sleeper s;

	hold_a_bulk_that_gives_back(&s);
	backend_release(&b);
	ck_assert_int_eq(sleeper_join(&s), EINVAL);
	end_pool();
}
END_TEST

/* ---- max_waiters --------------------------------------------------------- */

START_TEST(one_waiter_too_many_is_refused_at_once)
{
	struct sleeper s;
	void *bulk[1];

	make_pool(1, 0, 1);
	backend_give(&b, 0);
	take(0, 1);
	queue(&s, 0, 1);
	errno = 0;
	ck_assert_ptr_null(mempool_alloc(pool, GFP_KERNEL));
	ck_assert_int_eq(errno, EBUSY);
	errno = 0;
	ck_assert_ptr_null(mempool_alloc_until(pool, GFP_KERNEL, NULL));
	ck_assert_int_eq(errno, EBUSY);
	ck_assert_int_eq(mempool_alloc_bulk(pool, bulk, 1), -EBUSY);
	ck_assert_int_eq(mempool_alloc_bulk_until(pool, bulk, 1, GFP_KERNEL,
						  NULL), -EBUSY);
	ck_assert_uint_eq(stats_of(pool).waits, 1);
	give(0);
	ck_assert_int_eq(sleeper_join(&s), 0);
	sleeper_free(&s);
	end_pool();
}
END_TEST

START_TEST(a_waiter_too_many_still_makes_all_tries_before_the_sleep)
{
	struct sleeper s;

	make_pool(1, 0, 1);
	backend_give(&b, 0);
	take(0, 1);
	queue(&s, 0, 1);
	backend_fail_first(&b, 1);
	backend_give(&b, 1);
	elements[1] = mempool_alloc(pool, GFP_KERNEL);
	ck_assert_ptr_nonnull(elements[1]);
	give(0);
	ck_assert_int_eq(sleeper_join(&s), 0);
	sleeper_free(&s);
	end_pool();
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("cap");
	TCase *tc = tcase_create("max_nr");

	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_test(tc, a_max_nr_below_min_nr_is_refused);
	tcase_add_test(tc, a_resize_above_max_nr_is_refused);
	tcase_add_test(tc, at_max_nr_nobody_who_may_not_sleep_gets_more);
	tcase_add_test(tc, reserve_and_backend_count_together);
	tcase_add_test(tc, a_free_at_max_nr_serves_the_first_sleeper);
	tcase_add_test(tc, a_share_is_kept_for_the_first_from_newcomers);
	tcase_add_test(tc,
		a_bulk_that_must_wait_gives_back_share_and_elements);
	tcase_add_test(tc, two_bulks_at_max_nr_cannot_interlock);
	tcase_add_test(tc, a_share_given_back_serves_who_waits_for_it);
	tcase_add_test(tc, a_failed_try_gives_its_share_back);
	tcase_add_test(tc, a_timed_out_request_gives_back_what_it_claimed);
	tcase_add_test(tc,
		a_cancelled_sleeper_at_max_nr_takes_no_share_with_it);
	tcase_add_test(tc, callbacks_of_a_capped_pool_cannot_be_cancelled);
	tcase_add_test(tc,
		what_goes_to_the_backend_at_max_nr_is_found_without_a_retry);
	tcase_add_test(tc, free_bulk_gives_shares_back_too);
	tcase_add_test(tc,
		the_tries_of_a_capped_pool_have_the_masks_of_any_other);
	tcase_add_test(tc, a_fixed_pool_can_be_capped);
	tcase_add_test(tc, a_capped_pool_zeroes_like_any_other);
	tcase_add_test(tc, noreserve_takes_a_share);
	tcase_add_test(tc, a_failed_bulk_gives_back_its_share_and_no_more);
	tcase_add_test(tc,
		a_kick_that_finds_no_share_does_not_use_up_the_next);
	tcase_add_test(tc, who_comes_to_a_queue_at_max_nr_sets_off_one_try);
	tcase_add_test(tc, who_may_not_sleep_asks_the_backend_once);
	tcase_add_test(tc,
		calls_of_a_capped_pool_give_the_cancel_state_back);
	tcase_add_test(tc,
		after_shutdown_a_request_that_had_to_wait_at_max_nr_ends);
	tcase_add_test(tc,
		a_freed_element_may_go_to_the_backend_though_its_share_serves);
	tcase_add_test(tc,
		a_bulk_at_max_nr_takes_what_came_while_it_gave_back);
	tcase_add_test(tc,
		a_bulk_at_max_nr_too_long_after_a_shrinking_is_refused);
	suite_add_tcase(s, tc);

	tc = tcase_create("max_waiters");
	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_test(tc, one_waiter_too_many_is_refused_at_once);
	tcase_add_test(tc,
		a_waiter_too_many_still_makes_all_tries_before_the_sleep);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
