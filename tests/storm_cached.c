/* SPDX-License-Identifier: MIT */
/*
 * storm_cached.c - a few elements, cached near CPUs and wanted everywhere
 *
 * Pools without a backend.  In each, threads take elements and give them back in
 * turn, some on one CPU, some on any; they do so alone for a while, so that the
 * reserve is cached, and then want more than there is, all at once or singly,
 * without waiting, with a deadline, for ever, or until they are cancelled.
 * Meanwhile one thread looks at the numbers and resizes, and one forks children
 * that use the pools.
 *
 * What must hold: no element is with two at a time, none is lost, who waits for
 * ever is served, every number is exact in the end.
 *
 * KMEMPOOL_TEST_SEED gives the seed, KMEMPOOL_TEST_LONG=1 makes it long.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core.h"
#include "storm.h"
#include "testlib.h"

#define NR_THREADS	6
#define NR_POOLS	3
#define MOST_HELD	3
#define CHILD_S		20
#define RUN_MS		(test_long() ? 30000u : 1500u)

struct element {
	atomic_uint	owner;		/* 0: nobody */
};

/* Bulks of them fit, whatever they are resized to. */
static const int min_nrs[NR_POOLS] = { 3, 8, 64 };
static mempool_t *pools[NR_POOLS];
static atomic_bool backend_is_dead;
static atomic_int nr_live;		/* elements in the world */
static cpu_set_t allowed;
static uint64_t seed;
static atomic_bool stop;

struct worker {
	pthread_t	thread;
	unsigned int	number;		/* not 0 */
	uint64_t	random_state;
	uint64_t	nr_wrong, nr_done, nr_refused, nr_cancelled;
};

/* That of testlib.h has a lock, which a child may find taken. */
static void *make_element(gfp_t gfp, void *pool_data)
{
	(void)gfp;
	(void)pool_data;
	if (atomic_load(&backend_is_dead))
		return NULL;
	atomic_fetch_add(&nr_live, 1);
	return calloc(1, sizeof(struct element));
}

static void unmake_element(void *element, void *pool_data)
{
	(void)pool_data;
	atomic_fetch_sub(&nr_live, 1);
	free(element);
}

/* ---- who has what -------------------------------------------------------- */

static void own(struct worker *w, void *p)
{
	struct element *element = p;

	w->nr_wrong += atomic_exchange(&element->owner, w->number) != 0;
}

static void give(struct worker *w, mempool_t *pool, void *p)
{
	struct element *element = p;

	w->nr_wrong += atomic_exchange(&element->owner, 0) != w->number;
	mempool_free(p, pool);
}

/* ---- taking -------------------------------------------------------------- */

static void *take(struct worker *w, mempool_t *pool)
{
	struct timespec deadline;

	switch (rnd_below(&w->random_state, 4)) {
	case 0:
		return mempool_alloc(pool, GFP_KERNEL);
	case 1:
		deadline = deadline_in_ms(1);
		return mempool_alloc_until(pool, GFP_KERNEL, &deadline);
	case 2:
		return mempool_alloc_preallocated(pool);
	default:
		return mempool_alloc(pool, GFP_NOWAIT);
	}
}

static void take_several(struct worker *w, mempool_t *pool)
{
	void *elems[MOST_HELD];
	unsigned int nr = 1 + rnd_below(&w->random_state, MOST_HELD), i, done;

	if (mempool_alloc_bulk_until(pool, elems, nr,
				     rnd_below(&w->random_state, 2)
				     ? GFP_KERNEL : GFP_NOWAIT, NULL)) {
		w->nr_refused++;
		return;
	}
	for (i = 0; i < nr; i++)
		own(w, elems[i]);
	if (rnd_below(&w->random_state, 2)) {
		for (i = 0; i < nr; i++)
			give(w, pool, elems[i]);
		return;
	}
	for (i = 0; i < nr; i++)
		atomic_store(&((struct element *)elems[i])->owner, 0);
	done = mempool_free_bulk(pool, elems, nr);
	for (i = done; i < nr; i++)
		mempool_free(elems[i], pool);
}

