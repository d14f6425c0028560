/* Instruments that do not number their results: what makes a result of what the registers show, and what does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "modbus_fixture.h"

struct line {
	const char *section, *key, *value;
};

enum { READY = 5, LATCHED = 9, VALUE = 20, TIME = 30, REGISTERS = 64 };

/* A meter: registers, and what there is to count. */
struct meter {
	uint16_t registers[REGISTERS];
	bool moving; /* the value changes with every read */
	unsigned silent, reads, writes;
};

struct room {
	struct meter meter;
	struct modbus_profile profile;
	struct instrument instrument;
	struct modbus_state state;
	struct reading list[READINGS_AT_ONCE];
	struct reading kept[32];
	size_t kept_count, notices;
	char cursor[CURSOR_MAX];
	bool lose; /* the next store fails */
};

static struct room *room;

static void set_up(void)
{
	struct fault fault = { "" };
	memcpy(room->instrument.cursor, room->cursor, CURSOR_MAX);
	assert_int_equal(modbus_driver.setup(&room->instrument, &fault), 0);
}

static void begin(const struct line *lines)
{
	struct fault fault = { "" };
	room = calloc(1, sizeof(*room));
	for (; lines->section; lines++)
		if (modbus_profiles.entry(&room->profile, lines->section, lines->key, lines->value, &fault) != 0)
			fail_msg("%s", fault.text);
	if (modbus_profiles.finish(&room->profile, &fault) != 0)
		fail_msg("%s", fault.text);
	room->instrument = (struct instrument){ .driver = &modbus_driver,
		.profile = &room->profile,
		.state = &room->state,
		.now = { 2026, 3, 5, 9, 0, 0 } };
	set_up();
}

static int end(void **state)
{
	(void)state;
	free(room);
	room = NULL;
	return 0;
}

static void answer(const struct request *request, struct reply *reply, uint8_t *bytes)
{
	struct meter *meter = &room->meter;
	*reply = (struct reply){ .kind = REPLY_DONE };
	if (request->kind == REQUEST_NONE)
		return;
	if (meter->silent > 0) {
		meter->silent--;
		reply->kind = REPLY_SILENCE;
		return;
	}
	if (request->kind == REQUEST_WRITE) {
		meter->writes++;
		meter->registers[request->address] = request->registers[0];
		return;
	}
	meter->reads++;
	assert_true(request->address + request->count <= REGISTERS);
	for (size_t i = 0; i < request->count; i++) {
		bytes[2 * i] = (uint8_t)(meter->registers[request->address + i] >> 8);
		bytes[2 * i + 1] = (uint8_t)meter->registers[request->address + i];
	}
	meter->registers[VALUE] = (uint16_t)(meter->registers[VALUE] + meter->moving);
	*reply = (struct reply){
		.kind = REPLY_REGISTERS, .bytes = bytes, .length = 2U * request->count, .count = request->count
	};
}

static void store(const struct readings *readings)
{
	if (room->lose && readings->count > 0) {
		room->lose = false;
		set_up();
		return;
	}
	for (size_t i = 0; i < readings->count; i++)
		room->kept[room->kept_count++] = readings->list[i];
	room->notices += readings->notice_count;
	if (*readings->cursor)
		memcpy(room->cursor, readings->cursor, CURSOR_MAX);
}

static void poll(void)
{
	enum next next = NEXT_ASK;
	for (int turns = 0; next != NEXT_IDLE && turns < 100; turns++) {
		struct request request = { 0 };
		struct reply reply;
		uint8_t bytes[2 * REGISTERS_MAX];
		struct readings readings = { .list = room->list };
		modbus_driver.ask(&room->instrument, &request);
		answer(&request, &reply, bytes);
		next = modbus_driver.take(&room->instrument, &reply, &readings);
		store(&readings);
	}
	assert_int_equal(next, NEXT_IDLE);
}

static void pass(int seconds)
{
	int64_t now = (int64_t)room->instrument.now.hour * 3600 + room->instrument.now.minute * 60 +
	              room->instrument.now.second + seconds;
	room->instrument.now.hour = (int)(now / 3600);
	room->instrument.now.minute = (int)(now / 60 % 60);
	room->instrument.now.second = (int)(now % 60);
}

static const char *said(const struct reading *reading, const char *name)
{
	for (size_t i = 0; i < reading->said_count; i++)
		if (strcmp(reading->said[i].name, name) == 0)
			return reading->said[i].value;
	return "";
}

