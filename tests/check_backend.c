/* SPDX-License-Identifier: MIT */
/*
 * check_backend.c - the stock backends, and what callbacks may do
 *
 * A pool over a cache keeps objects of it, constructed ones too; one by size
 * has memory as kmalloc() gives it.  Callbacks may fail, sleep, and call into
 * any other pool; the library holds no lock while it is in one.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <check.h>

#include <kmempool/kmalloc.h>
#include <kmempool/slab.h>

#include "suite.h"
#include "testlib.h"

#define ELEMENT_SIZE	64

static bool all_zero(const void *element, size_t size)
{
	const unsigned char *byte = element;

	while (size > 0 && byte[size - 1] == 0)
		size--;
	return size == 0;
}

/* ---- slab ---------------------------------------------------------------- */

#define MARK	0x636f6e73u		/* in constructed objects */

struct item {
	unsigned int	mark;
	unsigned int	nr_uses;
};

static unsigned int nr_constructed;

static void construct(void *object)
{
	struct item *item = object;

	item->mark = MARK;
	item->nr_uses = 0;
	nr_constructed++;
}

static struct kmem_cache *plain_cache(void)
{
	return kmem_cache_create("plain", ELEMENT_SIZE, 0, 0, NULL);
}

static struct kmem_cache *constructed_cache(void)
{
	nr_constructed = 0;
	return kmem_cache_create("item", sizeof(struct item), 0, 0, construct);
}

static struct kmem_cache_stats cache_stats(struct kmem_cache *cache)
{
	struct kmem_cache_stats stats;

	ck_assert_int_eq(kmem_cache_get_stats(cache, &stats, sizeof(stats)), 0);
	return stats;
}

START_TEST(a_slab_pool_gives_objects_of_its_cache)
{
	struct kmem_cache *cache = plain_cache();
	mempool_t *pool = mempool_create_slab_pool(2, cache);
	void *elements[3];
	int i;

	ck_assert_ptr_nonnull(pool);
	ck_assert_uint_eq(cache_stats(cache).active, 2);
	for (i = 0; i < 3; i++) {
		elements[i] = mempool_alloc(pool, GFP_KERNEL);
		ck_assert_ptr_nonnull(elements[i]);
		ck_assert_uint_eq(ksize(elements[i]), ELEMENT_SIZE);
		memset(elements[i], i, ELEMENT_SIZE);
	}
	/* The cache gave them, and the reserve is still there. */
	ck_assert_uint_eq(cache_stats(cache).active, 5);
	for (i = 0; i < 3; i++)
		mempool_free(elements[i], pool);
	ck_assert_uint_eq(cache_stats(cache).active, 2);
	mempool_destroy(pool);
	ck_assert_uint_eq(cache_stats(cache).active, 0);
	ck_assert_int_eq(kmem_cache_destroy(cache), 0);
}
END_TEST

START_TEST(a_slab_pool_can_be_in_the_callers_storage)
{
	struct kmem_cache *cache = plain_cache();
	mempool_t pool;

	ck_assert_int_eq(mempool_init_slab_pool(&pool, 2, cache), 0);
	ck_assert_uint_eq(stats_of(&pool).curr_nr, 2);
	mempool_exit(&pool);
	ck_assert_int_eq(kmem_cache_destroy(cache), 0);
}
END_TEST

START_TEST(a_slab_pool_without_a_cache_is_refused)
{
	mempool_t pool;

	errno = 0;
	ck_assert_ptr_null(mempool_create_slab_pool(1, NULL));
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(mempool_init_slab_pool(&pool, 1, NULL), -EINVAL);
	ck_assert(!mempool_initialized(&pool));
	/* Also when nothing would be taken from it yet. */
	ck_assert_int_eq(mempool_init_slab_pool(&pool, 0, NULL), -EINVAL);
}
END_TEST

static int fail_to_construct(void *object, void *ctor_arg, gfp_t gfp_mask)
{
	(void)object;
	(void)ctor_arg;
	(void)gfp_mask;
	return -EIO;
}

