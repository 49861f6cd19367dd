/* SPDX-License-Identifier: MIT */
/*
 * model_mempool.c - random operations of one thread against an oracle
 *
 * The oracle is a few counters: min_nr, the elements in the reserve, the
 * limit of bulk requests, what is outside, and how much the backend still
 * gives.  Alone in the pool, each operation has exactly one right result,
 * and after each the pool's statistics must say what the oracle says.
 *
 * KMEMPOOL_TEST_SEED repeats a run, KMEMPOOL_TEST_LONG=1 makes it long.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "testlib.h"

#define MAX_MIN_NR	12
#define MAX_OUTSIDE	64
#define ELEMENT_SIZE	48
#define STEPS_PER_POOL	500
#define SHORT_POOLS	4000
#define LONG_POOLS	200000

static uint64_t random_state;
static unsigned long step;
static const char *operation = "none";

/* ---- the backend: one thread, no lock ----------------------------------- */

static long budget;			/* calls that succeed; < 0: all */
static bool fail_once;			/* the next call fails first */
static unsigned long nr_live, nr_failures;

static bool backend_gives(void)
{
	return budget != 0;
}

static void *model_alloc(gfp_t gfp_mask, void *pool_data)
{
	void *element = NULL;
	bool gives = backend_gives() && !fail_once;

	(void)pool_data;
	fail_once = false;
	if (!(gfp_mask & __GFP_ZERO) && gives)
		element = malloc(ELEMENT_SIZE);
	if (!element) {
		nr_failures++;
		return NULL;
	}
	if (budget > 0)
		budget--;
	nr_live++;
	return memset(element, 0xa5, ELEMENT_SIZE);
}

static void model_free(void *element, void *pool_data)
{
	(void)pool_data;
	nr_live--;
	memset(element, 0xdd, ELEMENT_SIZE);
	free(element);
}

/* ---- the oracle ---------------------------------------------------------- */

static mempool_t *pool;

static struct {
	bool		fixed;
	bool		shut;
	unsigned int	min_nr;
	unsigned int	curr_nr;
	unsigned int	low_nr;
	unsigned int	limit;		/* of a bulk */
	uint64_t	from_backend, from_reserve;
	uint64_t	nowait_failures, timeouts;
	int64_t		foreign;	/* put in and not taken away */
} oracle;

static void *outside[MAX_OUTSIDE];
static unsigned int nr_outside;

static void fail(const char *what, long long got, long long expected)
{
	printf("model_mempool: step %lu, %s: %s is %lld, not %lld\n"
	       "oracle: %s%s min %u curr %u limit %u outside %u budget %ld\n",
	       step, operation, what, got, expected,
	       oracle.fixed ? "fixed " : "", oracle.shut ? "shut" : "open",
	       oracle.min_nr, oracle.curr_nr, oracle.limit, nr_outside,
	       budget);
	exit(EXIT_FAILURE);
}

static void expect(const char *what, long long got, long long expected)
{
	if (got != expected)
		fail(what, got, expected);
}

/* What follows every change of the reserve. */
static void settle(void)
{
	if (oracle.curr_nr >= oracle.min_nr)
		oracle.limit = oracle.min_nr;
	if (oracle.curr_nr < oracle.low_nr)
		oracle.low_nr = oracle.curr_nr;
}

/* How many of @nr the backend gives now, and uses up. */
static unsigned int backend_share(unsigned int nr)
{
	if (oracle.fixed)
		return 0;
	if (budget >= 0 && (unsigned long)budget < nr)
		nr = (unsigned int)budget;
	return nr;
}

