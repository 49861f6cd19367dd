/* SPDX-License-Identifier: MIT */
/*
 * contention.c - more threads than elements: how fast, how fair, how long
 *
 *   contention [--quick] [--rounds N] [--only ELEMENTS,THREADS,HOLD_NS]
 *              [--peers NAME,...] [--csv FILE] [--check] [--plant DEFECT]
 *
 *   --quick    three rounds, each a third as long: does it run at all
 *   --only     one configuration, of any size
 *   --csv      writes the figures of the table to a file, too
 *   --check    compares with limits.c; exits with 1 if a limit is not kept
 *   --plant    breaks kmempool (plant.h), to see --check fail
 *
 * Each thread takes an element, holds it for a while and gives it back, over
 * and over, on whatever CPU the system puts it.  Figures are medians over the
 * rounds.  "ratio" is the median of a pool's throughput over that of mutex+cond
 * in the same round, so what the machine did meanwhile falls out; "least" is
 * the throughput of the worst round.  Jain's index and max:min are of the
 * operations per thread in one round.  A wait is the time inside the call that
 * takes; "longest" is the longest of a round.  "sw/op" and "CPU us" are
 * voluntary context switches and CPU time per operation.
 */
#include "config.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "figures.h"
#include "limits.h"
#include "options.h"
#include "plant.h"
#include "pools.h"
#include "rounds.h"
#include "table.h"
#include "verdict.h"

#define SEED		20260101
#define ROUNDS		9
#define QUICK_ROUNDS	3
#define MAX_ROUNDS	1000
#define NR(array)	(sizeof(array) / sizeof((array)[0]))

static const int all_elements[] = { 1, 4 };
static const int all_threads[] = { 2, 4, 16, 64 };
static const int all_holds_ns[] = { 0, 1000 };

#define NR_CONTESTS	(NR(all_elements) * NR(all_threads) * NR(all_holds_ns))

struct options {
	bool			quick;
	bool			check;
	FILE			*csv;
	const struct peer	*plant;
	struct results		todo;	/* nr_threads 0 for all contests */
};

/* ---- running ----------------------------------------------------------- */

/* With 64 threads on few CPUs a scheduler needs longer to let each have its
 * turn. */
static int duration_ms(const struct options *o, const struct contest *c)
{
	int ms = c->nr_threads >= 64 ? 600 : 150;

	return o->quick ? ms / 3 : ms;
}

static void run_contest(const struct options *o, struct results *r,
			uint64_t *seed)
{
	rounds_run(r, duration_ms(o, &r->contest), seed);
	table_print(r);
	if (o->csv)
		table_csv(o->csv, r);
}

static struct contest contest_nr(size_t i)
{
	struct contest c;

	c.nr_threads = all_threads[i % NR(all_threads)];
	i /= NR(all_threads);
	c.nr_elements = all_elements[i % NR(all_elements)];
	i /= NR(all_elements);
	c.hold_ns = all_holds_ns[i];
	return c;
}

static int run_contests(const struct options *o)
{
	size_t nr = o->todo.contest.nr_threads ? 1 : NR_CONTESTS;
	struct results results[NR_CONTESTS];
	uint64_t seed = SEED;
	size_t i;
	int status = 0;

	for (i = 0; i < nr; i++) {
		results[i] = o->todo;
		if (nr > 1)
			results[i].contest = contest_nr(i);
		run_contest(o, &results[i], &seed);
	}
	if (o->check) {
		printf("\n");
		for (i = 0; i < nr; i++)
			limits_check(&results[i]);
		status = verdict_status();
	}
	for (i = 0; i < nr; i++)
		rounds_free(&results[i]);
	return status;
}

/* ---- options ----------------------------------------------------------- */

static void usage(void)
{
	fprintf(stderr, "usage: contention [--quick] [--rounds N] "
		"[--only ELEMENTS,THREADS,HOLD_NS]\n"
		"       [--peers NAME,...] [--csv FILE] [--check]\n");
	exit(2);
}

static void refuse(const char *what, const char *name)
{
	fprintf(stderr, "contention: %s: %s\n", what, name);
	exit(2);
}

static void add_peer(struct results *r, const struct peer *peer)
{
	if (r->nr_peers == MAX_PEERS)
		refuse("too many pools", peer->name);
	r->peer[r->nr_peers++] = peer;
}

static void choose_peers(struct results *r, char *names)
{
	char *name;

	for (name = strtok(names, ","); name; name = strtok(NULL, ",")) {
		const struct peer *peer = peer_find(name);

		if (!peer)
			refuse("no such pool", name);
		add_peer(r, peer);
	}
}

static void choose_all_peers(struct results *r)
{
	size_t i;

	for (i = 0; peers[i]; i++)
		add_peer(r, peers[i]);
}

static void choose_contest(struct contest *c, const char *arg)
{
	if (sscanf(arg, "%d,%d,%d", &c->nr_elements, &c->nr_threads,
		   &c->hold_ns) != 3 ||
	    c->nr_elements < 1 || c->nr_threads < 1 || c->hold_ns < 0)
		usage();
}

static void choose_plant(struct options *o, const char *what)
{
	o->plant = plant_find(what);
	if (!o->plant)
		refuse("no such defect", what);
}

static void parse_options(struct options *o, int argc, char **argv)
{
	static const struct option names[] = {
		{ "quick", no_argument, NULL, 'q' },
		{ "rounds", required_argument, NULL, 'r' },
		{ "only", required_argument, NULL, 'o' },
		{ "peers", required_argument, NULL, 'p' },
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
			o->todo.nr_rounds = rounds_of(optarg, MAX_ROUNDS);
			break;
		case 'o':
			choose_contest(&o->todo.contest, optarg);
			break;
		case 'p':
			choose_peers(&o->todo, optarg);
			break;
		case 'c':
			o->csv = csv_of(optarg);
			break;
		case 'k':
			o->check = true;
			break;
		case 'x':
			choose_plant(o, optarg);
			break;
		default:
			usage();
		}
	if (optind < argc)
		usage();
	if (!o->todo.nr_rounds)
		o->todo.nr_rounds = o->quick ? QUICK_ROUNDS : ROUNDS;
}

static void plant(struct options *o)
{
	size_t own = rounds_find(&o->todo, o->plant->name);

	if (own != NOT_THERE)
		o->todo.peer[own] = o->plant;
}

int main(int argc, char **argv)
{
	struct options o = { .quick = false };
	int status;

	parse_options(&o, argc, argv);
	if (!o.todo.nr_peers)
		choose_all_peers(&o.todo);
	if (o.plant)
		plant(&o);
	print_machine(stdout);
	printf("# %zu rounds, seed %d\n", o.todo.nr_rounds, SEED);
	if (o.csv) {
		print_machine(o.csv);
		table_csv_head(o.csv);
	}
	status = run_contests(&o);
	if (o.csv && fclose(o.csv)) {
		perror("contention: --csv");
		return 2;
	}
	return status;
}
