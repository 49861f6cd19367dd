/* SPDX-License-Identifier: MIT */
/*
 * wait.pml - how requests wait, as lib/waitq.c, wait.c, retry.c and cap.c do it
 *
 * Read those first; the names here are theirs.  run.sh runs this in
 * several configurations, each over all interleavings, and once for each
 * seeded bug (BUG_...), which must be found.
 *
 * What is simplified, and why nothing is lost by it
 *
 *   lock      A section under the lock is one step (a d_step, or several in an
 *             atomic; the last one ends in unlock()).  What is read without
 *             the lock is the gate, waitq.nr and bulk_nr: a section writes
 *             the gate once, as its last act, and moves the others in one
 *             direction, so a reader in mid-section does what one before or
 *             after it would; and reserve.nr, by who only guesses whether to
 *             take the lock.  Loading the gate and acting on it are separate
 *             steps.
 *   elements  One bit each.  A place (the reserve, the backend, a caller's
 *             slots, the hand of a thread on its way to or from the backend)
 *             is a set of bits.  The reserve is not kept in order.
 *   memory    Sequentially consistent.  For the gate, the only value whose
 *             order matters, waitq.c section 6 argues from coherence alone.
 *   sleep     A bed is one flag: a signal is there, or on its way.  One that
 *             is sent to a thread that is awake is remembered (LATE), and has
 *             come in vain, or not yet, when that falls asleep next, in this
 *             request or another.  One on the stack is signalled at once.
 *             That none is lost between releasing the lock and falling asleep
 *             is lock.c's business, and taken for granted.  Spurious wake-ups
 *             are few, or they would hide a lost one.  Waking and locking again
 *             is one step: what a thread does next depends on the state it
 *             finds then.
 *   spin      The word is set within a section, and the spinner may see that
 *             when the section is over: one who is SERVED does nothing before
 *             its next free or alloc that others could notice.  Leaving off
 *             and locking are two steps.  Time is up at any moment, so there
 *             is no peeking at the reserve.
 *   time      due is "due_ns has come".  It may come whenever somebody is
 *             linked (TIMER), and wakes only who fell asleep with a timer.
 *             A deadline may come at any moment, and stays past.  Requests
 *             with a deadline are few, or they would hide a lost wake-up.
 *             The overtaking bound has passed, or not, each time that a
 *             newcomer or a free looks (time_passes()).  Who is pressed is
 *             fixed.
 *   kicks     Instead of numbers that grow: for each thread, whether it has
 *             noted the number, and whether it has changed since.
 *   single    A single request is a bulk request for one: it lets the lock go
 *             once more than the code does in a FIXED pool.
 *   room      The reserve's array has CAP places from the start.
 *
 * Configuration
 *
 *   MIN, BACKEND, OUTSIDE  how many elements are in the reserve, in the
 *                backend, and in a backend that recovers later
 *   MAX          max_nr; 0 is none, and then all of cap.c is left out
 *   ROUNDS       requests that each of the 3 threads makes
 *   SINGLE, BULK, NOWAIT   who may make requests for one; for two; for one
 *                without sleeping: bit n is thread n, here and below
 *   PREALLOC     ... by mempool_alloc_preallocated()
 *   SPINS        who may find a CPU to spin on
 *   LATE, STACK  whether signals come late; whose bed is on the stack
 *   PRIO, PRESSED  whether the bound is zero; whose deadline is near
 *   TMO, CANCEL  who has a deadline; who may be cancelled in its sleep
 *   KEEP         who keeps what it got until all others have ended or keep
 *   HANG         whose retry may take as long
 *   FIXED, FLAKY (alloc_fn may fail although the backend has something),
 *   TIMER, KICK (by the recovering backend), SHUTDOWN
 *   RESIZE1, RESIZE2       to what min_nr is changed, one after the other
 *   SPURIOUS     how many spurious wake-ups there may be
 */
#define N	3
#define NONE	N

#ifndef MIN
#define MIN	2
#endif
#ifndef BACKEND
#define BACKEND	0
#endif
#ifndef OUTSIDE
#define OUTSIDE	0
#endif
#ifndef MAX
#define MAX	0
#endif
#ifndef ROUNDS
#define ROUNDS	1
#endif
#ifndef SINGLE
#define SINGLE	7
#endif
#ifndef BULK
#define BULK	0
#endif
#ifndef NOWAIT
#define NOWAIT	0
#endif
#ifndef TMO
#define TMO	0
#endif
#ifndef CANCEL
#define CANCEL	0
#endif
#ifndef KEEP
#define KEEP	0
#endif
#ifndef HANG
#define HANG	0
#endif
#ifndef FIXED
#define FIXED	0
#endif
#ifndef FLAKY
#define FLAKY	0
#endif
#ifndef TIMER
#define TIMER	0
#endif
#ifndef KICK
#define KICK	0
#endif
#ifndef SHUTDOWN
#define SHUTDOWN 0
#endif
#ifndef SPURIOUS
#define SPURIOUS 1
#endif
#ifndef PRIO
#define PRIO	0
#endif
#ifndef PRESSED
#define PRESSED	0
#endif
#ifndef SPINS
#define SPINS	0
#endif
#ifndef STACK
#define STACK	0
#endif
#ifndef LATE
#define LATE	0
#endif
#ifndef PREALLOC
#define PREALLOC 0
#endif
#define CAP	2

#define HAS(set, t)	(((set) >> (t)) & 1)

