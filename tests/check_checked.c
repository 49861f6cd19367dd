/* SPDX-License-Identifier: MIT */
/*
 * check_checked.c - what a cache finds of the misuse of its objects
 *
 * Covers: red zones, poison, tracks, validate; addresses that should not have
 * been given back, to a cache with checks (refused) and without (the end of the
 * program); constructors around each use; leaks; reset; threads.  Each defect
 * is to be reported once and no more.  Linked with the library's own objects, for
 * the sizes that kmalloc sets and for lists that are broken on purpose; mmap()
 * is wrapped, so that memory can run out.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <check.h>

#include <kmempool/mempool.h>
#include <kmempool/slab.h>

#include "cache.h"
#include "checked.h"
#include "suite.h"
#include "testlib.h"

#define SIZE		64
#define ALL_CHECKS	(SLAB_POISON | SLAB_RED_ZONE | SLAB_STORE_USER | \
			 SLAB_CONSISTENCY_CHECKS)
#define NR_COMBINATIONS	16

static struct kmem_cache *cache, *other;

/* ---- memory that runs out ---------------------------------------------- */

static long mmaps_left = -1;		/* -1: any number */

void *__real_mmap(void *addr, size_t length, int prot, int flags, int fd,
		  off_t offset);
void *__wrap_mmap(void *addr, size_t length, int prot, int flags, int fd,
		  off_t offset);

void *__wrap_mmap(void *addr, size_t length, int prot, int flags, int fd,
		  off_t offset)
{
	if (!mmaps_left) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	if (mmaps_left > 0)
		mmaps_left--;
	return __real_mmap(addr, length, prot, flags, fd, offset);
}

/* ---- reports ----------------------------------------------------------- */

static pthread_mutex_t reports_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned int nr_reports;		/* under reports_lock */
static char last_report[8192];		/* the same */

static void record(const char *text, void *arg)
{
	(void)arg;
	pthread_mutex_lock(&reports_lock);
	nr_reports++;
	snprintf(last_report, sizeof(last_report), "%s", text);
	pthread_mutex_unlock(&reports_lock);
	errno = ECHILD;
}

static bool reported(const char *words)
{
	return strstr(last_report, words);
}

/* Where this program was. */
static bool reported_place(void)
{
	char words[64];

	snprintf(words, sizeof(words), "%.50s+0x",
		 program_invocation_short_name);
	return reported(words);
}

/* The line of bytes that begins at @address. */
static bool shown_from(const void *address)
{
	char words[64];

	snprintf(words, sizeof(words), "\n  %p:", address);
	return reported(words);
}

/* Any line of bytes. */
static bool shown(void)
{
	return reported("\n  0x") || reported("\n  (nil)");
}

static uint64_t defects(struct kmem_cache *of)
{
	struct kmem_cache_stats stats;

	kmem_cache_get_stats(of, &stats, sizeof(stats));
	return stats.defects;
}

static uint64_t active(struct kmem_cache *of)
{
	struct kmem_cache_stats stats;

	kmem_cache_get_stats(of, &stats, sizeof(stats));
	return stats.active;
}

/* Since the last time. */
static void assert_reports(unsigned int nr)
{
	ck_assert_uint_eq(nr_reports, nr);
	nr_reports = 0;
}

/* One, and it says so. */
static void assert_report(const char *words)
{
	ck_assert_msg(nr_reports == 1, "%u reports, the last: %s", nr_reports,
		      last_report);
	ck_assert_msg(reported(words), "%s", last_report);
	nr_reports = 0;
}

/* One: of a list that is right up to that object. */
static void assert_broken_at(const void *object)
{
	char words[64];

	snprintf(words, sizeof(words), "or behind:\n  object %p of", object);
	assert_report(words);
}

/* ---- caches ------------------------------------------------------------ */

static struct kmem_cache *make(const char *name, slab_flags_t flags)
{
	struct kmem_cache *made = kmem_cache_create(name, SIZE, 0, flags, NULL);

	ck_assert_ptr_nonnull(made);
	kmempool_set_report(record, NULL);
	return made;
}

static unsigned char *take(void)
{
	unsigned char *object = kmem_cache_alloc(cache, GFP_KERNEL);

	ck_assert_ptr_nonnull(object);
	return object;
}

/* All is well, and nothing is out. */
static void end(struct kmem_cache *ended)
{
	ck_assert_int_eq(kmem_cache_validate(ended), 0);
	ck_assert_int_eq(kmem_cache_destroy(ended), 0);
	assert_reports(0);
}

/* Keeps the slab while all that a test takes is given back. */
static void *keep_one(void)
{
	return take();
}

/* ---- the cases that the kernel tries ----------------------------------- */

START_TEST(a_write_behind_an_object_is_found_by_validate_and_by_free)
{
	unsigned char *p;

	cache = make("widget", SLAB_RED_ZONE);
	p = take();
	p[SIZE] = 0x12;
	ck_assert_int_eq(kmem_cache_validate(cache), 1);
	assert_report("cache widget: the red zone behind the object");
	ck_assert_int_eq(kmem_cache_validate(cache), 1);
	assert_report("1 bytes at");
	kmem_cache_free(cache, p);
	assert_report("the object+64, where 0xc7 should be and 0x12 is");
	ck_assert_uint_eq(defects(cache), 3);
	end(cache);
}
END_TEST

/* @link: what the next pointer of a free object becomes; the list is right up to
 * @last then. */
static void break_next(void *p, void *link, const void *last)
{
	void *next = *(void **)p;

	*(void **)p = link;
	ck_assert_int_eq(kmem_cache_validate(cache), 1);
	assert_broken_at(last);
	ck_assert_int_eq(kmem_cache_validate(cache), 1);
	assert_broken_at(last);
	*(void **)p = next;
	ck_assert_int_eq(kmem_cache_validate(cache), 0);
	assert_reports(0);
}

START_TEST(a_clobbered_next_pointer_is_found_by_validate)
{
	unsigned char *p[4], *kept;
	struct slab *slab;
	int i;

	cache = make("widget", 0);
	kept = keep_one();
	for (i = 0; i < 4; i++)
		p[i] = take();
	for (i = 0; i < 4; i++)
		kmem_cache_free(cache, p[i]);
	/* The list: 3 2 1 0. */
	break_next(p[2], (void *)0x12, p[2]);		/* nowhere */
	break_next(p[2], p[1] + 1, p[2]);		/* inside an object */
	break_next(p[2], p[2], p[2]);			/* a circle */
	break_next(p[1], p[3], p[3]);			/* a larger one */
	break_next(p[2], NULL, p[2]);			/* too short */
	break_next(p[0], kept, p[0]);			/* too long */
	break_next(p[2], p[3] + SIZE, p[2]);		/* never handed out */
	break_next(p[2], p[3] + 100 * SIZE, p[2]);
	break_next(p[2], (void *)UINTPTR_MAX, p[2]);
	break_next(p[3], kept - SIZE, p[3]);		/* before the first */
	slab = pagemap_find(kept);
	slab->free.object = (void *)0x12;
	ck_assert_int_eq(kmem_cache_validate(cache), 1);
	assert_broken_at(kept);				/* place 0 */
	slab->free.object = p[3];
	kmem_cache_free(cache, kept);
	end(cache);
}
END_TEST

