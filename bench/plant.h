/* SPDX-License-Identifier: MIT */
/*
 * plant.h - defects planted into kmempool's place, to see the limits fail
 */
#ifndef BENCH_PLANT_H
#define BENCH_PLANT_H

#include "pools.h"

/*
 * kmempool with a defect, under the same name; NULL if there is no such.
 *
 *   slow     each element is given back a microsecond late
 *   unfair   every other thread is kept out for a millisecond after each
 *            operation
 *   wait     one wait of each run lasts as long as no limit allows
 *   starve   one thread of each run gets its first element after the end
 */
const struct peer *plant_find(const char *what);

#endif /* BENCH_PLANT_H */
