/* Lines, blocks and tickets on paper: what is cut, asked and read. Whole captures are tested by test_decode. */
#include <iconv.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "text_fixture.h"

#define A9      "config/profiles/reader-a9.conf"
#define A10     "config/profiles/push-a10.conf"
#define TICKET  "config/profiles/ticket-a8.conf"
#define BALANCE "config/profiles/balance-kern-ew.conf"

#define LINE(no) "R," no ",A01,\xBC\xD7\xC8\xA9,0.123,2.30,mg/kg,\xBA\xCF\xB8\xF1,2026-03-05 09:41:20,5A"

static void expect_question(const struct request *request, const char *text)
{
	assert_int_equal(request->kind, REQUEST_BYTES);
	assert_int_equal(request->length, strlen(text));
	assert_memory_equal(request->bytes, text, request->length);
}

static void a_reader_is_asked_for_the_days_since_the_cursor_and_then_for_two(void **state)
{
	(void)state;
	struct paper *paper = paper_new(A9, "day=2026-03-02");
	struct request request = paper_ask(paper);
	expect_question(&request, "D2026-03-01D2026-03-05");
	paper_hear_text(paper, LINE("S0017") LINE("S0018") "FINISH");
	assert_int_equal(paper->readings.count, 2);
	assert_int_equal(paper->next, NEXT_IDLE);
	assert_string_equal(paper->readings.cursor, "day=2026-03-05");
	request = paper_ask(paper);
	expect_question(&request, "D2026-03-04D2026-03-05");
	paper_hear_text(paper, "FINISH");
	assert_int_equal(paper->readings.count, 0);
	assert_string_equal(paper->readings.cursor, "");
	paper_free(paper);
}

static void without_a_cursor_or_with_nonsense_the_look_back_decides(void **state)
{
	(void)state;
	static const char *const cursors[] = { "", "day=2026-13-01", "nonsense", "day=2027-01-01", "day=2025-01-01" };
	for (size_t i = 0; i < sizeof(cursors) / sizeof(cursors[0]); i++) {
		struct paper *paper = paper_new(A9, cursors[i]);
		struct request request = paper_ask(paper);
		expect_question(&request, "D2026-02-26D2026-03-05");
		paper_free(paper);
	}
}

static void silence_asks_for_the_same_days_again(void **state)
{
	(void)state;
	struct paper *paper = paper_new(A9, "day=2026-03-02");
	paper_ask(paper);
	paper_hear_text(paper, LINE("S0017"));
	assert_int_equal(paper->next, NEXT_WAIT);
	struct reply silence = { .kind = REPLY_SILENCE }, done = { .kind = REPLY_DONE };
	assert_int_equal(text_driver.take(&paper->instrument, &silence, &paper->readings), NEXT_IDLE);
	assert_int_equal(text_driver.take(&paper->instrument, &done, &paper->readings), NEXT_WAIT);
	assert_string_equal(paper->readings.cursor, "");
	struct request request = paper_ask(paper);
	expect_question(&request, "D2026-03-01D2026-03-05");
	paper_free(paper);
}

/* The record's id is made of this: the same line is the same test, two alike in one answer are two. */
static void the_same_answer_again_has_the_same_identities(void **state)
{
	(void)state;
	struct paper *paper = paper_new(A9, "");
	for (int i = 0; i < 2; i++) {
		paper_ask(paper);
		paper_hear_text(paper, LINE("S0017") LINE("S0017") LINE("S0018") "FINISH");
		assert_int_equal(paper->readings.count, 3);
		for (size_t k = 0; k < 3; k++) {
			assert_true(paper->list[k].repeatable);
			assert_int_equal(paper->list[k].repeat, k == 1);
			assert_int_equal(paper->list[k].identity_length, strlen(LINE("S0017")));
		}
	}
	paper_free(paper);
}

static void a_line_cut_off_is_told_and_takes_no_other_with_it(void **state)
{
	(void)state;
	struct paper *paper = paper_new(A9, "");
	paper_ask(paper);
	paper_hear_text(paper, "R,S0016,A01,\xBC\xD7" LINE("S0017") "R,S0018,A01,FINISH");
	assert_int_equal(paper->readings.count, 1);
	assert_string_equal(paper->list[0].sample_no, "S0017");
	assert_int_equal(paper->readings.notice_count, 2);
	assert_int_equal(paper->readings.notices[0].kind, NOTICE_UNDECODABLE);
	assert_int_equal(paper->readings.notices[0].raw_length, strlen("R,S0016,A01,\xBC\xD7"));
	assert_string_equal(paper->readings.notices[1].reason, "4 columns instead of 10 to 10");
	assert_int_equal(paper->next, NEXT_IDLE);
	paper_free(paper);
}