START_TEST(a_slab_pool_that_its_cache_cannot_fill_is_no_memory)
{
	struct kmem_cache_args args = { .ctor_try = fail_to_construct };
	struct kmem_cache *cache = kmem_cache_create_args("no", ELEMENT_SIZE,
							  &args, 0);
	mempool_t pool;

	errno = 0;
	ck_assert_ptr_null(mempool_create_slab_pool(1, cache));
	ck_assert_int_eq(errno, ENOMEM);
	ck_assert_int_eq(mempool_init_slab_pool(&pool, 1, cache), -ENOMEM);
	ck_assert_int_eq(kmem_cache_destroy(cache), 0);
}
END_TEST

/* From the cache, or with FIXED out of the reserve. */
START_TEST(a_slab_pool_zeroes_what_is_not_constructed)
{
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;
	struct kmem_cache *cache = plain_cache();
	mempool_t *pool;
	void *element;
	int i;

	attr.flags = _i ? MEMPOOL_FIXED : 0;
	pool = mempool_create_attr(1, mempool_alloc_slab, mempool_free_slab,
				   cache, &attr);
	for (i = 0; i < 3; i++) {
		element = mempool_alloc(pool, GFP_KERNEL | __GFP_ZERO);
		ck_assert_ptr_nonnull(element);
		ck_assert(all_zero(element, ELEMENT_SIZE));
		memset(element, 0xff, ELEMENT_SIZE);
		mempool_free(element, pool);
	}
	mempool_destroy(pool);
	ck_assert_int_eq(kmem_cache_destroy(cache), 0);
}
END_TEST

START_TEST(elements_out_of_the_reserve_are_constructed)
{
	struct kmem_cache *cache = constructed_cache();
	mempool_t *pool = mempool_create_slab_pool(4, cache);
	struct item *items[4];
	unsigned int round;
	int i;

	for (round = 0; round < 3; round++) {
		for (i = 0; i < 4; i++) {
			items[i] = mempool_alloc_preallocated(pool);
			ck_assert_ptr_nonnull(items[i]);
			ck_assert_uint_eq(items[i]->mark, MARK);
			/* As the last user left it, not made anew. */
			ck_assert_uint_eq(items[i]->nr_uses++, round);
		}
		for (i = 0; i < 4; i++)
			mempool_free(items[i], pool);
	}
	mempool_destroy(pool);
	ck_assert_int_eq(kmem_cache_destroy(cache), 0);
}
END_TEST

START_TEST(a_slab_pool_constructs_each_object_once)
{
	struct kmem_cache *cache = constructed_cache();
	mempool_t *pool = mempool_create_slab_pool(4, cache);
	struct item *item;
	int i;

	ck_assert_uint_eq(nr_constructed, cache_stats(cache).objects);
	for (i = 0; i < 1000; i++) {
		item = mempool_alloc(pool, i & 1 ? GFP_KERNEL : GFP_NOWAIT);
		ck_assert_uint_eq(item->mark, MARK);
		mempool_free(item, pool);
		mempool_free(mempool_alloc_preallocated(pool), pool);
	}
	ck_assert_uint_eq(nr_constructed, cache_stats(cache).objects);
	mempool_destroy(pool);
	ck_assert_int_eq(kmem_cache_destroy(cache), 0);
}
END_TEST

static int construct_while_allowed(void *object, void *ctor_arg, gfp_t gfp_mask)
{
	(void)gfp_mask;
	if (!*(bool *)ctor_arg)
		return -ENOMEM;
	construct(object);
	return 0;
}

