/* The simulated A6b analyzer: its registers, word for word, and its manners; and the A6a oil tester's pages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "../sim/a6a.c"
#include "../sim/a6b.c"
#include "../sim/dice.c"
#include "../sim/instrument.c"
#include "../sim/label.c"
#include "../sim/memory.c"
#include "../sim/modbus.c"
#include "../sim/produce.c"
#include "../sim/truth.c"

static const struct result spinach = { .number = 41,
	.tested = { 2026, 3, 5, 9, 41, 20 },
	.channel = 3,
	.item = 101,
	.value = 1234,
	.decimals = 2,
	.unit = 1,
	.verdict = RESULT_NEGATIVE,
	.signal = 801,
	.control = 914,
	.name = "菠菜",
	.operator_name = "张三",
	.sample_no = "S0017" };

static struct options options;
static struct instrument analyzer;

static int fresh(void **state)
{
	(void)state;
	instrument_free(&analyzer);
	options = (struct options){ .archetype = ARCHETYPE_A6B,
		.capacity = 500,
		.results = -1,
		.rate = 1,
		.burst = 1,
		.first_number = 1,
		.seed = 7 };
	instrument_start(&analyzer, &options, 0, 1, 0);
	return 0;
}

/* Sends an RTU request and compares the whole answer. */
static void dialogue(const char *request, size_t request_length, const char *expected, size_t expected_length)
{
	uint8_t pdu[MODBUS_PDU_MAX], frame[MODBUS_RTU_MAX];
	const uint8_t *bytes = (const uint8_t *)request;

	assert_int_equal(modbus_rtu_frame(bytes, request_length), (int)request_length);
	size_t length = modbus_answer(&analyzer, bytes + 1, request_length - 3, pdu);
	length = modbus_rtu_wrap(bytes[0], pdu, length, frame);
	assert_int_equal(length, expected_length);
	assert_memory_equal(frame, expected, length);
}
#define DIALOGUE(request, expected) dialogue(request, sizeof(request) - 1, expected, sizeof(expected) - 1)

static const char read_window_request[] = "\x01\x03\x01\x00\x00\x2E\xC4\x2A";
static const char window_abcd[] =
	"\x01\x03\x5C\x00\x01\x00\x00\x00\x29\x00\x03\x00\x65\x00\x00\x07\xEA\x00\x03\x00\x05\x00\x09\x00\x29\x00\x14\x00\x01"
	"\x41\x45\x70\xA4\x00\x01\x00\x01\x3F\x4D\x0E\x56\x3F\x69\xFB\xE7\x00\x00\x53\x30\x30\x31\x37\x00\x00\x00\x00\x00\x00"
	"\x00\x00\x00\x00\x00\xB2\xA4\xB2\xCB\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xD5\xC5\xC8\xFD"
	"\x00\x00\x00\x00\x00\x00\xF7\x08\xC2\x48";
static const char window_cdab[] =
	"\x01\x03\x5C\x00\x01\x00\x00\x00\x29\x00\x03\x00\x65\x00\x00\x07\xEA\x00\x03\x00\x05\x00\x09\x00\x29\x00\x14\x00\x01"
	"\x70\xA4\x41\x45\x00\x01\x00\x01\x0E\x56\x3F\x4D\xFB\xE7\x3F\x69\x00\x00\x53\x30\x30\x31\x37\x00\x00\x00\x00\x00\x00"
	"\x00\x00\x00\x00\x00\xB2\xA4\xB2\xCB\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xD5\xC5\xC8\xFD"
	"\x00\x00\x00\x00\x00\x00\x52\xA4\xC2\x48";

static void keep_numbers(uint32_t first, uint32_t last)
{
	struct result result = spinach;

	for (uint32_t number = first; number != last + 1; number++) {
		result.number = number;
		keep(&analyzer, &result);
	}
	analyzer.next_number = last + 1;
}

static enum modbus_exception write_register(unsigned address, uint16_t value)
{
	return a6b_write(&analyzer, address, 1, &value);
}

