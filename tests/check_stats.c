/* SPDX-License-Identifier: MIT */
/*
 * check_stats.c - what each event adds to the counters
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <errno.h>
#include <string.h>

#include <check.h>

#include "suite.h"
#include "testlib.h"

#define ELEMENT_SIZE	64

static struct backend b;
static mempool_t *pool;

static void make_pool_with(int min_nr, unsigned int flags)
{
	backend_init(&b, ELEMENT_SIZE);
	pool = pool_over(&b, min_nr, flags);
	ck_assert_ptr_nonnull(pool);
}

static void make_pool(int min_nr)
{
	make_pool_with(min_nr, 0);
}

static uint64_t ended_waits(const struct mempool_stats *stats)
{
	uint64_t sum = 0;
	int i;

	for (i = 0; i < MEMPOOL_WAIT_BUCKETS; i++)
		sum += stats->wait_hist[i];
	return sum;
}

START_TEST(a_new_pool_has_counted_nothing)
{
	struct mempool_stats stats, expected;

	make_pool(3);
	stats = stats_of(pool);
	memset(&expected, 0, sizeof(expected));
	expected.min_nr = 3;
	expected.curr_nr = 3;
	expected.low_nr = 3;
	ck_assert_mem_eq(&stats, &expected, sizeof(stats));
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(an_element_from_the_backend_counts_as_such)
{
	struct mempool_stats stats;
	void *element;

	make_pool(1);
	element = mempool_alloc(pool, GFP_KERNEL);
	stats = stats_of(pool);
	ck_assert_uint_eq(stats.alloc_backend, 1);
	ck_assert_uint_eq(stats.alloc_reserve, 0);
	ck_assert_uint_eq(stats.alloc_handoff, 0);
	ck_assert_int_eq(stats.outstanding, 1);
	mempool_free(element, pool);
	stats = stats_of(pool);
	ck_assert_uint_eq(stats.free_backend, 1);
	ck_assert_int_eq(stats.outstanding, 0);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(noreserve_counts_as_from_the_backend)
{
	void *element;

	make_pool(1);
	element = mempool_alloc_noreserve(pool, GFP_KERNEL);
	ck_assert_uint_eq(stats_of(pool).alloc_backend, 1);
	ck_assert_int_eq(stats_of(pool).outstanding, 1);
	mempool_free(element, pool);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(an_element_from_the_reserve_counts_as_such)
{
	struct mempool_stats stats;
	void *elements[2];

	make_pool(2);
	backend_give(&b, 0);
	elements[0] = mempool_alloc(pool, GFP_KERNEL);
	elements[1] = mempool_alloc_preallocated(pool);
	stats = stats_of(pool);
	ck_assert_uint_eq(stats.alloc_backend, 0);
	ck_assert_uint_eq(stats.alloc_reserve, 2);
	ck_assert_uint_eq(stats.backend_failures, 1);
	ck_assert_uint_eq(stats.curr_nr, 0);
	ck_assert_uint_eq(stats.low_nr, 0);
	mempool_free(elements[0], pool);
	mempool_free(elements[1], pool);
	stats = stats_of(pool);
	ck_assert_uint_eq(stats.free_reserve, 2);
	ck_assert_uint_eq(stats.curr_nr, 2);
	ck_assert_uint_eq(stats.low_nr, 0);
	ck_assert_int_eq(stats.outstanding, 0);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(low_nr_is_the_lowest_level_seen)
{
	void *elements[3];
	int i;

	make_pool(5);
	for (i = 0; i < 3; i++)
		elements[i] = mempool_alloc_preallocated(pool);
	for (i = 0; i < 3; i++)
		mempool_free(elements[i], pool);
	ck_assert_uint_eq(stats_of(pool).curr_nr, 5);
	ck_assert_uint_eq(stats_of(pool).low_nr, 2);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(every_failing_call_of_alloc_fn_counts)
{
	struct timespec past = deadline_past();
	void *held;

	make_pool(1);
	held = mempool_alloc_preallocated(pool);
	backend_give(&b, 0);
	ck_assert_ptr_null(mempool_alloc(pool, GFP_NOWAIT));
	ck_assert_uint_eq(stats_of(pool).backend_failures, 1);
	ck_assert_ptr_null(mempool_alloc_noreserve(pool, GFP_KERNEL));
	ck_assert_uint_eq(stats_of(pool).backend_failures, 2);
	ck_assert_ptr_null(mempool_alloc_until(pool, GFP_KERNEL, &past));
	ck_assert_uint_eq(stats_of(pool).backend_failures, 4);
	ck_assert_int_eq(mempool_refill(pool), -ENOMEM);
	ck_assert_uint_eq(stats_of(pool).backend_failures, 5);
	mempool_free(held, pool);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(a_new_pool_starts_from_0_and_leaves_the_counts_of_others_alone)
{
	mempool_t *old = mempool_create_kmalloc_pool(1, 64);

	make_pool(1);
	mempool_free(mempool_alloc(pool, GFP_KERNEL), pool);
	mempool_free(mempool_alloc(old, GFP_KERNEL), old);
	mempool_destroy(old);
	old = mempool_create_kmalloc_pool(1, 64);
	ck_assert_uint_eq(stats_of(old).alloc_backend, 0);
	ck_assert_uint_eq(stats_of(pool).alloc_backend, 1);
	mempool_destroy(old);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(a_failing_retry_counts)
{
	struct sleeper s;

	make_pool(0);
	backend_give(&b, 0);
	sleeper_start(&s, pool, 0);
	ck_assert(wait_for_waiters(pool, 1));
	ck_assert_uint_eq(stats_of(pool).backend_failures, 2);
	mempool_kick(pool);
	ck_assert(backend_wait_calls(&b, 3));
	mempool_shutdown(pool);
	ck_assert_int_eq(sleeper_join(&s), ECANCELED);
	ck_assert_uint_eq(stats_of(pool).backend_failures, backend_calls(&b));
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(a_failed_call_that_could_not_sleep_counts)
{
	struct timespec past = deadline_past();
	void *held, *slot;

	make_pool(1);
	held = mempool_alloc_preallocated(pool);
	backend_give(&b, 0);
	ck_assert_ptr_null(mempool_alloc(pool, GFP_NOWAIT));
	ck_assert_uint_eq(stats_of(pool).nowait_failures, 1);
	ck_assert_int_eq(mempool_alloc_bulk_until(pool, &slot, 1, GFP_ATOMIC,
						  NULL), -EAGAIN);
	ck_assert_uint_eq(stats_of(pool).nowait_failures, 2);
	ck_assert_ptr_null(mempool_alloc_until(pool, GFP_KERNEL, &past));
	ck_assert_uint_eq(stats_of(pool).nowait_failures, 2);
	mempool_free(held, pool);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(a_failed_preallocated_counts_and_a_failed_noreserve_does_not)
{
	void *held;

	make_pool(1);
	held = mempool_alloc_preallocated(pool);
	ck_assert_ptr_null(mempool_alloc_preallocated(pool));
	ck_assert_uint_eq(stats_of(pool).nowait_failures, 1);
	backend_give(&b, 0);
	ck_assert_ptr_null(mempool_alloc_noreserve(pool, GFP_NOWAIT));
	ck_assert_uint_eq(stats_of(pool).backend_failures, 1);
	ck_assert_uint_eq(stats_of(pool).nowait_failures, 1);
	mempool_free(held, pool);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(a_hand_off_counts_on_both_sides)
{
	struct mempool_stats stats;
	struct sleeper s;
	void *held;

	make_pool(1);
	held = mempool_alloc_preallocated(pool);
	backend_give(&b, 0);
	sleeper_start(&s, pool, 0);
	ck_assert(wait_for_waiters(pool, 1));
	stats = stats_of(pool);
	ck_assert_uint_eq(stats.waits, 1);
	ck_assert_uint_eq(ended_waits(&stats), 0);
	mempool_free(held, pool);
	ck_assert_int_eq(sleeper_join(&s), 0);
	stats = stats_of(pool);
	ck_assert_uint_eq(stats.alloc_handoff, 1);
	ck_assert_uint_eq(stats.free_waiter, 1);
	ck_assert_uint_eq(stats.free_reserve, 0);
	ck_assert_uint_eq(stats.waits, 1);
	ck_assert_uint_eq(stats.waiters, 0);
	ck_assert_uint_eq(stats.waiters_max, 1);
	ck_assert_uint_eq(ended_waits(&stats), 1);
	ck_assert_int_eq(stats.outstanding, 1);
	sleeper_free(&s);
	ck_assert(pool_end(pool, &b));
}
END_TEST

/* Without an overtaking bound, or what comes for a thread that was told and is
 * slow to come counts as given to it, too. */
