/* SPDX-License-Identifier: MIT */
/*
 * check_policy.c - who may pass the first request, for how long, and who spins
 *
 * Linked with the library's own objects, so that the overtaking bound can be
 * made an hour or nothing, and what is within or past it does not depend on how
 * fast the machine is; and with sched_getaffinity() wrapped, so that who may
 * spin does not depend on how many CPUs it has.
 */
#include "config.h"

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <kmempool/mempool.h>

#include "core.h"
#include "deadline.h"
#include "spin.h"
#include "suite.h"
#include "testlib.h"

#define HOUR_NS		(3600 * NSEC_PER_SEC)
#define MINUTE_MS	60000

static struct backend b;
static mempool_t *pool;
static void *elements[3];

/* An empty pool; its backend gives nothing. */
static void empty_pool_with(unsigned int flags, unsigned int min_nr,
			    unsigned int max_nr, uint64_t bound_ns)
{
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;
	unsigned int i;

	attr.flags = flags;
	attr.retry_ms = HOUR_MS;
	attr.max_nr = max_nr;
	backend_init(&b, 64);
	pool = mempool_create_attr((int)min_nr, backend_alloc, backend_free,
				   &b, &attr);
	ck_assert_ptr_nonnull(pool);
	pool->kmp_core->waitq.bound_ns = bound_ns;
	backend_give(&b, 0);
	for (i = 0; i < min_nr; i++) {
		elements[i] = mempool_alloc_preallocated(pool);
		ck_assert_ptr_nonnull(elements[i]);
	}
}

static void empty_pool(unsigned int min_nr, unsigned int max_nr,
		       uint64_t bound_ns)
{
	empty_pool_with(0, min_nr, max_nr, bound_ns);
}

static void give(unsigned int i)
{
	mempool_free(elements[i], pool);
	elements[i] = NULL;
}

static void end_pool(void)
{
	unsigned int i;

	for (i = 0; i < 3; i++)
		give(i);
	ck_assert(pool_end(pool, &b));
}

static void queue(struct sleeper *s, unsigned int count)
{
	sleeper_start(s, pool, count);
	ck_assert(wait_for_waiters(pool, 1));
}

/* The first has been that for an hour. */
static void let_an_hour_pass(void)
{
	core_lock(pool->kmp_core);
	pool->kmp_core->waitq.head->first_ns -= HOUR_NS;
	core_unlock(pool->kmp_core);
}

/* A request without a thread: nobody comes for what it is told of. */
struct forged {
	struct request	request;
	struct bed	bed;
	void		*slots[2];
};

static void forge(struct forged *f, unsigned int lack)
{
	struct mempool_core *core = pool->kmp_core;

	memset(f, 0, sizeof(*f));
	bed_init(&f->bed);
	f->request.state = REQUEST_QUEUED;
	f->request.bed = &f->bed;
	f->request.slots = f->slots;
	f->request.lack = lack;
	f->request.gfp = GFP_KERNEL;
	f->request.since_ns = deadline_now_ns();
	f->request.thread = pthread_self();
	core_lock(core);
	core->waitq.nr_inside++;
	waitq_join(core, &f->request, DEADLINE_NEVER);
	retry_joined(core, &f->request, core->retry.kicks);
	core_unlock(core);
}

/* Gives back what it was granted. */
static void end_forged(struct forged *f)
{
	struct mempool_core *core = pool->kmp_core;
	unsigned int i;

	ck_assert_int_eq(f->request.state, REQUEST_GRANTED);
	core_lock(core);
	core->waitq.nr_inside--;
	core_unlock(core);
	for (i = 0; i < f->request.lack; i++)
		mempool_free(f->slots[i], pool);
	bed_destroy(&f->bed);
}

/* The ways in which a newcomer may take one element without sleeping. */
#define NR_WAYS		3
static void *come_new(int way)
{
	void *element = NULL;

	errno = 0;
	switch (way) {
	case 0:
		return mempool_alloc(pool, GFP_ATOMIC);
	case 1:
		return mempool_alloc_preallocated(pool);
	default:
		errno = -mempool_alloc_bulk_until(pool, &element, 1,
						  GFP_NOWAIT, NULL);
		return element;
	}
}

/* ---- the bound --------------------------------------------------------- */

START_TEST(the_bound_is_what_the_manual_says)
{
	mempool_t *p = mempool_create_kmalloc_pool(1, 64);

	ck_assert_uint_eq(p->kmp_core->waitq.bound_ns, 400000);
	mempool_destroy(p);
}
END_TEST

START_TEST(newcomers_may_pass_within_the_bound)
{
	struct sleeper s;

	empty_pool(2, 0, HOUR_NS);
	queue(&s, 2);
	give(0);
	elements[0] = come_new(_i);
	ck_assert_ptr_nonnull(elements[0]);
	ck_assert(!sleeper_done(&s));
	give(0);
	give(1);
	ck_assert_int_eq(sleeper_join(&s), 0);
	sleeper_free(&s);
	end_pool();
}
END_TEST

