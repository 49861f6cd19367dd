/* SPDX-License-Identifier: MIT */
/*
 * check_threads.c - many threads on one pool
 *
 * Covers that no element is in two hands, whatever way it came; that counters
 * add up over threads that have gone; elements freed by other threads, also
 * by destructors of thread-specific data; drain and then destroy; fork.
 *
 * The backends here take no lock: one would order the threads and hide races
 * of the library from ThreadSanitizer.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <check.h>

#include "suite.h"
#include "testlib.h"

#define NR_THREADS	16
#define ROUNDS		2000

struct element {
	atomic_int	owner;		/* 0: nobody */
	int		payload;	/* plain: the hand-over must order it */
};

static atomic_long nr_live;
static atomic_bool backend_is_on;

static void *plain_alloc(gfp_t gfp_mask, void *pool_data)
{
	struct element *e = NULL;

	(void)gfp_mask;
	(void)pool_data;
	if (atomic_load_explicit(&backend_is_on, memory_order_relaxed))
		e = calloc(1, sizeof(*e));
	if (e)
		atomic_fetch_add_explicit(&nr_live, 1, memory_order_relaxed);
	return e;
}

static void plain_free(void *element, void *pool_data)
{
	(void)pool_data;
	atomic_fetch_sub_explicit(&nr_live, 1, memory_order_relaxed);
	free(element);
}

static mempool_t *pool;

static void make_pool(int min_nr, bool on)
{
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;

	attr.retry_ms = HOUR_MS;
	attr.element_size = sizeof(struct element);
	atomic_store(&nr_live, 0);
	atomic_store(&backend_is_on, true);
	pool = mempool_create_attr(min_nr, plain_alloc, plain_free, NULL,
				   &attr);
	ck_assert_ptr_nonnull(pool);
	atomic_store(&backend_is_on, on);
}

static void end_pool(void)
{
	struct mempool_stats stats = stats_of(pool);

	ck_assert_int_eq(mempool_drain_until(pool, NULL), 0);
	ck_assert_int_eq(stats.outstanding, 0);
	ck_assert_uint_eq(stats.waiters, 0);
	ck_assert_int_eq(atomic_load(&nr_live), (long)stats.curr_nr);
	mempool_destroy(pool);
	ck_assert_int_eq(atomic_load(&nr_live), 0);
}

/* What a worker found; the main thread asserts it. */
struct worker {
	pthread_t	thread;
	int		id;		/* from 1 */
	uint64_t	random;
	unsigned long	nr_taken;
	unsigned long	nr_failed;
	unsigned long	nr_shared;	/* elements also in other hands */
};

static struct worker workers[NR_THREADS];

static void take_in_hand(struct worker *w, struct element *e)
{
	w->nr_taken++;
	if (atomic_exchange_explicit(&e->owner, w->id,
				     memory_order_relaxed) != 0)
		w->nr_shared++;
	e->payload++;
}

static void give_away(struct worker *w, struct element *e)
{
	if (atomic_exchange_explicit(&e->owner, 0,
				     memory_order_relaxed) != w->id)
		w->nr_shared++;
	mempool_free(e, pool);
}

static void run_workers(void *(*fn)(void *))
{
	unsigned long nr_shared = 0;
	int i;

	memset(workers, 0, sizeof(workers));
	for (i = 0; i < NR_THREADS; i++) {
		workers[i].id = i + 1;
		workers[i].random = (uint64_t)i + 1;
		ck_assert_int_eq(pthread_create(&workers[i].thread, NULL, fn,
						&workers[i]), 0);
	}
	for (i = 0; i < NR_THREADS; i++) {
		pthread_join(workers[i].thread, NULL);
		nr_shared += workers[i].nr_shared;
	}
	ck_assert_uint_eq(nr_shared, 0);
}

static unsigned long sum_taken(void)
{
	unsigned long sum = 0;
	int i;

	for (i = 0; i < NR_THREADS; i++)
		sum += workers[i].nr_taken;
	return sum;
}

