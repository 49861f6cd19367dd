/* SPDX-License-Identifier: MIT */
/*
 * storm.c - every kind of wait, cancellation and resize at once
 *
 * Many threads want 4 elements.  Each takes them in a random way - for ever,
 * until a deadline, in bulk, without sleeping - and gives them back in
 * another; meanwhile a thread cancels others, which are replaced, and all of
 * them resize, kick and refill.  Retries come once an hour: a wake-up that is
 * lost stays lost, and the watchdog ends the run.
 *
 * Four modes, since what brings elements back differs, with 32 threads:
 *
 *   fixed     no backend; min_nr from 2 to 6 and back all the time
 *   flicker   a backend that is there now and then; ends by shutdown
 *   stock     min_nr 0, and a backend that holds 4 elements altogether: a
 *             freed element goes past the pool, and whoever is about to fall
 *             asleep must hear of it
 *   capped    as flicker, with max_nr 6, so that shares are waited for as well
 *
 * Three more have no backend either, and never more than 4 elements:
 *
 *   crowd     256 threads
 *   signals   handlers run in threads that wait, with SA_RESTART and without
 *   stopped   a process that is stopped and continued all the time
 *
 * What must hold: no element in two hands, none lost, no thread stuck, no
 * time-out before its time, no error that has no reason, and the statistics
 * agree with what the threads saw.  The run also asserts that
 * it met its races, or it would prove nothing.
 *
 * KMEMPOOL_TEST_SEED gives the threads' decisions, though not the schedule.
 * KMEMPOOL_TEST_LONG=1 makes ten million operations in the first mode.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "testlib.h"

#define NR_WORKERS_MOST	256
#define NR_ELEMENTS	4
#define MIN_NR_LEAST	2
#define MIN_NR_MOST	6
#define STUCK_S		20

enum mode { FIXED, FLICKER, STOCK, CAPPED, CROWD, SIGNALS, STOPPED };

static const struct {
	const char	*name;
	bool		fixed;			/* the pool has no backend */
	bool		resized;		/* and refilled */
	int		nr_workers;
	long		ops_short, ops_long;
} modes[] = {
	{ "fixed",	true,	true,	32,	400000,	10000000 },
	{ "flicker",	false,	true,	32,	150000,	2000000 },
	{ "stock",	false,	false,	32,	100000,	2000000 },
	{ "capped",	false,	true,	32,	150000,	2000000 },
	{ "crowd",	true,	false,	256,	30000,	600000 },
	{ "signals",	true,	false,	32,	50000,	300000 },
	{ "stopped",	true,	false,	32,	50000,	300000 },
};

static enum mode mode;
static int nr_workers;
static mempool_t *pool;
static atomic_long ops_left;		/* tickets; relaxed */
static atomic_long nr_in_hand;		/* relaxed */

/*
 * No synchronisation of the test's own orders two owners of one element: the
 * owner word is relaxed, so the pool must order the payload, or
 * ThreadSanitizer sees a race.
 */
struct element {
	atomic_int	owner;		/* 0: nobody, else a worker's id */
	long		payload;
};

/* ---- backends ------------------------------------------------------------ */

static atomic_long nr_live;		/* given and not taken back */
static atomic_bool backend_is_on;

static void *new_element(void)
{
	struct element *e = calloc(1, sizeof(*e));

	if (e)
		atomic_fetch_add_explicit(&nr_live, 1, memory_order_relaxed);
	return e;
}

static void *flicker_alloc(gfp_t gfp_mask, void *pool_data)
{
	(void)gfp_mask;
	(void)pool_data;
	if (!atomic_load_explicit(&backend_is_on, memory_order_relaxed))
		return NULL;
	return new_element();
}

static void flicker_free(void *element, void *pool_data)
{
	(void)pool_data;
	atomic_fetch_sub_explicit(&nr_live, 1, memory_order_relaxed);
	free(element);
}

/* A few elements in slots; an exchange takes one out or puts it in. */
static _Atomic(struct element *) stock[NR_ELEMENTS];

