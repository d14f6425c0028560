/* ATP luminometers: what they hold is listed on demand. 9600 8E1.
 *
 * Source: a vendor's published collector, as summarised by people who read it. What is marked (?) could not be
 * confirmed on an instrument. Numbers are little-endian.
 *
 *     host   'N'               how many results do you hold?
 *     meter  'n' count16       so many
 *     host   'G'               give them to me
 *     meter  'g' serial16      my serial number, and then every result at once, oldest first (?), 19 bytes each:
 *            0 first byte, unknown ('r' in our examples, not relied on)
 *            1..2 number, 3..4 RLU, 5..6 lower limit, 7..8 upper limit, 9 group, 10 point,
 *            11 second, 12 minute, 13 hour, 14 weekday, 15 day, 16 month, 17 year - 2000
 *            18 last byte, unknown
 *     host   'E'               end of the dialogue; no answer (?)
 *
 * Reading is harmless: nothing is erased, and what is read again has the same record id (bytes 1 to 17 and the meter's
 * serial number). Memory is listed when the count changed, and every `reconcile`: a full memory may keep its count
 * while the oldest results give way. When it was cleared numbers begin anew; where a clock that was never set does not
 * tell old from new, how often that was does: it stands in the cursor.
 *
 * The last byte is not documented. In our examples it is the sum of bytes 1 to 17; where three results of a meter end
 * with that sum and none does not, it is taken for a checksum from then on. Otherwise a result is believed when its
 * time is made of possible numbers, its limits stand in order, and the weekday fits the day. Frames that are not lead
 * to the whole listing again; cheap clocks have wrong weekdays, so the third listing does without.
 *
 * A result within the lower limit passes, one over the upper limit fails, between them is caution: both limits go into
 * the record as sent, the verdict is the gateway's (rule two-limits).
 */
#include <stdio.h>
#include <string.h>

#include "bytes.h"
#include "calendar.h"
#include "checksum.h"
#include "driver.h"
#include "text.h"

struct options {
	int64_t reconcile_ms;
};

static const struct setting options_table[] = {
	{
		.name = "reconcile",
		.type = SETTING_DURATION,
		.offset = offsetof(struct options, reconcile_ms),
		.min = 1000,
		.max = 86400000,
		.standard = "10min",
		.help = N_("How often the whole memory is read again even when its count is the same"),
	},
	{ .name = NULL },
};

#define RECORD_LENGTH 19
#define ANSWER_LENGTH 3 /* 'n' or 'g' and a number */
#define TRIES_MAX     3 /* listings in a row that may be incomplete before the rest is given up for now */
#define SUMS_ENOUGH   3
#define END_MS        200

enum phase { PHASE_COUNT, PHASE_LIST, PHASE_END };

struct state {
	enum phase phase;
	bool asking;      /* a dialogue, not a capture */
	bool listing;     /* behind 'g': results follow */
	bool any_weekday; /* listings stay incomplete: this meter's weekdays are wrong */
	bool known;       /* the memory was listed as `known_count` results */
	unsigned count, known_count, received, tries;
	unsigned rounds, stored_count;      /* of the cursor: how often its memory was cleared; what it held */
	unsigned told_received, told_count; /* the missing results that were told last */
	unsigned sums_right, sums_wrong;
	int64_t listed_s; /* by the station's clock */
};

/* ---- frames ---- */

static bool sum_right(const uint8_t *data)
{
	return checksum_sum8(data + 1, RECORD_LENGTH - 2) == data[RECORD_LENGTH - 1];
}

/* Days are counted from Sunday or Monday, from 0 or 1: who knows. The day fits all the same, or the bytes are out of
 * step. */
static bool weekday_fits(const struct date_time *time, unsigned weekday)
{
	unsigned from_sunday = (unsigned)((calendar_day(time) + 3) % 7);
	return weekday <= 7 && (weekday % 7 == from_sunday || weekday == from_sunday + 1);
}

/* A clock that was never set stands at 2000-00-00. */
static bool time_possible(bool any_weekday, struct bytes *bytes)
{
	struct date_time time = { 0 };
	time.second = bytes_u8(bytes);
	time.minute = bytes_u8(bytes);
	time.hour = bytes_u8(bytes);
	uint8_t weekday = bytes_u8(bytes);
	time.day = bytes_u8(bytes);
	time.month = bytes_u8(bytes);
	uint8_t year = bytes_u8(bytes);
	time.year = 2000 + year;
	bool unset = time.day == 0 && time.month == 0 && year == 0;
	if (unset)
		time.day = time.month = 1;
	return year <= 99 && calendar_valid(&time) && (unset || any_weekday || weekday_fits(&time, weekday));
}

static bool is_result(const struct state *state, const uint8_t *data)
{
	struct bytes bytes = bytes_of(data, RECORD_LENGTH);
	bytes_take(&bytes, 5);
	unsigned low = bytes_u16le(&bytes), up = bytes_u16le(&bytes);
	bytes_take(&bytes, 2);
	bool sure = state->sums_right >= SUMS_ENOUGH && state->sums_wrong == 0;
	return low <= up && time_possible(sure || state->any_weekday, &bytes) && (!sure || sum_right(data));
}

