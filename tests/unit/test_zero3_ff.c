#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <errno.h>

#include "zero3_paper.h"

static struct paper_analyzer analyzer; /* large: not for the stack */
static struct paper_line *line;
static uint32_t today;

static int start(void **state)
{
	(void)state;
	memset(&analyzer, 0, sizeof(analyzer));
	analyzer.next = 1;
	analyzer.item = "\xC5\xA9\xD2\xA9\xB2\xD0\xC1\xF4"; /* 农药残留 */
	analyzer.unit = "%";
	analyzer.serial = "SN1";
	line = paper_line_new();
	today = paper_time(2026, 3, 5, 9);
	return 0;
}

static int finish(void **state)
{
	(void)state;
	paper_line_free(line);
	return 0;
}

/* ---- frames ---- */

static const uint8_t record[] = { 0x03, 0xFE, 0x45, 0x00, 0x04, 0x00, 0x00, 0x00, 0x10, 0x00, 0xAC, 0xD7, 0x01, 0x00,
	0x00, 0x00, 0x2A, 0x4D, 0x65, 0x34, 0x01, 0x80, 0x00, 0x00, 0x61, 0x00, 0x00, 0x00 };

static int frame(const void *data, size_t length, bool idle)
{
	struct instrument instrument = line->instrument;
	instrument.idle = idle;
	return instrument.driver->frame(&instrument, data, length);
}

