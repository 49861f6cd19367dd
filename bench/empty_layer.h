/* SPDX-License-Identifier: MIT */
/*
 * empty_layer.h - the floor for any layer in a shared library
 *
 * Two functions that do nothing but pass the call on through a pointer.  What
 * they cost is the price of crossing into a shared object and out again.
 */
#ifndef BENCH_EMPTY_LAYER_H
#define BENCH_EMPTY_LAYER_H

#include <kmempool/mempool.h>

struct empty_layer {
	mempool_alloc_t	*alloc_fn;
	mempool_free_t	*free_fn;
	void		*pool_data;
};

void *empty_layer_alloc(struct empty_layer *layer, gfp_t gfp_mask);
void empty_layer_free(void *element, struct empty_layer *layer);

#endif /* BENCH_EMPTY_LAYER_H */
