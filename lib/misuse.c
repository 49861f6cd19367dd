/* SPDX-License-Identifier: MIT */
/*
 * misuse.c - how reports on objects are worded
 *
 * An address that should not have been given back may be anything, and the slab
 * that it lies in may be going in another thread.  So what a report says of it
 * is copied with the lock of the cache that owns the slab, while the slab is in
 * a list of it; and that cache is looked up in the registry, which keeps it
 * from being destroyed meanwhile.
 */
#include "config.h"

#include "misuse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache.h"
#include "registry.h"
#include "report.h"

#define DUMP_WIDTH	16

/* ---- views ------------------------------------------------------------- */

static bool on_its_way(const struct slab *slab, unsigned int index)
{
	return slab->links && (slab->links[index] == LINK_BUSY ||
			       slab->links[index] == LINK_FRESH);
}

static const char *state_of(const struct slab *slab, unsigned int index)
{
	if (index >= slab->nr_fresh)
		return "never handed out";
	if (!slab->links)
		return slab_knows_free(slab, slab_object(slab, index))
			       ? "free" : "in use, or free";
	if (slab->links[index] == LINK_OUT)
		return "in use";
	return on_its_way(slab, index) ? "on its way" : "free";
}

/* The bytes around @around, which is in the object's place, as far as they are of
 * that. */
static void copy_bytes(struct view *view, const struct slab *slab,
		       const unsigned char *around)
{
	const struct layout *layout = &slab->cache->layout;
	const unsigned char *first = view->object - layout->before;
	const unsigned char *end = first + layout->stride;
	const unsigned char *from = around - VIEW_BYTES / 2;

	if (around == view->object || from < view->object)
		from = around < view->object ? around : view->object;
	from -= (uintptr_t)from % 8;
	view->from = from < first ? first : from;
	view->nr_bytes = end - view->from < VIEW_BYTES
				 ? (unsigned int)(end - view->from)
				 : VIEW_BYTES;
	memcpy(view->bytes, view->from, view->nr_bytes);
}

void view_take(struct view *view, const struct slab *slab, unsigned int index,
	       const void *around, bool own)
{
	const struct kmem_cache *cache = slab->cache;
	const struct track *tracks;

	snprintf(view->cache, sizeof(view->cache), "%s", cache->name);
	view->slab = slab->first;
	view->object = slab_object(slab, index);
	view->state = state_of(slab, index);
	view->size = cache->layout.size;
	view->index = index;
	view->nr = cache->layout.nr;
	view->nr_bytes = 0;
	view->tracked = false;
	/* What was never used is never touched. */
	if (index >= slab->nr_fresh || (on_its_way(slab, index) && !own))
		return;
	copy_bytes(view, slab, around ? around : view->object);
	tracks = fill_track(cache, view->object, 0);
	view->tracked = tracks;
	if (view->tracked)
		memcpy(view->tracks, tracks, sizeof(view->tracks));
}

/* ---- texts ------------------------------------------------------------- */

static void begin(struct report *report, const struct kmem_cache *cache)
{
	report_begin(report);
	report_add(report, "libkmempool: cache %.*s: ", VIEW_NAME - 1,
		   cache->name);
}

static void add_dump_line(struct report *report, const struct view *view,
			  unsigned int offset)
{
	unsigned int end = offset + DUMP_WIDTH, i;

	report_add(report, "  %p:", (const void *)(view->from + offset));
	for (i = offset; i < end; i++)
		if (i < view->nr_bytes)
			report_add(report, " %02x", view->bytes[i]);
		else
			report_add(report, "   ");
	report_add(report, "  ");
	for (i = offset; i < end && i < view->nr_bytes; i++)
		report_add(report, "%c", view->bytes[i] >= ' ' &&
					 view->bytes[i] <= '~'
					 ? view->bytes[i] : '.');
	report_add(report, "\n");
}

static void add_view(struct report *report, const struct view *view)
{
	unsigned int offset;

	report_add(report,
		   "  object %p of %u bytes, %s, number %u of %u in the slab "
		   "at %p of cache %s\n", (const void *)view->object,
		   view->size, view->state, view->index, view->nr, view->slab,
		   view->cache);
	for (offset = 0; offset < view->nr_bytes; offset += DUMP_WIDTH)
		add_dump_line(report, view, offset);
	if (!view->tracked)
		return;
	track_add(report, "allocated", &view->tracks[TRACK_ALLOCATED]);
	track_add(report, "freed", &view->tracks[TRACK_FREED]);
}

