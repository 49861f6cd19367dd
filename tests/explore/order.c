/* SPDX-License-Identifier: MIT */
/*
 * order.c - first come, first served, but for newcomers within the bound
 *
 * Checked at every step of every scenario, from outside: what joins joins at
 * the end, whoever is served leaves nobody before it that could have been, and
 * whoever passes passes somebody who may still be passed.  So that nobody gets
 * away with a look at a request whose thread has left, its place on the stack
 * is made unusable.
 */
#include "config.h"

#include "fiber.h"

#include <string.h>

#include "core.h"
#include "wait.h"

void __wrap_waitq_join(struct mempool_core *, struct request *, uint64_t);
void __real_waitq_join(struct mempool_core *, struct request *, uint64_t);
void __wrap_retry_left(struct mempool_core *, struct request *);
void __real_retry_left(struct mempool_core *, struct request *);
bool __wrap_waitq_may_take(struct mempool_core *, unsigned int);
bool __real_waitq_may_take(struct mempool_core *, unsigned int);
bool __wrap_waitq_may_claim(struct mempool_core *, unsigned int);
bool __real_waitq_may_claim(struct mempool_core *, unsigned int);
bool __wrap_waitq_may_take_and_claim(struct mempool_core *, unsigned int);
bool __real_waitq_may_take_and_claim(struct mempool_core *, unsigned int);
int __wrap_wait_for(struct mempool_core *, void **, unsigned int, gfp_t,
		    uint64_t, uint64_t);
int __real_wait_for(struct mempool_core *, void **, unsigned int, gfp_t,
		    uint64_t, uint64_t);

/* ---- those who wait ---------------------------------------------------- */

void __wrap_waitq_join(struct mempool_core *core, struct request *request,
		       uint64_t deadline_ns)
{
	__real_waitq_join(core, request, deadline_ns);
	if (core->waitq.tail != request || request->next)
		explore_fail("was not queued last");
}

/* It was unlinked just now, and still knows its neighbours. */
void __wrap_retry_left(struct mempool_core *core, struct request *request)
{
	const struct request *other;

	for (other = request->prev; other; other = other->prev)
		if (request->state == REQUEST_GRANTED &&
		    other->state == REQUEST_QUEUED)
			explore_fail("served one who came later");
	__real_retry_left(core, request);
}

/* ---- those who pass ---------------------------------------------------- */

static void check_pass(struct mempool_core *core)
{
	const struct request *first = waitq_first(core);
	const struct request *other;

	if (!first)
		return;
	if (first->kept)
		explore_fail("passed one who is kept");
	if (explore_now_ns() >= first->first_ns + core->waitq.bound_ns)
		explore_fail("passed one after the bound");
	for (other = core->waitq.head; other; other = other->next)
		if (other->pressed)
			explore_fail("passed one whose deadline is near");
}

bool __wrap_waitq_may_take(struct mempool_core *core, unsigned int nr)
{
	bool may = __real_waitq_may_take(core, nr);

	if (may)
		check_pass(core);
	return may;
}

bool __wrap_waitq_may_claim(struct mempool_core *core, unsigned int nr)
{
	bool may = __real_waitq_may_claim(core, nr);

	if (may)
		check_pass(core);
	return may;
}

bool __wrap_waitq_may_take_and_claim(struct mempool_core *core, unsigned int nr)
{
	bool may = __real_waitq_may_take_and_claim(core, nr);

	if (may)
		check_pass(core);
	return may;
}

/* ---- those who are gone ------------------------------------------------ */

/* Where wait_for() had its frame. */
__attribute__((noinline)) static void scorch(void)
{
	char frame[1024];

	memset(frame, 0x5c, sizeof(frame));
	__asm__ volatile("" : : "r"(frame) : "memory");
}

int __wrap_wait_for(struct mempool_core *core, void **slots, unsigned int lack,
		    gfp_t gfp, uint64_t deadline_ns, uint64_t kicks)
{
	int err = __real_wait_for(core, slots, lack, gfp, deadline_ns, kicks);

	scorch();
	return err;
}
