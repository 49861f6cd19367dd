/* SPDX-License-Identifier: MIT */
/*
 * adapter_plant.h - a stand-in for kmempool, and defects of it, to see that
 *                   each goal can be reached and can be missed
 */
#ifndef BENCH_ADAPTER_PLANT_H
#define BENCH_ADAPTER_PLANT_H

#include <stdbool.h>

#include "adapter.h"

/*
 * Chooses what stands in; false if there is no such.
 *
 *   ideal    hands out the same objects in turn, each thread by itself
 *   slow     ideal, but an allocation takes a microsecond
 *   large    ideal, but one of more than 64 bytes takes so long
 *   lock     ideal, but threads shut each other out for so long
 *   late     ideal, but what others cached comes after a millisecond
 *   lost     ideal, but what others cached never comes
 */
bool plant_choose(const char *what);

/* What stands in for this one: itself, if nothing was chosen or it is none of
 * those with a goal. */
const struct adapter *plant_of(const struct adapter *adapter);

#endif /* BENCH_ADAPTER_PLANT_H */
