#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Every error that the manual promises is provoked by a test.
#
# The promises are the ERRORS sections of man/*.3: an entry holds for the
# functions in parentheses on its first line, or else for all of the page that
# return int, a pointer, or a bool that must be looked at.  tests/errnos.list
# has one line for each function and errno, with the test that provokes it; the
# names of both must stand in that test, or in a function of the same file that
# it calls.  libkmempool(7) lists each errno.

LC_ALL=C
export LC_ALL
top=${top_srcdir:-$(dirname "$0")/..}
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
rc=0
bad()
{
	echo "FAIL: $*"
	rc=1
}

# The functions that can fail, by the types they return.
cat "$top"/include/kmempool/*.h |
	sed -e ':join' -e '/\\$/N' -e 's/\\\n//' -e 't join' |
	sed -e 's,/\*.*\*/,,' -e '/\/\*/,/\*\//d' -e '/^#/d' |
	tr '\n\t{' '  ;' | tr ';' '\n' |
	sed -n -e '/typedef\|unsigned int [a-z_]*(/d' \
	-e '/KMEMPOOL_API\|KMEMPOOL_MUST_CHECK\|static inline/!d' \
	-e 's/^[^(]*\( int \|\*\|MUST_CHECK *bool \)\([a-z0-9_]*\)(.*/\2/p' |
	sort >"$tmp/fallible"
test -s "$tmp/fallible" || bad "no functions found in the headers"

# pairs PAGE: "function errno" for each of its promises.
pairs()
{
	awk -v fallible="$tmp/fallible" '
	function promise(name) { if (errno) print name, errno }
	function rest(	i) {
		for (i = 1; i <= n; i++)
			if (can[page[i]])
				promise(page[i])
		errno = ""
	}
	BEGIN {
		while ((getline name <fallible) > 0)
			can[name] = 1
	}
	/^\.SH/ { rest(); section = $2; next }
	section == "NAME" && !ended {
		ended = sub(/\\-.*/, "")
		gsub(",", " ")
		for (i = split($0, word); i > 0; i--)
			page[++n] = word[i]
	}
	section != "ERRORS" { next }
	/^\.TP/ { rest() }
	/^\.B E[A-Z0-9]+$/ { errno = $2; next }
	/^\.RB \( / && errno {
		while (match($0, /(k?mem(pool|_cache)_|k[a-z]*alloc)[a-z0-9_]*/)) {
			promise(substr($0, RSTART, RLENGTH))
			$0 = substr($0, RSTART + RLENGTH)
		}
		errno = ""
	}
	errno && !/^\.[TB]/ { rest() }
	/[( ]E[A-Z0-9]+/ && !/^\.B E/ { print "?", $0 }' "$1"
}
for page in "$top"/man/*.3; do
	pairs "$page"
done | sort -u >"$tmp/promised"
test -s "$tmp/promised" || bad "no errors found in man/"
sed '/^#/d' "$top/tests/errnos.list" >"$tmp/list"
cut -d ' ' -f 1,2 "$tmp/list" | sort >"$tmp/listed"
diff "$tmp/promised" "$tmp/listed" >"$tmp/diff" ||
	bad "man/ (<) and tests/errnos.list (>) differ:" "$(cat "$tmp/diff")"

# The tour explains each of them once.
cut -d ' ' -f 2 "$tmp/promised" | sort -u >"$tmp/errnos"
sed -n '/^\.SH ERRORS/,/^\.SH ATTRIBUTES/s/^\.BR* \(E[A-Z0-9]*\).*/\1/p' \
	"$top/man/libkmempool.7" | sort >"$tmp/toured"
diff "$tmp/errnos" "$tmp/toured" >"$tmp/diff" ||
	bad "the pages (<) and libkmempool(7) (>) differ:" "$(cat "$tmp/diff")"

# provokes FILE TEST NAME...: the test's text, with that of the functions it
# calls from the same file, has every name.
provokes()
{
	awk -v file="$1" '
	function has(text, word) {
		return match(text, "(^|[^A-Za-z0-9_])" word "([^A-Za-z0-9_]|$)")
	}
	BEGIN {
		test = ARGV[2]
		while ((getline line <file) > 0) {
			if (line ~ /^START_TEST\(/) {
				name = "test " substr(line, 12)
				sub(/\).*/, "", name)
			} else if (line ~ /^static .*\(/) {
				name = line
				sub(/\(.*/, "", name)
				sub(/.*[ *]/, "", name)
			}
			body[name] = body[name] "\n" line
			if (line ~ /^(}|END_TEST)/)
				name = ""
		}
		text = body["test " test]
		if (text == "") {
			print "there is no such test"
			exit 1
		}
		missing = " itself in a suite"
		for (name in body) {
			if (name ~ /^test /)
				continue
			if (has(body[name], test))
				missing = ""
			if (name && has(text, name))
				called = called body[name]
		}
		text = text called
		for (i = 3; i < ARGC; i++)
			if (!has(text, ARGV[i]))
				missing = missing " " ARGV[i]
		if (missing)
			print "lacks" missing
		exit missing != ""
	}' "$@"
}
while read -r function errno test rest; do
	file=$top/tests/${test%%:*}.c
	test -r "$file" -a -z "$rest" || {
		bad "$function $errno: $test $rest: no such file"
		continue
	}
	why=$(provokes "$file" "${test#*:}" "$function" "$errno") ||
		bad "$function $errno: $test: $why"
done <"$tmp/list"

test $rc -ne 0 || echo "$(wc -l <"$tmp/promised") errors, each with its test"
exit $rc
