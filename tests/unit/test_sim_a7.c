/* The simulated fluorescence reader tells what it finished until every frame is acknowledged, as the vectors do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "../sim/a7.c"
#include "../sim/dice.c"
#include "../sim/label.c"
#include "../sim/memory.c"
#include "../sim/truth.c"
#include "vectors_fixture.h"

/* A loop on paper. */
static int64_t now_ns;

int64_t loop_now_ns(void)
{
	return now_ns;
}

void timer_set(struct timer *timer, int64_t due_ns)
{
	timer->due_ns = due_ns;
	timer->place = 1;
}

void timer_clear(struct timer *timer)
{
	timer->place = 0;
}

/* What it said last, and all of it. */
static struct {
	uint8_t last[A7_FRAME_MAX];
	size_t length, count;
} said;

static struct options options;
static struct memory memory;
static struct a7_sender sender;

static void keep_said(void *context, const uint8_t *bytes, size_t length)
{
	(void)context;
	memcpy(said.last, bytes, length);
	said.length = length;
	said.count++;
}

static void finish(uint32_t number, uint32_t batch, const char *name)
{
	const struct result result = { .number = number,
		.batch = batch,
		.tested = { 2026, 3, 5, 9, 41, 20 },
		.item = A7_CHLORPYRIFOS,
		.unit = 2,
		.decimals = 3,
		.value = 12,
		.verdict = RESULT_NEGATIVE,
		.kind = number % 2 == 0 ? RESULT_NEGATIVE_CONTROL : RESULT_SAMPLE,
		.name = name,
		.operator_name = "zhang",
		.sample_no = "S0017" };
	memory_keep(&memory, &result);
}

static int start(void **state)
{
	(void)state;
	memory_free(&memory);
	memory = (struct memory){ .capacity = 100 };
	options = (struct options){ .frame_size = 240 };
	sender = (struct a7_sender){
		.options = &options, .memory = &memory, .serial = "SN2024007", .send = keep_said, .dice = dice_of(1, 1)
	};
	said.count = 0;
	return 0;
}

static void host(uint8_t control)
{
	a7_hear(&sender, &control, 1);
}

static void host_says(const char *frame)
{
	a7_hear(&sender, (const uint8_t *)frame, strlen(frame));
}

static void expect_control(uint8_t control)
{
	assert_int_equal(said.length, 1);
	assert_int_equal(said.last[0], control);
}

static void expect_text(const char *text)
{
	assert_true(said.length > 7);
	assert_int_equal(said.length - 7, strlen(text));
	assert_memory_equal(said.last + 2, text, said.length - 7);
}

static void time_passes(void)
{
	assert_true(sender.timer.place);
	now_ns = sender.timer.due_ns;
	sender.timer.place = 0;
	sender.timer.fire(sender.timer.context);
}

static void its_frames_are_the_published_ones(void **state)
{
	read_vectors(state);
	finish(1, 1, NULL);
	a7_go_on(&sender);
	expect_control(ENQ);
	for (unsigned number = 1; number <= 5; number++) {
		char title[32];
		snprintf(title, sizeof(title), "A7 ASTM frame %u", number);
		const struct vector *vector = vector_of(title);
		host(ACK);
		assert_int_equal(said.length, vector->length);
		assert_memory_equal(said.last, vector->bytes, vector->length);
	}
	assert_int_equal(memory.count, 1);
	host(ACK);
	expect_control(EOT);
	assert_int_equal(memory.count, 0);
	assert_false(sender.timer.place);
}

static void a_frame_that_is_refused_comes_again_six_times_and_then_all_of_it(void **state)
{
	(void)state;
	finish(1, 1, NULL);
	a7_go_on(&sender);
	host(NAK); /* not now */
	expect_control(EOT);
	time_passes();
	expect_control(ENQ);
	host(ACK);
	host(ACK);
	size_t before = said.count;
	for (int refused = 1; refused < 6; refused++) {
		host(NAK);
		expect_text("P|1\r");
	}
	assert_int_equal(said.count, before + 5);
	host(NAK);
	expect_control(EOT);
	time_passes();
	expect_control(ENQ);
	host(ACK);
	assert_non_null(memmem(said.last, said.length, "1H|", 3));
	assert_int_equal(memory.count, 1);
}

static void silence_and_another_link_begin_anew(void **state)
{
	(void)state;
	finish(1, 1, NULL);
	a7_go_on(&sender);
	host(ACK);
	time_passes();
	expect_control(EOT);
	time_passes();
	expect_control(ENQ);
	host(ACK);
	host(ACK);
	a7_again(&sender);
	expect_control(ENQ);
	assert_int_equal(memory.count, 1);
	a7_stop(&sender);
	assert_false(sender.timer.place);
}

