/* SPDX-License-Identifier: MIT */
/*
 * rseq.h - restartable sequences on the magazine that a CPU has loaded
 *
 * Theory of operation
 * ===================
 *
 * Between the labels 1 and 2 of each sequence the kernel sees to it that the
 * thread neither leaves its CPU nor lets another thread run there: if it has
 * to, or when asked by membarrier(), the thread goes on at the label 4 instead,
 * which begins again.  So a sequence reads and writes what belongs to its CPU
 * as if it were alone, with no atomic instruction and no fence, and comes into
 * effect by its last instruction, which stores, or not at all.  What it writes
 * before, nobody looks at until then.
 *
 * The C library registers every thread's area.  Where it does not, lane_area
 * leads to one that says CPU 0 for ever, and lanes[0] has nothing loaded.
 *
 *   %fs:(area)      the CPU, which is a lane's index
 *   %fs:8(area)     where the kernel finds what we are in: the record at 3,
 *                   which has first, length and where to go on instead
 *
 * Leaving in the middle, by a jump, is ending: the kernel looks at the program
 * counter.
 */
#ifndef LIB_RSEQ_H
#define LIB_RSEQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler.h"
#include "lane.h"
#include "magazine.h"

/* CPUs that there may ever be, counted from 0, up to LANES_MAX; 0 where there are
 * no restartable sequences. */
unsigned int rseq_nr_cpus(void);
/* From now on, and until rseq_begin(), every thread is on CPU 0 and in no
 * sequence.  To be called before any. */
void rseq_begin_without(void);
void rseq_begin(void);
/* A sequence that runs on @cpu begins again; a barrier there.  False when the
 * kernel refuses. */
bool rseq_fence(unsigned int cpu);

#if HAVE_RSEQ && !HAVE_TSAN

/* From the thread pointer to the thread's area. */
extern intptr_t lane_area __attribute__((visibility("hidden")));

_Static_assert(sizeof(struct lane) == 64, "a lane is 1 << 6");
/* Two are moved at a time. */
_Static_assert(offsetof(struct magazine, objects) % 16 == 0,
	       "no pair that begins at an even index lies in two cache lines");

/*
 * The four bytes before label 4 are what the C library registered with; the
 * kernel goes nowhere else.  They are the operand of an instruction that does
 * nothing, so that label 4 can be in the middle of the function: a signal that
 * comes in a sequence is taken there, and its handler may want to unwind.
 */
#define RSEQ_BEGIN						\
	".pushsection __rseq_cs, \"aw\"\n\t"			\
	".balign 32\n"						\
	"3:\t.long 0, 0\n\t"					\
	".quad 1f, 2f - 1f, 4f\n\t"				\
	".popsection\n\t"					\
	".byte 0x0f, 0x1f, 0x80\n\t"				\
	".long 0x53053053\n"					\
	"4:\tleaq 3b(%%rip), %[i]\n\t"				\
	"movq %[i], %%fs:8(%[area])\n"				\
	"1:\n\t"						\
	"movl %%fs:(%[area]), %k[i]\n\t"			\
	"shlq $6, %[i]\n\t"
/* The magazine, and how many objects it has. */
#define RSEQ_LOADED						\
	"movq (%[lanes],%[i]), %[mag]\n\t"			\
	"movq %c[put](%[mag]), %[i]\n\t"			\
	"subq %c[taken](%[mag]), %[i]\n\t"
/* The first [i] of [from] to [to], from the end and by fours. */
#define RSEQ_COPY						\
	"subq $4, %[i]\n\t"					\
	"jb 7f\n"						\
	"6:\tmovups (%[from],%[i],8), %%xmm0\n\t"		\
	"movups 16(%[from],%[i],8), %%xmm1\n\t"		\
	"movups %%xmm0, (%[to],%[i],8)\n\t"			\
	"movups %%xmm1, 16(%[to],%[i],8)\n\t"			\
	"subq $4, %[i]\n\t"					\
	"jae 6b\n"						\
	"7:\taddq $4, %[i]\n\t"				\
	"jz 9f\n"						\
	"8:\tmovq -8(%[from],%[i],8), %%xmm0\n\t"		\
	"movq %%xmm0, -8(%[to],%[i],8)\n\t"			\
	"decq %[i]\n\t"					\
	"jnz 8b\n"						\
	"9:\n\t"
/* An instruction is interrupted before or after it, also one that loads, adds and
 * stores. */
#define RSEQ_COMMIT(how)					\
	how "\n"						\
	"2:\n\t"

#define RSEQ_MAGAZINE						\
	[put] "i" (offsetof(struct magazine, put)),		\
	[taken] "i" (offsetof(struct magazine, taken)),		\
	[cap] "i" (offsetof(struct magazine, cap)),		\
	[objects] "i" (offsetof(struct magazine, objects))

/* The last object, or NULL. */
static inline void *rseq_pop(struct lane *lanes)
{
	struct magazine *mag;
	void *object;
	uintptr_t i;

	__asm__ volatile goto (
		RSEQ_BEGIN
		RSEQ_LOADED
		"jz %l[empty]\n\t"
		"movq %c[objects]-8(%[mag],%[i],8), %[object]\n\t"
		RSEQ_COMMIT("incq %c[taken](%[mag])")
		: [i] "=&r" (i), [mag] "=&r" (mag), [object] "=&r" (object)
		: [lanes] "r" (lanes), [area] "r" (lane_area), RSEQ_MAGAZINE
		: "memory", "cc"
		: empty);
	if (!object)
		__builtin_unreachable();
	return object;
empty:
	return NULL;
}

