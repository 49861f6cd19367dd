/* SPDX-License-Identifier: MIT */
/*
 * pairs.h - taking an element and giving it back, where there are always some
 */
#ifndef BENCH_PAIRS_H
#define BENCH_PAIRS_H

#include <stdint.h>

/* Elements in each pool: more than threads, so that nobody ever waits. */
#define PAIRS_ELEMENTS	64

struct pairs_way {
	const char	*name;
	void		*(*create)(void);
	void		(*pair)(void *pool);
	void		(*destroy)(void *pool);
};

/* The pool whose backend is dead first, mutex+array last. */
#define PAIRS_DEAD	0
#define PAIRS_ARRAY	2
#define NR_PAIRS_WAYS	3
extern const struct pairs_way pairs_ways[NR_PAIRS_WAYS];

struct pairs_outcome {
	double	pair_ns;		/* of one thread */
	double	switches;		/* voluntary, per pair */
};

/* nr_threads: at most 2. */
void pairs_run(const struct pairs_way *way, int nr_threads, int duration_ms,
	       struct pairs_outcome *outcome);

/* Set to see the limits fail: the dead backend takes so long to say so. */
extern uint64_t pairs_waste_ns;

#endif /* BENCH_PAIRS_H */
