/* Instruments that write text: delimited lines, short blocks of fixed length, tickets on their way to a printer, JSON.
 * Each model is a profile (config/profiles/README.md); this file knows how frames are told apart and how questions are
 * asked.
 *
 * Lines, asked by date (profile reader-a9; source: a maker's collector)            9600 8N1, GB 2312
 *     host        D2026-03-05D2026-03-05          results of these days, please
 *     instrument  R,S0017,A01,甲醛,0.123,2.30,mg/kg,合格,2026-03-05 09:41:20,5A     again and again, nothing between
 *                 R,S0018,...,6CFINISH
 *     There is no end of line. A record ends with the two characters of its tenth column; what they check is not known
 *     (?), so they are kept and not compared. The maker's own program splits at each "R", also inside Hanzi and words.
 *
 * Lines, unasked (profile balance-kern-ew; source: captures)                       1200 8N2, ASCII
 *     instrument  +0026.90 G S CR LF              sign, number, unit in two places, S stable, U moving, E no value
 *
 * Blocks (profile push-a10; source: a maker's document)                            38400 8N1
 *     instrument  FF 24 FF 24, placeholder, id[15], item[8], result[6], unit[8], low f32LE, high f32LE, number[4],
 *                 sum-8 from the fourth byte on, 0D 0A                             57 bytes
 *
 * Tickets (profile ticket-a8; order of lines from a maker's program, commands ESC/POS)  9600 8N1, GBK
 *     instrument  ESC @, lines "检测结果：12.34", GS V 0
 *     A ticket ends with the cut, where the next begins, or when nothing comes for the idle gap.
 *
 * JSON, asked (profile reader-dy6260-json; source: a maker's program)                TCP, UTF-8
 *     host        READ
 *     instrument  {"detail":[{"检测结果":..,"检测项目":..,"样品编号":..,"样品名称":..,"检测时间":..},..]}
 *     Everything it holds, each time. How a document is cut stands above text_driver_document.c.
 *
 * Cutting: a frame is as long as the profile says and nothing else is believed. Where a line cannot be read and another
 * start stands inside it, it was cut off: the line ends before that start, is told as undecodable, and the next one is
 * whole. Separators and ends are never found inside a character of GB 18030, whose second bytes may be | \ ^ ~ or R.
 */
#include "text_driver.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "calendar.h"

struct options {
	int64_t lookback_ms;
};

static const struct setting options_table[] = {
	{
		.name = "lookback",
		.type = SETTING_DURATION,
		.offset = offsetof(struct options, lookback_ms),
		.min = 0,
		.max = 34560000000,
		.standard = "7d",
		.help = N_(
			"How many days back results are fetched at most after an absence, where the profile asks by date"),
	},
	{ .name = NULL },
};

#define ALIKE_MAX    256
#define QUESTION_MAX 160

struct state {
	bool polling;              /* the questions of one poll are not all answered */
	bool met;                  /* a whole sweep was answered since the link came up */
	long day, last_day;        /* being asked about, by calendar_day() */
	long cursor_day;           /* the last day of a whole answer; 0: none */
	uint64_t alike[ALIKE_MAX]; /* of the answer that is coming: lines alike are told apart */
	size_t alike_at;
	unsigned row;                   /* of a file: lines and records so far */
	unsigned told;                  /* of it, as undecodable */
	bool inside;                    /* a JSON document: its head was there, its tail was not */
	uint8_t question[QUESTION_MAX]; /* asked last; a line of two wires gives it back */
	size_t question_length;         /* 0: none, or too long to be known again */
	struct text_record record;
	struct text_heading heading; /* of the file, where the profile has one */
};

/* ---- frames ---- */

enum match { MATCH_NONE, MATCH_MORE, MATCH };

static enum match match(const struct text_literal *literal, const uint8_t *data, size_t length)
{
	size_t common = length < literal->length ? length : literal->length;
	if (literal->length == 0 || memcmp(data, literal->bytes, common) != 0)
		return MATCH_NONE;
	return common < literal->length ? MATCH_MORE : MATCH;
}

