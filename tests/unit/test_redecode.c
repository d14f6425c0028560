/* The bytes kept with a reading decode to the same again; what differs in the instrument's word is found, and nothing
 * else. */
#include <glob.h>
#include <libgen.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../daemon/capture.h"
#include "../../daemon/cutter.h"
#include "../../daemon/ident.h"
#include "../../daemon/profile.h"
#include "../../daemon/redecode_parts.h"
#include "../../daemon/settings.h"
#include "../../drivers/checksum.h"
#include "../../drivers/zero3_ff.h"

/* ---- every driver's raw bytes ---- */

struct again {
	const struct reading *wanted;
	unsigned found, others;
};

static void look(void *context, const struct instrument *instrument, const struct readings *readings)
{
	struct again *again = context;
	(void)instrument;
	again->others += (unsigned)readings->count;
	for (size_t i = 0; i < readings->count; i++) {
		const struct reading *a = again->wanted, *b = &readings->list[i];
		again->found += a->channel == b->channel && strcmp(a->value, b->value) == 0 &&
		                strcmp(a->item, b->item) == 0 && strcmp(a->sample_no, b->sample_no) == 0 &&
		                strcmp(a->tested_at, b->tested_at) == 0 && a->verdict == b->verdict &&
		                strcmp(a->unit, b->unit) == 0 && a->kind == b->kind;
	}
}

/* One capture: each reading's raw bytes alone must give that reading again. How many there were. */
static unsigned check_capture(
	const struct instrument_config *config, const uint8_t *bytes, size_t length, const char *path)
{
	struct instrument instrument = {
		.driver = config->driver, .options = config->options, .profile = config->profile
	};
	struct cutter cutter = { 0 };
	struct cut cut;
	enum cut_kind kind;
	unsigned count = 0;
	struct readings readings = { .list = calloc(READINGS_AT_ONCE, sizeof(struct reading)) };
	instrument.state = calloc(1, driver_state_size(config->driver, config->profile));
	assert_int_equal(config->driver->setup(&instrument, NULL), 0);
	assert_int_equal(cutter_feed(&cutter, bytes, length), 0);
	while ((kind = cutter_next(&cutter, &instrument, true, &cut)) != CUT_MORE) {
		struct reply reply = { .kind = REPLY_FRAME, .bytes = cut.bytes, .length = cut.length, .offline = true };
		enum next next = kind == CUT_FRAME ? NEXT_MORE : NEXT_WAIT;
		while (next == NEXT_MORE) {
			readings = (struct readings){ .list = readings.list };
			next = config->driver->take(&instrument, &reply, &readings);
			for (size_t i = 0; i < readings.count; i++, count++) {
				const struct reading *reading = &readings.list[i];
				struct again again = { .wanted = reading };
				size_t head = reading->raw_head_length, whole = head + reading->raw_length;
				uint8_t *raw = malloc(whole);
				if (head > 0)
					memcpy(raw, reading->raw_head, head);
				memcpy(raw + head, reading->raw, reading->raw_length);
				redecode_raw(config, reading, &(struct date_time){ 2026, 3, 5, 9, 43, 2 }, raw, whole,
					look, &again);
				free(raw);
				if (again.found == 0)
					fail_msg("%s: reading %u (%s %s) does not come out of its own bytes", path,
						count, reading->item, reading->value);
			}
		}
	}
	cutter_reset(&cutter);
	free(readings.list);
	free(instrument.state);
	return count;
}

static unsigned check_file(const char *path)
{
	char copy[512], profile[256], options[4096] = "", golden[520];
	struct capture capture;
	struct instrument_config config = { .options = options };
	snprintf(golden, sizeof(golden), "%.*s.golden", (int)(strlen(path) - 4), path);
	FILE *file = fopen(golden, "r");
	if (!file)
		return 0;
	fclose(file);
	snprintf(copy, sizeof(copy), "%s", path);
	config.driver = driver_by_name(basename(dirname(copy)));
	file = fopen(path, "r");
	assert_int_equal(capture_read(file, path, &capture, NULL), 0);
	fclose(file);
	settings_defaults(&(struct settings_table){ config.driver->options, options });
	if (*capture.head.profile) {
		struct faults faults = { 0 };
		snprintf(profile, sizeof(profile), "config/profiles/%s.conf", capture.head.profile);
		assert_int_equal(profile_read(profile, config.driver, &config.profile, &faults), 0);
		faults_free(&faults);
	}
	size_t length = 0;
	for (size_t i = 0; i < capture.count; i++)
		length = capture.items[i].offset + capture.items[i].length;
	unsigned count = check_capture(&config, capture.bytes, length, path);
	free(config.profile);
	capture_free(&capture);
	return count;
}

