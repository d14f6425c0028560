#include "rebind.h"

#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "facts.h"
#include "judge.h"
#include "record_read.h"

bool rebind_is_done(const struct json *record, const struct registration *to)
{
	const struct json *sample = js_get(record, "sample");
	struct sample_facts facts;
	if (!to)
		return !sample;
	if (!record_people_named_it(record) || record_has_flag(record, "sample_disagrees"))
		return false;
	facts_get(sample, &facts);
	for (const struct fact *fact = facts_table; fact->name; fact++)
		if (strcmp(fact_of(&facts, fact), fact_of(&to->facts, fact)) != 0)
			return false;
	return true;
}

/* ---- what the sample means for the verdict ---- */

/* Flags that may hang on whose sample it is. */
static const char *const sample_flags[] = { "limit_disagrees", "limit_ended", "verdict_disagrees", "unit_differs",
	"unit_missing", "retest_required", "matrix_interference", "unmapped_sample" };

/* By the tables now, of an instrument as far as the record tells of it. */
static void judge_again(
	const struct config *config, const struct json *record, struct reading *reading, struct judgement *ret)
{
	const struct json *instrument = js_get(record, "instrument");
	struct reception reception = record_reception(record);
	struct instrument_config from = { .driver = driver_by_name(js_text_in(instrument, "driver")) };
	snprintf(from.id, sizeof(from.id), "%s", js_text_in(instrument, "id"));
	snprintf(from.profile_name, sizeof(from.profile_name), "%s", js_text_in(instrument, "profile"));
	judge(config, &from, reading, &reception, ret);
}

static bool same_limit(const struct limit *limit, const struct json *told)
{
	return strcmp(limit->op, js_text_in(told, "op")) == 0 && strcmp(limit->value, js_text_in(told, "value")) == 0 &&
	       strcmp(limit->source, js_text_in(told, "source")) == 0;
}

static bool same_judgement(const struct judgement *a, const struct judgement *b)
{
	bool same = a->verdict == b->verdict && strcmp(a->limit.op, b->limit.op) == 0 &&
	            strcmp(a->limit.value, b->limit.value) == 0 && strcmp(a->limit.unit, b->limit.unit) == 0 &&
	            strcmp(a->limit.source, b->limit.source) == 0 && strcmp(a->rule, b->rule) == 0;
	for (size_t i = 0; i < sizeof(sample_flags) / sizeof(*sample_flags) && same; i++)
		same = judgement_has(a, sample_flags[i]) == judgement_has(b, sample_flags[i]);
	return same;
}

/* Only what the two samples tell apart is put in or taken out. */
static void put_flags(struct json *record, const struct judgement *before, const struct judgement *after)
{
	struct json *flags = js_new_array();
	const struct json *old = js_get(record, "flags");
	for (size_t i = 0; i < js_count(old); i++) {
		const char *flag = js_text_of(js_at(old, i));
		bool gone = strcmp(flag, "sample_disagrees") == 0;
		for (size_t j = 0; j < sizeof(sample_flags) / sizeof(*sample_flags); j++)
			gone |= strcmp(flag, sample_flags[j]) == 0 && judgement_has(before, flag) &&
			        !judgement_has(after, flag);
		if (!gone)
			js_append(flags, js_new_text(flag));
	}
	for (size_t j = 0; j < sizeof(sample_flags) / sizeof(*sample_flags); j++)
		if (judgement_has(after, sample_flags[j]) && !judgement_has(before, sample_flags[j]) &&
			!record_has_flag(record, sample_flags[j]))
			js_append(flags, js_new_text(sample_flags[j]));
	js_put(record, "flags", flags);
}

static void judge_sample(const struct config *config, const struct json *old, struct json *record)
{
	struct reading was, is;
	struct judgement before, after;
	record_as_reading(old, false, &was);
	judge_again(config, old, &was, &before);
	bool limit_said = js_get(old, "limit") && !same_limit(&before.limit, js_get(old, "limit"));
	if (limit_said) {
		record_as_reading(old, true, &was);
		judge_again(config, old, &was, &before);
	}
	record_as_reading(record, limit_said, &is);
	judge_again(config, record, &is, &after);
	put_flags(record, &before, &after);
	record_put_commodity(record, &after);
	if (!same_judgement(&before, &after))
		record_put_judgement(record, &after);
}

/* ---- the record ---- */

static void put_sample(struct json *record, const struct registration *to)
{
	js_remove(record, "sample");
	if (!to)
		return;
	struct json *sample = js_new_object();
	facts_put(sample, &to->facts);
	js_put_text(sample, "bound_by", "corrected");
	js_put_text(sample, "registered_by", to->by);
	js_put(record, "sample", sample);
}

static void put_correction(struct json *record, const struct json *old, const struct rebinding *rebinding)
{
	char at[CLOCK_TEXT_MAX];
	struct json *correction = js_new_object();
	js_put_text(correction, "by", rebinding->by);
	js_put_text(correction, "why", rebinding->why);
	js_put_text(correction, "at", clock_text(at, rebinding->at_ms));
	if (js_get(old, "sample"))
		js_put(correction, "was", js_copy(js_get(old, "sample")));
	js_put(record, "correction", correction);
}

struct json *rebind_record(const struct config *config, const struct json *old, const struct rebinding *rebinding)
{
	static const char *const head[] = { "v", "id", "station", "epoch", "seq", "prev" };
	struct json *record = js_copy(old);
	for (size_t i = 0; i < sizeof(head) / sizeof(*head); i++)
		js_remove(record, head[i]);
	js_put_text(record, "supersedes", js_text_in(old, "id"));
	put_sample(record, rebinding->to);
	put_correction(record, old, rebinding);
	judge_sample(config, old, record);
	return record;
}
