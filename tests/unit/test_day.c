#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <string.h>

#include "../../daemon/day.h"

static void a_day_is_read_as_people_and_spreadsheets_write_it(void **state)
{
	(void)state;
	static const struct {
		const char *text, *day;
	} cases[] = { { "2026-03-05", "2026-03-05" }, { "2026/3/5", "2026-03-05" }, { "2024-02-29", "2024-02-29" },
		{ "2000-2-29", "2000-02-29" }, { "2026-12-31", "2026-12-31" } };
	static const char *const wrong[] = { "", "2026", "2026-13-01", "2026-00-01", "2026-02-30", "2025-02-29",
		"1900-02-29", "2026-03/05", "2026-03-05x", "26-03-05", "2026-3-", "05.03.2026", "2026-03-05T09:00" };
	char day[DAY_MAX];
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_true(day_read(cases[i].text, day));
		assert_string_equal(day, cases[i].day);
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		strcpy(day, "untouched");
		assert_false(day_read(wrong[i], day));
		assert_string_equal(day, "untouched");
	}
}

static void days_are_counted_over_months_and_leap_years(void **state)
{
	(void)state;
	static const struct {
		const char *from, *to;
		long days;
	} cases[] = { { "2026-03-05", "2026-03-05", 0 }, { "2026-03-05", "2026-03-06", 1 },
		{ "2026-03-01", "2026-02-28", -1 }, { "2024-02-28", "2024-03-01", 2 },
		{ "2025-12-31", "2026-01-01", 1 }, { "2026-01-01", "2027-01-01", 365 },
		{ "2024-01-01", "2025-01-01", 366 }, { "1970-01-01", "2026-03-05", 20517 },
		{ "2026-03-05T23:59:59.999+08:00", "2026-03-06", 1 } };
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_int_equal(day_difference(cases[i].from, cases[i].to), cases[i].days);
}

static void what_ends_is_told_thirty_days_ahead(void **state)
{
	(void)state;
	long days;
	assert_false(day_ends_soon("2026-04-05", "2026-03-05", &days));
	assert_true(day_ends_soon("2026-04-04", "2026-03-05", &days));
	assert_int_equal(days, 30);
	assert_true(day_ends_soon("2026-03-05", "2026-03-05", &days));
	assert_int_equal(days, 0);
	assert_true(day_ends_soon("2026-03-04", "2026-03-05", &days));
	assert_int_equal(days, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_day_is_read_as_people_and_spreadsheets_write_it),
		cmocka_unit_test(days_are_counted_over_months_and_leap_years),
		cmocka_unit_test(what_ends_is_told_thirty_days_ahead),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
