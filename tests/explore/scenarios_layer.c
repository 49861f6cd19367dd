/* SPDX-License-Identifier: MIT */
/*
 * scenarios_layer.c - few threads on two CPUs, and magazines of two objects
 */
#include "config.h"

#include <errno.h>

#include "cpus.h"
#include "debug.h"
#include "lane.h"
#include "scenarios_cache.h"
#include "world.h"

#define CAP	2

static void give_layer(struct kmem_cache *c, bool by_cpu)
{
	debug_no_layer = false;
	cpus_begin(by_cpu);
	require(layer_init(&c->layer, 64, 0));
	c->layer.cap = c->layer.cap_max = CAP;
	debug_no_layer = true;
}

static void layer_world(bool by_cpu, unsigned int size, unsigned int nr_runs)
{
	cache_world(size, false, nr_runs);
	give_layer(cache, by_cpu);
}

/* The objects that are free, in the lane of CPU 0, or of all. */
static void leave_in_lane(unsigned int nr)
{
	void *objects[CAP];
	unsigned int i;

	for (i = 0; i < nr; i++)
		objects[i] = taken(cache);
	for (i = 0; i < nr; i++)
		kmem_cache_free(cache, objects[i]);
}

/* That of this CPU, which had one object when it was loaded.  @used: and of which
 * some were taken. */
static void fill_lane(bool used)
{
	void *objects[CAP];
	unsigned int i;

	for (i = 0; i < CAP; i++)
		objects[i] = taken(cache);
	layer_flush(cache, false);
	for (i = 0; i < CAP; i++)
		kmem_cache_free(cache, objects[i]);
	if (used)
		takes_and_frees(&cache);
}

static uint64_t held_by_layer(void)
{
	struct layer_count count;

	layer_sum(cache, &count);
	return count.held;
}

static void check_layer(void)
{
	require(cache->active == held_by_layer());
	layer_flush(cache, true);
	require(!cache->layer.recall.limbo && !cache->layer.recall.nr_loaded);
	check_caches();
}

/* ---- fibers ------------------------------------------------------------ */

static unsigned int nr_kept;

/* There are enough. */
static void takes_and_keeps(void *where)
{
	void **object = where;

	*object = kmem_cache_alloc(cache, GFP_NOWAIT);
	require(*object);
	use(*object);
	nr_kept++;
}

static void takes_and_frees_twice(void *unused)
{
	(void)unused;
	takes_and_frees(&cache);
	takes_and_frees(&cache);
}

static void frees_two(void *objects)
{
	void **two = objects;

	frees(two[0]);
	frees(two[1]);
}

/* What others have of it is out there, but nothing is out of reach. */
static void forks_and_recalls(void *unused)
{
	(void)unused;
	if (!explore_fork())
		return;
	takes_and_frees(&cache);
	require(!kmem_cache_shrink(cache));
	require(held_by_layer() == 0);
	check_lists(cache);
}

static void looks(void *unused)
{
	struct kmem_cache_stats stats;

	(void)unused;
	require(!kmem_cache_get_stats(cache, &stats, sizeof(stats)));
	require(stats.active <= stats.objects);
	require(stats.frees <= stats.allocs);
}

static int uses_it(struct kmem_cache *visited, void *unused)
{
	(void)unused;
	if (visited == cache)
		takes_and_frees(&cache);
	return 0;
}

static void visits(void *unused)
{
	(void)unused;
	require(!kmem_cache_for_each(uses_it, NULL));
}

static void cannot_destroy(void *unused)
{
	(void)unused;
	require(kmem_cache_destroy(cache) == -EBUSY);
}

/* One is out all the time, and another now and then. */
static void counts_one_or_two(void *unused)
{
	struct layer_count count;

	(void)unused;
	cache_lock(cache);
	layer_count(cache, &count);
	require(count.held == cache->active - 1 ||
		count.held == cache->active - 2);
	layer_unlock(cache);
}

/* ---- scenarios --------------------------------------------------------- */

