# SPDX-License-Identifier: MIT

kmempoolincludedir = $(includedir)/kmempool
kmempoolinclude_HEADERS = \
	include/kmempool/gfp.h \
	include/kmempool/mempool.h
