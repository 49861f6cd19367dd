#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The builds and checks that "make check" in one build directory cannot do.
#
#   tools/qa.sh [NAME...]   all of them but mutants, or those named
#
#   analyze    gcc -fanalyzer, clang-tidy and cppcheck find nothing; every file
#              has its licence
#   models     the Promela models, full form, and their seeded bugs
#   long       the random, storm, order and fork tests in their long form
#   explore    every schedule within bounds, long form, and its planted bugs
#   clang      clang with -Werror: make check
#   asan       AddressSanitizer and UBSan, with invariants: make check
#   tsan       ThreadSanitizer, with invariants: make check
#   valgrind   the unit tests under memcheck
#   drd        the unit tests under drd, which watches locks and data races
#   coverage   the branches of lib/ that the unit tests alone take
#   mutants    whether the tests notice what is changed in lib/: a small sample
#   cross      i686, aarch64 and s390x: the tests that need no framework
#   bench      instructions that a pool adds, under callgrind; and that the
#              other measurements run
#   install    make install into a prefix, with the static library; programs
#              built from there; uninstall
#   abi        the library's types and symbols are those of lib/libkmempool.abi
#   tarball    the same sources make the same tarball, byte for byte
#   distcheck  make distcheck
#
# A test, or a case of one, that is skipped although it can run here is an error
# (tools/skipped.sh).  A check whose tools are missing is skipped, as the last
# lines say; .ci/run takes that for a failure.  Builds and logs lie in $QA_DIR,
# or in a temporary directory that is removed when all went well.

set -u
export LC_ALL=C
cd "$(dirname "$0")/.." || exit 1
top=$PWD
jobs=$(getconf _NPROCESSORS_ONLN)
dir=${QA_DIR:-$(mktemp -d "${TMPDIR:-/tmp}/kmempool-qa.XXXXXX")} || exit 1
failed=()
skipped=()
SKIP=77
chmod 755 "$dir"	# for tests that run a program as another user

# needs TOOL...: or the check is skipped
needs()
{
	local tool

	for tool; do
		command -v "$tool" >/dev/null || {
			echo "skip: $tool is not installed"
			return $SKIP
		}
	done
}

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

# checked NAME ARGUMENT...: make check there; to skip what can run is a failure.
# With source_scripts= what does not depend on the build is left out.
checked()
{
	local name=$1 log=$dir/$1/check.log rc=0
	shift
	${wrapper:-} make -C "$dir/$name" -j "$jobs" check "$@" >"$log" 2>&1 ||
		rc=1
	grep -E '^(# [A-Z]*|SKIP|FAIL|ERROR|XPASS):' "$log" || rc=1
	tools/skipped.sh "$dir/$name" "$log" || rc=1
	test $rc -eq 0 || {
		grep -E ' error: |undefined reference|^make.* Error' "$log"
		tail -n 200 "$dir/$name/test-suite.log"
	}
	return $rc
}

unit_tests()
{
	sed -n '/^unit_tests/,/^endif/s/^\t\([^ ]*\).*/\1/p' tests/local.mk
}

do_analyze()
{
	local cpp="-DHAVE_CONFIG_H -I$dir/analyze -Iinclude -Ilib"

	! git ls-files -z 2>/dev/null |
		xargs -0 -r grep -L 'SPDX-License-Identifier: MIT' | grep . || {
		echo "these files lack a line with their licence"
		return 1
	}
	needs clang-tidy cppcheck || return
	configured analyze --enable-werror --enable-debug \
		CFLAGS="-g -O2 -fanalyzer" || return
	# One file at a time: clang-tidy 14 takes what it knows of va_list
	# from one to the next.
	run "$dir/clang-tidy.log" xargs -n 1 -P "$jobs" \
		sh -c 'clang-tidy --quiet --warnings-as-errors="*" "$1" -- \
			'"$cpp"' -std=gnu11 -pthread -fexceptions' sh \
		< <(ls lib/*.c) || return
	# It takes what an asm goto sets for what it reads.
	run "$dir/cppcheck.log" cppcheck --quiet --std=c11 \
		--suppress='legacyUninitvar:*/rseq.h' \
		--enable=warning,performance,portability \
		--error-exitcode=1 $cpp lib
}

do_models()
{
	needs spin || return
	KMEMPOOL_TEST_LONG=1 tests/model/run.sh
}

# Of the unit tests alone: what the random tests and the explorer happen to pass
# through, nobody asserts.  They are linked with the library's own objects, so
# that one set of counts is written by whoever ends.
do_coverage()
{
	local flags="-O0 --coverage -fprofile-update=atomic -fno-builtin-fork"

	needs gcov python3 || return
	configured coverage --enable-werror \
		CFLAGS="$flags -include $top/tools/coverage.h" &&
		find "$dir/coverage" -name '*.gcda' -delete &&
		checked coverage TESTS="$(echo $(unit_tests))" \
		unit_libs='libtestlib.la libkmempool_core.la $(CHECK_LIBS)' &&
		tools/coverage "$dir/coverage" 95
}

do_mutants()
{
	needs python3 || return
	configured plain --enable-werror &&
		top_builddir=$dir/plain tools/mutate --sample 20 --least 85
}

# The counts are the same in every run with one compiler, so this is a gate.
# The goal is 24; the figure here may only go down.
do_bench()
{
	local most=31

	needs valgrind || return
	configured plain --enable-werror &&
		bench/layer.sh "$dir/plain/bench/layer" | tee "$dir/bench.log" &&
		awk -v most="$most" '$1 == "pool" { ok = $3 <= most }
			END { exit !ok }' "$dir/bench.log" || {
		echo "a pool adds more than $most instructions to a pair"
		return 1
	}
	run "$dir/contention.log" "$dir/plain/bench/contention" --quick \
		--rounds 1 --only 1,4,1000 &&
		run "$dir/handoff.log" "$dir/plain/bench/handoff" --quick \
			--rounds 1 &&
		run "$dir/peers.log" "$dir/plain/bench/peers" --quick \
			--rounds 1
}

