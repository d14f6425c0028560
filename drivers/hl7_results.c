/* What the segments of an hl7 message say: a reading for each OBX that is a result. */
#include <stdio.h>
#include <string.h>

#include "calendar.h"
#include "hl7.h"

/* ---- the message ---- */

/* MSH-11 D, T and Q: debugging, training, a control run. Chemistry analyzers say in MSH-16 what their results are. */
static enum kind message_kind(const struct hl7_segment *header)
{
	struct field processing = hl7_component(header, hl7_field(header, 11), 1), what = hl7_field(header, 16);
	if (hl7_says(processing, "D") || hl7_says(processing, "T") || hl7_says(processing, "Q"))
		return KIND_QC;
	if (hl7_says(what, "1"))
		return KIND_CALIBRATION;
	return hl7_says(what, "2") ? KIND_QC : KIND_SAMPLE;
}

/* Application and facility; what stands there differs, together they tell the model. */
static void take_maker(struct hl7_segment *header, struct maker *maker)
{
	char application[48], facility[48], both[100];
	hl7_text(header, hl7_first(header, hl7_field(header, 3)), application, sizeof(application));
	hl7_text(header, hl7_first(header, hl7_field(header, 4)), facility, sizeof(facility));
	snprintf(both, sizeof(both), "%s%s%s", application, *application && *facility ? " " : "", facility);
	*maker = (struct maker){ 0 };
	text_copy(maker->model, sizeof(maker->model), both);
}

static void begin(struct instrument *instrument)
{
	struct hl7_state *state = instrument->state;
	struct hl7_message *message = &state->message;
	struct hl7_segment header = hl7_segment_at(message, 0);
	struct date_time made;
	state->finishing = true;
	state->any = false;
	state->at = header.whole.length + 1;
	state->order = state->specimen = state->container = HL7_NONE;
	state->alike_at = 0;
	message->kind = message_kind(&header);
	message->timed = !delimited_blank(hl7_field(&header, 10)) || delimited_time(hl7_field(&header, 7), 12, &made);
	take_maker(&header, &instrument->maker);
}

/* Where SPM stands behind the results, as ORU has it, those before the next order are of it. */
static size_t specimen_behind(const struct hl7_message *message, size_t at)
{
	struct hl7_segment segment;
	for (size_t next = at; !message->specimens && hl7_next(message, &next, &segment); at = next) {
		if (hl7_is(&segment, "SPM"))
			return at;
		if (hl7_is(&segment, "OBR") || hl7_is(&segment, "PID"))
			break;
	}
	return HL7_NONE;
}

/* ---- one result ---- */

static void say_if(struct reading *reading, const char *name, const char *text)
{
	if (*text)
		reading_said(reading, name, text);
}

/* Cut at a whole character where it does not fit. */
static void append(char *all, size_t size, const char *text)
{
	size_t length = strlen(all);
	text_copy(all + length, size - length, text);
}

static void say_field(
	struct reading *reading, const char *name, struct hl7_segment *segment, struct field field, const char *other)
{
	char text[64];
	hl7_text(segment, field, text, sizeof(text));
	if (strcmp(text, other) != 0)
		say_if(reading, name, text);
}

static void take_placed(struct hl7_segment *segment, unsigned number, char *out, size_t size)
{
	if (!*out)
		hl7_text(segment, hl7_first(segment, hl7_field(segment, number)), out, size);
}

/* The specimen's or its tube's own number where they are described; else what the order was placed under, else the
 * instrument's number for it. A control of a chemistry analyzer has the test in its place, and its name in OBR-13. */
