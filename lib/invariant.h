/* SPDX-License-Identifier: MIT */
/*
 * invariant.h - what waitq.c and retry.c claim, checked at run time
 *
 * Only with --enable-debug: a check walks the whole queue.
 */
#ifndef LIB_INVARIANT_H
#define LIB_INVARIANT_H

struct mempool_core;

/* With the lock, about to release it.  Reports and aborts. */
#ifdef ENABLE_DEBUG
void invariant_check(struct mempool_core *core);
#else
static inline void invariant_check(struct mempool_core *core)
{
	(void)core;
}
#endif

#endif /* LIB_INVARIANT_H */
