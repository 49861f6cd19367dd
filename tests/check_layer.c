/* SPDX-License-Identifier: MIT */
/*
 * check_layer.c - magazines in front of the slabs of a cache
 *
 * Covers what a lane gives and keeps, how large it becomes, who has none,
 * counting, memory that is short, and misuse.  What is had back from others is
 * in check_recall.c.
 *
 * Everything here holds with restartable sequences and without:
 * layer_without.sh runs it once more without.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <check.h>

#include "lanes.h"
#include "suite.h"
#include "testlib.h"

#define MARK		4242		/* errno before a call */
#define SLAB_SIZE	65536u
#define CHILD_S		20

/* ---- what a lane gives --------------------------------------------------- */

START_TEST(the_object_freed_last_is_taken_first)
{
	void *freed[3];
	int i;

	make_cache(100);
	take(3);
	memcpy(freed, objects, sizeof(freed));
	give(3);
	take(3);
	for (i = 0; i < 3; i++)
		ck_assert_ptr_eq(objects[i], freed[2 - i]);
	give(3);
	end_cache();
}
END_TEST

/* The whole of it where all were taken and none was given. */
START_TEST(a_magazine_is_half_filled_from_slabs_in_order_of_address)
{
	unsigned int half, i;

	make_cache(100);
	take(1);
	half = cache->layer.cap / 2;
	ck_assert_uint_eq(nr_in_lanes(), half);
	if (_i) {
		give(1);
		take(1);
	}
	take(1 + half);
	ck_assert_uint_eq(nr_in_lanes(), _i ? half : 2 * half);
	ck_assert_uint_eq(cache->active, 2 + half + nr_in_lanes());
	for (i = 1; i < half; i++)
		ck_assert_ptr_eq(objects[i], (char *)objects[0] +
				 (size_t)i * cache->layout.stride);
	kmem_cache_reset(cache);
	end_cache();
}
END_TEST

/* Where objects are only given back it is no use to them. */
START_TEST(a_full_lane_keeps_the_newer_half_where_objects_are_taken)
{
	unsigned int cap, nr, i;
	void *freed[2 * FIRST_CAP];

	make_cache(100);
	cap = cache->layer.cap;
	nr = 2 * cap;
	take(nr);
	kmem_cache_shrink(cache);
	memcpy(freed, objects, nr * sizeof(freed[0]));
	give(cap);
	ck_assert_uint_eq(nr_in_lanes(), cap);
	ck_assert_uint_eq(cache->layer.nr_full, 0);
	if (_i)
		kmem_cache_free(cache, kmem_cache_alloc(cache, GFP_KERNEL));
	kmem_cache_free(cache, objects[cap]);
	ck_assert_uint_eq(nr_in_lanes(), _i ? cap / 2 + 1 : 1);
	ck_assert_uint_eq(cache->layer.nr_full, 1);
	ck_assert_uint_eq(magazine_nr(cache->layer.full), _i ? cap / 2 : cap);
	for (i = cap + 1; i < nr; i++)
		kmem_cache_free(cache, objects[i]);
	/* So what was freed last is first wherever it was meanwhile. */
	take(nr);
	for (i = 0; i < nr; i++)
		ck_assert_ptr_eq(objects[i], freed[nr - 1 - i]);
	give(nr);
	end_cache();
}
END_TEST

/* It was loaded with more than half, and is full after one free. */
START_TEST(a_full_lane_that_had_objects_keeps_the_newer_half)
{
	unsigned int cap;

	make_cache(100);
	cap = cache->layer.cap;
	take(3 * cap);
	kmem_cache_shrink(cache);
	give(cap + 1);
	/* One is in the lane, the others are in the depot. */
	ck_assert_uint_eq(cache->layer.nr_full, 1);
	take(2);
	ck_assert_uint_eq(nr_in_lanes(), cap - 1);
	kmem_cache_free(cache, objects[0]);
	ck_assert_uint_eq(nr_in_lanes(), cap);
	kmem_cache_free(cache, objects[1]);
	ck_assert_uint_eq(nr_in_lanes(), cap / 2 + 1);
	kmem_cache_free_bulk(cache, 2 * cap - 1, objects + cap + 1);
	end_cache();
}
END_TEST

