/* SPDX-License-Identifier: MIT */
/*
 * mempool.c - try the backend, then the reserve, then wait; and give back
 *
 * When the backend succeeds neither alloc nor free takes a lock or writes a
 * line that another thread writes.  Each does its work, one load of the
 * pool's gate, which stands in the line of the callbacks, and one addition to
 * a counter of the thread's own.  The gate and the thread's base are added;
 * a negative sum means that somebody waits, the reserve is short, the thread
 * has no counters yet, or the pool has none: the slow functions find out
 * which (counters.h, waitq.c section 6).
 *
 * The slow functions are tail calls, so that the short ones need no more
 * registers than they use.
 */
#include "config.h"

#include <kmempool/mempool.h>

#include <errno.h>
#include <string.h>

#include "alloc.h"
#include "cap.h"
#include "core.h"
#include "counters.h"
#include "deadline.h"
#include "gfp_known.h"
#include "rseq.h"
#include "wait.h"

/* [G1] with core_close_gate(). */
static inline intptr_t gate_and_base(const mempool_t *pool)
{
	return __atomic_load_n(&pool->kmp_gate, __ATOMIC_RELAXED) +
	       counters_base;
}

static inline bool gate_is_closed(const mempool_t *pool)
{
	return __atomic_load_n(&pool->kmp_gate, __ATOMIC_RELAXED) ==
	       COUNTERS_CLOSED;
}

/* This thread's cell of the pool, whatever the gate is; negative: there is
 * none, or the pool has max_nr. */
static inline intptr_t own_cell(const struct mempool_core *core)
{
	return core->open_gate + counters_base;
}

static void *fail(int err)
{
	errno = err;
	return NULL;
}

/* ---- checks ------------------------------------------------------------ */

int alloc_check(const mempool_t *pool, gfp_t gfp,
		const struct timespec *deadline, uint64_t *deadline_ns)
{
	if (!pool || (gfp & ~GFP_KNOWN))
		return -EINVAL;
	if ((gfp & __GFP_ZERO) && !pool->kmp_core->element_size)
		return -EINVAL;
	return deadline_from_timespec(may_sleep(gfp) ? deadline : NULL,
				      deadline_ns);
}

/* ---- alloc ------------------------------------------------------------- */

/* [N2] A guess, without the lock. */
static bool may_open_gate(struct mempool_core *core)
{
	unsigned int nr = __atomic_load_n(&core->min_nr, __ATOMIC_RELAXED);

	return nr && !core->max_nr &&
	       __atomic_load_n(&core->reserve.nr, __ATOMIC_RELAXED) >= nr;
}

void alloc_note_backend(mempool_t *pool)
{
	struct mempool_core *core = pool->kmp_core;

	counters_add(core->slot, ALLOC_BACKEND, 1);
	if (!gate_is_closed(pool))
		return;
	/* [N1] */
	if (!__atomic_load_n(&core->waitq.nr, __ATOMIC_RELAXED) &&
	    !may_open_gate(core))
		return;
	core_lock(core);
	retry_kick(core);
	core_open_gate(core);
	core_unlock(core);
}

static COLD void *note_and_return(mempool_t *pool, void *element)
{
	alloc_note_backend(pool);
	return element;
}

/* Lock held, and let go. */
static void *take_and_unlock(struct mempool_core *core)
{
	struct counter_slot *slot = core->slot;
	void *element = reserve_take(&core->reserve);

	core_unlock(core);
	counters_add(slot, ALLOC_RESERVE, 1);
	return element;
}

/* Steps 3 and 4: the reserve had nothing.  Called with the lock, which it lets
 * go. */
