/* SPDX-License-Identifier: MIT */
/*
 * layer.c - what a pool adds over its backend
 *
 *   layer            times pairs of one allocation and one free, with the
 *                    alternatives interleaved, and the CPU time of a waiter
 *   layer WAY N      does N pairs in one way, for an instruction counter;
 *                    layer.sh does that under callgrind
 *
 * The backend is malloc behind two callbacks, the same in every way; what is
 * reported as added is the difference to calling these two directly.  "empty"
 * is a shared library that does nothing but pass the calls on.  "pool-cache" is
 * a pool over a slab cache, to be compared with "cache", without the pool.
 */
#include <kmempool/mempool.h>
#include <kmempool/slab.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "empty_layer.h"

#define ELEMENT_SIZE	64
#define MIN_NR		4
#define ROUNDS		31
#define PAIRS		1000000

static void *malloc_element(gfp_t gfp_mask, void *pool_data)
{
	(void)gfp_mask;
	(void)pool_data;
	return malloc(ELEMENT_SIZE);
}

static void free_element(void *element, void *pool_data)
{
	(void)pool_data;
	free(element);
}

/* Read through memory, as the pool has to. */
static mempool_alloc_t *volatile alloc_fn = malloc_element;
static mempool_free_t *volatile free_fn = free_element;

static mempool_t *pool;

/* Keeps the compiler from removing or merging pairs. */
static inline void use(void *element)
{
	__asm__ volatile("" : : "r"(element) : "memory");
}

static void direct(long pairs)
{
	while (pairs--) {
		void *element = alloc_fn(GFP_KERNEL, NULL);

		use(element);
		free_fn(element, NULL);
	}
}

static struct empty_layer empty_layer = { malloc_element, free_element, NULL };

static void empty(long pairs)
{
	while (pairs--) {
		void *element = empty_layer_alloc(&empty_layer, GFP_KERNEL);

		use(element);
		empty_layer_free(element, &empty_layer);
	}
}

static void pool_kernel(long pairs)
{
	while (pairs--) {
		void *element = mempool_alloc(pool, GFP_KERNEL);

		use(element);
		mempool_free(element, pool);
	}
}

static void pool_nowait(long pairs)
{
	while (pairs--) {
		void *element = mempool_alloc(pool, GFP_NOWAIT);

		use(element);
		mempool_free(element, pool);
	}
}

/* What a program writes that has no such library: a lock around a spare list
 * that it looks at on each free. */
static pthread_mutex_t spare_lock = PTHREAD_MUTEX_INITIALIZER;
static int nr_spare = MIN_NR;
static long nr_outside;

static void mutex_and_array(long pairs)
{
	while (pairs--) {
		void *element = alloc_fn(GFP_KERNEL, NULL);

		use(element);
		pthread_mutex_lock(&spare_lock);
		nr_outside++;
		pthread_mutex_unlock(&spare_lock);
		pthread_mutex_lock(&spare_lock);
		nr_outside--;
		if (nr_spare < MIN_NR)
			abort();
		pthread_mutex_unlock(&spare_lock);
		free_fn(element, NULL);
	}
}

static struct kmem_cache *cache;
static mempool_t *cache_pool;

static void cache_alone(long pairs)
{
	while (pairs--) {
		void *object = kmem_cache_alloc(cache, GFP_KERNEL);

		use(object);
		kmem_cache_free(cache, object);
	}
}

static void pool_over_cache(long pairs)
{
	while (pairs--) {
		void *object = mempool_alloc(cache_pool, GFP_KERNEL);

		use(object);
		mempool_free(object, cache_pool);
	}
}

static const struct way {
	const char	*name;
	void		(*run)(long pairs);
} ways[] = {
	{ "direct", direct },			/* the base; first */
	{ "empty", empty },
	{ "pool", pool_kernel },
	{ "pool-nowait", pool_nowait },
	{ "mutex+array", mutex_and_array },
	{ "cache", cache_alone },
	{ "pool-cache", pool_over_cache },
};

#define NR_WAYS	(sizeof(ways) / sizeof(ways[0]))

