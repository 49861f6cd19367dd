/* SPDX-License-Identifier: MIT */
/*
 * compat_stub_shim.h - what compat_stub.c may know of compat_stub_shim.c
 *
 * Not the prototypes: those clash with this library's in C.
 */
#ifndef COMPAT_STUB_SHIM_H
#define COMPAT_STUB_SHIM_H

typedef void (shim_fn_t)(void);

struct shim_symbol {
	const char	*name;
	shim_fn_t	*fn;
};

extern const struct shim_symbol shim_symbols[];
extern const unsigned int shim_nr_symbols;
extern unsigned int shim_calls;		/* of any of them */

/* Calls each of them once, by its own name; 0 when all did their work. */
int shim_run(void);

#endif /* COMPAT_STUB_SHIM_H */
