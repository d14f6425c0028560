/* Numbers of identity cards: found wherever they stand, told from other numbers, masked. All are made up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../drivers/identity.h"
#include "../../drivers/sample_facts.h"
#include "../../drivers/uscc.h"

#define COUNT(list) (sizeof(list) / sizeof(*(list)))
#define LATEST      2012 /* of people who are of age in 2026 */

static void expect_masked(const char *text, const char *wanted)
{
	char masked[256];
	snprintf(masked, sizeof(masked), "%s", text);
	bool any = identity_mask(masked, LATEST);
	assert_string_equal(masked, wanted);
	assert_int_equal(any, strcmp(text, wanted) != 0);
	assert_int_equal(any, identity_find(text, LATEST, NULL) != NULL);
	assert_null(identity_find(masked, LATEST, NULL));
	assert_int_equal(any, identity_is_masked(masked));
}

static void a_number_is_found_wherever_and_however_it_is_written(void **state)
{
	(void)state;
	expect_masked("330421198001010013", "330421************");
	expect_masked("ID330421198001010013.", "ID330421************.");
	expect_masked("电话1 330421198001010013号", "电话1 330421************号");
	expect_masked("1.0.330421198001010013.00000", "1.0.330421************.00000");
	expect_masked("11010519491231002X", "110105************");
	expect_masked("x:11010519491231002x", "x:110105************");
	expect_masked("330421 19800101 0013", "330421 ******** ****");
	expect_masked("330421-19800101-0013", "330421-********-****");
	expect_masked("３３０４２１１９８００１０１００１３", "３３０４２１************");
	expect_masked("1101051949123100２Ｘ;菠菜", "110105************;菠菜");
	expect_masked("330421198001010013 11010519491231002X", "330421************ 110105************");
	expect_masked("20260305-017 330421198001010013", "20260305-017 330421************");
}

static void an_old_number_is_found_by_its_birthday(void **state)
{
	(void)state;
	expect_masked("330421800101001", "330421*********");
	expect_masked("李某330421451231002号", "李某330421*********号");
	expect_masked("330421280229001", "330421*********"); /* 1928 was a leap year */
}

static void other_numbers_stay_as_they_are(void **state)
{
	(void)state;
	static const char *const texts[] = { "", "330421198001010014", "33042119800101001", "1330421198001010013",
		"3304211980010100130", "330421198002300010", "000421198001010013", "20260305-017",
		"330421 19800101  0013", "330421198001010013１", /* no number ends there */
		/* fifteen digits: of a sample, a licence, a telephone, a day that is none */
		"330421260305017", "330421250305017", "330421000012345", "330421600012345", "330421801301001",
		"861357300000001", "3304218001010012", "1330421800101001", "330421290229001",
		/* credit codes, a trace code, a time */
		"91110108735106340Y", "91350100M000100Y43", "52610500MJU60350X1", "20260305094120000017" };
	for (size_t i = 0; i < COUNT(texts); i++)
		expect_masked(texts[i], texts[i]);
	assert_null(identity_find("330421198001010013", 1979, NULL)); /* too young: a number made of a date */
	assert_non_null(identity_find("330421198001010013", 1980, NULL));
}

static void sample_numbers_of_these_years_are_never_taken_for_one(void **state)
{
	char no[32];
	(void)state;
	for (int year = 2013; year <= 2027; year++)
		for (int day = 1; day <= 28; day++)
			for (int number = 0; number < 1000; number += 37) {
				snprintf(no, sizeof(no), "330421%02d%02d%02d%03d", year % 100, day % 12 + 1, day,
					number);
				assert_null(identity_find(no, LATEST, NULL));
				snprintf(no, sizeof(no), "330421%04d%02d%02d%04d", year, day % 12 + 1, day, number);
				assert_null(identity_find(no, LATEST, NULL));
			}
}

static void any_text_is_masked_without_harm(void **state)
{
	static const char *const parts[] = { "330421", "1980", "0101", "0013", "８", "３３", "X", "x", " ", "-", "菠",
		"\xef", "\xbc", "800101001", "19800101001", "3" };
	char text[200];
	unsigned seed = 7;
	(void)state;
	for (int round = 0; round < 20000; round++) {
		text[0] = '\0';
		for (int i = 0; i < 12; i++) {
			seed = seed * 1103515245 + 12345;
			strcat(text, parts[seed / 65536 % COUNT(parts)]);
		}
		size_t before = strlen(text);
		identity_mask(text, LATEST);
		assert_true(strlen(text) <= before);
		assert_null(identity_find(text, LATEST, NULL));
	}
}

static struct sample_facts facts;
static struct fault fault;

static int set(const char *name, const char *text, enum identity_rule rule)
{
	facts = (struct sample_facts){ 0 };
	return fact_set_checked(&facts, fact_find(name), text, rule, LATEST, &fault);
}

static void a_fact_is_masked_refused_or_kept_as_the_station_says(void **state)
{
	(void)state;
	for (const struct fact *fact = facts_table; fact->name; fact++) {
		bool number = strcmp(fact->name, "no") == 0, code = strcmp(fact->name, "uscc") == 0;
		assert_int_not_equal(set(fact->name, "330421198001010013", IDENTITY_REFUSE), 0);
		assert_null(strstr(fault.text, "198001"));
		assert_non_null(strstr(fault.text, "identity card"));
		assert_int_equal(set(fact->name, "330421198001010013", IDENTITY_MASK) != 0, number);
		assert_string_equal(fact_of(&facts, fact), number || code ? "" : "330421************");
		assert_int_equal(set(fact->name, "330421198001010013", IDENTITY_KEEP) != 0, code);
		assert_string_equal(fact_of(&facts, fact), code ? "" : "330421198001010013");
	}
	assert_int_equal(set("uscc", "91110108735106340Y", IDENTITY_MASK), 0);
	assert_string_equal(facts.uscc, "91110108735106340Y");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_number_is_found_wherever_and_however_it_is_written),
		cmocka_unit_test(an_old_number_is_found_by_its_birthday),
		cmocka_unit_test(other_numbers_stay_as_they_are),
		cmocka_unit_test(sample_numbers_of_these_years_are_never_taken_for_one),
		cmocka_unit_test(any_text_is_masked_without_harm),
		cmocka_unit_test(a_fact_is_masked_refused_or_kept_as_the_station_says),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
