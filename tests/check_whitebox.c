/* SPDX-License-Identifier: MIT */
/*
 * check_whitebox.c - what the public calls cannot show
 *
 * Covers: counters (blocks, columns, the shared cell, thread exit, fork), the
 * gate, deadline arithmetic, and what happens in between when two threads are
 * where no callback can hold them.  Linked with the library's own objects and
 * with some calls wrapped, so that a thread can be refused its block, or a pool
 * its lock, and something can happen while one asks for memory.
 */
#include "config.h"

#include <check.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kmempool/kmalloc.h>
#include <kmempool/mempool.h>

#include "backend.h"
#include "compiler.h"
#include "core.h"
#include "counters.h"
#include "deadline.h"
#include "suite.h"
#include "testlib.h"

static bool refuse_mmap;
/* Its lock is not to be held then. */
static struct mempool_core *_Atomic watched;
static bool asked_under_lock;
static atomic_uint nr_asked;		/* while it was watched */

void *__real_mmap(void *addr, size_t length, int prot, int flags, int fd,
		  off_t offset);
void *__wrap_mmap(void *addr, size_t length, int prot, int flags, int fd,
		  off_t offset);

void *__wrap_mmap(void *addr, size_t length, int prot, int flags, int fd,
		  off_t offset)
{
	struct mempool_core *core = watched;

	if (core && pthread_spin_trylock(&core->lock.word))
		asked_under_lock = true;
	else if (core)
		pthread_spin_unlock(&core->lock.word);
	if (core)
		atomic_fetch_add(&nr_asked, 1);
	if (refuse_mmap) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	return __real_mmap(addr, length, prot, flags, fd, offset);
}

static struct timespec standing;
static atomic_bool clock_stands;

int __real_clock_gettime(clockid_t clock, struct timespec *ts);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ts);

int __wrap_clock_gettime(clockid_t clock, struct timespec *ts)
{
	if (!atomic_load(&clock_stands))
		return __real_clock_gettime(clock, ts);
	*ts = standing;
	return 0;
}

static bool refuse_setspecific;

int __real_pthread_setspecific(pthread_key_t key, const void *value);
int __wrap_pthread_setspecific(pthread_key_t key, const void *value);

int __wrap_pthread_setspecific(pthread_key_t key, const void *value)
{
	return refuse_setspecific ? ENOMEM
				  : __real_pthread_setspecific(key, value);
}

static bool refuse_inheritance;

int __real_pthread_mutexattr_setprotocol(pthread_mutexattr_t *attr,
					 int protocol);
int __wrap_pthread_mutexattr_setprotocol(pthread_mutexattr_t *attr,
					 int protocol);

int __wrap_pthread_mutexattr_setprotocol(pthread_mutexattr_t *attr,
					 int protocol)
{
	return refuse_inheritance ? ENOTSUP :
	       __real_pthread_mutexattr_setprotocol(attr, protocol);
}

static void (*in_calloc)(void);		/* called once */
static unsigned int nr_callocs;

void *__real_calloc(size_t nr, size_t size);
void *__wrap_calloc(size_t nr, size_t size);

void *__wrap_calloc(size_t nr, size_t size)
{
	void (*fn)(void) = in_calloc;

	nr_callocs++;
	in_calloc = NULL;
	if (fn)
		fn();
	return __real_calloc(nr, size);
}

static mempool_t *pool;

static void make_pool(void)
{
	pool = mempool_create_kmalloc_pool(2, 64);
}

static void end_pool(void)
{
	mempool_destroy(pool);
}

static bool gate_open(void)
{
	return pool->kmp_gate != COUNTERS_CLOSED;
}

/* In a thread of its own; what it records is read after the join. */
struct pairs {
	mempool_t	*pool;
	long		nr;
	intptr_t	base_before;
	intptr_t	base_after;
	struct bed	*bed;
	int		errno_after;
};

static void *do_pairs(void *arg)
{
	struct pairs *pairs = arg;
	long i;

	pairs->base_before = counters_base;
	errno = 4242;
	for (i = 0; i < pairs->nr; i++)
		mempool_free(mempool_alloc(pairs->pool, GFP_KERNEL),
			     pairs->pool);
	pairs->base_after = counters_base;
	pairs->errno_after = errno;
	pairs->bed = counters_own_bed();
	return NULL;
}

static void run_pairs(struct pairs *pairs)
{
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, do_pairs, pairs), 0);
	pthread_join(thread, NULL);
}

/* ---- layout ------------------------------------------------------------ */

