/* SPDX-License-Identifier: MIT */
/*
 * explore.h - what a scenario says, and may ask of the explorer
 *
 * A scenario is a few fibers, each of which makes some calls on a pool.  The
 * explorer runs it again and again, every time in another order of events,
 * until it has seen all orders with at most so many deviations from the plain
 * one.  search.c says what that means, and how to replay a failure.
 *
 * A scenario must be deterministic but for the order: no clock, no random
 * numbers, no decision by address.
 */
#ifndef EXPLORE_H
#define EXPLORE_H

#include <stdbool.h>
#include <stdint.h>

struct scenario {
	const char	*name;
	void		(*setup)(void);	/* makes the world, spawns fibers */
	void		(*check)(void);	/* after all returned; or NULL */
	/* how often in one schedule */
	unsigned int	cancels;	/* a fiber that allows it is cancelled */
	unsigned int	spurious;	/* a wait ends without a reason */
	unsigned int	early;		/* a timer fires while others could
					   run, or a signal comes too late */
	unsigned int	spins;		/* who may spin does, until it is told
					   or its time is over, as if that were
					   a timer */
	bool		atomics;	/* others may run around each atomic
					   access, too, and before a lock is
					   released */
	bool		no_blocks;	/* a fiber has no bed of its own */
};

#define SCENARIO(fn, end)	.name = #fn, .setup = (fn), .check = (end)

extern const struct scenario wait_scenarios[];
extern const struct scenario pass_scenarios[];
extern const struct scenario spin_scenarios[];
extern const struct scenario retry_scenarios[];
extern const struct scenario bulk_scenarios[];
extern const struct scenario life_scenarios[];
extern const struct scenario cap_scenarios[];
extern const struct scenario registry_scenarios[];
extern const struct scenario cache_scenarios[];
extern const struct scenario layer_scenarios[];
extern const struct scenario cached_scenarios[];
extern const struct scenario fork_scenarios[];
extern const struct scenario cache_fork_scenarios[];
extern const struct scenario layer_fork_scenarios[];
extern const struct scenario cached_fork_scenarios[];

#define NR_FIBERS	6
/* A timer later than this never fires: a retry once an hour hides no lost
 * wake-up. */
#define HORIZON_NS	(1800 * 1000000000ull)

/* In setup only.  @arg is passed to @body; @name is for the trace. */
void explore_spawn(const char *name, void (*body)(void *arg), void *arg);

/* ---- called by fibers -------------------------------------------------- */

/* Here others may run. */
void explore_point(const char *what);
/* The same, and the fiber may be cancelled here. */
void explore_cancel_point(const char *what);
/* Others run until @ready(@arg), which must not change anything. */
void explore_await(const char *what, bool (*ready)(void *arg), void *arg);
/* From now on this fiber may be cancelled, at cancellation points. */
void explore_allow_cancel(void);
/* The process forks.  True in the child, which has this fiber only and ends
 * when it does; the parent goes on when the child has ended well. */
bool explore_fork(void);
bool explore_is_child(void);
/* The library counts no spinners. */
bool explore_nobody_spins(void);
/* Number of this fiber, in order of explore_spawn(); -1 outside of them. */
int explore_self(void);

uint64_t explore_now_ns(void);
/* Others may run, and then so much time has passed. */
void explore_let_pass(uint64_t ns);

/* Ends the schedule, which has failed. */
_Noreturn __attribute__((format(printf, 1, 2)))
void explore_fail(const char *format, ...);
#define require(holds) \
	((holds) ? (void)0 : explore_fail("%s:%d: %s", __FILE__, __LINE__, \
					  #holds))

#endif /* EXPLORE_H */
