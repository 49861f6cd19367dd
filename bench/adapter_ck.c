/* SPDX-License-Identifier: MIT */
/*
 * adapter_ck.c - objects on a stack of Concurrency Kit, which needs no lock
 */
#include "config.h"

#include "adapter.h"

#include <ck_stack.h>

struct pile {
	ck_stack_t	stack;		/* two words that are changed as one */
	char		*objects;
};

static void *ck_create(size_t size, size_t nr)
{
	struct pile *pile = aligned_alloc(64, 64);
	size_t i;

	if (!pile)
		abort();
	ck_stack_init(&pile->stack);
	pile->objects = calloc(nr, size);
	if (!pile->objects)
		abort();
	for (i = 0; i < nr; i++)
		ck_stack_push_mpmc(&pile->stack,
				   (void *)(pile->objects + i * size));
	return pile;
}

static inline void *ck_alloc(void *arg)
{
	struct pile *pile = arg;

	return ck_stack_pop_mpmc(&pile->stack);
}

static inline void ck_free(void *arg, void *object)
{
	struct pile *pile = arg;

	ck_stack_push_mpmc(&pile->stack, object);
}

ADAPTER_LOOPS(ck)

const struct adapter adapter_ck = {
	.name = "ck_stack",
	.parts = PART_PAIR | PART_BATCH | PART_THREADS | PART_RESERVE,
	.create = ck_create,
	.pairs = ck_pairs,
	.fill = ck_fill,
	.drain = ck_drain,
};
