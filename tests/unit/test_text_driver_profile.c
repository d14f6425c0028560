/* A new instrument by a profile alone, and what wrong profiles are told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <errno.h>
#include <unistd.h>

#include "../../drivers/checksum.h"
#include "text_fixture.h"

#define METER "tests/unit/profiles/meter.conf"

static void every_shipped_profile_is_accepted(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		long stars;
	} shipped[] = { { "reader-a9", 3 }, { "push-a10", 3 }, { "ticket-a8", 2 }, { "balance-kern-ew", 4 },
		{ "reader-dy6260-json", 3 }, { "files-csv", 2 }, { "files-csv-names", 2 }, { "files-xml", 2 } };
	for (size_t i = 0; i < sizeof(shipped) / sizeof(shipped[0]); i++) {
		char path[128], complaints[2048] = "";
		snprintf(path, sizeof(path), "config/profiles/%s.conf", shipped[i].name);
		struct text_profile *profile = paper_profile(path, complaints, sizeof(complaints));
		assert_string_equal(complaints, "");
		assert_int_equal(profile->stars, shipped[i].stars);
		assert_string_not_equal(profile->title, "");
		assert_string_not_equal(profile->source, "");
		free(profile);
	}
}

/* ---- the invented instrument ---- */

/* "$...*5A" CR LF around what stands between. */
static size_t meter_line(char *out, const char *text)
{
	unsigned sum = 0;
	for (const char *at = text; *at; at++)
		sum ^= (uint8_t)*at;
	return (size_t)sprintf(out, "$%s*%02X\r\n", text, sum);
}

static void an_invented_instrument_is_connected_by_its_profile(void **state)
{
	(void)state;
	char line[256];
	struct paper *paper = paper_new(METER, "");
	size_t length = meter_line(line, "R,17,S0017,\"\xB2\xA4\xB2\xCB,\xD2\xB6\",26/3/5,9:41,<0.05,mg/kg,1");
	paper_hear(paper, line, length, false);
	assert_int_equal(paper->readings.count, 1);
	const struct reading *reading = &paper->list[0];
	assert_string_equal(reading->instrument_seq, "17");
	assert_string_equal(reading->sample_no, "S0017");
	assert_string_equal(reading->sample_name, "菠菜,叶");
	assert_string_equal(reading->tested_at, "2026-03-05T09:41:00");
	assert_string_equal(reading->qualifier, "<");
	assert_string_equal(reading->value, "0.05");
	assert_string_equal(reading->unit, "mg/kg");
	assert_string_equal(reading->item, "敌敌畏");
	assert_int_equal(reading->verdict, VERDICT_NEGATIVE);
	paper_free(paper);
}

static void what_the_invented_instrument_says_wrong_is_told(void **state)
{
	(void)state;
	char line[256];
	struct paper *paper = paper_new(METER, "");
	size_t length = meter_line(line, "R,17,S0017,x,26/3/5,9:41,---,mg/kg,2");
	paper_hear(paper, line, length, false);
	assert_int_equal(paper->readings.count, 1); /* no value, but a verdict */
	assert_string_equal(paper->list[0].value, "");
	assert_int_equal(paper->list[0].verdict, VERDICT_POSITIVE);
	line[3] ^= 1;
	paper_hear(paper, line, length, false);
	assert_int_equal(paper->readings.count, 0);
	assert_string_equal(paper->readings.notices[0].reason, "the checksum is wrong");
	assert_int_equal(paper->readings.notices[0].raw_length, length);
	length = meter_line(line, "R,17,S0017,x,soon,9:41,1,mg/kg,2");
	paper_hear(paper, line, length, false);
	assert_string_equal(paper->readings.notices[0].reason, "time: 'soon 9:41' is not a time as the profile says");
	length = meter_line(line, "H heading");
	paper_hear(paper, line, length, false);
	assert_int_equal(paper->readings.notice_count, 0);
	assert_int_equal(paper->readings.blanks, 1);
	paper_hear_text(paper, "$\r\n$*\r\n");
	assert_int_equal(paper->readings.notice_count, 2);
	paper_free(paper);
}

/* ---- mistakes ---- */

static char directory[] = "/tmp/assay-text-XXXXXX";
static char path[64];