/* ---- one element, one hand ----------------------------------------------- */

static void *take_and_give(void *arg)
{
	struct worker *w = arg;
	struct element *e;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		e = mempool_alloc(pool, GFP_KERNEL);
		if (!e) {
			w->nr_failed++;
			continue;
		}
		take_in_hand(w, e);
		if (rnd_below(&w->random, 4) == 0)
			sched_yield();
		give_away(w, e);
	}
	return NULL;
}

START_TEST(threads_share_a_few_elements_and_none_fails)
{
	int i;

	make_pool(3, false);
	run_workers(take_and_give);
	for (i = 0; i < NR_THREADS; i++)
		ck_assert_uint_eq(workers[i].nr_failed, 0);
	ck_assert_uint_eq(sum_taken(), NR_THREADS * ROUNDS);
	end_pool();
}
END_TEST

START_TEST(threads_with_a_backend_that_gives_do_not_touch_the_reserve)
{
	struct mempool_stats stats;

	make_pool(3, true);
	run_workers(take_and_give);
	stats = stats_of(pool);
	ck_assert_uint_eq(stats.alloc_backend, NR_THREADS * ROUNDS);
	ck_assert_uint_eq(stats.free_backend, NR_THREADS * ROUNDS);
	ck_assert_uint_eq(stats.low_nr, 3);
	end_pool();
}
END_TEST

static void *take_without_sleeping(void *arg)
{
	struct worker *w = arg;
	struct element *e;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		e = rnd_below(&w->random, 2) ?
			mempool_alloc_preallocated(pool) :
			mempool_alloc(pool, GFP_ATOMIC);
		if (!e) {
			w->nr_failed++;
			continue;
		}
		take_in_hand(w, e);
		give_away(w, e);
	}
	return NULL;
}

START_TEST(what_threads_take_without_sleeping_is_in_one_hand)
{
	make_pool(3, false);
	run_workers(take_without_sleeping);
	ck_assert_uint_eq(stats_of(pool).waits, 0);
	end_pool();
}
END_TEST

/* What every owner added, of the elements that are in the reserve. */
static unsigned long sum_payloads(int nr)
{
	unsigned long sum = 0;
	struct element *e[3];
	int i;

	for (i = 0; i < nr; i++) {
		e[i] = mempool_alloc_preallocated(pool);
		ck_assert_ptr_nonnull(e[i]);
		sum += (unsigned long)e[i]->payload;
	}
	for (i = 0; i < nr; i++)
		mempool_free(e[i], pool);
	return sum;
}

START_TEST(the_next_owner_sees_what_the_last_one_wrote)
{
	struct mempool_stats stats;

	make_pool(3, false);
	run_workers(take_and_give);
	stats = stats_of(pool);
	ck_assert_uint_gt(stats.alloc_reserve, 0);
	ck_assert_uint_gt(stats.alloc_handoff, 0);
	ck_assert_uint_eq(sum_payloads(3), sum_taken());
	end_pool();
}
END_TEST

static void *take_bulks(void *arg)
{
	struct worker *w = arg;
	void *elems[3];
	int i, j;

	for (i = 0; i < ROUNDS; i++) {
		if (mempool_alloc_bulk(pool, elems, 3) != 0) {
			w->nr_failed++;
			continue;
		}
		for (j = 0; j < 3; j++)
			take_in_hand(w, elems[j]);
		for (j = 0; j < 3; j++)
			give_away(w, elems[j]);
	}
	return NULL;
}

START_TEST(threads_that_take_bulks_never_interlock)
{
	make_pool(4, false);
	run_workers(take_bulks);
	ck_assert_uint_eq(sum_taken(), NR_THREADS * ROUNDS * 3);
	end_pool();
}
END_TEST

