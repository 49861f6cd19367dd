/* SPDX-License-Identifier: MIT */
/*
 * sized.h - structures that grow from release to release
 *
 * Programs say how large theirs is.  It was never smaller than ours is now; a
 * later one is larger.
 */
#ifndef LIB_SIZED_H
#define LIB_SIZED_H

#include <errno.h>
#include <stddef.h>
#include <string.h>

/* What a program asks for, in @size bytes, 0 for as many as ours has.  -EINVAL:
 * there are fewer.  -E2BIG: it asks for something that we do not know. */
static inline int sized_read(void *ours, size_t our_size, const void *theirs,
			     size_t size)
{
	const char *bytes = theirs;
	size_t i;

	if (size && size < our_size)
		return -EINVAL;
	for (i = our_size; i < size; i++)
		if (bytes[i])
			return -E2BIG;
	memcpy(ours, theirs, our_size);
	return 0;
}

/* What we know, and 0 for what we do not.  A program may take a part. */
static inline void sized_write(void *theirs, size_t size, const void *ours,
			       size_t our_size)
{
	memset(theirs, 0, size);
	memcpy(theirs, ours, size < our_size ? size : our_size);
}

#endif /* LIB_SIZED_H */
