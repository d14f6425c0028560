/* Whether a control is valid: its delta A against the item's least, and its verdict against what it is made to show. */
#include <stdio.h>
#include <string.h>

#include "../drivers/text.h"
#include "judge_parts.h"
#include "signals.h"
#include "spellings.h"

/* What a control is made to show, in the words of the instrument or its profile; a plain control or blank holds nothing
 * that is looked for. */
static enum verdict expected_of(const struct reading *reading)
{
	static const struct {
		const char *word;
		enum verdict verdict;
	} words[] = {
		{ "negative", VERDICT_NEGATIVE },
		{ "阴性", VERDICT_NEGATIVE },
		{ "positive", VERDICT_POSITIVE },
		{ "spike", VERDICT_POSITIVE },
		{ "阳性", VERDICT_POSITIVE },
		{ "加标", VERDICT_POSITIVE },
	};
	const char *const texts[] = { reading_has_said(reading, kind_name(reading->kind)), reading->sample_name };
	for (size_t t = 0; t < sizeof(texts) / sizeof(*texts); t++)
		for (size_t w = 0; w < sizeof(words) / sizeof(*words); w++)
			if (spelling_holds(texts[t], words[w].word))
				return words[w].verdict;
	return reading->kind == KIND_QC ? VERDICT_NONE : VERDICT_NEGATIVE;
}

/* The delta A of a control against the item's least; NONE where either is not known. */
static enum control_state state_of_delta(const char *delta_a, const struct item *item)
{
	if (!*delta_a || !item || !*item->control_min)
		return CONTROL_NONE;
	return decimal_compare(delta_a, item->control_min) < 0 ? CONTROL_FAILED : CONTROL_VALID;
}

/* The verdict of a control, and what it goes by: the instrument's, else that of the item's rule. */
static enum verdict verdict_of(const struct config *config, const struct reading *reading, struct judgement *to)
{
	struct judgement aside = *to; /* flags of the rule speak of samples */
	bool ended;
	/* a control has no inhibition of its own: readers send NA for it, and then its driver finds the reading invalid
	 */
	if (reading->verdict == VERDICT_INVALID && strstr(reading_has_said(reading, "no_value"), "not available"))
		return VERDICT_NONE;
	if (reading->verdict != VERDICT_NONE || !to->item)
		return reading->verdict;
	static const char *const nobody = NULL;
	const struct limit *limit = items_limit(config->items, to->item, &nobody, to->day, &ended);
	enum verdict verdict = judge_rule(reading, limit, &aside);
	if (verdict != VERDICT_NONE)
		text_copy(to->control_rule, sizeof(to->control_rule), aside.rule);
	return verdict;
}

/* A control's inhibition is 0 because it is measured against itself: that proves nothing of the enzyme. */
static bool proves_nothing(enum verdict verdict, const struct judgement *to)
{
	return verdict == VERDICT_NEGATIVE && to->expected == VERDICT_NEGATIVE && to->item &&
	       to->item->rule.kind == RULE_INHIBITION;
}

static enum control_state state_of_verdict(enum verdict verdict, const struct judgement *to)
{
	if (verdict == VERDICT_INVALID)
		return CONTROL_FAILED;
	if (verdict == VERDICT_NONE || to->expected == VERDICT_NONE || proves_nothing(verdict, to))
		return CONTROL_UNJUDGED;
	return verdict == to->expected ? CONTROL_VALID : CONTROL_FAILED;
}

static void judge_control(const struct config *config, const struct reading *reading, struct judgement *to)
{
	to->expected = expected_of(reading);
	const char *delta_a = signals_of(reading, "delta_a_control");
	if (!*delta_a && to->expected == VERDICT_NEGATIVE)
		delta_a = signals_of(reading, "delta_a");
	enum control_state by_delta = state_of_delta(delta_a, to->item);
	to->control = state_of_verdict(verdict_of(config, reading, to), to);
	if (to->control == CONTROL_UNJUDGED)
		to->control_rule[0] = '\0';
	if (by_delta == CONTROL_FAILED)
		judge_flag(to, "control_low");
	if (by_delta == CONTROL_FAILED || (by_delta == CONTROL_VALID && to->control == CONTROL_UNJUDGED)) {
		to->control = by_delta;
		snprintf(to->control_rule, sizeof(to->control_rule), "delta_a>=%s", to->item->control_min);
	}
	if (to->control == CONTROL_FAILED)
		judge_flag(to, "control_failed");
}

void judge_quality(const struct config *config, const struct reading *reading, struct judgement *to)
{
	if (reading->kind == KIND_SAMPLE) {
		to->sent = state_of_delta(signals_of(reading, "delta_a_control"), to->item);
		if (to->sent == CONTROL_FAILED)
			judge_flag(to, "control_low");
	} else if (reading->kind != KIND_CALIBRATION) {
		judge_control(config, reading, to);
	}
}
