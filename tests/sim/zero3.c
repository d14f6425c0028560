#include "zero3.h"

#include <stdio.h>
#include <string.h>

#include "../../drivers/bytes.h"
#include "../../drivers/checksum.h"
#include "instrument.h"
#include "label.h"

enum { START = 0x03, HOST = 0xFF, DEVICE = 0xFE, HEADER = 12, REQUEST_DATA_MAX = 64 };
enum { IDENTIFY = 0x20, TABLE = 2, RANGE = 3, RECORD = 5, CLEAR = 6 };

static const struct {
	const char *name, *unit;
} items[] = { { "农药残留", "%" }, { "亚硝酸盐", "mg/kg" }, { "二氧化硫", "mg/kg" } },
  strips[] = { { "孔雀石绿", "μg/kg" }, { "氯霉素", "μg/kg" }, { "磺胺类", "μg/kg" } };

int zero3_sim_frame(const uint8_t *data, size_t length)
{
	if (data[0] != START || (length > 1 && data[1] != HOST))
		return -1;
	if (length < HEADER)
		return 0;
	size_t size = data[8] | (size_t)data[9] << 8;
	if (data[10] != checksum_xor8(data, HEADER - 2) || size > REQUEST_DATA_MAX)
		return -1;
	if (length < HEADER + size)
		return 0;
	return data[11] == checksum_xor8(data + HEADER, size) ? (int)(HEADER + size) : -1;
}

static uint8_t *put16(uint8_t *at, unsigned value)
{
	*at++ = (uint8_t)value;
	*at++ = (uint8_t)(value >> 8);
	return at;
}

static uint8_t *put32(uint8_t *at, uint32_t value)
{
	return put16(put16(at, value & 0xFFFF), value >> 16);
}

/* The data stand behind the header already. Returns the frame's length. */
static size_t wrap(uint8_t command, uint32_t argument, size_t length, uint8_t *out)
{
	memset(out, 0, HEADER);
	out[0] = START;
	out[1] = DEVICE;
	out[2] = command;
	put32(out + 4, argument);
	put16(out + 8, (unsigned)length);
	out[10] = checksum_xor8(out, HEADER - 2);
	out[11] = checksum_xor8(out + HEADER, length);
	return HEADER + length;
}

static uint32_t packed(const struct options *options, const struct moment *moment)
{
	unsigned first_year = has_quirk(options, 11) ? 2000 : 1980;

	return (uint32_t)(moment->year - first_year) << 25 | (uint32_t)moment->month << 21 |
	       (uint32_t)moment->day << 16 | (uint32_t)moment->hour << 11 | (uint32_t)moment->minute << 5 |
	       moment->second >> 1U;
}

/* ---- records ---- */

static uint32_t value_of(const struct result *result)
{
	uint32_t magnitude = (uint32_t)(result->value < 0 ? -result->value : result->value);

	if (result->item == 0) /* inhibition: 16 bits */
		return result->sentinel ? result->sentinel : (uint16_t)result->value;
	if (result->sentinel)
		return result->sentinel == SENTINEL_INVALID ? 0x7FFFFFFF : 0x7FFFFFFD;
	return magnitude | (result->value < 0 ? 0x80000000 : 0);
}

static uint8_t *put_channels(const struct result *const *results, size_t count, uint8_t *at)
{
	for (size_t i = 0; i < count; i++) {
		*at++ = results[i]->channel;
		*at++ = results[i]->unfinished ? 0 : results[i]->verdict == RESULT_SUSPECT ? 0xC0 : 0x80;
		at = put16(at, 0);
		at = put32(at, results[i]->unfinished ? 0 : value_of(results[i]));
	}
	return at;
}

