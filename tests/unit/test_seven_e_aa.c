#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "seven_reader.h"

static struct paper_reader reader; /* large: not for the stack */

static struct paper_line *start(bool a2b, const char *layout)
{
	memset(&reader, 0, sizeof(reader));
	reader.a2b = a2b;
	return paper_line_new(layout);
}

/* ---- frames ---- */

static const uint8_t records[][27] = {
	{ 0x7E, 0x11, 0x14, 0x00, 0x02, 0x00, 0x02, 0x00, 0x12, 0x00, 0xBE, 0xC2, 0xB2, 0xCB, 0x00, 0x00, 0x1A, 0x03,
		0x05, 0x09, 0x29, 0x14, 0xCE, 0x18, 0x7C, 0xAA },
	{ 0x7E, 0x16, 0x15, 0x00, 0xFF, 0x03, 0x00, 0x02, 0x00, 0x02, 0x01, 0x1A, 0x03, 0x05, 0x09, 0x29, 0x14, 0x00,
		0x12, 0x04, 0x01, 0xC6, 0x02, 0x01, 0x00, 0x92, 0xAA },
};
static const size_t record_lengths[] = { 26, 27 };

static void every_truncation_wants_more_and_every_flipped_bit_is_refused(void **state)
{
	(void)state;
	const struct driver *driver = driver_by_name("seven-e-aa");
	for (size_t r = 0; r < 2; r++) {
		size_t whole = record_lengths[r];
		uint8_t bytes[40];
		for (size_t length = 1; length < whole; length++) {
			memcpy(bytes, records[r], length);
			assert_int_equal(driver->frame(NULL, bytes, length), FRAME_MORE);
		}
		memcpy(bytes, records[r], whole);
		bytes[whole] = 0x7E;
		assert_int_equal(driver->frame(NULL, bytes, whole), whole);
		assert_int_equal(driver->frame(NULL, bytes, whole + 1), whole);
		for (size_t bit = 0; bit < whole * 8; bit++) {
			bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_true(driver->frame(NULL, bytes, whole) <= 0);
			bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
	}
}

static void lengths_that_no_command_has_are_refused_at_once(void **state)
{
	(void)state;
	const struct driver *driver = driver_by_name("seven-e-aa");
	assert_int_equal(driver->frame(NULL, (const uint8_t[]){ 0x7E, 0x7E }, 2), FRAME_NONE);
	assert_int_equal(driver->frame(NULL, (const uint8_t[]){ 0x7E, 0x03 }, 2), FRAME_NONE);
	assert_int_equal(driver->frame(NULL, (const uint8_t[]){ 0x7E, 0x11, 0x14, 0x01 }, 4), FRAME_NONE);
	assert_int_equal(driver->frame(NULL, (const uint8_t[]){ 0x7E, 0x16, 0x14, 0x00 }, 4), FRAME_NONE);
	assert_int_equal(driver->frame(NULL, (const uint8_t[]){ 0x7E, 0x11, 0x14 }, 3), FRAME_MORE);
	assert_int_equal(driver->frame(NULL, (const uint8_t[]){ 0xAA }, 1), FRAME_NONE);
}

static void the_questions_are_the_published_ones(void **state)
{
	(void)state;
	static const uint8_t hello[] = { 0x7E, 0x00, 0x02, 0x00, 0x00, 0x00, 0x07, 0xAA };
	static const uint8_t count[] = { 0x7E, 0x12, 0x03, 0x00, 0x1A, 0x03, 0x05, 0xCD, 0xAA };
	static const uint8_t day[] = { 0x7E, 0x10, 0x03, 0x00, 0x1A, 0x03, 0x05, 0x63, 0xAA };
	static const uint8_t last[] = { 0x7E, 0x15, 0x04, 0x00, 0xFF, 0x00, 0x00, 0x00, 0x2B, 0xAA };
	static const uint8_t all[] = { 0x7E, 0x15, 0x04, 0x00, 0xFF, 0xFF, 0xFF, 0xFF, 0x4D, 0xAA };
	static const struct {
		const char *layout;
		const uint8_t *bytes;
		size_t length;
	} first[] = { { "auto", hello, sizeof(hello) }, { "a2", count, sizeof(count) }, { "a2b", last, sizeof(last) } };
	for (size_t i = 0; i < 3; i++) {
		struct paper_line *line = paper_line_new(first[i].layout);
		struct request request = { 0 };
		line->instrument.driver->ask(&line->instrument, &request);
		assert_int_equal(request.kind, REQUEST_BYTES);
		assert_int_equal(request.length, first[i].length);
		assert_memory_equal(request.bytes, first[i].bytes, first[i].length);
		paper_line_free(line);
	}
	for (int a2b = 0; a2b < 2; a2b++) {
		struct paper_line *line = start(a2b, a2b ? "a2b" : "a2");
		paper_test(&reader, 5, 1);
		bool seen = false;
		for (int turn = 0; turn < 60 && !seen; turn++) {
			struct request request = { 0 };
			line->instrument.driver->ask(&line->instrument, &request);
			seen = a2b ? request.length == sizeof(all) && memcmp(request.bytes, all, sizeof(all)) == 0
			           : request.length == sizeof(day) && memcmp(request.bytes, day, sizeof(day)) == 0;
			paper_answer(&reader, &request);
			paper_replies(line, reader.answer, reader.length, 1000);
		}
		assert_true(seen);
		paper_line_free(line);
	}
}

static struct reading *decode(struct paper_line *line, const uint8_t *frame, size_t length)
{
	static uint8_t kept[32];
	memcpy(kept, frame, length);
	line->readings = (struct readings){ .list = line->list };
	struct reply reply = { .kind = REPLY_FRAME, .bytes = kept, .length = length, .offline = true };
	line->instrument.driver->take(&line->instrument, &reply, &line->readings);
	return line->readings.count == 1 ? &line->list[0] : NULL;
}

/* Q9: nothing is stuffed, so that number, name and value may look like the ends of frames. */
static void marks_inside_the_data_end_nothing(void **state)
{
	(void)state;
	struct paper_line *line = start(false, "a2");
	const struct driver *driver = line->instrument.driver;
	struct paper_result *result = paper_test(&reader, 5, 1);
	result->number = 0x7EAA;
	result->inhibition = 0x7EAA;
	memcpy(result->name, "\xAA\x7E\x7E\xAA\xAA\x7E", 6);
	paper_record(&reader, result, 2, 1);
	paper_record(&reader, result, 2, 2); /* and back to back: AA 7E */
	assert_int_equal(reader.length, 52);
	for (size_t length = 1; length < 26; length++)
		assert_int_equal(driver->frame(NULL, reader.answer, length), FRAME_MORE);
	assert_int_equal(driver->frame(NULL, reader.answer, 52), 26);
	assert_int_equal(driver->frame(NULL, reader.answer + 26, 26), 26);
	assert_string_equal(decode(line, reader.answer, 26)->instrument_seq, "32426");
	assert_string_equal(line->list[0].value, "324.26");
	paper_line_free(line);
}

/* Q10: modules of other makers have 7E at both ends, a big-endian length, and SUM-8 or CRC-8. */
static void a_siblings_frames_are_noise_and_the_next_frame_is_read(void **state)
{
	(void)state;
	for (int crc = 0; crc < 2; crc++) {
		struct paper_line *line = start(false, "a2");
		struct cutter cutter = { 0 };
		struct cut cut;
		enum cut_kind kind;
		size_t noise = 0, frames = 0;
		uint8_t stream[52] = { 0x7E, 0x11, 0x00, 0x14 };
		memcpy(stream + 4, records[0] + 4, 20);
		stream[24] = crc ? checksum_crc8(stream + 1, 23) : checksum_sum8(stream + 1, 23);
		stream[25] = 0x7E;
		memcpy(stream + 26, records[0], 26); /* 7E 7E: the second one begins a frame */
		assert_int_equal(cutter_feed(&cutter, stream, sizeof(stream)), 0);
		while ((kind = cutter_next(&cutter, &line->instrument, true, &cut)) != CUT_MORE) {
			noise += kind == CUT_NOISE ? cut.length : 0;
			frames += kind == CUT_FRAME && memcmp(cut.bytes, records[0], 26) == 0;
		}
		assert_int_equal(noise, 26);
		assert_int_equal(frames, 1);
		cutter_reset(&cutter);
		paper_line_free(line);
	}
}

/* ---- results ---- */

static void a_result_asked_by_date_says_what_the_reader_displayed(void **state)
{
	(void)state;
	struct paper_line *line = start(false, "auto");
	const struct reading *reading = decode(line, records[0], 26);
	assert_non_null(reading);
	assert_string_equal(reading->sample_no, "18");
	assert_string_equal(reading->instrument_seq, "18");
	assert_string_equal(reading->sample_name, "韭菜");
	assert_string_equal(reading->value, "63.50");
	assert_string_equal(reading->value_as_sent, "6350");
	assert_string_equal(reading->unit, "%");
	assert_string_equal(reading->tested_at, "2026-03-05T09:41:20");
	assert_int_equal(reading->verdict, VERDICT_NONE);
	assert_int_equal(reading->kind, KIND_SAMPLE);
	assert_int_equal(reading->channel, -1);
	assert_true(reading->repeatable);
	assert_int_equal(reading->identity_length, 16);
	assert_int_equal(reading->raw_length, 26);
	paper_line_free(line);
}

static void a_result_asked_by_batch_says_what_the_reader_displayed(void **state)
{
	(void)state;
	struct paper_line *line = start(true, "auto");
	const struct reading *reading = decode(line, records[1], 27);
	assert_non_null(reading);
	assert_string_equal(reading->sample_no, "");
	assert_string_equal(reading->instrument_seq, "18");
	assert_int_equal(reading->channel, 2);
	assert_string_equal(reading->basis, "NY/T 448-2001");
	assert_string_equal(reading->value, "71.0");
	assert_string_equal(reading->value_as_sent, "710");
	assert_string_equal(reading->signals[0].name, "abs");
	assert_string_equal(reading->signals[0].value, "0.260");
	assert_int_equal(reading->verdict, VERDICT_POSITIVE);
	assert_string_equal(reading->verdict_as_sent, "1");
	assert_string_equal(reading->said[0].name, "standard");
	assert_string_equal(reading->said[0].value, "1");
	assert_int_equal(reading->identity_length, 16);
	paper_line_free(line);
}

/* One result through the reader's own encoding. */
static const struct reading *one(struct paper_line *line)
{
	reader.length = 0;
	paper_record(&reader, &reader.results[0], 1, 1);
	return decode(line, reader.answer, reader.length);
}

static void sentinels_have_no_value_and_are_invalid(void **state)
{
	(void)state;
	for (int a2b = 0; a2b < 2; a2b++) {
		struct paper_line *line = start(a2b, "auto");
		struct paper_result *result = paper_test(&reader, 5, 1);
		for (uint16_t raw = 0x7FFE; raw <= 0x7FFF; raw++) {
			result->inhibition = raw;
			result->verdict = 1;
			const struct reading *reading = one(line);
			assert_string_equal(reading->value, "");
			assert_string_equal(reading->value_as_sent, raw == 0x7FFE ? "32766" : "32767");
			assert_int_equal(reading->verdict, VERDICT_INVALID);
			assert_string_equal(reading->verdict_as_sent, a2b ? "1" : "");
			const struct named *said = &reading->said[reading->said_count - 1];
			assert_string_equal(said->name, "no_value");
			assert_string_equal(said->value, raw == 0x7FFE ? "7FFE: not available" : "7FFF: invalid");
		}
		result->inhibition = 0x7FFD;
		assert_string_equal(one(line)->value, a2b ? "3276.5" : "327.65");
		paper_line_free(line);
	}
}

static void negative_inhibition_is_kept(void **state)
{
	(void)state;
	for (int a2b = 0; a2b < 2; a2b++) {
		struct paper_line *line = start(a2b, "auto");
		paper_test(&reader, 5, 1)->inhibition = (uint16_t)-35;
		assert_string_equal(one(line)->value, a2b ? "-3.5" : "-0.35");
		assert_string_equal(one(line)->value_as_sent, "-35");
		paper_line_free(line);
	}
}

static void an_impossible_time_is_said_not_repaired(void **state)
{
	(void)state;
	struct paper_line *line = start(false, "auto");
	struct paper_result *result = paper_test(&reader, 5, 1);
	result->time[1] = 2;
	result->time[2] = 30;
	const struct reading *reading = one(line);
	assert_string_equal(reading->tested_at, "");
	assert_string_equal(reading->said[0].name, "impossible_time");
	assert_string_equal(reading->said[0].value, "26-02-30 09:41:20");
	result->time[0] = 126;
	result->time[2] = 3;
	assert_string_equal(one(line)->tested_at, "");
	paper_line_free(line);
}

static void an_impossible_time_is_believed_when_it_is_read_again(void **state)
{
	(void)state;
	for (int a2b = 0; a2b < 2; a2b++) {
		struct paper_line *line = start(a2b, "auto");
		for (int i = 0; i < 3; i++)
			paper_test(&reader, 5, 1)->time[3] = 99; /* hours, of each: its clock was never set */
		for (int i = 0; i < 3; i++)
			paper_poll(line, &reader);
		assert_int_equal(line->stored_count, 3);
		assert_int_equal(line->notice_count, 0);
		assert_in_range(reader.asked_day + reader.asked_all, 1, 2);
		paper_line_free(line);
	}
}

/* A frame without its end, with what followed it, in which eight bits of checksum happen to fit. */
static void a_damaged_frame_whose_checksum_fits_is_no_result(void **state)
{
	(void)state;
	struct paper_line *line = start(false, "a2");
	for (int i = 0; i < 3; i++)
		paper_test(&reader, 5, 1);
	for (int turn = 0; turn < 20; turn++) {
		struct request request = { 0 };
		line->instrument.driver->ask(&line->instrument, &request);
		paper_answer(&reader, &request);
		if (request.bytes[1] == 0x10 &&
			reader.asked_day == 1) { /* in the first reading, instead of the second */
			uint8_t *frame = reader.answer + 26;
			memcpy(frame + 20, (const uint8_t[]){ 0x7E, 0x11, 0x07, 0xAA }, 4);
			frame[24] = checksum_crc8(frame + 1, 23);
		}
		if (paper_replies(line, reader.answer, reader.length, 7) == NEXT_IDLE)
			break;
	}
	assert_int_equal(reader.asked_day, 2);
	assert_int_equal(line->stored_count, 3);
	paper_line_free(line);
}

static void a_name_cut_inside_a_character_is_marked(void **state)
{
	(void)state;
	struct paper_line *line = start(false, "auto");
	struct paper_result *result = paper_test(&reader, 5, 1);
	memcpy(result->name, "\xD0\xA1\xB0\xD7 \xB2", 6);
	const struct reading *reading = one(line);
	assert_string_equal(reading->sample_name, "小白 \uFFFD");
	assert_int_equal(reading->marks, READING_TEXT_CUT);
	memcpy(result->name, "\xD0\xA1\xFFx\0\0", 6);
	assert_int_equal(one(line)->marks, READING_TEXT_BAD);
	paper_line_free(line);
}

static void the_control_well_is_no_sample(void **state)
{
	(void)state;
	struct paper_line *line = start(false, "auto");
	memcpy(paper_test(&reader, 5, 1)->name, "\xB6\xD4\xD5\xD5\xD1\xF9", 6); /* 对照样 */
	assert_int_equal(one(line)->kind, KIND_CONTROL);
	paper_line_free(line);
	line = start(true, "auto");
	paper_test(&reader, 5, 1)->channel = 0;
	assert_int_equal(one(line)->kind, KIND_CONTROL);
	paper_line_free(line);
}

static void unknown_codes_are_kept_as_sent(void **state)
{
	(void)state;
	struct paper_line *line = start(true, "auto");
	struct paper_result *result = paper_test(&reader, 5, 1);
	result->standard = 9;
	result->verdict = 7;
	result->absorbance = 0x7FFE;
	const struct reading *reading = one(line);
	assert_string_equal(reading->basis, "");
	assert_string_equal(reading->said[0].value, "9");
	assert_int_equal(reading->verdict, VERDICT_NONE);
	assert_string_equal(reading->verdict_as_sent, "7");
	assert_int_equal(reading->signal_count, 0);
	assert_string_equal(reading->said[1].name, "no_abs");
	paper_line_free(line);
}

/* ---- the dialogue ---- */

static void auto_finds_out_which_layout_answers(void **state)
{
	(void)state;
	for (int a2b = 0; a2b < 2; a2b++) {
		struct paper_line *line = start(a2b, "auto");
		paper_test(&reader, 5, 1);
		reader.dead = true;
		for (int i = 0; i < 7; i++)
			paper_poll(line, &reader);
		assert_int_equal(line->stored_count, 0);
		reader.dead = false;
		for (int i = 0; i < 3; i++)
			paper_poll(line, &reader);
		assert_int_equal(line->stored_count, 1);
		assert_string_equal(line->last.instrument_seq, "17");
		paper_line_free(line);
	}
}

static void each_result_is_read_once_and_the_day_only_when_it_grew(void **state)
{
	(void)state;
	struct paper_line *line = start(false, "a2");
	paper_poll(line, &reader);
	unsigned days = reader.asked_day;
	for (unsigned i = 1; i <= 20; i++) {
		paper_test(&reader, 5, i);
		paper_poll(line, &reader);
		paper_poll(line, &reader);
		assert_int_equal(line->stored_count, i);
		assert_int_equal(reader.asked_day, days + i);
	}
	assert_string_equal(line->cursor, "day=2026-03-05 count=20");
	assert_int_equal(line->silences, 0);
	paper_line_free(line);
}

static void results_alike_to_the_last_bit_stay_two_and_keep_their_ids(void **state)
{
	(void)state;
	for (int a2b = 0; a2b < 2; a2b++) {
		struct paper_line *line = start(a2b, "auto");
		for (int i = 0; i < 10; i++) {
			struct paper_result *result = paper_test(&reader, 5, 1);
			result->number = 17;
			result->channel = 1;
		}
		paper_poll(line, &reader);
		paper_poll(line, &reader);
		assert_int_equal(line->stored_count, 10);
		paper_connect(line);
		line->instrument.now.hour++; /* a reconciliation */
		paper_poll(line, &reader);
		line->instrument.now.hour++;
		paper_poll(line, &reader);
		assert_int_equal(line->stored_count, 10);
		assert_true(line->known_count >= 10);
		paper_line_free(line);
	}
}

static void a_flood_of_24_results_in_one_second_is_24_results(void **state)
{
	(void)state;
	for (int a2b = 0; a2b < 2; a2b++) {
		struct paper_line *line = start(a2b, "auto");
		for (int i = 0; i < 24; i++)
			paper_test(&reader, 5, 1);
		for (int i = 0; i < 3; i++)
			paper_poll(line, &reader);
		assert_int_equal(line->stored_count, 24);
		assert_int_equal(line->notice_count, 0);
		paper_line_free(line);
	}
}

static void lost_frames_are_asked_for_until_all_are_there(void **state)
{
	(void)state;
	for (int a2b = 0; a2b < 2; a2b++) {
		for (unsigned spoil = 3; spoil < 30; spoil++) {
			struct paper_line *line = start(a2b, "auto");
			for (int i = 0; i < 24; i++)
				paper_test(&reader, 5, 1);
			reader.spoil = spoil;
			for (int i = 0; i < 20; i++)
				paper_poll(line, &reader);
			assert_int_equal(line->stored_count, 24);
			paper_line_free(line);
		}
	}
}

static void what_cannot_be_read_is_told_once_and_does_not_stop_the_rest(void **state)
{
	(void)state;
	struct paper_line *line = start(false, "a2");
	paper_test(&reader, 5, 1);
	paper_poll(line, &reader);
	/* the second of two results is spoilt each time: count, result, RESULT */
	paper_test(&reader, 5, 1);
	reader.count = 2;
	for (int turn = 0; turn < 20; turn++) {
		struct request request = { 0 };
		line->instrument.driver->ask(&line->instrument, &request);
		paper_answer(&reader, &request);
		if (request.bytes[1] == 0x10 && reader.length > 3)
			reader.answer[reader.length - 3] ^= 1;
		if (paper_replies(line, reader.answer, reader.length, 7) == NEXT_IDLE)
			break;
	}
	assert_int_equal(line->stored_count, 1);
	assert_int_equal(line->notice_count, 1);
	assert_int_equal(line->notices[0].kind, NOTICE_MISSED_RESULTS);
	paper_poll(line, &reader);
	assert_int_equal(line->notice_count, 1);
	/* reconciliation finds it */
	line->instrument.now.hour++;
	paper_poll(line, &reader);
	assert_int_equal(line->stored_count, 2);
	paper_line_free(line);
}

static void midnight_reads_yesterday_once_more(void **state)
{
	(void)state;
	struct paper_line *line = start(false, "a2");
	line->instrument.now = (struct date_time){ 2026, 3, 5, 23, 59, 59 };
	paper_test(&reader, 5, 1);
	paper_poll(line, &reader);
	paper_test(&reader, 5, 2); /* finished after the last poll of the day */
	line->instrument.now = (struct date_time){ 2026, 3, 6, 0, 0, 0 };
	paper_test(&reader, 6, 3);
	paper_poll(line, &reader);
	assert_int_equal(line->stored_count, 3);
	assert_string_equal(line->cursor, "day=2026-03-06 count=1");
	/* and a reader whose clock is behind adds to yesterday still */
	paper_test(&reader, 5, 4);
	line->instrument.now.minute = 30;
	paper_poll(line, &reader);
	assert_int_equal(line->stored_count, 4);
	/* or is ahead */
	paper_test(&reader, 7, 5);
	line->instrument.now.minute = 41;
	paper_poll(line, &reader);
	assert_int_equal(line->stored_count, 5);
	assert_string_equal(line->cursor, "day=2026-03-06 count=1");
	paper_line_free(line);
}

/* A clock that is off by less than a quarter of an hour makes no result wait for the next reconcile. */
static void near_midnight_the_day_beside_is_looked_at_with_each_poll(void **state)
{
	(void)state;
	static const struct {
		struct date_time before, now; /* of two polls, the first of them all */
		int result_day, stored;
	} cases[] = {
		{ { 2026, 3, 6, 0, 2, 0 }, { 2026, 3, 6, 0, 2, 5 }, 5, 1 },
		{ { 2026, 3, 6, 0, 7, 0 }, { 2026, 3, 6, 0, 14, 59 }, 5, 1 },
		{ { 2026, 3, 6, 0, 7, 0 }, { 2026, 3, 6, 0, 15, 0 }, 5, 0 },
		{ { 2026, 3, 6, 0, 2, 0 }, { 2026, 3, 6, 0, 2, 5 }, 7, 0 },
		{ { 2026, 3, 6, 23, 44, 0 }, { 2026, 3, 6, 23, 44, 59 }, 7, 0 },
		{ { 2026, 3, 6, 23, 44, 0 }, { 2026, 3, 6, 23, 45, 0 }, 7, 1 },
		{ { 2026, 3, 6, 23, 59, 50 }, { 2026, 3, 6, 23, 59, 59 }, 7, 1 },
		{ { 2026, 3, 6, 23, 59, 50 }, { 2026, 3, 6, 23, 59, 59 }, 5, 0 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct paper_line *line = start(false, "a2");
		line->instrument.now = cases[i].before;
		paper_poll(line, &reader);
		paper_test(&reader, cases[i].result_day, 1);
		line->instrument.now = cases[i].now;
		paper_poll(line, &reader);
		assert_int_equal(line->stored_count, cases[i].stored);
		paper_poll(line, &reader);
		assert_int_equal(reader.asked_day, cases[i].stored); /* read because it grew, not with each poll */
		line->instrument.now.hour = 12;                      /* nothing is lost, only late */
		paper_poll(line, &reader);
		assert_int_equal(line->stored_count, 1);
		paper_line_free(line);
	}
}

/* An answer lost about the day beside, or a reader switched off, is nothing to tell and costs one question: the day was
 * read whole at midnight and is again with the next reconcile, which does tell. */
static void a_day_beside_without_an_answer_is_no_news(void **state)
{
	(void)state;
	struct paper_line *line = start(false, "a2");
	line->instrument.now = (struct date_time){ 2026, 3, 6, 0, 1, 0 };
	paper_test(&reader, 5, 1);
	paper_test(&reader, 6, 2);
	paper_poll(line, &reader);
	assert_int_equal(line->stored_count, 2);
	reader.mute_day = 5;
	paper_test(&reader, 5, 3);
	for (unsigned i = 3; i < 9; i++) {
		paper_test(&reader, 6, i + 1);
		size_t before = line->silences;
		paper_poll(line, &reader);
		paper_poll(line, &reader);
		assert_int_equal(line->stored_count, i);
		assert_in_range(line->silences - before, 1, 2);
	}
	assert_int_equal(line->notice_count, 0);
	line->instrument.now.minute = 12;
	for (int i = 0; i < 8; i++)
		paper_poll(line, &reader);
	assert_int_equal(line->notice_count, 1);
	assert_int_equal(line->notices[0].kind, NOTICE_MISSED_RESULTS);
	reader.mute_day = 0;
	line->instrument.now.minute = 13;
	for (int i = 0; i < 2; i++)
		paper_poll(line, &reader);
	assert_int_equal(line->stored_count, 9);
	paper_line_free(line);
}

static void a_box_whose_clock_went_back_reads_no_day_with_each_poll(void **state)
{
	(void)state;
	struct paper_line *line = start(false, "a2");
	for (int day = 19; day <= 22; day++)
		paper_test(&reader, day, 1);
	line->instrument.now = (struct date_time){ 2026, 3, 22, 9, 0, 0 };
	paper_poll(line, &reader);
	for (int day = 5; day <= 7; day++)
		paper_test(&reader, day, 2);
	line->instrument.now = (struct date_time){ 2026, 3, 6, 0, 5, 0 };
	for (int i = 0; i < 3; i++)
		paper_poll(line, &reader);
	unsigned before = reader.asked_day;
	for (int i = 0; i < 20; i++)
		paper_poll(line, &reader);
	assert_int_equal(reader.asked_day, before);
	assert_int_equal(line->stored_count, 7);
	paper_line_free(line);
}

/* Finished behind midnight by our clock and before it by the reader's, which then goes away until another day. */
static void what_a_slow_reader_finished_before_it_went_away_is_read_when_it_is_back(void **state)
{
	(void)state;
	struct paper_line *line = start(false, "a2");
	line->instrument.now = (struct date_time){ 2026, 3, 5, 23, 0, 0 };
	paper_test(&reader, 5, 1);
	paper_poll(line, &reader);
	line->instrument.now = (struct date_time){ 2026, 3, 6, 0, 1, 0 };
	paper_poll(line, &reader);
	line->instrument.now.minute = 12;
	paper_poll(line, &reader);
	paper_test(&reader, 5, 2);
	reader.dead = true;
	line->instrument.now.minute = 17; /* before the next reconcile */
	paper_poll(line, &reader);
	for (int day = 6; day <= 9; day++) {
		line->instrument.now = (struct date_time){ 2026, 3, day, 9, 0, 0 };
		paper_poll(line, &reader);
	}
	reader.dead = false;
	for (int i = 0; i < 3; i++)
		paper_poll(line, &reader);
	assert_int_equal(line->stored_count, 2);
	paper_line_free(line);
}

static void an_absence_is_made_up_for_as_far_back_as_configured(void **state)
{
	(void)state;
	struct paper_line *line = start(false, "auto");
	for (int day = 1; day <= 20; day++)
		paper_test(&reader, day, 1);
	line->instrument.now.day = 20;
	paper_poll(line, &reader); /* no cursor: seven days and today */
	assert_int_equal(line->stored_count, 8);
	line->instrument.now.day = 24;
	paper_test(&reader, 22, 2);
	paper_test(&reader, 24, 2);
	paper_connect(line);
	paper_poll(line, &reader);
	assert_int_equal(line->stored_count, 10);
	assert_string_equal(line->cursor, "day=2026-03-24 count=1");
	paper_line_free(line);
}

static void days_behind_the_look_back_are_told_as_missed(void **state)
{
	(void)state;
	struct paper_line *line = start(false, "auto");
	line->instrument.now.day = 10;
	paper_test(&reader, 10, 1);
	paper_poll(line, &reader);
	for (int day = 11; day <= 25; day++)
		paper_test(&reader, day, 1);
	line->instrument.now.day = 25; /* 18 is the earliest of seven days back */
	paper_connect(line);
	paper_poll(line, &reader);
	assert_int_equal(line->stored_count, 1 + 8);
	assert_int_equal(line->notice_count, 1);
	assert_int_equal(line->notices[0].kind, NOTICE_MISSED_RESULTS);
	assert_non_null(strstr(line->notices[0].reason, "2026-03-10 to 2026-03-17"));
	paper_connect(line);
	paper_poll(line, &reader);
	assert_int_equal(line->notice_count, 1);
	paper_line_free(line);
}

/* Away for a day more than `lookback` while the gateway ran on: the day it went was asked for, before and again. */
static void a_day_that_was_asked_for_is_not_told_as_missed(void **state)
{
	(void)state;
	for (int away = 1; away <= 9; away++) {
		struct paper_line *line = start(false, "a2");
		line->instrument.now = (struct date_time){ 2026, 3, 6, 9, 0, 0 };
		paper_test(&reader, 6, 1);
		paper_poll(line, &reader);
		paper_test(&reader, 6, 2);
		reader.dead = true;
		line->instrument.now.minute = 5;
		paper_poll(line, &reader);
		reader.dead = false;
		line->instrument.now.day += away;
		for (int i = 0; i < 4; i++)
			paper_poll(line, &reader);
		assert_int_equal(line->stored_count, 2);
		assert_int_equal(line->notice_count, away == 9); /* 2026-03-07 */
		paper_line_free(line);
	}
}

static void a_box_that_starts_in_the_past_catches_up_when_it_knows_the_date(void **state)
{
	(void)state;
	struct paper_line *line = start(false, "auto");
	line->instrument.now.day = 10;
	paper_test(&reader, 10, 1);
	paper_poll(line, &reader);
	for (int day = 11; day <= 14; day++)
		paper_test(&reader, day, 1);
	line->instrument.now.year = 1970;
	paper_connect(line);
	paper_poll(line, &reader);
	assert_string_equal(line->cursor, "day=2026-03-10 count=1");
	line->instrument.now.year = 2026;
	line->instrument.now.day = 14;
	paper_poll(line, &reader);
	assert_int_equal(line->stored_count, 5);
	assert_int_equal(line->notice_count, 0);
	assert_string_equal(line->cursor, "day=2026-03-14 count=1");
	paper_line_free(line);
}

/* A new box without a battery: nothing was missed between 1970 and the day it learns the date. */
static void a_box_that_first_met_its_reader_in_1970_misses_nothing(void **state)
{
	(void)state;
	for (int restart = 0; restart < 2; restart++) {
		struct paper_line *line = start(false, "auto");
		paper_test(&reader, 5, 1);
		line->instrument.now = (struct date_time){ 1970, 1, 2, 0, 0, 5 };
		paper_poll(line, &reader);
		paper_poll(line, &reader);
		line->instrument.now = (struct date_time){ 2026, 3, 5, 9, 50, 0 };
		if (restart)
			paper_connect(line);
		paper_poll(line, &reader);
		assert_int_equal(line->stored_count, 1);
		assert_int_equal(line->notice_count, 0);
		assert_string_equal(line->cursor, "day=2026-03-05 count=1");
		paper_line_free(line);
	}
}

static void a_cursor_that_makes_no_sense_is_no_cursor(void **state)
{
	(void)state;
	static const char *const cursors[] = { "", "x", "day=2026-03-05", "day=2026-02-30 count=1",
		"day=2026-03-05 count=1x", "day=2027-01-01 count=5" };
	for (size_t i = 0; i < sizeof(cursors) / sizeof(cursors[0]); i++) {
		struct paper_line *line = start(false, "a2");
		paper_test(&reader, 5, 1);
		snprintf(line->cursor, sizeof(line->cursor), "%s", cursors[i]);
		paper_connect(line);
		paper_poll(line, &reader);
		assert_int_equal(line->stored_count, 1);
		/* a day to come may be right, and our clock wrong: it is kept */
		bool to_come = strncmp(cursors[i], "day=2027", 8) == 0;
		assert_string_equal(line->cursor, to_come ? cursors[i] : "day=2026-03-05 count=1");
		paper_line_free(line);
	}
}

static void a_cleared_memory_is_announced_and_read_afresh(void **state)
{
	(void)state;
	struct paper_line *line = start(false, "a2");
	for (int i = 0; i < 3; i++)
		paper_test(&reader, 5, 1);
	paper_poll(line, &reader);
	reader.count = 0;
	paper_test(&reader, 5, 1)->time[4] = 50;
	paper_poll(line, &reader);
	assert_int_equal(line->notice_count, 1);
	assert_int_equal(line->notices[0].kind, NOTICE_COUNTER_RESTARTED);
	assert_int_equal(line->notices[0].first, 3);
	assert_int_equal(line->notices[0].last, 1);
	assert_int_equal(line->stored_count, 4);
	paper_line_free(line);
}

static void batches_between_two_polls_are_caught(void **state)
{
	(void)state;
	struct paper_line *line = start(true, "a2b");
	paper_poll(line, &reader); /* empty */
	assert_int_equal(line->silences, 0);
	for (unsigned batch = 1; batch <= 5; batch++)
		for (int well = 0; well < 8; well++)
			paper_test(&reader, 5, batch);
	paper_poll(line, &reader);
	assert_int_equal(line->stored_count, 40);
	unsigned all = reader.asked_all;
	paper_poll(line, &reader);
	assert_int_equal(reader.asked_all, all);
	line->instrument.now.minute += 9;
	paper_poll(line, &reader);
	assert_int_equal(reader.asked_all, all);
	line->instrument.now.minute = 0;
	line->instrument.now.hour++;
	paper_poll(line, &reader);
	assert_int_equal(reader.asked_all, all + 1);
	paper_line_free(line);
}

static void silence_restarts_the_dialogue_and_nothing_is_lost(void **state)
{
	(void)state;
	for (int a2b = 0; a2b < 2; a2b++) {
		struct paper_line *line = start(a2b, "auto");
		paper_test(&reader, 5, 1);
		for (int round = 2; round < 12; round++) {
			reader.dead = true;
			paper_poll(line, &reader);
			paper_poll(line, &reader);
			paper_test(&reader, 5, (unsigned)round);
			reader.dead = false;
			for (int i = 0; i < 4; i++)
				paper_poll(line, &reader);
			assert_int_equal(line->stored_count, round);
		}
		paper_line_free(line);
	}
}

static void a_reader_that_ignores_some_days_is_asked_about_the_others(void **state)
{
	(void)state;
	struct paper_line *line = start(false, "auto");
	reader.shy_of_future = true;
	paper_test(&reader, 5, 1);
	for (int i = 0; i < 40; i++)
		paper_poll(line, &reader);
	assert_int_equal(line->stored_count, 1);
	assert_int_equal(line->notice_count, 1);
	assert_int_equal(line->notices[0].kind, NOTICE_MISSED_RESULTS);
	for (unsigned i = 2; i < 6; i++) {
		paper_test(&reader, 5, i);
		paper_poll(line, &reader);
		assert_int_equal(line->stored_count, i);
	}
	paper_line_free(line);
}

/* Told that it is asked for again later, it is: at the next reconcile, or after a restart in between. */
static void a_day_without_an_answer_is_asked_for_again(void **state)
{
	(void)state;
	for (int restart = 0; restart < 2; restart++) {
		struct paper_line *line = start(false, "a2");
		line->instrument.now = (struct date_time){ 2026, 3, 5, 9, 50, 0 };
		paper_test(&reader, 1, 1);
		paper_test(&reader, 3, 2);
		paper_test(&reader, 5, 3);
		reader.mute_day = 1;
		for (int i = 0; i < 8; i++)
			paper_poll(line, &reader);
		assert_int_equal(line->stored_count, 2);
		assert_int_equal(line->notice_count, 1);
		reader.mute_day = 0;
		if (restart)
			paper_connect(line);
		else
			line->instrument.now.hour++;
		for (int i = 0; i < 4; i++)
			paper_poll(line, &reader);
		assert_int_equal(line->stored_count, 3);
		paper_line_free(line);
	}
}

/* Days on which there was nothing to test, and a reader that says nothing about them: told, each once, and not again
 * with each reconcile. */
static void days_that_stay_unanswered_are_told_once_each(void **state)
{
	(void)state;
	struct paper_line *line = start(false, "auto");
	reader.shy_of_future = true;
	paper_test(&reader, 5, 1);
	for (int hour = 10; hour < 22; hour++) {
		line->instrument.now.hour = hour;
		for (int i = 0; i < 60; i++)
			paper_poll(line, &reader);
	}
	assert_int_equal(line->stored_count, 1);
	assert_int_equal(line->notice_count, 7); /* `lookback` */
	for (size_t i = 0; i < 7; i++)
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(line->notices[i].reason, line->notices[k].reason);
	/* asked for again they cost one question each: six days, and yesterday and tomorrow three times */
	line->instrument.now.hour = 22;
	size_t before = line->silences;
	for (int i = 0; i < 60; i++)
		paper_poll(line, &reader);
	assert_int_equal(line->silences - before, 6 + 3 + 3);
	paper_line_free(line);
}

/* Off for days, with the memory cleared and as many tests made meanwhile: the count alone does not tell. */
static void at_the_start_the_days_since_the_cursor_are_read_whole(void **state)
{
	(void)state;
	struct paper_line *line = start(false, "a2");
	paper_test(&reader, 5, 1);
	paper_poll(line, &reader);
	assert_int_equal(line->stored_count, 1);
	reader.count = 0;
	paper_test(&reader, 5, 1)->inhibition = 8888;
	line->instrument.now.day = 8;
	paper_connect(line);
	paper_poll(line, &reader);
	assert_int_equal(line->stored_count, 2);
	paper_line_free(line);
}

static void late_and_foreign_frames_are_no_answer_to_this_question(void **state)
{
	(void)state;
	struct paper_line *line = start(false, "a2");
	paper_test(&reader, 5, 1);
	struct request request = { 0 };
	paper_poll(line, &reader);
	paper_test(&reader, 5, 2);
	line->instrument.driver->ask(&line->instrument, &request);
	/* the count of another day, our own question echoed, a late result: all before the answer */
	paper_answer(&reader, &request);
	struct paper_reader *late = calloc(1, sizeof(*late));
	*late = reader;
	late->length = 0;
	paper_count(late, (const uint8_t[]){ 26, 3, 4 });
	memcpy(late->answer + late->length, request.bytes, request.length);
	late->length += request.length;
	paper_record(late, &reader.results[1], 9, 5);
	memcpy(late->answer + late->length, reader.answer, reader.length);
	late->length += reader.length;
	assert_int_equal(paper_replies(line, late->answer, late->length, 3), NEXT_ASK);
	assert_int_equal(line->stored_count, 2);
	free(late);
	paper_poll(line, &reader);
	assert_int_equal(line->stored_count, 2);
	assert_string_equal(line->cursor, "day=2026-03-05 count=2");
	/* a reply of another kind is none of ours */
	assert_int_equal(paper_take(line, &(struct reply){ .kind = REPLY_DONE }), NEXT_WAIT);
	paper_line_free(line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_truncation_wants_more_and_every_flipped_bit_is_refused),
		cmocka_unit_test(lengths_that_no_command_has_are_refused_at_once),
		cmocka_unit_test(marks_inside_the_data_end_nothing),
		cmocka_unit_test(a_siblings_frames_are_noise_and_the_next_frame_is_read),
		cmocka_unit_test(the_questions_are_the_published_ones),
		cmocka_unit_test(a_result_asked_by_date_says_what_the_reader_displayed),
		cmocka_unit_test(a_result_asked_by_batch_says_what_the_reader_displayed),
		cmocka_unit_test(sentinels_have_no_value_and_are_invalid),
		cmocka_unit_test(negative_inhibition_is_kept),
		cmocka_unit_test(an_impossible_time_is_said_not_repaired),
		cmocka_unit_test(an_impossible_time_is_believed_when_it_is_read_again),
		cmocka_unit_test(a_damaged_frame_whose_checksum_fits_is_no_result),
		cmocka_unit_test(a_name_cut_inside_a_character_is_marked),
		cmocka_unit_test(the_control_well_is_no_sample),
		cmocka_unit_test(unknown_codes_are_kept_as_sent),
		cmocka_unit_test(auto_finds_out_which_layout_answers),
		cmocka_unit_test(each_result_is_read_once_and_the_day_only_when_it_grew),
		cmocka_unit_test(results_alike_to_the_last_bit_stay_two_and_keep_their_ids),
		cmocka_unit_test(a_flood_of_24_results_in_one_second_is_24_results),
		cmocka_unit_test(lost_frames_are_asked_for_until_all_are_there),
		cmocka_unit_test(what_cannot_be_read_is_told_once_and_does_not_stop_the_rest),
		cmocka_unit_test(midnight_reads_yesterday_once_more),
		cmocka_unit_test(near_midnight_the_day_beside_is_looked_at_with_each_poll),
		cmocka_unit_test(a_day_beside_without_an_answer_is_no_news),
		cmocka_unit_test(a_box_whose_clock_went_back_reads_no_day_with_each_poll),
		cmocka_unit_test(what_a_slow_reader_finished_before_it_went_away_is_read_when_it_is_back),
		cmocka_unit_test(an_absence_is_made_up_for_as_far_back_as_configured),
		cmocka_unit_test(days_behind_the_look_back_are_told_as_missed),
		cmocka_unit_test(a_day_that_was_asked_for_is_not_told_as_missed),
		cmocka_unit_test(a_box_that_starts_in_the_past_catches_up_when_it_knows_the_date),
		cmocka_unit_test(a_box_that_first_met_its_reader_in_1970_misses_nothing),
		cmocka_unit_test(a_cursor_that_makes_no_sense_is_no_cursor),
		cmocka_unit_test(a_cleared_memory_is_announced_and_read_afresh),
		cmocka_unit_test(batches_between_two_polls_are_caught),
		cmocka_unit_test(silence_restarts_the_dialogue_and_nothing_is_lost),
		cmocka_unit_test(a_reader_that_ignores_some_days_is_asked_about_the_others),
		cmocka_unit_test(a_day_without_an_answer_is_asked_for_again),
		cmocka_unit_test(days_that_stay_unanswered_are_told_once_each),
		cmocka_unit_test(at_the_start_the_days_since_the_cursor_are_read_whole),
		cmocka_unit_test(late_and_foreign_frames_are_no_answer_to_this_question),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
