/* SPDX-License-Identifier: MIT */
/*
 * wrap.c - what stands in for the C library: locks, waits, time
 *
 * The linker binds the library's calls of X to __wrap_X (--wrap=X).  Each
 * function here is strict where the real one is not: a lock must be alive, and
 * released by who took it; a condition variable has one waiter at most, who
 * told it the monotonic clock; nobody signals one that is gone, nor destroys
 * one that is waited on.
 *
 * bugs.sh reads the names to wrap out of all files here; tests/local.mk lists
 * them.
 */
#include "config.h"

#include "fiber.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>

#define ALIVE	0x600du
#define DEAD	0xdeadu
#define OUTSIDE	(NR_FIBERS + 1)		/* owner when no fiber runs */

_Static_assert(sizeof(struct lock) <= sizeof(pthread_mutex_t), "fits");
_Static_assert(sizeof(struct lock) <= sizeof(pthread_spinlock_t), "fits");
_Static_assert(sizeof(struct cond) <= sizeof(pthread_cond_t), "fits");

int nr_conds;
static unsigned int last_id;

int __wrap_pthread_mutex_init(pthread_mutex_t *, const pthread_mutexattr_t *);
int __wrap_pthread_mutex_destroy(pthread_mutex_t *);
int __wrap_pthread_mutex_lock(pthread_mutex_t *);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *);
int __wrap_pthread_spin_init(pthread_spinlock_t *, int);
int __wrap_pthread_spin_destroy(pthread_spinlock_t *);
int __wrap_pthread_spin_trylock(pthread_spinlock_t *);
int __wrap_pthread_spin_unlock(pthread_spinlock_t *);
int __wrap_pthread_cond_init(pthread_cond_t *, const pthread_condattr_t *);
int __wrap_pthread_cond_destroy(pthread_cond_t *);
int __wrap_pthread_cond_wait(pthread_cond_t *, pthread_mutex_t *);
int __wrap_pthread_cond_timedwait(pthread_cond_t *, pthread_mutex_t *,
				  const struct timespec *);
int __wrap_pthread_cond_signal(pthread_cond_t *);
int __wrap_pthread_cond_broadcast(pthread_cond_t *);
int __wrap_pthread_setcancelstate(int, int *);
pthread_t __wrap_pthread_self(void);
int __wrap_clock_gettime(clockid_t, struct timespec *);
uint64_t __wrap_deadline_about_now_ns(void);
int __wrap_clock_nanosleep(clockid_t, int, const struct timespec *,
			   struct timespec *);
_Noreturn void __wrap_abort(void);
_Noreturn void __wrap___assert_fail(const char *, const char *, unsigned int,
				    const char *);

/* pthread_atfork() is in forks.c. */

/* ---- locks ------------------------------------------------------------- */

static int own_number(void)
{
	return self ? explore_self() + 1 : OUTSIDE;
}

/* For the trace. */
static unsigned int id_of(struct lock *lock)
{
	if (tracing && !lock->id)
		lock->id = (uint8_t)++last_id;
	return lock->id;
}

/* A pthread_mutex_t or a pthread_spinlock_t. */
static struct lock *alive_lock(volatile void *real)
{
	struct lock *lock = (struct lock *)real;

	if (lock->magic && lock->magic != ALIVE)
		explore_fail("used a lock that is gone");
	return lock;
}

static void destroy(struct lock *lock)
{
	if (lock->owner)
		explore_fail("destroyed a lock that is held");
	lock->magic = DEAD;
}

static void take(struct lock *lock)
{
	if (lock->owner == own_number())
		explore_fail("took a lock that it holds");
	if (!self) {
		if (lock->owner)
			explore_fail("lock never released");
		lock->owner = OUTSIDE;
		return;
	}
	sched_doing("takes lock %u", id_of(lock));
	self->lock = lock;
	self->state = WANTS_LOCK;
	sched_switch();
	alive_lock(lock);
}

static void release(struct lock *lock)
{
	if (lock->owner != own_number())
		explore_fail("released a lock that it does not hold");
	if (lock->prio_inherit && in_child)
		explore_fail("released a lock that is its parent's");
	lock->owner = 0;
}

static void release_and_go_on(struct lock *lock)
{
	explore_atomic();
	release(lock);
	sched_point("goes on after releasing lock %u", id_of(lock));
}

int __wrap_pthread_mutex_init(pthread_mutex_t *mutex,
			      const pthread_mutexattr_t *attr)
{
	int protocol = PTHREAD_PRIO_NONE;

	if (attr)
		pthread_mutexattr_getprotocol(attr, &protocol);
	/* In a child it is as good as any other. */
	*(struct lock *)mutex = (struct lock){
		.magic = ALIVE,
		.prio_inherit = protocol != PTHREAD_PRIO_NONE && !in_child,
	};
	return 0;
}

int __wrap_pthread_mutex_destroy(pthread_mutex_t *mutex)
{
	destroy(alive_lock(mutex));
	return 0;
}

int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex)
{
	take(alive_lock(mutex));
	return 0;
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex)
{
	release_and_go_on(alive_lock(mutex));
	return 0;
}

int __wrap_pthread_spin_init(pthread_spinlock_t *spin, int shared)
{
	(void)shared;
	*(struct lock *)spin = (struct lock){ .magic = ALIVE };
	return 0;
}

int __wrap_pthread_spin_destroy(pthread_spinlock_t *spin)
{
	destroy(alive_lock(spin));
	return 0;
}

