/* SPDX-License-Identifier: MIT */
/*
 * slab.c - one slab: where its objects lie, and which are free
 *
 * Theory of operation
 * ===================
 *
 * 1. Layout
 *
 *   | colour | place 0 | place 1 | ... | place nr - 1 | rest | links |
 *
 * A place is an object with what lies before it and behind it (checked.c);
 * mostly nothing.  A slab is one granule, 64 KiB, or as many as one object
 * needs: pages that were never touched are no memory, so that a slab costs what
 * is used of it, unless it is populated since all of it soon will be (slabs.c).
 * What is left over moves the first place, by another amount in each slab, so
 * that objects at the same place of different slabs do not all fall into the
 * same few sets of the processor's caches.
 *
 * 2. Free objects
 *
 *   inside   each has the address of the next one in its first word.
 *   outside  it has a number in links[]: where users have words in the object
 *            that must stay as they are, since it is constructed or checked.
 *            links[] also says of an object that it is not free.
 *
 * Places from nr_fresh on were never handed out, and are in neither list: what
 * was never used is never touched.
 *
 * 3. Headers
 *
 * They lie close together, apart from the slabs: an overrun does not reach
 * them, objects of a whole page stay aligned, and a slab of 1024 objects is
 * 1024 objects.  Their memory is never used for anything else nor given back,
 * since a thread with a stray pointer may be looking at one (pagemap.c).
 *
 * 4. Lock order
 *
 * The headers' lock is a leaf.  Slabs are made and unmade without any lock, by
 * a thread that alone knows them.
 *
 * 5. What this file does not do
 *
 * It does not choose between slabs (slabs.c), and believes what it is given.
 */
#include "config.h"

#include "slab.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "cache.h"
#include "pagemap.h"
#include "pages.h"
#include "runs.h"

/* ---- headers ----------------------------------------------------------- */

static pthread_mutex_t headers_lock = PTHREAD_MUTEX_INITIALIZER;
static struct slab *headers;		/* unused, by next; under headers_lock */

static struct slab *pop_header(void)
{
	struct slab *slab;

	pthread_mutex_lock(&headers_lock);
	slab = headers;
	if (slab)
		headers = slab->next;
	pthread_mutex_unlock(&headers_lock);
	return slab;
}

static void push_headers(struct slab *first, struct slab *last)
{
	pthread_mutex_lock(&headers_lock);
	last->next = headers;
	headers = first;
	pthread_mutex_unlock(&headers_lock);
}

struct slab *slab_header_get(void)
{
	size_t nr = GRANULE / sizeof(struct slab);
	struct slab *slab = pop_header();
	size_t i;

	if (slab)
		return slab;
	slab = pages_map(GRANULE, -1);
	if (!slab)
		return NULL;
	for (i = 1; i < nr - 1; i++)
		slab[i].next = &slab[i + 1];
	push_headers(&slab[1], &slab[nr - 1]);
	return slab;
}

void slab_header_put(struct slab *slab)
{
	__atomic_store_n(&slab->cache, NULL, __ATOMIC_RELAXED);
	push_headers(slab, slab);
}

void slab_prepare(void)
{
	pthread_mutex_lock(&headers_lock);
}

void slab_resume(void)
{
	pthread_mutex_unlock(&headers_lock);
}

/* ---- layout ------------------------------------------------------------ */

#define ALIGN_MIN	8

static unsigned int round_up(unsigned int n, unsigned int align)
{
	return (n + align - 1) & ~(align - 1);
}

int layout_init(struct layout *layout, unsigned int size, unsigned int align,
		unsigned int before, unsigned int after, bool outside)
{
	size_t link = outside ? sizeof(uint16_t) : 0;
	size_t rest;

	if (!size || size > KMEM_CACHE_SIZE_MAX || align & (align - 1) ||
	    align > KMEM_CACHE_ALIGN_MAX)
		return -EINVAL;
	if (align < ALIGN_MIN)
		align = ALIGN_MIN;
	layout->size = size;
	layout->align = align;
	layout->before = round_up(before, align);
	layout->after = after;
	layout->stride = round_up(layout->before + size + after, align);
	layout->outside = outside;
	layout->run_size = pages_round(layout->stride + link);
	layout->nr = (unsigned int)(layout->run_size / (layout->stride + link));
	rest = layout->run_size - layout->nr * (layout->stride + link);
	layout->colour_step = align > CACHE_LINE ? align : CACHE_LINE;
	layout->nr_colours = (unsigned int)(rest / layout->colour_step) + 1;
	return 0;
}

