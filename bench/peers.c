/* SPDX-License-Identifier: MIT */
/*
 * peers.c - kmempool beside the allocators of other libraries
 *
 *   peers [--quick] [--rounds N] [--only SECTION,...] [--peers NAME,...]
 *         [--csv FILE] [--check] [--plant WHAT]
 *
 *   --quick    three rounds, each a tenth as long: does it run at all
 *   --only     some of the sections below
 *   --peers    kmempool's ways, and some of the others
 *   --csv      writes the figures to a file, too; for the plot:
 *                  bench/peers --csv bench/peers.csv
 *                  bench/plot.sh peers bench/peers.csv bench/peers.svg
 *   --check    compares with goals.c; exits with 1 if a goal is missed
 *   --plant    has something else stand in for kmempool (adapter_plant.h), to
 *              see that a goal can be reached and be missed
 *
 *   pair-SIZE  taking an object and giving it back, over and over
 *   pair-64xNR the same by so many threads at once, 2 to 16; the last tables
 *              are the throughput of all to that of pair-64, in the same round
 *              and at best
 *   batch-NR   taking so many and then giving all back, by one call for each;
 *              APR's pools go back as a whole
 *   bulk-NR    the same, by one call for all
 *   across     one CPU takes, another gives back; they come over in batches
 *              of 32
 *   reserve-NR pairs where nothing is to be had but what was set aside, by so
 *              many threads
 *   last       the other CPU has all there are in its cache: how long this one
 *              waits for them.  "never": it does not get them while the other
 *              CPU is busy elsewhere
 *   footprint, create, memory, mix
 *              a million objects, and objects of all sizes: as bench/slabs
 *
 * Each run is a process of its own, in threads on a CPU of their own; what wants
 * more CPUs than there are is left out, in words.  "least" is the best stretch
 * of all rounds, of a fifth of a millisecond or more, for two threads and more
 * of a whole one; "ratio" is the median of the time to that of the first line in
 * the same round.  "nothing" is what the loops take.
 */
#include "config.h"

#include <err.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kmempool/slab.h>

#include "adapter_plant.h"
#include "adapters.h"
#include "figures.h"
#include "goals.h"
#include "options.h"
#include "trials.h"
#include "verdict.h"

#define SEED		20260101
#define ROUNDS		9
#define QUICK_ROUNDS	3
#define NR(array)	(sizeof(array) / sizeof((array)[0]))

/* Static TLS for libraries that are loaded: jemalloc wants some 3 KiB. */
#define TUNABLE		"glibc.rtld.optional_static_tls=16384"

static const struct section sections[] = {
	{ "pair-64", "ns per pair", PART_PAIR, work_pairs, 64, 1, 1 },
	{ "pair-256", "ns per pair", PART_PAIR, work_pairs, 256, 1, 1 },
	{ "pair-4096", "ns per pair", PART_PAIR, work_pairs, 4096, 1, 1 },
	{ "pair-64x2", "ns per pair of all together", PART_THREADS, work_pairs,
	  64, 2, 2 },
	{ "pair-64x4", "ns per pair of all together", PART_THREADS, work_pairs,
	  64, 4, 4 },
	{ "pair-64x8", "ns per pair of all together", PART_THREADS, work_pairs,
	  64, 8, 8 },
	{ "pair-64x16", "ns per pair of all together", PART_THREADS, work_pairs,
	  64, 16, 16 },
	{ "batch-32", "ns per object", PART_BATCH, work_batches, 64, 32, 1 },
	{ "batch-256", "ns per object", PART_BATCH, work_batches, 64, 256, 1 },
	{ "bulk-32", "ns per object", PART_BULK, work_bulk, 64, 32, 1 },
	{ "bulk-256", "ns per object", PART_BULK, work_bulk, 64, 256, 1 },
	{ "across", "ns per object", PART_THREADS, work_across, 64, 2, 2 },
	{ "reserve-1", "ns per pair", PART_RESERVE, work_pairs, 64, 1, 1 },
	{ "reserve-2", "ns per pair of all together", PART_RESERVE, work_pairs,
	  64, 2, 2 },
	{ "reserve-4", "ns per pair of all together", PART_RESERVE, work_pairs,
	  64, 4, 4 },
	{ "reserve-8", "ns per pair of all together", PART_RESERVE, work_pairs,
	  64, 8, 8 },
	{ "reserve-16", "ns per pair of all together", PART_RESERVE, work_pairs,
	  64, 16, 16 },
	{ "last", "us", PART_LAST, work_last, 64, 2, 2 },
	{ "footprint", "bytes beyond 64", PART_HEAP, work_footprint,
	  64, 1000000, 1 },
	{ "create", "ns per object", PART_HEAP, work_create, 64, 1000000, 1 },
	{ "memory", "resident over live bytes", PART_MIX, work_mix_memory,
	  64, 100000, 1 },
	{ "mix", "ns per operation", PART_MIX, work_mix_time, 64, 100000, 1 },
};

