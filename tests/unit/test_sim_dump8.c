/* The simulated dump8 and luminometer speak the published bytes, and the dump8 forgets what it let go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../sim/atp.c"
#include "../sim/dice.c"
#include "../sim/dump8.c"
#include "../sim/label.c"
#include "../sim/memory.c"

#define SECOND INT64_C(1000000000)
#define TESTED                                                                                                         \
	{                                                                                                              \
		2026, 3, 5, 9, 41, 20                                                                                  \
	}

static struct {
	uint8_t bytes[1024];
	size_t length;
} sent;

static void collect_frame(void *context, const uint8_t *frame, size_t length)
{
	(void)context;
	memcpy(sent.bytes + sent.length, frame, length);
	sent.length += length;
}

static const struct result results[] = {
	{ .number = 1, .batch = 1, .tested = TESTED, .item = 1, .channel = 1, .signal = 914 },
	{ .number = 1,
		.batch = 1,
		.tested = TESTED,
		.item = 1,
		.channel = 2,
		.signal = 570,
		.control = 914,
		.value = 376,
		.decimals = 1 },
	{ .number = 0x10, .batch = 2, .tested = TESTED, .item = 2, .channel = 8, .signal = 1932, .value = 10109 },
};

static struct options options;
static struct instrument instrument;

static int prepare(void **state)
{
	(void)state;
	memory_free(&instrument.memory);
	options = (struct options){ .link_window_ns = 10 * SECOND, .press_ns = SECOND, .reboot_ns = 2 * SECOND };
	instrument = (struct instrument){ .options = &options, .memory.capacity = 10 };
	for (size_t i = 0; i < 3; i++)
		memory_keep(&instrument.memory, &results[i]);
	return 0;
}

static void ask(const char *request, size_t length, int64_t now_ns)
{
	memset(&sent, 0, sizeof sent);
	assert_int_equal(dump8_frame((const uint8_t *)request, length), (int)length);
	dump8_answer(&instrument, (const uint8_t *)request, length, now_ns, collect_frame, NULL);
}
#define ASK(text, now_ns) ask(text, sizeof(text) - 1, now_ns)
#define ASSERT_SENT(text)                                                                                              \
	do {                                                                                                           \
		assert_int_equal(sent.length, sizeof(text) - 1);                                                       \
		assert_memory_equal(sent.bytes, text, sizeof(text) - 1);                                               \
	} while (0)

static void the_groups_are_the_published_ones(void **state)
{
	static const uint8_t eight[] =
		"\x01\x14\x29\x09\x05\x03\x01\x1A\x00\x3F\x69\xFB\xE7\0\0\0\0\x3F\x11\xEB\x85\x42\x16\x66\x66";
	static const uint8_t multi[] = "\x14\x29\x09\x05\x03\x02\x1A\x80\x10";
	const struct result *group[] = { &results[0], &results[1] };
	uint8_t out[DUMP8_GROUP_MAX];

	(void)state;
	assert_int_equal(dump8_group(&options, group, 2, out), 73);
	assert_memory_equal(out, eight, sizeof eight - 1);
	for (size_t i = sizeof eight - 1; i < 73; i++)
		assert_int_equal(out[i], 0);
	options.layout = SIM_LAYOUT_MULTI;
	group[0] = &results[2];
	assert_int_equal(dump8_group(&options, group, 1, out), 73);
	assert_memory_equal(out, multi, sizeof multi - 1);
	assert_memory_equal(out + 65, "\x3F\xF7\x4B\xC7\x44\x7C\xB9\x9A", 8);
	options.mask_msb = true;
	dump8_group(&options, group, 1, out);
	assert_int_equal(out[7], 1);
	options.layout = SIM_LAYOUT_16;
	dump8_group(&options, group, 1, out);
	assert_memory_equal(out + 6, "\x1A\x10\x00", 3);
	options.layout = SIM_LAYOUT_Z24;
	assert_int_equal(dump8_group(&options, group, 1, out), 501);
	assert_memory_equal(out,
		"0016\0"
		"2026-03-05",
		16);
	assert_int_equal(out[29 + 7 * 59], 8);
}

static void the_second_number_may_be_the_samples_absorbance(void **state)
{
	const struct result *group[] = { &results[1] };
	uint8_t out[DUMP8_GROUP_MAX];

	(void)state;
	options.sample_abs = true;
	dump8_group(&options, group, 1, out);
	assert_memory_equal(out + 17, "\x3F\x69\xFB\xE7\x3F\x11\xEB\x85", 8); /* control 0.914, sample 0.570 */
}

