#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <string.h>

#include "../../daemon/spellings.h"
#include "../../daemon/units.h"
#include "../../drivers/text.h"

static void each_spelling_has_its_ucum_code(void **state)
{
	(void)state;
	static const char *const pairs[][2] = {
		{ "%", "%" },
		{ "％", "%" },
		{ "%25", "%" },
		{ "mg/kg", "mg/kg" },
		{ "mg/Kg", "mg/kg" },
		{ "MG/KG", "mg/kg" },
		{ "ｍｇ／ｋｇ", "mg/kg" },
		{ " mg / kg ", "mg/kg" },
		{ "ppm", "mg/kg" },
		{ "ug/kg", "ug/kg" },
		{ "\u00B5g/kg", "ug/kg" },
		{ "\u03BCg/kg", "ug/kg" },
		{ "μg/Kg", "ug/kg" },
		{ "ppb", "ug/kg" },
		{ "PPB", "ug/kg" },
		{ "RLU", "{RLU}" },
		{ "rlu", "{RLU}" },
		{ "{RLU}", "{RLU}" },
		{ "mg/100g", "mg/(100.g)" },
		{ "mg KOH/g", "mg{KOH}/g" },
		{ "Abs", "{Abs}" },
		{ "ABS/sec", "{Abs}/s" },
		{ "ng/mL", "ng/mL" },
		{ "℃", "Cel" },
		{ "㎎/㎏", "mg/kg" },
		{ "㎍/㎏", "ug/kg" },
		{ "μg/㎏", "ug/kg" },
		{ "mcg/kg", "ug/kg" },
		{ "mg·kg⁻¹", "mg/kg" },
		{ "μg•kg-1", "ug/kg" },
		{ "mg kg-1", "mg/kg" },
		{ "ＵＧ／ＫＧ", "ug/kg" },
		{ "毫克/千克", "mg/kg" },
		{ "毫克／公斤", "mg/kg" },
		{ "毫克每千克", "mg/kg" },
		{ "微克/千克", "ug/kg" },
		{ "微克/升", "ug/L" },
		{ "纳克/毫升", "ng/mL" },
		{ "ng/㎖", "ng/mL" },
		{ "毫克/100克", "mg/(100.g)" },
		{ "mg/100mL", "mg/(100.mL)" },
		{ "‰", "[ppth]" },
		{ "fraction", "{fraction}" },
		{ "ug/g", "ug/g" },
		{ "pg/mL", "pg/mL" },
		{ "umol/L", "umol/L" },
		{ "mg KOH/g", "mg{KOH}/g" },
	};
	for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
		const char *code = units_ucum(pairs[i][0]);
		assert_non_null(code);
		assert_string_equal(code, pairs[i][1]);
		assert_non_null(units_ucum(code)); /* a code is a spelling of itself */
		assert_string_equal(units_ucum(code), code);
	}
}

static void unknown_units_are_not_guessed(void **state)
{
	(void)state;
	static const char *const unknown[] = { "", " ", "mgkg", "mg/k", "kg", "ppt", "微克", "㎎", "%%", "1", "-1",
		"kg-1", "mg/kg-1", "mg//kg",
		"a unit of over sixty-three bytes, which no instrument has room for in its field" };
	for (size_t i = 0; i < sizeof(unknown) / sizeof(*unknown); i++)
		assert_null(units_ucum(unknown[i]));
}

