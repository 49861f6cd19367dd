/* SPDX-License-Identifier: MIT */
/*
 * cached.pml - a reserve that CPUs have near them, and who waits for it
 *
 * run.sh runs this in several configurations, each over all interleavings, and
 * once for each seeded bug (BUG_...), which must be found.
 *
 * Purpose
 *
 * An element is in one place, always.  A request fails, or is queued, only if
 * users have all elements at that moment; one that is queued is served when an
 * element comes back, wherever that is given back.  The reserve collects no
 * more than its room.
 *
 * Objects
 *
 *   magazine  room for one element: a number and an element, words of memory.
 *             NONE has neither, and is never written to.
 *   lane      of a CPU: the magazine that is loaded.  Only who holds the lock
 *             changes that.
 *   reserve   a set of elements; room is how many it may have: all, but for one
 *             for each magazine in a lane or in limbo.
 *   limbo     magazines that were stripped, stamped with the recall's number.
 *   sequence  restartable, a pop or a push: see what is loaded, look into it,
 *             and commit, which is one store.  It begins again if somebody else
 *             runs on that CPU meanwhile, if its thread is moved, or if a fence
 *             comes.
 *   fence     comes to one CPU after the other: the sequence there begins
 *             again, and all that was stored there has arrived.
 *   recall    with the lock, strip; without, a fence to the CPUs of all that is
 *             in limbo then; with the lock again, take from there what has this stamp or an older one, and go on
 *             without letting go of the lock.
 *   queue     a set of threads; who gives back with the lock serves one.
 *
 * What is simplified, and why nothing is lost by it
 *
 *   when      A lane is loaded at any plain take or give where it may be, or is
 *             not: how long it was quiet is left out.  Who is told that an
 *             element lies there, and passed, is the explorer's.
 *   backend   Dead.  The gate is closed then, and is wait.pml's.
 *   order     Of the queue: any.  wait.pml has it.
 *   memory, lock, CPUs, fork: as in layer.pml.
 *
 * Configuration
 *
 *   RESERVE      how many elements are there to begin with
 *   LANE0, LANE1 1: the lane has a magazine with one; 2: without
 *   HAND         who has one besides: bit n is thread n, here and below
 *   WAITS        who takes one, waiting for it, and gives it back
 *   NOWAIT       the same without waiting
 *   TWICE        who does so twice
 *   FORK         who forks first
 *   SAME         who begins on CPU 0; the others are on CPU 1
 *   MOVES        how often a thread is moved to the other CPU
 */
#define N	3
#define NOBODY	N
#define CPUS	2
#define MAGS	2
#define NONE	MAGS

#ifndef RESERVE
#define RESERVE	0
#endif
#ifndef LANE0
#define LANE0	0
#endif
#ifndef LANE1
#define LANE1	0
#endif
#ifndef HAND
#define HAND	0
#endif
#ifndef WAITS
#define WAITS	0
#endif
#ifndef NOWAIT
#define NOWAIT	0
#endif
#ifndef TWICE
#define TWICE	0
#endif
#ifndef FORK
#define FORK	0
#endif
#ifndef SAME
#define SAME	1
#endif
#ifndef MOVES
#define MOVES	0
#endif

#define HAS(set, t)	(((set) >> (t)) & 1)
#define BIT(i)		(1 << (i))
#define NR_OF(set)	(HAS(set, 0) + HAS(set, 1) + HAS(set, 2))
#define LOWEST(set)	(((set) & 1) -> 1 : (((set) & 2) -> 2 : 4))
#define FIRST(set)	(((set) & 1) -> 0 : (((set) & 2) -> 1 : 2))

#define TOTAL	(RESERVE + (LANE0 == 1) + (LANE1 == 1) + NR_OF(HAND))
#define ALL	(BIT(TOTAL) - 1)

/* ---- memory ------------------------------------------------------------ */

#define WORDS		(MAGS * 2)
#define NR(m)		((m) * 2)		/* NONE has no other word */
#define ELEMENT(m)	((m) * 2 + 1)

byte memory[WORDS + 1];
byte stores[CPUS * (WORDS + 1)];	/* under way: the value + 1, or 0 */

#define STORES(c, w)	stores[(c) * (WORDS + 1) + (w)]
#define LOAD(c, w)	(STORES(c, w) -> STORES(c, w) - 1 : memory[w])

inline store(c, w, value)
{
	assert(w != NR(NONE));
	STORES(c, w) = (value) + 1
}

/* ---- the pool ---------------------------------------------------------- */

typedef lane_of_cpu {
	byte loaded = NONE;
	byte seen = NONE	/* by who runs there without the lock */
};