do_long()
{
	configured plain --enable-werror &&
		KMEMPOOL_TEST_LONG=1 CK_TIMEOUT_MULTIPLIER=10 \
		checked plain \
		TESTS="$(echo tests/model_mempool tests/storm tests/churn \
			tests/storm_layer tests/storm_cached tests/check_order \
		tests/check_fork)"
}

# An explorer that has become slow, or lost its scenarios, finds nothing either.
# bugs.sh counts its bugs itself.
do_explore()
{
	configured plain --enable-werror &&
		KMEMPOOL_TEST_LONG=1 \
		checked plain TESTS=tests/explore/explore &&
		explored 20 1000000 "$dir/plain/tests/explore/explore.log" &&
		top_builddir=$dir/plain tests/explore/bugs.sh
}

# explored SCENARIOS RATE LOG: so many, and more than so many schedules a minute
explored()
{
	awk -v scenarios="$1" -v rate="$2" '
		/^[0-9]+ scenarios, / { nr = $1; print }
		/^without those that fork: .* a minute$/ {
			per_minute = $(NF - 2)
			print
		}
		END {
			if (nr >= scenarios && per_minute > rate)
				exit 0
			print "not " scenarios " scenarios and more than " \
				rate " schedules a minute"
			exit 1
		}' "$3"
}

do_clang()
{
	needs clang clang++ || return
	configured clang --enable-werror CC=clang CXX=clang++ &&
		checked clang source_scripts=
}

do_asan()
{
	configured asan --enable-werror --enable-debug \
		--enable-sanitizer=address,undefined CFLAGS="-g -O1" &&
		checked asan source_scripts=
}

do_tsan()
{
	local wrapper=

	# Its shadow has no room for more random bits than this.
	test "$(cat /proc/sys/vm/mmap_rnd_bits 2>/dev/null || echo 32)" \
		-le 28 || wrapper="setarch -R"
	configured tsan --enable-werror --enable-debug \
		--enable-sanitizer=thread CFLAGS="-g -O1" &&
		checked tsan source_scripts=
}

# under_valgrind WITHOUT OPTION...: the unit tests but those that match; "within"
# is what valgrind runs in
under_valgrind()
{
	local without=$1 units
	shift
	units=$(unit_tests | grep -Ev "$without")

	needs valgrind || return
	configured plain --enable-werror &&
		CK_TIMEOUT_MULTIPLIER=10 checked plain \
		TESTS="$(echo $units)" \
		LOG_COMPILER="${within:-} valgrind -q --fair-sched=yes --error-exitcode=99 $*"
}

# In the child of a fork, what other threads held is lost by nature; and there
# are no restartable sequences, without which nothing of a reserve is cached.
do_valgrind()
{
	CK_EXCLUDE_TAGS=native under_valgrind 'check_(fork|cached)' \
		--leak-check=full \
		--suppressions="$top/tools/valgrind.supp"
}

# What drd is spared.  In the child of a fork it takes the forking thread for
# another, or a lock made anew for the old one (tag "forks"); its malloc() aborts
# where check_backend asks for all there is; when a thread that was cancelled in
# a wait has ended, as in check_order, it believes that it waits still (tag
# "cancels").
#
# A pool that is visited is let go by an atomic alone (lib/registry.c section 3),
# so for drd its visitors race with whoever destroys it (tag "pins").
#
# A spinner gets its elements by an atomic (lib/spin.c), which orders nothing for
# drd.  On one CPU nobody spins, but in the tests that make up more, which are
# left out (tag "spins").  Signals come after the lock was released, by intent
# (lib/wait.c section 5).
do_drd()
{
	local within

	needs taskset || return
	within="taskset -c $(taskset -cp $$ | sed 's/.*[^0-9]//')"
	# Magazines are ordered by atomics alone, also those of reserves.
	KMEMPOOL_DEBUG=nolayer CK_EXCLUDE_TAGS="cancels forks native pins spins" \
	under_valgrind 'check_(fork|backend|order|layer|recall|cached)' \
		--tool=drd --report-signal-unlocked=no \
		--suppressions="$top/tools/drd.supp"
}