static COLD void *alloc_sleeping(struct mempool_core *core, gfp_t gfp,
				 uint64_t deadline_ns)
{
	uint64_t kicks = core->retry.kicks;
	void *element = NULL;
	int err;

	if (!core->fixed) {
		core_unlock(core);
		element = core->alloc_fn(gfp | GFP_HINTS,
					 core->pool->kmp_pool_data);
		if (element)
			return note_and_return(core->pool, element);
		counters_add(core->slot, BACKEND_FAILURES, 1);
		core_lock(core);
		if (core_may_take(core, 1))
			return take_and_unlock(core);
	}
	if (core->shutdown) {
		core_unlock(core);
		return fail(ECANCELED);
	}
	err = wait_for(core, &element, 1, gfp, deadline_ns, kicks);
	return err ? fail(-err) : element;
}

static void *fail_nowait(struct mempool_core *core)
{
	core->stats.nowait_failures++;
	core_unlock(core);
	return fail(EAGAIN);
}

/* Steps 2 to 4.  Called with the lock, which it lets go. */
static NOINLINE void *alloc_locked(struct mempool_core *core, gfp_t gfp,
				   uint64_t deadline_ns)
{
	if (core_may_take(core, 1))
		return take_and_unlock(core);
	if (may_sleep(gfp))
		return alloc_sleeping(core, gfp, deadline_ns);
	return fail_nowait(core);
}

/* The same where there is no cell, or max_nr. */
static COLD void *alloc_without_cell(struct mempool_core *core, gfp_t gfp,
				     uint64_t deadline_ns)
{
	void *element;
	int err;

	counters_prepare_thread();
	if (core->max_nr) {
		err = cap_alloc(core, &element, 1, gfp, deadline_ns);
		return err ? fail(-err) : element;
	}
	if (!core->fixed)
		counters_add(core->slot, BACKEND_FAILURES, 1);
	core_lock(core);
	return alloc_locked(core, gfp, deadline_ns);
}

/* Takes and lets go of the lock, in the way of either kind of pool. */
static inline void *take_from_reserve(struct mempool_core *core, gfp_t gfp,
				      uint64_t deadline_ns, intptr_t cell,
				      bool is_cached)
{
	void *element;

	/* So that it need not be read under the lock.  [N1] */
	if (unlikely(__atomic_load_n(&core->waitq.nr, __ATOMIC_RELAXED)))
		deadline_about_now_ns();
	core_lock(core);
	if (unlikely(!core->reserve.nr || core->waitq.head))
		return alloc_locked(core, gfp, deadline_ns);
	element = reserve_take(&core->reserve);
	core_close_gate(core);
	if (is_cached)
		cached_unlock(core);
	else
		core_unlock_plain(core);
	counters_inc(&counters_cell(cell)->value[ALLOC_RESERVE]);
	return element;
}

/* Steps 2 to 4: the first try has failed.  With a dead backend this is the path
 * that all calls take, so it goes through what is plain by itself. */
static inline void *alloc_reserve(struct mempool_core *core, gfp_t gfp,
				  uint64_t deadline_ns)
{
	intptr_t cell = own_cell(core);

	if (unlikely(cell < 0))
		return alloc_without_cell(core, gfp, deadline_ns);
	if (!core->fixed)
		counters_inc(&counters_cell(cell)->value[BACKEND_FAILURES]);
	return take_from_reserve(core, gfp, deadline_ns, cell, false);
}

/* The same where the reserve may be cached (cached.c), and this CPU has nothing
 * of it.  By itself, so that the other way need save no registers. */
static NOINLINE void *alloc_uncached(struct mempool_core *core, gfp_t gfp,
				     uint64_t deadline_ns, intptr_t cell)
{
	return take_from_reserve(core, gfp, deadline_ns, cell, true);
}

static NOINLINE void *alloc_cached(struct mempool_core *core, gfp_t gfp,
				   uint64_t deadline_ns)
{
	intptr_t cell = own_cell(core);
	void *element;

	if (unlikely(cell < 0))
		return alloc_without_cell(core, gfp, deadline_ns);
	if (!core->fixed)
		counters_inc(&counters_cell(cell)->value[BACKEND_FAILURES]);
	element = rseq_pop(core->lanes);
	if (unlikely(!element))
		return alloc_uncached(core, gfp, deadline_ns, cell);
	counters_inc(&counters_cell(cell)->value[ALLOC_RESERVE]);
	return element;
}

