/* SPDX-License-Identifier: MIT */
/*
 * fault.c - making calls fail, and keeping account of what is held
 *
 * The main program forks one process for each run.  What a run saw is in
 * memory that they share.
 */
#define FAULT_REAL_CALLS
#include "fault_sites.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cache.h"
#include "fault.h"
#include "lane.h"
#include "magazine.h"
#include "runs.h"
#include "testlib.h"

/* Seconds that a run may hang. */
#define RUN_TIMEOUT	60
/* Runs of one scenario in one mode: more mean that a point comes for ever. */
#define MOST_RUNS	1000
/* Threads of a scenario that count or wait at once: main, one more, and one that
 * sleeps. */
#define MOST_THREADS	3

enum mode { NEVER, ONCE, FROM_THEN_ON };
static const char *const mode_names[] = { "not", "once", "from then on" };

/* The linker's. */
extern struct fault_site *__start_fault_sites[];
extern struct fault_site *__stop_fault_sites[];

struct seen {
	atomic_uint	nr_points;	/* reached */
	atomic_uint	nr_hits;	/* of those, failed */
	atomic_uint	last_hit;	/* index of a site */
	atomic_uint	hits[];		/* by site */
};
static struct seen *seen;		/* by the run under way; shared */
static size_t seen_size;

static enum mode mode;			/* fixed before a run */
static unsigned int nth;		/* likewise */
static __thread bool armed;
static __thread struct fault_site *mark;

void fault_failed(const char *file, int line, const char *what)
{
	dprintf(STDERR_FILENO, "%s:%d: not true: %s\n", file, line, what);
	_exit(EXIT_FAILURE);
}

/* ---- points ------------------------------------------------------------ */

void fault_arm(void)
{
	armed = true;
}

void fault_disarm(void)
{
	armed = false;
}

/* Whether the call at @site is to fail. */
static bool fails(struct fault_site *site)
{
	unsigned int nr;

	if (!armed)
		return false;
	nr = atomic_fetch_add(&seen->nr_points, 1) + 1;
	if (!(mode == ONCE && nr == nth) &&
	    !(mode == FROM_THEN_ON && nr >= nth))
		return false;
	atomic_store(&seen->last_hit, site->index);
	atomic_fetch_add(&seen->hits[site->index], 1);
	atomic_fetch_add(&seen->nr_hits, 1);
	return true;
}

unsigned int fault_hits(void)
{
	return atomic_load(&seen->nr_hits);
}

unsigned int fault_hits_of(const char *name)
{
	struct fault_site **site;
	unsigned int nr = 0;

	for (site = __start_fault_sites; site < __stop_fault_sites; site++)
		if (strcmp((*site)->call, name) == 0 ||
		    strcmp((*site)->func, name) == 0)
			nr += atomic_load(&seen->hits[(*site)->index]);
	return nr;
}

gfp_t fault_mark(struct fault_site *site, gfp_t gfp)
{
	mark = site;
	return gfp;
}

int fault_construct(void *object, void *ctor_arg, gfp_t gfp_mask)
{
	(void)gfp_mask;
	if (fails(mark))
		return -ENOMEM;
	*(void **)object = ctor_arg;
	++*(unsigned int *)ctor_arg;
	return 0;
}

void *fault_give(gfp_t gfp_mask, void *pool_data)
{
	void *element = backend_alloc(gfp_mask, pool_data);

	if (element && fails(mark)) {
		backend_free(element, pool_data);
		element = NULL;
	}
	return element;
}

/* ---- what is held ------------------------------------------------------ */

static struct {
	const void		*what;	/* NULL: unused */
	size_t			size;	/* of a mapping */
	struct fault_site	*site;
} held[256];
static unsigned int most_pools;		/* at once */
static pthread_mutex_t held_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned int nr_atfork;
static pthread_key_t made_key;		/* by pthread_once(), as key_is_made */
static bool key_is_made;

#define NR_HELD	(sizeof(held) / sizeof(held[0]))

/* Under held_lock; NR_HELD: not there. */
static size_t find(const void *what)
{
	size_t i;

	for (i = 0; i < NR_HELD && held[i].what != what; i++)
		;
	return i;
}

/* Each pool has one. */
static bool is_lock(const struct fault_site *site)
{
	return strcmp(site->call, "pthread_spin_init") == 0 ||
	       strcmp(site->call, "pthread_mutex_init") == 0;
}

/* What is held twice was not given back in between; but a lock is made anew
 * after a fork. */
