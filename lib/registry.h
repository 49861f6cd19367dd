/* SPDX-License-Identifier: MIT */
/*
 * registry.h - every pool and every cache there is
 */
#ifndef LIB_REGISTRY_H
#define LIB_REGISTRY_H

#include <pthread.h>

struct registry_entry;

/* All objects of one kind. */
struct registry {
	pthread_mutex_t		lock;
	struct registry_entry	*entries;	/* stores under lock [E1] */
	struct registry_entry	*free_entries;	/* under lock */
};

#define REGISTRY_INIT	{ .lock = PTHREAD_MUTEX_INITIALIZER }

typedef int (registry_fn)(void *object, void *arg);

extern struct registry registry_pools;		/* mempool_t */
extern struct registry registry_caches;		/* struct kmem_cache */

/* 0, the object is listed and *entry set, or -ENOMEM. */
int registry_add(struct registry *registry, void *object,
		 struct registry_entry **entry);
/* The object is listed no more; returns when nobody has it pinned.
 * Cancellation disabled. */
void registry_remove(struct registry *registry, struct registry_entry *entry);

/* Calls @fn with each object, pinned, until it returns other than 0: what it
 * returned last, or 0. */
int registry_walk(struct registry *registry, registry_fn *fn, void *arg);

/*
 * For fork.c.  Prepare takes the lock and calls @hold for each object.  None of
 * these can be destroyed until parent or child, which calls its function for
 * the same objects and lets go.  In the child, when that is done for all
 * registries, the third sees to what the thread itself was visiting.
 */
void registry_prepare(struct registry *registry, void (*hold)(void *object));
void registry_parent(struct registry *registry, void (*release)(void *object));
void registry_child(struct registry *registry, void (*restart)(void *object));
void registry_child_pins(void);

#endif /* LIB_REGISTRY_H */
