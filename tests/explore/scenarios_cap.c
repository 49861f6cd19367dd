/* SPDX-License-Identifier: MIT */
/*
 * scenarios_cap.c - pools with max_nr or max_waiters
 *
 * The backend has more than max_nr allows, unless a scenario says otherwise,
 * and there is no retry: a share that is lost stays lost.
 */
#include "config.h"

#include <errno.h>

#include "core.h"
#include "world.h"

/* ---- one share, many who want it --------------------------------------- */

static void two_at_the_cap(void)
{
	world_make_capped(1, 2, 1);
	explore_spawn("a", takes_and_gives, NULL);
	explore_spawn("b", takes_and_gives, NULL);
}

static void three_at_the_cap(void)
{
	two_at_the_cap();
	explore_spawn("c", takes_and_gives, NULL);
}

/* Whatever is freed goes to the backend, and the share to who waits. */
static void cap_without_reserve(void)
{
	world_make_capped(0, 2, 2);
	explore_spawn("a", takes_and_gives, NULL);
	explore_spawn("b", takes_and_gives, NULL);
	explore_spawn("c", takes_and_gives, NULL);
}

/* The reserve is full, so a free has but the share for who waits. */
static void cap_with_full_reserve(void)
{
	world_make_capped(1, 1, 1);
	explore_spawn("holder", gives, take_for(0));
	explore_spawn("a", takes_and_gives, NULL);
	explore_spawn("b", takes_and_gives, NULL);
}

/* ---- ways to leave while waiting for a share --------------------------- */

static void cap_timeout(void)
{
	world_make_capped(1, 1, 1);
	explore_spawn("holder", gives, take_for(0));
	explore_spawn("hurried", takes_with_deadline, NULL);
	explore_spawn("patient", takes_and_gives, NULL);
}

static void cap_cancel(void)
{
	world_make_capped(1, 1, 1);
	explore_spawn("holder", gives, take_for(0));
	explore_spawn("cancelled", takes_cancellably, NULL);
	explore_spawn("patient", takes_and_gives, NULL);
}

/* A callback here is no place to be cancelled: the share would go with it. */
static void cap_cancel_in_callbacks(void)
{
	world_make_capped(0, 1, 1);
	world.backend.may_cancel = true;
	explore_spawn("cancelled", takes_cancellably, NULL);
	explore_spawn("patient", takes_and_gives, NULL);
}

static void shuts_down(void *unused)
{
	(void)unused;
	mempool_shutdown(world.pool);
}

static void cap_shutdown(void)
{
	world_make_capped(1, 1, 1);
	explore_spawn("holder", gives, take_for(0));
	explore_spawn("a", takes_until_shutdown, NULL);
	explore_spawn("b", takes_until_shutdown, NULL);
	explore_spawn("closer", shuts_down, NULL);
}

/* ---- bulk requests ----------------------------------------------------- */

static void takes_two(void *unused)
{
	void *elems[2];

	(void)unused;
	require(!take_bulk(elems, 2, NEVER_MS));
	world.nr_served++;
	explore_point("has two elements");
	give_bulk(elems, 2);
}

static void takes_two_cancellably(void *unused)
{
	explore_allow_cancel();
	takes_two(unused);
}