static void hold(const void *what, struct fault_site *site)
{
	size_t at;

	pthread_mutex_lock(&held_lock);
	at = find(what);
	if (at < NR_HELD)
		CHECK(is_lock(site));
	else
		at = find(NULL);
	CHECK(at < NR_HELD);
	held[at].what = what;
	held[at].site = site;
	pthread_mutex_unlock(&held_lock);
}

static void let_go(const void *what)
{
	size_t at;
	bool was_held;

	pthread_mutex_lock(&held_lock);
	at = find(what);
	was_held = at < NR_HELD;
	CHECK(was_held);
	held[at].what = NULL;
	pthread_mutex_unlock(&held_lock);
}

/* Slots, entries and blocks are never given back, only to the next pool or
 * thread: 0 when @func makes none of them. */
static unsigned int most_kept(const char *func)
{
	if (strcmp(func, "make_slot") == 0 || strcmp(func, "make_entry") == 0)
		return most_pools;
	return strcmp(func, "make_block") == 0 ? MOST_THREADS : 0;
}

static unsigned int held_by(const struct fault_site *site)
{
	unsigned int nr = 0;
	size_t i;

	for (i = 0; i < NR_HELD; i++)
		nr += held[i].what && held[i].site == site;
	return nr;
}

/* More than there are. */
#define MOST_GENERAL	64

struct generals {
	struct kmem_cache	*caches[MOST_GENERAL];
	unsigned int		nr;
};

/* There is one of each size. */
static int note_general(struct kmem_cache *cache, void *arg)
{
	struct generals *all = arg;
	unsigned int i;

	if (strncmp(cache->name, "kmalloc-", strlen("kmalloc-")) != 0)
		return 0;
	for (i = 0; i < all->nr; i++)
		CHECK(kmem_cache_size(all->caches[i]) !=
		      kmem_cache_size(cache));
	CHECK(all->nr < MOST_GENERAL);
	all->caches[all->nr++] = cache;
	return 0;
}

/* They would stay until the process ends.  One with an object outside cannot be
 * ended. */
static bool end_general_caches(void)
{
	struct generals all = { .nr = 0 };
	bool good = true;
	unsigned int i;

	kmem_cache_for_each(note_general, &all);
	for (i = 0; i < all.nr; i++) {
		if (kmem_cache_destroy(all.caches[i]) == 0)
			continue;
		dprintf(STDERR_FILENO, "held: memory of %u bytes\n",
			kmem_cache_size(all.caches[i]));
		good = false;
	}
	runs_trim();
	return good;
}

static size_t chain_length(const struct slab *slab)
{
	size_t nr = 0;

	for (; slab; slab = slab->next)
		nr++;
	return nr;
}

static size_t stack_height(const struct magazine *magazine)
{
	size_t nr = 0;

	for (; magazine; magazine = magazine->next)
		nr++;
	return nr;
}

/* The block that all magazines come from, as below, and lanes with nothing. */
static void let_go_of_layers(void)
{
	struct magazine *magazine = magazine_get();

	CHECK(magazine);
	magazine_put(magazine);
	CHECK(stack_height(magazine) == GRANULE / MAGAZINE_SIZE);
	let_go((void *)((uintptr_t)magazine & ~(GRANULE - 1)));
	if (lane_is_cpu)
		let_go(lanes_none);
}

/* The page map's leaves, and the block that all headers of slabs come from:
 * these very mappings and no others.  No header is in use. */
static void let_go_of_map_and_headers(void)
{
	struct slab *slab = slab_header_get();
	size_t i;

	CHECK(slab);
	slab_header_put(slab);
	CHECK(chain_length(slab) == GRANULE / sizeof(*slab));
	let_go((void *)((uintptr_t)slab & ~(GRANULE - 1)));
	for (i = 0; i < ROOT_ENTRIES; i++)
		if (pagemap_root[i])
			let_go(pagemap_root[i]);
}

bool fault_nothing_held(void)
{
	struct fault_site **site;
	unsigned int nr;
	bool nothing = end_general_caches();

	let_go_of_map_and_headers();
	let_go_of_layers();
	for (site = __start_fault_sites; site < __stop_fault_sites; site++) {
		nr = held_by(*site);
		if (nr <= most_kept((*site)->func))
			continue;
		dprintf(STDERR_FILENO, "held: %u from %s:%d, %s in %s\n", nr,
			(*site)->file, (*site)->line, (*site)->call,
			(*site)->func);
		nothing = false;
	}
	return nothing;
}

unsigned int fault_nr_atfork(void)
{
	return nr_atfork;
}

/* ---- the stand-ins ----------------------------------------------------- */

