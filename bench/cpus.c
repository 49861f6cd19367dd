/* SPDX-License-Identifier: MIT */
/*
 * cpus.c - which CPUs there are, and threads bound to one
 */
#include "config.h"

#include "cpus.h"

#include <sched.h>
#include <stdlib.h>

int cpus_first(int *cpu, int most)
{
	static cpu_set_t cpus;
	int nr = 0;
	int i;

	if (!CPU_COUNT(&cpus) && sched_getaffinity(0, sizeof(cpus), &cpus))
		return 0;
	for (i = 0; i < CPU_SETSIZE && nr < most; i++)
		if (CPU_ISSET(i, &cpus))
			cpu[nr++] = i;
	return nr;
}

void cpus_start_on(pthread_t *thread, int cpu, void *(*fn)(void *), void *arg)
{
	pthread_attr_t attr;
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	if (pthread_attr_init(&attr) ||
	    pthread_attr_setaffinity_np(&attr, sizeof(cpus), &cpus) ||
	    pthread_create(thread, &attr, fn, arg))
		abort();
	pthread_attr_destroy(&attr);
}
