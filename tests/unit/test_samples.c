#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <time.h>

#include "../../daemon/intake.h"
#include "../../daemon/items.h"
#include "../../daemon/sqlite.h"
#include "../../drivers/text.h"
#include "journal_fixture.h"

/* A room with a real journal, a scanner, and two readers whose samples it names. */
struct room {
	struct fixture *fixture;
	struct config *config;
	struct samples *samples;
	struct intake *intake;
	struct instrument_config scanner, readers[2];
	struct instrument instrument;
	struct reading list[READINGS_AT_ONCE];
	struct readings readings;
	struct json *record; /* the last one looked at */
};

static void open_room(struct room *room)
{
	assert_int_equal(fixture_start(room->fixture), 0);
	assert_int_equal(samples_open(room->fixture->journal, INT64_MAX / 4, &room->samples, &room->fixture->fault), 0);
	room->intake = intake_new(room->fixture->journal, room->config);
	intake_use_samples(room->intake, room->samples);
}

static void close_room(struct room *room)
{
	intake_free(room->intake);
	samples_close(room->samples);
	fixture_stop(room->fixture);
}

/* As after a kill: everything but the file is new. */
static void restart(struct room *room)
{
	close_room(room);
	open_room(room);
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
	text_copy(room->config->station.code, sizeof(room->config->station.code), "330421103-01");
	assert_int_equal(items_load("config/items.csv", &room->config->items, &faults), 0);
	text_copy(room->scanner.id, sizeof(room->scanner.id), "scan-1");
	room->scanner.driver = driver_by_name("scanner");
	room->scanner.naming = (struct naming_config){ "pr-1, an-1", 1, 60000, NAMING_REPLACE };
	text_copy(room->readers[0].id, sizeof(room->readers[0].id), "pr-1");
	text_copy(room->readers[1].id, sizeof(room->readers[1].id), "an-1");
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
	assert_int_equal(room->config->holders, 1);
	config_release(room->config);
	fixture_remove(room->fixture);
	free(room);
	return 0;
}

static void clear(struct room *room)
{
	room->readings = (struct readings){ .list = room->list };
}

static struct intake_result store_for(struct room *room, const struct instrument_config *config)
{
	struct intake_result result = { 0 };
	struct intake_batch *batch = intake_judge(room->intake, config, &room->instrument, &room->readings);
	int error = intake_store(room->intake, batch, &result, &room->fixture->fault);
	if (error)
		print_error("%s\n", room->fixture->fault.text);
	assert_int_equal(error, 0);
	intake_batch_free(batch);
	clear(room);
	return result;
}

static void scan(struct room *room, const char *no, const char *name)
{
	clear(room);
	struct scan *scan = readings_scan(&room->readings, SCAN_LABELLED);
	text_copy(scan->facts.no, sizeof(scan->facts.no), no);
	text_copy(scan->facts.name, sizeof(scan->facts.name), name);
	scan->text = "all of it";
	assert_int_equal(store_for(room, &room->scanner).stored, 1);
}

static struct reading *add_test(struct room *room, unsigned number)
{
	struct reading *reading = readings_add(&room->readings);
	snprintf(reading->instrument_seq, sizeof(reading->instrument_seq), "%u", number);
	text_copy(reading->value, sizeof(reading->value), "12.34");
	text_copy(reading->unit, sizeof(reading->unit), "%");
	text_copy(reading->item, sizeof(reading->item), "农药残留");
	text_copy(reading->tested_at, sizeof(reading->tested_at), "2026-03-05T09:41:20");
	reading->repeatable = true;
	return reading;
}

/* One result of a reader, stored; the reading is `number`. */
static void result(struct room *room, unsigned reader, unsigned number)
{
	clear(room);
	add_test(room, number);
	assert_int_equal(store_for(room, &room->readers[reader]).stored, 1);
}

static int keep(void *context, const struct stored *stored)
{
	struct room *room = context;
	js_free(room->record);
	room->record = js_parse(stored->payload, stored->length, NULL);
	return 0;
}

/* The entry `back` before the last. */
static struct json *entry_back(struct room *room, unsigned back)
{
	uint64_t seq = journal_head(room->fixture->journal) - back;
	assert_int_equal(journal_read(room->fixture->reader, seq, 1, keep, room, &room->fixture->fault), 1);
	return room->record;
}

static const char *sample_of(struct room *room, unsigned back, const char *key)
{
	const struct json *sample = js_get(entry_back(room, back), "sample");
	const char *text = sample ? js_get_text(sample, key) : NULL;
	return text ? text : "";
}

