/* SPDX-License-Identifier: MIT */
/*
 * process.h - something measured in a process of its own
 */
#ifndef BENCH_PROCESS_H
#define BENCH_PROCESS_H

#include "work.h"

/* Whether the adapter starts here; prints why if it does not. */
bool process_starts(const struct adapter *adapter);

/* Exits if the process does not end well. */
void process_run(work_fn *work, const struct adapter *adapter,
		 const struct job *job, struct outcome *outcome);

#endif /* BENCH_PROCESS_H */
