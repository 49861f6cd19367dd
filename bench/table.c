/* SPDX-License-Identifier: MIT */
/*
 * table.c - the results of a configuration, for people and for programs
 *
 * One line for each pool, one structure for both forms.
 */
#include "config.h"

#include "table.h"

/* Medians over the rounds, but for the throughput's minimum and the sum of the
 * rescues. */
struct row {
	double	kops;
	double	least_kops;
	double	ratio;
	double	jain;
	double	max_min;
	double	wait_us[NR_WAIT_SHARES];
	double	longest_us;
	double	switches;
	double	cpu_us;
	double	rescues;
};

/* What ratios are to: mutex+cond, or the first pool where that is left out. */
static size_t base_of(const struct results *r)
{
	size_t base = rounds_find(r, peer_cond.name);

	return base == NOT_THERE ? 0 : base;
}

static struct row make_row(const struct results *r, size_t peer)
{
	struct row row = {
		.kops = ROUNDS_MEDIAN(r, peer, kops),
		.least_kops = ROUNDS_MINIMUM(r, peer, kops),
		.ratio = rounds_ratio(r, peer, base_of(r)),
		.jain = ROUNDS_MEDIAN(r, peer, jain),
		.max_min = ROUNDS_MEDIAN(r, peer, max_min),
		.longest_us = 1e-3 * ROUNDS_MEDIAN(r, peer, longest_ns),
		.switches = ROUNDS_MEDIAN(r, peer, switches),
		.cpu_us = 1e-3 * ROUNDS_MEDIAN(r, peer, cpu_ns),
		.rescues = rounds_sum(r, peer,
				      offsetof(struct outcome, rescues)),
	};
	size_t i;

	for (i = 0; i < NR_WAIT_SHARES; i++)
		row.wait_us[i] = 1e-3 *
			rounds_median(r, peer,
				      offsetof(struct outcome, wait_ns) +
				      i * sizeof(double));
	return row;
}

static void print_head(const struct results *r)
{
	const struct contest *c = &r->contest;

	printf("\n%d element%s, %d threads, each held %d ns%s\n",
	       c->nr_elements, c->nr_elements == 1 ? "" : "s", c->nr_threads,
	       c->hold_ns, c->hold_ns ? "" : " (one wait in 16 timed)");
	printf("%-11s %8s %8s %6s  %5s %7s  %8s %8s %8s %9s  %6s %6s\n",
	       "", "kops/s", "least", "ratio", "Jain", "max:min", "p50 us",
	       "p99 us", "p99.9 us", "longest", "sw/op", "CPU us");
}

static void print_row(const char *name, const struct row *row)
{
	printf("%-11s %8.1f %8.1f %6.2f  %5.3f %7.2f  %8.1f %8.1f %8.1f "
	       "%9.1f  %6.3f %6.2f\n", name, row->kops, row->least_kops,
	       row->ratio, row->jain, row->max_min, row->wait_us[0],
	       row->wait_us[1], row->wait_us[2], row->longest_us,
	       row->switches, row->cpu_us);
	if (row->rescues > 0)
		printf("%-11s lost a wake-up: %.0f threads slept for good "
		       "and had to be woken\n", "", row->rescues);
}

void table_print(const struct results *r)
{
	size_t p;

	print_head(r);
	for (p = 0; p < r->nr_peers; p++) {
		struct row row = make_row(r, p);

		print_row(r->peer[p]->name, &row);
	}
	fflush(stdout);
}

void table_csv_head(FILE *csv)
{
	fprintf(csv, "elements,threads,hold_ns,pool,kops,least_kops,ratio,"
		"jain,max_min,p50_us,p99_us,p999_us,longest_us,switches,"
		"cpu_us,rescues\n");
}

void table_csv(FILE *csv, const struct results *r)
{
	const struct contest *c = &r->contest;
	size_t p;

	for (p = 0; p < r->nr_peers; p++) {
		struct row row = make_row(r, p);

		fprintf(csv, "%d,%d,%d,%s,%.1f,%.1f,%.3f,%.4f,%.2f,%.2f,%.2f,"
			"%.2f,%.2f,%.4f,%.3f,%.0f\n", c->nr_elements,
			c->nr_threads, c->hold_ns, r->peer[p]->name, row.kops,
			row.least_kops, row.ratio, row.jain, row.max_min,
			row.wait_us[0], row.wait_us[1], row.wait_us[2],
			row.longest_us, row.switches, row.cpu_us, row.rescues);
	}
}
