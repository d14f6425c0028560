#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../daemon/clock.h"
#include "../../daemon/items.h"
#include "../../daemon/json.h"
#include "../../daemon/operators.h"
#include "../../daemon/record.h"
#include "../../drivers/seven_e_aa.h"
#include "../../drivers/text.h"

static struct config station = { .station = { .code = "330421103-01" } };
static struct instrument_config reader = { .id = "pr-1" };
static const struct maker silent;
static struct reception reception = { .clock_synced = true };

static struct json *make(const struct reading *reading, const struct maker *maker, struct entry *entry)
{
	struct fault fault;
	record_identify(&station, NULL, &reader, maker, reading, &reception, entry);
	record_make(&station, &reader, maker, reading, &reception, NULL, entry);
	size_t length = strlen(entry->body);
	char *text = malloc(length + 2);
	text[0] = '{'; /* the journal's head opens the brace */
	memcpy(text + 1, entry->body, length + 1);
	struct json *record = js_parse(text, length + 1, &fault);
	if (!record)
		print_error("%s in %s\n", fault.text, text);
	assert_non_null(record);
	free(text);
	return record;
}

/* One frame of a real reader, through the real driver, as the county gets it: every byte. */
static void the_record_of_a_real_frame(void **state)
{
	(void)state;
	static const struct {
		uint8_t frame[27];
		const char *id, *body;
	} cases[] = {
		{ { 0x7E, 0x16, 0x15, 0x00, 0xFF, 0x03, 0x00, 0x01, 0x00, 0x01, 0x00, 0x1A, 0x03, 0x05, 0x09, 0x29,
			  0x14, 0x00, 0x11, 0x3A, 0x02, 0x7C, 0x00, 0x02, 0x00, 0x4C, 0xAA },
			"019cbba8-1200-80ed-b1e2-83e99153d76f",
			"\"kind\":\"sample\",\"test_seq\":1,\"instrument\":{\"id\":\"pr-1\",\"driver\":\"seven-e-aa\"},"
			"\"instrument_seq\":\"17\",\"channel\":1,\"item\":{\"code\":\"PR-OPCB\",\"name\":\"有机磷和氨基甲酸酯类农药残留\"},"
			"\"method\":\"enzyme-inhibition\",\"basis\":\"GB/T 5009.199-2003\",\"value\":\"12.4\",\"unit\":\"%\",\"value_as_sent\":\"124\","
			"\"signals\":{\"abs\":\"0.570\"},\"limit\":{\"op\":\"<\",\"value\":\"50\",\"unit\":\"%\",\"source\":\"GB/T 5009.199-2003\"},"
			"\"verdict\":\"negative\",\"verdict_by\":\"instrument\",\"verdict_as_sent\":\"2\",\"rule\":\"inhibition>=50\","
			"\"tested_at\":\"2026-03-05T09:41:20+08:00\",\"received_at\":\"2026-03-05T09:43:02.118+08:00\",\"clock\":{\"synced\":true},"
			"\"flags\":[],\"decoder\":\"seven-e-aa/1\",\"raw\":\"fhYVAP8DAAEAAQAaAwUJKRQAEToCfAACAEyq\",\"said\":{\"standard\":\"0\"}}" },
		{ { 0x7E, 0x16, 0x15, 0x00, 0xFF, 0x03, 0x00, 0x02, 0x00, 0x02, 0x01, 0x1A, 0x03, 0x05, 0x09, 0x29,
			  0x14, 0x00, 0x12, 0x04, 0x01, 0xC6, 0x02, 0x01, 0x00, 0x92, 0xAA },
			"019cbba8-1200-891f-b95b-a6a03e1cda28",
			"\"kind\":\"sample\",\"test_seq\":1,\"instrument\":{\"id\":\"pr-1\",\"driver\":\"seven-e-aa\"},"
			"\"instrument_seq\":\"18\",\"channel\":2,\"item\":{\"code\":\"PR-OPCB-NY\",\"name\":\"有机磷和氨基甲酸酯类农药残留\"},"
			"\"method\":\"enzyme-inhibition\",\"basis\":\"NY/T 448-2001\",\"value\":\"71.0\",\"unit\":\"%\",\"value_as_sent\":\"710\","
			"\"signals\":{\"abs\":\"0.260\"},\"limit\":{\"op\":\"<\",\"value\":\"70\",\"unit\":\"%\",\"source\":\"NY/T 448-2001\"},"
			"\"verdict\":\"positive\",\"verdict_by\":\"instrument\",\"verdict_as_sent\":\"1\",\"rule\":\"inhibition>=70\","
			"\"tested_at\":\"2026-03-05T09:41:20+08:00\",\"received_at\":\"2026-03-05T09:43:02.118+08:00\",\"clock\":{\"synced\":true},"
			"\"flags\":[\"retest_required\"],\"decoder\":\"seven-e-aa/1\",\"raw\":\"fhYVAP8DAAIAAgEaAwUJKRQAEgQBxgIBAJKq\",\"said\":{\"standard\":\"1\"}}" },
		{ { 0x7E, 0x16, 0x15, 0x00, 0xFF, 0x03, 0x00, 0x03, 0x00, 0x03, 0x00, 0x1A, 0x03, 0x05, 0x09, 0x29,
			  0x14, 0x00, 0x13, 0x00, 0x00, 0xFE, 0x7F, 0x01, 0x00, 0x30, 0xAA },
			"019cbba8-1200-8485-b79d-3125251db100",
			"\"kind\":\"sample\",\"test_seq\":1,\"instrument\":{\"id\":\"pr-1\",\"driver\":\"seven-e-aa\"},"
			"\"instrument_seq\":\"19\",\"channel\":3,\"item\":{\"code\":\"PR-OPCB\",\"name\":\"有机磷和氨基甲酸酯类农药残留\"},"
			"\"method\":\"enzyme-inhibition\",\"basis\":\"GB/T 5009.199-2003\",\"unit\":\"%\",\"value_as_sent\":\"32766\","
			"\"signals\":{\"abs\":\"0.000\"},\"limit\":{\"op\":\"<\",\"value\":\"50\",\"unit\":\"%\",\"source\":\"GB/T 5009.199-2003\"},"
			"\"verdict\":\"invalid\",\"verdict_by\":\"instrument\",\"verdict_as_sent\":\"1\","
			"\"tested_at\":\"2026-03-05T09:41:20+08:00\",\"received_at\":\"2026-03-05T09:43:02.118+08:00\",\"clock\":{\"synced\":true},"
			"\"flags\":[],\"decoder\":\"seven-e-aa/1\",\"raw\":\"fhYVAP8DAAMAAwAaAwUJKRQAEwAA/n8BADCq\",\"said\":{\"standard\":\"0\",\"no_value\":\"7FFE: not available\"}}" },
	};
	struct listing listing = { 0 };
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		static struct reading list[READINGS_AT_ONCE];
		struct readings readings = { .list = list };
		struct reply reply = {
			.kind = REPLY_FRAME, .bytes = cases[i].frame, .length = sizeof(cases[i].frame), .offline = true
		};
		listing_take(&listing, &reply, &readings);
		assert_int_equal(readings.count, 1);
		struct entry entry;
		struct json *record = make(&list[0], &silent, &entry);
		assert_int_equal(entry.kind, ENTRY_RESULT);
		assert_string_equal(entry.body, cases[i].body);
		assert_string_equal(entry.id, cases[i].id);
		js_free(record);
		free(entry.body);
	}
}

