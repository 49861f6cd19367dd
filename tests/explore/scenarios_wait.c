/* SPDX-License-Identifier: MIT */
/*
 * scenarios_wait.c - requests that wait, and what ends the wait
 *
 * Pools without a backend, so whatever is lost stays lost.
 */
#include "config.h"

#include <errno.h>

#include "core.h"
#include "world.h"

/* ---- one element, many who want it ------------------------------------- */

static void two_share_one(void)
{
	world_make_fixed(1);
	explore_spawn("a", takes_and_gives, NULL);
	explore_spawn("b", takes_and_gives, NULL);
}

static void three_share_one(void)
{
	two_share_one();
	explore_spawn("c", takes_and_gives, NULL);
}

static void four_share_two(void)
{
	world_make_fixed(2);
	explore_spawn("a", takes_and_gives, NULL);
	explore_spawn("b", takes_and_gives, NULL);
	explore_spawn("c", takes_and_gives, NULL);
	explore_spawn("d", takes_and_gives, NULL);
}

/* ---- time-outs --------------------------------------------------------- */

/* Whoever gets the lock first decides, and the third is served anyhow. */
static void timeout_against_handoff(void)
{
	world_make_fixed(1);
	explore_spawn("holder", gives, take_for(0));
	explore_spawn("hurried", takes_with_deadline, NULL);
	explore_spawn("patient", takes_and_gives, NULL);
}

static void two_timeouts(void)
{
	world_make_fixed(1);
	explore_spawn("holder", gives, take_for(0));
	explore_spawn("hurried-1", takes_with_deadline, NULL);
	explore_spawn("hurried-2", takes_with_deadline, NULL);
	explore_spawn("patient", takes_and_gives, NULL);
}

static void comes_too_late(void *unused)
{
	void *element = take_until(0);

	(void)unused;
	require(element || errno == ETIMEDOUT);
	explore_point("is back");
	give(element);
}

/* A deadline in the past still tries, and never sleeps. */
static void deadline_in_the_past(void)
{
	world_make_fixed(1);
	explore_spawn("late-1", comes_too_late, NULL);
	explore_spawn("late-2", comes_too_late, NULL);
	explore_spawn("patient", takes_and_gives, NULL);
}

/* ---- cancellation and shutdown ----------------------------------------- */

static void cancel_against_handoff(void)
{
	world_make_fixed(1);
	explore_spawn("holder", gives, take_for(0));
	explore_spawn("cancelled", takes_cancellably, NULL);
	explore_spawn("patient", takes_and_gives, NULL);
}

static void two_are_cancelled(void)
{
	world_make_fixed(1);
	explore_spawn("holder", gives, take_for(0));
	explore_spawn("cancelled-1", takes_cancellably, NULL);
	explore_spawn("cancelled-2", takes_cancellably, NULL);
	explore_spawn("patient", takes_and_gives, NULL);
}

/* The same with who is served directly, and woken only then. */
static void timeout_against_grant(void)
{
	timeout_against_handoff();
	world_in_order();
}

static void cancel_against_grant(void)
{
	cancel_against_handoff();
	world_in_order();
}

static void shuts_down(void *unused)
{
	(void)unused;
	mempool_shutdown(world.pool);
}

static void shutdown_against_handoff(void)
{
	world_make_fixed(1);
	explore_spawn("holder", gives, take_for(0));
	explore_spawn("a", takes_until_shutdown, NULL);
	explore_spawn("b", takes_until_shutdown, NULL);
	explore_spawn("closer", shuts_down, NULL);
}

static void is_cancelled_or_shut_out(void *unused)
{
	explore_allow_cancel();
	takes_until_shutdown(unused);
}

static void shutdown_against_cancel(void)
{
	world_make_fixed(1);
	explore_spawn("holder", gives, take_for(0));
	explore_spawn("cancelled", is_cancelled_or_shut_out, NULL);
	explore_spawn("closer", shuts_down, NULL);
}

/* ---- signals ----------------------------------------------------------- */

/* Without a block the bed dies with the request. */
static void share_one_on_the_stack(void)
{
	three_share_one();
}

static void timeout_on_the_stack(void)
{
	timeout_against_handoff();
}

static void cancel_on_the_stack(void)
{
	cancel_against_handoff();
}

static void shutdown_on_the_stack(void)
{
	shutdown_against_handoff();
}

static struct backend other_backend;
static mempool_t *other;

static void gives_when_one_waits(void *element)
{
	await_queued(1);
	give_mine(element);
}

static void *hold_other(void)
{
	return hold(mempool_alloc(other, GFP_KERNEL));
}

static void give_other(void *element)
{
	mempool_free(let_go(element), other);
}

static void takes_one_and_the_other(void *unused)
{
	void *element;

	takes_and_gives(unused);
	element = hold_other();
	require(element);
	explore_point("has an element");
	give_other(element);
}

static bool both_are_queued(void *unused)
{
	(void)unused;
	return other->kmp_core->stats.waits && world.nr_served;
}

