/* SPDX-License-Identifier: MIT */
/*
 * adapter_glibc.c - the C library's malloc()
 */
#include "config.h"

#include "adapter.h"

static void *glibc_create(size_t size, size_t nr)
{
	(void)nr;
	return (void *)size;
}

static inline void *glibc_alloc(void *pool)
{
	return malloc((size_t)pool);
}

static inline void glibc_free(void *pool, void *object)
{
	(void)pool;
	free(object);
}

ADAPTER_LOOPS(glibc)

const struct adapter adapter_glibc = {
	.name = "glibc",
	.parts = PART_PAIR | PART_BATCH | PART_THREADS | PART_HEAP | PART_MIX,
	.create = glibc_create,
	.pairs = glibc_pairs,
	.fill = glibc_fill,
	.drain = glibc_drain,
	.alloc_any = malloc,
	.free_any = free,
};
