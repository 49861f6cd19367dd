/* SPDX-License-Identifier: MIT */
/*
 * fault_sites.h - the library's calls that can fail, each made a point
 *
 * Included by the compiler before every source of the library, when that is
 * built for tests/fault_points.  Each call that can fail becomes a call of a
 * stand-in in fault.c, which is told the place in the source, and may fail
 * instead.  The places are collected by the linker, so the program knows of
 * those that it never reaches.
 *
 * Calls that give something back go through fault.c as well, which keeps
 * account of what the library holds.
 *
 * tests/fault_calls.sh sees to it that nothing goes past: what the objects
 * made this way still call directly must be on its list of what cannot fail.
 */
#ifndef TESTS_FAULT_SITES_H
#define TESTS_FAULT_SITES_H

#include "config.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <kmempool/gfp.h>

struct fault_site {
	const char	*file;
	int		line;
	const char	*func;
	const char	*call;
	unsigned int	index;		/* set by the program */
};

/* The linker's array is of pointers, whose alignment is never padded. */
#define FAULT_SITE(name) __extension__ ({				\
	static struct fault_site fault_site_ =				\
		{ __FILE__, __LINE__, __func__, name, 0 };		\
	static struct fault_site *fault_ref_				\
		__attribute__((section("fault_sites"), used)) =		\
		&fault_site_;						\
	&fault_site_;							\
})

void *fault_malloc(struct fault_site *site, size_t size);
void *fault_calloc(struct fault_site *site, size_t nr, size_t size);
char *fault_strdup(struct fault_site *site, const char *text);
int fault_posix_memalign(struct fault_site *site, void **p, size_t align,
			 size_t size);
void fault_free(void *p);
void *fault_mmap(struct fault_site *site, void *addr, size_t size, int prot,
		 int flags, int fd, off_t offset);
int fault_munmap(struct fault_site *site, void *addr, size_t size);
void *fault_mremap(struct fault_site *site, void *addr, size_t from, size_t to,
		   int flags, ...);
int fault_madvise(struct fault_site *site, void *addr, size_t size,
		  int advice);
long fault_syscall(struct fault_site *site, long nr, ...);
int fault_key_create(struct fault_site *site, pthread_key_t *key,
		     void (*destructor)(void *));
int fault_setspecific(struct fault_site *site, pthread_key_t key,
		      const void *value);
int fault_mutexattr_init(struct fault_site *site, pthread_mutexattr_t *attr);
int fault_mutexattr_setprotocol(struct fault_site *site,
				pthread_mutexattr_t *attr, int protocol);
int fault_mutexattr_destroy(pthread_mutexattr_t *attr);
int fault_mutex_init(struct fault_site *site, pthread_mutex_t *mutex,
		     const pthread_mutexattr_t *attr);
int fault_mutex_destroy(pthread_mutex_t *mutex);
int fault_spin_init(struct fault_site *site, pthread_spinlock_t *spin,
		    int shared);
int fault_spin_destroy(pthread_spinlock_t *spin);
int fault_atfork(struct fault_site *site, void (*prepare)(void),
		 void (*parent)(void), void (*child)(void));
int fault_getaffinity(struct fault_site *site, pid_t pid, size_t size,
		      void *set);
/* Remembers where this thread is about to call alloc_fn; returns @gfp. */
gfp_t fault_mark(struct fault_site *site, gfp_t gfp);

/* fault.c has none of this: it makes the real calls. */
#ifndef FAULT_REAL_CALLS

#define malloc(size)							\
	fault_malloc(FAULT_SITE("malloc"), size)
#define calloc(nr, size)						\
	fault_calloc(FAULT_SITE("calloc"), nr, size)
#undef strdup
#define strdup(text)							\
	fault_strdup(FAULT_SITE("strdup"), text)
#define posix_memalign(p, align, size)					\
	fault_posix_memalign(FAULT_SITE("posix_memalign"), p, align, size)
#define free(p)								\
	fault_free(p)
#define mmap(addr, size, prot, flags, fd, offset)			\
	fault_mmap(FAULT_SITE("mmap"), addr, size, prot, flags, fd, offset)
#define munmap(addr, size)						\
	fault_munmap(FAULT_SITE("munmap"), addr, size)
#define mremap(addr, from, to, ...)					\
	fault_mremap(FAULT_SITE("mremap"), addr, from, to, __VA_ARGS__)
#define madvise(addr, size, advice)					\
	fault_madvise(FAULT_SITE("madvise"), addr, size, advice)
#define syscall(...)							\
	fault_syscall(FAULT_SITE("syscall"), __VA_ARGS__)
#define pthread_key_create(key, destructor)				\
	fault_key_create(FAULT_SITE("pthread_key_create"), key, destructor)
#define pthread_setspecific(key, value)					\
	fault_setspecific(FAULT_SITE("pthread_setspecific"), key, value)
#define pthread_mutexattr_init(attr)					\
	fault_mutexattr_init(FAULT_SITE("pthread_mutexattr_init"), attr)
#define pthread_mutexattr_setprotocol(attr, protocol)			\
	fault_mutexattr_setprotocol(					\
		FAULT_SITE("pthread_mutexattr_setprotocol"), attr, protocol)
#define pthread_mutexattr_destroy(attr)					\
	fault_mutexattr_destroy(attr)
#define pthread_mutex_init(mutex, attr)					\
	fault_mutex_init(FAULT_SITE("pthread_mutex_init"), mutex, attr)
#define pthread_mutex_destroy(mutex)					\
	fault_mutex_destroy(mutex)
#define pthread_spin_init(spin, shared)					\
	fault_spin_init(FAULT_SITE("pthread_spin_init"), spin, shared)
#define pthread_spin_destroy(spin)					\
	fault_spin_destroy(spin)
#define pthread_atfork(prepare, parent, child)				\
	fault_atfork(FAULT_SITE("pthread_atfork"), prepare, parent, child)

#define sched_getaffinity(pid, size, set)				\
	fault_getaffinity(FAULT_SITE("sched_getaffinity"), pid, size, set)

/* User's callbacks fail by themselves, but must know the place. */
#define alloc_fn(gfp, data)						\
	alloc_fn(fault_mark(FAULT_SITE("alloc_fn"), gfp), data)
#define kmp_alloc_fn(gfp, data)						\
	kmp_alloc_fn(fault_mark(FAULT_SITE("alloc_fn"), gfp), data)
#define ctor_try(object, arg, gfp)					\
	ctor_try(object, arg, fault_mark(FAULT_SITE("ctor_try"), gfp))

#endif /* FAULT_REAL_CALLS */

#endif /* TESTS_FAULT_SITES_H */
