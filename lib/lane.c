/* SPDX-License-Identifier: MIT */
/*
 * lane.c - whose a lane is
 *
 * Theory of operation
 * ===================
 *
 * 1. Purpose
 *
 * An array of lanes stands in front of each cache.  Who may use a lane has its
 * magazine alone, and needs no lock.
 *
 * Where the C library registers restartable sequences, there is a lane for each
 * CPU, and rseq.h is the fast path.  Elsewhere a few lanes are shared out among
 * the threads by a hash; a thread claims its lane for the few instructions that
 * it needs the magazine, by an atomic exchange, and does without when another
 * has claimed it.  No lane is a thread's for longer than a call, so a thread
 * that exits, or is cancelled, leaves nothing behind.
 *
 * A pair of calls takes 2.3 ns with sequences, 19 with claims and, on the same
 * machine, 36 without any lane; magazines of each thread's own would save the
 * exchanges, but could not be had back from a thread that is stopped in a call.
 *
 * 2. Who writes what
 *
 *   loaded     with the cache's lock, and the lane claimed or in a restartable
 *              sequence on its CPU; or, by lane_strip(), with the lock alone
 *              where lanes are CPUs'.  Sequences that load it are made to begin
 *              again by lane_fence().
 *   magazine   its counts and objects, while it is loaded: by who has claimed
 *              the lane, or in a restartable sequence on its CPU.
 *
 *   [L1] busy  is set by an exchange with acquire, and reset with release: the
 *              next one sees what was done to the magazine.  Without it an
 *              object would be handed out twice.
 *
 * 3. The fence
 *
 * membarrier() makes the thread of the process that runs on a CPU begin again
 * if it is in a restartable sequence, and is a full barrier there.  So after
 * lane_strip() and lane_fence() nobody has the magazine any more, and what was
 * done to it is seen.  A thread that is stopped, or waits for a page, is not
 * waited for: it begins again when it goes on.  A CPU that is being plugged in
 * or out is: the kernel holds membarrier() up meanwhile.
 *
 * It is asked for one CPU after the other.  For all at once the kernel wants
 * memory, and who has none may have to wait until something is written, which
 * may be what we are called for.
 *
 * 4. What this file does not do
 *
 * Where lanes are claimed, one whose owner is stopped right then is passed over.
 */
#include "config.h"

#include "lane.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "debug.h"
#include "rseq.h"

#define CLAIMED_MAX	256		/* lanes that are claimed */

/* [L1] */
#define CLAIMED		1u

bool lane_is_cpu;
unsigned int lane_nr;
unsigned int lane_nr_online;

static bool refused;			/* a fence was; atomic [L2] */
static struct lane no_cpus_lane = { .loaded = MAGAZINE_NONE };
struct lane *lanes_none = &no_cpus_lane;

/* ---- whose they are ---------------------------------------------------- */

struct lane *lanes_make(void)
{
	struct lane *lanes;
	unsigned int i;
	void *memory;

	if (posix_memalign(&memory, CACHE_LINE, lane_nr * sizeof(*lanes)))
		return NULL;
	lanes = memory;
	for (i = 0; i < lane_nr; i++) {
		lanes[i].loaded = MAGAZINE_NONE;
		lanes[i].busy = 0;
	}
	return lanes;
}

void lanes_free(struct lane *lanes)
{
	free(lanes);
}

static bool start_cpus(void)
{
	struct lane *none;

	lane_nr = rseq_nr_cpus();
	none = lane_nr ? lanes_make() : NULL;
	if (!none)
		return false;
	lanes_none = none;
	rseq_begin();
	return true;
}

/* A power of two. */
static unsigned int nr_to_claim(void)
{
	unsigned int nr = 2;

	while (nr < 2 * lane_nr_online && nr < CLAIMED_MAX)
		nr *= 2;
	return nr;
}

static void start(void)
{
	long nr_online = sysconf(_SC_NPROCESSORS_ONLN);

	lane_nr_online = nr_online > 0 ? (unsigned int)nr_online : 1;
	debug_read();
	rseq_begin_without();
	/* A debugger that steps through a sequence would never see its end. */
	lane_is_cpu = !debug_no_layer && start_cpus();
	if (!lane_is_cpu)
		lane_nr = nr_to_claim();
}

void lane_start(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	int saved_errno = errno;

	pthread_once(&once, start);
	errno = saved_errno;
}

