/* SPDX-License-Identifier: MIT */
/*
 * check_attr.c - struct mempool_attr: what is taken, what is refused
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "suite.h"
#include "testlib.h"

#define ELEMENT_SIZE	64

/* create_attr and init_attr both answer this. */
static int answer(const struct mempool_attr *attr)
{
	struct backend b;
	mempool_t storage, *pool;
	int created, initialised;

	backend_init(&b, ELEMENT_SIZE);
	errno = 0;
	pool = mempool_create_attr(2, backend_alloc, backend_free, &b, attr);
	created = pool ? 0 : -errno;
	mempool_destroy(pool);
	initialised = mempool_init_attr(&storage, 2, backend_alloc,
					backend_free, &b, attr);
	ck_assert_int_eq(mempool_initialized(&storage), initialised == 0);
	mempool_exit(&storage);
	ck_assert_int_eq(created, initialised);
	ck_assert_uint_eq(backend_calls(&b), created == 0 ? 4 : 0);
	ck_assert_uint_eq(backend_live(&b), 0);
	return created;
}

START_TEST(null_is_the_default)
{
	ck_assert_int_eq(answer(NULL), 0);
}
END_TEST

START_TEST(the_initialiser_is_accepted_as_it_is)
{
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;

	ck_assert_uint_eq(attr.size, sizeof(attr));
	ck_assert_int_eq(attr.node, MEMPOOL_NODE_ANY);
	ck_assert_int_eq(answer(&attr), 0);
}
END_TEST

START_TEST(size_0_is_the_default_size)
{
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;

	attr.size = 0;
	ck_assert_int_eq(answer(&attr), 0);
	attr.max_nr = 1;
	ck_assert_int_eq(answer(&attr), -EINVAL);
}
END_TEST

START_TEST(a_size_below_the_first_published_one_is_refused)
{
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;

	for (attr.size = 1; attr.size < sizeof(attr); attr.size++)
		ck_assert_int_eq(answer(&attr), -EINVAL);
}
END_TEST

/* The structure of a later version. */
struct later_attr {
	struct mempool_attr	attr;
	unsigned char		tail[24];
};

START_TEST(a_larger_structure_with_a_zero_tail_is_accepted)
{
	struct later_attr later = { .attr = MEMPOOL_ATTR_INIT };

	later.attr.size = sizeof(later);
	ck_assert_int_eq(answer(&later.attr), 0);
}
END_TEST

START_TEST(an_unknown_tail_that_is_not_zero_is_too_big)
{
	struct later_attr later = { .attr = MEMPOOL_ATTR_INIT };

	later.attr.size = sizeof(later);
	later.tail[_i] = 1;
	ck_assert_int_eq(answer(&later.attr), -E2BIG);
}
END_TEST

START_TEST(what_is_beyond_size_is_not_read)
{
	struct later_attr later = { .attr = MEMPOOL_ATTR_INIT };

	memset(later.tail, 0xff, sizeof(later.tail));
	ck_assert_int_eq(answer(&later.attr), 0);
}
END_TEST

static void no_stall(mempool_t *pool, void *stall_arg)
{
	(void)pool;
	(void)stall_arg;
}

START_TEST(fields_of_later_releases_are_refused)
{
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;

	switch (_i) {
	case 0:
		attr.emergency_nr = 1;
		break;
	case 1:
		attr.stall_ms = 1000;
		break;
	case 2:
		attr.stall_fn = no_stall;
		break;
	case 3:
		attr.stall_arg = &attr;
		break;
	case 4:
		attr.flags = MEMPOOL_RESIDENT;
		break;
	default:
		attr.flags = MEMPOOL_FIXED | MEMPOOL_RESIDENT;
		break;
	}
	ck_assert_int_eq(answer(&attr), -EINVAL);
}
END_TEST

START_TEST(unknown_flags_are_refused)
{
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;

	attr.flags = 1u << _i;
	ck_assert_int_eq(answer(&attr),
			 attr.flags == MEMPOOL_FIXED ||
			 attr.flags == MEMPOOL_PRIO_INHERIT ||
			 attr.flags == MEMPOOL_CACHED ? 0 : -EINVAL);
}
END_TEST

START_TEST(a_structure_of_zeros_with_its_size_is_the_default)
{
	struct mempool_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.size = sizeof(attr);
	ck_assert_int_eq(answer(&attr), 0);
}
END_TEST

START_TEST(any_node_from_0_up_is_a_hint)
{
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;

	attr.node = 0;
	ck_assert_int_eq(answer(&attr), 0);
	attr.node = INT_MAX;
	ck_assert_int_eq(answer(&attr), 0);
}
END_TEST

START_TEST(a_node_below_any_is_refused)
{
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;

	attr.node = MEMPOOL_NODE_ANY - 1;
	ck_assert_int_eq(answer(&attr), -EINVAL);
	attr.node = INT_MIN;
	ck_assert_int_eq(answer(&attr), -EINVAL);
}
END_TEST