/* Sets of elements. */
#define TOTAL	(MIN + BACKEND + OUTSIDE)
#define ALL	((1 << TOTAL) - 1)
#define NR(set)	(((set) & 1) + (((set) >> 1) & 1) + (((set) >> 2) & 1))
#define LOWEST(set) (((set) & 1) -> 1 : (((set) & 2) -> 2 : 4))

/* ---- the pool ---------------------------------------------------------- */

/* enum request_state; 0: there is no request. */
#define QUEUED		1
#define TRYING		2
#define GRANTED		3
#define CANCELLED	4
#define LEFT		5

/* enum spin */
#define AWAY		0
#define SPINNING	1
#define ROUSED		2
#define SERVED		3

typedef request {
	byte state;
	byte lack;
	byte spin;
	bool must_retry;
	bool passed_over;
	bool told;
	bool kept;
	bool passed;		/* it has been first for the bound */
	bool alive;		/* from wait_for()'s begin to its end */
	bool asleep;
	bool signalled;
	bool armed;		/* sleeps with a timer */
	byte came_after;	/* those who were linked when it was, and are */
};

request req[N];			/* a thread has one at a time */
byte q[N];			/* the list; q[0] is its head */
byte nr;
byte nr_inside;
byte reserve;
byte min_nr = MIN;
byte bulk_nr = MIN;
bool gate;			/* open */
bool shutdown;
byte nr_out;			/* shares taken */

byte holder = NONE;
byte watch = NONE;
bool due;
bool owed;
byte kicks[N];			/* 0: not noted; 1: noted; 2: kicked since */

/* ---- the world --------------------------------------------------------- */

#define RESIZER		N
#define RECOVERY	(N + 1)

byte backend;
byte slots[N];			/* what callers hold, or are being given */
byte hand[N + 2];		/* on the way from or to the backend */
byte ended;			/* threads */
byte resting;			/* threads that wait for the others to end */
bool past;			/* the bound has passed */
byte running;			/* everything else that must end */
byte spurious = SPURIOUS;

/* Used within one step only. */
hidden byte b1, b2, b3, b4, b5, b6, b7, b8, served, gift, may;
hidden byte mine = NONE;	/* whose thread it is, in waitq_take() */
#define REFUSED		0
#define TO_RESERVE	1
#define TO_REQUEST	2

/* ---- the list ---------------------------------------------------------- */

#define IS_QUEUED(i)	((i) < nr && req[q[i]].state == QUEUED)
#define IS_FRESH(i)	(IS_QUEUED(i) && !req[q[i]].passed_over)
#define FIRST_QUEUED	(IS_QUEUED(0) -> q[0] : (IS_QUEUED(1) -> q[1] : \
			(IS_QUEUED(2) -> q[2] : NONE)))
#define LAST		(IS_QUEUED(2) -> q[2] : (IS_QUEUED(1) -> q[1] : \
			(IS_QUEUED(0) -> q[0] : NONE)))
#ifdef BUG_PASS		/* a request in alloc_fn is not passed over */
#define FIRST		(nr && req[q[0]].state == QUEUED -> q[0] : NONE)
#else
#define FIRST		FIRST_QUEUED
#endif

#define LACKS(i, n)	((i) < nr && req[q[i]].lack >= (n))
#ifdef BUG_SHRINK	/* what a queued bulk request was promised is taken */
#define WANTS(n)	((n) <= min_nr)
#else
#define WANTS(n)	((n) <= min_nr || LACKS(0, n) || LACKS(1, n) || \
			 LACKS(2, n))
#endif

#define HAS_SHARE(n)	(!MAX || nr_out + (n) <= MAX)
#define LINKED(t)	(req[t].state == QUEUED || req[t].state == TRYING)
#define IS_PRESSED(t)	(HAS(PRESSED, t) && LINKED(t))
#define NR_PRESSED	(IS_PRESSED(0) + IS_PRESSED(1) + IS_PRESSED(2))

/* ---- telling a thread -------------------------------------------------- */

#ifdef BUG_LATE_SIGNAL	/* the one on the stack is signalled after unlock() */
bool to_signal[N];
#define SIGNAL(t)	to_signal[t] = true
#else
#define SIGNAL(t)	req[t].signalled = req[t].asleep
#endif

/* One in a block that finds nobody asleep may come late, see sleep_until(). */
inline signal_soon(t)
{
	assert(req[t].alive);
	if
	:: HAS(STACK, t) -> SIGNAL(t)
	:: else -> req[t].signalled = req[t].asleep || LATE
	fi
}

inline waitq_rouse(t)
{
	if
	:: req[t].spin == SPINNING -> req[t].spin = ROUSED
	:: else -> signal_soon(t)
	fi
}

/* The last touch. */
inline dismiss(t)
{
	if
	:: req[t].spin == SPINNING ->
		req[t].spin = SERVED;
		nr_inside--
	:: else -> signal_soon(t)
	fi
}

/* ---- joining and leaving ------------------------------------------------ */

inline link_request(t)
{
	for (b1 : 0 .. nr - 1) {
		req[t].came_after = req[t].came_after | (1 << q[b1])
	}
	q[nr] = t;
	nr++
}

inline unlink_request(t, new_state)
{
	b1 = 0;
	do
	:: b1 < nr && q[b1] != t -> b1++
	:: else -> break
	od;
	assert(b1 < nr);		/* it was linked */
	nr--;
	do
	:: b1 < nr -> q[b1] = q[b1 + 1]; b1++
	:: else -> break
	od;
	q[nr] = 0;
	for (b1 : 0 .. N - 1) {
		req[b1].came_after = req[b1].came_after & ~(1 << t)
	}
	if
	:: nr == 0 -> due = false	/* nobody looks at it until it is set */
	:: else
	fi;
	req[t].state = new_state;
	retry_left(t)
}

