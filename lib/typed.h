/* SPDX-License-Identifier: MIT */
/*
 * typed.h - pools that objects know: for lifecycle.c
 */
#ifndef LIB_TYPED_H
#define LIB_TYPED_H

#include <kmempool/mempool.h>

/* @pool is of @cache, and nobody can find it yet. */
void typed_set(struct kmem_cache *cache, mempool_t *pool);
/* A live pool is about to end: its report, if one was asked for.  The cache
 * for typed_end(); NULL when it is no typed pool. */
struct kmem_cache *typed_begin_end(const mempool_t *pool);
/* The pool has ended. */
void typed_end(struct kmem_cache *cache);

#endif /* LIB_TYPED_H */
