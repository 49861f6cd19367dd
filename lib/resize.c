/* SPDX-License-Identifier: MIT */
/*
 * resize.c - changing min_nr at run time, and filling up
 *
 * Memory for the pointers is made ready without the lock and moved in with
 * it, so several resizes may run at once: each moves in what is larger than
 * what is there, and the last to take the lock sets min_nr.
 */
#include "config.h"

#include <kmempool/mempool.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "core.h"

/* Lock held. */
static bool is_full(struct mempool_core *core)
{
	return core->reserve.nr >= core->min_nr;
}

/* Elements go to requests first; so it ends when the reserve is full or the
 * backend fails, whatever requests take away meanwhile. */
static int fill(struct mempool_core *core)
{
	void *element;
	int err = 0;

	core_lock_and_recall(core);
	while (!is_full(core)) {
		core_unlock(core);
		element = core->alloc_fn(GFP_KERNEL,
					 core->pool->kmp_pool_data);
		if (!element)
			counters_add(core->slot, BACKEND_FAILURES, 1);
		core_lock_and_recall(core);
		if (!element) {
			err = -ENOMEM;
			break;
		}
		if (waitq_give_first(core, element) == WAITQ_REFUSED)
			core_return(core, element);
	}
	core_unlock(core);
	return err;
}

static int refill(struct mempool_core *core)
{
	int cancel_state;
	int err;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
	err = fill(core);
	pthread_setcancelstate(cancel_state, NULL);
	return err;
}

/* Lock held; there is room, and nothing is cached. */
static void set_min_nr(struct mempool_core *core, unsigned int min_nr)
{
	__atomic_store_n(&core->min_nr, min_nr, __ATOMIC_RELAXED);
	core->room = min_nr;
	if (core->lanes)
		cached_set_cap(core);
	/* After a growth bulk_nr follows when the reserve is full: until then
	 * there may not be min_nr elements in the world. */
	if (min_nr < core->bulk_nr)
		__atomic_store_n(&core->bulk_nr, min_nr, __ATOMIC_RELAXED);
	core_trim(core);
}

int mempool_resize(mempool_t *pool, int new_min_nr)
{
	unsigned int min_nr = (unsigned int)new_min_nr;
	struct mempool_core *core;
	void **room = NULL;
	bool grows;

	if (!pool || new_min_nr < 0)
		return -EINVAL;
	core = pool->kmp_core;
	if (core->max_nr && min_nr > core->max_nr)
		return -EINVAL;
	core_lock_and_recall(core);
	if (min_nr > core->reserve.cap) {
		core_unlock(core);
		room = reserve_make_room(min_nr);
		if (!room)
			return -ENOMEM;
		core_lock_and_recall(core);
		/* Another resize may have made more room meanwhile. */
		if (min_nr > core->reserve.cap)
			room = reserve_move_in(&core->reserve, room, min_nr);
	}
	grows = min_nr > core->min_nr;
	set_min_nr(core, min_nr);
	core_unlock(core);
	free(room);
	if (grows)
		refill(core);
	return 0;
}

int mempool_refill(mempool_t *pool)
{
	return pool ? refill(pool->kmp_core) : -EINVAL;
}
