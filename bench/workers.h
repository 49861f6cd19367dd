/* SPDX-License-Identifier: MIT */
/*
 * workers.h - threads on CPUs of their own that use one pool
 *
 * Work is done in threads that were started for it even if it is one, since an
 * allocator may know that a process has no second thread.
 */
#ifndef BENCH_WORKERS_H
#define BENCH_WORKERS_H

#include <pthread.h>
#include <stdint.h>

#include "work.h"

#define MAX_WORKERS	16

/* What is done is also counted by when it was: all threads' work in the best of
 * these is what they come to when nothing keeps one of them from running. */
#define WINDOW_NS	1000000
#define NR_WINDOWS	128

struct crew;

struct worker {
	_Alignas(128) struct crew *crew;
	pthread_t	thread;
	size_t		nr;		/* from 0 */
	double		ns;		/* spent, and on how many */
	double		done;
	double		least_ns;	/* of one, in the best stretch */
	double		done_in[NR_WINDOWS];
};

struct crew {
	const struct adapter	*adapter;
	const struct job	*job;
	void			*pool;
	void			*shared;	/* what they work on, if any */
	void			(*work)(struct worker *worker);
	pthread_barrier_t	start;
	uint64_t		start_ns;	/* of the first window */
	struct worker		worker[MAX_WORKERS];
};

/* All begin at once; returns when all have ended. */
void crew_run(struct crew *crew, size_t nr);

/* Whether there are CPUs for so many. */
bool workers_fit(size_t nr);

/* Calls step, which does a thing nr times, for as long as a run is to last, in
 * stretches of a part of a millisecond, and takes down how long it took. */
void worker_stretches(struct worker *worker,
		      void (*step)(struct worker *worker, size_t nr));

/* ns of one thing, all threads together: a thread of two takes twice that for
 * each of its own.  The best stretch of one thread, or window of more. */
void crew_outcome(const struct crew *crew, size_t nr, struct outcome *outcome);

#endif /* BENCH_WORKERS_H */