/* Alone, if nobody else happens to use it. */
static void take_many_times(struct worker *w, mempool_t *pool)
{
	unsigned int i, nr = rnd_below(&w->random_state, 400);
	void *element;

	for (i = 0; i < nr; i++) {
		element = mempool_alloc(pool, GFP_NOWAIT);
		if (!element)
			break;
		own(w, element);
		give(w, pool, element);
	}
}

static void step(struct worker *w)
{
	mempool_t *pool = pools[rnd_below(&w->random_state, NR_POOLS)];
	void *element;

	switch (rnd_below(&w->random_state, 8)) {
	case 0:
		storm_move(&w->random_state, &allowed, 2);
		break;
	case 1:
		take_several(w, pool);
		break;
	case 2: case 3:
		element = take(w, pool);
		w->nr_refused += !element;
		if (element) {
			own(w, element);
			sched_yield();
			give(w, pool, element);
		}
		break;
	default:
		take_many_times(w, pool);
	}
	w->nr_done++;
}

static void *use(void *arg)
{
	struct worker *w = arg;

	while (!atomic_load(&stop))
		step(w);
	return NULL;
}

/* ---- cancelled ----------------------------------------------------------- */

static void *take_and_be_cancelled(void *arg)
{
	mempool_t *pool = arg;

	pthread_cleanup_push(cancel_cleanup, NULL);
	for (;;) {
		mempool_free(mempool_alloc(pool, GFP_KERNEL), pool);
		pthread_testcancel();
	}
	pthread_cleanup_pop(0);
	return NULL;
}

static void *cancel(void *arg)
{
	struct worker *w = arg;
	pthread_t thread;

	while (!atomic_load(&stop)) {
		if (pthread_create(&thread, NULL, take_and_be_cancelled,
				   pools[rnd_below(&w->random_state,
						   NR_POOLS)]))
			break;
		pause_ms(rnd_below(&w->random_state, 3));
		pthread_cancel(thread);
		pthread_join(thread, NULL);
		w->nr_cancelled++;
	}
	return NULL;
}

/* ---- looking ------------------------------------------------------------- */

/* Elements come and go by a resize only, which only this thread does. */
static void *look(void *arg)
{
	struct worker *w = arg;
	struct mempool_stats s;
	unsigned int i;

	while (!atomic_load(&stop)) {
		i = rnd_below(&w->random_state, NR_POOLS);
		s = stats_of(pools[i]);
		w->nr_wrong += s.curr_nr > s.min_nr || !s.cached;
		if (rnd_below(&w->random_state, 4) == 0) {
			mempool_resize(pools[i], min_nrs[i] + 2);
			mempool_resize(pools[i], min_nrs[i]);
		}
		w->nr_done++;
		pause_ms(rnd_below(&w->random_state, 8));
	}
	return NULL;
}

/* ---- forks --------------------------------------------------------------- */

/* What others had is out for ever; the rest can be had, and is not doubled. */
static int use_in_child(mempool_t *pool)
{
	struct mempool_stats s = stats_of(pool);
	void *elems[128];
	uint64_t nr, i;

	for (nr = 0; (elems[nr] = mempool_alloc(pool, GFP_NOWAIT)); nr++)
		if (atomic_exchange(&((struct element *)elems[nr])->owner, 99))
			return 1;
	if (nr != s.curr_nr)
		return 2;
	for (i = 0; i < nr; i++) {
		atomic_store(&((struct element *)elems[i])->owner, 0);
		mempool_free(elems[i], pool);
	}
	return stats_of(pool).curr_nr != nr;
}

