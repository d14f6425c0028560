/* "dump8" enzyme readers: the user lets them dump their memory, group by group, and then they clear it. 9600 8N1.
 *
 * Sources: two communication documents of the maker and one operating manual, as summarised by people who had them; the
 * numbers of the published capture (absorbance 1.932, concentration 1010.9) equal its printed ticket. What is marked
 * (?) could not be confirmed on an instrument. There is no checksum, no length and no sequence number.
 *
 *     user presses "数据传输"; the reader is in link mode, and leaves it 10 s after the last command
 *     host   1B BF          are you there?
 *     reader 1B mm          yes, model mm: 01 8 wells, 02 16, 03 32, 04 24; 05 layout z24 (?);
 *                           11..15, 21..23, 31..33 several items
 *     host   1B B1          give me your memory
 *     reader 1B C1          here it is, and the first group at once
 *     host   24             I have it: the next, please
 *     reader ..             the next group, for z24 about 3 s later; or
 *     reader 1B FE          that was all (one text says FB: both are taken)
 *     host   1B FF          unlink; no answer
 *     reader B1 FF          at any time: the user cancelled
 *     host   1B B9          erase everything, no answer. This driver has no such words.
 *
 * After the last 24 the reader clears its memory and wants to be started anew: a group that was let go and not stored
 * is lost for ever. So 24 and 1B FF are sent by ask() only, which the line calls when what take() gave it is durable;
 * no option changes that. A dump that broke off is asked for from its beginning (?) and gives the same record ids: they
 * are made of the group's bytes, the well, and how many groups alike to the last bit came before it in this dump.
 *
 * A group has 73 bytes: 9 of info, then 8 wells of two float32, big-endian:
 *
 *             0      1   2   3   4    5     6     7     8         y: year - 2000
 *     8       idxLo  s   m   h   d    mon   kind  y     idxHi
 *     16      s      m   h   d   mon  kind  y     idxLo idxHi     16, 24 and 32 wells
 *     multi   s      m   h   d   mon  kind  y     mask  group
 *
 * A well of zeros is empty. The mask of the layout multi tells which wells were used. Its order contradicts itself: the
 * example has 80 with well 8 filled (lowest bit: well 1), the text calls 51 wells 2, 4 and 8 (highest bit: well 1).
 * `mask-order = auto` takes the order that agrees with the wells which are not zero, and what disagrees is said in the
 * record. The bits decide only about wells of zeros: a filled well is always a result.
 *
 * The first float is an absorbance. The second is an inhibition in % on some models (34.8), a concentration on those
 * with several items, and on one model the absorbance of the sample, the first being that of the control (0.914 and
 * 0.570): the maker's own document calls that upload wrong. `float2` chooses; auto takes concentrations with the layout
 * multi, inhibitions otherwise. With sample-abs the reader sends no result, and none is made up. Which well holds the
 * control differs by model and is not sent (the example has it in well 1): `control-channel` names it.
 * The kind byte's meaning is not published. With several items it stands for the item: the station's table of items
 * gives it a name.
 *
 * Layout z24 has groups of 501 bytes, GBK texts padded with NUL: record no. 4 digits and NUL, date[11], tester[11],
 * flag[2], then 8 wells of 59: channel[1], no[2] big-endian (?), name[15], source[7], note[21], absorbance, delta
 * absorbance and value as float32 big-endian (?), verdict[1] of unknown polarity (?), kept as sent. The value is a
 * fraction: times 100 it is the inhibition in %, of which the reader displays whole percents only. The date is a day
 * without a time.
 *
 * Model and layout do not always agree (the published ten-item reader 11 sends the layout 8): `layout = auto` begins
 * with the model's and takes another one when only that makes a possible time and possible numbers, or a better time:
 * at 09:12 on the 5th a group of layout 8 also reads as one of layout multi, tested in 2001.
 *
 * Everything that can be checked is: a time that exists, numbers that are zero, none, or from 1E-7 to 1E7, and no stray
 * byte since the frame before. A group that fails is told with its bytes (event undecodable), not released, and the
 * dump is asked for anew; when the very same bytes come a second time it was not the line, they are what the reader
 * holds: they are stored as far as they can be read. A group that breaks off is told and never released.
 */
#include "dump8.h"

#include <stdio.h>
#include <string.h>

