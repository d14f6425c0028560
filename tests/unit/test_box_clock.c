/* By how much entries are off that were received before a time service had set the box's clock: what is told of it, and
 * what stays open, whatever happens between. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../daemon/box_clock.h"

#define NOW_MS INT64_C(1772674980000) /* 2026-03-05T09:43:00+08:00, where the box was up for 100 s */
#define UP_MS  INT64_C(100000)
#define SET    true
#define UNSET  false

/* `behind_s`: how far the wall clock is from the right time, `at_s` after the first look. */
static struct clock_look look(int at_s, int64_t behind_s, bool synced, uint64_t head)
{
	return (struct clock_look){ .wall_ms = NOW_MS + (at_s - behind_s) * 1000,
		.up_ms = UP_MS + at_s * INT64_C(1000),
		.synced = synced,
		.head = head };
}

static struct box_clock begun(const char *boot, const char *kept, const struct clock_look now)
{
	struct box_clock clock;
	box_clock_init(&clock, boot, kept, &now);
	return clock;
}

static int64_t see(struct box_clock *clock, const struct clock_look now)
{
	return box_clock_look(clock, &now);
}

static void assert_corrected(const struct box_clock *clock, uint64_t first, uint64_t last, int64_t by_ms)
{
	assert_int_equal(clock->news.kind, CLOCK_CORRECTED);
	assert_int_equal(clock->news.span.first, first);
	assert_int_equal(clock->news.span.last, last);
	assert_int_equal(clock->news.by_ms, by_ms);
	assert_int_equal(clock->news.booted_ms, NOW_MS - UP_MS);
}

static void a_start_in_1970_is_corrected_when_the_clock_is_set(void **state)
{
	(void)state;
	struct box_clock clock = begun("boot-1", "", look(0, 1772000000, UNSET, 40));
	assert_true(clock.unwritten);
	assert_int_equal(see(&clock, look(1, 1772000000, UNSET, 43)), 0);
	assert_int_equal(see(&clock, look(2, 0, SET, 44)), 1772000000000); /* the jump, by itself */
	assert_int_equal(clock.news.kind, CLOCK_NOTHING);                  /* what was on its way comes to rest */
	see(&clock, look(3, 0, SET, 45));
	assert_corrected(&clock, 41, 45, 1772000000000);
	assert_false(clock.news.span.stepped);
	assert_string_equal(clock.news.span.boot, "boot-1");
	box_clock_told(&clock);
	for (int second = 4; second < 10; second++)
		see(&clock, look(second, 0, SET, 50));
	assert_int_equal(clock.news.kind, CLOCK_NOTHING);
}

static void what_could_not_be_told_yet_is_told_as_it_was(void **state)
{
	(void)state;
	struct box_clock clock = begun("boot-1", "", look(0, 500, UNSET, 40));
	see(&clock, look(1, 0, SET, 44));
	see(&clock, look(2, 0, SET, 44));
	see(&clock, look(3, 0, SET, 60));
	see(&clock, look(4, 0, UNSET, 60));
	see(&clock, look(5, 0, SET, 61));
	see(&clock, look(6, 0, SET, 61));
	assert_corrected(&clock, 41, 44, 500000);
	box_clock_told(&clock);
	see(&clock, look(7, 0, SET, 62));
	assert_corrected(&clock, 61, 62, 0);
}

static void a_clock_that_was_set_from_the_start_is_not_told_of(void **state)
{
	(void)state;
	struct box_clock clock = begun("boot-1", "", look(0, 0, SET, 40));
	see(&clock, look(1, 0, SET, 44));
	assert_false(clock.unwritten);
	assert_int_equal(clock.news.kind, CLOCK_NOTHING);
	assert_int_equal(see(&clock, look(2, 86400, SET, 44)), -86400000); /* a jump is no correction */
	see(&clock, look(3, 86400, SET, 44));
	assert_int_equal(clock.news.kind, CLOCK_NOTHING);
}

static void nothing_received_is_nothing_to_correct(void **state)
{
	(void)state;
	struct box_clock clock = begun("boot-1", "", look(0, 500, UNSET, 40));
	see(&clock, look(1, 0, SET, 40));
	see(&clock, look(2, 0, SET, 40));
	assert_int_equal(clock.news.kind, CLOCK_NOTHING);
}