lane_of_cpu lane[CPUS];
byte reserve;
byte room;
byte empties = BIT(MAGS) - 1;
byte limbo;
byte stamp[MAGS];
byte home[MAGS];		/* the CPU, of what is in limbo */
byte gen;
byte recalling;			/* how many threads */
byte queued;
byte holder = NOBODY;

/* ---- the world --------------------------------------------------------- */

byte hand[N];
byte cpu[N];
bool in_sequence[N];
byte alive = BIT(N) - 1;
byte ended;
byte moves = MOVES;

#define HANDS	(hand[0] | hand[1] | hand[2])

/* Used within one step only. */
hidden byte b1, b2;

inline arrive(c)
{
	for (b1 : 0 .. WORDS - 1) {
		if
		:: STORES(c, b1) ->
			memory[b1] = STORES(c, b1) - 1;
			STORES(c, b1) = 0
		:: else
		fi
	}
	lane[c].seen = lane[c].loaded
}

#define STAYS(u, c, t)	((u) == (t) || cpu[u] != (c))
inline restart(c, t)
{
	in_sequence[0] = in_sequence[0] && STAYS(0, c, t);
	in_sequence[1] = in_sequence[1] && STAYS(1, c, t);
	in_sequence[2] = in_sequence[2] && STAYS(2, c, t)
}

inline fence_cpu(c)
{
#ifndef BUG_NEAR_BARRIER	/* it restarts, and is no barrier */
	arrive(c);
#endif
#ifndef BUG_NEAR_RESTART	/* it is a barrier, and does not restart */
	restart(c, NOBODY);
#endif
	skip
}

/* The CPUs in fenced, a set. */
inline fence()
{
	do
	:: d_step {
			fenced ->
			fence_cpu(FIRST(fenced));
			fenced = fenced & (fenced - 1)
		}
	:: else -> break
	od
}

inline lock()
{
	holder == NOBODY ->
	d_step {
		holder = me;
		restart(cpu[me], me);
		arrive(cpu[me])
	}
}

/* What must hold then. */
inline unlock()
{
	assert(NR_OF(reserve) <= room);
	assert(!queued || (room == TOTAL && !limbo));
	holder = NOBODY
}

/* ---- under the lock ---------------------------------------------------- */

inline get(o, t)
{
	b1 = o;
	assert(b1 && !(HANDS & b1) && !(reserve & b1));
	hand[t] = hand[t] | b1
}

inline put_away(mag)
{
	if
	:: mag != NONE ->
		if
		:: memory[NR(mag)] ->
			assert(!(reserve & memory[ELEMENT(mag)]));
			reserve = reserve | memory[ELEMENT(mag)]
		:: else
		fi;
		memory[NR(mag)] = 0;
		empties = empties | BIT(mag);
		room++
	:: else
	fi
}

inline strip()
{
	gen++;
	mygen = gen;
	for (b1 : 0 .. CPUS - 1) {
		if
		:: lane[b1].loaded != NONE ->
			limbo = limbo | BIT(lane[b1].loaded);
			stamp[lane[b1].loaded] = mygen;
			home[lane[b1].loaded] = b1;
#ifdef BUG_NEAR_OTHERS	/* what others have stripped is left to their fences */
			fenced = fenced | BIT(b1);
#endif
			lane[b1].loaded = NONE
		:: else
		fi
	}
#ifndef BUG_NEAR_OTHERS
#ifndef BUG_NEAR_UNFENCED	/* who is in flight will have landed by then */
	for (b1 : 0 .. MAGS - 1) {
		if
		:: HAS(limbo, b1) -> fenced = fenced | BIT(home[b1])
		:: else
		fi
	}
#endif
#endif
}

#ifdef BUG_NEAR_OWN		/* what others have stripped is left to them */
#define IS_STABLE(m)	(stamp[m] == mygen)
#else
#define IS_STABLE(m)	(stamp[m] <= mygen)
#endif

inline settle()
{
	for (b2 : 0 .. MAGS - 1) {
		if
		:: HAS(limbo, b2) && IS_STABLE(b2) ->
			limbo = limbo & ~BIT(b2);
			stamp[b2] = 0;
			home[b2] = 0;
			put_away(b2)
		:: else
		fi
	}
	mygen = 0
}

/* Loads mag where it runs; what that displaces is old. */
inline swap(mag, old)
{
	do
	:: atomic {
			in_sequence[me] = true;
			at = cpu[me];
			restart(at, me);
			old = lane[at].loaded
		};
		atomic {
			if
#ifndef BUG_NEAR_MOVED	/* the thread is, and loads where it was */
			:: !in_sequence[me] -> skip
#endif
			:: else ->
				d_step {
					in_sequence[me] = false;
					restart(cpu[me], me);
					lane[at].loaded = mag;
					arrive(cpu[me]);
					at = 0
				};
				break
			fi
		}
	od
}

