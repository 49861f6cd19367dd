/* SPDX-License-Identifier: MIT */
/*
 * counters.c - counting what happens to a pool without sharing a line
 *
 * Theory of operation
 * ===================
 *
 * 1. Purpose
 *
 * Every successful allocation and every free is counted, and on the path
 * where the backend succeeds neither may take a lock or write a line that
 * another thread writes.  So the counts are spread over the threads and added
 * up by whoever asks.  Counting must not fail either: it happens where memory
 * is short.
 *
 * 2. Objects
 *
 *   block   two pages of cells, owned by one thread at a time, made at the
 *           thread's first slow call.
 *   slot    owned by one pool: a column through all blocks (its index), and
 *           one shared cell for those who cannot use the column.
 *   cell    block x index: a line of numbers, written by the block's owner.
 *
 * The shared cell is used by threads that could not get a block or are past
 * the end of their thread-specific data, and by pools that came when all
 * columns were taken.  It is written with atomic additions.
 *
 * 3. Lifetime
 *
 * Blocks and slots are never given back to the system, only to the next
 * thread or pool.  A dead thread's block keeps its numbers, so nothing is
 * folded or moved while others add up, and a free that has counted may find
 * that its pool, but never that its cell, is gone.
 *
 * A slot's column is set to zero when a pool gets it.  Its former pool is
 * destroyed, so nobody counts in it then.
 *
 * 4. Locks
 *
 * blocks_lock guards the two free lists, the making of slots and the growth
 * of the list of all blocks.  It is a leaf; no pool's lock is needed or
 * taken.  counters_sum() takes no lock: the list of all blocks only grows.
 *
 * 5. What this file does not do
 *
 * A sum is not a snapshot: counts made meanwhile may be in it or not.
 */
#include "config.h"

#include "counters.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "lock.h"

#define BLOCK_SIZE	8192
#define NR_COLUMNS	(BLOCK_SIZE / sizeof(struct counter_cell) - 2)

struct block {
	struct counter_cell	cells[NR_COLUMNS];
	struct bed		bed;		/* its owner's */
	struct block		*next;		/* of all; fixed once listed */
	struct block		*next_free;	/* under blocks_lock */
};

_Static_assert(sizeof(struct block) <= BLOCK_SIZE,
	       "cells leave room for the links");

static pthread_mutex_t blocks_lock = PTHREAD_MUTEX_INITIALIZER;
static struct block *all_blocks;	/* stores under blocks_lock [B1] */
static struct block *free_blocks;	/* under blocks_lock */
static struct counter_slot *free_slots;	/* under blocks_lock; those with a
					   column come first */
static size_t nr_columns;		/* columns handed out; under blocks_lock */

static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static bool key_made;			/* fixed after key_once */

__thread intptr_t counters_base = COUNTERS_NONE;

static intptr_t in_words(const void *p)
{
	return (intptr_t)((uintptr_t)p >> 3);
}

/* ---- blocks ------------------------------------------------------------ */

static void release_block(void *arg)
{
	struct block *block = arg;

	counters_base = COUNTERS_NEVER;
	pthread_mutex_lock(&blocks_lock);
	block->next_free = free_blocks;
	free_blocks = block;
	pthread_mutex_unlock(&blocks_lock);
}

static void make_key(void)
{
	key_made = !pthread_key_create(&key, release_block);
}

/* Asks the system, not malloc: malloc may be what the pool backs. */
static struct block *make_block(void)
{
	struct block *block;

	block = mmap(NULL, BLOCK_SIZE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (block == MAP_FAILED)
		return NULL;
	bed_init(&block->bed);
	return block;
}

static struct block *reuse_block(void)
{
	struct block *block;

	pthread_mutex_lock(&blocks_lock);
	block = free_blocks;
	if (block)
		free_blocks = block->next_free;
	pthread_mutex_unlock(&blocks_lock);
	return block;
}

static void list_block(struct block *block)
{
	pthread_mutex_lock(&blocks_lock);
	block->next = all_blocks;
	/* [B1] with the acquire in counters_sum(): who sees the block sees
	 * its next. */
	__atomic_store_n(&all_blocks, block, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&blocks_lock);
}

static struct block *get_block(void)
{
	struct block *block = reuse_block();

