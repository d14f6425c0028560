/* What the records of an astm message say. */
#include <stdio.h>
#include <string.h>

#include "astm.h"
#include "calendar.h"

#define COMPONENTS_MAX 16 /* of a value; a few are known to have three */

static const struct astm_delimiters usual = { '|', '\\', '^', '&' };

void astm_message_reset(struct astm_message *message)
{
	message->delimiters = usual;
	message->open = message->timed = message->ordered = message->asked = message->ended = false;
	message->kind = KIND_SAMPLE;
	message->header_length = message->order_length = 0;
	message->sample_no[0] = message->specimen[0] = message->position[0] = '\0';
	message->sample_name[0] = message->item[0] = message->comment[0] = '\0';
	message->alike_at = 0;
	message->order_qc = message->order_timed = false;
	message->order_marks = 0;
}

static void keep(uint8_t *kept, size_t room, size_t *ret_length, const uint8_t *data, size_t length)
{
	*ret_length = length < room ? length : room;
	memcpy(kept, data, *ret_length);
}

/* ---- H ---- */

/* Field delimiter, then repeat, component and escape as far as they are named. Some double the backslash. */
static struct astm_delimiters delimiters_of(const uint8_t *data, size_t length)
{
	struct astm_delimiters delimiters = { .field = data[1] };
	uint8_t *const named[] = { &delimiters.repeat, &delimiters.component, &delimiters.escape };
	size_t count = 0;
	for (size_t i = 2; i < length && data[i] != delimiters.field && count < 3; i++) {
		if (count == 1 && data[i] == delimiters.repeat)
			continue;
		*named[count++] = data[i];
	}
	return delimiters;
}

static bool is_serial(const char *text)
{
	size_t digits = 0, length = strlen(text);
	for (size_t i = 0; i < length; i++) {
		bool digit = text[i] >= '0' && text[i] <= '9';
		digits += digit;
		if (!digit && !(text[i] >= 'A' && text[i] <= 'Z') && !(text[i] >= 'a' && text[i] <= 'z'))
			return false;
	}
	return digits >= 6;
}

static bool is_version(const char *text)
{
	return strchr(text, '.') && text[strspn(text, "Vv0123456789.")] == '\0';
}

/* Model, firmware and serial number stand in no agreed order: the first names the model, six digits or more are a
 * serial number, digits with points a version. */
static void take_sender(struct astm_record *record, struct maker *maker)
{
	struct field sender = astm_first_repeat(record, astm_field(record, 5));
	*maker = (struct maker){ 0 };
	for (unsigned i = 1; i <= 9; i++) {
		char text[48];
		astm_text(record, astm_component(record, sender, i), text, sizeof(text));
		if (!*maker->serial && is_serial(text))
			text_copy(maker->serial, sizeof(maker->serial), text);
		else if (i == 1)
			text_copy(maker->model, sizeof(maker->model), text);
		else if (!*maker->firmware && is_version(text))
			text_copy(maker->firmware, sizeof(maker->firmware), text);
	}
}

static bool says(struct field field, uint8_t letter)
{
	return field.length == 1 && field.at[0] == letter;
}

static void take_header(struct instrument *instrument, const uint8_t *data, size_t length)
{
	struct astm_state *state = instrument->state;
	struct astm_message *message = &state->message;
	const struct astm_options *options = instrument->options;
	astm_message_reset(message);
	message->delimiters = delimiters_of(data, length);
	message->open = true;
	keep(message->header, sizeof(message->header), &message->header_length, data, length);
	struct astm_record record = astm_record_of(&message->delimiters, options->encoding, data, length);
	struct date_time made;
	message->timed = delimited_time(astm_field(&record, 14), 14, &made) ||
	                 delimited_time(astm_field(&record, 13), 14, &made);
	/* "Q" is a control run, "T" training, "D" debugging: none of them a sample's result. */
	struct field processing = astm_field(&record, 12);
	if (says(processing, 'Q') || says(processing, 'T') || says(processing, 'D'))
		message->kind = KIND_QC;
	take_sender(&record, &instrument->maker);
}

