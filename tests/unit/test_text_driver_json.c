/* JSON on paper: the scanner, what its tokens say, how documents are cut, and the dialogue of a reader that sends them.
 * Whole captures are tested by test_decode. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <unistd.h>

#include "text_fixture.h"

#define READER "config/profiles/reader-dy6260-json.conf"

/* ---- the scanner ---- */

static enum text_json_event last_event(const char *text, size_t length, unsigned *ret_count)
{
	struct text_json json = text_json_of(TEXT_UTF8, (const uint8_t *)text, length);
	enum text_json_event event;
	*ret_count = 0;
	do {
		event = text_json_next(&json);
		++*ret_count;
	} while (event != JSON_BAD && event != JSON_MORE && (event != JSON_END || json.depth > 0));
	return event;
}

static void what_is_json_is_read_to_its_end_and_never_before(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		unsigned events;
	} right[] = {
		{ "{}", 2 },
		{ " [ ] ", 2 },
		{ "{\"a\":1}", 4 },
		{ "{ \"a\" : [ 1 , -0.5e+3 , true,false , null ] , \"\":\"\" }", 12 },
		{ "[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"]", 3 },
		{ "[{\"a\":{\"b\":{}}},[[]]]", 14 },
	};
	unsigned count;
	for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
		size_t whole = strlen(right[i].text);
		assert_int_equal(last_event(right[i].text, whole, &count), JSON_END);
		assert_int_equal(count, right[i].events);
		while (right[i].text[whole - 1] == ' ')
			whole--;
		for (size_t length = 0; length < whole; length++)
			assert_int_equal(last_event(right[i].text, length, &count), JSON_MORE);
	}
}

static void what_is_no_json_is_refused(void **state)
{
	(void)state;
	static const char *const wrong[] = { "}", "[}", "{]", "{1:2}", "{\"a\" 1}", "{\"a\":}", "{\"a\":1,}", "[1,]",
		"[,1]", "[1 2]", "[01]", "[-]", "[1.]", "[1.e5]", "[1e]", "[1e+]", "[+1]", "[.5]", "[0x1]", "[tru]",
		"[nul ]", "[NaN]", "['a']", "[\"\\x\"]", "[\"\\u00g0\"]", "[\"\n\"]", "[\"\\\x01\"]", "{\"a\":1;}" };
	unsigned count;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(last_event(wrong[i], strlen(wrong[i]), &count), JSON_BAD);
	char deep[TEXT_JSON_DEPTH_MAX + 1];
	memset(deep, '[', sizeof(deep));
	assert_int_equal(last_event(deep, sizeof(deep) - 1, &count), JSON_MORE);
	assert_int_equal(last_event(deep, sizeof(deep), &count), JSON_BAD);
}

static void numbers_stay_exact(void **state)
{
	(void)state;
	static const struct {
		const char *sent, *number;
	} numbers[] = { { "0", "0" }, { "1.50", "1.50" }, { "-0.30", "-0.30" }, { "1.5e-3", "0.0015" },
		{ "-12E2", "-1200" }, { "1.25e1", "12.5" }, { "1.25e2", "125" },
		{ "0.1000000000000000055511151231257", NULL },
		{ "123456789012345678901234567890", "123456789012345678901234567890" },
		{ "1234567890123456789012345678901", NULL }, { "1e29", "100000000000000000000000000000" },
		{ "1e30", NULL }, { "1e-29", "0.00000000000000000000000000001" }, { "1e-30", NULL },
		{ "1e999999999999", NULL } };
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		char number[DECIMAL_MAX];
		struct text_piece token = { (const uint8_t *)numbers[i].sent, strlen(numbers[i].sent) };
		assert_int_equal(text_json_number(token, number), numbers[i].number != NULL);
		if (numbers[i].number)
			assert_string_equal(number, numbers[i].number);
	}
}