static enum match match_start(const struct text_profile *profile, const uint8_t *data, size_t length)
{
	enum match best = profile->starts.count == 0 ? MATCH : MATCH_NONE;
	for (size_t i = 0; i < profile->starts.count; i++) {
		enum match now = match(&profile->starts.list[i], data, length);
		best = now > best ? now : best;
	}
	return best;
}

/* A frame of one length, whose end and checksum are right. */
static int block_frame(const struct text_profile *profile, const uint8_t *data, size_t length)
{
	size_t whole = (size_t)profile->length_least;
	if (length < whole)
		return FRAME_MORE;
	const struct text_literal *end = &profile->end;
	if (end->length > 0 && !text_stands(end, data + whole - end->length, end->length))
		return FRAME_NONE;
	return text_checksum_right(profile, data, whole - end->length) ? (int)whole : FRAME_NONE;
}

/* Where the line ends, by its end or by counting columns; FRAME_MORE when that is not seen yet. */
static int line_end(const struct text_profile *profile, const uint8_t *data, size_t length)
{
	long columns = 1;
	bool quoted = false;
	for (size_t at = 0; at < length;) {
		size_t left = length - at;
		if (text_stands(&profile->end, data + at, left))
			return (int)(at + profile->end.length);
		if (at > 0 && text_stands(&profile->done, data + at, left))
			return (int)at; /* the answer is over: a line that was not finished is not going to be */
		if (profile->quotes && data[at] == '"')
			quoted = !quoted;
		size_t apart = profile->last > 0 && !quoted ? text_separation(profile, data + at, left) : 0;
		size_t step = apart ? apart : text_step(profile->encoding, data + at, left);
		if (step == 0)
			return FRAME_MORE;
		at += step;
		columns += apart > 0;
		if (apart > 0 && columns == profile->columns_most)
			return length - at < (size_t)profile->last ? FRAME_MORE : (int)(at + (size_t)profile->last);
	}
	return FRAME_MORE;
}

/* Where another line begins inside this one, which cannot be read, or 0. Between characters first; then anywhere, since
 * after noise nobody knows where characters begin. */
static size_t inner_start(const struct text_profile *profile, const uint8_t *data, size_t length)
{
	for (int whole = 1; whole >= 0 && profile->starts.count > 0; whole--) {
		for (size_t at = 0; at < length;) {
			if (at > 0 && match_start(profile, data + at, length - at) == MATCH)
				return at;
			size_t step = whole ? text_step(profile->encoding, data + at, length - at) : 1;
			at += step ? step : 1;
		}
	}
	return 0;
}

enum readable { UNREADABLE, READABLE, READABLE_TIMED };

static enum readable readable(const struct text_profile *profile, const uint8_t *data, size_t length, bool last)
{
	struct text_record record = { .file = last ? "" : NULL, .last = last };
	struct reading reading = { 0 };
	char reason[160];
	if (text_record_read(profile, data, length, &record, &reading, reason, sizeof(reason)) == TEXT_FAULTY)
		return UNREADABLE;
	bool timed = *reading.tested_at || *reading_has_said(&reading, "impossible_time");
	return timed ? READABLE_TIMED : READABLE;
}

/* Where nothing ends a line, one that lacks its last bytes takes those of the next: a start stands inside its last
 * column then, 0 when none does. -1: not seen yet. */
static int straddling_start(
	const struct text_profile *profile, const uint8_t *data, size_t end, size_t length, bool idle)
{
	for (size_t at = end - (size_t)profile->last; at < end && profile->starts.count > 0; at++) {
		enum match start = match_start(profile, data + at, length - at);
		if (start == MATCH)
			return (int)at;
		if (start == MATCH_MORE && !idle)
			return -1;
	}
	return 0;
}

