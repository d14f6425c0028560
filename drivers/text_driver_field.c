/* One line of [field], [signals] or [said], and the small things profiles are written in. */
#include "text_driver.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLANKS " \t"

bool text_parse_long(const char *text, size_t length, long min, long max, long *ret)
{
	char copy[24], *end;
	if (length == 0 || length >= sizeof(copy) || strspn(text, "+-0123456789") < length)
		return false;
	memcpy(copy, text, length);
	copy[length] = '\0';
	long number = strtol(copy, &end, 10);
	if (end == copy || *end || number < min || number > max)
		return false;
	*ret = number;
	return true;
}

bool text_parse_span(const char *text, size_t length, long min, long max, long *ret_first, long *ret_last)
{
	const char *dots = memmem(text, length, "..", 2);
	size_t first = dots ? (size_t)(dots - text) : length;
	if (!text_parse_long(text, first, min, max, ret_first))
		return false;
	*ret_last = *ret_first;
	return !dots || text_parse_long(dots + 2, length - first - 2, min, max, ret_last);
}

/* ---- bytes that stand in the stream ---- */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte an escape stands for and the length of its letters; -1 for none. */
static int escaped(const char *at, size_t *ret_length)
{
	*ret_length = 1;
	switch (*at) {
	case 'r':
		return '\r';
	case 'n':
		return '\n';
	case 't':
		return '\t';
	case 's':
		return ' ';
	case '\\':
		return '\\';
	case 'x':
		*ret_length = 3;
		if (hex_digit(at[1]) < 0 || hex_digit(at[2]) < 0)
			return -1;
		return hex_digit(at[1]) << 4 | hex_digit(at[2]);
	default:
		return -1;
	}
}

int text_literal_parse(struct text_literal *out, const char *value, struct fault *fault)
{
	*out = (struct text_literal){ 0 };
	for (const char *at = value; *at;) {
		size_t length = 0;
		int byte = (uint8_t)*at;
		if (*at == '\\')
			byte = escaped(at + 1, &length);
		if (byte < 0)
			return fault_set(fault, EINVAL,
				_("'%.4s' is no escape; \\r \\n \\t, \\s for a space, \\\\ or \\x1B would be"), at);
		if (byte > 0x7F && *at != '\\')
			return fault_set(fault, EINVAL,
				_("'%s' is not ASCII; write the bytes the instrument sends, as \\xBC\\xEC"), value);
		if (out->length == TEXT_LITERAL_MAX)
			return fault_set(
				fault, EINVAL, _("'%s' is too long; at most %d bytes"), value, TEXT_LITERAL_MAX);
		out->bytes[out->length++] = (uint8_t)byte;
		at += 1 + length;
	}
	if (out->length == 0)
		return fault_set(
			fault, EINVAL, _("it is empty; the bytes the instrument sends, as \\r\\n, would be right"));
	return 0;
}

/* ---- where a field stands ---- */

struct word {
	const char *at;
	size_t length;
};

static struct word next_word(const char **rest)
{
	const char *at = *rest + strspn(*rest, BLANKS);
	struct word word = { at, strcspn(at, BLANKS) };
	*rest = at + word.length + strspn(at + word.length, BLANKS);
	return word;
}

/* With its quotes; as next_word() where there is no second one. */
static struct word next_quoted(const char **rest)
{
	const char *at = *rest, *end = strchr(at + 1, '\'');
	if (!end || end == at + 1)
		return next_word(rest);
	*rest = end + 1 + strspn(end + 1, BLANKS);
	return (struct word){ at, (size_t)(end - at + 1) };
}

static bool is(struct word word, const char *text)
{
	return strlen(text) == word.length && strncmp(word.at, text, word.length) == 0;
}

static int parse_text(struct text_field *field, struct word word, struct fault *fault);

/* 检测结果 or 检测结果|结果; two joined by a comma; in quotes where one has a blank in it, or is a number. */
static int parse_headings(struct text_field *field, struct word word, struct fault *fault)
{
	struct word inside = word;
	if (word.at[0] == '\'')
		inside = (struct word){ word.at + 1, word.length - 2 };
	return parse_text(field, inside, fault);
}

static int parse_columns(struct text_field *field, struct word word, struct fault *fault)
{
	if (word.length > 0 && !memchr("+-0123456789", word.at[0], 13)) /* a heading; 4 may be '4' */
		return parse_headings(field, word, fault);
	const char *comma = memchr(word.at, ',', word.length);
	size_t first = comma ? (size_t)(comma - word.at) : word.length;
	if (!text_parse_long(word.at, first, 1, TEXT_COLUMNS_MAX, &field->columns[0]) ||
		(comma &&
			!text_parse_long(comma + 1, word.length - first - 1, 1, TEXT_COLUMNS_MAX, &field->columns[1])))
		return fault_set(fault, EINVAL,
			_("'%.*s' is no column; they count from 1 to %d or are called as in the heading, and 4,5 joins two with a "
			  "blank"),
			(int)word.length, word.at, TEXT_COLUMNS_MAX);
	return 0;
}

static int parse_bytes(struct text_field *field, struct word word, struct fault *fault)
{
	if (!text_parse_span(word.at, word.length, -FRAME_MAX, FRAME_MAX, &field->first, &field->last) ||
		((field->first < 0) == (field->last < 0) && field->last < field->first))
		return fault_set(fault, EINVAL,
			_("'%.*s' are no bytes; first..last such as 5..19 would be, counted from 0, or from the end with -1 "
			  "the last"),
			(int)word.length, word.at);
	return 0;
}

