#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The kept dump of the ABI: what abidw sees of the library's exported symbols
# and of the types in the installed headers, on x86_64, built with -g.
#
#   tools/abi.sh check LIBRARY    fails if anything differs from the dump
#   tools/abi.sh update LIBRARY   makes the dump anew; refused if anything but
#                                 symbols added has changed
#
# Before the first release, or with a new soname, delete the dump and update.

LC_ALL=C
export LC_ALL
top=$(dirname "$0")/..
dump=$top/lib/libkmempool.abi
lib=$2

new=$(mktemp) || exit 1
trap 'rm -f "$new"' EXIT

test -r "$lib" || {
	echo "abi.sh: $lib: cannot be read; see the top of this file" >&2
	exit 2
}
# Two dumps are compared: abidiff 2.2 compares a dump with a library badly.
abidw --headers-dir "$top/include" --drop-private-types \
	--exported-interfaces-only --no-architecture --no-comp-dir-path \
	--no-corpus-path --no-elf-needed --no-parameter-names --no-show-locs \
	"$lib" >"$new" || exit 1
case $1 in
check)
	abidiff "$dump" "$new" || {
		echo "the ABI is not that of lib/libkmempool.abi: see tools/abi.sh"
		exit 1
	}
	;;
update)
	test ! -e "$dump" || abidiff --no-added-syms "$dump" "$new" || {
		echo "more than additions: not updated; see tools/abi.sh"
		exit 1
	}
	# As a first line, abidiff would not know the file for what it is.
	sed -e "s, path='[^']*/\(lib/[^']*\)', path='\1'," \
		-e '1a\  <!-- SPDX-License-Identifier: MIT -->' "$new" >"$dump"
	;;
*)
	echo "abi.sh: $1: no such command; see the top of this file" >&2
	exit 2
	;;
esac
