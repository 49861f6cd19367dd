/* SPDX-License-Identifier: MIT */
/*
 * runs.h - runs that went back, kept for the next slab of large objects
 */
#ifndef LIB_RUNS_H
#define LIB_RUNS_H

#include <stdbool.h>
#include <stddef.h>

struct slab;

/* Bytes in an object, at least: those are touched all over, as a rule. */
#define RUNS_OBJECT_MIN	4096

/* The longest run that is kept, bytes. */
#define RUNS_SIZE_MAX	(2 * GRANULE)

/* A run of @size bytes with its header, or NULL; what is in it is anything. */
struct slab *runs_get(size_t size);
/* Whether the run was kept, with its header; else the caller unmaps it. */
bool runs_put(struct slab *slab, size_t size);
/* So many bytes more, or fewer, are in slabs that come by here. */
void runs_used(size_t size);
void runs_unused(size_t size);
/* Gives all back to the system. */
void runs_trim(void);

/* For fork.c. */
void runs_prepare(void);
void runs_resume(void);

#endif /* LIB_RUNS_H */