/* ---- O ---- */

void astm_forget_order(struct astm_message *message)
{
	message->ordered = message->order_qc = message->order_timed = false;
	message->order_length = 0;
	message->order_marks = 0;
	message->sample_no[0] = message->specimen[0] = message->position[0] = '\0';
	message->sample_name[0] = message->item[0] = message->comment[0] = '\0';
}

/* The fourth component holds the maker's own code, by the standard; else the first that says something. Some makers
 * have an order of their own: `component` is theirs. */
static void take_item(struct astm_record *record, struct field field, int component, char *out, size_t size)
{
	struct field first = astm_first_repeat(record, field);
	astm_text(record, astm_component(record, first, component ? (unsigned)component : 4), out, size);
	if (!*out)
		astm_text(record, astm_first_component(record, first), out, size);
}

/* O-3; where it is empty, or only a place, O-4, in which analyzers with racks put "rack^position^sample". */
static void take_sample(struct astm_record *record, int place, struct astm_message *message)
{
	struct field specimen = astm_field(record, 3), other = astm_field(record, 4);
	struct field first = astm_first_repeat(record, specimen);
	size_t room = sizeof(message->sample_no);
	astm_text(record, specimen, message->specimen, sizeof(message->specimen));
	astm_text(record, other, message->position, sizeof(message->position));
	if (place != ASTM_SAMPLE_INSTRUMENT)
		astm_text(record, astm_first_component(record, first), message->sample_no, room);
	if (*message->sample_no || place == ASTM_SAMPLE_SPECIMEN)
		return;
	astm_text(record, astm_component(record, other, 3), message->sample_no, room);
	if (!*message->sample_no)
		astm_text(record, astm_first_component(record, other), message->sample_no, room);
}

/* O-16 in words; some send a number from a list of their own. */
static void take_sample_name(struct astm_record *record, struct astm_message *message)
{
	char *name = message->sample_name;
	astm_text(record, astm_first_component(record, astm_field(record, 16)), name, sizeof(message->sample_name));
	if (name[strspn(name, "0123456789")] == '\0')
		name[0] = '\0';
}

static void take_order(
	struct astm_message *message, const struct astm_options *options, const uint8_t *data, size_t length)
{
	struct astm_record record = astm_record_of(&message->delimiters, options->encoding, data, length);
	struct date_time reported;
	astm_forget_order(message);
	message->ordered = true;
	keep(message->order, sizeof(message->order), &message->order_length, data, length);
	take_sample(&record, options->sample, message);
	take_item(&record, astm_field(&record, 5), options->item, message->item, sizeof(message->item));
	take_sample_name(&record, message);
	message->order_qc = says(astm_field(&record, 12), 'Q');
	message->order_timed = delimited_time(astm_field(&record, 23), 14, &reported);
	message->order_marks = record.marks;
}

/* ---- R ---- */

/* A limit is one number with its sign; what has parts is a range, whatever its first part says. */
static void take_limit(struct astm_record *record, struct reading *reading)
{
	struct field field = astm_field(record, 6), alone = astm_first_component(record, field);
	bool parted = astm_first_repeat(record, field).length != field.length || alone.length != field.length;
	char range[64], unit[24];
	astm_text(record, field, range, sizeof(range));
	struct reading limit = { 0 };
	delimited_value(&limit, range);
	if (parted || !decimal_valid(limit.value)) {
		if (*range)
			reading_said(reading, "range", range);
		return;
	}
	text_copy(unit, sizeof(unit), reading->unit);
	text_copy(reading->limit_value, sizeof(reading->limit_value), limit.value);
	text_copy(reading->limit_op, sizeof(reading->limit_op), limit.qualifier);
	text_copy(reading->limit_unit, sizeof(reading->limit_unit), unit);
}

