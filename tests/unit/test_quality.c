/* Controls, the samples they stand for, and a day without: of readers whose control needs a delta A of 0.3. */
#include <pthread.h>

#include "../../daemon/record_read.h"
#include "../../daemon/sqlite.h"
#include "room_fixture.h"

/* ---- what is measured ---- */

static struct reading *add(struct room *room, enum kind kind, const char *number, const char *at)
{
	struct reading *reading = add_reading(room, "PR-OPCB", number, at);
	reading->kind = kind;
	return reading;
}

static struct reading *add_sample(struct room *room, const char *number, const char *at)
{
	return with_inhibition(add(room, KIND_SAMPLE, number, at), "12.5");
}

static struct reading *add_control(struct room *room, const char *number, const char *at, const char *delta_a)
{
	struct reading *reading = add(room, KIND_CONTROL, number, at);
	reading_signal(reading, "delta_a", delta_a);
	return reading;
}

/* What the entry says of its controls: "valid 2 5", the state and the instrument's numbers of the controls named. */
static const char *under(struct room *room, uint64_t seq)
{
	static char text[200];
	char ids[CONTROLS_TIED][ENTRY_ID_MAX] = { "" };
	const struct json *qc = js_get(entry(room, seq), "qc"), *list = qc ? js_get(qc, "controls") : NULL;
	size_t count = list ? js_count(list) : 0;
	snprintf(text, sizeof(text), "%s", qc ? js_get_text(qc, "state") : "");
	for (size_t i = 0; i < count; i++)
		snprintf(ids[i], sizeof(ids[i]), "%s", js_get_text(js_at(list, i), "id"));
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(journal_find(room->fixture->reader, ids[i], keep_record, room, NULL), 1);
		snprintf(text + strlen(text), sizeof(text) - strlen(text), " %s",
			js_get_text(room->record, "instrument_seq"));
	}
	return text;
}

/* The entry, which must be the event: "first 2 PR-OPCB 2026-03-05". */
static const char *told(struct room *room, uint64_t seq)
{
	static char text[200];
	const struct json *event = entry(room, seq);
	assert_non_null(js_get_text(event, "event"));
	assert_string_equal(js_get_text(event, "event"), "control_missing");
	snprintf(text, sizeof(text), "%s %lld %s %s", js_get_text(event, "state"),
		(long long)js_get_integer(event, "samples", 0), js_get_text(event, "item"), js_get_text(event, "day"));
	return text;
}

/* ---- ties ---- */

static void a_sample_names_the_last_control_of_its_day_instrument_and_item(void **state)
{
	struct room *room = *state;
	add_control(room, "1", "2026-03-04T09:00:00", "0.800");
	add_control(room, "2", "2026-03-05T08:00:00", "0.800");
	add_control(room, "3", "2026-03-05T09:00:00", "0.914");
	add_control(room, "4", "2026-03-05T11:00:00", "0.700");
	text_copy(add_control(room, "5", "2026-03-05T09:30:00", "0.700")->item, 96, "PR-TEA");
	store(room, 0);
	add_control(room, "6", "2026-03-05T09:35:00", "0.700");
	store(room, 1);
	add_sample(room, "7", "2026-03-05T10:00:00");
	add_sample(room, "8", "2026-03-05T09:00:00"); /* of the same second: measured behind it */
	add_sample(room, "9", "2026-03-05T07:59:59");
	add_sample(room, "10", "2026-03-06T00:00:00");
	add_sample(room, "11", "2026-03-04T23:59:59");
	store(room, 0);
	assert_string_equal(under(room, 7), "valid 3");
	assert_string_equal(under(room, 8), "valid 3");
	assert_string_equal(under(room, 9), "");
	assert_string_equal(under(room, 10), "");
	assert_string_equal(under(room, 11), "valid 1");
	assert_int_equal(head(room), 11); /* nothing is demanded, so nothing is told */
	const struct json *control = js_at(js_get(js_get(entry(room, 7), "qc"), "controls"), 0);
	assert_string_equal(js_get_text(control, "kind"), "control");
	assert_string_equal(js_get_text(control, "expected"), "negative");
	assert_string_equal(js_get_text(control, "at"), "2026-03-05T09:00:00.000+08:00");
}

