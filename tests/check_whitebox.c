/* SPDX-License-Identifier: MIT */
/*
 * check_whitebox.c - what the public calls cannot show
 *
 * Covers: counters (blocks, columns, the shared cell, thread exit), the gate,
 * deadline arithmetic.  Linked with the library's own objects and with
 * mmap() wrapped, so that a thread can be refused its block.
 */
#include "config.h"

#include <check.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <kmempool/mempool.h>

#include "core.h"
#include "counters.h"
#include "deadline.h"

static bool refuse_mmap;

void *__real_mmap(void *addr, size_t length, int prot, int flags, int fd,
		  off_t offset);
void *__wrap_mmap(void *addr, size_t length, int prot, int flags, int fd,
		  off_t offset);

void *__wrap_mmap(void *addr, size_t length, int prot, int flags, int fd,
		  off_t offset)
{
	if (refuse_mmap) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	return __real_mmap(addr, length, prot, flags, fd, offset);
}

static mempool_t *pool;

static void make_pool(void)
{
	pool = mempool_create_kmalloc_pool(2, 64);
}

static void end_pool(void)
{
	mempool_destroy(pool);
}

static struct mempool_stats stats_of(mempool_t *p)
{
	struct mempool_stats stats;

	mempool_get_stats(p, &stats, sizeof(stats));
	return stats;
}

static bool gate_open(void)
{
	return pool->kmp_gate != COUNTERS_CLOSED;
}

/* In a thread of its own; what it records is read after the join. */
struct pairs {
	mempool_t	*pool;
	long		nr;
	intptr_t	base_before;
	intptr_t	base_after;
	int		errno_after;
};

static void *do_pairs(void *arg)
{
	struct pairs *pairs = arg;
	long i;

	pairs->base_before = counters_base;
	errno = 4242;
	for (i = 0; i < pairs->nr; i++)
		mempool_free(mempool_alloc(pairs->pool, GFP_KERNEL),
			     pairs->pool);
	pairs->base_after = counters_base;
	pairs->errno_after = errno;
	return NULL;
}

static void run_pairs(struct pairs *pairs)
{
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, do_pairs, pairs), 0);
	pthread_join(thread, NULL);
}

/* ---- layout ------------------------------------------------------------ */

START_TEST(a_pool_is_at_most_128_bytes_naturally_aligned)
{
	ck_assert_uint_le(sizeof(mempool_t), 128);
	ck_assert_uint_le(_Alignof(mempool_t), _Alignof(max_align_t));
}
END_TEST

/* ---- the gate ---------------------------------------------------------- */

START_TEST(gate_is_open_while_the_reserve_is_full_and_nobody_waits)
{
	ck_assert(gate_open());
}
END_TEST

START_TEST(gate_closes_before_a_reserve_element_is_out_and_opens_again)
{
	void *element = mempool_alloc_preallocated(pool);

	ck_assert_ptr_nonnull(element);
	ck_assert(!gate_open());
	mempool_free(element, pool);
	ck_assert(gate_open());
	ck_assert_uint_eq(stats_of(pool).free_reserve, 1);
}
END_TEST

START_TEST(gate_follows_a_resize)
{
	void *element = mempool_alloc_preallocated(pool);

	ck_assert_int_eq(mempool_resize(pool, 1), 0);
	ck_assert(gate_open());
	ck_assert_int_eq(mempool_resize(pool, 0), 0);
	ck_assert(!gate_open());
	mempool_free(element, pool);
	ck_assert_uint_eq(stats_of(pool).free_backend, 1);
}
END_TEST

/* ---- the short path ---------------------------------------------------- */

static uint64_t counted_in_free_fn;

static void free_and_look(void *element, void *pool_data)
{
	counted_in_free_fn = stats_of(*(mempool_t **)pool_data).free_backend;
	free(element);
}

static void *malloc_64(gfp_t gfp_mask, void *pool_data)
{
	(void)gfp_mask;
	(void)pool_data;
	return malloc(64);
}

/* Whoever drains and then ends the backend relies on it. */
START_TEST(a_free_is_counted_after_free_fn_has_returned)
{
	mempool_t *p;
	int i;

	p = mempool_create(_i, malloc_64, free_and_look, &p);
	ck_assert_ptr_nonnull(p);
	/* The first pair makes the thread's block, the second is short. */
	for (i = 0; i < 2; i++) {
		mempool_free(mempool_alloc(p, GFP_KERNEL), p);
		ck_assert_uint_eq(counted_in_free_fn, i);
		ck_assert_uint_eq(stats_of(p).free_backend, i + 1);
	}
	mempool_destroy(p);
}
END_TEST