static size_t events(struct room *room, const char *name)
{
	size_t count = 0;
	for (uint64_t seq = 1; seq <= journal_head(room->fixture->journal); seq++) {
		assert_int_equal(journal_read(room->fixture->reader, seq, 1, keep, room, &room->fixture->fault), 1);
		const char *event = js_get_text(room->record, "event");
		count += event && strcmp(event, name) == 0;
	}
	return count;
}

static void sweep(struct room *room)
{
	assert_int_equal(intake_sweep(room->intake, &room->fixture->fault), 0);
}

/* ---- the next result ---- */

static void a_scan_names_the_next_result_of_each_instrument_and_no_other(void **state)
{
	struct room *room = *state;
	result(room, 0, 1);
	assert_null(js_get(entry_back(room, 0), "sample"));
	scan(room, "S-1", "菠菜");
	struct json *event = entry_back(room, 0);
	assert_string_equal(js_get_text(event, "event"), "sample_registered");
	assert_string_equal(js_get_text(event, "instrument"), "scan-1");
	assert_string_equal(js_get_text(event, "by"), "scanner");
	assert_int_equal(js_count(js_get(event, "next")), 2);
	for (unsigned reader = 0; reader < 2; reader++) {
		result(room, reader, 2);
		assert_string_equal(sample_of(room, 0, "no"), "S-1");
		assert_string_equal(sample_of(room, 0, "name"), "菠菜");
		assert_string_equal(sample_of(room, 0, "bound_by"), "scanner");
		assert_string_equal(sample_of(room, 0, "registered_by"), "scanner");
		result(room, reader, 3);
		assert_null(js_get(entry_back(room, 0), "sample"));
	}
	sweep(room);
	assert_int_equal(events(room, "scan_unused"), 0);
	assert_false(intake_awaits(room->intake));
}

static void what_is_read_again_uses_nothing_up(void **state)
{
	struct room *room = *state;
	result(room, 0, 1);
	scan(room, "S-1", "");
	clear(room);
	add_test(room, 1); /* known */
	add_test(room, 2);
	add_test(room, 2); /* the same, twice in one answer */
	add_test(room, 3);
	struct intake_result got = store_for(room, &room->readers[0]);
	assert_int_equal(got.known, 2);
	assert_int_equal(got.stored, 2);
	assert_string_equal(sample_of(room, 1, "no"), "S-1");
	assert_string_equal(sample_of(room, 0, "no"), "");
	scan(room, "S-2", "");
	text_copy(room->readers[0].maker.serial, sizeof(room->readers[0].maker.serial), "SN42");
	clear(room);
	add_test(room, 3); /* known under the id it had before the serial number was written down */
	assert_int_equal(store_for(room, &room->readers[0]).known, 1);
	result(room, 0, 4);
	assert_string_equal(sample_of(room, 0, "no"), "S-2");
}

static void controls_are_nobodys_sample(void **state)
{
	struct room *room = *state;
	scan(room, "S-1", "");
	clear(room);
	add_test(room, 1)->kind = KIND_CONTROL;
	store_for(room, &room->readers[0]);
	assert_string_equal(sample_of(room, 0, "no"), "");
	result(room, 0, 2);
	assert_string_equal(sample_of(room, 0, "no"), "S-1");
}

static void a_store_tried_again_uses_up_once(void **state)
{
	struct room *room = *state;
	struct intake_result got;
	room->scanner.naming.results = 2;
	scan(room, "S-1", "");
	clear(room);
	add_test(room, 1)->repeatable = false;
	struct intake_batch *batch = intake_judge(room->intake, &room->readers[0], &room->instrument, &room->readings);
	for (int i = 0; i < 3; i++) /* the first answer was lost */
		assert_int_equal(intake_store(room->intake, batch, &got, &room->fixture->fault), 0);
	assert_int_equal(got.known, 1);
	intake_batch_free(batch);
	assert_string_equal(sample_of(room, 0, "no"), "S-1");
	result(room, 0, 2);
	assert_string_equal(sample_of(room, 0, "no"), "S-1");
	result(room, 0, 3);
	assert_string_equal(sample_of(room, 0, "no"), "");
}

