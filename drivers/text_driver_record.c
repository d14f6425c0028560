/* A frame becomes a reading, as the profile says. */
#include <stdio.h>
#include <string.h>

#include "bytes.h"
#include "calendar.h"
#include "checksum.h"
#include "profile_words.h"
#include "text_driver.h"

/* ---- one field as text ---- */

static const uint8_t *span_of(const struct text_piece *all, long first, long last, size_t *ret_length)
{
	long length = (long)all->length;
	first += first < 0 ? length : 0;
	last += last < 0 ? length : 0;
	if (first < 0 || last < first || last >= length)
		return NULL;
	*ret_length = (size_t)(last - first + 1);
	return all->at + first;
}

bool text_is_one_of(const char *names, size_t length, const char *name)
{
	size_t wanted = strlen(name);
	for (size_t at = 0; at < length;) {
		const char *bar = memchr(names + at, '|', length - at);
		size_t end = bar ? (size_t)(bar - names) : length;
		if (end - at == wanted && strncmp(names + at, name, wanted) == 0)
			return true;
		at = end + 1;
	}
	return false;
}

bool text_is_label(const struct text_field *field, const char *label)
{
	return text_is_one_of(field->text, strlen(field->text), label);
}

static bool label_text(
	const struct text_field *field, struct text_record *record, char *out, size_t size, unsigned *marks)
{
	for (size_t i = 0; i < record->label_count; i++) {
		struct text_label *label = &record->labels[i];
		if (!text_is_label(field, label->label))
			continue;
		label->used = true;
		*marks |= label->marks;
		text_copy(out, size, label->value);
		return true;
	}
	return false;
}

/* In a quoted column two quotes stand for one. */
static void single_quotes(char *text)
{
	char *to = text;
	for (const char *from = text; *from; from++) {
		*to++ = *from;
		if (from[0] == '"' && from[1] == '"')
			from++;
	}
	*to = '\0';
}

static bool column_text(const struct text_profile *profile, const struct text_field *field,
	const struct text_record *record, char *out, size_t size, unsigned *marks)
{
	const struct text_heading *heading = record->heading && record->heading->read ? record->heading : NULL;
	const long *columns = heading ? heading->columns[field - profile->fields] : field->columns;
	size_t used = 0;
	if (columns[0] == 0)
		return false; /* it goes by a name, and there is no heading */
	for (size_t i = 0; i < 2 && columns[i] > 0; i++) {
		size_t column = (size_t)columns[i];
		if (column > record->column_count || column > TEXT_COLUMNS_MAX)
			return false;
		if (used > 0 && used + 1 < size)
			out[used++] = ' ';
		const struct text_piece *piece = &record->columns[column - 1];
		*marks |= text_decode(
			text_encoding_of(profile, record), piece->at, piece->length, out + used, size - used);
		if (profile->quotes)
			single_quotes(out + used);
		used += strlen(out + used);
	}
	return true;
}

static bool number_of(enum text_type type, const uint8_t *at, size_t length, char *out)
{
	struct bytes bytes = bytes_of(at, length);
	switch (type) {
	case TEXT_AS_U8:
		return decimal_scaled(out, bytes_u8(&bytes), 0);
	case TEXT_AS_U16LE:
		return decimal_scaled(out, bytes_u16le(&bytes), 0);
	case TEXT_AS_U16BE:
		return decimal_scaled(out, bytes_u16be(&bytes), 0);
	case TEXT_AS_U32LE:
		return decimal_scaled(out, bytes_u32le(&bytes), 0);
	case TEXT_AS_U32BE:
		return decimal_scaled(out, bytes_u32be(&bytes), 0);
	case TEXT_AS_F32LE:
		return decimal_from_f32(out, bytes_u32le(&bytes));
	default:
		return decimal_from_f32(out, bytes_u32be(&bytes));
	}
}

static bool bytes_text(const struct text_profile *profile, const struct text_field *field,
	const struct text_record *record, char *out, size_t size, unsigned *marks)
{
	size_t length;
	char number[DECIMAL_MAX];
	const uint8_t *at = span_of(&record->all, field->first, field->last, &length);
	if (!at)
		return false;
	if (field->type < TEXT_AS_U8) {
		*marks |= text_decode(text_encoding_of(profile, record), at, length, out, size);
		return true;
	}
	bool is_number = number_of(field->type, at, length, number);
	text_copy(out, size, is_number ? number : "");
	return true;
}

