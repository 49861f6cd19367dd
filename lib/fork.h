/* SPDX-License-Identifier: MIT */
/*
 * fork.h - what is consistent in the child
 */
#ifndef LIB_FORK_H
#define LIB_FORK_H

/* Once is enough: 0, or -ENOMEM, and the next pool tries again. */
int fork_watch(void);

#endif /* LIB_FORK_H */
