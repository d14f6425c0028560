/* Fuzz target: the text driver.
 *
 * The first byte chooses the profile and what the rest is: bytes of the instrument, whole or in pieces, or the text of
 * a profile with which the same bytes are then read. What comes out must hold its promises: whole UTF-8 texts,
 * decimals, bytes inside the frame, questions that fit, and the same readings however the bytes were cut.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../daemon/cutter.h"
#include "../../drivers/text_driver.h"

extern const struct driver text_driver;

static const char *const lines[][3] = { { "frame", "kind", "lines" }, { "frame", "start", "R," },
	{ "line", "separator", "comma" }, { "line", "columns", "10" }, { "line", "last", "2" },
	{ "line", "missing", "----- -" }, { "query", "ask", "D{from:yyyy-MM-dd}D{to:yyyy-MM-dd}" },
	{ "query", "done", "FINISH" }, { "field", "sample-no", "column 2" }, { "field", "item", "column 4" },
	{ "field", "value", "column 6 decimal" }, { "field", "unit", "column 7" }, { "field", "verdict", "column 8" },
	{ "field", "time", "column 9 time yyyy-MM-dd HH:mm:ss" }, { "field", "kind", "column 2" },
	{ "signals", "abs", "column 5" }, { "said", "well", "column 3" }, { "map verdict", "合格", "negative" },
	{ "map kind", "*", "sample" }, { NULL } };
static const char *const blocks[][3] = { { "frame", "kind", "blocks" }, { "frame", "start", "\\xFF$\\xFF$" },
	{ "frame", "length", "57" }, { "frame", "end", "\\r\\n" }, { "frame", "checksum", "sum8 3..53 at 54" },
	{ "field", "sample-no", "bytes 5..19" }, { "field", "value", "bytes 28..33" },
	{ "said", "low", "bytes 42..45 f32le" }, { NULL } };
static const char *const tickets[][3] = { { "frame", "kind", "tickets" }, { "frame", "start", "\\x1B@" },
	{ "frame", "idle-gap", "2s" }, { "field", "value", "label 检测结果" }, { "field", "limit", "label 限量值" },
	{ "field", "sample-name", "label 样品名称" }, { "field", "verdict", "label 判定结果" },
	{ "field", "channel", "label 通道编号" },
	{ "field", "time", "label 检测时间|读取时间 time yyyy-MM-dd HH:mm:ss" }, { "map verdict", "阴性", "negative" },
	{ NULL } };
static const char *const balance[][3] = { { "frame", "kind", "lines" }, { "frame", "encoding", "ascii" },
	{ "frame", "start", "+ -" }, { "frame", "end", "\\r\\n" }, { "frame", "length", "14..15" },
	{ "field", "valid", "bytes -1" }, { "field", "value", "bytes 0..-5 decimal" },
	{ "field", "unit", "bytes -4..-3" }, { "map valid", "S", "result" }, { "map valid", "E", "none" }, { NULL } };
static const char *const loose[][3] = { { "frame", "kind", "lines" }, { "frame", "end", "\\n" },
	{ "frame", "checksum", "xor8 1..-4 at -2 hex" }, { "line", "separator", "blanks" }, { "line", "quotes", "yes" },
	{ "field", "value", "column 2" }, { "field", "time", "column 3,4 time yy/M/d H:mm" }, { NULL } };
static const char *const json[][3] = { { "frame", "kind", "json" }, { "document", "records", "d.l" },
	{ "query", "ask", "READ" }, { "field", "value", "member v" }, { "field", "sample-name", "member n|m.n" },
	{ "field", "verdict", "member o decimal" }, { "field", "time", "member t time yy/M/d H:mm" },
	{ "signals", "abs", "member a" }, { "map verdict", "true", "negative" }, { NULL } };
static const char *const objects[][3] = { { "frame", "kind", "json" }, { "frame", "encoding", "utf-8" },
	{ "field", "value", "member v decimal" }, { "field", "sample-no", "member n" }, { NULL } };
static const char *const rows[][3] = { { "frame", "kind", "lines" }, { "frame", "end", "\\n" },
	{ "line", "separator", "comma" }, { "line", "quotes", "yes" }, { "line", "header", "yes" },
	{ "field", "value", "column 2 decimal" }, { "field", "sequence", "column 1" }, { "said", "file", "file" },
	{ NULL } };
static const char *const named[][3] = { { "frame", "kind", "lines" }, { "frame", "end", "\\n" },
	{ "line", "separator", "comma" }, { "line", "quotes", "yes" }, { "field", "value", "column 值|v decimal" },
	{ "field", "sequence", "column 'a b,n'" }, { "field", "sample-no", "column 4" }, { "said", "file", "file" },
	{ NULL } };
static const char *const xml[][3] = { { "frame", "kind", "xml" }, { "document", "records", "r" },
	{ "field", "value", "member v" }, { "field", "unit", "member v.@u" }, { "field", "sample-no", "member @n|s.n" },
	{ NULL } };
static const char *const (*const shapes[])[3] = { lines, blocks, tickets, balance, loose, json, objects, rows, xml,
	named };
#define SHAPES (sizeof(shapes) / sizeof(shapes[0]))

static struct text_profile *profile_of(const char *const each[][3])
{
	struct text_profile *profile = calloc(1, sizeof(*profile));
	struct fault fault = { "" };
	for (; (*each)[0]; each++)
		if (text_profiles.entry(profile, (*each)[0], (*each)[1], (*each)[2], &fault) != 0)
			abort();
	if (text_profiles.finish(profile, &fault) != 0)
		abort();
	return profile;
}

static struct reading list[READINGS_AT_ONCE];
static void *state;

static void check(const struct readings *readings, const struct cut *cut)
{
	for (size_t i = 0; i < readings->count; i++) {
		const struct reading *reading = &list[i];
		assert(text_is_utf8(reading->sample_name, strlen(reading->sample_name)));
		assert(text_is_utf8(reading->value_as_sent, strlen(reading->value_as_sent)));
		assert(text_is_utf8(reading->value, strlen(reading->value)));
		assert(!*reading->limit_value || decimal_valid(reading->limit_value));
		assert(*reading->value || *reading->value_as_sent || *reading->verdict_as_sent ||
			reading->verdict == VERDICT_INVALID);
		assert(reading->raw == cut->bytes && reading->raw_length == cut->length);
		assert(!reading->repeatable ||
			(reading->identity >= cut->bytes && reading->identity_length <= cut->length));
		assert(strlen(reading->tested_at) == 0 || strlen(reading->tested_at) == 19);
		for (size_t k = 0; k < reading->said_count; k++)
			assert(text_is_utf8(reading->said[k].name, strlen(reading->said[k].name)));
	}
}

/* What was read, as one number: it must not depend on how the bytes arrived. */
static uint64_t read_stream(struct instrument *instrument, const uint8_t *data, size_t size, size_t step)
{
	struct cutter cutter = { 0 };
	struct cut cut;
	enum cut_kind kind;
	uint64_t print = 0xCBF29CE484222325;
	memset(state, 0, text_driver.state_size);
	text_driver.setup(instrument, NULL);
	if (instrument->file) {
		struct reply begins = { .kind = REPLY_FILE };
		struct readings none = { .list = list };
		text_driver.take(instrument, &begins, &none);
	}
	for (size_t at = 0; at <= size; at += step) {
		bool final = size - at <= step;
		if (cutter_feed(&cutter, data + at, final ? size - at : step) != 0)
			abort();
		instrument->idle = instrument->file && final;
		while ((kind = cutter_next(&cutter, instrument, final, &cut)) != CUT_MORE) {
			struct readings readings = { .list = list };
			struct reply reply = {
				.kind = REPLY_FRAME, .bytes = cut.bytes, .length = cut.length, .offline = true
			};
			if (kind != CUT_FRAME)
				continue;
			text_driver.take(instrument, &reply, &readings);
			check(&readings, &cut);
			for (size_t i = 0; readings.count && i < cut.length; i++)
				print = (print ^ cut.bytes[i]) * 0x100000001B3;
		}
		if (final)
			break;
	}
	cutter_reset(&cutter);
	instrument->idle = false;
	return print;
}