/* What an instrument's GBK and GB 18030 bytes spell, through the decoder that drivers use. */
static void units_in_gb18030_are_known(void **state)
{
	(void)state;
	static const struct {
		const char *bytes, *ucum;
	} cases[] = {
		{ "\xA6\xCCg/kg", "ug/kg" },                                 /* the Greek mu of GB 2312 */
		{ "\x81\x30\x85\x38g/kg", "ug/kg" },                         /* the micro sign of GB 18030 */
		{ "\xA3\xF5\xA3\xE7\xA3\xAF\xA3\xEB\xA3\xE7", "ug/kg" },     /* full width */
		{ "\xA9\x4A/\xA9\x4B", "mg/kg" },                            /* square mg and kg of GBK */
		{ "\x81\x39\xE4\x35/\xA9\x4B", "ug/kg" },                    /* square ug of GB 18030 */
		{ "mg\xA1\xA4kg\x81\x36\xAE\x33\x81\x30\x86\x31", "mg/kg" }, /* mg, dot, kg, minus one above */
		{ "\xA3\xA5", "%" },                                         /* full width percent */
		{ "\xA1\xEB", "[ppth]" },                                    /* per mille */
		{ "\xBA\xC1\xBF\xCB/\xC7\xA7\xBF\xCB", "mg/kg" },            /* in words */
		{ "\xCE\xA2\xBF\xCB/\xB9\xAB\xBD\xEF", "ug/kg" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char text[64];
		assert_int_equal(
			text_decode(TEXT_GB18030, cases[i].bytes, strlen(cases[i].bytes), text, sizeof(text)), 0);
		assert_non_null(units_ucum(text));
		assert_string_equal(units_ucum(text), cases[i].ucum);
	}
}

static void conversion_is_exact(void **state)
{
	(void)state;
	static const struct {
		const char *value, *from, *to, *told;
	} cases[] = {
		{ "20", "ug/kg", "mg/kg", "0.020" },
		{ "0.02", "mg/kg", "ug/kg", "20" },
		{ "0.1", "mg/kg", "ug/kg", "100" },
		{ "63.50", "%", "%", "63.50" },
		{ "5000", "ug/kg", "mg/kg", "5.000" },
		{ "0.35", "ng/g", "ug/kg", "0.35" },
		{ "0.35", "ug/g", "mg/kg", "0.35" },
		{ "350", "pg/g", "ng/kg", "350" },
		{ "15", "mg/(100.g)", "mg/kg", "150" },
		{ "150", "mg/kg", "mg/(100.g)", "15.0" },
		{ "3", "g/kg", "mg/kg", "3000" },
		{ "0.3", "g/(100.g)", "mg/kg", "3000" },
		{ "0.5", "ng/mL", "ug/L", "0.5" },
		{ "0.5", "mg/L", "ng/mL", "500" },
		{ "7", "mg/(100.mL)", "mg/L", "70" },
		{ "376", "[ppth]", "%", "37.6" },
		{ "0.376", "{fraction}", "%", "37.6" },
		{ "-4.80", "%", "{fraction}", "-0.0480" },
		{ "5", "mmol/L", "umol/L", "5000" },
		{ "5", "mg{KOH}/g", "mg{KOH}/g", "5" },
		{ "123456789012345678", "g/kg", "ng/kg", "123456789012345678000000000" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char told[DECIMAL_MAX] = "";
		assert_true(units_convert(told, cases[i].value, cases[i].from, cases[i].to));
		assert_string_equal(told, cases[i].told);
	}
}

static void what_needs_more_than_a_power_of_ten_is_not_converted(void **state)
{
	(void)state;
	static const char *const cases[][3] = {
		{ "1", "mg/L", "mg/kg" }, /* a density */
		{ "1", "ng/mL", "ng/g" },
		{ "1", "mmol/L", "mg/L" },    /* a molar mass */
		{ "1", "mmol/kg", "meq/kg" }, /* a charge */
		{ "1", "%", "g/(100.g)" },    /* an inhibition is no mass */
		{ "1", "{RLU}", "{Abs}" },
		{ "1", "{CFU}/g", "{CFU}/mL" },
		{ "1", "furlongs", "furlongs" },
		{ "1", "", "%" },
		{ "1", "%", "" },
		{ "未检出", "mg/kg", "ug/kg" },
		{ "1e3", "mg/kg", "ug/kg" },
		{ "123456789012345678901234567890", "g/kg", "ng/kg" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char told[DECIMAL_MAX] = "untouched";
		assert_false(units_convert(told, cases[i][0], cases[i][1], cases[i][2]));
		assert_string_equal(told, "untouched");
	}
}

/* There and back is the same number, for every pair that converts. */
static void conversion_can_be_undone(void **state)
{
	(void)state;
	static const char *const units[] = { "%", "[ppth]", "{fraction}", "g/kg", "mg/kg", "ug/kg", "ng/kg", "mg/g",
		"ug/g", "ng/g", "pg/g", "g/(100.g)", "mg/(100.g)", "ug/(100.g)", "g/L", "mg/L", "ug/L", "ng/L", "mg/mL",
		"ug/mL", "ng/mL", "pg/mL", "g/(100.mL)", "mg/(100.mL)", "mmol/kg", "umol/kg", "mmol/L", "umol/L",
		"mg{KOH}/g", "meq/kg", "{RLU}", "{Abs}", "{Abs}/s", "{CFU}/g", "{CFU}/mL", "Cel" };
	size_t count = sizeof(units) / sizeof(*units), pairs = 0;
	for (size_t one = 0; one < count; one++)
		for (size_t other = 0; other < count; other++) {
			char there[DECIMAL_MAX], back[DECIMAL_MAX];
			if (!units_convert(there, "-12.345", units[one], units[other]))
				continue;
			assert_true(units_convert(back, there, units[other], units[one]));
			assert_int_equal(decimal_compare(back, "-12.345"), 0);
			pairs++;
		}
	assert_true(pairs > count); /* not only with themselves */
}

static void spellings_fold_width_case_and_blanks(void **state)
{
	(void)state;
	static const char *const same[][2] = {
		{ "AFB1", "ａｆｂ１" },
		{ "GB/T 5009.199", "gb／t5009.199" },
		{ "有机磷 ", "　有机磷" },
		{ "～！", "~!" },
		{ "a\u00A0b", "AB" },
	};
	for (size_t i = 0; i < sizeof(same) / sizeof(*same); i++)
		assert_true(spelling_same(same[i][0], same[i][1]));
	assert_false(spelling_same("铅", "镉"));
	assert_false(spelling_same("AFB1", "AFB2"));
	/* bytes that are no UTF-8 pass unharmed */
	assert_true(spelling_same("\xEF", "\xEF"));
	assert_false(spelling_same("\xEF\xBC", "\xEF\xBD"));
	assert_true(spelling_holds("小 番茄", "番茄"));
	assert_false(spelling_holds("番", "番茄"));
	assert_false(spelling_holds("番茄", " "));
}

static void a_spelling_finds_all_it_stands_for(void **state)
{
	(void)state;
	struct spellings spellings = { 0 };
	size_t count;
	spellings_add_list(&spellings, "", "b; a；；c ;", 7, 1);
	spellings_add(&spellings, "A", 3, 2);
	spellings_sort(&spellings);
	assert_int_equal(spellings.count, 4);
	const struct spelling *found = spellings_find(&spellings, "a", &count);
	assert_non_null(found);
	assert_int_equal(count, 2);
	assert_int_equal(found[0].meaning, 3);
	assert_int_equal(found[1].meaning, 7);
	assert_null(spellings_find(&spellings, "d", &count));
	struct spellings prefixed = { 0 };
	spellings_add_list(&prefixed, "ＣＯＤＥ:", "a;;B", 1, 1);
	spellings_sort(&prefixed);
	assert_int_equal(prefixed.count, 2);
	assert_string_equal(prefixed.list[0].folded, "code:a");
	assert_string_equal(prefixed.list[1].folded, "code:b");
	spellings_free(&prefixed);
	assert_null(spellings_find(&spellings, "d", &count));
	assert_int_equal(count, 0);
	spellings_free(&spellings);
	assert_null(spellings_find(&spellings, "a", &count));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_spelling_has_its_ucum_code),
		cmocka_unit_test(unknown_units_are_not_guessed),
		cmocka_unit_test(units_in_gb18030_are_known),
		cmocka_unit_test(conversion_is_exact),
		cmocka_unit_test(what_needs_more_than_a_power_of_ten_is_not_converted),
		cmocka_unit_test(conversion_can_be_undone),
		cmocka_unit_test(spellings_fold_width_case_and_blanks),
		cmocka_unit_test(a_spelling_finds_all_it_stands_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
