/* SPDX-License-Identifier: MIT */
/*
 * batch.c - the elements of one request, as they come
 */
#include "config.h"

#include "batch.h"

#include <pthread.h>

#include "alloc.h"

/* False when the backend failed. */
static bool take_one(struct batch *batch, gfp_t gfp)
{
	struct mempool_core *core = batch->core;
	void *element;

	element = core->alloc_fn(gfp, core->pool->kmp_pool_data);
	if (element) {
		batch->slots[batch->nr++] = element;
		alloc_note_backend(core->pool);
		return true;
	}
	counters_add(core->slot, BACKEND_FAILURES, 1);
	return false;
}

void batch_from_backend(struct batch *batch, gfp_t gfp)
{
	int cancel_state;

	if (batch->core->fixed)
		return;
	if (batch->nr == 0 && !take_one(batch, gfp))
		return;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
	while (!batch_is_full(batch) && take_one(batch, gfp))
		;
	pthread_setcancelstate(cancel_state, NULL);
}

void batch_take(struct batch *batch)
{
	struct mempool_core *core = batch->core;

	counters_add(core->slot, ALLOC_RESERVE, batch->count - batch->nr);
	while (!batch_is_full(batch))
		batch->slots[batch->nr++] = reserve_take(&core->reserve);
}

void batch_from_reserve(struct batch *batch)
{
	if (!batch_is_full(batch) &&
	    core_may_take(batch->core, batch->count - batch->nr))
		batch_take(batch);
}

void batch_give_back(void *arg)
{
	struct batch *batch = arg;
	unsigned int i;

	for (i = 0; i < batch->nr; i++)
		core_free(batch->slots[i], batch->core->pool);
}
