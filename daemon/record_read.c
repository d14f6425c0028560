#include "record_read.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "../drivers/text.h"
#include "rule.h"

bool record_has_flag(const struct json *record, const char *flag)
{
	const struct json *flags = js_get(record, "flags");
	for (size_t i = 0; i < js_count(flags); i++) {
		const char *text = js_text_of(js_at(flags, i));
		if (text && strcmp(text, flag) == 0)
			return true;
	}
	return false;
}

enum verdict record_verdict(const struct json *record)
{
	const char *text = js_text_in(record, "verdict");
	for (int verdict = VERDICT_NONE; verdict <= VERDICT_INVALID; verdict++)
		if (strcmp(verdict_name((enum verdict)verdict), text) == 0)
			return (enum verdict)verdict;
	return VERDICT_NONE;
}

bool record_is_sample(const struct json *record)
{
	return strcmp(js_text_in(record, "kind"), kind_name(KIND_SAMPLE)) == 0;
}

int64_t record_time(const char *text)
{
	struct tm at = { 0 };
	int millis = 0, hours = 0, minutes = 0;
	char sign = 0;
	/* ours has thousandths, an instrument's has none */
	int got = sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d.%3d%c%2d:%2d", &at.tm_year, &at.tm_mon, &at.tm_mday,
		&at.tm_hour, &at.tm_min, &at.tm_sec, &millis, &sign, &hours, &minutes);
	if (got == 6)
		got = 1 + sscanf(text + strcspn(text, "T"), "T%*2d:%*2d:%*2d%c%2d:%2d", &sign, &hours, &minutes) + 6;
	if (got != 10 || (sign != '+' && sign != '-'))
		return 0;
	at.tm_year -= 1900;
	at.tm_mon -= 1;
	int64_t offset_s = (hours * 60 + minutes) * 60;
	return ((int64_t)timegm(&at) - (sign == '-' ? -offset_s : offset_s)) * 1000 + millis;
}

/* What was known of the instrument's clock then; that it tested in our future is seen again. */
static struct skew_known skew_of(const struct json *old)
{
	const struct json *clock = js_get(old, "clock");
	struct skew_known known = { .by = skew_by_word(js_text_in(clock, "skew_by")) };
	if (known.by == SKEW_UNKNOWN && *js_text_in(js_get(old, "said"), "clock"))
		known.by = SKEW_BY_CLOCK; /* of a gateway that did not write down how it was known */
	if (known.by == SKEW_BY_FUTURE || !js_get(clock, "skew_s"))
		known.by = SKEW_UNKNOWN;
	known.skew_s = js_get_integer(clock, "skew_s", 0);
	return known;
}

struct reception record_reception(const struct json *entry)
{
	const char *received = js_text_in(entry, "received_at");
	return (struct reception){
		.received_ms = record_time(*received ? received : js_text_in(entry, "at")),
		.clock_synced = js_get_bool(js_get(entry, "clock"), "synced", false),
		.up_ms = js_get_integer(js_get(entry, "clock"), "up_ms", 0),
		.skew = skew_of(entry),
	};
}

struct record_test record_test(const struct json *record)
{
	const struct json *sample = js_get(record, "sample"), *item = js_get(record, "item");
	const char *code = js_text_in(item, "code");
	return (struct record_test){
		.sample_no = js_text_in(sample, "no"),
		.item = *code ? code : js_text_in(item, "as_sent"),
		.source = *js_text_in(sample, "registered_by") ? "" : js_text_in(js_get(record, "instrument"), "id"),
	};
}

/* Said by whoever judged it, else by the instrument, else by what a control or blank is. */
static enum verdict expected_of(const struct json *record, enum kind kind)
{
	const char *words[] = { js_text_in(js_get(record, "qc"), "expected"),
		js_text_in(js_get(record, "said"), kind_name(kind)) };
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		for (enum verdict verdict = VERDICT_NEGATIVE; verdict <= VERDICT_POSITIVE; verdict++)
			if (strcmp(words[i], verdict_name(verdict)) == 0)
				return verdict;
	return kind == KIND_BLANK || kind == KIND_CONTROL ? VERDICT_NEGATIVE : VERDICT_NONE;
}

bool record_control(const struct json *record, struct measured_control *ret)
{
	const char *kind = js_text_in(record, "kind"), *state = js_text_in(js_get(record, "qc"), "state");
	*ret = (struct measured_control){ .state = CONTROL_UNJUDGED };
	for (enum kind each = KIND_BLANK; each <= KIND_CALIBRATION; each++)
		if (strcmp(kind_name(each), kind) == 0)
			ret->kind = each;
	if (ret->kind == KIND_SAMPLE)
		return false;
	snprintf(ret->id, sizeof(ret->id), "%s", js_text_in(record, "id"));
	if (ret->kind == KIND_CALIBRATION)
		ret->state = CONTROL_NONE;
	else
		ret->expected = expected_of(record, ret->kind);
	for (enum control_state each = CONTROL_VALID; each <= CONTROL_FAILED; each++)
		if (strcmp(control_state_name(each), state) == 0)
			ret->state = each;
	bool trusted = *js_text_in(record, "tested_at") && !record_has_flag(record, "clock_suspect");
	ret->at_ms = record_time(js_text_in(record, trusted ? "tested_at" : "received_at"));
	return ret->at_ms > 0;
}

