#!/bin/sh
# SPDX-License-Identifier: MIT
# Draws what a measurement wrote with --csv.
#
# usage: bench/plot.sh contention CSV SVG
#            throughput and longest wait by the number of threads, for one
#            element that is held for a microsecond
#        bench/plot.sh peers CSV SVG
#            a bar for each allocator, the fastest first, by what it was put to
set -eu

what=$1
csv=$2
svg=$3

command -v gnuplot >/dev/null || {
	echo "plot.sh: skipped, gnuplot is not installed"
	exit 77
}

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# start WIDTH HEIGHT COLUMNS ROWS: what both begin with
start() {
	cat <<-EOT
	set terminal svg size $1,$2 font "sans-serif,12" \
		background rgb "white"
	set output "$svg"
	set multiplot layout $4,$3
	set nokey
	EOT
}

# ---- contention -------------------------------------------------------------

# All pools in one plot command; the column is the argument.
curves() {
	sep='plot '
	while read -r pool; do
		width=1.5
		[ "$pool" = kmempool ] && width=4
		printf '%s"%s/%s" using 1:%d with linespoints' "$sep" "$tmp" \
			"$pool" "$1"
		printf ' linewidth %s title "%s" noenhanced' $width "$pool"
		sep=', '
	done <"$tmp/pools"
	echo
}

contention() {
	# One file for each pool: threads, thousand operations per second, wait
	# in ms.
	awk -F, -v dir="$tmp" '$1 == 1 && $3 == 1000 {
		if (!seen[$4]++)
			print $4 >(dir "/pools")
		print $2, $5, $13 / 1000 >(dir "/" $4)
	}' "$csv"
	[ -s "$tmp/pools" ] || return
	start 1080 400 2 1
	cat <<-EOT
	set logscale x 2
	set xrange [1.7:75]
	set xtics (2, 4, 16, 64)
	set xlabel "threads that want the one element"
	set grid
	set title "thousand operations per second"
	set logscale y
	set yrange [10:*]
	EOT
	curves 2
	cat <<-EOT
	set title "longest wait in a round, ms"
	set yrange [*:*]
	set key outside right center reverse Left
	EOT
	curves 3
}

# ---- peers ------------------------------------------------------------------

# bars SECTION TITLE: medians, and a dot for the least; ours in another colour
bars() {
	awk -F, -v section="$1" '$1 == section && $3 != "nothing" {
		print $4, $5, $3, $3 ~ /^(kmem_cache|mempool|kmalloc|reserve|reserve-lock)$/
	}' "$csv" | sort -n >"$tmp/$1"
	[ -s "$tmp/$1" ] || return 0
	cat <<-EOT
	set title "$2"
	plot "$tmp/$1" using 0:(\$4 > 0 ? 1 / 0 : \$1):xtic(3) with boxes, \
		"" using 0:(\$4 > 0 ? \$1 : 1 / 0) with boxes linecolor 7, \
		"" using 0:2 with points pointtype 7 pointsize 0.3 linecolor 8
	EOT
}

peers() {
	grep -q '^pair-64,' "$csv" || return
	start 1080 800 3 2
	cat <<-EOT
	set style fill solid 0.7
	set boxwidth 0.7
	set logscale y
	set grid ytics
	set xtics rotate by -50 noenhanced
	EOT
	bars pair-64 "a pair, ns"
	bars batch-32 "an object of a batch of 32, ns"
	bars across "an object from CPU to CPU, ns"
	bars reserve-1 "a pair out of the reserve, 1 thread, ns"
	bars reserve-2 "a pair out of the reserve, 2 threads, ns"
	bars create "one of a million objects, ns"
}

# ---- either -----------------------------------------------------------------

case $what in
contention | peers)
	"$what" >"$tmp/script"
	;;
esac
[ -s "$tmp/script" ] || {
	echo "plot.sh: $csv has nothing that $what would draw" >&2
	exit 1
}
gnuplot "$tmp/script"
# Not before the first line, which has to say what it is.
sed -i '1a <!-- SPDX-License-Identifier: MIT -->' "$svg"
