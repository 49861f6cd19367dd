/* SPDX-License-Identifier: MIT */
/*
 * check_recall.c - what lanes have is had back
 *
 * Covers recall from other CPUs and threads, a fence that is refused, threads
 * that are stopped, run, or go while it is made, forks, and calls that overlap
 * with it.
 *
 * Everything here holds with restartable sequences and without:
 * layer_without.sh runs it once more without.  A test that says more with them
 * asks lane_is_cpu.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <check.h>

#include "absent.h"
#include "lanes.h"
#include "suite.h"
#include "testlib.h"

#define MARK		4242		/* errno before a call */
#define SLAB_SIZE	65536u

static void *seen[NR_OBJECTS];

/* ---- recall -------------------------------------------------------------- */

static void shrink(void)
{
	ck_assert_int_eq(kmem_cache_shrink(cache), 0);
	ck_assert_uint_eq(cache->nr_slabs, 0);
}

static void reset(void)
{
	ck_assert_int_eq(kmem_cache_reset(cache), 0);
	ck_assert_uint_eq(cache_stats_of(cache).active, 0);
}

static void look(void)
{
	struct kmem_cache_stats s = cache_stats_of(cache);

	ck_assert_uint_eq(s.active, 0);
	ck_assert_uint_eq(s.allocs, s.frees);
	ck_assert_uint_eq(s.slabs_full + s.slabs_partial, 0);
}

static void validate(void)
{
	ck_assert_int_eq(kmem_cache_validate(cache), 0);
}

static void destroy_busy(void)
{
	kmem_cache_free(cache, objects[1]);
	ck_assert_int_eq(kmem_cache_destroy(cache), 0);
	make_cache(500);
}

static void (*const recalls[])(void) = {
	shrink, reset, look, validate, destroy_busy
};

START_TEST(what_other_lanes_have_is_recalled)
{
	const unsigned int nr = 10;

	if (!have_other())
		return;
	make_cache(500);
	take(nr);
	give_on_other(nr - 1);
	kmem_cache_free(cache, objects[nr - 1]);
	ck_assert_uint_ge(nr_loaded(other->lane), nr - 1);
	ck_assert_uint_ge(nr_loaded(own_lane), 1);
	if (recalls[_i] == destroy_busy)
		take(2);
	if (recalls[_i] == destroy_busy)
		kmem_cache_free(cache, objects[0]);
	recalls[_i]();
	ck_assert(layer_has_nothing());
	ck_assert_uint_eq(cache->active, 0);
	/* And all goes on. */
	take(nr);
	give_on_other(nr);
	ck_assert_uint_eq(nr_out(), 0);
	end_cache();
}
END_TEST

START_TEST(a_cache_with_objects_outside_goes_on_after_destroy_refused)
{
	if (!have_other())
		return;
	make_cache(500);
	take(20);
	give_on_other(19);
	ck_assert_int_eq(kmem_cache_destroy(cache), -EBUSY);
	ck_assert_uint_eq(cache->active, 1);
	ck_assert(layer_has_nothing());
	kmem_cache_free(cache, objects[19]);
	ck_assert_uint_eq(nr_in_lanes(), 1);
	end_cache();
}
END_TEST

#define NR_GUESTS	8

/* Each frees one, and stays until it was recalled. */
struct guest {
	pthread_t	thread;
	unsigned int	number;
};

static pthread_barrier_t freed, recalled;

static void *free_and_stay(void *arg)
{
	struct guest *g = arg;

	if (!stay_on((int)g->number % 4))
		stay_on((int)g->number % 2);
	kmem_cache_free(cache, objects[g->number]);
	pthread_barrier_wait(&freed);
	pthread_barrier_wait(&recalled);
	return NULL;
}

START_TEST(what_many_threads_freed_is_recalled)
{
	static struct guest guests[NR_GUESTS];
	unsigned int i;

	make_cache(500);
	take(NR_GUESTS);
	pthread_barrier_init(&freed, NULL, NR_GUESTS + 1);
	pthread_barrier_init(&recalled, NULL, NR_GUESTS + 1);
	for (i = 0; i < NR_GUESTS; i++) {
		guests[i].number = i;
		ck_assert_int_eq(pthread_create(&guests[i].thread, NULL,
						free_and_stay, &guests[i]), 0);
	}
	pthread_barrier_wait(&freed);
	ck_assert_uint_ge(nr_in_lanes(), 1);
	ck_assert_uint_eq(cache_stats_of(cache).active, 0);
	ck_assert_int_eq(kmem_cache_shrink(cache), 0);
	ck_assert_uint_eq(cache->nr_slabs, 0);
	ck_assert(layer_has_nothing());
	pthread_barrier_wait(&recalled);
	for (i = 0; i < NR_GUESTS; i++)
		pthread_join(guests[i].thread, NULL);
	end_cache();
}
END_TEST

/* Until the fence has passed, they are in limbo. */
static unsigned int nr_in_slabs_at_fence;

static bool look_at_fence(const struct lane_set *lanes)
{
	cache_lock(cache);
	nr_in_slabs_at_fence = cache->nr_slabs * cache->layout.nr -
			       (unsigned int)cache->active;
	cache_unlock(cache);
	return __real_lane_fence(lanes);
}

START_TEST(nothing_is_given_back_before_the_fence)
{
	unsigned int before;

	make_cache(500);
	take_whole_slab();
	give(20);
	before = atomic_load(&nr_fences);
	atomic_store(&fence, look_at_fence);
	ck_assert_int_eq(kmem_cache_shrink(cache), 0);
	atomic_store(&fence, NULL);
	ck_assert_uint_eq(atomic_load(&nr_fences), before + 1);
	ck_assert_uint_eq(nr_in_slabs_at_fence, 0);
	ck_assert_uint_eq(cache->layout.nr - cache->active, 20);
	kmem_cache_free_bulk(cache, cache->layout.nr - 20, objects + 20);
	end_cache();
}
END_TEST

