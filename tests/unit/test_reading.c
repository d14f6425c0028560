#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <string.h>

#include "../../drivers/calendar.h"
#include "../../drivers/driver.h"
#include "../../drivers/reading.h"

static void names_are_those_of_the_record(void **state)
{
	(void)state;
	assert_string_equal(kind_name(KIND_SAMPLE), "sample");
	assert_string_equal(kind_name(KIND_BLANK), "blank");
	assert_string_equal(kind_name(KIND_CONTROL), "control");
	assert_string_equal(kind_name(KIND_QC), "qc");
	assert_string_equal(kind_name(KIND_CALIBRATION), "calibration");
	assert_string_equal(kind_name((enum kind)99), "");
	assert_string_equal(verdict_name(VERDICT_NONE), "none");
	assert_string_equal(verdict_name(VERDICT_NEGATIVE), "negative");
	assert_string_equal(verdict_name(VERDICT_POSITIVE), "positive");
	assert_string_equal(verdict_name(VERDICT_SUSPECT), "suspect");
	assert_string_equal(verdict_name(VERDICT_INVALID), "invalid");
	assert_string_equal(verdict_name((enum verdict)99), "");
	assert_string_equal(reading_mark_name(READING_TEXT_CUT), "text_cut");
	assert_string_equal(reading_mark_name(READING_TEXT_BAD), "text_bad");
	assert_string_equal(reading_mark_name(READING_OUT_OF_RANGE), "out_of_range");
	assert_string_equal(reading_mark_name(READING_CALIBRATION_DUE), "calibration_due");
	assert_string_equal(reading_mark_name(READING_OVERRUN), "overrun");
	assert_string_equal(reading_mark_name(READING_RETEST), "retest_said");
	assert_string_equal(reading_mark_name((enum reading_mark)0), "");
	assert_string_equal(notice_name(NOTICE_MISSED_RESULTS), "missed_results");
	assert_string_equal(notice_name(NOTICE_UNDECODABLE), "undecodable");
	assert_string_equal(notice_name(NOTICE_COUNTER_RESTARTED), "counter_restarted");
	assert_string_equal(notice_name(NOTICE_OVERRUN), "overrun");
	assert_string_equal(notice_name(NOTICE_INSTRUMENT_FAULT), "instrument_fault");
	assert_string_equal(notice_name((enum notice_kind)99), "");
}

static void a_new_reading_says_nothing(void **state)
{
	(void)state;
	static struct reading list[READINGS_AT_ONCE];
	memset(list, 0xA5, sizeof(list));
	struct readings readings = { .list = list };
	for (size_t i = 0; i < READINGS_AT_ONCE; i++) {
		struct reading *reading = readings_add(&readings);
		assert_ptr_equal(reading, &list[i]);
		assert_int_equal(reading->channel, -1);
		assert_int_equal(reading->kind, KIND_SAMPLE);
		assert_int_equal(reading->verdict, VERDICT_NONE);
		assert_string_equal(reading->value, "");
		assert_null(reading->raw);
	}
	assert_null(readings_add(&readings));
	assert_int_equal(readings.count, READINGS_AT_ONCE);
}

static void notices_are_limited(void **state)
{
	(void)state;
	struct readings readings = { 0 };
	for (size_t i = 0; i < NOTICES_MAX; i++)
		assert_int_equal(readings_notice(&readings, NOTICE_OVERRUN)->kind, NOTICE_OVERRUN);
	assert_null(readings_notice(&readings, NOTICE_OVERRUN));
}

