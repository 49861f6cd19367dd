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
#include <unistd.h>

void report_and_abort(const char *format, ...)
{
	char line[512];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (n > 0) {
		size_t len = (size_t)n < sizeof(line) ? (size_t)n
						      : sizeof(line) - 1;

		/* Nothing is left to do if even this fails. */
		if (write(STDERR_FILENO, line, len) < 0)
			abort();
	}
	abort();
}
