/* SPDX-License-Identifier: MIT */
/*
 * workers.c - threads on CPUs of their own that use one pool
 */
#include "config.h"

#include "workers.h"

#include <math.h>

#include "cpus.h"
#include "figures.h"

/* How long a run lasts, and a stretch at least. */
#define RUN_NS		30000000
#define STRETCH_NS	200000

static void *begin(void *arg)
{
	struct worker *worker = arg;
	struct crew *crew = worker->crew;

	if (crew->adapter->enter)
		crew->adapter->enter();
	pthread_barrier_wait(&crew->start);
	crew->work(worker);
	return NULL;
}

void crew_run(struct crew *crew, size_t nr)
{
	int cpu[MAX_WORKERS];
	size_t i;

	if (cpus_first(cpu, MAX_WORKERS) < (int)nr ||
	    pthread_barrier_init(&crew->start, NULL, (unsigned int)nr))
		abort();
	crew->start_ns = now_ns();
	for (i = 0; i < nr; i++) {
		crew->worker[i] = (struct worker) { .crew = crew, .nr = i };
		cpus_start_on(&crew->worker[i].thread, cpu[i], begin,
			      &crew->worker[i]);
	}
	for (i = 0; i < nr; i++)
		pthread_join(crew->worker[i].thread, NULL);
	pthread_barrier_destroy(&crew->start);
}

bool workers_fit(size_t nr)
{
	int cpu[MAX_WORKERS];

	return cpus_first(cpu, MAX_WORKERS) >= (int)nr;
}

/* Puts what was done between two times into the windows between them. */
static void record(struct worker *worker, uint64_t from, uint64_t to,
		   double done)
{
	double rate = done / (double)(to - from);

	while (from < to) {
		uint64_t window = from / WINDOW_NS;
		uint64_t end = (window + 1) * WINDOW_NS;

		if (window >= NR_WINDOWS)
			return;
		if (end > to)
			end = to;
		worker->done_in[window] += rate * (double)(end - from);
		from = end;
	}
}

/* How long it took to do a thing nr times; takes that down if it counts. */
static uint64_t time_of(struct worker *worker, size_t nr,
			void (*step)(struct worker *worker, size_t nr),
			bool counts)
{
	uint64_t start = now_ns();
	uint64_t start_ns = worker->crew->start_ns;
	uint64_t end;
	double ns;

	step(worker, nr);
	end = now_ns();
	if (!counts || end == start)
		return end - start;
	ns = (double)(end - start);
	worker->ns += ns;
	worker->done += (double)nr;
	if (ns / (double)nr < worker->least_ns)
		worker->least_ns = ns / (double)nr;
	record(worker, start - start_ns, end - start_ns, (double)nr);
	return end - start;
}

/* Not because it was interrupted once. */
static bool is_stretch(struct worker *worker, size_t nr,
		       void (*step)(struct worker *worker, size_t nr))
{
	int i;

	for (i = 0; i < 2; i++)
		if (time_of(worker, nr, step, false) < STRETCH_NS)
			return false;
	return true;
}

void worker_stretches(struct worker *worker,
		      void (*step)(struct worker *worker, size_t nr))
{
	uint64_t run_ns = worker->crew->job->quick ? RUN_NS / 10 : RUN_NS;
	uint64_t end;
	size_t nr = 1;

	/* What is done first fills caches, too. */
	while (!is_stretch(worker, nr, step))
		nr *= 2;
	end = now_ns() + run_ns;
	worker->least_ns = INFINITY;
	do {
		time_of(worker, nr, step, true);
	} while (now_ns() < end);
}

static double best_window(const struct crew *crew, size_t nr)
{
	double most = 0;
	size_t i, w;

	for (w = 0; w < NR_WINDOWS; w++) {
		double done = 0;

		for (i = 0; i < nr; i++)
			done += crew->worker[i].done_in[w];
		if (done > most)
			most = done;
	}
	return most;
}

void crew_outcome(const struct crew *crew, size_t nr, struct outcome *outcome)
{
	double ns = 0, done = 0;
	size_t i;

	for (i = 0; i < nr; i++) {
		ns += crew->worker[i].ns / (double)nr;
		done += crew->worker[i].done;
	}
	outcome->value = ns / done;
	outcome->least = nr == 1 ? crew->worker[0].least_ns
				 : WINDOW_NS / best_window(crew, nr);
}
