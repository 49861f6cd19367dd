# SPDX-License-Identifier: MIT

TEST_EXTENSIONS = .sh

# What the scripts need to build and look as this build does.
if HAVE_CXX
tests_cxx = $(CXX)
endif
AM_TESTS_ENVIRONMENT = \
	top_srcdir='$(top_srcdir)'; top_builddir='$(top_builddir)'; \
	CC='$(CC)'; CXX='$(tests_cxx)'; CFLAGS='$(CFLAGS)'; \
	LDFLAGS='$(LDFLAGS)'; SAN_FLAGS='$(SAN_FLAGS)'; NM='$(NM)'; \
	PKGCONFIG='$(PKGCONFIG)'; MAKE='$(MAKE)'; \
	: $${ASAN_OPTIONS=detect_stack_use_after_return=1}; \
	export top_srcdir top_builddir CC CXX CFLAGS LDFLAGS SAN_FLAGS NM; \
	export PKGCONFIG MAKE ASAN_OPTIONS;

# Of the sources alone: the same in every build.
source_scripts = \
	man/check_examples.sh \
	tests/check_errnos.sh \
	tests/check_guarantees.sh \
	tests/check_man.sh \
	tests/model/run.sh
check_SCRIPTS = \
	$(source_scripts) \
	tests/blockcopy.sh \
	tests/check_exports.sh \
	tests/check_install.sh \
	tests/check_straight.sh \
	tests/fault_calls.sh \
	tests/layer_without.sh \
	tests/time_namespace.sh
TESTS += $(check_SCRIPTS)
EXTRA_DIST += $(check_SCRIPTS) tests/errnos.list \
	tests/model/cached.pml tests/model/layer.pml tests/model/wait.pml

# The headers, from both languages.
check_PROGRAMS += tests/header_c
TESTS += tests/header_c
tests_header_c_SOURCES = tests/header_c.c
tests_header_c_CPPFLAGS = $(AM_CPPFLAGS) \
	-DTEST_PACKAGE_VERSION='"$(PACKAGE_VERSION)"'
tests_header_c_CFLAGS = $(AM_CFLAGS) -std=c11 -pedantic

if HAVE_CXX
check_PROGRAMS += tests/header_cxx
TESTS += tests/header_cxx
endif
tests_header_cxx_SOURCES = tests/header_cxx.cc
tests_header_cxx_CXXFLAGS = $(AM_CXXFLAGS) -std=c++17 -Wall -Wextra -pedantic

# The drop-in headers: code written for the kernel; a program with a kernel
# shim of its own, position independent and not; waiting threads with
# destructors, cancelled.
compat_cppflags = $(AM_CPPFLAGS) -I$(top_srcdir)/include/kmempool/compat
compat_tests = \
	tests/compat_kernel \
	tests/compat_stub
tests_compat_kernel_CPPFLAGS = $(compat_cppflags)
tests_compat_stub_CPPFLAGS = $(compat_cppflags)
tests_compat_stub_SOURCES = \
	tests/compat_stub.c \
	tests/compat_stub_shim.c \
	tests/compat_stub_shim.h
tests_compat_stub_LDFLAGS = $(AM_LDFLAGS) -export-dynamic

# ThreadSanitizer needs position-independent programs.
if !HAVE_SANITIZER
compat_tests += tests/compat_stub_nopie
endif
tests_compat_stub_nopie_CPPFLAGS = $(compat_cppflags) -DTEST_NO_PIE
tests_compat_stub_nopie_CFLAGS = $(AM_CFLAGS) -fno-pie
tests_compat_stub_nopie_SOURCES = $(tests_compat_stub_SOURCES)
tests_compat_stub_nopie_LDFLAGS = $(tests_compat_stub_LDFLAGS) -no-pie

