/* Registrations as CSV files, on paper: what each row says, and what is wrong with it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <iconv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../daemon/cutter.h"

#define HEADING "样品编号,样品名称,受检单位,统一社会信用代码\n"
#define USCC    "91110108735106340Y"

static struct {
	struct instrument instrument;
	struct scan scans[16];
	char texts[16][512];
	size_t scan_count;
	char reasons[16][160];
	size_t reason_count;
	unsigned rejected;
} paper;

static void take(const struct reply *reply)
{
	struct readings readings = { .count = 0 };
	assert_int_equal(paper.instrument.driver->take(&paper.instrument, reply, &readings), NEXT_WAIT);
	for (size_t i = 0; i < readings.scan_count; i++) {
		paper.scans[paper.scan_count] = readings.scans[i];
		snprintf(paper.texts[paper.scan_count++], sizeof(paper.texts[0]), "%s", readings.scans[i].text);
	}
	for (size_t i = 0; i < readings.notice_count; i++) {
		assert_int_equal(readings.notices[i].kind, NOTICE_SCAN_REFUSED);
		strcpy(paper.reasons[paper.reason_count++], readings.notices[i].reason);
	}
	paper.rejected += readings.rejected;
}

static enum identity_rule rule;

/* A file from its first byte to its last, in pieces of `step` bytes. */
static void hear(const char *text, size_t step)
{
	struct cutter cutter = { 0 };
	struct cut cut;
	size_t length = strlen(text);
	free(paper.instrument.state);
	memset(&paper, 0, sizeof(paper));
	paper.instrument.driver = driver_by_name("samples-csv");
	paper.instrument.state = calloc(1, paper.instrument.driver->state_size);
	paper.instrument.now = (struct date_time){ 2026, 3, 5, 9, 50, 0 };
	paper.instrument.file = "today.csv";
	paper.instrument.identity = rule;
	paper.instrument.file_day = (struct date_time){ .year = 2026, .month = 3, .day = 5 };
	assert_int_equal(paper.instrument.driver->setup(&paper.instrument, NULL), 0);
	take(&(struct reply){ .kind = REPLY_FILE });
	for (size_t at = 0; at < length; at += step) {
		size_t some = length - at < step ? length - at : step;
		bool final = at + some == length;
		assert_int_equal(cutter_feed(&cutter, (const uint8_t *)text + at, some), 0);
		paper.instrument.idle = final;
		while (cutter_next(&cutter, &paper.instrument, final, &cut) == CUT_FRAME)
			take(&(struct reply){ .kind = REPLY_FRAME, .bytes = cut.bytes, .length = cut.length });
	}
	cutter_reset(&cutter);
}

static int end(void **state)
{
	(void)state;
	free(paper.instrument.state);
	paper.instrument.state = NULL;
	return 0;
}

static void each_row_is_a_registration_however_the_file_is_written(void **state)
{
	static const char *const files[] = {
		HEADING "S1,菠菜,市场甲," USCC "\n\nS2,\"葱, 青\",,\n",
		HEADING "S1 , \"菠菜\" ,市场甲," USCC "\r\n# a remark\r\nS2,\"葱, 青\",,",
		"party\tuscc\tno\tname\n市场甲\t" USCC "\tS1\t菠菜\n\t\tS2\t葱, 青\n",
		"被检单位;信用代码;样品号;品名\n市场甲;" USCC ";S1;菠菜\n;;S2;葱, 青\n",
	};
	char gb18030[512], *to = gb18030, *from = (char *)(uintptr_t)files[0];
	size_t left = strlen(files[0]), room = sizeof(gb18030);
	iconv_t converter = iconv_open("GB18030", "UTF-8");
	(void)state;
	assert_int_equal(iconv(converter, &from, &left, &to, &room), 0);
	*to = '\0';
	iconv_close(converter);
	for (size_t i = 0; i < 5; i++) {
		for (size_t step = 1; step < 200; step += 13) {
			hear(i < 4 ? files[i] : gb18030, step);
			assert_int_equal(paper.reason_count, 0);
			assert_int_equal(paper.scan_count, 2);
			assert_int_equal(paper.scans[0].kind, SCAN_ROW);
			assert_string_equal(paper.scans[0].facts.no, "S1");
			assert_string_equal(paper.scans[0].facts.party, "市场甲");
			assert_string_equal(paper.scans[0].facts.uscc, USCC);
			assert_string_equal(paper.scans[1].facts.name, "葱, 青");
			assert_string_equal(paper.texts[0], "2026-03-05; no=S1; name=菠菜; party=市场甲; uscc=" USCC);
			assert_string_equal(paper.texts[1], "2026-03-05; no=S2; name=葱, 青");
		}
	}
}

static void each_fault_is_told_with_its_line_and_costs_its_row_only(void **state)
{
	static const char *const says[] = {
		"today.csv:2: uscc: 91110108735106340X is no credit code",
		"today.csv:3: a sample without a number",
		"today.csv:4: name: holds the number of a person's identity card",
		"today.csv:5: more cells than the first line has columns",
		"today.csv:6: a line that is no text",
	};
	(void)state;
	rule = IDENTITY_REFUSE;
	hear(HEADING "S1,a,b,91110108735106340X\n,a,b,\nS3,11010519491231002X,b,\nS4,a,b,,c\nS5,\xFF\xFF,b,\nS6,a,b,\n",
		7);
	assert_int_equal(paper.reason_count, sizeof(says) / sizeof(says[0]));
	for (size_t i = 0; i < paper.reason_count; i++)
		if (strncmp(paper.reasons[i], says[i], strlen(says[i])) != 0)
			fail_msg("'%s' is not '%s'", paper.reasons[i], says[i]);
	assert_int_equal(paper.scan_count, 1);
	assert_string_equal(paper.scans[0].facts.no, "S6");
}

