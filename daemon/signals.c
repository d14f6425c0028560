#include "signals.h"

#include <string.h>

#define INHIBITION_SLACK "0.5"  /* points */
#define RATIO_SLACK      "0.01" /* of T/C displayed with two decimals or more */

const char *signals_of(const struct reading *reading, const char *name)
{
	for (size_t i = 0; i < reading->signal_count; i++)
		if (strcmp(reading->signals[i].name, name) == 0 && decimal_valid(reading->signals[i].value))
			return reading->signals[i].value;
	return "";
}

static const char *first_of(const struct reading *reading, const char *one, const char *other)
{
	const char *signal = signals_of(reading, one);
	return *signal ? signal : signals_of(reading, other);
}

/* The two signals, and their difference times 100. */
static bool change_of(const struct reading *reading, const char **ret_control, char change[static DECIMAL_MAX])
{
	const char *sample = first_of(reading, "delta_a", "abs");
	*ret_control = first_of(reading, "delta_a_control", "abs_control");
	return **ret_control && *sample && decimal_compare(*ret_control, "0") > 0 &&
	       decimal_subtract(change, *ret_control, sample) && decimal_multiply(change, change, "100");
}

bool signals_inhibition(const struct reading *reading, char out[static DECIMAL_MAX])
{
	char change[DECIMAL_MAX];
	const char *control;
	return change_of(reading, &control, change) && decimal_divide(out, change, control, 2);
}

/* |told * whole - part| <= slack * whole: told is part / whole, give or take, and nothing is divided. */
static bool near(const char *told, const char *part, const char *whole, const char *slack)
{
	char product[DECIMAL_MAX], apart[DECIMAL_MAX], allowed[DECIMAL_MAX];
	if (!decimal_multiply(product, told, whole) || !decimal_multiply(allowed, slack, whole) ||
		!decimal_subtract(apart, product, part))
		return true; /* more digits than can be compared */
	return decimal_compare(apart[0] == '-' ? apart + 1 : apart, allowed) <= 0;
}

bool signals_agree(const struct reading *reading, const char *percent)
{
	char change[DECIMAL_MAX];
	const char *control;
	return !change_of(reading, &control, change) || near(percent, change, control, INHIBITION_SLACK);
}

static bool lines_of(const struct reading *reading, const char **ret_c, const char **ret_t)
{
	*ret_c = signals_of(reading, "c");
	*ret_t = signals_of(reading, "t");
	return **ret_c && **ret_t && decimal_compare(*ret_c, "0") > 0;
}

bool signals_ratio(const struct reading *reading, char out[static DECIMAL_MAX])
{
	const char *c, *t;
	return lines_of(reading, &c, &t) && decimal_divide(out, t, c, 3);
}

bool signals_ratio_agrees(const struct reading *reading, const char *ratio)
{
	const char *c, *t, *point = strchr(ratio, '.');
	char digit[DECIMAL_MAX];
	if (!lines_of(reading, &c, &t))
		return true;
	bool coarse = !point || strlen(point) == strlen(".8");
	return near(ratio, t, c, coarse ? decimal_scaled(digit, 1, point ? 1 : 0) : RATIO_SLACK);
}