START_TEST(the_reserve_serves_when_no_more_can_be_constructed)
{
	bool allowed = true;
	struct kmem_cache_args args = {
		.ctor_try = construct_while_allowed,
		.ctor_arg = &allowed,
	};
	struct kmem_cache *cache = kmem_cache_create_args("item",
					sizeof(struct item), &args, 0);
	mempool_t *pool = mempool_create_slab_pool(2, cache);
	struct item *item, *taken = NULL, *next;
	unsigned int nr = 0;

	/* Whatever the cache has besides, in a chain by what is in it. */
	ck_assert_uint_ge(sizeof(*item), sizeof(void *));
	allowed = false;
	while ((item = kmem_cache_alloc(cache, GFP_NOWAIT))) {
		memcpy(item, &taken, sizeof(void *));
		taken = item;
	}
	while (nr < 2) {
		item = mempool_alloc(pool, GFP_NOWAIT);
		ck_assert_ptr_nonnull(item);
		ck_assert_uint_eq(item->mark, MARK);
		memcpy(item, &taken, sizeof(void *));
		taken = item;
		nr++;
	}
	errno = 0;
	ck_assert_ptr_null(mempool_alloc(pool, GFP_NOWAIT));
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_uint_eq(stats_of(pool).alloc_reserve, 2);
	for (item = taken; item; item = next) {
		memcpy(&next, item, sizeof(void *));
		item->mark = MARK;
		if (nr > 0 && nr--)
			mempool_free(item, pool);
		else
			kmem_cache_free(cache, item);
	}
	mempool_destroy(pool);
	ck_assert_int_eq(kmem_cache_destroy(cache), 0);
}
END_TEST

START_TEST(zeroing_a_constructed_element_is_refused)
{
	struct timespec past = deadline_past();
	struct kmem_cache *cache = constructed_cache();
	mempool_t *pool = mempool_create_slab_pool(1, cache);
	void *elements[1];

	errno = 0;
	ck_assert_ptr_null(mempool_alloc(pool, GFP_KERNEL | __GFP_ZERO));
	ck_assert_int_eq(errno, EINVAL);
	errno = 0;
	ck_assert_ptr_null(mempool_alloc_until(pool, GFP_KERNEL | __GFP_ZERO,
					       &past));
	ck_assert_int_eq(errno, EINVAL);
	errno = 0;
	ck_assert_ptr_null(mempool_alloc_noreserve(pool, GFP_KERNEL |
							 __GFP_ZERO));
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(mempool_alloc_bulk_until(pool, elements, 1,
						  GFP_KERNEL | __GFP_ZERO,
						  NULL), -EINVAL);
	ck_assert_uint_eq(stats_of(pool).curr_nr, 1);
	mempool_destroy(pool);
	ck_assert_int_eq(kmem_cache_destroy(cache), 0);
}
END_TEST

START_TEST(a_cache_cannot_be_destroyed_under_the_reserve_of_a_pool)
{
	struct kmem_cache *cache = plain_cache();
	mempool_t *pool = mempool_create_slab_pool(1, cache);
	void *element;

	ck_assert_int_eq(kmem_cache_destroy(cache), -EBUSY);
	element = mempool_alloc(pool, GFP_KERNEL);
	ck_assert_ptr_nonnull(element);
	mempool_free(element, pool);
	mempool_destroy(pool);
	ck_assert_int_eq(kmem_cache_destroy(cache), 0);
}
END_TEST

START_TEST(the_slab_pair_leaves_errno_alone)
{
	struct kmem_cache_args args = { .ctor_try = fail_to_construct };
	struct kmem_cache *failing = kmem_cache_create_args("no", ELEMENT_SIZE,
							    &args, 0);
	struct kmem_cache *cache = plain_cache();
	void *element;

	errno = SLEEPER_ERRNO;
	ck_assert_ptr_null(mempool_alloc_slab(GFP_KERNEL, failing));
	ck_assert_int_eq(errno, SLEEPER_ERRNO);
	element = mempool_alloc_slab(GFP_KERNEL, cache);
	ck_assert_ptr_nonnull(element);
	mempool_free_slab(element, cache);
	ck_assert_int_eq(errno, SLEEPER_ERRNO);
	/* Its last object has come back: the slab goes with it. */
	ck_assert_int_eq(kmem_cache_shrink(cache), 0);
	ck_assert_int_eq(errno, SLEEPER_ERRNO);
	ck_assert_int_eq(kmem_cache_destroy(cache), 0);
	ck_assert_int_eq(kmem_cache_destroy(failing), 0);
}
END_TEST

