/* The segments of an hl7 message: gathered without persons and pictures, cut into fields, decoded. */
#include <string.h>

#include "hl7.h"

/* ---- gathering ---- */

void hl7_message_reset(struct hl7_message *message)
{
	message->length = message->start = message->dropped = message->left_out = 0;
	message->person = message->overflow = message->not_utf8 = message->orders = message->specimens = false;
	message->delimiters = (struct hl7_delimiters){ '|', '^', '~', '\\', '&' };
	message->charset = TEXT_UTF8;
	message->guessed = false;
	message->timed = false;
	message->kind = KIND_SAMPLE;
}

static bool named(const uint8_t *segment, size_t length, const char *name)
{
	return length >= 3 && memcmp(segment, name, 3) == 0;
}

/* Pictures come as encapsulated data or as a pointer to them. The delimiter is the byte behind the name. */
static bool is_picture(const uint8_t *segment, size_t length)
{
	if (!named(segment, length, "OBX") || length < 8)
		return false;
	struct field type = delimited_part(TEXT_UTF8, (struct field){ segment, length }, segment[3], 3);
	return hl7_says(type, "ED") || hl7_says(type, "RP");
}

static size_t kept_of(const uint8_t *segment, size_t length)
{
	size_t most = named(segment, length, "OBX") ? HL7_RESULT_MAX : HL7_SEGMENT_MAX;
	if (named(segment, length, "MSH"))
		most = HL7_HEADER_MAX;
	else if (is_picture(segment, length))
		most = HL7_PICTURE_MAX;
	return length < most ? length : most;
}

/* Blanks and the mark of UTF-8 may stand before a segment's name. */
static void strip_front(struct hl7_message *message)
{
	static const uint8_t mark[] = { 0xEF, 0xBB, 0xBF };
	uint8_t *segment = message->kept + message->start;
	size_t length = message->length - message->start, skip = 0;
	if (length >= sizeof(mark) && memcmp(segment, mark, sizeof(mark)) == 0)
		skip = sizeof(mark);
	while (skip < length && (segment[skip] == ' ' || segment[skip] == '\t'))
		skip++;
	memmove(segment, segment + skip, length - skip);
	message->length -= skip;
}

static void end_segment(struct hl7_message *message)
{
	strip_front(message);
	const uint8_t *segment = message->kept + message->start;
	size_t length = message->length - message->start;
	/* what was not kept may have cut a character: then only the whole ones tell */
	message->not_utf8 = message->not_utf8 || (message->dropped == 0 && !text_is_utf8(segment, length));
	size_t whole = length + message->dropped;
	message->dropped = 0;
	bool person = hl7_is_person(segment, length), another = message->orders && named(segment, length, "PID");
	if (another) { /* only that other results follow is kept */
		message->left_out += whole - 3;
		length = 3;
	} else if (person || length == 0 || (message->person && named(segment, length, "NTE"))) {
		message->person = message->person || person;
		message->left_out += whole;
		message->length = message->start;
		return;
	}
	message->person = another;
	if (named(segment, length, "OBR"))
		message->orders = true;
	else if (!message->orders && (named(segment, length, "SPM") || named(segment, length, "SAC")))
		message->specimens = true;
	message->length = message->start + kept_of(segment, length);
	if (message->length < sizeof(message->kept))
		message->kept[message->length++] = '\r';
	else
		message->overflow = true;
	message->start = message->length;
}

void hl7_gather(struct hl7_message *message, const uint8_t *data, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (data[i] == '\r' || data[i] == '\n') {
			end_segment(message);
		} else if (message->length - message->start > HL7_RESULT_MAX) {
			message->dropped++;
		} else if (message->length == sizeof(message->kept)) {
			message->overflow = true;
			return;
		} else {
			message->kept[message->length++] = data[i];
		}
	}
}

/* ---- cutting ---- */

bool hl7_next(const struct hl7_message *message, size_t *at, struct hl7_segment *ret)
{
	if (*at >= message->length)
		return false;
	*ret = hl7_segment_at(message, *at);
	*at += ret->whole.length + 1;
	return true;
}

struct hl7_segment hl7_segment_at(const struct hl7_message *message, size_t at)
{
	struct hl7_segment segment = { .message = message };
	if (at == HL7_NONE || at >= message->length)
		return segment;
	const uint8_t *start = message->kept + at, *end = memchr(start, '\r', message->length - at);
	segment.whole = (struct field){ start, end ? (size_t)(end - start) : message->length - at };
	return segment;
}

bool hl7_is(const struct hl7_segment *segment, const char *name)
{
	return named(segment->whole.at, segment->whole.length, name);
}

static enum text_encoding cutting(const struct hl7_segment *segment)
{
	return segment->message->charset;
}

/* Where a unit stands, the name counted: OBX-6; OBR-21 of a control. */
static unsigned unit_part(const struct hl7_segment *segment)
{
	return hl7_is(segment, "OBX") ? 7 : hl7_is(segment, "OBR") ? 22 : 0;
}

