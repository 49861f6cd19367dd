#!/bin/sh
# SPDX-License-Identifier: MIT
#
# check_examples.sh - the programs in the pages are those in examples/
#
#   check_examples.sh       compare; 0 when all are the same
#   check_examples.sh -u    write the programs into the pages
#
# A page shows a program between two comment lines,
#
#   .\" example: FILE
#   .\" end of example
#
# without the comment at its top.  That comment says "Shown in PAGE(N)." in
# every program that a page must show.

set -eu

man=$(dirname "$0")
examples=$man/../examples
failed=0

complain()
{
	echo "$*" >&2
	failed=1
}

# The program as it stands between the marks.  Tabs become spaces because
# the tab stops of a page are not ours.
as_roff()
{
	echo .EX
	sed '1,/^ \*\/$/d' "$1" | sed '1{/^$/d;}' | expand |
	sed -e 's/\\/\\e/g' -e 's/-/\\-/g' -e "s/'/\\\\(aq/g" \
	    -e 's/`/\\(ga/g' -e 's/\^/\\(ha/g' -e 's/~/\\(ti/g' \
	    -e 's/^\./\\\&./'
	echo .EE
}

shown()
{
	sed -n 's/^\.\\" example: //p' "$1"
}

between_marks()
{
	sed -n "/^\.\\\\\" example: $2\$/,/^\.\\\\\" end of example\$/p" "$1" |
	sed '1d;$d'
}

update()
{
	as_roff "$examples/$2" >"$1.tmp"
	sed -i -e "/^\.\\\\\" example: $2\$/,/^\.\\\\\" end of example\$/{
		/example/!d
		/^\.\\\\\" example: /r $1.tmp
		}" "$1"
	rm "$1.tmp"
}

for page in "$man"/*.[0-9]; do
	for file in $(shown "$page"); do
		[ "${1-}" != -u ] || update "$page" "$file"
		want=$(as_roff "$examples/$file") || want=
		[ "$want" = "$(between_marks "$page" "$file")" ] ||
			complain "${page##*/} does not show $file as it is"
	done
done

for path in "$examples"/*.c "$examples"/*.cc; do
	file=${path##*/}
	page=$(sed -n 's/^ \* Shown in \([a-z_]*\)(\([0-9]\))\.$/\1.\2/p' \
		"$path")
	[ -n "$page" ] || continue
	shown "$man/$page" | grep -qx "$file" ||
		complain "$page does not show $file"
done

exit $failed