static void each_kind_of_control_is_named_by_its_last(void **state)
{
	struct room *room = *state;
	add_control(room, "1", "2026-03-05T08:00:00", "0.800");
	reading_said(add_control(room, "2", "2026-03-05T08:01:00", "0.800"), "control", "positive");
	text_copy(room->list[1].value, 96, "81");
	text_copy(room->list[1].unit, 24, "%");
	add(room, KIND_BLANK, "3", "2026-03-05T08:02:00");
	add(room, KIND_CALIBRATION, "4", "2026-03-05T08:03:00");
	add_control(room, "5", "2026-03-05T08:04:00", "0.700");
	add_sample(room, "6", "2026-03-05T08:05:00");
	store(room, 0);
	assert_string_equal(under(room, 6), "valid 2 3 4 5");
	assert_int_equal(head(room), 6);
}

static void a_failed_control_is_told_by_its_samples(void **state)
{
	struct room *room = *state;
	add_control(room, "1", "2026-03-05T08:00:00", "0.800");
	add_control(room, "2", "2026-03-05T09:00:00", "0.100");
	add_sample(room, "3", "2026-03-05T08:30:00");
	add_sample(room, "4", "2026-03-05T09:30:00");
	store(room, 0);
	assert_string_equal(under(room, 3), "valid 1");
	assert_string_equal(under(room, 4), "failed 2");
	assert_true(record_has_flag(entry(room, 4), "control_failed"));
	assert_false(record_has_flag(entry(room, 4), "no_valid_control")); /* nobody demands one */
	assert_string_equal(under(room, 2), "failed");
	assert_string_equal(js_get_text(js_get(entry(room, 2), "qc"), "rule"), "delta_a>=0.3");
}

static void a_frame_holds_its_own_control_wherever_it_stands(void **state)
{
	struct room *room = *state;
	static const uint8_t frames[2][4] = { "one", "two" };
	add_sample(room, "1", "2026-03-05T09:00:00")->raw = frames[0];
	add_control(room, "2", "2026-03-05T09:00:01", "0.900")->raw = frames[0];
	add_sample(room, "3", "2026-03-05T09:00:00")->raw = frames[1];
	add_control(room, "4", "2026-03-05T09:00:01", "0.100")->raw = frames[1];
	for (size_t i = 0; i < room->readings.count; i++)
		room->list[i].raw_length = 4;
	add_control(room, "5", "2026-03-05T08:00:00", "0.800");
	store(room, 0);
	assert_string_equal(under(room, 1), "valid 2");
	assert_string_equal(under(room, 3), "failed 4");
}

static void what_an_instrument_sends_with_the_sample_counts(void **state)
{
	struct room *room = *state;
	room->readers[0].control.demand = CONTROL_DEMAND_DAILY;
	reading_signal(add_sample(room, "1", "2026-03-05T09:00:00"), "delta_a_control", "0.914");
	store(room, 0);
	assert_string_equal(under(room, 1), "valid");
	assert_int_equal(head(room), 1);
	reading_signal(add_sample(room, "2", "2026-03-05T09:01:00"), "delta_a_control", "0.100");
	store(room, 0);
	assert_string_equal(under(room, 2), "failed");
	assert_true(record_has_flag(entry(room, 2), "no_valid_control"));
	assert_string_equal(told(room, 3), "first 1 PR-OPCB 2026-03-05");
}

static void an_instrument_without_a_clock_is_tied_by_when_its_results_came(void **state)
{
	struct room *room = *state;
	add_control(room, "1", "", "0.800");
	store(room, 0);
	add_sample(room, "2", "");
	store(room, 0);
	assert_string_equal(under(room, 2), "valid 1");
}

