/* SPDX-License-Identifier: MIT */
/*
 * scenarios_cached.c - a reserve that CPUs have near them, and who wants it
 *
 * Two CPUs, pools that nothing ever comes to from a backend, and magazines of
 * one or two elements.  Lanes are loaded as soon as may be, so that it happens
 * at every moment.
 */
#include "config.h"

#include <errno.h>

#include "core.h"
#include "cpus.h"
#include "world.h"

#define NOW_AND_THEN	2u		/* plain calls before lanes are loaded */

static struct mempool_core *core;

static void cached_world(int min_nr, unsigned int cap, unsigned int give_nr)
{
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;

	cpus_begin(true);
	attr.flags = MEMPOOL_CACHED;
	world_make_attr(min_nr, give_nr, &attr);
	core = world.pool->kmp_core;
	require(core->lanes);
	core->cached.cap = cap;
	core->cached.nr_needed = NOW_AND_THEN;
	core->cached.state = CACHED_ON;
}

/* What is outside of the CPU's lane, until it is full. */
static void leave_in_lane(unsigned int cpu)
{
	cpus_place(-1, cpu);
	do
		give(take(GFP_NOWAIT));
	while (core->lanes[cpu].loaded == MAGAZINE_NONE);
	cpus_place(-1, 0);
	require(magazine_nr(core->lanes[cpu].loaded) > 0);
}

/* ---- fibers ------------------------------------------------------------ */

static void takes_and_gives_thrice(void *unused)
{
	int i;

	(void)unused;
	for (i = 0; i < 3; i++)
		give(take(GFP_NOWAIT));
}

static void *must_take(gfp_t gfp)
{
	void *element = take(gfp);

	require(element);
	return element;
}

/* The others cannot have all. */
static void need_not_wait(void *unused)
{
	(void)unused;
	give(must_take(GFP_NOWAIT));
	require(!core->stats.waits);
}

static void gives_and_takes(void *element)
{
	give_mine(element);
	takes_and_gives_thrice(NULL);
}

static void takes_two(void *unused)
{
	void *elems[2];

	(void)unused;
	require(!take_bulk(elems, 2, NEVER_MS));
	world.nr_served++;
	give_bulk(elems, 2);
}

static void looks(void *unused)
{
	struct mempool_stats stats;

	(void)unused;
	require(!mempool_get_stats(world.pool, &stats, sizeof(stats)));
	require(stats.curr_nr >= 1 && stats.curr_nr <= 2);
}

static void shuts_down(void *unused)
{
	(void)unused;
	mempool_shutdown(world.pool);
	require(core->room == core->min_nr);
}

static void shrinks_to_one(void *unused)
{
	(void)unused;
	require(!mempool_resize(world.pool, 1));
}

static void takes_and_gives_twice(void *unused)
{
	(void)unused;
	give(must_take(GFP_NOWAIT));
	give(must_take(GFP_NOWAIT));
}

/* The reserve wants what the backend has while this is out. */
static void brings_one(void *mine)
{
	give(must_take(GFP_NOWAIT));
	require(!world.backend.give);
	give_mine(mine);
	require(world.backend.give == 1);
}

/* What others have in hand is out; nothing else is. */
static void forks_and_takes(void *unused)
{
	void *element;

	(void)unused;
	if (!explore_fork())
		return;
	element = take(GFP_NOWAIT);
	require(element || errno == EAGAIN);
	give(element);
	require(mempool_is_saturated(world.pool) || !element);
	require(!core->cached.nr_recalling);
}

/* ---- scenarios --------------------------------------------------------- */

/* On the other CPU, whose threads use it too. */
static void cached_last_one(void)
{
	cached_world(1, 1, 0);
	leave_in_lane(0);
	explore_spawn("uses", takes_and_gives_thrice, NULL);
	explore_spawn("wants", takes_and_gives, NULL);
	cpus_place(1, 1);
}