START_TEST(nobody_passes_when_the_bound_has_passed)
{
	struct sleeper s;

	empty_pool(2, 0, 1);
	queue(&s, 2);
	give(0);
	ck_assert_ptr_null(come_new(_i));
	ck_assert_int_eq(errno, EAGAIN);
	give(1);
	ck_assert_int_eq(sleeper_join(&s), 0);
	sleeper_free(&s);
	end_pool();
}
END_TEST

START_TEST(the_bound_counts_from_becoming_the_first)
{
	struct sleeper s[2];

	empty_pool(3, 0, HOUR_NS);
	queue(&s[0], 2);
	sleeper_start(&s[1], pool, 2);
	ck_assert(wait_for_waiters(pool, 2));
	let_an_hour_pass();
	give(0);
	ck_assert_ptr_null(come_new(0));
	give(1);
	ck_assert_int_eq(sleeper_join(&s[0]), 0);
	/* The second has just become it. */
	give(2);
	elements[2] = come_new(0);
	ck_assert_ptr_nonnull(elements[2]);
	give(2);
	sleeper_free(&s[0]);
	ck_assert_int_eq(sleeper_join(&s[1]), 0);
	sleeper_free(&s[1]);
	end_pool();
}
END_TEST

START_TEST(shares_obey_the_bound)
{
	struct sleeper s;

	/* One share is free, two are not enough for the first. */
	empty_pool(2, 2, _i ? HOUR_NS : 1);
	queue(&s, 2);
	backend_give(&b, GIVE_ALWAYS);
	give(0);
	elements[0] = mempool_alloc_noreserve(pool, GFP_NOWAIT);
	ck_assert_int_eq(elements[0] != NULL, _i);
	give(0);
	give(1);
	ck_assert_int_eq(sleeper_join(&s), 0);
	sleeper_free(&s);
	end_pool();
}
END_TEST

START_TEST(what_is_freed_within_the_bound_wakes_the_first)
{
	struct sleeper s;

	empty_pool(1, 0, HOUR_NS);
	queue(&s, 0);
	pause_ms(20);			/* it sleeps */
	give(0);
	ck_assert_int_eq(sleeper_join(&s), 0);
	ck_assert_uint_eq(stats_of(pool).free_waiter, 1);
	ck_assert_uint_eq(stats_of(pool).alloc_handoff, 1);
	sleeper_free(&s);
	end_pool();
}
END_TEST

START_TEST(what_is_freed_after_the_bound_is_handed_over)
{
	struct sleeper s;

	empty_pool(1, 0, 1);
	queue(&s, 0);
	give(0);
	ck_assert_uint_eq(stats_of(pool).waiters, 0);
	ck_assert_uint_eq(stats_of(pool).alloc_handoff, 1);
	ck_assert_int_eq(sleeper_join(&s), 0);
	sleeper_free(&s);
	end_pool();
}
END_TEST

/* Takes and gives until it has to wait. */
static void *passes(void *arg)
{
	atomic_bool *stop = arg;
	void *element;

	while (!atomic_load(stop)) {
		element = mempool_alloc(pool, GFP_ATOMIC);
		if (!element)
			break;
		mempool_free(element, pool);
	}
	return NULL;
}

START_TEST(an_endless_stream_of_newcomers_ends_at_the_bound)
{
	atomic_bool stop = false;
	pthread_t thread;
	struct sleeper s;

	empty_pool(2, 0, 50 * NSEC_PER_MSEC);
	give(0);
	pthread_create(&thread, NULL, passes, &stop);
	/* It lacks two, of which there is one to take and give. */
	queue(&s, 2);
	pthread_join(thread, NULL);
	atomic_store(&stop, true);
	ck_assert(!sleeper_done(&s));
	give(1);
	ck_assert_int_eq(sleeper_join(&s), 0);
	sleeper_free(&s);
	end_pool();
}
END_TEST

START_TEST(nobody_passes_while_a_deadline_is_near)
{
	struct sleeper s;

	/* Nearer than two bounds. */
	empty_pool(2, 0, HOUR_NS);
	sleeper_start_until(&s, pool, 2, GFP_KERNEL,
			    deadline_in_ms(2 * HOUR_MS - MINUTE_MS));
	ck_assert(wait_for_waiters(pool, 1));
	give(0);
	ck_assert_ptr_null(come_new(_i));
	give(1);
	ck_assert_int_eq(sleeper_join(&s), 0);
	sleeper_free(&s);
	end_pool();
}
END_TEST

