/* A 7E-AA reader on paper, and a line that talks to it: what the driver's tests ask and answer. */
#ifndef ASSAYD_TESTS_SEVEN_READER_H
#define ASSAYD_TESTS_SEVEN_READER_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../daemon/cutter.h"
#include "../../daemon/settings.h"
#include "../../drivers/bytes.h"
#include "../../drivers/calendar.h"
#include "../../drivers/checksum.h"

struct paper_result {
	uint8_t time[6]; /* yy mm dd hh mm ss */
	uint16_t number, inhibition, absorbance;
	uint8_t channel, standard, verdict;
	unsigned batch;
	char name[6];
};

struct paper_reader {
	bool a2b;
	bool dead;          /* answers nothing */
	bool shy_of_future; /* leaves questions about days it has nothing for without an answer */
	int mute_day;       /* of the month: questions about it are left without an answer; 0: none */
	struct paper_result results[512];
	size_t count;
	unsigned spoil, dice; /* one frame in `spoil` gets a flipped bit, by chance; 0: none */
	unsigned asked_hello, asked_count, asked_day, asked_last, asked_all;
	uint8_t answer[65536];
	size_t length;
};

static inline void paper_wrap(struct paper_reader *reader, uint8_t command, const uint8_t *data, size_t length)
{
	uint8_t *at = reader->answer + reader->length;
	at[0] = 0x7E;
	at[1] = command;
	at[2] = (uint8_t)length;
	at[3] = 0;
	memcpy(at + 4, data, length);
	at[4 + length] = checksum_crc8(at + 1, length + 3);
	at[5 + length] = 0xAA;
	reader->dice = reader->dice * 1664525U + 1013904223U;
	if (reader->spoil && (reader->dice >> 16) % reader->spoil == 0)
		at[4 + length / 2] ^= 0x04;
	reader->length += length + 6;
}

static inline void paper_record(
	struct paper_reader *reader, const struct paper_result *result, size_t total, size_t index)
{
	uint8_t data[21] = { 0xFF };
	size_t at = reader->a2b ? 1 : 0;
	data[at++] = (uint8_t)total;
	data[at++] = (uint8_t)(total >> 8);
	data[at++] = (uint8_t)index;
	data[at++] = (uint8_t)(index >> 8);
	if (reader->a2b) {
		data[at++] = result->channel;
		data[at++] = result->standard;
		memcpy(data + at, result->time, 6);
		at += 6;
		data[at++] = (uint8_t)(result->number >> 8);
		data[at++] = (uint8_t)result->number;
		data[at++] = (uint8_t)result->absorbance;
		data[at++] = (uint8_t)(result->absorbance >> 8);
	} else {
		data[at++] = (uint8_t)result->number;
		data[at++] = (uint8_t)(result->number >> 8);
		memcpy(data + at, result->name, 6);
		memcpy(data + at + 6, result->time, 6);
		at += 12;
	}
	data[at++] = (uint8_t)result->inhibition;
	data[at++] = (uint8_t)(result->inhibition >> 8);
	if (reader->a2b) {
		data[at] = result->verdict;
		at += 2;
	}
	paper_wrap(reader, reader->a2b ? 0x16 : 0x11, data, at);
}

/* Day 00 00 00 is the last batch, FF FF FF everything. */
static inline bool paper_wanted(
	const struct paper_reader *reader, const struct paper_result *result, const uint8_t *day)
{
	static const uint8_t last[3] = { 0, 0, 0 }, all[3] = { 0xFF, 0xFF, 0xFF };
	if (memcmp(day, all, 3) == 0)
		return true;
	if (memcmp(day, last, 3) == 0)
		return result->batch == reader->results[reader->count - 1].batch;
	return memcmp(day, result->time, 3) == 0;
}

static inline void paper_list(struct paper_reader *reader, const uint8_t *day)
{
	size_t total = 0, index = 0;
	for (size_t i = 0; i < reader->count; i++)
		total += paper_wanted(reader, &reader->results[i], day);
	for (size_t i = 0; i < reader->count; i++)
		if (paper_wanted(reader, &reader->results[i], day))
			paper_record(reader, &reader->results[i], total, ++index);
	if (total == 0 && reader->a2b)
		paper_record(reader, &reader->results[0], 0, 0);
}

static inline void paper_count(struct paper_reader *reader, const uint8_t *day)
{
	unsigned count = 0;
	for (size_t i = 0; i < reader->count; i++)
		count += paper_wanted(reader, &reader->results[i], day);
	uint8_t data[5] = { day[0], day[1], day[2], (uint8_t)count, (uint8_t)(count >> 8) };
	reader->asked_count++;
	if ((count > 0 || !reader->shy_of_future) && (!reader->mute_day || data[2] != reader->mute_day))
		paper_wrap(reader, 0x13, data, sizeof(data));
}

static inline void paper_answer(struct paper_reader *reader, const struct request *request)
{
	const uint8_t *bytes = request->bytes;
	reader->length = 0;
	if (reader->dead || request->kind != REQUEST_BYTES)
		return;
	if (bytes[1] == 0x00) {
		reader->asked_hello++;
		paper_wrap(reader, reader->a2b ? 0x02 : 0x01, (const uint8_t[]){ 0xFF, 2, 0x10, 0x10 }, 4);
	} else if (bytes[1] == 0x12 && !reader->a2b) {
		paper_count(reader, bytes + 4);
	} else if (bytes[1] == 0x10 && !reader->a2b) {
		reader->asked_day++;
		paper_list(reader, bytes + 4);
	} else if (bytes[1] == 0x15 && reader->a2b) {
		(bytes[5] == 0 ? reader->asked_last++ : reader->asked_all++);
		paper_list(reader, bytes + 5);
	}
}

