/* SPDX-License-Identifier: MIT */
/*
 * free.c - one thread takes elements, another gives them back
 *
 * A producer passes messages to a consumer.  With two elements it can be at
 * most two messages ahead: the pool paces it, and nothing is allocated.
 *
 * Shown in mempool_free(3).
 */

#include <err.h>
#include <pthread.h>
#include <stdio.h>

#include <kmempool/mempool.h>

#define NR_MESSAGES	1000
#define NR_ELEMENTS	2

struct message {
	struct message *next;
	int number;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t not_empty = PTHREAD_COND_INITIALIZER;
static struct message *head, **tail = &head;

static mempool_t *messages;

static void *consumer(void *arg)
{
	struct message *m;
	int i;

	for (i = 0; i < NR_MESSAGES; i++) {
		pthread_mutex_lock(&lock);
		while (!head)
			pthread_cond_wait(&not_empty, &lock);
		m = head;
		head = m->next;
		if (!head)
			tail = &head;
		pthread_mutex_unlock(&lock);

		if (m->number != i)
			errx(1, "message %d arrived as %d", m->number, i);
		mempool_free(m, messages);	/* wakes the producer */
	}
	return arg;
}

int main(void)
{
	struct mempool_attr attr = MEMPOOL_ATTR_INIT;
	struct message *m;
	pthread_t thread;
	int i;

	attr.flags = MEMPOOL_FIXED;
	messages = mempool_create_attr(NR_ELEMENTS, mempool_kmalloc,
				       mempool_kfree,
				       (void *)sizeof(*m), &attr);
	if (!messages)
		err(1, "mempool_create_attr");
	if (pthread_create(&thread, NULL, consumer, NULL))
		errx(1, "pthread_create");

	for (i = 0; i < NR_MESSAGES; i++) {
		m = mempool_alloc(messages, GFP_KERNEL);
		if (!m)
			err(1, "mempool_alloc");
		m->next = NULL;
		m->number = i;

		pthread_mutex_lock(&lock);
		*tail = m;
		tail = &m->next;
		pthread_cond_signal(&not_empty);
		pthread_mutex_unlock(&lock);
	}

	pthread_join(thread, NULL);
	mempool_destroy(messages);
	printf("%d messages in %d elements\n", i, NR_ELEMENTS);
	return 0;
}
