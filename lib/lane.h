/* SPDX-License-Identifier: MIT */
/*
 * lane.h - what each CPU, or a few threads, have in front of a cache
 */
#ifndef LIB_LANE_H
#define LIB_LANE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler.h"
#include "magazine.h"

struct lane {
	struct magazine	*loaded;	/* never NULL; stores under the cache's
					   lock */
	unsigned int	busy;		/* atomic; claimed (lane.c) */
} __attribute__((aligned(CACHE_LINE)));

#define LANES_MAX	8192

/* Some lanes, by index. */
struct lane_set {
	uint64_t	bits[LANES_MAX / 64];
};

static inline void lane_set_add(struct lane_set *set, unsigned int lane)
{
	set->bits[lane / 64] |= UINT64_C(1) << lane % 64;
}

/* Fixed after lane_start(): whether a lane is a CPU's (rseq.h), or has to be
 * claimed; and how many there are. */
extern bool lane_is_cpu;
extern unsigned int lane_nr;
/* CPUs that were online then. */
extern unsigned int lane_nr_online;

/* Lanes with nothing loaded, for who is not to have any. */
extern struct lane *lanes_none;

/* To be called before anything else here. */
void lane_start(void);

/* All with nothing loaded; or NULL. */
struct lane *lanes_make(void);
void lanes_free(struct lane *lanes);

/*
 * Up to @nr objects from, or to, the lane of this thread, which is claimed for
 * it: how many.  None when another thread has claimed it, or the first is what
 * was pushed last.
 */
size_t lane_pop(struct lane *lanes, void **objects, size_t nr);
size_t lane_push(struct lane *lanes, void *const *objects, size_t nr);

/* With the cache's lock: loads @next into the lane of this thread or CPU, and
 * returns what was loaded; or @next itself, when another thread has claimed the
 * lane. */
struct magazine *lane_swap(struct lane *lanes, struct magazine *next);

/*
 * With the cache's lock: what @lane has loaded, and nothing is loaded there;
 * NULL when there was nothing, or another thread has claimed it, unless @alone:
 * then none can.  Where a lane is a CPU's, that one may go on using the magazine
 * until lane_fence().
 */
struct magazine *lane_strip(struct lane *lane, bool alone);

/* Every restartable sequence that runs on the CPUs of @lanes begins again, and
 * what was written by those before is seen.  False when the kernel refuses: then
 * that is not so. */
bool lane_fence(const struct lane_set *lanes);
/* False once it was refused. */
bool lane_can_fence(void);

/* In the child of a fork: nobody is there who has claimed any. */
void lanes_child(struct lane *lanes);

#endif /* LIB_LANE_H */
