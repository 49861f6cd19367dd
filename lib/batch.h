/* SPDX-License-Identifier: MIT */
/*
 * batch.h - the elements of one request, as they come
 */
#ifndef LIB_BATCH_H
#define LIB_BATCH_H

#include <stdbool.h>

#include "core.h"

struct batch {
	struct mempool_core	*core;
	void			**slots;	/* slots[0..nr) are ours */
	unsigned int		nr;
	unsigned int		count;		/* wanted */
};

static inline bool batch_is_full(const struct batch *batch)
{
	return batch->nr == batch->count;
}

/*
 * Calls alloc_fn until it fails or the batch is full; not at all in a FIXED
 * pool.  Counts each element.  Lock not held.  Cancellation is disabled as
 * soon as there is an element that a cancelled alloc_fn would lose.
 */
void batch_from_backend(struct batch *batch, gfp_t gfp);

/* Takes all that is lacking from the reserve, where it is.  Lock held. */
void batch_take(struct batch *batch);

/* The same if the caller may pass those who wait, or nothing.  Lock held, and
 * let go of if something has to be recalled. */
void batch_from_reserve(struct batch *batch);

/* Gives back what came so far, by core_free().  Lock not held.  Also a
 * clean-up handler. */
void batch_give_back(void *batch);

#endif /* LIB_BATCH_H */
