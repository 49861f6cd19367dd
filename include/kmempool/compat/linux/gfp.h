/* SPDX-License-Identifier: MIT */
/*
 * linux/gfp.h - for kernel code: this library under the name it includes
 *
 * Found with -I$(pkg-config --variable=compatdir kmempool).  It adds nothing
 * to <kmempool/gfp.h>: the masks, and no allocator of pages.
 */
#ifndef KMEMPOOL_COMPAT_LINUX_GFP_H
#define KMEMPOOL_COMPAT_LINUX_GFP_H

#include <kmempool/gfp.h>

#endif /* KMEMPOOL_COMPAT_LINUX_GFP_H */
