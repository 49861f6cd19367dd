/* SPDX-License-Identifier: MIT */
/*
 * check_fork.c - what the child of a fork finds
 *
 * Covers a parent whose other threads wait, allocate, free, resize, visit and
 * create at the moment of the fork; a child may use every pool and cache at
 * once.  A child that hangs is killed by its alarm, and the test fails.
 * KMEMPOOL_TEST_LONG=1 forks 800 children of a busy parent instead of 200.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <check.h>

#include "suite.h"
#include "testlib.h"

#define ELEMENT_SIZE	64
#define CHILD_S		20

static struct backend b;
static mempool_t *pool;

static bool child_succeeded(pid_t child)
{
	int status = -1;

	return child > 0 && waitpid(child, &status, 0) == child &&
	       WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* ---- one thread waits ---------------------------------------------------- */

/* The child has the one element, and the request of a thread it has not. */
static int use_with_a_ghost(void *element)
{
	struct timespec past = deadline_past();
	void *again;

	if (stats_of(pool).waiters != 0)
		return 1;
	mempool_free(element, pool);
	if (stats_of(pool).curr_nr != 1)
		return 2;
	again = mempool_alloc_until(pool, GFP_KERNEL, &past);
	if (again != element)
		return 3;
	mempool_free(again, pool);
	mempool_destroy(pool);
	return 0;
}

