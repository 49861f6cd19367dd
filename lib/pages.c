/* SPDX-License-Identifier: MIT */
/*
 * pages.c - runs of memory from the system
 *
 * A run begins on a granule of 64 KiB, so that a table with one word for each
 * granule (pagemap.c) knows every address.  The system aligns to pages only.  So
 * the first run is aligned by hand, and the others are asked for below the last
 * one, or higher, where one was unmapped since: never lower, or a program that
 * maps and unmaps would walk through all addresses, of which each part that was
 * ever used has its piece of pagemap.c's table.
 *
 * Left to itself the system would offer the same hole again and again that is
 * large enough but not aligned; and what is aligned by hand each time lies apart,
 * which makes every run a mapping of its own, of which a process may have 65,530.
 */
#include "config.h"

#include "pages.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MPOL_PREFERRED	1		/* linux/mempolicy.h is not in libc */
#define POPULATE_WRITE	23		/* MADV_*, of Linux 5.14 and glibc 2.35 */

/* Where the next run would best end; 0: anywhere.  Atomic [A1]: any value will do,
 * the system takes it for a hint. */
static uintptr_t next_end;

static uintptr_t get_next_end(void)
{
	return __atomic_load_n(&next_end, __ATOMIC_RELAXED);
}

static void set_next_end(const char *end)
{
	__atomic_store_n(&next_end, (uintptr_t)end, __ATOMIC_RELAXED);
}

static char *map(uintptr_t hint, size_t size)
{
	char *run = mmap((void *)hint, size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return run == MAP_FAILED ? NULL : run;
}

static char *map_next(size_t size)
{
	uintptr_t end = get_next_end();

	return map(end > size ? end - size : 0, size);
}

/* More than is needed, less what sticks out on both sides. */
static char *map_and_trim(size_t size)
{
	char *wide, *run;

	if (size > SIZE_MAX - GRANULE)
		return NULL;
	wide = map(0, size + GRANULE);
	if (!wide)
		return NULL;
	run = (char *)pages_round((uintptr_t)wide);
	if (run > wide)
		munmap(wide, (size_t)(run - wide));
	if (run < wide + GRANULE)
		munmap(run + size, (size_t)(wide + GRANULE - run));
	return run;
}

/* Refusal does no harm: the memory lies elsewhere. */
static void prefer_node(void *run, size_t size, int node)
{
	unsigned long mask[16] = { 0 };
	unsigned int bits = sizeof(mask[0]) * CHAR_BIT;

	if (node < 0 || (unsigned int)node >= sizeof(mask) * CHAR_BIT)
		return;
	mask[(unsigned int)node / bits] = 1ul << ((unsigned int)node % bits);
	syscall(SYS_mbind, run, size, MPOL_PREFERRED, mask,
		sizeof(mask) * CHAR_BIT, 0);
}

void *pages_map(size_t size, int node)
{
	int saved_errno = errno;
	char *run = map_next(size);

	if (run && (uintptr_t)run % GRANULE) {
		munmap(run, size);
		run = map_and_trim(size);
	}
	if (run) {
		set_next_end(run);
		prefer_node(run, size, node);
	}
	errno = saved_errno;
	return run;
}

bool pages_populate(void *run, size_t size)
{
	int saved_errno = errno;
	bool populated = !madvise(run, size, POPULATE_WRITE);

	errno = saved_errno;
	return populated;
}

/* A run in the middle of others may be refused, since it would leave one
 * mapping more than the system allows: then the memory goes back at least, and
 * only its addresses are lost. */
void pages_unmap(void *run, size_t size)
{
	int saved_errno = errno;

	if (munmap(run, size))
		madvise(run, size, MADV_DONTNEED);
	else if ((uintptr_t)run + size > get_next_end())
		set_next_end((char *)run + size);
	errno = saved_errno;
}

void pages_drop(void *run, size_t used, size_t keep)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	int saved_errno = errno;

	keep = (keep + page - 1) & ~(page - 1);
	if (used > keep)
		madvise((char *)run + keep, used - keep, MADV_DONTNEED);
	errno = saved_errno;
}