static void every_truncation_wants_more_and_every_flipped_bit_is_found(void **state)
{
	(void)state;
	uint8_t bytes[sizeof(record)];
	memcpy(bytes, record, sizeof(record));
	for (size_t length = 1; length < sizeof(record); length++)
		assert_int_equal(frame(bytes, length, false), FRAME_MORE);
	assert_int_equal(frame(bytes, sizeof(bytes), false), sizeof(bytes));
	for (size_t bit = 0; bit < sizeof(bytes) * 8; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		int length = frame(bytes, sizeof(bytes), true);
		if (bit / 8 < 11)
			assert_true(length <= 0);
		else /* a frame all the same, but no results in it */
			assert_int_equal(length, sizeof(bytes));
		struct reply reply = { .kind = REPLY_FRAME, .bytes = bytes, .length = sizeof(bytes), .offline = true };
		if (length > 0)
			paper_take(line, &reply);
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_int_equal(line->stored_count, 0);
	assert_int_equal(line->rejected, 17 * 8);
	assert_int_equal(line->notices[0].kind, NOTICE_UNDECODABLE);
}

static void what_no_command_has_is_refused_at_once(void **state)
{
	(void)state;
	assert_int_equal(frame("\x04", 1, false), FRAME_NONE);
	assert_int_equal(frame("\x03\x03", 2, false), FRAME_NONE);
	assert_int_equal(frame("\x03\xFE\x55", 3, false), FRAME_NONE);
	assert_int_equal(frame("\x03\xFE\x66", 3, false), FRAME_NONE);
	assert_int_equal(frame("\x03\xFE\x45\x01", 4, false), FRAME_NONE);
	/* 8192 bytes of record: the header's checksum is right, its length is not believed */
	assert_int_equal(frame("\x03\xFE\x45\0\4\0\0\0\0\x20\x9C\0", 12, false), FRAME_NONE);
	assert_int_equal(frame("\x03\xFF\x45\0\4\0\0\0\x50\0\xED\0", 12, false), FRAME_NONE);
}

static void a_frame_that_lost_its_end_does_not_take_the_next_one_along(void **state)
{
	(void)state;
	uint8_t bytes[2 * sizeof(record)];
	for (size_t lost = 1; lost <= sizeof(record) - 12; lost++) {
		size_t kept = sizeof(record) - lost;
		memcpy(bytes, record, kept);
		memcpy(bytes + kept, record, sizeof(record));
		assert_int_equal(frame(bytes, kept + sizeof(record), false), kept);
	}
	/* the beginning of the next one may still be on its way */
	memcpy(bytes, record, 20);
	memcpy(bytes + 20, record, 8);
	assert_int_equal(frame(bytes, 28, false), FRAME_MORE);
	assert_int_equal(frame(bytes, 28, true), 28);
}

/* ---- questions ---- */

static void expect_request(const void *bytes, size_t length)
{
	struct request request = { 0 };
	line->instrument.driver->ask(&line->instrument, &request);
	assert_int_equal(request.kind, REQUEST_BYTES);
	assert_int_equal(request.length, length);
	assert_memory_equal(request.bytes, bytes, length);
	paper_answer(&analyzer, &request);
	paper_replies(line, analyzer.answer, analyzer.length, 100);
}

static void the_questions_are_the_published_ones(void **state)
{
	(void)state;
	static const uint8_t identify[] = { 0x03, 0xFF, 0x20, 0, 0, 0, 0, 0, 8, 0, 0xD4, 0x18, 'D', 'E', 'V', 'I', 'C',
		'E', '?', '?' };
	static const uint8_t days[] = { 0x03, 0xFF, 0x43, 0, 0, 0, 0, 0, 8, 0, 0xB7, 0x02, 0, 0, 0x64, 0x34, 0xFF, 0xFF,
		0x66, 0x34 };
	static const uint8_t one[] = { 0x03, 0xFF, 0x45, 0, 4, 0, 0, 0, 0, 0, 0xBD, 0 };
	analyzer.next = 4;
	paper_test(&analyzer, today, 4);
	expect_request(identify, sizeof(identify));
	expect_request("\x03\xFF\x42\0\0\0\0\0\0\0\xBE\0", 12);
	expect_request("\x03\xFF\x43\0\0\0\0\0\x8\0\xB7\0\0\0\0\0\xFF\xFF\xFF\xFF", 20);
	paper_poll(line, &analyzer); /* the first contact: seven days */
	assert_int_equal(analyzer.last_start, 0x345A0000 /* 2026-02-26 */);
	expect_request(days, sizeof(days)); /* yesterday to tomorrow */
	analyzer.next = 4;
	analyzer.count = 0;
	paper_line_free(line);
	line = paper_line_new();
	analyzer.next = 4;
	paper_test(&analyzer, today, 4);
	for (int turn = 0; turn < 4; turn++)
		paper_turn(line, &analyzer);
	expect_request(one, sizeof(one));
	assert_int_equal(line->stored_count, 4);
	assert_string_equal(line->instrument.maker.maker, "Maker");
	assert_string_equal(line->instrument.maker.model, "M-1");
	assert_string_equal(line->instrument.maker.serial, "SN1");
}

static void each_family_has_its_own_commands_and_1980_its_own_years(void **state)
{
	(void)state;
	paper_set(line, "family", "7x");
	paper_set(line, "year-base", "1980");
	paper_test(&analyzer, paper_time(2046, 3, 5, 9), 2);
	analyzer.item = "\xC2\xC8\xC3\xB9\xCB\xD8";
	paper_polls(line, &analyzer, 1);
	assert_int_equal(line->stored_count, 2);
	assert_string_equal(line->last.tested_at, "2026-03-05T09:00:00");
	assert_string_equal(line->last.item, "氯霉素");
	paper_line_free(line);
	line = paper_line_new();
	paper_set(line, "family", "6x");
	analyzer.count = 0;
	struct paper_record *strip = paper_test(&analyzer, today, 1);
	strip->length = 9;
	strip->data[8] = 0x42;
	paper_polls(line, &analyzer, 1);
	assert_int_equal(line->stored_count, 1);
	assert_int_equal(line->last.verdict, VERDICT_NEGATIVE);
	strip->length = 8;
	strip->data[0] = 2;
	line->instrument.now.hour++;
	paper_polls(line, &analyzer, 1);
	assert_int_equal(line->notice_count, 1); /* too short for a strip */
	assert_int_equal(line->notices[0].kind, NOTICE_UNDECODABLE);
}

/* ---- the dialogue ---- */

static void each_record_is_read_once_and_nothing_when_nothing_is_new(void **state)
{
	(void)state;
	paper_poll(line, &analyzer);
	for (unsigned i = 1; i <= 20; i++) {
		paper_test(&analyzer, today, 3);
		paper_polls(line, &analyzer, 2);
		assert_int_equal(line->stored_count, 3 * i);
		assert_int_equal(analyzer.asked_records, i);
	}
	assert_int_equal(line->known_count, 0);
	assert_int_equal(analyzer.asked_table, 1);
	assert_int_equal(analyzer.asked_identify, 1);
	assert_int_equal(line->silences, 0);
}

static void equal_results_stay_two_and_keep_their_ids(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++) {
		struct paper_record *same = paper_test(&analyzer, today, 4);
		same->data[8 + 8] = same->data[8 + 16] = 2; /* channel 2 twice, alike */
	}
	paper_poll(line, &analyzer);
	assert_int_equal(line->stored_count, 20);
	for (int i = 0; i < 3; i++) {
		line->instrument.now.hour++; /* a reconciliation */
		paper_poll(line, &analyzer);
	}
	paper_connect(line);
	paper_poll(line, &analyzer);
	assert_int_equal(line->stored_count, 20);
	assert_int_equal(line->notice_count, 0);
}

static void silence_at_any_moment_costs_no_result(void **state)
{
	(void)state;
	for (int moment = 0; moment < 14; moment++) {
		finish(NULL);
		start(NULL);
		for (int i = 0; i < 8; i++)
			paper_test(&analyzer, today, 2);
		for (int turn = 0; turn < 40; turn++) {
			analyzer.dead = turn >= moment && turn < moment + 1 + moment % 3;
			paper_turn(line, &analyzer);
		}
		assert_int_equal(line->stored_count, 16);
		assert_int_equal(line->notice_count, 0);
	}
}

