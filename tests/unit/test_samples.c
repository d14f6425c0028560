/* Scanned, registered and said: whose sample a result is. */
#include "../../daemon/clock.h"
#include "../../daemon/record_read.h"
#include "../../daemon/sqlite.h"
#include "room_fixture.h"

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
	char text[12];
	snprintf(text, sizeof(text), "%u", number);
	return with_inhibition(add_reading(room, "农药残留", text, "2026-03-05T09:41:20"), "12.34");
}

/* One result of a reader, stored; the reading is `number`. */
static void result(struct room *room, unsigned reader, unsigned number)
{
	clear(room);
	add_test(room, number);
	assert_int_equal(store(room, reader).stored, 1);
}

/* The entry `back` before the last. */
static struct json *entry_back(struct room *room, unsigned back)
{
	return entry(room, head(room) - back);
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
	for (uint64_t seq = 1; seq <= head(room); seq++) {
		const char *event = js_get_text(entry(room, seq), "event");
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
	struct intake_result got = store(room, 0);
	assert_int_equal(got.known, 2);
	assert_int_equal(got.stored, 2);
	assert_string_equal(sample_of(room, 1, "no"), "S-1");
	assert_string_equal(sample_of(room, 0, "no"), "");
	scan(room, "S-2", "");
	text_copy(room->readers[0].maker.serial, sizeof(room->readers[0].maker.serial), "SN42");
	clear(room);
	add_test(room, 3); /* known under the id it had before the serial number was written down */
	assert_int_equal(store(room, 0).known, 1);
	result(room, 0, 4);
	assert_string_equal(sample_of(room, 0, "no"), "S-2");
}

static void controls_are_nobodys_sample(void **state)
{
	struct room *room = *state;
	scan(room, "S-1", "");
	clear(room);
	add_test(room, 1)->kind = KIND_CONTROL;
	store(room, 0);
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
	struct intake_batch *batch = judge(room, &room->readers[0]);
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
	struct intake_batch *batch = judge(room, &room->scanner);
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
	struct intake_batch *batch = judge(room, &room->readers[0]);
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
	store(room, 0);
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
	struct intake_batch *batch = judge(room, &room->readers[0]);
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
	struct sample_facts facts = { .uscc = "91350100M000100Y43" };
	text_copy(facts.no, sizeof(facts.no), no);
	text_copy(facts.name, sizeof(facts.name), name);
	text_copy(facts.party, sizeof(facts.party), party);
	register_sample(room, &facts);
}

static void say(struct room *room, const char *no, const char *name, unsigned number)
{
	clear(room);
	struct reading *reading = add_test(room, number);
	text_copy(reading->sample_no, sizeof(reading->sample_no), no);
	text_copy(reading->sample_name, sizeof(reading->sample_name), name);
	store(room, 0);
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
		assert_false(record_has_flag(entry_back(room, 0), "sample_disagrees"));
	}
	say(room, "S-9", "", 9);
	assert_string_equal(sample_of(room, 0, "name"), "");
	assert_string_equal(sample_of(room, 0, "bound_by"), "instrument");
	assert_string_equal(sample_of(room, 0, "registered_by"), "");
	result(room, 0, 10); /* without a number nothing is looked up */
	assert_null(js_get(entry_back(room, 0), "sample"));
}

#define DAY_MS (24LL * ROOM_HOUR_MS)

/* As if everything had been registered so much earlier. */
static void age(struct room *room, int64_t by_ms)
{
	struct db *db;
	char statement[96];
	struct fault *fault = &room->fixture->fault;
	snprintf(statement, sizeof(statement), "UPDATE sample SET at_ms = at_ms - %lld", (long long)by_ms);
	assert_int_equal(db_open(room->fixture->file, DB_WRITE, &db, fault), 0);
	assert_int_equal(db_run(db, statement, fault), 0);
	db_close(db);
}