/* However it began, the second lane that is filled by giving alone goes as a
 * whole. */
START_TEST(halves_end_where_objects_are_only_given_back)
{
	unsigned int cap, i;

	make_cache(100);
	cap = cache->layer.cap;
	take(4 * cap);
	kmem_cache_shrink(cache);
	give(cap);
	kmem_cache_free(cache, kmem_cache_alloc(cache, GFP_KERNEL));
	for (i = cap; nr_in_lanes() != 1; i++)
		kmem_cache_free(cache, objects[i]);
	ck_assert_uint_le(i, 2 * cap);
	ck_assert_uint_eq(magazine_nr(cache->layer.full), cap);
	while (i < 4 * cap)
		kmem_cache_free(cache, objects[i++]);
	end_cache();
}
END_TEST

/* Half as many as a lane has room for come and go by the fast path alone, before
 * long; by bulk calls, as many. */
START_TEST(taking_and_giving_in_turns_settles)
{
	unsigned int most = _i ? FIRST_CAP : FIRST_CAP / 2, nr, round;
	uint64_t nr_loads = 0;

	for (nr = 1; nr <= most; nr++) {
		make_cache(100);
		for (round = 0; round < 50; round++) {
			if (round == 10)
				nr_loads = cache->layer.nr_loads;
			if (_i) {
				ck_assert(kmem_cache_alloc_bulk(
					cache, GFP_KERNEL, nr, objects));
				kmem_cache_free_bulk(cache, nr, objects);
			} else {
				take(nr);
				give(nr);
			}
		}
		ck_assert_uint_eq(cache->layer.nr_loads, nr_loads);
		end_cache();
	}
}
END_TEST

START_TEST(a_large_depot_gives_back_to_slabs)
{
	const unsigned int nr = 60 * FIRST_CAP;

	make_cache(100);
	take(nr);
	ck_assert_uint_eq(cache->layer.cap, FIRST_CAP);
	if (_i)
		kmem_cache_free_bulk(cache, nr, objects);
	else
		give(nr);
	ck_assert_uint_eq(nr_out(), 0);
	ck_assert_uint_eq(cache->layer.recall.nr_loaded, 1);
	ck_assert_uint_le(cache->layer.nr_full, 2);
	ck_assert_uint_le(cache->active, 3 * FIRST_CAP);
	/* What a bulk gives finds one magazine more. */
	if (!_i)
		ck_assert_uint_eq(cache->layer.nr_full, 2);
	ck_assert(layer_is_in_order());
	end_cache();
}
END_TEST

START_TEST(no_lane_has_more_than_a_cache_asked_for)
{
	static const unsigned int asked[] = { 4, 5, 10, 50, 1000 };
	static const unsigned int most[] = { 4, 5, 10, 50, MAGAZINE_MAX };

	make_cache_sized(64, asked[_i]);
	ck_assert_uint_eq(cache->layer.cap_max, most[_i]);
	cache->layer.cap = cache->layer.cap_max;
	take(3 * MAGAZINE_MAX);
	kmem_cache_shrink(cache);
	give(most[_i]);
	ck_assert_uint_eq(nr_in_lanes(), most[_i]);
	kmem_cache_free(cache, objects[most[_i]]);
	ck_assert_uint_le(nr_in_lanes(), most[_i]);
	kmem_cache_free_bulk(cache, 3 * MAGAZINE_MAX - most[_i] - 1,
			     objects + most[_i] + 1);
	ck_assert_uint_le(nr_in_lanes(), most[_i]);
	ck_assert_uint_eq(nr_out(), 0);
	end_cache();
}
END_TEST

/* ---- contention ---------------------------------------------------------- */

static atomic_bool calling;

