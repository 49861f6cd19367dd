/* SPDX-License-Identifier: MIT */
/*
 * check_bulk.c - several elements at once
 *
 * Covers where a bulk request takes its elements from, that it takes all or
 * none, how elements collect for one that waits, its place among the other
 * requests, what is left when it gives up, and its limit.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <errno.h>
#include <limits.h>
#include <string.h>

#include <check.h>

#include "suite.h"
#include "testlib.h"

#define ELEMENT_SIZE	64
#define NR_ELEMENTS	6

/* As in check_wait.c: all of the reserve in elements[], no backend. */
static struct backend b;
static mempool_t *pool;
static void *elements[NR_ELEMENTS];

static void full_pool(int min_nr)
{
	backend_init(&b, ELEMENT_SIZE);
	pool = pool_over(&b, min_nr, 0);
	ck_assert_ptr_nonnull(pool);
	backend_give(&b, 0);
}

/* Takes elements[@from .. @to) out of the reserve. */
static void take(int from, int to)
{
	int i;

	for (i = from; i < to; i++) {
		elements[i] = mempool_alloc_preallocated(pool);
		ck_assert_ptr_nonnull(elements[i]);
	}
}

static void empty_pool(int min_nr)
{
	full_pool(min_nr);
	take(0, min_nr);
}

/* Gives elements[@from .. @to) back. */
static void give(int from, int to)
{
	int i;

	for (i = from; i < to; i++) {
		mempool_free(elements[i], pool);
		elements[i] = NULL;
	}
}

static void end_pool(void)
{
	give(0, NR_ELEMENTS);
	ck_assert_int_eq(stats_of(pool).outstanding, 0);
	ck_assert_uint_eq(stats_of(pool).waiters, 0);
	ck_assert_uint_eq(stats_of(pool).curr_nr, backend_live(&b));
	ck_assert_uint_le(stats_of(pool).curr_nr, stats_of(pool).min_nr);
	ck_assert(pool_end(pool, &b));
}

/* Starts a sleeper behind those that are there. */
static void queue(struct sleeper *s, unsigned int count)
{
	unsigned int before = (unsigned int)stats_of(pool).waiters;

	sleeper_start(s, pool, count);
	ck_assert(wait_for_waiters(pool, before + 1));
}

static unsigned int curr_nr(void)
{
	return (unsigned int)stats_of(pool).curr_nr;
}

/* A bulk request that does not sleep. */
static int try_bulk(unsigned int count)
{
	void *slots[NR_ELEMENTS];
	unsigned int i;
	int err;

	err = mempool_alloc_bulk_until(pool, slots, count, GFP_NOWAIT, NULL);
	for (i = 0; err == 0 && i < count; i++)
		mempool_free(slots[i], pool);
	return err;
}

/* ---- where the elements come from --------------------------------------- */

START_TEST(bulk_takes_all_from_a_backend_that_gives)
{
	void *slots[3];
	int i, j;

	full_pool(3);
	backend_give(&b, GIVE_ALWAYS);
	ck_assert_int_eq(mempool_alloc_bulk(pool, slots, 3), 0);
	ck_assert_uint_eq(curr_nr(), 3);
	ck_assert_int_eq(stats_of(pool).outstanding, 3);
	for (i = 0; i < 3; i++) {
		ck_assert_uint_eq(backend_mask(&b, 3 + (unsigned)i),
				  FIRST_TRY(GFP_KERNEL));
		ck_assert_ptr_nonnull(slots[i]);
		for (j = 0; j < i; j++)
			ck_assert_ptr_ne(slots[i], slots[j]);
	}
	for (i = 0; i < 3; i++)
		mempool_free(slots[i], pool);
	end_pool();
}
END_TEST

START_TEST(bulk_takes_from_the_reserve_what_the_backend_did_not_give)
{
	void *slots[3];
	int i;

	full_pool(3);
	backend_give(&b, 1);
	ck_assert_int_eq(mempool_alloc_bulk(pool, slots, 3), 0);
	ck_assert_uint_eq(curr_nr(), 1);
	for (i = 0; i < 3; i++)
		mempool_free(slots[i], pool);
	end_pool();
}
END_TEST

