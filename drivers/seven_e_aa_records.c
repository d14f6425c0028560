/* Result frames of "7E-AA" readers; the transcript stands in seven_e_aa.c. */
#include "seven_e_aa.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "bytes.h"
#include "calendar.h"
#include "text.h"

/* ---- one result ---- */

static struct date_time take_time(struct bytes *bytes, uint8_t *ret_yy)
{
	*ret_yy = bytes_u8(bytes);
	struct date_time time = { .year = *ret_yy > 99 ? 0 : 2000 + *ret_yy };
	time.month = bytes_u8(bytes);
	time.day = bytes_u8(bytes);
	time.hour = bytes_u8(bytes);
	time.minute = bytes_u8(bytes);
	time.second = bytes_u8(bytes);
	return time;
}

static void decode_time(struct reading *reading, struct bytes *bytes)
{
	uint8_t yy;
	struct date_time time = take_time(bytes, &yy);
	if (calendar_text(&time, reading->tested_at))
		return;
	char sent[32];
	snprintf(sent, sizeof(sent), "%02u-%02u-%02u %02u:%02u:%02u", yy, (unsigned)time.month, (unsigned)time.day,
		(unsigned)time.hour, (unsigned)time.minute, (unsigned)time.second);
	reading_said(reading, "impossible_time", sent);
}

static const char *sentinel(uint16_t raw)
{
	return raw == 0x7FFE ? "7FFE: not available" : raw == 0x7FFF ? "7FFF: invalid" : NULL;
}

static void decode_inhibition(struct reading *reading, uint16_t raw, unsigned decimals)
{
	text_copy(reading->unit, sizeof(reading->unit), "%");
	snprintf(reading->value_as_sent, sizeof(reading->value_as_sent), "%d", (int16_t)raw);
	if (sentinel(raw)) {
		reading->verdict = VERDICT_INVALID;
		reading_said(reading, "no_value", sentinel(raw));
		return;
	}
	decimal_scaled(reading->value, (int16_t)raw, decimals);
}

static void decode_a2(struct reading *reading, struct bytes bytes)
{
	snprintf(reading->sample_no, sizeof(reading->sample_no), "%u", bytes_u16le(&bytes));
	text_copy(reading->instrument_seq, sizeof(reading->instrument_seq), reading->sample_no);
	unsigned marks =
		text_decode(TEXT_GB18030, bytes_take(&bytes, 6), 6, reading->sample_name, sizeof(reading->sample_name));
	if (marks & TEXT_CUT)
		reading->marks |= READING_TEXT_CUT;
	if (marks & TEXT_BAD)
		reading->marks |= READING_TEXT_BAD;
	if (strcmp(reading->sample_name, "对照样") == 0)
		reading->kind = KIND_CONTROL;
	decode_time(reading, &bytes);
	decode_inhibition(reading, bytes_u16le(&bytes), 2);
}

static void decode_a2b(struct reading *reading, struct bytes bytes)
{
	static const char *const standards[] = { "GB/T 5009.199-2003", "NY/T 448-2001" };
	static const enum verdict verdicts[] = { VERDICT_NONE, VERDICT_POSITIVE, VERDICT_NEGATIVE };
	char text[DECIMAL_MAX];

	reading->channel = bytes_u8(&bytes);
	if (reading->channel == 0)
		reading->kind = KIND_CONTROL;
	unsigned standard = bytes_u8(&bytes);
	if (standard < sizeof(standards) / sizeof(standards[0]))
		text_copy(reading->basis, sizeof(reading->basis), standards[standard]);
	snprintf(text, sizeof(text), "%u", standard);
	reading_said(reading, "standard", text);
	decode_time(reading, &bytes);
	snprintf(reading->instrument_seq, sizeof(reading->instrument_seq), "%u", bytes_u16be(&bytes));
	uint16_t absorbance = bytes_u16le(&bytes), inhibition = bytes_u16le(&bytes);
	if (sentinel(absorbance))
		reading_said(reading, "no_abs", sentinel(absorbance));
	else
		reading_signal(reading, "abs", decimal_scaled(text, (int16_t)absorbance, 3));
	unsigned verdict = bytes_u8(&bytes);
	if (verdict < sizeof(verdicts) / sizeof(verdicts[0]))
		reading->verdict = verdicts[verdict];
	snprintf(reading->verdict_as_sent, sizeof(reading->verdict_as_sent), "%u", verdict);
	decode_inhibition(reading, inhibition, 1);
}

