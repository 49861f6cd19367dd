/* SPDX-License-Identifier: MIT */
/*
 * slabs.c - what the slab cache costs, in memory and in time
 *
 *   slabs [--quick] [--rounds N] [--check]
 *
 *   --quick    three rounds, and a tenth of the objects: does it run at all
 *   --check    compares with the limits below; exits with 1 if one is not kept
 *
 *   footprint  resident bytes beyond 64 of each of a million live objects of
 *              64 bytes
 *   create     making a cache, and a million objects, and touching each; the
 *              peers have their heap for it
 *   checks     a pair of calls with all checks on
 *   memory     resident bytes over live ones after a million allocations and
 *              frees in random order, 8 bytes to 128 KiB
 *
 * The peers are those allocators for everything that one would take first;
 * bench/peers has all of them, and what else they can be compared at.
 */
#include "config.h"

#include <err.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <kmempool/slab.h>

#include "adapter.h"
#include "figures.h"
#include "options.h"
#include "trials.h"
#include "verdict.h"

#define SEED		20260101
#define ROUNDS		9
#define QUICK_ROUNDS	3

/* Bytes; a ratio to tcmalloc's time; nanoseconds; a ratio to glibc's. */
#define MAX_FOOTPRINT	0.5
#define MAX_CREATE	1.5
#define MAX_CHECKED_NS	250.0
#define MAX_MEMORY	1.0

static void work_checks(const struct adapter *adapter, const struct job *job,
			struct outcome *outcome)
{
	size_t nr = job->quick ? job->nr / 10 : job->nr, i;
	struct kmem_cache *cache;
	uint64_t begin;

	cache = kmem_cache_create(adapter->name, (unsigned int)job->size, 0,
				  SLAB_POISON | SLAB_RED_ZONE |
				  SLAB_STORE_USER | SLAB_CONSISTENCY_CHECKS,
				  NULL);
	if (!cache)
		err(1, "kmem_cache_create");
	begin = now_ns();
	for (i = 0; i < nr; i++)
		kmem_cache_free(cache, kmem_cache_alloc(cache, GFP_KERNEL));
	outcome->value = (double)(now_ns() - begin) / (double)nr;
	outcome->least = outcome->value;
}

enum { FOOTPRINT, CREATE, CHECKS, MEMORY, NR_SECTIONS };

/* Of all these, only a cache has bulk calls. */
static const struct section sections[NR_SECTIONS] = {
	[FOOTPRINT] = { "footprint", "bytes beyond 64", PART_HEAP,
			work_footprint, 64, 1000000, 1 },
	[CREATE] = { "create", "ns per object", PART_HEAP, work_create,
		     64, 1000000, 1 },
	[CHECKS] = { "checks", "ns per pair", PART_BULK, work_checks,
		     64, 1000000, 1 },
	[MEMORY] = { "memory", "resident over live bytes", PART_MIX,
		     work_mix_memory, 64, 1000000, 1 },
};

static void check(const struct trials *t)
{
	size_t cache = trials_adapter(t, adapter_kmem_cache.name);
	size_t kmalloc = trials_adapter(t, adapter_kmalloc.name);
	size_t glibc = trials_adapter(t, adapter_glibc.name);
	size_t tcmalloc = trials_adapter(t, adapter_tcmalloc.name);

	verdict_at_most("footprint", "bytes beyond 64",
			trials_median(t, FOOTPRINT, cache), MAX_FOOTPRINT);
	if (tcmalloc != NO_SUCH)
		verdict_at_most("create", "kmem_cache/tcmalloc",
				trials_ratio(t, CREATE, cache, CREATE,
					     tcmalloc), MAX_CREATE);
	verdict_at_most("checks", "ns per pair",
			trials_median(t, CHECKS, cache), MAX_CHECKED_NS);
	verdict_at_most("memory", "kmalloc/glibc",
			trials_ratio(t, MEMORY, kmalloc, MEMORY, glibc),
			MAX_MEMORY);
}

int main(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "quick", no_argument, NULL, 'q' },
		{ "rounds", required_argument, NULL, 'r' },
		{ "check", no_argument, NULL, 'c' },
		{ NULL, 0, NULL, 0 }
	};
	static struct trials trials = { .seed = SEED };
	bool checked = false;
	int opt;
	size_t i;

	while ((opt = getopt_long(argc, argv, "", longopts, NULL)) != -1) {
		if (opt == 'q')
			trials.quick = true;
		else if (opt == 'c')
			checked = true;
		else if (opt == 'r')
			trials.nr_rounds = rounds_of(optarg, MAX_TRIAL_ROUNDS);
		else
			return 2;
	}
	if (!trials.nr_rounds)
		trials.nr_rounds = trials.quick ? QUICK_ROUNDS : ROUNDS;
	print_machine(stdout);
	printf("# %zu rounds, seed %d\n", trials.nr_rounds, SEED);
	for (i = 0; i < NR_SECTIONS; i++)
		trials_add_section(&trials, &sections[i]);
	trials_add_adapter(&trials, &adapter_kmem_cache);
	trials_add_adapter(&trials, &adapter_kmalloc);
	trials_add_adapter(&trials, &adapter_glibc);
	trials_add_adapter(&trials, &adapter_tcmalloc);
	trials_add_adapter(&trials, &adapter_mimalloc);
	trials_run(&trials);
	trials_print(&trials);
	return checked ? (check(&trials), verdict_status()) : 0;
}
