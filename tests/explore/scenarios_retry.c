/* SPDX-License-Identifier: MIT */
/*
 * scenarios_retry.c - a backend that fails, recovers, hangs, and hears of it
 */
#include "config.h"

#include <errno.h>

#include "core.h"
#include "world.h"

/* ---- frees that pass the pool by --------------------------------------- */

/* The gate was open when the freer looked; the retry finds the element. */
static void unlocked_free(void)
{
	world_make(1, 1, 100);
	explore_spawn("freer-1", gives, take_for(0));
	explore_spawn("freer-2", gives, take_for(1));
	explore_spawn("a", takes_and_gives, NULL);
	explore_spawn("b", takes_and_gives, NULL);
}

/* No retry ever: without a reserve each free has to be heard of. */
static void no_reserve(void)
{
	world_make(0, 1, HOUR_MS);
	explore_spawn("freer", gives, take_for(0));
	explore_spawn("a", takes_and_gives, NULL);
	explore_spawn("b", takes_and_gives, NULL);
}

static void no_reserve_cancelled(void)
{
	world_make(0, 1, HOUR_MS);
	explore_spawn("freer", gives, take_for(0));
	explore_spawn("cancelled", takes_cancellably, NULL);
	explore_spawn("patient", takes_and_gives, NULL);
}

/* A free that is cancelled inside free_fn has to be heard of, too. */
static void frees_cancellably(void *element)
{
	explore_allow_cancel();
	give_mine(element);
}

static void cancelled_in_free_fn(void)
{
	world_make(0, 1, HOUR_MS);
	world.backend.may_cancel = true;
	explore_spawn("cancelled", frees_cancellably, take_for(0));
	explore_spawn("patient", takes_and_gives, NULL);
}

static void no_reserve_timeout(void)
{
	world_make(0, 1, HOUR_MS);
	explore_spawn("freer", gives, take_for(0));
	explore_spawn("hurried", takes_with_deadline, NULL);
	explore_spawn("patient", takes_and_gives, NULL);
}

/* ---- a backend that recovers ------------------------------------------- */

static bool one_served(void *unused)
{
	(void)unused;
	return world.nr_served >= 1;
}

static void gives_when_one_is_served(void *element)
{
	explore_await("one is served", one_served, NULL);
	give_mine(element);
}

static bool two_queued(void *unused)
{
	(void)unused;
	return nr_queued() >= 2 || world.nr_served;
}

static void recovers(void *unused)
{
	(void)unused;
	explore_await("two are queued", two_queued, NULL);
	world.backend.give = 2;
}

/* Nobody tells.  The first retry finds both elements. */
static void recovers_while_all_sleep(void)
{
	world_make(1, 0, 100);
	explore_spawn("holder", gives_when_one_is_served, take_for(0));
	explore_spawn("a", takes_and_gives, NULL);
	explore_spawn("b", takes_and_gives, NULL);
	explore_spawn("backend", recovers, NULL);
}

/* There is one retry only before the horizon: who looked at the time has to
 * wake who is to try, before it sleeps on. */
static void duty_is_handed_over(void)
{
	world_make(1, 0, 1000000);
	explore_spawn("holder", gives_when_one_is_served, take_for(0));
	explore_spawn("a", takes_and_gives, NULL);
	explore_spawn("b", takes_and_gives, NULL);
	explore_spawn("backend", recovers, NULL);
}

/* Several rounds of retries, by whose turn it is. */
static void recovers_late(void)
{
	world_make(1, 1, 100);
	world.backend.fail = 6;
	explore_spawn("a", takes_and_gives, NULL);
	explore_spawn("b", takes_and_gives, NULL);
	explore_spawn("c", takes_with_deadline, NULL);
}

static void gives_up(void *unused)
{
	(void)unused;
	require(!take_until(150));
	require(errno == ETIMEDOUT);
	world.nr_refused++;
}

static bool one_gave_up(void *unused)
{
	(void)unused;
	return world.nr_refused;
}

static void recovers_after_one_gave_up(void *unused)
{
	(void)unused;
	explore_await("one gave up", one_gave_up, NULL);
	world.backend.give = 1;
}

/* Who looked at the time for all leaves, and another has to. */
static void watch_leaves(void)
{
	world_make(1, 0, 100);
	explore_spawn("holder", gives_when_one_is_served, take_for(0));
	explore_spawn("patient", takes_and_gives, NULL);
	explore_spawn("hurried", gives_up, NULL);
	explore_spawn("backend", recovers_after_one_gave_up, NULL);
}

static void recovers_and_kicks(void *unused)
{
	(void)unused;
	explore_point("the backend recovers");
	world.backend.give = 1;
	mempool_kick(world.pool);
}

/* No retry ever, and who has the element waits for the others. */
static bool two_served(void *unused)
{
	(void)unused;
	return world.nr_served >= 2;
}

static void gives_when_two_are_served(void *element)
{
	explore_await("two are served", two_served, NULL);
	give_mine(element);
}

static void takes_and_keeps_until_two(void *unused)
{
	void *element = take(GFP_KERNEL);

	(void)unused;
	require(element);
	world.nr_served++;
	explore_await("two are served", two_served, NULL);
	give(element);
}

static void recovers_by_two_and_kicks(void *unused)
{
	(void)unused;
	explore_point("the backend recovers");
	world.backend.give = 2;
	mempool_kick(world.pool);
}