static void *stock_alloc(gfp_t gfp_mask, void *pool_data)
{
	struct element *e;
	int i;

	(void)gfp_mask;
	(void)pool_data;
	for (i = 0; i < NR_ELEMENTS; i++) {
		e = atomic_exchange(&stock[i], NULL);
		if (e) {
			atomic_fetch_add_explicit(&nr_live, 1,
						  memory_order_relaxed);
			return e;
		}
	}
	return NULL;
}

static void stock_free(void *element, void *pool_data)
{
	struct element *none;
	int i;

	(void)pool_data;
	atomic_fetch_sub_explicit(&nr_live, 1, memory_order_relaxed);
	for (i = 0;; i = (i + 1) % NR_ELEMENTS) {
		none = NULL;
		if (atomic_compare_exchange_strong(&stock[i], &none, element))
			return;
	}
}

/* ---- workers ------------------------------------------------------------- */

/* What a worker is inside of, for whoever cancels it. */
enum inside { NO_WAIT, SINGLE_WAIT, BULK_WAIT };

/* Written by the slot's thread, summed after it is joined. */
struct counts {
	unsigned long	singles, bulks;		/* requests that succeeded */
	unsigned long	elements;		/* in them */
	unsigned long	timeouts, bulk_timeouts;
	unsigned long	early;			/* before their deadline */
	unsigned long	cancelled, bulk_cancelled;
	unsigned long	shut_down;
	unsigned long	nowait_failures;
	unsigned long	too_large;		/* bulks above the limit */
	unsigned long	resizes, resizes_with_waiters;
	unsigned long	shared;			/* elements in two hands */
	unsigned long	above_cap;		/* more than max_nr in hand */
	unsigned long	unexpected;		/* other results */
	int		unexpected_errno;	/* the last of them */
};

struct worker {
	pthread_t	thread;
	int		id;			/* from 1 */
	uint64_t	random;
	enum inside	inside;
	uint64_t	deadline_ns;		/* the last it had */
	struct counts	counts;
	atomic_long	progress;		/* relaxed, for the watchdog */
	atomic_bool	finished;
};

static struct worker workers[NR_WORKERS_MOST];

static void take_in_hand(struct worker *w, void *element)
{
	struct element *e = element;

	if (atomic_exchange_explicit(&e->owner, w->id,
				     memory_order_relaxed) != 0)
		w->counts.shared++;
	if (atomic_fetch_add_explicit(&nr_in_hand, 1, memory_order_relaxed) >=
	    MIN_NR_MOST)
		w->counts.above_cap++;
	e->payload++;
	w->counts.elements++;
}

static void put_down(struct worker *w, void *element)
{
	struct element *e = element;

	e->payload++;
	atomic_fetch_sub_explicit(&nr_in_hand, 1, memory_order_relaxed);
	if (atomic_exchange_explicit(&e->owner, 0,
				     memory_order_relaxed) != w->id)
		w->counts.shared++;
}

/* Holds what it has for a moment, then gives it back one way or other. */
static void use(struct worker *w, void **elems, unsigned int nr)
{
	unsigned int i, taken = 0;

	for (i = 0; i < nr; i++)
		take_in_hand(w, elems[i]);
	if (rnd_below(&w->random, 2) == 0)
		sched_yield();		/* not a cancellation point */
	for (i = 0; i < nr; i++)
		put_down(w, elems[i]);
	if (rnd_below(&w->random, 4) == 0)
		taken = mempool_free_bulk(pool, elems, nr);
	for (i = taken; i < nr; i++)
		mempool_free(elems[i], pool);
}

/* Counts how a request that failed with @err ended. */
static void note_failure(struct worker *w, int err, bool bulk)
{
	switch (err) {
	case EAGAIN:
		w->counts.nowait_failures++;
		break;
	case ETIMEDOUT:
		w->counts.timeouts++;
		w->counts.bulk_timeouts += bulk;
		w->counts.early += now_ns() < w->deadline_ns;
		break;
	case ECANCELED:
		w->counts.shut_down++;
		break;
	case EINVAL:
		/* min_nr may have shrunk since the count was chosen. */
		if (bulk) {
			w->counts.too_large++;
			break;
		}
		/* fall through */
	default:
		w->counts.unexpected++;
		w->counts.unexpected_errno = err;
		break;
	}
}

