/* SPDX-License-Identifier: MIT */
/*
 * relay_ways.c - ways to hand a token from one thread to another
 *
 *   kmempool   a pool of one element that is out: free gives, alloc waits
 *   futex      a word, the wake and wait of the system, nothing else
 *   cond       a mutex and a condition variable
 *   spin       a word, read until it changes
 */
#include "config.h"

#include "relay.h"

#include <kmempool/mempool.h>

#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "figures.h"

uint64_t relay_waste_ns;

/* All channels but the pool begin empty. */
static void *empty_channel(size_t size)
{
	void *channel = aligned_alloc(128, (size + 127) / 128 * 128);

	if (!channel)
		abort();
	return channel;
}

static void *any_token(void *channel)
{
	return channel;
}

/* ---- kmempool ---------------------------------------------------------- */

struct pool_channel {
	mempool_t	*pool;
	void		*element;	/* its own; with a thread, or idle */
};

static void *new_element(gfp_t gfp_mask, void *pool_data)
{
	(void)gfp_mask;
	(void)pool_data;
	return malloc(64);
}

static void free_element(void *element, void *pool_data)
{
	(void)pool_data;
	free(element);
}

static void *pool_create(void)
{
	struct pool_channel *channel = empty_channel(sizeof(*channel));
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;

	attr.flags = MEMPOOL_FIXED;
	channel->pool = mempool_create_attr(1, new_element, free_element, NULL,
					    &attr);
	if (!channel->pool)
		abort();
	channel->element = mempool_alloc(channel->pool, GFP_KERNEL);
	return channel;
}

static void *pool_token(void *arg)
{
	struct pool_channel *channel = arg;

	return channel->element;
}

/* The token belongs to one of the two pools and is foreign to the other, which
 * is legal. */
static void pool_send(void *arg, void *token)
{
	struct pool_channel *channel = arg;

	if (relay_waste_ns)
		spin_until(now_ns() + relay_waste_ns);
	mempool_free(token, channel->pool);
}

static void *pool_receive(void *arg)
{
	struct pool_channel *channel = arg;

	return mempool_alloc(channel->pool, GFP_KERNEL);
}

static void pool_destroy(void *arg)
{
	struct pool_channel *channel = arg;

	mempool_destroy(channel->pool);
	free(channel->element);
	free(channel);
}

/* ---- futex ------------------------------------------------------------- */

struct word_channel {
	_Alignas(128) atomic_int full;
	void		*token;
};

static void *word_create(void)
{
	struct word_channel *channel = empty_channel(sizeof(*channel));

	atomic_init(&channel->full, 0);
	return channel;
}

static void futex(atomic_int *word, int op, int value)
{
	syscall(SYS_futex, word, op, value, NULL, NULL, 0);
}

static void futex_send(void *arg, void *token)
{
	struct word_channel *channel = arg;

	channel->token = token;
	atomic_store_explicit(&channel->full, 1, memory_order_release);
	futex(&channel->full, FUTEX_WAKE_PRIVATE, 1);
}

static void *futex_receive(void *arg)
{
	struct word_channel *channel = arg;
	void *token;

	while (!atomic_load_explicit(&channel->full, memory_order_acquire))
		futex(&channel->full, FUTEX_WAIT_PRIVATE, 0);
	token = channel->token;
	atomic_store_explicit(&channel->full, 0, memory_order_relaxed);
	return token;
}

/* ---- cond -------------------------------------------------------------- */

struct cond_channel {
	pthread_mutex_t	lock;
	pthread_cond_t	sent;
	void		*token;		/* under lock */
};

static void *cond_create(void)
{
	struct cond_channel *channel = empty_channel(sizeof(*channel));

	if (pthread_mutex_init(&channel->lock, NULL) ||
	    pthread_cond_init(&channel->sent, NULL))
		abort();
	channel->token = NULL;
	return channel;
}

static void cond_send(void *arg, void *token)
{
	struct cond_channel *channel = arg;

	pthread_mutex_lock(&channel->lock);
	channel->token = token;
	pthread_mutex_unlock(&channel->lock);
	pthread_cond_signal(&channel->sent);
}

static void *cond_receive(void *arg)
{
	struct cond_channel *channel = arg;
	void *token;

	pthread_mutex_lock(&channel->lock);
	while (!channel->token)
		pthread_cond_wait(&channel->sent, &channel->lock);
	token = channel->token;
	channel->token = NULL;
	pthread_mutex_unlock(&channel->lock);
	return token;
}

static void cond_destroy(void *arg)
{
	struct cond_channel *channel = arg;

	pthread_cond_destroy(&channel->sent);
	pthread_mutex_destroy(&channel->lock);
	free(channel);
}

/* ---- spin -------------------------------------------------------------- */

static void spin_send(void *arg, void *token)
{
	struct word_channel *channel = arg;

	channel->token = token;
	atomic_store_explicit(&channel->full, 1, memory_order_release);
}

#if defined(__x86_64__) || defined(__i386__)
static void relax(void)
{
	__builtin_ia32_pause();
}
#else
static void relax(void)
{
}
#endif

static void *spin_receive(void *arg)
{
	struct word_channel *channel = arg;
	void *token;

	while (!atomic_load_explicit(&channel->full, memory_order_acquire))
		relax();
	token = channel->token;
	atomic_store_explicit(&channel->full, 0, memory_order_relaxed);
	return token;
}

const struct relay_way relay_ways[NR_RELAY_WAYS] = {
	{ "kmempool", false, pool_create, pool_token, pool_send, pool_receive,
	  pool_destroy },
	{ "futex", false, word_create, any_token, futex_send, futex_receive,
	  free },
	{ "cond", false, cond_create, any_token, cond_send, cond_receive,
	  cond_destroy },
	{ "spin", true, word_create, any_token, spin_send, spin_receive,
	  free },
};