bool record_people_named_it(const struct json *record)
{
	const struct json *sample = js_get(record, "sample");
	const char *by = js_text_in(sample, "bound_by");
	return js_get(record, "correction") || *js_text_in(sample, "registered_by") || js_get(sample, "registered") ||
	       (*by && strcmp(by, "instrument") != 0);
}

/* ---- the reading ---- */

static void copy_text(char *out, size_t size, const char *text, const char *otherwise)
{
	text_copy(out, size, *text ? text : otherwise);
}

#define COPY(into, text, otherwise) copy_text(into, sizeof(into), text, otherwise)

/* "< 60 % GB 2763", as record.c writes it beside another limit. */
static void read_limit(const char *text, struct reading *ret)
{
	char *const parts[] = { ret->limit_op, ret->limit_value, ret->limit_unit };
	const size_t sizes[] = { sizeof(ret->limit_op), sizeof(ret->limit_value), sizeof(ret->limit_unit) };
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		size_t length = strcspn(text, " ");
		if (length >= sizes[i])
			break;
		memcpy(parts[i], text, length);
		parts[i][length] = '\0';
		text += length + (text[length] == ' ');
	}
	if (!rule_sign(ret->limit_op)) /* it had none, and cannot be used */
		ret->limit_value[0] = '\0';
	COPY(ret->limit_source, text, "");
}

static void read_named(const struct json *record, struct reading *ret)
{
	const struct json *signals = js_get(record, "signals"), *said = js_get(record, "said");
	const char *key;
	for (size_t i = 0; js_member(signals, i, &key); i++)
		reading_signal(ret, key, js_text_in(signals, key));
	for (size_t i = 0; js_member(said, i, &key); i++)
		reading_said(ret, key, js_text_in(said, key));
}

static void read_marks(const struct json *record, struct reading *ret)
{
	for (unsigned mark = READING_TEXT_CUT; mark <= READING_RETEST; mark <<= 1)
		if (record_has_flag(record, reading_mark_name((enum reading_mark)mark)))
			ret->marks |= mark;
}

static void read_sample(const struct json *sample, struct reading *ret)
{
	COPY(ret->sample_no, js_text_in(sample, "no"), "");
	COPY(ret->sample_name, js_text_in(sample, "name"), "");
	COPY(ret->sample_category, js_text_in(sample, "category"), "");
	COPY(ret->party, js_text_in(sample, "party"), "");
	COPY(ret->origin, js_text_in(sample, "origin"), "");
}

void record_as_reading(const struct json *record, bool limit_said, struct reading *ret)
{
	const struct json *item = js_get(record, "item"), *said = js_get(record, "said");
	const struct json *limit = js_get(record, "limit");
	char other[160];
	*ret = (struct reading){ .channel = -1 };
	while (ret->kind < KIND_CALIBRATION && strcmp(kind_name(ret->kind), js_text_in(record, "kind")) != 0)
		ret->kind++;
	if (strcmp(js_text_in(record, "verdict_by"), "instrument") == 0)
		ret->verdict = record_verdict(record);
	COPY(ret->item, js_text_in(item, "code"), js_text_in(item, "as_sent"));
	COPY(ret->basis, js_text_in(record, "basis"), "");
	COPY(other, js_text_in(said, "value"), js_text_in(record, "value_as_sent"));
	COPY(ret->value, js_text_in(record, "value"), other);
	COPY(ret->value_as_sent, js_text_in(record, "value_as_sent"), "");
	COPY(ret->qualifier, js_text_in(record, "qualifier"), js_text_in(said, "qualifier"));
	COPY(ret->unit, js_text_in(record, "unit_as_sent"), js_text_in(record, "unit"));
	snprintf(other, sizeof(other), "%.19s", js_text_in(record, "tested_at"));
	COPY(ret->tested_at, other, js_text_in(said, "tested_at"));
	ret->year_inferred = js_get(record, "tested_at") && *js_text_in(said, "time_without_year");
	if (strlen(js_text_in(record, "tested_at")) > 19)
		COPY(ret->tested_zone, js_text_in(record, "tested_at") + 19, "");
	if (*js_text_in(said, "limit")) {
		read_limit(js_text_in(said, "limit"), ret);
	} else if (limit_said) {
		COPY(ret->limit_op, js_text_in(limit, "op"), "");
		COPY(ret->limit_value, js_text_in(limit, "value"), "");
		COPY(ret->limit_unit, js_text_in(limit, "unit"), "");
		COPY(ret->limit_source, js_text_in(limit, "source"), "");
	}
	read_sample(js_get(record, "sample"), ret);
	read_named(record, ret);
	read_marks(record, ret);
}
