/* SPDX-License-Identifier: MIT */
/*
 * cachelife.c - making caches and ending them
 */
#include "config.h"

#include "cache.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "checked.h"
#include "fork.h"
#include "registry.h"
#include "report.h"
#include "runs.h"
#include "sized.h"

#define FLAGS_KNOWN	(SLAB_HWCACHE_ALIGN | SLAB_POISON | SLAB_RED_ZONE | \
			 SLAB_STORE_USER | SLAB_CONSISTENCY_CHECKS | \
			 SLAB_PANIC)
#define MIN_PARTIAL_DEFAULT	1
#define GENERAL_CAP_BYTES	(16u << 10)	/* layer.c, section 7 */

struct registry registry_caches = REGISTRY_INIT;

/* ---- arguments --------------------------------------------------------- */

static int check_args(struct kmem_cache_args *args,
		      const struct kmem_cache_args *user)
{
	int err = 0;

	memset(args, 0, sizeof(*args));
	if (user)
		err = sized_read(args, sizeof(*args), user, user->size);
	if (err)
		return err;
	if ((args->ctor && args->ctor_try) || args->node < -1)
		return -EINVAL;
	if (!args->node)
		args->node = -1;
	if (!args->min_partial)
		args->min_partial = MIN_PARTIAL_DEFAULT;
	return 0;
}

static unsigned int alignment(unsigned int size, unsigned int align,
			      slab_flags_t flags)
{
	unsigned int line = CACHE_LINE;

	/* What is out of range stays as it is: layout_init() refuses it. */
	if (!(flags & SLAB_HWCACHE_ALIGN) || !size || align & (align - 1))
		return align;
	while (size <= line / 2)
		line /= 2;
	return align < line ? line : align;
}

/* ---- making ------------------------------------------------------------ */

static int lay_out(struct kmem_cache *cache, unsigned int size,
		   unsigned int align)
{
	bool outside = cache->checked || cache->ctor || cache->ctor_try ||
		       cache->dtor;

	align = alignment(size, align, cache->flags);
	return layout_init(&cache->layout, size, align,
			   checked_before(cache->flags),
			   checked_after(cache->flags, size), outside);
}

static void free_cache(struct kmem_cache *cache)
{
	free(cache->name);
	pool_lock_destroy(&cache->lock);
	layer_fini(&cache->layer);
	free(cache);
}

/* Not with checks: what was kept is not as a slab that is new. */
static bool shares_runs(const struct kmem_cache *cache)
{
	return !cache->checked && cache->layout.size >= RUNS_OBJECT_MIN &&
	       cache->layout.run_size <= RUNS_SIZE_MAX;
}

/* Each use of a checked object is seen; and what shares its runs keeps nothing. */
static size_t layer_stride(const struct kmem_cache *cache)
{
	return cache->checked || cache->shares_runs ? 0 : cache->layout.stride;
}

/* Most objects of a magazine; 0: no wish. */
static unsigned int layer_cap(const struct kmem_cache *cache, enum cache_use use,
			      unsigned int wanted)
{
	return use == CACHE_GENERAL ? GENERAL_CAP_BYTES / cache->layout.stride
				    : wanted;
}

static int make(struct kmem_cache **made, const char *name, unsigned int size,
		const struct kmem_cache_args *user, slab_flags_t flags,
		enum cache_use use)
{
	struct kmem_cache_args args;
	struct kmem_cache *cache;
	void *memory;
	int err;