static void write_profile(const char *text)
{
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

/* The invented profile with one line turned into another. */
static void spoil(const char *right, const char *wrong)
{
	static char text[8192], spoilt[8192];
	FILE *file = fopen(METER, "r");
	assert_non_null(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	char *at = strstr(text, right);
	if (!at)
		fail_msg("no line '%s'", right);
	snprintf(spoilt, sizeof(spoilt), "%.*s%s%s", (int)(at - text), text, wrong, at + strlen(right));
	write_profile(spoilt);
}

static void a_typical_mistake_is_told_with_its_line_and_what_would_be_right(void **state)
{
	(void)state;
	static const struct {
		const char *right, *wrong, *place, *says;
	} mistakes[] = {
		{ "kind     = lines", "kind     = line", ":15:", "lines, blocks (all of one length), tickets" },
		{ "kind     = lines\n", "", ":14:", "kind = lines, blocks, tickets, json or xml" },
		{ "encoding = gb18030", "encoding = chinese", ":16:", "gb18030, utf-8 or ascii" },
		{ "end      = \\r\\n", "end      = \\CR", ":18:", "\\r \\n" },
		{ "end      = \\r\\n\n", "", ":14:", "end = \\r\\n" },
		{ "separator = comma\n", "", ":21:", "separator = comma" },
		{ "[line]\nseparator = comma", "[lines]\nseparator = comma", ":22:", "[line]" },
		{ "column 7 decimal", "column 0 decimal", ":33:", "count from 1" },
		{ "column 7 decimal", "7 decimal", ":33:", "column 3" },
		{ "column 7 decimal", "column '' decimal", ":33:", "nothing stands behind" },
		{ "column 7 decimal", "column 7 number", ":33:", "decimal" },
		{ "kind     = lines", "decimal = dot\nkind     = lines", ":15:", "neither point (1.25) nor comma" },
		{ "column 8", "column 11", ":", "columns = 10" },
		{ "yy/M/d H:mm", "YYYY/MM/DD hh:mm", ":32:", "yyyy-MM-dd HH:mm:ss" },
		{ "1 = negative", "1 = 阴性", ":39:", "negative, positive" },
		{ "sample-no ", "sampleno ", ":30:", "sample-no" },
		{ "[map verdict]", "[map colour]", ":38:", "[field]" },
		{ "xor8 1..-4 at -2 hex", "xor", ":19:", "xor8 1..-4 at -2 hex" },
		{ "title  =", "title  = a\ntitle  =", ":9:", "set twice" },
		{ "start    = $", "start    = #", ":17:", "in quotes" },
	};
	for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
		char complaints[4096] = "";
		spoil(mistakes[i].right, mistakes[i].wrong);
		struct text_profile *profile = paper_profile(path, complaints, sizeof(complaints));
		if (profile || !strstr(complaints, mistakes[i].place) || !strstr(complaints, mistakes[i].says))
			fail_msg("'%s' gives: %s", mistakes[i].wrong, complaints);
	}
}

struct line {
	const char *section, *key, *value;
};

static void a_wrong_line_is_refused_with_what_would_be_right(void **state)
{
	(void)state;
	static const struct {
		struct line line;
		const char *says;
	} wrong[] = {
		{ { "nonsense", "a", "1" }, "[profile]" },
		{ { "profile", "stars", "6" }, "1 to 5" },
		{ { "profile", "model", "a name far too long for any instrument in any room of any county" }, "47" },
		{ { "frame", "start", "\xE6\xA3\x80" }, "\\xBC\\xEC" },
		{ { "frame", "start", "\\q" }, "no escape" },
		{ { "frame", "start", "\\x1" }, "no escape" },
		{ { "frame", "start", "a b c d e" }, "4 words" },
		{ { "frame", "end", "" }, "empty" },
		{ { "frame", "end", "123456789012345678901234567890123" }, "32 bytes" },
		{ { "frame", "length", "15..14" }, "14..15" },
		{ { "frame", "length", "0" }, "14..15" },
		{ { "frame", "idle-gap", "2" }, "500ms" },
		{ { "frame", "idle-gap", "99s" }, "500ms" },
		{ { "frame", "checksum", "crc16" }, "sum8 3..53 at 54" },
		{ { "frame", "checksum", "sum8 3..53 at 54 octal" }, "none" },
		{ { "frame", "checksum", "none 3" }, "none" },
		{ { "line", "quotes", "maybe" }, "yes nor no" },
		{ { "line", "columns", "65" }, "64" },
		{ { "line", "last", "0" }, "1 to 64" },
		{ { "line", "missing", "a b c d e" }, "4 words" },
		{ { "query", "ask", "D{from}" }, "{day:yyyyMMdd}" },
		{ { "query", "ask", "D{when:yyyy}" }, "{day:yyyyMMdd}" },
		{ { "query", "ask", "D{day:yyyyHH}" }, "{day:yyyyMMdd}" },
		{ { "query", "ask", "D\\z" }, "no escape" },
		{ { "query", "repeatable", "often" }, "yes nor no" },
		{ { "field", "value", "is 5" }, "cannot know" },
		{ { "field", "value", "bytes 9..5" }, "5..19" },
		{ { "field", "value", "bytes x" }, "5..19" },
		{ { "field", "value", "column 1,x" }, "4,5" },
		{ { "field", "value", "bytes 5..9 f32le" }, "4 bytes" },
		{ { "field", "value", "column 5 f32le" }, "4 bytes" },
		{ { "field", "value", "column 5 decimal 2" }, "behind the type" },
		{ { "field", "value", "column 5 time yyyy-MM-dd HH:mm" }, "only the field 'time'" },
		{ { "field", "time", "column 5 text" }, "time yyyy" },
		{ { "field", "time", "column 5" }, "lacks its pattern" },
		{ { "field", "time", "column 5 time yyyy-MM-dd" }, "yyyy-MM-dd HH:mm:ss" },
		{ { "field", "time", "column 5 time yyyy-MM-dd HH:mm yyyy" }, "each once" },
		{ { "field", "item", "label" }, "label 检测结果" },
		{ { "field", "item", "is" }, "label 检测结果" },
		{ { "said", "a name that is far too long", "column 1" }, "23" },
		{ { "map kind", "1", "smaple" }, "sample" },
		{ { "map valid", "1", "yes" }, "result" },
		{ { "map retest", "1", "yes" }, "retest or first" },
		{ { "map unit", "1", "a word far too long to be a unit of anything that anybody has measured yet" },
			"63" },
	};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct fault fault = { "" };
		struct text_profile *profile = calloc(1, sizeof(*profile));
		const struct line *line = &wrong[i].line;
		int error = text_profiles.entry(profile, line->section, line->key, line->value, &fault);
		if (error >= 0 || !strstr(fault.text, wrong[i].says))
			fail_msg("[%s] %s = %s gives %d: %s", line->section, line->key, line->value, error, fault.text);
		free(profile);
	}
}

