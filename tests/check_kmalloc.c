/* SPDX-License-Identifier: MIT */
/*
 * check_kmalloc.c - memory by size
 */
#include "config.h"

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <kmempool/kmalloc.h>
#include <kmempool/mempool.h>
#include <kmempool/slab.h>

#include "suite.h"
#include "testlib.h"

#define MIB	((size_t)1 << 20)

static bool is_all(const void *p, int byte, size_t size)
{
	const unsigned char *bytes = p;
	size_t i;

	for (i = 0; i < size; i++)
		if (bytes[i] != (unsigned char)byte)
			return false;
	return true;
}

/* The same bytes for the same place, whatever the size. */
static void fill(void *p, size_t size)
{
	unsigned char *bytes = p;
	size_t i;

	for (i = 0; i < size; i++)
		bytes[i] = (unsigned char)(i * 7 + (i >> 8));
}

static bool is_filled(const void *p, size_t size)
{
	const unsigned char *bytes = p;
	size_t i;

	for (i = 0; i < size; i++)
		if (bytes[i] != (unsigned char)(i * 7 + (i >> 8)))
			return false;
	return true;
}

/* ---- sizes ------------------------------------------------------------- */

START_TEST(no_size_class_loses_more_than_a_fifth)
{
	size_t size, usable;
	void *p;

	for (size = 1; size <= KMALLOC_CACHE_SIZE_MAX; size++) {
		p = kmalloc(size, GFP_KERNEL);
		usable = ksize(p);
		kfree(p);
		if (usable < size ||
		    (size > 128 && (usable - size) * 5 > usable) ||
		    (size <= 128 && usable - size > 15))
			ck_abort_msg("%zu bytes of %zu", size, usable);
	}
}
END_TEST

START_TEST(all_of_ksize_may_be_used)
{
	static const size_t sizes[] = {
		1, 8, 9, 100, 129, 4097, 100000, KMALLOC_CACHE_SIZE_MAX,
		KMALLOC_CACHE_SIZE_MAX + 1, 3 * MIB + 5
	};
	void *p[2];
	size_t i, k;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		for (k = 0; k < 2; k++) {
			p[k] = kmalloc(sizes[i], GFP_KERNEL);
			memset(p[k], 'a' + (int)k, ksize(p[k]));
		}
		for (k = 0; k < 2; k++)
			ck_assert(is_all(p[k], 'a' + (int)k, ksize(p[k])));
		kfree(p[0]);
		kfree(p[1]);
	}
}
END_TEST

START_TEST(alignment_is_16_or_the_power_of_two_that_was_asked_for)
{
	size_t size, align;
	void *p;

	for (size = 1; size <= 4 * KMALLOC_CACHE_SIZE_MAX;
	     size += 1 + size / 50) {
		align = size <= 8 ? 8 : 16;
		p = kmalloc(size, GFP_KERNEL);
		ck_assert_uint_eq((uintptr_t)p % align, 0);
		kfree(p);
	}
	for (size = 8; size <= MIB; size *= 2) {
		align = size < 4096 ? size : 4096;
		p = kmalloc(size, GFP_KERNEL);
		ck_assert_uint_eq((uintptr_t)p % align, 0);
		kfree(p);
	}
}
END_TEST

/* bench/sizes: what a compiler asks for. */
START_TEST(at_most_a_tenth_is_lost_on_what_a_compiler_asks_for)
{
	unsigned long long asked = 0, given = 0, calls;
	const char *top = getenv("top_srcdir");
	char name[4096], line[128];
	size_t size;
	FILE *file;
	void *p;

	snprintf(name, sizeof(name), "%s/bench/sizes", top ? top : ".");
	file = fopen(name, "r");
	ck_assert_ptr_nonnull(file);
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%zu %llu", &size, &calls) != 2)
			continue;
		p = kmalloc(size, GFP_KERNEL);
		asked += calls * size;
		given += calls * ksize(p);
		kfree(p);
	}
	fclose(file);
	ck_assert_uint_gt(asked, 1000000000ull);
	ck_assert_uint_le((given - asked) * 10, asked);
}
END_TEST

