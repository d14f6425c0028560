#include "../../daemon/journal.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../daemon/progress.h"
#include "../../daemon/sqlite.h"
#include "journal_fixture.h"

static void appended_entries_are_read_back_in_order_with_the_bytes_of_the_contract(void **state)
{
	struct fixture *fixture = *state;
	struct entry entries[2] = { entry_of(1), entry_of(2) };
	entries[1].kind = ENTRY_EVENT;
	assert_int_equal(journal_append(fixture->journal, entries, 2, NULL, NULL, &fixture->fault), 0);
	assert_int_equal(entries[0].seq, 1);
	assert_int_equal(entries[1].seq, 2);
	assert_int_equal(journal_head(fixture->journal), 2);

	struct reading_back back = { 0 };
	assert_int_equal(read_back(fixture, 1, 10, &back), 2);
	char expected[2048];
	snprintf(expected, sizeof(expected),
		"{\"v\":1,\"id\":\"%s\",\"station\":\"330421103-01\",\"epoch\":\"%s\",\"seq\":1,"
		"\"prev\":\"sha256:%064d\",%s",
		entries[0].id, journal_epoch(fixture->journal), 0, entries[0].body);
	assert_string_equal(back.payload[0], expected);
	assert_int_equal(back.kind[1], ENTRY_EVENT);
	assert_int_equal(journal_check_chain(fixture->reader, 1, 0, NULL, &fixture->fault), 0);
	reading_back_free(&back);
}

static void a_reopened_journal_goes_on_where_it_was(void **state)
{
	struct fixture *fixture = *state;
	struct entry one = entry_of(1), two = entry_of(2);
	char epoch[40], cursor[CURSOR_MAX];
	uint64_t through;
	snprintf(epoch, sizeof(epoch), "%s", journal_epoch(fixture->journal));
	assert_int_equal(journal_append(fixture->journal, &one, 1, "pr-1", "2026-03-05/17", &fixture->fault), 0);
	journal_progress(fixture->journal, "county", 1);
	fixture_stop(fixture);
	assert_int_equal(fixture_start(fixture), 0);
	assert_null(fixture->setaside);
	assert_string_equal(journal_epoch(fixture->journal), epoch);
	assert_int_equal(journal_head(fixture->journal), 1);
	assert_int_equal(journal_cursor(fixture->journal, "pr-1", cursor, &fixture->fault), 0);
	assert_string_equal(cursor, "2026-03-05/17");
	assert_int_equal(journal_cursor(fixture->journal, "pr-2", cursor, &fixture->fault), 0);
	assert_string_equal(cursor, "");
	assert_int_equal(journal_target(fixture->journal, "county", &through, &fixture->fault), 0);
	assert_int_equal(through, 1);
	assert_int_equal(journal_append(fixture->journal, &two, 1, NULL, NULL, &fixture->fault), 0);
	assert_int_equal(two.seq, 2);
	assert_int_equal(journal_check_chain(fixture->reader, 1, 0, NULL, &fixture->fault), 0);
}

static void an_id_that_is_there_is_known_also_within_one_batch(void **state)
{
	struct fixture *fixture = *state;
	struct entry first = entry_of(1), again[3] = { entry_of(2), entry_of(1), entry_of(2) };
	assert_int_equal(journal_append(fixture->journal, &first, 1, NULL, NULL, &fixture->fault), 0);
	assert_int_equal(journal_append(fixture->journal, again, 3, NULL, NULL, &fixture->fault), 0);
	assert_false(again[0].known);
	assert_int_equal(again[0].seq, 2);
	assert_true(again[1].known);
	assert_int_equal(again[1].seq, 1);
	assert_true(again[2].known);
	assert_int_equal(again[2].seq, 2);
	assert_int_equal(journal_head(fixture->journal), 2);
}

static void a_second_daemon_on_the_same_journal_is_refused_with_who_holds_it(void **state)
{
	struct fixture *fixture = *state;
	struct journal_options options = { .directory = fixture->directory, .station = "330421103-01" };
	struct journal *second;
	char holder[40];
	assert_int_equal(journal_open(&options, &second, NULL, &fixture->fault), -EBUSY);
	snprintf(holder, sizeof(holder), "process %d holds", (int)getpid());
	assert_non_null(strstr(fixture->fault.text, holder));
}

