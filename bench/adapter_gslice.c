/* SPDX-License-Identifier: MIT */
/*
 * adapter_gslice.c - GLib's slices, of which each free tells the size again
 */
#include "config.h"

#include "adapter.h"

#include <glib.h>

static void *gslice_create(size_t size, size_t nr)
{
	(void)nr;
	return (void *)size;
}

static inline void *gslice_alloc(void *pool)
{
	return g_slice_alloc((size_t)pool);
}

static inline void gslice_free(void *pool, void *object)
{
	g_slice_free1((size_t)pool, object);
}

ADAPTER_LOOPS(gslice)

const struct adapter adapter_gslice = {
	.name = "gslice",
	.parts = PART_PAIR | PART_BATCH | PART_THREADS | PART_HEAP,
	.create = gslice_create,
	.pairs = gslice_pairs,
	.fill = gslice_fill,
	.drain = gslice_drain,
};
