/* SPDX-License-Identifier: MIT */
/*
 * check_resize.c - changing min_nr at run time, and refilling
 *
 * What resize does to a bulk request that waits is in check_bulk.c.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <check.h>

#include "suite.h"
#include "testlib.h"

#define ELEMENT_SIZE	64

static struct backend b;
static mempool_t *pool;

static void make_pool(int min_nr, unsigned int flags)
{
	backend_init(&b, ELEMENT_SIZE);
	pool = pool_over(&b, min_nr, flags);
	ck_assert_ptr_nonnull(pool);
}

static void assert_levels(unsigned int min_nr, unsigned int curr_nr)
{
	struct mempool_stats stats = stats_of(pool);

	ck_assert_uint_eq(stats.min_nr, min_nr);
	ck_assert_uint_eq(stats.curr_nr, curr_nr);
}

START_TEST(growing_fills_the_reserve)
{
	make_pool(2, 0);
	ck_assert_int_eq(mempool_resize(pool, 5), 0);
	assert_levels(5, 5);
	ck_assert_uint_eq(backend_calls(&b), 5);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(growing_from_0_fills_the_reserve)
{
	make_pool(0, 0);
	ck_assert_int_eq(mempool_resize(pool, 3), 0);
	assert_levels(3, 3);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(growing_fills_a_fixed_pool_too)
{
	make_pool(1, MEMPOOL_FIXED);
	ck_assert_int_eq(mempool_resize(pool, 3), 0);
	assert_levels(3, 3);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(shrinking_frees_the_surplus_before_it_returns)
{
	make_pool(5, 0);
	ck_assert_int_eq(mempool_resize(pool, 2), 0);
	assert_levels(2, 2);
	ck_assert_uint_eq(backend_frees(&b), 3);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(shrinking_to_0_frees_all)
{
	make_pool(3, 0);
	ck_assert_int_eq(mempool_resize(pool, 0), 0);
	assert_levels(0, 0);
	ck_assert_uint_eq(backend_live(&b), 0);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(resizing_to_the_same_size_changes_nothing)
{
	make_pool(3, 0);
	ck_assert_int_eq(mempool_resize(pool, 3), 0);
	assert_levels(3, 3);
	ck_assert_uint_eq(backend_calls(&b), 3);
	ck_assert_uint_eq(backend_frees(&b), 0);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(shrinking_below_what_is_out_frees_it_as_it_comes_back)
{
	void *out[4];
	int i;

	make_pool(4, MEMPOOL_FIXED);
	for (i = 0; i < 4; i++)
		out[i] = mempool_alloc_preallocated(pool);
	ck_assert_int_eq(mempool_resize(pool, 1), 0);
	assert_levels(1, 0);
	mempool_free(out[0], pool);
	assert_levels(1, 1);
	for (i = 1; i < 4; i++)
		mempool_free(out[i], pool);
	assert_levels(1, 1);
	ck_assert_uint_eq(backend_frees(&b), 3);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(growing_counts_what_is_out_as_missing)
{
	void *out;

	make_pool(2, 0);
	out = mempool_alloc_preallocated(pool);
	ck_assert_int_eq(mempool_resize(pool, 3), 0);
	assert_levels(3, 3);
	mempool_free(out, pool);
	ck_assert_uint_eq(backend_frees(&b), 1);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(a_growth_that_is_not_filled_stands)
{
	make_pool(2, 0);
	backend_give(&b, 1);
	ck_assert_int_eq(mempool_resize(pool, 5), 0);
	assert_levels(5, 3);
	ck_assert(!mempool_is_saturated(pool));
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(later_frees_fill_a_growth)
{
	void *element;

	make_pool(1, 0);
	element = mempool_alloc(pool, GFP_KERNEL);
	backend_give(&b, 0);
	ck_assert_int_eq(mempool_resize(pool, 2), 0);
	mempool_free(element, pool);
	assert_levels(2, 2);
	ck_assert_uint_eq(backend_frees(&b), 0);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(a_pool_can_be_resized_up_and_down_many_times)
{
	unsigned int min_nr;
	int round;

	make_pool(1, 0);
	for (round = 0; round < 200; round++) {
		min_nr = (unsigned int)(round * 7 % 50);
		ck_assert_int_eq(mempool_resize(pool, (int)min_nr), 0);
		assert_levels(min_nr, min_nr);
		ck_assert_uint_eq(backend_live(&b), min_nr);
	}
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(resize_refuses_a_negative_min_nr)
{
	make_pool(2, 0);
	ck_assert_int_eq(mempool_resize(pool, -1), -EINVAL);
	ck_assert_int_eq(mempool_resize(pool, INT_MIN), -EINVAL);
	assert_levels(2, 2);
	ck_assert(pool_end(pool, &b));
}
END_TEST

#if !defined(TESTLIB_ASAN) && !defined(TESTLIB_TSAN)
START_TEST(resize_without_memory_for_the_pointers_changes_nothing)
{
	struct rlimit old, small;

	/* The pointers alone are 8 or 16 GiB; a sanitizer's shadow memory is
	 * larger than any limit. */
	make_pool(2, 0);
	ck_assert_int_eq(getrlimit(RLIMIT_AS, &old), 0);
	small = old;
	small.rlim_cur = (rlim_t)2 << 30;
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &small), 0);
	ck_assert_int_eq(mempool_resize(pool, INT_MAX), -ENOMEM);
	setrlimit(RLIMIT_AS, &old);
	assert_levels(2, 2);
	ck_assert_uint_eq(backend_calls(&b), 2);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(create_without_memory_for_the_pointers_fails)
{
	struct rlimit old, small;
	mempool_t *none;
	int err;

	backend_init(&b, ELEMENT_SIZE);
	ck_assert_int_eq(getrlimit(RLIMIT_AS, &old), 0);
	small = old;
	small.rlim_cur = (rlim_t)2 << 30;
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &small), 0);
	errno = 0;
	none = mempool_create(INT_MAX, backend_alloc, backend_free, &b);
	err = errno;
	setrlimit(RLIMIT_AS, &old);
	ck_assert_ptr_null(none);
	ck_assert_int_eq(err, ENOMEM);
	ck_assert_uint_eq(backend_calls(&b), 0);
}
END_TEST
#endif

