#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Deadlines, wherever the clock stands: the tests of time run in time
# namespaces where CLOCK_MONOTONIC has just begun, and where it passes the last
# moment that the kernel lets it be set to, decades ahead of CLOCK_REALTIME.
# Whatever reads the wrong clock finds a deadline long past in the one and
# decades away in the other, so steps of CLOCK_REALTIME do not matter either.
#
# Needs the right to make a time namespace.

LC_ALL=C
export LC_ALL
dir=${top_builddir:-.}/tests
rc=0

# in_namespace SECONDS COMMAND...: added to CLOCK_MONOTONIC
in_namespace()
{
	offset=$1
	shift
	unshare -T --monotonic="$offset" -- "$@"
}

test -x "$dir/check_wait" || {
	echo "skip: the unit tests were not built"
	exit 77
}
why=$(in_namespace 1 true 2>&1) || {
	echo "skip: no time namespace is to be had ($why)"
	exit 77
}
# The control: a namespace in name only would test nothing.
outside=$(readlink /proc/self/ns/time)
test "$(in_namespace 1 readlink /proc/self/ns/time)" != "$outside" || {
	echo "FAIL: unshare left the time namespace as it was"
	exit 1
}

# run first|last CASE PROGRAM: with the clock at its first moment, or just
# before the last that it may be set to
run()
{
	# CLOCK_MONOTONIC is this, or less if the machine has slept.
	up=$(cut -d. -f1 /proc/uptime)
	case $1 in
	first)	offset=-$up ;;
	last)	offset=$((9223372036 / 2 - up - 1)) ;;
	esac
	echo "$3, $2, with the clock moved by $offset s"
	CK_RUN_CASE="$2" in_namespace "$offset" "$dir/$3" || {
		echo "FAIL: $3, $2, at the $1 moment"
		rc=1
	}
}

for moment in first last; do
	run $moment deadline check_wait
	run $moment drain check_wait
	run $moment "giving up" check_bulk
done
exit $rc
