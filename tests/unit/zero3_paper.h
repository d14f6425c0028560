/* A 03-FF analyzer on paper, and a line that talks to it: what the driver's tests ask and answer. */
#ifndef ASSAYD_TESTS_ZERO3_PAPER_H
#define ASSAYD_TESTS_ZERO3_PAPER_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../daemon/cutter.h"
#include "../../daemon/settings.h"
#include "../../drivers/calendar.h"
#include "../../drivers/checksum.h"

struct paper_record {
	uint8_t family; /* 0x40, 0x60, 0x70; 0: whichever is asked for */
	uint32_t index, time;
	uint8_t data[520];
	size_t length;
};

struct paper_analyzer {
	uint8_t mute_family; /* its ranges are not answered */
	bool dead, mute_table, mute_memory, nameless;
	uint32_t mute_index;  /* the record with this index is never answered; 0: none */
	uint32_t spoil_index; /* this one always with a wrong checksum */
	unsigned spoil, dice; /* one frame in `spoil` gets a flipped bit, by chance */
	const char *item, *unit, *serial;
	struct paper_record records[600];
	size_t count;
	uint32_t next;
	unsigned asked_identify, asked_table, asked_memory, asked_days, asked_records, asked_clear;
	uint32_t last_start, last_end;
	uint8_t answer[70000];
	size_t length;
};

static inline void paper_frame(
	struct paper_analyzer *analyzer, uint8_t command, uint32_t argument, const void *data, size_t length)
{
	uint8_t *at = analyzer->answer + analyzer->length;
	memset(at, 0, 12);
	at[0] = 0x03;
	at[1] = 0xFE;
	at[2] = command;
	for (int i = 0; i < 4; i++)
		at[4 + i] = (uint8_t)(argument >> 8 * i);
	at[8] = (uint8_t)length;
	at[9] = (uint8_t)(length >> 8);
	at[10] = checksum_xor8(at, 10);
	if (length)
		memcpy(at + 12, data, length);
	at[11] = checksum_xor8(at + 12, length);
	analyzer->dice = analyzer->dice * 1664525U + 1013904223U;
	bool chance = analyzer->spoil && (analyzer->dice >> 16) % analyzer->spoil == 0;
	if (length && (chance || (analyzer->spoil_index && analyzer->spoil_index == argument)))
		at[12 + length / 2] ^= 0x04;
	analyzer->length += length + 12;
}

static inline uint32_t paper_u32(const uint8_t *at)
{
	return (uint32_t)at[3] << 24 | (uint32_t)at[2] << 16 | (uint32_t)at[1] << 8 | at[0];
}

static inline void paper_range(struct paper_analyzer *analyzer, const struct request *request)
{
	uint8_t data[12] = { 0 };
	uint32_t start = paper_u32(request->bytes + 12), end = paper_u32(request->bytes + 16), first = 0, last = 0;
	bool memory = start == 0;
	(memory ? analyzer->asked_memory++ : analyzer->asked_days++);
	if ((memory && analyzer->mute_memory) || (request->bytes[2] & 0xF0) == analyzer->mute_family)
		return;
	analyzer->last_start = memory ? analyzer->last_start : start;
	analyzer->last_end = memory ? analyzer->last_end : end;
	for (size_t i = 0; i < analyzer->count; i++) {
		const struct paper_record *record = &analyzer->records[i];
		bool other = record->family && record->family != (request->bytes[2] & 0xF0);
		if (other || record->time < start || record->time > end)
			continue;
		first = first ? first : record->index;
		last = record->index;
	}
	data[8] = (uint8_t)first;
	data[9] = (uint8_t)(first >> 8);
	data[10] = (uint8_t)last;
	data[11] = (uint8_t)(last >> 8);
	paper_frame(analyzer, request->bytes[2], 0, data, sizeof(data));
}

static inline void paper_identify(struct paper_analyzer *analyzer)
{
	char text[64];
	int length =
		snprintf(text, sizeof(text), "%cMaker%cM-1%c%s", 5, 3, (int)strlen(analyzer->serial), analyzer->serial);
	analyzer->asked_identify++;
	paper_frame(analyzer, 0x20, 0, analyzer->nameless ? "\xFFx" : text, analyzer->nameless ? 2 : (size_t)length);
}