/* With each that waits before, by two bounds. */
START_TEST(a_deadline_that_is_far_presses_nobody)
{
	struct sleeper s[2];
	unsigned int i;

	empty_pool(3, 0, HOUR_NS);
	for (i = 0; i < 2; i++) {
		sleeper_start_until(&s[i], pool, 2, GFP_KERNEL,
				    deadline_in_ms((i + 1) * 2 * HOUR_MS +
						   MINUTE_MS));
		ck_assert(wait_for_waiters(pool, i + 1));
	}
	give(0);
	elements[0] = come_new(0);
	ck_assert_ptr_nonnull(elements[0]);
	give(0);
	give(1);
	ck_assert_int_eq(sleeper_join(&s[0]), 0);
	sleeper_free(&s[0]);
	give(2);
	ck_assert_int_eq(sleeper_join(&s[1]), 0);
	sleeper_free(&s[1]);
	end_pool();
}
END_TEST

START_TEST(a_deadline_that_is_gone_presses_nobody)
{
	struct sleeper s, pressed;

	empty_pool(2, 0, HOUR_NS);
	queue(&s, 2);
	sleeper_start_until(&pressed, pool, 0, GFP_KERNEL, deadline_in_ms(50));
	ck_assert_int_eq(sleeper_join(&pressed), ETIMEDOUT);
	give(0);
	elements[0] = come_new(0);
	ck_assert_ptr_nonnull(elements[0]);
	give(0);
	give(1);
	ck_assert_int_eq(sleeper_join(&s), 0);
	sleeper_free(&s);
	end_pool();
}
END_TEST

/* Not when somebody looks at the clock. */
START_TEST(without_a_bound_the_first_is_kept_at_once)
{
	struct forged f;

	empty_pool(1, 0, 0);
	forge(&f, 1);
	ck_assert(f.request.kept);
	give(0);
	end_forged(&f);
	end_pool();
}
END_TEST

START_TEST(a_pool_with_priority_inheritance_has_no_bound)
{
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;
	mempool_t *p;

	attr.flags = MEMPOOL_PRIO_INHERIT;
	p = mempool_create_attr(1, mempool_kmalloc, mempool_kfree, (void *)64,
				&attr);
	ck_assert_uint_eq(p->kmp_core->waitq.bound_ns, 0);
	mempool_destroy(p);
}
END_TEST

START_TEST(what_was_fetched_for_those_who_wait_goes_to_the_first)
{
	struct sleeper s;

	empty_pool(2, 0, HOUR_NS);
	queue(&s, 2);
	backend_give(&b, 1);
	ck_assert_int_eq(mempool_refill(pool), -ENOMEM);
	ck_assert_uint_eq(stats_of(pool).curr_nr, 1);
	ck_assert_ptr_null(come_new(_i));
	give(0);
	ck_assert_int_eq(sleeper_join(&s), 0);
	sleeper_free(&s);
	end_pool();
}
END_TEST

/* More come back than the reserve has room for, before anybody who was told has
 * come for them. */
#define NR_CROWD	8

static void crowd(struct sleeper *s, void **held)
{
	unsigned int i;

	empty_pool(1, 0, HOUR_NS);
	backend_give(&b, NR_CROWD - 1);
	for (i = 1; i < NR_CROWD; i++) {
		held[i] = mempool_alloc(pool, GFP_KERNEL);
		ck_assert_ptr_nonnull(held[i]);
	}
	held[0] = elements[0];
	elements[0] = NULL;
	for (i = 0; i < NR_CROWD; i++) {
		sleeper_start(&s[i], pool, 0);
		ck_assert(wait_for_waiters(pool, i + 1));
	}
}

static void all_are_served(struct sleeper *s)
{
	unsigned int i;

	for (i = 0; i < NR_CROWD; i++) {
		ck_assert_int_eq(sleeper_join(&s[i]), 0);
		ck_assert_uint_eq(backend_frees(&b), 0);
	}
	for (i = 0; i < NR_CROWD; i++)
		sleeper_free(&s[i]);
	end_pool();
}

START_TEST(what_comes_back_at_once_serves_all_who_wait)
{
	struct sleeper s[NR_CROWD];
	void *held[NR_CROWD];
	unsigned int i;

	crowd(s, held);
	for (i = 0; i < NR_CROWD; i++)
		mempool_free(held[i], pool);
	all_are_served(s);
}
END_TEST

START_TEST(free_bulk_takes_what_all_who_wait_can_use)
{
	struct sleeper s[NR_CROWD];
	void *held[NR_CROWD];

	crowd(s, held);
	ck_assert_uint_eq(mempool_free_bulk(pool, held, NR_CROWD), NR_CROWD);
	all_are_served(s);
}
END_TEST

START_TEST(a_smaller_min_nr_takes_nothing_from_who_was_told)
{
	struct sleeper s[3];
	unsigned int i;

	empty_pool(3, 0, HOUR_NS);
	for (i = 0; i < 3; i++) {
		sleeper_start(&s[i], pool, 0);
		ck_assert(wait_for_waiters(pool, i + 1));
	}
	for (i = 0; i < 3; i++)
		give(i);
	ck_assert_int_eq(mempool_resize(pool, 1), 0);
	for (i = 0; i < 3; i++)
		ck_assert_int_eq(sleeper_join(&s[i]), 0);
	ck_assert_uint_eq(backend_frees(&b), 0);
	for (i = 0; i < 3; i++)
		sleeper_free(&s[i]);
	end_pool();
}
END_TEST