START_TEST(a_pool_is_at_most_128_bytes_naturally_aligned)
{
	ck_assert_uint_le(sizeof(mempool_t), 128);
	ck_assert_uint_le(_Alignof(mempool_t), _Alignof(max_align_t));
}
END_TEST

/* ---- the gate ---------------------------------------------------------- */

START_TEST(gate_is_open_while_the_reserve_is_full_and_nobody_waits)
{
	ck_assert(gate_open());
}
END_TEST

/* A success of the backend opens it. */
static void one_pair(void)
{
	mempool_free(mempool_alloc(pool, GFP_KERNEL), pool);
}

START_TEST(gate_closes_before_a_reserve_element_is_out_and_opens_again)
{
	void *element = mempool_alloc_preallocated(pool);

	ck_assert_ptr_nonnull(element);
	ck_assert(!gate_open());
	mempool_free(element, pool);
	ck_assert_uint_eq(stats_of(pool).free_reserve, 1);
	one_pair();
	ck_assert(gate_open());
}
END_TEST

START_TEST(gate_stays_closed_while_the_backend_gives_nothing)
{
	void *element = mempool_alloc_preallocated(pool);

	/* Not opened with every other free: its line is everybody's. */
	mempool_free(element, pool);
	ck_assert(!gate_open());
}
END_TEST

START_TEST(gate_stays_closed_while_the_reserve_is_short)
{
	void *element = mempool_alloc_preallocated(pool);
	void *other = mempool_alloc(pool, GFP_KERNEL);

	ck_assert(!gate_open());
	mempool_free(other, pool);
	ck_assert_uint_eq(stats_of(pool).curr_nr, 2);
	mempool_free(element, pool);
}
END_TEST

START_TEST(gate_follows_a_resize)
{
	void *element = mempool_alloc_preallocated(pool);

	ck_assert_int_eq(mempool_resize(pool, 1), 0);
	one_pair();
	ck_assert(gate_open());
	ck_assert_int_eq(mempool_resize(pool, 0), 0);
	ck_assert(!gate_open());
	mempool_free(element, pool);
	ck_assert_uint_eq(stats_of(pool).free_backend, 2);
}
END_TEST

/* ---- defaults ---------------------------------------------------------- */

START_TEST(a_backend_is_retried_every_100_ms_unless_told)
{
	ck_assert_uint_eq(pool->kmp_core->retry.period_ns,
			  100 * NSEC_PER_MSEC);
}
END_TEST

static void *malloc_64(gfp_t gfp_mask, void *pool_data)
{
	(void)gfp_mask;
	(void)pool_data;
	return malloc(64);
}

static void *no_memory(gfp_t gfp_mask, void *pool_data)
{
	(void)gfp_mask;
	(void)pool_data;
	return NULL;
}

START_TEST(an_unknown_backend_has_no_known_size)
{
	size_t size = 1;

	ck_assert_int_eq(backend_element_size(malloc_64, NULL, &size), 0);
	ck_assert_uint_eq(size, 0);
}
END_TEST

/* ---- the short path ---------------------------------------------------- */

static uint64_t counted_in_free_fn;

static void free_and_look(void *element, void *pool_data)
{
	counted_in_free_fn = stats_of(*(mempool_t **)pool_data).free_backend;
	free(element);
}

/* Whoever drains and then ends the backend relies on it. */
START_TEST(a_free_is_counted_after_free_fn_has_returned)
{
	mempool_t *p;
	int i;

	p = mempool_create(_i, malloc_64, free_and_look, &p);
	ck_assert_ptr_nonnull(p);
	/* The first pair makes the thread's block, the second is short. */
	for (i = 0; i < 2; i++) {
		mempool_free(mempool_alloc(p, GFP_KERNEL), p);
		ck_assert_uint_eq(counted_in_free_fn, i);
		ck_assert_uint_eq(stats_of(p).free_backend, i + 1);
	}
	mempool_destroy(p);
}
END_TEST

START_TEST(a_pair_served_by_the_backend_takes_no_lock)
{
	struct pairs pairs = { .pool = pool, .nr = 1000 };

	/* Who takes it now hangs, and the test with it. */
	core_lock(pool->kmp_core);
	run_pairs(&pairs);
	pool_lock_release(&pool->kmp_core->lock);
	ck_assert_uint_eq(stats_of(pool).free_backend, 1000);
}
END_TEST

START_TEST(a_pair_served_by_the_backend_writes_nothing_of_the_pool)
{
	struct pairs pairs = { .pool = pool, .nr = 1000 };
	struct mempool_core core_before = *pool->kmp_core;
	mempool_t pool_before = *pool;

	run_pairs(&pairs);
	ck_assert_mem_eq(pool, &pool_before, sizeof(*pool));
	ck_assert_mem_eq(pool->kmp_core, &core_before, sizeof(core_before));
}
END_TEST

