/* A seal: the head of a station's chain at one moment, signed with the station's key.
 *
 * Whoever has the seal of entry N and the chain down to it can prove every entry up to N. What is signed is a text of
 * eight lines that does not depend on how the JSON is written; config/contract/evidence.md describes both. Pure; any
 * thread may call.
 */
#ifndef ASSAYD_SEAL_H
#define ASSAYD_SEAL_H

#include "digest.h"

#define SEAL_TEXT_MAX    512 /* the signed text */
#define SEAL_PAYLOAD_MAX 768 /* the JSON that is published */

struct seal {
	char station[32], epoch[33];
	uint64_t seq;
	enum digest_kind digest;   /* of the epoch */
	uint8_t hash[DIGEST_SIZE]; /* of the bytes of entry `seq` */
	char at[40];
	enum signature_kind kind;
	char key[DIGEST_TEXT_MAX]; /* the key's id */
	uint8_t signature[SIGNATURE_MAX];
	size_t signature_length;
};

/* Signs: fills `kind`, `key` and the signature. */
void seal_sign(struct seal *seal, const struct signature_key *key);
bool seal_is_right(const struct seal *seal, const struct signature_key *key);

/* The length written; both end in a NUL. */
size_t seal_text(char out[static SEAL_TEXT_MAX], const struct seal *seal);
size_t seal_payload(char out[static SEAL_PAYLOAD_MAX], const struct seal *seal);

#endif