static const struct setting options_table[] = {
	{
		.name = "layout",
		.type = SETTING_CHOICE,
		.offset = offsetof(struct dump8_options, layout),
		.choices = "auto|8|16|multi|z24",
		.standard = "auto",
		.help = N_("Layout of a group; auto goes by the model which the reader names, and by what makes sense"),
	},
	{
		.name = "mask-order",
		.type = SETTING_CHOICE,
		.offset = offsetof(struct dump8_options, mask_order),
		.choices = "auto|lsb|msb",
		.standard = "auto",
		.help = N_("Which bit of the channel mask is well 1: the lowest or the highest; auto compares with the "
			   "wells that hold something"),
	},
	{
		.name = "float2",
		.type = SETTING_CHOICE,
		.offset = offsetof(struct dump8_options, float2),
		.choices = "auto|inhibition|sample-abs|conc",
		.standard = "auto",
		.help = N_("What a well's second number is; auto: a concentration with the layout multi, else the "
			   "inhibition in %"),
	},
	{
		.name = "control-channel",
		.type = SETTING_INTEGER,
		.offset = offsetof(struct dump8_options, control_channel),
		.min = 0,
		.max = DUMP8_WELLS,
		.standard = "0",
		.help = N_("The well that always holds the control; 0: none is known, every well is a sample"),
	},
	{
		.name = "hold-until-committed",
		.type = SETTING_CHOICE,
		.offset = offsetof(struct dump8_options, hold),
		.choices = "yes",
		.standard = "yes",
		.help = N_("A group is let go only when its results are stored for good; it cannot be switched off"),
	},
	{ .name = NULL },
};

enum { ESCAPE = 0x1B, CANCEL = 0xB1, NEXT_GROUP = 0x24 };
enum { HELLO = 0xBF, DUMP = 0xB1, DUMP_BEGINS = 0xC1, DUMP_ENDS = 0xFE, DUMP_ENDS_TOO = 0xFB, UNLINK = 0xFF };

#define FIRST_COMMAND 0x80 /* second bytes from here on are words, below they are models */
#define GROUP_MS      5000 /* a z24 takes 3 s for the next group; the link lasts 10 s */
#define UNLINK_MS     300
#define ALIKE_MAX     512 /* groups a memory holds: 500 */

enum phase {
	PHASE_HELLO, /* is to be asked, or was */
	PHASE_DUMP,
	PHASE_GROUP, /* the next one is owed: behind 1B C1, or since 24 */
	PHASE_END,
};

struct state {
	enum phase phase;
	bool asking; /* a dialogue, not a capture */
	enum dump8_layout model_layout;
	uint64_t expected; /* where the next frame begins when no byte is stray */
	uint64_t suspect;  /* the group that made no sense */
	uint64_t told;     /* the bytes told last: not again and again */
	uint64_t seen[ALIKE_MAX];
	unsigned seen_count;
};

static uint64_t print_of(const uint8_t *data, size_t length) /* FNV-1a */
{
	uint64_t print = 0xCBF29CE484222325;
	for (size_t i = 0; i < length; i++)
		print = (print ^ data[i]) * 0x100000001B3;
	return print;
}

/* ---- frames ---- */

static enum dump8_layout wanted_layout(const struct instrument *instrument)
{
	const struct dump8_options *options = instrument->options;
	const struct state *state = instrument->state;
	return options->layout != DUMP8_AUTO ? (enum dump8_layout)options->layout : state->model_layout;
}

/* The layout in which these bytes can be a group, as far as they go. */
static enum dump8_layout layout_of(const struct instrument *instrument, const uint8_t *data, size_t length)
{
	const struct dump8_options *options = instrument->options;
	const struct state *state = instrument->state;
	enum dump8_layout layout = (enum dump8_layout)options->layout;
	if (layout == DUMP8_AUTO)
		return dump8_group_layout(state->model_layout, data, length);
	return dump8_group_possible(layout, data, length) ? layout : DUMP8_AUTO;
}

/* 1B and a word or a model, or B1 FF. */
static int word(const uint8_t *data, size_t length)
{
	if (data[0] != ESCAPE && data[0] != CANCEL)
		return FRAME_NONE;
	if (length < 2)
		return FRAME_MORE;
	return data[0] == ESCAPE || data[1] == UNLINK ? 2 : FRAME_NONE;
}

/* Where a group is owed its bytes may be anything, but no time has a minute or second over 7F: that is a word. */
static int owed_group(const struct instrument *instrument, const uint8_t *data, size_t length)
{
	bool begins = data[0] == ESCAPE || data[0] == CANCEL;
	if (begins && (length < 2 || data[1] >= FIRST_COMMAND) && word(data, length) != FRAME_NONE)
		return word(data, length);
	size_t size = dump8_group_size(wanted_layout(instrument));
	if (length < size)
		return FRAME_MORE;
	/* On a line that echoes, our 24 comes back before the group. */
	if (data[0] == NEXT_GROUP && layout_of(instrument, data, size) == DUMP8_AUTO) {
		if (length < size + 1)
			return FRAME_MORE;
		if (layout_of(instrument, data + 1, size) != DUMP8_AUTO)
			return 1;
	}
	return (int)size;
}

