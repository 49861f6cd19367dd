/* SPDX-License-Identifier: MIT */
/*
 * sheaf.c - a B-tree whose insertion cannot fail half-way
 *
 * A node that is full is split in two, which may fill the one above it, and so
 * on up to the root.  What must not happen is that there is no memory for the
 * third of four new nodes: two are in the tree by then.  So each thread has as
 * many in a sheaf as an insertion can take, before it begins and before it
 * takes the lock; what is left serves the next.
 *
 * Shown in kmem_cache_prefill_sheaf(3).
 */

#include <err.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <kmempool/slab.h>

#define MOST_KEYS	4
#define NR_THREADS	4
#define NR_KEYS		10000		/* of each thread */

struct node {
	unsigned int	nr;
	/* One more than may stay, until the node is split. */
	long		keys[MOST_KEYS + 1];
	struct node	*children[MOST_KEYS + 2];	/* none in a leaf */
};

struct tree {
	struct kmem_cache	*nodes;
	pthread_mutex_t		lock;
	struct node		*root;		/* under lock, as is height */
	unsigned int		height;
};

/* ---- insertion, with the lock: nothing here can fail ------------------- */

static struct node *take(struct tree *tree, struct slab_sheaf *sheaf)
{
	struct node *node = kmem_cache_alloc_from_sheaf(tree->nodes,
							__GFP_ZERO, sheaf);

	if (!node)
		errx(1, "the sheaf had too few");
	return node;
}

/* The upper half goes to a new node; @key is what was between the two. */
static struct node *split(struct tree *tree, struct node *node, long *key,
			  struct slab_sheaf *sheaf)
{
	struct node *right = take(tree, sheaf);
	unsigned int half = node->nr / 2;

	*key = node->keys[half];
	right->nr = node->nr - half - 1;
	memcpy(right->keys, node->keys + half + 1,
	       right->nr * sizeof(right->keys[0]));
	memcpy(right->children, node->children + half + 1,
	       (right->nr + 1) * sizeof(right->children[0]));
	node->nr = half;
	return right;
}

/* Puts @key at @at, and behind it the subtree @right. */
static void put(struct node *node, unsigned int at, long key,
		struct node *right)
{
	memmove(node->keys + at + 1, node->keys + at,
		(node->nr - at) * sizeof(node->keys[0]));
	memmove(node->children + at + 2, node->children + at + 1,
		(node->nr - at) * sizeof(node->children[0]));
	node->keys[at] = key;
	node->children[at + 1] = right;
	node->nr++;
}

/* NULL; or what goes beside @node, with the new @key between them. */
static struct node *insert_below(struct tree *tree, struct node *node,
				 long *key, struct slab_sheaf *sheaf)
{
	struct node *right = NULL;
	unsigned int at = 0;

	while (at < node->nr && node->keys[at] < *key)
		at++;
	if (node->children[0]) {
		right = insert_below(tree, node->children[at], key, sheaf);
		if (!right)
			return NULL;
	}
	put(node, at, *key, right);
	return node->nr > MOST_KEYS ? split(tree, node, key, sheaf) : NULL;
}

static void insert_locked(struct tree *tree, long key, struct slab_sheaf *sheaf)
{
	struct node *right = NULL, *root;

	if (tree->root)
		right = insert_below(tree, tree->root, &key, sheaf);
	if (tree->root && !right)
		return;
	root = take(tree, sheaf);
	root->children[0] = tree->root;
	put(root, 0, key, right);
	tree->root = root;
	tree->height++;
}

/* ---- insertion --------------------------------------------------------- */

/* 0; or -ENOMEM, and the tree is as it was.  @sheaf: the thread's own. */
static int insert(struct tree *tree, long key, struct slab_sheaf **sheaf)
{
	unsigned int needed;

	for (;;) {
		pthread_mutex_lock(&tree->lock);
		/* One in each level, and a root. */
		needed = tree->height + 1;
		if (kmem_cache_sheaf_size(*sheaf) >= needed)
			break;
		/* Memory is asked for without the lock. */
		pthread_mutex_unlock(&tree->lock);
		if (kmem_cache_refill_sheaf(tree->nodes, GFP_KERNEL, sheaf,
					    needed))
			return -ENOMEM;
	}
	insert_locked(tree, key, *sheaf);
	pthread_mutex_unlock(&tree->lock);
	return 0;
}

struct inserter {
	pthread_t	thread;
	struct tree	*tree;
	long		first;
};

static void *insert_many(void *arg)
{
	struct inserter *me = arg;
	struct kmem_cache *nodes = me->tree->nodes;
	struct slab_sheaf *sheaf;
	long i;

	sheaf = kmem_cache_prefill_sheaf(nodes, GFP_KERNEL, 4);
	if (!sheaf)
		err(1, "kmem_cache_prefill_sheaf");
	for (i = 0; i < NR_KEYS; i++)
		if (insert(me->tree, me->first + i * NR_THREADS, &sheaf))
			errx(1, "no memory, and a tree that is whole");
	kmem_cache_return_sheaf(nodes, GFP_KERNEL, sheaf);
	return NULL;
}

/* ---- the tree's end ---------------------------------------------------- */

/* Each key must be the one after that before it. */
static void check_and_free(struct tree *tree, struct node *node, long *next)
{
	unsigned int i;

	if (!node)
		return;
	for (i = 0; i <= node->nr; i++) {
		check_and_free(tree, node->children[i], next);
		if (i < node->nr && node->keys[i] != (*next)++)
			errx(1, "a key is missing before %ld", node->keys[i]);
	}
	kmem_cache_free(tree->nodes, node);
}

int main(void)
{
	struct tree tree = { .lock = PTHREAD_MUTEX_INITIALIZER };
	struct inserter inserters[NR_THREADS];
	long nr = 0;
	int i;

	tree.nodes = KMEM_CACHE(node, 0);
	if (!tree.nodes)
		err(1, "KMEM_CACHE");
	for (i = 0; i < NR_THREADS; i++) {
		inserters[i].tree = &tree;
		inserters[i].first = i;
		errno = pthread_create(&inserters[i].thread, NULL, insert_many,
				       &inserters[i]);
		if (errno)
			err(1, "pthread_create");
	}
	for (i = 0; i < NR_THREADS; i++)
		pthread_join(inserters[i].thread, NULL);
	check_and_free(&tree, tree.root, &nr);
	if (nr != (long)NR_THREADS * NR_KEYS)
		errx(1, "%ld keys", nr);
	/* Every sheaf was returned, every node freed. */
	if (kmem_cache_destroy(tree.nodes))
		errx(1, "a node is lost");
	pthread_mutex_destroy(&tree.lock);
	return 0;
}