static void the_memory_is_cleared_when_the_last_group_was_let_go_and_not_before(void **state)
{
	(void)state;
	ASK("\x1B\xBF", 0);
	ASSERT_SENT("\x1B\x01");
	ASK("\x1B\xB1", 1);
	assert_int_equal(sent.length, 75);
	ASK("\x24", 2);
	assert_int_equal(sent.length, 73);
	assert_int_equal(instrument.memory.count, 3);
	ASK("\x1B\xB1", 3); /* begins anew */
	assert_int_equal(sent.bytes[2], 1);
	ASK("\x24", 4);
	assert_true(dump8_busy(&instrument, 5));
	ASK("\x24", 5);
	ASSERT_SENT("\x1B\xFE");
	assert_int_equal(instrument.memory.count, 0);
	memory_keep(&instrument.memory, &results[0]);
	ASK("\x1B\xBF", SECOND); /* it starts anew */
	assert_int_equal(sent.length, 0);
	ASK("\x1B\xBF", 4 * SECOND);
	ASSERT_SENT("\x1B\x01");
}

static void link_mode_ends_ten_seconds_after_the_last_command(void **state)
{
	(void)state;
	ASK("\x1B\xBF", 0);
	ASK("\x1B\xBF", 9 * SECOND);
	ASSERT_SENT("\x1B\x01");
	ASK("\x24", 9 * SECOND); /* no dump, no group */
	assert_int_equal(sent.length, 0);
	assert_false(dump8_busy(&instrument, 19 * SECOND));
	ASK("\x1B\xBF", 19 * SECOND + 1);
	assert_int_equal(sent.length, 0);
	ASK("\x1B\xBF", 20 * SECOND + 1);
	ASSERT_SENT("\x1B\x01");
	ASK("\x1B\xFF", 20 * SECOND + 2);
	assert_false(dump8_busy(&instrument, 20 * SECOND + 3));
}

static void a_user_cancels_and_the_host_erases(void **state)
{
	(void)state;
	ASK("\x1B\xBF", 0);
	ASK("\x1B\xB9", 1);
	assert_int_equal(sent.length, 0);
	assert_int_equal(instrument.memory.count, 0);
	ASK("\x1B\xB1", 2);
	ASSERT_SENT("\x1B\xC1\x1B\xFE");
	memory_keep(&instrument.memory, &results[0]);
	options.cancel = 1;
	ASK("\x1B\xB1", 3);
	ASSERT_SENT("\x1B\xC1\xB1\xFF");
	ASK("\x1B\xBF", 4);
	assert_int_equal(sent.length, 0);
	assert_int_equal(dump8_frame((const uint8_t *)"\x00", 1), -1);
	assert_int_equal(dump8_frame((const uint8_t *)"\x1B", 1), 0);
}

static void the_luminometer_speaks_the_published_records(void **state)
{
	static const struct result test = {
		.number = 14, .value = 412, .channel = 3, .tested = { 2026, 3, 5, 9, 42, 20 }
	};

	(void)state;
	prepare(NULL);
	instrument.memory.count = 0;
	memory_keep(&instrument.memory, &test);
	strcpy(instrument.serial, "1042");
	memset(&sent, 0, sizeof sent);
	for (const char *request = "NGE"; *request; request++) {
		assert_int_equal(atp_frame((const uint8_t *)request, 1), 1);
		atp_answer(&instrument, (uint8_t)*request, collect_frame, NULL);
	}
	ASSERT_SENT(
		"\x6E\x01\x00\x67\x12\x04\x72\x0E\x00\x9C\x01\x0A\x00\x1E\x00\x01\x03\x14\x2A\x09\x04\x05\x03\x1A\x44");
	assert_int_equal(atp_frame((const uint8_t *)"", 1), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_groups_are_the_published_ones, prepare),
		cmocka_unit_test_setup(the_second_number_may_be_the_samples_absorbance, prepare),
		cmocka_unit_test_setup(the_memory_is_cleared_when_the_last_group_was_let_go_and_not_before, prepare),
		cmocka_unit_test_setup(link_mode_ends_ten_seconds_after_the_last_command, prepare),
		cmocka_unit_test_setup(a_user_cancels_and_the_host_erases, prepare),
		cmocka_unit_test_setup(the_luminometer_speaks_the_published_records, prepare),
	};

	return cmocka_run_group_tests_name("sim_dump8", tests, NULL, NULL);
}
