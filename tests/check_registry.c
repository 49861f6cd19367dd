/* SPDX-License-Identifier: MIT */
/*
 * check_registry.c - finding and visiting pools, and the last words
 *
 * Covers mempool_find(), mempool_for_each() and kmempool_set_report().  That a
 * walk works in a signal handler is promised to nobody; it is tested since the
 * walk is without a lock for that.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include <check.h>

#include "suite.h"
#include "testlib.h"

static mempool_t *named_pool(const char *name)
{
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;
	mempool_t *pool;

	attr.name = name;
	pool = mempool_create_attr(1, mempool_kmalloc, mempool_kfree,
				   (void *)64, &attr);
	ck_assert_ptr_nonnull(pool);
	return pool;
}

/* ---- find ---------------------------------------------------------------- */

START_TEST(a_pool_is_found_by_its_name_while_it_lives)
{
	mempool_t *a = named_pool("a"), *b = named_pool("b");

	ck_assert_ptr_eq(mempool_find("a"), a);
	ck_assert_ptr_eq(mempool_find("b"), b);
	mempool_destroy(a);
	errno = 0;
	ck_assert_ptr_null(mempool_find("a"));
	ck_assert_int_eq(errno, ENOENT);
	mempool_destroy(b);
}
END_TEST

START_TEST(the_name_is_a_copy)
{
	char name[] = "mine";
	mempool_t *pool = named_pool(name);

	name[0] = 'x';
	ck_assert_ptr_eq(mempool_find("mine"), pool);
	mempool_destroy(pool);
}
END_TEST

START_TEST(two_pools_may_have_one_name)
{
	mempool_t *a = named_pool("twin"), *b = named_pool("twin");
	mempool_t *found = mempool_find("twin");

	ck_assert(found == a || found == b);
	mempool_destroy(found);
	ck_assert_ptr_eq(mempool_find("twin"), found == a ? b : a);
	mempool_destroy(found == a ? b : a);
}
END_TEST

START_TEST(a_place_that_a_pool_left_is_taken_by_one_other)
{
	mempool_t *a, *b;

	mempool_destroy(named_pool("left"));
	a = named_pool("a");
	b = named_pool("b");
	ck_assert_ptr_eq(mempool_find("a"), a);
	ck_assert_ptr_eq(mempool_find("b"), b);
	mempool_destroy(a);
	mempool_destroy(b);
}
END_TEST

START_TEST(find_passes_over_pools_without_a_name)
{
	mempool_t *a = named_pool("a"), *b = named_pool(NULL);

	ck_assert_ptr_eq(mempool_find("a"), a);
	ck_assert_ptr_null(mempool_find(""));
	mempool_destroy(a);
	mempool_destroy(b);
}
END_TEST

START_TEST(find_refuses_null)
{
	errno = 0;
	ck_assert_ptr_null(mempool_find(NULL));
	ck_assert_int_eq(errno, EINVAL);
}
END_TEST

START_TEST(find_leaves_errno_alone_when_it_finds)
{
	mempool_t *pool = named_pool("here");

	errno = 4242;
	ck_assert_ptr_eq(mempool_find("here"), pool);
	ck_assert_int_eq(errno, 4242);
	mempool_destroy(pool);
}
END_TEST

/* ---- for_each ------------------------------------------------------------ */

#define MANY	50

struct visits {
	int	nr;
	int	stop_at;
};

static int count_visit(mempool_t *pool, void *arg)
{
	struct visits *visits = arg;

	if (stats_of(pool).min_nr != 1)
		return -1;
	return ++visits->nr == visits->stop_at ? 77 : 0;
}

START_TEST(each_pool_is_visited_once)
{
	struct visits visits = { 0, 0 };
	mempool_t *pools[MANY];
	int i;

	for (i = 0; i < MANY; i++)
		pools[i] = named_pool(NULL);
	ck_assert_int_eq(mempool_for_each(count_visit, &visits), 0);
	ck_assert_int_eq(visits.nr, MANY);
	for (i = 0; i < MANY; i += 2)
		mempool_destroy(pools[i]);
	visits.nr = 0;
	ck_assert_int_eq(mempool_for_each(count_visit, &visits), 0);
	ck_assert_int_eq(visits.nr, MANY / 2);
	for (i = 1; i < MANY; i += 2)
		mempool_destroy(pools[i]);
}
END_TEST

START_TEST(a_visit_may_end_the_walk)
{
	struct visits visits = { 0, 2 };
	mempool_t *a = named_pool(NULL), *b = named_pool(NULL);
	mempool_t *c = named_pool(NULL);

	ck_assert_int_eq(mempool_for_each(count_visit, &visits), 77);
	ck_assert_int_eq(visits.nr, 2);
	mempool_destroy(a);
	mempool_destroy(b);
	mempool_destroy(c);
}
END_TEST

START_TEST(for_each_refuses_null)
{
	ck_assert_int_eq(mempool_for_each(NULL, NULL), -EINVAL);
}
END_TEST

