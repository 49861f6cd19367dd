/* SPDX-License-Identifier: MIT */
/*
 * version.c - the version compiled against and the version in use
 *
 * Shown in kmempool_version(3).
 */

#include <err.h>
#include <stdio.h>

#include <kmempool/mempool.h>

int main(void)
{
	unsigned int major, minor, patch;

	printf("compiled with %s, running with %s\n", KMEMPOOL_VERSION,
	       kmempool_version());
	if (sscanf(kmempool_version(), "%u.%u.%u", &major, &minor,
		   &patch) != 3)
		errx(1, "not a version");
	if (major != KMEMPOOL_VERSION_MAJOR ||
	    minor < KMEMPOOL_VERSION_MINOR)
		errx(1, "the library is too old for this program");
	return 0;
}
