/* SPDX-License-Identifier: MIT */
/*
 * pages.c - runs of memory from the system
 *
 * A run begins on a granule of 64 KiB, so that a table with one word for each
 * granule (pagemap.c) knows every address.  The system aligns to pages only.
 * It places mappings one below the other, though, so after one that was aligned
 * by hand the next is aligned by itself, as a rule.
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

static char *map(size_t size)
{
	char *run = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return run == MAP_FAILED ? NULL : run;
}

/* More than is needed, less what sticks out on both sides. */
static char *map_and_trim(size_t size)
{
	char *wide, *run;

	if (size > SIZE_MAX - GRANULE)
		return NULL;
	wide = map(size + GRANULE);
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
	char *run = map(size);

	if (run && (uintptr_t)run % GRANULE) {
		munmap(run, size);
		run = map_and_trim(size);
	}
	if (run)
		prefer_node(run, size, node);
	errno = saved_errno;
	return run;
}

/* A run in the middle of others may be refused, since it would leave one
 * mapping more than the system allows: then the memory goes back at least, and
 * only its addresses are lost. */
void pages_unmap(void *run, size_t size)
{
	int saved_errno = errno;

	if (munmap(run, size))
		madvise(run, size, MADV_DONTNEED);
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