START_TEST(bulk_tries_the_backend_again_with_the_callers_mask)
{
	void *slots[2];

	empty_pool(2);
	backend_give(&b, GIVE_ALWAYS);
	backend_fail_first(&b, 1);
	ck_assert_int_eq(mempool_alloc_bulk_until(pool, slots, 2, GFP_NOIO,
						  NULL), 0);
	ck_assert_uint_eq(backend_calls(&b), 5);
	ck_assert_uint_eq(backend_mask(&b, 2), FIRST_TRY(GFP_NOIO));
	ck_assert_uint_eq(backend_mask(&b, 3), SECOND_TRY(GFP_NOIO));
	ck_assert_uint_eq(backend_mask(&b, 4), SECOND_TRY(GFP_NOIO));
	mempool_free(slots[0], pool);
	mempool_free(slots[1], pool);
	end_pool();
}
END_TEST

START_TEST(bulk_zeroes_every_element_whatever_its_source)
{
	unsigned char *slots[3];
	int i, j;

	full_pool(3);
	backend_give(&b, 1);
	ck_assert_int_eq(mempool_alloc_bulk_until(pool, (void **)slots, 3,
						  GFP_NOWAIT | __GFP_ZERO,
						  NULL), 0);
	ck_assert_uint_eq(backend_mask(&b, 3) & __GFP_ZERO, 0);
	for (i = 0; i < 3; i++) {
		for (j = 0; j < ELEMENT_SIZE; j++)
			ck_assert_uint_eq(slots[i][j], 0);
		mempool_free(slots[i], pool);
	}
	end_pool();
}
END_TEST

START_TEST(bulk_of_a_fixed_pool_never_asks_the_backend)
{
	void *slots[2];

	backend_init(&b, ELEMENT_SIZE);
	pool = pool_over(&b, 2, MEMPOOL_FIXED);
	ck_assert_int_eq(mempool_alloc_bulk(pool, slots, 2), 0);
	ck_assert_int_eq(try_bulk(1), -EAGAIN);
	ck_assert_uint_eq(backend_calls(&b), 2);
	mempool_free(slots[0], pool);
	mempool_free(slots[1], pool);
	end_pool();
}
END_TEST

START_TEST(bulk_of_nothing_does_nothing)
{
	full_pool(1);
	ck_assert_int_eq(mempool_alloc_bulk(pool, NULL, 0), 0);
	ck_assert_int_eq(mempool_alloc_bulk_until(pool, NULL, 0, GFP_NOWAIT,
						  NULL), 0);
	ck_assert_uint_eq(backend_calls(&b), 1);
	end_pool();
}
END_TEST

START_TEST(bulk_leaves_errno_alone)
{
	void *slots[2];

	full_pool(2);
	errno = SLEEPER_ERRNO;
	ck_assert_int_eq(mempool_alloc_bulk(pool, slots, 2), 0);
	ck_assert_int_eq(errno, SLEEPER_ERRNO);
	mempool_free(slots[0], pool);
	mempool_free(slots[1], pool);
	end_pool();
}
END_TEST

/* ---- all or nothing ------------------------------------------------------ */

START_TEST(a_bulk_that_may_not_sleep_takes_all_or_nothing)
{
	full_pool(3);
	take(0, 1);
	ck_assert_int_eq(try_bulk(3), -EAGAIN);
	ck_assert_uint_eq(curr_nr(), 2);
	ck_assert_int_eq(stats_of(pool).outstanding, 1);
	ck_assert_int_eq(try_bulk(2), 0);
	end_pool();
}
END_TEST

START_TEST(a_failed_bulk_keeps_nothing_from_the_backend)
{
	struct timespec past = deadline_past();
	void *slots[3];

	full_pool(3);
	take(0, 3);
	backend_give(&b, 2);
	ck_assert_int_eq(try_bulk(3), -EAGAIN);
	ck_assert_int_eq(stats_of(pool).outstanding, 3);
	ck_assert_uint_eq(backend_live(&b), 3 + curr_nr());
	take(3, 3 + (int)curr_nr());
	backend_give(&b, 2);
	ck_assert_int_eq(mempool_alloc_bulk_until(pool, slots, 3, GFP_KERNEL,
						  &past), -ETIMEDOUT);
	ck_assert_uint_eq(backend_live(&b), curr_nr() +
			  (unsigned int)stats_of(pool).outstanding);
	end_pool();
}
END_TEST

