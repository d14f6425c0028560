#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "../../daemon/operators.h"
#include "tables_fixture.h"

#define HEADER "id,name,aliases,certificate,valid_from,valid_until\n"

static int load(const char *text, struct operator_table **ret, struct faults *faults)
{
	*faults = (struct faults){ 0 };
	*ret = NULL;
	const char *path = write_table(text, strlen(text));
	int result = operators_load(path, ret, faults);
	remove_table(path);
	return result;
}

static void the_shipped_example_is_right(void **state)
{
	(void)state;
	struct faults faults = { 0 };
	struct operator_table *table = NULL;
	assert_int_equal(operators_load("config/operators.csv.example", &table, &faults), 0);
	assert_int_equal(faults.count, 0);
	assert_string_equal(operators_find(table, "张三")->id, "01");
	operators_free(table);
}

static void a_person_is_found_by_id_name_and_alias(void **state)
{
	(void)state;
	struct faults faults;
	struct operator_table *table;
	assert_int_equal(
		load(HEADER "01,张三,ZS;zhang san,A-1,2024-03-01,2027/2/28\n02,李四,,,,\n,王五,,,,\n", &table, &faults),
		0);
	static const char *const spellings[] = { "01", "０１", "张三", " 张三 ", "zs", "ZhangSan" };
	for (size_t i = 0; i < sizeof(spellings) / sizeof(*spellings); i++)
		assert_string_equal(operators_find(table, spellings[i])->name, "张三");
	assert_string_equal(operators_find(table, "张三")->until, "2027-02-28");
	assert_string_equal(operators_find(table, "王五")->id, "");
	assert_null(operators_find(table, "赵六"));
	assert_null(operators_find(table, ""));
	operators_free(table);
}

static void a_certificate_holds_from_its_first_to_its_last_day(void **state)
{
	(void)state;
	const struct operator bounded = { .from = "2024-03-01", .until = "2027-02-28" }, open = { .until = "" };
	assert_true(operator_certified(&bounded, "2024-03-01"));
	assert_true(operator_certified(&bounded, "2027-02-28T23:59:59+08:00"));
	assert_false(operator_certified(&bounded, "2024-02-29"));
	assert_false(operator_certified(&bounded, "2027-03-01"));
	assert_true(operator_certified(&open, "1970-01-01"));
}

static void two_people_of_one_name_are_not_told_apart_by_it(void **state)
{
	(void)state;
	struct faults faults;
	struct operator_table *table;
	assert_int_equal(load(HEADER "01,张伟,,,,\n02,张伟,,,,\n", &table, &faults), 0);
	assert_int_equal(faults.errors, 0);
	assert_int_equal(faults_at(&faults, 3, "tells nobody apart"), 1);
	assert_null(operators_find(table, "张伟"));
	assert_string_equal(operators_find(table, "02")->id, "02");
	operators_free(table);
	faults_free(&faults);
}

static void every_faulty_line_is_reported(void **state)
{
	(void)state;
	static const struct {
		const char *row, *says;
	} cases[] = {
		{ ",,,A-1,,\n", "both empty" },
		{ "01,李四,,,,\n", "line 2 already" },
		{ "02,李四,,,2026-13-01,\n", "is no day" },
		{ "02,李四,,,2026-02-30,\n", "is no day" },
		{ "02,李四,,,2025-02-29,\n", "is no day" },
		{ "02,李四,,,2026-03-05x,\n", "is no day" },
		{ "02,李四,,,2026-03/05,\n", "is no day" },
		{ "02,李四,,,,05.03.2026\n", "is no day" },
		{ "02,李四,,,2027-01-01,2026-01-01\n", "exchange them" },
		{ "02,一个很长很长很长很长很长很长很长很长很长很长很长很长的名字,,,,\n", "is longer than" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char text[512];
		struct faults faults;
		struct operator_table *table;
		snprintf(text, sizeof(text), HEADER "01,张三,,,,\n%s", cases[i].row);
		assert_true(load(text, &table, &faults) < 0);
		assert_null(table);
		assert_int_equal(faults_at(&faults, 3, cases[i].says), 1);
		assert_int_equal(faults.errors, 1);
		faults_free(&faults);
	}
}

static void what_people_are_trained_on_is_kept_as_written(void **state)
{
	(void)state;
	struct faults faults;
	struct operator_table *table;
	assert_int_equal(load("id,name,Trained_On\n01,张三,PR-OPCB;克百威\n02,李四\n", &table, &faults), 0);
	assert_int_equal(operators_count(table), 2);
	assert_string_equal(operators_at(table, 0)->trained, "PR-OPCB;克百威");
	assert_string_equal(operators_at(table, 1)->trained, "");
	assert_int_equal(operators_at(table, 1)->line, 3);
	assert_null(operators_at(table, 2));
	operators_free(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_shipped_example_is_right),
		cmocka_unit_test(a_person_is_found_by_id_name_and_alias),
		cmocka_unit_test(a_certificate_holds_from_its_first_to_its_last_day),
		cmocka_unit_test(two_people_of_one_name_are_not_told_apart_by_it),
		cmocka_unit_test(what_people_are_trained_on_is_kept_as_written),
		cmocka_unit_test(every_faulty_line_is_reported),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