static void clobber_free(slab_flags_t flags, int offset, const char *words)
{
	unsigned char *p, *kept;

	cache = make("widget", flags);
	kept = keep_one();
	p = take();
	kmem_cache_free(cache, p);
	p[offset] ^= 0xff;
	ck_assert_int_eq(kmem_cache_validate(cache), 1);
	assert_report(words);
	ck_assert_ptr_eq(take(), p);
	assert_report(words);
	ck_assert(reported("handed out"));
	/* It is whole again. */
	ck_assert_int_eq(kmem_cache_validate(cache), 0);
	kmem_cache_free(cache, p);
	ck_assert_ptr_eq(take(), p);
	kmem_cache_free(cache, p);
	kmem_cache_free(cache, kept);
	ck_assert_uint_eq(defects(cache), 2);
	end(cache);
}

START_TEST(a_write_to_the_first_word_of_a_free_object_is_found)
{
	clobber_free(SLAB_POISON, 0, "a free object was overwritten");
}
END_TEST

START_TEST(a_write_to_the_50th_byte_of_a_free_object_is_found)
{
	clobber_free(SLAB_POISON, 50, "which is the object+50");
}
END_TEST

START_TEST(a_write_to_the_last_bytes_of_a_free_object_is_found)
{
	clobber_free(SLAB_POISON, SIZE - 2, "which is the object+62");
	clobber_free(SLAB_POISON, SIZE - 1, "the end of a free object");
}
END_TEST

START_TEST(a_write_to_the_red_zone_of_a_free_object_is_found)
{
	clobber_free(SLAB_RED_ZONE, SIZE, "the red zone behind the object");
	clobber_free(SLAB_RED_ZONE, SIZE + 7, "the red zone behind the object");
	clobber_free(SLAB_RED_ZONE, -1, "the red zone before the object");
	clobber_free(SLAB_RED_ZONE, -8, "the red zone before the object");
}
END_TEST

START_TEST(destroy_says_which_objects_are_out)
{
	static const slab_flags_t flags[] = { SLAB_STORE_USER,
					      SLAB_CONSISTENCY_CHECKS };
	char words[64];
	void *p;
	size_t i;

	for (i = 0; i < 2; i++) {
		cache = make("widget", flags[i]);
		p = take();
		kmem_cache_free(cache, take());
		ck_assert_int_eq(kmem_cache_destroy(cache), -EBUSY);
		snprintf(words, sizeof(words), "out, 1\n  object %p\n", p);
		assert_report(words);
		ck_assert(reported("allocated by thread") == !i);
		ck_assert_uint_eq(defects(cache), 1);
		kmem_cache_free(cache, p);
		end(cache);
	}
}
END_TEST

START_TEST(destroy_names_16_objects_and_counts_the_others)
{
	void *p[20];
	const char *line;
	int i, nr = 0;

	cache = make("widget", ALL_CHECKS);
	for (i = 0; i < 20; i++)
		p[i] = take();
	ck_assert_int_eq(kmem_cache_destroy(cache), -EBUSY);
	for (line = last_report; (line = strstr(line, "  object ")); line++)
		nr++;
	ck_assert_int_eq(nr, 16);
	assert_report("  and 4 more\n");
	kmem_cache_free_bulk(cache, 20, p);
	end(cache);
}
END_TEST

START_TEST(destroy_names_16_objects_and_no_others_if_there_are_none)
{
	void *p[16];
	int i;

	cache = kmem_cache_create("a name as long as the one of a cache that "
				  "is cut off", SIZE, 0, ALL_CHECKS, NULL);
	kmempool_set_report(record, NULL);
	for (i = 0; i < 16; i++)
		p[i] = take();
	ck_assert_int_eq(kmem_cache_destroy(cache), -EBUSY);
	ck_assert(!reported(" more\n"));
	assert_report("libkmempool: cache a name as long as the one of a cache "
		      "that is cu cannot be destroyed: objects are out, 16\n");
	kmem_cache_free_bulk(cache, 16, p);
	end(cache);
}
END_TEST

START_TEST(destroy_says_nothing_of_objects_unless_asked)
{
	void *p;

	cache = make("widget", SLAB_RED_ZONE | SLAB_POISON);
	p = take();
	ck_assert_int_eq(kmem_cache_destroy(cache), -EBUSY);
	assert_reports(0);
	kmem_cache_free(cache, p);
	end(cache);
}
END_TEST

START_TEST(the_red_zone_begins_where_what_was_asked_for_ends)
{
	unsigned char *p;

	cache = make("widget", SLAB_RED_ZONE | SLAB_STORE_USER);
	p = take();
	ck_assert_uint_eq(checked_get_size(cache, p), SIZE);
	checked_set_size(cache, p, 18);
	ck_assert_uint_eq(checked_get_size(cache, p), 18);
	memset(p, 0, 18);
	ck_assert_int_eq(kmem_cache_validate(cache), 0);
	p[18] = 0;
	ck_assert_int_eq(kmem_cache_validate(cache), 1);
	assert_report("which is the object+18");
	kmem_cache_free(cache, p);
	assert_report("which is the object+18");
	/* The next has all of it. */
	ck_assert_ptr_eq(take(), p);
	memset(p, 0, SIZE);
	kmem_cache_free(cache, p);
	end(cache);
}
END_TEST

START_TEST(the_red_zone_moves_with_the_size)
{
	unsigned char *p;

	cache = make("widget", SLAB_RED_ZONE | SLAB_POISON);
	p = take();
	checked_set_size(cache, p, 18);
	checked_set_size(cache, p, 40);			/* grows */
	memset(p, 0, 40);
	ck_assert_int_eq(kmem_cache_validate(cache), 0);
	p[40] = 0;
	ck_assert_int_eq(kmem_cache_validate(cache), 1);
	assert_report("which is the object+40");
	checked_set_size(cache, p, 20);			/* shrinks */
	assert_report("when its size changes");
	ck_assert_int_eq(kmem_cache_validate(cache), 0);
	p[20] = 0;
	ck_assert_int_eq(kmem_cache_validate(cache), 1);
	assert_report("which is the object+20");
	kmem_cache_free(cache, p);
	assert_reports(1);
	end(cache);
}
END_TEST

START_TEST(a_size_is_written_down_nowhere_without_red_zones)
{
	unsigned char *p, *next, before[SIZE];

	cache = make("widget", SLAB_POISON);
	p = take();
	next = take();
	memset(next, 'n', SIZE);
	memcpy(before, next, SIZE);
	p[SIZE - 1] = 0;
	checked_set_size(cache, p, 10);
	ck_assert_mem_eq(next, before, SIZE);
	assert_reports(0);
	kmem_cache_free(cache, p);
	kmem_cache_free(cache, next);
	end(cache);
}
END_TEST