/* Needs the lock, and finds it taken. */
static void take_and_give_many(void)
{
	atomic_store(&calling, true);
	if (kmem_cache_alloc_bulk(cache, GFP_KERNEL, 2 * MAGAZINE_MAX, objects))
		kmem_cache_free_bulk(cache, 2 * MAGAZINE_MAX, objects);
}

/* Until @other finds it taken as often as it takes. */
static void contend(void)
{
	unsigned int before = cache->layer.cap, turn;

	for (turn = 0; turn < 200 && cache->layer.cap == before; turn++) {
		atomic_store(&calling, false);
		cache_lock(cache);
		start_on_other(take_and_give_many);
		wait_for_flag(&calling);
		pause_ms(1);
		cache_unlock(cache);
		wait_for_other();
	}
}

START_TEST(contention_makes_magazines_larger)
{
	static const unsigned int sizes[] = { 64, 700, 2048, 16384 };
	static const unsigned int caps[4][4] = {
		{ 32, 64, MAGAZINE_MAX, MAGAZINE_MAX },
		{ 32, 64, 93, 93 }, { 32, 32, 32, 32 }, { 4, 4, 4, 4 },
	};
	int i;

	if (!have_other())
		return;
	make_cache(sizes[_i]);
	for (i = 0; i < 4; i++) {
		ck_assert_uint_eq(cache->layer.cap, caps[_i][i]);
		ck_assert_uint_le(cache->layer.cap * cache->layout.stride,
				  SLAB_SIZE);
		if (i == 3 || caps[_i][i] != caps[_i][i + 1])
			contend();
	}
	/* The main thread's may be of the old size. */
	take_and_give_many();
	ck_assert_uint_eq(nr_out(), 0);
	end_cache();
}
END_TEST

START_TEST(without_contention_magazines_stay_as_they_are)
{
	int i;

	make_cache(64);
	for (i = 0; i < 500; i++)
		take_and_give_many();
	ck_assert_uint_eq(cache->layer.cap, FIRST_CAP);
	end_cache();
}
END_TEST

START_TEST(general_caches_have_a_quarter_of_that)
{
	/* The largest share their runs. */
	static const unsigned int sizes[] = { 64, 512, 2048, 4096 };
	static const unsigned int most[] = { MAGAZINE_MAX, 32, 8, 0 };

	cache = cache_create("made", sizes[_i], NULL, 0, CACHE_GENERAL);
	ck_assert_ptr_nonnull(cache);
	ck_assert_uint_eq(cache->layer.cap_max, most[_i]);
	ck_assert(!cache->layer.lanes == !most[_i]);
	take(100);
	give(100);
	ck_assert_uint_eq(nr_out(), 0);
	end_cache();
}
END_TEST

/* ---- who has none -------------------------------------------------------- */

/* And says so. */
static bool has_layer(slab_flags_t flags, unsigned int size,
		      unsigned int cache_size)
{
	struct kmem_cache_args args = { .cache_size = cache_size };
	bool has;

	cache = kmem_cache_create_args("made", size, &args, flags);
	ck_assert_ptr_nonnull(cache);
	has = cache->layer.lanes;
	ck_assert_uint_eq(cache_stats_of(cache).layer,
			  !has ? KMEM_CACHE_LAYER_NONE :
			  lane_is_cpu ? KMEM_CACHE_LAYER_CPU :
			  KMEM_CACHE_LAYER_CLAIMED);
	take(100);
	kmem_cache_free_bulk(cache, 50, objects + 50);
	give(50);
	ck_assert_uint_eq(nr_out(), 0);
	end_cache();
	return has;
}

START_TEST(caches_with_checks_have_no_layer)
{
	ck_assert(has_layer(0, 64, 0));
	ck_assert(has_layer(SLAB_HWCACHE_ALIGN, 64, 0));
	ck_assert(!has_layer(SLAB_POISON, 64, 0));
	ck_assert(!has_layer(SLAB_RED_ZONE, 64, 0));
	ck_assert(!has_layer(SLAB_STORE_USER, 64, 0));
	ck_assert(!has_layer(SLAB_CONSISTENCY_CHECKS, 64, 0));
}
END_TEST