START_TEST(a_pair_served_by_the_backend_takes_no_lock)
{
	struct pairs pairs = { .pool = pool, .nr = 1000 };

	/* Who takes it now hangs, and the test with it. */
	pthread_mutex_lock(&pool->kmp_core->lock);
	run_pairs(&pairs);
	pthread_mutex_unlock(&pool->kmp_core->lock);
	ck_assert_uint_eq(stats_of(pool).free_backend, 1000);
}
END_TEST

START_TEST(a_pair_served_by_the_backend_writes_nothing_of_the_pool)
{
	struct pairs pairs = { .pool = pool, .nr = 1000 };
	struct mempool_core core_before = *pool->kmp_core;
	mempool_t pool_before = *pool;

	run_pairs(&pairs);
	ck_assert_mem_eq(pool, &pool_before, sizeof(*pool));
	ck_assert_mem_eq(pool->kmp_core, &core_before, sizeof(core_before));
}
END_TEST

/* ---- counters ---------------------------------------------------------- */

START_TEST(a_thread_gets_a_block_at_its_first_use)
{
	struct pairs pairs = { .pool = pool, .nr = 1 };

	run_pairs(&pairs);
	ck_assert_int_lt(pairs.base_before, 0);
	ck_assert_int_ge(pairs.base_after, 0);
}
END_TEST

START_TEST(an_ended_threads_block_goes_to_the_next_with_its_counts)
{
	struct pairs first = { .pool = pool, .nr = 10 };
	struct pairs second = { .pool = pool, .nr = 5 };

	run_pairs(&first);
	run_pairs(&second);
	ck_assert_int_eq(first.base_after, second.base_after);
	ck_assert_uint_eq(stats_of(pool).alloc_backend, 15);
	ck_assert_uint_eq(stats_of(pool).free_backend, 15);
}
END_TEST

START_TEST(a_thread_refused_a_block_counts_all_the_same)
{
	struct pairs pairs = { .pool = pool, .nr = 100 };

	refuse_mmap = true;
	run_pairs(&pairs);
	refuse_mmap = false;
	ck_assert_int_lt(pairs.base_after, 0);
	ck_assert_int_eq(pairs.errno_after, 4242);
	ck_assert_uint_eq(stats_of(pool).alloc_backend, 100);
	ck_assert_uint_eq(stats_of(pool).free_backend, 100);
	ck_assert_int_eq(stats_of(pool).outstanding, 0);
}
END_TEST

static intptr_t base_when_late;

static void free_late(void *element)
{
	base_when_late = counters_base;
	mempool_free(element, pool);
}

static void *exit_with_element(void *arg)
{
	pthread_key_t *late = arg;
	void *element = mempool_alloc(pool, GFP_KERNEL);

	/* Made after the library's own key: glibc runs it later. */
	pthread_key_create(late, free_late);
	pthread_setspecific(*late, element);
	return NULL;
}

START_TEST(a_free_after_the_threads_block_is_gone_counts)
{
	pthread_key_t late;
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, exit_with_element,
					&late), 0);
	pthread_join(thread, NULL);
	pthread_key_delete(late);
	/* Its block may be another thread's by then. */
	ck_assert_int_lt(base_when_late, 0);
	ck_assert_uint_eq(stats_of(pool).alloc_backend, 1);
	ck_assert_uint_eq(stats_of(pool).free_backend, 1);
}
END_TEST

#define MANY	300

START_TEST(pools_beyond_the_columns_count_without_the_lock)
{
	mempool_t *pools[MANY];
	int i;

	for (i = 0; i < MANY; i++) {
		struct pairs pairs = { .nr = 3 };

		pools[i] = mempool_create_kmalloc_pool(1, 64);
		ck_assert_ptr_nonnull(pools[i]);
		pairs.pool = pools[i];
		do_pairs(&pairs);
	}
	ck_assert_int_eq(pools[MANY - 1]->kmp_gate, COUNTERS_SHARED);
	pthread_mutex_lock(&pools[MANY - 1]->kmp_core->lock);
	mempool_free(mempool_alloc(pools[MANY - 1], GFP_KERNEL),
		     pools[MANY - 1]);
	pthread_mutex_unlock(&pools[MANY - 1]->kmp_core->lock);
	for (i = 0; i < MANY; i++) {
		uint64_t nr = i == MANY - 1 ? 4 : 3;

		ck_assert_uint_eq(stats_of(pools[i]).alloc_backend, nr);
		ck_assert_uint_eq(stats_of(pools[i]).free_backend, nr);
		mempool_destroy(pools[i]);
	}
	/* Columns come back, with nothing in them. */
	for (i = 0; i < MANY; i++) {
		pools[i] = mempool_create_kmalloc_pool(1, 64);
		ck_assert_ptr_nonnull(pools[i]);
		ck_assert_uint_eq(stats_of(pools[i]).alloc_backend, 0);
		ck_assert_uint_eq(stats_of(pools[i]).free_backend, 0);
	}
	ck_assert_int_ge(pools[0]->kmp_gate, 0);
	for (i = 0; i < MANY; i++)
		mempool_destroy(pools[i]);
}
END_TEST

