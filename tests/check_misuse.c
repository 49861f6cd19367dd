/* SPDX-License-Identifier: MIT */
/*
 * check_misuse.c - misuse of elements of pools over what checks
 *
 * The twelve cases that the kernel tries on its pools: writes behind an element,
 * writes after it was freed, two frees, and frees of what is no element, over
 * memory by size, large memory, caches and pages.  The reserve is full, so that
 * an element goes back to the backend.  Each case has an exact number of
 * reports.  And how reports are worded, of objects that there are not.  Linked
 * with the library's own objects, for that and for the flags of general caches.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <check.h>

#include <kmempool/kmalloc.h>
#include <kmempool/mempool.h>
#include <kmempool/slab.h>

#include "cache.h"
#include "kmalloc.h"
#include "misuse.h"
#include "suite.h"
#include "testlib.h"

#define SIZE		100
#define LARGE_SIZE	(KMALLOC_CACHE_SIZE_MAX + 100)
#define ALL_CHECKS	(SLAB_POISON | SLAB_RED_ZONE | SLAB_STORE_USER | \
			 SLAB_CONSISTENCY_CHECKS)

static struct kmem_cache *cache;
static mempool_t *pool;

/* ---- reports ----------------------------------------------------------- */

static unsigned int nr_reports;
static char last_report[8192];

static void record(const char *text, void *arg)
{
	(void)arg;
	nr_reports++;
	snprintf(last_report, sizeof(last_report), "%s", text);
}

static void assert_reports(unsigned int nr, const char *words)
{
	ck_assert_msg(nr_reports == nr, "%u reports, the last: %s", nr_reports,
		      last_report);
	ck_assert_msg(!nr || strstr(last_report, words), "%s", last_report);
	nr_reports = 0;
}

/* The words have to be right for the program to end by a signal. */
static void expect(const char *text, void *arg)
{
	if (!strstr(text, arg)) {
		fprintf(stderr, "not expected: %s", text);
		_exit(1);
	}
}

/* ---- pools ------------------------------------------------------------- */

static unsigned char *take(void)
{
	unsigned char *element = mempool_alloc(pool, GFP_KERNEL);

	ck_assert_ptr_nonnull(element);
	return element;
}

static void begin(mempool_t *made)
{
	ck_assert_ptr_nonnull(made);
	pool = made;
	kmempool_set_report(record, NULL);
}

static void over_kmalloc(size_t size)
{
	kmalloc_flags = ALL_CHECKS;
	begin(mempool_create_kmalloc_pool(1, size));
}

static void over_cache(void)
{
	cache = kmem_cache_create("element", SIZE, 0, ALL_CHECKS, NULL);
	begin(mempool_create_slab_pool(1, cache));
}

/* Nothing more is wrong. */
static void end(void)
{
	mempool_destroy(pool);
	if (cache) {
		ck_assert_int_eq(kmem_cache_validate(cache), 0);
		ck_assert_int_eq(kmem_cache_destroy(cache), 0);
	}
	assert_reports(0, "");
}

/* ---- out of bounds ----------------------------------------------------- */

static void write_behind(size_t size, const char *words)
{
	unsigned char *element = take();

	memset(element, 0, size);
	mempool_free(element, pool);
	assert_reports(0, "");
	element = take();
	element[size] ^= 1;
	mempool_free(element, pool);
	assert_reports(1, words);
	end();
}

START_TEST(a_write_behind_memory_by_size_is_one_defect)
{
	over_kmalloc(SIZE);
	write_behind(SIZE, "cache kmalloc-112: the red zone behind the object");
}
END_TEST

START_TEST(a_write_behind_large_memory_is_one_defect)
{
	over_kmalloc(LARGE_SIZE);
	write_behind(LARGE_SIZE, "a byte behind it was written to, at its "
		     "end+0;");
}
END_TEST

START_TEST(a_write_behind_an_object_is_one_defect)
{
	over_cache();
	write_behind(SIZE, "cache element: the red zone behind the object");
}
END_TEST