START_TEST(sizes_are_whole_without_red_zones)
{
	void *p;

	cache = make("widget", SLAB_POISON);
	p = take();
	checked_set_size(cache, p, 18);
	ck_assert_uint_eq(checked_get_size(cache, p), SIZE);
	kmem_cache_free(cache, p);
	end(cache);
}
END_TEST

/* ---- bytes that change ------------------------------------------------- */

START_TEST(a_write_before_an_object_is_found_by_free)
{
	unsigned char *p;
	int i;

	cache = make("widget", SLAB_RED_ZONE);
	for (i = 1; i <= 8; i++) {
		p = take();
		p[-i] = 0;
		kmem_cache_free(cache, p);
		assert_report("the red zone before the object");
	}
	end(cache);
}
END_TEST

START_TEST(writes_on_both_sides_are_two_defects)
{
	unsigned char *p;
	char words[64];

	cache = make("widget", SLAB_RED_ZONE);
	p = take();
	p[-1] = 0;
	p[SIZE] = 0;
	ck_assert_int_eq(kmem_cache_validate(cache), 2);
	snprintf(words, sizeof(words), "\n  object %p of %d bytes, in use", p,
		 SIZE);
	ck_assert(reported(words));
	assert_reports(2);
	kmem_cache_free(cache, p);
	assert_reports(2);
	end(cache);
}
END_TEST

START_TEST(writes_that_stay_in_the_object_are_none)
{
	unsigned int size;
	unsigned char *p;

	kmempool_set_report(record, NULL);
	for (size = 1; size < 80; size++) {
		cache = kmem_cache_create("odd", size, 0, ALL_CHECKS, NULL);
		p = take();
		memset(p, 0, size);
		kmem_cache_free(cache, p);
		ck_assert_ptr_eq(take(), p);
		kmem_cache_free(cache, p);
		end(cache);
	}
}
END_TEST

START_TEST(the_byte_behind_is_found_for_every_size)
{
	unsigned int size;
	unsigned char *p;

	kmempool_set_report(record, NULL);
	for (size = 1; size < 80; size++) {
		cache = kmem_cache_create("odd", size, 0, ALL_CHECKS, NULL);
		p = take();
		p[size] = 0;
		kmem_cache_free(cache, p);
		assert_report("the red zone behind the object");
		p[size] = 0;
		ck_assert_ptr_eq(take(), p);
		assert_report("the red zone behind the object");
		kmem_cache_free(cache, p);
		end(cache);
	}
}
END_TEST

START_TEST(an_object_on_a_page_has_red_zones_too)
{
	unsigned char *p;

	kmempool_set_report(record, NULL);
	cache = kmem_cache_create("page", 4096, 4096, ALL_CHECKS, NULL);
	p = take();
	ck_assert_uint_eq((uintptr_t)p % 4096, 0);
	p[-64] = 0;
	kmem_cache_free(cache, p);
	assert_report("which is the object-64");
	end(cache);
}
END_TEST

START_TEST(a_size_that_an_overrun_left_is_not_believed)
{
	unsigned char *p;

	cache = make("widget", SLAB_RED_ZONE);
	p = take();
	memset(p + SIZE + 8, 0, 8);
	ck_assert_uint_eq(checked_get_size(cache, p), SIZE);
	kmem_cache_free(cache, p);
	assert_report("the size behind the red zone");
	ck_assert(reported(" 8 bytes at "));
	p = take();
	memset(p + SIZE, 0, 16);
	kmem_cache_free(cache, p);
	assert_report("the red zone behind the object was overwritten");
	end(cache);
}
END_TEST

START_TEST(new_objects_are_full_of_another_byte_than_free_ones)
{
	unsigned char *p, byte_of_free;
	int i;

	cache = make("widget", SLAB_POISON);
	p = take();
	for (i = 1; i < SIZE; i++)
		ck_assert_uint_eq(p[i], p[0]);
	keep_one();
	kmem_cache_free(cache, p);
	byte_of_free = p[0];
	for (i = 1; i < SIZE - 1; i++)
		ck_assert_uint_eq(p[i], byte_of_free);
	ck_assert_uint_ne(p[SIZE - 1], byte_of_free);
	ck_assert_ptr_eq(take(), p);
	ck_assert_uint_ne(p[0], byte_of_free);
	assert_reports(0);
}
END_TEST

START_TEST(zeroed_objects_are_zeroed_in_spite_of_poison)
{
	unsigned char *p;
	int i;

	cache = make("widget", ALL_CHECKS);
	kmem_cache_free(cache, take());
	p = kmem_cache_zalloc(cache, GFP_KERNEL);
	for (i = 0; i < SIZE; i++)
		ck_assert_uint_eq(p[i], 0);
	kmem_cache_free(cache, p);
	end(cache);
}
END_TEST

START_TEST(a_report_shows_the_bytes_around_the_damage)
{
	unsigned char *p;
	char words[64];

	cache = make("widget", SLAB_RED_ZONE);
	p = take();
	memcpy(p + SIZE - 4, "I was here", 10);
	kmem_cache_free(cache, p);
	snprintf(words, sizeof(words), "6 bytes at %p", (void *)(p + SIZE));
	assert_report(words);
	ck_assert(reported(" 73 20 68 65 72 65 "));
	ck_assert(reported("  s here"));
	snprintf(words, sizeof(words), "  object %p of 64 bytes", (void *)p);
	ck_assert(reported(words));
	ck_assert(reported("in the slab at 0x"));
	ck_assert(reported("of cache widget\n"));
	end(cache);
}
END_TEST

/* ---- addresses --------------------------------------------------------- */

static long in_static_memory[32];

/* @words: in the one report; the cache is as it was. */
static void refused(const void *address, const char *words)
{
	uint64_t before = active(cache), defects_before = defects(cache);

	kmem_cache_free(cache, (void *)(uintptr_t)address);
	assert_report(words);
	ck_assert(reported("now given back by thread"));
	ck_assert(reported_place());
	ck_assert_uint_eq(active(cache), before);
	ck_assert_uint_eq(defects(cache), defects_before + 1);
	ck_assert_int_eq(kmem_cache_validate(cache), 0);
}

static void *unmapped_address(void)
{
	void *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);

	munmap(page, 4096);
	return page;
}

START_TEST(every_kind_of_address_is_refused_whatever_the_flags)
{
	unsigned char *p, *kept, *foreign;
	long on_the_stack[32];
	void *on_the_heap = malloc(SIZE);

	cache = make("widget", (slab_flags_t)_i << 1);
	other = make("gadget", 0);
	foreign = kmem_cache_alloc(other, GFP_KERNEL);
	kept = keep_one();
	p = take();
	kmem_cache_free(cache, NULL);
	assert_reports(0);
	refused(on_the_stack, "not memory of any cache");
	refused(in_static_memory, "not memory of any cache");
	refused(on_the_heap, "not memory of any cache");
	refused(unmapped_address(), "not memory of any cache");
	refused((void *)16, "not memory of any cache");
	refused((void *)UINTPTR_MAX, "not memory of any cache");
	refused(foreign, "belongs to cache gadget");
	refused(p + 1, "not where an object begins: +1 bytes");
	refused(p + 8, "not where an object begins: +8 bytes");
	refused(p + SIZE - 1, "not where an object begins: +63 bytes");
	refused(p + cache->layout.stride, "was never handed out");
	ck_assert(!shown());
	kmem_cache_free(cache, p);
	assert_reports(0);
	refused(p, "is free already");
	refused(p + 8, "not where an object begins");
	kmem_cache_free(cache, kept);
	refused(kept, "is free already");
	kmem_cache_free(other, foreign);
	free(on_the_heap);
	end(other);
	end(cache);
}
END_TEST