/* ---- the reserve ------------------------------------------------------- */

inline reserve_put(e)
{
	assert(NR(reserve) < CAP && !(reserve & (e)));
	reserve = reserve | (e)
}

inline reserve_take(to)
{
	assert(reserve);
	b2 = LOWEST(reserve);
	reserve = reserve & ~b2;
	to = to | b2
}

/* ---- serving ----------------------------------------------------------- */

/* Nothing but is_kept() looks whether the bound has passed, so that is decided
 * just before. */
inline time_passes()
{
	if
	:: nr > 0 && !PRIO -> past = true
	:: true
	fi
}

#define IS_KEPT(t)	(req[t].kept || req[t].passed || NR_PRESSED)
#define CAN_SERVE(t) \
	(NR(reserve) >= req[t].lack && HAS_SHARE(req[t].lack))

inline fill(t)
{
	for (b3 : 0 .. N - 1) {		/* first come, first served */
		assert(!HAS(req[t].came_after, b3) || req[b3].state != QUEUED)
	}
	b3 = 0;
	do
	:: q[b3] != t -> req[q[b3]].passed_over = true; b3++
	:: else -> break
	od;
	for (b3 : 1 .. req[t].lack) {
		reserve_take(slots[t])
	}
	nr_out = (MAX -> nr_out + req[t].lack : 0);
	unlink_request(t, GRANTED)
}

/* It wakes up, or stops spinning, and takes what is there. */
inline tell(t)
{
	if
	:: !req[t].told ->
#ifdef BUG_TELL		/* only a spinner is told */
		if
		:: req[t].spin == SPINNING -> req[t].spin = ROUSED
		:: else
		fi;
#else
		waitq_rouse(t);
#endif
		req[t].told = true
	:: else
	fi
}

inline waitq_serve()
{
	do
	:: b4 = FIRST;
		if
		:: b4 == NONE -> break
		:: else
		fi;
		req[b4].kept = req[b4].kept || PRIO;	/* become_first() */
		if
		:: !CAN_SERVE(b4) -> break
		:: else
		fi;
		req[b4].passed = req[b4].passed || past;
		past = false;
		if
		:: b4 != mine && !IS_KEPT(b4) -> tell(b4); break
		:: else -> fill(b4)
		fi;
		if
		:: b4 != mine -> dismiss(b4); served++
		:: else
		fi
	od;
	retry_owed()
}

/* By its own thread. */
inline waitq_take(t)
{
	mine = t;
	waitq_serve();
	mine = NONE
}

inline waitq_give(e)
{
	gift = REFUSED;
	do
	:: gift != REFUSED -> break
	:: else ->
		b7 = FIRST;
		if
		:: WANTS(NR(reserve) + 1) ->
			reserve_put(e);
			gift = TO_RESERVE
#ifndef BUG_ROOM	/* refused, though who was told could be served */
		:: !WANTS(NR(reserve) + 1) && b7 != NONE && CAN_SERVE(b7) ->
			req[b7].kept = true	/* waitq_make_room() */
#endif
		:: else -> break
		fi;
		waitq_serve()
	od
}

inline waitq_give_first(e)
{
	b7 = FIRST;
	if
	:: b7 != NONE -> req[b7].kept = true
	:: else
	fi;
	waitq_give(e)
}

inline take_back(e)
{
	nr_out = (MAX -> nr_out - 1 : 0);
	waitq_give(e)
}

/* ---- newcomers --------------------------------------------------------- */

#ifdef BUG_KEPT		/* newcomers look at the clock, and at nothing else */
#define HOLDS_BACK(t)	req[t].passed
#else
#define HOLDS_BACK(t)	IS_KEPT(t)
#endif

inline note_time()
{
	b7 = FIRST_QUEUED;
	if
	:: past && may && b7 != NONE -> req[b7].passed = true
	:: else
	fi;
	past = false
}

inline may_pass()
{
	may = true;
	do
	:: b7 = FIRST;
		if
		:: b7 == NONE -> break
		:: else
		fi;
		if
		:: !HOLDS_BACK(b7) -> break
		:: else
		fi;
		req[b7].kept = true;
		served = 0;
		waitq_serve();
		if
		:: !served -> may = false; break
		:: else
		fi
	od
}

inline waitq_may_take(n)
{
	may = NR(reserve) >= (n);
	note_time();
#ifndef BUG_OVERTAKE	/* newcomers take what there is */
	if
	:: may -> may_pass()
	:: else
	fi;
#endif
	may = may && NR(reserve) >= (n)
}

inline waitq_may_claim(n)
{
	may = HAS_SHARE(n);
	note_time();
#ifndef BUG_NEWCOMER	/* shares are not kept for who waits */
	if
	:: may -> may_pass()
	:: else
	fi;
#endif
	may = may && HAS_SHARE(n)
}

/* Nobody passes who is kept, nor once he should be. */
inline check_passing()
{
	b7 = FIRST_QUEUED;
	assert(b7 == NONE ||
	       (!req[b7].kept && !req[b7].passed && !NR_PRESSED))
}

inline take(t, n)
{
	check_passing();
	b4 = n;
	for (b3 : 1 .. b4) {
		reserve_take(slots[t])
	}
}

/* ---- the retry --------------------------------------------------------- */