/* ---- claimed ----------------------------------------------------------- */

static bool claim(struct lane *lane)
{
	return !__atomic_exchange_n(&lane->busy, CLAIMED, __ATOMIC_ACQUIRE);
}

static void release(struct lane *lane)
{
	__atomic_store_n(&lane->busy, 0, __ATOMIC_RELEASE);
}

/* NULL when another thread has claimed it. */
static struct lane *claim_own(struct lane *lanes)
{
	/* Stacks, and what tells threads apart with them, are pages apart. */
	uint32_t hash = (uint32_t)((uintptr_t)pthread_self() >> 12) *
			UINT32_C(2654435769);
	struct lane *lane = &lanes[(hash >> 16) % lane_nr];

	return claim(lane) ? lane : NULL;
}

size_t lane_pop(struct lane *lanes, void **objects, size_t nr)
{
	struct lane *lane = claim_own(lanes);
	struct magazine *loaded;
	size_t n, i;
	void **from;

	if (!lane)
		return 0;
	loaded = lane->loaded;
	n = magazine_nr(loaded);
	if (n > nr)
		n = nr;
	if (n) {
		from = magazine_last(loaded, (unsigned int)n);
		for (i = 0; i < n; i++)
			objects[i] = from[i];
		magazine_took(loaded, (unsigned int)n);
	}
	release(lane);
	return n;
}

size_t lane_push(struct lane *lanes, void *const *objects, size_t nr)
{
	struct lane *lane = claim_own(lanes);
	struct magazine *loaded;
	size_t n;

	if (!lane)
		return 0;
	loaded = lane->loaded;
	n = magazine_has_last(loaded, objects[0]) ? 0
		: loaded->cap - magazine_nr(loaded);
	if (n > nr)
		n = nr;
	if (n)
		magazine_push(loaded, objects, (unsigned int)n);
	release(lane);
	return n;
}

static struct magazine *swap_claimed(struct lane *lanes, struct magazine *next)
{
	struct lane *lane = claim_own(lanes);
	struct magazine *old;

	if (!lane)
		return next;
	old = lane->loaded;
	lane->loaded = next;
	release(lane);
	return old;
}

static struct magazine *strip_claimed(struct lane *lane, bool alone)
{
	struct magazine *old;

	if (!claim(lane) && !alone)
		return MAGAZINE_NONE;
	old = lane->loaded;
	lane->loaded = MAGAZINE_NONE;
	release(lane);
	return old;
}

/* ---- either ------------------------------------------------------------ */

struct magazine *lane_swap(struct lane *lanes, struct magazine *next)
{
	return lane_is_cpu ? rseq_swap(lanes, next)
			   : swap_claimed(lanes, next);
}

static struct magazine *strip_cpu(struct lane *lane)
{
	struct magazine *old = lane->loaded;

	/* Sequences load it meanwhile, but nobody else stores. */
	__atomic_store_n(&lane->loaded, MAGAZINE_NONE, __ATOMIC_RELAXED);
	return old;
}

struct magazine *lane_strip(struct lane *lane, bool alone)
{
	struct magazine *old = lane_is_cpu ? strip_cpu(lane)
					   : strip_claimed(lane, alone);

	return old == MAGAZINE_NONE ? NULL : old;
}

static bool fence_cpus(const struct lane_set *lanes)
{
	unsigned int word, bit;
	uint64_t bits;

	for (word = 0; word < LANES_MAX / 64; word++)
		for (bits = lanes->bits[word]; bits; bits &= bits - 1) {
			bit = (unsigned int)__builtin_ctzll(bits);
			if (!rseq_fence(64 * word + bit))
				return false;
		}
	return true;
}

bool lane_fence(const struct lane_set *lanes)
{
	bool passed = !lane_is_cpu || fence_cpus(lanes);

	/* [L2] read by lane_can_fence(): at worst one more is tried. */
	if (!passed)
		__atomic_store_n(&refused, true, __ATOMIC_RELAXED);
	return passed;
}

bool lane_can_fence(void)
{
	return !__atomic_load_n(&refused, __ATOMIC_RELAXED);		/* [L2] */
}

void lanes_child(struct lane *lanes)
{
	unsigned int i;

	for (i = 0; i < lane_nr; i++)
		lanes[i].busy = 0;
}
