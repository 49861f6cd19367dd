/* SPDX-License-Identifier: MIT */
/*
 * check_cached.c - elements of a reserve that are near the CPUs
 *
 * Covers which pools do it and when, what each call has back first, threads
 * that are stopped, the gate, what the reserve may collect, a fence that is
 * refused, memory that is short, and forks.
 *
 * White-box: where there are no restartable sequences nothing is cached, which
 * is all that can be seen then.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <check.h>

#include "absent.h"
#include "core.h"
#include "lanes.h"
#include "suite.h"
#include "testlib.h"

#define MARK		4242		/* errno before a call */
#define SIZE		64u
#define MANY		64		/* elements */
#define MOST_TURNS	1000000u

static struct backend backend;
static mempool_t *pool;
static struct mempool_core *core;
static void *elems[2 * MANY];

/* ---- pools --------------------------------------------------------------- */

/* All it will ever have is its reserve. */
static bool make_pool(int min_nr, unsigned int flags)
{
	backend_init(&backend, SIZE);
	backend_give(&backend, min_nr);
	pool = pool_over(&backend, min_nr, flags | MEMPOOL_CACHED);
	ck_assert_ptr_nonnull(pool);
	core = pool->kmp_core;
	own_lane = (unsigned int)sched_getcpu();
	if (core->lanes)
		return true;
	printf("skip: no restartable sequences here: nothing is cached\n");
	ck_assert(!lane_is_cpu);
	ck_assert(pool_end(pool, &backend));
	return false;
}

static void end_pool(void)
{
	ck_assert_uint_eq(stats_of(pool).outstanding, 0);
	ck_assert(pool_end(pool, &backend));
}

static void *take_one(void)
{
	return mempool_alloc(pool, GFP_NOWAIT);
}

static unsigned int nr_cached(unsigned int lane)
{
	return magazine_nr(core->lanes[lane].loaded);
}

static unsigned int nr_loaded_lanes(void)
{
	return core->cached.recall.nr_loaded;
}

static bool is_loaded(unsigned int lane)
{
	return core->lanes[lane].loaded != MAGAZINE_NONE;
}

/* Pairs of calls until the lane of this thread is loaded. */
static unsigned int warm(unsigned int lane)
{
	unsigned int nr;

	for (nr = 0; !is_loaded(lane) && nr < MOST_TURNS; nr++)
		mempool_free(take_one(), pool);
	return nr;
}

static void warm_other(void)
{
	warm(other->lane);
}

/* A pool whose last element, or last @nr, the other CPU has cached. */
static bool cache_on_other(int min_nr)
{
	unsigned int i;

	if (!have_other() || !make_pool(min_nr, 0))
		return false;
	core->cached.cap = (unsigned int)min_nr;
	on_other(warm_other);
	for (i = 0; i < (unsigned int)min_nr - nr_cached(other->lane); i++)
		ck_assert_ptr_nonnull(elems[i] = take_one());
	while (i)
		mempool_free(elems[--i], pool);
	ck_assert_uint_eq(nr_cached(other->lane), min_nr);
	ck_assert_uint_eq(core->reserve.nr, 0);
	return true;
}

/* ---- which pools, and when ----------------------------------------------- */

START_TEST(what_is_cached_is_taken_and_given_without_the_lock)
{
	unsigned int i;

	if (!make_pool(MANY, _i ? MEMPOOL_FIXED : 0))
		return;
	warm(own_lane);
	core_lock(core);
	for (i = 0; i < 1000; i++)
		mempool_free(take_one(), pool);
	pool_lock_release(&core->lock);
	ck_assert_uint_eq(stats_of(pool).outstanding, 0);
	ck_assert_uint_eq(stats_of(pool).alloc_reserve,
			  stats_of(pool).free_reserve);
	ck_assert_uint_ge(stats_of(pool).alloc_reserve, 1000);
	end_pool();
}
END_TEST

/* By either way: one call asks the backend once, if there is one to ask. */
START_TEST(a_backend_that_fails_is_counted_if_it_is_asked)
{
	unsigned int nr, i;

	if (!make_pool(MANY, _i ? MEMPOOL_FIXED : 0))
		return;
	ck_assert_uint_eq(stats_of(pool).backend_failures, 0);
	nr = warm(own_lane);
	for (i = 0; i < 100; i++)
		mempool_free(take_one(), pool);
	ck_assert(is_loaded(own_lane));
	ck_assert_uint_eq(stats_of(pool).backend_failures, _i ? 0 : nr + 100);
	end_pool();
}
END_TEST

START_TEST(a_cpu_may_have_a_part_of_half_the_reserve)
{
	unsigned int two_each = 2 * lane_nr_online;

	if (!make_pool(MANY, 0))
		return;
	backend_give(&backend, GIVE_ALWAYS);
	ck_assert_int_eq(mempool_resize(pool, (int)(9 * two_each)), 0);
	ck_assert_uint_eq(core->cached.cap, 9);
	ck_assert_int_eq(mempool_resize(pool, (int)((MAGAZINE_MAX + 1) *
						    two_each)), 0);
	ck_assert_uint_eq(core->cached.cap, MAGAZINE_MAX);
	ck_assert_int_eq(mempool_resize(pool, 0), 0);
	ck_assert_uint_eq(core->cached.cap, 1);
	end_pool();
}
END_TEST

