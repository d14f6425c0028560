#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "../../drivers/delimited.h"
#include "../../drivers/text.h"

static char out[128];

static unsigned decode(enum text_encoding encoding, const char *bytes)
{
	return text_decode(encoding, bytes, strlen(bytes), out, sizeof(out));
}

/* The residue vocabulary in GB 18030, computed independently with two codecs (glibc iconv and Python's) that agreed on
 * every row. Facts of the standard; no licence needed. */
/* clang-format off */
static const struct {
	const char *gb18030, *utf8;
} vocabulary[] = {
	{ "\xB6\xBE\xCB\xC0\xF2\xE7", "毒死蜱" },
	{ "\xE0\xA4\xB3\xE6\xEB\xDF", "啶虫脒" },
	{ "\xBF\xCB\xB0\xD9\xCD\xFE", "克百威" },
	{ "\xCC\xE9\xC3\xF0\xCD\xFE", "涕灭威" },
	{ "\xD1\xF5\xC0\xD6\xB9\xFB", "氧乐果" },
	{ "\xBC\xD7\xB0\xB7\xC1\xD7", "甲胺磷" },
	{ "\xCB\xAE\xB0\xB7\xC1\xF2\xC1\xD7", "水胺硫磷" },
	{ "\xC8\xFD\xDF\xF2\xC1\xD7", "三唑磷" },
	{ "\xD2\xF5\xD0\xD4", "阴性" },
	{ "\xD1\xF4\xD0\xD4", "阳性" },
	{ "\xD2\xD6\xD6\xC6\xC2\xCA\xA3\xBA\x35\x36\x2E\x38\xA3\xA5", "抑制率：56.8％" },
	{ "\xCE\xFC\xB9\xE2\xB6\xC8", "吸光度" },
	{ "\xBB\xC6\xC7\xFA\xC3\xB9\xB6\xBE\xCB\xD8\x42\x81\x36\xAE\x39", "黄曲霉毒素B₁" },
	{ "\xB1\xBD\xB2\xA2\x5B\x61\x5D\xDC\xC5", "苯并[a]芘" },
	{ "\xA9\x4A\x2F\xA9\x4B", "㎎/㎏" },
	{ "\xA6\xCC\x67\x2F\x6B\x67", "μg/kg" },
	{ "\x81\x30\x85\x38\x67\x2F\x6B\x67", "µg/kg" },
	{ "\xD0\xA1\xB0\xD7\xB2\xCB\xA3\xA8\xC9\xA2\xBB\xA7\xA3\xA9", "小白菜（散户）" },
	{ "\xCF\xCA\xC8\xE9", "鲜乳" },
	{ "\xFD\x93", "龘" },
	{ "\x95\x34\xB2\x35\xD2\xB0\xBC\xD2", "𠮷野家" },
	{ "\xA2\xE3\x35", "€5" },
	{ "\xA2\xD9\xA2\xDA\xA2\xDB", "①②③" },
	{ "\xA1\xA1\xC8\xAB\xBD\xC7\xBF\xD5\xB8\xF1", "　全角空格" },
	{ "\x99\x31\xD2\x39", "𬌗" },
};
/* clang-format on */

static void latin_1_is_one_byte_each_and_has_no_more_control_characters(void **state)
{
	(void)state;
	assert_int_equal(decode(TEXT_LATIN1, "10\xB3/\xB5L \xB0"
					     "C m\xB2 \xE9\xFF"),
		0);
	assert_string_equal(out, "10³/µL °C m² éÿ");
	assert_int_equal(decode(TEXT_LATIN1, "\x80\x9F"), TEXT_BAD);
	assert_string_equal(out, "\xEF\xBF\xBD\xEF\xBF\xBD");
}

static void the_vocabulary_of_the_field_is_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(vocabulary) / sizeof(vocabulary[0]); i++) {
		const char *expected = vocabulary[i].utf8;
		if (strncmp(expected, "　", 3) == 0)
			expected += 3; /* a full-width blank at the start is padding */
		assert_int_equal(decode(TEXT_GB18030, vocabulary[i].gb18030), 0);
		assert_string_equal(out, expected);
		assert_true(text_is_utf8(out, strlen(out)));
		assert_int_equal(decode(TEXT_AUTO, vocabulary[i].gb18030), 0);
		assert_string_equal(out, expected);
		assert_int_equal(decode(TEXT_UTF8, vocabulary[i].utf8), 0);
		assert_string_equal(out, expected);
		assert_int_equal(decode(TEXT_AUTO, vocabulary[i].utf8), 0);
		assert_string_equal(out, expected);
	}
}

