/* SPDX-License-Identifier: MIT */
/*
 * check_cache.c - the calls on a cache, and what they refuse
 *
 * Covers creation and its arguments, objects and their alignment, what is
 * always seen of misuse, destroy, statistics and visits.  When slabs are made
 * and go, and what happens when memory is short, is in check_slabs.c.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "suite.h"
#include "testlib.h"

#define MARK		4242		/* errno before a call */
#define SLAB_SIZE	65536u

static struct kmem_cache *cache;

static struct kmem_cache *make(unsigned int size, unsigned int align,
			       slab_flags_t flags)
{
	struct kmem_cache *made = kmem_cache_create("made", size, align, flags,
						    NULL);

	ck_assert_ptr_nonnull(made);
	return made;
}

static struct kmem_cache *make_args(unsigned int size,
				    const struct kmem_cache_args *args)
{
	struct kmem_cache *made = kmem_cache_create_args("made", size, args, 0);

	ck_assert_ptr_nonnull(made);
	return made;
}

static void *take(struct kmem_cache *from)
{
	void *object = kmem_cache_alloc(from, GFP_KERNEL);

	ck_assert_ptr_nonnull(object);
	return object;
}

static void end(struct kmem_cache *ended)
{
	ck_assert_int_eq(kmem_cache_destroy(ended), 0);
}

/* ---- creation ------------------------------------------------------------ */

static void assert_refused(unsigned int size, unsigned int align,
			   slab_flags_t flags)
{
	errno = 0;
	ck_assert_ptr_null(kmem_cache_create("no", size, align, flags, NULL));
	ck_assert_int_eq(errno, EINVAL);
}

static void assert_args_refused(const struct kmem_cache_args *args, int err)
{
	errno = 0;
	ck_assert_ptr_null(kmem_cache_create_args("no", 64, args, 0));
	ck_assert_int_eq(errno, err);
}

START_TEST(a_size_of_0_or_too_large_is_refused)
{
	slab_flags_t flags = _i ? SLAB_HWCACHE_ALIGN : 0;

	assert_refused(0, 0, flags);
	assert_refused(KMEM_CACHE_SIZE_MAX + 1, 0, flags);
	assert_refused(UINT32_MAX, 0, flags);
	end(make(1, 0, flags));
	end(make(KMEM_CACHE_SIZE_MAX, 0, flags));
}
END_TEST

START_TEST(an_alignment_that_is_none_is_refused)
{
	static const unsigned int bad[] = {
		3, 5, 6, 12, 24, 48, 65, 96, 127, 4097,
		KMEM_CACHE_ALIGN_MAX - 1, KMEM_CACHE_ALIGN_MAX + 1,
		2 * KMEM_CACHE_ALIGN_MAX, UINT32_MAX, 1u << 31,
	};
	slab_flags_t flags = _i ? SLAB_HWCACHE_ALIGN : 0;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_refused(64, bad[i], flags);
	end(make(64, KMEM_CACHE_ALIGN_MAX, flags));
	end(make(64, 1, flags));
}
END_TEST

START_TEST(unknown_flags_are_refused)
{
	unsigned int bit;

	for (bit = 6; bit < 32; bit++)
		assert_refused(64, 0, 1u << bit);
}
END_TEST

START_TEST(a_cache_needs_a_name)
{
	errno = 0;
	ck_assert_ptr_null(kmem_cache_create(NULL, 64, 0, 0, NULL));
	ck_assert_int_eq(errno, EINVAL);
	errno = 0;
	ck_assert_ptr_null(kmem_cache_create_args(NULL, 64, NULL, 0));
	ck_assert_int_eq(errno, EINVAL);
}
END_TEST

START_TEST(two_caches_may_have_one_name)
{
	struct kmem_cache *a = make(64, 0, 0), *b = make(64, 0, 0);
	void *of_a = take(a), *of_b = take(b);

	ck_assert_ptr_ne(a, b);
	kmem_cache_free(a, of_a);
	kmem_cache_free(b, of_b);
	end(a);
	end(b);
}
END_TEST

static void do_nothing(void *object)
{
	(void)object;
}

static int try_nothing(void *object, void *ctor_arg, gfp_t gfp_mask)
{
	(void)object;
	(void)ctor_arg;
	(void)gfp_mask;
	return 0;
}

START_TEST(one_constructor_is_enough)
{
	struct kmem_cache_args args = {
		.ctor = do_nothing, .ctor_try = try_nothing,
	};

	assert_args_refused(&args, EINVAL);
	args.ctor = NULL;
	end(make_args(64, &args));
}
END_TEST

START_TEST(nodes_below_none_are_refused)
{
	struct kmem_cache_args args = { .node = -2 };

	assert_args_refused(&args, EINVAL);
	args.node = INT32_MIN;
	assert_args_refused(&args, EINVAL);
}
END_TEST

START_TEST(a_node_that_is_not_there_is_a_hint_all_the_same)
{
	static const int nodes[] = { -1, 0, 1, 63, 64, 1023, 1024, INT32_MAX };
	struct kmem_cache_args args = { .node = 0 };
	size_t i;

	for (i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
		args.node = nodes[i];
		cache = make_args(64, &args);
		errno = MARK;
		kmem_cache_free(cache, take(cache));
		ck_assert_int_eq(errno, MARK);
		end(cache);
	}
}
END_TEST

struct future_args {
	struct kmem_cache_args	args;
	char			tail[24];
};

START_TEST(arguments_of_another_release_are_known_by_their_size)
{
	struct future_args future;

	memset(&future, 0, sizeof(future));
	future.args.size = sizeof(future);
	end(make_args(64, &future.args));
	future.tail[sizeof(future.tail) - 1] = 1;
	assert_args_refused(&future.args, E2BIG);
	future.tail[sizeof(future.tail) - 1] = 0;
	future.tail[0] = 1;
	assert_args_refused(&future.args, E2BIG);
	/* What lies behind the size is not looked at. */
	future.args.size = sizeof(future.args);
	end(make_args(64, &future.args));
	future.args.size = 0;
	end(make_args(64, &future.args));
	future.args.size = sizeof(future.args) - 1;
	assert_args_refused(&future.args, EINVAL);
	future.args.size = 1;
	assert_args_refused(&future.args, EINVAL);
}
END_TEST

