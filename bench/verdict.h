/* SPDX-License-Identifier: MIT */
/*
 * verdict.h - figures compared with limits, one printed line for each
 */
#ifndef BENCH_VERDICT_H
#define BENCH_VERDICT_H

#include <stdio.h>

/* where: the configuration; what: the figure.  The comparison is made with
 * all digits, not with those that are printed. */
void verdict_at_least(const char *where, const char *what, double value,
		      double limit);
void verdict_at_most(const char *where, const char *what, double value,
		     double limit);

/* Prints the sum; the exit status: 0 if all were kept, 1 if one was not or
 * there was none. */
int verdict_status(void);

#endif /* BENCH_VERDICT_H */
