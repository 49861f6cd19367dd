/* SPDX-License-Identifier: MIT */
/*
 * pools.c - the list of pools, and kmempool's own
 */
#include "config.h"

#include "pools.h"

#include <kmempool/mempool.h>

#include <stdlib.h>
#include <string.h>

const struct peer *const peers[] = {
	&peer_kmempool,
	&peer_cond,
	&peer_sem,
	&peer_fifo,
	&peer_kernel,
#ifdef HAVE_GLIB
	&peer_glib,
#endif
#ifdef HAVE_APR
	&peer_apr,
#endif
	NULL
};

const struct peer *peer_find(const char *name)
{
	size_t i;

	for (i = 0; peers[i]; i++)
		if (!strcmp(peers[i]->name, name))
			return peers[i];
	return NULL;
}

void *bench_alloc(size_t size)
{
	/* A multiple of the alignment, as the standard wants. */
	void *p = aligned_alloc(128, (size + 127) / 128 * 128);

	if (!p)
		abort();
	return memset(p, 0, size);
}

struct element *element_new(void)
{
	return bench_alloc(sizeof(struct element));
}

struct stack *stack_new(int nr)
{
	struct stack *s = bench_alloc(sizeof(*s) +
				      (size_t)nr * sizeof(s->element[0]));

	while (s->nr < nr)
		stack_push(s, element_new());
	return s;
}

void stack_free(struct stack *s)
{
	while (s->nr)
		free(stack_pop(s));
	free(s);
}

/* ---- kmempool ---------------------------------------------------------- */

static void *new_element(gfp_t gfp_mask, void *pool_data)
{
	(void)gfp_mask;
	(void)pool_data;
	return element_new();
}

static void free_element(void *element, void *pool_data)
{
	(void)pool_data;
	free(element);
}

static void *kmempool_new(int nr)
{
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;
	mempool_t *pool;

	attr.flags = MEMPOOL_FIXED;
	pool = mempool_create_attr(nr, new_element, free_element, NULL, &attr);
	if (!pool)
		abort();
	return pool;
}

static struct element *kmempool_take(void *pool)
{
	return mempool_alloc(pool, GFP_KERNEL);
}

static void kmempool_give(void *pool, struct element *element)
{
	mempool_free(element, pool);
}

static void kmempool_end(void *pool)
{
	mempool_destroy(pool);
}

const struct peer peer_kmempool = {
	"kmempool", kmempool_new, kmempool_take, kmempool_give, kmempool_end,
	NULL
};
