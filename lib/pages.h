/* SPDX-License-Identifier: MIT */
/*
 * pages.h - runs of memory from the system
 */
#ifndef LIB_PAGES_H
#define LIB_PAGES_H

#include <stdbool.h>
#include <stddef.h>

/* A run begins on a granule and is a multiple of it long. */
#define GRANULE_SHIFT	16
#define GRANULE		((size_t)1 << GRANULE_SHIFT)

static inline size_t pages_round(size_t size)
{
	return (size + GRANULE - 1) & ~(GRANULE - 1);
}

/* @size bytes of zeroes, or NULL.  @node: a hint, none if below 0.  Leaves
 * errno alone, as all here. */
void *pages_map(size_t size, int node);
/* Its memory is there before it is touched; false if the system cannot. */
bool pages_populate(void *run, size_t size);
void pages_unmap(void *run, size_t size);
/* Of @run only @keep bytes are of use from now on; up to @used were touched. */
void pages_drop(void *run, size_t used, size_t keep);

#endif /* LIB_PAGES_H */
