/* SPDX-License-Identifier: MIT */
/*
 * check_report.c - the text of a report
 *
 * White-box: what is put together, before it goes anywhere.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "deadline.h"
#include "report.h"
#include "suite.h"
#include "testlib.h"
#include "track.h"

static struct report report;

START_TEST(what_does_not_fit_is_cut_off)
{
	unsigned int i;

	report_begin(&report);
	for (i = 0; i < 100; i++) {
		report_add(&report, "%0100u", i);
		ck_assert_uint_eq(report.length, strlen(report.text));
		ck_assert_uint_lt(report.length, sizeof(report.text));
	}
	ck_assert_uint_eq(report.length, sizeof(report.text) - 1);
	ck_assert_uint_eq(strspn(report.text, "0"), 200 - 1);
}
END_TEST

START_TEST(what_just_fits_is_whole)
{
	int size = (int)sizeof(report.text);

	report_begin(&report);
	report_add(&report, "%*u", size - 2, 1);
	report_add(&report, "2");
	ck_assert_uint_eq(report.length, size - 1);
	ck_assert_str_eq(report.text + size - 3, "12");
	report_add(&report, "3");
	ck_assert_str_eq(report.text + size - 3, "12");
}
END_TEST

START_TEST(what_fits_but_for_its_end_is_cut_off)
{
	int size = (int)sizeof(report.text);

	report_begin(&report);
	report_add(&report, "%*u", size, 1);
	ck_assert_uint_eq(report.length, size - 1);
	report_add(&report, "2");
	ck_assert_uint_eq(report.length, size - 1);
}
END_TEST

/* ---- tracks -------------------------------------------------------------- */

static void assert_track(const struct track *track, const char *words)
{
	report_begin(&report);
	track_add(&report, "freed", track);
	ck_assert_msg(strncmp(report.text, words, strlen(words)) == 0, "%s",
		      report.text);
}

START_TEST(a_place_is_given_by_its_module_or_else_its_address)
{
	struct track track = { .thread = 12, .at_ns = deadline_now_ns() };
	void *elsewhere = malloc(1);
	char words[64];

	assert_track(&track, "  freed by thread 12, ");
	track.caller = elsewhere;
	snprintf(words, sizeof(words), "  freed by thread 12 at %p, ",
		 elsewhere);
	assert_track(&track, words);
	track.thread = 0;
	assert_track(&track, "  never freed\n");
	free(elsewhere);
}
END_TEST

START_TEST(the_time_is_given_to_the_microsecond)
{
	uint64_t before = deadline_now_ns(), after;
	struct track track = { .thread = 12 };
	unsigned long long s, us;

	track.at_ns = before - 3 * NSEC_PER_SEC - NSEC_PER_SEC / 20;
	assert_track(&track, "  freed by thread 12, ");
	after = deadline_now_ns();
	ck_assert_int_eq(sscanf(report.text + strlen("  freed by thread 12, "),
				"%llu.%6llu s ago\n", &s, &us), 2);
	us += 1000000 * s;
	ck_assert_uint_ge(us, 3050000);
	ck_assert_uint_le(us, (after - track.at_ns) / NSEC_PER_USEC);
	/* Another thread's clock was read later. */
	track.at_ns = after + 3600 * NSEC_PER_SEC;
	assert_track(&track, "  freed by thread 12, 0.000000 s ago\n");
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("report");
	TCase *tc = tcase_create("report");

	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_test(tc, what_does_not_fit_is_cut_off);
	tcase_add_test(tc, what_just_fits_is_whole);
	tcase_add_test(tc, what_fits_but_for_its_end_is_cut_off);
	tcase_add_test(tc, a_place_is_given_by_its_module_or_else_its_address);
	tcase_add_test(tc, the_time_is_given_to_the_microsecond);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
