/* SPDX-License-Identifier: MIT */
/*
 * attr.c - reading a caller's struct mempool_attr
 *
 * The structure grows at its end from release to release, and its first field
 * tells which one the caller was compiled with.  A shorter one gets defaults
 * for the rest; a longer one is good if it asks for nothing we do not know.
 * What we cannot honour is refused: a caller that asked for a cap and got none
 * would learn it too late.
 */
#include "config.h"

#include "attr.h"

#include <errno.h>
#include <limits.h>

#include "sized.h"

#define RETRY_MS_DEFAULT	100
#define FLAGS_HONOURED \
	(MEMPOOL_FIXED | MEMPOOL_PRIO_INHERIT | MEMPOOL_CACHED)

static int check(const struct mempool_attr *attr)
{
	if (attr->flags & ~FLAGS_HONOURED)
		return -EINVAL;
	if (attr->emergency_nr || attr->stall_ms || attr->stall_fn ||
	    attr->stall_arg)
		return -EINVAL;
	if (attr->node < MEMPOOL_NODE_ANY)
		return -EINVAL;
	if (attr->retry_ms > INT_MAX)
		return -EINVAL;
	return 0;
}

int attr_check(struct mempool_attr *attr, const struct mempool_attr *user,
	       size_t known_size)
{
	int err = 0;

	*attr = (struct mempool_attr)MEMPOOL_ATTR_INIT;
	if (user)
		err = sized_read(attr, sizeof(*attr), user, user->size);
	if (!err)
		err = check(attr);
	if (err)
		return err;
	if (known_size && attr->element_size > known_size)
		return -EINVAL;
	if (!attr->element_size)
		attr->element_size = known_size;
	if (!attr->retry_ms)
		attr->retry_ms = RETRY_MS_DEFAULT;
	return 0;
}
