#include "rule.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../drivers/text.h"
#include "spellings.h"

const char *rule_sign(const char *text)
{
	static const struct {
		const char *spelling, *sign;
	} signs[] = {
		{ "<", "<" },
		{ ">", ">" },
		{ "<=", "<=" },
		{ ">=", ">=" },
		{ "=<", "<=" },
		{ "=>", ">=" },
		{ "≤", "<=" },
		{ "≥", ">=" },
		{ "≦", "<=" },
		{ "≧", ">=" },
	};
	char folded[16];
	if (strlen(text) >= sizeof(folded))
		return NULL;
	spelling_fold(folded, text);
	for (size_t i = 0; i < sizeof(signs) / sizeof(*signs); i++)
		if (strcmp(signs[i].spelling, folded) == 0)
			return signs[i].sign;
	return NULL;
}

/* Cuts the decimal at the start of *at into `out`. */
static bool number(const char **at, char out[static DECIMAL_MAX])
{
	size_t length = strspn(*at, "+-.0123456789");
	if (length > 2 && strstr(*at, "..") && (size_t)(strstr(*at, "..") - *at) < length)
		length = (size_t)(strstr(*at, "..") - *at);
	if (!length || length >= DECIMAL_MAX)
		return false;
	memcpy(out, *at, length);
	out[length] = '\0';
	*at += length;
	return decimal_valid(out);
}

static bool literal(const char **at, const char *text)
{
	size_t length = strlen(text);
	if (strncmp(*at, text, length) != 0)
		return false;
	*at += length;
	return true;
}

static bool range(const char **at, struct rule *rule)
{
	return number(at, rule->low) && literal(at, "..") && number(at, rule->high) &&
	       decimal_compare(rule->low, rule->high) <= 0;
}

static bool threshold(const char **at, struct rule *rule)
{
	bool equal = literal(at, ">=");
	if (!equal && !literal(at, ">"))
		return false;
	strcpy(rule->op, equal ? ">=" : ">");
	return number(at, rule->low);
}

static bool strip(const char **at, struct rule *rule, const char *line)
{
	return literal(at, "c=") && number(at, rule->least) && literal(at, line) && range(at, rule);
}

enum shape { SHAPE_WORD, SHAPE_THRESHOLD, SHAPE_RANGE_OR_WORD, SHAPE_T, SHAPE_TC };

static const struct {
	const char *word;
	enum rule_kind kind;
	enum shape shape;
} rules[] = {
	{ "inhibition", RULE_INHIBITION, SHAPE_THRESHOLD },
	{ "limit", RULE_LIMIT, SHAPE_WORD },
	{ "not-detected", RULE_NOT_DETECTED, SHAPE_WORD },
	{ "detected", RULE_DETECTED, SHAPE_THRESHOLD },
	{ "elimination", RULE_ELIMINATION, SHAPE_T },
	{ "ratio", RULE_RATIO, SHAPE_TC },
	{ "two-limits", RULE_TWO_LIMITS, SHAPE_RANGE_OR_WORD },
};

static bool shaped(const char **at, enum shape shape, struct rule *rule)
{
	switch (shape) {
	case SHAPE_WORD:
		return true;
	case SHAPE_THRESHOLD:
		return threshold(at, rule);
	case SHAPE_RANGE_OR_WORD:
		return !**at || range(at, rule);
	case SHAPE_T:
		return strip(at, rule, "t=");
	case SHAPE_TC:
		return strip(at, rule, "tc=");
	}
	return false;
}

static bool parsed(const char *at, struct rule *rule)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++)
		if (literal(&at, rules[i].word)) {
			rule->kind = rules[i].kind;
			return shaped(&at, rules[i].shape, rule) && !*at;
		}
	return false;
}

/* The text of a rule does not depend on how somebody typed it. */
static void write_text(struct rule *rule)
{
	size_t size = sizeof(rule->text);
	switch (rule->kind) {
	case RULE_NONE:
		break;
	case RULE_INHIBITION:
		snprintf(rule->text, size, "inhibition%s%s", rule->op, rule->low);
		break;
	case RULE_LIMIT:
		snprintf(rule->text, size, "limit");
		break;
	case RULE_NOT_DETECTED:
		snprintf(rule->text, size, "not-detected");
		break;
	case RULE_DETECTED:
		snprintf(rule->text, size, "detected%s%s", rule->op, rule->low);
		break;
	case RULE_ELIMINATION:
		snprintf(rule->text, size, "elimination c=%s t=%s..%s", rule->least, rule->low, rule->high);
		break;
	case RULE_RATIO:
		snprintf(rule->text, size, "ratio c=%s tc=%s..%s", rule->least, rule->low, rule->high);
		break;
	case RULE_TWO_LIMITS:
		if (*rule->low)
			snprintf(rule->text, size, "two-limits %s..%s", rule->low, rule->high);
		else
			snprintf(rule->text, size, "two-limits");
		break;
	}
}

void rule_between(struct rule *rule, const char *low, const char *high)
{
	text_copy(rule->low, sizeof(rule->low), low);
	text_copy(rule->high, sizeof(rule->high), high);
	write_text(rule);
}

