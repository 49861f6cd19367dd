/* SPDX-License-Identifier: MIT */
/*
 * check_slabs.c - when slabs are made and when they go, and memory that is
 *                 short
 *
 * The library's calls of mmap() and munmap() are counted here, and fail when a
 * test wants it; so do those that a new cache takes.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <check.h>

#include <kmempool/kmalloc.h>

#include "cache.h"
#include "pagemap.h"
#include "pages.h"
#include "suite.h"
#include "testlib.h"

#define MARK		4242		/* errno before a call */
#define NO_NODE		1000
#define SLAB_SIZE	65536u
#define A_QUARTER	(SLAB_SIZE / 4)	/* of a slab, in bytes */
#define NEVER		UINT32_MAX
#define POPULATE_WRITE	23		/* MADV_*, of Linux 5.14 */

/* ---- the system ---------------------------------------------------------- */

static atomic_size_t nr_mapped;		/* bytes */
static unsigned int nr_maps;		/* calls so far, */
static unsigned int fail_from = NEVER;	/* of which this one and later fail, */
static unsigned int fail_until = NEVER;	/* but no more from this one on */
static bool unmap_fails;
static bool unaligned;			/* what it gives */

void *__real_mmap(void *, size_t, int, int, int, off_t);
int __real_munmap(void *, size_t);
void *__wrap_mmap(void *, size_t, int, int, int, off_t);
int __wrap_munmap(void *, size_t);

static void *(*after_move)(size_t size);	/* who comes by, if anybody */
static void *place;			/* of the next mapping of its size */
static size_t place_size;
static void *came_by;			/* what it got there */
static char *hole;			/* large enough for a slab, not aligned;
					   offered to who asks for no place */

/* A page past a granule, in the middle of what nobody else has. */
static char *map_unaligned(size_t size, int prot, int flags)
{
	size_t wide = size + 2 * SLAB_SIZE;
	char *all = __real_mmap(NULL, wide, prot, flags, -1, 0), *run;

	if (all == MAP_FAILED)
		return all;
	run = all + SLAB_SIZE - (uintptr_t)all % SLAB_SIZE + 4096;
	__real_munmap(all, (size_t)(run - all));
	__real_munmap(run + size, (size_t)(all + wide - (run + size)));
	return run;
}

void *__wrap_mmap(void *addr, size_t size, int prot, int flags, int fd,
		  off_t offset)
{
	unsigned int nr = nr_maps++;
	void *p;

	if (nr >= fail_from && nr < fail_until) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	if (place && size == place_size) {
		addr = place;
		flags |= MAP_FIXED_NOREPLACE;
		place = NULL;
	}
	if (hole && !addr && size == SLAB_SIZE)
		addr = hole;
	p = unaligned ? map_unaligned(size, prot, flags)
		      : __real_mmap(addr, size, prot, flags, fd, offset);
	if (p != MAP_FAILED)
		atomic_fetch_add(&nr_mapped, size);
	return p;
}

int __wrap_munmap(void *addr, size_t size)
{
	if (unmap_fails) {
		errno = ENOMEM;
		return -1;
	}
	atomic_fetch_sub(&nr_mapped, size);
	return __real_munmap(addr, size);
}

static bool populate_fails;
int __real_madvise(void *, size_t, int);
int __wrap_madvise(void *, size_t, int);

int __wrap_madvise(void *addr, size_t size, int advice)
{
	if (populate_fails && advice == POPULATE_WRITE) {
		errno = EINVAL;
		return -1;
	}
	return __real_madvise(addr, size, advice);
}

void *__real_mremap(void *, size_t, size_t, int, void *);
void *__wrap_mremap(void *, size_t, size_t, int, void *);

/* What had the old place's addresses is somebody else's at once. */
void *__wrap_mremap(void *from, size_t old, size_t new, int flags, void *to)
{
	void *p;

	if (after_move && !(flags & MREMAP_FIXED)) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	p = __real_mremap(from, old, new, flags, to);
	if (after_move && p != MAP_FAILED) {
		place = from;
		place_size = old;
		came_by = after_move(old);
	}
	return p;
}

static void fail_nth(unsigned int nth, unsigned int nr)
{
	fail_from = nr_maps + nth;
	fail_until = nr == NEVER ? NEVER : fail_from + nr;
}

static void fail_no_more(void)
{
	fail_from = fail_until = NEVER;
}

static unsigned int heap_calls_left = NEVER;	/* until the one that fails */

int __real_posix_memalign(void **, size_t, size_t);
char *__real_strdup(const char *);
void *__real_calloc(size_t, size_t);
int __wrap_posix_memalign(void **, size_t, size_t);
char *__wrap_strdup(const char *);
void *__wrap_calloc(size_t, size_t);

static bool heap_fails(void)
{
	return heap_calls_left != NEVER && !heap_calls_left--;
}

int __wrap_posix_memalign(void **memory, size_t align, size_t size)
{
	return heap_fails() ? ENOMEM
			    : __real_posix_memalign(memory, align, size);
}

char *__wrap_strdup(const char *text)
{
	return heap_fails() ? NULL : __real_strdup(text);
}

void *__wrap_calloc(size_t nr, size_t size)
{
	return heap_fails() ? NULL : __real_calloc(nr, size);
}

/* ---- a cache ------------------------------------------------------------- */

#define NR_OBJECTS	4096

static struct kmem_cache *cache;
static void *objects[NR_OBJECTS];

static struct kmem_cache *make(unsigned int size, unsigned int min_partial)
{
	struct kmem_cache_args args = { .min_partial = min_partial };
	struct kmem_cache *made = kmem_cache_create_args("made", size, &args,
							 0);