START_TEST(no_bytes_are_not_null_and_may_be_freed)
{
	void *p = kmalloc(0, GFP_KERNEL);

	ck_assert_ptr_eq(p, ZERO_SIZE_PTR);
	ck_assert(ZERO_OR_NULL_PTR(p));
	ck_assert_uint_eq(ksize(p), 0);
	kfree(p);
	ck_assert_ptr_eq(kzalloc(0, GFP_KERNEL), ZERO_SIZE_PTR);
	ck_assert_ptr_eq(kcalloc(0, 5, GFP_KERNEL), ZERO_SIZE_PTR);
	ck_assert_ptr_eq(kmalloc_array(5, 0, GFP_KERNEL), ZERO_SIZE_PTR);
	kfree(NULL);
	ck_assert_uint_eq(ksize(NULL), 0);
}
END_TEST

START_TEST(a_size_that_cannot_be_is_no_memory)
{
	errno = 0;
	ck_assert_ptr_null(kmalloc(SIZE_MAX, GFP_KERNEL));
	ck_assert_int_eq(errno, ENOMEM);
	errno = 0;
	ck_assert_ptr_null(kmalloc(PTRDIFF_MAX, GFP_NOWAIT));
	ck_assert_int_eq(errno, ENOMEM);
	errno = 0;
	ck_assert_ptr_null(kzalloc(SIZE_MAX, GFP_KERNEL));
	ck_assert_int_eq(errno, ENOMEM);
}
END_TEST

START_TEST(a_product_that_overflows_is_no_memory)
{
	errno = 0;
	ck_assert_ptr_null(kcalloc(SIZE_MAX / 2, 3, GFP_KERNEL));
	ck_assert_int_eq(errno, ENOMEM);
	errno = 0;
	ck_assert_ptr_null(kmalloc_array(SIZE_MAX / 8 + 1, 8, GFP_KERNEL));
	ck_assert_int_eq(errno, ENOMEM);
}
END_TEST

START_TEST(an_unknown_bit_is_refused)
{
	void *p = kmalloc(10, GFP_KERNEL);

	errno = 0;
	ck_assert_ptr_null(kmalloc(10, 1u << 30));
	ck_assert_int_eq(errno, EINVAL);
	errno = 0;
	ck_assert_ptr_null(kzalloc(10, 1u << 30));
	ck_assert_int_eq(errno, EINVAL);
	errno = 0;
	ck_assert_ptr_null(kcalloc(5, 2, 1u << 30));
	ck_assert_int_eq(errno, EINVAL);
	errno = 0;
	ck_assert_ptr_null(kmalloc_array(5, 2, 1u << 30));
	ck_assert_int_eq(errno, EINVAL);
	errno = 0;
	ck_assert_ptr_null(krealloc(p, 20, 1u << 30));
	ck_assert_int_eq(errno, EINVAL);
	kfree(p);
}
END_TEST

START_TEST(success_leaves_errno_alone)
{
	void *p;

	errno = 4242;
	p = kmalloc(100, GFP_KERNEL);
	p = krealloc(p, 1000000, GFP_KERNEL);
	p = krealloc(p, 5000000, GFP_KERNEL);
	p = krealloc(p, 300000, GFP_KERNEL);
	p = krealloc(p, 10, GFP_KERNEL);
	kfree(p);
	kfree(kzalloc(200000, GFP_KERNEL));
	ck_assert_int_eq(errno, 4242);
}
END_TEST

/* ---- zeroes ------------------------------------------------------------ */

START_TEST(zeroed_means_all_of_it_again_and_again)
{
	static const size_t sizes[] = { 5, 64, 1000, 70000, 200000 };
	size_t i, k, usable;
	void *p;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		for (k = 0; k < 4; k++) {
			p = k & 1 ? kzalloc(sizes[i], GFP_KERNEL)
				  : kcalloc(1, sizes[i], GFP_KERNEL);
			usable = ksize(p);
			ck_assert(is_all(p, 0, usable));
			memset(p, 0xff, usable);
			kfree(p);
		}
	}
}
END_TEST

START_TEST(what_grows_is_zeroed_if_asked)
{
	size_t size, old;
	char *p;

	p = kzalloc(1, GFP_KERNEL);
	for (size = 1; size < 2 * MIB; size = size * 3 / 2 + 1) {
		old = ksize(p);
		memset(p, 1, old);
		p = krealloc(p, size, GFP_KERNEL | __GFP_ZERO);
		ck_assert_ptr_nonnull(p);
		if (ksize(p) > old)
			ck_assert(is_all(p + old, 0, ksize(p) - old));
	}
	kfree(p);
}
END_TEST

