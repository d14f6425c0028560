#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <pthread.h>
#include <sys/stat.h>
#include <time.h>

#include "../../daemon/intake.h"
#include "../../daemon/items.h"
#include "../../drivers/text.h"
#include "journal_fixture.h"

/* A real journal in a private directory, a configuration that is freed with its last holder, and one reader. */
struct room {
	struct fixture *fixture;
	struct config *config;
	struct intake *intake;
	struct instrument_config reader;
	struct instrument instrument;
	struct reading list[READINGS_AT_ONCE];
	struct readings readings;
};

static struct config *new_station(const char *code)
{
	struct config *config = calloc(1, sizeof(*config));
	struct faults faults = { 0 };
	assert_non_null(config);
	config->holders = 1;
	text_copy(config->station.code, sizeof(config->station.code), code);
	assert_int_equal(items_load("config/items.csv", &config->items, &faults), 0);
	return config;
}

static int enter(void **state)
{
	struct room *room = calloc(1, sizeof(*room));
	setenv("TZ", "Asia/Shanghai", 1);
	tzset();
	room->fixture = fixture_directory();
	if (fixture_start(room->fixture))
		return -1;
	room->config = new_station("330421103-01");
	room->intake = intake_new(room->fixture->journal, room->config);
	text_copy(room->reader.id, sizeof(room->reader.id), "pr-1");
	room->reader.driver = room->instrument.driver = driver_by_name("seven-e-aa");
	room->readings.list = room->list;
	*state = room;
	return 0;
}

static int leave(void **state)
{
	struct room *room = *state;
	intake_free(room->intake);
	assert_int_equal(room->config->holders, 1); /* what was held was released */
	config_release(room->config);
	fixture_stop(room->fixture);
	fixture_remove(room->fixture);
	free(room);
	return 0;
}

static void clear(struct room *room)
{
	room->readings = (struct readings){ .list = room->list };
}

/* One test; `number` is its running number and tells it from the others. */
static void add_test(struct room *room, unsigned number)
{
	struct reading *reading = readings_add(&room->readings);
	snprintf(reading->instrument_seq, sizeof(reading->instrument_seq), "%u", number);
	text_copy(reading->value, sizeof(reading->value), "12.34");
	text_copy(reading->unit, sizeof(reading->unit), "%");
	text_copy(reading->tested_at, sizeof(reading->tested_at), "2026-03-05T09:41:20");
	reading->repeatable = true;
}

static struct intake_result store(struct room *room)
{
	struct intake_result result = { 99, 99 };
	struct intake_batch *batch = intake_judge(room->intake, &room->reader, &room->instrument, &room->readings);
	int error = intake_store(room->intake, batch, &result, &room->fixture->fault);
	if (error)
		print_error("%s\n", room->fixture->fault.text);
	assert_int_equal(error, 0);
	intake_batch_free(batch);
	return result;
}

struct found {
	struct stored stored;
	struct json *payload;
};

static int keep(void *context, const struct stored *stored)
{
	struct found *found = context;
	struct fault fault;
	found->stored = *stored;
	found->payload = js_parse(stored->payload, stored->length, &fault);
	return 0;
}

/* The payload of one entry, to be freed; its topic in `ret_kind`. */
static struct json *entry_at(struct room *room, uint64_t seq, enum entry_kind *ret_kind)
{
	struct found found = { 0 };
	assert_int_equal(journal_read(room->fixture->reader, seq, 1, keep, &found, &room->fixture->fault), 1);
	assert_int_equal(found.stored.seq, seq);
	assert_non_null(found.payload);
	*ret_kind = found.stored.kind;
	return found.payload;
}

