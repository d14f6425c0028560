/* The vectors that are questions of ours are what the drivers ask, played with the vectors that answer them.
 *
 * Not asked by any driver: "A6b exception illegal address" is no question but an answer, A7 and A10 are never asked,
 * A5b has no link. "A3 host count 2026-03-05" is asked with more days.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "../../drivers/checksum.h"
#include "vectors_fixture.h"

/* The longer titles. */
static const char a1_model[] = "A1 device model ack (0x11 = 8-ch 10-in-1)";
static const char a1_group_8[] =
	"A1 group 8-ch layout: idx 1, 2026-03-05 09:41:20 kind 1; ch1 control 0.914, ch2 abs 0.570 inhib 37.6";
static const char a1_group_multi[] =
	"A1 group 16/24/32-ch layout: kind 2 mask 0x80 with slot 8 filled (as in the published example, LSB=ch1) grp 0x10; abs 1.932 conc 1010.9";
static const char a3_record[] = "A3 device record 4: ch0 control, ch1 12.4%, ch2 63.5% suspect, ch3 invalid";
static const char a6b_status[] = "A6b status reply NEW_DATA 12ch cap500 count3 seq40..42 RTC 2026-03-05 09:45:02";

enum what { END, ASKED, ASKED_LIKE, ANSWERED, DONE };

struct step {
	enum what what;
	const char *title; /* of a vector; NULL: any question, or see `bytes` */
	size_t at, length; /* in the vector; 0: all of it */
	const char *bytes; /* of an answer that no vector has, hexadecimal */
};
/* clang-format off */
#define ASK(name) { ASKED, (name), 0, 0, NULL } /* ask() must produce this vector */
#define ASK_PART(name, from, size) { ASKED, (name), (from), (size), NULL }
#define ASK_LIKE(name, size) { ASKED_LIKE, (name), 0, (size), NULL } /* it begins like this vector */
#define ASK_ANY { ASKED, NULL, 0, 0, NULL } /* a question that is no vector */
#define HEAR(name) { ANSWERED, (name), 0, 0, NULL }
#define HEAR_PART(name, from, size) { ANSWERED, (name), (from), (size), NULL }
#define HEAR_BYTES(hex) { ANSWERED, NULL, 0, 0, (hex) }
#define WRITTEN { DONE, NULL, 0, 0, NULL }
#define FINISHED { END, NULL, 0, 0, NULL }
/* clang-format on */

static size_t unhex(const char *text, uint8_t out[static VECTOR_MAX])
{
	size_t length = 0;
	unsigned byte;
	for (int used = 0, at = 0; sscanf(text + at, "%2x%n", &byte, &used) == 1; at += used)
		out[length++] = (uint8_t)byte;
	return length;
}

static size_t put_u16(uint8_t *out, unsigned number)
{
	out[0] = (uint8_t)(number >> 8);
	out[1] = (uint8_t)number;
	return 2;
}

/* A question as it stands on the wire; Modbus: as the link would frame it for unit 1 on a serial line. */
static size_t wire_of(const struct request *request, uint8_t out[static REQUEST_MAX])
{
	size_t length = 1;
	out[0] = 1;
	switch (request->kind) {
	case REQUEST_BYTES:
		memcpy(out, request->bytes, request->length);
		return request->length;
	case REQUEST_READ:
		out[length++] = request->table == REGISTERS_HOLDING ? 3 : 4;
		length += put_u16(out + length, request->address);
		length += put_u16(out + length, request->count);
		break;
	case REQUEST_WRITE:
		assert_int_equal(request->count, 1);
		out[length++] = 6;
		length += put_u16(out + length, request->address);
		length += put_u16(out + length, request->registers[0]);
		break;
	case REQUEST_RAW:
		memcpy(out + length, request->bytes, request->length);
		length += request->length;
		break;
	case REQUEST_NONE:
		return 0;
	}
	uint16_t sum = checksum_crc16(out, length);
	out[length++] = (uint8_t)sum;
	out[length++] = (uint8_t)(sum >> 8);
	return length;
}