/* A result whose number is 12, tested so long ago by the instrument's clock; its sample's name in the record. */
static const char *name_of_12(struct room *room, int64_t ago_ms)
{
	char at[CLOCK_TEXT_MAX];
	clear(room);
	struct reading *reading = add_test(room, ++room->number);
	text_copy(reading->sample_no, sizeof(reading->sample_no), "12");
	snprintf(reading->tested_at, sizeof(reading->tested_at), "%.19s", clock_text(at, clock_wall_ms() - ago_ms));
	assert_int_equal(store(room, 0).stored, 1);
	assert_string_equal(sample_of(room, 0, "no"), "12");
	assert_string_equal(sample_of(room, 0, "bound_by"), "instrument");
	bool named = *sample_of(room, 0, "name");
	assert_string_equal(sample_of(room, 0, "registered_by"), named ? "register" : "");
	return sample_of(room, 0, "name");
}

static void a_number_is_that_sample_s_only_so_long_before_and_after_its_registration(void **state)
{
	struct room *room = *state;
	room->config->samples.number_holds_ms = 30 * DAY_MS;
	registered(room, "12", "spinach", "");
	assert_string_equal(name_of_12(room, 0), "spinach");
	assert_string_equal(name_of_12(room, 29 * DAY_MS), "spinach"); /* registered late */
	assert_string_equal(name_of_12(room, 31 * DAY_MS), "");
	age(room, 29 * DAY_MS);
	assert_string_equal(name_of_12(room, 0), "spinach");
	age(room, 2 * DAY_MS);
	assert_string_equal(name_of_12(room, 0), "");                  /* somebody else's 12 */
	assert_string_equal(name_of_12(room, 20 * DAY_MS), "spinach"); /* tested in time, sent late */
	restart(room);
	assert_string_equal(name_of_12(room, 0), "");
	registered(room, "12", "cabbage", "");
	assert_string_equal(name_of_12(room, 0), "cabbage");
	assert_string_equal(name_of_12(room, 40 * DAY_MS), "spinach");
}

/* Numbers begin anew each day: what comes a day late is of its own day's sample, corrections of that day included. */
static void what_comes_late_is_of_its_own_day_s_sample(void **state)
{
	struct room *room = *state;
	room->config->samples.number_holds_ms = 30 * DAY_MS;
	registered(room, "12", "spinach", "");
	age(room, DAY_MS);
	registered(room, "12", "cabbage", "");
	age(room, DAY_MS);
	registered(room, "12", "leek", "");
	registered(room, "12", "celery", "");
	assert_string_equal(name_of_12(room, 2 * DAY_MS), "spinach");
	assert_string_equal(name_of_12(room, 1 * DAY_MS), "cabbage");
	assert_string_equal(name_of_12(room, 0), "celery");
	assert_string_equal(name_of_12(room, 3 * DAY_MS), "celery"); /* nothing that day: the last, as ever */
}

/* By a clock that cannot be right no age is known: then the result is as old as its arrival. */
static void a_clock_that_cannot_be_believed_ages_no_registration(void **state)
{
	struct room *room = *state;
	room->config->samples.number_holds_ms = DAY_MS;
	registered(room, "12", "spinach", "");
	assert_string_equal(name_of_12(room, 20 * 365 * DAY_MS), "spinach"); /* before 2015 */
	assert_string_equal(name_of_12(room, -2 * DAY_MS), "spinach");       /* in our future */
	age(room, 2 * DAY_MS);
	assert_string_equal(name_of_12(room, 20 * 365 * DAY_MS), "");
	assert_string_equal(name_of_12(room, -2 * DAY_MS), "");
}

/* A box without a battery begins in 1970: what is registered before network time sets it is of today's tests all the
 * same, until what is registered later tells how old it is at least. */
static void what_was_registered_before_our_clock_was_set_holds_as_well(void **state)
{
	struct room *room = *state;
	room->config->samples.number_holds_ms = 30 * DAY_MS;
	registered(room, "12", "spinach", "");
	age(room, 20 * 365 * DAY_MS);
	assert_string_equal(name_of_12(room, 0), "spinach");
	registered(room, "13", "leek", "");
	age(room, 29 * DAY_MS);
	assert_string_equal(name_of_12(room, 0), "spinach");
	age(room, 2 * DAY_MS);
	assert_string_equal(name_of_12(room, 0), "");
}

