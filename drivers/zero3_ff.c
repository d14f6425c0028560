/* "03-FF" analyzers with an item table, and strip readers that put text into the same frames. 9600 or 115200 8N1.
 *
 * Sources: makers' published collectors for a multi-parameter analyzer, two strip readers and an enzyme reader of one
 * family, as summarised by people who read them (frames, commands, fields, sentinels; three header checksums were
 * recomputed and fit). Nothing was seen on an instrument. What is marked (?) is a guess.
 *
 * Every frame, both directions, all numbers little-endian; there is no byte stuffing:
 *
 *     0    1    2    3    4..7   8..9   10         11         12..
 *     03   dir  cmd  00   arg32  len16  xor 0..9   xor data   data[len]      dir: FF host, FE instrument
 *
 * The high half of a command names a family, which belongs to one module of the instrument: 4x colour or enzyme
 * channels and, on readers that write text, strips; 6x gold strips; 7x not known, read like 4x (?). Each counts
 * its records for itself (?). Which families are asked for says the setting `family`; which one model has is not known.
 *
 *     host   20 "DEVICE??"           who are you?
 *     instr  20 strings              maker, model, serial number, time: each a length byte and as many bytes. That they
 *                                    stand in the data from byte 0 on is a guess (?), and the form of the time is not
 *                                    known: it is not used
 *     host   42                      the item table (62, 72)
 *     instr  42 n x 128              by offset: 0..15 name GBK, possibly cut inside a character, 16..23 unit, 24
 * method, 25..127 unknown. All items in one frame (?) host   43 start32 end32        which records lie between these
 * times? (63, 73) instr  43                      8..9 first index16, 10..11 last index16; bytes 0..7 unknown. No
 * records: both 0, or first behind last (?). Last behind first by more than half the numbers is a counter that ran over
 * 65535 (?) host   45 arg = index          one record (65, 75); the answer has the same arg host   46 clear the memory;
 * whether and how it is answered is not known
 *
 * Times are packed as in MS-DOS: year 25..31, month 21..24, day 16..20, hour 11..15, minute 5..10, second / 2 in 0..4.
 * MS-DOS counts years from 1980, the example of this family from 2000: the setting `year-base`.
 *
 * A record of numbers (45, 75 (?)), by offset in the data:
 *     0 valid (01; 00 and FF are taken for an empty place (?)), 1 item, 2..3 unknown, 4..7 time, then 8 bytes a
 * channel: 0 channel (0 is the control), 1 flag (80 and over: valid, C0 and over: suspect, the value still
 * counts), 2..3 unknown, 4..7 value: either inhibition, int16 / 10 (7FFF invalid, 7FFE not available), upper half
 * unused; or concentration, sign and magnitude / 1000 (7FFFFFFF and 7FFFFFFE invalid, 7FFFFFFD not available) The item
 * counts from 0 into the table (?): the setting `first-item`. Which kind of value it is follows from the item's unit;
 * without a table from a number that needs the upper half; else inhibition is assumed, and said to be.
 *
 * A gold strip (65): 0..7 as above (?), 8: bits 7-6 method, bits 1-0 result: 1 positive, 2 negative, 3 not available.
 *
 * A record of text (45 of strip readers that write text): 0..2 number, then lines of GBK, each ended with 0D: a title,
 * then labels with a full-width colon: 送检单位 检测单位 样品类型 批号 样品编号 检测项目 检测结果 检测标准 检测时间
 * (yyyy-MM-dd HH:mm:ss). The result is `value unit verdict`, one word, or 无效. Lines `C:` and `T:` with the raw
 * signals are our own idea (?). Text is told from numbers by its bytes: numbers hold bytes under 20, text holds none
 * but line ends.
 *
 * Reading is harmless, so records may be read again at any time, and are. The dialogue: identify, because record ids
 * need the serial number; each poll asks for the records of yesterday, today and tomorrow by the instrument's clock
 * (it need not agree with ours about midnight) and reads what is new by index. At the start, at midnight and every
 * `reconcile` a sweep: the item table; the range of all times (?), and what lies in it behind the cursor's index, which
 * finds the results of an instrument whose clock stands in another year; then the days whole, at the start since the
 * cursor's day (`lookback` at most), else since yesterday. That finds channels that were not finished when a record was
 * first read, and a memory that was cleared and filled up again unseen. A record that cannot be read is told once and
 * does not stop the others.
 *
 * The memory is only cleared where `clear` says so, and of one module only, because nobody knows what else the command
 * erases: after the start and once a day, when every record of it was read and stored. Nothing says that a channel is
 * being measured: a flag under 80 is an empty place or a result to come. So the memory must say the same, to the last
 * bit, in three whole readings half of `clear-after` apart, and the instrument, asked again in the turn after that,
 * must have nothing newer. One hour is the standard: tests of these rooms take 20 to 60 minutes with all that comes
 * before the reading, and three of them in the channel of an enzyme test. What remains: a test under way when the
 * memory is cleared, of which the memory showed nothing for `clear-after`, since it takes longer than that, or began in
 * an empty place of a record that was there already, or between the last two questions. And a step of our clock can
 * make one of the halves short.
 */