#define END                                                                                                            \
	{                                                                                                              \
		NULL, NULL, NULL                                                                                       \
	}
#define LINES                                                                                                          \
	{ "frame", "kind", "lines" }, { "frame", "end", "\\n" },                                                       \
	{                                                                                                              \
		"line", "separator", "blanks"                                                                          \
	}
#define VALUE                                                                                                          \
	{                                                                                                              \
		"field", "value", "column 2"                                                                           \
	}

static void a_wrong_whole_is_refused_with_what_would_be_right(void **state)
{
	(void)state;
	static const struct {
		struct line lines[8];
		const char *says;
	} wrong[] = {
		{ { LINES, { "field", "item", "column 1" }, END }, "neither value nor verdict" },
		{ { LINES, VALUE, { "line", "last", "2" }, END }, "columns = 10" },
		{ { LINES, VALUE, { "line", "last", "2" }, { "line", "columns", "3" }, END }, "one of them" },
		{ { { "frame", "kind", "blocks" }, { "frame", "start", "a" }, END }, "length, one number" },
		{ { { "frame", "kind", "tickets" }, END }, "idle-gap = 2s" },
		{ { { "frame", "kind", "tickets" }, { "frame", "idle-gap", "1s" }, VALUE, END }, "label" },
		{ { LINES, { "field", "value", "label x" }, END }, "only tickets" },
		{ { { "frame", "kind", "blocks" }, { "frame", "start", "a" }, { "frame", "length", "9" },
			  { "field", "value", "bytes 3..9" }, END },
			"9 bytes" },
		{ { LINES, VALUE, { "field", "retest", "column 3" }, END }, "needs [map retest]" },
		{ { LINES, VALUE, { "query", "done", "x" }, END }, "lacks ask" },
		{ { LINES, VALUE, { "query", "ask", "{day:yyMMdd}" }, END }, "lacks done" },
	};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct fault fault = { "" };
		struct text_profile *profile = calloc(1, sizeof(*profile));
		for (const struct line *line = wrong[i].lines; line->section; line++)
			assert_int_equal(
				text_profiles.entry(profile, line->section, line->key, line->value, &fault), 0);
		int error = text_profiles.finish(profile, &fault);
		if (error >= 0 || !strstr(fault.text, wrong[i].says))
			fail_msg("%zu gives %d: %s", i, error, fault.text);
		free(profile);
	}
}