/* Who finds it taken tries again, now and then, and touches nothing meanwhile:
 * it is enough that it waits here. */
int __wrap_pthread_spin_trylock(pthread_spinlock_t *spin)
{
	take(alive_lock(spin));
	return 0;
}

int __wrap_pthread_spin_unlock(pthread_spinlock_t *spin)
{
	release_and_go_on(alive_lock(spin));
	return 0;
}

/* ---- condition variables ----------------------------------------------- */

static unsigned int id_of_cond(struct cond *cond)
{
	if (tracing && !cond->id)
		cond->id = ++last_id;
	return cond->id;
}

static struct cond *alive_cond(pthread_cond_t *real)
{
	struct cond *cond = (struct cond *)real;

	if (cond->magic != ALIVE)
		explore_fail("used a condition variable that is gone");
	return cond;
}

int __wrap_pthread_cond_init(pthread_cond_t *real,
			     const pthread_condattr_t *attr)
{
	clockid_t clock = CLOCK_REALTIME;

	if (attr)
		pthread_condattr_getclock(attr, &clock);
	*(struct cond *)real = (struct cond){
		.magic = ALIVE, .clock = clock,
	};
	nr_conds++;
	return 0;
}

int __wrap_pthread_cond_destroy(pthread_cond_t *real)
{
	struct cond *cond = alive_cond(real);

	if (cond->nr_waiting)
		explore_fail("destroyed a condition variable with a waiter");
	cond->magic = DEAD;
	nr_conds--;
	return 0;
}

static uint64_t to_ns(const struct timespec *ts)
{
	return (uint64_t)ts->tv_sec * 1000000000ull + (uint64_t)ts->tv_nsec;
}

static int wait_on(pthread_cond_t *real, pthread_mutex_t *mutex,
		   uint64_t wake_ns)
{
	struct cond *cond = alive_cond(real);
	enum step step;

	if (!self)
		explore_fail("waits, with nobody left to end it");
	if (cond->nr_waiting)
		explore_fail("two threads wait on one condition variable");
	self->lock = alive_lock(mutex);
	release(self->lock);
	sched_doing("waits on condition %u, then takes lock %u",
		    id_of_cond(cond), id_of(self->lock));
	cond->nr_waiting++;
	self->cond = cond;
	self->woken = false;
	self->wake_ns = wake_ns;
	self->state = WAITS;
	step = sched_switch();
	self->wake_ns = UINT64_MAX;
	alive_cond(real);
	alive_lock(mutex);
	if (step == CANCEL)
		sched_cancel();
	return step == TIMER || step == LATE ? ETIMEDOUT : 0;
}

int __wrap_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex)
{
	return wait_on(cond, mutex, UINT64_MAX);
}

int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex,
				  const struct timespec *ts)
{
	if (alive_cond(cond)->clock != CLOCK_MONOTONIC)
		explore_fail("waits by the wrong clock");
	return wait_on(cond, mutex, to_ns(ts));
}

/* No point: with a lock held it would be in vain, as who waits needs that lock;
 * without, there was one when it was released. */
int __wrap_pthread_cond_signal(pthread_cond_t *real)
{
	struct cond *cond = alive_cond(real);
	unsigned int i;

	if (tracing && self)
		printf("      %-10s signals condition %u\n", self->name,
		       id_of_cond(cond));
	for (i = 0; i < nr_fibers; i++)
		if (fibers[i].state == WAITS && fibers[i].cond == cond)
			fibers[i].woken = true;
	return 0;
}

/* The same, as no two wait on one. */
int __wrap_pthread_cond_broadcast(pthread_cond_t *cond)
{
	return __wrap_pthread_cond_signal(cond);
}

/* ---- the rest ---------------------------------------------------------- */

int __wrap_pthread_setcancelstate(int state, int *old)
{
	if (old)
		*old = self ? self->cancel_state : PTHREAD_CANCEL_ENABLE;
	if (self)
		self->cancel_state = state;
	return 0;
}

pthread_t __wrap_pthread_self(void)
{
	return (pthread_t)own_number();
}

/* Without CPU ticks, which nobody can replay. */
uint64_t __wrap_deadline_about_now_ns(void)
{
	return explore_now_ns();
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *ts)
{
	uint64_t ns = explore_now_ns();

	(void)clock;
	ts->tv_sec = (time_t)(ns / 1000000000);
	ts->tv_nsec = (long)(ns % 1000000000);
	return 0;
}

int __wrap_clock_nanosleep(clockid_t clock, int flags,
			   const struct timespec *ts, struct timespec *rest)
{
	(void)rest;
	if (clock != CLOCK_MONOTONIC || !(flags & TIMER_ABSTIME))
		explore_fail("sleeps by the wrong clock");
	if (!self)
		explore_fail("sleeps, with nobody left to wait for");
	sched_doing("sleeps");
	self->woken = false;
	self->wake_ns = to_ns(ts);
	self->state = SLEEPS;
	if (sched_switch() == CANCEL)
		sched_cancel();
	return 0;
}

/* A broken invariant, or a misuse that the library found; it has said which. */
void __wrap_abort(void)
{
	explore_fail("abort() was called, see above");
}

void __wrap___assert_fail(const char *claim, const char *file,
			  unsigned int line, const char *function)
{
	(void)file;
	(void)line;
	explore_fail("%s: assertion failed: %s", function, claim);
}