static void the_raw_bytes_of_every_capture_decode_to_the_same_again(void **state)
{
	(void)state;
	glob_t paths;
	unsigned count = 0;
	assert_int_equal(glob("tests/captures/*/*.hex", 0, NULL, &paths), 0);
	for (size_t i = 0; i < paths.gl_pathc; i++)
		count += check_file(paths.gl_pathv[i]);
	globfree(&paths);
	assert_true(count > 100);
}

/* ---- what a reading keeps for that ---- */

static struct instrument_config configured(const char *driver, void *options)
{
	struct instrument_config config = { .driver = driver_by_name(driver), .options = options };
	settings_defaults(&(struct settings_table){ config.driver->options, options });
	return config;
}

/* Bytes of a frame and the words kept with them; without the words, or with a table that is counted otherwise now,
 * nothing is guessed. */
static void expect_again(struct instrument_config *config, struct reading *kept, unsigned found)
{
	struct again again = { .wanted = kept };
	redecode_raw(
		config, kept, &(struct date_time){ 2026, 3, 5, 9, 43, 2 }, kept->raw, kept->raw_length, look, &again);
	assert_int_equal(again.found, found);
	assert_int_equal(again.others, found);
}

static void a_record_in_numbers_is_read_again_with_the_row_that_named_its_item(void **state)
{
	static const uint8_t frame[] = "\x03\xFE\x45\x00\x11\x00\x00\x00\x10\x00\xB9\x3C"
				       "\x01\x00\x00\x00\x2A\x4D\x65\x34"
				       "\x02\x80\x00\x00\x7B\x02\x00\x00";
	char options[4096] = "";
	struct instrument_config config = configured("zero3-ff", options);
	struct reading kept = { .channel = 2, .raw = frame, .raw_length = sizeof(frame) - 1 };
	uint8_t fixed[sizeof(frame) - 1];
	(void)state;
	memcpy(fixed, frame, sizeof(fixed));
	fixed[10] = checksum_xor8(fixed, 10);
	fixed[11] = checksum_xor8(fixed + 12, sizeof(fixed) - 12);
	kept.raw = fixed;
	strcpy(kept.value, "63.5");
	strcpy(kept.unit, "%");
	strcpy(kept.item, "农药");
	strcpy(kept.tested_at, "2026-03-05T09:41:20");
	expect_again(&config, &kept, 0);
	reading_said(&kept, "item_no", "0");
	reading_said(&kept, "raw_item", "0:C5A9D2A9000000000000000000000000250000000000000001");
	expect_again(&config, &kept, 1);
	((struct zero3_options *)(void *)options)->first_item = 1;
	expect_again(&config, &kept, 0);
	((struct zero3_options *)(void *)options)->first_item = 0;
	strcpy(kept.said[1].value, "0:C5A9");
	expect_again(&config, &kept, 0);
	strcpy(kept.said[1].value, "999:");
	expect_again(&config, &kept, 0);
	((struct zero3_options *)(void *)options)->first_item = 1;
	strcpy(kept.said[1].value, "-1:C5A9D2A9000000000000000000000000250000000000000001");
	expect_again(&config, &kept, 0);
}

