/* Fields of delimited messages: cut where a delimiter is a character of its own; times, values, flags. */
#include "delimited.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bytes.h"
#include "calendar.h"

/* ---- cutting ---- */

/* Bytes of the character at `at`. The second and later bytes of GB 18030 may equal any delimiter but CR and LF. */
size_t delimited_character(enum text_encoding encoding, const uint8_t *at, size_t left)
{
	if (encoding != TEXT_GB18030 || at[0] < 0x81 || at[0] == 0xFF || left < 2)
		return 1;
	if (at[1] >= 0x40 && at[1] != 0x7F && at[1] != 0xFF)
		return 2;
	bool four = left >= 4 && at[1] >= '0' && at[1] <= '9' && at[2] >= 0x81 && at[2] != 0xFF && at[3] >= '0' &&
	            at[3] <= '9';
	return four ? 4 : 1;
}

/* ° ² ³ µ: as good as all that units have beyond ASCII. */
static bool is_latin_sign(uint8_t byte)
{
	return byte == 0xB0 || byte == 0xB2 || byte == 0xB3 || byte == 0xB5;
}

/* Part `number`, from 1, of a field that `delimiter` divides; empty behind the last. */
struct field delimited_part_of(
	enum text_encoding encoding, struct field whole, uint8_t delimiter, unsigned number, unsigned unit)
{
	struct field found = { whole.at, 0 };
	unsigned part = 1;
	size_t i = 0;
	while (i < whole.length) {
		if (delimiter && whole.at[i] == delimiter) {
			if (part == number)
				return found;
			part++;
			i++;
			found = (struct field){ whole.at + i, 0 };
			continue;
		}
		size_t step = delimited_character(encoding, whole.at + i, whole.length - i);
		if (part == unit && step == 2 && whole.at[i + 1] == delimiter && is_latin_sign(whole.at[i]))
			step = 1;
		i += step;
		found.length += step;
	}
	return part == number ? found : (struct field){ NULL, 0 };
}

struct field delimited_part(enum text_encoding encoding, struct field whole, uint8_t delimiter, unsigned number)
{
	return delimited_part_of(encoding, whole, delimiter, number, 0);
}

bool delimited_unit_doubtful(struct field unit)
{
	for (size_t i = 0; i < unit.length; i++) {
		bool alone = i + 1 == unit.length || unit.at[i + 1] < 0x80;
		if (is_latin_sign(unit.at[i]) && alone)
			return true;
		i += delimited_character(TEXT_GB18030, unit.at + i, unit.length - i) - 1;
	}
	return false;
}

enum text_encoding delimited_encoding_of(enum delimited_encoding choice, bool utf8)
{
	switch (choice) {
	case DELIMITED_GB18030:
		return TEXT_GB18030;
	case DELIMITED_UTF8:
		return TEXT_UTF8;
	case DELIMITED_LATIN1:
		return TEXT_LATIN1;
	case DELIMITED_AUTO:
		break;
	}
	return utf8 ? TEXT_UTF8 : TEXT_GB18030;
}

bool delimited_blank(struct field field)
{
	for (size_t i = 0; i < field.length; i++)
		if (field.at[i] != ' ')
			return false;
	return true;
}

unsigned delimited_text(enum text_encoding encoding, uint8_t *bytes, size_t length, char *out, size_t size)
{
	while (length > 0 && bytes[length - 1] == '\0')
		length--;
	for (size_t i = 0; i < length; i++)
		if (bytes[i] == '\0')
			bytes[i] = 1;
	return text_decode(encoding, bytes, length, out, size);
}

/* ---- times ---- */

static int two(struct bytes *bytes)
{
	int tens = bytes_u8(bytes) - '0', ones = bytes_u8(bytes) - '0';
	return tens * 10 + ones;
}

bool delimited_time(struct field field, size_t digits, struct date_time *ret)
{
	size_t length = 0;
	while (length < field.length && field.at[length] >= '0' && field.at[length] <= '9')
		length++;
	/* A zone or a fraction of a second may follow; nothing else. */
	bool more = length < field.length;
	if (length < digits || length < 8 || length > 14 || length % 2 != 0 ||
		(more && !strchr("+-.Z ", field.at[length])))
		return false;
	struct bytes bytes = bytes_of(field.at, length);
	struct date_time time = { .year = two(&bytes) * 100 };
	time.year += two(&bytes);
	time.month = two(&bytes);
	time.day = two(&bytes);
	if (bytes_left(&bytes))
		time.hour = two(&bytes);
	if (bytes_left(&bytes))
		time.minute = two(&bytes);
	if (bytes_left(&bytes))
		time.second = two(&bytes);
	*ret = time;
	return calendar_valid(&time);
}

void delimited_zone(struct field field, char out[static 8])
{
	size_t at = 0;
	*out = '\0';
	while (at < field.length && !strchr("+-Z", field.at[at]))
		at++;
	const uint8_t *zone = field.at + at;
	size_t length = field.length - at;
	bool digits = length >= 5 && *zone != 'Z';
	for (size_t i = 1; digits && i < 5; i++)
		digits = zone[i] >= '0' && zone[i] <= '9';
	if (length > 0 && *zone == 'Z')
		snprintf(out, 8, "+00:00");
	else if (digits && zone[1] <= '1' && zone[3] <= '5')
		snprintf(out, 8, "%c%c%c:%c%c", zone[0], zone[1], zone[2], zone[3], zone[4]);
}

/* ---- values ---- */

static const struct {
	const char *sign, *qualifier;
} signs[] = {
	{ "<=", "<=" },
	{ ">=", ">=" },
	{ "=<", "<=" },
	{ "=>", ">=" },
	{ "≤", "<=" },
	{ "≥", ">=" },
	{ "＜", "<" },
	{ "＞", ">" },
	{ "<", "<" },
	{ ">", ">" },
};

