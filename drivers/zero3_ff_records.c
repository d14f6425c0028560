/* Records of "03-FF" analyzers: numbers by channel, and gold strips; the transcript stands in zero3_ff.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "calendar.h"
#include "text.h"
#include "zero3_ff.h"

enum { ITEM_STRIDE = 128, RECORD_HEAD = 8, ENTRY = 8, GOLD_LEAST = 9 };
enum { FLAG_VALID = 0x80, FLAG_SUSPECT = 0xC0 };

struct record { /* what the entries of one record share */
	const struct zero3_options *options;
	const struct zero3_item *item; /* NULL: the table does not say */
	const struct zero3_frame *frame;
	const struct reply *reply;
	uint8_t item_no;
	uint32_t time;
	bool concentration, assumed;
};

unsigned zero3_marks(unsigned text_marks)
{
	unsigned marks = text_marks & (TEXT_CUT | TEXT_TRUNCATED) ? READING_TEXT_CUT : 0;
	return text_marks & TEXT_BAD ? marks | READING_TEXT_BAD : marks;
}

/* ---- items ---- */

bool zero3_take_table(struct zero3_table *table, const struct zero3_frame *frame)
{
	struct bytes data = frame->data;
	size_t count = bytes_left(&data) / ITEM_STRIDE;
	if (bytes_left(&data) % ITEM_STRIDE != 0 || count > ZERO3_ITEMS_MAX)
		return false;
	memset(table, 0, sizeof(*table));
	for (size_t i = 0; i < count; i++) {
		const uint8_t *at = bytes_take(&data, ITEM_STRIDE);
		struct zero3_item *item = &table->items[table->count++];
		memcpy(item->name, at, sizeof(item->name));
		memcpy(item->unit, at + 16, sizeof(item->unit));
		item->method = at[24];
	}
	return true;
}

static const struct zero3_item *find_item(const struct record *record, const struct zero3_table *table)
{
	long place = (long)record->item_no - record->options->first_item;
	if (place < 0 || place >= (long)table->count || table->items[place].name[0] == 0)
		return NULL;
	return &table->items[place];
}

/* Of a reading, "PLACE:HEX": the row of the table that named its item, name, unit and method as sent; "PLACE:" where
 * the table had none. */
#define RAW_ITEM "raw_item"

static void keep_row(const struct record *record, struct reading *reading)
{
	char row[64];
	int used = snprintf(row, sizeof(row), "%d:", (int)record->item_no - (int)record->options->first_item);
	const uint8_t *bytes = (const uint8_t *)record->item;
	for (size_t i = 0; record->item && i < sizeof(*record->item); i++)
		used += snprintf(row + used, sizeof(row) - (size_t)used, "%02X", bytes[i]);
	reading_said(reading, RAW_ITEM, row);
}

bool zero3_row_said(const struct zero3_options *options, const struct reading *reading, struct zero3_table *table)
{
	const char *said = reading_has_said(reading, RAW_ITEM);
	int place, used = 0;
	if (sscanf(said, "%d:%n", &place, &used) != 1 || used == 0)
		return false;
	const char *number = reading_has_said(reading, "item_no");
	bool same = atoi(number) - options->first_item == place; /* else the setting is another now: another row */
	if (!same || place < -1 || place >= ZERO3_ITEMS_MAX)
		return false;
	table->count = 0;
	if (said[used] == '\0')
		return true;
	if (place < 0)
		return false;
	uint8_t *bytes = (uint8_t *)&table->items[place];
	for (size_t i = 0; i < sizeof(*table->items); i++)
		if (sscanf(said + used + 2 * i, "%2hhx", &bytes[i]) != 1)
			return false;
	table->count = (unsigned)place + 1;
	return true;
}

/* The item's number is what the record itself says; its name was looked up and may be another tomorrow. */
static void name_item(const struct record *record, struct reading *reading)
{
	char number[8];
	snprintf(number, sizeof(number), "%u", record->item_no);
	reading_said(reading, "item_no", number);
	reading->item_looked_up = true;
	if (!record->item) {
		text_copy(reading->item, sizeof(reading->item), number);
		return;
	}
	reading->marks |= zero3_marks(text_decode(
		TEXT_GB18030, record->item->name, sizeof(record->item->name), reading->item, sizeof(reading->item)));
	snprintf(number, sizeof(number), "%u", record->item->method);
	reading_said(reading, "method_no", number);
}

static unsigned item_unit(const struct zero3_item *item, char unit[static 24])
{
	*unit = '\0';
	return item ? zero3_marks(text_decode(TEXT_GB18030, item->unit, sizeof(item->unit), unit, 24)) : 0;
}

