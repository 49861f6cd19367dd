/* SPDX-License-Identifier: MIT */
/*
 * testlib.h - what several test programs need
 *
 *   backend   alloc_fn and free_fn that obey and remember: how often they
 *             give, what they were asked with, whether they hold a caller
 *   sleeper   a thread inside one waiting request, single or bulk
 *   outside   signals, and a process that is stopped
 *   waiting   for a condition, by looking again: a test that is right never
 *             depends on how long that takes
 *
 * Nothing here uses Check.  Workers record, the main thread asserts: a
 * passing ck_assert() takes a global lock, which orders threads and hides
 * races from ThreadSanitizer.
 */
#ifndef TESTLIB_H
#define TESTLIB_H

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include <kmempool/mempool.h>
#include <kmempool/slab.h>

#if defined(__SANITIZE_ADDRESS__)
#define TESTLIB_ASAN 1
#endif
#if defined(__SANITIZE_THREAD__)
#define TESTLIB_TSAN 1
#endif
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TESTLIB_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define TESTLIB_TSAN 1
#endif
#endif

/* What the library adds to, and takes from, a mask it passes on. */
#define HINTS	(__GFP_NOMEMALLOC | __GFP_NORETRY | __GFP_NOWARN)
#define FIRST_TRY(mask) \
	(((mask) & ~(__GFP_DIRECT_RECLAIM | __GFP_IO)) | HINTS)
#define SECOND_TRY(mask)	((mask) | HINTS)

/* So long that no retry can hide a lost wake-up. */
#define HOUR_MS		3600000u
/* Seconds that a test program may hang before Check ends it. */
#define TEST_TIMEOUT	120

/* ---- backend ----------------------------------------------------------- */

#define GIVE_ALWAYS	(-1L)
#define BACKEND_LOG	64

struct backend {
	size_t		size;		/* of an element; fixed after init */
	pthread_mutex_t	lock;		/* guards all that follows */
	long		give;		/* calls that still succeed */
	unsigned int	fail_first;	/* calls that fail before those */
	unsigned int	nr_calls;	/* of alloc_fn */
	unsigned int	nr_frees;	/* of free_fn */
	unsigned int	nr_live;	/* given and not taken back */
	/* of the first BACKEND_LOG calls of alloc_fn, and of the last call of
	 * free_fn */
	gfp_t		masks[BACKEND_LOG];
	pthread_t	callers[BACKEND_LOG];
	int		cancel_states[BACKEND_LOG];
	int		free_cancel_state;
	/* A held call has decided its result; it returns when the epoch
	 * moves on. */
	unsigned int	hold_allocs;	/* calls still to be held */
	unsigned int	hold_frees;
	unsigned int	nr_held;	/* threads held now */
	unsigned int	epoch;
};

/* @size: bytes of an element, at least sizeof(long).  Gives always. */
void backend_init(struct backend *b, size_t size);
mempool_alloc_t backend_alloc;		/* elements come full of garbage */
mempool_free_t backend_free;		/* ... and go so */

void backend_give(struct backend *b, long nr);
/* The next @nr calls fail, whatever give says. */
void backend_fail_first(struct backend *b, unsigned int nr);
/* The next @nr calls are held, each until the next release. */
void backend_hold_allocs(struct backend *b, unsigned int nr);
void backend_hold_frees(struct backend *b, unsigned int nr);
void backend_release(struct backend *b);

unsigned int backend_calls(struct backend *b);
unsigned int backend_frees(struct backend *b);
unsigned int backend_live(struct backend *b);
gfp_t backend_mask(struct backend *b, unsigned int call);
pthread_t backend_caller(struct backend *b, unsigned int call);
int backend_cancel_state(struct backend *b, unsigned int call);
int backend_free_cancel_state(struct backend *b);
/* Until @nr threads are held, or none, or @nr calls of alloc_fn were made;
 * false: that never came. */
bool backend_wait_held(struct backend *b, unsigned int nr);
bool backend_wait_not_held(struct backend *b);
bool backend_wait_calls(struct backend *b, unsigned int nr);

