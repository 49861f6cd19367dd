/* SPDX-License-Identifier: MIT */
/*
 * adapter_plant.c - a stand-in for kmempool, and defects of it, to see that
 *                   each goal can be reached and can be missed
 */
#include "config.h"

#include "adapter_plant.h"

#include <pthread.h>
#include <string.h>

#include "figures.h"

#define WASTE_NS	1000
#define MAX_OBJECTS	8192

struct plant {
	size_t	size;
	size_t	nr;
	char	*memory;
};

static _Thread_local size_t next;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void waste(void)
{
	spin_until(now_ns() + WASTE_NS);
}

static void waste_none(const struct plant *plant)
{
	(void)plant;
}

static void waste_always(const struct plant *plant)
{
	(void)plant;
	waste();
}

static void waste_if_large(const struct plant *plant)
{
	if (plant->size > 64)
		waste();
}

static void waste_locked(const struct plant *plant)
{
	(void)plant;
	pthread_mutex_lock(&lock);
	waste();
	pthread_mutex_unlock(&lock);
}

/* What is chosen; none has no name. */
static const struct kind {
	const char	*name;
	void		(*waste)(const struct plant *plant);
	int		late_ms;	/* -1: never */
} kinds[] = {
	{ "ideal", waste_none, 0 },
	{ "slow", waste_always, 0 },
	{ "large", waste_if_large, 0 },
	{ "lock", waste_locked, 0 },
	{ "late", waste_none, 1 },
	{ "lost", waste_none, -1 },
};

static const struct kind *chosen;

static void *plant_create(size_t size, size_t nr)
{
	struct plant *plant = malloc(sizeof(*plant));

	if (!plant)
		abort();
	plant->size = size;
	plant->nr = nr < MAX_OBJECTS ? nr : MAX_OBJECTS;
	plant->memory = malloc(size * plant->nr);
	if (!plant->memory)
		abort();
	return plant;
}

static inline void *plant_alloc(void *pool)
{
	struct plant *plant = pool;

	if (chosen->waste != waste_none)
		chosen->waste(plant);
	if (next >= plant->nr)
		next = 0;
	return plant->memory + plant->size * next++;
}

static inline void plant_free(void *pool, void *object)
{
	(void)pool;
	(void)object;
}

ADAPTER_LOOPS(plant)

static size_t plant_fill_bulk(void *pool, void **objects, size_t nr)
{
	struct plant *plant = pool;
	char *object = plant->memory;
	size_t i;

	for (i = 0; i < nr && chosen->waste != waste_none; i++)
		chosen->waste(plant);
	for (i = 0; i < nr; i++, object += plant->size)
		objects[i] = object;
	return nr;
}

static void *plant_take(void *pool, uint64_t until_ns)
{
	(void)until_ns;
	if (chosen->late_ms < 0)
		return NULL;
	if (chosen->late_ms)
		sleep_ms(chosen->late_ms);
	return plant_alloc(pool);
}

#define PLANT(called, has) { \
	.name = (called), \
	.parts = (has), \
	.create = plant_create, \
	.pairs = plant_pairs, \
	.fill = plant_fill, \
	.drain = plant_drain, \
	.fill_bulk = plant_fill_bulk, \
	.drain_bulk = plant_drain, \
	.take = plant_take, \
}

static const struct adapter stand_ins[] = {
	PLANT("kmem_cache", PART_PAIR | PART_BATCH | PART_BULK | PART_THREADS |
			    PART_HEAP),
	PLANT("reserve", PART_RESERVE | PART_LAST),
};

bool plant_choose(const char *what)
{
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(kinds[i].name, what))
			chosen = &kinds[i];
	return chosen != NULL;
}

const struct adapter *plant_of(const struct adapter *adapter)
{
	size_t i;

	if (chosen)
		for (i = 0; i < sizeof(stand_ins) / sizeof(stand_ins[0]); i++)
			if (!strcmp(stand_ins[i].name, adapter->name))
				return &stand_ins[i];
	return adapter;
}
