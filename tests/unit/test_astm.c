/* The astm driver with an instrument on paper: dialogue, loss, repetition, odd frames and records. */
#include <errno.h>

#include "../../drivers/astm.h"
#include "../../drivers/checksum.h"
#include "listener_fixture.h"

extern const struct driver astm_driver;

#define ENQ "\x05"
#define ACK "\x06"
#define NAK "\x15"
#define EOT "\x04"

static struct paper *paper_new(void)
{
	return paper_of(&astm_driver);
}

static size_t make_frame(uint8_t *out, int number, const char *text, uint8_t end)
{
	size_t length = (size_t)sprintf((char *)out, "%c%d%s%c", ASTM_STX, number, text, end);
	return length + (size_t)sprintf((char *)out + length, "%02X\r\n", checksum_sum8(out + 1, length - 1));
}

static void hear_frame(struct paper *paper, int number, const char *text, uint8_t end)
{
	static uint8_t bytes[FRAME_MAX + 16];
	hear(paper, bytes, make_frame(bytes, number, text, end));
}

static void hear_bad(struct paper *paper, int number, const char *text, uint8_t end)
{
	static uint8_t bytes[FRAME_MAX + 16];
	size_t length = make_frame(bytes, number, text, end);
	bytes[2] ^= 1;
	hear(paper, bytes, length);
}

#define HEADER  "H|\\^&|||FIA-8^1.02^SN2024007|||||||P||20260305094120\r"
#define ORDER   "O|1|S1||^^^A\r"
#define RESULT1 "R|1|^^^A|0.1|mg/kg||||F||||20260305094001\r"
#define RESULT2 "R|2|^^^B|0.2|mg/kg||||F||||20260305094002\r"
#define END     "L|1|N\r"

static void send_message(struct paper *paper)
{
	static const char *const records[] = { HEADER, "P|1\r", ORDER, RESULT1, RESULT2, END };
	hear_text(paper, ENQ);
	for (int i = 0; i < 6 && !paper->dead; i++)
		hear_frame(paper, (i + 1) % 8, records[i], ASTM_ETX);
	if (!paper->dead)
		hear_text(paper, EOT);
}

/* ---- the dialogue ---- */

static void every_frame_is_acknowledged_and_the_last_needs_nothing_after_it(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	hear_text(paper, ENQ);
	said(paper, ACK);
	assert_false(paper->unanswered);
	hear_frame(paper, 1, HEADER, ASTM_ETX);
	hear_frame(paper, 2, ORDER, ASTM_ETX);
	hear_frame(paper, 3, RESULT1, ASTM_ETX);
	said(paper, ACK ACK ACK);
	assert_int_equal(paper->count, 1);
	assert_string_equal(paper->stored[0].line, "S1 A 0.1 mg/kg 2026-03-05T09:40:01");
	hear_frame(paper, 4, END, ASTM_ETX);
	said(paper, ACK);
	assert_true(paper->unanswered);
	hear_text(paper, EOT);
	said(paper, "");
	assert_string_equal(paper->instrument.maker.model, "FIA-8");
	assert_string_equal(paper->instrument.maker.serial, "SN2024007");
	assert_string_equal(paper->instrument.maker.firmware, "1.02");
	paper_free(paper);
}

static void a_result_is_stored_before_its_frame_is_acknowledged(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	struct readings readings = { .list = paper->list };
	struct request request = { 0 };
	uint8_t bytes[256];
	hear_text(paper, ENQ);
	hear_frame(paper, 1, HEADER ORDER, ASTM_ETX);
	struct reply reply = { .kind = REPLY_FRAME, .bytes = bytes };
	reply.length = (size_t)astm_driver.frame(&paper->instrument, bytes, make_frame(bytes, 2, RESULT1, ASTM_ETX));
	/* take() ends the turn: the line stores, and only then asks what to send */
	assert_int_equal(astm_driver.take(&paper->instrument, &reply, &readings), NEXT_ASK);
	assert_int_equal(readings.count, 1);
	astm_driver.ask(&paper->instrument, &request);
	assert_int_equal(request.kind, REQUEST_BYTES);
	assert_int_equal(request.length, 1);
	assert_int_equal(request.bytes[0], ASTM_ACK);
	request = (struct request){ 0 };
	astm_driver.ask(&paper->instrument, &request);
	assert_int_equal(request.kind, REQUEST_NONE);
	paper_free(paper);
}

static void a_message_sent_again_after_a_crash_before_the_ack_is_stored_once(void **state)
{
	(void)state;
	for (size_t crash = 1; crash <= 2; crash++) {
		struct paper *paper = paper_new();
		paper->crash_after = crash;
		send_message(paper);
		assert_true(paper->dead);
		assert_int_equal(paper->count, crash);
		start(paper);
		send_message(paper);
		assert_int_equal(paper->count, 2);
		assert_int_equal(paper->known, crash);
		paper_free(paper);
	}
}

static void two_equal_results_of_one_message_are_two_and_stay_two_when_sent_again(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	for (int i = 0; i < 2; i++) {
		hear_text(paper, ENQ);
		hear_frame(paper, 1, HEADER ORDER RESULT1 RESULT1 END, ASTM_ETX);
		hear_text(paper, EOT);
		assert_int_equal(paper->count, 2);
	}
	paper_free(paper);
}

static void results_that_tell_no_time_are_never_taken_for_old_ones(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	for (size_t i = 1; i <= 2; i++) {
		hear_text(paper, ENQ);
		hear_frame(paper, 1, "H|\\^&|||X\rO|1|S1\rR|1|^^^A|5\rL|1|N\r", ASTM_ETX);
		hear_text(paper, EOT);
		assert_int_equal(paper->count, i);
	}
	paper_free(paper);
}

static void a_frame_sent_again_because_its_ack_was_lost_is_acknowledged_and_is_one(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	hear_text(paper, ENQ);
	hear_frame(paper, 1, "H|\\^&|||X\rO|1|S1\r", ASTM_ETX);
	hear_frame(paper, 2, "R|1|^^^A|5\r", ASTM_ETX);
	hear_frame(paper, 2, "R|1|^^^A|5\r", ASTM_ETX);
	said(paper, ACK ACK ACK ACK);
	assert_int_equal(paper->count, 1);
	hear_frame(paper, 2, "R|2|^^^A|5\r", ASTM_ETX); /* the same number, another frame */
	assert_int_equal(paper->count, 2);
	paper_free(paper);
}

static void a_wrong_checksum_is_refused_and_the_frame_sent_again_is_taken(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	hear_text(paper, ENQ);
	hear_frame(paper, 1, HEADER ORDER, ASTM_ETX);
	hear_frame(paper, 2, "R|1|^^^A|0.1", ASTM_ETB);
	said(paper, ACK ACK ACK);
	hear_bad(paper, 3, "23|mg/kg\rR|2|^^^B|1", ASTM_ETB);
	said(paper, NAK);
	assert_int_equal(paper->rejected, 1);
	hear_frame(paper, 3, "23|mg/kg\rR|2|^^^B|1", ASTM_ETB);
	hear_frame(paper, 4, ".5|mg/kg\r", ASTM_ETX);
	said(paper, ACK ACK);
	assert_int_equal(paper->count, 2);
	assert_string_equal(paper->stored[0].line, "S1 A 0.123 mg/kg ");
	assert_string_equal(paper->stored[1].line, "S1 B 1.5 mg/kg ");
	assert_int_equal(paper->notices, 0);
	paper_free(paper);
}

static void a_frame_that_never_comes_right_loses_what_it_cut_and_nothing_else(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	hear_text(paper, ENQ);
	hear_frame(paper, 1, HEADER ORDER, ASTM_ETX);
	hear_frame(paper, 2, "R|1|^^^A|1\rR|2|^^^B|2", ASTM_ETB);
	for (int i = 0; i < 6; i++)
		hear_bad(paper, 3, "2\rR|3|^^^C|3\rR|4|^^^D|4", ASTM_ETB);
	assert_int_equal(paper->notices, 1);
	hear_frame(paper, 4, "R|4\rR|5|^^^E|5\r", ASTM_ETX); /* begins as a record would: it is the rest of one */
	hear_bad(paper, 5, "R|6|^^^F|6\r", ASTM_ETX);
	hear_frame(paper, 6, "R|7|^^^G|7\r", ASTM_ETX); /* the one before ended with its record */
	assert_int_equal(paper->count, 3);
	assert_string_equal(paper->stored[0].line, "S1 A 1  ");
	assert_string_equal(paper->stored[1].line, "S1 E 5  ");
	assert_string_equal(paper->stored[2].line, "S1 G 7  ");
	paper_free(paper);
}

