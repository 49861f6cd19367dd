/* SPDX-License-Identifier: MIT */
/*
 * linux/slab.h - for kernel code: this library under the name it includes
 *
 * Found with -I$(pkg-config --variable=compatdir kmempool).  To
 * <kmempool/slab.h> it adds the flags that mean nothing outside a kernel, and
 * in C the second form of kmem_cache_create():
 *
 *	kmem_cache_create(name, size, align, flags, ctor)
 *	kmem_cache_create(name, size, args, flags)
 *
 * A flag whose meaning the caller relies on, and which this library does not
 * have, is not defined: such code is for the porter to look at.
 */
#ifndef KMEMPOOL_COMPAT_LINUX_SLAB_H
#define KMEMPOOL_COMPAT_LINUX_SLAB_H

#include <kmempool/slab.h>

/* Whom memory is charged to, and how it is grouped and spread: a kernel's
 * affairs.  Caches are never merged here. */
#define SLAB_ACCOUNT		0u
#define SLAB_RECLAIM_ACCOUNT	0u
#define SLAB_TEMPORARY		0u
#define SLAB_NO_MERGE		0u
#define SLAB_MEM_SPREAD		0u

/*
 * What the third argument is decides.  NULL, of type void *, is no arguments;
 * any number is an alignment.  The plain function still has this name where no
 * parenthesis follows it.
 */
#ifndef __cplusplus
#define kmem_cache_create(name, size, how, ...)				\
	_Generic((how),							\
		 struct kmem_cache_args *: kmem_cache_create_args,	\
		 const struct kmem_cache_args *: kmem_cache_create_args,	\
		 void *: kmem_cache_create_args,			\
		 default: kmem_cache_create)((name), (size), (how), __VA_ARGS__)
#endif

#endif /* KMEMPOOL_COMPAT_LINUX_SLAB_H */
