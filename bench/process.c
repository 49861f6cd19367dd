/* SPDX-License-Identifier: MIT */
/*
 * process.c - something measured in a process of its own
 */
#include "config.h"

#include "process.h"

#include <err.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *start(const struct adapter *adapter)
{
	return adapter->start ? adapter->start() : NULL;
}

/* What waitpid() says of it: 0 if it ended well. */
static int status_of(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		err(1, "waitpid");
	return status;
}

static pid_t fork_or_exit(void)
{
	pid_t pid;

	/* What is printed already is not to be printed twice. */
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	return pid;
}

bool process_starts(const struct adapter *adapter)
{
	pid_t pid = fork_or_exit();
	const char *why;

	if (pid)
		return status_of(pid) == 0;
	why = start(adapter);
	if (why)
		printf("# %s: skipped, %s\n", adapter->name, why);
	fflush(stdout);
	_exit(why != NULL);
}

static void run(work_fn *work, const struct adapter *adapter,
		const struct job *job, int fd)
{
	const char *why = start(adapter);
	struct outcome outcome;

	if (why)
		errx(1, "%s: %s", adapter->name, why);
	work(adapter, job, &outcome);
	_exit(write(fd, &outcome, sizeof(outcome)) != sizeof(outcome));
}

void process_run(work_fn *work, const struct adapter *adapter,
		 const struct job *job, struct outcome *outcome)
{
	int fds[2], status;
	bool ok;
	pid_t pid;

	if (pipe(fds))
		err(1, "pipe");
	pid = fork_or_exit();
	if (!pid)
		run(work, adapter, job, fds[1]);
	close(fds[1]);
	ok = read(fds[0], outcome, sizeof(*outcome)) == sizeof(*outcome);
	close(fds[0]);
	status = status_of(pid);
	if (status || !ok)
		errx(1, "%s failed: %s", adapter->name,
		     WIFSIGNALED(status) ? strsignal(WTERMSIG(status))
					 : "it ended early");
}
