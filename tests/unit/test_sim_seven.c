/* The simulated 7E-AA readers speak the published frames. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../sim/label.c"
#include "../sim/memory.c"
#include "../sim/seven.c"

#define TESTED                                                                                                         \
	{                                                                                                              \
		2026, 3, 5, 9, 41, 20                                                                                  \
	}

static struct {
	uint8_t bytes[1024];
	size_t length, frames;
} sent;

static void collect(void *context, const uint8_t *frame, size_t length)
{
	(void)context;
	assert_true(sent.length + length <= sizeof sent.bytes);
	memcpy(sent.bytes + sent.length, frame, length);
	sent.length += length;
	sent.frames++;
}

static void assert_frame(const uint8_t *frame, size_t length, const char *expected, size_t expected_length)
{
	assert_int_equal(length, expected_length);
	assert_memory_equal(frame, expected, length);
}
#define ASSERT_FRAME(frame, length, text) assert_frame(frame, length, text, sizeof(text) - 1)

static void ask(struct instrument *instrument, const char *request, size_t length)
{
	memset(&sent, 0, sizeof sent);
	assert_int_equal(seven_frame((const uint8_t *)request, length), (int)length);
	seven_answer(instrument, (const uint8_t *)request, length, collect, NULL);
}
#define ASK(instrument, text) ask(instrument, text, sizeof(text) - 1)

static const struct result a2_results[] = {
	{ .number = 17, .batch = 1, .tested = TESTED, .name = "菠菜", .value = 1234, .decimals = 2 },
	{ .number = 18, .batch = 2, .tested = TESTED, .name = "韭菜", .value = 6350, .decimals = 2 },
};

static const struct result a2b_results[] = {
	{ .number = 17,
		.batch = 1,
		.tested = TESTED,
		.channel = 1,
		.signal = 570,
		.value = 124,
		.decimals = 1,
		.verdict = RESULT_NEGATIVE },
	{ .number = 18,
		.batch = 2,
		.tested = TESTED,
		.channel = 2,
		.standard = 1,
		.signal = 260,
		.value = 710,
		.decimals = 1,
		.verdict = RESULT_POSITIVE },
	{ .number = 19,
		.batch = 2,
		.tested = TESTED,
		.channel = 3,
		.sentinel = SENTINEL_NOT_AVAILABLE,
		.verdict = RESULT_INVALID },
};

static struct options options;
static struct instrument instrument;

static void prepare(enum archetype archetype, const struct result *results, size_t count)
{
	memory_free(&instrument.memory);
	options.archetype = archetype;
	instrument = (struct instrument){ .options = &options, .memory.capacity = 10 };
	for (size_t i = 0; i < count; i++)
		memory_keep(&instrument.memory, &results[i]);
}

static void a2_speaks_the_published_frames(void **state)
{
	(void)state;
	prepare(ARCHETYPE_A2, a2_results, 2);
	ASK(&instrument, "\x7E\x00\x02\x00\x00\x00\x07\xAA");
	assert_int_equal(sent.bytes[1], 0x01);
	ASK(&instrument, "\x7E\x10\x03\x00\x1A\x03\x05\x63\xAA");
	assert_int_equal(sent.frames, 2);
	ASSERT_FRAME(sent.bytes, 26,
		"\x7E\x11\x14\x00\x02\x00\x01\x00\x11\x00\xB2\xA4\xB2\xCB\x00\x00\x1A\x03\x05\x09\x29\x14\xD2\x04\x43\xAA");
	ASSERT_FRAME(sent.bytes + 26, 26,
		"\x7E\x11\x14\x00\x02\x00\x02\x00\x12\x00\xBE\xC2\xB2\xCB\x00\x00\x1A\x03\x05\x09\x29\x14\xCE\x18\x7C\xAA");
}

static void a2_counts_the_results_of_a_day(void **state)
{
	(void)state;
	prepare(ARCHETYPE_A2, a2_results, 2);
	ASK(&instrument, "\x7E\x12\x03\x00\x1A\x03\x05\xCD\xAA");
	assert_int_equal(sent.frames, 1);
	assert_memory_equal(sent.bytes, "\x7E\x13\x05\x00\x1A\x03\x05\x02\x00", 9);
}

static void a2_leaves_questions_about_days_with_results_unanswered_when_told_to(void **state)
{
	(void)state;
	prepare(ARCHETYPE_A2, a2_results, 2);
	options.mute_days = 2;
	ASK(&instrument, "\x7E\x12\x03\x00\x1A\x03\x05\xCD\xAA");
	assert_int_equal(sent.frames, 0);
	ASK(&instrument, "\x7E\x00\x02\x00\x00\x00\x07\xAA");
	assert_int_equal(sent.frames, 1);
	ASK(&instrument, "\x7E\x10\x03\x00\x1A\x03\x05\x63\xAA");
	assert_int_equal(sent.frames, 0);
	ASK(&instrument, "\x7E\x12\x03\x00\x1A\x03\x05\xCD\xAA");
	assert_int_equal(sent.frames, 1);
	options.mute_days = 0;
}

static void another_day_has_no_results(void **state)
{
	uint8_t request[SEVEN_FRAME_MAX];

	(void)state;
	prepare(ARCHETYPE_A2, a2_results, 2);
	size_t length = seven_wrap(0x10, (const uint8_t[]){ 0x1A, 3, 6 }, 3, request);
	ask(&instrument, (const char *)request, length);
	assert_int_equal(sent.frames, 0);
	length = seven_wrap(0x12, (const uint8_t[]){ 0x1A, 3, 6 }, 3, request);
	ask(&instrument, (const char *)request, length);
	assert_memory_equal(sent.bytes, "\x7E\x13\x05\x00\x1A\x03\x06\x00\x00", 9);
}

static void a2b_speaks_the_published_frames(void **state)
{
	(void)state;
	prepare(ARCHETYPE_A2B, a2b_results, 3);
	ASK(&instrument, "\x7E\x15\x04\x00\xFF\xFF\xFF\xFF\x4D\xAA");
	assert_int_equal(sent.frames, 3);
	ASSERT_FRAME(sent.bytes, 27,
		"\x7E\x16\x15\x00\xFF\x03\x00\x01\x00\x01\x00\x1A\x03\x05\x09\x29\x14\x00\x11\x3A\x02\x7C\x00\x02\x00\x4C\xAA");
	ASSERT_FRAME(sent.bytes + 27, 27,
		"\x7E\x16\x15\x00\xFF\x03\x00\x02\x00\x02\x01\x1A\x03\x05\x09\x29\x14\x00\x12\x04\x01\xC6\x02\x01\x00\x92\xAA");
	ASSERT_FRAME(sent.bytes + 54, 27,
		"\x7E\x16\x15\x00\xFF\x03\x00\x03\x00\x03\x00\x1A\x03\x05\x09\x29\x14\x00\x13\x00\x00\xFE\x7F\x01\x00\x30\xAA");
	ASK(&instrument, "\x7E\x00\x02\x00\x00\x00\x07\xAA");
	ASSERT_FRAME(sent.bytes, sent.length, "\x7E\x02\x04\x00\xFF\x02\x10\x10\xF8\xAA");
}

static void a2b_tells_the_last_batch_alone(void **state)
{
	(void)state;
	prepare(ARCHETYPE_A2B, a2b_results, 3);
	ASK(&instrument, "\x7E\x15\x04\x00\xFF\x00\x00\x00\x2B\xAA");
	assert_int_equal(sent.frames, 2);
	assert_int_equal(sent.bytes[5], 2);   /* total */
	assert_int_equal(sent.bytes[7], 1);   /* index */
	assert_int_equal(sent.bytes[18], 18); /* number */
}

