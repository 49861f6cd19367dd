/* SPDX-License-Identifier: MIT */
/*
 * absent.c - what is not there: pages, and a system call
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "absent.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <check.h>

/* ---- pages --------------------------------------------------------------- */

int faults = -1;
void **absent;

bool watch(void *run, size_t size)
{
	struct uffdio_register range = {
		.range = { .start = (uintptr_t)run, .len = size },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	return !ioctl(faults, UFFDIO_REGISTER, &range);
}

bool can_watch(void)
{
	struct uffdio_api api = { .api = UFFD_API };

#ifdef UFFD_USER_MODE_ONLY
	faults = (int)syscall(SYS_userfaultfd,
			      O_CLOEXEC | O_NONBLOCK |
			      UFFD_USER_MODE_ONLY);
#else
	faults = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
#endif
	if (faults >= 0 && !ioctl(faults, UFFDIO_API, &api))
		return true;
	printf("skip: no userfaultfd is to be had\n");
	return false;
}

bool make_absent(void)
{
	if (!can_watch())
		return false;
	absent = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert(absent != MAP_FAILED);
	ck_assert(watch(absent, PAGE));
	return true;
}

uintptr_t fault_within(int ms)
{
	struct pollfd poll_it = { .fd = faults, .events = POLLIN };
	struct uffd_msg message;

	if (poll(&poll_it, 1, ms) != 1 ||
	    read(faults, &message, sizeof(message)) != sizeof(message))
		return 0;
	return (uintptr_t)message.arg.pagefault.address / PAGE * PAGE;
}

bool wait_for_fault(void)
{
	return fault_within(10000);
}

void make_page_present(uintptr_t at)
{
	struct uffdio_zeropage page = {
		.range = { .start = at, .len = PAGE },
	};

	ck_assert_int_eq(ioctl(faults, UFFDIO_ZEROPAGE, &page), 0);
}

void make_present(void)
{
	make_page_present((uintptr_t)absent);
}

void end_absent(void)
{
	munmap(absent, PAGE);
	close(faults);
}

/* ---- a system call ------------------------------------------------------- */

bool refuse_membarrier(unsigned int err)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_membarrier, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | err),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {
		.len = sizeof(code) / sizeof(code[0]), .filter = code,
	};

	if (!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
	    !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		return true;
	printf("skip: no filter of system calls can be set\n");
	return false;
}