/* ---- counters ---------------------------------------------------------- */

START_TEST(a_thread_gets_a_block_at_its_first_use)
{
	struct pairs pairs = { .pool = pool, .nr = 1 };

	run_pairs(&pairs);
	ck_assert_int_lt(pairs.base_before, 0);
	ck_assert_int_ge(pairs.base_after, 0);
}
END_TEST

/* _i: by bulk. */
START_TEST(nobody_asks_for_memory_with_the_lock_held)
{
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;
	void *elements[2] = { NULL, NULL };
	struct sleeper s;
	mempool_t *p;

	/* A thread that waits before it has counted anything. */
	attr.flags = MEMPOOL_FIXED;
	p = mempool_create_attr(2, mempool_kmalloc, mempool_kfree, (void *)64,
				&attr);
	elements[0] = mempool_alloc_preallocated(p);
	if (!_i)
		elements[1] = mempool_alloc_preallocated(p);
	asked_under_lock = false;
	watched = p->kmp_core;
	sleeper_start(&s, p, _i ? 2 : 0);
	/* This thread looks at the pool, and so takes the lock, afterwards. */
	while (!atomic_load(&nr_asked))
		usleep(100);
	watched = NULL;
	ck_assert(wait_for_waiters(p, 1));
	mempool_free(elements[0], p);
	mempool_free(elements[1], p);
	ck_assert_int_eq(sleeper_join(&s), 0);
	ck_assert(!asked_under_lock);
	sleeper_free(&s);
	mempool_destroy(p);
}
END_TEST

START_TEST(an_ended_threads_block_goes_to_the_next_with_its_counts)
{
	struct pairs first = { .pool = pool, .nr = 10 };
	struct pairs second = { .pool = pool, .nr = 5 };

	run_pairs(&first);
	run_pairs(&second);
	ck_assert_int_eq(first.base_after, second.base_after);
	ck_assert_uint_eq(stats_of(pool).alloc_backend, 15);
	ck_assert_uint_eq(stats_of(pool).free_backend, 15);
}
END_TEST

START_TEST(a_thread_refused_a_block_counts_all_the_same)
{
	struct pairs pairs = { .pool = pool, .nr = 100 };

	refuse_mmap = true;
	run_pairs(&pairs);
	refuse_mmap = false;
	/* It does not ask again. */
	ck_assert_int_eq(pairs.base_after, COUNTERS_NEVER);
	ck_assert_int_eq(pairs.errno_after, 4242);
	ck_assert_uint_eq(stats_of(pool).alloc_backend, 100);
	ck_assert_uint_eq(stats_of(pool).free_backend, 100);
	ck_assert_int_eq(stats_of(pool).outstanding, 0);
}
END_TEST

START_TEST(a_program_without_a_key_to_spare_counts_all_the_same)
{
	struct pairs pairs = { .pool = pool, .nr = 100 };
	pthread_key_t key;

	/* It has taken them all before the library asked for one. */
	while (pthread_key_create(&key, NULL) == 0)
		;
	run_pairs(&pairs);
	ck_assert_int_lt(pairs.base_after, 0);
	ck_assert_int_eq(pairs.errno_after, 4242);
	ck_assert_uint_eq(stats_of(pool).alloc_backend, 100);
	ck_assert_uint_eq(stats_of(pool).free_backend, 100);
}
END_TEST

START_TEST(a_block_that_cannot_be_given_back_at_exit_goes_to_another_thread)
{
	struct pairs first = { .pool = pool, .nr = 10 };
	struct pairs second = { .pool = pool, .nr = 5 };

	refuse_setspecific = true;
	run_pairs(&first);
	refuse_setspecific = false;
	ck_assert_int_lt(first.base_after, 0);
	ck_assert_int_eq(first.errno_after, 4242);
	refuse_mmap = true;
	run_pairs(&second);
	refuse_mmap = false;
	ck_assert_int_ge(second.base_after, 0);
	ck_assert_uint_eq(stats_of(pool).alloc_backend, 15);
	ck_assert_uint_eq(stats_of(pool).free_backend, 15);
}
END_TEST

/* The backend gives nothing more. */
static void take_all(void **elems)
{
	elems[0] = mempool_alloc_preallocated(pool);
	elems[1] = mempool_alloc_preallocated(pool);
	pool->kmp_core->alloc_fn = no_memory;
	pool->kmp_alloc_fn = no_memory;
}

