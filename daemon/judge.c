#include "judge_parts.h"

#include <stdlib.h>
#include <string.h>

#include "../drivers/text.h"
#include "signals.h"
#include "spellings.h"
#include "units.h"

#define DAY_MS         (24 * 60 * 60 * INT64_C(1000))
#define SKEW_SUSPECT_S 600
#define FIRST_YEAR     "2015" /* no instrument of this trade was tested before; "2011-01-02" is a dead battery */

static void flag(struct judgement *to, const char *name)
{
	judge_flag(to, name);
}

void judge_flag(struct judgement *to, const char *name)
{
	if (to->flag_count < JUDGE_FLAGS_MAX)
		to->flags[to->flag_count++] = name;
}

bool judgement_has(const struct judgement *judgement, const char *name)
{
	for (size_t i = 0; i < judgement->flag_count; i++)
		if (strcmp(judgement->flags[i], name) == 0)
			return true;
	return false;
}

static const char *said_by(const struct reading *reading, const char *name)
{
	for (size_t i = 0; i < reading->said_count; i++)
		if (strcmp(reading->said[i].name, name) == 0)
			return reading->said[i].value;
	return "";
}

/* ---- what was tested ---- */

static void judge_item(const struct config *config, const struct instrument_config *instrument,
	const struct reading *reading, struct judgement *to)
{
	const char *text = *reading->item ? reading->item : instrument->item;
	const char *driver = instrument->driver ? instrument->driver->name : "";
	const char *const scopes[] = { instrument->id, instrument->profile_name, driver, NULL };
	to->basis = *reading->basis ? reading->basis : instrument->basis;
	if (!*text && instrument->driver && instrument->driver->item)
		text = instrument->driver->item;
	if (*text && config->items)
		to->item = items_find(config->items, text, to->basis, scopes);
	if (!to->item) {
		to->item_name = *reading->item ? "" : instrument->item;
		flag(to, "unmapped_item");
	}
	to->method = *reading->method ? reading->method : to->item ? to->item->method : "";
	if (!*to->basis && to->item)
		to->basis = to->item->basis;
}

static void judge_value(const struct reading *reading, struct judgement *to)
{
	const char *ucum = units_ucum(reading->unit);
	to->unit = ucum ? ucum : reading->unit;
	if (*reading->unit && !ucum)
		flag(to, "unmapped_unit");
	const char *sign = rule_sign(reading->qualifier);
	if (decimal_valid(reading->value) && (sign || !*reading->qualifier)) {
		to->value = reading->value + (*reading->value == '+');
		to->qualifier = sign ? sign : "";
	} else if (*reading->value || *reading->qualifier) {
		to->finding = *reading->qualifier ? FINDING_NONE : reading_finding(reading->value);
		if (to->finding == FINDING_NONE)
			flag(to, "unmapped_value");
	}
}

/* ---- verdict ---- */

static struct limit said_limit(const struct reading *reading)
{
	struct limit limit = { 0 };
	const char *ucum = units_ucum(reading->limit_unit);
	const char *sign = rule_sign(reading->limit_op);
	text_copy(limit.op, sizeof(limit.op), sign ? sign : reading->limit_op);
	text_copy(limit.value, sizeof(limit.value), reading->limit_value);
	text_copy(limit.unit, sizeof(limit.unit), ucum ? ucum : reading->limit_unit);
	text_copy(limit.source, sizeof(limit.source), reading->limit_source);
	return limit;
}

static bool limit_usable(const struct limit *limit)
{
	return rule_sign(limit->op) && decimal_valid(limit->value) && limit->value[0] != '+';
}

/* The unit a value must have for the item's rule to speak about it; NULL: any. */
static const char *rule_unit(const struct item *item, const struct limit *limit)
{
	switch (item->rule.kind) {
	case RULE_INHIBITION:
		return "%";
	case RULE_LIMIT:
		return limit ? limit->unit : NULL;
	case RULE_NOT_DETECTED:
		return NULL;
	default:
		return item->unit;
	}
}

/* Not detected keeps every limit; detected, without a number, breaks only a ban. */
static enum verdict finding_verdict(enum finding finding, enum rule_kind kind)
{
	bool about_finding = kind == RULE_NOT_DETECTED || kind == RULE_DETECTED;
	if (finding == FINDING_NOT_DETECTED && (about_finding || kind == RULE_LIMIT))
		return VERDICT_NEGATIVE;
	return finding == FINDING_DETECTED && about_finding ? VERDICT_POSITIVE : VERDICT_NONE;
}

