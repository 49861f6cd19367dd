/* SPDX-License-Identifier: MIT */
/*
 * work_across.c - objects that one CPU takes and another gives back
 *
 * They go over by a ring of batches, of which each side writes one index.
 * Nobody looks at the objects, only at the pointers.  It is measured where they
 * are given back, over many times what is in the ring: that may have been put
 * there while this side was interrupted.
 */
#include "config.h"

#include "work.h"

#include <stdatomic.h>

#include "workers.h"

#define NR_OBJECTS	8191
#define NR_SLOTS	16
#define BATCH		32
#define RINGFULS	16		/* that are given back at once */
#define AT_ONCE		(RINGFULS * NR_SLOTS * BATCH)

struct ring {
	_Alignas(128) atomic_size_t	nr_put;
	_Alignas(128) atomic_size_t	nr_got;
	_Alignas(128) atomic_bool	stop;
	_Alignas(128) void		*slot[NR_SLOTS][BATCH];
};

/* Pairs with the release of nr_got: the slot has been read. */
static bool wait_for_room(struct ring *ring, size_t nr_put)
{
	while (nr_put - atomic_load_explicit(&ring->nr_got,
					     memory_order_acquire) == NR_SLOTS)
		if (atomic_load_explicit(&ring->stop, memory_order_relaxed))
			return false;
	return !atomic_load_explicit(&ring->stop, memory_order_relaxed);
}

static void take(struct worker *worker)
{
	const struct adapter *adapter = worker->crew->adapter;
	struct ring *ring = worker->crew->shared;
	void *pool = worker->crew->pool;
	size_t nr;

	for (nr = 0; wait_for_room(ring, nr); nr++) {
		if (adapter->fill(pool, ring->slot[nr % NR_SLOTS],
				  BATCH) != BATCH)
			abort();
		atomic_store_explicit(&ring->nr_put, nr + 1,
				      memory_order_release);
	}
}

static void give(struct worker *worker, size_t nr)
{
	const struct adapter *adapter = worker->crew->adapter;
	struct ring *ring = worker->crew->shared;
	void *pool = worker->crew->pool;
	size_t got = atomic_load_explicit(&ring->nr_got, memory_order_relaxed);
	size_t end = got + nr * RINGFULS * NR_SLOTS;

	for (; got < end; got++) {
		/* Pairs with the release of nr_put: the slot is filled. */
		while (atomic_load_explicit(&ring->nr_put,
					    memory_order_acquire) == got)
			;
		adapter->drain(pool, ring->slot[got % NR_SLOTS], BATCH);
		atomic_store_explicit(&ring->nr_got, got + 1,
				      memory_order_release);
	}
}

static void work_on_ring(struct worker *worker)
{
	struct ring *ring = worker->crew->shared;

	if (worker->nr == 0) {
		take(worker);
		return;
	}
	worker_stretches(worker, give);
	atomic_store_explicit(&ring->stop, true, memory_order_relaxed);
}

void work_across(const struct adapter *adapter, const struct job *job,
		 struct outcome *outcome)
{
	static struct ring ring;
	struct crew crew = {
		.adapter = adapter, .job = job, .work = work_on_ring,
		.pool = adapter->create(job->size, NR_OBJECTS), .shared = &ring
	};

	crew_run(&crew, 2);
	outcome->value = crew.worker[1].ns / crew.worker[1].done / AT_ONCE;
	outcome->least = crew.worker[1].least_ns / AT_ONCE;
}