static enum modbus_exception select_and(uint32_t number, uint16_t what)
{
	const uint16_t selected[] = { (uint16_t)number, (uint16_t)(number >> 16) };

	assert_int_equal(a6b_write(&analyzer, 0x20, 2, selected), MODBUS_FINE);
	return write_register(0x22, what);
}

static const uint16_t *window(void)
{
	static uint16_t registers[A6B_WINDOW_LENGTH];

	assert_int_equal(a6b_read(&analyzer, 0x100, A6B_WINDOW_LENGTH, registers), MODBUS_FINE);
	return registers;
}

static uint16_t register_at(unsigned address)
{
	uint16_t value;

	assert_int_equal(a6b_read(&analyzer, address, 1, &value), MODBUS_FINE);
	return value;
}

static void the_dialogue_is_the_published_one(void **state)
{
	static const uint16_t clock[] = { 2026, 3, 5, 9, 45, 2 };

	(void)state;
	keep_numbers(40, 42);
	assert_true(instrument_set_clock(&analyzer, clock));
	DIALOGUE("\x01\x03\x00\x12\x00\x0E\x64\x0B",
		"\x01\x03\x1C\x00\x04\x00\x0C\x01\xF4\x00\x03\x00\x00\x00\x28\x00\x00\x00\x2A\x07\xEA\x00\x03\x00\x05\x00\x09\x00\x2D"
		"\x00\x02\xFC\xDF");
	DIALOGUE("\x01\x06\x00\x20\x00\x29\x49\xDE", "\x01\x06\x00\x20\x00\x29\x49\xDE");
	DIALOGUE("\x01\x06\x00\x22\x00\x01\xE8\x00", "\x01\x06\x00\x22\x00\x01\xE8\x00");
	dialogue(read_window_request, 8, window_abcd, sizeof window_abcd - 1);
	options.low_word_first = true;
	assert_int_equal(select_and(41, COMMAND_LATCH), MODBUS_FINE);
	dialogue(read_window_request, 8, window_cdab, sizeof window_cdab - 1);
}

static void registers_outside_the_map_are_refused(void **state)
{
	uint16_t registers[125];

	(void)state;
	assert_int_equal(a6b_read(&analyzer, 0x00, 0x23, registers), MODBUS_FINE);
	assert_int_equal(a6b_read(&analyzer, 0x00, 0x24, registers), MODBUS_ILLEGAL_ADDRESS);
	assert_int_equal(a6b_read(&analyzer, 0x27, 1, registers), MODBUS_ILLEGAL_ADDRESS);
	assert_int_equal(a6b_read(&analyzer, 0x28, 6, registers), MODBUS_FINE);
	assert_int_equal(a6b_read(&analyzer, 0x28, 7, registers), MODBUS_ILLEGAL_ADDRESS);
	assert_int_equal(a6b_read(&analyzer, 0xFF, 2, registers), MODBUS_ILLEGAL_ADDRESS);
	assert_int_equal(a6b_read(&analyzer, 0x100, 47, registers), MODBUS_ILLEGAL_ADDRESS);
	assert_int_equal(a6b_read(&analyzer, 0xFFFF, 1, registers), MODBUS_ILLEGAL_ADDRESS);
	assert_int_equal(write_register(0x12, 1), MODBUS_ILLEGAL_ADDRESS);
	assert_int_equal(write_register(0x100, 1), MODBUS_ILLEGAL_ADDRESS);
	DIALOGUE("\x01\x03\x00\x30\x00\x01\x84\x05", "\x01\x83\x02\xC0\xF1");
}