static void converse(struct instrument *instrument)
{
	struct request request = { 0 };
	text_driver.ask(instrument, &request);
	assert(request.kind == REQUEST_NONE || (request.kind == REQUEST_BYTES && request.length <= REQUEST_MAX));
}

/* Lines of "section=key=value" up to an empty one; what is behind is read with it. */
static void read_profile(struct instrument *instrument, const uint8_t *data, size_t size)
{
	struct text_profile *profile = calloc(1, sizeof(*profile));
	struct fault fault = { "" };
	char *text = calloc(1, size + 1), *rest = text, *line;
	memcpy(text, data, size);
	while ((line = strsep(&rest, "\n")) != NULL && *line) {
		char *section = strsep(&line, "="), *key = strsep(&line, "=");
		if (line && !(text_is_utf8(key, strlen(key)) && text_is_utf8(line, strlen(line))))
			continue; /* the reader of files refuses what is no text before a driver sees it */
		if (line && text_profiles.entry(profile, section, key, line, &fault) != 0)
			assert(*fault.text);
	}
	if (text_profiles.finish(profile, &fault) == 0) {
		instrument->profile = profile;
		size_t left = rest ? size - (size_t)(rest - text) : 0;
		read_stream(instrument, data + (size - left), left, 64);
		converse(instrument);
	}
	free(text);
	free(profile);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct text_profile *profiles[SHAPES];
	for (size_t i = 0; !state && i < SHAPES; i++)
		profiles[i] = profile_of(shapes[i]);
	if (!state) {
		state = calloc(1, text_driver.state_size);
		text_prepare();
	}
	if (size == 0)
		return 0;
	uint8_t choice = *data++;
	size--;
	int64_t lookback_ms = 7 * INT64_C(86400000);
	struct instrument instrument = { .driver = &text_driver,
		.options = &lookback_ms,
		.profile = profiles[choice % SHAPES],
		.file = shapes[choice % SHAPES] == rows ? "a.csv" : NULL,
		.state = state,
		.now = { 2026, 3, 5, 12, 0, 0 } };
	if (choice & 0x80) {
		read_profile(&instrument, data, size);
		return 0;
	}
	uint64_t whole = read_stream(&instrument, data, size, size + 1);
	if (size < 512)
		assert(read_stream(&instrument, data, size, 1) == whole);
	assert(read_stream(&instrument, data, size, (choice >> 4) * 5 + 1) == whole);
	converse(&instrument);
	return 0;
}
