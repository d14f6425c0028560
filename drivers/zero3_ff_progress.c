/* How far a "03-FF" analyzer was read: days, ranges of records, cursor, and what is complained of. The transcript
 * stands in zero3_ff.c. */
#include <stdio.h>
#include <string.h>

#include "calendar.h"
#include "zero3_ff.h"

#define GIVEN_UP_MAX   3    /* records in a row, before the rest of them is left for later */
#define WRAPPED_MAX    4096 /* a range that runs over 65535 is believed up to so many records */
#define ALIKE_ENOUGH   3    /* readings of the whole memory, half of `clear-after` apart, before it is cleared */
#define SECONDS_OF_DAY 86400

/* ---- complaints ---- */

static uint64_t hash(uint64_t start, const uint8_t *data, size_t length) /* FNV-1a */
{
	for (size_t i = 0; i < length; i++)
		start = (start ^ data[i]) * 0x100000001B3;
	return start;
}

/* True the first time; what is read again is not told again. */
static bool news(struct zero3_state *state, uint64_t print)
{
	for (unsigned i = 0; i < ZERO3_TOLD_MAX; i++)
		if (state->told[i] == print)
			return false;
	state->told[state->told_at++ % ZERO3_TOLD_MAX] = print;
	return true;
}

struct notice *zero3_undecodable(struct zero3_state *state, const struct reply *reply, struct readings *readings)
{
	struct notice *notice = NULL;
	if (reply->offline || news(state, hash(0xCBF29CE484222325, reply->bytes, reply->length)))
		notice = readings_notice(readings, NOTICE_UNDECODABLE);
	if (notice) {
		notice->raw = reply->bytes;
		notice->raw_length = reply->length;
	}
	return notice;
}

static void tell_missed(struct zero3_state *state, unsigned first, unsigned last, struct readings *readings)
{
	const uint8_t range[] = { (uint8_t)first, (uint8_t)(first >> 8), (uint8_t)last, (uint8_t)(last >> 8) };
	struct notice *notice = NULL;
	if (news(state, hash(1, range, sizeof(range))))
		notice = readings_notice(readings, NOTICE_MISSED_RESULTS);
	if (!notice)
		return;
	notice->first = first;
	notice->last = last;
	snprintf(notice->reason, sizeof(notice->reason),
		_("records %u to %u were not answered, asked %d times each; they are asked for again later"), first,
		last, ZERO3_TRIES_MAX);
}

/* ---- days ---- */

static const char *const family_names[] = { [ZERO3_4X] = " 4x=", [ZERO3_6X] = " 6x=", [ZERO3_7X] = " 7x=" };

static struct zero3_progress *here(struct zero3_state *state)
{
	return &state->progress[state->family];
}

/* "day=2026-03-05 4x=17 6x=3"; anything else is no cursor. */
void zero3_read_cursor(struct zero3_state *state, const char *cursor)
{
	struct date_time date = { 0 };
	if (sscanf(cursor, "day=%4d-%2d-%2d", &date.year, &date.month, &date.day) != 3 || !calendar_valid(&date))
		return;
	state->cursor_day = calendar_day(&date);
	for (int family = 0; family < ZERO3_FAMILIES; family++) {
		struct zero3_progress *progress = &state->progress[family];
		const char *at = strstr(cursor, family_names[family]);
		if (at && sscanf(at + strlen(family_names[family]), "%5hu", &progress->memory_through) == 1)
			progress->memory_known = true;
	}
}

/* The day moves forward only, so that a box that starts without knowing the date loses nothing. */
static void write_cursor(struct zero3_state *state, struct readings *readings)
{
	if (state->today > state->cursor_day)
		state->cursor_day = state->today;
	struct date_time date = calendar_of_day(state->cursor_day);
	char *at = readings->cursor, *end = at + sizeof(readings->cursor);
	at += snprintf(at, (size_t)(end - at), "day=%04d-%02d-%02d", date.year, date.month, date.day);
	for (int family = 0; family < ZERO3_FAMILIES; family++)
		if (state->progress[family].memory_known)
			at += snprintf(at, (size_t)(end - at), "%s%u", family_names[family],
				state->progress[family].memory_through);
}

void zero3_forget(struct zero3_state *state)
{
	memset(state->progress, 0, sizeof(state->progress));
	memset(state->tables, 0, sizeof(state->tables));
	state->started = state->sweeping = false;
	state->alike = 0;
	state->phase = ZERO3_PHASE_IDLE;
}

/* A day before the box knew the date is none on which the analyzer was met last. */
static void look_back(struct zero3_state *state, long since, long furthest)
{
	state->since = since > furthest ? since : furthest;
	if (since + 1 >= furthest || !calendar_known(since))
		return;
	state->skipped_day = since + 1;
	state->skipped_last = furthest - 1;
}

