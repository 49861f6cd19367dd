/* SPDX-License-Identifier: MIT */
/*
 * lock.c - the lock of one pool, and sleeping with it
 *
 * Theory of operation
 * ===================
 *
 * 1. Purpose
 *
 * What is done with a pool's lock takes some tens of nanoseconds, so most of
 * what a call costs while the backend is dead is the lock itself.  A mutex is
 * taken and released by an atomic operation each; a spin lock is released by a
 * plain store, and a pair of calls takes 17 ns in place of 28.  A spin lock
 * alone, though, lets threads burn their time slices while the owner is
 * preempted, with more threads than CPUs for 150 ms on end.  So nobody spins
 * for long: who does not get it stands back, then sleeps for a while and tries
 * again, longer each time.
 *
 * 2. Who finds it taken
 *
 *   stands back   for about a microsecond each time, out of the way of whom it
 *                 was taken by, who so can do dozens of calls in its own cache;
 *                 to try at once again and again costs both a hundred
 *                 nanoseconds for each.
 *   sleeps        after some of those: the owner was probably preempted.
 *                 Nobody wakes it, since a release does not look who waits.
 *                 The owner gets on by that, whatever the priorities are.
 *
 * Measured: two threads that take and give without a pause do 18 to 24 million
 * pairs a second so, 6 with tries a tenth as far apart, 8 to 10 with the C
 * library's normal or adaptive mutex.  Ten times as far apart costs threads
 * that hold elements for a microsecond a third of their speed.
 *
 * 3. Priorities
 *
 * Where they are inherited the lock is a mutex that does so, and whoever waits
 * for it must be seen waiting.
 *
 * 4. Sleeping
 *
 * A condition variable needs a mutex.  With a mutex for a lock that is the one;
 * else it is the bed's, which the thread takes before it releases the lock and
 * keeps until it sleeps.  Whoever has found it in the queue can take that mutex
 * only then, and the signal that comes after is not lost.
 *
 * 5. Invariants
 *
 *   L1  no two threads have the lock, which is either the word or the mutex,
 *       always the same;
 *   L2  a thread that has released the lock to sleep has its bed's mutex until
 *       it sleeps;
 *   L3  whoever comes out of a sleep, cancelled too, has the lock and not the
 *       bed's mutex.
 *
 * 6. Lifetime
 *
 * The lock is the pool's; it ends when nobody is in a call.  A bed may be roused
 * without the lock only if its memory stays, and with it else: wait.c, section
 * 5.  The child of a fork makes all beds anew (counters.c).
 *
 * 7. Lock order
 *
 * Pool's lock, then bed.  Nothing is taken with a bed's.
 *
 * 8. What this file does not do
 *
 * It is not fair: waiting for elements is in order, for the lock it is not.
 */
#include "config.h"

#include "lock.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include "deadline.h"

#define STAND_BACK_PAUSES	50
#define STAND_BACK_TIMES	16
#define NAP_MIN_NS		(20 * NSEC_PER_USEC)
#define NAP_MAX_NS		NSEC_PER_MSEC

static int init_inheriting(pthread_mutex_t *mutex)
{
	pthread_mutexattr_t attr;
	int err;

	err = pthread_mutexattr_init(&attr);
	if (err)
		return -err;
	err = pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT);
	if (!err)
		err = pthread_mutex_init(mutex, &attr);
	pthread_mutexattr_destroy(&attr);
	return -err;
}

int pool_lock_init(struct pool_lock *lock, pthread_mutex_t *inheriting)
{
	lock->inheriting = inheriting;
	if (inheriting)
		return init_inheriting(inheriting);
	return -pthread_spin_init(&lock->word, PTHREAD_PROCESS_PRIVATE);
}

void pool_lock_destroy(struct pool_lock *lock)
{
	if (lock->inheriting)
		pthread_mutex_destroy(lock->inheriting);
	else
		pthread_spin_destroy(&lock->word);
}

void pool_lock_child(struct pool_lock *lock)
{
	static const pthread_mutex_t plain = PTHREAD_MUTEX_INITIALIZER;

	if (!lock->inheriting)
		pthread_spin_unlock(&lock->word);
	else if (init_inheriting(lock->inheriting))
		/* Nobody could be told: rather no inheritance than no lock. */
		memcpy(lock->inheriting, &plain, sizeof(plain));
}

static bool stand_back(struct pool_lock *lock)
{
	int times, i;

	for (times = 0; times < STAND_BACK_TIMES; times++) {
		for (i = 0; i < STAND_BACK_PAUSES; i++)
			cpu_relax();
		if (!pthread_spin_trylock(&lock->word))
			return true;
	}
	return false;
}

static void nap_until_free(struct pool_lock *lock)
{
	uint64_t ns = NAP_MIN_NS;
	struct timespec ts;
	int cancel_state;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
	do {
		ts = deadline_to_timespec(ns);
		clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL);
		if (ns <= NAP_MAX_NS / 2)
			ns *= 2;
	} while (pthread_spin_trylock(&lock->word));
	pthread_setcancelstate(cancel_state, NULL);
}

COLD void pool_lock_take_slowly(struct pool_lock *lock)
{
	if (lock->inheriting)
		pthread_mutex_lock(lock->inheriting);
	else if (!stand_back(lock))
		nap_until_free(lock);
}

/* ---- beds -------------------------------------------------------------- */

void bed_init(struct bed *bed)
{
	pthread_condattr_t attr;

	bed->lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
	/* None of these can fail on Linux. */
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&bed->cond, &attr);
	pthread_condattr_destroy(&attr);
}

/* A mutex that was initialised statically has nothing to destroy. */
void bed_destroy(struct bed *bed)
{
	pthread_cond_destroy(&bed->cond);
}

void bed_rouse(struct bed *bed)
{
	/* Until it sleeps, if it is about to. */
	pthread_mutex_lock(&bed->lock);
	pthread_mutex_unlock(&bed->lock);
	pthread_cond_signal(&bed->cond);
}

static void sleep_in(struct bed *bed, pthread_mutex_t *mutex, uint64_t until_ns)
{
	struct timespec ts;

	if (until_ns == DEADLINE_NEVER) {
		pthread_cond_wait(&bed->cond, mutex);
		return;
	}
	ts = deadline_to_timespec(until_ns);
	pthread_cond_timedwait(&bed->cond, mutex, &ts);
}

struct sleep {
	struct pool_lock	*lock;
	struct bed		*bed;
};

static void take_again(void *arg)
{
	struct sleep *sleep = arg;

	pthread_mutex_unlock(&sleep->bed->lock);
	pool_lock_take(sleep->lock);
}

void pool_lock_sleep(struct pool_lock *lock, struct bed *bed,
		     uint64_t until_ns)
{
	struct sleep sleep = { lock, bed };

	if (lock->inheriting) {
		sleep_in(bed, lock->inheriting, until_ns);
		return;
	}
	pthread_mutex_lock(&bed->lock);
	pool_lock_release(lock);
	pthread_cleanup_push(take_again, &sleep);
	sleep_in(bed, &bed->lock, until_ns);
	pthread_cleanup_pop(1);
}
