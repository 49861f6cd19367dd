/* SPDX-License-Identifier: MIT */
/*
 * rounds.c - a configuration run over and over, and figures out of that
 */
#include "config.h"

#include "rounds.h"

#include <stdlib.h>
#include <string.h>

#include "figures.h"

void rounds_run(struct results *r, int duration_ms, uint64_t *seed)
{
	size_t order[MAX_PEERS];
	size_t round, i;

	for (i = 0; i < r->nr_peers; i++)
		r->of[i] = bench_alloc(r->nr_rounds * sizeof(*r->of[i]));
	for (round = 0; round < r->nr_rounds; round++) {
		shuffle(order, r->nr_peers, seed);
		for (i = 0; i < r->nr_peers; i++)
			contest_run(&r->contest, r->peer[order[i]],
				    duration_ms, &r->of[order[i]][round]);
	}
}

void rounds_free(struct results *r)
{
	size_t i;

	for (i = 0; i < r->nr_peers; i++)
		free(r->of[i]);
}

size_t rounds_find(const struct results *r, const char *name)
{
	size_t i;

	for (i = 0; i < r->nr_peers; i++)
		if (!strcmp(r->peer[i]->name, name))
			return i;
	return NOT_THERE;
}

size_t rounds_best_other(const struct results *r, size_t but)
{
	size_t best = NOT_THERE;
	double most = 0;
	size_t i;

	for (i = 0; i < r->nr_peers; i++) {
		double kops = ROUNDS_MEDIAN(r, i, kops);

		if (i != but && kops > most) {
			most = kops;
			best = i;
		}
	}
	return best;
}

/* One member of all outcomes of a pool; the caller frees it. */
static double *column(const struct results *r, size_t peer, size_t offset)
{
	double *values = bench_alloc(r->nr_rounds * sizeof(*values));
	size_t i;

	for (i = 0; i < r->nr_rounds; i++)
		memcpy(&values[i], (const char *)&r->of[peer][i] + offset,
		       sizeof(values[i]));
	return values;
}

double rounds_median(const struct results *r, size_t peer, size_t offset)
{
	double *values = column(r, peer, offset);
	double middle = median(values, r->nr_rounds);

	free(values);
	return middle;
}

double rounds_minimum(const struct results *r, size_t peer, size_t offset)
{
	double *values = column(r, peer, offset);
	double least = minimum(values, r->nr_rounds);

	free(values);
	return least;
}

double rounds_sum(const struct results *r, size_t peer, size_t offset)
{
	double *values = column(r, peer, offset);
	double sum = 0;
	size_t i;

	for (i = 0; i < r->nr_rounds; i++)
		sum += values[i];
	free(values);
	return sum;
}

double rounds_ratio(const struct results *r, size_t peer, size_t base)
{
	size_t offset = offsetof(struct outcome, kops);
	double *values = column(r, peer, offset);
	double *bases = column(r, base, offset);
	double ratio = median_ratio(values, bases, r->nr_rounds);

	free(bases);
	free(values);
	return ratio;
}
