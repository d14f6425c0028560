/* The turns of the modbus driver against an analyzer on paper: which results arrive, and what is told about the rest.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "modbus_fixture.h"

#define TWELVE 0x414570A4 /* 12.34 as a single */

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

static void assert_numbers(const struct bench *bench, unsigned first, unsigned count)
{
	assert_int_equal(bench->kept_count, count);
	for (unsigned i = 0; i < count; i++) {
		char number[16];
		snprintf(number, sizeof(number), "%u", first + i);
		assert_string_equal(bench->kept[i].reading.instrument_seq, number);
	}
}

static void every_word_of_a_result_arrives(void **state)
{
	struct bench *bench = *state;
	bench->device.newest = 40;
	device_add(&bench->device, TWELVE);
	bench_poll(bench);
	assert_numbers(bench, 41, 1);
	const struct reading *reading = &bench->kept[0].reading;
	assert_int_equal(reading->kind, KIND_SAMPLE);
	assert_int_equal(reading->verdict, VERDICT_NEGATIVE);
	assert_string_equal(reading->verdict_as_sent, "1");
	assert_int_equal(reading->channel, 3);
	assert_string_equal(reading->item, "101");
	assert_string_equal(reading->method, "");
	assert_string_equal(reading->value, "12.34");
	assert_string_equal(reading->value_as_sent, "414570A4");
	assert_string_equal(reading->unit, "%");
	assert_string_equal(reading->sample_no, "S0017");
	assert_string_equal(reading->sample_name, "菠菜");
	assert_string_equal(reading->operator_name, "");
	assert_string_equal(reading->tested_at, "2026-03-05T09:41:20");
	assert_int_equal(reading->signal_count, 2);
	assert_string_equal(reading->signals[0].name, "abs");
	assert_string_equal(reading->signals[0].value, "0.801");
	assert_string_equal(reading->signals[1].value, "0.914");
	assert_string_equal(reading->said[0].name, "result_type");
	assert_string_equal(reading->said[1].name, "clock");
	assert_string_equal(reading->said[1].value, "2026-03-05T09:45:02");
	assert_int_equal(reading->marks, 0);
	assert_true(reading->repeatable);
	assert_int_equal(reading->raw_length, 92);
	assert_int_equal(reading->identity_length, 88);
	assert_string_equal(bench->instrument.maker.serial, "SN42");
	assert_string_equal(bench->instrument.maker.model, "FSA-12");
	assert_memory_equal(bench->cursor, "serial=SN42 last=41 mark=", 25);
	assert_int_equal(bench->notice_count, 0);
}

static void ten_identical_results_are_ten_readings(void **state)
{
	struct bench *bench = *state;
	for (int i = 0; i < 10; i++)
		device_add(&bench->device, TWELVE);
	bench_poll(bench);
	assert_numbers(bench, 1, 10);
	assert_int_equal(bench->device.count, 0);
	assert_int_equal(bench->notice_count, 0);
	bench_poll(bench);
	assert_int_equal(bench->kept_count, 10);
}

static void the_clock_is_set_only_when_it_is_wished_and_nothing_is_left_to_read(void **state)
{
	struct bench *bench = *state;
	const uint16_t wanted[] = { 2028, 2, 29, 23, 59, 58 };
	bench->instrument.now = (struct date_time){ 2028, 2, 29, 23, 59, 58 };
	device_add(&bench->device, TWELVE);
	bench_poll(bench);
	bench_poll(bench);
	assert_int_equal(bench->device.clock_sets, 0);
	assert_string_equal(bench->instrument.clock, "2026-03-05T09:45:02");
	for (int i = 0; i < 3; i++)
		device_add(&bench->device, TWELVE);
	bench->instrument.setting = CLOCK_WISHED;
	bench->device.exception_acknowledge = 6; /* busy: results stay unread, and the clock as it is */
	bench_poll(bench);
	assert_int_equal(bench->instrument.setting, CLOCK_WISHED);
	bench->device.exception_acknowledge = 0;
	bench_poll(bench);
	bench_poll(bench);
	assert_numbers(bench, 1, 4);
	assert_int_equal(bench->device.clock_sets, 1);
	assert_memory_equal(bench->device.clock, wanted, sizeof(wanted));
	assert_int_equal(bench->instrument.setting, CLOCK_SET);
	assert_string_equal(bench->instrument.clock, "2028-02-29T23:59:58");
	bench_poll(bench);
	assert_int_equal(bench->device.clock_sets, 1);
	assert_int_equal(bench->notice_count, 0);
}