START_TEST(a_retry_ms_above_int_max_is_refused)
{
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;

	attr.retry_ms = INT_MAX;
	ck_assert_int_eq(answer(&attr), 0);
	attr.retry_ms = (unsigned int)INT_MAX + 1;
	ck_assert_int_eq(answer(&attr), -EINVAL);
	attr.retry_ms = UINT_MAX;
	ck_assert_int_eq(answer(&attr), -EINVAL);
}
END_TEST

START_TEST(the_name_is_copied)
{
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;
	char *name = strdup("a name that goes away");
	struct backend b;
	mempool_t *pool;

	/* Who keeps the pointer reads freed memory when the pool ends. */
	backend_init(&b, ELEMENT_SIZE);
	attr.name = name;
	pool = mempool_create_attr(1, backend_alloc, backend_free, &b, &attr);
	memset(name, 0xff, strlen(name));
	free(name);
	ck_assert_ptr_nonnull(pool);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(two_pools_may_have_one_name)
{
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;
	struct backend b;
	mempool_t *one, *two;

	backend_init(&b, ELEMENT_SIZE);
	attr.name = "twins";
	one = mempool_create_attr(1, backend_alloc, backend_free, &b, &attr);
	two = mempool_create_attr(1, backend_alloc, backend_free, &b, &attr);
	ck_assert_ptr_nonnull(one);
	ck_assert_ptr_nonnull(two);
	mempool_destroy(one);
	ck_assert(pool_end(two, &b));
}
END_TEST

START_TEST(the_structure_is_read_during_the_call_only)
{
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;
	struct backend b;
	mempool_t *pool;
	void *element;

	backend_init(&b, ELEMENT_SIZE);
	attr.element_size = ELEMENT_SIZE;
	pool = mempool_create_attr(1, backend_alloc, backend_free, &b, &attr);
	memset(&attr, 0xff, sizeof(attr));
	element = mempool_alloc(pool, GFP_KERNEL | __GFP_ZERO);
	ck_assert_ptr_nonnull(element);
	mempool_free(element, pool);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(retry_ms_0_is_a_default_that_retries)
{
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;
	struct backend b;
	struct sleeper s;
	mempool_t *pool;

	backend_init(&b, ELEMENT_SIZE);
	backend_give(&b, 0);
	pool = mempool_create_attr(0, backend_alloc, backend_free, &b, &attr);
	sleeper_start(&s, pool, 0);
	ck_assert(wait_for_waiters(pool, 1));
	backend_give(&b, 1);
	ck_assert_int_eq(sleeper_join(&s), 0);
	sleeper_free(&s);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(an_element_size_above_what_a_stock_backend_returns_is_refused)
{
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;
	mempool_t *pool;

	attr.element_size = 101;
	errno = 0;
	ck_assert_ptr_null(mempool_create_attr(1, mempool_kmalloc,
					       mempool_kfree, (void *)100,
					       &attr));
	ck_assert_int_eq(errno, EINVAL);
	attr.element_size = 1024 * 1024;
	errno = 0;
	ck_assert_ptr_null(mempool_create_attr(1, mempool_alloc_pages,
					       mempool_free_pages, (void *)0,
					       &attr));
	ck_assert_int_eq(errno, EINVAL);
	attr.element_size = 100;
	pool = mempool_create_attr(1, mempool_kmalloc, mempool_kfree,
				   (void *)100, &attr);
	ck_assert_ptr_nonnull(pool);
	mempool_destroy(pool);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("attr");
	TCase *tc = tcase_create("attr");

	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_test(tc, null_is_the_default);
	tcase_add_test(tc, the_initialiser_is_accepted_as_it_is);
	tcase_add_test(tc, size_0_is_the_default_size);
	tcase_add_test(tc, a_size_below_the_first_published_one_is_refused);
	tcase_add_test(tc, a_larger_structure_with_a_zero_tail_is_accepted);
	tcase_add_loop_test(tc, an_unknown_tail_that_is_not_zero_is_too_big,
			    0, 24);
	tcase_add_test(tc, what_is_beyond_size_is_not_read);
	tcase_add_loop_test(tc, fields_of_later_releases_are_refused, 0, 6);
	tcase_add_loop_test(tc, unknown_flags_are_refused, 0, 32);
	tcase_add_test(tc, a_structure_of_zeros_with_its_size_is_the_default);
	tcase_add_test(tc, any_node_from_0_up_is_a_hint);
	tcase_add_test(tc, a_node_below_any_is_refused);
	tcase_add_test(tc, a_retry_ms_above_int_max_is_refused);
	tcase_add_test(tc, the_name_is_copied);
	tcase_add_test(tc, two_pools_may_have_one_name);
	tcase_add_test(tc, the_structure_is_read_during_the_call_only);
	tcase_add_test(tc, retry_ms_0_is_a_default_that_retries);
	tcase_add_test(tc,
		an_element_size_above_what_a_stock_backend_returns_is_refused);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
