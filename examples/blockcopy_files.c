/* SPDX-License-Identifier: MIT */
/*
 * blockcopy_files.c - the source, and an output that is whole or absent
 *
 * The copy is written to a temporary name in the destination's directory and
 * gets its own name by rename(2), which replaces an older file in one step.
 * Every other end, SIGINT and its like included, removes the temporary name.
 * (SIGKILL or a power cut leave a file ".blockcopy-XXXXXX".)
 */
#include "blockcopy.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TEMPORARY	".blockcopy-XXXXXX"

static const int endings[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM };
#define NR_ENDINGS	(sizeof(endings) / sizeof(endings[0]))

/* One output per process, because a signal handler must find it.  Changed
 * only while the signals above are blocked. */
static struct {
	int	fd;
	mode_t	mode;			/* of the finished file */
	char	target[PATH_MAX];	/* final name, links resolved */
	char	temporary[PATH_MAX];	/* empty when there is none */
} output = { -1, 0, "", "" };

/* ---- source ------------------------------------------------------------ */

int source_open(struct source *src, const char *path)
{
	int err;

	/* O_NONBLOCK: opening a pipe must not wait for someone to write. */
	src->fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (src->fd < 0)
		return fail(errno, "cannot open %s", path);
	if (fstat(src->fd, &src->st) != 0)
		err = fail(errno, "%s", path);
	else if (S_ISDIR(src->st.st_mode))
		err = fail(0, "%s is a directory", path);
	else if (!S_ISREG(src->st.st_mode))
		err = fail(0, "%s is not a regular file", path);
	else if (src->st.st_size == 0)
		err = fail(0, "%s is empty, nothing to copy", path);
	else
		return 0;
	close(src->fd);
	src->fd = -1;
	return err;
}

int source_check_unchanged(const struct source *src, const char *path)
{
	struct stat now;

	if (fstat(src->fd, &now) != 0)
		return fail(errno, "%s", path);
	if (now.st_size != src->st.st_size ||
	    now.st_mtim.tv_sec != src->st.st_mtim.tv_sec ||
	    now.st_mtim.tv_nsec != src->st.st_mtim.tv_nsec)
		return fail(0, "%s changed while it was copied", path);
	return 0;
}

/* ---- signals ----------------------------------------------------------- */

static void on_ending(int sig)
{
	static const char text[] = "blockcopy: interrupted, copy abandoned\n";

	if (output.temporary[0] != '\0') {
		unlink(output.temporary);
		(void)!write(STDERR_FILENO, text, sizeof(text) - 1);
	}
	raise(sig);			/* its default, by SA_RESETHAND */
}

static void block_endings(sigset_t *before)
{
	sigset_t set;
	size_t i;

	sigemptyset(&set);
	for (i = 0; i < NR_ENDINGS; i++)
		sigaddset(&set, endings[i]);
	pthread_sigmask(SIG_BLOCK, &set, before);
}

static void unblock_endings(const sigset_t *before)
{
	pthread_sigmask(SIG_SETMASK, before, NULL);
}

static void catch_endings(void)
{
	struct sigaction sa, old;
	size_t i;

	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = on_ending;
	sa.sa_flags = (int)SA_RESETHAND;
	sigemptyset(&sa.sa_mask);
	for (i = 0; i < NR_ENDINGS; i++)
		sigaddset(&sa.sa_mask, endings[i]);
	for (i = 0; i < NR_ENDINGS; i++) {
		/* What nohup(1) or the shell ignores stays ignored. */
		if (sigaction(endings[i], NULL, &old) == 0 &&
		    old.sa_handler != SIG_IGN)
			sigaction(endings[i], &sa, NULL);
	}
	/* A file size limit is to be an error of write, not a signal. */
	sa.sa_handler = SIG_IGN;
	sa.sa_flags = 0;
	sigaction(SIGXFSZ, &sa, NULL);
}

/* ---- output ------------------------------------------------------------ */

/* Whether the name is free or a file that may be replaced. */
static int check_destination(const char *path, const struct source *src)
{
	struct stat st;

	if (stat(path, &st) != 0) {
		if (errno == ENOENT && lstat(path, &st) == 0)
			return fail(0, "%s is a symbolic link to nothing",
				    path);
		return errno == ENOENT ? 0 : fail(errno, "%s", path);
	}
	if (st.st_dev == src->st.st_dev && st.st_ino == src->st.st_ino)
		return fail(0, "source and destination %s are the same file",
			    path);
	if (S_ISDIR(st.st_mode))
		return fail(0, "destination %s is a directory", path);
	if (!S_ISREG(st.st_mode))
		return fail(0, "destination %s is not a regular file", path);
	return 0;
}

/* Fills both names. */
static int choose_names(const char *path)
{
	char *resolved, *slash;
	size_t dir;

	/* Through symbolic links: the file is replaced, not the link. */
	resolved = realpath(path, NULL);
	dir = strlen(resolved != NULL ? resolved : path);
	if (dir < sizeof(output.target))
		strcpy(output.target, resolved != NULL ? resolved : path);
	free(resolved);
	if (dir >= sizeof(output.target))
		return fail(ENAMETOOLONG, "destination");

	slash = strrchr(output.target, '/');
	dir = slash != NULL ? (size_t)(slash - output.target) + 1 : 0;
	if (dir + sizeof(TEMPORARY) > sizeof(output.temporary))
		return fail(ENAMETOOLONG, "destination");
	memcpy(output.temporary, output.target, dir);
	strcpy(output.temporary + dir, TEMPORARY);
	return 0;
}

int output_open(const char *path, const struct source *src)
{
	sigset_t before;
	mode_t mask;

	if (check_destination(path, src) != 0)
		return -1;
	mask = umask(0);
	umask(mask);
	output.mode = src->st.st_mode & 0777 & ~mask;

	block_endings(&before);
	catch_endings();
	if (choose_names(path) == 0) {
		output.fd = mkostemp(output.temporary, O_CLOEXEC);
		if (output.fd < 0)
			fail(errno, "cannot create a file in the directory "
			     "of %s", path);
	}
	if (output.fd < 0)
		output.temporary[0] = '\0';
	unblock_endings(&before);
	return output.fd;
}

int output_commit(void)
{
	sigset_t before;
	int err = 0;

	/* Some file systems find out only here that they are full. */
	if (fchmod(output.fd, output.mode) != 0 || fsync(output.fd) != 0)
		return fail(errno, "cannot write %s", output.target);

	block_endings(&before);
	if (rename(output.temporary, output.target) != 0)
		err = fail(errno, "cannot write %s", output.target);
	else
		output.temporary[0] = '\0';
	unblock_endings(&before);
	return err;
}

void output_abandon(void)
{
	sigset_t before;

	block_endings(&before);
	if (output.temporary[0] != '\0')
		unlink(output.temporary);
	output.temporary[0] = '\0';
	unblock_endings(&before);
	if (output.fd >= 0)
		close(output.fd);
	output.fd = -1;
}