static void take_sample(struct hl7_parts *of, const struct hl7_options *options, struct reading *reading)
{
	char *out = reading->sample_no;
	size_t size = sizeof(reading->sample_no);
	bool any = options->sample == HL7_SAMPLE_AUTO;
	if (hl7_says(hl7_field(&of->header, 16), "2"))
		take_placed(&of->order, 13, out, size);
	if (any || options->sample == HL7_SAMPLE_SPECIMEN)
		take_placed(&of->specimen, 2, out, size);
	if (any || options->sample == HL7_SAMPLE_CONTAINER)
		take_placed(&of->container, 3, out, size);
	if (any || options->sample == HL7_SAMPLE_PLACER)
		take_placed(&of->order, 2, out, size);
	if (any || options->sample == HL7_SAMPLE_FILLER)
		take_placed(&of->order, 3, out, size);
	char other[64];
	hl7_text(&of->order, hl7_first(&of->order, hl7_field(&of->order, 2)), other, sizeof(other));
	if (strcmp(other, out) != 0)
		say_if(reading, "obr_2", other);
	hl7_text(&of->order, hl7_first(&of->order, hl7_field(&of->order, 3)), other, sizeof(other));
	if (strcmp(other, out) != 0)
		say_if(reading, "obr_3", other);
}

/* The first of these components of a coded field that says something; the third and sixth only name a code system. */
static void take_component(
	struct hl7_segment *segment, struct field field, const unsigned order[4], char *out, size_t size)
{
	*out = '\0';
	for (size_t i = 0; i < 4 && !*out; i++)
		hl7_text(segment, hl7_component(segment, field, order[i]), out, size);
}

/* The text of a coded field, else its code. */
static void take_words(struct hl7_segment *segment, struct field field, char *out, size_t size)
{
	static const unsigned order[] = { 2, 1, 5, 4 };
	take_component(segment, field, order, out, size);
}

/* What the sample is, in words; some put a number or a date there. */
static void take_sample_name(struct hl7_parts *of, struct reading *reading)
{
	char *name = reading->sample_name;
	size_t size = sizeof(reading->sample_name);
	take_words(&of->specimen, hl7_field(&of->specimen, 4), name, size);
	if (!*name)
		take_words(&of->order, hl7_field(&of->order, 15), name, size);
	if (name[strspn(name, "0123456789")] == '\0' || strcmp(name, "NULL") == 0)
		name[0] = '\0';
}

/* OBX-3: the code, the fourth component where a message is made like an ASTM one. OBX-4 may be its name. */
static void take_item(struct hl7_parts *of, const struct hl7_options *options, struct reading *reading)
{
	static const unsigned codes[] = { 1, 4, 2, 5 };
	struct hl7_segment *result = &of->result;
	struct field code = hl7_field(result, 3);
	char name[96];
	take_component(result, code, codes, reading->item, sizeof(reading->item));
	hl7_text(result, hl7_component(result, code, 2), name, sizeof(name));
	if (!*name)
		hl7_text(result, hl7_field(result, 4), name, sizeof(name));
	if (!*reading->item || (options->item == HL7_ITEM_NAME && *name))
		text_copy(reading->item, sizeof(reading->item), name);
	if (!*reading->item)
		take_words(&of->order, hl7_field(&of->order, 4), reading->item, sizeof(reading->item));
	say_field(reading, "code_raw", result, code, reading->item);
	hl7_text(result, hl7_field(result, 4), name, sizeof(name));
	if (name[strspn(name, "0123456789.^")] && strcmp(name, reading->item) != 0)
		reading_said(reading, "sub_id", name);
}

/* Structured: comparator, number, separator or suffix, number: <^10, ^1^:^128, ^0^-^1. Some send it under another type.
 */
static bool take_structured(struct hl7_segment *result, struct field sent, bool structured, char *out, size_t size)
{
	char parts[4][32];
	for (unsigned i = 0; i < 4; i++)
		hl7_text(result, hl7_component(result, sent, i + 1), parts[i], sizeof(parts[i]));
	bool compared = *parts[0] && parts[0][strspn(parts[0], "<>=")] == '\0';
	if (!structured && !(compared && delimited_is_number(parts[1])))
		return false;
	snprintf(out, size, "%s%s%s%s", strcmp(parts[0], "=") == 0 ? "" : parts[0], parts[1], parts[2], parts[3]);
	return true;
}

