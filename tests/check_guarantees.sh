#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Each guarantee of libkmempool-guarantees(7) stands beside tests that back it,
# and each of these exists.  Each thing that another page calls guaranteed is
# one of these: the comment before it says which.

LC_ALL=C
export LC_ALL
top=${top_srcdir:-$(dirname "$0")/..}
page=$top/man/libkmempool-guarantees.7
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
rc=0
bad()
{
	echo "FAIL: $*"
	rc=1
}

# exists KIND [NAME]: as the page explains its names
exists()
{
	case $1:$2 in
	check_*:?*)
		grep -qx "START_TEST($2)" "$top/tests/$1.c"
		;;
	explore:?*)
		cat "$top"/tests/explore/scenarios_*.c | grep -q "SCENARIO($2,"
		;;
	model:?*)
		grep -Eq "^(short|full) $2 " "$top/tests/model/run.sh"
		;;
	storm:?*)
		grep -q "{ \"$2\"," "$top/tests/storm.c"
		;;
	*:)
		grep -Eq "^[^#]*tests/$1(\.sh)?( |\$)" "$top/tests/local.mk"
		;;
	*)
		false
		;;
	esac
}

# "number evidence" for every piece, and "number" for every guarantee.
awk '/^\.SS/ { listed = 1 }
	!listed { next }
	/^\.IP [0-9]+\. / { number = $2 + 0; print number; next }
	/^\.I [a-z_]+(:[A-Za-z0-9_\\-]+)?$/ {
		gsub(/\\/, "")
		print number, $2
	}' "$page" >"$tmp/all"

last=0
for number in $(grep -v ' ' "$tmp/all"); do
	test "$number" -eq $((last + 1)) || bad "$number comes after $last"
	last=$number
	grep -q "^$number " "$tmp/all" || bad "nothing backs guarantee $number"
done
test "$last" -gt 0 || bad "no guarantees found in $page"
grep ' ' "$tmp/all" >"$tmp/evidence"
while read -r number evidence; do
	name=${evidence#*:}
	test "$name" != "$evidence" || name=
	exists "${evidence%%:*}" "$name" ||
		bad "guarantee $number: there is no $evidence"
done <"$tmp/evidence"

# The lists from "Guaranteed:" to "No other guarantees".
for other in "$top"/man/*.[37]; do
	awk -v page="$(basename "$other")" -v last="$last" '
	function bad(why) { print "FAIL: " page ":" NR ": " why; rc = 1 }
	/Guaranteed/ && $0 != "Guaranteed:" { bad("not a list of its own") }
	$0 == "Guaranteed:" { listed = 1; items = 0; numbered = 0; next }
	!listed { next }
	/^No other guarantees are made/ {
		if (!items)
			bad("nothing is guaranteed")
		listed = 0
		next
	}
	/^\.\\" guarantee [0-9]+(, [0-9]+)*$/ {
		numbered = 1
		for (i = 3; i <= NF; i++)
			if ($i + 0 < 1 || $i + 0 > last + 0)
				bad("there is no guarantee " $i + 0)
		next
	}
	/^\.IP/ {
		if (!numbered)
			bad("the line before it names no guarantee")
		items++
		numbered = 0
		next
	}
	!items { bad("not an item of the list") }
	{ numbered = 0 }
	END {
		if (listed)
			bad("no end of what is guaranteed")
		exit rc
	}' "$other" || rc=1
done
claims=$(cat "$top"/man/*.[37] | grep -c '^\.\\" guarantee ')
test "$claims" -gt 0 || bad "no page names a guarantee"

test $rc -ne 0 || {
	echo "$last guarantees, $(wc -l <"$tmp/evidence") times backed by a test;"
	echo "$claims claims of other pages are among them"
}
exit $rc