static void readings_notices_and_cursor_are_stored_together(void **state)
{
	struct room *room = *state;
	enum entry_kind kind;
	clear(room);
	add_test(room, 1);
	add_test(room, 2);
	room->list[1].kind = KIND_CONTROL;
	struct notice *notice = readings_notice(&room->readings, NOTICE_MISSED_RESULTS);
	notice->first = 3;
	notice->last = 7;
	text_copy(notice->reason, sizeof(notice->reason), "the memory holds 8 and later");
	text_copy(room->readings.cursor, CURSOR_MAX, "day 2026-03-05");
	struct intake_result result = store(room);
	assert_int_equal(result.stored, 2); /* records; the event beside them is none */
	assert_int_equal(result.known, 0);
	assert_int_equal(journal_head(room->fixture->journal), 3);

	char cursor[CURSOR_MAX];
	assert_int_equal(journal_cursor(room->fixture->journal, "pr-1", cursor, &room->fixture->fault), 0);
	assert_string_equal(cursor, "day 2026-03-05");

	struct json *record = entry_at(room, 1, &kind);
	assert_int_equal(kind, ENTRY_RESULT);
	assert_string_equal(js_get_text(record, "station"), "330421103-01");
	assert_string_equal(js_get_text(record, "instrument_seq"), "1");
	assert_string_equal(js_get_text(record, "verdict"), "negative");
	js_free(record);
	js_free(entry_at(room, 2, &kind));
	assert_int_equal(kind, ENTRY_QC);
	struct json *event = entry_at(room, 3, &kind);
	assert_int_equal(kind, ENTRY_EVENT);
	assert_string_equal(js_get_text(event, "event"), "missed_results");
	assert_string_equal(js_get_text(event, "instrument"), "pr-1");
	assert_int_equal(js_get_integer(event, "first", 0), 3);
	assert_int_equal(js_get_integer(event, "last", 0), 7);
	assert_string_equal(js_get_text(event, "reason"), "the memory holds 8 and later");
	assert_non_null(js_get_text(event, "at"));
	js_free(event);
}

static void a_test_read_again_is_known_and_an_equal_one_is_not(void **state)
{
	struct room *room = *state;
	clear(room);
	for (unsigned i = 0; i < 10; i++)
		add_test(room, 1); /* ten readings that are alike to the last bit */
	for (unsigned i = 0; i < 10; i++)
		room->list[i].repeat = i;
	assert_int_equal(store(room).stored, 10);
	struct intake_result again = store(room);
	assert_int_equal(again.stored, 0);
	assert_int_equal(again.known, 10);
	assert_int_equal(journal_head(room->fixture->journal), 10);
}

static void a_serial_number_written_later_doubles_nothing(void **state)
{
	struct room *room = *state;
	clear(room);
	add_test(room, 1);
	assert_int_equal(store(room).stored, 1);
	text_copy(room->reader.maker.serial, sizeof(room->reader.maker.serial), "SN42");
	assert_int_equal(store(room).known, 1);
	add_test(room, 2);
	struct intake_result result = store(room);
	assert_int_equal(result.stored, 1);
	assert_int_equal(result.known, 1);
	assert_int_equal(store(room).known, 2);
	assert_int_equal(journal_head(room->fixture->journal), 2);
}

/* The gateway starts again with another code in its configuration. */
static void get_code(struct room *room, const char *code)
{
	intake_free(room->intake);
	fixture_stop(room->fixture);
	config_release(room->config);
	room->config = new_station(code);
	room->fixture->station = room->config->station.code;
	assert_int_equal(fixture_start(room->fixture), 0);
	room->intake = intake_new(room->fixture->journal, room->config);
}

static void a_new_code_of_the_station_doubles_nothing(void **state)
{
	struct room *room = *state;
	clear(room);
	add_test(room, 1);
	assert_int_equal(store(room).stored, 1);
	get_code(room, "330421103-02");
	text_copy(room->reader.maker.serial, sizeof(room->reader.maker.serial), "SN1");
	for (unsigned number = 2; number <= 4; number++) { /* what was stored last is still there */
		clear(room);
		add_test(room, number - 1);
		assert_int_equal(store(room).known, 1);
		clear(room);
		add_test(room, number);
		assert_int_equal(store(room).stored, 1);
		if (number == 3)
			get_code(room, "330421103-03");
	}
	clear(room);
	for (unsigned number = 1; number <= 5; number++)
		add_test(room, number);
	struct intake_result result = store(room);
	assert_int_equal(result.known, 4);
	assert_int_equal(result.stored, 1);
	get_code(room, "330421103-02"); /* and back */
	assert_int_equal(store(room).known, 5);
	enum entry_kind kind;
	struct json *record = entry_at(room, 1, &kind);
	assert_string_equal(js_get_text(record, "station"), "330421103-01"); /* as it was stored */
	js_free(record);
}

