#include "text.h"

#include <iconv.h>
#include <stdlib.h>
#include <string.h>

static const char replacement[] = "\xEF\xBF\xBD"; /* U+FFFD */

/* Length of the well-formed UTF-8 character at `at` (RFC 3629, section 4), 0 when there is none, -1 when `left` bytes
 * are the beginning of one. */
static int utf8_length(const uint8_t *at, size_t left)
{
	static const struct {
		uint8_t first, last; /* lead bytes */
		uint8_t low, high;   /* allowed second bytes */
		int length;
	} forms[] = {
		{ 0x00, 0x7F, 0x00, 0x00, 1 },
		{ 0xC2, 0xDF, 0x80, 0xBF, 2 },
		{ 0xE0, 0xE0, 0xA0, 0xBF, 3 },
		{ 0xE1, 0xEC, 0x80, 0xBF, 3 },
		{ 0xED, 0xED, 0x80, 0x9F, 3 },
		{ 0xEE, 0xEF, 0x80, 0xBF, 3 },
		{ 0xF0, 0xF0, 0x90, 0xBF, 4 },
		{ 0xF1, 0xF3, 0x80, 0xBF, 4 },
		{ 0xF4, 0xF4, 0x80, 0x8F, 4 },
	};
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (at[0] < forms[i].first || at[0] > forms[i].last)
			continue;
		for (int k = 1; k < forms[i].length; k++) {
			if ((size_t)k >= left)
				return -1;
			uint8_t low = k == 1 ? forms[i].low : 0x80, high = k == 1 ? forms[i].high : 0xBF;
			if (at[k] < low || at[k] > high)
				return 0;
		}
		return forms[i].length;
	}
	return 0;
}

/* The same for GB 18030-2005: one byte, two bytes, or four bytes with digits at the second and fourth place. */
static int gb18030_length(const uint8_t *at, size_t left)
{
	if (at[0] <= 0x7F)
		return 1;
	if (at[0] == 0x80 || at[0] == 0xFF)
		return 0;
	if (left < 2)
		return -1;
	if (at[1] >= 0x40 && at[1] != 0x7F && at[1] != 0xFF)
		return 2;
	if (at[1] < 0x30 || at[1] > 0x39)
		return 0;
	if (left >= 3 && (at[2] < 0x81 || at[2] == 0xFF))
		return 0;
	if (left >= 4 && (at[3] < 0x30 || at[3] > 0x39))
		return 0;
	return left >= 4 ? 4 : -1;
}

static uint32_t utf8_point(const uint8_t *at, int length)
{
	static const uint8_t lead_mask[] = { 0, 0x7F, 0x1F, 0x0F, 0x07 };
	uint32_t point = at[0] & lead_mask[length];
	for (int i = 1; i < length; i++)
		point = point << 6 | (at[i] & 0x3FU);
	return point;
}

static bool is_control(const uint8_t *utf8, int length)
{
	uint32_t point = utf8_point(utf8, length);
	return point < 0x20 || (point >= 0x7F && point <= 0x9F);
}

/* Held for ever on purpose. Without it all works the same, only slower: the module is loaded at each call. */
static iconv_t kept;

void text_prepare(void)
{
	if (!kept)
		kept = iconv_open("UTF-8", "GB18030");
}

struct writer {
	char *out;
	size_t size, length;
	unsigned marks;
};

static void put(struct writer *writer, const char *utf8, size_t length)
{
	if (writer->marks & TEXT_TRUNCATED || writer->length + length >= writer->size) {
		writer->marks |= TEXT_TRUNCATED;
		return;
	}
	memcpy(writer->out + writer->length, utf8, length);
	writer->length += length;
}

static void put_bad(struct writer *writer, enum text_mark mark)
{
	writer->marks |= mark;
	put(writer, replacement, sizeof(replacement) - 1);
}

/* One well-formed character; `converter` is NULL when it is UTF-8 already. */
static void put_character(struct writer *writer, iconv_t *converter, const uint8_t *at, int length)
{
	char utf8[16];
	size_t count = (size_t)length;
	memcpy(utf8, at, count);
	if (at[0] > 0x7F && converter) {
		char copy[4], *in = copy, *out = utf8;
		size_t in_left = count, out_left = sizeof(utf8);
		memcpy(copy, at, count);
		/* Without the conversion (a broken installation) every such character is bad, and says so. */
		if (*converter == (iconv_t)-1 || iconv(*converter, &in, &in_left, &out, &out_left) == (size_t)-1) {
			put_bad(writer, TEXT_BAD);
			return;
		}
		count = sizeof(utf8) - out_left;
	}
	int first = utf8_length((const uint8_t *)utf8, count);
	if (first <= 0 || is_control((const uint8_t *)utf8, first))
		put_bad(writer, TEXT_BAD);
	else
		put(writer, utf8, count);
}