/* The bed is on the stack, then. */
static void queue_on_stack(struct sleeper *s)
{
	struct mempool_core *core = pool->kmp_core;
	bool on_stack;

	sleeper_start(s, pool, 0);
	ck_assert(wait_for_waiters(pool, 1));
	core_lock(core);
	on_stack = core->waitq.head->bed_dies;
	core_unlock(core);
	ck_assert(on_stack);
}

/* A wait that ends by a free, by cancellation, by its deadline. */
START_TEST(a_thread_refused_a_block_waits_all_the_same)
{
	struct mempool_core *core = pool->kmp_core;
	struct sleeper s;
	void *elems[2];

	take_all(elems);
	refuse_mmap = true;
	if (_i == 0) {
		queue_on_stack(&s);
		mempool_free(elems[0], pool);
		ck_assert_int_eq(sleeper_join(&s), 0);
		elems[0] = s.elems[0];
	} else if (_i == 1) {
		queue_on_stack(&s);
		ck_assert(sleeper_cancel(&s));
	} else {
		sleeper_start_until(&s, pool, 0, GFP_KERNEL,
				    deadline_in_ms(50));
		ck_assert_int_eq(sleeper_join(&s), ETIMEDOUT);
	}
	refuse_mmap = false;
	mempool_free(elems[0], pool);
	mempool_free(elems[1], pool);
	ck_assert_uint_eq(stats_of(pool).curr_nr, 2);
	ck_assert_uint_eq(core->waitq.nr_inside, 0);
}
END_TEST

static intptr_t base_when_late;

static void free_late(void *element)
{
	base_when_late = counters_base;
	mempool_free(element, pool);
}

static void *exit_with_element(void *arg)
{
	pthread_key_t *late = arg;
	void *element = mempool_alloc(pool, GFP_KERNEL);

	/* Made after the library's own key: glibc runs it later. */
	pthread_key_create(late, free_late);
	pthread_setspecific(*late, element);
	return NULL;
}

START_TEST(a_free_after_the_threads_block_is_gone_counts)
{
	pthread_key_t late;
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, exit_with_element,
					&late), 0);
	pthread_join(thread, NULL);
	pthread_key_delete(late);
	/* Its block may be another thread's by then. */
	ck_assert_int_lt(base_when_late, 0);
	ck_assert_uint_eq(stats_of(pool).alloc_backend, 1);
	ck_assert_uint_eq(stats_of(pool).free_backend, 1);
}
END_TEST

struct meeting {
	pthread_barrier_t	barrier;
	intptr_t		bases[2];
	atomic_int		nr;
};

static void *use_and_meet(void *arg)
{
	struct meeting *meeting = arg;

	mempool_free(mempool_alloc(pool, GFP_KERNEL), pool);
	meeting->bases[atomic_fetch_add(&meeting->nr, 1)] = counters_base;
	pthread_barrier_wait(&meeting->barrier);
	return NULL;
}

static void meet(struct meeting *meeting)
{
	pthread_t threads[2];
	int i;

	atomic_init(&meeting->nr, 0);
	pthread_barrier_init(&meeting->barrier, NULL, 2);
	for (i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL,
						use_and_meet, meeting), 0);
	for (i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&meeting->barrier);
}

START_TEST(the_blocks_of_two_ended_threads_serve_two_others)
{
	struct meeting first, second;

	meet(&first);
	refuse_mmap = true;
	meet(&second);
	refuse_mmap = false;
	ck_assert_int_ge(second.bases[0], 0);
	ck_assert_int_ge(second.bases[1], 0);
	ck_assert_int_ne(second.bases[0], second.bases[1]);
}
END_TEST

/* Whether the child exits with 0. */
static bool in_child(int (*fn)(void))
{
	int status = -1;
	pid_t child = fork();

	if (child == 0)
		_exit(fn());
	return child > 0 && waitpid(child, &status, 0) == child && !status;
}

static int child_uses_another_block(void)
{
	struct pairs pairs = { .pool = pool, .nr = 1 };
	pthread_t thread;

	if (pthread_create(&thread, NULL, do_pairs, &pairs))
		return 2;
	pthread_join(thread, NULL);
	return pairs.base_after < 0 || pairs.base_after == counters_base;
}

/* Two threads that add to one cell lose counts. */
START_TEST(the_block_of_a_thread_that_forked_stays_its_own_in_the_child)
{
	struct pairs pairs = { .pool = pool, .nr = 1 };

	do_pairs(&pairs);
	ck_assert_int_ge(counters_base, 0);
	ck_assert(in_child(child_uses_another_block));
}
END_TEST

static atomic_bool has_block, may_end;