static NOINLINE void *alloc_slow(struct mempool_core *core, gfp_t gfp,
				 uint64_t deadline_ns)
{
	return alloc_reserve(core, gfp, deadline_ns);
}

/* The commonest request by itself, here and in mempool_alloc(), because a
 * constant need not be kept over a call: one register less to save for each. */
static NOINLINE void *alloc_slow_plain(struct mempool_core *core)
{
	return alloc_reserve(core, GFP_KERNEL, DEADLINE_NEVER);
}

/* The first try has failed. */
static inline void *alloc_failed(struct mempool_core *core, gfp_t gfp,
				 uint64_t deadline_ns)
{
	if (unlikely(core->lanes))
		return alloc_cached(core, gfp, deadline_ns);
	return gfp == GFP_KERNEL && deadline_ns == DEADLINE_NEVER ?
	       alloc_slow_plain(core) : alloc_slow(core, gfp, deadline_ns);
}

static inline void *alloc_fast(mempool_t *pool, gfp_t gfp,
			       uint64_t deadline_ns)
{
	intptr_t cell;
	void *element;

	element = pool->kmp_alloc_fn(first_mask(gfp), pool->kmp_pool_data);
	if (unlikely(!element))
		return alloc_failed(pool->kmp_core, gfp, deadline_ns);
	cell = gate_and_base(pool);
	if (unlikely(cell < 0))
		return note_and_return(pool, element);
	counters_inc(&counters_cell(cell)->value[ALLOC_BACKEND]);
	return element;
}

/* Anything but a plain request without a deadline. */
static COLD void *alloc_checked(mempool_t *pool, gfp_t gfp,
				const struct timespec *deadline)
{
	uint64_t deadline_ns;
	void *element;
	int err;

	err = alloc_check(pool, gfp, deadline, &deadline_ns);
	if (err)
		return fail(-err);
	element = alloc_fast(pool, gfp & ~__GFP_ZERO, deadline_ns);
	if (element && (gfp & __GFP_ZERO))
		memset(element, 0, pool->kmp_core->element_size);
	return element;
}

static NOINLINE void *alloc_any(mempool_t *pool, gfp_t gfp)
{
	if (unlikely(!pool || (gfp & ~(GFP_KNOWN & ~__GFP_ZERO))))
		return alloc_checked(pool, gfp, NULL);
	return alloc_fast(pool, gfp, DEADLINE_NEVER);
}

void *mempool_alloc(mempool_t *pool, gfp_t gfp_mask)
{
	if (unlikely(!pool || gfp_mask != GFP_KERNEL))
		return alloc_any(pool, gfp_mask);
	return alloc_fast(pool, GFP_KERNEL, DEADLINE_NEVER);
}

void *mempool_alloc_until(mempool_t *pool, gfp_t gfp_mask,
			  const struct timespec *deadline)
{
	return alloc_checked(pool, gfp_mask, deadline);
}

/* Lock held, and may be let go of meanwhile. */
static bool may_take_preallocated(struct mempool_core *core)
{
	return waitq_may_take_and_claim(core, 1) ||
	       (core_recall(core) && waitq_may_take_and_claim(core, 1));
}

void *mempool_alloc_preallocated(mempool_t *pool)
{
	struct mempool_core *core;

	if (!pool)
		return fail(EINVAL);
	core = pool->kmp_core;
	core_lock(core);
	if (!may_take_preallocated(core))
		return fail_nowait(core);
	if (core->max_nr)
		core_take_share(core, 1);
	return take_and_unlock(core);
}

