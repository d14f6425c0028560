#include "digest.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

void digest_sha256(const void *data, size_t length, uint8_t out[static DIGEST_SIZE])
{
	if (EVP_Digest(data, length, out, NULL, EVP_sha256(), NULL) != 1)
		abort(); /* only without memory, or without SHA-256: neither can be survived */
}

char *digest_text(const uint8_t digest[static DIGEST_SIZE], char out[static DIGEST_TEXT_MAX])
{
	static const char hex[] = "0123456789abcdef";
	char *at = out + snprintf(out, DIGEST_TEXT_MAX, "sha256:");
	for (size_t i = 0; i < DIGEST_SIZE; i++) {
		*at++ = hex[digest[i] >> 4];
		*at++ = hex[digest[i] & 15];
	}
	*at = '\0';
	return out;
}

void digest_random(void *out, size_t length)
{
	if (getentropy(out, length) != 0)
		abort(); /* at most 256 bytes a call and a kernel that has entropy: anything else is a bug */
}

char *digest_base64(const void *data, size_t length, char *out)
{
	EVP_EncodeBlock((unsigned char *)out, data, (int)length);
	return out;
}