/* Whether this sweep reads the whole memory, to see whether it stands still and may be cleared. */
static bool clearing_turn(struct zero3_state *state, const struct zero3_options *options, int64_t now_s)
{
	int64_t since_s = now_s - state->read_whole_s;
	if (since_s < 0 || since_s > 2 * SECONDS_OF_DAY) /* our clock was set, or nothing was read yet */
		state->alike = 0;
	if (!state->clear_due || (state->alike > 0 && since_s * 2000 < options->clear_after_ms))
		return false;
	state->read_whole_s = now_s;
	return true;
}

/* Decides which days this poll looks at, and whether all of their records are read. */
static void plan(struct zero3_state *state, const struct zero3_options *options, long today, int64_t now_s)
{
	long furthest = today - (long)(options->lookback_ms / 1000 / SECONDS_OF_DAY), before = state->today;
	bool new_day = state->started && before < today;
	state->today = today;
	state->since = today - 1;
	bool due = now_s < state->reconciled_s || (now_s - state->reconciled_s) * 1000 >= options->reconcile_ms;
	/* a cursor on a day to come says nothing until that day: the box may not know the date yet */
	bool cursor = state->cursor_day > 0 && state->cursor_day <= today;
	if (!state->started)
		look_back(state, cursor ? state->cursor_day - 1 : furthest, furthest);
	else if (new_day)
		look_back(state, (cursor && before < state->cursor_day ? state->cursor_day : before) - 1,
			furthest < today - 1 ? furthest : today - 1);
	state->sweeping = !state->started || new_day || due;
	state->clear_due |= options->clear && (!state->started || new_day);
	state->clearing = state->sweeping && clearing_turn(state, options, now_s);
	state->lacking = false;
	if (state->sweeping)
		state->reconciled_s = now_s;
	state->started = true;
}

/* ---- records ---- */

static void begin_family(struct zero3_state *state)
{
	state->phase = state->sweeping ? ZERO3_PHASE_TABLE : ZERO3_PHASE_RANGE;
	state->tries = state->given_up = 0;
	state->of_memory = false;
}

/* The whole memory was read, or as much as there was: true where it stood still for long enough. */
static bool stood_still(struct zero3_state *state)
{
	bool whole = !state->lacking && here(state)->memory_known;
	bool same = state->alike > 0 && state->print == state->alike_to;
	state->alike = !whole ? 0 : same ? state->alike + 1 : 1;
	state->alike_to = state->print;
	state->clear_due = !whole || !here(state)->memory_empty; /* nothing is there to be cleared */
	return state->clear_due && state->alike >= ALIKE_ENOUGH;
}

static enum next end_poll(struct zero3_state *state, struct readings *readings)
{
	bool clear = state->sweeping && state->clearing && stood_still(state);
	if (state->sweeping && !state->unreached)
		write_cursor(state, readings);
	state->sweeping = state->sweeping && state->unreached;
	state->clearing = false;
	state->phase = clear ? ZERO3_PHASE_CHECK : ZERO3_PHASE_IDLE;
	return clear ? NEXT_ASK : NEXT_IDLE;
}

static enum next end_family(struct zero3_state *state, struct readings *readings)
{
	for (unsigned family = state->family + 1U; family < ZERO3_FAMILIES; family++) {
		if (!(state->families & 1U << family))
			continue;
		state->family = (enum zero3_family)family;
		begin_family(state);
		return NEXT_ASK;
	}
	return end_poll(state, readings);
}

enum next zero3_give_up_range(struct zero3_state *state, struct readings *readings)
{
	state->unreached = state->lacking = true;
	return end_family(state, readings);
}

static enum next end_records(struct zero3_state *state, struct readings *readings)
{
	/* what is cleared afterwards was read whole by index */
	if (!state->of_memory || state->clearing)
		return end_family(state, readings);
	state->of_memory = false;
	state->phase = ZERO3_PHASE_RANGE;
	return NEXT_ASK;
}

void zero3_seen(struct zero3_state *state, const struct reply *reply)
{
	if (state->of_memory)
		state->print = hash(state->print, reply->bytes, reply->length);
}

/* `read`: false where the instrument holds nothing (yet) at this index. */
enum next zero3_next_record(struct zero3_state *state, bool read, struct readings *readings)
{
	uint16_t index = state->index++;
	state->tries = 0;
	if (--state->left > 0)
		return NEXT_ASK;
	/* The newest record may be in the making: it counts as read when it holds something. */
	state->lacking |= !read;
	struct zero3_progress *progress = here(state);
	*(state->of_memory ? &progress->memory_through : &progress->through) = read ? index : (uint16_t)(index - 1);
	*(state->of_memory ? &progress->memory_known : &progress->known) = true;
	return end_records(state, readings);
}

enum next zero3_give_up_record(struct zero3_state *state, struct readings *readings)
{
	state->lacking = true;
	if (++state->given_up < GIVEN_UP_MAX) {
		tell_missed(state, state->index, state->index, readings);
		return zero3_next_record(state, true, readings);
	}
	unsigned last = (uint16_t)(state->index + state->left - 1);
	tell_missed(state, state->index, last, readings);
	state->index = (uint16_t)last;
	state->left = 1;
	return zero3_next_record(state, true, readings);
}

