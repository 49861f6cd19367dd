#!/bin/sh
# SPDX-License-Identifier: MIT
#
# What sizes a program, and all it starts, ask malloc() for.
#
#   bench/sizes.sh PROGRAM [ARGUMENT...] >FILE
#
# bench/sizes was made so of gcc and g++ compiling C and C++.

set -u
export LC_ALL=C
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT

${CC:-cc} -O2 -shared -fPIC -o "$dir/sizes.so" "$(dirname "$0")/sizes.c" ||
	exit 1
LD_PRELOAD=$dir/sizes.so SIZES=$dir/sizes "$@" >&2 || exit 1
echo "# SPDX-License-Identifier: MIT"
echo "# What a program asks malloc() for, by bench/sizes.sh: bytes, calls."
awk '{ calls[$1] += $2 } END { for (size in calls) print size, calls[size] }' \
	"$dir/sizes" | sort -n
