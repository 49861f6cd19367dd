/* SPDX-License-Identifier: MIT */
/*
 * adapter_dlopen.h - another malloc(), beside the C library's
 *
 * Loaded, not linked or preloaded: the process goes on with malloc() of the C
 * library, and only what is measured is the other's.  So all allocators share
 * one program and one order of rounds, and none has to serve stdio or the
 * threads' stacks, too.  The calls are the same: through a pointer, where a
 * program that links would go through one of the linker's.  Each measurement is
 * a process of its own, so only the one that is measured is ever loaded.
 */
#ifndef BENCH_ADAPTER_DLOPEN_H
#define BENCH_ADAPTER_DLOPEN_H

#include "adapter.h"

struct loaded {
	void	*(*alloc)(size_t size);
	void	(*free)(void *p);
};

/* NULL, or why not. */
const char *adapter_dlopen(struct loaded *loaded, const char *soname,
			   const char *alloc_name, const char *free_name);

/* All of adapter_ID out of names; after it nothing but a semicolon. */
#define ADAPTER_DLOPEN(id, called, soname, alloc_name, free_name) \
static struct loaded id; \
\
static const char *id##_start(void) \
{ \
	return adapter_dlopen(&id, soname, alloc_name, free_name); \
} \
\
static void *id##_create(size_t size, size_t nr) \
{ \
	(void)nr; \
	return (void *)size; \
} \
\
static inline void *id##_alloc(void *pool) \
{ \
	return id.alloc((size_t)pool); \
} \
\
static inline void id##_free(void *pool, void *object) \
{ \
	(void)pool; \
	id.free(object); \
} \
\
ADAPTER_LOOPS(id) \
\
static void *id##_alloc_any(size_t size) \
{ \
	return id.alloc(size); \
} \
\
static void id##_free_any(void *object) \
{ \
	id.free(object); \
} \
\
const struct adapter adapter_##id = { \
	.name = called, \
	.parts = PART_PAIR | PART_BATCH | PART_THREADS | PART_HEAP | \
		 PART_MIX, \
	.start = id##_start, \
	.create = id##_create, \
	.pairs = id##_pairs, \
	.fill = id##_fill, \
	.drain = id##_drain, \
	.alloc_any = id##_alloc_any, \
	.free_any = id##_free_any, \
}

#endif /* BENCH_ADAPTER_DLOPEN_H */
