/* SPDX-License-Identifier: MIT */
/*
 * bulk.c - several elements at once, or none
 *
 * The order is that of a single request: backend, reserve, backend with the
 * caller's mask, reserve, wait.  What the backend gave is kept meanwhile;
 * what it did not give is taken from the reserve in one step, so two bulk
 * requests never hold what the other lacks.  Elements from the backend are
 * counted as they come, and those of a request that fails go back by
 * mempool_free() and are counted there.
 */
#include "config.h"

#include <kmempool/mempool.h>

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "alloc.h"
#include "core.h"

struct bulk {
	mempool_t	*pool;
	void		**elems;	/* elems[0..nr) are ours */
	unsigned int	nr;
	unsigned int	count;
};

/* Also the clean-up when the thread is cancelled in its sleep. */
static void give_back(void *arg)
{
	struct bulk *bulk = arg;
	unsigned int i;

	for (i = 0; i < bulk->nr; i++)
		core_free(bulk->elems[i], bulk->pool);
}

/*
 * Until one call fails.  Cancellation is disabled as soon as there is an
 * element that a cancelled alloc_fn would lose.
 */
static void take_from_backend(struct bulk *bulk, gfp_t gfp)
{
	struct mempool_core *core = bulk->pool->kmp_core;
	int cancel_state;
	void *element;

	if (core->fixed || bulk->nr == bulk->count)
		return;
	if (bulk->nr == 0) {
		element = core->alloc_fn(gfp, bulk->pool->kmp_pool_data);
		if (!element)
			goto failed;
		bulk->elems[bulk->nr++] = element;
		alloc_note_backend(bulk->pool);
	}
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
	while (bulk->nr < bulk->count) {
		element = core->alloc_fn(gfp, bulk->pool->kmp_pool_data);
		if (!element)
			break;
		bulk->elems[bulk->nr++] = element;
		alloc_note_backend(bulk->pool);
	}
	pthread_setcancelstate(cancel_state, NULL);
	if (bulk->nr == bulk->count)
		return;
failed:
	core_lock(core);
	core->stats.backend_failures++;
	core_unlock(core);
}

/* All that is lacking, or nothing.  Lock held. */
static bool take_from_reserve(struct mempool_core *core, struct bulk *bulk)
{
	unsigned int lack = bulk->count - bulk->nr;

	if (!waitq_may_take(core, lack))
		return false;
	core->stats.alloc_reserve += lack;
	while (bulk->nr < bulk->count)
		bulk->elems[bulk->nr++] = reserve_take(&core->reserve);
	return true;
}

/* Lock held; a cancellation point. */
static int wait_for_rest(struct mempool_core *core, struct bulk *bulk,
			 gfp_t gfp, uint64_t deadline_ns, uint64_t kicks)
{
	int err;

	/* min_nr may have shrunk since the request was checked.  From here on
	 * the reserve collects for it, whatever min_nr becomes. */
	if (bulk->count > core->bulk_nr)
		return -EINVAL;
	if (core->shutdown)
		return -ECANCELED;
	pthread_cleanup_push(give_back, bulk);
	err = waitq_wait(core, bulk->elems + bulk->nr, bulk->count - bulk->nr,
			 gfp, deadline_ns, kicks);
	pthread_cleanup_pop(0);
	if (!err)
		bulk->nr = bulk->count;
	return err;
}

/* Steps 2 to 4: the backend did not give all. */
static int take_rest(struct mempool_core *core, struct bulk *bulk, gfp_t gfp,
		     uint64_t deadline_ns)
{
	uint64_t kicks;
	int err = 0;

	core_lock(core);
	if (take_from_reserve(core, bulk))
		goto unlock;
	if (!may_sleep(gfp)) {
		core->stats.nowait_failures++;
		err = -EAGAIN;
		goto unlock;
	}
	kicks = core->retry.kicks;
	core_unlock(core);
	take_from_backend(bulk, gfp | GFP_HINTS);
	core_lock(core);
	if (bulk->nr < bulk->count && !take_from_reserve(core, bulk))
		err = wait_for_rest(core, bulk, gfp, deadline_ns, kicks);
unlock:
	core_unlock(core);
	return err;
}

static void zero(const struct bulk *bulk)
{
	unsigned int i;

	for (i = 0; i < bulk->count; i++)
		memset(bulk->elems[i], 0, bulk->pool->kmp_core->element_size);
}

static int alloc_bulk(mempool_t *pool, void **elems, unsigned int count,
		      gfp_t gfp_mask, const struct timespec *deadline)
{
	struct bulk bulk = { .pool = pool, .elems = elems, .count = count };
	gfp_t gfp = gfp_mask & ~__GFP_ZERO;
	struct mempool_core *core;
	uint64_t deadline_ns;
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
	take_from_backend(&bulk, first_mask(gfp));
	if (bulk.nr < count)
		err = take_rest(core, &bulk, gfp, deadline_ns);
	if (err)
		give_back(&bulk);
	else if (gfp_mask & __GFP_ZERO)
		zero(&bulk);
	return err;
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
