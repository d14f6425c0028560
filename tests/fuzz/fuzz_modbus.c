/* Fuzz target: the modbus driver.
 *
 * The first byte chooses profile, options, cursor and what the rest is: bytes of a capture through the cutter; answers
 * to whatever the driver asks, right in length or not; or the text of a profile. What comes out must hold its promises:
 * whole UTF-8 texts, decimals, bytes inside the registers, requests a link can send, and never an endless turn.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../daemon/cutter.h"
#include "../../drivers/checksum.h"
#include "../../drivers/modbus.h"

extern const struct driver modbus_driver;

/* The shipped map in short, one of scattered fields, one with pages of its own, and one without numbers. */
static const char *const windowed[][3] = { { "identity", "magic", "0 u16 equals=0xA55D" },
	{ "identity", "serial", "10 ascii[16]" }, { "status", "overrun", "18 bit7" }, { "status", "fault", "18 bit3" },
	{ "status", "count", "21 u16" }, { "status", "oldest", "22 u32" }, { "status", "newest", "24 u32" },
	{ "status", "clock", "26 ymdhms" }, { "control", "select", "32 u32 order=CDAB" },
	{ "control", "latch", "34 1" }, { "control", "acknowledge", "34 2" }, { "window", "at", "0x100" },
	{ "window", "length", "46" }, { "window", "crc", "0x12D" },
	{ "field", "valid", "0x100 u16 good=1 blank=0xFFFF" }, { "field", "sequence", "0x101 u32" },
	{ "field", "channel", "0x103 u16" }, { "field", "item", "0x104 u16" }, { "field", "time", "0x106 ymdhms" },
	{ "field", "value", "0x10D f32 plausible=0.000001..1000000" }, { "field", "verdict", "0x110 u16" },
	{ "map verdict", "1", "negative" }, { "field", "kind", "0x115 u16" }, { "map kind", "0", "sample" },
	{ "field", "sample-no", "0x116 ascii[16]" }, { "field", "sample-name", "0x11E gb18030[20]" },
	{ "signals", "abs", "0x111 f32" }, { "said", "f64", "0x111 f64 order=DCBA" }, { "said", "f16", "0x113 f16" },
	{ NULL } };
static const char *const loose[][3] = { { "registers", "max-gap", "4" }, { "status", "newest", "1 bcd16" },
	{ "field", "sequence", "100 u16" }, { "field", "value", "103 ascii[8]" }, { "field", "time", "110 dos-time" },
	{ "field", "limit-value", "200 bcd32 scale=0.05" }, { "field", "party", "204 utf8[30]" },
	{ "field", "channel", "222 s16" }, { NULL } };

static const char *const paged[][3] = { { "pages", "function", "0x65" }, { "pages", "request", "page 00 01" },
	{ "pages", "record", "10" }, { "pages", "end", "2" }, { "field", "item", "is OIL-TPM" },
	{ "field", "time", "0 ymdhm8" }, { "field", "unit", "5 u8" }, { "field", "value", "8 u16 scale=/10" },
	{ "signals", "temperature", "6 s16 scale=/10" }, { "map unit", "0", "%" }, { NULL } };
static const char *const unnumbered[][3] = { { "trigger", "ready", "5 u16 good=3" }, { "control", "latch", "9 1" },
	{ "identity", "serial", "1 ascii[6]" }, { "field", "value", "20 f32" }, { "field", "time", "30 bcd-time" },
	{ NULL } };

static struct modbus_profile *profile_of(const char *const lines[][3])
{
	struct modbus_profile *profile = calloc(1, sizeof(*profile));
	struct fault fault = { "" };
	for (; (*lines)[0]; lines++)
		if (modbus_profiles.entry(profile, (*lines)[0], (*lines)[1], (*lines)[2], &fault) != 0)
			abort();
	if (modbus_profiles.finish(profile, &fault) != 0)
		abort();
	return profile;
}

static struct reading list[READINGS_AT_ONCE];
static struct modbus_paged_state memory;

static bool inside(const uint8_t *at, size_t length)
{
	const struct modbus_state *state = &memory.state;
	return at >= state->image && at + length <= state->image + sizeof(state->image);
}

static void check(const struct readings *readings, bool offline)
{
	for (size_t i = 0; i < readings->count; i++) {
		const struct reading *reading = &list[i];
		assert(text_is_utf8(reading->sample_name, strlen(reading->sample_name)));
		assert(text_is_utf8(reading->party, strlen(reading->party)));
		assert(!*reading->value || decimal_valid(reading->value));
		assert(!*reading->limit_value || decimal_valid(reading->limit_value));
		assert(*reading->value || reading->verdict != VERDICT_NONE);
		assert(inside(reading->raw, reading->raw_length));
		assert(reading->identity >= reading->raw);
		assert(reading->identity + reading->identity_length <= reading->raw + reading->raw_length);
		assert(strlen(reading->tested_at) == 0 || strlen(reading->tested_at) == 19);
	}
	for (size_t i = 0; i < readings->notice_count; i++)
		assert(offline || readings->notices[i].raw_length == 0 ||
			inside(readings->notices[i].raw, readings->notices[i].raw_length));
	assert(memchr(readings->cursor, 0, sizeof(readings->cursor)));
}

