/* SPDX-License-Identifier: MIT */
/*
 * pool_apr.c - the resource list of the Apache Portable Runtime
 *
 * As many resources at least and at most as there are elements, so that none
 * is made or unmade on the way.
 */
#include "config.h"

#include "pools.h"

#include <apr_general.h>
#include <apr_pools.h>
#include <apr_reslist.h>

#include <stdlib.h>

struct apr_peer {
	apr_pool_t	*memory;
	apr_reslist_t	*list;
};

static apr_status_t new_resource(void **resource, void *params,
				 apr_pool_t *memory)
{
	(void)params;
	(void)memory;
	*resource = element_new();
	return APR_SUCCESS;
}

static apr_status_t free_resource(void *resource, void *params,
				  apr_pool_t *memory)
{
	(void)params;
	(void)memory;
	free(resource);
	return APR_SUCCESS;
}

static void *apr_new(int nr)
{
	struct apr_peer *peer = bench_alloc(sizeof(*peer));

	if (apr_initialize() || apr_pool_create(&peer->memory, NULL) ||
	    apr_reslist_create(&peer->list, nr, nr, nr, 0, new_resource,
			       free_resource, NULL, peer->memory))
		abort();
	return peer;
}

static struct element *apr_take(void *arg)
{
	struct apr_peer *peer = arg;
	void *resource;

	if (apr_reslist_acquire(peer->list, &resource))
		abort();
	return resource;
}

static void apr_give(void *arg, struct element *element)
{
	struct apr_peer *peer = arg;

	if (apr_reslist_release(peer->list, element))
		abort();
}

static void apr_end(void *arg)
{
	struct apr_peer *peer = arg;

	apr_pool_destroy(peer->memory);
	apr_terminate();
	free(peer);
}

const struct peer peer_apr = {
	"reslist", apr_new, apr_take, apr_give, apr_end, NULL
};