static void a_series_is_over_with_its_time(void **state)
{
	struct room *room = *state;
	room->readers[0].control.demand = CONTROL_DEMAND_SERIES;
	add_control(room, "1", "2026-03-05T23:30:00", "0.800");
	add_sample(room, "2", "2026-03-06T00:30:00"); /* midnight ends no series */
	add_sample(room, "3", "2026-03-06T00:30:01");
	store(room, 0);
	assert_string_equal(under(room, 2), "valid 1");
	assert_string_equal(under(room, 3), "none");
	assert_string_equal(told(room, 4), "first 1 PR-OPCB 2026-03-06");
}

/* ---- a day without ---- */

static void a_day_without_a_control_is_flagged_and_told_once(void **state)
{
	struct room *room = *state;
	room->readers[0].control.demand = CONTROL_DEMAND_DAILY;
	add_sample(room, "1", "2026-03-05T08:00:00");
	add_sample(room, "2", "2026-03-05T08:01:00");
	store(room, 0);
	assert_string_equal(under(room, 1), "none");
	assert_true(record_has_flag(entry(room, 1), "no_valid_control"));
	assert_string_equal(told(room, 3), "first 2 PR-OPCB 2026-03-05");
	assert_string_equal(js_get_text(room->record, "instrument"), "pr-1");
	add_sample(room, "3", "2026-03-05T08:02:00");
	store(room, 0);
	assert_int_equal(head(room), 4);
	assert_true(record_has_flag(entry(room, 4), "no_valid_control"));
	assert_true(intake_awaits(room->intake));
}

static void a_control_that_comes_late_is_told_and_changes_no_record(void **state)
{
	struct room *room = *state;
	room->readers[0].control.demand = CONTROL_DEMAND_DAILY;
	add_sample(room, "1", "2026-03-05T08:00:00");
	add_sample(room, "2", "2026-03-05T08:01:00");
	store(room, 0);
	add_control(room, "3", "2026-03-05T09:00:00", "0.100"); /* not a valid one */
	store(room, 0);
	assert_int_equal(head(room), 4);
	char *before = js_dump(entry(room, 1));
	add_control(room, "4", "2026-03-05T10:00:00", "0.900");
	store(room, 0);
	assert_string_equal(told(room, 6), "late 2 PR-OPCB 2026-03-05");
	assert_string_equal(js_get_text(room->record, "control_at"), "2026-03-05T10:00:00.000+08:00");
	char control[ENTRY_ID_MAX];
	snprintf(control, sizeof(control), "%s", js_get_text(room->record, "control"));
	assert_string_equal(js_get_text(entry(room, 5), "id"), control);
	char *after = js_dump(entry(room, 1));
	assert_string_equal(before, after);
	free(before);
	free(after);
	add_sample(room, "5", "2026-03-05T10:30:00");
	store(room, 0);
	assert_string_equal(under(room, 7), "valid 4");
	assert_false(record_has_flag(entry(room, 7), "no_valid_control"));
	assert_false(intake_awaits(room->intake));
}

static int age(void *context, struct db *db, struct fault *fault)
{
	char statement[200];
	snprintf(statement, sizeof(statement),
		"UPDATE state SET value = json_set(value, '$.counted_ms', value ->> '$.counted_ms' - %d)"
		" WHERE kind = 'control'",
		*(const int *)context * 60000);
	return db_run(db, statement, fault);
}

/* As if so many minutes had passed since the last of them. */
static void let_pass(struct room *room, int minutes)
{
	struct fault fault;
	assert_int_equal(journal_append_with(room->fixture->journal, NULL, 0, NULL, NULL, age, &minutes, &fault), 0);
}