/* False when there is no such column, label or byte. "" when it is there and says nothing. */
static bool text_of(const struct text_profile *profile, const struct text_field *field, struct text_record *record,
	char *out, size_t size, unsigned *marks)
{
	bool there = true;
	*out = '\0';
	switch (field->source) {
	case TEXT_FROM_COLUMN:
		there = column_text(profile, field, record, out, size, marks);
		break;
	case TEXT_FROM_BYTES:
		there = bytes_text(profile, field, record, out, size, marks);
		break;
	case TEXT_FROM_LABEL:
		there = label_text(field, record, out, size, marks);
		break;
	case TEXT_FROM_MEMBER:
		there = text_member_text(profile, (size_t)(field - profile->fields), record, out, size, marks);
		break;
	case TEXT_FROM_PROFILE:
		text_copy(out, size, field->text);
		break;
	case TEXT_FROM_FILE:
		there = record->file != NULL;
		text_copy(out, size, there ? record->file : "");
		break;
	}
	for (size_t i = 0; i < profile->missing_count; i++)
		if (strcmp(out, profile->missing[i]) == 0)
			*out = '\0';
	return there;
}

/* ---- one field's meaning ---- */

struct maker_of { /* what all the functions below share */
	const struct text_profile *profile;
	struct reading *reading;
	/* Lines and blocks: a field that is not what the profile says makes the frame undecodable, for it may be
	 * another. */
	bool strict;
	char *reason;
	size_t size;
	const struct date_time *read_at;
};

static enum text_verdict_on_frame faulty(
	const struct maker_of *making, const char *format, const char *name, const char *text)
{
	if (!making->strict)
		return TEXT_RESULT; /* what stands behind a label or name is that field: it is kept as said */
	snprintf(making->reason, making->size, format, name, text);
	return TEXT_FAULTY;
}

static void quantity_of(const struct text_profile *profile, const char *text, struct text_quantity *ret)
{
	text_quantity_read(text, profile->decimal_comma ? ',' : '.', ret);
}

/* With what helps where it is one by the other decimal sign. */
static enum text_verdict_on_frame no_number(
	const struct maker_of *making, const struct text_field *field, const char *text)
{
	struct text_quantity other;
	bool comma = making->profile->decimal_comma;
	text_quantity_read(text, comma ? '.' : ',', &other);
	if (!*other.number || *other.rest)
		return faulty(making, _("%s: '%s' is not a number"), field->name, text);
	return faulty(making,
		comma ? _("%s: '%s' is no number with a decimal comma, which [frame] says")
		      : _("%s: '%s' is no number with a decimal point; decimal = comma in [frame] where it is one"),
		field->name, text);
}

static void take_verdict(const struct maker_of *making, const char *text)
{
	struct reading *reading = making->reading;
	const char *word = text_map_word(making->profile, "verdict", text);
	text_copy(reading->verdict_as_sent, sizeof(reading->verdict_as_sent), text);
	if (word)
		profile_verdict_word(word, &reading->verdict);
}

/* "0.00 ug/kg 阴性": a word of the verdict's map may stand behind the unit, or be all there is. Writes what stands
 * before it to `before`. */
static void split_verdict(const struct maker_of *making, const char *text, char *before, size_t size)
{
	const char *blank = strrchr(text, ' '), *word = blank ? blank + 1 : text;
	text_copy(before, size, text);
	if (!*word || !text_map_line(making->profile, "verdict", word))
		return;
	take_verdict(making, word);
	if ((size_t)(word - text) < size)
		before[word - text] = '\0';
	before[strlen(before) - (*before && before[strlen(before) - 1] == ' ')] = '\0';
}

/* "---" and longer: drawn where there is no value. One alone may be a grade, as "+" is. */
static bool is_drawn(const char *text)
{
	size_t length = strspn(text, "-");
	return length > 1 && !text[length];
}

static void take_unit(const struct maker_of *making, const char *unit)
{
	struct reading *reading = making->reading;
	if (!*unit || *reading->unit)
		return;
	const char *mapped = text_map_word(making->profile, "unit", unit);
	text_copy(reading->unit, sizeof(reading->unit), mapped ? mapped : unit);
}

/* Where there is no number the value is what stands there instead: the judge knows words such as 未检出, and flags what
 * nobody knows. */