/* Words by which an instrument says its verdict where the value should stand. */
static const struct {
	const char *word;
	enum verdict verdict;
} words[] = {
	{ "negative", VERDICT_NEGATIVE },
	{ "neg", VERDICT_NEGATIVE },
	{ "阴性", VERDICT_NEGATIVE },
	{ "未检出", VERDICT_NEGATIVE },
	{ "positive", VERDICT_POSITIVE },
	{ "pos", VERDICT_POSITIVE },
	{ "阳性", VERDICT_POSITIVE },
	{ "检出", VERDICT_POSITIVE },
	{ "suspect", VERDICT_SUSPECT },
	{ "可疑", VERDICT_SUSPECT },
	{ "invalid", VERDICT_INVALID },
	{ "无效", VERDICT_INVALID },
	{ "na", VERDICT_INVALID },
	{ "n/a", VERDICT_INVALID },
	{ "null", VERDICT_INVALID },
	{ "no result", VERDICT_INVALID },
	{ "error", VERDICT_INVALID },
	{ "", VERDICT_INVALID },
};

static bool same_word(const char *a, const char *b)
{
	for (; *a && *b; a++, b++) {
		char one = *a >= 'A' && *a <= 'Z' ? (char)(*a + 32) : *a;
		char other = *b >= 'A' && *b <= 'Z' ? (char)(*b + 32) : *b;
		if (one != other)
			return false;
	}
	return *a == *b;
}

static enum verdict word_verdict(const char *text)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (same_word(text, words[i].word))
			return words[i].verdict;
	return text[strspn(text, "*-.?#")] == '\0' ? VERDICT_INVALID : VERDICT_NONE;
}

bool delimited_is_number(const char *text)
{
	if (decimal_valid(text))
		return true;
	char copy[DECIMAL_MAX];
	size_t comma = strcspn(text, ",");
	if (strlen(text) >= sizeof(copy) || !text[comma])
		return false;
	snprintf(copy, sizeof(copy), "%s", text);
	copy[comma] = '.';
	return decimal_valid(copy);
}

/* ".5" and "173." are numbers of which a digit is left out, or a point too many: "0.5", "173". */
static bool completed(const char *text, char out[static DECIMAL_MAX])
{
	size_t sign = *text == '-' || *text == '+', length = strlen(text);
	if (length + 2 > DECIMAL_MAX || length < sign + 2)
		return false;
	bool bare = text[sign] == '.', open = text[length - 1] == '.';
	if (bare == open)
		return false;
	snprintf(out, DECIMAL_MAX, "%.*s%s%.*s", (int)sign, text, bare ? "0" : "", (int)(length - sign - open),
		text + sign);
	return decimal_valid(out);
}

/* A number keeps its form, its sign of comparison apart; anything else is the value as sent. */
void delimited_value(struct reading *reading, const char *sent)
{
	char whole[DECIMAL_MAX];
	text_copy(reading->value_as_sent, sizeof(reading->value_as_sent), sent);
	for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++) {
		size_t length = strlen(signs[i].sign);
		if (strncmp(sent, signs[i].sign, length) != 0)
			continue;
		const char *number = sent + length + strspn(sent + length, " ");
		if (!delimited_is_number(number) && !completed(number, whole))
			break;
		text_copy(reading->qualifier, sizeof(reading->qualifier), signs[i].qualifier);
		sent = number;
		break;
	}
	if (completed(sent, whole))
		sent = whole;
	text_copy(reading->value, sizeof(reading->value), sent);
	if (!delimited_is_number(sent))
		reading->verdict = word_verdict(sent);
	if (strlen(sent) >= sizeof(reading->value))
		reading->marks |= READING_TEXT_CUT;
	if (strcmp(reading->value, reading->value_as_sent) == 0)
		reading->value_as_sent[0] = '\0';
}

/* ---- flags ---- */

/* The next "FLAG=verdict"; false at the end. `ret_verdict` -1: not one. */
static bool next_flag(const char **at, const char **ret_flag, size_t *ret_length, int *ret_verdict)
{
	*at += strspn(*at, " ,");
	if (!**at)
		return false;
	size_t length = strcspn(*at, " ,"), equals = strcspn(*at, "=");
	*ret_flag = *at;
	*ret_length = equals;
	*ret_verdict = -1;
	for (int verdict = VERDICT_NONE; equals < length && verdict <= VERDICT_INVALID; verdict++) {
		const char *name = verdict_name((enum verdict)verdict);
		if (strlen(name) == length - equals - 1 && strncmp(*at + equals + 1, name, strlen(name)) == 0)
			*ret_verdict = verdict;
	}
	*at += length;
	return true;
}

int delimited_flags_check(const char *flags, struct fault *fault)
{
	const char *at = flags, *flag;
	size_t length;
	int verdict;
	while (next_flag(&at, &flag, &length, &verdict))
		if (verdict < 0 || length == 0)
			return fault_set(fault, EINVAL,
				_("flags = %s: \"%.*s\" is no flag with its verdict; "
				  "\"A=positive N=negative\" would be right"),
				flags, (int)(at - flag), flag);
	return 0;
}

enum verdict delimited_flag_verdict(const char *flags, const char *flag)
{
	const char *at = flags, *name;
	size_t length;
	int verdict;
	while (*flag && next_flag(&at, &name, &length, &verdict))
		if (verdict > 0 && strlen(flag) == length && strncmp(flag, name, length) == 0)
			return (enum verdict)verdict;
	return VERDICT_NONE;
}
