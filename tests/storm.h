/* SPDX-License-Identifier: MIT */
/*
 * storm.h - what storms have in common
 */
#ifndef TESTS_STORM_H
#define TESTS_STORM_H

#include <errno.h>
#include <sched.h>
#include <stdio.h>

#include "testlib.h"

static int nr_failed;

#define CHECK(condition) do { \
	if (!(condition)) { \
		printf("%s: failed: %s\n", program_invocation_short_name, \
		       #condition); \
		nr_failed++; \
	} \
} while (0)

/* This thread goes to one of the CPUs in @allowed, or once in @any_of times to
 * all of them. */
static inline void storm_move(uint64_t *random_state, const cpu_set_t *allowed,
			      uint32_t any_of)
{
	int nth = (int)rnd_below(random_state, (uint32_t)CPU_COUNT(allowed));
	cpu_set_t one;
	int cpu;

	CPU_ZERO(&one);
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, allowed) && nth-- == 0)
			CPU_SET(cpu, &one);
	sched_setaffinity(0, sizeof(one),
			  rnd_below(random_state, any_of) ? &one : allowed);
}

#endif /* TESTS_STORM_H */
