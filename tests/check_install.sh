#!/bin/sh
# SPDX-License-Identifier: MIT
#
# What "make install" puts down is enough to build and run programs.
#
#   check_install.sh          install under a DESTDIR and try that, with
#                             pkg-config's sysroot; run by "make check" in the
#                             build directory
#   check_install.sh PREFIX   try what is already installed under PREFIX
#
# Each header alone compiles as C11 and C++17 with every warning an error; a
# program in both languages links and runs; a program that is not position
# independent gets the same addresses for the stock callbacks as the library;
# kernel code finds <linux/mempool.h> and <linux/slab.h>; the library can be
# dlopened.  The static library, if one was asked for, defines the same symbols
# as the shared one and no others, also in a program whose own names are those
# of its internals.

export LC_ALL=C
top=${top_srcdir:-$(dirname "$0")/..}
unset CDPATH MAKEFLAGS MFLAGS MAKELEVEL DESTDIR
cc=${CC:-cc}
cxx=${CXX-c++}
pkg_config=${PKGCONFIG:-$(command -v pkg-config)}
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT

test -n "$pkg_config" || {
	echo "skip: pkg-config is not installed: cannot build as a user would"
	exit 77
}

fail()
{
	echo "FAIL: $*"
	exit 1
}

if test $# -eq 0; then
	root=$tmp/root
	${MAKE:-make} -s install DESTDIR="$root" >"$tmp/log" 2>&1 || {
		cat "$tmp/log"
		fail "make install DESTDIR=$root"
	}
	pc=$(find "$root" -name kmempool.pc)
else
	root=
	pc=$(find "$1" -name kmempool.pc)
fi
test -f "$pc" || fail "no kmempool.pc was installed"
libdir=$(dirname "$(dirname "$pc")")