if HAVE_CXX
compat_tests += tests/compat_cxx
endif
tests_compat_cxx_SOURCES = tests/compat_cxx.cc
tests_compat_cxx_CPPFLAGS = $(compat_cppflags)
tests_compat_cxx_CXXFLAGS = $(AM_CXXFLAGS) -std=c++17 -Wall -Wextra -pedantic
check_PROGRAMS += $(compat_tests)
TESTS += $(compat_tests)

check_LTLIBRARIES += libtestlib.la
libtestlib_la_SOURCES = \
	tests/suite.h \
	tests/testlib.c \
	tests/testlib.h

# White-box tests see hidden symbols: they link the objects, not the library.
if HAVE_CHECK
unit_tests = \
	tests/check_attr \
	tests/check_backend \
	tests/check_bulk \
	tests/check_cache \
	tests/check_cached \
	tests/check_cap \
	tests/check_checked \
	tests/check_fork \
	tests/check_kmalloc \
	tests/check_layer \
	tests/check_lock \
	tests/check_mempool \
	tests/check_misuse \
	tests/check_order \
	tests/check_policy \
	tests/check_recall \
	tests/check_registry \
	tests/check_report \
	tests/check_resize \
	tests/check_retry \
	tests/check_runs \
	tests/check_sheaf \
	tests/check_slabs \
	tests/check_stats \
	tests/check_threads \
	tests/check_typed \
	tests/check_wait \
	tests/check_whitebox
endif
check_PROGRAMS += $(unit_tests)
TESTS += $(unit_tests)

unit_cflags = $(AM_CFLAGS) $(CHECK_CFLAGS)
unit_libs = libtestlib.la libkmempool.la $(CHECK_LIBS)
lanes_wrapped = $(AM_LDFLAGS) \
	-Wl,--wrap=lane_fence \
	-Wl,--wrap=mmap
tests_check_attr_CFLAGS = $(unit_cflags)
tests_check_attr_LDADD = $(unit_libs)
tests_check_backend_CFLAGS = $(unit_cflags)
tests_check_backend_LDADD = $(unit_libs)
tests_check_bulk_CFLAGS = $(unit_cflags)
tests_check_bulk_LDADD = $(unit_libs)
tests_check_cache_CFLAGS = $(unit_cflags)
tests_check_cache_LDADD = $(unit_libs)
tests_check_cached_SOURCES = \
	tests/absent.c \
	tests/absent.h \
	tests/check_cached.c \
	tests/lanes.c \
	tests/lanes.h
tests_check_cached_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/lib
tests_check_cached_CFLAGS = $(unit_cflags)
tests_check_cached_LDFLAGS = $(lanes_wrapped)
tests_check_cached_LDADD = libtestlib.la libkmempool_core.la $(CHECK_LIBS)
tests_check_cap_CFLAGS = $(unit_cflags)
tests_check_cap_LDADD = $(unit_libs)
tests_check_checked_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/lib
tests_check_checked_CFLAGS = $(unit_cflags)
tests_check_checked_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=mmap
tests_check_checked_LDADD = libtestlib.la libkmempool_core.la $(CHECK_LIBS)
tests_check_fork_CFLAGS = $(unit_cflags)
tests_check_fork_LDADD = $(unit_libs)
tests_check_kmalloc_CFLAGS = $(unit_cflags)
tests_check_kmalloc_LDADD = $(unit_libs)
tests_check_layer_SOURCES = \
	tests/check_layer.c \
	tests/lanes.c \
	tests/lanes.h
tests_check_layer_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/lib
tests_check_layer_CFLAGS = $(unit_cflags)
tests_check_layer_LDFLAGS = $(lanes_wrapped)
tests_check_layer_LDADD = libtestlib.la libkmempool_core.la $(CHECK_LIBS)
tests_check_lock_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/lib
tests_check_lock_CFLAGS = $(unit_cflags)
tests_check_lock_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=clock_nanosleep \
	-Wl,--wrap=pthread_spin_trylock
