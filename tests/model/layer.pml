/* SPDX-License-Identifier: MIT */
/*
 * layer.pml - magazines over a cache, one for each CPU, and how they are
 * recalled
 *
 * run.sh runs this in several configurations, each over all interleavings, and
 * once for each seeded bug (BUG_...), which must be found.
 *
 * Purpose
 *
 * An object is in one place, always.  An allocation fails only if at some
 * moment users had all of them: others may lie in magazines of CPUs whose
 * threads never run again, and are found.
 *
 * Objects
 *
 *   magazine  how many objects it has, and which: words of memory.  NONE has
 *             none, and room for none; it is never written to.
 *   lane      of a CPU: the magazine that is loaded.  Only who holds the lock
 *             changes that.  It loads one where it runs (swap()), and strips
 *             any lane of its magazine (strip()).
 *   depot     magazines with objects.  Those without are the empties.
 *   limbo     magazines that a recall has stripped from a lane, and has stamped
 *             with its number.  A sequence in flight may still write to them.
 *   sequence  restartable, a pop or a push: see what is loaded, look into it,
 *             and commit, which is one store.  It begins again if somebody else
 *             runs on that CPU meanwhile, if its thread is moved to another
 *             one, or if a fence comes.  With FALLBACK it has claimed the lane
 *             instead, and never begins again.
 *   fence     comes to one CPU after the other: the sequence there begins
 *             again, and all that was stored there has arrived.
 *   recall    what an allocation does that found nothing: strip all lanes, let
 *             a fence come to the CPUs of all that is in limbo then, and take
 *             from there what was stripped before that, by whomever; then it
 *             looks again.  It fails when
 *             there is nothing to strip, and nothing in limbo.  With FALLBACK
 *             it passes over lanes that are claimed: only what is there may be
 *             missed.
 *
 * What is simplified, and why nothing is lost by it
 *
 *   lock      A section is one step, but for the sequences in it and for the
 *             splitting of a magazine: meanwhile others run on that CPU, or the
 *             thread is moved.
 *   CPUs      Nothing says who runs.  When a thread takes a step, it was let
 *             run, and the sequences of others on that CPU are over.  None
 *             begins again without cause: before the commit there are loads
 *             only, and a store beyond the number of objects.
 *   memory    What is stored to a magazine is seen at once on that CPU, and
 *             arrives elsewhere sometime, in any order; what is overwritten on
 *             its way, never.  It has arrived after a fence, when a thread is
 *             moved away from that CPU, and when a section begins there (it
 *             must have when that ends, and before that nobody else may look).
 *             What a section itself stores arrives at once.  That a lane was
 *             stripped is seen on its CPU sometime, at the latest then.  Loads
 *             are not early: each needs the one before, or comes after a lock
 *             or a claim.
 *   objects   One bit each.  A magazine has room for two.
 *   counts    A magazine has one, of its objects.  The code has two, and their
 *             difference is that; each is stored to by one kind of sequence, and
 *             both are looked at when all has arrived.
 *   wholes    A magazine that goes on as a whole is one that is split with
 *             nothing moved.  Who takes puts NONE into the lane first, as who
 *             gives does here, and has fewer steps in between.
 *   slabs     A set.  Objects go back to it for want of an empty magazine only:
 *             nothing depends on how many the depot may have.
 *   stopping  Any thread may halt outside the lock for as long as it takes, in
 *             every configuration.  STOPS is for ever: nobody waits for it.
 *   fork      The others stop for ever, and what they have stored has arrived:
 *             the kernel sees to that before they could store where the child
 *             does not see it.
 *
 * Configuration
 *
 *   MAGS         how many magazines there are
 *   SLABS, LANE0, LANE1  how many objects are there to begin with; in a lane
 *                without any, no magazine is loaded
 *   HAND         who has one besides: bit n is thread n, here and below
 *   ALLOC, FREE  who may do so; a thread that may both does as it likes
 *   TWICE        who makes two calls, not one
 *   FORK         who may fork, once
 *   SAME         who begins on CPU 0; the others are on CPU 1
 *   MOVES        how often a thread is moved to the other CPU
 *   STOPS        how many threads stop
 *   FALLBACK     lanes are claimed, there are no sequences
 */
#define N	3
#define NOBODY	N
#define CPUS	2
#define SIZE	2

