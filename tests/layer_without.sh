#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Caches hold without restartable sequences what they hold with them: the tests
# of caches once more, with the C library told not to register any thread.
#
# Where there are no sequences anyway, nothing is left to be shown.

LC_ALL=C
export LC_ALL
dir=${top_builddir:-.}/tests
rc=0

test -x "$dir/check_layer" || {
	echo "skip: the unit tests were not built"
	exit 77
}

# has sequences|claims: whether the program says so
has()
{
	test "$("$dir/check_layer" which)" = "$1"
}

has sequences || {
	has claims || {
		echo "FAIL: check_layer does not say what it has"
		exit 1
	}
	echo "skip: no restartable sequences here: all tests run without"
	exit 77
}
GLIBC_TUNABLES=${GLIBC_TUNABLES:+$GLIBC_TUNABLES:}glibc.pthread.rseq=0
export GLIBC_TUNABLES
# The control: a tunable that is not known would test nothing.
has claims || {
	echo "FAIL: there are sequences although the C library registers none"
	exit 1
}

for program in check_layer check_recall check_cache model_cache storm_cache \
	storm_layer; do
	echo "$program"
	"$dir/$program" || {
		echo "FAIL: $program, without restartable sequences"
		rc=1
	}
done
exit $rc