static void cached_given_as_one_waits(void)
{
	void *element;

	cached_world(1, 1, 0);
	leave_in_lane(0);
	element = take_for(0);
	explore_spawn("gives", gives_and_takes, element);
	explore_spawn("wants", takes_and_gives, NULL);
	cpus_place(1, 1);
}

static void cached_three_want(void)
{
	cached_world(1, 1, 0);
	leave_in_lane(0);
	explore_spawn("a", takes_and_gives, NULL);
	explore_spawn("b", takes_and_gives, NULL);
	explore_spawn("c", takes_and_gives, NULL);
	cpus_place(1, 1);
	cpus_migrate(2);
}

/* One of two is always there. */
static void cached_nowait(void)
{
	cached_world(2, 1, 0);
	leave_in_lane(0);
	leave_in_lane(1);
	explore_spawn("uses", takes_and_gives_thrice, NULL);
	explore_spawn("needs", need_not_wait, NULL);
	cpus_place(1, 1);
	cpus_migrate(0);
}

static void cached_bulk(void)
{
	cached_world(2, 1, 0);
	leave_in_lane(0);
	leave_in_lane(1);
	explore_spawn("uses", takes_and_gives_thrice, NULL);
	explore_spawn("wants two", takes_two, NULL);
	cpus_place(1, 1);
}

/* Two recall at a time, and a third would load lanes again. */
static void cached_two_recall(void)
{
	cached_world(2, 1, 0);
	leave_in_lane(0);
	explore_spawn("looks", looks, NULL);
	explore_spawn("uses", takes_and_gives_thrice, NULL);
	explore_spawn("looks-2", looks, NULL);
	cpus_place(1, 1);
}

static void cached_two_want(void)
{
	cached_world(1, 1, 0);
	leave_in_lane(0);
	explore_spawn("a", takes_and_gives, NULL);
	explore_spawn("b", takes_and_gives, NULL);
	cpus_place(0, 1);
	cpus_place(1, 1);
}

/* Others take it and give it back, before the one that was told has come. */
static void cached_told_and_passed(void)
{
	void *element;

	cached_world(1, 1, 0);
	leave_in_lane(0);
	core->cached.nr_needed = 1;
	element = take_for(1);
	explore_spawn("wants", takes_and_gives, NULL);
	explore_spawn("gives", gives_and_takes, element);
	cpus_place(0, 1);
}

/* All are there when a lane is loaded. */
static void cached_all_there(void)
{
	cached_world(2, 1, 0);
	core->cached.state = CACHED_OFF;
	core->cached.nr_needed = 3;
	explore_spawn("a", takes_and_gives_thrice, NULL);
	explore_spawn("b", takes_and_gives_thrice, NULL);
	cpus_place(1, 1);
}

/* Lanes are to be loaded from now on, but for that. */
static void cached_wait_after_a_try(void)
{
	cached_world(1, 1, 0);
	core->cached.state = CACHED_OFF;
	core->cached.nr_needed = 1;
	explore_spawn("tries", takes_and_gives_thrice, NULL);
	explore_spawn("waits", takes_and_gives, NULL);
	cpus_place(1, 1);
}

static void cached_timeout(void)
{
	void *element;

	cached_world(1, 1, 0);
	leave_in_lane(0);
	element = take_for(0);
	explore_spawn("gives", gives_and_takes, element);
	explore_spawn("hurried", takes_with_deadline, NULL);
	explore_spawn("patient", takes_and_gives, NULL);
	cpus_place(1, 1);
	cpus_place(2, 1);
}

static void cached_cancel(void)
{
	void *element;

	cached_world(1, 1, 0);
	leave_in_lane(0);
	element = take_for(0);
	explore_spawn("gives", gives_and_takes, element);
	explore_spawn("cancelled", takes_cancellably, NULL);
	explore_spawn("patient", takes_and_gives, NULL);
	cpus_place(1, 1);
	cpus_place(2, 1);
}

