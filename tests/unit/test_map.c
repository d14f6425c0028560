/* Maps: each fault stands where it was made and says what would be right; each way a record can lack something. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../daemon/corrections.h"
#include "../../daemon/map_write.h"

static char directory[] = "/tmp/assay-map-XXXXXX";
static char path[128];

static int make_directory(void **state)
{
	(void)state;
	snprintf(path, sizeof(path), "%s/it.conf", mkdtemp(directory));
	return 0;
}

static int remove_directory(void **state)
{
	(void)state;
	char other[128];
	unlink(path);
	snprintf(other, sizeof(other), "%s/items.csv", directory);
	unlink(other);
	return rmdir(directory);
}

static void write_file(const char *name, const char *text)
{
	char file[128];
	snprintf(file, sizeof(file), "%s/%s", directory, name);
	FILE *out = fopen(file, "w");
	assert_non_null(out);
	fputs(text, out);
	fclose(out);
}

/* ---- faults ---- */

#define TOP "[map]\nformat = json\n"

static const struct {
	const char *text;
	int line;
	const char *told; /* part of the sentence */
} faulty[] = {
	{ "[field]\na = id\n", 0, "there is no [map] section" },
	{ "[map]\n[field]\na = id\n", 1, "lacks 'format'" },
	{ "[map]\nformat = jsn\n[field]\na = id\n", 2, "did you mean 'json'?" },
	{ "[map]\nformat = json\nbacth = 3\n[field]\na = id\n", 3, "did you mean 'batch'?" },
	{ "[map]\nformat = json\nbatch = 100001\n[field]\na = id\n", 3, "0..100000" },
	{ "[map]\nformat = json\nonly-kinds = sampel\n[field]\na = id\n", 3, "'sampel' is unknown; known are sample," },
	{ "[map]\nformat = json\nonly-verdicts = pass\n[field]\na = id\n", 3, "'pass' is unknown" },
	{ TOP, 0, "there is no [field]" },
	{ TOP "[fields]\na = id\n", 3, "did you mean [field]?" },
	{ TOP "[whatever]\na = id\n", 3, "it has map, envelope, field" },
	{ TOP "[field x]\na = id\n", 3, "[field] has no name; write [field]" },
	{ TOP "[table]\n1 = 2\n[field]\na = id\n", 3, "write [table NAME]" },
	{ TOP "[field]\na =\n", 4, "a source is missing" },
	{ TOP "[field]\na = sample.nmae\n", 4, "did you mean 'sample.name'?" },
	{ TOP "[field]\na = raw\n", 4, "a record has no 'raw'" },
	{ TOP "[field]\na = signals.\n", 4, "a record has no 'signals.'" },
	{ TOP "[field]\na = count\n", 4, "count is for [envelope]" },
	{ TOP "[field]\na = given x\n", 4, "[given] has no 'x'; add a line: x =" },
	{ TOP "[field]\na = given\n", 4, "something is missing after 'given'" },
	{ TOP "[field]\na = 'half\n", 4, "the closing ' is missing" },
	{ TOP "[field]\na = 'x'id\n", 4, "a blank is missing after 'x'" },
	{ TOP "[field]\na = id +\n", 4, "a source is missing" },
	{ TOP "[field]\na = id or\n", 4, "a source is missing" },
	{ TOP "[field]\na = verdict table x\n", 4, "there is no [table x]; write one" },
	{ TOP "[field]\na = verdict table rsult\n[table result]\n1 = 2\n", 4, "did you mean 'result'?" },
	{ TOP "[field]\na = tested_at time 'yyyy-mm-DD'\n", 4, "'DD' means nothing in a time" },
	{ TOP "[field]\na = tested_at time 'yyyyy'\n", 4, "'yyyyy' means nothing in a time" },
	{ TOP "[field]\na = tested_at time\n", 4, "something is missing after 'time'" },
	{ TOP "[field]\na = value decimals two\n", 4, "'two' is no number of decimals; write one of 0 to 9" },
	{ TOP "[field]\na = value decimals 12\n", 4, "'12' is no number of decimals" },
	{ TOP "[field]\na = id requird\n", 4, "did you mean 'required'?" },
	{ TOP "[field]\na = id required empty\n", 4, "'empty' means nothing here; behind a source stand table, time" },
	{ TOP "[field]\na = id when unit\n", 4, "something is missing after 'unit'" },
	{ TOP "[field]\na = id when unti '%'\n", 4, "did you mean 'unit'?" },
	{ TOP "[field]\na = id required when kind 'x' when kind 'y'\n", 4, "'when' means nothing here" },
	{ TOP "[field]\na = id is '1' is '2' is '3' is '4' is '5'\n", 4, "more than 4 steps" },
	{ TOP "[field]\na. = id\n", 4, "a name is missing beside a point" },
	{ TOP "[field]\na.b.c.d.e.f.g.h.i = id\n", 4, "more than 8 names" },
	{ TOP "[field]\na = id\na.b = id\n", 5, "one would stand inside the other" },
	{ TOP "[field]\na.b = id\na = id\n", 5, "one would stand inside the other" },
	{ TOP "[field]\na.b = id\nc = id\na.d = id\n", 6, "a.d belongs to a.b further up" },
	{ TOP "[field]\na.b.c = id\na.d.e = id\na.b.f = id\n", 6, "a.b.f belongs to a.b.c further up" },
	{ TOP "[field]\na = id\na = kind\n", 5, "set twice" },
	{ TOP "[envelope]\na = records\n[field]\na = 'a' + 'b' + 'c' + 'd' + 'e' + 'f' + 'g' + 'h' + 'i' + 'j' + 'k' + 'l' + 'm'\n",
		6, "more than 12 sources" },
	{ TOP "[envelope]\na = count\n[field]\na = id\n", 3, "NAME = records" },
	{ TOP "[envelope]\na = records\nb = records\n[field]\na = id\n", 3, "NAME = records" },
	{ TOP "[envelope]\na = records empty\n[field]\na = id\n", 4, "nothing may follow 'records'" },
	{ TOP "[envelope]\na = sample.no\nb = records\n[field]\na = id\n", 4, "write batch = 1" },
	{ TOP "[envelope]\na = original\nb = records\n[field]\na = id\n", 4, "write batch = 1" },
	{ "[map]\nformat = jsonl\n[envelope]\na = records\n[field]\na = id\n", 3, "delete [envelope]" },
	{ "[map]\nformat = csv\n[envelope]\na = records\n[field]\na = id\n", 3, "delete [envelope]" },
	{ "[map]\nformat = xml\n[field]\na = id\n", 0, "XML needs an [envelope]" },
	{ "[map]\nformat = xml\n[envelope]\na = records\n[field]\na = id\n", 3, "write data.row = records" },
	{ "[map]\nformat = xml\n[envelope]\na.b = records\nc = 'x'\n[field]\na = id\n", 5, "one outermost element" },
	{ "[map]\nformat = xml\n[envelope]\na.b = records\n[field]\n1st = id\n", 6,
		"'1st' is no name of an XML element" },
	{ "[map]\nformat = xml\n[envelope]\na.b = records\n[field]\na b = id\n", 6,
		"'a b' is no name of an XML element" },
	{ TOP "[tables]\nt = ../x.csv\n[field]\na = id\n", 4, "is no file beside the map" },
	{ TOP "[tables]\nt = t.csv\n[table t]\na = b\n[field]\na = id\n", 4, "keep one of the two" },
	{ TOP "[tables]\nt = none.csv\n[field]\na = id\n", 0, "this file does not exist" },
};

