# SPDX-License-Identifier: MIT

dist_man_MANS += \
	man/gfp_flags.7 \
	man/gfpflags_allow_blocking.3 \
	man/kmempool_set_report.3 \
	man/kmempool_version.3 \
	man/libkmempool-guarantees.7 \
	man/libkmempool.7 \
	man/mempool_alloc.3 \
	man/mempool_alloc_bulk.3 \
	man/mempool_alloc_bulk_until.3 \
	man/mempool_alloc_noreserve.3 \
	man/mempool_alloc_pages.3 \
	man/mempool_alloc_preallocated.3 \
	man/mempool_alloc_until.3 \
	man/mempool_create.3 \
	man/mempool_create_attr.3 \
	man/mempool_create_kmalloc_pool.3 \
	man/mempool_create_node.3 \
	man/mempool_create_page_pool.3 \
	man/mempool_destroy.3 \
	man/mempool_drain_until.3 \
	man/mempool_exit.3 \
	man/mempool_find.3 \
	man/mempool_for_each.3 \
	man/mempool_free.3 \
	man/mempool_free_bulk.3 \
	man/mempool_free_pages.3 \
	man/mempool_get_stats.3 \
	man/mempool_init.3 \
	man/mempool_init_attr.3 \
	man/mempool_init_kmalloc_pool.3 \
	man/mempool_init_node.3 \
	man/mempool_init_page_pool.3 \
	man/mempool_initialized.3 \
	man/mempool_is_saturated.3 \
	man/mempool_kfree.3 \
	man/mempool_kick.3 \
	man/mempool_kmalloc.3 \
	man/mempool_refill.3 \
	man/mempool_resize.3 \
	man/mempool_shutdown.3
