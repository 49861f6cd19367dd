/* SPDX-License-Identifier: MIT */
/*
 * fault_life.c - failures while a pool is made, ended, or copied by a fork
 *
 * A pool that could not be made is cleanly gone: nothing is held, nobody finds
 * it, and the same call succeeds once nothing fails.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fault.h"
#include "testlib.h"

#define MIN_NR	2
#define MARK	4242			/* errno before a call */

static struct backend backend;
static mempool_t *pool;
static mempool_t storage;

void fault_prove_usable(mempool_t *p)
{
	struct mempool_stats stats = stats_of(p);
	void *elems[8];
	uint64_t i;

	CHECK(stats.outstanding == 0);
	CHECK(stats.waiters == 0);
	CHECK(stats.curr_nr == stats.min_nr);
	CHECK(stats.min_nr <= 8);
	CHECK(mempool_is_saturated(p));
	for (i = 0; i < stats.min_nr; i++) {
		elems[i] = mempool_alloc_preallocated(p);
		CHECK(elems[i]);
		memset(elems[i], (int)i, sizeof(long));
	}
	CHECK(!mempool_alloc_preallocated(p));
	for (i = 0; i < stats.min_nr; i++)
		mempool_free(elems[i], p);
	CHECK(mempool_is_saturated(p));
	elems[0] = mempool_alloc(p, GFP_KERNEL);
	CHECK(elems[0]);
	mempool_free(elems[0], p);
	CHECK(stats_of(p).outstanding == 0);
	CHECK(mempool_is_saturated(p));
}

/* ---- making ------------------------------------------------------------ */

/* 0 or -errno; makes "pool". */
typedef int (*maker)(void);

static int made(mempool_t *p)
{
	pool = p;
	return p ? 0 : -errno;
}

/* Storage need not be zeroed. */
static mempool_t *garbage(void)
{
	return memset(&storage, 0xff, sizeof(storage));
}

static int initialised(int err)
{
	pool = err ? NULL : &storage;
	return err;
}

static const struct mempool_attr everything = {
	.size = sizeof(everything),
	.name = "everything",
	.element_size = 64,
	.flags = MEMPOOL_PRIO_INHERIT,
	.max_nr = 2 * MIN_NR,
	.node = MEMPOOL_NODE_ANY,
};

static int create(void)
{
	return made(mempool_create(MIN_NR, fault_give, backend_free,
				   &backend));
}

static int create_empty(void)
{
	return made(mempool_create(0, fault_give, backend_free, &backend));
}

static int create_kmalloc(void)
{
	return made(mempool_create_kmalloc_pool(MIN_NR, 64));
}

static int create_pages(void)
{
	return made(mempool_create_page_pool(MIN_NR, 0));
}

static int create_node(void)
{
	return made(mempool_create_node(MIN_NR, fault_give, backend_free,
					&backend, GFP_NOIO, 0));
}

static int create_attr(void)
{
	return made(mempool_create_attr(MIN_NR, fault_give, backend_free,
					&backend, &everything));
}

static int create_fixed(void)
{
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;

	attr.flags = MEMPOOL_FIXED;
	return made(mempool_create_attr(MIN_NR, fault_give, backend_free,
					&backend, &attr));
}

static int create_cached(void)
{
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;

	attr.flags = MEMPOOL_CACHED;
	return made(mempool_create_attr(MIN_NR, fault_give, backend_free,
					&backend, &attr));
}

static int init(void)
{
	return initialised(mempool_init(garbage(), MIN_NR, fault_give,
					backend_free, &backend));
}

static int init_node(void)
{
	return initialised(mempool_init_node(garbage(), MIN_NR, fault_give,
					     backend_free, &backend, GFP_NOIO,
					     0));
}

static int init_attr(void)
{
	return initialised(mempool_init_attr(garbage(), MIN_NR, fault_give,
					     backend_free, &backend,
					     &everything));
}

static int count_pool(mempool_t *p, void *nr)
{
	(void)p;
	(*(unsigned int *)nr)++;
	return 0;
}

static unsigned int nr_pools(void)
{
	unsigned int nr = 0;

	CHECK(mempool_for_each(count_pool, &nr) == 0);
	return nr;
}

static void end(void)
{
	if (pool == &storage)
		mempool_exit(pool);
	else
		mempool_destroy(pool);
	CHECK(!mempool_initialized(&storage));
}