/* ---- listings ---- */

static uint64_t hash(uint64_t start, const uint8_t *data, size_t length) /* FNV-1a */
{
	for (size_t i = 0; i < length; i++)
		start = (start ^ data[i]) * 0x100000001B3;
	return start;
}

void listing_restart(struct listing *listing)
{
	listing->received = listing->doubts = listing->last_index = listing->alike_at = 0;
	listing->fingerprint = 0;
	listing->last = 0;
	memset(listing->alike, 0, sizeof(listing->alike));
}

void listing_forget(struct listing *listing)
{
	memset(listing, 0, offsetof(struct listing, doubted));
}

void listing_doubt_anew(struct listing *listing)
{
	memset(listing->doubted, 0, sizeof(listing->doubted));
}

/* How many results alike to the last bit stand before this one in the listing. */
static unsigned listing_alike(struct listing *listing, uint64_t identity)
{
	unsigned alike = 0;
	for (unsigned i = 0; i < ALIKE_MAX; i++)
		alike += listing->alike[i] == identity;
	listing->alike[listing->alike_at++ % ALIKE_MAX] = identity;
	return alike;
}

static void listing_tick(struct listing *listing, unsigned total, unsigned index)
{
	if (total != listing->total) {
		memset(listing->seen, 0, sizeof(listing->seen));
		listing->distinct = 0;
		listing->total = total;
	}
	listing->last_index = index;
	listing->received++;
	if (index >= INDEX_MAX || listing->seen[index / 8] & 1U << index % 8)
		return;
	listing->seen[index / 8] |= (uint8_t)(1U << index % 8);
	listing->distinct++;
}

bool listing_complete(const struct listing *listing)
{
	if (listing->total == 0 && listing->doubts > 0)
		return false;
	return listing->distinct >= listing->total || listing->received >= listing->total;
}

/* Eight bits of checksum let one of 256 damaged frames pass: a frame whose end is missing, and the beginning of the
 * next one. Such a one hardly ever holds a time that exists. A reader whose clock was never set says the same
 * impossible time each time it is asked, so what says one is believed when it was read twice alike. True: not yet. */
static bool doubtful(struct listing *listing, bool a2b, struct bytes bytes, uint64_t print)
{
	char text[CALENDAR_TEXT_MAX];
	uint8_t yy;
	bytes_take(&bytes, a2b ? 2 : 8);
	struct date_time time = take_time(&bytes, &yy);
	uint8_t bit = (uint8_t)(1U << print % 8), *at = &listing->doubted[print / 8 % sizeof(listing->doubted)];
	if (calendar_text(&time, text) || *at & bit)
		return false;
	*at |= bit;
	return true;
}

void listing_take(struct listing *listing, const struct reply *reply, struct readings *readings)
{
	struct bytes bytes = bytes_of(reply->bytes, reply->length);
	bool a2b = reply->bytes[1] == RECORD_A2B;
	bytes_take(&bytes, a2b ? 5 : 4);
	unsigned total = bytes_u16le(&bytes), index = bytes_u16le(&bytes);
	if (total == 0) {
		listing_restart(listing);
		listing->total = listing->distinct = 0;
		readings->blanks++;
		return;
	}
	/* Identity: from sample number (a2) or channel (a2b) to the last byte before the checksum. */
	const uint8_t *identity = bytes.at;
	size_t identity_length = bytes_left(&bytes) - 2;
	uint64_t print = hash(0xCBF29CE484222325, identity, identity_length);
	bool same = listing->received > 0 && index == listing->last_index && print == listing->last;
	if (same && !reply->offline)
		return; /* the reader only repeated the frame before */
	if (!reply->offline && doubtful(listing, a2b, bytes, print)) {
		listing->doubts++;
		readings->rejected++;
		return;
	}
	/* The count went back: another listing begins, and late frames of an older one must not count as doubles. */
	if (index < listing->last_index || same)
		listing_restart(listing);
	listing_tick(listing, total, index);
	listing->last = print;
	listing->fingerprint = hash(listing->fingerprint, (const uint8_t *)&print, sizeof(print));

	struct reading *reading = readings_add(readings);
	if (!reading)
		return;
	reading->repeatable = true;
	reading->repeat = listing_alike(listing, print);
	reading->identity = identity;
	reading->identity_length = identity_length;
	reading->raw = reply->bytes;
	reading->raw_length = reply->length;
	if (a2b)
		decode_a2b(reading, bytes);
	else
		decode_a2(reading, bytes);
}
