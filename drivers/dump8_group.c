/* Groups of "dump8" readers: what is one, and what it says. The transcript stands in dump8.c. */
#include "dump8.h"

#include <stdio.h>
#include <string.h>

#include "bytes.h"
#include "calendar.h"
#include "text.h"

#define INFO_LENGTH 9
#define Z24_HEAD    29
#define Z24_WELL    59
#define Z24_FLOATS  46 /* of a well: where its three numbers begin */

/* Where the info's bytes stand. */
struct info_places {
	uint8_t second, minute, hour, day, month, kind, year, index_low, index_high;
};

static const struct info_places places_8 = { 1, 2, 3, 4, 5, 6, 7, 0, 8 };
static const struct info_places places_16 = { 0, 1, 2, 3, 4, 5, 6, 7, 8 }; /* multi: 7 is the mask, 8 the group */

static const struct info_places *places_of(enum dump8_layout layout)
{
	return layout == DUMP8_8 ? &places_8 : &places_16;
}

size_t dump8_group_size(enum dump8_layout layout)
{
	return layout == DUMP8_Z24 ? DUMP8_Z24_GROUP : DUMP8_GROUP;
}

#define RAW_LAYOUT "raw_layout" /* of a reading: the group would not tell */

static const char *const layout_names[] = { "", "8", "16", "multi", "z24" };

enum dump8_layout dump8_group_said(const struct reading *reading)
{
	const char *said = reading_has_said(reading, RAW_LAYOUT);
	for (size_t i = DUMP8_8; i <= DUMP8_Z24; i++)
		if (strcmp(said, layout_names[i]) == 0)
			return (enum dump8_layout)i;
	return DUMP8_AUTO;
}

enum dump8_layout dump8_model_layout(uint8_t model)
{
	if (model == 0x01)
		return DUMP8_8;
	if (model >= 0x02 && model <= 0x04)
		return DUMP8_16;
	if (model == 0x05)
		return DUMP8_Z24;
	if ((model >= 0x11 && model <= 0x15) || (model >= 0x21 && model <= 0x23) || (model >= 0x31 && model <= 0x33))
		return DUMP8_MULTI;
	return DUMP8_AUTO;
}

/* ---- numbers ---- */

static bool no_number(uint32_t bits)
{
	return (bits & 0x7F800000) == 0x7F800000;
}

/* Zero, a magnitude that a reader can mean (1E-7 to 1E7), or one of the usual ways to say "none". Bytes that are out of
 * step by one almost never look like that, and there is no checksum to ask. */
static bool number_plausible(uint32_t bits)
{
	uint32_t exponent = bits >> 23 & 0xFF;
	if (no_number(bits))
		return (bits & 0x003FFFFF) == 0 || (bits & 0x7FFFFFFF) == 0x7FFFFFFF;
	return (bits & 0x7FFFFFFF) == 0 || (exponent >= 103 && exponent <= 151);
}

static bool numbers_plausible(struct bytes bytes, size_t count)
{
	while (count-- > 0 && bytes_left(&bytes) >= 4)
		if (!number_plausible(bytes_u32be(&bytes)))
			return false;
	return true;
}

/* ---- what is a group ---- */

static struct date_time info_time(const struct info_places *at, const uint8_t *info)
{
	return (struct date_time){ info[at->year] > 99 ? 0 : 2000 + info[at->year], info[at->month], info[at->day],
		info[at->hour], info[at->minute], info[at->second] };
}

/* Bytes that have not come yet may still be anything: a day that every month has stands for them. */
static bool info_possible(const struct info_places *at, const uint8_t *data, size_t length)
{
	uint8_t info[INFO_LENGTH] = { 0 };
	info[at->year] = 24;
	info[at->month] = info[at->day] = 1;
	memcpy(info, data, length < INFO_LENGTH ? length : INFO_LENGTH);
	struct date_time time = info_time(at, info);
	return calendar_valid(&time);
}

static unsigned reversed(unsigned mask)
{
	unsigned out = 0;
	for (unsigned bit = 0; bit < DUMP8_WELLS; bit++)
		out |= (mask >> bit & 1) << (DUMP8_WELLS - 1 - bit);
	return out;
}

