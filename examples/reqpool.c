/* SPDX-License-Identifier: MIT */
/*
 * reqpool.c - allocate freely during a request, free it all at its end
 *
 * A server computes what it is sent: sums, differences and products of
 * numbers.  Each request becomes a tree of nodes, as large as the request is,
 * and nobody frees a node: when the answer is known, or the request turns out
 * to be no good half way through, one call takes all of them back.  There is
 * no path on which one could be forgotten.  The memory stays for the next
 * request, so that after the largest one nothing is asked of the system.
 *
 * Shown in kmem_cache_shrink(3).
 */

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kmempool/slab.h>

struct node {
	char		op;		/* + - * or, for a number, 0 */
	long		number;
	struct node	*left, *right;
};

static struct kmem_cache *nodes;	/* of the request in hand */

static struct node *parse_sum(const char **s);

static struct node *make(char op, long number, struct node *left,
			 struct node *right)
{
	struct node *node = kmem_cache_alloc(nodes, GFP_KERNEL);

	if (node)
		*node = (struct node){ op, number, left, right };
	return node;
}

/* Each parser returns NULL if the request is no good or memory is short. */
static struct node *parse_factor(const char **s)
{
	struct node *node;
	char *end;
	long number;

	if (**s == '(') {
		++*s;
		node = parse_sum(s);
		return node && *(*s)++ == ')' ? node : NULL;
	}
	number = strtol(*s, &end, 10);
	if (end == *s)
		return NULL;
	*s = end;
	return make(0, number, NULL, NULL);
}

static struct node *parse_product(const char **s)
{
	struct node *left = parse_factor(s), *right;

	while (left && **s == '*') {
		++*s;
		right = parse_factor(s);
		left = right ? make('*', 0, left, right) : NULL;
	}
	return left;
}

static struct node *parse_sum(const char **s)
{
	struct node *left = parse_product(s), *right;
	char op;

	while (left && (**s == '+' || **s == '-')) {
		op = *(*s)++;
		right = parse_product(s);
		left = right ? make(op, 0, left, right) : NULL;
	}
	return left;
}

static long compute(const struct node *node)
{
	long left, right;

	if (!node->op)
		return node->number;
	left = compute(node->left);
	right = compute(node->right);
	return node->op == '+' ? left + right :
	       node->op == '-' ? left - right : left * right;
}

/* 0, or -1 for a request that is no good. */
static int serve(const char *request, long *answer)
{
	struct node *node = parse_sum(&request);
	int ret = -1;

	if (node && !*request) {
		*answer = compute(node);
		ret = 0;
	}
	kmem_cache_reset(nodes);
	return ret;
}

/* A request that adds @nr products, to be answered by -4 * @nr. */
static char *long_request(int nr)
{
	static const char product[] = "-2*(5-3)";
	char *request = malloc(nr * (sizeof(product) - 1) + 2);
	int i;

	if (!request)
		err(1, "malloc");
	strcpy(request, "0");
	for (i = 0; i < nr; i++)
		strcpy(request + 1 + i * (sizeof(product) - 1), product);
	return request;
}

static void serve_long(int nr)
{
	char *request = long_request(nr);
	long answer;

	if (serve(request, &answer) || answer != -4L * nr)
		errx(1, "the wrong answer to a request of %d products", nr);
	free(request);
}

static struct kmem_cache_stats stats(void)
{
	struct kmem_cache_stats s;

	if (kmem_cache_get_stats(nodes, &s, sizeof(s)))
		errx(1, "kmem_cache_get_stats");
	return s;
}

int main(void)
{
	static const int sizes[] = { 7, 300, 1, 2000, 40, 2000, 0, 900 };
	struct kmem_cache_stats largest, last;
	size_t i;
	long answer;

	nodes = KMEM_CACHE(node, 0);
	if (!nodes)
		err(1, "KMEM_CACHE");

	serve_long(2000);
	largest = stats();
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		serve_long(sizes[i]);
	/* Half of a tree is no more trouble than a whole one. */
	if (!serve("1+2*(3-", &answer) || !serve("1+(2*3", &answer))
		errx(1, "an answer to half a request");

	last = stats();
	if (last.active || last.slabs_made != largest.slabs_made ||
	    last.slabs_returned)
		errx(1, "the slabs of one request did not do for the next");
	printf("%u requests in %u slabs\n", (unsigned int)last.resets,
	       (unsigned int)last.slabs_made);
	return kmem_cache_destroy(nodes);
}