static void *keep_a_block(void *arg)
{
	mempool_free(mempool_alloc(pool, GFP_KERNEL), pool);
	atomic_store(&has_block, true);
	wait_for_flag(&may_end);
	return arg;
}

/* By the thread that forked, which has none yet. */
static int child_gets_the_block(void)
{
	struct pairs pairs = { .pool = pool, .nr = 1 };

	refuse_mmap = true;
	do_pairs(&pairs);
	return pairs.base_before >= 0 || pairs.base_after < 0;
}

START_TEST(the_block_of_a_thread_that_the_child_has_not_serves_there)
{
	pthread_t thread;
	bool got;

	ck_assert_int_eq(pthread_create(&thread, NULL, keep_a_block, NULL), 0);
	ck_assert(wait_for_flag(&has_block));
	got = in_child(child_gets_the_block);
	atomic_store(&may_end, true);
	pthread_join(thread, NULL);
	ck_assert(got);
}
END_TEST

static int child_gets_two_blocks(void)
{
	struct meeting meeting;

	refuse_mmap = true;
	meet(&meeting);
	return meeting.bases[0] < 0 || meeting.bases[1] < 0;
}

START_TEST(the_blocks_of_two_threads_serve_two_in_the_child)
{
	struct meeting meeting;

	meet(&meeting);
	ck_assert(in_child(child_gets_two_blocks));
}
END_TEST

static struct bed *bed;

static int child_finds_bed_locked(void)
{
	return pthread_mutex_trylock(&bed->lock) != 0;
}

/* As if another thread was about to rouse who sleeps there. */
START_TEST(a_bed_that_is_locked_at_a_fork_is_not_so_in_the_child)
{
	struct pairs pairs = { .pool = pool, .nr = 1 };
	bool unlocked;

	run_pairs(&pairs);
	bed = pairs.bed;
	pthread_mutex_lock(&bed->lock);
	unlocked = in_child(child_finds_bed_locked);
	pthread_mutex_unlock(&bed->lock);
	ck_assert(unlocked);
}
END_TEST

#define MANY	300

/* What a thread counts there is not where it sleeps. */
static void assert_in_block(mempool_t *p)
{
	intptr_t offset = p->kmp_core->slot->offset;

	if (offset != COUNTERS_SHARED)
		ck_assert((void *)(counters_cell(counters_base + offset) + 1) <=
			  (void *)counters_own_bed());
}

START_TEST(pools_beyond_the_columns_count_without_the_lock)
{
	mempool_t *pools[MANY];
	int i;

	for (i = 0; i < MANY; i++) {
		struct pairs pairs = { .nr = 3 };

		pools[i] = mempool_create_kmalloc_pool(1, 64);
		ck_assert_ptr_nonnull(pools[i]);
		pairs.pool = pools[i];
		do_pairs(&pairs);
		assert_in_block(pools[i]);
	}
	ck_assert_int_eq(pools[MANY - 1]->kmp_gate, COUNTERS_SHARED);
	core_lock(pools[MANY - 1]->kmp_core);
	mempool_free(mempool_alloc(pools[MANY - 1], GFP_KERNEL),
		     pools[MANY - 1]);
	pool_lock_release(&pools[MANY - 1]->kmp_core->lock);
	for (i = 0; i < MANY; i++) {
		uint64_t nr = i == MANY - 1 ? 4 : 3;

		ck_assert_uint_eq(stats_of(pools[i]).alloc_backend, nr);
		ck_assert_uint_eq(stats_of(pools[i]).free_backend, nr);
		mempool_destroy(pools[i]);
	}
	/* Columns come back, with nothing in them. */
	for (i = 0; i < MANY; i++) {
		pools[i] = mempool_create_kmalloc_pool(1, 64);
		ck_assert_ptr_nonnull(pools[i]);
		ck_assert_uint_eq(stats_of(pools[i]).alloc_backend, 0);
		ck_assert_uint_eq(stats_of(pools[i]).free_backend, 0);
	}
	ck_assert_int_ge(pools[0]->kmp_gate, 0);
	for (i = 0; i < MANY; i++)
		mempool_destroy(pools[i]);
}
END_TEST

/* ---- in between -------------------------------------------------------- */

