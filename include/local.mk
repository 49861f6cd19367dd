# SPDX-License-Identifier: MIT

kmempoolincludedir = $(includedir)/kmempool
kmempoolinclude_HEADERS = \
	include/kmempool/api.h \
	include/kmempool/gfp.h \
	include/kmempool/kmalloc.h \
	include/kmempool/mempool.h \
	include/kmempool/slab.h \
	include/kmempool/typed.h

# For kernel code, which includes them as <linux/mempool.h>; kmempool.pc says
# where.
compatdir = $(includedir)/kmempool/compat
compatlinuxdir = $(compatdir)/linux
compatlinux_HEADERS = \
	include/kmempool/compat/linux/gfp.h \
	include/kmempool/compat/linux/mempool.h \
	include/kmempool/compat/linux/slab.h
