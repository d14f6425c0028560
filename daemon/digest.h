/* Digests, the one place that knows which library does them (OpenSSL libcrypto). Any thread may call. */
#ifndef ASSAYD_DIGEST_H
#define ASSAYD_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#define DIGEST_SIZE     32
#define DIGEST_TEXT_MAX (7 + 2 * DIGEST_SIZE + 1) /* "sha256:" and 64 hexadecimal digits */

/* SHA-256 (FIPS 180-4). */
void digest_sha256(const void *data, size_t length, uint8_t out[static DIGEST_SIZE]);

/* "sha256:<hex>" */
char *digest_text(const uint8_t digest[static DIGEST_SIZE], char out[static DIGEST_TEXT_MAX]);

/* Random bytes fit for identifiers and back-off jitter. */
void digest_random(void *out, size_t length);

/* Standard base64 with padding (RFC 4648 section 4); `out` has room for 4 * ((length + 2) / 3) + 1 bytes. */
char *digest_base64(const void *data, size_t length, char *out);

#endif