tests_check_lock_LDADD = libtestlib.la libkmempool_core.la $(CHECK_LIBS)
tests_check_mempool_CFLAGS = $(unit_cflags)
tests_check_mempool_LDADD = $(unit_libs)
tests_check_misuse_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/lib
tests_check_misuse_CFLAGS = $(unit_cflags)
tests_check_misuse_LDADD = libtestlib.la libkmempool_core.la $(CHECK_LIBS)
tests_check_order_CFLAGS = $(unit_cflags)
tests_check_order_LDADD = $(unit_libs)
tests_check_policy_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/lib
tests_check_policy_CFLAGS = $(unit_cflags)
tests_check_policy_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=sched_getaffinity
tests_check_policy_LDADD = libtestlib.la libkmempool_core.la $(CHECK_LIBS)
tests_check_recall_SOURCES = \
	tests/absent.c \
	tests/absent.h \
	tests/check_recall.c \
	tests/lanes.c \
	tests/lanes.h
tests_check_recall_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/lib
tests_check_recall_CFLAGS = $(unit_cflags)
tests_check_recall_LDFLAGS = $(lanes_wrapped)
tests_check_recall_LDADD = libtestlib.la libkmempool_core.la $(CHECK_LIBS)
tests_check_registry_CFLAGS = $(unit_cflags)
tests_check_registry_LDADD = $(unit_libs)
tests_check_report_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/lib
tests_check_report_CFLAGS = $(unit_cflags)
tests_check_report_LDADD = libtestlib.la libkmempool_core.la $(CHECK_LIBS)
tests_check_resize_CFLAGS = $(unit_cflags)
tests_check_resize_LDADD = $(unit_libs)
tests_check_retry_CFLAGS = $(unit_cflags)
tests_check_retry_LDADD = $(unit_libs)
tests_check_runs_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/lib
tests_check_runs_CFLAGS = $(unit_cflags)
tests_check_runs_LDADD = libtestlib.la libkmempool_core.la $(CHECK_LIBS)
tests_check_sheaf_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/lib
tests_check_sheaf_CFLAGS = $(unit_cflags)
tests_check_sheaf_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=malloc \
	-Wl,--wrap=mmap
tests_check_sheaf_LDADD = libtestlib.la libkmempool_core.la $(CHECK_LIBS)
tests_check_slabs_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/lib
tests_check_slabs_CFLAGS = $(unit_cflags)
tests_check_slabs_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=calloc \
	-Wl,--wrap=madvise \
	-Wl,--wrap=mmap \
	-Wl,--wrap=mremap \
	-Wl,--wrap=munmap \
	-Wl,--wrap=posix_memalign \
	-Wl,--wrap=strdup
tests_check_slabs_LDADD = libtestlib.la libkmempool_core.la $(CHECK_LIBS)
tests_check_stats_CFLAGS = $(unit_cflags)
tests_check_stats_LDADD = $(unit_libs)
tests_check_threads_CFLAGS = $(unit_cflags)
tests_check_threads_LDADD = $(unit_libs)
tests_check_typed_CFLAGS = $(unit_cflags)
tests_check_typed_LDADD = $(unit_libs)
tests_check_wait_CFLAGS = $(unit_cflags)
tests_check_wait_LDADD = $(unit_libs)
tests_check_whitebox_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/lib
tests_check_whitebox_CFLAGS = $(unit_cflags)
tests_check_whitebox_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=calloc \
	-Wl,--wrap=clock_gettime \
	-Wl,--wrap=mmap \
	-Wl,--wrap=pthread_mutexattr_setprotocol \
	-Wl,--wrap=pthread_setspecific
tests_check_whitebox_LDADD = libtestlib.la libkmempool_core.la $(CHECK_LIBS)

# Every call that can fail is made to: the library's sources once more, with
# these calls replaced by the preprocessor.
check_LTLIBRARIES += libfault.la
libfault_la_SOURCES = $(libkmempool_core_la_SOURCES) tests/fault_sites.h
libfault_la_CPPFLAGS = $(AM_CPPFLAGS) \
	-include $(top_srcdir)/tests/fault_sites.h
