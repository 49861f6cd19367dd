/* SPDX-License-Identifier: MIT */
/*
 * invariant.c - what waitq.c and retry.c claim, checked at run time
 *
 * Built with --enable-debug only.  The names I1, I2, I4 and G1 are those of the
 * comment in waitq.c; R1 and R5 are from retry.c, E1 to E4 from cached.c.
 */
#include "config.h"

#include "core.h"
#include "counters.h"
#include "report.h"

static void require(struct mempool_core *core, bool holds, const char *claim)
{
	if (!holds)
		report_and_abort("libkmempool: broken invariant in pool %p "
				 "(%s): %s; please report this\n",
				 (void *)core->pool,
				 core->name ? core->name : "no name", claim);
}

static bool linked(struct mempool_core *core, struct request *wanted)
{
	struct request *request;

	for (request = core->waitq.head; request; request = request->next)
		if (request == wanted)
			return true;
	return false;
}

static void check_list(struct mempool_core *core)
{
	struct request *request, *prev = NULL;
	unsigned int nr_pressed = 0;
	unsigned int nr = 0;

	for (request = core->waitq.head; request; request = request->next) {
		require(core, request->prev == prev, "the queue is linked");
		require(core, request->state == REQUEST_QUEUED ||
			request->state == REQUEST_TRYING, "I1");
		nr_pressed += request->pressed;
		require(core, !request->must_retry ||
			core->retry.holder == request,
			"only the holder must retry");
		prev = request;
		nr++;
	}
	require(core, core->waitq.tail == prev, "the queue has its tail");
	require(core, core->waitq.nr == nr, "the queue is counted");
	require(core, core->waitq.nr_pressed == nr_pressed,
		"who is pressed is counted");
	require(core, core->waitq.nr_inside >= nr,
		"who is queued is inside");
}

/* E1 to E4 of cached.c. */
static void check_cached(struct mempool_core *core)
{
	const struct magazine *magazine = core->cached.recall.limbo;
	unsigned int away = 0, nr = 0, i;

	for (; magazine; magazine = magazine->next)
		away += magazine->cap;
	for (i = 0; core->lanes && i < lane_nr; i++) {
		magazine = core->lanes[i].loaded;
		if (magazine == MAGAZINE_NONE)
			continue;
		away += magazine->cap;
		nr++;
	}
	require(core, core->cached.recall.nr_loaded == nr,
		"the lanes that are loaded are counted");
	require(core, core->room + away == core->min_nr,
		"what is cached has its room");
	require(core, !away || core->reserve.nr <= core->room, "E1");
	require(core, !away || (!core->waitq.nr &&
				core->pool->kmp_gate == COUNTERS_CLOSED), "E2");
	require(core, !nr || !core->cached.nr_recalling, "E3");
	require(core, !core->waitq.nr || core->cached.state == CACHED_OFF,
		"E4");
}

void invariant_check(struct mempool_core *core)
{
	struct request *first = waitq_first(core);
	struct request *watch = core->retry.watch;
	struct request *holder = core->retry.holder;

	check_list(core);
	check_cached(core);
	require(core, core->reserve.nr <= core->reserve.cap,
		"the reserve has room for what is in it");
	require(core, core->min_nr <= core->reserve.cap,
		"the reserve has room for min_nr");
	require(core, core->bulk_nr <= core->min_nr,
		"no bulk request is promised more than min_nr");
	require(core, !first || core->reserve.nr < first->lack ||
		!waitq_has_share(core, first->lack) ||
		(first->told && !first->kept), "I2");
	require(core, !first || first->first_ns, "the first knows it");
	require(core, !watch || linked(core, watch), "the watch is queued");
	require(core, !holder || linked(core, holder), "R1");
	require(core, !core->retry.owed || holder || !first ||
		!waitq_has_share(core, first->lack), "R5");
	require(core, core->fixed || !first ||
		(watch && watch->state == REQUEST_QUEUED), "I4");
	require(core, core->pool->kmp_gate == COUNTERS_CLOSED ||
		(!core->waitq.nr && core->reserve.nr >= core->min_nr), "G1");
}
