/* SPDX-License-Identifier: MIT */
/*
 * spin.h - waiting awake, for a short while
 */
#ifndef LIB_SPIN_H
#define LIB_SPIN_H

#include <stdbool.h>
#include <stdint.h>

/*
 * What the thread of a request is doing, for those who want to tell it
 * something.  It goes from AWAY to SPINNING and back by itself; the two others
 * are set by somebody else, who has the pool's lock, and end the spinning.
 */
enum spin {
	SPIN_AWAY,			/* asleep, or with the lock, or on its
					   way there */
	SPIN_SPINNING,			/* without the lock; looks at nothing
					   but this */
	SPIN_ROUSED,			/* to take the lock and look */
	SPIN_SERVED,			/* all is said and done; not to touch
					   the pool again */
};

/*
 * Whether one more thread may spin now, when @running others are presumed to
 * need a CPU each, and the one waited for ran on @giver_cpu, -1 if that is not
 * known.  Every true is followed by spin_until(); the spinner counts until it
 * leaves by itself or spin_stop() has ended it.
 */
bool spin_begin(unsigned int running, int giver_cpu);

/* Spins until *@spin is not SPINNING, or *@nr is at least @enough, or the time
 * has come.  Returns *@spin; it is AWAY in the two latter cases. */
enum spin spin_until(uint32_t *spin, const unsigned int *nr,
		     unsigned int enough, uint64_t now_ns, uint64_t until_ns);

/* Ends the spinning of another thread; false: *@spin is not SPINNING. */
bool spin_stop(uint32_t *spin, enum spin why);

/* What recent waits show: a mean that each new one moves by an eighth, and how
 * long one should spin who waits now.  A wait of a microsecond often takes some
 * more, and to sleep for those costs ten times as much. */
#define SPIN_MAX_NS	30000ull
#define SPIN_MORE_NS	5000ull
static inline void spin_learn(uint64_t *recent_ns, uint64_t ns)
{
	uint64_t most = 2 * SPIN_MAX_NS;

	*recent_ns += ((ns < most ? ns : most) >> 3) - (*recent_ns >> 3);
}

static inline uint64_t spin_budget(uint64_t recent_ns)
{
	return recent_ns < SPIN_MAX_NS ? 2 * recent_ns + SPIN_MORE_NS : 0;
}

/* In the child of a fork: nobody spins. */
void spin_child(void);

#endif /* LIB_SPIN_H */