# Examples and tests that need neither Check nor a script.
cross_tests()
{
	sed -n 's/^\t\(examples\/[a-z_]*\)\( \\\)*$/\1/p' examples/local.mk
	echo tests/header_c tests/dlopen_tls tests/model_mempool tests/storm \
		tests/explore/explore tests/prio_inherit | tr ' ' '\n'
}

# Those of them that start no thread, and switch to no stack of their own.
cross_tests_single()
{
	local test

	for test in $(cross_tests | grep -v explore); do
		grep -q 'pthread_create' "$test.c" || echo "$test"
	done
}

# crossed ARCH TESTS RUNNER...
crossed()
{
	local arch=$1 tests=$2
	shift 2

	echo "$arch:"
	configured "$arch" --enable-werror --host="$arch-linux-gnu" \
		CXX=false PKG_CONFIG=false &&
		checked "$arch" TESTS="$(echo $tests)" LOG_COMPILER="$*"
}

# The processor may run these programs and the kernel refuse to.  Threads hang
# in qemu-i386 7.2, so it is only for where there is nothing better.
crossed_i686()
{
	local lib=/usr/i686-linux-gnu/lib

	if "$lib/ld-linux.so.2" --version >"$dir/i686.log" 2>&1; then
		crossed i686 "$(cross_tests)" "$lib/ld-linux.so.2" \
			--library-path "$lib"
	elif needs qemu-i386; then
		echo "no program of i686 runs here: with qemu, without threads"
		crossed i686 "$(cross_tests_single)" \
			qemu-i386 -L /usr/i686-linux-gnu
	else
		return $SKIP
	fi
}

crossed_by_qemu()
{
	local arch=$1 tests

	needs "qemu-$arch" || return
	tests=$(cross_tests)
	# The kernel reads a futex with inheritance in its own byte order.
	test "$arch" != s390x ||
		tests=$(cross_tests | grep -v prio_inherit)
	crossed "$arch" "$tests" "qemu-$arch" -L "/usr/$arch-linux-gnu"
}

do_cross()
{
	local arch rc ended=0

	for arch in i686 aarch64 s390x; do
		needs "$arch-linux-gnu-gcc" && case $arch in
		i686)	crossed_i686 ;;
		*)	crossed_by_qemu $arch ;;
		esac
		rc=$?
		test $rc -eq 0 || ended=$rc
		test $rc -eq 0 || test $rc -eq $SKIP || return $rc
	done
	return $ended
}

do_install()
{
	local prefix=$dir/prefix left

	configured install --enable-static --prefix="$prefix" &&
		run "$dir/install.log" make -C "$dir/install" install &&
		ls "$prefix/lib/libkmempool.a" &&
		tests/check_install.sh "$prefix" &&
		run "$dir/install.log" make -C "$dir/install" uninstall || return
	left=$(find "$prefix" -type f -o -type l)
	test -z "$left" || {
		echo "left by make uninstall: $left"
		return 1
	}
}

do_abi()
{
	needs abidw abidiff || return
	test "$(uname -m)" = x86_64 || {
		echo "skip: the kept dump is of x86_64"
		return $SKIP
	}
	configured plain --enable-werror &&
		tools/abi.sh check "$dir/plain/.libs/libkmempool.so"
}

# Once from here, and once, at another time and with another umask, from what
# the first one unpacks to.
do_tarball()
{
	local first second

	configured plain --enable-werror &&
		run "$dir/tarball.log" make -C "$dir/plain" dist || return
	first=$(echo "$dir"/plain/libkmempool-*.tar.xz)
	rm -rf "$dir/again" && mkdir -p "$dir/again/build" &&
		tar -C "$dir/again" -xf "$first" &&
		find "$dir"/again/libkmempool-* \
		-exec touch -d '2001-01-01 00:00' {} + &&
		(umask 077 && cd "$dir/again/build" &&
		 run configure.log ../libkmempool-*/configure &&
		 run make.log make dist) || return
	second=$(echo "$dir"/again/build/libkmempool-*.tar.xz)
	cmp "$first" "$second"
}

do_distcheck()
{
	configured plain --enable-werror &&
		run "$dir/distcheck.log" \
		make -C "$dir/plain" -j "$jobs" distcheck &&
		grep '^# [A-Z]*:' "$dir/distcheck.log"
}

test $# -gt 0 ||
	set -- analyze models long explore clang asan tsan valgrind drd \
		coverage cross bench install abi tarball distcheck
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
	"do_$name"
	case $? in
	0)	echo "$name: passed ($SECONDS s)"
		;;
	"$SKIP")
		echo "$name: skipped, or some of it, see above ($SECONDS s)"
		skipped+=("$name")
		;;
	*)	echo "$name: FAILED ($SECONDS s)"
		failed+=("$name")
		;;
	esac
done

echo
test ${#skipped[@]} -eq 0 ||
	echo "qa: skipped: ${skipped[*]}"
if test ${#failed[@]} -gt 0; then
	echo "qa: failed: ${failed[*]}; logs in $dir"
	exit 1
fi
test -n "${QA_DIR:-}" || rm -rf "$dir"
echo "qa: nothing failed: $*"