#include "zero3_ff.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "calendar.h"
#include "text.h"

static const struct setting options_table[] = {
	{
		.name = "family",
		.type = SETTING_CHOICE,
		.offset = offsetof(struct zero3_options, family),
		.choices = "4x|6x|7x|4x+6x|4x+7x|6x+7x|4x+6x+7x",
		.standard = "4x",
		.help = N_("Which commands the modules of the instrument are asked with; 6x are gold strips"),
	},
	{
		.name = "records",
		.type = SETTING_CHOICE,
		.offset = offsetof(struct zero3_options, records),
		.choices = "auto|numeric|gold|text",
		.standard = "auto",
		.help = N_(
			"What a record is made of; auto tells text by its bytes and takes family 6x for gold strips"),
	},
	{
		.name = "value",
		.type = SETTING_CHOICE,
		.offset = offsetof(struct zero3_options, value),
		.choices = "auto|inhibition|concentration",
		.standard = "auto",
		.help = N_("What the numbers are; auto goes by the unit in the instrument's item table"),
	},
	{
		.name = "year-base",
		.type = SETTING_CHOICE,
		.offset = offsetof(struct zero3_options, year_base),
		.choices = "2000|1980",
		.standard = "2000",
		.help = N_("The year from which the instrument counts; wrong when its results are 20 years off"),
	},
	{
		.name = "first-item",
		.type = SETTING_INTEGER,
		.offset = offsetof(struct zero3_options, first_item),
		.min = 0,
		.max = 1,
		.standard = "0",
		.help = N_(
			"The number of the first item of the table; compare the items of a few results with the display"),
	},
	{
		.name = "identify",
		.type = SETTING_BOOLEAN,
		.offset = offsetof(struct zero3_options, identify),
		.standard = "yes",
		.help = N_(
			"Ask the instrument who it is before its results are read; no: for one that does not answer this"),
	},
	{
		.name = "clear",
		.type = SETTING_BOOLEAN,
		.offset = offsetof(struct zero3_options, clear),
		.standard = "no",
		.help = N_(
			"Erase the instrument's memory once a day when all of it is stored and stood still for clear-after (family 4x); "
			"a test under way in that moment, of which the memory showed nothing for that long, would be lost"),
	},
	{
		.name = "clear-after",
		.type = SETTING_DURATION,
		.offset = offsetof(struct zero3_options, clear_after_ms),
		.min = 1000,
		.max = 86400000,
		.standard = "1h",
		.help = N_(
			"How long the memory must have said the same before it is erased: longer than the longest test takes, because "
			"the instrument does not say that it is measuring"),
	},
	{
		.name = "reconcile",
		.type = SETTING_DURATION,
		.offset = offsetof(struct zero3_options, reconcile_ms),
		.min = 1000,
		.max = 86400000,
		.standard = "10min",
		.help = N_("How often the records of yesterday and today are read again even when nothing seems new"),
	},
	{
		.name = "lookback",
		.type = SETTING_DURATION,
		.offset = offsetof(struct zero3_options, lookback_ms),
		.min = 0,
		.max = 34560000000,
		.standard = "7d",
		.help = N_("How many days back results are fetched at most when the instrument is first met"),
	},
	{ .name = NULL },
};

/* ---- what is not to be read ---- */

