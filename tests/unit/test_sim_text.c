/* The simulated text instruments write the published bytes, and the text driver reads in them what was meant. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "../sim/dice.c"
#include "../sim/label.c"
#include "../sim/memory.c"
#include "../sim/text_dialogue.c"
#include "../sim/text_forms.c"
#include "../sim/truth.c"
#include "text_fixture.h"

#define TESTED                                                                                                         \
	{                                                                                                              \
		2026, 3, 5, 9, 41, 20                                                                                  \
	}

static const uint8_t *hexadecimal(const char *text, size_t *ret_length)
{
	static uint8_t bytes[1024];
	int used = 0;
	*ret_length = 0;
	for (unsigned byte; sscanf(text, "%2x%n", &byte, &used) == 1; text += used)
		bytes[(*ret_length)++] = (uint8_t)byte;
	return bytes;
}

static void assert_bytes(const uint8_t *bytes, size_t length, const char *text)
{
	size_t wanted;
	const uint8_t *expected = hexadecimal(text, &wanted);
	assert_int_equal(length, wanted);
	assert_memory_equal(bytes, expected, wanted);
}

static const struct result ticket = { .number = 17,
	.tested = TESTED,
	.channel = 3,
	.item = 101,
	.verdict = RESULT_NEGATIVE,
	.unit = 1,
	.decimals = 2,
	.value = 1234,
	.control = 914,
	.name = "菠菜",
	.operator_name = "张三",
	.sample_no = "S0017" };

static void a_ticket_is_the_published_one(void **state)
{
	(void)state;
	uint8_t out[TEXT_FORM_MAX];
	size_t length = text_ticket(&ticket, out);
	assert_bytes(out, length,
		"1B 40 2D 2D 2D 2D 2D 2D BC EC B2 E2 BD E1 B9 FB 2D 2D 2D 2D 2D 2D 0A BC EC B2 E2 C4 A3 BF E9 A3 BA B7 D6 B9 "
		"E2 B9 E2 B6 C8 0A BC EC B2 E2 CF EE C4 BF A3 BA C5 A9 D2 A9 B2 D0 C1 F4 20 0A BC EC B2 E2 B7 BD B7 A8 A3 BA "
		"D2 D6 D6 C6 C2 CA B7 A8 0A D1 F9 C6 B7 B1 E0 BA C5 A3 BA 53 30 30 31 37 0A C1 F7 CB AE BA C5 A3 BA 30 30 30 "
		"31 37 0A D1 F9 C6 B7 C3 FB B3 C6 A3 BA B2 A4 B2 CB 0A CD A8 B5 C0 B1 E0 BA C5 A3 BA 33 0A CF A1 CA CD B1 B6 "
		"CA FD A3 BA 31 2E 30 0A B7 B4 D3 A6 D2 BA B5 CE CA FD A3 BA 31 2E 30 0A B6 D4 D5 D5 D6 B5 A3 BA 30 2E 39 31 "
		"34 0A BC EC B2 E2 BD E1 B9 FB A3 BA 31 32 2E 33 34 0A CF DE C1 BF D6 B5 A3 BA 3C 35 30 25 0A C5 D0 B6 A8 BD "
		"E1 B9 FB A3 BA BA CF B8 F1 0A D1 F9 C6 B7 B2 FA B5 D8 A3 BA B3 A4 B0 B2 D5 F2 0A BC EC B2 E2 C8 CB D4 B1 A3 "
		"BA D5 C5 C8 FD 0A BC EC B2 E2 CA B1 BC E4 A3 BA 32 30 32 36 2D 30 33 2D 30 35 20 30 39 3A 34 31 3A 32 30 0A "
		"BC EC B2 E2 B5 D8 B5 E3 A3 BA B3 A4 B0 B2 D5 F2 BF EC BC EC CA D2 0A 0A 0A 1D 56 00 ");
	struct paper *paper = paper_new("config/profiles/ticket-a8.conf", "");
	paper_hear(paper, out, length, false);
	assert_int_equal(paper->readings.count, 1);
	const struct reading *reading = &paper->list[0];
	assert_string_equal(reading->sample_no, "S0017");
	assert_string_equal(reading->instrument_seq, "00017");
	assert_string_equal(reading->sample_name, "菠菜");
	assert_string_equal(reading->item, "农药残留");
	assert_string_equal(reading->method, "抑制率法");
	assert_string_equal(reading->value, "12.34");
	assert_string_equal(reading->limit_op, "<");
	assert_string_equal(reading->limit_value, "50");
	assert_string_equal(reading->limit_unit, "%");
	assert_string_equal(reading->origin, "长安镇");
	assert_string_equal(reading->operator_name, "张三");
	assert_string_equal(reading->tested_at, "2026-03-05T09:41:20");
	assert_int_equal(reading->channel, 3);
	assert_int_equal(reading->verdict, VERDICT_NEGATIVE);
	paper_free(paper);
}

static const struct result lines[] = {
	{ .tested = TESTED,
		.channel = 1,
		.item = TEXT_ITEM_FORMALDEHYDE,
		.verdict = RESULT_NEGATIVE,
		.unit = 2,
		.decimals = 2,
		.value = 230,
		.signal = 123,
		.sample_no = "S0017" },
	{ .tested = TESTED,
		.channel = 2,
		.item = TEXT_ITEM_FORMALDEHYDE,
		.verdict = RESULT_POSITIVE,
		.unit = 2,
		.decimals = 2,
		.value = 1290,
		.signal = 1023,
		.sample_no = "S0018" },
};

static struct {
	uint8_t bytes[4096];
	size_t length;
} sent;

static void collect(void *context, const uint8_t *bytes, size_t length)
{
	(void)context;
	memcpy(sent.bytes + sent.length, bytes, length);
	sent.length += length;
}

static void ask(enum archetype archetype, const char *question)
{
	struct memory memory = { .capacity = 10 };
	for (size_t i = 0; i < 2; i++)
		memory_keep(&memory, &lines[i]);
	sent.length = 0;
	text_answer(&(struct options){ .archetype = archetype }, &memory, (const uint8_t *)question, strlen(question),
		collect, collect, NULL);
	memory_free(&memory);
}

/* But for the two characters of its check, which nobody knows how to make. */
static void lines_are_the_published_ones(void **state)
{
	(void)state;
	size_t length;
	static const char question[] = "D2026-03-05D2026-03-05";
	assert_int_equal(text_date_frame((const uint8_t *)question, 10), 0);
	assert_int_equal(text_date_frame((const uint8_t *)question, strlen(question)), strlen(question));
	assert_int_equal(text_date_frame((const uint8_t *)"D2026-03-05x", 12), -1);
	ask(ARCHETYPE_A9, question);
	const uint8_t *vector = hexadecimal(
		"52 2C 53 30 30 31 37 2C 41 30 31 2C BC D7 C8 A9 2C 30 2E 31 32 33 2C 32 2E 33 30 2C 6D 67 2F 6B 67 2C BA CF "
		"B8 F1 2C 32 30 32 36 2D 30 33 2D 30 35 20 30 39 3A 34 31 3A 32 30 2C 35 41 52 2C 53 30 30 31 38 2C 41 30 32 "
		"2C BC D7 C8 A9 2C 31 2E 30 32 33 2C 31 32 2E 39 30 2C 6D 67 2F 6B 67 2C B2 BB BA CF B8 F1 2C 32 30 32 36 2D "
		"30 33 2D 30 35 20 30 39 3A 34 31 3A 32 30 2C 36 43 46 49 4E 49 53 48 ",
		&length);
	size_t first = (size_t)((const uint8_t *)memmem(vector, length, "5AR,", 4) - vector);
	size_t second = (size_t)((const uint8_t *)memmem(vector, length, "6CFINISH", 8) - vector);
	memcpy(sent.bytes + first, "5A", 2);
	memcpy(sent.bytes + second, "6C", 2);
	assert_int_equal(sent.length, length);
	assert_memory_equal(sent.bytes, vector, length);
	struct paper *paper = paper_new("config/profiles/reader-a9.conf", "");
	struct request request = paper_ask(paper);
	assert_int_equal(text_date_frame(request.bytes, request.length), request.length);
	paper_hear(paper, vector, length, false);
	assert_int_equal(paper->readings.count, 2);
	assert_int_equal(paper->next, NEXT_IDLE);
	assert_string_equal(paper->list[0].value, "2.30");
	assert_string_equal(paper->list[1].value, "12.90");
	assert_string_equal(paper->list[1].unit, "mg/kg");
	assert_string_equal(paper->list[1].item, "甲醛");
	assert_string_equal(paper->list[1].signals[0].value, "1.023");
	assert_int_equal(paper->list[1].verdict, VERDICT_POSITIVE);
	assert_string_equal(paper->list[1].tested_at, "2026-03-05T09:41:20");
	paper_free(paper);
	ask(ARCHETYPE_A9, "D2026-03-06D2026-03-07");
	assert_int_equal(sent.length, strlen("FINISH"));
}

