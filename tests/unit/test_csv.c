#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "../../daemon/csv.h"
#include "tables_fixture.h"

static const struct csv_column columns[] = { { "code", true }, { "name", false }, { "note", false }, { NULL, false } };

/* What csv_read() gave, as "line:code|name|note;" */
static char given[4096];

static void take(void *context, const struct csv_row *row)
{
	(void)context;
	size_t used = strlen(given);
	snprintf(given + used, sizeof(given) - used, "%d:%s|%s|%s;", row->line, row->field[0], row->field[1],
		row->field[2]);
}

static int read_bytes(const void *text, size_t length, struct faults *faults)
{
	*faults = (struct faults){ 0 };
	given[0] = '\0';
	const char *path = write_table(text, length);
	int result = csv_read(path, columns, take, NULL, faults);
	remove_table(path);
	return result;
}

static int read_text(const char *text, struct faults *faults)
{
	return read_bytes(text, strlen(text), faults);
}

static void rows_come_in_the_order_asked_for(void **state)
{
	(void)state;
	static const struct {
		const char *text, *rows;
	} cases[] = {
		{ "code,name,note\na,b,c\nd,e,f\n", "2:a|b|c;3:d|e|f;" },
		{ "note,code,name\nc,a,b\n", "2:a|b|c;" },
		{ "NAME ,\"Code\"\nb,a\n", "2:a|b|;" },
		{ "ｃｏｄｅ\na", "2:a||;" },
		{ "# a comment with a \" quote\n\ncode,name\n# more\n\na,b\n\n\nc,d", "6:a|b|;9:c|d|;" },
		{ "\"# saved, by a spreadsheet\",,\ncode,name\na,b\n", "3:a|b|;" },
		{ "code,name,note\na\nb,c\n", "2:a||;3:b|c|;" },
		{ "code,name\na,b,,,\n,,\n", "2:a|b|;" },
		{ "code,name,,\na,b,,\n", "2:a|b|;" },
		{ "code,name,note\n\"a\",\"b,b\",\"c \"\"c\"\"\"\n", "2:a|b,b|c \"c\";" },
		{ "code,name,note\na,\"b\nb\",c\nd,e,f\n", "2:a|b\nb|c;4:d|e|f;" },
		{ "code,name\n a b ,\t　菠菜　\n", "2:a b|菠菜|;" },
		{ "code,name\n \"a\" ,b\n", "2:a|b|;" },
		{ "\xEF\xBB\xBF"
		  "code,name\r\na,菠菜\r\n",
			"2:a|菠菜|;" },
		{ "code,name\na,\xB2\xA4\xB2\xCB\n", "2:a|菠菜|;" }, /* GB 18030 */
		{ "code\n", "" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct faults faults;
		int result = read_text(cases[i].text, &faults);
		faults_print(&faults, stderr);
		assert_int_equal(result, 0);
		assert_string_equal(given, cases[i].rows);
		faults_free(&faults);
	}
}

static void every_fault_names_its_line_and_the_good_rows_are_still_read(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int line;
		const char *says, *rows;
	} cases[] = {
		{ "", 0, "empty", "" },
		{ "# nothing\n", 0, "empty", "" },
		{ "name,note\na,b\n", 1, "\"code\" is missing", "" },
		{ "code,nmae\na,b\n", 1, "no column \"nmae\"", "" },
		{ "code,name,code\na,b,c\n", 1, "there twice", "" },
		{ "code;name\na;b\n", 1, "not separated by commas", "" },
		{ "code\tname\na\tb\n", 1, "not separated by commas", "" },
		{ "code,name\na,b,c\nd,e\n", 2, "field 3", "3:d|e|;" },
		{ "code,name\na,b\"b\nc,d\n", 2, "not quoted", "3:c|d|;" },
		{ "code,name\na,\"b\"b\nc,d\n", 2, "closing quote", "3:c|d|;" },
		{ "code,name\na,b\nc,\"d\ne,f\n", 3, "never ends", "2:a|b|;" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct faults faults;
		assert_true(read_text(cases[i].text, &faults) < 0);
		if (!faults_at(&faults, cases[i].line, cases[i].says))
			faults_print(&faults, stderr);
		assert_int_equal(faults_at(&faults, cases[i].line, cases[i].says), 1);
		assert_string_equal(given, cases[i].rows);
		faults_free(&faults);
	}
}

static void all_faulty_lines_are_reported_in_one_run(void **state)
{
	(void)state;
	struct faults faults;
	assert_true(read_text("code,name\na,b,c\nd,e\nf,g\"\nh,i,j\n", &faults) < 0);
	assert_int_equal(faults.errors, 3);
	assert_string_equal(given, "3:d|e|;");
	faults_free(&faults);
}

static void a_missing_file_is_a_fault(void **state)
{
	(void)state;
	struct faults faults = { 0 };
	assert_true(csv_read("/nonexistent/items.csv", columns, take, NULL, &faults) < 0);
	assert_int_equal(faults.errors, 1);
	faults_free(&faults);
}

/* Whatever stands in the file: an answer, no crash, and an error said whenever one is returned. */
static void any_bytes_are_read_or_refused(void **state)
{
	(void)state;
	static const char alphabet[] = "code,name\n\"\"#, \r\xB2\xA4\t;";
	unsigned seed = 1;
	for (int round = 0; round < 3000; round++) {
		char text[96] = "code,name,note\n";
		size_t length = round % 3 ? strlen(text) : 0;
		size_t end = length + (size_t)(rand_r(&seed) % 60);
		while (length < end)
			text[length++] = alphabet[(size_t)rand_r(&seed) % (sizeof(alphabet) - 1)];
		struct faults faults;
		int result = read_bytes(text, length, &faults);
		assert_int_equal(result<0, faults.errors> 0);
		faults_free(&faults);
	}
}

static void what_is_written_is_read_back(void **state)
{
	(void)state;
	static const struct {
		const char *text, *written;
	} cases[] = {
		{ "", "" },
		{ "菠菜 1", "菠菜 1" },
		{ "a,b", "\"a,b\"" },
		{ "\"", "\"\"\"\"" },
		{ "5\" x \"", "\"5\"\" x \"\"\"" },
		{ "one\ntwo", "\"one\ntwo\"" },
		{ "one\rtwo", "\"one\rtwo\"" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char text[128] = "", expected[128];
		struct faults faults;
		FILE *out = fmemopen(text, sizeof(text), "w");
		fputs("name,code,note\n", out);
		long begin = ftell(out);
		csv_put(out, cases[i].text);
		fputs(",x,", out);
		csv_put_quoted(out, "'", cases[i].text);
		fclose(out);
		assert_memory_equal(text + begin, cases[i].written, strlen(cases[i].written));
		assert_int_equal(text[begin + (long)strlen(cases[i].written)], ',');
		assert_int_equal(read_text(text, &faults), 0);
		snprintf(expected, sizeof(expected), "2:x|%s|'%s;", cases[i].text, cases[i].text);
		assert_string_equal(given, expected);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_come_in_the_order_asked_for),
		cmocka_unit_test(every_fault_names_its_line_and_the_good_rows_are_still_read),
		cmocka_unit_test(all_faulty_lines_are_reported_in_one_run),
		cmocka_unit_test(a_missing_file_is_a_fault),
		cmocka_unit_test(any_bytes_are_read_or_refused),
		cmocka_unit_test(what_is_written_is_read_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
