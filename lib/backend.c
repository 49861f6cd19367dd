/* SPDX-License-Identifier: MIT */
/*
 * backend.c - the stock backends
 *
 * errno is left alone, since a failure here is often followed by success from
 * the reserve.  Pages ignore the mask: mmap has no use for it.
 */
#include "config.h"

#include <kmempool/mempool.h>

#include <errno.h>
#include <limits.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backend.h"
#include "cache.h"
#include "kmalloc.h"

void *mempool_alloc_slab(gfp_t gfp_mask, void *pool_data)
{
	return cache_alloc(pool_data, gfp_mask, __builtin_return_address(0));
}

void mempool_free_slab(void *element, void *pool_data)
{
	cache_free(pool_data, element, __builtin_return_address(0));
}

void *mempool_kmalloc(gfp_t gfp_mask, void *pool_data)
{
	int saved_errno = errno;
	void *element = kmalloc_from((size_t)(uintptr_t)pool_data, gfp_mask,
				     __builtin_return_address(0));

	errno = saved_errno;
	return element;
}

void mempool_kfree(void *element, void *pool_data)
{
	(void)pool_data;
	kfree_from(element, __builtin_return_address(0));
}

/* Bytes in a run of pages; 0 when there can be no such run. */
static size_t page_run_size(void *pool_data)
{
	intptr_t order = (intptr_t)pool_data;
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	if (order < 0 || order >= (int)(sizeof(size_t) * CHAR_BIT) ||
	    page > (SIZE_MAX / 2) >> order)
		return 0;
	return page << order;
}

void *mempool_alloc_pages(gfp_t gfp_mask, void *pool_data)
{
	size_t size = page_run_size(pool_data);
	int saved_errno = errno;
	void *element;

	(void)gfp_mask;
	if (!size)
		return NULL;
	element = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	errno = saved_errno;
	return element == MAP_FAILED ? NULL : element;
}

void mempool_free_pages(void *element, void *pool_data)
{
	int saved_errno = errno;

	munmap(element, page_run_size(pool_data));
	errno = saved_errno;
}

int backend_element_size(mempool_alloc_t *alloc_fn, void *pool_data,
			 size_t *size)
{
	const struct kmem_cache *cache = pool_data;

	*size = 0;
	if (alloc_fn == mempool_alloc_slab) {
		if (!cache)
			return -EINVAL;
		/* What is constructed is not to be zeroed. */
		if (!cache->ctor && !cache->ctor_try)
			*size = cache->layout.size;
		return 0;
	}
	if (alloc_fn == mempool_kmalloc)
		*size = (size_t)(uintptr_t)pool_data;
	else if (alloc_fn == mempool_alloc_pages)
		*size = page_run_size(pool_data);
	else
		return 0;
	return *size ? 0 : -EINVAL;
}