static void a_scan_tried_again_is_one_scan(void **state)
{
	struct room *room = *state;
	struct intake_result got;
	clear(room);
	text_copy(readings_scan(&room->readings, SCAN_NUMBER)->facts.no, 64, "S-1");
	struct intake_batch *batch = intake_judge(room->intake, &room->scanner, &room->instrument, &room->readings);
	assert_int_equal(intake_store(room->intake, batch, &got, &room->fixture->fault), 0);
	result(room, 0, 1); /* used before the second try */
	clear(room);
	text_copy(readings_scan(&room->readings, SCAN_NUMBER)->facts.no, 64, "S-1");
	assert_int_equal(intake_store(room->intake, batch, &got, &room->fixture->fault), 0);
	intake_batch_free(batch);
	result(room, 0, 2);
	assert_string_equal(sample_of(room, 0, "no"), "");
	assert_string_equal(sample_of(room, 1, "no"), "S-1");
	assert_int_equal(events(room, "sample_registered"), 1);
}

/* Another program holds the file: record and binding fail together, and come together. */
static void a_commit_that_fails_uses_nothing_up(void **state)
{
	struct room *room = *state;
	struct intake_result got;
	struct db *other;
	scan(room, "S-1", "");
	add_test(room, 1);
	struct intake_batch *batch = intake_judge(room->intake, &room->readers[0], &room->instrument, &room->readings);
	assert_int_equal(db_open(room->fixture->file, DB_WRITE, &other, &room->fixture->fault), 0);
	assert_int_equal(db_run(other, "BEGIN IMMEDIATE", &room->fixture->fault), 0);
	assert_true(intake_store(room->intake, batch, &got, &room->fixture->fault) < 0);
	db_close(other);
	struct binding pending[4];
	assert_int_equal(samples_pending(room->samples, "pr-1", pending, 4, &room->fixture->fault), 1);
	assert_int_equal(pending[0].used, 0);
	assert_int_equal(intake_store(room->intake, batch, &got, &room->fixture->fault), 0);
	intake_batch_free(batch);
	assert_int_equal(samples_pending(room->samples, "pr-1", pending, 4, &room->fixture->fault), 0);
	assert_string_equal(sample_of(room, 0, "no"), "S-1");
}

static void scans_and_what_they_named_outlive_the_daemon(void **state)
{
	struct room *room = *state;
	room->scanner.naming.results = 2;
	scan(room, "S-1", "菠菜");
	restart(room);
	result(room, 0, 1);
	assert_string_equal(sample_of(room, 0, "name"), "菠菜");
	restart(room);
	result(room, 0, 2);
	assert_string_equal(sample_of(room, 0, "no"), "S-1");
	restart(room);
	result(room, 0, 3);
	assert_string_equal(sample_of(room, 0, "no"), "");
}

static void the_next_scan_takes_the_place_of_one_that_waits(void **state)
{
	struct room *room = *state;
	scan(room, "S-1", "");
	scan(room, "S-2", "");
	result(room, 0, 1);
	assert_string_equal(sample_of(room, 0, "no"), "S-2");
	sweep(room);
	assert_int_equal(events(room, "scan_unused"), 1);
	sweep(room);
	assert_int_equal(events(room, "scan_unused"), 1);
	assert_string_equal(sample_of(room, 0, "no"), "S-1");
	assert_non_null(strstr(js_get_text(entry_back(room, 0), "reason"), "took its place"));
}

static void scans_can_wait_in_their_order(void **state)
{
	struct room *room = *state;
	room->scanner.naming.order = NAMING_QUEUE;
	scan(room, "S-1", "");
	scan(room, "S-2", "");
	scan(room, "S-3", "");
	clear(room);
	for (unsigned i = 1; i <= 4; i++)
		add_test(room, i); /* four wells that finish together */
	store_for(room, &room->readers[0]);
	for (unsigned i = 1; i <= 4; i++) {
		char number[8];
		snprintf(number, sizeof(number), "S-%u", i);
		assert_string_equal(sample_of(room, 4 - i, "no"), i < 4 ? number : "");
	}
}

static void without_a_number_of_results_a_scan_names_all_until_the_next(void **state)
{
	struct room *room = *state;
	room->scanner.naming.results = 0;
	scan(room, "S-1", "");
	for (unsigned i = 1; i <= 20; i++) {
		result(room, 0, i);
		assert_string_equal(sample_of(room, 0, "no"), "S-1");
	}
	scan(room, "S-2", "");
	result(room, 0, 21);
	assert_string_equal(sample_of(room, 0, "no"), "S-2");
	sweep(room);
	assert_int_equal(events(room, "scan_unused"), 0); /* S-1 was used */
}

