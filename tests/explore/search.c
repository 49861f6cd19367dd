/* SPDX-License-Identifier: MIT */
/*
 * search.c - every order of events, those nearest to the plain one first
 *
 *   explore [--list] [--most=N] [SCENARIO [--replay=CHOICES]]
 *
 * A schedule is a list of choices, one at each point where more than one
 * thing can happen.  0 is the plain one: whoever runs goes on; when it cannot,
 * the next one does; a timer fires when nobody can.  Anything else - to preempt
 * somebody, another one next, an early timer, a spurious wake-up, a
 * cancellation - is a deviation.  We try the schedule without any, then all
 * with one, with two, and so on, depth first, since most bugs need few.  So
 * the bound on deviations bounds preemptions, too.
 *
 * The choices of a schedule that failed are printed: replayed, they print
 * every step.  They hold for the sources they were found with.  A search and a
 * replay have a process each, since one that failed leaves pools behind.
 *
 * Per scenario N schedules are tried, 1000 unless told, or 60000 with
 * KMEMPOOL_TEST_LONG=1; of those that fork, which can take milliseconds, 50 or
 * 1000, when all are run.
 */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kmempool/mempool.h>

#include "fiber.h"

#define MOST_SHORT	1000
#define MOST_LONG	60000
#define FORKS_SHORT	50
#define FORKS_LONG	1000
#define MOST_CHOICES	4096

struct choice {
	uint8_t	pick, nr;
};

/* What a search leaves to the process that started it. */
struct findings {
	struct choice	choices[MOST_CHOICES];
	unsigned int	nr_choices;	/* in this schedule so far */
	unsigned long	nr;		/* different schedules */
	unsigned int	bound;		/* on deviations, in the end */
	bool		all;		/* there are no more */
	char		failure[512];	/* of the last schedule; or empty */
};

static struct findings *found;		/* shared memory */
static unsigned int nr_given;		/* the rest are 0 */
static unsigned int nr_deviations;	/* in this schedule so far */

/* ---- one choice -------------------------------------------------------- */

unsigned int search_choose(unsigned int nr)
{
	struct choice *choice = &found->choices[found->nr_choices];

	if (nr == 1)
		return 0;
	if (found->nr_choices == MOST_CHOICES)
		explore_fail("too many choices");
	if (found->nr_choices++ >= nr_given) {
		*choice = (struct choice){ 0, (uint8_t)nr };
	} else if (!choice->nr) {
		choice->nr = (uint8_t)nr;	/* given by --replay */
		if (choice->pick >= nr)
			explore_fail("these choices do not fit");
	} else if (choice->nr != nr) {
		explore_fail("the scenario is not deterministic");
	}
	nr_deviations += choice->pick > 0;
	return choice->pick;
}

/* False when it failed. */
static bool run(const struct scenario *scenario)
{
	const char *failure;

	found->nr_choices = 0;
	nr_deviations = 0;
	failure = sched_run(scenario);
	snprintf(found->failure, sizeof(found->failure), "%s",
		 failure ? failure : "");
	return !failure;
}

/* ---- all of them ------------------------------------------------------- */

/* To the next schedule with at most @bound deviations. */
static bool next_schedule(unsigned int bound)
{
	unsigned int used = nr_deviations;

	while (found->nr_choices) {
		struct choice *choice = &found->choices[--found->nr_choices];

		used -= choice->pick > 0;
		choice->pick++;
		if (choice->pick < choice->nr && used < bound) {
			nr_given = found->nr_choices + 1;
			return true;
		}
	}
	return false;
}

/* Until @most, or a failure. */
static void search(const struct scenario *scenario, unsigned long most)
{
	bool more;

	for (found->bound = 0;; found->bound++) {
		unsigned long before = found->nr;

		nr_given = 0;
		do {
			bool good = run(scenario);

			/* Others were run under a smaller bound. */
			found->nr += nr_deviations == found->bound || !good;
			if (!good)
				return;
			more = next_schedule(found->bound);
		} while (more && found->nr < most);
		if (more)
			return;
		if (found->nr == before) {
			found->all = true;
			return;
		}
	}
}

/* Runs what was found again, and prints every step. */
static void replay(const struct scenario *scenario, unsigned long unused)
{
	(void)unused;
	nr_given = found->nr_choices;
	tracing = true;
	if (run(scenario))
		printf("  %s: passed\n", scenario->name);
	else
		printf("  %s: %s\n", scenario->name, found->failure);
}

/* Runs @what in a process of its own. */
static void apart(void (*what)(const struct scenario *, unsigned long),
		  const struct scenario *scenario, unsigned long most)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		abort();
	if (!pid) {
		what(scenario, most);
		fflush(stdout);
		_exit(0);
	}
	while (waitpid(pid, &status, 0) != pid)
		;
	if (WIFSIGNALED(status))
		snprintf(found->failure, sizeof(found->failure),
			 "killed by signal %d", WTERMSIG(status));
}

static void print_choices(const struct scenario *scenario)
{
	const char *comma = "";
	unsigned int i;

	while (found->nr_choices && !found->choices[found->nr_choices - 1].pick)
		found->nr_choices--;
	printf("  explore %s --replay=", scenario->name);
	for (i = 0; i < found->nr_choices; i++) {
		printf("%s%u", comma, found->choices[i].pick);
		comma = ",";
	}
	printf("\n");
}

