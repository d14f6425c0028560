#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "../../daemon/cutter.h"
#include "../../daemon/ident.h"
#include "../../daemon/settings.h"
#include "../../drivers/checksum.h"

/* A meter on paper, and the line that asks it. */
static struct {
	struct instrument instrument;
	uint8_t options[64];
	struct cutter cutter;
	struct reading list[READINGS_AT_ONCE];
	struct readings readings;
	uint8_t results[8][19];
	size_t count;
	char ids[32][ENTRY_ID_MAX];
	size_t id_count, doubles;
	struct notice notice;
	char cursor[CURSOR_MAX]; /* stored last */
	size_t notices, lists;
	char asked;
} paper;

static int start(void **state)
{
	(void)state;
	const struct driver *driver = driver_by_name("atp");
	free(paper.instrument.state);
	cutter_reset(&paper.cutter);
	memset(&paper, 0, sizeof(paper));
	paper.instrument.driver = driver;
	paper.instrument.options = paper.options;
	paper.instrument.state = calloc(1, driver->state_size);
	paper.instrument.now = (struct date_time){ 2026, 3, 5, 9, 50, 0 };
	settings_defaults(&(struct settings_table){ driver->options, paper.options });
	return driver->setup(&paper.instrument, NULL);
}

static uint8_t *add(uint8_t number, uint8_t rlu)
{
	uint8_t *result = paper.results[paper.count++];
	memcpy(result, (const uint8_t[]){ 'r', number, 0, rlu, 0, 10, 0, 30, 0, 1, 3, 20, 41, 9, 4, 5, 3, 26, 0 }, 19);
	result[18] = checksum_sum8(result + 1, 17);
	return result;
}

static enum next take(struct reply reply)
{
	paper.readings = (struct readings){ .list = paper.list };
	enum next next = paper.instrument.driver->take(&paper.instrument, &reply, &paper.readings);
	for (size_t i = 0; i < paper.readings.count; i++) {
		char id[ENTRY_ID_MAX];
		bool known = false;
		ident_of_reading(id, "330421103-01", paper.instrument.maker.serial, "atp-1", &paper.list[i]);
		for (size_t k = 0; k < paper.id_count; k++)
			known = known || strcmp(paper.ids[k], id) == 0;
		paper.doubles += known;
		if (!known)
			memcpy(paper.ids[paper.id_count++], id, sizeof(id));
	}
	if (*paper.readings.cursor)
		memcpy(paper.cursor, paper.readings.cursor, sizeof(paper.cursor));
	if (paper.readings.notice_count > 0)
		paper.notice = paper.readings.notices[0];
	paper.notices += paper.readings.notice_count;
	return next;
}

static enum next arrive(const void *data, size_t length)
{
	enum next next = NEXT_WAIT;
	struct cut cut;
	enum cut_kind kind;
	for (size_t at = 0; at < length; at++) {
		cutter_feed(&paper.cutter, (const uint8_t *)data + at, 1);
		while ((kind = cutter_next(&paper.cutter, &paper.instrument, false, &cut)) != CUT_MORE)
			if (kind == CUT_FRAME)
				next = take((struct reply){ .bytes = cut.bytes, .length = cut.length });
	}
	if (next != NEXT_WAIT)
		return next;
	while ((kind = cutter_next(&paper.cutter, &paper.instrument, true, &cut)) != CUT_MORE)
		if (kind == CUT_FRAME)
			next = take((struct reply){ .bytes = cut.bytes, .length = cut.length });
	return next != NEXT_WAIT ? next : take((struct reply){ .kind = REPLY_SILENCE });
}

static enum next turn(void)
{
	uint8_t out[256] = { 0 };
	struct request request = { 0 };
	paper.instrument.driver->ask(&paper.instrument, &request);
	assert_int_equal(request.kind, REQUEST_BYTES);
	assert_int_equal(request.length, 1);
	paper.asked = (char)request.bytes[0];
	out[1] = (uint8_t)paper.count;
	switch (paper.asked) {
	case 'N':
		out[0] = 'n';
		return arrive(out, 3);
	case 'G':
		paper.lists++;
		memcpy(out, "g\x12\x04", 3);
		memcpy(out + 3, paper.results, 19 * paper.count);
		return arrive(out, 3 + 19 * paper.count);
	default:
		assert_int_equal(paper.asked, 'E');
		return arrive("", 0);
	}
}

