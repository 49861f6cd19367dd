/* SPDX-License-Identifier: MIT */
/*
 * pool_queue.c - pools that keep a queue of their waiters
 *
 *   fifo   strict order of arrival: an element that is given goes into the
 *          hands of the thread that has waited longest, and who arrives while
 *          others wait goes behind them.
 *   kernel what Linux does: an element that is given goes back into the
 *          reserve, and all who wait are woken to look again.  Whoever comes
 *          first takes it, newcomers too; the others wait anew.
 */
#include "config.h"

#include "pools.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

struct waiter {
	pthread_cond_t	woken;
	bool		done;		/* under lock; no longer linked */
	struct element	*element;	/* under lock; fifo only */
	struct waiter	*next;		/* under lock */
};

struct queue_pool {
	pthread_mutex_t	lock;
	struct stack	*stack;		/* under lock */
	struct waiter	*first;		/* under lock */
	struct waiter	**tail;		/* under lock */
};

static void *queue_new(int nr)
{
	struct queue_pool *pool = bench_alloc(sizeof(*pool));

	if (pthread_mutex_init(&pool->lock, NULL))
		abort();
	pool->stack = stack_new(nr);
	pool->tail = &pool->first;
	return pool;
}

static void queue_end(void *arg)
{
	struct queue_pool *pool = arg;

	stack_free(pool->stack);
	pthread_mutex_destroy(&pool->lock);
	free(pool);
}

static void queue_wait(struct queue_pool *pool, struct waiter *waiter)
{
	*pool->tail = waiter;
	pool->tail = &waiter->next;
	while (!waiter->done)
		pthread_cond_wait(&waiter->woken, &pool->lock);
	pthread_cond_destroy(&waiter->woken);
}

/* With the lock: the waiter dies as soon as it has it. */
static void queue_wake_first(struct queue_pool *pool, struct element *element)
{
	struct waiter *waiter = pool->first;

	pool->first = waiter->next;
	if (!pool->first)
		pool->tail = &pool->first;
	waiter->element = element;
	waiter->done = true;
	pthread_cond_signal(&waiter->woken);
}

#define WAITER_INIT	{ PTHREAD_COND_INITIALIZER, false, NULL, NULL }

/* ---- fifo -------------------------------------------------------------- */

static struct element *fifo_take(void *arg)
{
	struct waiter waiter = WAITER_INIT;
	struct queue_pool *pool = arg;
	struct element *element;

	pthread_mutex_lock(&pool->lock);
	if (pool->stack->nr) {
		element = stack_pop(pool->stack);
	} else {
		queue_wait(pool, &waiter);
		element = waiter.element;
	}
	pthread_mutex_unlock(&pool->lock);
	return element;
}

static void fifo_give(void *arg, struct element *element)
{
	struct queue_pool *pool = arg;

	pthread_mutex_lock(&pool->lock);
	if (pool->first)
		queue_wake_first(pool, element);
	else
		stack_push(pool->stack, element);
	pthread_mutex_unlock(&pool->lock);
}

const struct peer peer_fifo = {
	"fifo", queue_new, fifo_take, fifo_give, queue_end, NULL
};

/* ---- kernel ------------------------------------------------------------ */

static struct element *kernel_take(void *arg)
{
	struct queue_pool *pool = arg;
	struct element *element;

	pthread_mutex_lock(&pool->lock);
	while (!pool->stack->nr) {
		struct waiter waiter = WAITER_INIT;

		queue_wait(pool, &waiter);
	}
	element = stack_pop(pool->stack);
	pthread_mutex_unlock(&pool->lock);
	return element;
}

static void kernel_give(void *arg, struct element *element)
{
	struct queue_pool *pool = arg;

	pthread_mutex_lock(&pool->lock);
	stack_push(pool->stack, element);
	while (pool->first)
		queue_wake_first(pool, NULL);
	pthread_mutex_unlock(&pool->lock);
}

const struct peer peer_kernel = {
	"kernel", queue_new, kernel_take, kernel_give, queue_end, NULL
};
