/* SPDX-License-Identifier: MIT */
/*
 * options.h - arguments of options that several measurements have
 *
 * What is wrong is said, and ends the program with 2.
 */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include <stddef.h>
#include <stdio.h>

/* --rounds: 1 to @most. */
size_t rounds_of(const char *arg, size_t most);

/* --csv: a file, for writing. */
FILE *csv_of(const char *name);

#endif /* BENCH_OPTIONS_H */
