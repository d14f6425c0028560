/* XML on paper: what is a record, what its members say, and where one that was cut off ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <unistd.h>

#include "text_fixture.h"

static char own[] = "/tmp/assay-xml-XXXXXX";

static void write_profile(const char *more)
{
	FILE *file = fopen(own, "w");
	assert_non_null(file);
	fprintf(file,
		"[frame]\nkind = xml\n%s\n[field]\nsequence = member @no\nsample-no = member sample|样品编号\nsample-name = member "
		"sample.@name\nvalue = member value\nunit = member value.@unit\nverdict = member judged.by.word\n[map "
		"verdict]\nok = negative\n",
		more);
	fclose(file);
}

static struct paper *reader(const char *more)
{
	write_profile(more);
	return paper_new(own, "");
}

#define DOCUMENT          "[document]\nrecords = result"
#define RESULT(no, value) "<result no='" no "'><sample>S" no "</sample><value unit=\"mg/kg\">" value "</value></result>"

static void elements_and_attributes_are_members(void **state)
{
	(void)state;
	struct paper *paper = reader("encoding = utf-8\n" DOCUMENT);
	paper_hear_text(paper,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<!-- <result> -->\n<results station=\"x\">text\n"
		"<result no = \"17\" >\n <sample name='&#x83DC;&lt;a&gt; &quot;b&apos; &amp;'> S1<!-- no --><![CDATA[<&7]]> </sample>\n"
		" <judged by=\"\"><by><word>ok</word></by></judged><value unit='mg/kg'>&lt;2.30</value><empty/><?no?>\n"
		"</result>" RESULT("18", "12.90") "</results>\n");
	assert_int_equal(paper->noise, 0);
	assert_int_equal(paper->readings.notice_count, 0);
	assert_int_equal(paper->readings.count, 2);
	const struct reading *reading = &paper->list[0];
	assert_string_equal(reading->instrument_seq, "17");
	assert_string_equal(reading->sample_no, "S1<&7");
	assert_string_equal(reading->sample_name, "菜<a> \"b' &");
	assert_string_equal(reading->qualifier, "<");
	assert_string_equal(reading->value, "2.30");
	assert_string_equal(reading->unit, "mg/kg");
	assert_int_equal(reading->verdict, VERDICT_NEGATIVE);
	assert_string_equal(paper->list[1].value, "12.90");
	assert_int_equal(paper->list[1].raw_length, strlen(RESULT("18", "12.90")));
	paper_free(paper);
}

static void hanzi_in_gb18030_hide_nothing(void **state)
{
	(void)state;
	struct paper *paper = reader(DOCUMENT);
	paper_hear_text(paper, "<result><\xD1\xF9\xC6\xB7\xB1\xE0\xBA\xC5>\x84\x5C\x85\x5B\x81\x30\x81\x30 7</"
			       "\xD1\xF9\xC6\xB7\xB1\xE0\xBA\xC5><value>1</value></result>");
	assert_int_equal(paper->readings.count, 1);
	assert_string_equal(paper->list[0].sample_no, "刓匸\xEF\xBF\xBD 7");
	paper_free(paper);
}

static void what_is_not_well_formed_is_told_with_its_bytes(void **state)
{
	(void)state;
	static const struct {
		const char *record, *told;
	} wrong[] = {
		{ "<result><value>1</value><value>2</value></result>", "'value' is there twice" },
		{ "<result><value>1<b>2</b></value></result>", "'value' has elements in it, no text" },
		{ "<result><value>1</valve></result>", "the element 'value' is ended by another" },
		{ "<result><value unit=mg>1</value></result>", "the attribute 'unit' is not well formed" },
		{ "<result><value unit='a'no='b'>1</value></result>", "the attribute 'no' is not well formed" },
		{ "<result><value unit>1</value></result>", "the attribute 'unit' is not well formed" },
		{ "<result><!DOCTYPE a><value>1</value></result>", "no XML" },
		{ "<result/>", "neither value nor verdict" },
		{ "<result><sample>1</sample></result>", "neither value nor verdict" },
	};
	struct paper *paper = reader("encoding = utf-8\n" DOCUMENT);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char text[512];
		snprintf(text, sizeof(text), "%s%s", wrong[i].record, RESULT("2", "2"));
		paper_hear_text(paper, text);
		assert_int_equal(paper->readings.count, 1);
		assert_string_equal(paper->list[0].instrument_seq, "2");
		assert_int_equal(paper->readings.notice_count, 1);
		assert_string_equal(paper->readings.notices[0].reason, wrong[i].told);
	}
	paper_hear_text(paper, "<result><value/></result>");
	assert_int_equal(paper->readings.count, 1);
	assert_int_equal(paper->list[0].verdict, VERDICT_INVALID);
	paper_free(paper);
}

/* Wherever it was cut: the next two are whole. */
static void a_record_cut_off_takes_no_other_with_it(void **state)
{
	(void)state;
	static const char record[] = RESULT("1", "1");
	struct paper *paper = reader("encoding = utf-8\n" DOCUMENT);
	for (size_t cut = 8; cut < sizeof(record) - 1; cut++) {
		char text[512];
		size_t found = 0;
		snprintf(text, sizeof(text), "<results>%.*s<results>%s%s</results>", (int)cut, record, RESULT("2", "2"),
			RESULT("3", "3"));
		for (size_t i = 0; i < strlen(text); i++) {
			paper_hear(paper, text + i, 1, false);
			for (size_t k = 0; k < paper->readings.count; k++)
				found += strcmp(paper->list[k].instrument_seq, "1") == 0 ? 100 : 1;
		}
		/* a quote that was open may hide the tag behind it, not more */
		assert_true(found == 2 || (found == 1 && cut < 40));
		paper_hear_text(paper, "</results>");
	}
	paper_hear_text(paper, "<result><value>1</va");
	assert_int_equal(paper->readings.notice_count, 0);
	paper_hear(paper, "", 0, true);
	assert_int_equal(paper->readings.notice_count, 1);
	assert_string_equal(paper->readings.notices[0].reason, "cut off before its end");
	paper_free(paper);
}