inline give_duty()
{
	if
	:: holder != NONE ->
		req[holder].must_retry = false;
		req[holder].passed_over = true
	:: else
	fi;
	holder = (IS_FRESH(0) -> q[0] : (IS_FRESH(1) -> q[1] :
		 (IS_FRESH(2) -> q[2] : FIRST)));
	if
	:: holder != NONE ->
		due = false;
		b8 = FIRST;
#ifndef BUG_OWED	/* a kick that comes without a share is lost */
		owed = !HAS_SHARE(req[b8].lack);
#endif
		if
		:: !HAS_SHARE(req[b8].lack) -> holder = NONE
		:: else ->
			req[holder].must_retry = true;
			waitq_rouse(holder)
		fi
	:: else
	fi
}

inline try_now()
{
	if
	:: !FIXED && nr > 0 && holder == NONE -> give_duty()
	:: else
	fi
}

inline count_kick()
{
	for (b5 : 0 .. N - 1) {
		kicks[b5] = (kicks[b5] -> 2 : 0)
	}
}

inline retry_kick()
{
	count_kick();
	try_now()
}

inline retry_owed()
{
	b8 = FIRST;
	if
	:: owed && b8 != NONE && HAS_SHARE(req[b8].lack) -> try_now()
	:: else
	fi
}

inline retry_due()
{
	if
#ifdef BUG_DUE		/* nobody tries when the time has come */
	:: true -> due = false
#endif
#ifdef BUG_HANG		/* a holder counts for ever */
	:: holder != NONE -> due = false
#endif
	:: else -> give_duty()
	fi
}

inline pass_watch()
{
	watch = LAST;
#ifndef BUG_WATCH	/* the new watch sleeps on, without a timer */
	if
	:: watch != NONE -> waitq_rouse(watch)
	:: else
	fi
#endif
}

inline retry_joined(t)
{
	if
	:: !FIXED ->
		due = (nr == 1 -> false : due);
		watch = t;
#ifndef BUG_JOIN	/* a kick between the last try and here is lost */
		if
		:: kicks[t] == 2 || owed -> try_now()
		:: else
		fi
#endif
	:: else
	fi
}

inline retry_left(t)
{
	if
	:: watch == t -> pass_watch()
	:: else
	fi;
	if
	:: holder == t ->
		holder = NONE;
#ifndef BUG_DUTY	/* the duty is not passed on */
		if
		:: req[t].must_retry -> try_now()
		:: else
		fi
#endif
	:: else
	fi
}

/* retry_run() up to alloc_fn */
inline retry_begin(t)
{
	kicks[t] = 1;
	req[t].must_retry = false;
	req[t].state = TRYING;
	req[t].told = false;
	if
	:: watch == t -> pass_watch()
	:: else
	fi;
	waitq_serve()
}

/* ... and from there on; @hand[t] is what alloc_fn returned, or nothing. */
inline retry_end(t)
{
	if
	:: holder == t -> holder = NONE
	:: else
	fi;
	due = false;			/* R4 */
	if
	:: req[t].state == TRYING ->
		req[t].state = QUEUED;
		watch = (watch == NONE -> t : watch);
		waitq_serve()
	:: else
	fi;
	gift = TO_RESERVE;
	if
	:: hand[t] ->
		count_kick();
		waitq_give_first(hand[t]);
		hand[t] = (gift == REFUSED -> hand[t] : 0)
#ifdef BUG_KICK		/* a kick during a try that fails is lost */
	:: else -> kicks[t] = 0
#else
	:: else
#endif
	fi;
	if
	:: hand[t]			/* core_return() */
	:: else -> retry_after(t)
	fi
}

inline retry_after(t)
{
	if
	:: kicks[t] == 2 -> try_now()
	:: else
	fi;
	kicks[t] = 0
}

/* ---- the lock ---------------------------------------------------------- */

#define IS_IDLE		(NR(reserve) >= min_nr && min_nr && nr == 0)

inline core_update_gate()
{
	bulk_nr = (NR(reserve) >= min_nr -> min_nr : bulk_nr);
	gate = gate && IS_IDLE
}

/* After a success of the backend. */
inline core_open_gate()
{
	gate = IS_IDLE && !MAX
}

#define IS_AWAKE(t)	(!req[t].asleep || req[t].signalled)
#define SLEEPS_WELL(t) \
	((IS_AWAKE(t) && req[t].spin != SPINNING) || \
	 (req[t].state == QUEUED && !req[t].must_retry))
#define IS_INSIDE(t)	(req[t].alive && req[t].spin != SERVED)
#define DUTY_HELD(t)	(!LINKED(t) || !req[t].must_retry || holder == t)

inline check_conservation()
{
	/* I3: the sets cover everything and nothing is in two of them. */
	assert((reserve | backend | slots[0] | slots[1] | slots[2] | hand[0] |
		hand[1] | hand[2] | hand[3] | hand[4]) == ALL);
	assert(reserve + backend + slots[0] + slots[1] + slots[2] + hand[0] +
	       hand[1] + hand[2] + hand[3] + hand[4] == ALL)
}

inline check_invariants()
{
	/* I1 */
	assert(LINKED(0) + LINKED(1) + LINKED(2) == nr);
	/* I2 */
	b7 = FIRST_QUEUED;
#ifndef BUG_LATE_SIGNAL
	assert(b7 == NONE || !CAN_SERVE(b7) ||
	       (req[b7].told && IS_AWAKE(b7) && !req[b7].kept));
#endif
	check_conservation();
	assert(nr_inside == IS_INSIDE(0) + IS_INSIDE(1) + IS_INSIDE(2));
	assert(nr_out <= MAX);
	/* R5 */
	assert(!owed || holder != NONE || b7 == NONE ||
	       !HAS_SHARE(req[b7].lack));
	/* I4 */
	assert(FIXED || b7 == NONE ||
	       (watch != NONE && req[watch].state == QUEUED &&
		(!req[watch].asleep || req[watch].signalled ||
		 req[watch].armed)));
	/* Nobody sleeps who has something to do. */
#ifndef BUG_LATE_SIGNAL
	assert(SLEEPS_WELL(0) && SLEEPS_WELL(1) && SLEEPS_WELL(2));
#endif
	assert(DUTY_HELD(0) && DUTY_HELD(1) && DUTY_HELD(2));
	assert(bulk_nr <= min_nr);
	/* The pool points at none who has left. */
	assert(holder == NONE || LINKED(holder));
	assert(watch == NONE || LINKED(watch))
}