/* 0, -ENOMEM, or, at max_nr, -EAGAIN. */
static int take_noreserve(struct mempool_core *core, void **element, gfp_t gfp)
{
	if (core->fixed)
		return -ENOMEM;
	if (core->max_nr)
		return cap_alloc_noreserve(core, element, gfp);
	*element = core->alloc_fn(gfp, core->pool->kmp_pool_data);
	if (*element) {
		alloc_note_backend(core->pool);
		return 0;
	}
	counters_add(core->slot, BACKEND_FAILURES, 1);
	return -ENOMEM;
}

void *mempool_alloc_noreserve(mempool_t *pool, gfp_t gfp_mask)
{
	struct mempool_core *core;
	uint64_t deadline_ns;
	void *element;
	int err;

	err = alloc_check(pool, gfp_mask, NULL, &deadline_ns);
	if (err)
		return fail(-err);
	core = pool->kmp_core;
	err = take_noreserve(core, &element, gfp_mask & ~__GFP_ZERO);
	if (err)
		return fail(-err);
	if (gfp_mask & __GFP_ZERO)
		memset(element, 0, core->element_size);
	return element;
}

/* ---- free -------------------------------------------------------------- */

/*
 * A free counts itself as its very last act, so that who sees the count may
 * destroy the pool.  As a clean-up it does so too when the thread is cancelled
 * in free_fn: the element was free_fn's by then.
 */
static inline void count_in_cell(intptr_t *cell)
{
	counters_inc(&counters_cell(*cell)->value[FREE_BACKEND]);
}

/* The same on the slow path, and before that who waits must hear of the
 * element. */
struct backend_free {
	struct mempool_core	*core;
	struct counter_slot	*slot;
	bool			kick;
};

static void end_backend_free(struct backend_free *done)
{
	if (done->kick) {
		core_lock(done->core);
		retry_kick(done->core);
		core_unlock(done->core);
	}
	counters_add(done->slot, FREE_BACKEND, 1);
}

static COLD void free_to_backend(struct mempool_core *core, void *element,
			    bool kick)
{
	CLEANUP(end_backend_free)
	struct backend_free done = { core, core->slot, kick };
	int cancel_state;

	if (core->max_nr)
		pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
	core->pool->kmp_free_fn(element, core->pool->kmp_pool_data);
	if (core->max_nr)
		pthread_setcancelstate(cancel_state, NULL);
}

/* Lock held. */
static enum waitq_gift take_back(struct mempool_core *core, void *element)
{
	if (core->max_nr)
		core->nr_out--;
	return waitq_give(core, element);
}

/* Lock held, and no max_nr: the reserve wants the element, and nobody is to be
 * told. */
static inline bool only_reserve_wants(struct mempool_core *core)
{
	struct request *head = core->waitq.head;

	return core->reserve.nr < core->room &&
	       (!head || (head->told && !head->kept &&
			  core->reserve.nr < head->lack));
}

/* Called with the lock, which it lets go. */
static COLD void free_locked(struct mempool_core *core, void *element)
{
	struct counter_slot *slot = core->slot;
	enum waitq_gift gift = take_back(core, element);
	bool kick;

	if (gift == WAITQ_REFUSED && core_recall(core))
		gift = waitq_give(core, element);
	/* A request that is about to sleep must learn of what goes to the
	 * backend: with min_nr 0 no reserve element will come back to it
	 * (waitq.c section 6), with max_nr it may have given this one up
	 * (cap.c). */
	kick = core->min_nr == 0 || core->max_nr;
	core_unlock(core);
	if (gift == WAITQ_REFUSED)
		free_to_backend(core, element, kick);
	else
		counters_add(slot, gift == WAITQ_TO_REQUEST ? FREE_WAITER
							    : FREE_RESERVE, 1);
}

