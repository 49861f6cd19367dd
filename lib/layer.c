/* SPDX-License-Identifier: MIT */
/*
 * layer.c - magazines in front of the slabs of one cache
 *
 * Theory of operation
 * ===================
 *
 * 1. Purpose
 *
 * Most objects are freed soon, and wanted again by the same CPU.  So each CPU
 * has a magazine of free objects loaded, which is used without a lock (rseq.h,
 * lane.c), and the cache's lock is taken for half a magazine or a whole one at a
 * time.
 *
 * 2. Objects
 *
 *   lane       of a CPU, or of some threads: has one magazine loaded.
 *   depot      the magazines that are not loaded: full, which is to say that
 *              they have objects, and empty.
 *   limbo      those that were taken out of a lane by somebody else, and may
 *              still be used by the CPU whose it was.
 *
 * 3. States of a magazine
 *
 *                 swap                    recall                  fence
 *       depot <----------> loaded in a lane -----> limbo of recall n -----> depot
 *
 * All moves are made with the cache's lock, and so is that of objects between a
 * magazine and their slabs.  Only what has to be touched first, since it was
 * never handed out, is in the hands of one thread in between.
 *
 * 4. Invariants
 *
 *   I1  A free object is in one slab or one magazine, or was never handed out.
 *   RC1 and RC2 of recall.c.
 *
 * 5. Where objects come from
 *
 * lane, depot, partial slabs, a new slab; then the other lanes are recalled;
 * then all caches are asked to let go.  Whoever has been served loads the lane
 * with a magazine out of the depot, or half of one out of slabs, which costs the
 * same lock.
 *
 * When the lane is full, half goes to the depot: what was freed last stays, and
 * as many can follow each way before the lock is needed again.
 *
 * Where objects are only taken, or only given back, the other half is for
 * nothing: the magazine is filled, or goes to the depot, as a whole.  That it was
 * loaded by who takes, and none was given since, says so; or the reverse.  (Who
 * takes as many as a lane has, and gives them back, in turns, would need the lock
 * each time if only what happened since were looked at.)  What is freed here and
 * allocated there costs each side one lock for a magazine then, whose lines are
 * fetched when it is loaded, rather than one by one as they are used: 3.5 ns for
 * an object instead of 12.
 *
 * A depot that has more than twice as many magazines as are loaded gives them
 * back to the slabs: what goes round by the depot does not need more.
 *
 * 6. Recall
 *
 * recall.c says how lanes are stripped.  If the kernel refuses the fence, which
 * a filter may make it do, the magazines stay in limbo until no call overlaps,
 * and no more lanes are stripped.
 *
 * While one recalls, another may take what it recalled, and the rest with it to
 * its own lane.  So an allocation fails only if no lane has been loaded since it
 * stripped them: then nothing was free when it last held the lock, but for what
 * others are about to load, who came first.  Otherwise it recalls again; each
 * time somebody else has got on.
 *
 * 7. How many
 *
 * A magazine holds up to 32 objects at first, and twice as many each time that
 * the lock was found taken in an eighth of 64 cases, up to 122; but never more
 * than 64 KiB of memory.  General caches, of which there are many, have a quarter
 * of that: with all of it the resident memory of a mix of sizes grew by 4 %.
 *
 * 8. Counting
 *
 * Taking by the fast path is counted in the magazine, everything else with the
 * lock.  Frees follow from that and from what is out.
 *
 * What moves from a lane that was looked at to one that was not would be counted
 * twice.  So lanes are stripped, and counts summed until two sums agree: every use
 * makes one greater, so between these there was none.  On each CPU what is in
 * flight can still end, so there is an end to it; lanes that are claimed are tried
 * again each time.  If the kernel refuses fences there is one sum, which can be
 * wrong by what moves.
 *
 * 9. Lock order
 *
 * The cache's lock is a leaf; magazines are got and put without it.
 *
 * 10. How it is checked
 *
 * tests/model/layer.pml is sections 3 to 6, recall.c and lane.c in Promela, with
 * stores that arrive late; the explorer runs this code with sequences of its own
 * (tests/explore/cpus.c), and with claims.
 *
 * 11. What this file does not do
 *
 * What is given back is not looked at, but for whether it is what was given back
 * just before: that it is of another cache, or none, is found when it goes to
 * its slab, or when the lock is needed for it anyway.
 */