static void a_clock_that_cannot_be_set_is_told_once(void **state)
{
	struct bench *bench = *state;
	bench->instrument.now = (struct date_time){ 2026, 3, 5, 9, 41, 20 };
	bench->device.exception_clock = 3;
	for (int i = 0; i < 3; i++) {
		bench->instrument.setting = CLOCK_WISHED;
		bench_poll(bench);
		assert_int_equal(bench->instrument.setting, CLOCK_REFUSED);
	}
	assert_int_equal(bench->device.clock_sets, 3);
	assert_int_equal(bench->notice_count, 1);
	assert_int_equal(bench->notices[0].kind, NOTICE_INSTRUMENT_FAULT);
	assert_non_null(strstr(bench->notices[0].reason, "set-clock = no"));
	device_add(&bench->device, TWELVE); /* and its results come as before */
	bench_poll(bench);
	assert_numbers(bench, 1, 1);
}

static void nothing_new_costs_one_read(void **state)
{
	struct bench *bench = *state;
	device_add(&bench->device, TWELVE);
	bench_poll(bench);
	for (int i = 0; i < 5; i++)
		assert_int_equal(bench_poll(bench), 1);
	device_add(&bench->device, TWELVE);
	/* status, selection low and high, latch, window, acknowledge */
	assert_int_equal(bench_poll(bench), 6);
	assert_numbers(bench, 1, 2);
}

static void an_empty_instrument_says_nothing(void **state)
{
	struct bench *bench = *state;
	bench_poll(bench);
	assert_int_equal(bench_poll(bench), 1);
	assert_int_equal(bench->kept_count + bench->notice_count, 0);
	bench->device.shows_zero_when_empty = true;
	device_add(&bench->device, TWELVE);
	bench_poll(bench);
	bench_poll(bench);
	assert_numbers(bench, 1, 1);
	assert_int_equal(bench->notice_count, 0);
}

static void erasing_is_asked_only_after_the_result_was_stored(void **state)
{
	struct bench *bench = *state;
	device_add(&bench->device, TWELVE);
	while (bench->kept_count == 0) {
		assert_int_equal(bench->device.acknowledged, 0);
		bench_turn(bench);
	}
	assert_int_equal(bench->device.acknowledged, 0);
	bench_turn(bench);
	assert_int_equal(bench->device.acknowledged, 1);
	assert_int_equal(bench->device.acknowledged_number, 1);
}

static void a_failed_store_erases_nothing_and_is_read_again(void **state)
{
	struct bench *bench = *state;
	device_add(&bench->device, TWELVE);
	bench->fail_store = true;
	while (bench->fail_store)
		bench_turn(bench);
	assert_int_equal(bench->device.acknowledged, 0);
	assert_string_equal(bench->cursor, "");
	bench_poll(bench);
	assert_numbers(bench, 1, 1);
	assert_int_equal(bench->device.acknowledged, 1);
}

static void acknowledge_no_leaves_the_memory_alone(void **state)
{
	struct bench *bench = *state;
	bench->options.acknowledge = false;
	for (int i = 0; i < 3; i++)
		device_add(&bench->device, TWELVE);
	bench_poll(bench);
	assert_numbers(bench, 1, 3);
	assert_int_equal(bench->device.acknowledged, 0);
	assert_int_equal(bench->device.count, 3);
	assert_int_equal(bench_poll(bench), 1);
}

static void what_was_made_in_our_absence_is_fetched(void **state)
{
	struct bench *bench = *state;
	device_add(&bench->device, TWELVE);
	bench_poll(bench);
	for (int i = 0; i < 500; i++)
		device_add(&bench->device, TWELVE + (uint32_t)i);
	bench_setup(bench);
	bench_poll(bench);
	assert_numbers(bench, 1, 501);
	assert_int_equal(bench->notice_count, 0);
}

static void what_the_instrument_no_longer_holds_is_told(void **state)
{
	struct bench *bench = *state;
	device_add(&bench->device, TWELVE);
	bench_poll(bench);
	for (int i = 0; i < 20; i++)
		device_add(&bench->device, TWELVE);
	device_drop(&bench->device, 14); /* 2..15 */
	bench_poll(bench);
	assert_int_equal(bench->kept_count, 1 + 6);
	assert_string_equal(bench->kept[1].reading.instrument_seq, "16");
	const struct notice *notice = bench_notice(bench, NOTICE_MISSED_RESULTS);
	assert_non_null(notice);
	assert_int_equal(notice->first, 2);
	assert_int_equal(notice->last, 15);
	assert_int_equal(bench->notice_count, 1);
	bench_poll(bench);
	assert_int_equal(bench->notice_count, 1);
}

static void results_erased_unread_are_told(void **state)
{
	struct bench *bench = *state;
	device_add(&bench->device, TWELVE);
	bench_poll(bench);
	device_add(&bench->device, TWELVE);
	device_add(&bench->device, TWELVE);
	device_drop(&bench->device, 2);
	bench_poll(bench);
	const struct notice *notice = bench_notice(bench, NOTICE_MISSED_RESULTS);
	assert_non_null(notice);
	assert_int_equal(notice->first, 2);
	assert_int_equal(notice->last, 3);
	bench_poll(bench);
	assert_int_equal(bench->notice_count, 1);
	device_add(&bench->device, TWELVE);
	bench_poll(bench);
	assert_string_equal(bench->kept[1].reading.instrument_seq, "4");
}