static void poll(void)
{
	for (int turns = 0; turns < 10; turns++)
		if (turn() == NEXT_IDLE)
			return;
	fail();
}

static void a_result_says_what_the_meter_displayed(void **state)
{
	(void)state;
	add(12, 24)[4] = 1;
	poll();
	assert_int_equal(paper.asked, 'E');
	assert_int_equal(paper.id_count, 1);
	const struct reading *reading = &paper.list[0];
	assert_string_equal(reading->instrument_seq, "12");
	assert_string_equal(reading->value, "280");
	assert_string_equal(reading->unit, "RLU");
	assert_string_equal(reading->limit_op, "<=");
	assert_string_equal(reading->limit_value, "10");
	assert_string_equal(reading->said[1].name, "limit_up");
	assert_string_equal(reading->said[1].value, "30");
	assert_string_equal(reading->tested_at, "2026-03-05T09:41:20");
	assert_int_equal(reading->verdict, VERDICT_NONE);
	assert_string_equal(paper.instrument.maker.serial, "1042");
}

static void memory_is_listed_when_its_count_changed_and_now_and_then(void **state)
{
	(void)state;
	poll();
	assert_int_equal(paper.lists, 0);
	add(1, 8);
	add(2, 8);
	poll();
	poll();
	assert_int_equal(paper.lists, 1);
	add(3, 8);
	poll();
	assert_int_equal(paper.lists, 2);
	assert_int_equal(paper.id_count, 3);
	assert_int_equal(paper.doubles, 2);
	paper.instrument.now.hour++;
	poll();
	assert_int_equal(paper.lists, 3);
	paper.instrument.now.hour -= 2; /* the clock was set back */
	poll();
	assert_int_equal(paper.lists, 4);
	assert_int_equal(paper.id_count, 3);
}

static void a_cleared_memory_is_told(void **state)
{
	(void)state;
	add(1, 8);
	add(2, 8);
	poll();
	paper.count = 1;
	poll();
	assert_int_equal(paper.notice.kind, NOTICE_COUNTER_RESTARTED);
	assert_int_equal(paper.notice.first, 2);
	assert_int_equal(paper.notice.last, 1);
}

static void an_incomplete_listing_is_asked_for_again_and_then_told(void **state)
{
	(void)state;
	for (uint8_t i = 1; i <= 4; i++)
		add(i, 8);
	paper.results[2][12] = 77; /* no minute */
	for (int i = 0; i < 3; i++)
		poll();
	assert_int_equal(paper.lists, 3);
	assert_int_equal(paper.id_count, 3);
	assert_int_equal(paper.notice.kind, NOTICE_MISSED_RESULTS);
	poll();
	assert_int_equal(paper.lists, 3);
	paper.results[2][12] = 7;
	paper.results[2][18] = checksum_sum8(paper.results[2] + 1, 17);
	paper.instrument.now.hour++;
	poll();
	assert_int_equal(paper.id_count, 4);
	assert_int_equal(paper.notices, 1);
}

static void a_checksum_that_always_fitted_is_held_to(void **state)
{
	(void)state;
	for (uint8_t i = 1; i <= 3; i++)
		add(i, 8);
	poll();
	add(4, 8)[3] ^= 4;
	poll();
	assert_int_equal(paper.id_count, 3);
	paper.results[3][3] ^= 4;
	poll();
	assert_int_equal(paper.id_count, 4);

	start(NULL); /* another meter has something else there */
	for (uint8_t i = 1; i <= 6; i++)
		add(i, 8)[18] = 0x55;
	poll();
	assert_int_equal(paper.id_count, 6);
}

static void a_clock_that_was_never_set_hides_no_result(void **state)
{
	(void)state;
	memset(add(1, 8) + 11, 0, 7);
	poll();
	assert_int_equal(paper.id_count, 1);
	assert_string_equal(paper.list[0].tested_at, "");
	assert_string_equal(paper.list[0].said[4].value, "2000-00-00 00:00:00");
}