START_TEST(pools_in_the_callers_storage_are_visited_too)
{
	struct visits visits = { 0, 0 };
	mempool_t pool;

	ck_assert_int_eq(mempool_init_kmalloc_pool(&pool, 1, 64), 0);
	ck_assert_int_eq(mempool_for_each(count_visit, &visits), 0);
	ck_assert_int_eq(visits.nr, 1);
	mempool_exit(&pool);
	ck_assert_int_eq(mempool_for_each(count_visit, &visits), 0);
	ck_assert_int_eq(visits.nr, 1);
}
END_TEST

struct destroyer {
	mempool_t	*pool;
	atomic_bool	started, done;
};

static void *destroy_it(void *arg)
{
	struct destroyer *d = arg;

	atomic_store(&d->started, true);
	mempool_destroy(d->pool);
	atomic_store(&d->done, true);
	return NULL;
}

struct long_visit {
	struct destroyer	*d;
	pthread_t		thread;
	bool			destroyed_meanwhile;
	void			*element;
};

static int visit_while_destroyed(mempool_t *pool, void *arg)
{
	struct long_visit *v = arg;

	pthread_create(&v->thread, NULL, destroy_it, v->d);
	wait_for_flag(&v->d->started);
	pause_ms(50);
	v->destroyed_meanwhile = atomic_load(&v->d->done);
	v->element = mempool_alloc(pool, GFP_KERNEL);
	mempool_free(v->element, pool);
	return 0;
}

START_TEST(destroy_waits_for_a_visit_to_end)
{
	struct destroyer d = { .pool = named_pool("visited") };
	struct long_visit v = { .d = &d };

	ck_assert_int_eq(mempool_for_each(visit_while_destroyed, &v), 0);
	pthread_join(v.thread, NULL);
	ck_assert(!v.destroyed_meanwhile);
	ck_assert_ptr_nonnull(v.element);
	ck_assert_ptr_null(mempool_find("visited"));
}
END_TEST

static int cancel_who_destroys(mempool_t *pool, void *arg)
{
	struct long_visit *v = arg;

	visit_while_destroyed(pool, arg);
	pthread_cancel(v->thread);
	pause_ms(10);
	return 0;
}

START_TEST(a_destroy_that_waits_for_a_visit_is_no_cancellation_point)
{
	struct destroyer d = { .pool = named_pool("visited") };
	struct long_visit v = { .d = &d };

	ck_assert_int_eq(mempool_for_each(cancel_who_destroys, &v), 0);
	pthread_join(v.thread, NULL);
	ck_assert(!v.destroyed_meanwhile);
	ck_assert(atomic_load(&d.done));
	ck_assert_ptr_null(mempool_find("visited"));
}
END_TEST

static atomic_bool stop;

static void *make_and_destroy(void *unused)
{
	mempool_t pool;

	(void)unused;
	while (!atomic_load(&stop))
		if (!mempool_init_kmalloc_pool(&pool, 1, 64))
			mempool_exit(&pool);
	return NULL;
}

static int end_thread(mempool_t *pool, void *arg)
{
	(void)pool;
	(void)arg;
	pthread_exit(NULL);
}

static void *walk_to_the_end(void *arg)
{
	mempool_for_each(end_thread, arg);
	return arg;
}

START_TEST(a_visit_that_ends_its_thread_lets_go_of_the_pool)
{
	mempool_t *pool = named_pool(NULL);
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, walk_to_the_end, NULL),
			 0);
	pthread_join(thread, NULL);
	/* Would wait for ever. */
	mempool_destroy(pool);
}
END_TEST

START_TEST(a_walk_is_not_disturbed_by_pools_that_come_and_go)
{
	mempool_t *stays = named_pool("stays");
	pthread_t threads[2];
	struct visits visits;
	int i, bad = 0, lost = 0;

	for (i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, make_and_destroy, NULL);
	for (i = 0; i < 2000; i++) {
		visits = (struct visits){ 0, 0 };
		bad += mempool_for_each(count_visit, &visits) != 0;
		lost += mempool_find("stays") != stays;
	}
	atomic_store(&stop, true);
	for (i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	ck_assert_int_eq(bad, 0);
	ck_assert_int_eq(lost, 0);
	mempool_destroy(stays);
}
END_TEST

/* ---- for_each in a signal handler ---------------------------------------- */

#define NR_WALKS	2000

static mempool_t *constant;		/* there all the time */
static atomic_int nr_walks, nr_brief, nr_incomplete, nr_not_once;

static int look_at(mempool_t *pool, void *nr_constant)
{
	if (!mempool_initialized(pool))
		atomic_fetch_add(&nr_incomplete, 1);
	if (pool == constant)
		++*(int *)nr_constant;
	else
		atomic_fetch_add(&nr_brief, 1);
	return 0;
}

static void walk_in_handler(int sig)
{
	int nr_constant = 0;

	(void)sig;
	if (mempool_for_each(look_at, &nr_constant) || nr_constant != 1)
		atomic_fetch_add(&nr_not_once, 1);
	atomic_fetch_add(&nr_walks, 1);
}

static void mask_alarm(int how)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	pthread_sigmask(how, &set, NULL);
}