START_TEST(what_ported_code_says_besides_has_no_effect)
{
	struct kmem_cache_args args = {
		.useroffset = 7, .usersize = 9999, .freeptr_offset = 3,
		.use_freeptr_offset = true, .sheaf_capacity = 12,
		.cache_size = 99,
	};

	cache = make_args(64, &args);
	ck_assert_uint_eq(cache_stats_of(cache).stride, 64);
	end(cache);
}
END_TEST

START_TEST(creation_leaves_errno_alone)
{
	errno = MARK;
	cache = make(64, 0, 0);
	ck_assert_int_eq(errno, MARK);
	end(cache);
	ck_assert_int_eq(errno, MARK);
}
END_TEST

static void create_none_or_panic(void)
{
	struct kmem_cache *none = kmem_cache_create("panics", 0, 0, SLAB_PANIC,
						    NULL);

	(void)none;
}

static void create_nameless_or_panic(void)
{
	struct kmem_cache *none = kmem_cache_create(NULL, 8, 0, SLAB_PANIC,
						    NULL);

	(void)none;
}

START_TEST(creation_that_must_not_fail_aborts)
{
	ck_assert(aborts_with(create_none_or_panic, "panics"));
	ck_assert(aborts_with(create_nameless_or_panic, "SLAB_PANIC"));
	end(make(64, 0, SLAB_PANIC));
}
END_TEST

struct pair {
	long	a;
	char	b;
} __attribute__((aligned(32)));

START_TEST(a_structure_makes_a_cache)
{
	void *object;

	cache = KMEM_CACHE(pair, SLAB_HWCACHE_ALIGN);
	ck_assert_ptr_nonnull(cache);
	ck_assert_uint_eq(kmem_cache_size(cache), sizeof(struct pair));
	object = take(cache);
	ck_assert_uint_eq((uintptr_t)object % 32, 0);
	kmem_cache_free(cache, object);
	end(cache);
}
END_TEST

/* ---- NULL, and flags ----------------------------------------------------- */

START_TEST(no_call_minds_a_null_cache)
{
	struct kmem_cache_stats stats;
	void *slots[1] = { &stats };

	errno = 0;
	ck_assert_ptr_null(kmem_cache_alloc(NULL, GFP_KERNEL));
	ck_assert_int_eq(errno, EINVAL);
	errno = 0;
	ck_assert_ptr_null(kmem_cache_zalloc(NULL, GFP_KERNEL));
	ck_assert_int_eq(errno, EINVAL);
	errno = 0;
	ck_assert(!kmem_cache_alloc_bulk(NULL, GFP_KERNEL, 1, slots));
	ck_assert_int_eq(errno, EINVAL);
	errno = 0;
	ck_assert(!kmem_cache_alloc_bulk(NULL, GFP_KERNEL, 0, NULL));
	ck_assert_int_eq(errno, EINVAL);
	kmem_cache_free(NULL, slots);
	kmem_cache_free(NULL, NULL);
	kmem_cache_free_bulk(NULL, 1, slots);
	ck_assert_int_eq(kmem_cache_shrink(NULL), -EINVAL);
	ck_assert_int_eq(kmem_cache_reset(NULL), -EINVAL);
	ck_assert_int_eq(kmem_cache_validate(NULL), -EINVAL);
	ck_assert_uint_eq(kmem_cache_size(NULL), 0);
	ck_assert_int_eq(kmem_cache_get_stats(NULL, &stats, sizeof(stats)),
			 -EINVAL);
	ck_assert_int_eq(kmem_cache_destroy(NULL), 0);
}
END_TEST

START_TEST(unknown_gfp_bits_are_refused)
{
	void *slots[1];
	unsigned int bit;

	cache = make(64, 0, 0);
	for (bit = 11; bit < 32; bit++) {
		errno = 0;
		ck_assert_ptr_null(kmem_cache_alloc(cache, 1u << bit));
		ck_assert_int_eq(errno, EINVAL);
		errno = 0;
		ck_assert_ptr_null(kmem_cache_zalloc(cache, 1u << bit));
		ck_assert_int_eq(errno, EINVAL);
		errno = 0;
		ck_assert(!kmem_cache_alloc_bulk(cache, 1u << bit, 1, slots));
		ck_assert_int_eq(errno, EINVAL);
	}
	ck_assert_uint_eq(cache_stats_of(cache).allocs, 0);
	ck_assert_uint_eq(cache_stats_of(cache).slabs_made, 0);
	end(cache);
}
END_TEST

START_TEST(what_is_constructed_cannot_be_zeroed)
{
	struct kmem_cache_args args = { .ctor = do_nothing };
	void *slots[1];

	if (_i) {
		args.ctor = NULL;
		args.ctor_try = try_nothing;
	}
	cache = make_args(64, &args);
	errno = 0;
	ck_assert_ptr_null(kmem_cache_zalloc(cache, GFP_KERNEL));
	ck_assert_int_eq(errno, EINVAL);
	errno = 0;
	ck_assert_ptr_null(kmem_cache_alloc(cache, GFP_KERNEL | __GFP_ZERO));
	ck_assert_int_eq(errno, EINVAL);
	errno = 0;
	ck_assert(!kmem_cache_alloc_bulk(cache, GFP_NOWAIT | __GFP_ZERO, 1,
					 slots));
	ck_assert_int_eq(errno, EINVAL);
	end(cache);
}
END_TEST

