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
#include "../../drivers/dump8.h"

/* A reader on paper: its groups, and what the line does with them. */
static struct {
	struct instrument instrument;
	uint8_t options[64];
	struct cutter cutter;
	struct reading list[READINGS_AT_ONCE];
	struct readings readings;
	uint64_t fed;
	uint8_t model;
	uint8_t groups[8][DUMP8_Z24_GROUP];
	size_t group_size, group_count, released;
	bool cleared;
	char ids[64][ENTRY_ID_MAX];
	size_t id_count, doubles, notices;
	struct notice notice;
	uint8_t last[2];
	int longest_ms; /* that a question waited for its answer */
	size_t last_length;
} paper;

static void set(const char *name, const char *value)
{
	const struct setting *rows = driver_by_name("dump8")->options;
	while (strcmp(rows->name, name) != 0)
		rows++;
	assert_int_equal(settings_value(rows, value, paper.options, NULL), 0);
}

static void connect(void)
{
	memset(paper.instrument.state, 0, paper.instrument.driver->state_size);
	assert_int_equal(paper.instrument.driver->setup(&paper.instrument, NULL), 0);
	cutter_reset(&paper.cutter);
}

static int start(void **state)
{
	(void)state;
	const struct driver *driver = driver_by_name("dump8");
	free(paper.instrument.state);
	cutter_reset(&paper.cutter);
	memset(&paper, 0, sizeof(paper));
	paper.instrument.driver = driver;
	paper.instrument.options = paper.options;
	paper.instrument.state = calloc(1, driver->state_size);
	paper.model = 0x01;
	paper.group_size = DUMP8_GROUP;
	settings_defaults(&(struct settings_table){ driver->options, paper.options });
	connect();
	return 0;
}

static void put_well(uint8_t *group, unsigned well, uint32_t first, uint32_t second)
{
	for (unsigned i = 0; i < 4; i++) {
		group[9 + (well - 1) * 8 + i] = (uint8_t)(first >> (24 - 8 * i));
		group[13 + (well - 1) * 8 + i] = (uint8_t)(second >> (24 - 8 * i));
	}
}

/* The published groups: layout 8 with wells 1 and 2; layout multi with well 8. */
static uint8_t *add_eight(uint8_t index)
{
	uint8_t *group = paper.groups[paper.group_count++];
	memcpy(group, (const uint8_t[]){ index, 20, 41, 9, 5, 3, 1, 26, 0 }, 9);
	put_well(group, 1, 0x3F69FBE7, 0);
	put_well(group, 2, 0x3F11EB85, 0x42166666);
	return group;
}

static uint8_t *add_multi(uint8_t mask)
{
	uint8_t *group = paper.groups[paper.group_count++];
	memcpy(group, (const uint8_t[]){ 20, 41, 9, 5, 3, 2, 26, mask, 0x10 }, 9);
	put_well(group, 8, 0x3FF74BC7, 0x447CB99A);
	paper.model = 0x11;
	return group;
}

static void store(void)
{
	for (size_t i = 0; i < paper.readings.count; i++) {
		char id[ENTRY_ID_MAX];
		bool known = false;
		assert_true(paper.list[i].repeatable);
		ident_of_reading(id, "330421103-01", "", "pr-1", &paper.list[i]);
		for (size_t k = 0; k < paper.id_count; k++)
			known = known || strcmp(paper.ids[k], id) == 0;
		paper.doubles += known;
		if (!known)
			memcpy(paper.ids[paper.id_count++], id, sizeof(id));
	}
	if (paper.readings.notice_count > 0)
		paper.notice = paper.readings.notices[0];
	paper.notices += paper.readings.notice_count;
}

static enum next take(struct reply reply)
{
	paper.readings = (struct readings){ .list = paper.list };
	enum next next = paper.instrument.driver->take(&paper.instrument, &reply, &paper.readings);
	store();
	return next;
}

