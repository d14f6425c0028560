/* What is registered in journals before ours, taken over: when that was, whatever the box's clock said, and whose a
 * number is then. The old journals are real files; only the times in them are the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <time.h>

#include "../../daemon/clock.h"
#include "../../daemon/event.h"
#include "../../daemon/record_read.h"
#include "../../daemon/room_parts.h"
#include "../../daemon/sqlite.h"
#include "../../drivers/text.h"
#include "journal_fixture.h"

#define HOUR_MS INT64_C(3600000)
#define DAY_MS  (24 * HOUR_MS)

struct told {                  /* an entry of an old journal */
	const char *no, *name; /* NULL: it registers nothing */
	int64_t at_ms;         /* by the clock then */
	int64_t stored_ms;     /* 0: the same */
	const char *id;        /* NULL: any */
};

struct place { /* ours, and the old journals beside it */
	struct fixture *fixture;
	struct config config;
	struct room room;
	int64_t now_ms;
};

static void open_place(struct place *place)
{
	struct fault *fault = &place->fixture->fault;
	assert_int_equal(fixture_start(place->fixture), 0);
	place->room = (struct room){ .journal = place->fixture->journal, .config = &place->config };
	assert_int_equal(samples_open(place->room.journal, INT64_MAX / 4, &place->room.samples, fault), 0);
	assert_int_equal(quality_open(place->room.journal, &place->room.quality, fault), 0);
}

static void close_place(struct place *place)
{
	quality_close(place->room.quality);
	samples_close(place->room.samples);
	fixture_stop(place->fixture);
}

static int enter(void **state)
{
	struct place *place = calloc(1, sizeof(*place));
	setenv("TZ", "Asia/Shanghai", 1);
	tzset();
	place->fixture = fixture_directory();
	place->now_ms = clock_wall_ms();
	text_copy(place->config.journal.directory, sizeof(place->config.journal.directory), place->fixture->directory);
	open_place(place);
	*state = place;
	return 0;
}

static int leave(void **state)
{
	struct place *place = *state;
	close_place(place);
	fixture_remove(place->fixture);
	free(place);
	return 0;
}

/* ---- old journals ---- */

static struct entry entry_told(const struct told *told)
{
	struct json *details = js_new_object(), *facts = js_new_object();
	if (told->no) {
		js_put_text(facts, "no", told->no);
		js_put_text(facts, "name", told->name);
		js_put_text(details, "by", "register");
	}
	js_put(details, "sample", facts);
	struct entry entry = event_make(told->no ? "sample_registered" : "clock_jump", "", details, told->at_ms);
	if (told->id)
		text_copy(entry.id, sizeof(entry.id), told->id);
	return entry;
}

static void append_told(struct journal *journal, struct db *db, const struct told *told, struct fault *fault)
{
	char statement[128];
	struct entry entry = entry_told(told);
	assert_int_equal(journal_append(journal, &entry, 1, NULL, NULL, fault), 0);
	snprintf(statement, sizeof(statement), "UPDATE entry SET received_ms = %lld WHERE seq = %llu",
		(long long)(told->stored_ms ? told->stored_ms : told->at_ms), (unsigned long long)entry.seq);
	assert_int_equal(db_run(db, statement, fault), 0);
	free(entry.body);
}

/* A journal of `count` entries, but for the one numbered `lost` (0: none), as salvaged-NAME.db. */
static void put_old(struct place *place, const char *name, const struct told *list, size_t count, unsigned lost)
{
	struct fault *fault = &place->fixture->fault;
	struct fixture *old = fixture_directory();
	struct db *db;
	char statement[64], path[160];
	assert_int_equal(fixture_start(old), 0);
	assert_int_equal(db_open(old->file, DB_WRITE, &db, fault), 0);
	for (size_t i = 0; i < count; i++)
		append_told(old->journal, db, &list[i], fault);
	snprintf(statement, sizeof(statement), "DELETE FROM entry WHERE seq = %u", lost);
	assert_int_equal(db_run(db, statement, fault), 0);
	assert_int_equal(db_checkpoint(db, false, fault), 0);
	db_close(db);
	fixture_stop(old);
	snprintf(path, sizeof(path), "%s/salvaged-%s.db.known", place->fixture->directory, name);
	unlink(path);
	path[strlen(path) - strlen(".known")] = '\0';
	assert_int_equal(rename(old->file, path), 0);
	fixture_remove(old);
}

