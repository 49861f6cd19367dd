/* SPDX-License-Identifier: MIT */
/*
 * fork.c - what is consistent in the child
 *
 * A fork copies locks that other threads hold and requests whose threads the
 * child does not have.  So before it we take every lock there is, in the order
 *
 *   the making of general caches, watch_lock, the pools' registry, each pool
 *   (in the registry's order), the caches' registry, each cache, runs, the
 *   headers of slabs, the magazines that nobody uses, counters
 *
 * in which nobody else takes two, but for others inside the first, and after it
 *
 *   parent   lets go;
 *   child    lets go as well, but makes a lock with priority inheritance anew,
 *            which knows its owner by a thread id that has changed; and
 *            forgets the requests of other threads.
 *
 * In the child every pool and cache can be used at once.  Elements that other
 * threads held stay counted as outstanding, and a share of max_nr that one of
 * them was trying to fill stays taken: nobody is left to give either back.
 * Elements collected for a bulk request that is gone stay in the reserve.  A
 * slab that another thread was making, or giving back, is lost.
 *
 * A thread that forks inside alloc_fn during a retry keeps its own request.
 *
 * The handlers are registered when the library is loaded, before any thread
 * can be making a pool.  Those before a fork run in the opposite order of
 * registration, those after it in the same, so ours hold the locks only while
 * no handler runs that was registered later: such a handler may use pools.  One
 * registered earlier, by a program that loads the library at run time, runs
 * while they are held, and using a pool waits for ever.  If registering fails
 * then, the first pool asks again; only in that case is a fork while another
 * thread makes that pool not covered, and the order is that of then.
 */
#include "config.h"

#include "fork.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>

#include "cache.h"
#include "core.h"
#include "counters.h"
#include "kmalloc.h"
#include "magazine.h"
#include "registry.h"
#include "runs.h"
#include "slab.h"
#include "spin.h"
#include "track.h"

static pthread_mutex_t watch_lock = PTHREAD_MUTEX_INITIALIZER;
static bool watching;			/* under watch_lock */

static void hold_pool(void *object)
{
	mempool_t *pool = object;

	core_lock(pool->kmp_core);
}

static void release_pool(void *object)
{
	mempool_t *pool = object;

	pool_lock_release(&pool->kmp_core->lock);
}

static void restart_pool(void *object)
{
	mempool_t *pool = object;

	waitq_child(pool->kmp_core);
	cached_child(pool->kmp_core);
	pool_lock_child(&pool->kmp_core->lock);
}

static void hold_cache(void *object)
{
	cache_lock(object);
}

static void release_cache(void *object)
{
	cache_unlock(object);
}

static void restart_cache(void *object)
{
	layer_child(object);
	cache_unlock(object);
}

static void prepare(void)
{
	kmalloc_prepare();
	pthread_mutex_lock(&watch_lock);
	registry_prepare(&registry_pools, hold_pool);
	registry_prepare(&registry_caches, hold_cache);
	runs_prepare();
	slab_prepare();
	magazine_prepare();
	counters_prepare();
}

static void parent(void)
{
	counters_parent();
	magazine_resume();
	slab_resume();
	runs_resume();
	registry_parent(&registry_caches, release_cache);
	registry_parent(&registry_pools, release_pool);
	pthread_mutex_unlock(&watch_lock);
	kmalloc_resume();
}

static void child(void)
{
	spin_child();
	track_child();
	counters_child();
	magazine_resume();
	slab_resume();
	runs_resume();
	registry_child(&registry_caches, restart_cache);
	registry_child(&registry_pools, restart_pool);
	registry_child_pins();
	pthread_mutex_unlock(&watch_lock);
	kmalloc_resume();
}

/* pthread_atfork() may wait for a fork under way, which does not wait for us:
 * our handlers are not among its own yet. */
int fork_watch(void)
{
	int err = 0;

	pthread_mutex_lock(&watch_lock);
	if (!watching) {
		err = pthread_atfork(prepare, parent, child);
		watching = !err;
	}
	pthread_mutex_unlock(&watch_lock);
	return -err;
}

__attribute__((constructor))
static void watch_from_the_start(void)
{
	fork_watch();
}
