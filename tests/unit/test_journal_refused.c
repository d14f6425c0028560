/* Entries that a target refused stay for years, proven; all around them goes after its time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "../../daemon/clock.h"
#include "../../daemon/export.h"
#include "../../daemon/sqlite.h"
#include "../../daemon/verify.h"
#include "journal_fixture.h"

enum { PATIENCE_MS = 20000 };

static const char *const county[] = { "county" }, *const depot[] = { "depot" };
static struct signature_key *key;

/* Of the kind that an instrument may report again. */
static struct entry result_of(unsigned number)
{
	struct entry entry = entry_of(number);
	entry.id[14] = '8';
	return entry;
}

static void append_run(struct fixture *fixture, unsigned first, unsigned last)
{
	for (unsigned number = first; number <= last; number++) {
		struct entry entry = result_of(number);
		assert_int_equal(journal_append(fixture->journal, &entry, 1, "pr-1", "17", &fixture->fault), 0);
	}
}

static void seal(struct fixture *fixture)
{
	struct seal seal;
	assert_true(journal_unsealed(fixture->journal, &seal));
	seal_sign(&seal, key);
	journal_seal(fixture->journal, &seal);
	assert_int_equal(journal_append(fixture->journal, NULL, 0, NULL, NULL, &fixture->fault), 0);
}

static void park(struct fixture *fixture, const char *target, uint64_t seq)
{
	assert_int_equal(journal_park(fixture->journal, target, seq, "too large", NULL, &fixture->fault), 0);
}

static void everything_is_old(struct fixture *fixture, const char *const *targets)
{
	struct journal_keep keep = { targets, 1, clock_wall_ms() + 60000, false };
	journal_keep(fixture->journal, &keep);
}

static void wait_for_first(const struct fixture *fixture, uint64_t first)
{
	struct journal_space space = { 0 };
	for (long end = clock_ms() + PATIENCE_MS; space.first < first && clock_ms() < end; usleep(2000))
		journal_space(fixture->journal, &space);
	assert_int_equal(space.first, first);
}

struct numbers {
	uint64_t list[100];
	size_t count;
};

static int take_number(void *context, const struct stored *stored)
{
	struct numbers *numbers = context;
	numbers->list[numbers->count++] = stored->seq;
	return numbers->count == 100;
}

static struct numbers kept(struct fixture *fixture)
{
	struct numbers numbers = { 0 };
	assert_true(journal_read(fixture->reader, 1, 100, take_number, &numbers, &fixture->fault) >= 0);
	return numbers;
}

static void wait_for_count(struct fixture *fixture, size_t count)
{
	struct numbers numbers = kept(fixture);
	for (long end = clock_ms() + PATIENCE_MS; numbers.count != count && clock_ms() < end; usleep(5000))
		numbers = kept(fixture);
	assert_int_equal(numbers.count, count);
}

static int count_one(void *context, const struct parked *parked)
{
	(void)parked;
	++*(size_t *)context;
	return 0;
}

static size_t parked_count(struct fixture *fixture)
{
	size_t count = 0;
	assert_true(journal_parked(fixture->reader, NULL, 1, UINT64_MAX, count_one, &count, &fixture->fault) >= 0);
	return count;
}

/* Entries 1 to 72, sealed at 20, 45, 60 and 72; the county refused 40, somebody who is no target any more 10. */
static int open_refused(void **state)
{
	if (fixture_open(state) != 0)
		return -1;
	struct fixture *fixture = *state;
	assert_int_equal(signature_key_make(SIGNATURE_ED25519, &key, NULL), 0);
	assert_int_equal(journal_key(fixture->journal, key, NULL, &fixture->fault), 0);
	append_run(fixture, 1, 20);
	seal(fixture);
	append_run(fixture, 21, 45);
	seal(fixture);
	append_run(fixture, 46, 60);
	seal(fixture);
	append_run(fixture, 61, 72);
	seal(fixture);
	park(fixture, "county", 40);
	park(fixture, "gone", 10);
	journal_progress(fixture->journal, "county", 72);
	journal_progress(fixture->journal, "depot", 72);
	return 0;
}

static int close_refused(void **state)
{
	signature_key_free(key);
	return fixture_close(state);
}

static void reopen(struct fixture *fixture)
{
	fixture_stop(fixture);
	assert_int_equal(fixture_start(fixture), 0);
	assert_null(fixture->setaside);
}

static void assert_island(struct fixture *fixture)
{
	struct numbers numbers = kept(fixture);
	assert_int_equal(numbers.count, 7);
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(numbers.list[i], 40 + i);
	assert_int_equal(numbers.list[6], 72);
}

