/* SPDX-License-Identifier: MIT */
/*
 * pages.c - page-aligned buffers, as direct I/O wants them
 *
 * Shown in mempool_kmalloc(3).
 */

#include <err.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <kmempool/mempool.h>

#define ORDER	2		/* four pages */

int main(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t size = page << ORDER, i;
	unsigned char *buf;
	mempool_t *pool;

	pool = mempool_create_page_pool(8, ORDER);
	if (!pool)
		err(1, "mempool_create_page_pool");

	buf = mempool_alloc(pool, GFP_KERNEL);
	if (!buf)
		err(1, "mempool_alloc");
	if ((uintptr_t)buf % page)
		errx(1, "not aligned to a page");
	memset(buf, 0xaa, size);
	mempool_free(buf, pool);

	/* Zeroed, wherever it comes from. */
	buf = mempool_alloc(pool, GFP_KERNEL | __GFP_ZERO);
	if (!buf)
		err(1, "mempool_alloc");
	for (i = 0; i < size; i++)
		if (buf[i])
			errx(1, "not zeroed");
	mempool_free(buf, pool);

	mempool_destroy(pool);
	return 0;
}
