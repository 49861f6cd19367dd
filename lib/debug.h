/* SPDX-License-Identifier: MIT */
/*
 * debug.h - what KMEMPOOL_DEBUG asks for
 */
#ifndef LIB_DEBUG_H
#define LIB_DEBUG_H

#include <stdbool.h>

/* Fixed after debug_read(): caches have no layer in front of their slabs. */
extern bool debug_no_layer;

/* Reads the environment; to be called once, before the first cache is made. */
void debug_read(void);

#endif /* LIB_DEBUG_H */