/* Bit n for well n + 1, as the slots themselves say it. */
static unsigned filled_slots(const uint8_t *data)
{
	static const uint8_t nothing[8];
	unsigned filled = 0;
	for (unsigned well = 0; well < DUMP8_WELLS; well++)
		if (memcmp(data + INFO_LENGTH + well * 8U, nothing, 8) != 0)
			filled |= 1U << well;
	return filled;
}

static bool mask_fits(const uint8_t *data)
{
	unsigned filled = filled_slots(data), mask = data[7];
	return mask == filled || reversed(mask) == filled;
}

static bool z24_possible(const uint8_t *data, size_t length)
{
	for (size_t i = 0; i < length && i < 5; i++)
		if (i < 4 ? data[i] < '0' || data[i] > '9' : data[i] != 0)
			return false;
	for (size_t i = 5; i < length && i < 27; i++) /* texts: nothing a printer would choke on */
		if (data[i] != 0 && data[i] < 0x20)
			return false;
	for (size_t well = 0; well < DUMP8_WELLS; well++) {
		size_t at = Z24_HEAD + well * Z24_WELL + Z24_FLOATS;
		if (length > at && !numbers_plausible(bytes_of(data + at, length - at), 3))
			return false;
	}
	return true;
}

bool dump8_group_possible(enum dump8_layout layout, const uint8_t *data, size_t length)
{
	if (layout == DUMP8_Z24)
		return z24_possible(data, length);
	if (!info_possible(places_of(layout), data, length))
		return false;
	return length <= INFO_LENGTH ||
	       numbers_plausible(bytes_of(data + INFO_LENGTH, length - INFO_LENGTH), (size_t)2 * DUMP8_WELLS);
}

/* A clock that began at 2000 is no proof of a layout, nor is a year in which nobody tests any more. */
static bool likely(enum dump8_layout layout, const uint8_t *data, size_t length)
{
	size_t year = places_of(layout)->year;
	return dump8_group_possible(layout, data, length) && (length <= year || (data[year] >= 10 && data[year] < 70));
}

/* Models of several items are known to send the layout 8 (1B 11 does). Its first minutes and days pass for a time of
 * the layout multi and its year for a mask, but its kind not for a year: no kind above 9 was seen (?). */
static bool model_fits(enum dump8_layout model, const uint8_t *data, size_t length)
{
	if (!dump8_group_possible(model, data, length))
		return false;
	return model != DUMP8_MULTI || length < DUMP8_GROUP || likely(DUMP8_MULTI, data, length) ||
	       !likely(DUMP8_8, data, length) || (data[7] != 0 && mask_fits(data));
}

enum dump8_layout dump8_group_layout(enum dump8_layout model, const uint8_t *data, size_t length)
{
	if (model != DUMP8_AUTO && model_fits(model, data, length))
		return model;
	if (likely(DUMP8_16, data, length))
		return length >= DUMP8_GROUP && data[7] != 0 && mask_fits(data) ? DUMP8_MULTI : DUMP8_16;
	if (likely(DUMP8_8, data, length))
		return DUMP8_8;
	if (model != DUMP8_AUTO && dump8_group_possible(model, data, length))
		return model;
	return dump8_group_possible(DUMP8_Z24, data, length) ? DUMP8_Z24 : DUMP8_AUTO;
}

/* ---- what a group says ---- */

struct group {
	const struct dump8_options *options;
	enum dump8_layout layout;
	const uint8_t *data;
	size_t length;
	unsigned repeat;
	struct readings *readings;
};

static struct reading *add_reading(const struct group *group, int channel)
{
	struct reading *reading = readings_add(group->readings);
	if (!reading)
		return NULL;
	reading->channel = channel;
	if (channel == group->options->control_channel)
		reading->kind = KIND_CONTROL;
	reading->repeatable = true;
	reading->repeat = group->repeat;
	reading->identity = reading->raw = group->data;
	reading->identity_length = reading->raw_length = group->length;
	return reading;
}

static void say_number(struct reading *reading, const char *name, uint32_t bits)
{
	char text[DECIMAL_MAX], sent[16];
	if (decimal_from_f32(text, bits)) {
		reading_signal(reading, name, text);
		return;
	}
	snprintf(sent, sizeof(sent), "%08X", bits);
	reading_said(reading, name, sent);
}

