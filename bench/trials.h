/* SPDX-License-Identifier: MIT */
/*
 * trials.h - allocators put to work in rounds, and figures out of that
 *
 * Each round runs all there is to run once, in an order drawn anew: so whatever
 * the machine does meanwhile hits all alike, and any two figures of a round may
 * be compared.  Each run is a process of its own, so that all begin with the
 * same heap, and no allocator meets another.
 */
#ifndef BENCH_TRIALS_H
#define BENCH_TRIALS_H

#include <stdint.h>
#include <stdio.h>

#include "work.h"

#define MAX_SECTIONS	24
#define MAX_ADAPTERS	20
#define MAX_TRIAL_ROUNDS 100
#define NO_SUCH		((size_t)-1)

/* One table of those adapters that have a part in it. */
struct section {
	const char	*name;
	const char	*unit;
	unsigned int	part;		/* one of PART_* */
	work_fn		*work;
	size_t		size, nr;	/* of the job */
	size_t		nr_cpus;	/* that it takes */
};

struct trials {
	size_t			nr_rounds;
	uint64_t		seed;
	bool			quick;
	size_t			nr_sections;
	const struct section	*section[MAX_SECTIONS];
	size_t			nr_adapters;
	const struct adapter	*adapter[MAX_ADAPTERS];
	struct outcome		of[MAX_SECTIONS][MAX_ADAPTERS]
				  [MAX_TRIAL_ROUNDS];
};

/* Adds one, unless it cannot run here; that is printed then, in words. */
void trials_add_adapter(struct trials *t, const struct adapter *adapter);
void trials_add_section(struct trials *t, const struct section *section);

/* Fills in of[]; the caller has set the rest. */
void trials_run(struct trials *t);

/* The index, or NO_SUCH. */
size_t trials_section(const struct trials *t, const char *name);
size_t trials_adapter(const struct trials *t, const char *name);

/* Whether this adapter was put to this. */
bool trials_ran(const struct trials *t, size_t section, size_t adapter);

/* Over the rounds: the median, and the best stretch of all. */
double trials_median(const struct trials *t, size_t section, size_t adapter);
double trials_least(const struct trials *t, size_t section, size_t adapter);

/* The share of rounds in which it came to an end. */
double trials_ended(const struct trials *t, size_t section, size_t adapter);

/* The median over the rounds of value over another's value. */
double trials_ratio(const struct trials *t, size_t section, size_t adapter,
		    size_t base_section, size_t base_adapter);

/* How many times as fast this is as that, of each that was put to both. */
void trials_print_speedup(const struct trials *t, const char *section,
			  const char *base_section);

/* All sections, for people; the base of each ratio is the first adapter. */
void trials_print(const struct trials *t);
void trials_csv(const struct trials *t, FILE *csv);

#endif /* BENCH_TRIALS_H */