/* What the reader sends arrives; then nothing more, where the driver still waits. */
static enum next arrive(const uint8_t *data, size_t length)
{
	enum next next = NEXT_WAIT;
	struct cut cut, broken;
	enum cut_kind kind;
	for (size_t at = 0; at < length; at++) {
		cutter_feed(&paper.cutter, data + at, 1);
		while ((kind = cutter_next(&paper.cutter, &paper.instrument, false, &cut)) != CUT_MORE)
			if (kind == CUT_FRAME)
				next = take((struct reply){
					.bytes = cut.bytes, .length = cut.length, .offset = cut.offset });
	}
	if (next != NEXT_WAIT)
		return next;
	cutter_peek(&paper.cutter, &broken);
	while ((kind = cutter_next(&paper.cutter, &paper.instrument, true, &cut)) != CUT_MORE)
		if (kind == CUT_FRAME)
			next = take((struct reply){ .bytes = cut.bytes, .length = cut.length, .offset = cut.offset });
	if (next != NEXT_WAIT)
		return next;
	return take((struct reply){ .kind = REPLY_SILENCE, .bytes = broken.bytes, .length = broken.length });
}
#define ARRIVE(...) arrive((const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

static void ask(void)
{
	struct request request = { 0 };
	paper.instrument.driver->ask(&paper.instrument, &request);
	assert_int_equal(request.kind, REQUEST_BYTES);
	assert_in_range(request.length, 1, 2);
	assert_true(request.length == 1 ? request.bytes[0] == 0x24 : request.bytes[0] == 0x1B);
	assert_false(request.length == 2 && request.bytes[1] == 0xB9); /* it never erases */
	if (request.pause_ms + request.timeout_ms > paper.longest_ms)
		paper.longest_ms = request.pause_ms + request.timeout_ms;
	memcpy(paper.last, request.bytes, request.length);
	paper.last_length = request.length;
}
#define ASKED(first, second) (paper.last_length == 2 && paper.last[0] == (first) && paper.last[1] == (second))
#define ASKED_NEXT           (paper.last_length == 1 && paper.last[0] == 0x24)

static enum next answer(void)
{
	uint8_t out[2 + DUMP8_Z24_GROUP] = { 0x1B, 0xC1 };
	size_t head = 0;
	if (ASKED(0x1B, 0xBF))
		return ARRIVE(0x1B, paper.model);
	if (ASKED(0x1B, 0xFF))
		return arrive(out, 0);
	if (ASKED_NEXT) {
		paper.released++;
	} else {
		paper.released = 0;
		head = 2;
	}
	if (paper.released == paper.group_count) {
		paper.cleared = paper.group_count > 0;
		memcpy(out + head, (const uint8_t[]){ 0x1B, 0xFE }, 2);
		return arrive(out, head + 2);
	}
	memcpy(out + head, paper.groups[paper.released], paper.group_size);
	return arrive(out, head + paper.group_size);
}

static enum next turn(void)
{
	ask();
	return answer();
}

static void poll(void)
{
	for (int turns = 0; turns < 40; turns++)
		if (turn() == NEXT_IDLE)
			return;
	fail();
}

/* ---- what is said ---- */

/* A model of several items sends the layout 8: at no minute of a day may it pass for the layout multi, nor that for it.
 */
static void at_every_minute_the_layout_is_the_one_that_was_sent(void **state)
{
	uint8_t eight[DUMP8_GROUP], multi[DUMP8_GROUP];
	(void)state;
	memcpy(eight, add_eight(1), sizeof(eight));
	memcpy(multi, add_multi(0x80), sizeof(multi));
	for (int minute = 0; minute < 24 * 60; minute++)
		for (uint8_t day = 1; day <= 28; day++) {
			eight[0] = (uint8_t)(minute % 251);
			memcpy(eight + 2, (const uint8_t[]){ (uint8_t)(minute % 60), (uint8_t)(minute / 60), day }, 3);
			memcpy(multi + 1, (const uint8_t[]){ (uint8_t)(minute % 60), (uint8_t)(minute / 60), day }, 3);
			eight[6] = multi[5] = (uint8_t)(minute % 10);
			assert_int_equal(dump8_group_layout(DUMP8_MULTI, eight, DUMP8_GROUP), DUMP8_8);
			assert_int_equal(dump8_group_layout(DUMP8_MULTI, multi, DUMP8_GROUP), DUMP8_MULTI);
		}
}

