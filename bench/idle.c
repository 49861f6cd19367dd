/* SPDX-License-Identifier: MIT */
/*
 * idle.c - what a thread costs that waits and gets nothing
 */
#include "config.h"

#include "idle.h"

#include <kmempool/mempool.h>

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "figures.h"

uint64_t idle_waste_ns;

struct waiter {
	mempool_t	*pool;
	double		cpu_ms;
};

static void *no_element(gfp_t gfp_mask, void *pool_data)
{
	(void)gfp_mask;
	(void)pool_data;
	if (idle_waste_ns)
		spin_until(now_ns() + idle_waste_ns);
	return NULL;
}

static void free_element(void *element, void *pool_data)
{
	(void)element;
	(void)pool_data;
}

static double cpu_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return 1e3 * (double)ts.tv_sec + 1e-6 * (double)ts.tv_nsec;
}

static void *wait_a_second(void *arg)
{
	struct waiter *waiter = arg;
	struct timespec deadline;
	double before;

	clock_gettime(CLOCK_MONOTONIC, &deadline);
	deadline.tv_sec++;
	before = cpu_ms();
	if (mempool_alloc_until(waiter->pool, GFP_KERNEL, &deadline))
		abort();
	waiter->cpu_ms = cpu_ms() - before;
	return NULL;
}

double idle_run(void)
{
	struct waiter waiter = {
		.pool = mempool_create(0, no_element, free_element, NULL)
	};
	pthread_t thread;

	if (!waiter.pool ||
	    pthread_create(&thread, NULL, wait_a_second, &waiter))
		abort();
	pthread_join(thread, NULL);
	mempool_destroy(waiter.pool);
	return waiter.cpu_ms;
}
