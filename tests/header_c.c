/* SPDX-License-Identifier: MIT */
/*
 * header_c.c - the public headers may be included twice and are strict C11;
 * their version is the library's and the package's
 *
 * That each of them stands alone is seen by check_install.sh.
 */
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

#include <stdio.h>
#include <string.h>

_Static_assert(sizeof(mempool_t) <= 128, "a pool is at most 128 bytes");
_Static_assert(GFP_NOWAIT != 0, "GFP_NOWAIT is not zero");

struct object {
	char	bytes[24];
};

static int use_cache(void)
{
	struct kmem_cache *cache = KMEM_CACHE(object, SLAB_HWCACHE_ALIGN);
	struct object *object;

	if (!cache || kmem_cache_size(cache) != sizeof(*object))
		return 1;
	object = kmem_cache_alloc(cache, GFP_KERNEL);
	if (!object)
		return 1;
	kmem_cache_free(cache, object);
	return kmem_cache_destroy(cache);
}

static int use_kmalloc(void)
{
	char *bytes = kcalloc(3, 8, GFP_KERNEL);

	if (!bytes || ksize(bytes) < 24 || bytes[23])
		return 1;
	kfree(bytes);
	return !ZERO_OR_NULL_PTR(ZERO_SIZE_PTR);
}

static int use_typed_pool(void)
{
	mempool_t *pool = mempool_new(struct object, 2);
	struct object *object;

	if (!pool)
		return 1;
	object = mempool_get0(pool);
	if (!object || object->bytes[23])
		return 1;
	mempool_put(object);
	mempool_destroy(pool);
	return 0;
}

int main(void)
{
	static mempool_t zeroed;
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;

	if (strcmp(kmempool_version(), KMEMPOOL_VERSION) != 0 ||
	    strcmp(KMEMPOOL_VERSION, TEST_PACKAGE_VERSION) != 0) {
		printf("versions: library %s, header %s, package %s\n",
		       kmempool_version(), KMEMPOOL_VERSION,
		       TEST_PACKAGE_VERSION);
		return 1;
	}
	if (attr.size != sizeof(attr) || attr.node != MEMPOOL_NODE_ANY) {
		puts("MEMPOOL_ATTR_INIT does not match struct mempool_attr");
		return 1;
	}
	if (mempool_initialized(&zeroed) || !gfpflags_allow_blocking(GFP_NOIO))
		return 1;
	if (use_cache()) {
		puts("a cache does not work");
		return 1;
	}
	if (use_kmalloc()) {
		puts("memory by size does not work");
		return 1;
	}
	if (use_typed_pool()) {
		puts("a typed pool does not work");
		return 1;
	}
	return 0;
}
