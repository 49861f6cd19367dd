/* SPDX-License-Identifier: MIT */
/*
 * storm_layer.c - objects that go from CPU to CPU while everything is recalled
 *
 * Threads that live for a millisecond take objects, pass some on, move to other
 * CPUs, and go in three ways: they return, exit, or are cancelled, and give the
 * last back in a destructor.  Meanwhile producers and consumers hand objects
 * over, one thread recalls what the lanes have, and one forks children that use
 * the caches.
 *
 * What must hold: no object is with two at a time, none is lost, every number
 * is exact in the end.
 *
 * KMEMPOOL_TEST_SEED gives the seed, KMEMPOOL_TEST_LONG=1 makes it long.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <inttypes.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lane.h"
#include "storm.h"
#include "testlib.h"

#define NR_AT_ONCE	12
#define NR_CACHES	2
#define NR_SLOTS	32		/* where objects change hands */
#define NR_RING		64
#define MOST_HELD	48
#define MOST_AT_ONCE	16
#define CHILD_S		20

/* Rounds of destructors.  In the last one ThreadSanitizer has taken its leave
 * of the thread. */
#ifdef TESTLIB_TSAN
#define NR_ROUNDS	(PTHREAD_DESTRUCTOR_ITERATIONS - 1)
#else
#define NR_ROUNDS	PTHREAD_DESTRUCTOR_ITERATIONS
#endif

#ifdef TESTLIB_TSAN
#define NR_SHORT	250u
#else
#define NR_SHORT	2500u
#endif
#define NR_LIVES	(test_long() ? 10000u : NR_SHORT)

/* What follows the word that a free object's slab may use. */
struct object {
	void			*link;
	_Atomic(uint64_t)	owner;		/* 0: nobody */
};

static struct kmem_cache *caches[NR_CACHES];
static const unsigned int sizes[NR_CACHES] = { 40, 1000 };
static _Atomic(struct object *) slots[NR_CACHES][NR_SLOTS];
static _Atomic(struct object *) ring[NR_CACHES][NR_RING];
static cpu_set_t allowed;
static uint64_t seed;
static atomic_bool stop;
static pthread_key_t key;

/* Over all of a kind; read after a join. */
struct record {
	uint64_t	taken[NR_CACHES], given[NR_CACHES];
	uint64_t	nr_wrong, nr_passed, nr_cancelled, nr_done;
};

struct worker {
	pthread_t	thread;
	uint64_t	number;		/* of who has an object; not 0 */
	uint64_t	random_state;
	struct record	record;
	struct object	*held[NR_CACHES][MOST_HELD];
	unsigned int	nr_held[NR_CACHES];
	bool		cancel;		/* how it goes */
	atomic_bool	waits;		/* to be cancelled */
};

/* ---- who has what -------------------------------------------------------- */

static void own(struct worker *w, struct object *object)
{
	w->record.nr_wrong += atomic_exchange(&object->owner, w->number) != 0;
}

static void disown(struct worker *w, struct object *object)
{
	w->record.nr_wrong += atomic_exchange(&object->owner, 0) != w->number;
}

static void keep(struct worker *w, unsigned int which, struct object *object)
{
	own(w, object);
	w->held[which][w->nr_held[which]++] = object;
}

static struct object *let_go(struct worker *w, unsigned int which)
{
	unsigned int i = rnd_below(&w->random_state, w->nr_held[which]);
	struct object *object = w->held[which][i];

	w->held[which][i] = w->held[which][--w->nr_held[which]];
	disown(w, object);
	return object;
}

static void take(struct worker *w, unsigned int which, unsigned int nr)
{
	void *taken[MOST_AT_ONCE];
	unsigned int i;
	bool done;

	if (w->nr_held[which] + nr > MOST_HELD)
		return;
	if (nr == 1)
		done = (taken[0] = kmem_cache_alloc(caches[which], GFP_KERNEL));
	else
		done = kmem_cache_alloc_bulk(caches[which], GFP_KERNEL, nr,
					     taken);
	w->record.nr_wrong += !done;
	if (!done)
		return;
	w->record.taken[which] += nr;
	for (i = 0; i < nr; i++)
		keep(w, which, taken[i]);
}