static void *resize_and_take(void *arg)
{
	struct worker *w = arg;
	struct element *e;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		if (w->id <= 2)
			mempool_resize(pool, (int)rnd_below(&w->random, 6));
		e = mempool_alloc(pool, GFP_KERNEL);
		if (!e) {
			w->nr_failed++;
			continue;
		}
		take_in_hand(w, e);
		give_away(w, e);
	}
	return NULL;
}

START_TEST(resizing_under_way_disturbs_nobody)
{
	make_pool(3, true);
	run_workers(resize_and_take);
	ck_assert_uint_eq(sum_taken(), NR_THREADS * ROUNDS);
	ck_assert_int_eq(mempool_refill(pool), 0);
	end_pool();
}
END_TEST

/* ---- counters ------------------------------------------------------------ */

static void *take_ten(void *arg)
{
	struct worker *w = arg;
	int i;

	for (i = 0; i < 10; i++) {
		struct element *e = mempool_alloc(pool, GFP_KERNEL);

		if (!e)
			continue;
		take_in_hand(w, e);
		give_away(w, e);
	}
	return NULL;
}

START_TEST(the_counts_of_threads_that_have_gone_are_kept)
{
	const uint64_t expected = 20 * NR_THREADS * 10;
	struct mempool_stats stats;
	int i;

	make_pool(2, true);
	for (i = 0; i < 20; i++)
		run_workers(take_ten);
	stats = stats_of(pool);
	ck_assert_uint_eq(stats.alloc_backend, expected);
	ck_assert_uint_eq(stats.free_backend, expected);
	end_pool();
}
END_TEST

static void *watch_stats(void *arg)
{
	struct worker *w = arg;
	struct mempool_stats stats;
	int i;

	if (w->id > 2)
		return take_and_give(arg);
	/* Frees are summed first, so never fewer outstanding than there are:
	 * never below 0 here. */
	for (i = 0; i < ROUNDS; i++) {
		stats = stats_of(pool);
		if (stats.outstanding < 0)
			w->nr_failed++;
	}
	return NULL;
}

START_TEST(outstanding_is_never_too_small_while_threads_run)
{
	make_pool(3, true);
	run_workers(watch_stats);
	ck_assert_uint_eq(workers[0].nr_failed + workers[1].nr_failed, 0);
	end_pool();
}
END_TEST

static atomic_ulong nr_begun[2], nr_ended[2];	/* allocations, frees */
static atomic_bool seen_under_way;

static void count_a_pair(struct worker *w)
{
	struct element *e;

	atomic_fetch_add(&nr_begun[0], 1);
	e = mempool_alloc(pool, GFP_KERNEL);
	atomic_fetch_add(&nr_ended[0], 1);
	take_in_hand(w, e);
	atomic_fetch_add(&nr_begun[1], 1);
	give_away(w, e);
	atomic_fetch_add(&nr_ended[1], 1);
}

/* The first pair is there to be seen; so nobody compares only when all is
 * over. */
static void *count_pairs(void *arg)
{
	struct worker *w = arg;
	int i;

	count_a_pair(w);
	if (!wait_for_flag(&seen_under_way))
		w->nr_failed++;
	for (i = 1; i < ROUNDS; i++)
		count_a_pair(w);
	return NULL;
}

/* Two compare, until all the others have ended. */
static void *compare_figures(void *arg)
{
	const unsigned long all = (NR_THREADS - 2) * ROUNDS;
	struct worker *w = arg;
	unsigned long at_least[2];
	struct mempool_stats stats;

	if (w->id > 2)
		return count_pairs(arg);
	do {
		at_least[0] = atomic_load(&nr_ended[0]);
		at_least[1] = atomic_load(&nr_ended[1]);
		stats = stats_of(pool);
		if (stats.alloc_backend < at_least[0] ||
		    stats.free_backend < at_least[1] ||
		    stats.alloc_backend > atomic_load(&nr_begun[0]) ||
		    stats.free_backend > atomic_load(&nr_begun[1]))
			w->nr_failed++;
		if (stats.free_backend > 0 && stats.free_backend < all)
			atomic_store(&seen_under_way, true);
	} while (at_least[1] < all);
	return NULL;
}

