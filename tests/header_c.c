/* SPDX-License-Identifier: MIT */
/*
 * header_c.c - the public header stands alone, may be included twice, and is
 * strict C11; its version is the library's and the package's
 */
#include <kmempool/mempool.h>
#include <kmempool/mempool.h>
#include <kmempool/gfp.h>

#include <stdio.h>
#include <string.h>

_Static_assert(sizeof(mempool_t) <= 128, "a pool is at most 128 bytes");
_Static_assert(GFP_NOWAIT != 0, "GFP_NOWAIT is not zero");

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
	return 0;
}
