/* SPDX-License-Identifier: MIT */
/*
 * reserve.h - the spare elements of one pool
 *
 * A last-in-first-out array: the element freed last is the one most likely to
 * be in some cache still.  The pool's lock guards all of it; nothing here
 * sleeps.  Functions that go near an allocator are called without the lock.
 *
 * The array never shrinks: a bulk request that was admitted under a larger
 * min_nr may still be collecting that many elements in it.
 */
#ifndef LIB_RESERVE_H
#define LIB_RESERVE_H

#include <assert.h>
#include <stdbool.h>
#include <string.h>

struct reserve {
	void		**elems;	/* elems[0..nr) are ours */
	unsigned int	nr;		/* read without the lock by who spins
					   [S1] */
	unsigned int	cap;		/* room in elems; at least 1 */
	unsigned int	low;		/* smallest nr since it was full first */
};

/* False when there is no memory. */
bool reserve_init(struct reserve *reserve, unsigned int cap);
/* The reserve must be empty. */
void reserve_fini(struct reserve *reserve);

/*
 * Growing in two steps, because memory is asked for without the lock:
 * make room, then, with the lock, move in.  reserve_move_in() returns the
 * array that is no longer used, for free() after unlocking.
 */
void **reserve_make_room(unsigned int cap);
void **reserve_move_in(struct reserve *reserve, void **room, unsigned int cap);

/* There must be room, or an element. */
static inline void reserve_put(struct reserve *reserve, void *element)
{
	unsigned int nr = reserve->nr;

	assert(nr < reserve->cap);
	reserve->elems[nr] = element;
	__atomic_store_n(&reserve->nr, nr + 1, __ATOMIC_RELAXED);
}

static inline void *reserve_take(struct reserve *reserve)
{
	unsigned int nr = reserve->nr - 1;

	assert(nr < reserve->cap);
	__atomic_store_n(&reserve->nr, nr, __ATOMIC_RELAXED);
	if (nr < reserve->low)
		reserve->low = nr;
	return reserve->elems[nr];
}

/* The same with @nr at once, the last of which is put last, or taken first. */
static inline void reserve_put_some(struct reserve *reserve,
				    void *const *elems, unsigned int nr)
{
	assert(nr <= reserve->cap - reserve->nr);
	memcpy(reserve->elems + reserve->nr, elems, nr * sizeof(*elems));
	__atomic_store_n(&reserve->nr, reserve->nr + nr, __ATOMIC_RELAXED);
}

static inline void reserve_take_some(struct reserve *reserve, void **elems,
				     unsigned int nr)
{
	unsigned int left = reserve->nr - nr;

	assert(nr <= reserve->nr);
	__atomic_store_n(&reserve->nr, left, __ATOMIC_RELAXED);
	if (left < reserve->low)
		reserve->low = left;
	memcpy(elems, reserve->elems + left, nr * sizeof(*elems));
}

#endif /* LIB_RESERVE_H */
