/* SPDX-License-Identifier: MIT */
/*
 * registry.c - every pool there is
 *
 * Theory of operation
 * ===================
 *
 * 1. Purpose
 *
 * To find pools by name and to visit them all, while others are made and
 * destroyed, and in the end from a signal handler, when every thread is stuck
 * and no lock can be had.  So a walk takes no lock.
 *
 * 2. Objects
 *
 *   entry    one pool's place.  Entries are in one list that only grows; they
 *            are never given back to the system, only to the next pool.
 *   pin      one visitor's hold on an entry; also on the visitor's stack, in
 *            a chain of its thread, for fork.
 *
 * 3. The hold
 *
 *   visitor              destroyer
 *   pins + 1             pool = NULL
 *   pool != NULL? [P1]   pins == 0? [P2]
 *   ...                  if not, wait
 *   pins - 1
 *
 * All four are sequentially consistent: at least one of the two sees what the
 * other wrote, so never does the visitor see the pool and the destroyer no
 * pin.  A weaker order would let both loads pass both stores.
 *
 * The destroyer polls, since a visitor in a signal handler could not wake it;
 * who destroys a pool that is being looked at is in no hurry.
 *
 * 4. Locks
 *
 * The lock guards the free list and the growth of the list.  A leaf, but for a
 * fork, which takes every pool's lock inside it (fork.c).
 *
 * 5. What this file does not do
 *
 * A walk sees each pool that was there before it and is there after it; of
 * those made or destroyed meanwhile, some.  Destroying a pool from inside its
 * own visit waits for ever.
 */
#include "config.h"

#include "registry.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "deadline.h"

#define POLL_NS		(100 * NSEC_PER_USEC)

struct registry_entry {
	mempool_t		*pool;		/* atomic; NULL: none */
	unsigned long		pins;		/* atomic */
	struct registry_entry	*next;		/* fixed once listed */
	struct registry_entry	*next_free;	/* under lock */
	mempool_t		*held;		/* by a fork under way; under lock */
};

struct pin {
	struct registry_entry	*entry;
	struct pin		*outer;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct registry_entry *entries;		/* stores under lock [E1] */
static struct registry_entry *free_entries;	/* under lock */

/* What this thread is visiting. */
static __thread struct pin *pins
	__attribute__((tls_model("initial-exec")));

static struct registry_entry *reuse_entry(void)
{
	struct registry_entry *entry;

	pthread_mutex_lock(&lock);
	entry = free_entries;
	if (entry)
		free_entries = entry->next_free;
	pthread_mutex_unlock(&lock);
	return entry;
}

static struct registry_entry *make_entry(void)
{
	struct registry_entry *entry = calloc(1, sizeof(*entry));

	if (!entry)
		return NULL;
	pthread_mutex_lock(&lock);
	entry->next = entries;
	/* [E1] with the acquire in registry_walk(): who sees the entry sees
	 * its next. */
	__atomic_store_n(&entries, entry, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&lock);
	return entry;
}

int registry_add(mempool_t *pool, struct registry_entry **entry)
{
	*entry = reuse_entry();
	if (!*entry)
		*entry = make_entry();
	if (!*entry)
		return -ENOMEM;
	/* With [P1]: who sees the pool sees it complete. */
	__atomic_store_n(&(*entry)->pool, pool, __ATOMIC_SEQ_CST);
	return 0;
}

void registry_remove(struct registry_entry *entry)
{
	__atomic_store_n(&entry->pool, NULL, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&entry->pins, __ATOMIC_SEQ_CST))	/* [P2] */
		deadline_sleep_until(deadline_now_ns() + POLL_NS);
	pthread_mutex_lock(&lock);
	entry->next_free = free_entries;
	free_entries = entry;
	pthread_mutex_unlock(&lock);
}

static void unpin(void *arg)
{
	struct pin *pin = arg;

	pins = pin->outer;
	__atomic_fetch_sub(&pin->entry->pins, 1, __ATOMIC_SEQ_CST);
}

static int visit(struct registry_entry *entry,
		 int (*fn)(mempool_t *pool, void *arg), void *arg)
{
	struct pin pin = { .entry = entry, .outer = pins };
	mempool_t *pool;
	int ret = 0;

	pins = &pin;
	__atomic_fetch_add(&entry->pins, 1, __ATOMIC_SEQ_CST);
	pthread_cleanup_push(unpin, &pin);
	pool = __atomic_load_n(&entry->pool, __ATOMIC_SEQ_CST);	/* [P1] */
	if (pool)
		ret = fn(pool, arg);
	pthread_cleanup_pop(1);
	return ret;
}

static int walk(int (*fn)(mempool_t *pool, void *arg), void *arg)
{
	struct registry_entry *entry;
	int ret;

	for (entry = __atomic_load_n(&entries, __ATOMIC_ACQUIRE); entry;
	     entry = entry->next) {
		ret = visit(entry, fn, arg);
		if (ret)
			return ret;
	}
	return 0;
}

/* ---- fork -------------------------------------------------------------- */

void registry_prepare(void (*hold)(mempool_t *pool))
{
	struct registry_entry *entry;
	mempool_t *pool;

	pthread_mutex_lock(&lock);
	for (entry = entries; entry; entry = entry->next) {
		/* As a visitor, but with no stack to come back to. */
		__atomic_fetch_add(&entry->pins, 1, __ATOMIC_SEQ_CST);
		pool = __atomic_load_n(&entry->pool, __ATOMIC_SEQ_CST);
		entry->held = pool;
		if (pool)
			hold(pool);
		else
			__atomic_fetch_sub(&entry->pins, 1, __ATOMIC_SEQ_CST);
	}
}

void registry_parent(void (*release)(mempool_t *pool))
{
	struct registry_entry *entry;

	for (entry = entries; entry; entry = entry->next) {
		if (!entry->held)
			continue;
		release(entry->held);
		__atomic_fetch_sub(&entry->pins, 1, __ATOMIC_SEQ_CST);
	}
	pthread_mutex_unlock(&lock);
}

void registry_child(void (*restart)(mempool_t *pool))
{
	struct registry_entry *entry;
	struct pin *pin;

	for (entry = entries; entry; entry = entry->next) {
		if (entry->held)
			restart(entry->held);
		/* Other visitors are gone. */
		entry->pins = 0;
	}
	for (pin = pins; pin; pin = pin->outer)
		pin->entry->pins++;
	pthread_mutex_unlock(&lock);
}

/* ---- the public walks -------------------------------------------------- */

int mempool_for_each(int (*fn)(mempool_t *pool, void *arg), void *arg)
{
	return fn ? walk(fn, arg) : -EINVAL;
}

struct search {
	const char	*name;
	mempool_t	*found;
};

static int compare_name(mempool_t *pool, void *arg)
{
	struct search *search = arg;
	const char *name = pool->kmp_core->name;

	if (!name || strcmp(name, search->name))
		return 0;
	search->found = pool;
	return 1;
}

mempool_t *mempool_find(const char *name)
{
	struct search search = { .name = name };

	if (!name) {
		errno = EINVAL;
		return NULL;
	}
	walk(compare_name, &search);
	if (!search.found)
		errno = ENOENT;
	return search.found;
}