static void wrong_checksums_cost_no_result(void **state)
{
	(void)state;
	for (unsigned spoil = 3; spoil < 20; spoil++) {
		finish(NULL);
		start(NULL);
		for (int i = 0; i < 40; i++)
			paper_test(&analyzer, today, 2);
		analyzer.spoil = spoil;
		for (int i = 0; i < 40; i++) {
			line->instrument.now.minute = (line->instrument.now.minute + 11) % 60;
			paper_poll(line, &analyzer);
		}
		assert_int_equal(line->stored_count, 80);
	}
}

static void a_record_that_stays_damaged_is_told_once_with_its_bytes(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++)
		paper_test(&analyzer, today, 2);
	analyzer.spoil_index = 2;
	paper_poll(line, &analyzer);
	assert_int_equal(line->stored_count, 4);
	assert_int_equal(line->notice_count, 1);
	assert_int_equal(line->notices[0].kind, NOTICE_UNDECODABLE);
	assert_int_equal(line->notices[0].first, 2);
	assert_int_equal(line->notices[0].raw_length, 12 + 24);
	line->instrument.now.hour++;
	paper_poll(line, &analyzer);
	assert_int_equal(line->notice_count, 1);
	analyzer.spoil_index = 0;
	line->instrument.now.hour++;
	paper_poll(line, &analyzer);
	assert_int_equal(line->stored_count, 6);
}

static void a_record_that_is_never_answered_does_not_stop_the_others(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++)
		paper_test(&analyzer, today, 2);
	analyzer.mute_index = 2;
	paper_polls(line, &analyzer, 10);
	assert_int_equal(line->stored_count, 8);
	assert_int_equal(line->notice_count, 1);
	assert_int_equal(line->notices[0].kind, NOTICE_MISSED_RESULTS);
	assert_int_equal(line->notices[0].first, 2);
	analyzer.mute_index = 5;
	paper_test(&analyzer, today, 2);
	line->instrument.now.hour++;
	paper_polls(line, &analyzer, 10);
	assert_int_equal(line->stored_count, 12);
}

static void a_memory_that_answers_no_record_is_left_for_later(void **state)
{
	(void)state;
	for (int i = 0; i < 9; i++)
		paper_test(&analyzer, today, 1);
	size_t count = analyzer.count;
	for (int turn = 0; turn < 200 && line->notice_count < 3; turn++) {
		struct request request = { 0 };
		line->instrument.driver->ask(&line->instrument, &request);
		analyzer.mute_index = request.bytes[2] == 0x45 ? request.bytes[4] : 0;
		paper_answer(&analyzer, &request);
		paper_replies(line, analyzer.answer, analyzer.length, 50);
	}
	assert_int_equal(line->notice_count, 3);
	assert_int_equal(line->notices[2].first, 3);
	assert_int_equal(line->notices[2].last, count);
	assert_int_equal(line->stored_count, 0);
	analyzer.mute_index = 0;
	line->instrument.now.hour++;
	paper_polls(line, &analyzer, 3);
	assert_int_equal(line->stored_count, count);
}

static void a_cleared_memory_is_told_and_read_from_its_beginning(void **state)
{
	(void)state;
	for (int i = 0; i < 6; i++)
		paper_test(&analyzer, today, 2);
	paper_polls(line, &analyzer, 2);
	analyzer.count = 0;
	analyzer.next = 1;
	paper_poll(line, &analyzer); /* empty */
	for (unsigned i = 0; i < 3; i++)
		paper_test(&analyzer, today + 0x800, 2);
	paper_poll(line, &analyzer);
	assert_int_equal(line->stored_count, 18);
	assert_int_equal(line->notice_count, 1);
	assert_int_equal(line->notices[0].kind, NOTICE_COUNTER_RESTARTED);
	assert_int_equal(line->notices[0].first, 6);
	assert_int_equal(line->notices[0].last, 3);
	/* cleared and filled beyond where it was, unseen: the next sweep finds them */
	analyzer.count = 0;
	analyzer.next = 1;
	for (unsigned i = 0; i < 5; i++)
		paper_test(&analyzer, today + 0x1000, 2);
	paper_poll(line, &analyzer);
	line->instrument.now.hour++;
	paper_poll(line, &analyzer);
	assert_int_equal(line->stored_count, 28);
}

static void a_restart_while_nobody_was_there_is_seen_from_the_cursor(void **state)
{
	(void)state;
	for (int i = 0; i < 6; i++)
		paper_test(&analyzer, today, 1);
	paper_poll(line, &analyzer);
	assert_string_equal(line->cursor, "day=2026-03-05 4x=6");
	analyzer.count = 0;
	analyzer.next = 1;
	paper_test(&analyzer, paper_time(2011, 1, 2, 3), 1); /* and its clock lost the date */
	paper_test(&analyzer, paper_time(2011, 1, 2, 4), 1);
	paper_connect(line);
	paper_poll(line, &analyzer);
	assert_int_equal(line->stored_count, 8);
	assert_int_equal(line->notice_count, 1);
	assert_int_equal(line->notices[0].kind, NOTICE_COUNTER_RESTARTED);
	assert_string_equal(line->cursor, "day=2026-03-05 4x=2");
}