#define ORDER2 "O|2|S2||^^^A\r"

/* Results of S1, then `lost` in the place of the second order, then results of S2. */
static void lose_order(struct paper *paper, void (*lose)(struct paper *paper, int number))
{
	hear_text(paper, ENQ);
	hear_frame(paper, 1, HEADER, ASTM_ETX);
	hear_frame(paper, 2, ORDER, ASTM_ETX);
	hear_frame(paper, 3, RESULT1, ASTM_ETX);
	lose(paper, 4);
	hear_frame(paper, 5, RESULT2, ASTM_ETX);
	hear_frame(paper, 6, "O|3|S3||^^^A\r", ASTM_ETX);
	hear_frame(paper, 7, "R|1|^^^A|0.3|mg/kg\r", ASTM_ETX);
	hear_frame(paper, 0, END, ASTM_ETX);
	hear_text(paper, EOT);
	assert_int_equal(paper->count, 3);
	assert_string_equal(paper->stored[0].line, "S1 A 0.1 mg/kg 2026-03-05T09:40:01");
	assert_string_equal(paper->stored[1].line, " B 0.2 mg/kg 2026-03-05T09:40:02");
	assert_string_equal(paper->stored[2].line, "S3 A 0.3 mg/kg ");
	assert_int_equal(paper->notices, 1);
}

static void bad_checksum(struct paper *paper, int number)
{
	hear_bad(paper, number, ORDER2, ASTM_ETX);
}

static void person_and_order(struct paper *paper, int number)
{
	hear_bad(paper, number, "P|2\r" ORDER2, ASTM_ETB);
}

static void behind_a_result(struct paper *paper, int number)
{
	hear_bad(paper, number, "R|9|^^^A|9\r" ORDER2, ASTM_ETB);
}

static void line_end_damaged(struct paper *paper, int number)
{
	hear_bad(paper, number, "C|1|I|ok\x8d" ORDER2, ASTM_ETX);
}

static void start_lost(struct paper *paper, int number)
{
	uint8_t bytes[128];
	size_t length = make_frame(bytes, number, ORDER2, ASTM_ETX);
	hear(paper, bytes + 1, length - 1);
}

static void broken_off(struct paper *paper, int number)
{
	uint8_t bytes[128];
	make_frame(bytes, number, "R|9|^^^A|9\r" ORDER2, ASTM_ETX);
	hear(paper, bytes, 9);
}

static void nothing_came(struct paper *paper, int number)
{
	(void)paper;
	(void)number;
}

static void results_behind_a_lost_order_have_no_sample_rather_than_the_one_before(void **state)
{
	(void)state;
	static void (*const ways[])(struct paper *, int) = { bad_checksum, person_and_order, behind_a_result,
		line_end_damaged, start_lost, broken_off, nothing_came };
	for (size_t i = 0; i < 2 * sizeof(ways) / sizeof(ways[0]); i++) {
		struct paper *paper = paper_new();
		set(paper, "acknowledge", i % 2 ? "no" : "yes"); /* yes: one that ignores our NAK */
		start(paper);
		lose_order(paper, ways[i / 2]);
		paper_free(paper);
	}
}

static void a_lost_result_or_comment_leaves_the_others_their_sample(void **state)
{
	(void)state;
	static const char *const lost[] = { RESULT1, "C|1|I|low\r", "M|1|x\r", RESULT1 "C|1|I|low\rS|1\r", "R" };
	for (size_t i = 0; i < sizeof(lost) / sizeof(lost[0]); i++) {
		struct paper *paper = paper_new();
		uint8_t bytes[512];
		set(paper, "acknowledge", "no");
		start(paper);
		hear_text(paper, ENQ);
		hear_frame(paper, 1, HEADER, ASTM_ETX);
		hear_frame(paper, 2, ORDER, ASTM_ETX);
		size_t length = make_frame(bytes, 3, lost[i], ASTM_ETX);
		bytes[length - 3] = bytes[length - 3] == '0' ? '1' : '0';
		hear(paper, bytes, length);
		hear_frame(paper, 4, RESULT2, ASTM_ETX);
		assert_int_equal(paper->count, 1);
		assert_string_equal(paper->stored[0].line, "S1 B 0.2 mg/kg 2026-03-05T09:40:02");
		assert_int_equal(paper->notices, 1);
		paper_free(paper);
	}
}

/* Numbers as the instrument counts: -1 for none. */
static void count_as(const int *numbers, size_t sessions, bool bad_order)
{
	static const char *const records[] = { HEADER, "P|1\r", ORDER, RESULT1, RESULT2, "R|3|^^^C|3\r", "R|4|^^^D|4\r",
		"R|5|^^^E|5\r", "R|6|^^^F|6\r", END };
	struct paper *paper = paper_new();
	set(paper, "acknowledge", "no");
	start(paper);
	for (size_t session = 0; session < sessions; session++) {
		hear_text(paper, ENQ);
		for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
			uint8_t bytes[256];
			size_t length = make_frame(bytes, numbers[i] < 0 ? 0 : numbers[i], records[i], ASTM_ETX);
			if (numbers[i] < 0) {
				memmove(bytes + 1, bytes + 2, length - 2);
				length = 2 + strlen(records[i]);
			}
			if (bad_order && i == 2)
				bytes[4] ^= 1;
			hear(paper, bytes, length);
		}
		hear_text(paper, EOT);
	}
	assert_int_equal(paper->notices, bad_order);
	for (size_t i = 0; i < paper->count; i++)
		assert_int_equal(strncmp(paper->stored[i].line, "S1 ", 3) == 0, !bad_order);
	paper_free(paper);
}

static void instruments_that_do_not_count_are_not_hurt(void **state)
{
	(void)state;
	static const int none[10] = { -1, -1, -1, -1, -1, -1, -1, -1, -1, -1 },
			 one[10] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 }, twice[10] = { 1, 1, 2, 2, 3, 3, 4, 4, 5, 5 },
			 right[10] = { 1, 2, 3, 4, 5, 6, 7, 0, 1, 2 }, nine[10] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 0 },
			 odd[10] = { 1, 3, 5, 7, 1, 3, 5, 7, 1, 3 };
	count_as(none, 3, false);
	count_as(one, 3, false);
	count_as(twice, 3, false);
	count_as(right, 3, false);
	count_as(nine, 3, false);
	count_as(odd, 3, false);
	count_as(one, 1, true); /* and no number says that the next frame is the bad one again */
	count_as(right, 1, true);
}

static void an_instrument_that_leaves_out_the_number_zero_is_believed_the_second_time(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	set(paper, "acknowledge", "no");
	start(paper);
	for (int session = 0; session < 3; session++) {
		hear_text(paper, ENQ);
		hear_frame(paper, 1, HEADER, ASTM_ETX);
		hear_frame(paper, 2, ORDER, ASTM_ETX);
		for (int i = 0; i < 6; i++) {
			char record[64];
			snprintf(record, sizeof(record), "R|%d|^^^A|%d\r", i, i);
			hear_frame(paper, i < 5 ? i + 3 : 1, record, ASTM_ETX);
		}
		hear_text(paper, EOT);
		assert_string_equal(paper->stored[paper->count - 1].line, session ? "S1 A 5  " : " A 5  ");
		assert_int_equal(paper->notices, 1);
	}
	paper_free(paper);
}

/* Before it is known whether the instrument counts: no value is made of the halves of two. Should its numbers mean
 * nothing, that costs one record. */
static void halves_are_not_joined_across_a_number_that_strays(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	set(paper, "acknowledge", "no");
	start(paper);
	hear_text(paper, ENQ);
	hear_frame(paper, 1, HEADER ORDER "R|1|^^^A|10", ASTM_ETB);
	hear_frame(paper, 3, "3.6|mg/kg\rR|3|^^^C|2", ASTM_ETB);
	assert_int_equal(paper->count, 0);
	told(paper, "frame 3 follows frame 1");
	told(paper, ": R|1|^^^A|10\n");
	told(paper, ": 3.6|mg/kg\n");
	hear_frame(paper, 5, "5|mg/kg\r", ASTM_ETX);
	assert_int_equal(paper->count, 1);
	assert_string_equal(paper->stored[0].line, " C 25 mg/kg ");
	paper_free(paper);
}

