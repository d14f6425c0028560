#include "decimal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS_MAX 30

typedef unsigned __int128 wide; /* holds 38 digits */

struct decimal {
	bool negative;
	wide digits;
	unsigned decimals;
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool parse(const char *text, struct decimal *ret)
{
	struct decimal decimal = { .negative = *text == '-' };
	if (*text == '-' || *text == '+')
		text++;
	if (!is_digit(*text))
		return false;
	unsigned digits = 0;
	bool point = false;
	for (; *text; text++) {
		if (*text == '.' && !point && is_digit(text[1])) {
			point = true;
			continue;
		}
		if (!is_digit(*text) || ++digits > DIGITS_MAX)
			return false;
		decimal.digits = decimal.digits * 10 + (unsigned)(*text - '0');
		decimal.decimals += point;
	}
	*ret = decimal;
	return true;
}

static bool format(char out[static DECIMAL_MAX], const struct decimal *decimal)
{
	char reversed[DIGITS_MAX + 1];
	unsigned count = 0;
	wide left = decimal->digits;
	for (; left || count <= decimal->decimals; left /= 10) {
		if (count == DIGITS_MAX)
			return false;
		reversed[count++] = (char)('0' + (int)(left % 10));
	}
	char *at = out;
	if (decimal->negative && decimal->digits)
		*at++ = '-';
	while (count > 0) {
		if (count == decimal->decimals)
			*at++ = '.';
		*at++ = reversed[--count];
	}
	*at = '\0';
	return true;
}

static bool scale(wide *digits, unsigned places)
{
	for (; places > 0 && *digits; places--)
		if (__builtin_mul_overflow(*digits, 10, digits))
			return false;
	return true;
}

char *decimal_scaled(char out[static DECIMAL_MAX], int64_t value, unsigned decimals)
{
	struct decimal decimal = { .negative = value < 0, .decimals = decimals };
	uint64_t magnitude = value < 0 ? -(uint64_t)value : (uint64_t)value;
	decimal.digits = magnitude;
	if (!format(out, &decimal))
		*out = '\0';
	return out;
}

bool decimal_shift(char out[static DECIMAL_MAX], const char *value, int places)
{
	struct decimal decimal;
	if (!parse(value, &decimal) || places > DIGITS_MAX || places < -DIGITS_MAX)
		return false;
	int decimals = (int)decimal.decimals - places;
	if (decimals < 0 && !scale(&decimal.digits, (unsigned)-decimals))
		return false;
	decimal.decimals = decimals > 0 ? (unsigned)decimals : 0;
	return format(out, &decimal);
}

/* Lays `digits` (first one not 0, last one not 0 unless alone) out so that the first stands at 10^exponent. */
static bool place(char out[static DECIMAL_MAX], bool negative, const char *digits, int exponent)
{
	int count = (int)strlen(digits);
	int whole = exponent >= 0 ? exponent + 1 : 1;
	int decimals = count - 1 > exponent ? count - 1 - exponent : 0;
	if (whole + decimals > DIGITS_MAX)
		return false;
	char *at = out;
	if (negative)
		*at++ = '-';
	for (int i = exponent >= 0 ? 0 : exponent; i < count || i <= exponent; i++) {
		*at++ = i >= 0 && i < count ? digits[i] : '0';
		if (i + 1 == (exponent >= 0 ? whole : exponent + 1) && decimals > 0)
			*at++ = '.';
	}
	*at = '\0';
	return true;
}

/* Takes "d<radix>ddde[+-]xx" apart (the radix character depends on the locale) and writes it without exponent. */
static bool unfold(char out[static DECIMAL_MAX], const char *scientific)
{
	char digits[24] = "";
	size_t count = 0;
	bool negative = *scientific == '-';
	const char *at = scientific;
	for (; *at && *at != 'e'; at++)
		if (is_digit(*at) && count < sizeof(digits) - 1)
			digits[count++] = *at;
	while (count > 1 && digits[count - 1] == '0')
		count--;
	digits[count] = '\0';
	if (count == 1 && digits[0] == '0')
		return place(out, false, digits, 0);
	return *at == 'e' && place(out, negative, digits, (int)strtol(at + 1, NULL, 10));
}

bool decimal_from_f32(char out[static DECIMAL_MAX], uint32_t bits)
{
	float value;
	memcpy(&value, &bits, sizeof(value));
	*out = '\0';
	if ((bits >> 23 & 0xFF) == 0xFF)
		return false;
	char text[40];
	/* Widening to double for printf is exact: what is printed are the digits of the single itself. */
	for (int digits = 1; digits <= 9; digits++) { /* nine always suffice for a single */
		snprintf(text, sizeof(text), "%.*e", digits - 1, (double)value);
		float back = strtof(text, NULL);
		uint32_t back_bits;
		memcpy(&back_bits, &back, sizeof(back_bits));
		if (back_bits == bits)
			break;
	}
	return unfold(out, text);
}

bool decimal_from_f64(char out[static DECIMAL_MAX], uint64_t bits)
{
	double value;
	memcpy(&value, &bits, sizeof(value));
	*out = '\0';
	if ((bits >> 52 & 0x7FF) == 0x7FF)
		return false;
	char text[40];
	for (int digits = 1; digits <= 17; digits++) { /* seventeen always suffice for a double */
		snprintf(text, sizeof(text), "%.*e", digits - 1, value);
		double back = strtod(text, NULL);
		uint64_t back_bits;
		memcpy(&back_bits, &back, sizeof(back_bits));
		if (back_bits == bits)
			break;
	}
	return unfold(out, text);
}

bool decimal_valid(const char *text)
{
	struct decimal decimal;
	return parse(text, &decimal);
}

/* Aligning both to the same decimals may overflow, so whole parts and fractions are compared by themselves. */
static int compare_magnitude(const struct decimal *a, const struct decimal *b)
{
	wide unit_a = 1, unit_b = 1;
	scale(&unit_a, a->decimals);
	scale(&unit_b, b->decimals);
	wide whole_a = a->digits / unit_a, whole_b = b->digits / unit_b;
	if (whole_a != whole_b)
		return whole_a < whole_b ? -1 : 1;
	wide part_a = a->digits % unit_a, part_b = b->digits % unit_b;
	/* Both are less than 1: scaled to 30 decimals they have at most 30 digits. */
	scale(&part_a, DIGITS_MAX - a->decimals);
	scale(&part_b, DIGITS_MAX - b->decimals);
	return (part_a > part_b) - (part_a < part_b);
}

int decimal_compare(const char *a, const char *b)
{
	struct decimal left = { 0 }, right = { 0 };
	if (!parse(a, &left) || !parse(b, &right))
		return 0;
	bool left_negative = left.negative && left.digits, right_negative = right.negative && right.digits;
	if (left_negative != right_negative)
		return left_negative ? -1 : 1;
	int order = compare_magnitude(&left, &right);
	return left_negative ? -order : order;
}

bool decimal_subtract(char out[static DECIMAL_MAX], const char *a, const char *b)
{
	struct decimal left, right;
	if (!parse(a, &left) || !parse(b, &right))
		return false;
	struct decimal result = { .decimals = left.decimals > right.decimals ? left.decimals : right.decimals };
	if (!scale(&left.digits, result.decimals - left.decimals) ||
		!scale(&right.digits, result.decimals - right.decimals))
		return false;
	if (left.negative != right.negative) {
		result.negative = left.negative;
		if (__builtin_add_overflow(left.digits, right.digits, &result.digits))
			return false;
	} else if (left.digits >= right.digits) {
		result.negative = left.negative;
		result.digits = left.digits - right.digits;
	} else {
		result.negative = !left.negative;
		result.digits = right.digits - left.digits;
	}
	return format(out, &result);
}

bool decimal_multiply(char out[static DECIMAL_MAX], const char *a, const char *b)
{
	struct decimal left, right;
	if (!parse(a, &left) || !parse(b, &right))
		return false;
	struct decimal result = {
		.negative = left.negative != right.negative,
		.decimals = left.decimals + right.decimals,
	};
	return !__builtin_mul_overflow(left.digits, right.digits, &result.digits) && format(out, &result);
}

bool decimal_divide(char out[static DECIMAL_MAX], const char *a, const char *b, unsigned decimals)
{
	struct decimal left, right;
	if (decimals >= DIGITS_MAX || !parse(a, &left) || !parse(b, &right) || right.digits == 0)
		return false;
	unsigned up = decimals + right.decimals, down = left.decimals;
	if (!scale(&left.digits, up > down ? up - down : 0) || !scale(&right.digits, down > up ? down - up : 0))
		return false;
	struct decimal result = { .negative = left.negative != right.negative, .decimals = decimals };
	result.digits = left.digits / right.digits;
	wide rest = left.digits % right.digits;
	if (rest >= right.digits - rest)
		result.digits++;
	return format(out, &result);
}