static void a_watcher_wakes_after_each_commit_until_it_is_gone(void **state)
{
	struct fixture *fixture = *state;
	int watcher = eventfd(0, EFD_NONBLOCK);
	struct pollfd waiting = { .fd = watcher, .events = POLLIN };
	uint64_t count;
	struct entry one = entry_of(1), two = entry_of(2);
	assert_int_equal(journal_watch(fixture->journal, watcher), 0);
	assert_int_equal(journal_append(fixture->journal, &one, 1, NULL, NULL, &fixture->fault), 0);
	assert_int_equal(poll(&waiting, 1, 0), 1);
	assert_int_equal(read(watcher, &count, sizeof(count)), sizeof(count));
	journal_unwatch(fixture->journal, watcher);
	assert_int_equal(journal_append(fixture->journal, &two, 1, NULL, NULL, &fixture->fault), 0);
	assert_int_equal(poll(&waiting, 1, 0), 0);
	close(watcher);
}

/* --- eight at once */

enum { APPENDERS = 8, ROUNDS = 40 };

struct appender {
	struct fixture *fixture;
	unsigned number;
	int broken;
};

static int keep_seq(void *context, const struct stored *stored)
{
	*(uint64_t *)context = stored->seq;
	return 0;
}

static void *append_in_rounds(void *argument)
{
	struct appender *appender = argument;
	struct fixture *fixture = appender->fixture;
	struct journal_reader *reader;
	uint64_t before = 0;
	if (journal_reader_open(journal_path(fixture->journal), &reader, NULL) != 0) {
		appender->broken = 1;
		return NULL;
	}
	for (unsigned round = 0; round < ROUNDS && !appender->broken; round++) {
		struct entry entries[3];
		size_t count = 1 + round % 3;
		for (unsigned i = 0; i < count; i++)
			entries[i] = entry_of(appender->number << 16 | round << 2 | i);
		if (journal_append(fixture->journal, entries, count, NULL, NULL, NULL) != 0)
			appender->broken = 2;
		for (size_t i = 1; i < count; i++)
			if (entries[i].seq != entries[i - 1].seq + 1)
				appender->broken = 3; /* what was appended together stands together */
		uint64_t found = 0;
		if (entries[0].seq <= before || journal_head(fixture->journal) < entries[count - 1].seq ||
			journal_find(reader, entries[0].id, keep_seq, &found, NULL) != 1 || found != entries[0].seq)
			appender->broken = 4; /* what returned is there for everyone */
		before = entries[count - 1].seq;
	}
	journal_reader_close(reader);
	return NULL;
}

static void eight_appenders_leave_no_hole_and_each_sees_what_it_stored(void **state)
{
	struct fixture *fixture = *state;
	pthread_t threads[APPENDERS];
	struct appender appenders[APPENDERS];
	uint64_t first, last;
	entry_bodies();
	for (unsigned i = 0; i < APPENDERS; i++) {
		appenders[i] = (struct appender){ .fixture = fixture, .number = i };
		assert_int_equal(pthread_create(&threads[i], NULL, append_in_rounds, &appenders[i]), 0);
	}
	unsigned expected = 0;
	for (unsigned i = 0; i < APPENDERS; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(appenders[i].broken, 0);
		for (unsigned round = 0; round < ROUNDS; round++)
			expected += 1 + round % 3;
	}
	assert_int_equal(journal_reader_head(fixture->reader, &first, &last, &fixture->fault), 0);
	assert_int_equal(first, 1);
	assert_int_equal(last, expected);
	assert_int_equal(journal_check_chain(fixture->reader, 1, 0, NULL, &fixture->fault), 0);
}

static void a_refused_entry_takes_the_whole_append_with_it(void **state)
{
	struct fixture *fixture = *state;
	struct entry entries[2] = { entry_of(1), entry_of(2) };
	strcpy(entries[1].id, "0195A3C4-0000-7000-8000-000000000002");
	assert_int_equal(journal_append(fixture->journal, entries, 2, "pr-1", "9", &fixture->fault), -EINVAL);
	assert_int_equal(journal_head(fixture->journal), 0);
	entries[1] = entry_of(2);
	entries[1].body = (char[]){ "no object" };
	assert_int_equal(journal_append(fixture->journal, entries, 2, "pr-1", "9", &fixture->fault), -EINVAL);
	assert_int_equal(journal_head(fixture->journal), 0);
	char cursor[CURSOR_MAX];
	assert_int_equal(journal_cursor(fixture->journal, "pr-1", cursor, &fixture->fault), 0);
	assert_string_equal(cursor, "");
}