static void the_running_number_wraps_without_a_gap(void **state)
{
	struct bench *bench = *state;
	bench->device.newest = UINT32_MAX - 3;
	for (int i = 0; i < 8; i++)
		device_add(&bench->device, TWELVE);
	bench_poll(bench);
	assert_int_equal(bench->kept_count, 8);
	assert_string_equal(bench->kept[2].reading.instrument_seq, "4294967295");
	assert_string_equal(bench->kept[3].reading.instrument_seq, "0");
	assert_string_equal(bench->kept[7].reading.instrument_seq, "4");
	assert_int_equal(bench->notice_count, 0);
}

static void without_a_time_the_same_number_again_is_another_test(void **state)
{
	struct bench *bench = *state;
	for (int i = 0; i < 3; i++)
		device_add(&bench->device, TWELVE)->second = 99;
	bench_poll(bench);
	bench->device.newest = 0;
	device_add(&bench->device, TWELVE)->second = 99;
	bench_setup(bench); /* what was counted is durable */
	for (int i = 0; i < 3; i++)
		bench_poll(bench);
	assert_int_equal(bench->kept_count, 4);
	const struct reading *first = &bench->kept[0].reading, *again = &bench->kept[3].reading;
	assert_string_equal(first->tested_at, "");
	assert_string_equal(again->instrument_seq, first->instrument_seq);
	assert_memory_equal(bench->kept[3].raw, bench->kept[0].raw, first->raw_length);
	assert_int_not_equal(again->repeat, first->repeat); /* else they were one record */
}

static void without_a_time_numbers_that_wrapped_are_other_tests(void **state)
{
	struct bench *bench = *state;
	bench->device.newest = UINT32_MAX - 1;
	for (int i = 0; i < 4; i++)
		device_add(&bench->device, TWELVE)->second = 99;
	bench_poll(bench);
	assert_int_equal(bench->kept_count, 4);
	assert_string_equal(bench->kept[2].reading.instrument_seq, "1");
	assert_int_not_equal(bench->kept[2].reading.repeat, bench->kept[0].reading.repeat);
}

static void with_a_time_an_id_needs_no_count_of_rounds(void **state)
{
	struct bench *bench = *state;
	bench->device.newest = UINT32_MAX - 1;
	for (int i = 0; i < 4; i++)
		device_add(&bench->device, TWELVE);
	bench_poll(bench);
	assert_int_equal(bench->kept_count, 4);
	for (int i = 0; i < 4; i++)
		assert_int_equal(bench->kept[i].reading.repeat, 0);
}

static void a_counter_that_went_back_is_told_and_read_from_the_oldest(void **state)
{
	struct bench *bench = *state;
	bench->device.newest = 40;
	device_add(&bench->device, TWELVE);
	bench_poll(bench);
	bench->device.newest = 0;
	for (int i = 0; i < 3; i++)
		device_add(&bench->device, TWELVE);
	bench_poll(bench);
	assert_int_equal(bench->kept_count, 4);
	assert_string_equal(bench->kept[1].reading.instrument_seq, "1");
	assert_int_equal(bench_count(bench, NOTICE_COUNTER_RESTARTED), 1);
	assert_int_equal(bench->notice_count, 1);
}

static void a_counter_that_began_again_and_passed_us_is_noticed(void **state)
{
	struct bench *bench = *state;
	bench->options.acknowledge = false;
	for (int i = 0; i < 5; i++)
		device_add(&bench->device, TWELVE);
	bench_poll(bench);
	device_drop(&bench->device, bench->device.count);
	bench->device.newest = 0;
	for (int i = 0; i < 9; i++)
		device_add(&bench->device, TWELVE)->second = (uint16_t)(30 + i);
	bench_setup(bench);
	bench_poll(bench);
	assert_int_equal(bench->kept_count, 5 + 9);
	assert_string_equal(bench->kept[5].reading.instrument_seq, "1");
	assert_int_equal(bench_count(bench, NOTICE_COUNTER_RESTARTED), 1);
}

static void the_same_last_result_means_the_counter_went_on(void **state)
{
	struct bench *bench = *state;
	bench->options.acknowledge = false;
	for (int i = 0; i < 5; i++)
		device_add(&bench->device, TWELVE);
	bench_poll(bench);
	for (int i = 0; i < 4; i++)
		device_add(&bench->device, TWELVE);
	bench_setup(bench);
	bench_poll(bench);
	assert_numbers(bench, 1, 9);
	assert_int_equal(bench->notice_count, 0);
}

static void a_torn_look_at_the_last_result_costs_nothing(void **state)
{
	struct bench *bench = *state;
	bench->options.acknowledge = false;
	device_add(&bench->device, TWELVE);
	bench_poll(bench);
	bench_setup(bench);
	bench->device.torn = 10;
	bench_poll(bench);
	device_add(&bench->device, TWELVE);
	bench_poll(bench);
	assert_numbers(bench, 1, 2);
	assert_int_equal(bench->rejected, 10);
	assert_int_equal(bench->notice_count, 0);
}

