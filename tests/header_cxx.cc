// SPDX-License-Identifier: MIT
//
// header_cxx.cc - the public header compiles as C++17, twice included, and
// its functions link and work from there
#include <kmempool/mempool.h>
#include <kmempool/mempool.h>
#include <kmempool/gfp.h>

#include <cstring>

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
	return 0;
}
