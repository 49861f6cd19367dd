/* SPDX-License-Identifier: MIT */
/*
 * first.c - a pool carries work on while malloc() fails
 *
 * Shown in libkmempool(7).
 */

#include <err.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <kmempool/mempool.h>

#define NR_BUFS		2
#define BUF_SIZE	4096

static bool memory_is_short;

static void *buf_alloc(gfp_t gfp_mask, void *pool_data)
{
	(void)gfp_mask;
	(void)pool_data;
	return memory_is_short ? NULL : malloc(BUF_SIZE);
}

static void buf_free(void *element, void *pool_data)
{
	(void)pool_data;
	free(element);
}

int main(void)
{
	mempool_t *pool;
	void *buf;
	int i;

	pool = mempool_create(NR_BUFS, buf_alloc, buf_free, NULL);
	if (!pool)
		err(1, "mempool_create");

	memory_is_short = true;		/* what the pool is for */

	for (i = 0; i < 1000; i++) {
		buf = mempool_alloc(pool, GFP_KERNEL);
		if (!buf)
			err(1, "mempool_alloc");
		snprintf(buf, BUF_SIZE, "block %d", i);
		mempool_free(buf, pool);
	}
	printf("%d blocks without memory\n", i);

	mempool_destroy(pool);
	return 0;
}