static void too_many_lines_are_refused(void **state)
{
	(void)state;
	struct text_profile *profile = calloc(1, sizeof(*profile));
	struct fault fault;
	char name[24];
	for (int i = 0; i < TEXT_FIELDS_MAX; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		assert_int_equal(text_profiles.entry(profile, "said", name, "column 1", &fault), 0);
	}
	assert_int_equal(text_profiles.entry(profile, "said", "one", "column 1", &fault), -E2BIG);
	for (int i = 0; i < TEXT_MAPS_MAX; i++) {
		snprintf(name, sizeof(name), "%d", i);
		assert_int_equal(text_profiles.entry(profile, "map unit", name, "g", &fault), 0);
	}
	assert_int_equal(text_profiles.entry(profile, "map unit", "x", "g", &fault), -E2BIG);
	free(profile);
}

/* ---- other shapes ---- */

static struct paper *paper_of(const char *text)
{
	write_profile(text);
	return paper_new(path, "day=2026-03-04");
}

static void a_reader_asked_day_by_day_is_asked_for_each(void **state)
{
	(void)state;
	struct paper *paper = paper_of("[frame]\nkind = lines\nend = \\r\\n\n[line]\nseparator = blanks\n[query]\n"
				       "ask = L{day:yyMMdd} \\x0D\ndone = OK\\r\\n\n[field]\nvalue = column 2\n");
	static const char *const questions[] = { "L260303 \r", "L260304 \r", "L260305 \r" };
	for (size_t i = 0; i < 3; i++) {
		struct request request = paper_ask(paper);
		assert_int_equal(request.length, strlen(questions[i]));
		assert_memory_equal(request.bytes, questions[i], request.length);
		paper_hear_text(paper, "  S1 \t 0.5ppb\r\n\r\nOK\r\n");
		assert_int_equal(paper->readings.count, 1);
		assert_string_equal(paper->list[0].unit, "ppb");
		assert_int_equal(paper->next, i < 2 ? NEXT_ASK : NEXT_IDLE);
	}
	paper_free(paper);
}

#define PROMPT                                                                                                         \
	"[frame]\nkind = lines\n%send = \\r\\n\n[line]\nseparator = comma\n[query]\nask = %s\n"                        \
	"[field]\nsequence = column 2\nvalue = column 3 decimal\n"

static struct paper *prompted(const char *start, const char *question)
{
	char text[512];
	snprintf(text, sizeof(text), PROMPT, start, question);
	struct paper *paper = paper_of(text);
	paper_ask(paper);
	return paper;
}

/* A line of two wires: no answer, no noise, and no end of the answer. What only begins like the question is an answer.
 */