static void tell_senseless(struct zero3_state *state, const struct zero3_frame *frame, const struct reply *reply,
	struct readings *readings)
{
	struct notice *notice = zero3_undecodable(state, reply, readings);
	if (!notice)
		return;
	notice->first = notice->last = frame->argument;
	snprintf(notice->reason, sizeof(notice->reason),
		_("record %u of %zu bytes has a layout that is not known; the setting records may name it"),
		frame->argument, bytes_left(&frame->data));
}

static void tell_damaged(struct zero3_state *state, const struct zero3_frame *frame, const struct reply *reply,
	struct readings *readings)
{
	struct notice *notice = zero3_undecodable(state, reply, readings);
	if (!notice)
		return;
	notice->first = notice->last = frame->argument;
	snprintf(notice->reason, sizeof(notice->reason), _("record %u came with a wrong checksum or cut short"),
		frame->argument);
}

/* ---- records ---- */

static enum next take_record(struct instrument *instrument, const struct zero3_frame *frame, const struct reply *reply,
	struct readings *readings)
{
	struct zero3_state *state = instrument->state;
	const struct zero3_options *options = instrument->options;
	bool awaited = state->met && state->phase == ZERO3_PHASE_RECORD && frame->argument == state->index &&
	               frame->family == state->family;
	/* The answer to a question of a gateway that was killed: without the serial number it would be another record.
	 * It is read again. */
	if (options->identify && !state->met && !*instrument->maker.serial && !reply->offline)
		return NEXT_WAIT;
	if (!frame->whole) {
		readings->rejected++;
		if (reply->offline)
			tell_damaged(state, frame, reply, readings);
		if (!awaited || ++state->tries < ZERO3_TRIES_MAX)
			return awaited ? NEXT_ASK : NEXT_WAIT;
		tell_damaged(state, frame, reply, readings);
		state->lacking = true;
		return zero3_next_record(state, true, readings);
	}
	enum zero3_outcome outcome = zero3_take_record(options, &state->tables[frame->family], frame, reply, readings);
	if (outcome == ZERO3_SENSELESS) {
		readings->rejected++;
		state->lacking = true;
		tell_senseless(state, frame, reply, readings);
	}
	if (!awaited)
		return NEXT_WAIT; /* late, but a result all the same */
	zero3_seen(state, reply);
	state->given_up = 0;
	return zero3_next_record(state, outcome != ZERO3_NOTHING, readings);
}

/* ---- who is there ---- */

static bool take_string(struct bytes *data, char *out, size_t size)
{
	size_t length = bytes_u8(data);
	const uint8_t *text = bytes_take(data, length);
	if (!data->failed)
		text_decode(TEXT_GB18030, text, length, out, size);
	return !data->failed;
}

static bool take_identity(struct maker *maker, struct bytes data)
{
	struct maker said = { 0 };
	if (!take_string(&data, said.maker, sizeof(said.maker)) ||
		!take_string(&data, said.model, sizeof(said.model)) ||
		!take_string(&data, said.serial, sizeof(said.serial)))
		return false;
	*maker = said;
	return true;
}

static enum next take_identify(struct instrument *instrument, const struct zero3_frame *frame,
	const struct reply *reply, struct readings *readings)
{
	struct zero3_state *state = instrument->state;
	struct maker before = instrument->maker;
	if (take_identity(&instrument->maker, frame->data)) {
		bool waited = !state->met && !reply->offline;
		if (*before.serial && strcmp(before.serial, instrument->maker.serial) != 0 && !reply->offline)
			zero3_forget(state);
		state->met = true;
		return waited ? NEXT_ASK : NEXT_WAIT;
	}
	readings->rejected++;
	struct notice *notice = zero3_undecodable(state, reply, readings);
	if (notice)
		snprintf(notice->reason, sizeof(notice->reason),
			_("the answer to the question who it is makes no sense; identify = no leaves it out"));
	return state->met || reply->offline ? NEXT_WAIT : NEXT_IDLE;
}

/* ---- the driver's functions ---- */

static enum next take_table(struct zero3_state *state, const struct zero3_frame *frame, struct readings *readings)
{
	if (!zero3_take_table(&state->tables[frame->family], frame)) {
		readings->rejected++;
		return NEXT_WAIT; /* silence follows, and the same question */
	}
	state->tries = 0;
	state->phase = ZERO3_PHASE_MEMORY;
	return NEXT_ASK;
}

