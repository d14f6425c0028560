/* Times as instruments write them: two digits for the year or none, zones, midnight, leap days and seconds, the turn of
 * the year; and what the record makes of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../daemon/ident.h"
#include "../../daemon/judge.h"
#include "../../daemon/record_read.h"
#include "../../drivers/calendar.h"
#include "../../drivers/delimited.h"
#include "../../drivers/text_driver.h"

static void zone(const char *name)
{
	setenv("TZ", name, 1);
	tzset();
}

/* ---- digits in a row, as ASTM and HL7 have them ---- */

static void digits_are_a_time_with_its_zone_or_none(void **state)
{
	(void)state;
	static const struct {
		const char *promise, *sent, *time, *zone;
	} cases[] = {
		{ "no zone is the station's", "20260305094120", "2026-03-05T09:41:20", "" },
		{ "a zone is kept", "20260305094120+0800", "2026-03-05T09:41:20", "+08:00" },
		{ "behind a fraction too", "20260305014120.118+0000", "2026-03-05T01:41:20", "+00:00" },
		{ "west of Greenwich", "20260304224120-0300", "2026-03-04T22:41:20", "-03:00" },
		{ "half an hour", "20260305071120+0530", "2026-03-05T07:11:20", "+05:30" },
		{ "Z is UTC", "20260305014120Z", "2026-03-05T01:41:20", "+00:00" },
		{ "no zone of this world", "20260305094120+2500", "2026-03-05T09:41:20", "" },
		{ "half a zone", "20260305094120+08", "2026-03-05T09:41:20", "" },
		{ "minutes only", "202603050941", "2026-03-05T09:41:00", "" },
		{ "29 February of a leap year", "20280229235959", "2028-02-29T23:59:59", "" },
		{ "29 February of another", "20260229120000", NULL, NULL },
		{ "2100 is none", "21000229120000", NULL, NULL },
		{ "midnight is the day that begins", "20260306000000", "2026-03-06T00:00:00", "" },
		{ "24 o'clock is no time", "20260305240000", NULL, NULL },
		{ "a leap second is no time that can be told", "20161231235960", NULL, NULL },
		{ "month 13", "20261305094120", NULL, NULL },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct field field = { (const uint8_t *)cases[i].sent, strlen(cases[i].sent) };
		struct date_time time;
		char text[CALENDAR_TEXT_MAX] = "", said[8] = "";
		bool valid = delimited_time(field, 10, &time) && calendar_text(&time, text);
		if (valid)
			delimited_zone(field, said);
		if (valid != (cases[i].time != NULL) ||
			(valid && (strcmp(text, cases[i].time) != 0 || strcmp(said, cases[i].zone) != 0)))
			fail_msg("%s: '%s' '%s'", cases[i].promise, text, said);
	}
}

/* ---- patterns ---- */

