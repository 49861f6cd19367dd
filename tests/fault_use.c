/* SPDX-License-Identifier: MIT */
/*
 * fault_use.c - failures while a pool is used
 *
 * What fails inside alloc, free and their sisters is the backend, or what a
 * thread needs to count.  The first is what a pool is for, the second must not
 * be seen at all.  So each call is made where it is the very first of the
 * process, the first of a thread, and the first of a forked child.
 */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fault.h"
#include "testlib.h"

#define MIN_NR	2
#define MAX_NR	(2 * MIN_NR)		/* of pools that have one */
#define SIZE	64
#define MARK	4242			/* errno before a call */

static struct backend backend;
static mempool_t *pool;
static bool has_cap;
static void *taken[MIN_NR];		/* out of the reserve by take_all() */
static unsigned int nr_taken;
static struct sleeper sleeper;		/* when asleep is set */
static bool asleep;

/* What the call under test did. */
static void *elems[MIN_NR];
static long result;
static int result_errno;

/* ---- pools ------------------------------------------------------------- */

static void make_pool(unsigned int flags, unsigned int max_nr)
{
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;

	attr.name = "used";
	attr.element_size = SIZE;
	attr.flags = flags;
	attr.max_nr = max_nr;
	attr.retry_ms = HOUR_MS;
	pool = mempool_create_attr(MIN_NR, fault_give, backend_free, &backend,
				   &attr);
	CHECK(pool);
}

static void plain(void)
{
	make_pool(0, 0);
}

static void fixed(void)
{
	make_pool(MEMPOOL_FIXED, 0);
}

static void capped(void)
{
	make_pool(0, MAX_NR);
	has_cap = true;
}

static void kmalloc_pool(void)
{
	pool = mempool_create_kmalloc_pool(MIN_NR, SIZE);
	CHECK(pool);
}

static void page_pool(void)
{
	pool = mempool_create_page_pool(MIN_NR, 0);
	CHECK(pool);
}

/* Without a count that a thread keeps by itself. */
static void take_all(void)
{
	while (nr_taken < MIN_NR) {
		taken[nr_taken] = mempool_alloc_preallocated(pool);
		CHECK(taken[nr_taken]);
		nr_taken++;
	}
}

static void empty(void)
{
	plain();
	take_all();
}

static void empty_capped(void)
{
	capped();
	take_all();
}

static void with_sleeper(unsigned int count)
{
	empty();
	backend_give(&backend, 0);
	sleeper_start(&sleeper, pool, count);
	CHECK(wait_for_waiters(pool, 1));
	backend_give(&backend, GIVE_ALWAYS);
	asleep = true;
}

static void single_sleeper(void)
{
	with_sleeper(0);
}

static void bulk_sleeper(void)
{
	with_sleeper(MIN_NR);
}

/* ---- what every check ends with ---------------------------------------- */

/* kmalloc() fails in none of these: its slab has room, from the reserve on. */
static unsigned int backend_hits(void)
{
	return fault_hits_of("alloc_fn") + fault_hits_of("mempool_alloc_pages");
}

static void free_all_taken(void)
{
	while (nr_taken > 0)
		mempool_free(taken[--nr_taken], pool);
}

/* As many as max_nr may be out, and no more. */
static void every_share_is_there(void)
{
	void *shares[MAX_NR];
	unsigned int i;

	for (i = 0; i < MAX_NR; i++) {
		shares[i] = mempool_alloc(pool, GFP_NOWAIT);
		CHECK(shares[i]);
	}
	CHECK(!mempool_alloc(pool, GFP_NOWAIT));
	for (i = 0; i < MAX_NR; i++)
		mempool_free(shares[i], pool);
}

static void usable(void)
{
	free_all_taken();
	if (asleep) {
		CHECK(sleeper_join(&sleeper) == 0);
		sleeper_free(&sleeper);
	}
	if (has_cap)
		every_share_is_there();
	fault_prove_usable(pool);
}

