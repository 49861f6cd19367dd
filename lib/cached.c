/* SPDX-License-Identifier: MIT */
/*
 * cached.c - elements of a reserve that are near the CPUs
 *
 * Theory of operation
 * ===================
 *
 * 1. Purpose
 *
 * While the backend is dead every call takes the pool's lock.  In a pool with
 * MEMPOOL_CACHED the lanes of CPUs (lane.c) have a part of the reserve then,
 * and most calls take none.  Whoever needs an element that lies there has it
 * back first, whatever the threads of that CPU do: so nobody waits for one that
 * is not in use, or fails for want of it.
 *
 * 2. Objects
 *
 *   lane      has a magazine, or none.
 *   room      what the reserve itself may have: min_nr less the caps of the
 *             magazines in lanes and in limbo.
 *   reserve   all other elements.
 *
 * 3. States
 *
 *               quiet for nr_needed          a fence has passed
 *        OFF ------------------------> TRIED -------------------> ON
 *         ^                              |                         |
 *         +------------------------------+-------------------------+
 *               a wait, or a recall that finds something cached
 *
 *   OFF   Nothing is loaded.  nr_quiet counts takes and gives that were plain:
 *         an element was there, nobody waited.
 *   TRIED As OFF.  Who tries may be stopped, or its fence refused: so others
 *         try again when it was quiet for as long once more.
 *   ON    Each plain take or give loads the lane of its CPU, half full where
 *         that is possible.  What has to go the plain way from then on is the
 *         difference between what is taken on a CPU and what is given there.
 *
 * 4. Invariants (hold whenever the lock is free)
 *
 *   E1  The reserve has no more than its room, if a lane has a magazine or
 *       limbo is not empty.  So it never collects more than min_nr, wherever
 *       that is.
 *   E2  A lane has a magazine, or limbo is not empty  =>  no request is linked,
 *       and the gate is closed (waitq.c, section 6).
 *   E3  A thread is between the two halves of its recall  =>  no lane has a
 *       magazine.
 *   E4  A request is linked  =>  OFF.
 *
 * By E1 all elements are in only if the reserve is as full as its room, and all
 * magazines are full.  A free finds no place then, and recalls: so the gate can
 * be opened when the backend is alive again.
 *
 * 5. Recall (core_recall())
 *
 * strip all lanes with the lock, let go of it, have a fence pass, take the lock
 * again, and what is in limbo with one's own stamp or an older one is in the
 * reserve.  By E3 there is nothing else then: no lane was loaded since it was
 * stripped, and what is in limbo with a later stamp would have had to come out
 * of one.  So while the lock is held on, the reserve has every element that is
 * not in use; who does not find enough there may fail or be queued.
 *
 * A thread that was on the fast path begins again after the fence, finds no
 * magazine, and comes for the lock; or what it did is in the magazine, and seen.
 * It need not run for that.
 *
 * Recalls are made before a request fails or is queued; before a free goes to
 * the backend, as nobody seems to want its element; for a bulk free; before
 * min_nr changes, the reserve is filled up or the pool shut down; and before
 * its numbers are told, drain included.
 *
 *   [E5] Taking by the fast path needs the gate closed before (waitq.c, [G1]).
 *        It was before the magazine was loaded, by a thread on this CPU.
 *
 * 6. When
 *
 * A recall costs a system call, and mostly an interrupt, for each CPU whose lane
 * is loaded: what a thousand plain calls do.  So it has to be made up for.  If
 * less than PAYS elements for each lane were taken by the fast path since lanes
 * were loaded, it takes twice as many quiet calls to be ON again, else half as
 * many; within bounds.
 *
 * 7. A fence that is refused
 *
 * A filter of system calls may come at any time, for one thread or for all.  A
 * pool gets lanes only if a fence passes when it is made, and they are loaded
 * only if one has passed since the last recall.  If one is refused after that,
 * what was stripped may be in use and is lost until the pool is destroyed: it
 * counts as neither inside nor outside, and others may take its place in the
 * reserve.  No lane is loaded again, in any pool: the next recall may be by the
 * same thread.
 *
 * 8. Fork
 *
 * In the child nobody is on the fast path, nor recalls; what lanes have is as
 * good as in the parent, and what is in limbo is had by the next recall.
 *
 * 9. Lock order
 *
 * The pool's lock is a leaf.  Magazines are had and put when it is made and
 * destroyed.
 *
 * 10. How it is checked
 *
 * tests/model/cached.pml is sections 3 to 5 in Promela; the explorer runs this
 * code with sequences of its own; lib/invariant.c checks section 4.
 *
 * 11. What this file does not do
 *
 * It caches no shares of max_nr: those are counted with the lock.
 */
