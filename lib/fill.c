/* SPDX-License-Identifier: MIT */
/*
 * fill.c - what lies around an object and in a free one
 *
 *   | rest | red zone | object | red zone | size | tracks | rest |
 *
 *   red zone  with SLAB_RED_ZONE, RED_BYTES or more on both sides, of one byte
 *             while the object is out and of another while it is free: who goes
 *             on writing beyond an object that was given back does not write
 *             what belongs there.  Behind, it begins where what the user asked
 *             for ends, which kmalloc makes less than the object.
 *   size      how much that is, and its complement: a size that an overrun left
 *             there is not believed.
 *   tracks    with SLAB_STORE_USER, who allocated and freed it.
 *
 * With SLAB_POISON a free object is full of one byte, with another at its end,
 * and one that is new to its user of a third; as pointers, they lead nowhere.
 * Objects that stay constructed while they are free cannot be filled.
 *
 * Places that were never handed out hold none of this, and are not looked at.
 */
#include "config.h"

#include "fill.h"

#include <string.h>

#include "cache.h"
#include "track.h"

#define POISON_FREE	0xf1
#define POISON_END	0xe5
#define POISON_NEW	0xa9
#define RED_FREE	0xd3
#define RED_OUT		0xc7

/* At least, and at most before the object, where large alignments would have
 * more. */
#define RED_BYTES	8u
#define RED_BYTES_MAX	64u

struct asked {
	unsigned int	size;			/* bytes */
	unsigned int	complement;
};

static unsigned int round_up_8(unsigned int n)
{
	return (n + 7u) & ~7u;
}

/* ---- where ------------------------------------------------------------- */

unsigned int fill_before(slab_flags_t flags)
{
	return flags & SLAB_RED_ZONE ? RED_BYTES : 0;
}

/* From the object to what lies behind the red zone. */
static unsigned int tail_offset(slab_flags_t flags, unsigned int size)
{
	return round_up_8(flags & SLAB_RED_ZONE ? size + RED_BYTES : size);
}

static unsigned int tracks_offset(slab_flags_t flags, unsigned int size)
{
	unsigned int asked = flags & SLAB_RED_ZONE ? sizeof(struct asked) : 0;

	return tail_offset(flags, size) + asked;
}

unsigned int fill_after(slab_flags_t flags, unsigned int size)
{
	unsigned int tracks = NR_TRACKS * sizeof(struct track);

	if (!(flags & SLAB_STORE_USER))
		tracks = 0;
	return tracks_offset(flags, size) + tracks - size;
}

static unsigned int red_before(const struct kmem_cache *cache)
{
	unsigned int before = cache->layout.before;

	return before < RED_BYTES_MAX ? before : RED_BYTES_MAX;
}

static struct asked *asked_of(const struct kmem_cache *cache,
			      const void *object)
{
	return (struct asked *)((char *)object +
				tail_offset(cache->flags, cache->layout.size));
}

struct track *fill_track(const struct kmem_cache *cache, const void *object,
			 enum track_of which)
{
	unsigned int offset = tracks_offset(cache->flags, cache->layout.size);

	if (!(cache->flags & SLAB_STORE_USER))
		return NULL;
	return (struct track *)((char *)object + offset) + which;
}

static bool is_poisoned(const struct kmem_cache *cache)
{
	return cache->flags & SLAB_POISON && !cache->constructs;
}

/* ---- filling ----------------------------------------------------------- */

static bool size_is_whole(const struct kmem_cache *cache, const void *object)
{
	const struct asked *asked = asked_of(cache, object);

	return asked->size == ~asked->complement &&
	       asked->size <= cache->layout.size;
}

unsigned int fill_size(const struct kmem_cache *cache, const void *object)
{
	if (!(cache->flags & SLAB_RED_ZONE) || !size_is_whole(cache, object))
		return cache->layout.size;
	return asked_of(cache, object)->size;
}