/* MSH-1 is the delimiter itself. */
struct field hl7_field(const struct hl7_segment *segment, unsigned number)
{
	unsigned part = hl7_is(segment, "MSH") ? number : number + 1;
	unsigned unit = segment->message->guessed ? unit_part(segment) : 0;
	return delimited_part_of(cutting(segment), segment->whole, segment->message->delimiters.field, part, unit);
}

struct field hl7_unit(struct hl7_segment *segment, unsigned number)
{
	struct field unit = hl7_field(segment, number);
	if (segment->message->guessed && delimited_unit_doubtful(unit))
		segment->marks |= READING_TEXT_BAD;
	return unit;
}

static struct field first_repeat(const struct hl7_segment *segment, struct field field)
{
	return delimited_part(cutting(segment), field, segment->message->delimiters.repeat, 1);
}

struct field hl7_component(const struct hl7_segment *segment, struct field field, unsigned number)
{
	const struct hl7_delimiters *delimiters = &segment->message->delimiters;
	struct field component =
		delimited_part(cutting(segment), first_repeat(segment, field), delimiters->component, number);
	return delimited_part(cutting(segment), component, delimiters->sub, 1);
}

struct field hl7_first(const struct hl7_segment *segment, struct field field)
{
	for (unsigned number = 1; number <= 9; number++) {
		struct field component = hl7_component(segment, field, number);
		if (!delimited_blank(component))
			return component;
	}
	return (struct field){ NULL, 0 };
}

bool hl7_says(struct field field, const char *word)
{
	return field.length == strlen(word) && memcmp(field.at, word, field.length) == 0;
}

bool hl7_starts(struct field field, const char *text)
{
	size_t length = strlen(text);
	return field.length >= length && memcmp(field.at, text, length) == 0;
}

/* ---- opening ---- */

/* Names of HL7 table 0211 and what instruments write for them. "ASCII" says nothing: Hanzi come under that name too. */
static const struct {
	const char *name;
	enum text_encoding charset;
} charsets[] = {
	{ "GB18030", TEXT_GB18030 },
	{ "GB 18030", TEXT_GB18030 },
	{ "GB18030-2000", TEXT_GB18030 },
	{ "GB 18030-2000", TEXT_GB18030 },
	{ "GB18030-2005", TEXT_GB18030 },
	{ "GB 18030-2005", TEXT_GB18030 },
	{ "GBK", TEXT_GB18030 },
	{ "GB2312", TEXT_GB18030 },
	{ "GB 2312", TEXT_GB18030 },
	{ "GB2312-80", TEXT_GB18030 },
	{ "GB 2312-80", TEXT_GB18030 },
	{ "8859/1", TEXT_LATIN1 },
	{ "8859-1", TEXT_LATIN1 },
	{ "ISO 8859-1", TEXT_LATIN1 },
	{ "ISO-8859-1", TEXT_LATIN1 },
	{ "ISO8859-1", TEXT_LATIN1 },
	{ "LATIN-1", TEXT_LATIN1 },
	{ "LATIN1", TEXT_LATIN1 },
	{ "UNICODE UTF-8", TEXT_UTF8 },
	{ "UNICODE", TEXT_UTF8 },
	{ "UTF-8", TEXT_UTF8 },
	{ "UTF8", TEXT_UTF8 },
};

/* The same word, in whatever case. */
static bool same_word(struct field field, const char *word)
{
	size_t length = strlen(word);
	if (field.length != length)
		return false;
	for (size_t i = 0; i < length; i++) {
		uint8_t byte = field.at[i] >= 'a' && field.at[i] <= 'z' ? field.at[i] - 32 : field.at[i];
		if (byte != (uint8_t)word[i])
			return false;
	}
	return true;
}

static struct field trimmed(struct field field)
{
	while (field.length > 0 && field.at[0] == ' ')
		field = (struct field){ field.at + 1, field.length - 1 };
	while (field.length > 0 && field.at[field.length - 1] == ' ')
		field.length--;
	return field;
}

/* MSH-18, its first word that is an encoding; not MSH-17, where GBR is a country. What the bytes refute is not
 * believed. */
static enum text_encoding find_charset(struct hl7_message *message, enum delimited_encoding encoding)
{
	struct hl7_segment header = hl7_segment_at(message, 0);
	struct field named = hl7_field(&header, 18);
	for (unsigned number = 1; number <= 4; number++) {
		struct field word = trimmed(delimited_part(TEXT_UTF8, named, message->delimiters.repeat, number));
		for (size_t i = 0; i < sizeof(charsets) / sizeof(charsets[0]); i++)
			if (same_word(word, charsets[i].name) &&
				!(charsets[i].charset == TEXT_UTF8 && message->not_utf8))
				return charsets[i].charset;
	}
	message->guessed = encoding == DELIMITED_AUTO && message->not_utf8;
	return delimited_encoding_of(encoding, !message->not_utf8);
}

