/* What the caretaker makes of the journal's figures: how many days the disk still lasts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../daemon/caretaker.h"
#include "../../daemon/clock.h"
#include "../../daemon/sqlite.h"
#include "journal_fixture.h"

enum { MANY = 40000, AT_ONCE = 1000, ASSUMED = 500 * 2048, LONGEST = 36500 };

int __real_disk_look(const char *directory, struct disk *ret, struct fault *fault);
int __wrap_disk_look(const char *directory, struct disk *ret, struct fault *fault);

static _Atomic uint64_t disk_free;

/* The test machine's disk lasts for ever. */
int __wrap_disk_look(const char *directory, struct disk *ret, struct fault *fault)
{
	int error = __real_disk_look(directory, ret, fault);
	ret->free = disk_free;
	return error;
}

static struct caretaker_report report_of(struct fixture *fixture)
{
	struct config config = { .holders = 1000 };
	struct caretaker *caretaker;
	struct caretaker_report report;
	snprintf(config.journal.directory, sizeof(config.journal.directory), "%s", fixture->directory);
	struct intake *intake = intake_new(fixture->journal, &config);
	assert_int_equal(caretaker_start(&config, fixture->journal, intake, &caretaker, &fixture->fault), 0);
	caretaker_report(caretaker, &report);
	caretaker_stop(caretaker);
	intake_free(intake);
	return report;
}

static uint64_t days_of(const struct caretaker_report *report)
{
	return (disk_free + report->space.free_bytes) / report->bytes_a_day;
}

static void a_new_station_counts_with_a_busy_rooms_results(void **state)
{
	disk_free = 25 * ASSUMED + ASSUMED / 2;
	struct caretaker_report report = report_of(*state);
	assert_int_equal(report.bytes_a_day, ASSUMED);
	assert_in_range(report.space.free_bytes, 0, ASSUMED / 2 - 1);
	assert_int_equal(report.autonomy_days, 25);
	disk_free = ASSUMED / 4;
	assert_int_equal(report_of(*state).autonomy_days, 0);
	disk_free = UINT64_C(1) << 50;
	assert_int_equal(report_of(*state).autonomy_days, LONGEST);
}

/* The file's size is taken every ten seconds at most: many entries in less make less than a byte of each. */
static void more_entries_than_bytes_known_divide_by_nothing(void **state)
{
	struct fixture *fixture = *state;
	static struct entry entries[AT_ONCE];
	struct journal_space space;
	usleep(200000); /* the first look is over; the next one is ten seconds later */
	for (unsigned number = 0; number < MANY;) {
		for (unsigned i = 0; i < AT_ONCE; i++) {
			entries[i] = entry_of(number++);
			entries[i].body = "\"kind\":\"sample\"}";
		}
		assert_int_equal(journal_append(fixture->journal, entries, AT_ONCE, NULL, NULL, &fixture->fault), 0);
	}
	journal_space(fixture->journal, &space);
	if (space.bytes >= MANY) /* it took longer than ten seconds */
		skip();
	disk_free = 25 * ASSUMED;
	struct caretaker_report report = report_of(fixture);
	assert_true(report.bytes_a_day > 0);
	assert_int_equal(report.autonomy_days, days_of(&report));
}

static void edit(struct fixture *fixture, const char *statement)
{
	struct db *db;
	assert_int_equal(db_open(fixture->file, DB_WRITE, &db, &fixture->fault), 0);
	assert_int_equal(db_run(db, statement, &fixture->fault), 0);
	db_close(db);
}

/* One that a target refused years ago says nothing of how many come in a day. */
static void an_old_refused_entry_stretches_no_days(void **state)
{
	static const char *const county[] = { "county" };
	struct fixture *fixture = *state;
	struct journal_space space = { 0 };
	for (unsigned number = 1; number <= 350; number++) {
		struct entry entry = entry_of(number);
		assert_int_equal(journal_append(fixture->journal, &entry, 1, NULL, NULL, &fixture->fault), 0);
	}
	assert_int_equal(journal_park(fixture->journal, "county", 1, "too large", NULL, &fixture->fault), 0);
	journal_progress(fixture->journal, "county", 350);
	edit(fixture,
		"UPDATE entry SET received_ms = received_ms - 86400000 * CASE WHEN seq <= 150 THEN 400 ELSE 2 END");
	struct journal_keep keep = { county, 1, clock_wall_ms() - 100 * INT64_C(86400000), false };
	journal_keep(fixture->journal, &keep);
	for (long end = clock_ms() + 20000; space.first < 151 && clock_ms() < end; usleep(2000))
		journal_space(fixture->journal, &space);
	assert_int_equal(space.first, 151);
	struct caretaker_report report = report_of(fixture);
	uint64_t each = (report.space.bytes - report.space.free_bytes) / 200;
	assert_in_range(report.bytes_a_day / each, 99, 101); /* two hundred in two days */

	disk_free = 2 * report.bytes_a_day;
	report = report_of(fixture);
	assert_true(report.space.free_bytes > report.bytes_a_day); /* room in the journal lasts for a day by itself */
	assert_int_equal(report.autonomy_days, days_of(&report));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_new_station_counts_with_a_busy_rooms_results, fixture_open, fixture_close),
		cmocka_unit_test_setup_teardown(
			more_entries_than_bytes_known_divide_by_nothing, fixture_open, fixture_close),
		cmocka_unit_test_setup_teardown(an_old_refused_entry_stretches_no_days, fixture_open, fixture_close),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