/* Within a size class, within the last granule of large memory, and beyond. */
static const struct {
	size_t	from, to;
} cuts[] = {
	{ 112, 60 }, { 100000, 90000 }, { 190000, 140000 }, { 600000, 140000 },
};

#define NR_CUTS	((int)(sizeof(cuts) / sizeof(cuts[0])))

START_TEST(what_lay_beyond_ksize_meanwhile_is_zeroed_if_asked)
{
	size_t old;
	char *p = kmalloc(cuts[_i].from, GFP_KERNEL);

	memset(p, 1, ksize(p));
	p = krealloc(p, cuts[_i].to, GFP_KERNEL);
	old = ksize(p);
	p = krealloc(p, cuts[_i].from, GFP_KERNEL | __GFP_ZERO);
	ck_assert(is_all(p + old, 0, ksize(p) - old));
	ck_assert(is_all(p, 1, cuts[_i].to));
	kfree(p);
}
END_TEST

START_TEST(who_always_asks_for_zeroes_gets_them_behind_each_size)
{
	char *p = kzalloc(cuts[_i].from, GFP_KERNEL);

	memset(p, 1, ksize(p));
	p = krealloc(p, cuts[_i].to, GFP_KERNEL | __GFP_ZERO);
	ck_assert(is_all(p, 1, cuts[_i].to));
	ck_assert(is_all(p + cuts[_i].to, 0, ksize(p) - cuts[_i].to));
	p = krealloc(p, cuts[_i].from, GFP_KERNEL | __GFP_ZERO);
	ck_assert(is_all(p, 1, cuts[_i].to));
	ck_assert(is_all(p + cuts[_i].to, 0, ksize(p) - cuts[_i].to));
	kfree(p);
}
END_TEST

/* ---- krealloc ---------------------------------------------------------- */

START_TEST(what_is_in_it_moves_along)
{
	size_t size, old = 0;
	char *p = NULL;

	for (size = 1; size < 40 * MIB; size = size * 5 / 4 + 1) {
		p = krealloc(p, size, GFP_KERNEL);
		ck_assert_ptr_nonnull(p);
		ck_assert_uint_ge(ksize(p), size);
		ck_assert(is_filled(p, old));
		fill(p, size);
		old = size;
	}
	for (; size > 1; size = size * 3 / 5) {
		p = krealloc(p, size, GFP_KERNEL);
		ck_assert_ptr_nonnull(p);
		ck_assert(is_filled(p, size < old ? size : old));
	}
	kfree(p);
}
END_TEST

START_TEST(a_little_more_or_less_stays_where_it_is)
{
	void *p = kmalloc(100, GFP_KERNEL);

	ck_assert_ptr_eq(krealloc(p, 112, GFP_KERNEL), p);
	ck_assert_ptr_eq(krealloc(p, 60, GFP_KERNEL), p);
	p = krealloc(p, 10, GFP_KERNEL);
	ck_assert_uint_le(ksize(p), 16);
	kfree(p);
}
END_TEST

START_TEST(null_is_allocated_and_no_bytes_are_freed)
{
	void *p = krealloc(NULL, 100, GFP_KERNEL);

	ck_assert_ptr_nonnull(p);
	ck_assert_ptr_eq(krealloc(p, 0, GFP_KERNEL), ZERO_SIZE_PTR);
	p = krealloc(ZERO_SIZE_PTR, 300000, GFP_KERNEL);
	ck_assert_ptr_nonnull(p);
	ck_assert_ptr_eq(krealloc(p, 0, GFP_KERNEL), ZERO_SIZE_PTR);
}
END_TEST

/* Something lies behind it, so that it cannot grow in place. */
START_TEST(large_memory_grows_by_moving_its_pages)
{
	size_t size = 8 * MIB, i;
	struct rusage before, after;
	void *wall = NULL;
	char *p;

	for (i = 0; i < 64 && wall == NULL; i++) {
		p = kmalloc(size, GFP_KERNEL);
		fill(p, size);
		wall = mmap(p + size, 65536, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS |
			    MAP_FIXED_NOREPLACE, -1, 0);
		if (wall == MAP_FAILED)
			wall = p;	/* there is something already */
	}
	getrusage(RUSAGE_SELF, &before);
	p = krealloc(p, 2 * size, GFP_KERNEL);
	getrusage(RUSAGE_SELF, &after);
	ck_assert_ptr_nonnull(p);
	/* Copying would touch all pages of the new place. */
	ck_assert_int_lt(after.ru_minflt - before.ru_minflt,
			 (long)(size / 4096) / 2);
	ck_assert(is_filled(p, size));
	kfree(p);
}
END_TEST

