/* The simulated 03-FF analyzer and strip reader speak the published bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../sim/dice.c"
#include "../sim/label.c"
#include "../sim/memory.c"
#include "../sim/truth.c"
#include "../sim/zero3.c"

#define TESTED                                                                                                         \
	{                                                                                                              \
		2026, 3, 5, 9, 41, 20                                                                                  \
	}

static struct {
	uint8_t bytes[ZERO3_FRAME_MAX];
	size_t length;
} sent;

static struct options options;
static struct instrument instrument;

struct moment instrument_clock(const struct instrument *unused)
{
	(void)unused;
	return (struct moment){ 2026, 3, 5, 10, 0, 0 };
}

static void collect_frame(void *context, const uint8_t *frame, size_t length)
{
	(void)context;
	memcpy(sent.bytes, frame, length);
	sent.length = length;
}

static void keep(struct result result)
{
	memory_keep(&instrument.memory, &result);
}

static int prepare(void **state)
{
	(void)state;
	memory_free(&instrument.memory);
	options = (struct options){ .archetype = ARCHETYPE_A3 };
	instrument = (struct instrument){ .options = &options, .memory.capacity = 20, .serial = "SN1" };
	keep((struct result){ .number = 4, .tested = TESTED, .kind = RESULT_NEGATIVE_CONTROL });
	keep((struct result){ .number = 4, .tested = TESTED, .channel = 1, .value = 124 });
	keep((struct result){ .number = 4, .tested = TESTED, .channel = 2, .value = 635, .verdict = RESULT_SUSPECT });
	keep((struct result){ .number = 4, .tested = TESTED, .channel = 3, .sentinel = SENTINEL_INVALID });
	keep((struct result){ .number = 5, .tested = TESTED, .channel = 1, .item = 1, .value = -4 });
	keep((struct result){ .number = 6, .tested = TESTED, .channel = 1, .item = 1, .sentinel = SENTINEL_INVALID });
	return 0;
}

static void ask(const void *request, size_t length)
{
	sent.length = 0;
	assert_int_equal(zero3_sim_frame(request, length), (int)length);
	zero3_sim_answer(&instrument, request, length, collect_frame, NULL);
}
#define ASK(text) ask(text, sizeof(text) - 1)
#define ASSERT_SENT(text)                                                                                              \
	do {                                                                                                           \
		assert_int_equal(sent.length, sizeof(text) - 1);                                                       \
		assert_memory_equal(sent.bytes, text, sizeof(text) - 1);                                               \
	} while (0)

#define COUNT_OF_DAY "\x03\xFF\x43\0\0\0\0\0\x08\0\xB7\0\0\0\x65\x34\xFF\xFF\x65\x34"

static void the_analyzer_answers_with_the_published_frames(void **state)
{
	(void)state;
	ASK(COUNT_OF_DAY);
	ASSERT_SENT("\x03\xFE\x43\0\0\0\0\0\x0C\0\xB2\x02\0\0\0\0\0\0\0\0\x04\0\x06\0");
	ASK("\x03\xFF\x45\0\x04\0\0\0\0\0\xBD\0");
	ASSERT_SENT(
		"\x03\xFE\x45\0\x04\0\0\0\x28\0\x94\xF2\x01\0\0\0\x2A\x4D\x65\x34\0\x80\0\0\0\0\0\0\x01\x80\0\0\x7C\0\0\0"
		"\x02\xC0\0\0\x7B\x02\0\0\x03\x80\0\0\xFF\x7F\0\0");
}

static void a_channel_that_is_being_measured_has_no_flag_and_no_value(void **state)
{
	(void)state;
	keep((struct result){ .number = 7, .tested = TESTED, .channel = 1, .value = 635, .unfinished = true });
	ASK("\x03\xFF\x45\0\x07\0\0\0\0\0\xBE\0");
	assert_memory_equal(sent.bytes + 20, "\1\0\0\0\0\0\0\0", 8);
	memory_finish(&instrument.memory);
	ASK("\x03\xFF\x45\0\x07\0\0\0\0\0\xBE\0");
	assert_memory_equal(sent.bytes + 20, "\1\x80\0\0\x7B\2\0\0", 8);
}

static void concentrations_have_a_sign_and_a_magnitude(void **state)
{
	(void)state;
	ASK("\x03\xFF\x45\0\x05\0\0\0\0\0\xBC\0");
	assert_memory_equal(sent.bytes + 24, "\x04\0\0\x80", 4);
	ASK("\x03\xFF\x45\0\x06\0\0\0\0\0\xBF\0");
	assert_memory_equal(sent.bytes + 24, "\xFF\xFF\xFF\x7F", 4);
}

static void it_says_who_it_is_and_what_it_measures(void **state)
{
	(void)state;
	ASK("\x03\xFF\x20\0\0\0\0\0\x08\0\xD4\x18"
	    "DEVICE??");
	assert_memory_equal(sent.bytes + 12,
		"\4\xB4\xEF\xD4\xAA\7DY-3000\3SN1\x13"
		"2026-03-05 10:00:00",
		37);
	ASK("\x03\xFF\x42\0\0\0\0\0\0\0\xBE\0");
	assert_int_equal(sent.length, 12 + 3 * 128);
	assert_memory_equal(sent.bytes + 12, "\xC5\xA9\xD2\xA9\xB2\xD0\xC1\xF4\0\0\0\0\0\0\0\0%\0\0\0\0\0\0\0\1", 25);
	assert_memory_equal(sent.bytes + 12 + 128 + 16, "mg/kg\0\0\0\2", 9);
}

static void another_day_and_another_family_have_nothing(void **state)
{
	(void)state;
	ASK("\x03\xFF\x43\0\0\0\0\0\x08\0\xB7\0\0\0\x64\x34\xFF\xFF\x64\x34");
	assert_memory_equal(sent.bytes + 20, "\0\0\0\0", 4);
	ASK("\x03\xFF\x45\0\x63\0\0\0\0\0\xDA\0");
	assert_int_equal(sent.length, 12);
	ASK("\x03\xFF\x62\0\0\0\0\0\0\0\x9E\0");
	assert_int_equal(sent.length, 0);
	ASK("\x03\xFF\x43\0\0\0\0\0\0\0\xBF\0"); /* without times */
	assert_int_equal(sent.length, 0);
}