static void a_frame_that_is_missing_before_a_header_is_told(void **state)
{
	(void)state;
	for (int number = 1; number <= 6; number += 5) { /* the numbers begin anew, or go on */
		struct paper *paper = paper_new();
		hear_text(paper, ENQ);
		hear_frame(paper, 1, HEADER, ASTM_ETX);
		hear_frame(paper, 2, ORDER, ASTM_ETX);
		hear_frame(paper, 3, RESULT1, ASTM_ETX);
		hear_frame(paper, 4, END, ASTM_ETX);
		hear_frame(paper, number, HEADER, ASTM_ETX);
		assert_int_equal(paper->notices, number > 1);
		paper_free(paper);
	}
}

/* Of an instrument that does not count: the next result differs in a few places, the one sent again in one. */
static void another_result_of_the_same_length_is_not_the_bad_one_again(void **state)
{
	(void)state;
	static const char first[] = "R|1|^^^A|0.1|mg/kg||||F||||20260305094001|FIA-8 fluorescence reader\r",
			  second[] = "R|2|^^^A|0.7|mg/kg||||F||||20260305094002|FIA-8 fluorescence reader\r";
	for (int again = 0; again < 2; again++) {
		struct paper *paper = paper_new();
		hear_text(paper, ENQ);
		hear_frame(paper, 1, HEADER ORDER, ASTM_ETX);
		hear_bad(paper, 1, first, ASTM_ETX);
		hear_frame(paper, 1, again ? first : second, ASTM_ETX);
		assert_int_equal(paper->count, 1);
		assert_int_equal(paper->notices, !again);
		paper_free(paper);
	}
}

/* The bad frame may have ended inside a record; what comes next is its rest, or an order whole. */
static void an_order_that_may_be_the_rest_of_a_lost_record_is_nobodys(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	set(paper, "acknowledge", "no");
	start(paper);
	hear_text(paper, ENQ);
	hear_frame(paper, 1, HEADER ORDER RESULT1, ASTM_ETB);
	hear_bad(paper, 2, "R|2|^^^B|0.2|mg/kg", ASTM_ETB); /* its line end is lost, too */
	hear_frame(paper, 3, ORDER2 "R|1|^^^C|0.3|mg/kg\r", ASTM_ETB);
	hear_frame(paper, 4, "O|3|S3||^^^A\rR|1|^^^D|0.4|mg/kg\r", ASTM_ETX);
	assert_int_equal(paper->count, 3);
	assert_string_equal(paper->stored[0].line, "S1 A 0.1 mg/kg 2026-03-05T09:40:01");
	assert_string_equal(paper->stored[1].line, " C 0.3 mg/kg ");
	assert_string_equal(paper->stored[2].line, "S3 D 0.4 mg/kg ");
	told(paper, "the rest of a record, whose beginning is lost: O|2|S2||^^^A\n");
	paper_free(paper);
}

/* The sessions are short: none shows by itself that the instrument counts. */
static void that_an_instrument_counts_is_known_from_one_session_to_the_next(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	set(paper, "acknowledge", "no");
	start(paper);
	for (int session = 0; session < 3; session++) {
		hear_text(paper, ENQ);
		hear_frame(paper, 1, HEADER ORDER, ASTM_ETX);
		hear_frame(paper, 2, RESULT1, ASTM_ETX);
		if (session == 2) /* the third, an order, is not there at all */
			hear_frame(paper, 4, RESULT2, ASTM_ETX);
		hear_text(paper, EOT);
	}
	assert_int_equal(paper->count, 2);
	assert_string_equal(paper->stored[1].line, " B 0.2 mg/kg 2026-03-05T09:40:02");
	assert_int_equal(paper->notices, 1);
	told(paper, "frame 4 follows frame 2");
	paper_free(paper);
}

/* Frame 0 is lost: damaged in the first session, without a trace in the second. */
static void who_ever_wrote_a_zero_leaves_none_out(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	set(paper, "acknowledge", "no");
	start(paper);
	for (int session = 0; session < 2; session++) {
		hear_text(paper, ENQ);
		hear_frame(paper, 1, HEADER, ASTM_ETX);
		hear_frame(paper, 2, ORDER, ASTM_ETX);
		for (int i = 3; i < 8; i++)
			hear_frame(paper, i, "C|1|I|x\r", ASTM_ETX);
		if (session == 0)
			hear_bad(paper, 0, ORDER2, ASTM_ETX);
		hear_frame(paper, 1, session ? RESULT2 : RESULT1, ASTM_ETX);
		hear_text(paper, EOT);
	}
	assert_int_equal(paper->count, 2);
	assert_string_equal(paper->stored[0].line, " A 0.1 mg/kg 2026-03-05T09:40:01");
	assert_string_equal(paper->stored[1].line, " B 0.2 mg/kg 2026-03-05T09:40:02");
	paper_free(paper);
}

static void a_missing_frame_joins_no_halves_of_different_records(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	set(paper, "acknowledge", "no");
	start(paper);
	hear_text(paper, ENQ);
	hear_frame(paper, 1, HEADER, ASTM_ETX);
	hear_frame(paper, 2, ORDER, ASTM_ETX);
	hear_frame(paper, 3, "R|1|^^^A|1", ASTM_ETB);
	hear_frame(paper, 5, "5|mg/kg\rR|3|^^^C|3\r", ASTM_ETX);
	assert_int_equal(paper->count, 1);
	assert_string_equal(paper->stored[0].line, " C 3  ");
	assert_non_null(strstr(paper->told, "frame 5 follows frame 3"));
	told(paper, "a record began, and its end did not come: R|1|^^^A|1\n"); /* all that is lost is told */
	told(paper, "the rest of a record, whose beginning is lost: 5|mg/kg\n");
	assert_int_equal(paper->notices, 3);
	paper_free(paper);
}

static void a_frame_that_does_not_come_again_is_announced_with_its_bytes(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	hear_text(paper, ENQ);
	hear_frame(paper, 1, HEADER ORDER, ASTM_ETX);
	hear_bad(paper, 2, RESULT1, ASTM_ETX);
	assert_int_equal(paper->notices, 0); /* it was asked for again */
	hear_bad(paper, 3, RESULT2, ASTM_ETX);
	assert_int_equal(paper->notices, 1);
	hear_frame(paper, 4, END, ASTM_ETX);
	assert_int_equal(paper->notices, 2);
	assert_non_null(strstr(paper->reason, "did not come again"));
	paper_free(paper);
}

/* One that does not heed a NAK, and one that ends its last frame as if more came: whatever ends the message, what was
 * not taken is told. */
static void what_is_lost_when_a_message_ends_is_told_with_its_bytes(void **state)
{
	(void)state;
	for (int way = 0; way < 3; way++) {
		struct paper *paper = paper_new();
		hear_text(paper, ENQ);
		hear_bad(paper, 1, HEADER ORDER RESULT1, ASTM_ETX);
		assert_int_equal(paper->notices, 0);
		if (way == 0)
			hear_text(paper, EOT);
		else if (way == 1)
			hear_text(paper, ENQ);
		else
			silence(paper);
		assert_int_equal(paper->notices, 1);
		told(paper, "did not come again: \x02"
			    "1");
		told(paper, RESULT1);
		hear_text(paper, EOT ENQ);
		hear_frame(paper, 1, HEADER ORDER "R|1|^^^A|12", ASTM_ETB);
		if (way == 0)
			hear_text(paper, EOT);
		else if (way == 1)
			hear_text(paper, ENQ);
		else
			silence(paper);
		assert_int_equal(paper->notices, 2);
		told(paper, "a record began, and its end did not come: R|1|^^^A|12\n");
		hear_text(paper, EOT ENQ);
		hear_frame(paper, 1, HEADER ORDER "L|1|N", ASTM_ETB);
		hear_text(paper, EOT);
		assert_int_equal(paper->notices, 2);
		assert_int_equal(paper->count, 0);
		paper_free(paper);
	}
}

