/* SPDX-License-Identifier: MIT */
/*
 * check_mempool.c - life cycle, and single calls that need not sleep
 *
 * Covers create, init, destroy, exit, initialized and is_saturated; what the
 * backend and the reserve are asked for, in which order and with which masks;
 * zeroing; where a freed element goes; errno; the answers to bad input.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <check.h>

#include "suite.h"
#include "testlib.h"

#define UNKNOWN_BIT	0x80000000u
#define ELEMENT_SIZE	64

/* The expression gives NULL and this errno. */
#define ASSERT_FAILS(expr, error) do { \
	errno = 0; \
	ck_assert_ptr_null(expr); \
	ck_assert_int_eq(errno, error); \
} while (0)

/* ---- life cycle: each test in a loop over all ways to make a pool ------- */

#define NR_WAYS	6

/* Makes a pool in one of the ways; *@pool is storage for the init family. */
static int make(int way, mempool_t **pool, int min_nr,
		mempool_alloc_t *alloc_fn, mempool_free_t *free_fn, void *data)
{
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;

	errno = 0;
	switch (way) {
	case 0:
		*pool = mempool_create(min_nr, alloc_fn, free_fn, data);
		break;
	case 1:
		*pool = mempool_create_node(min_nr, alloc_fn, free_fn, data,
					    GFP_KERNEL, -1);
		break;
	case 2:
		*pool = mempool_create_attr(min_nr, alloc_fn, free_fn, data,
					    &attr);
		break;
	case 3:
		return mempool_init(*pool, min_nr, alloc_fn, free_fn, data);
	case 4:
		return mempool_init_node(*pool, min_nr, alloc_fn, free_fn,
					 data, GFP_KERNEL, -1);
	default:
		return mempool_init_attr(*pool, min_nr, alloc_fn, free_fn,
					 data, &attr);
	}
	return *pool ? 0 : -errno;
}

static void end(int way, mempool_t *pool)
{
	if (way < 3)
		mempool_destroy(pool);
	else
		mempool_exit(pool);
}

START_TEST(making_a_pool_fills_it_with_exactly_min_nr)
{
	struct backend b;
	mempool_t storage, *pool = &storage;

	backend_init(&b, ELEMENT_SIZE);
	ck_assert_int_eq(make(_i, &pool, 5, backend_alloc, backend_free, &b),
			 0);
	ck_assert_uint_eq(backend_calls(&b), 5);
	ck_assert_uint_eq(stats_of(pool).curr_nr, 5);
	ck_assert_uint_eq(stats_of(pool).min_nr, 5);
	end(_i, pool);
}
END_TEST

START_TEST(ending_a_pool_gives_its_reserve_back)
{
	struct backend b;
	mempool_t storage, *pool = &storage;

	backend_init(&b, ELEMENT_SIZE);
	ck_assert_int_eq(make(_i, &pool, 5, backend_alloc, backend_free, &b),
			 0);
	end(_i, pool);
	ck_assert_uint_eq(backend_frees(&b), 5);
	ck_assert_uint_eq(backend_live(&b), 0);
}
END_TEST

START_TEST(a_negative_min_nr_is_refused)
{
	struct backend b;
	mempool_t storage, *pool = &storage;

	backend_init(&b, ELEMENT_SIZE);
	ck_assert_int_eq(make(_i, &pool, -1, backend_alloc, backend_free, &b),
			 -EINVAL);
	pool = &storage;
	ck_assert_int_eq(make(_i, &pool, INT_MIN, backend_alloc, backend_free,
			      &b), -EINVAL);
	ck_assert_uint_eq(backend_calls(&b), 0);
}
END_TEST

START_TEST(a_null_alloc_fn_is_refused)
{
	struct backend b;
	mempool_t storage, *pool = &storage;

	backend_init(&b, ELEMENT_SIZE);
	ck_assert_int_eq(make(_i, &pool, 1, NULL, backend_free, &b), -EINVAL);
}
END_TEST

START_TEST(a_null_free_fn_is_refused)
{
	struct backend b;
	mempool_t storage, *pool = &storage;

	backend_init(&b, ELEMENT_SIZE);
	ck_assert_int_eq(make(_i, &pool, 1, backend_alloc, NULL, &b), -EINVAL);
	ck_assert_uint_eq(backend_calls(&b), 0);
}
END_TEST

START_TEST(a_fill_that_fails_midway_is_undone)
{
	struct backend b;
	mempool_t storage, *pool;
	int nth;

	for (nth = 0; nth < 5; nth++) {
		backend_init(&b, ELEMENT_SIZE);
		backend_give(&b, nth);
		pool = &storage;
		ck_assert_int_eq(make(_i, &pool, 5, backend_alloc,
				      backend_free, &b), -ENOMEM);
		ck_assert_uint_eq(backend_calls(&b), (unsigned int)nth + 1);
		ck_assert_uint_eq(backend_frees(&b), (unsigned int)nth);
		ck_assert_uint_eq(backend_live(&b), 0);
	}
}
END_TEST

START_TEST(min_nr_0_is_legal_and_preallocates_nothing)
{
	struct backend b;
	mempool_t storage, *pool = &storage;
	void *element;

	backend_init(&b, ELEMENT_SIZE);
	ck_assert_int_eq(make(_i, &pool, 0, backend_alloc, backend_free, &b),
			 0);
	ck_assert_uint_eq(backend_calls(&b), 0);
	element = mempool_alloc(pool, GFP_KERNEL);
	ck_assert_ptr_nonnull(element);
	mempool_free(element, pool);
	ck_assert_uint_eq(backend_live(&b), 0);
	end(_i, pool);
}
END_TEST

START_TEST(destroying_null_does_nothing)
{
	mempool_destroy(NULL);
	mempool_exit(NULL);
}
END_TEST

