/* SPDX-License-Identifier: MIT */
/*
 * report.c - what the library has to say
 *
 * A pool in a state that must not be cannot be trusted to fail politely: the
 * caller would go on with memory that two threads own.  So we say what was
 * seen and what to do about it, in one write(2), and stop.  A cache with checks
 * says what it found in the same way and goes on: it was told to look, and has
 * refused what would have done harm.
 */
#include "config.h"

#include "report.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
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

static PRINTF(2, 0) void add(struct report *report, const char *format,
			     va_list args)
{
	size_t room = sizeof(report->text) - report->length;
	int length = vsnprintf(report->text + report->length, room, format,
			       args);

	if (length > 0)
		report->length += (size_t)length < room ? (size_t)length
							: room - 1;
}

void report_add(struct report *report, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add(report, format, args);
	va_end(args);
}

void report_send(const struct report *report)
{
	void (*fn)(const char *text, void *arg);
	int saved_errno = errno, cancel_state;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
	/* Partner: the store above, for report_arg. */
	fn = __atomic_load_n(&report_fn, __ATOMIC_ACQUIRE);
	if (fn)
		fn(report->text, report_arg);
	else if (write(STDERR_FILENO, report->text, report->length) < 0)
		fn = NULL;	/* nothing is left to do */
	pthread_setcancelstate(cancel_state, NULL);
	errno = saved_errno;
}

void report_and_abort(const char *format, ...)
{
	struct report report;
	va_list args;

	report_begin(&report);
	va_start(args, format);
	add(&report, format, args);
	va_end(args);
	report_send(&report);
	abort();
}
