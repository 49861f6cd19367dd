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
	bench/options.c \
	bench/options.h \
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
	bench/options.c \
	bench/options.h \
	bench/pairs.c \
	bench/pairs.h \
	bench/relay.c \
	bench/relay.h \
	bench/relay_ways.c \
	bench/verdict.c \
	bench/verdict.h

# What allocators are measured with, one file for each.  What only some machines
# have is in libraries of their own, since they want flags of their own.
bench_trials_sources = \
	bench/adapter.h \
	bench/adapter_dlopen.c \
	bench/adapter_dlopen.h \
	bench/adapter_glibc.c \
	bench/adapter_kmempool.c \
	bench/adapter_mimalloc.c \
	bench/adapter_tcmalloc.c \
	bench/cpus.c \
	bench/cpus.h \
	bench/figures.c \
	bench/figures.h \
	bench/options.c \
	bench/options.h \
	bench/process.c \
	bench/process.h \
	bench/trials.c \
	bench/trials.h \
	bench/verdict.c \
	bench/verdict.h \
	bench/work.h \
	bench/work_heap.c \
	bench/workers.c \
	bench/workers.h

noinst_PROGRAMS += bench/slabs
bench_slabs_SOURCES = bench/slabs.c $(bench_trials_sources)
bench_slabs_LDADD = libkmempool.la -lm

noinst_PROGRAMS += bench/peers
bench_peers_SOURCES = \
	bench/adapter_array.c \
	bench/adapter_jemalloc.c \
	bench/adapter_nothing.c \
	bench/adapter_plant.c \
	bench/adapter_plant.h \
	bench/adapter_tbb.c \
	bench/adapters.c \
	bench/adapters.h \
	bench/goals.c \
	bench/goals.h \
	bench/peers.c \
	bench/work_across.c \
	bench/work_last.c \
	bench/work_pairs.c \
	$(bench_trials_sources)
bench_peers_CPPFLAGS = $(AM_CPPFLAGS)
# All are called by way of a pointer, as those that dlopen() has found are.
bench_peers_CFLAGS = $(AM_CFLAGS) -fno-plt
bench_peers_LDADD = libkmempool.la -lm
if HAVE_GLIB
bench_peers_SOURCES += bench/adapter_gslice.c
bench_peers_CPPFLAGS += $(GLIB_CFLAGS)
bench_peers_LDADD += $(GLIB_LIBS)
endif
if HAVE_APR
bench_peers_SOURCES += bench/adapter_apr.c
bench_peers_CPPFLAGS += $(APR_CFLAGS)
bench_peers_LDADD += $(APR_LIBS)
endif
if HAVE_CK
bench_peers_SOURCES += bench/adapter_ck.c
bench_peers_CPPFLAGS += $(CK_CFLAGS)
bench_peers_LDADD += $(CK_LIBS)
endif
if HAVE_RTE
noinst_LTLIBRARIES += bench/librte.la
bench_librte_la_SOURCES = bench/adapter_rte.c
bench_librte_la_CFLAGS = $(AM_CFLAGS) $(RTE_CFLAGS)
bench_peers_LDADD += bench/librte.la $(RTE_LIBS)
endif
if HAVE_BOOST
noinst_LTLIBRARIES += bench/libboost.la
bench_libboost_la_SOURCES = bench/adapter_boost.cc
bench_libboost_la_CXXFLAGS = $(AM_CXXFLAGS) -std=c++17 -Wall -Wextra
bench_peers_LDADD += bench/libboost.la -lstdc++
endif

EXTRA_DIST += bench/sizes bench/sizes.c bench/sizes.sh
# A list, whatever make knows to do with a sizes.c that is younger.
bench/sizes: ;

EXTRA_DIST += bench/contention.svg bench/peers.svg bench/plants.sh \
	bench/plot.sh
CLEANFILES += bench/contention.csv bench/handoff.csv bench/peers.csv

.PHONY: bench bench-contention bench-handoff bench-peers
bench: bench-contention bench-handoff bench-peers bench/layer bench/slabs
	bench/slabs
	bench/layer
	$(srcdir)/bench/layer.sh bench/layer

# The plot in the source tree is made of this by hand, on a quiet machine.
bench-contention: bench/contention
	bench/contention --csv bench/contention.csv
	$(srcdir)/bench/plot.sh contention bench/contention.csv \
		bench/contention.svg || test $$? -eq 77

bench-handoff: bench/handoff
	bench/handoff --csv bench/handoff.csv

bench-peers: bench/peers
	bench/peers --csv bench/peers.csv
	$(srcdir)/bench/plot.sh peers bench/peers.csv bench/peers.svg || \
		test $$? -eq 77