static void one_refused_entry_holds_back_only_itself_and_what_proves_it(void **state)
{
	struct fixture *fixture = *state;
	uint64_t first, last;
	everything_is_old(fixture, county);
	wait_for_first(fixture, 72);
	assert_island(fixture);
	assert_int_equal(parked_count(fixture), 1);
	reopen(fixture);
	assert_island(fixture);
	assert_int_equal(journal_reader_head(fixture->reader, &first, &last, &fixture->fault), 0);
	assert_int_equal(first, 72);
	assert_int_equal(journal_check_chain(fixture->reader, 1, 0, NULL, &fixture->fault), 0);
	append_run(fixture, 73, 75);
	assert_int_equal(journal_check_chain(fixture->reader, 1, 0, NULL, &fixture->fault), 0);
	struct entry again[2] = { result_of(39), result_of(41) }; /* an instrument still holds them */
	assert_int_equal(journal_append(fixture->journal, again, 2, NULL, NULL, &fixture->fault), 0);
	assert_true(again[0].known && again[1].known);
	assert_int_equal(again[1].seq, 41);
}

static int write_line(void *context, const char *line, size_t length)
{
	return fprintf(context, "%.*s\n", (int)length, line) < 0;
}

static void take_fault(void *context, const struct verify_fault *fault)
{
	(void)context;
	print_message("%s\n", fault->text);
}

static void take_epoch(void *context, const struct verify_epoch *epoch)
{
	assert_int_equal(epoch->first, 40);
	assert_int_equal(epoch->sealed, 45);
	++*(int *)context;
}

static void what_stays_of_it_proves_it(void **state)
{
	struct fixture *fixture = *state;
	struct entry refused = result_of(40);
	struct export_run run = { .subject = refused.id };
	int epochs = 0, fd = memfd_create("bundle", MFD_CLOEXEC);
	FILE *bundle = fdopen(dup(fd), "w");
	everything_is_old(fixture, county);
	wait_for_first(fixture, 72);
	if (export_lines(fixture->reader, &run, write_line, bundle, &fixture->fault) != 0)
		fail_msg("%s", fixture->fault.text);
	fclose(bundle);
	lseek(fd, 0, SEEK_SET);
	struct verify *verify = verify_new("330421103-01", take_fault, take_epoch, &epochs);
	assert_int_equal(verify_read(verify, fd, "bundle", &fixture->fault), 0);
	assert_true(verify_judge(verify));
	assert_int_equal(epochs, 1);
	verify_free(verify);
	close(fd);
}

static void it_goes_when_the_target_has_taken_it(void **state)
{
	struct fixture *fixture = *state;
	struct seal left;
	everything_is_old(fixture, county);
	wait_for_first(fixture, 72);
	assert_island(fixture);
	assert_int_equal(journal_unpark(fixture->journal, "county", 40, &fixture->fault), 0);
	wait_for_count(fixture, 1);
	assert_int_equal(parked_count(fixture), 0);
	assert_int_equal(journal_next_seal(fixture->reader, 0, &left, &fixture->fault), 1);
	assert_int_equal(left.seq, 72);
	struct entry again = result_of(40);
	assert_int_equal(journal_append(fixture->journal, &again, 1, NULL, NULL, &fixture->fault), 0);
	assert_true(again.known);
}

static void it_goes_when_who_refused_it_is_no_target_any_more(void **state)
{
	struct fixture *fixture = *state;
	everything_is_old(fixture, county);
	wait_for_first(fixture, 72);
	assert_island(fixture);
	everything_is_old(fixture, depot);
	wait_for_count(fixture, 1);
	assert_int_equal(parked_count(fixture), 0);
}

static void a_target_that_refuses_everything_loses_nothing(void **state)
{
	struct fixture *fixture = *state;
	for (uint64_t seq = 1; seq <= 72; seq++)
		park(fixture, "county", seq);
	struct journal_keep pressed = { county, 1, clock_wall_ms() + 60000, true };
	journal_keep(fixture->journal, &pressed);
	wait_for_first(fixture, 72);
	assert_int_equal(kept(fixture).count, 72);
	assert_int_equal(journal_unpark(fixture->journal, "county", 46, &fixture->fault), 0);
	wait_for_count(fixture, 71); /* it was needed for none: 45 has a seal of its own */
	assert_int_equal(journal_unpark(fixture->journal, "county", 50, &fixture->fault), 0);
	usleep(200000);
	assert_int_equal(kept(fixture).count, 71); /* 49 needs it */
}

static void holes_are_told(void **state)
{
	struct fixture *fixture = *state;
	struct journal_run gone[3];
	uint64_t to = 72;
	everything_is_old(fixture, county);
	wait_for_first(fixture, 72);
	assert_int_equal(journal_gaps(fixture->reader, 1, &to, gone, 3, &fixture->fault), 2);
	assert_int_equal(gone[0].first, 1);
	assert_int_equal(gone[0].last, 39);
	assert_int_equal(gone[1].first, 46);
	assert_int_equal(gone[1].last, 71);
}

/* --- a journal that is sent looks refusals up for each entry: that must not grow with how many there are */

