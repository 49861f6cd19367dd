/* SPDX-License-Identifier: MIT */
/*
 * adapters.h - the list of allocators
 */
#ifndef BENCH_ADAPTERS_H
#define BENCH_ADAPTERS_H

#include "adapter.h"

/* kmempool's first; ends with NULL. */
extern const struct adapter *const adapters[];

/* In words, those that were not there when this was built. */
extern const char adapters_left_out[];

/* NULL if there is no such. */
const struct adapter *adapter_find(const char *name);

#endif /* BENCH_ADAPTERS_H */