void *fault_malloc(struct fault_site *site, size_t size)
{
	void *p = NULL;

	if (fails(site))
		errno = ENOMEM;
	else
		p = malloc(size);
	if (p)
		hold(p, site);
	return p;
}

void *fault_calloc(struct fault_site *site, size_t nr, size_t size)
{
	void *p = NULL;

	if (fails(site))
		errno = ENOMEM;
	else
		p = calloc(nr, size);
	if (p)
		hold(p, site);
	return p;
}

char *fault_strdup(struct fault_site *site, const char *text)
{
	char *copy = NULL;

	if (fails(site))
		errno = ENOMEM;
	else
		copy = strdup(text);
	if (copy)
		hold(copy, site);
	return copy;
}

int fault_posix_memalign(struct fault_site *site, void **p, size_t align,
			 size_t size)
{
	int err = fails(site) ? ENOMEM : posix_memalign(p, align, size);

	if (!err)
		hold(*p, site);
	return err;
}

void fault_free(void *p)
{
	if (p)
		let_go(p);
	free(p);
}

size_t fault_granule;
bool fault_crowded;
bool fault_far;

/* Further down from the stack each time, which the system takes for a hint;
 * NULL for none. */
static void *hint(void)
{
	static uintptr_t last;

	if (!fault_far)
		return NULL;
	if (!last)
		last = (uintptr_t)environ & ~(GRANULE - 1);
	/* A part of the map.  With addresses of 32 bits there is only one, and
	 * this is no other place. */
	last -= (uintptr_t)LEAF_ENTRIES << GRANULE_SHIFT;
	return (void *)last;
}

/* What the system gives is never aligned, if fault_granule is set. */
static void *map(size_t size, int prot, int flags, int fd, off_t offset)
{
	size_t wide = size + 2 * fault_granule;
	char *all, *p;

	if (!fault_granule || fd >= 0)
		return mmap(hint(), size, prot, flags, fd, offset);
	all = mmap(NULL, wide, prot, flags, fd, offset);
	if (all == MAP_FAILED)
		return all;
	p = all + fault_granule - (uintptr_t)all % fault_granule + 4096;
	munmap(all, (size_t)(p - all));
	munmap(p + size, (size_t)(all + wide - (p + size)));
	return p;
}

static void hold_mapping(const void *p, size_t size, struct fault_site *site)
{
	hold(p, site);
	pthread_mutex_lock(&held_lock);
	held[find(p)].size = size;
	pthread_mutex_unlock(&held_lock);
}

void *fault_mmap(struct fault_site *site, void *addr, size_t size, int prot,
		 int flags, int fd, off_t offset)
{
	void *p = MAP_FAILED;

	(void)addr;
	if (fails(site))
		errno = ENOMEM;
	else
		p = map(size, prot, flags, fd, offset);
	if (p != MAP_FAILED)
		hold_mapping(p, size, site);
	return p;
}

/* What is cut off the ends of a mapping was not held by itself, but by where it
 * began. */
static void let_go_of_part(const char *addr, size_t size)
{
	size_t at;

	pthread_mutex_lock(&held_lock);
	at = find(addr);
	if (at < NR_HELD) {
		held[at].what = size < held[at].size ? addr + size : NULL;
		held[at].size -= size;
		pthread_mutex_unlock(&held_lock);
		return;
	}
	for (at = 0; at < NR_HELD; at++)
		if (held[at].what &&
		    (const char *)held[at].what + held[at].size == addr + size)
			break;
	CHECK(at < NR_HELD);
	held[at].size -= size;
	pthread_mutex_unlock(&held_lock);
}

/* If it fails, only the addresses are lost: the memory may still be given back
 * by madvise(), and nothing says whether it was. */
int fault_munmap(struct fault_site *site, void *addr, size_t size)
{
	let_go_of_part(addr, size);
	if (!fails(site))
		return munmap(addr, size);
	errno = ENOMEM;
	return -1;
}

static bool is_held(const void *p, size_t size)
{
	size_t at;
	bool yes;

	pthread_mutex_lock(&held_lock);
	at = find(p);
	yes = at < NR_HELD && held[at].size == size;
	pthread_mutex_unlock(&held_lock);
	return yes;
}

/* What moves takes the place of a mapping that was held, too. */
static void note_moved(const void *from, const void *to, size_t size)
{
	if (to != from) {
		let_go(from);
		return;
	}
	pthread_mutex_lock(&held_lock);
	held[find(to)].size = size;
	pthread_mutex_unlock(&held_lock);
}

