#include "judge.h"

#include <stdlib.h>
#include <string.h>

#include "../drivers/text.h"
#include "spellings.h"
#include "units.h"

#define DAY_MS           (24 * 60 * 60 * INT64_C(1000))
#define SKEW_SUSPECT_S   600
#define FIRST_YEAR       "2015" /* no instrument of this trade was tested before; "2011-01-02" is a dead battery */
#define INHIBITION_SLACK "0.5"  /* points; covers rounding of three-digit absorbances, not an added random amount */

static void flag(struct judgement *to, const char *name)
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

/* A raw signal as a valid decimal, or "". */
static const char *signal_of(const struct reading *reading, const char *name)
{
	for (size_t i = 0; i < reading->signal_count; i++)
		if (strcmp(reading->signals[i].name, name) == 0 && decimal_valid(reading->signals[i].value))
			return reading->signals[i].value;
	return "";
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

static enum verdict value_verdict(const struct reading *reading, const struct limit *limit, struct judgement *to)
{
	const struct rule *rule = &to->item->rule;
	bool beyond = (reading->marks & READING_OUT_OF_RANGE) && !*to->qualifier;
	if (!*to->value || beyond || !*to->unit)
		return VERDICT_NONE;
	const char *wanted = rule_unit(to->item, limit), *value = to->value;
	if (wanted && strcmp(wanted, to->unit) != 0) {
		if (!units_convert(to->judged_value, to->value, to->unit, wanted)) {
			flag(to, "unit_differs");
			return VERDICT_NONE;
		}
		text_copy(to->judged_unit, sizeof(to->judged_unit), wanted);
		value = to->judged_value;
	}
	return rule_value(rule, to->qualifier, value, limit);
}

/* The verdict of the item's rule; NONE when it cannot tell. */
static enum verdict rule_verdict(const struct reading *reading, const struct limit *limit, struct judgement *to)
{
	enum verdict verdict;
	if (!to->item || reading->kind != KIND_SAMPLE || reading->verdict == VERDICT_INVALID)
		return VERDICT_NONE;
	switch (to->item->rule.kind) {
	case RULE_NONE:
		return VERDICT_NONE;
	case RULE_ELIMINATION:
	case RULE_RATIO:
		verdict = rule_strip(
			&to->item->rule, signal_of(reading, "c"), signal_of(reading, "t"), signal_of(reading, "tc"));
		break;
	case RULE_INHIBITION: /* the threshold belongs to the standard: 50 of one says nothing about another */
		if (*to->item->basis && !basis_same(to->item->basis, to->basis)) {
			flag(to, "unmapped_basis");
			return VERDICT_NONE;
		}
		/* fall through */
	default:
		verdict = value_verdict(reading, limit, to);
	}
	if (verdict != VERDICT_NONE)
		to->rule = to->item->rule.text;
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

static void judge_verdict(const struct config *config, const struct reading *reading, struct judgement *to)
{
	const struct limit said = said_limit(reading);
	const struct limit *station = NULL; /* a control or blank has no limit to keep */
	bool ended = false;
	if (to->item && reading->kind == KIND_SAMPLE)
		station = items_limit(
			config->items, to->item, reading->sample_name, reading->sample_category, to->day, &ended);
	if (ended)
		flag(to, "limit_ended");
	enum verdict verdict = rule_verdict(reading, station ? station : limit_usable(&said) ? &said : NULL, to);
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

/* ---- inhibition: GB/T 5009.199-2003, inhibition % = (dA0 - dA) / dA0 * 100 ---- */

/* True when (control - sample) / control * 100 is over INHIBITION_SLACK away from `value`. Nothing is divided:
 * |value * control - (control - sample) * 100| > slack * control. */
static bool disagrees(const char *value, const char *control, const char *sample)
{
	char told[DECIMAL_MAX], change[DECIMAL_MAX], slack[DECIMAL_MAX], apart[DECIMAL_MAX];
	if (!*control || !*sample || decimal_compare(control, "0") <= 0)
		return false;
	if (!decimal_multiply(told, value, control) || !decimal_subtract(change, control, sample) ||
		!decimal_multiply(change, change, "100") || !decimal_multiply(slack, INHIBITION_SLACK, control) ||
		!decimal_subtract(apart, told, change))
		return false;
	return decimal_compare(apart[0] == '-' ? apart + 1 : apart, slack) > 0;
}

static void judge_inhibition(const struct reading *reading, struct judgement *to)
{
	const char *control = signal_of(reading, "delta_a_control");
	if (!to->item)
		return;
	if (!*control && (reading->kind == KIND_CONTROL || reading->kind == KIND_BLANK))
		control = signal_of(reading, "delta_a");
	if (*control && *to->item->control_min && decimal_compare(control, to->item->control_min) < 0)
		flag(to, "control_low");
	if (to->item->rule.kind != RULE_INHIBITION)
		return;
	const char *sample = *signal_of(reading, "delta_a") ? signal_of(reading, "delta_a") : signal_of(reading, "abs");
	if (!*control)
		control = signal_of(reading, "abs_control");
	char percent[DECIMAL_MAX];
	if (reading->kind == KIND_SAMPLE && *to->value && !*to->qualifier &&
		units_convert(percent, to->value, to->unit, "%") && disagrees(percent, control, sample))
		flag(to, "inhibition_disagrees");
	if (reading->kind != KIND_SAMPLE || to->verdict != VERDICT_POSITIVE)
		return;
	flag(to, "retest_required");
	char *samples = strdup(to->item->interfering), *rest = NULL;
	if (!samples)
		abort();
	for (char *at = strtok_r(samples, ";", &rest); at; at = strtok_r(NULL, ";", &rest))
		if (spelling_holds(reading->sample_name, at)) {
			flag(to, "matrix_interference");
			break;
		}
	free(samples);
}

/* ---- when and by whom ---- */

/* The shape of RFC 3339 without zone; clock_parse_local() then says whether the time exists. */
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

static bool parse_time(const char *text, int64_t *ret_ms)
{
	int64_t seconds = time_shaped(text) ? clock_parse_local(text) : -1;
	*ret_ms = seconds * 1000;
	return seconds >= 0;
}

/* How far the instrument's clock is from ours: exactly, where it told its clock with the reading ("clock"),
 * and at least this far, where it tested in our future. A test in our past says nothing: it may have waited. */
static void judge_skew(const struct reading *reading, int64_t received_ms, struct judgement *to)
{
	int64_t there_ms;
	to->skew_known = parse_time(said_by(reading, "clock"), &there_ms);
	if (!to->skew_known && to->tested && to->tested_ms > received_ms) {
		to->skew_known = true;
		there_ms = to->tested_ms;
	}
	if (to->skew_known)
		to->skew_s = (there_ms - received_ms) / 1000;
}

static void judge_clock(const struct reading *reading, const struct reception *reception, struct judgement *to)
{
	to->tested = parse_time(reading->tested_at, &to->tested_ms);
	judge_skew(reading, reception->received_ms, to);
	/* drivers keep digits that are no date out of tested_at, and say so */
	bool impossible = !to->tested && (*reading->tested_at || *said_by(reading, "impossible_time"));
	bool old = to->tested && strncmp(reading->tested_at, FIRST_YEAR, 4) < 0;
	bool ahead = to->tested && to->tested_ms - reception->received_ms > DAY_MS;
	to->clock_suspect = impossible || old || ahead || (to->skew_known && llabs(to->skew_s) > SKEW_SUSPECT_S);
	clock_text(to->day, to->tested && !to->clock_suspect ? to->tested_ms : reception->received_ms);
}

static void flag_times(const struct reception *reception, struct judgement *to)
{
	if (to->clock_suspect)
		flag(to, "clock_suspect");
	else if (to->tested && reception->received_ms - to->tested_ms > DAY_MS)
		flag(to, "late");
	if (!reception->clock_synced)
		flag(to, "clock_unsynced");
}

static void judge_operator(const struct config *config, const struct reading *reading, struct judgement *to)
{
	if (!config->operators || (!*reading->operator_id && !*reading->operator_name))
		return;
	to->person = operators_find(config->operators, reading->operator_id);
	if (!to->person)
		to->person = operators_find(config->operators, reading->operator_name);
	if (!to->person) {
		flag(to, "operator_unknown");
		return;
	}
	to->certified = operator_certified(to->person, to->day);
	if (!to->certified)
		flag(to, "operator_expired");
}

static void judge_marks(const struct reading *reading, struct judgement *to)
{
	static const enum reading_mark marks[] = { READING_OUT_OF_RANGE, READING_CALIBRATION_DUE, READING_TEXT_CUT,
		READING_TEXT_BAD, READING_OVERRUN };
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
		.rule = "" };
	judge_clock(reading, reception, ret);
	judge_item(config, instrument, reading, ret);
	judge_value(reading, ret);
	judge_verdict(config, reading, ret);
	judge_inhibition(reading, ret);
	judge_marks(reading, ret);
	flag_times(reception, ret);
	judge_operator(config, reading, ret);
}
