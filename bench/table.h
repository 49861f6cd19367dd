/* SPDX-License-Identifier: MIT */
/*
 * table.h - the results of a configuration, for people and for programs
 */
#ifndef BENCH_TABLE_H
#define BENCH_TABLE_H

#include <stdio.h>

#include "rounds.h"

void table_print(const struct results *r);

/* Comma-separated values with the same figures, times in microseconds. */
void table_csv_head(FILE *csv);
void table_csv(FILE *csv, const struct results *r);

#endif /* BENCH_TABLE_H */
