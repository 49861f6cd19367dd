/* SPDX-License-Identifier: MIT */
/*
 * fault.h - what the scenarios of fault_points need
 *
 * A scenario is run in a process of its own, again and again: first as it is,
 * then with its first, second, ... point failing, once, and from then on.  A
 * point is a call that can fail, made by the library in a thread that is
 * armed; scenarios arm themselves around the call they are about and nowhere
 * else.
 */
#ifndef TESTS_FAULT_H
#define TESTS_FAULT_H

#include <stdbool.h>

#include <kmempool/mempool.h>
#include <kmempool/slab.h>

struct scenario {
	const char	*symbol;	/* exported, less "kmempool_" */
	const char	*what;
	void		(*run)(const void *arg);
	const void	*arg;
};

/* All end with one whose symbol is NULL. */
extern const struct scenario life_scenarios[];
extern const struct scenario use_scenarios[];
extern const struct scenario cache_scenarios[];
extern const struct scenario kmalloc_scenarios[];

/* Ends the run as a failure, from any thread. */
#define CHECK(cond) \
	((cond) ? (void)0 : fault_failed(__FILE__, __LINE__, #cond))
__attribute__((noreturn))
void fault_failed(const char *file, int line, const char *what);

/* Only what the calling thread does in between counts. */
void fault_arm(void);
void fault_disarm(void);

/* Points that failed in this run; those that are calls of @name or are in the
 * function of that name. */
unsigned int fault_hits(void);
unsigned int fault_hits_of(const char *name);

/* How often the library has registered fork handlers. */
unsigned int fault_nr_atfork(void);

/* Not 0: no mapping that the library gets is aligned to it. */
extern size_t fault_granule;
/* No mapping can grow where it is. */
extern bool fault_crowded;
/* Each mapping lies in a part of the page map where nothing was before. */
extern bool fault_far;

/* A ctor_try whose every call is a point; counts in *ctor_arg. */
int fault_construct(void *object, void *ctor_arg, gfp_t gfp_mask);

/* An alloc_fn over testlib's backend, whose every success is a point. */
mempool_alloc_t fault_give;

/* Takes the whole reserve and gives it back; nothing of the pool is out before
 * and after. */
void fault_prove_usable(mempool_t *pool);

/* Whether the library holds nothing but what it keeps for later pools and
 * threads, and of that no more than was in use at once.  Prints what not.  Ends
 * the general caches: the last thing that a process does with the library. */
bool fault_nothing_held(void);

#endif /* TESTS_FAULT_H */