/* MSH-2 names them in this order, and may name fewer. A segment ends with CR. */
static void find_delimiters(struct hl7_message *message)
{
	const uint8_t *header = message->kept;
	struct hl7_delimiters delimiters = { .field = header[3] };
	uint8_t *const names[] = { &delimiters.component, &delimiters.repeat, &delimiters.escape, &delimiters.sub };
	size_t count = 0;
	for (const uint8_t *at = header + 4; count < 4 && *at != delimiters.field && *at != '\r'; at++)
		if (at == header + 4 || at[0] != at[-1]) /* some double the backslash */
			*names[count++] = *at;
	message->delimiters = delimiters;
}

/* What stands before MSH in its block, as of a batch, is passed over. */
static void drop_front(struct hl7_message *message)
{
	struct hl7_segment segment;
	size_t at = 0, start = 0;
	while (hl7_next(message, &at, &segment) && !hl7_is(&segment, "MSH"))
		start = at;
	if (start >= message->length)
		return;
	memmove(message->kept, message->kept + start, message->length - start);
	message->length -= start;
}

bool hl7_open(struct hl7_message *message, enum delimited_encoding encoding)
{
	if (message->length > message->start)
		end_segment(message);
	message->charset = message->not_utf8 ? TEXT_GB18030 : TEXT_UTF8;
	drop_front(message);
	if (!named(message->kept, message->length, "MSH") || message->length < 8)
		return false;
	find_delimiters(message);
	message->charset = find_charset(message, encoding);
	return true;
}

/* ---- texts ---- */

struct plain { /* a text under construction, in the message's encoding */
	uint8_t bytes[512];
	size_t length;
	bool full;
};

static void put(struct plain *plain, const uint8_t *bytes, size_t length)
{
	if (length > sizeof(plain->bytes) - plain->length) {
		plain->full = true;
		return;
	}
	memcpy(plain->bytes + plain->length, bytes, length);
	plain->length += length;
}

static void put_character(struct plain *plain, const uint8_t *bytes, size_t length)
{
	bool blank = bytes[0] == '\r' || bytes[0] == '\n' || bytes[0] == '\t';
	put(plain, blank ? (const uint8_t *)" " : bytes, length);
}

static int hex_digit(uint8_t byte)
{
	if (byte >= '0' && byte <= '9')
		return byte - '0';
	byte &= 0xDF;
	return byte >= 'A' && byte <= 'F' ? byte - 'A' + 10 : -1;
}

static bool put_hex(struct plain *plain, const uint8_t *digits, size_t length)
{
	if (length == 0 || length % 2 != 0)
		return false;
	for (size_t i = 0; i < length; i++)
		if (hex_digit(digits[i]) < 0)
			return false;
	for (size_t i = 0; i < length; i += 2) {
		uint8_t byte = (uint8_t)(hex_digit(digits[i]) * 16 + hex_digit(digits[i + 1]));
		put_character(plain, &byte, 1);
	}
	return true;
}

/* What stands between two escape characters. False when it is no escape: then it is text. */
static bool put_escape(struct plain *plain, const struct hl7_message *message, const uint8_t *body, size_t length)
{
	const struct hl7_delimiters *delimiters = &message->delimiters;
	const struct {
		uint8_t letter, stands;
	} letters[] = { { 'F', delimiters->field }, { 'S', delimiters->component }, { 'T', delimiters->sub },
		{ 'R', delimiters->repeat }, { 'E', delimiters->escape } };
	if (length == 0)
		return false;
	if (body[0] == 'X')
		return put_hex(plain, body + 1, length - 1);
	if (body[0] == '.') { /* a line break, an indent: white space between words */
		put(plain, (const uint8_t *)" ", 1);
		return true;
	}
	if (length != 1)
		return false;
	for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++) {
		if (body[0] == letters[i].letter && letters[i].stands) {
			put(plain, &letters[i].stands, 1);
			return true;
		}
	}
	return body[0] == 'H' || body[0] == 'N'; /* highlighting begins, ends */
}

/* The length of an escape sequence at `at`, 0 where there is none. */
static size_t escape_length(const struct hl7_message *message, const uint8_t *at, size_t left)
{
	uint8_t escape = message->delimiters.escape;
	if (!escape || at[0] != escape)
		return 0;
	for (size_t i = 1; i < left && i < 128; i++)
		if (at[i] == escape)
			return i + 1;
	return 0;
}

void hl7_text(struct hl7_segment *segment, struct field field, char *out, size_t size)
{
	const struct hl7_message *message = segment->message;
	enum text_encoding encoding = cutting(segment);
	struct plain plain = { .length = 0 };
	*out = '\0';
	if (hl7_says(field, "\"\""))
		return;
	for (size_t i = 0; i < field.length && !plain.full;) {
		size_t step = escape_length(message, field.at + i, field.length - i);
		if (step > 0 && put_escape(&plain, message, field.at + i + 1, step - 2)) {
			i += step;
			continue;
		}
		step = delimited_character(encoding, field.at + i, field.length - i);
		put_character(&plain, field.at + i, step);
		i += step;
	}
	unsigned marks = delimited_text(encoding, plain.bytes, plain.length, out, size);
	if (plain.full || marks & (TEXT_CUT | TEXT_TRUNCATED))
		segment->marks |= READING_TEXT_CUT;
	if (marks & TEXT_BAD)
		segment->marks |= READING_TEXT_BAD;
}
