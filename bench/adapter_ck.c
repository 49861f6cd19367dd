/* SPDX-License-Identifier: MIT */
/*
 * adapter_ck.c - objects on a stack of Concurrency Kit, which needs no lock
 */
#include "config.h"

#include "adapter.h"

#include <ck_stack.h>

static void *ck_create(size_t size, size_t nr)
{
	/* Two words that are changed as one. */
	ck_stack_t *stack = aligned_alloc(64, 64);

	if (!stack)
		abort();
	ck_stack_init(stack);
	while (nr--) {
		ck_stack_entry_t *entry = malloc(size);

		if (!entry)
			abort();
		ck_stack_push_mpmc(stack, entry);
	}
	return stack;
}

static inline void *ck_alloc(void *stack)
{
	return ck_stack_pop_mpmc(stack);
}

static inline void ck_free(void *stack, void *object)
{
	ck_stack_push_mpmc(stack, object);
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
