/* SPDX-License-Identifier: MIT */
/*
 * resize.c - a reserve that follows the number of clients
 *
 * Shown in mempool_resize(3).
 */

#include <err.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <kmempool/mempool.h>

#define PER_CLIENT	4

static bool memory_is_short;

static void *slot_alloc(gfp_t gfp_mask, void *pool_data)
{
	(void)gfp_mask;
	(void)pool_data;
	return memory_is_short ? NULL : malloc(512);
}

static void slot_free(void *element, void *pool_data)
{
	(void)pool_data;
	free(element);
}

int main(void)
{
	mempool_t pool;
	int ret;

	ret = mempool_init(&pool, PER_CLIENT, slot_alloc, slot_free, NULL);
	if (ret)
		errx(1, "mempool_init: %s", strerror(-ret));

	/* A second client comes while there is no memory: the new size
	 * stands, but the reserve does not have it yet. */
	memory_is_short = true;
	ret = mempool_resize(&pool, 2 * PER_CLIENT);
	if (ret)
		errx(1, "mempool_resize: %s", strerror(-ret));
	if (mempool_is_saturated(&pool))
		errx(1, "saturated without memory");
	if (mempool_refill(&pool) != -ENOMEM)
		errx(1, "refilled without memory");

	/* Do not admit the client before this has succeeded. */
	memory_is_short = false;
	ret = mempool_refill(&pool);
	if (ret)
		errx(1, "mempool_refill: %s", strerror(-ret));
	if (!mempool_is_saturated(&pool))
		errx(1, "refilled but not saturated");

	/* It leaves; what it needed goes back to malloc() at once. */
	ret = mempool_resize(&pool, PER_CLIENT);
	if (ret)
		errx(1, "mempool_resize: %s", strerror(-ret));

	mempool_exit(&pool);
	return 0;
}