static void gold_strips_have_one_byte(void **state)
{
	(void)state;
	options.gold = true;
	keep((struct result){ .number = 7, .tested = TESTED, .channel = CHANNEL_NONE, .verdict = RESULT_POSITIVE });
	ASK("\x03\xFF\x65\0\x07\0\0\0\0\0\x9E\0");
	assert_int_equal(sent.length, 21);
	assert_int_equal(sent.bytes[20], 0x41);
}

static void the_strip_reader_writes_the_published_text(void **state)
{
	static const char published[] =
		"\x03\xFE\x45\x00\x01\x00\x00\x00\xC2\x00\x7B\x0F\x01\x00\x00\xBC\xEC\xB2\xE2\xB1\xA8\xB8\xE6\x0D\xCB\xCD"
		"\xBC\xEC\xB5\xA5\xCE\xBB\xA3\xBA\xB3\xA4\xB0\xB2\xD5\xF2\xC5\xA9\xC3\xB3\xCA\xD0\xB3\xA1\x0D\xBC\xEC\xB2"
		"\xE2\xB5\xA5\xCE\xBB\xA3\xBA\xB3\xA4\xB0\xB2\xD5\xF2\xBF\xEC\xBC\xEC\xCA\xD2\x0D\xD1\xF9\xC6\xB7\xC0\xE0"
		"\xD0\xCD\xA3\xBA\xF6\xEA\xD3\xE3\x0D\xC5\xFA\xBA\xC5\xA3\xBA\x32\x30\x32\x36\x30\x33\x30\x35\x0D\xD1\xF9"
		"\xC6\xB7\xB1\xE0\xBA\xC5\xA3\xBA\x53\x30\x30\x31\x37\x0D\xBC\xEC\xB2\xE2\xCF\xEE\xC4\xBF\xA3\xBA\xBF\xD7"
		"\xC8\xB8\xCA\xAF\xC2\xCC\x0D\xBC\xEC\xB2\xE2\xBD\xE1\xB9\xFB\xA3\xBA\x30\x2E\x30\x30\x20\xA6\xCC\x67\x2F"
		"\x6B\x67\x20\xD2\xF5\xD0\xD4\x0D\xBC\xEC\xB2\xE2\xB1\xEA\xD7\xBC\xA3\xBA\x30\x0D\xBC\xEC\xB2\xE2\xCA\xB1"
		"\xBC\xE4\xA3\xBA\x32\x30\x32\x36\x2D\x30\x33\x2D\x30\x35\x20\x30\x39\x3A\x35\x38\x3A\x30\x30\x0D";
	struct result result = { .number = 1,
		.tested = { 2026, 3, 5, 9, 58, 0 },
		.channel = CHANNEL_NONE,
		.decimals = 2,
		.verdict = RESULT_NEGATIVE,
		.name = "鲫鱼",
		.sample_no = "S0017",
		.control = 9000,
		.signal = 8000 };

	(void)state;
	options.archetype = ARCHETYPE_A4;
	memory_free(&instrument.memory);
	keep(result);
	ASK("\x03\xFF\x45\0\x01\0\0\0\0\0\xB8\0");
	ASSERT_SENT(published);
	options.signals = true;
	ASK("\x03\xFF\x45\0\x01\0\0\0\0\0\xB8\0");
	assert_memory_equal(sent.bytes + sizeof(published) - 1, "C:9000\rT:8000\r", 14);
	instrument.memory.slots[0].sentinel = SENTINEL_WORD;
	ASK("\x03\xFF\x45\0\x01\0\0\0\0\0\xB8\0");
	assert_int_equal(sent.length, sizeof(published) - 1 + 14 - 12);
}