static void two_digits_are_years_of_this_century(void **state)
{
	(void)state;
	static const struct {
		const char *promise, *pattern, *sent, *time;
	} cases[] = {
		{ "26 is 2026", "yy-MM-dd HH:mm:ss", "26-03-05 09:41:20", "2026-03-05T09:41:20" },
		{ "00 is 2000", "yy-MM-dd HH:mm:ss", "00-02-29 23:59:59", "2000-02-29T23:59:59" },
		{ "99 is 2099, which the judge does not believe", "yy-MM-dd HH:mm", "99-12-31 23:59",
			"2099-12-31T23:59:00" },
		{ "one letter takes one or two digits", "yy/M/d H:mm", "26/12/5 9:41", "2026-12-05T09:41:00" },
		{ "four digits are not cut", "yyyy-MM-dd HH:mm", "0026-03-05 09:41", "0026-03-05T09:41:00" },
		{ "a leap second", "yyyy-MM-dd HH:mm:ss", "2016-12-31 23:59:60", "" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct date_time time;
		char text[CALENDAR_TEXT_MAX];
		assert_true(text_time_pattern(cases[i].pattern));
		if (!text_time_read(cases[i].pattern, cases[i].sent, &time))
			fail_msg("%s", cases[i].promise);
		calendar_text(&time, text);
		assert_string_equal(text, cases[i].time);
	}
	assert_true(text_time_pattern("MM-dd HH:mm"));
	assert_false(text_time_pattern("yyyy-MM HH:mm"));
	assert_false(text_time_pattern("dd HH:mm"));
}

static void a_missing_year_is_the_one_in_which_it_was_read(void **state)
{
	(void)state;
	static const struct {
		const char *promise;
		struct date_time now;
		int month, day;
		int year; /* 0: not to be told */
	} cases[] = {
		{ "the same day", { 2026, 3, 5, 9, 43, 0 }, 3, 5, 2026 },
		{ "weeks ago", { 2026, 3, 5, 9, 43, 0 }, 1, 5, 2026 },
		{ "31 December read on 1 January is last year's", { 2027, 1, 1, 0, 0, 5 }, 12, 31, 2026 },
		{ "1 January of a clock that is a little fast is next year's", { 2026, 12, 31, 23, 59, 58 }, 1, 1,
			2027 },
		{ "the day after tomorrow was a year ago", { 2026, 3, 5, 9, 43, 0 }, 3, 7, 2025 },
		{ "29 February in a leap year", { 2028, 3, 1, 9, 43, 0 }, 2, 29, 2028 },
		{ "29 February in another year is of the last one there was", { 2026, 3, 5, 9, 43, 0 }, 2, 29, 2024 },
		{ "over a century without a leap year", { 2103, 3, 5, 9, 43, 0 }, 2, 29, 2096 },
		{ "30 February", { 2026, 3, 5, 9, 43, 0 }, 2, 30, 0 },
		{ "a station that stands at 1970 cannot tell", { 1970, 1, 1, 8, 0, 0 }, 1, 1, 0 },
		{ "nobody says when it was read", { 0 }, 3, 5, 0 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct date_time time = { .month = cases[i].month, .day = cases[i].day, .hour = 23, .minute = 58 };
		bool told = calendar_complete(&time, &cases[i].now);
		if (told != (cases[i].year != 0) || time.year != cases[i].year)
			fail_msg("%s: %d", cases[i].promise, time.year);
	}
}

static void a_year_that_nobody_said_takes_no_part_in_the_id(void **state)
{
	(void)state;
	char first[ENTRY_ID_MAX], again[ENTRY_ID_MAX], other[ENTRY_ID_MAX];
	struct reading reading = { .channel = -1, .year_inferred = true, .tested_at = "2026-12-31T23:58:00" };
	ident_of_reading(first, "330421103-01", "", "pr-1", &reading);
	snprintf(reading.tested_at, sizeof(reading.tested_at), "2027-12-31T23:58:00");
	ident_of_reading(again, "330421103-01", "", "pr-1", &reading); /* listed once more, a year later */
	assert_string_equal(first, again);
	snprintf(reading.tested_at, sizeof(reading.tested_at), "2027-12-31T23:59:00");
	ident_of_reading(other, "330421103-01", "", "pr-1", &reading);
	assert_string_not_equal(first, other);
	reading.year_inferred = false;
	ident_of_reading(other, "330421103-01", "", "pr-1", &reading);
	snprintf(reading.tested_at, sizeof(reading.tested_at), "2026-12-31T23:59:00");
	ident_of_reading(again, "330421103-01", "", "pr-1", &reading);
	assert_string_not_equal(again, other);
}

/* ---- moments ---- */

static void local_times_are_moments_or_none(void **state)
{
	(void)state;
	static const struct {
		const char *promise, *station, *text, *zone;
		int64_t seconds;
	} cases[] = {
		{ "of the station", "Asia/Shanghai", "2026-03-05T09:43:00", "", 1772674980 },
		{ "of its own zone", "Asia/Shanghai", "2026-03-05T01:43:00", "+00:00", 1772674980 },
		{ "of another day", "Asia/Shanghai", "2026-03-04T22:43:00", "-03:00", 1772674980 },
		{ "whatever the station's zone", "America/St_Johns", "2026-03-05T09:43:00", "+08:00", 1772674980 },
		{ "29 February", "Asia/Shanghai", "2028-02-29T00:00:00", "", 1835366400 },
		{ "29 February of no leap year", "Asia/Shanghai", "2026-02-29T00:00:00", "", -1 },
		{ "the same with a zone", "Asia/Shanghai", "2026-02-29T00:00:00", "+08:00", -1 },
		{ "31 April", "Asia/Shanghai", "2026-04-31T00:00:00", "+08:00", -1 },
		{ "no zone", "Asia/Shanghai", "2026-03-05T09:43:00", "x", -1 },
		{ "the last second of a year", "Asia/Shanghai", "2026-12-31T23:59:59", "", 1798732799 },
		{ "and the first of the next", "Asia/Shanghai", "2027-01-01T00:00:00", "", 1798732800 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		zone(cases[i].station);
		int64_t seconds = clock_parse(cases[i].text, cases[i].zone);
		if (seconds != cases[i].seconds)
			fail_msg("%s: %lld", cases[i].promise, (long long)seconds);
	}
	zone("Asia/Shanghai");
}

/* ---- the record ---- */

static void lateness_suspicion_and_the_day_go_by_the_moment(void **state)
{
	(void)state;
	static const struct {
		const char *promise, *tested, *zone, *received, *flags, *day;
	} cases[] = {
		{ "over midnight", "2026-03-05T23:59:59", "", "2026-03-06T00:00:03", "", "2026-03-05" },
		{ "over the turn of the year", "2026-12-31T23:59:59", "", "2027-01-01T00:00:03", "", "2026-12-31" },
		{ "24 h over the turn of the year", "2026-12-31T00:00:03", "", "2027-01-01T00:00:03", "",
			"2026-12-31" },
		{ "and a second more", "2026-12-31T00:00:02", "", "2027-01-01T00:00:03", "late", "2026-12-31" },
		{ "28 February to 1 March is a day in this year", "2026-02-28T12:00:00", "", "2026-03-01T12:00:00", "",
			"2026-02-28" },
		{ "and two in a leap year", "2028-02-28T12:00:00", "", "2028-03-01T12:00:00", "late", "2028-02-28" },
		{ "29 February", "2028-02-29T23:59:59", "", "2028-03-01T00:00:03", "", "2028-02-29" },
		{ "29 February of no leap year", "2026-02-29T23:59:59", "", "2026-03-01T00:00:03", "clock_suspect",
			"2026-03-01" },
		{ "a leap second", "2026-03-05T23:59:60", "", "2026-03-06T00:00:03", "clock_suspect", "2026-03-06" },
		{ "a fast clock over midnight", "2026-03-06T00:00:03", "", "2026-03-05T23:59:59", "", "2026-03-06" },
		{ "UTC said is not eight hours late", "2026-03-05T01:41:20", "+00:00", "2026-03-05T09:43:02", "",
			"2026-03-05" },
		{ "and it is the station's day", "2026-03-04T20:00:00", "+00:00", "2026-03-05T04:00:10", "",
			"2026-03-05" },
		{ "a zone makes it late", "2026-03-05T09:41:20", "+08:00", "2026-03-06T09:43:02", "late",
			"2026-03-05" },
		{ "a two-digit 99", "2099-12-31T23:59:00", "", "2026-03-05T09:43:02", "clock_suspect", "2026-03-05" },
		{ "a two-digit year of the last century, as 2011", "2011-01-02T00:00:00", "", "2026-03-05T09:43:02",
			"clock_suspect", "2026-03-05" },
	};
	static struct config config;
	static const struct driver driver = { .name = "text", .version = 1 };
	struct instrument_config instrument = { .id = "x", .driver = &driver };
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct reading reading = { .channel = -1 };
		struct reception reception = { .received_ms = clock_parse(cases[i].received, "") * 1000,
			.clock_synced = true };
		struct judgement judgement;
		char flags[128] = "";
		snprintf(reading.tested_at, sizeof(reading.tested_at), "%s", cases[i].tested);
		snprintf(reading.tested_zone, sizeof(reading.tested_zone), "%s", cases[i].zone);
		judge(&config, &instrument, &reading, &reception, &judgement);
		for (size_t f = 0; f < judgement.flag_count; f++)
			if (strcmp(judgement.flags[f], "unmapped_item") != 0)
				snprintf(
					flags + strlen(flags), sizeof(flags) - strlen(flags), "%s", judgement.flags[f]);
		if (strcmp(flags, cases[i].flags) != 0 || strncmp(judgement.day, cases[i].day, 10) != 0)
			fail_msg("%s: '%s' on %.10s", cases[i].promise, flags, judgement.day);
	}
}

/* What a correction makes of a record's time must be what stood there. */
static void a_record_gives_its_time_back_with_zone_and_without_year(void **state)
{
	(void)state;
	static const struct {
		const char *record, *time, *zone;
		bool inferred;
	} cases[] = {
		{ "{\"kind\":\"sample\",\"tested_at\":\"2026-03-05T01:41:20+00:00\"}", "2026-03-05T01:41:20", "+00:00",
			false },
		{ "{\"kind\":\"sample\",\"tested_at\":\"2026-12-31T23:58:00+08:00\","
		  "\"said\":{\"time_without_year\":\"12-31 23:58\"}}",
			"2026-12-31T23:58:00", "+08:00", true },
		{ "{\"kind\":\"sample\",\"said\":{\"time_without_year\":\"12-31 23:58\"}}", "", "", false },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct reading reading;
		struct json *record = js_parse(cases[i].record, strlen(cases[i].record), NULL);
		record_as_reading(record, false, &reading);
		assert_string_equal(reading.tested_at, cases[i].time);
		assert_string_equal(reading.tested_zone, cases[i].zone);
		assert_int_equal(reading.year_inferred, cases[i].inferred);
		js_free(record);
	}
}

int main(void)
{
	zone("Asia/Shanghai");
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digits_are_a_time_with_its_zone_or_none),
		cmocka_unit_test(two_digits_are_years_of_this_century),
		cmocka_unit_test(a_missing_year_is_the_one_in_which_it_was_read),
		cmocka_unit_test(a_year_that_nobody_said_takes_no_part_in_the_id),
		cmocka_unit_test(local_times_are_moments_or_none),
		cmocka_unit_test(lateness_suspicion_and_the_day_go_by_the_moment),
		cmocka_unit_test(a_record_gives_its_time_back_with_zone_and_without_year),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
