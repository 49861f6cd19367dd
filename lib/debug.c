/* SPDX-License-Identifier: MIT */
/*
 * debug.c - what KMEMPOOL_DEBUG asks for
 *
 * A list of words with commas between them.  Words that are not known are for
 * other releases.  This is the only file that reads the environment, and not
 * that of a process which runs with another's rights.
 */
#include "config.h"

#include "debug.h"

#include <stdlib.h>
#include <string.h>

bool debug_no_layer;

static bool has_word(const char *list, const char *word)
{
	size_t length;

	for (; *list; list += length + (list[length] == ',')) {
		length = strcspn(list, ",");
		if (length == strlen(word) && !strncmp(list, word, length))
			return true;
	}
	return false;
}

void debug_read(void)
{
	const char *list = secure_getenv("KMEMPOOL_DEBUG");

	if (list)
		debug_no_layer = has_word(list, "nolayer");
}
