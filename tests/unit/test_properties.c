/* What holds for whatever instruments say, at random: every text arrives in the record as it was, and the set of
 * records does not depend on the order of readings, on readings that come twice, or on where the stream was cut. */
#include <glob.h>
#include <iconv.h>
#include <libgen.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "../../daemon/capture.h"
#include "../../daemon/cutter.h"
#include "../../daemon/digest.h"
#include "../../daemon/intake.h"
#include "../../daemon/items.h"
#include "../../daemon/json.h"
#include "../../daemon/profile.h"
#include "../../daemon/record.h"
#include "../../daemon/settings.h"
#include "../../drivers/text.h"
#include "journal_fixture.h"

static unsigned seed = 20260305;

static unsigned below(unsigned limit)
{
	return (unsigned)rand_r(&seed) % limit;
}

static unsigned between(unsigned low, unsigned high)
{
	return low + below(high - low + 1);
}

/* ---- random text ---- */

/* A character of GB 18030 as instruments send it, or what is none: half a character, 0x80, 0xFF, bytes of GBK whose
 * second is a letter, a delimiter or a backslash, four-byte characters in and beyond the first plane. Returns its
 * length. */
static size_t put_gb18030(uint8_t *out)
{
	static const uint8_t seconds[] = { 0x40, 0x5C, 0x5E, 0x7C, 0x7E, 'R', 'a', 0x80, 0xFE };
	switch (below(9)) {
	case 0:
		out[0] = (uint8_t)between(0x20, 0x7E);
		return 1;
	case 1: /* GB 2312: Hanzi */
		out[0] = (uint8_t)between(0xB0, 0xF7);
		out[1] = (uint8_t)between(0xA1, 0xFE);
		return 2;
	case 2: /* signs, full-width letters, units */
		out[0] = (uint8_t)between(0xA1, 0xA9);
		out[1] = (uint8_t)between(0xA1, 0xFE);
		return 2;
	case 3:
		out[0] = (uint8_t)between(0x81, 0xFE);
		out[1] = seconds[below(sizeof(seconds))];
		return 2;
	case 4:
		out[0] = (uint8_t)between(0x81, 0x84);
		out[1] = (uint8_t)between('0', '9');
		out[2] = (uint8_t)between(0x81, 0xFE);
		out[3] = (uint8_t)between('0', '9');
		return 4;
	case 5: /* beyond the first plane, up to the last character and over it */
		out[0] = (uint8_t)between(0x90, 0xE3);
		out[1] = (uint8_t)between('0', '9');
		out[2] = (uint8_t)between(0x81, 0xFE);
		out[3] = (uint8_t)between('0', '9');
		return 4;
	case 6: /* half of one */
		out[0] = (uint8_t)between(0x81, 0xFE);
		return 1;
	case 7:
		out[0] = below(2) ? 0x80 : 0xFF;
		return 1;
	default: /* whatever a line without parity makes of it */
		out[0] = (uint8_t)between(0x01, 0xFF);
		return 1;
	}
}

/* A code point of any plane, with more than its share of those that trouble JSON and terminals. */
static unsigned random_code(void)
{
	static const unsigned ranges[][2] = { { 0x01, 0x1F }, { 0x20, 0x7F }, { 0x80, 0x9F }, { 0xA0, 0x7FF },
		{ 0x0300, 0x036F }, { 0x2028, 0x202E }, { 0x4E00, 0x9FFF }, { 0xD7FF, 0xD7FF }, { 0xE000, 0xF8FF },
		{ 0xFDD0, 0xFDEF }, { 0xFEFF, 0xFEFF }, { 0xFF01, 0xFF5E }, { 0xFFFD, 0xFFFF }, { 0x10000, 0x10FFFF },
		{ 0x1F300, 0x1FAFF }, { '"', '"' }, { '\\', '\\' }, { '/', '/' } };
	const unsigned *range = ranges[below(sizeof(ranges) / sizeof(*ranges))];
	return between(range[0], range[1]);
}

static size_t put_utf8(char *out, unsigned code)
{
	static const unsigned first[] = { 0, 0x00, 0xC0, 0xE0, 0xF0 };
	size_t length = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
	for (size_t i = length - 1; i > 0; i--, code >>= 6)
		out[i] = (char)(0x80 | (code & 63));
	out[0] = (char)(first[length] | code);
	return length;
}

static void fill_unicode(char *field, size_t size)
{
	char text[256];
	size_t used = 0, wanted = below(size < 200 ? (unsigned)size + 8 : 200);
	while (used < wanted)
		used += put_utf8(text + used, random_code());
	text[used] = '\0';
	text_copy(field, size, text);
}