static void while_neither_clock_is_of_use_a_test_is_of_the_last_registration(void **state)
{
	struct room *room = *state;
	struct registration found;
	struct fault *fault = &room->fixture->fault;
	assert_int_equal(samples_of_test(room->samples, "12", 0, DAY_MS, &found, fault), 0);
	registered(room, "12", "spinach", "");
	age(room, 20 * 365 * DAY_MS);
	assert_int_equal(samples_of_test(room->samples, "12", 0, DAY_MS, &found, fault), 1);
	registered(room, "12", "cabbage", "");
	age(room, 40 * DAY_MS);
	assert_int_equal(samples_of_test(room->samples, "12", 0, DAY_MS, &found, fault), 1);
	assert_string_equal(found.facts.name, "cabbage");
	registered(room, "13", "leek", "");
	assert_int_equal(samples_of_test(room->samples, "12", 0, DAY_MS, &found, fault), 0);
}

static void registered_in_an_old_journal(struct room *room, const char *id, const char *name, int64_t ago_ms)
{
	struct sample_changes changes = { 0 };
	struct entry told = { .kind = ENTRY_EVENT };
	struct sample_change *change = samples_change(&changes, SAMPLE_REGISTER, &told, id);
	text_copy(change->facts.no, sizeof(change->facts.no), "12");
	text_copy(change->facts.name, sizeof(change->facts.name), name);
	snprintf(change->by, sizeof(change->by), "register");
	change->at_ms = clock_wall_ms() - ago_ms;
	change->old = true;
	assert_int_equal(samples_append(room->samples, NULL, 0, NULL, NULL, &changes, &room->fixture->fault), 0);
	sample_changes_free(&changes);
}

/* They come at a start, after what was registered since, and in any order: each still is its own day's. */
static void what_old_journals_know_goes_before_nothing_later(void **state)
{
	struct room *room = *state;
	room->config->samples.number_holds_ms = 30 * DAY_MS;
	registered(room, "12", "today", "");
	registered_in_an_old_journal(room, "0198c0de-0000-7000-8000-000000000002", "second", 2 * DAY_MS);
	registered_in_an_old_journal(room, "0198c0de-0000-7000-8000-000000000001", "first", 3 * DAY_MS);
	registered_in_an_old_journal(room, "0198c0de-0000-7000-8000-000000000003", "corrected", 2 * DAY_MS - 1);
	for (int turn = 0; turn < 2; turn++) {
		assert_string_equal(name_of_12(room, 3 * DAY_MS), "first");
		assert_string_equal(name_of_12(room, 2 * DAY_MS), "corrected");
		assert_string_equal(name_of_12(room, 0), "today");
		registered_in_an_old_journal(room, "0198c0de-0000-7000-8000-000000000002", "second", 2 * DAY_MS);
	}
	registered(room, "12", "once more", "");
	assert_string_equal(name_of_12(room, 0), "once more");
}

/* A row of a table as the driver gives it: its day, and what it says. */
static struct scan row_of(const char *text, const char *no, const char *name)
{
	struct scan row = { .kind = SCAN_ROW, .text = text };
	text_copy(row.facts.no, sizeof(row.facts.no), no);
	text_copy(row.facts.name, sizeof(row.facts.name), name);
	return row;
}

static void store_row(struct room *room, const struct scan *row)
{
	clear(room);
	*readings_scan(&room->readings, SCAN_ROW) = *row;
	store_for(room, &room->scanner);
}

static const char *holds(struct room *room, const char *no)
{
	static struct registration found;
	return samples_by_number(room->samples, no, &found, &room->fixture->fault) == 1 ? found.facts.name : "";
}

static void register_again(struct room *room, const struct scan *row)
{
	assert_int_equal(intake_register_again(room->intake, &room->scanner, row, &room->fixture->fault), 0);
}