inline unlock()
{
	core_update_gate();
	check_invariants();
	gift = 0; served = 0;
	past = false
}

/* ---- waiting ----------------------------------------------------------- */

/* What a thread in wait_for() does next. */
#define JOIN		1		/* if it must */
#define PAUSE		2		/* sleep or spin */
#define SLEEP		3
#define SPIN		4
#define STORE		5		/* BUG_STORE */
#define LOCK		6		/* it has left off spinning */
#define LOOK		7		/* it has the lock */
#define TRY		8		/* call alloc_fn */
#define TRIED		9
#define REFUSE		10		/* call free_fn, from retry_run() */
#define REFUSED_ONE	11
#define TRIM		12		/* call free_fn, from core_trim() */
#define TRIMMED		13
#define RETURN		14

inline leave(t)
{
	unlink_request(t, LEFT);
#ifndef BUG_IDLE	/* what it had waited for lies idle */
	waitq_serve()
#endif
}

/* core_trim(), up to the next call of free_fn; false if there is none */
inline core_trim(t)
{
	do
	:: WANTS(NR(reserve)) -> break
	:: else ->
		b7 = FIRST;
		if
		:: b7 != NONE && CAN_SERVE(b7) ->	/* waitq_make_room() */
			req[b7].kept = true;
			waitq_serve()
		:: else -> reserve_take(hand[t]); break
		fi
	od
}

inline end_wait(t)
{
	core_trim(t);
	if
	:: hand[t] -> next = TRIM
	:: else ->
		/* Without a grant the slots hold what they held before. */
		granted = req[t].state == GRANTED;
		assert(NR(slots[t]) == (granted -> count :
						   count - req[t].lack) ||
		       gone);
		assert(req[t].spin != SERVED);
		nr_inside--;
		end_request(t)
	fi
}

/* Its place on the stack is used for something else. */
inline end_request(t)
{
	req[t].state = 0;
	req[t].lack = 0;
	req[t].spin = AWAY;
	req[t].must_retry = false;
	req[t].passed_over = false;
	req[t].told = false;
	req[t].kept = false;
	req[t].passed = false;
	req[t].came_after = 0;
	req[t].alive = false;
	next = RETURN
}

inline wait_until_unlinked(t)
{
	do
#ifdef BUG_TIMEOUT	/* the clock decides, not the state */
	:: late && req[t].state == GRANTED ->
		slots[t] = 0;
		end_wait(t);
		break
#endif
	:: req[t].state != QUEUED ->
		end_wait(t);
		break
	:: req[t].state == QUEUED ->
		if
		:: FIRST == t && CAN_SERVE(t) -> waitq_take(t)
		:: else ->
			if
			:: late -> leave(t)
			:: !late && req[t].must_retry ->
				retry_begin(t);
				next = TRY;
				break
			:: !late && !req[t].must_retry && watch == t && due ->
				retry_due()
			:: else -> next = PAUSE; break
			fi
		fi
	od
}

/* The lock is held since wait_until_unlinked(), so this is in the same atomic;
 * whether to spin, the clock and the number of spinners decide. */
inline pause_until(t)
{
	if
	:: next != PAUSE
	:: next == PAUSE && FIRST_QUEUED == t && HAS(SPINS, t) && !PRIO ->
		next = SPIN
	:: next == PAUSE ->
		if
		:: FIRST_QUEUED == t && req[t].told -> req[t].kept = true
		:: FIRST_QUEUED == t && req[t].told -> req[t].passed = true
		:: FIRST_QUEUED != t || !req[t].told
		fi;
		/* A signal that was sent while it was awake has come by now,
		 * in vain, or is still to come. */
		if
		:: req[t].signalled -> req[t].signalled = false
		:: true
		fi;
		next = SLEEP
	fi;
	d_step {
		if
		:: next == SPIN -> req[t].spin = SPINNING
		:: next == SLEEP -> sleep_until(t)
		:: else
		fi;
		unlock()
	}
}

inline sleep_until(t)
{
#ifndef BUG_TOLD	/* it sleeps again, and is not told again */
	req[t].told = false;
#endif
	req[t].asleep = true;
	req[t].armed = watch == t
}

inline wake(t)
{
	req[t].asleep = false;
	req[t].armed = false;
	req[t].signalled = req[t].signalled && LATE && !HAS(STACK, t);
	next = LOOK;
	if				/* cancelled() */
	:: gone && req[t].state == QUEUED -> leave(t)
#ifdef BUG_CANCEL	/* what it was granted is lost */
	:: gone && req[t].state == GRANTED -> slots[t] = 0
#endif
	:: else
	fi
}

inline wait_for(t)
{
	req[t].alive = true;
	nr_inside++;
	req[t].state = QUEUED;
	req[t].lack = count - NR(slots[t]);
	assert(req[t].lack > 0 && req[t].lack <= CAP);
	link_request(t);
	req[t].kept = PRIO && FIRST == t;
	retry_joined(t);
	kicks[t] = 0;
	next = LOOK
}

