/* SPDX-License-Identifier: MIT */
/*
 * adapter_tcmalloc.c - tcmalloc of gperftools
 */
#include "config.h"

#include "adapter_dlopen.h"

ADAPTER_DLOPEN(tcmalloc, "tcmalloc", "libtcmalloc_minimal.so.4",
	       "tc_malloc", "tc_free");
