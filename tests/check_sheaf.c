/* SPDX-License-Identifier: MIT */
/*
 * check_sheaf.c - objects that are taken in advance
 *
 * Covers filling, taking, filling up and returning; what is refused; what a
 * cache says and does while it has a sheaf; caches with constructors and with
 * checks.  Linked with the library's own objects, whose calls of malloc() and
 * mmap() are counted here, and fail when a test wants it.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <check.h>

#include <kmempool/mempool.h>
#include <kmempool/slab.h>

#include "cache.h"
#include "suite.h"
#include "testlib.h"

#define MARK		4242		/* errno before a call */
#define SIZE		64
#define MOST		3000		/* objects in a sheaf here */
/* Of flags that ask for checks: SLAB_POISON times each number below this. */
#define NR_COMBINATIONS	16

static struct kmem_cache *cache;
static struct slab_sheaf *sheaf;
static unsigned char *objects[MOST];

/* ---- the system ---------------------------------------------------------- */

static bool no_memory;			/* for the library */
static bool inside;			/* a test has this thread call it */
static unsigned int nr_asked;		/* by it, so far */

void *__real_malloc(size_t);
void *__wrap_malloc(size_t);
void *__real_mmap(void *, size_t, int, int, int, off_t);
void *__wrap_mmap(void *, size_t, int, int, int, off_t);

void *__wrap_malloc(size_t size)
{
	if (!inside)
		return __real_malloc(size);
	nr_asked++;
	if (!no_memory)
		return __real_malloc(size);
	errno = ENOMEM;
	return NULL;
}

void *__wrap_mmap(void *addr, size_t size, int prot, int flags, int fd,
		  off_t offset)
{
	if (!inside)
		return __real_mmap(addr, size, prot, flags, fd, offset);
	nr_asked++;
	if (!no_memory)
		return __real_mmap(addr, size, prot, flags, fd, offset);
	errno = ENOMEM;
	return MAP_FAILED;
}

/* ---- helpers ------------------------------------------------------------- */

static void make(unsigned int size, slab_flags_t flags)
{
	cache = kmem_cache_create("sheaved", size, 0, flags, NULL);
	ck_assert_ptr_nonnull(cache);
}

static void prefill(unsigned int n)
{
	errno = MARK;
	sheaf = kmem_cache_prefill_sheaf(cache, GFP_KERNEL, n);
	ck_assert_ptr_nonnull(sheaf);
	ck_assert_int_eq(errno, MARK);
	ck_assert_uint_eq(kmem_cache_sheaf_size(sheaf), n);
}

static void *take(void)
{
	void *object;

	errno = MARK;
	inside = true;
	object = kmem_cache_alloc_from_sheaf(cache, GFP_NOWAIT, sheaf);
	inside = false;
	ck_assert_ptr_nonnull(object);
	ck_assert_int_eq(errno, MARK);
	return object;
}

static void put_back(void)
{
	errno = MARK;
	kmem_cache_return_sheaf(cache, GFP_KERNEL, sheaf);
	ck_assert_int_eq(errno, MARK);
	sheaf = NULL;
}

static void assert_empty(void)
{
	ck_assert_uint_eq(kmem_cache_sheaf_size(sheaf), 0);
	errno = 0;
	ck_assert_ptr_null(kmem_cache_alloc_from_sheaf(cache, GFP_KERNEL,
						       sheaf));
	ck_assert_int_eq(errno, ENOMEM);
}

static void end(void)
{
	ck_assert_uint_eq(cache_stats_of(cache).active, 0);
	ck_assert_uint_eq(cache_stats_of(cache).defects, 0);
	ck_assert_int_eq(kmem_cache_destroy(cache), 0);
}

/* ---- what a sheaf is for ------------------------------------------------- */

static const unsigned int numbers[] = { 0, 1, 2, 31, 33, 125, 1000, MOST };
#define NR_NUMBERS	((int)(sizeof(numbers) / sizeof(numbers[0])))

