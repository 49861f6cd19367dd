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
 *   mix        resident bytes over live ones after a million allocations and
 *              frees in random order, 8 bytes to 128 KiB
 *
 * Each measurement is made in a process of its own, so that all begin with the
 * same heap.  Each round runs every way once, in an order drawn anew.  Peers
 * are loaded where they are installed: tcmalloc (gperftools) and mimalloc.
 */
#include "config.h"

#include <dlfcn.h>
#include <err.h>
#include <getopt.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kmempool/kmalloc.h>
#include <kmempool/slab.h>

#include "figures.h"
#include "verdict.h"

#define SEED		20260101
#define ROUNDS		9
#define QUICK_ROUNDS	3
#define MAX_ROUNDS	1000

#define OBJECT_SIZE	64
#define NR_OBJECTS	1000000
#define NR_PAIRS	1000000
#define NR_MIXED	1000000		/* operations */
#define NR_SLOTS	4096		/* half of them are live */

/* Bytes; a ratio to tcmalloc's time; nanoseconds; a ratio to glibc's. */
#define MAX_FOOTPRINT	0.5
#define MAX_CREATE	1.5
#define MAX_CHECKED_NS	250.0
#define MAX_MIX		1.0

struct way {
	const char	*name;
	const char	*soname;	/* NULL: linked */
	const char	*alloc_name, *free_name;
	void		*(*alloc)(size_t size);
	void		(*free)(void *p);
};

static struct kmem_cache *cache;	/* objects come from it, if there is one */

static void *ours(size_t size)
{
	return cache ? kmem_cache_alloc(cache, GFP_KERNEL)
		     : kmalloc(size, GFP_KERNEL);
}

static void ours_free(void *p)
{
	if (cache)
		kmem_cache_free(cache, p);
	else
		kfree(p);
}

enum { KMEMPOOL, GLIBC, TCMALLOC, MIMALLOC, NR_WAYS };

static struct way ways[NR_WAYS] = {
	[KMEMPOOL] = { .name = "kmempool", .alloc = ours, .free = ours_free },
	[GLIBC] = { .name = "glibc", .alloc = malloc, .free = free },
	[TCMALLOC] = { .name = "tcmalloc",
		       .soname = "libtcmalloc_minimal.so.4",
		       .alloc_name = "tc_malloc", .free_name = "tc_free" },
	[MIMALLOC] = { .name = "mimalloc", .soname = "libmimalloc.so.2.0",
		       .alloc_name = "mi_malloc", .free_name = "mi_free" },
};

static bool is_there[NR_WAYS];

static void find(struct way *way)
{
	void *library;

	if (!way->soname)
		return;
	library = dlopen(way->soname, RTLD_NOW | RTLD_LOCAL);
	if (!library)
		return;
	*(void **)&way->alloc = dlsym(library, way->alloc_name);
	*(void **)&way->free = dlsym(library, way->free_name);
}

static double resident(void)
{
	char line[256];
	double kib = 0;
	FILE *file = fopen("/proc/self/smaps_rollup", "r");

	if (!file)
		err(1, "/proc/self/smaps_rollup");
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "Rss: %lf", &kib) == 1)
			break;
	fclose(file);
	return kib * 1024;
}

static size_t nr_of(size_t nr, bool quick)
{
	return quick ? nr / 10 : nr;
}

/* ---- what is measured, in a process of its own ------------------------- */

static struct kmem_cache *make_cache(slab_flags_t flags)
{
	struct kmem_cache *made = kmem_cache_create("bench", OBJECT_SIZE, 0,
						    flags, NULL);

	if (!made)
		err(1, "kmem_cache_create");
	return made;
}

static void allocate(const struct way *way, void **objects, size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++) {
		objects[i] = way->alloc(OBJECT_SIZE);
		if (!objects[i])
			err(1, "%s", way->name);
		memset(objects[i], 1, OBJECT_SIZE);
	}
}

static void **make_slots(size_t nr)
{
	void **slots = malloc(nr * sizeof(*slots));

	if (!slots)
		err(1, "malloc");
	memset(slots, 0xff, nr * sizeof(*slots));
	return slots;
}

static double footprint(const struct way *way, bool quick)
{
	size_t nr = nr_of(NR_OBJECTS, quick);
	void **objects = make_slots(nr);
	double before;

	if (way == &ways[KMEMPOOL])
		cache = make_cache(0);
	allocate(way, objects, 1);	/* the code itself is resident then */
	before = resident();
	allocate(way, objects, nr);
	before = resident() - before;
	free(objects);
	return before / (double)nr - OBJECT_SIZE;
}

static double create(const struct way *way, bool quick)
{
	size_t nr = nr_of(NR_OBJECTS, quick);
	void **objects = make_slots(nr);
	uint64_t begin = now_ns();

	if (way == &ways[KMEMPOOL])
		cache = make_cache(0);
	allocate(way, objects, nr);
	begin = now_ns() - begin;
	free(objects);
	return (double)begin / (double)nr;
}

static double checks(const struct way *way, bool quick)
{
	size_t nr = nr_of(NR_PAIRS, quick), i;
	uint64_t begin;

	(void)way;
	cache = make_cache(SLAB_POISON | SLAB_RED_ZONE | SLAB_STORE_USER |
			   SLAB_CONSISTENCY_CHECKS);
	begin = now_ns();
	for (i = 0; i < nr; i++)
		kmem_cache_free(cache, kmem_cache_alloc(cache, GFP_KERNEL));
	return (double)(now_ns() - begin) / (double)nr;
}