static void each_of_several_bad_frames_is_told_with_its_bytes(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	hear_text(paper, ENQ);
	hear_frame(paper, 1, HEADER ORDER, ASTM_ETX);
	hear_bad(paper, 2, RESULT1, ASTM_ETX);
	hear_bad(paper, 3, RESULT2, ASTM_ETX);
	hear_bad(paper, 4, "R|3|^^^C|3\r", ASTM_ETX);
	hear_text(paper, EOT);
	told(paper, &RESULT1[1]); /* its first byte is the damaged one */
	told(paper, &RESULT2[1]);
	told(paper, "|3|^^^C|3\r");
	assert_int_equal(paper->notices, 3);
	paper_free(paper);
}

static void who_goes_on_with_an_unknown_message_has_each_frame_told(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	hear_frame(paper, 3, ORDER, ASTM_ETX);
	hear_frame(paper, 4, RESULT1, ASTM_ETX);
	hear_frame(paper, 5, END, ASTM_ETX);
	hear_text(paper, EOT);
	assert_int_equal(paper->count, 0);
	assert_int_equal(paper->notices, 3);
	told(paper, ORDER);
	told(paper, RESULT1);
	paper_free(paper);
	paper = paper_new();
	for (int i = 0; i < 6; i++)
		hear_frame(paper, 4, RESULT1, ASTM_ETX);
	hear_text(paper, EOT); /* it heeded, and begins anew */
	send_message(paper);
	assert_int_equal(paper->count, 2);
	assert_int_equal(paper->notices, 0);
	paper_free(paper);
}

static void in_the_middle_of_an_unknown_message_the_instrument_is_made_to_begin_anew(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	/* a sender gives a frame up when it was refused six times, and begins anew */
	for (int i = 0; i < 12; i++)
		hear_frame(paper, 4, RESULT1, ASTM_ETX);
	said(paper, NAK NAK NAK NAK NAK NAK NAK NAK NAK NAK NAK NAK);
	assert_int_equal(paper->count, 0);
	hear_frame(paper, 4, RESULT1, ASTM_ETX); /* it will not: better without its sample than lost */
	said(paper, ACK);
	assert_int_equal(paper->count, 1);
	paper_free(paper);
}

static void noise_that_looks_like_enq_takes_no_result_from_its_sample(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	hear_text(paper, ENQ);
	hear_frame(paper, 1, HEADER, ASTM_ETX);
	hear_frame(paper, 2, ORDER, ASTM_ETX);
	hear_text(paper, ENQ); /* on the line, not from the instrument */
	said(paper, ACK ACK ACK ACK);
	for (int i = 0; i < 6; i++)
		hear_frame(paper, 3, RESULT1, ASTM_ETX);
	said(paper, NAK NAK NAK NAK NAK NAK);
	assert_int_equal(paper->count, 0);
	hear_text(paper, EOT ENQ); /* the instrument begins anew */
	hear_frame(paper, 1, HEADER, ASTM_ETX);
	hear_frame(paper, 2, ORDER, ASTM_ETX);
	hear_frame(paper, 3, RESULT1, ASTM_ETX);
	assert_int_equal(paper->count, 1);
	assert_string_equal(paper->stored[0].line, "S1 A 0.1 mg/kg 2026-03-05T09:40:01");
	paper_free(paper);
}

static void a_message_in_one_frame_without_enq_is_taken(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	hear_frame(paper, 1, HEADER ORDER RESULT1 END, ASTM_ETX);
	said(paper, ACK);
	assert_int_equal(paper->count, 1);
	paper_free(paper);
}

static void a_tap_says_nothing(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	set(paper, "acknowledge", "no");
	start(paper);
	hear_frame(paper, 3, RESULT1, ASTM_ETX); /* even one that comes in the middle is a result */
	send_message(paper);
	hear_bad(paper, 1, HEADER, ASTM_ETX);
	hear_text(paper, ENQ);
	hear_frame(paper, 1, "H|\\^&\rQ|1|^S1\rL|1|N\r", ASTM_ETX);
	hear_text(paper, EOT);
	ask(paper);
	said(paper, "");
	assert_int_equal(paper->count, 3);
	assert_int_equal(paper->notices, 1);
	paper_free(paper);
}

static void silence_ends_a_message_and_what_was_half_said_is_nothing(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	hear_text(paper, ENQ);
	hear_frame(paper, 1, HEADER ORDER "R|1|^^^A|1", ASTM_ETB);
	silence(paper);
	paper->sent_length = 0;
	hear_frame(paper, 2, "2|mg/kg\r", ASTM_ETX);
	said(paper, NAK);
	assert_int_equal(paper->count, 0);
	send_message(paper);
	assert_int_equal(paper->count, 2);
	struct reply done = { .kind = REPLY_DONE };
	assert_int_equal(take(paper, &done), NEXT_WAIT);
	paper_free(paper);
}

/* ---- questions ---- */

static void ask_for_order(struct paper *paper)
{
	hear_text(paper, ENQ);
	hear_frame(paper, 1, "H|`^&||||||||||P|E 1394-97|20200528184520\rQ|1|^1007149`1007152|||S|||||||O\rL|1|N\r",
		ASTM_ETX);
	hear_text(paper, EOT);
}

static void a_question_is_answered_with_no_information(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	uint8_t frame[128];
	ask_for_order(paper);
	said(paper, ACK ACK ENQ);
	hear_text(paper, ACK);
	frame[make_frame(frame, 1, "H|`^&|||assayd|||||||P|LIS2-A2|20260305094120\r", ASTM_ETX)] = '\0';
	said(paper, (char *)frame);
	hear_text(paper, NAK); /* again */
	said(paper, (char *)frame);
	hear_text(paper, ACK);
	frame[make_frame(frame, 2, "L|1|I\r", ASTM_ETX)] = '\0';
	said(paper, (char *)frame);
	hear_text(paper, ACK);
	said(paper, EOT);
	assert_true(paper->unanswered);
	ask(paper);
	said(paper, "");
	hear_text(paper, ACK NAK); /* stray */
	said(paper, "");
	assert_int_equal(paper->count, 0);
	paper_free(paper);
}

static void when_both_begin_the_instrument_goes_first(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	ask_for_order(paper);
	said(paper, ACK ACK ENQ);
	hear_text(paper, ENQ); /* it had begun too */
	said(paper, "");
	send_message(paper); /* ... and begins anew */
	assert_int_equal(paper->count, 2);
	assert_int_equal(paper->sent[paper->sent_length - 1], ASTM_ENQ); /* our answer follows */
	hear_text(paper, ACK);
	hear_text(paper, ENQ); /* it interrupts our answer: it has something better to say */
	assert_int_equal(paper->sent[paper->sent_length - 1], ASTM_ACK);
	hear_text(paper, EOT);
	paper_free(paper);
}

static void an_answer_nobody_wants_is_given_up(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	ask_for_order(paper);
	paper->sent_length = 0;
	for (int i = 0; i < 5; i++)
		hear_text(paper, NAK);
	said(paper, ENQ ENQ ENQ ENQ ENQ);
	hear_text(paper, NAK);
	said(paper, EOT);
	ask_for_order(paper);
	paper->sent_length = 0;
	silence(paper);
	ask(paper);
	said(paper, "");
	ask_for_order(paper);
	paper->sent_length = 0;
	hear_text(paper, EOT); /* it hangs up */
	said(paper, "");
	paper_free(paper);
}

/* ---- frames ---- */

static void frames_come_with_any_trailer_or_without_checksum(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	hear_text(paper, ENQ "\r\x02"
			     "1" HEADER ORDER "\x03\r\n\x02"
			     "2" RESULT1 "\x03\x02"
			     "R|2|^^^B|0.2\r\x03" EOT);
	assert_int_equal(paper->count, 2);
	set(paper, "checksum", "none");
	start(paper);
	hear_text(paper, ENQ "\x02"
			     "1" HEADER "\x03");
	said(paper, ACK ACK); /* at once, not when something follows */
	paper_free(paper);
}