static void words_and_signals_are_kept_in_order_and_cut_at_characters(void **state)
{
	(void)state;
	struct reading reading = { 0 };
	reading_signal(&reading, "abs", "0.570");
	reading_said(&reading, "standard_code", "00");
	assert_string_equal(reading.signals[0].name, "abs");
	assert_string_equal(reading.signals[0].value, "0.570");
	assert_string_equal(reading.said[0].value, "00");
	char long_text[100] = "x";
	for (size_t i = 1; i + 3 < sizeof(long_text); i += 3)
		memcpy(long_text + i, "菜", 4);
	for (int i = 0; i < 20; i++)
		reading_said(&reading, "word", long_text);
	assert_int_equal(reading.said_count, READING_NAMED_MAX);
	assert_int_equal(strlen(reading.said[1].value), 61); /* x and twenty whole characters */
	assert_int_equal(reading.signal_count, 1);
}

static void impossible_times_are_not_repaired(void **state)
{
	(void)state;
	char text[CALENDAR_TEXT_MAX];
	assert_true(calendar_text(&(struct date_time){ 2026, 3, 5, 9, 41, 20 }, text));
	assert_string_equal(text, "2026-03-05T09:41:20");
	assert_true(calendar_text(&(struct date_time){ 2024, 2, 29, 23, 59, 59 }, text));
	static const struct date_time impossible[] = {
		{ 2026, 2, 29, 0, 0, 0 },
		{ 2100, 2, 29, 0, 0, 0 },
		{ 2026, 4, 31, 0, 0, 0 },
		{ 2026, 0, 1, 0, 0, 0 },
		{ 2026, 13, 1, 0, 0, 0 },
		{ 2026, 1, 0, 0, 0, 0 },
		{ 2026, 1, 1, 24, 0, 0 },
		{ 2026, 1, 1, 0, 60, 0 },
		{ 2026, 1, 1, 0, 0, 60 },
		{ 0, 1, 1, 0, 0, 0 },
		{ 10000, 1, 1, 0, 0, 0 },
		{ 2026, 1, 1, -1, 0, 0 },
	};
	for (size_t i = 0; i < sizeof(impossible) / sizeof(impossible[0]); i++) {
		assert_false(calendar_text(&impossible[i], text));
		assert_string_equal(text, "");
	}
}

static void days_count_without_a_gap(void **state)
{
	(void)state;
	struct date_time day = { .year = 1999, .month = 12, .day = 31 };
	long number = calendar_day(&day);
	for (int i = 0; i < 366 * 130; i++) {
		struct date_time next = calendar_of_day(number + 1);
		assert_true(calendar_valid(&next));
		assert_int_equal(calendar_day(&next), number + 1);
		assert_true(
			next.year * 10000 + next.month * 100 + next.day > day.year * 10000 + day.month * 100 + day.day);
		day = next;
		number++;
	}
	struct date_time epoch = { .year = 1970, .month = 1, .day = 1 };
	struct date_time known = { .year = 2026, .month = 3, .day = 5 };
	assert_int_equal(calendar_day(&known) - calendar_day(&epoch), 20517);
	assert_true(calendar_known(calendar_day(&known)));
	assert_true(calendar_known(calendar_day(&(struct date_time){ .year = 2015, .month = 1, .day = 1 })));
	assert_false(calendar_known(calendar_day(&(struct date_time){ .year = 2014, .month = 12, .day = 31 })));
	assert_false(calendar_known(calendar_day(&epoch)));
}

static void drivers_are_found_by_name(void **state)
{
	(void)state;
	for (size_t i = 0; drivers[i]; i++) {
		assert_ptr_equal(driver_by_name(drivers[i]->name), drivers[i]);
		assert_non_null(drivers[i]->setup);
		assert_non_null(drivers[i]->ask);
		assert_non_null(drivers[i]->take);
		assert_true(drivers[i]->version >= 1);
	}
	assert_null(driver_by_name("no-such-driver"));
	assert_null(driver_by_name(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_those_of_the_record),
		cmocka_unit_test(a_new_reading_says_nothing),
		cmocka_unit_test(notices_are_limited),
		cmocka_unit_test(words_and_signals_are_kept_in_order_and_cut_at_characters),
		cmocka_unit_test(impossible_times_are_not_repaired),
		cmocka_unit_test(days_count_without_a_gap),
		cmocka_unit_test(drivers_are_found_by_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