/* Nothing that is loaded, nothing in limbo: the system is not asked. */
START_TEST(no_fence_is_needed_where_nothing_is_loaded)
{
	unsigned int before;

	make_cache(500);
	take(1);
	kmem_cache_shrink(cache);
	before = atomic_load(&nr_fences);
	kmem_cache_shrink(cache);
	ck_assert_uint_eq(cache_stats_of(cache).active, 1);
	ck_assert_uint_eq(atomic_load(&nr_fences), before);
	give(1);
	end_cache();
}
END_TEST

/* Two recalls at a time, of which the other's waits in its fence. */
static sem_t in_fence, may_pass;

static bool wait_in_fence(const struct lane_set *lanes)
{
	sem_post(&in_fence);
	sem_wait(&may_pass);
	return __real_lane_fence(lanes);
}

static bool wait_if_other(const struct lane_set *lanes)
{
	return pthread_equal(pthread_self(), other->thread)
	       ? wait_in_fence(lanes) : __real_lane_fence(lanes);
}

static void give_and_shrink(void)
{
	give(nr_to_give);
	kmem_cache_shrink(cache);
}

/* In the fence of the main thread's recall, after it has passed. */
static bool let_other_strip(const struct lane_set *lanes)
{
	bool passed;

	if (pthread_equal(pthread_self(), other->thread))
		return wait_in_fence(lanes);
	passed = __real_lane_fence(lanes);
	start_on_other(give_and_shrink);
	sem_wait(&in_fence);
	return passed;
}

START_TEST(what_was_put_into_limbo_after_a_fence_stays_there)
{
	const struct magazine *limbo;

	if (!have_other())
		return;
	sem_init(&in_fence, 0, 0);
	sem_init(&may_pass, 0, 0);
	make_cache(500);
	take(20);
	kmem_cache_shrink(cache);
	kmem_cache_free(cache, objects[19]);
	nr_to_give = 5;
	atomic_store(&fence, let_other_strip);
	kmem_cache_shrink(cache);
	cache_lock(cache);
	limbo = cache->layer.recall.limbo;
	cache_unlock(cache);
	sem_post(&may_pass);
	wait_for_other();
	atomic_store(&fence, NULL);
	ck_assert_ptr_nonnull(limbo);
	ck_assert(layer_has_nothing());
	ck_assert_uint_eq(cache->active, 14);
	kmem_cache_free_bulk(cache, 14, objects + 5);
	end_cache();
}
END_TEST

START_TEST(a_recall_waits_for_no_other_and_takes_what_that_put_into_limbo)
{
	uint64_t active;

	if (!have_other())
		return;
	sem_init(&in_fence, 0, 0);
	sem_init(&may_pass, 0, 0);
	make_cache(500);
	take(20);
	nr_to_give = 20;
	atomic_store(&fence, wait_if_other);
	start_on_other(give_and_shrink);
	sem_wait(&in_fence);
	kmem_cache_shrink(cache);
	active = cache->active;
	sem_post(&may_pass);
	wait_for_other();
	atomic_store(&fence, NULL);
	ck_assert_uint_eq(active, 0);
	ck_assert(layer_has_nothing());
	end_cache();
}
END_TEST

static bool refuse(const struct lane_set *lanes)
{
	(void)lanes;
	return false;
}

/* The other takes one of the two that were recalled, and loads the second. */
static void take_the_first_of_two(void)
{
	objects[0] = kmem_cache_alloc(cache, GFP_NOWAIT);
}

static bool let_other_take(const struct lane_set *lanes)
{
	bool passed = __real_lane_fence(lanes);

	if (!pthread_equal(pthread_self(), other->thread)) {
		atomic_store(&fence, NULL);
		on_other(take_the_first_of_two);
	}
	return passed;
}

START_TEST(an_allocation_recalls_again_what_another_was_first_to_take)
{
	unsigned int nr;

	if (!have_other())
		return;
	make_cache(500);
	nr = take_whole_slab();
	give_on_other(2);
	atomic_store(&no_memory, true);
	atomic_store(&fence, let_other_take);
	objects[1] = kmem_cache_alloc(cache, GFP_NOWAIT);
	ck_assert_ptr_null(atomic_load(&fence));
	atomic_store(&no_memory, false);
	ck_assert_ptr_nonnull(objects[0]);
	ck_assert_ptr_nonnull(objects[1]);
	ck_assert(all_differ(nr));
	ck_assert_uint_eq(cache->failures, 0);
	kmem_cache_free_bulk(cache, nr, objects);
	end_cache();
}
END_TEST

/* ---- a fence that is refused --------------------------------------------- */

/* Neither of the two ways that lead out of limbo doubles anything. */
START_TEST(where_no_fence_passes_what_was_loaded_stays_in_limbo)
{
	struct kmem_cache_stats s;

	if (!have_other())
		return;
	make_cache(500);
	take(20);
	give_on_other(10);
	atomic_store(&fence, refuse);
	ck_assert_int_eq(kmem_cache_shrink(cache), 0);
	ck_assert_ptr_nonnull(cache->layer.recall.limbo);
	s = cache_stats_of(cache);
	ck_assert_uint_eq(s.active, 10);
	ck_assert_uint_eq(s.allocs, 20);
	ck_assert_uint_eq(s.frees, 10);
	give_on_other(0);
	kmem_cache_free_bulk(cache, 10, objects + 10);
	ck_assert_uint_eq(cache_stats_of(cache).active, 0);
	if (_i) {
		atomic_store(&fence, NULL);
		kmem_cache_shrink(cache);
		ck_assert(layer_has_nothing());
		ck_assert_uint_eq(cache->nr_slabs, 0);
	}
	end_cache();
	atomic_store(&fence, NULL);
}
END_TEST