/* ---- kmalloc ------------------------------------------------------------- */

START_TEST(a_kmalloc_pool_gives_elements_of_its_size)
{
	mempool_t *pool = mempool_create_kmalloc_pool(2, 100);
	void *elements[3];
	int i;

	ck_assert_ptr_nonnull(pool);
	for (i = 0; i < 3; i++) {
		elements[i] = mempool_alloc(pool, GFP_KERNEL);
		ck_assert_ptr_nonnull(elements[i]);
		memset(elements[i], i, 100);
	}
	for (i = 0; i < 3; i++)
		mempool_free(elements[i], pool);
	mempool_destroy(pool);
}
END_TEST

static int find_of_size(struct kmem_cache *cache, void *arg)
{
	struct kmem_cache_stats *stats = arg;
	size_t size = stats->object_size;

	if (kmem_cache_size(cache) != size)
		return 0;
	kmem_cache_get_stats(cache, stats, sizeof(*stats));
	return 1;
}

START_TEST(a_kmalloc_pool_has_its_elements_from_a_general_cache)
{
	struct kmem_cache_stats stats = { .object_size = 112 };
	mempool_t *pool = mempool_create_kmalloc_pool(3, 100);
	void *element = mempool_alloc(pool, GFP_KERNEL);

	ck_assert_uint_eq(ksize(element), 112);
	memset(element, 0xff, ksize(element));
	ck_assert_int_eq(kmem_cache_for_each(find_of_size, &stats), 1);
	ck_assert_uint_eq(stats.active, 4);
	mempool_free(element, pool);
	mempool_destroy(pool);
	stats.object_size = 112;
	ck_assert_int_eq(kmem_cache_for_each(find_of_size, &stats), 1);
	ck_assert_uint_eq(stats.active, 0);
}
END_TEST

START_TEST(a_kmalloc_pool_may_have_large_elements)
{
	size_t size = 2 * (size_t)KMALLOC_CACHE_SIZE_MAX;
	mempool_t *pool = mempool_create_kmalloc_pool(1, size);
	void *element = mempool_alloc_preallocated(pool);

	ck_assert_uint_ge(ksize(element), size);
	memset(element, 0xff, size);
	mempool_free(element, pool);
	mempool_destroy(pool);
}
END_TEST

START_TEST(a_kmalloc_pool_knows_its_element_size)
{
	mempool_t *pool = mempool_create_kmalloc_pool(1, 100);
	void *element = mempool_alloc_preallocated(pool);

	memset(element, 0xff, 100);
	mempool_free(element, pool);
	element = mempool_alloc_preallocated(pool);
	mempool_free(element, pool);
	element = mempool_alloc(pool, GFP_KERNEL | __GFP_ZERO);
	ck_assert(all_zero(element, 100));
	mempool_free(element, pool);
	mempool_destroy(pool);
}
END_TEST

START_TEST(a_kmalloc_pool_can_be_in_the_callers_storage)
{
	mempool_t pool;

	ck_assert_int_eq(mempool_init_kmalloc_pool(&pool, 2, 100), 0);
	ck_assert_uint_eq(stats_of(&pool).curr_nr, 2);
	mempool_exit(&pool);
}
END_TEST

START_TEST(a_kmalloc_size_that_cannot_be_is_no_memory)
{
	mempool_t pool;

	errno = 0;
	ck_assert_ptr_null(mempool_create_kmalloc_pool(1, SIZE_MAX));
	ck_assert_int_eq(errno, ENOMEM);
	ck_assert_int_eq(mempool_init_kmalloc_pool(&pool, 1, SIZE_MAX),
			 -ENOMEM);
}
END_TEST

START_TEST(a_kmalloc_size_of_0_is_refused)
{
	mempool_t pool;

	errno = 0;
	ck_assert_ptr_null(mempool_create_kmalloc_pool(1, 0));
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(mempool_init_kmalloc_pool(&pool, 1, 0), -EINVAL);
}
END_TEST

