/* SPDX-License-Identifier: MIT */
/*
 * pool_textbook.c - what textbooks tell to write
 *
 *   mutex+cond   an array, a mutex, one condition variable for all
 *   sem_t        a semaphore that counts, and a mutex around an array
 *
 * Neither has an order: who runs takes, whoever waited before.
 */
#include "config.h"

#include "pools.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>

/* ---- mutex+cond -------------------------------------------------------- */

struct cond_pool {
	pthread_mutex_t	lock;
	pthread_cond_t	given;
	struct stack	*stack;		/* under lock */
};

static void *cond_new(int nr)
{
	struct cond_pool *pool = bench_alloc(sizeof(*pool));

	if (pthread_mutex_init(&pool->lock, NULL) ||
	    pthread_cond_init(&pool->given, NULL))
		abort();
	pool->stack = stack_new(nr);
	return pool;
}

static struct element *cond_take(void *arg)
{
	struct cond_pool *pool = arg;
	struct element *element;

	pthread_mutex_lock(&pool->lock);
	while (!pool->stack->nr)
		pthread_cond_wait(&pool->given, &pool->lock);
	element = stack_pop(pool->stack);
	pthread_mutex_unlock(&pool->lock);
	return element;
}

/* Signals always, since the C library knows whether anybody waits; and after
 * the unlock, which turned out faster than under the lock, up to half as fast
 * again. */
static void cond_give(void *arg, struct element *element)
{
	struct cond_pool *pool = arg;

	pthread_mutex_lock(&pool->lock);
	stack_push(pool->stack, element);
	pthread_mutex_unlock(&pool->lock);
	pthread_cond_signal(&pool->given);
}

static void cond_end(void *arg)
{
	struct cond_pool *pool = arg;

	stack_free(pool->stack);
	pthread_cond_destroy(&pool->given);
	pthread_mutex_destroy(&pool->lock);
	free(pool);
}

/* glibc 2.25 to 2.40 can lose a signal among several waiters (bug 25847). */
static void cond_rescue(void *arg)
{
	struct cond_pool *pool = arg;

	pthread_cond_broadcast(&pool->given);
}

const struct peer peer_cond = {
	"mutex+cond", cond_new, cond_take, cond_give, cond_end, cond_rescue
};

/* ---- sem_t ------------------------------------------------------------- */

struct sem_pool {
	sem_t		nr;		/* elements in the array, or less */
	pthread_mutex_t	lock;
	struct stack	*stack;		/* under lock */
};

static void *sem_new(int nr)
{
	struct sem_pool *pool = bench_alloc(sizeof(*pool));

	if (sem_init(&pool->nr, 0, (unsigned int)nr) ||
	    pthread_mutex_init(&pool->lock, NULL))
		abort();
	pool->stack = stack_new(nr);
	return pool;
}

static struct element *sem_take(void *arg)
{
	struct sem_pool *pool = arg;
	struct element *element;

	while (sem_wait(&pool->nr))
		if (errno != EINTR)
			abort();
	pthread_mutex_lock(&pool->lock);
	element = stack_pop(pool->stack);
	pthread_mutex_unlock(&pool->lock);
	return element;
}

static void sem_give(void *arg, struct element *element)
{
	struct sem_pool *pool = arg;

	pthread_mutex_lock(&pool->lock);
	stack_push(pool->stack, element);
	pthread_mutex_unlock(&pool->lock);
	sem_post(&pool->nr);
}

static void sem_end(void *arg)
{
	struct sem_pool *pool = arg;

	stack_free(pool->stack);
	pthread_mutex_destroy(&pool->lock);
	sem_destroy(&pool->nr);
	free(pool);
}

const struct peer peer_sem = {
	"sem_t", sem_new, sem_take, sem_give, sem_end, NULL
};
