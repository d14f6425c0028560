#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include "../../daemon/sqlite.h"
#include "retest_fixture.h"

static void a_positive_is_confirmed_by_two_more_and_stays_what_it_was(void **state)
{
	struct room *room = *state;
	char first[ENTRY_ID_MAX];
	assert_int_equal(tested(room, 0, "S-1", "63.50"), 1);
	assert_null(js_get(room->record, "retest_of"));
	snprintf(first, sizeof(first), "%s", js_get_text(room->record, "id"));
	assert_string_equal(state_told(room), "retest_required");
	assert_string_equal(js_get_text(room->record, "group"), first);
	assert_string_equal(js_get_text(room->record, "sample_no"), "S-1");
	assert_string_equal(js_get_text(room->record, "item"), "PR-OPCB");
	assert_int_equal(js_get_integer(room->record, "needed", 0), 2);
	assert_int_equal(tested(room, 0, "S-1", "58.00"), 2);
	assert_string_equal(js_get_text(room->record, "retest_of"), first);
	assert_string_equal(state_told(room), "retest_required");
	assert_int_equal(js_get_integer(room->record, "counted", 0), 1);
	assert_int_equal(tested(room, 0, "S-1", "50.00"), 3);
	assert_string_equal(js_get_text(room->record, "retest_of"), first);
	assert_string_equal(state_told(room), "confirmed_positive");
	assert_int_equal(js_count(js_get(room->record, "members")), 3);
	assert_string_equal(js_get_text(entry(room, 1), "verdict"), "positive");
	assert_int_equal(head(room), 6);
}

static void numbers_belong_to_their_instrument_unless_they_are_registered(void **state)
{
	struct room *room = *state;
	tested(room, 0, "17", "63.50");
	assert_int_equal(tested(room, 1, "17", "12.00"), 1); /* the other reader's seventeenth */
	name_sample(room, "S-1");
	assert_int_equal(tested(room, 0, "S-1", "63.50"), 1);
	assert_int_equal(tested(room, 1, "S-1", "58.00"), 2);
	assert_int_equal(tested(room, 0, "S-1", "50.00"), 3);
	assert_string_equal(state_told(room), "confirmed_positive");
}

static void one_negative_retest_overturns_when_both_are_there(void **state)
{
	struct room *room = *state;
	tested(room, 0, "S-1", "63.50");
	tested(room, 0, "S-1", "12.00");
	assert_string_equal(state_told(room), "retest_required");
	tested(room, 0, "S-1", "70.00");
	assert_string_equal(state_told(room), "overturned");
	assert_int_equal(tested(room, 0, "S-1", "71.00"), 4); /* is told, and changes nothing any more */
	assert_string_equal(state_told(room), "overturned");
}

static void tests_that_say_nothing_do_not_count(void **state)
{
	struct room *room = *state;
	tested(room, 0, "S-1", "63.50");
	add_test(room, "S-1", "")->verdict = VERDICT_INVALID;
	store(room, 0);
	assert_int_equal(js_get_integer(last_event(room, "retest_group"), "counted", 9), 0);
	tested(room, 0, "S-1", "60.00");
	tested(room, 0, "S-1", "60.00");
	assert_string_equal(state_told(room), "confirmed_positive");
}

static void other_samples_items_and_kinds_are_not_retests(void **state)
{
	struct room *room = *state;
	assert_int_equal(tested(room, 0, "S-0", "12.00"), 1); /* nothing to ask for yet */
	assert_int_equal(head(room), 1);
	tested(room, 0, "S-1", "63.50");
	assert_int_equal(tested(room, 0, "S-2", "12.00"), 1);
	assert_int_equal(tested(room, 0, "", "12.00"), 1);
	add_test(room, "S-1", "12.00")->kind = KIND_CONTROL;
	store(room, 0);
	assert_int_equal(js_get_integer(entry(room, head(room)), "test_seq", 0), 1);
	text_copy(add_test(room, "S-1", "0.5")->item, 96, "XX-1");
	store(room, 0);
	assert_int_equal(js_get_integer(entry(room, head(room)), "test_seq", 0), 1);
	assert_int_equal(tested(room, 0, "", "80.00"), 1); /* a positive nobody gave a number */
	assert_string_equal(state_told(room), "retest_required");
	assert_int_equal(tested(room, 0, "", "80.00"), 1);
}

static void one_batch_may_hold_the_whole_group(void **state)
{
	struct room *room = *state;
	add_test(room, "S-1", "63.50");
	add_test(room, "S-1", "64.50");
	add_test(room, "S-2", "12.00");
	add_test(room, "S-1", "65.50");
	store(room, 0);
	assert_int_equal(head(room), 7);
	assert_int_equal(js_get_integer(entry(room, 4), "test_seq", 0), 3);
	assert_string_equal(state_told(room), "confirmed_positive");
	assert_int_equal(js_count(js_get(room->record, "members")), 3);
}

