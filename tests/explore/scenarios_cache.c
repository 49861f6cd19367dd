/* SPDX-License-Identifier: MIT */
/*
 * scenarios_cache.c - few threads in a cache of few objects
 *
 * A slab has one object or two, and the system has a few runs of memory, which
 * are given and taken back in the order of a stack: what one slab left is what
 * the next is made of.  A run is filled with a pattern meanwhile, so who writes
 * to one that is gone is found out.
 */
#include "config.h"

#include <errno.h>
#include <string.h>

#include <kmempool/typed.h>

#include "cache.h"
#include "core.h"
#include "debug.h"
#include "pages.h"
#include "scenarios_cache.h"
#include "world.h"

#define NR_RUNS		12
#define NR_PLACES	3		/* most caches at once in a scenario */
#define GONE		0xdb

/* ---- the system -------------------------------------------------------- */

static char runs[NR_RUNS][GRANULE] __attribute__((aligned(GRANULE)));
static char *free_runs[NR_RUNS];
static unsigned int nr_free_runs;
static bool scarce;			/* runs are what there is */
static unsigned int budget;		/* of runs to give */
static bool freed, freed_when_refused;

void *__real_pages_map(size_t size, int node);
void __real_pages_unmap(void *run, size_t size);
void *__wrap_pages_map(size_t size, int node);
void __wrap_pages_unmap(void *run, size_t size);

static void runs_begin(void)
{
	nr_free_runs = 0;
	while (nr_free_runs < NR_RUNS) {
		free_runs[nr_free_runs] = runs[nr_free_runs];
		memset(runs[nr_free_runs++], GONE, GRANULE);
	}
}

static void check_untouched(const char *run)
{
	unsigned int i;

	for (i = 0; i < GRANULE; i += 64)
		if (*(const long *)(run + i) != (long)0xdbdbdbdbdbdbdbdb)
			explore_fail("wrote to memory that was given back");
}

void *__wrap_pages_map(size_t size, int node)
{
	char *run;

	if (!scarce)
		return __real_pages_map(size, node);
	explore_point("asks the system for memory");
	require(size == GRANULE);
	if (!budget) {
		freed_when_refused = freed;
		return NULL;
	}
	budget--;
	require(nr_free_runs);
	run = free_runs[--nr_free_runs];
	check_untouched(run);
	return memset(run, 0, GRANULE);
}

void __wrap_pages_unmap(void *run, size_t size)
{
	if ((char *)run < runs[0] || (char *)run >= runs[0] + sizeof(runs)) {
		__real_pages_unmap(run, size);
		return;
	}
	memset(run, GONE, GRANULE);
	free_runs[nr_free_runs++] = run;
	budget++;
	explore_point("has given memory back");
}

/* ---- caches ------------------------------------------------------------ */

struct kmem_cache *cache, *other;
static unsigned int nr_ctors, nr_dtors;

static int construct(void *object, void *ctor_arg, gfp_t gfp)
{
	(void)object;
	(void)ctor_arg;
	(void)gfp;
	explore_point("constructs");
	nr_ctors++;
	return 0;
}

static void destruct(void *object, void *ctor_arg)
{
	(void)object;
	(void)ctor_arg;
	explore_point("destructs");
	nr_dtors++;
}

static struct kmem_cache *make(unsigned int size, bool constructed)
{
	struct kmem_cache_args args = { .align = 0 };
	struct kmem_cache *made;

	if (constructed) {
		args.ctor_try = construct;
		args.dtor = destruct;
	}
	made = kmem_cache_create_args("cache", size, &args, 0);
	require(made);
	return made;
}

static int found_one(struct kmem_cache *c, void *found)
{
	*(struct kmem_cache **)found = c;
	return 1;
}

/* What is kept for ever, headers, page map and places of the registry, is there
 * and in the same order whatever the schedule before has left. */
static void settle(void)
{
	struct slab *headers[NR_RUNS];
	struct kmem_cache *found;
	void *leaf_is_made;
	unsigned int i;

	scarce = false;
	for (i = 0; i < NR_PLACES; i++)
		make(WHOLE, false);
	while (kmem_cache_for_each(found_one, &found))
		require(!kmem_cache_destroy(found));
	for (i = 0; i < NR_RUNS; i++)
		headers[i] = slab_header_get();
	for (i = NR_RUNS; i > 0; i--)
		slab_header_put(headers[i - 1]);
	magazine_put(magazine_get());
	leaf_is_made = runs[0];
	require(!pagemap_set(leaf_is_made, sizeof(runs), NULL));
	runs_begin();
}

