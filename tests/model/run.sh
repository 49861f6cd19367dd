#!/bin/sh
# SPDX-License-Identifier: MIT
#
#   run.sh [short|full]
#
# Has spin visit every state of wait.pml, layer.pml and cached.pml, in several
# configurations, and then look for each of the seeded bugs, which must be
# found.  The short form takes half a minute, the full one five minutes on two
# cores.  In "make check" the default is the short form, unless
# KMEMPOOL_TEST_LONG is set; else it is the full one.

LC_ALL=C
export LC_ALL
here=$(cd "$(dirname "$0")" && pwd)
: "${CC:=cc}"
export CC

# ---- one configuration, in a directory of its own -------------------------

# once DIRECTORY MODEL LABEL EXPECTED OPTION...: what is EXPECTED is "holds" or
# what pan is to find, with _ for each space.  Leaves the line for the table in
# DIRECTORY/line.
once()
{
	dir=$1 model=$here/$2.pml label=$3 expected=$(echo "$4" | tr _ ' ')
	shift 4
	cd "$dir" || return
	states=0 seconds=0 verdict="does not build"
	safety=-DSAFETY search=
	case " $* " in
	*" -DLIVE "*) safety=-DNFAIR=3 search="-a -f" ;;
	esac
	# The code is large and runs for a moment: no -O.
	if spin "$@" -a "$model" >spin.log 2>&1 &&
	   $CC $safety -w -o pan pan.c >cc.log 2>&1; then
		./pan $search -m20000 -w21 >pan.log 2>&1
		states=$(sed -n 's/^ *\([0-9]*\) states, stored.*/\1/p' pan.log)
		seconds=$(sed -n 's/^pan: elapsed time \(.*\) seconds/\1/p' \
			pan.log)
		verdict=$(sed -n -e '/^pan:[0-9]*: /!d' \
			-e 's/^pan:[0-9]*: //' -e 's/ (.*//' \
			-e 's/^assertion violated .*/assertion violated/' \
			-e p -e q pan.log)
		test -n "$verdict" ||
			if grep -q 'errors: 0$' pan.log &&
			   ! grep -q 'Search not completed\|max search depth' \
				pan.log; then
				verdict=holds
			else
				verdict="did not end"
			fi
	fi
	result=ok
	test "$verdict" = "$expected" || result=FAIL
	printf '%-15s %9s states %6s s  %-4s %s\n' "$label" \
		"${states:-?}" "${seconds:-?}" "$result" "$verdict" >line
	test $result = ok || {
		echo "expected: $expected; options: $*"
		cat spin.log
		tail -n 20 cc.log pan.log 2>/dev/null
	} >trouble
}

if test "$1" = once; then
	shift
	once "$@"
	exit
fi

# ---- all of them -----------------------------------------------------------

form=$1
if test -z "$form"; then
	form=full
	test -z "$top_builddir" || test -n "$KMEMPOOL_TEST_LONG" || form=short
fi
case $form in
short | full) ;;
*)
	sed -n '3,11s/^# \{0,1\}//p' "$0" >&2
	exit 2
	;;
esac
for tool in spin "${CC%% *}"; do
	command -v "$tool" >/dev/null || {
		echo "skip: $tool is not installed"
		exit 77
	}
done
tmp=$(mktemp -d "${TMPDIR:-/tmp}/kmempool-model.XXXXXX") || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM

