/* SPDX-License-Identifier: MIT */
/*
 * checked.c - what is checked of an object, and when
 *
 * Theory of operation
 * ===================
 *
 * 1. Purpose
 *
 * A cache with one of the four flags goes by here on the way from the lists to
 * the user and back.  Every misuse is found in a time that does not depend on
 * the size of the cache, reported and refused: the cache stays as it was.
 *
 * 2. States of an object
 *
 *            slabs_take()             checked_hand_out()
 *      FREE --------------> ON ITS WAY -----------------> OUT
 *       ^                     |     ^                      |
 *       |     slabs_give()    |     |       claim()        |
 *       +---------------------+     +----------------------+
 *
 * In a sheaf it is on its way, for as long as that takes: whoever gives it back
 * meanwhile is told.  It is as a free one there and is made new when it is
 * taken; but what is constructed at use is so when the sheaf is filled, since
 * taking must not fail, and then nothing is filled or looked at in between.
 *
 * They are in the slab's links[], apart from the objects; the arrows are taken
 * with the lock.  Of two threads that give the same object back one finds it
 * out, and the other one is told.  An object on its way is its thread's alone,
 * which constructs, fills and looks at it without the lock.
 *
 * 3. What is done on the way
 *
 *   out   a free object is looked at, and was damaged if it changed; it is
 *         filled as new; the track is kept; it is constructed.
 *   back  it is destroyed; the track is kept; its red zones are looked at; it
 *         is filled as free.
 *
 * What was damaged is reported and made whole, and the object goes on.  One
 * that is on its way out for the first time was never filled, and is not looked
 * at.
 *
 * 4. What this file does not do
 *
 * It does not say what lies where (fill.c) nor how it is reported (misuse.c).
 * A write to an object that was given back is not seen if the object's slab
 * goes back to the system before it is handed out again.
 */
#include "config.h"

#include "checked.h"

#include <errno.h>

#include "fill.h"
#include "misuse.h"
#include "track.h"

bool checked_needed(slab_flags_t flags)
{
	return flags & (SLAB_POISON | SLAB_RED_ZONE | SLAB_STORE_USER |
			SLAB_CONSISTENCY_CHECKS);
}

unsigned int checked_before(slab_flags_t flags)
{
	return fill_before(flags);
}

unsigned int checked_after(slab_flags_t flags, unsigned int size)
{
	return fill_after(flags, size);
}

/* ---- an object on its way ---------------------------------------------- */

static uint16_t *link_of(const void *object)
{
	const struct slab *slab = pagemap_slab(object);

	return &slab->links[slab_index(slab, object)];
}

/* Other threads look at it, with the lock. */
static void set_link(struct kmem_cache *cache, const void *object,
		     unsigned int state)
{
	uint16_t *link = link_of(object);

	cache_lock(cache);
	*link = (uint16_t)state;
	cache_unlock(cache);
}

/* The object is on its way, or ours because it is out. */
static NOINLINE void report_damage(struct kmem_cache *cache, const void *object,
				   const struct damage *damage,
				   unsigned int nr, const char *when)
{
	const struct slab *slab = pagemap_slab(object);
	struct view view = { .size = 0 };
	unsigned int i;

	for (i = 0; i < nr; i++) {
		cache_lock(cache);
		view_take(&view, slab, (unsigned int)slab_index(slab, object),
			  damage[i].first, true);
		cache_unlock(cache);
		misuse_damage(cache, &view, &damage[i], when);
	}
}

static void look(struct kmem_cache *cache, const void *object, bool is_free,
		 const char *when)
{
	struct damage damage[DAMAGE_MAX];
	unsigned int nr = fill_look(cache, object, is_free, damage);

	if (unlikely(nr))
		report_damage(cache, object, damage, nr, when);
}

static void keep_track(struct kmem_cache *cache, const void *object,
		       enum track_of which, const void *caller)
{
	struct track *track = fill_track(cache, object, which);

	if (track)
		track_set(track, caller);
}

/* ---- out --------------------------------------------------------------- */

/* The last @n of them are not constructed. */
static void destroy_all(struct kmem_cache *cache, void **objects, size_t n)
{
	if (!cache->dtor)
		return;
	while (n--)
		cache->dtor(objects[n], cache->ctor_arg);
}

static int construct_all(struct kmem_cache *cache, void **objects, size_t n,
			 gfp_t gfp)
{
	int saved_errno = errno, err = 0, cancel_state;
	size_t i;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
	for (i = 0; i < n && !err; i++)
		err = slab_construct(cache, objects[i], gfp);
	if (err)
		destroy_all(cache, objects, i - 1);
	pthread_setcancelstate(cancel_state, NULL);
	errno = saved_errno;
	return err;
}

static bool constructs_at_use(const struct kmem_cache *cache)
{
	return cache->flags & SLAB_CONSISTENCY_CHECKS &&
	       (cache->ctor || cache->ctor_try);
}

static void make_new(struct kmem_cache *cache, void *object, const void *caller)
{
	if (*link_of(object) != LINK_FRESH)
		look(cache, object, true, "when it is handed out");
	fill_new(cache, object);
	keep_track(cache, object, TRACK_ALLOCATED, caller);
}

static void count_failure(struct kmem_cache *cache)
{
	cache_lock(cache);
	cache->failures++;
	cache_unlock(cache);
}

