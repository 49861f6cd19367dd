/* SPDX-License-Identifier: MIT */
/*
 * core.c - what follows every change to a pool's reserve or queue
 */
#include "config.h"

#include "core.h"

#include "counters.h"

int core_init_lock(struct mempool_core *core)
{
	pthread_mutexattr_t attr;
	int err;

	err = pthread_mutexattr_init(&attr);
	if (err)
		return -err;
	if (core->prio_inherit)
		err = pthread_mutexattr_setprotocol(&attr,
						    PTHREAD_PRIO_INHERIT);
	if (!err)
		err = pthread_mutex_init(&core->lock, &attr);
	pthread_mutexattr_destroy(&attr);
	return -err;
}

void core_update_gate(struct mempool_core *core)
{
	bool full = core->reserve.nr >= core->min_nr;
	intptr_t gate = COUNTERS_CLOSED;

	/* A growth that could not be filled at once now is. */
	if (full && core->bulk_nr != core->min_nr)
		__atomic_store_n(&core->bulk_nr, core->min_nr,
				 __ATOMIC_RELAXED);
	if (full && core->min_nr && !core->waitq.nr && !core->max_nr)
		gate = counters_offset(core->slot);
	/* [G1] with the loads in alloc and free; waitq.c section 6.  Not
	 * written when it would not change, for those who read it. */
	if (core->pool->kmp_gate != gate)
		__atomic_store_n(&core->pool->kmp_gate, gate,
				 __ATOMIC_RELAXED);
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
		core_return(core, reserve_take(&core->reserve));
}