static void a_group_is_read_again_in_the_layout_its_reading_was_taken_in(void **state)
{
	uint8_t group[73] = { 17, 20, 41, 9, 5, 3, 1, 26, 0, 0x3F, 0x11, 0xEB, 0x85, 0x42, 0x0B, 0x33, 0x33 };
	char options[4096] = "";
	struct instrument_config config = configured("dump8", options);
	struct reading kept = { .channel = 1, .raw = group, .raw_length = sizeof(group) };
	(void)state;
	strcpy(kept.value, "34.8");
	strcpy(kept.unit, "%");
	strcpy(kept.tested_at, "2026-03-05T09:41:20");
	expect_again(&config, &kept, 0);
	reading_said(&kept, "raw_layout", "8");
	expect_again(&config, &kept, 1);
	strcpy(kept.said[0].value, "z24");
	expect_again(&config, &kept, 0);
	strcpy(kept.said[0].value, "9");
	expect_again(&config, &kept, 0);
}

/* ---- comparing and matching ---- */

static struct json *record(const char *text)
{
	struct fault fault = { "" };
	struct json *value = js_parse(text, strlen(text), &fault);
	if (!value)
		fail_msg("%s", fault.text);
	return value;
}

static void expect_changes(const char *old, const char *new, const char *wanted)
{
	struct json *a = record(old), *b = record(new), *changes = redecode_changes(a, b);
	char *text = changes ? js_dump(changes) : strdup("");
	assert_string_equal(text, wanted);
	free(text);
	js_free(changes);
	js_free(a);
	js_free(b);
}

static void what_a_record_says_becomes_what_the_driver_may_know(void **state)
{
	struct reading before;
	struct json *one = record("{\"item\":{\"as_sent\":\"a\"},\"unit\":\"ug/kg\",\"unit_as_sent\":\"ppb\","
				  "\"said\":{\"raw_layout\":\"8\",\"lot\":\"1\"}}");
	(void)state;
	redecode_before(one, &before);
	assert_string_equal(before.item, "a");
	assert_string_equal(before.unit, "ppb");
	assert_string_equal(reading_has_said(&before, "raw_layout"), "8");
	assert_string_equal(reading_has_said(&before, "none"), "");
	assert_string_equal(reading_has_said(NULL, "lot"), "");
	js_free(one);
}

static void only_the_instruments_own_word_counts_as_a_change(void **state)
{
	(void)state;
	expect_changes("{\"value\":\"6350\",\"unit\":\"%\",\"flags\":[]}", "{\"value\":\"63.50\",\"unit\":\"%\"}",
		"{\"was\":{\"value\":\"6350\"},\"is\":{\"value\":\"63.50\"}}");
	expect_changes("{\"value\":\"1\",\"verdict\":\"positive\",\"verdict_by\":\"gateway\",\"limit\":{\"op\":\"<\"}}",
		"{\"value\":\"1\",\"verdict\":\"negative\",\"verdict_by\":\"gateway\",\"basis\":\"new\"}",
		""); /* rules */
	expect_changes("{\"verdict\":\"positive\",\"verdict_by\":\"instrument\"}",
		"{\"verdict\":\"negative\",\"verdict_by\":\"instrument\"}",
		"{\"was\":{\"verdict\":\"positive\"},\"is\":{\"verdict\":\"negative\"}}");
	expect_changes("{\"sample\":{\"no\":\"A\"}}", "{\"sample\":{\"no\":\"A\",\"bound_by\":\"instrument\"}}", "");
	expect_changes("{\"sample\":{\"no\":\"A\",\"bound_by\":\"scanner\"}}", "{\"sample\":{\"no\":\"B\"}}", "");
	expect_changes("{\"said\":{\"limit\":\"< 60\",\"lot\":\"1\"}}", "{\"said\":{\"lot\":\"1\"}}", "");
	expect_changes("{\"said\":{\"lot\":\"1\"}}", "{\"said\":{\"lot\":\"1\",\"raw_layout\":\"8\"}}", "");
	expect_changes("{\"said\":{\"lot\":\"1\"},\"item\":{\"as_sent\":\"a\",\"code\":\"X\"}}",
		"{\"said\":{},\"item\":{\"as_sent\":\"a\"}}",
		"{\"was\":{\"said\":{\"lot\":\"1\"}},\"is\":{\"said\":{}}}");
}

