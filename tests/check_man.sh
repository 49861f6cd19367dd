#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Every function of the headers has a manual page under its own name, with
# RETURN VALUE and ERRORS; every page is clean under mandoc and groff, is
# installed, and is under SEE ALSO in libkmempool(7); the program in README is
# examples/hello.c.

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

# The names in C of all functions, exported and inline: of each statement of
# the headers that declares one, the word before the first parenthesis that is
# not an attribute's.  The statements of a macro are not the headers'.
cat "$top"/include/kmempool/*.h >"$tmp/headers"
sed -e ':join' -e '/\\$/N' -e 's/\\\n//' -e 't join' "$tmp/headers" |
	sed -e 's,/\*.*\*/,,' -e '/\/\*/,/\*\//d' -e '/^#/d' |
	tr '\n\t{' '  ;' | tr ';' '\n' |
	sed -n -e '/typedef/d' \
	-e '/KMEMPOOL_API\|static inline/s/^[^(]*[ *]\([a-z0-9_]*\)(.*/\1/p' |
	sort >"$tmp/functions"
exported=$(grep -c '^KMEMPOOL_API' "$tmp/headers")
test "$(wc -l <"$tmp/functions")" -ge "$exported" ||
	bad "found only $(wc -l <"$tmp/functions") of $exported functions"

while read -r name; do
	page=$top/man/$name.3
	test -r "$page" || {
		bad "$name has no page"
		continue
	}
	target=$(sed -n 's/^\.so  *//p' "$page")
	test -z "$target" || page=$top/man/$(basename "$target")
	test -r "$page" || {
		bad "$name.3 refers to $target, which does not exist"
		continue
	}
	grep -q '^\.SH "*RETURN VALUE' "$page" ||
		bad "$page: no RETURN VALUE ($name)"
	grep -q '^\.SH "*ERRORS' "$page" || bad "$page: no ERRORS ($name)"
	sed -n '/^\.SH "*NAME/,/^\.SH "*SYNOPSIS/p' "$page" |
		tr -d '\\' | grep -qw "$name" ||
		bad "$page does not have $name under NAME"
done <"$tmp/functions"

for page in "$top"/man/*.[37]; do
	grep -q "man/$(basename "$page")" "$top/man/local.mk" ||
		bad "$page is not in man/local.mk"
done

# The tour leads to every page.
sed -n '/^\.SH SEE ALSO/,$p' "$top/man/libkmempool.7" |
	sed -n 's/^\.BR \([a-z_\-]*\) (\([37]\)),*$/\1.\2/p' |
	tr -d '\\' >"$tmp/seen"
for page in $(grep -L '^\.so ' "$top"/man/*.[37]); do
	page=$(basename "$page")
	test "$page" = libkmempool.7 || grep -qx "$page" "$tmp/seen" ||
		bad "$page is not under SEE ALSO in libkmempool(7)"
done

# The indented program of README is the example, to the letter.
sed -n 's/^    //; /^\/\* SPDX/,/^}$/p' "$top/README" >"$tmp/hello.c"
cmp -s "$tmp/hello.c" "$top/examples/hello.c" ||
	bad "the program in README is not examples/hello.c"

if command -v mandoc >/dev/null; then
	mandoc -T lint -W warning $(grep -L '^\.so ' "$top"/man/*.[37]) ||
		bad "mandoc has something to say"
	# An alias, a comment and one .so line, is found where it would be
	# installed.  What mandoc warns of is that there are such pages.
	mkdir "$tmp/root"
	cp -r "$top/man" "$tmp/root/man3"
	ln -s man3 "$tmp/root/man7"
	(cd "$tmp/root" && mandoc -T lint -W error \
		$(grep -l '^\.so ' man3/*.[37])) || bad "mandoc: an alias"
else
	missing="mandoc"
fi
if command -v groff >/dev/null && test -e "$(command -v tbl)"; then
	for page in "$top"/man/*.[37]; do
		grep -q '^\.so ' "$page" && continue
		groff -ww -man -t -Tutf8 -z "$page" >"$tmp/groff" 2>&1
		test ! -s "$tmp/groff" ||
			bad "groff: $page:" "$(cat "$tmp/groff")"
	done
else
	missing="$missing groff"
fi

test $rc -eq 0 || exit $rc
test -z "$missing" || {
	echo "skip: cannot check the markup, not installed: $missing"
	exit 77
}
echo "$(wc -l <"$tmp/functions") functions, each with its page"