static void decode(struct writer *writer, enum text_encoding encoding, const uint8_t *data, size_t length)
{
	iconv_t converter = (iconv_t)-1;
	bool converting = encoding == TEXT_GB18030;
	if (converting)
		converter = iconv_open("UTF-8", "GB18030");
	if (converting && converter == (iconv_t)-1 && kept && kept != (iconv_t)-1)
		abort(); /* it could be had before: memory is gone, and the text would be taken for a bad one */
	for (size_t i = 0; i < length;) {
		const uint8_t *at = data + i;
		size_t left = length - i;
		int width = converting ? gb18030_length(at, left) : utf8_length(at, left);
		uint8_t pair[] = { (uint8_t)(0xC0 | *at >> 6), (uint8_t)(0x80 | (*at & 0x3F)) };
		if (encoding == TEXT_LATIN1 && *at > 0x7F) {
			put_character(writer, NULL, pair, 2);
			i++;
			continue;
		}
		if (encoding == TEXT_ASCII && *at > 0x7F)
			width = 0;
		if (width < 0) {
			put_bad(writer, TEXT_CUT);
			break;
		}
		if (width == 0)
			put_bad(writer, TEXT_BAD);
		else
			put_character(writer, converting ? &converter : NULL, at, width);
		i += width > 0 ? (size_t)width : 1;
	}
	if (converter != (iconv_t)-1)
		iconv_close(converter);
}

/* A blank at the start of `text`: a space, a tab, or U+3000, with which Hanzi fields are padded. */
static size_t blank_length(const uint8_t *text, size_t length)
{
	if (length >= 1 && (text[0] == ' ' || text[0] == '\t'))
		return 1;
	return length >= 3 && memcmp(text, "\xE3\x80\x80", 3) == 0 ? 3 : 0;
}

static void trim(char *text, size_t length)
{
	const uint8_t *bytes = (const uint8_t *)text;
	size_t start = 0, blank;
	while ((blank = blank_length(bytes + start, length - start)) > 0)
		start += blank;
	while (length > start) {
		if (blank_length(bytes + length - 1, 1) == 1)
			length -= 1;
		else if (length - start >= 3 && blank_length(bytes + length - 3, 3) == 3)
			length -= 3;
		else
			break;
	}
	memmove(text, text + start, length - start);
	text[length - start] = '\0';
}

unsigned text_decode(enum text_encoding encoding, const void *data, size_t length, char *out, size_t size)
{
	const uint8_t *bytes = data;
	const uint8_t *end = length > 0 ? memchr(bytes, 0, length) : NULL;
	if (end)
		length = (size_t)(end - bytes);
	/* Tabs at the ends are blanks, between words they are control characters. */
	while (length > 0 && (bytes[0] == ' ' || bytes[0] == '\t'))
		bytes++, length--;
	while (length > 0 && (bytes[length - 1] == ' ' || bytes[length - 1] == '\t'))
		length--;
	if (encoding == TEXT_AUTO)
		encoding = text_is_utf8(bytes, length) ? TEXT_UTF8 : TEXT_GB18030;
	struct writer writer = { .out = out, .size = size };
	decode(&writer, encoding, bytes, length);
	trim(out, writer.length);
	return writer.marks;
}

bool text_is_utf8(const void *data, size_t length)
{
	const uint8_t *bytes = data;
	for (size_t i = 0; i < length;) {
		int width = utf8_length(bytes + i, length - i);
		if (width <= 0)
			return false;
		i += (size_t)width;
	}
	return true;
}

struct range {
	uint32_t first, last;
};

static bool in_ranges(uint32_t point, const struct range *ranges, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (point >= ranges[i].first && point <= ranges[i].last)
			return true;
	return false;
}

/* Unicode Standard Annex 11, East_Asian_Width W and F, in blocks; and what combines with the character before it. */
static size_t point_width(uint32_t point)
{
	static const struct range two[] = { { 0x1100, 0x115F }, { 0x2E80, 0x303E }, { 0x3041, 0xA4CF },
		{ 0xA960, 0xA97F }, { 0xAC00, 0xD7A3 }, { 0xF900, 0xFAFF }, { 0xFE10, 0xFE19 }, { 0xFE30, 0xFE6F },
		{ 0xFF01, 0xFF60 }, { 0xFFE0, 0xFFE6 }, { 0x1F300, 0x1F64F }, { 0x1F900, 0x1F9FF },
		{ 0x20000, 0x3FFFD } };
	static const struct range none[] = { { 0x0300, 0x036F }, { 0x200B, 0x200F }, { 0xFE00, 0xFE0F },
		{ 0xFEFF, 0xFEFF } };
	if (in_ranges(point, none, sizeof(none) / sizeof(none[0])))
		return 0;
	return in_ranges(point, two, sizeof(two) / sizeof(two[0])) ? 2 : 1;
}

size_t text_width(const char *utf8)
{
	const uint8_t *at = (const uint8_t *)utf8;
	size_t left = strlen(utf8), width = 0;
	while (left > 0) {
		int length = utf8_length(at, left);
		width += length > 0 ? point_width(utf8_point(at, length)) : 1;
		size_t step = length > 0 ? (size_t)length : 1;
		at += step;
		left -= step;
	}
	return width;
}

char *text_copy(char *out, size_t size, const char *utf8)
{
	size_t length = strlen(utf8);
	if (size == 0)
		return out;
	if (length >= size) {
		length = size - 1;
		/* Step back over the continuation bytes of a character that does not fit. */
		while (length > 0 && ((uint8_t)utf8[length] & 0xC0) == 0x80)
			length--;
	}
	memmove(out, utf8, length);
	out[length] = '\0';
	return out;
}
