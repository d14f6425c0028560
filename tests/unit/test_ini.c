/* INI files: what is understood, and what each mistake is called. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../daemon/ini.h"

static struct ini *good(const char *text)
{
	struct faults faults = { 0 };
	struct ini *ini;
	int result = ini_parse("test.conf", text, &ini, &faults);
	faults_print(&faults, stderr);
	assert_int_equal(result, 0);
	assert_int_equal(faults.count, 0);
	return ini;
}

static const char *value_of(const struct ini *ini, size_t section, const char *key)
{
	assert_true(section < ini->count);
	const struct ini_entry *entry = ini_find(&ini->sections[section], key);
	assert_non_null(entry);
	return entry->value;
}

/* Parses `text` and expects one fault, at line:column, that contains `words`. */
static void one_fault(const char *text, int line, int column, const char *words)
{
	struct faults faults = { 0 };
	struct ini *ini;
	assert_int_equal(ini_parse("test.conf", text, &ini, &faults), -EINVAL);
	assert_non_null(ini);
	if (faults.count != 1 || faults.list[0].line != line || faults.list[0].column != column ||
		!strstr(faults.list[0].text, words)) {
		faults_print(&faults, stderr);
		fail_msg("expected one fault at %d:%d with \"%s\"", line, column, words);
	}
	assert_non_null(strchr(faults.list[0].text, ';')); /* what is wrong; what would be right */
	ini_free(ini);
	faults_free(&faults);
}

static void sections_keys_and_values_are_understood(void **state)
{
	(void)state;
	struct ini *ini = good("# comment\n; another\n\n[station]\ncode = 330421103-01\nname = 魏塘街道 检测室\n"
			       "[instrument pr-1]\n\tport = usb:1a86:7523\n  line=115200/8n1  \n");
	assert_int_equal(ini->count, 2);
	assert_string_equal(ini->sections[0].word, "station");
	assert_string_equal(ini->sections[0].name, "");
	assert_string_equal(ini->sections[1].word, "instrument");
	assert_string_equal(ini->sections[1].name, "pr-1");
	assert_string_equal(value_of(ini, 0, "code"), "330421103-01");
	assert_string_equal(value_of(ini, 0, "name"), "魏塘街道 检测室");
	assert_string_equal(value_of(ini, 1, "port"), "usb:1a86:7523");
	assert_string_equal(value_of(ini, 1, "line"), "115200/8n1");
	const struct ini_entry *port = ini_find(&ini->sections[1], "port");
	assert_int_equal(port->line, 8);
	assert_int_equal(port->key_column, 2);
	assert_int_equal(port->value_column, 9);
	assert_null(ini_find(&ini->sections[1], "name"));
	ini_free(ini);
}

static void comments_end_values_only_after_a_blank(void **state)
{
	(void)state;
	struct ini *ini =
		good("[a] # section\nk1 = v ; c\nk2 = v;w#x\nk3 = \"a ; b\" # c\nk4 = x\t# c\nk5 = ; c\nk6 =\n"
		     "k7 = say \"x\"\n");
	assert_string_equal(value_of(ini, 0, "k1"), "v");
	assert_string_equal(value_of(ini, 0, "k2"), "v;w#x");
	assert_string_equal(value_of(ini, 0, "k3"), "a ; b");
	assert_string_equal(value_of(ini, 0, "k4"), "x");
	assert_string_equal(value_of(ini, 0, "k5"), "");
	assert_string_equal(value_of(ini, 0, "k6"), "");
	assert_string_equal(value_of(ini, 0, "k7"), "say \"x\"");
	ini_free(ini);
}

static void an_indented_line_is_a_line_of_its_own(void **state)
{
	(void)state;
	struct ini *ini = good("[a]\nk = 1\n   port = 2\n\tunit = 3\n");
	assert_string_equal(value_of(ini, 0, "k"), "1");
	assert_string_equal(value_of(ini, 0, "port"), "2");
	assert_string_equal(value_of(ini, 0, "unit"), "3");
	ini_free(ini);
}

static void a_colon_separates_nothing(void **state)
{
	(void)state;
	struct ini *ini = good("[a]\nport = tcp:10.0.0.9:4001\na:b = c\n");
	assert_string_equal(value_of(ini, 0, "port"), "tcp:10.0.0.9:4001");
	assert_string_equal(value_of(ini, 0, "a:b"), "c");
	ini_free(ini);
	one_fault("[a]\nport: 3\n", 2, 5, "parted by =, not by ':'");
}

