/* SPDX-License-Identifier: MIT */
/*
 * idle.h - what a thread costs that waits and gets nothing
 */
#ifndef BENCH_IDLE_H
#define BENCH_IDLE_H

#include <stdint.h>

/* Milliseconds of CPU in a second of waiting, with the default retry_ms, so
 * the retries are in it. */
double idle_run(void);

/* Set to see the limit fail: each retry takes so long. */
extern uint64_t idle_waste_ns;

#endif /* BENCH_IDLE_H */
