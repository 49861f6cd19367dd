/* SPDX-License-Identifier: MIT */
/*
 * limits.h - what kmempool has to come to under contention
 */
#ifndef BENCH_LIMITS_H
#define BENCH_LIMITS_H

#include "rounds.h"

/* A verdict on each figure of this configuration that has a limit. */
void limits_check(const struct results *r);

#endif /* BENCH_LIMITS_H */