static bool is_coded(struct field type)
{
	return hl7_says(type, "CE") || hl7_says(type, "CWE") || hl7_says(type, "CNE") || hl7_says(type, "CF");
}

/* As sent, but for escapes; a number, a word or a code's text. "X" is said of a result that could not be had. */
static void take_value(struct hl7_segment *result, struct reading *reading)
{
	struct field type = hl7_field(result, 2), sent = hl7_field(result, 5);
	char whole[128], value[128];
	if (hl7_says(hl7_field(result, 11), "X")) {
		reading->verdict = VERDICT_INVALID;
		say_field(reading, "value_sent", result, sent, "");
		return;
	}
	hl7_text(result, sent, whole, sizeof(whole));
	text_copy(value, sizeof(value), whole);
	if (is_coded(type))
		take_words(result, sent, value, sizeof(value));
	else
		take_structured(result, sent, hl7_says(type, "SN"), value, sizeof(value));
	delimited_value(reading, value);
	if (strcmp(value, "-") == 0 && !hl7_says(type, "NM")) /* negative, where words are results; or none at all */
		reading->verdict = VERDICT_NONE;
	if (strcmp(whole, value) != 0)
		text_copy(reading->value_as_sent, sizeof(reading->value_as_sent), whole);
}

static void take_limit(struct hl7_segment *result, struct reading *reading)
{
	char range[64];
	hl7_text(result, hl7_field(result, 7), range, sizeof(range));
	struct reading limit = { 0 };
	delimited_value(&limit, range);
	if (decimal_valid(limit.value)) {
		text_copy(reading->limit_value, sizeof(reading->limit_value), limit.value);
		text_copy(reading->limit_op, sizeof(reading->limit_op), limit.qualifier);
		text_copy(reading->limit_unit, sizeof(reading->limit_unit), reading->unit);
	} else if (range[strspn(range, "- ")]) {
		reading_said(reading, "range", range);
	}
}

/* The flags as sent, without the names of their code systems; the first with a meaning by the setting counts. */
static void take_verdict(struct hl7_segment *result, struct reading *reading, const char *flags)
{
	struct field field = hl7_field(result, 8);
	uint8_t repeat = result->message->delimiters.repeat;
	char all[48] = "", flag[48];
	enum verdict verdict = VERDICT_NONE;
	for (unsigned number = 1; number <= 8; number++) {
		struct field one = delimited_part(TEXT_UTF8, field, repeat, number);
		if (!one.at)
			break;
		hl7_text(result, hl7_component(result, one, 1), flag, sizeof(flag));
		if (verdict == VERDICT_NONE)
			verdict = delimited_flag_verdict(flags, flag);
		append(all, sizeof(all), number > 1 ? "~" : "");
		append(all, sizeof(all), flag);
	}
	text_copy(reading->verdict_as_sent, sizeof(reading->verdict_as_sent), all);
	if (verdict == VERDICT_NONE)
		verdict = delimited_flag_verdict(flags, all);
	if (verdict != VERDICT_NONE && reading->verdict != VERDICT_INVALID)
		reading->verdict = verdict;
}

/* Observed, analysed; else when the order says it was: begun, ended, requested (a control), reported. */
static void take_time(struct hl7_parts *of, struct reading *reading)
{
	static const struct {
		bool order;
		unsigned number;
	} places[] = { { false, 14 }, { false, 19 }, { true, 7 }, { true, 8 }, { true, 6 }, { true, 22 } };
	char text[64] = "";
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		struct hl7_segment *segment = places[i].order ? &of->order : &of->result;
		struct field field = hl7_field(segment, places[i].number);
		struct date_time tested;
		if (delimited_time(field, 10, &tested) && calendar_text(&tested, reading->tested_at)) {
			delimited_zone(field, reading->tested_zone);
			return;
		}
		if (!*text) /* a day, or nonsense: said, but not repaired */
			hl7_text(segment, field, text, sizeof(text));
	}
	say_if(reading, "time", text);
}