#include "config.h"

#include "layer.h"

#include "cache.h"
#include "checked.h"
#include "debug.h"
#include "lane.h"
#include "reclaim.h"
#include "recall.h"

#define CAP_FIRST	32		/* objects */
#define CAP_LEAST	4
#define CAP_BYTES	((size_t)64 << 10)
#define WINDOW		64		/* times that the lock is taken, */
#define MANY		8		/* and contended: a larger cap */

#define TWICE		SIZE_MAX

bool layer_init(struct layer *layer, size_t stride, unsigned int cap)
{
	size_t most = stride ? CAP_BYTES / stride : 0;

	lane_start();
	layer->cpus = lanes_none;
	if (cap && cap < most)
		most = cap;
	if (most < CAP_LEAST || debug_no_layer)
		return true;
	layer->lanes = lanes_make();
	if (!layer->lanes)
		return false;
	if (lane_is_cpu)
		layer->cpus = layer->lanes;
	layer->cap_max = most < MAGAZINE_MAX ? (unsigned int)most
					     : MAGAZINE_MAX;
	layer->cap = layer->cap_max < CAP_FIRST ? layer->cap_max : CAP_FIRST;
	return true;
}

unsigned int layer_kind(const struct layer *layer)
{
	if (!layer->lanes)
		return KMEM_CACHE_LAYER_NONE;
	return lane_is_cpu ? KMEM_CACHE_LAYER_CPU : KMEM_CACHE_LAYER_CLAIMED;
}

void layer_fini(struct layer *layer)
{
	lanes_free(layer->lanes);
}

/* ---- the depot, with the lock ------------------------------------------ */

/* [L3] Read without the lock by get_spare(), which only wants to know whether to
 * get one. */
static void set_nr_empty(struct layer *layer, unsigned int nr)
{
	__atomic_store_n(&layer->nr_empty, nr, __ATOMIC_RELAXED);
}

static void push_empty(struct layer *layer, struct magazine *magazine)
{
	magazine_add(&layer->empty, magazine);
	set_nr_empty(layer, layer->nr_empty + 1);
}

static struct magazine *pop_empty(struct layer *layer)
{
	struct magazine *magazine = magazine_next(&layer->empty);

	if (!magazine)
		return NULL;
	set_nr_empty(layer, layer->nr_empty - 1);
	magazine->cap = layer->cap;
	magazine->to_take = false;
	return magazine;
}

static struct magazine *pop_full(struct layer *layer)
{
	struct magazine *magazine = magazine_next(&layer->full);

	layer->nr_full -= magazine != NULL;
	return magazine;
}

static void count_taken(struct layer *layer, struct magazine *magazine)
{
	layer->taken += magazine->taken;
	magazine_reset(magazine, magazine_nr(magazine));
}

/* It is not loaded any more. */
static void put_away(struct layer *layer, struct magazine *magazine)
{
	if (magazine == MAGAZINE_NONE)
		return;
	count_taken(layer, magazine);
	if (magazine_nr(magazine)) {
		magazine_add(&layer->full, magazine);
		layer->nr_full++;
	} else {
		push_empty(layer, magazine);
	}
}

/* ---- the lock ---------------------------------------------------------- */

/* A magazine, if the depot has no empty one: to be got without the lock. */
static struct magazine *get_spare(const struct layer *layer)
{
	if (!layer->lanes ||
	    __atomic_load_n(&layer->nr_empty, __ATOMIC_RELAXED))	/* [L3] */
		return NULL;
	return magazine_get();
}

static void lock(struct kmem_cache *cache, struct magazine *spare)
{
	struct layer *layer = &cache->layer;
	bool contended = !pool_lock_try(&cache->lock);

	if (contended)
		cache_lock(cache);
	if (spare)
		push_empty(layer, spare);
	layer->nr_contended += contended;
	if (++layer->nr_locked < WINDOW)
		return;
	if (layer->nr_contended >= MANY)
		layer->cap = layer->cap < layer->cap_max / 2 ? 2 * layer->cap
							     : layer->cap_max;
	layer->nr_locked = 0;
	layer->nr_contended = 0;
}