START_TEST(init_refuses_a_null_pool)
{
	struct backend b;

	backend_init(&b, ELEMENT_SIZE);
	ck_assert_int_eq(mempool_init(NULL, 1, backend_alloc, backend_free,
				      &b), -EINVAL);
	ck_assert_int_eq(mempool_init_node(NULL, 1, backend_alloc,
					   backend_free, &b, GFP_KERNEL, -1),
			 -EINVAL);
	ck_assert_int_eq(mempool_init_attr(NULL, 1, backend_alloc,
					   backend_free, &b, NULL), -EINVAL);
	ck_assert_uint_eq(backend_calls(&b), 0);
}
END_TEST

START_TEST(init_needs_no_zeroed_memory)
{
	struct backend b;
	mempool_t pool;

	backend_init(&b, ELEMENT_SIZE);
	memset(&pool, 0xff, sizeof(pool));
	ck_assert_int_eq(mempool_init(&pool, 2, backend_alloc, backend_free,
				      &b), 0);
	ck_assert(mempool_initialized(&pool));
	mempool_exit(&pool);
	ck_assert_uint_eq(backend_live(&b), 0);
}
END_TEST

START_TEST(all_zero_memory_is_an_exited_pool)
{
	mempool_t pool;

	memset(&pool, 0, sizeof(pool));
	ck_assert(!mempool_initialized(&pool));
	mempool_exit(&pool);
	ck_assert(!mempool_initialized(&pool));
}
END_TEST

START_TEST(an_init_refused_for_its_arguments_leaves_an_exited_pool)
{
	mempool_t pool;

	memset(&pool, 0xff, sizeof(pool));
	ck_assert_int_eq(mempool_init(&pool, -1, NULL, NULL, NULL), -EINVAL);
	ck_assert(!mempool_initialized(&pool));
	mempool_exit(&pool);
}
END_TEST

START_TEST(an_init_that_found_no_memory_leaves_an_exited_pool)
{
	static const mempool_t zero;
	struct backend b;
	mempool_t pool;

	backend_init(&b, ELEMENT_SIZE);
	backend_give(&b, 1);
	memset(&pool, 0xff, sizeof(pool));
	ck_assert_int_eq(mempool_init(&pool, 2, backend_alloc, backend_free,
				      &b), -ENOMEM);
	ck_assert(!mempool_initialized(&pool));
	ck_assert_mem_eq(&pool, &zero, sizeof(pool));
	mempool_exit(&pool);
	ck_assert_uint_eq(backend_frees(&b), 1);
}
END_TEST

START_TEST(an_exited_pool_can_be_exited_again)
{
	struct backend b;
	mempool_t pool;

	backend_init(&b, ELEMENT_SIZE);
	ck_assert_int_eq(mempool_init(&pool, 2, backend_alloc, backend_free,
				      &b), 0);
	mempool_exit(&pool);
	ck_assert(!mempool_initialized(&pool));
	mempool_exit(&pool);
	ck_assert_uint_eq(backend_frees(&b), 2);
}
END_TEST

START_TEST(exited_storage_can_be_initialised_again)
{
	struct backend b;
	mempool_t pool;
	int round;

	backend_init(&b, ELEMENT_SIZE);
	for (round = 0; round < 3; round++) {
		ck_assert_int_eq(mempool_init(&pool, 2, backend_alloc,
					      backend_free, &b), 0);
		ck_assert_uint_eq(stats_of(&pool).curr_nr, 2);
		ck_assert_int_eq(stats_of(&pool).outstanding, 0);
		mempool_exit(&pool);
	}
	ck_assert_uint_eq(backend_live(&b), 0);
}
END_TEST

START_TEST(null_is_not_initialised)
{
	ck_assert(!mempool_initialized(NULL));
}
END_TEST

START_TEST(a_pool_may_be_destroyed_with_elements_outside)
{
	struct backend b;
	mempool_t *pool;
	void *element;

	backend_init(&b, ELEMENT_SIZE);
	pool = pool_over(&b, 1, 0);
	element = mempool_alloc_preallocated(pool);
	ck_assert_ptr_nonnull(element);
	mempool_destroy(pool);
	ck_assert_uint_eq(backend_live(&b), 1);
	backend_free(element, &b);
}
END_TEST