# Form, name, what is expected, options.  The numbers are sets of threads:
# bit 0 is the first.  No two have the same name, in whichever model.
#
# Without TIMER nobody is woken but by a signal, so one that is lost leaves
# somebody asleep for ever.
cat >"$tmp/wait.configurations" <<'END'
# No backend: all that can happen to requests of both kinds.
full fixed FIXED=1 BULK=7 NOWAIT=7 TMO=1 CANCEL=2 SPINS=1 LATE=1
short fixed-wait FIXED=1 BULK=6 SPINS=1 LATE=1
full fixed-spin FIXED=1 BULK=6 SPINS=7
full fixed-prio FIXED=1 BULK=7 NOWAIT=7 TMO=1 CANCEL=2 PRIO=1
full fixed-stack FIXED=1 BULK=7 TMO=1 CANCEL=2 STACK=3 SPINS=2
full fixed-pressed FIXED=1 BULK=7 NOWAIT=7 PRESSED=2 SPINS=4
full fixed-twice FIXED=1 SINGLE=3 BULK=4 ROUNDS=2 PRESSED=2
full fixed-resize FIXED=1 BULK=3 SINGLE=4 RESIZE1=1 RESIZE2=2
full fixed-grow FIXED=1 MIN=1 BACKEND=1 BULK=1 SINGLE=6 CANCEL=2 RESIZE1=2
# No reserve, and a timer that never comes: whatever goes to the backend is
# noticed, also while one request keeps what it has.
short zero MIN=0 BACKEND=1 TMO=1 CANCEL=2
full zero-twice MIN=0 BACKEND=2 KEEP=1 ROUNDS=2
full zero-resize MIN=1 RESIZE1=0 SPURIOUS=0
# What is in use does not come back, and the backend recovers, with one kick
# or without a word; all are served by what the first finds.
short kick MIN=1 OUTSIDE=2 KEEP=7 KICK=1 CANCEL=1
full timer MIN=1 OUTSIDE=2 KEEP=7 TIMER=1 TMO=2 HANG=1 SPURIOUS=0
# A backend that fails as it likes, and a thread that hangs in it.
full retry MIN=1 BACKEND=1 FLAKY=1 TIMER=1 TMO=1 CANCEL=2 HANG=1
full retry-spin MIN=1 BACKEND=1 FLAKY=1 TIMER=1 SPINS=2
full retry-twice MIN=1 BACKEND=1 TIMER=1 SINGLE=1 NOWAIT=6 ROUNDS=2
full retry-bulk BACKEND=1 FLAKY=1 TIMER=1 SINGLE=5 BULK=2 HANG=2
full resize-bulk SINGLE=4 BULK=3 RESIZE1=1 SPURIOUS=0
full shutdown FIXED=1 BULK=7 KEEP=1 TMO=2 CANCEL=4 SHUTDOWN=1 SPINS=1
full shutdown-try MIN=1 BACKEND=1 TIMER=1 SHUTDOWN=1
full shutdown-trim FIXED=1 SINGLE=2 BULK=1 NOWAIT=4 SHUTDOWN=1 SPINS=1 RESIZE1=1
# Everybody is served at last, if every thread that can go on does.
full live MIN=1 BACKEND=1 TIMER=1 SPURIOUS=0 LIVE
short live-bulk FLAKY=1 TIMER=1 SINGLE=4 BULK=1 NOWAIT=2 SPURIOUS=0 LIVE
full live-spin FIXED=1 SINGLE=4 BULK=3 SPURIOUS=0 SPINS=3 LIVE
full live-recover MIN=1 OUTSIDE=2 KEEP=7 HANG=1 TIMER=1 SPURIOUS=0 LIVE
# At most MAX elements outside.  Without a timer neither a share nor an element
# may lie idle while somebody waits for both, in whatever order they came.
short cap MAX=1 MIN=1 BACKEND=1 NOWAIT=4 CANCEL=2
full cap-twice MAX=1 MIN=1 BACKEND=1 SINGLE=1 NOWAIT=6 ROUNDS=2
short cap-zero MAX=1 MIN=0 BACKEND=2 SINGLE=5 NOWAIT=2 TMO=1
full cap-bulk MAX=2 BACKEND=1 SINGLE=4 BULK=3 SPINS=1
full cap-three MAX=3 BACKEND=1 SINGLE=4 BULK=3 CANCEL=2
short cap-prealloc MAX=2 BACKEND=1 SINGLE=2 BULK=1 PREALLOC=4 CANCEL=2
full cap-shutdown MAX=2 FIXED=1 SINGLE=4 BULK=3 SHUTDOWN=1 SPINS=1
full cap-kick MAX=3 OUTSIDE=1 SINGLE=5 BULK=2 KEEP=1 KICK=1 SPURIOUS=0
full cap-retry MAX=2 MIN=1 BACKEND=1 FLAKY=1 TIMER=1 HANG=1 SPURIOUS=0
full cap-try MAX=1 MIN=1 BACKEND=1 FLAKY=1 TIMER=1 NOWAIT=1
full cap-live MAX=2 FLAKY=1 TIMER=1 SINGLE=4 BULK=3 SPURIOUS=0 LIVE
END