/* Cancelled, but not yet out of pthread_cond_wait(), for want of the lock. */
START_TEST(what_is_granted_to_a_request_under_cancellation_comes_back)
{
	struct mempool_core *core;
	struct backend b;
	struct sleeper s;
	void *elems[2];
	mempool_t *p;

	backend_init(&b, 64);
	p = pool_over(&b, 2, 0);
	ck_assert_ptr_nonnull(p);
	core = p->kmp_core;
	elems[0] = mempool_alloc_preallocated(p);
	elems[1] = mempool_alloc_preallocated(p);
	backend_give(&b, 0);
	sleeper_start(&s, p, 2);
	ck_assert(wait_for_waiters(p, 1));
	core_lock(core);
	pthread_cancel(s.thread);
	pause_ms(50);
	waitq_give(core, elems[0]);
	waitq_give(core, elems[1]);
	core_unlock(core);
	/* A C library may let the wake-up win. */
	if (!sleeper_cancel(&s))
		sleeper_free(&s);
	ck_assert_uint_eq(stats_of(p).curr_nr, 2);
	ck_assert_uint_eq(stats_of(p).alloc_handoff, 2);
	ck_assert(pool_end(p, &b));
}
END_TEST

/* A request waits for so long, as the clock says. */
static void wait_for_ns(uint64_t ns)
{
	struct mempool_core *core = pool->kmp_core;
	struct sleeper s;
	void *elems[2];

	take_all(elems);
	sleeper_start(&s, pool, 0);
	ck_assert(wait_for_waiters(pool, 1));
	clock_gettime(CLOCK_MONOTONIC, &standing);
	atomic_store(&clock_stands, true);
	core_lock(core);
	core->waitq.head->since_ns = deadline_now_ns() - ns;
	core_unlock(core);
	mempool_free(elems[0], pool);
	ck_assert_int_eq(sleeper_join(&s), 0);
	atomic_store(&clock_stands, false);
	sleeper_free(&s);
	mempool_free(elems[1], pool);
}

START_TEST(a_wait_longer_than_any_bucket_counts_in_the_last)
{
	wait_for_ns(UINT64_MAX / 2);
	ck_assert_uint_eq(
		stats_of(pool).wait_hist[MEMPOOL_WAIT_BUCKETS - 1], 1);
}
END_TEST

START_TEST(a_wait_shorter_than_a_microsecond_counts_in_the_first)
{
	wait_for_ns(0);
	ck_assert_uint_eq(stats_of(pool).wait_hist[0], 1);
}
END_TEST

static void grow_meanwhile(void)
{
	ck_assert_int_eq(mempool_resize(pool, 64), 0);
}

START_TEST(a_growth_overtaken_by_a_larger_one_keeps_its_room)
{
	struct mempool_core *core = pool->kmp_core;

	in_calloc = grow_meanwhile;
	ck_assert_int_eq(mempool_resize(pool, 8), 0);
	ck_assert_uint_eq(core->reserve.cap, 64);
	ck_assert_uint_eq(stats_of(pool).min_nr, 8);
	ck_assert_uint_eq(stats_of(pool).curr_nr, 8);
}
END_TEST

/* ---- priority inheritance ---------------------------------------------- */

static mempool_t *make_inheriting(void)
{
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;

	attr.flags = MEMPOOL_PRIO_INHERIT;
	return mempool_create_attr(1, mempool_kmalloc, mempool_kfree,
				   (void *)64, &attr);
}

START_TEST(a_pool_refused_inheritance_is_not_made)
{
	refuse_inheritance = true;
	errno = 0;
	ck_assert_ptr_null(make_inheriting());
	ck_assert_int_eq(errno, ENOMEM);
	refuse_inheritance = false;
}
END_TEST

static int child_uses(mempool_t *p)
{
	void *element = mempool_alloc_preallocated(p);

	if (!element)
		return 2;
	mempool_free(element, p);
	return stats_of(p).curr_nr != 1;
}

START_TEST(a_child_refused_inheritance_has_a_lock_without)
{
	mempool_t *p = make_inheriting();
	int status = -1;
	pid_t child;

	ck_assert_ptr_nonnull(p);
	refuse_inheritance = true;
	child = fork();
	if (child == 0) {
		/* Not to hang for ever, if it hangs. */
		alarm(60);
		_exit(child_uses(p));
	}
	refuse_inheritance = false;
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	mempool_destroy(p);
}
END_TEST

/* ---- room -------------------------------------------------------------- */

START_TEST(pools_take_the_places_of_those_that_ended)
{
	mempool_t *pools[2];
	int i, round;

	for (round = 0; round < 2; round++) {
		nr_callocs = 0;
		for (i = 0; i < 2; i++)
			pools[i] = mempool_create_kmalloc_pool(1, 64);
		for (i = 0; i < 2; i++)
			mempool_destroy(pools[i]);
	}
	/* For the reserves alone. */
	ck_assert_uint_eq(nr_callocs, 2);
}
END_TEST

