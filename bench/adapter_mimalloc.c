/* SPDX-License-Identifier: MIT */
/*
 * adapter_mimalloc.c - mimalloc
 */
#include "config.h"

#include "adapter_dlopen.h"

ADAPTER_DLOPEN(mimalloc, "mimalloc", "libmimalloc.so.2.0",
	       "mi_malloc", "mi_free");