/* ---- recall ------------------------------------------------------------ */

/* With the lock. */
static void end_limbo(struct layer *layer, uint64_t stamp)
{
	struct magazine *magazine;

	while ((magazine = recall_end(&layer->recall, stamp)))
		put_away(layer, magazine);
}

/* With the lock. */
static void strip(struct layer *layer, bool alone)
{
	recall_strip(&layer->recall, layer->lanes, alone);
}

/* With the lock, which it lets go of.  What was stripped is in the depot then;
 * false if that has nothing.  @alone: no call overlaps, so the fence only has to
 * be tried. */
static bool end_recall(struct kmem_cache *cache, bool alone)
{
	struct layer *layer = &cache->layer;
	uint64_t stamp = layer->recall.nr_recalls;
	struct lane_set lanes;
	bool any;

	if (layer->recall.limbo) {
		recall_lanes(&layer->recall, &lanes);
		cache_unlock(cache);
		if (!lane_fence(&lanes) && !alone)
			return false;
		cache_lock(cache);
		end_limbo(layer, stamp);
	}
	any = layer->full;
	cache_unlock(cache);
	return any;
}

/* What lanes have is in the depot then.  False if that is nothing.  @nr_loads:
 * when the lanes had nothing. */
static bool recall(struct kmem_cache *cache, bool alone, uint64_t *nr_loads)
{
	struct layer *layer = &cache->layer;

	if (!layer->lanes || !(lane_can_fence() || alone))
		return false;
	cache_lock(cache);
	strip(layer, alone);
	*nr_loads = layer->nr_loads;
	return end_recall(cache, alone);
}

/* One magazine less than there are, if these are more than @most.  False if they
 * were not. */
static bool give_back(struct kmem_cache *cache, unsigned int most)
{
	struct layer *layer = &cache->layer;
	struct magazine *magazine = NULL;
	struct slab *going = NULL;
	void *stray = NULL;
	unsigned int nr;

	cache_lock(cache);
	if (layer->nr_full > most)
		magazine = pop_full(layer);
	if (magazine) {
		nr = magazine_nr(magazine);
		stray = slabs_put(cache, magazine_pop(magazine, nr), nr, &going);
		put_away(layer, magazine);
	}
	cache_unlock(cache);
	slabs_unmake(going);
	if (unlikely(stray))
		checked_misuse(cache, stray);
	return magazine;
}

static void put_empty(struct kmem_cache *cache)
{
	struct magazine *empty, *magazine;

	cache_lock(cache);
	empty = cache->layer.empty;
	cache->layer.empty = NULL;
	set_nr_empty(&cache->layer, 0);
	cache_unlock(cache);
	while ((magazine = magazine_next(&empty)))
		magazine_put(magazine);
}

void layer_flush(struct kmem_cache *cache, bool alone)
{
	uint64_t nr_loads;

	if (!cache->layer.lanes)
		return;
	recall(cache, alone, &nr_loads);
	while (give_back(cache, 0))
		;
	put_empty(cache);
}

/* ---- taking ------------------------------------------------------------ */

/* With the lock. */
static size_t take_from_depot(struct layer *layer, void **objects, size_t n)
{
	struct magazine *magazine;
	size_t done = 0, some, i;
	void **from;

	while (done < n && (magazine = layer->full)) {
		some = magazine_nr(magazine);
		if (some > n - done)
			some = n - done;
		from = magazine_pop(magazine, (unsigned int)some);
		for (i = 0; i < some; i++)
			objects[done++] = from[i];
		if (!magazine_nr(magazine))
			put_away(layer, pop_full(layer));
	}
	return done;
}

/* With the lock: @nr, and what is taken first from the end. */
static void fill(struct kmem_cache *cache, struct magazine *magazine, size_t nr,
		 bool *fresh)
{
	void **objects = magazine->objects, *object;
	size_t i;

	nr = slabs_take(cache, objects, nr, fresh);
	for (i = 0; i < nr / 2; i++) {
		object = objects[i];
		objects[i] = objects[nr - 1 - i];
		objects[nr - 1 - i] = object;
	}
	magazine_reset(magazine, (unsigned int)nr);
}

