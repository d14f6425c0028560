/* Fuzz target: any bytes, through the cutter, into the hl7 driver, offline and in the middle of a dialogue.
 *
 * The first byte chooses the options and how the stream is cut. What comes out must hold its promises: whole UTF-8
 * texts, nothing of a person, raw bytes and identity that last until the next question, one answer at most to a
 * message.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../../daemon/cutter.h"
#include "../../daemon/settings.h"
#include "../../drivers/text.h"

static struct reading list[READINGS_AT_ONCE];
static unsigned long sum;

static void check_text(const char *text, size_t size)
{
	assert(strnlen(text, size) < size);
	assert(text_is_utf8(text, strlen(text)));
}

static void check_raw(const uint8_t *raw, size_t length)
{
	for (size_t at = 0; at < length; at++) {
		sum += raw[at];
		assert(length - at < 5 || (at > 0 && raw[at - 1] != '\r') || memcmp(raw + at, "PID|", 4) != 0);
	}
}

/* What is kept of bytes that are no message. */
static void check_kept(const uint8_t *raw, size_t length)
{
	check_raw(raw, length);
	assert(length == 0 || !memmem(raw, length, "PID|", 4));
}

static void check_noise(const struct driver *driver, const struct cut *cut)
{
	uint8_t kept[512], again[512];
	size_t length = cut->length < sizeof(kept) ? cut->length : sizeof(kept);
	memcpy(kept, cut->bytes, length);
	size_t hidden = driver->hide(kept, length);
	assert(hidden <= length);
	check_kept(kept, length);
	memcpy(again, kept, length);
	assert(driver->hide(again, length) == hidden && memcmp(again, kept, length) == 0);
}

static void check_reading(const struct reading *reading)
{
	check_text(reading->sample_no, sizeof(reading->sample_no));
	check_text(reading->sample_name, sizeof(reading->sample_name));
	check_text(reading->item, sizeof(reading->item));
	check_text(reading->value, sizeof(reading->value));
	check_text(reading->value_as_sent, sizeof(reading->value_as_sent));
	check_text(reading->unit, sizeof(reading->unit));
	check_text(reading->verdict_as_sent, sizeof(reading->verdict_as_sent));
	check_text(reading->operator_id, sizeof(reading->operator_id));
	check_text(reading->operator_name, sizeof(reading->operator_name));
	check_text(reading->method, sizeof(reading->method));
	for (size_t i = 0; i < reading->said_count; i++)
		check_text(reading->said[i].value, sizeof(reading->said[i].value));
	assert(reading->raw_length > 0 && reading->raw[reading->raw_length - 1] == '\r');
	assert(reading->identity >= reading->raw && reading->identity_length > 0 &&
		reading->identity + reading->identity_length == reading->raw + reading->raw_length);
	assert(memcmp(reading->raw, "MSH", 3) == 0);
	check_raw(reading->raw, reading->raw_length);
	assert(strlen(reading->tested_at) == 0 || strlen(reading->tested_at) == 19);
	assert(!*reading->qualifier || *reading->value);
}

static void ask(struct instrument *instrument)
{
	struct request request = { 0 };
	instrument->driver->ask(instrument, &request);
	assert(request.kind == REQUEST_NONE || request.kind == REQUEST_BYTES);
	assert(request.length <= REQUEST_MAX && (request.length > 0) == (request.kind == REQUEST_BYTES));
	if (request.length)
		assert(request.bytes[0] == 0x0B && request.bytes[request.length - 2] == 0x1C);
}

static void take(struct instrument *instrument, const struct reply *reply)
{
	enum next next;
	do {
		struct readings readings = { .list = list };
		next = instrument->driver->take(instrument, reply, &readings);
		for (size_t i = 0; i < readings.count; i++)
			check_reading(&list[i]);
		for (size_t i = 0; i < readings.notice_count; i++) {
			check_text(readings.notices[i].reason, sizeof(readings.notices[i].reason));
			check_kept(readings.notices[i].raw, readings.notices[i].raw_length);
		}
		assert(next != NEXT_MORE || readings.count > 0);
	} while (next == NEXT_MORE);
	if (!reply->offline && next == NEXT_ASK)
		ask(instrument);
}

static void choose(const struct driver *driver, char *options, uint8_t choice)
{
	static const char *const encodings[] = { "auto", "gb18030", "auto", "utf-8" };
	static const char *const samples[] = { "auto", "obr-2", "spm-2", "sac-3" };
	settings_defaults(&(struct settings_table){ driver->options, options });
	for (const struct setting *row = driver->options; row->name; row++) {
		if (strcmp(row->name, "encoding") == 0)
			settings_value(row, encodings[choice & 3], options, NULL);
		else if (strcmp(row->name, "sample") == 0)
			settings_value(row, samples[choice >> 2 & 3], options, NULL);
		else if (strcmp(row->name, "item") == 0)
			settings_value(row, choice & 0x40 ? "name" : "code", options, NULL);
		else if (strcmp(row->name, "skip") == 0)
			settings_value(row, choice & 0x80 ? "A 08001" : "", options, NULL);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char options[1024];
	if (size == 0)
		return 0;
	uint8_t choice = *data++;
	size--;
	const struct driver *driver = driver_by_name("hl7");
	choose(driver, options, choice);
	struct instrument instrument = { .driver = driver, .options = options };
	instrument.now = (struct date_time){ 2026, 3, 5, 9, 0, 0 };
	instrument.state = calloc(1, driver->state_size);
	driver->setup(&instrument, NULL);
	bool offline = choice & 0x10;

	struct cutter cutter = { 0 };
	struct cut cut;
	size_t step = choice & 0x20 ? 7 : 4096;
	for (size_t at = 0; at < size; at += step) {
		size_t length = size - at < step ? size - at : step;
		if (cutter_feed(&cutter, data + at, length) < 0)
			break;
		enum cut_kind kind;
		while ((kind = cutter_next(&cutter, &instrument, at + length == size, &cut)) != CUT_MORE) {
			struct reply reply = { .kind = REPLY_FRAME,
				.bytes = cut.bytes,
				.length = cut.length,
				.offset = cut.offset,
				.offline = offline };
			if (kind == CUT_FRAME)
				take(&instrument, &reply);
			else
				check_noise(driver, &cut);
		}
	}
	if (!offline)
		take(&instrument, &(struct reply){ .kind = REPLY_SILENCE });
	cutter_reset(&cutter);
	free(instrument.state);
	return 0;
}
