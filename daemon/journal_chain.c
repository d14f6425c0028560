#include "journal_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static char *put_hex(char *at, const uint8_t *bytes, size_t count)
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < count; i++) {
		*at++ = digits[bytes[i] >> 4];
		*at++ = digits[bytes[i] & 15];
	}
	*at = '\0';
	return at;
}

size_t chain_head(char out[static HEAD_MAX], const struct head *head)
{
	char prev[DIGEST_TEXT_MAX];
	return (size_t)snprintf(out, HEAD_MAX,
		"{\"v\":1,\"id\":\"%s\",\"station\":\"%s\",\"epoch\":\"%s\",\"seq\":%" PRIu64 ",\"prev\":\"%s\",",
		head->id, head->station, head->epoch, head->seq, digest_text(head->digest, head->prev, prev));
}

int64_t chain_digest48(const uint8_t hash[static DIGEST_SIZE])
{
	int64_t value = 0;
	for (size_t i = 0; i < 6; i++)
		value = value << 8 | hash[i];
	return value;
}

static int nibble(char character)
{
	if (character >= '0' && character <= '9')
		return character - '0';
	if (character >= 'a' && character <= 'f')
		return character - 'a' + 10;
	return -1;
}

bool uuid_parse(const char *text, uint8_t out[static UUID_SIZE])
{
	size_t at = 0;
	for (size_t i = 0; i < UUID_SIZE; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			if (text[at++] != '-')
				return false;
		int high = nibble(text[at]);
		int low = high < 0 ? -1 : nibble(text[at + 1]);
		if (low < 0)
			return false;
		out[i] = (uint8_t)(high << 4 | low);
		at += 2;
	}
	return text[at] == '\0';
}

void uuid_text(const uint8_t uuid[static UUID_SIZE], char out[static ENTRY_ID_MAX])
{
	static const size_t parts[] = { 4, 2, 2, 2, 6 };
	char *at = out;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (i > 0)
			*at++ = '-';
		at = put_hex(at, uuid, parts[i]);
		uuid += parts[i];
	}
}
