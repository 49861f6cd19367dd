/* SPDX-License-Identifier: MIT */
/*
 * scenarios_pass.c - newcomers that pass who waits, and for how long
 *
 * Time stands still until somebody lets it pass, so all that happens before is
 * within the bound of overtaking.  What must never be is checked at every step
 * (order.c); here is what must be.
 */
#include "config.h"

#include <errno.h>

#include "core.h"
#include "world.h"

enum way { ATOMIC, PREALLOCATED, NORESERVE };

static void *take_at_once(enum way way)
{
	if (way == ATOMIC)
		return take(GFP_NOWAIT);
	return hold(way == PREALLOCATED ?
		    mempool_alloc_preallocated(world.pool) :
		    mempool_alloc_noreserve(world.pool, GFP_KERNEL));
}

/* ---- a bulk request waits for two, and one is there -------------------- */

static bool newcomer_was_there;		/* and is gone */

static void takes_two(void *unused)
{
	void *elems[2];

	(void)unused;
	require(!take_bulk(elems, 2, NEVER_MS));
	world.nr_served++;
	explore_point("has two elements");
	give_bulk(elems, 2);
}

static void gives_when_one_waits(void *element)
{
	await_queued(1);
	give_mine(element);
}

static bool is_gone(void *unused)
{
	(void)unused;
	return newcomer_was_there;
}

static void gives_when_the_newcomer_is_gone(void *element)
{
	explore_await("the newcomer is gone", is_gone, NULL);
	give_mine(element);
}

/* With a share, and the bulk request is the first. */
static bool one_is_there(void *unused)
{
	struct mempool_core *core = world.pool->kmp_core;

	(void)unused;
	return nr_queued() && core->reserve.nr && waitq_has_share(core, 1);
}

static void passes(void *way)
{
	void *element;

	explore_await("one is there", one_is_there, NULL);
	element = take_at_once(*(enum way *)way);
	require(element);
	require(nr_queued() == 1);
	explore_point("is past");
	give(element);
	newcomer_was_there = true;
}

static void does_not_pass(void *way)
{
	explore_await("one is there", one_is_there, NULL);
	explore_let_pass(OVERTAKING_BOUND_NS);
	require(!take_at_once(*(enum way *)way));
	require(errno == EAGAIN);
	newcomer_was_there = true;
}

static void spawn_bulk_and(void (*newcomer)(void *way), enum way way)
{
	static enum way ways[] = { ATOMIC, PREALLOCATED, NORESERVE };

	newcomer_was_there = false;
	explore_spawn("holder-1", gives_when_one_waits, take_for(0));
	explore_spawn("holder-2", gives_when_the_newcomer_is_gone, take_for(1));
	explore_spawn("bulk", takes_two, NULL);
	explore_spawn("newcomer", newcomer, &ways[way]);
}

static void passes_within_the_bound(void)
{
	world_make_fixed(2);
	spawn_bulk_and(passes, ATOMIC);
}

static void passes_not_after_the_bound(void)
{
	world_make_fixed(2);
	spawn_bulk_and(does_not_pass, PREALLOCATED);
}

/* The same with a share of max_nr. */
static void claims_within_the_bound(void)
{
	world_make_capped(2, 8, 2);
	spawn_bulk_and(passes, NORESERVE);
}

static void claims_not_after_the_bound(void)
{
	world_make_capped(2, 8, 2);
	spawn_bulk_and(does_not_pass, NORESERVE);
}

/* ---- the bound comes at any time --------------------------------------- */

static void lets_time_pass(void *unused)
{
	(void)unused;
	await_queued(1);
	explore_let_pass(OVERTAKING_BOUND_NS / 2);
	explore_let_pass(OVERTAKING_BOUND_NS / 2);
}

static void comes_twice(void *way)
{
	void *element;
	int i;

	for (i = 0; i < 2; i++) {
		element = take_at_once(*(enum way *)way);
		require(element || errno == EAGAIN);
		explore_point("is back");
		give(element);
	}
}

static void bound_against_newcomers(void)
{
	static enum way ways[] = { ATOMIC, PREALLOCATED };

	world_make_fixed(2);
	explore_spawn("holder-1", gives, take_for(0));
	explore_spawn("holder-2", gives, take_for(1));
	explore_spawn("bulk", takes_two, NULL);
	explore_spawn("clock", lets_time_pass, NULL);
	explore_spawn("atomic", comes_twice, &ways[ATOMIC]);
	explore_spawn("prealloc", comes_twice, &ways[PREALLOCATED]);
}

static void bound_against_claims(void)
{
	static enum way ways[] = { ATOMIC, PREALLOCATED, NORESERVE };

	world_make_capped(2, 8, 2);
	explore_spawn("holder-1", gives, take_for(0));
	explore_spawn("holder-2", gives, take_for(1));
	explore_spawn("bulk", takes_two, NULL);
	explore_spawn("clock", lets_time_pass, NULL);
	explore_spawn("atomic", comes_twice, &ways[ATOMIC]);
	explore_spawn("noreserve", comes_twice, &ways[NORESERVE]);
}