#define PUT_OLD(place, name, list) put_old(place, name, list, sizeof(list) / sizeof(*(list)), 0)

/* ---- whose a number is ---- */

static const char *last(struct place *place, const char *no)
{
	static struct registration found;
	return samples_by_number(place->room.samples, no, &found, &place->fixture->fault) == 1 ? found.facts.name : "";
}

static const char *tested(struct place *place, const char *no, int64_t ago_ms)
{
	static struct registration found;
	int row = samples_of_test(
		place->room.samples, no, place->now_ms - ago_ms, 30 * DAY_MS, &found, &place->fixture->fault);
	assert_true(row >= 0);
	return row ? found.facts.name : "";
}

static int add_name(void *context, struct json *sample)
{
	char *names = context;
	snprintf(names + strlen(names), 64 - strlen(names), "%s ", js_text_in(sample, "name"));
	js_free(sample);
	return 0;
}

/* As `assayctl samples` has them. */
static const char *listed(struct place *place)
{
	static char names[64];
	*names = '\0';
	assert_int_equal(samples_list(place->room.samples, 20, add_name, names, &place->fixture->fault), 0);
	return names;
}

/* ---- one old journal ---- */

static void what_was_registered_before_the_clock_was_set_was_before_the_next_that_is_dated(void **state)
{
	struct place *place = *state;
	const struct told list[] = {
		{ "11", "celery", place->now_ms - 40 * DAY_MS, 0, NULL },
		{ "12", "spinach", place->now_ms - 2 * DAY_MS, 0, NULL },
		{ "12", "cabbage", HOUR_MS, 0, NULL },
		{ "13", "leek", place->now_ms - DAY_MS, 0, NULL },
	};
	PUT_OLD(place, "a", list);
	room_know_old(&place->room);
	assert_string_equal(last(place, "12"), "cabbage");
	assert_string_equal(tested(place, "12", 0), "cabbage");
	assert_string_equal(tested(place, "12", 2 * DAY_MS), "spinach"); /* of its own day */
	assert_string_equal(tested(place, "12", -28 * DAY_MS), "cabbage");
	assert_string_equal(tested(place, "12", -30 * DAY_MS), ""); /* as old as the next of it */
	assert_string_equal(listed(place), "celery spinach cabbage leek ");
}

/* Written down a moment later than its own time says: no entry before it is later. */
static void what_was_registered_again_once_the_clock_was_set_holds(void **state)
{
	struct place *place = *state;
	int64_t set_ms = place->now_ms - DAY_MS;
	const struct told list[] = {
		{ "12", "cabbage", HOUR_MS, 0, NULL },
		{ "12", "spinach", set_ms, set_ms + 900, NULL },
		{ "13", "leek", HOUR_MS, 0, NULL },
		{ NULL, NULL, set_ms + 2000, 0, NULL },
		{ "13", "celery", set_ms + 1500, set_ms + 2100, NULL },
	};
	PUT_OLD(place, "a", list);
	room_know_old(&place->room);
	assert_string_equal(last(place, "12"), "spinach");
	assert_string_equal(tested(place, "12", 0), "spinach");
	assert_string_equal(last(place, "13"), "celery");
	assert_string_equal(listed(place), "cabbage spinach leek celery ");
}

static void between_two_starts_in_1970_the_later_entry_holds(void **state)
{
	struct place *place = *state;
	const struct told list[] = {
		{ "12", "spinach", place->now_ms - 2 * DAY_MS, 0, NULL },
		{ "12", "leek", 5 * HOUR_MS, 0, NULL },
		{ "12", "cabbage", HOUR_MS, 0, NULL },
		{ NULL, NULL, place->now_ms - DAY_MS, 0, NULL },
	};
	PUT_OLD(place, "a", list);
	room_know_old(&place->room);
	assert_string_equal(last(place, "12"), "cabbage");
	assert_string_equal(tested(place, "12", 0), "cabbage");
}

