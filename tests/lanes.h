/* SPDX-License-Identifier: MIT */
/*
 * lanes.h - two threads with lanes of their own, and a cache that both use
 *
 * White-box.  The main thread is one, "the other" does what it is told.  With
 * restartable sequences each stays on a CPU of its own; threads that claim
 * their lanes are tried until one has another.
 */
#ifndef TESTS_LANES_H
#define TESTS_LANES_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "cache.h"
#include "lane.h"

#define FIRST_CAP	32u		/* objects, of layer.c */
#define NR_OBJECTS	8192

/* ---- the system, which the linker wraps ---------------------------------- */

extern atomic_bool no_memory;		/* mmap() fails */
void *__real_mmap(void *, size_t, int, int, int, off_t);
extern void (*_Atomic mapped)(void *run, size_t size);	/* if not NULL */

/* In place of a fence, with no lock held: whether it passed. */
extern bool (*_Atomic fence)(const struct lane_set *lanes);
extern atomic_uint nr_fences;
bool __real_lane_fence(const struct lane_set *lanes);

/* ---- a cache ------------------------------------------------------------- */

extern struct kmem_cache *cache;
extern void *objects[NR_OBJECTS];

/* @cache_size: of the arguments. */
void make_cache_sized(unsigned int size, unsigned int cache_size);
void make_cache(unsigned int size);
void end_cache(void);
/* The first @nr objects, singly. */
void take(unsigned int nr);
void give(unsigned int nr);
/* Objects of a slab, all taken: no slab has one to give, nor has the layer. */
unsigned int take_whole_slab(void);
/* Into objects [from, from + nr), without waiting, at once. */
bool take_all(unsigned int from, unsigned int nr);
/* Objects [0, nr), of which none is two. */
bool all_differ(unsigned int nr);
void shrink_it(void);

/* As statistics have it, which would recall everything first. */
uint64_t nr_out(void);
uint64_t nr_allocs(void);
unsigned int nr_loaded(unsigned int lane);
unsigned int nr_in_lanes(void);
/* What it counts of its own is so. */
bool layer_is_in_order(void);
bool layer_has_nothing(void);

/* ---- two threads --------------------------------------------------------- */

/* A thread that does one thing after another. */
struct helper {
	pthread_t	thread;
	sem_t		go, done;
	void		(*job)(void);	/* NULL: ends */
	unsigned int	lane;
};

extern unsigned int own_lane;
extern struct helper *other;

/* False, and a word on it, when there is no other lane. */
bool have_other(void);
void start_on_other(void (*job)(void));
void wait_for_other(void);
void on_other(void (*job)(void));

/* A job: the first objects. */
extern unsigned int nr_to_give;
void give_them(void);
void give_on_other(unsigned int nr);

/* ---- a program ----------------------------------------------------------- */

/* Before any test. */
void lanes_begin(void);
/* Around each. */
void set_up(void);
void tear_down(void);
/* This thread, on the @nth CPU of those allowed.  False: there are fewer. */
bool stay_on(int nth);
/* Whether the child exits with 0.  It must not hang. */
bool in_child(int (*fn)(void));

#define SELF		"/proc/self/exe"

/*
 * What the program with one argument exits with: "which" prints what lanes are,
 * "layer" is 0 if caches have a layer, "claims" if lanes are claimed, "secure"
 * if it has another's rights.
 */
int say(const char *what);

#endif /* TESTS_LANES_H */