START_TEST(a_bulk_past_its_deadline_makes_all_tries_before_the_sleep)
{
	struct timespec past = deadline_past();
	void *slots[2];

	empty_pool(2);
	ck_assert_int_eq(mempool_alloc_bulk_until(pool, slots, 2, GFP_KERNEL,
						  &past), -ETIMEDOUT);
	ck_assert_uint_eq(backend_calls(&b), 4);
	give(0, 2);
	ck_assert_int_eq(mempool_alloc_bulk_until(pool, slots, 2, GFP_KERNEL,
						  &past), 0);
	mempool_free(slots[0], pool);
	mempool_free(slots[1], pool);
	end_pool();
}
END_TEST

/* Gives only what the pool is made with; then an element comes back while it
 * tries hard. */
static void *fails_meanwhile(gfp_t gfp_mask, void *pool_data)
{
	if (!pool)
		return backend_alloc(gfp_mask, pool_data);
	if (gfp_mask & __GFP_DIRECT_RECLAIM)
		give(0, 1);
	return NULL;
}

START_TEST(bulk_looks_into_the_reserve_again_before_it_waits)
{
	void *slot;

	backend_init(&b, ELEMENT_SIZE);
	pool = NULL;
	pool = mempool_create(1, fails_meanwhile, backend_free, &b);
	take(0, 1);
	ck_assert_int_eq(mempool_alloc_bulk(pool, &slot, 1), 0);
	ck_assert_uint_eq(stats_of(pool).waits, 0);
	mempool_free(slot, pool);
	ck_assert(pool_end(pool, &b));
}
END_TEST

/* ---- waiting ------------------------------------------------------------- */

START_TEST(elements_collect_for_a_bulk_at_the_head)
{
	struct sleeper bulk;

	empty_pool(3);
	queue(&bulk, 3);
	give(0, 2);
	ck_assert_uint_eq(curr_nr(), 2);
	ck_assert_uint_eq(stats_of(pool).waiters, 1);
	give(2, 3);
	ck_assert_int_eq(sleeper_join(&bulk), 0);
	ck_assert_uint_eq(curr_nr(), 0);
	sleeper_free(&bulk);
	end_pool();
}
END_TEST

START_TEST(a_waiting_bulk_takes_nothing_before_it_can_take_all)
{
	struct sleeper bulk;

	full_pool(3);
	take(0, 1);
	queue(&bulk, 3);
	ck_assert_uint_eq(curr_nr(), 2);
	ck_assert_int_eq(stats_of(pool).outstanding, 1);
	give(0, 1);
	ck_assert_int_eq(sleeper_join(&bulk), 0);
	sleeper_free(&bulk);
	end_pool();
}
END_TEST

START_TEST(those_behind_get_what_collects_while_the_head_is_in_the_backend)
{
	struct sleeper bulk, single;

	empty_pool(3);
	queue(&bulk, 3);
	queue(&single, 0);
	give(0, 1);
	ck_assert_uint_eq(stats_of(pool).waiters, 2);
	backend_hold_allocs(&b, 1);
	mempool_kick(pool);
	ck_assert(backend_wait_held(&b, 1));
	ck_assert_int_eq(sleeper_join(&single), 0);
	backend_release(&b);
	sleeper_free(&single);
	give(1, 3);
	ck_assert_int_eq(sleeper_join(&bulk), 0);
	sleeper_free(&bulk);
	end_pool();
}
END_TEST

