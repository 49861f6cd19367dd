/* SPDX-License-Identifier: MIT */
/*
 * gfp_known.h - every bit that gfp.h lists
 */
#ifndef LIB_GFP_KNOWN_H
#define LIB_GFP_KNOWN_H

#define GFP_KNOWN	0x7ffu

#endif /* LIB_GFP_KNOWN_H */
