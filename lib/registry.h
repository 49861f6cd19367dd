/* SPDX-License-Identifier: MIT */
/*
 * registry.h - every pool there is
 */
#ifndef LIB_REGISTRY_H
#define LIB_REGISTRY_H

#include <kmempool/mempool.h>

struct registry_entry;

/* 0, the pool is listed and *entry set, or -ENOMEM. */
int registry_add(mempool_t *pool, struct registry_entry **entry);
/* The pool is listed no more; returns when nobody has it pinned.  Cancellation
 * disabled. */
void registry_remove(struct registry_entry *entry);

/*
 * For fork.c.  Prepare takes the lock and calls @hold for each pool.  None of
 * these can be destroyed until parent or child, which calls its function for
 * the same pools and lets go.
 */
void registry_prepare(void (*hold)(mempool_t *pool));
void registry_parent(void (*release)(mempool_t *pool));
void registry_child(void (*restart)(mempool_t *pool));

#endif /* LIB_REGISTRY_H */