static void expect_question(struct paper *paper, const struct step *step, struct request *request)
{
	uint8_t wire[REQUEST_MAX];
	*request = (struct request){ .kind = REQUEST_NONE };
	paper->instrument.driver->ask(&paper->instrument, request);
	if (!step->title)
		return;
	const struct vector *vector = vector_of(step->title);
	size_t length = wire_of(request, wire), wanted = step->length ? step->length : vector->length;
	if (memcmp(wire, vector->bytes + step->at, wanted) != 0) {
		print_error("%s: asked", step->title);
		for (size_t i = 0; i < length; i++)
			print_error(" %02X", wire[i]);
		print_error("\n");
	}
	assert_true(length == wanted || step->what == ASKED_LIKE);
	assert_memory_equal(wire, vector->bytes + step->at, wanted);
}

/* An answer to registers comes without address, function, length and checksum, as its link takes them off. */
static void give_registers(struct paper *paper, const struct request *request, const uint8_t *bytes, size_t length)
{
	uint16_t registers[REGISTERS_MAX];
	struct reply reply = { .bytes = bytes, .length = length, .registers = registers };
	reply.kind = request->kind == REQUEST_READ ? REPLY_REGISTERS : REPLY_RAW;
	for (size_t i = 0; i + 1 < length; i += 2)
		registers[reply.count++] = (uint16_t)(bytes[i] << 8 | bytes[i + 1]);
	take(paper, &reply);
}

static void answer(struct paper *paper, const struct step *step, const struct request *request)
{
	uint8_t own[VECTOR_MAX];
	const uint8_t *bytes = own;
	size_t length;
	if (step->title) {
		const struct vector *vector = vector_of(step->title);
		bytes = vector->bytes + step->at;
		length = step->length ? step->length : vector->length;
	} else {
		length = unhex(step->bytes, own);
	}
	if (request->kind == REQUEST_READ)
		give_registers(paper, request, bytes + 3, length - 5);
	else if (request->kind == REQUEST_RAW)
		give_registers(paper, request, bytes + 1, length - 3);
	else
		hear(paper, bytes, length, VECTOR_MAX, false);
}

/* Plays it to its end; free() the paper. */
static struct paper *play(struct paper *paper, const struct step *step)
{
	struct request request = { 0 };
	for (; step->what != END; step++) {
		switch (step->what) {
		case ASKED:
		case ASKED_LIKE:
			expect_question(paper, step, &request);
			break;
		case ANSWERED:
			answer(paper, step, &request);
			break;
		case DONE:
			take(paper, &(struct reply){ .kind = REPLY_DONE });
			break;
		case END:
			break;
		}
	}
	return paper;
}

static void expect_rows(struct paper *paper, size_t rows)
{
	assert_int_equal(paper->row_count, rows);
	assert_int_equal(paper->noise, 0);
	paper_free(paper);
}

static void a_dump_is_asked_for_and_let_go_group_by_group(void **state)
{
	(void)state;
	const struct step steps[] = { ASK("A1 host hello"), HEAR(a1_model), ASK("A1 host download"),
		HEAR("A1 device ack"), HEAR(a1_group_8), ASK("A1 host next"), HEAR(a1_group_multi), ASK("A1 host next"),
		HEAR("A1 device end"), FINISHED };
	expect_rows(play(paper_new("A1", NULL, NULL, ""), steps), 3);
}

static void a_day_is_asked_for_by_count_and_then_read(void **state)
{
	(void)state;
	const struct step steps[] = { ASK("A2 host comm test"), HEAR_BYTES("7E 01 02 00 00 00 D4 AA"),
		ASK("A2 host count 2026-03-05"), HEAR_BYTES("7E 13 05 00 1A 03 05 02 00 6E AA"),
		ASK("A2 host read 2026-03-05"), HEAR("A2 record 1/2: no 17 菠菜 12.34%"),
		HEAR("A2 record 2/2: no 18 韭菜 63.50%"), FINISHED };
	expect_rows(play(paper_new("A2", "lookback", "0s", ""), steps), 2);
}

static void batches_are_asked_for(void **state)
{
	(void)state;
	const struct step steps[] = { ASK("A2b host read last batch"), HEAR("A2b record 1/3 ch1 GB 12.4% pass"),
		HEAR("A2b record 2/3 ch2 NY 71.0% over"), HEAR("A2b record 3/3 ch3 0x7FFE = NA (keep, report invalid)"),
		ASK("A2b host read all"), FINISHED };
	expect_rows(play(paper_new("A2b", "layout", "a2b", ""), steps), 3);
}