static void fill_gb18030(char *field, size_t size)
{
	uint8_t bytes[128];
	size_t used = 0, wanted = below(64);
	while (used < wanted)
		used += put_gb18030(bytes + used);
	text_decode(TEXT_GB18030, bytes, wanted, field, size); /* a fixed field may end inside the last character */
	assert_true(text_is_utf8(field, strlen(field)));
}

/* ---- every text comes back ---- */

/* Where a text of the reading may stand in its record; the first place is the usual one. */
struct place {
	size_t offset, size;
	const char *places[3]; /* "member" or "object.member" */
};

#define TEXT(field, ...)                                                                                               \
	{                                                                                                              \
		offsetof(struct reading, field), sizeof(((struct reading *)0)->field),                                 \
		{                                                                                                      \
			__VA_ARGS__                                                                                    \
		}                                                                                                      \
	}

static const struct place places[] = {
	TEXT(verdict_as_sent, "verdict_as_sent"),
	TEXT(instrument_seq, "instrument_seq"),
	TEXT(sample_no, "sample.no"),
	TEXT(sample_name, "sample.name"),
	TEXT(sample_category, "sample.category"),
	TEXT(party, "sample.party"),
	TEXT(origin, "sample.origin"),
	TEXT(item, "item.as_sent"),
	TEXT(method, "method"),
	TEXT(basis, "basis"),
	TEXT(value, "value", "said.value", "value_as_sent"),
	TEXT(qualifier, "qualifier", "said.qualifier"),
	TEXT(unit, "unit", "unit_as_sent"),
	TEXT(value_as_sent, "value_as_sent"),
	TEXT(operator_id, "operator.id", "said.operator_id"),
	TEXT(operator_name, "operator.name", "said.operator_name"),
	TEXT(tested_at, "said.tested_at"),
};

static const char *text_at(const struct json *record, const char *place)
{
	char object[32];
	const char *point = strchr(place, '.');
	if (!point)
		return js_get_text(record, place);
	snprintf(object, sizeof(object), "%.*s", (int)(point - place), place);
	const struct json *inner = js_get(record, object);
	return inner ? js_get_text(inner, point + 1) : NULL;
}

static void assert_stands(const struct json *record, const char *const *list, size_t count, const char *text)
{
	if (!*text && strcmp(list[0], "value_as_sent") == 0)
		return; /* a value in words may stand in its place */
	for (size_t i = 0; i < count && list[i]; i++) {
		const char *found = text_at(record, list[i]);
		if (*text ? found && strcmp(found, text) == 0 : !found)
			return;
	}
	fail_msg("%s should hold '%s' in %s", list[0], text, js_dump(record));
}

static struct config station = { .station = { .code = "330421103-01" } };

static struct json *parsed_record(const struct reading *reading)
{
	static const struct maker silent;
	struct instrument_config instrument = { .id = "x", .driver = driver_by_name("text") };
	struct reception reception = { .received_ms = INT64_C(1772674982118), .clock_synced = true };
	struct entry entry;
	struct fault fault;
	record_identify(&station, NULL, &instrument, &silent, reading, &reception, &entry);
	record_make(&station, &instrument, &silent, reading, &reception, NULL, &entry);
	size_t length = strlen(entry.body);
	char *text = malloc(length + 2);
	text[0] = '{'; /* the journal's head opens the brace */
	memcpy(text + 1, entry.body, length + 1);
	struct json *record = js_parse(text, length + 1, &fault);
	if (!record)
		print_error("%s in %s\n", fault.text, text);
	assert_non_null(record);
	/* and once more: what a platform writes out again is the same text */
	char *again = js_dump(record);
	assert_string_equal(again, text);
	free(again);
	free(text);
	free(entry.body);
	return record;
}

static void assert_raw(const struct json *record, const uint8_t *raw, size_t length)
{
	char base64[256];
	if (length == 0)
		assert_null(js_get_text(record, "raw"));
	else
		assert_string_equal(js_get_text(record, "raw"), digest_base64(raw, length, base64));
}

