/* Digests and signatures, the one place that knows which library does them (OpenSSL libcrypto). Any thread may call.
 *
 * SHA-256 (FIPS 180-4) and SM3 (GB/T 32905-2016) are both 32 bytes. A digest as text says its algorithm: "sha256:" or
 * "sm3:" and 64 hexadecimal digits. Signatures are Ed25519 (RFC 8032, 64 bytes) or SM2 with SM3 (GB/T 32918.2, DER, the
 * signer's default identifier 1234567812345678 of GB/T 35276).
 */
#ifndef ASSAYD_DIGEST_H
#define ASSAYD_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../drivers/fault.h"

#define DIGEST_SIZE     32
#define DIGEST_TEXT_MAX (7 + 2 * DIGEST_SIZE + 1) /* "sha256:" and 64 hexadecimal digits */

enum digest_kind { DIGEST_SHA256, DIGEST_SM3 }; /* these numbers stand in journals */

void digest_of(enum digest_kind kind, const void *data, size_t length, uint8_t out[static DIGEST_SIZE]);
void digest_sha256(const void *data, size_t length, uint8_t out[static DIGEST_SIZE]);

/* "sha256:<hex>" */
char *digest_text(enum digest_kind kind, const uint8_t digest[static DIGEST_SIZE], char out[static DIGEST_TEXT_MAX]);
/* Reads such a text at the start of `length` bytes; how many it took, 0: there is none. */
size_t digest_parse(const char *text, size_t length, enum digest_kind *ret_kind, uint8_t out[static DIGEST_SIZE]);

/* The digest of what comes in pieces. */
struct digest_run;
struct digest_run *digest_begin(enum digest_kind kind);
void digest_add(struct digest_run *run, const void *data, size_t length);
void digest_end(struct digest_run *run, uint8_t out[static DIGEST_SIZE]); /* and frees it */

/* Random bytes fit for identifiers and back-off jitter. */
void digest_random(void *out, size_t length);

/* Standard base64 with padding (RFC 4648 section 4); `out` has room for 4 * ((length + 2) / 3) + 1 bytes. */
char *digest_base64(const void *data, size_t length, char *out);
/* The bytes of such a text, or -EINVAL; `out` has room for `length` / 4 * 3 bytes. */
long digest_base64_read(const char *text, size_t length, uint8_t *out);

/* --- signatures --- */

#define SIGNATURE_MAX        80 /* SM2 as DER is at most 72 */
#define SIGNATURE_BASE64_MAX (4 * ((SIGNATURE_MAX + 2) / 3) + 1)

enum signature_kind { SIGNATURE_ED25519, SIGNATURE_SM2 };
const char *signature_name(enum signature_kind kind);                  /* "ed25519", "sm2-sm3" */
bool signature_named(const char *name, enum signature_kind *ret_kind); /* false: nobody knows it */

struct signature_key;
int signature_key_make(enum signature_kind kind, struct signature_key **ret, struct fault *fault);
/* A private (PKCS #8) or public (SubjectPublicKeyInfo) key as PEM; -EINVAL when it is neither of ours. */
int signature_key_read(const char *pem, size_t length, bool private, struct signature_key **ret, struct fault *fault);
void signature_key_free(struct signature_key *key); /* NULL is fine */
/* As PEM; free() it, a private one after explicit_bzero(). */
char *signature_key_pem(const struct signature_key *key, bool private);
enum signature_kind signature_key_kind(const struct signature_key *key);
/* "sha256:<hex>" of the public key as DER SubjectPublicKeyInfo. */
const char *signature_key_id(const struct signature_key *key);

/* The length of the signature. */
size_t signature_make(
	const struct signature_key *key, const void *message, size_t length, uint8_t out[static SIGNATURE_MAX]);
bool signature_is_right(const struct signature_key *key, const void *message, size_t length, const uint8_t *signature,
	size_t signature_length);

#endif
