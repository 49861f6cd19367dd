/* SPDX-License-Identifier: MIT */
/*
 * blockcopy_squeeze.c - take all memory away while the copy runs
 *
 * A limit on the address space (RLIMIT_AS) makes malloc and mmap fail for this
 * process alone, and a thread takes what is left below the limit: first pages
 * from the system, then the holes inside malloc's heap, down to the smallest,
 * and what the general caches behind the pools still have of every size.  It
 * goes on until the copy ends, so that what the copy gives back to the system
 * or to the heap is gone as well.
 *
 * The reader calls squeeze_begin() when no block is under way.  When it
 * returns, everything that is not in a reserve is in this thread's hands, so
 * the next allocation fails in every run, not only in most.
 *
 * malloc must use one arena (main() sees to it): a heap that belongs to other
 * threads would hide free memory from this one.
 */
#include "blockcopy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <kmempool/kmalloc.h>

#define SLACK_BYTES	(16u << 20)	/* left below the limit, then taken */
#define MALLOC_MAX	(64u << 10)	/* below malloc's mmap threshold */
#define MALLOC_MIN	16u
#define SWEEP_NS	1000000

/* At the start of each piece that was taken. */
struct piece {
	struct piece	*next;
	size_t		size;
};

static struct piece *mapped, *heaped, *cached;	/* of the squeezing thread */

static void keep(struct squeeze *sq, struct piece **list, struct piece *piece,
		 size_t size)
{
	piece->next = *list;
	piece->size = size;
	*list = piece;
	sq->bytes += size;
}

/* Afterwards mmap() of one page, malloc(1) and kmalloc() of each size have all
 * failed once. */
static void sweep(struct squeeze *sq)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t size;
	void *p;

	for (size = SLACK_BYTES; size >= page; size /= 2) {
		while ((p = mmap(NULL, size, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) !=
		       MAP_FAILED)
			keep(sq, &mapped, p, size);
	}
	for (size = MALLOC_MAX; size >= MALLOC_MIN; size /= 2) {
		while ((p = malloc(size)) != NULL)
			keep(sq, &heaped, p, size);
	}
	/* No two size classes lie closer together. */
	for (size = KMALLOC_CACHE_SIZE_MAX; size >= MALLOC_MIN;
	     size -= (size + 15) / 16) {
		while ((p = kmalloc(size, GFP_NOWAIT)) != NULL)
			keep(sq, &cached, p, size);
	}
}

static void give_back(void)
{
	struct piece *piece;

	while ((piece = cached) != NULL) {
		cached = piece->next;
		kfree(piece);
	}
	while ((piece = heaped) != NULL) {
		heaped = piece->next;
		free(piece);
	}
	while ((piece = mapped) != NULL) {
		mapped = piece->next;
		munmap(piece, piece->size);
	}
}

/* Address space in use, bytes; 0 when it cannot be told. */
static uint64_t address_space(void)
{
	char text[64];
	ssize_t len;
	int fd;

	fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	len = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (len <= 0)
		return 0;
	text[len] = '\0';
	return strtoull(text, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Returns 0, or -1 after fail(). */
static int set_limit(struct rlimit *before)
{
	struct rlimit limit;
	uint64_t used = address_space();

	if (used == 0)
		return fail(errno, "--squeeze: cannot read /proc/self/statm");
	if (getrlimit(RLIMIT_AS, before) != 0)
		return fail(errno, "--squeeze: getrlimit");
	limit = *before;
	if (limit.rlim_cur > used + SLACK_BYTES)
		limit.rlim_cur = (rlim_t)(used + SLACK_BYTES);
	if (setrlimit(RLIMIT_AS, &limit) != 0)
		return fail(errno, "--squeeze: setrlimit");
	return 0;
}

static void *squeeze_main(void *arg)
{
	const struct timespec pause = { 0, SWEEP_NS };
	struct squeeze *sq = arg;
	struct rlimit before;

	while (sem_wait(&sq->begin) != 0)
		;
	if (atomic_load(&sq->stop) || set_limit(&before) != 0) {
		sem_post(&sq->taken);
		return NULL;
	}
	sweep(sq);
	sem_post(&sq->taken);
	while (!atomic_load(&sq->stop)) {
		nanosleep(&pause, NULL);
		sweep(sq);
	}
	give_back();
	setrlimit(RLIMIT_AS, &before);
	return NULL;
}

int squeeze_open(struct squeeze *sq)
{
	int err;

	sem_init(&sq->begin, 0, 0);
	sem_init(&sq->taken, 0, 0);
	atomic_init(&sq->stop, false);
	sq->bytes = 0;
	sq->block = 0;
	err = pthread_create(&sq->thread, NULL, squeeze_main, sq);
	sq->started = err == 0;
	return err == 0 ? 0 : fail(err, "cannot create a thread");
}

void squeeze_begin(struct squeeze *sq, uint64_t block)
{
	sq->block = block;
	sem_post(&sq->begin);
	while (sem_wait(&sq->taken) != 0)
		;
}

void squeeze_close(struct squeeze *sq)
{
	if (!sq->started)
		return;
	atomic_store(&sq->stop, true);
	sem_post(&sq->begin);
	pthread_join(sq->thread, NULL);
	sq->started = false;
	sem_destroy(&sq->begin);
	sem_destroy(&sq->taken);
}
