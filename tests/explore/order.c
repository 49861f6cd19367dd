/* SPDX-License-Identifier: MIT */
/*
 * order.c - first come, first served
 *
 * Checked at every hand-over of every scenario: a request makes its condition
 * variable when it is queued, and is signalled when it was granted.
 */
#include "config.h"

#include "fiber.h"

#include <stddef.h>

#include "waitq.h"

static unsigned int arrival(const struct request *request)
{
	return ((const struct cond *)&request->cond)->nr;
}

void order_check(pthread_cond_t *cond)
{
	const struct request *request, *other;

	request = (const void *)((const char *)cond -
				 offsetof(struct request, cond));
	if (request->state != REQUEST_GRANTED)
		return;
	/* It was unlinked just now, and still knows its neighbours. */
	for (other = request->prev; other; other = other->prev) {
		if (arrival(other) > arrival(request))
			explore_fail("the queue is out of order");
		if (other->state == REQUEST_QUEUED)
			explore_fail("served one who came later");
	}
	for (other = request->next; other; other = other->next)
		if (arrival(other) < arrival(request))
			explore_fail("the queue is out of order");
}
