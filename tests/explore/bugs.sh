#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Plants each bug of bugs.list in a copy of lib/ and requires that the scenario
# named there finds it within 1000 schedules.  A detector that nobody has seen
# detect is a hope; so of all of them at least 10 must have been found.
#
#   tests/explore/bugs.sh [NAME...]    all, or those named
#
# Needs config.h of a configured tree in $top_builddir.  CC and CFLAGS are
# those of the environment.

set -u
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
build=$(cd "${top_builddir:-.}" && pwd)
cc=${CC:-gcc}
most=1000
failed=0
found=0
unset KMEMPOOL_TEST_LONG

test -f "$build/config.h" || {
	echo "skip: no config.h in $build; set top_builddir"
	exit 77
}
dir=$(mktemp -d "${TMPDIR:-/tmp}/kmempool-bugs.XXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT

flags="-std=gnu11 -g -O1 -pthread -fexceptions -ftls-model=initial-exec
	-DHAVE_CONFIG_H -DENABLE_DEBUG=1 -I$build -I$top/include"
# What wrap.c stands in for.
wraps=$(sed -n 's/^[^ \t].*__wrap_\([a-z_]*\)(.*/-Wl,--wrap=\1/p' \
	"$here"/*.c | sort -u)

compile()
{
	local from=$1 to=$2

	$cc $flags -I"$top/lib" -include "$here/atomics.h" \
		-include "$here/rseq.h" -c "$from" -o "$to"
}

mkdir "$dir/good" "$dir/tests"
for c in "$top"/lib/*.c; do
	# cpus.c stands in for it.
	test "${c##*/}" = rseq.c || compile "$c" "$dir/good/$(basename "$c" .c).o" || exit 1
done
for c in "$here"/*.c; do
	compile "$c" "$dir/tests/$(basename "$c" .c).o" || exit 1
done
$cc -pthread $wraps "$dir"/good/*.o "$dir"/tests/*.o -o "$dir/explore" ||
	exit 1

# plant NAME FILE SCENARIO SCRIPT: 0 if it was found
plant()
{
	local name=$1 file=$2 scenario=$3 script=$4 log=$dir/log c

	"$dir/explore" --most=$most "$scenario" >"$log" 2>&1 || {
		echo "$name: $scenario fails without the bug"
		return 1
	}
	rm -rf "$dir/lib" "$dir/bad"
	mkdir "$dir/lib" "$dir/bad"
	# What a header says is compiled into all of them.
	case $file in
	*.h)	cp "$top"/lib/*.[ch] "$dir/lib"
		rm "$dir/lib/rseq.c"
	esac
	sed -E "$script" "$top/lib/$file" >"$dir/lib/$file"
	! cmp -s "$top/lib/$file" "$dir/lib/$file" || {
		echo "$name: the sed script no longer applies to lib/$file"
		return 1
	}
	cp "$dir"/good/*.o "$dir/bad"
	for c in "$dir"/lib/*.c; do
		compile "$c" "$dir/bad/$(basename "$c" .c).o" || {
			echo "$name: does not compile"
			return 1
		}
	done
	$cc -pthread $wraps "$dir"/bad/*.o "$dir"/tests/*.o \
		-o "$dir/explore_bad" || return 1
	timeout 60 "$dir/explore_bad" --most=$most "$scenario" >"$log" 2>&1 && {
		echo "$name: NOT found by $scenario"
		tail -n 3 "$log"
		return 1
	}
	printf '%-35s %s\n' "$name" "$(sed -n 's/.*: FAILED //p' "$log")"
}

while IFS='|' read -r name file scenario script; do
	name=${name// /} file=${file// /} scenario=${scenario// /}
	case $name in
	''|'#'*)
		continue
	esac
	test $# -eq 0 || [[ " $* " == *" $name "* ]] || continue
	if plant "$name" "$file" "$scenario" "${script# }"; then
		found=$((found + 1))
	else
		failed=$((failed + 1))
	fi
done <"$here/bugs.list"

least=10
test $# -eq 0 || least=1
echo "$found planted bugs found, $failed not"
test $failed -eq 0 && test $found -ge $least
