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

int main(void)
{
#define ON_A_JOURNAL(test) cmocka_unit_test_setup_teardown(test, fixture_open, fixture_close)
	const struct CMUnitTest tests[] = {
		ON_A_JOURNAL(appended_entries_are_read_back_in_order_with_the_bytes_of_the_contract),
		ON_A_JOURNAL(a_reopened_journal_goes_on_where_it_was),
		ON_A_JOURNAL(an_id_that_is_there_is_known_also_within_one_batch),
		ON_A_JOURNAL(a_second_daemon_on_the_same_journal_is_refused_with_who_holds_it),
		ON_A_JOURNAL(a_watcher_wakes_after_each_commit_until_it_is_gone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