int rule_parse(const char *text, struct rule *ret, struct fault *fault)
{
	struct rule rule = { 0 };
	char folded[256];
	bool fits = strlen(text) < sizeof(folded);
	if (fits)
		spelling_fold(folded, text); /* blanks are gone: "c=100t=200..400" */
	if (!fits || (*folded && !parsed(folded, &rule)))
		return fault_set(fault, EINVAL,
			_("\"%.60s\" is no rule; a rule is inhibition>=50, limit, not-detected, detected>=0.3, elimination c=100 "
			  "t=200..400, ratio c=100 tc=0.4..0.8 or two-limits 10..30"),
			text);
	write_text(&rule);
	*ret = rule;
	return 0;
}

enum holds rule_holds(const char *qualifier, const char *value, const char *op, const char *bound)
{
	int order = decimal_compare(value, bound);
	bool upward = op[0] == '>', equal = op[1] == '=';
	if (!*qualifier)
		return (order == 0 ? equal : upward == (order > 0)) ? HOLDS_YES : HOLDS_NO;
	/* x < value (or <=): x is certainly below the bound when value is; whether it is above stays open */
	bool below = qualifier[0] == '<', reached = qualifier[1] == '=';
	if (below != (order < 0) && order != 0)
		return HOLDS_UNKNOWN;
	if (order != 0 || !reached) {
		/* x is on one side of the bound. At order 0 with a strict qualifier x never equals it. */
		return below != upward ? HOLDS_YES : HOLDS_NO;
	}
	/* x <= bound or x >= bound, and may equal it */
	if (below != upward)
		return equal ? HOLDS_YES : HOLDS_UNKNOWN;
	return equal ? HOLDS_UNKNOWN : HOLDS_NO;
}

static enum verdict positive_when(enum holds holds)
{
	return holds == HOLDS_YES ? VERDICT_POSITIVE : holds == HOLDS_NO ? VERDICT_NEGATIVE : VERDICT_NONE;
}

static enum verdict between(const char *qualifier, const char *value, const struct rule *rule)
{
	enum holds low = rule_holds(qualifier, value, "<=", rule->low);
	enum holds high = rule_holds(qualifier, value, ">", rule->high);
	if (low == HOLDS_YES)
		return VERDICT_NEGATIVE;
	if (high == HOLDS_YES)
		return VERDICT_POSITIVE;
	return low == HOLDS_NO && high == HOLDS_NO ? VERDICT_SUSPECT : VERDICT_NONE;
}

enum verdict rule_value(const struct rule *rule, const char *qualifier, const char *value, const struct limit *limit)
{
	if (!decimal_valid(value))
		return VERDICT_NONE;
	switch (rule->kind) {
	case RULE_INHIBITION:
	case RULE_DETECTED:
		return positive_when(rule_holds(qualifier, value, rule->op, rule->low));
	case RULE_LIMIT:
		if (!limit || !limit->op[0] || !decimal_valid(limit->value))
			return VERDICT_NONE;
		switch (rule_holds(qualifier, value, limit->op, limit->value)) {
		case HOLDS_YES:
			return VERDICT_NEGATIVE;
		case HOLDS_NO:
			return VERDICT_POSITIVE;
		default:
			return VERDICT_NONE;
		}
	case RULE_NOT_DETECTED: /* "<0.3": the instrument found nothing down to where it can see */
		return qualifier[0] == '<' || decimal_compare(value, "0") <= 0 ? VERDICT_NEGATIVE : VERDICT_POSITIVE;
	case RULE_TWO_LIMITS: /* without limits of its own, and none sent, it cannot tell */
		if (!*rule->low)
			return VERDICT_NONE;
		return between(qualifier, value, rule);
	default:
		return VERDICT_NONE;
	}
}

/* T/C compared with a bound without dividing: T/C < b is T < b * C for the positive C a valid strip has. */
static int ratio_compare(const char *c, const char *t, const char *tc, const char *bound, bool *known)
{
	char product[DECIMAL_MAX];
	*known = true;
	if (*t && decimal_multiply(product, bound, c))
		return decimal_compare(t, product);
	if (*tc)
		return decimal_compare(tc, bound);
	*known = false;
	return 0;
}

enum verdict rule_strip(const struct rule *rule, const char *c, const char *t, const char *tc)
{
	bool ratio = rule->kind == RULE_RATIO, low_known = true, high_known = true;
	if ((!ratio && rule->kind != RULE_ELIMINATION) || !decimal_valid(c))
		return VERDICT_NONE;
	if (decimal_compare(c, rule->least) <= 0)
		return VERDICT_INVALID; /* asked first: without a C line T says nothing */
	if ((*t && !decimal_valid(t)) || (*tc && !decimal_valid(tc)) || (!*t && (!ratio || !*tc)))
		return VERDICT_NONE;
	if (ratio && decimal_compare(c, "0") <= 0)
		return VERDICT_NONE;
	int low = ratio ? ratio_compare(c, t, tc, rule->low, &low_known) : decimal_compare(t, rule->low);
	int high = ratio ? ratio_compare(c, t, tc, rule->high, &high_known) : decimal_compare(t, rule->high);
	if (!low_known || !high_known)
		return VERDICT_NONE;
	return low < 0 ? VERDICT_POSITIVE : high > 0 ? VERDICT_NEGATIVE : VERDICT_SUSPECT;
}