/* ---- making ------------------------------------------------------------ */

int slab_construct(struct kmem_cache *cache, void *object, gfp_t gfp)
{
	if (cache->ctor_try)
		return cache->ctor_try(object, cache->ctor_arg, gfp);
	if (cache->ctor)
		cache->ctor(object);
	return 0;
}

/* The first @nr. */
static void destruct_all(struct slab *slab, unsigned int nr)
{
	struct kmem_cache *cache = slab->cache;

	if (!cache->constructs || !cache->dtor)
		return;
	while (nr--)
		cache->dtor(slab_object(slab, nr), cache->ctor_arg);
}

static int construct_all(struct slab *slab, gfp_t gfp)
{
	struct kmem_cache *cache = slab->cache;
	unsigned int i;

	if (!cache->constructs)
		return 0;
	for (i = 0; i < cache->layout.nr; i++) {
		if (slab_construct(cache, slab_object(slab, i), gfp)) {
			destruct_all(slab, i);
			return -ENOMEM;
		}
	}
	return 0;
}

static char *run_of(const struct slab *slab)
{
	return (char *)((uintptr_t)slab->first & ~(GRANULE - 1));
}

/* Bytes of a run that are ever touched. */
static size_t extent(const struct kmem_cache *cache)
{
	return cache->layout.outside ? cache->layout.run_size
				     : (size_t)cache->layout.nr *
				       cache->layout.stride;
}

/* A header with a run.  @soon: if it is new, with its memory. */
static struct slab *get_run(struct kmem_cache *cache, bool soon)
{
	size_t size = cache->layout.run_size;
	struct slab *slab = cache->shares_runs ? runs_get(size) : NULL;

	if (slab) {
		slab->populated = false;
		/* What another cache touched and this one has no use for. */
		pages_drop(slab->first, slab->free.size, extent(cache));
		return slab;
	}
	slab = slab_header_get();
	if (!slab)
		return NULL;
	slab->first = pages_map(size, cache->node);
	if (!slab->first) {
		slab_header_put(slab);
		return NULL;
	}
	slab->populated = soon && pages_populate(slab->first, extent(cache));
	return slab;
}

static void put_run(struct kmem_cache *cache, struct slab *slab, char *run,
		    bool may_keep)
{
	size_t size = cache->layout.run_size;

	slab->first = run;
	slab->free.size = extent(cache);
	if (may_keep && runs_put(slab, size))
		return;
	pages_unmap(run, size);
	slab_header_put(slab);
}

/* Touched now, since they will be with the lock. */
static uint16_t *make_links(char *run, const struct layout *layout)
{
	size_t size = layout->nr * sizeof(uint16_t);

	return memset(run + layout->run_size - size, 0, size);
}

struct slab *slab_make(struct kmem_cache *cache, unsigned int colour, bool soon,
		       gfp_t gfp)
{
	const struct layout *layout = &cache->layout;
	struct slab *slab = get_run(cache, soon);
	int cancel_state;
	char *run;
	int err;

	if (!slab)
		return NULL;
	run = slab->first;
	slab->first = run + (size_t)(colour % layout->nr_colours) *
			    layout->colour_step;
	slab->links = layout->outside ? make_links(run, layout) : NULL;
	__atomic_store_n(&slab->cache, cache, __ATOMIC_RELAXED);	/* [M1] */
	slab->list = SLAB_UNLISTED;
	slab->nr_fresh = 0;
	slab_forget(slab);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
	err = construct_all(slab, gfp);
	if (!err && pagemap_set(run, layout->run_size, slab)) {
		destruct_all(slab, layout->nr);
		err = -ENOMEM;
	}
	pthread_setcancelstate(cancel_state, NULL);
	if (err) {
		put_run(cache, slab, run, false);
		return NULL;
	}
	if (cache->shares_runs)
		runs_used(layout->run_size);
	return slab;
}