/* What the rule is applied to, and in which unit: the value, or the inhibition that the signals make where the
 * instrument displays none (and says nothing in its place). */
static bool subject(const struct reading *reading, struct judgement *to, const char **ret_value, const char **ret_unit)
{
	*ret_value = to->value;
	*ret_unit = to->unit;
	if (*to->value)
		return true;
	if (to->item->rule.kind != RULE_INHIBITION || *reading->value || *reading->value_as_sent ||
		!signals_inhibition(reading, to->judged_value))
		return false;
	text_copy(to->judged_unit, sizeof(to->judged_unit), "%");
	*ret_value = to->judged_value;
	*ret_unit = "%";
	flag(to, "value_recomputed");
	return true;
}

static enum verdict value_verdict(
	const struct reading *reading, const struct rule *rule, const struct limit *limit, struct judgement *to)
{
	const char *value, *unit, *wanted = rule_unit(to->item, limit);
	if ((reading->marks & READING_OUT_OF_RANGE) && !*to->qualifier)
		return VERDICT_NONE;
	if (to->finding != FINDING_NONE)
		return finding_verdict(to->finding, rule->kind);
	if (!subject(reading, to, &value, &unit))
		return VERDICT_NONE;
	if (!*unit) {
		flag(to, "unit_missing");
		return VERDICT_NONE;
	}
	if (wanted && strcmp(wanted, unit) != 0) {
		if (!units_convert(to->judged_value, value, unit, wanted)) {
			flag(to, "unit_differs");
			return VERDICT_NONE;
		}
		text_copy(to->judged_unit, sizeof(to->judged_unit), wanted);
		value = to->judged_value;
	}
	return rule_value(rule, to->qualifier, value, limit);
}

/* The rule with the two limits that the instrument sent with this result, where the item's rule has none of its own. */
static struct rule rule_of(const struct reading *reading, struct judgement *to)
{
	struct rule rule = to->item->rule;
	const char *low = said_by(reading, "limit_low"), *high = said_by(reading, "limit_up");
	bool said = decimal_valid(low) && decimal_valid(high) && decimal_compare(low, high) <= 0;
	if (rule.kind != RULE_TWO_LIMITS || !said)
		return rule;
	if (!*rule.low)
		rule_between(&rule, low, high);
	else if (decimal_compare(rule.low, low) != 0 || decimal_compare(rule.high, high) != 0)
		flag(to, "limit_disagrees");
	return rule;
}

enum verdict judge_rule(const struct reading *reading, const struct limit *limit, struct judgement *to)
{
	enum verdict verdict;
	if (!to->item || reading->verdict == VERDICT_INVALID)
		return VERDICT_NONE;
	const struct rule rule = rule_of(reading, to);
	switch (rule.kind) {
	case RULE_NONE:
		return VERDICT_NONE;
	case RULE_ELIMINATION:
	case RULE_RATIO:
		verdict = rule_strip(
			&rule, signals_of(reading, "c"), signals_of(reading, "t"), signals_of(reading, "tc"));
		break;
	case RULE_INHIBITION: /* the threshold belongs to the standard: 50 of one says nothing about another */
		if (*to->item->basis && !basis_same(to->item->basis, to->basis)) {
			flag(to, "unmapped_basis");
			return VERDICT_NONE;
		}
		/* fall through */
	default:
		verdict = value_verdict(reading, &rule, limit, to);
	}
	if (verdict != VERDICT_NONE)
		text_copy(to->rule, sizeof(to->rule), rule.text);
	return verdict;
}

static void judge_limit(const struct limit *station, const struct limit *said, struct judgement *to)
{
	to->limit_said = limit_usable(said) && (!station || strcmp(to->verdict_by, "instrument") == 0);
	if (to->limit_said)
		to->limit = *said;
	else if (station)
		to->limit = *station;
	char value[DECIMAL_MAX];
	if (!station || !limit_usable(said) || !units_convert(value, said->value, said->unit, station->unit))
		return;
	if (decimal_compare(station->value, value) != 0 || strcmp(station->op, said->op) != 0)
		flag(to, "limit_disagrees");
}

#define GROUPS_MAX 16

static void judge_commodity(const struct config *config, const struct reading *reading, struct judgement *to)
{
	if (!config->commodities || reading->kind != KIND_SAMPLE)
		return;
	to->commodity = commodities_find(config->commodities, reading->sample_name);
	if (!to->commodity)
		judge_flag(to, "unmapped_sample");
}

