/* SPDX-License-Identifier: MIT */
/*
 * churn.c - thousands of threads that live for a millisecond
 *
 * At most 32 at a time, each one's successor begins as soon as it has been
 * joined.  Each counts in three pools, one of which is its own and lives no
 * longer than it does, and leaves behind what the library keeps per thread.
 *
 * What must hold: no count is lost with its thread, none is seen in another
 * pool, and the library maps no more than the threads of one moment need.
 * The last is counted, not measured: mmap() is wrapped, and the program is
 * linked with the library's own objects.
 *
 * KMEMPOOL_TEST_LONG=1 runs 100000 threads.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "testlib.h"

#define NR_AT_ONCE	32
#define NR_PAIRS	4		/* of each thread, with each pool */
#define ELEMENT_SIZE	64

static atomic_uint nr_maps;

void *__real_mmap(void *addr, size_t length, int prot, int flags, int fd,
		  off_t offset);
void *__wrap_mmap(void *addr, size_t length, int prot, int flags, int fd,
		  off_t offset);

void *__wrap_mmap(void *addr, size_t length, int prot, int flags, int fd,
		  off_t offset)
{
	/* Slabs, of 64 KiB, are for the elements. */
	if (length < 65536)
		atomic_fetch_add(&nr_maps, 1);
	return __real_mmap(addr, length, prot, flags, fd, offset);
}

static mempool_t *plenty;		/* its backend always gives */
static mempool_t *scarce;		/* two elements for everybody */

struct life {
	pthread_t	thread;
	unsigned int	nr_failed;	/* over all lives; read after a join */
};

/* Pairs of a first or second half of a life. */
static void take_and_give(struct life *life, mempool_t *pool)
{
	void *element;
	int i;

	for (i = 0; i < NR_PAIRS / 2; i++) {
		element = mempool_alloc(pool, GFP_KERNEL);
		life->nr_failed += !element;
		sched_yield();
		mempool_free(element, pool);
	}
}

static void *live(void *arg)
{
	struct life *life = arg;
	struct mempool_stats s;
	mempool_t own;

	if (mempool_init_kmalloc_pool(&own, 1, ELEMENT_SIZE) != 0) {
		life->nr_failed++;
		return NULL;
	}
	take_and_give(life, plenty);
	take_and_give(life, scarce);
	take_and_give(life, &own);
	pause_ms(1);
	take_and_give(life, &own);
	take_and_give(life, scarce);
	take_and_give(life, plenty);
	s = stats_of(&own);
	life->nr_failed += s.alloc_backend != NR_PAIRS ||
			   s.free_backend != NR_PAIRS;
	mempool_exit(&own);
	return NULL;
}

static unsigned int nr_failed;		/* of all threads that were joined */

static void live_many_lives(unsigned int nr_lives)
{
	static struct life lives[NR_AT_ONCE];
	struct life *life;
	unsigned int i;

	for (i = 0; i < nr_lives + NR_AT_ONCE; i++) {
		life = &lives[i % NR_AT_ONCE];
		if (i >= NR_AT_ONCE)
			pthread_join(life->thread, NULL);
		if (i < nr_lives &&
		    pthread_create(&life->thread, NULL, live, life) != 0) {
			perror("churn: pthread_create");
			exit(EXIT_FAILURE);
		}
	}
	for (i = 0; i < NR_AT_ONCE; i++)
		nr_failed += lives[i].nr_failed;
}

static void make_pools(void)
{
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;

	attr.flags = MEMPOOL_FIXED;
	plenty = mempool_create_kmalloc_pool(2, ELEMENT_SIZE);
	scarce = mempool_create_attr(2, mempool_kmalloc, mempool_kfree,
				     (void *)ELEMENT_SIZE, &attr);
	if (!plenty || !scarce) {
		perror("churn: mempool_create");
		exit(EXIT_FAILURE);
	}
}

static int nr_failed_checks;

#define CHECK(condition) do { \
	if (!(condition)) { \
		printf("churn: failed: %s\n", #condition); \
		nr_failed_checks++; \
	} \
} while (0)

int main(void)
{
	unsigned int nr_lives = test_long() ? 100000 : 3000;
	uint64_t pairs = (uint64_t)nr_lives * NR_PAIRS;
	struct mempool_stats p, s;

	make_pools();
	live_many_lives(nr_lives);
	p = stats_of(plenty);
	s = stats_of(scarce);
	printf("churn: %u threads, %" PRIu64 " pairs with each of two pools, "
	       "%" PRIu64 " after a wait; %u pages were mapped for threads\n",
	       nr_lives, pairs, s.alloc_handoff, atomic_load(&nr_maps));
	CHECK(nr_failed == 0);
	CHECK(p.alloc_backend == pairs);
	CHECK(p.free_backend == pairs);
	CHECK(s.alloc_reserve + s.alloc_handoff == pairs);
	CHECK(s.free_reserve + s.free_waiter == pairs);
	CHECK(s.alloc_handoff > 0);
	/* A page for each thread alive at once, and for the main thread; that
	 * there are any shows that the wrapper sees them. */
	CHECK(atomic_load(&nr_maps) > 0);
	CHECK(atomic_load(&nr_maps) <= NR_AT_ONCE + 1);
	mempool_destroy(plenty);
	mempool_destroy(scarce);
	return nr_failed_checks == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
