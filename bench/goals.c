/* SPDX-License-Identifier: MIT */
/*
 * goals.c - what kmempool has to come to beside its peers
 */
#include "config.h"

#include "goals.h"

#include <stdio.h>
#include <string.h>

#include "verdict.h"

struct goal {
	const char	*section;
	const char	*adapter;
	const char	*base_section;	/* NULL: an absolute figure */
	const char	*base_adapter;
	void		(*check)(const struct trials *t, const struct goal *g,
				 size_t s, size_t a);
	double		limit;
};

static const char *what_of(const struct goal *g, const char *how)
{
	static char what[64];

	snprintf(what, sizeof(what), "%s/%s%s", g->adapter,
		 strcmp(g->base_section, g->section) ? g->base_section
						     : g->base_adapter, how);
	return what;
}

/* The best stretches of both. */
static void least(const struct trials *t, const struct goal *g, size_t s,
		  size_t a)
{
	size_t base_s = trials_section(t, g->base_section);
	size_t base_a = trials_adapter(t, g->base_adapter);

	verdict_at_most(g->section, what_of(g, ", least"),
			trials_least(t, s, a) / trials_least(t, base_s, base_a),
			g->limit);
}

static void ratio(const struct trials *t, const struct goal *g, size_t s,
		  size_t a)
{
	size_t base_s = trials_section(t, g->base_section);
	size_t base_a = trials_adapter(t, g->base_adapter);

	verdict_at_most(g->section, what_of(g, ""),
			trials_ratio(t, s, a, base_s, base_a), g->limit);
}

/* How many times as fast as the base, at best. */
static void speedup(const struct trials *t, const struct goal *g, size_t s,
		    size_t a)
{
	size_t base_s = trials_section(t, g->base_section);
	size_t base_a = trials_adapter(t, g->base_adapter);

	verdict_at_least(g->section, what_of(g, ", speed"),
			 trials_least(t, base_s, base_a) /
			 trials_least(t, s, a), g->limit);
}

static void at_most(const struct trials *t, const struct goal *g, size_t s,
		    size_t a)
{
	verdict_at_most(g->section, g->adapter, trials_median(t, s, a),
			g->limit);
}

static void always(const struct trials *t, const struct goal *g, size_t s,
		   size_t a)
{
	verdict_at_least(g->section, "share that came", trials_ended(t, s, a),
			 g->limit);
}

#define CACHE "kmem_cache"
#define OWN "reserve"

static const struct goal goals[] = {
	{ "pair-64", CACHE, "pair-64", "tcmalloc", least, 1.0 },
	{ "pair-64", CACHE, "pair-64", "rte+cache", least, 1.0 },
	{ "pair-256", CACHE, "pair-64", CACHE, least, 1.1 },
	{ "pair-4096", CACHE, "pair-64", CACHE, least, 1.1 },
	{ "pair-64x2", CACHE, "pair-64", CACHE, speedup, 1.8 },
	{ "bulk-32", CACHE, "bulk-32", "rte+cache", ratio, 1.1 },
	{ "across", CACHE, "across", "rte+cache", least, 1.5 },
	{ "across", CACHE, "across", "mimalloc", least, 0.3 },
	{ "reserve-1", OWN, "reserve-1", "rte+cache", least, 1.5 },
	{ "reserve-2", OWN, "reserve-2", "rte+cache", least, 1.5 },
	{ "last", OWN, NULL, NULL, always, 1.0 },
	{ "last", OWN, NULL, NULL, at_most, 50.0 },
	{ "create", CACHE, "create", "tcmalloc", ratio, 1.0 },
};

static void check(const struct trials *t, const struct goal *g)
{
	size_t s = trials_section(t, g->section);
	size_t a = trials_adapter(t, g->adapter);

	if (!trials_ran(t, s, a))
		return;
	if (!g->base_section ||
	    trials_ran(t, trials_section(t, g->base_section),
		       trials_adapter(t, g->base_adapter)))
		g->check(t, g, s, a);
	else
		printf("skip  %-20s %s of %s was not run\n", g->section,
		       g->base_section, g->base_adapter);
}

void goals_check(const struct trials *t)
{
	size_t i;

	for (i = 0; i < sizeof(goals) / sizeof(goals[0]); i++)
		check(t, &goals[i]);
}
