/* The modbus driver on captured bytes: frames are cut anywhere, and only whole windows are results. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "../../daemon/json.h"
#include "modbus_fixture.h"

#define FOLDER "tests/captures/modbus/"

static void *shipped;

static int load(void **state)
{
	(void)state;
	shipped = bench_profile("config/profiles/analyzer-a6b.conf");
	return 0;
}

static int unload(void **state)
{
	(void)state;
	free(shipped);
	return 0;
}

static int start(void **state)
{
	*state = bench_new(shipped);
	return 0;
}

static int stop(void **state)
{
	free(*state);
	return 0;
}

/* The bytes of a capture: hexadecimal pairs, comments from # to the end of the line. */
static size_t read_file(const char *path, uint8_t *out, size_t size)
{
	FILE *file = fopen(path, "r");
	char line[1024];
	size_t length = 0;
	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		line[strcspn(line, "#")] = '\0';
		unsigned byte;
		for (int used = 0, at = 0; length < size && sscanf(line + at, "%2x%n", &byte, &used) == 1; at += used)
			out[length++] = (uint8_t)byte;
	}
	fclose(file);
	return length;
}

static void give_frame(struct bench *bench, const uint8_t *frame, size_t length)
{
	struct readings readings = { .list = bench->list };
	struct reply reply = { .kind = REPLY_FRAME, .bytes = frame, .length = length, .offline = true };
	assert_int_equal(modbus_driver.take(&bench->instrument, &reply, &readings), NEXT_WAIT);
	bench_store(bench, &readings);
}

/* Cuts a stream as a line does, given `step` more bytes at a time; the number of bytes that were noise. */
static size_t decode(struct bench *bench, const uint8_t *data, size_t length, size_t step)
{
	size_t at = 0, noise = 0;
	for (size_t known = step < length ? step : length; at < length;) {
		int frame = known > at ? modbus_driver.frame(&bench->instrument, data + at, known - at) : FRAME_MORE;
		if (frame > 0) {
			give_frame(bench, data + at, (size_t)frame);
			at += (size_t)frame;
		} else if (frame == FRAME_MORE && known < length) {
			known = known + step < length ? known + step : length;
		} else {
			at++;
			noise++;
		}
	}
	return noise;
}

static size_t decode_file(struct bench *bench, const char *name, size_t step)
{
	uint8_t data[4096];
	size_t length = read_file(name, data, sizeof(data));
	return decode(bench, data, length, step);
}

/* All captures are of the same result. */
static void assert_result(const struct bench *bench)
{
	assert_int_equal(bench->kept_count, 1);
	const struct reading *reading = &bench->kept[0].reading;
	assert_string_equal(reading->sample_no, "S0017");
	assert_string_equal(reading->sample_name, "菠菜");
	assert_string_equal(reading->item, "101");
	assert_string_equal(reading->value, "12.34");
	assert_string_equal(reading->unit, "%");
	assert_string_equal(reading->tested_at, "2026-03-05T09:41:20");
	assert_string_equal(reading->instrument_seq, "41");
	assert_string_equal(reading->operator_name, "张三");
	assert_string_equal(reading->signals[0].value, "0.801");
	assert_int_equal(reading->kind, KIND_SAMPLE);
	assert_int_equal(reading->verdict, VERDICT_NEGATIVE);
	assert_int_equal(reading->channel, 3);
	assert_int_equal(reading->raw_length, 92);
}

static void a_window_in_factory_order_decodes_by_itself(void **state)
{
	struct bench *bench = *state;
	assert_int_equal(decode_file(bench, FOLDER "a6b-window-abcd.hex", 4096), 0);
	assert_result(bench);
}

static void a_window_in_swapped_order_decodes_with_the_option(void **state)
{
	struct bench *bench = *state;
	bench->options.order = 1 + MODBUS_CDAB;
	assert_int_equal(decode_file(bench, FOLDER "a6b-window-cdab.hex", 4096), 0);
	assert_result(bench);
}