static void a_day_that_is_over_is_told_with_its_number(void **state)
{
	struct room *room = *state;
	struct fault fault;
	room->readers[0].control.demand = CONTROL_DEMAND_DAILY;
	add_sample(room, "1", "2026-03-05T08:00:00");
	add_sample(room, "2", "2026-03-05T08:01:00");
	store(room, 0);
	assert_int_equal(intake_sweep(room->intake, &fault), 0);
	assert_int_equal(head(room), 3); /* more of that day may still be read */
	let_pass(room, 11);
	assert_int_equal(intake_sweep(room->intake, &fault), 0);
	assert_string_equal(told(room, 4), "day_over 2 PR-OPCB 2026-03-05");
	assert_int_equal(intake_sweep(room->intake, &fault), 0);
	assert_int_equal(head(room), 4);
	assert_false(intake_awaits(room->intake));
}

static void the_next_day_ends_the_one_before(void **state)
{
	struct room *room = *state;
	room->readers[0].control.demand = CONTROL_DEMAND_DAILY;
	add_sample(room, "1", "2026-03-05T08:00:00");
	store(room, 0);
	add_sample(room, "2", "2026-03-06T08:00:00");
	add_sample(room, "3", "2026-03-06T08:01:00");
	store(room, 0);
	assert_string_equal(told(room, 5), "day_over 1 PR-OPCB 2026-03-05");
	assert_string_equal(told(room, 6), "first 2 PR-OPCB 2026-03-06");
}

static void nobody_tidies_while_a_batch_is_not_stored(void **state)
{
	struct room *room = *state;
	struct intake_result result;
	struct fault fault;
	room->readers[0].control.demand = CONTROL_DEMAND_DAILY;
	add_sample(room, "1", "2026-03-05T08:00:00");
	struct intake_batch *batch = judge(room, &room->readers[0]);
	assert_int_equal(intake_store(room->intake, batch, &result, &fault), 0);
	let_pass(room, 11);
	assert_int_equal(intake_sweep(room->intake, &fault), 0);
	assert_int_equal(head(room), 2);
	assert_int_equal(intake_store(room->intake, batch, &result, &fault), 0); /* as after a commit of unknown fate */
	assert_int_equal(head(room), 2);
	intake_batch_free(batch);
	assert_int_equal(intake_sweep(room->intake, &fault), 0);
	assert_string_equal(told(room, 3), "day_over 1 PR-OPCB 2026-03-05");
}

#define BATCHES 40

struct worker {
	struct room *room;
	unsigned reader;
};

static void *measure_without(void *context)
{
	const struct worker *worker = context;
	struct reading *list = calloc(1, sizeof(*list));
	for (unsigned i = 0; i < BATCHES; i++) {
		struct readings readings = { .list = list, .room = 1, .count = 1 };
		struct intake_result result;
		struct fault fault;
		*list = (struct reading){
			.channel = (int)i, .item = "PR-OPCB", .value = "1", .unit = "%", .repeatable = true
		};
		text_copy(list->tested_at, sizeof(list->tested_at), "2026-03-05T08:00:00");
		struct intake_batch *batch = intake_judge(worker->room->intake, &worker->room->readers[worker->reader],
			&worker->room->instrument, &readings);
		if (intake_store(worker->room->intake, batch, &result, &fault) != 0) {
			print_error("%s\n", fault.text);
			abort();
		}
		intake_batch_free(batch);
	}
	free(list);
	return NULL;
}

static void add_waiting(void *context, const struct series *series)
{
	*(long *)context += series->samples;
}

static int add_over(void *context, const struct stored *stored)
{
	struct json *event = js_parse(stored->payload, stored->length, NULL);
	const char *state = js_get_text(event, "state");
	if (state && strcmp(state, "day_over") == 0)
		*(long *)context += (long)js_get_integer(event, "samples", 0);
	js_free(event);
	return 0;
}