/* ---- deadlines --------------------------------------------------------- */

static uint64_t deadline_of(time_t sec, long nsec)
{
	struct timespec ts = { .tv_sec = sec, .tv_nsec = nsec };
	uint64_t ns = 1;

	ck_assert_int_eq(deadline_from_timespec(&ts, &ns), 0);
	return ns;
}

START_TEST(no_deadline_is_never)
{
	uint64_t ns = 1;

	ck_assert_int_eq(deadline_from_timespec(NULL, &ns), 0);
	ck_assert_uint_eq(ns, DEADLINE_NEVER);
}
END_TEST

START_TEST(a_deadline_too_late_for_64_bits_is_never)
{
	time_t last = (time_t)(UINT64_MAX / NSEC_PER_SEC);

	if (sizeof(time_t) < sizeof(uint64_t))
		return;
	ck_assert_uint_eq(deadline_of(last, 0), DEADLINE_NEVER);
	ck_assert_uint_eq(deadline_of(LONG_MAX, 999999999), DEADLINE_NEVER);
	ck_assert_uint_lt(deadline_of(last - 1, 999999999), DEADLINE_NEVER);
}
END_TEST

START_TEST(a_deadline_before_the_clock_began_is_zero)
{
	ck_assert_uint_eq(deadline_of(-1, 999999999), 0);
}
END_TEST

START_TEST(nanoseconds_out_of_range_are_refused)
{
	struct timespec ts = { .tv_nsec = 1000000000 };
	uint64_t ns;

	ck_assert_int_eq(deadline_from_timespec(&ts, &ns), -EINVAL);
	ts.tv_nsec = -1;
	ck_assert_int_eq(deadline_from_timespec(&ts, &ns), -EINVAL);
}
END_TEST

START_TEST(a_deadline_survives_the_way_there_and_back)
{
	struct timespec ts = deadline_to_timespec(deadline_of(12, 345));

	ck_assert_int_eq(ts.tv_sec, 12);
	ck_assert_int_eq(ts.tv_nsec, 345);
}
END_TEST

static Suite *whitebox(void)
{
	Suite *suite = suite_create("whitebox");
	TCase *layout = tcase_create("layout, gate, short path");
	TCase *counters = tcase_create("counters");
	TCase *deadline = tcase_create("deadline");

	tcase_add_checked_fixture(layout, make_pool, end_pool);
	tcase_add_test(layout, a_pool_is_at_most_128_bytes_naturally_aligned);
	tcase_add_test(layout,
		gate_is_open_while_the_reserve_is_full_and_nobody_waits);
	tcase_add_test(layout,
		gate_closes_before_a_reserve_element_is_out_and_opens_again);
	tcase_add_test(layout, gate_follows_a_resize);
	tcase_add_loop_test(layout,
		a_free_is_counted_after_free_fn_has_returned, 0, 2);
	tcase_add_test(layout, a_pair_served_by_the_backend_takes_no_lock);
	tcase_add_test(layout,
		a_pair_served_by_the_backend_writes_nothing_of_the_pool);
	suite_add_tcase(suite, layout);

	tcase_add_checked_fixture(counters, make_pool, end_pool);
	tcase_set_timeout(counters, 60);
	tcase_add_test(counters, a_thread_gets_a_block_at_its_first_use);
	tcase_add_test(counters,
		an_ended_threads_block_goes_to_the_next_with_its_counts);
	tcase_add_test(counters, a_thread_refused_a_block_counts_all_the_same);
	tcase_add_test(counters,
		a_free_after_the_threads_block_is_gone_counts);
	tcase_add_test(counters,
		pools_beyond_the_columns_count_without_the_lock);
	suite_add_tcase(suite, counters);

	tcase_add_test(deadline, no_deadline_is_never);
	tcase_add_test(deadline, a_deadline_too_late_for_64_bits_is_never);
	tcase_add_test(deadline, a_deadline_before_the_clock_began_is_zero);
	tcase_add_test(deadline, nanoseconds_out_of_range_are_refused);
	tcase_add_test(deadline, a_deadline_survives_the_way_there_and_back);
	suite_add_tcase(suite, deadline);
	return suite;
}

int main(void)
{
	SRunner *runner = srunner_create(whitebox());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
