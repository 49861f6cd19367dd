/* SPDX-License-Identifier: MIT */
/*
 * blockcopy_pipeline.c - reader, workers, writer
 *
 *            +--------+  to_workers  +---------+  to_writer  +--------+
 *   source ->| reader |------------->| workers |------------>| writer |
 *            +--------+              +---------+             +--------+
 *             takes a request         checksum                writes, reads
 *             and its pages,                                  back, compares,
 *             reads                                           gives back both
 *
 * The reader takes memory and the writer gives it back; nobody between them
 * takes any.  So when memory is short the reader sleeps in the pool, the
 * others finish what is under way, and that wakes it.
 *
 * After a failure every thread keeps going but does no more work: each request
 * still reaches the writer, which frees it, so nobody waits for ever.
 *
 * What is compared comes from the file, but perhaps from the system's cache
 * of it: a bad disk is not what this is about.
 */
#include "blockcopy.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* The length of the block at offset. */
static size_t block_len(const struct pipeline *pl, uint64_t offset)
{
	uint64_t left = pl->size - offset;

	return left < BLOCK_BYTES ? (size_t)left : BLOCK_BYTES;
}

/* ---- queues ------------------------------------------------------------ */

/*
 * Several workers sleep on one queue, so this is a semaphore and not a
 * condition variable: in glibc 2.25 to 2.40 one with several waiters can lose
 * a wake-up (bug 25847).
 */
static void queue_init(struct queue *q)
{
	pthread_mutex_init(&q->lock, NULL);
	sem_init(&q->ready, 0, 0);
	q->head = NULL;
	q->tail = &q->head;
}

static void queue_fini(struct queue *q)
{
	sem_destroy(&q->ready);
	pthread_mutex_destroy(&q->lock);
}

static void queue_push(struct queue *q, struct request *req)
{
	req->next = NULL;
	pthread_mutex_lock(&q->lock);
	*q->tail = req;
	q->tail = &req->next;
	pthread_mutex_unlock(&q->lock);
	sem_post(&q->ready);
}

static void wait_for(sem_t *sem)
{
	while (sem_wait(sem) != 0)
		;			/* EINTR */
}

/* After the last push, which must have happened. */
static void queue_close(struct queue *q)
{
	sem_post(&q->ready);
}

/* Sleeps until there is a request; NULL when the queue is closed. */
static struct request *queue_pop(struct queue *q)
{
	struct request *req;

	wait_for(&q->ready);
	pthread_mutex_lock(&q->lock);
	req = q->head;
	if (req != NULL) {
		q->head = req->next;
		if (q->head == NULL)
			q->tail = &q->head;
	}
	pthread_mutex_unlock(&q->lock);
	if (req == NULL)
		queue_close(q);		/* for the next thread */
	return req;
}

/* ---- blocks ------------------------------------------------------------ */

typedef ssize_t (transfer_fn)(int fd, const struct iovec *iov, int nr,
			      off_t offset);

/* Moves the whole block between its pages and the file.  Returns 0, an errno
 * value, or -1 when the file ended first. */
static int transfer(transfer_fn *fn, int fd, struct request *req)
{
	struct iovec iov[BLOCK_PAGES];
	size_t done = 0, pos, room;
	ssize_t moved;
	int nr;

	while (done < req->len) {
		for (nr = 0, pos = done; pos < req->len; nr++, pos += room) {
			room = PAGE_BYTES - pos % PAGE_BYTES;
			if (room > req->len - pos)
				room = req->len - pos;
			iov[nr].iov_base = (char *)req->pages[pos / PAGE_BYTES]
					   + pos % PAGE_BYTES;
			iov[nr].iov_len = room;
		}
		moved = fn(fd, iov, nr, req->offset + (off_t)done);
		if (moved > 0)
			done += (size_t)moved;
		else if (moved == 0)
			return -1;
		else if (errno != EINTR)
			return errno;
	}
	return 0;
}

static int read_block(int fd, struct request *req)
{
	return transfer(preadv, fd, req);
}

static int write_block(int fd, struct request *req)
{
	return transfer(pwritev, fd, req);
}

static uint32_t block_crc(const struct request *req)
{
	size_t left = req->len, len;
	uint32_t crc = 0;
	unsigned int i;

	for (i = 0; i < req->nr_pages; i++, left -= len) {
		len = left < PAGE_BYTES ? left : PAGE_BYTES;
		crc = crc_add(crc, req->pages[i], len);
	}
	return crc;
}

/* ---- threads ----------------------------------------------------------- */

/* Lets the blocks under way come to rest, then takes all memory. */
static void squeeze_here(struct pipeline *pl, uint64_t block)
{
	int i;

	for (i = 0; i < DEPTH; i++)
		wait_for(&pl->slots);
	squeeze_begin(pl->squeeze, block);
	for (i = 0; i < DEPTH; i++)
		sem_post(&pl->slots);
}