static inline void paper_table(struct paper_analyzer *analyzer, uint8_t command)
{
	uint8_t table[128] = { 0 };
	analyzer->asked_table++;
	if (analyzer->mute_table)
		return;
	strncpy((char *)table, analyzer->item, 16);
	strncpy((char *)table + 16, analyzer->unit, 8);
	paper_frame(analyzer, command, 0, table, sizeof(table));
}

static inline void paper_answer(struct paper_analyzer *analyzer, const struct request *request)
{
	uint8_t command = request->bytes[2];
	uint32_t index = paper_u32(request->bytes + 4);
	analyzer->length = 0;
	if (analyzer->dead || request->kind != REQUEST_BYTES)
		return;
	if (command == 0x20)
		paper_identify(analyzer);
	else if ((command & 15) == 2)
		paper_table(analyzer, command);
	else if ((command & 15) == 3)
		paper_range(analyzer, request);
	else if (command == 0x46) {
		analyzer->asked_clear++;
		analyzer->count = 0;
		analyzer->next = 1;
		paper_frame(analyzer, command, 0, NULL, 0);
	} else if (!analyzer->mute_index || index != analyzer->mute_index) {
		analyzer->asked_records++;
		size_t at = 0;
		while (at < analyzer->count &&
			(analyzer->records[at].index != index ||
				(analyzer->records[at].family && analyzer->records[at].family != (command & 0xF0))))
			at++;
		const struct paper_record *record = &analyzer->records[at];
		paper_frame(analyzer, command, index, record->data, at < analyzer->count ? record->length : 0);
	}
}

/* The line's side: what was stored, by identity, running number, time, channel and repeat, as the journal's ids are. */
struct paper_line {
	struct instrument instrument;
	struct cutter cutter;
	uint8_t options[128];
	struct readings readings;
	struct reading list[READINGS_AT_ONCE];
	char cursor[CURSOR_MAX];
	struct {
		uint8_t identity[24];
		char number[24], time[32];
		int channel;
		unsigned repeat;
	} stored[2048];
	size_t stored_count, known_count, rejected;
	struct reading last;
	struct notice notices[64];
	size_t notice_count, silences;
};

static inline void paper_store_one(struct paper_line *line, const struct reading *reading)
{
	size_t length = reading->identity_length < 24 ? reading->identity_length : 24;
	line->last = *reading;
	for (size_t k = 0; k < line->stored_count; k++)
		if (memcmp(line->stored[k].identity, reading->identity, length) == 0 &&
			strcmp(line->stored[k].number, reading->instrument_seq) == 0 &&
			strcmp(line->stored[k].time, reading->tested_at) == 0 &&
			line->stored[k].channel == reading->channel && line->stored[k].repeat == reading->repeat) {
			line->known_count++;
			return;
		}
	memcpy(line->stored[line->stored_count].identity, reading->identity, length);
	memcpy(line->stored[line->stored_count].number, reading->instrument_seq, 24);
	memcpy(line->stored[line->stored_count].time, reading->tested_at, 32);
	line->stored[line->stored_count].channel = reading->channel;
	line->stored[line->stored_count++].repeat = reading->repeat;
}

static inline enum next paper_take(struct paper_line *line, const struct reply *reply)
{
	line->readings = (struct readings){ .list = line->list };
	enum next next = line->instrument.driver->take(&line->instrument, reply, &line->readings);
	for (size_t i = 0; i < line->readings.count; i++)
		paper_store_one(line, &line->list[i]);
	for (size_t i = 0; i < line->readings.notice_count && line->notice_count < 64; i++)
		line->notices[line->notice_count++] = line->readings.notices[i];
	line->rejected += line->readings.rejected;
	if (line->readings.cursor[0])
		memcpy(line->cursor, line->readings.cursor, CURSOR_MAX);
	return next;
}

