#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../daemon/cutter.h"
#include "../../daemon/settings.h"
#include "../../drivers/sample_facts.h"

/* A scanner on paper: what it says, and what became of it. */
static struct {
	struct instrument instrument;
	uint8_t options[64];
	struct cutter cutter;
	struct scan scans[16];
	char texts[16][512];
	size_t scan_count;
	struct notice notices[16];
	size_t notice_count;
} paper;

static int start(void **state)
{
	(void)state;
	const struct driver *driver = driver_by_name("scanner");
	free(paper.instrument.state);
	cutter_reset(&paper.cutter);
	memset(&paper, 0, sizeof(paper));
	paper.instrument.driver = driver;
	paper.instrument.options = paper.options;
	paper.instrument.state = calloc(1, driver->state_size);
	paper.instrument.now = (struct date_time){ 2026, 3, 5, 9, 50, 0 };
	settings_defaults(&(struct settings_table){ driver->options, paper.options });
	return driver->setup(&paper.instrument, NULL);
}

static int end(void **state)
{
	(void)state;
	free(paper.instrument.state);
	cutter_reset(&paper.cutter);
	memset(&paper, 0, sizeof(paper));
	return 0;
}

static void set(const char *name, const char *value)
{
	struct fault fault = { "" };
	for (const struct setting *row = paper.instrument.driver->options; row->name; row++)
		if (strcmp(row->name, name) == 0) {
			assert_int_equal(settings_value(row, value, paper.options, &fault), 0);
			return;
		}
	fail_msg("no setting %s", name);
}

static void take(struct reply reply)
{
	struct readings readings = { .room = 0 };
	assert_int_equal(paper.instrument.driver->take(&paper.instrument, &reply, &readings), NEXT_WAIT);
	assert_int_equal(readings.count, 0); /* what is scanned is no result */
	for (size_t i = 0; i < readings.scan_count; i++) {
		snprintf(paper.texts[paper.scan_count], sizeof(*paper.texts), "%s", readings.scans[i].text);
		paper.scans[paper.scan_count++] = readings.scans[i];
	}
	for (size_t i = 0; i < readings.notice_count; i++)
		paper.notices[paper.notice_count++] = readings.notices[i];
}

static void drain(bool silent)
{
	struct cut cut;
	enum cut_kind kind;
	while ((kind = cutter_next(&paper.cutter, &paper.instrument, silent, &cut)) != CUT_MORE) {
		assert_int_equal(kind, CUT_FRAME);
		take((struct reply){
			.kind = REPLY_FRAME, .bytes = cut.bytes, .length = cut.length, .offset = cut.offset });
	}
}

static void arrive(const void *data, size_t length)
{
	for (size_t at = 0; at < length; at++) {
		assert_int_equal(cutter_feed(&paper.cutter, (const uint8_t *)data + at, 1), 0);
		drain(false);
	}
}

static void silence(void)
{
	drain(true);
	assert_int_equal(cutter_held(&paper.cutter), 0);
	take((struct reply){ .kind = REPLY_SILENCE });
}

static void scan(const char *text)
{
	arrive(text, strlen(text));
}

static void expect_refused(const char *code, const char *why)
{
	size_t scans = paper.scan_count;
	paper.notice_count = 0;
	scan(code);
	assert_int_equal(paper.scan_count, scans);
	assert_true(paper.notice_count >= 1);
	if (!strstr(paper.notices[0].reason, why))
		fail_msg("%s: \"%s\" does not say \"%s\"", code, paper.notices[0].reason, why);
	assert_int_equal(paper.notices[0].kind, NOTICE_SCAN_REFUSED);
}

static void every_way_to_end_a_code_gives_it_once(void **state)
{
	(void)state;
	scan("S-1\rS-2\nS-3\r\nS-4\tS-5\r\n\r\n");
	assert_int_equal(paper.scan_count, 5);
	scan("S-6");
	assert_int_equal(paper.scan_count, 5); /* it may go on */
	silence();
	assert_int_equal(paper.scan_count, 6);
	silence();
	for (size_t i = 0; i < 6; i++) {
		char number[8];
		snprintf(number, sizeof(number), "S-%zu", i + 1);
		assert_string_equal(paper.scans[i].facts.no, number);
		assert_int_equal(paper.scans[i].kind, SCAN_NUMBER);
	}
	assert_int_equal(paper.notice_count, 0);
}

