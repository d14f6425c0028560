/* An oil tester on paper: a memory that is listed page by page, and moves while it is read. Whatever happens, each
 * result is stored exactly once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "modbus_fixture.h"

#define RECORD      10
#define RESULTS_MAX 6000

struct tester {
	uint8_t results[RESULTS_MAX][RECORD]; /* all there ever were, oldest first */
	uint32_t first, count;                /* those it still holds */
	uint32_t capacity;
	bool oldest_first;
	double arrivals, silences, alike; /* chances for each exchange, and for each new result */
	unsigned silent;                  /* so many requests stay unanswered */
	unsigned silent_every;
	int exception;
	unsigned exchanges, seed;
	uint32_t longest; /* the highest page asked for */
};

struct stored {
	uint8_t bytes[RECORD];
	unsigned repeat;
};

struct room {
	struct tester tester;
	struct instrument instrument;
	struct modbus_paged_state paged;
	struct modbus_options options;
	struct modbus_profile profile;
	struct reading list[READINGS_AT_ONCE];
	struct stored stored[RESULTS_MAX];
	size_t stored_count, handed_over;
	char cursor[CURSOR_MAX];
	unsigned lost_notices, fault_notices, undecodable, rejected;
};

static double chance(struct tester *tester)
{
	return rand_r(&tester->seed) / ((double)RAND_MAX + 1);
}

static void finish_result(struct tester *tester)
{
	uint32_t all = tester->first + tester->count;
	uint8_t *result = tester->results[all];
	assert_true(all < RESULTS_MAX);
	if (all > 0 && chance(tester) < tester->alike) {
		memcpy(result, tester->results[all - 1], RECORD);
	} else {
		const uint8_t bytes[RECORD] = { 26, 3, (uint8_t)(1 + all / 1440), (uint8_t)(all / 60 % 24),
			(uint8_t)(all % 60), 0, 0x06, 0xDB, (uint8_t)(rand_r(&tester->seed) % 2), (uint8_t)all };
		memcpy(result, bytes, RECORD);
	}
	tester->count++;
	if (tester->count > tester->capacity) {
		tester->first++;
		tester->count--;
	}
}

static struct room *room_new(bool oldest_first)
{
	struct room *room = calloc(1, sizeof(*room));
	struct modbus_profile *profile = bench_profile("config/profiles/oil-dy2620.conf");
	room->profile = *profile;
	free(profile);
	room->profile.pages.oldest_first = room->tester.oldest_first = oldest_first;
	room->tester.capacity = 1000;
	room->tester.seed = 7;
	room->options.reconcile_ms = 600000;
	room->instrument = (struct instrument){ .driver = &modbus_driver,
		.options = &room->options,
		.profile = &room->profile,
		.state = &room->paged,
		.now = { 2026, 3, 5, 9, 0, 0 } };
	return room;
}

static void set_up(struct room *room)
{
	struct fault fault;
	memcpy(room->instrument.cursor, room->cursor, CURSOR_MAX);
	assert_int_equal(modbus_driver.setup(&room->instrument, &fault), 0);
}

static void store(struct room *room, const struct readings *readings)
{
	for (size_t i = 0; i < readings->count; i++) {
		const struct reading *reading = &readings->list[i];
		bool known = false;
		assert_true(reading->repeatable);
		assert_int_equal(reading->identity_length, RECORD);
		for (size_t k = 0; k < room->stored_count && !known; k++)
			known = room->stored[k].repeat == reading->repeat &&
			        memcmp(room->stored[k].bytes, reading->identity, RECORD) == 0;
		room->handed_over++;
		if (known)
			continue;
		struct stored *stored = &room->stored[room->stored_count++];
		memcpy(stored->bytes, reading->identity, RECORD);
		stored->repeat = reading->repeat;
	}
	for (size_t i = 0; i < readings->notice_count; i++) {
		room->lost_notices += readings->notices[i].kind == NOTICE_COUNTER_RESTARTED;
		room->fault_notices += readings->notices[i].kind == NOTICE_INSTRUMENT_FAULT;
		room->undecodable += readings->notices[i].kind == NOTICE_UNDECODABLE;
	}
	room->rejected += readings->rejected;
	if (*readings->cursor)
		memcpy(room->cursor, readings->cursor, CURSOR_MAX);
}