void checked_put_back(struct kmem_cache *cache, void **objects, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (*link_of(objects[i]) == LINK_FRESH)
			fill_free(cache, objects[i]);
		set_link(cache, objects[i], LINK_BUSY);
	}
	slabs_untake(cache, objects, n);
}

/* Whether; if not, they were put back. */
static bool make_all_new(struct kmem_cache *cache, void **objects, size_t n,
			 gfp_t gfp, const void *caller)
{
	size_t i;

	for (i = 0; i < n; i++)
		make_new(cache, objects[i], caller);
	if (constructs_at_use(cache) && construct_all(cache, objects, n, gfp)) {
		count_failure(cache);
		for (i = 0; i < n; i++)
			fill_free(cache, objects[i]);
		checked_put_back(cache, objects, n);
		return false;
	}
	return true;
}

bool checked_hand_out(struct kmem_cache *cache, void **objects, size_t n,
		      gfp_t gfp, const void *caller)
{
	size_t i;

	if (!make_all_new(cache, objects, n, gfp, caller))
		return false;
	for (i = 0; i < n; i++)
		set_link(cache, objects[i], LINK_OUT);
	return true;
}

/* ---- back -------------------------------------------------------------- */

/* Whether @address is an object that was out, and is ours now. */
static bool claim(struct kmem_cache *cache, const void *address)
{
	struct slab *slab;
	bool claimed = false;
	int index;

	cache_lock(cache);
	slab = pagemap_find(address);
	if (slab && slab_is_listed(cache, slab)) {
		index = slab_index(slab, address);
		claimed = index >= 0 && index < slab->nr_fresh &&
			  slab->links[index] == LINK_OUT;
		if (claimed)
			slab->links[index] = LINK_BUSY;
	}
	cache_unlock(cache);
	return claimed;
}

static void destroy(struct kmem_cache *cache, void *object)
{
	int saved_errno = errno, cancel_state;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
	destroy_all(cache, &object, 1);
	pthread_setcancelstate(cancel_state, NULL);
	errno = saved_errno;
}

static void make_free(struct kmem_cache *cache, void *object,
		      const void *caller)
{
	if (cache->flags & SLAB_CONSISTENCY_CHECKS && cache->dtor)
		destroy(cache, object);
	keep_track(cache, object, TRACK_FREED, caller);
	look(cache, object, false, "when it is given back");
	fill_free(cache, object);
}

void checked_take_back(struct kmem_cache *cache, void *object,
		       const void *caller)
{
	if (unlikely(!claim(cache, object))) {
		misuse_free(cache, object, caller);
		return;
	}
	make_free(cache, object, caller);
	slabs_give(cache, &object, 1);
}

/* ---- set aside --------------------------------------------------------- */

bool checked_set_aside(struct kmem_cache *cache, void **objects, size_t n,
		       gfp_t gfp, const void *caller)
{
	size_t i;

	if (constructs_at_use(cache)) {
		if (!make_all_new(cache, objects, n, gfp, caller))
			return false;
	} else {
		for (i = 0; i < n; i++)
			if (*link_of(objects[i]) == LINK_FRESH)
				fill_free(cache, objects[i]);
	}
	for (i = 0; i < n; i++)
		set_link(cache, objects[i], LINK_BUSY);
	return true;
}

void checked_hand_over(struct kmem_cache *cache, void *object,
		       const void *caller)
{
	if (constructs_at_use(cache))
		keep_track(cache, object, TRACK_ALLOCATED, caller);
	else
		make_new(cache, object, caller);
	set_link(cache, object, LINK_OUT);
}

void checked_not_handed_over(struct kmem_cache *cache, void **objects, size_t n,
			     const void *caller)
{
	size_t i;

	if (constructs_at_use(cache))
		for (i = 0; i < n; i++)
			make_free(cache, objects[i], caller);
	slabs_give(cache, objects, n);
}

/* ---- all that is out --------------------------------------------------- */

/* Not an empty one: others may have the cache let go of it. */
static struct slab *next_used(struct kmem_cache *cache, struct slab *slab)
{
	cache_lock(cache);
	do
		slab = slabs_next(cache, slab);
	while (slab && slab->list == SLAB_EMPTY);
	cache_unlock(cache);
	return slab;
}

/* Nobody else has an object of the cache, or takes one. */
void checked_take_back_all(struct kmem_cache *cache)
{
	struct slab *slab = NULL;
	unsigned int i;
	void *object;

	while ((slab = next_used(cache, slab))) {
		for (i = 0; i < slab->nr_fresh; i++) {
			object = slab_object(slab, i);
			if (claim(cache, object))
				make_free(cache, object, NULL);
		}
	}
}

/* ---- sizes ------------------------------------------------------------- */

void checked_set_size(struct kmem_cache *cache, void *object, unsigned int size)
{
	if (!(cache->flags & SLAB_RED_ZONE))
		return;
	look(cache, object, false, "when its size changes");
	fill_set_size(cache, object, size);
}

unsigned int checked_get_size(struct kmem_cache *cache, const void *object)
{
	return fill_size(cache, object);
}

void checked_misuse(struct kmem_cache *cache, const void *address)
{
	misuse_free_abort(cache, address);
}
