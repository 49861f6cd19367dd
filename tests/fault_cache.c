/* SPDX-License-Identifier: MIT */
/*
 * fault_cache.c - failures while a cache is made and used
 *
 * A call that fails leaves the cache as it was, and succeeds once nothing
 * fails; of a slab that could not be made, nothing is left but headers and a
 * piece of the page map, which the next one uses.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fault.h"
#include "lane.h"
#include "testlib.h"

#define MARK		4242		/* errno before a call */
#define GRANULE		65536u
#define NR_SLABS	3
#define NR_OBJECTS	(NR_SLABS * 4)

static struct kmem_cache *cache;
static unsigned int nr_constructed;
static void *objects[NR_OBJECTS];
static unsigned int nr_objects;

/* ---- caches ------------------------------------------------------------ */

static void destruct(void *object, void *ctor_arg)
{
	CHECK(*(void **)object == ctor_arg);
	nr_constructed--;
}

static struct kmem_cache *create_args(const struct kmem_cache_args *args)
{
	cache = kmem_cache_create_args("faulty", GRANULE / 4 - 8, args, 0);
	return cache;
}

static struct kmem_cache *plain(void)
{
	cache = kmem_cache_create("faulty", GRANULE / 4 - 8, 0, 0, NULL);
	return cache;
}

static struct kmem_cache *by_args(void)
{
	return create_args(NULL);
}

static struct kmem_cache *on_node(void)
{
	struct kmem_cache_args args = { .node = 1 };

	return create_args(&args);
}

static struct kmem_cache *unaligned(void)
{
	fault_granule = GRANULE;
	return plain();
}

static struct kmem_cache *constructed(void)
{
	struct kmem_cache_args args = {
		.ctor_try = fault_construct, .dtor = destruct,
		.ctor_arg = &nr_constructed,
	};

	return create_args(&args);
}

static void end(void)
{
	CHECK(kmem_cache_destroy(cache) == 0);
	CHECK(nr_constructed == 0);
	cache = NULL;
}

/* All that it says of itself agrees. */
static void check_whole(void)
{
	struct kmem_cache_stats s = cache_stats_of(cache);
	uint64_t nr_slabs = s.slabs_full + s.slabs_partial + s.slabs_empty;

	CHECK(s.active == nr_objects);
	CHECK(s.allocs - s.frees == nr_objects);
	CHECK(s.objects == nr_slabs * s.slab_objects);
	CHECK(s.slabs_made - s.slabs_returned == nr_slabs);
	CHECK(nr_constructed == 0 || nr_constructed == s.objects);
	CHECK(kmem_cache_validate(cache) == 0);
}

static void prove_usable(void)
{
	check_whole();
	while (nr_objects < NR_OBJECTS) {
		objects[nr_objects] = kmem_cache_alloc(cache, GFP_KERNEL);
		CHECK(objects[nr_objects]);
		nr_objects++;
	}
	check_whole();
	kmem_cache_free_bulk(cache, nr_objects, objects);
	nr_objects = 0;
	check_whole();
}

/* ---- making and ending ------------------------------------------------- */

typedef struct kmem_cache *maker(void);

static int count(struct kmem_cache *visited, void *nr)
{
	CHECK(visited == cache);
	++*(unsigned int *)nr;
	return 0;
}

static unsigned int nr_caches(void)
{
	unsigned int nr = 0;

	CHECK(kmem_cache_for_each(count, &nr) == 0);
	return nr;
}

static void make(const void *arg)
{
	maker *how = *(maker *const *)arg;

	/* Finds another way when it fails, once and for all. */
	lane_start();
	errno = MARK;
	fault_arm();
	how();
	fault_disarm();
	if (cache) {
		CHECK(errno == MARK && fault_hits() == 0);
	} else {
		CHECK(errno == ENOMEM && fault_hits() > 0);
		CHECK(nr_caches() == 0);
		CHECK(how());
	}
	CHECK(fault_nr_atfork() == 1);
	CHECK(nr_caches() == 1);
	prove_usable();
	end();
}

