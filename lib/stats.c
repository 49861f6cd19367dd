/* SPDX-License-Identifier: MIT */
/*
 * stats.c - what a pool tells about itself, and waiting for it to be quiet
 */
#include "config.h"

#include <kmempool/mempool.h>

#include <errno.h>

#include "core.h"
#include "counters.h"
#include "deadline.h"
#include "sized.h"

/* Doubled until it is the other: a power of two of it. */
#define DRAIN_STEP_MIN_NS	(NSEC_PER_MSEC / 64)
#define DRAIN_STEP_MAX_NS	NSEC_PER_MSEC

/*
 * Frees first, then allocations: an element whose free is seen was allocated
 * before, and counted before [C1], so the difference is never too small.
 * The allocations that are counted under the lock are read under it.
 */
void core_get_stats(struct mempool_core *core, struct mempool_stats *stats)
{
	uint64_t free_backend = counters_sum(core->slot, FREE_BACKEND);
	uint64_t free_reserve = counters_sum(core->slot, FREE_RESERVE);
	uint64_t free_waiter = counters_sum(core->slot, FREE_WAITER);

	core_lock_and_recall(core);
	*stats = core->stats;
	stats->min_nr = core->min_nr;
	stats->curr_nr = core->reserve.nr;
	stats->low_nr = core->reserve.low;
	stats->cached = core->lanes && lane_can_fence();
	stats->waiters = core->waitq.nr;
	if (core->waitq.head)
		stats->wait_oldest_ns = deadline_now_ns() -
					core->waitq.head->since_ns;
	core_unlock(core);
	stats->backend_failures = counters_sum(core->slot, BACKEND_FAILURES);
	stats->alloc_reserve = counters_sum(core->slot, ALLOC_RESERVE);
	stats->alloc_backend = counters_sum(core->slot, ALLOC_BACKEND);
	stats->free_backend = free_backend;
	stats->free_reserve = free_reserve;
	stats->free_waiter = free_waiter;
	stats->outstanding =
		(int64_t)(stats->alloc_backend + stats->alloc_reserve +
			  stats->alloc_handoff - free_backend - free_reserve -
			  free_waiter);
}

int mempool_get_stats(mempool_t *pool, struct mempool_stats *stats,
		      size_t size)
{
	struct mempool_stats all;

	if (!pool || !stats || !size)
		return -EINVAL;
	core_get_stats(pool->kmp_core, &all);
	sized_write(stats, size, &all, sizeof(all));
	return 0;
}

bool mempool_is_saturated(mempool_t *pool)
{
	struct mempool_core *core;
	bool full;

	if (!pool)
		return false;
	core = pool->kmp_core;
	core_lock(core);
	/* While CPUs have some, it has all only when it has what it may (E1). */
	if (core->reserve.nr >= core->room)
		core_recall(core);
	full = core->reserve.nr >= core->min_nr;
	core_unlock(core);
	return full;
}

/*
 * Frees do not announce themselves: that would be a shared line on the short
 * path.  So we look, often at first.
 */
int mempool_drain_until(mempool_t *pool, const struct timespec *deadline)
{
	uint64_t step_ns = DRAIN_STEP_MIN_NS;
	struct mempool_stats stats;
	uint64_t deadline_ns;
	uint64_t wake_ns;

	if (!pool || deadline_from_timespec(deadline, &deadline_ns))
		return -EINVAL;
	for (;;) {
		uint64_t now_ns;

		core_get_stats(pool->kmp_core, &stats);
		if (stats.outstanding <= 0)
			return 0;
		now_ns = deadline_now_ns();
		if (now_ns >= deadline_ns)
			return -ETIMEDOUT;
		wake_ns = now_ns + step_ns;
		deadline_sleep_until(wake_ns < deadline_ns ? wake_ns
							   : deadline_ns);
		if (step_ns < DRAIN_STEP_MAX_NS)
			step_ns *= 2;
	}
}