/* A record goes on in the next frame with any byte, a digit too. */
static void a_digit_is_text_where_no_frame_has_a_number(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	hear_text(paper, ENQ "\x02" HEADER ORDER "R|1|^^^A|12\x17\r\n\x02"
			     "3.4|mg/kg\rR|2|^^^B|5\x17\r\n\x02"
			     "6\x17\r\n\x02"
			     "7|mg/kg\r\x03\r\n" EOT);
	assert_int_equal(paper->count, 2);
	assert_string_equal(paper->stored[0].line, "S1 A 123.4 mg/kg ");
	assert_string_equal(paper->stored[1].line, "S1 B 567 mg/kg ");
	assert_int_equal(paper->notices, 0);
	hear_text(paper, ENQ); /* and of the same instrument, should it count */
	hear_frame(paper, 1, HEADER ORDER "R|3|^^^A|12", ASTM_ETB);
	hear_frame(paper, 2, "3.4|mg/kg\r", ASTM_ETX);
	assert_string_equal(paper->stored[2].line, "S1 A 123.4 mg/kg ");
	paper_free(paper);
}

static void a_frame_behind_which_nothing_comes_ends_there(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	hear_text(paper, ENQ "\x02"
			     "1" HEADER ORDER RESULT1 END "\x03");
	said(paper, ACK);
	cut(paper, true);
	said(paper, ACK);
	assert_int_equal(paper->count, 1);
	hear_text(paper, ENQ "\x02"
			     "1" HEADER ORDER RESULT2 END "\x03"
			     "4");
	said(paper, ACK);
	cut(paper, true); /* half a checksum */
	said(paper, NAK);
	assert_int_equal(paper->count, 1);
	paper_free(paper);
}

static void records_come_small_and_behind_blanks(void **state)
{
	(void)state;
	static const char *const messages[] = {
		"h|\\^&|||X\ro|1|S1||^^^A\rr|1|^^^A|5|mg/kg\rl|1|n\r",
		" H|\\^&|||X\r  O|1|S1||^^^A\r R|1|^^^A|5|mg/kg\r L|1|N\r",
	};
	for (size_t i = 0; i < 2; i++) {
		struct paper *paper = paper_new();
		hear_frame(paper, 1, messages[i], ASTM_ETX); /* and no ENQ before it */
		said(paper, ACK);
		assert_int_equal(paper->count, 1);
		assert_string_equal(paper->stored[0].line, "S1 A 5 mg/kg ");
		assert_int_equal(paper->notices, 0);
		paper_free(paper);
	}
	struct paper *paper = paper_new();
	hear_text(paper,
		"1H|\\^&|||X\r2P|1\r3O|1|S1||^^^A\r4R|1|^^^A|5|mg/kg\r5L|1|N\r"); /* bare, with the frames' digits */
	assert_int_equal(paper->count, 1);
	assert_string_equal(paper->stored[0].line, "S1 A 5 mg/kg ");
	assert_int_equal(paper->rejected, 0);
	paper_free(paper);
}

static void what_is_framed_and_no_record_is_announced_with_its_bytes(void **state)
{
	(void)state;
	static const char *const texts[] = { "Na 131 mmol/L\r", "R;1;***GLU;5.5;mmol/L\r", "\xff\r" };
	struct paper *paper = paper_new();
	hear_text(paper, ENQ);
	hear_frame(paper, 1, HEADER ORDER, ASTM_ETX);
	for (size_t i = 0; i < 3; i++) {
		hear_frame(paper, (int)i + 2, texts[i], ASTM_ETX);
		assert_int_equal(paper->notices, i + 1);
		assert_non_null(strstr(paper->reason, "are no record"));
	}
	said(paper, ACK ACK ACK ACK ACK);
	hear_frame(paper, 5, "  \r\r" RESULT1, ASTM_ETX);
	assert_int_equal(paper->notices, 3);
	assert_int_equal(paper->count, 1);
	for (int i = 0; i < 100; i++) {
		char text[32];
		snprintf(text, sizeof(text), "line %d\r", i);
		hear_frame(paper, (i + 6) % 8, text, ASTM_ETX);
	}
	assert_int_equal(paper->notices, 8);
	assert_int_equal(paper->rejected, 95);
	paper_free(paper);
}

static void strict_demands_a_right_checksum(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	set(paper, "checksum", "strict");
	start(paper);
	hear_text(paper, ENQ "\x02"
			     "1H|\\^&\r\x03\r\n");
	said(paper, ACK NAK);
	hear_text(paper, "\x02"
			 "1H|\\^&\r\x03"
			 "4G\r\n");
	said(paper, NAK);
	/* with LF for CR the sum is another one */
	uint8_t bytes[64];
	size_t length = make_frame(bytes, 1, "H|\\^&\r", ASTM_ETX);
	bytes[length - 6] = '\n';
	hear(paper, bytes, length);
	said(paper, NAK);
	set(paper, "checksum", "auto");
	start(paper);
	hear_text(paper, ENQ);
	hear(paper, bytes, length);
	said(paper, ACK ACK);
	paper_free(paper);
}

/* Noise in a value and in the checksum's first digit: it looks as if there were none. */
static void an_instrument_that_wrote_checksums_is_not_believed_without(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	uint8_t bytes[256];
	hear_text(paper, ENQ);
	hear_frame(paper, 1, HEADER ORDER, ASTM_ETX);
	size_t length = make_frame(bytes, 2, RESULT1, ASTM_ETX);
	bytes[11] = '8';
	bytes[length - 4] = 'x';
	hear(paper, bytes, length);
	said(paper, ACK ACK NAK);
	assert_int_equal(paper->count, 0);
	hear_frame(paper, 2, RESULT1, ASTM_ETX);
	assert_int_equal(paper->count, 1);
	assert_string_equal(paper->stored[0].line, "S1 A 0.1 mg/kg 2026-03-05T09:40:01");
	assert_int_equal(paper->notices, 0);
	paper_free(paper);
}

static void a_frame_broken_off_is_rejected_and_the_next_is_read(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	hear_text(paper, ENQ);
	hear_text(paper, "\x02"
			 "1" HEADER ORDER RESULT1);
	hear_frame(paper, 1, HEADER ORDER RESULT2, ASTM_ETX);
	said(paper, ACK ACK);
	assert_int_equal(paper->count, 1);
	assert_int_equal(paper->rejected, 1);
	hear_text(paper, "noise");
	hear_frame(paper, 2, RESULT1, ASTM_ETX);
	assert_int_equal(paper->noise, 5);
	assert_int_equal(paper->count, 2);
	paper_free(paper);
}

static void a_message_of_64_kib_in_one_frame_gives_every_result(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	char *text = calloc(1, FRAME_MAX);
	size_t length = (size_t)sprintf(text, HEADER ORDER), results = 0;
	while (length < FRAME_MAX - 200)
		length += (size_t)sprintf(
			text + length, "R|%zu|^^^A|%zu|mg/kg||||F||||20260305094001\r", results + 1, results),
			results++;
	sprintf(text + length, END);
	for (int i = 0; i < 2; i++) { /* sent twice, as if the ACK had been lost */
		hear_text(paper, i ? "" : ENQ);
		hear_frame(paper, 1, text, ASTM_ETX);
		assert_int_equal(paper->count, results);
		assert_int_equal(paper->known, 0);
	}
	said(paper, ACK ACK ACK);
	uint8_t *bytes = malloc(FRAME_MAX + 16);
	size_t whole = make_frame(bytes, 2, text, ASTM_ETX);
	bytes[whole - 5000] ^= 1; /* damaged far behind its beginning: nothing of it is believed */
	hear(paper, bytes, whole);
	said(paper, NAK);
	assert_int_equal(paper->count, results);
	free(bytes);
	free(text);
	paper_free(paper);
}

static void what_is_no_frame_after_64_kib_is_given_up(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	char *text = malloc(FRAME_MAX + 1);
	memset(text, 'x', FRAME_MAX);
	text[0] = ASTM_STX;
	text[FRAME_MAX] = '\0';
	hear_text(paper, text);
	assert_int_equal(paper->rejected, 1);
	send_message(paper);
	assert_int_equal(paper->count, 2);
	free(text);
	paper_free(paper);
}

