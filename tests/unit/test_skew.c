/* What is known of an instrument's clock, from what it gives: and when that is announced. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../daemon/skew.h"

#define BEGUN_MS INT64_C(1772674980000) /* 2026-03-05T09:43:00+08:00 */
#define ALARM_MS INT64_C(300000)
#define ENDS     1000000 /* of a list of results */

struct one {          /* a new result */
	int at_s;     /* received, from the beginning */
	int waited_s; /* since it was tested, by a right clock */
	int skew_s;   /* of the instrument's clock when it was tested */
	enum { ATTENDED, BACKLOG } how;
	int tested_with; /* index + 1 of the result of the same plate; 0: none */
};

struct scenario {
	const char *promise;
	struct one results[10];
	enum skew_by by;
	int skew_s;
	enum skew_change change;
	bool minutes;  /* the instrument's times have no seconds */
	bool unsynced; /* our clock */
};

#define END                                                                                                            \
	{                                                                                                              \
		ENDS, 0, 0, ATTENDED, 0                                                                                \
	}
#define HOURS(n)       ((n)*3600)
#define MINUTES(n)     ((n)*60)
#define SEVEN_MIN_SLOW (-420)

static const struct scenario scenarios[] = {
	{ "a clock seven minutes slow is found by the third result",
		{ { 0, 1, SEVEN_MIN_SLOW, ATTENDED, 0 }, { HOURS(1), 2, SEVEN_MIN_SLOW, ATTENDED, 0 },
			{ HOURS(2), 1, SEVEN_MIN_SLOW, ATTENDED, 0 }, END },
		SKEW_BY_RESULTS, -421, SKEW_BEGAN, false, false },
	{ "two results are not enough",
		{ { 0, 1, SEVEN_MIN_SLOW, ATTENDED, 0 }, { HOURS(1), 2, SEVEN_MIN_SLOW, ATTENDED, 0 }, END },
		SKEW_UNKNOWN, 0, SKEW_SAME, false, false },
	{ "a right clock is known to be right",
		{ { 0, 1, 0, ATTENDED, 0 }, { HOURS(1), 2, 0, ATTENDED, 0 }, { HOURS(2), 1, 0, ATTENDED, 0 }, END },
		SKEW_BY_RESULTS, -1, SKEW_SAME, false, false },
	{ "a result that came late among three that came at once changes nothing",
		{ { 0, 1, 0, ATTENDED, 0 }, { HOURS(1), 2, 0, ATTENDED, 0 }, { HOURS(9), HOURS(7), 0, ATTENDED, 0 },
			{ HOURS(10), 1, 0, ATTENDED, 0 }, END },
		SKEW_BY_RESULTS, -1, SKEW_SAME, false, false },
	{ "what waited each time for another while says nothing",
		{ { 0, 400, 0, ATTENDED, 0 }, { HOURS(2), 3000, 0, ATTENDED, 0 }, { HOURS(4), 1200, 0, ATTENDED, 0 },
			{ HOURS(6), 2000, 0, ATTENDED, 0 }, END },
		SKEW_UNKNOWN, 0, SKEW_SAME, false, false },
	{ "one that came at once shows that three others had waited",
		{ { 0, 420, 0, ATTENDED, 0 }, { HOURS(1), 425, 0, ATTENDED, 0 }, { HOURS(2), 422, 0, ATTENDED, 0 },
			{ HOURS(3), 1, 0, ATTENDED, 0 }, END },
		SKEW_UNKNOWN, 0, SKEW_SAME, false, false },
	{ "the backlog after an outage is left out",
		{ { 0, HOURS(5), 0, BACKLOG, 0 }, { 60, HOURS(5), 0, BACKLOG, 0 }, { 120, HOURS(5), 0, BACKLOG, 0 },
			{ 180, HOURS(5), 0, BACKLOG, 0 }, END },
		SKEW_UNKNOWN, 0, SKEW_SAME, false, false },
	{ "a memory sent all at once is one witness",
		{ { 0, 3600, 0, ATTENDED, 0 }, { 4, 3600, 0, ATTENDED, 0 }, { 8, 3600, 0, ATTENDED, 0 },
			{ 12, 3600, 0, ATTENDED, 0 }, { 16, 3600, 0, ATTENDED, 0 }, END },
		SKEW_UNKNOWN, 0, SKEW_SAME, false, false },
	{ "a plate of wells read one by one is one witness",
		{ { 0, 400, 0, ATTENDED, 0 }, { 40, 440, 0, ATTENDED, 1 }, { 80, 480, 0, ATTENDED, 1 },
			{ 120, 520, 0, ATTENDED, 1 }, END },
		SKEW_UNKNOWN, 0, SKEW_SAME, false, false },
	{ "a fast clock shows at once: nothing is received before it was tested", { { 0, 2, 420, ATTENDED, 0 }, END },
		SKEW_BY_FUTURE, 417, SKEW_BEGAN, false, false },
	{ "even in the backlog", { { 0, 100, 600, BACKLOG, 0 }, END }, SKEW_BY_FUTURE, 499, SKEW_BEGAN, false, false },
	{ "a fast clock is known to the minute by the third",
		{ { 0, 2, 420, ATTENDED, 0 }, { HOURS(1), 1, 420, ATTENDED, 0 }, { HOURS(2), 30, 420, ATTENDED, 0 },
			END },
		SKEW_BY_RESULTS, 418, SKEW_BEGAN, false, false },
	{ "a clock that is two seconds fast is no matter", { { 0, 0, 2, ATTENDED, 0 }, END }, SKEW_BY_FUTURE, 1,
		SKEW_SAME, false, false },
	{ "times without seconds agree within two minutes",
		{ { 17, 1, SEVEN_MIN_SLOW, ATTENDED, 0 }, { HOURS(1) + 58, 1, SEVEN_MIN_SLOW, ATTENDED, 0 },
			{ HOURS(2) + 31, 1, SEVEN_MIN_SLOW, ATTENDED, 0 }, END },
		SKEW_BY_RESULTS, -437, SKEW_BEGAN, true, false },
	{ "a clock reset to 2011 is years slow",
		{ { 0, 1, -478000000, ATTENDED, 0 }, { HOURS(1), 1, -478000000, ATTENDED, 0 },
			{ HOURS(2), 1, -478000000, ATTENDED, 0 }, END },
		SKEW_BY_RESULTS, -478000001, SKEW_BEGAN, false, false },
	{ "a station whose own clock is not set estimates nothing",
		{ { 0, 1, SEVEN_MIN_SLOW, ATTENDED, 0 }, { HOURS(1), 1, SEVEN_MIN_SLOW, ATTENDED, 0 },
			{ HOURS(2), 1, 9000, ATTENDED, 0 }, END },
		SKEW_UNKNOWN, 0, SKEW_SAME, false, true },
	{ "results of a week ago are no witnesses",
		{ { 0, 1, SEVEN_MIN_SLOW, ATTENDED, 0 }, { HOURS(1), 1, SEVEN_MIN_SLOW, ATTENDED, 0 },
			{ HOURS(200), 1, SEVEN_MIN_SLOW, ATTENDED, 0 }, END },
		SKEW_UNKNOWN, 0, SKEW_SAME, false, false },
	{ "a clock that somebody set right is no longer said to be wrong",
		{ { 0, 1, SEVEN_MIN_SLOW, ATTENDED, 0 }, { HOURS(1), 1, SEVEN_MIN_SLOW, ATTENDED, 0 },
			{ HOURS(2), 1, SEVEN_MIN_SLOW, ATTENDED, 0 }, { HOURS(3), 1, 0, ATTENDED, 0 }, END },
		SKEW_UNKNOWN, 0, SKEW_SAME, false, false },
	{ "a clock that somebody set wrong is found by the fourth",
		{ { 0, 1, 0, ATTENDED, 0 }, { HOURS(1), 1, 0, ATTENDED, 0 }, { HOURS(2), 1, 0, ATTENDED, 0 },
			{ HOURS(3), 1, SEVEN_MIN_SLOW, ATTENDED, 0 }, { HOURS(4), 1, SEVEN_MIN_SLOW, ATTENDED, 0 },
			{ HOURS(5), 1, SEVEN_MIN_SLOW, ATTENDED, 0 }, { HOURS(6), 1, SEVEN_MIN_SLOW, ATTENDED, 0 },
			END },
		SKEW_BY_RESULTS, -421, SKEW_BEGAN, false, false },
};

