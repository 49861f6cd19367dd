/* SPDX-License-Identifier: MIT */
/*
 * scenarios_life.c - resize, refill, drain, destroy, and pools over pools
 */
#include "config.h"

#include <errno.h>

#include "core.h"
#include "world.h"

/* ---- resize and refill ------------------------------------------------- */

static void grows_to_two(void *unused)
{
	(void)unused;
	require(!mempool_resize(world.pool, 2));
}

static void grows_to_three(void *unused)
{
	(void)unused;
	require(!mempool_resize(world.pool, 3));
}

static void shrinks_to_one(void *unused)
{
	(void)unused;
	require(!mempool_resize(world.pool, 1));
}

static bool is_served(void *unused)
{
	(void)unused;
	return world.nr_served;
}

static void gives_when_served(void *element)
{
	explore_await("one is served", is_served, NULL);
	give_mine(element);
}

/* What a growth brings goes to who waits. */
static void growth_serves(void)
{
	world_make_fixed(1);
	world.backend.give = 2;
	explore_spawn("holder", gives_when_served, take_for(0));
	explore_spawn("waiter", takes_and_gives, NULL);
	explore_spawn("grows", grows_to_two, NULL);
}

/* Two elements come back to a reserve that wants one. */
static void shrink_against_frees(void)
{
	world_make(2, 0, HOUR_MS);
	explore_spawn("holder-1", gives, take_for(0));
	explore_spawn("holder-2", gives, take_for(1));
	explore_spawn("shrinks", shrinks_to_one, NULL);
	explore_spawn("waiter", takes_and_gives, NULL);
}

static void two_resizes(void)
{
	world_make_fixed(1);
	world.backend.give = 4;
	explore_spawn("user", takes_and_gives, NULL);
	explore_spawn("three", grows_to_three, NULL);
	explore_spawn("two", grows_to_two, NULL);
}

/* Whatever they do meanwhile, the size is one that somebody asked for. */
static void check_size(unsigned int one, unsigned int other)
{
	struct mempool_stats stats;

	require(!mempool_get_stats(world.pool, &stats, sizeof(stats)));
	require(stats.min_nr == one || stats.min_nr == other);
	world_check();
}

static void is_two_or_three(void)
{
	check_size(2, 3);
}

static void is_one_or_three(void)
{
	check_size(1, 3);
}

static void grow_and_shrink(void)
{
	world_make_fixed(2);
	world.backend.give = 2;
	explore_spawn("user", takes_and_gives, NULL);
	explore_spawn("grows", grows_to_three, NULL);
	explore_spawn("shrinks", shrinks_to_one, NULL);
}

static void refills(void *unused)
{
	int err = mempool_refill(world.pool);

	(void)unused;
	require(err == 0 || err == -ENOMEM);
}

/* With alloc_fn that fails once, and again after a success. */
static void refill_against_free(void)
{
	world_make(2, 1, HOUR_MS);
	explore_spawn("holder-1", gives, take_for(0));
	explore_spawn("holder-2", gives, take_for(1));
	explore_spawn("refills-1", refills, NULL);
	explore_spawn("refills-2", refills, NULL);
	explore_spawn("waiter", takes_and_gives, NULL);
	world.backend.fail = 1;
}

/* ---- drain and destroy ------------------------------------------------- */

/* Whoever saw the last count may destroy: the free has let go by then. */
static void drains_and_destroys(void *unused)
{
	(void)unused;
	require(!mempool_drain_until(world.pool, NULL));
	mempool_destroy(world.pool);
	world.pool = NULL;
}

static void all_is_gone(void)
{
	require(!world.pool);
	require(!world.backend.live);
}

static void drain_against_free(void)
{
	world_make(1, 1, HOUR_MS);
	explore_spawn("holder-1", gives, take_for(0));
	explore_spawn("holder-2", gives, take_for(1));
	explore_spawn("drains", drains_and_destroys, NULL);
}