static void each_fault_stands_where_it_was_made(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(faulty) / sizeof(*faulty); i++) {
		struct faults faults = { 0 };
		struct map *map;
		write_file("it.conf", faulty[i].text);
		assert_int_equal(map_read(path, &map, &faults), -EINVAL);
		assert_null(map);
		bool found = false;
		for (size_t k = 0; k < faults.count; k++)
			found = found ||
			        (faults.list[k].line == faulty[i].line && strstr(faults.list[k].text, faulty[i].told));
		if (!found) {
			faults_print(&faults, stderr);
			fail_msg("%s\nwants line %d: %s", faulty[i].text, faulty[i].line, faulty[i].told);
		}
		faults_free(&faults);
	}
}

static void a_table_in_a_file_is_checked_line_by_line(void **state)
{
	(void)state;
	struct faults faults = { 0 };
	struct map *map;
	write_file("it.conf", TOP "[tables]\nt = items.csv\n[field]\na = id\n");
	write_file("items.csv", "code,to\nA,1\n,2\nA,3\n*,x\n*,y\n");
	assert_int_equal(map_read(path, &map, &faults), -EINVAL);
	assert_int_equal(faults.count, 3);
	assert_int_equal(faults.list[0].line, 3);
	assert_non_null(strstr(faults.list[0].text, "no code"));
	assert_int_equal(faults.list[1].line, 6);
	assert_non_null(strstr(faults.list[1].text, "* for all others is there twice"));
	assert_int_equal(faults.list[2].line, 4);
	assert_non_null(strstr(faults.list[2].text, "first at line 2"));
	faults_free(&faults);
}