/* Who becomes the first has the whole bound before it. */
static void bound_of_the_second(void)
{
	static enum way atomic = ATOMIC;

	world_make_fixed(1);
	explore_spawn("holder", gives, take_for(0));
	explore_spawn("a", takes_and_gives, NULL);
	explore_spawn("b", takes_and_gives, NULL);
	explore_spawn("clock", lets_time_pass, NULL);
	explore_spawn("atomic", comes_twice, &atomic);
}

/* ---- who was told ------------------------------------------------------ */

static struct request *first(void)
{
	return waitq_first(world.pool->kmp_core);
}

static bool first_is_told(void *unused)
{
	(void)unused;
	return world.nr_served || (first() && first()->told);
}

static bool first_is_kept(void *unused)
{
	(void)unused;
	return !first() || first()->kept;
}

/* Woken in vain, it is not woken in vain again: what is freed next is its. */
static void robs_and_gives_to_who_is_kept(void *unused)
{
	void *element;

	(void)unused;
	explore_await("the first is told", first_is_told, NULL);
	element = take(GFP_NOWAIT);
	explore_await("the first is kept", first_is_kept, NULL);
	if (!element)
		return;
	give(element);
	require(nr_queued() == 0);
}

static void told_in_vain(void)
{
	world_make_fixed(1);
	explore_spawn("holder", gives_when_one_waits, take_for(0));
	explore_spawn("waiter", takes_and_gives, NULL);
	explore_spawn("robber", robs_and_gives_to_who_is_kept, NULL);
}

/* After the bound it serves who was told before itself, and is left with a share
 * but no element. */
static void comes_after_the_bound(void *way)
{
	void *element;

	explore_await("the first is told", first_is_told, NULL);
	explore_let_pass(OVERTAKING_BOUND_NS);
	element = take_at_once(*(enum way *)way);
	require(element || errno == EAGAIN);
	require(nr_queued() == 0);
	give(element);
}

static void newcomer_serves_the_first(void)
{
	static enum way preallocated = PREALLOCATED;

	world_make_capped(1, 0, 2);
	explore_spawn("holder", gives_when_one_waits, take_for(0));
	explore_spawn("waiter", takes_and_gives, NULL);
	explore_spawn("newcomer", comes_after_the_bound, &preallocated);
}

/* What it was told of is gone and there again: nobody tells it twice. */
static void robs_and_brings_back(void *unused)
{
	(void)unused;
	explore_await("the first is told", first_is_told, NULL);
	give(take(GFP_NOWAIT));
}

static void taken_and_brought_back(void)
{
	world_make_fixed(1);
	explore_spawn("holder", gives_when_one_waits, take_for(0));
	explore_spawn("waiter", takes_and_gives, NULL);
	explore_spawn("robber-1", robs_and_brings_back, NULL);
	explore_spawn("robber-2", robs_and_brings_back, NULL);
}

/* The same for one that was the second when the first was told. */
static void second_is_told(void)
{
	world_make_fixed(1);
	explore_spawn("holder", gives_when_one_waits, take_for(0));
	explore_spawn("a", takes_with_deadline, NULL);
	explore_spawn("b", takes_and_gives, NULL);
	explore_spawn("robber", robs_and_brings_back, NULL);
}

/* ---- deadlines --------------------------------------------------------- */

static void is_pressed(void *unused)
{
	struct timespec soon = { 1, OVERTAKING_BOUND_NS };
	void *element;

	(void)unused;
	element = hold(mempool_alloc_until(world.pool, GFP_KERNEL, &soon));
	require(element || errno == ETIMEDOUT);
	explore_point("is back");
	give(element);
	world.nr_refused++;
}

static void is_pressed_behind_another(void *unused)
{
	await_queued(1);
	is_pressed(unused);
}

static bool one_is_there_and_two_wait(void *unused)
{
	(void)unused;
	return world.nr_served || world.nr_refused ||
	       (one_is_there(NULL) && nr_queued() == 2);
}

/* Neither the bulk request before it, nor itself: order.c would see it. */
static void may_not_pass(void *unused)
{
	(void)unused;
	explore_await("one is there and two wait", one_is_there_and_two_wait,
		      NULL);
	give(take(GFP_NOWAIT));
	newcomer_was_there = true;
}

static void nobody_passes_who_is_pressed(void)
{
	world_make_fixed(2);
	newcomer_was_there = false;
	explore_spawn("holder-1", gives_when_one_waits, take_for(0));
	explore_spawn("holder-2", gives_when_the_newcomer_is_gone, take_for(1));
	explore_spawn("bulk", takes_two, NULL);
	explore_spawn("hurried", is_pressed_behind_another, NULL);
	explore_spawn("newcomer", may_not_pass, NULL);
}

static bool hurried_is_gone(void *unused)
{
	(void)unused;
	return world.nr_refused;
}

static void passes_when_it_is_gone(void *way)
{
	explore_await("the hurried one is gone", hurried_is_gone, NULL);
	passes(way);
}

static void gives_when_two_wait(void *element)
{
	await_queued(2);
	give_mine(element);
}

