/* SPDX-License-Identifier: MIT */
/*
 * adapter_apr.c - memory pools of the Apache Portable Runtime
 *
 * An object does not go back alone: all of the pool does, which is what a pair
 * and a batch end with here.
 */
#include "config.h"

#include "adapter.h"

#include <apr_general.h>
#include <apr_pools.h>

struct apr {
	apr_pool_t	*pool;
	size_t		size;
};

static const char *apr_start(void)
{
	return apr_initialize() ? "apr_initialize() fails" : NULL;
}

static void *apr_create(size_t size, size_t nr)
{
	struct apr *apr = malloc(sizeof(*apr));

	(void)nr;
	if (!apr || apr_pool_create(&apr->pool, NULL))
		abort();
	apr->size = size;
	return apr;
}

static inline void *apr_alloc(void *arg)
{
	struct apr *apr = arg;

	return apr_palloc(apr->pool, apr->size);
}

static void apr_pairs(void *arg, size_t nr)
{
	struct apr *apr = arg;

	while (nr--) {
		adapter_use(apr_alloc(apr));
		apr_pool_clear(apr->pool);
	}
}

static size_t apr_fill(void *arg, void **objects, size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++)
		objects[i] = apr_alloc(arg);
	return nr;
}

static void apr_drain(void *arg, void **objects, size_t nr)
{
	struct apr *apr = arg;

	(void)objects;
	(void)nr;
	apr_pool_clear(apr->pool);
}

const struct adapter adapter_apr = {
	.name = "apr",
	.parts = PART_PAIR | PART_BATCH | PART_HEAP,
	.start = apr_start,
	.create = apr_create,
	.pairs = apr_pairs,
	.fill = apr_fill,
	.drain = apr_drain,
};