static void a_character_cut_in_half_is_kept_and_marked(void **state)
{
	(void)state;
	assert_int_equal(decode(TEXT_GB18030, "\xB2\xA4\xB2\xCB\xB2"), TEXT_CUT);
	assert_string_equal(out, "菠菜\uFFFD");
	assert_int_equal(decode(TEXT_GB18030, "\xB5"), TEXT_CUT);
	assert_string_equal(out, "\uFFFD");
	/* two and three of the four bytes of U+00B5 */
	assert_int_equal(decode(TEXT_GB18030, "a\x81\x30"), TEXT_CUT);
	assert_string_equal(out, "a\uFFFD");
	assert_int_equal(decode(TEXT_GB18030, "a\x81\x30\x85"), TEXT_CUT);
	assert_string_equal(out, "a\uFFFD");
	assert_int_equal(decode(TEXT_UTF8, "\xE8\x8F\xA0\xE8\x8F"), TEXT_CUT);
	assert_string_equal(out, "菠\uFFFD");
	assert_int_equal(decode(TEXT_UTF8, "\xF0\xA0\xAE"), TEXT_CUT);
	/* the half is followed by padding */
	assert_int_equal(text_decode(TEXT_GB18030, "\xB2\xA4\xB2\0\0\0", 6, out, sizeof(out)), TEXT_CUT);
	assert_string_equal(out, "菠\uFFFD");
	assert_int_equal(decode(TEXT_GB18030, "\xB2\xA4\xB2   "), TEXT_CUT);
	assert_string_equal(out, "菠\uFFFD");
}

static void bytes_that_are_no_character_are_replaced_one_by_one(void **state)
{
	(void)state;
	assert_int_equal(decode(TEXT_GB18030, "a\xFFz"), TEXT_BAD);
	assert_string_equal(out, "a\uFFFDz");
	assert_int_equal(decode(TEXT_GB18030, "\x80"), TEXT_BAD);
	assert_string_equal(out, "\uFFFD");
	assert_int_equal(decode(TEXT_GB18030, "\xB2 A"), TEXT_BAD);
	assert_string_equal(out, "\uFFFD A");
	assert_int_equal(decode(TEXT_GB18030, "\xB2\x30 A"), TEXT_BAD);
	assert_string_equal(out, "\uFFFD"
				 "0 A");
	assert_int_equal(decode(TEXT_GB18030, "\xB2\x30\x81 A"), TEXT_BAD);
	assert_int_equal(decode(TEXT_GB18030, "\xFE\x39\xFE\x39"), TEXT_BAD); /* beyond U+10FFFF */
	assert_int_equal(decode(TEXT_UTF8, "a\xC0\xAFz"), TEXT_BAD);
	assert_string_equal(out, "a\uFFFD\uFFFDz");
	assert_int_equal(decode(TEXT_UTF8, "\xED\xA0\x80"), TEXT_BAD); /* a surrogate */
	assert_string_equal(out, "\uFFFD\uFFFD\uFFFD");
	assert_int_equal(decode(TEXT_ASCII, "S\xB2\xA4"), TEXT_BAD);
	assert_string_equal(out, "S\uFFFD\uFFFD");
	assert_int_equal(decode(TEXT_ASCII, "S0017"), 0);
	assert_string_equal(out, "S0017");
}

static void control_characters_never_get_through(void **state)
{
	(void)state;
	assert_int_equal(decode(TEXT_GB18030, "a\x1B"
					      "b"),
		TEXT_BAD);
	assert_string_equal(out, "a\uFFFD"
				 "b");
	assert_int_equal(decode(TEXT_ASCII, "a\tb\x7F"), TEXT_BAD);
	assert_string_equal(out, "a\uFFFD"
				 "b\uFFFD");
	assert_int_equal(decode(TEXT_UTF8, "\xC2\x85"), TEXT_BAD);            /* U+0085 */
	assert_int_equal(decode(TEXT_GB18030, "\x81\x30\x81\x30"), TEXT_BAD); /* U+0080 in four bytes */
}

static void padding_is_removed(void **state)
{
	(void)state;
	assert_int_equal(text_decode(TEXT_GB18030, "\xB2\xA4\xB2\xCB\0\0", 6, out, sizeof(out)), 0);
	assert_string_equal(out, "菠菜");
	assert_int_equal(text_decode(TEXT_GB18030, "\0\xFF\xFF", 3, out, sizeof(out)), 0);
	assert_string_equal(out, "");
	assert_int_equal(decode(TEXT_GB18030, " \t S1 7 \t"), 0);
	assert_string_equal(out, "S1 7");
	assert_int_equal(decode(TEXT_GB18030, "\xA1\xA1 \xB2\xCB \xA1\xA1"), 0);
	assert_string_equal(out, "菜");
	assert_int_equal(decode(TEXT_GB18030, "\xA1\xA1"), 0);
	assert_string_equal(out, "");
	assert_int_equal(decode(TEXT_UTF8, "   "), 0);
	assert_string_equal(out, "");
	assert_int_equal(text_decode(TEXT_AUTO, NULL, 0, out, sizeof(out)), 0);
	assert_string_equal(out, "");
}

