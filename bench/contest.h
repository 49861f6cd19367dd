/* SPDX-License-Identifier: MIT */
/*
 * contest.h - threads that compete for the elements of one pool, for a while
 */
#ifndef BENCH_CONTEST_H
#define BENCH_CONTEST_H

#include <stddef.h>

#include "pools.h"

struct contest {
	int		nr_elements;
	int		nr_threads;
	int		hold_ns;	/* how long each element is kept */
};

/* What one run of one pool came to.  All of it doubles, so that a median can
 * be made of any. */
struct outcome {
	double	kops;			/* operations per millisecond */
	double	jain;			/* of the operations per thread */
	double	max_min;		/* busiest over least busy thread */
	double	least;			/* operations of the latter */
	double	wait_ns[3];		/* see wait_shares */
	double	longest_ns;		/* wait */
	double	switches;		/* voluntary, per operation */
	double	cpu_ns;			/* per operation, of all threads */
	double	rescues;		/* times sleepers had to be woken */
};

#define NR_WAIT_SHARES	3
extern const double wait_shares[NR_WAIT_SHARES];

/* With no hold time reading the clock would dominate: one operation in so many
 * is timed then.  Otherwise all are. */
#define TIMED_ONE_IN	16

void contest_run(const struct contest *contest, const struct peer *peer,
		 int duration_ms, struct outcome *outcome);

#endif /* BENCH_CONTEST_H */