START_TEST(statistics_say_whether_it_is_cached)
{
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;
	bool can = false;
	int min_nr = 4;

	backend_init(&backend, SIZE);
	switch (_i) {
	case 0:
		attr.flags = MEMPOOL_CACHED;
		can = lane_is_cpu;
		break;
	case 1:
		break;
	case 2:
		attr.flags = MEMPOOL_CACHED;
		attr.max_nr = 8;
		break;
	case 3:
		attr.flags = MEMPOOL_CACHED;
		min_nr = 0;
		break;
	default:
		attr.flags = MEMPOOL_CACHED | MEMPOOL_PRIO_INHERIT;
		can = lane_is_cpu;
		break;
	}
	pool = mempool_create_attr(min_nr, backend_alloc, backend_free,
				   &backend, &attr);
	ck_assert_ptr_nonnull(pool);
	ck_assert_uint_eq(stats_of(pool).cached, can);
	ck_assert(can == (pool->kmp_core->lanes != NULL));
	end_pool();
}
END_TEST

/* The reserve is full, nothing of it is cached, and nobody waits.  _i: by a
 * thread that has not counted anything yet. */
START_TEST(what_the_backend_gave_goes_back_to_it)
{
	struct freer freer;
	void *element;

	if (!make_pool(4, 0))
		return;
	backend_give(&backend, GIVE_ALWAYS);
	element = take_one();
	ck_assert(pool->kmp_gate != COUNTERS_CLOSED);
	freer_start(&freer, pool, _i ? element : NULL);
	freer_join(&freer);
	mempool_free(_i ? NULL : element, pool);
	ck_assert_uint_eq(backend_frees(&backend), 1);
	ck_assert_uint_eq(stats_of(pool).free_backend, 1);
	end_pool();
}
END_TEST

START_TEST(a_bulk_has_the_room_of_what_is_cached)
{
	unsigned int nr;

	if (!make_pool(MANY, 0))
		return;
	warm(own_lane);
	for (nr = 0; nr_cached(own_lane); nr++)
		elems[nr] = take_one();
	ck_assert(is_loaded(own_lane));
	ck_assert_uint_gt(core->reserve.nr + nr, core->room);
	ck_assert_uint_le(nr, core->reserve.nr);
	ck_assert_uint_eq(mempool_free_bulk(pool, elems, nr), nr);
	end_pool();
}
END_TEST

/* The lane had a magazine, which is empty. */
START_TEST(a_recall_in_vain_takes_nothing)
{
	void *last;

	if (!make_pool(1, 0))
		return;
	warm(own_lane);
	last = take_one();
	ck_assert(is_loaded(own_lane));
	errno = MARK;
	ck_assert_ptr_null(_i ? mempool_alloc_preallocated(pool) : take_one());
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_uint_eq(nr_loaded_lanes(), 0);
	mempool_free(last, pool);
	end_pool();
}
END_TEST

/* The next to get one may be a cache. */
START_TEST(a_pool_that_ends_leaves_its_magazines_empty)
{
	unsigned int i;

	if (!make_pool(MANY, 0))
		return;
	warm(own_lane);
	mempool_free(take_one(), pool);
	end_pool();
	for (i = 0; i < lane_nr_online; i++)
		ck_assert_uint_eq(magazine_nr(magazine_get()), 0);
}
END_TEST

START_TEST(nothing_is_cached_before_it_was_quiet)
{
	unsigned int nr;

	if (!make_pool(MANY, 0))
		return;
	nr = warm(own_lane);
	ck_assert_uint_ge(2 * nr, core->cached.nr_needed);
	ck_assert_uint_le(nr, core->cached.nr_needed);
	ck_assert_uint_eq(nr_loaded_lanes(), 1);
	ck_assert_uint_eq(core->cached.nr_quiet, 0);
	end_pool();
}
END_TEST

START_TEST(who_had_to_wait_ends_it_until_it_was_quiet_again)
{
	unsigned int needed;
	struct sleeper s;
	void *last;

	if (!make_pool(1, 0))
		return;
	needed = core->cached.nr_needed;
	warm(own_lane);
	last = take_one();
	sleeper_start(&s, pool, 0);
	ck_assert(wait_for_waiters(pool, 1));
	ck_assert_uint_eq(nr_loaded_lanes(), 0);
	mempool_free(last, pool);
	ck_assert_int_eq(sleeper_join(&s), 0);
	sleeper_free(&s);
	/* It had not paid. */
	ck_assert_uint_eq(core->cached.nr_needed, 2 * needed);
	ck_assert_uint_ge(2 * warm(own_lane) + 4, 2 * needed);
	end_pool();
}
END_TEST

/* A wait with nothing cached yet, though it might be. */
START_TEST(a_wait_is_not_quiet)
{
	struct sleeper s;
	void *last;

	if (!make_pool(1, 0))
		return;
	core->cached.state = CACHED_ON;
	core->cached.nr_quiet = 63;
	core->cached.nr_recalling = 1;
	last = take_one();
	sleeper_start(&s, pool, 0);
	ck_assert(wait_for_waiters(pool, 1));
	core->cached.nr_recalling = 0;
	ck_assert_int_eq(core->cached.state, CACHED_OFF);
	ck_assert_uint_eq(core->cached.nr_quiet, 0);
	mempool_free(last, pool);
	ck_assert_int_eq(sleeper_join(&s), 0);
	sleeper_free(&s);
	end_pool();
}
END_TEST