static void a_nul_inside_a_delimited_text_ends_nothing(void **state)
{
	(void)state;
	uint8_t inside[] = { 'A', 0, '7' }, behind[] = { 'A', '7', 0, 0 };
	assert_int_equal(delimited_text(TEXT_GB18030, inside, sizeof(inside), out, sizeof(out)), TEXT_BAD);
	assert_string_equal(out, "A\uFFFD7");
	assert_int_equal(delimited_text(TEXT_GB18030, behind, sizeof(behind), out, sizeof(out)), 0);
	assert_string_equal(out, "A7");
}

static void a_text_too_long_ends_at_a_whole_character(void **state)
{
	(void)state;
	char small[6];
	assert_int_equal(text_decode(TEXT_GB18030, "\xB2\xA4\xB2\xCB", 4, small, sizeof(small)), TEXT_TRUNCATED);
	assert_string_equal(small, "菠");
	assert_int_equal(text_decode(TEXT_UTF8, "abcdef", 6, small, sizeof(small)), TEXT_TRUNCATED);
	assert_string_equal(small, "abcde");
	assert_int_equal(text_decode(TEXT_UTF8, "abcde", 5, small, sizeof(small)), 0);
	/* nothing after the first character left out, though it would fit */
	assert_int_equal(text_decode(TEXT_UTF8, "abc菜d", 7, small, sizeof(small)), TEXT_TRUNCATED);
	assert_string_equal(small, "abc");
	assert_string_equal(text_copy(small, sizeof(small), "菠菜"), "菠");
	assert_string_equal(text_copy(small, sizeof(small), "菠ab"), "菠ab");
	assert_string_equal(text_copy(small, sizeof(small), ""), "");
	assert_string_equal(text_copy(small, 1, "菜"), "");
	small[0] = 'x';
	assert_ptr_equal(text_copy(small, 0, "菜"), small);
	assert_int_equal(small[0], 'x');
}

static void what_comes_out_is_always_utf8(void **state)
{
	(void)state;
	srand(7);
	for (int round = 0; round < 20000; round++) {
		uint8_t noise[12];
		for (size_t i = 0; i < sizeof(noise); i++)
			noise[i] = (uint8_t)rand();
		char narrow[17];
		text_decode((enum text_encoding)(round % 4), noise, (size_t)(rand() % 13), narrow, sizeof(narrow));
		assert_true(text_is_utf8(narrow, strlen(narrow)));
		for (const char *at = narrow; *at; at++)
			assert_true((uint8_t)*at >= 0x20 && *at != 0x7F);
	}
}

static void utf8_is_recognised_by_rfc_3629(void **state)
{
	(void)state;
	assert_true(text_is_utf8("", 0));
	assert_true(text_is_utf8("\xF4\x8F\xBF\xBF", 4));
	assert_false(text_is_utf8("\xF4\x90\x80\x80", 4));
	assert_false(text_is_utf8("\xE0\x80\x80", 3));
	assert_false(text_is_utf8("\xED\xA0\x80", 3));
	assert_false(text_is_utf8("\xC1\xBF", 2));
	assert_false(text_is_utf8("\xB2\xA4", 2));
	assert_false(text_is_utf8("\xE8\x8F", 2));
	assert_false(text_is_utf8("\xFF", 1));
}

static void wide_characters_take_two_columns(void **state)
{
	(void)state;
	assert_int_equal(text_width("abc"), 3);
	assert_int_equal(text_width("菠菜"), 4);
	assert_int_equal(text_width("μg/kg"), 5);
	assert_int_equal(text_width("：（）"), 6);
	assert_int_equal(text_width("𠮷"), 2);
	assert_int_equal(text_width("e\u0301"), 1);
	assert_int_equal(text_width("\xB2z"), 2);
	assert_int_equal(text_width(""), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(latin_1_is_one_byte_each_and_has_no_more_control_characters),
		cmocka_unit_test(the_vocabulary_of_the_field_is_read),
		cmocka_unit_test(a_character_cut_in_half_is_kept_and_marked),
		cmocka_unit_test(bytes_that_are_no_character_are_replaced_one_by_one),
		cmocka_unit_test(control_characters_never_get_through),
		cmocka_unit_test(padding_is_removed),
		cmocka_unit_test(a_nul_inside_a_delimited_text_ends_nothing),
		cmocka_unit_test(a_text_too_long_ends_at_a_whole_character),
		cmocka_unit_test(what_comes_out_is_always_utf8),
		cmocka_unit_test(utf8_is_recognised_by_rfc_3629),
		cmocka_unit_test(wide_characters_take_two_columns),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
