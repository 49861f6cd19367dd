#!/bin/sh
# SPDX-License-Identifier: MIT
#
# blockcopy.sh - the block copier copies, also without memory; fails cleanly
#
# Every case is one line "ok" or "FAIL".  What cannot run here is skipped in
# words.  BLOCKCOPY names the program.

set -u
LC_ALL=C
export LC_ALL

blockcopy=${BLOCKCOPY-./examples/blockcopy}
case $blockcopy in
/*) ;;
*) blockcopy=$PWD/$blockcopy ;;
esac
test -x "$blockcopy" || { echo "no program $blockcopy"; exit 1; }

dir=$(mktemp -d "${TMPDIR:-/tmp}/blockcopy.XXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM
chmod 755 "$dir"
cd "$dir" || exit 1
mkdir d

failures=0
ok() { echo "ok    $*"; }
bad()
{
	echo "FAIL  $*"
	sed 's/^/      | /' out err
	failures=$((failures + 1))
}
skip() { echo "skip  $*"; }

# claim TEXT COMMAND...
claim()
{
	text=$1
	shift
	if "$@"; then ok "$text"; else bad "$text"; fi
}

# copy ARGUMENT...: status in $status, output in out and err.  The program is
# executed once before anything is limited: libtool may have to link it first.
copy()
{
	timeout 120 "$blockcopy" "$@" >out 2>err
	status=$?
}

# row LABEL COLUMN: a number of the table
row()
{
	awk -v label="$1" -v column="$2" '
	index($0, "  " label " ") == 1 {
		$0 = substr($0, length(label) + 4)
		print $column
	}' out
}

copied()
{
	test "$status" -eq 0 && test ! -s err && cmp "$1" "$2" &&
		test "$(row 'bytes' 1)" = "$(wc -c <"$1" | tr -d ' ')" &&
		test "$(row 'checksum of the source' 1)" = \
			"$(cksum <"$1" | cut -d' ' -f1)" &&
		test "$(row 'checksum of the copy' 1)" = \
			"$(cksum <"$2" | cut -d' ' -f1)"
}

# nothing_in DIRECTORY: hidden files included
nothing_in() { test -z "$(ls -A "$1")"; }

# refused STATUS PATTERN: one line, and that one
refused()
{
	test "$status" -eq "$1" && test "$(wc -l <err)" -eq 1 &&
		grep -q "^blockcopy: .*$2" err
}

refused_cleanly() { refused 1 "$1" && nothing_in d; }

# wait_for_temporary: until the copy in the background has begun
wait_for_temporary()
{
	n=0
	while test -z "$(ls -A d)" && test $n -lt 500; do
		n=$((n + 1))
		sleep 0.02
	done
}

# Numbers, so that no two blocks are alike.
seq 1 1400000 >big
head -c 8388608 big >8M

# ---- copies -----------------------------------------------------------------

for mode in '' --malloc '--workers 1 --reserve 1' '--workers 8'; do
	for size in 1 4095 4096 4097 65535 65536 65537 196608; do
		head -c $size big >source
		copy $mode source d/copy
		claim "copies $size bytes ${mode:-from pools}" \
			copied source d/copy
		rm -f d/copy
	done
	copy $mode big d/copy
	claim "copies several MiB ${mode:-from pools}" copied big d/copy
	claim "leaves nothing else" test "$(ls -A d)" = copy
	rm -f d/copy
done

echo old >d/copy
copy big d/copy
claim "replaces an existing file" copied big d/copy
ln -s copy d/link
echo old >d/copy
copy big d/link
claim "replaces what a symbolic link names" copied big d/copy
claim "keeps the link" test -L d/link
rm -f d/copy d/link

cp 8M source
chmod 640 source
copy source d/copy
claim "gives the copy the source's permissions" \
	test "$(stat -c %a d/copy)" = 640
rm -f d/copy

copy big copy_here
claim "copies into the current directory" copied big copy_here
copy big "$dir/d/with space"
claim "copies to an absolute name with a space" copied big "d/with space"
rm -f "d/with space"

timeout 120 "$blockcopy" 8M d/copy 0<&- >&- 2>&-
claim "is not confused by closed descriptors" cmp 8M d/copy
rm -f d/copy

if script -qec true /dev/null >/dev/null 2>&1; then
	timeout 120 script -qec "$blockcopy big d/copy" /dev/null >out 2>err
	claim "shows the reserve on a terminal" grep -q 'reserve: requests' out
	rm -f d/copy
else
	skip "shows the reserve on a terminal: script(1) does not work here"
fi

# ---- without memory ---------------------------------------------------------

all_from_reserve()
{
	test "$(row 'allocations that failed' 1)" -gt 0 &&
		test "$(row 'allocations that failed' 2)" -gt 0 &&
		test "$(row 'elements from the reserve' 1)" -gt 0 &&
		test "$(row 'elements from the reserve' 2)" -gt 0
}

waited()
{
	test "$(($(row waits 1) + $(row waits 2)))" -gt 0
}

copy --squeeze 8M d/copy
rm -f d/copy
if test $status -eq 77; then
	skip "copies without memory: $(cat err)"
else
	for i in 1 2 3 4 5; do
		copy --squeeze --malloc big d/copy
		claim "plain malloc fails without memory, run $i" \
			refused_cleanly 'out of memory.*copy abandoned'
		claim "it counts the failure" test \
			"$(($(row 'allocations that failed' 1) + \
			    $(row 'allocations that failed' 2)))" -gt 0
		copy --squeeze big d/copy
		claim "pools copy without memory, run $i" copied big d/copy
		claim "from the reserve" all_from_reserve
		claim "and after waiting" waited
		rm -f d/copy
	done
	for size in 1 65536 131073 8388608; do
		head -c $size big >source
		copy --squeeze --reserve 1 --workers 1 source d/copy
		claim "copies $size bytes with one block in reserve" \
			copied source d/copy
		claim "from the reserve" all_from_reserve
		rm -f d/copy
		copy --squeeze --malloc source d/copy
		claim "plain malloc fails with $size bytes" \
			refused_cleanly 'out of memory.*copy abandoned'
	done
	echo old >d/copy
	copy --squeeze --malloc big d/copy
	claim "a failed copy keeps the old file" test "$(cat d/copy)" = old
	claim "and leaves nothing else" test "$(ls -A d)" = copy
	rm -f d/copy
fi

# ---- bad input --------------------------------------------------------------

copy nothing d/copy
claim "missing source" refused_cleanly 'cannot open nothing: No such file'
mkdir directory
copy directory d/copy
claim "source is a directory" refused_cleanly 'directory is a directory'
: >empty
copy empty d/copy
claim "zero bytes" refused_cleanly 'empty is empty'
mkfifo pipe
copy pipe d/copy
claim "source is a pipe that nobody writes" \
	refused_cleanly 'pipe is not a regular file'
cat 8M 2>/dev/null | timeout 120 "$blockcopy" /dev/stdin d/copy >out 2>err
status=$?
claim "source is a pipe that somebody writes" \
	refused_cleanly '/dev/stdin is not a regular file'
copy /dev/zero d/copy
claim "source is a device" refused_cleanly 'not a regular file'

cp 8M secret
chmod 0 secret
chmod 777 d
if test "$(id -u)" -ne 0; then
	copy secret d/copy
	claim "unreadable source" refused_cleanly 'secret: Permission denied'
elif setpriv --reuid=65534 --regid=65534 --clear-groups \
	test -x "$blockcopy" 2>/dev/null; then
	timeout 120 setpriv --reuid=65534 --regid=65534 --clear-groups \
		"$blockcopy" secret d/copy >out 2>err
	status=$?
	claim "unreadable source" refused_cleanly 'secret: Permission denied'
else
	skip "unreadable source: root reads everything, and setpriv cannot" \
		"run the program as another user"
fi

copy 8M 8M
claim "source is the destination" refused 1 'same file'
ln 8M d/hard
copy 8M d/hard
claim "a hard link to the source" refused 1 'same file'
ln -s ../8M d/soft
copy 8M d/soft
claim "a symbolic link to the source" refused 1 'same file'
rm -f d/hard d/soft
claim "the source survives" test "$(wc -c <8M)" -eq 8388608

ln -s ../nowhere d/dangling
copy 8M d/dangling
claim "a symbolic link to nothing" refused 1 'symbolic link to nothing'
rm -f d/dangling
copy 8M d
claim "destination is a directory" refused_cleanly 'd is a directory'
copy 8M missing/copy
claim "destination's directory is missing" \
	refused_cleanly 'missing/copy: No such file or directory'
copy 8M 8M/copy
claim "destination's directory is a file" refused_cleanly 'Not a directory'
copy 8M /dev/full
claim "destination is a device" refused_cleanly '/dev/full is not a regular'
claim "the device survives" test -c /dev/full
long=$(head -c 300 /dev/zero | tr '\0' x)
copy 8M "d/$long"
claim "destination's name is too long" refused_cleanly 'too long'
copy nothing "d/two
lines"
claim "one line even for odd names" refused_cleanly 'No such file'
copy 'no
thing' d/copy
claim "one line even for odd sources" refused_cleanly 'no?thing'

# The limit counts for out and err as well, which stay far below it.
(ulimit -f 2048 && timeout 120 "$blockcopy" 8M d/copy >out 2>err)
status=$?
claim "destination may not grow" \
	refused_cleanly 'cannot write d/copy: File too large'

if unshare -m mount -t tmpfs none d 2>/dev/null; then
	unshare -m sh -c 'mount -t tmpfs -o size=1m none d || exit 99
		timeout 120 "$0" 8M d/copy; s=$?
		ls -A d; exit $s' "$blockcopy" >out 2>err
	status=$?
	claim "destination is full" \
		refused_cleanly 'cannot write d/copy: No space left'
	claim "nothing is left on it" \
		test "$(tail -n 1 out | grep -c checksum)" -eq 1
else
	skip "destination is full: cannot mount a small tmpfs here"
fi

# ---- in the middle ----------------------------------------------------------

# Sparse: long enough to be interrupted, and nobody copies all of it.
truncate -s 2G sparse

"$blockcopy" sparse d/copy >out 2>err &
pid=$!
wait_for_temporary
kill -TERM $pid
wait $pid 2>/dev/null
status=$?
claim "SIGTERM leaves no file" refused 143 'interrupted, copy abandoned'
claim "not even a temporary one" nothing_in d

timeout 120 "$blockcopy" sparse d/copy >out 2>err &
pid=$!
wait_for_temporary
truncate -s 100000 sparse
wait $pid
status=$?
claim "a source that shrinks" refused_cleanly 'while it was copied'

# ---- usage ------------------------------------------------------------------

copy
claim "no arguments" refused 2 'see --help'
copy 8M
claim "one argument" refused 2 'see --help'
copy 8M d/a d/b
claim "three arguments" refused 2 'see --help'
copy --frob 8M d/copy
claim "unknown option" refused 2 'unknown option --frob'
for n in 0 -1 65 x '' 99999999999999999999; do
	copy --workers "$n" 8M d/copy
	claim "--workers '$n'" refused 2 'from 1 to 64'
done
copy --reserve 1025 8M d/copy
claim "--reserve 1025" refused 2 'from 1 to 1024'
copy 8M d/copy --reserve
claim "--reserve without a number" refused 2 '--reserve needs a number'
copy --help
claim "--help" grep -q '^usage: blockcopy' out
claim "usage errors leave nothing" nothing_in d

test $failures -eq 0 || { echo "$failures failed"; exit 1; }