START_TEST(a_failing_kmalloc_leaves_errno_alone)
{
	errno = SLEEPER_ERRNO;
	ck_assert_ptr_null(mempool_kmalloc(GFP_KERNEL, (void *)SIZE_MAX));
	ck_assert_int_eq(errno, SLEEPER_ERRNO);
}
END_TEST

/* ---- pages --------------------------------------------------------------- */

START_TEST(a_page_element_is_its_page_aligned_address)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	mempool_t *pool = mempool_create_page_pool(2, _i);
	unsigned char *element;

	ck_assert_ptr_nonnull(pool);
	element = mempool_alloc(pool, GFP_KERNEL);
	ck_assert_ptr_nonnull(element);
	ck_assert_uint_eq((uintptr_t)element % page, 0);
	memset(element, 0x5a, page << _i);
	mempool_free(element, pool);
	mempool_destroy(pool);
}
END_TEST

START_TEST(pages_come_zeroed_from_the_system)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *element = mempool_alloc_pages(GFP_KERNEL, (void *)1);

	ck_assert_ptr_nonnull(element);
	ck_assert(all_zero(element, 2 * page));
	mempool_free_pages(element, (void *)1);
}
END_TEST

START_TEST(a_page_pool_zeroes_all_pages_out_of_the_reserve)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;
	mempool_t *pool;
	void *element;

	attr.flags = MEMPOOL_FIXED;
	pool = mempool_create_attr(1, mempool_alloc_pages, mempool_free_pages,
				   (void *)1, &attr);
	element = mempool_alloc(pool, GFP_KERNEL);
	memset(element, 0xff, 2 * page);
	mempool_free(element, pool);
	element = mempool_alloc(pool, GFP_KERNEL | __GFP_ZERO);
	ck_assert(all_zero(element, 2 * page));
	mempool_free(element, pool);
	mempool_destroy(pool);
}
END_TEST

START_TEST(a_page_pool_can_be_in_the_callers_storage)
{
	mempool_t pool;

	ck_assert_int_eq(mempool_init_page_pool(&pool, 2, 0), 0);
	ck_assert_uint_eq(stats_of(&pool).curr_nr, 2);
	mempool_exit(&pool);
}
END_TEST

static const int impossible_orders[] = { -1, 52, 63, 64, 65, 1000 };

START_TEST(page_orders_that_cannot_be_are_refused)
{
	int order = impossible_orders[_i];
	mempool_t pool;

	errno = 0;
	ck_assert_ptr_null(mempool_create_page_pool(1, order));
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(mempool_init_page_pool(&pool, 1, order), -EINVAL);
	errno = SLEEPER_ERRNO;
	ck_assert_ptr_null(mempool_alloc_pages(GFP_KERNEL,
					       (void *)(intptr_t)order));
	ck_assert_int_eq(errno, SLEEPER_ERRNO);
}
END_TEST

START_TEST(half_of_the_address_space_is_refused)
{
	size_t half = SIZE_MAX / 2 + 1, page = (size_t)sysconf(_SC_PAGESIZE);
	mempool_t pool;
	int order = 0;

	while (page << order != half)
		order++;
	ck_assert_int_eq(mempool_init_page_pool(&pool, 1, order), -EINVAL);
}
END_TEST

#if SIZE_MAX > 0xffffffff
START_TEST(more_pages_than_the_system_has_are_no_memory)
{
	mempool_t pool;

	errno = 0;
	ck_assert_ptr_null(mempool_create_page_pool(1, 40));
	ck_assert_int_eq(errno, ENOMEM);
	ck_assert_int_eq(mempool_init_page_pool(&pool, 1, 40), -ENOMEM);
	errno = SLEEPER_ERRNO;
	ck_assert_ptr_null(mempool_alloc_pages(GFP_KERNEL, (void *)40));
	ck_assert_int_eq(errno, SLEEPER_ERRNO);
}
END_TEST
#endif

START_TEST(free_pages_unmaps)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *element = mempool_alloc_pages(GFP_KERNEL, (void *)0);

	memset(element, 1, page);
	mempool_free_pages(element, (void *)0);
	*(volatile char *)element = 1;
}
END_TEST