static void a_quote_that_will_not_do_costs_its_row_up_to_where_it_closes(void **state)
{
	static const struct {
		const char *text, *first; /* of the reasons; "" for none */
		size_t reasons;
		const char *numbers; /* that are registered */
	} files[] = {
		{ HEADING "S1,菠菜,\"甲农场\n二号棚\",\nS2,白菜,乙,\n", "today.csv:2: a quote opens here", 1, "S2 " },
		{ HEADING "S1,\"菠\nS9,\n# x\n\n\"\"S8,a\n菜\",\"甲\r\n乙\" ,\r\nS2,a,b,\r\n",
			"today.csv:2: a quote opens", 1, "S2 " },
		{ HEADING "S1,a,b,\nS2,\"白菜\nS3,a,b,\nS4,a,b,\n", "today.csv:3: a quote opens here", 1, "S1 " },
		{ HEADING "S1,\"白菜\nS2,\"韭菜\",b,\nS3,a,b,\n", "today.csv:2: a quote opens here", 1, "S3 " },
		{ HEADING "S1,\"白\"菜,b,\nS2,a\"b,c,\nS3,\"a \"\"b\"\"\",c,\n", "today.csv:2: text follows a closing",
			2, "S3 " },
		{ "no,\"样品\n名称\"\nS1,a\nS2,b\n", "today.csv:1: a quote opens here", 1, "" },
		{ HEADING "S1,\"\",\" a \",\"\"\"\"\nS2,,,\"\"\n", "today.csv:2: uscc: ", 1, "S2 " },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		char numbers[64] = "";
		hear(files[i].text, 1 + i);
		assert_int_equal(paper.reason_count, files[i].reasons);
		if (strncmp(paper.reasons[0], files[i].first, strlen(files[i].first)) != 0)
			fail_msg("'%s' is not '%s'", paper.reasons[0], files[i].first);
		for (size_t row = 0; row < paper.scan_count; row++) {
			strcat(numbers, paper.scans[row].facts.no);
			strcat(numbers, " ");
		}
		assert_string_equal(numbers, files[i].numbers);
		assert_true(paper.rejected >= paper.reason_count);
	}
}

static void an_identity_number_is_masked_and_its_row_kept(void **state)
{
	(void)state;
	rule = IDENTITY_MASK;
	hear(HEADING "S3,11010519491231002X,b,\n11010519491231002X,a,b,\nS4,a,b,11010519491231002X\n", 7);
	assert_int_equal(paper.reason_count, 1);
	assert_non_null(strstr(paper.reasons[0], "today.csv:3: no: holds the number"));
	assert_int_equal(paper.scan_count, 2);
	assert_string_equal(paper.scans[0].facts.name, "110105************");
	assert_string_equal(paper.texts[0], "2026-03-05; no=S3; name=110105************; party=b");
	assert_string_equal(paper.texts[1], "2026-03-05; no=S4; name=a; party=b");
	rule = IDENTITY_KEEP;
	hear(HEADING "S3,11010519491231002X,b,\n", 7);
	assert_string_equal(paper.scans[0].facts.name, "11010519491231002X");
}

static void a_first_line_that_will_not_do_is_told_once(void **state)
{
	(void)state;
	hear("样品名称,备注\n菠菜,x\n韭菜,y\n", 100);
	assert_int_equal(paper.scan_count, 0);
	assert_int_equal(paper.reason_count, 2);
	assert_non_null(strstr(paper.reasons[0], "today.csv:1: no fact of a sample is called '备注'"));
	assert_non_null(strstr(paper.reasons[1], "today.csv:1: the first line names no sample number"));
	hear("no,样品编号\n1,2\n", 100);
	assert_int_equal(paper.scan_count, 0);
	assert_non_null(strstr(paper.reasons[0], "two columns say the sample's no"));
	hear("no,备注\n1,x\n", 100); /* an extra column costs nothing */
	assert_int_equal(paper.scan_count, 1);
	char longest[6000];
	memset(longest, 'x', sizeof(longest));
	memcpy(longest, "no\n", 3);
	memcpy(longest + sizeof(longest) - 4, "\nS2", 4);
	hear(longest, 500);
	assert_true(paper.reason_count > 0 && paper.scan_count == 1);
	assert_string_equal(paper.scans[0].facts.no, "S2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(each_row_is_a_registration_however_the_file_is_written, end),
		cmocka_unit_test_teardown(each_fault_is_told_with_its_line_and_costs_its_row_only, end),
		cmocka_unit_test_teardown(a_quote_that_will_not_do_costs_its_row_up_to_where_it_closes, end),
		cmocka_unit_test_teardown(an_identity_number_is_masked_and_its_row_kept, end),
		cmocka_unit_test_teardown(a_first_line_that_will_not_do_is_told_once, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
