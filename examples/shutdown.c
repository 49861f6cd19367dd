/* SPDX-License-Identifier: MIT */
/*
 * shutdown.c - end a pool that other threads use and wait on
 *
 * Shown in mempool_shutdown(3).
 */

#include <err.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <kmempool/mempool.h>

#define NR_WORKERS	4

/* Works until the pool refuses; returns how often it did. */
static void *worker(void *pool)
{
	long done = 0;
	void *element;

	for (;;) {
		element = mempool_alloc(pool, GFP_KERNEL);
		if (!element) {
			if (errno != ECANCELED)
				err(1, "mempool_alloc");
			return (void *)done;
		}
		mempool_free(element, pool);
		done++;
	}
}

int main(void)
{
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;
	pthread_t thread[NR_WORKERS];
	void *element, *done;
	mempool_t *pool;
	long total = 0;
	int i, ret;

	attr.flags = MEMPOOL_FIXED;
	pool = mempool_create_attr(1, mempool_kmalloc, mempool_kfree,
				   (void *)128, &attr);
	if (!pool)
		err(1, "mempool_create_attr");
	for (i = 0; i < NR_WORKERS; i++)
		if (pthread_create(&thread[i], NULL, worker, pool))
			errx(1, "pthread_create");

	/* Hold the only element: from here on every worker must wait. */
	element = mempool_alloc(pool, GFP_KERNEL);
	if (!element)
		err(1, "mempool_alloc");

	/* 1. Nobody waits any more. */
	mempool_shutdown(pool);

	/* 2. Nobody calls any more. */
	for (i = 0; i < NR_WORKERS; i++) {
		pthread_join(thread[i], &done);
		total += (long)done;
	}

	/* 3. Every element is back. */
	mempool_free(element, pool);
	ret = mempool_drain_until(pool, NULL);
	if (ret)
		errx(1, "mempool_drain_until: %s", strerror(-ret));

	/* 4. Nothing refers to the pool. */
	mempool_destroy(pool);
	printf("%ld pieces of work\n", total);
	return 0;
}