static void messages_are_each_their_own_event(void **state)
{
	struct room *room = *state;
	clear(room);
	add_test(room, 1);
	room->list[0].repeatable = false;
	assert_int_equal(store(room).stored, 1);
	assert_int_equal(store(room).stored, 1);
	assert_int_equal(journal_head(room->fixture->journal), 2);
}

/* A commit that failed may be there all the same: what is tried again must be known by its id. */
static void what_is_stored_twice_is_there_once(void **state)
{
	struct room *room = *state;
	struct intake_result result;
	clear(room);
	add_test(room, 1);
	room->list[0].repeatable = false; /* a message, its own event */
	readings_notice(&room->readings, NOTICE_OVERRUN);
	struct intake_batch *batch = intake_judge(room->intake, &room->reader, &room->instrument, &room->readings);
	assert_int_equal(intake_store(room->intake, batch, &result, &room->fixture->fault), 0);
	assert_int_equal(result.stored, 1);
	assert_int_equal(intake_store(room->intake, batch, &result, &room->fixture->fault), 0);
	assert_int_equal(result.stored, 0);
	assert_int_equal(result.known, 1);
	assert_int_equal(journal_head(room->fixture->journal), 2);
	intake_batch_free(batch);
}

static void nothing_new_costs_no_commit(void **state)
{
	struct room *room = *state;
	struct stat before, after;
	char log[128];
	clear(room);
	assert_int_equal(store(room).stored, 0);
	text_copy(room->readings.cursor, CURSOR_MAX, "7");
	assert_int_equal(store(room).stored, 0); /* the cursor alone is stored: it says what was skipped */
	char cursor[CURSOR_MAX];
	assert_int_equal(journal_cursor(room->fixture->journal, "pr-1", cursor, &room->fixture->fault), 0);
	assert_string_equal(cursor, "7");
	snprintf(log, sizeof(log), "%s-wal", room->fixture->file);
	assert_int_equal(stat(log, &before), 0);
	for (int i = 0; i < 100; i++)
		store(room);
	assert_int_equal(stat(log, &after), 0);
	assert_int_equal(before.st_mtim.tv_sec, after.st_mtim.tv_sec);
	assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
}

static void every_notice_becomes_an_event_of_its_name(void **state)
{
	struct room *room = *state;
	static const char *const names[] = { "missed_results", "undecodable", "counter_restarted", "overrun",
		"instrument_fault" };
	static uint8_t raw[9000];
	memset(raw, 0x5A, sizeof(raw));
	clear(room);
	for (enum notice_kind kind = NOTICE_MISSED_RESULTS; kind <= NOTICE_INSTRUMENT_FAULT; kind++) {
		struct notice *notice = readings_notice(&room->readings, kind);
		if (kind == NOTICE_UNDECODABLE) {
			notice->raw = raw;
			notice->raw_length = sizeof(raw);
		}
	}
	store(room);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		enum entry_kind kind;
		struct json *event = entry_at(room, i + 1, &kind);
		assert_string_equal(js_get_text(event, "event"), names[i]);
		const char *kept = js_get_text(event, "raw");
		if (i == NOTICE_UNDECODABLE) { /* 4 KiB of it, and how much it was */
			assert_int_equal(strlen(kept), 4 * ((4096 + 2) / 3));
			assert_memory_equal(kept, "Wlpa", 4);
			assert_int_equal(js_get_integer(event, "raw_length", 0), sizeof(raw));
		} else {
			assert_null(kept);
		}
		js_free(event);
	}
}

