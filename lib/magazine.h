/* SPDX-License-Identifier: MIT */
/*
 * magazine.h - a handful of free objects that moves as one
 */
#ifndef LIB_MAGAZINE_H
#define LIB_MAGAZINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAGAZINE_SIZE	1024		/* bytes */
#define MAGAZINE_MAX	124		/* objects */

/* Of a magazine's word, the lowest byte is how many objects it has, and the
 * rest how often one was taken by the fast path: one store changes both. */
#define WORD_NR		0xffu
#define WORD_TAKEN	0x100u		/* one was */

struct magazine {
	uint64_t	word;		/* atomic; written by who may use the
					   lane that it is loaded in, else
					   under the cache's lock */
	uint32_t	cap;		/* most objects; fixed while loaded */
	/* under the cache's lock, while it is not loaded */
	uint32_t	lane;		/* in limbo: of the lane that it was
					   loaded in */
	struct magazine	*next;
	uint64_t	stamp;		/* in limbo: of the recall that put it
					   there.  No object's address: the
					   fast path compares the word before
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

static inline uint64_t magazine_word(const struct magazine *magazine)
{
	return __atomic_load_n(&magazine->word, __ATOMIC_RELAXED);
}

/* Release: in the child of a fork that came in between, the objects that the
 * word says are there must be. */
static inline void magazine_set_word(struct magazine *magazine, uint64_t word)
{
	__atomic_store_n(&magazine->word, word, __ATOMIC_RELEASE);
}

static inline unsigned int magazine_nr(const struct magazine *magazine)
{
	return magazine_word(magazine) & WORD_NR;
}

/* The two below are for who has it alone.  @nr fit; or are there. */
static inline void magazine_push(struct magazine *magazine,
				 void *const *objects, unsigned int nr)
{
	uint64_t word = magazine_word(magazine);
	unsigned int i;

	for (i = 0; i < nr; i++)
		magazine->objects[(word & WORD_NR) + i] = objects[i];
	magazine_set_word(magazine, word + nr);
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
	magazine_set_word(magazine, magazine_word(magazine) +
			  nr * (uint64_t)(WORD_TAKEN - 1));
}

/* Where the last @nr were; they lie there until others are pushed. */
static inline void **magazine_pop(struct magazine *magazine, unsigned int nr)
{
	uint64_t word = magazine_word(magazine) - nr;

	magazine_set_word(magazine, word);
	return magazine->objects + (word & WORD_NR);
}

#endif /* LIB_MAGAZINE_H */
