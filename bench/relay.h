/* SPDX-License-Identifier: MIT */
/*
 * relay.h - two threads that hand one token to and fro
 *
 * Each direction is a channel: one place for a token, where the other thread
 * waits for it.
 */
#ifndef BENCH_RELAY_H
#define BENCH_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct relay_way {
	const char	*name;
	bool		never_sleeps;	/* of no use on one CPU */
	void		*(*create)(void);
	void		*(*token)(void *channel);	/* one to begin with */
	void		(*send)(void *channel, void *token);
	void		*(*receive)(void *channel);
	void		(*destroy)(void *channel);
};

/* kmempool first, futex second. */
#define RELAY_POOL	0
#define RELAY_FUTEX	1
#define NR_RELAY_WAYS	4
extern const struct relay_way relay_ways[NR_RELAY_WAYS];

struct relay_outcome {
	double	one_way_ns;		/* half of a round trip */
	double	switches;		/* voluntary, one way */
};

/* The threads are bound to these two CPUs, which may be the same. */
void relay_run(const struct relay_way *way, const int cpu[2], int duration_ms,
	       struct relay_outcome *outcome);

/* Set to see the limits fail: each hand-over through a pool takes so much
 * longer. */
extern uint64_t relay_waste_ns;

#endif /* BENCH_RELAY_H */
