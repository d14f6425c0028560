#include "spelling.h"

#include <stddef.h>

/* The full-width form of a printable ASCII character is U+FF01..U+FF5E: EF BC 81 .. EF BD 9E. */
static unsigned full_width(const unsigned char *at)
{
	if (at[0] != 0xEF || (at[1] != 0xBC && at[1] != 0xBD) || at[2] < 0x80 || at[2] > 0xBF)
		return 0;
	unsigned code = (unsigned)(at[1] - 0xBC) * 64 + (at[2] - 0x80U); /* from U+FF00 on */
	return code >= 0x01 && code <= 0x5E ? code + 0x20 : 0;
}

static size_t blank_length(const unsigned char *at)
{
	if (at[0] == ' ' || (at[0] >= '\t' && at[0] <= '\r'))
		return 1;
	if (at[0] == 0xC2 && at[1] == 0xA0) /* no-break space */
		return 2;
	if (at[0] == 0xE3 && at[1] == 0x80 && at[2] == 0x80) /* ideographic space */
		return 3;
	return 0;
}

char *spelling_fold(char *out, const char *text)
{
	const unsigned char *at = (const unsigned char *)text;
	char *to = out;
	while (*at) {
		size_t blank = blank_length(at);
		unsigned ascii = full_width(at);
		if (blank) {
			at += blank;
			continue;
		}
		unsigned char next = ascii ? (unsigned char)ascii : *at;
		if (at[0] == 0xCE && at[1] == 0xBC) { /* Greek mu, U+03BC, is the micro sign U+00B5 here */
			*to++ = (char)0xC2;
			next = 0xB5;
			at++;
		}
		*to++ = (char)(next >= 'A' && next <= 'Z' ? next + ('a' - 'A') : next);
		at += ascii ? 3 : 1;
	}
	*to = '\0';
	return out;
}