static void a_window_in_swapped_order_decodes_with_its_profile(void **state)
{
	(void)state;
	void *profile = bench_profile("config/profiles/analyzer-a6b-cdab.conf");
	struct bench *bench = bench_new(profile);
	decode_file(bench, FOLDER "a6b-window-cdab.hex", 4096);
	assert_result(bench);
	free(bench);
	free(profile);
}

static void the_wrong_order_gives_no_number(void **state)
{
	struct bench *bench = *state;
	decode_file(bench, FOLDER "a6b-window-cdab.hex", 4096);
	assert_int_equal(bench->kept_count, 1);
	assert_string_equal(bench->kept[0].reading.value, "");
	assert_int_equal(bench_count(bench, NOTICE_INSTRUMENT_FAULT), 1);
}

static void assert_session(struct bench *bench, size_t noise)
{
	assert_int_equal(noise, 3);
	assert_result(bench);
	assert_string_equal(bench->instrument.maker.serial, "SN42");
	assert_int_equal(bench->rejected, 1);
	assert_int_equal(bench->blanks, 1);
	assert_int_equal(bench->notice_count, 1);
	assert_int_equal(bench->notices[0].kind, NOTICE_UNDECODABLE);
}

static void both_directions_of_a_session_give_its_results(void **state)
{
	struct bench *bench = *state;
	assert_session(bench, decode_file(bench, FOLDER "a6b-session.hex", 4096));
	assert_int_equal(bench->notices[0].raw_length, 97);
}

static void a_session_cut_anywhere_gives_the_same(void **state)
{
	(void)state;
	for (size_t step = 1; step < 120; step++) {
		struct bench *bench = bench_new(shipped);
		assert_session(bench, decode_file(bench, FOLDER "a6b-session.hex", step));
		free(bench);
	}
}

static void noise_between_frames_costs_no_frame(void **state)
{
	(void)state;
	static const uint8_t noises[] = { 0x00, 0x01, 0x03, 0x10, 0x7E, 0x83, 0xFF };
	uint8_t window[128], data[256];
	size_t length = read_file(FOLDER "a6b-window-abcd.hex", window, sizeof(window));
	for (size_t kind = 0; kind < sizeof(noises); kind++) {
		for (size_t count = 1; count < 8; count++) {
			struct bench *bench = bench_new(shipped);
			memset(data, noises[kind], count);
			memcpy(data + count, window, length);
			assert_int_equal(decode(bench, data, count + length, 4096), count);
			assert_int_equal(bench->kept_count, 1);
			free(bench);
		}
	}
}

static void real_frames_are_cut_whole(void **state)
{
	struct bench *bench = *state;
	uint8_t data[4096];
	size_t length = read_file(FOLDER "rtu-frames.hex", data, sizeof(data)), at = 0, frames = 0;
	for (; at < length; frames++) {
		uint8_t *frame = data + at;
		int cut = modbus_driver.frame(&bench->instrument, frame, length - at);
		assert_true(cut > 0);
		for (size_t part = 1; part < (size_t)cut; part++)
			assert_int_equal(modbus_driver.frame(&bench->instrument, frame, part), FRAME_MORE);
		frame[cut / 2] ^= 0x10;
		assert_true(modbus_driver.frame(&bench->instrument, frame, (size_t)cut) <= 0);
		frame[cut / 2] ^= 0x10;
		give_frame(bench, frame, (size_t)cut);
		at += (size_t)cut;
	}
	assert_int_equal(frames, 102);
	assert_int_equal(bench->kept_count, 0); /* another instrument's registers are not our results */
}

static float float_of(const struct json *registers, size_t at)
{
	uint32_t bits =
		(uint32_t)js_integer_of(js_at(registers, at)) << 16 | (uint32_t)js_integer_of(js_at(registers, at + 1));
	float number;
	memcpy(&number, &bits, sizeof(number));
	return number;
}