static uint8_t *put_numbers(
	const struct options *options, const struct result *const *results, size_t count, uint8_t *at)
{
	static const uint8_t gold[] = { [RESULT_NEGATIVE] = 2, [RESULT_POSITIVE] = 1, [RESULT_INVALID] = 3 };

	*at++ = 1;
	*at++ = (uint8_t)results[0]->item;
	at = put16(at, 0);
	at = put32(at, packed(options, &results[0]->tested));
	if (!options->gold)
		return put_channels(results, count, at);
	*at++ = (uint8_t)(1 << 6 | gold[results[0]->verdict]);
	return at;
}

/* One line in GB 18030 with its end. */
static uint8_t *put_words(uint8_t *at, const char *label, const char *colon, const char *value)
{
	char line[160];
	uint8_t field[160];

	snprintf(line, sizeof line, "%s%s%s", label, colon, value);
	label_field(line, field, sizeof field, NULL, 0);
	size_t length = strnlen((const char *)field, sizeof field);
	memcpy(at, field, length);
	at[length] = '\r';
	return at + length + 1;
}

static uint8_t *put_line(const struct options *options, uint8_t *at, const char *label, const char *value)
{
	return put_words(at, label, has_quirk(options, 17) ? "：" : ":", value);
}

static const char *unit_of(const struct options *options, size_t strip)
{
	return has_quirk(options, 20) ? strips[strip].unit : "ug/kg";
}

static void result_words(const struct options *options, const struct result *result, char *out, size_t size)
{
	static const char *const words[] = { "", "阴性", "阳性", "可疑", "无效" };
	const char *word = words[result->verdict];
	char number[24];

	if (result->sentinel)
		snprintf(out, size, "%s", word);
	else
		snprintf(out, size, "%s %s %s", truth_number(number, result->value, result->decimals, false),
			unit_of(options, result->item), word);
}

static uint8_t *put_text(const struct options *options, const struct result *result, uint8_t *at)
{
	const struct moment *tested = &result->tested;
	char text[96];

	at = put16(at, result->number);
	*at++ = 0;
	at = put_words(at, "检测报告", "", "");
	at = put_line(options, at, "送检单位", "长安镇农贸市场");
	at = put_line(options, at, "检测单位", "长安镇快检室");
	at = put_line(options, at, "样品类型", result->name ? result->name : "");
	snprintf(text, sizeof text, "%04u%02u%02u", tested->year, tested->month, tested->day);
	at = put_line(options, at, "批号", text);
	at = put_line(options, at, "样品编号", result->sample_no);
	at = put_line(options, at, "检测项目", strips[result->item].name);
	result_words(options, result, text, sizeof text);
	at = put_line(options, at, "检测结果", text);
	at = put_line(options, at, "检测标准", "0");
	snprintf(text, sizeof text, "%04u-%02u-%02u %02u:%02u:%02u", tested->year, tested->month, tested->day,
		tested->hour, tested->minute, tested->second);
	at = put_line(options, at, "检测时间", text);
	if (options->signals) {
		snprintf(text, sizeof text, "%u", result->control);
		at = put_words(at, "C", ":", text);
		snprintf(text, sizeof text, "%u", result->signal);
		at = put_words(at, "T", ":", text);
	}
	return at;
}

size_t zero3_sim_record(const struct options *options, const struct result *const *results, size_t count,
	uint8_t out[static ZERO3_FRAME_MAX])
{
	uint8_t *data = out + HEADER;
	uint8_t *end = options->archetype == ARCHETYPE_A4 ? put_text(options, results[0], data)
	                                                  : put_numbers(options, results, count, data);

	return wrap(options->gold ? 0x65 : 0x45, results[0]->number, (size_t)(end - data), out);
}

/* ---- answers ---- */

static uint8_t *put_string(uint8_t *at, const char *utf8)
{
	label_field(utf8, at + 1, 32, NULL, 0);
	*at = (uint8_t)strnlen((const char *)at + 1, 32);
	return at + 1 + *at;
}

