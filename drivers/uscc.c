#include "uscc.h"

#include <ctype.h>
#include <string.h>

#include "region.h"

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
	       (region_is_province(code + 2) || strncmp(code + 2, "10", 2) == 0 || strncmp(code + 2, "99", 2) == 0);
}