void slab_unmake(struct slab *slab, bool may_keep)
{
	struct kmem_cache *cache = slab->cache;
	size_t size = cache->layout.run_size;
	char *run = run_of(slab);
	int cancel_state;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
	destruct_all(slab, cache->layout.nr);
	pthread_setcancelstate(cancel_state, NULL);
	pagemap_clear(run, size);
	put_run(cache, slab, run, may_keep && cache->shares_runs);
	if (cache->shares_runs)
		runs_unused(size);
}

/* ---- objects ----------------------------------------------------------- */

void *slab_object(const struct slab *slab, unsigned int index)
{
	const struct layout *layout = &slab->cache->layout;

	return slab->first + (size_t)index * layout->stride + layout->before;
}

int slab_index(const struct slab *slab, const void *address)
{
	const struct layout *layout = &slab->cache->layout;
	size_t offset = (uintptr_t)address -
			((uintptr_t)slab->first + layout->before);

	if (offset % layout->stride || offset / layout->stride >= layout->nr)
		return -1;
	return (int)(offset / layout->stride);
}

static void *take_outside(struct slab *slab)
{
	unsigned int index = slab->free.index;
	unsigned int state = LINK_BUSY;

	if (index == LINK_END) {
		index = slab->nr_fresh++;
		state = LINK_FRESH;
	} else {
		slab->free.index = slab->links[index];
	}
	if (!slab->cache->checked)
		state = LINK_OUT;
	slab->links[index] = (uint16_t)state;
	return slab_object(slab, index);
}

static void take_inside(struct slab *slab, void **objects, size_t n)
{
	char *fresh = slab_object(slab, slab->nr_fresh);
	unsigned int stride = slab->cache->layout.stride;
	void *object = slab->free.object;
	size_t i;

	for (i = 0; i < n && object; i++) {
		objects[i] = object;
		object = *(void **)object;
	}
	slab->free.object = object;
	slab->nr_fresh = (uint16_t)(slab->nr_fresh + n - i);
	for (; i < n; i++, fresh += stride)
		objects[i] = fresh;
}

size_t slab_take(struct slab *slab, void **objects, size_t n)
{
	size_t nr_free = slab->cache->layout.nr - slab->nr_used, i;

	if (n > nr_free)
		n = nr_free;
	slab->nr_used = (uint16_t)(slab->nr_used + n);
	if (!slab->links)
		take_inside(slab, objects, n);
	else
		for (i = 0; i < n; i++)
			objects[i] = take_outside(slab);
	return n;
}

bool slab_knows_free(const struct slab *slab, const void *object)
{
	unsigned int taken = slab->cache->checked ? LINK_BUSY : LINK_OUT;
	int index;

	if (!slab->nr_used)
		return true;
	if (!slab->links)
		return object == slab->free.object;
	index = slab_index(slab, object);
	return index < 0 || index >= slab->nr_fresh ||
	       slab->links[index] != taken;
}

void slab_give(struct slab *slab, void *object)
{
	unsigned int index;

	slab->nr_used--;
	if (!slab->links) {
		*(void **)object = slab->free.object;
		slab->free.object = object;
		return;
	}
	index = (unsigned int)slab_index(slab, object);
	slab->links[index] = (uint16_t)slab->free.index;
	slab->free.index = index;
}

/* All that were handed out before: checked.c goes on to look at them. */
static void link_used(struct slab *slab)
{
	unsigned int index = slab->nr_fresh;

	slab->free.index = LINK_END;
	while (index--) {
		slab->links[index] = (uint16_t)slab->free.index;
		slab->free.index = index;
	}
}

void slab_forget(struct slab *slab)
{
	slab->nr_used = 0;
	if (slab->cache->checked) {
		link_used(slab);
		return;
	}
	slab->nr_fresh = 0;
	if (slab->links)
		slab->free.index = LINK_END;
	else
		slab->free.object = NULL;
}