/* Old numbers 40..42 unread, then a power cycle that kept the memory, then 1..3. */
static void mix_numbers(struct bench *bench)
{
	bench->device.newest = 38;
	device_add(&bench->device, TWELVE);
	bench_poll(bench);
	for (int i = 0; i < 3; i++)
		device_add(&bench->device, TWELVE);
	bench->device.newest = 0;
	for (int i = 0; i < 3; i++)
		device_add(&bench->device, TWELVE)->second = 40;
	for (int i = 0; i < 4; i++)
		bench_poll(bench);
	assert_int_equal(bench->kept_count, 7);
	assert_string_equal(bench->kept[1].reading.instrument_seq, "40");
	assert_string_equal(bench->kept[3].reading.instrument_seq, "42");
	assert_string_equal(bench->kept[4].reading.instrument_seq, "1");
	assert_string_equal(bench->kept[6].reading.instrument_seq, "3");
	assert_int_equal(bench_count(bench, NOTICE_COUNTER_RESTARTED), 1);
	assert_int_equal(bench->notice_count, 1);
	device_add(&bench->device, TWELVE);
	bench_poll(bench);
	assert_int_equal(bench->kept_count, 8);
}

static void a_memory_kept_over_a_power_cycle_is_read_whole_with_erasing(void **state)
{
	mix_numbers(*state);
}

static void a_memory_kept_over_a_power_cycle_is_read_whole_without_erasing(void **state)
{
	struct bench *bench = *state;
	bench->options.acknowledge = false;
	mix_numbers(bench);
}

static void small_numbers_that_began_again_are_not_erased_unread(void **state)
{
	struct bench *bench = *state;
	device_add(&bench->device, TWELVE);
	device_add(&bench->device, TWELVE);
	bench_poll(bench);
	device_add(&bench->device, TWELVE); /* 3 and 4, before the power cycle */
	device_add(&bench->device, TWELVE);
	bench->device.newest = 0;
	for (int i = 0; i < 10; i++)
		device_add(&bench->device, TWELVE)->second = 50;
	for (int i = 0; i < 3; i++)
		bench_poll(bench);
	assert_int_equal(bench->kept_count, 2 + 2 + 10);
	assert_string_equal(bench->kept[4].reading.instrument_seq, "1");
	assert_int_equal(bench_count(bench, NOTICE_COUNTER_RESTARTED), 1);
}

static void an_unread_result_behind_ours_survives_a_restart_without_erasing(void **state)
{
	struct bench *bench = *state;
	bench->options.acknowledge = false;
	bench->device.finds_newest = true;
	for (int i = 0; i < 4; i++)
		device_add(&bench->device, TWELVE);
	bench_poll(bench);
	device_add(&bench->device, TWELVE); /* 5, then the power fails */
	bench->device.newest = 0;
	for (int i = 0; i < 3; i++)
		device_add(&bench->device, TWELVE)->second = 50;
	for (int i = 0; i < 3; i++)
		bench_poll(bench);
	assert_int_equal(bench->kept_count, 4 + 1 + 3);
	assert_string_equal(bench->kept[4].reading.instrument_seq, "5");
	assert_string_equal(bench->kept[5].reading.instrument_seq, "1");
	assert_string_equal(bench->kept[5].reading.tested_at, "2026-03-05T09:41:50");
	assert_int_equal(bench_count(bench, NOTICE_COUNTER_RESTARTED), 1);
	assert_int_equal(bench->notice_count, 1);
}

static void a_lazy_eraser_is_not_taken_for_a_restart(void **state)
{
	struct bench *bench = *state;
	bench->device.keeps_erased = true;
	for (int i = 0; i < 4; i++)
		device_add(&bench->device, TWELVE);
	for (int i = 0; i < 3; i++)
		bench_poll(bench);
	assert_numbers(bench, 1, 4);
	assert_int_equal(bench->notice_count, 0);
}

static void a_status_caught_in_the_middle_loses_nothing(void **state)
{
	struct bench *bench = *state;
	bench->device.bad_status = 1;
	device_add(&bench->device, TWELVE);
	bench_poll(bench);
	bench->device.bad_status = 1;
	device_add(&bench->device, TWELVE);
	bench_poll(bench);
	bench_poll(bench);
	assert_numbers(bench, 1, 2);
	assert_int_equal(bench->notice_count, 0);
}

static void busy_is_asked_again_after_a_pause(void **state)
{
	struct bench *bench = *state;
	device_add(&bench->device, TWELVE);
	bench->device.busy = 5;
	bench_poll(bench);
	assert_numbers(bench, 1, 1);
	assert_int_equal(bench->device.pauses, 5);
	device_add(&bench->device, TWELVE);
	bench->device.busy = 30; /* longer than one turn's patience */
	bench_poll(bench);
	assert_int_equal(bench->kept_count, 1);
	bench_poll(bench);
	bench_poll(bench);
	assert_numbers(bench, 1, 2);
	assert_int_equal(bench->notice_count, 0);
}