static int by_address(const void *a, const void *b)
{
	const uintptr_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

START_TEST(a_sheaf_has_as_many_as_were_asked_for)
{
	unsigned int n = numbers[_i], i;

	make(SIZE, 0);
	prefill(n);
	for (i = 0; i < n; i++) {
		ck_assert_uint_eq(kmem_cache_sheaf_size(sheaf), n - i);
		objects[i] = take();
		memset(objects[i], 0xa5, SIZE);
	}
	assert_empty();
	qsort(objects, n, sizeof(objects[0]), by_address);
	for (i = 1; i < n; i++)
		ck_assert_uint_ge((size_t)(objects[i] - objects[i - 1]), SIZE);
	kmem_cache_free_bulk(cache, n, (void **)objects);
	put_back();
	end();
}
END_TEST

START_TEST(a_sheaf_gives_all_it_has_when_there_is_no_memory)
{
	slab_flags_t flags = (slab_flags_t)_i * SLAB_POISON;
	unsigned int nr, i;

	make(SIZE, flags);
	prefill(MOST);
	no_memory = true;
	nr = nr_asked;
	for (i = 0; i < MOST; i++) {
		objects[i] = take();
		memset(objects[i], 0xa5, SIZE);
	}
	assert_empty();
	ck_assert_uint_eq(nr_asked, nr);
	no_memory = false;
	kmem_cache_free_bulk(cache, MOST, (void **)objects);
	put_back();
	end();
}
END_TEST

START_TEST(who_takes_from_a_sheaf_needs_no_lock)
{
	void *object;

	make(SIZE, 0);
	prefill(1);
	cache_lock(cache);
	object = kmem_cache_alloc_from_sheaf(cache, GFP_KERNEL | __GFP_ZERO,
					     sheaf);
	cache_unlock(cache);
	ck_assert_ptr_nonnull(object);
	kmem_cache_free(cache, object);
	put_back();
	end();
}
END_TEST

START_TEST(zeroed_is_what_is_asked_for_zeroed)
{
	static const unsigned char zeroes[SIZE + 3];
	unsigned int i;

	make(sizeof(zeroes), (slab_flags_t)_i * SLAB_POISON);
	prefill(40);
	for (i = 0; i < 40; i++) {
		objects[i] = take();
		memset(objects[i], 0xff, sizeof(zeroes));
	}
	kmem_cache_free_bulk(cache, 40, (void **)objects);
	put_back();
	prefill(40);
	for (i = 0; i < 40; i++) {
		errno = MARK;
		objects[i] = kmem_cache_alloc_from_sheaf(cache, __GFP_ZERO,
							 sheaf);
		ck_assert_int_eq(errno, MARK);
		ck_assert_mem_eq(objects[i], zeroes, sizeof(zeroes));
	}
	kmem_cache_free_bulk(cache, 40, (void **)objects);
	put_back();
	end();
}
END_TEST

/* ---- filling up ---------------------------------------------------------- */

START_TEST(a_sheaf_that_has_enough_stays_as_it_is)
{
	struct slab_sheaf *was;
	uint64_t allocs;
	unsigned int n;

	make(SIZE, 0);
	prefill(5);
	was = sheaf;
	allocs = cache_stats_of(cache).allocs;
	for (n = 0; n <= 5; n++) {
		errno = MARK;
		ck_assert_int_eq(kmem_cache_refill_sheaf(cache, GFP_KERNEL,
							 &sheaf, n), 0);
		ck_assert_int_eq(errno, MARK);
		ck_assert_ptr_eq(sheaf, was);
		ck_assert_uint_eq(kmem_cache_sheaf_size(sheaf), 5);
	}
	ck_assert_uint_eq(cache_stats_of(cache).allocs, allocs);
	put_back();
	end();
}
END_TEST

/* Of @before, two are taken. */
START_TEST(a_refill_takes_what_is_lacking_and_keeps_what_there_was)
{
	unsigned int n = numbers[_i], before = 7, i;

	make(SIZE, 0);
	prefill(before);
	objects[0] = take();
	objects[1] = take();
	errno = MARK;
	ck_assert_int_eq(kmem_cache_refill_sheaf(cache, GFP_KERNEL, &sheaf, n),
			 0);
	ck_assert_int_eq(errno, MARK);
	if (n < before - 2)
		n = before - 2;
	ck_assert_uint_eq(kmem_cache_sheaf_size(sheaf), n);
	ck_assert_uint_eq(cache_stats_of(cache).active, n + 2);
	for (i = 2; i < n + 2 && i < MOST; i++) {
		objects[i] = take();
		memset(objects[i], 0xa5, SIZE);
	}
	n = i;
	qsort(objects, n, sizeof(objects[0]), by_address);
	for (i = 1; i < n; i++)
		ck_assert_uint_ge((size_t)(objects[i] - objects[i - 1]), SIZE);
	kmem_cache_free_bulk(cache, n, (void **)objects);
	put_back();
	end();
}
END_TEST

START_TEST(a_sheaf_that_had_room_needs_none_for_a_refill)
{
	struct slab_sheaf *was;
	unsigned int nr;
	int err;

	make(SIZE, 0);
	prefill(20);
	kmem_cache_free(cache, take());
	was = sheaf;
	nr = nr_asked;
	inside = true;
	err = kmem_cache_refill_sheaf(cache, GFP_KERNEL, &sheaf, 20);
	inside = false;
	ck_assert_int_eq(err, 0);
	ck_assert_ptr_eq(sheaf, was);
	ck_assert_uint_eq(nr_asked, nr);
	put_back();
	end();
}
END_TEST

/* ---- memory that is short ------------------------------------------------ */

static void assert_not_refilled(unsigned int n)
{
	struct slab_sheaf *was = sheaf;
	unsigned int size = kmem_cache_sheaf_size(sheaf);
	uint64_t active = cache_stats_of(cache).active;
	int err;

	inside = true;
	err = kmem_cache_refill_sheaf(cache, GFP_KERNEL, &sheaf, n);
	inside = false;
	ck_assert_int_eq(err, -ENOMEM);
	ck_assert_ptr_eq(sheaf, was);
	ck_assert_uint_eq(kmem_cache_sheaf_size(sheaf), size);
	ck_assert_uint_eq(cache_stats_of(cache).active, active);
}

static void assert_not_prefilled(unsigned int n)
{
	uint64_t active = cache_stats_of(cache).active;
	struct slab_sheaf *none;

	errno = 0;
	inside = true;
	none = kmem_cache_prefill_sheaf(cache, GFP_KERNEL, n);
	inside = false;
	ck_assert_ptr_null(none);
	ck_assert_int_eq(errno, ENOMEM);
	ck_assert_uint_eq(cache_stats_of(cache).active, active);
}

/* With objects of which there are too few, or enough but no room for them. */
START_TEST(without_memory_there_is_no_sheaf)
{
	make(SIZE, (slab_flags_t)_i * SLAB_POISON);
	no_memory = true;
	assert_not_prefilled(0);
	assert_not_prefilled(1);
	no_memory = false;
	kmem_cache_free(cache, kmem_cache_alloc(cache, GFP_KERNEL));
	no_memory = true;
	assert_not_prefilled(1);
	no_memory = false;
	/* None of these is one that the cache would wait for. */
	end();
}
END_TEST

START_TEST(a_refill_that_fails_leaves_the_sheaf_as_it_was)
{
	unsigned int i;

	make(SIZE, (slab_flags_t)_i * SLAB_POISON);
	prefill(MOST);
	for (i = 0; i < MOST - 2; i++)
		objects[i] = take();
	no_memory = true;
	assert_not_refilled(MOST);
	assert_not_refilled(MOST + 1);
	no_memory = false;
	kmem_cache_free_bulk(cache, MOST - 2, (void **)objects);
	/* There are enough, but no room for them. */
	no_memory = true;
	assert_not_refilled(MOST + 1);
	objects[0] = take();
	objects[1] = take();
	no_memory = false;
	assert_empty();
	kmem_cache_free_bulk(cache, 2, (void **)objects);
	put_back();
	end();
}
END_TEST

/* ---- constructors -------------------------------------------------------- */

#define CONSTRUCTED	0x600dull

static long ctors_left;			/* < 0: all succeed */
static unsigned int nr_ctors, nr_dtors;

static int construct(void *object, void *ctor_arg, gfp_t gfp_mask)
{
	(void)ctor_arg;
	(void)gfp_mask;
	if (!ctors_left)
		return -ENOMEM;
	if (ctors_left > 0)
		ctors_left--;
	*(uint64_t *)object = CONSTRUCTED;
	nr_ctors++;
	return 0;
}

static void destruct(void *object, void *ctor_arg)
{
	(void)ctor_arg;
	ck_assert_uint_eq(*(uint64_t *)object, CONSTRUCTED);
	nr_dtors++;
}

static void make_constructed(slab_flags_t flags)
{
	struct kmem_cache_args args = {
		.ctor_try = construct, .dtor = destruct,
	};

	ctors_left = -1;
	nr_ctors = nr_dtors = 0;
	cache = kmem_cache_create_args("sheaved", SIZE, &args, flags);
	ck_assert_ptr_nonnull(cache);
}

START_TEST(what_is_in_a_sheaf_is_constructed)
{
	uint64_t *object;
	unsigned int i;

	make_constructed((slab_flags_t)_i * SLAB_POISON);
	prefill(50);
	for (i = 0; i < 25; i++) {
		object = take();
		ck_assert_uint_eq(*object, CONSTRUCTED);
		kmem_cache_free(cache, object);
	}
	put_back();
	end();
	ck_assert_uint_eq(nr_ctors, nr_dtors);
}
END_TEST

START_TEST(what_is_constructed_is_not_zeroed)
{
	make_constructed(0);
	prefill(1);
	errno = 0;
	ck_assert_ptr_null(kmem_cache_alloc_from_sheaf(cache, __GFP_ZERO,
						       sheaf));
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_uint_eq(kmem_cache_sheaf_size(sheaf), 1);
	put_back();
	end();
}
END_TEST

START_TEST(a_constructor_that_fails_leaves_the_sheaf_as_it_was)
{
	make_constructed((slab_flags_t)_i * SLAB_POISON);
	ctors_left = 0;
	assert_not_prefilled(1);
	ctors_left = -1;
	prefill(2);
	objects[0] = take();
	ctors_left = 3;
	assert_not_refilled(MOST);
	ctors_left = -1;
	ck_assert_uint_eq(cache_stats_of(cache).active, 2);
	kmem_cache_free(cache, objects[0]);
	kmem_cache_free(cache, take());
	assert_empty();
	put_back();
	end();
	ck_assert_uint_eq(nr_ctors, nr_dtors);
}
END_TEST

START_TEST(what_is_constructed_at_use_is_so_when_the_sheaf_is_filled)
{
	make_constructed(SLAB_CONSISTENCY_CHECKS);
	prefill(3);
	ck_assert_uint_eq(nr_ctors, 3);
	ctors_left = 0;
	objects[0] = take();
	ck_assert_uint_eq(nr_ctors, 3);
	ck_assert_uint_eq(nr_dtors, 0);
	assert_not_refilled(3);
	ck_assert_uint_eq(nr_ctors - nr_dtors, 3);
	put_back();
	ck_assert_uint_eq(nr_ctors - nr_dtors, 1);
	kmem_cache_free(cache, objects[0]);
	ck_assert_uint_eq(nr_ctors, nr_dtors);
	end();
}
END_TEST

/* ---- what is refused ----------------------------------------------------- */

static void assert_no_prefill(struct kmem_cache *of, gfp_t gfp)
{
	errno = 0;
	ck_assert_ptr_null(kmem_cache_prefill_sheaf(of, gfp, 1));
	ck_assert_int_eq(errno, EINVAL);
	errno = 0;
	ck_assert_ptr_null(kmem_cache_prefill_sheaf(of, gfp, 0));
	ck_assert_int_eq(errno, EINVAL);
}

static void assert_no_taking(struct kmem_cache *of, gfp_t gfp,
			     struct slab_sheaf *from)
{
	errno = 0;
	ck_assert_ptr_null(kmem_cache_alloc_from_sheaf(of, gfp, from));
	ck_assert_int_eq(errno, EINVAL);
}

static void assert_no_refill(struct kmem_cache *of, gfp_t gfp,
			     struct slab_sheaf **which)
{
	ck_assert_int_eq(kmem_cache_refill_sheaf(of, gfp, which, 0), -EINVAL);
	ck_assert_int_eq(kmem_cache_refill_sheaf(of, gfp, which, 5), -EINVAL);
}

START_TEST(a_sheaf_is_of_a_cache_and_nothing_else)
{
	struct slab_sheaf *none = NULL;

	make(SIZE, 0);
	prefill(1);
	assert_no_prefill(NULL, GFP_KERNEL);
	assert_no_taking(NULL, GFP_KERNEL, sheaf);
	assert_no_taking(cache, GFP_KERNEL, NULL);
	assert_no_taking(NULL, GFP_KERNEL, NULL);
	assert_no_refill(NULL, GFP_KERNEL, &sheaf);
	assert_no_refill(cache, GFP_KERNEL, NULL);
	assert_no_refill(cache, GFP_KERNEL, &none);
	assert_no_refill(NULL, GFP_KERNEL, &none);
	kmem_cache_return_sheaf(NULL, GFP_KERNEL, sheaf);
	kmem_cache_return_sheaf(cache, GFP_KERNEL, NULL);
	kmem_cache_return_sheaf(NULL, GFP_KERNEL, NULL);
	ck_assert_uint_eq(kmem_cache_sheaf_size(NULL), 0);
	ck_assert_uint_eq(kmem_cache_sheaf_size(sheaf), 1);
	ck_assert_uint_eq(cache_stats_of(cache).active, 1);
	put_back();
	end();
}
END_TEST

START_TEST(a_mask_with_an_unknown_bit_is_refused)
{
	unsigned int bit;

	make(SIZE, 0);
	prefill(1);
	for (bit = 11; bit < 32; bit++) {
		assert_no_prefill(cache, GFP_KERNEL | 1u << bit);
		assert_no_taking(cache, GFP_KERNEL | 1u << bit, sheaf);
		assert_no_refill(cache, GFP_KERNEL | 1u << bit, &sheaf);
		kmem_cache_return_sheaf(cache, GFP_KERNEL | 1u << bit, sheaf);
	}
	ck_assert_uint_eq(kmem_cache_sheaf_size(sheaf), 1);
	ck_assert_uint_eq(cache_stats_of(cache).active, 1);
	/* All that are known do for taking. */
	kmem_cache_free(cache, kmem_cache_alloc_from_sheaf(cache, 0x7ff,
							   sheaf));
	kmem_cache_return_sheaf(cache, 0x7ff, sheaf);
	end();
}
END_TEST

START_TEST(zeroes_are_for_the_taking)
{
	make(SIZE, 0);
	prefill(1);
	assert_no_prefill(cache, GFP_KERNEL | __GFP_ZERO);
	assert_no_refill(cache, GFP_KERNEL | __GFP_ZERO, &sheaf);
	put_back();
	end();
}
END_TEST

START_TEST(a_sheaf_of_another_cache_is_none_of_this)
{
	struct kmem_cache *other = kmem_cache_create("other", SIZE, 0, 0, NULL);

	ck_assert_ptr_nonnull(other);
	make(SIZE, 0);
	prefill(3);
	assert_no_taking(other, GFP_KERNEL, sheaf);
	assert_no_refill(other, GFP_KERNEL, &sheaf);
	kmem_cache_return_sheaf(other, GFP_KERNEL, sheaf);
	ck_assert_uint_eq(kmem_cache_sheaf_size(sheaf), 3);
	ck_assert_uint_eq(cache_stats_of(cache).active, 3);
	ck_assert_uint_eq(cache_stats_of(other).frees, 0);
	put_back();
	end();
	ck_assert_int_eq(kmem_cache_destroy(other), 0);
}
END_TEST

/* ---- the cache meanwhile ------------------------------------------------- */

START_TEST(what_is_in_a_sheaf_counts_as_out)
{
	struct kmem_cache_stats s;

	make(SIZE, (slab_flags_t)_i * SLAB_POISON);
	prefill(100);
	s = cache_stats_of(cache);
	ck_assert_uint_eq(s.active, 100);
	ck_assert_uint_eq(s.allocs, 100);
	objects[0] = take();
	s = cache_stats_of(cache);
	ck_assert_uint_eq(s.active, 100);
	ck_assert_uint_eq(s.allocs, 100);
	put_back();
	s = cache_stats_of(cache);
	ck_assert_uint_eq(s.active, 1);
	ck_assert_uint_eq(s.frees, 99);
	kmem_cache_free(cache, objects[0]);
	s = cache_stats_of(cache);
	ck_assert_uint_eq(s.frees, 100);
	ck_assert_uint_eq(s.failures, 0);
	end();
}
END_TEST

static char report[8192];

static void record(const char *text, void *arg)
{
	(void)arg;
	snprintf(report, sizeof(report), "%s", text);
}

START_TEST(a_cache_with_a_sheaf_is_not_destroyed)
{
	kmempool_set_report(record, NULL);
	make(SIZE, (slab_flags_t)_i * SLAB_POISON);
	prefill(1);
	ck_assert_int_eq(kmem_cache_destroy(cache), -EBUSY);
	objects[0] = take();
	ck_assert_int_eq(kmem_cache_destroy(cache), -EBUSY);
	kmem_cache_free(cache, objects[0]);
	/* An empty one knows the cache, too. */
	ck_assert_int_eq(kmem_cache_destroy(cache), -EBUSY);
	ck_assert_int_eq(kmem_cache_refill_sheaf(cache, GFP_KERNEL, &sheaf, 9),
			 0);
	put_back();
	ck_assert_uint_eq(cache_stats_of(cache).active, 0);
	ck_assert_int_eq(kmem_cache_destroy(cache), 0);
}
END_TEST

START_TEST(a_cache_with_a_sheaf_is_not_reset)
{
	struct slab_sheaf *second;

	make(SIZE, (slab_flags_t)_i * SLAB_POISON);
	prefill(2);
	second = kmem_cache_prefill_sheaf(cache, GFP_KERNEL, 0);
	ck_assert_ptr_nonnull(second);
	objects[0] = take();
	memset(objects[0], 0xa5, SIZE);
	ck_assert_int_eq(kmem_cache_reset(cache), -EBUSY);
	ck_assert_uint_eq(cache_stats_of(cache).active, 2);
	ck_assert_uint_eq(cache_stats_of(cache).resets, 0);
	put_back();
	ck_assert_int_eq(kmem_cache_reset(cache), -EBUSY);
	kmem_cache_return_sheaf(cache, GFP_KERNEL, second);
	ck_assert_int_eq(kmem_cache_reset(cache), 0);
	ck_assert_uint_eq(cache_stats_of(cache).active, 0);
	end();
}
END_TEST

START_TEST(nobody_takes_what_is_in_a_sheaf)
{
	unsigned int i;

	make(SIZE, 0);
	prefill(MOST);
	ck_assert_int_eq(kmem_cache_shrink(cache), 0);
	ck_assert_int_eq(kmem_cache_validate(cache), 0);
	no_memory = true;
	/* Whatever the cache can still find, it is none of these. */
	inside = true;
	for (i = 0; i < MOST; i++) {
		objects[i] = kmem_cache_alloc(cache, GFP_KERNEL);
		if (!objects[i])
			break;
		memset(objects[i], 0xff, SIZE);
	}
	inside = no_memory = false;
	ck_assert_uint_lt(i, MOST);
	kmem_cache_free_bulk(cache, i, (void **)objects);
	for (i = 0; i < MOST; i++) {
		objects[i] = take();
		memset(objects[i], i % 251, SIZE);
	}
	for (i = 0; i < MOST; i++)
		ck_assert_uint_eq(objects[i][SIZE - 1], i % 251);
	kmem_cache_free_bulk(cache, MOST, (void **)objects);
	put_back();
	end();
}
END_TEST

/* ---- checks -------------------------------------------------------------- */

static void assert_report(const char *words)
{
	ck_assert_msg(strstr(report, words), "not \"%s\" but: %s", words,
		      report);
	report[0] = '\0';
}

START_TEST(a_sheaf_is_no_defect)
{
	slab_flags_t flags = (slab_flags_t)(_i / 2) * SLAB_POISON;
	bool constructed = _i % 2;
	unsigned int i;

	kmempool_set_report(record, NULL);
	if (constructed)
		make_constructed(flags);
	else
		make(SIZE, flags);
	prefill(100);
	ck_assert_int_eq(kmem_cache_validate(cache), 0);
	for (i = 0; i < 60; i++) {
		objects[i] = take();
		if (constructed)
			ck_assert_uint_eq(*(uint64_t *)objects[i],
					  CONSTRUCTED);
		memset(objects[i] + 8, 0xa5, SIZE - 8);
	}
	ck_assert_int_eq(kmem_cache_validate(cache), 0);
	ck_assert_int_eq(kmem_cache_refill_sheaf(cache, GFP_KERNEL, &sheaf,
						 150), 0);
	kmem_cache_free_bulk(cache, 60, (void **)objects);
	put_back();
	ck_assert_int_eq(kmem_cache_validate(cache), 0);
	/* And none later on. */
	prefill(300);
	for (i = 0; i < 300; i++)
		kmem_cache_free(cache, take());
	put_back();
	ck_assert_int_eq(kmem_cache_validate(cache), 0);
	end();
	ck_assert_str_eq(report, "");
}
END_TEST

/* The object given back last is the first that comes again. */
static void *in_the_sheaf(void)
{
	void *object = kmem_cache_alloc(cache, GFP_KERNEL);

	ck_assert_ptr_nonnull(object);
	kmem_cache_free(cache, object);
	prefill(1);
	return object;
}

START_TEST(what_is_in_a_sheaf_cannot_be_given_back)
{
	slab_flags_t flags = (slab_flags_t)(_i / 2 + 1) * SLAB_POISON;
	void *object;

	kmempool_set_report(record, NULL);
	if (_i % 2)
		make_constructed(flags);
	else
		make(SIZE, flags);
	object = in_the_sheaf();
	kmem_cache_free(cache, object);
	assert_report("is free already");
	ck_assert_uint_eq(cache_stats_of(cache).active, 1);
	ck_assert_ptr_eq(take(), object);
	kmem_cache_free(cache, object);
	put_back();
	ck_assert_uint_eq(cache_stats_of(cache).defects, 1);
	ck_assert_int_eq(kmem_cache_destroy(cache), 0);
}
END_TEST

START_TEST(a_write_to_what_is_in_a_sheaf_is_found_when_it_is_taken)
{
	unsigned char *object;

	kmempool_set_report(record, NULL);
	make(SIZE, SLAB_POISON);
	object = in_the_sheaf();
	object[SIZE / 2] ^= 1;
	ck_assert_ptr_eq(take(), object);
	assert_report("was overwritten, as is seen when it is handed out");
	kmem_cache_free(cache, object);
	put_back();
	ck_assert_uint_eq(cache_stats_of(cache).defects, 1);
	ck_assert_int_eq(kmem_cache_destroy(cache), 0);
}
END_TEST

static void *take_one(void *arg)
{
	(void)arg;
	snprintf(report, sizeof(report), "thread %ld", (long)gettid());
	return kmem_cache_alloc_from_sheaf(cache, GFP_KERNEL, sheaf);
}

START_TEST(reports_say_who_took_an_object_from_its_sheaf)
{
	pthread_t thread;
	char taker[32];
	void *object;

	kmempool_set_report(record, NULL);
	if (_i)
		make_constructed(SLAB_STORE_USER | SLAB_CONSISTENCY_CHECKS);
	else
		make(SIZE, SLAB_STORE_USER);
	prefill(2);
	ck_assert_int_eq(pthread_create(&thread, NULL, take_one, NULL), 0);
	ck_assert_int_eq(pthread_join(thread, &object), 0);
	ck_assert_ptr_nonnull(object);
	snprintf(taker, sizeof(taker), "%.30s", report);
	ck_assert_int_eq(kmem_cache_destroy(cache), -EBUSY);
	ck_assert_ptr_nonnull(strstr(report, "and 1 more"));
	ck_assert_ptr_nonnull(strstr(report, "sheaves not returned, 1"));
	assert_report(taker);
	kmem_cache_free(cache, object);
	put_back();
	ck_assert_int_eq(kmem_cache_destroy(cache), 0);
}
END_TEST

/* ---- threads and processes ----------------------------------------------- */

static void *prefill_one(void *arg)
{
	(void)arg;
	return kmem_cache_prefill_sheaf(cache, GFP_KERNEL, 100);
}

START_TEST(a_sheaf_may_go_to_another_thread)
{
	pthread_t thread;
	void *made;
	int i;

	make(SIZE, 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, prefill_one, NULL), 0);
	ck_assert_int_eq(pthread_join(thread, &made), 0);
	sheaf = made;
	ck_assert_uint_eq(kmem_cache_sheaf_size(sheaf), 100);
	for (i = 0; i < 50; i++)
		kmem_cache_free(cache, take());
	put_back();
	end();
}
END_TEST