static void take_operator(struct hl7_parts *of, struct reading *reading)
{
	struct field field = hl7_field(&of->result, 16);
	struct hl7_segment *segment = &of->result;
	if (delimited_blank(field)) { /* the technician of the whole order */
		segment = &of->order;
		field = hl7_field(segment, 34);
	}
	hl7_text(segment, hl7_component(segment, field, 1), reading->operator_id, sizeof(reading->operator_id));
	hl7_text(segment, hl7_component(segment, field, 2), reading->operator_name, sizeof(reading->operator_name));
}

static void take_status(struct hl7_segment *result, struct reading *reading)
{
	char status[16];
	hl7_text(result, hl7_field(result, 11), status, sizeof(status));
	if (strcmp(status, "C") == 0)
		reading_said(reading, "status", "C corrected");
	else if (strcmp(status, "F") != 0)
		say_if(reading, "status", status);
}

/* The comments from behind the segment at `at` to `end`, one after the other. */
static void take_comments(
	const struct hl7_message *message, size_t at, size_t end, struct reading *reading, const char *name)
{
	char all[64] = "";
	struct hl7_segment segment;
	if (at == HL7_NONE || !hl7_next(message, &at, &segment))
		return;
	while (at < end && hl7_next(message, &at, &segment)) {
		char text[64];
		if (!hl7_is(&segment, "NTE"))
			continue;
		hl7_text(&segment, hl7_field(&segment, 3), text, sizeof(text));
		append(all, sizeof(all), *text && *all ? "; " : "");
		append(all, sizeof(all), text);
	}
	say_if(reading, name, all);
}

/* HL7 2.4 and later, chapter 13: TCD-8, table 0389. A reflex test (F) is another test, asked for by the first one's
 * result. */
static void take_repeat(const struct hl7_message *message, size_t at, size_t end, struct reading *reading)
{
	static const struct {
		const char *code, *words;
	} rows[] = { { "R", "R repeated" }, { "D", "D repeated with dilution" }, { "F", "F reflex test" } };
	struct hl7_segment segment;
	if (!hl7_next(message, &at, &segment))
		return;
	while (at < end && hl7_next(message, &at, &segment)) {
		struct field status = hl7_component(&segment, hl7_field(&segment, 8), 1);
		for (size_t i = 0; hl7_is(&segment, "TCD") && i < sizeof(rows) / sizeof(*rows); i++) {
			if (!hl7_says(status, rows[i].code))
				continue;
			reading_said(reading, "retest", rows[i].words);
			if (*rows[i].code != 'F')
				reading->marks |= READING_RETEST;
		}
	}
}

/* A control by the specimen's role, by the order's action, or by the role in the older specimen source. */
static enum kind result_kind(const struct hl7_message *message, const struct hl7_parts *of)
{
	struct field role = hl7_component(&of->specimen, hl7_field(&of->specimen, 11), 1);
	struct field source = hl7_component(&of->order, hl7_field(&of->order, 15), 7);
	if (message->kind != KIND_SAMPLE)
		return message->kind;
	if (hl7_says(role, "C") || hl7_says(source, "C"))
		return KIND_CALIBRATION;
	bool control = hl7_says(role, "Q") || hl7_says(source, "Q") || hl7_says(hl7_field(&of->order, 11), "Q");
	return control ? KIND_QC : KIND_SAMPLE;
}

static void decode(const struct hl7_message *message, struct hl7_parts *of, const struct hl7_options *options,
	struct reading *reading)
{
	static const unsigned units[] = { 1, 2, 4, 5 };
	struct hl7_segment *result = &of->result;
	reading->kind = result_kind(message, of);
	hl7_text(result, hl7_field(result, 1), reading->instrument_seq, sizeof(reading->instrument_seq));
	take_item(of, options, reading);
	take_value(result, reading);
	take_component(result, hl7_unit(result, 6), units, reading->unit, sizeof(reading->unit));
	take_limit(result, reading);
	take_verdict(result, reading, options->flags);
	take_time(of, reading);
	take_status(result, reading);
	take_operator(of, reading);
	take_sample(of, options, reading);
	take_sample_name(of, reading);
	take_words(result, hl7_field(result, 17), reading->method, sizeof(reading->method));
	say_field(reading, "instrument", result, hl7_first(result, hl7_field(result, 18)), "");
	reading->marks |= result->marks | of->order.marks | of->specimen.marks | of->container.marks;
}