libfault_la_CFLAGS = $(AM_CFLAGS) $(LIB_CFLAGS)
check_PROGRAMS += tests/fault_points
TESTS += tests/fault_points
tests_fault_points_SOURCES = \
	tests/fault.c \
	tests/fault.h \
	tests/fault_cache.c \
	tests/fault_kmalloc.c \
	tests/fault_life.c \
	tests/fault_sites.h \
	tests/fault_use.c
tests_fault_points_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/lib
tests_fault_points_LDADD = libtestlib.la libfault.la

# Everything at once, at random; longer with KMEMPOOL_TEST_LONG=1.
random_tests = \
	tests/churn \
	tests/model_cache \
	tests/model_mempool \
	tests/storm \
	tests/storm_cache \
	tests/storm_cached \
	tests/storm_layer
check_PROGRAMS += $(random_tests)
TESTS += $(random_tests)
tests_churn_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=mmap
tests_churn_LDADD = libtestlib.la libkmempool_core.la
tests_model_cache_LDADD = libtestlib.la libkmempool.la
tests_model_mempool_LDADD = libtestlib.la libkmempool.la
tests_storm_LDADD = libtestlib.la libkmempool.la
tests_storm_cache_SOURCES = tests/storm.h tests/storm_cache.c
tests_storm_cache_LDADD = libtestlib.la libkmempool.la
tests_storm_cached_SOURCES = tests/storm.h tests/storm_cached.c
tests_storm_cached_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/lib
tests_storm_cached_LDADD = libtestlib.la libkmempool_core.la
tests_storm_layer_SOURCES = tests/storm.h tests/storm_layer.c
tests_storm_layer_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/lib
tests_storm_layer_LDADD = libtestlib.la libkmempool_core.la

check_PROGRAMS += tests/prio_inherit
TESTS += tests/prio_inherit
tests_prio_inherit_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/lib
tests_prio_inherit_LDADD = libkmempool_core.la

# The library as a plugin.  A module that is not installed is shared only if it
# has an -rpath.
check_PROGRAMS += tests/dlopen_tls
TESTS += tests/dlopen_tls
tests_dlopen_tls_LDADD = -ldl
EXTRA_tests_dlopen_tls_DEPENDENCIES = \
	libkmempool.la \
	tests/tls_filler64.la \
	tests/tls_filler128.la
check_LTLIBRARIES += tests/tls_filler64.la tests/tls_filler128.la
tls_filler_ldflags = $(AM_LDFLAGS) -module -avoid-version -rpath /nowhere
tests_tls_filler64_la_SOURCES = tests/tls_filler.c
tests_tls_filler64_la_CPPFLAGS = -DTLS_SIZE=64
tests_tls_filler64_la_LDFLAGS = $(tls_filler_ldflags)
tests_tls_filler128_la_SOURCES = tests/tls_filler.c
tests_tls_filler128_la_CPPFLAGS = -DTLS_SIZE=128
tests_tls_filler128_la_LDFLAGS = $(tls_filler_ldflags)

