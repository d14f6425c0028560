/* Settings: a value is understood whole or refused with what would be right. */
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

#include "../../daemon/settings.h"
#include "../../daemon/settings_words.h"

struct sheet {
	char name[13];
	long unit, offset;
	int64_t poll_ms;
	int mode;
	bool strict;
	char limit[11], until[11];
	char file[65], folder[65], secret[65];
};

#define AT(member) offsetof(struct sheet, member)
static const struct setting rows[] = {
	{ "name", SETTING_TEXT, AT(name), 0, 12, NULL, "", NULL, "" },
	{ "unit", SETTING_INTEGER, AT(unit), 1, 247, NULL, "1", NULL, "" },
	{ "offset", SETTING_INTEGER, AT(offset), -100, 1000000, NULL, "0", NULL, "" },
	{ "poll", SETTING_DURATION, AT(poll_ms), 500, 60000, NULL, "1s", NULL, "" },
	{ "mode", SETTING_CHOICE, AT(mode), 0, 0, "first|second|third", "second", NULL, "" },
	{ "strict", SETTING_BOOLEAN, AT(strict), 0, 0, NULL, "yes", NULL, "" },
	{ "limit", SETTING_DECIMAL, AT(limit), 0, 10, NULL, "", NULL, "" },
	{ "until", SETTING_DAY, AT(until), 0, 0, NULL, "", NULL, "" },
	{ "file", SETTING_PATH, AT(file), 1, 64, NULL, "", NULL, "" },
	{ "folder", SETTING_DIRECTORY, AT(folder), 1, 64, NULL, "", NULL, "" },
	{ "secret", SETTING_CREDENTIAL, AT(secret), 1, 64, NULL, "", NULL, "" },
	{ .name = NULL },
};
static const struct setting needed[] = {
	{ "port", SETTING_TEXT, AT(name), 1, 12, NULL, NULL, "usb:1a86:7523", "" },
	{ .name = NULL },
};

static struct sheet sheet;

static const struct setting *row_of(const char *name)
{
	for (const struct setting *row = rows; row->name; row++)
		if (!strcmp(row->name, name))
			return row;
	fail_msg("no row %s", name);
	return NULL;
}

static void takes(const char *name, const char *value)
{
	struct fault fault = { "" };
	if (settings_value(row_of(name), value, &sheet, &fault) != 0)
		fail_msg("%s = %s: %s", name, value, fault.text);
}

/* Refuses `value`, says `words`, and leaves the struct as it was. */
static void refuses(const char *name, const char *value, const char *words)
{
	struct sheet before = sheet;
	struct fault fault = { "" };
	if (settings_value(row_of(name), value, &sheet, &fault) != -EINVAL)
		fail_msg("%s = %s was taken", name, value);
	if (!strstr(fault.text, words) || !strchr(fault.text, ';'))
		fail_msg("%s = %s: \"%s\" does not say \"%s\"", name, value, fault.text, words);
	assert_memory_equal(&before, &sheet, sizeof(sheet));
}

static void numbers_are_read_whole_or_not_at_all(void **state)
{
	(void)state;
	takes("unit", "247");
	assert_int_equal(sheet.unit, 247);
	takes("unit", "0x1F");
	assert_int_equal(sheet.unit, 31);
	takes("offset", "-100");
	assert_int_equal(sheet.offset, -100);
	takes("unit", "007");
	assert_int_equal(sheet.unit, 7);
	refuses("offset", "96oo", "holds a letter where a digit belongs; 9600 may be meant");
	refuses("offset", "9600bps", "write 9600, without 'bps'");
	refuses("unit", "1O", "10 may be meant");
	refuses("unit", "fast", "write one of 1..247");
	refuses("unit", "1.5", "not a whole number");
	refuses("unit", "0", "outside 1..247; 1 is the nearest");
	refuses("unit", "300", "outside 1..247; 247 is the nearest");
	refuses("unit", "99999999999999999999", "not a whole number");
	refuses("unit", "３", "full-width character '３'; type '3'");
	refuses("unit", "", "has no value");
	refuses("unit", "0x", "not a whole number");
}

static void durations_have_a_unit_and_a_range(void **state)
{
	(void)state;
	takes("poll", "500ms");
	assert_int_equal(sheet.poll_ms, 500);
	takes("poll", "1min");
	assert_int_equal(sheet.poll_ms, 60000);
	takes("poll", "5 s");
	assert_int_equal(sheet.poll_ms, 5000);
	refuses("poll", "5", "has no unit; write 5s");
	refuses("poll", "5sec", "write 5s");
	refuses("poll", "1m", "write 1min");
	refuses("poll", "5秒", "write 5s");
	refuses("poll", "1Os", "10s may be meant");
	refuses("poll", "1.5s", "not a length of time");
	refuses("poll", "2min", "outside 500ms..1min; 1min is the nearest");
	refuses("poll", "1ms", "outside 500ms..1min; 500ms is the nearest");
	refuses("poll", "99999999999999999999d", "1min is the nearest");
	refuses("poll", "106751991168d", "1min is the nearest");
	refuses("poll", "-5s", "not a length of time");
	refuses("poll", "1s5", "within 500ms..1min");
	refuses("poll", "soon", "not a length of time");
}

