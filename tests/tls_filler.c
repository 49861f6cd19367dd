/* SPDX-License-Identifier: MIT */
/*
 * tls_filler.c - TLS_SIZE bytes of initial-exec thread-local storage
 *
 * Built twice, see dlopen_tls.c.
 */
char *tls_filler(void);

static __thread char bytes[TLS_SIZE]
	__attribute__((tls_model("initial-exec"), aligned(8)));

char *tls_filler(void)
{
	return bytes;
}
