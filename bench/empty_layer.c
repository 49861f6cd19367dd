/* SPDX-License-Identifier: MIT */
/*
 * empty_layer.c - the floor for any layer in a shared library
 */
#include "config.h"

#include "empty_layer.h"

void *empty_layer_alloc(struct empty_layer *layer, gfp_t gfp_mask)
{
	return layer->alloc_fn(gfp_mask, layer->pool_data);
}

void empty_layer_free(void *element, struct empty_layer *layer)
{
	layer->free_fn(element, layer->pool_data);
}
