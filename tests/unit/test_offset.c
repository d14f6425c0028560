/* An app that displays something else than its sensor measured is found out, and an honest one is not accused.
 *
 * The simulated instruments finish tests whose displayed inhibition has a random amount added (--app-offset), as
 * published vendor source of 2026-04 does; their own registers and groups go through the real drivers and the real
 * judge. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "../../daemon/items.h"
#include "../../daemon/judge.h"
#include "../../daemon/profile.h"
#include "../../daemon/redecode_parts.h"
#include "../../drivers/dump8.h"
#include "../../drivers/modbus.h"

/* Both sides call theirs `struct instrument`, and two of the simulators have a put_float(). */
#define instrument simulated
#include "../sim/a6b.c"
#include "../sim/dice.c"
#define put_float put_group_float
#include "../sim/dump8.c"
#undef put_float
#include "../sim/instrument.c"
#include "../sim/label.c"
#include "../sim/memory.c"
#include "../sim/produce.c"
#include "../sim/truth.c"
#undef instrument

extern const struct driver modbus_driver, dump8_driver;

#define TESTS_WANTED 1000

static struct config station;

static struct tally {
	unsigned tests, over, over_flagged, honest_flagged; /* over: offsets of more than 0.5 points */
	unsigned far, far_flagged;                          /* over 0.9 points */
} tally;

/* ---- the judge ---- */

static int32_t hundredths(const struct result *result)
{
	int32_t offset = result->decimals == 1 ? 10 * result->app_offset : result->app_offset;
	return offset < 0 ? -offset : offset;
}

static void judge_one(const struct driver *driver, const struct reading *reading, const struct result *result)
{
	struct instrument_config config = { .id = "an-1", .driver = driver, .profile_name = "analyzer-a6b" };
	struct reception reception = { .received_ms = (int64_t)time(NULL) * 1000, .clock_synced = true };
	struct judgement judgement;
	if (reading->kind != KIND_SAMPLE || strcmp(reading->unit, "%") != 0 || result->verdict == RESULT_INVALID)
		return;
	judge(&station, &config, reading, &reception, &judgement);
	bool flagged = judgement_has(&judgement, "inhibition_disagrees");
	int32_t offset = hundredths(result);
	assert_non_null(judgement.item);
	assert_string_equal(judgement.item->code, "PR-OPCB");
	assert_true(judgement.compared);
	if (offset == 0) {
		tally.tests++;
		tally.honest_flagged += flagged;
	}
	if (offset > 50) {
		tally.over++;
		tally.over_flagged += flagged;
	}
	if (offset > 90) {
		tally.far++;
		tally.far_flagged += flagged;
	}
}

/* ---- the analyzer, register by register through the modbus driver ---- */

static struct reading list[READINGS_AT_ONCE];

static void answer(struct simulated *analyzer, const struct request *request, struct reply *reply)
{
	static uint16_t registers[REGISTERS_MAX];
	static uint8_t bytes[2 * REGISTERS_MAX];
	enum modbus_exception exception = MODBUS_FINE;
	*reply = (struct reply){ .kind = REPLY_DONE };
	if (request->kind == REQUEST_WRITE)
		exception = a6b_write(analyzer, request->address, request->count, request->registers);
	else if (request->kind == REQUEST_READ)
		exception = a6b_read(analyzer, request->address, request->count, registers);
	if (exception != MODBUS_FINE) {
		reply->kind = REPLY_REFUSED;
		reply->exception = (int)exception;
	} else if (request->kind == REQUEST_READ) {
		for (size_t i = 0; i < request->count; i++) {
			bytes[2 * i] = (uint8_t)(registers[i] >> 8);
			bytes[2 * i + 1] = (uint8_t)registers[i];
		}
		*reply = (struct reply){ .kind = REPLY_REGISTERS,
			.registers = registers,
			.count = request->count,
			.bytes = bytes,
			.length = 2U * request->count };
	}
}

/* Polls until there is nothing more; `results` are those the analyzer has finished since, by running number. */
static void poll(struct instrument *instrument, struct simulated *analyzer, const struct result *result)
{
	enum next next = NEXT_ASK;
	for (unsigned turns = 0; next != NEXT_IDLE; turns++) {
		struct request request = { 0 };
		struct reply reply;
		struct readings readings = { .list = list };
		instrument->driver->ask(instrument, &request);
		answer(analyzer, &request, &reply);
		next = instrument->driver->take(instrument, &reply, &readings);
		for (size_t i = 0; i < readings.count; i++) {
			assert_int_equal(strtoul(list[i].instrument_seq, NULL, 10), result->number);
			judge_one(instrument->driver, &list[i], result);
		}
		if (*readings.cursor)
			snprintf(instrument->cursor, CURSOR_MAX, "%s", readings.cursor);
		assert_true(turns < 100);
	}
}

