/* SPDX-License-Identifier: MIT */
/*
 * version.c - which library this is
 */
#include "config.h"

#include <kmempool/mempool.h>

const char *kmempool_version(void)
{
	return KMEMPOOL_VERSION;
}