static void holds_the_other(void *element)
{
	explore_await("both were waited for", both_are_queued, NULL);
	give_other(element);
}

/* The signal of one pool comes when it waits in the other. */
static void late_signal(void)
{
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;
	void *element;

	world_make_fixed(1);
	world_in_order();
	attr.flags = MEMPOOL_FIXED;
	other_backend = (struct backend){ .give = 1 };
	other = mempool_create_attr(1, backend_alloc, backend_free,
				    &other_backend, &attr);
	require(other);
	element = hold_other();
	explore_spawn("holder", gives_when_one_waits, take_for(0));
	explore_spawn("waiter", takes_one_and_the_other, NULL);
	explore_spawn("other", holds_the_other, element);
}

static void late_signal_check(void)
{
	pool_end(other, &other_backend, -1);
	world_check();
}

/* ---- order ------------------------------------------------------------- */

/* Arrives as number @nr, from 0, and must find all before it served. */
static void arrives(unsigned int nr, unsigned int of)
{
	void *element;

	await_queued(nr);
	element = take(GFP_KERNEL);
	require(element);
	require(nr_queued() <= of - 1 - nr);
	explore_point("has an element");
	give(element);
}

static void arrives_first(void *unused)
{
	(void)unused;
	arrives(0, 3);
}

static void arrives_second(void *unused)
{
	(void)unused;
	arrives(1, 3);
}

static void arrives_third(void *unused)
{
	(void)unused;
	arrives(2, 3);
}

static void gives_when_all_wait(void *element)
{
	await_queued(3);
	give_mine(element);
}

static void first_come_first_served(void)
{
	world_make_fixed(2);
	world_in_order();
	explore_spawn("holder-1", gives_when_all_wait, take_for(0));
	explore_spawn("holder-2", gives_when_all_wait, take_for(1));
	explore_spawn("first", arrives_first, NULL);
	explore_spawn("second", arrives_second, NULL);
	explore_spawn("third", arrives_third, NULL);
}

static void waits_for_two(void *unused)
{
	void *elems[2];

	(void)unused;
	require(!take_bulk(elems, 2, NEVER_MS));
	world.nr_served++;
	explore_point("has two elements");
	give_bulk(elems, 2);
}

/* Without a bound neither an atomic newcomer nor a preallocated one may pass
 * who waits, even if elements collect that would do for it. */
static void comes_when_one_waits(void *preallocated)
{
	void *element;

	await_queued(1);
	element = preallocated ?
		  hold(mempool_alloc_preallocated(world.pool)) :
		  take(GFP_NOWAIT);
	if (element)
		require(nr_queued() == 0);
	else
		require(errno == EAGAIN);
	explore_point("is back");
	give(element);
}

static void nobody_overtakes(void)
{
	world_make_fixed(2);
	world_in_order();
	explore_spawn("holder-1", gives, take_for(0));
	explore_spawn("holder-2", gives, take_for(1));
	explore_spawn("waiter", waits_for_two, NULL);
	explore_spawn("atomic", comes_when_one_waits, NULL);
	explore_spawn("preallocated", comes_when_one_waits, &world);
}

const struct scenario wait_scenarios[] = {
	{ SCENARIO(two_share_one, world_check), .spurious = 1 },
	{ SCENARIO(three_share_one, world_check), .spurious = 1 },
	{ SCENARIO(four_share_two, world_check) },
	{ SCENARIO(timeout_against_handoff, world_check),
	  .spurious = 1, .early = 2 },
	{ SCENARIO(two_timeouts, world_check), .early = 2 },
	{ SCENARIO(deadline_in_the_past, world_check), .early = 1 },
	{ SCENARIO(cancel_against_handoff, world_check),
	  .cancels = 1, .spurious = 1 },
	{ SCENARIO(two_are_cancelled, world_check), .cancels = 2 },
	{ SCENARIO(timeout_against_grant, world_check),
	  .spurious = 1, .early = 2 },
	{ SCENARIO(cancel_against_grant, world_check),
	  .cancels = 1, .spurious = 1 },
	{ SCENARIO(shutdown_against_handoff, world_check), .spurious = 1 },
	{ SCENARIO(shutdown_against_cancel, world_check), .cancels = 1 },
	{ SCENARIO(first_come_first_served, world_check), .spurious = 1 },
	{ SCENARIO(nobody_overtakes, world_check) },
	{ SCENARIO(share_one_on_the_stack, world_check),
	  .spurious = 1, .no_blocks = true },
	{ SCENARIO(timeout_on_the_stack, world_check),
	  .early = 2, .no_blocks = true },
	{ SCENARIO(cancel_on_the_stack, world_check),
	  .cancels = 1, .no_blocks = true },
	{ SCENARIO(shutdown_on_the_stack, world_check),
	  .spurious = 1, .no_blocks = true },
	{ SCENARIO(late_signal, late_signal_check), .spurious = 2 },
	{ .name = NULL },
};
