/* The simulator's parts: chance from a seed, memory, faults on the wire, timers, the command line. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../sim/dice.c"
#include "../sim/loop.c"
#include "../sim/memory.c"
#include "../sim/mischief.c"
#include "../sim/options.c"
#include "../sim/options_table.c"

static void dice_keep_to_their_limits_and_their_seed(void **state)
{
	struct dice dice = dice_of(1, 1), again = dice_of(1, 1), other = dice_of(1, 2);
	unsigned hits = 0, differing = 0;

	(void)state;
	for (int i = 0; i < 10000; i++) {
		int32_t value = dice_between(&dice, -3, 3);
		assert_in_range(value + 3, 0, 6);
		assert_int_equal(value, dice_between(&again, -3, 3));
		differing += value != dice_between(&other, -3, 3);
		hits += dice_chance(&dice, 0.1);
		dice_chance(&again, 0.1);
		dice_chance(&other, 0.1);
	}
	assert_in_range(hits, 850, 1150);
	assert_in_range(differing, 8000, 9200);
	assert_false(dice_chance(&dice, 0));
	assert_true(dice_chance(&dice, 1));
}

static void memory_keeps_order_through_growth_and_overrun(void **state)
{
	struct memory memory = { .capacity = 50 };
	unsigned overruns = 0;

	(void)state;
	assert_int_equal(memory_find_oldest(&memory, 1), -1);
	assert_int_equal(memory_find_newest(&memory, 1), -1);
	for (uint32_t number = 1; number <= 120; number++) {
		overruns += memory_keep(&memory, &(struct result){ .number = number });
		if (number % 10 == 0)
			memory_drop(&memory, 2);
	}
	assert_int_equal(memory.allocated, 50);
	for (size_t i = 1; i < memory.count; i++)
		assert_int_equal(memory_at(&memory, i)->number, memory_at(&memory, i - 1)->number + 1);
	assert_int_equal(memory_at(&memory, memory.count - 1)->number, 120);
	assert_int_equal(120 - overruns - 24, memory.count);
	assert_int_equal(memory_find_oldest(&memory, 120), memory.count - 1);
	assert_int_equal(memory_find_newest(&memory, memory_at(&memory, 0)->number), 0);
	memory_drop(&memory, 1000);
	assert_int_equal(memory.count, 0);
	memory_free(&memory);
}

static void equal_numbers_are_found_from_either_end(void **state)
{
	struct memory memory = { .capacity = 10 };
	static const uint32_t numbers[] = { 40, 41, 1, 2, 40 };

	(void)state;
	for (size_t i = 0; i < 5; i++)
		memory_keep(&memory, &(struct result){ .number = numbers[i] });
	assert_int_equal(memory_find_oldest(&memory, 40), 0);
	assert_int_equal(memory_find_newest(&memory, 40), 4);
	assert_int_equal(memory_find_oldest(&memory, 2), 3);
	assert_int_equal(memory_find_oldest(&memory, 3), -1);
	memory_free(&memory);
}

static void faults_change_only_what_they_say(void **state)
{
	struct options options = { .late_every = 1 };
	struct mischief mischief = { &options, dice_of(1, 1), 0 };
	struct answer answer = { 0 };
	static const uint8_t frame[] = "abcdefgh";

	(void)state;
	mischief_add(&mischief, &answer, frame, 8, 7);
	assert_int_equal(answer.length, 8);
	assert_memory_equal(answer.bytes, frame, 8);
	options.bad_crc = 1;
	answer.length = 0;
	mischief_add(&mischief, &answer, frame, 8, 7);
	assert_memory_equal(answer.bytes, frame, 7);
	assert_int_not_equal(answer.bytes[7], frame[7]);
	options.bad_crc = 0;
	options.noise = 1;
	answer.length = 0;
	mischief_add(&mischief, &answer, frame, 8, 7);
	assert_in_range(answer.length, 9, 16);
	assert_memory_equal(answer.bytes + answer.length - 8, frame, 8);
	options.noise = 0;
	options.cut_short = 1;
	for (int i = 0; i < 100; i++) {
		answer.length = 0;
		mischief_add(&mischief, &answer, frame, 8, 7);
		assert_in_range(answer.length, 1, 7);
	}
	free(answer.bytes);
}

static void every_kth_answer_is_late(void **state)
{
	struct options options = { .late_ns = 5, .late_every = 3 };
	struct mischief mischief = { &options, dice_of(1, 1), 0 };

	(void)state;
	for (int i = 1; i <= 9; i++)
		assert_int_equal(mischief_delay_ns(&mischief), i % 3 == 0 ? 5 : 0);
}

static int64_t fired[64];
static size_t fired_count;

static void note(void *context)
{
	fired[fired_count++] = ((struct timer *)context)->due_ns;
}

/* Sets forty, takes half of them back, moves one to the end; what is left must fire in order. */
static void one_round_of_timers(struct dice *dice)
{
	struct timer timers[40] = { 0 };
	int64_t now = loop_now_ns();

	fired_count = 0;
	for (size_t i = 0; i < 40; i++) {
		timers[i] = (struct timer){ .fire = note, .context = &timers[i] };
		timer_set(&timers[i], now - 1000 - dice_below(dice, 100000));
	}
	for (size_t i = 0; i < 40; i += 2)
		timer_clear(&timers[i]);
	timer_clear(&timers[0]); /* twice is harmless */
	timer_set(&timers[1], now - 1);
	fire_due();
	assert_int_equal(fired_count, 20);
	for (size_t i = 1; i < fired_count; i++)
		assert_true(fired[i] >= fired[i - 1]);
	assert_true(fired[19] == now - 1);
}

