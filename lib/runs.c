/* SPDX-License-Identifier: MIT */
/*
 * runs.c - runs that went back, kept for the next slab of large objects
 *
 * Objects of a page or more fill a slab with a few, so their slabs come and go
 * with almost every call, each time for a system call or two and a fault for
 * every page.  A cache can keep those that it will want again (slabs.c), but
 * there are many general caches of such sizes (kmalloc.c), and what all of them
 * want varies far less than the sum of what each may.  So they share what is
 * kept: a 64th part of what is in use, and always KEEP_MIN.
 *
 * Slabs of small objects do not come by here: they are seldom touched all over,
 * and a run that was would cost them the difference.
 *
 * The lock is a leaf.  A run that is kept has no entry in the map.
 */
#include "config.h"

#include "runs.h"

#include <pthread.h>

#include "pages.h"
#include "slab.h"

#define NR_SIZES	(RUNS_SIZE_MAX >> GRANULE_SHIFT)
#define KEEP_MIN	(4 * GRANULE)
#define KEEP_SHARE	64

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* under lock */
static struct slab *kept[NR_SIZES];	/* by granules less one; by next */
static size_t kept_bytes;
static size_t used_bytes;

static struct slab *pop(size_t index)
{
	struct slab *slab = kept[index];

	if (slab) {
		kept[index] = slab->next;
		kept_bytes -= (index + 1) << GRANULE_SHIFT;
	}
	return slab;
}

struct slab *runs_get(size_t size)
{
	struct slab *slab;

	pthread_mutex_lock(&lock);
	slab = pop((size >> GRANULE_SHIFT) - 1);
	pthread_mutex_unlock(&lock);
	return slab;
}

static bool has_room_for(size_t size)
{
	size_t most = used_bytes / KEEP_SHARE;

	return kept_bytes + size <= (most < KEEP_MIN ? KEEP_MIN : most);
}

bool runs_put(struct slab *slab, size_t size)
{
	size_t index = (size >> GRANULE_SHIFT) - 1;
	bool keep;

	pthread_mutex_lock(&lock);
	keep = has_room_for(size);
	if (keep) {
		slab->next = kept[index];
		kept[index] = slab;
		kept_bytes += size;
	}
	pthread_mutex_unlock(&lock);
	return keep;
}

void runs_used(size_t size)
{
	pthread_mutex_lock(&lock);
	used_bytes += size;
	pthread_mutex_unlock(&lock);
}

static void unmap(struct slab *slab, size_t index)
{
	pages_unmap(slab->first, (index + 1) << GRANULE_SHIFT);
	slab_header_put(slab);
}

/* One that is too many by now, to be unmapped without the lock; or NULL. */
static struct slab *pop_surplus(size_t *index)
{
	size_t i;

	if (has_room_for(0))
		return NULL;
	for (i = 0; i < NR_SIZES; i++) {
		if (kept[i]) {
			*index = i;
			return pop(i);
		}
	}
	return NULL;
}

void runs_unused(size_t size)
{
	struct slab *slab;
	size_t index;

	pthread_mutex_lock(&lock);
	used_bytes -= size;
	slab = pop_surplus(&index);
	pthread_mutex_unlock(&lock);
	if (slab)
		unmap(slab, index);
}

void runs_trim(void)
{
	struct slab *slab;
	size_t i;

	for (i = 0; i < NR_SIZES; i++)
		while ((slab = runs_get((i + 1) << GRANULE_SHIFT)))
			unmap(slab, i);
}

void runs_prepare(void)
{
	pthread_mutex_lock(&lock);
}

void runs_resume(void)
{
	pthread_mutex_unlock(&lock);
}
