/* SPDX-License-Identifier: MIT */
/*
 * scenarios_spin.c - a first request that waits awake, and what ends that
 *
 * A pool in order serves a spinner directly; else it is told to come and take
 * what is there.  Its time is over when nobody else can go on, or earlier.
 */
#include "config.h"

#include <errno.h>

#include "core.h"
#include "world.h"

/* ---- an element comes -------------------------------------------------- */

static void spawn_holder_and_two(void)
{
	explore_spawn("holder", gives, take_for(0));
	explore_spawn("a", takes_and_gives, NULL);
	explore_spawn("b", takes_and_gives, NULL);
}

static void spinner_is_served(void)
{
	world_make_fixed(1);
	world_in_order();
	spawn_holder_and_two();
}

static void spinner_is_told(void)
{
	world_make_fixed(1);
	spawn_holder_and_two();
}

static void comes_and_goes(void *unused)
{
	void *element = take(GFP_NOWAIT);

	(void)unused;
	explore_point("is back");
	give(element);
}

static void spinner_is_robbed(void)
{
	world_make_fixed(1);
	explore_spawn("holder", gives, take_for(0));
	explore_spawn("spinner", takes_and_gives, NULL);
	explore_spawn("robber-1", comes_and_goes, NULL);
	explore_spawn("robber-2", comes_and_goes, NULL);
}

static void lets_time_pass(void *unused)
{
	(void)unused;
	await_queued(1);
	explore_let_pass(OVERTAKING_BOUND_NS);
}

/* It was told, looks out for the next one, and becomes kept meanwhile. */
static void spinner_becomes_kept(void)
{
	spinner_is_robbed();
	explore_spawn("clock", lets_time_pass, NULL);
}

static struct request *first(void)
{
	return waitq_first(world.pool->kmp_core);
}

static bool first_is_told(void *unused)
{
	(void)unused;
	return world.nr_served || (first() && first()->told);
}

static bool time_is_over(void *unused)
{
	(void)unused;
	return !first() || first()->kept ||
	       explore_now_ns() > first()->first_ns + OVERTAKING_BOUND_NS;
}

/* Nobody else can go on meanwhile: so the timer fires. */
static void robs_until_time_is_over(void *unused)
{
	void *element;

	(void)unused;
	explore_await("the first is told", first_is_told, NULL);
	element = take(GFP_NOWAIT);
	explore_await("the first has spun enough", time_is_over, NULL);
	give(element);
}

static void gives_when_one_waits(void *element)
{
	await_queued(1);
	give_mine(element);
}

/* Told in vain, it spins until nobody may pass it any more, and then sleeps:
 * it has to be woken again. */
static void spinner_falls_asleep(void)
{
	world_make_fixed(1);
	explore_spawn("holder", gives_when_one_waits, take_for(0));
	explore_spawn("spinner", takes_and_gives, NULL);
	explore_spawn("robber", robs_until_time_is_over, NULL);
}

static void takes_two(void *unused)
{
	void *elems[2];

	(void)unused;
	require(!take_bulk(elems, 2, NEVER_MS));
	world.nr_served++;
	explore_point("has two elements");
	give_bulk(elems, 2);
}

static void bulk_spins(void)
{
	world_make_fixed(2);
	explore_spawn("holder-1", gives, take_for(0));
	explore_spawn("holder-2", gives, take_for(1));
	explore_spawn("bulk", takes_two, NULL);
	explore_spawn("single", takes_and_gives, NULL);
}

static void takes_two_of_who_was_told(void *unused)
{
	void *one, *other;

	(void)unused;
	explore_await("the first is told", first_is_told, NULL);
	one = take(GFP_NOWAIT);
	other = take(GFP_NOWAIT);
	give(one);
	explore_let_pass(OVERTAKING_BOUND_NS);
	give(take(GFP_NOWAIT));
	give(other);
}