static void a_station_that_changes_its_code_keeps_the_bytes_of_what_was_stored(void **state)
{
	struct fixture *fixture = *state;
	struct entry one = entry_of(1), two = entry_of(2);
	struct reading_back before = { 0 }, after = { 0 };
	assert_int_equal(journal_append(fixture->journal, &one, 1, NULL, NULL, &fixture->fault), 0);
	assert_int_equal(read_back(fixture, 1, 1, &before), 1);
	fixture_stop(fixture);
	fixture->station = "330421104-02";
	assert_int_equal(fixture_start(fixture), 0);
	assert_int_equal(journal_append(fixture->journal, &two, 1, NULL, NULL, &fixture->fault), 0);
	assert_int_equal(read_back(fixture, 1, 10, &after), 2);
	assert_string_equal(after.payload[0], before.payload[0]);
	assert_non_null(strstr(after.payload[1], "\"station\":\"330421104-02\""));
	assert_int_equal(journal_check_chain(fixture->reader, 1, 0, NULL, &fixture->fault), 0);
	reading_back_free(&before);
	reading_back_free(&after);
}

static void the_view_in_the_file_gives_the_published_bytes(void **state)
{
	struct fixture *fixture = *state;
	struct reading_back back = { 0 };
	struct db *db;
	struct db_query *view;
	for (unsigned number = 1; number <= 20; number++) {
		struct entry entry = entry_of(number * 4099);
		assert_int_equal(journal_append(fixture->journal, &entry, 1, NULL, NULL, &fixture->fault), 0);
	}
	assert_int_equal(read_back(fixture, 1, 20, &back), 20);
	assert_int_equal(db_open(fixture->file, DB_READ, &db, &fixture->fault), 0);
	assert_int_equal(db_prepare(db, "SELECT bytes FROM payload ORDER BY seq", &view, &fixture->fault), 0);
	for (size_t i = 0; i < 20; i++) {
		assert_int_equal(db_step(view, &fixture->fault), 1);
		assert_string_equal(db_text(view, 0, NULL), back.payload[i]);
	}
	db_close(db);
	reading_back_free(&back);
}

struct long_look {
	struct fixture *fixture;
	unsigned appended;
};

static int append_meanwhile(void *context, const struct stored *stored)
{
	struct long_look *look = context;
	(void)stored;
	for (unsigned i = 0; i < 100; i++) {
		struct entry entries[10];
		for (unsigned j = 0; j < 10; j++)
			entries[j] = entry_of(0x10000 + look->appended++);
		if (journal_append(look->fixture->journal, entries, 10, NULL, NULL, &look->fixture->fault) != 0)
			return 1;
	}
	return 0;
}

static void a_reader_that_lingers_does_not_make_the_log_grow(void **state)
{
	struct fixture *fixture = *state;
	struct long_look look = { .fixture = fixture };
	for (unsigned number = 1; number <= 10; number++) {
		struct entry entry = entry_of(number);
		assert_int_equal(journal_append(fixture->journal, &entry, 1, NULL, NULL, &fixture->fault), 0);
	}
	assert_int_equal(journal_read(fixture->reader, 1, 10, append_meanwhile, &look, &fixture->fault), 10);
	assert_int_equal(journal_head(fixture->journal), 10010);
	char log[128];
	struct stat status;
	snprintf(log, sizeof(log), "%s-wal", fixture->file);
	assert_int_equal(stat(log, &status), 0);
	assert_true(status.st_size < 3 << 20); /* the limit, and what one batch adds */
}

static int stop_at_seven(void *context, const struct stored *stored)
{
	*(uint64_t *)context = stored->seq;
	return stored->seq == 7;
}