void *fault_mremap(struct fault_site *site, void *addr, size_t from, size_t to,
		   int flags, ...)
{
	bool moves = flags & MREMAP_FIXED;
	void *p = addr;
	va_list args;

	va_start(args, flags);
	if (moves)
		p = va_arg(args, void *);
	va_end(args);
	CHECK(is_held(addr, from) && is_held(p, moves ? to : from));
	if (fails(site) || (fault_crowded && !moves && to > from)) {
		/* By then the system may have taken the new place away. */
		if (moves) {
			let_go(p);
			munmap(p, to);
		}
		errno = ENOMEM;
		return MAP_FAILED;
	}
	p = mremap(addr, from, to, flags, p);
	if (p != MAP_FAILED)
		note_moved(addr, p, to);
	return p;
}

int fault_madvise(struct fault_site *site, void *addr, size_t size, int advice)
{
	if (!fails(site))
		return madvise(addr, size, advice);
	errno = ENOMEM;
	return -1;
}

/* Only mbind(), membarrier() and sched_getaffinity() are called this way. */
long fault_syscall(struct fault_site *site, long nr, ...)
{
	bool fail = fails(site);
	long ret = -1;
	va_list ap;

	CHECK(nr == SYS_mbind || nr == SYS_membarrier ||
	      nr == SYS_sched_getaffinity);
	va_start(ap, nr);
	if (fail) {
		errno = ENOSYS;
	} else if (nr == SYS_mbind) {
		void *run = va_arg(ap, void *);
		size_t size = va_arg(ap, size_t);
		int policy = va_arg(ap, int);
		void *mask = va_arg(ap, void *);
		size_t bits = va_arg(ap, size_t);

		ret = syscall(nr, run, size, policy, mask, bits, 0);
	} else if (nr == SYS_sched_getaffinity) {
		int pid = va_arg(ap, int);
		size_t size = va_arg(ap, size_t);

		ret = syscall(nr, pid, size, va_arg(ap, void *));
	} else {
		ret = syscall(nr, va_arg(ap, int), 0, 0);
	}
	va_end(ap);
	return ret;
}

int fault_key_create(struct fault_site *site, pthread_key_t *key,
		     void (*destructor)(void *))
{
	int err = fails(site) ? EAGAIN : pthread_key_create(key, destructor);

	if (!err) {
		made_key = *key;
		key_is_made = true;
	}
	return err;
}

int fault_setspecific(struct fault_site *site, pthread_key_t key,
		      const void *value)
{
	bool is_its_own = key_is_made && key == made_key;

	CHECK(is_its_own);
	return fails(site) ? ENOMEM : pthread_setspecific(key, value);
}

int fault_getaffinity(struct fault_site *site, pid_t pid, size_t size,
		      void *set)
{
	if (!fails(site))
		return sched_getaffinity(pid, size, set);
	errno = EINVAL;
	return -1;
}

int fault_mutexattr_init(struct fault_site *site, pthread_mutexattr_t *attr)
{
	int err = fails(site) ? ENOMEM : pthread_mutexattr_init(attr);

	if (!err)
		hold(attr, site);
	return err;
}

int fault_mutexattr_setprotocol(struct fault_site *site,
				pthread_mutexattr_t *attr, int protocol)
{
	return fails(site) ? ENOTSUP
			   : pthread_mutexattr_setprotocol(attr, protocol);
}

int fault_mutexattr_destroy(pthread_mutexattr_t *attr)
{
	let_go(attr);
	return pthread_mutexattr_destroy(attr);
}

static void hold_lock(const void *lock, struct fault_site *site)
{
	unsigned int nr_pools = 0;
	size_t i;

	hold(lock, site);
	for (i = 0; i < NR_HELD; i++)
		nr_pools += held[i].what && is_lock(held[i].site);
	if (nr_pools > most_pools)
		most_pools = nr_pools;
}

int fault_mutex_init(struct fault_site *site, pthread_mutex_t *mutex,
		     const pthread_mutexattr_t *attr)
{
	int err = fails(site) ? EAGAIN : pthread_mutex_init(mutex, attr);

	if (!err)
		hold_lock(mutex, site);
	return err;
}

int fault_mutex_destroy(pthread_mutex_t *mutex)
{
	let_go(mutex);
	return pthread_mutex_destroy(mutex);
}

int fault_spin_init(struct fault_site *site, pthread_spinlock_t *spin,
		    int shared)
{
	int err = fails(site) ? EAGAIN : pthread_spin_init(spin, shared);

	if (!err)
		hold_lock((void *)spin, site);
	return err;
}

int fault_spin_destroy(pthread_spinlock_t *spin)
{
	let_go((void *)spin);
	return pthread_spin_destroy(spin);
}

