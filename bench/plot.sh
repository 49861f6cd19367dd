#!/bin/sh
# SPDX-License-Identifier: MIT
# Draws what bench/contention wrote with --csv: throughput and longest wait by
# the number of threads, for one element that is held for a microsecond.
#
# usage: bench/plot.sh CSV SVG
set -eu

csv=$1
svg=$2
config='$1 == 1 && $3 == 1000'

command -v gnuplot >/dev/null || {
	echo "plot.sh: skipped, gnuplot is not installed"
	exit 77
}

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# One file for each pool: threads, thousand operations per second, wait in ms.
awk -F, -v dir="$tmp" "$config"' {
	if (!seen[$4]++)
		print $4 >(dir "/pools")
	print $2, $5, $13 / 1000 >(dir "/" $4)
}' "$csv"
[ -s "$tmp/pools" ] || {
	echo "plot.sh: $csv has no such configuration" >&2
	exit 1
}

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

{
	cat <<-EOT
	set terminal svg size 1080,400 font "sans-serif,12" \
		background rgb "white"
	set output "$svg"
	set multiplot layout 1,2
	set logscale x 2
	set xrange [1.7:75]
	set xtics (2, 4, 16, 64)
	set xlabel "threads that want the one element"
	set grid
	set nokey
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
} >"$tmp/script"
gnuplot "$tmp/script"
# Not before the first line, which has to say what it is.
sed -i '1a <!-- SPDX-License-Identifier: MIT -->' "$svg"