#define SET(member, text) text_copy(reading->member, sizeof(reading->member), (text))

static const uint8_t raw_bytes[] = { 0x7E, 0x11, 0x0F };

static void say_everything(struct reading *reading)
{
	*reading = (struct reading){ .channel = 3, .marks = READING_TEXT_CUT };
	SET(verdict_as_sent, "2");
	SET(instrument_seq, "17");
	SET(sample_no, "20260305-017");
	SET(sample_name, "菠菜");
	SET(sample_category, "蔬菜");
	SET(party, "某合作社");
	SET(origin, "长安镇");
	SET(item, "农药残留");
	SET(method, "抑制率法");
	SET(basis, "GB/T 5009.199-2003");
	SET(value, "63.50");
	SET(qualifier, ">");
	SET(unit, "％");
	SET(value_as_sent, "6350");
	SET(limit_op, "<");
	SET(limit_value, "60");
	SET(limit_unit, "%");
	SET(limit_source, "厂家");
	reading_signal(reading, "delta_a_control", "0.914");
	reading_signal(reading, "abs", "0.570");
	reading_signal(reading, "abs", "0.571");
	reading_said(reading, "lot", "L-7");
	SET(operator_name, "ZS");
	SET(tested_at, "2026-03-05T09:41:20");
	reading->raw = raw_bytes;
	reading->raw_length = sizeof(raw_bytes);
}

