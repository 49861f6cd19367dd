/* SPDX-License-Identifier: MIT */
/*
 * model_cache.c - random operations of one thread on caches, against an oracle
 *
 * The oracle knows of each cache which objects are out and what every byte of
 * them must be.  An object must never overlap another, of whatever cache, lie
 * where its alignment says, and have been constructed once.  After each step
 * the statistics must say what the oracle says.
 *
 * KMEMPOOL_TEST_SEED repeats a run, KMEMPOOL_TEST_LONG=1 makes it long.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "testlib.h"

#define NR_CACHES	6
#define MOST_OUT	700		/* objects of one cache */
#define MOST_BULK	150
#define MOST_SHEAF	200
#define HEADER		16		/* of a constructed object: its number, and
					   this cache's mark */
#define SHORT_STEPS	30000u
#define LONG_STEPS	3000000u

struct object {
	unsigned char	*at;
	unsigned char	fill;
};

struct model {
	struct kmem_cache *cache;
	unsigned int	size, align;
	bool		constructed;
	uint64_t	mark;		/* what its constructor writes */
	struct object	out[MOST_OUT];
	unsigned int	nr_out;
	struct slab_sheaf *sheaf;	/* or NULL */
	unsigned int	nr_in_sheaf;
	uint64_t	allocs, frees, failures, resets;
	uint64_t	ctors, dtors;
	long		ctor_budget;	/* calls that succeed; < 0: all */
};

static struct model models[NR_CACHES];
static uint64_t random_state;
static unsigned long step, nr_failed_ctors;
static const char *operation = "none";
static uint64_t next_mark = 1;

static unsigned int below(unsigned int limit)
{
	return rnd_below(&random_state, limit);
}

static _Noreturn void fail(const struct model *m, const char *what)
{
	printf("model_cache: step %lu, %s on cache %d of %u bytes%s: %s\n",
	       step, operation, (int)(m - models), m->size,
	       m->constructed ? ", constructed" : "", what);
	exit(EXIT_FAILURE);
}

#define EXPECT(m, holds) ((holds) ? (void)0 : fail(m, #holds))

/* ---- constructors -------------------------------------------------------- */

static int construct(void *object, void *ctor_arg, gfp_t gfp_mask)
{
	struct model *m = ctor_arg;
	uint64_t *header = object;

	(void)gfp_mask;
	if (m->ctor_budget == 0) {
		nr_failed_ctors++;
		return -ENOMEM;
	}
	if (m->ctor_budget > 0)
		m->ctor_budget--;
	/* Fresh memory, or what another cache's destructor left. */
	EXPECT(m, header[0] != m->mark);
	header[0] = m->mark;
	header[1] = m->ctors++;
	return 0;
}

static void destruct(void *object, void *ctor_arg)
{
	struct model *m = ctor_arg;
	uint64_t *header = object;

	EXPECT(m, header[0] == m->mark);
	header[0] = 0;
	m->dtors++;
}

/* ---- objects ------------------------------------------------------------- */

static unsigned int own_bytes_from(const struct model *m)
{
	return m->constructed ? HEADER : 0;
}

static void check_object(const struct model *m, const struct object *object)
{
	unsigned int i;

	if (m->constructed)
		EXPECT(m, *(uint64_t *)object->at == m->mark);
	for (i = own_bytes_from(m); i < m->size; i++)
		EXPECT(m, object->at[i] == (unsigned char)(object->fill + i));
}

static void note_taken(struct model *m, void *p, bool zeroed)
{
	struct object *object = &m->out[m->nr_out++];
	unsigned int i;

	object->at = p;
	object->fill = (unsigned char)below(256);
	EXPECT(m, (uintptr_t)p % m->align == 0);
	if (m->constructed)
		EXPECT(m, *(uint64_t *)object->at == m->mark);
	for (i = own_bytes_from(m); i < m->size; i++) {
		EXPECT(m, !zeroed || object->at[i] == 0);
		object->at[i] = (unsigned char)(object->fill + i);
	}
	m->allocs++;
}

static void *take_out(struct model *m)
{
	unsigned int i = below(m->nr_out);
	struct object object = m->out[i];

	check_object(m, &object);
	/* Whoever has it next must not see this by accident. */
	memset(object.at + own_bytes_from(m), 0xdb,
	       m->size - own_bytes_from(m));
	m->out[i] = m->out[--m->nr_out];
	m->frees++;
	return object.at;
}

/* ---- operations ---------------------------------------------------------- */

