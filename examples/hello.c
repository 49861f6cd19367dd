/* SPDX-License-Identifier: MIT */
/*
 * hello.c - four buffers set aside, so that there is always one in the end
 */
#include <stdio.h>
#include <string.h>

#include <kmempool/mempool.h>

int main(void)
{
	struct mempool_stats stats;
	mempool_t *pool;
	char *buf;

	/* Four buffers of 64 KiB are taken now, while there is memory. */
	pool = mempool_create_kmalloc_pool(4, 65536);
	if (!pool) {
		perror("mempool_create_kmalloc_pool");
		return 1;
	}

	/* Memory if there is some; else one of the four; when all four are
	 * out, sleep until another thread gives one back. */
	buf = mempool_alloc(pool, GFP_KERNEL);
	if (!buf) {
		perror("mempool_alloc");	/* only after a shutdown */
		return 1;
	}
	strcpy(buf, "hello from a pool");
	puts(buf);
	mempool_free(buf, pool);

	mempool_get_stats(pool, &stats, sizeof(stats));
	printf("%llu from memory, %llu from the reserve, %llu waits\n",
	       (unsigned long long)stats.alloc_backend,
	       (unsigned long long)stats.alloc_reserve,
	       (unsigned long long)stats.waits);
	mempool_destroy(pool);
	return 0;
}
