/* SPDX-License-Identifier: MIT */
/*
 * gfp.h - what an allocation may do to find memory
 *
 * A gfp_t is a set of __GFP_ bits, usually one of the GFP_ combinations at
 * the end.  The spellings are those of the Linux kernel; the values are this
 * library's own.  The names begin with two underscores because ported code
 * spells them so.
 *
 * A set with a bit that is not listed here is refused with EINVAL.
 */
#ifndef KMEMPOOL_GFP_H
#define KMEMPOOL_GFP_H

#include <stdbool.h>

typedef unsigned int gfp_t;

/* The library may put the caller to sleep until an element comes back. */
#define __GFP_DIRECT_RECLAIM	0x001u
/* Accepted for ported code; nothing here runs in the background. */
#define __GFP_KSWAPD_RECLAIM	0x002u
/* The backend may do I/O, may enter a file system, to find memory.  Both are
 * passed to alloc_fn, which decides. */
#define __GFP_IO		0x004u
#define __GFP_FS		0x008u
/* Accepted for ported code. */
#define __GFP_HIGH		0x010u
/* The caller may use what is kept for emergencies ... */
#define __GFP_MEMALLOC		0x020u
/* ... unless it also says this, which wins. */
#define __GFP_NOMEMALLOC	0x040u
/* Hints to alloc_fn: must not fail; fail quietly; do not try hard. */
#define __GFP_NOFAIL		0x080u
#define __GFP_NOWARN		0x100u
#define __GFP_NORETRY		0x200u
/* The element comes zeroed, also out of the reserve.  The library does this
 * itself and does not pass the bit on. */
#define __GFP_ZERO		0x400u

#define __GFP_RECLAIM	(__GFP_DIRECT_RECLAIM | __GFP_KSWAPD_RECLAIM)

/* May sleep, do I/O and enter a file system; ... no file system; ... no I/O */
#define GFP_KERNEL	(__GFP_RECLAIM | __GFP_IO | __GFP_FS)
#define GFP_NOFS	(__GFP_RECLAIM | __GFP_IO)
#define GFP_NOIO	(__GFP_RECLAIM)
/* May not sleep; ... and matters more than most */
#define GFP_NOWAIT	(__GFP_KSWAPD_RECLAIM | __GFP_NOWARN)
#define GFP_ATOMIC	(__GFP_HIGH | __GFP_KSWAPD_RECLAIM)

/* Whether a call with these flags may sleep inside the library. */
static inline bool gfpflags_allow_blocking(const gfp_t gfp_flags)
{
	return (gfp_flags & __GFP_DIRECT_RECLAIM) != 0;
}

#endif /* KMEMPOOL_GFP_H */
