/* SPDX-License-Identifier: MIT */
/*
 * reclaim.h - having all caches let go
 */
#ifndef LIB_RECLAIM_H
#define LIB_RECLAIM_H

#include <stdbool.h>

#include <kmempool/gfp.h>

/* To be called, without a lock, before an allocation fails: whether it is worth
 * another try. */
bool reclaim_from_all(gfp_t gfp);

#endif /* LIB_RECLAIM_H */
