/* Registers to numbers, texts and times: vectors of others, and every type in every order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../daemon/json.h"
#include "../../drivers/modbus.h"

static size_t from_hex(const char *hex, uint8_t *out)
{
	size_t count = 0;
	for (; hex[0] && hex[1] && hex[0] != '\n'; hex += 2) {
		char pair[3] = { hex[0], hex[1], '\0' };
		out[count++] = (uint8_t)strtoul(pair, NULL, 16);
	}
	return count;
}

static struct modbus_value read_line(const char *line, const char *hex)
{
	struct modbus_field field = { 0 };
	struct modbus_value value;
	struct fault fault = { "" };
	uint8_t bytes[256] = { 0 };
	if (modbus_field_parse(&field, line, &fault) != 0)
		fail_msg("%s: %s", line, fault.text);
	size_t length = from_hex(hex, bytes);
	assert_int_equal(length, 2 * field.count);
	modbus_value_read(&field, field.order, bytes_of(bytes, length), &value);
	return value;
}

static void assert_reads(const char *line, const char *hex, const char *text)
{
	struct modbus_value value = read_line(line, hex);
	if (strcmp(value.text, text) != 0)
		fail_msg("%s of %s is '%s', not '%s'", line, hex, value.text, text);
}

/* A float's text is right when it reads back as the same float. */
static void assert_same_float(unsigned bits, const char *name, const char *ours, const char *theirs)
{
	double a = strtod(ours, NULL), b = strtod(theirs, NULL);
	if (bits == 32 ? (float)a != (float)b : a != b)
		fail_msg("%s: '%s', not '%s'", name, ours, theirs);
}

static size_t each_line(const char *path, void (*take)(const char *line))
{
	FILE *file = fopen(path, "r");
	char line[1024];
	size_t count = 0;
	assert_non_null(file);
	for (; fgets(line, sizeof(line), file); count++)
		take(line);
	fclose(file);
	return count;
}

/* The numbers stand bare in the line; measured values never pass through a JSON reader's double. */
static void bare_value(const char *line, char out[static 64])
{
	const char *at = strstr(line, "\"value\": ");
	assert_non_null(at);
	at += strlen("\"value\": ");
	snprintf(out, 64, "%.*s", (int)strcspn(at, ",}"), at);
}

static void take_basic(const char *line)
{
	static const char *const orders[] = { "ABCD", "CDAB", "BADC", "DCBA" };
	struct fault fault = { "" };
	struct json *vector = js_parse(line, strlen(line), &fault);
	assert_non_null(vector);
	char expected[64], type[4];
	bare_value(line, expected);
	snprintf(type, sizeof(type), "%.3s", js_get_text(vector, "name"));
	for (size_t i = 0; i < 4; i++) {
		char description[64];
		snprintf(description, sizeof(description), "0 %s order=%s", type, orders[i]);
		struct modbus_value value = read_line(description, js_get_text(vector, orders[i]));
		if (*type == 'f')
			assert_same_float(type[1] == '3' ? 32 : 64, description, value.text, expected);
		else
			assert_string_equal(value.text, expected);
		assert_int_equal(value.saying, MODBUS_SAYS);
	}
	js_free(vector);
}

static void four_orders_of_every_number_give_the_same_number(void **state)
{
	(void)state;
	assert_int_equal(each_line("tests/captures/modbus/byteorder-basic.jsonl", take_basic), 6);
}

/* What we call the type of a vector; the fixed-point names there say nothing of the width. */
static void our_type(const struct json *vector, size_t registers, char out[static 40])
{
	static const struct {
		const char *theirs, *ours;
	} types[] = { { "UINT8L", "u8l" }, { "UINT8H", "u8h" }, { "INT8L", "s8l" }, { "INT8H", "s8h" },
		{ "UINT16", "u16" }, { "INT16", "s16" }, { "UINT32", "u32" }, { "INT32", "s32" }, { "UINT64", "u64" },
		{ "INT64", "s64" }, { "FLOAT16-IEEE", "f16" }, { "FLOAT32-IEEE", "f32" }, { "FLOAT64-IEEE", "f64" } };
	const char *type = js_get_text(vector, "type");
	if (strcmp(type, "FIXED") == 0 || strcmp(type, "UFIXED") == 0) {
		snprintf(out, 40, "%c%zu", *type == 'U' ? 'u' : 's', 16 * registers);
		return;
	}
	if (strcmp(type, "BIT") == 0) {
		snprintf(out, 40, "bit%s", js_get_text(vector, "bit"));
		return;
	}
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(types[i].theirs, type) == 0)
			snprintf(out, 40, "%s", types[i].ours);
	if (strcmp(type, "STRING") == 0)
		snprintf(out, 40, "ascii[%zu]", 2 * registers);
}