static void reading_gives_exactly_what_was_asked_for(void **state)
{
	struct fixture *fixture = *state;
	struct entry entries[500];
	uint64_t last = 0;
	for (unsigned i = 0; i < 500; i++)
		entries[i] = entry_of(i + 1);
	assert_int_equal(journal_read(fixture->reader, 1, 10, keep_seq, &last, &fixture->fault), 0);
	assert_int_equal(journal_append(fixture->journal, entries, 500, NULL, NULL, &fixture->fault), 0);
	assert_int_equal(journal_read(fixture->reader, 1, 1000, keep_seq, &last, &fixture->fault), 500);
	assert_int_equal(journal_read(fixture->reader, 3, 300, keep_seq, &last, &fixture->fault), 300);
	assert_int_equal(last, 302);
	assert_int_equal(journal_read(fixture->reader, 1, 300, stop_at_seven, &last, &fixture->fault), 7);
	assert_int_equal(last, 7);
	assert_int_equal(journal_read(fixture->reader, 501, 10, keep_seq, &last, &fixture->fault), 0);
	assert_int_equal(journal_read(fixture->reader, 1, 0, keep_seq, &last, &fixture->fault), 0);
	assert_int_equal(journal_find(fixture->reader, entries[41].id, keep_seq, &last, &fixture->fault), 1);
	assert_int_equal(last, 42);
	assert_int_equal(
		journal_find(fixture->reader, "0195a3c4-ffff-7000-8000-000000000000", keep_seq, &last, NULL), 0);
	assert_int_equal(journal_find(fixture->reader, "nonsense", keep_seq, &last, NULL), 0);
}

static void what_a_target_refused_is_kept_with_its_reason(void **state)
{
	struct fixture *fixture = *state;
	struct db *db;
	int64_t parked;
	assert_int_equal(journal_park(fixture->journal, "county", 7, "too large", NULL, &fixture->fault), 0);
	fixture_stop(fixture);
	assert_int_equal(db_open(fixture->file, DB_READ, &db, &fixture->fault), 0);
	assert_int_equal(db_number(db, "SELECT seq FROM parked WHERE target = 'county' AND reason = 'too large'",
				 &parked, &fixture->fault),
		0);
	assert_int_equal(parked, 7);
	db_close(db);
}

static unsigned told;

static void count_told(void)
{
	told++;
}

/* A log this long is left where nothing could move it into the file for long, as on a full disk. */
static void reading_a_long_log_says_that_it_goes_on(void **state)
{
	struct fixture *fixture = *state;
	struct db *db;
	fixture_stop(fixture);
	progress_to(count_told);
	assert_int_equal(fixture_start(fixture), 0);
	fixture_stop(fixture);
	assert_int_equal(told, 0); /* an ordinary start asks for no time */
	assert_int_equal(db_open(fixture->file, DB_WRITE, &db, &fixture->fault), 0);
	db_tidy_at_close(db, false);
	assert_int_equal(db_run(db,
				 "CREATE TABLE filler(c); WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1"
				 " FROM n WHERE i < 100) INSERT INTO filler SELECT zeroblob(100000) FROM n",
				 &fixture->fault),
		0);
	db_close(db);
	told = 0;
	assert_int_equal(fixture_start(fixture), 0);
	progress_to(NULL);
	assert_null(fixture->setaside);
	assert_in_range(told, 2, 10);
}

int main(void)
{
#define ON_A_JOURNAL(test) cmocka_unit_test_setup_teardown(test, fixture_open, fixture_close)
	const struct CMUnitTest tests[] = {
		ON_A_JOURNAL(appended_entries_are_read_back_in_order_with_the_bytes_of_the_contract),
		ON_A_JOURNAL(a_reopened_journal_goes_on_where_it_was),
		ON_A_JOURNAL(an_id_that_is_there_is_known_also_within_one_batch),
		ON_A_JOURNAL(a_second_daemon_on_the_same_journal_is_refused_with_who_holds_it),
		ON_A_JOURNAL(a_watcher_wakes_after_each_commit_until_it_is_gone),
		ON_A_JOURNAL(eight_appenders_leave_no_hole_and_each_sees_what_it_stored),
		ON_A_JOURNAL(a_refused_entry_takes_the_whole_append_with_it),
		ON_A_JOURNAL(a_station_that_changes_its_code_keeps_the_bytes_of_what_was_stored),
		ON_A_JOURNAL(the_view_in_the_file_gives_the_published_bytes),
		ON_A_JOURNAL(a_reader_that_lingers_does_not_make_the_log_grow),
		ON_A_JOURNAL(reading_gives_exactly_what_was_asked_for),
		ON_A_JOURNAL(what_a_target_refused_is_kept_with_its_reason),
		ON_A_JOURNAL(reading_a_long_log_says_that_it_goes_on),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
