/* SPDX-License-Identifier: MIT */
/*
 * blockcopy_crc.c - the checksum of a file whose blocks end out of order
 *
 * It is the one that cksum(1) prints, so that a reader can check it with a
 * program that is not ours.  A CRC that begins with 0 is linear: the checksum
 * of a file is the exclusive or of what each block contributes, and a block
 * contributes its own checksum times x^(8 * bytes that follow it), modulo the
 * polynomial.  So blocks may be added in any order.
 */
#include "blockcopy.h"

#define POLYNOMIAL	0x04c11db7u	/* bit 31 stands for x^31 */
#define TOP_BIT		0x80000000u

static uint32_t table[256];		/* fixed after crc_init() */

static uint32_t times_x(uint32_t a)
{
	return (a << 1) ^ ((a & TOP_BIT) ? POLYNOMIAL : 0);
}

static uint32_t times(uint32_t a, uint32_t b)
{
	uint32_t product = 0;
	int i;

	for (i = 31; i >= 0; i--) {
		product = times_x(product);
		if ((b >> i) & 1)
			product ^= a;
	}
	return product;
}

void crc_init(void)
{
	uint32_t crc;
	unsigned int byte, bit;

	for (byte = 0; byte < 256; byte++) {
		crc = byte << 24;
		for (bit = 0; bit < 8; bit++)
			crc = times_x(crc);
		table[byte] = crc;
	}
}

uint32_t crc_add(uint32_t crc, const void *data, size_t len)
{
	const unsigned char *p = data;

	while (len-- > 0)
		crc = (crc << 8) ^ table[(crc >> 24) ^ *p++];
	return crc;
}

uint32_t crc_shift(uint32_t crc, uint64_t nr_after)
{
	uint32_t power = 1u << 8;	/* x^8, then its squares */

	for (; nr_after > 0; nr_after >>= 1) {
		if (nr_after & 1)
			crc = times(crc, power);
		power = times(power, power);
	}
	return crc;
}

uint32_t crc_finish(uint32_t crc, uint64_t size)
{
	unsigned char byte;

	for (; size > 0; size >>= 8) {
		byte = size & 0xff;
		crc = crc_add(crc, &byte, 1);
	}
	return ~crc;
}