static void words_get_a_did_you_mean(void **state)
{
	(void)state;
	takes("mode", "third");
	assert_int_equal(sheet.mode, 2);
	refuses("mode", "secnod", "did you mean 'second'?");
	refuses("mode", "FIRST", "did you mean 'first'?");
	refuses("mode", "none", "it takes first, second, third");
	refuses("mode", "first|second", "mode knows no");
	takes("strict", "off");
	assert_false(sheet.strict);
	takes("strict", "true");
	assert_true(sheet.strict);
	refuses("strict", "ja", "write yes or no");
}

static void texts_decimals_and_paths_are_checked(void **state)
{
	(void)state;
	takes("name", "嘉善检测");
	assert_string_equal(sheet.name, "嘉善检测");
	takes("name", "（一）"); /* full-width is right in a text */
	refuses("name", "嘉善检测室", "shorten it to 12");
	takes("until", "2027/3/1");
	assert_string_equal(sheet.until, "2027-03-01");
	refuses("until", "2027-02-29", "is no day; write it like 2026-03-05");
	refuses("until", "1.3.2027", "is no day");
	takes("limit", "0.50");
	assert_string_equal(sheet.limit, "0.50");
	refuses("limit", "0.5O", "0.50 may be meant");
	refuses("limit", "0,5", "not a number");
	refuses("limit", "１", "full-width");
	takes("folder", "/var/lib/nowhere");
	refuses("folder", "var/lib", "begin it with /");
	takes("file", "/etc/passwd");
	refuses("file", "/dev/null", "no ordinary file");
	refuses("file", "/nonexistent", "name a file that exists");
	refuses("file", "/tmp", "is a directory; name a file");
	refuses("file", "etc/passwd", "not an absolute path");
	refuses("file", "", "or delete the line");
}

static void credentials_are_found_in_their_directory(void **state)
{
	(void)state;
	char directory[] = "/tmp/assay-credential-XXXXXX", path[64], where[128];
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/mqtt-password", directory);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fclose(file);
	unsetenv("CREDENTIALS_DIRECTORY");
	takes("secret", "mqtt-password"); /* nobody can look outside the unit */
	setenv("CREDENTIALS_DIRECTORY", directory, 1);
	takes("secret", "mqtt-password");
	assert_string_equal(words_credential("mqtt-password", where, sizeof(where)), path);
	assert_string_equal(words_credential("/a/b", where, sizeof(where)), "/a/b");
	refuses("secret", "other", "name a file that exists");
	refuses("secret", "a/b", "not an absolute path");
	unsetenv("CREDENTIALS_DIRECTORY");
	unlink(path);
	rmdir(directory);
}

static void only_near_words_are_proposed(void **state)
{
	(void)state;
	char nearest[32];
	assert_true(words_nearest("prot", "driver|port|poll", nearest, sizeof(nearest)));
	assert_string_equal(nearest, "port");
	assert_true(words_nearest("ｐｏｒｔ", "driver|port|poll", nearest, sizeof(nearest)));
	assert_string_equal(nearest, "port");
	assert_true(words_nearest("Client_ID", "client-id|username", nearest, sizeof(nearest)));
	assert_string_equal(nearest, "client-id");
	assert_false(words_nearest("colour", "driver|port|poll", nearest, sizeof(nearest)));
	assert_false(words_nearest("", "driver|port", nearest, sizeof(nearest)));
}

static void durations_are_written_in_their_largest_unit(void **state)
{
	(void)state;
	char text[32];
	assert_string_equal(settings_duration(34560000000, text, sizeof(text)), "400d");
	assert_string_equal(settings_duration(90000, text, sizeof(text)), "90s");
	assert_string_equal(settings_duration(1500, text, sizeof(text)), "1500ms");
	assert_string_equal(settings_duration(0, text, sizeof(text)), "0s");
}

static void a_section_is_read_with_defaults_and_every_fault(void **state)
{
	(void)state;
	struct faults faults = { 0 };
	struct ini *ini;
	memset(&sheet, 0, sizeof(sheet));
	ini_parse("t.conf", "[a b]\nunit = 3\nmdoe = first\npoll = 5\n", &ini, &faults);
	assert_int_equal(faults.count, 0);
	struct settings_table tables[] = { { rows, &sheet }, { needed, &sheet } };
	assert_int_equal(settings_read(ini, &ini->sections[0], tables, 2, false, &faults), 3);
	assert_int_equal(sheet.unit, 3);
	assert_int_equal(sheet.mode, 1);
	assert_int_equal(sheet.poll_ms, 1000);
	assert_true(sheet.strict);
	assert_int_equal(faults.list[0].line, 3);
	assert_non_null(strstr(faults.list[0].text, "[a] has no setting 'mdoe'; did you mean 'mode'?"));
	assert_int_equal(faults.list[1].line, 4);
	assert_int_equal(faults.list[1].column, 8);
	assert_int_equal(faults.list[2].line, 1);
	assert_string_equal(faults.list[2].text, "[a b] lacks 'port'; add a line such as: port = usb:1a86:7523");
	faults_free(&faults);
	assert_int_equal(settings_read(ini, &ini->sections[0], tables, 1, true, &faults), 1);
	faults_free(&faults);
	ini_free(ini);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_read_whole_or_not_at_all),
		cmocka_unit_test(durations_have_a_unit_and_a_range),
		cmocka_unit_test(words_get_a_did_you_mean),
		cmocka_unit_test(texts_decimals_and_paths_are_checked),
		cmocka_unit_test(credentials_are_found_in_their_directory),
		cmocka_unit_test(only_near_words_are_proposed),
		cmocka_unit_test(durations_are_written_in_their_largest_unit),
		cmocka_unit_test(a_section_is_read_with_defaults_and_every_fault),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