/* Where only its number of columns ends a line, one with a column too many (0,57 for 0.57) ends too soon, each value in
 * the place of another: its rest stands behind, before the next start. The length with that rest; 0: there is none; -1:
 * not seen yet. Noise without a separator is no rest. */
static int surplus(const struct text_profile *profile, const uint8_t *data, size_t end, size_t length, bool idle)
{
	bool more = false;
	if (profile->last == 0 || profile->blanks || profile->starts.count == 0)
		return 0;
	for (size_t at = end; at < length && at - end < TEXT_LINE_LONGEST; at++) {
		enum match start = match_start(profile, data + at, length - at);
		enum match done = match(&profile->done, data + at, length - at);
		if (start == MATCH || done == MATCH)
			return more ? (int)at : 0;
		if ((start == MATCH_MORE || done == MATCH_MORE) && !idle)
			return -1;
		more = more || text_separation(profile, data + at, length - at) > 0;
	}
	if (!idle && length - end < TEXT_LINE_LONGEST)
		return -1;
	return more ? (int)length : 0;
}

static int line_frame(const struct text_profile *profile, const uint8_t *data, size_t length, bool idle, bool last)
{
	size_t most = profile->length_most > 0 ? (size_t)profile->length_most : TEXT_LINE_LONGEST;
	int end = line_end(profile, data, length);
	if (end == FRAME_MORE && idle && (last || (profile->end.length == 0 && profile->last == 0)))
		end = (int)length;
	bool over = end == FRAME_MORE ? length >= most : (size_t)end > most;
	if (end == FRAME_MORE && !over)
		return FRAME_MORE;
	int straddling = over ? 0 : straddling_start(profile, data, (size_t)end, length, idle);
	if (straddling != 0)
		return straddling > 0 ? straddling : FRAME_MORE;
	enum readable as_is = over ? UNREADABLE : readable(profile, data, (size_t)end, last);
	/* whose time stands in its place, has no column too many before it */
	int whole = as_is == READABLE ? surplus(profile, data, (size_t)end, length, idle) : 0;
	if (as_is != UNREADABLE)
		return whole < 0 ? FRAME_MORE : whole > 0 ? whole : end;
	size_t inner = inner_start(profile, data, over ? most : (size_t)end);
	if (inner > 0)
		return (int)inner;
	if (!over)
		return end; /* told as undecodable */
	return profile->starts.count > 0 ? FRAME_NONE : (int)most;
}

/* Our own question, given back, is a frame of its own: it must be neither noise nor the first column of an answer. An
 * answer may begin like it ("R", and "R,S0017"): so where a frame begins it is the question only with the end of a line
 * in it. What is a whole frame like the question, take() knows. */
static enum match match_question(const struct state *state, const uint8_t *data, size_t length, bool starts)
{
	size_t whole = state->question_length, common = length < whole ? length : whole;
	if (whole == 0 || memcmp(data, state->question, common) != 0)
		return MATCH_NONE;
	uint8_t last = state->question[whole - 1];
	if (starts && last != '\r' && last != '\n')
		return MATCH_NONE;
	return common < whole ? MATCH_MORE : MATCH;
}

static bool is_question(const struct state *state, const struct reply *reply)
{
	size_t whole = state->question_length;
	if (reply->offline || whole == 0 || reply->length < whole || memcmp(reply->bytes, state->question, whole) != 0)
		return false;
	for (size_t i = whole; i < reply->length; i++)
		if (!strchr(" \t\r\n", reply->bytes[i])) /* NUL, too, is blank */
			return false;
	return true;
}

/* The last line of a file need not be ended. */
static bool is_last(const struct instrument *instrument)
{
	return instrument->file && instrument->idle;
}