static struct timespec soon(struct worker *w)
{
	uint64_t at = now_ns() + rnd_below(&w->random, 200000);

	w->deadline_ns = at;
	return (struct timespec) {
		.tv_sec = (time_t)(at / 1000000000),
		.tv_nsec = (long)(at % 1000000000),
	};
}

static void do_single(struct worker *w, gfp_t gfp_mask, bool until)
{
	struct timespec deadline = soon(w);
	void *element;

	w->inside = SINGLE_WAIT;
	element = until ? mempool_alloc_until(pool, gfp_mask, &deadline) :
			  mempool_alloc(pool, gfp_mask);
	w->inside = NO_WAIT;
	if (!element) {
		note_failure(w, errno, false);
		return;
	}
	w->counts.singles++;
	use(w, &element, 1);
}

static void do_bulk(struct worker *w, gfp_t gfp_mask, bool until)
{
	unsigned int count = 1 + rnd_below(&w->random, MIN_NR_MOST);
	struct timespec deadline = soon(w);
	void *elems[MIN_NR_MOST];
	int err;

	if (mode == STOCK) {
		do_single(w, gfp_mask, until);
		return;
	}
	w->inside = BULK_WAIT;
	err = mempool_alloc_bulk_until(pool, elems, count, gfp_mask,
				       until ? &deadline : NULL);
	w->inside = NO_WAIT;
	if (err) {
		note_failure(w, -err, true);
		return;
	}
	w->counts.bulks++;
	use(w, elems, count);
}

static void do_preallocated(struct worker *w)
{
	void *element = mempool_alloc_preallocated(pool);

	if (!element) {
		note_failure(w, errno, false);
		return;
	}
	w->counts.singles++;
	use(w, &element, 1);
}

/* One failing with ENOMEM is legal, and as good as EAGAIN. */
static void do_noreserve(struct worker *w)
{
	void *element = mempool_alloc_noreserve(pool, GFP_NOIO);

	if (!element) {
		if (errno != ENOMEM)
			note_failure(w, errno, false);
		return;
	}
	w->counts.singles++;
	use(w, &element, 1);
}

static void do_resize(struct worker *w)
{
	int min_nr = MIN_NR_LEAST;

	if (!modes[mode].resized)
		return;
	min_nr += (int)rnd_below(&w->random, MIN_NR_MOST - MIN_NR_LEAST + 1);
	w->counts.resizes_with_waiters += stats_of(pool).waiters > 0;
	w->counts.resizes++;
	if (mempool_resize(pool, min_nr) != 0)
		w->counts.unexpected++;
}

static void do_backend(struct worker *w)
{
	if (mode != FLICKER && mode != CAPPED)
		return;
	atomic_store_explicit(&backend_is_on, rnd_below(&w->random, 4) == 0,
			      memory_order_relaxed);
	if (rnd_below(&w->random, 2))
		mempool_kick(pool);
}

static void do_one(struct worker *w)
{
	switch (rnd_below(&w->random, 40)) {
	case 0: case 1: case 2: case 3: case 4: case 5: case 6: case 7:
		do_single(w, GFP_KERNEL, false);
		break;
	case 8: case 9: case 10: case 11: case 12: case 13: case 14: case 15:
		do_single(w, GFP_NOIO, true);
		break;
	case 16: case 17: case 18: case 19: case 20: case 21:
		do_bulk(w, GFP_KERNEL, false);
		break;
	case 22: case 23: case 24: case 25: case 26: case 27:
		do_bulk(w, GFP_NOFS, true);
		break;
	case 28: case 29:
		do_bulk(w, GFP_NOWAIT, false);
		break;
	case 30: case 31: case 32:
		do_single(w, GFP_ATOMIC, false);
		break;
	case 33: case 34:
		do_preallocated(w);
		break;
	case 35:
		do_noreserve(w);
		break;
	case 36:
		do_resize(w);
		break;
	case 37:
		mempool_kick(pool);
		break;
	case 38:
		/* -ENOMEM is legal. */
		if (modes[mode].resized)
			(void)!mempool_refill(pool);
		break;
	default:
		do_backend(w);
		break;
	}
}