static void bad_counts_and_functions_are_refused(void **state)
{
	uint8_t out[MODBUS_PDU_MAX];

	(void)state;
	assert_int_equal(modbus_answer(&analyzer, (const uint8_t[]){ 3, 0, 0, 0, 0 }, 5, out), 2);
	assert_memory_equal(out, "\x83\x03", 2);
	assert_int_equal(modbus_answer(&analyzer, (const uint8_t[]){ 3, 1, 0, 0, 126 }, 5, out), 2);
	assert_memory_equal(out, "\x83\x03", 2);
	assert_int_equal(modbus_answer(&analyzer, (const uint8_t[]){ 3, 1, 0 }, 3, out), 2);
	assert_memory_equal(out, "\x83\x03", 2);
	assert_int_equal(modbus_answer(&analyzer, (const uint8_t[]){ 16, 0, 0x20, 0, 2, 3, 0, 0, 0 }, 9, out), 2);
	assert_memory_equal(out, "\x90\x03", 2);
	assert_int_equal(modbus_answer(&analyzer, (const uint8_t[]){ 16, 0, 0x20, 0, 1, 4, 0, 0, 0, 0 }, 10, out), 2);
	assert_memory_equal(out, "\x90\x03", 2);
	assert_int_equal(modbus_answer(&analyzer, (const uint8_t[]){ 4, 0, 0, 0, 1 }, 5, out), 2);
	assert_memory_equal(out, "\x84\x01", 2);
	assert_int_equal(write_register(0x22, 9), MODBUS_ILLEGAL_VALUE);
}

static void acknowledging_erases_up_to_the_selected(void **state)
{
	(void)state;
	keep_numbers(10, 14);
	assert_int_equal(select_and(12, COMMAND_ACKNOWLEDGE), MODBUS_FINE);
	assert_int_equal(register_at(0x15), 2);
	assert_int_equal(register_at(0x17), 13);
	assert_int_equal(select_and(11, COMMAND_LATCH), MODBUS_ILLEGAL_VALUE);
	assert_int_equal(select_and(12, COMMAND_ACKNOWLEDGE), MODBUS_FINE); /* said twice */
	assert_int_equal(register_at(0x15), 2);
	assert_int_equal(select_and(14, COMMAND_ACKNOWLEDGE), MODBUS_FINE);
	assert_int_equal(register_at(0x15), 0);
	assert_int_equal(register_at(0x17), 15);
	assert_int_equal(register_at(0x19), 14);
}

static void new_data_ends_when_the_window_is_read(void **state)
{
	(void)state;
	assert_int_equal(register_at(0x12) & STATUS_NEW_DATA, 0);
	keep_numbers(1, 1);
	assert_int_equal(register_at(0x12) & STATUS_NEW_DATA, STATUS_NEW_DATA);
	window();
	assert_int_equal(register_at(0x12) & STATUS_NEW_DATA, 0);
}

static void a_full_memory_loses_the_oldest_and_says_so(void **state)
{
	(void)state;
	analyzer.memory.capacity = 5;
	keep_numbers(1, 5);
	assert_int_equal(register_at(0x12) & STATUS_OVERRUN, 0);
	keep_numbers(6, 7);
	assert_int_equal(register_at(0x12) & STATUS_OVERRUN, STATUS_OVERRUN);
	assert_int_equal(register_at(0x17), 3);
	assert_int_equal(register_at(0x15), 5);
	assert_int_equal(select_and(2, COMMAND_LATCH), MODBUS_ILLEGAL_VALUE);
	assert_int_equal(select_and(3, COMMAND_LATCH), MODBUS_FINE);
	assert_int_equal(window()[2], 3);
}

static void numbers_wrap_at_two_to_the_thirty_second(void **state)
{
	(void)state;
	keep_numbers(0xFFFFFFFE, 1);
	assert_int_equal(register_at(0x15), 4);
	assert_int_equal((uint32_t)register_at(0x16) << 16 | register_at(0x17), 0xFFFFFFFE);
	assert_int_equal(register_at(0x19), 1);
	assert_int_equal(select_and(0, COMMAND_LATCH), MODBUS_FINE);
	assert_int_equal(window()[2], 0);
	assert_int_equal(select_and(0xFFFFFFFF, COMMAND_ACKNOWLEDGE), MODBUS_FINE);
	assert_int_equal(register_at(0x15), 2);
}

static void a_busy_instrument_refuses_commands(void **state)
{
	(void)state;
	keep_numbers(1, 1);
	options.busy = 1;
	assert_int_equal(select_and(1, COMMAND_LATCH), MODBUS_BUSY);
	assert_int_equal(select_and(1, COMMAND_ACKNOWLEDGE), MODBUS_BUSY);
	assert_int_equal(register_at(0x15), 1);
}