static void what_is_read_again_is_no_retest(void **state)
{
	struct room *room = *state;
	tested(room, 0, "S-1", "63.50");
	uint64_t before = head(room);
	room->number--;
	add_test(room, "S-1", "63.50");
	store(room, 0);
	assert_int_equal(head(room), before);
	assert_int_equal(tested(room, 0, "S-1", "60.00"), 2);
}

static void groups_outlive_a_restart(void **state)
{
	struct room *room = *state;
	tested(room, 0, "S-1", "63.50");
	tested(room, 0, "S-1", "63.50");
	restart(room);
	assert_true(intake_awaits(room->intake));
	assert_int_equal(tested(room, 0, "S-1", "60.00"), 3);
	assert_string_equal(state_told(room), "confirmed_positive");
}

static void a_group_ends_with_its_window_and_what_is_missing_is_told_once(void **state)
{
	struct room *room = *state;
	room->config->station.retest_window_ms = 30;
	tested(room, 0, "S-1", "63.50");
	usleep(60000);
	assert_int_equal(tested(room, 0, "S-1", "64.00"), 1); /* a first of its own */
	usleep(60000);
	assert_int_equal(intake_sweep(room->intake, &room->fixture->fault), 0);
	assert_string_equal(js_get_text(last_event(room, "retest_missing"), "sample_no"), "S-1");
	assert_int_equal(head(room), 6);
	assert_int_equal(intake_sweep(room->intake, &room->fixture->fault), 0);
	assert_int_equal(head(room), 6);
	assert_false(intake_awaits(room->intake));
}

static void a_confirmed_group_ends_in_silence(void **state)
{
	struct room *room = *state;
	room->config->station.retest_window_ms = 1;
	add_test(room, "S-1", "63.50");
	add_test(room, "S-1", "64.50");
	add_test(room, "S-1", "65.50");
	store(room, 0);
	uint64_t before = head(room);
	usleep(5000);
	assert_int_equal(intake_sweep(room->intake, &room->fixture->fault), 0);
	assert_int_equal(head(room), before);
	assert_false(retests_any(room->retests));
}

/* As `assayctl retest` does. */
static void expect(struct room *room, const char *id, const char *instrument, int64_t waits_ms)
{
	struct retest_group group;
	assert_int_equal(retests_by_member(room->retests, id, &group, &room->fixture->fault), 1);
	text_copy(group.instrument, sizeof(group.instrument), instrument);
	group.waits_from_ms = clock_wall_ms();
	group.waits_ms = waits_ms;
	assert_int_equal(intake_expect_retest(room->intake, &group, &room->fixture->fault), 0);
	last_event(room, "retest_expected");
}

static void the_next_result_may_be_said_to_be_a_retest(void **state)
{
	struct room *room = *state;
	char first[ENTRY_ID_MAX];
	tested(room, 0, "", "63.50");
	snprintf(first, sizeof(first), "%s", js_get_text(room->record, "id"));
	expect(room, first, "pr-2", 60000);
	assert_int_equal(tested(room, 0, "", "60.00"), 1); /* another instrument: a positive of its own */
	assert_int_equal(tested(room, 1, "", "12.00"), 2);
	assert_string_equal(js_get_text(room->record, "retest_of"), first);
	assert_int_equal(tested(room, 1, "", "12.00"), 1); /* it was the one */
	expect(room, first, "pr-1", 1);
	usleep(5000);
	assert_int_equal(tested(room, 0, "", "12.00"), 1); /* too late */
}

static void a_result_of_another_item_is_not_the_one_that_is_awaited(void **state)
{
	struct room *room = *state;
	tested(room, 0, "", "63.50");
	expect(room, js_get_text(entry(room, 1), "id"), "pr-1", 60000);
	text_copy(add_test(room, "", "0.5")->item, 96, "XX-1");
	store(room, 0);
	assert_int_equal(js_get_integer(entry(room, head(room)), "test_seq", 0), 1);
	assert_int_equal(tested(room, 0, "", "60.00"), 2);
}

/* ---- as the instrument says ---- */

/* The number of a test that says that it is a repeat. */
static int64_t repeated(struct room *room, unsigned reader, const char *sample_no, const char *value)
{
	uint64_t seq = head(room) + 1;
	add_test(room, sample_no, value)->marks = READING_RETEST;
	store(room, reader);
	return js_get_integer(entry(room, seq), "test_seq", 0);
}