/* By the sample's name, what it is of, the groups of that, and then by its category. */
static const struct limit *station_limit(
	const struct config *config, const struct reading *reading, struct judgement *to, bool *ret_ended)
{
	char groups[GROUPS_MAX][SPELLING_MAX];
	const char *samples[GROUPS_MAX + 5];
	const struct commodity *commodity = to->commodity;
	size_t count = 0, group = 0;
	samples[count++] = reading->sample_name;
	if (commodity)
		samples[count++] = commodity->name;
	for (const char *at = commodity ? commodity->groups : "";
		group < GROUPS_MAX && spelling_next(&at, groups[group]); group++)
		samples[count++] = groups[group];
	samples[count++] = reading->sample_category;
	if (commodity)
		samples[count++] = commodity->category;
	samples[count] = NULL;
	return items_limit(config->items, to->item, samples, to->day, ret_ended);
}

static void judge_verdict(const struct config *config, const struct reading *reading, struct judgement *to)
{
	const struct limit said = said_limit(reading);
	const struct limit *station = NULL; /* a control or blank has no limit to keep */
	bool ended = false;
	if (to->item && reading->kind == KIND_SAMPLE)
		station = station_limit(config, reading, to, &ended);
	if (ended)
		flag(to, "limit_ended");
	enum verdict verdict = VERDICT_NONE;
	if (reading->kind == KIND_SAMPLE)
		verdict = judge_rule(reading, station ? station : limit_usable(&said) ? &said : NULL, to);
	if (reading->verdict != VERDICT_NONE) {
		to->verdict = reading->verdict;
		to->verdict_by = "instrument";
		if (verdict != VERDICT_NONE && verdict != reading->verdict)
			flag(to, "verdict_disagrees");
	} else if (verdict != VERDICT_NONE) {
		to->verdict = verdict;
		to->verdict_by = "gateway";
	}
	judge_limit(station, &said, to);
}

/* ---- what the signals say ---- */

static void judge_signals(const struct reading *reading, struct judgement *to)
{
	char percent[DECIMAL_MAX];
	const char *displayed = signals_of(reading, "tc");
	bool strip = *displayed || (to->item && to->item->rule.kind == RULE_RATIO);
	if (reading->kind != KIND_SAMPLE)
		return;
	if (to->item && to->item->rule.kind == RULE_INHIBITION && signals_inhibition(reading, to->recomputed)) {
		to->recomputed_name = "inhibition";
		to->compared = *to->value && !*to->qualifier && units_convert(percent, to->value, to->unit, "%");
		to->agrees = to->compared && signals_agree(reading, percent);
		if (to->compared && !to->agrees)
			flag(to, "inhibition_disagrees");
	} else if (strip && signals_ratio(reading, to->recomputed)) {
		to->recomputed_name = "tc";
		to->compared = *displayed;
		to->agrees = to->compared && signals_ratio_agrees(reading, displayed);
		if (to->compared && !to->agrees)
			flag(to, "ratio_disagrees");
	}
}

/* A positive by inhibition is repeated (GB/T 5009.199-2003), all the more where the plant itself inhibits. */
static void judge_positive(const struct reading *reading, struct judgement *to)
{
	if (to->item->rule.kind != RULE_INHIBITION || reading->kind != KIND_SAMPLE || to->verdict != VERDICT_POSITIVE)
		return;
	flag(to, "retest_required");
	char *samples = strdup(to->item->interfering), *rest = NULL;
	if (!samples)
		abort();
	for (char *at = strtok_r(samples, ";", &rest); at; at = strtok_r(NULL, ";", &rest))
		if (spelling_holds(reading->sample_name, at) ||
			(to->commodity && spelling_holds(to->commodity->name, at))) {
			flag(to, "matrix_interference");
			break;
		}
	free(samples);
}

/* ---- when ---- */

/* The shape of RFC 3339 without zone; clock_parse() then says whether the time exists. */
static bool time_shaped(const char *text)
{
	static const char shape[] = "dddd-dd-ddTdd:dd:dd";
	if (strlen(text) != sizeof(shape) - 1)
		return false;
	for (size_t i = 0; shape[i]; i++)
		if (shape[i] == 'd' ? text[i] < '0' || text[i] > '9' : text[i] != shape[i])
			return false;
	return text[17] < '6';
}