/* Told in vain it spins, and is kept when the newcomer comes again: what is
 * freed then it has to hear of. */
static void bulk_spinner_is_robbed(void)
{
	world_make_fixed(2);
	explore_spawn("holder-1", gives_when_one_waits, take_for(0));
	explore_spawn("holder-2", gives_when_one_waits, take_for(1));
	explore_spawn("bulk", takes_two, NULL);
	explore_spawn("robber", takes_two_of_who_was_told, NULL);
}

/* What lies in the reserve is no use without a share. */
static void spinner_at_the_cap(void)
{
	world_make_capped(1, 1, 1);
	spawn_holder_and_two();
}

/* ---- other ends -------------------------------------------------------- */

static void shuts_down(void *unused)
{
	(void)unused;
	mempool_shutdown(world.pool);
}

static void spinner_against_shutdown(void)
{
	world_make_fixed(1);
	explore_spawn("holder", gives, take_for(0));
	explore_spawn("a", takes_until_shutdown, NULL);
	explore_spawn("b", takes_until_shutdown, NULL);
	explore_spawn("closer", shuts_down, NULL);
}

/* Of another, or of one that spun before. */
static void spinner_against_cancel(void)
{
	world_make_fixed(1);
	explore_spawn("holder", gives, take_for(0));
	explore_spawn("a", takes_cancellably, NULL);
	explore_spawn("b", takes_cancellably, NULL);
	explore_spawn("c", takes_and_gives, NULL);
}

static void lets_the_deadline_pass(void *unused)
{
	(void)unused;
	await_queued(1);
	explore_let_pass(10 * MSEC);
}