static void drain_without_reserve(void)
{
	world_make(0, 2, HOUR_MS);
	explore_spawn("holder-1", gives, take_for(0));
	explore_spawn("holder-2", gives, take_for(1));
	explore_spawn("drains", drains_and_destroys, NULL);
}

static void drains_cancellably(void *unused)
{
	int err;

	(void)unused;
	explore_allow_cancel();
	err = mempool_drain_until(world.pool, NULL);
	require(!err);
}

static void drain_cancelled(void)
{
	world_make_fixed(1);
	explore_spawn("holder", gives, take_for(0));
	explore_spawn("drains", drains_cancellably, NULL);
	explore_spawn("user", takes_and_gives, NULL);
}

/* The end of a pool's life as the manual has it. */
static void closes(void *unused)
{
	mempool_shutdown(world.pool);
	drains_and_destroys(unused);
}

static void only_holds(void *element)
{
	explore_point("works");
	give_mine(element);
}

static bool nobody_inside(void *unused)
{
	(void)unused;
	return world.nr_refused + world.nr_served == 2;
}

static void closes_when_all_are_out(void *unused)
{
	mempool_shutdown(world.pool);
	explore_await("all are out", nobody_inside, NULL);
	drains_and_destroys(unused);
}

static void is_shut_out(void *unused)
{
	void *element = take(GFP_KERNEL);

	(void)unused;
	require(element || errno == ECANCELED);
	give(element);
	if (element)
		world.nr_served++;
	else
		world.nr_refused++;
}

static void shutdown_drain_destroy(void)
{
	world_make_fixed(1);
	explore_spawn("holder", only_holds, take_for(0));
	explore_spawn("a", is_shut_out, NULL);
	explore_spawn("b", is_shut_out, NULL);
	explore_spawn("closer", closes_when_all_are_out, NULL);
}

static void close_with_holders_only(void)
{
	world_make(2, 0, HOUR_MS);
	explore_spawn("holder-1", only_holds, take_for(0));
	explore_spawn("holder-2", only_holds, take_for(1));
	explore_spawn("closer", closes, NULL);
}

/* ---- a pool over a pool ------------------------------------------------ */

static struct backend below;
static mempool_t *upper;

static void takes_from_upper(void *unused)
{
	void *element = hold(mempool_alloc(upper, GFP_KERNEL));

	(void)unused;
	require(element);
	world.nr_served++;
	explore_point("has an element");
	mempool_free(let_go(element), upper);
}

/* alloc_fn and free_fn enter another pool, and sleep there. */
static void pool_over_pool(void)
{
	world_make_fixed(2);
	below = (struct backend){ .below = world.pool };
	upper = mempool_create(1, backend_alloc, backend_free, &below);
	require(upper);
	explore_spawn("a", takes_from_upper, NULL);
	explore_spawn("b", takes_from_upper, NULL);
	explore_spawn("c", takes_from_upper, NULL);
}

static void pool_over_pool_check(void)
{
	pool_end(upper, &below, -1);
	world_check();
}

const struct scenario life_scenarios[] = {
	{ SCENARIO(growth_serves, world_check), .spurious = 1 },
	{ SCENARIO(shrink_against_frees, world_check) },
	{ SCENARIO(two_resizes, is_two_or_three) },
	{ SCENARIO(grow_and_shrink, is_one_or_three) },
	{ SCENARIO(refill_against_free, world_check) },
	{ SCENARIO(drain_against_free, all_is_gone), .early = 2 },
	{ SCENARIO(drain_without_reserve, all_is_gone), .early = 2 },
	{ SCENARIO(drain_cancelled, world_check), .cancels = 1, .early = 1 },
	{ SCENARIO(shutdown_drain_destroy, all_is_gone), .early = 1 },
	{ SCENARIO(close_with_holders_only, all_is_gone), .early = 1 },
	{ SCENARIO(pool_over_pool, pool_over_pool_check), .early = 1 },
	{ .name = NULL },
};
