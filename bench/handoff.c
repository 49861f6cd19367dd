/* SPDX-License-Identifier: MIT */
/*
 * handoff.c - one element from thread to thread, and the ways around that
 *
 *   handoff [--quick] [--rounds N] [--csv FILE] [--check] [--plant DEFECT]
 *
 *   --quick    three rounds, each a third as long: does it run at all
 *   --csv      writes the figures to a file, too
 *   --check    compares with the limits below; exits with 1 if one is not kept
 *   --plant    wastes time in relay, pairs or idle, to see --check fail
 *
 * Three questions:
 *
 *   relay   How long does it take to hand an element to a thread that waits
 *           for it, on another CPU or on the same one?
 *   pairs   What do an allocation and a free cost while the backend is dead
 *           and the reserve is not empty?
 *   idle    What does a thread use that waits, and gets nothing?
 *
 * Each round runs every way once, in an order drawn anew; "ratio" is the
 * median of a way's time over that of futex or mutex+array in the same round.
 * "sw/op" is voluntary context switches.
 */
#include "config.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpus.h"
#include "figures.h"
#include "idle.h"
#include "options.h"
#include "pairs.h"
#include "relay.h"
#include "verdict.h"

#define SEED		20260101
#define ROUNDS		15
#define QUICK_ROUNDS	3
#define MAX_ROUNDS	1000
#define MAX_WAYS	4
#define RELAY_MS	60
#define PAIRS_MS	60
#define IDLE_ROUNDS	3

/* Ratios to a futex's, to mutex+array's, and milliseconds in a second. */
#define MAX_RELAY_ACROSS	0.2
#define MAX_RELAY_WITHIN	1.2
#define MAX_PAIR		1.0
#define MAX_IDLE_MS		1.0

struct options {
	bool	quick;
	bool	check;
	FILE	*csv;
	size_t	rounds;
};

/* One table; a way that did not run has no name. */
struct table {
	const char	*title;
	const char	*unit;
	size_t		nr_rounds;
	size_t		base;
	const char	*name[MAX_WAYS];
	double		value[MAX_WAYS][MAX_ROUNDS];
	double		switches[MAX_WAYS][MAX_ROUNDS];
};

static double table_ratio(const struct table *t, size_t way)
{
	return median_ratio(t->value[way], t->value[t->base], t->nr_rounds);
}

static void print_way(const struct table *t, size_t way, FILE *csv)
{
	double middle = median(t->value[way], t->nr_rounds);
	double least = minimum(t->value[way], t->nr_rounds);
	double ratio = table_ratio(t, way);
	double switches = median(t->switches[way], t->nr_rounds);

	printf("%-14s %9.1f %9.1f %7.3f %7.3f\n", t->name[way], middle, least,
	       ratio, switches);
	if (csv)
		fprintf(csv, "%s,%s,%s,%.2f,%.2f,%.4f,%.4f\n", t->title,
			t->name[way], t->unit, middle, least, ratio, switches);
}

static void print_table(const struct table *t, FILE *csv)
{
	size_t way;

	printf("\n%s, %s\n%-14s %9s %9s %7s %7s\n", t->title, t->unit, "",
	       "median", "least", "ratio", "sw/op");
	for (way = 0; way < MAX_WAYS; way++)
		if (t->name[way])
			print_way(t, way, csv);
	fflush(stdout);
}

static int part_of(int ms, const struct options *o)
{
	return o->quick ? ms / 3 : ms;
}

/* ---- relay ------------------------------------------------------------- */

static void run_relay(struct table *t, const int cpu[2], int duration_ms,
		      uint64_t *seed)
{
	size_t order[NR_RELAY_WAYS];
	size_t round, i;

	for (round = 0; round < t->nr_rounds; round++) {
		shuffle(order, NR_RELAY_WAYS, seed);
		for (i = 0; i < NR_RELAY_WAYS; i++) {
			const struct relay_way *way = &relay_ways[order[i]];
			struct relay_outcome outcome;

			if (way->never_sleeps && cpu[0] == cpu[1])
				continue;
			relay_run(way, cpu, duration_ms, &outcome);
			t->name[order[i]] = way->name;
			t->value[order[i]][round] = outcome.one_way_ns;
			t->switches[order[i]][round] = outcome.switches;
		}
	}
}

static void time_relay(const struct options *o, const char *title,
		       const int cpu[2], double limit, uint64_t *seed)
{
	static struct table table;

	memset(&table, 0, sizeof(table));
	table.title = title;
	table.unit = "ns one way";
	table.nr_rounds = o->rounds;
	table.base = RELAY_FUTEX;
	run_relay(&table, cpu, part_of(RELAY_MS, o), seed);
	print_table(&table, o->csv);
	if (o->check)
		verdict_at_most(title, "kmempool/futex",
				table_ratio(&table, RELAY_POOL), limit);
}