static void give(struct worker *w, unsigned int which, unsigned int nr)
{
	void *given[MOST_AT_ONCE];
	unsigned int i;

	if (nr > w->nr_held[which])
		return;
	for (i = 0; i < nr; i++)
		given[i] = let_go(w, which);
	w->record.given[which] += nr;
	if (nr == 1)
		kmem_cache_free(caches[which], given[0]);
	else
		kmem_cache_free_bulk(caches[which], nr, given);
}

/* Into a slot, and out of it whatever another had put there. */
static void pass_on(struct worker *w, unsigned int which)
{
	unsigned int slot = rnd_below(&w->random_state, NR_SLOTS);
	struct object *object;

	if (!w->nr_held[which])
		return;
	object = atomic_exchange(&slots[which][slot], let_go(w, which));
	if (!object)
		return;
	keep(w, which, object);
	w->record.nr_passed++;
}

static void give_all(struct worker *w)
{
	unsigned int which;

	for (which = 0; which < NR_CACHES; which++)
		while (w->nr_held[which])
			give(w, which, 1);
}

static void step(struct worker *w)
{
	unsigned int which = rnd_below(&w->random_state, NR_CACHES);

	switch (rnd_below(&w->random_state, 16)) {
	case 0:
		storm_move(&w->random_state, &allowed, 4);
		break;
	case 1: case 2: case 3:
		pass_on(w, which);
		break;
	case 4: case 5: case 6:
		take(w, which, 1 + rnd_below(&w->random_state, MOST_AT_ONCE));
		break;
	case 7: case 8: case 9:
		give(w, which, 1 + rnd_below(&w->random_state, MOST_AT_ONCE));
		break;
	case 10: case 11: case 12:
		take(w, which, 1);
		break;
	default:
		give(w, which, 1);
		break;
	}
}

/* ---- threads of a millisecond -------------------------------------------- */

/* The last round of destructors, whatever else has some. */
static void give_late(void *value)
{
	struct worker *w = value;

	if (++w->record.nr_done % NR_ROUNDS)
		pthread_setspecific(key, w);
	else
		give_all(w);
	take(w, 0, 2);
	give(w, 0, 2);
}

static void *live(void *arg)
{
	struct worker *w = arg;
	int i;

	pthread_cleanup_push(cancel_cleanup, NULL);
	pthread_setspecific(key, w);
	for (i = 0; i < 40; i++)
		step(w);
	atomic_store(&w->waits, true);
	/* ThreadSanitizer loses track of who is cancelled in a sleep. */
	while (w->cancel) {
		pthread_testcancel();
		pause_ms(1);
	}
	pause_ms(1);
	for (i = 0; i < 40; i++)
		step(w);
	if (rnd_below(&w->random_state, 2))
		pthread_exit(NULL);
	pthread_cleanup_pop(1);
	return NULL;
}

static void start(struct worker *w, void *(*fn)(void *), uint64_t number)
{
	w->number = number;
	w->random_state = seed + number * 12345;
	w->cancel = rnd_below(&w->random_state, 3) == 0;
	atomic_store(&w->waits, false);
	if (pthread_create(&w->thread, NULL, fn, w) != 0) {
		perror("storm_layer: pthread_create");
		exit(EXIT_FAILURE);
	}
}

static void end(struct worker *w)
{
	if (w->cancel && wait_for_flag(&w->waits)) {
		pthread_cancel(w->thread);
		w->record.nr_cancelled++;
	}
	pthread_join(w->thread, NULL);
}

static struct worker lives[NR_AT_ONCE];

