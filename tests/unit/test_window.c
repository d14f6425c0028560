#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../daemon/window.h"

static struct flight ring[4];

static struct window fresh(uint64_t through)
{
	struct window window;
	window_init(&window, ring, 4, through);
	return window;
}

static void through_follows_answers_in_order(void **state)
{
	(void)state;
	struct window window = fresh(100);
	for (int token = 1; token <= 4; token++)
		window_sent(&window, 100 + (uint64_t)token, token, token * 10);
	assert_int_equal(window_room(&window), 0);
	assert_int_equal(window_oldest_ms(&window), 10);
	for (int token = 1; token <= 4; token++) {
		assert_true(window_delivered(&window, token));
		assert_int_equal(window.through, 100 + token);
	}
	assert_int_equal(window.open, 0);
	assert_int_equal(window_oldest_ms(&window), -1);
}

static void an_answer_out_of_order_waits_for_those_before(void **state)
{
	(void)state;
	struct window window = fresh(0);
	for (int token = 1; token <= 3; token++)
		window_sent(&window, (uint64_t)token, token, 0);
	assert_true(window_delivered(&window, 3));
	assert_true(window_delivered(&window, 2));
	assert_int_equal(window.through, 0);
	assert_int_equal(window_room(&window), 1); /* what is answered too early still holds its place */
	assert_true(window_delivered(&window, 1));
	assert_int_equal(window.through, 3);
	assert_int_equal(window_room(&window), 4);
}

static void late_and_doubled_answers_change_nothing(void **state)
{
	(void)state;
	struct window window = fresh(0);
	window_sent(&window, 1, 7, 0);
	assert_false(window_delivered(&window, 8));
	assert_false(window_failed(&window, 8));
	assert_true(window_delivered(&window, 7));
	assert_false(window_delivered(&window, 7));
	assert_int_equal(window.through, 1);
	assert_int_equal(window_find(&window, 7), 0);
}

static void what_failed_is_never_passed(void **state)
{
	(void)state;
	struct window window = fresh(0);
	window_sent(&window, 1, 1, 0);
	window_sent(&window, 2, 2, 0);
	assert_int_equal(window_find(&window, 1), 1);
	assert_true(window_failed(&window, 1));
	assert_true(window_delivered(&window, 2));
	assert_int_equal(window.through, 0);
	assert_int_equal(window.open, 0);
	assert_int_equal(window.failed, 1);
	window_clear(&window);
	assert_int_equal(window.through, 0);
	assert_int_equal(window.failed, 0);
	assert_int_equal(window_room(&window), 4);
}

static void a_skipped_entry_counts_once_all_before_it_are_delivered(void **state)
{
	(void)state;
	struct window window = fresh(0);
	window_sent(&window, 1, 1, 0);
	window_skipped(&window, 2);
	assert_int_equal(window.through, 0);
	window_delivered(&window, 1);
	assert_int_equal(window.through, 2);
	window_skipped(&window, 3);
	assert_int_equal(window.through, 3);
}

static void a_hole_in_the_sequence_is_passed_over(void **state)
{
	(void)state;
	struct window window = fresh(10);
	window_sent(&window, 15, 1, 0);
	window_delivered(&window, 1);
	assert_int_equal(window.through, 15);
}

static void the_ring_turns_for_ever(void **state)
{
	(void)state;
	struct window window = fresh(0);
	for (uint64_t seq = 1; seq <= 1000; seq++) {
		window_sent(&window, seq, (int)(seq % 65535) + 1, 0);
		if (seq >= 3)
			assert_true(window_delivered(&window, (int)((seq - 2) % 65535) + 1));
	}
	assert_int_equal(window.through, 998);
	assert_int_equal(window.open, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(through_follows_answers_in_order),
		cmocka_unit_test(an_answer_out_of_order_waits_for_those_before),
		cmocka_unit_test(late_and_doubled_answers_change_nothing),
		cmocka_unit_test(what_failed_is_never_passed),
		cmocka_unit_test(a_skipped_entry_counts_once_all_before_it_are_delivered),
		cmocka_unit_test(a_hole_in_the_sequence_is_passed_over),
		cmocka_unit_test(the_ring_turns_for_ever),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