START_TEST(nobody_behind_takes_what_collects_for_the_head)
{
	struct timespec past = deadline_past();
	struct sleeper bulk, single, small;

	empty_pool(3);
	queue(&bulk, 3);
	queue(&single, 0);
	queue(&small, 1);
	give(0, 2);
	ck_assert_uint_eq(curr_nr(), 2);
	ck_assert_uint_eq(stats_of(pool).waiters, 3);
	ck_assert_ptr_null(mempool_alloc_preallocated(pool));
	ck_assert_ptr_null(mempool_alloc(pool, GFP_ATOMIC));
	ck_assert_ptr_null(mempool_alloc_until(pool, GFP_KERNEL, &past));
	ck_assert_int_eq(try_bulk(1), -EAGAIN);
	ck_assert_uint_eq(curr_nr(), 2);
	give(2, 3);
	ck_assert_int_eq(sleeper_join(&bulk), 0);
	ck_assert_uint_eq(stats_of(pool).waiters, 2);
	sleeper_free(&bulk);
	ck_assert_int_eq(sleeper_join(&single), 0);
	ck_assert_int_eq(sleeper_join(&small), 0);
	sleeper_free(&single);
	sleeper_free(&small);
	end_pool();
}
END_TEST

START_TEST(bulk_and_single_are_served_in_order_of_arrival)
{
	struct sleeper s[4];

	empty_pool(6);
	queue(&s[0], 0);
	queue(&s[1], 2);
	queue(&s[2], 0);
	queue(&s[3], 2);
	give(0, 1);
	ck_assert_int_eq(sleeper_join(&s[0]), 0);
	ck_assert_uint_eq(stats_of(pool).waiters, 3);
	give(1, 3);
	ck_assert_int_eq(sleeper_join(&s[1]), 0);
	ck_assert_uint_eq(stats_of(pool).waiters, 2);
	give(3, 4);
	ck_assert_int_eq(sleeper_join(&s[2]), 0);
	ck_assert_uint_eq(stats_of(pool).waiters, 1);
	give(4, 6);
	ck_assert_int_eq(sleeper_join(&s[3]), 0);
	sleeper_free(&s[0]);
	sleeper_free(&s[1]);
	sleeper_free(&s[2]);
	sleeper_free(&s[3]);
	end_pool();
}
END_TEST

START_TEST(two_bulks_cannot_interlock)
{
	struct sleeper s[2];

	/* Neither could go on if each held two of the four. */
	empty_pool(4);
	queue(&s[0], 3);
	queue(&s[1], 3);
	give(0, 3);
	ck_assert_int_eq(sleeper_join(&s[0]), 0);
	give(3, 4);
	ck_assert_uint_eq(curr_nr(), 1);
	ck_assert_uint_eq(stats_of(pool).waiters, 1);
	sleeper_free(&s[0]);
	ck_assert_int_eq(sleeper_join(&s[1]), 0);
	sleeper_free(&s[1]);
	end_pool();
}
END_TEST

START_TEST(a_waiting_bulk_lacks_only_what_the_backend_did_not_give)
{
	struct sleeper bulk;

	empty_pool(3);
	backend_give(&b, 2);
	queue(&bulk, 3);
	ck_assert_int_eq(stats_of(pool).outstanding, 5);
	give(0, 1);
	ck_assert_int_eq(sleeper_join(&bulk), 0);
	sleeper_free(&bulk);
	end_pool();
}
END_TEST

START_TEST(free_bulk_feeds_a_waiting_bulk)
{
	struct sleeper bulk;
	void *all[3];

	empty_pool(3);
	queue(&bulk, 3);
	memcpy(all, elements, sizeof(all));
	memset(elements, 0, sizeof(elements));
	ck_assert_uint_eq(mempool_free_bulk(pool, all, 3), 3);
	ck_assert_int_eq(sleeper_join(&bulk), 0);
	sleeper_free(&bulk);
	end_pool();
}
END_TEST

START_TEST(retries_bring_a_waiting_bulk_all_that_it_lacks)
{
	struct sleeper bulk;

	empty_pool(3);
	queue(&bulk, 3);
	backend_give(&b, 3);
	mempool_kick(pool);
	ck_assert_int_eq(sleeper_join(&bulk), 0);
	sleeper_free(&bulk);
	end_pool();
}
END_TEST

/* ---- giving up ----------------------------------------------------------- */

START_TEST(when_a_bulk_times_out_those_behind_are_served_at_once)
{
	struct sleeper bulk, single[2];

	empty_pool(3);
	sleeper_start_until(&bulk, pool, 3, GFP_KERNEL, deadline_in_ms(1000));
	ck_assert(wait_for_waiters(pool, 1));
	queue(&single[0], 0);
	queue(&single[1], 0);
	give(0, 2);
	ck_assert_int_eq(sleeper_join(&bulk), ETIMEDOUT);
	ck_assert_int_eq(sleeper_join(&single[0]), 0);
	ck_assert_int_eq(sleeper_join(&single[1]), 0);
	sleeper_free(&single[0]);
	sleeper_free(&single[1]);
	end_pool();
}
END_TEST