/* Maker, model, serial number, time. */
#define A3_IDENTITY                                                                                                    \
	"03 FE 20 00 00 00 00 00 2B 00 F6 00 04 B4 EF D4 AA 07 44 59 2D 33 30 30 30 09 53 4E 32 30 32 34 "             \
	"30 30 37 13 32 30 32 36 2D 30 33 2D 30 35 20 31 30 3A 30 30 3A 30 30"

static void records_are_asked_for_by_their_place(void **state)
{
	(void)state;
	static const char range[] = "A3 device range reply first=4 last=6";
	static const char no_items[] = "03 FE 42 00 00 00 00 00 00 00 BF 00";
	const struct step steps[] = { ASK("A3 host identify"), HEAR_BYTES(A3_IDENTITY), ASK_ANY, HEAR_BYTES(no_items),
		ASK_ANY, HEAR(range), ASK_LIKE("A3 host count 2026-03-05", 11), HEAR(range),
		ASK("A3 host read record 4"), HEAR(a3_record), FINISHED };
	expect_rows(play(paper_new("A3", NULL, NULL, ""), steps), 4);
}

static void a_meter_is_asked_how_many_it_has_and_then_for_all(void **state)
{
	(void)state;
	static const char meter[] = "A5 host count/serial/end", answers[] = "A5 device n=3 g=1042";
	const struct step steps[] = { ASK_PART(meter, 0, 1), HEAR_PART(answers, 0, 3), ASK_PART(meter, 1, 1),
		HEAR_PART(answers, 3, 3), HEAR("A5 rec 12: 8 RLU pass"), HEAR("A5 rec 13: 24 RLU caution"),
		HEAR("A5 rec 14: 412 RLU fail"), ASK_PART(meter, 2, 1), FINISHED };
	expect_rows(play(paper_new("A5", NULL, NULL, ""), steps), 3);
}

static void pages_are_asked_for_with_the_published_request(void **state)
{
	(void)state;
	static const char first[] = "A6a FC 0x65 page 0 count 1", record[] = "A6a reply 175.5C 23.5%";
	static const char no_more[] = "01 65 02 00 00 A6 CC";
	const struct step steps[] = { ASK(first), HEAR(record), ASK_ANY, HEAR_BYTES(no_more), ASK(first), HEAR(record),
		ASK_ANY, HEAR_BYTES(no_more), FINISHED };
	expect_rows(play(paper_new("A6a", NULL, NULL, ""), steps), 1);
}

/* Identity: magic, map version, model and serial number. */
#define A6B_IDENTITY                                                                                                   \
	"01 03 24 A5 5D 00 01 46 53 41 2D 31 32 00 00 00 00 00 00 00 00 00 00 53 4E 31 00 00 00 00 00 00 00 00 00 00 " \
	"00 00 00 00 00"

static void a_result_is_selected_latched_and_read(void **state)
{
	(void)state;
	const struct step steps[] = { ASK_ANY, HEAR_BYTES(A6B_IDENTITY), ASK("A6b read status 0x12..0x1F"),
		HEAR(a6b_status), ASK("A6b select seq 41"), WRITTEN, ASK_ANY, WRITTEN, ASK("A6b command 1 latch"),
		WRITTEN, ASK("A6b read window 0x100..0x12D"), HEAR("A6b window reply ABCD"), FINISHED };
	expect_rows(play(paper_new("A6b", NULL, NULL, "serial=SN1 last=40"), steps), 1);
}

static void days_are_asked_for_in_a_line(void **state)
{
	(void)state;
	const struct step steps[] = { ASK("A9 host query"), HEAR("A9 reply"), FINISHED };
	expect_rows(play(paper_new("A9", "lookback", "0s", ""), steps), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_dump_is_asked_for_and_let_go_group_by_group),
		cmocka_unit_test(a_day_is_asked_for_by_count_and_then_read),
		cmocka_unit_test(batches_are_asked_for),
		cmocka_unit_test(records_are_asked_for_by_their_place),
		cmocka_unit_test(a_meter_is_asked_how_many_it_has_and_then_for_all),
		cmocka_unit_test(pages_are_asked_for_with_the_published_request),
		cmocka_unit_test(a_result_is_selected_latched_and_read),
		cmocka_unit_test(days_are_asked_for_in_a_line),
	};
	return cmocka_run_group_tests_name("vector dialogues", tests, read_vectors, NULL);
}