/* ---- the version --------------------------------------------------------- */

START_TEST(the_version_is_that_of_the_header)
{
	char numbers[32];

	snprintf(numbers, sizeof(numbers), "%d.%d.%d", KMEMPOOL_VERSION_MAJOR,
		 KMEMPOOL_VERSION_MINOR, KMEMPOOL_VERSION_PATCH);
	ck_assert_str_eq(kmempool_version(), KMEMPOOL_VERSION);
	ck_assert_str_eq(kmempool_version(), numbers);
#ifdef PACKAGE_VERSION
	ck_assert_str_eq(kmempool_version(), PACKAGE_VERSION);
#endif
}
END_TEST

/* ---- callbacks that call into another pool ------------------------------- */

static void *stacked_alloc(gfp_t gfp_mask, void *pool_data)
{
	return mempool_alloc(pool_data, gfp_mask);
}

static void stacked_free(void *element, void *pool_data)
{
	mempool_free(element, pool_data);
}

START_TEST(a_pool_may_be_the_backend_of_another)
{
	struct backend b;
	mempool_t *lower, *upper;
	void *element;

	backend_init(&b, ELEMENT_SIZE);
	lower = pool_over(&b, 2, 0);
	upper = mempool_create(2, stacked_alloc, stacked_free, lower);
	ck_assert_int_eq(stats_of(lower).outstanding, 2);
	element = mempool_alloc(upper, GFP_KERNEL);
	ck_assert_int_eq(stats_of(lower).outstanding, 3);
	ck_assert_int_eq(mempool_resize(upper, 4), 0);
	ck_assert_int_eq(mempool_resize(upper, 1), 0);
	mempool_free(element, upper);
	mempool_destroy(upper);
	ck_assert_int_eq(stats_of(lower).outstanding, 0);
	ck_assert(pool_end(lower, &b));
}
END_TEST

START_TEST(a_free_below_wakes_a_sleeper_above)
{
	struct backend b;
	mempool_t *lower, *upper;
	struct sleeper s;
	void *element;

	/* The second try of the upper pool sleeps in the lower one. */
	backend_init(&b, ELEMENT_SIZE);
	lower = pool_over(&b, 1, MEMPOOL_FIXED);
	element = mempool_alloc_preallocated(lower);
	upper = mempool_create(0, stacked_alloc, stacked_free, lower);
	sleeper_start(&s, upper, 0);
	ck_assert(wait_for_waiters(lower, 1));
	ck_assert_uint_eq(stats_of(upper).waiters, 0);
	mempool_free(element, lower);
	ck_assert_int_eq(sleeper_join(&s), 0);
	ck_assert_ptr_eq(s.elems[0], element);
	sleeper_free(&s);
	mempool_destroy(upper);
	ck_assert(pool_end(lower, &b));
}
END_TEST

/* ---- callbacks that sleep ------------------------------------------------ */

/* Whether every call on the pool works while a thread is in a callback. */
static void use_meanwhile(mempool_t *pool)
{
	void *element, *two[2];
	unsigned int nr;

	element = mempool_alloc(pool, GFP_KERNEL);
	ck_assert_ptr_nonnull(element);
	mempool_free(element, pool);
	element = mempool_alloc_noreserve(pool, GFP_KERNEL);
	ck_assert_ptr_nonnull(element);
	mempool_free(element, pool);
	ck_assert_int_eq(mempool_alloc_bulk(pool, two, 2), 0);
	nr = mempool_free_bulk(pool, two, 2);
	while (nr < 2)
		mempool_free(two[nr++], pool);
	ck_assert_int_eq(mempool_resize(pool, 5), 0);
	ck_assert_int_eq(mempool_resize(pool, 3), 0);
	ck_assert_int_eq(mempool_refill(pool), 0);
	ck_assert_uint_eq(stats_of(pool).min_nr, 3);
	mempool_kick(pool);
}

static void *do_refill(void *arg)
{
	mempool_refill(arg);
	return NULL;
}