START_TEST(when_a_bulk_is_cancelled_those_behind_are_served_at_once)
{
	struct sleeper bulk, single;

	empty_pool(3);
	queue(&bulk, 3);
	queue(&single, 0);
	give(0, 2);
	ck_assert(sleeper_cancel(&bulk));
	ck_assert(bulk.cleanup_ran);
	ck_assert_int_eq(sleeper_join(&single), 0);
	ck_assert_uint_eq(curr_nr(), 1);
	sleeper_free(&single);
	end_pool();
}
END_TEST

START_TEST(a_cancelled_bulk_gives_back_what_the_backend_gave)
{
	struct sleeper bulk, single;

	empty_pool(3);
	backend_give(&b, 2);
	queue(&bulk, 3);
	queue(&single, 0);
	ck_assert_int_eq(stats_of(pool).outstanding, 5);
	ck_assert(sleeper_cancel(&bulk));
	/* One of the two serves the request behind. */
	ck_assert_int_eq(sleeper_join(&single), 0);
	ck_assert_int_eq(stats_of(pool).outstanding, 4);
	sleeper_free(&single);
	end_pool();
}
END_TEST

START_TEST(a_timed_out_bulk_gives_back_what_the_backend_gave)
{
	struct sleeper bulk, single;

	empty_pool(3);
	backend_give(&b, 2);
	sleeper_start_until(&bulk, pool, 3, GFP_KERNEL, deadline_in_ms(1000));
	ck_assert(wait_for_waiters(pool, 1));
	queue(&single, 0);
	ck_assert_int_eq(sleeper_join(&bulk), ETIMEDOUT);
	ck_assert_int_eq(sleeper_join(&single), 0);
	ck_assert_int_eq(stats_of(pool).outstanding, 4);
	sleeper_free(&single);
	end_pool();
}
END_TEST

START_TEST(a_failed_bulk_cannot_be_cancelled_while_it_gives_back)
{
	struct sleeper bulk;

	/* The reserve wants nothing any more, so it goes to free_fn. */
	empty_pool(3);
	backend_give(&b, 2);
	queue(&bulk, 3);
	ck_assert_int_eq(mempool_resize(pool, 0), 0);
	mempool_shutdown(pool);
	ck_assert_int_eq(sleeper_join(&bulk), ECANCELED);
	ck_assert_uint_eq(backend_frees(&b), 2);
	ck_assert_int_eq(backend_free_cancel_state(&b),
			 PTHREAD_CANCEL_DISABLE);
	end_pool();
}
END_TEST

START_TEST(shutdown_ends_a_waiting_bulk_and_nothing_is_lost)
{
	struct sleeper bulk;

	empty_pool(3);
	backend_give(&b, 1);
	queue(&bulk, 3);
	give(0, 1);
	mempool_shutdown(pool);
	ck_assert_int_eq(sleeper_join(&bulk), ECANCELED);
	ck_assert_int_eq(stats_of(pool).outstanding, 2);
	end_pool();
}
END_TEST

/* A backend that gives once and is a cancellation point after that. */
static atomic_int nr_given;

static void *give_once_then_cancel(gfp_t gfp_mask, void *pool_data)
{
	if (atomic_fetch_add(&nr_given, 1) > 2)
		pthread_testcancel();
	return backend_alloc(gfp_mask, pool_data);
}

static void *bulk_while_cancelled(void *arg)
{
	struct timespec past = deadline_past();
	void *slots[2];

	pthread_cleanup_push(cancel_cleanup, NULL);
	pthread_cancel(pthread_self());
	if (mempool_alloc_bulk_until(arg, slots, 2, GFP_KERNEL, &past) == 0) {
		mempool_free(slots[0], arg);
		mempool_free(slots[1], arg);
	}
	pthread_testcancel();
	pthread_cleanup_pop(0);
	return NULL;
}