	ck_assert_ptr_nonnull(made);
	return made;
}

static void fill(unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		objects[i] = kmem_cache_alloc(cache, GFP_KERNEL);
		ck_assert_ptr_nonnull(objects[i]);
	}
}

static void empty(unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		kmem_cache_free(cache, objects[i]);
}

static void fill_and_empty(unsigned int nr)
{
	fill(nr);
	empty(nr);
}

static uint64_t nr_slabs(void)
{
	struct kmem_cache_stats s = cache_stats_of(cache);

	ck_assert_uint_eq(s.slabs_made - s.slabs_returned,
			  s.slabs_full + s.slabs_partial + s.slabs_empty);
	return s.slabs_made - s.slabs_returned;
}

static void end(void)
{
	ck_assert_int_eq(kmem_cache_destroy(cache), 0);
}

/* But for the map of addresses: a part of it is made when the system first gives
 * one of its 4 GiB, and stays. */
static size_t mapped(void)
{
	size_t nr_leaves = 0, i;

	for (i = 0; i < ROOT_ENTRIES; i++)
		nr_leaves += pagemap_root[i] != NULL;
	return nr_mapped - nr_leaves * sizeof(struct pagemap_leaf);
}

/* Headers are never given back: there are some already. */
static void warm_up(void)
{
	cache = make(A_QUARTER, 1);
	fill_and_empty(1);
	end();
}

/* ---- making and going ---------------------------------------------------- */

START_TEST(a_new_cache_has_no_memory)
{
	size_t before = mapped();

	cache = make(64, 8);
	ck_assert_uint_eq(mapped(), before);
	ck_assert_uint_eq(nr_slabs(), 0);
	end();
}
END_TEST

START_TEST(a_cache_is_of_no_node_unless_told)
{
	cache = kmem_cache_create("any", 64, 0, 0, NULL);
	ck_assert_int_eq(cache->node, -1);
	ck_assert_int_eq(kmem_cache_destroy(cache), 0);
}
END_TEST

/* As little of a line as the object fits into. */
START_TEST(objects_do_not_lie_in_more_lines_than_they_must)
{
	static const unsigned int sizes[] = { 16, 17, 32, 33, 64, 65 };
	static const unsigned int aligns[] = { 16, 32, 32, 64, 64, 64 };
	int i;

	for (i = 0; i < 6; i++) {
		cache = kmem_cache_create("line", sizes[i], 0,
					  SLAB_HWCACHE_ALIGN, NULL);
		ck_assert_uint_eq(cache->layout.align, aligns[i]);
		ck_assert_int_eq(kmem_cache_destroy(cache), 0);
	}
}
END_TEST

START_TEST(objects_come_from_the_fullest_slab)
{
	struct kmem_cache_stats s;

	cache = make(A_QUARTER, 1);
	fill(12);
	/* 4, 2 and 1 are used; 1, 3, 4 after the next four. */
	kmem_cache_free(cache, objects[4]);
	kmem_cache_free(cache, objects[5]);
	kmem_cache_free(cache, objects[8]);
	kmem_cache_free(cache, objects[9]);
	kmem_cache_free(cache, objects[10]);
	objects[4] = kmem_cache_alloc(cache, GFP_NOWAIT);
	objects[5] = kmem_cache_alloc(cache, GFP_NOWAIT);
	s = cache_stats_of(cache);
	ck_assert_uint_eq(s.slabs_full, 2);
	ck_assert_uint_eq(s.slabs_partial, 1);
	kmem_cache_free(cache, objects[11]);
	s = cache_stats_of(cache);
	ck_assert_uint_eq(s.slabs_empty, 1);
	empty(8);
	end();
}
END_TEST

START_TEST(shrink_gives_every_empty_slab_back)
{
	size_t before;

	warm_up();
	before = mapped();
	cache = make(A_QUARTER, 50);
	fill(100);
	ck_assert_uint_eq(mapped(), before + 25 * SLAB_SIZE);
	empty(97);
	ck_assert_uint_eq(nr_slabs(), 25);
	ck_assert_int_eq(kmem_cache_shrink(cache), 0);
	ck_assert_uint_eq(nr_slabs(), 1);
	ck_assert_uint_eq(mapped(), before + SLAB_SIZE);
	kmem_cache_free(cache, objects[97]);
	kmem_cache_free(cache, objects[98]);
	kmem_cache_free(cache, objects[99]);
	ck_assert_int_eq(kmem_cache_shrink(cache), 0);
	ck_assert_uint_eq(nr_slabs(), 0);
	ck_assert_uint_eq(mapped(), before);
	fill_and_empty(5);
	end();
	ck_assert_uint_eq(mapped(), before);
}
END_TEST

START_TEST(destroy_gives_all_memory_back)
{
	size_t before;

	warm_up();
	before = mapped();
	cache = make(_i ? 100 * 1000 : 1000, 7);
	fill_and_empty(300);
	ck_assert_uint_gt(mapped(), before);
	end();
	ck_assert_uint_eq(mapped(), before);
}
END_TEST

START_TEST(as_many_empty_slabs_are_kept_as_was_asked_for)
{
	static const unsigned int min_partial[] = { 0, 1, 2, 5, 17, 100 };
	unsigned int kept = min_partial[_i] ? min_partial[_i] : 1;

	cache = make(A_QUARTER, min_partial[_i]);
	fill_and_empty(4 * 120);
	ck_assert_uint_eq(nr_slabs(), kept);
	end();
}
END_TEST

