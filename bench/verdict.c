/* SPDX-License-Identifier: MIT */
/*
 * verdict.c - figures compared with limits, one printed line for each
 */
#include "config.h"

#include "verdict.h"

#include <stdbool.h>

static int nr_checked;
static int nr_failed;

static void verdict(bool kept, const char *where, const char *what,
		    double value, const char *sense, double limit)
{
	nr_checked++;
	nr_failed += !kept;
	printf("%-5s %-20s %-26s %10.3f %s %.3f\n", kept ? "ok" : "FAIL",
	       where, what, value, sense, limit);
}

void verdict_at_least(const char *where, const char *what, double value,
		      double limit)
{
	verdict(value >= limit, where, what, value, ">=", limit);
}

void verdict_at_most(const char *where, const char *what, double value,
		     double limit)
{
	verdict(value <= limit, where, what, value, "<=", limit);
}

int verdict_status(void)
{
	printf("%d limits checked, %d failed\n", nr_checked, nr_failed);
	return nr_failed || !nr_checked;
}