#include "config.h"

#include "cached.h"

#include <errno.h>

#include "core.h"

#define QUIET_MIN	64u		/* plain takes and gives */
#define QUIET_MAX	65536u
#define PAYS		1024u		/* fast takes that make up for it */

/* Any will do, to see whether a fence passes. */
static const struct lane_set first_lane = { .bits = { 1 } };

/* ---- life cycle -------------------------------------------------------- */

void cached_set_cap(struct mempool_core *core)
{
	/* Half of all for the CPUs: what is taken on one and given on another
	 * goes through the rest. */
	unsigned int cap = core->min_nr / (2 * lane_nr_online);

	if (cap > MAGAZINE_MAX)
		cap = MAGAZINE_MAX;
	core->cached.cap = cap ? cap : 1;
}

static void put_spare(struct cached *cached)
{
	struct magazine *magazine;

	while ((magazine = magazine_next(&cached->spare)))
		magazine_put(magazine);
}

static bool get_spare(struct cached *cached)
{
	struct magazine *magazine;
	unsigned int i;

	for (i = 0; i < lane_nr_online; i++) {
		magazine = magazine_get();
		if (!magazine)
			return false;
		magazine_add(&cached->spare, magazine);
	}
	return true;
}

int cached_init(struct mempool_core *core)
{
	lane_start();
	if (!lane_is_cpu || !lane_can_fence() || !lane_fence(&first_lane))
		return 0;
	core->lanes = lanes_make();
	if (!core->lanes)
		return -ENOMEM;
	if (!get_spare(&core->cached)) {
		cached_fini(core);
		return -ENOMEM;
	}
	core->cached.nr_needed = QUIET_MIN;
	cached_set_cap(core);
	return 0;
}

void cached_fini(struct mempool_core *core)
{
	put_spare(&core->cached);
	lanes_free(core->lanes);
}

/* ---- with the lock ----------------------------------------------------- */

/* It is not loaded any more, and nobody uses it. */
static void put_away(struct mempool_core *core, struct magazine *magazine)
{
	struct cached *cached = &core->cached;

	if (magazine == MAGAZINE_NONE)
		return;
	cached->nr_taken += magazine->taken;
	reserve_put_some(&core->reserve, magazine->objects,
			 magazine_nr(magazine));
	magazine_reset(magazine, 0);
	core->room += magazine->cap;
	magazine_add(&cached->spare, magazine);
}

/* Half of its cap, or all there is if that is less; but at least what the reserve
 * has beyond the room that it is left with (E1). */
static void fill(struct mempool_core *core, struct magazine *magazine)
{
	unsigned int nr = core->reserve.nr, some = core->cached.cap;
	unsigned int surplus = nr + some > core->room ? nr + some - core->room
						      : 0;

	magazine->cap = some;
	core->room -= some;
	some /= 2;
	if (some > nr)
		some = nr;
	if (some < surplus)
		some = surplus;
	reserve_take_some(&core->reserve, magazine->objects, some);
	magazine_reset(magazine, some);
}

static struct magazine *swap(struct mempool_core *core, struct magazine *next)
{
	return recall_swap(&core->cached.recall, core->lanes, next);
}

/* The lane of this CPU.  What the thread unloads on another, if it is moved
 * meanwhile, goes back to the reserve. */