/* Member names and their order are the contract: this text is it. */
static void a_record_says_everything_in_the_contracts_order(void **state)
{
	(void)state;
	const struct maker maker = { .maker = "某厂", .model = "M-1", .serial = "SN1", .firmware = "1.2" };
	struct reading reading;
	struct entry entry;
	say_everything(&reading);
	js_free(make(&reading, &maker, &entry));
	assert_string_equal(entry.body,
		"\"kind\":\"sample\",\"test_seq\":1,"
		"\"instrument\":{\"id\":\"pr-1\",\"maker\":\"某厂\",\"model\":\"M-1\",\"serial\":\"SN1\",\"driver\":\"seven-e-aa\"},"
		"\"instrument_seq\":\"17\",\"channel\":3,"
		"\"sample\":{\"no\":\"20260305-017\",\"name\":\"菠菜\",\"category\":\"蔬菜\",\"party\":\"某合作社\",\"origin\":\"长安镇\",\"bound_by\":\"instrument\"},"
		"\"item\":{\"code\":\"PR-OPCB\",\"name\":\"有机磷和氨基甲酸酯类农药残留\",\"as_sent\":\"农药残留\"},"
		"\"method\":\"抑制率法\",\"basis\":\"GB/T 5009.199-2003\","
		"\"value\":\"63.50\",\"qualifier\":\">\",\"unit\":\"%\",\"value_as_sent\":\"6350\",\"unit_as_sent\":\"％\","
		"\"signals\":{\"delta_a_control\":\"0.914\",\"abs\":\"0.570\",\"abs_2\":\"0.571\"},\"recomputed\":{\"inhibition\":\"37.64\"},"
		"\"limit\":{\"op\":\"<\",\"value\":\"50\",\"unit\":\"%\",\"source\":\"GB/T 5009.199-2003\"},"
		"\"verdict\":\"positive\",\"verdict_by\":\"gateway\",\"verdict_as_sent\":\"2\",\"rule\":\"inhibition>=50\","
		"\"operator\":{\"id\":\"01\",\"name\":\"张三\",\"certificate\":\"浙农检2024-0117\",\"valid\":true},"
		"\"lots\":[{\"lot\":\"L-7\",\"by\":\"instrument\"}],"
		"\"tested_at\":\"2026-03-05T09:41:20+08:00\",\"received_at\":\"2026-03-05T09:43:02.118+08:00\","
		"\"clock\":{\"synced\":true},\"flags\":[\"limit_disagrees\",\"retest_required\",\"text_cut\"],"
		"\"decoder\":\"seven-e-aa/1\",\"raw\":\"fhEP\","
		"\"said\":{\"lot\":\"L-7\",\"operator_name\":\"ZS\",\"limit\":\"< 60 % 厂家\",\"firmware\":\"1.2\"}}");
	free(entry.body);
}

/* The displayed value and unit stay; what was compared with the limit stands beside them. */
static void a_converted_value_stands_beside_the_displayed_one(void **state)
{
	(void)state;
	struct reading one = { .channel = -1 }, *reading = &one;
	struct entry entry;
	SET(item, "克百威");
	SET(value, "20");
	SET(unit, "μg/kg");
	js_free(make(&one, &silent, &entry));
	assert_non_null(strstr(entry.body,
		"\"value\":\"20\",\"unit\":\"ug/kg\",\"unit_as_sent\":\"μg/kg\",\"judged\":{\"value\":\"0.020\",\"unit\":\"mg/kg\"},"
		"\"limit\":{\"op\":\"<=\",\"value\":\"0.02\",\"unit\":\"mg/kg\""));
	free(entry.body);
	SET(unit, "mg/kg");
	js_free(make(&one, &silent, &entry));
	assert_null(strstr(entry.body, "judged"));
	free(entry.body);
}

