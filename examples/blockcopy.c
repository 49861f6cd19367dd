/* SPDX-License-Identifier: MIT */
/*
 * blockcopy.c - copy a file through memory pools, also when memory is gone
 *
 * Every block takes its memory from two pools.  With --squeeze all other
 * memory of the process is taken away while the copy runs; with --malloc the
 * blocks use malloc instead, so the two can be compared:
 *
 *	blockcopy --malloc --squeeze FILE COPY		fails
 *	blockcopy --squeeze FILE COPY			copies
 *
 * This file: the options, and the order of events.
 */
#include "blockcopy.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#define EXIT_USAGE	2
#define EXIT_CANNOT	77		/* this build cannot do what is asked */

static const char help[] =
	"usage: blockcopy [OPTION]... SOURCE DESTINATION\n"
	"Copy a file in blocks whose memory comes from reserve pools.\n"
	"\n"
	"  --malloc      take the memory from malloc instead\n"
	"  --squeeze     take all other memory away during the copy\n"
	"  --workers N   threads that compute checksums, 1 to 64 (2)\n"
	"  --reserve N   blocks the pools can hold, 1 to 1024 (4)\n"
	"  --help        show this\n"
	"\n"
	"DESTINATION appears, or is replaced, only when the copy is complete.\n"
	"Exit status: 0 copied, 1 failed, 2 wrong usage.\n";

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* A descriptor below 3 that is closed would become the copy's, and messages
 * would be written into it. */
static void open_standard_fds(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

/* ---- options ----------------------------------------------------------- */

static int parse_number(const char *name, const char *text, unsigned int max,
			unsigned int *value)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || n < 1 || n > (long)max)
		return fail(0, "%s takes a number from 1 to %u, not \"%s\"",
			    name, max, text);
	*value = (unsigned int)n;
	return 0;
}

/* Returns 0, or -1 after fail(); 1 when --help was asked for. */
static int parse_options(struct options *opt, int argc, char **argv)
{
	static const struct option known[] = {
		{ "malloc", no_argument, NULL, 'm' },
		{ "squeeze", no_argument, NULL, 's' },
		{ "workers", required_argument, NULL, 'w' },
		{ "reserve", required_argument, NULL, 'r' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 }
	};
	int c, err = 0;

	*opt = (struct options){ .workers = 2, .reserve = 4 };
	opterr = 0;
	while (err == 0 &&
	       (c = getopt_long(argc, argv, ":", known, NULL)) != -1) {
		switch (c) {
		case 'm':
			opt->plain = true;
			break;
		case 's':
			opt->squeeze = true;
			break;
		case 'w':
			err = parse_number("--workers", optarg, WORKERS_MAX,
					   &opt->workers);
			break;
		case 'r':
			err = parse_number("--reserve", optarg, RESERVE_MAX,
					   &opt->reserve);
			break;
		case 'h':
			return 1;
		case ':':
			err = fail(0, "%s needs a number; see --help",
				   argv[optind - 1]);
			break;
		default:
			err = fail(0, "unknown option %s; see --help",
				   argv[optind - 1]);
			break;
		}
	}
	if (err == 0 && argc - optind != 2)
		err = fail(0, "needs a source and a destination; see --help");
	if (err == 0) {
		opt->source = argv[optind];
		opt->destination = argv[optind + 1];
	}
	return err;
}

/* ---- the copy ---------------------------------------------------------- */

/* Everything is open and nothing has failed.  See failed() afterwards. */
static void copy(struct pipeline *pl, struct outcome *out)
{
	uint64_t begin = now_ns();
	uint32_t crc;

	pipeline_run(pl);
	out->elapsed_ns = now_ns() - begin;
	if (failed() || !read_back(pl->dst, pl->size, &crc))
		return;
	if (crc != pl->crc) {
		fail(0, "%s: checksum differs from that of %s",
		     pl->opt->destination, pl->opt->source);
		return;
	}
	out->copied = true;
	out->crc_source = crc_finish(pl->crc, pl->size);
	out->crc_copy = crc_finish(crc, pl->size);
}

/* From open files to the report.  Undone here: all but the files. */
static void run(const struct options *opt, const struct source *src, int dst)
{
	struct squeeze squeeze = { .started = false };
	struct outcome out = { .copied = false };
	struct pipeline pl;
	struct memory mem;

	if (memory_open(&mem, opt) != 0)
		return;
	pl = (struct pipeline){
		.opt = opt, .mem = &mem, .squeeze = &squeeze,
		.src = src->fd, .dst = dst, .size = (uint64_t)src->st.st_size,
	};
	if (!opt->squeeze || squeeze_open(&squeeze) == 0) {
		copy(&pl, &out);
		squeeze_close(&squeeze);
		if (!failed() &&
		    source_check_unchanged(src, opt->source) == 0)
			output_commit();
		print_report(&pl, &out);
	}
	memory_close(&mem);
}

int main(int argc, char **argv)
{
	struct options opt;
	struct source src;
	int dst, rc;

	/* Before the first thread: one heap for all, see blockcopy_squeeze.c */
	mallopt(M_ARENA_MAX, 1);
	open_standard_fds();
	crc_init();

	rc = parse_options(&opt, argc, argv);
	if (rc > 0)
		return fputs(help, stdout) < 0 || fflush(stdout) != 0;
	if (rc < 0) {
		print_failure();
		return EXIT_USAGE;
	}
	if (opt.squeeze && SANITIZED) {
		fail(0, "--squeeze cannot limit the address space of a build "
		     "with sanitizers");
		print_failure();
		return EXIT_CANNOT;
	}

	if (source_open(&src, opt.source) == 0) {
		dst = output_open(opt.destination, &src);
		if (dst >= 0)
			run(&opt, &src, dst);
		output_abandon();	/* what was not committed */
		close(src.fd);
	}
	if (failed()) {
		print_failure();
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}
