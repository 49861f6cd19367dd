/* SPDX-License-Identifier: MIT */
/*
 * attr.c - a pool in the caller's storage that lives on its reserve alone
 *
 * Shown in mempool_create(3).
 */

#include <err.h>
#include <errno.h>
#include <string.h>

#include <kmempool/mempool.h>

struct packet {
	unsigned char data[1500];
};

static struct {
	mempool_t packets;
	/* ... */
} driver;

int main(void)
{
	static const struct packet zeroed;
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;
	struct packet *a, *b, *c;
	int ret;

	attr.name = "packets";
	attr.flags = MEMPOOL_FIXED;	/* never more than these two */
	ret = mempool_init_attr(&driver.packets, 2, mempool_kmalloc,
				mempool_kfree,
				(void *)sizeof(struct packet), &attr);
	if (ret)
		errx(1, "mempool_init_attr: %s", strerror(-ret));

	a = mempool_alloc(&driver.packets, GFP_NOWAIT);
	b = mempool_alloc(&driver.packets, GFP_NOWAIT);
	if (!a || !b)
		err(1, "mempool_alloc");
	memset(a, 0xff, sizeof(*a));

	/* The system has memory, but this pool does not ask it any more. */
	c = mempool_alloc(&driver.packets, GFP_NOWAIT);
	if (c || errno != EAGAIN)
		errx(1, "a third packet, or the wrong error");

	/* The stock backend told the pool how long an element is. */
	mempool_free(a, &driver.packets);
	a = mempool_alloc(&driver.packets, GFP_NOWAIT | __GFP_ZERO);
	if (!a || memcmp(a, &zeroed, sizeof(zeroed)))
		errx(1, "no zeroed packet");

	mempool_free(a, &driver.packets);
	mempool_free(b, &driver.packets);
	mempool_exit(&driver.packets);
	return mempool_initialized(&driver.packets);
}