/* ---- which records there are ---- */

static void tell_restart(struct zero3_state *state, uint16_t through, struct readings *readings)
{
	struct notice *notice = readings_notice(readings, NOTICE_COUNTER_RESTARTED);
	here(state)->known = false;
	here(state)->memory_empty = true;
	if (!notice)
		return;
	notice->first = through;
	notice->last = state->last;
	snprintf(notice->reason, sizeof(notice->reason),
		_("the newest record's index went back from %u to %u: the instrument's memory was cleared"), through,
		state->last);
}

/* How many records lie from `first` to `last`; 0 where the instrument says that there are none. */
static unsigned span(uint16_t first, uint16_t last)
{
	unsigned count = (uint16_t)(last - first) + 1U;
	bool none = (first == 0 && last == 0) || (first > last && count > WRAPPED_MAX);
	return none ? 0 : count;
}

/* Of `count` records those behind `through`, or all. */
static void choose_behind(struct zero3_state *state, bool all, uint16_t through, unsigned count)
{
	uint16_t ahead = (uint16_t)(state->last - through);
	all = all || ahead > count;
	state->left = all || count == 0 ? count : ahead;
	state->index = all ? state->first : (uint16_t)(through + 1);
}

static bool went_back(const struct zero3_state *state, uint16_t through)
{
	return (uint16_t)(state->last - through) >= 0x8000;
}

static void tell_overwritten(const struct zero3_state *state, uint16_t through, struct readings *readings)
{
	struct notice *notice = readings_notice(readings, NOTICE_MISSED_RESULTS);
	if (!notice)
		return;
	notice->first = (uint16_t)(through + 1);
	notice->last = (uint16_t)(state->first - 1);
	snprintf(notice->reason, sizeof(notice->reason),
		_("records %u to %u are gone: the instrument's memory was full before they were read"), notice->first,
		notice->last);
}

/* At the first contact the days say what is wanted, not the whole memory. */
static void choose_of_memory(struct zero3_state *state, unsigned count, struct readings *readings)
{
	struct zero3_progress *progress = here(state);
	bool first_contact = !progress->memory_known && !state->clearing;
	uint16_t through = progress->memory_through;
	state->of_memory = true;
	state->print = hash(0xCBF29CE484222325, (const uint8_t *)&state->first, sizeof(state->first));
	if (first_contact)
		progress->memory_through = through = state->last;
	else if (count > 0 && progress->memory_known && !progress->memory_empty) {
		if (went_back(state, through))
			tell_restart(state, through, readings);
		else if ((uint16_t)(state->last - through) > count)
			tell_overwritten(state, through, readings);
	}
	if (count > 0 && !first_contact)
		state->skipped_day = 0; /* however long the absence was */
	choose_behind(state, state->clearing || progress->memory_empty, through, count);
	progress->memory_known = true;
	progress->memory_empty = count == 0;
}

static void choose_of_days(struct zero3_state *state, unsigned count, struct readings *readings)
{
	struct zero3_progress *progress = here(state);
	if (progress->known && count > 0 && went_back(state, progress->through))
		tell_restart(state, progress->through, readings);
	choose_behind(state, state->sweeping || !progress->known, progress->through, count);
	calendar_tell_skipped(&state->skipped_day, state->skipped_last, readings);
}

enum next zero3_take_range(struct zero3_state *state, const struct zero3_frame *frame, struct readings *readings)
{
	struct bytes data = frame->data;
	bytes_take(&data, 8);
	uint16_t first = bytes_u16le(&data), last = bytes_u16le(&data);
	bool same = first == state->first && last == state->last;
	if (data.failed) {
		readings->rejected++;
		return NEXT_WAIT; /* silence follows, and the same question */
	}
	state->tries = 0;
	if (state->phase == ZERO3_PHASE_CHECK) {
		state->phase = same ? ZERO3_PHASE_CLEAR : ZERO3_PHASE_IDLE;
		state->clear_due = !same;
		state->alike = 0;
		return same ? NEXT_ASK : NEXT_IDLE;
	}
	state->first = first;
	state->last = last;
	if (state->phase == ZERO3_PHASE_MEMORY)
		choose_of_memory(state, span(first, last), readings);
	else
		choose_of_days(state, span(first, last), readings);
	if (state->left == 0)
		return end_records(state, readings);
	state->phase = ZERO3_PHASE_RECORD;
	return NEXT_ASK;
}

void zero3_begin_poll(struct instrument *instrument)
{
	struct zero3_state *state = instrument->state;
	const struct date_time *now = &instrument->now;
	long today = calendar_day(now);
	int64_t now_s = (int64_t)today * SECONDS_OF_DAY + now->hour * 3600 + now->minute * 60 + now->second;
	if (!state->sweeping) /* one that was interrupted begins anew */
		plan(state, instrument->options, today, now_s);
	state->unreached = false;
	state->family = ZERO3_4X;
	while (!(state->families & 1U << state->family))
		state->family++;
	begin_family(state);
}