static void of_several_readings_the_one_that_is_meant_is_found_or_none(void **state)
{
	(void)state;
	struct json *list[3] = { record("{\"channel\":1,\"item\":{\"as_sent\":\"a\"}}"),
		record("{\"channel\":2,\"item\":{\"as_sent\":\"a\"}}"),
		record("{\"channel\":2,\"item\":{\"as_sent\":\"b\"}}") };
	struct json *one = record("{\"channel\":2,\"item\":{\"as_sent\":\"b\"},\"value\":\"7\"}");
	struct json *unsure = record("{\"channel\":2,\"item\":{\"as_sent\":\"c\"}}");
	assert_int_equal(redecode_match(one, list, 3), 2);
	assert_int_equal(redecode_match(unsure, list, 3), 3);
	assert_int_equal(redecode_match(unsure, list, 1), 0); /* the only one there is */
	assert_int_equal(redecode_match(one, list, 0), 0);
	for (size_t i = 0; i < 3; i++)
		js_free(list[i]);
	js_free(one);
	js_free(unsure);
}

static void a_successor_has_one_id(void **state)
{
	(void)state;
	char one[ENTRY_ID_MAX], other[ENTRY_ID_MAX];
	ident_of_successor(one, "019a0b1c-2d3e-8f40-9abc-def012345678", 0);
	ident_of_successor(other, "019a0b1c-2d3e-8f40-9abc-def012345678", 0);
	assert_string_equal(one, other);
	assert_memory_equal(one, "019a0b1c-2d3e-8", 15);
	ident_of_successor(other, "019a0b1c-2d3e-8f40-9abc-def012345678", 1);
	assert_string_not_equal(one, other);
}

/* Only a word that had no row and has one now counts; no new unknown word may come with it. */
static void what_the_tables_know_now_is_told_from_what_they_knew(void **state)
{
	static const struct {
		const char *old, *new;
		bool mapped;
	} cases[] = {
		{ "[\"unmapped_item\"]", "[]", true },
		{ "[\"unmapped_item\",\"late\"]", "[\"late\",\"retest_required\"]", true },
		{ "[\"unmapped_unit\",\"unit_differs\"]", "[]", true },
		{ "[\"unmapped_basis\"]", "[]", true },
		{ "[\"unmapped_item\",\"unmapped_unit\"]", "[\"unmapped_unit\"]", true },
		{ "[\"unmapped_item\"]", "[\"unmapped_item\"]", false },
		{ "[\"unmapped_item\"]", "[\"unmapped_basis\"]", false },
		{ "[]", "[]", false },
		{ "[\"late\"]", "[]", false },
		{ "[]", "[\"unmapped_item\"]", false },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char old_text[160], new_text[160];
		snprintf(old_text, sizeof(old_text), "{\"verdict\":\"none\",\"flags\":%s}", cases[i].old);
		snprintf(new_text, sizeof(new_text), "{\"verdict\":\"positive\",\"rule\":\"limit\",\"flags\":%s}",
			cases[i].new);
		struct json *old = js_parse(old_text, strlen(old_text), NULL);
		struct json *new = js_parse(new_text, strlen(new_text), NULL), *changes = redecode_mapped(old, new);
		assert_int_equal(changes != NULL, cases[i].mapped);
		if (changes)
			assert_string_equal(js_get_text(js_get(changes, "is"), "verdict"), "positive");
		js_free(changes);
		js_free(old);
		js_free(new);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_tables_know_now_is_told_from_what_they_knew),
		cmocka_unit_test(the_raw_bytes_of_every_capture_decode_to_the_same_again),
		cmocka_unit_test(a_record_in_numbers_is_read_again_with_the_row_that_named_its_item),
		cmocka_unit_test(a_group_is_read_again_in_the_layout_its_reading_was_taken_in),
		cmocka_unit_test(what_a_record_says_becomes_what_the_driver_may_know),
		cmocka_unit_test(only_the_instruments_own_word_counts_as_a_change),
		cmocka_unit_test(of_several_readings_the_one_that_is_meant_is_found_or_none),
		cmocka_unit_test(a_successor_has_one_id),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
