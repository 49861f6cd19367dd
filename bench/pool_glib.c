/* SPDX-License-Identifier: MIT */
/*
 * pool_glib.c - GLib's GAsyncQueue with the elements in it
 */
#include "config.h"

#include "pools.h"

#include <glib.h>

#include <stdlib.h>

static void *glib_new(int nr)
{
	GAsyncQueue *queue = g_async_queue_new();

	while (nr--)
		g_async_queue_push(queue, element_new());
	return queue;
}

static struct element *glib_take(void *queue)
{
	return g_async_queue_pop(queue);
}

static void glib_give(void *queue, struct element *element)
{
	g_async_queue_push(queue, element);
}

static void glib_end(void *queue)
{
	void *element;

	while ((element = g_async_queue_try_pop(queue)))
		free(element);
	g_async_queue_unref(queue);
}

const struct peer peer_glib = {
	"GAsyncQueue", glib_new, glib_take, glib_give, glib_end, NULL
};
