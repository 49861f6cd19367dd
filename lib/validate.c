/* SPDX-License-Identifier: MIT */
/*
 * validate.c - looking for damage in a whole cache
 *
 * No object is allocated or freed meanwhile, but a slab may go back to the
 * system, and the user's report function is called.  So each slab, and then
 * each of its objects, is looked at with the lock, what is wrong is copied, and
 * the report follows without it.
 *
 * A link in an object may have become anything.  It is followed only to an
 * address that is an object's and was handed out, and no more often than there
 * are free objects: that ends a circle, too.
 */
#include "config.h"

#include "checked.h"

#include "fill.h"
#include "misuse.h"
#include "report.h"
#include "track.h"

#define LEAKS_MAX	16		/* named in one report */

/* ---- free lists -------------------------------------------------------- */

/* -1, or a place after which the list is not what it should be. */
static int broken_inside(const struct slab *slab)
{
	unsigned int nr = slab->nr_fresh - slab->nr_used;
	const void *object = slab->free.object;
	int last = 0, index;

	while (nr--) {
		index = slab_index(slab, object);
		if (index < 0 || index >= slab->nr_fresh)
			return last;
		last = index;
		object = *(void *const *)object;
	}
	return object ? last : -1;
}

static unsigned int nr_taken(const struct slab *slab)
{
	unsigned int nr = 0, i;

	for (i = 0; i < slab->nr_fresh; i++)
		nr += slab->links[i] > LINK_END;
	return nr;
}

static int broken_outside(const struct slab *slab)
{
	unsigned int nr = slab->nr_fresh - slab->nr_used;
	unsigned int index = slab->free.index;
	unsigned int last = 0;

	while (nr--) {
		if (index >= slab->nr_fresh)
			return (int)last;
		last = index;
		index = slab->links[index];
	}
	return index == LINK_END && nr_taken(slab) == slab->nr_used
		       ? -1 : (int)last;
}

static int check_list(struct kmem_cache *cache, struct slab *slab)
{
	struct view view = { .size = 0 };
	int broken = -1;

	cache_lock(cache);
	if (slab_is_listed(cache, slab))
		broken = slab->links ? broken_outside(slab)
				     : broken_inside(slab);
	if (broken >= 0)
		view_take(&view, slab, (unsigned int)broken, NULL, false);
	cache_unlock(cache);
	if (broken < 0)
		return 0;
	misuse_list(cache, &view);
	return 1;
}

/* ---- objects ----------------------------------------------------------- */

/* With the lock.  On its way, it is another thread's; of what a broken link
 * means there is no telling. */
static unsigned int look_at(struct kmem_cache *cache, const struct slab *slab,
			    unsigned int index, struct damage *damage)
{
	unsigned int link = slab->links[index];
	bool is_free = link < slab->nr_fresh || link == LINK_END;

	if (!is_free && link != LINK_OUT)
		return 0;
	return fill_look(cache, slab_object(slab, index), is_free, damage);
}

/* Defects of one, or -1 when there is no further one. */
static int check_one(struct kmem_cache *cache, struct slab *slab,
		     unsigned int index)
{
	struct damage damage[DAMAGE_MAX];
	struct view views[DAMAGE_MAX] = { { .size = 0 } };
	unsigned int nr = 0, i;
	bool is_there;

	cache_lock(cache);
	is_there = slab_is_listed(cache, slab) && index < slab->nr_fresh;
	if (is_there)
		nr = look_at(cache, slab, index, damage);
	for (i = 0; i < nr; i++)
		view_take(&views[i], slab, index, damage[i].first, false);
	cache_unlock(cache);
	for (i = 0; i < nr; i++)
		misuse_damage(cache, &views[i], &damage[i],
			      "by a look at the cache");
	return is_there ? (int)nr : -1;
}

static int check_objects(struct kmem_cache *cache, struct slab *slab)
{
	int nr = 0, nr_of_one;
	unsigned int i;

	for (i = 0;; i++) {
		nr_of_one = check_one(cache, slab, i);
		if (nr_of_one < 0)
			return nr;
		nr += nr_of_one;
	}
}

static struct slab *next_slab(struct kmem_cache *cache, const struct slab *slab)
{
	struct slab *next;

	cache_lock(cache);
	next = slabs_next(cache, slab);
	cache_unlock(cache);
	return next;
}

int checked_validate(struct kmem_cache *cache)
{
	struct slab *slab = NULL;
	int nr = 0;

	while ((slab = next_slab(cache, slab))) {
		nr += check_list(cache, slab);
		if (cache->checked)
			nr += check_objects(cache, slab);
	}
	return nr;
}

/* ---- leaks ------------------------------------------------------------- */

struct leak {
	const void	*object;
	bool		tracked;
	struct track	track;
};

static void copy_leak(struct leak *leak, const struct kmem_cache *cache,
		      const void *object)
{
	const struct track *track = fill_track(cache, object, TRACK_ALLOCATED);

	leak->object = object;
	leak->tracked = track;
	if (track)
		leak->track = *track;
}

/* How many were found, the first of all. */
static unsigned int collect_leaks(struct kmem_cache *cache, struct leak *leaks)
{
	struct slab *slab = NULL;
	unsigned int nr = 0, i;

	while (nr < LEAKS_MAX && (slab = slabs_next(cache, slab)))
		for (i = 0; i < slab->nr_fresh && nr < LEAKS_MAX; i++)
			if (slab->links[i] == LINK_OUT)
				copy_leak(&leaks[nr++], cache,
					  slab_object(slab, i));
	return nr;
}

void checked_note_leak(struct kmem_cache *cache)
{
	struct leak leaks[LEAKS_MAX];
	struct report report;
	unsigned int nr, nr_sheaves, i;
	uint64_t active;

	if (!(cache->flags & (SLAB_STORE_USER | SLAB_CONSISTENCY_CHECKS)))
		return;
	cache_lock(cache);
	active = cache->active;
	nr_sheaves = cache->nr_sheaves;
	nr = collect_leaks(cache, leaks);
	cache_unlock(cache);
	report_begin(&report);
	report_add(&report, "libkmempool: cache %.*s cannot be destroyed: "
			    "objects are out, %llu\n", VIEW_NAME - 1,
		   cache->name, (unsigned long long)active);
	for (i = 0; i < nr; i++) {
		report_add(&report, "  object %p\n", leaks[i].object);
		if (leaks[i].tracked)
			track_add(&report, "allocated", &leaks[i].track);
	}
	if (active > nr)
		report_add(&report, "  and %llu more\n",
			   (unsigned long long)(active - nr));
	if (nr_sheaves)
		report_add(&report, "  sheaves not returned, %u\n",
			   nr_sheaves);
	misuse_send(cache, &report);
}