/* A pool over @b that knows its element size and retries once an hour. */
mempool_t *pool_over(struct backend *b, int min_nr, unsigned int flags);
/* The same, with retries every @retry_ms. */
mempool_t *pool_retrying(struct backend *b, int min_nr, unsigned int retry_ms);
/* Ends backend and pool; true when the backend has all its elements back. */
bool pool_end(mempool_t *pool, struct backend *b);

/* ---- waiting ----------------------------------------------------------- */

void pause_ms(unsigned int ms);		/* not a cancellation point */
uint64_t now_ns(void);
struct timespec deadline_in_ms(unsigned int ms);
struct timespec deadline_past(void);

struct mempool_stats stats_of(mempool_t *pool);
struct kmem_cache_stats cache_stats_of(struct kmem_cache *cache);
/* Until @nr requests are queued; false: that never came. */
bool wait_for_waiters(mempool_t *pool, unsigned int nr);
bool wait_for_flag(const atomic_bool *flag);

/* ---- sleeper ----------------------------------------------------------- */

#define SLEEPER_MAX	8	/* most elements of one request */
#define SLEEPER_ERRNO	4242	/* errno before the call */

struct sleeper {
	pthread_t	thread;
	mempool_t	*pool;
	gfp_t		gfp_mask;
	unsigned int	count;		/* 0: single; else bulk */
	bool		has_deadline;
	struct timespec	deadline;
	/* Written by the thread; read after done or a join. */
	void		*elems[SLEEPER_MAX];
	int		err;		/* 0 or a positive errno; -1: none */
	int		errno_after;
	int		cancel_state_after;
	bool		cleanup_ran;
	atomic_bool	done;		/* the call has returned */
};

/* @count 0 asks for one element by mempool_alloc_until(). */
void sleeper_start(struct sleeper *s, mempool_t *pool, unsigned int count);
void sleeper_start_until(struct sleeper *s, mempool_t *pool,
			 unsigned int count, gfp_t gfp_mask,
			 struct timespec deadline);
bool sleeper_done(struct sleeper *s);
/* The errno the request ended with, 0 for success. */
int sleeper_join(struct sleeper *s);
/* Whether the cancelled request ended by the cancellation. */
bool sleeper_cancel(struct sleeper *s);
/* Give back what a joined, successful sleeper has. */
void sleeper_free(struct sleeper *s);

/* A thread that frees one element. */
struct freer {
	pthread_t	thread;
	mempool_t	*pool;
	void		*element;
};

void freer_start(struct freer *f, mempool_t *pool, void *element);
void freer_join(struct freer *f);

/*
 * Push this as the outermost cleanup handler of every thread that may be
 * cancelled: AddressSanitizer does not see the stack go when a cancellation
 * unwinds it, and aborts at thread exit unless told.
 */
void cancel_cleanup(void *unused);

/* ---- the world outside ------------------------------------------------- */

/* Has @fn run for SIGUSR1, without SA_RESTART, and for SIGUSR2, with it. */
void catch_signals(void (*fn)(int sig));
/* Stops @child and lets it go on, until it ends; true: it exited with 0. */
bool stop_and_go(pid_t child, unsigned int *nr_stops);
/* Whether @misuse, in a child, ends in abort() after a report with @word. */
bool aborts_with(void (*misuse)(void), const char *word);
/* Bytes of memory that the process has; 0: the system does not say. */
size_t resident_bytes(void);

/* ---- random numbers ---------------------------------------------------- */

/* xorshift64*: any state but 0. */
uint32_t rnd(uint64_t *state);
uint32_t rnd_below(uint64_t *state, uint32_t limit);
/* KMEMPOOL_TEST_SEED, or one from the clock; printed.  Not 0. */
uint64_t test_seed(const char *program);
bool test_long(void);			/* KMEMPOOL_TEST_LONG is set, not 0 */

#endif /* TESTLIB_H */