static void the_index_may_run_over_its_sixteen_bits(void **state)
{
	(void)state;
	analyzer.next = 65534;
	for (int i = 0; i < 2; i++)
		paper_test(&analyzer, today, 1);
	paper_poll(line, &analyzer);
	for (int i = 0; i < 3; i++) {
		analyzer.next = i ? (uint32_t)i : 65536;
		struct paper_record *next = paper_test(&analyzer, today, 1);
		next->index &= 0xFFFF;
	}
	paper_poll(line, &analyzer);
	assert_int_equal(line->stored_count, 5);
	assert_int_equal(line->notice_count, 0);
	line->instrument.now.hour++;
	paper_poll(line, &analyzer);
	assert_int_equal(line->stored_count, 5);
	assert_int_equal(line->notice_count, 0);
	assert_string_equal(line->cursor, "day=2026-03-05 4x=2");
}

static void midnight_and_clocks_that_disagree_lose_nothing(void **state)
{
	(void)state;
	line->instrument.now = (struct date_time){ 2026, 3, 5, 23, 59, 59 };
	paper_test(&analyzer, today, 1);
	paper_poll(line, &analyzer);
	paper_test(&analyzer, paper_time(2026, 3, 5, 23), 1); /* after the last poll of the day */
	line->instrument.now = (struct date_time){ 2026, 3, 6, 0, 0, 0 };
	paper_test(&analyzer, paper_time(2026, 3, 6, 0), 1);
	paper_poll(line, &analyzer);
	assert_int_equal(line->stored_count, 3);
	assert_string_equal(line->cursor, "day=2026-03-06 4x=3");
	paper_test(&analyzer, paper_time(2026, 3, 5, 23), 1); /* its clock is behind */
	paper_poll(line, &analyzer);
	paper_test(&analyzer, paper_time(2026, 3, 7, 1), 1); /* or ahead */
	paper_poll(line, &analyzer);
	assert_int_equal(line->stored_count, 5);
	/* or in another year: found by index */
	paper_test(&analyzer, paper_time(2011, 1, 2, 3), 1);
	line->instrument.now.minute = 11;
	paper_poll(line, &analyzer);
	assert_int_equal(line->stored_count, 6);
	assert_int_equal(line->notice_count, 0);
}

static void an_absence_is_made_up_for(void **state)
{
	(void)state;
	for (int day = 1; day <= 20; day++)
		paper_test(&analyzer, paper_time(2026, 3, day, 9), 1);
	line->instrument.now.day = 20;
	paper_poll(line, &analyzer); /* first contact: seven days and today */
	assert_int_equal(line->stored_count, 8);
	paper_test(&analyzer, paper_time(2026, 3, 21, 9), 1);
	line->instrument.now = (struct date_time){ 2026, 4, 20, 9, 0, 0 };
	paper_test(&analyzer, paper_time(2026, 4, 20, 9), 1);
	paper_connect(line);
	paper_poll(line, &analyzer); /* longer than lookback, but the index tells */
	assert_int_equal(line->stored_count, 10);
	assert_int_equal(line->notice_count, 0);
	/* an analyzer that does not tell its whole memory is asked for days; the others are told */
	line->instrument.now = (struct date_time){ 2026, 5, 20, 9, 0, 0 };
	paper_test(&analyzer, paper_time(2026, 5, 20, 9), 1);
	analyzer.mute_memory = true;
	paper_connect(line);
	paper_polls(line, &analyzer, 8);
	assert_int_equal(line->stored_count, 11);
	assert_int_equal(line->notice_count, 1);
	assert_int_equal(line->notices[0].kind, NOTICE_MISSED_RESULTS);
}

static void a_box_that_does_not_know_the_date_yet_loses_nothing(void **state)
{
	(void)state;
	paper_test(&analyzer, today, 1);
	paper_poll(line, &analyzer);
	paper_connect(line);
	line->instrument.now = (struct date_time){ 2000, 1, 1, 0, 0, 5 };
	paper_poll(line, &analyzer);
	assert_string_equal(line->cursor, "day=2026-03-05 4x=1");
	paper_test(&analyzer, paper_time(2026, 3, 8, 9), 1);
	line->instrument.now = (struct date_time){ 2026, 3, 9, 9, 0, 0 };
	paper_poll(line, &analyzer);
	assert_int_equal(line->stored_count, 2);
	assert_string_equal(line->cursor, "day=2026-03-09 4x=2");
}

