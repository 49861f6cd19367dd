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
 * every step.  They hold for the sources they were found with.
 *
 * Per scenario N schedules are tried, 1000 unless told, or 60000 with
 * KMEMPOOL_TEST_LONG=1.
 */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <kmempool/mempool.h>

#include "fiber.h"

#define MOST_SHORT	1000
#define MOST_LONG	60000
#define MOST_CHOICES	4096

static struct choice {
	uint8_t	pick, nr;
} choices[MOST_CHOICES];
static unsigned int nr_choices;		/* in this schedule so far */
static unsigned int nr_given;		/* the rest are 0 */
static unsigned int nr_deviations;	/* in this schedule so far */

/* ---- one choice -------------------------------------------------------- */

unsigned int search_choose(unsigned int nr)
{
	struct choice *choice = &choices[nr_choices];

	if (nr == 1)
		return 0;
	if (nr_choices == MOST_CHOICES)
		explore_fail("too many choices");
	if (nr_choices++ >= nr_given) {
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

static const char *run(const struct scenario *scenario)
{
	nr_choices = 0;
	nr_deviations = 0;
	return sched_run(scenario);
}

/* ---- all of them ------------------------------------------------------- */

/* To the next schedule with at most @bound deviations. */
static bool next_schedule(unsigned int bound)
{
	unsigned int used = nr_deviations;

	while (nr_choices) {
		struct choice *choice = &choices[--nr_choices];

		used -= choice->pick > 0;
		choice->pick++;
		if (choice->pick < choice->nr && used < bound) {
			nr_given = nr_choices + 1;
			return true;
		}
	}
	return false;
}

static void print_choices(const struct scenario *scenario)
{
	const char *comma = "";
	unsigned int i;

	while (nr_choices && !choices[nr_choices - 1].pick)
		nr_choices--;
	printf("  explore %s --replay=", scenario->name);
	for (i = 0; i < nr_choices; i++) {
		printf("%s%u", comma, choices[i].pick);
		comma = ",";
	}
	printf("\n");
}

static void replay(const struct scenario *scenario)
{
	const char *failure;

	nr_given = nr_choices;
	tracing = true;
	failure = run(scenario);
	tracing = false;
	printf("  %s: %s\n", scenario->name, failure ? failure : "passed");
}

struct tally {
	unsigned long	nr;		/* different schedules */
	unsigned int	bound;
	bool		all;		/* there are no more */
	const char	*failure;
};

/* Until @most, or a failure. */
static void search(const struct scenario *scenario, unsigned long most,
		   struct tally *tally)
{
	bool more;

	for (tally->bound = 0;; tally->bound++) {
		unsigned long before = tally->nr;

		nr_given = 0;
		do {
			tally->failure = run(scenario);
			/* Others were run under a smaller bound. */
			tally->nr += nr_deviations == tally->bound ||
				     tally->failure;
			if (tally->failure)
				return;
			more = next_schedule(tally->bound);
		} while (more && tally->nr < most);
		if (more)
			return;
		if (tally->nr == before) {
			tally->all = true;
			return;
		}
	}
}

static bool explore(const struct scenario *scenario, unsigned long most,
		    unsigned long *nr)
{
	struct tally tally = { 0, 0, false, NULL };

	search(scenario, most, &tally);
	*nr += tally.nr;
	if (!tally.failure) {
		printf("%-28s %7lu schedules, ", scenario->name, tally.nr);
		if (tally.all)
			printf("all there are\n");
		else
			printf("all of fewer than %u deviations\n",
			       tally.bound);
		return true;
	}
	printf("%s: FAILED after %lu schedules: %s\n", scenario->name,
	       tally.nr, tally.failure);
	print_choices(scenario);
	replay(scenario);
	return false;
}

/* ---- which ------------------------------------------------------------- */

static const struct scenario *const topics[] = {
	wait_scenarios, retry_scenarios, bulk_scenarios, life_scenarios,
};

#define NR_TOPICS	(sizeof(topics) / sizeof(topics[0]))

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

static int explore_all(unsigned long most, bool list)
{
	const struct scenario *scenario;
	unsigned int i, nr_scenarios = 0;
	unsigned long nr = 0;
	bool good = true;

	for (i = 0; i < NR_TOPICS; i++)
		for (scenario = topics[i]; scenario->name; scenario++) {
			nr_scenarios++;
			if (list)
				printf("%s\n", scenario->name);
			else
				good &= explore(scenario, most, &nr);
		}
	if (!list)
		printf("%u scenarios, %lu schedules, %.1f s of CPU\n",
		       nr_scenarios, nr, (double)clock() / CLOCKS_PER_SEC);
	return !good;
}

static int replay_given(const struct scenario *scenario, char *given)
{
	char *word;

	for (word = strtok(given, ","); word && nr_choices < MOST_CHOICES;
	     word = strtok(NULL, ","))
		choices[nr_choices++] =
			(struct choice){ (uint8_t)atoi(word), 0 };
	replay(scenario);
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
	bool list = false;
	int i;

	setvbuf(stdout, NULL, _IOLBF, 0);
	warm_up();
	for (i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--list"))
			list = true;
		else if (!strncmp(argv[i], "--most=", 7))
			most = strtoul(argv[i] + 7, NULL, 10);
		else if (!strncmp(argv[i], "--replay=", 9) && scenario)
			return replay_given(scenario, argv[i] + 9);
		else
			scenario = find(argv[i]);
	}
	return scenario ? !explore(scenario, most, &nr)
			: explore_all(most, list);
}