# Of all pkg-config files only ours counts.
PKG_CONFIG_LIBDIR=$(dirname "$pc")
PKG_CONFIG_SYSROOT_DIR=$root
PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1
PKG_CONFIG_ALLOW_SYSTEM_LIBS=1
export PKG_CONFIG_LIBDIR PKG_CONFIG_SYSROOT_DIR
export PKG_CONFIG_ALLOW_SYSTEM_CFLAGS PKG_CONFIG_ALLOW_SYSTEM_LIBS
test -n "$root" || unset PKG_CONFIG_SYSROOT_DIR
unset PKG_CONFIG_PATH
cflags=$("$pkg_config" --cflags kmempool) || fail "pkg-config --cflags"
libs=$("$pkg_config" --libs kmempool) || fail "pkg-config --libs"
LD_LIBRARY_PATH=$libdir${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export LD_LIBRARY_PATH

# Pools over malloc know their element's size only if the library recognises
# the callbacks, and __GFP_ZERO asks for that size.
cat >"$tmp/program.c" <<'END'
#include <kmempool/mempool.h>
#include <kmempool/slab.h>

static int use_cache(void)
{
	struct kmem_cache *cache = kmem_cache_create("objects", 48, 0, 0, NULL);
	void *object;

	if (!cache)
		return 3;
	object = kmem_cache_zalloc(cache, GFP_KERNEL);
	if (!object || kmem_cache_destroy(cache) == 0)
		return 4;
	kmem_cache_free(cache, object);
	return kmem_cache_destroy(cache) ? 5 : 0;
}

int main(void)
{
	mempool_t *pool = mempool_create_kmalloc_pool(2, 256);
	char *element;

	if (!pool)
		return 1;
	element = (char *)mempool_alloc(pool, GFP_KERNEL | __GFP_ZERO);
	if (!element || element[255] != 0)
		return 2;
	mempool_free(element, pool);
	mempool_destroy(pool);
	return use_cache();
}
END
cat >"$tmp/plugin.c" <<'END'
#include <dlfcn.h>
#include <stdio.h>

int main(void)
{
	void *lib = dlopen("libkmempool.so.0", RTLD_NOW);
	void *sym = lib ? dlsym(lib, "kmempool_alloc") : NULL;

	if (!sym) {
		puts(dlerror());
		return 1;
	}
	return dlclose(lib) != 0 || dlsym(RTLD_DEFAULT, "malloc") == NULL;
}
END
cp "$tmp/program.c" "$tmp/program.cc"

compat=$("$pkg_config" --variable=compatdir kmempool) ||
	fail "pkg-config --variable=compatdir"
compat=-I$root${compat#"$root"}

strict="-Wall -Wextra -Wpedantic -Werror"
include=$(find "${root:-$1}" -path '*/kmempool/mempool.h')
headers=$(cd "${include%/*}/.." && ls kmempool/*.h) ||
	fail "no headers were installed"
for header in $headers linux/gfp.h linux/mempool.h linux/slab.h; do
	printf '#include <%s>\n#include <%s>\nextern int dummy;\n' \
		"$header" "$header" >"$tmp/alone.c"
	$cc -std=c11 $strict $compat $cflags -c -o "$tmp/alone.o" "$tmp/alone.c" ||
		fail "<$header> alone as C11"
	test -z "$cxx" || $cxx -std=c++17 $strict $compat $cflags -x c++ -c \
		-o "$tmp/alone.o" "$tmp/alone.c" ||
		fail "<$header> alone as C++17"
done

# try NAME COMPILER FLAGS... - build and run
try()
{
	name=$1
	shift
	"$@" || fail "building $name: $*"
	"$tmp/a.out" || fail "$name ended with status $?"
}
o="$CFLAGS $LDFLAGS $SAN_FLAGS -o $tmp/a.out"
try "a C11 program" \
	$cc -std=c11 $strict $cflags $o "$tmp/program.c" $libs
test -z "$cxx" || try "a C++17 program" \
	$cxx -std=c++17 $strict $cflags $o "$tmp/program.cc" $libs
case $SAN_FLAGS in
*thread*)	# needs position-independent programs
	;;
*)	try "a program that is not position independent" \
		$cc -std=c11 -fno-pie -no-pie $cflags $o "$tmp/program.c" $libs
	;;
esac
sed 's,<kmempool/,<linux/,' "$tmp/program.c" >"$tmp/ported.c"
try "a program that includes <linux/mempool.h> and <linux/slab.h>" \
	$cc -std=c11 $strict $compat $cflags $o "$tmp/ported.c" $libs
try "a program that opens the library" \
	$cc -D_GNU_SOURCE $o "$tmp/plugin.c" -ldl

static=$libdir/libkmempool.a
if test -f "$static"; then
	${NM:-nm} -g --defined-only "$static" >"$tmp/nm" || fail "nm $static"
	awk 'NF == 3 { print $3 }' "$tmp/nm" | sort >"$tmp/defined"
	sed -n 's/^[[:space:]]*\(kmempool_[a-z0-9_]*\);.*/\1/p' \
		"$top/lib/libkmempool.map" | sort >"$tmp/map"
	diff "$tmp/map" "$tmp/defined" ||
		fail "the map (<) and the static library (>) differ"
	# What it has inside, defined once more.
	${NM:-nm} "$static" | sed -n 's/.* t \([a-z_]*\)$/\1/p' | sort -u |
		sed 's/.*/int &(void);\nint &(void) { return 1; }/' \
		>"$tmp/clash.c"
	grep -q waitq_serve "$tmp/clash.c" || fail "found no internals"
	try "a program with names of its own" \
		$cc -fno-builtin $cflags $o "$tmp/program.c" "$tmp/clash.c" \
		"$static" -pthread
	echo 'int main(void) { return 0; }' >"$tmp/empty.c"
	libs=$("$pkg_config" --static --libs kmempool) ||
		fail "pkg-config --static --libs"
	# There may be no static C library, and there is none of a sanitizer.
	test -n "$SAN_FLAGS" || ! $cc -static $o "$tmp/empty.c" 2>/dev/null ||
		try "a static program" \
			$cc -static $cflags $o "$tmp/program.c" $libs
	with=", also with the static library"
fi

echo "headers, programs and dlopen work from ${root:-$1}$with"
