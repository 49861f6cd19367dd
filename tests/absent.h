/* SPDX-License-Identifier: MIT */
/*
 * absent.h - what is not there: pages, and a system call
 */
#ifndef TESTS_ABSENT_H
#define TESTS_ABSENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE		4096u

/* False, and a word on it, where that cannot be had. */
bool can_watch(void);
/* After can_watch(): who goes to a page there first stops. */
extern int faults;			/* file descriptor */
bool watch(void *run, size_t size);

/* Both, for a page of its own. */
extern void **absent;
bool make_absent(void);
void end_absent(void);

/* The page that somebody went to; 0: nobody did. */
uintptr_t fault_within(int ms);
bool wait_for_fault(void);
/* Who stopped there goes on, and reads zeroes. */
void make_page_present(uintptr_t at);
void make_present(void);

/* Of this thread, and those that it makes: membarrier() fails with @err.  False
 * as above. */
bool refuse_membarrier(unsigned int err);

#endif /* TESTS_ABSENT_H */