/* A new box without a battery: nothing was missed between 1970 and the day it learns the date. */
static void a_box_that_first_met_its_analyzer_in_1970_misses_nothing(void **state)
{
	for (int restart = 0; restart < 2; restart++) {
		if (restart) {
			finish(state);
			start(state);
		}
		analyzer.mute_memory = true; /* then only the days tell what it has */
		line->instrument.now = (struct date_time){ 1970, 1, 2, 0, 0, 5 };
		paper_polls(line, &analyzer, 8);
		line->instrument.now = (struct date_time){ 2026, 3, 5, 9, 50, 0 };
		if (restart)
			paper_connect(line);
		paper_test(&analyzer, today, 1);
		paper_polls(line, &analyzer, 8);
		assert_int_equal(line->stored_count, 1);
		assert_int_equal(line->notice_count, 0);
		assert_string_equal(line->cursor, "day=2026-03-05");
	}
}

static void what_was_overwritten_before_it_was_read_is_told(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++)
		paper_test(&analyzer, today, 1);
	paper_poll(line, &analyzer);
	analyzer.count = 0;
	analyzer.next = 8;
	paper_test(&analyzer, today, 1);
	line->instrument.now.hour++;
	paper_poll(line, &analyzer);
	assert_int_equal(line->stored_count, 5);
	assert_int_equal(line->notice_count, 1);
	assert_int_equal(line->notices[0].kind, NOTICE_MISSED_RESULTS);
	assert_int_equal(line->notices[0].first, 5);
	assert_int_equal(line->notices[0].last, 7);
}

static void a_record_in_the_making_is_read_when_it_is_finished(void **state)
{
	(void)state;
	paper_test(&analyzer, today, 1);
	struct paper_record *making = paper_test(&analyzer, today, 2);
	making->data[0] = 0;
	paper_polls(line, &analyzer, 3);
	assert_int_equal(line->stored_count, 1);
	making->data[0] = 1;
	making->data[9 + 8] = 0; /* one channel is still measuring */
	paper_poll(line, &analyzer);
	assert_int_equal(line->stored_count, 2);
	making->data[9 + 8] = 0x80;
	line->instrument.now.hour++;
	paper_poll(line, &analyzer);
	assert_int_equal(line->stored_count, 3);
	assert_int_equal(line->notice_count, 0);
}

static void a_changed_item_table_changes_names_and_no_ids(void **state)
{
	(void)state;
	paper_test(&analyzer, today, 2);
	paper_poll(line, &analyzer);
	assert_string_equal(line->last.item, "农药残留");
	assert_true(line->last.item_looked_up);
	analyzer.item = "\xC2\xC8\xC3\xB9\xCB\xD8";
	analyzer.unit = "mg/kg";
	line->instrument.now.hour++;
	paper_poll(line, &analyzer);
	assert_string_equal(line->last.item, "氯霉素");
	assert_string_equal(line->last.unit, "mg/kg");
	assert_string_equal(line->last.value, "0.124");
	assert_int_equal(line->stored_count, 2);
}

static void an_analyzer_without_a_table_is_read_all_the_same(void **state)
{
	(void)state;
	analyzer.mute_table = true;
	paper_test(&analyzer, today, 2);
	paper_polls(line, &analyzer, 8);
	assert_int_equal(line->stored_count, 2);
	assert_string_equal(line->last.item, "0");
	paper_set(line, "value", "concentration");
	paper_polls(line, &analyzer, 8);
	assert_string_equal(line->last.value, "0.124");
	assert_string_equal(line->last.unit, "");
}

static void who_it_is_is_known_before_its_results_are_read(void **state)
{
	(void)state;
	analyzer.nameless = true;
	paper_test(&analyzer, today, 2);
	paper_polls(line, &analyzer, 3);
	assert_int_equal(line->stored_count, 0);
	assert_int_equal(line->notice_count, 1);
	assert_non_null(strstr(line->notices[0].reason, "identify"));
	paper_set(line, "identify", "no");
	paper_polls(line, &analyzer, 2);
	assert_int_equal(line->stored_count, 2);
	analyzer.dead = true;
	paper_test(&analyzer, today, 2);
	paper_polls(line, &analyzer, 10);
	analyzer.dead = false;
	paper_polls(line, &analyzer, 2);
	assert_int_equal(line->stored_count, 4);
	assert_int_equal(line->notice_count, 1);
}

/* Without the serial number it would have another id, and the result would be there twice. */
static void what_answers_the_question_of_a_gateway_that_was_killed_waits_for_the_name(void **state)
{
	(void)state;
	paper_test(&analyzer, today, 2);
	struct request none = { .kind = REQUEST_NONE };
	paper_answer(&analyzer, &none);
	paper_frame(&analyzer, 0x45, 1, analyzer.records[0].data, analyzer.records[0].length);
	paper_replies(line, analyzer.answer, analyzer.length, 9);
	assert_int_equal(line->stored_count, 0);
	paper_polls(line, &analyzer, 2);
	assert_int_equal(line->stored_count, 2);
}

