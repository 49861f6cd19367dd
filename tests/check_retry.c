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

#include "suite.h"
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

/* For more than its retry_ms; nor when it is kicked. */
START_TEST(a_fixed_pool_never_asks_its_backend_again)
{
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;
	struct sleeper s;
	void *element;

	backend_init(&b, 64);
	attr.retry_ms = 1;
	attr.flags = MEMPOOL_FIXED;
	pool = mempool_create_attr(1, backend_alloc, backend_free, &b, &attr);
	ck_assert_ptr_nonnull(pool);
	element = mempool_alloc(pool, GFP_KERNEL);
	queue(&s, 1);
	pause_ms(50);
	mempool_kick(pool);
	pause_ms(1);
	ck_assert_uint_eq(backend_calls(&b), 1);
	mempool_free(element, pool);
	ck_assert_int_eq(sleeper_join(&s), 0);
	sleeper_free(&s);
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

/* ---- a backend slower than retry_ms -------------------------------------- */

static void *give_or_refuse_slowly(gfp_t gfp_mask, void *pool_data)
{
	atomic_bool *gives = pool_data;

	(void)gfp_mask;
	if (*gives)
		return malloc(ELEMENT_SIZE);
	pause_ms(20);
	return NULL;
}

static void free_element(void *element, void *pool_data)
{
	(void)pool_data;
	free(element);
}

/* While it is inside alloc_fn, newcomers may pass; so it must not always be. */
START_TEST(a_backend_slower_than_retry_ms_starves_nobody)
{
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;
	uint64_t end = now_ns() + 20 * UINT64_C(1000000000);
	static atomic_bool gives = true;
	struct sleeper s;
	void *element;

	attr.retry_ms = 10;
	pool = mempool_create_attr(1, give_or_refuse_slowly, free_element,
				   &gives, &attr);
	ck_assert_ptr_nonnull(pool);
	gives = false;
	element = mempool_alloc_preallocated(pool);
	ck_assert_ptr_nonnull(element);
	queue(&s, 1);
	/* Held for longer than a try takes, given back for a moment. */
	do {
		pause_ms(37);
		mempool_free(element, pool);
		element = mempool_alloc_preallocated(pool);
	} while (element && now_ns() < end);
	ck_assert_ptr_null(element);
	ck_assert_int_eq(sleeper_join(&s), 0);
	sleeper_free(&s);
	mempool_destroy(pool);
}
END_TEST

/* ---- what the pool itself gives to the backend ------------------------------ */

static void *shrink_to_0(void *unused)
{
	(void)unused;
	return mempool_resize(pool, 0) ? pool : NULL;
}

/* Of a single request, a bulk one, and one of a pool with max_nr. */
START_TEST(a_kick_before_the_last_try_costs_no_other)
{
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;
	struct sleeper s;
	void *elements[2];

	backend_init(&b, ELEMENT_SIZE);
	attr.retry_ms = HOUR_MS;
	attr.max_nr = _i == 2 ? 4 : 0;
	pool = mempool_create_attr(2, backend_alloc, backend_free, &b, &attr);
	ck_assert_ptr_nonnull(pool);
	elements[0] = mempool_alloc_preallocated(pool);
	elements[1] = mempool_alloc_preallocated(pool);
	backend_give(&b, 0);
	backend_hold_allocs(&b, 1);
	sleeper_start(&s, pool, _i ? 2 : 0);
	ck_assert(backend_wait_held(&b, 1));
	mempool_kick(pool);
	backend_release(&b);
	ck_assert(wait_for_waiters(pool, 1));
	pause_ms(20);
	mempool_shutdown(pool);
	ck_assert_int_eq(sleeper_join(&s), ECANCELED);
	ck_assert_uint_eq(backend_calls(&b), 2 + 2);
	mempool_free(elements[0], pool);
	mempool_free(elements[1], pool);
	end_pool();
}
END_TEST

START_TEST(a_backend_slower_than_retry_ms_is_left_alone_for_half_of_that)
{
	uint64_t back_ns;
	struct sleeper s;

	make_pool(0, 200);
	queue(&s, 1);
	backend_hold_allocs(&b, 1);
	ck_assert(backend_wait_held(&b, 1));
	pause_ms(250);
	back_ns = now_ns();
	backend_release(&b);
	ck_assert(backend_wait_calls(&b, 4));
	ck_assert_uint_ge(now_ns() - back_ns, 100 * 1000000);
	mempool_shutdown(pool);
	ck_assert_int_eq(sleeper_join(&s), ECANCELED);
	end_pool();
}
END_TEST

START_TEST(the_surplus_of_a_shrinking_is_found_without_a_retry)
{
	pthread_t thread;
	struct sleeper s;
	void *failed;

	make_pool(1, HOUR_MS);
	backend_hold_frees(&b, 1);
	ck_assert_int_eq(pthread_create(&thread, NULL, shrink_to_0, NULL), 0);
	ck_assert(backend_wait_held(&b, 1));
	queue(&s, 1);
	backend_give(&b, 1);
	backend_release(&b);
	pthread_join(thread, &failed);
	ck_assert_ptr_null(failed);
	ck_assert_int_eq(sleeper_join(&s), 0);
	sleeper_free(&s);
	end_pool();
}
END_TEST

START_TEST(a_request_past_its_deadline_wakes_nobody)
{
	struct timespec past = deadline_past();
	struct sleeper s;
	int i;

	make_pool(0, HOUR_MS);
	queue(&s, 1);
	for (i = 0; i < 100; i++)
		ck_assert_ptr_null(mempool_alloc_until(pool, GFP_KERNEL,
						       &past));
	ck_assert_uint_eq(stats_of(pool).waits, 1);
	ck_assert_uint_eq(stats_of(pool).waiters_max, 1);
	ck_assert_uint_eq(stats_of(pool).timeouts, 100);
	backend_give(&b, GIVE_ALWAYS);
	mempool_kick(pool);
	ck_assert_int_eq(sleeper_join(&s), 0);
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
	tcase_add_test(tc, a_fixed_pool_never_asks_its_backend_again);
	tcase_add_test(tc, one_who_comes_when_all_others_hang_retries);
	tcase_add_test(tc, one_whose_retry_hung_leaves_the_next_to_another);
	tcase_add_test(tc,
		what_a_retry_brings_for_nobody_goes_back_to_the_backend);
	suite_add_tcase(s, tc);

	tc = tcase_create("progress");
	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_test(tc, a_backend_slower_than_retry_ms_starves_nobody);
	tcase_add_loop_test(tc, a_kick_before_the_last_try_costs_no_other, 0,
			    3);
	tcase_add_test(tc,
		a_backend_slower_than_retry_ms_is_left_alone_for_half_of_that);
	tcase_add_test(tc,
		the_surplus_of_a_shrinking_is_found_without_a_retry);
	tcase_add_test(tc, a_request_past_its_deadline_wakes_nobody);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
