/* SPDX-License-Identifier: MIT */
/*
 * checked.h - finding misuse of objects
 */
#ifndef LIB_CHECKED_H
#define LIB_CHECKED_H

#include "cache.h"

/* Whether a cache with these flags is to go by the functions below. */
bool checked_needed(slab_flags_t flags);
/* Bytes that a place has before and behind the object. */
unsigned int checked_before(slab_flags_t flags);
unsigned int checked_after(slab_flags_t flags, unsigned int size);

/* Objects that were free go to a user; false: a constructor failed, and all of
 * them were given back. */
bool checked_hand_out(struct kmem_cache *cache, void **objects, size_t n,
		      gfp_t gfp, const void *caller);
/* They are set aside in a sheaf instead: the same. */
bool checked_set_aside(struct kmem_cache *cache, void **objects, size_t n,
		       gfp_t gfp, const void *caller);
/* One of these goes to a user after all; the rest go back. */
void checked_hand_over(struct kmem_cache *cache, void *object,
		       const void *caller);
void checked_not_handed_over(struct kmem_cache *cache, void **objects, size_t n,
			     const void *caller);
/* They were free, and do not go to a user after all. */
void checked_put_back(struct kmem_cache *cache, void **objects, size_t n);
/* Whatever a user says is an object of @cache: it is given back if it is. */
void checked_take_back(struct kmem_cache *cache, void *object,
		       const void *caller);
/* Before a reset: objects that are out will not be. */
void checked_take_back_all(struct kmem_cache *cache);

/* With SLAB_RED_ZONE: of an object that is out and the caller's, @size bytes
 * are the user's, and the red zone behind it begins there.  At hand-out all
 * are.  Without the flag nothing happens, and it is always all. */
void checked_set_size(struct kmem_cache *cache, void *object,
		      unsigned int size);
unsigned int checked_get_size(struct kmem_cache *cache, const void *object);

/* Defects found.  For every cache. */
int checked_validate(struct kmem_cache *cache);
/* Says which objects are out, if the flags ask for it. */
void checked_note_leak(struct kmem_cache *cache);

/* Reports what @address is that was freed into @cache and should not have been,
 * and stops the program. */
_Noreturn void checked_misuse(struct kmem_cache *cache, const void *address);

/* What can be seen of an address that is freed, at no cost. */
static inline void check_object(struct kmem_cache *cache, const void *address)
{
	const struct slab *slab = pagemap_find(address);

	if (unlikely(!slab || slab_cache(slab) != cache))
		checked_misuse(cache, address);
}

#endif /* LIB_CHECKED_H */
