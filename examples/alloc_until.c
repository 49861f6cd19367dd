/* SPDX-License-Identifier: MIT */
/*
 * alloc_until.c - wait for an element, but not for ever
 *
 * Shown in mempool_alloc(3).
 */

#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include <kmempool/mempool.h>

/* The time @ms from now. */
static struct timespec deadline_in(long ms)
{
	struct timespec t;

	if (clock_gettime(CLOCK_MONOTONIC, &t))
		err(1, "clock_gettime");
	t.tv_sec += ms / 1000;
	t.tv_nsec += ms % 1000 * 1000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000;
	}
	return t;
}

int main(void)
{
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;
	struct timespec deadline;
	mempool_t *pool;
	void *only, *other;

	attr.flags = MEMPOOL_FIXED;
	pool = mempool_create_attr(1, mempool_kmalloc, mempool_kfree,
				   (void *)256, &attr);
	if (!pool)
		err(1, "mempool_create_attr");

	deadline = deadline_in(10);
	only = mempool_alloc_until(pool, GFP_KERNEL, &deadline);
	if (!only)
		err(1, "mempool_alloc_until");

	/* Nobody gives the one element back in time. */
	other = mempool_alloc_until(pool, GFP_KERNEL, &deadline);
	if (other || errno != ETIMEDOUT)
		errx(1, "an element, or the wrong error");
	puts("nothing came back within 10 ms");

	/* The same, for a thread that must not sleep at all. */
	other = mempool_alloc(pool, GFP_NOWAIT);
	if (other || errno != EAGAIN)
		errx(1, "an element, or the wrong error");

	/* A deadline that is past still finds what is there. */
	mempool_free(only, pool);
	only = mempool_alloc_until(pool, GFP_KERNEL, &deadline);
	if (!only)
		err(1, "mempool_alloc_until");

	mempool_free(only, pool);
	mempool_destroy(pool);
	return 0;
}