static void *do_shrink(void *arg)
{
	mempool_resize(arg, 3);
	return NULL;
}

START_TEST(no_lock_is_held_in_the_alloc_fn_of_an_alloc)
{
	struct backend b;
	mempool_t *pool;
	struct sleeper s;

	backend_init(&b, ELEMENT_SIZE);
	pool = pool_over(&b, 3, 0);
	backend_hold_allocs(&b, 1);
	sleeper_start(&s, pool, (unsigned int)_i);
	ck_assert(backend_wait_held(&b, 1));
	use_meanwhile(pool);
	backend_release(&b);
	ck_assert_int_eq(sleeper_join(&s), 0);
	sleeper_free(&s);
	ck_assert_int_eq(stats_of(pool).outstanding, 0);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(no_lock_is_held_in_the_alloc_fn_of_a_retry)
{
	struct backend b;
	mempool_t *pool;
	struct sleeper s;
	void *out[3];
	int i;

	backend_init(&b, ELEMENT_SIZE);
	pool = pool_over(&b, 3, 0);
	for (i = 0; i < 3; i++)
		out[i] = mempool_alloc_preallocated(pool);
	backend_give(&b, 0);
	sleeper_start(&s, pool, 0);
	ck_assert(wait_for_waiters(pool, 1));
	backend_hold_allocs(&b, 1);
	mempool_kick(pool);
	ck_assert(backend_wait_held(&b, 1));
	backend_give(&b, GIVE_ALWAYS);
	use_meanwhile(pool);
	backend_release(&b);
	ck_assert_int_eq(sleeper_join(&s), 0);
	sleeper_free(&s);
	for (i = 0; i < 3; i++)
		mempool_free(out[i], pool);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(no_lock_is_held_in_the_alloc_fn_of_a_fill)
{
	struct backend b;
	pthread_t thread;
	mempool_t *pool;
	void *out;

	backend_init(&b, ELEMENT_SIZE);
	pool = pool_over(&b, 3, 0);
	out = mempool_alloc_preallocated(pool);
	backend_hold_allocs(&b, 1);
	pthread_create(&thread, NULL, do_refill, pool);
	ck_assert(backend_wait_held(&b, 1));
	use_meanwhile(pool);
	backend_release(&b);
	pthread_join(thread, NULL);
	mempool_free(out, pool);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(no_lock_is_held_in_the_free_fn_of_a_free)
{
	struct backend b;
	struct freer f;
	mempool_t *pool;

	backend_init(&b, ELEMENT_SIZE);
	pool = pool_over(&b, 3, 0);
	backend_hold_frees(&b, 1);
	freer_start(&f, pool, mempool_alloc(pool, GFP_KERNEL));
	ck_assert(backend_wait_held(&b, 1));
	use_meanwhile(pool);
	backend_release(&b);
	freer_join(&f);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(no_lock_is_held_in_the_free_fn_of_a_shrinking)
{
	struct backend b;
	pthread_t thread;
	mempool_t *pool;

	backend_init(&b, ELEMENT_SIZE);
	pool = pool_over(&b, 4, 0);
	backend_hold_frees(&b, 1);
	pthread_create(&thread, NULL, do_shrink, pool);
	ck_assert(backend_wait_held(&b, 1));
	use_meanwhile(pool);
	backend_release(&b);
	pthread_join(thread, NULL);
	ck_assert(pool_end(pool, &b));
}
END_TEST

/* ---- callbacks that fail ------------------------------------------------- */

START_TEST(a_backend_that_fails_now_and_then_loses_nothing)
{
	struct backend b;
	struct timespec past = deadline_past();
	mempool_t *pool;
	void *elements[64];
	int i, n = 0;

	backend_init(&b, ELEMENT_SIZE);
	pool = pool_over(&b, 4, 0);
	for (i = 0; i < 64; i++) {
		backend_fail_first(&b, (unsigned int)i % 3);
		elements[n] = mempool_alloc_until(pool, GFP_KERNEL, &past);
		if (elements[n])
			n++;
	}
	ck_assert_int_eq(stats_of(pool).outstanding, n);
	ck_assert_uint_eq(backend_live(&b), (unsigned int)n +
			  stats_of(pool).curr_nr);
	while (n > 0)
		mempool_free(elements[--n], pool);
	ck_assert_uint_eq(stats_of(pool).curr_nr, 4);
	ck_assert(pool_end(pool, &b));
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("backend");
	TCase *tc = tcase_create("slab");

	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_test(tc, a_slab_pool_gives_objects_of_its_cache);
	tcase_add_test(tc, a_slab_pool_can_be_in_the_callers_storage);
	tcase_add_test(tc, a_slab_pool_without_a_cache_is_refused);
	tcase_add_test(tc, a_slab_pool_that_its_cache_cannot_fill_is_no_memory);
	tcase_add_loop_test(tc, a_slab_pool_zeroes_what_is_not_constructed, 0,
			    2);
	tcase_add_test(tc, elements_out_of_the_reserve_are_constructed);
	tcase_add_test(tc, a_slab_pool_constructs_each_object_once);
	tcase_add_test(tc, the_reserve_serves_when_no_more_can_be_constructed);
	tcase_add_test(tc, zeroing_a_constructed_element_is_refused);
	tcase_add_test(tc,
		a_cache_cannot_be_destroyed_under_the_reserve_of_a_pool);
	tcase_add_test(tc, the_slab_pair_leaves_errno_alone);
	suite_add_tcase(s, tc);

	tc = tcase_create("stock");
	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_test(tc, a_kmalloc_pool_gives_elements_of_its_size);
	tcase_add_test(tc,
		a_kmalloc_pool_has_its_elements_from_a_general_cache);
	tcase_add_test(tc, a_kmalloc_pool_may_have_large_elements);
	tcase_add_test(tc, a_kmalloc_pool_knows_its_element_size);
	tcase_add_test(tc, a_kmalloc_pool_can_be_in_the_callers_storage);
	tcase_add_test(tc, a_kmalloc_size_that_cannot_be_is_no_memory);
	tcase_add_test(tc, a_kmalloc_size_of_0_is_refused);
	tcase_add_test(tc, a_failing_kmalloc_leaves_errno_alone);
	tcase_add_loop_test(tc, a_page_element_is_its_page_aligned_address, 0,
			    5);
	tcase_add_test(tc, pages_come_zeroed_from_the_system);
	tcase_add_test(tc, a_page_pool_zeroes_all_pages_out_of_the_reserve);
	tcase_add_test(tc, a_page_pool_can_be_in_the_callers_storage);
	tcase_add_loop_test(tc, page_orders_that_cannot_be_are_refused, 0, 6);
	tcase_add_test(tc, half_of_the_address_space_is_refused);
#if SIZE_MAX > 0xffffffff
	tcase_add_test(tc, more_pages_than_the_system_has_are_no_memory);
#endif
#if !defined(TESTLIB_ASAN) && !defined(TESTLIB_TSAN)
	tcase_add_test_raise_signal(tc, free_pages_unmaps, SIGSEGV);
#else
	(void)free_pages_unmaps;	/* sanitizers catch SIGSEGV */
#endif
	tcase_add_test(tc, the_version_is_that_of_the_header);
	suite_add_tcase(s, tc);

	tc = tcase_create("callbacks");
	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_test(tc, a_pool_may_be_the_backend_of_another);
	tcase_add_test(tc, a_free_below_wakes_a_sleeper_above);
	tcase_add_loop_test(tc, no_lock_is_held_in_the_alloc_fn_of_an_alloc, 0,
			    3);
	tcase_add_test(tc, no_lock_is_held_in_the_alloc_fn_of_a_retry);
	tcase_add_test(tc, no_lock_is_held_in_the_alloc_fn_of_a_fill);
	tcase_add_test(tc, no_lock_is_held_in_the_free_fn_of_a_free);
	tcase_add_test(tc, no_lock_is_held_in_the_free_fn_of_a_shrinking);
	tcase_add_test(tc, a_backend_that_fails_now_and_then_loses_nothing);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
