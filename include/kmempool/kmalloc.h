/* SPDX-License-Identifier: MIT */
/*
 * kmalloc.h - memory by size, as kernel code asks for it
 *
 * Up to KMALLOC_CACHE_SIZE_MAX bytes come from general caches, one for each
 * size class (slab.h; kmem_cache_for_each() visits them under the name
 * "kmalloc-64"), more from the system.  What kmalloc() gave is freed by kfree()
 * and by nothing else.
 *
 * Alignment is 16 bytes, 8 for sizes up to 8; a size that is a power of two
 * is aligned to itself, up to 4096.
 *
 * NULL is returned with errno ENOMEM, or EINVAL for an unknown bit in the
 * mask; on success errno is left alone.  No function here sleeps, but for what
 * kmem_cache_alloc() may do; none is a cancellation point or
 * async-signal-safe; all are thread-safe.
 *
 * Since: 0.1, all of it.
 */
#ifndef KMEMPOOL_KMALLOC_H
#define KMEMPOOL_KMALLOC_H

#include <stddef.h>
#include <stdint.h>

#include <kmempool/api.h>
#include <kmempool/gfp.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes. */
#define KMALLOC_CACHE_SIZE_MAX	(128u << 10)

/* What an allocation of no bytes gives: not NULL, and not to be used, but for
 * kfree(), ksize() and krealloc(). */
#define ZERO_SIZE_PTR		((void *)16)
#define ZERO_OR_NULL_PTR(p)	((uintptr_t)(p) <= (uintptr_t)ZERO_SIZE_PTR)

/**
 * kmalloc - take memory
 * @size:     bytes; 0 gives ZERO_SIZE_PTR
 * @gfp_mask: __GFP_ZERO gives it zeroed, all of ksize()
 *
 * Content: undefined, or zero as asked.
 */
KMEMPOOL_API KMEMPOOL_MUST_CHECK
void *kmalloc(size_t size, gfp_t gfp_mask) KMEMPOOL_SYM(kmalloc);

/* The same, zeroed. */
KMEMPOOL_API KMEMPOOL_MUST_CHECK
void *kzalloc(size_t size, gfp_t gfp_mask) KMEMPOOL_SYM(kzalloc);

/* The same for @n times @size bytes; ENOMEM when that overflows. */
KMEMPOOL_API KMEMPOOL_MUST_CHECK
void *kmalloc_array(size_t n, size_t size, gfp_t gfp_mask)
	KMEMPOOL_SYM(kmalloc_array);
KMEMPOOL_API KMEMPOOL_MUST_CHECK
void *kcalloc(size_t n, size_t size, gfp_t gfp_mask) KMEMPOOL_SYM(kcalloc);

/**
 * krealloc - make memory longer or shorter
 * @p:        NULL: as kmalloc().  It stays valid if the call fails
 * @new_size: 0: as kfree(), and ZERO_SIZE_PTR is returned
 * @gfp_mask: with __GFP_ZERO, what lies beyond the old ksize() is zero; all of
 *            it beyond what was asked for, if every call for this memory had it
 *
 * Moves it if it must; large sizes grow without copying.
 */
KMEMPOOL_API KMEMPOOL_MUST_CHECK
void *krealloc(const void *p, size_t new_size, gfp_t gfp_mask)
	KMEMPOOL_SYM(krealloc);

/* NULL and ZERO_SIZE_PTR are no-ops.  Also frees an object of any cache, as in
 * the kernel. */
KMEMPOOL_API
void kfree(const void *p) KMEMPOOL_SYM(kfree);

/* How many bytes at @p may be used, at least as many as were asked for; 0 for
 * NULL and ZERO_SIZE_PTR.  Exact: each of them may be, and no more. */
KMEMPOOL_API
size_t ksize(const void *p) KMEMPOOL_SYM(ksize);

#ifdef __cplusplus
}
#endif

#endif /* KMEMPOOL_KMALLOC_H */
