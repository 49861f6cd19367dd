/* SPDX-License-Identifier: MIT */
/*
 * caches.c - how much memory the caches have, and how much of it is used
 *
 * Shown in kmem_cache_get_stats(3).
 */

#include <err.h>
#include <inttypes.h>
#include <stdio.h>

#include <kmempool/slab.h>

#define NR	1000

struct point {
	int	x, y, z;
};

struct line {
	struct point	from, to;
};

static int print_cache(struct kmem_cache *cache, void *arg)
{
	struct kmem_cache_stats s;
	uint64_t *total = arg, slabs, bytes;

	if (kmem_cache_get_stats(cache, &s, sizeof(s)))
		return 1;
	slabs = s.slabs_full + s.slabs_partial + s.slabs_empty;
	bytes = slabs * s.slab_size;
	printf("%" PRIu64 " bytes each: %" PRIu64 " of %" PRIu64
	       " objects in use, %" PRIu64 " KiB in %" PRIu64 " slabs\n",
	       s.object_size, s.active, s.objects, bytes / 1024, slabs);
	*total += bytes;
	return 0;
}

static uint64_t print_all(void)
{
	uint64_t total = 0;

	if (kmem_cache_for_each(print_cache, &total))
		errx(1, "kmem_cache_get_stats");
	return total;
}

int main(void)
{
	struct kmem_cache *points = KMEM_CACHE(point, 0);
	struct kmem_cache *lines = KMEM_CACHE(line, 0);
	void *objects[NR];
	int defects;

	if (!points || !lines)
		err(1, "KMEM_CACHE");
	if (kmem_cache_size(points) != sizeof(struct point))
		errx(1, "kmem_cache_size");
	if (!kmem_cache_alloc_bulk(lines, GFP_KERNEL, NR, objects))
		err(1, "kmem_cache_alloc_bulk");
	if (print_all() == 0)
		errx(1, "objects without memory");

	/* As thorough as the flags of the cache allow. */
	defects = kmem_cache_validate(lines);
	if (defects)
		errx(1, "%d defects", defects);

	kmem_cache_free_bulk(lines, NR, objects);
	kmem_cache_shrink(lines);
	if (print_all() != 0)
		errx(1, "memory without objects");
	kmem_cache_destroy(lines);
	kmem_cache_destroy(points);
	return 0;
}
