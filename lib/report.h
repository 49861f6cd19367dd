/* SPDX-License-Identifier: MIT */
/*
 * report.h - the one message before the program is stopped
 */
#ifndef LIB_REPORT_H
#define LIB_REPORT_H

#include "compiler.h"

/* Reports one line, by default to stderr, and calls abort().  Takes no lock,
 * allocates nothing. */
_Noreturn void report_and_abort(const char *format, ...) PRINTF(1, 2);

#endif /* LIB_REPORT_H */