static void *fork_children(void *arg)
{
	struct worker *w = arg;
	int status, err;
	unsigned int i;
	pid_t child;

	while (!atomic_load(&stop)) {
		child = fork();
		if (child == 0) {
			alarm(CHILD_S);
			for (i = err = 0; i < NR_POOLS; i++)
				err |= use_in_child(pools[i]);
			_exit(err);
		}
		status = -1;
		if (child < 0 || waitpid(child, &status, 0) != child ||
		    status) {
			printf("storm_cached: wait status %#x of a child\n",
			       (unsigned int)status);
			w->nr_wrong++;
		}
		w->nr_done++;
		pause_ms(2);
	}
	return NULL;
}

/* -------------------------------------------------------------------------- */

static struct worker workers[NR_THREADS];
static struct worker others[3];
static void *(*const jobs[])(void *) = { look, fork_children, cancel };

static void start(struct worker *w, void *(*fn)(void *), unsigned int number)
{
	w->number = number;
	w->random_state = seed + number * 12345;
	if (pthread_create(&w->thread, NULL, fn, w) != 0) {
		perror("storm_cached: pthread_create");
		exit(EXIT_FAILURE);
	}
}

static uint64_t nr_wrong, nr_done, nr_refused;

static void end(struct worker *w)
{
	pthread_join(w->thread, NULL);
	if (w->nr_wrong)
		printf("storm_cached: thread %u: %" PRIu64 " wrong\n",
		       w->number, w->nr_wrong);
	nr_wrong += w->nr_wrong;
	nr_refused += w->nr_refused;
}

static void make_pools(void)
{
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;
	unsigned int i;

	for (i = 0; i < NR_POOLS; i++) {
		attr.flags = MEMPOOL_CACHED | (i ? 0 : MEMPOOL_FIXED);
		pools[i] = mempool_create_attr(min_nrs[i], make_element,
					       unmake_element, NULL, &attr);
		if (!pools[i])
			exit(EXIT_FAILURE);
	}
	atomic_store(&backend_is_dead, true);
}

static void end_pool(unsigned int i)
{
	struct mempool_stats s = stats_of(pools[i]);

	printf("storm_cached: of %d: %" PRIu64 " taken, %" PRIu64 " waits, %"
	       PRIu64 " recalls\n", min_nrs[i], s.alloc_reserve, s.waits,
	       pools[i]->kmp_core->cached.recall.nr_recalls);
	CHECK(s.outstanding == 0);
	CHECK(s.curr_nr == (uint64_t)min_nrs[i]);
	CHECK(s.free_reserve + s.free_waiter ==
	      s.alloc_reserve + s.alloc_handoff);
	CHECK(pools[i]->kmp_core->cached.recall.nr_recalls > 0);
	mempool_destroy(pools[i]);
}

int main(void)
{
	unsigned int i;

	seed = test_seed("storm_cached");
	sched_getaffinity(0, sizeof(allowed), &allowed);
	make_pools();
	if (!stats_of(pools[0]).cached) {
		printf("skip: no restartable sequences here: nothing is cached\n");
		return 77;
	}
	for (i = 0; i < NR_THREADS; i++)
		start(&workers[i], use, i + 1);
	for (i = 0; i < 3; i++)
		start(&others[i], jobs[i], NR_THREADS + i + 1);
	pause_ms(RUN_MS);
	atomic_store(&stop, true);
	for (i = 0; i < NR_THREADS; i++)
		end(&workers[i]);
	for (i = 0; i < 3; i++)
		end(&others[i]);
	for (i = 0; i < NR_THREADS; i++)
		nr_done += workers[i].nr_done;
	printf("storm_cached: %" PRIu64 " steps, %" PRIu64 " refused, %" PRIu64
	       " cancelled, %" PRIu64 " forks\n", nr_done, nr_refused,
	       others[2].nr_cancelled, others[1].nr_done);
	CHECK(nr_wrong == 0);
	CHECK(nr_refused > 0);
	CHECK(others[2].nr_cancelled > 0);
	CHECK(others[1].nr_done > 0);
	for (i = 0; i < NR_POOLS; i++)
		end_pool(i);
	CHECK(atomic_load(&nr_live) == 0);
	return nr_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