static void pushes_are_the_published_ones(void **state)
{
	(void)state;
	static const struct {
		struct result result;
		const char *bytes;
	} pushes[] = {
		{ { .number = 102,
			  .item = TEXT_ITEM_CRP,
			  .unit = 5,
			  .decimals = 1,
			  .value = 5,
			  .below = true,
			  .sample_no = "102" },
			"FF 24 FF 24 03 20 20 20 20 20 20 20 20 20 20 20 20 31 30 32 20 20 68 73 2D 43 52 50 20 20 3C 30 2E 35 20 20 "
			"20 20 6D 67 2F 4C 00 00 00 00 00 00 20 41 20 31 30 32 59 0D 0A " },
		{ { .number = 17,
			  .item = TEXT_ITEM_AFLATOXIN,
			  .unit = 3,
			  .decimals = 1,
			  .value = 32,
			  .sample_no = "S0017" },
			"FF 24 FF 24 03 20 20 20 20 20 20 20 20 20 20 53 30 30 31 37 20 20 20 20 41 46 42 31 20 20 20 33 2E 32 20 20 "
			"20 75 67 2F 6B 67 00 00 00 00 00 00 20 41 20 20 31 37 35 0D 0A " },
	};
	struct paper *paper = paper_new("config/profiles/push-a10.conf", "");
	for (size_t i = 0; i < 2; i++) {
		uint8_t out[TEXT_FORM_MAX];
		size_t length = text_push(&pushes[i].result, out);
		assert_bytes(out, length, pushes[i].bytes);
		paper_hear(paper, out, length, false);
		assert_int_equal(paper->readings.count, 1);
		assert_string_equal(paper->list[0].value, i == 0 ? "0.5" : "3.2");
		assert_string_equal(paper->list[0].qualifier, i == 0 ? "<" : "");
		assert_string_equal(paper->list[0].unit, i == 0 ? "mg/L" : "ug/kg");
		assert_string_equal(paper->list[0].item, i == 0 ? "hs-CRP" : "AFB1");
		assert_string_equal(paper->list[0].sample_no, i == 0 ? "102" : "S0017");
		assert_string_equal(paper->list[0].instrument_seq, i == 0 ? "102" : "17");
	}
	paper_free(paper);
}

