/* SPDX-License-Identifier: MIT */
/*
 * testlib.c - what several test programs need; see testlib.h
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "testlib.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* Longest look for something that must come. */
#define PATIENCE_NS	(60 * UINT64_C(1000000000))

#ifdef TESTLIB_ASAN
void __asan_handle_no_return(void);
const char *__asan_default_options(void);

/* Failing allocations are part of the tests. */
const char *__asan_default_options(void)
{
	return "allocator_may_return_null=1:detect_stack_use_after_return=1";
}
#endif

#ifdef TESTLIB_TSAN
const char *__tsan_default_options(void);

const char *__tsan_default_options(void)
{
	return "allocator_may_return_null=1";
}
#endif

void cancel_cleanup(void *unused)
{
	(void)unused;
#ifdef TESTLIB_ASAN
	__asan_handle_no_return();
#endif
}

/* ---- waiting ----------------------------------------------------------- */

void pause_ms(unsigned int ms)
{
	struct timespec ts = {
		.tv_sec = ms / 1000,
		.tv_nsec = (long)(ms % 1000) * 1000000,
	};
	int old;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
	while (nanosleep(&ts, &ts) != 0 && errno == EINTR)
		;
	pthread_setcancelstate(old, NULL);
}

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

struct timespec deadline_in_ms(unsigned int ms)
{
	uint64_t at = now_ns() + (uint64_t)ms * 1000000;

	return (struct timespec) {
		.tv_sec = (time_t)(at / 1000000000),
		.tv_nsec = (long)(at % 1000000000),
	};
}

struct timespec deadline_past(void)
{
	return (struct timespec) { .tv_sec = 0, .tv_nsec = 0 };
}

struct mempool_stats stats_of(mempool_t *pool)
{
	struct mempool_stats stats;

	memset(&stats, 0xff, sizeof(stats));
	if (mempool_get_stats(pool, &stats, sizeof(stats)) != 0)
		memset(&stats, 0xff, sizeof(stats));
	return stats;
}

struct kmem_cache_stats cache_stats_of(struct kmem_cache *cache)
{
	struct kmem_cache_stats stats;

	memset(&stats, 0xff, sizeof(stats));
	if (kmem_cache_get_stats(cache, &stats, sizeof(stats)) != 0)
		memset(&stats, 0xff, sizeof(stats));
	return stats;
}

bool wait_for_waiters(mempool_t *pool, unsigned int nr)
{
	uint64_t end = now_ns() + PATIENCE_NS;

	while (stats_of(pool).waiters != nr) {
		if (now_ns() > end)
			return false;
		pause_ms(1);
	}
	return true;
}

bool wait_for_flag(const atomic_bool *flag)
{
	uint64_t end = now_ns() + PATIENCE_NS;

	while (!atomic_load(flag)) {
		if (now_ns() > end)
			return false;
		pause_ms(1);
	}
	return true;
}

/* ---- backend ----------------------------------------------------------- */

void backend_init(struct backend *b, size_t size)
{
	memset(b, 0, sizeof(*b));
	pthread_mutex_init(&b->lock, NULL);
	b->size = size;
	b->give = GIVE_ALWAYS;
}

/* Called with the lock, which it gives up while it holds the caller. */
static void hold(struct backend *b, unsigned int *nr_to_hold)
{
	unsigned int epoch = b->epoch;

	if (*nr_to_hold == 0)
		return;
	(*nr_to_hold)--;
	b->nr_held++;
	while (b->epoch == epoch) {
		pthread_mutex_unlock(&b->lock);
		pause_ms(1);
		pthread_mutex_lock(&b->lock);
	}
	b->nr_held--;
}

static int cancel_state(void)
{
	int old;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
	pthread_setcancelstate(old, NULL);
	return old;
}