static const struct line by_ready[] = { { "trigger", "ready", "5 u16 good=3,4" },
	{ "field", "value", "20 u16 scale=/10" }, { NULL, NULL, NULL } };
static const struct line by_timed_ready[] = { { "trigger", "ready", "5 bit1 good=1" }, { "field", "value", "20 u16" },
	{ "field", "time", "30 ymdhms" }, { NULL, NULL, NULL } };
static const struct line by_time[] = { { "trigger", "every", "60s" }, { "field", "value", "20 u16" },
	{ NULL, NULL, NULL } };

static void a_look_is_no_result(void **state)
{
	(void)state;
	begin(by_ready);
	room->meter.registers[VALUE] = 123;
	for (uint16_t code = 0; code < 3; code++) {
		room->meter.registers[READY] = code;
		poll();
	}
	assert_int_equal(room->kept_count, 0);
	assert_int_equal(room->meter.reads, 3); /* of the status only */
}

static void a_result_is_taken_when_it_is_ready_and_once(void **state)
{
	(void)state;
	begin(by_ready);
	room->meter.registers[VALUE] = 123;
	room->meter.registers[READY] = 2;
	poll();
	room->meter.registers[READY] = 3;
	for (int i = 0; i < 5; i++)
		poll();
	assert_int_equal(room->kept_count, 1);
	assert_string_equal(room->kept[0].value, "12.3");
	assert_string_equal(said(&room->kept[0], "trigger"), "3");
	assert_false(room->kept[0].repeatable); /* nothing in it tells it from the next */
}

static void two_alike_are_two_when_the_trigger_came_twice(void **state)
{
	(void)state;
	begin(by_ready);
	room->meter.registers[VALUE] = 123;
	for (int i = 0; i < 3; i++) {
		room->meter.registers[READY] = 3;
		poll();
		room->meter.registers[READY] = 4; /* still ready */
		poll();
		room->meter.registers[READY] = 1;
		poll();
		set_up();
	}
	assert_int_equal(room->kept_count, 3);
}

static void a_restart_while_it_is_shown_does_not_double_it(void **state)
{
	(void)state;
	begin(by_ready);
	room->meter.registers[READY] = 3;
	poll();
	set_up();
	room->meter.registers[VALUE]++; /* perhaps it moves while it is shown: no trigger, no result */
	poll();
	room->meter.silent = 1;
	poll();
	poll();
	assert_int_equal(room->kept_count, 1);
}

static void what_could_not_be_stored_is_read_again(void **state)
{
	(void)state;
	begin(by_ready);
	room->meter.registers[READY] = 3;
	room->lose = true;
	poll();
	poll();
	assert_int_equal(room->kept_count, 1);
}

static void silence_between_trigger_and_reading_costs_nothing(void **state)
{
	(void)state;
	for (unsigned at = 0; at < 3; at++) {
		begin(by_ready);
		poll();
		room->meter.registers[READY] = 3;
		for (unsigned before = 0; before <= at; before++) {
			struct request request = { 0 };
			struct reply reply;
			uint8_t bytes[2 * REGISTERS_MAX];
			struct readings readings = { .list = room->list };
			modbus_driver.ask(&room->instrument, &request);
			room->meter.silent = before == at;
			answer(&request, &reply, bytes);
			modbus_driver.take(&room->instrument, &reply, &readings);
			store(&readings);
		}
		poll();
		poll();
		assert_int_equal(room->kept_count, 1);
		end(state);
	}
}

/* The cycle passed while nobody looked: only the instrument's own time tells. */
static void another_result_standing_there_is_noticed_by_its_time(void **state)
{
	(void)state;
	static const uint16_t time[] = { 2026, 3, 5, 9, 41, 20 };
	begin(by_timed_ready);
	memcpy(&room->meter.registers[TIME], time, sizeof(time));
	room->meter.registers[READY] = 2;
	poll();
	set_up();
	poll();
	assert_int_equal(room->kept_count, 1);
	assert_true(room->kept[0].repeatable);
	room->meter.registers[TIME + 4] = 55;
	set_up();
	poll();
	poll();
	assert_int_equal(room->kept_count, 2);
	assert_string_equal(room->kept[1].tested_at, "2026-03-05T09:55:20");
	assert_string_equal(said(&room->kept[1], "trigger"), "1");
}