static void load(struct mempool_core *core)
{
	struct cached *cached = &core->cached;
	struct magazine *magazine;

	/* The next one needs the room of this. */
	put_away(core, swap(core, MAGAZINE_NONE));
	if (core->room < cached->cap)
		return;
	magazine = magazine_next(&cached->spare);
	if (!magazine)
		return;
	/* [E5] */
	core_close_gate(core);
	fill(core, magazine);
	put_away(core, swap(core, magazine));
}

/* After a shutdown a pool has come to rest; while it grows there may not be
 * min_nr elements, and who fills it up counts what is in the reserve. */
static bool may_load(const struct mempool_core *core)
{
	return !core->cached.nr_recalling && !core->shutdown &&
	       core->bulk_nr == core->min_nr &&
	       core->reserve.nr <= core->room && lane_can_fence();
}

/* ---- when -------------------------------------------------------------- */

/* Lock held, nothing is loaded: whether it is time to try a fence. */
static bool has_been_quiet(struct mempool_core *core)
{
	struct cached *cached = &core->cached;

	if (core->waitq.nr || ++cached->nr_quiet < cached->nr_needed ||
	    !lane_can_fence())
		return false;
	cached->nr_quiet = 0;
	cached->state = CACHED_TRIED;
	return true;
}

/* Lock not held.  There may have been a wait since. */
static void try_fence(struct mempool_core *core)
{
	struct cached *cached = &core->cached;
	bool passed = lane_fence(&first_lane);

	core_lock(core);
	if (passed && cached->state == CACHED_TRIED)
		cached->state = CACHED_ON;
	core_unlock(core);
}

void cached_unlock(struct mempool_core *core)
{
	bool is_on = core->cached.state == CACHED_ON;
	bool is_time = !is_on && has_been_quiet(core);

	if (is_on && may_load(core))
		load(core);
	core_unlock_plain(core);
	if (unlikely(is_time))
		try_fence(core);
}

/* ---- recall ------------------------------------------------------------ */

static void end(struct mempool_core *core, uint64_t stamp)
{
	struct magazine *magazine;

	while ((magazine = recall_end(&core->cached.recall, stamp)))
		put_away(core, magazine);
}

static void lose(struct mempool_core *core, uint64_t stamp)
{
	struct magazine *magazine;

	while ((magazine = recall_end(&core->cached.recall, stamp))) {
		core->room += magazine->cap;
		magazine_add(&core->cached.lost, magazine);
	}
}

/* Whether it was worth while that @nr lanes were loaded. */
static void learn(struct cached *cached, unsigned int nr)
{
	bool pays = cached->nr_taken >= (uint64_t)PAYS * nr;

	cached->nr_taken = 0;
	if (pays && cached->nr_needed > QUIET_MIN)
		cached->nr_needed /= 2;
	if (!pays && cached->nr_needed < QUIET_MAX)
		cached->nr_needed *= 2;
}

bool cached_recall(struct mempool_core *core)
{
	struct cached *cached = &core->cached;
	unsigned int nr_stripped = cached->recall.nr_loaded;
	struct lane_set lanes;
	uint64_t stamp;
	bool passed;

	recall_strip(&cached->recall, core->lanes, false);
	recall_lanes(&cached->recall, &lanes);
	stamp = cached->recall.nr_recalls;
	cached->nr_recalling++;
	core_unlock(core);
	passed = lane_fence(&lanes);
	core_lock(core);
	cached->nr_recalling--;
	cached_pause(cached);
	if (likely(passed))
		end(core, stamp);
	else
		lose(core, stamp);
	if (nr_stripped)
		learn(cached, nr_stripped);
	return true;
}

bool cached_take_in(struct mempool_core *core)
{
	struct cached *cached = &core->cached;
	struct magazine *magazine;

	if (!core->lanes)
		return false;
	recall_strip(&cached->recall, core->lanes, true);
	do {
		magazine = recall_end(&cached->recall, RECALL_ALL);
		if (!magazine)
			magazine = magazine_next(&cached->lost);
		if (!magazine)
			return false;
		put_away(core, magazine);
	} while (!core->reserve.nr);
	return true;
}

void cached_child(struct mempool_core *core)
{
	core->cached.nr_recalling = 0;
	/* Nobody may be there who tries. */
	cached_pause(&core->cached);
}
