#!/bin/sh
# SPDX-License-Identifier: MIT
#
# How many instructions a function takes if all goes well, by its disassembly:
# valgrind cannot run restartable sequences, and so not count them.
#
#   tools/straight.sh LIBRARY FUNCTION[:NUMBER,...]...
#
# Follows the code as it lies: no conditional jump is taken, since compilers put
# there what is not expected; other jumps, and calls within the library, are.
# Where a compiler did otherwise, say which of those it meets are to be taken:
# f:2,5 for the second and the fifth.  Ends with the return of the function.  What cannot be followed, as a call into
# another library, is said in words; the count is of what comes before it, and
# the exit status 1.  For x86-64 only; 77 elsewhere.
set -eu
export LC_ALL=C

test $# -ge 2 || {
	echo "usage: tools/straight.sh LIBRARY FUNCTION[:NUMBER,...]..." >&2
	exit 2
}
library=$1
shift

command -v objdump >/dev/null || {
	echo "skip: objdump is not installed"
	exit 77
}
objdump -f "$library" | grep -q 'i386:x86-64' || {
	echo "skip: $library is not of x86-64"
	exit 77
}

objdump -d --no-show-raw-insn -w "$library" | awk -v functions="$*" '
	BEGIN { max = 10000 }
	# 0000000000001100 <name>:
	/^[0-9a-f]+ <.*>:$/ {
		name = substr($2, 2, length($2) - 3)
		sub(/@.*/, "", name)
		entry[name] = nr + 1
		next
	}
	# "    1100:" TAB "jne    1120 <name+0x20>"
	/^ *[0-9a-f]+:\t/ {
		split($0, part, "\t")
		address = part[1]
		gsub(/[ :]/, "", address)
		at[address] = ++nr
		text = part[2]
		sub(/^((bnd|notrack|rep|repz|lock|cs|data16) +)+/, "", text)
		split(text, word, " ")
		op[nr] = word[1]
		to[nr] = word[2]
		what[nr] = text
		gsub(/ +/, " ", what[nr])
	}
	function outside(i) {
		return what[i] ~ /@plt/ || !(to[i] in at)
	}
	# Sets count; returns why it ended, or nothing.
	function follow(i, take,   depth, back, met) {
		count = depth = met = 0
		while (count < max) {
			count++
			if (op[i] ~ /^ret/) {
				if (!depth)
					return ""
				i = back[depth--]
			} else if (op[i] ~ /^(ud2|hlt)/) {
				return "it ends with " op[i]
			} else if (op[i] ~ /^(jmp|call)/) {
				if (outside(i))
					return what[i]
				if (op[i] ~ /^call/)
					back[++depth] = i + 1
				i = at[to[i]]
			} else if (op[i] ~ /^j/ &&
				   index(take, "," ++met ",")) {
				i = at[to[i]]
			} else {
				i++
			}
		}
		return "it does not end"
	}
	END {
		n = split(functions, wanted, " ")
		for (f = 1; f <= n; f++) {
			split(wanted[f], part, ":")
			name = part[1]
			if (!(name in entry)) {
				print name ": there is no such function"
				failed = 1
				continue
			}
			why = follow(entry[name], "," part[2] ",")
			printf "%s %d%s\n", wanted[f], count, why ? ": " why : ""
			failed = failed || why
		}
		exit failed
	}'
