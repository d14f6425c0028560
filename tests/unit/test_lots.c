#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <time.h>

#include "../../daemon/lots.h"
#include "tables_fixture.h"

#define HEADER "kind,lot,instruments,items,opened,expires\n"

static struct item_table *items;

static int load(const char *text, struct lot_table **ret, struct faults *faults)
{
	*faults = (struct faults){ 0 };
	*ret = NULL;
	const char *path = write_table(text, strlen(text));
	int result = lots_load(path, items, ret, faults);
	remove_table(path);
	return result;
}

static struct lot_table *loaded(const char *text)
{
	struct faults faults;
	struct lot_table *table;
	int result = load(text, &table, &faults);
	if (faults.count)
		faults_print(&faults, stderr);
	assert_int_equal(result, 0);
	assert_int_equal(faults.count, 0);
	return table;
}

static struct lot_test test_of(const char *instrument, const char *item, const char *day)
{
	const struct lot_test test = {
		.items = items,
		.item = items_find(items, item, "", NULL),
		.instrument = instrument,
		.sample = true,
		.day = day,
	};
	return test;
}

/* The numbers in use, "A B". */
static const char *in_use(const struct lot_table *table, const char *instrument, const char *item, const char *day)
{
	static char text[200];
	const struct lot *list[LOT_KINDS];
	const struct lot_test test = test_of(instrument, item, day);
	size_t count = lots_in_use(table, &test, list);
	*text = '\0';
	for (size_t i = 0; i < count; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", i ? " " : "", list[i]->number);
	return text;
}

static void the_shipped_example_is_right(void **state)
{
	(void)state;
	struct faults faults = { 0 };
	struct lot_table *table;
	assert_int_equal(lots_load("config/lots.csv.example", items, &table, &faults), 0);
	assert_int_equal(faults.count, 0);
	assert_true(lots_count(table) >= 2);
	lots_free(table);
}

static void a_lot_is_in_use_until_the_next_is_opened(void **state)
{
	(void)state;
	struct lot_table *table = loaded(HEADER "reagent,R-1,pr-1,,2026-01-10,2026-12-31\n"
						"试剂,R-2,PR-1;pr-2,,2026/3/5,\n"
						"strip,S-1,,克百威；ＶＤ-*,,2026-06-30\n"
						"strip,S-0,,PR-CBF,2025-01-01,2025-12-31\n");
	assert_string_equal(in_use(table, "pr-1", "PR-OPCB", "2026-01-09"), "");
	assert_string_equal(in_use(table, "pr-1", "PR-OPCB", "2026-01-10"), "R-1");
	assert_string_equal(in_use(table, "pr-1", "PR-OPCB", "2026-03-04T23:59:59+08:00"), "R-1");
	assert_string_equal(in_use(table, "pr-1", "PR-OPCB", "2026-03-05T00:00:00+08:00"), "R-2");
	assert_string_equal(in_use(table, "pr-2", "PR-OPCB", "2026-03-04"), "");
	assert_string_equal(in_use(table, "pr-3", "PR-OPCB", "2026-03-05"), "");
	assert_string_equal(in_use(table, "gold-1", "PR-CBF", "2024-12-31"), "S-1"); /* before anybody wrote a day */
	assert_string_equal(in_use(table, "gold-1", "PR-CBF", "2026-03-05"), "S-0");
	assert_string_equal(in_use(table, "gold-1", "VD-CAP", "2026-03-05"), "S-1");
	assert_string_equal(in_use(table, "pr-1", "PR-CBF", "2026-03-05"), "R-2 S-0");
	assert_string_equal(in_use(table, "gold-1", "nobody knows", "2026-03-05"), ""); /* for certain items only */
	assert_true(lots_replaced(table, lots_at(table, 0), "2026-03-05"));
	assert_false(lots_replaced(table, lots_at(table, 0), "2026-03-04"));
	assert_false(lots_replaced(table, lots_at(table, 1), "2026-03-05"));
	lots_free(table);
}

static void the_material_of_controls_is_no_samples(void **state)
{
	(void)state;
	struct lot_table *table = loaded(HEADER "control,Q-1,pr-1,,,\nstandard,Q-2,pr-1,,,\nreagent,R-1,pr-1,,,\n");
	const struct lot *list[LOT_KINDS];
	struct lot_test test = test_of("pr-1", "PR-OPCB", "2026-03-05");
	assert_int_equal(lots_in_use(table, &test, list), 1);
	assert_string_equal(list[0]->number, "R-1");
	test.sample = false;
	assert_int_equal(lots_in_use(table, &test, list), 3);
	lots_free(table);
}

static void a_lot_is_found_by_its_number_and_in_a_strips_code(void **state)
{
	(void)state;
	struct lot_table *table = loaded(HEADER "strip,A1234,,PR-CBF,2026-01-01,\nstrip,A1234-2,,PR-CBF,2026-02-01,\n"
						"strip,B77,,PR-CBF,2026-03-01,\nstrip,C5678,,PR-CTL,2026-01-01,\n");
	const struct lot_test test = test_of("gold-1", "PR-CBF", "2026-03-05");
	assert_string_equal(lots_numbered(table, &test, "ａ1234")->number, "A1234");
	assert_null(lots_numbered(table, &test, "1234"));
	assert_null(lots_numbered(table, &test, "C5678")); /* of another item */
	assert_string_equal(lots_in_code(table, &test, "CBF|A1234|20270101")->number, "A1234");
	assert_string_equal(lots_in_code(table, &test, "CBF|a1234-2|20270101")->number, "A1234-2");
	assert_null(lots_in_code(table, &test, "CBF|XA12345|20270101"));
	assert_null(lots_in_code(table, &test, "CBF|XA1234|20270101"));
	assert_null(lots_in_code(table, &test, "CBF|B77|")); /* too short to be sure of */
	assert_null(lots_in_code(table, &test, ""));
	lots_free(table);
}

static void every_faulty_line_is_reported(void **state)
{
	(void)state;
	static const struct {
		const char *row, *says;
	} cases[] = {
		{ "bottle,R-9,pr-9,,,\n", "kind \"bottle\" is not known" },
		{ ",R-9,pr-9,,,\n", "is not known" },
		{ "reagent,,pr-9,,,\n", "lot is empty" },
		{ "reagent,R-9,,,,\n", "both empty" },
		{ "reagent,R-9,pr-9,,2026-02-30,\n", "opened \"2026-02-30\" is no day" },
		{ "reagent,R-9,pr-9,,,31.12.2026\n", "expires \"31.12.2026\" is no day" },
		{ "reagent,R-9,pr-9,,2026-03-05,2026-03-04\n", "expires 2026-03-04 is before opened 2026-03-05" },
		{ "reagent,R-2,PR-1,,2026-01-10,\n", "same day on; write the day" },
		{ "reagent,R-2,,PR-OPCB,2026-01-10,\n", "(line 2)" },
		{ "strip,S-2,,colloidal,2026-01-10,2026-01-10,,more\n", "names no column" },
		{ "reagent,0123456789012345678901234567890123456789012345678901234567890123,pr-9,,,\n",
			"longer than 63 bytes" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char text[512];
		struct faults faults;
		struct lot_table *table;
		snprintf(text, sizeof(text), HEADER "reagent,R-1,pr-1,,2026-01-10,\n%s", cases[i].row);
		assert_true(load(text, &table, &faults) < 0);
		assert_null(table);
		if (faults_at(&faults, 3, cases[i].says) != 1)
			faults_print(&faults, stderr);
		assert_int_equal(faults_at(&faults, 3, cases[i].says), 1);
		assert_int_equal(faults.errors, 1);
		faults_free(&faults);
	}
}

static void what_no_test_shares_is_no_fault(void **state)
{
	(void)state;
	lots_free(loaded(HEADER "reagent,R-1,pr-1,,2026-01-10,\nreagent,R-2,pr-2,,2026-01-10,\n"
				"strip,R-3,pr-1,,2026-01-10,\nreagent,R-4,pr-1,,2026-01-11,\n"
				"strip,S-1,gold-1,PR-CBF,,\nstrip,S-2,gold-1,PR-CTL,,\n"));
}

/* A table that grew for years: one look each result costs. */
static void a_thousand_old_lots_cost_nothing(void **state)
{
	(void)state;
	char *text = calloc(1, 1 << 17), *at = text + sprintf(text, HEADER);
	for (int i = 0; i < 1000; i++)
		at += sprintf(at, "%s,L-%d,pr-1;pr-2,PR-OPCB;克百威,20%02d-%02d-%02d,\n", i % 2 ? "strip" : "reagent",
			i, 15 + i / 100, 1 + i % 100 / 10, 1 + i % 10);
	struct lot_table *table = loaded(text);
	struct timespec begin, end;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
	for (int i = 0; i < 1000; i++)
		assert_string_equal(in_use(table, "pr-2", "PR-CBF", "2026-03-05"), "L-998 L-999");
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
	long us = (long)(end.tv_sec - begin.tv_sec) * 1000000 + (end.tv_nsec - begin.tv_nsec) / 1000;
	print_message("a look among 1,000 lots: %ld ns\n", us);
	assert_true(us < 200000); /* of 1,000 looks */
	lots_free(table);
	free(text);
}

static int enter(void **state)
{
	(void)state;
	struct faults faults = { 0 };
	return items_load("config/items.csv", &items, &faults);
}

static int leave(void **state)
{
	(void)state;
	items_free(items);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_shipped_example_is_right),
		cmocka_unit_test(a_lot_is_in_use_until_the_next_is_opened),
		cmocka_unit_test(the_material_of_controls_is_no_samples),
		cmocka_unit_test(a_lot_is_found_by_its_number_and_in_a_strips_code),
		cmocka_unit_test(every_faulty_line_is_reported),
		cmocka_unit_test(what_no_test_shares_is_no_fault),
		cmocka_unit_test(a_thousand_old_lots_cost_nothing),
	};
	return cmocka_run_group_tests(tests, enter, leave);
}
