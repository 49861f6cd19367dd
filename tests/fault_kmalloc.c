/* SPDX-License-Identifier: MIT */
/*
 * fault_kmalloc.c - failures while memory is taken by size, made longer, and
 * given back; and of typed pools
 *
 * What could not be made longer is as it was; what could not be made shorter
 * stays long.  The same call succeeds once nothing fails.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <kmempool/kmalloc.h>
#include <kmempool/typed.h>

#include "fault.h"
#include "testlib.h"

#define MARK		4242		/* errno before a call */
#define GRANULE		65536u
#define SMALL		100u
#define MIDDLE		(GRANULE / 2 + 1000)
#define LARGE		(4 * GRANULE)
#define NR_RUNS		8		/* more than are kept */

static unsigned char at(size_t i)
{
	return (unsigned char)(i * 7 + i / 256 + 1);
}

static void fill(unsigned char *p, size_t size)
{
	size_t i;

	for (i = 0; i < size; i++)
		p[i] = at(i);
}

static bool is_filled(const unsigned char *p, size_t size)
{
	size_t i;

	for (i = 0; i < size && p[i] == at(i); i++)
		;
	return i == size;
}

static bool is_zero(const unsigned char *p, size_t from, size_t to)
{
	while (from < to && !p[from])
		from++;
	return from >= to;
}

/* ---- kmalloc() and its forms ------------------------------------------- */

struct get {
	void	*(*call)(size_t size, gfp_t gfp);
	size_t	size;
	gfp_t	gfp;
	size_t	before;		/* taken and freed first; 0: nothing */
};

static void *array(size_t size, gfp_t gfp)
{
	return kmalloc_array(size / 4, 4, gfp);
}

static void *zeroed_array(size_t size, gfp_t gfp)
{
	return kcalloc(4, size / 4, gfp);
}

static void leave_behind(size_t size)
{
	unsigned char *p = kmalloc(size, GFP_KERNEL);

	CHECK(p);
	fill(p, ksize(p));
	kfree(p);
}

static void *get_armed(const struct get *g)
{
	void *p;

	errno = MARK;
	fault_arm();
	p = g->call(g->size, g->gfp);
	fault_disarm();
	CHECK(errno == (p ? MARK : ENOMEM));
	CHECK(p || fault_hits() > 0);
	/* A second attempt is made for who may sleep. */
	if (g->size > KMALLOC_CACHE_SIZE_MAX &&
	    gfpflags_allow_blocking(g->gfp))
		CHECK(p || fault_hits() > 1);
	return p;
}

static void get(const void *arg)
{
	const struct get *g = arg;
	bool zeroed = g->call == kzalloc || g->call == zeroed_array;
	unsigned char *p;

	if (g->before)
		leave_behind(g->before);
	p = get_armed(g);
	if (!p)
		p = g->call(g->size, g->gfp);
	CHECK(p);
	CHECK(ksize(p) >= g->size);
	CHECK(!zeroed || is_zero(p, 0, ksize(p)));
	fill(p, ksize(p));
	kfree(p);
}

static void get_unaligned(const void *arg)
{
	fault_granule = GRANULE;
	get(arg);
}

/* ---- krealloc() -------------------------------------------------------- */

struct resize {
	size_t	from;		/* 0: NULL */
	size_t	via;		/* resized to this first; 0: not */
	size_t	to;
	gfp_t	gfp;
	enum { ANYWHERE, IN_PLACE, ELSEWHERE, FAR } where;
};

static unsigned char *before_resize(const struct resize *r)
{
	unsigned char *p = NULL, *q;

	if (r->from)
		p = kmalloc(r->from, r->gfp);
	CHECK(p || !r->from);
	if (p)
		fill(p, r->from);
	if (r->via) {
		q = krealloc(p, r->via, r->gfp);
		CHECK(q);
		p = q;
	}
	return p;
}

/* What is to be seen at @p after a success, of @had bytes filled before. */
static void check_resized(const struct resize *r, const unsigned char *p,
			  size_t had)
{
	CHECK(ksize(p) >= r->to);
	CHECK(is_filled(p, had < r->to ? had : r->to));
	CHECK(!(r->gfp & __GFP_ZERO) || is_zero(p, had, r->to));
}

