/* SPDX-License-Identifier: MIT */
/*
 * magazine.h - a handful of free objects that moves as one
 */
#ifndef LIB_MAGAZINE_H
#define LIB_MAGAZINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler.h"

#define MAGAZINE_SIZE	1024		/* bytes */
#define MAGAZINE_MAX	122		/* objects */

/*
 * It has put - taken objects.  Both only grow while it is loaded, so that the
 * fast path comes into effect by adding to one of them; and what is given does
 * not wait for the store of what was taken, which one count of both would.
 */
struct magazine {
	/* atomic; written by who may use the lane that it is loaded in, else
	 * under the cache's lock */
	uint64_t	put;		/* objects it had when it was loaded,
					   and was given since */
	uint64_t	taken;		/* by the fast path since then */
	uint32_t	cap;		/* most objects; fixed while loaded */
	uint32_t	had;		/* objects when it was loaded, */
	bool		to_take;	/* by who takes, not who gives */
	/* under the cache's lock, while it is not loaded */
	uint32_t	lane;		/* in limbo: of the lane that it was
					   loaded in */
	struct magazine	*next;
	uint64_t	stamp;		/* in limbo: of the recall that put it
					   there.  No object's address: the
					   fast path compares what is before
					   the objects with one */
	void		*objects[MAGAZINE_MAX];
};

_Static_assert(sizeof(struct magazine) <= MAGAZINE_SIZE, "one fits its place");

/* What a lane has loaded that has none.  Never written to. */
extern const struct magazine magazine_none;
#define MAGAZINE_NONE	((struct magazine *)(uintptr_t)&magazine_none)

/* An empty one, or NULL.  Not to be called with a lock; may ask the system. */
struct magazine *magazine_get(void);
void magazine_put(struct magazine *magazine);

/* For fork.c: the lock of those that nobody uses. */
void magazine_prepare(void);
void magazine_resume(void);

/* The first of a list, out of it, or NULL; and one more. */
static inline struct magazine *magazine_next(struct magazine **list)
{
	struct magazine *magazine = *list;

	if (magazine)
		*list = magazine->next;
	return magazine;
}

static inline void magazine_add(struct magazine **list,
				struct magazine *magazine)
{
	magazine->next = *list;
	*list = magazine;
}

/* The rest is for who has it alone. */

static inline unsigned int magazine_nr(const struct magazine *magazine)
{
	return (unsigned int)(magazine->put - magazine->taken);
}

/* It has @nr, and none was taken.  Not loaded. */
static inline void magazine_reset(struct magazine *magazine, unsigned int nr)
{
	magazine->put = nr;
	magazine->taken = 0;
}

/* It is about to be loaded, and was perhaps filled by another CPU. */
static inline void magazine_prefetch(struct magazine *magazine)
{
	char *end = (char *)&magazine->objects[magazine->cap], *line;

	/* The first is here. */
	for (line = (char *)magazine + CACHE_LINE; line < end;
	     line += CACHE_LINE)
		__builtin_prefetch(line, 1);
}

/* @nr fit.  Release: in the child of a fork that came in between, the objects that
 * are said to be there must be. */
static inline void magazine_push(struct magazine *magazine,
				 void *const *objects, unsigned int nr)
{
	unsigned int had = magazine_nr(magazine), i;

	for (i = 0; i < nr; i++)
		magazine->objects[had + i] = objects[i];
	__atomic_store_n(&magazine->put, magazine->put + nr, __ATOMIC_RELEASE);
}

static inline bool magazine_has_last(const struct magazine *magazine,
				     const void *object)
{
	unsigned int nr = magazine_nr(magazine);

	return nr && magazine->objects[nr - 1] == object;
}

/* Where the last @nr are. */
static inline void **magazine_last(struct magazine *magazine, unsigned int nr)
{
	return magazine->objects + magazine_nr(magazine) - nr;
}

/* They were taken from there by the fast path: one store, so that the child of
 * a fork finds them there, or taken and counted. */
static inline void magazine_took(struct magazine *magazine, unsigned int nr)
{
	__atomic_store_n(&magazine->taken, magazine->taken + nr,
			 __ATOMIC_RELEASE);
}

/* Where the last @nr were; they lie there until others are pushed.  Not
 * loaded. */
static inline void **magazine_pop(struct magazine *magazine, unsigned int nr)
{
	magazine->put -= nr;
	return magazine->objects + magazine_nr(magazine);
}

#endif /* LIB_MAGAZINE_H */
