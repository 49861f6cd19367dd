/* SPDX-License-Identifier: MIT */
/*
 * recall.h - magazines on their way into lanes, and back
 *
 * Everything here is called with the lock of whose lanes they are.
 */
#ifndef LIB_RECALL_H
#define LIB_RECALL_H

#include <stdbool.h>
#include <stdint.h>

#include "lane.h"
#include "magazine.h"

struct recall {
	unsigned int	nr_loaded;	/* lanes that have a magazine */
	struct magazine	*limbo;		/* stripped, may still be used */
	uint64_t	nr_recalls;	/* begun */
};

/* As lane_swap(). */
struct magazine *recall_swap(struct recall *recall, struct lane *lanes,
			     struct magazine *next);

/* A recall begins: what lanes have loaded is in limbo then.  @alone: no call
 * overlaps. */
void recall_strip(struct recall *recall, struct lane *lanes, bool alone);

/* Where the fence has to pass: of all that is in limbo. */
void recall_lanes(const struct recall *recall, struct lane_set *lanes);

/*
 * One magazine that nobody uses any more, out of limbo, or NULL.  @stamp: what
 * nr_recalls was before a fence that has passed; RECALL_ALL, if none is needed.
 */
#define RECALL_ALL	UINT64_MAX
struct magazine *recall_end(struct recall *recall, uint64_t stamp);

#endif /* LIB_RECALL_H */
