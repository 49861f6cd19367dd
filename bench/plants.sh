#!/bin/sh
# SPDX-License-Identifier: MIT
# Shows that the limits of bench/contention, bench/handoff and bench/peers can
# fail: plants a defect for each and looks for the line that it is to break.  The
# same line has to be kept without the defect, or nothing is shown.
#
# usage: bench/plants.sh [DIRECTORY OF THE PROGRAMS]
set -eu

dir=${1:-bench}

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
failed=0

# complain TEXT: and go on with the next.
complain() {
	echo "plants.sh: $1" >&2
	failed=1
}

# verdicts COMMAND: the file with them; each command runs once.
verdicts() {
	log=$tmp/$(echo "$1" | tr -c 'a-zA-Z0-9\n' _)
	[ -s "$log" ] || "$dir"/$1 --check >"$log" || :
	echo "$log"
}

# breaks PLANT LINE COMMAND: the verdicts that begin with LINE.
breaks() {
	grep -q "^ok  *$2" "$(verdicts "$3")" ||
		complain "$3: not kept even without a defect: $2"
	grep "^FAIL  *$2" "$(verdicts "$3 --plant $1")" ||
		complain "$3: $1 does not break: $2"
}

base='--rounds 5 --peers kmempool,mutex+cond'
breaks slow '1,2,0  *throughput' "contention --only 1,2,0 $base"
breaks starve '1,16,0  *least ops' "contention --only 1,16,0 $base"
for threads in 16 64; do
	one="contention --only 1,$threads,1000 $base"
	breaks slow "1,$threads,1000  *throughput" "$one"
	breaks unfair "1,$threads,1000  *Jain" "$one"
	breaks wait "1,$threads,1000  *longest" "$one"
done
four='contention --only 4,16,1000 --rounds 5'
breaks slow '4,16,1000  *throughput' "$four"
breaks unfair '4,16,1000  *Jain' "$four"
breaks relay 'across two cores' 'handoff --quick'
breaks relay 'within one core' 'handoff --quick'
breaks pairs 'reserve by 1 thread' 'handoff --quick'
breaks pairs 'reserve by 2 threads' 'handoff --quick'
breaks idle 'idle waiter' 'handoff --quick'
base='peers --peers tcmalloc,rte+cache,mimalloc --rounds 5'
one="$base --only pair-64,bulk-32,across"
for peer in tcmalloc rte+cache; do
	breaks slow "pair-64  *kmem_cache/$peer" "$one"
done
for peer in rte+cache mimalloc; do
	breaks slow "across  *kmem_cache/$peer" "$one"
done
breaks slow 'bulk-32  *kmem_cache/rte+cache' "$one"
one="$base --only pair-64,pair-256,pair-4096"
breaks large 'pair-256  *kmem_cache/pair-64' "$one"
breaks large 'pair-4096  *kmem_cache/pair-64' "$one"
breaks lock 'pair-64x2  *kmem_cache/pair-64' "$base --only pair-64,pair-64x2"
# What is not reached yet can be shown with a stand-in only.
base="$base --plant ideal"
one="$base --only reserve-1,reserve-2,create"
breaks slow 'reserve-1  *reserve/rte+cache' "$one"
breaks slow 'reserve-2  *reserve/rte+cache' "$one"
breaks slow 'create  *kmem_cache/tcmalloc' "$one"
breaks late 'last  *reserve' "$base --only last"
breaks lost 'last  *share that came' "$base --only last"

[ $failed -eq 0 ] && echo "every limit has failed once"
exit $failed