static int frame(const struct instrument *instrument, const uint8_t *data, size_t length)
{
	const struct text_profile *profile = instrument->profile;
	enum match done = match(&profile->done, data, length), start = match_start(profile, data, length);
	enum match question = match_question(instrument->state, data, length, start != MATCH_NONE);
	if (done == MATCH)
		return (int)profile->done.length;
	if (question == MATCH)
		return (int)((const struct state *)instrument->state)->question_length;
	if (done == MATCH_MORE || start == MATCH_MORE || (question == MATCH_MORE && !instrument->idle))
		return FRAME_MORE;
	if (start == MATCH_NONE)
		return FRAME_NONE;
	switch (profile->shape) {
	case TEXT_SHAPE_BLOCKS:
		return block_frame(profile, data, length);
	case TEXT_SHAPE_TICKETS:
		return text_ticket_frame(profile, data, length, instrument->idle);
	case TEXT_SHAPE_JSON:
		return text_json_frame(profile, data, length, instrument->idle);
	case TEXT_SHAPE_XML:
		return text_xml_frame(profile, data, length, instrument->idle);
	default:
		return line_frame(profile, data, length, instrument->idle, is_last(instrument));
	}
}

/* ---- questions ---- */

/* "day=2026-03-05"; anything else is no cursor. */
static void read_cursor(struct state *state, const char *cursor)
{
	struct date_time date = { 0 };
	char rest;
	if (sscanf(cursor, "day=%4d-%2d-%2d%c", &date.year, &date.month, &date.day, &rest) == 3 &&
		calendar_valid(&date))
		state->cursor_day = calendar_day(&date);
}

/* Today and yesterday each time, whose last results may have come after midnight; more after an absence. */
static void begin_poll(struct state *state, const struct options *options, const struct date_time *now)
{
	long today = calendar_day(now), furthest = today - (long)(options->lookback_ms / 86400000);
	state->last_day = today;
	state->day = furthest;
	if (state->met)
		state->day = today - 1 > furthest ? today - 1 : furthest;
	else if (state->cursor_day > 0 && state->cursor_day <= today && state->cursor_day - 1 > furthest)
		state->day = state->cursor_day - 1;
	state->polling = true;
}

/* "{from:yyyy-MM-dd}" and the bytes between. */
static void write_question(const struct text_profile *profile, const struct state *state, struct request *request)
{
	struct date_time from = calendar_of_day(state->day), to = calendar_of_day(state->last_day);
	for (const char *at = profile->ask; *at && request->length + 16 < REQUEST_MAX;) {
		if (*at == '{') {
			const char *pattern = strchr(at, ':') + 1, *end = strchr(at, '}');
			request->length += text_time_write(pattern, (size_t)(end - pattern), at[1] == 't' ? &to : &from,
				(char *)request->bytes + request->length, REQUEST_MAX - request->length);
			at = end + 1;
			continue;
		}
		struct text_literal literal;
		char piece[5];
		size_t length = *at != '\\' ? 1 : at[1] == 'x' ? 4 : 2;
		snprintf(piece, sizeof(piece), "%.*s", (int)length, at);
		at += length;
		if (text_literal_parse(&literal, piece, NULL) == 0)
			request->bytes[request->length++] = literal.bytes[0];
	}
	request->kind = REQUEST_BYTES;
}

static void ask(struct instrument *instrument, struct request *request)
{
	struct state *state = instrument->state;
	const struct text_profile *profile = instrument->profile;
	request->timeout_ms = (int)profile->idle_gap_ms;
	if (!*profile->ask)
		return; /* it speaks by itself */
	if (!state->polling)
		begin_poll(state, instrument->options, &instrument->now);
	state->alike_at = 0;
	memset(state->alike, 0, sizeof(state->alike));
	write_question(profile, state, request);
	state->question_length = request->length <= QUESTION_MAX ? request->length : 0;
	memcpy(state->question, request->bytes, state->question_length);
}