static void each_sample_is_counted_once_whoever_tidies_meanwhile(void **state)
{
	struct room *room = *state;
	struct worker workers[2] = { { room, 0 }, { room, 1 } };
	pthread_t threads[2];
	struct fault fault;
	long counted = 0;
	room->readers[0].control.demand = room->readers[1].control.demand = CONTROL_DEMAND_DAILY;
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, measure_without, &workers[i]), 0);
	while (head(room) < BATCHES) {
		let_pass(room, 11);
		assert_int_equal(intake_sweep(room->intake, &fault), 0);
	}
	for (size_t i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(quality_waiting(room->quality, add_waiting, &counted, &fault), 0);
	assert_true(journal_read(room->fixture->reader, 1, 1000, add_over, &counted, &fault) > 0);
	assert_int_equal(counted, 2 * BATCHES);
}

/* ---- whatever happens in between ---- */

static void what_is_read_again_changes_nothing(void **state)
{
	struct room *room = *state;
	room->readers[0].control.demand = CONTROL_DEMAND_DAILY;
	for (size_t round = 0; round < 3; round++) {
		add_sample(room, "1", "2026-03-05T08:00:00");
		add_control(room, "2", "2026-03-05T09:00:00", "0.900");
		add_sample(room, "3", "2026-03-05T10:00:00");
		assert_int_equal(store(room, 0).known, round ? 3 : 0);
		assert_int_equal(head(room), 5); /* with first and late */
		if (round == 1)
			restart(room);
	}
	add_sample(room, "4", "2026-03-05T08:30:00");
	store(room, 0);
	assert_string_equal(told(room, 7), "first 1 PR-OPCB 2026-03-05"); /* the three are not counted again */
}

static void controls_and_counts_survive_a_restart(void **state)
{
	struct room *room = *state;
	room->readers[0].control.demand = CONTROL_DEMAND_DAILY;
	add_control(room, "1", "2026-03-05T08:00:00", "0.900");
	add_sample(room, "2", "2026-03-06T08:00:00");
	store(room, 0);
	restart(room);
	add_sample(room, "3", "2026-03-05T08:30:00");
	add_sample(room, "4", "2026-03-06T08:30:00");
	store(room, 0);
	assert_string_equal(under(room, 4), "valid 1");
	assert_int_equal(head(room), 5);
	add_control(room, "5", "2026-03-06T09:00:00", "0.900");
	store(room, 0);
	assert_string_equal(told(room, 7), "late 2 PR-OPCB 2026-03-06");
}

static void the_oldest_of_many_controls_goes_first(void **state)
{
	struct room *room = *state;
	char number[8], at[32];
	for (unsigned i = 0; i < CONTROLS_KEPT + 8; i++) {
		snprintf(number, sizeof(number), "%u", i);
		snprintf(at, sizeof(at), "2026-03-05T08:%02u:00", i);
		add_control(room, number, at, "0.900");
	}
	store(room, 0);
	add_sample(room, "100", "2026-03-05T08:20:30");
	add_sample(room, "101", "2026-03-05T08:07:30"); /* before all that are kept */
	store(room, 0);
	assert_string_equal(under(room, CONTROLS_KEPT + 9), "valid 20");
	assert_string_equal(under(room, CONTROLS_KEPT + 10), "");
}

/* ---- a property ---- */

#define TESTS 60

static unsigned chance = 1;

static unsigned below(unsigned limit)
{
	chance = chance * 1103515245 + 12345;
	return (chance >> 16) % limit;
}

/* One day of an instrument: now and then a control, good or bad. */
static void add_number(struct room *room, unsigned number)
{
	char text[8], at[32];
	snprintf(text, sizeof(text), "%u", number);
	snprintf(at, sizeof(at), "2026-03-05T08:%02u:00", number);
	if (number % 7 == 3)
		add_control(room, text, at, number % 3 ? "0.900" : "0.100");
	else
		add_sample(room, text, at);
}