START_TEST(reset_needs_no_fence)
{
	if (!have_other())
		return;
	make_cache(500);
	take(20);
	give_on_other(10);
	atomic_store(&fence, refuse);
	ck_assert_int_eq(kmem_cache_reset(cache), 0);
	ck_assert(layer_has_nothing());
	ck_assert_uint_eq(cache->active, 0);
	ck_assert_uint_eq(cache_stats_of(cache).frees, 10);
	take(20);
	give_on_other(20);
	end_cache();
	atomic_store(&fence, NULL);
}
END_TEST

static const unsigned int refusals[] = { EPERM, ENOSYS };
static unsigned int refusal;

/* What is stripped is in limbo with sequences, else nothing is refused. */
static int go_on_without_membarrier(void)
{
	unsigned int nr;

	if (!have_other())
		return 0;
	make_cache(500);
	nr = take_whole_slab();
	give_on_other(nr / 4);
	if (!refuse_membarrier(refusal))
		return 0;
	errno = MARK;
	if (kmem_cache_shrink(cache) || errno != MARK)
		return 2;
	if (lane_is_cpu != (cache->layer.recall.limbo != NULL))
		return 3;
	if (cache_stats_of(cache).active != nr - nr / 4)
		return 4;
	atomic_store(&no_memory, true);
	if (lane_is_cpu && kmem_cache_alloc(cache, GFP_NOWAIT))
		return 5;
	atomic_store(&no_memory, false);
	/* The first quarter is what was given back, or others. */
	memcpy(seen, objects, nr * sizeof(seen[0]));
	memcpy(objects, seen + nr / 4, (nr - nr / 4) * sizeof(seen[0]));
	if (!take_all(nr - nr / 4, nr / 2))
		return 6;
	nr = nr - nr / 4 + nr / 2;
	give_on_other(nr / 2);
	kmem_cache_free_bulk(cache, nr - nr / 2, objects + nr / 2);
	if (cache_stats_of(cache).active)
		return 7;
	if (kmem_cache_destroy(cache))
		return 8;
	return 0;
}

START_TEST(a_program_that_is_refused_membarrier_loses_and_doubles_nothing)
{
	refusal = refusals[_i];
	ck_assert(in_child(go_on_without_membarrier));
}
END_TEST

static int stop_recalling(void)
{
	uint64_t nr_recalls;

	if (!have_other())
		return 0;
	make_cache(500);
	take(30);
	give_on_other(15);
	kmem_cache_free_bulk(cache, 15, objects + 15);
	if (!refuse_membarrier(EPERM))
		return 0;
	kmem_cache_shrink(cache);
	if (!lane_is_cpu)
		return !layer_has_nothing();
	/* What is loaded from now on stays there. */
	nr_recalls = cache->layer.recall.nr_recalls;
	take(5);
	give_on_other(5);
	on_other(shrink_it);
	if (cache_stats_of(cache).active || !nr_in_lanes() ||
	    cache->layer.recall.nr_recalls != nr_recalls)
		return 2;
	return kmem_cache_reset(cache) || !layer_has_nothing() ||
	       cache->active || kmem_cache_destroy(cache);
}

START_TEST(a_program_that_was_refused_membarrier_recalls_no_more)
{
	ck_assert(in_child(stop_recalling));
}
END_TEST

static int begin_without_membarrier(void)
{
	if (!refuse_membarrier(refusal))
		return 0;
	execl(SELF, "check_layer", "claims", (char *)NULL);
	return 126;
}

START_TEST(a_program_that_never_had_membarrier_has_lanes_that_are_claimed)
{
	refusal = refusals[_i];
	ck_assert(in_child(begin_without_membarrier));
}
END_TEST

/* ---- stopped threads ----------------------------------------------------- */

#define NR_ABSENT	4u
static bool got_them;

static void take_into_absent(void)
{
	got_them = kmem_cache_alloc_bulk(cache, GFP_KERNEL, NR_ABSENT, absent);
}

/* The other thread has objects in its lane, is about to take some, and has
 * stopped in the middle. */
static bool stop_other(void)
{
	if (!make_absent() || !have_other())
		return false;
	make_cache(500);
	take(20);
	give_on_other(20);
	start_on_other(take_into_absent);
	ck_assert(wait_for_fault());
	return true;
}

START_TEST(a_stopped_thread_holds_up_no_recall_and_loses_nothing)
{
	if (!stop_other())
		return;
	ck_assert_int_eq(kmem_cache_shrink(cache), 0);
	/* A lane that is claimed is passed over. */
	if (lane_is_cpu)
		ck_assert_uint_eq(cache->nr_slabs, 0);
	/* It has taken nothing yet. */
	ck_assert_uint_eq(cache_stats_of(cache).active, 0);
	ck_assert(take_all(0, 100));
	make_present();
	wait_for_other();
	ck_assert(got_them);
	memcpy(objects + 100, absent, NR_ABSENT * sizeof(void *));
	ck_assert(all_differ(100 + NR_ABSENT));
	ck_assert_uint_eq(cache_stats_of(cache).active, 100 + NR_ABSENT);
	ck_assert_uint_eq(cache_stats_of(cache).allocs, 120 + NR_ABSENT);
	give(100 + NR_ABSENT);
	end_cache();
	end_absent();
}
END_TEST