static void late_and_strange_answers_disturb_nothing(void **state)
{
	(void)state;
	paper_test(&analyzer, today, 2);
	paper_poll(line, &analyzer);
	unsigned asked = analyzer.asked_records;
	/* a record nobody asked for is a result all the same; a range or a table behind the time is not believed */
	struct request none = { .kind = REQUEST_NONE };
	paper_answer(&analyzer, &none);
	paper_frame(&analyzer, 0x43, 0, "\0\0\0\0\0\0\0\0\x09\0\x09\0", 12);
	paper_frame(&analyzer, 0x42, 0, "short", 5);
	paper_frame(&analyzer, 0x46, 0, NULL, 0);
	paper_frame(&analyzer, 0x63, 0, "\0\0\0\0\0\0\0\0\x09\0\x09\0", 12);
	paper_frame(&analyzer, 0x45, 9, analyzer.records[0].data, analyzer.records[0].length);
	paper_replies(line, analyzer.answer, analyzer.length, 9);
	assert_int_equal(line->stored_count, 4);
	paper_polls(line, &analyzer, 2);
	assert_int_equal(analyzer.asked_records, asked);
	assert_int_equal(line->notice_count, 0);
	/* answers of the right kind that make no sense: asked again */
	for (int i = 0; i < 3; i++) {
		struct request request = { 0 };
		line->instrument.now.hour = 12;
		line->instrument.driver->ask(&line->instrument, &request);
		analyzer.length = 0;
		paper_frame(&analyzer, request.bytes[2], 0, "short", 5);
		paper_replies(line, analyzer.answer, analyzer.length, 9);
	}
	paper_test(&analyzer, today, 2);
	paper_polls(line, &analyzer, 3);
	assert_int_equal(line->stored_count, 6);
	assert_true(line->rejected > 0);
	assert_int_equal(paper_take(line, &(struct reply){ .kind = REPLY_DONE }), NEXT_WAIT);
}

static struct paper_record *test_of(uint8_t family, uint32_t index)
{
	analyzer.next = index;
	struct paper_record *made = paper_test(&analyzer, today, 2);
	made->family = family;
	if (family == 0x60) {
		made->length = 9;
		made->data[8] = 0x41;
	}
	return made;
}

static void modules_of_one_instrument_are_read_side_by_side(void **state)
{
	(void)state;
	paper_set(line, "family", "4x+6x+7x");
	test_of(0x40, 7);
	test_of(0x60, 3);
	test_of(0x70, 7); /* alike to the last bit, and another result */
	paper_poll(line, &analyzer);
	assert_int_equal(line->stored_count, 5);
	assert_string_equal(line->cursor, "day=2026-03-05 4x=7 6x=3 7x=7");
	test_of(0x60, 4);
	test_of(0x70, 8);
	paper_polls(line, &analyzer, 2);
	assert_int_equal(line->stored_count, 8);
	assert_int_equal(analyzer.asked_records, 5);
	/* one falls silent: the others go on, and the cursor waits for it */
	analyzer.mute_family = 0x60;
	line->instrument.now.day++;
	for (uint32_t i = 8; i < 12; i++)
		test_of(0x40, i);
	test_of(0x60, 5);
	paper_polls(line, &analyzer, 30);
	assert_int_equal(line->stored_count, 16);
	assert_string_equal(line->cursor, "day=2026-03-05 4x=7 6x=3 7x=7");
	analyzer.mute_family = 0;
	paper_polls(line, &analyzer, 8);
	assert_int_equal(line->stored_count, 17);
	assert_string_equal(line->cursor, "day=2026-03-06 4x=11 6x=5 7x=8");
	assert_int_equal(line->notice_count, 0);
	paper_connect(line);
	paper_poll(line, &analyzer);
	assert_int_equal(line->stored_count, 17);
}

static void another_instrument_on_the_line_is_read_from_its_beginning(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++)
		paper_test(&analyzer, today, 1);
	paper_polls(line, &analyzer, 2);
	analyzer.dead = true;
	paper_polls(line, &analyzer, 2);
	analyzer.dead = false;
	analyzer.serial = "SN2";
	analyzer.count = 0;
	analyzer.next = 1;
	for (int i = 0; i < 7; i++)
		paper_test(&analyzer, today + 0x800, 1);
	paper_poll(line, &analyzer);
	assert_int_equal(line->stored_count, 12);
	assert_int_equal(line->notice_count, 0);
	assert_string_equal(line->instrument.maker.serial, "SN2");
}

/* ---- clearing ---- */

static void what_clearing_does_to_other_modules_is_not_tried_out(void **state)
{
	(void)state;
	struct fault fault = { "" };
	paper_set(line, "clear", "yes");
	paper_set(line, "family", "4x+6x");
	assert_int_equal(line->instrument.driver->setup(&line->instrument, &fault), -EINVAL);
	assert_non_null(strstr(fault.text, "family = 4x"));
}