static void what_nobody_said_is_absent(void **state)
{
	(void)state;
	const struct reading reading = { .kind = KIND_BLANK, .channel = -1 };
	struct entry entry;
	js_free(make(&reading, &silent, &entry));
	assert_int_equal(entry.kind, ENTRY_QC);
	assert_string_equal(entry.body,
		"\"kind\":\"blank\",\"test_seq\":1,\"instrument\":{\"id\":\"pr-1\",\"driver\":\"seven-e-aa\"},"
		"\"item\":{\"code\":\"PR-OPCB\",\"name\":\"有机磷和氨基甲酸酯类农药残留\"},"
		"\"method\":\"enzyme-inhibition\",\"basis\":\"GB/T 5009.199-2003\","
		"\"verdict\":\"none\",\"received_at\":\"2026-03-05T09:43:02.118+08:00\",\"clock\":{\"synced\":true},"
		"\"flags\":[],\"decoder\":\"seven-e-aa/1\"}");
	free(entry.body);
}

static void only_samples_go_to_the_result_topic(void **state)
{
	(void)state;
	static const enum entry_kind wanted[] = { ENTRY_RESULT, ENTRY_QC, ENTRY_QC, ENTRY_QC, ENTRY_QC };
	for (enum kind kind = KIND_SAMPLE; kind <= KIND_CALIBRATION; kind++) {
		const struct reading reading = { .kind = kind, .channel = -1 };
		struct entry entry;
		struct json *record = make(&reading, &silent, &entry);
		assert_int_equal(entry.kind, wanted[kind]);
		assert_string_equal(js_get_text(record, "kind"), kind_name(kind));
		js_free(record);
		free(entry.body);
	}
}

static void unreadable_things_are_kept_as_sent(void **state)
{
	(void)state;
	struct reading room = { .channel = -1 }, *reading = &room;
	struct entry entry;
	SET(value, "about 5");
	SET(unit, "mg/dag");
	SET(item, "奥秘");
	SET(tested_at, "2026-02-31T09:41:20");
	SET(operator_name, "赵六");
	struct json *record = make(reading, &silent, &entry);
	assert_null(js_get(record, "value"));
	assert_string_equal(js_get_text(record, "value_as_sent"), "about 5");
	assert_string_equal(js_get_text(record, "unit"), "mg/dag");
	assert_null(js_get(record, "unit_as_sent"));
	assert_string_equal(js_get_text(js_get(record, "item"), "as_sent"), "奥秘");
	assert_null(js_get(js_get(record, "item"), "code"));
	assert_null(js_get(record, "tested_at"));
	assert_string_equal(js_get_text(js_get(record, "said"), "tested_at"), "2026-02-31T09:41:20");
	assert_string_equal(js_get_text(js_get(record, "operator"), "name"), "赵六");
	assert_null(js_get(js_get(record, "operator"), "valid"));
	static const char *const flags[] = { "unmapped_item", "unmapped_unit", "unmapped_value", "clock_suspect",
		"operator_unknown" };
	assert_int_equal(js_count(js_get(record, "flags")), sizeof(flags) / sizeof(*flags));
	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++)
		assert_string_equal(js_text_of(js_at(js_get(record, "flags"), i)), flags[i]);
	js_free(record);
	free(entry.body);
}

/* Contract: a value is digits with a point, a qualifier one of four signs, a limit has both. */
static void what_does_not_fit_the_contract_is_kept_beside_it(void **state)
{
	(void)state;
	struct reading room = { .channel = -1 }, *reading = &room;
	struct entry entry;
	SET(value, "+5.0");
	SET(qualifier, "≥");
	SET(limit_op, "about");
	SET(limit_value, "7");
	struct json *record = make(reading, &silent, &entry);
	assert_string_equal(js_get_text(record, "value"), "5.0");
	assert_string_equal(js_get_text(record, "value_as_sent"), "+5.0");
	assert_string_equal(js_get_text(record, "qualifier"), ">=");
	assert_string_equal(js_get_text(js_get(record, "limit"), "value"), "50");
	assert_string_equal(js_get_text(js_get(record, "said"), "limit"), "abo 7");
	js_free(record);
	free(entry.body);
	SET(qualifier, "~");
	SET(value_as_sent, "~5");
	record = make(reading, &silent, &entry);
	assert_null(js_get(record, "value"));
	assert_null(js_get(record, "qualifier"));
	assert_string_equal(js_get_text(record, "value_as_sent"), "~5");
	assert_string_equal(js_get_text(js_get(record, "said"), "value"), "+5.0");
	assert_string_equal(js_get_text(js_get(record, "said"), "qualifier"), "~");
	js_free(record);
	free(entry.body);
}