static void *kept[NR_FIBERS];

static void check_kept(void)
{
	int i;

	for (i = 0; i < NR_FIBERS; i++)
		if (kept[i])
			kmem_cache_free(cache, kept[i]);
	check_layer();
}

static void keep_none(void)
{
	int i;

	nr_kept = 0;
	for (i = 0; i < NR_FIBERS; i++)
		kept[i] = NULL;
}

static void layer_two_on_a_cpu(void)
{
	layer_world(true, HALF / 2, 4);
	leave_in_lane(1);
	explore_spawn("a", takes_and_frees, &cache);
	explore_spawn("b", takes_and_frees, &cache);
}

static void layer_two_migrate(void)
{
	layer_world(true, HALF / 2, 4);
	leave_in_lane(1);
	explore_spawn("a", takes_and_frees, &cache);
	explore_spawn("b", takes_and_frees, &cache);
	cpus_migrate(0);
	cpus_migrate(1);
	cpus_place(1, 1);
}

static void *two[2];

/* What a full lane has goes on while another uses it; half of it, if any was taken
 * before. */
static void frees_against_use(bool by_cpu, bool used)
{
	layer_world(by_cpu, HALF / 2, 4);
	two[0] = taken(cache);
	two[1] = taken(cache);
	fill_lane(used);
	explore_spawn("frees", frees_two, two);
	explore_spawn("takes", takes_and_frees, &cache);
}

static void layer_handed_on(void)
{
	frees_against_use(true, false);
}

static void layer_halved(void)
{
	frees_against_use(true, true);
}

static void layer_shrink_against_use(void)
{
	layer_world(true, HALF / 2, 4);
	leave_in_lane(2);
	explore_spawn("uses", takes_and_frees_twice, NULL);
	explore_spawn("shrinks", shrinks, NULL);
	cpus_place(1, 1);
}

static void layer_shrink_against_free(void)
{
	layer_world(true, WHOLE, 4);
	two[0] = taken(cache);
	two[1] = taken(cache);
	explore_spawn("frees", frees_two, two);
	explore_spawn("shrinks", shrinks, NULL);
	cpus_place(1, 1);
}

static void layer_shrink_against_halving(void)
{
	layer_world(true, HALF / 2, 4);
	two[0] = taken(cache);
	fill_lane(true);
	explore_spawn("frees", frees, two[0]);
	explore_spawn("shrinks", shrinks, NULL);
	cpus_place(1, 1);
}

/* One strips the lane of CPU 1 when the other is about to end its fence. */
static void layer_two_recalls(void)
{
	layer_world(true, HALF / 2, 4);
	leave_in_lane(1);
	explore_spawn("shrinks", shrinks, NULL);
	explore_spawn("uses", takes_and_frees_twice, NULL);
	explore_spawn("shrinks-2", shrinks, NULL);
	cpus_place(1, 1);
}

/* What is in the lane of CPU 0 is all that there is, and is enough. */
static void layer_last_ones(void)
{
	layer_world(true, WHOLE, 2);
	leave_in_lane(2);
	keep_none();
	explore_spawn("a", takes_and_keeps, &kept[0]);
	explore_spawn("b", takes_and_keeps, &kept[1]);
	cpus_place(1, 1);
}

static void layer_looked_at(void)
{
	layer_world(true, HALF / 2, 4);
	two[0] = taken(cache);
	explore_spawn("uses", takes_and_frees_twice, NULL);
	explore_spawn("looks", looks, NULL);
	explore_spawn("frees", frees, two[0]);
	cpus_place(1, 1);
	cpus_place(2, 1);
}

/* The two objects are of two slabs. */
static void layer_bulk_looked_at(void)
{
	layer_world(true, WHOLE, 4);
	explore_spawn("bulk", takes_two, NULL);
	explore_spawn("looks", looks, NULL);
}