static void end_armed(const void *arg)
{
	CHECK((*(maker *const *)arg)());
	prove_usable();
	objects[0] = kmem_cache_alloc(cache, GFP_KERNEL);
	CHECK(objects[0]);
	fault_arm();
	CHECK(kmem_cache_destroy(cache) == -EBUSY);
	kmem_cache_free(cache, objects[0]);
	end();
	fault_disarm();
	CHECK(nr_caches() == 0);
}

/* ---- the seventeenth slab ---------------------------------------------- */

#define PAGE_OBJECTS	(16 * 16)	/* of a page each, in 16 slabs */

/* Its memory is asked for at once; without that it is as good. */
static void make_many(const void *unused)
{
	void *pages[PAGE_OBJECTS], *more;

	(void)unused;
	cache = kmem_cache_create("many", 4096, 0, 0, NULL);
	CHECK(cache);
	CHECK(kmem_cache_alloc_bulk(cache, GFP_KERNEL, PAGE_OBJECTS, pages));
	fault_arm();
	errno = MARK;
	more = kmem_cache_alloc(cache, GFP_NOWAIT);
	CHECK(errno == (more ? MARK : ENOMEM));
	CHECK(more || fault_hits());
	fault_disarm();
	kmem_cache_free(cache, more);
	kmem_cache_free_bulk(cache, PAGE_OBJECTS, pages);
	end();
}

/* ---- using ------------------------------------------------------------- */

struct use {
	maker	*how;
	void	(*call)(void);
};

static void get_one(void *(*alloc)(struct kmem_cache *, gfp_t), gfp_t gfp)
{
	errno = MARK;
	objects[0] = alloc(cache, gfp);
	nr_objects = objects[0] != NULL;
	CHECK(errno == (objects[0] ? MARK : ENOMEM));
	CHECK(objects[0] || fault_hits());
}

static void alloc_nowait(void)
{
	get_one(kmem_cache_alloc, GFP_NOWAIT);
}

static void alloc(void)
{
	get_one(kmem_cache_alloc, GFP_KERNEL);
	/* A second attempt is made for who may sleep. */
	CHECK(objects[0] || fault_hits() > 1);
}

static void zalloc(void)
{
	static const char zeroes[GRANULE / 4 - 8];

	get_one(kmem_cache_zalloc, GFP_NOWAIT);
	CHECK(!objects[0] ||
	      memcmp(objects[0], zeroes, sizeof(zeroes)) == 0);
}

static void alloc_bulk(void)
{
	bool got;

	errno = MARK;
	got = kmem_cache_alloc_bulk(cache, GFP_NOWAIT, NR_OBJECTS - 1,
				    objects);
	CHECK(errno == (got ? MARK : ENOMEM));
	CHECK(got || fault_hits());
	nr_objects = got ? NR_OBJECTS - 1 : 0;
}

static void take_all(void)
{
	CHECK(kmem_cache_alloc_bulk(cache, GFP_KERNEL, NR_OBJECTS, objects));
	nr_objects = NR_OBJECTS;
}

static void free_all(void)
{
	fault_disarm();
	take_all();
	fault_arm();
	errno = MARK;
	while (nr_objects)
		kmem_cache_free(cache, objects[--nr_objects]);
	CHECK(errno == MARK);
}

static void free_bulk(void)
{
	fault_disarm();
	take_all();
	fault_arm();
	errno = MARK;
	kmem_cache_free_bulk(cache, nr_objects, objects);
	CHECK(errno == MARK);
	nr_objects = 0;
}

static void shrink(void)
{
	fault_disarm();
	prove_usable();
	fault_arm();
	errno = MARK;
	CHECK(kmem_cache_shrink(cache) == 0);
	CHECK(errno == MARK);
	CHECK(cache_stats_of(cache).objects == 0);
}

static void reset(void)
{
	fault_disarm();
	take_all();
	fault_arm();
	CHECK(kmem_cache_reset(cache) == 0);
	CHECK(cache_stats_of(cache).active == 0);
	fault_disarm();
	end();
	nr_objects = 0;
	CHECK(plain());
}

static struct slab_sheaf *sheaf;

