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

noinst_PROGRAMS += bench/contention
bench_contention_SOURCES = \
	bench/contention.c \
	bench/contest.c \
	bench/contest.h \
	bench/figures.c \
	bench/figures.h \
	bench/limits.c \
	bench/limits.h \
	bench/plant.c \
	bench/plant.h \
	bench/pool_queue.c \
	bench/pool_textbook.c \
	bench/pools.c \
	bench/pools.h \
	bench/rounds.c \
	bench/rounds.h \
	bench/table.c \
	bench/table.h \
	bench/verdict.c \
	bench/verdict.h
bench_contention_CPPFLAGS = $(AM_CPPFLAGS)
bench_contention_LDADD = libkmempool.la
if HAVE_GLIB
bench_contention_SOURCES += bench/pool_glib.c
bench_contention_CPPFLAGS += $(GLIB_CFLAGS)
bench_contention_LDADD += $(GLIB_LIBS)
endif
if HAVE_APR
bench_contention_SOURCES += bench/pool_apr.c
bench_contention_CPPFLAGS += $(APR_CFLAGS)
bench_contention_LDADD += $(APR_LIBS)
endif

noinst_PROGRAMS += bench/handoff
bench_handoff_SOURCES = \
	bench/cpus.c \
	bench/cpus.h \
	bench/figures.c \
	bench/figures.h \
	bench/handoff.c \
	bench/idle.c \
	bench/idle.h \
	bench/pairs.c \
	bench/pairs.h \
	bench/relay.c \
	bench/relay.h \
	bench/relay_ways.c \
	bench/verdict.c \
	bench/verdict.h

noinst_PROGRAMS += bench/slabs
bench_slabs_SOURCES = \
	bench/figures.c \
	bench/figures.h \
	bench/slabs.c \
	bench/verdict.c \
	bench/verdict.h
bench_slabs_LDADD = libkmempool.la -lm
EXTRA_DIST += bench/sizes bench/sizes.c bench/sizes.sh

EXTRA_DIST += bench/contention.svg bench/plants.sh bench/plot.sh
CLEANFILES += bench/contention.csv bench/handoff.csv

.PHONY: bench bench-contention bench-handoff
bench: bench-contention bench-handoff bench/layer bench/slabs
	bench/slabs
	bench/layer
	$(srcdir)/bench/layer.sh bench/layer

# The plot in the source tree is made of this by hand, on a quiet machine.
bench-contention: bench/contention
	bench/contention --csv bench/contention.csv
	$(srcdir)/bench/plot.sh bench/contention.csv bench/contention.svg || \
		test $$? -eq 77

bench-handoff: bench/handoff
	bench/handoff --csv bench/handoff.csv