START_TEST(a_callback_cancelled_in_mid_bulk_loses_no_element)
{
	pthread_t thread;
	void *result;

	backend_init(&b, ELEMENT_SIZE);
	atomic_store(&nr_given, 0);
	pool = mempool_create(2, give_once_then_cancel, backend_free, &b);
	ck_assert_ptr_nonnull(pool);
	pthread_create(&thread, NULL, bulk_while_cancelled, pool);
	pthread_join(thread, &result);
	ck_assert_ptr_eq(result, PTHREAD_CANCELED);
	ck_assert_int_eq(stats_of(pool).outstanding, 0);
	end_pool();
}
END_TEST

/* ---- the limit ----------------------------------------------------------- */

START_TEST(a_bulk_above_min_nr_is_refused)
{
	void *slots[4];

	full_pool(3);
	backend_give(&b, GIVE_ALWAYS);
	ck_assert_int_eq(mempool_alloc_bulk(pool, slots, 4), -EINVAL);
	ck_assert_int_eq(mempool_alloc_bulk_until(pool, slots, 4, GFP_NOWAIT,
						  NULL), -EINVAL);
	ck_assert_int_eq(mempool_alloc_bulk(pool, slots, UINT_MAX), -EINVAL);
	ck_assert_uint_eq(backend_calls(&b), 3);
	ck_assert_int_eq(try_bulk(3), 0);
	end_pool();
}
END_TEST

START_TEST(bulk_refuses_null_slots)
{
	full_pool(1);
	ck_assert_int_eq(mempool_alloc_bulk(pool, NULL, 1), -EINVAL);
	ck_assert_int_eq(mempool_alloc_bulk_until(pool, NULL, 1, GFP_KERNEL,
						  NULL), -EINVAL);
	end_pool();
}
END_TEST

START_TEST(bulk_refuses_a_deadline_out_of_range)
{
	struct timespec bad = { .tv_sec = 1, .tv_nsec = _i ? 1000000000 : -1 };
	void *slot;

	full_pool(1);
	ck_assert_int_eq(mempool_alloc_bulk_until(pool, &slot, 1, GFP_KERNEL,
						  &bad), -EINVAL);
	ck_assert_uint_eq(curr_nr(), 1);
	end_pool();
}
END_TEST

START_TEST(after_a_growth_that_was_not_filled_the_limit_stays)
{
	full_pool(2);
	ck_assert_int_eq(mempool_resize(pool, 4), 0);
	ck_assert_int_eq(try_bulk(3), -EINVAL);
	ck_assert_int_eq(try_bulk(2), 0);
	end_pool();
}
END_TEST

START_TEST(the_limit_follows_a_growth_once_the_reserve_was_full)
{
	full_pool(2);
	ck_assert_int_eq(mempool_resize(pool, 4), 0);
	backend_give(&b, GIVE_ALWAYS);
	ck_assert_int_eq(mempool_refill(pool), 0);
	backend_give(&b, 0);
	ck_assert_int_eq(try_bulk(4), 0);
	take(0, 2);
	ck_assert_int_eq(try_bulk(4), -EAGAIN);
	ck_assert_int_eq(try_bulk(5), -EINVAL);
	end_pool();
}
END_TEST

START_TEST(frees_fill_a_growth_too)
{
	void *extra[2];

	full_pool(2);
	backend_give(&b, 2);
	extra[0] = mempool_alloc(pool, GFP_KERNEL);
	extra[1] = mempool_alloc(pool, GFP_KERNEL);
	ck_assert_int_eq(mempool_resize(pool, 4), 0);
	mempool_free(extra[0], pool);
	ck_assert_int_eq(try_bulk(3), -EINVAL);
	mempool_free(extra[1], pool);
	ck_assert_int_eq(try_bulk(4), 0);
	end_pool();
}
END_TEST

START_TEST(the_limit_follows_a_shrinking_at_once)
{
	full_pool(4);
	ck_assert_int_eq(mempool_resize(pool, 2), 0);
	ck_assert_int_eq(try_bulk(3), -EINVAL);
	ck_assert_int_eq(try_bulk(2), 0);
	end_pool();
}
END_TEST