START_TEST(memory_that_cannot_grow_stays_as_it_was)
{
	static const size_t sizes[] = { 1000, 200000 };
	size_t i;
	void *p;

	for (i = 0; i < 2; i++) {
		p = kmalloc(sizes[i], GFP_KERNEL);
		fill(p, sizes[i]);
		errno = 0;
		ck_assert_ptr_null(krealloc(p, SIZE_MAX / 2 - 70000,
					    GFP_KERNEL));
		ck_assert_int_eq(errno, ENOMEM);
		ck_assert(is_filled(p, sizes[i]));
		kfree(p);
	}
}
END_TEST

#if !defined(TESTLIB_ASAN) && !defined(TESTLIB_TSAN)
static void limit_address_space(size_t more)
{
	struct rlimit limit;
	unsigned long pages = 0;
	FILE *file = fopen("/proc/self/statm", "r");

	ck_assert_ptr_nonnull(file);
	ck_assert_int_eq(fscanf(file, "%lu", &pages), 1);
	fclose(file);
	getrlimit(RLIMIT_AS, &limit);
	limit.rlim_cur = pages * 4096 + more;
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
}

START_TEST(shrinking_never_fails)
{
	void *p = kmalloc(100000, GFP_KERNEL);

	fill(p, 100000);
	limit_address_space(0);
	errno = 4242;
	/* There is no cache for the size yet, and no memory for one. */
	ck_assert_ptr_eq(krealloc(p, 3333, GFP_KERNEL), p);
	ck_assert_int_eq(errno, 4242);
	ck_assert(is_filled(p, 3333));
	kfree(p);
}
END_TEST
#endif

/* ---- misuse ------------------------------------------------------------ */

START_TEST(freeing_what_is_not_ours_stops_the_program)
{
	static char fixed[64];
	char on_stack[64] = "";
	char *p;

	switch (_i) {
	case 0:
		kfree(&fixed[16]);
		break;
	case 1:
		kfree(on_stack);
		break;
	case 2:
		kfree((void *)(uintptr_t)0x123456789000);
		break;
	case 3:
		kfree(strdup("not of here"));
		break;
	case 4:
		/* Inside large memory, in its first granule and after it. */
		p = kmalloc(300000, GFP_KERNEL);
		kfree(p + 4096);
		break;
	case 5:
		p = kmalloc(300000, GFP_KERNEL);
		kfree(p + 100000);
		break;
	case 6:
		p = kmalloc(300000, GFP_KERNEL);
		kfree(p);
		kfree(p);
		break;
	case 7:
		p = kmalloc(64, GFP_KERNEL);
		kfree(p);
		kfree(p);
		break;
	case 8:
		(void)ksize(&fixed[16]);
		break;
	default:
		(void)!krealloc(&fixed[16], 10, GFP_KERNEL);
	}
}
END_TEST

#define NR_FOREIGN	10

/* ---- with others ------------------------------------------------------- */

START_TEST(kfree_takes_objects_of_any_cache)
{
	struct kmem_cache *cache = kmem_cache_create("any", 100, 0, 0, NULL);
	void *object = kmem_cache_alloc(cache, GFP_KERNEL);

	ck_assert_uint_eq(ksize(object), 100);
	kfree(object);
	ck_assert_int_eq(kmem_cache_destroy(cache), 0);
}
END_TEST

static int find_general(struct kmem_cache *cache, void *arg)
{
	struct kmem_cache_stats stats;

	kmem_cache_get_stats(cache, &stats, sizeof(stats));
	*(uint64_t *)arg = stats.active;
	return stats.object_size == 112;
}

START_TEST(general_caches_are_among_all_caches)
{
	void *p = kmalloc(100, GFP_KERNEL);
	uint64_t active = 0;

	ck_assert_int_eq(kmem_cache_for_each(find_general, &active), 1);
	ck_assert_uint_eq(active, 1);
	kfree(p);
}
END_TEST