static void texts_lose_nothing_silently(void **state)
{
	(void)state;
	static const struct {
		const char *sent, *text;
		enum text_encoding encoding;
		unsigned marks;
	} texts[] = {
		{ " a\\u0020b ", "a b", TEXT_UTF8, 0 }, { "\\ud842\\udfb7\\u83DC", "𠮷菜", TEXT_UTF8, 0 },
		{ "\\ud842\\u0041",
			"\xEF\xBF\xBD"
			"A",
			TEXT_UTF8, TEXT_BAD },
		{ "\\udfb7", "\xEF\xBF\xBD", TEXT_UTF8, TEXT_BAD },
		{ "a\\u0000b",
			"a\xEF\xBF\xBD"
			"b",
			TEXT_UTF8, TEXT_BAD },
		{ "a\\nb\\bc",
			"a b\xEF\xBF\xBD"
			"c",
			TEXT_UTF8, TEXT_BAD },
		{ "\xE8\x8F", "\xEF\xBF\xBD", TEXT_UTF8, TEXT_CUT },
		{ "\xB2\xA4 \xB2\xCB\\u83dc", "菠 菜菜", TEXT_GB18030, 0 },
		{ "\x84\x5C", "刓", TEXT_GB18030, 0 }, /* its second byte is a backslash */
	};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		char text[64];
		struct text_piece token = { (const uint8_t *)texts[i].sent, strlen(texts[i].sent) };
		assert_int_equal(text_json_text(texts[i].encoding, token, text, sizeof(text)), texts[i].marks);
		assert_string_equal(text, texts[i].text);
	}
	char text[300], sent[2000];
	memset(sent, 'a', sizeof(sent));
	text_json_text(TEXT_UTF8, (struct text_piece){ (const uint8_t *)sent, sizeof(sent) }, text, sizeof(text));
	assert_int_equal(strlen(text), sizeof(text) - 1);
}

/* ---- the dialogue ---- */

#define RECORD(no, value) "{\"样品编号\":\"" no "\",\"检测结果\":" value "}"

static void a_reader_is_asked_again_and_its_results_are_the_same(void **state)
{
	(void)state;
	struct paper *paper = paper_new(READER, "");
	uint8_t first[64] = "";
	for (int i = 0; i < 2; i++) {
		struct request request = paper_ask(paper);
		assert_int_equal(request.kind, REQUEST_BYTES);
		assert_memory_equal(request.bytes, "READ", request.length);
		/* the second time another result stands before them: neither a comma nor the place is part of a result
		 */
		paper_hear_text(paper, i == 0 ? "{\"detail\":[" : "{\"detail\":[ " RECORD("S0000", "9") " ,\r\n");
		paper_hear_text(paper, RECORD("S0001", "1.0"));
		assert_int_equal(paper->next, NEXT_WAIT);
		assert_int_equal(paper->list[0].identity_length, strlen(RECORD("S0001", "1.0")));
		assert_int_equal(paper->list[0].repeat, 0);
		assert_true(paper->list[0].repeatable);
		if (i == 0)
			memcpy(first, paper->list[0].identity, paper->list[0].identity_length);
		else
			assert_memory_equal(first, paper->list[0].identity, paper->list[0].identity_length);
		paper_hear_text(paper, "," RECORD("S0001", "1.0") "]");
		assert_int_equal(paper->list[0].repeat, 1);
		assert_int_equal(paper->next, NEXT_WAIT);
		paper_hear_text(paper, "}");
		assert_int_equal(paper->next, NEXT_IDLE);
		paper_hear_text(paper, "\r\n");
		assert_int_equal(paper->noise, 0);
		assert_int_equal(cutter_held(&paper->cutter), 0);
	}
	paper_free(paper);
}

