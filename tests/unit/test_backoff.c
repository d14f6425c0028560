#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../daemon/backoff.h"

static void the_ceiling_doubles_from_one_to_sixty_seconds(void **state)
{
	(void)state;
	static const int64_t ceilings[] = { 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000, 60000 };
	int64_t highest[9] = { 0 };
	for (uint64_t seed = 0; seed < 2000; seed++) {
		struct backoff backoff;
		backoff_init(&backoff, 1000, 60000, seed);
		for (int i = 0; i < 9; i++) {
			int64_t pause = backoff_next(&backoff);
			assert_in_range(pause, 0, ceilings[i]);
			highest[i] = pause > highest[i] ? pause : highest[i];
		}
	}
	for (int i = 0; i < 9; i++)
		assert_true(highest[i] > ceilings[i] * 95 / 100);
}

static void stations_that_fail_together_do_not_return_together(void **state)
{
	(void)state;
	unsigned tenths[10] = { 0 };
	for (uint64_t seed = 0; seed < 10000; seed++) {
		struct backoff backoff;
		backoff_init(&backoff, 1000, 60000, seed);
		for (int i = 0; i < 6; i++)
			backoff_next(&backoff);
		tenths[backoff_next(&backoff) * 10 / 60001]++;
	}
	for (int i = 0; i < 10; i++) /* evenly spread over the whole minute, also from seeds that are neighbours */
		assert_in_range(tenths[i], 850, 1150);
}

static void success_starts_anew(void **state)
{
	(void)state;
	struct backoff backoff;
	backoff_init(&backoff, 1000, 60000, 1);
	for (int i = 0; i < 200; i++)
		assert_in_range(backoff_next(&backoff), 0, 60000);
	backoff_reset(&backoff);
	assert_in_range(backoff_next(&backoff), 0, 1000);
}

static void a_range_includes_both_ends(void **state)
{
	(void)state;
	struct backoff backoff;
	backoff_init(&backoff, 1000, 60000, 0);
	unsigned seen = 0;
	for (int i = 0; i < 1000; i++)
		seen |= 1u << backoff_between(&backoff, 3, 5);
	assert_int_equal(seen, 1u << 3 | 1u << 4 | 1u << 5);
}

/* As at the end of a turn, of which the beginning is a minute ago. */
static void a_pace_that_is_asked_with_an_older_time_forgets_nothing(void **state)
{
	(void)state;
	struct pace pace;
	pace_init(&pace, 500, 0);
	assert_int_equal(pace_wait_ms(&pace, 60000), 0);
	assert_int_equal(pace_wait_ms(&pace, 0), 0);
	assert_int_equal(pace_wait_ms(&pace, 60001), 0);
}

static void a_pace_keeps_its_rate_over_time(void **state)
{
	(void)state;
	static const long rates[] = { 1, 7, 50, 1000, 20000 };
	for (unsigned i = 0; i < 5; i++) {
		struct pace pace;
		long now = 5000, went = 0, until = now + 10000;
		pace_init(&pace, rates[i], now);
		while (now < until) {
			long wait = pace_wait_ms(&pace, now);
			if (wait == 0) {
				pace_spend(&pace);
				went++;
			}
			now += wait;
		}
		assert_in_range(went, rates[i] * 10 * 99 / 100, rates[i] * 10 + rates[i] / 10 + 1);
	}
}

static void a_long_rest_earns_only_a_small_burst(void **state)
{
	(void)state;
	struct pace pace;
	pace_init(&pace, 100, 0);
	int burst = 0;
	while (pace_wait_ms(&pace, 3600000) == 0 && burst < 1000) {
		pace_spend(&pace);
		burst++;
	}
	assert_int_equal(burst, 10);
}

static void no_rate_is_no_limit(void **state)
{
	(void)state;
	struct pace pace;
	pace_init(&pace, 0, 0);
	for (int i = 0; i < 100000; i++) {
		assert_int_equal(pace_wait_ms(&pace, 0), 0);
		pace_spend(&pace);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_ceiling_doubles_from_one_to_sixty_seconds),
		cmocka_unit_test(stations_that_fail_together_do_not_return_together),
		cmocka_unit_test(success_starts_anew),
		cmocka_unit_test(a_range_includes_both_ends),
		cmocka_unit_test(a_pace_keeps_its_rate_over_time),
		cmocka_unit_test(a_pace_that_is_asked_with_an_older_time_forgets_nothing),
		cmocka_unit_test(a_long_rest_earns_only_a_small_burst),
		cmocka_unit_test(no_rate_is_no_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
