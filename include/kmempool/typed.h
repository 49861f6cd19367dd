/* SPDX-License-Identifier: MIT */
/*
 * typed.h - pools that objects know
 *
 * A typed pool is a reserve of objects of one type over a cache of its own.  An
 * object goes back without saying to which pool: its address tells.  The calls
 * are those of GlusterFS.
 *
 *	mempool_t *calls = mempool_new(struct call, 16);
 *	struct call *call = mempool_get0(calls);
 *	...
 *	mempool_put(call);
 *	mempool_destroy(calls);
 *
 * Every call of mempool.h but mempool_exit() may be used on the pool, too; its
 * name is that of the type.  The rules for errors, threads and callbacks are those of
 * mempool.h.
 *
 * Since: 0.1, all of it.
 */
#ifndef KMEMPOOL_TYPED_H
#define KMEMPOOL_TYPED_H

#include <kmempool/mempool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* mempool_destroy() reports how many objects were served and how many were out
 * at most, through kmempool_set_report().  Every call takes the pool's lock. */
#define MEMPOOL_NEW_REPORT	0x1u

/**
 * mempool_new_typed - make a pool of objects and the cache they come from
 * @type:  its name
 * @size:  bytes in an object, 1 to KMEM_CACHE_SIZE_MAX (slab.h)
 * @align: bytes, as for kmem_cache_create()
 * @nr:    objects to keep aside
 * @flags: MEMPOOL_NEW_*
 *
 * Return: the pool, to be ended by mempool_destroy(), or NULL with errno
 *           EINVAL  @type is NULL, a value is out of range, or an unknown flag
 *           ENOMEM  there is no memory for @nr objects
 */
KMEMPOOL_API KMEMPOOL_MUST_CHECK
mempool_t *mempool_new_typed(const char *type, size_t size, size_t align,
			     int nr, unsigned int flags)
	KMEMPOOL_SYM(new_typed);

/* The same for a type by its name. */
#define mempool_new(type, nr) \
	mempool_new_typed(#type, sizeof(type), __alignof__(type), (nr), 0)

/**
 * mempool_get - take an object, and never sleep
 *
 * From the cache, or else the reserve.  To wait for one, mempool_alloc() it.
 *
 * Owner:   the caller, until mempool_put().
 * Content: undefined.
 * Return:  the object, or NULL with errno EAGAIN, or EINVAL when @pool is NULL.
 */
KMEMPOOL_MUST_CHECK
static inline void *mempool_get(mempool_t *pool)
{
	return mempool_alloc(pool, GFP_NOWAIT);
}

/* The same, zeroed. */
KMEMPOOL_MUST_CHECK
static inline void *mempool_get0(mempool_t *pool)
{
	return mempool_alloc(pool, GFP_NOWAIT | __GFP_ZERO);
}

/**
 * mempool_put - give an object back to its pool
 * @object: NULL is a no-op; any other address that is not in a slab of a
 *          typed pool is a misuse: reported, then abort()
 *
 * Put all objects before the pool ends: one that is put later goes to a cache
 * that stays until the process ends.
 */
KMEMPOOL_API
void mempool_put(void *object) KMEMPOOL_SYM(put);

#ifdef __cplusplus
}
#endif

#endif /* KMEMPOOL_TYPED_H */