static atomic_bool leave_handler;

static void stay(int sig)
{
	(void)sig;
	while (!atomic_load(&leave_handler))
		pause_ms(1);
}

START_TEST(who_does_not_come_for_its_element_is_handed_it_after_the_bound)
{
	struct sleeper s[2];

	/* The first is told, but its thread does not run. */
	empty_pool(2, 0, HOUR_NS);
	queue(&s[0], 0);
	sleeper_start(&s[1], pool, 0);
	ck_assert(wait_for_waiters(pool, 2));
	atomic_store(&leave_handler, false);
	catch_signals(stay);
	pause_ms(50);
	pthread_kill(s[0].thread, SIGUSR1);
	pause_ms(50);
	give(0);
	let_an_hour_pass();
	give(1);
	ck_assert_int_eq(sleeper_join(&s[1]), 0);
	atomic_store(&leave_handler, true);
	ck_assert_int_eq(sleeper_join(&s[0]), 0);
	sleeper_free(&s[0]);
	sleeper_free(&s[1]);
	end_pool();
}
END_TEST

/* Way 1 asks for a share, of which there is one; way 2 for both. */
static bool may_pass(int way)
{
	struct mempool_core *core = pool->kmp_core;
	bool may;

	core_lock(core);
	may = way == 0 ? waitq_may_take(core, 1) :
	      way == 1 ? waitq_may_claim(core, 1) :
			 waitq_may_take_and_claim(core, 1);
	core_unlock(core);
	return may;
}

START_TEST(who_asks_after_the_bound_finds_that_the_first_was_served)
{
	void *element;
	struct forged f;

	/* What was there when it asked is not there any more. */
	empty_pool(1, (unsigned int)_i, HOUR_NS);
	element = elements[0];
	forge(&f, 1);
	give(0);
	ck_assert_int_eq(f.request.state, REQUEST_QUEUED);
	let_an_hour_pass();
	ck_assert(!may_pass(_i));
	ck_assert_int_eq(f.request.state, REQUEST_GRANTED);
	ck_assert_ptr_eq(f.slots[0], element);
	end_forged(&f);
	end_pool();
}
END_TEST

START_TEST(who_could_have_had_more_than_enough_is_handed_it_after_the_bound)
{
	struct forged f;

	empty_pool(3, 0, HOUR_NS);
	forge(&f, 1);
	give(0);
	give(1);
	ck_assert_int_eq(f.request.state, REQUEST_QUEUED);
	/* It was told of the first. */
	ck_assert_uint_eq(stats_of(pool).free_waiter, 1);
	ck_assert_uint_eq(stats_of(pool).free_reserve, 1);
	let_an_hour_pass();
	give(2);
	end_forged(&f);
	end_pool();
}
END_TEST

START_TEST(who_was_told_in_vain_is_handed_what_comes_after_the_bound)
{
	struct forged f;
	int i;

	empty_pool(2, 0, HOUR_NS);
	forge(&f, 2);
	give(0);
	give(1);
	ck_assert(f.request.told);
	for (i = 0; i < 2; i++) {
		elements[i] = mempool_alloc_preallocated(pool);
		ck_assert_ptr_nonnull(elements[i]);
	}
	give(0);
	let_an_hour_pass();
	ck_assert_ptr_null(come_new(_i));
	give(1);
	end_forged(&f);
	end_pool();
}
END_TEST

/* Plain; on a stack; of a pool with priority inheritance. */
START_TEST(a_signal_that_may_not_come_late_does_not)
{
	struct mempool_core *core;
	struct bed *late;
	struct forged f;

	empty_pool_with(_i == 2 ? MEMPOOL_PRIO_INHERIT : 0, 1, 0, 0);
	core = pool->kmp_core;
	forge(&f, 1);
	f.request.bed_dies = _i == 1;
	core_lock(core);
	ck_assert_int_eq(waitq_give(core, elements[0]), WAITQ_TO_REQUEST);
	late = core->waitq.signal;
	core_unlock(core);
	elements[0] = NULL;
	ck_assert_ptr_eq(late, _i == 0 ? &f.bed : NULL);
	end_forged(&f);
	end_pool();
}
END_TEST

/* ---- who spins --------------------------------------------------------- */

/* What the library sees; 0: as it is, TOO_MANY: more than a cpu_set_t holds. */
#define TOO_MANY	(-1)
static atomic_int seen_cpus;
static atomic_uint nr_looks;

int __real_sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set);
int __wrap_sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set);

