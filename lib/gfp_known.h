/* SPDX-License-Identifier: MIT */
/*
 * gfp_known.h - every bit that gfp.h lists
 */
#ifndef LIB_GFP_KNOWN_H
#define LIB_GFP_KNOWN_H

#define GFP_KNOWN	0x7ffu
/* The same but for what needs the object's bytes. */
#define GFP_KNOWN_PLAIN	(GFP_KNOWN & ~__GFP_ZERO)

#endif /* LIB_GFP_KNOWN_H */