static void a_clock_set_while_it_was_stored_dates_it(void **state)
{
	struct place *place = *state;
	const struct told list[] = {
		{ "12", "spinach", place->now_ms - 40 * DAY_MS, 0, NULL },
		{ "12", "cabbage", HOUR_MS, place->now_ms - DAY_MS, NULL },
	};
	PUT_OLD(place, "a", list);
	room_know_old(&place->room);
	assert_string_equal(last(place, "12"), "cabbage");
	assert_string_equal(tested(place, "12", 0), "cabbage");
}

/* Nothing tells when, but that it was later than all that is dated. */
static void behind_the_last_that_is_dated_it_was_later_than_that(void **state)
{
	struct place *place = *state;
	const struct told list[] = {
		{ "12", "spinach", place->now_ms - 2 * DAY_MS, place->now_ms - 2 * DAY_MS + 900, NULL },
		{ "12", "leek", 5 * HOUR_MS, 0, NULL },
		{ "12", "cabbage", HOUR_MS, 0, NULL },
	};
	PUT_OLD(place, "a", list);
	room_know_old(&place->room);
	assert_string_equal(last(place, "12"), "cabbage");
	assert_string_equal(tested(place, "12", 0), "cabbage");
	assert_string_equal(tested(place, "12", -29 * DAY_MS), ""); /* no younger than is known */
}

static void the_next_that_is_dated_may_be_far_and_others_damaged(void **state)
{
	enum { ENTRIES = 600 };
	struct place *place = *state;
	struct told list[ENTRIES] = { { "12", "spinach", place->now_ms - 40 * DAY_MS, 0, NULL } };
	for (int i = 1; i < ENTRIES; i++)
		list[i].at_ms = i * 1000;
	list[1] = (struct told){ "12", "leek", 1000, 0, NULL };
	list[2].stored_ms = INT64_MIN + 1;
	list[300] = (struct told){ "12", "cabbage", 500, 0, NULL };
	list[301].stored_ms = INT64_MAX;
	list[ENTRIES - 1].at_ms = place->now_ms - DAY_MS;
	PUT_OLD(place, "a", list);
	room_know_old(&place->room);
	assert_string_equal(last(place, "12"), "cabbage");
	assert_string_equal(tested(place, "12", 0), "cabbage");
	assert_string_equal(listed(place), "spinach leek cabbage ");
}

static void in_a_journal_without_any_date_the_later_entry_holds(void **state)
{
	struct place *place = *state;
	const struct told list[] = {
		{ "12", "leek", 5 * HOUR_MS, 0, NULL },
		{ "12", "cabbage", HOUR_MS, 0, NULL },
		{ NULL, NULL, 2 * HOUR_MS, 0, NULL },
	};
	PUT_OLD(place, "a", list);
	room_know_old(&place->room);
	assert_string_equal(last(place, "12"), "cabbage");
	assert_string_equal(tested(place, "12", 0), "cabbage"); /* as of our own, until something tells its age */
}

/* ---- several, in any order ---- */

/* The two as salvaged-a.db and salvaged-b.db, in this order or the other, taken over at once or one after the other. */
static void put_two(
	struct place *place, int turn, const struct told *one, size_t ones, const struct told *other, size_t others)
{
	put_old(place, turn & 1 ? "b" : "a", one, ones, 0);
	if (turn & 2)
		room_know_old(&place->room);
	put_old(place, turn & 1 ? "a" : "b", other, others, 0);
	room_know_old(&place->room);
}

enum { TURNS = 4 };

static void again(struct place *place)
{
	close_place(place);
	fixture_empty(place->fixture);
	open_place(place);
}

static void of_two_old_journals_each_is_dated_by_its_own_entries(void **state)
{
	struct place *place = *state;
	const struct told first[] = {
		{ "11", "celery", place->now_ms - 20 * DAY_MS, 0, NULL }, { "12", "cabbage", HOUR_MS, 0, NULL },
		{ "14", "okra", HOUR_MS, 0, NULL }, { "13", "leek", place->now_ms - 19 * DAY_MS, 0, NULL },
		{ "16", "pea", 9 * HOUR_MS, 0, NULL }, /* behind all that is dated */
	};
	const struct told second[] = {
		{ "14", "radish", HOUR_MS, 0, NULL },
		{ "12", "spinach", place->now_ms - 5 * DAY_MS, 0, NULL },
		{ "16", "bean", HOUR_MS, 0, NULL },
		{ NULL, NULL, place->now_ms - 4 * DAY_MS, 0, NULL },
		{ "13", "chives", HOUR_MS, 0, NULL },
	};
	for (int turn = 0; turn < TURNS; turn++, again(place)) {
		put_two(place, turn, first, 5, second, 5);
		assert_string_equal(last(place, "12"), "spinach");
		assert_string_equal(tested(place, "12", 0), "spinach");
		assert_string_equal(tested(place, "12", 19 * DAY_MS), "cabbage");
		assert_string_equal(last(place, "14"), "radish");
		assert_string_equal(tested(place, "14", 0), "radish");
		assert_string_equal(tested(place, "14", 19 * DAY_MS), "okra");
		assert_string_equal(last(place, "13"), "chives");
		assert_string_equal(tested(place, "13", 19 * DAY_MS), "leek");
		assert_string_equal(last(place, "16"), "bean");
		assert_string_equal(tested(place, "12", 50 * DAY_MS), ""); /* before the first of both */
	}
}