/* Its size changes: seen once, and the zone is where the new size ends. */
START_TEST(a_write_behind_large_memory_is_seen_when_it_grows)
{
	unsigned char *p;

	kmalloc_flags = ALL_CHECKS;
	kmempool_set_report(record, NULL);
	p = kmalloc(LARGE_SIZE, GFP_KERNEL);
	ck_assert_ptr_nonnull(p);
	ck_assert_uint_eq(ksize(p), LARGE_SIZE);
	p[LARGE_SIZE + 1] ^= 1;
	p = krealloc(p, 2 * LARGE_SIZE, GFP_KERNEL | __GFP_ZERO);
	ck_assert_ptr_nonnull(p);
	assert_reports(1, "at its end+1;");
	ck_assert_uint_eq(ksize(p), 2 * LARGE_SIZE);
	ck_assert_uint_eq(p[LARGE_SIZE], 0);
	ck_assert_uint_eq(p[LARGE_SIZE + 1], 0);
	memset(p, 0xff, 2 * LARGE_SIZE);
	p = krealloc(p, LARGE_SIZE, GFP_KERNEL);
	assert_reports(0, "");
	p[LARGE_SIZE] ^= 1;
	kfree(p);
	assert_reports(1, "at its end+0;");
}
END_TEST

/* It zeroes what was red zone, after a look at it. */
START_TEST(memory_that_grows_zeroed_was_not_written_behind)
{
	unsigned char *p;

	kmalloc_flags = ALL_CHECKS;
	kmempool_set_report(record, NULL);
	p = kzalloc(40, GFP_KERNEL);
	p = krealloc(p, 48, GFP_KERNEL | __GFP_ZERO);
	ck_assert_ptr_nonnull(p);
	assert_reports(0, "");
	ck_assert_uint_eq(ksize(p), 48);
	ck_assert(!p[40] && !p[47]);
	p[48] ^= 1;
	p = krealloc(p, 44, GFP_KERNEL | __GFP_ZERO);
	assert_reports(1, "the red zone behind the object");
	p[44] ^= 1;
	kfree(p);
	assert_reports(1, "the red zone behind the object");
}
END_TEST

/* ---- use after free ---------------------------------------------------- */

/* Seen when the element is handed out again, and once only. */
static void write_after_free(const char *words)
{
	unsigned char *element = take();

	mempool_free(element, pool);
	element[0] ^= 1;
	ck_assert_ptr_eq(take(), element);
	assert_reports(1, words);
	mempool_free(element, pool);
	end();
}

START_TEST(a_write_to_freed_memory_by_size_is_one_defect)
{
	over_kmalloc(SIZE);
	write_after_free("cache kmalloc-112: a free object");
}
END_TEST

START_TEST(a_write_to_a_freed_object_is_one_defect)
{
	over_cache();
	write_after_free("cache element: a free object");
}
END_TEST

static bool is_mapped(void *address)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	unsigned char in_core;

	return mincore((void *)((uintptr_t)address & ~(page - 1)), page,
		       &in_core) == 0;
}

/* A touch is a fault: the first one ends the program. */
static void is_gone_after_free(size_t size)
{
	unsigned char *element = take();

	ck_assert(is_mapped(element) && is_mapped(element + size - 1));
	mempool_free(element, pool);
	ck_assert(!is_mapped(element) && !is_mapped(element + size - 1));
	end();
}

START_TEST(freed_large_memory_cannot_be_touched)
{
	over_kmalloc(LARGE_SIZE);
	is_gone_after_free(LARGE_SIZE);
}
END_TEST

START_TEST(freed_pages_cannot_be_touched)
{
	begin(mempool_create_page_pool(1, 1));
	is_gone_after_free(2 * (size_t)sysconf(_SC_PAGESIZE));
}
END_TEST

/* ---- two frees --------------------------------------------------------- */

START_TEST(freeing_memory_by_size_twice_is_one_defect)
{
	unsigned char *element;

	over_kmalloc(SIZE);
	element = take();
	mempool_free(element, pool);
	assert_reports(0, "");
	mempool_free(element, pool);
	assert_reports(1, "is free already");
	end();
}
END_TEST

START_TEST(freeing_large_memory_twice_stops_the_program)
{
	unsigned char *element;

	over_kmalloc(LARGE_SIZE);
	element = take();
	mempool_free(element, pool);
	assert_reports(0, "");
	kmempool_set_report(expect, (void *)"was freed before");
	mempool_free(element, pool);
}
END_TEST

