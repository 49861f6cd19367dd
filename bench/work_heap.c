/* SPDX-License-Identifier: MIT */
/*
 * work_heap.c - many live objects: of one size, and of all sizes
 */
#include "config.h"

#include "work.h"

#include <err.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "figures.h"

#define SEED		20260101
#define NR_SLOTS	4096		/* half of them are live */

static double resident(void)
{
	char line[256];
	double kib = 0;
	FILE *file = fopen("/proc/self/smaps_rollup", "r");

	if (!file)
		err(1, "/proc/self/smaps_rollup");
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "Rss: %lf", &kib) == 1)
			break;
	fclose(file);
	return kib * 1024;
}

static size_t nr_of(const struct job *job)
{
	return job->quick ? job->nr / 10 : job->nr;
}

/* ---- of one size ------------------------------------------------------- */

static void **make_slots(size_t nr)
{
	void **slots = malloc(nr * sizeof(*slots));

	if (!slots)
		err(1, "malloc");
	memset(slots, 0xff, nr * sizeof(*slots));
	return slots;
}

static void allocate(const struct adapter *adapter, const struct job *job,
		     void **objects, size_t nr)
{
	void *pool = adapter->create(job->size, nr);
	size_t i;

	for (i = 0; i < nr; i++) {
		if (adapter->fill(pool, &objects[i], 1) != 1)
			err(1, "%s", adapter->name);
		memset(objects[i], 1, job->size);
	}
}

void work_footprint(const struct adapter *adapter, const struct job *job,
		    struct outcome *outcome)
{
	size_t nr = nr_of(job);
	void **objects = make_slots(nr);
	double before;

	/* The code itself is resident then. */
	allocate(adapter, job, objects, 1);
	before = resident();
	allocate(adapter, job, objects, nr);
	outcome->value = (resident() - before) / (double)nr -
			 (double)job->size;
	outcome->least = outcome->value;
	free(objects);
}

void work_create(const struct adapter *adapter, const struct job *job,
		 struct outcome *outcome)
{
	size_t nr = nr_of(job);
	void **objects = make_slots(nr);
	uint64_t begin = now_ns();

	allocate(adapter, job, objects, nr);
	outcome->value = (double)(now_ns() - begin) / (double)nr;
	outcome->least = outcome->value;
	free(objects);
}

/* ---- of all sizes ------------------------------------------------------ */

struct mix {
	void	*slot[NR_SLOTS];
	size_t	size[NR_SLOTS];
	double	live;		/* bytes */
};

/* As many of each power of two as of any other. */
static size_t draw_size(uint64_t *state)
{
	double exponent = 3 + (double)(next_random(state) % 14000) / 1000;

	return (size_t)exp2(exponent);
}

static void mix_alloc(const struct adapter *adapter, struct mix *mix,
		      size_t at, size_t size)
{
	mix->size[at] = size;
	mix->slot[at] = adapter->alloc_any(size);
	if (!mix->slot[at])
		err(1, "%s", adapter->name);
	memset(mix->slot[at], 1, size);
	mix->live += (double)size;
}

static void mix_free(const struct adapter *adapter, struct mix *mix, size_t at)
{
	adapter->free_any(mix->slot[at]);
	mix->slot[at] = NULL;
	mix->live -= (double)mix->size[at];
}

static void mix_many(const struct adapter *adapter, struct mix *mix, size_t nr)
{
	uint64_t state = SEED;

	while (nr--) {
		size_t at = next_random(&state) % NR_SLOTS;

		if (mix->slot[at])
			mix_free(adapter, mix, at);
		else
			mix_alloc(adapter, mix, at, draw_size(&state));
	}
}

void work_mix_memory(const struct adapter *adapter, const struct job *job,
		     struct outcome *outcome)
{
	static struct mix mix;
	double before;

	mix_alloc(adapter, &mix, 0, job->size);
	mix_free(adapter, &mix, 0);
	before = resident();
	mix_many(adapter, &mix, nr_of(job));
	outcome->value = (resident() - before) / mix.live;
	outcome->least = outcome->value;
}

void work_mix_time(const struct adapter *adapter, const struct job *job,
		   struct outcome *outcome)
{
	size_t nr = nr_of(job);
	static struct mix mix;
	uint64_t begin = now_ns();

	mix_many(adapter, &mix, nr);
	outcome->value = (double)(now_ns() - begin) / (double)nr;
	outcome->least = outcome->value;
}