static void check_pool(void)
{
	struct mempool_stats s = stats_of(pool);
	uint64_t taken = s.alloc_backend + s.alloc_reserve + s.alloc_handoff;
	uint64_t given = s.free_waiter + s.free_reserve + s.free_backend;
	uint64_t ended = 0;
	int i;

	for (i = 0; i < MEMPOOL_WAIT_BUCKETS; i++)
		ended += s.wait_hist[i];
	expect("min_nr", (long long)s.min_nr, oracle.min_nr);
	expect("curr_nr", (long long)s.curr_nr, oracle.curr_nr);
	expect("outstanding", s.outstanding,
	       (long long)nr_outside - oracle.foreign);
	expect("taken less given", (long long)(taken - given), s.outstanding);
	expect("live elements", (long long)nr_live,
	       (long long)s.curr_nr + nr_outside);
	expect("alloc_backend", (long long)s.alloc_backend,
	       (long long)oracle.from_backend);
	expect("alloc_reserve", (long long)s.alloc_reserve,
	       (long long)oracle.from_reserve);
	expect("backend_failures", (long long)s.backend_failures,
	       (long long)nr_failures);
	expect("nowait_failures", (long long)s.nowait_failures,
	       (long long)oracle.nowait_failures);
	expect("timeouts", (long long)s.timeouts, (long long)oracle.timeouts);
	expect("ended waits", (long long)ended, (long long)s.waits);
	/* Every deadline here is past, so nobody is queued. */
	expect("waits", (long long)s.waits, 0);
	expect("waiters", (long long)s.waiters, 0);
	expect("low_nr", (long long)s.low_nr, oracle.low_nr);
	expect("saturated", mempool_is_saturated(pool),
	       oracle.curr_nr >= oracle.min_nr);
}

/* ---- operations ---------------------------------------------------------- */

static void keep(void *element, gfp_t gfp_mask)
{
	const unsigned char *byte = element;
	unsigned int i;

	if (gfp_mask & __GFP_ZERO)
		for (i = 0; i < ELEMENT_SIZE; i++)
			expect("a zeroed byte", byte[i], 0);
	for (i = 0; i < nr_outside; i++)
		expect("in two hands", outside[i] == element, 0);
	memset(element, 0x11, ELEMENT_SIZE);
	outside[nr_outside++] = element;
}

static void *take_out(void)
{
	unsigned int i = rnd_below(&random_state, nr_outside);
	void *element = outside[i];

	outside[i] = outside[--nr_outside];
	return element;
}

/* What a request that got less than it wants ends with. */
static int failure(bool may_sleep)
{
	if (!may_sleep) {
		oracle.nowait_failures++;
		return EAGAIN;
	}
	if (oracle.shut)
		return ECANCELED;
	oracle.timeouts++;
	return ETIMEDOUT;
}

static gfp_t random_mask(bool *may_sleep)
{
	static const gfp_t masks[] = {
		GFP_NOWAIT, GFP_ATOMIC, GFP_KERNEL, GFP_NOIO,
		GFP_NOWAIT | __GFP_ZERO, GFP_KERNEL | __GFP_ZERO,
	};
	gfp_t mask = masks[rnd_below(&random_state, 6)];

	*may_sleep = gfpflags_allow_blocking(mask);
	return mask;
}

/* A single request; the deadline of one that may sleep is past. */
static void do_alloc(void)
{
	struct timespec past = deadline_past();
	bool may_sleep, first, second;
	void *element;
	gfp_t mask;
	int err = 0;

	operation = "alloc";
	mask = random_mask(&may_sleep);
	fail_once = !oracle.fixed && rnd_below(&random_state, 4) == 0;
	first = backend_share(1) && !fail_once;
	second = backend_share(1) && may_sleep;
	if (first) {
		oracle.from_backend++;
	} else if (oracle.curr_nr > 0) {
		oracle.curr_nr--;
		oracle.from_reserve++;
	} else if (second) {
		oracle.from_backend++;
	} else {
		err = failure(may_sleep);
	}
	settle();
	errno = 0;
	element = mempool_alloc_until(pool, mask, &past);
	expect("errno", errno, err);
	fail_once = false;
	if (element)
		keep(element, mask);
}