static void timers_fire_in_order_and_can_be_taken_back(void **state)
{
	struct dice dice = dice_of(5, 5);

	(void)state;
	for (int i = 0; i < 500; i++)
		one_round_of_timers(&dice);
	free(heap);
	heap = NULL;
	heap_count = heap_size = 0;
}

static int parse(struct options *options, const char *line)
{
	char copy[256], *words[32];
	int count = 0, quiet = open("/dev/null", O_WRONLY), standard_error = dup(2), standard_output = dup(1);

	strcpy(copy, line);
	for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
		words[count++] = word;
	words[count] = NULL;
	dup2(quiet, 2);
	dup2(quiet, 1);
	int status = options_parse(count, words, options);
	fflush(stdout);
	dup2(standard_error, 2);
	dup2(standard_output, 1);
	close(quiet);
	close(standard_error);
	close(standard_output);
	return status;
}

static void the_command_line_is_understood(void **state)
{
	struct options options;

	(void)state;
	assert_int_equal(parse(&options, "sim a2 --serial l"), -1);
	assert_int_equal(options.archetype, ARCHETYPE_A2);
	assert_int_equal(options.capacity, 5000);
	assert_int_equal(
		parse(&options, "sim analyzer-a6b --tcp [::1]:502 --units 1,2,9 --dead-unit 2 --rate 0.25"), -1);
	assert_int_equal(options.unit_count, 3);
	assert_true(options.dead[2]);
	assert_string_equal(options.host, "[::1]");
	assert_true(options.rate == 0.25);
	assert_int_equal(parse(&options, "sim tl-310 --serial l --unplug 2.5:3 --power-cycle 9 --late 250"), -1);
	assert_int_equal(options.outage_count, 2);
	assert_true(options.outages[0].at_ns == 2500000000 && options.outages[0].lasts_ns == 3000000000);
	assert_true(options.late_ns == 250000000);
	assert_true(has_quirk(&options, 18));
	assert_int_equal(parse(&options, "sim a4 --serial l --without Q11,Q20"), -1);
	assert_false(has_quirk(&options, 11) || has_quirk(&options, 20));
	assert_true(has_quirk(&options, 17));
	assert_int_equal(parse(&options, "sim --help"), 0);
}

static void a_wrong_command_line_is_refused_with_64(void **state)
{
	static const char *const wrong[] = { "sim", "sim a2", "sim a99 --serial l", "sim a2 a2 --serial l",
		"sim a2 --serial l --tcp h:1", "sim a2 --tcp nonsense", "sim a2 --tcp h:70000",
		"sim a2 --serial l --rate x", "sim a2 --serial l --rate -1", "sim a2 --serial l --noise 1.5",
		"sim a2 --serial l --noise nan", "sim a2 --serial l --units 1,2", "sim a6b --serial l --units 1,1",
		"sim a6b --serial l --units 1,,2", "sim a6b --serial l --unit 248", "sim a6b --serial l --order ACBD",
		"sim a2 --serial l --unplug 5", "sim a2 --serial l --ports 2", "sim a2 --serial l --nonsense",
		"sim a2 --serial l --capacity 0", "sim a6b --tcp h:65000 --ports 1000",
		"sim a2 --serial l --results 1.5", "sim a2 --serial", "sim folder --serial l", "sim folder",
		"sim a9 --folder d", "sim folder --folder d --tcp h:1", "sim a9 --serial l --bad-crc 0.1",
		"sim a1 --serial l --float2 conc", "sim a7 --serial l --frame-size 7", "sim a7 --serial l --burst 101",
		"sim scanner --serial l", "sim a2 --serial l --codes f",
		"sim scanner --serial l --codes f --code-end x", "sim a2 --serial l --without Q1",
		"sim a3 --serial l --overlap", "sim a2 --serial l --burst 2 --overlap",
		"sim a2b --serial l --mute-days 1", "sim a10 --serial l --without Q23,Q2",
		"sim a10 --serial l --without 23" };
	struct options options;

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		if (parse(&options, wrong[i]) != 64)
			fail_msg("accepted: %s", wrong[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dice_keep_to_their_limits_and_their_seed),
		cmocka_unit_test(memory_keeps_order_through_growth_and_overrun),
		cmocka_unit_test(equal_numbers_are_found_from_either_end),
		cmocka_unit_test(faults_change_only_what_they_say),
		cmocka_unit_test(every_kth_answer_is_late),
		cmocka_unit_test(timers_fire_in_order_and_can_be_taken_back),
		cmocka_unit_test(the_command_line_is_understood),
		cmocka_unit_test(a_wrong_command_line_is_refused_with_64),
	};

	return cmocka_run_group_tests_name("sim_parts", tests, NULL, NULL);
}
