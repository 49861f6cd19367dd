/* SPDX-License-Identifier: MIT */
/*
 * typed.c - events of several types in one queue
 *
 * Each type has a pool of its own, so that a flood of keys takes nothing from
 * timers.  The thread that handles events gives each back without asking what
 * it is: its address tells.
 *
 * Shown in mempool_new(3).
 */

#include <err.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include <kmempool/typed.h>

struct event {
	struct event	*next;
	void		(*handle)(struct event *event);
};

struct key {
	struct event	event;
	bool		shift, control;
	char		letter;
};

struct timer {
	struct event	event;
	long		tenths;
};

static struct {
	pthread_mutex_t	lock;
	pthread_cond_t	filled;
	struct event	*first, **last;
	bool		ended;
} queue = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.filled = PTHREAD_COND_INITIALIZER,
	.last = &queue.first,
};

static mempool_t *keys, *timers;
static long nr_keys, nr_tenths;		/* that were handled */

static void post(struct event *event)
{
	event->next = NULL;
	pthread_mutex_lock(&queue.lock);
	*queue.last = event;
	queue.last = &event->next;
	pthread_cond_signal(&queue.filled);
	pthread_mutex_unlock(&queue.lock);
}

static void end_queue(void)
{
	pthread_mutex_lock(&queue.lock);
	queue.ended = true;
	pthread_cond_signal(&queue.filled);
	pthread_mutex_unlock(&queue.lock);
}

/* NULL: there will be no more. */
static struct event *next_event(void)
{
	struct event *event;

	pthread_mutex_lock(&queue.lock);
	while (!queue.first && !queue.ended)
		pthread_cond_wait(&queue.filled, &queue.lock);
	event = queue.first;
	if (event)
		queue.first = event->next;
	if (!queue.first)
		queue.last = &queue.first;
	pthread_mutex_unlock(&queue.lock);
	return event;
}

static void handle_key(struct event *event)
{
	const struct key *key = (struct key *)event;

	if (key->letter == 'x' && !key->shift && !key->control)
		nr_keys++;
}

static void handle_timer(struct event *event)
{
	nr_tenths += ((struct timer *)event)->tenths;
}

static void *handle_all(void *arg)
{
	struct event *event;

	while ((event = next_event())) {
		event->handle(event);
		mempool_put(event);
	}
	return arg;
}

/* Whoever types does not wait: false when there is no room. */
static bool post_key(char letter)
{
	struct key *key = mempool_get0(keys);

	if (!key)
		return false;
	key->letter = letter;
	key->event.handle = handle_key;
	post(&key->event);
	return true;
}

/* A timer must not be lost: wait for one that is in the queue. */
static void post_timer(long tenths)
{
	struct timer *timer = mempool_alloc(timers, GFP_KERNEL);

	if (!timer)
		err(1, "mempool_alloc");
	timer->tenths = tenths;
	timer->event.handle = handle_timer;
	post(&timer->event);
}

int main(void)
{
	long nr_typed = 0;
	pthread_t thread;
	int i;

	keys = mempool_new(struct key, 16);
	/* The same, and in the end it says how many were needed. */
	timers = mempool_new_typed("struct timer", sizeof(struct timer),
				   __alignof__(struct timer), 4,
				   MEMPOOL_NEW_REPORT);
	if (!keys || !timers)
		err(1, "mempool_new");
	if (pthread_create(&thread, NULL, handle_all, NULL))
		errx(1, "pthread_create");

	for (i = 0; i < 1000; i++) {
		nr_typed += post_key('x');
		if (i % 10 == 0)
			post_timer(2);
	}
	end_queue();
	pthread_join(thread, NULL);
	if (nr_keys != nr_typed || nr_tenths != 200)
		errx(1, "an event was lost");

	mempool_destroy(timers);
	mempool_destroy(keys);
	return 0;
}
