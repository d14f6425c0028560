/* The simulated HL7 analyzer sends what it finished until it is accepted, and never anything else in its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "../sim/dice.c"
#include "../sim/hl7.c"
#include "../sim/label.c"
#include "../sim/memory.c"
#include "../sim/truth.c"

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

struct sent {
	char text[MLLP_MESSAGE_MAX + 1];
	unsigned count;
};

static void sent_again(void *context, const uint8_t *message, size_t length)
{
	struct sent *sent = context;
	memcpy(sent->text, message, length);
	sent->text[length] = '\0';
	sent->count++;
}

static void keep(struct memory *memory, uint32_t number, uint32_t batch)
{
	const struct result result = { .number = number,
		.batch = batch,
		.tested = { 2026, 3, 5, 9, 41, 20 },
		.item = 301,
		.unit = 3,
		.decimals = 1,
		.value = 125,
		.below = number % 2 == 0,
		.kind = number % 2 == 0 ? RESULT_NEGATIVE_CONTROL : RESULT_SAMPLE,
		.verdict = RESULT_NEGATIVE,
		.retest = number == 3,
		.name = "豆",
		.operator_name = "李",
		.sample_no = "S1" };
	memory_keep(memory, &result);
}

static void told(struct mllp_sender *sender, const char *answer)
{
	mllp_answer(sender, (const uint8_t *)answer, strlen(answer));
}

static void a_message_holds_what_was_finished_together(void **state)
{
	(void)state;
	static uint8_t out[MLLP_MESSAGE_MAX];
	static const char expected[] = "\x0bMSH|^~\\&|SIM|FIA-HL7|||20260305094120||ORU^R01|4|P|2.4||||||GB18030-2000\r"
				       "OBR|1|S1|1|301|||20260305094120||||||||^\xb6\xb9\r"
				       "OBX|1|NM|301||12.5|ug/kg||N|||F|||20260305094120||\xc0\xee\r"
				       "OBR|2|S1|2|301|||20260305094120||||Q||||^\xb6\xb9\r"
				       "OBX|2|NM|301||<12.5|ug/kg||N|||F|||20260305094120||\xc0\xee\r"
				       "OBR|3|S1|3|301|||20260305094120||||||||^\xb6\xb9\r"
				       "OBX|3|NM|301||12.5|ug/kg||N|||F|||20260305094120||\xc0\xee\r"
				       "TCD|301|||||||R\r\x1c\r";
	struct memory memory = { .capacity = 10 };
	keep(&memory, 1, 4);
	keep(&memory, 2, 4);
	keep(&memory, 3, 4);
	assert_int_equal(mllp_message(&memory, 3, out), sizeof(expected) - 1);
	assert_memory_equal(out, expected, sizeof(expected) - 1);
	memory_free(&memory);
}

static void it_is_sent_again_as_it_was_until_it_is_accepted(void **state)
{
	(void)state;
	static struct sent sent;
	static char first[sizeof(sent.text)];
	struct memory memory = { .capacity = 10 };
	struct mllp_sender sender = { .memory = &memory, .send = sent_again, .context = &sent };
	mllp_go_on(&sender);
	assert_int_equal(sent.count, 0);
	keep(&memory, 1, 4);
	keep(&memory, 2, 5);
	mllp_go_on(&sender);
	mllp_go_on(&sender); /* one at a time */
	assert_int_equal(sent.count, 1);
	strcpy(first, sent.text);
	assert_true(sender.timer.place && sender.timer.due_ns > now_ns);
	sender.timer.fire(sender.timer.context);
	told(&sender, "\x0bMSH|x\rMSA|AE|4|no\r\x1c");
	told(&sender, "\x0bMSH|x\rMSA|AA|44|yes\r\x1c");
	mllp_again(&sender); /* another link */
	assert_int_equal(sent.count, 3);
	assert_string_equal(sent.text, first);
	told(&sender, "\x0bMSH|x\rMSA|AA|4|yes\r\x1c");
	assert_int_equal(sent.count, 4);
	assert_non_null(strstr(sent.text, "|ORU^R01|5|"));
	told(&sender, "\x0bMSH|x\rMSA|AA|5|yes\r\x1c");
	told(&sender, "\x0bMSH|x\rMSA|AA|5|yes\r\x1c");
	assert_int_equal(memory.count, 0);
	assert_false(sender.timer.place);
	mllp_again(&sender);
	mllp_stop(&sender);
	assert_int_equal(sent.count, 4);
	memory_free(&memory);
}

static void an_acknowledgement_is_known_by_its_blocks(void **state)
{
	(void)state;
	assert_int_equal(mllp_frame((const uint8_t *)"M", 1), -1);
	assert_int_equal(mllp_frame((const uint8_t *)"\x0bMSH", 4), 0);
	assert_int_equal(mllp_frame((const uint8_t *)"\x0bMSH\x1c\r", 6), 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_holds_what_was_finished_together),
		cmocka_unit_test(it_is_sent_again_as_it_was_until_it_is_accepted),
		cmocka_unit_test(an_acknowledgement_is_known_by_its_blocks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