START_TEST(an_object_of_a_slab_that_went_back_is_refused)
{
	void *p;

	cache = make("widget", ALL_CHECKS);
	p = take();
	kmem_cache_free(cache, p);
	kmem_cache_shrink(cache);
	refused(p, "not memory of any cache");
	end(cache);
}
END_TEST

START_TEST(an_object_of_a_cache_that_was_destroyed_is_refused)
{
	void *p;

	cache = make("widget", ALL_CHECKS);
	other = make("gadget", ALL_CHECKS);
	p = kmem_cache_alloc(other, GFP_KERNEL);
	kmem_cache_free(other, p);
	end(other);
	refused(p, "not memory of any cache");
	end(cache);
}
END_TEST

START_TEST(an_address_between_the_first_object_and_the_slab_is_refused)
{
	char *p;

	cache = make("widget", SLAB_RED_ZONE);
	p = (char *)take();
	refused(pagemap_find(p)->first + 1, "not where an object begins: -7");
	kmem_cache_free(cache, p);
	end(cache);
}
END_TEST

START_TEST(an_address_behind_the_last_object_of_a_slab_is_refused)
{
	const struct slab *slab;
	void *p;

	cache = kmem_cache_create("wide", 20000, 0, (slab_flags_t)_i << 1,
				  NULL);
	ck_assert_ptr_nonnull(cache);
	kmempool_set_report(record, NULL);
	p = take();
	slab = pagemap_find(p);
	refused(slab->first + (size_t)cache->layout.nr * cache->layout.stride,
		"is in no object");
	kmem_cache_free(cache, p);
	end(cache);
}
END_TEST

START_TEST(a_bulk_free_refuses_only_what_is_wrong)
{
	void *p[6];

	cache = make("widget", ALL_CHECKS);
	ck_assert(kmem_cache_alloc_bulk(cache, GFP_KERNEL, 4, p));
	p[4] = p[1];
	p[5] = NULL;
	p[2] = (char *)p[2] + 8;
	kmem_cache_free_bulk(cache, 6, p);
	ck_assert_uint_eq(nr_reports, 2);
	nr_reports = 0;
	ck_assert_uint_eq(active(cache), 1);
	kmem_cache_free(cache, (char *)p[2] - 8);
	end(cache);
}
END_TEST

START_TEST(two_frees_of_one_object_hand_it_out_once)
{
	void *p, *kept, *a, *b;

	cache = make("widget", SLAB_CONSISTENCY_CHECKS);
	kept = keep_one();
	p = take();
	kmem_cache_free(cache, p);
	kmem_cache_free(cache, p);
	assert_report("is free already");
	a = take();
	b = take();
	ck_assert_ptr_ne(a, b);
	kmem_cache_free(cache, a);
	kmem_cache_free(cache, b);
	kmem_cache_free(cache, kept);
	end(cache);
}
END_TEST

/* ---- without checks: the end ------------------------------------------- */

static const char *expected_words;

/* What it says has to be right for the program to end by a signal. */
static void expect(const char *text, void *arg)
{
	(void)arg;
	if (!strstr(text, expected_words)) {
		fprintf(stderr, "not expected: %s", text);
		_exit(1);
	}
}

static void free_fatally(void *address, const char *words)
{
	expected_words = words;
	kmempool_set_report(expect, NULL);
	kmem_cache_free(cache, address);
}

START_TEST(freeing_from_the_stack_aborts)
{
	long on_the_stack[32];

	cache = make("widget", 0);
	kmem_cache_free(cache, NULL);
	free_fatally(on_the_stack, "is not memory of any cache");
}
END_TEST

START_TEST(freeing_static_memory_aborts)
{
	cache = make("widget", 0);
	free_fatally(in_static_memory, "is not memory of any cache");
}
END_TEST

START_TEST(freeing_an_unmapped_address_aborts)
{
	cache = make("widget", 0);
	free_fatally(unmapped_address(), "is not memory of any cache");
}
END_TEST

START_TEST(freeing_into_the_wrong_cache_aborts)
{
	void *p;

	cache = make("widget", 0);
	other = make("gadget", SLAB_STORE_USER);
	p = kmem_cache_alloc(other, GFP_KERNEL);
	free_fatally(p, "belongs to cache gadget\n");
}
END_TEST

START_TEST(freeing_the_same_object_twice_in_a_row_aborts)
{
	void *p;

	cache = make("widget", 0);
	keep_one();
	p = take();
	kmem_cache_free(cache, p);
	free_fatally(p, "is free already");
}
END_TEST

START_TEST(freeing_into_a_slab_of_free_objects_aborts)
{
	void *p, *q;

	cache = make("widget", 0);
	p = take();
	q = take();
	kmem_cache_free(cache, p);
	kmem_cache_free(cache, q);
	free_fatally(p, "is free already");
}
END_TEST

static void no_ctor(void *object)
{
	(void)object;
}

static struct kmem_cache *make_constructed(void)
{
	return kmem_cache_create("built", SIZE, 0, 0, no_ctor);
}

START_TEST(freeing_the_middle_of_a_constructed_object_aborts)
{
	cache = make_constructed();
	free_fatally(take() + 8, "is not where an object begins: +8 bytes");
}
END_TEST

START_TEST(freeing_a_constructed_object_twice_aborts)
{
	void *p, *q;

	cache = make_constructed();
	keep_one();
	p = take();
	q = take();
	kmem_cache_free(cache, p);
	kmem_cache_free(cache, q);
	free_fatally(p, "is free already");
}
END_TEST

/* ---- constructors ------------------------------------------------------ */

static unsigned int nr_ctors, nr_dtors, fail_at;
static bool dtor_saw_other_bytes;
static int callback_cancel_state, dtor_cancel_state;

static int try_ctor(void *object, void *arg, gfp_t gfp)
{
	(void)arg; (void)gfp;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &callback_cancel_state);
	pthread_setcancelstate(callback_cancel_state, NULL);
	errno = ECHILD;
	if (nr_ctors == fail_at)
		return -EIO;
	nr_ctors++;
	memset(object, 'c', SIZE);
	return 0;
}

static void count_dtor(void *object, void *arg)
{
	(void)arg;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &dtor_cancel_state);
	pthread_setcancelstate(dtor_cancel_state, NULL);
	errno = ECHILD;
	nr_dtors++;
	dtor_saw_other_bytes |= memcmp(object, "cccccccc", 8) != 0;
}

