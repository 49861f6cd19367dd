/* SPDX-License-Identifier: MIT */
/*
 * work_pairs.c - objects one at a time, and in batches
 */
#include "config.h"

#include "work.h"

#include "workers.h"

/* Objects that a pool is to have: more than all that is cached on the way. */
#define NR_OBJECTS	16383
#define MAX_BATCH	256

static void pairs(struct worker *worker, size_t nr)
{
	worker->crew->adapter->pairs(worker->crew->pool, nr);
}

static void work_on_pairs(struct worker *worker)
{
	worker_stretches(worker, pairs);
}

void work_pairs(const struct adapter *adapter, const struct job *job,
		struct outcome *outcome)
{
	struct crew crew = {
		.adapter = adapter, .job = job, .work = work_on_pairs,
		.pool = adapter->create(job->size, NR_OBJECTS)
	};

	crew_run(&crew, job->nr);
	crew_outcome(&crew, job->nr, outcome);
}

static void batches(struct worker *worker, size_t nr)
{
	const struct adapter *adapter = worker->crew->adapter;
	size_t batch = worker->crew->job->nr;
	void *pool = worker->crew->pool;
	void *objects[MAX_BATCH];

	while (nr--) {
		if (adapter->fill(pool, objects, batch) != batch)
			abort();
		adapter_use(objects);
		adapter->drain(pool, objects, batch);
	}
}

static void bulk_batches(struct worker *worker, size_t nr)
{
	const struct adapter *adapter = worker->crew->adapter;
	size_t batch = worker->crew->job->nr;
	void *pool = worker->crew->pool;
	void *objects[MAX_BATCH];

	while (nr--) {
		if (adapter->fill_bulk(pool, objects, batch) != batch)
			abort();
		adapter_use(objects);
		adapter->drain_bulk(pool, objects, batch);
	}
}

static void work_on_batches(struct worker *worker)
{
	worker_stretches(worker, batches);
}

static void work_on_bulk(struct worker *worker)
{
	worker_stretches(worker, bulk_batches);
}

static void measure(struct crew *crew, struct outcome *outcome)
{
	const struct job *job = crew->job;

	crew->pool = crew->adapter->create(job->size, NR_OBJECTS);
	crew_run(crew, 1);
	crew_outcome(crew, 1, outcome);
	outcome->value /= (double)job->nr;
	outcome->least /= (double)job->nr;
}

void work_batches(const struct adapter *adapter, const struct job *job,
		  struct outcome *outcome)
{
	struct crew crew = {
		.adapter = adapter, .job = job, .work = work_on_batches
	};

	measure(&crew, outcome);
}

void work_bulk(const struct adapter *adapter, const struct job *job,
	       struct outcome *outcome)
{
	struct crew crew = {
		.adapter = adapter, .job = job, .work = work_on_bulk
	};

	measure(&crew, outcome);
}