START_TEST(bulk_needs_room_for_its_objects)
{
	cache = make(64, 0, 0);
	errno = 0;
	ck_assert(!kmem_cache_alloc_bulk(cache, GFP_KERNEL, 1, NULL));
	ck_assert_int_eq(errno, EINVAL);
	errno = MARK;
	ck_assert(kmem_cache_alloc_bulk(cache, GFP_KERNEL, 0, NULL));
	ck_assert_int_eq(errno, MARK);
	kmem_cache_free_bulk(cache, 1, NULL);
	kmem_cache_free_bulk(cache, 0, NULL);
	ck_assert_uint_eq(cache_stats_of(cache).slabs_made, 0);
	end(cache);
}
END_TEST

/* ---- objects ------------------------------------------------------------- */

START_TEST(a_call_that_succeeds_leaves_errno_alone)
{
	void *slots[3], *object;

	cache = make(64, 0, 0);
	errno = MARK;
	object = kmem_cache_alloc(cache, GFP_KERNEL);
	ck_assert_int_eq(errno, MARK);
	ck_assert(kmem_cache_alloc_bulk(cache, GFP_KERNEL, 3, slots));
	ck_assert_int_eq(errno, MARK);
	kmem_cache_free_bulk(cache, 3, slots);
	kmem_cache_free(cache, object);
	kmem_cache_shrink(cache);
	ck_assert_int_eq(errno, MARK);
	end(cache);
}
END_TEST

static int set_errno(void *object, void *ctor_arg, gfp_t gfp_mask)
{
	(void)object;
	(void)ctor_arg;
	(void)gfp_mask;
	errno = EIO;
	return 0;
}

static void set_errno_again(void *object, void *ctor_arg)
{
	(void)object;
	(void)ctor_arg;
	errno = EIO;
}

START_TEST(what_constructors_do_to_errno_is_not_seen)
{
	struct kmem_cache_args args = {
		.ctor_try = set_errno, .dtor = set_errno_again,
	};
	void *a, *b;

	cache = make_args(SLAB_SIZE, &args);
	errno = MARK;
	a = kmem_cache_alloc(cache, GFP_KERNEL);
	b = kmem_cache_alloc(cache, GFP_KERNEL);
	ck_assert_int_eq(errno, MARK);
	kmem_cache_free(cache, a);
	kmem_cache_free(cache, b);
	ck_assert_uint_eq(cache_stats_of(cache).slabs_returned, 1);
	ck_assert_int_eq(errno, MARK);
	end(cache);
}
END_TEST

#define NR_OF_SIZE	5

/* Also that every byte of an object can be written to, and belongs to it. */
static void try_size(unsigned int size, unsigned int align, slab_flags_t flags,
		     unsigned int expected, bool constructed)
{
	unsigned char *objects[NR_OF_SIZE];
	int i;

	cache = kmem_cache_create("sized", size, align, flags,
				  constructed ? do_nothing : NULL);
	ck_assert_ptr_nonnull(cache);
	ck_assert_uint_eq(kmem_cache_size(cache), size);
	for (i = 0; i < NR_OF_SIZE; i++) {
		objects[i] = take(cache);
		ck_assert_msg((uintptr_t)objects[i] % expected == 0,
			      "%p of %u bytes is not aligned to %u",
			      (void *)objects[i], size, expected);
		memset(objects[i], i + 1, size);
	}
	for (i = 0; i < NR_OF_SIZE; i++) {
		ck_assert_uint_eq(objects[i][0], i + 1);
		ck_assert_uint_eq(objects[i][size / 2], i + 1);
		ck_assert_uint_eq(objects[i][size - 1], i + 1);
		kmem_cache_free(cache, objects[i]);
	}
	end(cache);
}

START_TEST(objects_of_any_size_are_aligned)
{
	unsigned int size, align;

	for (size = 1; size <= KMEM_CACHE_SIZE_MAX; size += size / 5 + 1)
		try_size(size, 0, 0, 8, _i);
	try_size(KMEM_CACHE_SIZE_MAX, 0, 0, 8, _i);
	for (align = 1; align <= KMEM_CACHE_ALIGN_MAX; align *= 2) {
		try_size(1, align, 0, align, _i);
		try_size(100, align, 0, align, _i);
		try_size(align, align, 0, align, _i);
		try_size(align + 1, align, 0, align, _i);
		try_size(70000, align, 0, align, _i);
	}
}
END_TEST

static unsigned int line_for(unsigned int size)
{
	unsigned int line = 64;

	while (line > 8 && size <= line / 2)
		line /= 2;
	return line;
}

START_TEST(small_objects_share_a_cache_line_and_none_has_two_for_nothing)
{
	unsigned int size;

	for (size = 1; size <= KMEM_CACHE_SIZE_MAX; size += size / 5 + 1)
		try_size(size, 0, SLAB_HWCACHE_ALIGN, line_for(size), _i);
	try_size(20, 256, SLAB_HWCACHE_ALIGN, 256, _i);
	try_size(100, 1, SLAB_HWCACHE_ALIGN, 64, _i);
}
END_TEST

#define NR_MANY		3000

static unsigned char *many[NR_MANY];

/* Each byte is what its object was filled with: nobody else wrote it. */
static void assert_filled(unsigned int size)
{
	unsigned int i, at;

	bool is_filled = true;

	for (i = 0; i < NR_MANY; i++)
		for (at = 0; at < size; at++)
			is_filled &= many[i][at] == (unsigned char)(i * 7 + at);
	ck_assert(is_filled);
}

static void take_many(unsigned int size)
{
	unsigned int i, at;

	for (i = 0; i < NR_MANY; i++) {
		many[i] = take(cache);
		for (at = 0; at < size; at++)
			many[i][at] = (unsigned char)(i * 7 + at);
	}
}