/* Three shares: neither holds one that the other lacks. */
static void cap_two_bulks(void)
{
	world_make_capped(2, 3, 3);
	explore_spawn("a", takes_two, NULL);
	explore_spawn("b", takes_two, NULL);
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

static void takes_two_with_deadline(void *unused)
{
	void *elems[2];
	int err = take_bulk(elems, 2, 10);

	(void)unused;
	require(err == 0 || err == -ETIMEDOUT);
	if (!err)
		give_bulk(elems, 2);
}

/* One has shares for two and gets one element from the backend.  It gives back
 * all of it before it sleeps, or the other, which came first, would wait for
 * what it keeps. */
static void bulk_queues_empty_handed(void)
{
	world_make_capped(2, 0, 4);
	explore_spawn("holder-1", gives, take_for(0));
	explore_spawn("holder-2", gives_when_one_is_served, take_for(1));
	world.backend.give = 1;
	explore_spawn("a", takes_two, NULL);
	explore_spawn("b", takes_two, NULL);
}

/* The share that a bulk request waits for is kept for it, not held by it:
 * when it leaves, the one behind it has that share at once. */
static void share_is_not_held(void)
{
	world_make_capped(2, 2, 2);
	explore_spawn("holder-1", gives, take_for(0));
	explore_spawn("holder-2", gives_when_one_is_served, take_for(1));
	explore_spawn("bulk", takes_two_with_deadline, NULL);
	explore_spawn("single", takes_and_gives, NULL);
}

static void cap_bulk_cancelled(void)
{
	world_make_capped(2, 1, 2);
	explore_spawn("holder-1", gives, take_for(0));
	explore_spawn("holder-2", gives, take_for(1));
	explore_spawn("bulk", takes_two_cancellably, NULL);
	explore_spawn("behind", takes_and_gives, NULL);
}

/* ---- newcomers --------------------------------------------------------- */

enum way { ATOMIC, PREALLOCATED, NORESERVE };

static void *take_at_once(enum way way)
{
	if (way == ATOMIC)
		return take(GFP_NOWAIT);
	return hold(way == PREALLOCATED ?
		    mempool_alloc_preallocated(world.pool) :
		    mempool_alloc_noreserve(world.pool, GFP_KERNEL));
}

/* One share is free while the bulk request waits for two, and nobody may pass
 * it. */
static void comes_when_one_waits(void *way)
{
	void *element;

	await_queued(1);
	element = take_at_once(*(enum way *)way);
	if (element)
		require(nr_queued() == 0);
	else
		require(errno == EAGAIN);
	explore_point("is back");
	give(element);
}

static void share_is_kept(void)
{
	static enum way ways[] = { ATOMIC, PREALLOCATED, NORESERVE };

	world_make_capped(2, 8, 2);
	world_in_order();
	explore_spawn("holder-1", gives, take_for(0));
	explore_spawn("holder-2", gives, take_for(1));
	explore_spawn("bulk", takes_two, NULL);
	explore_spawn("atomic", comes_when_one_waits, &ways[ATOMIC]);
	explore_spawn("prealloc", comes_when_one_waits, &ways[PREALLOCATED]);
	explore_spawn("noreserve", comes_when_one_waits, &ways[NORESERVE]);
}

/* The backend always has one: with a share there is an element. */
static void comes_at_the_cap(void *way)
{
	void *element = take_at_once(*(enum way *)way);

	require(element || errno == EAGAIN);
	explore_point("is back");
	give(element);
}

static void free_against_newcomers(void)
{
	static enum way ways[] = { ATOMIC, PREALLOCATED, NORESERVE };

	world_make_capped(1, 8, 1);
	explore_spawn("holder", gives, take_for(0));
	explore_spawn("atomic", comes_at_the_cap, &ways[ATOMIC]);
	explore_spawn("prealloc", comes_at_the_cap, &ways[PREALLOCATED]);
	explore_spawn("noreserve", comes_at_the_cap, &ways[NORESERVE]);
	explore_spawn("waiter", takes_and_gives, NULL);
}

/* A newcomer has the share, alloc_fn has nothing for it, and then the element
 * comes: the share that it gives back is for who waits, who has to hear of
 * the element, too. */
static void tries_in_vain(void *unused)
{
	void *element;

	(void)unused;
	element = hold(mempool_alloc_noreserve(world.pool, GFP_NOWAIT));
	require(element || errno == EAGAIN || errno == ENOMEM);
	give(element);
}

static void share_comes_back_unused(void)
{
	world_make_capped(0, 1, 1);
	explore_spawn("holder", gives, take_for(0));
	explore_spawn("newcomer", tries_in_vain, NULL);
	explore_spawn("waiter", takes_and_gives, NULL);
}

/* The waiter was queued for want of a share and has not tried yet: it does when
 * the newcomer's try has failed. */
static void waiter_has_not_tried(void)
{
	world_make_capped(0, 1, 1);
	world.backend.fail = 1;
	explore_spawn("newcomer", tries_in_vain, NULL);
	explore_spawn("waiter", takes_and_gives, NULL);
}

static void recovers_and_kicks(void *unused)
{
	(void)unused;
	await_queued(1);
	world.backend.give = 1;
	mempool_kick(world.pool);
	world.backend.released = true;
}

static bool was_kicked(void *unused)
{
	(void)unused;
	return world.backend.released;
}

static void gives_after_the_kick(void *element)
{
	explore_await("it was kicked", was_kicked, NULL);
	give_mine(element);
}

/* The kick comes when the bulk request has no share to try the backend with,
 * and counts when it has. */
static void kick_without_a_share(void)
{
	world_make_capped(2, 1, 4);
	explore_spawn("holder-1", gives_when_one_is_served, take_for(0));
	explore_spawn("holder-2", gives_when_one_is_served, take_for(1));
	explore_spawn("holder-3", gives_after_the_kick, take_for(2));
	explore_spawn("bulk", takes_two, NULL);
	explore_spawn("backend", recovers_and_kicks, NULL);
}

/* ---- max_waiters ------------------------------------------------------- */

static void waits_or_is_refused(void *unused)
{
	void *element = take(GFP_KERNEL);

	(void)unused;
	require(element || errno == EBUSY);
	explore_point("is back");
	give(element);
}

static void one_may_wait(void)
{
	world_make_crowded(1, 1);
	explore_spawn("a", waits_or_is_refused, NULL);
	explore_spawn("b", waits_or_is_refused, NULL);
	explore_spawn("c", waits_or_is_refused, NULL);
}

/* The third has the element. */
static void two_may_wait(void)
{
	world_make_crowded(1, 2);
	explore_spawn("a", takes_and_gives, NULL);
	explore_spawn("b", takes_and_gives, NULL);
	explore_spawn("c", takes_and_gives, NULL);
}

const struct scenario cap_scenarios[] = {
	{ SCENARIO(two_at_the_cap, world_check), .spurious = 1 },
	{ SCENARIO(three_at_the_cap, world_check), .spurious = 1 },
	{ SCENARIO(cap_without_reserve, world_check) },
	{ SCENARIO(cap_with_full_reserve, world_check), .spurious = 1 },
	{ SCENARIO(cap_timeout, world_check), .early = 2 },
	{ SCENARIO(cap_cancel, world_check), .cancels = 1, .spurious = 1 },
	{ SCENARIO(cap_cancel_in_callbacks, world_check), .cancels = 1 },
	{ SCENARIO(cap_shutdown, world_check), .spurious = 1 },
	{ SCENARIO(cap_two_bulks, world_check), .spurious = 1 },
	{ SCENARIO(bulk_queues_empty_handed, world_check), .early = 1 },
	{ SCENARIO(share_is_not_held, world_check), .early = 1 },
	{ SCENARIO(cap_bulk_cancelled, world_check), .cancels = 1 },
	{ SCENARIO(share_is_kept, world_check) },
	{ SCENARIO(free_against_newcomers, world_check) },
	{ SCENARIO(share_comes_back_unused, world_check) },
	{ SCENARIO(waiter_has_not_tried, world_check) },
	{ SCENARIO(kick_without_a_share, world_check) },
	{ SCENARIO(one_may_wait, world_check) },
	{ SCENARIO(two_may_wait, world_check) },
	{ .name = NULL },
};