/* What a line lacks at its end it takes from the next, and would be a result of its own. */
static void a_line_without_its_last_bytes_takes_none_of_the_next(void **state)
{
	(void)state;
	static const char line[] = LINE("S0016");
	for (int lacking = 1; lacking <= 2; lacking++) {
		struct paper *paper = paper_new(A9, "");
		char text[512];
		paper_ask(paper);
		snprintf(text, sizeof(text), "%.*s%sFINISH", (int)strlen(line) - lacking, line, LINE("S0017"));
		for (size_t i = 0; i + 1 < strlen(text); i++)
			assert_int_equal(cutter_feed(&paper->cutter, (const uint8_t *)text + i, 1), 0);
		paper_hear_text(paper, text + strlen(text) - 1);
		assert_int_equal(paper->readings.count, 1);
		assert_string_equal(paper->list[0].sample_no, "S0017");
		assert_int_equal(paper->readings.notice_count, 1);
		paper_free(paper);
	}
	struct paper *paper =
		paper_new(A9, ""); /* a check of its own that ends as a line begins, and nothing behind it */
	paper_ask(paper);
	char odd[] = LINE("S0019");
	odd[strlen(odd) - 1] = 'R';
	paper_hear_text(paper, odd);
	assert_int_equal(paper->readings.count, 0);
	paper_hear_text(paper, "FINISH");
	assert_int_equal(paper->readings.count, 1);
	assert_string_equal(paper->list[0].sample_no, "S0019");
	paper_free(paper);
}

/* A decimal comma where a comma separates: one column too many, and with no verdict the next number stood as the value.
 */
static void a_line_with_a_column_too_many_is_no_result(void **state)
{
	(void)state;
	static const char shifted[] = "R,S1,A01,x,0,123,0.5,mg/kg,,2026-03-05 09:41:20,5A",
			  fine[] = "R,S2,A01,x,0.123,0.5,mg/kg,,,5A";
	const struct {
		const char *text, *sample;
	} cases[] = { { "FINISH", "" }, { fine, "S2" }, { LINE("S3"), "S3" }, { "", "" }, { "\r\n", "" } };
	for (size_t i = 0; i < 5; i++) {
		struct paper *paper = paper_new(A9, "");
		paper_ask(paper);
		paper_hear_text(paper, shifted);
		assert_int_equal(paper->readings.count + paper->readings.notice_count, 0); /* its rest may come yet */
		struct readings all = paper->readings;
		assert_int_equal(cutter_feed(&paper->cutter, (const uint8_t *)cases[i].text, strlen(cases[i].text)), 0);
		paper_hear(paper, "", 0, true);
		assert_int_equal(all.count + paper->readings.count, *cases[i].sample ? 1 : 0);
		assert_string_equal(paper->readings.count ? paper->list[0].sample_no : "", cases[i].sample);
		assert_int_equal(paper->readings.notice_count, 1);
		assert_string_equal(paper->readings.notices[0].reason, "11 columns instead of 10 to 10");
		paper_free(paper);
	}
	struct paper *paper = paper_new(A9, ""); /* without a time, but all its columns */
	paper_ask(paper);
	paper_hear_text(paper, fine);
	assert_int_equal(paper->readings.count, 0);
	paper_hear_text(paper, "FINISH");
	assert_int_equal(paper->readings.count, 1);
	assert_string_equal(paper->list[0].value, "0.5");
	paper_free(paper);
}

static void more_undecodable_lines_than_notices_are_counted(void **state)
{
	(void)state;
	struct paper *paper = paper_new(BALANCE, "");
	for (int i = 0; i < NOTICES_MAX + 2; i++)
		assert_int_equal(cutter_feed(&paper->cutter, (const uint8_t *)"+00x0.00 G S\r\n", 14), 0);
	paper_hear(paper, "", 0, false);
	assert_int_equal(paper->readings.notice_count, NOTICES_MAX);
	assert_int_equal(paper->readings.rejected, 2);
	paper_free(paper);
}

