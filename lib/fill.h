/* SPDX-License-Identifier: MIT */
/*
 * fill.h - what lies around an object and in a free one, and whether it changed
 */
#ifndef LIB_FILL_H
#define LIB_FILL_H

#include <stdbool.h>
#include <stddef.h>

#include <kmempool/slab.h>

struct kmem_cache;
struct track;

/* A stretch of bytes that are not what they should be. */
struct damage {
	const char		*where;		/* in words */
	const unsigned char	*first, *last;
	unsigned char		expected;
};

#define DAMAGE_MAX	3			/* of one object */

enum track_of { TRACK_ALLOCATED, TRACK_FREED, NR_TRACKS };

/* Bytes that a place has before and behind the object. */
unsigned int fill_before(slab_flags_t flags);
unsigned int fill_after(slab_flags_t flags, unsigned int size);

/* What follows is for who alone has the object. */

void fill_free(const struct kmem_cache *cache, void *object);
void fill_new(const struct kmem_cache *cache, void *object);

/* What a free object, or one that is out, has suffered: how many of @damage
 * were set. */
unsigned int fill_look(const struct kmem_cache *cache, const void *object,
		       bool is_free, struct damage damage[DAMAGE_MAX]);

/* With SLAB_RED_ZONE: the bytes that are the user's, and that they are others
 * now. */
unsigned int fill_size(const struct kmem_cache *cache, const void *object);
void fill_set_size(const struct kmem_cache *cache, void *object,
		   unsigned int size);

/* Who had the object, or NULL without SLAB_STORE_USER. */
struct track *fill_track(const struct kmem_cache *cache, const void *object,
			 enum track_of which);

#endif /* LIB_FILL_H */