/* ---- the world --------------------------------------------------------- */

inline alloc_fn(to)
{
	if
	:: d_step {
			backend ->
			b1 = LOWEST(backend);
			backend = backend & ~b1;
			to = to | b1;
			b1 = 0
		}
	:: FLAKY || !backend
	fi
}

inline free_fn(from, e)
{
	d_step {
		b1 = e;
		backend = backend | b1;
		from = from & ~b1;
		b1 = 0
	}
}

/* bulk.c, take_from_backend(), with alloc_note_backend() */
inline take_from_backend()
{
	do
	:: atomic {
			if
			:: FIXED || NR(slots[me]) == count -> break
			:: else
			fi;
			e = slots[me];
			alloc_fn(slots[me]);
			if
			:: slots[me] == e -> break
			:: else -> e = 0
			fi
		};
		if			/* alloc_note_backend() */
		:: !gate && (nr > 0 || (bulk_nr && !MAX &&
					NR(reserve) >= bulk_nr)) ->
			d_step { retry_kick(); core_open_gate(); unlock() }
		:: else
		fi
	od;
	e = 0
}

/* The reserve wants it, and nobody is to be told. */
#ifdef BUG_QUICK	/* one that has just become the first is not told */
#define IS_TOLD(t)	!req[t].kept
#else
#define IS_TOLD(t)	(req[t].told && !req[t].kept)
#endif
#define ONLY_RESERVE_WANTS \
	(NR(reserve) < min_nr && !MAX && \
	 (nr == 0 || (IS_TOLD(q[0]) && NR(reserve) < req[q[0]].lack)))

/* The element is e; its gate was loaded before. */
inline mempool_free()
{
	if
	:: !seen ->
#ifdef BUG_EARLY	/* it is let go before it has what it gets */
		d_step {
			if
			:: FIRST != NONE && req[FIRST].kept &&
			   req[FIRST].lack == 1 && !MAX &&
			   req[FIRST].spin == SPINNING ->
				b7 = FIRST;
				dismiss(b7)
			:: else
			fi
		};
#endif
		atomic { time_passes(); d_step {
			if
			:: ONLY_RESERVE_WANTS ->
				reserve_put(e);
				gift = TO_RESERVE
			:: else -> take_back(e)
			fi;
			if
			:: gift != REFUSED ->
				slots[me] = slots[me] & ~e;
				e = 0
			:: else -> seen = min_nr == 0 || MAX
			fi;
			unlock()
		} }
	:: else -> seen = false
	fi;
	if
	:: e ->
		free_fn(slots[me], e);
		if
#ifndef BUG_ZERO	/* who falls asleep meanwhile learns nothing */
		:: seen -> d_step { retry_kick(); unlock() }
#endif
		:: else
		fi
	:: else
	fi;
	atomic {
		e = 0;
		seen = false
	}
}

inline mempool_free_bulk()
{
	atomic { time_passes(); d_step {
		do
		:: slots[me] ->
			b7 = FIRST;
			if
			:: WANTS(NR(reserve) + 1) ->
				e = LOWEST(slots[me]);
				take_back(e);
				slots[me] = slots[me] & ~e
			:: !WANTS(NR(reserve) + 1) && b7 != NONE &&
			   CAN_SERVE(b7) ->	/* waitq_make_room() */
				req[b7].kept = true;
				waitq_serve()
			:: else -> break
			fi
		:: else -> break
		od;
		e = 0;
		unlock()
	} }
}

/* cap.c */

/* False: there is no share, or it is kept for others. */
inline claim(n)
{
#ifdef BUG_CLAIM	/* one share will do for a bulk request */
	waitq_may_claim(1);
#else
	waitq_may_claim(n);
#endif
	if
	:: may ->
		check_passing();
		nr_out = nr_out + (n);
		claimed = n
	:: else -> claimed = 0
	fi
}

inline take_if_may(n)
{
	waitq_may_take(n);
	if
	:: may -> take(me, n)
	:: else
	fi
}

/* What try_all() does with the lock. */
inline take_if_all()
{
	if
	:: NR(slots[me]) < count -> take_if_may(count - NR(slots[me]))
	:: else
	fi
}

/* With the share: all or nothing, and for now. */
inline take_all(n)
{
#ifdef BUG_LAST		/* who was let past took the last share */
	if
	:: HAS_SHARE(n) -> take_if_may(n)
	:: else
	fi;
#else
	waitq_may_take(n);
	if
	:: may && HAS_SHARE(n) -> take(me, n)
	:: else
	fi;
#endif
	if
	:: slots[me] ->
		nr_out = (MAX -> nr_out + (n) : 0);
		granted = true;
		next = RETURN
	:: else
	fi
}

/* wait_for_all() */
inline join()
{
#if MAX
	if				/* unclaim() */
	:: claimed ->
#ifndef BUG_HELD	/* what it waits for is held by it */
		nr_out = nr_out - claimed;
#endif
#ifndef BUG_SHARE	/* who lacks but the share does not learn of it */
		waitq_serve()
#endif
	:: else
	fi;
	claimed = 0;
	if
	:: nowait || (count > 1 && count > bulk_nr) -> next = RETURN
	:: else -> take_all(count)
	fi;
#else
	take_if_all();
	granted = NR(slots[me]) == count;
#endif
	if
	:: granted || next == RETURN || shutdown || late ||
	   (count > 1 && count > bulk_nr) -> next = RETURN
	:: else -> wait_for(me)
	fi;
	kicks[me] = 0
}

