/* SPDX-License-Identifier: MIT */
/*
 * reserve.c - the spare elements of one pool
 */
#include "config.h"

#include "reserve.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void **reserve_make_room(unsigned int cap)
{
	return calloc(cap ? cap : 1, sizeof(void *));
}

bool reserve_init(struct reserve *reserve, unsigned int cap)
{
	reserve->elems = reserve_make_room(cap);
	if (!reserve->elems)
		return false;
	reserve->nr = 0;
	reserve->cap = cap ? cap : 1;
	reserve->low = cap;
	return true;
}

void reserve_fini(struct reserve *reserve)
{
	assert(reserve->nr == 0);
	free(reserve->elems);
}

void **reserve_move_in(struct reserve *reserve, void **room, unsigned int cap)
{
	void **old = reserve->elems;

	assert(cap >= reserve->nr);
	memcpy(room, old, reserve->nr * sizeof(*room));
	reserve->elems = room;
	reserve->cap = cap;
	return old;
}