static void make_with_ctor(slab_flags_t flags)
{
	struct kmem_cache_args args = {
		.ctor_try = try_ctor,
		.dtor = count_dtor,
	};

	fail_at = UINT32_MAX;
	kmempool_set_report(record, NULL);
	cache = kmem_cache_create_args("built", SIZE, &args, flags);
	ck_assert_ptr_nonnull(cache);
}

START_TEST(constructors_run_around_each_use_with_consistency_checks)
{
	unsigned char *p;
	int i, state;

	make_with_ctor(ALL_CHECKS);
	for (i = 1; i < 5; i++) {
		errno = 0;
		p = take();
		ck_assert_int_eq(errno, 0);
		pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &state);
		ck_assert_int_eq(state, PTHREAD_CANCEL_ENABLE);
		ck_assert_uint_eq(nr_ctors, i);
		ck_assert_uint_eq(p[SIZE - 1], 'c');
		kmem_cache_free(cache, p);
		ck_assert_int_eq(errno, 0);
		ck_assert_uint_eq(nr_dtors, i);
		ck_assert_int_eq(callback_cancel_state, PTHREAD_CANCEL_DISABLE);
		ck_assert_int_eq(dtor_cancel_state, PTHREAD_CANCEL_DISABLE);
		callback_cancel_state = dtor_cancel_state = -1;
		pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &state);
		ck_assert_int_eq(state, PTHREAD_CANCEL_ENABLE);
	}
	ck_assert(!dtor_saw_other_bytes);
	kmem_cache_free(cache, p);			/* refused: no dtor */
	assert_report("is free already");
	end(cache);
	ck_assert_uint_eq(nr_dtors, 4);
}
END_TEST

static int give_back(void *object, void *arg, gfp_t gfp)
{
	(void)arg; (void)gfp;
	kmem_cache_free(cache, object);
	return 0;
}

/* It is another thread's, for all that is known. */
START_TEST(a_report_does_not_look_into_an_object_on_its_way)
{
	struct kmem_cache_args args = { .ctor_try = give_back };
	void *p;

	kmempool_set_report(record, NULL);
	cache = kmem_cache_create_args("built", SIZE, &args, ALL_CHECKS);
	p = take();
	ck_assert_msg(strstr(last_report, "on its way") &&
		      strstr(last_report, "of cache built\n  now given back"),
		      "%s", last_report);
	assert_report("is free already");
	kmem_cache_free(cache, p);
	end(cache);
}
END_TEST

START_TEST(constructed_objects_are_poisoned_only_with_consistency_checks)
{
	unsigned char *p;

	make_with_ctor(ALL_CHECKS & ~SLAB_CONSISTENCY_CHECKS);
	p = take();
	ck_assert_uint_eq(p[SIZE - 1], 'c');
	keep_one();
	kmem_cache_free(cache, p);
	ck_assert_uint_eq(p[SIZE - 1], 'c');
	p[SIZE] = 0;
	ck_assert_ptr_eq(take(), p);
	assert_report("the red zone behind the object");
	ck_assert_uint_eq(p[SIZE - 1], 'c');
	ck_assert_uint_eq(nr_dtors, 0);
}
END_TEST

START_TEST(a_constructor_that_fails_at_hand_out_leaks_nothing)
{
	make_with_ctor(ALL_CHECKS);
	fail_at = 0;
	errno = 0;
	ck_assert_ptr_null(kmem_cache_alloc(cache, GFP_KERNEL));
	ck_assert_int_eq(errno, ENOMEM);
	ck_assert_uint_eq(active(cache), 0);
	ck_assert_uint_eq(nr_dtors, 0);
	fail_at = UINT32_MAX;
	kmem_cache_free(cache, take());
	ck_assert_uint_eq(nr_ctors, nr_dtors);
	end(cache);
}
END_TEST

START_TEST(a_constructor_that_fails_in_bulk_leaks_nothing)
{
	struct kmem_cache_stats stats;
	void *p[8];
	unsigned int n;

	make_with_ctor(ALL_CHECKS);
	for (n = 0; n < 8; n++) {
		nr_ctors = nr_dtors = 0;
		fail_at = n;
		ck_assert(!kmem_cache_alloc_bulk(cache, GFP_KERNEL, 8, p));
		ck_assert_int_eq(errno, ENOMEM);
		ck_assert_uint_eq(nr_ctors, n);
		ck_assert_uint_eq(nr_dtors, n);
		ck_assert_uint_eq(active(cache), 0);
		ck_assert_int_eq(kmem_cache_validate(cache), 0);
	}
	kmem_cache_get_stats(cache, &stats, sizeof(stats));
	ck_assert_uint_eq(stats.failures, 8);
	fail_at = UINT32_MAX;
	ck_assert(kmem_cache_alloc_bulk(cache, GFP_KERNEL, 8, p));
	kmem_cache_free_bulk(cache, 8, p);
	ck_assert(!dtor_saw_other_bytes);
	end(cache);
}
END_TEST

START_TEST(a_constructor_that_fails_in_bulk_needs_no_destructor)
{
	struct kmem_cache_args args = { .ctor_try = try_ctor };
	void *p[8];

	fail_at = 3;
	kmempool_set_report(record, NULL);
	cache = kmem_cache_create_args("built", SIZE, &args, ALL_CHECKS);
	ck_assert(!kmem_cache_alloc_bulk(cache, GFP_KERNEL, 8, p));
	ck_assert_uint_eq(nr_ctors, 3);
	end(cache);
}
END_TEST

START_TEST(a_bulk_that_memory_ends_in_leaves_objects_whole)
{
	enum { NR = 4000 };
	struct kmem_cache_stats stats;
	static void *p[NR];

	cache = make("widget", ALL_CHECKS);
	mmaps_left = 6;
	ck_assert(!kmem_cache_alloc_bulk(cache, GFP_KERNEL, NR, p));
	mmaps_left = -1;
	kmem_cache_get_stats(cache, &stats, sizeof(stats));
	ck_assert_uint_eq(stats.allocs, 0);
	ck_assert_uint_eq(stats.active, 0);
	ck_assert_uint_ne(stats.slabs_made, 0);
	ck_assert_int_eq(kmem_cache_validate(cache), 0);
	ck_assert(kmem_cache_alloc_bulk(cache, GFP_KERNEL, NR, p));
	kmem_cache_free_bulk(cache, NR, p);
	end(cache);
}
END_TEST

/* ---- who --------------------------------------------------------------- */

static unsigned int thread_number(void)
{
	return (unsigned int)syscall(SYS_gettid);
}

struct taker {
	void		*object;
	unsigned int	number;
};

static void *take_in_thread(void *arg)
{
	struct taker *taker = arg;

	taker->number = thread_number();
	taker->object = kmem_cache_alloc(cache, GFP_KERNEL);
	return NULL;
}

static void *free_in_thread(void *arg)
{
	struct taker *taker = arg;

	taker->number = thread_number();
	kmem_cache_free(cache, taker->object);
	return NULL;
}