static void half_a_code_is_not_used_where_codes_have_an_end(void **state)
{
	(void)state;
	set("end", "line");
	scan("20260305-0");
	silence();
	scan("17\r");
	assert_int_equal(paper.scan_count, 1); /* what came behind the silence is a code of its own */
	assert_string_equal(paper.scans[0].facts.no, "17");
	assert_int_equal(paper.notice_count, 1);
	assert_non_null(strstr(paper.notices[0].reason, "without its end"));
}

static void a_code_of_several_lines_is_one_where_silence_ends_codes(void **state)
{
	(void)state;
	set("end", "silence");
	scan("产品名称：菠菜\r\n产地：嘉善\r\n承诺主体：某合作社\r\n");
	assert_int_equal(paper.scan_count, 0);
	silence();
	assert_int_equal(paper.scan_count, 1);
	assert_string_equal(paper.scans[0].facts.name, "菠菜");
	assert_string_equal(paper.scans[0].facts.origin, "嘉善");
	assert_string_equal(paper.scans[0].facts.party, "某合作社");
	assert_string_equal(paper.texts[0], "产品名称：菠菜\n产地：嘉善\n承诺主体：某合作社");
}

/* Its tail must not pass for a code, whether an end or silence comes behind it. */
static void what_is_longer_than_any_code_names_nothing(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 4; round++) {
		start(NULL);
		for (unsigned i = 0; i < 4096 * (round / 2 + 1) + 7; i++)
			arrive("7", 1);
		if (round % 2)
			arrive("\r", 1);
		silence();
		assert_int_equal(paper.scan_count, 0);
		assert_int_equal(paper.notice_count, 1);
		scan("S-1\r");
		assert_int_equal(paper.scan_count, 1);
	}
}

static void bytes_that_are_no_text_are_kept_and_name_nothing(void **state)
{
	(void)state;
	arrive("S-1\xff\r", 5);
	arrive("S-\0001\r", 5);
	arrive("S-\x1b[A1\r", 7);
	assert_int_equal(paper.scan_count, 0);
	assert_int_equal(paper.notice_count, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(paper.notices[i].kind, NOTICE_UNDECODABLE);
		assert_true(paper.notices[i].raw_length >= 5);
	}
	arrive("330421198001010013\xff\r", 20); /* whose bytes may name a person */
	assert_int_equal(paper.notices[3].kind, NOTICE_UNDECODABLE);
	assert_int_equal(paper.notices[3].raw_length, 0);
}

static void chinese_text_is_read_in_both_encodings(void **state)
{
	(void)state;
	/* 毒死蜱-1, 噻虫嗪 of vectors/gb18030.jsonl; a four-byte character */
	static const char gb[] = "\xb6\xbe\xcb\xc0\xf2\xe7-1\r";
	scan(gb);
	assert_string_equal(paper.scans[0].facts.no, "毒死蜱-1");
	scan("毒死蜱-1\r");
	assert_string_equal(paper.scans[1].facts.no, "毒死蜱-1");
	set("encoding", "utf-8");
	scan(gb);
	assert_int_equal(paper.scan_count, 2);
	assert_int_equal(paper.notices[0].kind, NOTICE_UNDECODABLE);
	set("encoding", "gb18030");
	scan("\xc1\xaa\xcd\xa8-1\r"); /* 联通: valid UTF-8 as well */
	assert_string_equal(paper.scans[2].facts.no, "联通-1");
	scan("\x81\x39\xee\x39-1\r");
	assert_string_equal(paper.scans[3].facts.no, "㐀-1");
}