static bool parse_time(const char *text, const char *zone, int64_t *ret_ms)
{
	int64_t seconds = time_shaped(text) ? clock_parse(text, zone) : -1;
	*ret_ms = seconds * 1000;
	return seconds >= 0;
}

/* How far the instrument's clock is from ours: as the line knows it; or as the reading says, where it was told the
 * clock and the line is none ("clock"); and at least this far, where it tested in our future. */
static void judge_skew(const struct reading *reading, const struct reception *reception, struct judgement *to)
{
	int64_t there_ms, ahead_s = to->tested ? (to->tested_ms - reception->received_ms) / 1000 : 0;
	to->skew_by = reception->skew.by;
	to->skew_s = reception->skew.skew_s;
	if (to->skew_by == SKEW_UNKNOWN && parse_time(said_by(reading, "clock"), "", &there_ms)) {
		to->skew_by = SKEW_BY_CLOCK;
		to->skew_s = (there_ms - reception->received_ms) / 1000;
	}
	if (to->skew_by == SKEW_BY_CLOCK || ahead_s <= 0 || (to->skew_by != SKEW_UNKNOWN && ahead_s <= to->skew_s))
		return;
	to->skew_by = SKEW_BY_FUTURE;
	to->skew_s = ahead_s;
}

/* Whether the instrument's time can be believed. Comparing it with ours says nothing while ours stands at 1970 or 2011:
 * then its own time counts, unless it is none. */
static void judge_clock(const struct reading *reading, const struct reception *reception, struct judgement *to)
{
	to->tested = parse_time(reading->tested_at, reading->tested_zone, &to->tested_ms);
	judge_skew(reading, reception, to);
	/* drivers keep digits that are no date out of tested_at, and say so */
	bool impossible = !to->tested && (*reading->tested_at || *said_by(reading, "impossible_time"));
	bool old = to->tested && strncmp(reading->tested_at, FIRST_YEAR, 4) < 0;
	bool ours = reception->clock_synced || clock_possible(reception->received_ms);
	bool askew = to->skew_by != SKEW_UNKNOWN && llabs(to->skew_s) > SKEW_SUSPECT_S;
	to->clock_suspect = impossible || old || (askew && ours);
	clock_text(to->day, to->tested && !to->clock_suspect ? to->tested_ms : reception->received_ms);
}

int64_t judge_tested_ms(const struct reading *reading, const struct reception *reception)
{
	struct judgement clock = { .tested = false };
	judge_clock(reading, reception, &clock);
	if (clock.tested && !clock.clock_suspect)
		return clock.tested_ms;
	return reception->clock_synced || clock_possible(reception->received_ms) ? reception->received_ms : 0;
}

static void flag_times(const struct reading *reading, const struct reception *reception, struct judgement *to)
{
	if (to->clock_suspect)
		flag(to, "clock_suspect");
	else if (to->tested && reception->received_ms - to->tested_ms > DAY_MS)
		flag(to, "late");
	if (reading->year_inferred)
		flag(to, "year_inferred");
	if (!reception->clock_synced)
		flag(to, "clock_unsynced");
}

static void judge_marks(const struct reading *reading, struct judgement *to)
{
	static const enum reading_mark marks[] = { READING_OUT_OF_RANGE, READING_CALIBRATION_DUE, READING_TEXT_CUT,
		READING_TEXT_BAD, READING_OVERRUN, READING_RETEST };
	for (size_t i = 0; i < sizeof(marks) / sizeof(*marks); i++)
		if (reading->marks & marks[i])
			flag(to, reading_mark_name(marks[i]));
}

void judge(const struct config *config, const struct instrument_config *instrument, const struct reading *reading,
	const struct reception *reception, struct judgement *ret)
{
	*ret = (struct judgement){ .item_name = "",
		.method = "",
		.basis = "",
		.unit = "",
		.value = "",
		.qualifier = "",
		.verdict_by = "",
		.recomputed_name = "" };
	judge_clock(reading, reception, ret);
	judge_item(config, instrument, reading, ret);
	judge_value(reading, ret);
	judge_commodity(config, reading, ret);
	judge_verdict(config, reading, ret);
	judge_quality(config, reading, ret);
	judge_signals(reading, ret);
	if (ret->item)
		judge_positive(reading, ret);
	judge_marks(reading, ret);
	flag_times(reading, reception, ret);
	judge_operator(config, instrument, reading, ret);
	judge_lots(config, instrument, reading, ret);
	judge_calibration(instrument, ret);
}