/* The system does not mind; the pool's count tells. */
START_TEST(freeing_pages_twice_is_one_element_too_many)
{
	unsigned char *element;

	begin(mempool_create_page_pool(1, 0));
	element = take();
	ck_assert_int_eq(stats_of(pool).outstanding, 1);
	mempool_free(element, pool);
	ck_assert_int_eq(stats_of(pool).outstanding, 0);
	mempool_free(element, pool);
	ck_assert_int_eq(stats_of(pool).outstanding, -1);
	end();
}
END_TEST

/* ---- frees of what is no element --------------------------------------- */

START_TEST(freeing_the_middle_of_memory_by_size_is_one_defect)
{
	unsigned char *element;

	over_kmalloc(SIZE);
	element = take();
	mempool_free(element + 1, pool);
	assert_reports(1, "is not where an object begins: +1 bytes");
	mempool_free(element, pool);
	end();
}
END_TEST

START_TEST(freeing_the_middle_of_large_memory_stops_the_program)
{
	unsigned char *element;

	over_kmalloc(LARGE_SIZE);
	element = take();
	kmempool_set_report(expect, (void *)"did not come from kmalloc()");
	mempool_free(element + 1, pool);
}
END_TEST

/* ---- words ------------------------------------------------------------- */

/* White-box: of an object that there is not. */
#define NAME		"a name as long as the one of a cache that is cut off"
#define NAME_CUT	"a name as long as the one of a cache that is cu"

static const unsigned char shown[20] = "0A ~\x7f\x1f\n!/abcdefghij";
static const struct view view = {
	.cache = "other", .slab = NAME, .object = shown + 1, .state = "at rest",
	.size = 18, .index = 3, .nr = 7, .from = shown, .nr_bytes = 20,
	.bytes = "0A ~\x7f\x1f\n!/abcdefghij",
};

static void assert_text(const char *first_line)
{
	char text[1024];

	snprintf(text, sizeof(text),
		 "libkmempool: cache " NAME_CUT ": %s\n"
		 "  object %p of 18 bytes, at rest, number 3 of 7 in the slab "
		 "at %p of cache other\n"
		 "  %p: 30 41 20 7e 7f 1f 0a 21 2f 61 62 63 64 65 66 67"
		 "  0A ~...!/abcdefg\n"
		 "  %p: 68 69 6a 00                                    "
		 "  hij.\n", first_line, (const void *)(shown + 1), NAME,
		 (const void *)shown, (const void *)(shown + 16));
	ck_assert_str_eq(last_report, text);
	assert_reports(1, "");
}

static void assert_damage(int first, int last, const char *is)
{
	struct damage damage = {
		"the end", shown + first, shown + last, 0x6b
	};
	char line[256];

	misuse_damage(cache, &view, &damage, "now");
	snprintf(line, sizeof(line), "the end was overwritten, as is seen now: "
		 "%d bytes at %p, which is the object%+d, where 0x6b should "
		 "be%s", last - first + 1, (const void *)(shown + first),
		 first - 1, is);
	assert_text(line);
}

START_TEST(damage_is_told_word_for_word)
{
	kmempool_set_report(record, NULL);
	cache = kmem_cache_create(NAME, SIZE, 0, 0, NULL);
	assert_damage(3, 5, " and 0x7e is");
	/* Not all of it is shown. */
	assert_damage(0, 0, " and 0x30 is");
	assert_damage(19, 22, " and 0 is");
	assert_damage(20, 20, "");
	assert_damage(-1, 2, "");
	kmem_cache_destroy(cache);
}
END_TEST

START_TEST(a_broken_list_is_told_word_for_word)
{
	kmempool_set_report(record, NULL);
	cache = kmem_cache_create(NAME, SIZE, 0, 0, NULL);
	misuse_list(cache, &view);
	assert_text("the free list of a slab is broken, at the last or "
		    "behind:");
	kmem_cache_destroy(cache);
}
END_TEST