static enum text_verdict_on_frame take_value(
	const struct maker_of *making, const struct text_field *field, const char *text)
{
	struct reading *reading = making->reading;
	struct text_quantity quantity;
	char before[sizeof(reading->value)];
	quantity_of(making->profile, text, &quantity);
	text_copy(reading->value_as_sent, sizeof(reading->value_as_sent), text);
	bool decimal = *quantity.number && !*quantity.rest;
	if (field->type == TEXT_AS_DECIMAL && !decimal && reading_finding(text) == FINDING_NONE &&
		no_number(making, field, text) != TEXT_RESULT)
		return TEXT_FAULTY;
	split_verdict(making, quantity.rest, before, sizeof(before));
	text_copy(reading->qualifier, sizeof(reading->qualifier), quantity.qualifier);
	if (*quantity.number) {
		text_copy(reading->value, sizeof(reading->value), quantity.number);
		take_unit(making, before);
	} else if (!is_drawn(before)) {
		text_copy(reading->value, sizeof(reading->value), before);
	}
	return TEXT_RESULT;
}

static void take_limit(const struct maker_of *making, const struct text_field *field, const char *text)
{
	struct reading *reading = making->reading;
	struct text_quantity quantity;
	quantity_of(making->profile, text, &quantity);
	if (!*quantity.number) {
		reading_said(reading, field->name, text);
		return;
	}
	text_copy(reading->limit_value, sizeof(reading->limit_value), quantity.number);
	text_copy(reading->limit_op, sizeof(reading->limit_op), quantity.qualifier);
	text_copy(reading->limit_unit, sizeof(reading->limit_unit), quantity.rest);
}

/* The time as it stands there is kept beside what was made of it. */
static bool complete_year(const struct maker_of *making, const char *text, struct date_time *time)
{
	reading_said(making->reading, "time_without_year", text);
	making->reading->year_inferred = calendar_complete(time, making->read_at);
	return making->reading->year_inferred;
}

static enum text_verdict_on_frame take_time(
	const struct maker_of *making, const struct text_field *field, const char *text)
{
	struct date_time time;
	bool read = text_time_read(field->format, text, &time);
	if (read && !strchr(field->format, 'y')) {
		struct date_time in_leap_year = time;
		in_leap_year.year = 2000;
		if (calendar_valid(&in_leap_year) && !complete_year(making, text, &time))
			return TEXT_RESULT; /* nobody knows of which year: it is said, and no more */
	}
	if (read && calendar_text(&time, making->reading->tested_at))
		return TEXT_RESULT;
	reading_said(making->reading, "impossible_time", text);
	if (read)
		return TEXT_RESULT;
	return faulty(making, _("%s: '%s' is not a time as the profile says"), field->name, text);
}

static void take_kind(struct reading *reading, const char *text, const char *word)
{
	if (word && text_kind_word(word, &reading->kind))
		return;
	reading->kind = KIND_QC; /* what nobody can name is not taken for a sample */
	reading_said(reading, "kind", text);
}

static void take_retest(struct reading *reading, const char *text, const char *word)
{
	bool retest = false, known = word && profile_retest_word(word, &retest);
	if (retest)
		reading->marks |= READING_RETEST;
	if (retest || !known)
		reading_said(reading, "retest", text);
}

static void take_channel(const struct maker_of *making, const struct text_field *field, const char *text)
{
	long channel;
	if (text_parse_long(text, strlen(text), 0, 9999, &channel))
		making->reading->channel = (int)channel;
	else
		reading_said(making->reading, field->name, text);
}

static enum text_verdict_on_frame take_valid(const struct maker_of *making, const char *text, const char *word)
{
	if (!word) {
		snprintf(making->reason, making->size, _("[map valid] has no line for '%s'"), text);
		return TEXT_FAULTY;
	}
	return strcmp(word, "none") == 0 ? TEXT_NOTHING : TEXT_RESULT;
}

static enum text_verdict_on_frame take_signal(
	const struct maker_of *making, const struct text_field *field, const char *text)
{
	struct text_quantity quantity;
	quantity_of(making->profile, text, &quantity);
	if (!*quantity.number || *quantity.rest) {
		reading_said(making->reading, field->name, text);
		return field->type == TEXT_AS_DECIMAL ? no_number(making, field, text) : TEXT_RESULT;
	}
	reading_signal(making->reading, field->name, quantity.number);
	return TEXT_RESULT;
}

static enum text_verdict_on_frame take_word(
	const struct maker_of *making, const struct text_field *field, const char *text)
{
	struct text_quantity quantity;
	quantity_of(making->profile, text, &quantity);
	if (field->type == TEXT_AS_DECIMAL && (!*quantity.number || *quantity.rest))
		return no_number(making, field, text);
	if (field->role == TEXT_SAID)
		reading_said(making->reading, field->name, text);
	else
		text_copy((char *)making->reading + field->offset, field->size,
			field->type == TEXT_AS_DECIMAL ? quantity.number : text);
	return TEXT_RESULT;
}

