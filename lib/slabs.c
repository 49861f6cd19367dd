/* SPDX-License-Identifier: MIT */
/*
 * slabs.c - which slab gives the next object, and which goes back
 *
 * Theory of operation
 * ===================
 *
 * 1. Purpose
 *
 * A slab can only go back to the system when all of its objects are free, so
 * objects are taken where the most are used already: slabs with few become
 * empty by themselves.  And a slab that will be wanted again soon should not go
 * back, since making it costs a system call, a page fault for each page and all
 * constructors.
 *
 * 2. Objects
 *
 *   lists     every slab of the cache is in one: full, empty, or one of four
 *             by how much is used.
 *   low,      of a slab: how many objects are used in the slabs of its list.
 *   high      One look says whether it stays there.
 *
 * 3. States of a slab
 *
 *   made -> EMPTY -> PARTIAL <-> FULL
 *             ^         |
 *             +---------+
 *             |
 *             +-> going: in no list, known to one thread -> unmade
 *
 * All arrows but the first and the last are taken with the lock.
 *
 * 4. Invariants (whenever the lock is free)
 *
 *   I1  a slab is in the list that its nr_used is for
 *   I2  nr_slabs is the sum of the lists, active that of nr_used
 *   I3  an object is in one slab's free list, was never handed out, or is
 *       outside
 *
 * 5. Empty slabs
 *
 * Kept are the most of
 *
 *   min_partial,
 *   a sixteenth of those that are not empty, and
 *   "keep": what the recent past shows to be worth it.  Whenever a slab has
 *           to be made although one went back shortly before, keep grows by
 *           one; a program that fills and empties the cache in turns pays for
 *           one such turn.  When, for an epoch, some were empty all the time,
 *           it shrinks by half of these.
 *
 * Shortly and epoch are counted in events, an event being that a slab becomes
 * empty, or stops to be.  There is no timer: a cache that nobody uses stays as
 * it is, until shrink.  The oldest goes first.  General caches of large objects
 * keep none, and share what is kept of their runs (runs.c).
 *
 * 6. Populated slabs
 *
 * A slab that comes after sixteen others will be used up, as a rule: its memory
 * is asked for at once, if every page has objects of its own.  That takes a tenth
 * to a half less time than a fault for each page, and if it turns out wrong the
 * cache is larger by a sixteenth, or that for each thread that made one.
 *
 * 7. Lock order
 *
 * The cache's lock is a leaf.  Slabs are made and unmade without it.  What is
 * written into an object for the first time may be a page fault, so whoever takes
 * one that was never handed out touches it before it can come back, without the
 * lock; its link is written with it.  That of a populated slab is there.
 *
 * 8. What this file does not do
 *
 * It does not check what it is given, and asks nobody to let go when there is no
 * memory (layer.c).  While one thread makes a slab another that needs one makes
 * its own.
 */
#include "config.h"

#include "cache.h"

#include <errno.h>

#include "checked.h"

#define MANY_SLABS	16
#define MANY_STRIDE	4096		/* bytes */

#define EVENTS_SHORTLY(nr_slabs)	(2 * (nr_slabs) + 16)
#define EVENTS_OF_EPOCH(nr_slabs)	(2 * (nr_slabs) + 64)
/* Slabs that go at once.  Not fewer than one lock can make empty: they would
 * stay until the next call, which may never come. */
#define GOING_MAX	SLABS_PUT_MAX

/* ---- lists ------------------------------------------------------------- */

static void list_add(struct slab_list *list, struct slab *slab)
{
	slab->prev = NULL;
	slab->next = list->head;
	if (list->head)
		list->head->prev = slab;
	else
		list->tail = slab;
	list->head = slab;
	list->nr++;
}

static void list_remove(struct slab_list *list, struct slab *slab)
{
	if (slab->prev)
		slab->prev->next = slab->next;
	else
		list->head = slab->next;
	if (slab->next)
		slab->next->prev = slab->prev;
	else
		list->tail = slab->prev;
	list->nr--;
}

static unsigned int list_for(const struct slab *slab, unsigned int nr)
{
	if (!slab->nr_used)
		return SLAB_EMPTY;
	if (slab->nr_used == nr)
		return SLAB_FULL;
	return SLAB_PARTIAL + slab->nr_used * 4u / nr;
}

/* Smallest nr_used for a list. */
static unsigned int lowest(unsigned int list, unsigned int nr)
{
	unsigned int quarters = list - SLAB_PARTIAL;

	if (list <= SLAB_PARTIAL)
		return list == SLAB_PARTIAL;
	return (quarters * nr + 3) / 4;
}

