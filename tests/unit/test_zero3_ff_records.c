/* What records of 03-FF instruments say: the published vectors, and the quirks Q7 to Q27 of the field that concern
 * them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "zero3_paper.h"

static struct paper_analyzer analyzer; /* makes the frames */
static struct paper_line *line;
static uint32_t tested;

static int start(void **state)
{
	(void)state;
	memset(&analyzer, 0, sizeof(analyzer));
	line = paper_line_new();
	tested = paper_time(2026, 3, 5, 9);
	return 0;
}

static int finish(void **state)
{
	(void)state;
	paper_line_free(line);
	return 0;
}

/* Gives one frame to the driver, offline; returns how many readings came of it. */
static size_t decode(uint8_t command, uint32_t argument, const void *data, size_t length)
{
	analyzer.length = 0;
	paper_frame(&analyzer, command, argument, data, length);
	struct reply reply = {
		.kind = REPLY_FRAME, .bytes = analyzer.answer, .length = analyzer.length, .offline = true
	};
	assert_int_equal(line->instrument.driver->frame(&line->instrument, analyzer.answer, analyzer.length),
		(int)analyzer.length);
	paper_take(line, &reply);
	return line->readings.count;
}

static void table(const char *name, const char *unit)
{
	uint8_t item[128] = { 0 };
	memcpy(item, name, strnlen(name, 16));
	memcpy(item + 16, unit, strnlen(unit, 8));
	decode(0x42, 0, item, sizeof(item));
}

/* One channel with this flag and value; its reading, or NULL. */
static const struct reading *channel(uint8_t number, uint8_t flag, uint32_t value)
{
	uint8_t data[16] = { 1 };
	for (int i = 0; i < 4; i++) {
		data[4 + i] = (uint8_t)(tested >> 8 * i);
		data[12 + i] = (uint8_t)(value >> 8 * i);
	}
	data[8] = number;
	data[9] = flag;
	return decode(0x45, 4, data, sizeof(data)) == 1 ? &line->list[0] : NULL;
}

/* A record of text whose one line is this in GB 18030. */
static const struct reading *text(const char *lines)
{
	uint8_t data[512] = { 1 };
	size_t length = 0;
	for (; lines[length]; length++)
		data[3 + length] = (uint8_t)lines[length];
	return decode(0x45, 1, data, length + 3) == 1 ? &line->list[0] : NULL;
}

#define RESULT "\xBC\xEC\xB2\xE2\xBD\xE1\xB9\xFB" /* 检测结果 */
#define COLON  "\xA3\xBA"

static void the_analyzers_vector_is_what_its_label_says(void **state)
{
	static const uint8_t data[] = { 0x01, 0, 0, 0, 0x2A, 0x4D, 0x65, 0x34, 0, 0x80, 0, 0, 0, 0, 0, 0, 1, 0x80, 0, 0,
		0x7C, 0, 0, 0, 2, 0xC0, 0, 0, 0x7B, 2, 0, 0, 3, 0x80, 0, 0, 0xFF, 0x7F, 0, 0 };
	static const struct {
		const char *value;
		enum verdict verdict;
		enum kind kind;
	} said[] = { { "0.0", VERDICT_NONE, KIND_CONTROL }, { "12.4", VERDICT_NONE, KIND_SAMPLE },
		{ "63.5", VERDICT_SUSPECT, KIND_SAMPLE }, { "", VERDICT_INVALID, KIND_SAMPLE } };

	(void)state;
	assert_int_equal(decode(0x45, 4, data, sizeof(data)), 4);
	for (int i = 0; i < 4; i++) {
		assert_string_equal(line->list[i].value, said[i].value);
		assert_string_equal(line->list[i].unit, "%");
		assert_int_equal(line->list[i].verdict, said[i].verdict);
		assert_int_equal(line->list[i].kind, said[i].kind);
		assert_int_equal(line->list[i].channel, i);
		assert_string_equal(line->list[i].instrument_seq, "4");
		assert_string_equal(line->list[i].tested_at, "2026-03-05T09:41:20");
	}
}

