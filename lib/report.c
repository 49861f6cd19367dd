/* SPDX-License-Identifier: MIT */
/*
 * report.c - the one message before the program is stopped
 *
 * A pool in a state that must not be cannot be trusted to fail politely: the
 * caller would go on with memory that two threads own.  So we say what was
 * seen and what to do about it, in one write(2), and stop.
 */
#include "config.h"

#include "report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kmempool/mempool.h>

/* Set once, before there is anything to report: no lock. */
static void (*report_fn)(const char *text, void *arg);
static void *report_arg;

void kmempool_set_report(void (*fn)(const char *text, void *arg), void *arg)
{
	report_arg = arg;
	__atomic_store_n(&report_fn, fn, __ATOMIC_RELEASE);
}

void report_and_abort(const char *format, ...)
{
	void (*fn)(const char *text, void *arg);
	char text[512] = "";
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	/* Partner: the store above, for report_arg. */
	fn = __atomic_load_n(&report_fn, __ATOMIC_ACQUIRE);
	if (fn)
		fn(text, report_arg);
	else if (write(STDERR_FILENO, text, strlen(text)) < 0)
		abort();	/* nothing is left to do */
	abort();
}