static void a_torn_window_is_refused_and_read_again(void **state)
{
	struct bench *bench = *state;
	device_add(&bench->device, TWELVE);
	bench->device.torn = 3;
	bench_poll(bench);
	assert_numbers(bench, 1, 1);
	assert_string_equal(bench->kept[0].reading.value, "12.34");
	assert_int_equal(bench->rejected, 3);
	assert_int_equal(bench->notice_count, 0);
}

static void a_window_of_another_result_is_refused(void **state)
{
	struct bench *bench = *state;
	device_add(&bench->device, TWELVE);
	device_add(&bench->device, TWELVE + 1);
	bench->device.elsewhere = 2;
	bench_poll(bench);
	assert_numbers(bench, 1, 2);
	assert_int_equal(bench->rejected, 2);
}

static void what_stays_torn_is_told_with_its_bytes_and_does_not_stop_the_rest(void **state)
{
	struct bench *bench = *state;
	device_add(&bench->device, TWELVE);
	device_add(&bench->device, TWELVE);
	bench->device.torn = 10;
	bench_poll(bench);
	const struct notice *notice = bench_notice(bench, NOTICE_UNDECODABLE);
	assert_non_null(notice);
	assert_int_equal(notice->first, 1);
	assert_int_equal(notice->raw_length, 92);
	assert_string_not_equal(notice->reason, "");
	assert_int_equal(bench->rejected, 10);
	assert_int_equal(bench->kept_count, 1);
	assert_string_equal(bench->kept[0].reading.instrument_seq, "2");
}

static void a_window_not_marked_valid_is_not_a_result(void **state)
{
	struct bench *bench = *state;
	device_add(&bench->device, TWELVE)->valid = 2;
	device_add(&bench->device, TWELVE);
	bench_poll(bench);
	assert_int_equal(bench->kept_count, 1);
	assert_int_equal(bench_count(bench, NOTICE_UNDECODABLE), 1);
}

static void blank_wells_and_dummies_are_counted_and_passed(void **state)
{
	struct bench *bench = *state;
	device_add(&bench->device, TWELVE)->dummy = true;
	device_add(&bench->device, TWELVE)->valid = 0xFFFF;
	device_add(&bench->device, TWELVE);
	bench_poll(bench);
	assert_int_equal(bench->blanks, 2);
	assert_int_equal(bench->kept_count, 1);
	assert_string_equal(bench->kept[0].reading.instrument_seq, "3");
	assert_int_equal(bench->notice_count, 0);
	assert_int_equal(bench->device.count, 0);
}

static void overrun_and_fault_are_told_once_per_occurrence(void **state)
{
	struct bench *bench = *state;
	bench->device.status = 1 << 7 | 1 << 3;
	for (int i = 0; i < 3; i++)
		bench_poll(bench);
	assert_int_equal(bench_count(bench, NOTICE_OVERRUN), 1);
	assert_int_equal(bench_count(bench, NOTICE_INSTRUMENT_FAULT), 1);
	bench_setup(bench); /* the link broke: still the same occurrence */
	bench_poll(bench);
	assert_int_equal(bench->notice_count, 2);
	bench->device.status = 0;
	bench_poll(bench);
	bench->device.status = 1 << 7;
	bench_poll(bench);
	assert_int_equal(bench_count(bench, NOTICE_OVERRUN), 2);
	assert_int_equal(bench_count(bench, NOTICE_INSTRUMENT_FAULT), 1);
}

static void calibration_due_marks_the_readings(void **state)
{
	struct bench *bench = *state;
	bench->device.status = 1 << 6;
	device_add(&bench->device, TWELVE);
	bench_poll(bench);
	assert_int_equal(bench->kept[0].reading.marks, READING_CALIBRATION_DUE);
}

static void a_foreign_instrument_is_told_once_and_asked_rarely(void **state)
{
	struct bench *bench = *state;
	bench->device.magic = 0x1234;
	device_add(&bench->device, TWELVE);
	for (int i = 0; i < 40; i++)
		bench_poll(bench);
	assert_int_equal(bench->kept_count, 0);
	assert_int_equal(bench_count(bench, NOTICE_INSTRUMENT_FAULT), 1);
	assert_in_range(bench->device.exchanges, 3, 5);
	bench->device.magic = 0xA55D;
	for (int i = 0; i < 12; i++)
		bench_poll(bench);
	assert_numbers(bench, 1, 1);
}