/* With the lock. */
static struct magazine *swap(struct layer *layer, struct magazine *next)
{
	return recall_swap(&layer->recall, layer->lanes, next);
}

/* With the lock.  @to_take: by who takes, not who gives. */
static void load(struct layer *layer, struct magazine *magazine, bool to_take)
{
	count_taken(layer, magazine);
	magazine->cap = layer->cap;
	magazine->had = magazine_nr(magazine);
	magazine->to_take = to_take;
	magazine_prefetch(magazine);
	layer->nr_loads++;
	put_away(layer, swap(layer, magazine));
}

static bool only_takes(const struct magazine *magazine)
{
	return magazine->to_take && magazine->put == magazine->had;
}

/* With the lock.  NULL; or a magazine that is to be loaded when its objects have
 * been touched. */
static struct magazine *reload(struct kmem_cache *cache)
{
	struct layer *layer = &cache->layer;
	struct magazine *magazine = swap(layer, MAGAZINE_NONE);
	bool fresh = false, only_took = only_takes(magazine);

	put_away(layer, magazine);
	magazine = pop_full(layer);
	if (!magazine) {
		magazine = pop_empty(layer);
		if (!magazine)
			return NULL;
		fill(cache, magazine, only_took ? layer->cap : layer->cap / 2,
		     &fresh);
		if (fresh && !cache->layout.outside) {
			layer->untouched += magazine_nr(magazine);
			return magazine;
		}
	}
	load(layer, magazine, true);
	return NULL;
}

static void load_touched(struct kmem_cache *cache, struct magazine *magazine)
{
	slabs_touch(cache, magazine->objects, magazine_nr(magazine));
	cache_lock(cache);
	cache->layer.untouched -= magazine_nr(magazine);
	load(&cache->layer, magazine, true);
	cache_unlock(cache);
}

static size_t take_slowly(struct kmem_cache *cache, void **objects, size_t n,
			  gfp_t gfp)
{
	struct layer *layer = &cache->layer;
	/* When the lanes had nothing, as far as is known. */
	uint64_t nr_loads = layer->lanes ? UINT64_MAX : 0;
	bool fresh = false, last = false, moved;
	struct magazine *untouched = NULL;
	struct slab *slab = NULL;
	size_t done = 0, was;

	for (;;) {
		lock(cache, get_spare(layer));
		if (slab)
			slabs_add(cache, slab);
		was = done;
		done += take_from_depot(layer, objects + done, n - done);
		done += slabs_take(cache, objects + done, n - done, &fresh);
		if (done == n && layer->lanes)
			untouched = reload(cache);
		moved = layer->nr_loads != nr_loads && lane_can_fence();
		last = last && !moved;
		cache->allocs += done - was;
		cache->failures += done < n && last;
		cache_unlock(cache);
		if (done == n || last)
			break;
		slab = slabs_make(cache, gfp);
		if (slab || (moved && recall(cache, false, &nr_loads)))
			continue;
		if (reclaim_from_all(gfp))
			slab = slabs_make(cache, gfp);
		/* Others may have given some back meanwhile. */
		last = !slab;
	}
	if (fresh)
		slabs_touch(cache, objects, done);
	if (untouched)
		load_touched(cache, untouched);
	return done;
}

size_t layer_take(struct kmem_cache *cache, void **objects, size_t n,
		  gfp_t gfp)
{
	struct layer *layer = &cache->layer;
	size_t done = 0;

	if (lane_is_cpu)
		done = rseq_pop_run(layer->cpus, objects, n);
	else if (layer->lanes)
		done = lane_pop(layer->lanes, objects, n);
	if (done < n)
		done += take_slowly(cache, objects + done, n - done, gfp);
	return done;
}

/* ---- giving ------------------------------------------------------------ */

static bool only_gets(const struct magazine *magazine)
{
	return !magazine->to_take && !magazine->taken;
}

/* With the lock.  A magazine that has become full goes to the depot, but for its
 * newer half, where objects are wanted, too.  False if there is no second
 * magazine. */