static void a_result_longer_than_any_is_announced_not_cut(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	char *text = calloc(1, ASTM_RECORD_MAX + 64);
	strcpy(text, "R|1|^^^A|");
	memset(text + 9, '7', ASTM_RECORD_MAX);
	strcat(text, "\r");
	hear_text(paper, ENQ);
	hear_frame(paper, 1, HEADER ORDER, ASTM_ETX);
	hear_frame(paper, 2, text, ASTM_ETX);
	assert_int_equal(paper->notices, 1);
	text[ASTM_RECORD_MAX / 2] = '\0';
	hear_frame(paper, 3, text, ASTM_ETB);
	hear_frame(paper, 4, text + 9, ASTM_ETB);
	hear_frame(paper, 5, text + 9, ASTM_ETX);
	assert_int_equal(paper->notices, 2);
	hear_frame(paper, 6, RESULT1, ASTM_ETX);
	assert_int_equal(paper->count, 1);
	hear_frame(paper, 7, text, ASTM_ETB);
	hear_frame(paper, 0, text + 9, ASTM_ETB);
	hear_frame(paper, 1, text + 9, ASTM_ETB);
	paper->told[0] = '\0';
	hear_frame(paper, 2, "\rR|3|^^^A|the next", ASTM_ETB); /* is put together where it was */
	told(paper, "known: R|1|^^^A|777");
	free(text);
	paper_free(paper);
}

static void bare_records_come_with_any_line_end_until_a_frame_is_seen(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	hear_text(paper, "H|\\^&|||X\nP|1\r\nO|1|S1||^^^A\rR|1|^^^A|1|mg/kg\r\nQ|1|^S1\rL|1|N\n# R|1|^^^Z|1\n");
	said(paper, "");
	assert_int_equal(paper->count, 1);
	assert_int_equal(paper->rejected, 1); /* the remark */
	hear_text(paper, ENQ);
	hear_text(paper, "R|1|^^^A|2\r");
	assert_int_equal(paper->count, 1);
	set(paper, "framing", "records");
	start(paper);
	hear_text(paper, ENQ "\x02"
			     "O|1|S9\rR|1|^^^A|2\r");
	assert_int_equal(paper->count, 2);
	set(paper, "framing", "frames");
	start(paper);
	hear_text(paper, "R|1|^^^A|3\r");
	assert_int_equal(paper->count, 2);
	paper_free(paper);
}

static void a_flood_of_bare_records_is_stored_in_time(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	hear_text(paper, HEADER "O|1|S1||^^^A\r");
	char line[128];
	for (int i = 0; i < 3000; i++) {
		snprintf(line, sizeof(line), "R|%d|^^^A|%d|mg/kg\r", i, i);
		hear_text(paper, line);
	}
	assert_int_equal(paper->count, 3000);
	assert_int_equal(paper->notices, 0);
	paper_free(paper);
}

/* ---- records ---- */

/* One result of a message in one frame. */
static const struct reading *read_message(struct paper *paper, const char *text)
{
	hear_text(paper, ENQ);
	size_t before = paper->count;
	hear_frame(paper, 1, text, ASTM_ETX);
	assert_int_equal(paper->count, before + 1);
	return &paper->list[0];
}

static const struct reading *read_result(struct paper *paper, const char *record)
{
	static char text[2048];
	snprintf(text, sizeof(text), "H|\\^&|||X\rO|1|S1||^^^FROM-O\r%s\r", record);
	return read_message(paper, text);
}

static const char *word_of(const struct reading *reading, const char *name)
{
	for (size_t i = 0; i < reading->said_count; i++)
		if (strcmp(reading->said[i].name, name) == 0)
			return reading->said[i].value;
	return "";
}

static void values_keep_their_form(void **state)
{
	(void)state;
	static const struct {
		const char *sent, *qualifier, *value;
		enum verdict verdict;
	} cases[] = {
		{ "0.120", "", "0.120", VERDICT_NONE },
		{ "7,41", "", "7,41", VERDICT_NONE },
		{ "-1^0.325", "", "-1^0.325", VERDICT_NONE },
		{ "14.5^", "", "14.5", VERDICT_NONE },
		{ "3.216365^^^^", "", "3.216365", VERDICT_NONE },
		{ "^<0.5", "<", "0.5", VERDICT_NONE },
		{ "^Negative", "", "Negative", VERDICT_NEGATIVE },
		{ "^", "", "", VERDICT_INVALID },
		{ "<3.00", "<", "3.00", VERDICT_NONE },
		{ "> 8", ">", "8", VERDICT_NONE },
		{ ">=8,5", ">=", "8,5", VERDICT_NONE },
		{ "≤0.5", "<=", "0.5", VERDICT_NONE },
		{ "<.5", "<", "0.5", VERDICT_NONE },
		{ ".5", "", "0.5", VERDICT_NONE },
		{ "-.05", "", "-0.05", VERDICT_NONE },
		{ "173.", "", "173", VERDICT_NONE },
		{ ".", "", ".", VERDICT_INVALID },
		{ "-", "", "-", VERDICT_NONE }, /* negative, of strip readers */
		{ "--", "", "--", VERDICT_INVALID },
		{ "<LOD", "", "<LOD", VERDICT_NONE },
		{ "1,2,3", "", "1,2,3", VERDICT_NONE },
		{ "", "", "", VERDICT_INVALID },
		{ "***", "", "***", VERDICT_INVALID },
		{ "-----", "", "-----", VERDICT_INVALID },
		{ "NA", "", "NA", VERDICT_INVALID },
		{ "No Result", "", "No Result", VERDICT_INVALID },
		{ "Negative", "", "Negative", VERDICT_NEGATIVE },
		{ "阳性", "", "阳性", VERDICT_POSITIVE },
		{ "可疑", "", "可疑", VERDICT_SUSPECT },
		{ "a&F&b", "", "a&F&b", VERDICT_NONE },
	};
	struct paper *paper = paper_new();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char record[128];
		snprintf(record, sizeof(record), "R|1|^^^A|%s|mg/kg", cases[i].sent);
		const struct reading *reading = read_result(paper, record);
		assert_string_equal(reading->qualifier, cases[i].qualifier);
		assert_string_equal(reading->value, cases[i].value);
		assert_int_equal(reading->verdict, cases[i].verdict);
		if (strcmp(cases[i].value, cases[i].sent) != 0)
			assert_string_equal(reading->value_as_sent, cases[i].sent);
	}
	char record[256] = "R|1|^^^A|";
	memset(record + strlen(record), 'x', 120);
	assert_true(read_result(paper, record)->marks & READING_TEXT_CUT);
	paper_free(paper);
}

static void item_sample_and_kind_come_from_where_makers_put_them(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	const struct reading *reading = read_result(paper, "R|1|^^^^WBC^1|1");
	assert_string_equal(reading->item, "WBC");
	assert_string_equal(word_of(reading, "code_raw"), "^^^^WBC^1");
	assert_string_equal(read_result(paper, "R|1|GLU^Glucose|1")->item, "GLU");
	assert_string_equal(read_result(paper, "R|1|^^^A&S&B&R&&F&&E&&Z&&|1")->item, "A^B\\|&&Z&&");
	assert_string_equal(read_result(paper, "R|1||1")->item, "FROM-O");
	assert_string_equal(read_message(paper, "H|\\^&\rO|1|^S2^LAB\rR|1|A|1\r")->sample_no, "S2");
	assert_string_equal(word_of(&paper->list[0], "specimen"), "^S2^LAB");
	assert_string_equal(read_message(paper, "H|\\^&\rO|1||1^1^  QC-7^B\rR|1|A|1\r")->sample_no, "QC-7");
	assert_string_equal(read_message(paper, "H|\\^&\rO|1||S3\rR|1|A|1\r")->sample_no, "S3");
	assert_string_equal(read_message(paper, "H|\\^&\rO|1|S3\rP|2\rR|1|A|1\r")->sample_no, "");
	assert_int_equal(read_message(paper, "H|\\^&\rO|1|S3|||||||||Q\rR|1|A|1\r")->kind, KIND_QC);
	assert_int_equal(read_message(paper, "H|\\^&||||||||||Q\rO|1|S3\rR|1|A|1\r")->kind, KIND_QC);
	assert_int_equal(read_message(paper, "H|\\^&||||||||||P\rO|1|S3\rR|1|A|1\r")->kind, KIND_SAMPLE);
	reading = read_message(paper, "H|\\^&\rO|1|S3||^^^A|||||||||||菠菜^叶\rC|1|I|LOT 7\rR|1|A|1\r");
	assert_string_equal(reading->sample_name, "菠菜");
	assert_string_equal(word_of(reading, "comment"), "LOT 7");
	assert_string_equal(word_of(read_message(paper, "H|\\^&\rR|1|A|1\rC|1|I|low\r"), "comment"), "low");
	assert_string_equal(read_message(paper, "H|\\^&\rR|1|A|1\r")->value, "1");
	paper_free(paper);
}