START_TEST(reports_say_who_allocated_and_who_freed)
{
	struct taker taker = { 0 }, freer = { 0 };
	pthread_t thread;
	char words[64];

	cache = make("widget", SLAB_STORE_USER);
	keep_one();
	pthread_create(&thread, NULL, take_in_thread, &taker);
	pthread_join(thread, NULL);
	freer.object = taker.object;
	pthread_create(&thread, NULL, free_in_thread, &freer);
	pthread_join(thread, NULL);
	kmem_cache_free(cache, taker.object);
	assert_report("is free already");
	snprintf(words, sizeof(words), "  allocated by thread %u at ",
		 taker.number);
	ck_assert(reported(words));
	snprintf(words, sizeof(words), "  freed by thread %u at ",
		 freer.number);
	ck_assert(reported(words));
	snprintf(words, sizeof(words), "  now given back by thread %u at ",
		 thread_number());
	ck_assert(reported(words));
	ck_assert(reported(" s ago\n"));
	ck_assert(reported_place());
}
END_TEST

START_TEST(reports_say_that_nobody_freed_yet)
{
	cache = make("widget", SLAB_STORE_USER);
	kmem_cache_free(cache, take() + 1);
	assert_report("  never freed\n");
}
END_TEST

START_TEST(a_child_is_not_taken_for_its_parent)
{
	char words[64];
	int status;
	pid_t pid;
	void *p;

	cache = make("widget", SLAB_STORE_USER);
	p = keep_one();
	pid = fork();
	if (!pid) {
		kmem_cache_free(cache, p);
		kmem_cache_free(cache, p);
		snprintf(words, sizeof(words), "  freed by thread %d at ",
			 (int)getpid());
		_exit(!reported(words));
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}
END_TEST

/* ---- flags ------------------------------------------------------------- */

START_TEST(each_flag_finds_what_it_is_for_and_no_more)
{
	slab_flags_t flags = (slab_flags_t)_i << 1;
	unsigned int zones = flags & SLAB_RED_ZONE ? 1 : 0;
	unsigned int poison = flags & SLAB_POISON ? 1 : 0;
	unsigned char *p;

	cache = make("widget", flags);
	keep_one();
	p = take();
	p[-1] = 0;
	kmem_cache_free(cache, p);
	assert_reports(zones);
	if (!flags)
		return;
	p[8] = 0;
	ck_assert_int_eq(kmem_cache_validate(cache), (int)poison);
	assert_reports(poison);
	ck_assert_ptr_eq(take(), p);
	assert_reports(poison);
	kmem_cache_free(cache, p);
	kmem_cache_free(cache, p);
	assert_report("is free already");
	ck_assert(reported("freed by thread") ==
		  !!(flags & SLAB_STORE_USER));
}
END_TEST

START_TEST(many_objects_come_and_go_whatever_the_flags)
{
	enum { NR = 1500, ROUNDS = 4 };
	static void *p[NR];
	int i, round;

	cache = make("widget", (slab_flags_t)_i << 1);
	for (round = 0; round < ROUNDS; round++) {
		ck_assert(kmem_cache_alloc_bulk(cache, GFP_KERNEL, NR / 2, p));
		for (i = NR / 2; i < NR; i++)
			p[i] = take();
		for (i = 0; i < NR; i++)
			memset(p[i], round, SIZE);
		ck_assert_int_eq(kmem_cache_validate(cache), 0);
		for (i = 0; i < NR; i += 2)
			kmem_cache_free(cache, p[i]);
		ck_assert_int_eq(kmem_cache_validate(cache), 0);
		for (i = 1; i < NR; i += 2)
			kmem_cache_free(cache, p[i]);
	}
	end(cache);
}
END_TEST

/* ---- the whole cache --------------------------------------------------- */

START_TEST(a_reset_takes_each_object_back_as_free_does)
{
	unsigned char *p[3];
	int i;

	make_with_ctor(ALL_CHECKS);
	for (i = 0; i < 3; i++)
		p[i] = take();
	kmem_cache_free(cache, p[1]);
	p[2][SIZE] = 0;
	ck_assert_int_eq(kmem_cache_reset(cache), 0);
	assert_report("the red zone behind the object");
	ck_assert_uint_eq(nr_dtors, 3);
	ck_assert_uint_eq(active(cache), 0);
	kmem_cache_free(cache, p[0]);
	assert_report("is free already");
	end(cache);
}
END_TEST

START_TEST(a_write_after_a_reset_is_found)
{
	unsigned char *p;

	cache = make("widget", SLAB_POISON);
	p = take();
	kmem_cache_reset(cache);
	p[8] = 0;
	ck_assert_int_eq(kmem_cache_validate(cache), 1);
	assert_report("a free object was overwritten");
	ck_assert_ptr_eq(take(), p);
	assert_report("a free object was overwritten");
	kmem_cache_free(cache, p);
	end(cache);
}
END_TEST

START_TEST(a_broken_list_outside_the_objects_is_found)
{
	struct slab *slab;
	unsigned int first;
	void *p[3], *kept;
	int i;

	cache = make("widget", SLAB_CONSISTENCY_CHECKS);
	kept = keep_one();
	for (i = 0; i < 3; i++)
		p[i] = take();
	for (i = 0; i < 3; i++)
		kmem_cache_free(cache, p[i]);
	slab = pagemap_find(p[0]);
	first = slab->free.index;
	slab->free.index = 5000;			/* nowhere */
	ck_assert_int_eq(kmem_cache_validate(cache), 1);
	assert_broken_at(kept);				/* place 0 */
	slab->free.index = slab->nr_fresh;		/* never handed out */
	slab->links[slab->nr_fresh] = (uint16_t)first;
	ck_assert_int_eq(kmem_cache_validate(cache), 1);
	assert_broken_at(kept);
	slab->free.index = slab->links[first];		/* too short */
	ck_assert_int_eq(kmem_cache_validate(cache), 1);
	assert_broken_at(p[0]);
	slab->free.index = first;
	slab->links[first] = (uint16_t)first;		/* a circle */
	ck_assert_int_eq(kmem_cache_validate(cache), 1);
	assert_broken_at(p[2]);
	slab->links[first] = LINK_OUT;
	ck_assert_int_eq(kmem_cache_validate(cache), 1);
	assert_broken_at(p[2]);
	kmem_cache_reset(cache);			/* mends it */
	ck_assert_int_eq(kmem_cache_validate(cache), 0);
	keep_one();
	slab->links[0] = 1;				/* out, but free */
	ck_assert_int_eq(kmem_cache_validate(cache), 1);
	assert_reports(1);
}
END_TEST

/* Whether it is free is what the list says. */
START_TEST(an_object_that_a_list_goes_astray_from_is_not_judged)
{
	struct slab *slab;
	unsigned char *p;

	cache = make("widget", ALL_CHECKS);
	keep_one();
	p = take();
	kmem_cache_free(cache, p);
	slab = pagemap_find(p);
	p[10]++;
	slab->links[slab->free.index] = slab->nr_fresh;
	ck_assert_int_eq(kmem_cache_validate(cache), 1);
	assert_broken_at(p);
}
END_TEST

START_TEST(validate_of_a_constructed_cache_finds_nothing)
{
	void *p;

	kmempool_set_report(record, NULL);
	cache = make_constructed();
	keep_one();
	p = take();
	kmem_cache_free(cache, p);
	ck_assert_int_eq(kmem_cache_validate(cache), 0);
	assert_reports(0);
}
END_TEST

START_TEST(validate_looks_at_every_slab)
{
	enum { NR = 3000 };
	static void *p[NR];
	unsigned int i;

	cache = make("widget", SLAB_POISON | SLAB_RED_ZONE);
	ck_assert(kmem_cache_alloc_bulk(cache, GFP_KERNEL, NR, p));
	for (i = 0; i < NR; i++) {
		if (i % 100 == 0)
			((char *)p[i])[SIZE] = 0;
		else if (i % 4 < i / cache->layout.nr % 4)
			kmem_cache_free(cache, p[i]);
	}
	ck_assert_int_eq(kmem_cache_validate(cache), NR / 100);
	assert_reports(NR / 100);
	ck_assert_uint_eq(defects(cache), NR / 100);
}
END_TEST

static void use_caches(const char *text, void *arg)
{
	void *p;

	record(text, arg);
	kmem_cache_shrink(cache);
	p = kmem_cache_alloc(other, GFP_KERNEL);
	kmem_cache_free(other, p);
	pthread_testcancel();
}

static int cancel_state_after = -1;

static void *misuse_in_thread(void *arg)
{
	unsigned char *p = kmem_cache_alloc(cache, GFP_KERNEL);

	p[SIZE] = 0;
	pthread_cancel(pthread_self());
	kmem_cache_validate(cache);
	kmem_cache_free(cache, p);
	kmem_cache_free(cache, p);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state_after);
	return arg;
}

