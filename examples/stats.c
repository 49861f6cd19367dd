/* SPDX-License-Identifier: MIT */
/*
 * stats.c - was the reserve large enough?
 *
 * Shown in mempool_get_stats(3).
 */

#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <kmempool/mempool.h>

static void print_report(mempool_t *pool)
{
	struct mempool_stats s;
	int i, ret;

	ret = mempool_get_stats(pool, &s, sizeof(s));
	if (ret)
		errx(1, "mempool_get_stats: %s", strerror(-ret));

	printf("reserve      %" PRIu64 " of %" PRIu64 ", lowest %" PRIu64
	       "\n", s.curr_nr, s.min_nr, s.low_nr);
	printf("outstanding  %" PRId64 "\n", s.outstanding);
	printf("served       %" PRIu64 " by the backend, %" PRIu64
	       " by the reserve, %" PRIu64 " after a wait\n",
	       s.alloc_backend, s.alloc_reserve, s.alloc_handoff);
	printf("longest wait %" PRIu64 " us\n", s.wait_max_ns / 1000);

	/* Bucket i counts waits of less than 2^i microseconds. */
	for (i = 0; i < MEMPOOL_WAIT_BUCKETS; i++)
		if (s.wait_hist[i])
			printf("  bucket %2d  %" PRIu64 "\n", i,
			       s.wait_hist[i]);
}

int main(void)
{
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;
	struct mempool_stats s;
	mempool_t *pool;
	void *a, *b;

	attr.flags = MEMPOOL_FIXED;
	pool = mempool_create_attr(4, mempool_kmalloc, mempool_kfree,
				   (void *)64, &attr);
	if (!pool)
		err(1, "mempool_create_attr");

	a = mempool_alloc(pool, GFP_KERNEL);
	b = mempool_alloc(pool, GFP_KERNEL);
	if (!a || !b)
		err(1, "mempool_alloc");
	mempool_free(a, pool);
	print_report(pool);

	/* This thread alone uses the pool, so the figures are exact. */
	if (mempool_get_stats(pool, &s, sizeof(s)))
		errx(1, "mempool_get_stats");
	if (s.curr_nr != 3 || s.low_nr != 2 || s.outstanding != 1 ||
	    s.alloc_reserve != 2 || s.free_reserve != 1)
		errx(1, "the figures do not add up");

	mempool_free(b, pool);
	mempool_destroy(pool);
	return 0;
}