/* ---- what the entries of a record share ---- */

static void decode_time(const struct record *record, struct reading *reading)
{
	uint32_t packed = record->time;
	struct date_time time = {
		.year = (record->options->year_base ? 1980 : 2000) + (int)(packed >> 25),
		.month = (int)(packed >> 21 & 0x0F),
		.day = (int)(packed >> 16 & 0x1F),
		.hour = (int)(packed >> 11 & 0x1F),
		.minute = (int)(packed >> 5 & 0x3F),
		.second = (int)(packed & 0x1F) * 2,
	};
	if (calendar_text(&time, reading->tested_at))
		return;
	char sent[48];
	snprintf(sent, sizeof(sent), "%04d-%02d-%02d %02d:%02d:%02d", time.year, time.month, time.day, time.hour,
		time.minute, time.second);
	reading_said(reading, "impossible_time", sent);
}

static struct reading *add_reading(const struct record *record, struct readings *readings)
{
	struct reading *reading = readings_add(readings);
	if (!reading)
		return NULL;
	snprintf(reading->instrument_seq, sizeof(reading->instrument_seq), "%u", record->frame->argument);
	name_item(record, reading);
	decode_time(record, reading);
	reading->repeatable = true;
	reading->repeat = 1000U * record->frame->family; /* each module counts its records for itself */
	reading->raw = record->reply->bytes;
	reading->raw_length = record->reply->length;
	return reading;
}

/* ---- numbers by channel ---- */

static uint32_t entry_value(const uint8_t *entry)
{
	struct bytes bytes = bytes_of(entry + 4, 4);
	return bytes_u32le(&bytes);
}

/* A signed number of 16 bits, filled up to 32 with zeros or with its sign. */
static bool is_short(uint32_t value)
{
	return value >> 16 == 0 || (value >> 16 == 0xFFFF && value & 0x8000);
}

/* Inhibition or concentration: the setting says, or the item's unit, or a number that needs its upper half. Where none
 * of them does the record is read as inhibition, and says that this was assumed. */
static void choose_value(struct record *record, struct bytes entries)
{
	char unit[24];
	if (record->options->value != ZERO3_VALUE_AUTO) {
		record->concentration = record->options->value == ZERO3_CONCENTRATION;
		return;
	}
	item_unit(record->item, unit);
	if (*unit) {
		record->concentration = *unit != '%' && strncmp(unit, "％", sizeof("％") - 1) != 0;
		return;
	}
	while (bytes_left(&entries) >= ENTRY && !record->concentration)
		record->concentration = !is_short(entry_value(bytes_take(&entries, ENTRY)));
	record->assumed = !record->concentration;
}

static void no_value(struct reading *reading, const char *why)
{
	reading->verdict = VERDICT_INVALID;
	reading_said(reading, "no_value", why);
}

static void decode_inhibition(struct reading *reading, uint32_t value)
{
	int16_t tenths = (int16_t)(value & 0xFFFF);
	if (!*reading->unit)
		text_copy(reading->unit, sizeof(reading->unit), "%");
	snprintf(reading->value_as_sent, sizeof(reading->value_as_sent), "%d", tenths);
	if (tenths == 0x7FFF)
		no_value(reading, "7FFF: invalid");
	else if (tenths == 0x7FFE)
		no_value(reading, "7FFE: not available");
	else
		decimal_scaled(reading->value, tenths, 1);
}

static void decode_concentration(struct reading *reading, uint32_t value)
{
	int64_t magnitude = value & 0x7FFFFFFF, thousandths = value >> 31 ? -magnitude : magnitude;
	snprintf(reading->value_as_sent, sizeof(reading->value_as_sent), "%lld", (long long)thousandths);
	if (value == 0x7FFFFFFF)
		no_value(reading, "7FFFFFFF: invalid");
	else if (value == 0x7FFFFFFE)
		no_value(reading, "7FFFFFFE: invalid");
	else if (value == 0x7FFFFFFD)
		no_value(reading, "7FFFFFFD: not available");
	else
		decimal_scaled(reading->value, thousandths, 3);
}