/* A fraction times 100, without the zeros that this leaves behind. */
static bool in_percent(char value[static DECIMAL_MAX])
{
	if (!decimal_multiply(value, value, "100")) {
		value[0] = '\0';
		return false;
	}
	size_t length = strlen(value);
	while (strchr(value, '.') && (value[length - 1] == '0' || value[length - 1] == '.'))
		value[--length] = '\0';
	return true;
}

static void say_value(struct reading *reading, const char *unit, bool percent, uint32_t bits)
{
	text_copy(reading->unit, sizeof(reading->unit), unit);
	if (!decimal_from_f32(reading->value, bits)) {
		reading->verdict = VERDICT_INVALID;
		snprintf(reading->value_as_sent, sizeof(reading->value_as_sent), "%08X", bits);
		return;
	}
	text_copy(reading->value_as_sent, sizeof(reading->value_as_sent), reading->value);
	if (percent && !in_percent(reading->value))
		reading->verdict = VERDICT_INVALID; /* more digits than anyone displays */
}

static enum dump8_float2 meaning_of(const struct group *group)
{
	if (group->options->float2 != FLOAT2_AUTO)
		return (enum dump8_float2)group->options->float2;
	return group->layout == DUMP8_MULTI ? FLOAT2_CONC : FLOAT2_INHIBITION;
}

static void say_well(const struct group *group, struct reading *reading, unsigned well)
{
	struct bytes slot = bytes_of(group->data + INFO_LENGTH + well * 8U, 8);
	uint32_t first = bytes_u32be(&slot), second = bytes_u32be(&slot);
	switch (meaning_of(group)) {
	case FLOAT2_SAMPLE_ABS: /* the inhibition itself is not sent, and not made up */
		say_number(reading, "abs_control", first);
		say_number(reading, "abs", second);
		break;
	case FLOAT2_CONC:
		say_number(reading, "abs", first);
		say_value(reading, "", false, second);
		break;
	case FLOAT2_AUTO:
	case FLOAT2_INHIBITION:
		say_number(reading, "abs", first);
		say_value(reading, "%", false, second);
		break;
	}
}

/* The control well's absorbance goes with every sample of its group, so that the inhibition can be checked. */
static void say_control(const struct group *group, struct reading *reading)
{
	long control = group->options->control_channel;
	if (control == 0 || reading->channel == control || meaning_of(group) != FLOAT2_INHIBITION)
		return;
	struct bytes slot = bytes_of(group->data + INFO_LENGTH + (size_t)(control - 1) * 8U, 4);
	uint32_t bits = bytes_u32be(&slot);
	if (bits != 0)
		say_number(reading, "abs_control", bits);
}

static void say_time(const struct group *group, struct reading *reading)
{
	struct date_time time = info_time(places_of(group->layout), group->data);
	if (calendar_text(&time, reading->tested_at))
		return;
	char sent[32] = "";
	for (size_t i = 0; i < INFO_LENGTH; i++)
		snprintf(sent + 3 * i, sizeof(sent) - 3 * i, "%02X ", group->data[i]);
	sent[3 * INFO_LENGTH - 1] = '\0';
	reading_said(reading, "impossible_time", sent);
}

static void say_info(const struct group *group, struct reading *reading)
{
	const struct info_places *at = places_of(group->layout);
	char text[16];
	say_time(group, reading);
	snprintf(text, sizeof(text), "%u", group->data[at->kind]);
	reading_said(reading, "kind", text);
	if (group->layout == DUMP8_MULTI) {
		text_copy(
			reading->item, sizeof(reading->item), text); /* which of its items: the station's table knows */
		snprintf(reading->instrument_seq, sizeof(reading->instrument_seq), "%u", group->data[8]);
		snprintf(text, sizeof(text), "%02X", group->data[7]);
		reading_said(reading, "mask", text);
		return;
	}
	snprintf(reading->instrument_seq, sizeof(reading->instrument_seq), "%u",
		(unsigned)(group->data[at->index_low] | group->data[at->index_high] << 8));
}