static void take_verdict(struct astm_record *record, struct reading *reading, const char *flags)
{
	astm_text(record, astm_field(record, 7), reading->verdict_as_sent, sizeof(reading->verdict_as_sent));
	enum verdict verdict = delimited_flag_verdict(flags, reading->verdict_as_sent);
	if (verdict != VERDICT_NONE && reading->verdict != VERDICT_INVALID)
		reading->verdict = verdict;
}

/* R-13 completed, R-12 started; some put the time of the test into R-9. */
static void take_time(struct astm_record *record, struct reading *reading)
{
	static const unsigned places[] = { 13, 12, 9 };
	char text[64];
	for (size_t i = 0; i < 3; i++) {
		struct date_time tested;
		struct field field = astm_field(record, places[i]);
		bool used = *reading->tested_at != '\0';
		astm_text(record, field, text, sizeof(text));
		if (!used && delimited_time(field, 10, &tested) && calendar_text(&tested, reading->tested_at)) {
			delimited_zone(field, reading->tested_zone);
			continue;
		}
		if (!*text)
			continue;
		if (places[i] == 9)
			reading_said(reading, "status", text);
		else if (places[i] == 12 && used)
			reading_said(reading, "started", text);
		else /* a day, or nonsense: said, but not repaired */
			reading_said(reading, "time", text);
	}
}

static void take_operator(struct astm_record *record, struct reading *reading)
{
	struct field field = astm_field(record, 11);
	struct date_time time;
	char text[64];
	if (delimited_time(field, 12, &time)) {
		astm_text(record, field, text, sizeof(text));
		reading_said(reading, "field_11", text);
		return;
	}
	astm_text(record, astm_first_component(record, astm_first_repeat(record, field)), reading->operator_id,
		sizeof(reading->operator_id));
}

static void say_if(struct reading *reading, const char *name, const char *text, const char *other)
{
	if (*text && strcmp(text, other) != 0)
		reading_said(reading, name, text);
}

/* The one component that says something; several as sent, with what parts them. */
static struct field said_alone(const struct astm_record *record, struct field value)
{
	struct field only = astm_first_component(record, value);
	for (unsigned number = 1, count = 0; number <= COMPONENTS_MAX; number++)
		if (!delimited_blank(astm_component(record, value, number)) && ++count > 1)
			return value;
	return only;
}

/* As sent, escapes and all. */
static void take_value(struct astm_record *record, struct reading *reading)
{
	struct astm_delimiters plain = *record->delimiters;
	plain.escape = 0;
	struct astm_record copy = *record;
	char text[128];
	copy.delimiters = &plain;
	struct field value = astm_field(&copy, 4), alone = said_alone(&copy, value);
	astm_text(&copy, alone, text, sizeof(text));
	delimited_value(reading, text);
	if (strcmp(text, "-") == 0) /* negative, of strip readers; or none at all */
		reading->verdict = VERDICT_NONE;
	if (alone.length != value.length)
		astm_text(&copy, value, reading->value_as_sent, sizeof(reading->value_as_sent));
	record->marks |= copy.marks;
}

static void decode(struct astm_record *record, const struct astm_message *message, const struct astm_options *options,
	struct reading *reading)
{
	char text[64], instrument[64];
	text_copy(reading->sample_no, sizeof(reading->sample_no), message->sample_no);
	text_copy(reading->sample_name, sizeof(reading->sample_name), message->sample_name);
	astm_text(record, astm_field(record, 2), reading->instrument_seq, sizeof(reading->instrument_seq));
	take_item(record, astm_field(record, 3), options->item, reading->item, sizeof(reading->item));
	astm_text(record, astm_field(record, 3), text, sizeof(text));
	say_if(reading, "code_raw", text, reading->item);
	if (!*reading->item)
		text_copy(reading->item, sizeof(reading->item), message->item);
	take_value(record, reading);
	astm_text(record, astm_field(record, 5), reading->unit, sizeof(reading->unit));
	take_limit(record, reading);
	take_verdict(record, reading, options->flags);
	take_time(record, reading);
	take_operator(record, reading);
	say_if(reading, "specimen", message->specimen, reading->sample_no);
	say_if(reading, "position", message->position, reading->sample_no);
	say_if(reading, "comment", message->comment, "");
	astm_text(record, astm_field(record, 14), instrument, sizeof(instrument));
	say_if(reading, "instrument", instrument, "");
	reading->marks |= record->marks | message->order_marks;
	if (message->order_qc || message->kind == KIND_QC)
		reading->kind = KIND_QC;
}

