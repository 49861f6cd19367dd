/* SPDX-License-Identifier: MIT */
/*
 * adapter_dlopen.c - another malloc(), beside the C library's
 */
#include "config.h"

#include "adapter_dlopen.h"

#include <dlfcn.h>

const char *adapter_dlopen(struct loaded *loaded, const char *soname,
			   const char *alloc_name, const char *free_name)
{
	void *library = dlopen(soname, RTLD_NOW | RTLD_LOCAL);

	if (!library)
		return dlerror();
	*(void **)&loaded->alloc = dlsym(library, alloc_name);
	*(void **)&loaded->free = dlsym(library, free_name);
	if (!loaded->alloc || !loaded->free)
		return "it has no such functions";
	return NULL;
}
