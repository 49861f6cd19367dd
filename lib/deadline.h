/* SPDX-License-Identifier: MIT */
/*
 * deadline.h - the clock, and time as one number
 *
 * Inside the library a moment is nanoseconds of CLOCK_MONOTONIC.
 * DEADLINE_NEVER is later than all of them; a moment too late for 64 bits
 * becomes it, one before the clock began becomes 0.  Only deadline.c reads the
 * time.
 */
#ifndef LIB_DEADLINE_H
#define LIB_DEADLINE_H

#include <stdint.h>
#include <time.h>

#define DEADLINE_NEVER	UINT64_MAX
#define NSEC_PER_SEC	1000000000ull
#define NSEC_PER_MSEC	1000000ull
#define NSEC_PER_USEC	1000ull

uint64_t deadline_now_ns(void);

/* The same, or what this thread was told a few microseconds ago at most: for
 * who asks again and again. */
uint64_t deadline_about_now_ns(void);

/* From the caller's form, where NULL is never: 0 or -EINVAL. */
int deadline_from_timespec(const struct timespec *ts, uint64_t *ns);

/* @ns is not DEADLINE_NEVER. */
struct timespec deadline_to_timespec(uint64_t ns);

/* Sleeps; a cancellation point.  May return early when a signal arrives. */
void deadline_sleep_until(uint64_t ns);

#endif /* LIB_DEADLINE_H */