static void do_preallocated(void)
{
	void *element;
	int err = 0;

	operation = "alloc_preallocated";
	if (oracle.curr_nr > 0) {
		oracle.curr_nr--;
		oracle.from_reserve++;
	} else {
		oracle.nowait_failures++;
		err = EAGAIN;
	}
	settle();
	errno = 0;
	element = mempool_alloc_preallocated(pool);
	expect("errno", errno, err);
	if (element)
		keep(element, 0);
}

static void do_noreserve(void)
{
	bool gives = backend_share(1);
	void *element;

	operation = "alloc_noreserve";
	oracle.from_backend += gives;
	errno = 0;
	element = mempool_alloc_noreserve(pool, GFP_KERNEL);
	expect("errno", errno, gives ? 0 : ENOMEM);
	if (element)
		keep(element, 0);
}

/*
 * A bulk request that fails gives back what the backend gave: the reserve
 * takes what it lacks.
 */
static void do_bulk(void)
{
	struct timespec past = deadline_past();
	unsigned int count = rnd_below(&random_state, MAX_MIN_NR + 2);
	void *elems[MAX_MIN_NR + 2];
	unsigned int share, i;
	bool may_sleep;
	gfp_t mask;
	int err = 0;

	operation = "alloc_bulk";
	mask = random_mask(&may_sleep);
	if (count > oracle.limit) {
		err = -EINVAL;
	} else if (count > 0) {
		share = backend_share(count);
		oracle.from_backend += share;
		if (oracle.curr_nr >= count - share) {
			oracle.curr_nr -= count - share;
			oracle.from_reserve += count - share;
		} else {
			err = -failure(may_sleep);
			oracle.curr_nr += share;
			if (oracle.curr_nr > oracle.min_nr)
				oracle.curr_nr = oracle.min_nr;
		}
	}
	settle();
	expect("result", mempool_alloc_bulk_until(pool, elems, count, mask,
						  &past), err);
	for (i = 0; err == 0 && i < count; i++)
		keep(elems[i], mask);
}

static void note_free(void)
{
	if (oracle.curr_nr < oracle.min_nr)
		oracle.curr_nr++;
	settle();
}

static void do_free(void)
{
	operation = "free";
	if (nr_outside == 0)
		return;
	note_free();
	mempool_free(take_out(), pool);
}

static void do_free_bulk(void)
{
	unsigned int count = rnd_below(&random_state, 5);
	void *elems[5];
	unsigned int i, nr, lack = oracle.min_nr - oracle.curr_nr;

	operation = "free_bulk";
	if (count > nr_outside)
		count = nr_outside;
	for (i = 0; i < count; i++)
		elems[i] = take_out();
	nr = mempool_free_bulk(pool, elems, count);
	expect("taken", nr, count < lack ? count : lack);
	oracle.curr_nr += nr;
	settle();
	while (nr < count)
		outside[nr_outside++] = elems[nr++];
}

static void do_foreign(void)
{
	void *element;

	operation = "free of a foreign element";
	element = malloc(ELEMENT_SIZE);
	if (!element)
		return;
	nr_live++;
	oracle.foreign++;
	note_free();
	mempool_free(element, pool);
}

/* The reserve takes what it lacks, as far as the backend gives. */
static int fill(void)
{
	unsigned int lack = 0;

	if (oracle.min_nr > oracle.curr_nr)
		lack = oracle.min_nr - oracle.curr_nr;
	if (budget >= 0 && (unsigned long)budget < lack) {
		oracle.curr_nr += (unsigned int)budget;
		return -ENOMEM;
	}
	oracle.curr_nr += lack;
	return 0;
}