START_TEST(no_two_objects_share_a_byte)
{
	static const unsigned int sizes[] = { 1, 8, 13, 24, 64, 100, 520 };
	unsigned int size = sizes[_i / 2], i;

	cache = kmem_cache_create("many", size, 0, 0,
				  _i % 2 ? do_nothing : NULL);
	ck_assert_ptr_nonnull(cache);
	take_many(size);
	if (size > 1)
		assert_filled(size);
	/* And so after some have gone and come back. */
	for (i = 0; i < NR_MANY; i += 3)
		kmem_cache_free(cache, many[i]);
	for (i = 0; i < NR_MANY; i += 3) {
		many[i] = take(cache);
		memset(many[i], 0, size);
	}
	for (i = 0; i < NR_MANY; i++) {
		ck_assert(many[i][0] ==
			  (i % 3 ? (unsigned char)(i * 7) : 0));
		kmem_cache_free(cache, many[i]);
	}
	ck_assert_uint_eq(cache_stats_of(cache).active, 0);
	end(cache);
}
END_TEST

/* 136 bytes are left over: three places, a cache line apart. */
#define NR_SLABS	3

START_TEST(first_objects_of_slabs_are_at_different_places)
{
	size_t first[NR_SLABS], at;
	uint64_t nr;
	unsigned int slab, i, other;

	cache = make(200, 0, 0);
	nr = cache_stats_of(cache).slab_objects;
	ck_assert_uint_le(nr * NR_SLABS, NR_MANY);
	for (slab = 0; slab < NR_SLABS; slab++) {
		first[slab] = SLAB_SIZE;
		for (i = 0; i < nr; i++) {
			many[slab * nr + i] = take(cache);
			at = (uintptr_t)many[slab * nr + i] % SLAB_SIZE;
			if (at < first[slab])
				first[slab] = at;
		}
	}
	for (slab = 0; slab < NR_SLABS; slab++) {
		for (other = 0; other < slab; other++)
			ck_assert_uint_ne(first[slab], first[other]);
		for (i = 0; i < nr; i++)
			kmem_cache_free(cache, many[slab * nr + i]);
	}
	end(cache);
}
END_TEST

static bool all_zero(const unsigned char *object, size_t size)
{
	while (size--)
		if (object[size])
			return false;
	return true;
}

START_TEST(zeroed_is_every_byte_of_what_was_used_before)
{
	unsigned char *object, *slots[2];

	cache = make(123, 0, 0);
	object = take(cache);
	slots[0] = take(cache);
	memset(object, 0xff, 123);
	memset(slots[0], 0xff, 123);
	kmem_cache_free(cache, slots[0]);
	kmem_cache_free(cache, object);
	slots[1] = kmem_cache_zalloc(cache, GFP_NOWAIT);
	ck_assert_ptr_eq(slots[1], object);
	ck_assert(all_zero(slots[1], 123));
	memset(object, 0xff, 123);
	kmem_cache_free(cache, object);
	slots[1] = kmem_cache_alloc(cache, GFP_NOWAIT | __GFP_ZERO);
	ck_assert_ptr_eq(slots[1], object);
	ck_assert(all_zero(slots[1], 123));
	memset(object, 0xff, 123);
	kmem_cache_free(cache, object);
	ck_assert(kmem_cache_alloc_bulk(cache, GFP_NOWAIT | __GFP_ZERO, 2,
					(void **)slots));
	ck_assert(all_zero(slots[0], 123) && all_zero(slots[1], 123));
	kmem_cache_free_bulk(cache, 2, (void **)slots);
	end(cache);
}
END_TEST

START_TEST(null_is_passed_over_when_objects_are_freed)
{
	void *slots[7] = { NULL };

	cache = make(64, 0, 0);
	kmem_cache_free(cache, NULL);
	kmem_cache_free_bulk(cache, 7, slots);
	slots[1] = take(cache);
	slots[2] = take(cache);
	slots[4] = take(cache);
	kmem_cache_free_bulk(cache, 7, slots);
	ck_assert_uint_eq(cache_stats_of(cache).active, 0);
	slots[0] = take(cache);
	slots[1] = NULL;
	slots[6] = take(cache);
	slots[2] = slots[4] = NULL;
	kmem_cache_free_bulk(cache, 7, slots);
	ck_assert_uint_eq(cache_stats_of(cache).active, 0);
	ck_assert_uint_eq(cache_stats_of(cache).frees, 5);
	end(cache);
}
END_TEST

START_TEST(null_is_passed_over_wherever_in_a_bulk)
{
	void *slots[20], *none;
	unsigned int i;

	cache = make(64, 0, 0);
	for (i = 0; i < 20; i++) {
		ck_assert(kmem_cache_alloc_bulk(cache, GFP_KERNEL, 20, slots));
		none = slots[i];
		slots[i] = NULL;
		kmem_cache_free_bulk(cache, 20, slots);
		ck_assert_uint_eq(cache_stats_of(cache).active, 1);
		kmem_cache_free(cache, none);
	}
	end(cache);
}
END_TEST

START_TEST(a_bulk_over_many_slabs_comes_and_goes_at_once)
{
	unsigned int i;

	cache = make(1000, 0, 0);
	ck_assert(kmem_cache_alloc_bulk(cache, GFP_KERNEL, NR_MANY,
					(void **)many));
	for (i = 0; i < NR_MANY; i++)
		memset(many[i], (int)i, 1000);
	for (i = 0; i < NR_MANY; i++)
		ck_assert(many[i][0] == (unsigned char)i &&
			  many[i][999] == (unsigned char)i);
	ck_assert_uint_eq(cache_stats_of(cache).active, NR_MANY);
	ck_assert_uint_eq(cache_stats_of(cache).allocs, NR_MANY);
	kmem_cache_free_bulk(cache, NR_MANY, (void **)many);
	ck_assert_uint_eq(cache_stats_of(cache).active, 0);
	ck_assert_uint_eq(cache_stats_of(cache).frees, NR_MANY);
	end(cache);
}
END_TEST

/* ---- constructors -------------------------------------------------------- */

static unsigned int nr_constructed, nr_destructed, fail_at, nr_cancelable;
static unsigned int nr_stray;		/* destructed, but not constructed */
static char the_arg;
static bool arg_is_wrong;

static void look_at_cancel_state(void)
{
	int state;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	nr_cancelable += state != PTHREAD_CANCEL_DISABLE;
	pthread_setcancelstate(state, NULL);
}