static void cached_shutdown(void)
{
	cached_world(1, 1, 0);
	leave_in_lane(0);
	explore_spawn("uses", takes_and_gives_thrice, NULL);
	explore_spawn("closer", shuts_down, NULL);
	explore_spawn("wants", takes_until_shutdown, NULL);
	cpus_place(1, 1);
}

static void cached_shrink(void)
{
	cached_world(2, 1, 0);
	leave_in_lane(0);
	leave_in_lane(1);
	explore_spawn("uses", takes_and_gives_thrice, NULL);
	explore_spawn("shrinks", shrinks_to_one, NULL);
	cpus_place(1, 1);
}

/* The backend lives: what it gave goes back there, not beyond min_nr. */
static void cached_too_many(void)
{
	cached_world(2, 1, 0);
	leave_in_lane(0);
	leave_in_lane(1);
	world.backend.give = 1;
	explore_spawn("uses", takes_and_gives_twice, NULL);
	explore_spawn("uses too", takes_and_gives_thrice, NULL);
	cpus_place(1, 1);
}

/* It is wanted, but not on this CPU. */
static void cached_wanted_elsewhere(void)
{
	void *element;

	cached_world(1, 1, 0);
	leave_in_lane(0);
	element = take_for(0);
	world.backend.give = 1;
	explore_spawn("brings", brings_one, element);
	cpus_place(0, 1);
}

static void cached_migrate(void)
{
	void *element;

	cached_world(4, 1, 0);
	leave_in_lane(0);
	leave_in_lane(1);
	element = take_for(2);
	explore_spawn("a", takes_and_gives_thrice, NULL);
	explore_spawn("b", takes_and_gives, NULL);
	explore_spawn("holder", gives, element);
	cpus_migrate(0);
	cpus_migrate(1);
	cpus_place(1, 1);
}

static void cached_fork_against_use(void)
{
	cached_world(1, 1, 0);
	leave_in_lane(0);
	explore_spawn("uses", takes_and_gives_thrice, NULL);
	explore_spawn("forks", forks_and_takes, NULL);
	cpus_place(1, 1);
}

static void cached_fork_against_recall(void)
{
	cached_world(1, 1, 0);
	leave_in_lane(0);
	explore_spawn("wants", takes_and_gives, NULL);
	explore_spawn("forks", forks_and_takes, NULL);
	cpus_place(0, 1);
}

const struct scenario cached_scenarios[] = {
	{ SCENARIO(cached_last_one, world_check), .atomics = true },
	{ SCENARIO(cached_given_as_one_waits, world_check), .atomics = true },
	{ SCENARIO(cached_three_want, world_check), .atomics = true },
	{ SCENARIO(cached_nowait, world_check), .atomics = true },
	{ SCENARIO(cached_bulk, world_check), .atomics = true },
	{ SCENARIO(cached_two_recall, world_check), .atomics = true },
	{ SCENARIO(cached_two_want, world_check), .atomics = true },
	{ SCENARIO(cached_told_and_passed, world_check), .atomics = true },
	{ SCENARIO(cached_all_there, world_check), .atomics = true },
	{ SCENARIO(cached_wait_after_a_try, world_check), .atomics = true },
	{ SCENARIO(cached_timeout, world_check), .early = 1 },
	{ SCENARIO(cached_cancel, world_check), .cancels = 1 },
	{ SCENARIO(cached_shutdown, world_check), .atomics = true },
	{ SCENARIO(cached_shrink, world_check), .atomics = true },
	{ SCENARIO(cached_too_many, world_check), .atomics = true },
	{ SCENARIO(cached_wanted_elsewhere, world_check), .atomics = true },
	{ SCENARIO(cached_migrate, world_check), .atomics = true },
	{ .name = NULL },
};

const struct scenario cached_fork_scenarios[] = {
	{ SCENARIO(cached_fork_against_use, world_check), .atomics = true },
	{ SCENARIO(cached_fork_against_recall, world_check), .atomics = true },
	{ .name = NULL },
};