/* ---- a control without OBX: chemistry analyzers put the value into its order ---- */

static void decode_control(struct hl7_parts *of, struct reading *reading)
{
	struct hl7_segment *order = &of->order;
	char value[128];
	reading->kind = KIND_QC;
	hl7_text(order, hl7_field(order, 1), reading->instrument_seq, sizeof(reading->instrument_seq));
	hl7_text(order, hl7_field(order, 2), reading->item, sizeof(reading->item));
	say_field(reading, "name", order, hl7_field(order, 3), reading->item);
	hl7_text(order, hl7_field(order, 13), reading->sample_no, sizeof(reading->sample_no));
	hl7_text(order, hl7_field(order, 20), value, sizeof(value));
	delimited_value(reading, value);
	hl7_text(order, hl7_unit(order, 21), reading->unit, sizeof(reading->unit));
	take_time(of, reading);
	say_field(reading, "lot", order, hl7_field(order, 14), "");
	say_field(reading, "expires", order, hl7_field(order, 15), "");
	say_field(reading, "level", order, hl7_field(order, 17), "");
	say_field(reading, "mean", order, hl7_field(order, 18), "");
	say_field(reading, "deviation", order, hl7_field(order, 19), "");
	reading->marks |= order->marks;
}

/* Only as much of the comments as there is sure to be room for. */
#define COMMENTS_MAX 8192
#define READING_MAX  (HL7_HEADER_MAX + 3 * HL7_SEGMENT_MAX + HL7_RESULT_MAX + 2 * COMMENTS_MAX + 8)

/* What may stand behind a result and belongs to it. */
static bool belongs(const struct hl7_segment *segment)
{
	return hl7_is(segment, "NTE") || hl7_is(segment, "TCD") || hl7_is(segment, "SID");
}

/* Where the comments behind the segment at `at` end. */
static size_t comments_end(const struct hl7_message *message, size_t at)
{
	struct hl7_segment segment;
	if (at == HL7_NONE)
		return at;
	size_t next = at;
	hl7_next(message, &next, &segment);
	size_t first = next;
	for (at = first; hl7_next(message, &next, &segment) && belongs(&segment); at = next)
		if (next - first > COMMENTS_MAX)
			break;
	return at;
}

static struct hl7_parts segments_of(const struct hl7_state *state, size_t at)
{
	const struct hl7_message *message = &state->message;
	struct hl7_parts of = { .result_at = at };
	of.order_end = comments_end(message, state->order);
	of.result_end = comments_end(message, at);
	size_t behind = specimen_behind(message, state->at);
	of.header = hl7_segment_at(message, 0);
	of.specimen = hl7_segment_at(message, behind != HL7_NONE ? behind : state->specimen);
	of.container = hl7_segment_at(message, state->container);
	of.order = hl7_segment_at(message, state->order);
	of.result = hl7_segment_at(message, at);
	return of;
}

/* NULL when there is no room for another one. */
static struct reading *room(struct hl7_state *state, struct readings *readings)
{
	return state->raw_length + READING_MAX <= sizeof(state->raw) ? readings_add(readings) : NULL;
}

/* ---- the segments one after the other ---- */

/* The code is one of those by which the setting says what is not a result. */
static bool is_skipped(const char *skip, struct hl7_segment *result)
{
	char code[96];
	hl7_text(result, hl7_first(result, hl7_field(result, 3)), code, sizeof(code));
	size_t length = strlen(code);
	for (const char *at = skip + strspn(skip, " ,"); *at; at += strspn(at, " ,")) {
		size_t word = strcspn(at, " ,");
		if (word == length && strncmp(at, code, length) == 0)
			return true;
		at += word;
	}
	return false;
}