int __wrap_sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set)
{
	int nr = atomic_load(&seen_cpus);
	int cpu;

	atomic_fetch_add(&nr_looks, 1);
	if (nr == 0)
		return __real_sched_getaffinity(pid, size, set);
	if (nr == TOO_MANY) {
		errno = EINVAL;
		return -1;
	}
	CPU_ZERO_S(size, set);
	for (cpu = 0; cpu < nr; cpu++)
		CPU_SET_S(cpu, size, set);
	return 0;
}

static void end_spin(void)
{
	uint32_t spin = SPIN_SPINNING;

	spin_stop(&spin, SPIN_ROUSED);
}

START_TEST(nobody_spins_on_one_cpu)
{
	atomic_store(&seen_cpus, 1);
	ck_assert(!spin_begin(1, -1));
}
END_TEST

START_TEST(more_cpus_than_a_mask_can_tell_are_enough)
{
	atomic_store(&seen_cpus, TOO_MANY);
	errno = 4242;
	ck_assert(spin_begin(CPU_SETSIZE - 1, -1));
	ck_assert_int_eq(errno, 4242);
	end_spin();
}
END_TEST

START_TEST(fewer_spin_than_there_are_cpus)
{
	unsigned int nr = 0;

	atomic_store(&seen_cpus, 3);
	while (spin_begin(1, -1))
		nr++;
	ck_assert_uint_eq(nr, 2);
	/* One leaves, one may come. */
	end_spin();
	ck_assert(spin_begin(1, -1));
	ck_assert(!spin_begin(1, -1));
	end_spin();
	end_spin();
}
END_TEST

START_TEST(nobody_spins_where_others_need_the_cpus)
{
	atomic_store(&seen_cpus, 3);
	ck_assert(!spin_begin(3, -1));
	ck_assert(spin_begin(2, -1));
	end_spin();
}
END_TEST

/* Even if nothing is in use: who waits, waits for somebody. */
START_TEST(who_spins_leaves_a_cpu_to_one_at_least)
{
	atomic_store(&seen_cpus, _i);
	ck_assert(spin_begin(0, -1) == (_i > 1));
}
END_TEST

/* Whoever is about to spin for the first time looks at the CPUs.  _i: not there. */
START_TEST(nobody_spins_where_priorities_are_inherited)
{
	struct sleeper s;

	empty_pool_with(_i ? MEMPOOL_PRIO_INHERIT : 0, 1, 0, 0);
	atomic_store(&nr_looks, 0);
	queue(&s, 0);
	ck_assert_uint_eq(atomic_load(&nr_looks), _i ? 0 : 1);
	give(0);
	ck_assert_int_eq(sleeper_join(&s), 0);
	sleeper_free(&s);
	end_pool();
}
END_TEST

/* The last that the process may run on; so the other is CPU 0, if it can be. */
static int bind_to_last_cpu(void)
{
	int cpu = CPU_SETSIZE - 1;
	cpu_set_t set;

	sched_getaffinity(0, sizeof(set), &set);
	while (!CPU_ISSET(cpu, &set))
		cpu--;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
	return cpu;
}

static void *bound_spins(void *arg)
{
	int cpu = bind_to_last_cpu();
	bool *ok = arg;

	ok[0] = !spin_begin(1, cpu);
	ok[1] = spin_begin(1, cpu ? 0 : 1);
	if (ok[1])
		end_spin();
	return NULL;
}

START_TEST(a_bound_thread_spins_for_one_on_another_cpu_only)
{
	bool ok[2] = { false, false };
	pthread_t thread;

	pthread_create(&thread, NULL, bound_spins, ok);
	pthread_join(thread, NULL);
	ck_assert(ok[0]);
	ck_assert(ok[1]);
}
END_TEST

START_TEST(waits_that_were_short_are_spun_through)
{
	uint64_t recent_ns = 0;
	int i;

	ck_assert_uint_gt(spin_budget(recent_ns), 0);
	for (i = 0; i < 100; i++)
		spin_learn(&recent_ns, 5000);
	ck_assert_uint_ge(spin_budget(recent_ns), 5000);
}
END_TEST

START_TEST(waits_that_were_long_are_not)
{
	uint64_t recent_ns = 0;
	int i;

	for (i = 0; i < 20; i++)
		spin_learn(&recent_ns, NSEC_PER_SEC);
	ck_assert_uint_eq(spin_budget(recent_ns), 0);
}
END_TEST

/* Of the time in which it was the first. */
START_TEST(a_pool_learns_from_its_waits)
{
	uint64_t *recent_ns;
	struct forged f;

	empty_pool(1, 0, HOUR_NS);
	recent_ns = &pool->kmp_core->waitq.recent_ns;
	ck_assert_uint_eq(*recent_ns, 0);
	forge(&f, 1);
	let_an_hour_pass();
	give(0);
	ck_assert_uint_eq(*recent_ns, SPIN_MAX_NS / 4);
	end_forged(&f);
	end_pool();
}
END_TEST