/* The wells that the mask means, bit n for well n + 1, in the order asked for; or in the order that fits the slots. */
static unsigned mask_wells(const struct group *group, unsigned filled)
{
	unsigned mask = group->data[7];
	if (group->options->mask_order == ORDER_LSB)
		return mask;
	if (group->options->mask_order == ORDER_MSB)
		return reversed(mask);
	int lsb = __builtin_popcount(mask ^ filled), msb = __builtin_popcount(reversed(mask) ^ filled);
	return msb < lsb ? reversed(mask) : mask;
}

static void take_wells(const struct group *group)
{
	unsigned filled = filled_slots(group->data);
	unsigned meant = group->layout == DUMP8_MULTI ? mask_wells(group, filled) : filled;
	for (unsigned well = 0; well < DUMP8_WELLS; well++) {
		unsigned bit = 1U << well;
		struct reading *reading = (filled | meant) & bit ? add_reading(group, (int)well + 1) : NULL;
		if (!reading) {
			group->readings->blanks++;
			continue;
		}
		say_info(group, reading);
		say_well(group, reading, well);
		say_control(group, reading);
		if ((filled ^ meant) & bit)
			reading_said(reading, "mask_disagrees", meant & bit ? "slot empty" : "not in the mask");
	}
}

/* ---- layout z24 ---- */

static void field(struct reading *reading, struct bytes *bytes, size_t length, char *out, size_t size)
{
	unsigned marks = text_decode(TEXT_GB18030, bytes_take(bytes, length), length, out, size);
	if (marks & TEXT_CUT)
		reading->marks |= READING_TEXT_CUT;
	if (marks & TEXT_BAD)
		reading->marks |= READING_TEXT_BAD;
}

static void say_head(struct reading *reading, struct bytes *bytes)
{
	char text[64];
	field(reading, bytes, 5, reading->instrument_seq, sizeof(reading->instrument_seq));
	field(reading, bytes, 11, text, sizeof(text));
	reading_said(reading, "date", text); /* a day is no time: when of the day is not said */
	field(reading, bytes, 11, reading->operator_name, sizeof(reading->operator_name));
	snprintf(text, sizeof(text), "%04X", bytes_u16be(bytes));
	reading_said(reading, "flag", text);
}

static void say_z24_well(struct reading *reading, struct bytes *bytes)
{
	char text[96];
	bytes_u8(bytes); /* the channel */
	snprintf(reading->sample_no, sizeof(reading->sample_no), "%u", bytes_u16be(bytes));
	field(reading, bytes, 15, reading->sample_name, sizeof(reading->sample_name));
	field(reading, bytes, 7, reading->origin, sizeof(reading->origin));
	field(reading, bytes, 21, text, sizeof(text));
	if (*text)
		reading_said(reading, "note", text);
	say_number(reading, "abs", bytes_u32be(bytes));
	say_number(reading, "delta_a", bytes_u32be(bytes));
	say_value(reading, "%", true, bytes_u32be(bytes));
	snprintf(reading->verdict_as_sent, sizeof(reading->verdict_as_sent), "%u", bytes_u8(bytes));
}

static void take_z24(const struct group *group)
{
	static const uint8_t nothing[Z24_WELL];
	for (size_t well = 0; well < DUMP8_WELLS; well++) {
		const uint8_t *at = group->data + Z24_HEAD + well * Z24_WELL;
		struct reading *reading = memcmp(at, nothing, Z24_WELL) != 0 ? add_reading(group, at[0]) : NULL;
		if (!reading) {
			group->readings->blanks++;
			continue;
		}
		struct bytes head = bytes_of(group->data, Z24_HEAD), bytes = bytes_of(at, Z24_WELL);
		say_head(reading, &head);
		say_z24_well(reading, &bytes);
	}
}

void dump8_group_take(const struct dump8_options *options, enum dump8_layout layout, unsigned repeat,
	const uint8_t *data, size_t length, struct readings *readings)
{
	const struct group group = { options, layout, data, length, repeat, readings };
	if (length < dump8_group_size(layout))
		return;
	size_t first = readings->count;
	if (layout == DUMP8_Z24)
		take_z24(&group);
	else
		take_wells(&group);
	for (size_t i = first; i < readings->count; i++)
		reading_said(&readings->list[i], RAW_LAYOUT, layout_names[layout]);
}
