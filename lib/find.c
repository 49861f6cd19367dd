/* SPDX-License-Identifier: MIT */
/*
 * find.c - visiting every pool, and finding one by its name
 */
#include "config.h"

#include <kmempool/mempool.h>

#include <errno.h>
#include <string.h>

#include "core.h"
#include "registry.h"

struct registry registry_pools = REGISTRY_INIT;

struct visit {
	int	(*fn)(mempool_t *pool, void *arg);
	void	*arg;
};

static int call(void *pool, void *arg)
{
	const struct visit *visit = arg;

	return visit->fn(pool, visit->arg);
}

int mempool_for_each(int (*fn)(mempool_t *pool, void *arg), void *arg)
{
	struct visit visit = { fn, arg };

	return fn ? registry_walk(&registry_pools, call, &visit) : -EINVAL;
}

struct search {
	const char	*name;
	mempool_t	*found;
};

static int compare_name(void *object, void *arg)
{
	struct search *search = arg;
	mempool_t *pool = object;
	const char *name = pool->kmp_core->name;

	if (!name || strcmp(name, search->name))
		return 0;
	search->found = pool;
	return 1;
}

mempool_t *mempool_find(const char *name)
{
	struct search search = { .name = name };

	if (!name) {
		errno = EINVAL;
		return NULL;
	}
	registry_walk(&registry_pools, compare_name, &search);
	if (!search.found)
		errno = ENOENT;
	return search.found;
}
