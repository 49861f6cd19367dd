/* SPDX-License-Identifier: MIT */
/*
 * relay.c - two threads that hand one token to and fro
 *
 * The first thread decides when it is over, and says so before it sends for
 * the last time.
 */
#include "config.h"

#include "relay.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "cpus.h"
#include "figures.h"

struct relay {
	const struct relay_way	*way;
	void			*there, *back;		/* channels */
	pthread_barrier_t	start;
	_Alignas(128) atomic_bool stop;
	bool			over;	/* handed over with the token */
	double			trips;	/* of the first thread */
	double			ns;
};

static void *first_thread(void *arg)
{
	struct relay *relay = arg;
	const struct relay_way *way = relay->way;
	void *token = way->token(relay->there);
	uint64_t start, trips = 0;

	pthread_barrier_wait(&relay->start);
	start = now_ns();
	while (!atomic_load_explicit(&relay->stop, memory_order_relaxed)) {
		way->send(relay->there, token);
		token = way->receive(relay->back);
		trips++;
	}
	relay->ns = (double)(now_ns() - start);
	relay->trips = (double)trips;
	relay->over = true;
	way->send(relay->there, token);
	return NULL;
}

static void *second_thread(void *arg)
{
	struct relay *relay = arg;
	const struct relay_way *way = relay->way;

	pthread_barrier_wait(&relay->start);
	for (;;) {
		void *token = way->receive(relay->there);

		if (relay->over)
			return NULL;
		way->send(relay->back, token);
	}
}

void relay_run(const struct relay_way *way, const int cpu[2], int duration_ms,
	       struct relay_outcome *outcome)
{
	struct relay relay = {
		.way = way, .there = way->create(), .back = way->create()
	};
	pthread_t first, second;
	double switches;

	if (pthread_barrier_init(&relay.start, NULL, 3))
		abort();
	cpus_start_on(&first, cpu[0], first_thread, &relay);
	cpus_start_on(&second, cpu[1], second_thread, &relay);
	pthread_barrier_wait(&relay.start);
	switches = nr_switches();
	sleep_ms(duration_ms);
	relay.stop = true;
	pthread_join(first, NULL);
	pthread_join(second, NULL);
	outcome->one_way_ns = relay.ns / (2 * relay.trips);
	outcome->switches = (nr_switches() - switches) / (2 * relay.trips);
	pthread_barrier_destroy(&relay.start);
	way->destroy(relay.back);
	way->destroy(relay.there);
}