void misuse_send(struct kmem_cache *cache, const struct report *report)
{
	cache_lock(cache);
	cache->defects++;
	cache_unlock(cache);
	report_send(report);
}

void misuse_damage(struct kmem_cache *cache, const struct view *view,
		   const struct damage *damage, const char *when)
{
	struct report report;
	size_t offset = (size_t)(damage->first - view->from);

	begin(&report, cache);
	report_add(&report,
		   "%s was overwritten, as is seen %s: %td bytes at %p, "
		   "which is the object%+td, where %#x should be",
		   damage->where, when, damage->last - damage->first + 1,
		   (const void *)damage->first, damage->first - view->object,
		   damage->expected);
	if (damage->first >= view->from && offset < view->nr_bytes)
		report_add(&report, " and %#x is", view->bytes[offset]);
	report_add(&report, "\n");
	add_view(&report, view);
	misuse_send(cache, &report);
}

void misuse_list(struct kmem_cache *cache, const struct view *view)
{
	struct report report;

	begin(&report, cache);
	report_add(&report, "the free list of a slab is broken, at the last or "
			    "behind:\n");
	add_view(&report, view);
	misuse_send(cache, &report);
}

/* ---- what should not have been given back ------------------------------ */

struct stray {
	struct kmem_cache	*cache;		/* that it was given to */
	const unsigned char	*address;
	const struct slab	*slab;
	struct kmem_cache	*owner;		/* of the slab, or NULL */
	struct view		view;
	bool			seen;		/* view and the next are set */
	bool			is_object;
};

/* The place that @address lies in, or -1. */
static int place_of(const struct slab *slab, const void *address)
{
	const struct layout *layout = &slab->cache->layout;
	size_t place = ((uintptr_t)address - (uintptr_t)slab->first) /
		       layout->stride;

	return place < layout->nr ? (int)place : -1;
}

/* Called with each cache; @arg is a stray. */
static int look_in(void *object, void *arg)
{
	struct stray *stray = arg;
	struct kmem_cache *owner = object;
	int place;

	if (owner != stray->owner)
		return 0;
	cache_lock(owner);
	if (slab_is_listed(owner, stray->slab)) {
		place = place_of(stray->slab, stray->address);
		if (place >= 0) {
			view_take(&stray->view, stray->slab,
				  (unsigned int)place, stray->address, false);
			stray->is_object = stray->view.object == stray->address;
			stray->seen = true;
		}
	}
	cache_unlock(owner);
	return 1;
}

static void look(struct stray *stray, struct kmem_cache *cache,
		 const void *address)
{
	stray->cache = cache;
	stray->address = address;
	stray->seen = false;
	stray->slab = pagemap_find(address);
	stray->owner = stray->slab ? slab_cache(stray->slab) : NULL;
	if (stray->owner)
		registry_walk(&registry_caches, look_in, stray);
}

static void add_what_is_wrong(struct report *report, const struct stray *stray)
{
	const struct view *view = &stray->view;

	if (!stray->owner)
		report_add(report, "is not memory of any cache\n");
	else if (!stray->seen)
		report_add(report, "is in no object that is out\n");
	else if (stray->owner != stray->cache)
		report_add(report, "belongs to cache %s\n", view->cache);
	else if (!stray->is_object)
		report_add(report, "is not where an object begins: %+td bytes "
				   "from there\n",
			   stray->address - view->object);
	else if (!strcmp(view->state, "never handed out"))
		report_add(report, "was never handed out\n");
	else
		report_add(report, "is free already\n");
	if (stray->seen)
		add_view(report, view);
}

static void word_free(struct report *report, const struct stray *stray)
{
	begin(report, stray->cache);
	report_add(report, "%p was given back to it, but ",
		   (const void *)stray->address);
	add_what_is_wrong(report, stray);
}

void misuse_free(struct kmem_cache *cache, const void *address,
		 const void *caller)
{
	struct report report;
	struct stray stray;
	struct track now;

	look(&stray, cache, address);
	word_free(&report, &stray);
	track_set(&now, caller);
	track_add(&report, "now given back", &now);
	misuse_send(cache, &report);
}

void misuse_free_abort(struct kmem_cache *cache, const void *address)
{
	struct report report;
	struct stray stray;

	look(&stray, cache, address);
	word_free(&report, &stray);
	report_send(&report);
	abort();
}