static bool explore(const struct scenario *scenario, unsigned long most,
		    unsigned long *nr)
{
	memset(found, 0, sizeof(*found));
	apart(search, scenario, most);
	*nr += found->nr;
	if (!found->failure[0]) {
		printf("%-28s %7lu schedules, ", scenario->name, found->nr);
		if (found->all)
			printf("all there are\n");
		else
			printf("all of fewer than %u deviations\n",
			       found->bound);
		return true;
	}
	printf("%s: FAILED after %lu schedules: %s\n", scenario->name,
	       found->nr, found->failure);
	print_choices(scenario);
	apart(replay, scenario, 0);
	return false;
}

/* ---- which ------------------------------------------------------------- */

static const struct scenario *const topics[] = {
	wait_scenarios, pass_scenarios, spin_scenarios,
	retry_scenarios, bulk_scenarios, life_scenarios,
	cap_scenarios, registry_scenarios, cache_scenarios,
	layer_scenarios, cached_scenarios,
	fork_scenarios, cache_fork_scenarios, layer_fork_scenarios,
	cached_fork_scenarios,
};

#define NR_TOPICS	(sizeof(topics) / sizeof(topics[0]))
#define NR_FORK_TOPICS	4		/* the last */

static const struct scenario *find(const char *name)
{
	const struct scenario *scenario;
	unsigned int i;

	for (i = 0; i < NR_TOPICS; i++)
		for (scenario = topics[i]; scenario->name; scenario++)
			if (!strcmp(scenario->name, name))
				return scenario;
	fprintf(stderr, "explore: no scenario %s\n", name);
	exit(2);
}

struct tally {
	unsigned int	nr_scenarios;
	unsigned long	nr_schedules;
	double		cpu_s;
};

static double cpu_seconds_of(int whose)
{
	struct rusage use;

	getrusage(whose, &use);
	return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
	       (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}

static double cpu_seconds(void)
{
	return cpu_seconds_of(RUSAGE_SELF) + cpu_seconds_of(RUSAGE_CHILDREN);
}

static unsigned long most_forks(unsigned long most)
{
	unsigned long forks = most <= MOST_SHORT ? FORKS_SHORT : FORKS_LONG;

	return most < forks ? most : forks;
}

static bool explore_topic(const struct scenario *topic, unsigned long most,
			  struct tally *tally)
{
	const struct scenario *scenario;
	double begin_s = cpu_seconds();
	bool good = true;

	for (scenario = topic; scenario->name; scenario++) {
		good &= explore(scenario, most, &tally->nr_schedules);
		tally->nr_scenarios++;
	}
	tally->cpu_s += cpu_seconds() - begin_s;
	return good;
}

/* Schedules that fork are counted apart: it is the system that they take most
 * of their time in. */
static int explore_all(unsigned long most)
{
	struct tally plain = { 0, 0, 0 }, fork = { 0, 0, 0 };
	bool good = true;
	unsigned int i;

	for (i = 0; i < NR_TOPICS - NR_FORK_TOPICS; i++)
		good &= explore_topic(topics[i], most, &plain);
	for (; i < NR_TOPICS; i++)
		good &= explore_topic(topics[i], most_forks(most), &fork);
	printf("%u scenarios, %lu schedules, %.1f s of CPU\n",
	       plain.nr_scenarios + fork.nr_scenarios,
	       plain.nr_schedules + fork.nr_schedules,
	       plain.cpu_s + fork.cpu_s);
	printf("without those that fork: %lu schedules, %.1f s of CPU: "
	       "%.0f a minute\n", plain.nr_schedules, plain.cpu_s,
	       (double)plain.nr_schedules * 60 / plain.cpu_s);
	return !good;
}

static int list_all(void)
{
	const struct scenario *scenario;
	unsigned int i;

	for (i = 0; i < NR_TOPICS; i++)
		for (scenario = topics[i]; scenario->name; scenario++)
			printf("%s\n", scenario->name);
	return 0;
}

static int replay_given(const struct scenario *scenario, char *given)
{
	char *word;

	for (word = strtok(given, ",");
	     word && found->nr_choices < MOST_CHOICES;
	     word = strtok(NULL, ","))
		found->choices[found->nr_choices++] =
			(struct choice){ (uint8_t)atoi(word), 0 };
	replay(scenario, 0);
	return 0;
}

/* The first pool of a thread makes bookkeeping that later ones find. */
static void warm_up(void)
{
	mempool_t *pool = mempool_create_kmalloc_pool(1, 64);
	void *element = pool ? mempool_alloc(pool, GFP_KERNEL) : NULL;

	if (!element)
		exit(2);
	mempool_free(element, pool);
	mempool_destroy(pool);
}

int main(int argc, char **argv)
{
	const char *long_form = getenv("KMEMPOOL_TEST_LONG");
	unsigned long most = long_form && strcmp(long_form, "0") ? MOST_LONG
								 : MOST_SHORT;
	const struct scenario *scenario = NULL;
	unsigned long nr = 0;
	int i;

	setvbuf(stdout, NULL, _IOLBF, 0);
	found = mmap(NULL, sizeof(*found), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (found == MAP_FAILED)
		abort();
	warm_up();
	for (i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--list"))
			return list_all();
		else if (!strncmp(argv[i], "--most=", 7))
			most = strtoul(argv[i] + 7, NULL, 10);
		else if (!strncmp(argv[i], "--replay=", 9) && scenario)
			return replay_given(scenario, argv[i] + 9);
		else
			scenario = find(argv[i]);
	}
	return scenario ? !explore(scenario, most, &nr) : explore_all(most);
}
