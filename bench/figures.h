/* SPDX-License-Identifier: MIT */
/*
 * figures.h - what measurements are boiled down to
 *
 * Medians and minima over rounds, Jain's index, and a histogram of latencies
 * that is cheap enough to be kept for every operation.
 */
#ifndef BENCH_FIGURES_H
#define BENCH_FIGURES_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

/* The middle one of n values, or the mean of the two in the middle; n > 0.
 * The order of the values is left alone. */
double median(const double *values, size_t n);
double minimum(const double *values, size_t n);

/* Median over rounds of value over base of the same round. */
double median_ratio(const double *values, const double *base, size_t n);

/* (sum x)^2 / (n sum x^2): 1 if all are the same, 1/n if one has it all. */
double jain(const uint64_t *counts, size_t n);

/*
 * Latencies by size: 16 buckets to each power of two, so that what is read
 * back is at most 1/16 off; the longest is kept as it is.
 */
#define LATENCY_SUB_BITS	4
#define LATENCY_SUB		(1 << LATENCY_SUB_BITS)
#define LATENCY_BUCKETS		(40 * LATENCY_SUB)	/* to 2^43 ns, hours */

struct latencies {
	uint64_t	nr;
	uint64_t	longest_ns;
	uint32_t	count[LATENCY_BUCKETS];
};

static inline size_t latency_bucket(uint64_t ns)
{
	int shift = 0;

	if (ns >= 2 * LATENCY_SUB)
		shift = 63 - LATENCY_SUB_BITS - __builtin_clzll(ns);
	return (size_t)shift * LATENCY_SUB + (size_t)(ns >> shift);
}

static inline void latency_record(struct latencies *l, uint64_t ns)
{
	size_t bucket = latency_bucket(ns);

	l->nr++;
	l->count[bucket < LATENCY_BUCKETS ? bucket : LATENCY_BUCKETS - 1]++;
	if (ns > l->longest_ns)
		l->longest_ns = ns;
}

void latency_add(struct latencies *sum, const struct latencies *l);

/* The least time within which a share (0.5, 0.99) of them ended, in ns; 0 if
 * there are none. */
double latency_percentile(const struct latencies *l, double share);

/* Nanoseconds of CLOCK_MONOTONIC. */
static inline uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* Keeps the CPU busy until then. */
static inline void spin_until(uint64_t until_ns)
{
	while (now_ns() < until_ns)
		;
}

void sleep_ms(int ms);

/* Voluntary context switches of all threads so far. */
double nr_switches(void);

/* xorshift64; the state must not be 0. */
uint64_t next_random(uint64_t *state);

/* Puts 0 .. n - 1 in a random order. */
void shuffle(size_t *order, size_t n, uint64_t *state);

/* Machine, kernel, CPUs that may be used, compiler and library. */
void print_machine(FILE *out);

#endif /* BENCH_FIGURES_H */
