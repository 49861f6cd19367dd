/* SPDX-License-Identifier: MIT */
/*
 * options.c - arguments of options that several measurements have
 */
#include "config.h"

#include "options.h"

#include <err.h>
#include <stdlib.h>

size_t rounds_of(const char *arg, size_t most)
{
	char *end;
	long rounds = strtol(arg, &end, 10);

	if (end == arg || *end || rounds < 1 || (size_t)rounds > most)
		errx(2, "--rounds takes 1 to %zu, not %s", most, arg);
	return (size_t)rounds;
}

FILE *csv_of(const char *name)
{
	FILE *csv = fopen(name, "w");

	if (!csv)
		err(2, "%s", name);
	return csv;
}
