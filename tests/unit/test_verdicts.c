/* What a result means: every row of verdict_cases.csv through the real judge, into the record the county gets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../daemon/clock.h"
#include "../../daemon/csv.h"
#include "../../daemon/items.h"
#include "../../daemon/json.h"
#include "../../daemon/rebind.h"
#include "../../daemon/record.h"
#include "../../drivers/text.h"

#define FOLDER "tests/unit/"

enum column {
	SOURCE,
	PROMISE,
	TABLES,
	KIND,
	ITEM,
	BASIS,
	SAMPLE,
	CATEGORY,
	VALUE,
	QUALIFIER,
	UNIT,
	SIGNALS,
	LIMIT_SAID,
	SAID,
	MARKS,
	TESTED_AT,
	VERDICT,
	BY,
	RULE,
	JUDGED,
	LIMIT,
	RECOMPUTED,
	FLAGS,
};

static const struct csv_column columns[] = {
	[SOURCE] = { "source", true },
	[PROMISE] = { "promise", true },
	[TABLES] = { "tables", true },
	[KIND] = { "kind", true },
	[ITEM] = { "item", true },
	[BASIS] = { "basis", true },
	[SAMPLE] = { "sample", true },
	[CATEGORY] = { "category", true },
	[VALUE] = { "value", true },
	[QUALIFIER] = { "qualifier", true },
	[UNIT] = { "unit", true },
	[SIGNALS] = { "signals", true },
	[LIMIT_SAID] = { "limit_said", true },
	[SAID] = { "said", true },
	[MARKS] = { "marks", true },
	[TESTED_AT] = { "tested_at", true },
	[VERDICT] = { "verdict", true },
	[BY] = { "by", true },
	[RULE] = { "rule", true },
	[JUDGED] = { "judged", true },
	[LIMIT] = { "limit", true },
	[RECOMPUTED] = { "recomputed", true },
	[FLAGS] = { "flags", true },
	{ NULL, false },
};

static const struct driver driver = { .name = "any", .version = 1 };
static const struct maker maker;
static struct config shipped, own;
static unsigned cases, wrong, differed;

/* ---- a row's reading ---- */

#define SET(member, column) text_copy(reading.member, sizeof(reading.member), row->field[column])

/* "abs=0.570;!lot=7": signals, and with "!" what else was said. */
static void add_signals(struct reading *reading, const char *pairs)
{
	char copy[256], *rest = NULL;
	text_copy(copy, sizeof(copy), pairs);
	for (char *at = strtok_r(copy, ";", &rest); at; at = strtok_r(NULL, ";", &rest)) {
		char *value = strchr(at, '=');
		assert_non_null(value);
		*value++ = '\0';
		if (*at == '!')
			reading_said(reading, at + 1, value);
		else
			reading_signal(reading, at, value);
	}
}

static enum kind kind_of(const char *name)
{
	enum kind kind = KIND_SAMPLE;
	while (*name && strcmp(kind_name(kind), name) != 0)
		kind++;
	return kind;
}

static enum verdict verdict_of(const char *name)
{
	enum verdict verdict = VERDICT_NONE;
	while (*name && strcmp(verdict_name(verdict), name) != 0)
		verdict++;
	return verdict;
}

static struct reading reading_of(const struct csv_row *row)
{
	struct reading reading = { .channel = -1 };
	reading.kind = kind_of(row->field[KIND]);
	reading.verdict = verdict_of(row->field[SAID]);
	SET(item, ITEM);
	SET(basis, BASIS);
	SET(sample_name, SAMPLE);
	SET(sample_category, CATEGORY);
	SET(value, VALUE);
	SET(qualifier, QUALIFIER);
	SET(unit, UNIT);
	SET(tested_at, TESTED_AT);
	sscanf(row->field[LIMIT_SAID], "%3s %39s %23s", reading.limit_op, reading.limit_value, reading.limit_unit);
	add_signals(&reading, row->field[SIGNALS]);
	for (unsigned bit = 1; *row->field[MARKS] && !reading.marks; bit <<= 1)
		if (strcmp(reading_mark_name(bit), row->field[MARKS]) == 0)
			reading.marks = bit;
	return reading;
}

