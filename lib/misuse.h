/* SPDX-License-Identifier: MIT */
/*
 * misuse.h - how reports on objects are worded
 */
#ifndef LIB_MISUSE_H
#define LIB_MISUSE_H

#include <stdbool.h>

#include "fill.h"
#include "track.h"

struct kmem_cache;
struct report;
struct slab;

#define VIEW_BYTES	64
#define VIEW_NAME	48

/*
 * What a report shows of an object: a copy, so that it can be put into words
 * when the object may be gone.
 */
struct view {
	char			cache[VIEW_NAME];
	const void		*slab;		/* its first place */
	const unsigned char	*object;
	const char		*state;		/* in a word or two */
	unsigned int		size;		/* bytes */
	unsigned int		index, nr;	/* in the slab */
	const unsigned char	*from;		/* of the bytes below */
	unsigned int		nr_bytes;	/* 0: there is no telling */
	unsigned char		bytes[VIEW_BYTES];
	bool			tracked;
	struct track		tracks[NR_TRACKS];
};

/*
 * Copies what is at and around @around, an address in place @index of @slab,
 * or NULL for the object's beginning.  With the lock, and the slab listed.
 * What is on its way is only read if it is the caller's @own.
 */
void view_take(struct view *view, const struct slab *slab, unsigned int index,
	       const void *around, bool own);

/* An object was damaged.  @when it was seen, in words. */
void misuse_damage(struct kmem_cache *cache, const struct view *view,
		   const struct damage *damage, const char *when);
/* @address was given back to @cache, at @caller, and is not an object of it
 * that is out. */
void misuse_free(struct kmem_cache *cache, const void *address,
		 const void *caller);
/* The same where it stops the program. */
_Noreturn void misuse_free_abort(struct kmem_cache *cache, const void *address);
/* The free list of a slab leads astray. */
void misuse_list(struct kmem_cache *cache, const struct view *view);

/* Counts a defect and sends the report of it. */
void misuse_send(struct kmem_cache *cache, const struct report *report);

#endif /* LIB_MISUSE_H */
