/* SPDX-License-Identifier: MIT */
/*
 * check_order.c - requests are served in exactly the order they came in
 *
 * Every element carries a ticket, its place in the order in which the
 * elements are given back.  Each request is seen in the queue before the next
 * one begins.  So the order of arrival says which tickets a request must
 * hold in the end, and nothing is measured in a race: whoever overtakes holds
 * another's ticket.
 *
 * Covers single and bulk requests, with a deadline and without, over pools
 * that are fixed, whose backend fails, and that have max_nr; elements freed
 * in turn and at the same moment; newcomers, requests that leave, signals, a
 * process that is stopped.  KMEMPOOL_TEST_LONG=1 queues 256 requests, not 64.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <check.h>

#include "suite.h"
#include "testlib.h"

#define NR_MOST		256
#define LACK_MOST	3		/* elements of one request */
#define TOGETHER	4		/* elements freed at once */

/* In a pool with priority inheritance nobody overtakes at all. */
enum kind { FIXED, FAILING, CAPPED, NR_KINDS, STRICT = 4 };

struct element {
	unsigned int	ticket;
};

static struct backend b;
static mempool_t *pool;
static unsigned int nr_requests;
static unsigned int nr_elements;	/* what they want, all together */
static struct sleeper requests[NR_MOST];
static void *elements[NR_MOST * LACK_MOST];

static unsigned int lack_of(unsigned int request)
{
	return request % 5 < 2 ? 1 + request % LACK_MOST : 1;
}

/* Whether the request leaves before anything is freed. */
static bool leaves(unsigned int request)
{
	return request % 4 == 1;
}

/* A pool for as many elements as the requests want; all of them are out. */
static void make_pool(int flags)
{
	enum kind kind = (enum kind)(flags & ~STRICT);
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;
	unsigned int i;

	nr_requests = test_long() ? NR_MOST : NR_MOST / 4;
	nr_elements = 0;
	for (i = 0; i < nr_requests; i++)
		nr_elements += lack_of(i);
	attr.retry_ms = HOUR_MS;
	attr.flags = kind == FIXED ? MEMPOOL_FIXED : 0;
	if (flags & STRICT)
		attr.flags |= MEMPOOL_PRIO_INHERIT;
	attr.max_nr = kind == CAPPED ? nr_elements : 0;
	backend_init(&b, 64);
	pool = mempool_create_attr((int)nr_elements, backend_alloc,
				   backend_free, &b, &attr);
	ck_assert_ptr_nonnull(pool);
	backend_give(&b, 0);
	for (i = 0; i < nr_elements; i++) {
		elements[i] = mempool_alloc_preallocated(pool);
		ck_assert_ptr_nonnull(elements[i]);
		((struct element *)elements[i])->ticket = i;
	}
}

/* One after the other; each is in the queue before the next begins. */
static bool all_arrive(void)
{
	unsigned int i, count;

	for (i = 0; i < nr_requests; i++) {
		count = lack_of(i) > 1 || i % 5 == 0 ? lack_of(i) : 0;
		if (i % 2)
			sleeper_start(&requests[i], pool, count);
		else
			sleeper_start_until(&requests[i], pool, count,
					    GFP_NOIO, deadline_in_ms(HOUR_MS));
		if (!wait_for_waiters(pool, i + 1))
			return false;
	}
	return true;
}

/* How many requests are left when so many elements were given back. */
static unsigned int nr_left_after(unsigned int nr_freed, bool some_left)
{
	unsigned int i, nr_left = 0, lacked = 0;

	for (i = 0; i < nr_requests; i++) {
		if (some_left && leaves(i))
			continue;
		lacked += lack_of(i);
		nr_left += lacked > nr_freed;
	}
	return nr_left;
}

/*
 * Gives all back, @together at once, each from a thread of its own; the next
 * when those before have been taken: a request may find more than one element
 * in the reserve, and take the last.  False when one is not taken.
 */
static bool free_all(unsigned int together, bool some_left)
{
	struct freer freers[TOGETHER];
	unsigned int first, i, nr;

	for (first = 0; first < nr_elements; first += nr) {
		nr = nr_elements - first;
		if (nr > together)
			nr = together;
		for (i = 0; i < nr; i++)
			freer_start(&freers[i], pool, elements[first + i]);
		for (i = 0; i < nr; i++)
			freer_join(&freers[i]);
		if (!wait_for_waiters(pool, nr_left_after(first + nr,
							  some_left)))
			return false;
	}
	return true;
}

static int compare_tickets(const void *left, const void *right)
{
	const struct element *const *l = left, *const *r = right;

	return ((*l)->ticket > (*r)->ticket) - ((*l)->ticket < (*r)->ticket);
}

/* What the joined request holds: the tickets from @first on, but for the
 * order among @together of them. */
static bool has_its_tickets(struct sleeper *s, unsigned int nr,
			    unsigned int first, unsigned int together)
{
	struct element *e;
	unsigned int i;

	qsort(s->elems, nr, sizeof(s->elems[0]), compare_tickets);
	for (i = 0; i < nr; i++) {
		e = s->elems[i];
		if (e->ticket / together != (first + i) / together)
			return false;
	}
	return true;
}

/* How many requests do not hold what is theirs by the order of arrival. */
static unsigned int nr_out_of_order(unsigned int together, bool some_left)
{
	unsigned int i, first = 0, nr_wrong = 0;

	for (i = 0; i < nr_requests; i++) {
		if (some_left && leaves(i))
			continue;
		if (sleeper_join(&requests[i]) != 0 ||
		    !has_its_tickets(&requests[i], lack_of(i), first,
				     together))
			nr_wrong++;
		first += lack_of(i);
	}
	return nr_wrong;
}