static void what_was_finished_together_is_one_message_in_its_characters(void **state)
{
	(void)state;
	static uint8_t out[A7_MESSAGE_MAX];
	static const char expected[] = "H|\\^&|||FIA-8^1.02^SN2024007|||||||P||20260305094120\rP|1\r"
				       "O|1|S0017||^^^CHLORPYRIFOS|||||||||||\xF7\x7C\xF4\x7E\rC|1|I|LOT 26004|G\r"
				       "R|1|^^^CHLORPYRIFOS|0.012|mg/kg|0.02|N||F||zhang||20260305094120\r"
				       "O|2|S0017||^^^CHLORPYRIFOS|||||||Q\rC|1|I|LOT 26004|G\r"
				       "R|2|^^^CHLORPYRIFOS|0.012|mg/kg|0.02|N||F||zhang||20260305094120\rL|1|N\r";
	options.lots = true;
	finish(1, 4, "鱸魚");
	finish(2, 4, NULL);
	finish(3, 5, NULL);
	assert_int_equal(next_batch(&memory), 2);
	assert_int_equal(a7_message(&sender, 2, out), sizeof(expected) - 1);
	assert_memory_equal(out, expected, sizeof(expected) - 1);
}

static void a_message_may_be_one_frame_or_many_parts_and_begin_without_enq(void **state)
{
	(void)state;
	options.one_frame = options.no_enq = true;
	finish(1, 1, NULL);
	a7_go_on(&sender);
	assert_non_null(memmem(said.last, said.length, "\rL|1|N\r\x03", 8));
	host(ACK);
	expect_control(EOT);
	options.one_frame = false;
	options.frame_size = 8;
	finish(3, 2, NULL);
	a7_go_on(&sender);
	assert_int_equal(said.length, 8 + 7);
	assert_int_equal(said.last[10], ETB);
	unsigned frames = 0;
	for (; said.length > 1; frames++)
		host(ACK);
	expect_control(EOT);
	assert_true(frames > 15);
	assert_int_equal(memory.count, 0);
}

static void when_both_begin_it_goes_first_and_then_listens(void **state)
{
	(void)state;
	options.queries = 1;
	finish(1, 1, NULL);
	finish(3, 2, NULL);
	a7_go_on(&sender);
	host(ENQ);
	assert_int_equal(said.count, 1);
	time_passes();
	expect_control(ENQ);
	for (int frames = 0; frames < 6; frames++)
		host(ACK);
	expect_control(ENQ);
	host(ACK);
	expect_text("H|\\^&|||FIA-8^1.02^SN2024007|||||||P||20260305094120\r"); /* the question */
	host(ACK);
	expect_text("Q|1|^S0017||^^^ALL\r");
	host(ACK);
	host(ACK);
	a7_stop(&sender);
	host(ENQ);
	expect_control(ACK);
	host_says("\x02"
		  "1L|1|I\r\x03"
		  "00\r\n");
	expect_control(NAK);
	host_says("\x02"
		  "1L|1|I\r\x03"
		  "FF\r\n");
	expect_control(ACK);
	host(EOT);
	expect_control(ENQ);
}

static void what_the_host_says_is_known_by_its_first_byte(void **state)
{
	(void)state;
	assert_int_equal(a7_frame((const uint8_t *)"\x06", 1), 1);
	assert_int_equal(a7_frame((const uint8_t *)"x", 1), -1);
	assert_int_equal(a7_frame((const uint8_t *)"\x02"
						   "1H|",
				 4),
		0);
	assert_int_equal(a7_frame((const uint8_t *)"\x02"
						   "1L\r\x03"
						   "00\r\n\x04",
				 10),
		9);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, start)
	const struct CMUnitTest tests[] = {
		TEST(its_frames_are_the_published_ones),
		TEST(a_frame_that_is_refused_comes_again_six_times_and_then_all_of_it),
		TEST(silence_and_another_link_begin_anew),
		TEST(what_was_finished_together_is_one_message_in_its_characters),
		TEST(a_message_may_be_one_frame_or_many_parts_and_begin_without_enq),
		TEST(when_both_begin_it_goes_first_and_then_listens),
		TEST(what_the_host_says_is_known_by_its_first_byte),
	};
	return cmocka_run_group_tests_name("sim_a7", tests, NULL, NULL);
}