START_TEST(an_allocation_that_would_fail_waits_for_no_stopped_thread)
{
	unsigned int nr;

	if (!stop_other())
		return;
	atomic_store(&no_memory, true);
	for (nr = 0; nr < NR_OBJECTS; nr++)
		if (!(objects[nr] = kmem_cache_alloc(cache, GFP_NOWAIT)))
			break;
	atomic_store(&no_memory, false);
	/* All of it; or what no lane that is claimed has. */
	if (lane_is_cpu)
		ck_assert_uint_eq(nr, cache->nr_slabs * cache->layout.nr);
	ck_assert(all_differ(nr));
	make_present();
	wait_for_other();
	ck_assert(got_them);
	memcpy(objects + nr, absent, NR_ABSENT * sizeof(void *));
	ck_assert(all_differ(nr + NR_ABSENT));
	give(nr + NR_ABSENT);
	ck_assert_uint_eq(cache_stats_of(cache).active, 0);
	end_cache();
	end_absent();
}
END_TEST

static void give_absent(void)
{
	kmem_cache_free_bulk(cache, NR_ABSENT, absent);
}

/* What is given back is read from a page that is not there. */
START_TEST(a_thread_stopped_as_it_gives_back_holds_up_no_recall)
{
	if (!make_absent() || !have_other())
		return;
	make_cache(500);
	take(20 + NR_ABSENT);
	give_on_other(20);
	start_on_other(give_absent);
	ck_assert(wait_for_fault());
	ck_assert_int_eq(kmem_cache_shrink(cache), 0);
	ck_assert_uint_eq(cache_stats_of(cache).active, NR_ABSENT);
	/* It reads zeroes, and gives nothing. */
	make_present();
	wait_for_other();
	ck_assert_uint_eq(cache_stats_of(cache).active, NR_ABSENT);
	kmem_cache_free_bulk(cache, NR_ABSENT, objects + 20);
	end_cache();
	end_absent();
}
END_TEST

/* ---- sequences that run -------------------------------------------------- */

#define LONGEST_MS	(test_long() ? 5000 : 300)
#define NR_TAKEN	60u

static atomic_bool stop;
static unsigned int nr_wrong;
static atomic_uint nr_turns;
static void **fresh;			/* a page that is dropped each time */

/* Of an object that is out.  Free ones have 0 there. */
static _Atomic(uintptr_t) *owner_of(void *object)
{
	return (_Atomic(uintptr_t) *)((char *)object + 24);
}

/* Not in one step, and so in less time: most of it is to be the library's. */
static unsigned int change_owner(void *object, uintptr_t from, uintptr_t to)
{
	_Atomic(uintptr_t) *owner = owner_of(object);
	uintptr_t was = atomic_load_explicit(owner, memory_order_relaxed);

	atomic_store_explicit(owner, to, memory_order_relaxed);
	return was != from;
}

static unsigned int own(void *object, uintptr_t who)
{
	return change_owner(object, 0, who);
}

static unsigned int disown(void *object, uintptr_t who)
{
	return change_owner(object, who, 0);
}

static void own_and_disown(void **taken, unsigned int nr, uintptr_t who)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		nr_wrong += own(taken[i], who);
	for (i = 0; i < nr; i++)
		nr_wrong += disown(taken[i], who);
}

/* The page fault in the middle makes a sequence long. */
static void take_into_fresh(void)
{
	while (!atomic_load(&stop)) {
		madvise(fresh, PAGE, MADV_DONTNEED);
		if (!kmem_cache_alloc_bulk(cache, GFP_KERNEL, NR_TAKEN, fresh))
			continue;
		own_and_disown(fresh, NR_TAKEN, 1);
		kmem_cache_free_bulk(cache, NR_TAKEN, fresh);
		atomic_fetch_add(&nr_turns, 1);
	}
}

/* Singly: one sequence after the other. */
static void take_singly(void)
{
	void *taken[8];
	unsigned int i;

	while (!atomic_load(&stop)) {
		for (i = 0; i < 8; i++)
			taken[i] = kmem_cache_alloc(cache, GFP_KERNEL);
		own_and_disown(taken, 8, 1);
		for (i = 0; i < 8; i++)
			kmem_cache_free(cache, taken[i]);
		atomic_fetch_add(&nr_turns, 1);
	}
}

/* In the middle of anything, and until the main thread has recalled; or for a
 * while, if it has the lock that this needs. */
static atomic_uint nr_stops, nr_stopped, nr_gone_on;

static void stop_here(int sig)
{
	static const struct timespec moment = { .tv_nsec = 20 * 1000 };
	unsigned int nr = atomic_load(&nr_stops), i;

	(void)sig;
	atomic_store(&nr_stopped, nr);
	for (i = 0; i < 40 && atomic_load(&nr_gone_on) != nr; i++)
		nanosleep(&moment, NULL);
}

static void (*const busy[])(void) = {
	take_into_fresh, take_singly, take_singly,
};

/* Threads that share a lane, where lanes are claimed. */
static void *be_busy_too(void *arg)
{
	unsigned int *wrong = arg;
	void *taken[4];
	int i;

	while (!atomic_load(&stop)) {
		for (i = 0; i < 4; i++)
			taken[i] = kmem_cache_alloc(cache, GFP_KERNEL);
		for (i = 0; i < 4; i++)
			*wrong += own(taken[i], 3);
		for (i = 0; i < 4; i++)
			*wrong += disown(taken[i], 3);
		for (i = 0; i < 4; i++)
			kmem_cache_free(cache, taken[i]);
	}
	return NULL;
}