static int construct(void *object, void *ctor_arg, gfp_t gfp_mask)
{
	arg_is_wrong |= ctor_arg != &the_arg || gfp_mask != GFP_NOWAIT;
	look_at_cancel_state();
	if (++nr_constructed == fail_at) {
		nr_constructed--;
		return -EIO;
	}
	memset(object, 0x5c, 1000);
	return 0;
}

static void destruct(void *object, void *ctor_arg)
{
	arg_is_wrong |= ctor_arg != &the_arg;
	look_at_cancel_state();
	if (*(unsigned char *)object == 0x5c)
		nr_destructed++;
	else
		nr_stray++;
	memset(object, 0, 1000);
}

static const struct kmem_cache_args constructed = {
	.ctor_try = construct, .dtor = destruct, .ctor_arg = &the_arg,
};

START_TEST(an_object_is_constructed_once_and_destructed_once)
{
	unsigned char *object;
	int i;

	cache = make_args(1000, &constructed);
	for (i = 0; i < 1000; i++) {
		object = kmem_cache_alloc(cache, GFP_NOWAIT);
		ck_assert_ptr_nonnull(object);
		ck_assert(object[0] == 0x5c && object[999] == 0x5c);
		kmem_cache_free(cache, object);
	}
	ck_assert_uint_eq(nr_constructed, cache_stats_of(cache).slab_objects);
	ck_assert_uint_eq(nr_destructed, 0);
	end(cache);
	ck_assert_uint_eq(nr_destructed, nr_constructed);
	ck_assert(!arg_is_wrong);
	ck_assert_uint_eq(nr_cancelable, 0);
}
END_TEST

/* The whole content of an object is its user's, while it is free, too. */
START_TEST(a_constructed_object_stays_as_it_was_left)
{
	unsigned char *objects[200];
	int i, at;

	cache = make_args(1000, &constructed);
	for (i = 0; i < 200; i++)
		objects[i] = kmem_cache_alloc(cache, GFP_NOWAIT);
	for (i = 0; i < 200; i++)
		kmem_cache_free(cache, objects[i]);
	for (i = 0; i < 200; i++) {
		objects[i] = kmem_cache_alloc(cache, GFP_NOWAIT);
		for (at = 0; at < 1000; at++)
			ck_assert(objects[i][at] == 0x5c);
	}
	for (i = 0; i < 200; i++)
		kmem_cache_free(cache, objects[i]);
	end(cache);
	ck_assert_uint_eq(nr_destructed, nr_constructed);
}
END_TEST

static int nr_only_destructed;

static void only_destruct(void *object, void *ctor_arg)
{
	(void)ctor_arg;
	nr_only_destructed += *(int *)object == 99;
}

START_TEST(a_destructor_alone_runs_for_each_object_too)
{
	struct kmem_cache_args args = { .dtor = only_destruct };
	int *objects[3], i;

	cache = make_args(SLAB_SIZE / 4, &args);
	for (i = 0; i < 3; i++) {
		objects[i] = kmem_cache_zalloc(cache, GFP_KERNEL);
		ck_assert_ptr_nonnull(objects[i]);
		*objects[i] = 99;
	}
	for (i = 0; i < 3; i++)
		kmem_cache_free(cache, objects[i]);
	ck_assert_int_eq(nr_only_destructed, 0);
	end(cache);
	ck_assert_int_eq(nr_only_destructed, 3);
}
END_TEST

static unsigned int objects_of_a_slab(void)
{
	unsigned int nr;

	cache = make_args(1000, &constructed);
	nr = (unsigned int)cache_stats_of(cache).slab_objects;
	end(cache);
	return nr;
}

START_TEST(a_constructor_that_fails_leaves_the_cache_whole)
{
	unsigned int nr = objects_of_a_slab(), built;
	unsigned int at[] = { 1, 2, nr / 2, nr - 1, nr };
	void *object;

	cache = make_args(1000, &constructed);
	fail_at = at[_i];
	errno = 0;
	ck_assert_ptr_null(kmem_cache_alloc(cache, GFP_NOWAIT));
	ck_assert_int_eq(errno, ENOMEM);
	ck_assert_uint_eq(nr_constructed, fail_at - 1);
	ck_assert_uint_eq(nr_destructed, fail_at - 1);
	ck_assert_uint_eq(nr_stray, 0);
	ck_assert_uint_eq(cache_stats_of(cache).failures, 1);
	ck_assert_uint_eq(cache_stats_of(cache).objects, 0);
	ck_assert_uint_eq(cache_stats_of(cache).active, 0);
	built = nr_constructed;
	fail_at = 0;
	object = kmem_cache_alloc(cache, GFP_NOWAIT);
	ck_assert_ptr_nonnull(object);
	ck_assert_uint_eq(nr_constructed, built + nr);
	kmem_cache_free(cache, object);
	end(cache);
	ck_assert_uint_eq(nr_destructed, nr_constructed);
}
END_TEST

START_TEST(a_bulk_whose_constructor_fails_takes_nothing)
{
	unsigned int nr = objects_of_a_slab();
	void **objects = calloc(4 * nr, sizeof(*objects));

	ck_assert_ptr_nonnull(objects);
	cache = make_args(1000, &constructed);
	fail_at = 2 * nr + 3;
	errno = 0;
	ck_assert(!kmem_cache_alloc_bulk(cache, GFP_NOWAIT, 4 * nr, objects));
	ck_assert_int_eq(errno, ENOMEM);
	ck_assert_uint_eq(cache_stats_of(cache).active, 0);
	ck_assert_uint_eq(cache_stats_of(cache).failures, 1);
	fail_at = 0;
	ck_assert(kmem_cache_alloc_bulk(cache, GFP_NOWAIT, 4 * nr, objects));
	kmem_cache_free_bulk(cache, 4 * nr, objects);
	end(cache);
	ck_assert_uint_eq(nr_destructed, nr_constructed);
	free(objects);
}
END_TEST

static struct kmem_cache *inner;
static bool inner_failed;

