#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The builds and checks that "make check" in one build directory cannot do.
#
#   tools/qa.sh [NAME...]   all of them, or those named
#
#   models     the Promela models, full form, and their seeded bugs
#   long       the random, storm, order and fork tests in their long form
#   explore    every schedule within bounds, long form, and its planted bugs
#   clang      clang with -Werror: make check
#   asan       AddressSanitizer and UBSan, with invariants: make check
#   tsan       ThreadSanitizer, with invariants: make check
#   valgrind   the unit tests under memcheck
#   bench      instructions that a pool adds, under callgrind
#   install    make install into a prefix, programs built from there, uninstall
#   distcheck  make distcheck
#
# A missing tool is an error here, and so is a skipped test.  Builds and logs
# lie in $QA_DIR, or in a temporary directory that is removed when all went
# well.

set -u
export LC_ALL=C
cd "$(dirname "$0")/.." || exit 1
top=$PWD
jobs=$(getconf _NPROCESSORS_ONLN)
dir=${QA_DIR:-$(mktemp -d "${TMPDIR:-/tmp}/kmempool-qa.XXXXXX")} || exit 1
failed=()
chmod 755 "$dir"	# for tests that run a program as another user

# run LOG COMMAND...: quietly, and show the end of the log if it fails
run()
{
	local log=$1
	shift
	"$@" >"$log" 2>&1 && return
	echo "failed: $*"
	tail -n 60 "$log"
	return 1
}

# configured NAME ARGUMENT...: a build of its own, up to date
configured()
{
	local name=$1
	shift
	test -f "$dir/$name/Makefile" || {
		mkdir -p "$dir/$name"
		(cd "$dir/$name" && run configure.log "$top/configure" "$@")
	} && run "$dir/$name/make.log" make -C "$dir/$name" -j "$jobs"
}

# checked NAME ARGUMENT...: make check there; a skipped test is a failure
checked()
{
	local name=$1 log=$dir/$1/check.log rc=0
	shift
	${wrapper:-} make -C "$dir/$name" -j "$jobs" check "$@" >"$log" 2>&1 ||
		rc=1
	grep -E '^(# [A-Z]*|SKIP|FAIL|ERROR|XPASS):' "$log" || rc=1
	! grep -q '^SKIP:' "$log" || rc=1
	test $rc -eq 0 || {
		grep -E ' error: |undefined reference|^make.* Error' "$log"
		tail -n 200 "$dir/$name/test-suite.log"
	}
	return $rc
}

do_models()
{
	command -v spin >/dev/null || {
		echo "spin is not installed"
		return 1
	}
	KMEMPOOL_TEST_LONG=1 tests/model/run.sh
}

# The counts are the same in every run with one compiler, so this is a gate.
# The goal is 24; the figure here may only go down.
do_bench()
{
	local most=31

	configured plain --enable-werror &&
		bench/layer.sh "$dir/plain/bench/layer" | tee "$dir/bench.log" &&
		awk -v most="$most" '$1 == "pool" { ok = $3 <= most }
			END { exit !ok }' "$dir/bench.log" && return
	echo "a pool adds more than $most instructions to a pair"
	return 1
}

do_long()
{
	configured plain --enable-werror &&
		KMEMPOOL_TEST_LONG=1 CK_TIMEOUT_MULTIPLIER=10 \
		checked plain \
		TESTS="$(echo tests/model_mempool tests/storm tests/churn \
			tests/check_order tests/check_fork)"
}

do_explore()
{
	configured plain --enable-werror &&
		KMEMPOOL_TEST_LONG=1 \
		checked plain TESTS=tests/explore/explore &&
		tail -n 1 "$dir/plain/tests/explore/explore.log" &&
		top_builddir=$dir/plain tests/explore/bugs.sh
}

do_clang()
{
	configured clang --enable-werror CC=clang CXX=clang++ &&
		checked clang
}

do_asan()
{
	configured asan --enable-werror --enable-debug \
		--enable-sanitizer=address,undefined CFLAGS="-g -O1" &&
		checked asan
}

do_tsan()
{
	local wrapper=

	# Its shadow has no room for more random bits than this.
	test "$(cat /proc/sys/vm/mmap_rnd_bits 2>/dev/null || echo 32)" \
		-le 28 || wrapper="setarch -R"
	configured tsan --enable-werror --enable-debug \
		--enable-sanitizer=thread CFLAGS="-g -O1" &&
		checked tsan
}

do_valgrind()
{
	local opts="-q --fair-sched=yes --leak-check=full --error-exitcode=99
		--suppressions=$top/tools/valgrind.supp"
	# In the child of a fork, what other threads held is lost by nature.
	local units=$(sed -n '/^unit_tests/,/^endif/s/^\t\([^ ]*\).*/\1/p' \
		tests/local.mk | grep -v check_fork)

	configured plain --enable-werror &&
		CK_TIMEOUT_MULTIPLIER=10 checked plain \
		TESTS="$(echo $units)" LOG_COMPILER="valgrind $(echo $opts)"
}

do_install()
{
	local prefix=$dir/prefix left

	configured install --prefix="$prefix" &&
		run "$dir/install.log" make -C "$dir/install" install &&
		tests/check_install.sh "$prefix" &&
		run "$dir/install.log" make -C "$dir/install" uninstall || return
	left=$(find "$prefix" -type f -o -type l)
	test -z "$left" || {
		echo "left by make uninstall: $left"
		return 1
	}
}

do_distcheck()
{
	configured plain --enable-werror &&
		run "$dir/distcheck.log" \
		make -C "$dir/plain" -j "$jobs" distcheck &&
		grep '^# [A-Z]*:' "$dir/distcheck.log"
}

test $# -gt 0 ||
	set -- models long explore clang asan tsan valgrind bench install distcheck
for name; do
	declare -F "do_$name" >/dev/null || {
		echo "qa.sh: $name: no such check; see the top of this file" >&2
		exit 2
	}
done
test -x configure || run "$dir/autoreconf.log" autoreconf -fi || exit 1

for name; do
	printf '\n==== %s\n' "$name"
	SECONDS=0
	if "do_$name"; then
		echo "$name: passed ($SECONDS s)"
	else
		echo "$name: FAILED ($SECONDS s)"
		failed+=("$name")
	fi
done

echo
if test ${#failed[@]} -gt 0; then
	echo "qa: failed: ${failed[*]}; logs in $dir"
	exit 1
fi
test -n "${QA_DIR:-}" || rm -rf "$dir"
echo "qa: all passed: $*"