static void takes_two_behind_another(void *unused)
{
	await_queued(1);
	takes_two(unused);
}

/* Who was pressed is served, and the bulk request has no deadline. */
static void passes_after_the_pressed(void)
{
	static enum way atomic = ATOMIC;

	world_make_fixed(2);
	newcomer_was_there = false;
	explore_spawn("holder-1", gives_when_two_wait, take_for(0));
	explore_spawn("holder-2", gives_when_the_newcomer_is_gone, take_for(1));
	explore_spawn("hurried", is_pressed, NULL);
	explore_spawn("bulk", takes_two_behind_another, NULL);
	explore_spawn("newcomer", passes_when_it_is_gone, &atomic);
}

/* ---- what a retry brings ----------------------------------------------- */

static bool first_was_served;

static void comes_first(void *unused)
{
	void *element = take(GFP_KERNEL);

	(void)unused;
	require(element);
	first_was_served = true;
	explore_point("has an element");
	give(element);
}

static bool was_held(void *unused)
{
	(void)unused;
	return world.backend.nr_held || world.backend.released;
}

static void gives_when_one_was_held(void *element)
{
	explore_await("one was held", was_held, NULL);
	give_mine(element);
}

static bool is_first_served(void *unused)
{
	(void)unused;
	return first_was_served;
}

static void is_served_meanwhile(void *unused)
{
	void *element;

	(void)unused;
	explore_await("one was held", was_held, NULL);
	element = take(GFP_KERNEL);
	require(element);
	world.nr_served++;
	explore_await("the first is served", is_first_served, NULL);
	give(element);
}

static bool one_is_served(void *unused)
{
	(void)unused;
	return world.nr_served;
}

static void comes_after(void *unused)
{
	explore_await("one is served", one_is_served, NULL);
	takes_and_gives(unused);
}

static bool two_wait(void *unused)
{
	(void)unused;
	return nr_queued() == 2;
}

static void holds_then_recovers(void *unused)
{
	(void)unused;
	await_queued(1);
	world.backend.hold = 1;
	mempool_kick(world.pool);
	explore_await("one is served", one_is_served, NULL);
	world.backend.released = true;
	explore_await("two wait", two_wait, NULL);
	world.backend.give = 1;
	mempool_kick(world.pool);
}

static bool may_rob(void *unused)
{
	(void)unused;
	return first_was_served ||
	       (world.nr_served && world.pool->kmp_core->reserve.nr);
}

static void robs(void *unused)
{
	void *element;

	(void)unused;
	explore_await("there is something to rob", may_rob, NULL);
	element = take_at_once(PREALLOCATED);
	require(!element || first_was_served);
	give(element);
}

/* The first was passed over while it tried in vain, so the last tries now, and
 * what that brings is for the first, which sleeps. */
static void retry_is_for_the_first(void)
{
	world_make(1, 0, HOUR_MS);
	first_was_served = false;
	explore_spawn("holder", gives_when_one_was_held, take_for(0));
	explore_spawn("first", comes_first, NULL);
	explore_spawn("second", is_served_meanwhile, NULL);
	explore_spawn("last", comes_after, NULL);
	explore_spawn("backend", holds_then_recovers, NULL);
	explore_spawn("robber", robs, NULL);
}

static void kicks_and_holds(void *unused)
{
	(void)unused;
	await_queued(1);
	world.backend.hold = 1;
	mempool_kick(world.pool);
	await_held();
	world.backend.give = 1;
	explore_point("the backend recovers");
	world.backend.released = true;
}

/* The second was told of what fills the reserve when the retry of the first
 * brings one more. */
static void retry_into_a_full_reserve(void)
{
	world_make(1, 0, HOUR_MS);
	explore_spawn("holder", gives_when_one_was_held, take_for(0));
	explore_spawn("tries", takes_and_gives, NULL);
	explore_spawn("second", takes_and_gives, NULL);
	explore_spawn("backend", kicks_and_holds, NULL);
}

const struct scenario pass_scenarios[] = {
	{ SCENARIO(passes_within_the_bound, world_check) },
	{ SCENARIO(passes_not_after_the_bound, world_check) },
	{ SCENARIO(claims_within_the_bound, world_check) },
	{ SCENARIO(claims_not_after_the_bound, world_check) },
	{ SCENARIO(bound_against_newcomers, world_check) },
	{ SCENARIO(bound_against_claims, world_check) },
	{ SCENARIO(bound_of_the_second, world_check) },
	{ SCENARIO(told_in_vain, world_check), .spurious = 1 },
	{ SCENARIO(newcomer_serves_the_first, world_check) },
	{ SCENARIO(taken_and_brought_back, world_check) },
	{ SCENARIO(second_is_told, world_check), .early = 1 },
	{ SCENARIO(nobody_passes_who_is_pressed, world_check), .early = 1 },
	{ SCENARIO(passes_after_the_pressed, world_check) },
	{ SCENARIO(retry_is_for_the_first, world_check) },
	{ SCENARIO(retry_into_a_full_reserve, world_check) },
	{ .name = NULL },
};