static void a_wrong_check_character_is_told_and_not_used(void **state)
{
	(void)state;
	scan("91350100M000100Y43\r");
	assert_string_equal(paper.scans[0].facts.uscc, "91350100M000100Y43");
	assert_string_equal(paper.scans[0].facts.no, "");
	expect_refused("91350100M000100Y44\r", "would have to be 3");
	expect_refused("91350200M000000510\r", "no credit code");
	/* in a certificate the rest counts */
	paper.notice_count = 0;
	scan("product=菠菜;uscc=91350100M000100Y44\r");
	assert_int_equal(paper.notice_count, 1);
	assert_string_equal(paper.scans[1].facts.name, "菠菜");
	assert_string_equal(paper.scans[1].facts.uscc, "");
	paper.notice_count = 0;
	scan("product=菠菜;uscc=none\r");
	assert_non_null(strstr(paper.notices[0].reason, "'none' is no credit code"));
}

static const struct certificate {
	const char *code, *name, *origin, *party;
} certificates[] = {
	{ "{\"product\":\"\\u83e0\\u83dc\",\"origin\":\"\\ud83d\\ude00\",\"data\":{\"subject\":\"某户\"},\"n\":[1,true,null]}",
		"菠菜", "😀", "某户" },
	{ "{ \"Product_Name\" : \"菠菜\" , \"产地\":\"A\\\"\\/\\\\\" }", "菠菜", "A\"/\\", "" },
	{ "https://a.cn/?product=%E8%8F%A0%E8%8F%9C&origin=%BC%CE%C9%C6&subject=a+b#x", "菠菜", "嘉善", "a b" },
	{ "产品名称：菠菜；产地：浙江,嘉善；生产者：某户", "菠菜", "浙江,嘉善", "某户" },
	{ "产品名称:菠菜,产地:嘉善", "菠菜", "嘉善", "" },
	{ "product=菠菜&origin=嘉善&x=y", "菠菜", "嘉善", "" },
	{ "品名 = 菠菜 | 产地 = 嘉善", "菠菜", "嘉善", "" },
	{ "姓名：王某；产品名称：菠菜；电话：13900000000", "菠菜", "", "" },
};

static void only_what_is_labelled_is_taken(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(certificates) / sizeof(*certificates); i++) {
		start(NULL);
		scan(certificates[i].code);
		silence();
		assert_int_equal(paper.scan_count, 1);
		const struct sample_facts *facts = &paper.scans[0].facts;
		assert_string_equal(facts->name, certificates[i].name);
		assert_string_equal(facts->origin, certificates[i].origin);
		assert_string_equal(facts->party, certificates[i].party);
		assert_string_equal(facts->no, "");
		assert_string_equal(paper.texts[0], certificates[i].code); /* all of it is kept */
	}
}

static void every_fact_has_a_label(void **state)
{
	(void)state;
	scan("样品编号=S1;产品名称=菠菜;类别=蔬菜;主体名称=某户;统一社会信用代码=91350100M000100Y43;摊位号=3;产地=嘉善;"
	     "追溯码=T1;合格证编号=H1;环节=入场\r");
	const struct sample_facts *facts = &paper.scans[0].facts;
	const char *const said[] = { facts->no, facts->name, facts->category, facts->party, facts->uscc, facts->stall,
		facts->origin, facts->trace_code, facts->certificate, facts->event };
	static const char *const wanted[] = { "S1", "菠菜", "蔬菜", "某户", "91350100M000100Y43", "3", "嘉善", "T1",
		"H1", "入场" };
	for (size_t i = 0; i < 10; i++)
		assert_string_equal(said[i], wanted[i]);
}

static void what_would_have_to_be_guessed_is_refused(void **state)
{
	(void)state;
	expect_refused("{\"product\":\"菠菜\",\"品名\":\"白菜\"}\r", "twice and differently");
	expect_refused("{\"name\":\"王某\"}\r", "nothing in the code is labelled");
	expect_refused("{\"product\":\"菠菜\"\r", "none");
	expect_refused("{\"product\":\"\\ud83d\"}\r", "none");
	expect_refused("{\"product\":\"菠菜\"}x\r", "none");
	expect_refused("产品名称：菠菜 产地：嘉善\r", "neither"); /* where does the name end? */
	expect_refused("hello world\r", "neither");
	expect_refused("spinach\r", "neither");
	char deep[64] = "{\"a\":";
	memset(deep + 5, '[', 40);
	strcpy(deep + 45, "\r");
	expect_refused(deep, "none");
	char number[80];
	memset(number, '7', 70);
	strcpy(number + 70, "\r");
	expect_refused(number, "neither");
}