#ifdef BUG_NEAR_RECALLING	/* another does, and counts on it */
#define NOBODY_RECALLS	true
#else
#define NOBODY_RECALLS	(recalling == 0)
#endif
/* The lock is let go of by this. */
inline load_and_unlock()
{
	if
	:: NOBODY_RECALLS ->
		swap(NONE, old);
		atomic {
			put_away(old);
			old = NONE;
			if
			:: room && empties ->
				m = FIRST(empties);
				empties = empties & ~BIT(m);
				if
#ifndef BUG_NEAR_SURPLUS	/* a full reserve keeps what it has */
				:: NR_OF(reserve) == room ->
					memory[ELEMENT(m)] = LOWEST(reserve);
					memory[NR(m)] = 1;
					reserve = reserve & ~LOWEST(reserve)
#endif
				:: else
				fi;
				room--
			:: else -> m = NONE
			fi
		};
		if
		:: m != NONE ->
			swap(m, old);
			atomic { put_away(old); old = NONE }
		:: else
		fi;
		atomic { m = 0; unlock() }
	:: atomic { true -> unlock() }
	fi
}

/* The lock is held before and after.  Nothing is anywhere else then. */
inline recall()
{
#ifdef BUG_NEAR_FENCED_FIRST	/* before the lanes are stripped */
	atomic { recalling++; unlock(); fenced = BIT(CPUS) - 1 };
	fence();
	atomic { lock(); strip(); recalling--; settle(); fenced = 0 };
#else
	atomic { strip(); recalling++; unlock() };
	fence();
	atomic { lock(); recalling--; settle() };
#endif
	assert(room == TOTAL && !limbo)
}

#ifdef BUG_NEAR_MISSED	/* who finds nothing looks no further */
#define CACHED		false
#else
#define CACHED		(room != TOTAL)
#endif
#ifdef BUG_NEAR_REFUSED	/* what the reserve has no room for goes */
#define ROOM_ELSEWHERE	false
#else
#define ROOM_ELSEWHERE	(room != TOTAL)
#endif

/* ---- the fast path ----------------------------------------------------- */

#define PLACES(m)	((m) == NONE -> 0 : 1)

inline begin()
{
	in_sequence[me] = true;
	restart(cpu[me], me);
	m = lane[cpu[me]].seen
}

inline finish()
{
	in_sequence[me] = false;
	m = 0;
	n = 0
}

/* The next step of a sequence, or the first one again. */
inline go_on(first)
{
	if
	:: !in_sequence[me] -> m = 0; n = 0; goto first
	:: else -> d_step { restart(cpu[me], me) }
	fi
}

/* ---- threads ----------------------------------------------------------- */

