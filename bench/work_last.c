/* SPDX-License-Identifier: MIT */
/*
 * work_last.c - the last object, which the other CPU has cached
 *
 * The other thread takes all objects there are, gives them back, uses the pool
 * for as long as makes its CPU worth having them near it, and goes on running
 * with nothing to do with the pool.  This one then wants as many.
 */
#include "config.h"

#include "work.h"

#include <math.h>
#include <stdatomic.h>

#include "figures.h"
#include "workers.h"

#define NR_TRIES	200
#define NR_PAIRS	4096
#define MAX_OBJECTS	16
#define PATIENCE_NS	20000000

struct turns {
	_Alignas(128) atomic_int turn;		/* odd: the other's */
	size_t			nr_objects;	/* handed over with the turn */
	bool			over;		/* the same */
	double			us[NR_TRIES];
};

static void wait_for(struct turns *turns, int turn)
{
	while (atomic_load_explicit(&turns->turn, memory_order_acquire) != turn)
		;
}

static void pass_turn(struct turns *turns, int turn)
{
	atomic_store_explicit(&turns->turn, turn + 1, memory_order_release);
}

static void cache_all(struct worker *worker)
{
	const struct adapter *adapter = worker->crew->adapter;
	struct turns *turns = worker->crew->shared;
	void *pool = worker->crew->pool;
	void *objects[MAX_OBJECTS];
	int turn;

	for (turn = 1; ; turn += 2) {
		wait_for(turns, turn);
		if (turns->over)
			return;
		turns->nr_objects = adapter->fill(pool, objects, MAX_OBJECTS);
		adapter->drain(pool, objects, turns->nr_objects);
		adapter->pairs(pool, NR_PAIRS);
		pass_turn(turns, turn);
	}
}

/* us until the last of them was there, or INFINITY. */
static double take_all(struct worker *worker)
{
	const struct adapter *adapter = worker->crew->adapter;
	struct turns *turns = worker->crew->shared;
	void *pool = worker->crew->pool;
	void *objects[MAX_OBJECTS];
	uint64_t start = now_ns();
	size_t nr;

	for (nr = 0; nr < turns->nr_objects; nr++) {
		objects[nr] = adapter->take(pool, start + PATIENCE_NS);
		if (!objects[nr])
			return INFINITY;
	}
	start = now_ns() - start;
	adapter->drain(pool, objects, nr);
	return 1e-3 * (double)start;
}

static void want_all(struct worker *worker)
{
	struct turns *turns = worker->crew->shared;
	bool came = true;
	int i;

	for (i = 0; i < NR_TRIES && came; i++) {
		pass_turn(turns, 2 * i);
		wait_for(turns, 2 * i + 2);
		turns->us[i] = take_all(worker);
		came = turns->us[i] < INFINITY;
	}
	turns->over = true;
	pass_turn(turns, 2 * i);
	worker->least_ns = minimum(turns->us, (size_t)i);
	worker->ns = came ? median(turns->us, (size_t)i) : INFINITY;
}

static void work_by_turns(struct worker *worker)
{
	if (worker->nr == 0)
		want_all(worker);
	else
		cache_all(worker);
}

void work_last(const struct adapter *adapter, const struct job *job,
	       struct outcome *outcome)
{
	static struct turns turns;
	struct crew crew = {
		.adapter = adapter, .job = job, .work = work_by_turns,
		.pool = adapter->create(job->size, 1), .shared = &turns
	};

	crew_run(&crew, 2);
	outcome->value = crew.worker[0].ns;
	outcome->least = crew.worker[0].least_ns;
}