static void note_cancelled(void *arg)
{
	struct worker *w = arg;

	w->counts.cancelled++;
	if (w->inside == BULK_WAIT)
		w->counts.bulk_cancelled++;
	else if (w->inside == NO_WAIT)
		w->counts.unexpected++;	/* holding elements, perhaps */
	w->inside = NO_WAIT;
}

static void work(struct worker *w)
{
	while (atomic_fetch_sub_explicit(&ops_left, 1,
					 memory_order_relaxed) > 0) {
		do_one(w);
		atomic_fetch_add_explicit(&w->progress, 1,
					  memory_order_relaxed);
	}
	atomic_store(&w->finished, true);
}

/* Whose thread this is, for the signal handler. */
static __thread struct worker *self;
static atomic_long nr_signals_inside;	/* that found a thread in a request */

static void note_signal(int sig)
{
	(void)sig;
	if (self && self->inside != NO_WAIT)
		atomic_fetch_add_explicit(&nr_signals_inside, 1,
					  memory_order_relaxed);
}

static void *worker_main(void *arg)
{
	self = arg;
	pthread_cleanup_push(cancel_cleanup, NULL);
	pthread_cleanup_push(note_cancelled, arg);
	work(arg);
	pthread_cleanup_pop(0);
	pthread_cleanup_pop(0);
	return NULL;
}

static void start_worker(struct worker *w)
{
	if (pthread_create(&w->thread, NULL, worker_main, w) != 0) {
		perror("storm: pthread_create");
		_exit(EXIT_FAILURE);
	}
}

/* ---- the canceller ------------------------------------------------------- */

#define NR_SIGNALS	64		/* between two cancellations */

/* Only the canceller may: no thread is joined meanwhile. */
static void signal_workers(uint64_t *random)
{
	int i;

	for (i = 0; i < NR_SIGNALS; i++)
		pthread_kill(workers[rnd_below(random, (uint32_t)nr_workers)].thread,
			     i % 2 ? SIGUSR1 : SIGUSR2);
}

/* Cancels one worker after the other, and replaces it, until all is done. */
static void *cancel_workers(void *arg)
{
	uint64_t random = *(uint64_t *)arg;
	struct worker *w;
	void *result;

	while (atomic_load_explicit(&ops_left, memory_order_relaxed) > 0) {
		if (mode == SIGNALS)
			signal_workers(&random);
		w = &workers[rnd_below(&random, (uint32_t)nr_workers)];
		if (atomic_load(&w->finished))
			continue;
		pthread_cancel(w->thread);
		pthread_join(w->thread, &result);
		start_worker(w);
		if (rnd_below(&random, 8) == 0)
			pause_ms(1);
	}
	return NULL;
}

/* ---- the watchdog -------------------------------------------------------- */

static atomic_bool all_done;

static void print_state(const char *why)
{
	struct mempool_stats s = stats_of(pool);

	printf("storm: %s, mode %s\n"
	       "min %" PRIu64 " curr %" PRIu64 " outstanding %" PRId64
	       " waiters %" PRIu64 " oldest %" PRIu64 " ms\n"
	       "live %ld, backend %s, operations left %ld\n",
	       why, modes[mode].name, s.min_nr, s.curr_nr, s.outstanding,
	       s.waiters, s.wait_oldest_ns / 1000000,
	       atomic_load(&nr_live), atomic_load(&backend_is_on) ? "on" :
	       "off", atomic_load(&ops_left));
	fflush(stdout);
}

static long sum_progress(void)
{
	long sum = 0;
	int i;

	for (i = 0; i < nr_workers; i++)
		sum += atomic_load_explicit(&workers[i].progress,
					    memory_order_relaxed) +
		       atomic_load(&workers[i].finished);
	return sum;
}

static void *watch(void *unused)
{
	uint64_t since = now_ns();
	long seen = -1, now;

	(void)unused;
	while (!atomic_load(&all_done)) {
		now = sum_progress();
		if (now != seen) {
			seen = now;
			since = now_ns();
		} else if (now_ns() - since > STUCK_S * UINT64_C(1000000000)) {
			print_state("stuck");
			_exit(EXIT_FAILURE);
		}
		pause_ms(10);
	}
	return NULL;
}

/* ---- one mode ------------------------------------------------------------ */

static int nr_failed_checks;