/* As take_from_reserve(). */
static inline void give_to_reserve(struct mempool_core *core, void *element,
				   intptr_t cell, bool is_cached)
{
	core_lock(core);
	if (unlikely(cell < 0 || !only_reserve_wants(core))) {
		free_locked(core, element);
		return;
	}
	reserve_put(&core->reserve, element);
	core_note_growth(core);
	if (is_cached)
		cached_unlock(core);
	else
		core_unlock_plain(core);
	counters_inc(&counters_cell(cell)->value[FREE_RESERVE]);
}

/* As alloc_uncached(). */
static NOINLINE void free_uncached(struct mempool_core *core, void *element,
				   intptr_t cell)
{
	give_to_reserve(core, element, cell, true);
}

/* As alloc_cached(). */
static NOINLINE void free_cached(struct mempool_core *core, void *element)
{
	intptr_t cell = own_cell(core);

	if (unlikely(!gate_is_closed(core->pool)))
		free_to_backend(core, element, false);
	else if (unlikely(cell < 0 || !rseq_push(core->lanes, element)))
		free_uncached(core, element, cell);
	else
		counters_inc(&counters_cell(cell)->value[FREE_RESERVE]);
}

NOINLINE void core_free(void *element, mempool_t *pool)
{
	struct mempool_core *core;

	if (!element || !pool)
		return;
	core = pool->kmp_core;
	if (unlikely(core->lanes)) {
		free_cached(core, element);
		return;
	}
	if (unlikely(!gate_is_closed(pool))) {
		free_to_backend(core, element, false);
		return;
	}
	give_to_reserve(core, element, own_cell(core), false);
}

static inline void free_counted(void *element, mempool_t *pool, intptr_t cell)
{
	CLEANUP(count_in_cell) intptr_t done = cell;

	pool->kmp_free_fn(element, pool->kmp_pool_data);
}

/* Cold by itself, so that what goes on without a backend need not be. */
static COLD void free_slow(void *element, mempool_t *pool)
{
	core_free(element, pool);
}

void mempool_free(void *element, mempool_t *pool)
{
	intptr_t cell;

	/* One test for two NULLs; two real addresses without a common bit go
	 * the slow way in vain. */
	if (unlikely(!((uintptr_t)element & (uintptr_t)pool)))
		return free_slow(element, pool);
	cell = gate_and_base(pool);
	if (unlikely(cell < 0))
		return free_slow(element, pool);
	free_counted(element, pool, cell);
}

void core_free_any(void *element, mempool_t *pool)
	__attribute__((alias("kmempool_free"), visibility("hidden")));

unsigned int mempool_free_bulk(mempool_t *pool, void *const *elems,
			       unsigned int count)
{
	struct mempool_core *core;
	struct counter_slot *slot;
	unsigned int to_request = 0;
	unsigned int to_reserve = 0;
	unsigned int nr;

	if (!pool || !elems)
		return 0;
	core = pool->kmp_core;
	slot = core->slot;
	core_lock(core);
	if ((uint64_t)core->reserve.nr + count > core->room)
		core_recall(core);
	for (nr = 0; nr < count; nr++) {
		enum waitq_gift gift;

		if (!elems[nr])
			continue;
		if (!waitq_has_room(core))
			break;
		gift = take_back(core, elems[nr]);
		if (gift == WAITQ_TO_REQUEST)
			to_request++;
		else
			to_reserve++;
	}
	core_unlock(core);
	if (to_request)
		counters_add(slot, FREE_WAITER, to_request);
	if (to_reserve)
		counters_add(slot, FREE_RESERVE, to_reserve);
	return nr;
}

/* ---- those who wait ---------------------------------------------------- */

void mempool_kick(mempool_t *pool)
{
	struct mempool_core *core;

	if (!pool)
		return;
	core = pool->kmp_core;
	core_lock(core);
	retry_kick(core);
	core_unlock(core);
}

void mempool_shutdown(mempool_t *pool)
{
	struct mempool_core *core;

	if (!pool)
		return;
	core = pool->kmp_core;
	core_lock_and_recall(core);
	core->shutdown = true;
	waitq_shutdown(core);
	core_unlock(core);
}