static void the_published_groups_say_what_the_ticket_says(void **state)
{
	(void)state;
	add_eight(1);
	turn();
	turn();
	assert_int_equal(paper.readings.count, 2);
	assert_int_equal(paper.readings.blanks, 6);
	assert_string_equal(paper.instrument.maker.model, "01");
	const struct reading *reading = &paper.list[1];
	assert_int_equal(reading->channel, 2);
	assert_string_equal(reading->value, "37.6");
	assert_string_equal(reading->unit, "%");
	assert_string_equal(reading->signals[0].value, "0.57");
	assert_string_equal(reading->instrument_seq, "1");
	assert_string_equal(reading->tested_at, "2026-03-05T09:41:20");
	assert_string_equal(reading->item, "");
	assert_int_equal(reading->raw_length, DUMP8_GROUP);
	assert_int_equal(paper.list[0].kind, KIND_SAMPLE);

	start(NULL);
	add_multi(0x80);
	turn();
	turn();
	assert_int_equal(paper.readings.count, 1);
	reading = &paper.list[0];
	assert_int_equal(reading->channel, 8);
	assert_string_equal(reading->value, "1010.9");
	assert_string_equal(reading->unit, "");
	assert_string_equal(reading->item, "2");
	assert_string_equal(reading->instrument_seq, "16");
	assert_string_equal(reading->signals[0].value, "1.932");
	assert_int_equal(reading->said_count, 3);
	assert_string_equal(reading_has_said(reading, "raw_layout"), "multi");
}

static void layout_16_counts_in_the_last_two_bytes(void **state)
{
	(void)state;
	paper.model = 0x03;
	add_multi(0x34)[8] = 0x12;
	paper.model = 0x03;
	turn();
	turn();
	assert_string_equal(paper.list[0].instrument_seq, "4660");
	assert_string_equal(paper.list[0].unit, "%");
}

static void either_order_of_the_mask_is_found_by_the_filled_wells(void **state)
{
	(void)state;
	static const struct {
		const char *order;
		uint8_t mask;
		size_t count, disagree;
	} cases[] = { { "auto", 0x80, 1, 0 }, { "auto", 0x01, 1, 0 }, { "lsb", 0x01, 2, 2 }, { "msb", 0x01, 1, 0 },
		{ "auto", 0x51, 3, 2 }, { "msb", 0x80, 2, 2 }, { "auto", 0x18, 3, 3 } };
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		start(NULL);
		set("mask-order", cases[i].order);
		set("layout", "multi");
		add_multi(cases[i].mask);
		turn();
		turn();
		size_t disagree = 0;
		for (size_t k = 0; k < paper.readings.count; k++)
			for (size_t n = 0; n < paper.list[k].said_count; n++)
				disagree += strcmp(paper.list[k].said[n].name, "mask_disagrees") == 0;
		assert_int_equal(paper.readings.count, cases[i].count);
		assert_int_equal(disagree, cases[i].disagree);
	}
}

static void the_second_number_is_what_the_option_says(void **state)
{
	(void)state;
	set("float2", "sample-abs");
	put_well(add_eight(1), 2, 0x3F69FBE7, 0x3F11EB85);
	turn();
	turn();
	assert_string_equal(paper.list[1].value, "");
	assert_string_equal(paper.list[1].signals[0].name, "abs_control");
	assert_string_equal(paper.list[1].signals[0].value, "0.914");
	assert_string_equal(paper.list[1].signals[1].value, "0.57");
	start(NULL);
	set("float2", "conc");
	add_eight(1);
	turn();
	turn();
	assert_string_equal(paper.list[1].value, "37.6");
	assert_string_equal(paper.list[1].unit, "");
}

static void the_control_is_the_well_that_the_station_names(void **state)
{
	(void)state;
	set("control-channel", "1");
	add_eight(1);
	turn();
	turn();
	assert_int_equal(paper.list[0].kind, KIND_CONTROL);
	assert_int_equal(paper.list[1].kind, KIND_SAMPLE);
	assert_string_equal(paper.list[1].signals[1].name, "abs_control");
	assert_string_equal(paper.list[1].signals[1].value, "0.914");
}

static void what_is_no_number_is_a_reading_without_value(void **state)
{
	(void)state;
	put_well(add_eight(1), 3, 0x7FC00000, 0xFFFFFFFF);
	turn();
	turn();
	assert_int_equal(paper.readings.count, 3);
	assert_string_equal(paper.list[2].value, "");
	assert_string_equal(paper.list[2].value_as_sent, "FFFFFFFF");
	assert_int_equal(paper.list[2].verdict, VERDICT_INVALID);
	assert_string_equal(paper.list[2].said[1].value, "7FC00000");
}

