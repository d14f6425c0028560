#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "../../daemon/spellings.h"
#include "../../daemon/units.h"

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
	static const char *const unknown[] = { "", " ", "mgkg", "mg/k", "kg", "ppt", "微克", "%%",
		"a unit of over sixty-three bytes, which no instrument has room for in its field" };
	for (size_t i = 0; i < sizeof(unknown) / sizeof(*unknown); i++)
		assert_null(units_ucum(unknown[i]));
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
	spellings_add_list(&spellings, "b; a；；c ;", 7, 1);
	spellings_add(&spellings, "A", 3, 2);
	spellings_sort(&spellings);
	assert_int_equal(spellings.count, 4);
	const struct spelling *found = spellings_find(&spellings, "a", &count);
	assert_non_null(found);
	assert_int_equal(count, 2);
	assert_int_equal(found[0].meaning, 3);
	assert_int_equal(found[1].meaning, 7);
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
		cmocka_unit_test(spellings_fold_width_case_and_blanks),
		cmocka_unit_test(a_spelling_finds_all_it_stands_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