static void assert_every_text_comes_back(void (*fill)(char *field, size_t size), unsigned rounds)
{
	for (unsigned round = 0; round < rounds; round++) {
		struct reading reading = { .channel = -1 };
		uint8_t raw[96];
		for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++)
			fill((char *)&reading + places[i].offset, places[i].size);
		reading_signal(&reading, "abs", "");
		reading_said(&reading, "note", "");
		reading.signal_count = reading.said_count = 1;
		strcpy(reading.signals[0].name, "abs");
		strcpy(reading.said[0].name, "note");
		fill(reading.signals[0].value, sizeof(reading.signals[0].value));
		fill(reading.said[0].value, sizeof(reading.said[0].value));
		reading.raw = raw;
		reading.raw_length = below(sizeof(raw));
		for (size_t i = 0; i < reading.raw_length; i++)
			raw[i] = (uint8_t)below(256);
		struct json *record = parsed_record(&reading);
		for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++)
			assert_stands(record, places[i].places, 3, (const char *)&reading + places[i].offset);
		assert_stands(record, (const char *const[]){ "signals.abs" }, 1, reading.signals[0].value);
		assert_stands(record, (const char *const[]){ "said.note" }, 1, reading.said[0].value);
		assert_raw(record, raw, reading.raw_length);
		js_free(record);
	}
}

static void every_text_of_unicode_comes_back(void **state)
{
	(void)state;
	assert_every_text_comes_back(fill_unicode, 2000);
}

static void every_text_of_gb18030_comes_back(void **state)
{
	(void)state;
	assert_every_text_comes_back(fill_gb18030, 2000);
}

/* What was decoded without a mark is the bytes' own text: it encodes to the same bytes. Blanks at its ends do not
 * count. */
static void unmarked_gb18030_is_the_same_bytes_again(void **state)
{
	(void)state;
	iconv_t encoder = iconv_open("GB18030", "UTF-8");
	unsigned compared = 0;
	assert_true(encoder != (iconv_t)-1);
	for (unsigned round = 0; round < 20000; round++) {
		uint8_t bytes[64] = { 0 }, back[64];
		char text[256];
		size_t length = 0, wanted = between(2, 24);
		while (length < wanted)
			length += put_gb18030(bytes + length);
		if (text_decode(TEXT_GB18030, bytes, length, text, sizeof(text)) != 0 || bytes[0] == ' ' ||
			bytes[0] == '\t' || bytes[length - 1] == '\t' || bytes[length - 1] == ' ' ||
			memcmp(bytes, "\xA1\xA1", 2) == 0 || memcmp(bytes + length - 2, "\xA1\xA1", 2) == 0)
			continue;
		char *from = text, *to = (char *)back;
		size_t left = strlen(text), room = sizeof(back);
		assert_int_equal(iconv(encoder, &from, &left, &to, &room), 0);
		assert_int_equal(sizeof(back) - room, length);
		assert_memory_equal(back, bytes, length);
		compared++;
	}
	iconv_close(encoder);
	assert_true(compared > 500);
}

/* ---- the set of records ---- */

struct source { /* one capture: an instrument and what it said */
	struct instrument_config config;
	char options[4096];
	struct capture capture;
	size_t length;
};

struct pooled { /* one reading, with everything it points to */
	const struct source *source;
	struct maker maker;
	struct reading reading;
};

static struct source *sources;
static size_t source_count;

struct pool {
	struct pooled *list;
	size_t count, room;
};

static void open_source(const char *path)
{
	struct source *source = &sources[source_count];
	char copy[512], profile[256], golden[520];
	snprintf(golden, sizeof(golden), "%.*s.golden", (int)(strlen(path) - 4), path);
	if (access(golden, F_OK) != 0)
		return;
	snprintf(copy, sizeof(copy), "%s", path);
	source->config.driver = driver_by_name(basename(dirname(copy)));
	source->config.options = source->options;
	snprintf(source->config.id, sizeof(source->config.id), "in-%zu", source_count);
	FILE *file = fopen(path, "r");
	assert_int_equal(capture_read(file, path, &source->capture, NULL), 0);
	fclose(file);
	settings_defaults(&(struct settings_table){ source->config.driver->options, source->options });
	if (*source->capture.head.profile) {
		struct faults faults = { 0 };
		snprintf(profile, sizeof(profile), "config/profiles/%s.conf", source->capture.head.profile);
		assert_int_equal(profile_read(profile, source->config.driver, &source->config.profile, &faults), 0);
	}
	for (size_t i = 0; i < source->capture.count; i++)
		source->length = source->capture.items[i].offset + source->capture.items[i].length;
	source_count++;
}

