/* SPDX-License-Identifier: MIT */
/*
 * fiber.h - fibers, what they wait for, and who is next
 *
 * Between search.c, which decides, sched.c, which carries out, and wrap.c,
 * which stands in for the C library.
 */
#ifndef FIBER_H
#define FIBER_H

#include <pthread.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>

#include "explore.h"

/* These lie where the library has its pthread_mutex_t, pthread_spinlock_t and
 * pthread_cond_t.  A lock that is all zero was initialised statically. */
struct lock {
	uint16_t	magic;
	uint8_t		owner;		/* fiber + 1; 0: free */
	uint8_t		prio_inherit : 1;
	uint8_t		id : 7;		/* for the trace; 0: none yet */
} __attribute__((may_alias));

struct cond {
	uint32_t	magic;
	unsigned int	nr_waiting;
	unsigned int	id;
	int		clock;
} __attribute__((may_alias));

#define TLS_SIZE	256

enum fiber_state {
	READY,
	WANTS_LOCK,			/* until lock is free */
	WAITS,				/* on cond; then for lock */
	SLEEPS,				/* until wake_ns */
	AWAITS,				/* until ready(ready_arg) or wake_ns */
	DONE,
};

/* How a fiber goes on. */
enum step { RUN, TIMER, LATE, SPURIOUS, CANCEL };

struct fiber {
	jmp_buf			context;	/* while it does not run */
	jmp_buf			base;		/* where cancelling ends */
	char			*stack;
	const char		*name;
	void			(*body)(void *arg);
	void			*arg;
	enum fiber_state	state;
	struct lock		*lock;
	struct cond		*cond;
	bool			woken;		/* by a signal */
	uint64_t		wake_ns;	/* UINT64_MAX: no timer */
	bool			(*ready)(void *arg);
	void			*ready_arg;
	enum step		step;		/* how it went on last */
	bool			may_cancel;
	int			cancel_state;	/* as pthread_setcancelstate() */
	int			saved_errno;
	char			tls[TLS_SIZE];	/* while it does not run */
	char			doing[64];	/* what comes next */
};

/* sched.c */
extern struct fiber *self;			/* NULL: outside */
extern struct fiber fibers[NR_FIBERS];
extern unsigned int nr_fibers;
extern bool tracing;

/* Runs @scenario once: what went wrong, or NULL. */
const char *sched_run(const struct scenario *scenario);
/* Says what self does next, and lets others go first. */
__attribute__((format(printf, 1, 2))) void sched_point(const char *fmt, ...);
/* The same, for trace only: nobody else runs. */
__attribute__((format(printf, 1, 2))) void sched_doing(const char *fmt, ...);
/* Until self is chosen, in whatever state it is. */
enum step sched_switch(void);
/* Until @ready(@arg), or a timer. */
enum step sched_await(bool (*ready)(void *arg), void *arg, uint64_t wake_ns);
/* Cancels self: unwinds it. */
_Noreturn void sched_cancel(void);
/* All fibers but self are gone. */
void sched_alone(void);

/* forks.c */
extern bool in_child;
/* Ends it; @failure may be NULL. */
_Noreturn void child_ends(const char *failure);

/* search.c: one of @nr; all but 0 deviate from the plain order. */
unsigned int search_choose(unsigned int nr);

/* wrap.c */
extern int nr_conds;				/* initialised, not destroyed */

/* spins.c: before and after each schedule. */
void spins_begin(const struct scenario *scenario);
void spins_end(void);

#endif /* FIBER_H */
