/* SPDX-License-Identifier: MIT */
/*
 * registry.c - every pool and every cache there is
 *
 * Theory of operation
 * ===================
 *
 * 1. Purpose
 *
 * To find pools by name and to visit them all, while others are made and
 * destroyed, and in the end from a signal handler, when every thread is stuck
 * and no lock can be had.  So a walk takes no lock.  The same for caches.
 *
 * 2. Objects
 *
 *   registry all objects of one kind, pools or caches: a list of entries.
 *   entry    one object's place.  The list only grows; entries are never given
 *            back to the system, only to the next object.
 *   pin      one visitor's hold on an entry; also on the visitor's stack, in
 *            a chain of its thread, for fork.
 *
 * 3. The hold
 *
 *   visitor              destroyer
 *   pins + 1             object = NULL
 *   object != NULL? [P1] pins == 0? [P2]
 *   ...                  if not, wait
 *   pins - 1
 *
 * All four are sequentially consistent: at least one of the two sees what the
 * other wrote, so never does the visitor see the object and the destroyer no
 * pin.  A weaker order would let both loads pass both stores.
 *
 * The destroyer polls, since a visitor in a signal handler could not wake it;
 * who destroys an object that is being looked at is in no hurry.
 *
 * 4. Locks
 *
 * A registry's lock guards its free list and the growth of its list, and is
 * held while an object is put up, so that a fork finds either none or one that
 * is complete and knows its entry.  A leaf, but for a fork, which takes every
 * object's lock inside it (fork.c).
 *
 * 5. What this file does not do
 *
 * A walk sees each object that was there before it and is there after it; of
 * those made or destroyed meanwhile, some.  Destroying one from inside its own
 * visit waits for ever.
 */
#include "config.h"

#include "registry.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "deadline.h"

#define POLL_NS		(100 * NSEC_PER_USEC)

struct registry_entry {
	void			*object;	/* atomic; NULL: none */
	unsigned long		pins;		/* atomic */
	struct registry_entry	*next;		/* fixed once listed */
	struct registry_entry	*next_free;	/* under lock */
	void			*held;		/* by a fork under way; under lock */
};

struct pin {
	struct registry_entry	*entry;
	struct pin		*outer;
};

/* What this thread is visiting. */
static __thread struct pin *pins
	__attribute__((tls_model("initial-exec")));

/* A fork, which takes the lock, finds every object that anybody may use, and
 * the object its entry: a child may end it. */
static bool reuse_entry(struct registry *registry, void *object,
			struct registry_entry **place)
{
	struct registry_entry *entry;

	pthread_mutex_lock(&registry->lock);
	entry = registry->free_entries;
	if (entry) {
		registry->free_entries = entry->next_free;
		*place = entry;
		/* With [P1]: who sees the object sees it complete. */
		__atomic_store_n(&entry->object, object, __ATOMIC_SEQ_CST);
	}
	pthread_mutex_unlock(&registry->lock);
	return entry;
}

static bool make_entry(struct registry *registry, void *object,
		       struct registry_entry **place)
{
	struct registry_entry *entry = calloc(1, sizeof(*entry));

	if (!entry)
		return false;
	entry->object = object;
	*place = entry;
	pthread_mutex_lock(&registry->lock);
	entry->next = registry->entries;
	/* [E1] with the acquire in registry_walk(): who sees the entry sees
	 * its next and its object. */
	__atomic_store_n(&registry->entries, entry, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&registry->lock);
	return true;
}

int registry_add(struct registry *registry, void *object,
		 struct registry_entry **entry)
{
	return reuse_entry(registry, object, entry) ||
	       make_entry(registry, object, entry) ? 0 : -ENOMEM;
}

void registry_remove(struct registry *registry, struct registry_entry *entry)
{
	__atomic_store_n(&entry->object, NULL, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&entry->pins, __ATOMIC_SEQ_CST))	/* [P2] */
		deadline_sleep_until(deadline_now_ns() + POLL_NS);
	pthread_mutex_lock(&registry->lock);
	entry->next_free = registry->free_entries;
	registry->free_entries = entry;
	pthread_mutex_unlock(&registry->lock);
}

static void unpin(void *arg)
{
	struct pin *pin = arg;

	pins = pin->outer;
	__atomic_fetch_sub(&pin->entry->pins, 1, __ATOMIC_SEQ_CST);
}

static int visit(struct registry_entry *entry, registry_fn *fn, void *arg)
{
	struct pin pin = { .entry = entry, .outer = pins };
	void *object;
	int ret = 0;

	pins = &pin;
	__atomic_fetch_add(&entry->pins, 1, __ATOMIC_SEQ_CST);
	pthread_cleanup_push(unpin, &pin);
	object = __atomic_load_n(&entry->object, __ATOMIC_SEQ_CST);	/* [P1] */
	if (object)
		ret = fn(object, arg);
	pthread_cleanup_pop(1);
	return ret;
}

int registry_walk(struct registry *registry, registry_fn *fn, void *arg)
{
	struct registry_entry *entry;
	int ret;

	for (entry = __atomic_load_n(&registry->entries, __ATOMIC_ACQUIRE);
	     entry; entry = entry->next) {
		ret = visit(entry, fn, arg);
		if (ret)
			return ret;
	}
	return 0;
}

/* ---- fork -------------------------------------------------------------- */

void registry_prepare(struct registry *registry, void (*hold)(void *object))
{
	struct registry_entry *entry;
	void *object;

	pthread_mutex_lock(&registry->lock);
	for (entry = registry->entries; entry; entry = entry->next) {
		/* As a visitor, but with no stack to come back to. */
		__atomic_fetch_add(&entry->pins, 1, __ATOMIC_SEQ_CST);
		object = __atomic_load_n(&entry->object, __ATOMIC_SEQ_CST);
		entry->held = object;
		if (object)
			hold(object);
		else
			__atomic_fetch_sub(&entry->pins, 1, __ATOMIC_SEQ_CST);
	}
}

void registry_parent(struct registry *registry, void (*release)(void *object))
{
	struct registry_entry *entry;

	for (entry = registry->entries; entry; entry = entry->next) {
		if (!entry->held)
			continue;
		release(entry->held);
		__atomic_fetch_sub(&entry->pins, 1, __ATOMIC_SEQ_CST);
	}
	pthread_mutex_unlock(&registry->lock);
}

void registry_child(struct registry *registry, void (*restart)(void *object))
{
	struct registry_entry *entry;

	for (entry = registry->entries; entry; entry = entry->next) {
		if (entry->held)
			restart(entry->held);
		/* Other visitors are gone. */
		entry->pins = 0;
	}
	pthread_mutex_unlock(&registry->lock);
}

void registry_child_pins(void)
{
	struct pin *pin;

	for (pin = pins; pin; pin = pin->outer)
		pin->entry->pins++;
}