static void fill_behind(const struct kmem_cache *cache, void *object,
			unsigned int size, int byte)
{
	struct asked *asked = asked_of(cache, object);
	unsigned char *first = (unsigned char *)object + size;

	memset(first, byte, (size_t)((unsigned char *)asked - first));
	asked->size = size;
	asked->complement = ~size;
}

void fill_set_size(const struct kmem_cache *cache, void *object,
		   unsigned int size)
{
	fill_behind(cache, object, size, RED_OUT);
}

static void fill_zones(const struct kmem_cache *cache, void *object, int byte)
{
	unsigned int before = red_before(cache);

	if (!(cache->flags & SLAB_RED_ZONE))
		return;
	memset((char *)object - before, byte, before);
	fill_behind(cache, object, cache->layout.size, byte);
}

void fill_free(const struct kmem_cache *cache, void *object)
{
	unsigned int size = cache->layout.size;

	fill_zones(cache, object, RED_FREE);
	if (!is_poisoned(cache))
		return;
	memset(object, POISON_FREE, size - 1);
	((unsigned char *)object)[size - 1] = POISON_END;
}

void fill_new(const struct kmem_cache *cache, void *object)
{
	fill_zones(cache, object, RED_OUT);
	if (is_poisoned(cache))
		memset(object, POISON_NEW, cache->layout.size);
}

/* ---- looking ----------------------------------------------------------- */

/* If each byte equals the one before it, all are like the first. */
static bool is_all(const unsigned char *bytes, size_t nr, unsigned char byte)
{
	return !nr || (bytes[0] == byte && !memcmp(bytes, bytes + 1, nr - 1));
}

static bool differ(struct damage *damage, const char *where,
		   const unsigned char *bytes, size_t nr, unsigned char byte)
{
	if (likely(is_all(bytes, nr, byte)))
		return false;
	damage->where = where;
	damage->expected = byte;
	damage->first = bytes;
	damage->last = bytes + nr - 1;
	while (*damage->first == byte)
		damage->first++;
	while (*damage->last == byte)
		damage->last--;
	return true;
}

static bool look_behind(const struct kmem_cache *cache, const void *object,
			unsigned char byte, struct damage *damage)
{
	const unsigned char *asked = (void *)asked_of(cache, object);
	const unsigned char *first = (const unsigned char *)object +
				     fill_size(cache, object);

	if (differ(damage, "the red zone behind the object", first,
		   (size_t)(asked - first), byte))
		return true;
	if (likely(size_is_whole(cache, object)))
		return false;
	*damage = (struct damage){
		.where = "the size behind the red zone",
		.first = asked,
		.last = asked + sizeof(struct asked) - 1,
		.expected = byte,
	};
	return true;
}

static unsigned int look_at_zones(const struct kmem_cache *cache,
				  const void *object, unsigned char byte,
				  struct damage *damage)
{
	unsigned int before = red_before(cache), nr;

	if (!(cache->flags & SLAB_RED_ZONE))
		return 0;
	nr = differ(damage, "the red zone before the object",
		    (const unsigned char *)object - before, before, byte);
	return nr + look_behind(cache, object, byte, damage + nr);
}

static unsigned int look_at_poison(const struct kmem_cache *cache,
				   const void *object, struct damage *damage)
{
	const unsigned char *bytes = object;
	unsigned int size = cache->layout.size;

	if (!is_poisoned(cache))
		return 0;
	return differ(damage, "a free object", bytes, size - 1, POISON_FREE) ||
	       differ(damage, "the end of a free object", bytes + size - 1, 1,
		      POISON_END);
}

unsigned int fill_look(const struct kmem_cache *cache, const void *object,
		       bool is_free, struct damage damage[DAMAGE_MAX])
{
	unsigned int nr = look_at_zones(cache, object,
					is_free ? RED_FREE : RED_OUT, damage);

	if (is_free)
		nr += look_at_poison(cache, object, damage + nr);
	return nr;
}