/* Refused when the library is loaded, before main(), so that scenarios find out
 * what becomes of that. */
int fault_atfork(struct fault_site *site, void (*prepare)(void),
		 void (*parent)(void), void (*child)(void))
{
	int err = !seen || fails(site) ? ENOMEM :
		  pthread_atfork(prepare, parent, child);

	nr_atfork += !err;
	return err;
}

/* ---- runs -------------------------------------------------------------- */

static unsigned int nr_runs;
static bool *ever_failed;		/* by site */

static void print_site(const struct fault_site *site)
{
	printf("%s:%d, %s in %s\n", site->file, site->line, site->call,
	       site->func);
}

static void note_run(void)
{
	struct fault_site **site;

	nr_runs++;
	for (site = __start_fault_sites; site < __stop_fault_sites; site++)
		if (atomic_load(&seen->hits[(*site)->index]))
			ever_failed[(*site)->index] = true;
}

/* exit(), not _exit(): that is when LeakSanitizer looks. */
static bool run_in_child(const struct scenario *s)
{
	pid_t pid;
	int status;

	memset(seen, 0, seen_size);
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		alarm(RUN_TIMEOUT);
		s->run(s->arg);
		CHECK(fault_nothing_held());
		exit(EXIT_SUCCESS);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid) {
		perror("fault_points");
		exit(EXIT_FAILURE);
	}
	note_run();
	if (status == 0)
		return true;
	printf("FAIL: %s: %s: wait status %#x, point %u failing %s", s->symbol,
	       s->what, (unsigned int)status, nth, mode_names[mode]);
	if (mode != NEVER)
		printf(", last ");
	if (mode != NEVER)
		print_site(__start_fault_sites[atomic_load(&seen->last_hit)]);
	else
		printf("\n");
	return false;
}

/* Until the library has no point left that would be the nth. */
static bool run_mode(const struct scenario *s, enum mode how)
{
	bool good = true;

	mode = how;
	for (nth = 1; nth <= MOST_RUNS; nth++) {
		good &= run_in_child(s);
		if (atomic_load(&seen->nr_hits) == 0)
			return good;
	}
	printf("FAIL: %s: %s: points without end\n", s->symbol, s->what);
	return false;
}

static bool run_scenario(const struct scenario *s)
{
	unsigned int nr_points;
	bool good;

	mode = NEVER;
	nth = 0;
	good = run_in_child(s);
	nr_points = atomic_load(&seen->nr_points);
	/* One that fails when nothing does says nothing more. */
	good = good && run_mode(s, ONCE) && run_mode(s, FROM_THEN_ON);
	printf("%3u points: %s: %s\n", nr_points, s->symbol, s->what);
	return good;
}

static bool run_table(const struct scenario *s)
{
	bool good = true;

	for (; s->symbol; s++)
		good &= run_scenario(s);
	return good;
}

static bool every_site_failed(void)
{
	size_t nr = (size_t)(__stop_fault_sites - __start_fault_sites);
	bool all = true;
	size_t i;

	for (i = 0; i < nr; i++) {
		if (ever_failed[i])
			continue;
		printf("FAIL: no scenario makes this fail: ");
		print_site(__start_fault_sites[i]);
		all = false;
	}
	printf("%zu calls that can fail, %u runs\n", nr, nr_runs);
	return all;
}

static void print_symbols(const struct scenario *s)
{
	for (; s->symbol; s++)
		printf("kmempool_%s\n", s->symbol);
}

static void number_sites(void)
{
	size_t nr = (size_t)(__stop_fault_sites - __start_fault_sites);
	unsigned int i;

	for (i = 0; i < nr; i++)
		__start_fault_sites[i]->index = i;
	ever_failed = calloc(nr, sizeof(*ever_failed));
	seen_size = sizeof(*seen) + nr * sizeof(seen->hits[0]);
	seen = mmap(NULL, seen_size, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (!ever_failed || seen == MAP_FAILED) {
		perror("fault_points");
		exit(EXIT_FAILURE);
	}
}

int main(int argc, char **argv)
{
	bool good;

	/* For the script: what the scenarios are about. */
	if (argc == 2 && strcmp(argv[1], "symbols") == 0) {
		print_symbols(life_scenarios);
		print_symbols(use_scenarios);
		print_symbols(cache_scenarios);
		print_symbols(kmalloc_scenarios);
		return EXIT_SUCCESS;
	}
	number_sites();
	good = run_table(life_scenarios);
	good &= run_table(use_scenarios);
	good &= run_table(cache_scenarios);
	good &= run_table(kmalloc_scenarios);
	good &= every_site_failed();
	free(ever_failed);
	return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