START_TEST(a_pool_knows_where_its_last_giver_ran)
{
	struct forged f;

	empty_pool(1, 0, 0);
	ck_assert_int_eq(pool->kmp_core->waitq.giver_cpu, -1);
	forge(&f, 1);
	give(0);
	ck_assert_int_ge(pool->kmp_core->waitq.giver_cpu, 0);
	end_forged(&f);
	end_pool();
}
END_TEST

/* ---- spinning ---------------------------------------------------------- */

START_TEST(a_spinner_is_told_once_and_sees_what_was_written)
{
	uint32_t spin = SPIN_SPINNING;
	unsigned int nr = 0;

	/* Time over: it has left, and nobody can tell it any more. */
	ck_assert_int_eq(spin_until(&spin, &nr, 1, 0, 0), SPIN_AWAY);
	ck_assert_uint_eq(spin, SPIN_AWAY);
	/* Time over as well, but it was told before it left. */
	spin = SPIN_SERVED;
	ck_assert_int_eq(spin_until(&spin, &nr, 1, 0, 0), SPIN_SERVED);
	ck_assert_uint_eq(spin, SPIN_SERVED);
	ck_assert_int_eq(spin_until(&spin, &nr, 1, deadline_now_ns(),
				    DEADLINE_NEVER), SPIN_SERVED);
	spin = SPIN_ROUSED;
	ck_assert_int_eq(spin_until(&spin, &nr, 1, deadline_now_ns(),
				    DEADLINE_NEVER), SPIN_ROUSED);
}
END_TEST

START_TEST(a_spinner_spins_until_its_time_is_over)
{
	uint64_t now = deadline_now_ns(), until = now + 2000000;
	uint32_t spin = SPIN_SPINNING;
	unsigned int nr = 0;

	ck_assert_int_eq(spin_until(&spin, &nr, 1, now, until), SPIN_AWAY);
	ck_assert_uint_ge(deadline_now_ns(), until);
}
END_TEST

static void *put_one_late(void *nr)
{
	pause_ms(5);
	__atomic_store_n((unsigned int *)nr, 1, __ATOMIC_RELAXED);
	return NULL;
}

/* Early or late. */
START_TEST(a_spinner_sees_elements_that_nobody_told_it_of)
{
	uint32_t spin = SPIN_SPINNING;
	unsigned int nr = 1;
	pthread_t thread;

	ck_assert_int_eq(spin_until(&spin, &nr, 1, deadline_now_ns(),
				    DEADLINE_NEVER), SPIN_AWAY);
	nr = 0;
	spin = SPIN_SPINNING;
	pthread_create(&thread, NULL, put_one_late, &nr);
	ck_assert_int_eq(spin_until(&spin, &nr, 1, deadline_now_ns(),
				    DEADLINE_NEVER), SPIN_AWAY);
	pthread_join(thread, NULL);
}
END_TEST

/* A first request is told of what others have taken before it comes. */
static void tell_in_vain(struct sleeper *s, unsigned int count)
{
	struct mempool_core *core = pool->kmp_core;
	unsigned int i;

	queue(s, count);
	core_lock(core);
	for (i = 0; i < count; i++)
		waitq_give(core, elements[i]);
	ck_assert(core->waitq.head->told);
	for (i = 0; i < count; i++)
		elements[i] = reserve_take(&core->reserve);
	core_unlock(core);
}

static bool spins(const struct request *request)
{
	return __atomic_load_n(&request->spin, __ATOMIC_RELAXED) ==
	       SPIN_SPINNING;
}

static bool kept(const struct request *request)
{
	return request->kept;
}

/* Until it is so of the first request; false: that never came. */
static bool wait_for_first(bool (*so)(const struct request *request))
{
	uint64_t end = now_ns() + TEST_TIMEOUT / 2 * NSEC_PER_SEC;
	struct request *head;
	bool came = false;

	while (!came && now_ns() < end) {
		core_lock(pool->kmp_core);
		head = pool->kmp_core->waitq.head;
		came = head && so(head);
		core_unlock(pool->kmp_core);
		pause_ms(1);
	}
	return came;
}

/* It spins for an hour, on whatever CPUs there are. */
static void make_spin(struct sleeper *s)
{
	atomic_store(&seen_cpus, TOO_MANY);
	empty_pool(1, 0, HOUR_NS);
	tell_in_vain(s, 1);
	ck_assert(wait_for_first(spins));
}

START_TEST(who_was_told_in_vain_and_may_not_spin_is_passed_by_nobody)
{
	struct sleeper s;

	/* Two CPUs at most, which who has the elements needs. */
	atomic_store(&seen_cpus, 1);
	empty_pool(2, 0, HOUR_NS);
	tell_in_vain(&s, 2);
	ck_assert(wait_for_first(kept));
	give(0);
	ck_assert_ptr_null(come_new(_i));
	give(1);
	ck_assert_int_eq(sleeper_join(&s), 0);
	sleeper_free(&s);
	end_pool();
}
END_TEST