START_TEST(free_bulk_counts_where_each_element_went)
{
	struct mempool_stats stats;
	struct sleeper s;
	void *held[3];
	int i;

	make_pool_with(3, MEMPOOL_PRIO_INHERIT);
	for (i = 0; i < 3; i++)
		held[i] = mempool_alloc_preallocated(pool);
	backend_give(&b, 0);
	sleeper_start(&s, pool, 0);
	ck_assert(wait_for_waiters(pool, 1));
	ck_assert_uint_eq(mempool_free_bulk(pool, held, 3), 3);
	ck_assert_int_eq(sleeper_join(&s), 0);
	stats = stats_of(pool);
	ck_assert_uint_eq(stats.free_waiter, 1);
	ck_assert_uint_eq(stats.free_reserve, 2);
	sleeper_free(&s);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(the_length_of_a_wait_is_counted)
{
	const uint64_t least_ns = 20 * 1000000;
	struct mempool_stats stats;
	struct timespec deadline;
	void *held;
	int bucket;

	make_pool(1);
	held = mempool_alloc_preallocated(pool);
	backend_give(&b, 0);
	deadline = deadline_in_ms(30);
	ck_assert_ptr_null(mempool_alloc_until(pool, GFP_KERNEL, &deadline));
	stats = stats_of(pool);
	ck_assert_uint_ge(stats.wait_total_ns, least_ns);
	ck_assert_uint_eq(stats.wait_max_ns, stats.wait_total_ns);
	/* below 2^bucket us, and not below the one before */
	for (bucket = 0; stats.wait_hist[bucket] == 0; bucket++)
		ck_assert_int_lt(bucket, MEMPOOL_WAIT_BUCKETS - 1);
	ck_assert_uint_lt(stats.wait_max_ns, UINT64_C(1000) << bucket);
	ck_assert_uint_ge(stats.wait_max_ns, UINT64_C(500) << bucket);
	mempool_free(held, pool);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(the_longest_wait_and_the_sum_differ_after_two)
{
	struct mempool_stats stats;
	struct timespec deadline;
	void *held;

	make_pool(1);
	held = mempool_alloc_preallocated(pool);
	backend_give(&b, 0);
	deadline = deadline_in_ms(50);
	ck_assert_ptr_null(mempool_alloc_until(pool, GFP_KERNEL, &deadline));
	deadline = deadline_in_ms(100);
	ck_assert_ptr_null(mempool_alloc_until(pool, GFP_KERNEL, &deadline));
	stats = stats_of(pool);
	ck_assert_uint_gt(stats.wait_total_ns, stats.wait_max_ns);
	ck_assert_uint_eq(ended_waits(&stats), 2);
	ck_assert_uint_eq(stats.waits, 2);
	mempool_free(held, pool);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(the_oldest_request_has_an_age_while_it_waits)
{
	struct sleeper s;
	void *held;
	uint64_t begin = now_ns();
	uint64_t age;

	make_pool(1);
	held = mempool_alloc_preallocated(pool);
	backend_give(&b, 0);
	ck_assert_uint_eq(stats_of(pool).wait_oldest_ns, 0);
	sleeper_start(&s, pool, 0);
	ck_assert(wait_for_waiters(pool, 1));
	age = stats_of(pool).wait_oldest_ns;
	pause_ms(5);
	ck_assert_uint_ge(stats_of(pool).wait_oldest_ns, age + 5 * 1000000);
	/* It is no older than this test. */
	age = stats_of(pool).wait_oldest_ns;
	ck_assert_uint_le(age, now_ns() - begin);
	mempool_free(held, pool);
	ck_assert_int_eq(sleeper_join(&s), 0);
	ck_assert_uint_eq(stats_of(pool).wait_oldest_ns, 0);
	sleeper_free(&s);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(waiters_and_their_maximum_are_counted)
{
	struct sleeper s[3];
	int i;

	make_pool(0);
	backend_give(&b, 0);
	for (i = 0; i < 3; i++) {
		sleeper_start(&s[i], pool, 0);
		ck_assert(wait_for_waiters(pool, (unsigned int)i + 1));
	}
	mempool_shutdown(pool);
	for (i = 0; i < 3; i++)
		ck_assert_int_eq(sleeper_join(&s[i]), ECANCELED);
	ck_assert_uint_eq(stats_of(pool).waiters, 0);
	ck_assert_uint_eq(stats_of(pool).waiters_max, 3);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(a_time_out_counts)
{
	struct mempool_stats stats;
	struct timespec deadline;

	make_pool(0);
	backend_give(&b, 0);
	/* Far enough not to have passed before the wait begins. */
	deadline = deadline_in_ms(1000);
	ck_assert_ptr_null(mempool_alloc_until(pool, GFP_KERNEL, &deadline));
	stats = stats_of(pool);
	ck_assert_uint_eq(stats.timeouts, 1);
	ck_assert_uint_eq(stats.cancellations, 0);
	ck_assert_uint_eq(stats.waits, 1);
	ck_assert_uint_eq(ended_waits(&stats), 1);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(a_cancellation_counts)
{
	struct mempool_stats stats;
	struct sleeper s;

	make_pool(0);
	backend_give(&b, 0);
	sleeper_start(&s, pool, 0);
	ck_assert(wait_for_waiters(pool, 1));
	if (_i) {
		ck_assert(sleeper_cancel(&s));
	} else {
		mempool_shutdown(pool);
		ck_assert_int_eq(sleeper_join(&s), ECANCELED);
	}
	stats = stats_of(pool);
	ck_assert_uint_eq(stats.cancellations, 1);
	ck_assert_uint_eq(stats.timeouts, 0);
	ck_assert_uint_eq(ended_waits(&stats), 1);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(a_bulk_counts_its_elements_and_one_wait)
{
	struct mempool_stats stats;
	struct sleeper s;
	void *held[3];
	int i;

	make_pool(3);
	for (i = 0; i < 3; i++)
		held[i] = mempool_alloc_preallocated(pool);
	backend_give(&b, 1);
	sleeper_start(&s, pool, 3);
	ck_assert(wait_for_waiters(pool, 1));
	mempool_free(held[0], pool);
	mempool_free(held[1], pool);
	ck_assert_int_eq(sleeper_join(&s), 0);
	stats = stats_of(pool);
	ck_assert_uint_eq(stats.alloc_backend, 1);
	ck_assert_uint_eq(stats.alloc_reserve, 3);
	ck_assert_uint_eq(stats.alloc_handoff, 2);
	ck_assert_uint_eq(stats.waits, 1);
	ck_assert_int_eq(stats.outstanding, 4);
	sleeper_free(&s);
	mempool_free(held[2], pool);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(fills_and_surplus_are_neither_taken_nor_given_back)
{
	struct mempool_stats stats;

	make_pool(2);
	ck_assert_int_eq(mempool_resize(pool, 6), 0);
	ck_assert_int_eq(mempool_resize(pool, 1), 0);
	stats = stats_of(pool);
	ck_assert_int_eq(stats.outstanding, 0);
	ck_assert_uint_eq(stats.alloc_backend, 0);
	ck_assert_uint_eq(stats.alloc_reserve, 0);
	ck_assert_uint_eq(stats.min_nr, 1);
	ck_assert_uint_eq(stats.curr_nr, 1);
	ck_assert(pool_end(pool, &b));
}
END_TEST

/* ---- the call itself ----------------------------------------------------- */

START_TEST(get_stats_refuses_null_and_size_0)
{
	struct mempool_stats stats;

	make_pool(1);
	ck_assert_int_eq(mempool_get_stats(NULL, &stats, sizeof(stats)),
			 -EINVAL);
	ck_assert_int_eq(mempool_get_stats(pool, NULL, sizeof(stats)),
			 -EINVAL);
	ck_assert_int_eq(mempool_get_stats(pool, &stats, 0), -EINVAL);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(an_older_callers_structure_is_not_overrun)
{
	struct mempool_stats stats;
	size_t size = offsetof(struct mempool_stats, alloc_backend);
	const unsigned char *byte = (const unsigned char *)&stats;
	size_t i;

	make_pool(7);
	memset(&stats, 0xff, sizeof(stats));
	ck_assert_int_eq(mempool_get_stats(pool, &stats, size), 0);
	ck_assert_uint_eq(stats.min_nr, 7);
	ck_assert_uint_eq(stats.curr_nr, 7);
	for (i = size; i < sizeof(stats); i++)
		ck_assert_uint_eq(byte[i], 0xff);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(a_newer_callers_structure_is_zero_where_unknown)
{
	struct {
		struct mempool_stats	stats;
		unsigned char		tail[40];
	} later;
	size_t i;

	make_pool(7);
	memset(&later, 0xff, sizeof(later));
	ck_assert_int_eq(mempool_get_stats(pool, &later.stats, sizeof(later)),
			 0);
	ck_assert_uint_eq(later.stats.min_nr, 7);
	for (i = 0; i < sizeof(later.tail); i++)
		ck_assert_uint_eq(later.tail[i], 0);
	ck_assert(pool_end(pool, &b));
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("stats");
	TCase *tc = tcase_create("counters");

	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_test(tc, a_new_pool_has_counted_nothing);
	tcase_add_test(tc, an_element_from_the_backend_counts_as_such);
	tcase_add_test(tc, noreserve_counts_as_from_the_backend);
	tcase_add_test(tc, an_element_from_the_reserve_counts_as_such);
	tcase_add_test(tc, low_nr_is_the_lowest_level_seen);
	tcase_add_test(tc, every_failing_call_of_alloc_fn_counts);
	tcase_add_test(tc,
		a_new_pool_starts_from_0_and_leaves_the_counts_of_others_alone);
	tcase_add_test(tc, a_failing_retry_counts);
	tcase_add_test(tc, a_failed_call_that_could_not_sleep_counts);
	tcase_add_test(tc,
		a_failed_preallocated_counts_and_a_failed_noreserve_does_not);
	tcase_add_test(tc, a_hand_off_counts_on_both_sides);
	tcase_add_test(tc, free_bulk_counts_where_each_element_went);
	tcase_add_test(tc, the_length_of_a_wait_is_counted);
	tcase_add_test(tc, the_longest_wait_and_the_sum_differ_after_two);
	tcase_add_test(tc, the_oldest_request_has_an_age_while_it_waits);
	tcase_add_test(tc, waiters_and_their_maximum_are_counted);
	tcase_add_test(tc, a_time_out_counts);
	tcase_add_loop_test(tc, a_cancellation_counts, 0, 2);
	tcase_add_test(tc, a_bulk_counts_its_elements_and_one_wait);
	tcase_add_test(tc, fills_and_surplus_are_neither_taken_nor_given_back);
	suite_add_tcase(s, tc);

	tc = tcase_create("get_stats");
	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_test(tc, get_stats_refuses_null_and_size_0);
	tcase_add_test(tc, an_older_callers_structure_is_not_overrun);
	tcase_add_test(tc, a_newer_callers_structure_is_zero_where_unknown);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