	if (!name || flags & ~FLAGS_KNOWN)
		return -EINVAL;
	err = check_args(&args, user);
	if (err)
		return err;
	if (posix_memalign(&memory, CACHE_LINE, sizeof(*cache)))
		return -ENOMEM;
	cache = memset(memory, 0, sizeof(*cache));
	cache->flags = flags;
	cache->checked = checked_needed(flags);
	cache->ctor = args.ctor;
	cache->ctor_try = args.ctor_try;
	cache->dtor = args.dtor;
	cache->ctor_arg = args.ctor_arg;
	/* With the checks, around each use. */
	cache->constructs = !(flags & SLAB_CONSISTENCY_CHECKS) &&
			    (args.ctor || args.ctor_try || args.dtor);
	cache->reclaim = args.reclaim;
	cache->node = args.node;
	err = lay_out(cache, size, args.align);
	if (err)
		goto free_memory;
	cache->is_typed = use == CACHE_TYPED;
	cache->shares_runs = use == CACHE_GENERAL && shares_runs(cache);
	cache->min_partial = cache->shares_runs ? 0 : args.min_partial;
	err = -ENOMEM;
	cache->name = strdup(name);
	if (!cache->name)
		goto free_memory;
	if (pool_lock_init(&cache->lock, NULL))
		goto free_name;
	if (!layer_init(&cache->layer, layer_stride(cache),
			layer_cap(cache, use, args.cache_size)))
		goto destroy_lock;
	err = fork_watch();
	if (!err)
		err = registry_add(&registry_caches, cache, &cache->entry);
	if (err) {
		free_cache(cache);
		return err;
	}
	*made = cache;
	return 0;

destroy_lock:
	pool_lock_destroy(&cache->lock);
free_name:
	free(cache->name);
free_memory:
	free(memory);
	return err;
}

struct kmem_cache *cache_create(const char *name, unsigned int size,
				const struct kmem_cache_args *args,
				slab_flags_t flags, enum cache_use use)
{
	struct kmem_cache *cache = NULL;
	int err = make(&cache, name, size, args, flags, use);

	if (!err)
		return cache;
	if (flags & SLAB_PANIC)
		report_and_abort("libkmempool: cache %s of objects of %u bytes "
				 "cannot be made, which SLAB_PANIC says it "
				 "must: %s\n", name ? name : "without a name",
				 size, err == -ENOMEM ? "there is no memory"
				 : "an argument is out of range");
	errno = -err;
	return NULL;
}

struct kmem_cache *kmem_cache_create(const char *name, unsigned int size,
				     unsigned int align, slab_flags_t flags,
				     void (*ctor)(void *object))
{
	struct kmem_cache_args args = { .align = align, .ctor = ctor };

	return cache_create(name, size, &args, flags, CACHE_USERS);
}

struct kmem_cache *kmem_cache_create_args(const char *name, unsigned int size,
					  const struct kmem_cache_args *args,
					  slab_flags_t flags)
{
	return cache_create(name, size, args, flags, CACHE_USERS);
}

/* ---- ending ------------------------------------------------------------ */

static int is_it(void *object, void *arg)
{
	return object == arg;
}

/* Visitors may call meanwhile. */
static bool is_in_use(struct kmem_cache *cache)
{
	struct layer_count count;
	bool in_use;

	/* Strays among what was given back are found as it goes to its slabs. */
	layer_flush(cache, false);
	cache_lock(cache);
	layer_count(cache, &count);
	in_use = cache->active != count.held || cache->nr_sheaves;
	layer_unlock(cache);
	return in_use;
}

int cache_destroy(struct kmem_cache *cache)
{
	int cancel_state;

	if (!cache)
		return 0;
	/* Its memory may be anything by now. */
	if (!registry_walk(&registry_caches, is_it, cache))
		report_and_abort("libkmempool: %p is being destroyed, but there "
				 "is no such cache; destroy each once\n",
				 (void *)cache);
	if (is_in_use(cache)) {
		checked_note_leak(cache);
		return -EBUSY;
	}
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
	registry_remove(&registry_caches, cache->entry);
	pthread_setcancelstate(cancel_state, NULL);
	/* No call overlaps any more. */
	layer_flush(cache, true);
	slabs_shrink(cache);
	free_cache(cache);
	return 0;
}

int kmem_cache_destroy(struct kmem_cache *cache)
{
	return cache_destroy(cache);
}

struct visit {
	int	(*fn)(struct kmem_cache *cache, void *arg);
	void	*arg;
};

static int call(void *cache, void *arg)
{
	const struct visit *visit = arg;

	return visit->fn(cache, visit->arg);
}

int kmem_cache_for_each(int (*fn)(struct kmem_cache *cache, void *arg),
			void *arg)
{
	struct visit visit = { fn, arg };

	return fn ? registry_walk(&registry_caches, call, &visit) : -EINVAL;
}