/* ---- what is written ---- */

static const char record[] =
	"{\"id\":\"00000000-0000-8000-8000-000000000001\",\"kind\":\"sample\",\"verdict\":\"positive\",\"value\":\"-0.045\","
	"\"unit\":\"%\",\"channel\":7,\"flags\":[\"late\",\"control_low\"],\"sample\":{\"name\":\"菠菜<&>\\r\\u0001\",\"party\":\"王<&>\\r\"},"
	"\"tested_at\":\"2026-03-05T09:41:20+08:00\",\"operator\":{\"valid\":false},\"test_seq\":2,"
	"\"limit\":{\"op\":\"<=\",\"value\":\"50\"},\"signals\":{\"abs\":\"0.570\"}}";

struct written {
	char text[4096];
	size_t documents;
};

static int put(void *context, size_t number, const char *bytes, size_t length)
{
	struct written *written = context;
	strncat(written->text, bytes, length);
	written->documents = number;
	return 0;
}

static struct map *read_map(const char *top, const char *rows)
{
	char text[4096];
	struct faults faults = { 0 };
	struct map *map;
	snprintf(text, sizeof(text), "%s[field]\n%s", top, rows);
	write_file("it.conf", text);
	if (map_read(path, &map, &faults) != 0) {
		faults_print(&faults, stderr);
		fail();
	}
	return map;
}

/* What the record is by this map; "field: reason" when it is refused. */
static const char *by(const char *top, const char *rows)
{
	static struct written written;
	struct map_refusal refusal;
	struct map *map = read_map(top, rows);
	struct json *json = js_parse(record, strlen(record), NULL);
	written = (struct written){ .documents = 0 };
	struct map_writer *writer = map_writer_new(map, put, &written);
	int result = map_writer_add(writer, json, "first", &refusal);
	if (result == 0)
		result = map_writer_end(writer, &refusal);
	if (result != 0)
		snprintf(written.text, sizeof(written.text), "%s: %s", refusal.field, refusal.fault.text);
	map_writer_free(writer);
	map_free(map);
	js_free(json);
	return written.text;
}

#define LINES "[map]\nformat = jsonl\n[table v]\npositive = 1\nnegative =\n[table open]\n* = *\n[table none]\n* =\n"

