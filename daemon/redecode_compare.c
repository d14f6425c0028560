/* What of two records is the instrument's word, and whether it is the same. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cutter.h"
#include "record_read.h"
#include "redecode_parts.h"

/* --- decoding ------------------------------------------------------------------------------------------------------
 */

struct decoding {
	struct instrument instrument;
	struct readings readings;
	void (*each)(void *context, const struct instrument *instrument, const struct readings *readings);
	void *context;
};

static void hand_on(struct decoding *decoding)
{
	if (decoding->readings.count > 0)
		decoding->each(decoding->context, &decoding->instrument, &decoding->readings);
}

static void take_frames(struct decoding *decoding, const uint8_t *raw, size_t length)
{
	struct cutter cutter = { 0 };
	struct cut cut;
	enum cut_kind kind;
	struct reading *list = decoding->readings.list;
	if (cutter_feed(&cutter, raw, length) < 0)
		abort();
	while ((kind = cutter_next(&cutter, &decoding->instrument, true, &cut)) != CUT_MORE) {
		struct reply reply = { .kind = REPLY_FRAME, .bytes = cut.bytes, .length = cut.length };
		reply.offset = cut.offset;
		reply.offline = true;
		if (kind == CUT_NOISE)
			continue;
		decoding->readings = (struct readings){ .list = list };
		while (decoding->instrument.driver->take(&decoding->instrument, &reply, &decoding->readings) ==
			NEXT_MORE) {
			hand_on(decoding);
			decoding->readings = (struct readings){ .list = list };
		}
		hand_on(decoding);
	}
	cutter_reset(&cutter);
}

void redecode_raw(const struct instrument_config *config, const struct reading *before, const struct date_time *now,
	const uint8_t *raw, size_t length,
	void (*each)(void *context, const struct instrument *instrument, const struct readings *readings),
	void *context)
{
	const struct driver *driver = config->driver;
	struct decoding decoding = { .each = each, .context = context };
	decoding.instrument =
		(struct instrument){ .driver = driver, .options = config->options, .profile = config->profile };
	decoding.instrument.state = calloc(1, driver_state_size(driver, config->profile));
	const char *file = reading_has_said(before, "file");
	decoding.instrument.file = *file ? file : NULL;
	decoding.instrument.now = *now;
	decoding.readings.list = calloc(READINGS_AT_ONCE, sizeof(struct reading));
	if (!decoding.instrument.state || !decoding.readings.list)
		abort();
	struct reading *list = decoding.readings.list;
	if (driver->setup(&decoding.instrument, NULL) == 0) {
		if (driver->take_raw) {
			driver->take_raw(&decoding.instrument, before, raw, length, &decoding.readings);
			hand_on(&decoding);
		} else if (driver->raw_alone && driver->frame) {
			take_frames(&decoding, raw, length);
		}
	}
	free(list);
	free(decoding.instrument.state);
}

void redecode_before(const struct json *record, struct reading *ret_before)
{
	const struct json *said = js_get(record, "said");
	const char *unit = js_text_in(record, "unit_as_sent"), *key;
	*ret_before = (struct reading){ .channel = -1 };
	snprintf(ret_before->item, sizeof(ret_before->item), "%s", js_text_in(js_get(record, "item"), "as_sent"));
	snprintf(ret_before->unit, sizeof(ret_before->unit), "%s", *unit ? unit : js_text_in(record, "unit"));
	for (size_t i = 0; js_member(said, i, &key); i++)
		reading_said(ret_before, key, js_text_in(said, key));
}

/* --- comparing -----------------------------------------------------------------------------------------------------
 */

/* Members that are the instrument's own words, whole. */
static const char *const members[] = { "kind", "instrument_seq", "channel", "value", "qualifier", "unit",
	"value_as_sent", "unit_as_sent", "signals", "verdict_as_sent", "tested_at" };

/* In `said` these depend on the station's tables: whether another member shows them; and those of a driver are for
 * reading the bytes again, no word of the instrument. */
static bool no_word_of_its_own(const char *key)
{
	return strcmp(key, "limit") == 0 || strncmp(key, "operator_", 9) == 0 || strncmp(key, "raw_", 4) == 0;
}

static struct json *sample_of(const struct json *record)
{
	static const char *const keys[] = { "no", "name", "category", "party", "origin" };
	struct json *sample = js_new_object();
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		js_put_text_if(sample, keys[i], js_text_in(js_get(record, "sample"), keys[i]));
	return sample;
}