/* Two of the three elements are in use.  _i: there are as many CPUs. */
START_TEST(who_spins_has_a_cpu_besides_those_of_users)
{
	struct sleeper s;

	atomic_store(&seen_cpus, _i ? 2 : 3);
	empty_pool(3, 0, HOUR_NS);
	give(2);
	tell_in_vain(&s, 2);
	ck_assert(wait_for_first(_i ? kept : spins));
	give(0);
	give(1);
	ck_assert_int_eq(sleeper_join(&s), 0);
	sleeper_free(&s);
	end_pool();
}
END_TEST

/* False: it had seen the element by itself, and comes to the lock for it. */
static bool is_served_while_it_spins(void)
{
	struct mempool_core *core;
	struct sleeper s;
	bool served;

	make_spin(&s);
	core = pool->kmp_core;
	core_lock(core);
	core->waitq.head->first_ns -= HOUR_NS;
	ck_assert_int_eq(waitq_give(core, elements[0]), WAITQ_TO_REQUEST);
	elements[0] = NULL;
	/* If so, nobody is inside who could still touch the pool. */
	served = core->waitq.nr_inside == 0;
	if (served)
		ck_assert_int_eq(sleeper_join(&s), 0);
	core_unlock(core);
	if (!served)
		ck_assert_int_eq(sleeper_join(&s), 0);
	sleeper_free(&s);
	end_pool();
	return served;
}

START_TEST(who_is_served_while_it_spins_needs_no_lock)
{
	unsigned int i;

	for (i = 0; i < 20; i++)
		if (is_served_while_it_spins())
			return;
	ck_abort_msg("it always came to the lock");
}
END_TEST

START_TEST(who_spins_is_reached_by_a_kick)
{
	struct sleeper s;

	make_spin(&s);
	backend_give(&b, 1);
	mempool_kick(pool);
	ck_assert_int_eq(sleeper_join(&s), 0);
	sleeper_free(&s);
	end_pool();
}
END_TEST

START_TEST(who_spins_is_reached_by_a_shutdown)
{
	struct sleeper s;

	make_spin(&s);
	mempool_shutdown(pool);
	ck_assert_int_eq(sleeper_join(&s), ECANCELED);
	end_pool();
}
END_TEST

START_TEST(who_spins_does_so_no_longer_than_until_the_next_retry)
{
	struct sleeper s;

	atomic_store(&seen_cpus, TOO_MANY);
	empty_pool(1, 0, HOUR_NS);
	queue(&s, 1);
	backend_give(&b, 1);
	core_lock(pool->kmp_core);
	pool->kmp_core->retry.due_ns = deadline_now_ns() + 200 * NSEC_PER_MSEC;
	waitq_give(pool->kmp_core, elements[0]);
	elements[0] = reserve_take(&pool->kmp_core->reserve);
	core_unlock(pool->kmp_core);
	ck_assert_int_eq(sleeper_join(&s), 0);
	ck_assert_uint_eq(stats_of(pool).curr_nr, 0);
	sleeper_free(&s);
	end_pool();
}
END_TEST

/* Two threads to and fro through two pools: what one waits for the other gives
 * at once, so they spin, and are served while they do. */
#define NR_PASSES	20000
struct player {
	mempool_t	*from, *to;
	bool		ok;
};

static void *play(void *arg)
{
	struct player *player = arg;
	void *element;
	int i;

	player->ok = true;
	for (i = 0; i < NR_PASSES; i++) {
		element = mempool_alloc(player->from, GFP_KERNEL);
		player->ok = player->ok && element;
		mempool_free(element, player->to);
	}
	return NULL;
}

START_TEST(every_pass_of_two_players_arrives)
{
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;
	struct player players[2];
	pthread_t threads[2];
	mempool_t *pools[2];
	void *ball, *other;
	int i;

	attr.flags = MEMPOOL_FIXED;
	for (i = 0; i < 2; i++)
		pools[i] = mempool_create_attr(1, mempool_kmalloc,
					       mempool_kfree, (void *)64,
					       &attr);
	ball = mempool_alloc(pools[0], GFP_KERNEL);
	other = mempool_alloc(pools[1], GFP_KERNEL);
	for (i = 0; i < 2; i++) {
		players[i] = (struct player){ pools[i], pools[!i], false };
		pthread_create(&threads[i], NULL, play, &players[i]);
	}
	mempool_free(ball, pools[0]);
	for (i = 0; i < 2; i++) {
		pthread_join(threads[i], NULL);
		ck_assert(players[i].ok);
	}
	mempool_free(other, pools[1]);
	for (i = 0; i < 2; i++) {
		ck_assert_uint_eq(stats_of(pools[i]).waiters, 0);
		ck_assert_uint_eq(pools[i]->kmp_core->waitq.nr_inside, 0);
		mempool_destroy(pools[i]);
	}
}
END_TEST

