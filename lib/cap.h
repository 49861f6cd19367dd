/* SPDX-License-Identifier: MIT */
/*
 * cap.h - pools with max_nr
 */
#ifndef LIB_CAP_H
#define LIB_CAP_H

#include "core.h"

/*
 * Fills slots[0..count) of a pool with max_nr, or takes nothing: 0, -EAGAIN,
 * -EBUSY, -ECANCELED, -EINVAL (more than bulk_nr) or -ETIMEDOUT.  Lock not
 * held.  May sleep as @gfp says; a cancellation point then, and nowhere else.
 */
int cap_alloc(struct mempool_core *core, void **slots, unsigned int count,
	      gfp_t gfp, uint64_t deadline_ns);

/* One element by one call of alloc_fn with this mask: the same, or -ENOMEM. */
int cap_alloc_noreserve(struct mempool_core *core, void **slot, gfp_t gfp);

#endif /* LIB_CAP_H */