proctype thread(byte me) provided (HAS(alive, _pid - 1))
{
	byte rounds;
	byte at;
	byte m;
	byte n;
	byte old = NONE;
	byte element;
	byte mygen;
	byte fenced;		/* where the next fence is to come */
	bool forks = HAS(FORK, me);

next:	atomic {
		if
		:: hand[me] -> element = hand[me]; goto push
		:: else
		fi;
		if
		:: forks -> forks = false; goto fork
		:: else
		fi;
		if
		:: rounds <= HAS(TWICE, me) && (HAS(WAITS, me) ||
						HAS(NOWAIT, me)) ->
			rounds++
		:: else -> goto done
		fi
	};

pop:	atomic { begin() };
	atomic {
		go_on(pop);
		n = LOAD(cpu[me], NR(m));
		if
		:: !n -> d_step { finish() }; goto take
		:: else
		fi
	};
	atomic {
		go_on(pop);
		element = LOAD(cpu[me], ELEMENT(m))
	};
	atomic {
		go_on(pop);
		d_step {
			store(cpu[me], NR(m), 0);	/* commit */
			finish();
			get(element, me);
			element = 0
		};
		goto next
	};

take:	atomic { lock() };
again:	if
	:: atomic {
			reserve && !queued ->
			element = LOWEST(reserve);
			reserve = reserve & ~element;
			get(element, me);
			element = 0
		};
		load_and_unlock();
		goto next
	:: !reserve && CACHED -> recall(); goto again
	:: atomic {
			(!reserve || queued) && !CACHED ->
			assert(HANDS == ALL);
			if
			:: HAS(NOWAIT, me) -> unlock(); goto next
			:: else -> queued = queued | BIT(me); unlock()
			fi
		}
	fi;
	/* Asleep. */
	hand[me] -> goto next;

push:	atomic { begin() };
	atomic {
		go_on(push);
		n = LOAD(cpu[me], NR(m));
		if
		:: n >= PLACES(m) -> d_step { finish() }; goto give
		:: else
		fi
	};
	atomic {
		go_on(push);
#ifdef BUG_NEAR_COMMIT	/* before the element is there */
		d_step {
			store(cpu[me], NR(m), 1);
			hand[me] = hand[me] & ~element
		}
#else
		store(cpu[me], ELEMENT(m), element)
#endif
	};
	atomic {
#ifdef BUG_NEAR_COMMIT
		d_step {
			store(cpu[me], ELEMENT(m), element);
#else
		go_on(push);
		d_step {
			store(cpu[me], NR(m), 1);	/* commit */
			hand[me] = hand[me] & ~element;
#endif
			finish();
			element = 0
		};
		goto next
	};

give:	atomic { lock() };
	if
	:: atomic {
			queued ->
			hand[me] = hand[me] & ~element;
			n = FIRST(queued);
			queued = queued & ~BIT(n);
			get(element, n);
			n = 0;
			element = 0;
			unlock()
		}
	:: atomic {
			!queued && NR_OF(reserve) < room ->
			hand[me] = hand[me] & ~element;
			reserve = reserve | element;
			element = 0
		};
		load_and_unlock()
	:: atomic { else -> assert(ROOM_ELSEWHERE) };
		recall();
		atomic { unlock(); goto give }
	fi;
	goto next;

fork:	atomic {
		lock();
		d_step {
			alive = BIT(me);
			for (b2 : 0 .. CPUS - 1) {
				arrive(b2)
			}
			recalling = 0;
			queued = 0;
			unlock()
		};
		goto next
	};

done:	ended = ended | BIT(me)
}

/* ---- the world --------------------------------------------------------- */

#define ARRIVE(c, w) \
	:: d_step { \
		STORES(c, w) -> \
		memory[w] = STORES(c, w) - 1; \
		STORES(c, w) = 0 \
	}

#define SEE(c) \
	:: lane[c].seen != lane[c].loaded -> lane[c].seen = lane[c].loaded

proctype arrivals()
{
end:	do
	ARRIVE(0, NR(0))
	ARRIVE(0, ELEMENT(0))
	ARRIVE(0, NR(1))
	ARRIVE(0, ELEMENT(1))
	ARRIVE(1, NR(0))
	ARRIVE(1, ELEMENT(0))
	ARRIVE(1, NR(1))
	ARRIVE(1, ELEMENT(1))
	SEE(0)
	SEE(1)
	od
}

#define MOVE(t) \
	:: d_step { \
		moves > 0 && HAS(alive, t) && !HAS(ended, t) -> \
		moves--; \
		arrive(cpu[t]); \
		cpu[t] = 1 - cpu[t]; \
		lane[cpu[t]].seen = lane[cpu[t]].loaded; \
		in_sequence[t] = false \
	}

proctype scheduler()
{
end:	do
	MOVE(0)
	MOVE(1)
	MOVE(2)
	od
}

inline fill_lane(c, what)
{
	if
	:: what ->
		lane[c].loaded = c;
		lane[c].seen = c;
		empties = empties & ~BIT(c);
		room--;
		if
		:: what == 1 ->
			memory[NR(c)] = 1;
			memory[ELEMENT(c)] = BIT(b2);
			b2++
		:: else
		fi
	:: else
	fi
}

init
{
	byte mygen, fenced;

	atomic {
		d_step {
			reserve = BIT(RESERVE) - 1;
			room = TOTAL;
			b2 = RESERVE;
			fill_lane(0, LANE0);
			fill_lane(1, LANE1);
			for (b1 : 0 .. N - 1) {
				cpu[b1] = !HAS(SAME, b1);
				if
				:: HAS(HAND, b1) -> hand[b1] = BIT(b2); b2++
				:: else
				fi
			}
		};
		run thread(0);
		run thread(1);
		run thread(2);
		run arrivals();
		run scheduler()
	};
	/* All is there, once. */
	atomic {
		((ended | ~alive) & (BIT(N) - 1)) == BIT(N) - 1;
		d_step {
			assert(alive < BIT(N) - 1 || !recalling);
			strip();
			for (b2 : 0 .. CPUS - 1) {
				fence_cpu(b2)
			};
			settle();
			assert(room == TOTAL && !(reserve & HANDS));
			assert((reserve | HANDS) == ALL)
		}
	}
	/* Threads that a fork has left behind are not at their ends. */
end:	do
	:: alive < BIT(N) - 1 -> skip
	od
}
