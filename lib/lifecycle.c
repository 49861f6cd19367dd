/* SPDX-License-Identifier: MIT */
/*
 * lifecycle.c - making pools and ending them
 *
 * A pool exists exactly while kmp_core is set: init sets it last of all, exit
 * clears it, and the storage is all zero otherwise.
 */
#include "config.h"

#include <kmempool/mempool.h>

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "attr.h"
#include "backend.h"
#include "core.h"
#include "counters.h"
#include "deadline.h"
#include "fork.h"
#include "gfp_known.h"
#include "lifecycle.h"
#include "registry.h"
#include "report.h"
#include "typed.h"

/* The short path's alloc_fn where the backend is not to be tried first, or at
 * all. */
static void *no_element(gfp_t gfp_mask, void *pool_data)
{
	(void)gfp_mask;
	(void)pool_data;
	return NULL;
}

static void *alloc_lines(size_t size)
{
	void *p;

	if (posix_memalign(&p, CACHE_LINE, size))
		return NULL;
	return memset(p, 0, size);
}

/* ---- the core ---------------------------------------------------------- */

static void free_core(struct mempool_core *core)
{
	cached_fini(core);
	reserve_fini(&core->reserve);
	counters_put_slot(core->slot);
	free(core->name);
	pool_lock_destroy(&core->lock);
	free(core);
}

/* Without cells every call takes the lock anyway. */
static bool can_be_cached(const struct mempool_core *core)
{
	return core->min_nr && !core->max_nr &&
	       core->slot->offset != COUNTERS_SHARED;
}

static struct mempool_core *make_core(unsigned int min_nr,
				      const struct mempool_attr *attr)
{
	struct mempool_core *core = alloc_lines(sizeof(*core));

	if (!core)
		return NULL;
	if (attr->name) {
		core->name = strdup(attr->name);
		if (!core->name)
			goto free_core;
	}
	core->slot = counters_get_slot();
	if (!core->slot)
		goto free_name;
	if (!reserve_init(&core->reserve, min_nr))
		goto put_slot;
	core->min_nr = min_nr;
	core->room = min_nr;
	core->bulk_nr = min_nr;
	core->fixed = attr->flags & MEMPOOL_FIXED;
	core->prio_inherit = attr->flags & MEMPOOL_PRIO_INHERIT;
	core->max_waiters = attr->max_waiters;
	core->max_nr = attr->max_nr;
	core->open_gate = core->max_nr ? COUNTERS_CLOSED
				       : core->slot->offset;
	core->waitq.giver_cpu = -1;
	/* Priorities are not to wait for who comes along. */
	core->waitq.bound_ns = core->prio_inherit ? 0 : OVERTAKING_BOUND_NS;
	core->retry.period_ns = attr->retry_ms * NSEC_PER_MSEC;
	if (pool_lock_init(&core->lock, core->prio_inherit ? &core->inheriting
							   : NULL))
		goto fini_reserve;
	if (attr->flags & MEMPOOL_CACHED && can_be_cached(core) &&
	    cached_init(core))
		goto destroy_lock;
	return core;

destroy_lock:
	pool_lock_destroy(&core->lock);
fini_reserve:
	reserve_fini(&core->reserve);
put_slot:
	counters_put_slot(core->slot);
free_name:
	free(core->name);
free_core:
	free(core);
	return NULL;
}

/* Cancellation disabled. */
static void empty_reserve(const mempool_t *pool, struct mempool_core *core)
{
	while (core->reserve.nr || cached_take_in(core))
		pool->kmp_free_fn(reserve_take(&core->reserve),
				  pool->kmp_pool_data);
}

/* Nobody else knows the pool yet.  Cancellation disabled. */
static int fill_reserve(const mempool_t *pool, struct mempool_core *core,
			gfp_t gfp)
{
	while (core->reserve.nr < core->min_nr) {
		void *element = core->alloc_fn(gfp, pool->kmp_pool_data);

		if (!element)
			return -ENOMEM;
		reserve_put(&core->reserve, element);
	}
	return 0;
}

/* ---- init and exit ----------------------------------------------------- */

/* From the last line on others may find the pool. */
static int publish(mempool_t *pool, struct mempool_core *core)
{
	int err = fork_watch();

	if (err)
		return err;
	core_open_gate(core);
	pool->kmp_core = core;
	if (core->typed)
		typed_set(core->typed, pool);
	return registry_add(&registry_pools, pool, &core->entry);
}

static int start(mempool_t *pool, int min_nr, gfp_t gfp,
		 const struct mempool_attr *attr, struct kmem_cache *typed)
{
	struct mempool_core *core = make_core((unsigned int)min_nr, attr);
	int cancel_state;
	int err;

	if (!core)
		return -ENOMEM;
	core->pool = pool;
	core->typed = typed;
	core->element_size = attr->element_size;
	core->alloc_fn = pool->kmp_alloc_fn;
	if (core->fixed || core->max_nr)
		pool->kmp_alloc_fn = no_element;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
	err = fill_reserve(pool, core, gfp);
	if (!err)
		err = publish(pool, core);
	if (err) {
		empty_reserve(pool, core);
		free_core(core);
	}
	pthread_setcancelstate(cancel_state, NULL);
	return err;
}