static uint8_t *add_z24(void)
{
	uint8_t *group = paper.groups[paper.group_count++], *well = group + 29 + 59;
	memcpy(group,
		"0017\0"
		"2026-03-05\0"
		"\xD5\xC5\xC8\xFD",
		20);
	memcpy(well,
		"\x02\x00\x07"
		"\xB2\xA4\xB2\xCB",
		7);
	memcpy(well + 18, "\xB3\xA4\xB0\xB2\xD5\xF2", 6);
	memcpy(well + 25, "\xBC\xB1\xBC", 3); /* the note, cut inside a character */
	memcpy(well + 46, "\x3F\x11\xEB\x85\x3E\xB0\x20\xC5\x3E\xC0\x83\x12\x01", 13);
	paper.model = 0x05;
	paper.group_size = DUMP8_Z24_GROUP;
	return group;
}

static void a_z24_says_names_and_a_fraction(void **state)
{
	(void)state;
	add_z24();
	turn();
	turn();
	assert_int_equal(paper.readings.count, 1);
	assert_int_equal(paper.readings.blanks, 7);
	const struct reading *reading = &paper.list[0];
	assert_string_equal(reading->instrument_seq, "0017");
	assert_int_equal(reading->channel, 2);
	assert_string_equal(reading->sample_no, "7");
	assert_string_equal(reading->sample_name, "菠菜");
	assert_string_equal(reading->origin, "长安镇");
	assert_string_equal(reading->operator_name, "张三");
	assert_string_equal(reading->value_as_sent, "0.376");
	assert_string_equal(reading->value, "37.6");
	assert_string_equal(reading->verdict_as_sent, "1");
	assert_int_equal(reading->verdict, VERDICT_NONE);
	assert_string_equal(reading->tested_at, "");
	assert_true(reading->marks & READING_TEXT_CUT);
	turn();
	turn();
	assert_true(paper.cleared);
}

static void numbers_too_long_to_display_are_kept_as_sent(void **state)
{
	(void)state;
	uint8_t *group = add_z24();
	memcpy(group + 29 + 59 + 54, "\x7F\x7F\xFF\xFF", 4);
	paper.instrument.driver->ask(&paper.instrument, &(struct request){ 0 });
	dump8_group_take((const struct dump8_options *)(const void *)paper.options, DUMP8_Z24, 0, group,
		DUMP8_Z24_GROUP, &(struct readings){ .list = paper.list });
	assert_string_equal(paper.list[0].value, "");
	assert_int_equal(paper.list[0].verdict, VERDICT_INVALID);
}

/* ---- what is let go ---- */

static void a_group_is_let_go_only_by_the_question_after_it_was_stored(void **state)
{
	(void)state;
	for (uint8_t i = 1; i <= 3; i++)
		add_eight(i);
	assert_int_equal(turn(), NEXT_ASK);
	assert_true(ASKED(0x1B, 0xBF));
	assert_int_equal(turn(), NEXT_ASK);
	assert_true(ASKED(0x1B, 0xB1));
	for (size_t i = 1; i <= 3; i++) {
		assert_int_equal(paper.id_count, 2 * i);
		assert_int_equal(paper.released, i - 1);
		assert_int_equal(turn(), NEXT_ASK);
		assert_true(ASKED_NEXT);
	}
	assert_true(paper.cleared);
	assert_int_equal(turn(), NEXT_IDLE);
	assert_true(ASKED(0x1B, 0xFF));
	ask();
	assert_true(ASKED(0x1B, 0xBF));
}

static void a_crash_between_store_and_release_doubles_nothing(void **state)
{
	(void)state;
	for (uint8_t i = 1; i <= 4; i++)
		add_eight(i);
	memcpy(paper.groups[1], paper.groups[0], DUMP8_GROUP); /* two alike to the last bit are two */
	for (int turns = 2; turns < 6; turns++) {
		for (int i = 0; i < turns; i++)
			turn();
		connect();
	}
	poll();
	assert_true(paper.cleared);
	assert_int_equal(paper.id_count, 8);
	assert_true(paper.doubles >= 8);
}