#ifndef MAGS
#define MAGS	3
#endif
#ifndef SLABS
#define SLABS	0
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
#ifndef TWICE
#define TWICE	0
#endif
#ifndef ALLOC
#define ALLOC	0
#endif
#ifndef FREE
#define FREE	0
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
#ifndef STOPS
#define STOPS	0
#endif
#ifndef FALLBACK
#define FALLBACK 0
#endif

#define NONE	MAGS

#define HAS(set, t)	(((set) >> (t)) & 1)
#define BIT(i)		(1 << (i))

#define TOTAL	(SLABS + LANE0 + LANE1 + HAS(HAND, 0) + HAS(HAND, 1) + \
		 HAS(HAND, 2))
#define ALL	(BIT(TOTAL) - 1)
#define LOWEST(set) (((set) & 1) -> 1 : (((set) & 2) -> 2 : \
		    (((set) & 4) -> 4 : 8)))
#define FIRST(set) (((set) & 1) -> 0 : (((set) & 2) -> 1 : 2))

/* ---- memory ------------------------------------------------------------ */

#define WORDS		(MAGS * (1 + SIZE))
#define NR(m)		((m) * (1 + SIZE))	/* NONE has no other word */
#define OBJECT(m, i)	(NR(m) + 1 + (i))

byte memory[WORDS + 1];
byte stores[CPUS * (WORDS + 1)];	/* under way: the value + 1, or 0 */

#define STORES(c, w)	stores[(c) * (WORDS + 1) + (w)]
#define LOAD(c, w)	(STORES(c, w) -> STORES(c, w) - 1 : memory[w])

inline store(c, w, value)
{
	assert(w != NR(NONE));
	STORES(c, w) = (value) + 1
}

/* ---- the cache --------------------------------------------------------- */

typedef lane_of_cpu {
	byte loaded = NONE;
	byte seen = NONE;	/* by who runs there without the lock */
	bool busy
};

lane_of_cpu lane[CPUS];
byte slabs;
byte depot;			/* sets of magazines */
byte empties;
byte limbo;
byte stamp[MAGS];		/* in limbo only */
byte home[MAGS];		/* the CPU, likewise */
byte gen;
byte holder = NOBODY;

/* ---- the world --------------------------------------------------------- */

byte hand[N];			/* what callers have */
byte cpu[N];
bool in_sequence[N];
byte alive = BIT(N) - 1;
byte ended;
byte moves = MOVES;
byte stops = STOPS;
bool forked;

#define HANDS	(hand[0] | hand[1] | hand[2])

/* Used within one step only. */
hidden byte b1, b2, b3, found, all, mags;

/* ---- what the kernel and the machine do -------------------------------- */

/* What was stored there has arrived. */
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

/* The sequences on a CPU begin again, but for that of t. */
#define STAYS(u, c, t)	(FALLBACK || (u) == (t) || cpu[u] != (c))
inline restart(c, t)
{
	in_sequence[0] = in_sequence[0] && STAYS(0, c, t);
	in_sequence[1] = in_sequence[1] && STAYS(1, c, t);
	in_sequence[2] = in_sequence[2] && STAYS(2, c, t)
}