/* It is quiet while somebody recalls, and pays: less is needed afterwards than
 * was counted meanwhile. */
static bool be_quiet_at_fence(const struct lane_set *lanes)
{
	unsigned int i;

	atomic_store(&fence, NULL);
	for (i = 0; i < 50; i++)
		mempool_free(take_one(), pool);
	return __real_lane_fence(lanes);
}

START_TEST(what_was_quiet_during_a_recall_does_not_count)
{
	unsigned int i;

	if (!make_pool(MANY, 0))
		return;
	core->cached.nr_needed = 128;
	warm(own_lane);
	for (i = 0; i < 5000; i++)
		mempool_free(take_one(), pool);
	atomic_store(&fence, be_quiet_at_fence);
	stats_of(pool);
	ck_assert_uint_eq(core->cached.nr_needed, 64);
	ck_assert_uint_eq(core->cached.nr_quiet, 0);
	ck_assert_uint_ge(2 * warm(own_lane), 64);
	ck_assert_uint_eq(nr_loaded_lanes(), 1);
	end_pool();
}
END_TEST

/* As if its thread were stopped. */
static bool let_go_once(const struct lane_set *lanes)
{
	(void)lanes;
	atomic_store(&fence, NULL);
	return false;
}

START_TEST(a_try_that_got_nowhere_is_made_again)
{
	unsigned int nr;

	if (!make_pool(MANY, 0))
		return;
	nr = core->cached.nr_needed;
	atomic_store(&fence, let_go_once);
	ck_assert_uint_ge(2 * warm(own_lane), 2 * nr);
	ck_assert_ptr_null(atomic_load(&fence));
	ck_assert_uint_eq(nr_loaded_lanes(), 1);
	end_pool();
}
END_TEST

/* Every column of counters has been given away. */
START_TEST(a_pool_without_cells_says_that_nothing_is_cached)
{
	static mempool_t *others[1000];
	unsigned int nr, i;

	if (!make_pool(2, 0))
		return;
	for (nr = 0; nr < 1000; nr++) {
		others[nr] = pool_over(&backend, 0, 0);
		ck_assert_ptr_nonnull(others[nr]);
		if (others[nr]->kmp_core->slot->offset == COUNTERS_SHARED)
			break;
	}
	ck_assert_uint_lt(nr, 1000);
	backend_give(&backend, GIVE_ALWAYS);
	mempool_destroy(others[nr]);
	others[nr] = pool_over(&backend, 4, MEMPOOL_CACHED);
	ck_assert_ptr_nonnull(others[nr]);
	ck_assert_uint_eq(stats_of(others[nr]).cached, 0);
	for (i = 0; i <= nr; i++)
		mempool_destroy(others[i]);
	ck_assert_uint_eq(stats_of(pool).cached, 1);
	end_pool();
}
END_TEST

START_TEST(what_pays_is_cached_sooner_again)
{
	unsigned int i;

	if (!make_pool(MANY, 0))
		return;
	core->cached.nr_needed = 1024;
	warm(own_lane);
	for (i = 0; i < 5000; i++)
		mempool_free(take_one(), pool);
	ck_assert_uint_eq(stats_of(pool).curr_nr, MANY);
	ck_assert_uint_eq(core->cached.nr_needed, 512);
	warm(own_lane);
	stats_of(pool);
	ck_assert_uint_eq(core->cached.nr_needed, 1024);
	for (i = 0; i < 30; i++) {
		warm(own_lane);
		stats_of(pool);
	}
	ck_assert_uint_eq(core->cached.nr_needed, 65536);
	end_pool();
}
END_TEST

/* Recalls what is loaded, which was worth so many takes. */
static unsigned int needed_after(unsigned int needed, uint64_t nr_taken)
{
	core->cached.nr_needed = needed;
	core->cached.nr_taken = nr_taken;
	stats_of(pool);
	ck_assert_uint_eq(nr_loaded_lanes(), 0);
	ck_assert_uint_eq(core->cached.nr_taken, 0);
	return core->cached.nr_needed;
}

START_TEST(what_pays_is_1024_takes_of_each_lane)
{
	if (!have_other() || !make_pool(MANY, 0))
		return;
	warm(own_lane);
	ck_assert_uint_eq(needed_after(256, 1023), 512);
	warm(own_lane);
	ck_assert_uint_eq(needed_after(256, 1024), 128);
	warm(own_lane);
	ck_assert_uint_eq(needed_after(64, 1024), 64);
	warm(own_lane);
	on_other(warm_other);
	ck_assert_uint_eq(nr_loaded_lanes(), 2);
	ck_assert_uint_eq(needed_after(256, 2047), 512);
	end_pool();
}
END_TEST

START_TEST(a_magazine_is_loaded_half_full_if_that_is_possible)
{
	unsigned int i;

	if (!make_pool(MANY, 0))
		return;
	core->cached.cap = 8;
	for (i = 0; i < 20; i++)
		ck_assert_ptr_nonnull(elems[i] = take_one());
	warm(own_lane);
	ck_assert_uint_eq(nr_cached(own_lane), 4);
	while (i)
		mempool_free(elems[--i], pool);
	end_pool();
}
END_TEST

