/* SPDX-License-Identifier: MIT */
/*
 * kmalloc.c - an array that grows, and a large one that begins as zeroes
 *
 * All primes below a million.  How many there will be is not known, so the
 * array that holds them grows by half when it is full; it uses all that it was
 * given, which may be more than it asked for.
 *
 * Shown in kmalloc(3).
 */

#include <err.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <kmempool/kmalloc.h>

#define LIMIT		1000000u
#define NR_PRIMES	78498u

struct array {
	uint32_t	*numbers;	/* NULL: none yet */
	size_t		nr, room;
};

static int append(struct array *array, uint32_t number)
{
	size_t room = array->room;
	uint32_t *numbers;

	if (array->nr == room) {
		numbers = krealloc(array->numbers,
				   (room + room / 2 + 1) * sizeof(number),
				   GFP_KERNEL);
		if (!numbers)
			return -ENOMEM;		/* the old array is whole */
		array->numbers = numbers;
		array->room = ksize(numbers) / sizeof(number);
	}
	array->numbers[array->nr++] = number;
	return 0;
}

static int find_primes(struct array *primes)
{
	char *composite = kzalloc(LIMIT, GFP_KERNEL);
	uint32_t i, k;
	int ret = 0;

	if (!composite)
		return -ENOMEM;
	for (i = 2; i < LIMIT && ret == 0; i++) {
		if (composite[i])
			continue;
		ret = append(primes, i);
		for (k = 2 * i; k < LIMIT; k += i)
			composite[k] = 1;
	}
	kfree(composite);
	return ret;
}

int main(void)
{
	struct array primes = { NULL, 0, 0 };
	size_t room;

	if (find_primes(&primes))
		errx(1, "no memory");
	if (primes.nr != NR_PRIMES)
		errx(1, "%zu primes", primes.nr);

	/* No more will come.  To make it shorter never fails. */
	room = ksize(primes.numbers);
	primes.numbers = krealloc(primes.numbers,
				  primes.nr * sizeof(*primes.numbers),
				  GFP_KERNEL);
	if (!primes.numbers)
		err(1, "krealloc");
	printf("%zu primes, the last is %u, in %zu KiB; while it grew, %zu\n",
	       primes.nr, (unsigned int)primes.numbers[primes.nr - 1],
	       ksize(primes.numbers) / 1024, room / 1024);
	kfree(primes.numbers);

	/* More than there are addresses is an error, not a small number. */
	if (kmalloc_array(SIZE_MAX / 2, 3, GFP_KERNEL) || errno != ENOMEM)
		errx(1, "a product that overflowed");
	return 0;
}
