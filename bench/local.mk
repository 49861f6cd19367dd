# SPDX-License-Identifier: MIT

# Measurements.  Built always, so that they keep compiling; never in TESTS.
noinst_PROGRAMS += bench/layer
bench_layer_SOURCES = bench/layer.c bench/empty_layer.h
bench_layer_LDADD = libkmempool.la bench/libempty.la
EXTRA_DIST += bench/layer.sh

# A shared library that is not installed: libtool makes one only if it is told
# a place for it.
noinst_LTLIBRARIES += bench/libempty.la
bench_libempty_la_SOURCES = bench/empty_layer.c bench/empty_layer.h
bench_libempty_la_LDFLAGS = $(PTHREAD_FLAGS) $(SAN_FLAGS) \
	-avoid-version -shared -rpath /nowhere

.PHONY: bench
bench: bench/layer
	bench/layer
	$(srcdir)/bench/layer.sh bench/layer