void cache_world(unsigned int size, bool constructed, unsigned int nr)
{
	debug_no_layer = true;
	settle();
	nr_ctors = nr_dtors = 0;
	freed = freed_when_refused = false;
	cache = make(size, constructed);
	other = NULL;
	scarce = true;
	budget = nr;
	world_make_fixed(0);
}

/* While the scenario is set up. */
void *taken(struct kmem_cache *from)
{
	void *object = kmem_cache_alloc(from, GFP_NOWAIT);

	require(object);
	return object;
}

/* I1 and I2 of slabs.c, and that each slab is found. */
unsigned int check_lists(struct kmem_cache *c)
{
	unsigned int list, nr_slabs = 0, nr_used = 0, nr;
	const struct slab *slab;

	for (list = 0; list < NR_SLAB_LISTS; list++) {
		nr = 0;
		for (slab = c->lists[list].head; slab; slab = slab->next) {
			require(slab->list == list);
			require(slab->low <= slab->nr_used);
			require(slab->nr_used <= slab->high);
			require(slab->cache == c);
			require(pagemap_find(slab->first) == slab);
			nr_used += slab->nr_used;
			require(++nr <= NR_RUNS);
		}
		require(nr == c->lists[list].nr);
		nr_slabs += nr;
	}
	require(nr_slabs == c->nr_slabs);
	require(nr_used == c->active);
	require(c->slabs_made - c->slabs_returned == nr_slabs);
	return nr_slabs;
}

static void end_cache(struct kmem_cache *c)
{
	if (!c)
		return;
	require(c->active == 0);
	require(!kmem_cache_destroy(c));
}

void check_caches(void)
{
	unsigned int nr = check_lists(cache);

	if (other)
		nr += check_lists(other);
	require(nr + nr_free_runs == NR_RUNS);
	end_cache(cache);
	end_cache(other);
	require(nr_free_runs == NR_RUNS);
	require(nr_ctors == nr_dtors);
	scarce = false;
	world_check();
}

/* ---- fibers ------------------------------------------------------------ */

/* In use: nobody else writes to it. */
void use(void *object)
{
	int *owner = object;

	*owner = explore_self();
	explore_point("uses its object");
	require(*owner == explore_self());
}

void takes_and_frees(void *from)
{
	struct kmem_cache *c = *(struct kmem_cache **)from;
	void *object = kmem_cache_alloc(c, GFP_NOWAIT);

	require(object);
	use(object);
	kmem_cache_free(c, object);
}

void takes_two(void *unused)
{
	void *objects[2];

	(void)unused;
	if (!kmem_cache_alloc_bulk(cache, GFP_NOWAIT, 2, objects)) {
		require(errno == ENOMEM);
		return;
	}
	use(objects[0]);
	use(objects[1]);
	kmem_cache_free_bulk(cache, 2, objects);
}

static void takes_if_there_is(void *unused)
{
	void *object = kmem_cache_alloc(cache, GFP_NOWAIT);

	(void)unused;
	if (object) {
		use(object);
		kmem_cache_free(cache, object);
		return;
	}
	/* What was given back before the system said no is found. */
	require(!freed_when_refused);
}

/* Or not: what is on its way to the system is out of reach for a moment. */
static void takes_with_reclaim(void *unused)
{
	void *object = kmem_cache_alloc(cache, GFP_KERNEL);

	(void)unused;
	require(object || errno == ENOMEM);
	if (object)
		use(object);
	kmem_cache_free(cache, object);
}

void frees(void *object)
{
	use(object);
	kmem_cache_free(cache, object);
	freed = true;
}

void shrinks(void *unused)
{
	(void)unused;
	require(!kmem_cache_shrink(cache));
}

static void destroys_other(void *unused)
{
	struct kmem_cache *gone = other;

	(void)unused;
	other = NULL;
	require(!kmem_cache_destroy(gone));
}

