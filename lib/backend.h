/* SPDX-License-Identifier: MIT */
/*
 * backend.h - what is known of the stock backends
 */
#ifndef LIB_BACKEND_H
#define LIB_BACKEND_H

#include <stddef.h>

#include <kmempool/mempool.h>

/*
 * Bytes in an element; 0 when @alloc_fn is not a stock backend's.
 * 0, or -EINVAL when it is one and @pool_data asks for no element at all.
 */
int backend_element_size(mempool_alloc_t *alloc_fn, void *pool_data,
			 size_t *size);

#endif /* LIB_BACKEND_H */