/* The answer is over. */
static enum next answered(const struct text_profile *profile, struct state *state, struct readings *readings)
{
	bool dated = strchr(profile->ask, '{') != NULL;
	if (strstr(profile->ask, "{day:") && state->day < state->last_day) {
		state->day++;
		return NEXT_ASK;
	}
	state->polling = false;
	state->met = true;
	if (dated && state->cursor_day != state->last_day) {
		struct date_time date = calendar_of_day(state->last_day);
		state->cursor_day = state->last_day;
		snprintf(readings->cursor, sizeof(readings->cursor), "day=%04d-%02d-%02d", date.year, date.month,
			date.day);
	}
	return NEXT_IDLE;
}

/* ---- replies ---- */

/* How many lines alike to the last byte stand before this one in the answer. */
static unsigned count_alike(struct state *state, const uint8_t *data, size_t length)
{
	uint64_t print = 0xCBF29CE484222325; /* FNV-1a */
	unsigned alike = 0;
	for (size_t i = 0; i < length; i++)
		print = (print ^ data[i]) * 0x100000001B3;
	for (size_t i = 0; i < ALIKE_MAX; i++)
		alike += state->alike[i] == print;
	state->alike[state->alike_at++ % ALIKE_MAX] = print;
	return alike;
}

/* A file may be of another kind altogether: so many of its lines are told, the others counted. */
#define TOLD_OF_A_FILE 10

static void tell_undecodable(
	const struct instrument *instrument, struct readings *readings, const struct reply *reply, const char *reason)
{
	struct state *state = instrument->state;
	bool enough = instrument->file && state->told++ >= TOLD_OF_A_FILE;
	struct notice *notice = enough ? NULL : readings_notice(readings, NOTICE_UNDECODABLE);
	if (!notice) {
		readings->rejected++;
		return;
	}
	if (instrument->file)
		snprintf(notice->reason, sizeof(notice->reason), "%.60s:%u: %.90s", instrument->file, state->row,
			reason);
	else
		text_copy(notice->reason, sizeof(notice->reason), reason);
	notice->raw = reply->bytes;
	notice->raw_length = reply->length;
}

/* What stands in a file may be read again, from a copy too: what it says tells which test it is. Where that is neither
 * time nor number, equal rows are different tests, told apart by file and place. */
static void identify_row(const struct instrument *instrument, struct reading *reading)
{
	struct state *state = instrument->state;
	const struct text_piece *all = &state->record.all;
	reading->repeatable = true;
	reading->identity = all->at;
	reading->identity_length = all->length;
	reading->repeat = count_alike(state, all->at, all->length);
	if (*reading->tested_at || *reading->instrument_seq)
		return;
	reading->repeat = state->row;
	for (const char *at = instrument->file; *at; at++)
		reading->repeat = (reading->repeat ^ (uint8_t)*at) * 0x01000193; /* FNV-1a */
}

static void take_record(struct instrument *instrument, const struct reply *reply, struct readings *readings)
{
	const struct text_profile *profile = instrument->profile;
	struct state *state = instrument->state;
	struct reading made;
	char reason[160] = "";
	state->row++;
	if ((instrument->file || reply->offline) && profile->header && state->row == 1) {
		if (!text_heading_read(profile, reply->bytes, reply->length, &state->heading))
			tell_undecodable(instrument, readings, reply, state->heading.reason);
		return;
	}
	if (profile->named && !state->heading.read) {
		readings->rejected++; /* why was told of the heading */
		return;
	}
	state->record.heading = profile->header && state->heading.length > 0 ? &state->heading : NULL;
	state->record.file = instrument->file;
	state->record.read_at = instrument->file && instrument->file_day.year ? instrument->file_day : instrument->now;
	state->record.last = is_last(instrument);
	switch (text_record_read(profile, reply->bytes, reply->length, &state->record, &made, reason, sizeof(reason))) {
	case TEXT_NOTHING:
		readings->blanks++;
		return;
	case TEXT_FAULTY:
		tell_undecodable(instrument, readings, reply, reason);
		return;
	case TEXT_RESULT:
		break;
	}
	struct reading *reading = readings_add(readings);
	if (!reading)
		return;
	*reading = made;
	if (state->record.heading) {
		reading->raw_head = state->heading.bytes;
		reading->raw_head_length = state->heading.length;
	}
	if (instrument->file)
		identify_row(instrument, reading);
	if (!profile->repeatable || instrument->file)
		return;
	reading->repeatable = true;
	reading->repeat = count_alike(state, reply->bytes, reply->length);
	reading->identity = reply->bytes;
	reading->identity_length = reply->length;
}