static int looks(struct kmem_cache *c, void *unused)
{
	struct kmem_cache_stats stats;

	(void)unused;
	require(!kmem_cache_get_stats(c, &stats, sizeof(stats)));
	require(stats.allocs - stats.frees == stats.active);
	require(stats.active <= stats.objects);
	require(stats.slabs_made - stats.slabs_returned ==
		stats.slabs_full + stats.slabs_partial + stats.slabs_empty);
	return 0;
}

static void visits(void *unused)
{
	(void)unused;
	require(!kmem_cache_for_each(looks, NULL));
}

static void makes_uses_and_destroys(void *unused)
{
	struct kmem_cache *own = make(HALF, false);

	takes_and_frees(&own);
	(void)unused;
	require(!kmem_cache_destroy(own));
}

void forks_and_uses(void *unused)
{
	(void)unused;
	if (!explore_fork())
		return;
	/* What others were making or giving back is lost. */
	budget = nr_free_runs;
	takes_and_frees(&cache);
	check_lists(cache);
	makes_uses_and_destroys(NULL);
	require(!kmem_cache_shrink(cache));
	require(!kmem_cache_reset(cache));
	require(!kmem_cache_destroy(cache));
}

static void resets_other(void *unused)
{
	(void)unused;
	require(!kmem_cache_reset(other));
	require(other->active == 0);
}

/* The object goes back to the pool, from the first moment to the last. */
static int gets_and_puts(mempool_t *pool, void *unused)
{
	struct mempool_stats stats;
	void *object;

	(void)unused;
	if (!pool->kmp_core->typed)
		return 0;
	object = mempool_get(pool);
	require(object);
	use(object);
	mempool_put(object);
	require(!mempool_get_stats(pool, &stats, sizeof(stats)));
	require(stats.outstanding == 0);
	return 0;
}

static void visits_pools(void *unused)
{
	(void)unused;
	require(!mempool_for_each(gets_and_puts, NULL));
}

static void makes_a_typed_pool(void *unused)
{
	mempool_t *pool = mempool_new_typed("thing", HALF, 0, 1, 0);

	(void)unused;
	require(pool);
	mempool_destroy(pool);
}

/* ---- scenarios --------------------------------------------------------- */

static void cache_two_make_slabs(void)
{
	cache_world(HALF, false, NR_RUNS);
	explore_spawn("a", takes_and_frees, &cache);
	explore_spawn("b", takes_and_frees, &cache);
}

static void cache_two_construct_slabs(void)
{
	cache_world(HALF / 2, true, NR_RUNS);
	explore_spawn("a", takes_and_frees, &cache);
	explore_spawn("b", takes_and_frees, &cache);
}

static void cache_slab_goes_while_another_is_made(void)
{
	cache_world(WHOLE, false, NR_RUNS);
	explore_spawn("frees-1", frees, taken(cache));
	explore_spawn("frees-2", frees, taken(cache));
	explore_spawn("takes", takes_and_frees, &cache);
}

static void cache_slab_becomes_empty_and_is_taken(void)
{
	cache_world(HALF, false, NR_RUNS);
	explore_spawn("frees-1", frees, taken(cache));
	explore_spawn("takes", takes_and_frees, &cache);
	explore_spawn("frees-2", frees, taken(cache));
}

static void cache_shrink_against_alloc(void)
{
	cache_world(HALF, true, NR_RUNS);
	kmem_cache_free(cache, taken(cache));
	explore_spawn("shrinks", shrinks, NULL);
	explore_spawn("takes", takes_and_frees, &cache);
}

static void cache_shrink_against_free(void)
{
	cache_world(WHOLE, false, NR_RUNS);
	explore_spawn("frees-1", frees, taken(cache));
	explore_spawn("shrinks", shrinks, NULL);
	explore_spawn("frees-2", frees, taken(cache));
	explore_spawn("shrinks-2", shrinks, NULL);
}

/* The one run that there is changes hands. */
static void cache_last_run(void)
{
	cache_world(WHOLE, false, 1);
	explore_spawn("takes", takes_if_there_is, NULL);
	explore_spawn("frees", frees, taken(cache));
}

static void cache_two_bulks_of_three(void)
{
	cache_world(WHOLE, false, 3);
	explore_spawn("a", takes_two, NULL);
	explore_spawn("b", takes_two, NULL);
}

static void cache_visited_in_use(void)
{
	cache_world(HALF, false, NR_RUNS);
	explore_spawn("a", takes_two, NULL);
	explore_spawn("visits", visits, NULL);
	explore_spawn("frees", frees, taken(cache));
}

