/* SPDX-License-Identifier: MIT */
/*
 * track.h - who did something, where, and when
 */
#ifndef LIB_TRACK_H
#define LIB_TRACK_H

#include <stdint.h>

struct report;

/* All zeroes: nobody yet. */
struct track {
	const void	*caller;	/* where the call returns to, or NULL */
	uint64_t	at_ns;		/* CLOCK_MONOTONIC */
	uint32_t	thread;		/* as the system numbers them */
};

/* This thread, now. */
void track_set(struct track *track, const void *caller);
/* Adds "@what by thread 12 at module+0x34, 5.678 s ago" as a line. */
void track_add(struct report *report, const char *what,
	       const struct track *track);

/* For fork.c: the thread has another number. */
void track_child(void);

#endif /* LIB_TRACK_H */