static void clearing_begins_the_index_anew(void **state)
{
	(void)state;
	instrument.next_number = 7;
	ASK("\x03\xFF\x46\0\0\0\0\0\0\0\xBA\0");
	assert_int_equal(instrument.memory.count, 0);
	assert_int_equal(instrument.next_number, 1);
}

static void a_request_is_whole_only_with_its_last_byte(void **state)
{
	uint8_t request[sizeof(COUNT_OF_DAY)];

	(void)state;
	memcpy(request, COUNT_OF_DAY, sizeof request);
	for (size_t length = 1; length < 20; length++)
		assert_int_equal(zero3_sim_frame(request, length), 0);
	assert_int_equal(zero3_sim_frame(request, 20), 20);
	for (size_t i = 0; i < 20; i++) {
		request[i] ^= 0x10;
		assert_int_equal(zero3_sim_frame(request, 20), -1);
		request[i] ^= 0x10;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_analyzer_answers_with_the_published_frames, prepare),
		cmocka_unit_test_setup(a_channel_that_is_being_measured_has_no_flag_and_no_value, prepare),
		cmocka_unit_test_setup(concentrations_have_a_sign_and_a_magnitude, prepare),
		cmocka_unit_test_setup(it_says_who_it_is_and_what_it_measures, prepare),
		cmocka_unit_test_setup(another_day_and_another_family_have_nothing, prepare),
		cmocka_unit_test_setup(gold_strips_have_one_byte, prepare),
		cmocka_unit_test_setup(the_strip_reader_writes_the_published_text, prepare),
		cmocka_unit_test_setup(clearing_begins_the_index_anew, prepare),
		cmocka_unit_test_setup(a_request_is_whole_only_with_its_last_byte, prepare),
	};
	int failed = cmocka_run_group_tests_name("sim_zero3", tests, NULL, NULL);

	memory_free(&instrument.memory);
	return failed;
}