#define CHECK(condition) do { \
	if (!(condition)) { \
		printf("storm: mode %s: failed: %s\n", modes[mode].name, \
		       #condition); \
		nr_failed_checks++; \
	} \
} while (0)

static struct counts sum_counts(void)
{
	struct counts sum;
	int i;

	memset(&sum, 0, sizeof(sum));
	for (i = 0; i < nr_workers; i++) {
		const struct counts *c = &workers[i].counts;

		sum.singles += c->singles;
		sum.bulks += c->bulks;
		sum.elements += c->elements;
		sum.timeouts += c->timeouts;
		sum.bulk_timeouts += c->bulk_timeouts;
		sum.early += c->early;
		sum.cancelled += c->cancelled;
		sum.bulk_cancelled += c->bulk_cancelled;
		sum.shut_down += c->shut_down;
		sum.nowait_failures += c->nowait_failures;
		sum.too_large += c->too_large;
		sum.resizes += c->resizes;
		sum.resizes_with_waiters += c->resizes_with_waiters;
		sum.shared += c->shared;
		sum.above_cap += c->above_cap;
		sum.unexpected += c->unexpected;
		if (c->unexpected)
			sum.unexpected_errno = c->unexpected_errno;
	}
	return sum;
}

static void make_pool(void)
{
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;
	int i;

	attr.element_size = sizeof(struct element);
	attr.retry_ms = HOUR_MS;
	attr.flags = modes[mode].fixed ? MEMPOOL_FIXED : 0;
	attr.max_nr = mode == CAPPED ? MIN_NR_MOST : 0;
	atomic_store(&nr_live, 0);
	atomic_store(&backend_is_on, true);
	if (mode == STOCK) {
		for (i = 0; i < NR_ELEMENTS; i++)
			atomic_store(&stock[i],
				     calloc(1, sizeof(struct element)));
		pool = mempool_create_attr(0, stock_alloc, stock_free, NULL,
					   &attr);
	} else {
		pool = mempool_create_attr(NR_ELEMENTS, flicker_alloc,
					   flicker_free, NULL, &attr);
	}
	if (!pool) {
		perror("storm: mempool_create_attr");
		_exit(EXIT_FAILURE);
	}
	/* Of a fixed pool it serves the resizes, and nobody else. */
	atomic_store(&backend_is_on, mode != FLICKER);
}

static void run_threads(uint64_t *random, long ops)
{
	pthread_t canceller, watchdog;
	uint64_t canceller_random = (uint64_t)rnd(random) + 1;
	int i;

	memset(workers, 0, sizeof(workers));
	atomic_store(&all_done, false);
	for (i = 0; i < nr_workers; i++) {
		workers[i].id = i + 1;
		workers[i].random = (uint64_t)rnd(random) + 1;
		start_worker(&workers[i]);
	}
	pthread_create(&watchdog, NULL, watch, NULL);
	pthread_create(&canceller, NULL, cancel_workers, &canceller_random);
	if (mode == FLICKER) {
		while (atomic_load_explicit(&ops_left, memory_order_relaxed) >
		       ops / 4)
			pause_ms(1);
		mempool_shutdown(pool);
	}
	pthread_join(canceller, NULL);
	for (i = 0; i < nr_workers; i++)
		pthread_join(workers[i].thread, NULL);
	atomic_store(&all_done, true);
	pthread_join(watchdog, NULL);
}

static void check_nothing_lost(const struct counts *c)
{
	struct timespec deadline = deadline_in_ms(1000 * STUCK_S);
	struct mempool_stats s;
	int i, in_stock = 0;

	CHECK(mempool_drain_until(pool, &deadline) == 0);
	s = stats_of(pool);
	CHECK(c->shared == 0);
	CHECK(mode != CAPPED || c->above_cap == 0);
	CHECK(c->unexpected == 0);
	CHECK(c->early == 0);
	CHECK(s.outstanding == 0);
	CHECK(s.waiters == 0);
	CHECK(s.curr_nr <= s.min_nr);
	CHECK(atomic_load(&nr_live) == (long)s.curr_nr);
	if (modes[mode].fixed)
		CHECK(s.curr_nr == s.min_nr);
	if (mode == STOCK) {
		for (i = 0; i < NR_ELEMENTS; i++) {
			in_stock += atomic_load(&stock[i]) != NULL;
			free(atomic_exchange(&stock[i], NULL));
		}
		CHECK(in_stock == NR_ELEMENTS);
	}
	/* What a cancelled request was granted, or a failed bulk had from
	 * the backend, counts as taken and given back. */
	CHECK(s.alloc_backend + s.alloc_reserve + s.alloc_handoff >=
	      c->elements);
	CHECK(s.timeouts == c->timeouts);
	/* Who finds the pool shut down need not have waited. */
	CHECK(s.cancellations >= c->cancelled);
	CHECK(s.cancellations <= c->cancelled + c->shut_down);
}

