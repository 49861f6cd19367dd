/* SPDX-License-Identifier: MIT */
/*
 * lock.h - the lock of one pool, and sleeping with it
 *
 * lock.c says why it is what it is.
 */
#ifndef LIB_LOCK_H
#define LIB_LOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "compiler.h"

struct pool_lock {
	pthread_spinlock_t	word;
	pthread_mutex_t		*inheriting;	/* in place of it, where
						   priorities are inherited */
};

/* Where one thread sleeps, and no other. */
struct bed {
	pthread_mutex_t		lock;
	pthread_cond_t		cond;
};

/* @inheriting: NULL, or a mutex to be initialised and used.  0 or -errno. */
int pool_lock_init(struct pool_lock *lock, pthread_mutex_t *inheriting);
void pool_lock_destroy(struct pool_lock *lock);

/* In the child of a fork that was made with the lock held: releases it.  A
 * mutex that inherits knows its owner by a number that is another now, and is
 * made anew. */
void pool_lock_child(struct pool_lock *lock);

void pool_lock_take_slowly(struct pool_lock *lock);

static inline void pool_lock_take(struct pool_lock *lock)
{
	if (unlikely(lock->inheriting || pthread_spin_trylock(&lock->word)))
		pool_lock_take_slowly(lock);
}

/* False when another thread has it.  Not for one that inherits. */
static inline bool pool_lock_try(struct pool_lock *lock)
{
	return !pthread_spin_trylock(&lock->word);
}

static inline void pool_lock_release(struct pool_lock *lock)
{
	if (unlikely(lock->inheriting))
		pthread_mutex_unlock(lock->inheriting);
	else
		pthread_spin_unlock(&lock->word);
}

/*
 * Releases the lock, sleeps until bed_rouse(), or @until_ns, or for no reason,
 * and takes it again.  A cancellation point; clean-up handlers of the caller
 * run with the lock.
 */
void pool_lock_sleep(struct pool_lock *lock, struct bed *bed,
		     uint64_t until_ns);

void bed_init(struct bed *bed);
void bed_destroy(struct bed *bed);

/* Wakes the thread that sleeps there, or has released its pool's lock to do so.
 * With that lock or without: late, it ends some later sleep for no reason. */
void bed_rouse(struct bed *bed);

#endif /* LIB_LOCK_H */