static enum text_verdict_on_frame take_field(
	const struct maker_of *making, const struct text_field *field, const char *text)
{
	const char *word = text_map_word(making->profile, field->name, text);
	switch (field->role) {
	case TEXT_VALID:
		return take_valid(making, text, word);
	case TEXT_CHANNEL:
		take_channel(making, field, word ? word : text);
		return TEXT_RESULT;
	case TEXT_KIND:
		take_kind(making->reading, text, word);
		return TEXT_RESULT;
	case TEXT_RETEST:
		take_retest(making->reading, text, word);
		return TEXT_RESULT;
	case TEXT_VERDICT:
		take_verdict(making, text);
		return TEXT_RESULT;
	case TEXT_TIME:
		return take_time(making, field, text);
	case TEXT_VALUE:
		return take_value(making, field, text);
	case TEXT_LIMIT:
		take_limit(making, field, text);
		return TEXT_RESULT;
	case TEXT_SIGNAL:
		return take_signal(making, field, text);
	case TEXT_WORD:
	case TEXT_SAID:
		break;
	}
	return take_word(making, field, word ? word : text);
}

/* ---- the frame ---- */

/* Over a record, without its end. */
bool text_checksum_right(const struct text_profile *profile, const uint8_t *data, size_t length)
{
	const struct text_checksum *checksum = &profile->checksum;
	struct text_piece all = { data, length };
	bool crc = checksum->kind == TEXT_CHECKSUM_CRC16;
	long width = (crc ? 2 : 1) * (checksum->hex ? 2 : 1);
	size_t summed_length = 0, sent_length = 0;
	if (checksum->kind == TEXT_CHECKSUM_NONE)
		return true;
	const uint8_t *summed = span_of(&all, checksum->from, checksum->to, &summed_length);
	const uint8_t *sent = span_of(&all, checksum->at, checksum->at + width - 1, &sent_length);
	if (!summed || !sent)
		return false;
	unsigned sum = crc                                    ? checksum_crc16(summed, summed_length)
	               : checksum->kind == TEXT_CHECKSUM_XOR8 ? checksum_xor8(summed, summed_length)
	                                                      : checksum_sum8(summed, summed_length);
	if (!checksum->hex)
		return sent[0] == (sum & 0xFF) && (!crc || sent[1] == sum >> 8);
	char digits[8];
	snprintf(digits, sizeof(digits), crc ? "%04X" : "%02X", sum);
	for (size_t i = 0; i < sent_length; i++)
		if (digits[i] != (sent[i] >= 'a' && sent[i] <= 'f' ? sent[i] - 'a' + 'A' : sent[i]))
			return false;
	return true;
}

/* A line that was cut off lacks its end, or has another length. */
static bool whole(const struct text_profile *profile, const struct reading *reading, const struct text_record *record,
	char *reason, size_t size)
{
	long length = (long)reading->raw_length;
	if (profile->end.length > 0 && record->all.length == reading->raw_length && !record->last) {
		snprintf(reason, size, "%s", _("cut off before its end"));
		return false;
	}
	if (profile->length_least == 0 || (length >= profile->length_least && length <= profile->length_most))
		return true;
	snprintf(reason, size, _("%ld bytes instead of %ld to %ld"), length, profile->length_least,
		profile->length_most);
	return false;
}