static void nothing_is_ever_cleared_unless_a_setting_says_so(void **state)
{
	(void)state;
	for (int day = 5; day < 12; day++) {
		line->instrument.now.day = day;
		paper_test(&analyzer, paper_time(2026, 3, day, 9), 2);
		paper_polls(line, &analyzer, 3);
	}
	assert_int_equal(analyzer.asked_clear, 0);
	assert_int_equal(line->stored_count, 14);
}

static void half_an_hour_later(void)
{
	struct date_time *now = &line->instrument.now;
	now->minute += 30;
	now->hour += now->minute / 60;
	now->minute %= 60;
	paper_poll(line, &analyzer);
}

static void the_memory_is_cleared_after_everything_was_stored_and_stood_still(void **state)
{
	(void)state;
	paper_set(line, "clear", "yes");
	for (int day = 1; day < 5; day++)
		paper_test(&analyzer, paper_time(2026, 1, day, 9), 2);
	paper_poll(line, &analyzer);
	assert_int_equal(line->stored_count, 8); /* also what is older than lookback */
	half_an_hour_later();
	assert_int_equal(analyzer.asked_clear, 0);
	half_an_hour_later();
	assert_int_equal(analyzer.asked_clear, 1);
	paper_test(&analyzer, today, 2);
	paper_polls(line, &analyzer, 2);
	for (int i = 0; i < 6; i++)
		half_an_hour_later();
	assert_int_equal(line->stored_count, 10);
	assert_int_equal(line->notice_count, 0); /* a restart of our own is none */
	assert_int_equal(analyzer.asked_clear, 1);
	line->instrument.now.day++;
	analyzer.mute_index = 1;
	for (int i = 0; i < 6; i++) {
		half_an_hour_later();
		paper_polls(line, &analyzer, 8);
	}
	assert_int_equal(analyzer.asked_clear, 1); /* not with a record unread */
	analyzer.mute_index = 0;
	for (int i = 0; i < 3; i++)
		half_an_hour_later();
	assert_int_equal(analyzer.asked_clear, 2);
	/* an empty memory is left alone */
	line->instrument.now.day++;
	for (int i = 0; i < 6; i++)
		half_an_hour_later();
	assert_int_equal(analyzer.asked_clear, 2);
}

/* Nothing says that a channel is being measured: its entry is there, and not valid yet, as one of an empty place. */
static void a_channel_that_is_being_measured_keeps_the_memory(void **state)
{
	(void)state;
	paper_set(line, "clear", "yes");
	struct paper_record *plate = paper_test(&analyzer, today, 4);
	for (int channel = 1; channel < 4; channel++)
		plate->data[9 + 8 * channel] = 0;
	paper_poll(line, &analyzer);
	assert_int_equal(line->stored_count, 1);
	for (int channel = 1; channel < 3; channel++) {
		half_an_hour_later();
		plate->data[9 + 8 * channel] = 0x80; /* finished behind the second reading of three, each time */
		half_an_hour_later();
		assert_int_equal(analyzer.asked_clear, 0);
		assert_int_equal(line->stored_count, 1 + channel);
	}
	half_an_hour_later();
	assert_int_equal(analyzer.asked_clear, 0);
	half_an_hour_later();
	assert_int_equal(analyzer.asked_clear, 1); /* the last one is an empty place */
	assert_int_equal(line->stored_count, 3);
}

static void readings_in_quick_succession_and_a_clock_that_is_set_clear_nothing(void **state)
{
	(void)state;
	paper_set(line, "clear", "yes");
	paper_set(line, "reconcile", "1s");
	paper_test(&analyzer, today, 2);
	for (int i = 0; i < 59; i++) {
		line->instrument.now.second = i;
		paper_poll(line, &analyzer);
	}
	/* from here to 1970 and back */
	line->instrument.now.year = 1970;
	paper_poll(line, &analyzer);
	line->instrument.now.year = 2026;
	line->instrument.now.minute = 51;
	paper_poll(line, &analyzer);
	half_an_hour_later();
	assert_int_equal(analyzer.asked_clear, 0);
	half_an_hour_later();
	assert_int_equal(analyzer.asked_clear, 1);
	/* nor does a restart remember how long it stood still */
	paper_test(&analyzer, today, 2);
	paper_connect(line);
	paper_poll(line, &analyzer);
	half_an_hour_later();
	paper_connect(line);
	paper_poll(line, &analyzer);
	half_an_hour_later();
	assert_int_equal(analyzer.asked_clear, 1);
}