/* Takes all that is in it. */
static void take_from(void)
{
	unsigned int hits = fault_hits();

	errno = MARK;
	while (kmem_cache_sheaf_size(sheaf)) {
		objects[nr_objects] = kmem_cache_alloc_from_sheaf(
			cache, GFP_NOWAIT, sheaf);
		CHECK(objects[nr_objects]);
		nr_objects++;
	}
	CHECK(errno == MARK && fault_hits() == hits);
	CHECK(!kmem_cache_alloc_from_sheaf(cache, GFP_NOWAIT, sheaf));
	CHECK(errno == ENOMEM);
}

static void return_sheaf(void)
{
	errno = MARK;
	kmem_cache_return_sheaf(cache, GFP_NOWAIT, sheaf);
	CHECK(errno == MARK);
}

static void prefill_some(unsigned int n)
{
	fault_disarm();
	sheaf = kmem_cache_prefill_sheaf(cache, GFP_KERNEL, n);
	CHECK(sheaf);
	fault_arm();
}

static void prefill(void)
{
	errno = MARK;
	sheaf = kmem_cache_prefill_sheaf(cache, GFP_NOWAIT, NR_OBJECTS - 1);
	CHECK(errno == (sheaf ? MARK : ENOMEM));
	CHECK(sheaf || fault_hits());
	if (sheaf) {
		take_from();
		return_sheaf();
	}
}

static void refill(void)
{
	int err;

	prefill_some(1);
	errno = MARK;
	err = kmem_cache_refill_sheaf(cache, GFP_NOWAIT, &sheaf,
				      NR_OBJECTS - 1);
	CHECK(err == 0 || (err == -ENOMEM && fault_hits()));
	CHECK(errno == MARK);
	CHECK(kmem_cache_sheaf_size(sheaf) == (err ? 1 : NR_OBJECTS - 1));
	take_from();
	return_sheaf();
}

static void take_prefilled(void)
{
	prefill_some(NR_OBJECTS - 1);
	take_from();
	return_sheaf();
}

static void return_prefilled(void)
{
	prefill_some(NR_OBJECTS - 1);
	return_sheaf();
	CHECK(cache_stats_of(cache).active == 0);
}

static void look(void)
{
	CHECK(kmem_cache_validate(cache) == 0);
	CHECK(kmem_cache_size(cache) == GRANULE / 4 - 8);
	CHECK(cache_stats_of(cache).active == 0);
	CHECK(nr_caches() == 1);
}

static void use(const void *arg)
{
	const struct use *u = arg;

	CHECK(u->how());
	fault_arm();
	u->call();
	fault_disarm();
	prove_usable();
	end();
}