START_TEST(figures_read_under_way_were_true_during_the_call)
{
	int i;

	make_pool(3, true);
	run_workers(compare_figures);
	ck_assert(atomic_load(&seen_under_way));
	for (i = 0; i < NR_THREADS; i++)
		ck_assert_uint_eq(workers[i].nr_failed, 0);
	end_pool();
}
END_TEST

START_TEST(a_pool_that_takes_the_place_of_another_starts_at_0)
{
	int i;

	/* Whatever a thread keeps per pool must not be taken for the new
	 * one's. */
	for (i = 0; i < 100; i++) {
		make_pool(1, true);
		mempool_free(mempool_alloc(pool, GFP_KERNEL), pool);
		ck_assert_uint_eq(stats_of(pool).alloc_backend, 1);
		ck_assert_uint_eq(stats_of(pool).free_backend, 1);
		end_pool();
	}
}
END_TEST

START_TEST(many_pools_count_each_for_itself)
{
	enum { NR_POOLS = 300 };
	static mempool_t pools[NR_POOLS];
	int i, j;

	atomic_store(&nr_live, 0);
	atomic_store(&backend_is_on, true);
	for (i = 0; i < NR_POOLS; i++)
		ck_assert_int_eq(mempool_init(&pools[i], 1, plain_alloc,
					      plain_free, NULL), 0);
	for (i = 0; i < NR_POOLS; i++)
		for (j = 0; j < i % 7; j++)
			mempool_free(mempool_alloc(&pools[i], GFP_KERNEL),
				     &pools[i]);
	for (i = 0; i < NR_POOLS; i++) {
		ck_assert_uint_eq(stats_of(&pools[i]).alloc_backend,
				  (uint64_t)(i % 7));
		ck_assert_int_eq(stats_of(&pools[i]).outstanding, 0);
		mempool_exit(&pools[i]);
	}
	ck_assert_int_eq(atomic_load(&nr_live), 0);
}
END_TEST

/* ---- elements go from thread to thread ----------------------------------- */

static _Atomic(struct element *) belt[8];
static atomic_long nr_through;

static void *produce_or_consume(void *arg)
{
	struct worker *w = arg;
	struct element *e;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		if (w->id % 2) {
			e = mempool_alloc(pool, GFP_KERNEL);
			if (!e)
				continue;
			take_in_hand(w, e);
			atomic_store_explicit(&e->owner, 0,
					      memory_order_relaxed);
		} else {
			e = NULL;
		}
		/* Whatever lay there goes to the pool. */
		e = atomic_exchange(&belt[rnd_below(&w->random, 8)], e);
		if (!e)
			continue;
		take_in_hand(w, e);
		give_away(w, e);
		atomic_fetch_add_explicit(&nr_through, 1,
					  memory_order_relaxed);
	}
	return NULL;
}

START_TEST(any_thread_may_free)
{
	int i;

	/* 8 on the belt and one in each producer's hand at most: nobody
	 * sleeps for ever. */
	make_pool(8 + NR_THREADS, false);
	atomic_store(&nr_through, 0);
	run_workers(produce_or_consume);
	for (i = 0; i < 8; i++)
		mempool_free(atomic_exchange(&belt[i], NULL), pool);
	ck_assert_int_gt(atomic_load(&nr_through), 0);
	end_pool();
}
END_TEST

static pthread_key_t key;

static void free_late(void *element)
{
	mempool_free(element, pool);
}

static void *leave_it_to_the_destructor(void *arg)
{
	struct worker *w = arg;
	struct element *e = mempool_alloc(pool, GFP_KERNEL);

	w->nr_taken = e != NULL;
	pthread_setspecific(key, e);
	return NULL;
}