static enum next take_answer(struct instrument *instrument, const struct zero3_frame *frame, const struct reply *reply,
	struct readings *readings)
{
	struct zero3_state *state = instrument->state;
	if (frame->part == ZERO3_RECORD)
		return take_record(instrument, frame, reply, readings);
	if (!frame->whole) {
		readings->rejected++;
		return NEXT_WAIT; /* silence follows, and the same question */
	}
	if (frame->part == ZERO3_IDENTIFY)
		return take_identify(instrument, frame, reply, readings);
	/* After silence only its name is waited for: what comes before it answers an older question. */
	if (!state->met || frame->family != state->family)
		return NEXT_WAIT;
	if (frame->part == ZERO3_TABLE && state->phase == ZERO3_PHASE_TABLE)
		return take_table(state, frame, readings);
	bool ranging = state->phase == ZERO3_PHASE_MEMORY || state->phase == ZERO3_PHASE_RANGE ||
	               state->phase == ZERO3_PHASE_CHECK;
	if (frame->part == ZERO3_RANGE && ranging)
		return zero3_take_range(state, frame, readings);
	if (frame->part != ZERO3_CLEAR || state->phase != ZERO3_PHASE_CLEAR)
		return NEXT_WAIT;
	state->progress[state->family].known = false; /* the indices begin anew, which is nothing to tell */
	state->progress[state->family].memory_empty = true;
	state->phase = ZERO3_PHASE_IDLE;
	return NEXT_IDLE;
}

static enum next take_silence(struct instrument *instrument, struct readings *readings)
{
	struct zero3_state *state = instrument->state;
	const struct zero3_options *options = instrument->options;
	if (!state->met) { /* it is not there: its memory may be another when it comes back */
		state->phase = ZERO3_PHASE_IDLE;
		state->tries = 0;
		return NEXT_IDLE;
	}
	state->met = !options->identify;
	if (state->phase == ZERO3_PHASE_CLEAR || ++state->tries < ZERO3_TRIES_MAX) {
		state->phase = state->phase == ZERO3_PHASE_CLEAR ? ZERO3_PHASE_IDLE : state->phase;
		return NEXT_IDLE;
	}
	state->tries = 0;
	if (state->phase == ZERO3_PHASE_RECORD)
		zero3_give_up_record(state, readings);
	else if (state->phase == ZERO3_PHASE_TABLE) /* then numbers stand for items */
		state->phase = ZERO3_PHASE_MEMORY;
	else if (state->phase == ZERO3_PHASE_MEMORY) /* one that cannot tell all of it is asked for days */
		state->phase = ZERO3_PHASE_RANGE;
	else if (state->phase == ZERO3_PHASE_RANGE)
		zero3_give_up_range(state, readings);
	else
		state->phase = ZERO3_PHASE_IDLE;
	return NEXT_IDLE;
}

static int setup(struct instrument *instrument, struct fault *fault)
{
	static const uint8_t families[] = { 1, 2, 4, 1 | 2, 1 | 4, 2 | 4, 1 | 2 | 4 }; /* by choice, a bit each */
	struct zero3_state *state = instrument->state;
	const struct zero3_options *options = instrument->options;
	if (options->clear && options->family != ZERO3_4X)
		return fault_set(fault, EINVAL,
			_("clear = yes needs family = 4x: what the command erases of other modules is not known"));
	*state = (struct zero3_state){ .met = !options->identify, .families = families[options->family] };
	zero3_read_cursor(state, instrument->cursor);
	return 0;
}

static uint32_t packed_day(const struct zero3_options *options, long day)
{
	struct date_time date = calendar_of_day(day);
	uint32_t year = (uint32_t)(date.year - (options->year_base ? 1980 : 2000)) & 0x7F;
	return year << 25 | (uint32_t)date.month << 21 | (uint32_t)date.day << 16;
}

static void ask_range(const struct zero3_options *options, const struct zero3_state *state, struct request *request)
{
	bool everything = state->phase == ZERO3_PHASE_MEMORY || state->phase == ZERO3_PHASE_CHECK;
	uint32_t times[] = { everything ? 0 : packed_day(options, state->since),
		everything ? 0xFFFFFFFF : packed_day(options, state->today + 1) | 0xFFFF };
	uint8_t data[8];
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(times[i / 4] >> 8 * (i % 4));
	zero3_send(request, state->family, ZERO3_RANGE, 0, data, sizeof(data));
}

