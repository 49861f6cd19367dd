/* SPDX-License-Identifier: MIT */
/*
 * check_lock.c - the lock of one pool, and sleeping with it
 *
 * Linked with the library's own objects.  Each test is run with both kinds of
 * lock, but for those of how the first one waits, which count its tries and do
 * not really nap.
 */
#include "config.h"

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "deadline.h"
#include "lock.h"
#include "suite.h"
#include "testlib.h"

#define NR_KINDS	2
#define NR_THREADS	4
#define ROUNDS		20000

static pthread_mutex_t inheriting;
static struct pool_lock lock;
static struct bed bed;

static void make(int kind)
{
	ck_assert_int_eq(pool_lock_init(&lock, kind ? &inheriting : NULL), 0);
	bed_init(&bed);
}

static void end(void)
{
	bed_destroy(&bed);
	pool_lock_destroy(&lock);
}

/* ---- taking ------------------------------------------------------------ */

static unsigned long sum;		/* under lock */

static void *add(void *arg)
{
	int i;

	(void)arg;
	for (i = 0; i < ROUNDS; i++) {
		pool_lock_take(&lock);
		sum++;
		pool_lock_release(&lock);
	}
	return NULL;
}

START_TEST(one_at_a_time_has_it)
{
	pthread_t threads[NR_THREADS];
	int i;

	make(_i);
	sum = 0;
	for (i = 0; i < NR_THREADS; i++)
		pthread_create(&threads[i], NULL, add, NULL);
	for (i = 0; i < NR_THREADS; i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_eq(sum, NR_THREADS * ROUNDS);
	end();
}
END_TEST

/* A thread that wants a lock which is not to be had for a while. */
struct taker {
	pthread_t	thread;
	atomic_bool	started;
	atomic_bool	has_it;
	int		errno_after;
	int		cancel_state_after;
};

static void *take_patiently(void *arg)
{
	struct taker *taker = arg;

	errno = SLEEPER_ERRNO;
	atomic_store(&taker->started, true);
	pool_lock_take(&lock);
	atomic_store(&taker->has_it, true);
	pool_lock_release(&lock);
	taker->errno_after = errno;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE,
			       &taker->cancel_state_after);
	return NULL;
}

static void start_taker(struct taker *taker)
{
	*taker = (struct taker){ .errno_after = 0 };
	pthread_create(&taker->thread, NULL, take_patiently, taker);
}

START_TEST(who_finds_it_taken_for_long_gets_it_in_the_end)
{
	struct taker taker;

	make(_i);
	pool_lock_take(&lock);
	start_taker(&taker);
	ck_assert(wait_for_flag(&taker.started));
	pause_ms(20);			/* past all standing back */
	ck_assert(!atomic_load(&taker.has_it));
	pool_lock_release(&lock);
	pthread_join(taker.thread, NULL);
	ck_assert(atomic_load(&taker.has_it));
	ck_assert_int_eq(taker.errno_after, SLEEPER_ERRNO);
	ck_assert_int_eq(taker.cancel_state_after, PTHREAD_CANCEL_ENABLE);
	end();
}
END_TEST

#define NR_STAND_BACK	16		/* times */
#define NR_NAPS		8

static int nr_refused;			/* tries that are to come */
static int nr_tries;
static int tries_before[NR_NAPS];	/* each nap */
static int64_t nap_ns[NR_NAPS];
static bool nap_can_be_cancelled;
static int nr_naps;
static bool naps_are_counted;

int __real_pthread_spin_trylock(pthread_spinlock_t *);
int __wrap_pthread_spin_trylock(pthread_spinlock_t *);
int __real_clock_nanosleep(clockid_t, int, const struct timespec *,
			   struct timespec *);
int __wrap_clock_nanosleep(clockid_t, int, const struct timespec *,
			   struct timespec *);

int __wrap_pthread_spin_trylock(pthread_spinlock_t *word)
{
	if (!naps_are_counted)
		return __real_pthread_spin_trylock(word);
	nr_tries++;
	return nr_refused-- > 0 ? EBUSY : __real_pthread_spin_trylock(word);
}

int __wrap_clock_nanosleep(clockid_t clock, int flags,
			   const struct timespec *ts, struct timespec *left)
{
	int state;

	if (!naps_are_counted)
		return __real_clock_nanosleep(clock, flags, ts, left);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	nap_can_be_cancelled |= state != PTHREAD_CANCEL_DISABLE;
	pthread_setcancelstate(state, NULL);
	ck_assert_int_eq(clock, CLOCK_MONOTONIC);
	ck_assert_int_eq(flags, 0);
	ck_assert_int_lt(nr_naps, NR_NAPS);
	tries_before[nr_naps] = nr_tries;
	nap_ns[nr_naps++] = ts->tv_sec * INT64_C(1000000000) + ts->tv_nsec;
	return 0;
}

/* The lock is had after so many tries. */
static void take_after(int nr)
{
	nr_refused = nr - 1;
	nr_tries = nr_naps = 0;
	nap_can_be_cancelled = false;
	naps_are_counted = true;
	pool_lock_take(&lock);
	naps_are_counted = false;
	ck_assert_int_eq(nr_tries, nr);
	pool_lock_release(&lock);
}

START_TEST(who_waits_stands_back_and_then_naps)
{
	static const int us[NR_NAPS] = { 20, 40, 80, 160, 320, 640, 640, 640 };
	int nr, i, state;

	make(0);
	for (nr = 1; nr <= 1 + NR_STAND_BACK; nr++) {
		take_after(nr);
		ck_assert_int_eq(nr_naps, 0);
	}
	take_after(1 + NR_STAND_BACK + NR_NAPS);
	ck_assert_int_eq(nr_naps, NR_NAPS);
	for (i = 0; i < NR_NAPS; i++) {
		ck_assert_int_eq(nap_ns[i], us[i] * INT64_C(1000));
		ck_assert_int_eq(tries_before[i], 1 + NR_STAND_BACK + i);
	}
	ck_assert(!nap_can_be_cancelled);
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &state);
	ck_assert_int_eq(state, PTHREAD_CANCEL_ENABLE);
	end();
}
END_TEST

