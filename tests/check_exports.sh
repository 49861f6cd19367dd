#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The built library exports exactly what the version script and the headers
# list, one symbol for each function, and keeps the promises that only the
# linker can break.  Run by "make check", or by hand in the build directory.

LC_ALL=C
export LC_ALL
top=${top_srcdir:-$(dirname "$0")/..}
so=${1:-.libs/libkmempool.so}
nm=${NM:-nm}

for tool in "${nm%% *}" readelf; do
	command -v "$tool" >/dev/null || {
		echo "skip: $tool is not installed: the exports cannot be read"
		exit 77
	}
done
test -r "$so" || {
	echo "$so: not there: no shared library was built"
	exit 1
}

tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
rc=0
bad()
{
	echo "FAIL: $*"
	rc=1
}

# What the library has, what the map lists, what the headers declare.
$nm -D --defined-only "$so" >"$tmp/nm" || exit 1
awk '$2 != "A" { print $3 }' "$tmp/nm" | sort >"$tmp/versioned"
sed 's/@.*//' "$tmp/versioned" >"$tmp/lib"
sed -n 's/^[[:space:]]*\(kmempool_[a-z0-9_]*\);.*/\1/p' \
	"$top/lib/libkmempool.map" | sort >"$tmp/map"
cat "$top"/include/kmempool/*.h >"$tmp/headers"
{
	sed -n '/^#define/d
		s/.*KMEMPOOL_SYM(\([a-z0-9_]*\)).*/kmempool_\1/p' "$tmp/headers"
	sed -n 's/^KMEMPOOL_API.*[ *]\(kmempool_[a-z0-9_]*\)(.*/\1/p' \
		"$tmp/headers"
} | sort >"$tmp/labels"

test -s "$tmp/lib" || bad "no exported symbols found"
diff "$tmp/map" "$tmp/lib" >"$tmp/diff" ||
	bad "the map (<) and the library (>) differ:" "$(cat "$tmp/diff")"
diff "$tmp/labels" "$tmp/lib" >"$tmp/diff" ||
	bad "the headers (<) and the library (>) differ:" "$(cat "$tmp/diff")"
dup=$(uniq -d "$tmp/labels")
test -z "$dup" || bad "two functions share the symbol" $dup
declared=$(grep -c '^KMEMPOOL_API' "$tmp/headers")
test "$declared" -eq "$(wc -l <"$tmp/labels")" ||
	bad "$declared declarations, $(wc -l <"$tmp/labels") symbols"
other=$(grep -v '^kmempool_' "$tmp/lib")
test -z "$other" || bad "not kmempool_*:" $other
other=$(grep -v '@@KMEMPOOL_[0-9]' "$tmp/versioned")
test -z "$other" || bad "without a version:" $other

# Thread-local storage must fit what the C library keeps for dlopen, and be
# reached without a call.
readelf -lW "$so" >"$tmp/segments" || exit 1
readelf -dW "$so" >"$tmp/dynamic" || exit 1
readelf -rW "$so" >"$tmp/relocs" || exit 1
tls=$(awk '$1 == "TLS" { print $6 }' "$tmp/segments")
test "$((${tls:-0}))" -le 64 || bad "TLS segment of $((tls)) bytes, not <= 64"
$nm -D --undefined-only "$so" | grep -q '__tls_get_addr' &&
	bad "thread-local storage is reached through __tls_get_addr"

grep -q 'NODELETE' "$tmp/dynamic" || bad "not linked with -z nodelete"
grep -Eq 'BIND_NOW|[ :]NOW' "$tmp/dynamic" || bad "not linked with -z now"
grep -q 'SYMBOLIC' "$tmp/dynamic" && bad "linked with -Bsymbolic"
grep -q 'TEXTREL' "$tmp/dynamic" && bad "text relocations"
grep -q 'SONAME.*\[libkmempool\.so\.0\]' "$tmp/dynamic" ||
	bad "soname is not libkmempool.so.0"

# Calls inside the library must not go through names a program could define.
inner=$(awk '/JU?MP_SLOT/ && $5 ~ /^kmempool_/ { print $5 }' "$tmp/relocs")
test -z "$inner" || bad "called through the PLT from within:" $inner

test $rc -ne 0 ||
	echo "$(wc -l <"$tmp/lib") symbols, TLS $((${tls:-0})) bytes: as promised"
exit $rc
