/* SPDX-License-Identifier: MIT */
/*
 * scenarios_cache.h - caches of few objects, for others
 */
#ifndef SCENARIOS_CACHE_H
#define SCENARIOS_CACHE_H

#include <stdbool.h>

#include "cache.h"
#include "pages.h"

#define WHOLE	((unsigned int)GRANULE)		/* one object in a slab */
#define HALF	((unsigned int)GRANULE / 2)

extern struct kmem_cache *cache, *other;

/* In setup: @cache, of objects of @size bytes, and no layer; the system has @nr
 * runs. */
void cache_world(unsigned int size, bool constructed, unsigned int nr);
/* While the scenario is set up. */
void *taken(struct kmem_cache *from);
/* The lists are as they should be: how many slabs. */
unsigned int check_lists(struct kmem_cache *c);
/* At the end: the same, and nothing is out or lost. */
void check_caches(void);

/* ---- fibers ---- */

/* In use: nobody else writes to it. */
void use(void *object);
void takes_and_frees(void *from);	/* the address of a cache's */
void takes_two(void *unused);		/* of @cache, if there are */
void frees(void *object);
void shrinks(void *unused);
void forks_and_uses(void *unused);

#endif /* SCENARIOS_CACHE_H */