void *backend_alloc(gfp_t gfp_mask, void *pool_data)
{
	struct backend *b = pool_data;
	void *element = NULL;
	bool gives;

	pthread_mutex_lock(&b->lock);
	if (b->nr_calls < BACKEND_LOG) {
		b->masks[b->nr_calls] = gfp_mask;
		b->callers[b->nr_calls] = pthread_self();
		b->cancel_states[b->nr_calls] = cancel_state();
	}
	b->nr_calls++;
	gives = b->fail_first == 0 && b->give != 0;
	if (b->fail_first > 0)
		b->fail_first--;
	else if (b->give > 0)
		b->give--;
	hold(b, &b->hold_allocs);
	if (gives)
		element = malloc(b->size);
	if (element) {
		memset(element, 0xa5, b->size);
		b->nr_live++;
	}
	pthread_mutex_unlock(&b->lock);
	return element;
}

void backend_free(void *element, void *pool_data)
{
	struct backend *b = pool_data;

	pthread_mutex_lock(&b->lock);
	b->nr_frees++;
	b->free_cancel_state = cancel_state();
	hold(b, &b->hold_frees);
	b->nr_live--;
	memset(element, 0xdd, b->size);
	free(element);
	pthread_mutex_unlock(&b->lock);
}

void backend_give(struct backend *b, long nr)
{
	pthread_mutex_lock(&b->lock);
	b->give = nr;
	b->fail_first = 0;
	pthread_mutex_unlock(&b->lock);
}

void backend_fail_first(struct backend *b, unsigned int nr)
{
	pthread_mutex_lock(&b->lock);
	b->fail_first = nr;
	pthread_mutex_unlock(&b->lock);
}

void backend_hold_allocs(struct backend *b, unsigned int nr)
{
	pthread_mutex_lock(&b->lock);
	b->hold_allocs = nr;
	pthread_mutex_unlock(&b->lock);
}

void backend_hold_frees(struct backend *b, unsigned int nr)
{
	pthread_mutex_lock(&b->lock);
	b->hold_frees = nr;
	pthread_mutex_unlock(&b->lock);
}

void backend_release(struct backend *b)
{
	pthread_mutex_lock(&b->lock);
	b->epoch++;
	pthread_mutex_unlock(&b->lock);
}

static unsigned int read_locked(struct backend *b, const unsigned int *field)
{
	unsigned int value;

	pthread_mutex_lock(&b->lock);
	value = *field;
	pthread_mutex_unlock(&b->lock);
	return value;
}

unsigned int backend_calls(struct backend *b)
{
	return read_locked(b, &b->nr_calls);
}

unsigned int backend_frees(struct backend *b)
{
	return read_locked(b, &b->nr_frees);
}

unsigned int backend_live(struct backend *b)
{
	return read_locked(b, &b->nr_live);
}

gfp_t backend_mask(struct backend *b, unsigned int call)
{
	return read_locked(b, &b->masks[call]);
}

pthread_t backend_caller(struct backend *b, unsigned int call)
{
	pthread_t caller;

	pthread_mutex_lock(&b->lock);
	caller = b->callers[call];
	pthread_mutex_unlock(&b->lock);
	return caller;
}

int backend_cancel_state(struct backend *b, unsigned int call)
{
	int state;

	pthread_mutex_lock(&b->lock);
	state = b->cancel_states[call];
	pthread_mutex_unlock(&b->lock);
	return state;
}

int backend_free_cancel_state(struct backend *b)
{
	int state;

	pthread_mutex_lock(&b->lock);
	state = b->free_cancel_state;
	pthread_mutex_unlock(&b->lock);
	return state;
}

static bool wait_at_least(struct backend *b, const unsigned int *field,
			  unsigned int nr)
{
	uint64_t end = now_ns() + PATIENCE_NS;

	while (read_locked(b, field) < nr) {
		if (now_ns() > end)
			return false;
		pause_ms(1);
	}
	return true;
}

bool backend_wait_held(struct backend *b, unsigned int nr)
{
	return wait_at_least(b, &b->nr_held, nr);
}

