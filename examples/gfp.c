/* SPDX-License-Identifier: MIT */
/*
 * gfp.c - a backend that does what the mask allows, and no more
 *
 * The backend has one clean buffer and one dirty one.  To hand out the dirty
 * one it must write it back first, which is I/O: a caller that is itself
 * doing I/O must not be made to wait for that.
 *
 * Shown in gfp_flags(7).
 */

#include <err.h>
#include <errno.h>
#include <stddef.h>

#include <kmempool/mempool.h>

struct cache {
	char clean[512], dirty[512];
	int clean_used, dirty_used, writes;
};

static void *cache_alloc(gfp_t gfp_mask, void *pool_data)
{
	struct cache *cache = pool_data;

	if (!cache->clean_used) {
		cache->clean_used = 1;
		return cache->clean;
	}
	if (!cache->dirty_used && (gfp_mask & __GFP_IO)) {
		cache->writes++;	/* write it back here */
		cache->dirty_used = 1;
		return cache->dirty;
	}
	return NULL;
}

static void cache_free(void *element, void *pool_data)
{
	struct cache *cache = pool_data;

	if (element == cache->clean)
		cache->clean_used = 0;
	else
		cache->dirty_used = 0;
}

int main(void)
{
	static struct cache cache;
	mempool_t *pool;
	void *a, *b;

	if (!gfpflags_allow_blocking(GFP_NOIO) ||
	    gfpflags_allow_blocking(GFP_NOWAIT))
		errx(1, "gfpflags_allow_blocking");

	pool = mempool_create(0, cache_alloc, cache_free, &cache);
	if (!pool)
		err(1, "mempool_create");

	a = mempool_alloc(pool, GFP_NOWAIT);
	if (!a)
		err(1, "mempool_alloc");

	/* A caller that may not sleep is never made to do I/O. */
	b = mempool_alloc(pool, GFP_NOWAIT);
	if (b || errno != EAGAIN || cache.writes != 0)
		errx(1, "I/O for a caller that must not do any");

	/* For one that may, the second attempt of the pool does it. */
	b = mempool_alloc(pool, GFP_KERNEL);
	if (!b || cache.writes != 1)
		errx(1, "no I/O for a caller that may do it");

	mempool_free(b, pool);
	mempool_free(a, pool);
	mempool_destroy(pool);
	return 0;
}