static double seconds(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return (x > y) - (x < y);
}

static void print_machine(void)
{
	struct utsname u;

	if (!uname(&u))
		printf("%s %s %s, %ld CPUs; ", u.sysname, u.release, u.machine,
		       sysconf(_SC_NPROCESSORS_ONLN));
	printf("libkmempool %s, compiler %s\n", kmempool_version(),
	       __VERSION__);
}

/* Each round runs every way once, beginning with another one each time. */
static void time_ways(void)
{
	static double ns[NR_WAYS][ROUNDS];
	static double added[NR_WAYS][ROUNDS];
	size_t w, i;
	int r;

	for (w = 0; w < NR_WAYS; w++)
		ways[w].run(PAIRS / 10);
	for (r = 0; r < ROUNDS; r++) {
		for (i = 0; i < NR_WAYS; i++) {
			double start;

			w = (i + (size_t)r) % NR_WAYS;
			start = seconds(CLOCK_MONOTONIC);
			ways[w].run(PAIRS);
			ns[w][r] = (seconds(CLOCK_MONOTONIC) - start) * 1e9 /
				   PAIRS;
		}
		for (w = 0; w < NR_WAYS; w++)
			added[w][r] = ns[w][r] - ns[0][r];
	}
	printf("%d rounds of %d pairs each, ns per pair\n", ROUNDS, PAIRS);
	printf("%-14s %8s %8s %18s\n", "way", "minimum", "median",
	       "added (min, median)");
	for (w = 0; w < NR_WAYS; w++) {
		qsort(ns[w], ROUNDS, sizeof(double), compare);
		qsort(added[w], ROUNDS, sizeof(double), compare);
		printf("%-14s %8.2f %8.2f %9.2f %9.2f\n", ways[w].name,
		       ns[w][0], ns[w][ROUNDS / 2], ns[w][0] - ns[0][0],
		       added[w][ROUNDS / 2]);
	}
}

static void *no_element(gfp_t gfp_mask, void *pool_data)
{
	(void)gfp_mask;
	(void)pool_data;
	return NULL;
}

static double waiter_cpu;

static void *wait_a_second(void *arg)
{
	struct timespec deadline;
	double before;

	clock_gettime(CLOCK_MONOTONIC, &deadline);
	deadline.tv_sec++;
	before = seconds(CLOCK_THREAD_CPUTIME_ID);
	if (mempool_alloc_until(arg, GFP_KERNEL, &deadline))
		abort();
	waiter_cpu = seconds(CLOCK_THREAD_CPUTIME_ID) - before;
	return NULL;
}

/* With the default retry_ms, so the retries are in it. */
static void time_waiter(void)
{
	mempool_t *empty = mempool_create(0, no_element, free_element, NULL);
	pthread_t thread;

	if (!empty || pthread_create(&thread, NULL, wait_a_second, empty))
		abort();
	pthread_join(thread, NULL);
	printf("a waiter for one second, nothing freed: %.3f ms of CPU\n",
	       1e3 * waiter_cpu);
	mempool_destroy(empty);
}

static int run_one_way(const char *name, long pairs)
{
	size_t w;

	for (w = 0; w < NR_WAYS; w++)
		if (!strcmp(ways[w].name, name)) {
			ways[w].run(pairs);
			return 0;
		}
	fprintf(stderr, "layer: no such way: %s\n", name);
	return 2;
}

int main(int argc, char **argv)
{
	int err = 0;

	pool = mempool_create(MIN_NR, malloc_element, free_element, NULL);
	cache = kmem_cache_create("layer", ELEMENT_SIZE, 0, 0, NULL);
	if (cache)
		cache_pool = mempool_create_slab_pool(MIN_NR, cache);
	if (!pool || !cache_pool) {
		perror("layer: create");
		return 1;
	}
	if (argc == 3) {
		err = run_one_way(argv[1], atol(argv[2]));
	} else {
		print_machine();
		time_ways();
		time_waiter();
	}
	mempool_destroy(pool);
	mempool_destroy(cache_pool);
	kmem_cache_destroy(cache);
	return err;
}