static void a_torn_window_lacks_its_checksum(void **state)
{
	uint16_t registers[A6B_WINDOW_LENGTH];

	(void)state;
	keep_numbers(1, 2);
	assert_int_equal(select_and(1, COMMAND_LATCH), MODBUS_FINE);
	options.torn = 1;
	memcpy(registers, window(), sizeof registers);
	assert_int_not_equal(registers[WINDOW_CRC], window_crc(registers));
	assert_int_equal(select_and(2, COMMAND_LATCH), MODBUS_FINE);
	memcpy(registers, window(), sizeof registers);
	assert_int_not_equal(registers[WINDOW_CRC], window_crc(registers));
	options.torn = 0;
	memcpy(registers, window(), sizeof registers);
	assert_int_equal(registers[WINDOW_CRC], window_crc(registers));
	assert_int_equal(registers[2], 2);
}

static void blank_wells_take_a_number_and_hold_nothing(void **state)
{
	(void)state;
	options.blank_wells = 0.5;
	for (int i = 0; i < 50; i++)
		instrument_finish_batch(&analyzer, -1);
	unsigned blank = 0;
	for (uint32_t number = 1; number < analyzer.next_number; number++) {
		assert_int_equal(select_and(number, COMMAND_LATCH), MODBUS_FINE);
		const uint16_t *shown = window();
		assert_int_equal(shown[2], number);
		assert_int_equal(shown[WINDOW_CRC], window_crc(shown));
		blank += shown[0] == 0xFFFF;
	}
	assert_int_equal(analyzer.finished, 50);
	assert_int_equal(analyzer.next_number - 1, 50 + blank);
	assert_in_range(blank, 5, 45);
}

static void the_first_place_is_a_dummy_until_the_memory_wraps(void **state)
{
	(void)state;
	options.first_dummy = true;
	options.capacity = 3;
	instrument_start(&analyzer, &options, 0, 1, 0);
	instrument_finish_batch(&analyzer, -1);
	assert_int_equal(register_at(0x15), 2);
	assert_int_equal(select_and(1, COMMAND_LATCH), MODBUS_FINE);
	for (size_t i = 0; i < A6B_WINDOW_LENGTH; i++)
		assert_int_equal(window()[i], 0xFFFF);
	instrument_finish_batch(&analyzer, -1);
	instrument_finish_batch(&analyzer, -1);
	assert_int_equal(register_at(0x17), 2);
}

static void controls_come_at_their_share(void **state)
{
	unsigned kinds[5] = { 0 };

	(void)state;
	options.controls = 1.0 / 12;
	for (int i = 0; i < 240; i++)
		instrument_finish_batch(&analyzer, -1);
	for (size_t i = 0; i < analyzer.memory.count; i++)
		kinds[memory_at(&analyzer.memory, i)->kind]++;
	assert_in_range(240 - kinds[RESULT_SAMPLE], 19, 20);
	for (int kind = RESULT_BLANK; kind <= RESULT_CALIBRATION; kind++)
		assert_true(kinds[kind] > 0);
}

static void readers_mark_their_control_wells(void **state)
{
	(void)state;
	options.controls = 1;
	options.archetype = ARCHETYPE_A2;
	instrument_start(&analyzer, &options, 0, 1, 0);
	instrument_finish_batch(&analyzer, -1);
	assert_string_equal(analyzer.previous.name, "对照样");
	assert_int_equal(analyzer.previous.kind, RESULT_NEGATIVE_CONTROL);
	instrument_free(&analyzer);
	options.archetype = ARCHETYPE_A2B;
	instrument_start(&analyzer, &options, 0, 1, 0);
	instrument_finish_batch(&analyzer, -1);
	assert_int_equal(analyzer.previous.channel, 0);
	assert_int_equal(analyzer.previous.kind, RESULT_NEGATIVE_CONTROL);
}

