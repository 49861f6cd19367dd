/* SPDX-License-Identifier: MIT */
/*
 * slab.h - one slab: where its objects lie, and which are free
 */
#ifndef LIB_SLAB_H
#define LIB_SLAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kmempool/slab.h>

/* How the slabs of one cache are laid out. */
struct layout {
	unsigned int	size;		/* of an object, as its user knows it */
	unsigned int	align;
	unsigned int	before;		/* bytes of a place before the object, */
	unsigned int	after;		/* and behind it (checked.c) */
	unsigned int	stride;		/* of a place, all told */
	unsigned int	nr;		/* places in a slab */
	unsigned int	nr_colours;	/* positions that the first can have */
	unsigned int	colour_step;	/* bytes from one to the next */
	size_t		run_size;	/* bytes, a multiple of the granule */
	bool		outside;	/* the free list is outside the objects */
};

/* What a link of a list outside says of an object that is not free. */
#define LINK_END	0xfffcu		/* free, and the last */
#define LINK_FRESH	0xfffdu		/* on its way out for the first time */
#define LINK_BUSY	0xfffeu		/* on its way out or in */
#define LINK_OUT	0xffffu

enum slab_list_index {
	SLAB_EMPTY,
	SLAB_PARTIAL,			/* a quarter or less is used; */
	SLAB_FULL = SLAB_PARTIAL + 4,	/* each of the four: a quarter more */
	NR_SLAB_LISTS,
	SLAB_UNLISTED,			/* just made, or about to go */
	SLAB_LARGE			/* not a slab of a cache (kmalloc.c) */
};

/*
 * A slab's header.  It lies apart from the slab, and its memory is only ever
 * used for headers.
 */
struct slab {
	/* under the cache's lock */
	struct slab		*next, *prev;	/* in the list */
	union {
		void		*object;	/* inside: the first free one */
		unsigned int	index;		/* outside: the same */
		size_t		size;		/* large: bytes that may be used;
						   kept (runs.c): that were */
	} free;
	uint16_t		nr_used;	/* objects not free */
	uint16_t		nr_fresh;	/* places never handed out begin
						   here */
	uint16_t		low, high;	/* nr_used that its list is for */
	uint8_t			list;		/* enum slab_list_index */

	/* fixed while the slab is */
	bool			populated;	/* all its memory is there */
	struct kmem_cache	*cache;		/* atomic [M1]; NULL: no slab */
	char			*first;		/* place */
	uint16_t		*links;		/* outside: one for each object */
};

/* 0, or -EINVAL when there is no such slab. */
int layout_init(struct layout *layout, unsigned int size, unsigned int align,
		unsigned int before, unsigned int after, bool outside);

/*
 * A slab of @cache, constructed, in no list; or NULL.  To be called without the
 * lock, as the other.  @colour: any number, another for each slab.  @soon: all of
 * it will be used, so its memory may as well be there at once.
 */
struct slab *slab_make(struct kmem_cache *cache, unsigned int colour, bool soon,
		       gfp_t gfp);
/* @may_keep: the memory need not go back to the system (runs.c). */
void slab_unmake(struct slab *slab, bool may_keep);

/* A header of its own for something that is no slab; or NULL. */
struct slab *slab_header_get(void);
void slab_header_put(struct slab *slab);

/* With the lock.  Up to @n that are free: how many; one was taken.  In a checked
 * cache it is on its way between the two: checked.c says when it is out. */
size_t slab_take(struct slab *slab, void **objects, size_t n);
void slab_give(struct slab *slab, void *object);
/* Whether it is seen at one look that @object, an address in the slab, is free
 * already, or none. */
bool slab_knows_free(const struct slab *slab, const void *object);
/* Every object is free. */
void slab_forget(struct slab *slab);

/* 0, or -errno; with cancellation disabled. */
int slab_construct(struct kmem_cache *cache, void *object, gfp_t gfp);

/* The place of an object, 0 to nr - 1; or -1 when @address is none's first
 * byte. */
int slab_index(const struct slab *slab, const void *address);
void *slab_object(const struct slab *slab, unsigned int index);

/* For fork.c: the lock of the headers. */
void slab_prepare(void);
void slab_resume(void);

#endif /* LIB_SLAB_H */