	if (block)
		return block;
	block = make_block();
	if (block)
		list_block(block);
	return block;
}

static void set_base(void)
{
	struct block *block;

	/* It does not ask again: it may be counting just because memory is
	 * short. */
	counters_base = COUNTERS_NEVER;
	pthread_once(&key_once, make_key);
	if (!key_made)
		return;
	block = get_block();
	if (!block)
		return;
	/* May ask malloc, in a program with many keys. */
	if (pthread_setspecific(key, block)) {
		release_block(block);
		return;
	}
	counters_base = in_words(block);
}

COLD bool counters_try_block(void)
{
	int saved_errno = errno;

	if (counters_base == COUNTERS_NONE)
		set_base();
	errno = saved_errno;
	return counters_base >= 0;
}

struct bed *counters_own_bed(void)
{
	struct block *block;

	if (counters_base < 0)
		return NULL;
	block = (struct block *)counters_cell(counters_base);
	return &block->bed;
}

/* ---- slots ------------------------------------------------------------- */

static intptr_t offset_of_column(size_t column)
{
	return (intptr_t)(column * sizeof(struct counter_cell)) >> 3;
}

/* The cell of a slot that has a column. */
static struct counter_cell *cell_in(struct block *block,
				    const struct counter_slot *slot)
{
	return counters_cell(in_words(block) + slot->offset);
}

/* A block that is listed meanwhile is all zero. */
static void clear_column(const struct counter_slot *slot)
{
	struct block *block;
	int i;

	pthread_mutex_lock(&blocks_lock);
	for (block = all_blocks; block; block = block->next)
		for (i = 0; i < NR_COUNTERS; i++)
			__atomic_store_n(&cell_in(block, slot)->value[i], 0,
					 __ATOMIC_RELAXED);
	pthread_mutex_unlock(&blocks_lock);
}

static struct counter_slot *reuse_slot(void)
{
	struct counter_slot *slot;

	pthread_mutex_lock(&blocks_lock);
	slot = free_slots;
	if (slot)
		free_slots = slot->next_free;
	pthread_mutex_unlock(&blocks_lock);
	return slot;
}

static struct counter_slot *make_slot(void)
{
	struct counter_slot *slot = malloc(sizeof(*slot));

	if (!slot)
		return NULL;
	pthread_mutex_lock(&blocks_lock);
	slot->offset = nr_columns < NR_COLUMNS ?
		       offset_of_column(nr_columns++) : COUNTERS_SHARED;
	pthread_mutex_unlock(&blocks_lock);
	return slot;
}

struct counter_slot *counters_get_slot(void)
{
	struct counter_slot *slot = reuse_slot();
	int i;

	if (!slot)
		slot = make_slot();
	if (!slot)
		return NULL;
	for (i = 0; i < NR_COUNTERS; i++)
		__atomic_store_n(&slot->shared.value[i], 0, __ATOMIC_RELAXED);
	if (slot->offset != COUNTERS_SHARED)
		clear_column(slot);
	return slot;
}

void counters_put_slot(struct counter_slot *slot)
{
	struct counter_slot **link = &free_slots;

	pthread_mutex_lock(&blocks_lock);
	if (slot->offset == COUNTERS_SHARED)
		while (*link)
			link = &(*link)->next_free;
	slot->next_free = *link;
	*link = slot;
	pthread_mutex_unlock(&blocks_lock);
}

/* ---- counting ---------------------------------------------------------- */

COLD void counters_add_slow(struct counter_slot *slot, enum counter which,
			    uint64_t n)
{
	if (slot->offset != COUNTERS_SHARED && counters_try_block())
		counters_add_to(counters_base + slot->offset, which, n);
	else
		__atomic_fetch_add(&slot->shared.value[which], n,
				   __ATOMIC_RELEASE);
}

uint64_t counters_sum(const struct counter_slot *slot, enum counter which)
{
	uint64_t sum = __atomic_load_n(&slot->shared.value[which],
				       __ATOMIC_ACQUIRE);
	struct block *block;

	if (slot->offset == COUNTERS_SHARED)
		return sum;
	for (block = __atomic_load_n(&all_blocks, __ATOMIC_ACQUIRE); block;
	     block = block->next)
		/* [C1] with counters_inc() and counters_add(). */
		sum += __atomic_load_n(&cell_in(block, slot)->value[which],
				       __ATOMIC_ACQUIRE);
	return sum;
}

/* ---- fork -------------------------------------------------------------- */

void counters_prepare(void)
{
	pthread_mutex_lock(&blocks_lock);
}

void counters_parent(void)
{
	pthread_mutex_unlock(&blocks_lock);
}

void counters_child(void)
{
	struct block *block;

	free_blocks = NULL;
	for (block = all_blocks; block; block = block->next) {
		/* Others may have been about to rouse who sleeps there. */
		bed_init(&block->bed);
		if (in_words(block) == counters_base)
			continue;
		block->next_free = free_blocks;
		free_blocks = block;
	}
	pthread_mutex_unlock(&blocks_lock);
}
