#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Nothing escapes tests/fault_points: what the library calls is a point there
# or cannot fail, and every exported function has a scenario.  That every
# point is made to fail the program sees to by itself.  Run by "make check",
# or by hand in the build directory.

LC_ALL=C
export LC_ALL
top=${top_srcdir:-$(dirname "$0")/..}
objects=${1:-.libs/libfault.a}
program=${2:-tests/fault_points}
nm=${NM:-nm}

command -v "${nm%% *}" >/dev/null || {
	echo "skip: ${nm%% *} is not installed: the calls cannot be read"
	exit 77
}
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
rc=0

# One per line; what follows is why it is no point.  A call that can fail does
# not belong here but in tests/fault_sites.h.
cat >"$tmp/cannot" <<'END'
_GLOBAL_OFFSET_TABLE_           no call
_Unwind_Resume                  the compiler's
__sched_cpucount                never fails
__assert_fail                   does not return
__errno_location                never fails
__gcc_personality_v0            the compiler's
__rseq_offset                   no call
__rseq_size                     no call
__pthread_cleanup_routine       the C library's, for pthread_cleanup_push()
abort                           does not return
bcmp                            never fails: what clang makes of memcmp
clock_gettime                   fails only for clocks that are not there
clock_nanosleep                 interrupted at worst: callers look again
dladdr                          knows no module: an address is reported
memcmp                          never fails
gettid                          never fails
memcpy                          never fails
memset                          never fails
pthread_cond_destroy            never fails in glibc and musl
pthread_cond_init               never fails in glibc and musl
pthread_cond_signal             never fails
pthread_cond_timedwait          a time-out is no failure
pthread_cond_wait               never fails
pthread_condattr_destroy        never fails in glibc and musl
pthread_condattr_init           never fails in glibc and musl
pthread_condattr_setclock       fails only for other clocks
pthread_equal                   never fails
pthread_mutex_lock              fails only when misused
pthread_mutex_unlock            fails only when misused
pthread_once                    never fails
pthread_self                    never fails
pthread_setcancelstate          fails only when misused
pthread_spin_trylock            its failure is the way to stand back
pthread_spin_unlock             never fails
sched_getcpu                    answers -1 where it cannot: not known
secure_getenv                   never fails: there is none
snprintf                        a name, cut short at worst; no wide characters
strcmp                          never fails
strcspn                         never fails
strlen                          never fails
strncmp                         never fails
sysconf                         the page size is always there; processors: at
                                least one is supposed
vsnprintf                       a report, cut short at worst
write                           a report: nothing is left to do
END
awk '{ print $1 }' "$tmp/cannot" | sort >"$tmp/known"

# What a compiler adds: sanitizers, coverage, stack protector, atomics; checked
# forms of what is known already.
$nm "$objects" >"$tmp/nm" || exit 1
awk 'NF == 3 { print $3 }' "$tmp/nm" | sort -u >"$tmp/defined"
awk '$1 == "U" { print $2 }' "$tmp/nm" |
	sed -E '/^(fault_|__(asan|lsan|tsan|ubsan|sanitizer|gcov|llvm|stack_chk|aarch64)_)/d
		s/^__([a-z]+)_chk$/\1/' | sort -u | comm -23 - "$tmp/defined" |
	comm -23 - "$tmp/known" >"$tmp/escaped"
test -s "$tmp/defined" || {
	echo "FAIL: $objects defines nothing"
	rc=1
}
test ! -s "$tmp/escaped" || {
	echo "FAIL: neither a point nor known not to fail:" \
		$(cat "$tmp/escaped")
	rc=1
}

sed -n 's/^[[:space:]]*\(kmempool_[a-z0-9_]*\);.*/\1/p' \
	"$top/lib/libkmempool.map" | sort >"$tmp/exported"
"$program" symbols | sort -u >"$tmp/scenarios"
diff "$tmp/exported" "$tmp/scenarios" >"$tmp/diff" || {
	echo "FAIL: exported functions (<) and those with scenarios (>) differ:"
	cat "$tmp/diff"
	rc=1
}

test $rc -ne 0 ||
	echo "$(wc -l <"$tmp/exported") functions, no call goes past"
exit $rc