static void answer(struct tester *tester, const struct request *request, struct reply *reply, uint8_t *bytes)
{
	static const uint8_t asks[] = { 0x65, 0, 0, 0, 1 };
	assert_int_equal(request->kind, REQUEST_RAW);
	assert_int_equal(request->length, sizeof(asks));
	assert_int_equal(request->bytes[0], 0x65);
	assert_memory_equal(request->bytes + 3, asks + 3, 2);
	uint32_t page = (uint32_t)(request->bytes[1] << 8 | request->bytes[2]);
	tester->exchanges++;
	tester->longest = page > tester->longest ? page : tester->longest;
	if (chance(tester) < tester->arrivals)
		finish_result(tester);
	*reply = (struct reply){ .kind = REPLY_SILENCE };
	bool regular = tester->silent_every && tester->exchanges % tester->silent_every == 0;
	if (regular || tester->silent > 0 || chance(tester) < tester->silences) {
		tester->silent -= tester->silent > 0;
		return;
	}
	if (tester->exception) {
		*reply = (struct reply){ .kind = REPLY_REFUSED, .exception = tester->exception };
		return;
	}
	bytes[0] = 0x65;
	bytes[1] = page < tester->count ? RECORD : 2;
	memset(bytes + 2, 0, RECORD);
	uint32_t place = tester->oldest_first ? page : tester->count - 1 - page;
	if (page < tester->count)
		memcpy(bytes + 2, tester->results[tester->first + place], RECORD);
	*reply = (struct reply){ .kind = REPLY_RAW, .bytes = bytes, .length = 2U + bytes[1] };
}

static enum next turn(struct room *room)
{
	struct request request = { 0 };
	struct reply reply;
	uint8_t bytes[REQUEST_MAX];
	struct readings readings = { .list = room->list };
	modbus_driver.ask(&room->instrument, &request);
	answer(&room->tester, &request, &reply, bytes);
	enum next next = modbus_driver.take(&room->instrument, &reply, &readings);
	store(room, &readings);
	return next;
}

/* How many exchanges the poll took. */
static unsigned poll(struct room *room)
{
	unsigned before = room->tester.exchanges, turns = 0;
	while (turn(room) != NEXT_IDLE && turns++ < 20000)
		;
	return room->tester.exchanges - before;
}

static void assert_all_once(const struct room *room)
{
	const struct tester *tester = &room->tester;
	uint32_t all = tester->first + tester->count;
	for (uint32_t i = 0; i < all; i++) { /* as many stored as there were, for each kind */
		unsigned were = 0, are = 0;
		for (uint32_t k = 0; k < all; k++)
			were += memcmp(tester->results[i], tester->results[k], RECORD) == 0;
		for (size_t k = 0; k < room->stored_count; k++)
			are += memcmp(tester->results[i], room->stored[k].bytes, RECORD) == 0;
		if (were != are)
			fail_msg("result %u of %u: %u of them, stored %u", i, all, were, are);
	}
	assert_int_equal(room->stored_count, all);
}

static void fill(struct room *room, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		finish_result(&room->tester);
}

static void what_is_in_the_memory_is_fetched_once(void **state)
{
	(void)state;
	for (int oldest_first = 0; oldest_first < 2; oldest_first++) {
		struct room *room = room_new(oldest_first);
		room->tester.alike = 0.2;
		fill(room, 200);
		set_up(room);
		poll(room);
		assert_all_once(room);
		assert_int_equal(room->handed_over, 200);
		free(room);
	}
}

/* More than are remembered: the oldest are no longer compared with, and the walk comes to its end all the same. */
static void a_very_long_memory_is_read_to_its_end(void **state)
{
	(void)state;
	for (int oldest_first = 0; oldest_first < 2; oldest_first++) {
		struct room *room = room_new(oldest_first);
		room->tester.capacity = RESULTS_MAX;
		fill(room, MODBUS_WALK_MAX + 500);
		set_up(room);
		poll(room);
		assert_int_equal(room->stored_count, MODBUS_WALK_MAX + 500);
		fill(room, 3);
		poll(room);
		assert_int_equal(room->stored_count, MODBUS_WALK_MAX + 503);
		free(room);
	}
}

static void a_poll_without_news_is_short_and_hands_over_nothing(void **state)
{
	(void)state;
	for (int oldest_first = 0; oldest_first < 2; oldest_first++) {
		struct room *room = room_new(oldest_first);
		fill(room, 50);
		set_up(room);
		poll(room);
		size_t handed_over = room->handed_over;
		assert_int_equal(poll(room), 2);
		assert_int_equal(room->handed_over, handed_over);
		finish_result(&room->tester);
		assert_true(poll(room) <= 5);
		assert_int_equal(room->stored_count, 51);
		free(room);
	}
}