START_TEST(the_limit_follows_a_shrinking_with_all_elements_out)
{
	empty_pool(4);
	ck_assert_int_eq(mempool_resize(pool, 2), 0);
	ck_assert_int_eq(try_bulk(3), -EINVAL);
	ck_assert_int_eq(try_bulk(2), -EAGAIN);
	end_pool();
}
END_TEST

START_TEST(a_shrinking_after_a_growth_that_was_not_filled_keeps_the_smallest)
{
	full_pool(2);
	take(0, 2);
	ck_assert_int_eq(mempool_resize(pool, 5), 0);
	ck_assert_int_eq(mempool_resize(pool, 4), 0);
	ck_assert_int_eq(try_bulk(3), -EINVAL);
	end_pool();
}
END_TEST

/* ---- resize under a bulk that waits -------------------------------------- */

/* There may never be so many elements again. */
START_TEST(a_bulk_that_comes_to_wait_after_a_shrinking_is_refused)
{
	struct sleeper s;

	empty_pool(4);
	backend_hold_allocs(&b, 1);
	sleeper_start(&s, pool, 3);
	ck_assert(backend_wait_held(&b, 1));
	ck_assert_int_eq(mempool_resize(pool, 2), 0);
	backend_release(&b);
	ck_assert_int_eq(sleeper_join(&s), EINVAL);
	end_pool();
}
END_TEST

START_TEST(a_waiting_bulk_keeps_the_min_nr_it_was_admitted_under)
{
	struct sleeper bulk;

	empty_pool(4);
	queue(&bulk, 4);
	ck_assert_int_eq(mempool_resize(pool, 1), 0);
	give(0, 3);
	ck_assert_uint_eq(curr_nr(), 3);
	ck_assert_uint_eq(backend_frees(&b), 0);
	give(3, 4);
	ck_assert_int_eq(sleeper_join(&bulk), 0);
	sleeper_free(&bulk);
	ck_assert_uint_eq(curr_nr(), 1);
	end_pool();
}
END_TEST

START_TEST(a_shrinking_keeps_what_collects_for_a_bulk)
{
	struct sleeper bulk;

	empty_pool(4);
	queue(&bulk, 4);
	give(0, 3);
	ck_assert_int_eq(mempool_resize(pool, 1), 0);
	ck_assert_uint_eq(curr_nr(), 3);
	give(3, 4);
	ck_assert_int_eq(sleeper_join(&bulk), 0);
	sleeper_free(&bulk);
	end_pool();
}
END_TEST

START_TEST(a_bulk_behind_the_head_keeps_its_min_nr_too)
{
	struct sleeper single, bulk;

	empty_pool(3);
	queue(&single, 0);
	queue(&bulk, 3);
	ck_assert_int_eq(mempool_resize(pool, 0), 0);
	give(0, 3);
	ck_assert_int_eq(sleeper_join(&single), 0);
	ck_assert_uint_eq(curr_nr(), 2);
	sleeper_free(&single);
	ck_assert_int_eq(sleeper_join(&bulk), 0);
	sleeper_free(&bulk);
	end_pool();
}
END_TEST

START_TEST(the_surplus_is_freed_when_the_bulk_gives_up)
{
	struct sleeper bulk;

	empty_pool(4);
	queue(&bulk, 4);
	give(0, 3);
	ck_assert_int_eq(mempool_resize(pool, 1), 0);
	if (_i)
		ck_assert(sleeper_cancel(&bulk));
	else
		mempool_shutdown(pool);
	if (!_i)
		ck_assert_int_eq(sleeper_join(&bulk), ECANCELED);
	ck_assert_uint_eq(curr_nr(), 1);
	ck_assert_uint_eq(backend_frees(&b), 2);
	end_pool();
}
END_TEST

