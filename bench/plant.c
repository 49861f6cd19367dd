/* SPDX-License-Identifier: MIT */
/*
 * plant.c - defects planted into kmempool's place, to see the limits fail
 */
#include "config.h"

#include "plant.h"

#include <stdatomic.h>
#include <string.h>

#include "figures.h"

static const struct peer *const real = &peer_kmempool;

/* Threads by their first call on the pool, from 1.  They live no longer than
 * the pool. */
static atomic_int nr_threads;
static _Thread_local int thread_nr;

static atomic_int nr_takes;

static void *planted_new(int nr)
{
	nr_threads = 0;
	nr_takes = 0;
	return real->create(nr);
}

static void real_end(void *pool)
{
	real->destroy(pool);
}

static struct element *real_take(void *pool)
{
	return real->take(pool);
}

static void real_give(void *pool, struct element *element)
{
	real->give(pool, element);
}

static int my_nr(void)
{
	if (!thread_nr)
		thread_nr = ++nr_threads;
	return thread_nr;
}

static void slow_give(void *pool, struct element *element)
{
	spin_until(now_ns() + 1000);
	real->give(pool, element);
}

static void unfair_give(void *pool, struct element *element)
{
	real->give(pool, element);
	if (my_nr() % 2)
		sleep_ms(1);
}

/* Late enough to end after the warm-up, early enough for every run. */
static struct element *waiting_take(void *pool)
{
	if (++nr_takes == 5000)
		sleep_ms(120);
	return real->take(pool);
}

static struct element *starving_take(void *pool)
{
	if (!thread_nr && my_nr() == 1)
		sleep_ms(1000);
	return real->take(pool);
}

static const struct plant {
	const char	*what;
	struct peer	peer;
} plants[] = {
	{ "slow", { "kmempool", planted_new, real_take, slow_give, real_end,
		    NULL } },
	{ "unfair", { "kmempool", planted_new, real_take, unfair_give,
		      real_end, NULL } },
	{ "wait", { "kmempool", planted_new, waiting_take, real_give,
		    real_end, NULL } },
	{ "starve", { "kmempool", planted_new, starving_take, real_give,
		      real_end, NULL } },
};

const struct peer *plant_find(const char *what)
{
	size_t i;

	for (i = 0; i < sizeof(plants) / sizeof(plants[0]); i++)
		if (!strcmp(plants[i].what, what))
			return &plants[i].peer;
	return NULL;
}