START_TEST(a_cache_filled_and_emptied_in_turns_stops_making_slabs)
{
	unsigned int nr = _i ? 4 * 300 : 8, turn;
	uint64_t made;

	cache = make(A_QUARTER, 0);
	fill_and_empty(nr);
	/* It pays for one such turn. */
	fill_and_empty(nr);
	made = cache_stats_of(cache).slabs_made;
	ck_assert_uint_le(made, nr / 2);
	for (turn = 0; turn < 20; turn++)
		fill_and_empty(nr);
	ck_assert_uint_eq(cache_stats_of(cache).slabs_made, made);
	end();
}
END_TEST

START_TEST(one_object_taken_and_given_in_turns_makes_one_slab)
{
	cache = make(A_QUARTER, 0);
	for (int i = 0; i < 1000; i++)
		fill_and_empty(1);
	ck_assert_uint_eq(cache_stats_of(cache).slabs_made, 1);
	/* Nor does one at the edge of a full slab. */
	fill(4);
	for (int i = 0; i < 1000; i++)
		kmem_cache_free(cache, kmem_cache_alloc(cache, GFP_KERNEL));
	ck_assert_uint_le(cache_stats_of(cache).slabs_made, 3);
	empty(4);
	end();
}
END_TEST

START_TEST(after_a_spike_nearly_all_goes_back)
{
	size_t before;

	warm_up();
	before = mapped();
	cache = make(A_QUARTER, 0);
	fill(NR_OBJECTS);
	empty(NR_OBJECTS);
	ck_assert_uint_eq(nr_slabs(), 1);
	ck_assert_uint_le(mapped(), before + 2 * SLAB_SIZE);
	end();
}
END_TEST

/* However many slabs one call empties. */
START_TEST(after_a_spike_freed_at_once_nearly_all_goes_back)
{
	static const unsigned int sizes[] = { 256, 4096, 40000, 1 << 20 };
	unsigned int nr = _i < 2 ? NR_OBJECTS : 200;

	cache = make(sizes[_i], 0);
	ck_assert(kmem_cache_alloc_bulk(cache, GFP_KERNEL, nr, objects));
	kmem_cache_free_bulk(cache, nr, objects);
	ck_assert_uint_eq(nr_slabs(), 1);
	end();
}
END_TEST

START_TEST(slabs_that_are_kept_for_nothing_go_in_time)
{
	unsigned int turn;

	cache = make(A_QUARTER, 0);
	for (turn = 0; turn < 4; turn++)
		fill_and_empty(4 * 200);
	ck_assert_uint_ge(nr_slabs(), 200);
	/* Two slabs are enough from now on. */
	for (turn = 0; turn < 4000; turn++)
		fill_and_empty(8);
	ck_assert_uint_le(nr_slabs(), 4);
	end();
}
END_TEST

START_TEST(shrink_forgets_what_was_worth_keeping)
{
	unsigned int turn;

	cache = make(A_QUARTER, 0);
	for (turn = 0; turn < 4; turn++)
		fill_and_empty(4 * 100);
	ck_assert_uint_ge(nr_slabs(), 100);
	ck_assert_int_eq(kmem_cache_shrink(cache), 0);
	ck_assert_uint_eq(nr_slabs(), 0);
	fill_and_empty(4 * 100);
	ck_assert_uint_eq(nr_slabs(), 1);
	end();
}
END_TEST

START_TEST(reset_brings_every_object_back_and_keeps_the_slabs)
{
	struct kmem_cache_stats s;
	unsigned int turn;

	cache = make(A_QUARTER, 0);
	fill(4 * 50 + 1);
	for (turn = 1; turn <= 5; turn++) {
		ck_assert_int_eq(kmem_cache_reset(cache), 0);
		s = cache_stats_of(cache);
		ck_assert_uint_eq(s.active, 0);
		ck_assert_uint_eq(s.slabs_empty, 51);
		ck_assert_uint_eq(s.slabs_full + s.slabs_partial, 0);
		ck_assert_uint_eq(s.slabs_made, 51);
		ck_assert_uint_eq(s.frees, 0);
		ck_assert_uint_eq(s.resets, turn);
		fill(4 * 50 + 1);
		for (unsigned int i = 0; i < 4 * 50 + 1; i++)
			memset(objects[i], (int)i, A_QUARTER);
		for (unsigned int i = 0; i < 4 * 50 + 1; i++)
			ck_assert(*(unsigned char *)objects[i] ==
				  (unsigned char)i);
	}
	empty(4 * 50 + 1);
	ck_assert_uint_eq(cache_stats_of(cache).active, 0);
	end();
}
END_TEST

static unsigned int nr_ctors, nr_dtors;

static void construct(void *object)
{
	nr_ctors++;
	memset(object, 0x5c, 100);
}

static void destruct(void *object, void *ctor_arg)
{
	(void)ctor_arg;
	nr_dtors += *(unsigned char *)object == 0x5c;
}

START_TEST(reset_constructs_and_destructs_nothing)
{
	struct kmem_cache_args args = { .ctor = construct, .dtor = destruct };
	unsigned int made;

	cache = kmem_cache_create_args("made", 100, &args, 0);
	ck_assert_ptr_nonnull(cache);
	fill(2000);
	made = nr_ctors;
	ck_assert_int_eq(kmem_cache_reset(cache), 0);
	fill(2000);
	ck_assert_uint_eq(nr_ctors, made);
	ck_assert_uint_eq(nr_dtors, 0);
	ck_assert_uint_eq(((unsigned char *)objects[1999])[99], 0x5c);
	ck_assert_int_eq(kmem_cache_reset(cache), 0);
	end();
	ck_assert_uint_eq(nr_dtors, nr_ctors);
}
END_TEST

/* ---- memory that is short ------------------------------------------------ */

