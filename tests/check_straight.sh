#!/bin/sh
# SPDX-License-Identifier: MIT
#
# tools/straight.sh counts what it says: of functions that were counted by hand.

LC_ALL=C
export LC_ALL
top=${top_srcdir:-$(dirname "$0")/..}
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT

# "plain" takes 4: test, jne, mov, ret.  "tail" takes 2 more, its test and its
# jump, and "calls" what plain takes and call, nop, ret.  "away" leaves, after 2.
cat >"$tmp/known.s" <<EOF
	.text
	.globl plain, tail, calls, away, loops
	.type plain, @function
plain:	test %rdi, %rdi
	jne 1f
	mov %rdi, %rax
	ret
1:	nop
	nop
	ret
	.type tail, @function
tail:	test %rsi, %rsi
	jmp .Lplain
	.set .Lplain, plain
	.type calls, @function
calls:	call .Lplain
	nop
	ret
	.type away, @function
away:	nop
	call *(%rdi)
	ret
	.type loops, @function
loops:	jmp loops2
loops2:	jmp .Lloops
	.set .Lloops, loops
	.section .note.GNU-stack, "", @progbits
EOF
${CC:-cc} -shared -nostdlib -o "$tmp/known.so" "$tmp/known.s" 2>"$tmp/log" || {
	echo "skip: $(uname -m): what is known is of x86-64"
	exit 77
}
"$top/tools/straight.sh" "$tmp/known.so" plain plain:1 tail calls away loops \
	nowhere >"$tmp/got"
rc=$?
test $rc -ne 77 || {
	cat "$tmp/got"
	exit 77
}
cat >"$tmp/expected" <<EOF
plain 4
plain:1 5
tail 6
calls 7
away 2: call *(%rdi)
loops 10000: it does not end
nowhere: there is no such function
EOF
diff "$tmp/expected" "$tmp/got" && test $rc -eq 1