static void construct_with_another(void *object)
{
	void **slot = object;

	*slot = kmem_cache_alloc(inner, GFP_NOWAIT);
	inner_failed |= !*slot;
}

static void destruct_with_another(void *object, void *ctor_arg)
{
	kmem_cache_free(ctor_arg, *(void **)object);
}

START_TEST(a_constructor_may_use_another_cache)
{
	struct kmem_cache_args args = {
		.ctor = construct_with_another, .dtor = destruct_with_another,
	};

	inner = make(4000, 0, 0);
	args.ctor_arg = inner;
	cache = make_args(64, &args);
	kmem_cache_free(cache, take(cache));
	ck_assert(!inner_failed);
	ck_assert_uint_eq(cache_stats_of(inner).active,
			  cache_stats_of(cache).objects);
	end(cache);
	ck_assert_uint_eq(cache_stats_of(inner).active, 0);
	end(inner);
}
END_TEST

/* ---- misuse that is always seen ------------------------------------------ */

/* At the latest when what was given back goes to its slab. */

static void *the_object;
static struct kmem_cache *other;

static void free_the_object(void)
{
	kmem_cache_free(cache, the_object);
	kmem_cache_shrink(cache);
}

static void free_the_object_in_bulk(void)
{
	kmem_cache_free_bulk(cache, 1, &the_object);
	kmem_cache_shrink(cache);
}

static void free_twice(void)
{
	void *object = the_object;

	kmem_cache_free(cache, object);
	kmem_cache_free(cache, object);
}

static void free_twice_in_bulk(void)
{
	void *objects[2] = { the_object, the_object };

	kmem_cache_free_bulk(cache, 2, objects);
	kmem_cache_shrink(cache);
}

static void free_into_another(void)
{
	kmem_cache_free(other, the_object);
	kmem_cache_shrink(other);
}

static void assert_no_object(void *address)
{
	the_object = address;
	ck_assert(aborts_with(free_the_object, "made"));
	ck_assert(aborts_with(free_the_object_in_bulk, "made"));
}

START_TEST(an_address_of_no_cache_is_no_object)
{
	static long in_data[8];
	long on_stack[8];
	void *on_heap = malloc(64);

	cache = make(64, 0, 0);
	assert_no_object(in_data);
	assert_no_object(on_stack);
	assert_no_object(on_heap);
	assert_no_object(cache);
	assert_no_object((void *)8);
	assert_no_object((void *)(uintptr_t)0x10000);
	assert_no_object((void *)(UINTPTR_MAX >> 1));
	assert_no_object((void *)(UINTPTR_MAX - 7));
	/* Where a slab was. */
	the_object = take(cache);
	kmem_cache_free(cache, the_object);
	kmem_cache_shrink(cache);
	assert_no_object(the_object);
	free(on_heap);
	end(cache);
}
END_TEST

START_TEST(an_object_of_another_cache_is_none_of_this)
{
	cache = make(64, 0, 0);
	other = kmem_cache_create("other", 64, 0, 0, _i ? do_nothing : NULL);
	ck_assert_ptr_nonnull(other);
	the_object = take(cache);
	ck_assert(aborts_with(free_into_another, "other"));
	kmem_cache_free(cache, the_object);
	end(cache);
	end(other);
}
END_TEST

/* One slab that would be empty, one that is not, one that is full. */
START_TEST(an_object_given_back_twice_in_a_row_is_seen)
{
	void *others[2];
	slab_flags_t flags = 0;

	cache = kmem_cache_create("made", _i % 2 ? 64 : SLAB_SIZE / 2, 0,
				  flags, _i < 2 ? NULL : do_nothing);
	ck_assert_ptr_nonnull(cache);
	the_object = take(cache);
	ck_assert(aborts_with(free_twice, "made"));
	ck_assert(aborts_with(free_twice_in_bulk, "made"));
	others[0] = take(cache);
	ck_assert(aborts_with(free_twice, "made"));
	ck_assert(aborts_with(free_twice_in_bulk, "made"));
	others[1] = take(cache);
	ck_assert(aborts_with(free_twice, "made"));
	kmem_cache_free(cache, the_object);
	kmem_cache_free_bulk(cache, 2, others);
	end(cache);
}
END_TEST

static void *second_object;

static void free_twice_with_another_between(void)
{
	void *object = the_object;

	kmem_cache_free(cache, object);
	kmem_cache_free(cache, second_object);
	kmem_cache_free(cache, object);
	kmem_cache_shrink(cache);
}

/* Where the free list is apart from the objects, all of it is seen. */
START_TEST(a_constructed_object_is_known_by_its_place)
{
	char *object;

	cache = kmem_cache_create("made", 64, 0, 0, do_nothing);
	ck_assert_ptr_nonnull(cache);
	object = take(cache);
	second_object = take(cache);
	assert_no_object(object + 8);
	assert_no_object(object + 1);
	assert_no_object(object - 64);
	/* Never handed out, and the links behind the objects. */
	assert_no_object(object + 3 * 64);
	assert_no_object((char *)((uintptr_t)object & ~(uintptr_t)0xffff) +
			 0x10000 - 64);
	the_object = object;
	ck_assert(aborts_with(free_twice_with_another_between, "made"));
	kmem_cache_free(cache, object);
	kmem_cache_free(cache, second_object);
	end(cache);
}
END_TEST

/* ---- the end of a cache -------------------------------------------------- */

START_TEST(a_cache_with_objects_outside_is_not_destroyed)
{
	struct kmem_cache_stats before, after;
	void *object;

	cache = make(64, 0, 0);
	object = take(cache);
	memset(object, 0x77, 64);
	before = cache_stats_of(cache);
	ck_assert_int_eq(kmem_cache_destroy(cache), -EBUSY);
	after = cache_stats_of(cache);
	ck_assert_mem_eq(&before, &after, sizeof(before));
	ck_assert_int_eq(((char *)object)[63], 0x77);
	kmem_cache_free(cache, take(cache));
	kmem_cache_free(cache, object);
	end(cache);
}
END_TEST

