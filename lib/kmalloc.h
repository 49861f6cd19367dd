/* SPDX-License-Identifier: MIT */
/*
 * kmalloc.h - the general caches, for the library's own use
 */
#ifndef LIB_KMALLOC_H
#define LIB_KMALLOC_H

#include <kmempool/slab.h>

/* SLAB_* of general caches that are made from now on.  For tests. */
extern slab_flags_t kmalloc_flags;

/* As kmalloc() and kfree(), for @caller. */
void *kmalloc_from(size_t size, gfp_t gfp, const void *caller);
void kfree_from(const void *p, const void *caller);

/* For fork.c. */
void kmalloc_prepare(void);
void kmalloc_resume(void);

#endif /* LIB_KMALLOC_H */