#define ODD_SIZE	1234

static int is_of_odd_size(struct kmem_cache *visited, void *arg)
{
	(void)arg;
	return kmem_cache_size(visited) == ODD_SIZE;
}

/* Each of the calls that a new cache takes. */
START_TEST(a_cache_is_made_or_not_at_all)
{
	struct kmem_cache_args args = { .align = 16 };
	unsigned int nth;

	for (nth = 0;; nth++) {
		heap_calls_left = nth;
		errno = MARK;
		cache = _i ? kmem_cache_create_args("made", ODD_SIZE, &args, 0)
			   : kmem_cache_create("made", ODD_SIZE, 16, 0, NULL);
		heap_calls_left = NEVER;
		if (cache)
			break;
		ck_assert_int_eq(errno, ENOMEM);
		ck_assert_int_eq(kmem_cache_for_each(is_of_odd_size, NULL), 0);
	}
	ck_assert_int_eq(errno, MARK);
	/* The cache, its name, and its place among all. */
	ck_assert_uint_ge(nth, 2);
	ck_assert_int_eq(kmem_cache_for_each(is_of_odd_size, NULL), 1);
	fill_and_empty(1);
	end();
}
END_TEST

START_TEST(what_the_system_refuses_is_not_had)
{
	cache = make(A_QUARTER, 0);
	fail_nth(0, NEVER);
	errno = 0;
	ck_assert_ptr_null(kmem_cache_alloc(cache,
					    _i ? GFP_KERNEL : GFP_NOWAIT));
	ck_assert_int_eq(errno, ENOMEM);
	errno = 0;
	ck_assert_ptr_null(kmem_cache_zalloc(cache,
					     _i ? GFP_KERNEL : GFP_NOWAIT));
	ck_assert_int_eq(errno, ENOMEM);
	ck_assert_uint_eq(cache_stats_of(cache).failures, 2);
	ck_assert_uint_eq(cache_stats_of(cache).active, 0);
	fail_no_more();
	fill_and_empty(10);
	end();
}
END_TEST

/* Each of the calls that a first slab takes, in a process that has none. */
START_TEST(a_slab_is_made_or_not_at_all)
{
	unsigned int nth, nr = 0;
	size_t kept;

	unaligned = _i;
	for (nth = 0;; nth++) {
		cache = make(A_QUARTER, 0);
		fail_nth(nth, 1);
		errno = MARK;
		objects[0] = kmem_cache_alloc(cache, GFP_NOWAIT);
		if (objects[0])
			break;
		nr++;
		ck_assert_int_eq(errno, ENOMEM);
		ck_assert_uint_eq(nr_slabs(), 0);
		fail_no_more();
		kept = mapped();
		end();
		ck_assert_uint_eq(mapped(), kept);
	}
	ck_assert_int_eq(errno, MARK);
	fail_no_more();
	/* The header, the run, and the leaf of the map; but what one attempt
	 * had made of these, the next has. */
	ck_assert_uint_ge(nr, 2);
	memset(objects[0], 1, A_QUARTER);
	empty(1);
	end();
	/* Headers. */
	ck_assert_uint_le(mapped(), SLAB_SIZE);
}
END_TEST

START_TEST(slabs_are_aligned_whatever_the_system_gives)
{
	static const unsigned int sizes[] = { 64, 40000, 65536, 300000 };
	size_t before;

	warm_up();
	before = mapped();
	unaligned = true;
	cache = make(sizes[_i], 0);
	fill(40);
	for (int i = 0; i < 40; i++)
		memset(objects[i], i, sizes[_i]);
	for (int i = 0; i < 40; i++)
		ck_assert(((unsigned char *)objects[i])[sizes[_i] - 1] == i);
	empty(40);
	end();
	ck_assert_uint_eq(mapped(), before);
}
END_TEST

START_TEST(a_bulk_is_all_or_nothing)
{
	struct kmem_cache_stats s;
	unsigned int nth;

	warm_up();
	cache = make(A_QUARTER, 0);
	fill(2);
	for (nth = 0; nth < 5; nth++) {
		kmem_cache_shrink(cache);
		fail_nth(nth, NEVER);
		errno = 0;
		ck_assert(!kmem_cache_alloc_bulk(cache, GFP_NOWAIT, 23,
						 objects + 2));
		ck_assert_int_eq(errno, ENOMEM);
		s = cache_stats_of(cache);
		ck_assert_uint_eq(s.active, 2);
		ck_assert_uint_eq(s.failures, nth + 1);
		ck_assert_uint_eq(s.allocs - s.frees, 2);
		/* What is there can be had. */
		ck_assert(kmem_cache_alloc_bulk(cache, GFP_NOWAIT, 2,
						objects + 2));
		kmem_cache_free_bulk(cache, 2, objects + 2);
	}
	fail_no_more();
	ck_assert(kmem_cache_alloc_bulk(cache, GFP_NOWAIT, 23, objects + 2));
	kmem_cache_free_bulk(cache, 25, objects);
	end();
}
END_TEST

/* An object handed out, and taken back, is one that somebody had. */
START_TEST(a_bulk_that_fails_handed_nothing_out)
{
	struct kmem_cache_stats s;

	warm_up();
	cache = make(A_QUARTER, 0);
	fill(1);
	fail_nth(1, NEVER);
	ck_assert(!kmem_cache_alloc_bulk(cache, GFP_NOWAIT, 20, objects + 1));
	fail_no_more();
	s = cache_stats_of(cache);
	ck_assert_uint_eq(s.allocs, 1);
	ck_assert_uint_eq(s.frees, 0);
	empty(1);
	end();
}
END_TEST