static void a_value_too_long_for_the_record_is_told_and_left_out(void **state)
{
	(void)state;
	char code[300] = "origin=嘉善;product=";
	size_t length = strlen(code);
	memset(code + length, 'x', 100);
	strcpy(code + length + 100, "\r");
	scan(code);
	assert_string_equal(paper.scans[0].facts.origin, "嘉善");
	assert_string_equal(paper.scans[0].facts.name, "");
	assert_int_equal(paper.notice_count, 1);
}

static void codes_of_the_national_platform_are_told_apart(void **state)
{
	(void)state;
	static const struct {
		const char *code;
		enum scan_kind kind;
		bool trace, uscc;
	} rows[] = {
		{ "1.0.91350100M000100Y43.01010101.20260305094120.001\r", SCAN_TRACE_CODE, true, true },
		{ "3.3.000000000330421017.01010101.20260305094120.999\r", SCAN_TRACE_CODE, true, false },
		{ "1.91350100M000100Y43.00000\r", SCAN_CREDIT_CODE, false, true },
		{ "1.2.156.326.8.1.6.3.3.91350100M000100Y43\r", SCAN_CREDIT_CODE, false, true },
		{ "1.2.156.326.8.1.1.0.1.91350100M000100Y43.01010101.20260305094120\r", SCAN_TRACE_CODE, true, true },
		{ "1.2.156.326.8.1.1.0.1.91350100M000100Y43.00001.01010101.20260305094120\r", SCAN_TRACE_CODE, true,
			true },
		/* none of them: sample numbers */
		{ "4.0.91350100M000100Y43.01010101.20260305094120.001\r", SCAN_NUMBER, false, false },
		{ "1.0.91350100M000100Y43.0101010.20260305094120.001\r", SCAN_NUMBER, false, false },
		{ "20260305.017\r", SCAN_NUMBER, false, false },
		{ "20260305094120000017\r", SCAN_NUMBER, false, false },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		start(NULL);
		scan(rows[i].code);
		assert_int_equal(paper.scan_count, 1);
		assert_int_equal(paper.scans[0].kind, rows[i].kind);
		assert_int_equal(*paper.scans[0].facts.trace_code != '\0', rows[i].trace);
		assert_int_equal(*paper.scans[0].facts.uscc != '\0', rows[i].uscc);
		assert_int_equal(*paper.scans[0].facts.no != '\0', rows[i].kind == SCAN_NUMBER);
	}
	set("short-trace-codes", "yes");
	scan("20260305094120000017\r");
	assert_string_equal(paper.scans[1].facts.trace_code, "20260305094120000017");
}

#define PERSON "330421198001010013" /* made up; its check digit is right */

static void a_persons_number_is_refused_however_it_is_written(void **state)
{
	(void)state;
	static const char *const codes[] = { PERSON "\r", "身份证号：" PERSON "；产品名称：菠菜\r",
		"1." PERSON ".00000\r", "https://a.cn/?product=x&id=" PERSON "\r",
		"https://a.cn/?product=x&id=%3330421198001010013\r", "https://a.cn/%3330421198001010013/x\r",
		"{\"product\":\"x\",\"id\":\"\\u0033\\u00330421198001010013\"}\r",
		"产品名称：菠菜；330421800101001\r" };
	for (int own = 0; own < 2; own++) {
		paper.instrument.identity = own ? IDENTITY_KEEP : IDENTITY_REFUSE;
		set("identity-numbers", own ? "refuse" : "station");
		for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++) {
			expect_refused(codes[i], "identity card");
			assert_null(strstr(paper.notices[0].reason, "8001"));
			assert_int_equal(paper.notices[0].raw_length, 0);
		}
	}
}

