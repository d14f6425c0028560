#include "identity.h"

#include <ctype.h>
#include <string.h>

#include "calendar.h"
#include "region.h"

#define NEW_LENGTH  18
#define OLD_LENGTH  15
#define DIGITS_KEPT 6
#define OF_AGE      14
#define OF_AGE_BY   2012   /* where the time is not known */
#define FULL_WIDTH  3      /* bytes of a full-width digit: EF BC 90 to EF BC 99 */
#define MASK        "****" /* of any, also where it is set apart */

int identity_latest_birth(int year)
{
	return year > 0 ? year - OF_AGE : OF_AGE_BY;
}

/* The digit or X that begins at `text`, whatever its width, and its length in bytes; '\0' for anything else. */
static char letter_at(const char *text, size_t *ret_length)
{
	*ret_length = 1;
	if (isdigit((unsigned char)*text) || *text == 'X' || *text == 'x')
		return (char)toupper((unsigned char)*text);
	*ret_length = FULL_WIDTH;
	const unsigned char *bytes = (const unsigned char *)text;
	if (bytes[0] == 0xEF && bytes[1] == 0xBC && bytes[2] >= 0x90 && bytes[2] <= 0x99)
		return (char)('0' + bytes[2] - 0x90);
	if (bytes[0] == 0xEF && (bytes[1] == 0xBC ? bytes[2] == 0xB8 : bytes[1] == 0xBD && bytes[2] == 0x98))
		return 'X';
	return '\0';
}

static bool is_digit_at(const char *text)
{
	size_t length;
	char letter = letter_at(text, &length);
	return letter && letter != 'X';
}

static bool digit_before(const char *begin, const char *text)
{
	return text > begin &&
	       (isdigit((unsigned char)text[-1]) || (text - begin >= FULL_WIDTH && is_digit_at(text - FULL_WIDTH) &&
							    (unsigned char)text[-FULL_WIDTH] == 0xEF));
}

struct run { /* what may be one number */
	char letters[NEW_LENGTH + 1];
	size_t count, length; /* letters; bytes */
};

/* Up to `most` letters from `text` on; an X only as the last of a new number. */
static void read_run(const char *text, size_t most, bool apart, struct run *ret)
{
	size_t length;
	*ret = (struct run){ .count = 0 };
	while (ret->count < most) {
		const char *at = text + ret->length;
		bool skips = apart && ret->count > 0 && (*at == ' ' || *at == '-');
		char letter = letter_at(at + skips, &length);
		if (!letter || (letter == 'X' && ret->count != NEW_LENGTH - 1))
			return;
		ret->letters[ret->count++] = letter;
		ret->length += skips + length;
	}
}

static int number(const char *digits, size_t count)
{
	int value = 0;
	for (size_t i = 0; i < count; i++)
		value = value * 10 + digits[i] - '0';
	return value;
}

/* ISO 7064, MOD 11-2. */
static char check_of(const char *digits)
{
	int sum = 0;
	for (size_t i = 0; i < NEW_LENGTH - 1; i++)
		sum = (sum + digits[i] - '0') * 2 % 11;
	return "10X98765432"[sum];
}

static bool is_new(const struct run *run, int latest_birth)
{
	const char *digits = run->letters;
	if (run->count != NEW_LENGTH || !region_is_province(digits))
		return false;
	struct date_time birth = {
		.year = number(digits + 6, 4), .month = number(digits + 10, 2), .day = number(digits + 12, 2)
	};
	return birth.year >= 1900 && birth.year <= latest_birth && calendar_valid(&birth) &&
	       digits[NEW_LENGTH - 1] == check_of(digits);
}

/* A number made of a county and a date of these years has the same form. */
static bool is_old(const struct run *run, int latest_birth)
{
	const char *digits = run->letters;
	if (run->count != OLD_LENGTH || !region_is_province(digits))
		return false;
	struct date_time birth = {
		.year = 1900 + number(digits + 6, 2), .month = number(digits + 8, 2), .day = number(digits + 10, 2)
	};
	return birth.year + 100 > latest_birth + OF_AGE + 1 && calendar_valid(&birth);
}

const char *identity_find(const char *text, int latest_birth, size_t *ret_length)
{
	struct run run;
	for (const char *at = text; *at; at++) {
		if (!is_digit_at(at) || digit_before(text, at))
			continue;
		read_run(at, NEW_LENGTH, true, &run);
		bool found = is_new(&run, latest_birth);
		if (!found) {
			read_run(at, OLD_LENGTH, false, &run);
			found = is_old(&run, latest_birth);
		}
		if (!found || is_digit_at(at + run.length))
			continue;
		if (ret_length)
			*ret_length = run.length;
		return at;
	}
	return NULL;
}

/* Letter by letter: a full-width one becomes shorter. */
static void mask_one(char *at, size_t length)
{
	char *to = at;
	const char *end = at + length;
	unsigned count = 0;
	for (const char *from = at; from < end;) {
		size_t bytes;
		bool letter = letter_at(from, &bytes) != '\0';
		if (!letter)
			bytes = 1;
		if (letter && count++ >= DIGITS_KEPT) {
			*to++ = '*';
		} else {
			memmove(to, from, bytes);
			to += bytes;
		}
		from += bytes;
	}
	memmove(to, end, strlen(end) + 1);
}

bool identity_mask(char *text, int latest_birth)
{
	size_t length;
	bool any = false;
	for (const char *at; (at = identity_find(text, latest_birth, &length)); any = true)
		mask_one(text + (at - text), length);
	return any;
}

bool identity_is_masked(const char *text)
{
	return strstr(text, MASK) != NULL;
}