START_TEST(while_the_backend_lives_nothing_is_cached)
{
	unsigned int i;

	if (!make_pool(MANY, 0))
		return;
	backend_give(&backend, GIVE_ALWAYS);
	for (i = 0; i < 1000; i++)
		mempool_free(take_one(), pool);
	ck_assert_uint_eq(nr_loaded_lanes(), 0);
	ck_assert_uint_eq(stats_of(pool).alloc_backend, 1000);
	end_pool();
}
END_TEST

START_TEST(what_goes_from_cpu_to_cpu_goes_through_the_reserve)
{
	unsigned int i;

	if (!have_other() || !make_pool(MANY, 0))
		return;
	warm(own_lane);
	on_other(warm_other);
	ck_assert_uint_eq(nr_loaded_lanes(), 2);
	/* Half of it is never cached. */
	ck_assert_uint_ge(core->room, MANY / 2);
	for (i = 0; i < MANY; i++)
		ck_assert_ptr_nonnull(elems[i] = take_one());
	ck_assert_ptr_null(take_one());
	while (i)
		mempool_free(elems[--i], pool);
	end_pool();
}
END_TEST

/* ---- recall -------------------------------------------------------------- */

static void nowait(void)
{
	void *element = take_one();

	ck_assert_ptr_nonnull(element);
	mempool_free(element, pool);
}

static void preallocated(void)
{
	void *element = mempool_alloc_preallocated(pool);

	ck_assert_ptr_nonnull(element);
	mempool_free(element, pool);
}

static void with_deadline(void)
{
	struct timespec past = deadline_past();
	void *element = mempool_alloc_until(pool, GFP_KERNEL, &past);

	ck_assert_ptr_nonnull(element);
	mempool_free(element, pool);
}

static void waiting(void)
{
	void *element = mempool_alloc(pool, GFP_KERNEL);

	ck_assert_ptr_nonnull(element);
	ck_assert_uint_eq(core->stats.waits, 0);
	mempool_free(element, pool);
}

static void bulk(void)
{
	unsigned int nr = core->min_nr;

	ck_assert_int_eq(mempool_alloc_bulk_until(pool, elems, nr, GFP_NOWAIT,
						  NULL), 0);
	ck_assert_uint_eq(mempool_free_bulk(pool, elems, nr), nr);
}

static void bulk_waiting(void)
{
	unsigned int nr = core->min_nr;

	ck_assert_int_eq(mempool_alloc_bulk(pool, elems, nr), 0);
	ck_assert_uint_eq(core->stats.waits, 0);
	ck_assert_uint_eq(mempool_free_bulk(pool, elems, nr), nr);
}

static void statistics(void)
{
	ck_assert_uint_eq(stats_of(pool).curr_nr, core->min_nr);
}

static void saturated(void)
{
	ck_assert(mempool_is_saturated(pool));
}

static void drained(void)
{
	struct timespec past = deadline_past();

	ck_assert_int_eq(mempool_drain_until(pool, &past), 0);
	ck_assert_uint_eq(core->reserve.nr, core->min_nr);
}

static void shutdown(void)
{
	mempool_shutdown(pool);
	ck_assert_uint_eq(core->reserve.nr, core->min_nr);
	warm(own_lane);
	ck_assert_uint_eq(nr_loaded_lanes(), 0);
}

static void refill(void)
{
	unsigned int nr = backend_calls(&backend);

	ck_assert_int_eq(mempool_refill(pool), 0);
	ck_assert_uint_eq(backend_calls(&backend), nr);
}

static void shrunk(void)
{
	unsigned int nr = core->min_nr;

	ck_assert_int_eq(mempool_resize(pool, 0), 0);
	ck_assert_uint_eq(backend_frees(&backend), nr);
	ck_assert_uint_eq(core->reserve.nr, 0);
}

static void grown(void)
{
	unsigned int nr = core->min_nr;

	backend_give(&backend, 1);
	ck_assert_int_eq(mempool_resize(pool, (int)nr + 1), 0);
	ck_assert_uint_eq(core->reserve.nr, nr + 1);
	ck_assert(mempool_is_saturated(pool));
}

static void end_all(void)
{
	ck_assert(pool_end(pool, &backend));
	ck_assert(make_pool(1, 0));
}

/* None of a foreign element that nobody wants. */
static void given_bulk(void)
{
	void *element = malloc(SIZE);

	ck_assert_uint_eq(mempool_free_bulk(pool, &element, 1), 0);
	free(element);
}

static void (*const recalls[])(void) = {
	nowait, preallocated, with_deadline, waiting, bulk, bulk_waiting,
	statistics, saturated, drained, shutdown, refill, shrunk, grown,
	end_all, given_bulk
};
#define NR_RECALLS	((int)(sizeof(recalls) / sizeof(recalls[0])))

/* One and several. */
START_TEST(what_another_cpu_has_cached_is_had_back)
{
	unsigned int before;

	if (!cache_on_other(_i % 2 ? 5 : 1))
		return;
	before = atomic_load(&nr_fences);
	errno = MARK;
	recalls[_i / 2]();
	ck_assert_int_eq(errno, MARK);
	ck_assert_uint_ge(atomic_load(&nr_fences), before + 1);
	ck_assert_uint_eq(nr_loaded_lanes(), 0);
	ck_assert_ptr_null(core->cached.recall.limbo);
	ck_assert_uint_eq(core->room, core->min_nr);
	end_pool();
}
END_TEST

/* Until the fence has passed, it is in limbo. */
static unsigned int nr_at_fence;