/* The instrument's word in a record, and nothing of the tables' or of people's. */
static struct json *word_of(const struct json *record, bool with_sample)
{
	struct json *word = js_new_object(), *said = js_new_object();
	for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++)
		if (js_get(record, members[i]))
			js_put(word, members[i], js_copy(js_get(record, members[i])));
	if (with_sample)
		js_put(word, "sample", sample_of(record));
	js_put_text_if(word, "item", js_text_in(js_get(record, "item"), "as_sent"));
	if (strcmp(js_text_in(record, "verdict_by"), "instrument") == 0)
		js_put_text_if(word, "verdict", js_text_in(record, "verdict"));
	const char *key;
	for (size_t i = 0; js_member(js_get(record, "said"), i, &key); i++)
		if (!no_word_of_its_own(key))
			js_put(said, key, js_copy(js_get(js_get(record, "said"), key)));
	js_put(word, "said", said);
	return word;
}

static void put_difference(struct json *changes, const struct json *was, const struct json *is, const char *key)
{
	const struct json *before = js_get(was, key), *after = js_get(is, key);
	char *one = before ? js_dump(before) : strdup(""), *other = after ? js_dump(after) : strdup("");
	if (!one || !other)
		abort();
	if (strcmp(one, other) != 0) {
		if (before)
			js_put(js_get(changes, "was"), key, js_copy(before));
		if (after)
			js_put(js_get(changes, "is"), key, js_copy(after));
	}
	free(one);
	free(other);
}

struct json *redecode_changes(const struct json *old, const struct json *new)
{
	bool with_sample = !record_people_named_it(old);
	struct json *was = word_of(old, with_sample), *is = word_of(new, with_sample), *changes = js_new_object();
	const char *key;
	js_put(changes, "was", js_new_object());
	js_put(changes, "is", js_new_object());
	for (size_t i = 0; js_member(was, i, &key); i++)
		put_difference(changes, was, is, key);
	for (size_t i = 0; js_member(is, i, &key); i++)
		if (!js_get(was, key))
			put_difference(changes, was, is, key);
	if (js_count(js_get(changes, "was")) + js_count(js_get(changes, "is")) == 0) {
		js_free(changes);
		changes = NULL;
	}
	js_free(was);
	js_free(is);
	return changes;
}

/* --- matching ------------------------------------------------------------------------------------------------------
 */

static bool same_channel(const struct json *a, const struct json *b)
{
	return js_get_integer(a, "channel", -1) == js_get_integer(b, "channel", -1);
}

static bool same_number(const struct json *a, const struct json *b)
{
	return strcmp(js_text_in(a, "instrument_seq"), js_text_in(b, "instrument_seq")) == 0;
}

static bool same_item(const struct json *a, const struct json *b)
{
	return strcmp(js_text_in(js_get(a, "item"), "as_sent"), js_text_in(js_get(b, "item"), "as_sent")) == 0;
}

static bool same_value(const struct json *a, const struct json *b)
{
	return strcmp(js_text_in(a, "value_as_sent"), js_text_in(b, "value_as_sent")) == 0;
}

/* By one sign after the other; a sign that fits none of those left says nothing, because it may be what was wrong. */
size_t redecode_match(const struct json *old, struct json *const *list, size_t count)
{
	static bool (*const signs[])(
		const struct json *, const struct json *) = { same_channel, same_number, same_item, same_value };
	bool *out = calloc(count + 1, sizeof(*out));
	size_t left = count, found = count;
	if (!out)
		abort();
	for (size_t s = 0; s < sizeof(signs) / sizeof(*signs) && left > 1; s++) {
		size_t fits = 0;
		for (size_t i = 0; i < count; i++)
			fits += !out[i] && signs[s](old, list[i]);
		for (size_t i = 0; i < count && fits > 0; i++)
			out[i] = out[i] || !signs[s](old, list[i]);
		left = fits > 0 ? fits : left;
	}
	for (size_t i = 0; i < count && left == 1; i++)
		if (!out[i])
			found = i;
	free(out);
	return found;
}

/* ---- what the tables knew ---- */

/* What a table gives a record. */
static struct json *meaning_of(const struct json *record)
{
	static const char *const keys[] = { "commodity", "item", "method", "basis", "unit", "limit", "verdict", "rule",
		"flags" };
	struct json *meaning = js_new_object();
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (js_get(record, keys[i]))
			js_put(meaning, keys[i], js_copy(js_get(record, keys[i])));
	return meaning;
}

struct json *redecode_mapped(const struct json *old, const struct json *new)
{
	static const char *const flags[] = { "unmapped_item", "unmapped_unit", "unmapped_basis", "unmapped_sample" };
	bool mapped = false;
	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
		if (record_has_flag(new, flags[i]) && !record_has_flag(old, flags[i]))
			return NULL;
		mapped |= record_has_flag(old, flags[i]) && !record_has_flag(new, flags[i]);
	}
	if (!mapped)
		return NULL;
	struct json *changes = js_new_object();
	js_put(changes, "was", meaning_of(old));
	js_put(changes, "is", meaning_of(new));
	return changes;
}