static void what_a_row_says(void **state)
{
	static const struct {
		const char *row, *told;
	} rows[] = {
		{ "a = verdict", "{\"a\":\"positive\"}\n" },
		{ "a = channel number", "{\"a\":7}\n" },
		{ "a = channel", "{\"a\":\"7\"}\n" },
		{ "a = flags", "{\"a\":\"late control_low\"}\n" },
		{ "a = operator.valid", "{\"a\":\"false\"}\n" },
		{ "a = signals.abs", "{\"a\":\"0.570\"}\n" },
		{ "a = original", "{\"a\":\"first\"}\n" },
		{ "a = id without '-0'", "{\"a\":\"881\"}\n" },
		{ "a = sample.name without '菜<&>'", "{\"a\":\"菠\\r\\u0001\"}\n" },
		{ "a = tested_at time 'yy年MM月dd日 HH:mm:ss.SSS'", "{\"a\":\"26年03月05日 09:41:20.000\"}\n" },
		{ "a = limit.op sign + limit.value + unit", "{\"a\":\"≤50%\"}\n" },
		{ "a = limit.op + limit.unit", "{}\n" },
		{ "a = limit.op + limit.unit empty", "{\"a\":\"\"}\n" },
		{ "a = limit.op + limit.unit required",
			"a: the platform demands it, and the record says no limit.unit" },
		{ "a = limit.unit or '' + value", "{\"a\":\"-0.045\"}\n" },
		{ "a = limit.unit or method or unit", "{\"a\":\"%\"}\n" },
		{ "a = retest_of is '1' or '0'", "{\"a\":\"0\"}\n" },
		{ "a = test_seq is '1' or '0'", "{\"a\":\"1\"}\n" },
		{ "a = value when unit '%'", "{\"a\":\"-0.045\"}\n" },
		{ "a = value required when unit 'mg/kg'", "{}\n" },
		{ "a = value decimals 4", "{\"a\":\"-0.0450\"}\n" },
		{ "a = value decimals 3", "{\"a\":\"-0.045\"}\n" },
		{ "a = value decimals 2",
			"a: -0.045 has more than 2 decimals; nothing is rounded unless the map says round" },
		{ "a = value decimals 2 round", "{\"a\":\"-0.05\"}\n" },
		{ "a = value decimals 0 round", "{\"a\":\"0\"}\n" },
		{ "a = verdict decimals 2", "a: 'positive' is no number, and this field takes one" },
		{ "a = value number", "{\"a\":-0.045}\n" },
		{ "a = verdict number", "a: 'positive' is no number, and this field takes one" },
		{ "a = '007' number", "a: '007' is no number, and this field takes one" },
		{ "a = '1.' number", "a: '1.' is no number, and this field takes one" },
		{ "a = method number empty", "{\"a\":\"\"}\n" },
		{ "a = verdict time 'yyyy'", "a: 'positive' is no time" },
		{ "a = verdict table v", "{\"a\":\"1\"}\n" },
		{ "a = 'negative' table v", "{}\n" },
		{ "a = 'negative' table v or 'x'", "{\"a\":\"x\"}\n" },
		{ "a = unit table v", "a: '%' has no line in table v" },
		{ "a = unit table v or 'x'", "a: '%' has no line in table v" },
		{ "a = unit table open", "{\"a\":\"%\"}\n" },
		{ "a = unit table none or verdict", "{\"a\":\"positive\"}\n" },
		{ "a.b.c = unit\na.b.d = method\na.e = unit\nf = unit",
			"{\"a\":{\"b\":{\"c\":\"%\"},\"e\":\"%\"},\"f\":\"%\"}\n" },
		{ "a.b = method\nc.d = unit", "{\"c\":{\"d\":\"%\"}}\n" },
		{ "\"a\\b = 'x'", "{\"\\\"a\\\\b\":\"x\"}\n" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		assert_string_equal(by(LINES, rows[i].row), rows[i].told);
}

static void each_format_escapes_its_own(void **state)
{
	(void)state;
	assert_string_equal(by("[map]\nformat = csv\n", "\"a,b = 'x, \"y\"'\nc.d = unit\ne = method"),
		"\xEF\xBB\xBF\"\"\"a,b\",c.d,e\r\n\"x, \"\"y\"\"\",%,\r\n");
	assert_string_equal(by("[map]\nformat = json\n", "a = sample.name"), "[\n{\"a\":\"菠菜<&>\\r\\u0001\"}\n]\n");
	assert_string_equal(
		by("[map]\nformat = json\n[envelope]\nn = count number\nx.list = records\nx.m = count\n", "a = unit"),
		"{\"n\":1,\"x\":{\"list\":[\n{\"a\":\"%\"}\n],\"m\":\"1\"}}\n");
	assert_string_equal(by("[map]\nformat = xml\n[envelope]\nd.n = count\nd.l.r = records\nd.m = 'a<b'\n",
				    "a = sample.party\nb = method empty"),
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<d><n>1</n><l>\n<r><a>王&lt;&amp;&gt;&#13;</a><b></b></r>\n"
		"</l><m>a&lt;b</m></d>\n");
	assert_string_equal(by("[map]\nformat = xml\n[envelope]\nd.r = records\n", "a = sample.name"),
		"a: a holds a control character, which XML cannot carry");
}

static void an_envelope_around_one_record_may_draw_on_it(void **state)
{
	static const char top[] = "[map]\nformat = json\nbatch = 1\n[envelope]\nwho = ";
	char text[256];
	(void)state;
	snprintf(text, sizeof(text), "%soriginal + unit\nlist = records\n", top);
	assert_string_equal(by(text, "a = unit"), "{\"who\":\"first%\",\"list\":[\n{\"a\":\"%\"}\n]}\n");
	snprintf(text, sizeof(text), "%ssample.no required\nlist = records\n", top);
	assert_string_equal(by(text, "a = unit"), "who: the platform demands it, and the record says no sample.no");
}

static void batches_are_documents_of_their_own(void **state)
{
	static const struct {
		const char *top, *told;
	} formats[] = {
		{ "[map]\nformat = json\nbatch = 2\n[envelope]\nn = count\nl = records\n",
			"{\"n\":\"2\",\"l\":[\n{\"a\":\"%\"},\n{\"a\":\"%\"}\n]}\n{\"n\":\"1\",\"l\":[\n{\"a\":\"%\"}\n]}\n" },
		{ "[map]\nformat = jsonl\nbatch = 2\n", "{\"a\":\"%\"}\n{\"a\":\"%\"}\n{\"a\":\"%\"}\n" },
		{ "[map]\nformat = csv\nbatch = 2\n", "\xEF\xBB\xBF"
						      "a\r\n%\r\n%\r\n\xEF\xBB\xBF"
						      "a\r\n%\r\n" },
	};
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct map_refusal refusal;
		struct written written = { .documents = 0 };
		struct map *map = read_map(formats[i].top, "a = unit");
		struct json *json = js_parse(record, strlen(record), NULL);
		struct map_writer *writer = map_writer_new(map, put, &written);
		for (int count = 0; count < 3; count++)
			assert_int_equal(map_writer_add(writer, json, "first", &refusal), 0);
		assert_int_equal(map_writer_end(writer, &refusal), 0);
		assert_string_equal(written.text, formats[i].told);
		assert_int_equal(written.documents, 2);
		map_writer_free(writer);
		map_free(map);
		js_free(json);
	}
}

static int put_nothing(void *context, size_t number, const char *bytes, size_t length)
{
	(void)context, (void)number, (void)bytes, (void)length;
	return 1;
}

static void what_cannot_be_written_ends_it(void **state)
{
	(void)state;
	struct map_refusal refusal;
	struct map *map = read_map(LINES, "a = unit");
	struct json *json = js_parse(record, strlen(record), NULL);
	struct map_writer *writer = map_writer_new(map, put_nothing, NULL);
	assert_int_equal(map_writer_add(writer, json, "first", &refusal), -EIO);
	map_writer_free(writer);
	map_free(map);
	js_free(json);
}

static void what_differs_from_run_to_run_is_given(void **state)
{
	(void)state;
	struct fault fault;
	struct map *map =
		read_map("[map]\nformat = jsonl\n[given]\ntoken =\ntype = 2\n", "a = given token + given type");
	assert_int_equal(map_ready(map, &fault), -EINVAL);
	assert_string_equal(fault.text, "this map needs --given token=VALUE");
	assert_int_equal(map_give(map, "tokne", "x", &fault), -EINVAL);
	assert_string_equal(fault.text, "this map takes no 'tokne'; it takes token, type");
	assert_int_equal(map_give(map, "token", "x", &fault), 0);
	assert_int_equal(map_ready(map, &fault), 0);
	map_free(map);
}

/* ---- what corrects what ---- */

static const char *const chain[] = {
	"{\"id\":\"a\",\"kind\":\"sample\",\"supersedes\":\"gone\"}",
	"{\"id\":\"b\",\"kind\":\"sample\"}",
	"{\"id\":\"e\",\"event\":\"undecodable\"}",
	"{\"id\":\"c\",\"kind\":\"sample\",\"supersedes\":\"b\"}",
	"{\"id\":\"d\",\"kind\":\"sample\",\"supersedes\":\"c\"}",
	"{\"id\":\"f\",\"kind\":\"sample\",\"supersedes\":\"e\"}",
	"{\"id\":\"g\",\"kind\":\"sample\",\"supersedes\":\"h\"}",
	"{\"id\":\"h\",\"kind\":\"sample\",\"supersedes\":\"g\"}",
	"{\"id\":\"i\",\"kind\":\"sample\",\"supersedes\":\"old\"}",
	"{\"id\":\"j\",\"kind\":\"sample\",\"supersedes\":\"event\"}",
	"{\"supersedes\" no JSON",
};

static int earlier(void *context, const char *id, struct json **ret)
{
	(void)context;
	const char *known = strcmp(id, "old") == 0     ? "{\"id\":\"old\",\"supersedes\":\"older\"}"
	                    : strcmp(id, "event") == 0 ? "{\"id\":\"event\",\"event\":\"undecodable\"}"
	                                               : NULL;
	*ret = known ? js_parse(known, strlen(known), NULL) : NULL;
	return known != NULL;
}

static const char *original(struct corrections *corrections, size_t index)
{
	static char kept[64];
	struct json *json = js_parse(chain[index], strlen(chain[index]), NULL);
	snprintf(kept, sizeof(kept), "%s", corrections_original(corrections, json));
	js_free(json);
	return kept;
}

static void corrections_are_followed_to_the_first(void **state)
{
	(void)state;
	struct corrections *corrections = corrections_new(earlier, NULL);
	for (size_t i = 0; i < sizeof(chain) / sizeof(*chain); i++)
		corrections_feed(corrections, chain[i], strlen(chain[i]));
	assert_true(corrections_superseded(corrections, "b") && corrections_superseded(corrections, "c"));
	assert_false(corrections_superseded(corrections, "d") || corrections_superseded(corrections, "a"));
	assert_string_equal(original(corrections, 0), "gone"); /* removed after its time */
	assert_string_equal(original(corrections, 1), "b");
	assert_string_equal(original(corrections, 4), "b");
	assert_string_equal(original(corrections, 5), "f"); /* an event is no record */
	assert_string_equal(original(corrections, 8), "older");
	assert_string_equal(original(corrections, 9), "j");
	assert_non_null(original(corrections, 6)); /* a circle ends */
	corrections_free(corrections);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_fault_stands_where_it_was_made),
		cmocka_unit_test(a_table_in_a_file_is_checked_line_by_line),
		cmocka_unit_test(what_a_row_says),
		cmocka_unit_test(each_format_escapes_its_own),
		cmocka_unit_test(an_envelope_around_one_record_may_draw_on_it),
		cmocka_unit_test(batches_are_documents_of_their_own),
		cmocka_unit_test(what_cannot_be_written_ends_it),
		cmocka_unit_test(what_differs_from_run_to_run_is_given),
		cmocka_unit_test(corrections_are_followed_to_the_first),
	};
	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