/* Takes whatever was recalled. */
static unsigned int recall_and_take(void)
{
	unsigned int wrong = 0, i;

	kmem_cache_shrink(cache);
	if (!kmem_cache_alloc_bulk(cache, GFP_KERNEL, NR_TAKEN, objects))
		return 1;
	for (i = 0; i < NR_TAKEN; i++)
		wrong += own(objects[i], 2);
	for (i = 0; i < NR_TAKEN; i++)
		wrong += disown(objects[i], 2);
	kmem_cache_free_bulk(cache, NR_TAKEN, objects);
	return wrong;
}

/* It has got on since the last time, and comes to rest. */
static void stop_other_anywhere(void)
{
	unsigned int before = atomic_load(&nr_turns);
	unsigned int nr = atomic_fetch_add(&nr_stops, 1) + 1;

	while (atomic_load(&nr_turns) == before)
		sched_yield();
	pthread_kill(other->thread, SIGUSR2);
	while (atomic_load(&nr_stopped) != nr)
		sched_yield();
}

/* _i: it has page faults; it runs; it is stopped by a signal. */
START_TEST(a_recall_in_the_middle_of_a_call_doubles_nothing)
{
	unsigned int wrong = 0, wrong_too = 0, nr_recalls = 0;
	bool stops = _i == 2;
	struct kmem_cache_stats s;
	pthread_t thread;
	uint64_t until;

	if (!have_other())
		return;
	fresh = __real_mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert(fresh != MAP_FAILED);
	make_cache(64);
	cache->layer.cap = cache->layer.cap_max;
	atomic_store(&stop, false);
	nr_wrong = 0;
	atomic_store(&nr_turns, 0);
	catch_signals(stop_here);
	start_on_other(busy[_i]);
	pthread_create(&thread, NULL, be_busy_too, &wrong_too);
	until = now_ns() + (uint64_t)LONGEST_MS * 1000000;
	while (now_ns() < until) {
		if (stops)
			stop_other_anywhere();
		wrong += recall_and_take();
		atomic_store(&nr_gone_on, atomic_load(&nr_stops));
		nr_recalls++;
	}
	atomic_store(&stop, true);
	wait_for_other();
	pthread_join(thread, NULL);
	ck_assert_uint_eq(wrong + wrong_too + nr_wrong, 0);
	ck_assert_uint_gt(atomic_load(&nr_turns), 0);
	ck_assert_uint_gt(nr_recalls, 0);
	s = cache_stats_of(cache);
	ck_assert_uint_eq(s.active, 0);
	ck_assert_uint_eq(s.allocs, s.frees);
	end_cache();
	munmap(fresh, PAGE);
}
END_TEST

/* ---- threads that go ----------------------------------------------------- */

/* Rounds of destructors.  In the last one ThreadSanitizer has taken its leave
 * of the thread. */
#ifdef TESTLIB_TSAN
#define NR_ROUNDS	(PTHREAD_DESTRUCTOR_ITERATIONS - 1)
#else
#define NR_ROUNDS	PTHREAD_DESTRUCTOR_ITERATIONS
#endif

static pthread_key_t key;
static atomic_uint nr_destructors;

/* Once more each time, and to the last. */
static void free_late(void *value)
{
	unsigned int nr = atomic_fetch_add(&nr_destructors, 1);

	kmem_cache_free(cache, objects[nr]);
	kmem_cache_free(cache, kmem_cache_alloc(cache, GFP_KERNEL));
	if (nr + 1 < NR_ROUNDS)
		pthread_setspecific(key, value);
}

static void give_last(void *unused)
{
	(void)unused;
	kmem_cache_free(cache, objects[8]);
}

static atomic_bool is_there;

/* _i of the test: returns, exits, or waits to be cancelled. */
static void *go(void *arg)
{
	pthread_cleanup_push(cancel_cleanup, NULL);
	pthread_cleanup_push(give_last, NULL);
	pthread_setspecific(key, arg);
	kmem_cache_free(cache, objects[9]);
	atomic_store(&is_there, true);
	if (*(int *)arg == 1)
		pthread_exit(NULL);
	/* ThreadSanitizer loses track of who is cancelled in a sleep. */
	while (*(int *)arg == 2) {
		pthread_testcancel();
		pause_ms(1);
	}
	pthread_cleanup_pop(1);
	pthread_cleanup_pop(1);
	return NULL;
}

START_TEST(a_thread_that_goes_leaves_nothing_behind)
{
	static int how;
	pthread_t thread;

	how = _i;
	make_cache(500);
	take(10);
	nr_destructors = 0;
	atomic_store(&is_there, false);
	ck_assert_int_eq(pthread_key_create(&key, free_late), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, go, &how), 0);
	ck_assert(wait_for_flag(&is_there));
	if (how == 2)
		pthread_cancel(thread);
	pthread_join(thread, NULL);
	ck_assert_uint_eq(nr_destructors, NR_ROUNDS);
	ck_assert_uint_eq(nr_out(), 8 - NR_ROUNDS);
	for (int i = NR_ROUNDS; i < 8; i++)
		kmem_cache_free(cache, objects[i]);
	ck_assert_uint_eq(cache_stats_of(cache).active, 0);
	end_cache();
	pthread_key_delete(key);
}
END_TEST

static void destroy_at_exit(void)
{
	struct kmem_cache_stats s = cache_stats_of(cache);

	if (s.active != 1 || s.allocs != 10 + 1)
		_exit(3);
	kmem_cache_free(cache, objects[9]);
	_exit(kmem_cache_destroy(cache) ? 4 : 0);
}