/* A sanitizer has an address space of its own in mind. */
#if !defined(TESTLIB_ASAN) && !defined(TESTLIB_TSAN)
START_TEST(an_address_space_that_is_full_is_no_more_than_a_failure)
{
	struct rlimit limit = { 0, 0 };
	unsigned int nr, i;

	cache = make(1 << 20, 0);
	getrlimit(RLIMIT_AS, &limit);
	limit.rlim_cur = 1ul << 30;
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
	for (nr = 0; nr < NR_OBJECTS; nr++) {
		objects[nr] = kmem_cache_alloc(cache, GFP_KERNEL);
		if (!objects[nr])
			break;
	}
	ck_assert_uint_gt(nr, 10);
	ck_assert_uint_lt(nr, 1024);
	ck_assert_int_eq(errno, ENOMEM);
	ck_assert(!kmem_cache_alloc_bulk(cache, GFP_KERNEL, 3,
					 objects + nr));
	kmem_cache_free(cache, objects[--nr]);
	objects[nr] = kmem_cache_alloc(cache, GFP_KERNEL);
	ck_assert_ptr_nonnull(objects[nr++]);
	for (i = 0; i < nr; i++)
		kmem_cache_free(cache, objects[i]);
	ck_assert_uint_eq(cache_stats_of(cache).active, 0);
	end();
}
END_TEST

#endif

/* It has too many mappings, say; what it cannot unmap, nobody can use. */
START_TEST(memory_goes_back_even_if_the_system_does_not_unmap_it)
{
	unsigned char *object;

	cache = make(SLAB_SIZE, 0);
	fill(2);
	object = objects[1];
	memset(object, 0xff, SLAB_SIZE);
	unmap_fails = true;
	errno = MARK;
	empty(2);
	ck_assert_int_eq(kmem_cache_shrink(cache), 0);
	ck_assert_int_eq(errno, MARK);
	unmap_fails = false;
	/* The pages are gone, and read as new ones. */
	ck_assert_uint_eq(object[0], 0);
	ck_assert_uint_eq(object[SLAB_SIZE - 1], 0);
	end();
}
END_TEST

/* ---- where memory lies --------------------------------------------------- */

START_TEST(slabs_lie_together_though_there_is_a_hole)
{
	unsigned int nr_apart = 0, i;

	warm_up();
	hole = map_unaligned(SLAB_SIZE, PROT_NONE,
			     MAP_PRIVATE | MAP_ANONYMOUS);
	ck_assert(hole != MAP_FAILED);
	__real_munmap(hole, SLAB_SIZE);
	cache = make(SLAB_SIZE, 0);
	fill(20);
	for (i = 1; i < 20; i++)
		nr_apart += (char *)objects[i] !=
			    (char *)objects[i - 1] - SLAB_SIZE;
	/* Something else may lie in the way.  It is all 19 without a hint. */
	ck_assert_uint_lt(nr_apart, 10);
	hole = NULL;
	empty(20);
	end();
}
END_TEST

#define NR_PLACES	16

static void *places[NR_PLACES];
static unsigned int nr_places;

/* False when there are too many. */
static bool note_place(void *place_of_one)
{
	unsigned int i;

	for (i = 0; i < nr_places; i++)
		if (places[i] == place_of_one)
			return true;
	if (nr_places == NR_PLACES)
		return false;
	places[nr_places++] = place_of_one;
	return true;
}

/* A program that takes and frees does not walk through all addresses, of which
 * each part that was ever used has its piece of the map. */
START_TEST(what_is_unmapped_and_mapped_is_in_few_places)
{
	int i, j;

	warm_up();
	nr_places = 0;
	cache = make(SLAB_SIZE, 0);
	fill(4);
	for (i = 0; i < 100; i++) {
		for (j = 0; j < 3; j++) {
			kmem_cache_free(cache, objects[_i ? 2 - j : j]);
			kmem_cache_shrink(cache);
		}
		fill(3);
		for (j = 0; j < 3; j++)
			ck_assert(note_place(objects[j]));
	}
	empty(4);
	end();
}
END_TEST

static unsigned int nr_pages(void)
{
	return SLAB_SIZE / (unsigned int)sysconf(_SC_PAGESIZE);
}

static unsigned int pages_in_core(void *run)
{
	unsigned char in_core[SLAB_SIZE / 4096];
	unsigned int nr = 0, i;

	ck_assert_int_eq(mincore(run, SLAB_SIZE, in_core), 0);
	for (i = 0; i < nr_pages(); i++)
		nr += in_core[i] & 1u;
	return nr;
}