static void a_repeat_by_the_instruments_word_is_a_retest_of_the_test_before(void **state)
{
	struct room *room = *state;
	char first[ENTRY_ID_MAX];
	tested(room, 1, "S-1", "12.00"); /* the other reader's */
	tested(room, 0, "S-1", "12.00");
	snprintf(first, sizeof(first), "%s", js_get_text(room->record, "id"));
	tested(room, 0, "S-11", "12.00");
	text_copy(add_test(room, "S-1", "0.5")->item, 96, "XX-1");
	store(room, 0);
	assert_int_equal(repeated(room, 0, "S-1", "13.00"), 2);
	assert_string_equal(js_get_text(room->record, "retest_of"), first);
	assert_string_equal(js_text_of(js_at(js_get(room->record, "flags"), 0)), "retest_said");
	assert_string_equal(state_told(room), "first");
	assert_int_equal(js_count(js_get(room->record, "members")), 2);
	assert_int_equal(repeated(room, 0, "S-1", "70.00"), 3);
	assert_string_equal(state_told(room), "retest_required");
	assert_string_equal(js_get_text(room->record, "group"), first);
}

static void a_repeat_of_nothing_that_is_known_stands_alone(void **state)
{
	struct room *room = *state;
	assert_int_equal(repeated(room, 0, "S-1", "12.00"), 1);
	assert_null(js_get(room->record, "retest_of"));
	assert_int_equal(head(room), 1);
	assert_int_equal(repeated(room, 0, "", "12.00"), 1);
	room->config->station.retest_window_ms = 30;
	usleep(60000);
	assert_int_equal(repeated(room, 0, "S-1", "12.00"), 1); /* that was another day's */
}

static void without_a_number_the_only_sample_that_waits_is_meant(void **state)
{
	struct room *room = *state;
	tested(room, 0, "", "63.50");
	assert_int_equal(repeated(room, 1, "", "60.00"), 1); /* another reader: a positive of its own */
	assert_int_equal(repeated(room, 0, "", "60.00"), 2);
	tested(room, 0, "", "71.00");
	assert_int_equal(repeated(room, 0, "", "60.00"), 1); /* two wait: nobody can tell */
}

static void a_repeat_may_stand_in_the_same_batch(void **state)
{
	struct room *room = *state;
	add_test(room, "S-1", "12.00");
	add_test(room, "S-1", "13.00")->marks = READING_RETEST;
	add_test(room, "", "63.00");
	add_test(room, "", "64.00")->marks = READING_RETEST;
	store(room, 0);
	assert_int_equal(js_get_integer(entry(room, 2), "test_seq", 0), 2);
	assert_int_equal(js_get_integer(entry(room, 4), "test_seq", 0), 2);
}

static int write_changes(void *context, struct db *db, struct fault *fault)
{
	return retests_write(context, db, fault);
}

static void what_was_in_the_journal_already_changes_no_group(void **state)
{
	struct room *room = *state;
	struct retest_group group;
	struct retest_changes changes = { 0 };
	const struct entry known = { .known = true };
	tested(room, 0, "S-1", "63.50");
	char first[ENTRY_ID_MAX];
	snprintf(first, sizeof(first), "%s", js_get_text(entry(room, 1), "id"));
	assert_int_equal(retests_by_member(room->retests, first, &group, &room->fixture->fault), 1);
	text_copy(group.item, sizeof(group.item), "changed");
	retests_change(&changes, &known, &group, false);
	assert_int_equal(journal_append_with(room->fixture->journal, NULL, 0, NULL, NULL, write_changes, &changes,
				 &room->fixture->fault),
		0);
	retest_changes_free(&changes);
	assert_int_equal(retests_by_member(room->retests, first, &group, &room->fixture->fault), 1);
	assert_string_equal(group.item, "PR-OPCB");
}

static void two_lines_wait_for_each_other(void **state)
{
	struct room *room = *state;
	tested(room, 0, "S-1", "63.50");
	assert_true(retests_hold(room->retests, room)); /* as another line between looking and writing */
	struct intake_batch *batch;
	uint64_t before = head(room);
	add_test(room, "S-1", "60.00");
	assert_int_equal(try_store(room, 0, &batch), -EBUSY);
	assert_int_equal(head(room), before);
	retests_release(room->retests, room);
	struct intake_result result;
	assert_int_equal(intake_store(room->intake, batch, &result, &room->fixture->fault), 0);
	assert_int_equal(result.stored, 1);
	intake_batch_free(batch);
	assert_int_equal(js_get_integer(entry(room, before + 1), "test_seq", 0), 2);
	assert_true(retests_hold(room->retests, room));
}

struct busy_line {
	struct retests *retests;
	int *inside;
	unsigned turns, late;
};

static void *take_turns(void *context)
{
	struct busy_line *line = context;
	for (; line->turns < 100; line->turns++) {
		long begun_ms = clock_ms();
		assert_true(retests_wait(line->retests, line));
		assert_int_equal(++*line->inside, 1);
		usleep(1000);
		--*line->inside;
		retests_release(line->retests, line);
		line->late += clock_ms() - begun_ms > 1000;
	}
	return NULL;
}

