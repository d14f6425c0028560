/* Fields of astm records: cut where a delimiter is a character of its own, then decoded. */
#include <string.h>

#include "astm.h"

/* ---- cutting ---- */

struct astm_record astm_record_of(
	const struct astm_delimiters *delimiters, int encoding, const uint8_t *data, size_t length)
{
	bool utf8 = text_is_utf8(data, length);
	struct astm_record record = { .delimiters = delimiters, .whole = { data, length } };
	record.encoding = delimited_encoding_of((enum delimited_encoding)encoding, utf8);
	if (encoding == DELIMITED_AUTO && !utf8 && length > 0 && (data[0] == 'R' || data[0] == 'r')) {
		record.unit = 5;
		if (delimited_unit_doubtful(astm_field(&record, 5)))
			record.marks |= READING_TEXT_BAD;
	}
	return record;
}

struct field astm_field(const struct astm_record *record, unsigned number)
{
	return delimited_part_of(record->encoding, record->whole, record->delimiters->field, number, record->unit);
}

struct field astm_first_repeat(const struct astm_record *record, struct field field)
{
	return delimited_part(record->encoding, field, record->delimiters->repeat, 1);
}

struct field astm_component(const struct astm_record *record, struct field field, unsigned number)
{
	return delimited_part(record->encoding, field, record->delimiters->component, number);
}

struct field astm_first_component(const struct astm_record *record, struct field field)
{
	for (unsigned number = 1; number <= 16; number++) {
		struct field component = astm_component(record, field, number);
		if (!delimited_blank(component))
			return component;
	}
	return (struct field){ NULL, 0 };
}

/* ---- texts ---- */

static uint8_t escaped(const struct astm_delimiters *delimiters, uint8_t letter)
{
	switch (letter) {
	case 'F':
		return delimiters->field;
	case 'S':
		return delimiters->component;
	case 'R':
		return delimiters->repeat;
	case 'E':
		return delimiters->escape;
	default:
		return 0;
	}
}

/* `&F&`, `&S&`, `&R&` and `&E&` stand for the delimiters; everything else is taken as it is. */
static size_t unescape(const struct astm_record *record, struct field field, uint8_t *out, size_t size)
{
	uint8_t escape = record->delimiters->escape;
	size_t length = 0;
	for (size_t i = 0; i < field.length && length + 4 < size;) {
		uint8_t stands = 0;
		if (escape && field.at[i] == escape && i + 2 < field.length && field.at[i + 2] == escape)
			stands = escaped(record->delimiters, field.at[i + 1]);
		if (stands) {
			out[length++] = stands;
			i += 3;
			continue;
		}
		size_t step = delimited_character(record->encoding, field.at + i, field.length - i);
		memcpy(out + length, field.at + i, step);
		length += step;
		i += step;
	}
	return length;
}

void astm_text(struct astm_record *record, struct field field, char *out, size_t size)
{
	uint8_t plain[512] = { 0 };
	size_t length = unescape(record, field, plain, sizeof(plain));
	unsigned marks = delimited_text(record->encoding, plain, length, out, size);
	if (marks & (TEXT_CUT | TEXT_TRUNCATED) || length + 4 >= sizeof(plain))
		record->marks |= READING_TEXT_CUT;
	if (marks & TEXT_BAD)
		record->marks |= READING_TEXT_BAD;
}
