/* "7E-AA" enzyme readers, asked by date (layout a2) or by batch (layout a2b). 115200 8N1.
 *
 * Sources: the vendor's own published collector for both layouts (commands, field order, sentinels, the five constants
 * with which the CRC was checked). What is marked (?) could not be confirmed on an instrument.
 *
 * Every frame, both directions; there is no byte stuffing, 7E and AA may stand inside `data`:
 *
 *     0     1    2..3     4..           4+len  5+len
 *     7E    cmd  len16LE  data[len]     crc8   AA       CRC-8 (0x31, init 0) over cmd, len and data
 *
 * Layout a2                                                      data, by offset in the frame
 *     host   7E 00 02 00 00 00 07 AA              are you there?
 *     reader 7E 01 .. AA                          yes             (?) any length up to 32
 *     host   7E 12 03 00 yy mm dd crc AA          how many results has this day?
 *     reader 7E 13 05 00 yy mm dd nn nn crc AA    so many         4 yy, 5 mm, 6 dd, 7..8 count16LE
 *                                                 (?) "count at bytes 7-8" is read as counting from 0 in the frame,
 *                                                 right behind the date repeated; longer data is accepted
 *     host   7E 10 03 00 yy mm dd crc AA          give me this day
 *     reader 7E 11 14 00 .. crc AA  (26 bytes)    one per result, in the order of the tests:
 *                4..5 total16LE, 6..7 index16LE from 1 (?), 8..9 sample no.16LE, 10..15 name GBK, NUL-padded, possibly
 *                cut inside a character, 16..21 yy mm dd hh mm ss, 22..23 inhibition % x 100, 16LE
 *     An empty day is not asked for. A frame with total 0 says "nothing" (?).
 *
 * Layout a2b
 *     host   7E 00 02 00 00 00 07 AA              are you there?  (?) the question; the answer is published:
 *     reader 7E 02 04 00 FF 02 10 10 F8 AA        yes
 *     host   7E 15 04 00 FF yy mm dd crc AA       give me this day
 *     host   7E 15 04 00 FF 00 00 00 2B AA        give me the last batch
 *     host   7E 15 04 00 FF FF FF FF 4D AA        give me everything
 *     reader 7E 16 15 00 .. crc AA  (27 bytes)    one per result:
 *                4 FF, 5..6 total16LE, 7..8 index16LE from 1 (?), 9 channel, 10 standard (00 GB/T 5009.199-2003,
 *                01 NY/T 448-2001), 11..16 yy mm dd hh mm ss, 17..18 test no.16 *big-endian*, 19..20 absorbance x 1000
 *                16LE, 21..22 inhibition % x 10, 16LE, 23 verdict (01 over the limit, 02 within), 24 reserved
 *     A reader without results answers with one frame of total 0 (?).
 *
 * Reading is harmless: nothing is erased, so a day may be read again at any time, and is.
 *
 * Inhibition and absorbance are read as signed: the sentinels 7FFE (not available) and 7FFF (invalid) are the top of
 * the signed range, siblings of the family say int16, and negative inhibition happens on clean samples. A sentinel
 * gives no value and the verdict `invalid`; the numbers as sent are kept. The control well (channel 0, or the sample
 * name "对照样") is of kind `control`, as the vendors' collectors treat it.
 *
 * The dialogue, a2: each poll asks for today's count and reads the day when it grew. At the start the days since the
 * cursor (`lookback` at most) are read, at midnight yesterday is read once more, and every `reconcile` yesterday, today
 * and tomorrow are read whole: the reader's clock and ours need not agree about midnight, which is why each poll of the
 * quarter of an hour behind it asks for yesterday's count too, and of the one before it for tomorrow's. A day counts as
 * read when every index of it was seen, over several readings where frames are lost; one that was not is asked for
 * again at the next reconcile, and the cursor does not pass it. An instrument whose clock is off by more than a day is
 * asked about days on which it has nothing: its clock must be set.
 *
 * The dialogue, a2b: each poll reads the last batch; when it differs from the one before, and every `reconcile`,
 * everything is read, so that batches between two polls are caught.
 */
#include "seven_e_aa.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bytes.h"
#include "calendar.h"
#include "checksum.h"

enum layout { LAYOUT_AUTO, LAYOUT_A2, LAYOUT_A2B }; /* in the order of the setting's choices */

struct options {
	int layout;
	int64_t reconcile_ms, lookback_ms;
};

