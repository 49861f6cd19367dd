/* SPDX-License-Identifier: MIT */
/*
 * scenarios_fork.c - a process of several threads forks
 *
 * In the child every pool can be used at once: it takes, gives, walks, makes a
 * pool and destroys all there are, and would hang or fail if anything were
 * left of the others but the elements they hold.
 */
#include "config.h"

#include <errno.h>

#include "core.h"
#include "world.h"

/* ---- in the child ------------------------------------------------------ */

static int destroys_found(mempool_t *pool, void *found)
{
	*(mempool_t **)found = pool;
	return 1;
}

static void makes_a_pool(void)
{
	struct backend backend = { .give = 1 };
	mempool_t *pool;

	pool = mempool_create(1, backend_alloc, backend_free, &backend);
	require(pool);
	mempool_free(mempool_alloc(pool, GFP_KERNEL), pool);
	pool_end(pool, &backend, -1);
}

static void takes_at_once(void)
{
	void *element = mempool_alloc(world.pool, GFP_NOWAIT);

	require(element || errno == EAGAIN);
	mempool_free(element, world.pool);
}

/* @mine may be NULL. */
static void live_as_child(void *mine)
{
	mempool_t *pool = NULL;

	require(nr_queued() == 0);
	require(explore_nobody_spins());
	if (mine) {
		give_mine(mine);
		require(world.pool->kmp_core->reserve.nr);
	}
	takes_at_once();
	makes_a_pool();
	require(mempool_resize(world.pool, 1) == 0);
	while (mempool_for_each(destroys_found, &pool)) {
		require(mempool_initialized(pool));
		mempool_destroy(pool);
	}
}

/* ---- fibers ------------------------------------------------------------ */

static void forks(void *unused)
{
	(void)unused;
	if (explore_fork())
		live_as_child(NULL);
}

/* Who gave it away in the child has it in the parent. */
static void forks_and_gives(void *element)
{
	if (explore_fork())
		live_as_child(element);
	else
		give_mine(element);
}

static void makes_and_destroys(void *unused)
{
	(void)unused;
	makes_a_pool();
}

static int looks(mempool_t *pool, void *unused)
{
	(void)unused;
	require(mempool_initialized(pool));
	explore_point("visits");
	require(mempool_initialized(pool));
	return 0;
}

static void visits_all(void *unused)
{
	(void)unused;
	require(!mempool_for_each(looks, NULL));
}

/* The child comes out of the visit, and only then may destroy. */
static int forks_inside(mempool_t *pool, void *forked)
{
	require(mempool_initialized(pool));
	*(bool *)forked = explore_fork();
	require(mempool_initialized(pool));
	return 1;
}

static void forks_in_a_visit(void *unused)
{
	bool forked = false;

	(void)unused;
	require(mempool_for_each(forks_inside, &forked) == 1);
	if (forked)
		live_as_child(NULL);
}

static bool one_is_served(void *unused)
{
	(void)unused;
	return world.nr_served;
}

static void gives_when_one_is_served(void *element)
{
	explore_await("one is served", one_is_served, NULL);
	give_mine(element);
}

static void waits_and_may_fork(void *unused)
{
	void *element = take(GFP_KERNEL);

	(void)unused;
	require(element);
	world.nr_served++;
	if (explore_is_child())
		live_as_child(element);
	else
		give(element);
}

static void has_the_retry_fork(void *unused)
{
	(void)unused;
	await_queued(1);
	world.backend.fork = true;
	world.backend.give = 1;
	mempool_kick(world.pool);
}

static void resizes(void *unused)
{
	(void)unused;
	require(!mempool_resize(world.pool, 2));
}

/* ---- scenarios --------------------------------------------------------- */

static void fork_against_waiters(void)
{
	world_make_fixed(1);
	explore_spawn("forks", forks_and_gives, take_for(0));
	explore_spawn("a", takes_and_gives, NULL);
	explore_spawn("b", takes_with_deadline, NULL);
}

/* While another holds the lock and has half done what it took it for. */
static void fork_in_mid_section(void)
{
	world_make_fixed(1);
	explore_spawn("a", takes_and_gives, NULL);
	explore_spawn("forks", forks, NULL);
	explore_spawn("holder", gives, take_for(2));
}

static void fork_against_alloc_and_free(void)
{
	world_make(1, 1, HOUR_MS);
	explore_spawn("a", takes_and_gives, NULL);
	explore_spawn("forks", forks, NULL);
	explore_spawn("b", takes_and_gives, NULL);
}

