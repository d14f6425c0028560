/* Text files as WPS, Excel and Notepad save them, and how their faults are told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../daemon/textfile.h"

static char directory[] = "/tmp/assay-textfile-XXXXXX";
static char path[64];

static int make_directory(void **state)
{
	(void)state;
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof(path), "%s/text", directory);
	return 0;
}

static int remove_directory(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(directory);
}

static void write_file(const void *data, size_t length)
{
	FILE *file = fopen(path, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, length, file), length);
	fclose(file);
}

static void reads_as(const char *data, size_t length, const char *expected)
{
	write_file(data, length);
	struct faults faults = { 0 };
	char *text = NULL;
	size_t text_length = 0;
	assert_int_equal(textfile_read(path, &text, &text_length, &faults), 0);
	assert_int_equal(faults.count, 0);
	assert_string_equal(text, expected);
	assert_int_equal(text_length, strlen(expected));
	free(text);
}
#define READS_AS(data, expected) reads_as(data, sizeof(data) - 1, expected)

static void is_refused(const char *data, size_t length, int line, int column, const char *words)
{
	write_file(data, length);
	struct faults faults = { 0 };
	char *text = NULL;
	assert_true(textfile_read(path, &text, NULL, &faults) < 0);
	assert_null(text);
	if (faults.count != 1 || faults.list[0].line != line || faults.list[0].column != column ||
		!strstr(faults.list[0].text, words)) {
		faults_print(&faults, stderr);
		fail_msg("expected one fault at %d:%d with \"%s\"", line, column, words);
	}
	faults_free(&faults);
}
#define IS_REFUSED(data, line, column, words) is_refused(data, sizeof(data) - 1, line, column, words)

static void utf8_gb18030_marks_and_line_ends_all_read_the_same(void **state)
{
	(void)state;
	READS_AS("name = 嘉善\nx = 1\n", "name = 嘉善\nx = 1\n");
	READS_AS("\xEF\xBB\xBFname = 嘉善\r\nx = 1\r\n", "name = 嘉善\nx = 1\n");
	READS_AS("name = \xBC\xCE\xC9\xC6\r\nx = 1\r\n", "name = 嘉善\nx = 1\n");
	READS_AS("\x81\x30\x81\x30\xBC\xCE\xC9\xC6", "\xC2\x80嘉善"); /* a four-byte character */
	READS_AS("", "");
	READS_AS("a\rb\n", "a\rb\n"); /* a lone CR is no line end: whoever reads the line says so */
}

static void half_a_character_is_named_and_never_read_as_another(void **state)
{
	(void)state;
	IS_REFUSED("name = 嘉\xE5\x96\nx = 1\n", 1, 9, "no character, or half of one");
	IS_REFUSED("a\n# 注释\nname = \xE5\x98\x89\xE5\x96", 3, 9, "half of one");
	IS_REFUSED("a = 1\nname = \xBC\xCE\xC9\n", 2, 9, "GB 18030, or half of one");
	IS_REFUSED("a = 1\nname = \xBC\xCE\xC9", 2, 9, "GB 18030, or half of one");
}

static void one_gb18030_line_in_a_utf8_file_is_named(void **state)
{
	(void)state;
	IS_REFUSED("# 魏塘街道农产品快速检测室\nname = \xBC\xCE\xC9\xC6\n", 2, 8, "save the file as UTF-8");
}

static void utf16_is_named(void **state)
{
	(void)state;
	IS_REFUSED("\xFF\xFE[\0a\0]\0\n\0", 1, 0, "UTF-16");
	IS_REFUSED("\xFE\xFF\0[\0a\0]\0\n", 1, 0, "UTF-16");
	IS_REFUSED("[\0s\0t\0a\0t\0i\0o\0n\0]\0\n\0", 1, 0, "UTF-16");
}

static void a_nul_byte_is_named(void **state)
{
	(void)state;
	IS_REFUSED("[station]\ncode = 33\0"
		   "421\nname = a nul byte far from any pattern\n",
		2, 10, "NUL");
}