static void an_answer_without_results_is_an_answer(void **state)
{
	(void)state;
	static const struct {
		const char *answer;
		size_t notices;
	} answers[] = { { "{\"detail\":[]}", 0 }, { "{\"detail\":null}", 0 }, { "{\"error\":\"busy\"}", 1 },
		{ "{\"other\":{\"detail\":[1]},\"detail\":[ ],\"n\":0}", 0 } };
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		struct paper *paper = paper_new(READER, "");
		paper_ask(paper);
		paper_hear_text(paper, answers[i].answer);
		assert_int_equal(paper->next, NEXT_IDLE);
		assert_int_equal(paper->readings.count, 0);
		assert_int_equal(paper->readings.notice_count, answers[i].notices);
		paper_free(paper);
	}
}

static void silence_within_a_document_asks_anew(void **state)
{
	(void)state;
	struct paper *paper = paper_new(READER, "");
	paper_ask(paper);
	paper_hear_text(paper, "{\"detail\":[" RECORD("S0001", "1.0") ",{\"样品");
	assert_int_equal(paper->readings.count, 1);
	paper_hear(paper, "", 0, true);
	assert_int_equal(paper->readings.notice_count, 1);
	assert_string_equal(paper->readings.notices[0].reason, "cut off before its end");
	struct reply silence = { .kind = REPLY_SILENCE };
	assert_int_equal(text_driver.take(&paper->instrument, &silence, &paper->readings), NEXT_IDLE);
	paper_ask(paper);
	paper_hear_text(paper, "{\"detail\":null}");
	assert_int_equal(paper->next, NEXT_IDLE);
	paper_free(paper);
}

static void a_record_longer_than_any_is_told(void **state)
{
	(void)state;
	static char text[70000];
	struct paper *paper = paper_new(READER, "");
	memset(text, 'x', sizeof(text));
	static const uint8_t begun[] = { '{', '"', 'a', '"', ':', '"' };
	memcpy(text, begun, sizeof(begun));
	paper_hear(paper, text, sizeof(text), false);
	assert_int_equal(paper->readings.notice_count, 1);
	paper_hear_text(paper, "\"}\n" RECORD("S0001", "1.0"));
	assert_int_equal(paper->readings.count, 1);
	paper_free(paper);
	int length = sprintf(text, "{\"检测结果\":\"1\"");
	for (int i = 0; i < 300; i++)
		length += sprintf(text + length, ",\"m%d\":%d", i, i);
	paper = paper_new(READER, "");
	length += sprintf(text + length, "}");
	paper_hear(paper, text, (size_t)length, false);
	assert_int_equal(paper->readings.count, 0);
	assert_string_equal(paper->readings.notices[0].reason, "too many members, from 'm255' on");
	paper_free(paper);
}

/* ---- an instrument of its own ---- */

static char own[] = "/tmp/assay-json-XXXXXX";

static struct paper *own_reader(const char *frame, const char *fields)
{
	FILE *file = fopen(own, "w");
	fprintf(file, "[frame]\nkind = json\n%s\n[field]\n%s", frame, fields);
	fclose(file);
	return paper_new(own, "");
}

static void objects_in_a_line_each_need_no_document(void **state)
{
	(void)state;
	struct paper *paper = own_reader("encoding = gb18030",
		"value = member result.value decimal\nunit = member result.unit\nsample-no = member no|id\n"
		"sample-name = member name\nverdict = member ok\n[said]\nnote = member note\n[signals]\nabs = member abs\n"
		"[map verdict]\ntrue = negative\nfalse = positive\n");
	/* the second bytes of these Hanzi are a backslash, a bracket and a brace */
	paper_hear_text(paper,
		"{\"result\":{\"value\":1.20,\"unit\":\"mg/kg\"},\"id\":7,\"name\":\"\x84\x5C\x85\x5B\x83\x7B\","
		"\"ok\":true,\"abs\":0.350,\"note\":null}\n");
	assert_int_equal(paper->readings.count, 1);
	const struct reading *reading = &paper->list[0];
	assert_string_equal(reading->value, "1.20");
	assert_string_equal(reading->unit, "mg/kg");
	assert_string_equal(reading->sample_no, "7");
	assert_string_equal(reading->sample_name, "刓匸儃");
	assert_int_equal(reading->verdict, VERDICT_NEGATIVE);
	assert_string_equal(reading->signals[0].value, "0.350");
	assert_int_equal(reading->said_count, 0);
	assert_false(reading->repeatable);
	assert_int_equal(reading->raw[reading->raw_length - 1], '}');
	/* a line cut off does not take the next with it, wherever it was cut */
	static const char line[] = "{\"result\":{\"value\":\"2\"},\"no\":\"a\"}\n";
	for (size_t cut = 1; cut < sizeof(line) - 2; cut++) {
		char text[128];
		snprintf(text, sizeof(text), "%.*s\n%s%s", (int)cut, line, line, line);
		paper_hear_text(paper, text);
		assert_int_equal(paper->readings.count, 2);
		assert_int_equal(paper->readings.notice_count, 1);
	}
	paper_hear_text(paper, "["
			       "{\"result\":{\"value\":\"1\"}}, {\"result\":{\"value\":\"2\"}}"
			       "]");
	assert_int_equal(paper->readings.count, 2);
	paper_free(paper);
}