static void fork_against_prio_inherit(void)
{
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;

	attr.flags = MEMPOOL_PRIO_INHERIT;
	world_make_attr(1, 0, &attr);
	explore_spawn("a", takes_and_gives, NULL);
	explore_spawn("forks", forks, NULL);
}

static void fork_against_retry(void)
{
	world_make(1, 0, 100);
	explore_spawn("forks", forks_and_gives, take_for(0));
	explore_spawn("a", takes_and_gives, NULL);
	explore_spawn("b", takes_and_gives, NULL);
}

static void fork_at_the_cap(void)
{
	world_make_capped(1, 1, 2);
	explore_spawn("forks", forks_and_gives, take_for(0));
	explore_spawn("a", takes_and_gives, NULL);
	explore_spawn("b", takes_and_gives, NULL);
}

static void fork_against_create_and_destroy(void)
{
	world_settle();
	world_make_fixed(1);
	explore_spawn("maker", makes_and_destroys, NULL);
	explore_spawn("forks", forks, NULL);
	explore_spawn("maker-2", makes_and_destroys, NULL);
}

static struct backend other_backend;
static mempool_t *other;

static void destroys_other(void *unused)
{
	(void)unused;
	explore_point("destroys the other pool");
	mempool_destroy(other);
}

static void fork_against_destroy(void)
{
	world_settle();
	world_make_fixed(1);
	other_backend = (struct backend){ .give = 1 };
	other = mempool_create(1, backend_alloc, backend_free, &other_backend);
	require(other);
	explore_spawn("forks", forks, NULL);
	explore_spawn("destroys", destroys_other, NULL);
}

/* A visitor that the child has not holds up no destroy there. */
static void fork_against_walk(void)
{
	world_settle();
	world_make_fixed(1);
	explore_spawn("visitor", visits_all, NULL);
	explore_spawn("forks", forks, NULL);
	explore_spawn("maker", makes_and_destroys, NULL);
}

static void fork_in_a_visit(void)
{
	world_settle();
	world_make_fixed(1);
	explore_spawn("forks", forks_in_a_visit, NULL);
	explore_spawn("visitor", visits_all, NULL);
	explore_spawn("maker", makes_and_destroys, NULL);
}

static void two_forks(void)
{
	world_settle();
	world_make_fixed(1);
	explore_spawn("forks-1", forks_and_gives, take_for(0));
	explore_spawn("forks-2", forks, NULL);
	explore_spawn("maker", makes_and_destroys, NULL);
}

static void fork_against_resize(void)
{
	world_make(1, 1, HOUR_MS);
	explore_spawn("forks", forks_and_gives, take_for(0));
	explore_spawn("resizes", resizes, NULL);
	explore_spawn("a", takes_and_gives, NULL);
}

static void fork_against_spinner(void)
{
	fork_against_waiters();
}

/* In alloc_fn, for a request that the child has, too. */
static void fork_in_a_retry(void)
{
	world_make(1, 0, HOUR_MS);
	explore_spawn("holder", gives_when_one_is_served, take_for(0));
	explore_spawn("a", waits_and_may_fork, NULL);
	explore_spawn("b", waits_and_may_fork, NULL);
	explore_spawn("backend", has_the_retry_fork, NULL);
}

static void refill_and_check(void)
{
	require(!mempool_refill(world.pool));
	world_check();
}

const struct scenario fork_scenarios[] = {
	{ SCENARIO(fork_against_waiters, world_check), .early = 1 },
	{ SCENARIO(fork_in_mid_section, world_check), .atomics = true },
	{ SCENARIO(fork_against_alloc_and_free, world_check) },
	{ SCENARIO(fork_against_prio_inherit, world_check) },
	{ SCENARIO(fork_against_retry, world_check), .early = 1 },
	{ SCENARIO(fork_at_the_cap, world_check) },
	{ SCENARIO(fork_against_create_and_destroy, world_check),
	  .atomics = true },
	{ SCENARIO(fork_against_destroy, world_check),
	  .early = 1, .atomics = true },
	{ SCENARIO(fork_against_walk, world_check), .atomics = true },
	{ SCENARIO(fork_in_a_visit, world_check), .atomics = true },
	{ SCENARIO(two_forks, world_check) },
	{ SCENARIO(fork_against_resize, refill_and_check) },
	{ SCENARIO(fork_in_a_retry, world_check) },
	{ SCENARIO(fork_against_spinner, world_check),
	  .early = 1, .spins = 2 },
	{ .name = NULL },
};
