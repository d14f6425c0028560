/* Fuzz target: any bytes, through the cutter, into the 03-FF driver, offline and in the middle of a dialogue.
 *
 * The first byte chooses the settings and how the stream is cut. What comes out must hold its promises: whole UTF-8
 * texts, decimals or words, identity inside the frame, a question after every answer, and never the one that clears the
 * memory unless it was set.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../../daemon/cutter.h"
#include "../../daemon/settings.h"
#include "../../drivers/checksum.h"
#include "../../drivers/text.h"

static struct reading list[2 * READINGS_AT_ONCE];

static void check_texts(const struct reading *reading)
{
	const char *const texts[] = { reading->sample_no, reading->sample_name, reading->sample_category,
		reading->party, reading->origin, reading->item, reading->method, reading->basis, reading->value,
		reading->unit, reading->value_as_sent, reading->verdict_as_sent, reading->operator_name };
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		assert(text_is_utf8(texts[i], strlen(texts[i])));
	for (size_t i = 0; i < reading->said_count; i++)
		assert(text_is_utf8(reading->said[i].name, strlen(reading->said[i].name)) &&
			text_is_utf8(reading->said[i].value, strlen(reading->said[i].value)));
}

static void check_reading(const struct reading *reading, const struct reply *reply)
{
	check_texts(reading);
	assert(!*reading->qualifier || decimal_valid(reading->value));
	assert(!reading->item_looked_up || !*reading->value || decimal_valid(reading->value));
	assert(reading->raw == reply->bytes && reading->raw_length == reply->length && reading->repeatable);
	assert(reading->identity >= reading->raw + 12);
	assert(reading->identity + reading->identity_length <= reading->raw + reading->raw_length);
	assert(strlen(reading->tested_at) == 0 || strlen(reading->tested_at) == 19);
}

static bool may_clear;

/* Asks as long as the driver wants to, as a line would whose instrument says nothing. */
static void ask(struct instrument *instrument, enum next next)
{
	for (int turns = 0; next == NEXT_ASK; turns++) {
		struct request request = { 0 };
		instrument->driver->ask(instrument, &request);
		assert(request.kind == REQUEST_BYTES && request.length <= REQUEST_MAX);
		assert(instrument->driver->frame(instrument, request.bytes, request.length) == (int)request.length);
		assert(may_clear || request.bytes[2] != 0x46);
		struct readings readings = { .list = list };
		struct reply silence = { .kind = REPLY_SILENCE };
		next = turns % 3 == 0 ? NEXT_WAIT : instrument->driver->take(instrument, &silence, &readings);
		assert(readings.count == 0 && turns < 1000);
	}
}

static void take(struct instrument *instrument, const struct cut *cut, bool offline)
{
	struct readings readings = { .list = list };
	struct reply reply = { .kind = REPLY_FRAME,
		.bytes = cut->bytes,
		.length = cut->length,
		.offset = cut->offset,
		.offline = offline };
	enum next next = instrument->driver->take(instrument, &reply, &readings);
	for (size_t i = 0; i < readings.count; i++)
		check_reading(&list[i], &reply);
	for (size_t i = 0; i < readings.notice_count; i++)
		assert(text_is_utf8(readings.notices[i].reason, strlen(readings.notices[i].reason)));
	assert(memchr(readings.cursor, 0, sizeof(readings.cursor)));
	if (!offline)
		ask(instrument, next == NEXT_IDLE ? NEXT_ASK : next);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

/* Chance alone would rarely hit a checksum: three mutants in four get theirs put right. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
	size = LLVMFuzzerMutate(data, size, max_size);
	for (size_t at = 1; seed % 4 && at + 12 <= size; at++) {
		size_t length = data[at + 8] | (size_t)data[at + 9] << 8;
		if (data[at] != 0x03 || data[at + 1] < 0xFE || data[at + 3] != 0 || at + length + 12 > size)
			continue;
		data[at + 10] = checksum_xor8(data + at, 10);
		data[at + 11] = checksum_xor8(data + at + 12, length);
	}
	return size;
}

static void set(const struct driver *driver, char *options, const char *name, const char *value)
{
	for (const struct setting *row = driver->options; row->name; row++)
		if (strcmp(row->name, name) == 0)
			settings_value(row, value, options, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char options[256];
	if (size == 0)
		return 0;
	uint8_t choice = *data++;
	size--;
	const struct driver *driver = driver_by_name("zero3-ff");
	settings_defaults(&(struct settings_table){ driver->options, options });
	set(driver, options, "family", choice & 1 ? "4x+6x" : "4x");
	set(driver, options, "records", (choice & 6) == 6 ? "text" : (choice & 6) == 4 ? "numeric" : "auto");
	may_clear = (choice & 9) == 8; /* one module only */
	set(driver, options, "clear", may_clear ? "yes" : "no");
	set(driver, options, "identify", choice & 16 ? "no" : "yes");
	struct instrument instrument = { .driver = driver, .options = options, .cursor = "day=2026-03-04 4x=3" };
	instrument.now = (struct date_time){ 2026, 3, 5, choice % 24, 0, 0 };
	instrument.state = calloc(1, driver->state_size);
	assert(driver->setup(&instrument, NULL) == 0);
	bool offline = choice & 32;
	if (!offline)
		ask(&instrument, NEXT_ASK);

	struct cutter cutter = { 0 };
	struct cut cut;
	size_t step = (choice >> 6) * 37U + 3;
	for (size_t at = 0; at < size; at += step) {
		size_t length = size - at < step ? size - at : step;
		if (cutter_feed(&cutter, data + at, length) < 0)
			break;
		enum cut_kind kind;
		while ((kind = cutter_next(&cutter, &instrument, at + length == size, &cut)) != CUT_MORE)
			if (kind == CUT_FRAME)
				take(&instrument, &cut, offline);
	}
	cutter_reset(&cutter);
	free(instrument.state);
	return 0;
}
