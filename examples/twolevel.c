/* SPDX-License-Identifier: MIT */
/*
 * twolevel.c - small blocks out of a stock, large ones from malloc()
 *
 * Sixteen classes, of 8, 16, ... 128 bytes, keep 20 blocks each in stock.  A
 * block comes out of the stock of its class and goes back there; when the stock
 * is out, one comes from the cache behind it.  Now and then, when nobody is in
 * a hurry, stocks that are less than half full are filled up.  Larger blocks
 * are the affair of malloc().
 *
 * The program counts the words of a text.  Each line and each word has a block
 * as long as it needs.
 *
 * Shown in mempool_kmalloc(3).
 */

#include <ctype.h>
#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kmempool/mempool.h>
#include <kmempool/slab.h>

#define NR_CLASSES	16
#define STEP		8	/* bytes from one class to the next */
#define STOCK		20	/* blocks of each class */
#define NR_BUCKETS	64

struct class {
	struct kmem_cache	*cache;
	mempool_t		stock;
};

struct word {
	struct word	*next;	/* in its bucket */
	unsigned int	count;
	char		text[];
};

static struct class classes[NR_CLASSES];
static struct word *buckets[NR_BUCKETS];

/* ---- blocks ---- */

static void init_classes(void)
{
	struct class *class;
	char name[16];
	int i, size;

	for (i = 0; i < NR_CLASSES; i++) {
		class = &classes[i];
		size = (i + 1) * STEP;
		snprintf(name, sizeof(name), "block-%d", size);
		class->cache = kmem_cache_create(name, size, 0, 0, NULL);
		if (!class->cache)
			err(1, "kmem_cache_create");
		if (mempool_init_slab_pool(&class->stock, STOCK, class->cache))
			errx(1, "no memory for the stock of %s", name);
	}
}

/* The stock first: it is of the cache. */
static void exit_classes(void)
{
	int i;

	for (i = 0; i < NR_CLASSES; i++) {
		mempool_exit(&classes[i].stock);
		if (kmem_cache_destroy(classes[i].cache))
			errx(1, "a block of class %d is missing", i);
	}
}

/* NULL: too large for any. */
static struct class *class_of(size_t size)
{
	return size > NR_CLASSES * STEP ? NULL : &classes[(size - 1) / STEP];
}

/* Never sleeps: who would give a block back meanwhile? */
static void *take(size_t size)
{
	struct class *class = class_of(size);
	void *block;

	if (!class)
		return malloc(size);
	block = mempool_alloc_preallocated(&class->stock);
	return block ? block : mempool_alloc(&class->stock, GFP_NOWAIT);
}

static void give(void *block, size_t size)
{
	struct class *class = class_of(size);

	if (class)
		mempool_free(block, &class->stock);
	else
		free(block);
}

/* A stock that cannot be filled now is filled by what is given back. */
static int top_up(void)
{
	struct mempool_stats stats;
	int i, nr = 0;

	for (i = 0; i < NR_CLASSES; i++) {
		mempool_get_stats(&classes[i].stock, &stats, sizeof(stats));
		if (stats.curr_nr < STOCK / 2)
			nr += mempool_refill(&classes[i].stock) == 0;
	}
	return nr;
}

/* ---- words ---- */

static size_t size_of(size_t len)
{
	return sizeof(struct word) + len + 1;
}

static struct word **bucket_of(const char *text)
{
	unsigned int hash = 0;

	while (*text)
		hash = hash * 31 + (unsigned char)*text++;
	return &buckets[hash % NR_BUCKETS];
}

static struct word *find(const char *text)
{
	struct word *word = *bucket_of(text);

	while (word && strcmp(word->text, text) != 0)
		word = word->next;
	return word;
}

static unsigned int times(const char *text)
{
	const struct word *word = find(text);

	return word ? word->count : 0;
}

static void count(const char *text)
{
	struct word **bucket = bucket_of(text), *word = find(text);

	if (!word) {
		word = take(size_of(strlen(text)));
		if (!word)
			err(1, "no memory for \"%s\"", text);
		strcpy(word->text, text);
		word->count = 0;
		word->next = *bucket;
		*bucket = word;
	}
	word->count++;
}

static void count_line(const char *line)
{
	static const char no_letters[] = " ,.;:-";
	size_t size = strlen(line) + 1;
	char *copy = take(size), *at, *text;

	if (!copy)
		err(1, "no memory for a line");
	for (at = copy; (*at = (char)tolower((unsigned char)*line)); at++)
		line++;
	for (text = strtok_r(copy, no_letters, &at); text;
	     text = strtok_r(NULL, no_letters, &at))
		count(text);
	give(copy, size);
}

/* How many there were. */
static int forget_all(void)
{
	struct word *word;
	int i, nr = 0;

	for (i = 0; i < NR_BUCKETS; i++) {
		while ((word = buckets[i])) {
			buckets[i] = word->next;
			give(word, size_of(strlen(word->text)));
			nr++;
		}
	}
	return nr;
}

static const char *const moby_dick[] = {
	"Call me Ishmael.",
	"Some years ago - never mind how long precisely - having little or no "
	"money in my purse, and nothing particular to interest me on shore, I "
	"thought I would sail about a little and see the watery part of the "
	"world.",
	"It is a way I have of driving off the spleen, and regulating the "
	"circulation.",
	"Whenever I find myself growing grim about the mouth; whenever it is a "
	"damp, drizzly November in my soul; whenever I find myself "
	"involuntarily pausing before coffin warehouses, and bringing up the "
	"rear of every funeral I meet; and especially whenever my hypos get "
	"such an upper hand of me, that it requires a strong moral principle "
	"to prevent me from deliberately stepping into the street, and "
	"methodically knocking people's hats off - then, I account it high "
	"time to get to sea as soon as I can.",
	"This is my substitute for pistol and ball.",
};

#define NR_LINES	(sizeof(moby_dick) / sizeof(moby_dick[0]))

int main(void)
{
	struct mempool_stats stats;
	uint64_t stocked = 0, others = 0;
	int nr_filled = 0, nr_words;
	size_t i;

	init_classes();
	for (i = 0; i < NR_LINES; i++) {
		count_line(moby_dick[i]);
		nr_filled += top_up();
	}
	if (times("whenever") != 4 || times("ishmael") != 1)
		errx(1, "words were lost");
	nr_words = forget_all();

	for (i = 0; i < NR_CLASSES; i++) {
		mempool_get_stats(&classes[i].stock, &stats, sizeof(stats));
		if (stats.outstanding || stats.curr_nr != STOCK)
			errx(1, "a stock is not as it was");
		stocked += stats.alloc_reserve;
		others += stats.alloc_backend;
	}
	printf("%d words; %d blocks from stock, %d from a cache; filled %d "
	       "times\n", nr_words, (int)stocked, (int)others, nr_filled);
	if (!stocked || !others || !nr_filled)
		errx(1, "one of the two levels was not used");
	exit_classes();
	return 0;
}