/* @others: pools that there are. */
static void make(maker how, unsigned int others)
{
	unsigned int live = backend_live(&backend);
	int err, err_errno;

	errno = MARK;
	fault_arm();
	err = how();
	err_errno = errno;
	fault_disarm();
	if (err == 0) {
		/* kmalloc() makes a second attempt; without a fence nothing is
		 * cached, and magazines may have more pages than they need. */
		CHECK(fault_hits() == 0 || how == create_kmalloc ||
		      how == create_cached);
		CHECK(pool == &storage || err_errno == MARK);
	} else {
		CHECK(err == -ENOMEM && fault_hits() > 0);
		CHECK(backend_live(&backend) == live);
		CHECK(nr_pools() == others);
		CHECK(!mempool_find("everything") && errno == ENOENT);
		CHECK(!mempool_initialized(&storage));
		mempool_exit(&storage);
		CHECK(how() == 0);
	}
	/* The fork handlers, once and for all pools. */
	CHECK(fault_nr_atfork() == 1);
	CHECK(nr_pools() == others + 1);
	fault_prove_usable(pool);
}

static void make_first(const void *arg)
{
	backend_init(&backend, 64);
	make(*(const maker *)arg, 0);
	end();
	CHECK(backend_live(&backend) == 0);
}

static void make_second(const void *arg)
{
	mempool_t *first;

	backend_init(&backend, 64);
	CHECK(create() == 0);
	first = pool;
	make(*(const maker *)arg, 1);
	end();
	fault_prove_usable(first);
	mempool_destroy(first);
	CHECK(backend_live(&backend) == 0);
}

static void make_in_child(const void *arg)
{
	pid_t pid;
	int status;

	backend_init(&backend, 64);
	CHECK(create() == 0);
	pid = fork();
	if (pid == 0) {
		mempool_destroy(pool);
		make(*(const maker *)arg, 0);
		end();
		CHECK(fault_nothing_held());
		exit(EXIT_SUCCESS);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	end();
}

/* ---- ending ------------------------------------------------------------ */

static void end_armed(const void *arg)
{
	backend_init(&backend, 64);
	CHECK((*(const maker *)arg)() == 0);
	fault_arm();
	end();
	fault_disarm();
	CHECK(backend_live(&backend) == 0);
	CHECK(nr_pools() == 0);
	CHECK((*(const maker *)arg)() == 0);
	end();
}

/* ---- forking ----------------------------------------------------------- */

/*
 * Whatever fails in the handlers, both have a pool.  The child does not end
 * its own: ThreadSanitizer takes a lock made anew for one that is still held,
 * and warns of others taken under it.
 */
static void fork_armed(const void *arg)
{
	pid_t pid;
	int status;

	backend_init(&backend, 64);
	CHECK((*(const maker *)arg)() == 0);
	fault_arm();
	pid = fork();
	fault_disarm();
	if (pid == 0)
		alarm(TEST_TIMEOUT);
	fault_prove_usable(pool);
	if (pid == 0)
		exit(EXIT_SUCCESS);
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	end();
}

#define MAKER(fn)	&(const maker){ fn }

const struct scenario life_scenarios[] = {
	{ "create", "the first pool", make_first, MAKER(create) },
	{ "create", "without a reserve", make_first, MAKER(create_empty) },
	{ "create", "over kmalloc", make_first, MAKER(create_kmalloc) },
	{ "create", "over pages", make_first, MAKER(create_pages) },
	{ "create_node", "the first pool", make_first, MAKER(create_node) },
	{ "create_attr", "with everything", make_first, MAKER(create_attr) },
	{ "create_attr", "fixed", make_first, MAKER(create_fixed) },
	{ "create_attr", "cached", make_first, MAKER(create_cached) },
	{ "init", "the first pool", make_first, MAKER(init) },
	{ "init_node", "the first pool", make_first, MAKER(init_node) },
	{ "init_attr", "with everything", make_first, MAKER(init_attr) },

	{ "create", "beside another", make_second, MAKER(create) },
	{ "create_attr", "beside another", make_second, MAKER(create_attr) },
	{ "init", "beside another", make_second, MAKER(init) },

	{ "create", "in a forked child", make_in_child, MAKER(create) },
	{ "create_attr", "in a forked child", make_in_child,
	  MAKER(create_attr) },
	{ "init_attr", "in a forked child", make_in_child,
	  MAKER(init_attr) },

	{ "destroy", "a pool", end_armed, MAKER(create) },
	{ "destroy", "a pool over pages", end_armed, MAKER(create_pages) },
	{ "destroy", "a pool with everything", end_armed,
	  MAKER(create_attr) },
	{ "exit", "a pool", end_armed, MAKER(init) },

	{ "create", "then fork", fork_armed, MAKER(create) },
	{ "create_attr", "then fork", fork_armed, MAKER(create_attr) },
	{ NULL, NULL, NULL, NULL },
};
