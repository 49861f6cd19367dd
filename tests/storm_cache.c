/* SPDX-License-Identifier: MIT */
/*
 * storm_cache.c - many threads in the same caches
 *
 * Three parts.  A storm: threads take, give, and hand objects to each other,
 * shrink, look and visit, and in the end every number is exact.  A soak: after
 * a spike the memory of the process comes back to about what is alive.  Churn:
 * threads that live for a moment leave nothing behind.
 *
 * KMEMPOOL_TEST_SEED gives the seed, KMEMPOOL_TEST_LONG=1 makes it long.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storm.h"
#include "testlib.h"

#define NR_THREADS	4
#define NR_CACHES	3
#define NR_SLOTS	64		/* where objects change hands */
#define MOST_HELD	100

/* What each object begins with while it is out. */
struct object {
	uint64_t	owner;		/* thread, or 0 in a slot */
	uint64_t	check;
};

static struct kmem_cache *caches[NR_CACHES];
static const unsigned int sizes[NR_CACHES] = { 32, 1000, 30000 };
static atomic_ulong nr_ctors, nr_dtors;
static _Atomic(struct object *) slots[NR_CACHES][NR_SLOTS];
static uint64_t seed;

struct worker {
	pthread_t	thread;
	uint64_t	random_state;
	uint64_t	number;		/* from 1 */
	unsigned int	nr_steps;
	uint64_t	taken[NR_CACHES], given[NR_CACHES];
	unsigned int	nr_passed, nr_wrong;
	struct object	*held[NR_CACHES][MOST_HELD];
	unsigned int	nr_held[NR_CACHES];
	struct slab_sheaf *sheaves[NR_CACHES];
};

static int construct(void *object, void *ctor_arg, gfp_t gfp_mask)
{
	(void)ctor_arg;
	(void)gfp_mask;
	memset(object, 0, sizeof(struct object));
	atomic_fetch_add(&nr_ctors, 1);
	return 0;
}

static void destruct(void *object, void *ctor_arg)
{
	(void)object;
	(void)ctor_arg;
	atomic_fetch_add(&nr_dtors, 1);
}

static void claim(struct worker *w, struct object *object)
{
	object->owner = w->number;
	object->check = w->number * 77 + (uintptr_t)object;
}

static void check_claim(struct worker *w, const struct object *object)
{
	w->nr_wrong += object->owner != w->number ||
		       object->check != w->number * 77 + (uintptr_t)object;
}

static void keep(struct worker *w, unsigned int which, struct object *object)
{
	claim(w, object);
	w->held[which][w->nr_held[which]++] = object;
}

static struct object *let_go(struct worker *w, unsigned int which)
{
	unsigned int i = rnd_below(&w->random_state, w->nr_held[which]);
	struct object *object = w->held[which][i];

	check_claim(w, object);
	w->held[which][i] = w->held[which][--w->nr_held[which]];
	object->owner = 0;
	return object;
}

static void take(struct worker *w, unsigned int which, unsigned int nr)
{
	void *objects[16];
	unsigned int i;

	if (w->nr_held[which] + nr > MOST_HELD)
		return;
	if (nr == 1)
		objects[0] = kmem_cache_alloc(caches[which], GFP_KERNEL);
	if (nr == 1 ? !objects[0]
		    : !kmem_cache_alloc_bulk(caches[which], GFP_KERNEL, nr,
					     objects)) {
		w->nr_wrong++;
		return;
	}
	w->taken[which] += nr;
	for (i = 0; i < nr; i++)
		keep(w, which, objects[i]);
}

static void give(struct worker *w, unsigned int which, unsigned int nr)
{
	void *objects[16];
	unsigned int i;

	if (nr > w->nr_held[which])
		return;
	for (i = 0; i < nr; i++)
		objects[i] = let_go(w, which);
	w->given[which] += nr;
	if (nr == 1)
		kmem_cache_free(caches[which], objects[0]);
	else
		kmem_cache_free_bulk(caches[which], nr, objects);
}

/* By way of a sheaf, in which some may stay. */
static void take_from_sheaf(struct worker *w, unsigned int which,
			    unsigned int nr)
{
	struct kmem_cache *cache = caches[which];
	struct slab_sheaf **sheaf = &w->sheaves[which];
	unsigned int had = kmem_cache_sheaf_size(*sheaf);
	bool filled;

	if (w->nr_held[which] + nr > MOST_HELD)
		return;
	if (*sheaf)
		filled = !kmem_cache_refill_sheaf(cache, GFP_KERNEL, sheaf, nr);
	else
		filled = (*sheaf = kmem_cache_prefill_sheaf(cache, GFP_KERNEL,
							    nr));
	w->taken[which] += kmem_cache_sheaf_size(*sheaf) - had;
	if (!filled) {
		w->nr_wrong++;
		return;
	}
	for (nr = (nr + 1) / 2; nr; nr--)
		keep(w, which, kmem_cache_alloc_from_sheaf(cache, GFP_KERNEL,
							   *sheaf));
}