START_TEST(requests_of_other_threads_are_gone_in_the_child)
{
	struct sleeper s;
	void *element;
	pid_t child;

	backend_init(&b, ELEMENT_SIZE);
	pool = pool_over(&b, 1, _i ? MEMPOOL_FIXED : 0);
	ck_assert_ptr_nonnull(pool);
	element = mempool_alloc_preallocated(pool);
	backend_give(&b, 0);
	sleeper_start(&s, pool, 0);
	ck_assert(wait_for_waiters(pool, 1));
	child = fork();
	if (child == 0) {
		alarm(CHILD_S);
		_exit(use_with_a_ghost(element));
	}
	ck_assert(child_succeeded(child));
	/* Nothing has changed for the parent. */
	ck_assert_uint_eq(stats_of(pool).waiters, 1);
	mempool_free(element, pool);
	ck_assert_int_eq(sleeper_join(&s), 0);
	sleeper_free(&s);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(elements_of_other_threads_stay_outstanding_in_the_child)
{
	struct sleeper s;
	pid_t child;

	backend_init(&b, ELEMENT_SIZE);
	pool = pool_over(&b, 1, 0);
	ck_assert_ptr_nonnull(pool);
	sleeper_start(&s, pool, 0);
	ck_assert_int_eq(sleeper_join(&s), 0);
	child = fork();
	if (child == 0)
		_exit(stats_of(pool).outstanding != 1);
	ck_assert(child_succeeded(child));
	sleeper_free(&s);
	ck_assert(pool_end(pool, &b));
}
END_TEST

/* ---- fork inside a callback ---------------------------------------------- */

static pid_t forked_child = -1;
static atomic_bool fork_now;

/* Forks in a retry; the child's own request is still waiting then. */
static void *fork_and_give(gfp_t gfp_mask, void *pool_data)
{
	(void)gfp_mask;
	(void)pool_data;
	/* Once: a retry that goes on and on would fork more and more. */
	if (!atomic_exchange(&fork_now, false))
		return NULL;
	forked_child = fork();
	if (forked_child == 0)
		alarm(CHILD_S);
	return malloc(ELEMENT_SIZE);
}

static void free_element(void *element, void *pool_data)
{
	(void)pool_data;
	free(element);
}

static void *wait_and_end_child(void *arg)
{
	void *element = mempool_alloc(arg, GFP_KERNEL);

	mempool_free(element, arg);
	if (forked_child == 0) {
		mempool_destroy(arg);
		_exit(element ? 0 : 1);
	}
	return element;
}

START_TEST(a_request_that_forks_in_its_retry_is_served_in_the_child)
{
	mempool_t *p = mempool_create(0, fork_and_give, free_element, NULL);
	pthread_t thread;
	void *element;

	ck_assert_ptr_nonnull(p);
	ck_assert_int_eq(pthread_create(&thread, NULL, wait_and_end_child, p),
			 0);
	ck_assert(wait_for_waiters(p, 1));
	fork_now = true;
	mempool_kick(p);
	pthread_join(thread, &element);
	ck_assert_ptr_nonnull(element);
	ck_assert(child_succeeded(forked_child));
	mempool_destroy(p);
}
END_TEST

/* Forks as the request leaves: it frees what had been collected for it. */
static void fork_and_free(void *element, void *pool_data)
{
	if (atomic_exchange(&fork_now, false)) {
		forked_child = fork();
		if (forked_child == 0)
			alarm(CHILD_S);
	}
	backend_free(element, pool_data);
}

static void *wait_for_two_and_end_child(void *arg)
{
	void *slots[2];
	int err = mempool_alloc_bulk(arg, slots, 2);

	if (forked_child == 0) {
		mempool_destroy(arg);
		_exit(err != -ECANCELED);
	}
	return NULL;
}

START_TEST(a_request_that_forks_as_it_leaves_has_left_in_the_child)
{
	pthread_t thread;
	void *elements[2];
	mempool_t *p;

	backend_init(&b, ELEMENT_SIZE);
	backend_give(&b, 2);
	p = mempool_create(2, backend_alloc, fork_and_free, &b);
	ck_assert_ptr_nonnull(p);
	elements[0] = mempool_alloc_preallocated(p);
	elements[1] = mempool_alloc_preallocated(p);
	ck_assert_int_eq(pthread_create(&thread, NULL,
					wait_for_two_and_end_child, p), 0);
	ck_assert(wait_for_waiters(p, 1));
	mempool_free(elements[0], p);
	ck_assert_int_eq(mempool_resize(p, 0), 0);
	fork_now = true;
	mempool_shutdown(p);
	pthread_join(thread, NULL);
	ck_assert(child_succeeded(forked_child));
	mempool_free(elements[1], p);
	mempool_destroy(p);
	ck_assert_uint_eq(backend_live(&b), 0);
}
END_TEST

/* ---- a visitor forks ------------------------------------------------------ */

static int fork_in_visit(mempool_t *p, void *arg)
{
	(void)p;
	*(pid_t *)arg = fork();
	return 1;
}

START_TEST(a_child_forked_in_a_visit_can_destroy_after_it)
{
	pid_t child;

	backend_init(&b, ELEMENT_SIZE);
	pool = pool_over(&b, 1, 0);
	ck_assert_ptr_nonnull(pool);
	ck_assert_int_eq(mempool_for_each(fork_in_visit, &child), 1);
	if (child == 0) {
		alarm(CHILD_S);
		mempool_destroy(pool);
		_exit(0);
	}
	ck_assert(child_succeeded(child));
	ck_assert(pool_end(pool, &b));
}
END_TEST

/* ---- everything at once --------------------------------------------------- */

#define NR_THREADS	6
/* For each kind of pool. */
#define NR_CHILDREN	(test_long() ? 200 : 50)
#define NR_AT_A_TIME	10

static atomic_bool stop;

static int look(mempool_t *p, void *arg)
{
	(void)arg;
	return stats_of(p).min_nr > 100;
}

static void *keep_busy(void *arg)
{
	static const struct timespec hold = { .tv_nsec = 100 * 1000 };
	int what = *(int *)arg;
	struct timespec deadline;
	mempool_t local;
	void *e;

	while (!atomic_load(&stop)) {
		switch (what) {
		case 0:
			if (!mempool_init_kmalloc_pool(&local, 1, 64))
				mempool_exit(&local);
			break;
		case 1:
			(void)mempool_resize(pool, 1);
			(void)mempool_resize(pool, 2);
			break;
		case 2:
			mempool_for_each(look, NULL);
			break;
		default:
			deadline = deadline_in_ms(1);
			e = mempool_alloc_until(pool, GFP_KERNEL, &deadline);
			/* So that somebody waits at any moment. */
			nanosleep(&hold, NULL);
			mempool_free(e, pool);
			break;
		}
	}
	return NULL;
}

/* Others may have held all elements, for ever now: waiting has an end. */
static int use_all(void)
{
	struct timespec deadline = deadline_in_ms(2);
	mempool_t *mine = mempool_create_kmalloc_pool(1, 64);
	void *e;

	if (!mine)
		return 1;
	mempool_free(mempool_alloc(mine, GFP_KERNEL), mine);
	if (stats_of(mine).outstanding != 0)
		return 2;
	mempool_destroy(mine);
	e = mempool_alloc_until(pool, GFP_KERNEL, &deadline);
	mempool_free(e, pool);
	if (mempool_for_each(look, NULL))
		return 3;
	mempool_destroy(pool);
	return 0;
}

static atomic_bool memory_is_short;

/* Then fails most of the time.  Knows no lock: forks would not respect it. */
static void *alloc_seldom(gfp_t gfp_mask, void *pool_data)
{
	static atomic_uint nr_calls;

	if (atomic_load(&memory_is_short) &&
	    atomic_fetch_add(&nr_calls, 1) % 8)
		return NULL;
	return mempool_kmalloc(gfp_mask, pool_data);
}

/* So many at a time, each forked at a moment of its own. */
static int fork_children(int nr)
{
	pid_t children[NR_AT_A_TIME];
	int i, failed = 0;

	for (i = 0; i < nr; i++) {
		children[i] = fork();
		if (children[i] == 0) {
			alarm(CHILD_S);
			_exit(use_all());
		}
	}
	for (i = 0; i < nr; i++)
		failed += !child_succeeded(children[i]);
	return failed;
}

static const struct {
	mempool_alloc_t	*alloc_fn;
	unsigned int	flags, max_nr, retry_ms;
} kinds[] = {
	{ mempool_kmalloc, MEMPOOL_FIXED, 0, 0 },
	{ mempool_kmalloc, MEMPOOL_FIXED | MEMPOOL_PRIO_INHERIT, 0, 0 },
	{ alloc_seldom, 0, 0, 1 },
	{ mempool_kmalloc, 0, 2, 0 },
};

/* Some have waited, and have been served by the backend if it is asked. */
static bool has_met_all(int kind)
{
	struct mempool_stats stats = stats_of(pool);

	return stats.waits > 0 && ((kinds[kind].flags & MEMPOOL_FIXED) ||
				   stats.alloc_backend > 0);
}

START_TEST(no_child_hangs_whatever_other_threads_were_doing)
{
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;
	int what[NR_THREADS], i, failed = 0;
	pthread_t threads[NR_THREADS];

	attr.flags = kinds[_i].flags;
	attr.max_nr = kinds[_i].max_nr;
	attr.retry_ms = kinds[_i].retry_ms;
	attr.element_size = ELEMENT_SIZE;
	pool = mempool_create_attr(2, kinds[_i].alloc_fn, mempool_kfree,
				   (void *)ELEMENT_SIZE, &attr);
	ck_assert_ptr_nonnull(pool);
	atomic_store(&memory_is_short, true);
	for (i = 0; i < NR_THREADS; i++) {
		what[i] = i;
		pthread_create(&threads[i], NULL, keep_busy, &what[i]);
	}
	for (i = 0; i < NR_CHILDREN || !has_met_all(_i); i += NR_AT_A_TIME)
		failed += fork_children(NR_AT_A_TIME);
	atomic_store(&stop, true);
	for (i = 0; i < NR_THREADS; i++)
		pthread_join(threads[i], NULL);
	ck_assert_int_eq(failed, 0);
	ck_assert_int_eq(stats_of(pool).outstanding, 0);
	mempool_destroy(pool);
}
END_TEST

/* ---- caches ---------------------------------------------------------------- */

#define NR_BUSY		5
#define MOST_HELD	40
#define CACHE_CHILDREN	(test_long() ? 800 : 200)

static struct kmem_cache *cache, *large;
static void *mine[2];			/* the main thread's, outside */

static int construct(void *object, void *ctor_arg, gfp_t gfp_mask)
{
	(void)ctor_arg;
	(void)gfp_mask;
	*(long *)object = 4242;
	return 0;
}

static void destruct(void *object, void *ctor_arg)
{
	(void)object;
	(void)ctor_arg;
}

static const struct kmem_cache_args constructed = {
	.ctor_try = construct, .dtor = destruct,
};

static int look_at_cache(struct kmem_cache *c, void *arg)
{
	(void)arg;
	return cache_stats_of(c).active > cache_stats_of(c).objects ||
	       kmem_cache_size(c) == 0;
}

static void take_and_give(struct kmem_cache *c)
{
	void *held[MOST_HELD];
	int i;

	for (i = 0; i < MOST_HELD; i++)
		held[i] = kmem_cache_alloc(c, GFP_KERNEL);
	for (i = 0; i < MOST_HELD; i++)
		kmem_cache_free(c, held[i]);
	if (kmem_cache_alloc_bulk(c, GFP_KERNEL, MOST_HELD, held))
		kmem_cache_free_bulk(c, MOST_HELD, held);
}

static void *keep_caches_busy(void *arg)
{
	int what = *(int *)arg;
	struct kmem_cache *own;

	while (!atomic_load(&stop)) {
		switch (what) {
		case 0:
			own = kmem_cache_create_args("own", 100, &constructed,
						     0);
			if (own)
				kmem_cache_free(own, kmem_cache_alloc(own, 0));
			(void)kmem_cache_destroy(own);
			break;
		case 1:
			kmem_cache_for_each(look_at_cache, NULL);
			kmem_cache_shrink(cache);
			break;
		default:
			take_and_give(what % 2 ? cache : large);
			break;
		}
	}
	return NULL;
}

/* What others were about to give back is out for ever; all else works. */
static int use_all_caches(void)
{
	struct kmem_cache *own = kmem_cache_create_args("child", 3000,
							&constructed, 0);
	long *object;

	if (!own)
		return 1;
	take_and_give(own);
	take_and_give(cache);
	take_and_give(large);
	object = kmem_cache_alloc(cache, GFP_KERNEL);
	if (!object || *object != 4242)
		return 2;
	kmem_cache_free(cache, object);
	kmem_cache_free(cache, mine[0]);
	kmem_cache_free(large, mine[1]);
	if (kmem_cache_for_each(look_at_cache, NULL))
		return 3;
	if (kmem_cache_shrink(cache) || kmem_cache_shrink(large))
		return 4;
	if (cache_stats_of(own).active || kmem_cache_destroy(own))
		return 5;
	kmem_cache_reset(cache);
	kmem_cache_reset(large);
	if (kmem_cache_destroy(cache) || kmem_cache_destroy(large))
		return 6;
	return 0;
}

static int fork_children_that_use_caches(void)
{
	pid_t children[NR_AT_A_TIME];
	int i, failed = 0;

	for (i = 0; i < NR_AT_A_TIME; i++) {
		children[i] = fork();
		if (children[i] == 0) {
			alarm(CHILD_S);
			_exit(use_all_caches());
		}
	}
	for (i = 0; i < NR_AT_A_TIME; i++)
		failed += !child_succeeded(children[i]);
	return failed;
}

START_TEST(no_child_hangs_whatever_other_threads_did_to_caches)
{
	int what[NR_BUSY], i, failed = 0;
	pthread_t threads[NR_BUSY];

	cache = kmem_cache_create_args("small", 64, &constructed, 0);
	large = kmem_cache_create("large", 40000, 0, 0, NULL);
	ck_assert(cache && large);
	mine[0] = kmem_cache_alloc(cache, GFP_KERNEL);
	mine[1] = kmem_cache_alloc(large, GFP_KERNEL);
	ck_assert(mine[0] && mine[1]);
	for (i = 0; i < NR_BUSY; i++) {
		what[i] = i;
		pthread_create(&threads[i], NULL, keep_caches_busy, &what[i]);
	}
	for (i = 0; i < CACHE_CHILDREN; i += NR_AT_A_TIME)
		failed += fork_children_that_use_caches();
	atomic_store(&stop, true);
	for (i = 0; i < NR_BUSY; i++)
		pthread_join(threads[i], NULL);
	ck_assert_int_eq(failed, 0);
	/* The parent's are as they were. */
	ck_assert_int_eq(*(long *)mine[0], 4242);
	kmem_cache_free(cache, mine[0]);
	kmem_cache_free(large, mine[1]);
	ck_assert_uint_eq(cache_stats_of(cache).active, 0);
	ck_assert_int_eq(kmem_cache_destroy(cache), 0);
	ck_assert_int_eq(kmem_cache_destroy(large), 0);
}
END_TEST

static int fork_in_cache_visit(struct kmem_cache *c, void *arg)
{
	(void)c;
	*(pid_t *)arg = fork();
	return 1;
}

START_TEST(a_child_forked_in_a_visit_can_destroy_the_cache_after_it)
{
	pid_t child;

	cache = kmem_cache_create("visited", 64, 0, 0, NULL);
	ck_assert_ptr_nonnull(cache);
	ck_assert_int_eq(kmem_cache_for_each(fork_in_cache_visit, &child), 1);
	if (child == 0) {
		alarm(CHILD_S);
		_exit(kmem_cache_destroy(cache) != 0);
	}
	ck_assert(child_succeeded(child));
	ck_assert_int_eq(kmem_cache_destroy(cache), 0);
}
END_TEST

static void use_pool(void)
{
	mempool_free(mempool_alloc_preallocated(pool), pool);
	mempool_free(mempool_alloc(pool, GFP_NOWAIT), pool);
}

START_TEST(fork_handlers_of_the_program_may_use_pools)
{
	pid_t child;

	/* Registered before the first pool is made. */
	ck_assert_int_eq(pthread_atfork(use_pool, use_pool, use_pool), 0);
	pool = mempool_create_kmalloc_pool(2, ELEMENT_SIZE);
	ck_assert_ptr_nonnull(pool);
	child = fork();
	if (child == 0)
		_exit(stats_of(pool).free_reserve != 2);
	ck_assert(child_succeeded(child));
	ck_assert_int_eq(stats_of(pool).free_reserve, 2);
	ck_assert_int_eq(stats_of(pool).outstanding, 0);
	mempool_destroy(pool);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("fork");
	TCase *tc = tcase_create("child");

	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_loop_test(tc,
		requests_of_other_threads_are_gone_in_the_child, 0, 2);
	tcase_add_test(tc,
		elements_of_other_threads_stay_outstanding_in_the_child);
	tcase_add_test(tc,
		a_request_that_forks_in_its_retry_is_served_in_the_child);
	tcase_add_test(tc,
		a_request_that_forks_as_it_leaves_has_left_in_the_child);
	tcase_add_test(tc, a_child_forked_in_a_visit_can_destroy_after_it);
	tcase_add_test(tc, fork_handlers_of_the_program_may_use_pools);
	tcase_add_loop_test(tc,
		no_child_hangs_whatever_other_threads_were_doing,
		0, sizeof(kinds) / sizeof(kinds[0]));
	tcase_add_test(tc,
		a_child_forked_in_a_visit_can_destroy_the_cache_after_it);
	tcase_add_test(tc,
		no_child_hangs_whatever_other_threads_did_to_caches);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
