/* SPDX-License-Identifier: MIT */
/*
 * compiler.h - what the compilers spell differently, and branch hints
 */
#ifndef LIB_COMPILER_H
#define LIB_COMPILER_H

#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)

/* Kept out of line, so that the short path above it stays short. */
#define NOINLINE	__attribute__((noinline))
#define COLD		__attribute__((noinline, cold))
/* Calls fn(&variable) when the variable goes out of scope, unwinding too.
 * Unused: clang does not take that for a use. */
#define CLEANUP(fn)	__attribute__((cleanup(fn), unused))
#define PRINTF(f, a)	__attribute__((format(printf, f, a)))
#define CACHE_LINE	64

/* A counter that goes at a constant rate of a GHz or more and takes less time
 * to read than the clock; 0 where there is none. */
#if defined(__x86_64__)
#define cpu_ticks()	__builtin_ia32_rdtsc()
#else
#define cpu_ticks()	0
#endif

/* In a loop that waits for another CPU. */
#if defined(__x86_64__) || defined(__i386__)
#define cpu_relax()	__builtin_ia32_pause()
#elif defined(__aarch64__)
#define cpu_relax()	__asm__ volatile("isb" : : : "memory")
#else
#define cpu_relax()	__asm__ volatile("" : : : "memory")
#endif

#if defined(__SANITIZE_THREAD__)
#define HAVE_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HAVE_TSAN 1
#endif
#endif
#ifndef HAVE_TSAN
#define HAVE_TSAN 0
#endif

#endif /* LIB_COMPILER_H */