static void cut_stream(struct instrument *instrument, const uint8_t *data, size_t size)
{
	struct cutter cutter = { 0 };
	struct cut cut;
	enum cut_kind kind;
	if (cutter_feed(&cutter, data, size) == 0) {
		while ((kind = cutter_next(&cutter, instrument, true, &cut)) != CUT_MORE) {
			struct readings readings = { .list = list };
			struct reply reply = { .kind = REPLY_FRAME,
				.bytes = cut.bytes,
				.length = cut.length,
				.offset = cut.offset,
				.offline = true };
			if (kind != CUT_FRAME)
				continue;
			modbus_driver.take(instrument, &reply, &readings);
			check(&readings, true);
		}
	}
	cutter_reset(&cutter);
}

static void check_request(const struct request *request)
{
	if (request->kind == REQUEST_RAW) {
		assert(request->length > 2 && request->length <= 253 && request->bytes[0] < 0x80);
		return;
	}
	if (request->kind == REQUEST_READ || request->kind == REQUEST_WRITE)
		assert(request->count > 0 && request->count <= REGISTERS_MAX &&
			request->address + request->count <= 65536);
	assert(request->kind == REQUEST_READ || request->kind == REQUEST_WRITE || request->kind == REQUEST_NONE);
}

/* Answers every request out of `data`: a byte says how, registers follow. */
static void converse(struct instrument *instrument, const uint8_t *data, size_t size)
{
	size_t at = 0;
	while (at < size) {
		struct request request = { 0 };
		struct readings readings = { .list = list };
		uint8_t how = data[at++], bytes[2 * REGISTERS_MAX] = { 0 };
		struct reply reply = { .kind = REPLY_DONE };
		modbus_driver.ask(instrument, &request);
		check_request(&request);
		if (how < 16)
			reply = (struct reply){ .kind = REPLY_REFUSED, .exception = how };
		else if (how < 20)
			reply.kind = REPLY_SILENCE;
		else if (request.kind == REQUEST_RAW) {
			reply = (struct reply){ .kind = REPLY_RAW, .bytes = bytes, .length = how & 1 ? 12 : 4 };
			bytes[0] = request.bytes[0];
			bytes[1] = how < 24 ? how : (uint8_t)(reply.length - 2);
			size_t length = size - at < reply.length - 2 ? size - at : reply.length - 2;
			memcpy(bytes + 2, data + at, how & 1 ? length : 0);
			at += how & 1 ? length : 0;
		} else if (request.kind == REQUEST_READ || how < 24) {
			reply.kind = REPLY_REGISTERS;
			reply.count = how < 24 ? how : request.count;
			reply.bytes = bytes;
			reply.length = 2 * reply.count;
			size_t length = size - at < reply.length ? size - at : reply.length;
			memcpy(bytes, data + at, length);
			at += length;
			if (how & 1 && reply.count == 46) { /* chance alone would rarely hit a checksum */
				uint16_t crc = checksum_crc16(bytes, 90);
				bytes[90] = (uint8_t)crc;
				bytes[91] = (uint8_t)(crc >> 8);
			}
		}
		modbus_driver.take(instrument, &reply, &readings);
		check(&readings, false);
	}
}

/* Lines of "section=key=value". */
static void read_profile(const uint8_t *data, size_t size)
{
	struct modbus_profile *profile = calloc(1, sizeof(*profile));
	struct fault fault = { "" };
	char *text = calloc(1, size + 1), *rest = text, *line;
	memcpy(text, data, size);
	while ((line = strsep(&rest, "\n")) != NULL) {
		char *section = strsep(&line, "="), *key = strsep(&line, "=");
		if (line && modbus_profiles.entry(profile, section, key, line, &fault) != 0)
			assert(*fault.text);
	}
	if (modbus_profiles.finish(profile, &fault) == 0) {
		struct instrument instrument = { .driver = &modbus_driver, .profile = profile, .state = &memory };
		static const uint8_t zeros[512] = { 99 };
		modbus_driver.setup(&instrument, NULL);
		converse(&instrument, zeros, sizeof(zeros));
	}
	free(text);
	free(profile);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct modbus_profile *profiles[4];
	if (!profiles[0]) {
		profiles[0] = profile_of(windowed);
		profiles[1] = profile_of(loose);
		profiles[2] = profile_of(paged);
		profiles[3] = profile_of(unnumbered);
	}
	if (size == 0)
		return 0;
	uint8_t choice = *data++;
	size--;
	struct modbus_options options = { .acknowledge = choice & 4, .order = choice >> 4 & 3 };
	struct instrument instrument = { .driver = &modbus_driver,
		.options = &options,
		.profile = profiles[(choice & 1) + (choice & 0x40 ? 2 : 0)],
		.state = &memory };
	snprintf(instrument.cursor, sizeof(instrument.cursor), "%s",
		choice & 8 ? "serial=SN42 last=41 mark=5C1E told=1 page=9F1B2C3D run=2 below=00000001" : "");
	memset(&memory, 0, sizeof(memory));
	modbus_driver.setup(&instrument, NULL);
	if (choice & 0x80)
		read_profile(data, size);
	else if (choice & 2)
		converse(&instrument, data, size);
	else
		cut_stream(&instrument, data, size);
	return 0;
}