static void check_races_met(const struct counts *c)
{
	struct mempool_stats s = stats_of(pool);

	CHECK(s.alloc_handoff > 0);
	CHECK(s.waiters_max > (uint64_t)nr_workers / 4);
	CHECK(c->timeouts > 0);
	CHECK(c->cancelled > 0);
	CHECK(c->nowait_failures > 0);
	CHECK(c->singles > 0);
	if (mode == STOCK)
		return;
	CHECK(c->bulks > 0);
	CHECK(c->bulk_timeouts > 0);
	CHECK(c->bulk_cancelled > 0);
	CHECK(c->too_large > 0);
	CHECK(!modes[mode].resized || c->resizes > 0);
	CHECK(!modes[mode].resized || c->resizes_with_waiters > 0);
	if (mode == FLICKER) {
		CHECK(s.alloc_backend > 0);
		CHECK(c->shut_down > 0);
	}
	CHECK(mode != SIGNALS || atomic_load(&nr_signals_inside) > 1000);
}

static void run(enum mode this_mode, uint64_t *random)
{
	long ops = test_long() ? modes[this_mode].ops_long
			       : modes[this_mode].ops_short;
	uint64_t start = now_ns();
	struct counts c;
	struct mempool_stats s;

	mode = this_mode;
	nr_workers = modes[mode].nr_workers;
	atomic_store(&ops_left, ops);
	make_pool();
	run_threads(random, ops);
	c = sum_counts();
	check_nothing_lost(&c);
	check_races_met(&c);
	s = stats_of(pool);
	printf("storm: %-7s %ld operations in %" PRIu64 " ms: %lu elements "
	       "taken, %" PRIu64 " after a wait, %lu time-outs (%lu bulk), "
	       "%lu cancelled (%lu bulk), %lu shut down, %lu refused at once, "
	       "%lu bulks above the limit, %lu resizes (%lu with waiters)\n",
	       modes[mode].name, ops, (now_ns() - start) / 1000000,
	       c.elements, s.alloc_handoff, c.timeouts, c.bulk_timeouts,
	       c.cancelled, c.bulk_cancelled, c.shut_down, c.nowait_failures,
	       c.too_large, c.resizes, c.resizes_with_waiters);
	if (mode == SIGNALS)
		printf("storm: %ld signals came inside a request\n",
		       atomic_load(&nr_signals_inside));
	if (c.unexpected)
		printf("storm: an unexpected errno: %d\n",
		       c.unexpected_errno);
	fflush(stdout);
	mempool_destroy(pool);
	CHECK(atomic_load(&nr_live) == 0);
}

/* In a process of its own; nobody has threads at this moment. */
static void run_stopped(uint64_t *random)
{
	unsigned int nr_stops = 0;
	pid_t child;

	mode = STOPPED;
	child = fork();
	if (child == 0) {
		nr_failed_checks = 0;
		run(STOPPED, random);
		exit(nr_failed_checks == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
	}
	CHECK(stop_and_go(child, &nr_stops));
	CHECK(nr_stops > 10);
	printf("storm: stopped and continued %u times\n", nr_stops);
}

int main(void)
{
	uint64_t random = test_seed("storm");

	catch_signals(note_signal);
	run(FIXED, &random);
	run(FLICKER, &random);
	run(STOCK, &random);
	run(CAPPED, &random);
	run(CROWD, &random);
	run(SIGNALS, &random);
	run_stopped(&random);
	return nr_failed_checks == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
