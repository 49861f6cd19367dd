/* SPDX-License-Identifier: MIT */
/*
 * pagemap.h - from any address to the slab it lies in
 */
#ifndef LIB_PAGEMAP_H
#define LIB_PAGEMAP_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler.h"
#include "pages.h"

struct slab;

#define LEAF_SHIFT	16
#define LEAF_ENTRIES	((size_t)1 << LEAF_SHIFT)
#if UINTPTR_MAX > UINT32_MAX
#define ADDRESS_BITS	48
#else
#define ADDRESS_BITS	32
#endif
#define ROOT_ENTRIES	((size_t)1 << (ADDRESS_BITS - GRANULE_SHIFT - LEAF_SHIFT))

struct pagemap_leaf {
	struct slab	*entries[LEAF_ENTRIES];		/* atomic [M1] */
};

extern struct pagemap_leaf *pagemap_root[ROOT_ENTRIES];	/* atomic [M2] */

/* Says of every granule of a run that @slab is there.  0, or -ENOMEM with
 * nothing said. */
int pagemap_set(const void *run, size_t size, struct slab *slab);
/* That nothing is there.  To be called before the run is given back. */
void pagemap_clear(const void *run, size_t size);

/* The slab that @address lies in, or NULL.  Reads no memory but the map. */
static inline struct slab *pagemap_find(const void *address)
{
	uintptr_t granule = (uintptr_t)address >> GRANULE_SHIFT;
	const struct pagemap_leaf *leaf;

	if (unlikely(granule >> LEAF_SHIFT >= ROOT_ENTRIES))
		return NULL;
	leaf = __atomic_load_n(&pagemap_root[granule >> LEAF_SHIFT],
			       __ATOMIC_ACQUIRE);		/* [M2] */
	if (unlikely(!leaf))
		return NULL;
	return __atomic_load_n(&leaf->entries[granule % LEAF_ENTRIES],
			       __ATOMIC_ACQUIRE);		/* [M1] */
}

/* The same for an address that is known to be in a slab. */
static inline struct slab *pagemap_slab(const void *address)
{
	struct slab *slab = pagemap_find(address);

	if (!slab)
		__builtin_unreachable();
	return slab;
}

#endif /* LIB_PAGEMAP_H */