static size_t identify(const struct instrument *instrument, uint8_t *out)
{
	bool text = instrument->options->archetype == ARCHETYPE_A4;
	struct moment now = instrument_clock(instrument);
	char clock[32];

	snprintf(clock, sizeof clock, "%04u-%02u-%02u %02u:%02u:%02u", now.year, now.month, now.day, now.hour,
		now.minute, now.second);
	uint8_t *at = put_string(out + HEADER, "达元");
	at = put_string(at, text ? "DY-7200" : "DY-3000");
	at = put_string(at, instrument->serial);
	at = put_string(at, clock);
	return wrap(IDENTIFY, 0, (size_t)(at - out) - HEADER, out);
}

static size_t table(const struct options *options, uint8_t command, uint8_t *out)
{
	bool numbers = options->archetype == ARCHETYPE_A3 && !options->gold;
	size_t count = sizeof items / sizeof *items;
	uint8_t *at = out + HEADER;

	memset(at, 0, count * 128);
	for (size_t i = 0; i < count; i++, at += 128) {
		label_field(numbers ? items[i].name : strips[i].name, at, 16, NULL, 0);
		label_field(numbers ? items[i].unit : unit_of(options, i), at + 16, 8, NULL, 0);
		at[24] = (uint8_t)(numbers && i == 0 ? 1 : 2);
	}
	return wrap(command, 0, count * 128, out);
}

static size_t range(
	const struct options *options, const struct memory *memory, const uint8_t *request, size_t length, uint8_t *out)
{
	struct bytes data = bytes_of(request + HEADER, length - HEADER);
	uint32_t start = bytes_u32le(&data), end = bytes_u32le(&data), first = 0, last = 0;

	if (data.failed)
		return 0;
	for (size_t i = 0; i < memory->count; i++) {
		const struct result *result = memory_at(memory, i);
		uint32_t tested = packed(options, &result->tested);
		if (tested < start || tested > end)
			continue;
		first = first ? first : result->number;
		last = result->number;
	}
	memset(out + HEADER, 0, 8);
	put16(put16(out + HEADER + 8, first), last);
	return wrap(request[2], 0, 12, out);
}

static size_t record(const struct instrument *instrument, uint32_t index, uint8_t *out)
{
	const struct memory *memory = &instrument->memory;
	const struct result *results[ZERO3_CHANNELS];
	long at = memory_find_oldest(memory, index);
	size_t count = 0;

	/* counting only helps to find records of one channel */
	while (at > 0 && memory_at(memory, (size_t)at - 1)->number == index)
		at--;
	for (; at >= 0 && (size_t)at + count < memory->count && count < ZERO3_CHANNELS; count++) {
		results[count] = memory_at(memory, (size_t)at + count);
		if (results[count]->number != index)
			break;
	}
	if (count > 0)
		return zero3_sim_record(instrument->options, results, count, out);
	return wrap(instrument->options->gold ? 0x65 : 0x45, index, 0, out);
}

void zero3_sim_answer(struct instrument *instrument, const uint8_t *request, size_t length,
	void (*send)(void *context, const uint8_t *frame, size_t length), void *context)
{
	uint8_t out[ZERO3_FRAME_MAX], command = request[2], family = instrument->options->gold ? 0x60 : 0x40;
	struct bytes argument = bytes_of(request + 4, 4);
	size_t answer = 0;

	if (command == IDENTIFY)
		answer = identify(instrument, out);
	else if (command == (family | TABLE))
		answer = table(instrument->options, command, out);
	else if (command == (family | RANGE))
		answer = range(instrument->options, &instrument->memory, request, length, out);
	else if (command == (family | RECORD))
		answer = record(instrument, bytes_u32le(&argument), out);
	else if (command == (0x40 | CLEAR)) {
		memory_drop(&instrument->memory, instrument->memory.count);
		instrument->next_number = 1;
		answer = wrap(command, 0, 0, out);
	}
	if (answer > 0)
		send(context, out, answer);
}