static void without_time_service_for_days_entries_are_found_right_to_the_millisecond(void **state)
{
	(void)state;
	struct box_clock clock = begun("boot-1", "", look(0, 0, SET, 40));
	see(&clock, look(1, 0, SET, 44));
	see(&clock, look(2, 0, UNSET, 46)); /* 45 and 46 came since the last look */
	struct clock_look set = look(400000, 0, SET, 900);
	set.wall_ms += 350;
	see(&clock, set);
	set.wall_ms += 1000, set.up_ms += 1000;
	see(&clock, set);
	assert_int_equal(clock.news.kind, CLOCK_CORRECTED);
	assert_int_equal(clock.news.span.first, 45);
	assert_int_equal(clock.news.span.last, 900);
	assert_int_equal(clock.news.by_ms, 350);
}

static void a_clock_set_by_hand_in_between_is_told(void **state)
{
	(void)state;
	struct box_clock clock = begun("boot-1", "", look(0, 1772000000, UNSET, 40));
	assert_int_equal(see(&clock, look(1, 120, UNSET, 43)), 1772000000000 - 120000);
	see(&clock, look(2, 0, SET, 44));
	see(&clock, look(3, 0, SET, 45));
	assert_int_equal(clock.news.kind, CLOCK_CORRECTED);
	assert_true(clock.news.span.stepped); /* by_ms is not the same for all of them */
	assert_int_equal(clock.news.booted_ms, NOW_MS - UP_MS);
}

static void it_survives_a_restart_of_the_gateway(void **state)
{
	(void)state;
	char kept[CURSOR_MAX];
	struct box_clock clock = begun("2605fed2-f82b-4151-a541-6a449db3811e", "none", look(0, 900, UNSET, 40));
	box_clock_text(&clock.span, kept);
	/* still not set: the span goes on */
	clock = begun("2605fed2-f82b-4151-a541-6a449db3811e", kept, look(60, 900, UNSET, 50));
	assert_false(clock.unwritten);
	see(&clock, look(61, 0, SET, 51));
	see(&clock, look(62, 0, SET, 51));
	assert_corrected(&clock, 41, 51, 900000);
	/* set while it was away: at once, up to the last entry there is */
	clock = begun("2605fed2-f82b-4151-a541-6a449db3811e", kept, look(60, 0, SET, 50));
	assert_corrected(&clock, 41, 50, 900000);
	/* set by hand while it was away */
	clock = begun("2605fed2-f82b-4151-a541-6a449db3811e", kept, look(60, 100, UNSET, 50));
	assert_true(clock.unwritten);
	box_clock_text(&clock.span, kept);
	clock = begun("2605fed2-f82b-4151-a541-6a449db3811e", kept, look(90, 100, UNSET, 50));
	assert_true(clock.span.stepped);
}

static void after_another_boot_nobody_can_tell(void **state)
{
	(void)state;
	char kept[CURSOR_MAX];
	struct box_clock clock = begun("boot-1", "", look(0, 900, UNSET, 40));
	box_clock_text(&clock.span, kept);
	clock = begun("boot-2", kept, look(5, 900, UNSET, 50));
	assert_int_equal(clock.news.kind, CLOCK_UNCORRECTED);
	assert_int_equal(clock.news.span.first, 41);
	assert_int_equal(clock.news.span.last, 50);
	assert_string_equal(clock.news.span.boot, "boot-1");
	assert_string_equal(clock.span.boot, "boot-2"); /* and a span of its own has begun */
	assert_int_equal(clock.span.first, 51);
	box_clock_text(&clock.span, kept);
	box_clock_told(&clock);
	see(&clock, look(6, 900, UNSET, 53));
	see(&clock, look(7, 0, SET, 53));
	see(&clock, look(8, 0, SET, 53));
	assert_corrected(&clock, 51, 53, 900000);
	box_clock_text(&clock.span, kept);
	assert_string_equal(kept, "none");
}

static void what_is_no_span_is_none(void **state)
{
	(void)state;
	static const char *const kept[] = { "", "none", "boot=", "boot=x first=1", "first=1 offset=2" };
	for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++) {
		struct box_clock clock = begun("boot-1", kept[i], look(0, 0, SET, 40));
		assert_int_equal(clock.news.kind, CLOCK_NOTHING);
		assert_string_equal(clock.span.boot, "");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_start_in_1970_is_corrected_when_the_clock_is_set),
		cmocka_unit_test(what_could_not_be_told_yet_is_told_as_it_was),
		cmocka_unit_test(a_clock_that_was_set_from_the_start_is_not_told_of),
		cmocka_unit_test(nothing_received_is_nothing_to_correct),
		cmocka_unit_test(without_time_service_for_days_entries_are_found_right_to_the_millisecond),
		cmocka_unit_test(a_clock_set_by_hand_in_between_is_told),
		cmocka_unit_test(it_survives_a_restart_of_the_gateway),
		cmocka_unit_test(after_another_boot_nobody_can_tell),
		cmocka_unit_test(what_is_no_span_is_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