/* It failed: all is as it was. */
static unsigned char *again(const struct resize *r, unsigned char *p,
			    size_t had, size_t old)
{
	CHECK(r->to > old && fault_hits() > 0);
	CHECK(ksize(p) == old);
	CHECK(is_filled(p, had));
	CHECK(!(r->gfp & __GFP_ZERO) || is_zero(p, had, old));
	p = krealloc(p, r->to, r->gfp);
	CHECK(p);
	return p;
}

/* However it became shorter, or did not, what comes back is zero. */
static unsigned char *grow_back(const struct resize *r, unsigned char *p,
				size_t had)
{
	size_t kept = had < r->to ? had : r->to;
	size_t size = had > r->to ? had : r->to;

	p = krealloc(p, size, r->gfp);
	CHECK(p);
	CHECK(is_filled(p, kept));
	CHECK(!(r->gfp & __GFP_ZERO) || is_zero(p, kept, size));
	return p;
}

static void resize(const void *arg)
{
	const struct resize *r = arg;
	size_t had = r->via ? r->via : r->from, old;
	unsigned char *p, *q;
	uintptr_t place;

	fault_far = r->where == FAR;
	p = before_resize(r);
	fault_crowded = r->where == ELSEWHERE || r->where == FAR;
	place = (uintptr_t)p;
	old = ksize(p);
	errno = MARK;
	fault_arm();
	q = krealloc(p, r->to, r->gfp);
	fault_disarm();
	CHECK(errno == (q ? MARK : ENOMEM));
	if (q && !fault_hits() && r->where != ANYWHERE)
		CHECK((place == (uintptr_t)q) == (r->where == IN_PLACE));
	if (!q)
		q = again(r, p, had, old);
	check_resized(r, q, had);
	q = grow_back(r, q, had);
	kfree(q);
}

static void resize_unaligned(const void *arg)
{
	fault_granule = GRANULE;
	resize(arg);
}

/* Of no bytes: gives back, and cannot fail. */
static void resize_to_nothing(const void *arg)
{
	void *p = kmalloc(*(const size_t *)arg, GFP_KERNEL);

	CHECK(p);
	errno = MARK;
	fault_arm();
	p = krealloc(p, 0, GFP_KERNEL);
	fault_disarm();
	CHECK(p == ZERO_SIZE_PTR && errno == MARK);
}

/* ---- giving back ------------------------------------------------------- */

static void give_back(const void *arg)
{
	size_t size = *(const size_t *)arg;
	unsigned char *p[NR_RUNS];
	int i;

	for (i = 0; i < NR_RUNS; i++) {
		p[i] = kmalloc(size, GFP_KERNEL);
		CHECK(p[i]);
		fill(p[i], size);
	}
	errno = MARK;
	fault_arm();
	for (i = 0; i < NR_RUNS; i++)
		kfree(p[i]);
	fault_disarm();
	CHECK(errno == MARK);
	for (i = 0; i < NR_RUNS; i++) {
		p[i] = kzalloc(size, GFP_KERNEL);
		CHECK(p[i] && is_zero(p[i], 0, size));
	}
	for (i = 0; i < NR_RUNS; i++)
		kfree(p[i]);
}

static void ask_size(const void *arg)
{
	size_t size = *(const size_t *)arg;
	void *p = kmalloc(size, GFP_KERNEL);

	CHECK(p);
	errno = MARK;
	fault_arm();
	CHECK(ksize(p) >= size);
	CHECK(ksize(NULL) == 0 && ksize(ZERO_SIZE_PTR) == 0);
	fault_disarm();
	CHECK(errno == MARK);
	kfree(p);
}

/* ---- typed pools ------------------------------------------------------- */

struct thing {
	void	*link;
	char	text[GRANULE / 2];
};

#define NR_ASIDE	2