static void time_relays(const struct options *o, uint64_t *seed)
{
	int cpu[2];
	int nr = cpus_first(cpu, 2);

	if (nr == 2)
		time_relay(o, "across two cores", cpu, MAX_RELAY_ACROSS, seed);
	else
		printf("\nacross two cores: skipped, there is one CPU\n");
	cpu[1] = cpu[0];
	time_relay(o, "within one core", cpu, MAX_RELAY_WITHIN, seed);
}

/* ---- pairs ------------------------------------------------------------- */

static void run_pairs(struct table *t, int nr_threads, int duration_ms,
		      uint64_t *seed)
{
	size_t order[NR_PAIRS_WAYS];
	size_t round, i;

	for (i = 0; i < NR_PAIRS_WAYS; i++)
		t->name[i] = pairs_ways[i].name;
	for (round = 0; round < t->nr_rounds; round++) {
		shuffle(order, NR_PAIRS_WAYS, seed);
		for (i = 0; i < NR_PAIRS_WAYS; i++) {
			struct pairs_outcome outcome;

			pairs_run(&pairs_ways[order[i]], nr_threads,
				  duration_ms, &outcome);
			t->value[order[i]][round] = outcome.pair_ns;
			t->switches[order[i]][round] = outcome.switches;
		}
	}
}

static void time_pairs(const struct options *o, const char *title,
		       int nr_threads, uint64_t *seed)
{
	static struct table table;

	memset(&table, 0, sizeof(table));
	table.title = title;
	table.unit = "ns per pair";
	table.nr_rounds = o->rounds;
	table.base = PAIRS_ARRAY;
	run_pairs(&table, nr_threads, part_of(PAIRS_MS, o), seed);
	print_table(&table, o->csv);
	if (o->check)
		verdict_at_most(title, "dead backend/mutex+array",
				table_ratio(&table, PAIRS_DEAD), MAX_PAIR);
}

/* ---- idle -------------------------------------------------------------- */

static void time_idle(const struct options *o)
{
	double ms[IDLE_ROUNDS];
	size_t i;

	for (i = 0; i < IDLE_ROUNDS; i++)
		ms[i] = idle_run();
	printf("\na waiter for one second, nothing freed: %.3f ms of CPU, "
	       "least %.3f\n", median(ms, IDLE_ROUNDS),
	       minimum(ms, IDLE_ROUNDS));
	if (o->csv)
		fprintf(o->csv, "idle,kmempool,ms of CPU in 1 s,%.4f,%.4f,,\n",
			median(ms, IDLE_ROUNDS), minimum(ms, IDLE_ROUNDS));
	if (o->check)
		verdict_at_most("idle waiter", "ms of CPU in a second",
				median(ms, IDLE_ROUNDS), MAX_IDLE_MS);
}

/* ---- options ----------------------------------------------------------- */

static void usage(void)
{
	fprintf(stderr, "usage: handoff [--quick] [--rounds N] [--csv FILE] "
		"[--check]\n");
	exit(2);
}

static void plant(const char *what)
{
	if (!strcmp(what, "relay"))
		relay_waste_ns = 30000;
	else if (!strcmp(what, "pairs"))
		pairs_waste_ns = 500;
	else if (!strcmp(what, "idle"))
		idle_waste_ns = 1000000;
	else
		usage();
}

static void parse_options(struct options *o, int argc, char **argv)
{
	static const struct option names[] = {
		{ "quick", no_argument, NULL, 'q' },
		{ "rounds", required_argument, NULL, 'r' },
		{ "csv", required_argument, NULL, 'c' },
		{ "check", no_argument, NULL, 'k' },
		{ "plant", required_argument, NULL, 'x' },
		{ NULL, 0, NULL, 0 }
	};
	int c;

	while ((c = getopt_long(argc, argv, "", names, NULL)) != -1)
		switch (c) {
		case 'q':
			o->quick = true;
			break;
		case 'r':
			o->rounds = rounds_of(optarg, MAX_ROUNDS);
			break;
		case 'c':
			o->csv = csv_of(optarg);
			print_machine(o->csv);
			fprintf(o->csv, "title,way,unit,median,least,ratio,"
				"switches\n");
			break;
		case 'k':
			o->check = true;
			break;
		case 'x':
			plant(optarg);
			break;
		default:
			usage();
		}
	if (optind < argc)
		usage();
	if (!o->rounds)
		o->rounds = o->quick ? QUICK_ROUNDS : ROUNDS;
}

int main(int argc, char **argv)
{
	struct options o = { .quick = false };
	uint64_t seed = SEED;

	parse_options(&o, argc, argv);
	print_machine(stdout);
	printf("# %zu rounds, seed %d\n", o.rounds, SEED);
	time_relays(&o, &seed);
	time_pairs(&o, "reserve by 1 thread", 1, &seed);
	time_pairs(&o, "reserve by 2 threads", 2, &seed);
	time_idle(&o);
	if (o.csv && fclose(o.csv)) {
		perror("handoff: --csv");
		return 2;
	}
	return o.check ? verdict_status() : 0;
}
