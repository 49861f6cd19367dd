// SPDX-License-Identifier: MIT
//
// compat_cxx.cc - a C++17 program whose waiting threads are cancelled: the
// destructors of every frame run, and no element is lost or counted twice
//
// Each round one thread holds an element of one pool and waits for others of
// a second, empty one.  It is cancelled, or granted what it waits for, or
// both at once.
#include <linux/mempool.h>
#include <linux/mempool.h>
#include <linux/gfp.h>
#include <linux/gfp.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include <pthread.h>
#include <time.h>

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
extern "C" void __asan_handle_no_return(void);
#else
static void __asan_handle_no_return() { }
#endif

namespace {

constexpr unsigned int nr_wanted = 3;
constexpr unsigned int nr_rounds = 100;

mempool_t held_pool, wanted_pool;

// What happened in a round.  Threads record, main() judges after the join.
struct record {
	bool bulk = false;
	unsigned int outer_destroyed = 0;
	unsigned int inner_destroyed = 0;
	unsigned int caught = 0;
	bool granted = false;
};

// Owns elements of a pool for the length of a scope.
class elements {
public:
	elements(mempool_t *pool, unsigned int *destroyed)
		: pool_(pool), destroyed_(destroyed) { }
	elements(const elements &) = delete;
	elements &operator=(const elements &) = delete;

	~elements()
	{
		for (void *element : owned_)
			mempool_free(element, pool_);
		++*destroyed_;
	}

	bool take(unsigned int count, bool bulk)
	{
		std::vector<void *> got(count);

		owned_.reserve(count);
		if (bulk) {
			if (mempool_alloc_bulk(pool_, got.data(), count) != 0)
				return false;
		} else {
			got.resize(1);
			got[0] = mempool_alloc(pool_, GFP_KERNEL);
			if (!got[0])
				return false;
		}
		owned_.swap(got);
		return true;
	}

private:
	mempool_t *pool_;
	unsigned int *destroyed_;
	std::vector<void *> owned_;
};

void wait_inside(record *r)
{
	elements wanted(&wanted_pool, &r->inner_destroyed);

	r->granted = wanted.take(nr_wanted, r->bulk);
}

// AddressSanitizer does not see the stack go when a cancellation unwinds it.
struct stack_is_going {
	~stack_is_going() { __asan_handle_no_return(); }
};

extern "C" void *waiter(void *arg)
{
	stack_is_going last;
	record *r = static_cast<record *>(arg);
	elements held(&held_pool, &r->outer_destroyed);

	if (!held.take(1, false))
		return nullptr;
	try {
		wait_inside(r);
	} catch (...) {
		r->caught++;
		throw;		// a cancellation must not end here
	}
	pthread_testcancel();
	return r;
}

[[noreturn]] void fail(const char *what, unsigned int round)
{
	std::printf("compat_cxx: %s (round %u)\n", what, round);
	std::exit(1);
}

struct mempool_stats stats_of(mempool_t *pool)
{
	struct mempool_stats stats;

	if (mempool_get_stats(pool, &stats, sizeof(stats)) != 0)
		std::abort();
	return stats;
}

void wait_for_waiter()
{
	const struct timespec ms = { 0, 1000000 };

	while (stats_of(&wanted_pool).waiters != 1)
		nanosleep(&ms, nullptr);
}

void free_all(void *const *owned)
{
	for (unsigned int i = 0; i < nr_wanted; i++)
		mempool_free(owned[i], &wanted_pool);
}

extern "C" void *canceller(void *arg)
{
	pthread_cancel(*static_cast<pthread_t *>(arg));
	return nullptr;
}

enum fate { cancelled, granted, either, nr_fates };

// Whether the thread was cancelled.
bool run_round(unsigned int round, enum fate fate, bool bulk)
{
	void *owned[nr_wanted], *result;
	pthread_t thread, killer;
	record r;

	r.bulk = bulk;
	if (mempool_alloc_bulk(&wanted_pool, owned, nr_wanted) != 0)
		fail("mempool_alloc_bulk", round);
	if (pthread_create(&thread, nullptr, waiter, &r) != 0)
		fail("pthread_create", round);
	wait_for_waiter();

	if (fate == either) {
		if (pthread_create(&killer, nullptr, canceller, &thread) != 0)
			fail("pthread_create", round);
		if (round & 1)
			sched_yield();
		free_all(owned);
		pthread_join(killer, nullptr);
	} else if (fate == granted) {
		free_all(owned);
	} else {
		pthread_cancel(thread);
	}
	pthread_join(thread, &result);
	if (fate == cancelled) {
		// Nothing may have been taken from, or left to, the request.
		if (stats_of(&wanted_pool).outstanding != nr_wanted ||
		    stats_of(&wanted_pool).waiters != 0)
			fail("the cancelled request left traces", round);
		free_all(owned);
	}

	if (r.outer_destroyed != 1 || r.inner_destroyed != 1)
		fail("a destructor did not run, or ran twice", round);
	if ((fate == cancelled && (result != PTHREAD_CANCELED || !r.caught)) ||
	    (fate == granted && (result != &r || !r.granted || r.caught)))
		fail("the thread ended otherwise", round);
	if (r.granted == (r.caught != 0))
		fail("granted and cancelled, or neither", round);
	if (stats_of(&held_pool).outstanding != 0 ||
	    stats_of(&wanted_pool).outstanding != 0 ||
	    !mempool_is_saturated(&held_pool) ||
	    !mempool_is_saturated(&wanted_pool))
		fail("an element is missing", round);
	return r.caught != 0;
}

} // namespace

int main()
{
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;
	unsigned int round, nr_cancelled = 0;

#ifndef __GLIBC__
	std::puts("this C library does not run destructors on cancellation");
	return 77;
#endif
	attr.flags = MEMPOOL_FIXED;	// nothing but the reserve can serve
	if (mempool_init_attr(&held_pool, 1, mempool_kmalloc, mempool_kfree,
			      reinterpret_cast<void *>(64), &attr) != 0 ||
	    mempool_init_attr(&wanted_pool, nr_wanted, mempool_kmalloc,
			      mempool_kfree, reinterpret_cast<void *>(64),
			      &attr) != 0)
		fail("mempool_init_attr", 0);

	for (round = 0; round < nr_rounds; round++)
		nr_cancelled += run_round(round, fate(round % nr_fates),
					  round / nr_fates % 2);

	if (stats_of(&wanted_pool).cancellations != nr_cancelled)
		fail("cancellations were not counted right", round);
	mempool_exit(&wanted_pool);
	mempool_exit(&held_pool);
	return 0;
}
