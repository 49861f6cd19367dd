/* SPDX-License-Identifier: MIT */
/*
 * typed.h - pools that objects know: their end
 */
#ifndef LIB_TYPED_H
#define LIB_TYPED_H

#include <kmempool/mempool.h>

/* A live pool is about to end: its report, if one was asked for.  The cache
 * that is to end after it; NULL when it is no typed pool. */
struct kmem_cache *typed_begin_end(mempool_t *pool);

#endif /* LIB_TYPED_H */