static void q7_tenths_and_thousandths_are_told_apart_by_the_items_unit(void **state)
{
	(void)state;
	table("x", "%");
	assert_string_equal(channel(1, 0x80, 635)->value, "63.5");
	assert_string_equal(channel(1, 0x80, 0xFFFF)->value, "-0.1");
	table("x", "mg/kg");
	assert_string_equal(channel(1, 0x80, 635)->value, "0.635");
	assert_string_equal(channel(1, 0x80, 0x80000001)->value, "-0.001");
	table("x", "\xA3\xA5"); /* a full-width percent sign */
	assert_string_equal(channel(1, 0x80, 635)->value, "63.5");
	assert_int_equal(channel(1, 0x80, 635)->said_count, 3); /* item, method and row, nothing assumed */
	table("", "");
	assert_string_equal(channel(1, 0x80, 635)->value, "63.5");
	assert_string_equal(line->list[0].said[line->list[0].said_count - 2].name, "assumed");
	assert_string_equal(channel(1, 0x80, 65635)->value, "65.635");
}

static void q8_sentinels_are_invalid_results_and_not_dropped(void **state)
{
	static const uint32_t shorts[] = { 0x7FFF, 0x7FFE }, longs[] = { 0x7FFFFFFF, 0x7FFFFFFE, 0x7FFFFFFD };

	(void)state;
	for (int unit = 0; unit < 2; unit++) {
		table("x", unit ? "mg/kg" : "%");
		for (int i = 0; i < 2 + unit; i++) {
			const struct reading *reading = channel(1, 0x80, unit ? longs[i] : shorts[i]);
			assert_string_equal(reading->value, "");
			assert_int_equal(reading->verdict, VERDICT_INVALID);
			assert_string_equal(reading->said[reading->said_count - 2].name, "no_value");
		}
	}
	assert_string_equal(channel(1, 0x80, 0x7FFE)->value, "32.766"); /* a number like any other here */
}

static void q11_packed_dates_have_even_seconds_and_two_beginnings(void **state)
{
	(void)state;
	tested += 41 << 5 | 10;
	assert_string_equal(channel(1, 0x80, 1)->tested_at, "2026-03-05T09:41:20");
	paper_set(line, "year-base", "1980");
	assert_string_equal(channel(1, 0x80, 1)->tested_at, "2006-03-05T09:41:20");
	tested |= 31;
	assert_string_equal(channel(1, 0x80, 1)->tested_at, "");
	assert_string_equal(line->list[0].said[1].value, "2006-03-05 09:41:62");
}

static void q12_a_name_cut_inside_a_character_is_marked(void **state)
{
	(void)state;
	table("\xD2\xD2\xF5\xA3\xBC\xD7\xB0\xB7\xC1\xD7\xBC\xD7\xB0\xB7"
	      "1\xC1\xD7",
		"%");
	const struct reading *reading = channel(1, 0x80, 1);
	assert_string_equal(reading->item, "乙酰甲胺磷甲胺1\uFFFD");
	assert_int_equal(reading->marks, READING_TEXT_CUT);
}

static void q17_full_width_and_ascii_colons_part_label_and_value(void **state)
{
	(void)state;
	assert_string_equal(text(RESULT COLON "0.5\r")->value, "0.5");
	assert_string_equal(text(RESULT ":0.5\r")->value, "0.5");
	assert_string_equal(text(RESULT " : 0.5\r")->value, "0.5");
	/* the two bytes of the colon across two Hanzi are none: A3A3 BABA */
	assert_string_equal(text("\xA3\xA3\xBA\xBA\r" RESULT COLON "0.5\r")->said[0].value, "＃汉");
	assert_null(text("\xA3\xA3\xBA\xBA\r"));
}

static void q18_each_word_and_code_has_its_own_polarity(void **state)
{
	static const struct {
		const char *word;
		enum verdict verdict;
	} words[] = { { "\xD2\xF5\xD0\xD4", VERDICT_NEGATIVE }, { "\xD1\xF4\xD0\xD4", VERDICT_POSITIVE },
		{ "\xBA\xCF\xB8\xF1", VERDICT_NEGATIVE }, { "\xB2\xBB\xBA\xCF\xB8\xF1", VERDICT_POSITIVE },
		{ "\xD0\xAF\xB4\xF8", VERDICT_POSITIVE }, { "\xB2\xBB\xD0\xAF\xB4\xF8", VERDICT_NEGATIVE },
		{ "\xCE\xDE\xD0\xA7", VERDICT_INVALID }, { "\xBF\xC9\xD2\xC9", VERDICT_SUSPECT } };
	static const enum verdict codes[] = { VERDICT_NONE, VERDICT_POSITIVE, VERDICT_NEGATIVE, VERDICT_INVALID };
	char lines[64];
	uint8_t strip[9] = { 1 };

	(void)state;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		snprintf(lines, sizeof(lines), RESULT COLON "%s\r", words[i].word);
		assert_int_equal(text(lines)->verdict, words[i].verdict);
		assert_string_equal(line->list[0].value, "");
		snprintf(lines, sizeof(lines), RESULT COLON "0.5 ug/kg %s\r", words[i].word);
		assert_int_equal(text(lines)->verdict, words[i].verdict);
		assert_string_equal(line->list[0].value, "0.5");
	}
	for (uint8_t code = 0; code < 4; code++) {
		strip[8] = (uint8_t)(0x80 | code);
		assert_int_equal(decode(0x65, 1, strip, sizeof(strip)), 1);
		assert_int_equal(line->list[0].verdict, codes[code]);
	}
}

