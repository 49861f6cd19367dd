/* SPDX-License-Identifier: MIT */
/*
 * lifecycle.h - making pools, for the library's own use
 */
#ifndef LIB_LIFECYCLE_H
#define LIB_LIFECYCLE_H

#include <kmempool/mempool.h>

/* As mempool_create_attr(), with the mask of mempool_create_node(). */
mempool_t *lifecycle_create(int min_nr, mempool_alloc_t *alloc_fn,
			    mempool_free_t *free_fn, void *pool_data,
			    gfp_t gfp, const struct mempool_attr *attr);

#endif /* LIB_LIFECYCLE_H */
