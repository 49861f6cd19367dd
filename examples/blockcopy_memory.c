/* SPDX-License-Identifier: MIT */
/*
 * blockcopy_memory.c - where requests and their pages come from
 *
 * Each block needs a request structure and up to BLOCK_PAGES pages at the same
 * time.  Two rules keep that from ever locking up, however little is left:
 *
 *   1. The pools have an order.  Everyone takes from requests first and from
 *      pages second, so nobody holds a page while waiting for a request.
 *   2. Nobody holds an element of a pool while waiting for another of the same
 *      pool.  All pages of a block are taken in one bulk call, which gets them
 *      together or waits.  Taken one by one, two blocks could each hold half
 *      of the reserve and wait for the other half for ever.
 *
 * Then whoever waits, waits for blocks that have all they need, will be
 * finished, and will give back what they hold.
 *
 * With --malloc the same amounts come from malloc, and a failure is the end of
 * the copy: there is nobody to wait for.
 */
#include "blockcopy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int memory_open(struct memory *mem, const struct options *opt)
{
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;

	memset(mem, 0, sizeof(*mem));
	if (opt->plain)
		return 0;

	/* Requests are small, so twice as many are kept: it is for pages that
	 * the reader waits when memory is short. */
	attr.name = "requests";
	mem->requests = mempool_create_attr((int)opt->reserve * 2,
				mempool_kmalloc, mempool_kfree,
				(void *)sizeof(struct request), &attr);
	if (mem->requests == NULL)
		return fail(errno, "cannot reserve requests");

	mem->pages = mempool_create_page_pool((int)(opt->reserve *
						    BLOCK_PAGES), 0);
	if (mem->pages == NULL) {
		fail(errno, "cannot reserve pages");
		mempool_destroy(mem->requests);
		mem->requests = NULL;
		return -1;
	}
	return 0;
}

void memory_close(struct memory *mem)
{
	mempool_destroy(mem->pages);
	mempool_destroy(mem->requests);
}

/* ---- pools ------------------------------------------------------------- */

/* The copier is part of the I/O that could free memory, so it asks for none
 * that needs I/O: GFP_NOIO, as a block driver does. */
static struct request *pool_alloc(struct memory *mem, unsigned int nr_pages)
{
	struct request *req;
	int err;

	req = mempool_alloc(mem->requests, GFP_NOIO);
	if (req == NULL)
		return NULL;
	err = mempool_alloc_bulk_until(mem->pages, req->pages, nr_pages,
				       GFP_NOIO, NULL);
	if (err != 0) {
		mempool_free(req, mem->requests);
		errno = -err;
		return NULL;
	}
	return req;
}

static void pool_free(struct memory *mem, struct request *req)
{
	unsigned int i;

	/* What the reserve or a sleeper can use goes there in one call; the
	 * rest goes back to the system. */
	i = mempool_free_bulk(mem->pages, req->pages, req->nr_pages);
	for (; i < req->nr_pages; i++)
		mempool_free(req->pages[i], mem->pages);
	mempool_free(req, mem->requests);
}

/* ---- malloc ------------------------------------------------------------ */

static void plain_free(struct request *req, unsigned int nr_pages)
{
	while (nr_pages > 0)
		free(req->pages[--nr_pages]);
	free(req);
}

static struct request *plain_alloc(struct memory *mem, unsigned int nr_pages)
{
	struct request *req;
	unsigned int i;

	req = malloc(sizeof(*req));
	if (req == NULL) {
		mem->request_failures++;
		return NULL;
	}
	mem->request_allocs++;
	for (i = 0; i < nr_pages; i++) {
		req->pages[i] = aligned_alloc(PAGE_BYTES, PAGE_BYTES);
		if (req->pages[i] == NULL) {
			mem->page_failures++;
			plain_free(req, i);
			errno = ENOMEM;
			return NULL;
		}
		mem->page_allocs++;
	}
	return req;
}

/* ---- either ------------------------------------------------------------ */

struct request *request_alloc(struct memory *mem, size_t len)
{
	unsigned int nr_pages = (unsigned int)((len + PAGE_BYTES - 1) /
					       PAGE_BYTES);
	struct request *req;

	if (mem->requests != NULL)
		req = pool_alloc(mem, nr_pages);
	else
		req = plain_alloc(mem, nr_pages);
	if (req != NULL) {
		req->len = len;
		req->nr_pages = nr_pages;
	}
	return req;
}

void request_free(struct memory *mem, struct request *req)
{
	if (mem->requests != NULL)
		pool_free(mem, req);
	else
		plain_free(req, req->nr_pages);
}

void memory_get_stats(struct memory *mem, struct mempool_stats *requests,
		      struct mempool_stats *pages)
{
	if (mem->requests != NULL) {
		mempool_get_stats(mem->requests, requests, sizeof(*requests));
		mempool_get_stats(mem->pages, pages, sizeof(*pages));
		return;
	}
	memset(requests, 0, sizeof(*requests));
	memset(pages, 0, sizeof(*pages));
	requests->alloc_backend = mem->request_allocs;
	requests->backend_failures = mem->request_failures;
	pages->alloc_backend = mem->page_allocs;
	pages->backend_failures = mem->page_failures;
}
