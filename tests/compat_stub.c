/* SPDX-License-Identifier: MIT */
/*
 * compat_stub.c - a program that defines and exports its own mempool_alloc(),
 * kfree() and kmem_cache_alloc() holds this library too, and both work
 *
 * The other definitions are in compat_stub_shim.c.  The program exports them,
 * so that any use of such a name by the library would end there.
 *
 * Built twice.  With TEST_NO_PIE it is not position independent, and the
 * linker gives mempool_kmalloc() an address inside the program.  The library
 * must see the same one, or it does not know the elements' size and refuses
 * __GFP_ZERO.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE		/* dladdr(), RTLD_DEFAULT */
#endif

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <linux/gfp.h>
#include <linux/mempool.h>

#include "compat_stub_shim.h"

/* The shim's, in its own prototypes: our headers declare no such thing. */
void kfree(const void *object);
void *kmem_cache_alloc(void *cache, unsigned int flags);

static int fail(const char *what, const char *name)
{
	printf("compat_stub: %s: %s\n", what, name);
	return 1;
}

/* Ours has another address than theirs, and its own name in ELF. */
static int check_symbols(void)
{
	static const struct shim_symbol ours[] = {
		{ "kmempool_alloc", (shim_fn_t *)mempool_alloc },
		{ "kmempool_free", (shim_fn_t *)mempool_free },
		{ "kmempool_create", (shim_fn_t *)mempool_create },
		{ "kmempool_destroy", (shim_fn_t *)mempool_destroy },
		{ "kmempool_pool_kmalloc", (shim_fn_t *)mempool_kmalloc },
		{ "kmempool_pool_kfree", (shim_fn_t *)mempool_kfree },
	};
	unsigned int i, j;
	void *sym;

	for (i = 0; i < shim_nr_symbols; i++) {
		sym = dlsym(RTLD_DEFAULT, shim_symbols[i].name);
		if ((shim_fn_t *)(uintptr_t)sym != shim_symbols[i].fn)
			return fail("not exported, so nothing is shown",
				    shim_symbols[i].name);
		for (j = 0; j < sizeof(ours) / sizeof(ours[0]); j++)
			if (ours[j].fn == shim_symbols[i].fn)
				return fail("bound to the shim's",
					    ours[j].name);
	}
	for (i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (!dlsym(RTLD_DEFAULT, ours[i].name))
			return fail("not exported", ours[i].name);
	return 0;
}

/* The linker gave the callback an address in the program, or the case that
 * TEST_NO_PIE is about has not been met. */
static int check_address(void)
{
#ifdef TEST_NO_PIE
	Dl_info callback, program;

	if (!dladdr((void *)(uintptr_t)mempool_kmalloc, &callback) ||
	    !dladdr((void *)&shim_calls, &program))
		return fail("dladdr", "mempool_kmalloc");
	if (callback.dli_fbase != program.dli_fbase)
		return fail("not in the program, so nothing is shown",
			    "mempool_kmalloc");
#endif
	return 0;
}

static int check_pool(const char *name, mempool_t *pool, size_t size)
{
	unsigned char *element;
	size_t i;

	if (!pool)
		return fail("cannot be created", name);
	element = mempool_alloc(pool, GFP_KERNEL | __GFP_ZERO);
	if (!element)
		return fail(errno == EINVAL ? "element size is not known" :
			    "mempool_alloc", name);
	for (i = 0; i < size; i++)
		if (element[i] != 0)
			return fail("not zeroed", name);
	memset(element, 0xff, size);
	mempool_free(element, pool);
	mempool_destroy(pool);
	return 0;
}

int main(void)
{
	size_t size = 48;

#if defined(TEST_NO_PIE) && (defined(__PIC__) || defined(__PIE__))
	puts("skip: the compiler's flags insist on PIE");
	return 77;
#endif
	if (check_symbols() || check_address())
		return 1;
	if (check_pool("kmalloc pool", mempool_create(1, mempool_kmalloc,
			mempool_kfree, (void *)(uintptr_t)200), 200) ||
	    check_pool("page pool", mempool_create(1, mempool_alloc_pages,
			mempool_free_pages, (void *)0), 4096))
		return 1;
	if (shim_calls != 0)
		return fail("was called by the library", "the shim");

	if (shim_run() || shim_calls != 8)
		return fail("does not work beside the library", "the shim");
	kfree(kmem_cache_alloc(&size, 0));
	if (shim_calls != 10)
		return fail("bound to the library's", "kfree");
	return 0;
}
