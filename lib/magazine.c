/* SPDX-License-Identifier: MIT */
/*
 * magazine.c - memory for magazines
 *
 * From the system, not from malloc(), which may be what a cache backs.  It is
 * never used for anything else, nor given back: a thread that was stopped in a
 * restartable sequence may still look at a magazine that is elsewhere by now,
 * before it learns that it has to begin again (lane.c).
 */
#include "config.h"

#include "magazine.h"

#include <pthread.h>

#include "pages.h"

static pthread_mutex_t unused_lock = PTHREAD_MUTEX_INITIALIZER;
static struct magazine *unused;		/* by next; under unused_lock */

const struct magazine magazine_none;

static struct magazine *pop_unused(void)
{
	struct magazine *magazine;

	pthread_mutex_lock(&unused_lock);
	magazine = magazine_next(&unused);
	pthread_mutex_unlock(&unused_lock);
	return magazine;
}

static void push_unused(struct magazine *first, struct magazine *last)
{
	pthread_mutex_lock(&unused_lock);
	last->next = unused;
	unused = first;
	pthread_mutex_unlock(&unused_lock);
}

void magazine_put(struct magazine *magazine)
{
	push_unused(magazine, magazine);
}

static struct magazine *in_run(char *run, size_t i)
{
	return (struct magazine *)(run + i * MAGAZINE_SIZE);
}

struct magazine *magazine_get(void)
{
	size_t nr = GRANULE / MAGAZINE_SIZE, i;
	struct magazine *magazine = pop_unused();
	char *run;

	if (magazine)
		return magazine;
	run = pages_map(GRANULE, -1);
	if (!run)
		return NULL;
	for (i = 1; i < nr - 1; i++)
		in_run(run, i)->next = in_run(run, i + 1);
	push_unused(in_run(run, 1), in_run(run, nr - 1));
	return in_run(run, 0);
}

void magazine_prepare(void)
{
	pthread_mutex_lock(&unused_lock);
}

void magazine_resume(void)
{
	pthread_mutex_unlock(&unused_lock);
}