/* One kick, two elements: a try that succeeds has another follow. */
static void kick_brings_two(void)
{
	world_make(1, 0, HOUR_MS);
	explore_spawn("holder", gives_when_two_are_served, take_for(0));
	explore_spawn("a", takes_and_keeps_until_two, NULL);
	explore_spawn("b", takes_and_keeps_until_two, NULL);
	explore_spawn("backend", recovers_by_two_and_kicks, NULL);
}

static void gives_when_both_wait(void *element)
{
	await_queued(2);
	give_mine(element);
}

/* The first was told of what fills the reserve and has not come: the other
 * element is for the second, not for the backend. */
static void two_come_at_once(void)
{
	world_make(1, 1, HOUR_MS);
	explore_spawn("holder-1", gives_when_both_wait, take_for(0));
	explore_spawn("holder-2", gives_when_both_wait, take_for(1));
	explore_spawn("a", takes_and_keeps_until_two, NULL);
	explore_spawn("b", takes_and_keeps_until_two, NULL);
}

/* The kick may come at any time: while the backend decides, too. */
static void kick_is_not_lost(void)
{
	world_make(1, 0, HOUR_MS);
	explore_spawn("holder", gives_when_one_is_served, take_for(0));
	explore_spawn("a", takes_and_gives, NULL);
	explore_spawn("b", takes_with_deadline, NULL);
	explore_spawn("backend", recovers_and_kicks, NULL);
}

/* Whose duty the retry is may be cancelled before it tries. */
static void kick_against_cancel(void)
{
	world_make(1, 0, HOUR_MS);
	explore_spawn("holder", gives_when_one_is_served, take_for(0));
	explore_spawn("cancelled", takes_cancellably, NULL);
	explore_spawn("patient", takes_and_gives, NULL);
	explore_spawn("backend", recovers_and_kicks, NULL);
}

/* Another call's success is as good as a kick. */
static void takes_past_the_reserve(void *unused)
{
	void *element;

	(void)unused;
	await_queued(1);
	world.backend.give = 2;
	element = hold(mempool_alloc_noreserve(world.pool, GFP_NOWAIT));
	explore_await("one is served", one_served, NULL);
	give(element);
}

static void success_of_another(void)
{
	world_make(1, 0, HOUR_MS);
	explore_spawn("holder", gives_when_one_is_served, take_for(0));
	explore_spawn("waiter", takes_and_gives, NULL);
	explore_spawn("other", takes_past_the_reserve, NULL);
}

/* ---- alloc_fn that hangs ----------------------------------------------- */

static void second_is_served_first(void *unused)
{
	void *element;

	(void)unused;
	await_held();
	element = take(GFP_KERNEL);
	require(element);
	world.nr_served++;
	world.backend.released = true;
	explore_point("has an element");
	give(element);
}

static void hangs_in_its_retry(void *unused)
{
	await_queued(1);
	world.backend.hold = 1;
	mempool_kick(world.pool);
	(void)unused;
}

static void gives_when_one_hangs(void *element)
{
	await_held();
	give_mine(element);
}

/* The reserve element goes to the second while the first is in alloc_fn. */
static void who_tries_is_passed_over(void)
{
	world_make(1, 0, HOUR_MS);
	explore_spawn("holder", gives_when_one_hangs, take_for(0));
	explore_spawn("tries", takes_and_gives, NULL);
	explore_spawn("kicker", hangs_in_its_retry, NULL);
	explore_spawn("second", second_is_served_first, NULL);
}

static void empties_then_hangs(void *unused)
{
	(void)unused;
	await_queued(2);
	world.backend.hold = 1;
	world.backend.give = 1;
	mempool_kick(world.pool);
}

static void releases_when_served(void *unused)
{
	(void)unused;
	explore_await("one is served", one_served, NULL);
	world.backend.released = true;
}

/* A retry that hangs stops counting, and another request tries. */
static void retry_that_hangs(void)
{
	world_make(1, 0, 100);
	explore_spawn("holder", gives_when_one_is_served, take_for(0));
	explore_spawn("a", takes_and_gives, NULL);
	explore_spawn("b", takes_and_gives, NULL);
	explore_spawn("backend", empties_then_hangs, NULL);
	explore_spawn("release", releases_when_served, NULL);
}

const struct scenario retry_scenarios[] = {
	{ SCENARIO(unlocked_free, world_check), .early = 2 },
	{ SCENARIO(no_reserve, world_check), .spurious = 1 },
	{ SCENARIO(no_reserve_cancelled, world_check), .cancels = 1 },
	{ SCENARIO(cancelled_in_free_fn, world_check), .cancels = 1 },
	{ SCENARIO(no_reserve_timeout, world_check), .early = 1 },
	{ SCENARIO(recovers_while_all_sleep, world_check), .early = 1 },
	{ SCENARIO(watch_leaves, world_check), .early = 1 },
	{ SCENARIO(duty_is_handed_over, world_check) },
	{ SCENARIO(recovers_late, world_check), .early = 2 },
	{ SCENARIO(kick_brings_two, world_check) },
	{ SCENARIO(two_come_at_once, world_check) },
	{ SCENARIO(kick_is_not_lost, world_check), .spurious = 1, .early = 1 },
	{ SCENARIO(kick_against_cancel, world_check), .cancels = 1 },
	{ SCENARIO(success_of_another, world_check), .spurious = 1 },
	{ SCENARIO(who_tries_is_passed_over, world_check) },
	{ SCENARIO(retry_that_hangs, world_check), .early = 1 },
	{ .name = NULL },
};