static void a_balance_says_which_weight_is_none(void **state)
{
	(void)state;
	struct paper *paper = paper_new(BALANCE, "");
	paper_hear_text(paper, "+0456.51 G U\r\n+0000.00 G E\r\n+0000.00 G X\r\n-0000.04 G S\r\n+12 G S\r\n");
	assert_int_equal(paper->readings.count, 2);
	assert_string_equal(paper->list[0].value, "456.51");
	assert_string_equal(paper->list[1].value, "-0.04");
	assert_string_equal(paper->list[1].unit, "g");
	assert_false(paper->list[0].repeatable);
	assert_int_equal(paper->readings.blanks, 1);
	assert_int_equal(paper->readings.notice_count, 2);
	assert_string_equal(paper->readings.notices[0].reason, "[map valid] has no line for 'X'");
	assert_string_equal(paper->readings.notices[1].reason, "9 bytes instead of 14 to 15");
	paper_hear_text(paper, "+0514.69 G U+0000.09 G U\r\n++0000.07 G U\r\nxx+123456789012345678");
	assert_int_equal(paper->readings.count, 2);
	assert_string_equal(paper->list[0].value, "0.09");
	assert_string_equal(paper->list[1].value, "0.07");
	assert_int_equal(paper->readings.notice_count, 2);
	assert_int_equal(paper->noise, 21);
	struct request request = paper_ask(paper);
	assert_int_equal(request.kind, REQUEST_NONE);
	assert_string_equal(paper->instrument.maker.maker, "KERN");
	paper_free(paper);
}

static void a_block_with_a_wrong_sum_or_end_is_none(void **state)
{
	(void)state;
	uint8_t block[57] = "\xFF$\xFF$\x03            102  hs-CRP  <0.5    mg/L";
	memcpy(block + 42, "\0\0\0\0\0\0\x20\x41 102\x59\r\n", 15);
	struct paper *paper = paper_new(A10, "");
	paper_hear(paper, block, sizeof(block), false);
	assert_int_equal(paper->readings.count, 1);
	assert_string_equal(paper->list[0].qualifier, "<");
	assert_string_equal(paper->list[0].value, "0.5");
	assert_string_equal(paper->list[0].said[1].value, "10");
	for (size_t i = 4; i < sizeof(block); i++) {
		block[i] ^= 1;
		paper_hear(paper, block, sizeof(block), true);
		assert_int_equal(paper->readings.count, 0);
		block[i] ^= 1;
	}
	paper_free(paper);
}

/* ---- tickets ---- */

static void text_in_gb18030(char *out, size_t size, const char *utf8)
{
	iconv_t converter = iconv_open("GB18030", "UTF-8");
	char *from = (char *)(uintptr_t)utf8;
	size_t left = strlen(utf8);
	assert_int_equal(iconv(converter, &from, &left, &out, &size), 0);
	*out = '\0';
	iconv_close(converter);
}

#define VALUE "\xBC\xEC\xB2\xE2\xBD\xE1\xB9\xFB\xA3\xBA" /* 检测结果： */

static void a_ticket_ends_with_silence_or_where_the_next_begins(void **state)
{
	(void)state;
	struct paper *paper = paper_new(TICKET, "");
	struct request request = paper_ask(paper);
	assert_int_equal(request.kind, REQUEST_NONE);
	assert_int_equal(request.timeout_ms, 2000);
	paper_hear_text(paper, "\x1B@" VALUE "1.5\n\x1B@" VALUE "2.5\n");
	assert_int_equal(paper->readings.count, 1);
	assert_string_equal(paper->list[0].value, "1.5");
	paper_hear(paper, "", 0, true);
	assert_int_equal(paper->readings.count, 1);
	assert_string_equal(paper->list[0].value, "2.5");
	assert_false(paper->list[0].repeatable);
	paper_free(paper);
}

static void a_damaged_command_hides_nothing_behind_it(void **state)
{
	(void)state;
	struct paper *paper = paper_new(TICKET, "");
	paper_hear_text(paper, "\x1B@\x1D(k\xFF\xFF" VALUE "1.5\n\x1DV\x01");
	assert_int_equal(paper->readings.count, 0);
	paper_hear(paper, "", 0, true);
	assert_int_equal(paper->readings.count, 1);
	assert_string_equal(paper->list[0].value, "1.5");
	paper_free(paper);
}

static void a_ticket_longer_than_any_is_read_all_the_same(void **state)
{
	(void)state;
	static char text[TEXT_TICKET_MAX + 10];
	struct paper *paper = paper_new(TICKET, "");
	memset(text, 'x', sizeof(text));
	memcpy(text, "\x1B@" VALUE "1.5\n", 16);
	paper_hear(paper, text, sizeof(text), false);
	assert_int_equal(paper->readings.count, 1);
	assert_string_equal(paper->list[0].value, "1.5");
	paper_free(paper);
}