static const struct setting options_table[] = {
	{
		.name = "layout",
		.type = SETTING_CHOICE,
		.offset = offsetof(struct options, layout),
		.choices = "auto|a2|a2b",
		.standard = "auto",
		.help = N_("Frame layout: a2 is asked by date, a2b by batch; auto finds out which one answers"),
	},
	{
		.name = "reconcile",
		.type = SETTING_DURATION,
		.offset = offsetof(struct options, reconcile_ms),
		.min = 1000,
		.max = 86400000,
		.standard = "10min",
		.help = N_("How often the whole day (a2) or memory (a2b) is read again even when nothing seems new"),
	},
	{
		.name = "lookback",
		.type = SETTING_DURATION,
		.offset = offsetof(struct options, lookback_ms),
		.min = 0,
		.max = 34560000000,
		.standard = "7d",
		.help = N_("How many days back results are fetched at most after an absence (a2)"),
	},
	{ .name = NULL },
};

enum phase { PHASE_IDLE, PHASE_PROBE, PHASE_COUNT, PHASE_DAY, PHASE_LAST, PHASE_ALL };

#define TRIES_MAX      8 /* readings of one listing before the rest of it is given up for now */
#define UNANSWERED_MAX 3 /* questions about one day that a reader which is there leaves without an answer */
#define TOLD_MAX       16
#define SECONDS_OF_DAY 86400

struct state {
	enum layout layout; /* as configured, or found out */
	enum phase phase;   /* what was asked last, or is to be asked next */
	bool met;           /* it answered; cleared by silence */
	bool told;          /* that a day stays unanswered; until one is answered */
	bool sweeping;      /* a2: days are still to be looked at */
	unsigned probe, tries, unanswered;
	int64_t reconciled_s;       /* when everything was last read, by the station's clock */
	uint64_t told_of[TOLD_MAX]; /* what could not be read and was told, by day and how much */
	unsigned told_at;

	/* a2 */
	struct days days;
	unsigned day_count;

	/* a2b */
	uint64_t batch;
	bool started, all_due;

	struct listing listing;
};

/* ---- frames ---- */

#define FRAME_EXTRA 6 /* 7E, cmd, len16, crc8, AA */

static int frame(const struct instrument *instrument, const uint8_t *data, size_t length)
{
	static const struct {
		uint8_t least, most; /* bytes of data */
	} sizes[] = {
		[ASK_HELLO] = { 2, 2 },
		[HELLO_A2] = { 1, 32 },
		[HELLO_A2B] = { 1, 32 },
		[ASK_DAY] = { 3, 3 },
		[RECORD_A2] = { 20, 20 },
		[ASK_COUNT] = { 3, 3 },
		[COUNT] = { 5, 32 },
		[ASK_BATCH] = { 4, 4 },
		[RECORD_A2B] = { 21, 21 },
	};
	(void)instrument;
	struct bytes bytes = bytes_of(data, length);
	if (bytes_u8(&bytes) != 0x7E)
		return FRAME_NONE;
	uint8_t command = bytes_u8(&bytes);
	if (bytes.failed)
		return FRAME_MORE;
	if (command >= sizeof(sizes) / sizeof(sizes[0]) || sizes[command].most == 0)
		return FRAME_NONE;
	/* The length is checked before it is waited for: a damaged one must not swallow the frames behind it. */
	size_t size = bytes_u16le(&bytes);
	if (bytes.failed)
		return FRAME_MORE;
	if (size < sizes[command].least || size > sizes[command].most)
		return FRAME_NONE;
	bytes_take(&bytes, size);
	uint8_t checksum = bytes_u8(&bytes), end = bytes_u8(&bytes);
	if (bytes.failed)
		return FRAME_MORE;
	if (end != 0xAA || checksum != checksum_crc8(data + 1, size + 3))
		return FRAME_NONE;
	return (int)(size + FRAME_EXTRA);
}

static const uint8_t hello[] = { 0, 0 };
static const uint8_t last_batch[] = { 0xFF, 0, 0, 0 }, everything[] = { 0xFF, 0xFF, 0xFF, 0xFF };

static void send(struct request *request, enum seven_command command, const uint8_t *data, size_t length)
{
	uint8_t *bytes = request->bytes;
	bytes[0] = 0x7E;
	bytes[1] = (uint8_t)command;
	bytes[2] = (uint8_t)length;
	bytes[3] = 0;
	memcpy(bytes + 4, data, length);
	bytes[4 + length] = checksum_crc8(bytes + 1, length + 3);
	bytes[5 + length] = 0xAA;
	request->kind = REQUEST_BYTES;
	request->length = length + FRAME_EXTRA;
}