/* In a capture nothing tells whose bytes come next: what makes sense as a group is one. */
static int captured(const struct instrument *instrument, const uint8_t *data, size_t length)
{
	enum dump8_layout layout = layout_of(instrument, data, length);
	if (layout != DUMP8_AUTO)
		return length < dump8_group_size(layout) ? FRAME_MORE : (int)dump8_group_size(layout);
	return data[0] == NEXT_GROUP ? 1 : word(data, length);
}

static int frame(const struct instrument *instrument, const uint8_t *data, size_t length)
{
	const struct state *state = instrument->state;
	if (!state->asking)
		return captured(instrument, data, length);
	return state->phase == PHASE_GROUP ? owed_group(instrument, data, length) : word(data, length);
}

/* ---- groups ---- */

static unsigned alike_before(struct state *state, uint64_t print)
{
	unsigned alike = 0;
	for (unsigned i = 0; i < state->seen_count && i < ALIKE_MAX; i++)
		alike += state->seen[i] == print;
	state->seen[state->seen_count++ % ALIKE_MAX] = print;
	return alike;
}

/* The dump begins anew with the next hello; nothing was let go. */
static enum next give_up(struct state *state)
{
	state->phase = PHASE_HELLO;
	return NEXT_IDLE;
}

static struct notice *tell(struct state *state, const struct reply *reply, struct readings *readings)
{
	uint64_t print = print_of(reply->bytes, reply->length);
	if (print == state->told)
		return NULL;
	state->told = print;
	struct notice *notice = readings_notice(readings, NOTICE_UNDECODABLE);
	if (!notice)
		return NULL;
	notice->raw = reply->bytes;
	notice->raw_length = reply->length;
	return notice;
}

static enum next refuse(struct state *state, const struct reply *reply, struct readings *readings)
{
	struct notice *notice = tell(state, reply, readings);
	if (notice)
		snprintf(notice->reason, sizeof(notice->reason),
			_("a group of %zu bytes makes no sense; it was not released, the dump is asked for again"),
			reply->length);
	return give_up(state);
}

static enum next take_group(struct instrument *instrument, const struct reply *reply, struct readings *readings)
{
	struct state *state = instrument->state;
	enum dump8_layout layout = layout_of(instrument, reply->bytes, reply->length);
	uint64_t print = print_of(reply->bytes, reply->length);
	if (!reply->offline) {
		bool stray = reply->offset != state->expected;
		if (stray || (layout == DUMP8_AUTO && print != state->suspect)) {
			state->suspect = stray ? 0 : print;
			return refuse(state, reply, readings);
		}
		state->expected = reply->offset + reply->length;
	}
	if (layout == DUMP8_AUTO)
		layout = wanted_layout(instrument);
	if (layout == DUMP8_AUTO)
		layout = DUMP8_16;
	dump8_group_take(
		instrument->options, layout, alike_before(state, print), reply->bytes, reply->length, readings);
	return NEXT_ASK;
}

/* ---- the dialogue ---- */

static void begin_dump(struct state *state)
{
	state->phase = PHASE_GROUP;
	state->seen_count = 0;
}

static enum next take_model(struct instrument *instrument, const struct reply *reply)
{
	struct state *state = instrument->state;
	uint8_t model = reply->bytes[1];
	state->model_layout = dump8_model_layout(model);
	snprintf(instrument->maker.model, sizeof(instrument->maker.model), "%02X", model);
	if (state->phase != PHASE_HELLO)
		return NEXT_WAIT; /* it answers late; the question for the dump is on its way */
	state->phase = PHASE_DUMP;
	return NEXT_ASK;
}

static enum next take_end(struct state *state)
{
	if (state->phase != PHASE_DUMP && state->phase != PHASE_GROUP)
		return NEXT_WAIT;
	state->phase = PHASE_END;
	return NEXT_ASK;
}

