/* SPDX-License-Identifier: MIT */
/*
 * bulk.c - several elements at once, or none
 *
 * The order is that of a single request: backend, reserve, backend with the
 * caller's mask, reserve, wait.  What the backend gave is kept meanwhile;
 * what it did not give is taken from the reserve in one step, so two bulk
 * requests never hold what the other lacks.  Elements from the backend are
 * counted as they come, and those of a request that fails go back by
 * core_free() and are counted there.
 */
#include "config.h"

#include <kmempool/mempool.h>

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "alloc.h"
#include "batch.h"
#include "cap.h"
#include "core.h"
#include "counters.h"
#include "wait.h"

/* Called with the lock, which it lets go; a cancellation point. */
static int wait_for_rest(struct batch *batch, gfp_t gfp, uint64_t deadline_ns,
			 uint64_t kicks)
{
	struct mempool_core *core = batch->core;
	int err;

	/* min_nr may have shrunk since the request was checked.  From here on
	 * the reserve collects for it, whatever min_nr becomes. */
	if (batch->count > core->bulk_nr || core->shutdown) {
		err = core->shutdown ? -ECANCELED : -EINVAL;
		core_unlock(core);
		return err;
	}
	pthread_cleanup_push(batch_give_back, batch);
	err = wait_for(core, batch->slots + batch->nr,
			 batch->count - batch->nr, gfp, deadline_ns, kicks);
	pthread_cleanup_pop(0);
	return err;
}

/* Steps 2 to 4: the backend did not give all. */
static int take_rest(struct batch *batch, gfp_t gfp, uint64_t deadline_ns)
{
	struct mempool_core *core = batch->core;
	uint64_t kicks;
	int err = 0;

	core_lock(core);
	batch_from_reserve(batch);
	if (batch_is_full(batch))
		goto unlock;
	if (!may_sleep(gfp)) {
		core->stats.nowait_failures++;
		err = -EAGAIN;
		goto unlock;
	}
	kicks = core->retry.kicks;
	core_unlock(core);
	batch_from_backend(batch, gfp | GFP_HINTS);
	core_lock(core);
	batch_from_reserve(batch);
	if (!batch_is_full(batch))
		return wait_for_rest(batch, gfp, deadline_ns, kicks);
unlock:
	core_unlock(core);
	return err;
}

static int take_all(struct batch *batch, gfp_t gfp, uint64_t deadline_ns)
{
	int cancel_state;
	int err = 0;

	batch_from_backend(batch, first_mask(gfp));
	if (!batch_is_full(batch))
		err = take_rest(batch, gfp, deadline_ns);
	if (err) {
		/* A cancelled free_fn would lose all that come after it. */
		pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
		batch_give_back(batch);
		pthread_setcancelstate(cancel_state, NULL);
	}
	return err;
}

static int alloc_bulk(mempool_t *pool, void **elems, unsigned int count,
		      gfp_t gfp_mask, const struct timespec *deadline)
{
	struct batch batch = { .slots = elems, .count = count };
	gfp_t gfp = gfp_mask & ~__GFP_ZERO;
	struct mempool_core *core;
	uint64_t deadline_ns;
	unsigned int i;
	int err;

	err = alloc_check(pool, gfp_mask, deadline, &deadline_ns);
	if (err)
		return err;
	core = pool->kmp_core;
	if (count > __atomic_load_n(&core->bulk_nr, __ATOMIC_RELAXED))
		return -EINVAL;
	if (count == 0)
		return 0;
	if (!elems)
		return -EINVAL;
	batch.core = core;
	counters_prepare_thread();
	if (core->max_nr)
		err = cap_alloc(core, elems, count, gfp, deadline_ns);
	else
		err = take_all(&batch, gfp, deadline_ns);
	if (err)
		return err;
	if (gfp_mask & __GFP_ZERO)
		for (i = 0; i < count; i++)
			memset(elems[i], 0, core->element_size);
	return 0;
}

int mempool_alloc_bulk(mempool_t *pool, void **elems, unsigned int count)
{
	return alloc_bulk(pool, elems, count, GFP_KERNEL, NULL);
}

int mempool_alloc_bulk_until(mempool_t *pool, void **elems,
			     unsigned int count, gfp_t gfp_mask,
			     const struct timespec *deadline)
{
	return alloc_bulk(pool, elems, count, gfp_mask, deadline);
}
