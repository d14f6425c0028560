#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <string.h>

#include "../../daemon/cutter.h"

/* A protocol made for this test: '<', a length digit, that many bytes, '>'. Length digit '9' never ends. */
static int toy_frame(const struct instrument *instrument, const uint8_t *data, size_t length)
{
	(void)instrument;
	if (data[0] != '<')
		return FRAME_NONE;
	if (length < 2)
		return FRAME_MORE;
	if (data[1] < '0' || data[1] > '9')
		return FRAME_NONE;
	size_t whole = data[1] == '9' ? 1000000 : (size_t)(data[1] - '0') + 3;
	if (length < whole)
		return FRAME_MORE;
	return data[whole - 1] == '>' ? (int)whole : FRAME_NONE;
}

static const struct driver toy = { .name = "toy", .frame = toy_frame };
static const struct instrument instrument = { .driver = &toy };

static char seen[4096]; /* frames in [], noise in () */
static size_t seen_length;

static void drain(struct cutter *cutter, bool final)
{
	struct cut cut;
	enum cut_kind kind;
	while ((kind = cutter_next(cutter, &instrument, final, &cut)) != CUT_MORE) {
		for (size_t i = 0; i < cut.length && seen_length < sizeof(seen) - 3; i++) {
			if (kind == CUT_FRAME && i == 0)
				seen[seen_length++] = '[';
			seen[seen_length++] = (char)cut.bytes[i];
			if (kind == CUT_FRAME && i == cut.length - 1)
				seen[seen_length++] = ']';
		}
		seen[seen_length] = '\0';
	}
}

static const char stream[] = "xx<2ab>y<4<1c><0>z<<1>><2q";
static const char expected[] = "xx[<2ab>]y<4[<1c>][<0>]z<[<1>>]<2q";

static void a_stream_cut_anywhere_gives_the_same_frames_and_noise(void **state)
{
	(void)state;
	for (size_t step = 1; step < sizeof(stream); step++) {
		struct cutter cutter = { 0 };
		seen_length = 0;
		for (size_t i = 0; i < sizeof(stream) - 1; i += step) {
			size_t length = sizeof(stream) - 1 - i < step ? sizeof(stream) - 1 - i : step;
			assert_int_equal(cutter_feed(&cutter, (const uint8_t *)stream + i, length), 0);
			drain(&cutter, false);
		}
		assert_int_equal(cutter_held(&cutter), 3);
		drain(&cutter, true);
		assert_int_equal(cutter_held(&cutter), 0);
		assert_string_equal(seen, expected);
		cutter_reset(&cutter);
	}
}

static void offsets_count_every_byte_of_the_stream(void **state)
{
	(void)state;
	struct cutter cutter = { 0 };
	struct cut cut;
	assert_int_equal(cutter_next(&cutter, &instrument, true, &cut), CUT_MORE);
	assert_int_equal(cutter_feed(&cutter, (const uint8_t *)"xx<1a", 5), 0);
	assert_int_equal(cutter_next(&cutter, &instrument, false, &cut), CUT_NOISE);
	assert_int_equal(cut.offset, 0);
	assert_int_equal(cut.length, 2);
	assert_int_equal(cutter_next(&cutter, &instrument, false, &cut), CUT_MORE);
	assert_int_equal(cutter_feed(&cutter, (const uint8_t *)"><0>", 4), 0);
	assert_int_equal(cutter_next(&cutter, &instrument, false, &cut), CUT_FRAME);
	assert_int_equal(cut.offset, 2);
	assert_int_equal(cut.length, 4);
	assert_int_equal(cutter_next(&cutter, &instrument, false, &cut), CUT_FRAME);
	assert_int_equal(cut.offset, 6);
	cutter_reset(&cutter);
	assert_int_equal(cutter.offset, 0);
}

static void what_grows_beyond_the_longest_frame_is_no_frame(void **state)
{
	(void)state;
	struct cutter cutter = { 0 };
	static uint8_t block[4096];
	memset(block, '.', sizeof(block));
	assert_int_equal(cutter_feed(&cutter, (const uint8_t *)"<9", 2), 0);
	struct cut cut;
	size_t fed = 2, noise = 0;
	for (; fed < 3 * FRAME_MAX; fed += sizeof(block)) {
		assert_int_equal(cutter_feed(&cutter, block, sizeof(block)), 0);
		while (cutter_next(&cutter, &instrument, false, &cut) == CUT_NOISE)
			noise += cut.length;
		assert_true(cutter_held(&cutter) < FRAME_MAX);
	}
	assert_int_equal(noise, fed);
	/* and the memory is given back once it has run empty */
	assert_int_equal(cutter_feed(&cutter, (const uint8_t *)"<0>", 3), 0);
	assert_true(cutter.room <= 4096);
	assert_int_equal(cutter_next(&cutter, &instrument, false, &cut), CUT_FRAME);
	cutter_reset(&cutter);
}

static void an_unused_cutter_holds_no_memory(void **state)
{
	(void)state;
	struct cutter cutter = { 0 };
	assert_int_equal(cutter_feed(&cutter, NULL, 0), 0);
	assert_null(cutter.data);
	cutter_reset(&cutter);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stream_cut_anywhere_gives_the_same_frames_and_noise),
		cmocka_unit_test(offsets_count_every_byte_of_the_stream),
		cmocka_unit_test(what_grows_beyond_the_longest_frame_is_no_frame),
		cmocka_unit_test(an_unused_cutter_holds_no_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
