#include "ident.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "digest.h"

#define YEAR (sizeof("2026-") - 1) /* in the text of a time */

struct message { /* what is hashed */
	uint8_t *data;
	size_t length;
};

static void add(struct message *message, const void *data, size_t length)
{
	uint8_t *at = message->data + message->length;
	for (int i = 0; i < 4; i++)
		at[i] = (uint8_t)(length >> (24 - 8 * i));
	if (length)
		memcpy(at + 4, data, length);
	message->length += 4 + length;
}

static void add_text(struct message *message, const char *text)
{
	add(message, text, strlen(text));
}

static void write_uuid(
	char out[static ENTRY_ID_MAX], uint64_t milliseconds, const uint8_t rest[static 10], uint8_t version)
{
	static const char hex[] = "0123456789abcdef";
	uint8_t uuid[16];
	for (int i = 0; i < 6; i++)
		uuid[i] = (uint8_t)(milliseconds >> (40 - 8 * i));
	memcpy(uuid + 6, rest, 10);
	uuid[6] = (uint8_t)((uuid[6] & 0x0F) | version << 4);
	uuid[8] = (uint8_t)((uuid[8] & 0x3F) | 0x80);
	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*out++ = '-';
		*out++ = hex[uuid[i] >> 4];
		*out++ = hex[uuid[i] & 15];
	}
	*out = '\0';
}

void ident_of_reading(char out[static ENTRY_ID_MAX], const char *station, const char *serial, const char *instrument,
	const struct reading *reading)
{
	char who[128], channel[16] = "", repeat[16];
	uint8_t digest[DIGEST_SIZE];
	snprintf(who, sizeof(who), "%s%s", *serial ? "serial:" : "id:", *serial ? serial : instrument);
	if (reading->channel >= 0)
		snprintf(channel, sizeof(channel), "%d", reading->channel);
	snprintf(repeat, sizeof(repeat), "%u", reading->repeat);

	struct message message = { .data = malloc(1024 + reading->identity_length) };
	if (!message.data)
		abort();
	add_text(&message, "assayd-id-1");
	add_text(&message, station);
	add_text(&message, who);
	add_text(&message, reading->instrument_seq);
	add_text(&message, reading->tested_at + (reading->year_inferred ? YEAR : 0));
	add_text(&message, channel);
	add_text(&message, reading->item_looked_up ? "" : reading->item);
	add_text(&message, repeat);
	add(&message, reading->identity, reading->identity_length);
	digest_sha256(message.data, message.length, digest);
	free(message.data);

	bool dated = *reading->tested_at && !reading->year_inferred;
	int64_t tested = dated ? clock_parse_local(reading->tested_at) : -1;
	write_uuid(out, tested > 0 ? (uint64_t)tested * 1000 : 0, digest, 8);
}

void ident_of_row(char out[static ENTRY_ID_MAX], const char *station, const char *row, const char *instead)
{
	uint8_t digest[DIGEST_SIZE];
	struct message message = { .data = malloc(128 + strlen(station) + strlen(row) + ENTRY_ID_MAX) };
	if (!message.data)
		abort();
	add_text(&message, "assayd-row-1");
	add_text(&message, station);
	add_text(&message, row);
	if (*instead)
		add_text(&message, instead);
	digest_sha256(message.data, message.length, digest);
	free(message.data);
	write_uuid(out, 0, digest, 8);
}

void ident_of_successor(char out[static ENTRY_ID_MAX], const char id[static ENTRY_ID_MAX], unsigned index)
{
	uint8_t data[128], digest[DIGEST_SIZE];
	struct message message = { .data = data };
	char which[16];
	unsigned long long high = 0, low = 0;
	snprintf(which, sizeof(which), "%u", index);
	sscanf(id, "%8llx-%4llx", &high, &low);
	add_text(&message, "assayd-successor-1");
	add_text(&message, id);
	add_text(&message, which);
	digest_sha256(message.data, message.length, digest);
	write_uuid(out, high << 16 | low, digest, 8);
}

void ident_random(char out[static ENTRY_ID_MAX], int64_t wall_ms)
{
	uint8_t rest[10];
	digest_random(rest, sizeof(rest));
	write_uuid(out, wall_ms > 0 ? (uint64_t)wall_ms : 0, rest, 7);
}
