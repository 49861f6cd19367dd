/* SPDX-License-Identifier: MIT */
/*
 * world.c - the pool, the backend and the elements of a scenario
 */
#include "config.h"

#include "world.h"

#include <errno.h>
#include <string.h>

#include "core.h"

#define NR_ELEMENTS	16
#define NR_PLACES	5		/* most pools at once in a scenario */
#define NOBODY		(-1)
#define IN_BACKEND	(-2)

/* Not of one cache line each: nobody runs at the same time. */
static struct element {
	int	holder;			/* a fiber, or one of the above */
	long	content[3];
} elements[NR_ELEMENTS];

struct world world;

/* ---- the backend ------------------------------------------------------- */

static bool is_released(void *arg)
{
	return ((struct backend *)arg)->released;
}

static void hold_up(struct backend *b)
{
	b->hold--;
	b->nr_held++;
	explore_await("the backend lets go", is_released, b);
	b->nr_held--;
}

static void *get_element(struct backend *b)
{
	unsigned int i;

	if (b->fail) {
		b->fail--;
		return NULL;
	}
	if (!b->give)
		return NULL;
	b->give--;
	b->live++;
	for (i = 0; elements[i].holder != IN_BACKEND; i++)
		require(i + 1 < NR_ELEMENTS);
	elements[i].holder = NOBODY;
	return &elements[i];
}

static void point(const struct backend *b, const char *what)
{
	if (b->may_cancel)
		explore_cancel_point(what);
	else
		explore_point(what);
}

/*
 * Points on both sides of the decision: what happens between them and the
 * library's next step is where kicks get lost.
 */
void *backend_alloc(gfp_t gfp, void *pool_data)
{
	struct backend *b = pool_data;
	void *element;

	point(b, "enters alloc_fn");
	b->calls++;
	if (b->hold)
		hold_up(b);
	if (b->fork) {
		b->fork = false;
		if (explore_fork())
			b->give = 1;	/* another may have that of before */
	}
	if (b->below)
		return mempool_alloc(b->below, gfp);
	element = get_element(b);
	explore_point(element ? "leaves alloc_fn with an element"
			      : "leaves alloc_fn with nothing");
	return element;
}

/* The caller has looked at the gate, and has not told anybody yet. */
void backend_free(void *p, void *pool_data)
{
	struct backend *b = pool_data;
	struct element *element = p;

	explore_point("enters free_fn");
	if (b->below) {
		mempool_free(p, b->below);
		return;
	}
	if (element->holder != NOBODY)
		explore_fail("an element was freed that is %s",
			     element->holder == IN_BACKEND ? "free" : "held");
	element->holder = IN_BACKEND;
	b->live--;
	b->give++;
	point(b, "leaves free_fn");
}

/* ---- the pool ---------------------------------------------------------- */

static int found_one(mempool_t *pool, void *found)
{
	*(mempool_t **)found = pool;
	return 1;
}

void world_settle(void)
{
	mempool_t *pool;
	unsigned int i;

	for (i = 0; i < NR_PLACES; i++) {
		pool = mempool_create(0, backend_alloc, backend_free, NULL);
		require(pool);
	}
	while (mempool_for_each(found_one, &pool))
		mempool_destroy(pool);
}

void world_make_attr(int min_nr, unsigned int give_nr,
		     struct mempool_attr *attr)
{
	unsigned int i;

	memset(&world, 0, sizeof(world));
	for (i = 0; i < NR_ELEMENTS; i++)
		elements[i].holder = IN_BACKEND;
	if (!attr->retry_ms)
		attr->retry_ms = HOUR_MS;
	world.curr_nr = -1;
	world.max_nr = attr->max_nr;
	world.max_waiters = attr->max_waiters;
	world.backend.give = (unsigned int)min_nr + give_nr;
	world.pool = mempool_create_attr(min_nr, backend_alloc, backend_free,
					 &world.backend, attr);
	require(world.pool);
}

void world_make(int min_nr, unsigned int give_nr, unsigned int retry_ms)
{
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;

	attr.retry_ms = retry_ms;
	world_make_attr(min_nr, give_nr, &attr);
}

void world_make_fixed(int min_nr)
{
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;

	attr.flags = MEMPOOL_FIXED;
	world_make_attr(min_nr, 0, &attr);
}

void world_make_capped(int min_nr, unsigned int give_nr, unsigned int max_nr)
{
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;

	attr.max_nr = max_nr;
	world_make_attr(min_nr, give_nr, &attr);
}

void world_make_crowded(int min_nr, unsigned int max_waiters)
{
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;

	attr.flags = MEMPOOL_FIXED;
	attr.max_waiters = max_waiters;
	world_make_attr(min_nr, 0, &attr);
}

void world_in_order(void)
{
	world.pool->kmp_core->waitq.bound_ns = 0;
}

