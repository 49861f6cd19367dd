/* SPDX-License-Identifier: MIT */
/*
 * work.h - what allocators are put to
 *
 * Each function makes a pool and measures one figure.  It is called in a
 * process of its own, which ends after it, so nothing is given back.
 */
#ifndef BENCH_WORK_H
#define BENCH_WORK_H

#include <stdbool.h>
#include <stddef.h>

#include "adapter.h"

/* What one run came to; "least" is its best stretch, where it has some. */
struct outcome {
	double	value;
	double	least;
};

struct job {
	size_t	size;		/* of an object */
	size_t	nr;		/* threads, objects or operations */
	bool	quick;		/* a part of it will do */
};

typedef void (work_fn)(const struct adapter *adapter, const struct job *job,
		       struct outcome *outcome);

/* ns of a pair, by nr threads at once, all together. */
work_fn work_pairs;
/* ns of an object, nr are taken and then given back, by one call for each or
 * for all. */
work_fn work_batches;
work_fn work_bulk;
/* ns of an object that one CPU takes and another gives back. */
work_fn work_across;
/* us to the last object, which the other CPU has cached; INFINITY if it did
 * not always come. */
work_fn work_last;
/* Resident bytes beyond size of each of nr objects. */
work_fn work_footprint;
/* ns of an object to make a pool and nr of them, and touch each. */
work_fn work_create;
/* Resident over live bytes, and ns of an operation, after nr allocations and
 * frees in random order, 8 bytes to 128 KiB. */
work_fn work_mix_memory;
work_fn work_mix_time;

#endif /* BENCH_WORK_H */
