/* SPDX-License-Identifier: MIT */
/*
 * lifecycle.h - making pools, for the library's own use
 */
#ifndef LIB_LIFECYCLE_H
#define LIB_LIFECYCLE_H

#include <kmempool/mempool.h>

struct kmem_cache;

/* mempool_create_attr() over @cache, which from then on knows the pool. */
mempool_t *lifecycle_create_typed(int min_nr, struct kmem_cache *cache,
				  const struct mempool_attr *attr);

#endif /* LIB_LIFECYCLE_H */