static bool look_at_fence(const struct lane_set *lanes)
{
	core_lock(core);
	nr_at_fence = core->reserve.nr;
	pool_lock_release(&core->lock);
	return __real_lane_fence(lanes);
}

START_TEST(nothing_is_in_the_reserve_before_the_fence)
{
	if (!cache_on_other(3))
		return;
	nr_at_fence = 3;
	atomic_store(&fence, look_at_fence);
	ck_assert_uint_eq(stats_of(pool).curr_nr, 3);
	atomic_store(&fence, NULL);
	ck_assert_uint_eq(nr_at_fence, 0);
	end_pool();
}
END_TEST

/* The other recalls, and is held up in its fence. */
static sem_t in_fence, may_pass;

static bool wait_if_other(const struct lane_set *lanes)
{
	if (pthread_equal(pthread_self(), other->thread)) {
		sem_post(&in_fence);
		sem_wait(&may_pass);
	}
	return __real_lane_fence(lanes);
}

static void look(void)
{
	stats_of(pool);
}

START_TEST(nobody_waits_for_who_recalls)
{
	void *element;

	if (!cache_on_other(1))
		return;
	sem_init(&in_fence, 0, 0);
	sem_init(&may_pass, 0, 0);
	atomic_store(&fence, wait_if_other);
	start_on_other(look);
	sem_wait(&in_fence);
	ck_assert_ptr_nonnull(core->cached.recall.limbo);
	element = mempool_alloc(pool, GFP_KERNEL);
	ck_assert_ptr_nonnull(element);
	mempool_free(element, pool);
	/* And nothing is loaded meanwhile. */
	ck_assert_uint_eq(warm(own_lane), MOST_TURNS);
	sem_post(&may_pass);
	wait_for_other();
	atomic_store(&fence, NULL);
	ck_assert_uint_eq(core->cached.nr_recalling, 0);
	ck_assert_uint_le(warm(own_lane), core->cached.nr_needed);
	end_pool();
}
END_TEST

START_TEST(a_failing_call_has_looked_everywhere)
{
	if (!cache_on_other(2))
		return;
	ck_assert_ptr_nonnull(elems[0] = take_one());
	ck_assert_ptr_nonnull(elems[1] = take_one());
	ck_assert_ptr_null(take_one());
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_uint_eq(stats_of(pool).nowait_failures, 1);
	mempool_free(elems[0], pool);
	mempool_free(elems[1], pool);
	end_pool();
}
END_TEST

START_TEST(what_is_cached_counts_as_out_for_the_lowest_level)
{
	if (!cache_on_other(4))
		return;
	ck_assert_uint_eq(stats_of(pool).low_nr, 0);
	ck_assert_uint_eq(stats_of(pool).curr_nr, 4);
	end_pool();
}
END_TEST

/* ---- the gate, and what the reserve may collect -------------------------- */

START_TEST(the_gate_opens_again)
{
	void *element;

	if (!cache_on_other(2))
		return;
	ck_assert_int_eq(pool->kmp_gate, COUNTERS_CLOSED);
	backend_give(&backend, GIVE_ALWAYS);
	element = take_one();
	ck_assert_uint_eq(nr_loaded_lanes(), 1);
	ck_assert_int_eq(pool->kmp_gate, COUNTERS_CLOSED);
	/* Nobody wants it, so nothing need be cached either. */
	mempool_free(element, pool);
	ck_assert_uint_eq(nr_loaded_lanes(), 0);
	ck_assert_uint_eq(backend_frees(&backend), 1);
	mempool_free(take_one(), pool);
	ck_assert_int_eq(pool->kmp_gate, core->open_gate);
	end_pool();
}
END_TEST

START_TEST(the_reserve_collects_no_more_than_min_nr)
{
	unsigned int i;

	if (!cache_on_other(MANY))
		return;
	/* As many are out as there can be, and twice as many come back. */
	for (i = 0; i < MANY / 2; i++)
		ck_assert_ptr_nonnull(elems[i] = take_one());
	core->cached.nr_needed = 64;
	warm(own_lane);
	on_other(warm_other);
	backend_give(&backend, MANY);
	for (; i < MANY; i++)
		ck_assert_ptr_nonnull(elems[i] = take_one());
	while (i)
		mempool_free(elems[--i], pool);
	ck_assert_uint_eq(backend_frees(&backend), MANY / 2);
	ck_assert_uint_eq(stats_of(pool).curr_nr, MANY);
	end_pool();
}
END_TEST

START_TEST(a_small_pool_has_no_more_cached_than_it_has)
{
	int i;

	if (!have_other() || !make_pool(_i, 0))
		return;
	for (i = 0; i < 3; i++) {
		warm(own_lane);
		on_other(warm_other);
	}
	ck_assert_uint_le(nr_loaded_lanes(), _i);
	ck_assert_uint_eq(stats_of(pool).curr_nr, _i);
	ck_assert_int_eq(mempool_resize(pool, 2 * MANY), 0);
	ck_assert_uint_ge(core->cached.cap, 1);
	ck_assert_int_eq(mempool_resize(pool, 0), 0);
	ck_assert_uint_eq(core->cached.cap, 1);
	end_pool();
}
END_TEST

START_TEST(a_pool_that_grew_and_is_not_full_caches_nothing)
{
	if (!make_pool(2, 0))
		return;
	ck_assert_int_eq(mempool_resize(pool, 4), 0);
	ck_assert_uint_eq(warm(own_lane), MOST_TURNS);
	backend_give(&backend, 2);
	ck_assert_int_eq(mempool_refill(pool), 0);
	ck_assert_uint_lt(warm(own_lane), MOST_TURNS);
	end_pool();
}
END_TEST

