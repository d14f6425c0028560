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

static size_t read_file(const char *path, uint8_t *out, size_t size)
{
	FILE *file = fopen(path, "rb");
	assert_non_null(file);
	size_t length = fread(out, 1, size, file);
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

/* The words of a reading that identify it, as the expectation beside the capture has them. */
static void assert_expected(const struct reading *reading, const char *path)
{
	char text[1024];
	size_t length = read_file(path, (uint8_t *)text, sizeof(text));
	struct fault fault = { "" };
	struct json *expected = js_parse(text, length, &fault);
	assert_non_null(expected);
	const struct {
		const char *key, *value;
	} words[] = {
		{ "sample_no", reading->sample_no },
		{ "sample_name", reading->sample_name },
		{ "item", reading->item },
		{ "value", reading->value },
		{ "qualifier", reading->qualifier },
		{ "unit", reading->unit },
		{ "verdict", verdict_name(reading->verdict) },
		{ "tested_at", reading->tested_at },
		{ "kind", kind_name(reading->kind) },
		{ "instrument_seq", reading->instrument_seq },
		{ "operator_name", reading->operator_name },
	};
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		assert_string_equal(words[i].value, js_get_text(expected, words[i].key));
	assert_int_equal(reading->channel, js_get_integer(expected, "channel", -1));
	js_free(expected);
}

static void a_window_in_factory_order_decodes_by_itself(void **state)
{
	struct bench *bench = *state;
	assert_int_equal(decode_file(bench, FOLDER "a6b-window-abcd.bin", 4096), 0);
	assert_int_equal(bench->kept_count, 1);
	assert_expected(&bench->kept[0].reading, FOLDER "a6b-window-abcd.expected.jsonl");
	assert_string_equal(bench->kept[0].reading.signals[0].value, "0.801");
	assert_int_equal(bench->kept[0].reading.raw_length, 92);
}

static void a_window_in_swapped_order_decodes_with_the_option(void **state)
{
	struct bench *bench = *state;
	bench->options.order = 1 + MODBUS_CDAB;
	assert_int_equal(decode_file(bench, FOLDER "a6b-window-cdab.bin", 4096), 0);
	assert_int_equal(bench->kept_count, 1);
	assert_expected(&bench->kept[0].reading, FOLDER "a6b-window-cdab.expected.jsonl");
}

static void a_window_in_swapped_order_decodes_with_its_profile(void **state)
{
	(void)state;
	void *profile = bench_profile("config/profiles/analyzer-a6b-cdab.conf");
	struct bench *bench = bench_new(profile);
	decode_file(bench, FOLDER "a6b-window-cdab.bin", 4096);
	assert_int_equal(bench->kept_count, 1);
	assert_expected(&bench->kept[0].reading, FOLDER "a6b-window-cdab.expected.jsonl");
	free(bench);
	free(profile);
}

static void the_wrong_order_gives_no_number(void **state)
{
	struct bench *bench = *state;
	decode_file(bench, FOLDER "a6b-window-cdab.bin", 4096);
	assert_int_equal(bench->kept_count, 1);
	assert_string_equal(bench->kept[0].reading.value, "");
	assert_int_equal(bench_count(bench, NOTICE_INSTRUMENT_FAULT), 1);
}

static void assert_session(struct bench *bench, size_t noise)
{
	assert_int_equal(noise, 3);
	assert_int_equal(bench->kept_count, 1);
	assert_expected(&bench->kept[0].reading, FOLDER "a6b-session.expected.jsonl");
	assert_string_equal(bench->instrument.maker.serial, "SN42");
	assert_int_equal(bench->rejected, 1);
	assert_int_equal(bench->blanks, 1);
	assert_int_equal(bench->notice_count, 1);
	assert_int_equal(bench->notices[0].kind, NOTICE_UNDECODABLE);
}

static void both_directions_of_a_session_give_its_results(void **state)
{
	struct bench *bench = *state;
	assert_session(bench, decode_file(bench, FOLDER "a6b-session.bin", 4096));
	assert_int_equal(bench->notices[0].raw_length, 97);
}

static void a_session_cut_anywhere_gives_the_same(void **state)
{
	(void)state;
	for (size_t step = 1; step < 120; step++) {
		struct bench *bench = bench_new(shipped);
		assert_session(bench, decode_file(bench, FOLDER "a6b-session.bin", step));
		free(bench);
	}
}

static void noise_between_frames_costs_no_frame(void **state)
{
	(void)state;
	static const uint8_t noises[] = { 0x00, 0x01, 0x03, 0x10, 0x7E, 0x83, 0xFF };
	uint8_t window[128], data[256];
	size_t length = read_file(FOLDER "a6b-window-abcd.bin", window, sizeof(window));
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
	FILE *file = fopen(FOLDER "rtu-frames.hex", "r");
	char line[1024];
	size_t frames = 0;
	assert_non_null(file);
	for (; fgets(line, sizeof(line), file); frames++) {
		uint8_t frame[256];
		size_t length = strcspn(line, "\n") / 2;
		for (size_t i = 0; i < length; i++) {
			char pair[3] = { line[2 * i], line[2 * i + 1], '\0' };
			frame[i] = (uint8_t)strtoul(pair, NULL, 16);
		}
		assert_int_equal(modbus_driver.frame(&bench->instrument, frame, length), length);
		for (size_t part = 1; part < length; part++)
			assert_int_equal(modbus_driver.frame(&bench->instrument, frame, part), FRAME_MORE);
		frame[length / 2] ^= 0x10;
		assert_true(modbus_driver.frame(&bench->instrument, frame, length) <= 0);
		frame[length / 2] ^= 0x10;
		give_frame(bench, frame, length);
	}
	fclose(file);
	assert_int_equal(frames, 102);
	assert_int_equal(bench->kept_count, 0); /* another instrument's registers are not our results */
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
		PROMISE(junk_is_no_frame),
	};
	return cmocka_run_group_tests(tests, load, unload);
}