static mempool_t *make_typed(unsigned int flags)
{
	return mempool_new_typed("thing", sizeof(struct thing), 0, NR_ASIDE,
				 flags);
}

static int is_any(struct kmem_cache *found, void *arg)
{
	(void)found;
	(void)arg;
	return 1;
}

static bool is_nowhere(void)
{
	return !mempool_find("thing") && kmem_cache_for_each(is_any, NULL) == 0;
}

static void end_typed(mempool_t *pool)
{
	fault_prove_usable(pool);
	mempool_destroy(pool);
	CHECK(is_nowhere());
}

static void count_report(const char *text, void *nr)
{
	(void)text;
	++*(unsigned int *)nr;
}

static void new_typed(const void *arg)
{
	unsigned int flags = *(const unsigned int *)arg;
	unsigned int nr_reports = 0;
	mempool_t *pool;

	kmempool_set_report(count_report, &nr_reports);
	errno = MARK;
	fault_arm();
	pool = make_typed(flags);
	fault_disarm();
	CHECK(errno == (pool ? MARK : ENOMEM));
	CHECK(pool || fault_hits() > 0);
	if (!pool) {
		CHECK(is_nowhere());
		CHECK(nr_reports == 0);
		pool = make_typed(flags);
		CHECK(pool);
	}
	end_typed(pool);
	CHECK(nr_reports == (flags & MEMPOOL_NEW_REPORT));
}

static void end_typed_armed(const void *arg)
{
	mempool_t *pool = make_typed(0);

	(void)arg;
	CHECK(pool);
	errno = MARK;
	fault_arm();
	mempool_destroy(pool);
	fault_disarm();
	CHECK(errno == MARK);
	CHECK(is_nowhere());
}

/* The reserve is taken when the cache has nothing. */
static void get_typed(const void *arg)
{
	mempool_t *pool = make_typed(0);
	struct thing *things[2 * NR_ASIDE];
	int i, nr = 0;

	(void)arg;
	CHECK(pool);
	errno = MARK;
	fault_arm();
	for (i = 0; i < 2 * NR_ASIDE; i++) {
		things[nr] = mempool_get0(pool);
		CHECK(errno == (things[nr] ? MARK : EAGAIN));
		errno = MARK;
		CHECK(!things[nr] || is_zero((void *)things[nr], 0,
					     sizeof(struct thing)));
		nr += things[nr] != NULL;
	}
	fault_disarm();
	CHECK(nr >= NR_ASIDE);
	CHECK(nr == 2 * NR_ASIDE || fault_hits() > 0);
	while (nr > 0)
		mempool_put(things[--nr]);
	end_typed(pool);
}

static void put(const void *arg)
{
	mempool_t *pool = make_typed(0);
	struct thing *things[NR_RUNS];
	int i;

	(void)arg;
	CHECK(pool);
	for (i = 0; i < NR_RUNS; i++) {
		things[i] = mempool_get(pool);
		CHECK(things[i]);
		memset(things[i], i, sizeof(*things[i]));
	}
	errno = MARK;
	fault_arm();
	for (i = 0; i < NR_RUNS; i++)
		mempool_put(things[i]);
	fault_disarm();
	CHECK(errno == MARK);
	end_typed(pool);
}

/* ---- all of them ------------------------------------------------------- */

#define GET(...)	&(const struct get){ __VA_ARGS__ }
#define RESIZE(...)	&(const struct resize){ __VA_ARGS__ }
#define SIZE(size)	&(const size_t){ size }
#define FLAGS(flags)	&(const unsigned int){ flags }

#define EVERY_GET(symbol, fn)						\
	{ symbol, "first of its size", get,				\
	  GET(fn, SMALL, GFP_KERNEL, 0) },				\
	{ symbol, "no wait", get, GET(fn, SMALL, GFP_NOWAIT, 0) },	\
	{ symbol, "a run that was kept", get,				\
	  GET(fn, MIDDLE, GFP_NOWAIT, MIDDLE) },			\
	{ symbol, "another size's run", get,				\
	  GET(fn, MIDDLE, GFP_NOWAIT, GRANULE) },			\
	{ symbol, "large", get, GET(fn, LARGE, GFP_KERNEL, 0) },	\
	{ symbol, "large, no wait", get, GET(fn, LARGE, GFP_NOWAIT, 0) },\
	{ symbol, "unaligned", get_unaligned,				\
	  GET(fn, SMALL, GFP_NOWAIT, 0) },				\
	{ symbol, "large, unaligned", get_unaligned,			\
	  GET(fn, LARGE, GFP_KERNEL, 0) }