/* The value is the words where there is no number, and invalid only a ticket that says nothing. */
static void a_ticket_says_words_in_the_place_of_a_number(void **state)
{
	(void)state;
	static const struct {
		const char *sent, *value, *unit;
		enum verdict verdict;
	} results[] = {
		{ "未检出", "未检出", "", VERDICT_NONE },
		{ "ND", "ND", "", VERDICT_NONE },
		{ "未检出 阴性", "未检出", "", VERDICT_NEGATIVE },
		{ "阳性", "", "", VERDICT_POSITIVE },
		{ "0.00 μg/kg 阴性", "0.00", "μg/kg", VERDICT_NEGATIVE },
		{ "5-10 μg/kg", "5-10 μg/kg", "", VERDICT_NONE },
		{ "5-10 μg/kg 可疑", "5-10 μg/kg", "", VERDICT_SUSPECT },
		{ "1,234.5 mg/kg", "1,234.5 mg/kg", "", VERDICT_NONE },
		{ "+", "+", "", VERDICT_NONE },
		{ "-", "-", "", VERDICT_NONE },
		{ "---", "", "", VERDICT_INVALID },   /* drawn where nothing was measured */
		{ "-----", "", "", VERDICT_INVALID }, /* what the profile says is missing */
		{ "", "", "", VERDICT_INVALID },
	};
	struct paper *paper = paper_new(TICKET, "");
	for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++) {
		char ticket[128], text[128];
		snprintf(ticket, sizeof(ticket), "\x1B@检测结果：%s\n\x1DV", results[i].sent);
		text_in_gb18030(text, sizeof(text), ticket);
		paper_hear(paper, text, strlen(text) + 1, true);
		assert_int_equal(paper->readings.count, 1);
		assert_string_equal(paper->list[0].value, results[i].value);
		assert_string_equal(paper->list[0].unit, results[i].unit);
		assert_int_equal(paper->list[0].verdict, results[i].verdict);
	}
	paper_free(paper);
}

/* A word the judge knows is a result; what is neither a number nor such a word may be another column. */
static void a_line_whose_value_is_a_word_of_the_judge_is_a_result(void **state)
{
	(void)state;
	static const struct {
		const char *sent;
		bool result;
	} values[] = {
		{ "未检出", true },
		{ "未 检 出", true },
		{ "检出", true },
		{ "ND", true },
		{ "n.d.", true },
		{ "Not Detected", true },
		{ "ＮＤ", true },
		{ "失败", false },
		{ "未检出 阴性", false },
		{ "1.5.6", false },
		{ "5-10", false },
		{ "---", false },
	};
	struct paper *paper = paper_new(A9, "");
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		char line[160], text[160];
		snprintf(line, sizeof(line), "R,S0017,A01,甲醛,0.123,%s,mg/kg,-,2026-03-05 09:41:20,5AFINISH",
			values[i].sent);
		text_in_gb18030(text, sizeof(text), line);
		paper_ask(paper);
		paper_hear_text(paper, text);
		assert_int_equal(paper->readings.count, values[i].result);
		assert_int_equal(paper->readings.notice_count, !values[i].result);
		if (!values[i].result)
			continue;
		assert_string_equal(paper->list[0].value, values[i].sent);
		assert_string_equal(paper->list[0].unit, "mg/kg");
		assert_int_equal(paper->list[0].verdict, VERDICT_NONE);
	}
	paper_free(paper);
}

/* Each command of a row has the length the printers' references give it; one byte less is not all of it. */
static void printer_commands_have_their_lengths(void **state)
{
	(void)state;
	static const struct {
		uint8_t bytes[16];
		size_t length;
		bool cut;
	} commands[] = {
		{ "\x1B@", 2, false },
		{ "\x1B!\x30", 3, false },
		{ "\x1B*\x00\x02\x00\xAA\xBB", 7, false },
		{ "\x1B*\x21\x01\x00\xAA\xBB\xCC", 8, false },
		{ "\x1B\x44\x08\x10\x00", 5, false },
		{ "\x1Bp\x00\x19\xFA", 5, false },
		{ "\x1Bi", 2, true },
		{ "\x1Bm", 2, true },
		{ "\x1C&", 2, false },
		{ "\x1CS\x00\x00", 4, false },
		{ "\x1DV\x00", 3, true },
		{ "\x1DV\x42\x10", 4, true },
		{ "\x1D(k\x02\x00\x31\x43", 7, false },
		{ "\x1D*\x01\x01\x01\x02\x03\x04\x05\x06\x07\x08", 12, false },
		{ "\x1Dv0\x00\x02\x00\x01\x00\xFF\xFF", 10, false },
		{ "\x1Dk\x04"
		  "12\x00",
			6, false },
		{ "\x1Dk\x49\x03"
		  "123",
			7, false },
		{ "\x10\x04\x01", 3, false },
	};
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		bool cut;
		assert_int_equal(text_printer_command(commands[i].bytes, commands[i].length, &cut), commands[i].length);
		assert_int_equal(cut, commands[i].cut);
		assert_int_equal(text_printer_command(commands[i].bytes, commands[i].length - 1, &cut), 0);
	}
	bool cut;
	assert_int_equal(text_printer_command((const uint8_t *)"\x10\x01", 2, &cut), 1);
	assert_int_equal(text_printer_command((const uint8_t *)"\x1B\x7E", 2, &cut), 2);
}