proctype thread(byte me)
{
#if MAX
	byte claimed;		/* shares beyond those of the slots */
#endif
	byte rounds;
	byte count;		/* of the request */
	byte next;
	byte e;
	bool nowait;
	bool late;		/* its deadline has passed */
	bool granted;
	bool gone;		/* cancelled */
	bool seen;

	do
	:: rounds == ROUNDS || gone -> break
	:: rounds < ROUNDS && !gone ->
		atomic {
			rounds++;
			next = JOIN;
			if
			:: HAS(SINGLE, me) -> count = 1
			:: HAS(BULK, me) -> count = 2
			:: HAS(NOWAIT, me) -> count = 1; nowait = true
			:: HAS(PREALLOC, me) -> goto preallocated
			fi;
			if
			:: count > 1 && count > bulk_nr -> goto failed
			:: else
			fi
		};
#if MAX			/* cap_alloc() */
		atomic { time_passes(); d_step {
			claim(count);
#ifndef BUG_UNTRIED	/* who has no share to try with waits for the timer */
			kicks[me] = (claimed || nowait || FIXED -> 0 : 2);
#endif
			unlock()
		} };
		if
		:: claimed ->
			take_from_backend();
			atomic { time_passes(); d_step {
				take_if_all();
				kicks[me] = !nowait && !FIXED &&
					    NR(slots[me]) < count;
				unlock()
			} };
			if
			:: !nowait && NR(slots[me]) < count ->
				take_from_backend();
				atomic {
					time_passes();
					d_step { take_if_all(); unlock() }
				}
			:: else
			fi;
			if
			:: NR(slots[me]) == count ->
				atomic {
					claimed = 0; kicks[me] = 0;
					goto got
				}
			:: else -> claimed = count - NR(slots[me])
			fi;
#ifndef BUG_KEEPS	/* it waits with what it had from the backend */
			do		/* unclaim() */
			:: atomic { slots[me] -> e = LOWEST(slots[me]) };
				mempool_free()
			:: else -> break
			od
#endif
		:: else
		fi;
#else
		take_from_backend();
		atomic {		/* take_rest(), alloc_slow() */
			if
			:: NR(slots[me]) == count -> goto got
			:: else
			fi;
			time_passes();
			d_step {
#ifdef BUG_BULK		/* it takes what there is of what it lacks */
				if
				:: FIRST == NONE && reserve &&
				   NR(reserve) < count - NR(slots[me]) ->
					reserve_take(slots[me])
				:: else
				fi;
#endif
				take_if_all();
				kicks[me] = !nowait && !FIXED &&
					    NR(slots[me]) < count;
#ifdef BUG_GATE		/* an element leaves through an open gate */
				check_invariants()
#else
				unlock()
#endif
			};
			if
			:: NR(slots[me]) == count -> goto got
			:: NR(slots[me]) < count && nowait -> goto failed
			:: else
			fi
		};
		take_from_backend();
#endif
		/*
		 * Waiting.  A round is what a thread does with the lock, from
		 * when it gets it until it lets it go.
		 */
		do
		:: next == TRY ->
			if
			:: HAS(HANG, me) ->
				resting++;
				resting + ended >= N;
				resting--
			:: true
			fi;
			atomic { alloc_fn(hand[me]); next = TRIED }
		:: next == REFUSE || next == TRIM ->
			atomic {
				free_fn(hand[me], hand[me]);
				next = (next == TRIM -> TRIMMED : REFUSED_ONE)
			}
		:: atomic { next == SPIN && req[me].spin == SPINNING ->
			/* It has seen an element, or time is up. */
#ifdef BUG_STORE	/* it does not notice that it was told meanwhile */
			next = STORE }
		:: atomic { next == STORE ->
#endif
			req[me].spin = AWAY;
			next = LOCK }
		:: atomic { next == SPIN && req[me].spin == SERVED ->
#ifdef BUG_SERVED	/* it ends as the others do */
			next = LOCK }
#else
			d_step {	/* without the lock */
				assert(!LINKED(me));
				granted = req[me].state == GRANTED;
				end_request(me)
			} }
#endif
		:: atomic {
			if
			:: next == JOIN ->
				if
				:: HAS(TMO, me) && !nowait -> late = true
				:: true
				fi;
				time_passes();
				d_step { join() }
			:: next == SLEEP ->
				if
				:: req[me].signalled ->
					req[me].signalled = false
				:: req[me].armed && due
				:: spurious > 0 -> spurious--
				:: HAS(TMO, me) && !late -> late = true
				:: HAS(CANCEL, me) -> gone = true
				fi;
				d_step { wake(me) }
			:: (next == SPIN && req[me].spin == ROUSED) ||
			   next == LOCK ->
				if
				:: HAS(TMO, me) -> late = true
				:: true
				fi;
#ifndef BUG_SERVED
				assert(req[me].spin != SERVED);
				req[me].spin = AWAY;
#endif
				next = LOOK
			:: next == TRIED ->
				if
				:: HAS(TMO, me) -> late = true
				:: true
				fi;
				d_step {
					retry_end(me);
					next = (hand[me] -> REFUSE : LOOK)
				}
			:: next == REFUSED_ONE ->
				d_step {
#ifndef BUG_REFUSED	/* who falls asleep meanwhile learns nothing */
					retry_kick();
					retry_after(me);
#endif
					next = LOOK
				}
			:: next == TRIMMED ->
				d_step { retry_kick(); next = LOOK }
			fi;
			d_step {
				if
				:: next == LOOK -> wait_until_unlinked(me)
				:: else
				fi
#ifdef BUG_LOST		/* the lock is dropped between looking and sleeping */
				; unlock()
			} }; atomic {
#else
			};