static float named(const struct named *list, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(list[i].name, name) == 0)
			return strtof(list[i].value, NULL);
	return 0; /* not said: alarm and error when there is none */
}

static void assert_flow(const struct reading *reading, const struct json *registers)
{
	static const char *const signals[] = { "temperature", "total", "setpoint", "analog_input", "valve" };
	assert_true(strtof(reading->value, NULL) == float_of(registers, 0));
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		assert_true(
			named(reading->signals, reading->signal_count, signals[i]) == float_of(registers, 2 * i + 2));
	assert_true(named(reading->said, reading->said_count, "alarm") == (float)js_integer_of(js_at(registers, 12)));
	assert_true(named(reading->said, reading->said_count, "hardware_error") ==
		    (float)js_integer_of(js_at(registers, 13)));
	assert_true(named(reading->said, reading->said_count, "control") == (float)js_integer_of(js_at(registers, 14)));
}

/* What others read in the captures: a row for each answer; those of the first 15 registers are readings of ours. */
static void a_real_meter_says_what_others_read_in_it(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		size_t readings;
	} captures[] = { { "redy-0", 12 }, { "redy-15", 21 }, { "redy-20", 11 } };
	for (size_t i = 0; i < sizeof(captures) / sizeof(captures[0]); i++) {
		void *profile = bench_profile("config/profiles/flow-redy-smart.conf");
		struct bench *bench = bench_new(profile);
		char path[128], line[1024];
		size_t rows = 0;
		snprintf(path, sizeof(path), FOLDER "%s.hex", captures[i].name);
		assert_int_equal(decode_file(bench, path, 4096), 0); /* no byte is noise */
		snprintf(path, sizeof(path), FOLDER "%s.expected.jsonl", captures[i].name);
		FILE *file = fopen(path, "r");
		assert_non_null(file);
		while (fgets(line, sizeof(line), file)) {
			struct fault fault = { "" };
			struct json *row = js_parse(line, strlen(line), &fault);
			const struct json *registers = js_get(row, "regs");
			if (registers && js_count(registers) == 15)
				assert_flow(&bench->kept[rows++].reading, registers);
			js_free(row);
		}
		fclose(file);
		assert_int_equal(rows, captures[i].readings);
		assert_int_equal(bench->kept_count, rows);
		free(bench);
		free(profile);
	}
}

static void junk_is_no_frame(void **state)
{
	struct bench *bench = *state;
	assert_int_equal(modbus_driver.frame(&bench->instrument, (const uint8_t *)"\xF8\x03", 2), FRAME_NONE);
	assert_int_equal(modbus_driver.frame(&bench->instrument, (const uint8_t *)"\x01\x2B", 2), FRAME_NONE);
	assert_int_equal(modbus_driver.frame(&bench->instrument, (const uint8_t *)"\x01", 1), FRAME_MORE);
	assert_int_equal(
		modbus_driver.frame(&bench->instrument, (const uint8_t *)"\x01\x83\x02\x00\x00", 5), FRAME_NONE);
	give_frame(bench, (const uint8_t *)"\x01", 1);
	give_frame(bench, (const uint8_t *)"\x01\x03\x04\x00\x00\x00\x00", 7); /* shorter than it says */
	assert_int_equal(bench->kept_count + bench->notice_count, 0);
}

#define PROMISE(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PROMISE(a_window_in_factory_order_decodes_by_itself),
		PROMISE(a_window_in_swapped_order_decodes_with_the_option),
		PROMISE(a_window_in_swapped_order_decodes_with_its_profile),
		PROMISE(the_wrong_order_gives_no_number),
		PROMISE(both_directions_of_a_session_give_its_results),
		PROMISE(a_session_cut_anywhere_gives_the_same),
		PROMISE(noise_between_frames_costs_no_frame),
		PROMISE(real_frames_are_cut_whole),
		PROMISE(a_real_meter_says_what_others_read_in_it),
		PROMISE(junk_is_no_frame),
	};
	return cmocka_run_group_tests(tests, load, unload);
}