static void send_day(struct request *request, enum seven_command command, long day)
{
	struct date_time date = calendar_of_day(day);
	uint8_t data[] = { (uint8_t)(date.year % 100), (uint8_t)date.month, (uint8_t)date.day };
	send(request, command, data, sizeof(data));
}

/* ---- the dialogue, layout a2 ---- */

static bool reconcile_due(const struct state *state, const struct options *options, int64_t now_s)
{
	return now_s < state->reconciled_s || (now_s - state->reconciled_s) * 1000 >= options->reconcile_ms;
}

static void everything_from_now(struct state *state, int64_t now_s)
{
	state->reconciled_s = now_s;
	listing_doubt_anew(&state->listing);
}

static void plan_sweep(struct state *state, const struct options *options, const struct date_time *now, int64_t now_s)
{
	long furthest = calendar_day(now) - (long)(options->lookback_ms / 1000 / SECONDS_OF_DAY);
	state->sweeping = true;
	if (days_plan(&state->days, now, furthest, reconcile_due(state, options, now_s)))
		everything_from_now(state, now_s);
}

static enum next leave_day(struct state *state)
{
	state->tries = state->unanswered = 0;
	if (state->days.day < state->days.last_day) {
		state->days.day++;
		state->phase = PHASE_COUNT;
		return NEXT_ASK;
	}
	state->sweeping = false;
	state->phase = PHASE_IDLE;
	return NEXT_IDLE;
}

static enum next next_day(struct state *state, struct readings *readings)
{
	days_write_cursor(&state->days, readings);
	return leave_day(state);
}

/* True the first time: what is asked for again and again is not told each time. */
static bool news(struct state *state, uint64_t print)
{
	for (unsigned i = 0; i < TOLD_MAX; i++)
		if (state->told_of[i] == print)
			return false;
	state->told_of[state->told_at++ % TOLD_MAX] = print;
	return true;
}

/* What goes missing of it after this is news. */
static void day_whole(struct state *state)
{
	for (unsigned i = 0; i < TOLD_MAX; i++)
		if ((uint32_t)state->told_of[i] == (uint32_t)state->days.day)
			state->told_of[i] = 0;
}

/* A reader that is there but says nothing about one day must not keep us from the other days. One that was asked for
 * in vain before costs one question a sweep; one beside today waits for the reconcile, which reads it whole. */
static void day_unanswered(struct state *state, struct readings *readings)
{
	struct days *days = &state->days;
	if (days_beside(days)) {
		leave_day(state);
		return;
	}
	if (++state->unanswered < UNANSWERED_MAX && days->day >= days->again_before)
		return;
	days_leave_unread(days);
	bool tell = !state->told && days->day <= days->today && news(state, (uint64_t)days->day);
	struct notice *notice = tell ? readings_notice(readings, NOTICE_MISSED_RESULTS) : NULL;
	if (notice) {
		state->told = true;
		struct date_time date = calendar_of_day(days->day);
		snprintf(notice->reason, sizeof(notice->reason),
			_("no answer about %04d-%02d-%02d, asked %d times; the day is asked for again later"),
			date.year, date.month, date.day, UNANSWERED_MAX);
	}
	leave_day(state);
}

static enum next take_count(struct state *state, const struct reply *reply, struct readings *readings)
{
	struct bytes bytes = bytes_of(reply->bytes, reply->length);
	bytes_take(&bytes, 4);
	struct date_time date = calendar_of_day(state->days.day);
	/* A late answer about another day is not the answer to this question. */
	if (bytes_u8(&bytes) != date.year % 100 || bytes_u8(&bytes) != date.month || bytes_u8(&bytes) != date.day ||
		state->phase != PHASE_COUNT)
		return NEXT_WAIT;
	state->told = false;
	calendar_tell_skipped(&state->days.skipped_day, state->days.skipped_last, readings);
	unsigned count = bytes_u16le(&bytes), known = days_known(&state->days, state->days.day);
	if (count < known) {
		struct notice *notice = readings_notice(readings, NOTICE_COUNTER_RESTARTED);
		if (notice) {
			notice->first = known;
			notice->last = count;
			snprintf(notice->reason, sizeof(notice->reason),
				_("the day's count went back from %u to %u: the instrument's memory was cleared"),
				known, count);
		}
		days_know(&state->days, state->days.day, known = 0);
	}
	if (count <= known && !(state->days.day >= state->days.whole_from && count > 0))
		return next_day(state, readings);
	state->day_count = count;
	state->tries = 0;
	state->phase = PHASE_DAY;
	listing_forget(&state->listing);
	return NEXT_ASK;
}