inline fence_cpu(c)
{
#ifndef BUG_BARRIER	/* it restarts, and is no barrier */
	arrive(c);
#endif
#ifndef BUG_RESTART	/* it is a barrier, and does not restart */
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

inline unlock()
{
	holder = NOBODY
}

/* ---- the fast path ----------------------------------------------------- */

#define ROOM(m)		((m) == NONE -> 0 : SIZE)

/* m is the magazine.  If the lane is busy it is NONE, and at is nowhere. */
inline begin()
{
	in_sequence[me] = true;
	at = cpu[me];
	restart(at, me);
#if FALLBACK
	m = NONE;
	if
	:: lane[at].busy -> at = CPUS
	:: else -> lane[at].busy = true; m = lane[at].loaded
	fi
#else
	m = lane[at].seen
#endif
}

inline finish()
{
	in_sequence[me] = false;
#if FALLBACK
	if
	:: at < CPUS ->
#ifndef BUG_RELEASE	/* it may be seen before what was done is */
		arrive(cpu[me]);
#endif
		lane[at].busy = false
	:: else
	fi;
#endif
	at = 0;
	m = 0;
	n = 0
}

inline get(o)
{
	b1 = o;
	assert(b1 && !(HANDS & b1));
	hand[me] = hand[me] | b1
}

/* ---- under the lock ---------------------------------------------------- */

inline put(mag)
{
	if
	:: mag == NONE
	:: mag != NONE && memory[NR(mag)] -> depot = depot | BIT(mag)
	:: else -> empties = empties | BIT(mag)
	fi
}

/* One for the user; m is what to load, or NONE. */
inline take()
{
	m = NONE;
	if
	:: depot ->
		m = FIRST(depot);
		depot = depot & ~BIT(m)
	:: !depot && slabs && empties ->
		m = FIRST(empties);
		empties = empties & ~BIT(m);
		do
		:: memory[NR(m)] < SIZE && slabs ->
			memory[OBJECT(m, memory[NR(m)])] = LOWEST(slabs);
			memory[NR(m)]++;
			slabs = slabs & ~LOWEST(slabs)
		:: else -> break
		od
	:: !depot && slabs && !empties ->
		get(LOWEST(slabs));
		slabs = slabs & ~LOWEST(slabs);
		got = true
	:: else
	fi;
	if
	:: m != NONE ->
		memory[NR(m)]--;
		get(memory[OBJECT(m, memory[NR(m)])]);
		got = true
	:: else
	fi
}

/* Loads mag where it runs.  What that displaces is old: mag itself, if the lane
 * is busy. */
inline swap(mag, old)
{
#if FALLBACK
	d_step {
		if
		:: lane[cpu[me]].busy -> old = mag
		:: else ->
			old = lane[cpu[me]].loaded;
			lane[cpu[me]].loaded = mag
		fi;
		arrive(cpu[me])
	}
#else
	do
	:: atomic {
			in_sequence[me] = true;
			at = cpu[me];
			restart(at, me);
			old = lane[at].loaded
		};
		atomic {
			if
#ifndef BUG_MOVED	/* the thread is, and loads where it was */
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
#endif
}

/* The first half of a recall.  If nothing is found, there is nothing. */
inline strip()
{
#ifndef BUG_MISSED	/* what others have stripped is left to them */
	found = limbo;
#endif
	gen++;
	mygen = gen;
	for (b1 : 0 .. CPUS - 1) {
		if
		:: lane[b1].loaded == NONE
#if FALLBACK
#ifndef BUG_BUSY	/* a lane that is claimed is stripped as well */
		:: lane[b1].loaded != NONE && lane[b1].busy
#endif
		:: else ->
			put(lane[b1].loaded);
#else
		:: else ->
			limbo = limbo | BIT(lane[b1].loaded);
			stamp[lane[b1].loaded] = mygen;
			home[lane[b1].loaded] = b1;
#ifdef BUG_OTHERS	/* what others have stripped is left to their fences */
			fenced = fenced | BIT(b1);
#endif
#endif
			lane[b1].loaded = NONE;
			found = 1
		fi
	}
#ifndef BUG_OTHERS
#ifndef BUG_UNFENCED	/* who is in flight will have landed by then */
	for (b1 : 0 .. MAGS - 1) {
		if
		:: HAS(limbo, b1) -> fenced = fenced | BIT(home[b1])
		:: else
		fi
	}
#endif
#endif
}

#ifdef BUG_ONCE		/* others may have taken it, and loaded the rest */
#define AGAIN		(mygen == 0)
#else
#define AGAIN		true
#endif

#ifdef BUG_STAMP	/* also what was stripped after the fence began */
#define IS_STABLE(m)	(mygen > 0)
#else
#define IS_STABLE(m)	(stamp[m] <= mygen)
#endif

/* The other half, after the fence. */
inline settle()
{
	for (b1 : 0 .. MAGS - 1) {
		if
		:: HAS(limbo, b1) && IS_STABLE(b1) ->
			limbo = limbo & ~BIT(b1);
			stamp[b1] = 0;
			home[b1] = 0;
			put(b1)
		:: else
		fi
	}
}

inline child()
{
#ifndef BUG_LIMBO	/* what others have stripped is left to them */
	mygen = gen;
	settle();
	mygen = 0;
#endif
#ifndef BUG_CLAIMED	/* what others have claimed is left to them */
	for (b1 : 0 .. CPUS - 1) {
		lane[b1].busy = false
	}
#endif
}

/* ---- threads ----------------------------------------------------------- */

/* The next step of a sequence, or the first one again. */
inline go_on(first)
{
	if
	:: !in_sequence[me] -> at = 0; m = 0; n = 0; goto first
	:: else -> d_step { restart(cpu[me], me) }
	fi
}

proctype thread(byte me) provided (HAS(alive, _pid - 1))
{
	byte rounds;
	byte at;
	byte m;			/* magazines */
	byte e;
	byte old;
	byte n;
	byte object;
	byte mygen;
	byte fenced;		/* where the next fence is to come */
	bool got;		/* an object, or a place for it */

next:	atomic {
		if
		:: rounds <= HAS(TWICE, me) && HAS(ALLOC, me) -> rounds++
		:: rounds <= HAS(TWICE, me) && HAS(FREE, me) && hand[me] ->
			rounds++;
			object = LOWEST(hand[me]);
			goto push
		:: rounds <= HAS(TWICE, me) && HAS(FORK, me) && !forked ->
			rounds++;
			goto fork
		:: else -> goto done
		fi
	};

pop:	atomic { begin() };
	atomic {
		go_on(pop);
		d_step {
			n = LOAD(cpu[me], NR(m));
			got = n > 0;
			if
			:: !got -> finish()
			:: else
			fi
		};
		if
		:: !got -> goto slow_alloc
		:: else
		fi
	};
	atomic {
		go_on(pop);
		object = LOAD(cpu[me], OBJECT(m, n - 1))
	};
	atomic {
		go_on(pop);
		d_step {
			store(cpu[me], NR(m), n - 1);	/* commit */
			finish();
			get(object);
			object = 0;
			got = false
		};
		goto next
	};

slow_alloc:
#ifdef BUG_FENCED_FIRST	/* before the lanes are stripped */
	fenced = BIT(CPUS) - 1;
	fence();
#endif
	do
	:: atomic {
			lock();
			d_step {
				settle();
				take();
				found = 0;
				if
				:: !got && AGAIN -> strip()
				:: else
				fi;
#ifdef BUG_FENCED_FIRST
				settle()
#endif
			};
			if
			:: !found ->
				assert(got || HANDS == ALL ||
				       lane[0].busy || lane[1].busy);
				break
			:: else -> unlock()
			fi
		};
#ifdef BUG_WAITS	/* for whoever may be in the way */
		!in_sequence[0] && !in_sequence[1] && !in_sequence[2];
#endif
		fence()
	od;
	if
	:: m != NONE ->
#ifdef BUG_UNLOCKED	/* the sequence alone will do */
		unlock();
		swap(m, old);
		atomic { lock(); d_step { put(old); unlock() } }
#else
		swap(m, old);
		atomic { put(old); unlock() }
#endif
	:: else -> unlock()
	fi;
	atomic { m = 0; old = 0; mygen = 0; got = false; goto next };

push:	atomic { begin() };
	atomic {
		go_on(push);
		d_step {
			n = LOAD(cpu[me], NR(m));
			got = n < ROOM(m);
			if
			:: !got -> finish()
			:: else
			fi
		};
		if
		:: !got -> goto slow_free
		:: else
		fi
	};
	atomic {
		go_on(push);
		d_step {
#ifdef BUG_COMMIT	/* before the object is there */
			store(cpu[me], NR(m), n + 1);
			hand[me] = hand[me] & ~object;
#else
			store(cpu[me], OBJECT(m, n), object)
#endif
		}
	};
	atomic {
#ifdef BUG_COMMIT
		d_step {
			store(cpu[me], OBJECT(m, n), object);
#else
		go_on(push);
		d_step {
			store(cpu[me], NR(m), n + 1);	/* commit */
			hand[me] = hand[me] & ~object;
#endif
			finish();
			object = 0;
			got = false
		};
		goto next
	};

slow_free:
	atomic {
		lock();
		if
		:: !empties ->
			d_step {
				slabs = slabs | object;
				hand[me] = hand[me] & ~object;
				object = 0;
				unlock()
			};
			goto next
		:: else ->
			d_step {
				e = FIRST(empties);
				empties = empties & ~BIT(e)
			}
		fi
	};
#ifdef BUG_ATTACHED	/* it is split where it is */
	old = lane[cpu[me]].loaded;
#else
	swap(NONE, old);
#endif
	atomic {			/* half of it */
		restart(cpu[me], me);
		arrive(cpu[me]);
		n = memory[NR(old)];
		memory[NR(e)] = n / 2;
		for (b1 : 0 .. n / 2 - 1) {
			memory[OBJECT(e, b1)] = memory[OBJECT(old, n - 1 - b1)]
		}
	};
	d_step {
		restart(cpu[me], me);
		arrive(cpu[me]);
		memory[NR(old)] = n - n / 2;
		memory[OBJECT(e, memory[NR(e)])] = object;
		memory[NR(e)]++;
		hand[me] = hand[me] & ~object;
		object = 0;
		n = 0
	};
	swap(e, m);
	atomic {
		d_step {
#ifndef BUG_ATTACHED
			put(old);
#endif
			put(m);
			unlock();
			old = 0;
			e = 0;
			m = 0
		};
		goto next
	};

fork:	atomic {
		lock();
		d_step {
			forked = true;
			alive = BIT(me);
			for (b2 : 0 .. CPUS - 1) {
				arrive(b2)
			}
			child();
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

#define ARRIVE_IN(m) \
	ARRIVE(0, NR(m)) \
	ARRIVE(0, OBJECT(m, 0)) \
	ARRIVE(0, OBJECT(m, 1)) \
	ARRIVE(1, NR(m)) \
	ARRIVE(1, OBJECT(m, 0)) \
	ARRIVE(1, OBJECT(m, 1))

#define SEE(c) \
	:: lane[c].seen != lane[c].loaded -> lane[c].seen = lane[c].loaded

proctype arrivals()
{
end:	do
	ARRIVE_IN(0)
	ARRIVE_IN(1)
#if MAGS > 2
	ARRIVE_IN(2)
#endif
	SEE(0)
	SEE(1)
	od
}

#define IS_THERE(t)	(HAS(alive, t) && !HAS(ended, t))

#define MOVE(t) \
	:: d_step { \
		moves > 0 && IS_THERE(t) -> \
		moves--; \
		arrive(cpu[t]); \
		cpu[t] = 1 - cpu[t]; \
		lane[cpu[t]].seen = lane[cpu[t]].loaded; \
		in_sequence[t] = in_sequence[t] && FALLBACK \
	}

#define STOP(t) \
	:: d_step { \
		stops > 0 && IS_THERE(t) && holder != t -> \
		stops--; \
		alive = alive & ~BIT(t) \
	}

proctype scheduler()
{
end:	do
	MOVE(0)
	MOVE(1)
	MOVE(2)
	STOP(0)
	STOP(1)
	STOP(2)
	od
}

/* What can be found is in slabs or in the depot, once. */
inline check_all()
{
	d_step {
		strip();
		for (b2 : 0 .. CPUS - 1) {
			fence_cpu(b2)
		}
		settle();
		all = slabs;
		for (b2 : 0 .. N - 1) {
			assert(!(all & hand[b2]));
			all = all | hand[b2]
		}
		mags = depot | empties;
		for (b2 : 0 .. CPUS - 1) {
			if
			:: lane[b2].loaded != NONE ->
				assert(lane[b2].busy && !forked);
				assert(!HAS(mags, lane[b2].loaded));
				mags = mags | BIT(lane[b2].loaded)
			:: else
			fi
		}
		assert(mags == BIT(MAGS) - 1 && !(depot & empties));
		for (b2 : 0 .. MAGS - 1) {
			for (b3 : 0 .. memory[NR(b2)] - 1) {
				assert(memory[OBJECT(b2, b3)]);
				assert(!(all & memory[OBJECT(b2, b3)]));
				all = all | memory[OBJECT(b2, b3)]
			}
		}
		assert(all == ALL)
	}
}

/* The first ones are in slabs, then in lanes, then in hands. */
inline fill_lane(c, nr, first)
{
	for (b1 : 0 .. nr - 1) {
		memory[OBJECT(c, b1)] = BIT(first + b1)
	}
	memory[NR(c)] = nr;
	if
	:: nr > 0 ->
		lane[c].loaded = c;
		lane[c].seen = c;
		empties = empties & ~BIT(c)
	:: else
	fi
}

init
{
	byte mygen, fenced;

	atomic {
		d_step {
			slabs = BIT(SLABS) - 1;
			empties = BIT(MAGS) - 1;
			fill_lane(0, LANE0, SLABS);
			fill_lane(1, LANE1, SLABS + LANE0);
			b2 = SLABS + LANE0 + LANE1;
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
	atomic {
		((ended | ~alive) & (BIT(N) - 1)) == BIT(N) - 1;
		/* A recall ends, unless who makes it stops. */
		assert(!limbo || (alive < BIT(N) - 1 && !forked));
		check_all()
	}
	/* Threads that stopped are not at their ends. */
end:	do
	:: alive < BIT(N) - 1 -> skip
	od
}