/* elems[0], or NULL and @err. */
static void got_or(bool got, int err)
{
	if (got) {
		CHECK(elems[0]);
		CHECK(result_errno == MARK);
		memset(elems[0], 0xee, SIZE);
		CHECK(stats_of(pool).outstanding == 1 + (int64_t)nr_taken);
		mempool_free(elems[0], pool);
	} else {
		CHECK(!elems[0]);
		CHECK(result_errno == err);
	}
	CHECK(stats_of(pool).outstanding == (int64_t)nr_taken);
	CHECK(stats_of(pool).backend_failures == backend_hits());
	usable();
}

static void bulk_got_or(bool got, int err)
{
	unsigned int i;

	CHECK(result == (got ? 0 : -err));
	if (got) {
		CHECK(stats_of(pool).outstanding ==
		      MIN_NR + (int64_t)nr_taken);
		for (i = 0; i < MIN_NR; i++) {
			memset(elems[i], 0xee, SIZE);
			mempool_free(elems[i], pool);
		}
	}
	CHECK(stats_of(pool).outstanding == (int64_t)nr_taken);
	usable();
}

/* ---- taking ------------------------------------------------------------ */

static void alloc(void)
{
	elems[0] = mempool_alloc(pool, GFP_KERNEL);
}

static void alloc_zeroed(void)
{
	elems[0] = mempool_alloc(pool, GFP_KERNEL | __GFP_ZERO);
}

static void alloc_nowait(void)
{
	elems[0] = mempool_alloc(pool, GFP_NOWAIT);
}

static void alloc_until_past(void)
{
	struct timespec past = deadline_past();

	elems[0] = mempool_alloc_until(pool, GFP_KERNEL, &past);
}

static void alloc_preallocated(void)
{
	elems[0] = mempool_alloc_preallocated(pool);
}

static void alloc_noreserve(void)
{
	elems[0] = mempool_alloc_noreserve(pool, GFP_KERNEL);
}

static void bulk(void)
{
	result = mempool_alloc_bulk(pool, elems, MIN_NR);
}

static void bulk_nowait(void)
{
	result = mempool_alloc_bulk_until(pool, elems, MIN_NR, GFP_NOWAIT,
					  NULL);
}

static void bulk_until_past(void)
{
	struct timespec past = deadline_past();

	result = mempool_alloc_bulk_until(pool, elems, MIN_NR, GFP_KERNEL,
					  &past);
}

static void got(void)
{
	got_or(true, 0);
}

static void got_zeroed(void)
{
	static const char zero[SIZE];

	CHECK(elems[0] && memcmp(elems[0], zero, SIZE) == 0);
	got();
}

static void got_unless_backend_fails(void)
{
	got_or(backend_hits() == 0, EAGAIN);
}

static void got_unless_both_tries_fail(void)
{
	got_or(backend_hits() < 2, ETIMEDOUT);
}

static void enomem_if_backend_fails(void)
{
	got_or(backend_hits() == 0, ENOMEM);
}

static void bulk_got(void)
{
	bulk_got_or(true, 0);
}

static void bulk_got_unless_backend_fails(void)
{
	bulk_got_or(backend_hits() == 0, EAGAIN);
}

static void bulk_got_unless_both_tries_fail(void)
{
	bulk_got_or(backend_hits() < 2, ETIMEDOUT);
}

/* ---- giving back ------------------------------------------------------- */

/* An element of the backend that did not come through the pool. */
static void plain_and_foreign(void)
{
	plain();
	elems[0] = backend_alloc(GFP_KERNEL, &backend);
	CHECK(elems[0]);
}

static void capped_and_foreign(void)
{
	capped();
	elems[0] = backend_alloc(GFP_KERNEL, &backend);
	CHECK(elems[0]);
}

static void pages_and_foreign(void)
{
	page_pool();
	elems[0] = mempool_alloc_pages(GFP_KERNEL, NULL);
	CHECK(elems[0]);
}