static void live_many_lives(void)
{
	struct worker *w;
	unsigned int i;

	for (i = 0; i < NR_LIVES + NR_AT_ONCE; i++) {
		w = &lives[i % NR_AT_ONCE];
		if (i >= NR_AT_ONCE)
			end(w);
		if (i < NR_LIVES)
			start(w, live, i + 100);
	}
}

/* ---- from one CPU to another --------------------------------------------- */

static void *produce(void *arg)
{
	struct worker *w = arg;
	struct object *none;
	unsigned int which, i;

	storm_move(&w->random_state, &allowed, 4);
	for (i = 0; !atomic_load(&stop); i++) {
		which = i % NR_CACHES;
		take(w, which, 1);
		none = NULL;
		if (w->nr_held[which] &&
		    !atomic_load(&ring[which][i / 2 % NR_RING]) &&
		    atomic_compare_exchange_strong(
			    &ring[which][i / 2 % NR_RING], &none,
			    let_go(w, which)))
			continue;
		if (i % NR_RING == 0)
			sched_yield();
		give(w, which, 1);
	}
	give_all(w);
	return NULL;
}

static void *consume(void *arg)
{
	struct worker *w = arg;
	struct object *object;
	unsigned int which, i;

	for (i = 0; !atomic_load(&stop); i++) {
		which = i % NR_CACHES;
		object = atomic_exchange(&ring[which][i / 2 % NR_RING], NULL);
		if (!object) {
			if (i % NR_RING == 0)
				storm_move(&w->random_state, &allowed, 4);
			continue;
		}
		keep(w, which, object);
		w->record.nr_passed++;
		if (w->nr_held[which] == MOST_AT_ONCE)
			give(w, which, MOST_AT_ONCE);
	}
	give_all(w);
	return NULL;
}

/* ---- recall -------------------------------------------------------------- */

static void look(struct worker *w, struct kmem_cache *cache)
{
	struct kmem_cache_stats s = cache_stats_of(cache);

	w->record.nr_wrong += s.allocs - s.frees != s.active || s.failures;
}

static void *recall(void *arg)
{
	struct worker *w = arg;
	struct kmem_cache *cache;

	while (!atomic_load(&stop)) {
		cache = caches[rnd_below(&w->random_state, NR_CACHES)];
		if (rnd_below(&w->random_state, 2))
			kmem_cache_shrink(cache);
		else
			look(w, cache);
		w->record.nr_done++;
		if (rnd_below(&w->random_state, 16) == 0)
			pause_ms(1);
	}
	return NULL;
}

/* ---- forks --------------------------------------------------------------- */

/* Others' objects are theirs for ever; of those to be had none is doubled. */
static int use_in_child(struct kmem_cache *cache)
{
	static struct object *taken[500];
	int i, nr_wrong = 0;

	for (i = 0; i < 500; i++) {
		taken[i] = kmem_cache_alloc(cache, GFP_KERNEL);
		if (!taken[i])
			return 1;
		nr_wrong += atomic_exchange(&taken[i]->owner, 1) != 0;
	}
	for (i = 0; i < 500; i++)
		nr_wrong += atomic_exchange(&taken[i]->owner, 0) != 1;
	kmem_cache_free_bulk(cache, 250, (void **)taken);
	for (i = 250; i < 500; i++)
		kmem_cache_free(cache, taken[i]);
	nr_wrong += kmem_cache_shrink(cache) != 0;
	kmem_cache_reset(cache);
	nr_wrong += cache_stats_of(cache).active != 0;
	nr_wrong += kmem_cache_destroy(cache) != 0;
	return nr_wrong != 0;
}

static void *fork_children(void *arg)
{
	struct worker *w = arg;
	int status;
	pid_t child;

	while (!atomic_load(&stop)) {
		child = fork();
		if (child == 0) {
			alarm(CHILD_S);
			_exit(use_in_child(caches[0]) |
			      use_in_child(caches[1]) << 1);
		}
		status = -1;
		w->record.nr_wrong += child < 0 ||
				      waitpid(child, &status, 0) != child ||
				      status != 0;
		w->record.nr_done++;
		pause_ms(2);
	}
	return NULL;
}