static void q20_units_are_kept_as_they_are_written(void **state)
{
	static const char *const units[] = { "mg/kg", "mg/Kg", "ug/kg", "ppb", "ABS/sec", "mg KOH/g", "%25", "%" };
	char lines[64];

	(void)state;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		snprintf(lines, sizeof(lines), RESULT COLON "0.5 %s\r", units[i]);
		assert_string_equal(text(lines)->unit, units[i]);
		assert_int_equal(line->list[0].verdict, VERDICT_NONE);
		assert_string_equal(line->list[0].verdict_as_sent, "");
		snprintf(lines, sizeof(lines), RESULT COLON "0.5 %s \xD2\xF5\xD0\xD4\r", units[i]);
		assert_string_equal(text(lines)->unit, units[i]);
		assert_int_equal(line->list[0].verdict, VERDICT_NEGATIVE);
	}
}

static void q22_channel_0_and_the_sample_called_control_are_no_samples(void **state)
{
	(void)state;
	assert_int_equal(channel(0, 0x80, 0)->kind, KIND_CONTROL);
	assert_int_equal(channel(1, 0x80, 0)->kind, KIND_SAMPLE);
	assert_int_equal(
		text("\xD1\xF9\xC6\xB7\xC3\xFB\xB3\xC6" COLON "\xB6\xD4\xD5\xD5\xD1\xF9\r" RESULT COLON "0.5\r")->kind,
		KIND_CONTROL);
}

static void q26_a_zero_is_a_result_and_an_empty_well_is_none(void **state)
{
	(void)state;
	assert_string_equal(channel(1, 0x80, 0)->value, "0.0");
	assert_null(channel(1, 0x00, 0));
	assert_int_equal(line->readings.blanks, 1);
	assert_null(channel(1, 0x7F, 635));
}

static void q27_a_suspect_result_keeps_its_value(void **state)
{
	(void)state;
	for (unsigned flag = 0xC0; flag <= 0xFF; flag += 0x15) {
		const struct reading *reading = channel(2, (uint8_t)flag, 635);
		assert_int_equal(reading->verdict, VERDICT_SUSPECT);
		assert_string_equal(reading->value, "63.5");
	}
	assert_int_equal(channel(2, 0xBF, 635)->verdict, VERDICT_NONE);
}

static void long_and_strange_texts_stay_within_their_fields(void **state)
{
	char lines[512] = RESULT COLON "-0.5 ";

	(void)state;
	memset(lines + strlen(lines), 'x', 400);
	strcat(lines, "\r");
	assert_non_null(text(lines));
	const struct reading *reading = &line->list[0];
	assert_string_equal(reading->value, "-0.5");
	assert_int_equal(strlen(reading->unit), 23);
	assert_string_equal(text(RESULT COLON "<=0.5\r")->qualifier, "<=");
	assert_string_equal(text(RESULT COLON "<abc\r")->value, "<abc");
	assert_string_equal(text(RESULT COLON "0.5 \r\r\r")->value, "0.5");
	assert_null(text(RESULT "\r"));
	assert_int_equal(decode(0x45, 1, "\1\0\0\0\0\0", 6), 0); /* padding is no text */
	assert_int_equal(decode(0x45, 1, "", 0), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_analyzers_vector_is_what_its_label_says),
		TEST(q7_tenths_and_thousandths_are_told_apart_by_the_items_unit),
		TEST(q8_sentinels_are_invalid_results_and_not_dropped),
		TEST(q11_packed_dates_have_even_seconds_and_two_beginnings),
		TEST(q12_a_name_cut_inside_a_character_is_marked),
		TEST(q17_full_width_and_ascii_colons_part_label_and_value),
		TEST(q18_each_word_and_code_has_its_own_polarity),
		TEST(q20_units_are_kept_as_they_are_written),
		TEST(q22_channel_0_and_the_sample_called_control_are_no_samples),
		TEST(q26_a_zero_is_a_result_and_an_empty_well_is_none),
		TEST(q27_a_suspect_result_keeps_its_value),
		TEST(long_and_strange_texts_stay_within_their_fields),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
