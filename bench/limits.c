/* SPDX-License-Identifier: MIT */
/*
 * limits.c - what kmempool has to come to under contention
 *
 *   hold    elements  threads    limits
 *   0       all       all        throughput to mutex+cond; nobody starved
 *   else    1         from 16    throughput to mutex+cond; Jain's index;
 *                                the longest wait
 *   else    more      from 16    throughput to the best of the others; Jain's
 *                                index
 */
#include "config.h"

#include "limits.h"

#include <stdio.h>

#include "verdict.h"

/* How long newcomers may overtake the request at the head. */
#define BOUND_US		400

#define MIN_RATIO_NO_HOLD	0.85
#define MIN_RATIO		0.90
#define MIN_JAIN		0.96
#define MANY_THREADS		16

/* Everybody before a request may be head for the bound; twice that, since
 * CPUs are scarcer than threads. */
static double max_wait_us(const struct contest *c)
{
	return 2.0 * c->nr_threads * BOUND_US;
}

static void check_ratio(const char *where, const struct results *r,
			size_t own, size_t base, double limit)
{
	char what[64];

	if (base == NOT_THERE)
		return;
	snprintf(what, sizeof(what), "throughput/%s", r->peer[base]->name);
	verdict_at_least(where, what, rounds_ratio(r, own, base), limit);
}

static void check_jain(const char *where, const struct results *r, size_t own)
{
	verdict_at_least(where, "Jain's index", ROUNDS_MEDIAN(r, own, jain),
			 MIN_JAIN);
}

static void check_wait(const char *where, const struct results *r, size_t own)
{
	verdict_at_most(where, "longest wait, us",
			1e-3 * ROUNDS_MEDIAN(r, own, longest_ns),
			max_wait_us(&r->contest));
}

static void check_starved(const char *where, const struct results *r,
			  size_t own)
{
	verdict_at_least(where, "least ops of a thread",
			 ROUNDS_MINIMUM(r, own, least), 1);
}

void limits_check(const struct results *r)
{
	const struct contest *c = &r->contest;
	size_t own = rounds_find(r, peer_kmempool.name);
	size_t cond = rounds_find(r, peer_cond.name);
	char where[32];

	if (own == NOT_THERE)
		return;
	snprintf(where, sizeof(where), "%d,%d,%d", c->nr_elements,
		 c->nr_threads, c->hold_ns);
	if (!c->hold_ns) {
		check_ratio(where, r, own, cond, MIN_RATIO_NO_HOLD);
		check_starved(where, r, own);
	} else if (c->nr_threads >= MANY_THREADS && c->nr_elements == 1) {
		check_ratio(where, r, own, cond, MIN_RATIO);
		check_jain(where, r, own);
		check_wait(where, r, own);
	} else if (c->nr_threads >= MANY_THREADS) {
		check_ratio(where, r, own, rounds_best_other(r, own),
			    MIN_RATIO);
		check_jain(where, r, own);
	}
}