static void the_instruments_own_digits_of_time_are_never_rewritten(void **state)
{
	(void)state;
	static const char *const zones[][2] = {
		{ "Asia/Shanghai", "2026-03-29T02:30:00+08:00" },
		{ "UTC", "2026-03-29T02:30:00+00:00" },
		{ "Asia/Kolkata", "2026-03-29T02:30:00+05:30" },
		{ "America/St_Johns", "2026-03-29T02:30:00-02:30" },
	};
	for (size_t i = 0; i < sizeof(zones) / sizeof(*zones); i++) {
		struct reading room = { .channel = -1 }, *reading = &room;
		struct entry entry;
		setenv("TZ", zones[i][0], 1);
		tzset();
		SET(tested_at, "2026-03-29T02:30:00");
		struct json *record = make(reading, &silent, &entry);
		assert_string_equal(js_get_text(record, "tested_at"), zones[i][1]);
		js_free(record);
		free(entry.body);
	}
	setenv("TZ", "Asia/Shanghai", 1);
	tzset();
	struct reading room = { .channel = -1 }, *reading = &room;
	struct entry entry;
	SET(tested_at, "2026-03-29T02:30:00");
	SET(tested_zone, "+00:00"); /* an instrument that says its own */
	struct json *record = make(reading, &silent, &entry);
	assert_string_equal(js_get_text(record, "tested_at"), "2026-03-29T02:30:00+00:00");
	js_free(record);
	free(entry.body);
}

static void a_test_read_twice_has_one_id_and_a_message_its_own(void **state)
{
	(void)state;
	struct reading reading;
	struct entry first, again, alike, one, other;
	say_everything(&reading);
	reading.repeatable = true;
	reading.identity = raw_bytes;
	reading.identity_length = sizeof(raw_bytes);
	js_free(make(&reading, &silent, &first));
	reception.received_ms += 86400000; /* the next day, after the clock was set */
	js_free(make(&reading, &silent, &again));
	reading.repeat = 1;
	js_free(make(&reading, &silent, &alike));
	reading.repeatable = false;
	js_free(make(&reading, &silent, &one));
	js_free(make(&reading, &silent, &other));
	reception.received_ms -= 86400000;
	assert_string_equal(first.id, again.id);
	assert_string_not_equal(first.id, alike.id);
	assert_string_not_equal(one.id, other.id);
	assert_int_equal(first.id[14], '8');
	assert_int_equal(one.id[14], '7');
	struct entry *all[] = { &first, &again, &alike, &one, &other };
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		free(all[i]->body);
}

/* ---- whatever an instrument says arrives ---- */

static unsigned seed = 20260305;

static size_t put_character(char *out)
{
	static const unsigned ranges[][2] = { { 0x20, 0x7E }, { 0x01, 0x1F }, { 0x80, 0x7FF }, { 0x4E00, 0x9FFF },
		{ 0xE000, 0xFFFD }, { 0x10000, 0x10FFFF }, { 0x22, 0x22 }, { 0x5C, 0x5C }, { 0x2028, 0x2029 } };
	const unsigned *range = ranges[(size_t)rand_r(&seed) % (sizeof(ranges) / sizeof(*ranges))];
	unsigned code = range[0] + (unsigned)rand_r(&seed) % (range[1] - range[0] + 1);
	if (code < 0x80) {
		out[0] = (char)code;
		return 1;
	}
	if (code < 0x800) {
		out[0] = (char)(0xC0 | code >> 6);
		out[1] = (char)(0x80 | (code & 63));
		return 2;
	}
	if (code < 0x10000) {
		out[0] = (char)(0xE0 | code >> 12);
		out[1] = (char)(0x80 | (code >> 6 & 63));
		out[2] = (char)(0x80 | (code & 63));
		return 3;
	}
	out[0] = (char)(0xF0 | code >> 18);
	out[1] = (char)(0x80 | (code >> 12 & 63));
	out[2] = (char)(0x80 | (code >> 6 & 63));
	out[3] = (char)(0x80 | (code & 63));
	return 4;
}

/* Fills a field with random Unicode, up to its last byte. */
static void fill(char *field, size_t size)
{
	char text[512];
	size_t used = 0, wanted = (size_t)rand_r(&seed) % 160;
	while (used < wanted)
		used += put_character(text + used);
	text[used] = '\0';
	text_copy(field, size, text);
}