static void keep(
	struct pool *pool, const struct source *source, const struct maker *maker, const struct reading *reading)
{
	if (pool->count == pool->room) {
		pool->room = pool->room ? 2 * pool->room : 256;
		pool->list = realloc(pool->list, pool->room * sizeof(*pool->list));
		assert_non_null(pool->list);
	}
	struct pooled *pooled = &pool->list[pool->count++];
	*pooled = (struct pooled){ .source = source, .maker = *maker, .reading = *reading };
	/* what it points to, in one piece */
	const struct {
		const uint8_t *bytes, **pointer;
		size_t length;
	} parts[] = {
		{ reading->raw, &pooled->reading.raw, reading->raw_length },
		{ reading->raw_head, &pooled->reading.raw_head, reading->raw_head_length },
		{ reading->identity, &pooled->reading.identity, reading->identity_length },
	};
	uint8_t *at = malloc(reading->raw_length + reading->raw_head_length + reading->identity_length + 1);
	assert_non_null(at);
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		*parts[i].pointer = at;
		if (parts[i].length)
			memcpy(at, parts[i].bytes, parts[i].length);
		at += parts[i].length;
	}
}

static void empty(struct pool *pool)
{
	for (size_t i = 0; i < pool->count; i++)
		free((void *)pool->list[i].reading.raw);
	free(pool->list);
	*pool = (struct pool){ 0 };
}

static void take_cuts(struct pool *pool, const struct source *source, struct instrument *instrument,
	struct cutter *cutter, bool final)
{
	static struct reading list[READINGS_AT_ONCE];
	struct cut cut;
	enum cut_kind kind;
	while ((kind = cutter_next(cutter, instrument, final, &cut)) != CUT_MORE) {
		struct reply reply = { .kind = REPLY_FRAME,
			.bytes = cut.bytes,
			.length = cut.length,
			.offset = cut.offset,
			.offline = true };
		enum next next = kind == CUT_FRAME ? NEXT_MORE : NEXT_WAIT;
		while (next == NEXT_MORE) {
			struct readings readings = { .list = list };
			next = instrument->driver->take(instrument, &reply, &readings);
			for (size_t i = 0; i < readings.count; i++)
				keep(pool, source, &instrument->maker, &list[i]);
		}
	}
}

/* Everything a source says, cut whole (0) or into pieces of at most `piece` bytes, at random. */
static void decode(struct pool *pool, const struct source *source, size_t piece)
{
	struct instrument instrument = {
		.driver = source->config.driver, .options = source->config.options, .profile = source->config.profile
	};
	struct cutter cutter = { 0 };
	instrument.state = calloc(1, driver_state_size(instrument.driver, instrument.profile));
	assert_int_equal(instrument.driver->setup(&instrument, NULL), 0);
	for (size_t at = 0; at < source->length;) {
		size_t length = piece ? between(1, (unsigned)piece) : source->length;
		length = length < source->length - at ? length : source->length - at;
		assert_int_equal(cutter_feed(&cutter, source->capture.bytes + at, length), 0);
		at += length;
		take_cuts(pool, source, &instrument, &cutter, at == source->length);
	}
	cutter_reset(&cutter);
	free(instrument.state);
}

static void shuffle(struct pool *pool)
{
	for (size_t i = pool->count; i > 1; i--) {
		size_t other = below((unsigned)i);
		struct pooled swap = pool->list[i - 1];
		pool->list[i - 1] = pool->list[other];
		pool->list[other] = swap;
	}
}

/* Some that can be read twice are read twice, or three times. */
static void duplicate(struct pool *pool)
{
	for (size_t count = pool->count, i = 0; i < count; i++)
		if (pool->list[i].reading.repeatable && below(3) == 0) {
			struct pooled again = pool->list[i];
			keep(pool, again.source, &again.maker, &again.reading);
		}
}

/* Stores the pool in batches: as many neighbours of one instrument as chance wants. */
static void store(struct intake *intake, const struct pool *pool, struct fault *fault)
{
	static struct reading list[READINGS_AT_ONCE];
	for (size_t at = 0; at < pool->count;) {
		const struct pooled *first = &pool->list[at];
		struct instrument instrument = { .driver = first->source->config.driver, .maker = first->maker };
		struct readings readings = { .list = list };
		size_t most = between(1, 16);
		for (; at < pool->count && readings.count < most; at++) {
			const struct pooled *next = &pool->list[at];
			if (next->source != first->source ||
				memcmp(&next->maker, &first->maker, sizeof(first->maker)) != 0)
				break;
			list[readings.count++] = next->reading;
		}
		struct intake_batch *batch = intake_judge(intake, &first->source->config, &instrument, &readings);
		struct intake_result result;
		assert_int_equal(intake_store(intake, batch, &result, fault), 0);
		intake_batch_free(batch);
	}
}

struct set {
	char **list;
	size_t count, room;
};

/* A record without what depends on when and where it came; one that is its own event has an id by chance. Of a test
 * that an instrument lists twice the bytes of the listing that came first are kept: they hold counters of the listing.
 */