static void our_own_question_given_back_is_no_answer(void **state)
{
	(void)state;
	static const struct {
		const char *start, *question, *back;
	} cases[] = {
		{ "", "READ\\r\\n", "READ\r\n" },
		{ "", "READ\\r", "READ\r" },
		{ "", "READ", "READ\r\n" },
		{ "start = \"R,\"\n", "R\\r\\n", "R\r\n" },
		{ "start = \"R,\"\n", "READ", "READ" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct paper *paper = prompted(cases[i].start, cases[i].question);
		for (const char *at = cases[i].back; *at; at++) { /* cut anywhere */
			paper->next = NEXT_WAIT;
			paper_hear(paper, at, 1, false);
			assert_int_equal(paper->next, NEXT_WAIT);
			assert_int_equal(paper->readings.count + paper->readings.notice_count, 0);
		}
		paper_hear_text(paper, "R,17,0.31\r\n");
		assert_int_equal(paper->noise, 0);
		assert_int_equal(paper->readings.notice_count, 0);
		assert_int_equal(paper->readings.count, 1);
		assert_string_equal(paper->list[0].instrument_seq, "17");
		assert_string_equal(paper->list[0].value, "0.31");
		paper_free(paper);
	}
}

static void an_answer_that_begins_like_the_question_is_one(void **state)
{
	(void)state;
	static const char *const starts[] = { "", "start = \"R,\"\n" }, *const questions[] = { "R", "R,", "R,17",
		"R,17\\r" };
	for (size_t i = 0; i < 8; i++) {
		struct paper *paper = prompted(starts[i % 2], questions[i / 2]);
		paper_hear_text(paper, "R,17,0.31\r\n");
		assert_int_equal(paper->readings.count, 1);
		assert_string_equal(paper->list[0].value, "0.31");
		paper_free(paper);
	}
}

#define DECIMALS                                                                                                       \
	"[frame]\nkind = lines\nstart = \"# @\"\nend = \\r\n%s[line]\nseparator = //\nignore = @\nstart-apart = yes\n" \
	"[field]\nsequence = column 1\nvalue = column 2 decimal\nlimit = column 3\n[signals]\nabs = column 4\n"

/* The comma stands in a number where the profile says so, and nowhere else; the start is no part of a number. */
static void a_decimal_comma_is_one_where_the_profile_says_so(void **state)
{
	(void)state;
	char text[512];
	snprintf(text, sizeof(text), DECIMALS, "decimal = comma\n");
	struct paper *paper = paper_of(text);
	paper_hear_text(paper, "@ 3//4,5\r#017//<0,031//<0,05 mg/kg//0,570\r#018//0.031//1//1\r");
	assert_int_equal(paper->readings.count, 1);
	const struct reading *reading = &paper->list[0];
	assert_string_equal(reading->instrument_seq, "017");
	assert_string_equal(reading->value, "0.031");
	assert_string_equal(reading->value_as_sent, "<0,031");
	assert_string_equal(reading->limit_value, "0.05");
	assert_string_equal(reading->signals[0].value, "0.570");
	assert_string_equal(paper->readings.notices[0].reason,
		"value: '0.031' is no number with a decimal comma, which [frame] says");
	paper_free(paper);
	snprintf(text, sizeof(text), DECIMALS, "");
	paper = paper_of(text);
	paper_hear_text(paper, "#017//0,031//1//1\r");
	assert_int_equal(paper->readings.count, 0);
	assert_non_null(strstr(paper->readings.notices[0].reason, "decimal = comma in [frame]"));
	paper_free(paper);
}

/* As an instrument's app keeps it: 0 a first test, 1 a retest, 2 one that was tested again. */
static void a_column_may_say_that_it_is_a_retest(void **state)
{
	static const struct {
		const char *code, *said;
		bool retest;
	} rows[] = { { "0", "", false }, { "1", "1", true }, { "2", "", false }, { "", "", false },
		{ "9", "9", false } };
	(void)state;
	struct paper *paper = paper_of("[frame]\nkind = lines\nend = \\n\n[line]\nseparator = pipe\n[field]\n"
				       "value = column 2\nretest = column 3\n"
				       "[map retest]\n0 = first\n1 = retest\n2 = first\n");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char line[64];
		snprintf(line, sizeof(line), "S1|1.5 ug/kg|%s\n", rows[i].code);
		paper_hear_text(paper, line);
		const struct reading *reading = &paper->list[paper->readings.count - 1];
		assert_int_equal(reading->marks, rows[i].retest ? READING_RETEST : 0);
		assert_string_equal(reading_has_said(reading, "retest"), rows[i].said);
	}
	paper_free(paper);
}

static void a_question_without_an_end_has_one_line_for_an_answer(void **state)
{
	(void)state;
	struct paper *paper =
		paper_of("[frame]\nkind = lines\nend = \\n\n[line]\nseparator = |\nquotes = no\n"
			 "[query]\nask = READ\\r\n[field]\nvalue = column 2 decimal\nkind = column 1\n"
			 "channel = column 3\n[map kind]\nS = sample\n[signals]\nabs = column 4 decimal\n");
	struct request request = paper_ask(paper);
	assert_int_equal(request.length, 5);
	paper_hear_text(paper, "S|1.5|7|0.2\n");
	assert_int_equal(paper->next, NEXT_IDLE);
	assert_false(paper->list[0].repeatable);
	assert_int_equal(paper->list[0].channel, 7);
	assert_string_equal(paper->list[0].signals[0].value, "0.2");
	paper_ask(paper);
	paper_hear_text(paper, "X|1.5|B2|x\nX|1.5\nX\n");
	assert_int_equal(paper->readings.count, 1);
	assert_int_equal(paper->list[0].kind, KIND_QC); /* not taken for a sample */
	assert_int_equal(paper->readings.notice_count, 2);
	assert_string_equal(paper->readings.notices[1].reason, "neither value nor verdict");
	paper_free(paper);
}