static void end(bool some_left)
{
	unsigned int i;

	for (i = 0; i < nr_requests; i++)
		if (!some_left || !leaves(i))
			sleeper_free(&requests[i]);
	ck_assert_int_eq(stats_of(pool).outstanding, 0);
	ck_assert(pool_end(pool, &b));
}

/* ---- frees --------------------------------------------------------------- */

START_TEST(requests_are_served_in_the_order_they_came)
{
	make_pool(_i);
	ck_assert(all_arrive());
	ck_assert(free_all(1, false));
	ck_assert_uint_eq(nr_out_of_order(1, false), 0);
	end(false);
}
END_TEST

/* Strict: elsewhere a request that is told may find several elements, and which
 * it takes says nothing. */
START_TEST(frees_at_the_same_moment_keep_the_order)
{
	make_pool(_i | STRICT);
	ck_assert(all_arrive());
	ck_assert(free_all(TOGETHER, false));
	ck_assert_uint_eq(nr_out_of_order(TOGETHER, false), 0);
	end(false);
}
END_TEST

/* ---- others -------------------------------------------------------------- */

static atomic_bool stop;		/* what goes on beside */
static atomic_bool has_tried;
static unsigned long nr_taken;

/* The pool is empty when the last request is served: whatever a newcomer gets
 * was somebody's. */
static void *come_new(void *unused)
{
	unsigned long nr_tries = 0;
	void *element;

	(void)unused;
	while (!atomic_load(&stop)) {
		element = nr_tries++ % 2 ? mempool_alloc_preallocated(pool) :
					   mempool_alloc(pool, GFP_ATOMIC);
		if (element) {
			nr_taken++;
			mempool_free(element, pool);
		}
		atomic_store(&has_tried, true);
	}
	return NULL;
}

START_TEST(no_newcomer_overtakes_where_the_bound_is_zero)
{
	pthread_t newcomer;
	bool all_taken;

	make_pool(_i | STRICT);
	ck_assert(all_arrive());
	nr_taken = 0;
	atomic_store(&stop, false);
	atomic_store(&has_tried, false);
	pthread_create(&newcomer, NULL, come_new, NULL);
	ck_assert(wait_for_flag(&has_tried));
	all_taken = free_all(1, false);
	atomic_store(&stop, true);
	pthread_join(newcomer, NULL);
	ck_assert(all_taken);
	ck_assert_uint_eq(nr_taken, 0);
	ck_assert_uint_eq(nr_out_of_order(1, false), 0);
	end(false);
}
END_TEST

START_TEST(those_who_leave_take_only_their_own_place)
{
	unsigned int i, nr_left = 0;

	make_pool(_i);
	ck_assert(all_arrive());
	for (i = 0; i < nr_requests; i++)
		if (leaves(i))
			nr_left += sleeper_cancel(&requests[i]);
	ck_assert_uint_eq(nr_left, nr_requests / 4);
	ck_assert(free_all(1, true));
	ck_assert_uint_eq(nr_out_of_order(1, true), 0);
	end(true);
}
END_TEST

/* ---- the world outside --------------------------------------------------- */

static atomic_ulong nr_signals;

static void count_signal(int sig)
{
	(void)sig;
	atomic_fetch_add_explicit(&nr_signals, 1, memory_order_relaxed);
}

/* None is joined while this runs. */
static void *signal_requests(void *unused)
{
	uint64_t random = 1;

	(void)unused;
	while (!atomic_load(&stop))
		pthread_kill(requests[rnd_below(&random, nr_requests)].thread,
			     rnd(&random) % 2 ? SIGUSR1 : SIGUSR2);
	return NULL;
}

START_TEST(signals_do_not_change_the_order)
{
	pthread_t signaller;
	bool all_taken;

	make_pool(FIXED);
	catch_signals(count_signal);
	ck_assert(all_arrive());
	atomic_store(&stop, false);
	pthread_create(&signaller, NULL, signal_requests, NULL);
	while (atomic_load(&nr_signals) < 1000)
		pause_ms(1);
	all_taken = free_all(1, false);
	atomic_store(&stop, true);
	pthread_join(signaller, NULL);
	ck_assert(all_taken);
	ck_assert_uint_eq(nr_out_of_order(1, false), 0);
	end(false);
}
END_TEST

static int serve_in_order(void)
{
	make_pool(FIXED);
	if (!all_arrive())
		return 2;
	if (!free_all(1, false))
		return 3;
	return nr_out_of_order(1, false) != 0;
}

START_TEST(stopping_the_process_does_not_change_the_order)
{
	unsigned int nr_stops = 0;
	pid_t child;

	while (nr_stops <= 5) {
		child = fork();
		if (child == 0)
			_exit(serve_in_order());
		ck_assert(stop_and_go(child, &nr_stops));
	}
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("order");
	TCase *tc = tcase_create("order");

	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_loop_test(tc, requests_are_served_in_the_order_they_came,
			    0, NR_KINDS);
	tcase_add_loop_test(tc, frees_at_the_same_moment_keep_the_order,
			    0, NR_KINDS);
	tcase_add_loop_test(tc, no_newcomer_overtakes_where_the_bound_is_zero,
			    0, NR_KINDS);
	tcase_add_loop_test(tc, those_who_leave_take_only_their_own_place,
			    0, NR_KINDS);
	tcase_add_test(tc, signals_do_not_change_the_order);
	tcase_add_test(tc, stopping_the_process_does_not_change_the_order);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
