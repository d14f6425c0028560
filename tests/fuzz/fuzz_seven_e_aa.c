/* Fuzz target: any bytes, through the cutter, into the 7E-AA driver, offline and in the middle of a dialogue.
 *
 * The first byte chooses the layout and how the stream is cut. What comes out must hold its promises: whole UTF-8
 * texts, decimals, identity inside the frame, a question after every answer.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../../daemon/cutter.h"
#include "../../daemon/settings.h"
#include "../../drivers/checksum.h"
#include "../../drivers/text.h"

static struct reading list[READINGS_AT_ONCE];

static void check_reading(const struct reading *reading, const struct reply *reply)
{
	assert(text_is_utf8(reading->sample_name, strlen(reading->sample_name)));
	assert(!*reading->value || decimal_valid(reading->value));
	assert(*reading->value || reading->verdict == VERDICT_INVALID);
	assert(reading->raw == reply->bytes && reading->raw_length == reply->length);
	assert(reading->identity > reading->raw);
	assert(reading->identity + reading->identity_length < reading->raw + reading->raw_length);
	assert(strlen(reading->tested_at) == 0 || strlen(reading->tested_at) == 19);
}

/* Asks as long as the driver wants to, as a line would whose instrument says nothing. */
static void ask(struct instrument *instrument, enum next next)
{
	for (int turns = 0; next == NEXT_ASK; turns++) {
		struct request request = { 0 };
		instrument->driver->ask(instrument, &request);
		assert(request.kind == REQUEST_BYTES && request.length <= REQUEST_MAX);
		assert(instrument->driver->frame(instrument, request.bytes, request.length) == (int)request.length);
		struct readings readings = { .list = list };
		struct reply silence = { .kind = REPLY_SILENCE };
		next = turns % 3 == 0 ? NEXT_WAIT : instrument->driver->take(instrument, &silence, &readings);
		assert(turns < 1000);
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
	for (size_t at = 1; seed % 4 && at + 6 < size; at++) {
		size_t length = data[at + 2];
		if (data[at] != 0x7E || data[at + 3] != 0 || at + length + 6 > size)
			continue;
		data[at + 4 + length] = checksum_crc8(data + at + 1, length + 3);
		data[at + 5 + length] = 0xAA;
	}
	return size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char options[256];
	if (size == 0)
		return 0;
	uint8_t choice = *data++;
	size--;
	const struct driver *driver = driver_by_name("seven-e-aa");
	settings_defaults(&(struct settings_table){ driver->options, options });
	settings_value(&driver->options[0], choice & 1 ? "a2" : choice & 2 ? "a2b" : "auto", options, NULL);
	struct instrument instrument = { .driver = driver, .options = options };
	instrument.now = (struct date_time){ 2026, 3, 5, choice % 24, 0, 0 };
	instrument.state = calloc(1, driver->state_size);
	driver->setup(&instrument, NULL);
	bool offline = choice & 4;
	if (!offline)
		ask(&instrument, NEXT_ASK);

	struct cutter cutter = { 0 };
	struct cut cut;
	size_t step = (choice >> 3) + 1U;
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