/* Whether the system can do it, so that it shows: not if it does so by itself. */
static bool system_can_populate(void)
{
	char *run = __real_mmap(NULL, SLAB_SIZE, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool can;

	ck_assert(run != MAP_FAILED);
	*run = 1;
	can = pages_in_core(run) == 1 &&
	      !madvise(run, SLAB_SIZE, POPULATE_WRITE);
	__real_munmap(run, SLAB_SIZE);
	return can;
}

/* The first slabs have what was touched of them; so have those of objects that
 * are larger than a page, and all where the system does not know how. */
START_TEST(a_slab_after_many_has_its_memory_at_once)
{
	static const unsigned int sizes[] = { 64, 4096, 4104, 64 };
	struct kmem_cache_args args = { .cache_size = 1 };
	unsigned int last = 0, in_core;
	bool can, has;
	uintptr_t run;
	void *object;

	if (!system_can_populate())
		return;
	populate_fails = _i == 3;
	can = _i < 2;

	cache = kmem_cache_create_args("made", sizes[_i], &args, 0);
	ck_assert_ptr_nonnull(cache);
	while (last < 20) {
		object = kmem_cache_alloc(cache, GFP_KERNEL);
		ck_assert_ptr_nonnull(object);
		if (cache->nr_slabs == last)
			continue;
		last = cache->nr_slabs;
		run = (uintptr_t)object & ~(uintptr_t)(SLAB_SIZE - 1);
		in_core = pages_in_core((void *)run);
		has = can && last > 16;
		if (has)
			ck_assert_uint_eq(in_core, nr_pages());
		else
			ck_assert_uint_le(in_core, 2);
		/* Who takes its objects need not touch them. */
		ck_assert(pagemap_find(object)->populated == has);
	}
	populate_fails = false;
	ck_assert_int_eq(kmem_cache_reset(cache), 0);
	end();
}
END_TEST

/* Of a run only some is of use any more: pages of that are kept, also in part. */
START_TEST(a_page_that_is_of_use_in_part_is_kept)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), i;
	const size_t bytes[] = { 0, 1, 2, page - 1, page, page + 1, 2 * page };
	char *run = pages_map(GRANULE, -1);

	ck_assert_ptr_nonnull(run);
	for (i = 0; i < sizeof(bytes) / sizeof(bytes[0]); i++) {
		memset(run, 1, 3 * page);
		if (pages_in_core(run) != 3)
			break;		/* the system touches more by itself */
		errno = MARK;
		pages_drop(run, 3 * page, bytes[i]);
		ck_assert_int_eq(errno, MARK);
		ck_assert_uint_eq(pages_in_core(run),
				  (bytes[i] + page - 1) / page);
	}
	pages_unmap(run, GRANULE);
}
END_TEST

/* -1: the system knows no nodes.  <numaif.h> is not everywhere. */
static int preferred_node(void *run)
{
	unsigned long mask = 0;
	int mode = 0;

	if (syscall(SYS_get_mempolicy, &mode, &mask, sizeof(mask) * CHAR_BIT,
		    run, 2ul /* MPOL_F_ADDR */))
		return -1;
	return mode == 1 /* MPOL_PREFERRED */ ? __builtin_ctzl(mask) : NO_NODE;
}

START_TEST(memory_is_asked_for_near_the_node_that_is_wanted)
{
	char *run = pages_map(GRANULE, 0);
	int node = preferred_node(run);

	if (node >= 0)
		ck_assert_int_eq(node, 0);
	pages_unmap(run, GRANULE);
}
END_TEST

/* ---- reclaim ------------------------------------------------------------- */

static unsigned int nr_reclaims;
static struct kmem_cache *hoarder;
static void *hoard[64];
static bool reclaim_is_wrong;

static void give_hoard_back(void *ctor_arg)
{
	unsigned int i;
	int state;

	nr_reclaims++;
	reclaim_is_wrong |= ctor_arg != hoard;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	reclaim_is_wrong |= state != PTHREAD_CANCEL_DISABLE;
	errno = EIO;
	for (i = 0; i < 64; i++) {
		kmem_cache_free(hoarder, hoard[i]);
		hoard[i] = NULL;
	}
}

static void make_hoarder(void)
{
	struct kmem_cache_args args = {
		.reclaim = give_hoard_back, .ctor_arg = hoard,
		.min_partial = 20,
	};

	hoarder = kmem_cache_create_args("hoarder", A_QUARTER, &args, 0);
	ck_assert_ptr_nonnull(hoarder);
	ck_assert(kmem_cache_alloc_bulk(hoarder, GFP_KERNEL, 64, hoard));
}

START_TEST(others_let_go_before_an_allocation_fails)
{
	size_t full;

	make_hoarder();
	cache = make(A_QUARTER, 0);
	full = mapped();
	/* There is memory again from the next call on. */
	fail_nth(0, 1);
	errno = MARK;
	if (_i)
		ck_assert(kmem_cache_alloc_bulk(cache, GFP_NOIO, 1, objects));
	else
		objects[0] = kmem_cache_alloc(cache, GFP_KERNEL);
	ck_assert_ptr_nonnull(objects[0]);
	ck_assert_int_eq(errno, MARK);
	fail_no_more();
	ck_assert_uint_eq(nr_reclaims, 1);
	ck_assert(!reclaim_is_wrong);
	ck_assert_uint_eq(cache_stats_of(hoarder).active, 0);
	ck_assert_uint_eq(cache_stats_of(hoarder).objects, 0);
	ck_assert_uint_eq(mapped(), full - 15 * SLAB_SIZE);
	ck_assert_uint_eq(cache_stats_of(cache).failures, 0);
	empty(1);
	end();
	ck_assert_int_eq(kmem_cache_destroy(hoarder), 0);
}
END_TEST

START_TEST(nobody_is_asked_for_what_may_not_sleep)
{
	static const gfp_t masks[] = { GFP_NOWAIT, GFP_ATOMIC };

	make_hoarder();
	cache = make(A_QUARTER, 0);
	fail_nth(0, NEVER);
	ck_assert_ptr_null(kmem_cache_alloc(cache, masks[_i]));
	ck_assert(!kmem_cache_alloc_bulk(cache, masks[_i], 3, objects));
	fail_no_more();
	ck_assert_uint_eq(nr_reclaims, 0);
	ck_assert_uint_eq(cache_stats_of(hoarder).active, 64);
	end();
	kmem_cache_free_bulk(hoarder, 64, hoard);
	ck_assert_int_eq(kmem_cache_destroy(hoarder), 0);
}
END_TEST

