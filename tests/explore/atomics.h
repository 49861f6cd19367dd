/* SPDX-License-Identifier: MIT */
/*
 * atomics.h - others may run before each atomic access, and after a store
 *
 * Included before everything else when the library is compiled for the
 * explorer (-include).  Only scenarios that ask for it get these points: where
 * the lock is all that matters they would bury the others.  All get the one
 * after an exchange that succeeded: it tells another thread something, and that
 * one may be gone before this one goes on.
 */
#ifndef ATOMICS_H
#define ATOMICS_H

/* A point, if the scenario asks for it. */
void explore_atomic(void);
/* A point if @done, which it returns. */
_Bool explore_exchanged(_Bool done);

/* A macro is not expanded inside itself: there it is the builtin again. */
#define __atomic_load_n(...) \
	(explore_atomic(), __atomic_load_n(__VA_ARGS__))
#define __atomic_store_n(...) \
	(explore_atomic(), __atomic_store_n(__VA_ARGS__), explore_atomic())
#define __atomic_fetch_add(...) \
	(explore_atomic(), __atomic_fetch_add(__VA_ARGS__))
#define __atomic_fetch_sub(...) \
	(explore_atomic(), __atomic_fetch_sub(__VA_ARGS__))
#define __atomic_compare_exchange_n(...) \
	(explore_atomic(), \
	 explore_exchanged(__atomic_compare_exchange_n(__VA_ARGS__)))

/* Nobody has to be stood back for (pthread_spin_trylock() in wrap.c). */
#define __builtin_ia32_pause()	((void)0)

#endif /* ATOMICS_H */
