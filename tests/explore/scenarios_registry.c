/* SPDX-License-Identifier: MIT */
/*
 * scenarios_registry.c - walks over all pools, while pools come and go
 *
 * Beside world.pool there is another, that comes and goes.  A walk takes no
 * lock, so most of these are explored by atomic accesses.
 */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "core.h"
#include "world.h"

static struct backend other_backend;
static mempool_t *other;

static void make_named(mempool_t **pool, struct backend *backend,
		       const char *name)
{
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;

	attr.name = name;
	*backend = (struct backend){ .give = 1 };
	*pool = mempool_create_attr(1, backend_alloc, backend_free, backend,
				    &attr);
	require(*pool);
}

static void make_other(void)
{
	make_named(&other, &other_backend, "other");
}

static void world_make_named(void)
{
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;

	world_settle();
	attr.name = "world";
	world_make_attr(1, 0, &attr);
}

static void check_all_gone(void)
{
	require(!other_backend.live);
	world_check();
}

/* ---- fibers ------------------------------------------------------------ */

static void destroys_other(void *unused)
{
	(void)unused;
	explore_point("destroys the other pool");
	mempool_destroy(other);
}

static void makes_and_destroys(void *unused)
{
	static struct backend backend;
	mempool_t *pool;

	(void)unused;
	make_named(&pool, &backend, "brief");
	require(mempool_find("brief") == pool);
	mempool_destroy(pool);
	require(!backend.live);
	require(!mempool_find("brief"));
	require(errno == ENOENT);
}

/* A pool is complete and alive from the beginning of its visit to the end. */
static int uses(mempool_t *pool, void *nr_visited)
{
	void *element;

	require(mempool_initialized(pool));
	explore_point("visits");
	require(mempool_initialized(pool));
	element = mempool_alloc(pool, GFP_NOWAIT);
	mempool_free(element, pool);
	++*(unsigned int *)nr_visited;
	return 0;
}

static void visits_all(void *unused)
{
	unsigned int nr = 0;

	(void)unused;
	require(!mempool_for_each(uses, &nr));
	require(nr >= 1);
}

/* The one that it looks for is there all the time. */
static void finds(void *unused)
{
	(void)unused;
	require(mempool_find("world") == world.pool);
	require(mempool_find("world") == world.pool);
}

static int visits_again(mempool_t *pool, void *nr)
{
	unsigned int inner = 0;

	require(!mempool_for_each(uses, &inner));
	require(inner >= 1);
	return uses(pool, nr);
}

static void walks_inside_a_walk(void *unused)
{
	unsigned int nr = 0;

	(void)unused;
	require(!mempool_for_each(visits_again, &nr));
	require(nr >= 1);
}

static int is_cancelled_inside(mempool_t *pool, void *unused)
{
	(void)unused;
	require(mempool_initialized(pool));
	explore_cancel_point("visits");
	require(mempool_initialized(pool));
	return 0;
}

static void visits_cancellably(void *unused)
{
	(void)unused;
	explore_allow_cancel();
	require(!mempool_for_each(is_cancelled_inside, NULL));
}

/* ---- scenarios --------------------------------------------------------- */

static void walk_against_destroy(void)
{
	world_make_named();
	make_other();
	explore_spawn("visitor", visits_all, NULL);
	explore_spawn("destroys", destroys_other, NULL);
}

static void destroy_against_walk(void)
{
	world_make_named();
	make_other();
	explore_spawn("destroys", destroys_other, NULL);
	explore_spawn("visitor", visits_all, NULL);
}

static void two_walks_against_destroy(void)
{
	walk_against_destroy();
	explore_spawn("visitor-2", visits_all, NULL);
}

static void walk_against_create(void)
{
	world_make_named();
	explore_spawn("maker", makes_and_destroys, NULL);
	explore_spawn("visitor", visits_all, NULL);
}

/* One takes the place that another's pool has left. */
static void places_change_hands(void)
{
	world_make_named();
	make_other();
	explore_spawn("destroys", destroys_other, NULL);
	explore_spawn("maker", makes_and_destroys, NULL);
	explore_spawn("visitor", visits_all, NULL);
}

static void walk_finds_who_stays(void)
{
	world_make_named();
	make_other();
	explore_spawn("finds", finds, NULL);
	explore_spawn("destroys", destroys_other, NULL);
	explore_spawn("maker", makes_and_destroys, NULL);
}

static void walk_inside_a_walk(void)
{
	world_make_named();
	make_other();
	explore_spawn("visitor", walks_inside_a_walk, NULL);
	explore_spawn("destroys", destroys_other, NULL);
}

/* Cancelled in the middle of a visit, it holds up nobody. */
static void walk_cancelled(void)
{
	world_make_named();
	make_other();
	explore_spawn("cancelled", visits_cancellably, NULL);
	explore_spawn("destroys", destroys_other, NULL);
}

static void visit_of_a_pool_in_use(void)
{
	world_make_named();
	explore_spawn("a", takes_and_gives, NULL);
	explore_spawn("visitor", visits_all, NULL);
	explore_spawn("b", takes_and_gives, NULL);
}

const struct scenario registry_scenarios[] = {
	{ SCENARIO(walk_against_destroy, check_all_gone),
	  .early = 1, .atomics = true },
	{ SCENARIO(destroy_against_walk, check_all_gone),
	  .early = 1, .atomics = true },
	{ SCENARIO(two_walks_against_destroy, check_all_gone),
	  .early = 1, .atomics = true },
	{ SCENARIO(walk_against_create, check_all_gone),
	  .early = 1, .atomics = true },
	{ SCENARIO(places_change_hands, check_all_gone),
	  .early = 1, .atomics = true },
	{ SCENARIO(walk_finds_who_stays, check_all_gone), .atomics = true },
	{ SCENARIO(walk_inside_a_walk, check_all_gone),
	  .early = 1, .atomics = true },
	{ SCENARIO(walk_cancelled, check_all_gone),
	  .cancels = 1, .early = 1, .atomics = true },
	{ SCENARIO(visit_of_a_pool_in_use, check_all_gone) },
	{ .name = NULL },
};
