/* SPDX-License-Identifier: MIT */
/*
 * adapter_array.c - an array of objects, and a mutex around it
 */
#include "config.h"

#include "adapter.h"

#include <pthread.h>

struct array {
	pthread_mutex_t	lock;
	size_t		nr;			/* under lock */
	void		*object[];		/* under lock */
};

static void *array_create(size_t size, size_t nr)
{
	struct array *array = malloc(sizeof(*array) +
				     nr * sizeof(array->object[0]));

	if (!array || pthread_mutex_init(&array->lock, NULL))
		abort();
	for (array->nr = 0; array->nr < nr; array->nr++)
		array->object[array->nr] = malloc(size);
	return array;
}

static inline void *array_alloc(void *pool)
{
	struct array *array = pool;
	void *object = NULL;

	pthread_mutex_lock(&array->lock);
	if (array->nr)
		object = array->object[--array->nr];
	pthread_mutex_unlock(&array->lock);
	return object;
}

static inline void array_free(void *pool, void *object)
{
	struct array *array = pool;

	pthread_mutex_lock(&array->lock);
	array->object[array->nr++] = object;
	pthread_mutex_unlock(&array->lock);
}

ADAPTER_LOOPS(array)

const struct adapter adapter_array = {
	.name = "mutex+array",
	.parts = PART_PAIR | PART_BATCH | PART_THREADS | PART_RESERVE,
	.create = array_create,
	.pairs = array_pairs,
	.fill = array_fill,
	.drain = array_drain,
};