START_TEST(the_first_growth_of_an_empty_pool_asks_for_room)
{
	mempool_t *p = mempool_create_kmalloc_pool(0, 64);

	ck_assert_ptr_nonnull(p);
	/* So that there is a general cache for the size. */
	kfree(kmalloc(64, GFP_KERNEL));
	nr_callocs = 0;
	ck_assert_int_eq(mempool_resize(p, 2), 0);
	ck_assert_uint_eq(nr_callocs, 1);
	mempool_destroy(p);
}
END_TEST

/* ---- deadlines --------------------------------------------------------- */

static uint64_t deadline_of(time_t sec, long nsec)
{
	struct timespec ts = { .tv_sec = sec, .tv_nsec = nsec };
	uint64_t ns = 1;

	ck_assert_int_eq(deadline_from_timespec(&ts, &ns), 0);
	return ns;
}

START_TEST(no_deadline_is_never)
{
	uint64_t ns = 1;

	ck_assert_int_eq(deadline_from_timespec(NULL, &ns), 0);
	ck_assert_uint_eq(ns, DEADLINE_NEVER);
}
END_TEST

START_TEST(a_deadline_too_late_for_64_bits_is_never)
{
	time_t last = (time_t)(UINT64_MAX / NSEC_PER_SEC);

	if (sizeof(time_t) < sizeof(uint64_t))
		return;
	ck_assert_uint_eq(deadline_of(last, 0), DEADLINE_NEVER);
	ck_assert_uint_eq(deadline_of(LONG_MAX, 999999999), DEADLINE_NEVER);
	ck_assert_uint_lt(deadline_of(last - 1, 999999999), DEADLINE_NEVER);
}
END_TEST

START_TEST(a_deadline_before_the_clock_began_is_zero)
{
	ck_assert_uint_eq(deadline_of(-1, 999999999), 0);
}
END_TEST

START_TEST(nanoseconds_out_of_range_are_refused)
{
	struct timespec ts = { .tv_nsec = 1000000000 };
	uint64_t ns;

	ck_assert_int_eq(deadline_from_timespec(&ts, &ns), -EINVAL);
	ts.tv_nsec = -1;
	ck_assert_int_eq(deadline_from_timespec(&ts, &ns), -EINVAL);
}
END_TEST

START_TEST(a_deadline_in_the_first_second_is_no_other)
{
	ck_assert_uint_eq(deadline_of(0, 5), 5);
}
END_TEST

/* Whether the clock was not read anew at once. */
static bool keeps_the_time(void)
{
	uint64_t before, after;

	standing.tv_nsec = 1;
	deadline_about_now_ns();
	usleep(1000);
	standing.tv_nsec++;
	before = deadline_about_now_ns();
	standing.tv_nsec++;
	after = deadline_about_now_ns();
	ck_assert_uint_eq(before, 2);
	return after == before;
}

/* For less than a microsecond: this thread may not run for longer. */
START_TEST(about_now_is_not_far_from_now_and_seldom_asks)
{
	bool kept = !cpu_ticks();
	int i;

	atomic_store(&clock_stands, true);
	for (i = 0; i < 1000 && !kept; i++)
		kept = keeps_the_time();
	atomic_store(&clock_stands, false);
	ck_assert(kept);
}
END_TEST

START_TEST(a_deadline_survives_the_way_there_and_back)
{
	struct timespec ts = deadline_to_timespec(deadline_of(12, 345));

	ck_assert_int_eq(ts.tv_sec, 12);
	ck_assert_int_eq(ts.tv_nsec, 345);
}
END_TEST

