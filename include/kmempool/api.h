/* SPDX-License-Identifier: MIT */
/*
 * api.h - how the headers beside it declare functions
 *
 * Included by them; nothing in it is for users.
 */
#ifndef KMEMPOOL_API_H
#define KMEMPOOL_API_H

#if defined(__GNUC__)			/* clang defines it too */
#define KMEMPOOL_API	__attribute__((visibility("default")))
#define KMEMPOOL_MUST_CHECK	__attribute__((warn_unused_result))
#else
#define KMEMPOOL_API
#define KMEMPOOL_MUST_CHECK
#endif

/* The ELF symbol a declaration is bound to. */
#define KMEMPOOL_STR1(x) #x
#define KMEMPOOL_STR(x) KMEMPOOL_STR1(x)
#define KMEMPOOL_SYM(name) \
	__asm__(KMEMPOOL_STR(__USER_LABEL_PREFIX__) "kmempool_" #name)

#endif /* KMEMPOOL_API_H */
