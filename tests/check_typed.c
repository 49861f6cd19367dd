/* SPDX-License-Identifier: MIT */
/*
 * check_typed.c - pools that objects know
 */
#include "config.h"

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdalign.h>
#include <string.h>
#include <sys/resource.h>

#include <kmempool/slab.h>
#include <kmempool/typed.h>

#include "suite.h"
#include "testlib.h"

struct call {
	alignas(32) char	name[40];
	long			id;
};

static int count(struct kmem_cache *cache, void *arg)
{
	(void)cache;
	++*(int *)arg;
	return 0;
}

static int nr_caches(void)
{
	int nr = 0;

	kmem_cache_for_each(count, &nr);
	return nr;
}

START_TEST(a_typed_pool_has_objects_of_its_type)
{
	mempool_t *calls = mempool_new(struct call, 4);
	struct call *call[10];
	int i;

	ck_assert_ptr_nonnull(calls);
	ck_assert_uint_eq(stats_of(calls).curr_nr, 4);
	for (i = 0; i < 10; i++) {
		call[i] = mempool_get(calls);
		ck_assert_ptr_nonnull(call[i]);
		ck_assert_uint_eq((uintptr_t)call[i] % 32, 0);
		memset(call[i], i, sizeof(*call[i]));
	}
	for (i = 0; i < 10; i++) {
		ck_assert_int_eq(call[i]->name[39], i);
		mempool_put(call[i]);
	}
	ck_assert_int_eq(stats_of(calls).outstanding, 0);
	mempool_destroy(calls);
	ck_assert_int_eq(nr_caches(), 0);
}
END_TEST

START_TEST(it_is_found_by_the_name_of_its_type)
{
	mempool_t *calls = mempool_new(struct call, 1);

	ck_assert_ptr_eq(mempool_find("struct call"), calls);
	mempool_destroy(calls);
	ck_assert_ptr_null(mempool_find("struct call"));
}
END_TEST

START_TEST(an_object_goes_back_to_its_own_pool)
{
	mempool_t *longs = mempool_new(long, 1), *calls =
		mempool_new(struct call, 1);
	void *a = mempool_get(longs), *b = mempool_get(calls);

	mempool_put(b);
	ck_assert_int_eq(stats_of(longs).outstanding, 1);
	ck_assert_int_eq(stats_of(calls).outstanding, 0);
	mempool_put(a);
	ck_assert_int_eq(stats_of(longs).outstanding, 0);
	mempool_put(NULL);
	mempool_destroy(longs);
	mempool_destroy(calls);
}
END_TEST

START_TEST(get0_gives_zeroes)
{
	static const struct call zero;
	mempool_t *calls = mempool_new(struct call, 1);
	struct call *call;
	int i;

	for (i = 0; i < 3; i++) {
		call = mempool_get0(calls);
		ck_assert_mem_eq(call, &zero, sizeof(zero));
		memset(call, 0xff, sizeof(*call));
		mempool_put(call);
	}
	mempool_destroy(calls);
}
END_TEST

START_TEST(no_pool_has_no_objects)
{
	errno = 0;
	ck_assert_ptr_null(mempool_get(NULL));
	ck_assert_int_eq(errno, EINVAL);
	errno = 0;
	ck_assert_ptr_null(mempool_get0(NULL));
	ck_assert_int_eq(errno, EINVAL);
}
END_TEST

START_TEST(what_is_put_fills_the_reserve_first)
{
	mempool_t *calls = mempool_new(struct call, 2);
	struct mempool_stats stats;
	void *a, *b;

	a = mempool_alloc_preallocated(calls);
	b = mempool_alloc_preallocated(calls);
	ck_assert_ptr_nonnull(b);
	mempool_put(a);
	mempool_put(b);
	stats = stats_of(calls);
	ck_assert_uint_eq(stats.curr_nr, 2);
	ck_assert_uint_eq(stats.free_reserve, 2);
	mempool_destroy(calls);
}
END_TEST

#if !defined(TESTLIB_ASAN) && !defined(TESTLIB_TSAN)
struct huge {
	struct huge	*next;
	char		bytes[(1 << 20) - sizeof(struct huge *)];
};

/* Takes what there is, and returns it as a chain. */
static struct huge *take_all(mempool_t *pool)
{
	struct huge *all = NULL, *huge;

	while ((huge = mempool_get(pool))) {
		huge->next = all;
		all = huge;
	}
	return all;
}

START_TEST(get_takes_the_reserve_last_and_never_sleeps)
{
	mempool_t *pool = mempool_new(struct huge, 3);
	struct huge *all, *huge;
	struct rlimit limit;

	getrlimit(RLIMIT_AS, &limit);
	limit.rlim_cur = (rlim_t)1 << 28;
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
	errno = 0;
	all = take_all(pool);
	ck_assert_int_eq(errno, EAGAIN);
	errno = 0;
	ck_assert_ptr_null(mempool_get0(pool));
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_uint_eq(stats_of(pool).alloc_reserve, 3);
	ck_assert_uint_eq(stats_of(pool).curr_nr, 0);
	ck_assert_uint_eq(stats_of(pool).waits, 0);
	while ((huge = all)) {
		all = huge->next;
		mempool_put(huge);
	}
	ck_assert_uint_eq(stats_of(pool).curr_nr, 3);
	mempool_destroy(pool);
}
END_TEST
#endif