/* ---- single texts ---- */

static void numbers_keep_their_decimals_and_lose_only_what_says_nothing(void **state)
{
	(void)state;
	static const struct {
		const char *text, *qualifier, *number, *rest;
	} quantities[] = {
		{ "12.30", "", "12.30", "" },
		{ "+0026.90", "", "26.90", "" },
		{ "-0000.04", "", "-0.04", "" },
		{ "+000000", "", "0", "" },
		{ ".5", "", "0.5", "" },
		{ "1.5E-3", "", "0.0015", "" },
		{ "<1.50e+2mg/kg", "<", "150", "mg/kg" },
		{ "-2e3 mg/kg", "", "-2000", "mg/kg" },
		{ "5EU/mL", "", "5", "EU/mL" },
		{ "5 E", "", "5", "E" },
		{ "0.05％", "", "0.05", "％" },
		{ "25℃", "", "25", "℃" },
		{ "3µg/L", "", "3", "µg/L" },
		{ "5㎎/㎏", "", "5", "㎎/㎏" },
		{ "5千克", "", "5", "千克" },
		{ "0.5毫克/100克", "", "0.5", "毫克/100克" },
		{ "60 mL/min/1.73m2", "", "60", "mL/min/1.73m2" },
		{ "7mg·kg-1", "", "7", "mg·kg-1" },
		{ "120/mL", "", "120", "/mL" },
		{ "<0.5", "<", "0.5", "" },
		{ "< 0.5 mg/kg", "<", "0.5", "mg/kg" },
		{ "≤1.0μg/kg", "<=", "1.0", "μg/kg" },
		{ "≥2", ">=", "2", "" },
		{ "＜3", "<", "3", "" },
		{ "＞3", ">", "3", "" },
		{ ">=4", ">=", "4", "" },
		{ "阴性", "", "", "阴性" },
		{ "<阴性", "", "", "<阴性" },
		{ "-", "", "", "-" },
		{ "", "", "", "" },
		{ "1234567890123456789012345678901", "", "", "1234567890123456789012345678901" },
	};
	for (size_t i = 0; i < sizeof(quantities) / sizeof(quantities[0]); i++) {
		struct text_quantity quantity;
		text_quantity_read(quantities[i].text, '.', &quantity);
		assert_string_equal(quantity.qualifier, quantities[i].qualifier);
		assert_string_equal(quantity.number, quantities[i].number);
		assert_string_equal(quantity.rest, quantities[i].rest);
	}
}

/* The first digits of such a text are not its number, and what follows them is no unit. */
static void what_is_more_than_a_number_is_none(void **state)
{
	(void)state;
	static const char *const texts[] = { "0,05", "1,234.5 mg/kg", "1.234.567", "1.234,5", "1 234.5 mg/kg", "5.",
		"5-10", "5 - 10 mg/kg", "5~10", "5～10", "5–10", "5−10", "5mg-10mg", "5 to 10", "5至10",
		"5 mg/kg~10 mg/kg", "1:80", "1：80", "<1:80", "1/80", "12/20", "0.05±0.01", "0.05 ± 0.01 mg/kg",
		"5mg±1", "3+", "3 +", "1.5×10-3", "1.5x10^3", "1.5 x 10^3", "1.5*10^3", "10²", "1.5 E-3", "1.5E-",
		"1.5E-3.2", "1E5000", "1E40", "1.2万", "3千", "5点3", "12，5", "0．05", "0。05", "1'234", "2026-03-05",
		"12:30", "12.3(mg/kg)", "5#", "5 <10" };
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct text_quantity quantity;
		text_quantity_read(texts[i], '.', &quantity);
		assert_string_equal(quantity.number, "");
		assert_string_equal(quantity.qualifier, "");
		assert_string_equal(quantity.rest, texts[i]);
	}
	struct text_quantity quantity;
	text_quantity_read("1.234,5", ',', &quantity);
	assert_string_equal(quantity.number, "");
	text_quantity_read("0,05E1 mg/kg", ',', &quantity);
	assert_string_equal(quantity.number, "0.5");
	assert_string_equal(quantity.rest, "mg/kg");
}

