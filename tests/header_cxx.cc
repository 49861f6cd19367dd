// SPDX-License-Identifier: MIT
//
// header_cxx.cc - the public headers compile as C++17, twice included, and
// their functions link and work from there
#include <kmempool/typed.h>
#include <kmempool/typed.h>
#include <kmempool/kmalloc.h>
#include <kmempool/kmalloc.h>
#include <kmempool/slab.h>
#include <kmempool/slab.h>
#include <kmempool/mempool.h>
#include <kmempool/mempool.h>
#include <kmempool/gfp.h>
#include <kmempool/gfp.h>
#include <kmempool/api.h>
#include <kmempool/api.h>

#include <cstring>

struct object {
	char	bytes[24];
};

static int use_cache()
{
	struct kmem_cache *cache = KMEM_CACHE(object, 0);
	void *object;

	if (!cache || kmem_cache_size(cache) != sizeof(struct object))
		return 1;
	object = kmem_cache_alloc(cache, GFP_KERNEL);
	if (!object)
		return 1;
	kmem_cache_free(cache, object);
	return kmem_cache_destroy(cache);
}

static int use_kmalloc()
{
	char *bytes = static_cast<char *>(kcalloc(3, 8, GFP_KERNEL));

	if (!bytes || ksize(bytes) < 24 || bytes[23])
		return 1;
	kfree(bytes);
	return !ZERO_OR_NULL_PTR(ZERO_SIZE_PTR);
}

static int use_typed_pool()
{
	mempool_t *pool = mempool_new(struct object, 2);
	struct object *object;

	if (!pool)
		return 1;
	object = static_cast<struct object *>(mempool_get0(pool));
	if (!object || object->bytes[23])
		return 1;
	mempool_put(object);
	mempool_destroy(pool);
	return 0;
}

int main()
{
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;
	mempool_t pool;
	void *element;

	if (std::strcmp(kmempool_version(), KMEMPOOL_VERSION) != 0)
		return 1;
	attr.name = "header_cxx";
	if (mempool_init_attr(&pool, 1, mempool_kmalloc, mempool_kfree,
			      reinterpret_cast<void *>(64), &attr) != 0)
		return 1;
	element = mempool_alloc(&pool, GFP_KERNEL);
	if (!element)
		return 1;
	mempool_free(element, &pool);
	mempool_exit(&pool);
	return use_cache() || use_kmalloc() || use_typed_pool();
}
