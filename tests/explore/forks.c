/* SPDX-License-Identifier: MIT */
/*
 * forks.c - a fiber forks the explorer
 *
 * The handlers that the library registered are run by the fiber, with all
 * their points.  The child has that fiber only, and ends when it does; there
 * is nothing to explore in it.  The parent waits for it, then goes on.
 */
#include "config.h"

#include "fiber.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define SAYS_SIZE	512

bool in_child;

static void (*prepare)(void), (*parent)(void), (*child)(void);
static char *says;			/* what went wrong in the child; shared
					   with it */

int __wrap_pthread_atfork(void (*)(void), void (*)(void), void (*)(void));

int __wrap_pthread_atfork(void (*new_prepare)(void), void (*new_parent)(void),
			  void (*new_child)(void))
{
	if (prepare)
		explore_fail("registers its fork handlers again");
	says = mmap(NULL, SAYS_SIZE, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (says == MAP_FAILED)
		abort();
	prepare = new_prepare;
	parent = new_parent;
	child = new_child;
	return 0;
}

static void be_the_child(void)
{
	in_child = true;
	sched_alone();
	child();
}

static void wait_for_child(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) != pid)
		;
	if (says[0])
		explore_fail("in the child, %s", says);
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		explore_fail("the child ended with status %#x", status);
}

bool explore_fork(void)
{
	pid_t pid;

	prepare();
	sched_point("forks");
	fflush(stdout);
	says[0] = '\0';
	pid = fork();
	if (pid < 0)
		abort();
	if (!pid) {
		be_the_child();
		return true;
	}
	wait_for_child(pid);
	parent();
	return false;
}

bool explore_is_child(void)
{
	return in_child;
}

void child_ends(const char *failure)
{
	if (failure)
		snprintf(says, SAYS_SIZE, "%s", failure);
	fflush(stdout);
	_exit(failure != NULL);
}