static void another_serial_number_starts_its_own_cursor(void **state)
{
	struct bench *bench = *state;
	bench->device.newest = 40;
	device_add(&bench->device, TWELVE);
	bench_poll(bench);
	bench->device.serial = "SN43";
	bench->device.newest = 99;
	device_add(&bench->device, TWELVE);
	bench_setup(bench);
	bench_poll(bench);
	assert_string_equal(bench->kept[1].reading.instrument_seq, "100");
	assert_string_equal(bench->instrument.maker.serial, "SN43");
	assert_memory_equal(bench->cursor, "serial=SN43 last=100", 20);
	assert_int_equal(bench_count(bench, NOTICE_COUNTER_RESTARTED), 1);
	assert_int_equal(bench->notice_count, 1); /* numbers 42..99 are not missing: they were never ours */
}

static void silence_anywhere_loses_and_doubles_nothing(void **state)
{
	(void)state;
	for (unsigned at = 1; at < 25; at++) {
		struct bench *bench = bench_new(shipped);
		for (int i = 0; i < 3; i++)
			device_add(&bench->device, TWELVE + (uint32_t)i);
		for (unsigned i = 1; i < at; i++)
			bench_turn(bench);
		bench->device.silent = 1;
		for (int i = 0; i < 3; i++)
			bench_poll(bench);
		assert_numbers(bench, 1, 3);
		assert_int_equal(bench->device.count, 0);
		assert_int_equal(bench->notice_count, 0);
		free(bench);
	}
}

static void an_answer_to_something_else_is_not_used(void **state)
{
	struct bench *bench = *state;
	struct request request = { 0 };
	struct readings readings = { .list = bench->list };
	uint8_t bytes[4] = { 0 };
	uint16_t registers[2] = { 0 };
	modbus_driver.ask(&bench->instrument, &request);
	struct reply reply = {
		.kind = REPLY_REGISTERS, .registers = registers, .count = 2, .bytes = bytes, .length = 4
	};
	assert_int_equal(modbus_driver.take(&bench->instrument, &reply, &readings), NEXT_IDLE);
	reply.kind = REPLY_DONE;
	assert_int_equal(modbus_driver.take(&bench->instrument, &reply, &readings), NEXT_IDLE);
	assert_int_equal(readings.count + readings.notice_count, 0);
	device_add(&bench->device, TWELVE);
	bench_poll(bench);
	assert_numbers(bench, 1, 1);
}

static void a_refused_hole_is_read_around_and_remembered(void **state)
{
	struct bench *bench = *state;
	bench->device.refuses_holes = true; /* registers 0013 and 0014 mean nothing to us */
	device_add(&bench->device, TWELVE);
	bench_poll(bench);
	assert_numbers(bench, 1, 1);
	assert_string_equal(bench->kept[0].reading.said[1].value, "2026-03-05T09:45:02");
	assert_int_equal(bench_poll(bench), 2); /* 0012, and 0015..001F */
	assert_int_equal(bench->notice_count, 0);
}

static void registers_that_are_not_there_are_told_once(void **state)
{
	struct bench *bench = *state;
	bench->device.exception_read = 2;
	for (int i = 0; i < 4; i++)
		bench_poll(bench);
	assert_int_equal(bench->notice_count, 1);
	assert_non_null(strstr(bench->notices[0].reason, "0x0000"));
	bench->device.exception_read = 0;
	bench->device.exception_select = 2;
	device_add(&bench->device, TWELVE);
	bench->cursor[0] = '\0';
	bench_setup(bench);
	for (int i = 0; i < 12; i++)
		bench_poll(bench);
	assert_int_equal(bench->notice_count, 2);
	assert_non_null(strstr(bench->notices[1].reason, "0x0020"));
	assert_int_equal(bench->kept_count, 0); /* kept in the instrument until the profile is right */
	bench->device.exception_select = 0;
	bench_poll(bench);
	assert_numbers(bench, 1, 1);
}

static void a_gateway_without_its_instrument_counts_as_silence(void **state)
{
	struct bench *bench = *state;
	device_add(&bench->device, TWELVE);
	bench->device.exception_read = 11;
	bench_poll(bench);
	bench->device.exception_read = 10;
	bench_poll(bench);
	bench->device.exception_read = 0;
	bench_poll(bench);
	assert_numbers(bench, 1, 1);
	assert_int_equal(bench->notice_count, 0);
}

static void a_result_listed_but_refused_is_told_and_passed(void **state)
{
	struct bench *bench = *state;
	device_add(&bench->device, TWELVE);
	device_add(&bench->device, TWELVE)->number = 77; /* there is no 2 */
	device_add(&bench->device, TWELVE);
	bench->options.acknowledge = false;
	for (int i = 0; i < 12; i++)
		bench_poll(bench);
	const struct notice *notice = bench_notice(bench, NOTICE_MISSED_RESULTS);
	assert_non_null(notice);
	assert_int_equal(notice->first, 2);
	assert_int_equal(notice->last, 2);
	assert_int_equal(bench->kept_count, 2);
	assert_string_equal(bench->kept[1].reading.instrument_seq, "3");
}

