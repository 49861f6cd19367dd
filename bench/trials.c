/* SPDX-License-Identifier: MIT */
/*
 * trials.c - allocators put to work in rounds, and figures out of that
 */
#include "config.h"

#include "trials.h"

#include <err.h>
#include <math.h>
#include <string.h>

#include "figures.h"
#include "process.h"
#include "workers.h"

void trials_add_adapter(struct trials *t, const struct adapter *adapter)
{
	if (!process_starts(adapter))
		return;
	if (t->nr_adapters == MAX_ADAPTERS)
		errx(2, "too many allocators: %s", adapter->name);
	t->adapter[t->nr_adapters++] = adapter;
}

void trials_add_section(struct trials *t, const struct section *section)
{
	if (!workers_fit(section->nr_cpus)) {
		printf("# %s: skipped, there are not %zu CPUs\n",
		       section->name, section->nr_cpus);
		return;
	}
	if (t->nr_sections == MAX_SECTIONS)
		errx(2, "too many sections: %s", section->name);
	t->section[t->nr_sections++] = section;
}

bool trials_ran(const struct trials *t, size_t section, size_t adapter)
{
	return section != NO_SUCH && adapter != NO_SUCH &&
	       t->adapter[adapter]->parts & t->section[section]->part;
}

static void run_one(struct trials *t, size_t section, size_t adapter,
		    size_t round)
{
	const struct section *s = t->section[section];
	struct job job = { s->size, s->nr, t->quick };

	if (trials_ran(t, section, adapter))
		process_run(s->work, t->adapter[adapter], &job,
			    &t->of[section][adapter][round]);
}

void trials_run(struct trials *t)
{
	size_t order[MAX_SECTIONS * MAX_ADAPTERS];
	size_t nr = t->nr_sections * t->nr_adapters;
	size_t round, i;

	for (round = 0; round < t->nr_rounds; round++) {
		shuffle(order, nr, &t->seed);
		for (i = 0; i < nr; i++)
			run_one(t, order[i] % t->nr_sections,
				order[i] / t->nr_sections, round);
	}
}

/* ---- figures ----------------------------------------------------------- */

size_t trials_section(const struct trials *t, const char *name)
{
	size_t i;

	for (i = 0; i < t->nr_sections; i++)
		if (!strcmp(t->section[i]->name, name))
			return i;
	return NO_SUCH;
}

size_t trials_adapter(const struct trials *t, const char *name)
{
	size_t i;

	for (i = 0; i < t->nr_adapters; i++)
		if (!strcmp(t->adapter[i]->name, name))
			return i;
	return NO_SUCH;
}

/* One value of each round. */
static void column(const struct trials *t, size_t section, size_t adapter,
		   double *values)
{
	size_t i;

	for (i = 0; i < t->nr_rounds; i++)
		values[i] = t->of[section][adapter][i].value;
}

double trials_median(const struct trials *t, size_t section, size_t adapter)
{
	double values[MAX_TRIAL_ROUNDS];

	column(t, section, adapter, values);
	return median(values, t->nr_rounds);
}

double trials_least(const struct trials *t, size_t section, size_t adapter)
{
	double values[MAX_TRIAL_ROUNDS];
	size_t i;

	for (i = 0; i < t->nr_rounds; i++)
		values[i] = t->of[section][adapter][i].least;
	return minimum(values, t->nr_rounds);
}

double trials_ended(const struct trials *t, size_t section, size_t adapter)
{
	size_t i, nr = 0;

	for (i = 0; i < t->nr_rounds; i++)
		nr += t->of[section][adapter][i].value < INFINITY;
	return (double)nr / (double)t->nr_rounds;
}

double trials_ratio(const struct trials *t, size_t section, size_t adapter,
		    size_t base_section, size_t base_adapter)
{
	double values[MAX_TRIAL_ROUNDS], bases[MAX_TRIAL_ROUNDS];

	column(t, section, adapter, values);
	column(t, base_section, base_adapter, bases);
	return median_ratio(values, bases, t->nr_rounds);
}

/* ---- tables ------------------------------------------------------------ */

static size_t first_of(const struct trials *t, size_t section)
{
	size_t i = 0;

	while (i < t->nr_adapters && !trials_ran(t, section, i))
		i++;
	return i;
}

static void print_row(const struct trials *t, size_t section, size_t adapter)
{
	double ratio = trials_ratio(t, section, adapter, section,
				    first_of(t, section));

	printf("%-12s ", t->adapter[adapter]->name);
	if (trials_ended(t, section, adapter) < 1)
		printf("%9s %9s %7s\n", "never", "", "");
	else
		printf("%9.2f %9.2f %7.2f\n",
		       trials_median(t, section, adapter),
		       trials_least(t, section, adapter), ratio);
}

static void print_section(const struct trials *t, size_t section)
{
	size_t i;

	printf("\n%s, %s\n%-12s %9s %9s %7s\n", t->section[section]->name,
	       t->section[section]->unit, "", "median", "least", "ratio");
	for (i = 0; i < t->nr_adapters; i++)
		if (trials_ran(t, section, i))
			print_row(t, section, i);
}

void trials_print(const struct trials *t)
{
	size_t i;

	for (i = 0; i < t->nr_sections; i++)
		if (first_of(t, i) < t->nr_adapters)
			print_section(t, i);
	fflush(stdout);
}

void trials_print_speedup(const struct trials *t, const char *section,
			  const char *base_section)
{
	size_t s = trials_section(t, section);
	size_t base = trials_section(t, base_section);
	size_t i;

	if (s == NO_SUCH || base == NO_SUCH)
		return;
	printf("\n%s, times %s\n%-12s %9s %9s\n", section, base_section, "",
	       "median", "best");
	for (i = 0; i < t->nr_adapters; i++)
		if (trials_ran(t, s, i) && trials_ran(t, base, i))
			printf("%-12s %9.2f %9.2f\n", t->adapter[i]->name,
			       trials_ratio(t, base, i, s, i),
			       trials_least(t, base, i) /
			       trials_least(t, s, i));
	fflush(stdout);
}

void trials_csv(const struct trials *t, FILE *csv)
{
	size_t s, a;

	fprintf(csv, "section,unit,peer,median,least,ended\n");
	for (s = 0; s < t->nr_sections; s++)
		for (a = 0; a < t->nr_adapters; a++)
			if (trials_ran(t, s, a))
				fprintf(csv, "%s,%s,%s,%.3f,%.3f,%.2f\n",
					t->section[s]->name,
					t->section[s]->unit,
					t->adapter[a]->name,
					trials_median(t, s, a),
					trials_least(t, s, a),
					trials_ended(t, s, a));
}
