/* SPDX-License-Identifier: MIT */
/*
 * alloc.h - the pieces that single and bulk requests share
 */
#ifndef LIB_ALLOC_H
#define LIB_ALLOC_H

#include "core.h"

/* The mask of the first try. */
static inline gfp_t first_mask(gfp_t gfp)
{
	return (gfp & ~GFP_FIRST_CLEAR) | GFP_HINTS;
}

/*
 * What every request is checked for first: 0 or -EINVAL, and the deadline in
 * nanoseconds.  The deadline is not read when @gfp does not allow sleeping.
 */
int alloc_check(const mempool_t *pool, gfp_t gfp,
		const struct timespec *deadline, uint64_t *deadline_ns);

/* An element came from the backend: counts it, and since the backend can, has
 * those who wait try it too. */
void alloc_note_backend(mempool_t *pool);

#endif /* LIB_ALLOC_H */
