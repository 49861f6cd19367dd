/* SPDX-License-Identifier: MIT */
/*
 * bulk.c - threads that need several elements at once and never interlock
 *
 * Four threads each need three of the pool's four elements.  Taken one by
 * one, two threads could hold two each and wait for ever.
 *
 * Shown in mempool_alloc_bulk(3).
 */

#include <err.h>
#include <pthread.h>
#include <string.h>

#include <kmempool/mempool.h>

#define NR_THREADS	4
#define NR_ROUNDS	1000
#define NR_PAGES	3
#define PAGE		4096

static mempool_t *pages;

static void *stripe_writer(void *arg)
{
	void *page[NR_PAGES];
	unsigned int i, taken;
	int ret, round;

	for (round = 0; round < NR_ROUNDS; round++) {
		ret = mempool_alloc_bulk(pages, page, NR_PAGES);
		if (ret)
			errx(1, "alloc_bulk: %s", strerror(-ret));
		for (i = 0; i < NR_PAGES; i++)
			memset(page[i], round, PAGE);

		/* What the pool has no use for is ours to free. */
		taken = mempool_free_bulk(pages, page, NR_PAGES);
		for (i = taken; i < NR_PAGES; i++)
			mempool_free(page[i], pages);
	}
	return arg;
}

int main(void)
{
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;
	pthread_t thread[NR_THREADS];
	int i;

	attr.flags = MEMPOOL_FIXED;	/* as if memory were out */
	pages = mempool_create_attr(4, mempool_kmalloc, mempool_kfree,
				    (void *)PAGE, &attr);
	if (!pages)
		err(1, "mempool_create_attr");

	for (i = 0; i < NR_THREADS; i++)
		if (pthread_create(&thread[i], NULL, stripe_writer, NULL))
			errx(1, "pthread_create");
	for (i = 0; i < NR_THREADS; i++)
		pthread_join(thread[i], NULL);

	if (!mempool_is_saturated(pages))
		errx(1, "elements are missing");
	mempool_destroy(pages);
	return 0;
}