START_TEST(caches_of_large_objects_have_no_layer)
{
	ck_assert(has_layer(0, SLAB_SIZE / 4, 0));
	ck_assert(!has_layer(0, SLAB_SIZE / 4 + 1, 0));
	ck_assert(!has_layer(0, 1 << 20, 0));
}
END_TEST

START_TEST(fewer_than_four_objects_near_a_cpu_are_none)
{
	ck_assert(!has_layer(0, 64, 1));
	ck_assert(!has_layer(0, 64, 3));
	ck_assert(has_layer(0, 64, 4));
	ck_assert(has_layer(0, 64, 0));
}
END_TEST

/* The wait status of @program with one argument, and KMEMPOOL_DEBUG. */
static int status_of(const char *program, const char *what, const char *debug)
{
	int status = -1;
	pid_t child = fork();

	if (child == 0) {
		alarm(CHILD_S);
		if (debug)
			setenv("KMEMPOOL_DEBUG", debug, 1);
		else
			unsetenv("KMEMPOOL_DEBUG");
		execl(program, "check_layer", what, (char *)NULL);
		_exit(126);
	}
	ck_assert_int_gt(child, 0);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	return status;
}

START_TEST(the_environment_can_ask_for_no_layer)
{
	static const struct {
		const char *debug;
		int status;
	} cases[] = {
		{ NULL, 0 }, { "", 0 }, { "nolayer", 1 }, { "a,nolayer", 1 },
		{ "nolayer,b", 1 }, { ",nolayer,", 1 }, { "nolayers", 0 },
		{ "no,layer", 0 }, { "nolaye", 0 }, { "nolayer ", 0 },
	};
	int status = status_of(SELF, "layer", cases[_i].debug);

	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), cases[_i].status);
}
END_TEST

/* The leaks of such a one cannot be looked for. */
#ifdef TESTLIB_ASAN
#define WHY_NOT		"in a build with sanitizers"
#else
#define WHY_NOT		"can be made"
#endif

static bool copy_self(const char *to)
{
	int in = open(SELF, O_RDONLY | O_CLOEXEC);
	int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
	char buffer[1 << 14];
	ssize_t nr = -1;

	if (in >= 0 && out >= 0)
		while ((nr = read(in, buffer, sizeof(buffer))) > 0)
			if (write(out, buffer, (size_t)nr) != nr)
				break;
	close(in);
	return close(out) == 0 && nr == 0;
}

/* As "nobody", which it is not otherwise. */
static bool set_user_id(const char *program)
{
	return geteuid() == 0 && !chown(program, 65534, 65534) &&
	       !chmod(program, S_ISUID | 0755);
}