/* What kmempool's objects come out of first. */
static const char *ours_path(void)
{
	static const char *const paths[] = {
		[KMEM_CACHE_LAYER_NONE] = "fallback, each call takes a lock",
		[KMEM_CACHE_LAYER_CLAIMED] = "fallback, threads claim magazines",
		[KMEM_CACHE_LAYER_CPU] = "rseq, a magazine for each CPU",
	};
	struct kmem_cache *cache = kmem_cache_create("path", 64, 0, 0, NULL);
	struct kmem_cache_stats stats;

	if (!cache || kmem_cache_get_stats(cache, &stats, sizeof(stats)))
		errx(2, "no cache");
	kmem_cache_destroy(cache);
	return paths[stats.layer];
}

/* The loader reads it once, before main(). */
static void make_room(char **argv)
{
	if (getenv("GLIBC_TUNABLES"))
		return;
	setenv("GLIBC_TUNABLES", TUNABLE, 1);
	execv("/proc/self/exe", argv);
	warn("jemalloc may not load: /proc/self/exe");
}

/* ---- options ----------------------------------------------------------- */

struct options {
	bool	check;
	FILE	*csv;
	char	*only;		/* NULL: all */
	char	*peers;		/* NULL: all */
	size_t	rounds;
	bool	quick;
};

static void usage(void)
{
	fprintf(stderr, "usage: peers [--quick] [--rounds N] "
		"[--only SECTION,...] [--peers NAME,...]\n"
		"       [--csv FILE] [--check] [--plant WHAT]\n");
	exit(2);
}

/* Whether a list, with commas, has this in it. */
static bool lists(const char *list, const char *name)
{
	size_t length = strlen(name);
	const char *at;

	for (at = list; at; at = strchr(at, ',')) {
		at += *at == ',';
		if (!strncmp(at, name, length) &&
		    (at[length] == ',' || !at[length]))
			return true;
	}
	return false;
}

static size_t nr_in(const char *list)
{
	size_t nr = 1;

	while ((list = strchr(list, ','))) {
		list++;
		nr++;
	}
	return nr;
}

static void add_sections(struct trials *t, const struct options *o)
{
	size_t i, nr = 0;

	for (i = 0; i < NR(sections); i++)
		if (!o->only || lists(o->only, sections[i].name)) {
			trials_add_section(t, &sections[i]);
			nr++;
		}
	if (o->only && nr != nr_in(o->only))
		errx(2, "no such section: %s", o->only);
}

static bool is_ours(const struct adapter *adapter)
{
	return adapter == &adapter_kmem_cache || adapter == &adapter_mempool ||
	       adapter == &adapter_kmalloc || adapter == &adapter_reserve ||
	       adapter == &adapter_reserve_lock;
}

static void add_adapters(struct trials *t, const struct options *o)
{
	size_t i;

	for (i = 0; adapters[i]; i++)
		if (!o->peers || is_ours(adapters[i]) ||
		    lists(o->peers, adapters[i]->name))
			trials_add_adapter(t, plant_of(adapters[i]));
	if (*adapters_left_out)
		printf("# skipped, not there when this was built:%s\n",
		       adapters_left_out);
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
			o->rounds = rounds_of(optarg, MAX_TRIAL_ROUNDS);
			break;
		case 'o':
			o->only = optarg;
			break;
		case 'p':
			o->peers = optarg;
			break;
		case 'c':
			o->csv = csv_of(optarg);
			break;
		case 'k':
			o->check = true;
			break;
		case 'x':
			if (!plant_choose(optarg))
				usage();
			break;
		default:
			usage();
		}
	if (optind < argc)
		usage();
}

int main(int argc, char **argv)
{
	static struct trials trials = { .seed = SEED };
	struct options o = { .quick = false };

	make_room(argv);
	parse_options(&o, argc, argv);
	print_machine(stdout);
	trials.quick = o.quick;
	trials.nr_rounds = o.rounds ? o.rounds :
			   o.quick ? QUICK_ROUNDS : ROUNDS;
	printf("# %zu rounds, seed %d; path: %s\n", trials.nr_rounds, SEED,
	       ours_path());
	add_sections(&trials, &o);
	add_adapters(&trials, &o);
	trials_run(&trials);
	trials_print(&trials);
	trials_print_speedup(&trials, "pair-64x2", "pair-64");
	trials_print_speedup(&trials, "pair-64x4", "pair-64");
	trials_print_speedup(&trials, "pair-64x8", "pair-64");
	trials_print_speedup(&trials, "pair-64x16", "pair-64");
	if (o.csv) {
		print_machine(o.csv);
		trials_csv(&trials, o.csv);
		if (fclose(o.csv))
			err(2, "--csv");
	}
	if (!o.check)
		return 0;
	printf("\n");
	goals_check(&trials);
	return verdict_status();
}
