/* SPDX-License-Identifier: MIT */
/*
 * dlopen_tls.c - a plugin of a program that has little TLS to spare
 *
 * A library with initial-exec thread-local storage can be opened at run time
 * only if its storage fits into what the C library has set aside for that, and
 * other libraries take from it too.  Here fillers of 64 bytes take all but
 * the last 64 to 127 bytes.  A library of 128 bytes can then not be opened,
 * which shows that the storage is used up; libkmempool can, is used by threads
 * older and younger than itself, and goes on when it has been closed.
 *
 * Run in the build directory.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kmempool/mempool.h>

#define FILLER		"tests/.libs/tls_filler64.so"
#define TOO_BIG		"tests/.libs/tls_filler128.so"
#define LIBRARY		".libs/libkmempool.so"

#define MAX_FILLERS	1000
#define SKIP		77
#define NR_PAIRS	1000

/* The library's functions, by their names in C. */
static struct {
	__typeof__(mempool_create) *create;
	__typeof__(mempool_destroy) *destroy;
	__typeof__(mempool_alloc) *alloc;
	__typeof__(mempool_free) *free;
	__typeof__(mempool_get_stats) *get_stats;
	mempool_alloc_t *kmalloc;
	mempool_free_t *kfree;
} lib;

static mempool_t *pool;
static pthread_barrier_t opened, used, closed;

static void fail(const char *what, const char *why)
{
	printf("FAIL: %s: %s\n", what, why);
	exit(EXIT_FAILURE);
}

static void *symbol(void *handle, const char *name)
{
	void *address = dlsym(handle, name);

	if (!address)
		fail(name, dlerror());
	return address;
}

/* Opens a copy of @path, so that it counts as one more library. */
static void *open_copy(const char *path)
{
	int from = open(path, O_RDONLY | O_CLOEXEC);
	int to = memfd_create("filler", MFD_CLOEXEC);
	char name[64];
	struct stat st;

	if (from < 0 || fstat(from, &st) != 0)
		fail(path, "cannot be read; not run in the build directory?");
	if (to < 0 || sendfile(to, from, NULL, (size_t)st.st_size) !=
	    st.st_size)
		fail(path, "cannot be copied");
	close(from);
	/* A name is one library, so the copy keeps its descriptor. */
	snprintf(name, sizeof(name), "/proc/self/fd/%d", to);
	return dlopen(name, RTLD_NOW | RTLD_LOCAL);
}

static int fill_tls(void)
{
	void *last = NULL, *next;
	int nr = 0;

	while ((next = open_copy(FILLER)) && nr < MAX_FILLERS) {
		last = next;
		nr++;
	}
	if (next)
		return nr;
	printf("%d fillers, then: %s\n", nr, dlerror());
	if (last)
		dlclose(last);
	return nr;
}

static void allocate_and_free(void)
{
	void *element;
	int i;

	for (i = 0; i < NR_PAIRS; i++) {
		element = lib.alloc(pool, GFP_KERNEL);
		lib.free(element, pool);
	}
}

/* Its exit runs a destructor of the library. */
static void *user(void *unused)
{
	(void)unused;
	pthread_barrier_wait(&opened);
	allocate_and_free();
	pthread_barrier_wait(&used);
	pthread_barrier_wait(&closed);
	allocate_and_free();
	return NULL;
}

int main(void)
{
	pthread_t older, younger;
	struct mempool_stats stats;
	void *handle;
	int nr;

	pthread_barrier_init(&opened, NULL, 3);
	pthread_barrier_init(&used, NULL, 3);
	pthread_barrier_init(&closed, NULL, 3);
	if (pthread_create(&older, NULL, user, NULL) != 0)
		fail("pthread_create", "no thread");
	nr = fill_tls();
	if (nr == MAX_FILLERS) {
		puts("skip: this C library opens any amount of TLS");
		return SKIP;
	}
	if (nr == 0)
		fail(FILLER, "not even one could be opened");
	if (dlopen(TOO_BIG, RTLD_NOW | RTLD_LOCAL))
		fail(TOO_BIG, "could be opened: TLS is not used up");
	printf("as it should: %s\n", dlerror());

	handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	if (!handle)
		fail(LIBRARY, dlerror());
	lib.create = symbol(handle, "kmempool_create");
	lib.destroy = symbol(handle, "kmempool_destroy");
	lib.alloc = symbol(handle, "kmempool_alloc");
	lib.free = symbol(handle, "kmempool_free");
	lib.get_stats = symbol(handle, "kmempool_get_stats");
	lib.kmalloc = symbol(handle, "kmempool_pool_kmalloc");
	lib.kfree = symbol(handle, "kmempool_pool_kfree");
	pool = lib.create(1, lib.kmalloc, lib.kfree, (void *)64);
	if (!pool)
		fail("mempool_create", "no pool");
	if (pthread_create(&younger, NULL, user, NULL) != 0)
		fail("pthread_create", "no thread");
	pthread_barrier_wait(&opened);
	pthread_barrier_wait(&used);
	if (dlclose(handle) != 0)
		fail("dlclose", dlerror());
	pthread_barrier_wait(&closed);
	pthread_join(older, NULL);
	pthread_join(younger, NULL);

	lib.get_stats(pool, &stats, sizeof(stats));
	lib.destroy(pool);
	if (stats.outstanding != 0 || stats.alloc_backend != 4 * NR_PAIRS)
		fail("the threads' counts", "not the sum of what they did");
	puts("opened, used and closed with 64 bytes of TLS to spare");
	return EXIT_SUCCESS;
}
