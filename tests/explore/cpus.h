/* SPDX-License-Identifier: MIT */
/*
 * cpus.h - which CPU a fiber runs on
 */
#ifndef CPUS_H
#define CPUS_H

#include <stdbool.h>

#define NR_CPUS	2

/* In setup: fibers are on CPU 0 and stay there, @by_cpu says whether there are
 * restartable sequences. */
void cpus_begin(bool by_cpu);
/* From now on @fiber is on @cpu; what -1 does is done before or after them. */
void cpus_place(int fiber, unsigned int cpu);
/* From now on @fiber goes to the other CPU before each sequence. */
void cpus_migrate(int fiber);

#endif /* CPUS_H */