bool backend_wait_not_held(struct backend *b)
{
	uint64_t end = now_ns() + PATIENCE_NS;

	while (read_locked(b, &b->nr_held) > 0) {
		if (now_ns() > end)
			return false;
		pause_ms(1);
	}
	return true;
}

bool backend_wait_calls(struct backend *b, unsigned int nr)
{
	return wait_at_least(b, &b->nr_calls, nr);
}

static mempool_t *create_over(struct backend *b, int min_nr,
			      unsigned int flags, unsigned int retry_ms)
{
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;

	attr.element_size = b->size;
	attr.flags = flags;
	attr.retry_ms = retry_ms;
	return mempool_create_attr(min_nr, backend_alloc, backend_free, b,
				   &attr);
}

mempool_t *pool_over(struct backend *b, int min_nr, unsigned int flags)
{
	return create_over(b, min_nr, flags, HOUR_MS);
}

mempool_t *pool_retrying(struct backend *b, int min_nr, unsigned int retry_ms)
{
	return create_over(b, min_nr, 0, retry_ms);
}

bool pool_end(mempool_t *pool, struct backend *b)
{
	bool all_back;

	mempool_destroy(pool);
	all_back = backend_live(b) == 0;
	pthread_mutex_destroy(&b->lock);
	return all_back;
}

/* ---- sleeper ----------------------------------------------------------- */

static void sleeper_cleanup(void *arg)
{
	struct sleeper *s = arg;

	s->cleanup_ran = true;
}

static void request(struct sleeper *s)
{
	const struct timespec *deadline = NULL;

	if (s->has_deadline)
		deadline = &s->deadline;
	errno = SLEEPER_ERRNO;
	if (s->count > 0) {
		s->err = -mempool_alloc_bulk_until(s->pool, s->elems, s->count,
						   s->gfp_mask, deadline);
	} else {
		s->elems[0] = mempool_alloc_until(s->pool, s->gfp_mask,
						  deadline);
		s->err = s->elems[0] ? 0 : errno;
	}
	s->errno_after = errno;
	s->cancel_state_after = cancel_state();
	atomic_store(&s->done, true);
}

static void *sleeper_main(void *arg)
{
	pthread_cleanup_push(cancel_cleanup, NULL);
	pthread_cleanup_push(sleeper_cleanup, arg);
	request(arg);
	pthread_cleanup_pop(0);
	pthread_cleanup_pop(0);
	return NULL;
}

static void start_thread(pthread_t *thread, void *(*fn)(void *), void *arg)
{
	if (pthread_create(thread, NULL, fn, arg) != 0) {
		perror("pthread_create");
		abort();
	}
}

static void start(struct sleeper *s)
{
	s->err = -1;
	atomic_init(&s->done, false);
	start_thread(&s->thread, sleeper_main, s);
}

void sleeper_start(struct sleeper *s, mempool_t *pool, unsigned int count)
{
	memset(s, 0, sizeof(*s));
	s->pool = pool;
	s->count = count;
	s->gfp_mask = GFP_KERNEL;
	start(s);
}

void sleeper_start_until(struct sleeper *s, mempool_t *pool,
			 unsigned int count, gfp_t gfp_mask,
			 struct timespec deadline)
{
	memset(s, 0, sizeof(*s));
	s->pool = pool;
	s->count = count;
	s->gfp_mask = gfp_mask;
	s->has_deadline = true;
	s->deadline = deadline;
	start(s);
}

bool sleeper_done(struct sleeper *s)
{
	return atomic_load(&s->done);
}

int sleeper_join(struct sleeper *s)
{
	pthread_join(s->thread, NULL);
	return s->err;
}

bool sleeper_cancel(struct sleeper *s)
{
	void *result;

	pthread_cancel(s->thread);
	pthread_join(s->thread, &result);
	return result == PTHREAD_CANCELED;
}

