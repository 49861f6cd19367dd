/* SPDX-License-Identifier: MIT */
/*
 * core.c - what follows every change to a pool's reserve or queue
 */
#include "config.h"

#include "core.h"

bool core_may_take(struct mempool_core *core, unsigned int nr)
{
	return waitq_may_take(core, nr) ||
	       (core_recall(core) && waitq_may_take(core, nr));
}

void core_return(struct mempool_core *core, void *element)
{
	mempool_t *pool = core->pool;
	int cancel_state;

	core_unlock(core);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
	pool->kmp_free_fn(element, pool->kmp_pool_data);
	pthread_setcancelstate(cancel_state, NULL);
	core_lock(core);
	retry_kick(core);
}

void core_trim(struct mempool_core *core)
{
	while (!waitq_wants(core, core->reserve.nr))
		if (!waitq_make_room(core))
			core_return(core, reserve_take(&core->reserve));
}