static void the_oil_testers_pages_are_the_published_ones(void **state)
{
	(void)state;
	struct result oil = { .tested = { 2026, 3, 5, 9, 41, 0 }, .value = 235, .decimals = 1, .signal = 1755 };
	options.archetype = ARCHETYPE_A6A;
	memory_keep(&analyzer.memory, &oil);
	oil.value = 12;
	memory_keep(&analyzer.memory, &oil);
	DIALOGUE("\x01\x65\x00\x01\x00\x01\xDD\xC2", "\x01\x65\x0A\x1A\x03\x05\x09\x29\x00\x06\xDB\x00\xEB\xF7\x41");
	DIALOGUE("\x01\x65\x00\x02\x00\x01\x2D\xC2", "\x01\x65\x02\x00\x00\xA6\xCC");
	options.oldest_first = true;
	DIALOGUE("\x01\x65\x00\x00\x00\x01\x8C\x02", "\x01\x65\x0A\x1A\x03\x05\x09\x29\x00\x06\xDB\x00\xEB\xF7\x41");
	DIALOGUE("\x01\x03\x00\x00\x00\x01\x84\x0A", "\x01\x83\x01\x80\xF0");
	DIALOGUE("\x01\x65\x00\x00\x00\x00\x4D\xC2", "\x01\xE5\x03\x2A\x91");
	instrument_free(&analyzer);
	options.controls = 0;
	instrument_start(&analyzer, &options, 0, 1, 0);
	for (unsigned i = 0; i < 50; i++)
		instrument_finish_batch(&analyzer, -1);
	assert_int_equal(analyzer.previous.tested.second, 0);
	assert_in_range(analyzer.previous.value, 30, 400);
}

static void a_power_cycle_starts_the_numbers_again(void **state)
{
	(void)state;
	keep_numbers(1, 3);
	instrument_power_up(&analyzer);
	assert_int_equal(register_at(0x15), 3);
	assert_int_equal(register_at(0x19), 3); /* the newest result it holds */
	keep_numbers(1, 1);
	assert_int_equal(register_at(0x15), 4);
	assert_int_equal(find_selected(&analyzer), -1); /* nothing is selected any more */
	analyzer.a6b.selected = 1;
	assert_int_equal(find_selected(&analyzer), 3); /* who follows the newest */
	analyzer.a6b.host_erases = true;
	assert_int_equal(find_selected(&analyzer), 0); /* who erases from the oldest end */
	options.power_cycle_clears = true;
	instrument_power_up(&analyzer);
	assert_int_equal(register_at(0x15), 0);
	assert_int_equal(register_at(0x19), 0);
}

static void the_clock_is_set_only_to_a_time_there_is(void **state)
{
	static const uint16_t good[] = { 2031, 12, 31, 23, 59, 58 }, bad[] = { 2031, 2, 30, 0, 0, 0 };

	(void)state;
	assert_int_equal(a6b_write(&analyzer, 0x28, 6, good), MODBUS_FINE);
	assert_int_equal(write_register(0x22, COMMAND_SET_CLOCK), MODBUS_FINE);
	assert_int_equal(register_at(0x1A), 2031);
	assert_int_equal(register_at(0x1B), 12);
	assert_int_equal(a6b_write(&analyzer, 0x28, 6, bad), MODBUS_FINE);
	assert_int_equal(write_register(0x22, COMMAND_SET_CLOCK), MODBUS_ILLEGAL_VALUE);
	assert_int_equal(register_at(0x1A), 2031);
}

static void one_seed_gives_one_run(void **state)
{
	struct instrument twin;

	(void)state;
	options.same = 0.1;
	options.controls = 0.1;
	instrument_start(&analyzer, &options, 3, 1, 0);
	instrument_start(&twin, &options, 3, 1, 0);
	for (int i = 0; i < 100; i++) {
		instrument_finish_batch(&analyzer, -1);
		instrument_finish_batch(&twin, -1);
		assert_int_equal(analyzer.previous.value, twin.previous.value);
		assert_int_equal(analyzer.previous.item, twin.previous.item);
		assert_ptr_equal(analyzer.previous.name, twin.previous.name);
	}
	instrument_free(&twin);
}

