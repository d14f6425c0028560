#include "uscc.h"

#include <ctype.h>
#include <string.h>

#include "calendar.h"

/* GB 32100-2015, 4.2 and annex: the characters in the order of their values; the check character makes the weighted sum
 * a multiple of 31, the weights being the powers of 3. */
static const char alphabet[] = "0123456789ABCDEFGHJKLMNPQRTUWXY";

static int value_of(char character)
{
	const char *at = character ? strchr(alphabet, character) : NULL;
	return at ? (int)(at - alphabet) : -1;
}

char uscc_check(const char *code)
{
	int sum = 0, weight = 1;
	for (size_t i = 0; i < USCC_LENGTH - 1; i++) {
		int value = value_of(code[i]);
		if (value < 0)
			return '\0';
		sum = (sum + value * weight) % 31;
		weight = weight * 3 % 31;
	}
	return alphabet[(31 - sum) % 31];
}

bool uscc_valid(const char *code)
{
	return strlen(code) == USCC_LENGTH && code[USCC_LENGTH - 1] == uscc_check(code);
}

/* The first two digits of a region's code (GB/T 2260). */
static bool is_province(const char *digits)
{
	static const char provinces[] =
		" 11 12 13 14 15 21 22 23 31 32 33 34 35 36 37 41 42 43 44 45 46 50 51 52 53 54 "
		"61 62 63 64 65 71 81 82 ";
	const char word[] = { ' ', digits[0], digits[1], ' ', '\0' };
	return strstr(provinces, word) != NULL;
}

static bool all_digits(const char *text, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!isdigit((unsigned char)text[i]))
			return false;
	return true;
}

bool uscc_shaped(const char *code)
{
	/* 100000 is the state's own region, 99.... those that changed their place */
	return strlen(code) == USCC_LENGTH && strchr("159Y", code[0]) && strchr("1239", code[1]) &&
	       all_digits(code + 2, 6) && uscc_check(code) &&
	       (is_province(code + 2) || strncmp(code + 2, "10", 2) == 0 || strncmp(code + 2, "99", 2) == 0);
}

/* ISO 7064, MOD 11-2. */
static char identity_check(const char *digits)
{
	int sum = 0;
	for (size_t i = 0; i < IDENTITY_LENGTH - 1; i++)
		sum = (sum + digits[i] - '0') * 2 % 11;
	return "10X98765432"[sum];
}

static int number(const char *digits, size_t count)
{
	int value = 0;
	for (size_t i = 0; i < count; i++)
		value = value * 10 + digits[i] - '0';
	return value;
}

static bool is_identity(const char *text, int latest_year)
{
	if (!all_digits(text, IDENTITY_LENGTH - 1) || !is_province(text))
		return false;
	struct date_time birth = {
		.year = number(text + 6, 4), .month = number(text + 10, 2), .day = number(text + 12, 2)
	};
	return birth.year >= 1900 && birth.year <= latest_year && calendar_valid(&birth) &&
	       toupper((unsigned char)text[IDENTITY_LENGTH - 1]) == identity_check(text);
}

const char *identity_find(const char *text, int latest_year)
{
	size_t length = strlen(text);
	for (size_t i = 0; i + IDENTITY_LENGTH <= length; i++) {
		bool alone = (i == 0 || !isdigit((unsigned char)text[i - 1])) &&
		             !isdigit((unsigned char)text[i + IDENTITY_LENGTH]);
		if (alone && is_identity(text + i, latest_year))
			return text + i;
	}
	return NULL;
}