#define NR_THREADS	4
#define NR_SLOTS	64

static unsigned int nr_bad;		/* atomic */

static void *mix(void *arg)
{
	unsigned int seed = *(unsigned int *)arg;
	void *slots[NR_SLOTS] = { NULL };
	size_t sizes[NR_SLOTS] = { 0 };
	size_t size;
	int i, at;

	for (i = 0; i < 20000; i++) {
		at = rand_r(&seed) % NR_SLOTS;
		size = ((size_t)1 << (rand_r(&seed) % 18)) +
		       (size_t)rand_r(&seed) % 100;
		if (slots[at] && !is_filled(slots[at], sizes[at]))
			__atomic_fetch_add(&nr_bad, 1, __ATOMIC_RELAXED);
		if (rand_r(&seed) & 1) {
			kfree(slots[at]);
			slots[at] = NULL;
			continue;
		}
		slots[at] = krealloc(slots[at], size, GFP_KERNEL);
		sizes[at] = size < 200 ? size : 200;
		fill(slots[at], sizes[at]);
	}
	for (at = 0; at < NR_SLOTS; at++)
		kfree(slots[at]);
	return NULL;
}

START_TEST(threads_that_mix_sizes_never_share_memory)
{
	unsigned int seeds[NR_THREADS];
	pthread_t threads[NR_THREADS];
	unsigned int i;

	nr_bad = 0;
	for (i = 0; i < NR_THREADS; i++) {
		seeds[i] = i + 1;
		pthread_create(&threads[i], NULL, mix, &seeds[i]);
	}
	for (i = 0; i < NR_THREADS; i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_eq(nr_bad, 0);
}
END_TEST

static Suite *memory(void)
{
	Suite *suite = suite_create("kmalloc");
	TCase *tc;

	tc = tcase_create("sizes");
	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_test(tc, no_size_class_loses_more_than_a_fifth);
	tcase_add_test(tc, all_of_ksize_may_be_used);
	tcase_add_test(tc,
		alignment_is_16_or_the_power_of_two_that_was_asked_for);
	tcase_add_test(tc, at_most_a_tenth_is_lost_on_what_a_compiler_asks_for);
	tcase_add_test(tc, no_bytes_are_not_null_and_may_be_freed);
	tcase_add_test(tc, a_size_that_cannot_be_is_no_memory);
	tcase_add_test(tc, a_product_that_overflows_is_no_memory);
	tcase_add_test(tc, an_unknown_bit_is_refused);
	tcase_add_test(tc, success_leaves_errno_alone);
	suite_add_tcase(suite, tc);

	tc = tcase_create("content");
	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_test(tc, zeroed_means_all_of_it_again_and_again);
	tcase_add_test(tc, what_grows_is_zeroed_if_asked);
	tcase_add_loop_test(tc,
		what_lay_beyond_ksize_meanwhile_is_zeroed_if_asked, 0, NR_CUTS);
	tcase_add_loop_test(tc,
		who_always_asks_for_zeroes_gets_them_behind_each_size, 0,
		NR_CUTS);
	tcase_add_test(tc, what_is_in_it_moves_along);
	tcase_add_test(tc, a_little_more_or_less_stays_where_it_is);
	tcase_add_test(tc, null_is_allocated_and_no_bytes_are_freed);
	tcase_add_test(tc, large_memory_grows_by_moving_its_pages);
	tcase_add_test(tc, memory_that_cannot_grow_stays_as_it_was);
#if !defined(TESTLIB_ASAN) && !defined(TESTLIB_TSAN)
	tcase_add_test(tc, shrinking_never_fails);
#endif
	suite_add_tcase(suite, tc);

	tc = tcase_create("misuse");
	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_loop_test_raise_signal(tc,
		freeing_what_is_not_ours_stops_the_program, SIGABRT, 0,
		NR_FOREIGN);
	suite_add_tcase(suite, tc);

	tc = tcase_create("others");
	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_test(tc, kfree_takes_objects_of_any_cache);
	tcase_add_test(tc, general_caches_are_among_all_caches);
	tcase_add_test(tc, threads_that_mix_sizes_never_share_memory);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	return run_suite(memory());
}