static void *reader_main(void *arg)
{
	struct pipeline *pl = arg;
	uint64_t nr_blocks = (pl->size + BLOCK_BYTES - 1) / BLOCK_BYTES;
	struct request *req;
	uint64_t block, offset;
	int err;

	for (block = 0; block < nr_blocks && !failed(); block++) {
		if (pl->opt->squeeze && block == nr_blocks / 4)
			squeeze_here(pl, block);
		/* With memory in plenty, this is what bounds its use. */
		wait_for(&pl->slots);
		offset = block * BLOCK_BYTES;
		req = request_alloc(pl->mem, block_len(pl, offset));
		if (req == NULL) {
			fail(0, "out of memory after %" PRIu64 " of %" PRIu64
			     " blocks, copy abandoned", block, nr_blocks);
			break;
		}
		req->offset = (off_t)offset;
		err = read_block(pl->src, req);
		if (err < 0)
			fail(0, "%s became shorter while it was copied",
			     pl->opt->source);
		else if (err > 0)
			fail(err, "cannot read %s", pl->opt->source);
		queue_push(&pl->to_workers, req);
	}
	sem_post(&pl->read_all);
	return NULL;
}

static void *worker_main(void *arg)
{
	struct pipeline *pl = arg;
	struct request *req;

	while ((req = queue_pop(&pl->to_workers)) != NULL) {
		if (!failed())
			req->crc = block_crc(req);
		queue_push(&pl->to_writer, req);
	}
	return NULL;
}

/* Reads back into the pages that were written: taking others would be to wait
 * for pages while holding pages. */
static void store_block(struct pipeline *pl, struct request *req)
{
	uint64_t end = (uint64_t)req->offset + req->len;
	int err;

	err = write_block(pl->dst, req);
	if (err != 0) {
		fail(err < 0 ? EIO : err, "cannot write %s",
		     pl->opt->destination);
		return;
	}
	err = read_block(pl->dst, req);
	if (err != 0) {
		fail(err < 0 ? EIO : err, "cannot read back %s",
		     pl->opt->destination);
		return;
	}
	if (block_crc(req) != req->crc) {
		fail(0, "%s differs from what was written at byte %" PRIu64,
		     pl->opt->destination, (uint64_t)req->offset);
		return;
	}
	pl->crc ^= crc_shift(req->crc, pl->size - end);
	atomic_fetch_add(&pl->done, req->len);
}

static void *writer_main(void *arg)
{
	struct pipeline *pl = arg;
	struct request *req;

	while ((req = queue_pop(&pl->to_writer)) != NULL) {
		if (!failed())
			store_block(pl, req);
		request_free(pl->mem, req);
		sem_post(&pl->slots);
	}
	return NULL;
}

/* ---- the whole --------------------------------------------------------- */

static bool start(pthread_t *thread, void *(*fn)(void *), struct pipeline *pl)
{
	int err = pthread_create(thread, NULL, fn, pl);

	if (err != 0)
		fail(err, "cannot create a thread");
	return err == 0;
}

static void draw_until_read(struct pipeline *pl)
{
	struct timespec next;
	int rc;

	do {
		progress_draw(pl);
		clock_gettime(CLOCK_REALTIME, &next);
		next.tv_nsec += 100000000;
		if (next.tv_nsec >= 1000000000) {
			next.tv_nsec -= 1000000000;
			next.tv_sec++;
		}
		rc = sem_timedwait(&pl->read_all, &next);
	} while (rc != 0);
}

void pipeline_run(struct pipeline *pl)
{
	pthread_t reader, writer, workers[WORKERS_MAX];
	unsigned int i, nr_workers = 0;
	bool have_writer;

	queue_init(&pl->to_workers);
	queue_init(&pl->to_writer);
	sem_init(&pl->slots, 0, DEPTH);
	sem_init(&pl->read_all, 0, 0);
	atomic_init(&pl->done, 0);
	pl->crc = 0;

	/* The reader last: it is the one that starts the squeeze, and by then
	 * all stacks must be there. */
	have_writer = start(&writer, writer_main, pl);
	while (nr_workers < pl->opt->workers && !failed()) {
		if (start(&workers[nr_workers], worker_main, pl))
			nr_workers++;
	}
	if (!failed() && start(&reader, reader_main, pl)) {
		draw_until_read(pl);
		pthread_join(reader, NULL);
	}
	queue_close(&pl->to_workers);
	for (i = 0; i < nr_workers; i++)
		pthread_join(workers[i], NULL);
	queue_close(&pl->to_writer);
	if (have_writer)
		pthread_join(writer, NULL);
	progress_end(pl);

	sem_destroy(&pl->read_all);
	sem_destroy(&pl->slots);
	queue_fini(&pl->to_writer);
	queue_fini(&pl->to_workers);
}

bool read_back(int fd, uint64_t size, uint32_t *crc)
{
	static char buffer[BLOCK_BYTES];
	uint64_t pos = 0;
	ssize_t len;

	*crc = 0;
	while (pos < size) {
		len = pread(fd, buffer, sizeof(buffer), (off_t)pos);
		if (len < 0 && errno == EINTR)
			continue;
		if (len <= 0) {
			fail(len < 0 ? errno : EIO,
			     "cannot read back the copy");
			return false;
		}
		*crc = crc_add(*crc, buffer, (size_t)len);
		pos += (uint64_t)len;
	}
	return true;
}
