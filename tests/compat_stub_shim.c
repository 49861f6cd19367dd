/* SPDX-License-Identifier: MIT */
/*
 * compat_stub_shim.c - somebody else's kernel shim, with the kernel's names
 *
 * Stands for code that a process may hold beside this library: it defines
 * and exports the kernel's symbols, over types of its own, and no header of
 * this library is included here.
 */
#include <stddef.h>
#include <stdlib.h>

#include "compat_stub_shim.h"

struct mempool_s {
	size_t size;
};

unsigned int shim_calls;

void *mempool_alloc(struct mempool_s *pool, unsigned int flags);
void mempool_free(void *element, struct mempool_s *pool);
struct mempool_s *mempool_create(size_t size);
void mempool_destroy(struct mempool_s *pool);
void *mempool_kmalloc(unsigned int flags, void *size);
void mempool_kfree(void *element, void *size);
void *kmalloc(size_t size, unsigned int flags);
void kfree(const void *object);
void *kmem_cache_alloc(void *cache, unsigned int flags);
void kmem_cache_free(void *cache, void *object);

void *mempool_alloc(struct mempool_s *pool, unsigned int flags)
{
	(void)flags;
	shim_calls++;
	return malloc(pool->size);
}

void mempool_free(void *element, struct mempool_s *pool)
{
	(void)pool;
	shim_calls++;
	free(element);
}

struct mempool_s *mempool_create(size_t size)
{
	struct mempool_s *pool = malloc(sizeof(*pool));

	shim_calls++;
	if (pool)
		pool->size = size;
	return pool;
}

void mempool_destroy(struct mempool_s *pool)
{
	shim_calls++;
	free(pool);
}

void *mempool_kmalloc(unsigned int flags, void *size)
{
	return kmalloc((size_t)size, flags);
}

void mempool_kfree(void *element, void *size)
{
	(void)size;
	kfree(element);
}

void *kmalloc(size_t size, unsigned int flags)
{
	(void)flags;
	shim_calls++;
	return malloc(size);
}

void kfree(const void *object)
{
	shim_calls++;
	free((void *)(size_t)object);
}

void *kmem_cache_alloc(void *cache, unsigned int flags)
{
	return kmalloc(*(size_t *)cache, flags);
}

void kmem_cache_free(void *cache, void *object)
{
	(void)cache;
	kfree(object);
}

const struct shim_symbol shim_symbols[] = {
	{ "mempool_alloc", (shim_fn_t *)mempool_alloc },
	{ "mempool_free", (shim_fn_t *)mempool_free },
	{ "mempool_create", (shim_fn_t *)mempool_create },
	{ "mempool_destroy", (shim_fn_t *)mempool_destroy },
	{ "mempool_kmalloc", (shim_fn_t *)mempool_kmalloc },
	{ "mempool_kfree", (shim_fn_t *)mempool_kfree },
	{ "kmalloc", (shim_fn_t *)kmalloc },
	{ "kfree", (shim_fn_t *)kfree },
	{ "kmem_cache_alloc", (shim_fn_t *)kmem_cache_alloc },
	{ "kmem_cache_free", (shim_fn_t *)kmem_cache_free },
};
const unsigned int shim_nr_symbols =
	sizeof(shim_symbols) / sizeof(shim_symbols[0]);

int shim_run(void)
{
	struct mempool_s *pool = mempool_create(24);
	size_t cache = 48;
	void *a, *b, *c;
	int ok;

	if (!pool)
		return -1;
	a = mempool_alloc(pool, 0);
	b = mempool_kmalloc(0, (void *)cache);
	c = kmem_cache_alloc(&cache, 0);
	ok = a && b && c;
	kmem_cache_free(&cache, c);
	mempool_kfree(b, NULL);
	mempool_free(a, pool);
	mempool_destroy(pool);
	return ok ? 0 : -1;
}