static void times_follow_their_pattern_or_are_none(void **state)
{
	(void)state;
	struct date_time time;
	assert_true(text_time_read("yyyy-MM-dd HH:mm:ss", "2026-03-05  09:41:20", &time));
	assert_int_equal(time.year * 10000 + time.month * 100 + time.day, 20260305);
	assert_int_equal(time.hour * 10000 + time.minute * 100 + time.second, 94120);
	assert_true(text_time_read("yy/M/d H:mm", "26/3/15 9:41", &time));
	assert_int_equal(time.year * 10000 + time.month * 100 + time.day, 20260315);
	assert_false(text_time_read("yyyy-MM-dd HH:mm:ss", "2026-03-05 09:41", &time));
	assert_false(text_time_read("yyyy-MM-dd HH:mm", "2026-03-05 09:41:20", &time));
	assert_false(text_time_read("yyyy-MM-dd HH:mm", "26-03-05 09:41", &time));
	char out[8];
	time = (struct date_time){ 2026, 3, 5, 0, 0, 0 };
	assert_int_equal(text_time_write("yyMMdd", 6, &time, out, sizeof(out)), 6);
	assert_memory_equal(out, "260305", 6);
	assert_int_equal(text_time_write("yyyy-MM-dd", 10, &time, out, sizeof(out)), 0);
}

static void a_character_is_never_taken_apart(void **state)
{
	(void)state;
	static const struct {
		const char *bytes;
		size_t left, step;
	} steps[] = {
		{ "A", 1, 1 },
		{ "\x80", 1, 1 },
		{ "\xFF", 1, 1 },
		{ "\x81", 1, 0 },
		{ "\x81|", 2, 2 },
		{ "\x81,", 2, 1 },
		{ "\x81\x7F", 2, 1 },
		{ "\x81\x30", 2, 0 },
		{ "\x81\x30\x81", 3, 0 },
		{ "\x81\x30\x81\x30", 4, 4 },
		{ "\x81\x30,", 3, 1 },
		{ "\x81\x30\x81,", 4, 1 },
	};
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		assert_int_equal(
			text_step(TEXT_GB18030, (const uint8_t *)steps[i].bytes, steps[i].left), steps[i].step);
	assert_int_equal(text_step(TEXT_UTF8, (const uint8_t *)"\xE8|", 2), 1);
}

static void a_time_without_a_year_says_so(void **state)
{
	(void)state;
	struct paper *paper = paper_new("tests/unit/profiles/no-year.conf", "");
	paper->instrument.now = (struct date_time){ 2027, 1, 1, 0, 0, 20 };
	paper_hear_text(paper, "R,17,12.5,12-31 23:58\r\n");
	assert_int_equal(paper->readings.count, 1);
	assert_string_equal(paper->list[0].tested_at, "2026-12-31T23:58:00");
	assert_true(paper->list[0].year_inferred);
	assert_string_equal(reading_has_said(&paper->list[0], "time_without_year"), "12-31 23:58");
	paper_hear_text(paper, "R,18,12.5,13-31 23:58\r\n");
	assert_string_equal(paper->list[0].tested_at, "");
	assert_false(paper->list[0].year_inferred);
	assert_string_equal(reading_has_said(&paper->list[0], "impossible_time"), "13-31 23:58");
	paper->instrument.now = (struct date_time){ 1970, 1, 1, 8, 0, 20 }; /* the station does not know the day */
	paper_hear_text(paper, "R,19,12.5,12-31 23:58\r\n");
	assert_string_equal(paper->list[0].tested_at, "");
	assert_string_equal(reading_has_said(&paper->list[0], "impossible_time"), "");
	assert_string_equal(reading_has_said(&paper->list[0], "time_without_year"), "12-31 23:58");
	paper_free(paper);
}

/* ---- files ---- */

#define CSV           "config/profiles/files-csv.conf"
#define ROW(no, time) no ",S1,\"a \"\"b\"\", c\",x,<1.50,mg/kg,\xD2\xF5\xD0\xD4," time

static void begin_file(struct paper *paper, const char *name)
{
	struct reply begins = { .kind = REPLY_FILE };
	paper->instrument.file = name;
	assert_int_equal(text_driver.take(&paper->instrument, &begins, &paper->readings), NEXT_WAIT);
}

/* What stands last in a file need not be ended; `final` as the line says it. */
static void hear_file(struct paper *paper, const char *text, bool final)
{
	paper->instrument.idle = final;
	paper_hear(paper, text, strlen(text), final);
	paper->instrument.idle = false;
}