static void free_foreign(void)
{
	mempool_free(elems[0], pool);
}

static void free_taken(void)
{
	mempool_free(taken[--nr_taken], pool);
}

static void free_bulk(void)
{
	result = mempool_free_bulk(pool, taken, MIN_NR);
}

/* It is the backend's; one more that is taken and kept makes it even. */
static void went_to_backend(void)
{
	CHECK(result_errno == MARK);
	CHECK(stats_of(pool).free_backend == 1);
	CHECK(stats_of(pool).outstanding == -1);
	elems[0] = mempool_alloc_noreserve(pool, GFP_KERNEL);
	CHECK(elems[0]);
	usable();
}

static void element_went_to_backend(void)
{
	went_to_backend();
	backend_free(elems[0], &backend);
}

static void pages_went_to_backend(void)
{
	went_to_backend();
	mempool_free_pages(elems[0], NULL);
}

static void one_went_to_reserve(void)
{
	CHECK(result_errno == MARK);
	CHECK(stats_of(pool).free_reserve == 1);
	CHECK(stats_of(pool).curr_nr == 1);
	usable();
}

static void all_went_to_reserve(void)
{
	CHECK(result == MIN_NR);
	nr_taken = 0;
	CHECK(stats_of(pool).free_reserve == MIN_NR);
	CHECK(mempool_is_saturated(pool));
	usable();
}

static void served_sleeper(void)
{
	CHECK(result_errno == MARK);
	CHECK(stats_of(pool).free_waiter >= 1);
	usable();
}

/* ---- changing and filling ---------------------------------------------- */

static void shrunk(void)
{
	plain();
	CHECK(mempool_resize(pool, MIN_NR - 1) == 0);
}

static void short_of_elements(void)
{
	plain();
	backend_give(&backend, 0);
	CHECK(mempool_resize(pool, MIN_NR + 2) == 0);
	backend_give(&backend, GIVE_ALWAYS);
}

static void short_and_fixed(void)
{
	fixed();
	backend_give(&backend, 0);
	CHECK(mempool_resize(pool, MIN_NR + 2) == 0);
	backend_give(&backend, GIVE_ALWAYS);
}

static void grow(void)
{
	result = mempool_resize(pool, MIN_NR + 2);
}

static void grow_within_room(void)
{
	result = mempool_resize(pool, MIN_NR);
}

static void shrink(void)
{
	result = mempool_resize(pool, MIN_NR - 1);
}

static void refill(void)
{
	result = mempool_refill(pool);
}

static void resized(void)
{
	CHECK(result == 0);
	usable();
}

static void grown_or_unchanged(void)
{
	bool grown = fault_hits_of("calloc") == 0;

	CHECK(result == (grown ? 0 : -ENOMEM));
	CHECK(stats_of(pool).min_nr == (grown ? MIN_NR + 2 : MIN_NR));
	CHECK(stats_of(pool).curr_nr + nr_taken >= MIN_NR);
	free_all_taken();
	CHECK(mempool_refill(pool) == 0);
	usable();
}

static void grown_and_filled_or_not(void)
{
	CHECK(result == 0);
	CHECK(mempool_is_saturated(pool) == (backend_hits() == 0));
	CHECK(mempool_refill(pool) == 0);
	usable();
}

static void filled_or_enomem(void)
{
	CHECK(result == (backend_hits() ? -ENOMEM : 0));
	CHECK(mempool_is_saturated(pool) == (backend_hits() == 0));
	CHECK(mempool_refill(pool) == 0);
	usable();
}

/* ---- what has no point ------------------------------------------------- */

static void kick(void)
{
	mempool_kick(pool);
}

static void shut_down(void)
{
	mempool_shutdown(pool);
}

static void drain(void)
{
	struct timespec past = deadline_past();

	result = mempool_drain_until(pool, &past);
}

static void get_stats(void)
{
	struct mempool_stats stats;

	result = mempool_get_stats(pool, &stats, sizeof(stats));
}