#endif
			pause_until(me) }
		:: next == RETURN -> break
		od;
		if
		:: granted && !gone -> goto got
		:: else -> goto failed
		fi;

preallocated:	atomic {
			count = 1;
			time_passes();
			d_step { take_all(1); unlock() };
			if
			:: !granted -> goto failed
			:: else
			fi
		};
got:		atomic {
			assert(NR(slots[me]) == count);
			if
			:: HAS(KEEP, me) -> resting++; resting + ended >= N
			:: else
			fi
		};
		if
		:: count > 1 -> mempool_free_bulk()
		:: true
		fi;
failed:		do
		:: atomic {
				slots[me] ->
				e = LOWEST(slots[me]);
				seen = gate	/* [G1] */
			};
			mempool_free()
		:: else -> break
		od;
		atomic {
			count = 0; next = 0; nowait = false; late = false;
			granted = false
		}
	od;
	ended++
}

/* "due_ns has come" */
proctype clock()
{
end:	do
	:: nr > 0 && !due -> due = true
	od
}

#ifdef BUG_LATE_SIGNAL
#define DELIVER(t)	to_signal[t] -> d_step { \
		assert(req[t].alive); \
		req[t].signalled = req[t].asleep; \
		to_signal[t] = false }
proctype signals()
{
end:	do
	:: DELIVER(0)
	:: DELIVER(1)
	:: DELIVER(2)
	od
}
#endif

#ifdef RESIZE1
/* resize.c; as thread RESIZER it uses only its hand. */
proctype resize()
{
	byte to = RESIZE1;
	bool grows;
	bool filled;

next:	atomic {
		grows = to > min_nr;
		min_nr = to;
		d_step {
			bulk_nr = (min_nr < bulk_nr -> min_nr : bulk_nr);
			core_trim(RESIZER);
			unlock()
		}
	}
	do
	:: hand[RESIZER] ->
		free_fn(hand[RESIZER], hand[RESIZER]);
		d_step {
#ifndef BUG_TRIM	/* who falls asleep meanwhile learns nothing */
			retry_kick();
#endif
			core_trim(RESIZER);
			unlock()
		}
	:: else -> break
	od;
	do				/* fill() */
	:: atomic {
			filled = NR(reserve) >= min_nr;
			if
			:: filled || !grows -> break
			:: else
			fi
		};
		alloc_fn(hand[RESIZER]);
		if
		:: !hand[RESIZER] -> break
		:: else
		fi;
		d_step {
#ifdef BUG_GROW		/* growth forgets those who sleep */
			if
			:: WANTS(NR(reserve) + 1) ->
				reserve_put(hand[RESIZER]);
				gift = TO_RESERVE
			:: else -> gift = REFUSED
			fi;
#else
			waitq_give_first(hand[RESIZER]);
#endif
			hand[RESIZER] = (gift == REFUSED -> hand[RESIZER] : 0);
			unlock()
		};
		if
		:: hand[RESIZER] ->
			free_fn(hand[RESIZER], hand[RESIZER]);
			d_step { retry_kick(); unlock() }
		:: else
		fi
	od;
	filled = false;
#ifdef RESIZE2
	if
	:: to == RESIZE1 -> to = RESIZE2; goto next
	:: else
	fi;
#endif
	running--
}
#endif

/* The backend has memory again, bit by bit; with KICK it says so. */
proctype recovery()
{
	do
	:: hand[RECOVERY] ->
		free_fn(hand[RECOVERY], LOWEST(hand[RECOVERY]));
		if
		:: KICK -> d_step { retry_kick(); unlock() }
		:: else
		fi
	:: else -> break
	od;
	running--
}

/* Who was not served has something to do still, core_trim(). */
#ifdef BUG_UNTRIMMED	/* a spinner goes without */
#define end_waiting(t)	dismiss(t)
#else
#define end_waiting(t)	waitq_rouse(t)
#endif

proctype shut()
{
	d_step {
		shutdown = true;
#ifdef BUG_SHUTDOWN	/* it ends the first one's waiting only */
		if
		:: nr > 0 ->
			b6 = q[0];
			unlink_request(b6, CANCELLED);
			end_waiting(b6)
		:: else
		fi;
#else
		do
		:: nr > 0 ->
			b6 = q[0];
			unlink_request(b6, CANCELLED);
			end_waiting(b6)
		:: else -> break
		od;
#endif
		unlock()
	}
	running--
}

init
{
	atomic {
		reserve = (1 << MIN) - 1;
		backend = ((1 << BACKEND) - 1) << MIN;
		hand[RECOVERY] = ((1 << OUTSIDE) - 1) << (MIN + BACKEND);
		d_step { core_open_gate(); unlock() };
		run thread(0);
		run thread(1);
		run thread(2);
#ifdef BUG_LATE_SIGNAL
		run signals();
#endif
		if
		:: TIMER -> run clock()
		:: else
		fi;
		if
		:: SHUTDOWN -> run shut(); running++
		:: else
		fi;
		if
		:: OUTSIDE -> run recovery(); running++
		:: else
		fi;
#ifdef RESIZE1
		run resize();
		running++
#endif
	}
	ended == N && running == 0;
	check_invariants();
	assert(nr == 0 && nr_inside == 0);
	assert(holder == NONE && watch == NONE);
	assert(NR(reserve) <= min_nr);
	assert(nr_out == 0);
	/* The reserve is whole, unless a growth could not be filled. */
#ifndef RESIZE1
	assert(NR(reserve) == min_nr)
#endif
}

#ifdef LIVE
ltl served { <> (ended == N) }
#endif