static struct skew_moment moment(int64_t at_ms, bool synced)
{
	return (struct skew_moment){ .wall_ms = BEGUN_MS + at_ms, .steady_ms = 5000000 + at_ms, .synced = synced };
}

static void play(struct skew *skew, const struct scenario *scenario)
{
	int64_t tested_ms[10];
	for (size_t i = 0; scenario->results[i].at_s != ENDS; i++) {
		const struct one *one = &scenario->results[i];
		const struct skew_moment now = moment(one->at_s * INT64_C(1000) + 118, !scenario->unsynced);
		tested_ms[i] = BEGUN_MS + (one->at_s - one->waited_s + one->skew_s) * INT64_C(1000);
		if (scenario->minutes)
			tested_ms[i] -= tested_ms[i] % 60000;
		if (one->tested_with)
			tested_ms[i] = tested_ms[one->tested_with - 1];
		skew_result(skew, tested_ms[i], one->how == ATTENDED, &now);
	}
}

static void results_tell_how_wrong_a_clock_is(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(scenarios) / sizeof(*scenarios); i++) {
		const struct scenario *scenario = &scenarios[i];
		struct skew skew = { 0 };
		play(&skew, scenario);
		const struct skew_known known = skew_now(&skew, !scenario->unsynced);
		if (known.by != scenario->by || known.skew_s != scenario->skew_s ||
			skew_change(&skew, ALARM_MS, !scenario->unsynced) != scenario->change)
			fail_msg("%s: by %s, %lld s, change %d", scenario->promise, skew_by_name(known.by),
				(long long)known.skew_s, skew_change(&skew, ALARM_MS, !scenario->unsynced));
		assert_int_equal(skew_change(&skew, 0, true), SKEW_SAME); /* turned off */
	}
}

