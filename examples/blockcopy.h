/* SPDX-License-Identifier: MIT */
/*
 * blockcopy.h - what the parts of the block copier know of each other
 *
 *   blockcopy.c           options, and the order of events
 *   blockcopy_memory.c    requests and pages, from two pools or from malloc
 *   blockcopy_pipeline.c  reader, workers, writer
 *   blockcopy_squeeze.c   takes all memory away while the copy runs
 *   blockcopy_files.c     the source, and an output that is whole or absent
 *   blockcopy_crc.c       the checksum
 *   blockcopy_report.c    the one error line, the progress bar, the table
 *
 * From the first block on, nothing here allocates except blockcopy_memory.c:
 * files are open, threads are created and buffers are static by then.
 */
#ifndef BLOCKCOPY_H
#define BLOCKCOPY_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#ifndef _FILE_OFFSET_BITS
#define _FILE_OFFSET_BITS 64
#endif

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <kmempool/mempool.h>

#define PAGE_BYTES	4096u		/* used of each page element */
#define BLOCK_PAGES	16u
#define BLOCK_BYTES	(PAGE_BYTES * BLOCK_PAGES)

#define DEPTH		64		/* blocks under way, at most */
#define WORKERS_MAX	64
#define RESERVE_MAX	1024

struct options {
	const char	*source;
	const char	*destination;
	bool		plain;		/* malloc instead of pools */
	bool		squeeze;
	unsigned int	workers;
	unsigned int	reserve;	/* blocks that the pools can hold */
};

/* One block on its way.  Owned by one thread at a time. */
struct request {
	struct request	*next;		/* in a queue */
	off_t		offset;		/* in both files, bytes */
	size_t		len;		/* bytes; the last block may be short */
	uint32_t	crc;		/* of the data as read */
	unsigned int	nr_pages;
	void		*pages[BLOCK_PAGES];
};

/* ---- blockcopy_memory.c ------------------------------------------------ */

struct memory {
	mempool_t	*requests;	/* both NULL when plain */
	mempool_t	*pages;
	/* plain only; written by the reader, read when it has ended */
	uint64_t	request_allocs, request_failures;
	uint64_t	page_allocs, page_failures;
};

int memory_open(struct memory *mem, const struct options *opt);
void memory_close(struct memory *mem);
/* NULL with errno when there is none; only plain memory runs out. */
struct request *request_alloc(struct memory *mem, size_t len);
void request_free(struct memory *mem, struct request *req);
/* Counters of both kinds; for plain memory, those that mean something. */
void memory_get_stats(struct memory *mem, struct mempool_stats *requests,
		      struct mempool_stats *pages);

/* ---- blockcopy_squeeze.c ----------------------------------------------- */

struct squeeze {
	pthread_t	thread;
	bool		started;	/* the thread exists */
	sem_t		begin;		/* reader, or stop: take the memory */
	sem_t		taken;		/* thread: there is none left */
	atomic_bool	stop;
	uint64_t	bytes;		/* held; read when the thread ended */
	uint64_t	block;		/* at which it began; by the reader */
};

int squeeze_open(struct squeeze *sq);
/* Returns when malloc and mmap fail. */
void squeeze_begin(struct squeeze *sq, uint64_t block);
void squeeze_close(struct squeeze *sq);

/* ---- blockcopy_files.c ------------------------------------------------- */

struct source {
	int		fd;
	struct stat	st;		/* when the copy began */
};

int source_open(struct source *src, const char *path);
int source_check_unchanged(const struct source *src, const char *path);

/* Returns a descriptor of a file that has no name of its own yet, or -1. */
int output_open(const char *path, const struct source *src);
int output_commit(void);
void output_abandon(void);

/* ---- blockcopy_pipeline.c ---------------------------------------------- */

/* Several threads take from it, several put in. */
struct queue {
	pthread_mutex_t	lock;
	sem_t		ready;		/* one per request, and for close */
	struct request	*head;		/* under lock */
	struct request	**tail;		/* under lock */
};

struct pipeline {
	/* fixed before it runs */
	const struct options	*opt;
	struct memory		*mem;
	struct squeeze		*squeeze;
	int			src, dst;
	uint64_t		size;		/* bytes to copy */

	struct queue		to_workers;
	struct queue		to_writer;
	sem_t			slots;		/* DEPTH less those under way */
	sem_t			read_all;	/* the reader has ended */
	_Atomic uint64_t	done;		/* bytes written and verified */
	uint32_t		crc;		/* of what was read; by the
						   writer, read when it ended */
};

/* Copies; returns when every thread has ended.  See failed(). */
void pipeline_run(struct pipeline *pl);
/* The checksum of the whole destination; false after fail(). */
bool read_back(int fd, uint64_t size, uint32_t *crc);

/* ---- blockcopy_crc.c --------------------------------------------------- */

void crc_init(void);
uint32_t crc_add(uint32_t crc, const void *data, size_t len);
/* What a part's checksum contributes when nr_after bytes follow it. */
uint32_t crc_shift(uint32_t crc, uint64_t nr_after);
/* As cksum(1) prints it. */
uint32_t crc_finish(uint32_t crc, uint64_t size);

/* ---- blockcopy_report.c ------------------------------------------------ */

/* Keeps the first failure of the run, with strerror(err) unless err is 0.
 * Any thread.  Returns -1. */
int fail(int err, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
bool failed(void);
/* One line, to stderr. */
void print_failure(void);

void progress_draw(const struct pipeline *pl);
void progress_end(const struct pipeline *pl);

struct outcome {
	uint64_t	elapsed_ns;	/* first read to last verified write */
	bool		copied;		/* the two below mean something */
	uint32_t	crc_source;
	uint32_t	crc_copy;
};

int print_report(const struct pipeline *pl, const struct outcome *out);

#endif /* BLOCKCOPY_H */