static void do_alloc(struct model *m)
{
	bool zeroed = !m->constructed && below(4) == 0;
	gfp_t gfp = below(2) ? GFP_NOWAIT : GFP_KERNEL;
	void *p;

	if (m->nr_out == MOST_OUT)
		return;
	operation = "alloc";
	errno = 4242;
	if (zeroed && below(2))
		p = kmem_cache_zalloc(m->cache, gfp);
	else
		p = kmem_cache_alloc(m->cache,
				     gfp | (zeroed ? __GFP_ZERO : 0));
	EXPECT(m, p || m->ctor_budget == 0);
	EXPECT(m, errno == (p ? 4242 : ENOMEM));
	if (p)
		note_taken(m, p, zeroed);
	else
		m->failures++;
}

static void do_free(struct model *m)
{
	operation = "free";
	if (m->nr_out)
		kmem_cache_free(m->cache, take_out(m));
}

static void do_bulk(struct model *m)
{
	bool zeroed = !m->constructed && below(4) == 0;
	unsigned int n = below(MOST_BULK + 1), i;
	void *slots[MOST_BULK];
	bool got;

	if (n > MOST_OUT - m->nr_out)
		n = MOST_OUT - m->nr_out;
	operation = "alloc_bulk";
	got = kmem_cache_alloc_bulk(m->cache,
				    GFP_NOWAIT | (zeroed ? __GFP_ZERO : 0),
				    n, slots);
	EXPECT(m, got || m->ctor_budget == 0);
	m->failures += !got;
	for (i = 0; got && i < n; i++)
		note_taken(m, slots[i], zeroed);
}

static void do_free_bulk(struct model *m)
{
	void *slots[MOST_BULK];
	unsigned int n, i;

	operation = "free_bulk";
	n = below(m->nr_out < MOST_BULK ? m->nr_out + 1 : MOST_BULK);
	for (i = 0; i < n; i++)
		slots[i] = m->nr_out && below(16) ? take_out(m) : NULL;
	kmem_cache_free_bulk(m->cache, n, slots);
}

static void do_fill_sheaf(struct model *m)
{
	gfp_t gfp = below(2) ? GFP_NOWAIT : GFP_KERNEL;
	unsigned int n = below(MOST_SHEAF), lacking = 0;
	bool got;

	operation = m->sheaf ? "refill_sheaf" : "prefill_sheaf";
	if (n > m->nr_in_sheaf)
		lacking = n - m->nr_in_sheaf;
	if (m->sheaf) {
		got = kmem_cache_refill_sheaf(m->cache, gfp, &m->sheaf, n) == 0;
	} else {
		m->sheaf = kmem_cache_prefill_sheaf(m->cache, gfp, n);
		got = m->sheaf;
	}
	EXPECT(m, got || (m->ctor_budget == 0 && lacking));
	if (got) {
		m->allocs += lacking;
		m->nr_in_sheaf += lacking;
	} else {
		m->failures++;
	}
}

static void do_take_from_sheaf(struct model *m)
{
	bool zeroed = !m->constructed && below(4) == 0;
	unsigned int n = below(16);
	void *p;

	operation = "alloc_from_sheaf";
	while (n-- && m->nr_out < MOST_OUT) {
		p = kmem_cache_alloc_from_sheaf(m->cache, GFP_NOWAIT |
						(zeroed ? __GFP_ZERO : 0),
						m->sheaf);
		EXPECT(m, !p == !m->nr_in_sheaf);
		if (!p)
			break;
		m->nr_in_sheaf--;
		note_taken(m, p, zeroed);
		m->allocs--;		/* it was counted before */
	}
}

static void do_return_sheaf(struct model *m)
{
	operation = "return_sheaf";
	kmem_cache_return_sheaf(m->cache, GFP_KERNEL, m->sheaf);
	m->frees += m->nr_in_sheaf;
	m->nr_in_sheaf = 0;
	m->sheaf = NULL;
}

static void do_free_most(struct model *m)
{
	unsigned int left = below(5);

	operation = "free most";
	while (m->nr_out > left)
		kmem_cache_free(m->cache, take_out(m));
}

static void do_shrink(struct model *m)
{
	operation = "shrink";
	EXPECT(m, kmem_cache_shrink(m->cache) == 0);
	EXPECT(m, cache_stats_of(m->cache).slabs_empty == 0);
}

static void do_reset(struct model *m)
{
	unsigned int i;

	operation = "reset";
	for (i = 0; i < m->nr_out; i++)
		check_object(m, &m->out[i]);
	if (m->sheaf) {
		EXPECT(m, kmem_cache_reset(m->cache) == -EBUSY);
		return;
	}
	EXPECT(m, kmem_cache_reset(m->cache) == 0);
	m->nr_out = 0;
	m->resets++;
}