static void destroy_twice(void)
{
	struct kmem_cache *gone = cache;

	if (kmem_cache_destroy(gone))
		return;
	(void)kmem_cache_destroy(gone);
}

static void destroy_no_cache(void)
{
	static long no_cache[64];

	(void)kmem_cache_destroy((struct kmem_cache *)no_cache);
}

START_TEST(a_cache_is_destroyed_once)
{
	cache = make(64, 0, 0);
	ck_assert(aborts_with(destroy_twice, "no such cache"));
	ck_assert(aborts_with(destroy_no_cache, "no such cache"));
	end(cache);
}
END_TEST

/* ---- statistics ---------------------------------------------------------- */

START_TEST(statistics_say_what_happened)
{
	struct kmem_cache_stats s;
	void *objects[9];
	int i;

	cache = make(SLAB_SIZE / 4 - 8, 0, 0);
	s = cache_stats_of(cache);
	ck_assert_uint_eq(s.object_size, SLAB_SIZE / 4 - 8);
	ck_assert_uint_eq(s.stride, SLAB_SIZE / 4 - 8);
	ck_assert_uint_eq(s.slab_size, SLAB_SIZE);
	ck_assert_uint_eq(s.slab_objects, 4);
	ck_assert_uint_eq(s.objects, 0);
	for (i = 0; i < 9; i++)
		objects[i] = take(cache);
	s = cache_stats_of(cache);
	ck_assert_uint_eq(s.active, 9);
	ck_assert_uint_eq(s.objects, 12);
	ck_assert_uint_eq(s.slabs_full, 2);
	ck_assert_uint_eq(s.slabs_partial, 1);
	ck_assert_uint_eq(s.slabs_empty, 0);
	ck_assert_uint_eq(s.slabs_made, 3);
	kmem_cache_free(cache, objects[8]);
	kmem_cache_free(cache, objects[0]);
	s = cache_stats_of(cache);
	ck_assert_uint_eq(s.slabs_full, 1);
	ck_assert_uint_eq(s.slabs_partial, 1);
	ck_assert_uint_eq(s.slabs_empty, 1);
	ck_assert_uint_eq(s.active, 7);
	ck_assert_uint_eq(s.allocs, 9);
	ck_assert_uint_eq(s.frees, 2);
	kmem_cache_free_bulk(cache, 7, objects + 1);
	s = cache_stats_of(cache);
	ck_assert_uint_eq(s.active, 0);
	ck_assert_uint_eq(s.frees, 9);
	ck_assert_uint_eq(s.slabs_made - s.slabs_returned, s.slabs_empty);
	ck_assert_uint_eq(s.objects, 4 * s.slabs_empty);
	ck_assert_uint_eq(s.failures + s.resets + s.defects, 0);
	end(cache);
}
END_TEST

START_TEST(statistics_fit_into_what_the_caller_has)
{
	struct {
		struct kmem_cache_stats	stats;
		uint64_t		more[2];
	} wide;
	uint64_t size;

	cache = make(48, 0, 0);
	ck_assert_int_eq(kmem_cache_get_stats(cache, NULL, 8), -EINVAL);
	ck_assert_int_eq(kmem_cache_get_stats(cache, &wide.stats, 0),
			 -EINVAL);
	memset(&wide, 0xff, sizeof(wide));
	ck_assert_int_eq(kmem_cache_get_stats(cache, &wide.stats,
					      sizeof(wide)), 0);
	ck_assert_uint_eq(wide.stats.object_size, 48);
	ck_assert_uint_eq(wide.more[0] | wide.more[1], 0);
	memset(&wide, 0xff, sizeof(wide));
	ck_assert_int_eq(kmem_cache_get_stats(cache, &wide.stats,
					      sizeof(size)), 0);
	ck_assert_uint_eq(wide.stats.object_size, 48);
	ck_assert_uint_eq(wide.stats.stride, UINT64_MAX);
	end(cache);
}
END_TEST

/* ---- visits -------------------------------------------------------------- */

struct visits {
	int	nr;
	int	stop_at;
};

static int count_visit(struct kmem_cache *visited, void *arg)
{
	struct visits *visits = arg;

	if (kmem_cache_size(visited) != 72)
		return -1;
	return ++visits->nr == visits->stop_at ? 77 : 0;
}

START_TEST(each_cache_is_visited_once)
{
	struct visits visits = { 0, 0 };
	struct kmem_cache *caches[20];
	int i;

	ck_assert_int_eq(kmem_cache_for_each(count_visit, &visits), 0);
	ck_assert_int_eq(visits.nr, 0);
	for (i = 0; i < 20; i++)
		caches[i] = make(72, 0, 0);
	ck_assert_int_eq(kmem_cache_for_each(count_visit, &visits), 0);
	ck_assert_int_eq(visits.nr, 20);
	visits = (struct visits){ 0, 3 };
	ck_assert_int_eq(kmem_cache_for_each(count_visit, &visits), 77);
	ck_assert_int_eq(visits.nr, 3);
	for (i = 0; i < 20; i++)
		end(caches[i]);
	visits = (struct visits){ 0, 0 };
	ck_assert_int_eq(kmem_cache_for_each(count_visit, &visits), 0);
	ck_assert_int_eq(visits.nr, 0);
	ck_assert_int_eq(kmem_cache_for_each(NULL, NULL), -EINVAL);
}
END_TEST

static int visit_pool(mempool_t *pool, void *arg)
{
	(void)pool;
	++*(int *)arg;
	return 0;
}

START_TEST(pools_and_caches_are_listed_apart)
{
	mempool_t *pool = mempool_create_page_pool(1, 0);
	struct visits visits = { 0, 0 };
	int nr_pools = 0;

	ck_assert_ptr_nonnull(pool);
	cache = make(72, 0, 0);
	ck_assert_int_eq(mempool_for_each(visit_pool, &nr_pools), 0);
	ck_assert_int_eq(nr_pools, 1);
	ck_assert_int_eq(kmem_cache_for_each(count_visit, &visits), 0);
	ck_assert_int_eq(visits.nr, 1);
	mempool_destroy(pool);
	end(cache);
}
END_TEST

