#!/bin/sh
# SPDX-License-Identifier: MIT
# Instructions that a pool adds to a pair of one allocation and one free.
#
# usage: bench/layer.sh [PROGRAM]
#
# Each way runs twice under callgrind, with N and 2N pairs; the difference over
# N is what one pair costs, start-up and shut-down excluded.  The counts are
# exact: the same in every run.
set -eu

layer=${1:-bench/layer}
pairs=10000

command -v valgrind >/dev/null || {
	echo "layer.sh: skipped, valgrind is not installed"
	exit 77
}

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# libtool's wrapper script must not be counted: run what it would run.
count() {
	${LIBTOOL:-} valgrind --tool=callgrind --callgrind-out-file="$tmp/out" \
		"$layer" "$1" "$2" >/dev/null 2>"$tmp/log" ||
		{ cat "$tmp/log" >&2; exit 1; }
	awk '/^(summary|totals):/ { print $2; exit }' "$tmp/out"
}

per_pair() {
	once=$(count "$1" $pairs)
	twice=$(count "$1" $((2 * pairs)))
	echo $(((twice - once) / pairs))
}

base=$(per_pair direct)
printf '%-14s %6s %6s\n' "way" "instr" "added"
for way in direct empty pool pool-nowait mutex+array; do
	n=$(per_pair $way)
	printf '%-14s %6d %6d\n' $way "$n" $((n - base))
done
base=$(per_pair cache)
printf '%-14s %6d\n' cache "$base"
n=$(per_pair pool-cache)
printf '%-14s %6d %6d\n' pool-cache "$n" $((n - base))
