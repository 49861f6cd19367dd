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

static bool membarrier(int command, unsigned int flags, int cpu)
{
	int saved_errno = errno;
	long err = syscall(SYS_membarrier, command, flags, cpu);

	errno = saved_errno;
	return !err;
}

unsigned int rseq_nr_cpus(void)
{
	unsigned long set[LANES_MAX / CHAR_BIT / sizeof(long)];
	long size;

	if (!__rseq_size ||
	    !membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ, 0, 0))
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

bool rseq_fence(unsigned int cpu)
{
	return membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ,
			  MEMBARRIER_CMD_FLAG_CPU, (int)cpu);
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

bool rseq_fence(unsigned int cpu)
{
	(void)cpu;
	return true;
}

#endif
