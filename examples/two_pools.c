/* SPDX-License-Identifier: MIT */
/*
 * two_pools.c - work that needs elements of two kinds, always in one order
 *
 * Every request takes its structure first, then its pages, all at once.  A
 * thread that holds pages therefore never waits for anything, so pages come
 * back; and one that holds a structure waits only for pages, so structures
 * come back.
 *
 * Shown in libkmempool(7).
 */

#include <err.h>
#include <pthread.h>
#include <string.h>

#include <kmempool/mempool.h>

#define NR_THREADS	4
#define NR_ROUNDS	500
#define NR_PAGES	2

struct request {
	void *page[NR_PAGES];
};

static mempool_t requests, pages;

static void do_request(int round)
{
	struct request *rq;
	int i, ret;

	rq = mempool_alloc(&requests, GFP_KERNEL);	/* first kind */
	if (!rq)
		err(1, "mempool_alloc");
	ret = mempool_alloc_bulk(&pages, rq->page, NR_PAGES);
	if (ret)
		errx(1, "mempool_alloc_bulk: %s", strerror(-ret));

	for (i = 0; i < NR_PAGES; i++)
		memset(rq->page[i], round, 4096);

	for (i = 0; i < NR_PAGES; i++)
		mempool_free(rq->page[i], &pages);
	mempool_free(rq, &requests);
}

static void *worker(void *arg)
{
	int round;

	for (round = 0; round < NR_ROUNDS; round++)
		do_request(round);
	return arg;
}

int main(void)
{
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;
	pthread_t thread[NR_THREADS];
	int i;

	/* Two requests make progress at a time, each with its pages. */
	attr.flags = MEMPOOL_FIXED;	/* as if memory were out */
	if (mempool_init_attr(&requests, 2, mempool_kmalloc, mempool_kfree,
			      (void *)sizeof(struct request), &attr) ||
	    mempool_init_attr(&pages, 2 * NR_PAGES, mempool_kmalloc,
			      mempool_kfree, (void *)4096, &attr))
		errx(1, "no memory");

	for (i = 0; i < NR_THREADS; i++)
		if (pthread_create(&thread[i], NULL, worker, NULL))
			errx(1, "pthread_create");
	for (i = 0; i < NR_THREADS; i++)
		pthread_join(thread[i], NULL);

	mempool_exit(&pages);
	mempool_exit(&requests);
	return 0;
}