static void make(struct model *m)
{
	static const unsigned int most[] = { 32, 300, 3000, 20000 };
	struct kmem_cache_args args = {
		.align = 1u << below(9),
		.ctor_arg = m,
		.min_partial = below(4),
	};

	operation = "create";
	memset(m, 0, sizeof(*m));
	m->ctor_budget = -1;
	m->mark = 0x6d61726b00000000 + next_mark++;
	m->constructed = below(2);
	m->size = 1 + below(most[below(4)]);
	if (m->constructed) {
		m->size += HEADER;
		args.ctor_try = construct;
		args.dtor = destruct;
	}
	m->align = args.align < 8 ? 8 : args.align;
	m->cache = kmem_cache_create_args("model", m->size, &args,
					  below(2) ? SLAB_HWCACHE_ALIGN : 0);
	EXPECT(m, m->cache);
	EXPECT(m, kmem_cache_size(m->cache) == m->size);
}

static void destroy(struct model *m)
{
	if (m->sheaf) {
		operation = "destroy with a sheaf";
		EXPECT(m, kmem_cache_destroy(m->cache) == -EBUSY);
		do_return_sheaf(m);
	}
	operation = "destroy";
	if (m->nr_out) {
		EXPECT(m, kmem_cache_destroy(m->cache) == -EBUSY);
		do_free_most(m);
	}
	while (m->nr_out)
		kmem_cache_free(m->cache, take_out(m));
	EXPECT(m, kmem_cache_destroy(m->cache) == 0);
	EXPECT(m, m->ctors == m->dtors);
}

static void do_budget(struct model *m)
{
	operation = "budget";
	m->ctor_budget = m->ctor_budget == -1 && m->constructed ?
			 (long)below(3000) : -1;
}

/* ---- after each step ----------------------------------------------------- */

static void check_cache(const struct model *m)
{
	struct kmem_cache_stats s = cache_stats_of(m->cache);
	uint64_t nr_slabs = s.slabs_full + s.slabs_partial + s.slabs_empty;

	EXPECT(m, s.active == m->nr_out + m->nr_in_sheaf);
	EXPECT(m, kmem_cache_sheaf_size(m->sheaf) == m->nr_in_sheaf);
	EXPECT(m, s.allocs == m->allocs);
	EXPECT(m, s.frees == m->frees);
	EXPECT(m, s.failures == m->failures);
	EXPECT(m, s.resets == m->resets);
	EXPECT(m, s.objects == nr_slabs * s.slab_objects);
	EXPECT(m, s.active <= s.objects);
	EXPECT(m, s.slabs_made - s.slabs_returned == nr_slabs);
	EXPECT(m, s.slabs_full * s.slab_objects <= s.active);
	EXPECT(m, s.active <= s.objects - s.slabs_empty * s.slab_objects);
	EXPECT(m, s.defects == 0);
	EXPECT(m, !m->constructed || m->ctors - m->dtors == s.objects);
}

static void check_everything(void)
{
	unsigned int i, at;

	operation = "a look at all";
	for (i = 0; i < NR_CACHES; i++)
		for (at = 0; at < models[i].nr_out; at++)
			check_object(&models[i], &models[i].out[at]);
}

static void do_one(struct model *m)
{
	switch (below(64)) {
	case 0:
		destroy(m);
		make(m);
		break;
	case 1:
		do_reset(m);
		break;
	case 2: case 3:
		do_shrink(m);
		break;
	case 4:
		do_free_most(m);
		break;
	case 5: case 6:
		do_budget(m);
		break;
	case 7: case 8: case 9: case 10:
		do_bulk(m);
		break;
	case 11: case 12: case 13: case 14:
		do_free_bulk(m);
		break;
	case 15: case 16: case 17:
		do_fill_sheaf(m);
		break;
	case 18: case 19: case 20:
		if (m->sheaf)
			do_take_from_sheaf(m);
		break;
	case 21:
		if (m->sheaf)
			do_return_sheaf(m);
		break;
	default:
		if (below(2))
			do_alloc(m);
		else
			do_free(m);
		break;
	}
	check_cache(m);
}

int main(void)
{
	unsigned int steps = test_long() ? LONG_STEPS : SHORT_STEPS, i;

	random_state = test_seed("model_cache");
	for (i = 0; i < NR_CACHES; i++)
		make(&models[i]);
	for (step = 0; step < steps; step++) {
		do_one(&models[below(NR_CACHES)]);
		if (step % 500 == 0)
			check_everything();
	}
	for (i = 0; i < NR_CACHES; i++)
		destroy(&models[i]);
	printf("model_cache: %lu steps, %" PRIu64 " caches, %lu constructors "
	       "failed\n", step, next_mark - 1, nr_failed_ctors);
	return nr_failed_ctors ? EXIT_SUCCESS : EXIT_FAILURE;
}