static void a_row_has_the_same_identity_wherever_it_stands(void **state)
{
	(void)state;
	static const char first[] = ROW("1", "2026-03-05 09:41:20"), second[] = ROW("2", "2026-03-05 09:41:20");
	struct paper *paper = paper_new(CSV, "");
	char text[512];
	begin_file(paper, "a.csv");
	snprintf(text, sizeof(text), "heading,%s\r\n%s\r\n%s", "\"not closed", first, first);
	hear_file(paper, text, true);
	assert_int_equal(paper->readings.count, 2);
	assert_int_equal(paper->readings.notice_count, 0);
	assert_string_equal(paper->list[0].sample_name, "a \"b\", c");
	assert_string_equal(paper->list[0].value, "1.50");
	assert_string_equal(paper->list[0].said[0].value, "a.csv");
	assert_int_equal(paper->list[0].verdict, VERDICT_NEGATIVE);
	for (unsigned i = 0; i < 2; i++) {
		assert_true(paper->list[i].repeatable);
		assert_int_equal(paper->list[i].repeat, i);
		assert_int_equal(paper->list[i].identity_length, strlen(first));
		assert_memory_equal(paper->list[i].identity, first, strlen(first));
	}
	begin_file(paper, "copy.csv");
	snprintf(text, sizeof(text), "heading\n%s\n%s\n", second, first);
	hear_file(paper, text, true);
	assert_int_equal(paper->readings.count, 2);
	assert_int_equal(paper->list[1].repeat, 0);
	assert_memory_equal(paper->list[1].identity, first, strlen(first));
	assert_int_equal(paper->list[1].identity_length, strlen(first));
	paper_free(paper);
}

static void expect_row(struct paper *paper, const char *name, const char *heading, const char *row)
{
	char text[512];
	begin_file(paper, name);
	snprintf(text, sizeof(text), "%s\r\n%s\r\n", heading, row);
	hear_file(paper, text, true);
	assert_int_equal(paper->readings.notice_count, 0);
	assert_int_equal(paper->readings.count, 1);
	const struct reading *reading = &paper->list[0];
	assert_string_equal(reading->instrument_seq, "17");
	assert_string_equal(reading->sample_no, "S1");
	assert_string_equal(reading->sample_name, "菠菜");
	assert_string_equal(reading->item, "甲醛");
	assert_string_equal(reading->value, "0.05");
	assert_string_equal(reading->unit, "mg/kg");
	assert_int_equal(reading->verdict, VERDICT_NEGATIVE);
	assert_string_equal(reading->tested_at, "2026-03-05T09:41:20");
	/* the row alone would not tell which column is which */
	assert_int_equal(reading->raw_head_length, strlen(heading) + 2);
	assert_memory_equal(reading->raw_head, heading, strlen(heading));
	assert_int_equal(reading->identity_length, strlen(row));
}

#define NAMES "config/profiles/files-csv-names.conf"

/* A file in which neither a column stands where it stood nor the characters are the same. */
static void columns_are_found_by_their_names_wherever_they_stand(void **state)
{
	(void)state;
	struct paper *paper = paper_new(NAMES, "");
	char heading[256], row[256];
	text_in_gb18030(heading, sizeof(heading), "序号,样品编号,样品名称,检测项目,检测结果,单位,结论,检测时间");
	text_in_gb18030(row, sizeof(row), "17,S1,菠菜,甲醛,0.05,mg/kg,阴性,2026-03-05 09:41:20");
	expect_row(paper, "a.csv", heading, row);
	text_in_gb18030(heading, sizeof(heading), "检测时间, 结果 ,单位,备注,\"项目\",样品,样品号,编号,判定");
	text_in_gb18030(row, sizeof(row), "2026-03-05 09:41:20,0.05,mg/kg,x,甲醛,\"菠菜\",S1,17,合格");
	expect_row(paper, "b.csv", heading, row);
	expect_row(paper, "c.csv", "序号,结论,样品编号,样品名称,检测项目,检测结果,单位,检测时间",
		"17,阴性,S1,菠菜,甲醛,0.05,mg/kg,2026-03-05 09:41:20");
	paper_free(paper);
}

/* Which column, of which file and line, and what there is instead; the rows behind it are counted. */
static void a_column_that_is_missing_or_there_twice_is_told_with_its_line(void **state)
{
	(void)state;
	static const struct {
		const char *heading, *says;
	} headings[] = {
		{ "序号,样品编号,样品名称,检测项目,单位,结论,检测时间",
			"d.csv:1: no column is called 检测结果|检测值|结果, for value; there are" },
		{ "序号,样品编号,样品名称,检测项目,结果,检测结果,单位,结论,检测时间",
			"d.csv:1: more than one column is called 检测结果|检测值|结果, for value" },
		{ "", "d.csv:1: no column is called 序号|编号, for sequence" },
	};
	struct paper *paper = paper_new(NAMES, "");
	char text[512];
	for (size_t i = 0; i < 3; i++) {
		begin_file(paper, "d.csv");
		snprintf(text, sizeof(text), "%s\n1,2,3,4,5,6,7\n1,2,3,4,5,6,7\n", headings[i].heading);
		hear_file(paper, text, true);
		assert_int_equal(paper->readings.count, 0);
		assert_int_equal(paper->readings.notice_count, 1);
		assert_int_equal(paper->readings.rejected, 2);
		assert_memory_equal(paper->readings.notices[0].reason, headings[i].says, strlen(headings[i].says));
	}
	paper_free(paper);
}

