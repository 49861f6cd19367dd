/* SPDX-License-Identifier: MIT */
/*
 * spin.c - waiting awake, for a short while
 *
 * A thread that sleeps takes 10 to 50 us to get going again, one that spins
 * 0.1 us.  Spinning is only worth it on a CPU that nobody else needs: the one
 * waited for has to run somewhere.  So there are never more spinners, in all
 * pools together, than CPUs in the caller's affinity mask less one; on one CPU
 * there is none, but for a thread that is bound to its CPU and waits for one
 * that was last seen on another.  How long to spin is for the caller to know
 * (wait.c).
 *
 *   [S1] The spinner looks at its own word, and, rarely, at the number of
 *        elements in the reserve, without the lock.  Relaxed: it takes the
 *        lock and looks again before it believes that one.
 *   [S2] Its word is set by compare and exchange on both sides, from SPINNING
 *        only, so either the other has told it, or it has left, never both.
 *        Release with acquire: what was written for it before is seen.
 */
#include "config.h"

#include "spin.h"

#include <errno.h>
#include <sched.h>

#include "compiler.h"
#include "deadline.h"

/* The clock is read once in so many looks; it takes longer than they do. */
#define LOOKS_PER_CLOCK	8
/* Looking at the reserve takes its line from who works there, so it is done
 * less and less often. */
#define PEEK_MIN_NS	(2 * NSEC_PER_USEC)
#define PEEK_MAX_NS	(16 * NSEC_PER_USEC)

/* Of words that are SPINNING, and of threads about to make theirs so: whoever
 * sets a word to something else counts it out, and nobody else does.  Atomic; a
 * mere number, relaxed. */
static unsigned int nr_spinners;

/* In this thread's affinity mask.  Who changes that does not tell us, so it is
 * looked at again after so many spins. */
#define SPINS_PER_LOOK	64
static __thread unsigned short nr_cpus
	__attribute__((tls_model("initial-exec")));
static __thread unsigned short nr_spins
	__attribute__((tls_model("initial-exec")));

static void look_at_cpus(void)
{
	int saved_errno = errno;
	cpu_set_t set;

	/* A mask longer than this set has CPUs enough. */
	if (sched_getaffinity(0, sizeof(set), &set))
		nr_cpus = CPU_SETSIZE;
	else
		nr_cpus = (unsigned short)CPU_COUNT(&set);
	errno = saved_errno;
}

static void count_out(void)
{
	__atomic_fetch_sub(&nr_spinners, 1, __ATOMIC_RELAXED);
}

bool spin_begin(unsigned int running, int giver_cpu)
{
	unsigned int others = running ? running : 1;
	unsigned int cpus;

	if (nr_spins++ % SPINS_PER_LOOK == 0)
		look_at_cpus();
	cpus = nr_cpus;
	/* A thread that is bound to one CPU may wait for one on another. */
	if (cpus == 1 && giver_cpu >= 0 && giver_cpu != sched_getcpu())
		cpus = 2;
	if (cpus <= others)
		return false;
	if (__atomic_fetch_add(&nr_spinners, 1, __ATOMIC_RELAXED) <
	    cpus - others)
		return true;
	count_out();
	return false;
}

void spin_child(void)
{
	__atomic_store_n(&nr_spinners, 0, __ATOMIC_RELAXED);
}

/* [S2] with leave().  Counted out here and not when it has noticed: who hands
 * something to and fro is often the next to spin, and sooner than that. */
bool spin_stop(uint32_t *spin, enum spin why)
{
	uint32_t seen = SPIN_SPINNING;

	if (!__atomic_compare_exchange_n(spin, &seen, why, false,
					 __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		return false;
	count_out();
	return true;
}

/* [S2] with spin_stop(). */
static enum spin leave(uint32_t *spin)
{
	uint32_t seen = SPIN_SPINNING;

	if (!__atomic_compare_exchange_n(spin, &seen, SPIN_AWAY, false,
					 __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE))
		return (enum spin)seen;
	count_out();
	return SPIN_AWAY;
}

enum spin spin_until(uint32_t *spin, const unsigned int *nr,
		     unsigned int enough, uint64_t now_ns, uint64_t until_ns)
{
	uint64_t peek_ns = now_ns + PEEK_MIN_NS;
	uint64_t step_ns = PEEK_MIN_NS;
	uint32_t seen;
	int i;

	while (now_ns < until_ns) {
		for (i = 0; i < LOOKS_PER_CLOCK; i++) {
			seen = __atomic_load_n(spin, __ATOMIC_ACQUIRE);
			if (seen != SPIN_SPINNING)
				return (enum spin)seen;
			cpu_relax();
		}
		now_ns = deadline_now_ns();
		if (now_ns < peek_ns)
			continue;
		if (__atomic_load_n(nr, __ATOMIC_RELAXED) >= enough)
			break;		/* [S1] */
		if (step_ns < PEEK_MAX_NS)
			step_ns *= 2;
		peek_ns = now_ns + step_ns;
	}
	return leave(spin);
}
