/* SPDX-License-Identifier: MIT */
/*
 * nfs_write.c - a write request that must not fail, and may be small
 *
 * A client of a file server writes dirty pages back.  Each request is a
 * structure from a pool, because a system short of memory gets some only by
 * writing back.  Most requests name a few pages, for which the structure has
 * room; one that names more has a vector of its own from malloc().
 *
 * The vector is a convenience and the pool a promise.  When malloc() fails,
 * the request is made for as many pages as fit into the structure, and the
 * caller sends the rest in further requests: slower, but it goes on.
 *
 * Elements come back dirty from earlier use, so they are asked for with
 * __GFP_ZERO: a pointer to a vector left over would be freed once more.
 */

#include <err.h>
#include <stdlib.h>
#include <string.h>

#include <kmempool/mempool.h>

#define PAGE		4096
#define NR_PAGES	20	/* in the file */
#define NR_INLINE	8	/* in a request */
#define MIN_WRITES	2	/* requests that can always be under way */

struct write_data {
	unsigned int	nr_pages;
	const char	**page;		/* page_array, or a vector of its own */
	const char	*page_array[NR_INLINE];
};

static mempool_t writes;
static unsigned int nr_writes, nr_vectors, nr_small;
static int out_of_memory;

/* For a vector only: here the example can make the system run out. */
static void *vector_alloc(unsigned int nr)
{
	return out_of_memory ? NULL : calloc(nr, sizeof(char *));
}

/* The pool's backend. */
static void *write_alloc(gfp_t gfp_mask, void *pool_data)
{
	if (!out_of_memory)
		return mempool_kmalloc(gfp_mask, pool_data);
	/* For others it would now have pages written back, and wait. */
	if (gfp_mask & (__GFP_IO | __GFP_FS))
		errx(1, "a write waits for a write");
	return NULL;
}

/*
 * A request for @nr pages or fewer; the caller looks at nr_pages.  GFP_NOIO:
 * it may sleep until another request is done, but must not start one to get
 * memory, since that one would need memory too.
 */
static struct write_data *write_data_alloc(unsigned int nr)
{
	struct write_data *w = mempool_alloc(&writes, GFP_NOIO | __GFP_ZERO);

	if (!w)
		err(1, "mempool_alloc");
	if (w->nr_pages || w->page || w->page_array[0])
		errx(1, "the request remembers an earlier one");

	w->page = w->page_array;
	if (nr > NR_INLINE) {
		const char **vector = vector_alloc(nr);

		if (vector) {
			w->page = vector;
			nr_vectors++;
		} else {
			nr = NR_INLINE;
			nr_small++;
		}
	}
	w->nr_pages = nr;
	return w;
}

/*
 * The vector first: once the structure is back in the pool, another thread
 * may have it, and overwrite the only pointer to the vector.
 */
static void write_data_free(struct write_data *w)
{
	if (w->page != w->page_array)
		free(w->page);
	mempool_free(w, &writes);
}

/* Send each page to the server; here, copy it. */
static void send_write(const struct write_data *w, char *server)
{
	unsigned int i;

	for (i = 0; i < w->nr_pages; i++)
		memcpy(server + (size_t)i * PAGE, w->page[i], PAGE);
	nr_writes++;
}

static void write_back(const char *file, unsigned int nr, char *server)
{
	struct write_data *w;
	unsigned int i, done;

	for (done = 0; done < nr; done += i) {
		w = write_data_alloc(nr - done);
		for (i = 0; i < w->nr_pages; i++)
			w->page[i] = file + (size_t)(done + i) * PAGE;
		send_write(w, server + (size_t)done * PAGE);
		write_data_free(w);
	}
}

/* Write the file and compare what came of it. */
static void try_write(unsigned int nr, unsigned int want_writes,
		      unsigned int want_vectors, unsigned int want_small)
{
	static char file[NR_PAGES * PAGE], server[sizeof(file)];
	unsigned int i;

	for (i = 0; i < sizeof(file); i++)
		file[i] = (char)(rand() >> 8);
	memset(server, 0, sizeof(server));
	nr_writes = nr_vectors = nr_small = 0;

	write_back(file, nr, server);
	if (memcmp(file, server, (size_t)nr * PAGE) != 0)
		errx(1, "the server has something else");
	if (nr_writes != want_writes || nr_vectors != want_vectors ||
	    nr_small != want_small)
		errx(1, "%u pages: %u writes, %u with a vector, %u made small",
		     nr, nr_writes, nr_vectors, nr_small);
}

int main(void)
{
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;
	struct mempool_stats stats;

	/* The pool does not know write_alloc() and must be told the size. */
	attr.element_size = sizeof(struct write_data);
	if (mempool_init_attr(&writes, MIN_WRITES, write_alloc, mempool_kfree,
			      (void *)sizeof(struct write_data), &attr))
		errx(1, "no memory");

	try_write(NR_INLINE, 1, 0, 0);
	try_write(NR_PAGES, 1, 1, 0);

	/* 8 + 8 + 4, all with what is in the reserve. */
	out_of_memory = 1;
	try_write(NR_PAGES, 3, 0, 2);
	out_of_memory = 0;
	try_write(NR_PAGES, 1, 1, 0);

	mempool_get_stats(&writes, &stats, sizeof(stats));
	if (stats.alloc_reserve != 3 || stats.outstanding != 0)
		errx(1, "the reserve was not used as it should be");
	mempool_exit(&writes);
	return 0;
}
