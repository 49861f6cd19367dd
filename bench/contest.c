/* SPDX-License-Identifier: MIT */
/*
 * contest.c - threads that compete for the elements of one pool, for a while
 *
 * Each thread takes an element, holds it and gives it back, over and over.
 * Holding is reading the clock until the time is up, beginning with the
 * reading that ended the wait.
 *
 * There are three phases.  Threads come out of a barrier one after the other,
 * as the scheduler likes, so the first tenth is for warming up; what counts is
 * the difference of two snapshots, taken by the main thread while the others
 * run.  Then everybody finishes the operation it is in: each waiter gets an
 * element at last, since all are given back.
 *
 * A wait that ends after warming up counts with its whole length, and so does
 * one that only ended because the contest did.  An operation counts if it was
 * over in time: a thread that got its first element from those who gave up
 * was starved.
 */
#include "config.h"

#include "contest.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "figures.h"

const double wait_shares[NR_WAIT_SHARES] = { 0.5, 0.99, 0.999 };

enum phase { WARM_UP, MEASURE, STOP };

/* What all threads of a run share; only phase changes. */
struct arena {
	const struct contest	*contest;
	const struct peer	*peer;
	void			*pool;
	pthread_barrier_t	start;
	_Alignas(128) _Atomic int phase;
};

/* Two cache lines apart: they are fetched in pairs. */
struct worker {
	_Alignas(128) atomic_ulong ops;	/* stored by the thread only */
	struct latencies	waits;
	struct arena		*arena;
	pthread_t		thread;
};

/* A moment of a run, as the main thread sees it. */
struct snapshot {
	uint64_t	ns;
	struct rusage	usage;
	uint64_t	*ops;		/* by thread */
};

/* ---- a thread ---------------------------------------------------------- */

/* Whoever pool it is, one owner at a time. */
static void own(struct element *element)
{
	if (element->owned++)
		abort();
}

static void disown(struct element *element)
{
	element->owned--;
}

static void timed_operation(struct worker *worker)
{
	struct arena *arena = worker->arena;
	uint64_t before = now_ns();
	struct element *element = arena->peer->take(arena->pool);
	uint64_t after = now_ns();

	own(element);
	if (atomic_load_explicit(&arena->phase, memory_order_relaxed) !=
	    WARM_UP)
		latency_record(&worker->waits, after - before);
	if (arena->contest->hold_ns)
		spin_until(after + (uint64_t)arena->contest->hold_ns);
	disown(element);
	arena->peer->give(arena->pool, element);
}

static void operation(struct arena *arena)
{
	struct element *element = arena->peer->take(arena->pool);

	own(element);
	disown(element);
	arena->peer->give(arena->pool, element);
}

static void *compete(void *arg)
{
	struct worker *worker = arg;
	struct arena *arena = worker->arena;
	uint64_t one_in = arena->contest->hold_ns ? 1 : TIMED_ONE_IN;
	unsigned long ops = 0;

	pthread_barrier_wait(&arena->start);
	while (atomic_load_explicit(&arena->phase, memory_order_relaxed) !=
	       STOP) {
		if (ops % one_in == 0)
			timed_operation(worker);
		else
			operation(arena);
		atomic_store_explicit(&worker->ops, ++ops,
				      memory_order_relaxed);
	}
	return NULL;
}

/* ---- the main thread --------------------------------------------------- */

static void take_snapshot(struct snapshot *shot, struct worker *workers,
			  size_t nr)
{
	size_t i;

	shot->ns = now_ns();
	getrusage(RUSAGE_SELF, &shot->usage);
	for (i = 0; i < nr; i++)
		shot->ops[i] = atomic_load_explicit(&workers[i].ops,
						    memory_order_relaxed);
}

static void start_workers(struct arena *arena, struct worker *workers,
			  size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++) {
		workers[i].arena = arena;
		if (pthread_create(&workers[i].thread, NULL, compete,
				   &workers[i]))
			abort();
	}
}

