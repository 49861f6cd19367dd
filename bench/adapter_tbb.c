/* SPDX-License-Identifier: MIT */
/*
 * adapter_tbb.c - the scalable allocator of oneTBB
 */
#include "config.h"

#include "adapter_dlopen.h"

ADAPTER_DLOPEN(tbb, "tbb", "libtbbmalloc.so.2",
	       "scalable_malloc", "scalable_free");