/* True when the answer is over with this part of a document. */
static bool take_part(struct instrument *instrument, const struct reply *reply, struct readings *readings)
{
	const struct text_profile *profile = instrument->profile;
	struct state *state = instrument->state;
	bool xml = profile->shape == TEXT_SHAPE_XML;
	switch ((xml ? text_xml_part : text_json_part)(profile, reply->bytes, reply->length)) {
	case TEXT_PART_NONE:
		return false;
	case TEXT_PART_HEAD:
		if (!state->inside && reply->offline)
			memset(state->alike, 0, sizeof(state->alike)); /* another answer begins */
		state->inside = true;
		return false;
	case TEXT_PART_TAIL:
		state->inside = false;
		return true;
	case TEXT_PART_EMPTY:
		return !state->inside;
	case TEXT_PART_RECORD:
		break;
	}
	take_record(instrument, reply, readings);
	return !state->inside;
}

static enum next take(struct instrument *instrument, const struct reply *reply, struct readings *readings)
{
	const struct text_profile *profile = instrument->profile;
	struct state *state = instrument->state;
	if (reply->kind == REPLY_FILE) {
		memset(state->alike, 0, sizeof(state->alike));
		state->row = state->told = 0;
		state->heading.read = false;
		state->heading.length = 0;
		state->inside = false;
	}
	if (reply->kind == REPLY_SILENCE) {
		state->polling = state->inside = false;
		return NEXT_IDLE;
	}
	if (reply->kind != REPLY_FRAME || is_question(state, reply))
		return NEXT_WAIT;
	bool done = text_stands(&profile->done, reply->bytes, reply->length);
	bool document = profile->shape == TEXT_SHAPE_JSON || profile->shape == TEXT_SHAPE_XML, over = true;
	if (!done && document)
		over = take_part(instrument, reply, readings);
	else if (!done)
		take_record(instrument, reply, readings);
	else if (reply->offline) /* in a capture another answer begins here */
		memset(state->alike, 0, sizeof(state->alike));
	if (!*profile->ask || reply->offline || !over || (!done && profile->done.length > 0))
		return NEXT_WAIT;
	return answered(profile, state, readings);
}

static int setup(struct instrument *instrument, struct fault *fault)
{
	const struct text_profile *profile = instrument->profile;
	struct state *state = instrument->state;
	if (!profile)
		return fault_set(
			fault, EINVAL, _("driver text needs a profile; profile = reader-a9, say, would be right"));
	state->polling = state->met = state->inside = false;
	read_cursor(state, instrument->cursor);
	text_copy(instrument->maker.maker, sizeof(instrument->maker.maker), profile->maker);
	text_copy(instrument->maker.model, sizeof(instrument->maker.model), profile->model);
	return 0;
}

const struct driver text_driver = {
	.name = "text",
	.title = N_("Instruments that write lines, short blocks, printer tickets, JSON or XML, described by a profile"),
	.line = "9600/8n1",
	.version = 3,
	.links = LINK_SERIAL | LINK_TCP | LINK_FOLDER,
	.manner = MANNER_LISTENS,
	.options = options_table,
	.options_size = sizeof(struct options),
	.profiles = &text_profiles,
	.state_size = sizeof(struct state),
	.setup = setup,
	.ask = ask,
	.frame = frame,
	.take = take,
	.raw_alone = true,
};