static void a_scan_whose_time_is_over_names_nothing_and_is_told_once(void **state)
{
	struct room *room = *state;
	room->scanner.naming.lifetime_ms = 0;
	scan(room, "S-1", "");
	result(room, 0, 1);
	assert_string_equal(sample_of(room, 0, "no"), "");
	assert_true(intake_awaits(room->intake));
	restart(room);
	sweep(room);
	sweep(room);
	assert_int_equal(events(room, "scan_unused"), 1); /* though it named two instruments */
	assert_false(intake_awaits(room->intake));
	room->scanner.naming.lifetime_ms = 60000;
	scan(room, "S-2", "");
	sweep(room);
	assert_int_equal(events(room, "scan_unused"), 1);
}

static void nothing_is_called_unused_while_a_record_may_be_on_its_way(void **state)
{
	struct room *room = *state;
	struct intake_result got;
	scan(room, "S-1", "");
	add_test(room, 1);
	struct intake_batch *batch = intake_judge(room->intake, &room->readers[0], &room->instrument, &room->readings);
	samples_hold(room->samples); /* as this batch does from its first try on */
	struct readings waiting = room->readings;
	scan(room, "S-2", "");
	sweep(room);
	assert_int_equal(events(room, "scan_unused"), 0);
	samples_release(room->samples);
	room->readings = waiting;
	sweep(room);
	assert_int_equal(events(room, "scan_unused"), 1);
	assert_int_equal(intake_store(room->intake, batch, &got, &room->fixture->fault), 0);
	intake_batch_free(batch);
}

/* ---- by number, and what differs ---- */

static void registered(struct room *room, const char *no, const char *name, const char *party)
{
	struct intake_registration one = { .by = "register", .names = "" };
	text_copy(one.facts.no, sizeof(one.facts.no), no);
	text_copy(one.facts.name, sizeof(one.facts.name), name);
	text_copy(one.facts.party, sizeof(one.facts.party), party);
	text_copy(one.facts.uscc, sizeof(one.facts.uscc), "91350100M000100Y43");
	assert_int_equal(intake_register(room->intake, &one, 1, &room->fixture->fault), 0);
}

static void say(struct room *room, const char *no, const char *name, unsigned number)
{
	clear(room);
	struct reading *reading = add_test(room, number);
	text_copy(reading->sample_no, sizeof(reading->sample_no), no);
	text_copy(reading->sample_name, sizeof(reading->sample_name), name);
	store_for(room, &room->readers[0]);
}

static void a_number_the_instrument_says_finds_what_was_registered_last(void **state)
{
	struct room *room = *state;
	registered(room, "S-1", "白菜", "甲");
	registered(room, "S-1", "菠菜", "乙");
	registered(room, "S-2", "韭菜", "丙");
	for (unsigned i = 0; i < 2; i++) { /* any number of results */
		say(room, "S-1", "", i);
		assert_string_equal(sample_of(room, 0, "name"), "菠菜");
		assert_string_equal(sample_of(room, 0, "party"), "乙");
		assert_string_equal(sample_of(room, 0, "uscc"), "91350100M000100Y43");
		assert_string_equal(sample_of(room, 0, "bound_by"), "instrument");
		assert_string_equal(sample_of(room, 0, "registered_by"), "register");
		assert_int_equal(js_count(js_get(entry_back(room, 0), "flags")) > 0 &&
					 strcmp(js_text_of(js_at(js_get(entry_back(room, 0), "flags"), 0)),
						 "sample_disagrees") == 0,
			0);
	}
	say(room, "S-9", "", 9);
	assert_string_equal(sample_of(room, 0, "name"), "");
	assert_string_equal(sample_of(room, 0, "bound_by"), "instrument");
	assert_string_equal(sample_of(room, 0, "registered_by"), "");
	result(room, 0, 10); /* without a number nothing is looked up */
	assert_null(js_get(entry_back(room, 0), "sample"));
}

static void expect_disagreement(struct room *room, const char *no, const char *name, const char *other_no)
{
	const struct json *record = entry_back(room, 0), *sample = js_get(record, "sample");
	assert_string_equal(js_text_of(js_at(js_get(record, "flags"), 0)), "sample_disagrees");
	const char *said_no = js_get_text(sample, "no"), *said_name = js_get_text(sample, "name");
	assert_string_equal(said_no ? said_no : "", no);
	assert_string_equal(said_name ? said_name : "", name);
	assert_null(js_get(sample, "party")); /* two samples are never mixed */
	assert_string_equal(js_get_text(sample, "bound_by"), "instrument");
	assert_null(js_get(sample, "registered_by"));
	assert_string_equal(js_get_text(js_get(sample, "registered"), "no"), other_no);
}