static void cache_visited_and_destroyed(void)
{
	cache_world(HALF, false, NR_RUNS);
	other = make(WHOLE, false);
	kmem_cache_free(other, taken(other));
	explore_spawn("visits", visits, NULL);
	explore_spawn("destroys", destroys_other, NULL);
	explore_spawn("maker", makes_uses_and_destroys, NULL);
}

/* The other cache keeps the run that this one needs. */
static void cache_reclaim_against_use(void)
{
	cache_world(WHOLE, false, 1);
	other = make(WHOLE, false);
	kmem_cache_free(other, taken(other));
	explore_spawn("takes", takes_with_reclaim, NULL);
	explore_spawn("shrinks", shrinks, NULL);
	explore_spawn("frees", takes_with_reclaim, NULL);
}

static void cache_reclaim_against_destroy(void)
{
	cache_world(WHOLE, false, 1);
	other = make(WHOLE, false);
	kmem_cache_free(other, taken(other));
	explore_spawn("takes", takes_with_reclaim, NULL);
	explore_spawn("destroys", destroys_other, NULL);
}

/* The one that is reset has objects out, and a slab of two that is let go of. */
static void cache_reset_against_reclaim(void)
{
	void *a = NULL, *b;

	cache_world(WHOLE, false, 2);
	other = kmem_cache_create("checked", HALF / 2, 0, SLAB_POISON, NULL);
	require(other);
	while (other->nr_slabs < 2)
		a = taken(other);
	b = taken(other);
	kmem_cache_free(other, a);
	kmem_cache_free(other, b);
	explore_spawn("resets", resets_other, NULL);
	explore_spawn("takes", takes_with_reclaim, NULL);
}

static void check_after_reset(void)
{
	check_lists(cache);
	check_lists(other);
	require(!kmem_cache_destroy(other));
	other = NULL;
	end_cache(cache);
	require(nr_free_runs == NR_RUNS);
	scarce = false;
	world_check();
}

static void cache_typed_pool_found(void)
{
	cache_world(WHOLE, false, NR_RUNS);
	explore_spawn("makes", makes_a_typed_pool, NULL);
	explore_spawn("visits", visits_pools, NULL);
}

static void cache_fork_against_alloc_and_free(void)
{
	cache_world(HALF, false, NR_RUNS);
	explore_spawn("a", takes_and_frees, &cache);
	explore_spawn("forks", forks_and_uses, NULL);
	explore_spawn("frees", frees, taken(cache));
}

static void cache_fork_against_create_and_destroy(void)
{
	cache_world(HALF, false, NR_RUNS);
	explore_spawn("maker", makes_uses_and_destroys, NULL);
	explore_spawn("forks", forks_and_uses, NULL);
}

const struct scenario cache_scenarios[] = {
	{ SCENARIO(cache_two_make_slabs, check_caches), .atomics = true },
	{ SCENARIO(cache_two_construct_slabs, check_caches) },
	{ SCENARIO(cache_slab_goes_while_another_is_made, check_caches) },
	{ SCENARIO(cache_slab_becomes_empty_and_is_taken, check_caches) },
	{ SCENARIO(cache_shrink_against_alloc, check_caches) },
	{ SCENARIO(cache_shrink_against_free, check_caches) },
	{ SCENARIO(cache_last_run, check_caches), .atomics = true },
	{ SCENARIO(cache_two_bulks_of_three, check_caches) },
	{ SCENARIO(cache_visited_in_use, check_caches) },
	{ SCENARIO(cache_visited_and_destroyed, check_caches),
	  .early = 1, .atomics = true },
	{ SCENARIO(cache_reclaim_against_use, check_caches) },
	{ SCENARIO(cache_reclaim_against_destroy, check_caches),
	  .early = 1, .atomics = true },
	{ SCENARIO(cache_reset_against_reclaim, check_after_reset) },
	{ SCENARIO(cache_typed_pool_found, check_caches), .atomics = true },
	{ .name = NULL },
};

const struct scenario cache_fork_scenarios[] = {
	{ SCENARIO(cache_fork_against_alloc_and_free, check_caches),
	  .atomics = true },
	{ SCENARIO(cache_fork_against_create_and_destroy, check_caches),
	  .atomics = true },
	{ .name = NULL },
};