static void a_journal_without_any_date_is_dated_by_no_other_old_one(void **state)
{
	struct place *place = *state;
	const struct told dated[] = {
		{ "12", "spinach", place->now_ms - 50 * DAY_MS, 0, NULL },
		{ "11", "celery", place->now_ms - 49 * DAY_MS, 0, NULL },
	};
	const struct told undated[] = {
		{ "13", "leek", 5 * HOUR_MS, 0, NULL },
		{ "13", "chives", HOUR_MS, 0, NULL },
	};
	for (int turn = 0; turn < TURNS; turn++, again(place)) {
		put_two(place, turn, dated, 2, undated, 2);
		assert_string_equal(last(place, "12"), "spinach");
		assert_string_equal(last(place, "13"), "chives");
		assert_string_equal(tested(place, "13", 0), "chives");
		assert_string_equal(listed(place), "leek chives spinach celery ");
	}
}

/* ---- taken over again ---- */

/* A registration that was lost comes back below one that was taken over: that one then is dated by it. */
static void what_comes_back_dates_what_is_known_already(void **state)
{
	struct place *place = *state;
	const struct told list[] = {
		{ "12", "leek", 5 * HOUR_MS, 0, "0198c0de-0000-7000-8000-000000000001" },
		{ "12", "cabbage", HOUR_MS, 0, "0198c0de-0000-7000-8000-000000000002" },
		{ "12", "spinach", place->now_ms - 2 * DAY_MS, 0, "0198c0de-0000-7000-8000-000000000003" },
		{ NULL, NULL, place->now_ms - DAY_MS, 0, "0198c0de-0000-7000-8000-000000000004" },
	};
	const char *const holds[] = { "spinach", "spinach", "spinach", "cabbage" };
	for (unsigned lost = 0; lost < 4; lost++, again(place)) {
		put_old(place, "a", list, 4, lost);
		room_know_old(&place->room);
		assert_string_equal(last(place, "12"), holds[lost]);
		PUT_OLD(place, "a", list);
		room_know_old(&place->room);
		assert_string_equal(last(place, "12"), "spinach");
		assert_string_equal(tested(place, "12", 0), "spinach");
		assert_string_equal(listed(place), "leek cabbage spinach ");
	}
}

/* The same of one that is known only to be later than the last that is dated: that may have been another by then. */
static void what_comes_back_may_have_been_before_the_last_registration(void **state)
{
	struct place *place = *state;
	const struct told list[] = {
		{ "11", "celery", place->now_ms - 3 * DAY_MS, 0, "0198c0de-0000-7000-8000-000000000001" },
		{ "12", "spinach", place->now_ms - 2 * DAY_MS, 0, "0198c0de-0000-7000-8000-000000000002" },
		{ "12", "cabbage", HOUR_MS, 0, "0198c0de-0000-7000-8000-000000000003" },
	};
	put_old(place, "a", list, 3, 2);
	room_know_old(&place->room);
	assert_string_equal(last(place, "12"), "cabbage");
	PUT_OLD(place, "a", list);
	room_know_old(&place->room);
	assert_string_equal(last(place, "12"), "cabbage");
	assert_string_equal(tested(place, "12", 0), "cabbage");
	assert_string_equal(listed(place), "celery spinach cabbage ");
}