static int note(void *context, const struct stored *stored)
{
	char **list = context;
	struct json *record = js_parse(stored->payload, stored->length, NULL);
	static const char *const varies[] = { "epoch", "seq", "prev", "received_at", "clock" };
	struct json *kept = js_new_object();
	const char *key, *number = js_get_text(record, "instrument_seq");
	for (size_t i = 0; number && i < js_count(record); i++) {
		struct json *value = js_member(record, i, &key);
		bool dropped = false;
		for (size_t v = 0; v < sizeof(varies) / sizeof(*varies); v++)
			dropped |= strcmp(key, varies[v]) == 0;
		if (!dropped)
			js_put(kept, key, js_copy(value));
	}
	if (number) {
		unsigned place = (unsigned)atoi(number);
		assert_true(place < TESTS && !list[place]); /* each once */
		list[place] = js_dump(kept);
	}
	js_free(kept);
	js_free(record);
	return 0;
}

/* In batches cut by chance, some read again at any time, with restarts in between; controls may come before their
 * turn, because a sample looks for the last before it. */
static void measure(char **list, bool by_chance)
{
	struct room *room = new_room();
	bool *taken = calloc(TESTS, sizeof(*taken));
	room->readers[0].control.demand = CONTROL_DEMAND_DAILY;
	for (unsigned next = 0; next < TESTS;) {
		unsigned most = by_chance ? 1 + below(9) : 1;
		for (unsigned i = 0; i < most && next < TESTS; i++) {
			if (by_chance && next && below(4) == 0)
				add_number(room, below(next)); /* again */
			unsigned control = next - next % 7 + 10;
			if (by_chance && control < TESTS && !taken[control] && below(5) == 0) {
				add_number(room, control);
				taken[control] = true;
			}
			if (!taken[next])
				add_number(room, next);
			next++;
		}
		store(room, 0);
		if (by_chance && below(6) == 0)
			restart(room);
	}
	assert_true(journal_read(room->fixture->reader, 1, 1000, note, list, &room->fixture->fault) > 0);
	free(taken);
	free_room(room);
}

static void cuts_and_repeats_change_no_record(void **state)
{
	(void)state;
	char *wanted[TESTS] = { NULL };
	measure(wanted, false);
	for (unsigned round = 1; round <= 8; round++) {
		char *got[TESTS] = { NULL };
		chance = round;
		measure(got, true);
		for (size_t i = 0; i < TESTS; i++) {
			assert_string_equal(got[i], wanted[i]);
			free(got[i]);
		}
	}
	for (size_t i = 0; i < TESTS; i++)
		free(wanted[i]);
}

#define WITH_ROOM(test) cmocka_unit_test_setup_teardown(test, enter, leave)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_ROOM(a_sample_names_the_last_control_of_its_day_instrument_and_item),
		WITH_ROOM(each_kind_of_control_is_named_by_its_last),
		WITH_ROOM(a_failed_control_is_told_by_its_samples),
		WITH_ROOM(a_frame_holds_its_own_control_wherever_it_stands),
		WITH_ROOM(what_an_instrument_sends_with_the_sample_counts),
		WITH_ROOM(an_instrument_without_a_clock_is_tied_by_when_its_results_came),
		WITH_ROOM(a_series_is_over_with_its_time),
		WITH_ROOM(a_day_without_a_control_is_flagged_and_told_once),
		WITH_ROOM(a_control_that_comes_late_is_told_and_changes_no_record),
		WITH_ROOM(a_day_that_is_over_is_told_with_its_number),
		WITH_ROOM(the_next_day_ends_the_one_before),
		WITH_ROOM(nobody_tidies_while_a_batch_is_not_stored),
		WITH_ROOM(each_sample_is_counted_once_whoever_tidies_meanwhile),
		WITH_ROOM(what_is_read_again_changes_nothing),
		WITH_ROOM(controls_and_counts_survive_a_restart),
		WITH_ROOM(the_oldest_of_many_controls_goes_first),
		cmocka_unit_test(cuts_and_repeats_change_no_record),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
