/* SPDX-License-Identifier: MIT */
/*
 * coverage.h - included before every file of a build that counts (coverage)
 *
 * The counts are written at exit().  A child that leaves by _exit(), and one
 * that aborts, would take theirs along.
 */
#ifndef TOOLS_COVERAGE_H
#define TOOLS_COVERAGE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1		/* as in config.h, which comes too late */
#endif

#include <stdlib.h>
#include <unistd.h>

void __gcov_dump(void);

static inline _Noreturn void coverage_abort(void)
{
	__gcov_dump();
	abort();
}

static inline _Noreturn void coverage_exit(int status)
{
	__gcov_dump();
	_exit(status);
}

#define abort()		coverage_abort()
#define _exit(status)	coverage_exit(status)

#endif /* TOOLS_COVERAGE_H */