static void put(struct astm_state *state, const uint8_t *data, size_t length)
{
	memcpy(state->kept + state->kept_length, data, length);
	state->kept_length += length;
	state->kept[state->kept_length++] = '\r';
}

static unsigned alike(struct astm_message *message, uint64_t print)
{
	unsigned count = 0, known = message->alike_at < ASTM_ALIKE_MAX ? message->alike_at : ASTM_ALIKE_MAX;
	for (unsigned i = 0; i < known; i++)
		count += message->alike[i] == print;
	message->alike[message->alike_at++ % ASTM_ALIKE_MAX] = print;
	return count;
}

/* Whether the record says when it was made, to the minute at least. */
static bool result_timed(const struct astm_record *record)
{
	struct date_time time;
	for (unsigned number = 9; number <= 13; number++)
		if (delimited_time(astm_field(record, number), 12, &time))
			return true;
	return false;
}

/* The raw bytes are header, order and result as bare records, which decode to the same again. The identity leaves the
 * header out where order or result tell the time: a header may be written anew each time the message is sent. */
static void identify(struct astm_state *state, const struct astm_record *record, struct reading *reading)
{
	struct astm_message *message = &state->message;
	size_t start = state->kept_length;
	if (message->header_length)
		put(state, message->header, message->header_length);
	size_t order = state->kept_length;
	if (message->order_length)
		put(state, message->order, message->order_length);
	put(state, record->whole.at, record->whole.length);
	bool timed = result_timed(record) || message->order_timed;
	size_t from = timed ? order : start;
	reading->raw = state->kept + start;
	reading->raw_length = state->kept_length - start;
	reading->identity = state->kept + from;
	reading->identity_length = state->kept_length - from;
	reading->repeatable = timed || message->timed;
	reading->repeat = alike(message, astm_hash(ASTM_HASH_START, reading->identity, reading->identity_length));
}

/* Its bytes may stand where the next record is put together. */
static void tell_long(struct astm_state *state, const struct astm_record *record, struct readings *readings)
{
	struct notice *notice = astm_tell(state, readings, record->whole.at, record->whole.length);
	if (notice)
		snprintf(notice->reason, sizeof(notice->reason), _("a result of %zu bytes is longer than any known"),
			record->whole.length);
}

static void take_result(struct instrument *instrument, const uint8_t *data, size_t length, struct readings *readings)
{
	struct astm_state *state = instrument->state;
	const struct astm_options *options = instrument->options;
	struct astm_record record = astm_record_of(&state->message.delimiters, options->encoding, data, length);
	size_t need = state->message.header_length + state->message.order_length + length + 3;
	struct reading *reading = need <= sizeof(state->kept) - state->kept_length && length < ASTM_RECORD_MAX
	                                  ? readings_add(readings)
	                                  : NULL;
	if (!reading) {
		tell_long(state, &record, readings);
		return;
	}
	decode(&record, &state->message, options, reading);
	identify(state, &record, reading);
}

/* ---- any ---- */

/* A comment behind an order belongs to its results; one behind a result to that, where they come in one frame. */
static void take_comment(
	struct instrument *instrument, const uint8_t *data, size_t length, struct readings *readings, bool of_result)
{
	struct astm_state *state = instrument->state;
	const struct astm_options *options = instrument->options;
	struct astm_record record = astm_record_of(&state->message.delimiters, options->encoding, data, length);
	char text[64];
	astm_text(&record, astm_field(&record, 4), text, sizeof(text));
	if (of_result && readings->count > state->count_before)
		say_if(&readings->list[readings->count - 1], "comment", text, "");
	else if (!of_result && state->message.ordered && !*state->message.comment)
		text_copy(state->message.comment, sizeof(state->message.comment), text);
}