static void weekdays_that_are_wrong_throughout_hide_no_result(void **state)
{
	(void)state;
	add(1, 8)[14] = 0;
	add(2, 8)[14] = 1;
	poll();
	assert_int_equal(paper.id_count, 0);
	poll();
	assert_int_equal(paper.id_count, 2);

	start(NULL); /* of some only: they are out of step, or it was the line; and if it stays so, it was neither */
	add(1, 8)[14] = 0;
	add(2, 8)[14] = 5; /* Sunday is 1 */
	poll();
	poll();
	assert_int_equal(paper.id_count, 1);
	poll();
	assert_int_equal(paper.id_count, 2);
	assert_int_equal(paper.notices, 0);

	start(NULL); /* a sum that is known to be one says more */
	for (uint8_t i = 1; i <= 3; i++)
		add(i, 8);
	poll();
	uint8_t *wrong = add(4, 99);
	wrong[14] = 2;
	wrong[18] = checksum_sum8(wrong + 1, 17);
	poll();
	assert_int_equal(paper.id_count, 4);
}

static void what_is_missing_for_good_is_told_once(void **state)
{
	(void)state;
	add(1, 8);
	add(2, 8)[12] = 77; /* no minute */
	for (int hours = 0; hours < 5; hours++) {
		for (int i = 0; i < 3; i++)
			poll();
		paper.instrument.now.hour++;
	}
	assert_int_equal(paper.id_count, 1);
	assert_int_equal(paper.notices, 1);
}

/* Without a time only that tells a new test from one before the memory was cleared, also when the gateway was off. */
static void without_a_clock_new_tests_after_clearing_are_new(void **state)
{
	(void)state;
	for (int off = 0; off < 2; off++) {
		start(NULL);
		for (uint8_t i = 1; i <= 3; i++)
			memset(add(i, 0) + 11, 0, 7);
		poll();
		assert_int_equal(paper.id_count, 3);
		paper.count = 2;
		if (off) {
			memcpy(paper.instrument.cursor, paper.cursor, sizeof(paper.cursor));
			assert_int_equal(paper.instrument.driver->setup(&paper.instrument, NULL), 0);
		}
		poll();
		assert_int_equal(paper.notice.kind, NOTICE_COUNTER_RESTARTED);
		assert_int_equal(paper.id_count, 5);
		paper.instrument.now.hour++;
		poll(); /* and is known when it is read again */
		assert_int_equal(paper.id_count, 5);
	}
}

static void silence_begins_the_dialogue_anew(void **state)
{
	(void)state;
	add(1, 8);
	for (int turns = 0; turns < 3; turns++) {
		for (int i = 0; i < turns; i++)
			turn();
		take((struct reply){ .kind = REPLY_SILENCE });
		struct request request = { 0 };
		paper.instrument.driver->ask(&paper.instrument, &request);
		assert_int_equal(request.bytes[0], 'N');
	}
}

static void echoes_and_late_answers_are_nothing(void **state)
{
	(void)state;
	add(1, 8);
	struct request request = { 0 };
	paper.instrument.driver->ask(&paper.instrument, &request);
	assert_int_equal(arrive("Ng\x12\x04n\x01\x00", 7), NEXT_ASK);
	paper.instrument.driver->ask(&paper.instrument, &request);
	assert_int_equal(arrive("Gn\x07\x00", 4), NEXT_IDLE);
	assert_int_equal(take((struct reply){ .kind = REPLY_DONE }), NEXT_WAIT);
	poll();
	assert_int_equal(paper.id_count, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, start)
	const struct CMUnitTest tests[] = {
		TEST(a_result_says_what_the_meter_displayed),
		TEST(memory_is_listed_when_its_count_changed_and_now_and_then),
		TEST(a_cleared_memory_is_told),
		TEST(an_incomplete_listing_is_asked_for_again_and_then_told),
		TEST(a_checksum_that_always_fitted_is_held_to),
		TEST(a_clock_that_was_never_set_hides_no_result),
		TEST(weekdays_that_are_wrong_throughout_hide_no_result),
		TEST(what_is_missing_for_good_is_told_once),
		TEST(without_a_clock_new_tests_after_clearing_are_new),
		TEST(silence_begins_the_dialogue_anew),
		TEST(echoes_and_late_answers_are_nothing),
	};
	return cmocka_run_group_tests_name("atp", tests, NULL, NULL);
}