/* Returns whether the thread had to be helped. */
static bool join_worker(struct worker *worker)
{
	struct arena *arena = worker->arena;
	struct timespec soon;
	bool helped = false;

	for (;;) {
		clock_gettime(CLOCK_REALTIME, &soon);
		soon.tv_sec += 2;
		if (!pthread_timedjoin_np(worker->thread, NULL, &soon))
			return helped;
		if (arena->peer->rescue) {
			arena->peer->rescue(arena->pool);
			helped = true;
		}
	}
}

static double cpu_ns(const struct rusage *u)
{
	return 1e9 * (double)(u->ru_utime.tv_sec + u->ru_stime.tv_sec) +
	       1e3 * (double)(u->ru_utime.tv_usec + u->ru_stime.tv_usec);
}

static void count_ops(const struct snapshot *from, const struct snapshot *to,
		      size_t nr, struct outcome *outcome)
{
	uint64_t *ops = bench_alloc(nr * sizeof(*ops));
	uint64_t sum = 0, most = 0, least = UINT64_MAX;
	size_t i;

	for (i = 0; i < nr; i++) {
		ops[i] = to->ops[i] - from->ops[i];
		sum += ops[i];
		most = ops[i] > most ? ops[i] : most;
		least = ops[i] < least ? ops[i] : least;
	}
	outcome->kops = 1e6 * (double)sum / (double)(to->ns - from->ns);
	outcome->jain = jain(ops, nr);
	outcome->max_min = (double)most / (double)least;
	outcome->least = (double)least;
	outcome->switches =
		(double)(to->usage.ru_nvcsw - from->usage.ru_nvcsw) /
		(double)sum;
	outcome->cpu_ns = (cpu_ns(&to->usage) - cpu_ns(&from->usage)) /
			  (double)sum;
	free(ops);
}

static void count_waits(const struct worker *workers, size_t nr,
			struct outcome *outcome)
{
	struct latencies *all = bench_alloc(sizeof(*all));
	size_t i;

	for (i = 0; i < nr; i++)
		latency_add(all, &workers[i].waits);
	for (i = 0; i < NR_WAIT_SHARES; i++)
		outcome->wait_ns[i] = latency_percentile(all, wait_shares[i]);
	outcome->longest_ns = (double)all->longest_ns;
	free(all);
}

void contest_run(const struct contest *contest, const struct peer *peer,
		 int duration_ms, struct outcome *outcome)
{
	size_t nr = (size_t)contest->nr_threads;
	struct worker *workers = bench_alloc(nr * sizeof(*workers));
	struct arena *arena = bench_alloc(sizeof(*arena));
	struct snapshot from = { .ops = bench_alloc(nr * sizeof(uint64_t)) };
	struct snapshot to = { .ops = bench_alloc(nr * sizeof(uint64_t)) };
	size_t i;

	arena->contest = contest;
	arena->peer = peer;
	arena->pool = peer->create(contest->nr_elements);
	if (pthread_barrier_init(&arena->start, NULL,
				 (unsigned int)contest->nr_threads + 1))
		abort();
	start_workers(arena, workers, nr);
	pthread_barrier_wait(&arena->start);
	sleep_ms(duration_ms / 10);
	take_snapshot(&from, workers, nr);
	atomic_store(&arena->phase, MEASURE);
	sleep_ms(duration_ms);
	take_snapshot(&to, workers, nr);
	atomic_store(&arena->phase, STOP);
	outcome->rescues = 0;
	for (i = 0; i < nr; i++)
		outcome->rescues += join_worker(&workers[i]);

	count_ops(&from, &to, nr, outcome);
	count_waits(workers, nr, outcome);
	pthread_barrier_destroy(&arena->start);
	peer->destroy(arena->pool);
	free(to.ops);
	free(from.ops);
	free(arena);
	free(workers);
}