static void settings_choose_sample_and_item(void **state)
{
	(void)state;
	static const char message[] = "H|\\^&|||Maker^^|||||||PR|1394-97|20250701173105\r"
				      "O|476|8^^|S105|CREA^Creatinine^^|R\rR|162|CREA^Creatinine^^F|3.2^^|mg/dL\r";
	struct paper *paper = paper_new();
	const struct reading *reading = read_message(paper, message);
	assert_string_equal(reading->sample_no, "8");
	assert_string_equal(reading->item, "F");
	set(paper, "item", "1");
	set(paper, "sample", "o-4");
	reading = read_message(paper, message);
	assert_string_equal(reading->sample_no, "S105");
	assert_string_equal(word_of(reading, "specimen"), "8^^");
	assert_string_equal(reading->item, "CREA");
	assert_string_equal(word_of(reading, "code_raw"), "CREA^Creatinine^^F");
	assert_string_equal(read_result(paper, "R|1|^^^A|1")->item, "A");
	set(paper, "item", "2");
	set(paper, "sample", "o-3");
	assert_string_equal(read_message(paper, message)->item, "Creatinine");
	assert_string_equal(read_message(paper, "H|\\^&\rO|1||S3\rR|1|A|1\r")->sample_no, "");
	paper_free(paper);
}

static void delimiters_come_from_the_header(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	assert_string_equal(read_message(paper, "H|`^&\rO|1|S`T\rR|1|^^^A`^^^B|1\r")->item, "A");
	assert_string_equal(paper->list[0].sample_no, "S");
	assert_string_equal(read_message(paper, "H!@%~!!!X\rO!1!S4\rR!1!%%%A!1!mg^kg\r")->unit, "mg^kg");
	assert_string_equal(paper->list[0].item, "A");
	assert_string_equal(read_message(paper, "H|\\\\^&|||X\rO|1|S4\rR|1|^^^A|1\r")->item, "A");
	assert_string_equal(read_message(paper, "H|||||\rO|1|S4\rR|1|^^^A|1\r")->item, "^^^A");
	paper_free(paper);
}

static void limits_flags_times_and_operators_are_said_not_guessed(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	set(paper, "flags", "A=positive, N=negative");
	start(paper);
	const struct reading *reading =
		read_result(paper, "R|1|A|1|mg/kg|<=2|A||F||zhang^li|20260305090000|202603051001|I7");
	assert_string_equal(reading->limit_op, "<=");
	assert_string_equal(reading->limit_value, "2");
	assert_string_equal(reading->limit_unit, "mg/kg");
	assert_int_equal(reading->verdict, VERDICT_POSITIVE);
	assert_string_equal(reading->verdict_as_sent, "A");
	assert_string_equal(reading->operator_id, "zhang");
	assert_string_equal(reading->tested_at, "2026-03-05T10:01:00");
	assert_string_equal(word_of(reading, "status"), "F");
	assert_string_equal(word_of(reading, "started"), "20260305090000");
	assert_string_equal(word_of(reading, "instrument"), "I7");
	reading = read_result(paper, "R|1|A|***|mg/kg|3.9-5.6|N||20260305110000+0800||20260305110001");
	assert_string_equal(word_of(reading, "range"), "3.9-5.6");
	assert_int_equal(reading->verdict, VERDICT_INVALID); /* a flag does not mend a value that is none */
	assert_string_equal(reading->tested_at, "2026-03-05T11:00:00");
	assert_string_equal(reading->operator_id, "");
	assert_string_equal(word_of(reading, "field_11"), "20260305110001");
	static const char *const ranges[] = { "0.270^4.20", "4.5\\4^12.5\\24", "1^", "\\2" };
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		char record[64];
		snprintf(record, sizeof(record), "R|1|A|1|mg/kg|%s", ranges[i]);
		reading = read_result(paper, record);
		assert_string_equal(reading->limit_value, "");
		assert_string_equal(word_of(reading, "range"), ranges[i]);
	}
	reading = read_result(paper, "R|1|A|1||||||||20260230120000|20260305");
	assert_string_equal(reading->tested_at, "");
	assert_string_equal(word_of(reading, "time"), "20260305");
	paper_free(paper);
}

static void gb18030_is_cut_at_whole_characters(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	/* 倈 僜 僞 倊 僐: second bytes 7C 5C 5E 7E 52; then a character of four bytes, and one cut by the record's end
	 */
	const struct reading *reading = read_result(
		paper, "R|1|^^^\x82\x7c\x83\x5c\x83\x5e\x82\x7e\x83\x52|1|mg/kg|||||| \x95\x34\xb2\x35^|||\xb2");
	assert_string_equal(reading->item, "倈僜僞倊僐");
	assert_string_equal(reading->unit, "mg/kg");
	assert_int_equal(reading->raw[reading->raw_length - 2], 0xB2);
	set(paper, "encoding", "gb18030");
	start(paper);
	assert_string_equal(read_result(paper, "R|1|^^^\xb2\xa4\xb2\xcb|1|mg/kg")->item, "菠菜");
	assert_string_equal(read_result(paper, "R|1|^^^\xb2\xa4\xff|1|mg/kg")->item, "菠\xEF\xBF\xBD");
	assert_true(paper->list[0].marks & READING_TEXT_BAD);
	set(paper, "encoding", "utf-8");
	start(paper);
	assert_string_equal(read_result(paper, "R|1|^^^菠菜|1|mg/kg")->item, "菠菜");
	paper_free(paper);
}

/* \xb2 makes a character of GB 18030 with the delimiter behind it, \xb5 with a letter. */
static void a_unit_that_may_be_latin_1_is_marked_and_swallows_nothing(void **state)
{
	(void)state;
	static const char egfr[] = "R|1|^^^EGFR|90|mL/min/1.73m\xb2|<=60|H||F||op1||20240101101010";
	struct paper *paper = paper_new();
	const struct reading *reading = read_result(paper, egfr);
	assert_true(reading->marks & READING_TEXT_BAD);
	assert_string_equal(reading->limit_value, "60");
	assert_string_equal(reading->verdict_as_sent, "H");
	assert_string_equal(reading->tested_at, "2024-01-01T10:10:10");
	assert_true(read_result(paper, "R|1|^^^A|90|\xb5mol/L|<=60")->marks & READING_TEXT_BAD);
	assert_int_equal(read_result(paper, "R|1|^^^\xb2|2|90|\xb8\xf6/g|<=60")->marks, 0);
	assert_string_equal(paper->list[0].item, "瞸2");
	set(paper, "encoding", "latin-1");
	start(paper);
	reading = read_result(paper, "R|2|^^^EGFR|90|mL/min/1.73m\xb2|<=60|H||F||op1||20240101101010");
	assert_int_equal(reading->marks, 0);
	assert_string_equal(reading->unit, "mL/min/1.73m²");
	assert_string_equal(reading->operator_id, "op1");
	paper_free(paper);
}

static void the_raw_bytes_decode_to_the_same_again(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	hear_text(paper, ENQ);
	hear_frame(paper, 1, "H|`%&|||X\rP|1||X||Name\rO|1|S1`T||%%%A\rR|1|%%%B|<", ASTM_ETB);
	hear_frame(paper, 2, "0.5|mg/kg\rL|1|N\r", ASTM_ETX);
	assert_int_equal(paper->count, 1);
	uint8_t raw[256];
	size_t length = paper->list[0].raw_length;
	assert_true(length < sizeof(raw));
	memcpy(raw, paper->list[0].raw, length);
	assert_null(memmem(raw, length, "Name", 4)); /* whose it is stays out of it */
	start(paper);
	hear(paper, raw, length);
	assert_int_equal(paper->count, 2);
	assert_string_equal(paper->stored[1].line, paper->stored[0].line);
	paper_free(paper);
}