static void exit_late(void *value)
{
	unsigned int nr = atomic_fetch_add(&nr_destructors, 1);

	kmem_cache_free(cache, objects[nr]);
	if (nr + 1 < NR_ROUNDS) {
		pthread_setspecific(key, value);
		return;
	}
	for (nr = nr + 1; nr < 9; nr++)
		kmem_cache_free(cache, objects[nr]);
	exit(5);
}

static void *begin_to_go(void *arg)
{
	pthread_setspecific(key, arg);
	kmem_cache_free(cache, kmem_cache_alloc(cache, GFP_KERNEL));
	return NULL;
}

static int exit_in_thread(void)
{
	pthread_t thread;

	if (atexit(destroy_at_exit) || pthread_key_create(&key, exit_late) ||
	    pthread_create(&thread, NULL, begin_to_go, &key))
		return 2;
	pthread_join(thread, NULL);
	return 2;
}

START_TEST(a_thread_that_exits_the_process_as_it_goes_leaves_nothing_behind)
{
	make_cache(500);
	take(10);
	nr_destructors = 0;
	ck_assert(in_child(exit_in_thread));
	give(10);
	end_cache();
}
END_TEST

/* ---- fork ---------------------------------------------------------------- */

static unsigned int nr_expected;	/* to be had without memory */
static unsigned int nr_freed;		/* so far */

static unsigned int nr_to_be_had(void)
{
	unsigned int nr = 0;

	atomic_store(&no_memory, true);
	while ((seen[nr] = kmem_cache_alloc(cache, GFP_NOWAIT)))
		nr++;
	atomic_store(&no_memory, false);
	return nr;
}

/* What others had outside is out for ever. */
static int have_all_but_others(void)
{
	unsigned int nr_others = (unsigned int)nr_out(), nr = nr_to_be_had();
	struct kmem_cache_stats s;

	if (nr != nr_expected) {
		printf("%u to be had, not %u\n", nr, nr_expected);
		return 2;
	}
	memcpy(objects, seen, nr * sizeof(seen[0]));
	if (!all_differ(nr))
		return 3;
	give(nr);
	s = cache_stats_of(cache);
	if (s.active != nr_others || s.active > s.objects ||
	    s.frees != nr_freed + nr || !layer_has_nothing())
		return 4;
	if (kmem_cache_reset(cache) || kmem_cache_destroy(cache))
		return 5;
	return 0;
}

START_TEST(the_child_of_a_fork_has_everything_but_what_others_held)
{
	unsigned int nr;

	if (!have_other())
		return;
	make_cache(500);
	nr = take_whole_slab();
	give_on_other(nr / 2);
	kmem_cache_free_bulk(cache, nr / 4, objects + nr / 2);
	nr_expected = nr_freed = nr / 2 + nr / 4;
	ck_assert(in_child(have_all_but_others));
	ck_assert_uint_eq(nr_out(), nr - nr_expected);
	kmem_cache_free_bulk(cache, nr - nr_expected, objects + nr_expected);
	end_cache();
}
END_TEST

static int have_all_and_fences(void)
{
	atomic_store(&fence, NULL);
	return cache->layer.recall.limbo ? 6 : have_all_but_others();
}

START_TEST(the_child_has_what_was_in_limbo)
{
	unsigned int nr;

	make_cache(500);
	nr = take_whole_slab();
	give(nr / 2);
	atomic_store(&fence, refuse);
	kmem_cache_shrink(cache);
	ck_assert_ptr_nonnull(cache->layer.recall.limbo);
	nr_expected = nr_freed = nr / 2;
	ck_assert(in_child(have_all_and_fences));
	atomic_store(&fence, NULL);
	kmem_cache_free_bulk(cache, nr - nr / 2, objects + nr / 2);
	end_cache();
}
END_TEST

START_TEST(the_child_has_the_lane_of_a_thread_that_was_stopped)
{
	if (!stop_other())
		return;
	nr_expected = cache->layout.nr;
	nr_freed = 20;
	ck_assert(in_child(have_all_but_others));
	make_present();
	wait_for_other();
	ck_assert(got_them);
	kmem_cache_free_bulk(cache, NR_ABSENT, absent);
	ck_assert_uint_eq(cache_stats_of(cache).active, 0);
	end_cache();
	end_absent();
}
END_TEST

/* Magazines have one lock for all caches. */
static atomic_bool has_forked;

static void fork_one(void)
{
	pid_t child = fork();
	int status = -1;

	atomic_store(&has_forked, true);
	if (child == 0)
		_exit(0);
	got_them = child > 0 && waitpid(child, &status, 0) == child && !status;
}

START_TEST(a_fork_waits_for_who_gets_a_magazine)
{
	bool early;

	if (!have_other())
		return;
	atomic_store(&has_forked, false);
	magazine_prepare();
	start_on_other(fork_one);
	pause_ms(50);
	early = atomic_load(&has_forked);
	magazine_resume();
	wait_for_other();
	ck_assert(!early);
	ck_assert(got_them);
}
END_TEST

/* ---- calls that overlap with none of the user's -------------------------- */

static sem_t in_dtor, may_return;
static atomic_bool stop_in_dtor, fork_in_dtor;
static pid_t forked = -1;

static bool more_is_to_go(void)
{
	unsigned int nr;

	cache_lock(cache);
	nr = cache->layer.nr_full;
	cache_unlock(cache);
	return nr;
}

/* In the middle of what a recall gives back. */
static void destruct(void *object, void *ctor_arg)
{
	(void)object;
	(void)ctor_arg;
	if (!more_is_to_go())
		return;
	if (atomic_exchange(&stop_in_dtor, false)) {
		sem_post(&in_dtor);
		sem_wait(&may_return);
	}
	if (atomic_exchange(&fork_in_dtor, false))
		forked = fork();
}