static void decode_entry(const struct record *record, const uint8_t *entry, struct reading *reading)
{
	char flag[8];
	reading->channel = entry[0];
	if (entry[0] == 0)
		reading->kind = KIND_CONTROL;
	snprintf(flag, sizeof(flag), "%02X", entry[1]);
	if (entry[1] >= FLAG_SUSPECT) {
		reading->verdict = VERDICT_SUSPECT;
		text_copy(reading->verdict_as_sent, sizeof(reading->verdict_as_sent), flag);
	} else if (entry[1] != FLAG_VALID) {
		reading_said(reading, "flag", flag);
	}
	if (record->assumed)
		reading_said(reading, "assumed", "inhibition");
	reading->marks |= item_unit(record->item, reading->unit);
	if (record->concentration)
		decode_concentration(reading, entry_value(entry));
	else
		decode_inhibition(reading, entry_value(entry));
	reading->identity = entry;
	reading->identity_length = ENTRY;
}

/* How many entries of the record before this one are alike to the last bit. */
static unsigned alike_before(const uint8_t *first, const uint8_t *entry)
{
	unsigned alike = 0;
	for (; first < entry; first += ENTRY)
		alike += memcmp(first, entry, ENTRY) == 0;
	return alike;
}

static enum zero3_outcome take_numeric(struct record *record, struct bytes entries, struct readings *readings)
{
	enum zero3_outcome outcome = ZERO3_NOTHING;
	const uint8_t *first = entries.at;
	if (bytes_left(&entries) % ENTRY != 0 || bytes_left(&entries) / ENTRY > READINGS_AT_ONCE)
		return ZERO3_SENSELESS;
	choose_value(record, entries);
	while (bytes_left(&entries) > 0) {
		const uint8_t *entry = bytes_take(&entries, ENTRY);
		if (entry[1] < FLAG_VALID) {
			readings->blanks++;
			continue;
		}
		struct reading *reading = add_reading(record, readings);
		outcome = ZERO3_RESULTS;
		if (!reading)
			continue;
		decode_entry(record, entry, reading);
		reading->repeat += alike_before(first, entry);
	}
	return outcome;
}

/* ---- gold strips ---- */

static enum zero3_outcome take_gold(const struct record *record, struct bytes rest, struct readings *readings)
{
	static const enum verdict verdicts[] = { VERDICT_NONE, VERDICT_POSITIVE, VERDICT_NEGATIVE, VERDICT_INVALID };
	char number[8];
	const uint8_t *identity = rest.at - 4;
	uint8_t strip = bytes_u8(&rest);
	if (rest.failed)
		return ZERO3_SENSELESS;
	struct reading *reading = add_reading(record, readings);
	if (!reading)
		return ZERO3_RESULTS;
	reading->verdict = verdicts[strip & 3];
	snprintf(number, sizeof(number), "%u", strip & 3U);
	text_copy(reading->verdict_as_sent, sizeof(reading->verdict_as_sent), number);
	if ((strip & 3) == 3)
		reading_said(reading, "no_value", "3: not available");
	snprintf(number, sizeof(number), "%u", strip >> 6U);
	reading_said(reading, "strip_method", number);
	reading->identity = identity; /* time and result; what may stand behind them is not known */
	reading->identity_length = 5;
	return ZERO3_RESULTS;
}

/* ---- one record ---- */

static enum zero3_layout layout_of(const struct zero3_options *options, const struct zero3_frame *frame)
{
	if (options->records != ZERO3_AUTO)
		return (enum zero3_layout)options->records;
	if (zero3_is_text(frame->data))
		return ZERO3_TEXT;
	return frame->family == ZERO3_6X ? ZERO3_GOLD : ZERO3_NUMERIC;
}

enum zero3_outcome zero3_take_record(const struct zero3_options *options, const struct zero3_table *table,
	const struct zero3_frame *frame, const struct reply *reply, struct readings *readings)
{
	struct record record = { .options = options, .frame = frame, .reply = reply };
	struct bytes data = frame->data;
	enum zero3_layout layout = layout_of(options, frame);
	if (layout == ZERO3_TEXT && bytes_left(&data) > 0)
		return zero3_take_text(frame, reply, readings);
	uint8_t valid = bytes_u8(&data);
	if (data.failed || valid == 0 || valid == 0xFF) {
		readings->blanks++;
		return ZERO3_NOTHING;
	}
	record.item_no = bytes_u8(&data);
	bytes_take(&data, 2);
	record.time = bytes_u32le(&data);
	if (data.failed)
		return ZERO3_SENSELESS;
	record.item = find_item(&record, table);
	size_t first = readings->count;
	enum zero3_outcome outcome =
		layout == ZERO3_GOLD ? take_gold(&record, data, readings) : take_numeric(&record, data, readings);
	for (size_t i = first; i < readings->count; i++)
		keep_row(&record, &readings->list[i]);
	return outcome;
}