static void lines_without_an_end_end_with_silence(void **state)
{
	(void)state;
	struct paper *paper = paper_of("[frame]\nkind = lines\nencoding = utf-8\nidle-gap = 500ms\n[line]\n"
				       "separator = tab\n[field]\nvalue = column 1\nlimit = column 2\n");
	paper_hear_text(paper, "0.00 ug/kg 阴性\t无");
	assert_int_equal(paper->readings.count, 0);
	paper_hear(paper, "", 0, true);
	assert_int_equal(paper->readings.count, 1);
	assert_string_equal(paper->list[0].unit, "ug/kg 阴性"); /* no map makes a verdict of it */
	assert_string_equal(paper->list[0].said[0].value, "无");
	static char endless[TEXT_LINE_LONGEST + 1];
	memset(endless, 'x', sizeof(endless));
	paper_hear(paper, endless, sizeof(endless), true);
	assert_int_equal(paper->readings.count, 2); /* told as it stands, in pieces */
	paper_free(paper);
}

static void a_verdict_may_stand_behind_the_unit(void **state)
{
	(void)state;
	struct paper *paper =
		paper_of("[frame]\nkind = lines\nencoding = utf-8\nend = \\n\n[line]\nseparator = tab\n"
			 "[field]\nvalue = column 1\n[map verdict]\n阴性 = negative\n[map unit]\nug = ug/kg\n");
	paper_hear_text(paper, "0.00 ug 阴性\n阴性\n0.5ug\n");
	assert_int_equal(paper->readings.count, 3);
	assert_string_equal(paper->list[0].unit, "ug/kg");
	assert_int_equal(paper->list[0].verdict, VERDICT_NEGATIVE);
	assert_int_equal(paper->list[1].verdict, VERDICT_NEGATIVE);
	assert_string_equal(paper->list[1].unit, "");
	assert_string_equal(paper->list[2].unit, "ug/kg");
	paper_free(paper);
}

static void numbers_that_are_no_text_are_read(void **state)
{
	(void)state;
	struct paper *paper =
		paper_of("[frame]\nkind = blocks\nstart = \\x01\nlength = 24\nchecksum = crc16 0..21 at 22\n[field]\n"
			 "value = bytes 1..4 f32be\n[said]\na = byte 5 u8\nb = bytes 6..7 u16le\nc = bytes 8..9 u16be\n"
			 "d = bytes 10..13 u32le\ne = bytes 14..17 u32be\nf = bytes 18..21 f32le\n");
	uint8_t block[24] = { 0x01, 0x41, 0x45, 0x70, 0xA4, 200, 0x34, 0x12, 0x12, 0x34, 4, 3, 2, 1, 1, 2, 3, 4 };
	memcpy(block + 18, "\x00\x00\xC0\x7F", 4);
	uint16_t crc = checksum_crc16(block, 22);
	block[22] = (uint8_t)crc;
	block[23] = (uint8_t)(crc >> 8);
	paper_hear(paper, block, sizeof(block), false);
	assert_int_equal(paper->readings.count, 1);
	assert_string_equal(paper->list[0].value, "12.34");
	static const char *const expected[] = { "200", "4660", "4660", "16909060", "16909060" };
	assert_int_equal(paper->list[0].said_count, 5); /* the last is not a number */
	for (size_t i = 0; i < 5; i++)
		assert_string_equal(paper->list[0].said[i].value, expected[i]);
	paper_free(paper);
}

static int make_directory(void **state)
{
	(void)state;
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof(path), "%s/x.conf", directory);
	return 0;
}

static int remove_directory(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_shipped_profile_is_accepted),
		cmocka_unit_test(an_invented_instrument_is_connected_by_its_profile),
		cmocka_unit_test(what_the_invented_instrument_says_wrong_is_told),
		cmocka_unit_test(a_typical_mistake_is_told_with_its_line_and_what_would_be_right),
		cmocka_unit_test(a_wrong_line_is_refused_with_what_would_be_right),
		cmocka_unit_test(a_wrong_whole_is_refused_with_what_would_be_right),
		cmocka_unit_test(too_many_lines_are_refused),
		cmocka_unit_test(a_reader_asked_day_by_day_is_asked_for_each),
		cmocka_unit_test(our_own_question_given_back_is_no_answer),
		cmocka_unit_test(an_answer_that_begins_like_the_question_is_one),
		cmocka_unit_test(a_decimal_comma_is_one_where_the_profile_says_so),
		cmocka_unit_test(a_column_may_say_that_it_is_a_retest),
		cmocka_unit_test(a_question_without_an_end_has_one_line_for_an_answer),
		cmocka_unit_test(lines_without_an_end_end_with_silence),
		cmocka_unit_test(a_verdict_may_stand_behind_the_unit),
		cmocka_unit_test(numbers_that_are_no_text_are_read),
	};
	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