static void two_alike_in_a_row_are_two(void **state)
{
	(void)state;
	for (int oldest_first = 0; oldest_first < 2; oldest_first++) {
		struct room *room = room_new(oldest_first);
		fill(room, 3);
		room->tester.alike = 1;
		set_up(room);
		for (unsigned i = 0; i < 40; i++) {
			poll(room);
			assert_all_once(room);
			if (i % 3 == 0)
				set_up(room); /* restarted */
			fill(room, i % 4);
		}
		free(room);
	}
}

static void an_absence_is_caught_up_from_the_cursor(void **state)
{
	(void)state;
	struct room *room = room_new(false);
	fill(room, 300);
	set_up(room);
	poll(room);
	fill(room, 30);
	set_up(room);
	room->tester.longest = 0;
	poll(room);
	assert_all_once(room);
	assert_true(room->tester.longest < 40); /* only then, when there is time, the whole memory */
	poll(room);
	assert_int_equal(room->tester.longest, 330);
	assert_all_once(room);
	free(room);
}

static void a_memory_that_moves_while_it_is_read_loses_and_doubles_nothing(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 300; seed++) {
		struct room *room = room_new(seed % 4 == 3);
		struct tester *tester = &room->tester;
		tester->seed = seed;
		tester->alike = seed % 5 == 0 ? 0.9 : 0.1;
		fill(room, seed % 60);
		tester->arrivals = 0.12;
		tester->silences = seed % 3 == 0 ? 0.1 : 0;
		tester->silent_every = seed % 7 == 0 ? 9 : 0; /* with a head torn by a new result in between */
		set_up(room);
		while (tester->first + tester->count < 150) {
			poll(room);
			if (chance(tester) < 0.1)
				set_up(room);
		}
		tester->arrivals = tester->silences = 0;
		for (unsigned i = 0; i < 800; i++)
			poll(room);
		assert_all_once(room);
		assert_int_equal(room->lost_notices, 0);
		free(room);
	}
}

/* However long the memory is, and at whatever exchange the line breaks off regularly. */
static void regular_silence_does_not_keep_it_from_coming_to_an_end(void **state)
{
	(void)state;
	for (unsigned every = 4; every < 20; every++) {
		for (int oldest_first = 0; oldest_first < 2; oldest_first++) {
			struct room *room = room_new(oldest_first);
			room->tester.alike = 0.3;
			fill(room, 60);
			room->tester.silent_every = every;
			set_up(room);
			for (unsigned i = 0; i < 80; i++)
				poll(room);
			assert_all_once(room);
			free(room);
		}
	}
}

static void a_full_memory_that_forgets_its_oldest_is_followed(void **state)
{
	(void)state;
	for (int oldest_first = 0; oldest_first < 2; oldest_first++) {
		struct room *room = room_new(oldest_first);
		room->tester.capacity = 20;
		fill(room, 20);
		set_up(room);
		for (unsigned i = 0; i < 100; i++) {
			poll(room);
			assert_all_once(room);
			fill(room, 1 + i % 3);
		}
		assert_int_equal(room->lost_notices, 0);
		free(room);
	}
}

static void more_than_the_memory_holds_is_told_as_missing(void **state)
{
	(void)state;
	struct room *room = room_new(false);
	room->tester.capacity = 20;
	fill(room, 20);
	set_up(room);
	poll(room);
	fill(room, 45);
	poll(room);
	assert_int_equal(room->lost_notices, 1);
	assert_int_equal(room->stored_count, 40);
	poll(room);
	assert_int_equal(room->lost_notices, 1); /* once */
	free(room);
}

static void a_cleared_memory_is_told_and_read_anew(void **state)
{
	(void)state;
	for (int oldest_first = 0; oldest_first < 2; oldest_first++) {
		struct room *room = room_new(oldest_first);
		fill(room, 20);
		set_up(room);
		poll(room);
		room->tester.first += room->tester.count;
		room->tester.count = 0;
		poll(room);
		poll(room);
		assert_int_equal(room->lost_notices, 1);
		set_up(room);
		poll(room);
		assert_int_equal(room->lost_notices, 1);
		fill(room, 2);
		poll(room);
		assert_all_once(room);
		free(room);
	}
}

/* Newest first: alike ones with another between them, within a minute, hide behind the head; the listing finds them. */
static void what_the_head_cannot_show_the_whole_listing_finds(void **state)
{
	(void)state;
	struct room *room = room_new(false);
	struct tester *tester = &room->tester;
	fill(room, 4);
	set_up(room);
	poll(room);
	memcpy(tester->results[4], tester->results[2], RECORD);
	memcpy(tester->results[5], tester->results[3], RECORD);
	tester->count = 6;
	poll(room);
	room->instrument.now.minute = 9;
	poll(room);
	room->instrument.now.minute = 10; /* of `reconcile` */
	poll(room);
	assert_all_once(room);
	assert_int_equal(room->stored_count, 6);
	free(room);
}