static const char *prepared[32]; /* by the reader; linked with --wrap, see Makefile */
static size_t prepared_count;
static bool watching;

int __real_db_prepare(struct db *db, const char *statement, struct db_query **ret, struct fault *fault);
int __wrap_db_prepare(struct db *db, const char *statement, struct db_query **ret, struct fault *fault);

int __wrap_db_prepare(struct db *db, const char *statement, struct db_query **ret, struct fault *fault)
{
	if (watching && strstr(statement, "parked") && prepared_count < sizeof(prepared) / sizeof(prepared[0]))
		prepared[prepared_count++] = statement;
	return __real_db_prepare(db, statement, ret, fault);
}

static void is_looked_up_in_the_key(struct db *db, const char *statement)
{
	char question[1024];
	struct db_query *plan;
	struct fault fault;
	unsigned looked_up = 0;
	snprintf(question, sizeof(question), "EXPLAIN QUERY PLAN %s", statement);
	assert_int_equal(db_prepare(db, question, &plan, &fault), 0);
	while (db_step(plan, &fault) == 1) {
		const char *step = db_text(plan, 3, NULL);
		if (strncmp(step, "SCAN ", 5) == 0 && strcmp(step, "SCAN t") != 0)
			fail_msg("%s: %s", statement, step);
		looked_up += strstr(step, "USING PRIMARY KEY (target=? AND seq>? AND seq<?)") != NULL;
	}
	db_finish(plan);
	assert_int_equal(looked_up, 1);
}

static void refusals_are_looked_up_and_never_searched_for(void **state)
{
	struct fixture *fixture = *state;
	struct journal_reader *reader;
	struct db *db;
	watching = true;
	assert_int_equal(journal_reader_open(fixture->file, &reader, &fixture->fault), 0);
	watching = false;
	journal_reader_close(reader);
	assert_int_equal(prepared_count, 2); /* by one target, and by any */
	assert_int_equal(db_open(fixture->file, DB_READ, &db, &fixture->fault), 0);
	for (size_t i = 0; i < prepared_count; i++)
		is_looked_up_in_the_key(db, prepared[i]);
	db_close(db);
}

struct refusals {
	char text[200];
	size_t most, count;
};

static int tell(void *context, const struct parked *parked)
{
	struct refusals *refusals = context;
	size_t length = strlen(refusals->text);
	snprintf(refusals->text + length, sizeof(refusals->text) - length, " %s:%llu", parked->target,
		(unsigned long long)parked->seq);
	return ++refusals->count == refusals->most;
}

static void assert_refused(
	struct fixture *fixture, const char *target, uint64_t from, uint64_t to, const char *expected)
{
	struct refusals refusals = { .most = 100 };
	long given = journal_parked(fixture->reader, target, from, to, tell, &refusals, &fixture->fault);
	assert_int_equal(given, (long)refusals.count);
	assert_string_equal(refusals.text, expected);
}

static void refusals_come_in_the_order_of_their_entries(void **state)
{
	struct fixture *fixture = *state; /* the county's 40 and somebody's 10 are there */
	park(fixture, "county", 7);
	park(fixture, "depot", 40);
	park(fixture, "county/0123abcd", 40);
	park(fixture, "county/0123abcd", 3);
	assert_refused(fixture, "county", 1, UINT64_MAX, " county:7 county:40");
	assert_refused(fixture, "county", 8, 39, "");
	assert_refused(fixture, "county/0123abcd", 1, 3, " county/0123abcd:3");
	assert_refused(fixture, "nobody", 1, UINT64_MAX, "");
	assert_refused(fixture, NULL, 40, 40, " county:40 county/0123abcd:40 depot:40");
	assert_refused(fixture, NULL, 1, 9, " county/0123abcd:3 county:7");
	struct refusals two = { .most = 2 };
	assert_int_equal(journal_parked(fixture->reader, NULL, 4, UINT64_MAX, tell, &two, &fixture->fault), 2);
	assert_true(strncmp(two.text, " county:7 ", 10) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			one_refused_entry_holds_back_only_itself_and_what_proves_it, open_refused, close_refused),
		cmocka_unit_test_setup_teardown(what_stays_of_it_proves_it, open_refused, close_refused),
		cmocka_unit_test_setup_teardown(it_goes_when_the_target_has_taken_it, open_refused, close_refused),
		cmocka_unit_test_setup_teardown(
			it_goes_when_who_refused_it_is_no_target_any_more, open_refused, close_refused),
		cmocka_unit_test_setup_teardown(
			a_target_that_refuses_everything_loses_nothing, open_refused, close_refused),
		cmocka_unit_test_setup_teardown(holes_are_told, open_refused, close_refused),
		cmocka_unit_test_setup_teardown(
			refusals_are_looked_up_and_never_searched_for, open_refused, close_refused),
		cmocka_unit_test_setup_teardown(
			refusals_come_in_the_order_of_their_entries, open_refused, close_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