void sleeper_free(struct sleeper *s)
{
	unsigned int nr = s->count > 0 ? s->count : 1;
	unsigned int i;

	for (i = 0; i < nr; i++)
		mempool_free(s->elems[i], s->pool);
}

static void *freer_main(void *arg)
{
	struct freer *f = arg;

	mempool_free(f->element, f->pool);
	return NULL;
}

void freer_start(struct freer *f, mempool_t *pool, void *element)
{
	f->pool = pool;
	f->element = element;
	start_thread(&f->thread, freer_main, f);
}

void freer_join(struct freer *f)
{
	pthread_join(f->thread, NULL);
}

/* ---- the world outside ------------------------------------------------- */

void catch_signals(void (*fn)(int sig))
{
	struct sigaction action = { .sa_handler = fn };

	sigemptyset(&action.sa_mask);
	sigaction(SIGUSR1, &action, NULL);
	action.sa_flags = SA_RESTART;
	sigaction(SIGUSR2, &action, NULL);
}

bool stop_and_go(pid_t child, unsigned int *nr_stops)
{
	int status;

	if (child < 0)
		return false;
	for (;;) {
		kill(child, SIGSTOP);
		if (waitpid(child, &status, WUNTRACED) != child)
			return false;
		if (!WIFSTOPPED(status))
			return WIFEXITED(status) && WEXITSTATUS(status) == 0;
		pause_ms(++*nr_stops % 4);
		kill(child, SIGCONT);
		pause_ms(1 + *nr_stops % 5);
	}
}

/* Until its end: the report may come in pieces. */
static void read_all(int fd, char *text, size_t size)
{
	size_t nr = 0;
	ssize_t got;

	while (nr < size - 1) {
		got = read(fd, text + nr, size - 1 - nr);
		if (got <= 0)
			break;
		nr += (size_t)got;
	}
	text[nr] = '\0';
}

bool aborts_with(void (*misuse)(void), const char *word)
{
	const struct rlimit no_core = { 0, 0 };
	char text[1024];
	int fds[2], status;
	pid_t child;

	if (pipe(fds) != 0)
		return false;
	child = fork();
	if (child == 0) {
		setrlimit(RLIMIT_CORE, &no_core);
		dup2(fds[1], STDERR_FILENO);
		close(fds[1]);
		misuse();
		_exit(EXIT_SUCCESS);
	}
	close(fds[1]);
	read_all(fds[0], text, sizeof(text));
	close(fds[0]);
	if (child < 0 || waitpid(child, &status, 0) != child)
		return false;
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT &&
	    strstr(text, word))
		return true;
	printf("wait status %#x, not SIGABRT, or no \"%s\" in: %s\n",
	       (unsigned int)status, word, text);
	return false;
}

size_t resident_bytes(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	size_t total, resident = 0;

	if (!file)
		return 0;
	if (fscanf(file, "%zu %zu", &total, &resident) != 2)
		resident = 0;
	fclose(file);
	return resident * (size_t)sysconf(_SC_PAGESIZE);
}

/* ---- random numbers ---------------------------------------------------- */

uint32_t rnd(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return (uint32_t)((*state * UINT64_C(0x2545f4914f6cdd1d)) >> 32);
}

uint32_t rnd_below(uint64_t *state, uint32_t limit)
{
	return (uint32_t)(((uint64_t)rnd(state) * limit) >> 32);
}

uint64_t test_seed(const char *program)
{
	const char *text = getenv("KMEMPOOL_TEST_SEED");
	uint64_t seed = text ? strtoull(text, NULL, 0) : now_ns();

	if (seed == 0)
		seed = 1;
	printf("%s: KMEMPOOL_TEST_SEED=%" PRIu64 "\n", program, seed);
	fflush(stdout);
	return seed;
}

bool test_long(void)
{
	const char *text = getenv("KMEMPOOL_TEST_LONG");

	return text && *text && strcmp(text, "0") != 0;
}
