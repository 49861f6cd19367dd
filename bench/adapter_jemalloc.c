/* SPDX-License-Identifier: MIT */
/*
 * adapter_jemalloc.c - jemalloc, whose names are malloc()'s own
 */
#include "config.h"

#include "adapter_dlopen.h"

ADAPTER_DLOPEN(jemalloc, "jemalloc", "libjemalloc.so.2",
	       "malloc", "free");