/* What a cache's own reclaim gives back serves it, memory or not. */
START_TEST(a_cache_is_served_by_what_it_let_go_itself)
{
	struct kmem_cache_args args = {
		.reclaim = give_hoard_back, .ctor_arg = hoard,
	};
	void *object;

	warm_up();
	hoarder = kmem_cache_create_args("hoarder", A_QUARTER, &args, 0);
	ck_assert_ptr_nonnull(hoarder);
	/* Two slabs, of which an object stays outside. */
	ck_assert(kmem_cache_alloc_bulk(hoarder, GFP_KERNEL, 8, hoard));
	objects[0] = hoard[0];
	hoard[0] = NULL;
	fail_nth(0, NEVER);
	object = kmem_cache_alloc(hoarder, GFP_KERNEL);
	ck_assert_ptr_nonnull(object);
	fail_no_more();
	ck_assert_uint_eq(nr_reclaims, 1);
	ck_assert_uint_eq(cache_stats_of(hoarder).failures, 0);
	ck_assert_uint_eq(cache_stats_of(hoarder).active, 2);
	kmem_cache_free(hoarder, object);
	kmem_cache_free(hoarder, objects[0]);
	ck_assert_int_eq(kmem_cache_destroy(hoarder), 0);
}
END_TEST

static unsigned int nr_entered, most_entered, nr_inner;
static struct kmem_cache *inner;

static void allocate_in_reclaim(void *ctor_arg)
{
	void *object;

	(void)ctor_arg;
	if (++nr_entered > most_entered)
		most_entered = nr_entered;
	object = kmem_cache_alloc(inner, GFP_KERNEL);
	nr_inner += object != NULL;
	kmem_cache_free(inner, object);
	nr_entered--;
}

START_TEST(reclaim_is_not_entered_from_reclaim)
{
	struct kmem_cache_args args = { .reclaim = allocate_in_reclaim };

	cache = kmem_cache_create_args("made", A_QUARTER, &args, 0);
	ck_assert_ptr_nonnull(cache);
	inner = make(A_QUARTER, 0);
	fail_nth(0, NEVER);
	ck_assert_ptr_null(kmem_cache_alloc(cache, GFP_KERNEL));
	ck_assert_uint_eq(most_entered, 1);
	ck_assert_uint_eq(nr_inner, 0);
	/* And the next allocation asks again. */
	fail_nth(0, 1);
	objects[0] = kmem_cache_alloc(cache, GFP_KERNEL);
	ck_assert_ptr_nonnull(objects[0]);
	fail_no_more();
	ck_assert_uint_eq(most_entered, 1);
	ck_assert_uint_eq(nr_inner, 1);
	empty(1);
	end();
	ck_assert_int_eq(kmem_cache_destroy(inner), 0);
}
END_TEST

static int fail_always(void *object, void *ctor_arg, gfp_t gfp_mask)
{
	(void)object;
	(void)ctor_arg;
	(void)gfp_mask;
	return -ENOMEM;
}

START_TEST(others_let_go_when_a_constructor_fails)
{
	struct kmem_cache_args args = { .ctor_try = fail_always };

	make_hoarder();
	cache = kmem_cache_create_args("made", 64, &args, 0);
	ck_assert_ptr_nonnull(cache);
	ck_assert_ptr_null(kmem_cache_alloc(cache, GFP_KERNEL));
	ck_assert_uint_eq(nr_reclaims, 1);
	end();
	ck_assert_int_eq(kmem_cache_destroy(hoarder), 0);
}
END_TEST

/* A header for each attempt would fill a new block of them. */
START_TEST(slabs_that_were_not_made_leave_nothing)
{
	struct kmem_cache_args args = { .ctor_try = fail_always };
	size_t before;
	int i;

	warm_up();
	before = mapped();
	cache = kmem_cache_create_args("made", SLAB_SIZE, &args, 0);
	ck_assert_ptr_nonnull(cache);
	for (i = 0; i < 3000; i++)
		ck_assert_ptr_null(kmem_cache_alloc(cache, GFP_NOWAIT));
	ck_assert_uint_eq(mapped(), before);
	end();
}
END_TEST

static void *stray;

static void free_stray(void)
{
	kmem_cache_free(cache, stray);
}

/* Its header is that of another slab of the same cache by now. */
START_TEST(an_object_of_a_slab_that_went_is_none)
{
	unsigned int size = _i ? 3 * SLAB_SIZE : SLAB_SIZE;
	unsigned int last = size - SLAB_SIZE;
	void *run;

	cache = make(size, 0);
	fill(1);
	stray = (char *)objects[0] + last;
	run = objects[0];
	empty(1);
	kmem_cache_shrink(cache);
	/* So that the next slab lies elsewhere. */
	ck_assert_ptr_eq(__real_mmap(run, size, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
				     -1, 0), run);
	fill(1);
	ck_assert_ptr_ne(objects[0], run);
	ck_assert(aborts_with(free_stray, "made"));
	empty(1);
	end();
	__real_munmap(run, size);
}
END_TEST

/* -------------------------------------------------------------------------- */

/* ---- large memory -------------------------------------------------------- */

#define LARGE		((size_t)KMALLOC_CACHE_SIZE_MAX + SLAB_SIZE)

static void *take_large(size_t size)
{
	return kmalloc(size, GFP_KERNEL);
}

START_TEST(who_has_the_old_place_of_memory_that_moved_keeps_it)
{
	char *p = kmalloc(LARGE, GFP_KERNEL);
	char *old = p;

	ck_assert_ptr_nonnull(p);
	after_move = take_large;
	p = krealloc(p, 2 * LARGE, GFP_KERNEL);
	after_move = NULL;
	ck_assert_ptr_nonnull(p);
	ck_assert_ptr_ne(p, old);
	ck_assert_ptr_eq(came_by, old);
	ck_assert_uint_eq(ksize(came_by), LARGE);
	kfree(came_by);
	kfree(p);
}
END_TEST