static void a_record_longer_or_deeper_than_any_is_told(void **state)
{
	(void)state;
	static char text[70000];
	struct paper *paper = reader("encoding = utf-8\n" DOCUMENT);
	memset(text, 'x', sizeof(text));
	paper_hear_text(paper, "<result>");
	paper_hear(paper, text, sizeof(text), false);
	assert_int_equal(paper->readings.notice_count, 1);
	int length = sprintf(text, "<result>");
	for (int i = 0; i < 40; i++)
		length += sprintf(text + length, "<a>");
	for (int i = 0; i < 40; i++)
		length += sprintf(text + length, "</a>");
	length += sprintf(text + length, "</result>");
	paper_hear(paper, text, (size_t)length, false);
	assert_int_equal(paper->readings.notice_count, 1);
	assert_string_equal(paper->readings.notices[0].reason, "more levels than a record can have");
	paper_free(paper);
}

static void entities_nobody_declared_are_marked(void **state)
{
	(void)state;
	static const struct {
		const char *sent, *text;
		unsigned marks;
	} texts[] = { { "a&nbsp;b", "a\xEF\xBF\xBDnbsp;b", TEXT_BAD },
		{ "a&b",
			"a\xEF\xBF\xBD"
			"b",
			TEXT_BAD },
		{ "&#0;&#xD800;&#x110000;&#-1;", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD", TEXT_BAD },
		{ "&#65;&#x83dc;", "A菜", 0 }, { "<![CDATA[&lt;]]>&lt;", "&lt;<", 0 }, { "", "", 0 } };
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		char text[64];
		struct text_piece token = { (const uint8_t *)texts[i].sent, strlen(texts[i].sent) };
		assert_int_equal(text_xml_text(TEXT_UTF8, token, text, sizeof(text)), texts[i].marks);
		assert_string_equal(text, texts[i].text);
	}
}

static void mistakes_in_its_profile_are_told(void **state)
{
	(void)state;
	static const struct {
		const char *more, *told;
	} wrong[] = { { "", "records = NAME in [document]" }, { "start = <\n" DOCUMENT, "needs neither start" },
		{ DOCUMENT "\n[query]\nask = READ", "done in [query]" } };
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char complaints[2048] = "";
		write_profile(wrong[i].more);
		assert_null(paper_profile(own, complaints, sizeof(complaints)));
		assert_non_null(strstr(complaints, wrong[i].told));
	}
	struct paper *paper = reader(DOCUMENT "\n[query]\nask = READ\ndone = </results>");
	paper_ask(paper);
	paper_hear_text(paper, "<results>" RESULT("1", "1"));
	assert_int_equal(paper->next, NEXT_WAIT);
	paper_hear_text(paper, RESULT("2", "2") "</results>");
	assert_int_equal(paper->next, NEXT_IDLE);
	paper_free(paper);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(elements_and_attributes_are_members),
		cmocka_unit_test(hanzi_in_gb18030_hide_nothing),
		cmocka_unit_test(what_is_not_well_formed_is_told_with_its_bytes),
		cmocka_unit_test(a_record_cut_off_takes_no_other_with_it),
		cmocka_unit_test(a_record_longer_or_deeper_than_any_is_told),
		cmocka_unit_test(entities_nobody_declared_are_marked),
		cmocka_unit_test(mistakes_in_its_profile_are_told),
	};
	close(mkstemp(own));
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(own);
	return failed;
}