static void return_sheaf(struct worker *w, unsigned int which)
{
	w->given[which] += kmem_cache_sheaf_size(w->sheaves[which]);
	kmem_cache_return_sheaf(caches[which], GFP_KERNEL, w->sheaves[which]);
	w->sheaves[which] = NULL;
}

/* Into a slot, and out of it whatever another had put there. */
static void pass_on(struct worker *w, unsigned int which)
{
	unsigned int slot = rnd_below(&w->random_state, NR_SLOTS);
	struct object *object;

	if (!w->nr_held[which])
		return;
	object = atomic_exchange(&slots[which][slot], let_go(w, which));
	if (object) {
		w->nr_wrong += object->owner != 0;
		keep(w, which, object);
		w->nr_passed++;
	}
}

static int look(struct kmem_cache *cache, void *arg)
{
	struct worker *w = arg;
	struct kmem_cache_stats s = cache_stats_of(cache);

	w->nr_wrong += s.allocs - s.frees != s.active ||
		       s.active > s.objects;
	return 0;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	unsigned int step, which;

	for (step = 0; step < w->nr_steps; step++) {
		which = rnd_below(&w->random_state, NR_CACHES);
		switch (rnd_below(&w->random_state, 40)) {
		case 0:
			kmem_cache_shrink(caches[which]);
			break;
		case 1:
			kmem_cache_for_each(look, w);
			break;
		case 2:
			while (w->nr_held[which])
				give(w, which, 1);
			break;
		case 3: case 4: case 5:
			take(w, which, 1 + rnd_below(&w->random_state, 16));
			break;
		case 6: case 7: case 8:
			give(w, which, 1 + rnd_below(&w->random_state, 16));
			break;
		case 9: case 10: case 11: case 12: case 13: case 14:
			pass_on(w, which);
			break;
		case 15: case 16:
			take_from_sheaf(w, which,
					1 + rnd_below(&w->random_state, 16));
			break;
		case 17:
			return_sheaf(w, which);
			break;
		default:
			if (rnd_below(&w->random_state, 2))
				take(w, which, 1);
			else
				give(w, which, 1);
			break;
		}
	}
	for (which = 0; which < NR_CACHES; which++) {
		return_sheaf(w, which);
		while (w->nr_held[which])
			give(w, which, 1);
	}
	return NULL;
}

static void start(struct worker *w, unsigned int number, unsigned int steps)
{
	memset(w, 0, sizeof(*w));
	w->number = number;
	w->random_state = seed + number * 12345;
	w->nr_steps = steps;
	if (pthread_create(&w->thread, NULL, work, w) != 0) {
		perror("storm_cache: pthread_create");
		exit(EXIT_FAILURE);
	}
}

static void make_caches(void)
{
	struct kmem_cache_args args = {
		.ctor_try = construct, .dtor = destruct,
	};
	unsigned int i;

	for (i = 0; i < NR_CACHES; i++) {
		caches[i] = kmem_cache_create_args("storm", sizes[i],
						   i == 1 ? &args : NULL, 0);
		if (!caches[i])
			exit(EXIT_FAILURE);
	}
}

static uint64_t empty_slots(unsigned int which)
{
	struct object *object;
	uint64_t nr = 0;
	unsigned int i;

	for (i = 0; i < NR_SLOTS; i++) {
		object = atomic_exchange(&slots[which][i], NULL);
		nr += object != NULL;
		kmem_cache_free(caches[which], object);
	}
	return nr;
}

static void end_caches(void)
{
	unsigned int i;

	for (i = 0; i < NR_CACHES; i++)
		CHECK(kmem_cache_destroy(caches[i]) == 0);
	CHECK(atomic_load(&nr_ctors) == atomic_load(&nr_dtors));
}

/* ---- storm --------------------------------------------------------------- */

static void storm(void)
{
	static struct worker workers[NR_THREADS];
	uint64_t taken[NR_CACHES] = { 0 }, given[NR_CACHES] = { 0 };
	unsigned int i, which, nr_passed = 0, nr_wrong = 0;
	struct kmem_cache_stats s;

	make_caches();
	for (i = 0; i < NR_THREADS; i++)
		start(&workers[i], i + 1, test_long() ? 5000000 : 50000);
	for (i = 0; i < NR_THREADS; i++) {
		pthread_join(workers[i].thread, NULL);
		nr_passed += workers[i].nr_passed;
		nr_wrong += workers[i].nr_wrong;
		for (which = 0; which < NR_CACHES; which++) {
			taken[which] += workers[i].taken[which];
			given[which] += workers[i].given[which];
		}
	}
	CHECK(nr_wrong == 0);
	CHECK(nr_passed > 0);
	for (which = 0; which < NR_CACHES; which++) {
		given[which] += empty_slots(which);
		s = cache_stats_of(caches[which]);
		CHECK(s.active == 0);
		CHECK(s.allocs == taken[which]);
		CHECK(s.frees == given[which]);
		CHECK(s.allocs == s.frees);
		CHECK(s.failures == 0);
		CHECK(s.slabs_full == 0 && s.slabs_partial == 0);
		CHECK(s.slabs_made - s.slabs_returned == s.slabs_empty);
		printf("storm_cache: %" PRIu64 " objects of %u bytes, "
		       "%" PRIu64 " slabs made\n", s.allocs, sizes[which],
		       s.slabs_made);
	}
	printf("storm_cache: %u objects changed hands\n", nr_passed);
	end_caches();
}

