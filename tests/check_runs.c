/* SPDX-License-Identifier: MIT */
/*
 * check_runs.c - runs that went back: how many are kept, which, and until when
 *
 * White-box.  No cache comes by here, so what is in use is what a test says.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <stdbool.h>
#include <sys/mman.h>

#include <check.h>

#include "pages.h"
#include "runs.h"
#include "slab.h"
#include "suite.h"
#include "testlib.h"

#define SIZES		2		/* of one granule and of two */
#define SHARE		64		/* of what is in use one is kept, */
#define AT_LEAST	4		/* granules, */
#define MANY		40		/* and so many if so many shares are */

static struct slab *make_run(size_t size)
{
	struct slab *slab = slab_header_get();

	ck_assert_ptr_nonnull(slab);
	slab->first = pages_map(size, -1);
	ck_assert_ptr_nonnull(slab->first);
	return slab;
}

static void unmake_run(struct slab *slab, size_t size)
{
	pages_unmap(slab->first, size);
	slab_header_put(slab);
}

static bool is_mapped(const void *run)
{
	unsigned char vec;

	return mincore((void *)(uintptr_t)run, 1, &vec) == 0;
}

/* How many runs of @size are kept before one is not. */
static unsigned int put_all(size_t size)
{
	struct slab *slab;
	unsigned int nr;

	for (nr = 0;; nr++) {
		slab = make_run(size);
		if (!runs_put(slab, size))
			break;
	}
	unmake_run(slab, size);
	return nr;
}

static unsigned int get_all(size_t size)
{
	struct slab *slab;
	unsigned int nr;

	for (nr = 0; (slab = runs_get(size)); nr++) {
		ck_assert(is_mapped(slab->first));
		unmake_run(slab, size);
	}
	return nr;
}

START_TEST(the_last_that_was_put_is_got_first_by_its_size)
{
	struct slab *one = make_run(GRANULE), *other = make_run(GRANULE);
	struct slab *twice = make_run(2 * GRANULE);

	ck_assert_ptr_null(runs_get(GRANULE));
	ck_assert(runs_put(one, GRANULE));
	ck_assert(runs_put(twice, 2 * GRANULE));
	ck_assert(runs_put(other, GRANULE));
	ck_assert_ptr_eq(runs_get(GRANULE), other);
	ck_assert_ptr_eq(runs_get(GRANULE), one);
	ck_assert_ptr_null(runs_get(GRANULE));
	ck_assert_ptr_eq(runs_get(2 * GRANULE), twice);
	ck_assert_ptr_null(runs_get(2 * GRANULE));
	unmake_run(one, GRANULE);
	unmake_run(other, GRANULE);
	unmake_run(twice, 2 * GRANULE);
}
END_TEST

/* _i: granules of a run.  Again and again: what comes and goes adds up. */
START_TEST(a_share_of_what_is_used_is_kept)
{
	unsigned int turn, granules = (unsigned int)_i;
	size_t size = granules * GRANULE;

	for (turn = 0; turn < 10; turn++) {
		ck_assert_uint_eq(put_all(size), AT_LEAST / granules);
		ck_assert_uint_eq(get_all(size), AT_LEAST / granules);
	}
	runs_used(AT_LEAST * SHARE * GRANULE);
	ck_assert_uint_eq(put_all(size), AT_LEAST / granules);
	runs_used((MANY - AT_LEAST) * SHARE * GRANULE);
	ck_assert_uint_eq(put_all(size), (MANY - AT_LEAST) / granules);
	for (turn = 0; turn < 10; turn++) {
		ck_assert_uint_eq(get_all(size), MANY / granules);
		ck_assert_uint_eq(put_all(size), MANY / granules);
	}
	runs_trim();
	ck_assert_uint_eq(get_all(size), 0);
	runs_unused(MANY * SHARE * GRANULE);
	ck_assert_uint_eq(put_all(size), AT_LEAST / granules);
	runs_trim();
}
END_TEST

/* The share falls by a run each time. */
START_TEST(what_is_too_much_by_now_goes_back)
{
	size_t size = (size_t)_i * GRANULE;
	unsigned int nr = MANY / (unsigned int)_i, i;
	void *runs[MANY];
	struct slab *slab;

	runs_used(MANY * SHARE * GRANULE);
	for (i = 0; i < nr; i++) {
		slab = make_run(size);
		runs[i] = slab->first;
		ck_assert(runs_put(slab, size));
	}
	for (i = nr - 1; i >= AT_LEAST / (unsigned int)_i; i--) {
		runs_unused(SHARE * size);
		ck_assert(!is_mapped(runs[i]));
		ck_assert(is_mapped(runs[i - 1]));
	}
	runs_unused(AT_LEAST * SHARE * GRANULE);
	ck_assert_uint_eq(get_all(size), AT_LEAST / (unsigned int)_i);
}
END_TEST

START_TEST(trim_gives_all_back)
{
	struct slab *slabs[SIZES];
	void *runs[SIZES];
	size_t i;

	for (i = 0; i < SIZES; i++) {
		slabs[i] = make_run((i + 1) * GRANULE);
		runs[i] = slabs[i]->first;
		ck_assert(runs_put(slabs[i], (i + 1) * GRANULE));
	}
	runs_trim();
	for (i = 0; i < SIZES; i++) {
		ck_assert(!is_mapped(runs[i]));
		ck_assert_ptr_null(runs_get((i + 1) * GRANULE));
	}
	ck_assert_uint_eq(put_all(GRANULE), AT_LEAST);
	runs_trim();
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("runs");
	TCase *tc = tcase_create("runs");

	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_test(tc, the_last_that_was_put_is_got_first_by_its_size);
	tcase_add_loop_test(tc, a_share_of_what_is_used_is_kept, 1, SIZES + 1);
	tcase_add_loop_test(tc, what_is_too_much_by_now_goes_back, 1,
			    SIZES + 1);
	tcase_add_test(tc, trim_gives_all_back);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