static void a_result_that_comes_before_the_clearing_prevents_it(void **state)
{
	(void)state;
	paper_set(line, "clear", "yes");
	paper_test(&analyzer, today, 2);
	paper_poll(line, &analyzer);
	half_an_hour_later();
	line->instrument.now.hour++;
	unsigned asked = analyzer.asked_records;
	while (analyzer.asked_records == asked)
		paper_turn(line, &analyzer);
	paper_test(&analyzer, today, 2); /* between the last record and the question whether there is more */
	paper_polls(line, &analyzer, 3);
	assert_int_equal(analyzer.asked_clear, 0);
	assert_int_equal(line->stored_count, 4);
	/* and one that is not answered is not repeated: the next range tells */
	struct request request = { 0 };
	for (int turns = 0; turns < 2000 && request.bytes[2] != 0x46; turns++) {
		line->instrument.now.minute = turns / 100 % 60;
		line->instrument.now.hour = 12 + turns / 100 / 60;
		line->instrument.driver->ask(&line->instrument, &request);
		paper_answer(&analyzer, &request);
		paper_replies(line, analyzer.answer, request.bytes[2] == 0x46 ? 0 : analyzer.length, 50);
	}
	paper_test(&analyzer, paper_time(2026, 3, 5, 13), 2);
	for (int i = 0; i < 4; i++)
		half_an_hour_later();
	assert_int_equal(analyzer.asked_clear, 1);
	assert_int_equal(line->stored_count, 6);
}

/* ---- records ---- */

static void other_layouts_can_be_set(void **state)
{
	(void)state;
	struct paper_record *odd = paper_test(&analyzer, today, 1);
	odd->length = 9;
	paper_poll(line, &analyzer);
	assert_int_equal(line->notices[0].kind, NOTICE_UNDECODABLE);
	paper_set(line, "records", "gold");
	paper_polls(line, &analyzer, 2);
	assert_int_equal(line->stored_count, 1);
	paper_set(line, "records", "text");
	paper_polls(line, &analyzer, 2);
	assert_int_equal(line->notice_count, 2);
	odd->length = 0;
	paper_set(line, "first-item", "1");
	paper_test(&analyzer, today, 1)->data[1] = 1;
	paper_set(line, "records", "numeric");
	paper_polls(line, &analyzer, 2);
	assert_string_equal(line->last.item, "农药残留");
	analyzer.records[1].length = 8 + 8 * 65; /* more channels than anything has */
	paper_set(line, "value", "inhibition");
	paper_polls(line, &analyzer, 2);
	assert_int_equal(line->notices[line->notice_count - 1].kind, NOTICE_UNDECODABLE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_truncation_wants_more_and_every_flipped_bit_is_found),
		TEST(what_no_command_has_is_refused_at_once),
		TEST(a_frame_that_lost_its_end_does_not_take_the_next_one_along),
		TEST(the_questions_are_the_published_ones),
		TEST(each_family_has_its_own_commands_and_1980_its_own_years),
		TEST(each_record_is_read_once_and_nothing_when_nothing_is_new),
		TEST(equal_results_stay_two_and_keep_their_ids),
		TEST(silence_at_any_moment_costs_no_result),
		TEST(wrong_checksums_cost_no_result),
		TEST(a_record_that_stays_damaged_is_told_once_with_its_bytes),
		TEST(a_record_that_is_never_answered_does_not_stop_the_others),
		TEST(a_memory_that_answers_no_record_is_left_for_later),
		TEST(a_cleared_memory_is_told_and_read_from_its_beginning),
		TEST(a_restart_while_nobody_was_there_is_seen_from_the_cursor),
		TEST(the_index_may_run_over_its_sixteen_bits),
		TEST(midnight_and_clocks_that_disagree_lose_nothing),
		TEST(an_absence_is_made_up_for),
		TEST(a_box_that_does_not_know_the_date_yet_loses_nothing),
		TEST(a_box_that_first_met_its_analyzer_in_1970_misses_nothing),
		TEST(what_was_overwritten_before_it_was_read_is_told),
		TEST(a_record_in_the_making_is_read_when_it_is_finished),
		TEST(a_changed_item_table_changes_names_and_no_ids),
		TEST(an_analyzer_without_a_table_is_read_all_the_same),
		TEST(who_it_is_is_known_before_its_results_are_read),
		TEST(what_answers_the_question_of_a_gateway_that_was_killed_waits_for_the_name),
		TEST(late_and_strange_answers_disturb_nothing),
		TEST(modules_of_one_instrument_are_read_side_by_side),
		TEST(another_instrument_on_the_line_is_read_from_its_beginning),
		TEST(what_clearing_does_to_other_modules_is_not_tried_out),
		TEST(nothing_is_ever_cleared_unless_a_setting_says_so),
		TEST(the_memory_is_cleared_after_everything_was_stored_and_stood_still),
		TEST(a_channel_that_is_being_measured_keeps_the_memory),
		TEST(readings_in_quick_succession_and_a_clock_that_is_set_clear_nothing),
		TEST(a_result_that_comes_before_the_clearing_prevents_it),
		TEST(other_layouts_can_be_set),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
