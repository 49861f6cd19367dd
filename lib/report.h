/* SPDX-License-Identifier: MIT */
/*
 * report.h - what the library has to say
 */
#ifndef LIB_REPORT_H
#define LIB_REPORT_H

#include <stddef.h>

#include "compiler.h"

/* A text of several lines, put together on the stack of who reports.  What does
 * not fit is left out. */
struct report {
	size_t	length;			/* bytes, without the 0 */
	char	text[4096];
};

static inline void report_begin(struct report *report)
{
	report->length = 0;
	report->text[0] = 0;
}

void report_add(struct report *report, const char *format, ...) PRINTF(2, 3);

/* By default to stderr.  Takes no lock, allocates nothing, is no cancellation
 * point, leaves errno alone; to be called with no lock of the library's. */
void report_send(const struct report *report);

/* Reports one line and calls abort(). */
_Noreturn void report_and_abort(const char *format, ...) PRINTF(1, 2);

#endif /* LIB_REPORT_H */