static Suite *policy(void)
{
	Suite *suite = suite_create("policy");
	TCase *bound = tcase_create("bound");
	TCase *who = tcase_create("who spins");
	TCase *spinning = tcase_create("spinning");

	tcase_set_timeout(bound, TEST_TIMEOUT);
	tcase_add_test(bound, the_bound_is_what_the_manual_says);
	tcase_add_loop_test(bound, newcomers_may_pass_within_the_bound,
			    0, NR_WAYS);
	tcase_add_loop_test(bound, nobody_passes_when_the_bound_has_passed,
			    0, NR_WAYS);
	tcase_add_test(bound, the_bound_counts_from_becoming_the_first);
	tcase_add_loop_test(bound, shares_obey_the_bound, 0, 2);
	tcase_add_test(bound, what_is_freed_within_the_bound_wakes_the_first);
	tcase_add_test(bound, what_is_freed_after_the_bound_is_handed_over);
	tcase_add_test(bound,
		an_endless_stream_of_newcomers_ends_at_the_bound);
	tcase_add_loop_test(bound, nobody_passes_while_a_deadline_is_near,
			    0, NR_WAYS);
	tcase_add_test(bound, a_deadline_that_is_far_presses_nobody);
	tcase_add_test(bound, a_deadline_that_is_gone_presses_nobody);
	tcase_add_test(bound, without_a_bound_the_first_is_kept_at_once);
	tcase_add_test(bound, a_pool_with_priority_inheritance_has_no_bound);
	tcase_add_loop_test(bound,
		what_was_fetched_for_those_who_wait_goes_to_the_first,
			    0, NR_WAYS);
	tcase_add_test(bound, what_comes_back_at_once_serves_all_who_wait);
	tcase_add_test(bound, free_bulk_takes_what_all_who_wait_can_use);
	tcase_add_test(bound,
		a_smaller_min_nr_takes_nothing_from_who_was_told);
	tcase_add_test(bound,
		who_does_not_come_for_its_element_is_handed_it_after_the_bound);
	tcase_add_loop_test(bound,
		who_asks_after_the_bound_finds_that_the_first_was_served,
			    0, NR_WAYS);
	tcase_add_test(bound,
		who_could_have_had_more_than_enough_is_handed_it_after_the_bound);
	tcase_add_loop_test(bound,
		who_was_told_in_vain_is_handed_what_comes_after_the_bound,
			    0, NR_WAYS);
	tcase_add_loop_test(bound, a_signal_that_may_not_come_late_does_not,
			    0, 3);
	suite_add_tcase(suite, bound);

	tcase_set_timeout(who, TEST_TIMEOUT);
	tcase_add_test(who, nobody_spins_on_one_cpu);
	tcase_add_test(who, more_cpus_than_a_mask_can_tell_are_enough);
	tcase_add_test(who, fewer_spin_than_there_are_cpus);
	tcase_add_test(who, nobody_spins_where_others_need_the_cpus);
	tcase_add_loop_test(who, who_spins_leaves_a_cpu_to_one_at_least,
			    1, 3);
	tcase_add_loop_test(who, nobody_spins_where_priorities_are_inherited,
			    0, 2);
	tcase_add_test(who, a_bound_thread_spins_for_one_on_another_cpu_only);
	tcase_add_test(who, waits_that_were_short_are_spun_through);
	tcase_add_test(who, waits_that_were_long_are_not);
	tcase_add_test(who, a_pool_learns_from_its_waits);
	tcase_add_test(who, a_pool_knows_where_its_last_giver_ran);
	suite_add_tcase(suite, who);

	tcase_set_timeout(spinning, TEST_TIMEOUT);
	tcase_set_tags(spinning, "spins");	/* for do_drd in tools/qa.sh */
	tcase_add_test(spinning,
		a_spinner_is_told_once_and_sees_what_was_written);
	tcase_add_test(spinning, a_spinner_spins_until_its_time_is_over);
	tcase_add_test(spinning,
		a_spinner_sees_elements_that_nobody_told_it_of);
	tcase_add_loop_test(spinning,
		who_spins_has_a_cpu_besides_those_of_users, 0, 2);
	tcase_add_loop_test(spinning,
		who_was_told_in_vain_and_may_not_spin_is_passed_by_nobody,
			    0, NR_WAYS);
	tcase_add_test(spinning, who_is_served_while_it_spins_needs_no_lock);
	tcase_add_test(spinning, who_spins_is_reached_by_a_kick);
	tcase_add_test(spinning, who_spins_is_reached_by_a_shutdown);
	tcase_add_test(spinning,
		who_spins_does_so_no_longer_than_until_the_next_retry);
	tcase_add_test(spinning, every_pass_of_two_players_arrives);
	suite_add_tcase(suite, spinning);
	return suite;
}

int main(void)
{
	return run_suite(policy());
}