/* It takes from the lane of CPU 0, and frees on the other. */
static void layer_counted(void)
{
	void *objects[2];

	layer_world(true, HALF / 2, 4);
	keep_none();
	objects[0] = taken(cache);
	objects[1] = taken(cache);
	kept[0] = taken(cache);
	kmem_cache_free(cache, objects[0]);
	cpus_place(-1, 1);
	kmem_cache_free(cache, objects[1]);
	explore_spawn("moves", takes_and_frees, &cache);
	cpus_place(0, 1);
	cpus_migrate(0);
	explore_spawn("counts", counts_one_or_two, NULL);
}

static void claimed_two(void)
{
	layer_world(false, HALF / 2, 4);
	leave_in_lane(1);
	explore_spawn("a", takes_and_frees, &cache);
	explore_spawn("b", takes_and_frees, &cache);
}

static void claimed_shrink_against_use(void)
{
	layer_world(false, HALF / 2, 4);
	leave_in_lane(2);
	explore_spawn("uses", takes_and_frees_twice, NULL);
	explore_spawn("shrinks", shrinks, NULL);
}

static void claimed_halved(void)
{
	frees_against_use(false, true);
}

/* An object is out, so the visitor's magazine must be left alone. */
static void claimed_visit_against_destroy(void)
{
	layer_world(false, HALF / 2, 4);
	keep_none();
	kept[0] = taken(cache);
	leave_in_lane(1);
	explore_spawn("visits", visits, NULL);
	explore_spawn("destroys", cannot_destroy, NULL);
}

static void layer_fork_against_use(void)
{
	layer_world(true, HALF, 6);
	leave_in_lane(1);
	explore_spawn("uses", takes_and_frees_twice, NULL);
	explore_spawn("forks", forks_and_uses, NULL);
}

static void layer_fork_against_shrink(void)
{
	layer_world(true, HALF, 6);
	leave_in_lane(2);
	explore_spawn("shrinks", shrinks, NULL);
	explore_spawn("forks", forks_and_recalls, NULL);
	cpus_place(1, 1);
}

static void claimed_fork_against_use(void)
{
	layer_world(false, HALF, 6);
	leave_in_lane(1);
	explore_spawn("uses", takes_and_frees, &cache);
	explore_spawn("forks", forks_and_recalls, NULL);
}

const struct scenario layer_scenarios[] = {
	{ SCENARIO(layer_two_on_a_cpu, check_layer), .atomics = true },
	{ SCENARIO(layer_two_migrate, check_layer), .atomics = true },
	{ SCENARIO(layer_handed_on, check_layer), .atomics = true },
	{ SCENARIO(layer_halved, check_layer), .atomics = true },
	{ SCENARIO(layer_shrink_against_use, check_layer), .atomics = true },
	{ SCENARIO(layer_shrink_against_free, check_layer), .atomics = true },
	{ SCENARIO(layer_shrink_against_halving, check_layer),
	  .atomics = true },
	{ SCENARIO(layer_two_recalls, check_layer), .atomics = true },
	{ SCENARIO(layer_last_ones, check_kept), .atomics = true },
	{ SCENARIO(layer_looked_at, check_layer), .atomics = true },
	{ SCENARIO(layer_bulk_looked_at, check_layer), .atomics = true },
	{ SCENARIO(layer_counted, check_kept), .atomics = true },
	{ SCENARIO(claimed_two, check_layer), .atomics = true },
	{ SCENARIO(claimed_shrink_against_use, check_layer), .atomics = true },
	{ SCENARIO(claimed_halved, check_layer), .atomics = true },
	{ SCENARIO(claimed_visit_against_destroy, check_kept),
	  .atomics = true },
	{ .name = NULL },
};

const struct scenario layer_fork_scenarios[] = {
	{ SCENARIO(layer_fork_against_use, check_layer), .atomics = true },
	{ SCENARIO(layer_fork_against_shrink, check_layer), .atomics = true },
	{ SCENARIO(claimed_fork_against_use, check_layer), .atomics = true },
	{ .name = NULL },
};
