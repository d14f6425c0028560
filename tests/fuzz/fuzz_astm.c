/* Fuzz target: any bytes, through the cutter, into the astm driver, offline and in the middle of a dialogue.
 *
 * The first byte chooses the options and how the stream is cut. What comes out must hold its promises: whole UTF-8
 * texts, raw bytes and identity that last until the next question, one answer at most to a frame.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../daemon/cutter.h"
#include "../../daemon/settings.h"
#include "../../drivers/checksum.h"
#include "../../drivers/text.h"

static struct reading list[READINGS_AT_ONCE];

static void check_text(const char *text, size_t size)
{
	assert(strnlen(text, size) < size);
	assert(text_is_utf8(text, strlen(text)));
}

static void check_reading(const struct reading *reading)
{
	check_text(reading->sample_no, sizeof(reading->sample_no));
	check_text(reading->sample_name, sizeof(reading->sample_name));
	check_text(reading->item, sizeof(reading->item));
	check_text(reading->value, sizeof(reading->value));
	check_text(reading->unit, sizeof(reading->unit));
	check_text(reading->verdict_as_sent, sizeof(reading->verdict_as_sent));
	check_text(reading->operator_id, sizeof(reading->operator_id));
	for (size_t i = 0; i < reading->said_count; i++)
		check_text(reading->said[i].value, sizeof(reading->said[i].value));
	assert(reading->raw_length > 0 && reading->raw[reading->raw_length - 1] == '\r');
	assert(reading->identity >= reading->raw);
	assert(reading->identity + reading->identity_length == reading->raw + reading->raw_length);
	assert(strlen(reading->tested_at) == 0 || strlen(reading->tested_at) == 19);
	assert(!*reading->qualifier || *reading->value);
}

static void ask(struct instrument *instrument)
{
	struct request request = { 0 };
	instrument->driver->ask(instrument, &request);
	assert(request.kind == REQUEST_NONE || request.kind == REQUEST_BYTES);
	assert(request.length <= REQUEST_MAX && (request.length > 0) == (request.kind == REQUEST_BYTES));
}

static void take(struct instrument *instrument, const struct cut *cut, bool offline)
{
	static unsigned long sum;
	struct readings readings = { .list = list };
	struct reply reply = { .kind = REPLY_FRAME,
		.bytes = cut->bytes,
		.length = cut->length,
		.offset = cut->offset,
		.offline = offline };
	enum next next = instrument->driver->take(instrument, &reply, &readings);
	for (size_t i = 0; i < readings.count; i++) {
		check_reading(&list[i]);
		for (size_t at = 0; at < list[i].raw_length; at++)
			sum += list[i].raw[at];
	}
	for (size_t i = 0; i < readings.notice_count; i++) {
		check_text(readings.notices[i].reason, sizeof(readings.notices[i].reason));
		for (size_t at = 0; at < readings.notices[i].raw_length; at++)
			sum += readings.notices[i].raw[at];
	}
	if (!offline && next == NEXT_ASK)
		ask(instrument);
	if (!offline && cut->offset % 61 == 60) {
		struct reply silence = { .kind = REPLY_SILENCE };
		readings = (struct readings){ .list = list };
		instrument->driver->take(instrument, &silence, &readings);
		ask(instrument);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

/* Chance alone would rarely hit a checksum: three mutants in four get theirs put right. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
	size = LLVMFuzzerMutate(data, size, max_size);
	size_t start = 0;
	for (size_t at = 1; seed % 4 && at + 3 <= size; at++) {
		if (data[at] == 0x02)
			start = at;
		if ((data[at] != 0x03 && data[at] != 0x17) || start == 0)
			continue;
		char sum[3];
		snprintf(sum, sizeof(sum), "%02X", checksum_sum8(data + start + 1, at - start));
		memcpy(data + at + 1, sum, 2);
		start = 0;
	}
	return size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char options[512];
	if (size == 0)
		return 0;
	uint8_t choice = *data++;
	size--;
	const struct driver *driver = driver_by_name("astm");
	settings_defaults(&(struct settings_table){ driver->options, options });
	static const char *const checksums[] = { "auto", "auto", "strict", "none" };
	static const char *const encodings[] = { "auto", "gb18030", "auto", "utf-8" };
	for (const struct setting *row = driver->options; row->name; row++) {
		if (strcmp(row->name, "checksum") == 0)
			settings_value(row, checksums[choice & 3], options, NULL);
		else if (strcmp(row->name, "encoding") == 0)
			settings_value(row, encodings[choice >> 2 & 3], options, NULL);
		else if (strcmp(row->name, "acknowledge") == 0)
			settings_value(row, (choice & 0xC0) == 0xC0 ? "no" : "yes", options, NULL);
		else if (strcmp(row->name, "framing") == 0)
			settings_value(row, (choice & 0xC0) == 0x80 ? "records" : "auto", options, NULL);
	}
	struct instrument instrument = { .driver = driver, .options = options };
	instrument.now = (struct date_time){ 2026, 3, 5, 9, 0, 0 };
	instrument.state = calloc(1, driver->state_size);
	driver->setup(&instrument, NULL);
	bool offline = choice & 0x10;
	if (!offline)
		ask(&instrument);

	struct cutter cutter = { 0 };
	struct cut cut;
	size_t step = choice & 0x20 ? 7 : 4096;
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
