/* SPDX-License-Identifier: MIT */
/*
 * attr.h - reading a caller's struct mempool_attr
 */
#ifndef LIB_ATTR_H
#define LIB_ATTR_H

#include <kmempool/mempool.h>

/*
 * Checks @user, which may be NULL, and copies it with the defaults filled in.
 * @known_size is what the backend is known to return, or 0.
 * 0, -EINVAL or -E2BIG.
 */
int attr_check(struct mempool_attr *attr, const struct mempool_attr *user,
	       size_t known_size);

#endif /* LIB_ATTR_H */
