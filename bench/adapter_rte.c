/* SPDX-License-Identifier: MIT */
/*
 * adapter_rte.c - rte_mempool of DPDK, with its cache for each thread, and not
 *
 * Without huge pages and without devices, as on any machine.  A thread has a
 * cache once it is registered.
 */
#include "config.h"

#include "adapter.h"

#include <rte_eal.h>
#include <rte_lcore.h>
#include <rte_mempool.h>

#include <stdio.h>
#include <string.h>

#include "cpus.h"
#include "figures.h"

/* MiB; what is not used is not resident. */
#define MEMORY		256
#define MAX_ARGS	16

static const char *rte_start(void)
{
	static char line[128];
	char *args[MAX_ARGS];
	int cpu = 0;
	int nr = 0;

	cpus_first(&cpu, 1);
	snprintf(line, sizeof(line), "bench --no-huge --no-pci --no-shconf "
		 "--no-telemetry --log-level error -m %d -l %d", MEMORY,
		 cpu);
	args[0] = strtok(line, " ");
	while (nr < MAX_ARGS - 1 && args[nr])
		args[++nr] = strtok(NULL, " ");
	return rte_eal_init(nr, args) < 0 ? "rte_eal_init() fails" : NULL;
}

static void *make(size_t size, size_t nr, size_t cache)
{
	static int nr_made;
	struct rte_mempool *pool;
	char name[32];

	snprintf(name, sizeof(name), "bench-%d", nr_made++);
	pool = rte_mempool_create(name, (unsigned int)nr, (unsigned int)size,
				  (unsigned int)cache, 0, NULL, NULL, NULL,
				  NULL, SOCKET_ID_ANY, 0);
	if (!pool)
		abort();
	return pool;
}

/* The largest cache that there may be: it is filled up to one and a half. */
static void *rte_cache_create(size_t size, size_t nr)
{
	size_t cache;

	if (nr < 2)
		nr = 2;
	cache = nr * 2 / 3;
	if (cache > RTE_MEMPOOL_CACHE_MAX_SIZE)
		cache = RTE_MEMPOOL_CACHE_MAX_SIZE;
	return make(size, nr, cache);
}

static void *rte_create(size_t size, size_t nr)
{
	return make(size, nr, 0);
}

static void rte_enter(void)
{
	if (rte_thread_register())
		abort();
}

static inline void *rte_alloc(void *pool)
{
	void *object;

	return rte_mempool_get(pool, &object) ? NULL : object;
}

static inline void rte_free(void *pool, void *object)
{
	rte_mempool_put(pool, object);
}

ADAPTER_LOOPS(rte)

static size_t rte_fill_bulk(void *pool, void **objects, size_t nr)
{
	return rte_mempool_get_bulk(pool, objects, (unsigned int)nr) ? 0 : nr;
}

static void rte_drain_bulk(void *pool, void **objects, size_t nr)
{
	rte_mempool_put_bulk(pool, objects, (unsigned int)nr);
}

/* There is nothing to wait with but this. */
static void *rte_take(void *pool, uint64_t until_ns)
{
	void *object;

	do {
		object = rte_alloc(pool);
	} while (!object && now_ns() < until_ns);
	return object;
}

const struct adapter adapter_rte_cache = {
	.name = "rte+cache",
	.parts = PART_PAIR | PART_BATCH | PART_BULK | PART_THREADS |
		 PART_RESERVE | PART_LAST | PART_HEAP,
	.start = rte_start,
	.create = rte_cache_create,
	.enter = rte_enter,
	.pairs = rte_pairs,
	.fill = rte_fill,
	.drain = rte_drain,
	.fill_bulk = rte_fill_bulk,
	.drain_bulk = rte_drain_bulk,
	.take = rte_take,
};

const struct adapter adapter_rte = {
	.name = "rte",
	.parts = PART_PAIR | PART_BATCH | PART_BULK | PART_THREADS |
		 PART_RESERVE,
	.start = rte_start,
	.create = rte_create,
	.enter = rte_enter,
	.pairs = rte_pairs,
	.fill = rte_fill,
	.drain = rte_drain,
	.fill_bulk = rte_fill_bulk,
	.drain_bulk = rte_drain_bulk,
};
