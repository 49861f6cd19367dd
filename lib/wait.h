/* SPDX-License-Identifier: MIT */
/*
 * wait.h - one thread's wait, from joining the queue to leaving it
 */
#ifndef LIB_WAIT_H
#define LIB_WAIT_H

#include <stdint.h>

#include <kmempool/gfp.h>

struct mempool_core;

/*
 * Queues a request for @lack elements and waits until it is served.  @kicks
 * is core->retry.kicks as it was before the caller last tried the backend.
 * A cancellation point where it sleeps: a cancelled thread gives back what it
 * was granted and leaves with the lock released, without returning.
 *
 * Called with the lock, which it lets go: 0, -EBUSY, -ETIMEDOUT or -ECANCELED.
 */
int wait_for(struct mempool_core *core, void **slots, unsigned int lack,
	     gfp_t gfp, uint64_t deadline_ns, uint64_t kicks);

#endif /* LIB_WAIT_H */
