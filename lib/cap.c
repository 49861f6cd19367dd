/* SPDX-License-Identifier: MIT */
/*
 * cap.c - pools with max_nr
 *
 * At most max_nr elements are outside at once, whatever they came from.  An
 * element outside has a share; nr_out counts the shares that are taken.
 *
 *   - A request claims its whole share before it calls the backend, so two
 *     bulk requests never hold part of what the other needs.
 *   - One that has to wait first gives back its share and every element it
 *     had.  Shares obey the queue's order: they are kept for the first
 *     request, not held by it, and are taken when it is served
 *     (waitq_serve()).
 *   - A free gives the share back before anything else.
 *
 * Such a pool has no short path: its gate is never open, and its first try is
 * made here.  Callbacks run with cancellation disabled, because a cancelled
 * one would take a share with it.
 *
 * The share is taken when an element leaves the pool by fill() in waitq.c or
 * cap_alloc() here, and given back by core_free(), mempool_free_bulk() and
 * unclaim().
 */
#include "config.h"

#include "cap.h"

#include <errno.h>
#include <pthread.h>

#include "alloc.h"
#include "batch.h"
#include "wait.h"

/* Steps 1 to 3, with the share. */
static void try_all(struct batch *batch, gfp_t gfp, uint64_t *kicks)
{
	struct mempool_core *core = batch->core;

	batch_from_backend(batch, first_mask(gfp));
	core_lock(core);
	batch_from_reserve(batch);
	*kicks = core->retry.kicks;
	core_unlock(core);
	if (batch_is_full(batch) || !may_sleep(gfp))
		return;
	batch_from_backend(batch, gfp | GFP_HINTS);
	core_lock(core);
	batch_from_reserve(batch);
	core_unlock(core);
}

/* Gives back the elements, each with its share, and the rest of the share.
 * The lock is held afterwards. */
static void unclaim(struct batch *batch)
{
	struct mempool_core *core = batch->core;

	batch_give_back(batch);
	core_lock(core);
	core->nr_out -= batch->count - batch->nr;
	waitq_serve(core);
}

/* Lock held.  A share and the elements are there at once. */
static bool take_all(struct mempool_core *core, void **slots,
		     unsigned int count)
{
	struct batch batch = { .core = core, .slots = slots, .count = count };

	if (!waitq_may_take_and_claim(core, count))
		return false;
	batch_take(&batch);
	core_take_share(core, count);
	return true;
}

/* Called with the lock, which it lets go. */
static int wait_for_all(struct mempool_core *core, void **slots,
			unsigned int count, gfp_t gfp, uint64_t deadline_ns,
			uint64_t kicks)
{
	int err;

	/* A bulk request may have become too long (bulk.c). */
	if (count > 1 && count > core->bulk_nr)
		err = -EINVAL;
	else if (take_all(core, slots, count))
		err = 0;
	else if (core->shutdown)
		err = -ECANCELED;
	else
		return wait_for(core, slots, count, gfp, deadline_ns, kicks);
	core_unlock(core);
	return err;
}

/* True when it succeeded; else the lock is held, and nothing else. */
static bool claim_and_try(struct batch *batch, gfp_t gfp, uint64_t *kicks)
{
	struct mempool_core *core = batch->core;
	int cancel_state;

	core_lock(core);
	/* Without a share there is no try, so one is due (retry.c, R5). */
	*kicks = core->retry.kicks - 1;
	if (!waitq_may_claim(core, batch->count))
		return false;
	core_take_share(core, batch->count);
	core_unlock(core);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
	try_all(batch, gfp, kicks);
	if (!batch_is_full(batch))
		unclaim(batch);
	pthread_setcancelstate(cancel_state, NULL);
	return batch_is_full(batch);
}

int cap_alloc(struct mempool_core *core, void **slots, unsigned int count,
	      gfp_t gfp, uint64_t deadline_ns)
{
	struct batch batch = { .core = core, .slots = slots, .count = count };
	uint64_t kicks;

	if (claim_and_try(&batch, gfp, &kicks))
		return 0;
	if (may_sleep(gfp))
		return wait_for_all(core, slots, count, gfp, deadline_ns,
				    kicks);
	core->stats.nowait_failures++;
	core_unlock(core);
	return -EAGAIN;
}

int cap_alloc_noreserve(struct mempool_core *core, void **slot, gfp_t gfp)
{
	struct batch batch = { .core = core, .slots = slot, .count = 1 };
	int cancel_state;
	bool claimed;

	core_lock(core);
	claimed = waitq_may_claim(core, 1);
	if (claimed)
		core_take_share(core, 1);
	core_unlock(core);
	if (!claimed)
		return -EAGAIN;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
	batch_from_backend(&batch, gfp);
	if (!batch.nr) {
		unclaim(&batch);
		core_unlock(core);
	}
	pthread_setcancelstate(cancel_state, NULL);
	return batch.nr ? 0 : -ENOMEM;
}