/* -------------------------------------------------------------------------- */

static struct {
	const char	*name;
	void		*(*fn)(void *);
	struct worker	worker;
} others[] = {
	{ .name = "recalls", .fn = recall },
	{ .name = "forks", .fn = fork_children },
	{ .name = "producer", .fn = produce },
	{ .name = "consumer", .fn = consume },
};

#define NR_OTHERS	(sizeof(others) / sizeof(others[0]))

static struct record sum;

static void add(const struct record *record)
{
	unsigned int which;

	for (which = 0; which < NR_CACHES; which++) {
		sum.taken[which] += record->taken[which];
		sum.given[which] += record->given[which];
	}
	sum.nr_wrong += record->nr_wrong;
	sum.nr_passed += record->nr_passed;
	sum.nr_cancelled += record->nr_cancelled;
}

static void empty(_Atomic(struct object *) *places, unsigned int nr,
		  unsigned int which)
{
	struct object *object;
	unsigned int i;

	for (i = 0; i < nr; i++) {
		object = atomic_exchange(&places[i], NULL);
		sum.given[which] += object != NULL;
		kmem_cache_free(caches[which], object);
	}
}

static void end_cache(unsigned int which)
{
	struct kmem_cache_stats s;

	empty(slots[which], NR_SLOTS, which);
	empty(ring[which], NR_RING, which);
	s = cache_stats_of(caches[which]);
	CHECK(s.active == 0);
	CHECK(s.allocs == sum.taken[which]);
	CHECK(s.frees == sum.given[which]);
	CHECK(s.allocs == s.frees);
	CHECK(s.failures == 0);
	CHECK(s.slabs_full == 0 && s.slabs_partial == 0);
	CHECK(kmem_cache_shrink(caches[which]) == 0);
	CHECK(cache_stats_of(caches[which]).objects == 0);
	CHECK(kmem_cache_destroy(caches[which]) == 0);
	printf("storm_layer: %" PRIu64 " objects of %u bytes, %" PRIu64
	       " slabs made\n", s.allocs, sizes[which], s.slabs_made);
}

static void make_caches(void)
{
	unsigned int i;

	for (i = 0; i < NR_CACHES; i++) {
		caches[i] = kmem_cache_create("storm", sizes[i], 0, 0, NULL);
		if (!caches[i])
			exit(EXIT_FAILURE);
	}
}

int main(void)
{
	unsigned int i;

	seed = test_seed("storm_layer");
	sched_getaffinity(0, sizeof(allowed), &allowed);
	if (pthread_key_create(&key, give_late))
		return EXIT_FAILURE;
	make_caches();
	for (i = 0; i < NR_OTHERS; i++)
		start(&others[i].worker, others[i].fn, i + 1);
	live_many_lives();
	atomic_store(&stop, true);
	for (i = 0; i < NR_OTHERS; i++) {
		pthread_join(others[i].worker.thread, NULL);
		add(&others[i].worker.record);
	}
	for (i = 0; i < NR_AT_ONCE; i++)
		add(&lives[i].record);
	printf("storm_layer: lanes %s; %u threads, %" PRIu64 " cancelled; "
	       "%" PRIu64 " recalls, %" PRIu64 " forks, %" PRIu64
	       " objects changed hands\n",
	       lane_is_cpu ? "of CPUs" : "that are claimed", NR_LIVES,
	       sum.nr_cancelled, others[0].worker.record.nr_done,
	       others[1].worker.record.nr_done, sum.nr_passed);
	CHECK(sum.nr_wrong == 0);
	CHECK(sum.nr_cancelled > 0);
	CHECK(sum.nr_passed > 0);
	CHECK(others[0].worker.record.nr_done > 0);
	CHECK(others[1].worker.record.nr_done > 0);
	for (i = 0; i < NR_CACHES; i++)
		end_cache(i);
	return nr_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
