/* Single texts of a record: numbers with qualifier and unit, times by a pattern. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text_driver.h"

/* ---- numbers ---- */

static const struct {
	const char *sent, *said;
} qualifiers[] = {
	{ "<=", "<=" },
	{ ">=", ">=" },
	{ "≤", "<=" },
	{ "≥", ">=" },
	{ "＜", "<" },
	{ "＞", ">" },
	{ "<", "<" },
	{ ">", ">" },
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Zeros before the number and a plus say nothing; its decimals do and stay. */
static void write_number(const char *digits, size_t whole, size_t decimals, bool negative, char *out)
{
	const char *first = digits;
	while (whole > 1 && *first == '0')
		first++, whole--;
	snprintf(out, DECIMAL_MAX, "%s%.*s%s%.*s", negative ? "-" : "", whole ? (int)whole : 1, whole ? first : "0",
		decimals ? "." : "", (int)decimals, decimals ? first + whole + 1 : "");
}

/* The character at `at`, of well-formed UTF-8; 0 at the end. */
static unsigned long character_at(const char *at)
{
	const unsigned char *byte = (const unsigned char *)at;
	size_t more = *byte < 0xC0 ? 0 : *byte < 0xE0 ? 1 : *byte < 0xF0 ? 2 : 3;
	unsigned long character = more ? *byte & (0x3FU >> more) : *byte;
	for (size_t i = 1; i <= more && byte[i]; i++)
		character = character << 6 | (byte[i] & 0x3F);
	return character;
}

static bool is_letter(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* Letters of any script, percent, micro and degree signs: nothing that goes on with a number (another sign, a point, a
 * colon, a superscript), in any width. */
static bool begins_unit(const char *at)
{
	static const struct {
		unsigned long first, last;
	} letters[] = {
		{ '%', '%' },         /* also as U+FE6A and U+FF05; per mille U+2030 */
		{ 0xB0, 0xB0 },       /* degree, also as U+00BA */
		{ 0xB5, 0xB5 },       /* micro */
		{ 0xBA, 0xBA },       /* ... */
		{ 0xC0, 0xD6 },       /* Latin, without the sign of multiplication ... */
		{ 0xD8, 0xF6 },       /* ... and of division */
		{ 0xF8, 0x24F },      /* ... */
		{ 0x370, 0x52F },     /* Greek, Cyrillic */
		{ 0x2030, 0x2031 },   /* ... */
		{ 0x2100, 0x214F },   /* degree Celsius, litre */
		{ 0x3300, 0x33FF },   /* mg, kg and others in one square */
		{ 0x3400, 0x9FFF },   /* Hanzi */
		{ 0xF900, 0xFAFF },   /* ... */
		{ 0xFE6A, 0xFE6A },   /* ... */
		{ 0xFF05, 0xFF05 },   /* ... */
		{ 0xFF21, 0xFF3A },   /* Latin, full width */
		{ 0xFF41, 0xFF5A },   /* ... */
		{ 0x20000, 0x3FFFF }, /* Hanzi */
	};
	unsigned long character = character_at(at);
	bool letter = is_letter(*at);
	for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++)
		letter = letter || (character >= letters[i].first && character <= letters[i].last);
	return letter;
}

/* 1.2万 is 12000, 5x10^3 is 5000: what stands there is a part of the number. */
static bool multiplies(const char *at)
{
	static const char *const characters[] = { "万", "萬", "亿", "億", "百", "十", "余", "多" };
	static const char thousand[] = "千";
	for (size_t i = 0; i < sizeof(characters) / sizeof(characters[0]); i++)
		if (strncmp(at, characters[i], strlen(characters[i])) == 0)
			return true;
	if (strncmp(at, thousand, strlen(thousand)) == 0)
		return !begins_unit(at + strlen(thousand)); /* not of 千克 */
	return (*at == 'x' || *at == 'X') && is_digit(at[1 + strspn(at + 1, " ")]);
}

/* The 3 of "m3", "kg-1", "mg/100g" and "10^3"; any other digit behind a number is of another number: "5 to 10". */
static bool digit_of_unit(const char *rest, const char *digit)
{
	char before = digit > rest ? digit[-1] : ' ';
	bool alone = !is_digit(digit[1]) && digit[1] != '.' && !begins_unit(digit + 1);
	if (before == '-' && digit - rest >= 2)
		return alone && (is_letter(digit[-2]) || digit[-2] == '^');
	return is_letter(before) || is_digit(before) || before == '/' || before == '^' ||
	       (before == '.' && digit - rest >= 2 && is_digit(digit[-2]));
}

/* What stands behind a number leaves it one: nothing, or a unit and words, and no other number. */
static bool is_rest(const char *rest)
{
	if (!*rest)
		return true;
	bool exponent = (*rest == 'e' || *rest == 'E') && (is_digit(rest[1]) || rest[1] == '+' || rest[1] == '-');
	if (!begins_unit(rest + (*rest == '/')) || multiplies(rest) || exponent)
		return false;
	for (const char *at = rest; *at; at++)
		if (is_digit(*at) && !digit_of_unit(rest, at))
			return false;
	return true;
}

/* Behind 1.5 the E-3 moves the point; E alone is a unit. Returns what follows; NULL where that makes no number. */
static const char *move_point(char number[static DECIMAL_MAX], const char *at)
{
	bool sign = at[0] && (at[1] == '-' || at[1] == '+');
	size_t digits = at[0] ? strspn(at + 1 + sign, "0123456789") : 0;
	if ((*at != 'e' && *at != 'E') || (!sign && digits == 0))
		return at;
	if (digits == 0 || digits > 3)
		return NULL;
	int places = (int)strtol(at + 1, NULL, 10);
	return decimal_shift(number, number, places) ? at + 1 + sign + digits : NULL;
}

/* The digits at `text`, written to `number`. Returns what follows; NULL where there is no number. */
static const char *read_digits(const char *text, char point, char number[static DECIMAL_MAX])
{
	bool negative = *text == '-';
	const char *digits = text + (*text == '-' || *text == '+');
	size_t whole = strspn(digits, "0123456789"), decimals = 0;
	const char *end = digits + whole;
	if (*end == point && is_digit(end[1])) {
		decimals = strspn(end + 1, "0123456789");
		end += 1 + decimals;
	}
	if (whole + decimals == 0 || whole + decimals > 30)
		return NULL;
	write_number(digits, whole, decimals, negative, number);
	return move_point(number, end);
}

/* A thousands separator, the other decimal sign, a range, a titre, plus-minus: behind all of these the first digits are
 * not the number, so there is none. */
void text_quantity_read(const char *text, char point, struct text_quantity *ret)
{
	*ret = (struct text_quantity){ .rest = text };
	const char *at = text;
	for (size_t i = 0; i < sizeof(qualifiers) / sizeof(qualifiers[0]); i++) {
		if (strncmp(text, qualifiers[i].sent, strlen(qualifiers[i].sent)) != 0)
			continue;
		text_copy(ret->qualifier, sizeof(ret->qualifier), qualifiers[i].said);
		at += strlen(qualifiers[i].sent);
		at += strspn(at, " ");
		break;
	}
	const char *rest = read_digits(at, point, ret->number);
	rest = rest ? rest + strspn(rest, " ") : NULL;
	if (rest && is_rest(rest))
		ret->rest = rest;
	else
		*ret->number = *ret->qualifier = '\0';
}

/* ---- times ---- */

static size_t run_of(const char *pattern, size_t left)
{
	size_t length = 1;
	while (length < left && pattern[length] == *pattern)
		length++;
	return length;
}

static int *part_of(struct date_time *time, char letter)
{
	switch (letter) {
	case 'y':
		return &time->year;
	case 'M':
		return &time->month;
	case 'd':
		return &time->day;
	case 'H':
		return &time->hour;
	case 'm':
		return &time->minute;
	case 's':
		return &time->second;
	default:
		return NULL;
	}
}

bool text_time_pattern(const char *pattern)
{
	struct date_time seen = { 0 };
	for (size_t run; *pattern; pattern += run) {
		run = run_of(pattern, strlen(pattern));
		int *part = part_of(&seen, *pattern);
		bool letter = (*pattern >= 'a' && *pattern <= 'z') || (*pattern >= 'A' && *pattern <= 'Z');
		if (part ? (*part)++ > 0 || (*pattern == 'y' ? run != 2 && run != 4 : run > 2)
			 : letter && *pattern != 'T')
			return false;
	}
	return seen.month && seen.day && seen.hour && seen.minute; /* the year may be missing */
}

bool text_time_read(const char *pattern, const char *text, struct date_time *ret)
{
	*ret = (struct date_time){ 0 };
	for (size_t run; *pattern; pattern += run) {
		run = run_of(pattern, strlen(pattern));
		int *part = part_of(ret, *pattern);
		if (!part) {
			run = 1;
			if (*pattern != *text)
				return false;
			text++;
			text += *pattern == ' ' ? strspn(text, " ") : 0;
			continue;
		}
		size_t most = run > 1 ? run : 2, count = 0;
		for (; count < most && is_digit(text[count]); count++)
			*part = *part * 10 + (text[count] - '0');
		if (count < run)
			return false;
		text += count;
		if (*pattern == 'y' && run == 2)
			ret->year += 2000;
	}
	return *text == '\0';
}

size_t text_time_write(const char *pattern, size_t length, const struct date_time *time, char *out, size_t size)
{
	struct date_time copy = *time;
	size_t used = 0;
	for (size_t run; length > 0; pattern += run, length -= run) {
		run = run_of(pattern, length);
		const int *part = part_of(&copy, *pattern);
		int value = part ? *part : 0;
		if (part && *pattern == 'y' && run == 2)
			value %= 100;
		int wrote = part ? snprintf(out + used, size - used, "%0*d", (int)run, value)
		                 : snprintf(out + used, size - used, "%.*s", (int)run, pattern);
		if (wrote < 0 || (size_t)wrote >= size - used)
			return 0;
		used += (size_t)wrote;
	}
	return used;
}

/* ---- characters ---- */

size_t text_step(enum text_encoding encoding, const uint8_t *at, size_t left)
{
	if (encoding != TEXT_GB18030 || at[0] < 0x81 || at[0] == 0xFF)
		return 1;
	if (left < 2)
		return 0;
	if (at[1] >= 0x40 && at[1] != 0x7F && at[1] != 0xFF)
		return 2;
	if (at[1] < 0x30 || at[1] > 0x39)
		return 1; /* a character cut in half: what follows stands for itself */
	if (left < 3)
		return 0;
	if (at[2] < 0x81 || at[2] == 0xFF)
		return 1;
	if (left < 4)
		return 0;
	return at[3] >= 0x30 && at[3] <= 0x39 ? 4 : 1;
}
