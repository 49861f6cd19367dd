/* SPDX-License-Identifier: MIT */
/*
 * blockcopy_report.c - the one error line, the progress bar, the table
 *
 * Text is made in static buffers and written with write(2), because stdio
 * would allocate its buffers at a time when there is no memory.
 */
#include "blockcopy.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BAR_WIDTH	30

static struct {
	pthread_mutex_t	lock;
	atomic_bool	is_set;		/* set under lock, read without */
	char		text[2 * PATH_MAX];	/* under lock */
} failure = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* Returns 0, or -1 with errno. */
static int write_all(int fd, const char *text, size_t len)
{
	ssize_t n;

	while (len > 0) {
		n = write(fd, text, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

/* ---- failure ----------------------------------------------------------- */

int fail(int err, const char *format, ...)
{
	size_t room = sizeof(failure.text) - 1;	/* for the newline */
	char *text = failure.text;
	va_list args;
	size_t len;

	pthread_mutex_lock(&failure.lock);
	if (!atomic_load(&failure.is_set)) {
		snprintf(text, room, "blockcopy: ");
		len = strlen(text);
		va_start(args, format);
		vsnprintf(text + len, room - len, format, args);
		va_end(args);
		len = strlen(text);
		if (err != 0)
			snprintf(text + len, room - len, ": %s",
				 strerror(err));
		atomic_store(&failure.is_set, true);
	}
	pthread_mutex_unlock(&failure.lock);
	return -1;
}

bool failed(void)
{
	return atomic_load(&failure.is_set);
}

void print_failure(void)
{
	size_t i, len = strlen(failure.text);

	/* One line, whatever is in a file's name. */
	for (i = 0; i < len; i++) {
		if ((unsigned char)failure.text[i] < ' ')
			failure.text[i] = '?';
	}
	failure.text[len] = '\n';
	(void)write_all(STDERR_FILENO, failure.text, len + 1);
}

/* ---- progress ---------------------------------------------------------- */

void progress_draw(const struct pipeline *pl)
{
	static struct mempool_stats requests, pages;	/* of the main thread */
	static char text[160];
	uint64_t done = atomic_load(&pl->done);
	int filled, len;

	if (!isatty(STDERR_FILENO))
		return;
	filled = (int)((double)done / (double)pl->size * BAR_WIDTH);
	len = snprintf(text, sizeof(text), "\r[%.*s%.*s] %3d%%",
		       filled, "##############################",
		       BAR_WIDTH - filled, "..............................",
		       (int)((double)done / (double)pl->size * 100));
	if (!pl->opt->plain) {
		memory_get_stats(pl->mem, &requests, &pages);
		len += snprintf(text + len, sizeof(text) - (size_t)len,
				"  reserve: requests %" PRIu64 "/%" PRIu64
				", pages %" PRIu64 "/%" PRIu64 "\033[K",
				requests.curr_nr, requests.min_nr,
				pages.curr_nr, pages.min_nr);
	}
	(void)write_all(STDERR_FILENO, text, (size_t)len);
}

void progress_end(const struct pipeline *pl)
{
	if (!isatty(STDERR_FILENO))
		return;
	progress_draw(pl);
	(void)write_all(STDERR_FILENO, "\n", 1);
}

/* ---- table ------------------------------------------------------------- */

static char table[4096];
static size_t table_len;

__attribute__((format(printf, 1, 2)))
static void add(const char *format, ...)
{
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(table + table_len, sizeof(table) - table_len, format,
			args);
	va_end(args);
	table_len += (size_t)len;
}

static void add_counts(const char *label, uint64_t requests, uint64_t pages)
{
	add("  %-26s%12" PRIu64 "%12" PRIu64 "\n", label, requests, pages);
}

static void add_crc(const char *label, bool have, uint32_t crc)
{
	if (have)
		add("  %-26s%12" PRIu32 "  (cksum)\n", label, crc);
	else
		add("  %-26s%12s\n", label, "none");
}

int print_report(const struct pipeline *pl, const struct outcome *out)
{
	static struct mempool_stats requests, pages;
	uint64_t done = atomic_load(&pl->done);
	double seconds = (double)out->elapsed_ns / 1e9;

	memory_get_stats(pl->mem, &requests, &pages);
	table_len = 0;
	add("blockcopy with %s, %s: %s\n", pl->opt->plain ? "malloc" : "pools",
	    pl->opt->squeeze ? "memory taken away" : "memory in plenty",
	    failed() ? "copy abandoned" : "copied");
	add("  %-26s%12" PRIu64 "  of %" PRIu64 "\n", "bytes", done, pl->size);
	add("  %-26s%12.1f  MB/s\n", "throughput",
	    seconds > 0 ? (double)done / seconds / 1e6 : 0.0);
	if (pl->opt->squeeze)
		add("  %-26s%12" PRIu64 "  bytes, from block %" PRIu64 " on\n",
		    "memory taken away", pl->squeeze->bytes,
		    pl->squeeze->block);
	add("  %-26s%12s%12s\n", "", "requests", "pages");
	add_counts("allocations served", requests.alloc_backend,
		   pages.alloc_backend);
	add_counts("allocations that failed", requests.backend_failures,
		   pages.backend_failures);
	add_counts("elements from the reserve",
		   requests.alloc_reserve + requests.alloc_handoff,
		   pages.alloc_reserve + pages.alloc_handoff);
	add_counts("  of these, to a sleeper", requests.alloc_handoff,
		   pages.alloc_handoff);
	add_counts("waits", requests.waits, pages.waits);
	add("  %-26s%12.3f%12.3f  ms\n", "longest wait",
	    (double)requests.wait_max_ns / 1e6,
	    (double)pages.wait_max_ns / 1e6);
	add_crc("checksum of the source", out->copied, out->crc_source);
	add_crc("checksum of the copy", out->copied, out->crc_copy);
	if (write_all(STDOUT_FILENO, table, table_len) != 0)
		return fail(errno, "cannot write the report");
	return 0;
}