START_TEST(growing_serves_sleepers)
{
	struct sleeper s[2];
	void *out;

	make_pool(1, MEMPOOL_FIXED);
	out = mempool_alloc_preallocated(pool);
	sleeper_start(&s[0], pool, 0);
	ck_assert(wait_for_waiters(pool, 1));
	sleeper_start(&s[1], pool, 0);
	ck_assert(wait_for_waiters(pool, 2));
	ck_assert_int_eq(mempool_resize(pool, 2), 0);
	ck_assert_int_eq(sleeper_join(&s[0]), 0);
	ck_assert_int_eq(sleeper_join(&s[1]), 0);
	assert_levels(2, 2);
	sleeper_free(&s[0]);
	sleeper_free(&s[1]);
	mempool_free(out, pool);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(shrinking_with_sleepers_leaves_them_their_turn)
{
	struct sleeper s;
	void *out[2];

	make_pool(2, MEMPOOL_FIXED);
	out[0] = mempool_alloc_preallocated(pool);
	out[1] = mempool_alloc_preallocated(pool);
	sleeper_start(&s, pool, 0);
	ck_assert(wait_for_waiters(pool, 1));
	ck_assert_int_eq(mempool_resize(pool, 0), 0);
	mempool_free(out[0], pool);
	ck_assert_int_eq(sleeper_join(&s), 0);
	ck_assert_ptr_eq(s.elems[0], out[0]);
	sleeper_free(&s);
	mempool_free(out[1], pool);
	assert_levels(0, 0);
	ck_assert(pool_end(pool, &b));
}
END_TEST

/* ---- refill -------------------------------------------------------------- */

START_TEST(refill_fills_what_is_missing)
{
	void *out;

	make_pool(3, 0);
	out = mempool_alloc_preallocated(pool);
	ck_assert_int_eq(mempool_refill(pool), 0);
	assert_levels(3, 3);
	ck_assert_uint_eq(backend_calls(&b), 4);
	mempool_free(out, pool);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(refill_of_a_full_reserve_asks_for_nothing)
{
	make_pool(3, 0);
	ck_assert_int_eq(mempool_refill(pool), 0);
	ck_assert_uint_eq(backend_calls(&b), 3);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(refill_keeps_what_it_got_before_the_backend_failed)
{
	make_pool(1, 0);
	backend_give(&b, 0);
	ck_assert_int_eq(mempool_resize(pool, 4), 0);
	backend_give(&b, 2);
	ck_assert_int_eq(mempool_refill(pool), -ENOMEM);
	assert_levels(4, 3);
	backend_give(&b, GIVE_ALWAYS);
	ck_assert_int_eq(mempool_refill(pool), 0);
	assert_levels(4, 4);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(refill_serves_sleepers_of_a_fixed_pool_first)
{
	struct sleeper s;
	void *out;

	make_pool(1, MEMPOOL_FIXED);
	out = mempool_alloc_preallocated(pool);
	sleeper_start(&s, pool, 0);
	ck_assert(wait_for_waiters(pool, 1));
	ck_assert_int_eq(mempool_refill(pool), 0);
	ck_assert_int_eq(sleeper_join(&s), 0);
	assert_levels(1, 1);
	sleeper_free(&s);
	mempool_free(out, pool);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(fills_run_with_cancellation_disabled)
{
	make_pool(1, 0);
	ck_assert_int_eq(mempool_resize(pool, 2), 0);
	backend_free(mempool_alloc_preallocated(pool), &b);
	ck_assert_int_eq(mempool_refill(pool), 0);
	ck_assert_uint_eq(backend_calls(&b), 3);
	ck_assert_int_eq(backend_cancel_state(&b, 0), PTHREAD_CANCEL_DISABLE);
	ck_assert_int_eq(backend_cancel_state(&b, 1), PTHREAD_CANCEL_DISABLE);
	ck_assert_int_eq(backend_cancel_state(&b, 2), PTHREAD_CANCEL_DISABLE);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(what_empties_the_reserve_runs_with_cancellation_disabled)
{
	make_pool(2, 0);
	ck_assert_int_eq(mempool_resize(pool, 1), 0);
	ck_assert_uint_eq(backend_frees(&b), 1);
	ck_assert_int_eq(backend_free_cancel_state(&b), PTHREAD_CANCEL_DISABLE);
	/* One free with the caller's state, so that the next is seen. */
	mempool_free(backend_alloc(GFP_KERNEL, &b), pool);
	ck_assert_int_eq(backend_free_cancel_state(&b), PTHREAD_CANCEL_ENABLE);
	mempool_destroy(pool);
	ck_assert_uint_eq(backend_frees(&b), 3);
	ck_assert_int_eq(backend_free_cancel_state(&b), PTHREAD_CANCEL_DISABLE);
	ck_assert_uint_eq(backend_live(&b), 0);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("resize");
	TCase *tc = tcase_create("resize");

	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_test(tc, growing_fills_the_reserve);
	tcase_add_test(tc, growing_from_0_fills_the_reserve);
	tcase_add_test(tc, growing_fills_a_fixed_pool_too);
	tcase_add_test(tc, shrinking_frees_the_surplus_before_it_returns);
	tcase_add_test(tc, shrinking_to_0_frees_all);
	tcase_add_test(tc, resizing_to_the_same_size_changes_nothing);
	tcase_add_test(tc,
		shrinking_below_what_is_out_frees_it_as_it_comes_back);
	tcase_add_test(tc, growing_counts_what_is_out_as_missing);
	tcase_add_test(tc, a_growth_that_is_not_filled_stands);
	tcase_add_test(tc, later_frees_fill_a_growth);
	tcase_add_test(tc, a_pool_can_be_resized_up_and_down_many_times);
	tcase_add_test(tc, resize_refuses_a_negative_min_nr);
#if !defined(TESTLIB_ASAN) && !defined(TESTLIB_TSAN)
	tcase_add_test(tc,
		resize_without_memory_for_the_pointers_changes_nothing);
	tcase_add_test(tc, create_without_memory_for_the_pointers_fails);
#endif
	tcase_add_test(tc, growing_serves_sleepers);
	tcase_add_test(tc, shrinking_with_sleepers_leaves_them_their_turn);
	suite_add_tcase(s, tc);

	tc = tcase_create("refill");
	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_test(tc, refill_fills_what_is_missing);
	tcase_add_test(tc, refill_of_a_full_reserve_asks_for_nothing);
	tcase_add_test(tc, refill_keeps_what_it_got_before_the_backend_failed);
	tcase_add_test(tc, refill_serves_sleepers_of_a_fixed_pool_first);
	tcase_add_test(tc, fills_run_with_cancellation_disabled);
	tcase_add_test(tc,
		what_empties_the_reserve_runs_with_cancellation_disabled);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
