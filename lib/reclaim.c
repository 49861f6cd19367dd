/* SPDX-License-Identifier: MIT */
/*
 * reclaim.c - having all caches let go
 *
 * When the system has no memory, a cache may still have some that it only
 * keeps: empty slabs, and whatever its user hoards and the reclaim function
 * gives back.  So before an allocation fails that may sleep, every cache is
 * asked.  One asks at a time in each thread: what reclaim functions allocate
 * themselves fails without.
 */
#include "config.h"

#include "reclaim.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>

#include "cache.h"
#include "registry.h"
#include "runs.h"

static __thread bool reclaiming __attribute__((tls_model("initial-exec")));

static int let_go(void *object, void *arg)
{
	struct kmem_cache *cache = object;

	(void)arg;
	if (cache->reclaim)
		cache->reclaim(cache->ctor_arg);
	layer_flush(cache, false);
	slabs_shrink(cache);
	return 0;
}

bool reclaim_from_all(gfp_t gfp)
{
	int saved_errno = errno, cancel_state;

	if (reclaiming || !gfpflags_allow_blocking(gfp))
		return false;
	reclaiming = true;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
	registry_walk(&registry_caches, let_go, NULL);
	runs_trim();
	pthread_setcancelstate(cancel_state, NULL);
	reclaiming = false;
	errno = saved_errno;
	return true;
}