static int parse_text(struct text_field *field, struct word word, struct fault *fault)
{
	if (word.length == 0)
		return fault_set(fault, EINVAL,
			_("nothing stands behind it; label 检测结果, or what the field always is, would be right"));
	if (word.length >= sizeof(field->text))
		return fault_set(fault, EINVAL, _("'%.*s' is too long; at most %zu bytes"), (int)word.length, word.at,
			sizeof(field->text) - 1);
	memcpy(field->text, word.at, word.length);
	field->text[word.length] = '\0';
	return 0;
}

static int parse_source(struct text_field *field, const char **rest, struct fault *fault)
{
	struct word source = next_word(rest);
	if (is(source, "is")) {
		struct word all = { *rest, strlen(*rest) };
		field->source = TEXT_FROM_PROFILE;
		*rest += all.length;
		return parse_text(field, all, fault);
	}
	if (is(source, "file")) {
		field->source = TEXT_FROM_FILE;
		return 0;
	}
	bool column = is(source, "column"), bytes = is(source, "bytes") || is(source, "byte");
	bool member = is(source, "member");
	if (!column && !bytes && !member && !is(source, "label"))
		return fault_set(fault, EINVAL,
			_("'%.*s' is no place; column 3, column 检测结果, bytes 5..19, label 检测结果, member 检测结果, file or is TEXT would be"),
			(int)source.length, source.at);
	struct word place = column && **rest == '\'' ? next_quoted(rest) : next_word(rest);
	field->source = column   ? TEXT_FROM_COLUMN
	                : bytes  ? TEXT_FROM_BYTES
	                : member ? TEXT_FROM_MEMBER
	                         : TEXT_FROM_LABEL;
	return column  ? parse_columns(field, place, fault)
	       : bytes ? parse_bytes(field, place, fault)
	               : parse_text(field, place, fault);
}

/* ---- what it is ---- */

static const struct {
	const char *name;
	enum text_type type;
	long width; /* in bytes, of numbers that are no text */
} types[] = {
	{ "text", TEXT_AS_WORD, 0 },
	{ "decimal", TEXT_AS_DECIMAL, 0 },
	{ "quantity", TEXT_AS_QUANTITY, 0 },
	{ "time", TEXT_AS_TIME, 0 },
	{ "u8", TEXT_AS_U8, 1 },
	{ "u16le", TEXT_AS_U16LE, 2 },
	{ "u16be", TEXT_AS_U16BE, 2 },
	{ "u32le", TEXT_AS_U32LE, 4 },
	{ "u32be", TEXT_AS_U32BE, 4 },
	{ "f32le", TEXT_AS_F32LE, 4 },
	{ "f32be", TEXT_AS_F32BE, 4 },
};

static int parse_pattern(struct text_field *field, const char *pattern, struct fault *fault)
{
	if (!*pattern)
		return fault_set(fault, EINVAL, _("time lacks its pattern; time yyyy-MM-dd HH:mm:ss would be right"));
	if (strlen(pattern) >= sizeof(field->format) || !text_time_pattern(pattern))
		return fault_set(fault, EINVAL,
			_("'%s' is no pattern of a time; yyyy or yy (or none), MM, dd, HH, mm and ss, each once, would "
			  "be: yyyy-MM-dd HH:mm:ss"),
			pattern);
	memcpy(field->format, pattern, strlen(pattern) + 1);
	return 0;
}

static int parse_type(struct text_field *field, size_t i, const char *rest, struct fault *fault)
{
	field->type = types[i].type;
	bool time = field->type == TEXT_AS_TIME;
	if (time != (field->role == TEXT_TIME))
		return time ? fault_set(
				      fault, EINVAL, _("only the field 'time' has the type time; text would be right"))
		            : fault_set(fault, EINVAL,
				      _("'%s' is not the type of a time; time yyyy-MM-dd HH:mm:ss would be right"),
				      types[i].name);
	if (time)
		return parse_pattern(field, rest, fault);
	if (*rest)
		return fault_set(fault, EINVAL, _("'%s' stands behind the type; nothing would be right"), rest);
	long width = field->last - field->first + 1;
	if (types[i].width > 0 && (field->source != TEXT_FROM_BYTES || width != types[i].width))
		return fault_set(fault, EINVAL, _("%s takes %ld bytes; bytes 5..%ld %s, say, would be right"),
			types[i].name, types[i].width, 4 + types[i].width, types[i].name);
	return 0;
}

int text_field_parse(struct text_field *field, const char *value, struct fault *fault)
{
	const char *rest = value;
	field->type = field->role == TEXT_VALUE || field->role == TEXT_LIMIT ? TEXT_AS_QUANTITY : TEXT_AS_WORD;
	int error = parse_source(field, &rest, fault);
	if (error < 0)
		return error;
	struct word word = next_word(&rest);
	if (word.length == 0)
		return field->role == TEXT_TIME ? parse_pattern(field, "", fault) : 0;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (is(word, types[i].name))
			return parse_type(field, i, rest, fault);
	return fault_set(fault, EINVAL,
		_("'%.*s' is no type; text, decimal, quantity, time PATTERN, u8, u16le, u16be, u32le, u32be, f32le or f32be "
		  "would be"),
		(int)word.length, word.at);
}