static bool has_fraction_there(const char *type)
{
	return strstr(type, "FLOAT") || strstr(type, "FIXED");
}

static void take_telegraf(const char *line)
{
	struct fault fault = { "" };
	struct json *vector = js_parse(line, strlen(line), &fault);
	assert_non_null(vector);
	const char *hex = js_get_text(vector, "registers_hex"), *scale = js_get_text(vector, "scale");
	const char *type = js_get_text(vector, "type"), *expected = js_get_text(vector, "read");
	char ours[40] = "", description[96];
	our_type(vector, strlen(hex) / 4, ours);
	assert_string_not_equal(ours, "");
	snprintf(description, sizeof(description), "0 %s order=%s%s%s%s", ours, js_get_text(vector, "byte_order"),
		scale && strcmp(scale, "1") != 0 ? " scale=" : "", scale && *scale == '.' ? "0" : "",
		scale && strcmp(scale, "1") != 0 ? scale : "");
	struct modbus_value value = read_line(description, hex);
	if (strstr(type, "FLOAT") || strcmp(type, "UINT64") == 0) /* those went through a double there */
		assert_same_float(strstr(type, "32") ? 32 : 64, description, value.text, expected);
	else if (strcmp(type, "STRING") == 0)
		assert_memory_equal(value.text, expected + 1, strlen(value.text));
	else if (has_fraction_there(type) || !scale || *scale != '.')
		assert_string_equal(value.text, expected);
	else /* they cut a scaled integer off at the point; we do not */
		assert_memory_equal(value.text, expected, strlen(expected));
	js_free(vector);
}

static void every_type_order_and_scale_reads_as_elsewhere(void **state)
{
	(void)state;
	assert_int_equal(each_line("tests/captures/modbus/byteorder-telegraf.jsonl", take_telegraf), 57);
}

static void scaled_integers_are_exact(void **state)
{
	(void)state;
	assert_reads("0 u8l scale=0.1", "180D", "1.3");
	assert_reads("0 u16 scale=/100", "18CE", "63.50");
	assert_reads("0 s16 scale=/10", "FFF3", "-1.3");
	assert_reads("0 u16 scale=*10", "0005", "50");
	assert_reads("0 u16 scale=0.05", "0007", "0.35");
	assert_reads("0 u64 scale=0.000000001", "FFFFFFFFFFFFFFFF", "18446744073.709551615");
	assert_reads("0 s64", "8000000000000000", "-9223372036854775808");
	assert_reads("0 f32 decimals=2", "414570A4", "12.34");
	assert_reads("0 f32 decimals=1", "427E0000", "63.5");
	assert_reads("0 f32 decimals=3", "427E0000", "63.500");
	assert_reads("0 f32 scale=100 decimals=0", "3F221CAC", "63");
}

static void halves_are_exact(void **state)
{
	(void)state;
	assert_reads("0 f16", "3C00", "1");
	assert_reads("0 f16", "C000", "-2");
	assert_reads("0 f16", "0000", "0");
	assert_reads("0 f16", "7BFF", "65504");
	assert_reads("0 f16", "0400", "0.00006103515625");
	assert_reads("0 f16", "0001", "0.000000059604644775390625");
	assert_int_equal(read_line("0 f16", "7C00").saying, MODBUS_SAYS_INVALID);
	assert_int_equal(read_line("0 f16", "7E00").saying, MODBUS_SAYS_INVALID);
}

static void packed_decimals_are_digits_or_nothing(void **state)
{
	(void)state;
	assert_reads("0 bcd16", "0635", "635");
	assert_reads("0 bcd16 scale=/10", "0635", "63.5");
	assert_reads("0 bcd32", "12345678", "12345678");
	assert_reads("0 bcd32 order=CDAB", "56781234", "12345678");
	struct modbus_value value = read_line("0 bcd16", "06A5");
	assert_int_equal(value.saying, MODBUS_SAYS_INVALID);
	assert_string_equal(value.as_sent, "06A5");
	struct modbus_field field = { 0 };
	assert_int_equal(modbus_field_parse(&field, "0 bcd16", NULL), 0);
	assert_int_equal(modbus_number(&field, MODBUS_ABCD, bytes_of("\x06\xA5", 2)), 0);
	assert_int_equal(modbus_number(&field, MODBUS_ABCD, bytes_of("\x06\x35", 2)), 635);
}