START_TEST(a_typed_pool_that_cannot_be_is_refused)
{
	static const struct {
		const char	*type;
		size_t		size, align;
		int		nr;
		unsigned int	flags;
	} bad[] = {
		{ NULL, 8, 8, 1, 0 },
		{ "t", 0, 8, 1, 0 },
		{ "t", KMEM_CACHE_SIZE_MAX + 1, 8, 1, 0 },
		{ "t", (size_t)1 << 40, 8, 1, 0 },
		{ "t", 8, 3, 1, 0 },
		{ "t", 8, (size_t)1 << 40, 1, 0 },
		{ "t", 8, 8, -1, 0 },
		{ "t", 8, 8, 1, 2 },
	};
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		errno = 0;
		ck_assert_ptr_null(mempool_new_typed(bad[i].type, bad[i].size,
						     bad[i].align, bad[i].nr,
						     bad[i].flags));
		ck_assert_int_eq(errno, EINVAL);
		ck_assert_int_eq(nr_caches(), 0);
	}
}
END_TEST

#if !defined(TESTLIB_ASAN) && !defined(TESTLIB_TSAN)
START_TEST(a_typed_pool_without_memory_for_its_objects_fails)
{
	struct rlimit limit;

	getrlimit(RLIMIT_AS, &limit);
	limit.rlim_cur = (rlim_t)1 << 30;
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
	errno = 0;
	ck_assert_ptr_null(mempool_new_typed("t", 4u << 20, 8, 1000, 0));
	ck_assert_int_eq(errno, ENOMEM);
	ck_assert_int_eq(nr_caches(), 0);
}
END_TEST
#endif

/* ---- its end ----------------------------------------------------------- */

static char reported[512];

static void keep(const char *text, void *arg)
{
	(void)arg;
	strncpy(reported, text, sizeof(reported) - 1);
}

START_TEST(a_pool_that_was_asked_to_reports_at_its_end)
{
	mempool_t *calls = mempool_new_typed("struct call", sizeof(struct call),
					     32, 2, MEMPOOL_NEW_REPORT);
	void *call[7];
	int i, k;

	kmempool_set_report(keep, NULL);
	for (k = 0; k < 3; k++) {
		for (i = 0; i < 7 - k; i++)
			call[i] = mempool_get(calls);
		for (i = 0; i < 7 - k; i++)
			mempool_put(call[i]);
	}
	mempool_destroy(calls);
	ck_assert_ptr_nonnull(strstr(reported, "struct call"));
	ck_assert_ptr_nonnull(strstr(reported, "64 bytes"));
	ck_assert_ptr_nonnull(strstr(reported, "18 served"));
	ck_assert_ptr_nonnull(strstr(reported, "7 out at most"));
	ck_assert_ptr_nonnull(strstr(reported, "0 now"));
}
END_TEST

START_TEST(a_pool_that_was_not_asked_to_is_quiet)
{
	kmempool_set_report(keep, NULL);
	mempool_destroy(mempool_new(struct call, 2));
	ck_assert_str_eq(reported, "");
}
END_TEST

START_TEST(an_object_that_outlives_its_pool_can_be_put)
{
	mempool_t *calls = mempool_new(struct call, 2);
	struct call *call = mempool_get(calls);

	mempool_destroy(calls);
	ck_assert_ptr_null(mempool_find("struct call"));
	memset(call, 1, sizeof(*call));
	mempool_put(call);
}
END_TEST

START_TEST(putting_what_is_of_no_typed_pool_stops_the_program)
{
	struct kmem_cache *cache;
	static long fixed[4];

	if (_i == 0) {
		mempool_put(&fixed[2]);
	} else {
		cache = kmem_cache_create("not typed", 8, 0, 0, NULL);
		mempool_put(kmem_cache_alloc(cache, GFP_KERNEL));
	}
}
END_TEST

static Suite *typed(void)
{
	Suite *suite = suite_create("typed");
	TCase *tc = tcase_create("typed");

	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_test(tc, a_typed_pool_has_objects_of_its_type);
	tcase_add_test(tc, it_is_found_by_the_name_of_its_type);
	tcase_add_test(tc, an_object_goes_back_to_its_own_pool);
	tcase_add_test(tc, get0_gives_zeroes);
	tcase_add_test(tc, no_pool_has_no_objects);
	tcase_add_test(tc, what_is_put_fills_the_reserve_first);
#if !defined(TESTLIB_ASAN) && !defined(TESTLIB_TSAN)
	tcase_add_test(tc, get_takes_the_reserve_last_and_never_sleeps);
#endif
	tcase_add_test(tc, a_typed_pool_that_cannot_be_is_refused);
#if !defined(TESTLIB_ASAN) && !defined(TESTLIB_TSAN)
	tcase_add_test(tc, a_typed_pool_without_memory_for_its_objects_fails);
#endif
	tcase_add_test(tc, a_pool_that_was_asked_to_reports_at_its_end);
	tcase_add_test(tc, a_pool_that_was_not_asked_to_is_quiet);
	tcase_add_test(tc, an_object_that_outlives_its_pool_can_be_put);
	tcase_add_loop_test_raise_signal(tc,
		putting_what_is_of_no_typed_pool_stops_the_program, SIGABRT,
		0, 2);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	return run_suite(typed());
}