static void assert_arrived(const struct json *object, const char *key, const char *text)
{
	const char *arrived = js_get_text(object, key);
	if (*text)
		assert_string_equal(arrived ? arrived : "(absent)", text);
	else
		assert_null(arrived);
}

static void whatever_an_instrument_says_arrives_unaltered(void **state)
{
	(void)state;
	for (int round = 0; round < 2000; round++) {
		struct reading reading = { .channel = -1 };
		struct entry entry;
		fill(reading.verdict_as_sent, sizeof(reading.verdict_as_sent));
		fill(reading.instrument_seq, sizeof(reading.instrument_seq));
		fill(reading.sample_no, sizeof(reading.sample_no));
		fill(reading.sample_name, sizeof(reading.sample_name));
		fill(reading.party, sizeof(reading.party));
		fill(reading.item, sizeof(reading.item));
		fill(reading.method, sizeof(reading.method));
		fill(reading.basis, sizeof(reading.basis));
		fill(reading.unit, sizeof(reading.unit));
		fill(reading.value, sizeof(reading.value));
		fill(reading.qualifier, sizeof(reading.qualifier));
		fill(reading.limit_value, sizeof(reading.limit_value));
		fill(reading.limit_op, sizeof(reading.limit_op));
		fill(reading.operator_name, sizeof(reading.operator_name));
		fill(reading.tested_at, sizeof(reading.tested_at));
		reading_said(&reading, "word", "");
		fill(reading.said[0].value, sizeof(reading.said[0].value));
		struct json *record = make(&reading, &silent, &entry), *said = js_get(record, "said");
		assert_arrived(record, "verdict_as_sent", reading.verdict_as_sent);
		assert_arrived(record, "instrument_seq", reading.instrument_seq);
		assert_arrived(js_get(record, "sample"), "no", reading.sample_no);
		assert_arrived(js_get(record, "sample"), "name", reading.sample_name);
		assert_arrived(js_get(record, "sample"), "party", reading.party);
		assert_arrived(js_get(record, "item"), "as_sent", reading.item);
		if (*reading.method)
			assert_arrived(record, "method", reading.method);
		if (*reading.basis)
			assert_arrived(record, "basis", reading.basis);
		assert_arrived(record, js_get(record, "unit_as_sent") ? "unit_as_sent" : "unit", reading.unit);
		assert_arrived(record, js_get(record, "value") ? "value" : "value_as_sent", reading.value);
		if (!js_get(record, "qualifier"))
			assert_arrived(said, "qualifier", reading.qualifier);
		assert_arrived(js_get(record, "operator"), "name", reading.operator_name);
		assert_arrived(said, "tested_at", reading.tested_at);
		assert_arrived(said, "word", reading.said[0].value);
		js_free(record);
		free(entry.body);
	}
}

static int prepare(void **state)
{
	(void)state;
	struct faults faults = { 0 };
	setenv("TZ", "Asia/Shanghai", 1);
	tzset();
	reception.received_ms = clock_parse_local("2026-03-05T09:43:02") * 1000 + 118;
	reader.driver = driver_by_name("seven-e-aa");
	int result = items_load("config/items.csv", &station.items, &faults);
	if (!result)
		result = operators_load("config/operators.csv.example", &station.operators, &faults);
	faults_print(&faults, stderr);
	return result || !reader.driver;
}

static int clean(void **state)
{
	(void)state;
	items_free(station.items);
	operators_free(station.operators);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_record_of_a_real_frame),
		cmocka_unit_test(a_record_says_everything_in_the_contracts_order),
		cmocka_unit_test(a_converted_value_stands_beside_the_displayed_one),
		cmocka_unit_test(what_nobody_said_is_absent),
		cmocka_unit_test(only_samples_go_to_the_result_topic),
		cmocka_unit_test(unreadable_things_are_kept_as_sent),
		cmocka_unit_test(what_does_not_fit_the_contract_is_kept_beside_it),
		cmocka_unit_test(the_instruments_own_digits_of_time_are_never_rewritten),
		cmocka_unit_test(a_test_read_twice_has_one_id_and_a_message_its_own),
		cmocka_unit_test(whatever_an_instrument_says_arrives_unaltered),
	};
	return cmocka_run_group_tests(tests, prepare, clean);
}