static void what_comments_said_is_not_lost_when_the_bytes_are_decoded_again(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	struct reading before = *read_message(
		paper, HEADER ORDER "C|1|I|of the order\r" RESULT1 "C|1|I|of the result\rC|2|I|and another\rL|1|N\r");
	assert_int_equal(before.said_count, 5);
	uint8_t raw[512];
	memcpy(raw, before.raw, before.raw_length);
	for (int known = 0; known < 2; known++) {
		start(paper);
		struct readings readings = { .list = paper->list };
		struct instrument *instrument = &paper->instrument;
		if (astm_driver.take_raw) {
			astm_driver.take_raw(instrument, known ? &before : NULL, raw, before.raw_length, &readings);
		} else {
			struct reply reply = { .kind = REPLY_FRAME, .bytes = raw, .length = before.raw_length };
			astm_driver.take(instrument, &reply, &readings);
		}
		assert_int_equal(readings.count, 1);
		assert_string_equal(paper->list[0].value, "0.1");
		assert_int_equal(paper->list[0].said_count, known ? 5 : 2);
		for (size_t i = 0; known && i < 5; i++) {
			assert_string_equal(paper->list[0].said[i].name, before.said[i].name);
			assert_string_equal(paper->list[0].said[i].value, before.said[i].value);
		}
	}
	/* and what came in frames, of an event */
	uint8_t bytes[512] = "noise";
	size_t length = 5 + make_frame(bytes + 5, 4, ORDER RESULT1 RESULT2 "C|1|I|x\r", ASTM_ETX);
	start(paper);
	struct readings readings = { .list = paper->list };
	astm_driver.take_raw(&paper->instrument, NULL, bytes, length, &readings);
	assert_int_equal(readings.count, 2);
	assert_memory_equal(paper->list[0].raw, ORDER RESULT1, strlen(ORDER RESULT1));
	assert_string_equal(paper->list[1].sample_no, "S1");
	paper_free(paper);
}

static void flags_that_are_none_are_refused(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	struct fault fault;
	static const char *const wrong[] = { "A", "A=bad", "=positive", "A=positive N" };
	for (size_t i = 0; i < 4; i++) {
		set(paper, "flags", wrong[i]);
		assert_int_equal(astm_driver.setup(&paper->instrument, &fault), -EINVAL);
		assert_non_null(strstr(fault.text, "A=positive N=negative"));
	}
	paper_free(paper);
}

static void the_checksums_of_published_frames_are_right(void **state)
{
	static const struct astm_state fresh;
	(void)state;
	static const struct {
		const char *bytes;
		bool good;
	} frames[] = {
		{ "\x02"
		  "1Test\x03"
		  "D4\r\n",
			true },
		{ "\x02"
		  "3L|1|N\r\x03"
		  "06\r\n",
			true },
		{ "\x02"
		  "1H|foo\x17"
		  "50\r\n",
			true },
		{ "\x02"
		  "2|bar\r\x03"
		  "F3\r\n",
			true },
		{ "\x02"
		  "3L|bar\x17"
		  "47\r\n",
			true },
		{ "\x02"
		  "4|baz\r\x03"
		  "FD\r\n",
			true },
		{ "\x02"
		  "1H|\\^&|||Cobas_Pure|||||||P|1\r\x03"
		  "FF\r\n",
			false },
	};
	const struct astm_options options = { 0 };
	for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
		const uint8_t *bytes = (const uint8_t *)frames[i].bytes;
		assert_int_equal(
			astm_open_frame(&fresh, &options, bytes, strlen(frames[i].bytes) - 2).good, frames[i].good);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_frame_is_acknowledged_and_the_last_needs_nothing_after_it),
		cmocka_unit_test(a_result_is_stored_before_its_frame_is_acknowledged),
		cmocka_unit_test(a_message_sent_again_after_a_crash_before_the_ack_is_stored_once),
		cmocka_unit_test(two_equal_results_of_one_message_are_two_and_stay_two_when_sent_again),
		cmocka_unit_test(results_that_tell_no_time_are_never_taken_for_old_ones),
		cmocka_unit_test(a_frame_sent_again_because_its_ack_was_lost_is_acknowledged_and_is_one),
		cmocka_unit_test(a_wrong_checksum_is_refused_and_the_frame_sent_again_is_taken),
		cmocka_unit_test(a_frame_that_never_comes_right_loses_what_it_cut_and_nothing_else),
		cmocka_unit_test(results_behind_a_lost_order_have_no_sample_rather_than_the_one_before),
		cmocka_unit_test(a_lost_result_or_comment_leaves_the_others_their_sample),
		cmocka_unit_test(instruments_that_do_not_count_are_not_hurt),
		cmocka_unit_test(an_instrument_that_leaves_out_the_number_zero_is_believed_the_second_time),
		cmocka_unit_test(halves_are_not_joined_across_a_number_that_strays),
		cmocka_unit_test(a_frame_that_is_missing_before_a_header_is_told),
		cmocka_unit_test(another_result_of_the_same_length_is_not_the_bad_one_again),
		cmocka_unit_test(an_order_that_may_be_the_rest_of_a_lost_record_is_nobodys),
		cmocka_unit_test(that_an_instrument_counts_is_known_from_one_session_to_the_next),
		cmocka_unit_test(who_ever_wrote_a_zero_leaves_none_out),
		cmocka_unit_test(a_missing_frame_joins_no_halves_of_different_records),
		cmocka_unit_test(a_frame_that_does_not_come_again_is_announced_with_its_bytes),
		cmocka_unit_test(what_is_lost_when_a_message_ends_is_told_with_its_bytes),
		cmocka_unit_test(each_of_several_bad_frames_is_told_with_its_bytes),
		cmocka_unit_test(who_goes_on_with_an_unknown_message_has_each_frame_told),
		cmocka_unit_test(in_the_middle_of_an_unknown_message_the_instrument_is_made_to_begin_anew),
		cmocka_unit_test(noise_that_looks_like_enq_takes_no_result_from_its_sample),
		cmocka_unit_test(a_message_in_one_frame_without_enq_is_taken),
		cmocka_unit_test(a_tap_says_nothing),
		cmocka_unit_test(silence_ends_a_message_and_what_was_half_said_is_nothing),
		cmocka_unit_test(a_question_is_answered_with_no_information),
		cmocka_unit_test(when_both_begin_the_instrument_goes_first),
		cmocka_unit_test(an_answer_nobody_wants_is_given_up),
		cmocka_unit_test(frames_come_with_any_trailer_or_without_checksum),
		cmocka_unit_test(a_digit_is_text_where_no_frame_has_a_number),
		cmocka_unit_test(a_frame_behind_which_nothing_comes_ends_there),
		cmocka_unit_test(records_come_small_and_behind_blanks),
		cmocka_unit_test(what_is_framed_and_no_record_is_announced_with_its_bytes),
		cmocka_unit_test(strict_demands_a_right_checksum),
		cmocka_unit_test(an_instrument_that_wrote_checksums_is_not_believed_without),
		cmocka_unit_test(a_frame_broken_off_is_rejected_and_the_next_is_read),
		cmocka_unit_test(a_message_of_64_kib_in_one_frame_gives_every_result),
		cmocka_unit_test(what_is_no_frame_after_64_kib_is_given_up),
		cmocka_unit_test(a_result_longer_than_any_is_announced_not_cut),
		cmocka_unit_test(bare_records_come_with_any_line_end_until_a_frame_is_seen),
		cmocka_unit_test(a_flood_of_bare_records_is_stored_in_time),
		cmocka_unit_test(values_keep_their_form),
		cmocka_unit_test(item_sample_and_kind_come_from_where_makers_put_them),
		cmocka_unit_test(settings_choose_sample_and_item),
		cmocka_unit_test(delimiters_come_from_the_header),
		cmocka_unit_test(limits_flags_times_and_operators_are_said_not_guessed),
		cmocka_unit_test(gb18030_is_cut_at_whole_characters),
		cmocka_unit_test(a_unit_that_may_be_latin_1_is_marked_and_swallows_nothing),
		cmocka_unit_test(the_raw_bytes_decode_to_the_same_again),
		cmocka_unit_test(what_comments_said_is_not_lost_when_the_bytes_are_decoded_again),
		cmocka_unit_test(flags_that_are_none_are_refused),
		cmocka_unit_test(the_checksums_of_published_frames_are_right),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