static void take_known(
	struct instrument *instrument, uint8_t letter, const uint8_t *data, size_t length, struct readings *readings)
{
	struct astm_state *state = instrument->state;
	struct astm_message *message = &state->message;
	const struct astm_options *options = instrument->options;
	switch (letter) {
	case 'H':
		take_header(instrument, data, length);
		state->told = 0;
		break;
	case 'P': /* whose sample it is stays with the instrument */
		astm_forget_order(message);
		break;
	case 'O':
		take_order(message, options, data, length);
		break;
	case 'R':
		take_result(instrument, data, length, readings);
		break;
	case 'C':
		take_comment(instrument, data, length, readings, state->result_before);
		break;
	case 'Q':
		message->asked = true;
		break;
	case 'L':
		astm_forget_order(message);
		message->open = false;
		message->ended = true;
		break;
	default: /* M, S, and what makers invent */
		break;
	}
}

uint8_t astm_letter(const uint8_t *data, size_t length, size_t *ret_at)
{
	size_t at = 0;
	while (at < length && data[at] == ' ')
		at++;
	*ret_at = at;
	if (at == length)
		return 0;
	uint8_t letter = data[at] >= 'a' && data[at] <= 'z' ? (uint8_t)(data[at] - 32) : data[at];
	return letter >= 'A' && letter <= 'Z' ? letter : 0;
}

/* A letter and a delimiter; of a header the delimiter is not known yet. */
static bool is_record(const struct astm_message *message, uint8_t first, const uint8_t *data, size_t length)
{
	if (length < 2 || !first)
		return false;
	uint8_t next = data[1];
	if (first != 'H')
		return next == message->delimiters.field;
	bool letter = (next >= 'a' && next <= 'z') || (next >= 'A' && next <= 'Z') || (next >= '0' && next <= '9');
	return next > ' ' && next < 0x7F && !letter && (length <= 6 || memchr(data + 2, next, length - 2));
}

#define TOLD_MAX 8 /* texts of a message that are no records; more are counted */

/* A frame that holds something else: acknowledged like any, but not passed over in silence. */
static void tell_no_record(struct astm_state *state, const uint8_t *data, size_t length, struct readings *readings)
{
	struct notice *notice = NULL;
	if (state->told >= TOLD_MAX)
		readings->rejected++;
	else
		notice = astm_tell(state, readings, data, length);
	if (!notice)
		return;
	state->told++;
	snprintf(notice->reason, sizeof(notice->reason),
		_("%zu bytes in a frame are no record; a letter and \"%c\" would be right at their beginning"), length,
		state->message.delimiters.field);
}

/* False where it is none. Where bare records come from frames, their number may have stayed. */
static bool find_record(
	const struct astm_message *message, bool bare, const uint8_t **data, size_t *length, uint8_t *ret_letter)
{
	for (size_t digits = 0; digits <= (size_t)bare && digits < *length; digits++) {
		size_t at;
		uint8_t letter = astm_letter(*data + digits, *length - digits, &at);
		at += digits;
		if (is_record(message, letter, *data + at, *length - at)) {
			*data += at;
			*length -= at;
			*ret_letter = letter;
			return true;
		}
		if ((*data)[0] < '0' || (*data)[0] > '9')
			break;
	}
	return false;
}

static bool is_blank(const uint8_t *data, size_t length)
{
	size_t at = 0;
	while (at < length && data[at] <= ' ')
		at++;
	return at == length;
}

void astm_take_record(
	struct instrument *instrument, const uint8_t *data, size_t length, bool bare, struct readings *readings)
{
	struct astm_state *state = instrument->state;
	struct astm_message *message = &state->message;
	uint8_t letter;
	if (!find_record(message, bare, &data, &length, &letter)) {
		if (bare)
			readings->rejected++;
		else if (!is_blank(data, length))
			tell_no_record(state, data, length, readings);
		return;
	}
	take_known(instrument, letter, data, length, readings);
	if (letter != 'C')
		state->result_before = letter == 'R';
}