static void silence_begins_the_dialogue_anew(void **state)
{
	(void)state;
	add_eight(1);
	add_eight(2);
	for (int turns = 0; turns < 5; turns++) {
		for (int i = 0; i < turns; i++)
			turn();
		ask();
		assert_int_equal(ARRIVE(0), NEXT_IDLE);
		ask();
		assert_true(ASKED(0x1B, 0xBF));
		connect();
	}
	assert_int_equal(paper.notices, 2); /* a group was owed, and one byte came */
}

/* Q2: 10 s after the last command the reader leaves link mode. */
static void no_answer_is_waited_for_longer_than_the_link_lasts(void **state)
{
	(void)state;
	add_eight(1);
	add_eight(2);
	poll();
	assert_true(paper.cleared);
	assert_in_range(paper.longest_ms, 3500, 9999); /* and a z24 has its 3 s for a group */
}

static void a_cancelling_user_ends_the_dump_and_nothing_is_let_go(void **state)
{
	(void)state;
	add_eight(1);
	turn();
	turn();
	ask();
	assert_int_equal(ARRIVE(0xB1, 0xFF), NEXT_IDLE);
	assert_int_equal(paper.notices, 0);
	ask();
	assert_true(ASKED(0x1B, 0xBF));
}

static void a_group_that_breaks_off_is_told_with_its_bytes_and_never_let_go(void **state)
{
	(void)state;
	uint8_t out[75] = { 0x1B, 0xC1 };
	memcpy(out + 2, add_eight(1), 73);
	memcpy(out + 40, "\x1B\xFE", 2); /* not the end */
	for (size_t length = 3; length < 75; length++) {
		connect();
		paper.notices = 0;
		turn();
		ask();
		assert_int_equal(arrive(out, length), NEXT_IDLE);
		assert_int_equal(paper.notices, 1);
		assert_int_equal(paper.notice.kind, NOTICE_UNDECODABLE);
		assert_int_equal(paper.notice.raw_length, length - 2);
		assert_memory_equal(paper.notice.raw, out + 2, length - 2);
		assert_int_equal(paper.id_count, 0);
		ask();
		assert_true(ASKED(0x1B, 0xBF));
		/* the same again is not told again */
		ARRIVE(0x1B, 0x01);
		ask();
		arrive(out, length);
		assert_int_equal(paper.notices, 1);
	}
}

static void what_makes_no_sense_is_read_twice_before_it_is_believed(void **state)
{
	(void)state;
	uint8_t *group = add_eight(1);
	group[5] = 13; /* there is no such month */
	add_eight(2);
	poll();
	assert_int_equal(paper.notices, 1);
	assert_int_equal(paper.id_count, 0);
	assert_int_equal(paper.released, 0);
	poll();
	assert_true(paper.cleared);
	assert_int_equal(paper.notices, 1);
	assert_int_equal(paper.id_count, 4);

	start(NULL); /* it was the line: the next dump is right */
	add_eight(1)[5] = 13;
	poll();
	paper.groups[0][5] = 3;
	poll();
	assert_int_equal(paper.id_count, 2);
	assert_true(paper.cleared);

	start(NULL); /* without any layout that fits, it is read as one with 16 wells */
	paper.model = 0x7F;
	add_multi(0)[4] = 13;
	paper.model = 0x7F;
	poll();
	poll();
	assert_int_equal(paper.id_count, 1);
	assert_string_equal(paper.list[0].tested_at, "");
}

static void an_end_behind_stray_bytes_is_not_believed(void **state)
{
	(void)state;
	add_eight(1);
	turn();
	turn();
	ask();
	assert_int_equal(ARRIVE(0x55, 0x1B, 0xFE), NEXT_IDLE);
	ask();
	assert_true(ASKED(0x1B, 0xBF));
}

static void a_group_behind_stray_bytes_is_not_believed(void **state)
{
	(void)state;
	const uint8_t *group = add_eight(1);
	turn();
	turn();
	ask();
	assert_int_equal(take((struct reply){ .bytes = group, .length = DUMP8_GROUP, .offset = 1000 }), NEXT_IDLE);
	assert_int_equal(paper.readings.count, 0);
	assert_int_equal(paper.notice.raw_length, DUMP8_GROUP);
	ask();
	assert_true(ASKED(0x1B, 0xBF));
}