START_TEST(a_destructor_of_thread_specific_data_may_free)
{
	/* The key is older than any that the library makes, and younger. */
	if (_i) {
		make_pool(2, true);
		mempool_free(mempool_alloc(pool, GFP_KERNEL), pool);
		ck_assert_int_eq(pthread_key_create(&key, free_late), 0);
	} else {
		ck_assert_int_eq(pthread_key_create(&key, free_late), 0);
		make_pool(2, true);
	}
	run_workers(leave_it_to_the_destructor);
	ck_assert_uint_eq(sum_taken(), NR_THREADS);
	ck_assert_uint_eq(stats_of(pool).free_backend,
			  NR_THREADS + (_i ? 1 : 0));
	end_pool();
	pthread_key_delete(key);
}
END_TEST

START_TEST(a_pool_may_be_destroyed_as_soon_as_drain_returned_0)
{
	struct freer f;
	int i;

	/* Who frees last must be done with the pool: a race or a use of freed
	 * memory, which the sanitizers see. */
	for (i = 0; i < 500; i++) {
		make_pool(i % 2, i % 4 < 2);
		if (i % 2 == 0)
			atomic_store(&backend_is_on, true);
		freer_start(&f, pool, mempool_alloc(pool, GFP_KERNEL));
		ck_assert_int_eq(mempool_drain_until(pool, NULL), 0);
		mempool_destroy(pool);
		freer_join(&f);
		ck_assert_int_eq(atomic_load(&nr_live), 0);
	}
}
END_TEST

/* ---- fork ---------------------------------------------------------------- */

/* In the child: 0 when the pool works. */
static int use_in_child(void)
{
	struct element *e;
	struct worker w = { .id = 99 };

	e = mempool_alloc(pool, GFP_KERNEL);
	if (!e)
		return 1;
	take_in_hand(&w, e);
	give_away(&w, e);
	if (stats_of(pool).outstanding != 0 || w.nr_shared != 0)
		return 2;
	mempool_destroy(pool);
	return 0;
}

START_TEST(a_child_may_use_the_pools_of_its_parent)
{
	int status = -1;
	pid_t child;

	make_pool(2, _i == 0);
	child = fork();
	if (child == 0)
		_exit(use_in_child());
	ck_assert_int_gt(child, 0);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 0);
	end_pool();
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("threads");
	TCase *tc = tcase_create("one hand");

	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_test(tc, threads_share_a_few_elements_and_none_fails);
	tcase_add_test(tc,
		threads_with_a_backend_that_gives_do_not_touch_the_reserve);
	tcase_add_test(tc, what_threads_take_without_sleeping_is_in_one_hand);
	tcase_add_test(tc, the_next_owner_sees_what_the_last_one_wrote);
	tcase_add_test(tc, threads_that_take_bulks_never_interlock);
	tcase_add_test(tc, resizing_under_way_disturbs_nobody);
	suite_add_tcase(s, tc);

	tc = tcase_create("counters");
	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_test(tc, the_counts_of_threads_that_have_gone_are_kept);
	tcase_add_test(tc, outstanding_is_never_too_small_while_threads_run);
	tcase_add_test(tc, figures_read_under_way_were_true_during_the_call);
	tcase_add_test(tc, a_pool_that_takes_the_place_of_another_starts_at_0);
	tcase_add_test(tc, many_pools_count_each_for_itself);
	suite_add_tcase(s, tc);

	tc = tcase_create("from thread to thread");
	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_test(tc, any_thread_may_free);
	tcase_add_loop_test(tc, a_destructor_of_thread_specific_data_may_free,
			    0, 2);
	tcase_add_test(tc, a_pool_may_be_destroyed_as_soon_as_drain_returned_0);
	suite_add_tcase(s, tc);

	tc = tcase_create("fork");
	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_loop_test(tc, a_child_may_use_the_pools_of_its_parent, 0, 2);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