static void spinner_against_deadline(void)
{
	world_make_fixed(1);
	explore_spawn("holder", gives, take_for(0));
	explore_spawn("hurried", takes_with_deadline, NULL);
	explore_spawn("patient", takes_and_gives, NULL);
	explore_spawn("clock", lets_the_deadline_pass, NULL);
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

static void recovers_and_kicks(void *unused)
{
	(void)unused;
	explore_point("the backend recovers");
	world.backend.give = 1;
	mempool_kick(world.pool);
}

/* No retry ever: the kick has to reach the spinner. */
static void spinner_must_retry(void)
{
	world_make(1, 0, HOUR_MS);
	explore_spawn("holder", gives_when_one_is_served, take_for(0));
	explore_spawn("a", takes_and_gives, NULL);
	explore_spawn("b", takes_and_gives, NULL);
	explore_spawn("backend", recovers_and_kicks, NULL);
}

/* Who was told need not wait until its time is over. */
static void spinner_comes_at_once(void)
{
	world_make(1, 0, HOUR_MS);
	explore_spawn("holder", gives_when_one_is_served, take_for(0));
	explore_spawn("spinner", takes_and_gives, NULL);
	explore_spawn("backend", recovers_and_kicks, NULL);
}

static void time_stood_still(void)
{
	require(explore_now_ns() == 1000 * MSEC);
	world_check();
}

/* ---- the pool is gone before the others are ---------------------------- */

static void destroy(void)
{
	require(!mempool_drain_until(world.pool, NULL));
	mempool_destroy(world.pool);
	world.pool = NULL;
}

static void all_is_gone(void)
{
	require(!world.pool);
	require(!world.backend.live);
}

static void *brought;

static void brings(void *unused)
{
	void *element = take(GFP_KERNEL);

	(void)unused;
	require(element);
	brought = let_go(element);
}

static bool is_brought(void *unused)
{
	(void)unused;
	return brought;
}

/* Who served the spinner may be on its way out, and the spinner in. */
static void frees_and_destroys(void *unused)
{
	(void)unused;
	explore_await("it is brought", is_brought, NULL);
	give(hold(brought));
	destroy();
}

static void served_then_destroyed(void)
{
	world_make_fixed(1);
	world_in_order();
	brought = NULL;
	explore_spawn("holder", gives, take_for(0));
	explore_spawn("spinner", brings, NULL);
	explore_spawn("destroyer", frees_and_destroys, NULL);
}

static void told_then_destroyed(void)
{
	world_make_fixed(1);
	brought = NULL;
	explore_spawn("holder", gives, take_for(0));
	explore_spawn("spinner", brings, NULL);
	explore_spawn("destroyer", frees_and_destroys, NULL);
}

static void is_shut_out(void *unused)
{
	void *element = take(GFP_KERNEL);

	(void)unused;
	require(element || errno == ECANCELED);
	give(element);
	world.nr_refused++;
}

static bool both_are_out(void *unused)
{
	(void)unused;
	return world.nr_refused == 2;
}

static void closes(void *unused)
{
	(void)unused;
	mempool_shutdown(world.pool);
	explore_await("both are out", both_are_out, NULL);
	destroy();
}

static void shut_out_then_destroyed(void)
{
	world_make_fixed(1);
	explore_spawn("holder", gives, take_for(0));
	explore_spawn("a", is_shut_out, NULL);
	explore_spawn("b", is_shut_out, NULL);
	explore_spawn("closer", closes, NULL);
}

/* ---- by atomic accesses ------------------------------------------------ */

static void gives_when_two_wait(void *element)
{
	await_queued(2);
	give_mine(element);
}

/* Who is served and who leaves, both by exchange. */
static void spin_step_by_step(void)
{
	world_make_fixed(1);
	world_in_order();
	explore_spawn("holder", gives_when_two_wait, take_for(0));
	explore_spawn("spinner", takes_and_gives, NULL);
	explore_spawn("second", takes_and_gives, NULL);
}

static void told_step_by_step(void)
{
	world_make_fixed(1);
	explore_spawn("holder", gives, take_for(0));
	explore_spawn("spinner", takes_and_gives, NULL);
	explore_spawn("robber", comes_and_goes, NULL);
}

const struct scenario spin_scenarios[] = {
	{ SCENARIO(spinner_is_served, world_check), .early = 2, .spins = 2 },
	{ SCENARIO(spinner_is_told, world_check), .early = 2, .spins = 3 },
	{ SCENARIO(spinner_is_robbed, world_check), .early = 2, .spins = 3 },
	{ SCENARIO(spinner_becomes_kept, world_check), .early = 1, .spins = 3 },
	{ SCENARIO(spinner_falls_asleep, world_check), .spins = 3 },
	{ SCENARIO(bulk_spins, world_check), .early = 1, .spins = 3 },
	{ SCENARIO(bulk_spinner_is_robbed, world_check),
	  .early = 1, .spins = 3 },
	{ SCENARIO(spinner_at_the_cap, world_check), .early = 1, .spins = 3 },
	{ SCENARIO(spinner_against_shutdown, world_check),
	  .early = 1, .spins = 2 },
	{ SCENARIO(spinner_against_cancel, world_check),
	  .cancels = 1, .spins = 3 },
	{ SCENARIO(spinner_against_deadline, world_check),
	  .early = 2, .spins = 2 },
	{ SCENARIO(spinner_must_retry, world_check), .early = 1, .spins = 3 },
	{ SCENARIO(spinner_comes_at_once, time_stood_still), .spins = 1 },
	{ SCENARIO(served_then_destroyed, all_is_gone),
	  .early = 1, .spins = 1 },
	{ SCENARIO(told_then_destroyed, all_is_gone), .early = 1, .spins = 2 },
	{ SCENARIO(shut_out_then_destroyed, all_is_gone),
	  .early = 1, .spins = 2 },
	{ SCENARIO(spin_step_by_step, world_check),
	  .early = 1, .spins = 1, .atomics = true },
	{ SCENARIO(told_step_by_step, world_check),
	  .early = 1, .spins = 2, .atomics = true },
	{ .name = NULL },
};