/* The line's side: what was stored, by identity and repeat, as the journal's ids would be. */
struct paper_line {
	struct instrument instrument;
	struct cutter cutter;
	uint8_t options[64];
	struct readings readings;
	struct reading list[READINGS_AT_ONCE];
	char cursor[CURSOR_MAX];
	struct {
		uint8_t identity[24];
		size_t length;
		unsigned repeat;
	} stored[1024];
	size_t stored_count, known_count;
	struct reading last;
	struct notice notices[64];
	size_t notice_count, silences;
};

static inline void paper_store(struct paper_line *line)
{
	for (size_t i = 0; i < line->readings.count; i++) {
		const struct reading *reading = &line->list[i];
		bool known = false;
		for (size_t k = 0; k < line->stored_count && !known; k++)
			known = line->stored[k].length == reading->identity_length &&
			        line->stored[k].repeat == reading->repeat &&
			        memcmp(line->stored[k].identity, reading->identity, reading->identity_length) == 0;
		line->last = *reading;
		if (known) {
			line->known_count++;
			continue;
		}
		memcpy(line->stored[line->stored_count].identity, reading->identity, reading->identity_length);
		line->stored[line->stored_count].length = reading->identity_length;
		line->stored[line->stored_count++].repeat = reading->repeat;
	}
	for (size_t i = 0; i < line->readings.notice_count && line->notice_count < 64; i++)
		line->notices[line->notice_count++] = line->readings.notices[i];
	if (line->readings.cursor[0])
		memcpy(line->cursor, line->readings.cursor, CURSOR_MAX);
}

static inline enum next paper_take(struct paper_line *line, const struct reply *reply)
{
	line->readings = (struct readings){ .list = line->list };
	enum next next = line->instrument.driver->take(&line->instrument, reply, &line->readings);
	paper_store(line);
	return next;
}

/* Hands over everything the reader answered, in pieces of `step` bytes; then silence, if the driver still waits. */
static inline enum next paper_replies(struct paper_line *line, const uint8_t *data, size_t length, size_t step)
{
	enum next next = NEXT_WAIT;
	struct cut cut;
	for (size_t at = 0; at < length; at += step) {
		cutter_feed(&line->cutter, data + at, length - at < step ? length - at : step);
		enum cut_kind kind;
		while ((kind = cutter_next(&line->cutter, &line->instrument, false, &cut)) != CUT_MORE) {
			if (kind != CUT_FRAME)
				continue;
			struct reply reply = { .kind = REPLY_FRAME, .bytes = cut.bytes, .length = cut.length };
			next = paper_take(line, &reply);
		}
	}
	if (next != NEXT_WAIT)
		return next;
	while (cutter_next(&line->cutter, &line->instrument, true, &cut) != CUT_MORE)
		;
	line->silences++;
	return paper_take(line, &(struct reply){ .kind = REPLY_SILENCE });
}

/* One poll, until the driver rests. */
static inline void paper_poll(struct paper_line *line, struct paper_reader *reader)
{
	for (int turns = 0; turns < 200; turns++) {
		struct request request = { 0 };
		line->instrument.driver->ask(&line->instrument, &request);
		paper_answer(reader, &request);
		if (paper_replies(line, reader->answer, reader->length, 7) == NEXT_IDLE)
			return;
	}
	abort(); /* a driver that never rests */
}

static inline void paper_connect(struct paper_line *line)
{
	struct instrument *instrument = &line->instrument;
	memset(instrument->state, 0, instrument->driver->state_size);
	memcpy(instrument->cursor, line->cursor, CURSOR_MAX);
	instrument->driver->setup(instrument, NULL);
}

static inline struct paper_line *paper_line_new(const char *layout)
{
	struct paper_line *line = calloc(1, sizeof(*line));
	const struct driver *driver = driver_by_name("seven-e-aa");
	line->instrument.driver = driver;
	line->instrument.options = line->options;
	line->instrument.state = calloc(1, driver->state_size);
	line->instrument.now = (struct date_time){ 2026, 3, 5, 9, 50, 0 };
	settings_defaults(&(struct settings_table){ driver->options, line->options });
	settings_value(&driver->options[0], layout, line->options, NULL);
	paper_connect(line);
	return line;
}

static inline void paper_line_free(struct paper_line *line)
{
	cutter_reset(&line->cutter);
	free(line->instrument.state);
	free(line);
}

static inline struct paper_result *paper_test(struct paper_reader *reader, int day, unsigned batch)
{
	struct paper_result *result = &reader->results[reader->count++];
	*result = (struct paper_result){
		.time = { 26, 3, (uint8_t)day, 9, 41, 20 },
		.number = (uint16_t)(16 + reader->count),
		.inhibition = reader->a2b ? 124 : 1234,
		.absorbance = 570,
		.channel = (uint8_t)(reader->count % 8 + 1),
		.verdict = 2,
		.batch = batch,
		.name = "\xB2\xA4\xB2\xCB",
	};
	return result;
}

#endif