static void ask(struct instrument *instrument, struct request *request)
{
	struct zero3_state *state = instrument->state;
	if (!state->met) {
		zero3_send(request, state->family, ZERO3_IDENTIFY, 0, (const uint8_t *)"DEVICE??", 8);
		return;
	}
	if (state->phase == ZERO3_PHASE_IDLE)
		zero3_begin_poll(instrument);
	switch (state->phase) {
	case ZERO3_PHASE_TABLE:
		zero3_send(request, state->family, ZERO3_TABLE, 0, NULL, 0);
		break;
	case ZERO3_PHASE_RECORD:
		zero3_send(request, state->family, ZERO3_RECORD, state->index, NULL, 0);
		break;
	case ZERO3_PHASE_CLEAR:
		zero3_send(request, ZERO3_4X, ZERO3_CLEAR, 0, NULL, 0);
		break;
	default:
		ask_range(instrument->options, state, request);
	}
}

static enum next take(struct instrument *instrument, const struct reply *reply, struct readings *readings)
{
	struct zero3_state *state = instrument->state;
	if (reply->kind == REPLY_SILENCE)
		return take_silence(instrument, readings);
	if (reply->kind != REPLY_FRAME)
		return NEXT_WAIT;
	struct zero3_frame frame = zero3_open(reply->bytes, reply->length);
	if (!frame.from_instrument)
		return NEXT_WAIT; /* our own words, echoed, or the host's in a capture */
	if (!reply->offline)
		return take_answer(instrument, &frame, reply, readings);
	if (frame.part == ZERO3_RECORD)
		take_record(instrument, &frame, reply, readings);
	else if (!frame.whole || (frame.part == ZERO3_TABLE && !zero3_take_table(&state->tables[frame.family], &frame)))
		readings->rejected++;
	else if (frame.part == ZERO3_IDENTIFY)
		take_identify(instrument, &frame, reply, readings);
	return NEXT_WAIT;
}

static enum recognition recognised(const struct instrument *instrument)
{
	const struct zero3_state *state = instrument->state;
	const struct zero3_options *options = instrument->options;
	return !options->identify ? RECOGNISED_NEVER : state->met ? RECOGNISED : RECOGNISED_NOT_YET;
}

/* A record in text says everything; one in numbers names its item by its place in a table, whose row the reading
 * keeps. */
static void take_raw(struct instrument *instrument, const struct reading *before, const uint8_t *raw, size_t length,
	struct readings *readings)
{
	struct zero3_state *state = instrument->state;
	const struct zero3_options *options = instrument->options;
	struct reply reply = { .kind = REPLY_FRAME, .bytes = raw, .length = length, .offline = true };
	struct zero3_frame frame;
	if (zero3_frame(instrument, raw, length) == (int)length)
		frame = zero3_open(raw, length);
	else
		frame = (struct zero3_frame){ .whole = false };
	bool text = options->records == ZERO3_TEXT || (options->records == ZERO3_AUTO && zero3_is_text(frame.data));
	if (!frame.whole || !frame.from_instrument || frame.part != ZERO3_RECORD ||
		!(text || zero3_row_said(options, before, &state->tables[frame.family])) ||
		zero3_take_record(options, &state->tables[frame.family], &frame, &reply, readings) == ZERO3_SENSELESS)
		readings->rejected++;
}

const struct driver zero3_ff_driver = {
	.name = "zero3-ff",
	.title = N_("Multi-parameter analyzers and strip readers with 03-FF frames, asked by date and index"),
	.line = "115200/8n1",
	.version = 1,
	.links = LINK_SERIAL | LINK_TCP,
	.manner = MANNER_ASKS,
	.options = options_table,
	.options_size = sizeof(struct zero3_options),
	.state_size = sizeof(struct zero3_state),
	.setup = setup,
	.ask = ask,
	.frame = zero3_frame,
	.take = take,
	.scan_lines = "9600/8n1 115200/8n1",
	.recognised = recognised,
	.take_raw = take_raw,
};