static enum next take_word(struct instrument *instrument, const struct reply *reply)
{
	struct state *state = instrument->state;
	/* Two bytes out of a broken group, perhaps: it is about to be told as a whole. */
	if (state->phase == PHASE_GROUP && reply->offset != state->expected)
		return NEXT_WAIT;
	state->expected = reply->offset + reply->length;
	if (reply->length == 1)
		return NEXT_WAIT; /* our own 24 */
	uint8_t said = reply->bytes[1];
	if (reply->bytes[0] == CANCEL)
		return give_up(state);
	if (said < FIRST_COMMAND)
		return state->phase == PHASE_END ? NEXT_WAIT : take_model(instrument, reply);
	if (said == DUMP_BEGINS && state->phase == PHASE_DUMP)
		begin_dump(state);
	else if (said == DUMP_ENDS || said == DUMP_ENDS_TOO)
		return take_end(state);
	return NEXT_WAIT; /* our own words, echoed */
}

static enum next take_silence(struct instrument *instrument, const struct reply *reply, struct readings *readings)
{
	struct state *state = instrument->state;
	struct notice *notice = state->phase == PHASE_GROUP && reply->length > 0 ? tell(state, reply, readings) : NULL;
	if (notice)
		snprintf(notice->reason, sizeof(notice->reason),
			_("a group broke off after %zu of %zu bytes; it was not released"), reply->length,
			dump8_group_size(wanted_layout(instrument)));
	return give_up(state);
}

static enum next take_captured(struct instrument *instrument, const struct reply *reply, struct readings *readings)
{
	struct state *state = instrument->state;
	if (reply->length > 2)
		take_group(instrument, reply, readings);
	else if (reply->length == 2 && reply->bytes[0] == ESCAPE && reply->bytes[1] < FIRST_COMMAND)
		state->model_layout = dump8_model_layout(reply->bytes[1]);
	else if (reply->length == 2 && reply->bytes[0] == ESCAPE && reply->bytes[1] == DUMP_BEGINS)
		begin_dump(state);
	return NEXT_WAIT;
}

static enum next take(struct instrument *instrument, const struct reply *reply, struct readings *readings)
{
	if (reply->kind == REPLY_SILENCE)
		return take_silence(instrument, reply, readings);
	if (reply->kind != REPLY_FRAME)
		return NEXT_WAIT;
	if (reply->offline)
		return take_captured(instrument, reply, readings);
	return reply->length > 2 ? take_group(instrument, reply, readings) : take_word(instrument, reply);
}

static void send(struct request *request, uint8_t said, int timeout_ms)
{
	request->kind = REQUEST_BYTES;
	request->timeout_ms = timeout_ms;
	request->bytes[request->length++] = ESCAPE;
	request->bytes[request->length++] = said;
}

static void ask(struct instrument *instrument, struct request *request)
{
	struct state *state = instrument->state;
	state->asking = true;
	switch (state->phase) {
	case PHASE_HELLO:
		send(request, HELLO, 0);
		request->may_rest = true; /* it is in link mode only after the user's key */
		break;
	case PHASE_DUMP:
		send(request, DUMP, GROUP_MS);
		break;
	case PHASE_GROUP:
		request->kind = REQUEST_BYTES;
		request->timeout_ms = GROUP_MS;
		request->bytes[request->length++] = NEXT_GROUP;
		break;
	case PHASE_END:
		send(request, UNLINK, UNLINK_MS);
		request->may_rest = true; /* it just leaves link mode */
		break;
	}
}

/* A group alone does not tell its layout: the reader's model did, at the hello. `layout` says it, or the reading that
 * came of the group; nothing is guessed. */
static void take_raw(struct instrument *instrument, const struct reading *before, const uint8_t *raw, size_t length,
	struct readings *readings)
{
	const struct dump8_options *options = instrument->options;
	enum dump8_layout layout = (enum dump8_layout)options->layout;
	if (layout == DUMP8_AUTO)
		layout = dump8_group_said(before);
	if (layout == DUMP8_AUTO || length != dump8_group_size(layout) || !dump8_group_possible(layout, raw, length))
		readings->rejected++;
	else
		dump8_group_take(options, layout, 0, raw, length, readings);
}

static int setup(struct instrument *instrument, struct fault *fault)
{
	(void)fault;
	*(struct state *)instrument->state = (struct state){ .phase = PHASE_HELLO };
	return 0;
}

const struct driver dump8_driver = {
	.name = "dump8",
	.title = N_("Enzyme readers that dump their memory in groups of eight wells and then clear it"),
	.line = "9600/8n1",
	.item = "PR-OPCB", /* of the layouts without an item: inhibition of cholinesterase */
	.version = 2,
	.links = LINK_SERIAL | LINK_TCP,
	.manner = MANNER_ASKS,
	.options = options_table,
	.options_size = sizeof(struct dump8_options),
	.state_size = sizeof(struct state),
	.setup = setup,
	.ask = ask,
	.frame = frame,
	.take = take,
	.take_raw = take_raw,
};