/* ---- stopped threads ----------------------------------------------------- */

static atomic_bool stops;

/* A backend that is dead, and where the other stops. */
static void *stop_in_alloc_fn(gfp_t gfp, void *pool_data)
{
	(void)gfp;
	(void)pool_data;
	if (atomic_load(&stops) &&
	    pthread_equal(pthread_self(), other->thread))
		return *(void *volatile *)absent;
	return NULL;
}

static void *got;

static void take_there(void)
{
	got = take_one();
}

START_TEST(a_thread_stopped_in_the_backend_keeps_no_element_from_who_waits)
{
	void *element;

	if (!make_absent() || !cache_on_other(1))
		return;
	core->alloc_fn = stop_in_alloc_fn;
	pool->kmp_alloc_fn = stop_in_alloc_fn;
	atomic_store(&stops, true);
	start_on_other(take_there);
	ck_assert(wait_for_fault());
	ck_assert_uint_eq(nr_cached(other->lane), 1);
	element = mempool_alloc(pool, GFP_KERNEL);
	ck_assert_ptr_nonnull(element);
	atomic_store(&stops, false);
	make_present();
	wait_for_other();
	ck_assert_ptr_null(got);
	mempool_free(element, pool);
	end_pool();
	end_absent();
}
END_TEST

/*
 * A child with two threads, of which one is stopped anywhere by its parent,
 * who is its tracer: where a stopped thread is its program counter stays, in
 * the middle of a sequence too.
 */
struct tracee {
	atomic_int	tid;		/* of who is stopped */
	atomic_bool	outside;	/* it has nothing, and is in no call */
	atomic_uint	lane;
	atomic_uint	nr_cached;	/* outside, and its CPU had it */
	atomic_uint	turn;		/* the parent's, then the child's */
	atomic_uint	nr_served, nr_unserved, nr_served_outside;
	atomic_uint	nr_lost;	/* outside, and not served */
	atomic_uint	nr_doubled;
	atomic_uint	owner;
	atomic_bool	stop;
};

static struct tracee *tracee;
#define NR_STOPS	(test_long() ? 20000u : 600u)

static void have(void *element, unsigned int who)
{
	if (!element)
		return;
	if (atomic_exchange(&tracee->owner, who))
		atomic_fetch_add(&tracee->nr_doubled, 1);
	if (atomic_exchange(&tracee->owner, 0) != who)
		atomic_fetch_add(&tracee->nr_doubled, 1);
	mempool_free(element, pool);
}

static void *take_and_give(void *unused)
{
	volatile int i;

	stay_on(1);
	atomic_store(&tracee->lane, (unsigned int)sched_getcpu());
	atomic_store(&tracee->tid, (int)syscall(SYS_gettid));
	while (!atomic_load(&tracee->stop)) {
		have(take_one(), 1);
		atomic_store(&tracee->outside, true);
		for (i = 0; i < 20; i++)
			;
		atomic_store(&tracee->outside, false);
	}
	return unused;
}

/* The other is stopped. */
static void want_the_element(void)
{
	bool outside = atomic_load(&tracee->outside);
	struct timespec deadline = deadline_in_ms(outside ? 5000 : 2);
	void *element = NULL;

	if (outside)
		atomic_fetch_add(&tracee->nr_cached,
				 nr_cached(atomic_load(&tracee->lane)));
	/* It may have that. */
	if (pool_lock_try(&core->lock)) {
		/* So that the element is cached again soon. */
		core->cached.nr_needed = 32;
		pool_lock_release(&core->lock);
		element = mempool_alloc_until(pool, GFP_KERNEL, &deadline);
	}
	if (element) {
		atomic_fetch_add(&tracee->nr_served, 1);
		atomic_fetch_add(&tracee->nr_served_outside, outside);
	} else {
		atomic_fetch_add(&tracee->nr_unserved, 1);
		atomic_fetch_add(&tracee->nr_lost, outside);
	}
	have(element, 2);
}

static int be_traced(void)
{
	unsigned int turn = 0;
	pthread_t thread;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (pthread_create(&thread, NULL, take_and_give, NULL))
		return 1;
	stay_on(0);
	while (!atomic_load(&tracee->stop)) {
		if (atomic_load(&tracee->turn) == 2 * turn) {
			sched_yield();
			continue;
		}
		want_the_element();
		turn++;
		atomic_store(&tracee->turn, 2 * turn);
	}
	pthread_join(thread, NULL);
	return stats_of(pool).outstanding || stats_of(pool).curr_nr != 1;
}

static bool stop_and_let_go(pid_t tid, unsigned int turn)
{
	int status;

	if (ptrace(PTRACE_INTERRUPT, tid, 0, 0) ||
	    waitpid(tid, &status, __WALL) != tid || !WIFSTOPPED(status))
		return false;
	atomic_store(&tracee->turn, 2 * turn + 1);
	while (atomic_load(&tracee->turn) == 2 * turn + 1)
		sched_yield();
	return !ptrace(PTRACE_CONT, tid, 0, 0);
}