cat >"$tmp/layer.configurations" <<'END'
# What is in any lane is found, whoever is in flight there, or never lands.
short recall LANE0=2 HAND=1 ALLOC=7 FREE=1
full recall-moved LANE0=2 HAND=1 ALLOC=6 FREE=1 MOVES=1 STOPS=1
full recall-lanes LANE0=2 LANE1=1 HAND=1 ALLOC=7 FREE=1 MOVES=1
full recall-slabs SLABS=3 HAND=1 ALLOC=6 FREE=1 TWICE=2 MOVES=1
# A lane is loaded again between two recalls that overlap.
full recall-twice LANE0=1 HAND=1 ALLOC=7 FREE=1 TWICE=1
# A magazine is split; others are on the same CPU.
full split LANE0=2 HAND=3 ALLOC=5 FREE=3 SAME=3 MOVES=1
full split-stopped LANE0=2 HAND=3 ALLOC=4 FREE=3 SAME=3 MOVES=2 STOPS=1
full split-lanes LANE0=2 LANE1=1 HAND=4 ALLOC=3 FREE=4 TWICE=1 MOVES=1
full split-none MAGS=2 LANE0=2 HAND=3 ALLOC=4 FREE=3 SAME=3 MOVES=1
# The child finds what it has, though others were in flight, or recalling.
full fork LANE0=1 HAND=1 ALLOC=6 FREE=1 FORK=2 TWICE=2
full fork-moved LANE0=2 HAND=1 ALLOC=2 FREE=1 FORK=4 TWICE=3 MOVES=1
# The same without restartable sequences.
short claimed FALLBACK=1 LANE0=1 HAND=1 ALLOC=7 FREE=1
full claimed-stopped FALLBACK=1 LANE0=1 HAND=1 ALLOC=6 FREE=1 MOVES=1 STOPS=1
full claimed-twice FALLBACK=1 LANE0=1 HAND=1 ALLOC=7 FREE=1 TWICE=1 MOVES=1
full claimed-split FALLBACK=1 LANE0=2 HAND=3 ALLOC=7 FREE=3 SAME=3 STOPS=1
full claimed-none FALLBACK=1 MAGS=2 LANE0=2 HAND=3 ALLOC=4 FREE=3 SAME=3 MOVES=1
full claimed-fork FALLBACK=1 LANE0=1 HAND=1 ALLOC=6 FREE=1 FORK=2 TWICE=5
END

cat >"$tmp/cached.configurations" <<'END'
# The last element, on the other CPU.
short near LANE0=1 WAITS=3 TWICE=3
full near-three LANE0=1 WAITS=7
full near-moved LANE0=1 WAITS=7 MOVES=1
full near-nowait LANE0=1 LANE1=1 WAITS=3 NOWAIT=4
# One is given back while others come to wait for it.
full near-given LANE0=2 HAND=1 WAITS=7 SAME=3
# A lane is loaded while its thread is moved.
full near-loaded RESERVE=1 LANE0=2 HAND=2 WAITS=1 SAME=3 MOVES=1
# All are there; a lane elsewhere has the room that is left.
short near-full RESERVE=2 WAITS=3 TWICE=3
full near-elsewhere LANE0=2 LANE1=1 HAND=1 WAITS=6
# The child finds what it has, though others were in flight, or recalling.
full near-fork LANE0=1 NOWAIT=7 FORK=4 TWICE=1 MOVES=1
END

# The property that each breaks, the configuration, what pan is to say.
# Form, name of the seeded bug, configuration, what pan is to say.
cat >"$tmp/wait.bugs" <<'END'
# An element in two hands, or in none.
full TIMEOUT fixed assertion violated
full CANCEL fixed assertion violated
# A wake-up is lost.
full LOST fixed-wait assertion violated
short TELL fixed-wait assertion violated
full TOLD fixed assertion violated
full QUICK fixed assertion violated
full SHUTDOWN shutdown assertion violated
full WATCH timer assertion violated
full DUTY kick invalid end state
full JOIN kick invalid end state
full KICK kick invalid end state
full BULK fixed-wait invalid end state
full SHRINK fixed-resize invalid end state
# Something lies idle, or is taken out of turn.
full IDLE fixed assertion violated
full PASS retry assertion violated
full GROW fixed-grow assertion violated
short OVERTAKE fixed-wait assertion violated
full KEPT fixed-twice assertion violated
full ROOM retry assertion violated
full UNTRIMMED shutdown-trim assertion violated
# A request is never served.
full DUE live-recover acceptance cycle
full HANG live-recover acceptance cycle
# One that has left is touched, or one touches the pool that is to have left.
full LATE_SIGNAL fixed-stack assertion violated
short STORE fixed-wait assertion violated
full SERVED fixed-wait assertion violated
full EARLY fixed-spin assertion violated
# The free that does not take the lock.
short GATE fixed-wait invalid end state
full ZERO zero invalid end state
full REFUSED zero-twice invalid end state
full TRIM zero-resize invalid end state
# Shares of max_nr: taken out of turn, too many of them, kept while waiting,
# not passed on.
full NEWCOMER cap-bulk assertion violated
full CLAIM cap-three assertion violated
short LAST cap-prealloc assertion violated
full HELD cap-zero assertion violated
full KEEPS cap-three assertion violated
full SHARE cap-try assertion violated
# Who waits for a share does not try for the element when it has one.
full OWED cap-kick invalid end state
full UNTRIED cap-zero invalid end state
END