static void what_cannot_be_read_is_said(void **state)
{
	(void)state;
	struct faults faults = { 0 };
	char *text = NULL;
	assert_int_equal(textfile_read("/nonexistent/file", &text, NULL, &faults), -ENOENT);
	assert_int_equal(textfile_read(directory, &text, NULL, &faults), -EISDIR);
	assert_int_equal(textfile_read("/dev/null", &text, NULL, &faults), -EINVAL);
	assert_int_equal(faults.errors, 3);
	assert_non_null(strstr(faults.list[0].text, "does not exist"));
	assert_non_null(strstr(faults.list[1].text, "directory"));
	faults_free(&faults);
	write_file("a", 1);
	assert_int_equal(truncate(path, (16 << 20) + 1), 0);
	assert_int_equal(textfile_read(path, &text, NULL, &faults), -EFBIG);
	faults_free(&faults);
	if (geteuid() == 0)
		return; /* root may read everything */
	assert_int_equal(chmod(path, 0), 0);
	assert_int_equal(textfile_read(path, &text, NULL, &faults), -EACCES);
	faults_free(&faults);
}

static void faults_are_printed_in_order_with_a_caret(void **state)
{
	(void)state;
	struct faults faults = { 0 };
	faults_add(&faults, FAULTS_ERROR, "b.conf", 2, 8, "name = 嘉善 x", "second; do %s", "this");
	faults_add(&faults, FAULTS_WARNING, "a.conf", 10, 0, NULL, "warned; do that");
	faults_add(&faults, FAULTS_ERROR, "b.conf", 0, 0, NULL, "whole file; mend it");
	faults_add(&faults, FAULTS_ERROR, "a.conf", 9, 9, "\tk = 嘉善\x1B[2J", "first \x1B \xE5\x96; mend it");
	assert_int_equal(faults.errors, 3);
	char *printed = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&printed, &size);
	faults_print(&faults, out);
	fclose(out);
	assert_string_equal(printed, "a.conf:9:9: first \xEF\xBF\xBD \xEF\xBF\xBD; mend it\n"
				     "     k = 嘉善\xEF\xBF\xBD[2J\n"
				     "              ^\n"
				     "a.conf:10: warning: warned; do that\n"
				     "b.conf: whole file; mend it\n"
				     "b.conf:2:8: second; do this\n"
				     "    name = 嘉善 x\n"
				     "           ^\n");
	free(printed);
	faults_free(&faults);
	assert_int_equal(faults.count, 0);
}

static void of_a_long_line_the_neighbourhood_is_shown(void **state)
{
	(void)state;
	char line[3001];
	memset(line, 'x', 3000);
	line[1999] = '!';
	line[3000] = '\0';
	struct faults faults = { 0 };
	faults_add(&faults, FAULTS_ERROR, "a", 1, 2000, line, "w; r");
	char *printed = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&printed, &size);
	faults_print(&faults, out);
	fclose(out);
	const char *mark = strchr(printed, '!'), *caret = strchr(printed, '^');
	assert_non_null(mark);
	assert_non_null(caret);
	const char *shown = strchr(printed, '\n') + 1, *below = strchr(shown, '\n') + 1;
	assert_int_equal(mark - shown, caret - below);
	assert_true(size < 400);
	free(printed);
	faults_free(&faults);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(utf8_gb18030_marks_and_line_ends_all_read_the_same),
		cmocka_unit_test(half_a_character_is_named_and_never_read_as_another),
		cmocka_unit_test(one_gb18030_line_in_a_utf8_file_is_named),
		cmocka_unit_test(utf16_is_named),
		cmocka_unit_test(a_nul_byte_is_named),
		cmocka_unit_test(what_cannot_be_read_is_said),
		cmocka_unit_test(faults_are_printed_in_order_with_a_caret),
		cmocka_unit_test(of_a_long_line_the_neighbourhood_is_shown),
	};
	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
