/* SPDX-License-Identifier: MIT */
/*
 * spins.c - who spins, and the bed that each fiber has
 *
 * What there are CPUs for is a choice, as often as the scenario says; the
 * counting of spinners and the end of each spin are lib/spin.c's own, on a
 * machine with CPUs enough.  A spinner here does not look at the clock again
 * and again.  It waits until one of the things that it looks for is there.
 */
#include "config.h"

#include "fiber.h"

#include <sched.h>
#include <stdio.h>

#include "counters.h"
#include "lock.h"
#include "spin.h"

#define NR_CPUS	64

static const struct scenario *scenario;
static unsigned int nr_spins;
static struct bed beds[NR_FIBERS];

int __wrap_sched_getcpu(void);
int __wrap_sched_getaffinity(pid_t, size_t, cpu_set_t *);
bool __wrap_spin_begin(unsigned int, int);
bool __real_spin_begin(unsigned int, int);
enum spin __wrap_spin_until(uint32_t *, const unsigned int *, unsigned int,
			    uint64_t, uint64_t);
enum spin __real_spin_until(uint32_t *, const unsigned int *, unsigned int,
			    uint64_t, uint64_t);
struct bed *__wrap_counters_own_bed(void);

/* ---- CPUs -------------------------------------------------------------- */

int __wrap_sched_getcpu(void)
{
	return 0;
}

int __wrap_sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set)
{
	int i;

	(void)pid;
	CPU_ZERO_S(size, set);
	for (i = 0; i < NR_CPUS; i++)
		CPU_SET_S(i, size, set);
	return 0;
}

/* ---- spinning ---------------------------------------------------------- */

bool __wrap_spin_begin(unsigned int running, int giver_cpu)
{
	bool spins;

	if (in_child || nr_spins >= scenario->spins || search_choose(2))
		return false;
	nr_spins++;
	spins = __real_spin_begin(running, giver_cpu);
	if (!spins)
		explore_fail("spinners are counted that are none");
	return true;
}

struct sight {
	const uint32_t		*spin;
	const unsigned int	*nr;
	unsigned int		enough;
};

static bool is_told(const struct sight *sight)
{
	return *sight->spin != SPIN_SPINNING;
}

static bool sees_something(void *arg)
{
	const struct sight *sight = arg;

	return is_told(sight) || *sight->nr >= sight->enough;
}

enum spin __wrap_spin_until(uint32_t *spin, const unsigned int *nr,
			    unsigned int enough, uint64_t now_ns,
			    uint64_t until_ns)
{
	struct sight sight = { spin, nr, enough };

	sched_doing("spins");
	sched_await(sees_something, &sight, until_ns);
	/* Its own last look; without a next one, unless it was told. */
	return __real_spin_until(spin, nr, enough,
				 is_told(&sight) ? now_ns : until_ns, until_ns);
}

bool explore_nobody_spins(void)
{
	bool none = __real_spin_begin(NR_CPUS - 1, -1);
	uint32_t spin = SPIN_SPINNING;

	if (none)
		spin_stop(&spin, SPIN_ROUSED);
	return none;
}

/* ---- beds -------------------------------------------------------------- */

struct bed *__wrap_counters_own_bed(void)
{
	return scenario->no_blocks ? NULL : &beds[explore_self()];
}

/* ---- one schedule ------------------------------------------------------ */

void spins_begin(const struct scenario *scenario_to_run)
{
	unsigned int i;

	scenario = scenario_to_run;
	nr_spins = 0;
	for (i = 0; i < NR_FIBERS; i++)
		bed_init(&beds[i]);
}

void spins_end(void)
{
	if (!explore_nobody_spins())
		explore_fail("a spinner was not counted out");
}