# Every schedule of a few threads over the real code: the library's sources
# once more, with the invariants checked, and pthreads replaced by the linker.
# A sanitizer would not know the fibers.
if !HAVE_SANITIZER
check_PROGRAMS += tests/explore/explore
TESTS += tests/explore/explore
endif
tests_explore_explore_SOURCES = \
	lib/attr.c \
	lib/backend.c \
	lib/batch.c \
	lib/bulk.c \
	lib/cache.c \
	lib/cached.c \
	lib/cachelife.c \
	lib/cap.c \
	lib/checked.c \
	lib/core.c \
	lib/counters.c \
	lib/deadline.c \
	lib/debug.c \
	lib/fill.c \
	lib/find.c \
	lib/fork.c \
	lib/invariant.c \
	lib/kmalloc.c \
	lib/lane.c \
	lib/layer.c \
	lib/lifecycle.c \
	lib/lock.c \
	lib/magazine.c \
	lib/mempool.c \
	lib/misuse.c \
	lib/pagemap.c \
	lib/pages.c \
	lib/recall.c \
	lib/reclaim.c \
	lib/registry.c \
	lib/report.c \
	lib/reserve.c \
	lib/resize.c \
	lib/retry.c \
	lib/runs.c \
	lib/slab.c \
	lib/slabs.c \
	lib/spin.c \
	lib/stats.c \
	lib/track.c \
	lib/typed.c \
	lib/validate.c \
	lib/version.c \
	lib/wait.c \
	lib/waitq.c \
	tests/explore/atomics.h \
	tests/explore/cpus.c \
	tests/explore/cpus.h \
	tests/explore/explore.h \
	tests/explore/fiber.h \
	tests/explore/forks.c \
	tests/explore/order.c \
	tests/explore/rseq.h \
	tests/explore/scenarios_bulk.c \
	tests/explore/scenarios_cache.c \
	tests/explore/scenarios_cache.h \
	tests/explore/scenarios_cached.c \
	tests/explore/scenarios_cap.c \
	tests/explore/scenarios_fork.c \
	tests/explore/scenarios_layer.c \
	tests/explore/scenarios_life.c \
	tests/explore/scenarios_pass.c \
	tests/explore/scenarios_registry.c \
	tests/explore/scenarios_retry.c \
	tests/explore/scenarios_spin.c \
	tests/explore/scenarios_wait.c \
	tests/explore/sched.c \
	tests/explore/search.c \
	tests/explore/spins.c \
	tests/explore/world.c \
	tests/explore/world.h \
	tests/explore/wrap.c
tests_explore_explore_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/lib \
	-DENABLE_DEBUG=1 -include $(top_srcdir)/tests/explore/atomics.h \
	-include $(top_srcdir)/tests/explore/rseq.h
tests_explore_explore_CFLAGS = $(AM_CFLAGS) $(LIB_CFLAGS)
tests_explore_explore_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=__assert_fail \
	-Wl,--wrap=abort \
	-Wl,--wrap=clock_gettime \
	-Wl,--wrap=clock_nanosleep \
	-Wl,--wrap=counters_own_bed \
	-Wl,--wrap=deadline_about_now_ns \
	-Wl,--wrap=pages_map \
	-Wl,--wrap=pages_unmap \
	-Wl,--wrap=pthread_atfork \
	-Wl,--wrap=pthread_cond_broadcast \
	-Wl,--wrap=pthread_cond_destroy \
	-Wl,--wrap=pthread_cond_init \
	-Wl,--wrap=pthread_cond_signal \
	-Wl,--wrap=pthread_cond_timedwait \
	-Wl,--wrap=pthread_cond_wait \
	-Wl,--wrap=pthread_mutex_destroy \
	-Wl,--wrap=pthread_mutex_init \
	-Wl,--wrap=pthread_mutex_lock \
	-Wl,--wrap=pthread_mutex_unlock \
	-Wl,--wrap=pthread_self \
	-Wl,--wrap=pthread_setcancelstate \
	-Wl,--wrap=pthread_spin_destroy \
	-Wl,--wrap=pthread_spin_init \
	-Wl,--wrap=pthread_spin_trylock \
	-Wl,--wrap=pthread_spin_unlock \
	-Wl,--wrap=retry_left \
	-Wl,--wrap=sched_getaffinity \
	-Wl,--wrap=sched_getcpu \
	-Wl,--wrap=spin_begin \
	-Wl,--wrap=spin_until \
	-Wl,--wrap=wait_for \
	-Wl,--wrap=waitq_join \
	-Wl,--wrap=waitq_may_claim \
	-Wl,--wrap=waitq_may_take \
	-Wl,--wrap=waitq_may_take_and_claim
tests_explore_explore_LDADD =
EXTRA_DIST += tests/explore/bugs.list tests/explore/bugs.sh
