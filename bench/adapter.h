/* SPDX-License-Identifier: MIT */
/*
 * adapter.h - allocators of objects of one size, all behind one structure
 *
 * kmempool's ways to have an object, and what a program would use instead.
 * Each file adapter_*.c has one of them, and the loops over its calls are in
 * that file too, so that what its header inlines is inlined here as in the
 * program of whoever uses it.  Also for C++.
 */
#ifndef BENCH_ADAPTER_H
#define BENCH_ADAPTER_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What an allocator can be measured at. */
#define PART_PAIR	0x01u		/* one object at a time */
#define PART_BATCH	0x02u		/* several, one call for each */
#define PART_BULK	0x04u		/* several, one call for all */
#define PART_THREADS	0x08u		/* two threads at once */
#define PART_RESERVE	0x10u		/* no memory but what was set aside */
#define PART_LAST	0x20u		/* no object but what others cached */
#define PART_HEAP	0x40u		/* as many objects as there is memory */
#define PART_MIX	0x80u		/* objects of any size */

struct adapter {
	const char	*name;
	unsigned int	parts;
	/* Once in a process, before all else: NULL, or why it cannot run here.
	 * NULL where there is nothing to do. */
	const char	*(*start)(void);
	/* A pool that has nr objects at least for each of two threads, or
	 * abort().  It is there until the process ends. */
	void		*(*create)(size_t size, size_t nr);
	/* In each thread that will use the pool, if not NULL. */
	void		(*enter)(void);
	/* One object and back, over and over. */
	void		(*pairs)(void *pool, size_t nr);
	/* Several objects; returns how many there were. */
	size_t		(*fill)(void *pool, void **objects, size_t nr);
	void		(*drain)(void *pool, void **objects, size_t nr);
	size_t		(*fill_bulk)(void *pool, void **objects, size_t nr);
	void		(*drain_bulk)(void *pool, void **objects, size_t nr);
	/* PART_LAST: an object, or NULL if there is none until then. */
	void		*(*take)(void *pool, uint64_t until_ns);
	/* PART_MIX */
	void		*(*alloc_any)(size_t size);
	void		(*free_any)(void *object);
};

/* Keeps the compiler from removing or merging pairs; and a program would look
 * at what it got. */
static inline void adapter_use(void *object)
{
	if (!object)
		abort();
	__asm__ volatile("" : : "r"(object) : "memory");
}

/* The loops, out of ID_alloc(pool) and ID_free(pool, object). */
#define ADAPTER_LOOPS(id) \
static void id##_pairs(void *pool, size_t nr) \
{ \
	while (nr--) { \
		void *object = id##_alloc(pool); \
\
		adapter_use(object); \
		id##_free(pool, object); \
	} \
} \
\
static size_t id##_fill(void *pool, void **objects, size_t nr) \
{ \
	size_t i; \
\
	for (i = 0; i < nr; i++) { \
		objects[i] = id##_alloc(pool); \
		if (!objects[i]) \
			break; \
	} \
	return i; \
} \
\
static void id##_drain(void *pool, void **objects, size_t nr) \
{ \
	size_t i; \
\
	for (i = 0; i < nr; i++) \
		id##_free(pool, objects[i]); \
}

extern const struct adapter adapter_kmem_cache;
extern const struct adapter adapter_mempool;
extern const struct adapter adapter_kmalloc;
extern const struct adapter adapter_reserve;
extern const struct adapter adapter_reserve_lock;
extern const struct adapter adapter_glibc;
extern const struct adapter adapter_tcmalloc;
extern const struct adapter adapter_jemalloc;
extern const struct adapter adapter_mimalloc;
extern const struct adapter adapter_tbb;
extern const struct adapter adapter_rte_cache;	/* with HAVE_RTE */
extern const struct adapter adapter_rte;	/* with HAVE_RTE */
extern const struct adapter adapter_boost;	/* with HAVE_BOOST */
extern const struct adapter adapter_boost_lock;	/* with HAVE_BOOST */
extern const struct adapter adapter_apr;	/* with HAVE_APR */
extern const struct adapter adapter_gslice;	/* with HAVE_GLIB */
extern const struct adapter adapter_array;
extern const struct adapter adapter_ck;		/* with HAVE_CK */
extern const struct adapter adapter_nothing;

#ifdef __cplusplus
}
#endif

#endif /* BENCH_ADAPTER_H */