/* The child's wait status. */
static int trace(void)
{
	unsigned int turn;
	int status = -1;
	pid_t tid;

	while (!(tid = atomic_load(&tracee->tid)))
		pause_ms(1);
	if (ptrace(PTRACE_SEIZE, tid, 0, 0)) {
		printf("skip: no thread can be traced\n");
	} else {
		for (turn = 0; turn < NR_STOPS; turn++) {
			usleep(turn % 100);
			if (!stop_and_let_go(tid, turn))
				break;
		}
		ck_assert_uint_eq(turn, NR_STOPS);
	}
	atomic_store(&tracee->stop, true);
	while (waitpid(-1, &status, __WALL) > 0)
		if (WIFSTOPPED(status))
			ptrace(PTRACE_CONT, tid, 0, 0);
	return status;
}

START_TEST(a_thread_stopped_anywhere_keeps_no_element_from_who_waits)
{
	pid_t child;
	int status;

	if (!stay_on(1) || !stay_on(0) || !make_pool(1, MEMPOOL_FIXED))
		return;
	tracee = mmap(NULL, sizeof(*tracee), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert(tracee != MAP_FAILED);
	child = fork();
	if (child == 0)
		_exit(be_traced());
	ck_assert_int_gt(child, 0);
	status = trace();
	printf("check_cached: %u served, %u of them while the other was "
	       "outside, and for %u its CPU had it; %u not\n",
	       atomic_load(&tracee->nr_served),
	       atomic_load(&tracee->nr_served_outside),
	       atomic_load(&tracee->nr_cached),
	       atomic_load(&tracee->nr_unserved));
	ck_assert_int_eq(status, 0);
	ck_assert_uint_eq(atomic_load(&tracee->nr_lost), 0);
	ck_assert_uint_eq(atomic_load(&tracee->nr_doubled), 0);
	ck_assert_uint_gt(atomic_load(&tracee->nr_cached), 0);
	munmap(tracee, sizeof(*tracee));
	end_pool();
}
END_TEST

/* ---- a fence that is refused --------------------------------------------- */

static bool refuse(const struct lane_set *lanes)
{
	(void)lanes;
	return false;
}

START_TEST(a_refused_fence_loses_what_was_cached_until_the_end)
{
	struct mempool_stats s;
	unsigned int i;

	if (!cache_on_other(3))
		return;
	atomic_store(&fence, refuse);
	ck_assert_ptr_null(take_one());
	s = stats_of(pool);
	ck_assert_uint_eq(s.curr_nr, 0);
	ck_assert_uint_eq(s.outstanding, 0);
	ck_assert_uint_eq(core->room, 3);
	/* Others take their place. */
	backend_give(&backend, 3);
	ck_assert_int_eq(mempool_refill(pool), 0);
	for (i = 0; i < 3; i++)
		ck_assert_ptr_nonnull(elems[i] = take_one());
	while (i)
		mempool_free(elems[--i], pool);
	ck_assert_uint_eq(backend_live(&backend), 6);
	end_pool();
	atomic_store(&fence, NULL);
}
END_TEST

START_TEST(no_lane_is_loaded_if_no_fence_passes)
{
	if (!make_pool(4, 0))
		return;
	atomic_store(&fence, refuse);
	ck_assert_uint_eq(warm(own_lane), MOST_TURNS);
	ck_assert_uint_eq(nr_loaded_lanes(), 0);
	end_pool();
	pool = pool_over(&backend, 1, MEMPOOL_CACHED);
	ck_assert(!pool || !pool->kmp_core->lanes);
	mempool_destroy(pool);
	atomic_store(&fence, NULL);
}
END_TEST

/* Recalls of another pool have shown that fences do not pass any more. */
static int go_on_in_another_pool(void)
{
	mempool_t *first;
	unsigned int i;

	if (!make_pool(MANY, 0))
		return 0;
	first = pool;
	warm(own_lane);
	backend_give(&backend, MANY);
	pool = pool_over(&backend, MANY, MEMPOOL_CACHED);
	if (!pool)
		return 2;
	core = pool->kmp_core;
	core->cached.state = CACHED_ON;
	if (!refuse_membarrier(EPERM))
		return 0;
	stats_of(first);
	for (i = 0; i < 1000; i++)
		mempool_free(take_one(), pool);
	if (nr_loaded_lanes() || stats_of(pool).cached ||
	    stats_of(pool).curr_nr != MANY)
		return 3;
	mempool_destroy(first);
	return !pool_end(pool, &backend);
}

START_TEST(once_a_fence_is_refused_no_pool_caches_more)
{
	ck_assert(in_child(go_on_in_another_pool));
}
END_TEST

/* A filter that comes before the first element is cached loses none. */
static int go_on_without_membarrier(void)
{
	unsigned int i;

	if (!make_pool(MANY, 0) || !refuse_membarrier(EPERM))
		return 0;
	warm(own_lane);
	if (nr_loaded_lanes() || stats_of(pool).cached)
		return 2;
	for (i = 0; i < MANY; i++)
		if (!(elems[i] = take_one()))
			return 3;
	while (i)
		mempool_free(elems[--i], pool);
	if (!pool_end(pool, &backend))
		return 4;
	backend_init(&backend, SIZE);
	pool = pool_over(&backend, 1, MEMPOOL_CACHED);
	if (!pool || stats_of(pool).cached)
		return 5;
	mempool_destroy(pool);
	return 0;
}

START_TEST(a_program_that_is_refused_membarrier_has_its_reserve)
{
	ck_assert(in_child(go_on_without_membarrier));
}
END_TEST

/* ---- fork ---------------------------------------------------------------- */

static int nr_expected;

static int have_all(void)
{
	int nr;

	atomic_store(&fence, NULL);
	for (nr = 0; (elems[nr] = take_one()); nr++)
		;
	if (nr != nr_expected || core->cached.nr_recalling)
		return 2;
	while (nr)
		mempool_free(elems[--nr], pool);
	/* And all goes on. */
	core->cached.nr_needed = 64;
	if (warm(own_lane) == MOST_TURNS)
		return 3;
	return !pool_end(pool, &backend);
}

START_TEST(the_child_of_a_fork_has_what_was_cached)
{
	if (!cache_on_other(5))
		return;
	nr_expected = 5;
	ck_assert(in_child(have_all));
	end_pool();
}
END_TEST

START_TEST(the_child_of_a_fork_has_what_another_was_recalling)
{
	bool had;

	if (!cache_on_other(5))
		return;
	nr_expected = 5;
	sem_init(&in_fence, 0, 0);
	sem_init(&may_pass, 0, 0);
	atomic_store(&fence, wait_if_other);
	start_on_other(look);
	sem_wait(&in_fence);
	had = in_child(have_all);
	sem_post(&may_pass);
	wait_for_other();
	atomic_store(&fence, NULL);
	ck_assert(had);
	end_pool();
}
END_TEST

/* -------------------------------------------------------------------------- */

/* Elements that are cached come to who waits, on whatever CPU. */
static void add_when(Suite *s)
{
	TCase *tc = tcase_create("when");

	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_loop_test(tc,
		what_is_cached_is_taken_and_given_without_the_lock, 0, 2);
	tcase_add_loop_test(tc, a_backend_that_fails_is_counted_if_it_is_asked,
			    0, 2);
	tcase_add_loop_test(tc, statistics_say_whether_it_is_cached, 0, 5);
	tcase_add_loop_test(tc, what_the_backend_gave_goes_back_to_it, 0, 2);
	tcase_add_test(tc, a_cpu_may_have_a_part_of_half_the_reserve);
	tcase_add_test(tc, a_bulk_has_the_room_of_what_is_cached);
	tcase_add_loop_test(tc, a_recall_in_vain_takes_nothing, 0, 2);
	tcase_add_test(tc, a_pool_that_ends_leaves_its_magazines_empty);
	tcase_add_test(tc, nothing_is_cached_before_it_was_quiet);
	tcase_add_test(tc,
		who_had_to_wait_ends_it_until_it_was_quiet_again);
	tcase_add_test(tc, a_wait_is_not_quiet);
	tcase_add_test(tc, what_was_quiet_during_a_recall_does_not_count);
	tcase_add_test(tc, a_try_that_got_nowhere_is_made_again);
	tcase_add_test(tc, a_pool_without_cells_says_that_nothing_is_cached);
	tcase_add_test(tc, what_pays_is_cached_sooner_again);
	tcase_add_test(tc, what_pays_is_1024_takes_of_each_lane);
	tcase_add_test(tc, a_magazine_is_loaded_half_full_if_that_is_possible);
	tcase_add_test(tc, while_the_backend_lives_nothing_is_cached);
	tcase_add_test(tc, what_goes_from_cpu_to_cpu_goes_through_the_reserve);
	suite_add_tcase(s, tc);
}

static void add_recall(Suite *s)
{
	TCase *tc = tcase_create("recall");

	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_loop_test(tc, what_another_cpu_has_cached_is_had_back, 0,
			    2 * NR_RECALLS);
	tcase_add_test(tc, nothing_is_in_the_reserve_before_the_fence);
	tcase_add_test(tc, nobody_waits_for_who_recalls);
	tcase_add_test(tc, a_failing_call_has_looked_everywhere);
	tcase_add_test(tc, what_is_cached_counts_as_out_for_the_lowest_level);
	tcase_add_test(tc, the_gate_opens_again);
	tcase_add_test(tc, the_reserve_collects_no_more_than_min_nr);
	tcase_add_loop_test(tc, a_small_pool_has_no_more_cached_than_it_has,
			    1, 6);
	tcase_add_test(tc, a_pool_that_grew_and_is_not_full_caches_nothing);
	suite_add_tcase(s, tc);
}

static void add_threads(Suite *s)
{
	TCase *tc = tcase_create("threads");

	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc,
		a_thread_stopped_in_the_backend_keeps_no_element_from_who_waits
		);
	tcase_add_test(tc,
		a_thread_stopped_anywhere_keeps_no_element_from_who_waits);
	tcase_add_test(tc,
		a_refused_fence_loses_what_was_cached_until_the_end);
	tcase_add_test(tc, no_lane_is_loaded_if_no_fence_passes);
	tcase_add_test(tc, once_a_fence_is_refused_no_pool_caches_more);
	tcase_add_test(tc,
		a_program_that_is_refused_membarrier_has_its_reserve);
	tcase_add_test(tc, the_child_of_a_fork_has_what_was_cached);
	tcase_add_test(tc,
		the_child_of_a_fork_has_what_another_was_recalling);
	suite_add_tcase(s, tc);
}

int main(void)
{
	Suite *s = suite_create("cached");

	lanes_begin();
	lane_start();
	add_when(s);
	add_recall(s);
	add_threads(s);
	return run_suite(s);
}