START_TEST(the_environment_asks_nothing_of_a_set_user_id_program)
{
	const char *tmp = getenv("TMPDIR");
	char dir[256], program[300];
	int status = -1;
	bool ready;

	snprintf(dir, sizeof(dir), "%s/check_layer.XXXXXX", tmp ? tmp : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(program, sizeof(program), "%s/program", dir);
	ready = chmod(dir, 0755) == 0 && copy_self(program) &&
		set_user_id(program);
	/* Whether it takes effect there: the directory may be "nosuid". */
	if (ready)
		status = status_of(program, "secure", NULL);
	ready = ready && status == 0;
	if (ready)
		status = status_of(program, "layer", "nolayer");
	unlink(program);
	rmdir(dir);
	if (ready)
		ck_assert_int_eq(status, 0);
	else
		printf("skip: no set-user-ID program %s\n", WHY_NOT);
}
END_TEST

/* ---- counting ------------------------------------------------------------ */

/* What statistics should say. */
static struct {
	uint64_t	allocs, frees, failures, resets;
	unsigned int	nr;		/* outside: the first objects */
} tally;

static uint64_t random_state;

static void take_one(void)
{
	objects[tally.nr] = kmem_cache_alloc(cache, GFP_NOWAIT);
	tally.nr++;
	tally.allocs++;
}

static void give_one(void)
{
	if (!tally.nr)
		return;
	kmem_cache_free(cache, objects[--tally.nr]);
	tally.frees++;
}

static unsigned int some(unsigned int most)
{
	return 1 + rnd_below(&random_state, most);
}

static void take_some(void)
{
	unsigned int nr = some(some(300));

	tally.failures += !kmem_cache_alloc_bulk(cache, GFP_NOWAIT, nr,
						 objects + tally.nr);
	tally.allocs += nr;
	tally.nr += nr;
}

static void give_some(void)
{
	unsigned int nr = some(some(300));

	if (nr > tally.nr)
		nr = tally.nr;
	tally.nr -= nr;
	tally.frees += nr;
	kmem_cache_free_bulk(cache, nr, objects + tally.nr);
}

static void give_some_singly(void)
{
	unsigned int nr = some(100);

	while (nr--)
		give_one();
}

static void take_some_singly(void)
{
	unsigned int nr = some(100);

	while (nr--)
		take_one();
}

/* More than there are. */
static void take_too_many(void)
{
	static void *too_many[1 << 17];
	size_t nr = (size_t)cache->nr_slabs * cache->layout.nr + 1;

	if (nr > sizeof(too_many) / sizeof(too_many[0]))
		return;
	atomic_store(&no_memory, true);
	tally.failures += !kmem_cache_alloc_bulk(cache, GFP_NOWAIT, nr,
						 too_many);
	atomic_store(&no_memory, false);
}

static void reset_all(void)
{
	if (rnd_below(&random_state, 8))
		return;
	kmem_cache_reset(cache);
	tally.nr = 0;
	tally.resets++;
}

static void (*const steps[])(void) = {
	take_one, give_one, take_some, give_some, take_some_singly,
	give_some_singly, take_one, give_one, take_some, give_some, take_one,
	give_one, take_some_singly, give_some_singly, take_too_many, reset_all,
	shrink_it,
};

static bool counts_are_exact(void)
{
	return nr_out() == tally.nr && nr_allocs() == tally.allocs &&
	       cache->failures == tally.failures && layer_is_in_order();
}

static void assert_exact(void)
{
	struct kmem_cache_stats s = cache_stats_of(cache);

	ck_assert_uint_eq(s.active, tally.nr);
	ck_assert_uint_eq(s.allocs, tally.allocs);
	ck_assert_uint_eq(s.frees, tally.frees);
	ck_assert_uint_eq(s.failures, tally.failures);
	ck_assert_uint_eq(s.resets, tally.resets);
}

START_TEST(statistics_are_exact_after_any_mixture_of_calls)
{
	static const unsigned int sizes[] = { 24, 64, 1000, 4096 };
	unsigned int i, nr_steps = sizeof(steps) / sizeof(steps[0]);
	bool both = have_other();
	void (*step)(void);

	random_state = test_seed("check_layer");
	memset(&tally, 0, sizeof(tally));
	make_cache(sizes[_i]);
	for (i = 0; i < (test_long() ? 30000 : 600); i++) {
		step = steps[rnd_below(&random_state, nr_steps)];
		if (tally.nr > 3000)
			step = give_some;
		if (both && rnd_below(&random_state, 2))
			on_other(step);
		else
			step();
		ck_assert(counts_are_exact());
		if (i % 50 == 0)
			assert_exact();
	}
	while (tally.nr)
		give_some();
	assert_exact();
	end_cache();
}
END_TEST

START_TEST(a_bulk_that_fails_is_not_counted)
{
	unsigned int nr;

	make_cache(500);
	nr = take_whole_slab();
	give(10);
	atomic_store(&no_memory, true);
	errno = 0;
	ck_assert(!kmem_cache_alloc_bulk(cache, GFP_NOWAIT, 11, objects));
	ck_assert_int_eq(errno, ENOMEM);
	ck_assert_uint_eq(nr_out(), nr - 10);
	ck_assert_uint_eq(nr_allocs(), nr);
	/* And what there is can be had. */
	ck_assert(kmem_cache_alloc_bulk(cache, GFP_NOWAIT, 10, objects));
	atomic_store(&no_memory, false);
	kmem_cache_free_bulk(cache, nr, objects);
	ck_assert_uint_eq(cache_stats_of(cache).failures, 1);
	end_cache();
}
END_TEST

/* ---- memory that is short ------------------------------------------------ */

START_TEST(an_allocation_that_would_fail_gets_what_another_lane_has)
{
	unsigned int nr, some_of_it = _i ? 12 : 1;

	if (!have_other())
		return;
	make_cache(1000);
	nr = take_whole_slab();
	give_on_other(some_of_it);
	atomic_store(&no_memory, true);
	errno = MARK;
	if (_i)
		ck_assert(kmem_cache_alloc_bulk(cache, GFP_NOWAIT, some_of_it,
						objects));
	else
		objects[0] = kmem_cache_alloc(cache, GFP_NOWAIT);
	ck_assert_ptr_nonnull(objects[0]);
	ck_assert_int_eq(errno, MARK);
	/* That was all. */
	ck_assert_ptr_null(kmem_cache_alloc(cache, GFP_NOWAIT));
	atomic_store(&no_memory, false);
	ck_assert(all_differ(nr));
	ck_assert_uint_eq(nr_out(), nr);
	ck_assert_uint_eq(cache->failures, 1);
	kmem_cache_free_bulk(cache, nr, objects);
	end_cache();
}
END_TEST

static unsigned int nr_drained;
static struct magazine *drained[4096];

/* No magazine is to be had any more. */
static void drain_magazines(void)
{
	atomic_store(&no_memory, true);
	while (nr_drained < 4096 && (drained[nr_drained] = magazine_get()))
		nr_drained++;
}

static void put_magazines_back(void)
{
	while (nr_drained)
		magazine_put(drained[--nr_drained]);
	atomic_store(&no_memory, false);
}

static unsigned int nr_unused(void)
{
	unsigned int nr;

	drain_magazines();
	nr = nr_drained;
	put_magazines_back();
	return nr;
}

START_TEST(magazines_serve_one_cache_after_another)
{
	unsigned int nr, i;

	make_cache(500);
	take(1);
	give(1);
	end_cache();
	nr = nr_unused();
	for (i = 0; i < 10; i++) {
		make_cache(500);
		take(200);
		give(200);
		ck_assert_uint_lt(nr_unused(), nr);
		if (i % 2)
			shrink_it();
		end_cache();
		ck_assert_uint_eq(nr_unused(), nr);
	}
}
END_TEST

static volatile sig_atomic_t nr_samples, nr_cut_short;

static void sample(int signal)
{
	void *frames[8];

	(void)signal;
	nr_samples++;
	/* This, the frame of the signal, the call, the test, and who ran that. */
	nr_cut_short += backtrace(frames, 8) < 5;
}

/* A signal in the middle of a call comes where the call begins anew. */
START_TEST(a_signal_handler_sees_who_called)
{
	const struct itimerval each_ms = { { 0, 1000 }, { 0, 1000 } };
	const struct itimerval never = { { 0, 0 }, { 0, 0 } };
	struct sigaction action = { .sa_handler = sample };
	void *frames[1];

	backtrace(frames, 1);	/* loads what it needs */
	make_cache(64);
	sigaction(SIGPROF, &action, NULL);
	setitimer(ITIMER_PROF, &each_ms, NULL);
	while (nr_samples < 100)
		kmem_cache_free(cache, kmem_cache_alloc(cache, GFP_KERNEL));
	setitimer(ITIMER_PROF, &never, NULL);
	ck_assert_int_eq(nr_cut_short, 0);
	end_cache();
}
END_TEST

/* _i: whether there is one, which becomes full. */
START_TEST(what_no_magazine_has_room_for_goes_to_slabs)
{
	const unsigned int nr = 100;

	make_cache(500);
	take(nr);
	kmem_cache_shrink(cache);
	drain_magazines();
	if (_i)
		magazine_put(drained[--nr_drained]);
	kmem_cache_free_bulk(cache, nr / 2, objects);
	ck_assert_uint_eq(nr_out(), nr / 2);
	kmem_cache_free_bulk(cache, nr / 4, objects + nr / 2);
	for (unsigned int i = nr / 4 * 3; i < nr; i++)
		kmem_cache_free(cache, objects[i]);
	ck_assert_uint_eq(nr_out(), 0);
	ck_assert_uint_eq(cache->active, _i ? cache->layer.cap : 0);
	objects[0] = kmem_cache_alloc(cache, GFP_NOWAIT);
	ck_assert_ptr_nonnull(objects[0]);
	ck_assert_uint_eq(nr_out(), 1);
	give(1);
	put_magazines_back();
	ck_assert_uint_eq(cache_stats_of(cache).active, 0);
	end_cache();
}
END_TEST

/* ---- misuse -------------------------------------------------------------- */

static void *the_object;

static void free_twice(void)
{
	kmem_cache_free(cache, the_object);
	kmem_cache_free(cache, the_object);
}

static void free_twice_in_bulk_of_one(void)
{
	kmem_cache_free(cache, the_object);
	kmem_cache_free_bulk(cache, 1, &the_object);
}

/* With so many objects in the lane: none, some, one less than full, full. */
START_TEST(an_object_given_back_twice_in_a_row_is_reported)
{
	static const unsigned int nr[] = { 0, 1, 31, 32, 33 };

	make_cache(100);
	ck_assert_uint_eq(cache->layer.cap, FIRST_CAP);
	take(100);
	kmem_cache_shrink(cache);
	give(nr[_i]);
	the_object = objects[99];
	ck_assert(aborts_with(free_twice, "made"));
	ck_assert(aborts_with(free_twice_in_bulk_of_one, "made"));
	kmem_cache_free_bulk(cache, 100 - nr[_i], objects + nr[_i]);
	end_cache();
}
END_TEST

START_TEST(what_is_taken_again_may_be_given_back_again)
{
	void *again;
	int i;

	make_cache(100);
	take(1);
	for (i = 0; i < 100; i++) {
		kmem_cache_free(cache, objects[0]);
		again = kmem_cache_alloc(cache, GFP_KERNEL);
		ck_assert_ptr_eq(again, objects[0]);
		kmem_cache_free_bulk(cache, 1, &again);
		ck_assert(kmem_cache_alloc_bulk(cache, GFP_KERNEL, 1, &again));
		ck_assert_ptr_eq(again, objects[0]);
	}
	give(1);
	end_cache();
}
END_TEST

static void free_and_shrink(void)
{
	kmem_cache_free(cache, the_object);
	kmem_cache_shrink(cache);
}

static void free_and_look(void)
{
	kmem_cache_free(cache, the_object);
	cache_stats_of(cache);
}

static void free_and_destroy(void)
{
	kmem_cache_free(cache, the_object);
	(void)kmem_cache_destroy(cache);
}

/* So that the depot gives back. */
static void free_and_free_others(void)
{
	kmem_cache_free(cache, the_object);
	give(60 * FIRST_CAP);
	kmem_cache_shrink(cache);
}

/* At once, since the lock is needed anyway. */
static void free_when_the_lane_is_full(void)
{
	unsigned int i;

	for (i = 0; nr_in_lanes() < cache->layer.cap; i++)
		kmem_cache_free(cache, objects[i]);
	kmem_cache_free_bulk(cache, 1, &the_object);
}

static void (*const strays[])(void) = {
	free_and_shrink, free_and_look, free_and_destroy, free_and_free_others,
	free_when_the_lane_is_full,
};

START_TEST(an_object_of_another_cache_is_found_when_it_leaves_the_lane)
{
	struct kmem_cache *foreign = kmem_cache_create("foreign", 100, 0, 0,
						       NULL);
	static char none[64];

	ck_assert_ptr_nonnull(foreign);
	make_cache(100);
	take(60 * FIRST_CAP);
	the_object = kmem_cache_alloc(foreign, GFP_KERNEL);
	ck_assert(aborts_with(strays[_i], "made"));
	kmem_cache_free(foreign, the_object);
	the_object = none;
	ck_assert(aborts_with(strays[_i], "made"));
	kmem_cache_free_bulk(cache, 60 * FIRST_CAP, objects);
	end_cache();
	ck_assert_int_eq(kmem_cache_destroy(foreign), 0);
}
END_TEST

/* -------------------------------------------------------------------------- */

static void add_lanes(Suite *s)
{
	TCase *tc = tcase_create("lanes");

	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, the_object_freed_last_is_taken_first);
	tcase_add_loop_test(tc,
		a_magazine_is_half_filled_from_slabs_in_order_of_address, 0, 2);
	tcase_add_loop_test(tc,
		a_full_lane_keeps_the_newer_half_where_objects_are_taken, 0, 2);
	tcase_add_test(tc, a_full_lane_that_had_objects_keeps_the_newer_half);
	tcase_add_test(tc, halves_end_where_objects_are_only_given_back);
	tcase_add_loop_test(tc, taking_and_giving_in_turns_settles, 0, 2);
	tcase_add_loop_test(tc, a_large_depot_gives_back_to_slabs, 0, 2);
	tcase_add_loop_test(tc, no_lane_has_more_than_a_cache_asked_for, 0, 5);
	tcase_add_loop_test(tc, general_caches_have_a_quarter_of_that, 0, 4);
	tcase_add_loop_test(tc, contention_makes_magazines_larger, 0, 4);
	tcase_add_test(tc, without_contention_magazines_stay_as_they_are);
	suite_add_tcase(s, tc);
	tc = tcase_create("none");
	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_test(tc, caches_with_checks_have_no_layer);
	tcase_add_test(tc, caches_of_large_objects_have_no_layer);
	tcase_add_test(tc, fewer_than_four_objects_near_a_cpu_are_none);
	suite_add_tcase(s, tc);
	tc = tcase_create("environment");
	tcase_set_timeout(tc, TEST_TIMEOUT);
	/* For do_valgrind in tools/qa.sh: this program runs itself. */
	tcase_set_tags(tc, "native");
	tcase_add_loop_test(tc, the_environment_can_ask_for_no_layer, 0, 10);
	tcase_add_test(tc,
		the_environment_asks_nothing_of_a_set_user_id_program);
	suite_add_tcase(s, tc);
}