static void make_with_dtor(void)
{
	struct kmem_cache_args args = { .dtor = destruct };

	cache = kmem_cache_create_args("made", SLAB_SIZE / 8, &args, 0);
	ck_assert_ptr_nonnull(cache);
	sem_init(&in_dtor, 0, 0);
	sem_init(&may_return, 0, 0);
}

/* Some in the depot, all of them free. */
static void fill_depot(void)
{
	take(60);
	give(60);
	ck_assert_uint_ge(cache->layer.nr_full, 2);
}

static struct kmem_cache *another;

/* Everybody is asked to let go. */
static void take_without_memory(void)
{
	atomic_store(&no_memory, true);
	kmem_cache_free(another, kmem_cache_alloc(another, GFP_KERNEL));
}

static void *let_return(void *unused)
{
	pause_ms(50);
	sem_post(&may_return);
	return unused;
}

/* The other allocates out of another cache, and has got as far as giving back
 * what this one has in front of its slabs; it goes on some time later. */
static bool stop_other_in_reclaim(pthread_t *thread)
{
	if (!have_other())
		return false;
	another = kmem_cache_create("another", 64, 0, 0, NULL);
	ck_assert_ptr_nonnull(another);
	make_with_dtor();
	fill_depot();
	atomic_store(&stop_in_dtor, true);
	start_on_other(take_without_memory);
	sem_wait(&in_dtor);
	atomic_store(&no_memory, false);
	ck_assert_int_eq(pthread_create(thread, NULL, let_return, NULL), 0);
	return true;
}

START_TEST(a_cache_is_destroyed_while_another_asks_it_to_let_go)
{
	pthread_t thread;

	if (!stop_other_in_reclaim(&thread))
		return;
	end_cache();
	wait_for_other();
	pthread_join(thread, NULL);
	ck_assert_int_eq(kmem_cache_destroy(another), 0);
}
END_TEST

START_TEST(a_cache_is_reset_while_another_asks_it_to_let_go)
{
	pthread_t thread;

	if (!stop_other_in_reclaim(&thread))
		return;
	ck_assert_int_eq(kmem_cache_reset(cache), 0);
	wait_for_other();
	pthread_join(thread, NULL);
	ck_assert_uint_eq(cache_stats_of(cache).active, 0);
	ck_assert(layer_is_in_order());
	ck_assert(take_all(0, 200));
	ck_assert_uint_eq(cache_stats_of(cache).active, 200);
	give(200);
	end_cache();
	ck_assert_int_eq(kmem_cache_destroy(another), 0);
}
END_TEST

static atomic_bool destroying;

static void *destroy_it(void *err)
{
	atomic_store(&destroying, true);
	*(int *)err = kmem_cache_destroy(cache);
	return NULL;
}

static pthread_t destroyer;

/* Destroy waits for this visit, and has recalled everything by now. */
static int use_while_destroyed(struct kmem_cache *visited, void *err)
{
	if (visited != cache)
		return 0;
	pthread_create(&destroyer, NULL, destroy_it, err);
	wait_for_flag(&destroying);
	pause_ms(50);
	objects[0] = kmem_cache_alloc(cache, GFP_KERNEL);
	kmem_cache_free(cache, objects[0]);
	return 1;
}

START_TEST(a_cache_that_a_visitor_used_to_the_last_leaves_no_slab)
{
	int err = -1;

	make_cache(500);
	take(10);
	give(10);
	atomic_store(&destroying, false);
	ck_assert_int_eq(kmem_cache_for_each(use_while_destroyed, &err), 1);
	pthread_join(destroyer, NULL);
	ck_assert_int_eq(err, 0);
	ck_assert_ptr_nonnull(objects[0]);
	ck_assert_ptr_null(pagemap_find(objects[0]));
}
END_TEST

/* The child goes on giving back. */
static int go_on_after_fork(void)
{
	make_with_dtor();
	fill_depot();
	atomic_store(&fork_in_dtor, true);
	kmem_cache_shrink(cache);
	if (forked < 0 || cache_stats_of(cache).active)
		return 2;
	if (kmem_cache_destroy(cache))
		return 3;
	if (forked)
		return !(waitpid(forked, &forked, 0) > 0 && !forked);
	return 0;
}

START_TEST(a_destructor_may_fork_while_more_is_given_back)
{
	ck_assert(in_child(go_on_after_fork));
}
END_TEST

/* Of a new slab, whose pages are not there: who touches it first stops. */
static void watch_run(void *run, size_t size)
{
	watch(run, size);
}

static void take_the_first(void)
{
	objects[0] = kmem_cache_alloc(cache, GFP_KERNEL);
}

static int look_while_loaded(void)
{
	struct kmem_cache_stats s = cache_stats_of(cache);

	return s.active > 1 || s.allocs != 101 || s.frees != 100;
}

/* The child has lost what the other was about to load. */
static int look_in_child(void)
{
	return cache_stats_of(cache).frees != 100;
}

START_TEST(what_is_about_to_be_loaded_is_not_outside)
{
	int seen_here;
	bool seen_in_child;

	if (!can_watch() || !have_other())
		return;
	make_cache(500);
	/* Magazines, and all but a slab, are there already. */
	take(100);
	give(100);
	kmem_cache_shrink(cache);
	atomic_store(&mapped, watch_run);
	start_on_other(take_the_first);
	ck_assert(wait_for_fault());
	atomic_store(&mapped, NULL);
	seen_here = look_while_loaded();
	seen_in_child = in_child(look_in_child);
	/* Which lets it go on. */
	close(faults);
	wait_for_other();
	ck_assert_int_eq(seen_here, 0);
	ck_assert(seen_in_child);
	give(1);
	end_cache();
}
END_TEST

