/* SPDX-License-Identifier: MIT */
/*
 * linux/mempool.h - for kernel code: this library under the name it includes
 *
 * Found with -I$(pkg-config --variable=compatdir kmempool).  It adds nothing
 * to <kmempool/mempool.h>: calls on pools, and the masks, compile unchanged;
 * the rest of the kernel is for the porter to supply.
 */
#ifndef KMEMPOOL_COMPAT_LINUX_MEMPOOL_H
#define KMEMPOOL_COMPAT_LINUX_MEMPOOL_H

#include <kmempool/mempool.h>

#endif /* KMEMPOOL_COMPAT_LINUX_MEMPOOL_H */
