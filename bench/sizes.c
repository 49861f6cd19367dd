/* SPDX-License-Identifier: MIT */
/*
 * sizes.c - what sizes a program asks malloc() for
 *
 * Preloaded by bench/sizes.sh.  Counts the calls of malloc(), calloc() and
 * realloc() by size, and appends to the file $SIZES, when the process ends, a
 * line for each size: bytes, calls.  bench/sizes is such a file of a compiler at
 * work; tests/check_kmalloc.c says what the size classes of kmalloc() lose on
 * it.
 */
#define _GNU_SOURCE

#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NR_SIZES	(128 * 1024 + 1)	/* larger ones are not counted */

static uint64_t counts[NR_SIZES];

static void *(*real_malloc)(size_t size);
static void *(*real_calloc)(size_t n, size_t size);
static void *(*real_realloc)(void *p, size_t size);

/* dlsym() asks for memory itself, and gives none of it back. */
static char early[4096];
static size_t early_used;

static void *alloc_early(size_t size)
{
	void *p = early + early_used;

	early_used += (size + 15) & ~(size_t)15;
	return early_used <= sizeof(early) ? p : NULL;
}

static void find(void)
{
	static int finding;

	if (finding++)
		return;
	*(void **)&real_malloc = dlsym(RTLD_NEXT, "malloc");
	*(void **)&real_realloc = dlsym(RTLD_NEXT, "realloc");
	*(void **)&real_calloc = dlsym(RTLD_NEXT, "calloc");
}

static void count(size_t size)
{
	if (size < NR_SIZES)
		__atomic_fetch_add(&counts[size], 1, __ATOMIC_RELAXED);
}

void *malloc(size_t size)
{
	count(size);
	if (!real_malloc)
		find();
	return real_malloc ? real_malloc(size) : alloc_early(size);
}

void *calloc(size_t n, size_t size)
{
	count(n * size);
	if (!real_calloc)
		find();
	return real_calloc ? real_calloc(n, size) : alloc_early(n * size);
}

void *realloc(void *p, size_t size)
{
	count(size);
	if (!real_realloc)
		find();
	return real_realloc(p, size);
}

__attribute__((destructor))
static void write_down(void)
{
	const char *name = getenv("SIZES");
	FILE *file = name ? fopen(name, "a") : NULL;
	size_t size;

	if (!file)
		return;
	for (size = 1; size < NR_SIZES; size++)
		if (counts[size])
			fprintf(file, "%zu %llu\n", size,
				(unsigned long long)counts[size]);
	fclose(file);
}