static void do_resize(void)
{
	unsigned int min_nr = rnd_below(&random_state, MAX_MIN_NR + 1);
	bool grows = min_nr > oracle.min_nr;

	operation = "resize";
	if (min_nr < oracle.limit)
		oracle.limit = min_nr;
	oracle.min_nr = min_nr;
	if (oracle.curr_nr > min_nr)
		oracle.curr_nr = min_nr;
	settle();
	if (grows)
		fill();
	settle();
	expect("result", mempool_resize(pool, (int)min_nr), 0);
}

static void do_refill(void)
{
	int err;

	operation = "refill";
	err = fill();
	settle();
	expect("result", mempool_refill(pool), err);
}

static void do_backend(void)
{
	operation = "backend";
	switch (rnd_below(&random_state, 4)) {
	case 0:
		budget = -1;
		break;
	case 1:
		budget = (long)rnd_below(&random_state, 6);
		break;
	default:
		budget = 0;
		break;
	}
}

static void do_shutdown(void)
{
	operation = "shutdown";
	oracle.shut = true;
	mempool_shutdown(pool);
}

static void do_drain(void)
{
	struct timespec past = deadline_past();
	bool quiet = (int64_t)nr_outside <= oracle.foreign;

	operation = "drain";
	expect("result", mempool_drain_until(pool, &past),
	       quiet ? 0 : -ETIMEDOUT);
	mempool_kick(pool);
}

static void do_one(unsigned int age)
{
	if (nr_outside + MAX_MIN_NR + 2 > MAX_OUTSIDE) {
		do_free();
		return;
	}
	switch (rnd_below(&random_state, 32)) {
	case 0: case 1: case 2: case 3: case 4: case 5: case 6:
		do_alloc();
		break;
	case 7: case 8:
		do_preallocated();
		break;
	case 9:
		do_noreserve();
		break;
	case 10: case 11: case 12: case 13:
		do_bulk();
		break;
	case 14: case 15: case 16: case 17: case 18: case 19: case 20: case 21:
		do_free();
		break;
	case 22: case 23:
		do_free_bulk();
		break;
	case 24:
		do_foreign();
		break;
	case 25: case 26:
		do_resize();
		break;
	case 27:
		do_refill();
		break;
	case 28: case 29:
		do_backend();
		break;
	case 30:
		do_drain();
		break;
	default:
		if (age > STEPS_PER_POOL - 50)
			do_shutdown();
		break;
	}
}

/* ---- one pool's life ----------------------------------------------------- */

static void make_pool(void)
{
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;

	memset(&oracle, 0, sizeof(oracle));
	oracle.min_nr = rnd_below(&random_state, MAX_MIN_NR + 1);
	oracle.curr_nr = oracle.min_nr;
	oracle.low_nr = oracle.min_nr;
	oracle.limit = oracle.min_nr;
	oracle.fixed = rnd_below(&random_state, 4) == 0;
	attr.element_size = ELEMENT_SIZE;
	attr.flags = oracle.fixed ? MEMPOOL_FIXED : 0;
	attr.retry_ms = HOUR_MS;
	budget = -1;
	nr_failures = 0;
	operation = "create";
	pool = mempool_create_attr((int)oracle.min_nr, model_alloc, model_free,
				   NULL, &attr);
	expect("a pool", pool != NULL, 1);
	check_pool();
}

static void end_pool(void)
{
	operation = "destroy";
	/* With some left outside: that is legal. */
	while (nr_outside > 2)
		do_free();
	mempool_destroy(pool);
	expect("live elements", (long long)nr_live, nr_outside);
	while (nr_outside > 0)
		model_free(take_out(), NULL);
}

int main(void)
{
	unsigned int pools = test_long() ? LONG_POOLS : SHORT_POOLS;
	unsigned int i, age;

	random_state = test_seed("model_mempool");
	for (i = 0; i < pools; i++) {
		make_pool();
		for (age = 0; age < STEPS_PER_POOL; age++, step++) {
			do_one(age);
			check_pool();
		}
		end_pool();
	}
	printf("model_mempool: %lu steps in %u pools\n", step, pools);
	return EXIT_SUCCESS;
}
