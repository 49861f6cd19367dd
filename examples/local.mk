# SPDX-License-Identifier: MIT

# Every example is built with the library and run by "make check", as it
# stands here, in README and in the manual.
EXAMPLES = \
	examples/alloc_until \
	examples/attr \
	examples/bulk \
	examples/caches \
	examples/crypt_pages \
	examples/find \
	examples/first \
	examples/free \
	examples/gfp \
	examples/hello \
	examples/kick \
	examples/kmalloc \
	examples/nfs_write \
	examples/pages \
	examples/reqpool \
	examples/resize \
	examples/sheaf \
	examples/shutdown \
	examples/slabreserve \
	examples/stats \
	examples/two_pools \
	examples/twolevel \
	examples/typed \
	examples/version
if HAVE_CXX
EXAMPLES += examples/objcache
endif
examples_objcache_SOURCES = examples/objcache.cc
examples_objcache_CXXFLAGS = $(AM_CXXFLAGS) -std=c++17 -Wall -Wextra -pedantic
noinst_PROGRAMS += $(EXAMPLES)
TESTS += $(EXAMPLES)

# Needs arguments; run by tests/blockcopy.sh and quickstart.
noinst_PROGRAMS += examples/blockcopy
examples_blockcopy_SOURCES = \
	examples/blockcopy.c \
	examples/blockcopy.h \
	examples/blockcopy_crc.c \
	examples/blockcopy_files.c \
	examples/blockcopy_memory.c \
	examples/blockcopy_pipeline.c \
	examples/blockcopy_report.c \
	examples/blockcopy_squeeze.c