struct long_visit {
	pthread_t	thread;
	atomic_bool	started, done;
	bool		destroyed_meanwhile, used, made_another;
	int		err;
};

static void *destroy_it(void *arg)
{
	struct long_visit *v = arg;

	atomic_store(&v->started, true);
	v->err = kmem_cache_destroy(cache);
	atomic_store(&v->done, true);
	return NULL;
}

static int visit_while_destroyed(struct kmem_cache *visited, void *arg)
{
	struct long_visit *v = arg;
	struct kmem_cache *another;
	void *object;

	pthread_create(&v->thread, NULL, destroy_it, v);
	wait_for_flag(&v->started);
	pause_ms(50);
	v->destroyed_meanwhile = atomic_load(&v->done);
	object = kmem_cache_alloc(visited, GFP_KERNEL);
	v->used = object != NULL;
	kmem_cache_free(visited, object);
	another = kmem_cache_create("another", 8, 0, 0, NULL);
	v->made_another = another && kmem_cache_destroy(another) == 0;
	return 1;
}

START_TEST(a_cache_stays_while_it_is_visited)
{
	struct long_visit v = { .done = false };

	cache = make(64, 0, 0);
	ck_assert_int_eq(kmem_cache_for_each(visit_while_destroyed, &v), 1);
	pthread_join(v.thread, NULL);
	ck_assert(!v.destroyed_meanwhile);
	ck_assert(v.used);
	ck_assert(v.made_another);
	ck_assert_int_eq(v.err, 0);
}
END_TEST

/* -------------------------------------------------------------------------- */

static void add_creation(Suite *s)
{
	TCase *tc = tcase_create("creation");

	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_loop_test(tc, a_size_of_0_or_too_large_is_refused, 0, 2);
	tcase_add_loop_test(tc, an_alignment_that_is_none_is_refused, 0, 2);
	tcase_add_test(tc, unknown_flags_are_refused);
	tcase_add_test(tc, a_cache_needs_a_name);
	tcase_add_test(tc, two_caches_may_have_one_name);
	tcase_add_test(tc, one_constructor_is_enough);
	tcase_add_test(tc, nodes_below_none_are_refused);
	tcase_add_test(tc, a_node_that_is_not_there_is_a_hint_all_the_same);
	tcase_add_test(tc,
		arguments_of_another_release_are_known_by_their_size);
	tcase_add_test(tc, what_ported_code_says_besides_has_no_effect);
	tcase_add_test(tc, creation_leaves_errno_alone);
	tcase_add_test(tc, creation_that_must_not_fail_aborts);
	tcase_add_test(tc, a_structure_makes_a_cache);
	tcase_add_test(tc, no_call_minds_a_null_cache);
	tcase_add_test(tc, unknown_gfp_bits_are_refused);
	tcase_add_loop_test(tc, what_is_constructed_cannot_be_zeroed, 0, 2);
	tcase_add_test(tc, bulk_needs_room_for_its_objects);
	suite_add_tcase(s, tc);
}

static void add_objects(Suite *s)
{
	TCase *tc = tcase_create("objects");

	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_test(tc, a_call_that_succeeds_leaves_errno_alone);
	tcase_add_test(tc, what_constructors_do_to_errno_is_not_seen);
	tcase_add_loop_test(tc, objects_of_any_size_are_aligned, 0, 2);
	tcase_add_loop_test(tc,
		small_objects_share_a_cache_line_and_none_has_two_for_nothing,
		0, 2);
	tcase_add_loop_test(tc, no_two_objects_share_a_byte, 0, 14);
	tcase_add_test(tc, first_objects_of_slabs_are_at_different_places);
	tcase_add_test(tc, zeroed_is_every_byte_of_what_was_used_before);
	tcase_add_test(tc, null_is_passed_over_when_objects_are_freed);
	tcase_add_test(tc, null_is_passed_over_wherever_in_a_bulk);
	tcase_add_test(tc, a_bulk_over_many_slabs_comes_and_goes_at_once);
	suite_add_tcase(s, tc);
	tc = tcase_create("constructors");
	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_test(tc, an_object_is_constructed_once_and_destructed_once);
	tcase_add_test(tc, a_constructed_object_stays_as_it_was_left);
	tcase_add_test(tc, a_destructor_alone_runs_for_each_object_too);
	tcase_add_loop_test(tc, a_constructor_that_fails_leaves_the_cache_whole,
			    0, 5);
	tcase_add_test(tc, a_bulk_whose_constructor_fails_takes_nothing);
	tcase_add_test(tc, a_constructor_may_use_another_cache);
	suite_add_tcase(s, tc);
}

static void add_ends(Suite *s)
{
	TCase *tc = tcase_create("misuse");

	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_test(tc, an_address_of_no_cache_is_no_object);
	tcase_add_loop_test(tc, an_object_of_another_cache_is_none_of_this,
			    0, 2);
	tcase_add_loop_test(tc, an_object_given_back_twice_in_a_row_is_seen,
			    0, 4);
	tcase_add_test(tc, a_constructed_object_is_known_by_its_place);
	tcase_add_test(tc, a_cache_with_objects_outside_is_not_destroyed);
	tcase_add_test(tc, a_cache_is_destroyed_once);
	suite_add_tcase(s, tc);
	tc = tcase_create("looks");
	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_test(tc, statistics_say_what_happened);
	tcase_add_test(tc, statistics_fit_into_what_the_caller_has);
	tcase_add_test(tc, each_cache_is_visited_once);
	tcase_add_test(tc, pools_and_caches_are_listed_apart);
	tcase_add_test(tc, a_cache_stays_while_it_is_visited);
	suite_add_tcase(s, tc);
}

int main(void)
{
	Suite *s = suite_create("cache");

	add_creation(s);
	add_objects(s);
	add_ends(s);
	return run_suite(s);
}
