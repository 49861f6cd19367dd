/* SPDX-License-Identifier: MIT */
/*
 * lanes.c - two threads with lanes of their own, and a cache that both use
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "lanes.h"

#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <check.h>

#include "testlib.h"

#define CHILD_S		20

/* ---- the system ---------------------------------------------------------- */

atomic_bool no_memory;
void (*_Atomic mapped)(void *run, size_t size);

void *__wrap_mmap(void *, size_t, int, int, int, off_t);

void *__wrap_mmap(void *addr, size_t size, int prot, int flags, int fd,
		  off_t offset)
{
	void (*hook)(void *, size_t) = atomic_load(&mapped);
	void *run;

	if (atomic_load(&no_memory)) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	run = __real_mmap(addr, size, prot, flags, fd, offset);
	if (hook && run != MAP_FAILED)
		hook(run, size);
	return run;
}

bool (*_Atomic fence)(const struct lane_set *lanes);
atomic_uint nr_fences;

bool __wrap_lane_fence(const struct lane_set *lanes);

bool __wrap_lane_fence(const struct lane_set *lanes)
{
	bool (*instead)(const struct lane_set *) = atomic_load(&fence);

	atomic_fetch_add(&nr_fences, 1);
	return instead ? instead(lanes) : __real_lane_fence(lanes);
}

static cpu_set_t allowed;		/* CPUs, before any test */

void lanes_begin(void)
{
	sched_getaffinity(0, sizeof(allowed), &allowed);
}

bool stay_on(int nth)
{
	cpu_set_t one;
	int cpu;

	CPU_ZERO(&one);
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &allowed) && nth-- == 0)
			CPU_SET(cpu, &one);
	return CPU_COUNT(&one) && !sched_setaffinity(0, sizeof(one), &one);
}

/* ---- a cache ------------------------------------------------------------- */

struct kmem_cache *cache;
void *objects[NR_OBJECTS];

void make_cache_sized(unsigned int size, unsigned int cache_size)
{
	struct kmem_cache_args args = { .cache_size = cache_size };

	cache = kmem_cache_create_args("made", size, &args, 0);
	ck_assert_ptr_nonnull(cache);
}

void make_cache(unsigned int size)
{
	make_cache_sized(size, 0);
}

void end_cache(void)
{
	ck_assert_int_eq(kmem_cache_destroy(cache), 0);
}

void take(unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		objects[i] = kmem_cache_alloc(cache, GFP_KERNEL);
		ck_assert_ptr_nonnull(objects[i]);
	}
}

void give(unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		kmem_cache_free(cache, objects[i]);
}

unsigned int take_whole_slab(void)
{
	unsigned int nr = cache->layout.nr;

	ck_assert(kmem_cache_alloc_bulk(cache, GFP_KERNEL, nr, objects));
	ck_assert_uint_eq(cache->active, nr);
	ck_assert_uint_eq(cache->nr_slabs, 1);
	return nr;
}

uint64_t nr_out(void)
{
	struct layer_count count;
	uint64_t nr;

	cache_lock(cache);
	layer_sum(cache, &count);
	nr = cache->active - count.held;
	cache_unlock(cache);
	return nr;
}

uint64_t nr_allocs(void)
{
	struct layer_count count;
	uint64_t nr;

	cache_lock(cache);
	layer_sum(cache, &count);
	nr = cache->allocs + count.taken;
	cache_unlock(cache);
	return nr;
}

unsigned int nr_loaded(unsigned int lane)
{
	return magazine_nr(cache->layer.lanes[lane].loaded);
}

unsigned int nr_in_lanes(void)
{
	unsigned int nr = 0, i;

	for (i = 0; i < lane_nr; i++)
		nr += nr_loaded(i);
	return nr;
}

static unsigned int length(const struct magazine *list)
{
	unsigned int nr;

	for (nr = 0; list; list = list->next)
		nr++;
	return nr;
}

bool layer_is_in_order(void)
{
	const struct layer *layer = &cache->layer;
	unsigned int nr = 0, i;
	bool in_order;

	cache_lock(cache);
	for (i = 0; i < lane_nr; i++)
		nr += layer->lanes[i].loaded != MAGAZINE_NONE;
	in_order = layer->recall.nr_loaded == nr &&
		   layer->nr_full == length(layer->full) &&
		   layer->nr_empty == length(layer->empty);
	cache_unlock(cache);
	return in_order;
}

bool layer_has_nothing(void)
{
	const struct layer *layer = &cache->layer;

	return !nr_in_lanes() && !layer->recall.nr_loaded && !layer->full &&
	       !layer->nr_full && !layer->recall.limbo;
}