static Suite *whitebox(void)
{
	Suite *suite = suite_create("whitebox");
	TCase *layout = tcase_create("layout, gate, short path");
	TCase *counters = tcase_create("counters");
	TCase *between = tcase_create("in between");
	TCase *inherit = tcase_create("priority inheritance");
	TCase *forks = tcase_create("priority inheritance in a child");
	TCase *beds = tcase_create("beds in a child");
	TCase *room = tcase_create("room");
	TCase *deadline = tcase_create("deadline");

	tcase_add_checked_fixture(layout, make_pool, end_pool);
	tcase_set_timeout(layout, TEST_TIMEOUT);
	tcase_add_test(layout, a_pool_is_at_most_128_bytes_naturally_aligned);
	tcase_add_test(layout,
		gate_is_open_while_the_reserve_is_full_and_nobody_waits);
	tcase_add_test(layout,
		gate_closes_before_a_reserve_element_is_out_and_opens_again);
	tcase_add_test(layout,
		gate_stays_closed_while_the_backend_gives_nothing);
	tcase_add_test(layout, gate_stays_closed_while_the_reserve_is_short);
	tcase_add_test(layout, gate_follows_a_resize);
	tcase_add_test(layout, a_backend_is_retried_every_100_ms_unless_told);
	tcase_add_test(layout, an_unknown_backend_has_no_known_size);
	tcase_add_loop_test(layout,
		a_free_is_counted_after_free_fn_has_returned, 0, 2);
	tcase_add_test(layout, a_pair_served_by_the_backend_takes_no_lock);
	tcase_add_test(layout,
		a_pair_served_by_the_backend_writes_nothing_of_the_pool);
	suite_add_tcase(suite, layout);

	tcase_add_checked_fixture(counters, make_pool, end_pool);
	tcase_set_timeout(counters, TEST_TIMEOUT);
	tcase_add_test(counters, a_thread_gets_a_block_at_its_first_use);
	tcase_add_loop_test(counters, nobody_asks_for_memory_with_the_lock_held,
			    0, 2);
	tcase_add_test(counters,
		an_ended_threads_block_goes_to_the_next_with_its_counts);
	tcase_add_test(counters, a_thread_refused_a_block_counts_all_the_same);
	tcase_add_test(counters,
		a_program_without_a_key_to_spare_counts_all_the_same);
	tcase_add_test(counters,
	    a_block_that_cannot_be_given_back_at_exit_goes_to_another_thread);
	tcase_add_loop_test(counters,
		a_thread_refused_a_block_waits_all_the_same, 0, 3);
	tcase_add_test(counters,
		a_free_after_the_threads_block_is_gone_counts);
	tcase_add_test(counters,
		pools_beyond_the_columns_count_without_the_lock);
	tcase_add_test(counters,
		the_blocks_of_two_ended_threads_serve_two_others);
	tcase_add_test(counters,
		the_block_of_a_thread_that_forked_stays_its_own_in_the_child);
	tcase_add_test(counters,
		the_block_of_a_thread_that_the_child_has_not_serves_there);
	tcase_add_test(counters,
		the_blocks_of_two_threads_serve_two_in_the_child);
	suite_add_tcase(suite, counters);

	tcase_add_checked_fixture(between, make_pool, end_pool);
	tcase_set_timeout(between, TEST_TIMEOUT);
	tcase_add_test(between,
		what_is_granted_to_a_request_under_cancellation_comes_back);
	tcase_add_test(between,
		a_wait_longer_than_any_bucket_counts_in_the_last);
	tcase_add_test(between,
		a_wait_shorter_than_a_microsecond_counts_in_the_first);
	tcase_add_test(between,
		a_growth_overtaken_by_a_larger_one_keeps_its_room);
	suite_add_tcase(suite, between);

	tcase_set_timeout(inherit, TEST_TIMEOUT);
	tcase_add_test(inherit, a_pool_refused_inheritance_is_not_made);
	suite_add_tcase(suite, inherit);

	tcase_set_tags(forks, "forks");	/* for do_drd in tools/qa.sh */
	tcase_set_timeout(forks, TEST_TIMEOUT);
	tcase_add_test(forks,
		a_child_refused_inheritance_has_a_lock_without);
	suite_add_tcase(suite, forks);

	tcase_add_checked_fixture(beds, make_pool, end_pool);
	tcase_set_tags(beds, "forks");
	tcase_set_timeout(beds, TEST_TIMEOUT);
	tcase_add_test(beds,
		a_bed_that_is_locked_at_a_fork_is_not_so_in_the_child);
	suite_add_tcase(suite, beds);

	tcase_set_timeout(room, TEST_TIMEOUT);
	tcase_add_test(room, pools_take_the_places_of_those_that_ended);
	tcase_add_test(room, the_first_growth_of_an_empty_pool_asks_for_room);
	suite_add_tcase(suite, room);

	tcase_set_timeout(deadline, TEST_TIMEOUT);
	tcase_add_test(deadline, no_deadline_is_never);
	tcase_add_test(deadline, a_deadline_too_late_for_64_bits_is_never);
	tcase_add_test(deadline, a_deadline_before_the_clock_began_is_zero);
	tcase_add_test(deadline, nanoseconds_out_of_range_are_refused);
	tcase_add_test(deadline,
		a_deadline_in_the_first_second_is_no_other);
	tcase_add_test(deadline, about_now_is_not_far_from_now_and_seldom_asks);
	tcase_add_test(deadline, a_deadline_survives_the_way_there_and_back);
	suite_add_tcase(suite, deadline);
	return suite;
}

int main(void)
{
	return run_suite(whitebox());
}
