/* SPDX-License-Identifier: MIT */
/*
 * pagemap.c - from any address to the slab it lies in
 *
 * Theory of operation
 * ===================
 *
 * 1. Purpose
 *
 * Whatever pointer a user gives back, a word in a table says whether it lies in
 * one of our slabs, and in which.  Nothing near the pointer is read, which may
 * be anything: the answer is as safe for a stray pointer as for a good one.
 *
 * 2. Objects
 *
 *   root    a static array, one word for every 4 GiB; on a machine of 32 bits
 *           one word in all.  Untouched parts of it cost no memory.
 *   leaf    one word for every granule of such a part.  512 KiB of address
 *           space, of which only the pages that were written to are memory: 4
 *           KiB for every 32 MiB of slabs.  Never given back.
 *
 * 3. Order
 *
 * [M1] An entry is stored, released, by the thread that has just mapped the run
 * and made its header, or that is about to unmap it; no two threads ever have
 * the same run.  Who finds the header sees what it was then.  A finder of a
 * stray pointer may find a header whose slab is going: headers are never given
 * back to the system (slab.c), so that it can look at it and see that the cache
 * is another.  A finder of an object that is out finds its slab, whose entry
 * was stored before the object was first given away.
 *
 * [M2] A leaf is put up by compare and exchange; who loses unmaps its own.
 * Release and acquire, for the zeroes in it, although the kernel sees to that.
 *
 * 4. What this file does not do
 *
 * It takes no lock, so a fork finds it whole.  It does not say whether an
 * address is an object's first byte.
 */
#include "config.h"

#include "pagemap.h"

#include <errno.h>
#include <stdbool.h>

struct pagemap_leaf *pagemap_root[ROOT_ENTRIES];

static struct pagemap_leaf *leaf_for(uintptr_t granule)
{
	struct pagemap_leaf **slot = &pagemap_root[granule >> LEAF_SHIFT];
	struct pagemap_leaf *leaf, *found = NULL;

	leaf = __atomic_load_n(slot, __ATOMIC_ACQUIRE);
	if (leaf)
		return leaf;
	leaf = pages_map(sizeof(*leaf), -1);
	if (!leaf)
		return NULL;
	if (__atomic_compare_exchange_n(slot, &found, leaf, false,
					__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return leaf;
	pages_unmap(leaf, sizeof(*leaf));
	return found;
}

/* Its leaf is there. */
static void store(uintptr_t granule, struct slab *slab)
{
	__atomic_store_n(&leaf_for(granule)->entries[granule % LEAF_ENTRIES],
			 slab, __ATOMIC_RELEASE);
}

int pagemap_set(const void *run, size_t size, struct slab *slab)
{
	uintptr_t first = (uintptr_t)run >> GRANULE_SHIFT;
	uintptr_t last = ((uintptr_t)run + size - 1) >> GRANULE_SHIFT;
	uintptr_t granule;

	if (last >> LEAF_SHIFT >= ROOT_ENTRIES)
		return -ENOMEM;
	/* A run may lie across the end of a leaf, but is shorter than one. */
	if (!leaf_for(first) || !leaf_for(last))
		return -ENOMEM;
	for (granule = first; granule <= last; granule++)
		store(granule, slab);
	return 0;
}

void pagemap_clear(const void *run, size_t size)
{
	uintptr_t first = (uintptr_t)run >> GRANULE_SHIFT;
	uintptr_t last = ((uintptr_t)run + size - 1) >> GRANULE_SHIFT;
	uintptr_t granule;

	for (granule = first; granule <= last; granule++)
		store(granule, NULL);
}