static void special_codes_are_no_numbers(void **state)
{
	(void)state;
	assert_int_equal(read_line("0 u16 invalid=0x7FFE,0x7FFF", "7FFF").saying, MODBUS_SAYS_INVALID);
	assert_int_equal(read_line("0 u16 invalid=0x7FFE,0x7FFF", "7FFD").saying, MODBUS_SAYS);
	assert_int_equal(read_line("0 s16 absent=-1", "FFFF").saying, MODBUS_SAYS_NOTHING);
	assert_int_equal(read_line("0 u16 over=65535", "FFFF").saying, MODBUS_SAYS_OVER);
	assert_int_equal(read_line("0 f32 invalid=0x7FC00001", "7FC00001").saying, MODBUS_SAYS_INVALID);
	struct modbus_value value = read_line("0 u16 scale=/10 absent=0x7FFE", "7FFE");
	assert_string_equal(value.text, "");
	assert_string_equal(value.as_sent, "32766");
	assert_int_equal(read_line("0 f32", "FF800000").saying, MODBUS_SAYS_INVALID);
	assert_false(read_line("0 f32 plausible=0.001..1000", "7FC00000").implausible);
	assert_true(read_line("0 f32 plausible=0.001..1000", "7F000000").implausible);          /* 1.7E38 */
	assert_true(read_line("0 f32 plausible=0.001..1000", "00004148").implausible);          /* 2.3E-41 */
	assert_true(read_line("0 f32 plausible=0.001..1000", "C479FFFF").implausible == false); /* -999.99994 */
	assert_true(read_line("0 f32 plausible=0.001..1000", "447A0001").implausible);
	assert_false(read_line("0 f64 plausible=0.001..1000", "4049000000000000").implausible); /* 50 */
	assert_true(read_line("0 f16 plausible=1..1000", "3800").implausible);                  /* 0.5 */
	assert_false(read_line("0 f32 plausible=0.001..1000", "80000000").implausible);         /* -0 */
}

static void texts_are_decoded_and_faults_in_them_marked(void **state)
{
	(void)state;
	assert_reads("0 gb18030[6]", "B2A4B2CB0000", "菠菜");
	assert_reads("0 utf8[6]", "E88FA0E88F9C", "菠菜");
	assert_reads("0 ascii[5]", "533030313700", "S0017");
	assert_reads("0 ascii[4] order=BA", "3053FF31", "S01");
	assert_reads("0 ascii[8]", "41422020FFFFFFFF", "AB");
	assert_int_equal(read_line("0 ascii[4]", "FFFFFFFF").saying, MODBUS_SAYS_NOTHING);
	assert_int_equal(read_line("0 gbk[4]", "00000000").saying, MODBUS_SAYS_NOTHING);
	assert_int_equal(read_line("0 gb2312[3]", "B2A4B200").marks, TEXT_CUT);
	assert_int_equal(read_line("0 ascii[2]", "41B2").marks, TEXT_BAD);
}

static void times_are_the_instruments_own(void **state)
{
	(void)state;
	assert_reads("0 ymdhms", "07EA00030005000900290014", "2026-03-05T09:41:20");
	assert_reads("0 ymdhms", "001A00030005000900290014", "2026-03-05T09:41:20");
	assert_reads("0 bcd-time", "260305094120", "2026-03-05T09:41:20");
	assert_reads("0 dos-time", "5C654D2A", "2026-03-05T09:41:20");
	assert_reads("0 dos-time order=CDAB", "4D2A5C65", "2026-03-05T09:41:20");
	assert_reads("0 seconds", "69A94FC0", "2026-03-05T09:41:20");
	assert_reads("0 seconds", "00000001", "1970-01-01T00:00:01");
	assert_int_equal(read_line("0 ymdhms", "07EA000D0005000900290014").saying, MODBUS_SAYS_INVALID);
	assert_int_equal(read_line("0 bcd-time", "26A305094120").saying, MODBUS_SAYS_INVALID);
	assert_int_equal(read_line("0 ymdhms", "000000000000000000000000").saying, MODBUS_SAYS_NOTHING);
	assert_int_equal(read_line("0 seconds", "FFFFFFFF").saying, MODBUS_SAYS_NOTHING);
}

static void too_few_registers_say_nothing(void **state)
{
	(void)state;
	struct modbus_field field = { 0 };
	struct modbus_value value;
	assert_int_equal(modbus_field_parse(&field, "0 u32", NULL), 0);
	modbus_value_read(&field, MODBUS_ABCD, bytes_of("\x01\x02", 2), &value);
	assert_int_equal(value.saying, MODBUS_SAYS_NOTHING);
	assert_int_equal(modbus_number(&field, MODBUS_ABCD, bytes_of(NULL, 0)), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(four_orders_of_every_number_give_the_same_number),
		cmocka_unit_test(every_type_order_and_scale_reads_as_elsewhere),
		cmocka_unit_test(scaled_integers_are_exact),
		cmocka_unit_test(halves_are_exact),
		cmocka_unit_test(packed_decimals_are_digits_or_nothing),
		cmocka_unit_test(special_codes_are_no_numbers),
		cmocka_unit_test(texts_are_decoded_and_faults_in_them_marked),
		cmocka_unit_test(times_are_the_instruments_own),
		cmocka_unit_test(too_few_registers_say_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
