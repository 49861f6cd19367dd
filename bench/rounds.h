/* SPDX-License-Identifier: MIT */
/*
 * rounds.h - a configuration run over and over, and figures out of that
 *
 * Each round runs every pool once, in an order drawn anew, so that whatever
 * the machine does meanwhile hits all of them alike.
 */
#ifndef BENCH_ROUNDS_H
#define BENCH_ROUNDS_H

#include <stddef.h>
#include <stdint.h>

#include "contest.h"
#include "pools.h"

#define MAX_PEERS	16
#define NOT_THERE	MAX_PEERS

struct results {
	struct contest		contest;
	size_t			nr_peers;
	const struct peer	*peer[MAX_PEERS];
	size_t			nr_rounds;
	struct outcome		*of[MAX_PEERS];		/* [peer][round] */
};

/* Fills in of[]; the caller has set the rest. */
void rounds_run(struct results *r, int duration_ms, uint64_t *seed);
void rounds_free(struct results *r);

/* The index of a pool, or NOT_THERE. */
size_t rounds_find(const struct results *r, const char *name);

/* The pool with the best throughput but for one. */
size_t rounds_best_other(const struct results *r, size_t but);

/* Over the rounds of one pool; offset is that of a member of struct outcome. */
double rounds_median(const struct results *r, size_t peer, size_t offset);
double rounds_minimum(const struct results *r, size_t peer, size_t offset);
double rounds_sum(const struct results *r, size_t peer, size_t offset);

/* Throughput over that of another pool in the same round, the median. */
double rounds_ratio(const struct results *r, size_t peer, size_t base);

#define ROUNDS_MEDIAN(r, peer, member) \
	rounds_median(r, peer, offsetof(struct outcome, member))
#define ROUNDS_MINIMUM(r, peer, member) \
	rounds_minimum(r, peer, offsetof(struct outcome, member))

#endif /* BENCH_ROUNDS_H */