static void enlist(struct kmem_cache *cache, struct slab *slab)
{
	unsigned int nr = cache->layout.nr;
	unsigned int list = list_for(slab, nr);

	slab->list = (uint8_t)list;
	slab->low = (uint16_t)lowest(list, nr);
	slab->high = (uint16_t)(list == SLAB_FULL ? nr
						  : lowest(list + 1, nr) - 1);
	list_add(&cache->lists[list], slab);
}

/* [S1] Read without the lock by slabs_make(), for a guess. */
static void set_nr_slabs(struct kmem_cache *cache, unsigned int nr)
{
	__atomic_store_n(&cache->nr_slabs, nr, __ATOMIC_RELAXED);
}

/* ---- empty slabs ------------------------------------------------------- */

static unsigned int nr_to_keep(const struct kmem_cache *cache)
{
	unsigned int nr_empty = cache->lists[SLAB_EMPTY].nr;
	unsigned int most = (cache->nr_slabs - nr_empty) / 16;

	if (most < cache->min_partial)
		most = cache->min_partial;
	return most < cache->keep ? cache->keep : most;
}

/* A slab became empty, or stopped to be. */
static void note_event(struct kmem_cache *cache)
{
	unsigned int nr_empty = cache->lists[SLAB_EMPTY].nr;

	if (++cache->since_return >= EVENTS_SHORTLY(cache->nr_slabs))
		cache->nr_returned = 0;
	if (nr_empty < cache->least_empty)
		cache->least_empty = nr_empty;
	if (++cache->nr_events < EVENTS_OF_EPOCH(cache->nr_slabs))
		return;
	if (cache->keep)
		cache->keep -= cache->least_empty < cache->keep
				       ? (cache->least_empty + 1) / 2
				       : cache->keep;
	cache->nr_events = 0;
	cache->least_empty = nr_empty;
}

static void relist(struct kmem_cache *cache, struct slab *slab)
{
	unsigned int from = slab->list;

	list_remove(&cache->lists[from], slab);
	enlist(cache, slab);
	if (from == SLAB_EMPTY || slab->list == SLAB_EMPTY)
		note_event(cache);
}

static struct slab *pop_oldest_empty(struct kmem_cache *cache)
{
	struct slab *slab = cache->lists[SLAB_EMPTY].tail;

	list_remove(&cache->lists[SLAB_EMPTY], slab);
	slab->list = SLAB_UNLISTED;
	set_nr_slabs(cache, cache->nr_slabs - 1);
	cache->slabs_returned++;
	return slab;
}

/* Those that are too many, out of the lists: a chain by next. */
static struct slab *pop_surplus(struct kmem_cache *cache)
{
	struct slab *going = NULL, *slab;
	int nr;

	for (nr = 0; nr < GOING_MAX; nr++) {
		if (cache->lists[SLAB_EMPTY].nr <= nr_to_keep(cache))
			break;
		slab = pop_oldest_empty(cache);
		slab->next = going;
		going = slab;
		cache->nr_returned += !cache->shares_runs;
		cache->since_return = 0;
	}
	return going;
}

/* Leaves errno alone, as slabs_make(), whatever callbacks do. */
static void unmake(struct slab *going, bool may_keep)
{
	int saved_errno = errno;
	struct slab *slab;

	while (going) {
		slab = going;
		going = slab->next;
		slab_unmake(slab, may_keep);
	}
	errno = saved_errno;
}

void slabs_add(struct kmem_cache *cache, struct slab *slab)
{
	if (cache->nr_returned) {
		cache->nr_returned--;
		/* One more than was kept, which were too few. */
		if (cache->keep < cache->min_partial)
			cache->keep = cache->min_partial;
		cache->keep++;
	}
	set_nr_slabs(cache, cache->nr_slabs + 1);
	cache->slabs_made++;
	enlist(cache, slab);
}

/* ---- taking ------------------------------------------------------------ */

/* The slab that is used most and has a free object, or NULL. */
static struct slab *best_slab(struct kmem_cache *cache)
{
	int list;

	for (list = SLAB_FULL - 1; list >= SLAB_EMPTY; list--)
		if (cache->lists[list].head)
			return cache->lists[list].head;
	return NULL;
}

size_t slabs_take(struct kmem_cache *cache, void **objects, size_t n,
		  bool *fresh)
{
	struct slab *slab;
	size_t done = 0;
	uint16_t was;

	while (done < n) {
		slab = best_slab(cache);
		if (!slab)
			break;
		was = slab->nr_fresh;
		done += slab_take(slab, objects + done, n - done);
		*fresh |= slab->nr_fresh != was && !slab->populated;
		if (slab->nr_used > slab->high)
			relist(cache, slab);
	}
	cache->active += done;
	return done;
}

