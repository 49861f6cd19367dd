/* SPDX-License-Identifier: MIT */
/*
 * pairs.c - taking an element and giving it back, where there are always some
 *
 *   dead backend   a pool whose alloc_fn fails since the pool was made
 *   fixed          a pool whose alloc_fn is not called
 *   mutex+array    lock, pop, unlock; lock, push, unlock
 */
#include "config.h"

#include "pairs.h"

#include <kmempool/mempool.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "figures.h"

/* Pairs between two looks at the flag that ends it. */
#define BATCH	64
#define MAX_THREADS	2

uint64_t pairs_waste_ns;

/* Keeps the compiler from removing or merging pairs. */
static inline void use(void *element)
{
	__asm__ volatile("" : : "r"(element) : "memory");
}

/* ---- pools ------------------------------------------------------------- */

static bool backend_dead;

static void *alloc_element(gfp_t gfp_mask, void *pool_data)
{
	(void)gfp_mask;
	(void)pool_data;
	if (!backend_dead)
		return malloc(64);
	if (pairs_waste_ns)
		spin_until(now_ns() + pairs_waste_ns);
	return NULL;
}

static void free_element(void *element, void *pool_data)
{
	(void)pool_data;
	free(element);
}

static void *pool_create(unsigned int flags)
{
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;
	mempool_t *pool;

	backend_dead = false;
	attr.flags = flags;
	pool = mempool_create_attr(PAIRS_ELEMENTS, alloc_element, free_element,
				   NULL, &attr);
	if (!pool)
		abort();
	backend_dead = true;
	return pool;
}

static void *dead_create(void)
{
	return pool_create(0);
}

static void *fixed_create(void)
{
	return pool_create(MEMPOOL_FIXED);
}

static void pool_pair(void *pool)
{
	void *element = mempool_alloc(pool, GFP_KERNEL);

	use(element);
	mempool_free(element, pool);
}

static void pool_destroy(void *pool)
{
	mempool_destroy(pool);
}

/* ---- mutex+array ------------------------------------------------------- */

struct array {
	pthread_mutex_t	lock;
	int		nr;				/* under lock */
	void		*element[PAIRS_ELEMENTS];	/* under lock */
};

static void *array_create(void)
{
	struct array *array = malloc(sizeof(*array));

	if (!array || pthread_mutex_init(&array->lock, NULL))
		abort();
	for (array->nr = 0; array->nr < PAIRS_ELEMENTS; array->nr++)
		array->element[array->nr] = malloc(64);
	return array;
}

static void array_pair(void *arg)
{
	struct array *array = arg;
	void *element;

	pthread_mutex_lock(&array->lock);
	element = array->element[--array->nr];
	pthread_mutex_unlock(&array->lock);
	use(element);
	pthread_mutex_lock(&array->lock);
	array->element[array->nr++] = element;
	pthread_mutex_unlock(&array->lock);
}

static void array_destroy(void *arg)
{
	struct array *array = arg;

	while (array->nr)
		free(array->element[--array->nr]);
	pthread_mutex_destroy(&array->lock);
	free(array);
}

const struct pairs_way pairs_ways[NR_PAIRS_WAYS] = {
	{ "dead backend", dead_create, pool_pair, pool_destroy },
	{ "fixed", fixed_create, pool_pair, pool_destroy },
	{ "mutex+array", array_create, array_pair, array_destroy },
};

/* ---- running ----------------------------------------------------------- */

struct run {
	const struct pairs_way	*way;
	void			*pool;
	pthread_barrier_t	start;
	_Alignas(128) atomic_bool stop;
};

struct worker {
	_Alignas(128) struct run *run;
	pthread_t		thread;
	double			pairs;
	double			ns;
};

static void *work(void *arg)
{
	struct worker *worker = arg;
	struct run *run = worker->run;
	uint64_t start, pairs = 0;
	int i;

	pthread_barrier_wait(&run->start);
	start = now_ns();
	while (!atomic_load_explicit(&run->stop, memory_order_relaxed)) {
		for (i = 0; i < BATCH; i++)
			run->way->pair(run->pool);
		pairs += BATCH;
	}
	worker->ns = (double)(now_ns() - start);
	worker->pairs = (double)pairs;
	return NULL;
}

void pairs_run(const struct pairs_way *way, int nr_threads, int duration_ms,
	       struct pairs_outcome *outcome)
{
	struct run run = { .way = way, .pool = way->create() };
	struct worker workers[MAX_THREADS];
	double ns = 0, pairs = 0, switches;
	int i;

	if (nr_threads > MAX_THREADS ||
	    pthread_barrier_init(&run.start, NULL,
				 (unsigned int)nr_threads + 1))
		abort();
	for (i = 0; i < nr_threads; i++) {
		workers[i].run = &run;
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]))
			abort();
	}
	pthread_barrier_wait(&run.start);
	switches = nr_switches();
	sleep_ms(duration_ms);
	run.stop = true;
	for (i = 0; i < nr_threads; i++) {
		pthread_join(workers[i].thread, NULL);
		ns += workers[i].ns;
		pairs += workers[i].pairs;
	}
	switches = nr_switches() - switches;
	pthread_barrier_destroy(&run.start);
	way->destroy(run.pool);
	outcome->pair_ns = ns / pairs;
	outcome->switches = switches / pairs;
}
