/* SPDX-License-Identifier: MIT */
/*
 * kmalloc.c - general caches, and large memory
 *
 * 1. Size classes
 *
 * 8, then every multiple of 16 up to 128, then four to each doubling up to 128
 * KiB: at most a fifth of the memory is lost above 128 bytes.  Each class has a
 * cache, made when it is first asked for.  On the sizes that a compiler asks
 * for (bench/sizes) 5.2 % is lost so; 3.0 % with eight to each doubling, and 9.3
 * % with two.  More classes mean more slabs that are used in part.
 *
 * 2. Large memory
 *
 * A run of its own, with a header of its own, so that kfree() tells it by the
 * map (pagemap.c); only its first granule is in it.  krealloc() has the system
 * move pages instead of bytes.  With SLAB_RED_ZONE ksize() is what was asked
 * for, and the red zone is the rest of the last page.
 *
 * 3. Concurrency
 *
 * A class's cache is made under a lock and found without [K1].  The rest is the
 * caches', and a large run has one owner.
 */
#include "config.h"

#include <kmempool/kmalloc.h>

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cache.h"
#include "checked.h"
#include "gfp_known.h"
#include "kmalloc.h"
#include "reclaim.h"
#include "report.h"

/* ---- size classes ------------------------------------------------------ */

#define STEPS_SHIFT	2		/* four to a doubling */
#define STEPS		(1u << STEPS_SHIFT)
#define SMALL_MAX	128u
#define SHIFT_OF_FIRST	5		/* SMALL_MAX is STEPS << 5 */
#define NR_SMALL	(1 + SMALL_MAX / 16)
#define NR_DOUBLINGS	10		/* from there to the largest */
#define NR_CLASSES	(NR_SMALL + (NR_DOUBLINGS << STEPS_SHIFT))

static struct kmem_cache *general[NR_CLASSES];	/* atomic [K1] */

slab_flags_t kmalloc_flags;

/* 1 <= @size <= KMALLOC_CACHE_SIZE_MAX */
static unsigned int class_of(size_t size)
{
	unsigned int shift;

	if (size <= 8)
		return 0;
	if (size <= SMALL_MAX)
		return (unsigned int)(size + 15) / 16;
	/* size - 1 is 1xx in front of shift more bits. */
	shift = 63 - (unsigned int)__builtin_clzll(size - 1) - STEPS_SHIFT;
	return NR_SMALL + ((shift - SHIFT_OF_FIRST) << STEPS_SHIFT) +
	       ((unsigned int)(size - 1) >> shift) % STEPS;
}

static unsigned int class_size(unsigned int class)
{
	unsigned int step;

	if (!class)
		return 8;
	if (class < NR_SMALL)
		return 16 * class;
	class -= NR_SMALL;
	step = (SMALL_MAX / STEPS) << (class >> STEPS_SHIFT);
	return (STEPS + class % STEPS + 1) * step;
}

/* A power of two to itself, others to what divides them. */
static unsigned int class_align(unsigned int size)
{
	unsigned int align = size & -size;

	return align < 4096 ? align : 4096;
}

/* One at a time, so that no cache is made in vain: it could not be ended while
 * somebody visits it.  Outside all other locks (fork.c). */
static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER;

static struct kmem_cache *find_or_make(unsigned int class)
{
	unsigned int size = class_size(class);
	struct kmem_cache_args args = { .align = class_align(size) };
	struct kmem_cache *cache;
	char name[32];