/* See section 7.  Nobody else has them, and nothing is in them. */
void slabs_touch(const struct kmem_cache *cache, void *const *objects, size_t n)
{
	size_t i;

	if (cache->layout.outside)
		return;
	for (i = 0; i < n; i++)
		*(volatile uintptr_t *)objects[i] = 0;
}

static bool will_be_used(const struct kmem_cache *cache)
{
	return cache->layout.stride <= MANY_STRIDE &&
	       __atomic_load_n(&cache->nr_slabs, __ATOMIC_RELAXED) >= MANY_SLABS;
}

struct slab *slabs_make(struct kmem_cache *cache, gfp_t gfp)
{
	unsigned int colour = __atomic_fetch_add(&cache->colour, 1,
						 __ATOMIC_RELAXED);
	int saved_errno = errno;
	struct slab *slab = slab_make(cache, colour, will_be_used(cache), gfp);

	errno = saved_errno;
	return slab;
}

/* ---- giving ------------------------------------------------------------ */

static bool put_one(struct kmem_cache *cache, void *object)
{
	struct slab *slab = pagemap_find(object);

	if (unlikely(!slab || slab_cache(slab) != cache ||
		     slab_knows_free(slab, object)))
		return false;
	slab_give(slab, object);
	if (slab->nr_used < slab->low)
		relist(cache, slab);
	return true;
}

void *slabs_put(struct kmem_cache *cache, void *const *objects, size_t n,
		struct slab **going)
{
	size_t i;

	for (i = 0; i < n && put_one(cache, objects[i]); i++)
		;
	cache->active -= i;
	*going = pop_surplus(cache);
	return i < n ? objects[i] : NULL;
}

void slabs_unmake(struct slab *going)
{
	unmake(going, true);
}

/* @untaken: they were never handed out. */
static void give(struct kmem_cache *cache, void *const *objects, size_t n,
		 bool untaken)
{
	struct slab *going;
	void *stray = NULL;
	size_t i, some;

	for (i = 0; i < n && !stray; i += some) {
		some = n - i < SLABS_PUT_MAX ? n - i : SLABS_PUT_MAX;
		cache_lock(cache);
		stray = slabs_put(cache, objects + i, some, &going);
		cache->allocs -= untaken ? some : 0;
		cache_unlock(cache);
		unmake(going, true);
	}
	if (unlikely(stray))
		checked_misuse(cache, stray);
}

void slabs_give(struct kmem_cache *cache, void *const *objects, size_t n)
{
	give(cache, objects, n, false);
}

void slabs_untake(struct kmem_cache *cache, void *const *objects, size_t n)
{
	give(cache, objects, n, true);
}

/* ---- all of them ------------------------------------------------------- */

struct slab *slabs_next(struct kmem_cache *cache, const struct slab *slab)
{
	unsigned int list = SLAB_EMPTY;

	if (slab && slab_is_listed(cache, slab)) {
		if (slab->next)
			return slab->next;
		list = slab->list + 1u;
	} else if (slab) {
		list = SLAB_EMPTY + 1;
	}
	for (; list < NR_SLAB_LISTS; list++)
		if (cache->lists[list].head)
			return cache->lists[list].head;
	return NULL;
}

void slabs_shrink(struct kmem_cache *cache)
{
	struct slab *going = NULL, *slab;

	cache_lock(cache);
	while (cache->lists[SLAB_EMPTY].nr) {
		slab = pop_oldest_empty(cache);
		slab->next = going;
		going = slab;
	}
	cache->keep = 0;
	cache->least_empty = 0;
	cache_unlock(cache);
	unmake(going, false);
}

void slabs_reset(struct kmem_cache *cache)
{
	struct slab *slab;
	int list;

	cache_lock(cache);
	for (list = SLAB_EMPTY + 1; list < NR_SLAB_LISTS; list++) {
		while ((slab = cache->lists[list].head)) {
			list_remove(&cache->lists[list], slab);
			slab_forget(slab);
			enlist(cache, slab);
		}
	}
	/* The next request will want about as many. */
	cache->keep = cache->nr_slabs;
	cache->nr_events = 0;
	cache->least_empty = cache->nr_slabs;
	cache->forgotten += cache->active;
	cache->active = 0;
	cache->resets++;
	cache_unlock(cache);
}