static void a_refusal_to_erase_is_told_once_and_reading_goes_on(void **state)
{
	struct bench *bench = *state;
	bench->device.exception_acknowledge = 1;
	for (int i = 0; i < 3; i++)
		device_add(&bench->device, TWELVE);
	bench_poll(bench);
	assert_numbers(bench, 1, 3);
	assert_int_equal(bench->notice_count, 1);
	assert_non_null(strstr(bench->notices[0].reason, "acknowledge"));
}

static void a_busy_eraser_does_not_stop_the_reading(void **state)
{
	struct bench *bench = *state;
	bench->device.exception_acknowledge = 6;
	device_add(&bench->device, TWELVE);
	device_add(&bench->device, TWELVE);
	for (int i = 0; i < 3; i++)
		bench_poll(bench);
	assert_numbers(bench, 1, 2);
	assert_int_equal(bench->notice_count, 0);
}

static void a_wrong_word_order_is_told_and_gives_no_number(void **state)
{
	struct bench *bench = *state;
	bench->device.low_word_first = true;
	device_add(&bench->device, TWELVE);     /* 4E29 the wrong way round */
	device_add(&bench->device, 0x41480000); /* 12.5: 2E-41 the wrong way round */
	bench_poll(bench);
	assert_int_equal(bench->kept_count, 2);
	for (size_t i = 0; i < 2; i++) {
		assert_string_equal(bench->kept[i].reading.value, "");
		assert_int_equal(bench->kept[i].reading.verdict, VERDICT_NEGATIVE);
	}
	assert_string_equal(bench->kept[0].reading.value_as_sent, "70A44145");
	assert_string_equal(bench->kept[0].reading.said[0].name, "other_order");
	assert_string_equal(bench->kept[0].reading.said[0].value, "CDAB: 12.34");
	assert_int_equal(bench_count(bench, NOTICE_INSTRUMENT_FAULT), 1);
	bench->options.order = 1 + MODBUS_CDAB;
	bench_setup(bench);
	device_add(&bench->device, TWELVE);
	bench_poll(bench);
	assert_string_equal(bench->kept[2].reading.value, "12.34");
	assert_string_equal(bench->kept[2].reading.signals[0].value, "0.801");
	assert_string_equal(bench->kept[2].reading.instrument_seq, "3");
}

static void no_number_is_no_value_and_invalid(void **state)
{
	struct bench *bench = *state;
	device_add(&bench->device, 0x7FC00000)->verdict = 0; /* NaN */
	device_add(&bench->device, 0x7F800000)->verdict = 2; /* infinity, and the instrument has its own word */
	device_add(&bench->device, TWELVE)->verdict = 9;     /* a code nobody knows */
	bench_poll(bench);
	assert_int_equal(bench->kept_count, 3);
	assert_string_equal(bench->kept[0].reading.value, "");
	assert_int_equal(bench->kept[0].reading.verdict, VERDICT_INVALID);
	assert_string_equal(bench->kept[0].reading.value_as_sent, "7FC00000");
	assert_string_equal(bench->kept[1].reading.value, "");
	assert_int_equal(bench->kept[1].reading.verdict, VERDICT_POSITIVE);
	assert_int_equal(bench->kept[2].reading.verdict, VERDICT_NONE);
	assert_string_equal(bench->kept[2].reading.verdict_as_sent, "9");
	assert_int_equal(bench->notice_count, 0);
}

static void controls_are_no_samples_and_unknown_kinds_neither(void **state)
{
	static const struct {
		uint16_t code;
		enum kind kind;
		const char *name, *word;
	} kinds[] = {
		{ 0, KIND_SAMPLE, NULL, NULL },
		{ 1, KIND_BLANK, NULL, NULL },
		{ 2, KIND_CONTROL, "control", "negative" },
		{ 3, KIND_CONTROL, "control", "positive" },
		{ 4, KIND_CALIBRATION, NULL, NULL },
		{ 7, KIND_QC, "kind", "7" },
	};
	struct bench *bench = *state;
	size_t count = sizeof(kinds) / sizeof(kinds[0]);
	for (size_t i = 0; i < count; i++)
		device_add(&bench->device, TWELVE)->kind = kinds[i].code;
	bench_poll(bench);
	assert_int_equal(bench->kept_count, count);
	for (size_t i = 0; i < count; i++) {
		const struct reading *reading = &bench->kept[i].reading;
		assert_int_equal(reading->kind, kinds[i].kind);
		if (!kinds[i].name)
			continue;
		assert_string_equal(reading->said[0].name, kinds[i].name);
		assert_string_equal(reading->said[0].value, kinds[i].word);
	}
}

static void an_unmapped_unit_is_kept_as_sent(void **state)
{
	struct bench *bench = *state;
	device_add(&bench->device, TWELVE)->unit = 17;
	device_add(&bench->device, TWELVE)->unit = 0;
	bench_poll(bench);
	assert_string_equal(bench->kept[0].reading.unit, "17");
	assert_string_equal(bench->kept[1].reading.unit, "");
}