static void a_row_put_back_is_registered_once_for_each_time_it_was_overtaken(void **state)
{
	struct room *room = *state;
	char day[CLOCK_TEXT_MAX], one[128], other[128], before[ENTRY_ID_MAX] = "";
	clock_text(day, clock_wall_ms());
	snprintf(one, sizeof(one), "%.10s; no=S-1; name=spinach", day);
	snprintf(other, sizeof(other), "%.10s; no=S-1; name=cabbage", day);
	const struct scan spinach = row_of(one, "S-1", "spinach"), cabbage = row_of(other, "S-1", "cabbage");
	register_again(room, &spinach); /* it was never registered: storing it does that */
	assert_int_equal(events(room, "sample_registered"), 0);
	store_row(room, &spinach);
	store_row(room, &cabbage);
	store_row(room, &spinach); /* read again, nobody put it back */
	assert_string_equal(holds(room, "S-1"), "cabbage");
	for (size_t times = 3; times < 7; times++) {
		const struct scan *row = times % 2 ? &spinach : &cabbage;
		restart(room);
		for (int i = 0; i < 3; i++)
			register_again(room, row);
		assert_string_equal(holds(room, "S-1"), row->facts.name);
		assert_int_equal(events(room, "sample_registered"), times);
		const struct json *event = entry_back(room, 0);
		assert_string_equal(js_get_text(event, "instrument"), "scan-1");
		assert_non_null(js_get_text(event, "instead"));
		assert_string_not_equal(js_get_text(event, "id"), before);
		text_copy(before, sizeof(before), js_get_text(event, "id"));
	}
}

static void a_row_is_the_same_row_when_the_station_has_a_new_code(void **state)
{
	struct room *room = *state;
	char day[CLOCK_TEXT_MAX], text[128];
	snprintf(text, sizeof(text), "%.10s; no=S-1; name=spinach", clock_text(day, clock_wall_ms()));
	const struct scan row = row_of(text, "S-1", "spinach");
	store_row(room, &row);
	registered(room, "S-1", "cabbage", "");
	text_copy(room->config->station.code, sizeof(room->config->station.code), "330421103-02");
	room->fixture->station = room->config->station.code;
	restart(room);
	store_row(room, &row); /* the file is read from its beginning */
	assert_string_equal(holds(room, "S-1"), "cabbage");
	assert_int_equal(events(room, "sample_registered"), 2);
	for (int i = 0; i < 2; i++) /* and put back on purpose */
		register_again(room, &row);
	assert_string_equal(holds(room, "S-1"), "spinach");
	assert_int_equal(events(room, "sample_registered"), 3);
}

static void what_was_registered_on_a_later_day_is_not_overtaken(void **state)
{
	struct room *room = *state;
	const struct scan old = row_of("2026-03-04; no=S-1; name=spinach", "S-1", "spinach");
	store_row(room, &old);
	registered(room, "S-1", "cabbage", "");
	register_again(room, &old);
	assert_string_equal(holds(room, "S-1"), "cabbage");
	assert_int_equal(events(room, "sample_registered"), 2);
}

static void expect_disagreement(struct room *room, const char *no, const char *name, const char *other_no)
{
	const struct json *record = entry_back(room, 0), *sample = js_get(record, "sample");
	assert_true(record_has_flag(record, "sample_disagrees"));
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
	assert_false(record_has_flag(entry_back(room, 0), "sample_disagrees"));
}

/* False positives are known of leek: the judge must see what only the scanner said. */
static void the_judge_knows_what_was_registered(void **state)
{
	struct room *room = *state;
	scan(room, "S-1", "韭菜");
	clear(room);
	text_copy(add_test(room, 1)->value, 96, "63.50");
	store(room, 0);
	assert_true(record_has_flag(entry_back(room, 1), "matrix_interference")); /* before the event retest_group */
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
		TEST(a_number_is_that_sample_s_only_so_long_before_and_after_its_registration),
		TEST(what_comes_late_is_of_its_own_day_s_sample),
		TEST(a_clock_that_cannot_be_believed_ages_no_registration),
		TEST(what_was_registered_before_our_clock_was_set_holds_as_well),
		TEST(while_neither_clock_is_of_use_a_test_is_of_the_last_registration),
		TEST(what_old_journals_know_goes_before_nothing_later),
		TEST(a_row_put_back_is_registered_once_for_each_time_it_was_overtaken),
		TEST(a_row_is_the_same_row_when_the_station_has_a_new_code),
		TEST(what_was_registered_on_a_later_day_is_not_overtaken),
		TEST(what_the_instrument_said_is_never_overwritten),
		TEST(the_judge_knows_what_was_registered),
		TEST(registrations_are_all_stored_or_none),
		TEST(a_room_without_registrations_asks_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
