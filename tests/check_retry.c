/* SPDX-License-Identifier: MIT */
/*
 * check_retry.c - who tries the backend again while requests wait
 *
 * Covers what check_wait.c cannot see by one retry alone: the watch and the
 * duty change hands when their holder leaves or hangs, and what a retry brings
 * finds its way also when nobody wants it any more.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <errno.h>
#include <stdlib.h>

#include <check.h>

#include "testlib.h"

#define ELEMENT_SIZE	64

static struct backend b;
static mempool_t *pool;

/* A backend that gives nothing from now on. */
static void make_pool(int min_nr, unsigned int retry_ms)
{
	backend_init(&b, ELEMENT_SIZE);
	pool = pool_retrying(&b, min_nr, retry_ms);
	ck_assert_ptr_nonnull(pool);
	backend_give(&b, 0);
}

static void end_pool(void)
{
	ck_assert_int_eq(stats_of(pool).outstanding, 0);
	ck_assert(pool_end(pool, &b));
}

static void queue(struct sleeper *s, unsigned int position)
{
	sleeper_start(s, pool, 0);
	ck_assert(wait_for_waiters(pool, position));
}

/* The newest request is the one that looks at the clock for all. */
START_TEST(when_the_newest_request_times_out_the_others_still_retry)
{
	struct sleeper first, newest;

	make_pool(0, 1000);
	queue(&first, 1);
	sleeper_start_until(&newest, pool, 0, GFP_KERNEL, deadline_in_ms(50));
	ck_assert_int_eq(sleeper_join(&newest), ETIMEDOUT);
	backend_give(&b, GIVE_ALWAYS);
	ck_assert_int_eq(sleeper_join(&first), 0);
	sleeper_free(&first);
	end_pool();
}
END_TEST

START_TEST(when_the_newest_request_is_cancelled_the_others_still_retry)
{
	struct sleeper first, newest;

	make_pool(0, 1000);
	queue(&first, 1);
	queue(&newest, 2);
	ck_assert(sleeper_cancel(&newest));
	backend_give(&b, GIVE_ALWAYS);
	ck_assert_int_eq(sleeper_join(&first), 0);
	sleeper_free(&first);
	end_pool();
}
END_TEST

START_TEST(one_who_comes_when_all_others_hang_retries)
{
	struct sleeper s[3];

	make_pool(0, 100);
	queue(&s[0], 1);
	queue(&s[1], 2);
	backend_hold_allocs(&b, 2);
	ck_assert(backend_wait_held(&b, 2));
	backend_give(&b, GIVE_ALWAYS);
	backend_fail_first(&b, 2);
	queue(&s[2], 3);
	ck_assert_int_eq(sleeper_join(&s[2]), 0);
	backend_release(&b);
	ck_assert_int_eq(sleeper_join(&s[0]), 0);
	ck_assert_int_eq(sleeper_join(&s[1]), 0);
	sleeper_free(&s[0]);
	sleeper_free(&s[1]);
	sleeper_free(&s[2]);
	end_pool();
}
END_TEST

START_TEST(when_the_newest_request_hangs_in_its_retry_the_others_still_retry)
{
	struct sleeper first, newest;
	unsigned int before;

	make_pool(0, 100);
	queue(&first, 1);
	queue(&newest, 2);
	/* The first hangs for longer than its turn, so the next is not its. */
	before = backend_calls(&b);
	backend_hold_allocs(&b, 1);
	ck_assert(backend_wait_held(&b, 1));
	ck_assert(backend_wait_calls(&b, before + 2));
	backend_release(&b);
	ck_assert(backend_wait_not_held(&b));
	/* Now the newest hangs. */
	backend_hold_allocs(&b, 1);
	ck_assert(backend_wait_held(&b, 1));
	backend_give(&b, GIVE_ALWAYS);
	ck_assert_int_eq(sleeper_join(&first), 0);
	ck_assert(!sleeper_done(&newest));
	backend_release(&b);
	ck_assert_int_eq(sleeper_join(&newest), 0);
	sleeper_free(&first);
	sleeper_free(&newest);
	end_pool();
}
END_TEST

START_TEST(one_whose_retry_hung_leaves_the_next_to_another)
{
	struct sleeper s[2];
	unsigned int before;

	make_pool(0, 200);
	queue(&s[0], 1);
	queue(&s[1], 2);
	before = backend_calls(&b);
	backend_hold_allocs(&b, 1);
	ck_assert(backend_wait_held(&b, 1));
	ck_assert(pthread_equal(backend_caller(&b, before), s[0].thread));
	/* The second takes over; then the first is back. */
	ck_assert(backend_wait_calls(&b, before + 2));
	ck_assert(pthread_equal(backend_caller(&b, before + 1), s[1].thread));
	backend_release(&b);
	ck_assert(backend_wait_not_held(&b));
	before = backend_calls(&b);
	ck_assert(backend_wait_calls(&b, before + 2));
	ck_assert(pthread_equal(backend_caller(&b, before + 1), s[1].thread));
	backend_give(&b, GIVE_ALWAYS);
	ck_assert_int_eq(sleeper_join(&s[0]), 0);
	ck_assert_int_eq(sleeper_join(&s[1]), 0);
	sleeper_free(&s[0]);
	sleeper_free(&s[1]);
	end_pool();
}
END_TEST

START_TEST(what_a_retry_brings_for_nobody_goes_back_to_the_backend)
{
	struct sleeper s;
	void *element;

	make_pool(0, HOUR_MS);
	backend_give(&b, 1);
	element = mempool_alloc(pool, GFP_NOWAIT);
	ck_assert_ptr_nonnull(element);
	queue(&s, 1);
	backend_give(&b, 1);
	backend_hold_allocs(&b, 1);
	mempool_kick(pool);
	ck_assert(backend_wait_held(&b, 1));
	mempool_free(element, pool);
	backend_release(&b);
	ck_assert_int_eq(sleeper_join(&s), 0);
	ck_assert_uint_eq(backend_live(&b), 1);
	sleeper_free(&s);
	end_pool();
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("retry");
	TCase *tc = tcase_create("watch and duty");

	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_test(tc,
		when_the_newest_request_times_out_the_others_still_retry);
	tcase_add_test(tc,
		when_the_newest_request_is_cancelled_the_others_still_retry);
	tcase_add_test(tc,
		when_the_newest_request_hangs_in_its_retry_the_others_still_retry);
	tcase_add_test(tc, one_who_comes_when_all_others_hang_retries);
	tcase_add_test(tc, one_whose_retry_hung_leaves_the_next_to_another);
	tcase_add_test(tc,
		what_a_retry_brings_for_nobody_goes_back_to_the_backend);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	SRunner *runner = srunner_create(suite());
	int nr_failed;

	srunner_run_all(runner, CK_ENV);
	nr_failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return nr_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