static void of_one_moment_the_later_entry_holds(void **state)
{
	struct place *place = *state;
	const struct told list[] = {
		{ "12", "spinach", place->now_ms - DAY_MS, 0, NULL },
		{ "12", "cabbage", place->now_ms - DAY_MS, 0, NULL },
	};
	PUT_OLD(place, "a", list);
	room_know_old(&place->room);
	assert_string_equal(last(place, "12"), "cabbage");
	assert_string_equal(tested(place, "12", 0), "cabbage");
	assert_string_equal(listed(place), "spinach cabbage ");
}

/* The row of a table is registered under one id in each journal: what was registered behind the first overtook it,
 * and nothing that was before it does, be the second dated or not. */
static void a_row_that_two_journals_hold_is_as_old_as_its_first(void **state)
{
	struct place *place = *state;
	const char *row = "0198c0de-0000-8000-8000-000000000001", *other = "0198c0de-0000-8000-8000-000000000002";
	const struct told first[] = {
		{ "13", "chives", place->now_ms - 4 * DAY_MS, 0, NULL },
		{ "12", "cabbage", place->now_ms - 3 * DAY_MS, 0, row },
		{ "13", "leek", place->now_ms - 3 * DAY_MS, 0, other },
		{ "12", "spinach", place->now_ms - 2 * DAY_MS, 0, NULL },
	};
	const struct told second[] = {
		{ "12", "cabbage", HOUR_MS, 0, row },
		{ "13", "leek", HOUR_MS, 0, other },
		{ NULL, NULL, place->now_ms - DAY_MS, 0, NULL },
	};
	for (int turn = 0; turn < 3 * TURNS; turn++, again(place)) {
		put_two(place, turn, first, 4, second, turn < 2 * TURNS ? 3 : 2);
		if (turn >= TURNS) /* what the file knew already is read once more */
			PUT_OLD(place, turn & 1 ? "b" : "a", first);
		room_know_old(&place->room);
		assert_string_equal(last(place, "12"), "spinach");
		assert_string_equal(tested(place, "12", 0), "spinach");
		assert_string_equal(last(place, "13"), "leek");
	}
}

static void what_is_registered_now_goes_before_all_of_old_journals(void **state)
{
	struct place *place = *state;
	struct sample_changes changes = { 0 };
	const struct told now = { "12", "today", HOUR_MS, 0, NULL };
	struct entry entry = entry_told(&now);
	const struct told list[] = {
		{ "12", "cabbage", HOUR_MS, 0, NULL },
		{ "12", "ours", place->now_ms - DAY_MS, 0, entry.id },
		{ "13", "leek", place->now_ms, 0, NULL },
	};
	struct sample_change *change = samples_change(&changes, SAMPLE_REGISTER, &entry, entry.id);
	text_copy(change->facts.no, sizeof(change->facts.no), "12");
	text_copy(change->facts.name, sizeof(change->facts.name), now.name);
	change->at_ms = HOUR_MS;
	assert_int_equal(
		samples_append(place->room.samples, &entry, 1, NULL, NULL, &changes, &place->fixture->fault), 0);
	sample_changes_free(&changes);
	free(entry.body);
	PUT_OLD(place, "a", list);
	room_know_old(&place->room);
	assert_string_equal(last(place, "12"), "today");
	assert_string_equal(tested(place, "12", 0), "today");
	assert_string_equal(listed(place), "cabbage leek today ");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, enter, leave)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_was_registered_before_the_clock_was_set_was_before_the_next_that_is_dated),
		TEST(what_was_registered_again_once_the_clock_was_set_holds),
		TEST(between_two_starts_in_1970_the_later_entry_holds),
		TEST(a_clock_set_while_it_was_stored_dates_it),
		TEST(behind_the_last_that_is_dated_it_was_later_than_that),
		TEST(the_next_that_is_dated_may_be_far_and_others_damaged),
		TEST(in_a_journal_without_any_date_the_later_entry_holds),
		TEST(of_two_old_journals_each_is_dated_by_its_own_entries),
		TEST(a_journal_without_any_date_is_dated_by_no_other_old_one),
		TEST(what_comes_back_dates_what_is_known_already),
		TEST(what_comes_back_may_have_been_before_the_last_registration),
		TEST(of_one_moment_the_later_entry_holds),
		TEST(a_row_that_two_journals_hold_is_as_old_as_its_first),
		TEST(what_is_registered_now_goes_before_all_of_old_journals),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