/* Whether nothing stands in the value's place; of a code, nothing but the name of its system. */
static bool says_nothing(const struct hl7_segment *result)
{
	struct hl7_segment copy = *result; /* that the words do not fit is no mark of the result */
	char words[8];
	take_words(&copy, hl7_field(&copy, 5), words, sizeof(words));
	return !*words;
}

/* No result: pictures, what was posted wrongly or deleted, what was not asked or is still to come, and codes for
 * nothing. A number or a text that is missing is a test without a value. */
static bool is_result(struct hl7_segment *result, const struct hl7_options *options)
{
	struct field type = hl7_field(result, 2), status = hl7_field(result, 11);
	bool coded = is_coded(type) || hl7_says(type, "IS");
	if (hl7_says(type, "ED") || hl7_says(type, "RP") || hl7_says(status, "W") || hl7_says(status, "D"))
		return false;
	bool pending = hl7_says(status, "N") || hl7_says(status, "O") || hl7_says(status, "I");
	if ((pending || (coded && !hl7_says(status, "X"))) && says_nothing(result))
		return false;
	return (options->about_run || !hl7_about_run(result)) && !is_skipped(options->skip, result);
}

/* False when the readings have no room for it. */
static bool take_result(struct hl7_state *state, const struct hl7_options *options, struct readings *readings)
{
	struct hl7_parts of = segments_of(state, state->at);
	if (!is_result(&of.result, options)) {
		readings->blanks++;
		return true;
	}
	struct reading *reading = room(state, readings);
	if (!reading)
		return false;
	decode(&state->message, &of, options, reading);
	take_comments(&state->message, state->at, of.result_end, reading, "comment");
	take_repeat(&state->message, state->at, of.result_end, reading);
	take_comments(&state->message, state->order, of.order_end, reading, "order_comment");
	hl7_identify(state, &of, reading);
	return true;
}

/* An order of a control run, where no result stands behind it. */
static bool take_control(struct hl7_state *state, struct readings *readings)
{
	struct hl7_parts of = segments_of(state, HL7_NONE);
	struct hl7_segment next;
	size_t at = state->order;
	if (!hl7_says(hl7_field(&of.header, 16), "2") || delimited_blank(hl7_field(&of.order, 20)))
		return true;
	while (hl7_next(&state->message, &at, &next))
		if (hl7_is(&next, "OBX"))
			return true;
	struct reading *reading = room(state, readings);
	if (!reading)
		return false;
	decode_control(&of, reading);
	hl7_identify(state, &of, reading);
	return true;
}

/* A new order forgets what was said of the one before, but for a specimen that was described ahead of it. */
static bool take_order(struct hl7_state *state, struct readings *readings)
{
	state->order = state->at;
	if (!state->message.specimens)
		state->specimen = state->container = HL7_NONE;
	return take_control(state, readings);
}

static bool take_segment(struct instrument *instrument, struct hl7_segment *segment, struct readings *readings)
{
	struct hl7_state *state = instrument->state;
	if (hl7_is(segment, "OBR"))
		return take_order(state, readings);
	if (hl7_is(segment, "OBX"))
		return take_result(state, instrument->options, readings);
	if (hl7_is(segment, "SPM")) {
		state->specimen = state->at;
		state->container = HL7_NONE;
	} else if (hl7_is(segment, "SAC")) {
		state->container = state->at;
	} else if (hl7_is(segment, "PID")) { /* what follows is not of the order before it */
		state->order = state->specimen = state->container = HL7_NONE;
	}
	return true;
}

enum next hl7_take_results(struct instrument *instrument, struct readings *readings)
{
	struct hl7_state *state = instrument->state;
	struct hl7_segment segment;
	state->raw_length = 0; /* what was given out before is stored */
	if (!state->finishing)
		begin(instrument);
	for (size_t next = state->at; hl7_next(&state->message, &next, &segment); state->at = next)
		if (!take_segment(instrument, &segment, readings))
			return NEXT_MORE;
	state->finishing = false;
	return NEXT_ASK;
}