bool all_differ(unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		*((unsigned int *)objects[i] + 4) = i;
	for (i = 0; i < nr; i++)
		if (*((unsigned int *)objects[i] + 4) != i)
			return false;
	return true;
}

bool take_all(unsigned int from, unsigned int nr)
{
	return kmem_cache_alloc_bulk(cache, GFP_NOWAIT, nr, objects + from) &&
	       all_differ(from + nr);
}

void shrink_it(void)
{
	kmem_cache_shrink(cache);
}

/* ---- two threads with lanes of their own --------------------------------- */

#define TRIES		64

static struct helper helpers[TRIES];	/* of which the last is the other */
static unsigned int nr_helpers;
unsigned int own_lane;
struct helper *other;

/* Of this thread.  No other uses a cache that nobody else knows. */
static unsigned int find_lane(void)
{
	struct kmem_cache *probe = kmem_cache_create("probe", 64, 0, 0, NULL);
	unsigned int i, lane = UINT32_MAX;

	if (!probe)
		return lane;
	kmem_cache_free(probe, kmem_cache_alloc(probe, GFP_KERNEL));
	for (i = 0; i < lane_nr; i++)
		if (magazine_nr(probe->layer.lanes[i].loaded))
			lane = i;
	(void)kmem_cache_destroy(probe);
	return lane;
}

static void *help(void *arg)
{
	struct helper *h = arg;

	stay_on(1);
	h->lane = find_lane();
	for (;;) {
		sem_post(&h->done);
		sem_wait(&h->go);
		if (!h->job)
			return NULL;
		h->job();
	}
}

static struct helper *start_helper(void)
{
	struct helper *h = &helpers[nr_helpers++];

	sem_init(&h->go, 0, 0);
	sem_init(&h->done, 0, 0);
	ck_assert_int_eq(pthread_create(&h->thread, NULL, help, h), 0);
	sem_wait(&h->done);
	return h;
}

/* Threads that claim may have the same lane: some more are tried then. */
bool have_other(void)
{
	own_lane = find_lane();
	ck_assert_uint_lt(own_lane, lane_nr);
	if (lane_is_cpu && CPU_COUNT(&allowed) < 2) {
		printf("skip: one CPU, and so no other lane\n");
		return false;
	}
	do
		other = start_helper();
	while (other->lane == own_lane && nr_helpers < TRIES);
	ck_assert_uint_ne(other->lane, own_lane);
	ck_assert_uint_lt(other->lane, lane_nr);
	return true;
}

void start_on_other(void (*job)(void))
{
	other->job = job;
	sem_post(&other->go);
}

void wait_for_other(void)
{
	while (sem_wait(&other->done))
		;
}

void on_other(void (*job)(void))
{
	start_on_other(job);
	wait_for_other();
}

void set_up(void)
{
	stay_on(0);
}

void tear_down(void)
{
	struct helper *h;

	while (nr_helpers) {
		h = &helpers[--nr_helpers];
		h->job = NULL;
		sem_post(&h->go);
		pthread_join(h->thread, NULL);
		sem_destroy(&h->go);
		sem_destroy(&h->done);
	}
	other = NULL;
	sched_setaffinity(0, sizeof(allowed), &allowed);
}

unsigned int nr_to_give;

void give_them(void)
{
	give(nr_to_give);
}

void give_on_other(unsigned int nr)
{
	nr_to_give = nr;
	on_other(give_them);
}

bool in_child(int (*fn)(void))
{
	int status = -1;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (child == 0) {
		alarm(CHILD_S);
		/* Which it has not. */
		nr_helpers = 0;
		status = fn();
		fflush(stdout);
		_exit(status);
	}
	if (child < 0 || waitpid(child, &status, 0) != child)
		return false;
	if (!status)
		return true;
	printf("the child's wait status: %#x\n", (unsigned int)status);
	return false;
}

/* 0 if lanes are claimed, and do all the same. */
static int use_claimed(void)
{
	if (lane_is_cpu || !take_all(0, 1000))
		return 1;
	give(1000);
	return cache_stats_of(cache).active != 0;
}

static int answer(const char *what)
{
	if (!strcmp(what, "which"))
		puts(lane_is_cpu ? "sequences" : "claims");
	else if (!strcmp(what, "layer"))
		return !cache->layer.lanes;
	else if (!strcmp(what, "secure"))
		return geteuid() == getuid();
	else if (!strcmp(what, "claims"))
		return use_claimed();
	return 0;
}

int say(const char *what)
{
	int status = 2;

	cache = kmem_cache_create("made", 64, 0, 0, NULL);
	if (cache)
		status = answer(what);
	return kmem_cache_destroy(cache) ? 3 : status;
}
