/* Single texts of a record: numbers with qualifier and unit, times by a pattern. */
#include <stdio.h>
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

void text_quantity_read(const char *text, char point, struct text_quantity *ret)
{
	*ret = (struct text_quantity){ .rest = text };
	for (size_t i = 0; i < sizeof(qualifiers) / sizeof(qualifiers[0]); i++) {
		if (strncmp(text, qualifiers[i].sent, strlen(qualifiers[i].sent)) != 0)
			continue;
		text_copy(ret->qualifier, sizeof(ret->qualifier), qualifiers[i].said);
		text += strlen(qualifiers[i].sent);
		text += strspn(text, " ");
		break;
	}
	bool negative = *text == '-';
	const char *digits = text + (*text == '-' || *text == '+');
	size_t whole = strspn(digits, "0123456789"), decimals = 0;
	const char *end = digits + whole;
	if (*end == point && is_digit(end[1])) {
		decimals = strspn(end + 1, "0123456789");
		end += 1 + decimals;
	}
	if (whole + decimals == 0 || whole + decimals > 30) {
		*ret->qualifier = '\0';
		return;
	}
	write_number(digits, whole, decimals, negative, ret->number);
	ret->rest = end + strspn(end, " ");
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