/* ---- the end of an answer, both layouts ---- */

/* Told once of a day, as long as as much of it is missing. */
static void give_up(struct state *state, struct readings *readings)
{
	const struct listing *listing = &state->listing;
	days_leave_unread(&state->days);
	uint64_t missing = listing->total > listing->distinct ? listing->total - listing->distinct : listing->doubts;
	bool tell = news(state, 1ULL << 63 | missing << 32 | (uint64_t)state->days.day);
	struct notice *notice = tell ? readings_notice(readings, NOTICE_MISSED_RESULTS) : NULL;
	if (notice)
		snprintf(notice->reason, sizeof(notice->reason),
			_("%u readings gave only %u of %u results; the rest is asked for again later"), state->tries,
			listing->distinct, listing->total);
}

static enum next end_last(struct state *state, bool complete)
{
	if (!complete || state->listing.fingerprint != state->batch)
		state->all_due = true;
	if (complete)
		state->batch = state->listing.fingerprint;
	state->tries = 0;
	state->phase = state->all_due ? PHASE_ALL : PHASE_IDLE;
	listing_forget(&state->listing);
	return state->all_due ? NEXT_ASK : NEXT_IDLE;
}

static enum next end_listing(struct state *state, struct readings *readings)
{
	bool complete = listing_complete(&state->listing);
	if (!complete && ++state->tries < TRIES_MAX)
		return NEXT_ASK; /* the same again */
	if (state->phase == PHASE_LAST)
		return end_last(state, complete);
	if (complete)
		day_whole(state);
	else
		give_up(state, readings);
	if (state->phase == PHASE_DAY) {
		unsigned total = state->listing.total;
		days_know(&state->days, state->days.day, total > state->day_count ? total : state->day_count);
		return next_day(state, readings);
	}
	state->all_due = false;
	state->phase = PHASE_IDLE;
	return NEXT_IDLE;
}

static enum next take_silence(struct state *state, const struct options *options, struct readings *readings)
{
	bool listing = state->phase == PHASE_DAY || state->phase == PHASE_LAST || state->phase == PHASE_ALL;
	if (listing && state->listing.received + state->listing.doubts > 0)
		return end_listing(state, readings);
	if (state->phase == PHASE_PROBE) {
		state->probe++;
		state->unanswered = 0; /* it is not there at all */
	}
	if (state->phase == PHASE_COUNT || state->phase == PHASE_DAY)
		day_unanswered(state, readings);
	/* A reader that never answers "everything" is not asked for it again and again. */
	if (state->phase == PHASE_ALL && ++state->tries >= TRIES_MAX)
		state->all_due = false;
	state->layout = (enum layout)options->layout;
	state->met = false;
	state->phase = PHASE_IDLE;
	return NEXT_IDLE;
}

static enum next take_result(struct state *state, const struct reply *reply, struct readings *readings)
{
	listing_take(&state->listing, reply, readings);
	bool a2b = reply->bytes[1] == RECORD_A2B;
	if (state->phase == PHASE_PROBE && a2b)
		state->phase = PHASE_LAST; /* the probe was the question for the last batch */
	if (a2b ? state->phase != PHASE_LAST && state->phase != PHASE_ALL : state->phase != PHASE_DAY)
		return NEXT_WAIT; /* late, but a result all the same */
	const struct listing *now = &state->listing;
	bool last = now->total > 0 && now->last_index >= now->total;
	return listing_complete(now) || last ? end_listing(state, readings) : NEXT_WAIT;
}

static enum next take_frame(struct state *state, const struct reply *reply, struct readings *readings)
{
	uint8_t command = reply->bytes[1];
	bool a2 = command == HELLO_A2 || command == COUNT || command == RECORD_A2;
	bool a2b = command == HELLO_A2B || command == RECORD_A2B;
	if (!a2 && !a2b)
		return NEXT_WAIT; /* our own words, echoed */
	bool probing = state->phase == PHASE_PROBE;
	state->met = true;
	if (state->layout == LAYOUT_AUTO)
		state->layout = a2 ? LAYOUT_A2 : LAYOUT_A2B;
	if (command == RECORD_A2 || command == RECORD_A2B) {
		enum next next = take_result(state, reply, readings);
		if (!probing || state->phase != PHASE_PROBE)
			return next;
	} else if (command == COUNT && !probing) {
		return take_count(state, reply, readings);
	}
	if (!probing)
		return NEXT_WAIT;
	state->phase = PHASE_IDLE;
	return NEXT_ASK;
}