/* ---- what its record says, in the words of the table ---- */

static const char *member(const struct json *object, const char *name)
{
	const char *text = object ? js_get_text(object, name) : NULL;
	return text ? text : "";
}

static void append(char out[static 512], const char *before, const char *text)
{
	size_t length = strlen(out);
	if (*text)
		snprintf(out + length, 512 - length, "%s%s", length && out[length - 1] != '|' ? before : "", text);
}

static int by_text(const void *one, const void *other)
{
	return strcmp(*(const char *const *)one, *(const char *const *)other);
}

/* The order of flags means nothing. */
static void append_flags(char out[static 512], const char *const *flags, size_t count)
{
	const char *sorted[32];
	assert_true(count <= 32);
	memcpy(sorted, flags, count * sizeof(*flags));
	qsort(sorted, count, sizeof(*sorted), by_text);
	for (size_t i = 0; i < count; i++)
		append(out, ";", sorted[i]);
}

static void told(char out[static 512], const struct json *record)
{
	const struct json *judged = js_get(record, "judged"), *limit = js_get(record, "limit"),
			  *recomputed = js_get(record, "recomputed"), *flags = js_get(record, "flags");
	const char *list[32];
	snprintf(
		out, 512, "%s|%s|%s|", member(record, "verdict"), member(record, "verdict_by"), member(record, "rule"));
	append(out, " ", member(judged, "value"));
	append(out, " ", member(judged, "unit"));
	strcat(out, "|");
	append(out, " ", member(limit, "op"));
	append(out, " ", member(limit, "value"));
	append(out, " ", member(limit, "unit"));
	append(out, " ", member(limit, "source"));
	append(out, " edition ", member(limit, "edition"));
	strcat(out, "|");
	const char *name = *member(recomputed, "tc") ? "tc" : "inhibition";
	append(out, "", *member(recomputed, name) ? name : "");
	append(out, "=", member(recomputed, name));
	if (recomputed && js_get(recomputed, "agrees"))
		append(out, " ", js_get_bool(recomputed, "agrees", false) ? "agrees" : "disagrees");
	strcat(out, "|");
	for (size_t i = 0; i < js_count(flags); i++)
		list[i] = js_text_of(js_at(flags, i));
	append_flags(out, list, js_count(flags));
}

static void wanted(char out[static 512], const struct csv_row *row)
{
	char flags[256], *rest = NULL;
	const char *list[32];
	size_t count = 0;
	snprintf(out, 512, "%s|%s|%s|%s|%s|%s|", row->field[VERDICT], row->field[BY], row->field[RULE],
		row->field[JUDGED], row->field[LIMIT], row->field[RECOMPUTED]);
	text_copy(flags, sizeof(flags), row->field[FLAGS]);
	for (char *at = strtok_r(flags, ";", &rest); at; at = strtok_r(NULL, ";", &rest))
		list[count++] = at;
	append_flags(out, list, count);
}

static struct json *record_of(const struct config *config, const struct reading *reading,
	const struct registered *registered, struct entry *entry)
{
	struct instrument_config instrument = { .id = "x", .driver = &driver };
	struct reception reception = { .received_ms = clock_parse_local("2026-03-05T09:43:02") * 1000,
		.clock_synced = true };
	struct fault fault;
	record_identify(config, NULL, &instrument, &maker, reading, &reception, entry);
	record_make(config, &instrument, &maker, reading, &reception, registered, entry);
	char *text = malloc(strlen(entry->body) + 2);
	sprintf(text, "{%s", entry->body); /* the journal's head opens the brace */
	struct json *record = js_parse(text, strlen(text), &fault);
	assert_non_null(record);
	free(text);
	free(entry->body);
	return record;
}