cat >"$tmp/layer.bugs" <<'END'
# Who is in flight writes to a magazine that others have.
short UNFENCED recall assertion violated
full FENCED_FIRST recall assertion violated
full OTHERS recall assertion violated
full STAMP recall-twice assertion violated
full UNLOCKED split assertion violated
full MOVED split assertion violated
full ATTACHED split assertion violated
full BUSY claimed assertion violated
# The fence does half of its work: it restarts, and makes stores arrive.
short RESTART recall assertion violated
full BARRIER recall assertion violated
# The commit, or the release, may be seen without what came before.
full COMMIT recall-twice assertion violated
short RELEASE claimed assertion violated
# An allocation fails though objects are free.
full MISSED recall assertion violated
full ONCE recall assertion violated
# Nobody ends in the child what others have begun.
full LIMBO fork assertion violated
full CLAIMED claimed-fork assertion violated
# Somebody waits for a thread that never runs again.
full WAITS recall-moved invalid end state
END

cat >"$tmp/cached.bugs" <<'END'
# Who is in flight takes or gives where nobody looks any more.
short NEAR_UNFENCED near assertion violated
full NEAR_FENCED_FIRST near assertion violated
full NEAR_OTHERS near-three assertion violated
full NEAR_RESTART near-three assertion violated
full NEAR_BARRIER near assertion violated
full NEAR_MOVED near-loaded assertion violated
full NEAR_COMMIT near-given assertion violated
# A request is queued though an element is free.
short NEAR_MISSED near assertion violated
full NEAR_OWN near-three assertion violated
full NEAR_RECALLING near-three assertion violated
# An element finds no place, or too many do.
full NEAR_REFUSED near-elsewhere assertion violated
full NEAR_SURPLUS near-full assertion violated
END

# The lists of a model as one: model, label, what is expected, options.
jobs()
{
	list=$tmp/$1.configurations
	grep -v '^#' "$list" | while read -r when name options; do
		test "$when" = short || test "$form" = full || continue
		echo "$1 $name holds $options"
	done
	grep -v '^#' "$tmp/$1.bugs" | while read -r when bug name expected; do
		test "$when" = short || test "$form" = full || continue
		options=$(sed -n "s/^[a-z]* $name //p" "$list")
		expected=$(echo "$expected" | tr ' ' _)
		echo "$1 $bug $expected BUG_$bug=1 $options"
	done
}

for model in wait layer cached; do
	# Every bug of the model is in the list, and the other way round.
	sed -n 's/^[a-z]* \([A-Z_]*\) .*/\1/p' "$tmp/$model.bugs" |
		sort >"$tmp/listed"
	sed -n 's/^#if.*BUG_\([A-Z_]*\).*/\1/p' "$here/$model.pml" |
		sort -u >"$tmp/seeded"
	diff "$tmp/listed" "$tmp/seeded" || exit 1
	jobs $model
done >"$tmp/jobs"
nr=0
while read -r model label expected options; do
	nr=$((nr + 1))
	dir=$tmp/$(printf %02d $nr)
	mkdir "$dir"
	options=$(echo " $options" | sed 's/ / -D/g')
	echo "$dir $model $label $expected $options"
done <"$tmp/jobs" |
	xargs -P "$(getconf _NPROCESSORS_ONLN)" -L 1 sh "$0" once
cat "$tmp"/*/line
cat "$tmp"/*/trouble 2>/dev/null
wanted=$(wc -l <"$tmp/jobs")
good=$(cat "$tmp"/*/line | grep -c ' ok ')
echo "$good of $wanted as expected ($form form)"
test "$good" -eq "$wanted"
