/* SPDX-License-Identifier: MIT */
/*
 * kick.c - a backend that knows when it has memory again says so
 *
 * The backend is a budget that another part of the program fills.  With a
 * retry interval of an hour, it is the kick that wakes the thread.
 *
 * Shown in mempool_kick(3).
 */

#include <err.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include <kmempool/mempool.h>

static atomic_int budget;

static void *budget_alloc(gfp_t gfp_mask, void *pool_data)
{
	int left = atomic_load(&budget);
	void *p;

	(void)gfp_mask;
	(void)pool_data;
	do {
		if (left == 0)
			return NULL;
	} while (!atomic_compare_exchange_weak(&budget, &left, left - 1));

	p = malloc(64);
	if (!p)
		atomic_fetch_add(&budget, 1);
	return p;
}

static void budget_free(void *element, void *pool_data)
{
	(void)pool_data;
	free(element);
	atomic_fetch_add(&budget, 1);
}

static void *worker(void *pool)
{
	return mempool_alloc(pool, GFP_KERNEL);
}

static void wait_for_a_sleeper(mempool_t *pool)
{
	const struct timespec ms = { 0, 1000000 };
	struct mempool_stats stats;

	do {
		nanosleep(&ms, NULL);
		if (mempool_get_stats(pool, &stats, sizeof(stats)))
			errx(1, "mempool_get_stats");
	} while (stats.waiters == 0);
}

int main(void)
{
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;
	mempool_t *pool;
	pthread_t thread;
	void *mine, *its;

	attr.retry_ms = 60 * 60 * 1000;
	atomic_store(&budget, 1);
	pool = mempool_create_attr(1, budget_alloc, budget_free, NULL,
				   &attr);
	if (!pool)
		err(1, "mempool_create_attr");

	mine = mempool_alloc(pool, GFP_KERNEL);	/* the one there is */
	if (!mine)
		err(1, "mempool_alloc");
	if (pthread_create(&thread, NULL, worker, pool))
		errx(1, "pthread_create");
	wait_for_a_sleeper(pool);

	atomic_fetch_add(&budget, 1);
	mempool_kick(pool);

	pthread_join(thread, &its);
	if (!its)
		errx(1, "the worker got nothing");
	mempool_free(its, pool);
	mempool_free(mine, pool);
	mempool_destroy(pool);
	return 0;
}
