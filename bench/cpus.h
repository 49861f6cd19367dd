/* SPDX-License-Identifier: MIT */
/*
 * cpus.h - which CPUs there are, and threads bound to one
 */
#ifndef BENCH_CPUS_H
#define BENCH_CPUS_H

#include <pthread.h>

/* The first CPUs of the affinity mask; returns how many, at most that many.  They
 * stay those of the first call: DPDK binds the thread that starts it to one. */
int cpus_first(int *cpu, int most);

/* Runs fn in a thread on that CPU, or abort(). */
void cpus_start_on(pthread_t *thread, int cpu, void *(*fn)(void *), void *arg);

#endif /* BENCH_CPUS_H */
