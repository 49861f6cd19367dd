# SPDX-License-Identifier: MIT

# All objects are in the core.  The shared library wraps it and exports what
# the map lists; white-box tests link the core and so test the same objects.
noinst_LTLIBRARIES += libkmempool_core.la
libkmempool_core_la_SOURCES = \
	lib/alloc.h \
	lib/attr.c \
	lib/attr.h \
	lib/backend.c \
	lib/backend.h \
	lib/batch.c \
	lib/batch.h \
	lib/bulk.c \
	lib/cache.c \
	lib/cache.h \
	lib/cached.c \
	lib/cached.h \
	lib/cachelife.c \
	lib/cap.c \
	lib/cap.h \
	lib/checked.c \
	lib/checked.h \
	lib/compiler.h \
	lib/core.c \
	lib/core.h \
	lib/counters.c \
	lib/counters.h \
	lib/deadline.c \
	lib/deadline.h \
	lib/debug.c \
	lib/debug.h \
	lib/fill.c \
	lib/fill.h \
	lib/find.c \
	lib/fork.c \
	lib/fork.h \
	lib/gfp_known.h \
	lib/invariant.h \
	lib/kmalloc.c \
	lib/kmalloc.h \
	lib/lane.c \
	lib/lane.h \
	lib/layer.c \
	lib/layer.h \
	lib/lifecycle.c \
	lib/lifecycle.h \
	lib/lock.c \
	lib/lock.h \
	lib/magazine.c \
	lib/magazine.h \
	lib/mempool.c \
	lib/misuse.c \
	lib/misuse.h \
	lib/pagemap.c \
	lib/pagemap.h \
	lib/pages.c \
	lib/pages.h \
	lib/recall.c \
	lib/recall.h \
	lib/reclaim.c \
	lib/reclaim.h \
	lib/registry.c \
	lib/registry.h \
	lib/report.c \
	lib/report.h \
	lib/reserve.c \
	lib/reserve.h \
	lib/resize.c \
	lib/retry.c \
	lib/retry.h \
	lib/rseq.c \
	lib/rseq.h \
	lib/runs.c \
	lib/runs.h \
	lib/sheaf.c \
	lib/sized.h \
	lib/slab.c \
	lib/slab.h \
	lib/slabs.c \
	lib/spin.c \
	lib/spin.h \
	lib/stats.c \
	lib/track.c \
	lib/track.h \
	lib/typed.c \
	lib/typed.h \
	lib/validate.c \
	lib/version.c \
	lib/wait.c \
	lib/wait.h \
	lib/waitq.c \
	lib/waitq.h
if ENABLE_DEBUG
libkmempool_core_la_SOURCES += lib/invariant.c
endif
libkmempool_core_la_CFLAGS = $(AM_CFLAGS) $(LIB_CFLAGS)

lib_LTLIBRARIES += libkmempool.la
libkmempool_la_SOURCES =
libkmempool_la_LIBADD = libkmempool_core.la
libkmempool_la_LDFLAGS = $(PTHREAD_FLAGS) $(SAN_FLAGS) $(LIB_LDFLAGS) \
	-no-undefined -version-info $(ABI_VERSION)
libkmempool_la_DEPENDENCIES = libkmempool_core.la
if HAVE_VERSION_SCRIPT
libkmempool_la_LDFLAGS += \
	-Wl,--version-script=$(top_srcdir)/lib/libkmempool.map
libkmempool_la_DEPENDENCIES += lib/libkmempool.map
endif
EXTRA_DIST += lib/libkmempool.abi lib/libkmempool.map

# With --enable-static: one object, in which all but the map's symbols are local.
if STATIC_LIBRARY
staticlibdir = $(libdir)
staticlib_DATA = lib/libkmempool.a
endif
CLEANFILES += lib/libkmempool.a lib/libkmempool-static.o lib/libkmempool.syms
lib/libkmempool.a: libkmempool_core.la lib/libkmempool.map
	$(AM_V_AR)sed -n 's/^[ 	]*\(kmempool_[a-z0-9_]*\);.*/\1/p' \
		$(top_srcdir)/lib/libkmempool.map >lib/libkmempool.syms && \
	$(CC) $(CFLAGS) -r -nostdlib $(STATIC_LDFLAGS) \
		-o lib/libkmempool-static.o -Wl,--whole-archive \
		.libs/libkmempool_core.a -Wl,--no-whole-archive && \
	$(OBJCOPY) --keep-global-symbols=lib/libkmempool.syms \
		lib/libkmempool-static.o && \
	rm -f $@ && $(AR) cr $@ lib/libkmempool-static.o && $(RANLIB) $@

pkgconfig_DATA += lib/kmempool.pc
