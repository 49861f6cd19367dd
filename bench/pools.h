/* SPDX-License-Identifier: MIT */
/*
 * pools.h - pools of a fixed number of elements that can be waited for
 *
 * kmempool and what a program would use instead of it, behind one structure.
 */
#ifndef BENCH_POOLS_H
#define BENCH_POOLS_H

#include <stddef.h>

/* What is taken and given: a cache line of its own. */
struct element {
	_Alignas(64) int	owned;
};

struct peer {
	const char	*name;
	/* A pool with all its elements in it, or abort(). */
	void		*(*create)(int nr);
	/* Waits for an element as long as it takes. */
	struct element	*(*take)(void *pool);
	void		(*give)(void *pool, struct element *element);
	/* All elements are back and no thread is inside. */
	void		(*destroy)(void *pool);
	/* Wakes threads that sleep although elements lie in the pool; NULL
	 * where there are none. */
	void		(*rescue)(void *pool);
};

/* kmempool first; ends with NULL. */
extern const struct peer *const peers[];

const struct peer *peer_find(const char *name);

extern const struct peer peer_kmempool;
extern const struct peer peer_cond;
extern const struct peer peer_sem;
extern const struct peer peer_fifo;
extern const struct peer peer_kernel;
extern const struct peer peer_glib;	/* with HAVE_GLIB */
extern const struct peer peer_apr;	/* with HAVE_APR */

/* Elements as an array, for peers that have no idea of their own where to
 * keep them.  Not locked. */
struct stack {
	int		nr;
	struct element	*element[];
};

/* Zeroed memory, aligned to 128 bytes, or abort(). */
void *bench_alloc(size_t size);
struct element *element_new(void);
struct stack *stack_new(int nr);
void stack_free(struct stack *s);

static inline void stack_push(struct stack *s, struct element *element)
{
	s->element[s->nr++] = element;
}

static inline struct element *stack_pop(struct stack *s)
{
	return s->element[--s->nr];
}

#endif /* BENCH_POOLS_H */