static void a_wrong_order_in_the_profile_costs_time_only(void **state)
{
	(void)state;
	for (int oldest_first = 0; oldest_first < 2; oldest_first++) {
		struct room *room = room_new(oldest_first);
		room->profile.pages.oldest_first = !oldest_first;
		room->tester.alike = 0.2;
		fill(room, 30);
		set_up(room);
		for (unsigned i = 0; i < 30; i++) {
			poll(room);
			fill(room, i % 3);
		}
		room->instrument.now.hour++;
		poll(room);
		poll(room);
		assert_all_once(room);
		free(room);
	}
}

static void a_refusal_is_told_once_and_busy_is_none(void **state)
{
	(void)state;
	struct room *room = room_new(false);
	fill(room, 3);
	set_up(room);
	room->tester.exception = 6;
	poll(room);
	assert_int_equal(room->fault_notices, 0);
	room->tester.exception = 1;
	poll(room);
	poll(room);
	assert_int_equal(room->fault_notices, 1);
	room->tester.exception = 0;
	poll(room);
	assert_all_once(room);
	room->tester.exception = 1;
	poll(room);
	assert_int_equal(room->fault_notices, 2);
	free(room);
}

static void an_answer_of_another_shape_is_no_record(void **state)
{
	(void)state;
	static const struct {
		uint8_t bytes[16];
		size_t length;
	} wrong[] = { { { 0x65, 11, 1 }, 13 }, { { 0x65, 10 }, 11 }, { { 0x64, 10 }, 12 }, { { 0x65 }, 1 },
		{ { 0 }, 0 } };
	struct room *room = room_new(false);
	set_up(room);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct request request = { 0 };
		struct readings readings = { .list = room->list };
		struct reply reply = { .kind = REPLY_RAW, .bytes = wrong[i].bytes, .length = wrong[i].length };
		modbus_driver.ask(&room->instrument, &request);
		assert_int_equal(modbus_driver.take(&room->instrument, &reply, &readings), NEXT_IDLE);
		assert_int_equal(readings.count, 0);
		assert_int_equal(readings.rejected, 1);
	}
	free(room);
}

static void a_place_that_is_blank_is_counted_and_one_that_is_not_valid_is_kept(void **state)
{
	(void)state;
	struct room *room = room_new(false);
	struct fault fault = { "" };
	assert_int_equal(modbus_profiles.entry(&room->profile, "field", "valid", "5 u8 good=0 blank=9", &fault), 0);
	assert_int_equal(modbus_profiles.finish(&room->profile, &fault), 0);
	fill(room, 3);
	room->tester.results[0][5] = 9;
	room->tester.results[1][5] = 4;
	set_up(room);
	poll(room);
	assert_int_equal(room->stored_count, 1);
	assert_int_equal(room->undecodable, 1);
	assert_int_equal(room->rejected, 1);
	free(room);
}

static void a_result_that_never_comes_to_rest_does_not_hold_the_line(void **state)
{
	(void)state;
	struct room *room = room_new(false);
	fill(room, 5);
	room->tester.arrivals = 1;
	set_up(room);
	assert_true(poll(room) < 2000);
	free(room);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_in_the_memory_is_fetched_once),
		cmocka_unit_test(a_very_long_memory_is_read_to_its_end),
		cmocka_unit_test(a_poll_without_news_is_short_and_hands_over_nothing),
		cmocka_unit_test(two_alike_in_a_row_are_two),
		cmocka_unit_test(an_absence_is_caught_up_from_the_cursor),
		cmocka_unit_test(a_memory_that_moves_while_it_is_read_loses_and_doubles_nothing),
		cmocka_unit_test(regular_silence_does_not_keep_it_from_coming_to_an_end),
		cmocka_unit_test(a_full_memory_that_forgets_its_oldest_is_followed),
		cmocka_unit_test(more_than_the_memory_holds_is_told_as_missing),
		cmocka_unit_test(a_cleared_memory_is_told_and_read_anew),
		cmocka_unit_test(what_the_head_cannot_show_the_whole_listing_finds),
		cmocka_unit_test(a_wrong_order_in_the_profile_costs_time_only),
		cmocka_unit_test(a_refusal_is_told_once_and_busy_is_none),
		cmocka_unit_test(an_answer_of_another_shape_is_no_record),
		cmocka_unit_test(a_place_that_is_blank_is_counted_and_one_that_is_not_valid_is_kept),
		cmocka_unit_test(a_result_that_never_comes_to_rest_does_not_hold_the_line),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