static void run_analyzer(double points)
{
	struct options options = { .archetype = ARCHETYPE_A6B,
		.capacity = 500,
		.results = -1,
		.rate = 1,
		.burst = 1,
		.first_number = 1,
		.seed = 20260305,
		.app_offset = points };
	struct modbus_options modbus = { .acknowledge = true };
	struct faults faults = { 0 };
	struct simulated analyzer;
	struct instrument instrument = { .driver = &modbus_driver, .options = &modbus };
	struct fault fault;
	void *profile = NULL;
	assert_int_equal(profile_read("config/profiles/analyzer-a6b.conf", &modbus_driver, &profile, &faults), 0);
	instrument.profile = profile;
	instrument.state = calloc(1, driver_state_size(&modbus_driver, profile));
	assert_int_equal(modbus_driver.setup(&instrument, &fault), 0);
	instrument_start(&analyzer, &options, 0, 1, 0);
	tally = (struct tally){ 0 };
	while ((points > 0 ? tally.over : tally.tests) < TESTS_WANTED) {
		instrument_finish_batch(&analyzer, -1);
		poll(&instrument, &analyzer, &analyzer.previous);
	}
	instrument_free(&analyzer);
	free(instrument.state);
	free(profile);
}

/* ---- the enzyme reader, group by group ---- */

struct group {
	const struct result *results[DUMP8_WELLS_MAX];
	size_t count;
};

static void judge_group(void *context, const struct instrument *instrument, const struct readings *readings)
{
	const struct group *group = context;
	assert_int_equal(readings->count, group->count);
	for (size_t i = 0; i < readings->count; i++)
		judge_one(instrument->driver, &readings->list[i], group->results[i]);
}

static void run_reader(double points)
{
	struct options options = { .archetype = ARCHETYPE_A1,
		.capacity = 8,
		.results = -1,
		.rate = 1,
		.burst = 8,
		.controls = 0.1, /* the first well of each group */
		.first_number = 1,
		.seed = 20260305,
		.app_offset = points };
	struct dump8_options dump8 = { .control_channel = 1 };
	struct instrument_config config = { .id = "pr-1", .driver = &dump8_driver, .options = &dump8 };
	struct simulated reader;
	instrument_start(&reader, &options, 0, 1, 0);
	tally = (struct tally){ 0 };
	while ((points > 0 ? tally.over : tally.tests) < TESTS_WANTED) {
		uint8_t bytes[DUMP8_GROUP_MAX];
		struct group group = { .count = 0 };
		struct reading before = { 0 };
		instrument_finish_batch(&reader, -1);
		for (; group.count < 8; group.count++)
			group.results[group.count] = memory_at(&reader.memory, group.count);
		dump8.layout = DUMP8_8;
		size_t length = dump8_group(&options, group.results, group.count, bytes);
		redecode_raw(&config, &before, &(struct date_time){ 2026, 3, 5, 9, 43, 2 }, bytes, length, judge_group,
			&group);
	}
	instrument_free(&reader);
}

/* ---- the promises ---- */

static void an_analyzers_random_offset_is_found(void **state)
{
	(void)state;
	run_analyzer(5);
	print_message("analyzer: %u of %u offsets over 0.5 points flagged\n", tally.over_flagged, tally.over);
	assert_true(100 * tally.over_flagged >= 99 * tally.over);
	assert_int_equal(tally.far_flagged, tally.far);
}

static void an_honest_analyzer_is_not_accused(void **state)
{
	(void)state;
	run_analyzer(0);
	assert_true(tally.tests >= TESTS_WANTED);
	assert_int_equal(tally.honest_flagged, 0);
}

/* It tells its values to a tenth of a point and cuts the rest off: what is hardly over 0.5 points may hide in that. */
static void a_readers_random_offset_is_found(void **state)
{
	(void)state;
	run_reader(5);
	print_message("reader: %u of %u offsets over 0.5 points flagged\n", tally.over_flagged, tally.over);
	assert_true(100 * tally.over_flagged >= 98 * tally.over);
	assert_int_equal(tally.far_flagged, tally.far);
}

static void an_honest_reader_is_not_accused(void **state)
{
	(void)state;
	run_reader(0);
	assert_true(tally.tests >= TESTS_WANTED);
	assert_int_equal(tally.honest_flagged, 0);
}

static int prepare(void **state)
{
	struct faults faults = { 0 };
	(void)state;
	setenv("TZ", "Asia/Shanghai", 1);
	tzset();
	return items_load("config/items.csv", &station.items, &faults);
}

static int tidy(void **state)
{
	(void)state;
	items_free(station.items);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_analyzers_random_offset_is_found),
		cmocka_unit_test(an_honest_analyzer_is_not_accused),
		cmocka_unit_test(a_readers_random_offset_is_found),
		cmocka_unit_test(an_honest_reader_is_not_accused),
	};
	return cmocka_run_group_tests(tests, prepare, tidy);
}