	pthread_mutex_lock(&making);
	cache = __atomic_load_n(&general[class], __ATOMIC_RELAXED);
	if (!cache) {
		snprintf(name, sizeof(name), "kmalloc-%u", size);
		cache = cache_create(name, size, &args, kmalloc_flags,
				     CACHE_GENERAL);
		/* [K1] with the load in general_cache(): who finds it finds
		 * it made. */
		__atomic_store_n(&general[class], cache, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&making);
	return cache;
}

static COLD struct kmem_cache *make_general(unsigned int class, gfp_t gfp)
{
	int saved_errno = errno;
	struct kmem_cache *cache = find_or_make(class);

	if (!cache && reclaim_from_all(gfp))
		cache = find_or_make(class);
	errno = saved_errno;
	return cache;
}

static inline struct kmem_cache *general_cache(size_t size, gfp_t gfp)
{
	unsigned int class = class_of(size);
	struct kmem_cache *cache;

	cache = __atomic_load_n(&general[class], __ATOMIC_ACQUIRE);	/* [K1] */
	return likely(cache) ? cache : make_general(class, gfp);
}

void kmalloc_prepare(void)
{
	pthread_mutex_lock(&making);
}

void kmalloc_resume(void)
{
	pthread_mutex_unlock(&making);
}

/* ---- large memory ------------------------------------------------------ */

/* What large headers say they are of. */
static struct kmem_cache large = { .name = (char *)"kmalloc-large" };

/* By what is fixed while the memory is out: the list changes. */
static inline bool is_large(const struct slab *slab)
{
	return slab_cache(slab) == &large;
}

static size_t round_to_pages(size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (size + page - 1) & ~(page - 1);
}

#define RED_LARGE	0xc7

/* The memory is long enough. */
static void set_large_size(struct slab *slab, size_t size)
{
	slab->free.size = round_to_pages(size);
	if (likely(!(kmalloc_flags & SLAB_RED_ZONE)))
		return;
	memset(slab->first + size, RED_LARGE, slab->free.size - size);
	slab->free.size = size;
}

/* Before the memory is given back, or has another size. */
static void check_large(const struct slab *slab)
{
	size_t size = slab->free.size, end = round_to_pages(size), i = size;
	struct report report;

	while (i < end && (unsigned char)slab->first[i] == RED_LARGE)
		i++;
	if (likely(i == end))
		return;
	report_begin(&report);
	report_add(&report, "libkmempool: large memory %p of %zu bytes: a byte "
		   "behind it was written to, at its end+%zu; whoever had it "
		   "wrote more than was asked for\n", (void *)slab->first,
		   size, i - size);
	report_send(&report);
}

static void *map_large(size_t size)
{
	struct slab *slab = slab_header_get();

	if (!slab)
		return NULL;
	slab->first = pages_map(pages_round(size), -1);
	if (!slab->first)
		goto put_header;
	set_large_size(slab, size);
	slab->list = SLAB_LARGE;
	__atomic_store_n(&slab->cache, &large, __ATOMIC_RELAXED);	/* [M1] */
	if (pagemap_set(slab->first, GRANULE, slab))
		goto unmap;
	return slab->first;

unmap:
	pages_unmap(slab->first, pages_round(size));
put_header:
	slab_header_put(slab);
	return NULL;
}

static void *alloc_large(size_t size, gfp_t gfp)
{
	void *p;

	if (size > PTRDIFF_MAX - GRANULE)
		return NULL;
	p = map_large(size);
	if (!p && reclaim_from_all(gfp))
		p = map_large(size);
	return p;
}

static void free_large(struct slab *slab)
{
	char *run = slab->first;

	check_large(slab);
	pagemap_clear(run, GRANULE);
	pages_unmap(run, pages_round(slab->free.size));
	slab_header_put(slab);
}

/*
 * Moves the pages to where there is room.  The memory goes off the map before
 * the system can give its addresses to another thread, and comes back if it
 * could not be moved.  The system may have unmapped the new place before it
 * failed: it can be another thread's by then, and is left alone.  At worst
 * addresses are lost.
 */
static bool move_large(struct slab *slab, size_t size)
{
	size_t from = pages_round(slab->free.size), to = pages_round(size);
	char *run = pages_map(to, -1);

	if (!run)
		return false;
	/* So that there is a leaf, and the rest cannot fail. */
	if (pagemap_set(run, GRANULE, NULL)) {
		pages_unmap(run, to);
		return false;
	}
	pagemap_clear(slab->first, GRANULE);
	if (mremap(slab->first, from, to, MREMAP_MAYMOVE | MREMAP_FIXED,
		   run) == MAP_FAILED) {
		pagemap_set(slab->first, GRANULE, slab);
		return false;
	}
	slab->first = run;
	pagemap_set(run, GRANULE, slab);
	return true;
}

static size_t min_size(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* From @from up to @to, if that is further. */
static void zero(void *p, size_t from, size_t to)
{
	if (from < to)
		memset((char *)p + from, 0, to - from);
}

/* ksize() was @old and is @new.  Pages that were cut off and come back may be
 * dirty, and so may the end of the last one. */
static void zero_large(const struct slab *slab, size_t old, size_t new,
		       size_t size)
{
	zero(slab->first, old, min_size(pages_round(old), new));
	zero(slab->first, size, min_size(old, new));
}

/* True when it has become @size long, wherever it is now. */
static bool resize_large(struct slab *slab, size_t size, gfp_t gfp)
{
	size_t old = slab->free.size;
	size_t from = pages_round(old), to = pages_round(size);
	int saved_errno = errno;
	bool done = true;

	check_large(slab);
	if (from != to &&
	    mremap(slab->first, from, to, 0) == MAP_FAILED)
		done = to > from && move_large(slab, size);
	if (done)
		set_large_size(slab, size);
	if (done && gfp & __GFP_ZERO)
		zero_large(slab, old, slab->free.size, size);
	errno = saved_errno;
	return done;
}

/* ---- the calls --------------------------------------------------------- */

void *kmalloc_from(size_t size, gfp_t gfp, const void *caller)
{
	struct kmem_cache *cache;
	void *p = NULL;

	if (unlikely(gfp & ~GFP_KNOWN)) {
		errno = EINVAL;
		return NULL;
	}
	if (unlikely(!size))
		return ZERO_SIZE_PTR;
	if (unlikely(size > KMALLOC_CACHE_SIZE_MAX)) {
		p = alloc_large(size, gfp);
	} else {
		cache = general_cache(size, gfp);
		if (likely(cache))
			p = cache_alloc(cache, gfp, caller);
		if (p && unlikely(cache->checked))
			checked_set_size(cache, p, (unsigned int)size);
	}
	if (unlikely(!p))
		errno = ENOMEM;
	return p;
}

void *kmalloc(size_t size, gfp_t gfp_mask)
{
	return kmalloc_from(size, gfp_mask, __builtin_return_address(0));
}

void *kzalloc(size_t size, gfp_t gfp_mask)
{
	return kmalloc_from(size, gfp_mask | __GFP_ZERO,
			    __builtin_return_address(0));
}

static void *alloc_array(size_t n, size_t size, gfp_t gfp, const void *caller)
{
	size_t all;

	if (__builtin_mul_overflow(n, size, &all)) {
		errno = ENOMEM;
		return NULL;
	}
	return kmalloc_from(all, gfp, caller);
}

void *kmalloc_array(size_t n, size_t size, gfp_t gfp_mask)
{
	return alloc_array(n, size, gfp_mask, __builtin_return_address(0));
}

void *kcalloc(size_t n, size_t size, gfp_t gfp_mask)
{
	return alloc_array(n, size, gfp_mask | __GFP_ZERO,
			   __builtin_return_address(0));
}

/* The slab of memory that is ours; anything else stops the program. */
static struct slab *slab_of(const void *p)
{
	struct slab *slab = pagemap_find(p);

	if (unlikely(!slab || (is_large(slab) && slab->first != p)))
		report_and_abort("libkmempool: %p was given to kfree(), krealloc() "
				 "or ksize(), and did not come from kmalloc() "
				 "or was freed before\n", p);
	return slab;
}

static void free_to(struct slab *slab, const void *p, const void *caller)
{
	if (unlikely(is_large(slab)))
		free_large(slab);
	else
		cache_free(slab_cache(slab), (void *)(uintptr_t)p, caller);
}

void kfree_from(const void *p, const void *caller)
{
	if (!ZERO_OR_NULL_PTR(p))
		free_to(slab_of(p), p, caller);
}

void kfree(const void *p)
{
	kfree_from(p, __builtin_return_address(0));
}

static size_t size_of(const struct slab *slab, const void *p)
{
	struct kmem_cache *cache;

	if (is_large(slab))
		return slab->free.size;
	cache = slab_cache(slab);
	return cache->checked ? checked_get_size(cache, p) : cache->layout.size;
}

size_t ksize(const void *p)
{
	return ZERO_OR_NULL_PTR(p) ? 0 : size_of(slab_of(p), p);
}

/* Whether @p is good for @size, where it is, and not far too long. */
static bool stays(struct slab *slab, void *p, size_t size, gfp_t gfp)
{
	struct kmem_cache *cache = slab_cache(slab);
	size_t old = size_of(slab, p);

	if (size > cache->layout.size || size < cache->layout.size / 2)
		return false;
	/* It may come back when the size grows again. */
	if (gfp & __GFP_ZERO)
		zero(p, size, old);
	/* Looks at the red zone, which begins at the old size. */
	if (cache->checked)
		checked_set_size(cache, p, (unsigned int)size);
	if (gfp & __GFP_ZERO)
		zero(p, old, size);
	return true;
}

static void *move(struct slab *slab, void *p, size_t size, gfp_t gfp,
		  const void *caller)
{
	size_t old = size_of(slab, p);
	int saved_errno = errno;
	void *q = kmalloc_from(size, gfp, caller);

	if (q) {
		memcpy(q, p, min_size(old, size));
		free_to(slab, p, caller);
	} else if (size <= old) {
		/* Too long is good enough. */
		if (gfp & __GFP_ZERO)
			zero(p, size, old);
		errno = saved_errno;
		return p;
	}
	return q;
}

static void *reallocate(void *p, size_t size, gfp_t gfp, const void *caller)
{
	struct slab *slab = slab_of(p);

	if (!is_large(slab)) {
		if (stays(slab, p, size, gfp))
			return p;
	} else if (size > KMALLOC_CACHE_SIZE_MAX &&
		   resize_large(slab, size, gfp)) {
		return slab->first;
	}
	return move(slab, p, size, gfp, caller);
}

void *krealloc(const void *p, size_t new_size, gfp_t gfp_mask)
{
	const void *caller = __builtin_return_address(0);

	if (gfp_mask & ~GFP_KNOWN) {
		errno = EINVAL;
		return NULL;
	}
	if (ZERO_OR_NULL_PTR(p))
		return kmalloc_from(new_size, gfp_mask, caller);
	if (new_size)
		return reallocate((void *)(uintptr_t)p, new_size, gfp_mask,
				  caller);
	free_to(slab_of(p), p, caller);
	return ZERO_SIZE_PTR;
}
