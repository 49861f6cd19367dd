/* SPDX-License-Identifier: MIT */
/*
 * compiler.h - what the compilers spell differently, and branch hints
 */
#ifndef LIB_COMPILER_H
#define LIB_COMPILER_H

#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)

/* Kept out of line, so that the short path above it stays short. */
#define COLD		__attribute__((noinline, cold))
/* Calls fn(&variable) when the variable goes out of scope, unwinding too.
 * Unused: clang does not take that for a use. */
#define CLEANUP(fn)	__attribute__((cleanup(fn), unused))
#define PRINTF(f, a)	__attribute__((format(printf, f, a)))
#define CACHE_LINE	64

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