START_TEST(a_growth_serves_a_waiting_bulk)
{
	struct sleeper bulk;

	empty_pool(3);
	queue(&bulk, 3);
	backend_give(&b, GIVE_ALWAYS);
	ck_assert_int_eq(mempool_resize(pool, 4), 0);
	ck_assert_int_eq(sleeper_join(&bulk), 0);
	sleeper_free(&bulk);
	end_pool();
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("bulk");
	TCase *tc = tcase_create("sources");

	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_test(tc, bulk_takes_all_from_a_backend_that_gives);
	tcase_add_test(tc,
		bulk_takes_from_the_reserve_what_the_backend_did_not_give);
	tcase_add_test(tc, bulk_tries_the_backend_again_with_the_callers_mask);
	tcase_add_test(tc, bulk_zeroes_every_element_whatever_its_source);
	tcase_add_test(tc, bulk_of_a_fixed_pool_never_asks_the_backend);
	tcase_add_test(tc, bulk_of_nothing_does_nothing);
	tcase_add_test(tc, bulk_leaves_errno_alone);
	tcase_add_test(tc, a_bulk_that_may_not_sleep_takes_all_or_nothing);
	tcase_add_test(tc, a_failed_bulk_keeps_nothing_from_the_backend);
	tcase_add_test(tc,
		a_bulk_past_its_deadline_makes_all_tries_before_the_sleep);
	tcase_add_test(tc,
		bulk_looks_into_the_reserve_again_before_it_waits);
	suite_add_tcase(s, tc);

	tc = tcase_create("waiting");
	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_test(tc, elements_collect_for_a_bulk_at_the_head);
	tcase_add_test(tc,
		a_waiting_bulk_takes_nothing_before_it_can_take_all);
	tcase_add_test(tc,
	     those_behind_get_what_collects_while_the_head_is_in_the_backend);
	tcase_add_test(tc, nobody_behind_takes_what_collects_for_the_head);
	tcase_add_test(tc, bulk_and_single_are_served_in_order_of_arrival);
	tcase_add_test(tc, two_bulks_cannot_interlock);
	tcase_add_test(tc,
		a_waiting_bulk_lacks_only_what_the_backend_did_not_give);
	tcase_add_test(tc, free_bulk_feeds_a_waiting_bulk);
	tcase_add_test(tc, retries_bring_a_waiting_bulk_all_that_it_lacks);
	suite_add_tcase(s, tc);

	tc = tcase_create("giving up");
	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_test(tc,
		when_a_bulk_times_out_those_behind_are_served_at_once);
	tcase_add_test(tc,
		when_a_bulk_is_cancelled_those_behind_are_served_at_once);
	tcase_add_test(tc, a_cancelled_bulk_gives_back_what_the_backend_gave);
	tcase_add_test(tc, a_timed_out_bulk_gives_back_what_the_backend_gave);
	tcase_add_test(tc,
		a_failed_bulk_cannot_be_cancelled_while_it_gives_back);
	tcase_add_test(tc,
		shutdown_ends_a_waiting_bulk_and_nothing_is_lost);
	tcase_add_test(tc, a_callback_cancelled_in_mid_bulk_loses_no_element);
	suite_add_tcase(s, tc);

	tc = tcase_create("limit");
	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_test(tc, a_bulk_above_min_nr_is_refused);
	tcase_add_test(tc, bulk_refuses_null_slots);
	tcase_add_loop_test(tc, bulk_refuses_a_deadline_out_of_range, 0, 2);
	tcase_add_test(tc, after_a_growth_that_was_not_filled_the_limit_stays);
	tcase_add_test(tc,
		the_limit_follows_a_growth_once_the_reserve_was_full);
	tcase_add_test(tc, frees_fill_a_growth_too);
	tcase_add_test(tc, the_limit_follows_a_shrinking_at_once);
	tcase_add_test(tc,
		the_limit_follows_a_shrinking_with_all_elements_out);
	tcase_add_test(tc,
	 a_shrinking_after_a_growth_that_was_not_filled_keeps_the_smallest);
	suite_add_tcase(s, tc);

	tc = tcase_create("resize");
	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_test(tc,
		a_bulk_that_comes_to_wait_after_a_shrinking_is_refused);
	tcase_add_test(tc,
		a_waiting_bulk_keeps_the_min_nr_it_was_admitted_under);
	tcase_add_test(tc, a_shrinking_keeps_what_collects_for_a_bulk);
	tcase_add_test(tc, a_bulk_behind_the_head_keeps_its_min_nr_too);
	tcase_add_loop_test(tc, the_surplus_is_freed_when_the_bulk_gives_up,
			    0, 2);
	tcase_add_test(tc, a_growth_serves_a_waiting_bulk);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