static void a_value_that_moves_while_it_is_read_is_told_and_not_taken(void **state)
{
	(void)state;
	begin(by_ready);
	room->meter.registers[READY] = 3;
	room->meter.moving = true;
	for (int i = 0; i < 12; i++)
		poll();
	assert_int_equal(room->kept_count, 0);
	assert_int_equal(room->notices, 1);
}

static void a_latch_is_written_before_the_reading(void **state)
{
	(void)state;
	static const struct line latched[] = { { "trigger", "ready", "5 u16 good=3" }, { "control", "latch", "9 7" },
		{ "field", "value", "20 u16" }, { NULL, NULL, NULL } };
	begin(latched);
	room->meter.registers[READY] = 3;
	poll();
	assert_int_equal(room->kept_count, 1);
	assert_int_equal(room->meter.registers[LATCHED], 7);
	assert_int_equal(room->meter.writes, 1);
}

static void a_place_marked_blank_is_counted_and_not_looked_at_again(void **state)
{
	(void)state;
	static const struct line marked[] = { { "trigger", "ready", "5 u16 good=3" },
		{ "field", "valid", "19 u16 good=1 blank=0" }, { "field", "value", "20 u16" }, { NULL, NULL, NULL } };
	begin(marked);
	room->meter.registers[READY] = 3;
	poll();
	unsigned reads = room->meter.reads;
	poll();
	assert_int_equal(room->kept_count, 0);
	assert_int_equal(room->meter.reads, reads + 1);
}

static void a_log_is_kept_every_so_often(void **state)
{
	(void)state;
	begin(by_time);
	room->meter.moving = true;
	for (int second = 0; second <= 180; second++) {
		poll();
		pass(1);
	}
	assert_int_equal(room->kept_count, 4);
	assert_string_equal(said(&room->kept[0], "trigger"), "every 60s");
	assert_string_equal(room->kept[0].tested_at, "");
	assert_int_equal(room->meter.reads, 4);
}

static void a_restart_keeps_the_period(void **state)
{
	(void)state;
	begin(by_time);
	poll();
	pass(30);
	set_up();
	poll();
	assert_int_equal(room->kept_count, 1);
	pass(30);
	poll();
	assert_int_equal(room->kept_count, 2);
	pass(3600); /* an absence: one reading, not sixty */
	set_up();
	poll();
	poll();
	assert_int_equal(room->kept_count, 3);
}

static void a_station_clock_set_back_does_not_stop_the_log(void **state)
{
	(void)state;
	begin(by_time);
	poll();
	pass(-3600);
	poll();
	assert_int_equal(room->kept_count, 2);
	poll();
	assert_int_equal(room->kept_count, 2);
}

static void the_status_is_heard_between_two_readings_of_a_log(void **state)
{
	(void)state;
	static const struct line with_fault[] = { { "trigger", "every", "1h" }, { "status", "fault", "5 bit0" },
		{ "field", "value", "20 u16" }, { "field", "unit", "is V" }, { NULL, NULL, NULL } };
	begin(with_fault);
	poll();
	room->meter.registers[READY] = 1;
	poll();
	assert_int_equal(room->kept_count, 1);
	assert_int_equal(room->notices, 1);
	assert_string_equal(room->kept[0].unit, "V");
}

#define PROMISE(name) cmocka_unit_test_teardown(name, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PROMISE(a_look_is_no_result),
		PROMISE(a_result_is_taken_when_it_is_ready_and_once),
		PROMISE(two_alike_are_two_when_the_trigger_came_twice),
		PROMISE(a_restart_while_it_is_shown_does_not_double_it),
		PROMISE(what_could_not_be_stored_is_read_again),
		PROMISE(silence_between_trigger_and_reading_costs_nothing),
		PROMISE(another_result_standing_there_is_noticed_by_its_time),
		PROMISE(a_value_that_moves_while_it_is_read_is_told_and_not_taken),
		PROMISE(a_latch_is_written_before_the_reading),
		PROMISE(a_place_marked_blank_is_counted_and_not_looked_at_again),
		PROMISE(a_log_is_kept_every_so_often),
		PROMISE(a_restart_keeps_the_period),
		PROMISE(a_station_clock_set_back_does_not_stop_the_log),
		PROMISE(the_status_is_heard_between_two_readings_of_a_log),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
