/* SPDX-License-Identifier: MIT */
/*
 * cpus.c - restartable sequences of fibers
 *
 * A fiber in a sequence can be interrupted between any two of its steps.  When it
 * goes on, it begins again if another on its CPU has begun one meanwhile, or
 * there was a fence there: then the kernel would have it do so, too.
 *
 * Where the CPUs' stores can be seen late, the model shows what is left to see
 * (tests/model/layer.pml).
 */
#include "config.h"

#include "cpus.h"

#include "explore.h"
#include "rseq.h"

struct sequence {
	unsigned int	cpu;
	bool		migrates;
	bool		restart;	/* before the last store */
};

static struct sequence sequences[NR_FIBERS + 1];

static struct sequence *own(void)
{
	return &sequences[explore_self() + 1];
}

void cpus_begin(bool by_cpu)
{
	int i;

	lane_is_cpu = by_cpu;
	for (i = 0; i <= NR_FIBERS; i++)
		sequences[i] = (struct sequence){ .cpu = 0 };
}

void cpus_place(int fiber, unsigned int cpu)
{
	sequences[fiber + 1].cpu = cpu;
}

void cpus_migrate(int fiber)
{
	sequences[fiber + 1].migrates = true;
}

static void restart_on(unsigned int cpu)
{
	int i;

	for (i = 0; i <= NR_FIBERS; i++)
		if (sequences[i].cpu == cpu)
			sequences[i].restart = true;
}

static void step(void)
{
	if (explore_self() >= 0)
		explore_atomic();
}

/* The lane of this CPU. */
static struct lane *begin(struct lane *lanes)
{
	struct sequence *seq = own();

	if (!lane_is_cpu)
		return lanes_none;
	if (seq->migrates)
		seq->cpu = !seq->cpu;
	restart_on(seq->cpu);
	seq->restart = false;
	step();
	return &lanes[seq->cpu];
}

static bool must_restart(void)
{
	step();
	return own()->restart;
}

/* Plainly, as sequences do: an atomic load is a point to switch at. */
static uintptr_t nr_in(const struct magazine *mag)
{
	return mag->put - mag->taken;
}

/* ---- in place of lib/rseq.h and lib/rseq.c ------------------------------ */

unsigned int rseq_nr_cpus(void)
{
	return NR_CPUS;
}

void rseq_begin_without(void)
{
}

void rseq_begin(void)
{
}

bool rseq_fence(unsigned int cpu)
{
	explore_point("fences");
	restart_on(cpu);
	return true;
}

uintptr_t rseq_pop_run(struct lane *lanes, void **objects, uintptr_t nr)
{
	struct magazine *mag;
	uintptr_t had, n, i;

	do {
		do
			mag = begin(lanes)->loaded;
		while (must_restart());
		had = nr_in(mag);
		n = had;
		if (n > nr)
			n = nr;
		if (!n)
			return 0;
		for (i = 0; i < n; i++)
			objects[i] = mag->objects[had - n + i];
	} while (must_restart());
	mag->taken += n;
	step();
	return n;
}

uintptr_t rseq_push_run(struct lane *lanes, void *const *objects, uintptr_t nr)
{
	struct magazine *mag;
	uintptr_t had, n, i;

	do {
		do
			mag = begin(lanes)->loaded;
		while (must_restart());
		had = nr_in(mag);
		n = mag->cap - had;
		if (n > nr)
			n = nr;
		if (!n)
			return 0;
		for (i = 0; i < n; i++)
			mag->objects[had + i] = objects[i];
	} while (must_restart());
	mag->put += n;
	step();
	return n;
}

void *rseq_pop(struct lane *lanes)
{
	void *object;

	return rseq_pop_run(lanes, &object, 1) ? object : NULL;
}

bool rseq_push(struct lane *lanes, void *object)
{
	return rseq_push_run(lanes, &object, 1);
}

struct magazine *rseq_swap(struct lane *lanes, struct magazine *next)
{
	struct magazine *old;
	struct lane *lane;

	do {
		lane = begin(lanes);
		old = lane->loaded;
	} while (must_restart());
	lane->loaded = next;
	step();
	return old;
}
