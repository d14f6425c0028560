#include "seal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

size_t seal_text(char out[static SEAL_TEXT_MAX], const struct seal *seal)
{
	char hash[DIGEST_TEXT_MAX];
	return (size_t)snprintf(out, SEAL_TEXT_MAX, "assay/v1/seal\n%s\n%s\n%" PRIu64 "\n%s\n%s\n%s\n%s\n",
		seal->station, seal->epoch, seal->seq, digest_text(seal->digest, seal->hash, hash), seal->at,
		signature_name(seal->kind), seal->key);
}

size_t seal_payload(char out[static SEAL_PAYLOAD_MAX], const struct seal *seal)
{
	char hash[DIGEST_TEXT_MAX], signature[SIGNATURE_BASE64_MAX];
	return (size_t)snprintf(out, SEAL_PAYLOAD_MAX,
		"{\"v\":1,\"station\":\"%s\",\"epoch\":\"%s\",\"seq\":%" PRIu64
		",\"hash\":\"%s\",\"at\":\"%s\",\"alg\":\"%s\",\"key\":\"%s\",\"sig\":\"%s\"}",
		seal->station, seal->epoch, seal->seq, digest_text(seal->digest, seal->hash, hash), seal->at,
		signature_name(seal->kind), seal->key,
		digest_base64(seal->signature, seal->signature_length, signature));
}

void seal_sign(struct seal *seal, const struct signature_key *key)
{
	char text[SEAL_TEXT_MAX];
	seal->kind = signature_key_kind(key);
	snprintf(seal->key, sizeof(seal->key), "%s", signature_key_id(key));
	size_t length = seal_text(text, seal);
	seal->signature_length = signature_make(key, text, length, seal->signature);
}

bool seal_is_right(const struct seal *seal, const struct signature_key *key)
{
	char text[SEAL_TEXT_MAX];
	size_t length = seal_text(text, seal);
	return seal->kind == signature_key_kind(key) &&
	       signature_is_right(key, text, length, seal->signature, seal->signature_length);
}