static void a_document_holds_all_the_memory_does(void **state)
{
	(void)state;
	assert_int_equal(text_read_frame((const uint8_t *)"REA", 3), 0);
	assert_int_equal(text_read_frame((const uint8_t *)"READ", 4), 4);
	assert_int_equal(text_read_frame((const uint8_t *)"X", 1), -1);
	ask(ARCHETYPE_JSON, "READ");
	static const char document[] =
		"{\"detail\":[{\"检测结果\":\"2.30 mg/kg 阴性\",\"检测项目\":\"甲醛\",\"样品编号\":\"S0017\",\"样品名称\":\"\","
		"\"检测时间\":\"2026-03-05 09:41:20\"},{\"检测结果\":\"12.90 mg/kg 阳性\",\"检测项目\":\"甲醛\","
		"\"样品编号\":\"S0018\",\"样品名称\":\"\",\"检测时间\":\"2026-03-05 09:41:20\"}]}";
	assert_int_equal(sent.length, strlen(document));
	assert_memory_equal(sent.bytes, document, sent.length);
	struct paper *paper = paper_new("config/profiles/reader-dy6260-json.conf", "");
	paper_ask(paper);
	paper_hear(paper, sent.bytes, sent.length, false);
	assert_int_equal(paper->readings.count, 2);
	assert_int_equal(paper->next, NEXT_IDLE);
	assert_string_equal(paper->list[1].value, "12.90");
	assert_int_equal(paper->list[1].verdict, VERDICT_POSITIVE);
	paper_free(paper);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_ticket_is_the_published_one),
		cmocka_unit_test(lines_are_the_published_ones),
		cmocka_unit_test(pushes_are_the_published_ones),
		cmocka_unit_test(a_document_holds_all_the_memory_does),
	};
	return cmocka_run_group_tests_name("sim_text", tests, NULL, NULL);
}