/* A longer row of digits is nobody's number; what a refusal shows of it must not become one. */
static void a_row_of_digits_that_is_cut_short_is_no_persons_number(void **state)
{
	(void)state;
	expect_refused("?????????????????????????????????????????" PERSON "04\r", "neither"); /* 59 bytes, and two */
	assert_null(strstr(paper.notices[0].reason, "8001"));
	paper.instrument.identity = IDENTITY_KEEP;
	expect_refused("?????????????????????????????????????????" PERSON "04\r", PERSON);
}

/* The last scan says this fact, and nowhere whom. */
static void expect_masked(const char *code, size_t offset, const char *wanted)
{
	scan(code);
	const struct scan *last = &paper.scans[paper.scan_count - 1];
	assert_string_equal((const char *)&last->facts + offset, wanted);
	for (const struct fact *fact = facts_table; fact->name; fact++)
		assert_null(strstr(fact_of(&last->facts, fact), "8001"));
	assert_null(strstr(paper.texts[paper.scan_count - 1], "8001"));
	for (size_t i = 0; i < paper.notice_count; i++)
		assert_null(strstr(paper.notices[i].reason, "8001"));
}

#define FACT(member) offsetof(struct sample_facts, member)

static void a_persons_number_is_masked_unless_the_station_says_otherwise(void **state)
{
	(void)state;
	expect_masked("产品名称：菠菜；承诺主体：" PERSON "\r", FACT(party), "330421************");
	expect_masked("产品名称：菠菜；承诺主体：330421800101001\r", FACT(party), "330421*********");
	expect_masked("产品名称：菠菜；信用代码：" PERSON "\r", FACT(uscc), "");
	expect_masked("产品名称：菠菜；样品编号：" PERSON "\r", FACT(no), "");
	expect_masked("https://a.cn/?product=x&producer=%3330421198001010013\r", FACT(party), "330421************");
	expect_masked("https://a.cn/?product=x&producer=%3330421198001010013\r", FACT(certificate), "");
	expect_masked("{\"product\":\"x\",\"id\":\"\\u0033\\u00330421198001010013\"}\r", FACT(name), "x");
	expect_masked("3.0." PERSON ".01010101.20260305094120.001\r", FACT(trace_code),
		"3.0.330421************.01010101.20260305094120.001");
	start(NULL);
	expect_refused(PERSON "\r", "neither"); /* what is left is no sample's number */
	expect_refused("样品编号：" PERSON "\r", "no sample number");
	expect_refused("https://a.cn/%3330421198001010013/x\r", "identity card");
	paper.instrument.identity = IDENTITY_KEEP;
	scan("产品名称：菠菜；承诺主体：" PERSON "\r");
	assert_string_equal(paper.scans[paper.scan_count - 1].facts.party, PERSON);
	set("identity-numbers", "mask");
	expect_masked("产品名称：菠菜；承诺主体：" PERSON "\r", FACT(party), "330421************");
}

static void a_number_made_of_county_and_date_is_a_sample_number(void **state)
{
	(void)state;
	char code[24];
	for (unsigned i = 0; i < 100; i++) { /* whatever its last digit */
		start(NULL);
		snprintf(code, sizeof(code), "33042120260305%04u\r", i);
		scan(code);
		assert_int_equal(paper.scan_count, 1);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_way_to_end_a_code_gives_it_once),
		TEST(half_a_code_is_not_used_where_codes_have_an_end),
		TEST(a_code_of_several_lines_is_one_where_silence_ends_codes),
		TEST(what_is_longer_than_any_code_names_nothing),
		TEST(bytes_that_are_no_text_are_kept_and_name_nothing),
		TEST(chinese_text_is_read_in_both_encodings),
		TEST(a_wrong_check_character_is_told_and_not_used),
		TEST(only_what_is_labelled_is_taken),
		TEST(every_fact_has_a_label),
		TEST(what_would_have_to_be_guessed_is_refused),
		TEST(a_value_too_long_for_the_record_is_told_and_left_out),
		TEST(codes_of_the_national_platform_are_told_apart),
		TEST(a_persons_number_is_refused_however_it_is_written),
		TEST(a_row_of_digits_that_is_cut_short_is_no_persons_number),
		TEST(a_persons_number_is_masked_unless_the_station_says_otherwise),
		TEST(a_number_made_of_county_and_date_is_a_sample_number),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
