/* SPDX-License-Identifier: MIT */
/*
 * goals.h - what kmempool has to come to beside its peers
 */
#ifndef BENCH_GOALS_H
#define BENCH_GOALS_H

#include "trials.h"

/* A verdict on each goal whose sections were run.  In words where a peer that
 * it needs is not there. */
void goals_check(const struct trials *t);

#endif /* BENCH_GOALS_H */