/* Of a parent that had slabs itself. */
static void use_in_child(const void *arg)
{
	const struct use *u = arg;
	pid_t pid;
	int status;

	CHECK(u->how());
	prove_usable();
	kmem_cache_shrink(cache);
	pid = fork();
	if (pid == 0) {
		fault_arm();
		u->call();
		fault_disarm();
		prove_usable();
		end();
		CHECK(fault_nothing_held());
		exit(EXIT_SUCCESS);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	end();
}

/* ---- as a backend ------------------------------------------------------ */

/* With one object in a slab. */
static void make_backend(void)
{
	cache = kmem_cache_create("backend", GRANULE - 8, 0, 0, NULL);
	CHECK(cache);
}

static void take_element(const void *arg)
{
	void *element;

	(void)arg;
	make_backend();
	errno = MARK;
	fault_arm();
	element = mempool_alloc_slab(GFP_NOWAIT, cache);
	fault_disarm();
	CHECK(errno == MARK);
	CHECK(element || fault_hits() > 0);
	if (!element)
		element = mempool_alloc_slab(GFP_NOWAIT, cache);
	CHECK(element);
	memset(element, 1, GRANULE - 8);
	mempool_free_slab(element, cache);
	check_whole();
	end();
}

/* The second one's slab goes back to the system. */
static void give_elements(const void *arg)
{
	void *pair[2];
	int i;

	(void)arg;
	make_backend();
	for (i = 0; i < 2; i++) {
		pair[i] = mempool_alloc_slab(GFP_KERNEL, cache);
		CHECK(pair[i]);
	}
	errno = MARK;
	fault_arm();
	for (i = 0; i < 2; i++)
		mempool_free_slab(pair[i], cache);
	fault_disarm();
	CHECK(errno == MARK);
	check_whole();
	end();
}

/* A pool that could not be made leaves the cache as it was. */
static void make_slab_pool(const void *arg)
{
	mempool_t *pool;

	(void)arg;
	make_backend();
	errno = MARK;
	fault_arm();
	pool = mempool_create_slab_pool(2, cache);
	fault_disarm();
	CHECK(errno == (pool ? MARK : ENOMEM));
	CHECK(pool || fault_hits() > 0);
	if (!pool) {
		CHECK(cache_stats_of(cache).active == 0);
		pool = mempool_create_slab_pool(2, cache);
		CHECK(pool);
	}
	fault_prove_usable(pool);
	mempool_destroy(pool);
	check_whole();
	end();
}

/* ---- all of them ------------------------------------------------------- */

#define MAKER(fn)	&(maker *const){ fn }
#define USE(how, call)	&(const struct use){ how, call }

#define EVERY_CACHE(symbol, what, call)					\
	{ symbol, what, use, USE(plain, call) },			\
	{ symbol, what ", on a node", use, USE(on_node, call) },	\
	{ symbol, what ", unaligned", use, USE(unaligned, call) },	\
	{ symbol, what ", in a forked child", use_in_child,		\
	  USE(plain, call) }

const struct scenario cache_scenarios[] = {
	{ "cache_create", "a cache", make, MAKER(plain) },
	{ "cache_create_args", "a cache", make, MAKER(by_args) },
	{ "cache_create_args", "with constructor", make, MAKER(constructed) },
	{ "cache_destroy", "a cache", end_armed, MAKER(plain) },
	{ "cache_destroy", "with constructor", end_armed,
	  MAKER(constructed) },

	EVERY_CACHE("cache_alloc", "no wait", alloc_nowait),
	EVERY_CACHE("cache_alloc", "with reclaim", alloc),
	{ "cache_alloc", "many slabs", make_many, NULL },
	EVERY_CACHE("cache_zalloc", "no wait", zalloc),
	EVERY_CACHE("cache_alloc_bulk", "three slabs", alloc_bulk),
	{ "cache_alloc", "constructed", use, USE(constructed, alloc_nowait) },
	{ "cache_alloc", "constructed, with reclaim", use,
	  USE(constructed, alloc) },
	{ "cache_alloc_bulk", "constructed", use,
	  USE(constructed, alloc_bulk) },

	EVERY_CACHE("cache_free", "three slabs", free_all),
	EVERY_CACHE("cache_free_bulk", "three slabs", free_bulk),
	EVERY_CACHE("cache_shrink", "one slab", shrink),
	{ "cache_free", "constructed", use, USE(constructed, free_all) },
	{ "cache_shrink", "constructed", use, USE(constructed, shrink) },
	{ "cache_reset", "all objects out", use, USE(plain, reset) },
	EVERY_CACHE("cache_prefill_sheaf", "three slabs", prefill),
	EVERY_CACHE("cache_refill_sheaf", "three slabs", refill),
	EVERY_CACHE("cache_alloc_from_sheaf", "three slabs", take_prefilled),
	EVERY_CACHE("cache_return_sheaf", "three slabs", return_prefilled),
	{ "cache_prefill_sheaf", "constructed", use,
	  USE(constructed, prefill) },
	{ "cache_refill_sheaf", "constructed", use, USE(constructed, refill) },
	{ "cache_return_sheaf", "constructed", use,
	  USE(constructed, return_prefilled) },
	{ "cache_sheaf_size", "three slabs", use, USE(plain, take_prefilled) },
	{ "cache_validate", "an empty cache", use, USE(plain, look) },
	{ "cache_size", "an empty cache", use, USE(plain, look) },
	{ "cache_get_stats", "an empty cache", use, USE(plain, look) },
	{ "cache_for_each", "one cache", use, USE(plain, look) },

	{ "alloc_slab", "by itself", take_element, NULL },
	{ "free_slab", "by itself", give_elements, NULL },
	{ "create", "over a cache", make_slab_pool, NULL },
	{ NULL, NULL, NULL, NULL },
};