START_TEST(a_report_function_may_use_caches_and_is_not_cancelled)
{
	pthread_t thread;
	void *result;

	cache = make("widget", ALL_CHECKS);
	other = make("gadget", ALL_CHECKS);
	kmempool_set_report(use_caches, NULL);
	pthread_create(&thread, NULL, misuse_in_thread, cache);
	pthread_join(thread, &result);
	ck_assert_ptr_eq(result, cache);
	ck_assert_int_eq(cancel_state_after, PTHREAD_CANCEL_ENABLE);
	assert_reports(3);
	end(cache);
	end(other);
}
END_TEST

/* Half of what is shown lies before what is wrong, as far as that is of the
 * object; what is wrong before it comes first. */
START_TEST(a_report_shows_the_bytes_around)
{
	static const int wrong[] = { -3, 0, 1, 31, 32, 39, 40, 100, 2000 };
	static const int from[] = { -8, 0, 0, 0, 0, 0, 8, 64, 1968 };
	unsigned char *p;
	unsigned int i;

	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		cache = kmem_cache_create("wide", 2000, 0, ALL_CHECKS, NULL);
		kmempool_set_report(record, NULL);
		p = take();
		kmem_cache_free(cache, p);
		p[wrong[i]] ^= 1;
		ck_assert_int_eq(kmem_cache_validate(cache), 1);
		ck_assert_msg(shown_from(p + from[i]), "%d from %p: %s",
			      wrong[i], (void *)p, last_report);
		nr_reports = 0;
		p[wrong[i]] ^= 1;
		end(cache);
	}
}
END_TEST

START_TEST(a_report_leaves_errno_alone)
{
	unsigned char *p, *kept;

	cache = make("widget", SLAB_POISON);
	kept = keep_one();
	p = take();
	kmem_cache_free(cache, p);
	p[0] = 0;
	errno = 0;
	p = kmem_cache_alloc(cache, GFP_KERNEL);
	ck_assert_int_eq(errno, 0);
	assert_reports(1);
	kmem_cache_free(cache, p);
	kmem_cache_free(cache, kept);
	end(cache);
}
END_TEST

START_TEST(without_a_report_function_it_is_written_to_stderr)
{
	char text[4096];
	int fds[2], saved = dup(STDERR_FILENO);
	ssize_t n;

	cache = make("widget", SLAB_POISON);
	kmempool_set_report(NULL, NULL);
	ck_assert_int_eq(pipe(fds), 0);
	dup2(fds[1], STDERR_FILENO);
	kmem_cache_free(cache, in_static_memory);
	dup2(saved, STDERR_FILENO);
	n = read(fds[0], text, sizeof(text) - 1);
	ck_assert_int_gt(n, 0);
	text[n] = 0;
	ck_assert_ptr_nonnull(strstr(text, "is not memory of any cache\n"));
	ck_assert_int_eq(text[n - 1], '\n');
}
END_TEST

/* ---- threads ----------------------------------------------------------- */

#define NR_THREADS	4
#define NR_SLOTS	64

static _Atomic(void *) slots[NR_SLOTS];

/* Objects change hands: taken by one, written to, freed by another. */
static void *swap_objects(void *arg)
{
	uint64_t state = 1 + (uint64_t)(uintptr_t)arg;
	unsigned int nr = test_long() ? 1000000 : 20000;
	void *object;

	while (nr--) {
		object = kmem_cache_alloc(cache, GFP_KERNEL);
		if (object)
			memset(object, 'x', SIZE);
		object = atomic_exchange(&slots[rnd_below(&state, NR_SLOTS)],
					 object);
		kmem_cache_free(cache, object);
	}
	return NULL;
}

