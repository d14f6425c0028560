#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "../../daemon/clock.h"
#include "../../daemon/intake.h"
#include "../../daemon/items.h"
#include "../../drivers/text.h"
#include "journal_fixture.h"

/* A room with a real journal and two inhibition readers; 50 % and more is positive. */
struct room {
	struct fixture *fixture;
	struct config *config;
	struct samples *samples;
	struct retests *retests;
	struct intake *intake;
	struct instrument_config readers[2];
	struct instrument instrument;
	struct reading list[READINGS_AT_ONCE];
	struct readings readings;
	struct json *record; /* the last one looked at */
	unsigned number;     /* of the last test */
};

static void open_room(struct room *room)
{
	struct fault *fault = &room->fixture->fault;
	assert_int_equal(fixture_start(room->fixture), 0);
	assert_int_equal(samples_open(room->fixture->journal, INT64_MAX / 4, &room->samples, fault), 0);
	assert_int_equal(retests_open(room->fixture->journal, &room->retests, fault), 0);
	room->intake = intake_new(room->fixture->journal, room->config);
	intake_use_samples(room->intake, room->samples);
	intake_use_retests(room->intake, room->retests);
}

static void close_room(struct room *room)
{
	intake_free(room->intake);
	retests_close(room->retests);
	samples_close(room->samples);
	fixture_stop(room->fixture);
}

static int enter(void **state)
{
	struct room *room = calloc(1, sizeof(*room));
	struct faults faults = { 0 };
	setenv("TZ", "Asia/Shanghai", 1);
	tzset();
	room->fixture = fixture_directory();
	room->config = calloc(1, sizeof(*room->config));
	room->config->holders = 1;
	room->config->station.retest_window_ms = 3600000;
	text_copy(room->config->station.code, sizeof(room->config->station.code), "330421103-01");
	assert_int_equal(items_load("config/items.csv", &room->config->items, &faults), 0);
	text_copy(room->readers[0].id, sizeof(room->readers[0].id), "pr-1");
	text_copy(room->readers[1].id, sizeof(room->readers[1].id), "pr-2");
	room->readers[0].driver = room->readers[1].driver = driver_by_name("seven-e-aa");
	room->readings.list = room->list;
	open_room(room);
	*state = room;
	return 0;
}

static int leave(void **state)
{
	struct room *room = *state;
	js_free(room->record);
	close_room(room);
	config_release(room->config);
	fixture_remove(room->fixture);
	free(room);
	return 0;
}

static struct reading *add_test(struct room *room, const char *sample_no, const char *value)
{
	struct reading *reading = readings_add(&room->readings);
	snprintf(reading->instrument_seq, sizeof(reading->instrument_seq), "%u", ++room->number);
	text_copy(reading->sample_no, sizeof(reading->sample_no), sample_no);
	text_copy(reading->value, sizeof(reading->value), value);
	text_copy(reading->unit, sizeof(reading->unit), "%");
	text_copy(reading->item, sizeof(reading->item), "PR-OPCB");
	text_copy(reading->tested_at, sizeof(reading->tested_at), "2026-03-05T09:41:20");
	reading->repeatable = true;
	return reading;
}

static int try_store(struct room *room, unsigned reader, struct intake_batch **ret_batch)
{
	struct intake_result result;
	*ret_batch = intake_judge(room->intake, &room->readers[reader], &room->instrument, &room->readings);
	return intake_store(room->intake, *ret_batch, &result, &room->fixture->fault);
}

static void store(struct room *room, unsigned reader)
{
	struct intake_batch *batch;
	int error = try_store(room, reader, &batch);
	if (error)
		print_error("%s\n", room->fixture->fault.text);
	assert_int_equal(error, 0);
	intake_batch_free(batch);
	room->readings = (struct readings){ .list = room->list };
}

static int keep(void *context, const struct stored *stored)
{
	struct room *room = context;
	js_free(room->record);
	room->record = js_parse(stored->payload, stored->length, NULL);
	return 0;
}

static struct json *entry(struct room *room, uint64_t seq)
{
	assert_int_equal(journal_read(room->fixture->reader, seq, 1, keep, room, &room->fixture->fault), 1);
	return room->record;
}

static uint64_t head(struct room *room)
{
	return journal_head(room->fixture->journal);
}

/* The last entry, which must be an event of this name. */
static struct json *last_event(struct room *room, const char *name)
{
	const char *event = js_get_text(entry(room, head(room)), "event");
	assert_non_null(event);
	assert_string_equal(event, name);
	return room->record;
}

/* The state the last event tells. */
static const char *state_told(struct room *room)
{
	return js_get_text(last_event(room, "retest_group"), "state");
}

/* One test that is stored; the record's number among the tests of its sample. */
static int64_t tested(struct room *room, unsigned reader, const char *sample_no, const char *value)
{
	uint64_t seq = head(room) + 1;
	add_test(room, sample_no, value);
	store(room, reader);
	return js_get_integer(entry(room, seq), "test_seq", 0);
}

static void name_sample(struct room *room, const char *no)
{
	struct intake_registration registration = { .by = "register", .names = "" };
	text_copy(registration.facts.no, sizeof(registration.facts.no), no);
	assert_int_equal(intake_register(room->intake, &registration, 1, &room->fixture->fault), 0);
}

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
	close_room(room);
	open_room(room);
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

static void a_sample_tested_without_end_begins_a_new_group(void **state)
{
	struct room *room = *state;
	for (int64_t i = 1; i <= RETEST_MEMBERS_MAX; i++)
		assert_int_equal(tested(room, 0, "S-1", "63.50"), i);
	assert_int_equal(tested(room, 0, "S-1", "63.50"), 1);
	assert_int_equal(tested(room, 0, "S-1", "63.50"), 2);
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
		TEST(what_was_in_the_journal_already_changes_no_group),
		TEST(two_lines_wait_for_each_other),
		TEST(a_sample_tested_without_end_begins_a_new_group),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
