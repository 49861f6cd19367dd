/* SPDX-License-Identifier: MIT */
/*
 * prio_inherit.c - MEMPOOL_PRIO_INHERIT against priority inversion
 *
 * Three threads on one CPU, by real-time priority: the lowest is in the middle
 * of a section under the pool's lock when the highest wants the lock and the
 * middle one computes.  Without inheritance the highest waits until the middle
 * one is done; with it, only until the lowest has left its section.
 *
 * The order of events is asserted, not their times.  Linked with the library's
 * own objects, because no section of the library is as long as this one.
 * Needs the right to use SCHED_FIFO.
 */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <kmempool/mempool.h>

#include "core.h"

#define SECTION_MS	20
#define COMPUTE_MS	200

static mempool_t *pool;
static atomic_bool in_section, middle_done;

/* Written by the highest; read after it is joined. */
static bool middle_was_done;
static double waited_ms;

static double now_ms(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return 1e3 * (double)ts.tv_sec + 1e-6 * (double)ts.tv_nsec;
}

static void compute(double ms)
{
	double end = now_ms(CLOCK_THREAD_CPUTIME_ID) + ms;

	while (now_ms(CLOCK_THREAD_CPUTIME_ID) < end)
		;
}

static void *lowest(void *unused)
{
	(void)unused;
	core_lock(pool->kmp_core);
	atomic_store(&in_section, true);
	compute(SECTION_MS);
	core_unlock(pool->kmp_core);
	return NULL;
}

static void *middle(void *unused)
{
	(void)unused;
	compute(COMPUTE_MS);
	atomic_store(&middle_done, true);
	return NULL;
}

static void *highest(void *unused)
{
	double start = now_ms(CLOCK_MONOTONIC);

	(void)unused;
	(void)mempool_is_saturated(pool);
	middle_was_done = atomic_load(&middle_done);
	waited_ms = now_ms(CLOCK_MONOTONIC) - start;
	return NULL;
}

/* 0 or an errno; the thread runs on the first CPU of ours. */
static int start(pthread_t *thread, void *(*fn)(void *), int priority)
{
	struct sched_param param = { .sched_priority = priority };
	pthread_attr_t attr;
	int err;

	pthread_attr_init(&attr);
	pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
	pthread_attr_setschedpolicy(&attr, SCHED_FIFO);
	pthread_attr_setschedparam(&attr, &param);
	err = pthread_create(thread, &attr, fn, NULL);
	pthread_attr_destroy(&attr);
	return err;
}

/* From a priority above all, so that they begin together. */
static int run(unsigned int flags)
{
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;
	pthread_t low, mid, high;
	int err;

	attr.flags = flags;
	pool = mempool_create_attr(1, mempool_kmalloc, mempool_kfree,
				   (void *)64, &attr);
	if (!pool)
		return errno;
	atomic_store(&in_section, false);
	atomic_store(&middle_done, false);
	err = start(&low, lowest, 10);
	if (err) {
		mempool_destroy(pool);
		return err;
	}
	while (!atomic_load(&in_section)) {
		struct timespec ms = { .tv_nsec = 1000000 };

		nanosleep(&ms, NULL);
	}
	err = start(&mid, middle, 20);
	if (!err)
		err = start(&high, highest, 30);
	if (err)
		abort();
	pthread_join(high, NULL);
	pthread_join(mid, NULL);
	pthread_join(low, NULL);
	mempool_destroy(pool);
	printf("%-16s the highest waited %.0f ms, the middle one was %s\n",
	       flags ? "with inheritance" : "plain", waited_ms,
	       middle_was_done ? "done" : "not done");
	return 0;
}

/* Everybody on one CPU, this thread above all. */
static int prepare(void)
{
	struct sched_param param = { .sched_priority = 40 };
	cpu_set_t ours, one;
	int cpu = 0;

	if (sched_getaffinity(0, sizeof(ours), &ours))
		return errno;
	while (!CPU_ISSET(cpu, &ours))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	if (sched_setaffinity(0, sizeof(one), &one))
		return errno;
	return pthread_setschedparam(pthread_self(), SCHED_FIFO, &param);
}

int main(void)
{
	bool inverted;
	int err = prepare();

	if (!err)
		err = run(0);
	if (err) {
		printf("skip: SCHED_FIFO is not to be had: %s\n",
		       strerror(err));
		return 77;
	}
	inverted = middle_was_done;
	if (run(MEMPOOL_PRIO_INHERIT))
		return 1;
	if (!inverted)
		printf("the control shows no inversion\n");
	return inverted && !middle_was_done ? 0 : 1;
}