START_TEST(a_free_is_told_with_its_address)
{
	unsigned char *object;
	char words[128];

	kmempool_set_report(record, NULL);
	cache = kmem_cache_create("element", SIZE, 0, ALL_CHECKS, NULL);
	object = kmem_cache_alloc(cache, GFP_KERNEL);
	kmem_cache_free(cache, object + 1);
	snprintf(words, sizeof(words), "libkmempool: cache element: %p was "
		 "given back to it, but is not where an object begins: +1 "
		 "bytes from there\n  object %p of", (void *)(object + 1),
		 (void *)object);
	assert_reports(1, words);
	kmem_cache_free(cache, object);
	kmem_cache_destroy(cache);
}
END_TEST

/* A slab with its free list outside: out, on the way in, on the way out, free;
 * never handed out. */
START_TEST(an_objects_state_is_told_if_it_is_known)
{
	static const char *const states[] = {
		"in use", "on its way", "on its way", "free", "never handed out"
	};
	uint16_t links[] = { LINK_OUT, LINK_BUSY, LINK_FRESH, LINK_END, 0 };
	static char places[5 * 256];
	struct slab slab = { .nr_fresh = 4, .nr_used = 3, .links = links,
			     .first = places };
	struct view seen;
	unsigned int i;

	slab.cache = kmem_cache_create("element", SIZE, 0, 0, NULL);
	for (i = 0; i < 5; i++) {
		bool shows = i == 0 || i == 3;

		seen.tracked = true;
		view_take(&seen, &slab, i, NULL, false);
		ck_assert_str_eq(seen.state, states[i]);
		ck_assert_uint_eq(seen.index, i);
		ck_assert_uint_eq(seen.nr, slab.cache->layout.nr);
		ck_assert(!seen.tracked);
		ck_assert_uint_eq(seen.nr_bytes, shows ? VIEW_BYTES : 0);
	}
	view_take(&seen, &slab, 1, NULL, true);
	ck_assert_uint_eq(seen.nr_bytes, VIEW_BYTES);
	/* Inside, only the next that is handed out is seen to be free. */
	slab.links = NULL;
	slab.free.object = slab_object(&slab, 1);
	view_take(&seen, &slab, 0, NULL, false);
	ck_assert_str_eq(seen.state, "in use, or free");
	view_take(&seen, &slab, 1, NULL, false);
	ck_assert_str_eq(seen.state, "free");
	kmem_cache_destroy(slab.cache);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("misuse");
	TCase *tc = tcase_create("bounds");

	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_test(tc, a_write_behind_memory_by_size_is_one_defect);
	tcase_add_test(tc, a_write_behind_large_memory_is_one_defect);
	tcase_add_test(tc, a_write_behind_an_object_is_one_defect);
	tcase_add_test(tc, a_write_behind_large_memory_is_seen_when_it_grows);
	tcase_add_test(tc, memory_that_grows_zeroed_was_not_written_behind);
	suite_add_tcase(s, tc);

	tc = tcase_create("after free");
	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_test(tc, a_write_to_freed_memory_by_size_is_one_defect);
	tcase_add_test(tc, a_write_to_a_freed_object_is_one_defect);
	tcase_add_test(tc, freed_large_memory_cannot_be_touched);
	tcase_add_test(tc, freed_pages_cannot_be_touched);
	suite_add_tcase(s, tc);

	tc = tcase_create("frees");
	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_test(tc, freeing_memory_by_size_twice_is_one_defect);
	tcase_add_test_raise_signal(tc,
		freeing_large_memory_twice_stops_the_program, SIGABRT);
	tcase_add_test(tc, freeing_pages_twice_is_one_element_too_many);
	tcase_add_test(tc,
		freeing_the_middle_of_memory_by_size_is_one_defect);
	tcase_add_test_raise_signal(tc,
		freeing_the_middle_of_large_memory_stops_the_program, SIGABRT);
	suite_add_tcase(s, tc);

	tc = tcase_create("words");
	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_test(tc, damage_is_told_word_for_word);
	tcase_add_test(tc, a_broken_list_is_told_word_for_word);
	tcase_add_test(tc, a_free_is_told_with_its_address);
	tcase_add_test(tc, an_objects_state_is_told_if_it_is_known);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