static void the_truth_is_what_the_window_shows(void **state)
{
	char line[TRUTH_MAX];

	(void)state;
	truth_line(line, &analyzer.place, &spinach);
	assert_non_null(
		strstr(line, "\"instrument_seq\":\"41\",\"channel\":3,\"sample_no\":\"S0017\",\"sample_name\":\"菠菜\","
			     "\"item\":\"101\",\"value\":\"12.34\",\"unit_text\":\"%\",\"verdict\":\"negative\","
			     "\"tested_at\":\"2026-03-05T09:41:20+08:00\",\"kind\":\"sample\""));
	assert_int_equal(line[strlen(line) - 1], '\n');
}

static void numbers_are_spelled_as_displayed(void **state)
{
	char text[24];

	(void)state;
	assert_string_equal(truth_number(text, 6350, 2, false), "63.50");
	assert_string_equal(truth_number(text, 6350, 2, true), "63.5");
	assert_string_equal(truth_number(text, 6300, 2, true), "63");
	assert_string_equal(truth_number(text, 0, 2, true), "0");
	assert_string_equal(truth_number(text, -5, 2, false), "-0.05");
	assert_string_equal(truth_number(text, 7, 0, true), "7");
	assert_string_equal(truth_number(text, 100, 0, true), "100");
}

static void requests_are_cut_out_of_the_stream(void **state)
{
	static const uint8_t read[] = "\x01\x03\x00\x12\x00\x0E\x64\x0B";
	static const uint8_t tcp[] = "\x12\x34\x00\x00\x00\x06\x01\x03\x00\x12\x00\x0E";
	uint8_t pdu[] = { 0x83, 2 }, frame[MODBUS_TCP_MAX];

	(void)state;
	for (size_t length = 1; length < 8; length++)
		assert_int_equal(modbus_rtu_frame(read, length), 0);
	assert_int_equal(modbus_rtu_frame((const uint8_t *)"\x01\x03\x00\x12\x00\x0F\x64\x0B", 8), -1);
	for (size_t length = 1; length < 12; length++)
		assert_int_equal(modbus_tcp_frame(tcp, length), 0);
	assert_int_equal(modbus_tcp_frame(tcp, 12), 12);
	assert_int_equal(modbus_tcp_frame((const uint8_t *)"\x12\x34\x00\x01\x00\x06", 6), -1);
	assert_int_equal(modbus_tcp_wrap(tcp, pdu, 2, frame), 9);
	assert_memory_equal(frame, "\x12\x34\x00\x00\x00\x03\x01\x83\x02", 9);
}

#define FRESH(test) cmocka_unit_test_setup(test, fresh)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FRESH(the_dialogue_is_the_published_one),
		FRESH(registers_outside_the_map_are_refused),
		FRESH(bad_counts_and_functions_are_refused),
		FRESH(acknowledging_erases_up_to_the_selected),
		FRESH(new_data_ends_when_the_window_is_read),
		FRESH(a_full_memory_loses_the_oldest_and_says_so),
		FRESH(numbers_wrap_at_two_to_the_thirty_second),
		FRESH(a_busy_instrument_refuses_commands),
		FRESH(a_torn_window_lacks_its_checksum),
		FRESH(blank_wells_take_a_number_and_hold_nothing),
		FRESH(the_first_place_is_a_dummy_until_the_memory_wraps),
		FRESH(controls_come_at_their_share),
		FRESH(readers_mark_their_control_wells),
		FRESH(the_oil_testers_pages_are_the_published_ones),
		FRESH(a_power_cycle_starts_the_numbers_again),
		FRESH(the_clock_is_set_only_to_a_time_there_is),
		FRESH(one_seed_gives_one_run),
		FRESH(the_truth_is_what_the_window_shows),
		FRESH(numbers_are_spelled_as_displayed),
		FRESH(requests_are_cut_out_of_the_stream),
	};

	setenv("TZ", "CST-8", 1);
	tzset();
	int failed = cmocka_run_group_tests_name("sim_a6b", tests, NULL, NULL);
	instrument_free(&analyzer);
	return failed;
}