static void a_long_value_is_kept_whole_or_refused(void **state)
{
	(void)state;
	char text[5000] = "[a]\n";
	memset(text + 4, 'x', 3998);
	memcpy(text + 4, "k=", 2);
	struct ini *ini = good(text);
	assert_int_equal(strlen(value_of(ini, 0, "k")), 3996);
	ini_free(ini);
	memset(text + 6, 'x', 4100);
	one_fault(text, 2, 1, "longer than 4000 bytes");
}

static void each_mistake_has_its_place_and_its_remedy(void **state)
{
	(void)state;
	one_fault("[instrument pr-1\nport = 1\n", 1, 17, "write [instrument pr-1]");
	one_fault("[]\n", 1, 2, "no name");
	one_fault("[instrument pr 1]\n", 1, 15, "join the words with -");
	one_fault("[a] b\n", 1, 5, "on a line of its own");
	one_fault("[a]\nport\n", 2, 1, "neither [section] nor key = value");
	one_fault("[a]\n= 3\n", 2, 1, "no key before the =");
	one_fault("port = 3\n[a]\n", 1, 1, "before the first section");
	one_fault("[a]\nk = \"x\n", 2, 5, "closing \" is missing");
	one_fault("[a]\nk = \"x\" y\n", 2, 9, "only a comment may follow");
	one_fault("[a]\nk = a\x01z\n", 2, 6, "control character (0x01)");
	one_fault("[a]\nk = a\xE2\x80\x8Bz\n", 2, 6, "invisible character (U+200B)");
}

static void what_is_given_twice_names_the_first(void **state)
{
	(void)state;
	one_fault("[a]\nport = 1\nx = 2\nport = 1\n", 4, 1, "first at line 2");
	one_fault("[a b]\nk = 1\n[c]\n[a b]\n", 4, 2, "first at line 1");
}

static void full_width_punctuation_is_named(void **state)
{
	(void)state;
	one_fault("［station]\ncode = 1\n", 1, 1, "'［' is a full-width bracket; use [");
	one_fault("[station】\ncode = 1\n", 1, 9, "'】' is a full-width bracket; use ]");
	one_fault("[a]\nport ＝ 3\n", 2, 6, "'＝' is a full-width equals sign; use =");
	one_fault("[a]\nport：3\n", 2, 5, "not by '：'");
	one_fault("[a]\nk = “x”\n", 2, 5, "'“' is a typographic quote");
	one_fault("[a]\n；a comment = x\n", 2, 1, "a comment starts with #");
	one_fault("[a]\nk =　x\n", 2, 4, "full-width or no-break space before the value");
	one_fault("[a]\n　k = x\n", 2, 1, "full-width or no-break space at the start");
}

static void reading_goes_on_behind_a_fault(void **state)
{
	(void)state;
	struct faults faults = { 0 };
	struct ini *ini;
	assert_int_equal(ini_parse("t", "[a\nport ＝ 3\nunit\n[b]\nk = \"x\nl = 1\n", &ini, &faults), -EINVAL);
	assert_int_equal(faults.errors, 4);
	assert_string_equal(value_of(ini, 0, "port"), "3");
	assert_string_equal(value_of(ini, 1, "k"), "");
	assert_string_equal(value_of(ini, 1, "l"), "1");
	ini_free(ini);
	faults_free(&faults);
}

static void a_file_of_rubbish_is_left_after_a_hundred_faults(void **state)
{
	(void)state;
	char *text = calloc(1, 20001);
	assert_non_null(text);
	for (size_t i = 0; i < 10000; i++)
		memcpy(text + 2 * i, "x\n", 2);
	struct faults faults = { 0 };
	struct ini *ini;
	assert_int_equal(ini_parse("t", text, &ini, &faults), -EINVAL);
	assert_int_equal(faults.errors, 101);
	ini_free(ini);
	faults_free(&faults);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sections_keys_and_values_are_understood),
		cmocka_unit_test(comments_end_values_only_after_a_blank),
		cmocka_unit_test(an_indented_line_is_a_line_of_its_own),
		cmocka_unit_test(a_colon_separates_nothing),
		cmocka_unit_test(a_long_value_is_kept_whole_or_refused),
		cmocka_unit_test(each_mistake_has_its_place_and_its_remedy),
		cmocka_unit_test(what_is_given_twice_names_the_first),
		cmocka_unit_test(full_width_punctuation_is_named),
		cmocka_unit_test(reading_goes_on_behind_a_fault),
		cmocka_unit_test(a_file_of_rubbish_is_left_after_a_hundred_faults),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