/* It would wait for ever for a lock that the thread it interrupted holds. */
START_TEST(a_walk_in_a_signal_handler_waits_for_nobody)
{
	static const struct itimerval often = { { 0, 200 }, { 0, 200 } };
	static const struct itimerval never;
	struct sigaction action = { .sa_handler = walk_in_handler,
				    .sa_flags = SA_RESTART };
	pthread_t threads[2];
	int i;

	constant = named_pool(NULL);
	atomic_store(&stop, false);
	ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
	for (i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL,
						make_and_destroy, NULL), 0);
	mask_alarm(SIG_BLOCK);		/* it goes to the others */
	ck_assert_int_eq(setitimer(ITIMER_REAL, &often, NULL), 0);
	while (atomic_load(&nr_walks) < NR_WALKS)
		pause_ms(1);
	setitimer(ITIMER_REAL, &never, NULL);
	atomic_store(&stop, true);
	for (i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	mask_alarm(SIG_UNBLOCK);
	ck_assert_int_eq(atomic_load(&nr_not_once), 0);
	ck_assert_int_eq(atomic_load(&nr_incomplete), 0);
	/* Walks met pools on their way in and out. */
	ck_assert_int_gt(atomic_load(&nr_brief), 0);
	mempool_destroy(constant);
}
END_TEST

/* ---- reports ------------------------------------------------------------- */

static char report_arg[] = "arg";

/* Ends the process with the signal that says the text and arg were right, and
 * the pool could be looked at. */
static void last_words(const char *text, void *arg)
{
	mempool_t *pool = mempool_find("reported");

	if (strstr(text, "reported") && arg == report_arg && pool &&
	    stats_of(pool).waiters == 1)
		raise(SIGUSR1);
}

static void shrug(const char *text, void *arg)
{
	(void)text;
	(void)arg;
}

static void destroy_while_one_waits(void)
{
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;
	struct backend b;
	struct sleeper s;
	mempool_t *pool;

	backend_init(&b, 64);
	attr.name = "reported";
	pool = mempool_create_attr(0, backend_alloc, backend_free, &b, &attr);
	ck_assert_ptr_nonnull(pool);
	backend_give(&b, 0);
	sleeper_start(&s, pool, 0);
	ck_assert(wait_for_waiters(pool, 1));
	mempool_destroy(pool);
}

START_TEST(a_report_goes_where_it_was_told)
{
	kmempool_set_report(last_words, report_arg);
	destroy_while_one_waits();
}
END_TEST

START_TEST(a_report_that_cannot_be_written_does_not_save_the_program)
{
	close(STDERR_FILENO);
	destroy_while_one_waits();
}
END_TEST

START_TEST(a_report_function_that_returns_does_not_save_the_program)
{
	kmempool_set_report(shrug, NULL);
	destroy_while_one_waits();
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("registry");
	TCase *tc = tcase_create("find");

	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_test(tc, a_pool_is_found_by_its_name_while_it_lives);
	tcase_add_test(tc, the_name_is_a_copy);
	tcase_add_test(tc, two_pools_may_have_one_name);
	tcase_add_test(tc, a_place_that_a_pool_left_is_taken_by_one_other);
	tcase_add_test(tc, find_passes_over_pools_without_a_name);
	tcase_add_test(tc, find_refuses_null);
	tcase_add_test(tc, find_leaves_errno_alone_when_it_finds);
	suite_add_tcase(s, tc);

	tc = tcase_create("for_each");
	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_test(tc, each_pool_is_visited_once);
	tcase_add_test(tc, a_visit_may_end_the_walk);
	tcase_add_test(tc, for_each_refuses_null);
	tcase_add_test(tc, pools_in_the_callers_storage_are_visited_too);
	tcase_add_test(tc, a_visit_that_ends_its_thread_lets_go_of_the_pool);
	suite_add_tcase(s, tc);

	tc = tcase_create("visited and destroyed");
	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_set_tags(tc, "pins");	/* for do_drd in tools/qa.sh */
	tcase_add_test(tc, destroy_waits_for_a_visit_to_end);
	tcase_add_test(tc,
		a_destroy_that_waits_for_a_visit_is_no_cancellation_point);
	tcase_add_test(tc, a_walk_is_not_disturbed_by_pools_that_come_and_go);
	tcase_add_test(tc, a_walk_in_a_signal_handler_waits_for_nobody);
	suite_add_tcase(s, tc);

	tc = tcase_create("report");
	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_test_raise_signal(tc, a_report_goes_where_it_was_told,
				    SIGUSR1);
	tcase_add_test_raise_signal(tc,
		a_report_that_cannot_be_written_does_not_save_the_program,
		SIGABRT);
	tcase_add_test_raise_signal(tc,
		a_report_function_that_returns_does_not_save_the_program,
		SIGABRT);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