static int frame(const struct instrument *instrument, const uint8_t *data, size_t length)
{
	const struct state *state = instrument->state;
	bool may_be = state->listing || (!state->asking && data[0] == 'r');
	if (may_be && length < RECORD_LENGTH)
		return FRAME_MORE;
	if (may_be && is_result(state, data))
		return RECORD_LENGTH;
	if (state->asking && state->listing)
		return FRAME_NONE;
	if (data[0] == 'n' || data[0] == 'g')
		return length < ANSWER_LENGTH ? FRAME_MORE : ANSWER_LENGTH;
	return data[0] == 'N' || data[0] == 'G' || data[0] == 'E' ? 1 : FRAME_NONE;
}

/* ---- results ---- */

static void say_number(struct reading *reading, const char *name, unsigned number)
{
	char text[16];
	snprintf(text, sizeof(text), "%u", number);
	reading_said(reading, name, text);
}

static void say_time(struct reading *reading, struct bytes *bytes)
{
	struct date_time time = { 0 };
	time.second = bytes_u8(bytes);
	time.minute = bytes_u8(bytes);
	time.hour = bytes_u8(bytes);
	bytes_u8(bytes); /* weekday */
	time.day = bytes_u8(bytes);
	time.month = bytes_u8(bytes);
	time.year = 2000 + bytes_u8(bytes);
	if (calendar_text(&time, reading->tested_at))
		return;
	char sent[48];
	snprintf(sent, sizeof(sent), "%04u-%02u-%02u %02u:%02u:%02u", (unsigned)time.year, (unsigned)time.month,
		(unsigned)time.day, (unsigned)time.hour, (unsigned)time.minute, (unsigned)time.second);
	reading_said(reading, "impossible_time", sent);
}

static void take_result(struct state *state, const struct reply *reply, struct readings *readings)
{
	struct bytes bytes = bytes_of(reply->bytes, reply->length);
	struct reading *reading = readings_add(readings);
	state->received++;
	*(sum_right(reply->bytes) ? &state->sums_right : &state->sums_wrong) += 1;
	if (!reading)
		return;
	reading->repeatable = true;
	reading->raw = reply->bytes;
	reading->raw_length = reply->length;
	reading->identity = reply->bytes + 1;
	reading->identity_length = RECORD_LENGTH - 2;
	bytes_u8(&bytes);
	snprintf(reading->instrument_seq, sizeof(reading->instrument_seq), "%u", bytes_u16le(&bytes));
	snprintf(reading->value, sizeof(reading->value), "%u", bytes_u16le(&bytes));
	text_copy(reading->value_as_sent, sizeof(reading->value_as_sent), reading->value);
	text_copy(reading->unit, sizeof(reading->unit), "RLU");
	unsigned low = bytes_u16le(&bytes), up = bytes_u16le(&bytes);
	text_copy(reading->limit_op, sizeof(reading->limit_op), "<=");
	snprintf(reading->limit_value, sizeof(reading->limit_value), "%u", low);
	text_copy(reading->limit_unit, sizeof(reading->limit_unit), "RLU");
	say_number(reading, "limit_low", low);
	say_number(reading, "limit_up", up);
	say_number(reading, "group", bytes_u8(&bytes));
	say_number(reading, "point", bytes_u8(&bytes));
	say_time(reading, &bytes);
	if (!*reading->tested_at)
		reading->repeat = state->rounds;
}

/* ---- the dialogue ---- */

static void read_cursor(struct state *state, const char *cursor)
{
	unsigned rounds, count;
	char rest;
	if (sscanf(cursor, "rounds=%9u count=%5u%c", &rounds, &count, &rest) != 2)
		return;
	state->rounds = rounds;
	state->stored_count = count;
}

static void write_cursor(struct state *state, struct readings *readings)
{
	state->stored_count = state->count;
	snprintf(readings->cursor, sizeof(readings->cursor), "rounds=%u count=%u", state->rounds, state->count);
}

static int64_t seconds_of(const struct date_time *now)
{
	return (int64_t)calendar_day(now) * 86400 + now->hour * 3600 + now->minute * 60 + now->second;
}

static bool list_due(const struct instrument *instrument)
{
	const struct state *state = instrument->state;
	const struct options *options = instrument->options;
	int64_t now_s = seconds_of(&instrument->now);
	return !state->known || state->count != state->known_count || now_s < state->listed_s ||
	       (now_s - state->listed_s) * 1000 >= options->reconcile_ms;
}

static void listed(struct instrument *instrument, struct readings *readings)
{
	struct state *state = instrument->state;
	if (state->count != state->stored_count)
		write_cursor(state, readings);
	state->known = true;
	state->known_count = state->count;
	state->listed_s = seconds_of(&instrument->now);
	state->tries = 0;
	state->listing = false;
}