static void what_the_instrument_said_is_never_overwritten(void **state)
{
	struct room *room = *state;
	registered(room, "S-1", "菠菜", "甲");
	say(room, "S-1", "白菜", 1);
	expect_disagreement(room, "S-1", "白菜", "S-1");
	scan(room, "S-2", "韭菜");
	say(room, "S-1", "", 2); /* the scanner says S-2 */
	expect_disagreement(room, "S-1", "", "S-2");
	scan(room, "S-3", "韭菜");
	say(room, "S-3", "韭菜", 3); /* both say the same */
	assert_string_equal(sample_of(room, 0, "bound_by"), "instrument");
	assert_string_equal(sample_of(room, 0, "registered_by"), "scanner");
	assert_int_equal(
		js_count(js_get(entry_back(room, 0), "flags")) == 0 ||
			strcmp(js_text_of(js_at(js_get(entry_back(room, 0), "flags"), 0)), "sample_disagrees") != 0,
		1);
}

/* False positives are known of leek: the judge must see what only the scanner said. */
static void the_judge_knows_what_was_registered(void **state)
{
	struct room *room = *state;
	scan(room, "S-1", "韭菜");
	clear(room);
	text_copy(add_test(room, 1)->value, 96, "63.50");
	store_for(room, &room->readers[0]);
	bool flagged = false;
	const struct json *flags = js_get(entry_back(room, 0), "flags");
	for (size_t i = 0; i < js_count(flags); i++)
		flagged = flagged || strcmp(js_text_of(js_at(flags, i)), "matrix_interference") == 0;
	assert_true(flagged);
}

static void registrations_are_all_stored_or_none(void **state)
{
	struct room *room = *state;
	struct intake_registration list[3] = { { .by = "register", .names = "" }, { .by = "register", .names = "" },
		{ .by = "register", .names = "" } };
	struct db *other;
	for (int i = 0; i < 3; i++)
		snprintf(list[i].facts.no, sizeof(list[i].facts.no), "S-%d", i);
	assert_int_equal(db_open(room->fixture->file, DB_WRITE, &other, &room->fixture->fault), 0);
	assert_int_equal(db_run(other, "BEGIN IMMEDIATE", &room->fixture->fault), 0);
	assert_true(intake_register(room->intake, list, 3, &room->fixture->fault) < 0);
	db_close(other);
	struct registration found;
	assert_int_equal(samples_by_number(room->samples, "S-0", &found, &room->fixture->fault), 0);
	assert_int_equal(intake_register(room->intake, list, 3, &room->fixture->fault), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(samples_by_number(room->samples, list[i].facts.no, &found, &room->fixture->fault), 1);
	assert_int_equal(events(room, "sample_registered"), 3);
}

static void a_room_without_registrations_asks_nothing(void **state)
{
	struct room *room = *state;
	assert_false(samples_any(room->samples));
	say(room, "S-1", "", 1);
	assert_false(samples_any(room->samples));
	registered(room, "S-1", "", "");
	assert_true(samples_any(room->samples));
	restart(room);
	assert_true(samples_any(room->samples));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, enter, leave)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_scan_names_the_next_result_of_each_instrument_and_no_other),
		TEST(what_is_read_again_uses_nothing_up),
		TEST(controls_are_nobodys_sample),
		TEST(a_store_tried_again_uses_up_once),
		TEST(a_scan_tried_again_is_one_scan),
		TEST(a_commit_that_fails_uses_nothing_up),
		TEST(scans_and_what_they_named_outlive_the_daemon),
		TEST(the_next_scan_takes_the_place_of_one_that_waits),
		TEST(scans_can_wait_in_their_order),
		TEST(without_a_number_of_results_a_scan_names_all_until_the_next),
		TEST(a_scan_whose_time_is_over_names_nothing_and_is_told_once),
		TEST(nothing_is_called_unused_while_a_record_may_be_on_its_way),
		TEST(a_number_the_instrument_says_finds_what_was_registered_last),
		TEST(what_the_instrument_said_is_never_overwritten),
		TEST(the_judge_knows_what_was_registered),
		TEST(registrations_are_all_stored_or_none),
		TEST(a_room_without_registrations_asks_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