static atomic_bool is_done;

static void take_one_of_pages(void)
{
	objects[0] = kmem_cache_alloc(cache, GFP_KERNEL);
	atomic_store(&is_done, true);
}

static void give_one_of_pages(void)
{
	kmem_cache_free(cache, objects[0]);
	kmem_cache_shrink(cache);
	atomic_store(&is_done, true);
}

/* Pages that the other's job waited for.  Each comes when it has been seen that
 * the lock is free. */
static unsigned int serve(void (*job)(void), unsigned int *nr_locked)
{
	unsigned int nr = 0;
	uintptr_t page;

	atomic_store(&is_done, false);
	start_on_other(job);
	while (!atomic_load(&is_done)) {
		page = fault_within(10);
		if (!page)
			continue;
		nr++;
		if (pool_lock_try(&cache->lock))
			cache_unlock(cache);
		else
			++*nr_locked;
		make_page_present(page);
	}
	wait_for_other();
	return nr;
}

START_TEST(nobody_waits_for_a_page_with_the_lock)
{
	unsigned int nr_locked = 0, nr_taking, nr_giving;

	if (!can_watch() || !have_other())
		return;
	make_cache(PAGE);
	take(100);
	give(100);
	kmem_cache_shrink(cache);
	atomic_store(&mapped, watch_run);
	nr_taking = serve(take_one_of_pages, &nr_locked);
	atomic_store(&mapped, NULL);
	nr_giving = serve(give_one_of_pages, &nr_locked);
	ck_assert_uint_ge(nr_taking, 1);
	ck_assert_uint_eq(nr_giving, 0);
	ck_assert_uint_eq(nr_locked, 0);
	ck_assert_uint_eq(cache->nr_slabs, 0);
	end_cache();
	close(faults);
}
END_TEST

/* -------------------------------------------------------------------------- */

static void add_recall(Suite *s)
{
	TCase *tc = tcase_create("recall");

	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_loop_test(tc, what_other_lanes_have_is_recalled, 0, 5);
	tcase_add_test(tc,
		a_cache_with_objects_outside_goes_on_after_destroy_refused);
	tcase_add_test(tc, what_many_threads_freed_is_recalled);
	tcase_add_test(tc, nothing_is_given_back_before_the_fence);
	tcase_add_test(tc, no_fence_is_needed_where_nothing_is_loaded);
	tcase_add_test(tc, what_was_put_into_limbo_after_a_fence_stays_there);
	tcase_add_test(tc,
		a_recall_waits_for_no_other_and_takes_what_that_put_into_limbo);
	tcase_add_test(tc,
		an_allocation_recalls_again_what_another_was_first_to_take);
	tcase_add_loop_test(tc,
		where_no_fence_passes_what_was_loaded_stays_in_limbo, 0, 2);
	tcase_add_test(tc, reset_needs_no_fence);
	tcase_add_loop_test(tc,
		a_recall_in_the_middle_of_a_call_doubles_nothing, 0, 3);
	suite_add_tcase(s, tc);
}

static void add_threads(Suite *s)
{
	TCase *tc = tcase_create("threads");

	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_loop_test(tc, a_thread_that_goes_leaves_nothing_behind, 0, 3);
	tcase_add_test(tc,
		the_child_of_a_fork_has_everything_but_what_others_held);
	tcase_add_test(tc, the_child_has_what_was_in_limbo);
	suite_add_tcase(s, tc);
	tc = tcase_create("overlap");
	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc,
		a_cache_is_destroyed_while_another_asks_it_to_let_go);
	tcase_add_test(tc, a_cache_is_reset_while_another_asks_it_to_let_go);
	tcase_add_test(tc,
		a_cache_that_a_visitor_used_to_the_last_leaves_no_slab);
	tcase_add_test(tc, a_destructor_may_fork_while_more_is_given_back);
	suite_add_tcase(s, tc);
}

/* Not under valgrind: it knows no userfaultfd, and what a child leaves is lost
 * to it. */
static void add_native(Suite *s)
{
	TCase *tc = tcase_create("native");

	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_set_tags(tc, "native");	/* for do_valgrind in tools/qa.sh */
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_loop_test(tc,
		a_program_that_is_refused_membarrier_loses_and_doubles_nothing,
		0, 2);
	tcase_add_test(tc,
		a_program_that_was_refused_membarrier_recalls_no_more);
	tcase_add_loop_test(tc,
		a_program_that_never_had_membarrier_has_lanes_that_are_claimed,
		0, 2);
	tcase_add_test(tc,
		a_stopped_thread_holds_up_no_recall_and_loses_nothing);
	tcase_add_test(tc,
		an_allocation_that_would_fail_waits_for_no_stopped_thread);
	tcase_add_test(tc,
		a_thread_stopped_as_it_gives_back_holds_up_no_recall);
	tcase_add_test(tc, the_child_has_the_lane_of_a_thread_that_was_stopped);
	tcase_add_test(tc, what_is_about_to_be_loaded_is_not_outside);
	tcase_add_test(tc, nobody_waits_for_a_page_with_the_lock);
	tcase_add_test(tc,
		a_thread_that_exits_the_process_as_it_goes_leaves_nothing_behind
		);
	tcase_add_test(tc, a_fork_waits_for_who_gets_a_magazine);
	suite_add_tcase(s, tc);
}

int main(int argc, char **argv)
{
	Suite *s;

	if (argc > 1)
		return say(argv[1]);
	s = suite_create("recall");
	lanes_begin();
	add_recall(s);
	add_threads(s);
	add_native(s);
	return run_suite(s);
}
