/* SPDX-License-Identifier: MIT */
/*
 * rseq.h - restartable sequences of fibers, in place of lib/rseq.h
 *
 * Included before everything else when the library is compiled for the
 * explorer, so that the other is not.
 */
#ifndef LIB_RSEQ_H
#define LIB_RSEQ_H

#include "config.h"

#include "lane.h"

unsigned int rseq_nr_cpus(void);
void rseq_begin_without(void);
void rseq_begin(void);
bool rseq_fence(unsigned int cpu);

void *rseq_pop(struct lane *lanes);
bool rseq_push(struct lane *lanes, void *object);
uintptr_t rseq_pop_run(struct lane *lanes, void **objects, uintptr_t nr);
uintptr_t rseq_push_run(struct lane *lanes, void *const *objects, uintptr_t nr);
struct magazine *rseq_swap(struct lane *lanes, struct magazine *next);

#endif /* LIB_RSEQ_H */