/* Bound to the wrong sample and corrected, it must mean what it would have meant under the right one. */
static void check_corrected(const struct config *config, const struct reading *said, const struct csv_row *row)
{
	static const char *const samples[] = { "菠菜", "韭菜", "鸡蛋", "XX" };
	enum { COUNT = sizeof(samples) / sizeof(*samples) };
	struct reading reading = *said;
	reading.sample_name[0] = reading.sample_category[0] = '\0';
	for (size_t i = 0; i < (size_t)COUNT * COUNT; i++) {
		struct registration wrong_one = { .by = "scanner", .facts.no = "S-1" };
		struct registration right = { .by = "register", .facts.no = "S-2" };
		text_copy(wrong_one.facts.name, sizeof(wrong_one.facts.name), samples[i / COUNT]);
		text_copy(right.facts.name, sizeof(right.facts.name), samples[i % COUNT]);
		struct registered before = { wrong_one.by, &wrong_one.facts }, after = { right.by, &right.facts };
		struct rebinding rebinding = { .to = &right, .by = "x", .why = "y" };
		struct entry entry;
		char got[512], expected[512];
		struct json *old = record_of(config, &reading, &before, &entry);
		struct json *wanted_one = record_of(config, &reading, &after, &entry);
		struct json *corrected = rebind_record(config, old, &rebinding);
		told(got, corrected);
		told(expected, wanted_one);
		if (strcmp(got, expected) != 0) {
			print_error("%s:%d: %s -> %s\n  %s, should be\n  %s\n", row->path, row->line,
				samples[i / COUNT], samples[i % COUNT], got, expected);
			wrong++;
		}
		told(expected, old);
		differed += strcmp(got, expected) != 0;
		js_free(old);
		js_free(wanted_one);
		js_free(corrected);
	}
}

static void check(void *context, const struct csv_row *row)
{
	struct reading reading = reading_of(row);
	struct entry entry;
	char got[512], expected[512];
	const struct config *config = strcmp(row->field[TABLES], "own") == 0 ? &own : &shipped;
	(void)context;
	cases++;
	struct json *record = record_of(config, &reading, NULL, &entry);
	told(got, record);
	wanted(expected, row);
	if (!*row->field[SOURCE] || !*row->field[PROMISE] || strcmp(got, expected) != 0) {
		print_error("%s:%d: %s: %s\n  %s, should be\n  %s\n", row->path, row->line, row->field[SOURCE],
			row->field[PROMISE], got, expected);
		wrong++;
	}
	js_free(record);
	if (reading.kind == KIND_SAMPLE)
		check_corrected(config, &reading, row);
}

/* ---- the tables ---- */

static void load(struct config *config, const char *items, const char *limits)
{
	struct faults faults = { 0 };
	int result = items_load(items, &config->items, &faults);
	if (result == 0)
		result = items_load_limits(limits, config->items, &faults);
	faults_print(&faults, stderr);
	assert_int_equal(result, 0);
}

static void every_row_means_what_its_source_says(void **state)
{
	(void)state;
	struct faults faults = { 0 };
	load(&shipped, "config/items.csv", "config/limits.csv");
	load(&own, FOLDER "verdict_items.csv", FOLDER "verdict_limits.csv");
	int result = csv_read(FOLDER "verdict_cases.csv", columns, check, NULL, &faults);
	faults_print(&faults, stderr);
	assert_int_equal(result, 0);
	print_message("%u cases, %u corrections that made a difference\n", cases, differed);
	assert_int_equal(wrong, 0);
	assert_true(cases >= 300);
	assert_true(differed >= 100); /* the sample made a difference */
	items_free(shipped.items);
	items_free(own.items);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(every_row_means_what_its_source_says) };
	setenv("TZ", "Asia/Shanghai", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