/* ---- soak ---------------------------------------------------------------- */

#define SPIKE		400000u		/* objects of 512 bytes: 200 MB */
#define LIVE		100000u

/* A sanitizer keeps memory of its own for ours. */
static bool memory_tells(void)
{
#if defined(TESTLIB_ASAN) || defined(TESTLIB_TSAN)
	return false;
#else
	return resident_bytes() > 0;
#endif
}

static void soak(void)
{
	struct kmem_cache *cache = kmem_cache_create("soak", 512, 0, 0, NULL);
	void **objects = calloc(SPIKE, sizeof(*objects));
	size_t before, top, after, round;
	unsigned int i;

	if (!cache || !objects)
		exit(EXIT_FAILURE);
	/* So that what is not ours is there before. */
	memset(objects, 1, SPIKE * sizeof(*objects));
	before = resident_bytes();
	for (round = 0; round < (test_long() ? 50 : 2); round++) {
		for (i = round ? LIVE : 0; i < SPIKE; i++) {
			objects[i] = kmem_cache_alloc(cache, GFP_KERNEL);
			if (!objects[i])
				exit(EXIT_FAILURE);
			memset(objects[i], 1, 512);
		}
		top = resident_bytes();
		/* Emptied at once, as a program does that comes to rest. */
		for (i = LIVE; i < SPIKE; i++)
			kmem_cache_free(cache, objects[i]);
		kmem_cache_shrink(cache);
		after = resident_bytes();
		if (!memory_tells())
			continue;
		printf("storm_cache: %zu KiB at the top, %zu KiB after it, "
		       "%u KiB alive\n", (top - before) >> 10,
		       (after - before) >> 10, LIVE / 2);
		CHECK(top - before >= SPIKE * (size_t)512);
		CHECK(after - before <= LIVE * (size_t)512 / 10 * 11);
	}
	kmem_cache_free_bulk(cache, LIVE, objects);
	CHECK(kmem_cache_destroy(cache) == 0);
	free(objects);
}

/* The same without a call of shrink: a sixteenth of what is in use is kept. */
static void soak_without_shrink(void)
{
	struct kmem_cache *cache = kmem_cache_create("soak", 512, 0, 0, NULL);
	void **objects = calloc(SPIKE, sizeof(*objects));
	struct kmem_cache_stats s;
	unsigned int i;

	if (!cache || !objects)
		exit(EXIT_FAILURE);
	for (i = 0; i < SPIKE; i++)
		objects[i] = kmem_cache_alloc(cache, GFP_KERNEL);
	for (i = LIVE; i < SPIKE; i++)
		kmem_cache_free(cache, objects[i]);
	s = cache_stats_of(cache);
	CHECK(s.active == LIVE);
	CHECK(s.objects * s.stride <= LIVE * (uint64_t)512 / 10 * 11);
	kmem_cache_free_bulk(cache, LIVE, objects);
	CHECK(kmem_cache_destroy(cache) == 0);
	free(objects);
}

/* ---- churn --------------------------------------------------------------- */

static void churn(void)
{
	unsigned int nr = test_long() ? 20000 : 600, i, at;
	static struct worker workers[NR_THREADS];
	size_t early = 0, late;

	make_caches();
	for (i = 0; i < nr; i += NR_THREADS) {
		for (at = 0; at < NR_THREADS; at++)
			start(&workers[at], at + 1, 20);
		for (at = 0; at < NR_THREADS; at++) {
			pthread_join(workers[at].thread, NULL);
			if (workers[at].nr_wrong)
				nr_failed++;
		}
		if (i == nr / 2)
			early = resident_bytes();
	}
	for (i = 0; i < NR_CACHES; i++) {
		empty_slots(i);
		CHECK(cache_stats_of(caches[i]).active == 0);
		kmem_cache_shrink(caches[i]);
		CHECK(cache_stats_of(caches[i]).objects == 0);
	}
	late = resident_bytes();
	CHECK(!memory_tells() || late <= early + (1u << 20));
	printf("storm_cache: %u threads came and went\n", nr);
	end_caches();
}

int main(void)
{
	seed = test_seed("storm_cache");
	/* First, while nothing else has been resident. */
	soak();
	soak_without_shrink();
	storm();
	churn();
	return nr_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