static bool is_blank(uint8_t byte)
{
	return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

static enum text_verdict_on_frame open_line(const struct text_profile *profile, const struct reading *reading,
	struct text_record *record, char *reason, size_t size)
{
	const struct text_piece *all = &record->all;
	for (size_t i = 0; i < profile->ignored.count; i++)
		if (text_stands(&profile->ignored.list[i], all->at, all->length))
			return TEXT_NOTHING;
	bool blank = true;
	for (size_t i = 0; i < all->length && blank; i++)
		blank = is_blank(all->at[i]);
	if (blank)
		return TEXT_NOTHING;
	if (!whole(profile, reading, record, reason, size))
		return TEXT_FAULTY;
	if (!text_checksum_right(profile, all->at, all->length)) {
		snprintf(reason, size, "%s", _("the checksum is wrong"));
		return TEXT_FAULTY;
	}
	record->column_count = 0;
	if (profile->separator_given)
		text_split(profile, record);
	long columns = (long)record->column_count;
	if (profile->columns_least > 0 && (columns < profile->columns_least || columns > profile->columns_most)) {
		snprintf(reason, size, _("%ld columns instead of %ld to %ld"), columns, profile->columns_least,
			profile->columns_most);
		return TEXT_FAULTY;
	}
	if (profile->last > 0 && (long)record->columns[columns - 1].length != profile->last) {
		snprintf(reason, size, "%s", _("cut off before its end"));
		return TEXT_FAULTY;
	}
	return TEXT_RESULT;
}

static void finish_ticket(const struct text_record *record, struct reading *reading)
{
	for (size_t i = 0; i < record->label_count; i++)
		if (!record->labels[i].used && *record->labels[i].value)
			reading_said(reading, record->labels[i].label, record->labels[i].value);
}

static void note_marks(struct reading *reading, unsigned marks)
{
	if (marks & TEXT_CUT)
		reading->marks |= READING_TEXT_CUT;
	if (marks & TEXT_BAD)
		reading->marks |= READING_TEXT_BAD;
}

static void copy_token(struct reading *reading, struct text_piece token)
{
	size_t length =
		token.length < sizeof(reading->value_as_sent) ? token.length : sizeof(reading->value_as_sent) - 1;
	memcpy(reading->value_as_sent, token.at, length);
	reading->value_as_sent[length] = '\0';
}

static enum text_verdict_on_frame read_fields(const struct maker_of *making, struct text_record *record)
{
	struct reading *reading = making->reading;
	bool said = false, kind_said = false;
	for (size_t i = 0; i < making->profile->field_count; i++) {
		const struct text_field *field = &making->profile->fields[i];
		char text[256];
		unsigned marks = 0;
		if (!text_of(making->profile, field, record, text, sizeof(text), &marks))
			continue;
		said = said || field->role == TEXT_VALUE || field->role == TEXT_VERDICT;
		if (!*text)
			continue;
		note_marks(reading, marks);
		kind_said = kind_said || field->role == TEXT_KIND;
		enum text_verdict_on_frame verdict = take_field(making, field, text);
		if (field->role == TEXT_VALUE && field->source == TEXT_FROM_MEMBER && record->numbers[i])
			copy_token(reading, record->columns[i]); /* 1.5e-3, which the value spells out */
		if (verdict != TEXT_RESULT)
			return verdict;
	}
	if (!said) {
		snprintf(making->reason, making->size, "%s", _("neither value nor verdict"));
		return making->profile->shape != TEXT_SHAPE_TICKETS ? TEXT_FAULTY : TEXT_NOTHING;
	}
	if (!kind_said && strcmp(reading->sample_name, "对照样") == 0)
		reading->kind = KIND_CONTROL; /* the makers' own name for the control */
	if (!*reading->value && reading->verdict == VERDICT_NONE && !*reading->verdict_as_sent)
		reading->verdict = VERDICT_INVALID;
	return TEXT_RESULT;
}

enum text_verdict_on_frame text_record_read(const struct text_profile *profile, const uint8_t *data, size_t length,
	struct text_record *record, struct reading *reading, char *reason, size_t size)
{
	bool strict = profile->shape == TEXT_SHAPE_LINES || profile->shape == TEXT_SHAPE_BLOCKS;
	struct maker_of making = { profile, reading, strict, reason, size, &record->read_at };
	enum text_verdict_on_frame verdict = TEXT_RESULT;
	size_t end = profile->end.length;
	*reading = (struct reading){ .channel = -1, .raw = data, .raw_length = length };
	record->column_count = record->label_count = 0;
	bool ended = length >= end && text_stands(&profile->end, data + length - end, end);
	record->all = (struct text_piece){ data, ended ? length - end : length };
	bool either = record->file || (end == 1 && profile->end.bytes[0] == '\n');
	if (either && record->all.length > 0 && data[record->all.length - 1] == '\r')
		record->all.length--; /* files come from systems with either end of line */
	if (profile->shape == TEXT_SHAPE_TICKETS)
		text_ticket_open(profile, data, length, record);
	else if (profile->shape == TEXT_SHAPE_XML)
		verdict = text_xml_open(profile, record, reason, size) ? TEXT_RESULT : TEXT_FAULTY;
	else if (profile->shape == TEXT_SHAPE_JSON)
		verdict = text_json_open(profile, record, reason, size) ? TEXT_RESULT : TEXT_FAULTY;
	else
		verdict = open_line(profile, reading, record, reason, size);
	if (verdict == TEXT_RESULT)
		verdict = read_fields(&making, record);
	if (verdict == TEXT_RESULT && profile->shape == TEXT_SHAPE_TICKETS)
		finish_ticket(record, reading);
	return verdict;
}