static int stop_at_first(mempool_t *found, void *arg)
{
	*(mempool_t **)arg = found;
	return 1;
}

static void for_each(void)
{
	mempool_t *found = NULL;

	result = mempool_for_each(stop_at_first, &found) == 1 ? 0 : -1;
}

static void find(void)
{
	result = mempool_find("used") == pool ? 0 : -1;
}

static void is_saturated(void)
{
	result = mempool_is_saturated(pool) ? 0 : -1;
}

static void initialized(void)
{
	result = mempool_initialized(pool) ? 0 : -1;
}

static void set_report(void)
{
	kmempool_set_report(NULL, NULL);
}

static void version(void)
{
	result = kmempool_version() ? 0 : -1;
}

static void went_well(void)
{
	CHECK(fault_hits() == 0);
	CHECK(result == 0);
	usable();
}

static void sleeper_gave_up(void)
{
	CHECK(sleeper_join(&sleeper) == ECANCELED);
	asleep = false;
	usable();
}

/* ---- the stock backends by themselves ---------------------------------- */

static void kmalloc(void)
{
	elems[0] = mempool_kmalloc(GFP_KERNEL, (void *)(uintptr_t)SIZE);
}

static void alloc_pages(void)
{
	elems[0] = mempool_alloc_pages(GFP_KERNEL, NULL);
}

static void plain_and_kmalloc(void)
{
	plain();
	kmalloc();
	CHECK(elems[0]);
}

static void plain_and_pages(void)
{
	plain();
	alloc_pages();
	CHECK(elems[0]);
}

static void kfree(void)
{
	mempool_kfree(elems[0], NULL);
}

static void free_pages(void)
{
	mempool_free_pages(elems[0], NULL);
}

static void left_errno_alone(void)
{
	CHECK(result_errno == MARK);
	usable();
}

static void given_or_null(void)
{
	CHECK(!elems[0] == (backend_hits() > 0));
	left_errno_alone();
}

/* Not every failure below is one here: there is a second attempt. */
static void kmalloc_given_or_null(void)
{
	CHECK(elems[0] || fault_hits() > 0);
	left_errno_alone();
	mempool_kfree(elems[0], NULL);
}

static void pages_given_or_null(void)
{
	given_or_null();
	if (elems[0])
		mempool_free_pages(elems[0], NULL);
}

/* ---- where the call is made -------------------------------------------- */

struct use {
	void	(*setup)(void);
	void	(*call)(void);
	void	(*check)(void);
};

static void call_armed(const struct use *use)
{
	errno = MARK;
	fault_arm();
	use->call();
	result_errno = errno;
	fault_disarm();
}

static void *call_in_thread(void *arg)
{
	call_armed(arg);
	return NULL;
}

static void end(void)
{
	mempool_destroy(pool);
	CHECK(backend_live(&backend) == 0);
}

static void *alloc_and_free(void *unused)
{
	(void)unused;
	mempool_free(mempool_alloc(pool, GFP_KERNEL), pool);
	return NULL;
}

/* What one thread was refused, or gave up, the next can have. */
static void have_another_thread_count(void)
{
	pthread_t thread;

	CHECK(pthread_create(&thread, NULL, alloc_and_free, NULL) == 0);
	pthread_join(thread, NULL);
	CHECK(stats_of(pool).outstanding == 0);
}

/* The main thread has what it needs to count. */
static void warm_up(void)
{
	plain();
	mempool_free(mempool_alloc(pool, GFP_KERNEL), pool);
	end();
}

static void first_of_process(const void *arg)
{
	const struct use *use = arg;

	backend_init(&backend, SIZE);
	use->setup();
	call_armed(use);
	use->check();
	end();
}

static void first_of_thread(const void *arg)
{
	struct use use = *(const struct use *)arg;
	pthread_t thread;

	backend_init(&backend, SIZE);
	warm_up();
	use.setup();
	CHECK(pthread_create(&thread, NULL, call_in_thread, &use) == 0);
	pthread_join(thread, NULL);
	use.check();
	have_another_thread_count();
	end();
}