static void an_empty_memory_and_the_other_end_are_understood(void **state)
{
	(void)state;
	poll();
	assert_int_equal(paper.id_count, 0);
	turn();
	ask();
	assert_int_equal(ARRIVE(0x1B, 0xC1, 0x1B, 0xFB), NEXT_ASK);
	ask();
	assert_true(ASKED(0x1B, 0xFF));
	assert_int_equal(ARRIVE(0x1B, 0x01, 0x1B, 0xFE), NEXT_IDLE);
}

static void an_echoing_line_changes_nothing(void **state)
{
	(void)state;
	uint8_t out[80] = { 0x1B, 0xB1, 0x1B, 0x01, 0x1B, 0xC1 };
	memcpy(out + 6, add_eight(0x1B), 73);
	ask();
	ARRIVE(0x1B, 0xBF, 0x1B, 0x01);
	ask();
	assert_int_equal(arrive(out, 79), NEXT_ASK);
	ask();
	out[0] = 0x24;
	memcpy(out + 1, add_eight(0x24), 73);
	assert_int_equal(arrive(out, 74), NEXT_ASK);
	assert_int_equal(paper.id_count, 4);
	ask();
	assert_int_equal(arrive(paper.groups[1], 73), NEXT_ASK); /* group 36 without an echo */
	assert_int_equal(paper.notices, 0);
}

static void replies_of_other_kinds_are_nothing(void **state)
{
	(void)state;
	assert_int_equal(take((struct reply){ .kind = REPLY_DONE }), NEXT_WAIT);
	assert_int_equal(ARRIVE(0x55, 0xB1, 0x00), NEXT_IDLE);
	dump8_group_take((const struct dump8_options *)(const void *)paper.options, DUMP8_8, 0, paper.groups[0], 72,
		&(struct readings){ .list = paper.list });
}

static void every_known_model_has_its_layout(void **state)
{
	(void)state;
	static const struct {
		uint8_t model;
		enum dump8_layout layout;
	} models[] = { { 1, DUMP8_8 }, { 2, DUMP8_16 }, { 3, DUMP8_16 }, { 4, DUMP8_16 }, { 5, DUMP8_Z24 },
		{ 6, DUMP8_AUTO }, { 0x11, DUMP8_MULTI }, { 0x15, DUMP8_MULTI }, { 0x16, DUMP8_AUTO },
		{ 0x23, DUMP8_MULTI }, { 0x31, DUMP8_MULTI }, { 0x34, DUMP8_AUTO } };
	for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++)
		assert_int_equal(dump8_model_layout(models[i].model), models[i].layout);
}

static void a_fixed_layout_is_kept_to(void **state)
{
	(void)state;
	set("layout", "16");
	add_eight(1);
	poll();
	assert_int_equal(paper.notices, 1);
	assert_int_equal(paper.id_count, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, start)
	const struct CMUnitTest tests[] = {
		TEST(the_published_groups_say_what_the_ticket_says),
		TEST(at_every_minute_the_layout_is_the_one_that_was_sent),
		TEST(layout_16_counts_in_the_last_two_bytes),
		TEST(either_order_of_the_mask_is_found_by_the_filled_wells),
		TEST(the_second_number_is_what_the_option_says),
		TEST(the_control_is_the_well_that_the_station_names),
		TEST(what_is_no_number_is_a_reading_without_value),
		TEST(a_z24_says_names_and_a_fraction),
		TEST(numbers_too_long_to_display_are_kept_as_sent),
		TEST(a_group_is_let_go_only_by_the_question_after_it_was_stored),
		TEST(a_crash_between_store_and_release_doubles_nothing),
		TEST(silence_begins_the_dialogue_anew),
		TEST(no_answer_is_waited_for_longer_than_the_link_lasts),
		TEST(a_cancelling_user_ends_the_dump_and_nothing_is_let_go),
		TEST(a_group_that_breaks_off_is_told_with_its_bytes_and_never_let_go),
		TEST(what_makes_no_sense_is_read_twice_before_it_is_believed),
		TEST(an_end_behind_stray_bytes_is_not_believed),
		TEST(a_group_behind_stray_bytes_is_not_believed),
		TEST(an_empty_memory_and_the_other_end_are_understood),
		TEST(an_echoing_line_changes_nothing),
		TEST(replies_of_other_kinds_are_nothing),
		TEST(every_known_model_has_its_layout),
		TEST(a_fixed_layout_is_kept_to),
	};
	return cmocka_run_group_tests_name("dump8", tests, NULL, NULL);
}