static enum next take_count(struct instrument *instrument, struct readings *readings)
{
	struct state *state = instrument->state;
	unsigned held = state->stored_count;
	if (state->count < held) {
		struct notice *notice = readings_notice(readings, NOTICE_COUNTER_RESTARTED);
		if (notice) {
			notice->first = held;
			notice->last = state->count;
			snprintf(notice->reason, sizeof(notice->reason),
				_("the meter holds %u results where it held %u: its memory was cleared"), state->count,
				held);
		}
		state->rounds++;
		state->known = false;
		write_cursor(state, readings);
	}
	if (state->count == 0)
		listed(instrument, readings);
	if (state->count == 0 || !list_due(instrument))
		return NEXT_IDLE;
	state->phase = PHASE_LIST;
	return NEXT_ASK;
}

static enum next take_answer(struct instrument *instrument, const struct reply *reply, struct readings *readings)
{
	struct state *state = instrument->state;
	struct bytes bytes = bytes_of(reply->bytes + 1, reply->length - 1);
	unsigned number = bytes_u16le(&bytes);
	if (reply->bytes[0] == 'g') {
		snprintf(instrument->maker.serial, sizeof(instrument->maker.serial), "%u", number);
		state->listing = state->phase == PHASE_LIST || reply->offline;
		state->received = 0;
		return NEXT_WAIT;
	}
	if (state->phase != PHASE_COUNT && !reply->offline)
		return NEXT_WAIT; /* late */
	state->count = number;
	return reply->offline ? NEXT_WAIT : take_count(instrument, readings);
}

/* Told once: they may never come. */
static void tell_missing(struct state *state, struct readings *readings)
{
	if (state->received == state->told_received && state->count == state->told_count)
		return;
	struct notice *notice = readings_notice(readings, NOTICE_MISSED_RESULTS);
	if (!notice)
		return;
	snprintf(notice->reason, sizeof(notice->reason),
		_("%u readings gave only %u of %u results; the rest is asked for again later"), state->tries,
		state->received, state->count);
	state->told_received = state->received;
	state->told_count = state->count;
}

static enum next take_silence(struct instrument *instrument, struct readings *readings)
{
	struct state *state = instrument->state;
	if (state->phase == PHASE_LIST) {
		state->tries++;
		if (state->listing && (state->received == 0 || state->tries == TRIES_MAX - 1))
			state->any_weekday = true;
		if (state->tries >= TRIES_MAX) {
			tell_missing(state, readings);
			listed(instrument, readings);
		}
	}
	state->listing = false;
	state->phase = PHASE_COUNT;
	return NEXT_IDLE;
}

static enum next take(struct instrument *instrument, const struct reply *reply, struct readings *readings)
{
	struct state *state = instrument->state;
	if (reply->kind == REPLY_SILENCE)
		return take_silence(instrument, readings);
	if (reply->kind != REPLY_FRAME || reply->length == 1)
		return NEXT_WAIT; /* our own words, echoed */
	if (reply->length == ANSWER_LENGTH)
		return take_answer(instrument, reply, readings);
	take_result(state, reply, readings);
	if (state->received != state->count)
		return NEXT_WAIT;
	state->listing = false;
	if (reply->offline)
		return NEXT_WAIT;
	listed(instrument, readings);
	state->phase = PHASE_END;
	return NEXT_ASK;
}

static void ask(struct instrument *instrument, struct request *request)
{
	static const char words[] = { [PHASE_COUNT] = 'N', [PHASE_LIST] = 'G', [PHASE_END] = 'E' };
	struct state *state = instrument->state;
	state->asking = true;
	state->received = 0;
	request->kind = REQUEST_BYTES;
	request->bytes[0] = (uint8_t)words[state->phase];
	request->length = 1;
	if (state->phase == PHASE_END) {
		request->timeout_ms = END_MS;
		request->may_rest = true; /* it need not answer that */
	}
}

static int setup(struct instrument *instrument, struct fault *fault)
{
	(void)fault;
	*(struct state *)instrument->state = (struct state){ .phase = PHASE_COUNT };
	read_cursor(instrument->state, instrument->cursor);
	return 0;
}

/* Alone, a result is known by its length: its first byte is only relied on among other bytes. */
static void take_raw(struct instrument *instrument, const struct reading *before, const uint8_t *raw, size_t length,
	struct readings *readings)
{
	(void)before;
	struct reply reply = { .kind = REPLY_FRAME, .bytes = raw, .length = length, .offline = true };
	if (length == RECORD_LENGTH)
		take_result(instrument->state, &reply, readings);
	else
		readings->rejected++;
}

const struct driver atp_driver = {
	.name = "atp",
	.title = N_("ATP luminometers that list what they hold"),
	.line = "9600/8e1",
	.item = "HYG-ATP",
	.version = 2,
	.links = LINK_SERIAL | LINK_TCP,
	.manner = MANNER_ASKS,
	.options = options_table,
	.options_size = sizeof(struct options),
	.state_size = sizeof(struct state),
	.setup = setup,
	.ask = ask,
	.frame = frame,
	.take = take,
	.take_raw = take_raw,
};
