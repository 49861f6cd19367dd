/* SPDX-License-Identifier: MIT */
/*
 * adapter_nothing.c - the same object for all: what the loops and the machine
 *                     cost by themselves
 */
#include "config.h"

#include "adapter.h"

static void *nothing_create(size_t size, size_t nr)
{
	(void)nr;
	return malloc(size);
}

static inline void *nothing_alloc(void *pool)
{
	return pool;
}

static inline void nothing_free(void *pool, void *object)
{
	(void)pool;
	(void)object;
}

ADAPTER_LOOPS(nothing)

const struct adapter adapter_nothing = {
	.name = "nothing",
	.parts = PART_PAIR | PART_BATCH | PART_THREADS,
	.create = nothing_create,
	.pairs = nothing_pairs,
	.fill = nothing_fill,
	.drain = nothing_drain,
};
