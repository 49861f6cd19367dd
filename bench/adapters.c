/* SPDX-License-Identifier: MIT */
/*
 * adapters.c - the list of allocators
 */
#include "config.h"

#include "adapters.h"

#include <string.h>

const struct adapter *const adapters[] = {
	&adapter_kmem_cache,
	&adapter_mempool,
	&adapter_kmalloc,
	&adapter_reserve,
	&adapter_reserve_lock,
	&adapter_glibc,
	&adapter_tcmalloc,
	&adapter_jemalloc,
	&adapter_mimalloc,
	&adapter_tbb,
#ifdef HAVE_RTE
	&adapter_rte_cache,
	&adapter_rte,
#endif
#ifdef HAVE_BOOST
	&adapter_boost,
	&adapter_boost_lock,
#endif
#ifdef HAVE_APR
	&adapter_apr,
#endif
#ifdef HAVE_GLIB
	&adapter_gslice,
#endif
	&adapter_array,
#ifdef HAVE_CK
	&adapter_ck,
#endif
	&adapter_nothing,
	NULL
};

const char adapters_left_out[] = ""
#ifndef HAVE_RTE
	" rte"
#endif
#ifndef HAVE_BOOST
	" boost"
#endif
#ifndef HAVE_APR
	" apr"
#endif
#ifndef HAVE_GLIB
	" gslice"
#endif
#ifndef HAVE_CK
	" ck_stack"
#endif
	;

const struct adapter *adapter_find(const char *name)
{
	size_t i;

	for (i = 0; adapters[i]; i++)
		if (!strcmp(adapters[i]->name, name))
			return adapters[i];
	return NULL;
}