static int add_record(void *context, const struct stored *stored)
{
	static const char *const varies[] = { "epoch", "seq", "prev", "received_at", "clock" };
	struct set *set = context;
	struct fault fault;
	struct json *record = js_parse(stored->payload, stored->length, &fault), *kept = js_new_object();
	const char *id = js_get_text(record, "id"), *key;
	bool by_chance = id && id[14] == '7';
	for (size_t i = 0; i < js_count(record); i++) {
		struct json *value = js_member(record, i, &key);
		bool dropped = strcmp(key, by_chance ? "id" : "raw") == 0;
		for (size_t v = 0; v < sizeof(varies) / sizeof(*varies); v++)
			dropped |= strcmp(key, varies[v]) == 0;
		if (!dropped)
			js_put(kept, key, js_copy(value));
	}
	if (set->count == set->room) {
		set->room = set->room ? 2 * set->room : 256;
		set->list = realloc(set->list, set->room * sizeof(*set->list));
		assert_non_null(set->list);
	}
	set->list[set->count++] = js_dump(kept);
	js_free(kept);
	js_free(record);
	return 0;
}

static int by_text(const void *one, const void *other)
{
	return strcmp(*(char *const *)one, *(char *const *)other);
}

static struct set records_of(const struct pool *pool)
{
	struct fixture *fixture = fixture_directory();
	struct config *config = calloc(1, sizeof(*config));
	struct faults faults = { 0 };
	struct set set = { 0 };
	config->holders = 1;
	text_copy(config->station.code, sizeof(config->station.code), "330421103-01");
	assert_int_equal(items_load("config/items.csv", &config->items, &faults), 0);
	assert_int_equal(fixture_start(fixture), 0);
	struct intake *intake = intake_new(fixture->journal, config);
	store(intake, pool, &fixture->fault);
	assert_true(journal_read(fixture->reader, 1, 1000000, add_record, &set, &fixture->fault) > 0);
	intake_free(intake);
	config_release(config);
	fixture_stop(fixture);
	fixture_remove(fixture);
	qsort(set.list, set.count, sizeof(*set.list), by_text);
	return set;
}

static void free_set(struct set *set)
{
	for (size_t i = 0; i < set->count; i++)
		free(set->list[i]);
	free(set->list);
}

static void assert_same(const struct set *one, const struct set *other)
{
	for (size_t i = 0; i < one->count && i < other->count; i++)
		if (strcmp(one->list[i], other->list[i]) != 0) {
			print_error("%zu and %zu records\n%s\n%s\n", one->count, other->count, one->list[i],
				other->list[i]);
			fail();
		}
	assert_int_equal(one->count, other->count);
}

static void order_duplicates_and_cuts_change_no_record(void **state)
{
	(void)state;
	static const size_t pieces[] = { 1, 7, 300 };
	struct pool pool = { 0 };
	for (size_t i = 0; i < source_count; i++)
		decode(&pool, &sources[i], 0);
	struct set wanted = records_of(&pool);
	print_message("%zu readings of %zu captures make %zu records\n", pool.count, source_count, wanted.count);
	assert_true(wanted.count > 100);
	empty(&pool);
	for (size_t round = 0; round < sizeof(pieces) / sizeof(*pieces); round++) {
		for (size_t i = 0; i < source_count; i++)
			decode(&pool, &sources[i], pieces[round]);
		duplicate(&pool);
		if (round > 0)
			shuffle(&pool);
		struct set got = records_of(&pool);
		assert_same(&got, &wanted);
		free_set(&got);
		empty(&pool);
	}
	free_set(&wanted);
}

static int prepare(void **state)
{
	struct faults faults = { 0 };
	glob_t paths;
	(void)state;
	setenv("TZ", "Asia/Shanghai", 1);
	tzset();
	if (glob("tests/captures/*/*.hex", 0, NULL, &paths) != 0)
		return -1;
	sources = calloc(paths.gl_pathc, sizeof(*sources));
	for (size_t i = 0; i < paths.gl_pathc; i++)
		open_source(paths.gl_pathv[i]);
	globfree(&paths);
	return items_load("config/items.csv", &station.items, &faults);
}

static int tidy(void **state)
{
	(void)state;
	for (size_t i = 0; i < source_count; i++) {
		capture_free(&sources[i].capture);
		free(sources[i].config.profile);
	}
	free(sources);
	items_free(station.items);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_text_of_unicode_comes_back),
		cmocka_unit_test(every_text_of_gb18030_comes_back),
		cmocka_unit_test(unmarked_gb18030_is_the_same_bytes_again),
		cmocka_unit_test(order_duplicates_and_cuts_change_no_record),
	};
	return cmocka_run_group_tests(tests, prepare, tidy);
}