static void the_stations_own_events_carry_their_details(void **state)
{
	struct room *room = *state;
	enum entry_kind kind;
	struct fault *fault = &room->fixture->fault;
	struct json *details = js_new_object();
	js_put_text(details, "reason", "\"no\" answer");
	js_put_integer(details, "seconds", 12);
	assert_int_equal(intake_event(room->intake, "instrument_lost", "pr-1", details, fault), 0);
	assert_int_equal(intake_event(room->intake, "config_changed", NULL, NULL, fault), 0);
	assert_int_equal(intake_event(room->intake, "clock_jump", "", js_new_object(), fault), 0);
	struct json *event = entry_at(room, 1, &kind);
	assert_int_equal(kind, ENTRY_EVENT);
	assert_string_equal(js_get_text(event, "event"), "instrument_lost");
	assert_string_equal(js_get_text(event, "instrument"), "pr-1");
	assert_string_equal(js_get_text(event, "reason"), "\"no\" answer");
	assert_int_equal(js_get_integer(event, "seconds", 0), 12);
	js_free(event);
	event = entry_at(room, 2, &kind);
	assert_string_equal(js_get_text(event, "event"), "config_changed");
	assert_null(js_get(event, "instrument"));
	js_free(event);
	js_free(entry_at(room, 3, &kind));
}

static void a_full_frame_and_all_notices_are_one_transaction(void **state)
{
	struct room *room = *state;
	clear(room);
	for (unsigned i = 0; i < READINGS_AT_ONCE; i++)
		add_test(room, i);
	for (unsigned i = 0; i < NOTICES_MAX; i++)
		readings_notice(&room->readings, NOTICE_OVERRUN);
	uint64_t before = journal_head(room->fixture->journal);
	assert_int_equal(store(room).stored, READINGS_AT_ONCE);
	assert_int_equal(journal_head(room->fixture->journal) - before, READINGS_AT_ONCE + NOTICES_MAX);
}

/* ---- a reload under running lines ---- */

struct worker {
	struct room *room;
	unsigned first;
};

static void *take_results(void *context)
{
	struct worker *worker = context;
	struct reading list[READINGS_AT_ONCE];
	struct intake_result result;
	struct fault fault;
	for (unsigned i = 0; i < 40; i++) {
		struct readings readings = { .list = list };
		struct reading *reading = readings_add(&readings);
		snprintf(reading->instrument_seq, sizeof(reading->instrument_seq), "%u", worker->first + i);
		reading->repeatable = true;
		snprintf(readings.cursor, sizeof(readings.cursor), "%u", i);
		struct intake_batch *batch =
			intake_judge(worker->room->intake, &worker->room->reader, &worker->room->instrument, &readings);
		int error = intake_store(worker->room->intake, batch, &result, &fault);
		intake_batch_free(batch);
		if (error < 0 || result.stored != 1)
			return "a result was not stored";
	}
	return NULL;
}

static void a_reload_does_not_disturb_running_lines(void **state)
{
	struct room *room = *state;
	struct worker workers[3];
	pthread_t threads[3];
	for (unsigned i = 0; i < 3; i++) {
		workers[i] = (struct worker){ room, 1000 * i };
		assert_int_equal(pthread_create(&threads[i], NULL, take_results, &workers[i]), 0);
	}
	for (int i = 0; i < 20; i++) {
		struct config *other = new_station("330421103-01");
		intake_reconfigure(room->intake, other);
		config_release(other); /* the intake holds it now */
	}
	for (unsigned i = 0; i < 3; i++) {
		void *complaint;
		pthread_join(threads[i], &complaint);
		assert_null(complaint);
	}
	intake_reconfigure(room->intake, room->config);
	assert_int_equal(journal_head(room->fixture->journal), 120);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, enter, leave)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(readings_notices_and_cursor_are_stored_together),
		TEST(a_test_read_again_is_known_and_an_equal_one_is_not),
		TEST(a_serial_number_written_later_doubles_nothing),
		TEST(a_new_code_of_the_station_doubles_nothing),
		TEST(messages_are_each_their_own_event),
		TEST(what_is_stored_twice_is_there_once),
		TEST(nothing_new_costs_no_commit),
		TEST(every_notice_becomes_an_event_of_its_name),
		TEST(the_stations_own_events_carry_their_details),
		TEST(a_full_frame_and_all_notices_are_one_transaction),
		TEST(a_reload_does_not_disturb_running_lines),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