START_TEST(threads_that_swap_objects_are_not_accused)
{
	pthread_t threads[NR_THREADS];
	uintptr_t i;

	make_with_ctor(ALL_CHECKS);
	fail_at = UINT32_MAX;
	end(cache);
	cache = make("widget", ALL_CHECKS);
	for (i = 0; i < NR_THREADS; i++)
		pthread_create(&threads[i], NULL, swap_objects, (void *)i);
	for (i = 0; i < NR_THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_reports(0);
	for (i = 0; i < NR_SLOTS; i++)
		kmem_cache_free(cache, slots[i]);
	ck_assert_uint_eq(defects(cache), 0);
	end(cache);
}
END_TEST

#define NR_ROUNDS	2000

static pthread_barrier_t barrier;
static void *contended[NR_ROUNDS];

static void *free_the_same(void *arg)
{
	int i;

	for (i = 0; i < NR_ROUNDS; i++) {
		pthread_barrier_wait(&barrier);
		kmem_cache_free(cache, contended[i]);
	}
	return arg;
}

START_TEST(of_two_threads_that_free_one_object_one_is_told)
{
	pthread_t threads[2];
	int i;

	cache = make("widget", ALL_CHECKS);
	ck_assert(kmem_cache_alloc_bulk(cache, GFP_KERNEL, NR_ROUNDS,
					contended));
	pthread_barrier_init(&barrier, NULL, 2);
	for (i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, free_the_same, NULL);
	for (i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	assert_reports(NR_ROUNDS);
	ck_assert_uint_eq(active(cache), 0);
	end(cache);
}
END_TEST

/* ---- suite ------------------------------------------------------------- */

static void add_kernel_cases(Suite *s)
{
	TCase *tc = tcase_create("kernel");

	tcase_add_test(tc,
		a_write_behind_an_object_is_found_by_validate_and_by_free);
	tcase_add_test(tc, a_clobbered_next_pointer_is_found_by_validate);
	tcase_add_test(tc, a_write_to_the_first_word_of_a_free_object_is_found);
	tcase_add_test(tc, a_write_to_the_50th_byte_of_a_free_object_is_found);
	tcase_add_test(tc, a_write_to_the_last_bytes_of_a_free_object_is_found);
	tcase_add_test(tc, a_write_to_the_red_zone_of_a_free_object_is_found);
	tcase_add_test(tc, destroy_says_which_objects_are_out);
	tcase_add_test(tc, destroy_names_16_objects_and_counts_the_others);
	tcase_add_test(tc,
		destroy_names_16_objects_and_no_others_if_there_are_none);
	tcase_add_test(tc, destroy_says_nothing_of_objects_unless_asked);
	tcase_add_test(tc, the_red_zone_begins_where_what_was_asked_for_ends);
	tcase_add_test(tc, the_red_zone_moves_with_the_size);
	tcase_add_test(tc, a_size_is_written_down_nowhere_without_red_zones);
	tcase_add_test(tc, sizes_are_whole_without_red_zones);
	suite_add_tcase(s, tc);
}

static void add_bytes(Suite *s)
{
	TCase *tc = tcase_create("bytes");

	tcase_add_test(tc, a_write_before_an_object_is_found_by_free);
	tcase_add_test(tc, writes_on_both_sides_are_two_defects);
	tcase_add_test(tc, writes_that_stay_in_the_object_are_none);
	tcase_add_test(tc, the_byte_behind_is_found_for_every_size);
	tcase_add_test(tc, an_object_on_a_page_has_red_zones_too);
	tcase_add_test(tc, a_size_that_an_overrun_left_is_not_believed);
	tcase_add_test(tc, new_objects_are_full_of_another_byte_than_free_ones);
	tcase_add_test(tc, zeroed_objects_are_zeroed_in_spite_of_poison);
	tcase_add_test(tc, a_report_shows_the_bytes_around_the_damage);
	suite_add_tcase(s, tc);
}

static void add_addresses(Suite *s)
{
	TCase *tc = tcase_create("addresses");

	tcase_add_loop_test(tc,
		every_kind_of_address_is_refused_whatever_the_flags, 1,
		NR_COMBINATIONS);
	tcase_add_test(tc, an_object_of_a_slab_that_went_back_is_refused);
	tcase_add_test(tc, an_object_of_a_cache_that_was_destroyed_is_refused);
	tcase_add_loop_test(tc,
		an_address_behind_the_last_object_of_a_slab_is_refused,
		1, NR_COMBINATIONS);
	tcase_add_test(tc,
		an_address_between_the_first_object_and_the_slab_is_refused);
	tcase_add_test(tc, a_bulk_free_refuses_only_what_is_wrong);
	tcase_add_test(tc, two_frees_of_one_object_hand_it_out_once);
	suite_add_tcase(s, tc);
}

static void add_aborts(Suite *s)
{
	TCase *tc = tcase_create("aborts");

	tcase_add_test_raise_signal(tc, freeing_from_the_stack_aborts, SIGABRT);
	tcase_add_test_raise_signal(tc, freeing_static_memory_aborts, SIGABRT);
	tcase_add_test_raise_signal(tc, freeing_an_unmapped_address_aborts,
				    SIGABRT);
	tcase_add_test_raise_signal(tc, freeing_into_the_wrong_cache_aborts,
				    SIGABRT);
	tcase_add_test_raise_signal(tc,
		freeing_the_same_object_twice_in_a_row_aborts, SIGABRT);
	tcase_add_test_raise_signal(tc,
		freeing_into_a_slab_of_free_objects_aborts, SIGABRT);
	tcase_add_test_raise_signal(tc,
		freeing_the_middle_of_a_constructed_object_aborts, SIGABRT);
	tcase_add_test_raise_signal(tc,
		freeing_a_constructed_object_twice_aborts, SIGABRT);
	suite_add_tcase(s, tc);
}

static void add_constructors(Suite *s)
{
	TCase *tc = tcase_create("constructors");

	tcase_add_test(tc,
		constructors_run_around_each_use_with_consistency_checks);
	tcase_add_test(tc, a_report_does_not_look_into_an_object_on_its_way);
	tcase_add_test(tc,
		constructed_objects_are_poisoned_only_with_consistency_checks);
	tcase_add_test(tc, a_constructor_that_fails_at_hand_out_leaks_nothing);
	tcase_add_test(tc, a_constructor_that_fails_in_bulk_leaks_nothing);
	tcase_add_test(tc, a_constructor_that_fails_in_bulk_needs_no_destructor);
	tcase_add_test(tc, a_bulk_that_memory_ends_in_leaves_objects_whole);
	suite_add_tcase(s, tc);
}

static void add_whole_cache(Suite *s)
{
	TCase *tc = tcase_create("whole_cache");

	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_loop_test(tc, each_flag_finds_what_it_is_for_and_no_more, 0,
			    NR_COMBINATIONS);
	tcase_add_loop_test(tc, many_objects_come_and_go_whatever_the_flags, 0,
			    NR_COMBINATIONS);
	tcase_add_test(tc, a_reset_takes_each_object_back_as_free_does);
	tcase_add_test(tc, a_write_after_a_reset_is_found);
	tcase_add_test(tc, a_broken_list_outside_the_objects_is_found);
	tcase_add_test(tc,
		an_object_that_a_list_goes_astray_from_is_not_judged);
	tcase_add_test(tc, validate_of_a_constructed_cache_finds_nothing);
	tcase_add_test(tc, validate_looks_at_every_slab);
	suite_add_tcase(s, tc);
}

static void add_reports(Suite *s)
{
	TCase *tc = tcase_create("reports");

	tcase_add_test(tc, reports_say_who_allocated_and_who_freed);
	tcase_add_test(tc, reports_say_that_nobody_freed_yet);
	tcase_add_test(tc, a_child_is_not_taken_for_its_parent);
	tcase_add_test(tc,
		a_report_function_may_use_caches_and_is_not_cancelled);
	tcase_add_test(tc, a_report_shows_the_bytes_around);
	tcase_add_test(tc, a_report_leaves_errno_alone);
	tcase_add_test(tc, without_a_report_function_it_is_written_to_stderr);
	suite_add_tcase(s, tc);
}

static void add_threads(Suite *s)
{
	TCase *tc = tcase_create("threads");

	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_test(tc, threads_that_swap_objects_are_not_accused);
	tcase_add_test(tc, of_two_threads_that_free_one_object_one_is_told);
	suite_add_tcase(s, tc);
}

static Suite *suite(void)
{
	Suite *s = suite_create("checked");

	add_kernel_cases(s);
	add_bytes(s);
	add_addresses(s);
	add_aborts(s);
	add_constructors(s);
	add_whole_cache(s);
	add_reports(s);
	add_threads(s);
	return s;
}

int main(void)
{
	/* What the slabs do is to be seen at once. */
	setenv("KMEMPOOL_DEBUG", "nolayer", 1);
	return run_suite(suite());
}
