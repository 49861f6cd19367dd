#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Whether all that a run of "make check" skipped cannot run here: whole tests,
# and single cases, for which a test's log has a line that begins with "skip".
#
#   tools/skipped.sh BUILD OUTPUT    the build directory, and what make printed
#
# Prints all that was skipped, and fails if any of it could run.  This is the
# one place that knows what a machine, or a container on it, may lack.

LC_ALL=C
export LC_ALL
build=$1
output=$2
test $# -eq 2 && test -r "$output" && test -d "$build" || {
	echo "usage: tools/skipped.sh BUILD OUTPUT" >&2
	exit 2
}
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT

# excused REASON: whether it is so
excused()
{
	case $1 in
	*"no time namespace"*)
		! unshare -T true 2>/dev/null
		;;
	*"SCHED_FIFO is not to be had"*)
		! chrt --fifo 1 true 2>/dev/null
		;;
	*"cannot mount"*)
		! unshare -m mount -t tmpfs none "$tmp" 2>/dev/null
		;;
	*"script(1) does not work"*)
		! script -qec true /dev/null >/dev/null 2>&1
		;;
	*"setpriv cannot"*)	# nor look into the directory, if it is private
		! setpriv --reuid=65534 --regid=65534 --clear-groups \
			test -x "$build" 2>/dev/null
		;;
	*"what is known is of x86-64"*)
		test "$(uname -m)" != x86_64
		;;
	*"no set-user-ID program can be made"*)
		test "$(id -u)" -ne 0
		;;
	*"one CPU, and so no other lane"*)
		test "$(nproc)" -eq 1
		;;
	*"no restartable sequences here"*)
		test "$("$build/tests/check_layer" which)" = claims
		;;
	*"no thread can be traced"*)
		grep -q '^Seccomp:.*[12]' /proc/self/status ||
			grep -q 3 /proc/sys/kernel/yama/ptrace_scope
		;;
	*"no userfaultfd is to be had"*)
		! test -e /proc/sys/vm/unprivileged_userfaultfd ||
			grep -q '^Seccomp:.*[12]' /proc/self/status
		;;
	*"no filter of system calls can be set"*)
		! grep -q '^Seccomp:' /proc/self/status
		;;
	*"a build with sanitizers"*)
		grep -q '^SAN_FLAGS = .' "$build/Makefile"
		;;
	*)
		false
		;;
	esac
}

# Each test that this run ended, and the reasons that it gave.
sed -n 's/^\([A-Z]*\): \([A-Za-z0-9_./-]*\)$/\1 \2/p' "$output" |
while read -r result name; do
	log=$build/${name%.sh}.log
	test -r "$log" || continue
	grep '^skip' "$log" >"$tmp/reasons"
	test "$result" != SKIP || test -s "$tmp/reasons" ||
		echo "skipped for a reason of its own, see $log" \
			>"$tmp/reasons"
	sed "s,^,$name: ," "$tmp/reasons"
done | sort -u >"$tmp/skipped"

rc=0
while read -r line; do
	if excused "$line"; then
		echo "cannot run here: $line"
	else
		echo "could run here: $line"
		rc=1
	fi
done <"$tmp/skipped"
exit $rc