static void first_of_child(const void *arg)
{
	const struct use *use = arg;
	pid_t pid;
	int status;

	backend_init(&backend, SIZE);
	use->setup();
	pid = fork();
	if (pid == 0) {
		alarm(TEST_TIMEOUT);
		call_armed(use);
		use->check();
		end();
		CHECK(fault_nothing_held());
		exit(EXIT_SUCCESS);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	_exit(EXIT_SUCCESS);	/* the parent's pool was not the point */
}

/* ---- waiting ----------------------------------------------------------- */

static atomic_bool served;

static void wait_and_free(void)
{
	elems[0] = mempool_alloc(pool, GFP_KERNEL);
	result = elems[0] && errno == MARK ? 0 : -1;
	atomic_store(&served, true);
	mempool_free(elems[0], pool);
}

static void wait_for_bulk_and_free(void)
{
	unsigned int i;

	result = mempool_alloc_bulk(pool, elems, MIN_NR);
	atomic_store(&served, true);
	for (i = 0; i < MIN_NR; i++)
		mempool_free(elems[i], pool);
}

/*
 * A request that sleeps tries the backend after a kick, in its own thread.
 * If it fails there, what is freed serves it all the same.
 */
static void waiter(const void *arg)
{
	struct use use = *(const struct use *)arg;
	pthread_t thread;

	backend_init(&backend, SIZE);
	warm_up();
	use.setup();
	backend_give(&backend, 0);
	CHECK(pthread_create(&thread, NULL, call_in_thread, &use) == 0);
	CHECK(wait_for_waiters(pool, 1));
	backend_give(&backend, GIVE_ALWAYS);
	mempool_kick(pool);
	while (!atomic_load(&served) && fault_hits() == 0)
		pause_ms(1);
	free_all_taken();
	pthread_join(thread, NULL);
	use.check();
	end();
}

static void waited(void)
{
	CHECK(result == 0);
	CHECK(stats_of(pool).alloc_handoff > 0);
	usable();
}

#define USE(setup, call, check)	&(const struct use){ setup, call, check }
#define ONE(symbol, what, setup, call, check) \
	{ symbol, what ", first of its thread", first_of_thread, \
	  USE(setup, call, check) }
#define EVERYWHERE(symbol, what, setup, call, check) \
	{ symbol, what ", first of the process", first_of_process, \
	  USE(setup, call, check) }, \
	{ symbol, what ", first of a forked child", first_of_child, \
	  USE(setup, call, check) }, \
	ONE(symbol, what, setup, call, check)

const struct scenario use_scenarios[] = {
	EVERYWHERE("alloc", "full reserve", plain, alloc, got),
	EVERYWHERE("alloc", "zeroed", plain, alloc_zeroed, got_zeroed),
	EVERYWHERE("alloc", "fixed", fixed, alloc, got),
	EVERYWHERE("alloc", "capped", capped, alloc, got),
	EVERYWHERE("alloc", "kmalloc", kmalloc_pool, alloc, got),
	EVERYWHERE("alloc", "pages", page_pool, alloc, got),
	EVERYWHERE("alloc", "no wait, empty reserve", empty, alloc_nowait,
		   got_unless_backend_fails),
	EVERYWHERE("alloc", "no wait, empty reserve, capped", empty_capped,
		   alloc_nowait, got_unless_backend_fails),
	EVERYWHERE("alloc_until", "empty reserve", empty, alloc_until_past,
		   got_unless_both_tries_fail),
	EVERYWHERE("alloc_until", "empty reserve, capped", empty_capped,
		   alloc_until_past, got_unless_both_tries_fail),
	EVERYWHERE("alloc_preallocated", "full reserve", plain,
		   alloc_preallocated, got),
	EVERYWHERE("alloc_noreserve", "full reserve", plain, alloc_noreserve,
		   enomem_if_backend_fails),
	EVERYWHERE("alloc_noreserve", "capped", capped, alloc_noreserve,
		   enomem_if_backend_fails),
	EVERYWHERE("alloc_noreserve", "kmalloc", kmalloc_pool, alloc_noreserve,
		   enomem_if_backend_fails),
	EVERYWHERE("alloc_bulk", "full reserve", plain, bulk, bulk_got),
	EVERYWHERE("alloc_bulk", "capped", capped, bulk, bulk_got),
	EVERYWHERE("alloc_bulk_until", "no wait, empty reserve", empty,
		   bulk_nowait, bulk_got_unless_backend_fails),
	EVERYWHERE("alloc_bulk_until", "no wait, empty reserve, capped",
		   empty_capped, bulk_nowait, bulk_got_unless_backend_fails),
	EVERYWHERE("alloc_bulk_until", "empty reserve", empty,
		   bulk_until_past, bulk_got_unless_both_tries_fail),
	EVERYWHERE("alloc_bulk_until", "empty reserve, capped", empty_capped,
		   bulk_until_past, bulk_got_unless_both_tries_fail),

	{ "alloc", "waiting", waiter, USE(empty, wait_and_free, waited) },
	{ "alloc_bulk", "waiting", waiter,
	  USE(empty, wait_for_bulk_and_free, waited) },

	EVERYWHERE("free", "to the backend", plain_and_foreign, free_foreign,
		   element_went_to_backend),
	EVERYWHERE("free", "to the backend, capped", capped_and_foreign,
		   free_foreign, element_went_to_backend),
	EVERYWHERE("free", "to the system", pages_and_foreign, free_foreign,
		   pages_went_to_backend),
	EVERYWHERE("free", "to the reserve", empty, free_taken,
		   one_went_to_reserve),
	ONE("free", "to a request", single_sleeper, free_taken,
	    served_sleeper),
	ONE("free", "to a bulk request", bulk_sleeper, free_all_taken,
	    served_sleeper),
	EVERYWHERE("free_bulk", "to the reserve", empty, free_bulk,
		   all_went_to_reserve),

	EVERYWHERE("resize", "beyond the room", plain, grow,
		   grown_or_unchanged),
	EVERYWHERE("resize", "within the room", shrunk, grow_within_room,
		   grown_and_filled_or_not),
	ONE("resize", "while a request waits", single_sleeper, grow,
	    grown_or_unchanged),
	ONE("resize", "smaller", plain, shrink, resized),
	EVERYWHERE("refill", "plain", short_of_elements, refill,
		   filled_or_enomem),
	EVERYWHERE("refill", "fixed", short_and_fixed, refill,
		   filled_or_enomem),

	ONE("kick", "nobody waits", plain, kick, went_well),
	ONE("kick", "a request waits", single_sleeper, kick, went_well),
	ONE("shutdown", "a request waits", single_sleeper, shut_down,
	    sleeper_gave_up),
	ONE("drain_until", "nothing is out", plain, drain, went_well),
	ONE("get_stats", "plain", plain, get_stats, went_well),
	ONE("for_each", "one pool", plain, for_each, went_well),
	ONE("find", "one pool", plain, find, went_well),
	ONE("is_saturated", "full reserve", plain, is_saturated, went_well),
	ONE("initialized", "plain", plain, initialized, went_well),
	ONE("set_report", "default", plain, set_report, went_well),
	ONE("version", "any", plain, version, went_well),

	ONE("pool_kmalloc", "by itself", plain, kmalloc,
	    kmalloc_given_or_null),
	ONE("pool_kfree", "by itself", plain_and_kmalloc, kfree,
	    left_errno_alone),
	ONE("alloc_pages", "by itself", plain, alloc_pages,
	    pages_given_or_null),
	ONE("free_pages", "by itself", plain_and_pages, free_pages,
	    left_errno_alone),
	{ NULL, NULL, NULL, NULL },
};
