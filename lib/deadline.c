/* SPDX-License-Identifier: MIT */
/*
 * deadline.c - the clock, and time as one number
 */
#include "config.h"

#include "deadline.h"

#include <errno.h>
#include <stddef.h>

#include "compiler.h"

uint64_t deadline_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

/* 2 us where a tick is longest.  A counter that jumped, or is another CPU's and
 * behind, looks like one that has gone far. */
#define TICKS_ABOUT_NOW	2000

static __thread uint64_t last_ns __attribute__((tls_model("initial-exec")));
static __thread uint64_t last_ticks
	__attribute__((tls_model("initial-exec")));

uint64_t deadline_about_now_ns(void)
{
	uint64_t ticks = cpu_ticks();

	if (!ticks || ticks - last_ticks >= TICKS_ABOUT_NOW) {
		last_ticks = ticks;
		last_ns = deadline_now_ns();
	}
	return last_ns;
}

int deadline_from_timespec(const struct timespec *ts, uint64_t *ns)
{
	if (!ts) {
		*ns = DEADLINE_NEVER;
		return 0;
	}
	if (ts->tv_nsec < 0 || (uint64_t)ts->tv_nsec >= NSEC_PER_SEC)
		return -EINVAL;
	if (ts->tv_sec < 0)
		*ns = 0;
	else if ((uint64_t)ts->tv_sec >= DEADLINE_NEVER / NSEC_PER_SEC)
		*ns = DEADLINE_NEVER;
	else
		*ns = (uint64_t)ts->tv_sec * NSEC_PER_SEC +
		      (uint64_t)ts->tv_nsec;
	return 0;
}

struct timespec deadline_to_timespec(uint64_t ns)
{
	return (struct timespec){
		.tv_sec = (time_t)(ns / NSEC_PER_SEC),
		.tv_nsec = (long)(ns % NSEC_PER_SEC),
	};
}

void deadline_sleep_until(uint64_t ns)
{
	struct timespec ts = deadline_to_timespec(ns);

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
}