START_TEST(nobody_is_cancelled_where_it_waits_for_the_lock)
{
	struct taker taker;

	make(_i);
	pool_lock_take(&lock);
	start_taker(&taker);
	ck_assert(wait_for_flag(&taker.started));
	pause_ms(20);
	pthread_cancel(taker.thread);
	pool_lock_release(&lock);
	pthread_join(taker.thread, NULL);
	ck_assert(atomic_load(&taker.has_it));
	end();
}
END_TEST

/* ---- sleeping ---------------------------------------------------------- */

static bool is_roused;			/* under lock */
static atomic_bool is_inside;

static void has_the_lock(void *arg)
{
	*(bool *)arg = is_roused;
	is_roused = true;
	pool_lock_release(&lock);
}

/* Sleeps until it is roused for a reason; *@arg: if it was, in the clean-up. */
static void *sleep_until_roused(void *arg)
{
	pthread_cleanup_push(cancel_cleanup, NULL);
	pool_lock_take(&lock);
	atomic_store(&is_inside, true);
	pthread_cleanup_push(has_the_lock, arg);
	while (!is_roused)
		pool_lock_sleep(&lock, &bed, DEADLINE_NEVER);
	pthread_cleanup_pop(1);
	pthread_cleanup_pop(0);
	return NULL;
}

static void rouse(bool with_the_lock)
{
	pool_lock_take(&lock);
	is_roused = true;
	if (with_the_lock)
		bed_rouse(&bed);
	pool_lock_release(&lock);
	if (!with_the_lock)
		bed_rouse(&bed);
}

/* Many times, so that some signals come when the other has let go of the lock
 * and does not sleep yet. */
static void rouse_sleepers(bool with_the_lock)
{
	bool seen;
	int i;

	for (i = 0; i < 300; i++) {
		pthread_t thread;

		is_roused = false;
		atomic_store(&is_inside, false);
		seen = false;
		pthread_create(&thread, NULL, sleep_until_roused, &seen);
		ck_assert(wait_for_flag(&is_inside));
		rouse(with_the_lock);
		pthread_join(thread, NULL);
		ck_assert(seen);
	}
}

START_TEST(a_sleeper_is_roused_with_the_lock_held)
{
	make(_i);
	rouse_sleepers(true);
	end();
}
END_TEST

START_TEST(a_sleeper_is_roused_after_the_lock)
{
	make(0);
	rouse_sleepers(false);
	end();
}
END_TEST

START_TEST(a_sleep_ends_in_time)
{
	uint64_t until_ns;

	make(_i);
	pool_lock_take(&lock);
	until_ns = deadline_now_ns() + 20 * NSEC_PER_MSEC;
	while (deadline_now_ns() < until_ns)
		pool_lock_sleep(&lock, &bed, until_ns);
	pool_lock_release(&lock);
	/* Nor does the past keep anybody. */
	pool_lock_take(&lock);
	pool_lock_sleep(&lock, &bed, until_ns);
	pool_lock_release(&lock);
	end();
}
END_TEST

START_TEST(a_cancelled_sleeper_has_the_lock)
{
	pthread_t thread;
	void *result;
	bool seen = true;

	make(_i);
	is_roused = false;
	atomic_store(&is_inside, false);
	pthread_create(&thread, NULL, sleep_until_roused, &seen);
	ck_assert(wait_for_flag(&is_inside));
	pool_lock_take(&lock);
	pthread_cancel(thread);
	ck_assert(!is_roused);
	pool_lock_release(&lock);
	pthread_join(thread, &result);
	ck_assert_ptr_eq(result, PTHREAD_CANCELED);
	ck_assert(!seen);
	/* Both are free. */
	rouse(true);
	end();
}
END_TEST

static Suite *locks(void)
{
	Suite *suite = suite_create("lock");
	TCase *taking = tcase_create("taking");
	TCase *sleeping = tcase_create("sleeping");
	TCase *cancelled = tcase_create("cancelled");

	tcase_set_timeout(taking, TEST_TIMEOUT);
	tcase_add_loop_test(taking, one_at_a_time_has_it, 0, NR_KINDS);
	tcase_add_test(taking, who_waits_stands_back_and_then_naps);
	tcase_add_loop_test(taking,
		who_finds_it_taken_for_long_gets_it_in_the_end, 0, NR_KINDS);
	tcase_add_loop_test(taking,
		nobody_is_cancelled_where_it_waits_for_the_lock, 0, NR_KINDS);
	suite_add_tcase(suite, taking);

	tcase_set_timeout(sleeping, TEST_TIMEOUT);
	tcase_add_loop_test(sleeping,
		a_sleeper_is_roused_with_the_lock_held, 0, NR_KINDS);
	tcase_add_test(sleeping, a_sleeper_is_roused_after_the_lock);
	tcase_add_loop_test(sleeping, a_sleep_ends_in_time, 0, NR_KINDS);
	suite_add_tcase(suite, sleeping);

	tcase_set_tags(cancelled, "cancels");	/* for do_drd in tools/qa.sh */
	tcase_set_timeout(cancelled, TEST_TIMEOUT);
	tcase_add_loop_test(cancelled, a_cancelled_sleeper_has_the_lock, 0,
			    NR_KINDS);
	suite_add_tcase(suite, cancelled);
	return suite;
}

int main(void)
{
	return run_suite(locks());
}
