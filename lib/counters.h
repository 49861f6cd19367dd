/* SPDX-License-Identifier: MIT */
/*
 * counters.h - counting what happens to a pool without sharing a line
 *
 * counters.c has the theory.  In short: a pool owns a slot, a thread owns a
 * block, and the cell where the two meet is written by that thread alone.
 *
 * The address of a cell is the sum of two numbers in units of 8 bytes, one
 * from the pool (its gate) and one from the thread (its base).  Either may be
 * one of the numbers below instead, so negative that the sum is negative too.
 * One addition therefore answers three questions: has this thread a block,
 * has this pool a cell in it, and does the pool want the slow path now.  The
 * unit keeps the sum positive where addresses have their top bit set.
 */
#ifndef LIB_COUNTERS_H
#define LIB_COUNTERS_H

#include <stdbool.h>
#include <stdint.h>

#include "compiler.h"

struct bed;

/* What is counted without the pool's lock. */
enum counter {
	ALLOC_BACKEND,			/* elements from alloc_fn to a caller */
	ALLOC_RESERVE,			/* ... from the reserve, without a wait */
	BACKEND_FAILURES,		/* times alloc_fn returned NULL */
	FREE_BACKEND,			/* elements passed to free_fn */
	FREE_RESERVE,			/* ... put into the reserve */
	FREE_WAITER,			/* ... given to a waiting request */
	NR_COUNTERS = 8			/* a line for each cell */
};

struct counter_cell {
	uint64_t	value[NR_COUNTERS];
};

#define COUNTERS_NONE	(INTPTR_MIN / 2)	/* thread without a block, */
#define COUNTERS_NEVER	(INTPTR_MIN / 2 + 1)	/* that does not ask again */
#define COUNTERS_CLOSED	(INTPTR_MIN / 2)	/* pool that wants the slow path */
#define COUNTERS_SHARED	(INTPTR_MIN / 2 + 1)	/* pool without cells, if open */

struct counter_slot {
	struct counter_cell	shared;		/* atomic additions */
	intptr_t		offset;		/* the pool's half of a cell's
						   address, or COUNTERS_SHARED */
	struct counter_slot	*next_free;	/* under blocks_lock */
};

/* NULL when there is no memory; never called on a path that must not fail. */
struct counter_slot *counters_get_slot(void);
void counters_put_slot(struct counter_slot *slot);

/* Gives this thread a block if it has none: memory, and locks of the C library.
 * False when it cannot have one. */
bool counters_try_block(void);

/* Adds from any thread where there is no cell: makes the thread's block if
 * there is none yet, else adds to the pool's shared cell. */
void counters_add_slow(struct counter_slot *slot, enum counter which,
		       uint64_t n);

/*
 * The sum over all threads.  Sees every count that happened before the call,
 * and everything that happened before a count that it sees [C1].
 */
uint64_t counters_sum(const struct counter_slot *slot, enum counter which);

/* Where this thread, and no other, may sleep; or NULL when it has no block.
 * Its memory is never given back, so it may be roused when the thread has long
 * gone on. */
struct bed *counters_own_bed(void);

/* For fork.c: takes the lock; lets go; in the child, lets go and frees the
 * blocks of the threads that are not there. */
void counters_prepare(void);
void counters_parent(void);
void counters_child(void);

/* The thread's half of a cell's address. */
extern __thread intptr_t counters_base
	__attribute__((tls_model("initial-exec"), visibility("hidden")));

static inline struct counter_cell *counters_cell(intptr_t sum)
{
	return (struct counter_cell *)((uintptr_t)sum << 3);
}

/*
 * Adds one to a number that this thread alone writes, and that others read.
 *
 * Partner  the loads in counters_sum() [C1].
 * Needs    release: a free is counted when all it did to the pool is done,
 *          so whoever sees the count may destroy the pool; and the allocation
 *          that the freed element came from was counted before, so that
 *          drain, which sums frees first, never sees a free without it.
 * Holds    one add to memory is a release store on x86, and not atomic against
 *          other writers, of which there are none.
 */
#if defined(__x86_64__) && !HAVE_TSAN
static inline void counters_inc(uint64_t *value)
{
	__asm__ volatile("addq $1, %0" : "+m"(*value) : : "memory", "cc");
}
#else
static inline void counters_inc(uint64_t *value)
{
	__atomic_store_n(value, __atomic_load_n(value, __ATOMIC_RELAXED) + 1,
			 __ATOMIC_RELEASE);
}
#endif

/* To be called before a pool's lock is taken by who may count or wait with it
 * held: that is no place to ask for memory. */
static inline void counters_prepare_thread(void)
{
	if (unlikely(counters_base < 0))
		counters_try_block();
}

/* The same for any number; @sum is the address of a cell. */
static inline void counters_add_to(intptr_t sum, enum counter which, uint64_t n)
{
	uint64_t *value = &counters_cell(sum)->value[which];

	__atomic_store_n(value, __atomic_load_n(value, __ATOMIC_RELAXED) + n,
			 __ATOMIC_RELEASE);
}

/* The same from any thread, in any pool. */
static inline void counters_add(struct counter_slot *slot, enum counter which,
				uint64_t n)
{
	intptr_t sum = counters_base + slot->offset;

	if (unlikely(sum < 0))
		counters_add_slow(slot, which, n);
	else
		counters_add_to(sum, which, n);
}

#endif /* LIB_COUNTERS_H */