void pool_end(mempool_t *pool, struct backend *backend, int curr_nr)
{
	struct mempool_stats stats;

	require(!mempool_get_stats(pool, &stats, sizeof(stats)));
	require(stats.waiters == 0);
	require(pool->kmp_core->waitq.nr_inside == 0);
	require(stats.outstanding == 0);
	require(pool->kmp_core->nr_out == 0);
	require(backend->below || backend->live == stats.curr_nr);
	require(stats.curr_nr == (curr_nr < 0 ? stats.min_nr
					      : (uint64_t)curr_nr));
	mempool_destroy(pool);
	require(backend->live == 0);
}

void world_check(void)
{
	struct mempool_stats stats;

	require(!mempool_get_stats(world.pool, &stats, sizeof(stats)));
	require(!world.max_waiters || stats.waiters_max <= world.max_waiters);
	pool_end(world.pool, &world.backend, world.curr_nr);
}

/* ---- taking and giving ------------------------------------------------- */

static unsigned int nr_held(void)
{
	unsigned int i, nr = 0;

	for (i = 0; i < NR_ELEMENTS; i++)
		nr += elements[i].holder >= 0;
	return nr;
}

void *hold(void *p)
{
	struct element *element = p;

	if (!p)
		return NULL;
	if (element->holder != NOBODY)
		explore_fail("was given an element that is %s",
			     element->holder == IN_BACKEND ? "free" : "held");
	element->holder = explore_self();
	if (element->holder == NOBODY)
		element->holder = NR_FIBERS;
	if (world.max_nr && nr_held() > world.max_nr)
		explore_fail("more than max_nr elements are outside");
	return p;
}

void *let_go(void *p)
{
	struct element *element = p;

	if (p)
		element->holder = NOBODY;
	return p;
}

void *take(gfp_t gfp)
{
	return hold(mempool_alloc(world.pool, gfp));
}

static struct timespec *to_deadline(struct timespec *ts, uint64_t ms)
{
	ts->tv_sec = (time_t)(1 + ms / 1000);
	ts->tv_nsec = (long)(ms % 1000 * MSEC);
	return ms == NEVER_MS ? NULL : ts;
}

void *take_until(uint64_t ms)
{
	struct timespec ts;

	return hold(mempool_alloc_until(world.pool, GFP_KERNEL,
					to_deadline(&ts, ms)));
}

int take_bulk(void **elems, unsigned int count, uint64_t ms)
{
	struct timespec ts;
	unsigned int i;
	int err;

	err = mempool_alloc_bulk_until(world.pool, elems, count, GFP_KERNEL,
				       to_deadline(&ts, ms));
	for (i = 0; !err && i < count; i++)
		hold(elems[i]);
	return err;
}

void give(void *element)
{
	mempool_free(let_go(element), world.pool);
}

void give_bulk(void **elems, unsigned int count)
{
	unsigned int i, nr;

	for (i = 0; i < count; i++)
		let_go(elems[i]);
	nr = mempool_free_bulk(world.pool, elems, count);
	for (i = nr; i < count; i++)
		mempool_free(elems[i], world.pool);
}

void *take_for(int holder)
{
	struct element *element = mempool_alloc(world.pool, GFP_NOWAIT);

	require(element);
	element->holder = holder;
	return element;
}

void give_mine(void *p)
{
	require(((struct element *)p)->holder == explore_self());
	give(p);
}

/* ---- looking ----------------------------------------------------------- */

unsigned int nr_queued(void)
{
	return world.pool->kmp_core->waitq.nr;
}

static bool queued_or_served(void *nr)
{
	return world.pool->kmp_core->stats.waits >= *(unsigned int *)nr ||
	       world.nr_served;
}

void await_queued(unsigned int nr)
{
	explore_await("requests are queued", queued_or_served, &nr);
}

static bool is_held(void *unused)
{
	(void)unused;
	return world.backend.nr_held;
}

void await_held(void)
{
	explore_await("alloc_fn is held", is_held, NULL);
}

/* ---- fibers ------------------------------------------------------------ */

void takes_and_gives(void *unused)
{
	void *element = take(GFP_KERNEL);

	(void)unused;
	require(element);
	world.nr_served++;
	explore_point("has an element");
	give(element);
}

void takes_cancellably(void *unused)
{
	explore_allow_cancel();
	takes_and_gives(unused);
}

void takes_with_deadline(void *unused)
{
	void *element = take_until(10);

	(void)unused;
	if (element) {
		world.nr_served++;
	} else {
		require(errno == ETIMEDOUT);
		require(explore_now_ns() >= 1010 * MSEC);
		world.nr_refused++;
	}
	explore_point("is back");
	give(element);
}

void takes_until_shutdown(void *unused)
{
	void *element = take(GFP_KERNEL);

	(void)unused;
	require(element || errno == ECANCELED);
	explore_point("is back");
	give(element);
}

void gives(void *element)
{
	give_mine(element);
}