static int init(mempool_t *pool, int min_nr, mempool_alloc_t *alloc_fn,
		mempool_free_t *free_fn, void *pool_data, gfp_t gfp,
		const struct mempool_attr *user_attr, struct kmem_cache *typed)
{
	struct mempool_attr attr;
	size_t known_size;
	int err;

	if (!pool)
		return -EINVAL;
	memset(pool, 0, sizeof(*pool));
	if (min_nr < 0 || !alloc_fn || !free_fn ||
	    (gfp & ~(GFP_KNOWN & ~__GFP_ZERO)))
		return -EINVAL;
	err = backend_element_size(alloc_fn, pool_data, &known_size);
	if (!err)
		err = attr_check(&attr, user_attr, known_size);
	if (!err && attr.max_nr && attr.max_nr < (unsigned int)min_nr)
		err = -EINVAL;
	if (err)
		return err;
	pool->kmp_gate = COUNTERS_CLOSED;
	pool->kmp_alloc_fn = alloc_fn;
	pool->kmp_free_fn = free_fn;
	pool->kmp_pool_data = pool_data;
	err = start(pool, min_nr, gfp, &attr, typed);
	if (err)
		memset(pool, 0, sizeof(*pool));
	return err;
}

static mempool_t *create(int min_nr, mempool_alloc_t *alloc_fn,
			 mempool_free_t *free_fn, void *pool_data, gfp_t gfp,
			 const struct mempool_attr *attr,
			 struct kmem_cache *typed)
{
	mempool_t *pool = alloc_lines(sizeof(*pool));
	int err = -ENOMEM;

	if (pool)
		err = init(pool, min_nr, alloc_fn, free_fn, pool_data, gfp,
			   attr, typed);
	if (!err)
		return pool;
	free(pool);
	errno = -err;
	return NULL;
}

static void check_nobody_waits(struct mempool_core *core)
{
	unsigned int nr;

	core_lock(core);
	nr = core->waitq.nr_inside;
	core_unlock(core);
	if (nr)
		report_and_abort("libkmempool: pool %p (%s) is being destroyed "
				 "while %u requests wait in it; call "
				 "mempool_shutdown() and let them return "
				 "first\n", (void *)core->pool,
				 core->name ? core->name : "no name", nr);
}

static void end(mempool_t *pool)
{
	struct mempool_core *core;
	int cancel_state;

	if (!pool || !pool->kmp_core)
		return;
	core = pool->kmp_core;
	check_nobody_waits(core);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
	registry_remove(&registry_pools, core->entry);
	empty_reserve(pool, core);
	pthread_setcancelstate(cancel_state, NULL);
	free_core(core);
	memset(pool, 0, sizeof(*pool));
}

void mempool_exit(mempool_t *pool)
{
	end(pool);
}

void mempool_destroy(mempool_t *pool)
{
	struct kmem_cache *cache = NULL;

	if (pool && pool->kmp_core)
		cache = typed_begin_end(pool);
	end(pool);
	typed_end(cache);
	free(pool);
}

bool mempool_initialized(mempool_t *pool)
{
	return pool && pool->kmp_core;
}

/* ---- the forms of init and create -------------------------------------- */

int mempool_init(mempool_t *pool, int min_nr, mempool_alloc_t *alloc_fn,
		 mempool_free_t *free_fn, void *pool_data)
{
	return init(pool, min_nr, alloc_fn, free_fn, pool_data, GFP_KERNEL,
		    NULL, NULL);
}

int mempool_init_node(mempool_t *pool, int min_nr, mempool_alloc_t *alloc_fn,
		      mempool_free_t *free_fn, void *pool_data,
		      gfp_t gfp_mask, int node)
{
	return init(pool, node < MEMPOOL_NODE_ANY ? -1 : min_nr, alloc_fn,
		    free_fn, pool_data, gfp_mask, NULL, NULL);
}

int mempool_init_attr(mempool_t *pool, int min_nr, mempool_alloc_t *alloc_fn,
		      mempool_free_t *free_fn, void *pool_data,
		      const struct mempool_attr *attr)
{
	return init(pool, min_nr, alloc_fn, free_fn, pool_data, GFP_KERNEL,
		    attr, NULL);
}

mempool_t *mempool_create(int min_nr, mempool_alloc_t *alloc_fn,
			  mempool_free_t *free_fn, void *pool_data)
{
	return create(min_nr, alloc_fn, free_fn, pool_data, GFP_KERNEL, NULL,
		      NULL);
}

mempool_t *mempool_create_node(int min_nr, mempool_alloc_t *alloc_fn,
			       mempool_free_t *free_fn, void *pool_data,
			       gfp_t gfp_mask, int node)
{
	return create(node < MEMPOOL_NODE_ANY ? -1 : min_nr, alloc_fn, free_fn,
		      pool_data, gfp_mask, NULL, NULL);
}

mempool_t *mempool_create_attr(int min_nr, mempool_alloc_t *alloc_fn,
			       mempool_free_t *free_fn, void *pool_data,
			       const struct mempool_attr *attr)
{
	return create(min_nr, alloc_fn, free_fn, pool_data, GFP_KERNEL, attr,
		      NULL);
}

mempool_t *lifecycle_create_typed(int min_nr, struct kmem_cache *cache,
				  const struct mempool_attr *attr)
{
	return create(min_nr, mempool_alloc_slab, mempool_free_slab, cache,
		      GFP_KERNEL, attr, cache);
}
