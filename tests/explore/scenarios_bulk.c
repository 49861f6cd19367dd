/* SPDX-License-Identifier: MIT */
/*
 * scenarios_bulk.c - requests for several elements, among others
 */
#include "config.h"

#include <errno.h>

#include "core.h"
#include "world.h"

static void takes_two(void *unused)
{
	void *elems[2];

	(void)unused;
	require(!take_bulk(elems, 2, NEVER_MS));
	world.nr_served++;
	explore_point("has two elements");
	give_bulk(elems, 2);
}

static void takes_three(void *unused)
{
	void *elems[3];

	(void)unused;
	require(!take_bulk(elems, 3, NEVER_MS));
	world.nr_served++;
	explore_point("has three elements");
	give_bulk(elems, 3);
}

static void takes_two_cancellably(void *unused)
{
	explore_allow_cancel();
	takes_two(unused);
}

static void takes_two_with_deadline(void *unused)
{
	void *elems[2];
	int err = take_bulk(elems, 2, 10);

	(void)unused;
	require(err == 0 || err == -ETIMEDOUT);
	explore_point("is back");
	if (!err)
		give_bulk(elems, 2);
}

/* Each takes all or nothing, or they would hold what the other lacks. */
static void two_bulks(void)
{
	world_make_fixed(2);
	explore_spawn("a", takes_two, NULL);
	explore_spawn("b", takes_two, NULL);
}

static void three_bulks(void)
{
	world_make_fixed(3);
	explore_spawn("a", takes_two, NULL);
	explore_spawn("b", takes_three, NULL);
	explore_spawn("c", takes_two, NULL);
}

/* Single requests must not eat up what collects for the bulk one. */
static void bulk_against_singles(void)
{
	world_make_fixed(2);
	explore_spawn("a", takes_and_gives, NULL);
	explore_spawn("bulk", takes_two, NULL);
	explore_spawn("b", takes_and_gives, NULL);
	explore_spawn("c", takes_and_gives, NULL);
}

/* What collected for a bulk request that leaves is for those behind it. */
static void bulk_leaves_by_timeout(void)
{
	world_make_fixed(2);
	explore_spawn("holder-1", gives, take_for(0));
	explore_spawn("holder-2", gives, take_for(1));
	explore_spawn("bulk", takes_two_with_deadline, NULL);
	explore_spawn("behind", takes_and_gives, NULL);
}

static void bulk_leaves_by_cancel(void)
{
	world_make_fixed(2);
	explore_spawn("holder-1", gives, take_for(0));
	explore_spawn("holder-2", gives, take_for(1));
	explore_spawn("bulk", takes_two_cancellably, NULL);
	explore_spawn("behind", takes_and_gives, NULL);
}

static bool somebody_waits(void *unused)
{
	(void)unused;
	return nr_queued() || world.nr_served;
}

/* The holder gives only when somebody waits behind the bulk request, which
 * never gets its second element before it leaves. */
static void gives_one_keeps_one(void *elems)
{
	void **mine = elems;

	explore_await("somebody waits", somebody_waits, NULL);
	give_mine(mine[0]);
	explore_await("somebody waits", somebody_waits, NULL);
	give_mine(mine[1]);
}

/* One from the backend, one from the reserve; cancelled, both go back. */
static void bulk_with_one_from_backend(void)
{
	static void *mine[2];

	world_make(2, 1, HOUR_MS);
	world.backend.may_cancel = true;
	world.backend.give = 0;
	mine[0] = take_for(0);
	mine[1] = take_for(0);
	world.backend.give = 1;
	explore_spawn("holder", gives_one_keeps_one, mine);
	explore_spawn("bulk", takes_two_cancellably, NULL);
	explore_spawn("single", takes_and_gives, NULL);
}

static void shrinks(void *unused)
{
	(void)unused;
	await_queued(1);
	require(!mempool_resize(world.pool, 1));
}

/* The reserve still collects two for who was admitted under min_nr 2. */
static void shrink_under_a_bulk(void)
{
	world_make_fixed(2);
	explore_spawn("holder-1", gives, take_for(0));
	explore_spawn("holder-2", gives, take_for(1));
	explore_spawn("bulk", takes_two, NULL);
	explore_spawn("shrinks", shrinks, NULL);
}

static void shrink_may_refuse(void *unused)
{
	void *elems[2];
	int err = take_bulk(elems, 2, NEVER_MS);

	(void)unused;
	require(err == 0 || err == -EINVAL);
	if (!err)
		give_bulk(elems, 2);
}

static void shrinks_at_once(void *unused)
{
	(void)unused;
	require(!mempool_resize(world.pool, 1));
}

/* At any time: the request is served or refused, and never left over. */
static void shrink_against_bulk(void)
{
	world_make_fixed(2);
	explore_spawn("holder", gives, take_for(0));
	explore_spawn("bulk", shrink_may_refuse, NULL);
	explore_spawn("shrinks", shrinks_at_once, NULL);
	explore_spawn("single", takes_and_gives, NULL);
}

const struct scenario bulk_scenarios[] = {
	{ SCENARIO(two_bulks, world_check), .spurious = 1 },
	{ SCENARIO(three_bulks, world_check) },
	{ SCENARIO(bulk_against_singles, world_check) },
	{ SCENARIO(bulk_leaves_by_timeout, world_check), .early = 2 },
	{ SCENARIO(bulk_leaves_by_cancel, world_check), .cancels = 1 },
	{ SCENARIO(bulk_with_one_from_backend, world_check), .cancels = 1 },
	{ SCENARIO(shrink_under_a_bulk, world_check) },
	{ SCENARIO(shrink_against_bulk, world_check) },
	{ .name = NULL },
};