/* As many of each power of two as of any other. */
static size_t draw_size(uint64_t *state)
{
	double exponent = 3 + (double)(next_random(state) % 14000) / 1000;

	return (size_t)exp2(exponent);
}

static double mix(const struct way *way, bool quick)
{
	size_t nr = nr_of(NR_MIXED, quick), i, at;
	static void *slots[NR_SLOTS];
	static size_t sizes[NR_SLOTS];
	uint64_t state = SEED;
	double live = 0, before;

	allocate(way, slots, 1);
	way->free(slots[0]);
	slots[0] = NULL;
	before = resident();
	for (i = 0; i < nr; i++) {
		at = next_random(&state) % NR_SLOTS;
		if (slots[at]) {
			way->free(slots[at]);
			slots[at] = NULL;
			live -= (double)sizes[at];
			continue;
		}
		sizes[at] = draw_size(&state);
		slots[at] = way->alloc(sizes[at]);
		if (!slots[at])
			err(1, "%s", way->name);
		memset(slots[at], 1, sizes[at]);
		live += (double)sizes[at];
	}
	return (resident() - before) / live;
}

/* ---- rounds ------------------------------------------------------------ */

typedef double (figure_fn)(const struct way *way, bool quick);

static double measure(figure_fn *figure, const struct way *way, bool quick)
{
	int fds[2], status;
	double value = 0;
	pid_t pid;

	if (pipe(fds))
		err(1, "pipe");
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (!pid) {
		value = figure(way, quick);
		_exit(write(fds[1], &value, sizeof(value)) != sizeof(value));
	}
	close(fds[1]);
	if (read(fds[0], &value, sizeof(value)) != sizeof(value))
		value = 0;
	close(fds[0]);
	if (waitpid(pid, &status, 0) != pid || status)
		errx(1, "%s failed", way->name);
	return value;
}

static double values[NR_WAYS][MAX_ROUNDS];

static void run(figure_fn *figure, size_t nr_ways, size_t rounds, bool quick)
{
	uint64_t state = SEED;
	size_t order[NR_WAYS];
	size_t round, i;

	for (round = 0; round < rounds; round++) {
		shuffle(order, nr_ways, &state);
		for (i = 0; i < nr_ways; i++)
			if (is_there[order[i]])
				values[order[i]][round] =
					measure(figure, &ways[order[i]], quick);
	}
}

static void print(const char *title, size_t nr_ways, size_t rounds)
{
	size_t i;

	printf("\n%s\n%-12s %9s %9s %7s\n", title, "", "median", "least",
	       "ratio");
	for (i = 0; i < nr_ways; i++)
		if (is_there[i])
			printf("%-12s %9.3f %9.3f %7.3f\n", ways[i].name,
			       median(values[i], rounds),
			       minimum(values[i], rounds),
			       median_ratio(values[i], values[GLIBC], rounds));
	fflush(stdout);
}

struct options {
	bool	quick;
	bool	check;
	size_t	rounds;
};

static void measure_all(const struct options *o)
{
	run(footprint, NR_WAYS, o->rounds, o->quick);
	print("footprint, bytes beyond 64", NR_WAYS, o->rounds);
	if (o->check)
		verdict_at_most("footprint", "bytes beyond 64",
				median(values[KMEMPOOL], o->rounds),
				MAX_FOOTPRINT);
	run(create, NR_WAYS, o->rounds, o->quick);
	print("create, ns per object", NR_WAYS, o->rounds);
	if (o->check && is_there[TCMALLOC])
		verdict_at_most("create", "kmempool/tcmalloc",
				median_ratio(values[KMEMPOOL], values[TCMALLOC],
					     o->rounds), MAX_CREATE);
	run(checks, 1, o->rounds, o->quick);
	printf("\nchecks, ns per pair: median %.1f, least %.1f\n",
	       median(values[KMEMPOOL], o->rounds),
	       minimum(values[KMEMPOOL], o->rounds));
	if (o->check)
		verdict_at_most("checks", "ns per pair",
				median(values[KMEMPOOL], o->rounds),
				MAX_CHECKED_NS);
	run(mix, NR_WAYS, o->rounds, o->quick);
	print("mix, resident over live bytes", NR_WAYS, o->rounds);
	if (o->check)
		verdict_at_most("mix", "kmempool/glibc",
				median_ratio(values[KMEMPOOL], values[GLIBC],
					     o->rounds), MAX_MIX);
}

static size_t number(const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*end || !n || n > MAX_ROUNDS)
		errx(2, "--rounds takes 1 to %d", MAX_ROUNDS);
	return n;
}

int main(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "quick", no_argument, NULL, 'q' },
		{ "rounds", required_argument, NULL, 'r' },
		{ "check", no_argument, NULL, 'c' },
		{ NULL, 0, NULL, 0 }
	};
	struct options o = { .rounds = 0 };
	int opt;
	size_t i;

	while ((opt = getopt_long(argc, argv, "", longopts, NULL)) != -1) {
		if (opt == 'q')
			o.quick = true;
		else if (opt == 'c')
			o.check = true;
		else if (opt == 'r')
			o.rounds = number(optarg);
		else
			return 2;
	}
	if (!o.rounds)
		o.rounds = o.quick ? QUICK_ROUNDS : ROUNDS;
	for (i = 0; i < NR_WAYS; i++) {
		find(&ways[i]);
		is_there[i] = ways[i].alloc && ways[i].free;
		if (!is_there[i])
			printf("# %s: skipped, %s is not installed\n",
			       ways[i].name, ways[i].soname);
	}
	print_machine(stdout);
	printf("# %zu rounds, seed %d\n", o.rounds, SEED);
	measure_all(&o);
	return o.check ? verdict_status() : 0;
}
