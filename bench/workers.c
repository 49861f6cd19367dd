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

	if (cpus_first(cpu) < (int)nr ||
	    pthread_barrier_init(&crew->start, NULL, (unsigned int)nr))
		abort();
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

	return cpus_first(cpu) >= (int)nr;
}

static uint64_t time_of(struct worker *worker, size_t nr,
			void (*step)(struct worker *worker, size_t nr))
{
	uint64_t start = now_ns();

	step(worker, nr);
	return now_ns() - start;
}

/* Not because it was interrupted once. */
static bool is_stretch(struct worker *worker, size_t nr,
		       void (*step)(struct worker *worker, size_t nr))
{
	int i;

	for (i = 0; i < 2; i++)
		if (time_of(worker, nr, step) < STRETCH_NS)
			return false;
	return true;
}

void worker_stretches(struct worker *worker,
		      void (*step)(struct worker *worker, size_t nr))
{
	uint64_t run_ns = worker->crew->job->quick ? RUN_NS / 10 : RUN_NS;
	uint64_t end = now_ns() + run_ns;
	size_t nr = 1;

	/* What is done first fills caches, too. */
	while (!is_stretch(worker, nr, step) && now_ns() < end)
		nr *= 2;
	worker->least_ns = INFINITY;
	do {
		double ns = (double)time_of(worker, nr, step);

		worker->ns += ns;
		worker->done += (double)nr;
		if (ns / (double)nr < worker->least_ns)
			worker->least_ns = ns / (double)nr;
	} while (now_ns() < end);
}

void crew_outcome(const struct crew *crew, size_t nr, struct outcome *outcome)
{
	double ns = 0, done = 0;
	size_t i;

	outcome->least = INFINITY;
	for (i = 0; i < nr; i++) {
		ns += crew->worker[i].ns;
		done += crew->worker[i].done;
		if (crew->worker[i].least_ns < outcome->least)
			outcome->least = crew->worker[i].least_ns;
	}
	outcome->value = ns / done;
}