START_TEST(large_memory_after_others_let_go_leaves_errno_alone)
{
	void *p;

	make_hoarder();
	fail_nth(0, 1);
	errno = MARK;
	p = kmalloc(LARGE, GFP_KERNEL);
	ck_assert_int_eq(errno, MARK);
	ck_assert_ptr_nonnull(p);
	ck_assert_uint_eq(nr_reclaims, 1);
	kfree(p);
	ck_assert_int_eq(kmem_cache_destroy(hoarder), 0);
}
END_TEST

START_TEST(others_let_go_before_there_is_no_general_cache)
{
	void *p;

	make_hoarder();
	heap_calls_left = 0;
	p = kmalloc(64, GFP_NOWAIT);
	ck_assert_ptr_null(p);
	ck_assert_uint_eq(nr_reclaims, 0);
	heap_calls_left = 0;
	p = kmalloc(64, GFP_KERNEL);
	ck_assert_ptr_nonnull(p);
	ck_assert_uint_eq(nr_reclaims, 1);
	kfree(p);
	ck_assert_int_eq(kmem_cache_destroy(hoarder), 0);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("slabs");
	TCase *tc = tcase_create("working set");

	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_test(tc, a_new_cache_has_no_memory);
	tcase_add_test(tc, a_cache_is_of_no_node_unless_told);
	tcase_add_test(tc, objects_do_not_lie_in_more_lines_than_they_must);
	tcase_add_test(tc, objects_come_from_the_fullest_slab);
	tcase_add_test(tc, shrink_gives_every_empty_slab_back);
	tcase_add_loop_test(tc, destroy_gives_all_memory_back, 0, 2);
	tcase_add_loop_test(tc, as_many_empty_slabs_are_kept_as_was_asked_for,
			    0, 6);
	tcase_add_loop_test(tc,
		a_cache_filled_and_emptied_in_turns_stops_making_slabs, 0, 2);
	tcase_add_test(tc,
		one_object_taken_and_given_in_turns_makes_one_slab);
	tcase_add_test(tc, after_a_spike_nearly_all_goes_back);
	tcase_add_loop_test(tc,
		after_a_spike_freed_at_once_nearly_all_goes_back, 0, 4);
	tcase_add_test(tc, slabs_that_are_kept_for_nothing_go_in_time);
	tcase_add_test(tc, shrink_forgets_what_was_worth_keeping);
	tcase_add_test(tc, reset_brings_every_object_back_and_keeps_the_slabs);
	tcase_add_test(tc, reset_constructs_and_destructs_nothing);
	suite_add_tcase(s, tc);
	tc = tcase_create("short");
	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_loop_test(tc, a_cache_is_made_or_not_at_all, 0, 2);
	tcase_add_loop_test(tc, what_the_system_refuses_is_not_had, 0, 2);
	tcase_add_loop_test(tc, a_slab_is_made_or_not_at_all, 0, 2);
	tcase_add_loop_test(tc, slabs_are_aligned_whatever_the_system_gives,
			    0, 4);
	tcase_add_test(tc, a_bulk_is_all_or_nothing);
	tcase_add_test(tc, a_bulk_that_fails_handed_nothing_out);
#if !defined(TESTLIB_ASAN) && !defined(TESTLIB_TSAN)
	tcase_add_test(tc,
		an_address_space_that_is_full_is_no_more_than_a_failure);
#endif
	tcase_add_test(tc,
		memory_goes_back_even_if_the_system_does_not_unmap_it);
	tcase_add_loop_test(tc, a_slab_after_many_has_its_memory_at_once, 0, 4);
	tcase_add_test(tc, a_page_that_is_of_use_in_part_is_kept);
	tcase_add_test(tc,
		memory_is_asked_for_near_the_node_that_is_wanted);
	suite_add_tcase(s, tc);
	tc = tcase_create("addresses");
	tcase_set_timeout(tc, TEST_TIMEOUT);
	/* For do_valgrind in tools/qa.sh: there the system is another. */
	tcase_set_tags(tc, "native");
	tcase_add_test(tc, slabs_lie_together_though_there_is_a_hole);
	tcase_add_loop_test(tc, what_is_unmapped_and_mapped_is_in_few_places,
			    0, 2);
	suite_add_tcase(s, tc);
	tc = tcase_create("reclaim");
	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_loop_test(tc, others_let_go_before_an_allocation_fails,
			    0, 2);
	tcase_add_loop_test(tc, nobody_is_asked_for_what_may_not_sleep, 0, 2);
	tcase_add_test(tc, a_cache_is_served_by_what_it_let_go_itself);
	tcase_add_test(tc, reclaim_is_not_entered_from_reclaim);
	tcase_add_test(tc, others_let_go_when_a_constructor_fails);
	suite_add_tcase(s, tc);
	tc = tcase_create("left");
	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_test(tc, slabs_that_were_not_made_leave_nothing);
	tcase_add_loop_test(tc, an_object_of_a_slab_that_went_is_none, 0, 2);
	suite_add_tcase(s, tc);

	tc = tcase_create("large");
	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_test(tc,
		who_has_the_old_place_of_memory_that_moved_keeps_it);
	tcase_add_test(tc,
		large_memory_after_others_let_go_leaves_errno_alone);
	tcase_add_test(tc, others_let_go_before_there_is_no_general_cache);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	/* What the slabs do is to be seen at once. */
	setenv("KMEMPOOL_DEBUG", "nolayer", 1);
	return run_suite(suite());
}