/* ---- the driver's functions ---- */

static int setup(struct instrument *instrument, struct fault *fault)
{
	(void)fault;
	struct state *state = instrument->state;
	const struct options *options = instrument->options;
	*state = (struct state){ .layout = (enum layout)options->layout };
	days_read_cursor(&state->days, instrument->cursor);
	return 0;
}

static void begin_poll(struct instrument *instrument)
{
	struct state *state = instrument->state;
	const struct options *options = instrument->options;
	const struct date_time *now = &instrument->now;
	int64_t now_s = (int64_t)calendar_day(now) * SECONDS_OF_DAY + now->hour * 3600 + now->minute * 60 + now->second;
	if (!state->met) {
		state->phase = PHASE_PROBE;
	} else if (state->layout == LAYOUT_A2) {
		if (!state->sweeping)
			plan_sweep(state, options, now, now_s);
		state->phase = PHASE_COUNT;
	} else {
		if (!state->started || reconcile_due(state, options, now_s)) {
			state->all_due = state->started = true;
			everything_from_now(state, now_s);
		}
		state->phase = PHASE_LAST;
		state->tries = 0;
	}
}

/* Which question tells whether the reader is there, and which layout it speaks. */
static void ask_probe(const struct instrument *instrument, struct request *request)
{
	struct state *state = instrument->state;
	listing_forget(&state->listing);
	enum layout layout = state->layout;
	if (layout == LAYOUT_AUTO && state->probe % 3 == 0)
		send(request, ASK_HELLO, hello, sizeof(hello));
	else if (layout == LAYOUT_A2B || (layout == LAYOUT_AUTO && state->probe % 3 == 1))
		send(request, ASK_BATCH, last_batch, sizeof(last_batch));
	else
		send_day(request, ASK_COUNT, calendar_day(&instrument->now));
}

static void ask(struct instrument *instrument, struct request *request)
{
	struct state *state = instrument->state;
	if (state->phase == PHASE_IDLE)
		begin_poll(instrument);
	switch (state->phase) {
	case PHASE_IDLE:
	case PHASE_PROBE:
		ask_probe(instrument, request);
		break;
	case PHASE_COUNT:
		send_day(request, ASK_COUNT, state->days.day);
		break;
	case PHASE_DAY:
		listing_restart(&state->listing);
		send_day(request, ASK_DAY, state->days.day);
		break;
	case PHASE_LAST:
		listing_forget(&state->listing);
		send(request, ASK_BATCH, last_batch, sizeof(last_batch));
		break;
	case PHASE_ALL:
		listing_restart(&state->listing);
		send(request, ASK_BATCH, everything, sizeof(everything));
		break;
	}
}

static enum next take(struct instrument *instrument, const struct reply *reply, struct readings *readings)
{
	struct state *state = instrument->state;
	if (reply->kind == REPLY_SILENCE)
		return take_silence(state, instrument->options, readings);
	if (reply->kind != REPLY_FRAME)
		return NEXT_WAIT;
	uint8_t command = reply->bytes[1];
	if (!reply->offline)
		return take_frame(state, reply, readings);
	if (command == RECORD_A2 || command == RECORD_A2B)
		listing_take(&state->listing, reply, readings);
	else if (command == ASK_DAY || command == ASK_BATCH)
		listing_forget(&state->listing); /* in a capture of both directions an answer begins here */
	return NEXT_WAIT;
}

static enum recognition recognised(const struct instrument *instrument)
{
	const struct state *state = instrument->state;
	return state->met ? RECOGNISED : RECOGNISED_NOT_YET;
}

const struct driver seven_e_aa_driver = {
	.name = "seven-e-aa",
	.title = N_("Enzyme readers with 7E-AA frames, asked by date or by batch"),
	.line = "115200/8n1",
	.item = "PR-OPCB", /* inhibition of cholinesterase shows organophosphates and carbamates, nothing else */
	.version = 1,
	.links = LINK_SERIAL | LINK_TCP,
	.manner = MANNER_ASKS,
	.options = options_table,
	.options_size = sizeof(struct options),
	.state_size = sizeof(struct state),
	.setup = setup,
	.ask = ask,
	.frame = frame,
	.take = take,
	.scan_lines = "115200/8n1",
	.recognised = recognised,
	.raw_alone = true,
};