/* What is behind the contents may be anything, and may be zeroes. */
#define EVERY_RESIZE(what, run, from, via, to, where)			\
	{ "krealloc", what, run,					\
	  RESIZE(from, via, to, GFP_KERNEL, where) },			\
	{ "krealloc", what ", zeroed", run,				\
	  RESIZE(from, via, to, GFP_KERNEL | __GFP_ZERO, where) }

const struct scenario kmalloc_scenarios[] = {
	EVERY_GET("kmalloc", kmalloc),
	EVERY_GET("kzalloc", kzalloc),
	{ "kmalloc_array", "first of its size", get,
	  GET(array, SMALL, GFP_KERNEL, 0) },
	{ "kmalloc_array", "large", get, GET(array, LARGE, GFP_KERNEL, 0) },
	{ "kcalloc", "another size's run", get,
	  GET(zeroed_array, MIDDLE, GFP_NOWAIT, GRANULE) },
	{ "kcalloc", "large", get, GET(zeroed_array, LARGE, GFP_NOWAIT, 0) },

	EVERY_RESIZE("of NULL", resize, 0, 0, SMALL, ANYWHERE),
	EVERY_RESIZE("of NULL, large", resize, 0, 0, LARGE, ANYWHERE),
	EVERY_RESIZE("small, longer", resize, SMALL, 0, MIDDLE, ELSEWHERE),
	EVERY_RESIZE("small, shorter", resize, MIDDLE, 0, SMALL, ELSEWHERE),
	EVERY_RESIZE("small to large", resize, SMALL, 0, LARGE, ELSEWHERE),
	EVERY_RESIZE("large to small", resize, LARGE, 0, SMALL, ELSEWHERE),
	EVERY_RESIZE("large, longer in place", resize, 2 * LARGE, LARGE,
		     2 * LARGE, IN_PLACE),
	EVERY_RESIZE("large, shorter", resize, 2 * LARGE, 0, LARGE, IN_PLACE),
	EVERY_RESIZE("large, within a page", resize, LARGE - 5, 0, LARGE,
		     IN_PLACE),
	EVERY_RESIZE("large, moved", resize, LARGE, 0, 2 * LARGE, ELSEWHERE),
	EVERY_RESIZE("large, moved far", resize, LARGE, 0, 2 * LARGE, FAR),
	EVERY_RESIZE("large, moved, unaligned", resize_unaligned, LARGE, 0,
		     2 * LARGE, ELSEWHERE),
	EVERY_RESIZE("large, shorter, unaligned", resize_unaligned, 2 * LARGE,
		     0, LARGE, ANYWHERE),
	{ "krealloc", "small, to nothing", resize_to_nothing, SIZE(SMALL) },
	{ "krealloc", "large, to nothing", resize_to_nothing, SIZE(LARGE) },

	{ "kfree", "small", give_back, SIZE(SMALL) },
	{ "kfree", "with a run each", give_back, SIZE(MIDDLE) },
	{ "kfree", "large", give_back, SIZE(LARGE) },
	{ "ksize", "small", ask_size, SIZE(SMALL) },
	{ "ksize", "large", ask_size, SIZE(LARGE) },

	{ "new_typed", "a pool", new_typed, FLAGS(0) },
	{ "new_typed", "that reports", new_typed, FLAGS(MEMPOOL_NEW_REPORT) },
	{ "destroy", "a typed pool", end_typed_armed, NULL },
	{ "alloc", "of a typed pool", get_typed, NULL },
	{ "put", "more than are kept", put, NULL },
	{ NULL, NULL, NULL, NULL },
};