static void an_impossible_time_is_kept_as_it_came(void **state)
{
	struct bench *bench = *state;
	device_add(&bench->device, TWELVE)->second = 61;
	bench_poll(bench);
	assert_string_equal(bench->kept[0].reading.tested_at, "");
	assert_string_equal(bench->kept[0].reading.said[0].name, "time");
	assert_string_equal(bench->kept[0].reading.said[0].value, "07EA0003000500090029003D");
}

static void a_cursor_survives_odd_serial_numbers(void **state)
{
	struct bench *bench = *state;
	bench->device.serial = "A b last=7 c"; /* cannot be told from a cursor's own words: still read back whole */
	device_add(&bench->device, TWELVE);
	bench_poll(bench);
	bench_setup(bench);
	bench_poll(bench);
	assert_numbers(bench, 1, 1);
	assert_int_equal(bench->notice_count, 0);
	assert_string_equal(bench->state.serial, "A b last=7 c");
}

static void without_a_profile_there_is_nothing_to_ask(void **state)
{
	struct bench *bench = *state;
	struct fault fault = { "" };
	bench->instrument.profile = NULL;
	assert_true(modbus_driver.setup(&bench->instrument, &fault) < 0);
	assert_non_null(strstr(fault.text, "profile"));
}

#define PROMISE(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PROMISE(every_word_of_a_result_arrives),
		PROMISE(ten_identical_results_are_ten_readings),
		PROMISE(the_clock_is_set_only_when_it_is_wished_and_nothing_is_left_to_read),
		PROMISE(a_clock_that_cannot_be_set_is_told_once),
		PROMISE(nothing_new_costs_one_read),
		PROMISE(an_empty_instrument_says_nothing),
		PROMISE(erasing_is_asked_only_after_the_result_was_stored),
		PROMISE(a_failed_store_erases_nothing_and_is_read_again),
		PROMISE(acknowledge_no_leaves_the_memory_alone),
		PROMISE(what_was_made_in_our_absence_is_fetched),
		PROMISE(what_the_instrument_no_longer_holds_is_told),
		PROMISE(results_erased_unread_are_told),
		PROMISE(the_running_number_wraps_without_a_gap),
		PROMISE(without_a_time_the_same_number_again_is_another_test),
		PROMISE(without_a_time_numbers_that_wrapped_are_other_tests),
		PROMISE(with_a_time_an_id_needs_no_count_of_rounds),
		PROMISE(a_counter_that_went_back_is_told_and_read_from_the_oldest),
		PROMISE(a_counter_that_began_again_and_passed_us_is_noticed),
		PROMISE(the_same_last_result_means_the_counter_went_on),
		PROMISE(a_torn_look_at_the_last_result_costs_nothing),
		PROMISE(a_memory_kept_over_a_power_cycle_is_read_whole_with_erasing),
		PROMISE(a_memory_kept_over_a_power_cycle_is_read_whole_without_erasing),
		PROMISE(small_numbers_that_began_again_are_not_erased_unread),
		PROMISE(an_unread_result_behind_ours_survives_a_restart_without_erasing),
		PROMISE(a_lazy_eraser_is_not_taken_for_a_restart),
		PROMISE(a_status_caught_in_the_middle_loses_nothing),
		PROMISE(busy_is_asked_again_after_a_pause),
		PROMISE(a_torn_window_is_refused_and_read_again),
		PROMISE(a_window_of_another_result_is_refused),
		PROMISE(what_stays_torn_is_told_with_its_bytes_and_does_not_stop_the_rest),
		PROMISE(a_window_not_marked_valid_is_not_a_result),
		PROMISE(blank_wells_and_dummies_are_counted_and_passed),
		PROMISE(overrun_and_fault_are_told_once_per_occurrence),
		PROMISE(calibration_due_marks_the_readings),
		PROMISE(a_foreign_instrument_is_told_once_and_asked_rarely),
		PROMISE(another_serial_number_starts_its_own_cursor),
		PROMISE(silence_anywhere_loses_and_doubles_nothing),
		PROMISE(an_answer_to_something_else_is_not_used),
		PROMISE(a_refused_hole_is_read_around_and_remembered),
		PROMISE(registers_that_are_not_there_are_told_once),
		PROMISE(a_gateway_without_its_instrument_counts_as_silence),
		PROMISE(a_result_listed_but_refused_is_told_and_passed),
		PROMISE(a_refusal_to_erase_is_told_once_and_reading_goes_on),
		PROMISE(a_busy_eraser_does_not_stop_the_reading),
		PROMISE(a_wrong_word_order_is_told_and_gives_no_number),
		PROMISE(no_number_is_no_value_and_invalid),
		PROMISE(controls_are_no_samples_and_unknown_kinds_neither),
		PROMISE(an_unmapped_unit_is_kept_as_sent),
		PROMISE(an_impossible_time_is_kept_as_it_came),
		PROMISE(a_cursor_survives_odd_serial_numbers),
		PROMISE(without_a_profile_there_is_nothing_to_ask),
	};
	return cmocka_run_group_tests(tests, load, unload);
}