static bool make_room(struct layer *layer, struct magazine **magazine)
{
	struct magazine *full = *magazine, *next = pop_empty(layer);
	unsigned int nr = magazine_nr(full) / 2;

	if (!next)
		return false;
	if (!only_gets(full))
		magazine_push(next, magazine_pop(full, nr), nr);
	put_away(layer, full);
	*magazine = next;
	return true;
}

/* With the lock: how many of them the layer keeps; or TWICE, and none, when the
 * first is what was given back last. */
static size_t keep(struct layer *layer, void **objects, size_t n)
{
	struct magazine *magazine = swap(layer, MAGAZINE_NONE);
	size_t done = 0, some;

	if (magazine == MAGAZINE_NONE)
		magazine = pop_empty(layer);
	if (!magazine)
		return 0;
	if (magazine_has_last(magazine, objects[0])) {
		put_away(layer, magazine);
		return TWICE;
	}
	while (done < n) {
		some = magazine->cap - magazine_nr(magazine);
		if (!some) {
			if (!make_room(layer, &magazine))
				break;
			continue;
		}
		if (some > n - done)
			some = n - done;
		magazine_push(magazine, objects + done, (unsigned int)some);
		done += some;
	}
	load(layer, magazine, false);
	return done;
}

static size_t give_slowly(struct kmem_cache *cache, void **objects, size_t n)
{
	struct layer *layer = &cache->layer;
	unsigned int most;
	bool surplus;
	size_t done;

	lock(cache, get_spare(layer));
	done = keep(layer, objects, n);
	most = 2 * layer->recall.nr_loaded;
	surplus = layer->nr_full > most;
	cache_unlock(cache);
	if (unlikely(done == TWICE))
		checked_misuse(cache, objects[0]);
	while (surplus)
		surplus = give_back(cache, most);
	return done;
}

void layer_give(struct kmem_cache *cache, void **objects, size_t n)
{
	struct layer *layer = &cache->layer;
	size_t done = 0;

	if (!n)
		return;
	if (lane_is_cpu)
		done = layer_push(layer, objects, n);
	else if (layer->lanes)
		done = lane_push(layer->lanes, objects, n);
	if (done < n && layer->lanes)
		done += give_slowly(cache, objects + done, n - done);
	if (done < n)
		slabs_give(cache, objects + done, n - done);
}

/* ---- counting ---------------------------------------------------------- */

/* Acquire: what is given is not less than what was taken of it, and sums are made
 * one after the other. */
static uint64_t add(struct layer_count *count, const struct magazine *magazine)
{
	uint64_t taken = __atomic_load_n(&magazine->taken, __ATOMIC_ACQUIRE);
	uint64_t put = __atomic_load_n(&magazine->put, __ATOMIC_ACQUIRE);

	count->held += put - taken;
	count->taken += taken;
	return put + taken;
}

uint64_t layer_sum(const struct kmem_cache *cache, struct layer_count *count)
{
	const struct layer *layer = &cache->layer;
	const struct magazine *magazine;
	uint64_t sum = 0;
	unsigned int i;

	count->held = layer->untouched;
	count->taken = layer->taken;
	for (magazine = layer->full; magazine; magazine = magazine->next)
		sum += add(count, magazine);
	for (magazine = layer->recall.limbo; magazine; magazine = magazine->next)
		sum += add(count, magazine);
	for (i = 0; layer->lanes && i < lane_nr; i++)
		sum += add(count, layer->lanes[i].loaded);
	return sum;
}

void layer_count(struct kmem_cache *cache, struct layer_count *count)
{
	bool strips = cache->layer.lanes && lane_can_fence();
	uint64_t sum;

	do {
		if (strips)
			strip(&cache->layer, false);
		sum = layer_sum(cache, count);
	} while (strips && layer_sum(cache, count) != sum);
}

void layer_unlock(struct kmem_cache *cache)
{
	end_recall(cache, false);
}

/* ---- fork -------------------------------------------------------------- */

void layer_child(struct kmem_cache *cache)
{
	struct layer *layer = &cache->layer;

	/* Who might use what is in limbo, or has a lane, is not there; nor who
	 * would have loaded the rest: that is as if handed out. */
	end_limbo(layer, RECALL_ALL);
	cache->allocs += layer->untouched;
	layer->untouched = 0;
	if (layer->lanes)
		lanes_child(layer->lanes);
}