/* Lines that store all the time leave none behind: each has its turn after those that came before it. */
static void busy_lines_take_turns(void **state)
{
	struct room *room = *state;
	struct busy_line lines[5];
	pthread_t threads[5];
	int inside = 0;
	for (size_t i = 0; i < 5; i++) {
		lines[i] = (struct busy_line){ room->retests, &inside, 0, 0 };
		assert_int_equal(pthread_create(&threads[i], NULL, take_turns, &lines[i]), 0);
	}
	for (size_t i = 0; i < 5; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(lines[i].turns, 100);
		assert_int_equal(lines[i].late, 0);
	}
	assert_true(retests_hold(room->retests, room));
	retests_release(room->retests, room);
}

static void a_sample_tested_without_end_begins_a_new_group(void **state)
{
	struct room *room = *state;
	for (int64_t i = 1; i <= RETEST_MEMBERS_MAX; i++)
		assert_int_equal(tested(room, 0, "S-1", "63.50"), i);
	assert_int_equal(tested(room, 0, "S-1", "63.50"), 1);
	assert_int_equal(tested(room, 0, "S-1", "63.50"), 2);
}

/* --- linked with --wrap=db_prepare_all, see Makefile */

static const char *prepared[16]; /* of the groups' table */
static size_t prepared_count;

int __real_db_prepare_all(struct db *db, const struct db_statement *list, size_t count, struct fault *fault);
int __wrap_db_prepare_all(struct db *db, const struct db_statement *list, size_t count, struct fault *fault);

int __wrap_db_prepare_all(struct db *db, const struct db_statement *list, size_t count, struct fault *fault)
{
	for (size_t i = 0; i < count && prepared_count < sizeof(prepared) / sizeof(prepared[0]); i++)
		if (strstr(list[i].statement, " FROM retest "))
			prepared[prepared_count++] = list[i].statement;
	return __real_db_prepare_all(db, list, count, fault);
}

static void is_looked_up(struct db *db, const char *statement)
{
	char question[1024];
	struct db_query *plan;
	struct fault fault;
	snprintf(question, sizeof(question), "EXPLAIN QUERY PLAN %s", statement);
	assert_int_equal(db_prepare(db, question, &plan, &fault), 0);
	while (db_step(plan, &fault) == 1) {
		const char *step = db_text(plan, 3, NULL);
		if (strcmp(step, "SCAN retest") == 0)
			fail_msg("%s: %s", statement, step);
	}
	db_finish(plan);
}

static void groups_are_looked_up_and_never_searched_for(void **state)
{
	struct room *room = *state;
	struct retests *retests;
	struct db *db;
	prepared_count = 0;
	assert_int_equal(retests_open(room->fixture->journal, &retests, &room->fixture->fault), 0);
	retests_close(retests);
	assert_int_equal(prepared_count, 5);
	assert_int_equal(db_open(room->fixture->file, DB_READ, &db, &room->fixture->fault), 0);
	for (size_t i = 0; i < prepared_count; i++)
		if (!strstr(prepared[i], "instr(members")) /* asked by a person */
			is_looked_up(db, prepared[i]);
	db_close(db);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, enter, leave)
		TEST(a_positive_is_confirmed_by_two_more_and_stays_what_it_was),
		TEST(numbers_belong_to_their_instrument_unless_they_are_registered),
		TEST(one_negative_retest_overturns_when_both_are_there),
		TEST(tests_that_say_nothing_do_not_count),
		TEST(other_samples_items_and_kinds_are_not_retests),
		TEST(one_batch_may_hold_the_whole_group),
		TEST(what_is_read_again_is_no_retest),
		TEST(groups_outlive_a_restart),
		TEST(a_group_ends_with_its_window_and_what_is_missing_is_told_once),
		TEST(a_confirmed_group_ends_in_silence),
		TEST(the_next_result_may_be_said_to_be_a_retest),
		TEST(a_result_of_another_item_is_not_the_one_that_is_awaited),
		TEST(a_repeat_by_the_instruments_word_is_a_retest_of_the_test_before),
		TEST(a_repeat_of_nothing_that_is_known_stands_alone),
		TEST(without_a_number_the_only_sample_that_waits_is_meant),
		TEST(a_repeat_may_stand_in_the_same_batch),
		TEST(what_was_in_the_journal_already_changes_no_group),
		TEST(two_lines_wait_for_each_other),
		TEST(busy_lines_take_turns),
		TEST(a_sample_tested_without_end_begins_a_new_group),
		TEST(groups_are_looked_up_and_never_searched_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