static int use_in_child(void)
{
	void *object;
	int i;

	for (i = 0; i < 100; i++) {
		object = kmem_cache_alloc_from_sheaf(cache, __GFP_ZERO, sheaf);
		if (!object)
			return 1;
		kmem_cache_free(cache, object);
	}
	if (kmem_cache_refill_sheaf(cache, GFP_KERNEL, &sheaf, 200))
		return 2;
	kmem_cache_return_sheaf(cache, GFP_KERNEL, sheaf);
	return kmem_cache_destroy(cache) ? 3 : 0;
}

START_TEST(the_child_of_a_fork_has_the_sheaf_as_well)
{
	int status, i;
	pid_t pid;

	make(SIZE, 0);
	prefill(100);
	pid = fork();
	if (pid == 0)
		_exit(use_in_child());
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	for (i = 0; i < 100; i++)
		kmem_cache_free(cache, take());
	put_back();
	end();
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("sheaf");
	TCase *tc = tcase_create("sheaf");

	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_loop_test(tc, a_sheaf_has_as_many_as_were_asked_for, 0,
			    NR_NUMBERS);
	tcase_add_loop_test(tc,
		a_sheaf_gives_all_it_has_when_there_is_no_memory, 0,
		NR_COMBINATIONS);
	tcase_add_test(tc, who_takes_from_a_sheaf_needs_no_lock);
	tcase_add_loop_test(tc, zeroed_is_what_is_asked_for_zeroed, 0,
			    NR_COMBINATIONS);
	suite_add_tcase(s, tc);

	tc = tcase_create("refill");
	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_test(tc, a_sheaf_that_has_enough_stays_as_it_is);
	tcase_add_loop_test(tc,
		a_refill_takes_what_is_lacking_and_keeps_what_there_was, 0,
		NR_NUMBERS);
	tcase_add_test(tc, a_sheaf_that_had_room_needs_none_for_a_refill);
	suite_add_tcase(s, tc);

	tc = tcase_create("no memory");
	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_loop_test(tc, without_memory_there_is_no_sheaf, 0,
			    NR_COMBINATIONS);
	tcase_add_loop_test(tc, a_refill_that_fails_leaves_the_sheaf_as_it_was,
			    0, NR_COMBINATIONS);
	suite_add_tcase(s, tc);

	tc = tcase_create("constructors");
	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_loop_test(tc, what_is_in_a_sheaf_is_constructed, 0,
			    NR_COMBINATIONS);
	tcase_add_test(tc, what_is_constructed_is_not_zeroed);
	tcase_add_loop_test(tc,
		a_constructor_that_fails_leaves_the_sheaf_as_it_was, 0,
		NR_COMBINATIONS);
	tcase_add_test(tc,
		what_is_constructed_at_use_is_so_when_the_sheaf_is_filled);
	suite_add_tcase(s, tc);

	tc = tcase_create("refused");
	tcase_add_test(tc, a_sheaf_is_of_a_cache_and_nothing_else);
	tcase_add_test(tc, a_mask_with_an_unknown_bit_is_refused);
	tcase_add_test(tc, zeroes_are_for_the_taking);
	tcase_add_test(tc, a_sheaf_of_another_cache_is_none_of_this);
	suite_add_tcase(s, tc);

	tc = tcase_create("cache");
	tcase_add_loop_test(tc, what_is_in_a_sheaf_counts_as_out, 0,
			    NR_COMBINATIONS);
	tcase_add_loop_test(tc, a_cache_with_a_sheaf_is_not_destroyed, 0,
			    NR_COMBINATIONS);
	tcase_add_loop_test(tc, a_cache_with_a_sheaf_is_not_reset, 0,
			    NR_COMBINATIONS);
	tcase_add_test(tc, nobody_takes_what_is_in_a_sheaf);
	suite_add_tcase(s, tc);

	tc = tcase_create("checks");
	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_loop_test(tc, a_sheaf_is_no_defect, 0, 2 * NR_COMBINATIONS);
	tcase_add_loop_test(tc, what_is_in_a_sheaf_cannot_be_given_back, 0,
			    2 * (NR_COMBINATIONS - 1));
	tcase_add_test(tc,
		a_write_to_what_is_in_a_sheaf_is_found_when_it_is_taken);
	tcase_add_loop_test(tc,
		reports_say_who_took_an_object_from_its_sheaf, 0, 2);
	suite_add_tcase(s, tc);

	tc = tcase_create("threads");
	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_test(tc, a_sheaf_may_go_to_another_thread);
	tcase_add_test(tc, the_child_of_a_fork_has_the_sheaf_as_well);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