static void rows_without_time_and_number_are_told_apart_by_file_and_place(void **state)
{
	(void)state;
	struct paper *paper = paper_new(CSV, "");
	char text[512];
	unsigned repeats[4];
	snprintf(text, sizeof(text), "heading\n%s\n%s\n", ROW("", ""), ROW("", ""));
	for (int i = 0; i < 2; i++) {
		begin_file(paper, i == 0 ? "a.csv" : "b.csv");
		hear_file(paper, text, true);
		assert_int_equal(paper->readings.count, 2);
		repeats[2 * i] = paper->list[0].repeat;
		repeats[2 * i + 1] = paper->list[1].repeat;
	}
	for (int i = 0; i < 4; i++)
		for (int k = 0; k < i; k++)
			assert_int_not_equal(repeats[i], repeats[k]);
	begin_file(paper, "a.csv");
	hear_file(paper, text, true);
	assert_int_equal(paper->list[1].repeat, repeats[1]);
	paper_free(paper);
}

static void of_a_file_of_another_kind_ten_lines_are_told(void **state)
{
	(void)state;
	struct paper *paper = paper_new(CSV, "");
	begin_file(paper, "wrong.csv");
	hear_file(paper, "heading\n", false);
	unsigned told = 0, counted = 0;
	for (int i = 0; i < 30; i++) {
		hear_file(paper, "1,2,3\n", false);
		told += (unsigned)paper->readings.notice_count;
		counted += paper->readings.rejected;
		if (i == 0)
			assert_string_equal(
				paper->readings.notices[0].reason, "wrong.csv:2: 3 columns instead of 8 to 8");
	}
	assert_int_equal(told, 10);
	assert_int_equal(counted, 20);
	paper_free(paper);
}

static void the_driver_asks_for_a_profile(void **state)
{
	(void)state;
	struct fault fault;
	struct instrument instrument = { .driver = &text_driver };
	assert_true(text_driver.setup(&instrument, &fault) < 0);
	assert_non_null(strstr(fault.text, "profile = reader-a9"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reader_is_asked_for_the_days_since_the_cursor_and_then_for_two),
		cmocka_unit_test(without_a_cursor_or_with_nonsense_the_look_back_decides),
		cmocka_unit_test(silence_asks_for_the_same_days_again),
		cmocka_unit_test(the_same_answer_again_has_the_same_identities),
		cmocka_unit_test(a_line_cut_off_is_told_and_takes_no_other_with_it),
		cmocka_unit_test(a_line_without_its_last_bytes_takes_none_of_the_next),
		cmocka_unit_test(a_line_with_a_column_too_many_is_no_result),
		cmocka_unit_test(more_undecodable_lines_than_notices_are_counted),
		cmocka_unit_test(a_balance_says_which_weight_is_none),
		cmocka_unit_test(a_block_with_a_wrong_sum_or_end_is_none),
		cmocka_unit_test(a_ticket_ends_with_silence_or_where_the_next_begins),
		cmocka_unit_test(a_damaged_command_hides_nothing_behind_it),
		cmocka_unit_test(a_ticket_longer_than_any_is_read_all_the_same),
		cmocka_unit_test(a_ticket_says_words_in_the_place_of_a_number),
		cmocka_unit_test(a_line_whose_value_is_a_word_of_the_judge_is_a_result),
		cmocka_unit_test(printer_commands_have_their_lengths),
		cmocka_unit_test(numbers_keep_their_decimals_and_lose_only_what_says_nothing),
		cmocka_unit_test(what_is_more_than_a_number_is_none),
		cmocka_unit_test(a_time_without_a_year_says_so),
		cmocka_unit_test(times_follow_their_pattern_or_are_none),
		cmocka_unit_test(a_character_is_never_taken_apart),
		cmocka_unit_test(a_row_has_the_same_identity_wherever_it_stands),
		cmocka_unit_test(columns_are_found_by_their_names_wherever_they_stand),
		cmocka_unit_test(a_column_that_is_missing_or_there_twice_is_told_with_its_line),
		cmocka_unit_test(rows_without_time_and_number_are_told_apart_by_file_and_place),
		cmocka_unit_test(of_a_file_of_another_kind_ten_lines_are_told),
		cmocka_unit_test(the_driver_asks_for_a_profile),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
