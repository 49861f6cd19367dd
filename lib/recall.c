/* SPDX-License-Identifier: MIT */
/*
 * recall.c - magazines on their way into lanes, and back
 *
 * Theory of operation
 * ===================
 *
 * 1. Purpose
 *
 * What a lane has loaded is used without the lock (lane.c).  Whoever wants it
 * back takes all lanes' magazines out of them, has a fence pass, and has them.
 * What they are for is layer.c's and cached.c's business.
 *
 * 2. States of a magazine
 *
 *          recall_swap()          recall_strip()          recall_end()
 *   unused <----------> in a lane -------------> in limbo -------------> unused
 *
 * 3. Invariants
 *
 *   RC1 Only who holds the lock changes what a lane has loaded.
 *   RC2 What was loaded before recall n began, and is in limbo with a stamp of
 *       n or less, is used by nobody once a fence has passed on its lane's CPU
 *       that began after it was put there.
 *
 * 4. Recall
 *
 * Stripping a lane is a store (lane.c).  The CPU may be in the middle of a
 * sequence that has loaded the magazine already, so it goes to limbo until the
 * fence has passed, which is a system call and made without the lock.  Several
 * may recall at a time.  None waits for another: the one whose fence has passed
 * takes what is in limbo with its own stamp or an older one, and that includes
 * what others put there before it began.
 *
 * 5. What this file does not do
 *
 * It makes no fence.  What the kernel refuses is for the caller to bear.
 */
#include "config.h"

#include "recall.h"

#include <string.h>

struct magazine *recall_swap(struct recall *recall, struct lane *lanes,
			     struct magazine *next)
{
	struct magazine *old = lane_swap(lanes, next);

	recall->nr_loaded += old == MAGAZINE_NONE;
	recall->nr_loaded -= next == MAGAZINE_NONE;
	return old;
}

void recall_strip(struct recall *recall, struct lane *lanes, bool alone)
{
	struct magazine *magazine;
	unsigned int i;

	recall->nr_recalls++;
	for (i = 0; i < lane_nr; i++) {
		magazine = lane_strip(&lanes[i], alone);
		if (!magazine)
			continue;
		recall->nr_loaded--;
		magazine->lane = i;
		magazine->stamp = recall->nr_recalls;
		magazine_add(&recall->limbo, magazine);
	}
}

void recall_lanes(const struct recall *recall, struct lane_set *lanes)
{
	const struct magazine *magazine;

	memset(lanes, 0, sizeof(*lanes));
	for (magazine = recall->limbo; magazine; magazine = magazine->next)
		lane_set_add(lanes, magazine->lane);
}

struct magazine *recall_end(struct recall *recall, uint64_t stamp)
{
	struct magazine **link = &recall->limbo;

	while (*link && (*link)->stamp > stamp)
		link = &(*link)->next;
	return magazine_next(link);
}