static void a2b_without_results_says_so(void **state)
{
	(void)state;
	prepare(ARCHETYPE_A2B, NULL, 0);
	ASK(&instrument, "\x7E\x15\x04\x00\xFF\x00\x00\x00\x2B\xAA");
	assert_int_equal(sent.frames, 1);
	assert_int_equal(sent.length, 27);
	assert_memory_equal(sent.bytes, "\x7E\x16\x15\x00\xFF\x00\x00\x00\x00", 9);
}

static void a_request_is_whole_only_with_its_last_byte(void **state)
{
	static const uint8_t request[] = "\x7E\x12\x03\x00\x1A\x03\x05\xCD\xAA";
	uint8_t wrong[9];

	(void)state;
	for (size_t length = 1; length < 9; length++)
		assert_int_equal(seven_frame(request, length), 0);
	/* a damaged length does not make it wait for thousands of bytes */
	assert_int_equal(seven_frame((const uint8_t *)"\x7E\x12\x03\x40", 4), -1);
	for (size_t i = 0; i < 9; i++) {
		memcpy(wrong, request, 9);
		wrong[i] ^= 1;
		assert_true(seven_frame(wrong, 9) <= 0);
	}
}

static void a_name_is_cut_inside_a_character(void **state)
{
	uint8_t field[6];
	char seen[64];

	(void)state;
	label_field("1号大白菜", field, sizeof field, seen, sizeof seen);
	assert_memory_equal(field, "1\xBA\xC5\xB4\xF3\xB0", 6);
	assert_string_equal(seen, "1号大\xEF\xBF\xBD");
	label_field("大白菜", field, sizeof field, seen, sizeof seen);
	assert_memory_equal(field, "\xB4\xF3\xB0\xD7\xB2\xCB", 6);
	assert_string_equal(seen, "大白菜");
	label_field("葱", field, sizeof field, seen, sizeof seen);
	assert_memory_equal(field, "\xB4\xD0\0\0\0\0", 6);
	label_field(NULL, field, sizeof field, seen, sizeof seen);
	assert_memory_equal(field, "\0\0\0\0\0\0", 6);
	assert_string_equal(seen, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a2_speaks_the_published_frames),
		cmocka_unit_test(a2_counts_the_results_of_a_day),
		cmocka_unit_test(a2_leaves_questions_about_days_with_results_unanswered_when_told_to),
		cmocka_unit_test(another_day_has_no_results),
		cmocka_unit_test(a2b_speaks_the_published_frames),
		cmocka_unit_test(a2b_tells_the_last_batch_alone),
		cmocka_unit_test(a2b_without_results_says_so),
		cmocka_unit_test(a_request_is_whole_only_with_its_last_byte),
		cmocka_unit_test(a_name_is_cut_inside_a_character),
	};

	return cmocka_run_group_tests_name("sim_seven", tests, NULL, NULL);
}
