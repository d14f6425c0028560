#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../drivers/decimal.h"

static char out[DECIMAL_MAX];

static void scaled_integers_keep_every_displayed_decimal(void **state)
{
	(void)state;
	assert_string_equal(decimal_scaled(out, 6350, 2), "63.50");
	assert_string_equal(decimal_scaled(out, -5, 1), "-0.5");
	assert_string_equal(decimal_scaled(out, 0, 2), "0.00");
	assert_string_equal(decimal_scaled(out, 7, 0), "7");
	assert_string_equal(decimal_scaled(out, 570, 3), "0.570");
	assert_string_equal(decimal_scaled(out, INT64_MIN, 4), "-922337203685477.5808");
	assert_string_equal(decimal_scaled(out, INT64_MAX, 0), "9223372036854775807");
	assert_string_equal(decimal_scaled(out, 1, 29), "0.00000000000000000000000000001");
	assert_string_equal(decimal_scaled(out, 1, 30), "");
	assert_string_equal(decimal_scaled(out, 1, 4000000000U), "");
}

static void singles_become_the_shortest_decimal_without_exponent(void **state)
{
	(void)state;
	static const struct {
		uint32_t bits;
		const char *text;
	} cases[] = {
		{ 0x414570A4, "12.34" },
		{ 0x3F69FBE7, "0.914" },
		{ 0x3F11EB85, "0.57" },
		{ 0x3F800000, "1" },
		{ 0x00000000, "0" },
		{ 0x80000000, "0" },
		{ 0xC2166666, "-37.6" },
		{ 0x3DCCCCCD, "0.1" },
		{ 0x4B800000, "16777216" },
		{ 0x4E6E6B28, "1000000000" },
		{ 0x3089705F, "0.000000001" },
		{ 0x447CB99A, "1010.9" },
		{ 0x41B6FED0, "22.87442" },
		{ 0x00800000, "" },
		{ 0x7F7FFFFF, "" },
		{ 0x00000001, "" },
		{ 0x7F800000, "" },
		{ 0xFF800000, "" },
		{ 0x7FC00000, "" },
		{ 0x7149F2CA, "" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool good = decimal_from_f32(out, cases[i].bits);
		assert_string_equal(out, cases[i].text);
		assert_int_equal(good, cases[i].text[0] != '\0');
	}
}

static void doubles_become_the_shortest_decimal_without_exponent(void **state)
{
	(void)state;
	assert_true(decimal_from_f64(out, 0x4028AE147AE147AEULL));
	assert_string_equal(out, "12.34");
	assert_true(decimal_from_f64(out, 0xBFB999999999999AULL));
	assert_string_equal(out, "-0.1");
	assert_true(decimal_from_f64(out, 0x3FD3333333333334ULL));
	assert_string_equal(out, "0.30000000000000004");
	assert_false(decimal_from_f64(out, 0x7FF0000000000000ULL));
	assert_string_equal(out, "");
	assert_false(decimal_from_f64(out, 0x0000000000000001ULL));
}

static void any_single_reads_back_as_itself(void **state)
{
	(void)state;
	uint32_t random = 1;
	for (int i = 0; i < 20000; i++) {
		random = random * 1664525U + 1013904223U;
		uint32_t bits = (random & 0x81FFFFFFU) + 0x3C000000U; /* 0.0078 .. 2^9 or so, both signs */
		assert_true(decimal_from_f32(out, bits));
		assert_true(decimal_valid(out));
		float back = strtof(out, NULL);
		assert_memory_equal(&back, &bits, sizeof(bits));
	}
}

static void a_comma_locale_changes_nothing(void **state)
{
	(void)state;
	if (!setlocale(LC_NUMERIC, "de_DE.UTF-8"))
		return; /* not on this machine; the digits are taken without looking at the radix character */
	assert_true(decimal_from_f32(out, 0x414570A4));
	setlocale(LC_NUMERIC, "C");
	assert_string_equal(out, "12.34");
}

static void only_plain_numbers_are_decimals(void **state)
{
	(void)state;
	static const char *const good[] = { "0", "-0.3", "+1.50", "007", "123456789012345678901234567890" };
	static const char *const bad[] = { "", "-", "+", ".5", "5.", "1e5", "1,5", " 1", "1 ", "1.2.3", "--1", "NaN",
		"0x10", "1234567890123456789012345678901", "<3.00", "０" };
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(decimal_valid(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(decimal_valid(bad[i]));
}

static void comparison_is_by_number_not_by_text(void **state)
{
	(void)state;
	assert_int_equal(decimal_compare("50", "50.00"), 0);
	assert_int_equal(decimal_compare("49.99", "50"), -1);
	assert_int_equal(decimal_compare("50.01", "50"), 1);
	assert_int_equal(decimal_compare("9", "10"), -1);
	assert_int_equal(decimal_compare("-9", "-10"), 1);
	assert_int_equal(decimal_compare("-0", "0.0"), 0);
	assert_int_equal(decimal_compare("-1", "0"), -1);
	assert_int_equal(decimal_compare("1", "-1"), 1);
	assert_int_equal(decimal_compare("0.5", "0.49"), 1);
	assert_int_equal(decimal_compare("+3", "3"), 0);
	assert_int_equal(decimal_compare("100000000000000000000000000000", "0.00000000000000000000000000001"), 1);
	assert_int_equal(decimal_compare("100000000000000000000000000000", "100000000000000000000000000000.0"), 0);
}

static void subtraction_is_exact(void **state)
{
	(void)state;
	assert_true(decimal_subtract(out, "0.914", "0.570"));
	assert_string_equal(out, "0.344");
	assert_true(decimal_subtract(out, "50", "50.00"));
	assert_string_equal(out, "0.00");
	assert_true(decimal_subtract(out, "1", "2.5"));
	assert_string_equal(out, "-1.5");
	assert_true(decimal_subtract(out, "-1", "-2.5"));
	assert_string_equal(out, "1.5");
	assert_true(decimal_subtract(out, "-1", "2.5"));
	assert_string_equal(out, "-3.5");
	assert_true(decimal_subtract(out, "1", "-2.5"));
	assert_string_equal(out, "3.5");
	char in_place[DECIMAL_MAX] = "7.5";
	assert_true(decimal_subtract(in_place, in_place, "0.5"));
	assert_string_equal(in_place, "7.0");
	assert_false(decimal_subtract(out, "100000000000000000000000000000", "0.01"));
	assert_false(decimal_subtract(out, "999999999999999999999999999999", "-1"));
	assert_false(decimal_subtract(out, "100000000000000000000000000000", "0.00000000000000000000000000001"));
	assert_false(decimal_subtract(out, "x", "1"));
	assert_false(decimal_subtract(out, "1", "x"));
}

static void multiplication_is_exact(void **state)
{
	(void)state;
	assert_true(decimal_multiply(out, "0.570", "100"));
	assert_string_equal(out, "57.000");
	assert_true(decimal_multiply(out, "-1.5", "0.2"));
	assert_string_equal(out, "-0.30");
	assert_true(decimal_multiply(out, "-0", "5"));
	assert_string_equal(out, "0");
	assert_false(decimal_multiply(out, "1234567890123456", "1234567890123456"));
	assert_false(decimal_multiply(out, "123456789012345678901234567890", "123456789012345678901234567890"));
	assert_false(decimal_multiply(out, "1", ""));
	assert_false(decimal_multiply(out, "", "1"));
}

static void division_rounds_half_away_from_zero(void **state)
{
	(void)state;
	/* the inhibition of the published double reading: (0.914 - 0.570) / 0.914 */
	assert_true(decimal_divide(out, "34.4", "0.914", 1));
	assert_string_equal(out, "37.6");
	assert_true(decimal_divide(out, "1", "8", 2));
	assert_string_equal(out, "0.13");
	assert_true(decimal_divide(out, "-1", "8", 2));
	assert_string_equal(out, "-0.13");
	assert_true(decimal_divide(out, "2", "3", 0));
	assert_string_equal(out, "1");
	assert_true(decimal_divide(out, "0.001", "5", 1));
	assert_string_equal(out, "0.0");
	assert_true(decimal_divide(out, "1.25", "-0.5", 3));
	assert_string_equal(out, "-2.500");
	assert_false(decimal_divide(out, "1", "0.00", 2));
	assert_false(decimal_divide(out, "1", "3", 30));
	assert_false(decimal_divide(out, "123456789012345678901234567890", "3", 20));
	assert_false(decimal_divide(out, "x", "3", 2));
	assert_false(decimal_divide(out, "3", "x", 2));
}

static void the_point_moves_and_no_digit_is_lost(void **state)
{
	(void)state;
	static const struct {
		const char *value;
		int places;
		const char *shifted;
	} cases[] = {
		{ "20", -3, "0.020" },
		{ "0.02", 3, "20" },
		{ "0.5", 3, "500" },
		{ "1.50", 1, "15.0" },
		{ "-0.05", 3, "-50" },
		{ "+7", 0, "7" },
		{ "63.50", 0, "63.50" },
		{ "0", -3, "0.000" },
		{ "0.000", 3, "0" },
		{ "0", 30, "0" },
		{ "1", 29, "100000000000000000000000000000" },
		{ "1", 30, NULL },
		{ "1", -29, "0.00000000000000000000000000001" },
		{ "1", -30, NULL },
		{ "1", INT32_MAX, NULL },
		{ "1", INT32_MIN, NULL },
		{ "123456789012345678901234567890", -1, "12345678901234567890123456789.0" },
		{ "123456789012345678901234567890", 1, NULL },
		{ "1e3", 1, NULL },
		{ "", 1, NULL },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		strcpy(out, "untouched");
		assert_int_equal(decimal_shift(out, cases[i].value, cases[i].places), cases[i].shifted != NULL);
		if (cases[i].shifted)
			assert_string_equal(out, cases[i].shifted);
	}
	strcpy(out, "20");
	assert_true(decimal_shift(out, out, -3));
	assert_string_equal(out, "0.020");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scaled_integers_keep_every_displayed_decimal),
		cmocka_unit_test(singles_become_the_shortest_decimal_without_exponent),
		cmocka_unit_test(doubles_become_the_shortest_decimal_without_exponent),
		cmocka_unit_test(any_single_reads_back_as_itself),
		cmocka_unit_test(a_comma_locale_changes_nothing),
		cmocka_unit_test(only_plain_numbers_are_decimals),
		cmocka_unit_test(comparison_is_by_number_not_by_text),
		cmocka_unit_test(the_point_moves_and_no_digit_is_lost),
		cmocka_unit_test(subtraction_is_exact),
		cmocka_unit_test(multiplication_is_exact),
		cmocka_unit_test(division_rounds_half_away_from_zero),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