static void add_counts(Suite *s)
{
	TCase *tc = tcase_create("counts");

	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_loop_test(tc, statistics_are_exact_after_any_mixture_of_calls,
			    0, 4);
	tcase_add_test(tc, a_bulk_that_fails_is_not_counted);
	tcase_add_loop_test(tc,
		an_allocation_that_would_fail_gets_what_another_lane_has, 0, 2);
	tcase_add_test(tc, magazines_serve_one_cache_after_another);
	tcase_add_loop_test(tc, what_no_magazine_has_room_for_goes_to_slabs,
			    0, 2);
	tcase_add_test(tc, a_signal_handler_sees_who_called);
	suite_add_tcase(s, tc);
	tc = tcase_create("misuse");
	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_loop_test(tc, an_object_given_back_twice_in_a_row_is_reported,
			    0, 5);
	tcase_add_test(tc, what_is_taken_again_may_be_given_back_again);
	tcase_add_loop_test(tc,
		an_object_of_another_cache_is_found_when_it_leaves_the_lane, 0, 5);
	suite_add_tcase(s, tc);
}

int main(int argc, char **argv)
{
	Suite *s;

	if (argc > 1)
		return say(argv[1]);
	s = suite_create("layer");
	lanes_begin();
	add_lanes(s);
	add_counts(s);
	return run_suite(s);
}
