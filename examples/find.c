/* SPDX-License-Identifier: MIT */
/*
 * find.c - a line about every pool, and one pool by its name
 *
 * Shown in mempool_for_each(3).
 */

#include <err.h>
#include <inttypes.h>
#include <stdio.h>

#include <kmempool/mempool.h>

static int print_pool(mempool_t *pool, void *arg)
{
	struct mempool_stats stats;
	int *nr = arg;

	if (mempool_get_stats(pool, &stats, sizeof(stats)))
		return 1;
	printf("pool %d: reserve %" PRIu64 " of %" PRIu64 ", outside %" PRId64
	       "\n", ++*nr, stats.curr_nr, stats.min_nr, stats.outstanding);
	return 0;
}

static mempool_t *make(const char *name, int min_nr)
{
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;
	mempool_t *pool;

	attr.name = name;
	pool = mempool_create_attr(min_nr, mempool_kmalloc, mempool_kfree,
				   (void *)4096, &attr);
	if (!pool)
		err(1, "mempool_create_attr");
	return pool;
}

int main(void)
{
	mempool_t *requests = make("requests", 4);
	mempool_t *pages = make("pages", 16);
	int nr = 0;

	if (mempool_for_each(print_pool, &nr) || nr != 2)
		errx(1, "mempool_for_each visited %d pools", nr);
	if (mempool_find("pages") != pages)
		errx(1, "mempool_find did not find the pages");
	mempool_destroy(pages);
	if (mempool_find("pages"))
		errx(1, "mempool_find found what is gone");
	mempool_destroy(requests);
	return 0;
}
