/* SPDX-License-Identifier: MIT */
/*
 * rseq.c - whether there are restartable sequences
 *
 * The C library says so, and where a thread's area is.  The kernel must also be
 * able to make those of other CPUs begin again.
 */
#include "config.h"

#include "rseq.h"

#if HAVE_RSEQ && !HAVE_TSAN

#include <errno.h>
#include <limits.h>
#include <linux/membarrier.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CPUS_MAX	8192

/* What a thread has that has no area: CPU 0, and what is written is not read. */
static __thread struct {
	uint32_t	cpu, unused;
	uint64_t	record;
} no_area __attribute__((tls_model("initial-exec")));

intptr_t lane_area;

static char *thread_pointer(void)
{
	char *p;

	__asm__("movq %%fs:0, %0" : "=r" (p));
	return p;
}

static int membarrier(int command)
{
	int saved_errno = errno;
	int err = syscall(SYS_membarrier, command, 0, 0) ? -errno : 0;

	errno = saved_errno;
	return err;
}

unsigned int rseq_nr_cpus(void)
{
	unsigned long set[CPUS_MAX / CHAR_BIT / sizeof(long)];
	long size;

	if (!__rseq_size ||
	    membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ))
		return 0;
	/* As long as the kernel's own set of all CPUs, those that are not there
	 * yet included.  What the C library says may be a guess. */
	size = syscall(SYS_sched_getaffinity, 0, sizeof(set), set);
	return size > 0 ? (unsigned int)size * CHAR_BIT : 0;
}

void rseq_begin_without(void)
{
	lane_area = (char *)&no_area - thread_pointer();
}

void rseq_begin(void)
{
	lane_area = __rseq_offset;
}

int rseq_fence(void)
{
	return membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ);
}

#else

unsigned int rseq_nr_cpus(void)
{
	return 0;
}

void rseq_begin_without(void)
{
}

void rseq_begin(void)
{
}

int rseq_fence(void)
{
	return 0;
}

#endif