static void a_crossing_is_announced_once_and_so_is_its_end(void **state)
{
	(void)state;
	struct skew skew = { 0 };
	int told = 0, over = 0;
	for (int second = 0; second < 600; second++) {
		/* 4:40 to 5:20 slow and back, with a second of noise; then set right to 3 min, then to nothing */
		int there_s = second < 400 ? -300 + 20 * ((second / 40) % 3 - 1) + second % 2 : second < 500 ? -180 : 0;
		const struct skew_moment now = moment(second * 1000, true);
		skew_told(&skew, now.wall_ms + there_s * INT64_C(1000), &now);
		enum skew_change change = skew_change(&skew, ALARM_MS, true);
		told += change == SKEW_BEGAN;
		over += change == SKEW_OVER;
		if (change == SKEW_OVER)
			assert_true(second >= 500);
		skew_announced(&skew, change);
	}
	assert_int_equal(told, 1);
	assert_int_equal(over, 1);
}

static void what_could_not_be_stored_is_announced_later(void **state)
{
	(void)state;
	struct skew skew = { 0 };
	play(&skew, &scenarios[0]);
	assert_int_equal(skew_change(&skew, ALARM_MS, true), SKEW_BEGAN);
	assert_int_equal(skew_change(&skew, ALARM_MS, true), SKEW_BEGAN);
	skew_announced(&skew, SKEW_BEGAN);
	assert_int_equal(skew_change(&skew, ALARM_MS, true), SKEW_SAME);
	assert_int_equal(skew.alarmed_since_ms, BEGUN_MS + 118); /* the first that agrees */
}

static void a_step_of_our_clock_ends_what_was_known(void **state)
{
	(void)state;
	struct skew skew = { 0 };
	play(&skew, &scenarios[0]);
	assert_int_equal(skew_now(&skew, true).by, SKEW_BY_RESULTS);
	assert_int_equal(skew_now(&skew, false).by, SKEW_UNKNOWN);
	struct skew_moment now = moment(HOURS(3) * INT64_C(1000), true);
	now.wall_ms += 5000;
	skew_result(&skew, now.wall_ms - 421000, true, &now);
	assert_int_equal(skew_now(&skew, true).by, SKEW_UNKNOWN);
}

static void a_clock_that_is_told_needs_no_results(void **state)
{
	(void)state;
	struct skew skew = { 0 };
	const struct skew_moment now = moment(0, true), unset = moment(0, false);
	skew_told(&skew, now.wall_ms - 420000, &unset);
	assert_int_equal(skew_now(&skew, true).by, SKEW_UNKNOWN);
	skew_told(&skew, now.wall_ms - 420000, &now);
	assert_int_equal(skew_now(&skew, true).by, SKEW_BY_CLOCK);
	assert_int_equal(skew_now(&skew, true).skew_s, -420);
	assert_int_equal(skew_now(&skew, true).within_s, 2);
	skew_result(&skew, now.wall_ms - 9000000, true, &now);
	assert_int_equal(skew_now(&skew, true).skew_s, -420);
	for (int by = SKEW_BY_CLOCK; by <= SKEW_BY_RESULTS; by++)
		assert_int_equal(skew_by_word(skew_by_name((enum skew_by)by)), by);
	assert_int_equal(skew_by_word(""), SKEW_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(results_tell_how_wrong_a_clock_is),
		cmocka_unit_test(a_crossing_is_announced_once_and_so_is_its_end),
		cmocka_unit_test(what_could_not_be_stored_is_announced_later),
		cmocka_unit_test(a_step_of_our_clock_ends_what_was_known),
		cmocka_unit_test(a_clock_that_is_told_needs_no_results),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