START_TEST(create_fills_with_gfp_kernel)
{
	struct backend b;
	mempool_t *pool;

	backend_init(&b, ELEMENT_SIZE);
	pool = mempool_create(1, backend_alloc, backend_free, &b);
	ck_assert_uint_eq(backend_mask(&b, 0), GFP_KERNEL);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(create_node_fills_with_the_callers_mask)
{
	struct backend b;
	mempool_t *pool;

	backend_init(&b, ELEMENT_SIZE);
	pool = mempool_create_node(1, backend_alloc, backend_free, &b,
				   GFP_NOIO | __GFP_HIGH, -1);
	ck_assert_uint_eq(backend_mask(&b, 0), GFP_NOIO | __GFP_HIGH);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(create_node_takes_any_node_from_0_up)
{
	struct backend b;
	mempool_t *pool;

	backend_init(&b, ELEMENT_SIZE);
	pool = mempool_create_node(1, backend_alloc, backend_free, &b,
				   GFP_KERNEL, 0);
	ck_assert_ptr_nonnull(pool);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(a_node_below_any_is_refused)
{
	struct backend b;
	mempool_t pool;

	backend_init(&b, ELEMENT_SIZE);
	ASSERT_FAILS(mempool_create_node(1, backend_alloc, backend_free, &b,
					 GFP_KERNEL, -2), EINVAL);
	ck_assert_int_eq(mempool_init_node(&pool, 1, backend_alloc,
					   backend_free, &b, GFP_KERNEL, -2),
			 -EINVAL);
}
END_TEST

START_TEST(an_unknown_bit_in_the_filling_mask_is_refused)
{
	struct backend b;
	mempool_t pool;

	backend_init(&b, ELEMENT_SIZE);
	ASSERT_FAILS(mempool_create_node(1, backend_alloc, backend_free, &b,
					 GFP_KERNEL | UNKNOWN_BIT, -1),
		     EINVAL);
	ck_assert_int_eq(mempool_init_node(&pool, 1, backend_alloc,
					   backend_free, &b,
					   GFP_KERNEL | UNKNOWN_BIT, -1),
			 -EINVAL);
}
END_TEST

START_TEST(zero_in_the_filling_mask_is_refused)
{
	struct backend b;
	mempool_t pool;

	backend_init(&b, ELEMENT_SIZE);
	ASSERT_FAILS(mempool_create_node(1, backend_alloc, backend_free, &b,
					 GFP_KERNEL | __GFP_ZERO, -1), EINVAL);
	ck_assert_int_eq(mempool_init_node(&pool, 1, backend_alloc,
					   backend_free, &b,
					   GFP_KERNEL | __GFP_ZERO, -1),
			 -EINVAL);
}
END_TEST

START_TEST(a_pool_is_saturated_while_its_reserve_is_full)
{
	struct backend b;
	mempool_t *pool;
	void *element;

	backend_init(&b, ELEMENT_SIZE);
	pool = pool_over(&b, 2, 0);
	ck_assert(mempool_is_saturated(pool));
	element = mempool_alloc_preallocated(pool);
	ck_assert(!mempool_is_saturated(pool));
	mempool_free(element, pool);
	ck_assert(mempool_is_saturated(pool));
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(a_pool_of_min_nr_0_is_always_saturated)
{
	struct backend b;
	mempool_t *pool;

	backend_init(&b, ELEMENT_SIZE);
	pool = pool_over(&b, 0, 0);
	ck_assert(mempool_is_saturated(pool));
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(null_is_not_saturated)
{
	ck_assert(!mempool_is_saturated(NULL));
}
END_TEST

/* ---- the order of alloc ------------------------------------------------- */

/* A pool of 1 whose log begins after the fill. */
static mempool_t *pool_of_1(struct backend *b)
{
	mempool_t *pool;

	backend_init(b, ELEMENT_SIZE);
	pool = pool_over(b, 1, 0);
	ck_assert_ptr_nonnull(pool);
	return pool;
}

/* The masks that every allocating call may be given. */
static const gfp_t masks[] = {
	GFP_KERNEL, GFP_NOFS, GFP_NOIO, GFP_NOWAIT, GFP_ATOMIC, 0, __GFP_IO,
	GFP_KERNEL | __GFP_HIGH | __GFP_MEMALLOC, GFP_KERNEL | __GFP_NOFAIL,
	GFP_NOWAIT | __GFP_NOMEMALLOC | __GFP_NORETRY,
};
#define NR_MASKS	((int)(sizeof(masks) / sizeof(masks[0])))

START_TEST(the_backend_is_tried_first_and_asked_not_to_wait)
{
	struct backend b;
	mempool_t *pool = pool_of_1(&b);
	void *element = mempool_alloc(pool, masks[_i]);

	ck_assert_ptr_nonnull(element);
	ck_assert_uint_eq(backend_calls(&b), 2);
	ck_assert_uint_eq(backend_mask(&b, 1), FIRST_TRY(masks[_i]));
	ck_assert_uint_eq(stats_of(pool).curr_nr, 1);
	mempool_free(element, pool);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(the_reserve_comes_after_one_backend_try)
{
	struct backend b;
	mempool_t *pool = pool_of_1(&b);
	void *element;

	backend_give(&b, 0);
	element = mempool_alloc(pool, masks[_i]);
	ck_assert_ptr_nonnull(element);
	ck_assert_uint_eq(backend_calls(&b), 2);
	ck_assert_uint_eq(stats_of(pool).curr_nr, 0);
	mempool_free(element, pool);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(the_second_try_has_the_callers_mask_and_the_hints)
{
	struct backend b;
	mempool_t *pool = pool_of_1(&b);
	void *element, *held = mempool_alloc_preallocated(pool);
	gfp_t mask = masks[_i];

	if (!gfpflags_allow_blocking(mask))
		mask |= __GFP_DIRECT_RECLAIM;
	backend_fail_first(&b, 1);
	element = mempool_alloc(pool, mask);
	ck_assert_ptr_nonnull(element);
	ck_assert_uint_eq(backend_calls(&b), 3);
	ck_assert_uint_eq(backend_mask(&b, 1), FIRST_TRY(mask));
	ck_assert_uint_eq(backend_mask(&b, 2), SECOND_TRY(mask));
	mempool_free(element, pool);
	mempool_free(held, pool);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(the_reserve_is_looked_at_again_after_the_second_try)
{
	struct backend b;
	mempool_t *pool = pool_of_1(&b);
	void *held = mempool_alloc_preallocated(pool);
	struct sleeper s;

	/* Both its tries are held, and both fail.  What comes while it is
	 * inside the second, it finds after that. */
	backend_give(&b, 0);
	backend_hold_allocs(&b, 2);
	sleeper_start(&s, pool, 0);
	ck_assert(backend_wait_calls(&b, 2));
	backend_release(&b);
	ck_assert(backend_wait_calls(&b, 3));
	mempool_free(held, pool);
	backend_release(&b);
	ck_assert_int_eq(sleeper_join(&s), 0);
	ck_assert_ptr_eq(s.elems[0], held);
	ck_assert_uint_eq(stats_of(pool).waits, 0);
	sleeper_free(&s);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(a_caller_that_may_not_sleep_tries_the_backend_once_and_fails)
{
	struct backend b;
	mempool_t *pool = pool_of_1(&b);
	void *held = mempool_alloc_preallocated(pool);

	backend_fail_first(&b, 2);
	ASSERT_FAILS(mempool_alloc(pool, masks[_i] & ~__GFP_DIRECT_RECLAIM),
		     EAGAIN);
	ck_assert_uint_eq(backend_calls(&b), 2);
	ASSERT_FAILS(mempool_alloc_until(pool,
					 masks[_i] & ~__GFP_DIRECT_RECLAIM,
					 NULL), EAGAIN);
	ck_assert_uint_eq(backend_calls(&b), 3);
	mempool_free(held, pool);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(a_past_deadline_still_makes_all_tries_before_the_sleep)
{
	struct backend b;
	mempool_t *pool = pool_of_1(&b);
	void *held = mempool_alloc_preallocated(pool);
	struct timespec past = deadline_past();

	backend_give(&b, 0);
	ASSERT_FAILS(mempool_alloc_until(pool, GFP_KERNEL, &past), ETIMEDOUT);
	ck_assert_uint_eq(backend_calls(&b), 3);
	mempool_free(held, pool);
	held = mempool_alloc_until(pool, GFP_KERNEL, &past);
	ck_assert_ptr_nonnull(held);
	mempool_free(held, pool);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(a_fixed_pool_never_asks_the_backend)
{
	struct backend b;
	mempool_t *pool;
	void *elements[2];
	struct timespec past = deadline_past();

	backend_init(&b, ELEMENT_SIZE);
	pool = pool_over(&b, 2, MEMPOOL_FIXED);
	elements[0] = mempool_alloc(pool, GFP_KERNEL);
	elements[1] = mempool_alloc(pool, GFP_NOWAIT);
	ck_assert_ptr_nonnull(elements[0]);
	ck_assert_ptr_nonnull(elements[1]);
	ASSERT_FAILS(mempool_alloc(pool, GFP_NOWAIT), EAGAIN);
	ASSERT_FAILS(mempool_alloc_until(pool, GFP_KERNEL, &past), ETIMEDOUT);
	ASSERT_FAILS(mempool_alloc_noreserve(pool, GFP_KERNEL), ENOMEM);
	ck_assert_uint_eq(backend_calls(&b), 2);
	mempool_free(elements[0], pool);
	mempool_free(elements[1], pool);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(a_fixed_pool_frees_what_is_too_much)
{
	struct backend b;
	mempool_t *pool;
	void *foreign;

	backend_init(&b, ELEMENT_SIZE);
	pool = pool_over(&b, 1, MEMPOOL_FIXED);
	foreign = backend_alloc(GFP_KERNEL, &b);
	mempool_free(foreign, pool);
	ck_assert_uint_eq(backend_frees(&b), 1);
	ck_assert(pool_end(pool, &b));
}
END_TEST

/* ---- preallocated, noreserve -------------------------------------------- */

START_TEST(preallocated_never_calls_the_backend)
{
	struct backend b;
	mempool_t *pool = pool_of_1(&b);
	void *held = mempool_alloc_preallocated(pool);

	ck_assert_ptr_nonnull(held);
	ASSERT_FAILS(mempool_alloc_preallocated(pool), EAGAIN);
	ck_assert_uint_eq(backend_calls(&b), 1);
	mempool_free(held, pool);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(noreserve_calls_the_backend_once_with_the_callers_mask)
{
	struct backend b;
	mempool_t *pool = pool_of_1(&b);
	void *element = mempool_alloc_noreserve(pool, masks[_i]);

	ck_assert_ptr_nonnull(element);
	ck_assert_uint_eq(backend_calls(&b), 2);
	ck_assert_uint_eq(backend_mask(&b, 1), masks[_i]);
	mempool_free(element, pool);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(noreserve_leaves_the_reserve_alone_and_fails)
{
	struct backend b;
	mempool_t *pool = pool_of_1(&b);

	backend_fail_first(&b, 1);
	ASSERT_FAILS(mempool_alloc_noreserve(pool, GFP_KERNEL), ENOMEM);
	ck_assert_uint_eq(backend_calls(&b), 2);
	ck_assert_uint_eq(stats_of(pool).curr_nr, 1);
	ck_assert(pool_end(pool, &b));
}
END_TEST

/* ---- zeroing ------------------------------------------------------------ */

static bool all_zero(const void *element, size_t size)
{
	const unsigned char *byte = element;

	while (size > 0 && byte[size - 1] == 0)
		size--;
	return size == 0;
}

START_TEST(zero_is_done_by_the_library_not_the_backend)
{
	struct backend b;
	mempool_t *pool = pool_of_1(&b);
	void *element = mempool_alloc(pool, GFP_KERNEL | __GFP_ZERO);

	ck_assert(all_zero(element, ELEMENT_SIZE));
	ck_assert_uint_eq(backend_mask(&b, 1), FIRST_TRY(GFP_KERNEL));
	mempool_free(element, pool);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(zero_is_not_passed_on_by_the_second_try)
{
	struct backend b;
	mempool_t *pool = pool_of_1(&b);
	void *held = mempool_alloc_preallocated(pool);
	void *element;

	backend_fail_first(&b, 1);
	element = mempool_alloc(pool, GFP_KERNEL | __GFP_ZERO);
	ck_assert(all_zero(element, ELEMENT_SIZE));
	ck_assert_uint_eq(backend_mask(&b, 2), SECOND_TRY(GFP_KERNEL));
	mempool_free(element, pool);
	mempool_free(held, pool);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(zero_holds_for_elements_out_of_the_reserve)
{
	struct backend b;
	mempool_t *pool = pool_of_1(&b);
	void *element;

	backend_give(&b, 0);
	element = mempool_alloc(pool, GFP_NOWAIT | __GFP_ZERO);
	ck_assert(all_zero(element, ELEMENT_SIZE));
	mempool_free(element, pool);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(zero_may_be_all_that_is_asked)
{
	struct backend b;
	mempool_t *pool = pool_of_1(&b);
	void *element = mempool_alloc(pool, __GFP_ZERO);

	ck_assert(all_zero(element, ELEMENT_SIZE));
	mempool_free(element, pool);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(nothing_is_zeroed_unasked)
{
	struct backend b;
	mempool_t *pool = pool_of_1(&b);
	void *elements[3];
	int i;

	elements[0] = mempool_alloc_until(pool, GFP_KERNEL, NULL);
	elements[1] = mempool_alloc_noreserve(pool, GFP_KERNEL);
	ck_assert_int_eq(mempool_alloc_bulk(pool, &elements[2], 1), 0);
	for (i = 0; i < 3; i++) {
		ck_assert(!all_zero(elements[i], ELEMENT_SIZE));
		mempool_free(elements[i], pool);
	}
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(zero_holds_for_noreserve)
{
	struct backend b;
	mempool_t *pool = pool_of_1(&b);
	void *element = mempool_alloc_noreserve(pool, GFP_NOIO | __GFP_ZERO);

	ck_assert(all_zero(element, ELEMENT_SIZE));
	ck_assert_uint_eq(backend_mask(&b, 1), GFP_NOIO);
	mempool_free(element, pool);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(zero_holds_for_an_element_that_was_waited_for)
{
	struct backend b;
	mempool_t *pool = pool_of_1(&b);
	void *held = mempool_alloc_preallocated(pool);
	struct sleeper s;

	backend_give(&b, 0);
	sleeper_start_until(&s, pool, 0, GFP_KERNEL | __GFP_ZERO,
			    deadline_in_ms(HOUR_MS));
	ck_assert(wait_for_waiters(pool, 1));
	mempool_free(held, pool);
	ck_assert_int_eq(sleeper_join(&s), 0);
	ck_assert(all_zero(s.elems[0], ELEMENT_SIZE));
	sleeper_free(&s);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(zero_without_an_element_size_is_refused)
{
	struct backend b;
	mempool_t *pool;
	void *slot;

	backend_init(&b, ELEMENT_SIZE);
	pool = mempool_create(1, backend_alloc, backend_free, &b);
	ASSERT_FAILS(mempool_alloc(pool, GFP_KERNEL | __GFP_ZERO), EINVAL);
	ASSERT_FAILS(mempool_alloc_until(pool, GFP_NOWAIT | __GFP_ZERO, NULL),
		     EINVAL);
	ASSERT_FAILS(mempool_alloc_noreserve(pool, GFP_KERNEL | __GFP_ZERO),
		     EINVAL);
	ck_assert_int_eq(mempool_alloc_bulk_until(pool, &slot, 1,
						  GFP_KERNEL | __GFP_ZERO,
						  NULL), -EINVAL);
	ck_assert_uint_eq(backend_calls(&b), 1);
	ck_assert(pool_end(pool, &b));
}
END_TEST

/* ---- free --------------------------------------------------------------- */

START_TEST(freeing_null_or_to_null_does_nothing)
{
	struct backend b;
	mempool_t *pool = pool_of_1(&b);

	mempool_free(NULL, pool);
	mempool_free(NULL, NULL);
	mempool_free(pool, NULL);
	ck_assert_int_eq(stats_of(pool).outstanding, 0);
	ck_assert_uint_eq(backend_frees(&b), 0);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(a_freed_element_fills_the_reserve_first)
{
	struct backend b;
	mempool_t *pool = pool_of_1(&b);
	void *from_reserve = mempool_alloc_preallocated(pool);
	void *from_backend = mempool_alloc(pool, GFP_KERNEL);

	mempool_free(from_backend, pool);
	ck_assert_uint_eq(stats_of(pool).curr_nr, 1);
	ck_assert_uint_eq(backend_frees(&b), 0);
	mempool_free(from_reserve, pool);
	ck_assert_uint_eq(stats_of(pool).curr_nr, 1);
	ck_assert_uint_eq(backend_frees(&b), 1);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(a_foreign_element_counts_as_taken_back)
{
	struct backend b;
	mempool_t *pool = pool_of_1(&b);

	mempool_free(backend_alloc(GFP_KERNEL, &b), pool);
	ck_assert_int_eq(stats_of(pool).outstanding, -1);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(a_foreign_element_may_fill_the_reserve)
{
	struct backend b;
	mempool_t *pool = pool_of_1(&b);
	void *own = mempool_alloc_preallocated(pool);
	void *foreign = backend_alloc(GFP_KERNEL, &b);

	mempool_free(foreign, pool);
	ck_assert_uint_eq(stats_of(pool).curr_nr, 1);
	ck_assert_int_eq(stats_of(pool).outstanding, 0);
	ck_assert_ptr_eq(mempool_alloc_preallocated(pool), foreign);
	mempool_free(own, pool);
	mempool_free(foreign, pool);
	ck_assert(pool_end(pool, &b));
}
END_TEST

/* ---- free_bulk ---------------------------------------------------------- */

START_TEST(free_bulk_takes_the_prefix_that_the_reserve_lacks)
{
	struct backend b;
	mempool_t *pool;
	void *elements[4];
	int i;

	backend_init(&b, ELEMENT_SIZE);
	pool = pool_over(&b, 2, 0);
	for (i = 0; i < 4; i++)
		elements[i] = mempool_alloc(pool, GFP_KERNEL);
	for (i = 0; i < 2; i++)
		backend_free(mempool_alloc_preallocated(pool), &b);
	ck_assert_uint_eq(mempool_free_bulk(pool, elements, 4), 2);
	ck_assert_uint_eq(backend_frees(&b), 2);
	ck_assert_uint_eq(stats_of(pool).curr_nr, 2);
	/* two given back, two still held, two lost to the backend */
	ck_assert_int_eq(stats_of(pool).outstanding, 4);
	mempool_free(elements[2], pool);
	mempool_free(elements[3], pool);
	ck_assert_uint_eq(backend_frees(&b), 4);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(free_bulk_takes_nothing_when_nobody_needs_it)
{
	struct backend b;
	mempool_t *pool = pool_of_1(&b);
	void *element = mempool_alloc(pool, GFP_KERNEL);

	ck_assert_uint_eq(mempool_free_bulk(pool, &element, 1), 0);
	ck_assert_int_eq(stats_of(pool).outstanding, 1);
	ck_assert_uint_eq(backend_frees(&b), 0);
	mempool_free(element, pool);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(free_bulk_passes_over_null)
{
	struct backend b;
	mempool_t *pool = pool_of_1(&b);
	void *elements[2] = { NULL, mempool_alloc_preallocated(pool) };

	ck_assert_uint_eq(mempool_free_bulk(pool, elements, 2), 2);
	ck_assert_int_eq(stats_of(pool).outstanding, 0);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(free_bulk_of_nothing_or_null_takes_nothing)
{
	struct backend b;
	mempool_t *pool = pool_of_1(&b);
	void *element = mempool_alloc_preallocated(pool);

	ck_assert_uint_eq(mempool_free_bulk(pool, &element, 0), 0);
	ck_assert_uint_eq(mempool_free_bulk(pool, NULL, 1), 0);
	ck_assert_uint_eq(mempool_free_bulk(NULL, &element, 1), 0);
	mempool_free(element, pool);
	ck_assert(pool_end(pool, &b));
}
END_TEST

/* ---- errno and bad input ------------------------------------------------ */

START_TEST(success_leaves_errno_alone)
{
	struct backend b;
	mempool_t *pool;
	struct timespec past = deadline_past();
	void *elements[6];
	int i, n = 0;

	backend_init(&b, ELEMENT_SIZE);
	errno = SLEEPER_ERRNO;
	pool = pool_over(&b, 4, 0);
	ck_assert_int_eq(errno, SLEEPER_ERRNO);
	elements[n++] = mempool_alloc(pool, GFP_KERNEL);
	elements[n++] = mempool_alloc_noreserve(pool, GFP_KERNEL);
	ck_assert_int_eq(errno, SLEEPER_ERRNO);
	backend_give(&b, 0);
	errno = SLEEPER_ERRNO;
	elements[n++] = mempool_alloc(pool, GFP_KERNEL);
	elements[n++] = mempool_alloc(pool, GFP_NOWAIT);
	elements[n++] = mempool_alloc_until(pool, GFP_KERNEL, &past);
	elements[n++] = mempool_alloc_preallocated(pool);
	ck_assert_int_eq(errno, SLEEPER_ERRNO);
	for (i = 0; i < n; i++) {
		ck_assert_ptr_nonnull(elements[i]);
		errno = SLEEPER_ERRNO;
		mempool_free(elements[i], pool);
		ck_assert_int_eq(errno, SLEEPER_ERRNO);
	}
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(a_sleep_that_succeeds_leaves_errno_alone)
{
	struct backend b;
	mempool_t *pool = pool_of_1(&b);
	void *held = mempool_alloc_preallocated(pool);
	struct sleeper s;

	backend_give(&b, 0);
	sleeper_start_until(&s, pool, 0, GFP_KERNEL, deadline_in_ms(HOUR_MS));
	ck_assert(wait_for_waiters(pool, 1));
	mempool_free(held, pool);
	ck_assert_int_eq(sleeper_join(&s), 0);
	ck_assert_int_eq(s.errno_after, SLEEPER_ERRNO);
	sleeper_free(&s);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(a_null_pool_is_refused_by_every_call)
{
	struct timespec past = deadline_past();
	struct mempool_stats stats;
	void *slot;

	ASSERT_FAILS(mempool_alloc(NULL, GFP_KERNEL), EINVAL);
	ASSERT_FAILS(mempool_alloc_until(NULL, GFP_KERNEL, &past), EINVAL);
	ASSERT_FAILS(mempool_alloc_preallocated(NULL), EINVAL);
	ASSERT_FAILS(mempool_alloc_noreserve(NULL, GFP_KERNEL), EINVAL);
	ck_assert_int_eq(mempool_alloc_bulk(NULL, &slot, 1), -EINVAL);
	ck_assert_int_eq(mempool_alloc_bulk_until(NULL, &slot, 1, GFP_KERNEL,
						  &past), -EINVAL);
	ck_assert_int_eq(mempool_resize(NULL, 1), -EINVAL);
	ck_assert_int_eq(mempool_refill(NULL), -EINVAL);
	ck_assert_int_eq(mempool_drain_until(NULL, &past), -EINVAL);
	ck_assert_int_eq(mempool_get_stats(NULL, &stats, sizeof(stats)),
			 -EINVAL);
	mempool_kick(NULL);
	mempool_shutdown(NULL);
}
END_TEST

START_TEST(an_unknown_bit_in_a_mask_is_refused)
{
	struct backend b;
	mempool_t *pool = pool_of_1(&b);
	struct timespec past = deadline_past();
	gfp_t bit = 1u << _i;
	void *slot;

	if ((bit & (GFP_KERNEL | GFP_ATOMIC | HINTS | __GFP_MEMALLOC |
		    __GFP_NOFAIL | __GFP_ZERO)) == 0) {
		ASSERT_FAILS(mempool_alloc(pool, bit), EINVAL);
		ASSERT_FAILS(mempool_alloc(pool, GFP_NOWAIT | bit), EINVAL);
		ASSERT_FAILS(mempool_alloc(pool, GFP_KERNEL | bit), EINVAL);
		ASSERT_FAILS(mempool_alloc_until(pool, GFP_KERNEL | bit,
						 &past), EINVAL);
		ASSERT_FAILS(mempool_alloc_noreserve(pool, GFP_KERNEL | bit),
			     EINVAL);
		ck_assert_int_eq(mempool_alloc_bulk_until(pool, &slot, 1,
							  GFP_NOWAIT | bit,
							  NULL), -EINVAL);
		ck_assert_uint_eq(backend_calls(&b), 1);
	} else {
		slot = mempool_alloc(pool, GFP_KERNEL | bit);
		ck_assert_ptr_nonnull(slot);
		mempool_free(slot, pool);
	}
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(a_deadline_out_of_range_is_refused)
{
	struct backend b;
	mempool_t *pool = pool_of_1(&b);
	struct timespec bad[] = {
		{ .tv_sec = 1, .tv_nsec = -1 },
		{ .tv_sec = 1, .tv_nsec = 1000000000 },
		{ .tv_sec = 1, .tv_nsec = LONG_MAX },
		{ .tv_sec = 1, .tv_nsec = LONG_MIN },
	};

	ASSERT_FAILS(mempool_alloc_until(pool, GFP_KERNEL, &bad[_i]), EINVAL);
	ck_assert_int_eq(mempool_drain_until(pool, &bad[_i]), -EINVAL);
	ck_assert_int_eq(stats_of(pool).outstanding, 0);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(a_deadline_is_not_read_for_a_caller_that_may_not_sleep)
{
	struct backend b;
	mempool_t *pool = pool_of_1(&b);
	struct timespec bad = { .tv_sec = 1, .tv_nsec = -1 };
	void *element = mempool_alloc_until(pool, GFP_NOWAIT, &bad);

	ck_assert_ptr_nonnull(element);
	mempool_free(element, pool);
	ck_assert_int_eq(mempool_alloc_bulk_until(pool, &element, 1,
						  GFP_NOWAIT, &bad), 0);
	mempool_free(element, pool);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(a_deadline_before_the_epoch_is_a_past_one)
{
	struct backend b;
	mempool_t *pool = pool_of_1(&b);
	struct timespec negative = { .tv_sec = -1, .tv_nsec = 999999999 };
	void *held = mempool_alloc_preallocated(pool);

	backend_give(&b, 0);
	ASSERT_FAILS(mempool_alloc_until(pool, GFP_KERNEL, &negative),
		     ETIMEDOUT);
	mempool_free(held, pool);
	ck_assert(pool_end(pool, &b));
}
END_TEST

/* ---- after shutdown ----------------------------------------------------- */

START_TEST(after_shutdown_who_would_sleep_is_cancelled)
{
	struct backend b;
	mempool_t *pool = pool_of_1(&b);
	struct timespec later = deadline_in_ms(HOUR_MS);
	void *slot, *held = mempool_alloc_preallocated(pool);

	mempool_shutdown(pool);
	backend_give(&b, 0);
	ASSERT_FAILS(mempool_alloc(pool, GFP_KERNEL), ECANCELED);
	ASSERT_FAILS(mempool_alloc_until(pool, GFP_KERNEL, &later), ECANCELED);
	ck_assert_int_eq(mempool_alloc_bulk(pool, &slot, 1), -ECANCELED);
	ck_assert_int_eq(mempool_alloc_bulk_until(pool, &slot, 1, GFP_KERNEL,
						  &later), -ECANCELED);
	ASSERT_FAILS(mempool_alloc(pool, GFP_NOWAIT), EAGAIN);
	mempool_free(held, pool);
	ck_assert_int_eq(stats_of(pool).outstanding, 0);
	ck_assert(pool_end(pool, &b));
}
END_TEST

START_TEST(after_shutdown_who_need_not_sleep_is_served)
{
	struct backend b;
	mempool_t *pool = pool_of_1(&b);
	void *slot;

	mempool_shutdown(pool);
	mempool_shutdown(pool);
	slot = mempool_alloc(pool, GFP_KERNEL);
	ck_assert_ptr_nonnull(slot);
	mempool_free(slot, pool);
	backend_give(&b, 0);
	slot = mempool_alloc(pool, GFP_KERNEL);
	ck_assert_ptr_nonnull(slot);
	mempool_free(slot, pool);
	slot = mempool_alloc_preallocated(pool);
	ck_assert_ptr_nonnull(slot);
	mempool_free(slot, pool);
	ck_assert_int_eq(mempool_alloc_bulk(pool, &slot, 1), 0);
	ck_assert_uint_eq(mempool_free_bulk(pool, &slot, 1), 1);
	backend_give(&b, GIVE_ALWAYS);
	slot = mempool_alloc_noreserve(pool, GFP_KERNEL);
	ck_assert_ptr_nonnull(slot);
	mempool_free(slot, pool);
	ck_assert_int_eq(mempool_resize(pool, 3), 0);
	ck_assert_int_eq(mempool_refill(pool), 0);
	mempool_kick(pool);
	ck_assert_int_eq(mempool_drain_until(pool, NULL), 0);
	ck_assert(pool_end(pool, &b));
}
END_TEST

/* Often at first, then every millisecond. */
START_TEST(drain_looks_neither_all_the_time_nor_seldom)
{
	struct backend b;
	mempool_t *pool = pool_of_1(&b);
	void *slot = mempool_alloc(pool, GFP_KERNEL);
	struct rusage before, after;
	struct timespec deadline;

	getrusage(RUSAGE_THREAD, &before);
	deadline = deadline_in_ms(100);
	ck_assert_int_eq(mempool_drain_until(pool, &deadline), -ETIMEDOUT);
	getrusage(RUSAGE_THREAD, &after);
	ck_assert_int_ge(after.ru_nvcsw - before.ru_nvcsw, 3);
	ck_assert_int_le(after.ru_nvcsw - before.ru_nvcsw, 200);
	mempool_free(slot, pool);
	ck_assert(pool_end(pool, &b));
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("mempool");
	TCase *tc = tcase_create("life cycle");

	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_loop_test(tc, making_a_pool_fills_it_with_exactly_min_nr, 0,
			    NR_WAYS);
	tcase_add_loop_test(tc, ending_a_pool_gives_its_reserve_back, 0,
			    NR_WAYS);
	tcase_add_loop_test(tc, a_negative_min_nr_is_refused, 0, NR_WAYS);
	tcase_add_loop_test(tc, a_null_alloc_fn_is_refused, 0, NR_WAYS);
	tcase_add_loop_test(tc, a_null_free_fn_is_refused, 0, NR_WAYS);
	tcase_add_loop_test(tc, a_fill_that_fails_midway_is_undone, 0,
			    NR_WAYS);
	tcase_add_loop_test(tc, min_nr_0_is_legal_and_preallocates_nothing, 0,
			    NR_WAYS);
	tcase_add_test(tc, destroying_null_does_nothing);
	tcase_add_test(tc, init_refuses_a_null_pool);
	tcase_add_test(tc, init_needs_no_zeroed_memory);
	tcase_add_test(tc, all_zero_memory_is_an_exited_pool);
	tcase_add_test(tc,
		an_init_refused_for_its_arguments_leaves_an_exited_pool);
	tcase_add_test(tc, an_init_that_found_no_memory_leaves_an_exited_pool);
	tcase_add_test(tc, an_exited_pool_can_be_exited_again);
	tcase_add_test(tc, exited_storage_can_be_initialised_again);
	tcase_add_test(tc, null_is_not_initialised);
	tcase_add_test(tc, a_pool_may_be_destroyed_with_elements_outside);
	tcase_add_test(tc, create_fills_with_gfp_kernel);
	tcase_add_test(tc, create_node_fills_with_the_callers_mask);
	tcase_add_test(tc, create_node_takes_any_node_from_0_up);
	tcase_add_test(tc, a_node_below_any_is_refused);
	tcase_add_test(tc, an_unknown_bit_in_the_filling_mask_is_refused);
	tcase_add_test(tc, zero_in_the_filling_mask_is_refused);
	tcase_add_test(tc, a_pool_is_saturated_while_its_reserve_is_full);
	tcase_add_test(tc, a_pool_of_min_nr_0_is_always_saturated);
	tcase_add_test(tc, null_is_not_saturated);
	suite_add_tcase(s, tc);

	tc = tcase_create("order");
	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_loop_test(tc,
		the_backend_is_tried_first_and_asked_not_to_wait, 0, NR_MASKS);
	tcase_add_loop_test(tc, the_reserve_comes_after_one_backend_try, 0,
			    NR_MASKS);
	tcase_add_loop_test(tc,
		the_second_try_has_the_callers_mask_and_the_hints, 0,
		NR_MASKS);
	tcase_add_test(tc, the_reserve_is_looked_at_again_after_the_second_try);
	tcase_add_loop_test(tc,
		a_caller_that_may_not_sleep_tries_the_backend_once_and_fails,
		0, NR_MASKS);
	tcase_add_test(tc,
		a_past_deadline_still_makes_all_tries_before_the_sleep);
	tcase_add_test(tc, a_fixed_pool_never_asks_the_backend);
	tcase_add_test(tc, a_fixed_pool_frees_what_is_too_much);
	tcase_add_test(tc, preallocated_never_calls_the_backend);
	tcase_add_loop_test(tc,
		noreserve_calls_the_backend_once_with_the_callers_mask, 0,
		NR_MASKS);
	tcase_add_test(tc, noreserve_leaves_the_reserve_alone_and_fails);
	suite_add_tcase(s, tc);

	tc = tcase_create("zero");
	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_test(tc, zero_is_done_by_the_library_not_the_backend);
	tcase_add_test(tc, zero_is_not_passed_on_by_the_second_try);
	tcase_add_test(tc, zero_holds_for_elements_out_of_the_reserve);
	tcase_add_test(tc, zero_may_be_all_that_is_asked);
	tcase_add_test(tc, nothing_is_zeroed_unasked);
	tcase_add_test(tc, zero_holds_for_noreserve);
	tcase_add_test(tc, zero_holds_for_an_element_that_was_waited_for);
	tcase_add_test(tc, zero_without_an_element_size_is_refused);
	suite_add_tcase(s, tc);

	tc = tcase_create("free");
	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_test(tc, freeing_null_or_to_null_does_nothing);
	tcase_add_test(tc, a_freed_element_fills_the_reserve_first);
	tcase_add_test(tc, a_foreign_element_counts_as_taken_back);
	tcase_add_test(tc, a_foreign_element_may_fill_the_reserve);
	tcase_add_test(tc, free_bulk_takes_the_prefix_that_the_reserve_lacks);
	tcase_add_test(tc, free_bulk_takes_nothing_when_nobody_needs_it);
	tcase_add_test(tc, free_bulk_passes_over_null);
	tcase_add_test(tc, free_bulk_of_nothing_or_null_takes_nothing);
	suite_add_tcase(s, tc);

	tc = tcase_create("errors");
	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_test(tc, success_leaves_errno_alone);
	tcase_add_test(tc, a_sleep_that_succeeds_leaves_errno_alone);
	tcase_add_test(tc, a_null_pool_is_refused_by_every_call);
	tcase_add_loop_test(tc, an_unknown_bit_in_a_mask_is_refused, 0, 32);
	tcase_add_loop_test(tc, a_deadline_out_of_range_is_refused, 0, 4);
	tcase_add_test(tc,
		a_deadline_is_not_read_for_a_caller_that_may_not_sleep);
	tcase_add_test(tc, a_deadline_before_the_epoch_is_a_past_one);
	tcase_add_test(tc, after_shutdown_who_would_sleep_is_cancelled);
	tcase_add_test(tc, after_shutdown_who_need_not_sleep_is_served);
	suite_add_tcase(s, tc);

	tc = tcase_create("drain");
	tcase_set_timeout(tc, TEST_TIMEOUT);
	tcase_add_test(tc, drain_looks_neither_all_the_time_nor_seldom);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