/* Hands over everything the analyzer answered, in pieces of `step` bytes; then silence, if the driver still waits. */
static inline enum next paper_replies(struct paper_line *line, const uint8_t *data, size_t length, size_t step)
{
	enum next next = NEXT_WAIT;
	enum cut_kind kind;
	struct cut cut;
	for (size_t at = 0; at <= length; at += step) {
		bool final = at + step > length;
		cutter_feed(&line->cutter, data + at, final ? length - at : step);
		while ((kind = cutter_next(&line->cutter, &line->instrument, final, &cut)) != CUT_MORE) {
			struct reply reply = { .kind = REPLY_FRAME, .bytes = cut.bytes, .length = cut.length };
			if (kind == CUT_FRAME)
				next = paper_take(line, &reply);
		}
	}
	if (next != NEXT_WAIT)
		return next;
	line->silences++;
	paper_take(line, &(struct reply){ .kind = REPLY_SILENCE });
	return NEXT_IDLE; /* as the line does: silence ends the poll */
}

static inline enum next paper_turn(struct paper_line *line, struct paper_analyzer *analyzer)
{
	struct request request = { 0 };
	line->instrument.driver->ask(&line->instrument, &request);
	paper_answer(analyzer, &request);
	return paper_replies(line, analyzer->answer, analyzer->length, 7);
}

/* One poll, until the driver rests. */
static inline void paper_poll(struct paper_line *line, struct paper_analyzer *analyzer)
{
	for (int turns = 0; turns < 3000; turns++)
		if (paper_turn(line, analyzer) == NEXT_IDLE)
			return;
	abort(); /* a driver that never rests */
}

static inline void paper_polls(struct paper_line *line, struct paper_analyzer *analyzer, int count)
{
	while (count-- > 0)
		paper_poll(line, analyzer);
}

static inline void paper_connect(struct paper_line *line)
{
	struct instrument *instrument = &line->instrument;
	memset(instrument->state, 0, instrument->driver->state_size);
	memcpy(instrument->cursor, line->cursor, CURSOR_MAX);
	instrument->driver->setup(instrument, NULL);
}

static inline void paper_set(struct paper_line *line, const char *name, const char *value)
{
	const struct setting *row = line->instrument.driver->options;
	while (strcmp(row->name, name) != 0)
		row++;
	if (settings_value(row, value, line->options, NULL) != 0)
		abort();
	paper_connect(line);
}

static inline struct paper_line *paper_line_new(void)
{
	struct paper_line *line = calloc(1, sizeof(*line));
	const struct driver *driver = driver_by_name("zero3-ff");
	if (driver->options_size > sizeof(line->options))
		abort();
	line->instrument.driver = driver;
	line->instrument.options = line->options;
	line->instrument.state = calloc(1, driver->state_size);
	line->instrument.now = (struct date_time){ 2026, 3, 5, 9, 50, 0 };
	settings_defaults(&(struct settings_table){ driver->options, line->options });
	paper_connect(line);
	return line;
}

static inline void paper_line_free(struct paper_line *line)
{
	cutter_reset(&line->cutter);
	free(line->instrument.state);
	free(line);
}

static inline uint32_t paper_time(int year, int month, int day, int hour)
{
	return (uint32_t)(year - 2000) << 25 | (uint32_t)month << 21 | (uint32_t)day << 16 | (uint32_t)hour << 11;
}

/* Finishes a record with `channels` channels of 12.4, the first its control. */
static inline struct paper_record *paper_test(struct paper_analyzer *analyzer, uint32_t time, unsigned channels)
{
	struct paper_record *record = &analyzer->records[analyzer->count++];
	*record = (struct paper_record){ .index = analyzer->next++, .time = time, .length = 8 + 8 * channels };
	record->data[0] = 1;
	for (int i = 0; i < 4; i++)
		record->data[4 + i] = (uint8_t)(time >> 8 * i);
	for (unsigned i = 0; i < channels; i++) {
		record->data[8 + 8 * i] = (uint8_t)i;
		record->data[9 + 8 * i] = 0x80;
		record->data[12 + 8 * i] = 124;
	}
	return record;
}

#endif