static void an_array_deep_inside_is_found(void **state)
{
	(void)state;
	struct paper *paper = own_reader("[document]\nrecords = data.list", "value = member v\nsample-no = is x\n");
	paper_hear_text(paper,
		"{\"list\":[{\"v\":1}],\"x\":{\"data\":{\"list\":[{\"v\":2}]}},\"data\":{\"n\":1,\"list\":[{\"v\":3},"
		"{\"v\":4}],\"m\":{}},\"z\":[{\"v\":5}]}\n");
	assert_int_equal(paper->readings.count, 2);
	assert_string_equal(paper->list[0].value, "3");
	assert_string_equal(paper->list[1].value, "4");
	assert_int_equal(paper->noise, 0);
	paper_free(paper);
}

static void mistakes_in_its_profile_are_told(void **state)
{
	(void)state;
	static const struct {
		const char *frame, *fields, *told;
	} wrong[] = {
		{ "end = \\n", "value = member v\n", "needs neither start, end" },
		{ "", "value = column 3\n", "json and xml have members" },
		{ "[document]\nrecords = a..b", "value = member v\n", "is not the way to an array" },
		{ "", "value = member\n", "nothing stands behind it" },
		{ "", "value = member v u8\n", "u8 takes 1 bytes" },
	};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char complaints[2048] = "";
		FILE *file = fopen(own, "w");
		fprintf(file, "[frame]\nkind = json\n%s\n[field]\n%s", wrong[i].frame, wrong[i].fields);
		fclose(file);
		assert_null(paper_profile(own, complaints, sizeof(complaints)));
		assert_non_null(strstr(complaints, wrong[i].told));
	}
	char complaints[2048] = "";
	FILE *file = fopen(own, "w");
	fputs("[frame]\nkind = lines\nend = \\n\n[document]\nrecords = a\n[field]\nvalue = bytes 0..1\n", file);
	fclose(file);
	assert_null(paper_profile(own, complaints, sizeof(complaints)));
	assert_non_null(strstr(complaints, "[document] is for kind = json or xml"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_json_is_read_to_its_end_and_never_before),
		cmocka_unit_test(what_is_no_json_is_refused),
		cmocka_unit_test(numbers_stay_exact),
		cmocka_unit_test(texts_lose_nothing_silently),
		cmocka_unit_test(a_reader_is_asked_again_and_its_results_are_the_same),
		cmocka_unit_test(an_answer_without_results_is_an_answer),
		cmocka_unit_test(silence_within_a_document_asks_anew),
		cmocka_unit_test(a_record_longer_than_any_is_told),
		cmocka_unit_test(objects_in_a_line_each_need_no_document),
		cmocka_unit_test(an_array_deep_inside_is_found),
		cmocka_unit_test(mistakes_in_its_profile_are_told),
	};
	close(mkstemp(own));
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(own);
	return failed;
}