/* False when there is no room, or @object is the last that was pushed. */
static inline bool rseq_push(struct lane *lanes, void *object)
{
	struct magazine *mag;
	uintptr_t i;

	__asm__ volatile goto (
		RSEQ_BEGIN
		RSEQ_LOADED
		"cmpl %c[cap](%[mag]), %k[i]\n\t"
		"jae %l[full]\n\t"
		"cmpq %[object], %c[objects]-8(%[mag],%[i],8)\n\t"
		"je %l[full]\n\t"
		"movq %[object], %c[objects](%[mag],%[i],8)\n\t"
		RSEQ_COMMIT("incq %c[put](%[mag])")
		: [i] "=&r" (i), [mag] "=&r" (mag)
		: [lanes] "r" (lanes), [area] "r" (lane_area),
		  [object] "r" (object), RSEQ_MAGAZINE
		: "memory", "cc"
		: full);
	return true;
full:
	return false;
}

/* Up to @nr of the last objects: how many. */
static inline uintptr_t rseq_pop_run(struct lane *lanes, void **objects,
				     uintptr_t nr)
{
	uintptr_t i, n, from;
	struct magazine *mag;

	__asm__ volatile (
		RSEQ_BEGIN
		RSEQ_LOADED
		"movq %[nr], %[n]\n\t"
		"cmpq %[n], %[i]\n\t"
		"cmovbq %[i], %[n]\n\t"
		/* Not into the one that is never written to. */
		"testq %[n], %[n]\n\t"
		"jz 2f\n\t"
		"subq %[n], %[i]\n\t"
		"leaq %c[objects](%[mag],%[i],8), %[from]\n\t"
		"movq %[n], %[i]\n\t"
		RSEQ_COPY
		RSEQ_COMMIT("addq %[n], %c[taken](%[mag])")
		: [i] "=&r" (i), [mag] "=&r" (mag), [n] "=&r" (n),
		  [from] "=&r" (from)
		: [lanes] "r" (lanes), [area] "r" (lane_area),
		  [nr] "r" (nr), [to] "r" (objects), RSEQ_MAGAZINE
		: "memory", "cc", "xmm0", "xmm1");
	return n;
}

/* The first of them, as many as fit: how many. */
static inline uintptr_t rseq_push_run(struct lane *lanes, void *const *objects,
				      uintptr_t nr)
{
	uintptr_t i, n, to;
	struct magazine *mag;

	__asm__ volatile (
		RSEQ_BEGIN
		RSEQ_LOADED
		"leaq %c[objects](%[mag],%[i],8), %[to]\n\t"
		"movl %c[cap](%[mag]), %k[n]\n\t"
		"subq %[i], %[n]\n\t"
		"cmpq %[nr], %[n]\n\t"
		"cmovaq %[nr], %[n]\n\t"
		"testq %[n], %[n]\n\t"
		"jz 2f\n\t"
		"movq %[n], %[i]\n\t"
		RSEQ_COPY
		RSEQ_COMMIT("addq %[n], %c[put](%[mag])")
		: [i] "=&r" (i), [mag] "=&r" (mag), [n] "=&r" (n),
		  [to] "=&r" (to)
		: [lanes] "r" (lanes), [area] "r" (lane_area),
		  [nr] "r" (nr), [from] "r" (objects), RSEQ_MAGAZINE
		: "memory", "cc", "xmm0", "xmm1");
	return n;
}

/* What was loaded; @next is now. */
static inline struct magazine *rseq_swap(struct lane *lanes,
					 struct magazine *next)
{
	struct magazine *old;
	uintptr_t i;

	__asm__ volatile (
		RSEQ_BEGIN
		"movq (%[lanes],%[i]), %[old]\n\t"
		"movq %[next], (%[lanes],%[i])\n"
		"2:\n\t"
		: [i] "=&r" (i), [old] "=&r" (old)
		: [lanes] "r" (lanes), [area] "r" (lane_area),
		  [next] "r" (next)
		: "memory", "cc");
	return old;
}

#else

static inline void *rseq_pop(struct lane *lanes)
{
	(void)lanes;
	return NULL;
}

static inline bool rseq_push(struct lane *lanes, void *object)
{
	(void)lanes;
	(void)object;
	return false;
}

static inline uintptr_t rseq_pop_run(struct lane *lanes, void **objects,
				     uintptr_t nr)
{
	(void)lanes;
	(void)objects;
	(void)nr;
	return 0;
}

static inline uintptr_t rseq_push_run(struct lane *lanes, void *const *objects,
				      uintptr_t nr)
{
	(void)lanes;
	(void)objects;
	(void)nr;
	return 0;
}

static inline struct magazine *rseq_swap(struct lane *lanes,
					 struct magazine *next)
{
	(void)lanes;
	return next;
}

#endif

#endif /* LIB_RSEQ_H */
