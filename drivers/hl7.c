/* Instruments that send HL7 version 2 results (ORU, OUL) over MLLP. TCP client, TCP listener or serial.
 *
 * Sources: HL7 v2.3.1 to v2.5.1, chapters 2, 4, 7 and 13, and the MLLP appendix, as quoted in public projects; captures
 * of eight analyzers (tests/captures/hl7); the makers' interface manuals as quoted in public receivers of the BS, BC,
 * cobas and other series. What is marked (?) is a reading of ours.
 *
 * The link. The instrument sends a message, the host acknowledges it; one at a time.
 *     instrument  0B MSH|^~\&|maker|model|||time||ORU^R01|id|P|2.3.1 0D  PID.. 0D  OBR.. 0D  OBX.. 0D  1C 0D
 *     host        0B MSH|^~\&|||maker|model|time||ACK^R01|id|P|2.3.1 0D  MSA|AA|id 0D  1C 0D
 * Seen otherwise: no start block, no end block, no CR behind it, LF or CR LF between the segments, several messages in
 * a block, a batch header before MSH. Without an end block a message ends before the next MSH, or when the line falls
 * silent, or the file ends, behind a line end. One with a start block and no end is half a message and gives nothing:
 * it is told with its bytes and answered AE. Some senders never write an end block. (?) Where a block stopped behind a
 * whole line and no end block ever came, the sender is taken for one of these, and the next blocks end like text
 * without blocks; an end block refutes it, and then it takes three such messages with none in between. It is the
 * driver's cursor, for those that connect anew for each message.
 *
 * The segments, fields as the standard counts them (MSH-1 is the delimiter itself):
 *     MSH  1 |   2 ^~\&   3 4 who   7 made   9 type   10 id   11 P, or D T: no sample   12 version
 *          15 16 which answer is wanted (16 also: 0 sample, 1 calibration, 2 control)   18 encoding
 *     PID PV1 ..  a person: nothing of it is kept, nor of a comment behind it; behind an order, PID ends what it is of
 *     SPM  2 specimen   4 what it is   11 role, Q: a control          SAC  3 the tube's number
 *     OBR  2 placer's number   3 the instrument's   4 panel   7 begun   8 ended   11 Q: a control   15 what it is, role
 *          34 technician    A control of a chemistry analyzer has no OBX: 2 item, 13 control, 14 lot, 20 value, 21 unit
 *     OBX  1 place   2 type   3 item   4 its name, or part   5 value   6 unit   7 range   8 flags   11 status
 *          14 observed   16 who   17 how   18 instrument   19 analysed
 *     NTE  3 comment on what stands before it      TCD  8 of the OBX before it: R, D tested again (table 0389)
 * Delimiters come from MSH. In GB 18030 the second byte of a character may equal any of them: fields are cut at whole
 * characters. The encoding is MSH-18's; else the setting's; else UTF-8 where the whole message is, else GB 18030.
 * Latin-1 cannot be told from that, µm is a character there, too: where a unit holds ° ² ³ or µ of Latin-1 before ASCII
 * it is marked `text_bad`, and OBX-7 is not swallowed; everywhere else only `encoding = latin-1` helps. Every OBX is a
 * result but these: pictures (ED, RP); what says how the run was made (hl7_about.c, `about-run`); status W and D,
 * withdrawn; N, O, I without a value, not done or not yet; a code (CE, CWE, IS) for nothing; and the codes of the
 * setting `skip`, for what else comes as OBX and is none. Status X is a result without value, `invalid`. A value keeps
 * its form, "<" and ">" are its qualifier (SN: <^10); of a code (CE, CWE) the text is the value. The sample is SPM-2,
 * SAC-3, OBR-2 or OBR-3, the first that is there (`sample` chooses); the item OBX-3's code, its first component that
 * says something (`item = name`: its text).
 *
 * Safety. Results are given out when their message is whole; it is acknowledged only by the ask() after they are
 * stored. A message that comes again because the answer was lost, or is sent again from memory, is known by its bytes:
 * the identity of a result is its specimen, order and OBX, and the count of equal ones before it in the message. MSH
 * belongs to it where no sample number is there or neither OBX-14 nor OBX-19 tells the second: then equal results in
 * different messages are two, and a sender that writes MSH anew doubles them (?). Where neither MSH-7, MSH-10 nor the
 * result tells one from the next, each is its own, and a repetition doubles as well. (?) That OBX-14 is when the sample
 * was taken, and a test of it again came to the same in every byte, is not told from a repetition.
 *
 * The answer is AA; AE where the message cannot be read, with its bytes in an event; AR where it is no result message,
 * with an event where OBX stands in it all the same. Nothing of a person is in these bytes, nor in those that are kept
 * because they are no frame (hl7_persons.c).
 * An acknowledgement is never acknowledged. MSH-15 and MSH-16 (NE AL ER SU) decide whether it is sent and whether as
 * AA or CA; where both are wished, AA only, for received means stored here. (?) With `acknowledge = no` nothing is ever
 * sent: a tap on the line between an instrument and its computer.
 */
#include "hl7.h"

#include <stdio.h>
#include <string.h>

static const struct setting options_table[] = {
	{
		.name = "acknowledge",
		.type = SETTING_BOOLEAN,
		.offset = offsetof(struct hl7_options, acknowledge),
		.standard = "yes",
		.help = N_("Whether messages are acknowledged; no: only listen, beside a computer that acknowledges"),
	},
	{
		.name = "encoding",
		.type = SETTING_CHOICE,
		.offset = offsetof(struct hl7_options, encoding),
		.choices = DELIMITED_ENCODINGS,
		.standard = "auto",
		.help = N_(
			"How texts are written where the message does not say; auto: what is no UTF-8 is GB 18030; Latin-1 (µ, °, ² in one byte) must be set"),
	},
	{
		.name = "sample",
		.type = SETTING_CHOICE,
		.offset = offsetof(struct hl7_options, sample),
		.choices = "auto|obr-2|obr-3|spm-2|sac-3",
		.standard = "auto",
		.help = N_("Where the sample number stands; auto: SPM-2, SAC-3, OBR-2, OBR-3, the first that is there"),
	},
	{
		.name = "item",
		.type = SETTING_CHOICE,
		.offset = offsetof(struct hl7_options, item),
		.choices = "code|name",
		.standard = "code",
		.help = N_("Whether the item is the code in OBX-3 or the name beside it"),
	},
	{
		.name = "flags",
		.type = SETTING_TEXT,
		.offset = offsetof(struct hl7_options, flags),
		.max = HL7_FLAGS_MAX,
		.standard = "",
		.example = "A=positive N=negative",
		.help = N_("What the instrument's result flags mean as a verdict"),
	},
	{
		.name = "skip",
		.type = SETTING_TEXT,
		.offset = offsetof(struct hl7_options, skip),
		.max = HL7_SKIP_MAX,
		.standard = "",
		.example = "08001 08003 30525-0",
		.help = N_("Codes of further OBX segments that are no results"),
	},
	{
		.name = "about-run",
		.type = SETTING_CHOICE,
		.offset = offsetof(struct hl7_options, about_run),
		.choices = "skip|record",
		.standard = "skip",
		.help = N_(
			"What becomes of OBX segments that say how a run was made: modes, reference group, age, remarks, alerts, lines of "
			"histograms"),
	},
	{ .name = NULL },
};

#define TEXT_BROKEN  "message broken off"
#define TEXT_NO_MSH  "no MSH segment"
#define TEXT_LONG    "message too long"
#define TEXT_TYPE    "message type not handled"
#define TEXT_SUCCESS "message accepted"

/* The bytes that could be kept, without persons; what is needed of the message is taken before. */
static void tell_undecodable(struct hl7_state *state, struct readings *readings, const char *reason)
{
	struct hl7_message *message = &state->message;
	struct notice *notice = readings_notice(readings, NOTICE_UNDECODABLE);
	readings->rejected++;
	if (notice) {
		snprintf(notice->reason, sizeof(notice->reason), "%s", reason);
		notice->left_out = message->left_out + hl7_hide(message->kept, message->length);
		notice->raw = message->kept;
		notice->raw_length = message->length;
	}
}

static enum next undecodable(struct hl7_state *state, struct readings *readings, const char *reason, const char *answer)
{
	hl7_owe(state, 'E', answer);
	tell_undecodable(state, readings, reason);
	return NEXT_ASK;
}

static bool has_results(const struct hl7_message *message)
{
	struct hl7_segment segment;
	for (size_t at = 0; hl7_next(message, &at, &segment);)
		if (hl7_is(&segment, "OBX"))
			return true;
	return false;
}

/* Results in a message of another type are not taken, and not passed over in silence. */
static enum next reject(struct hl7_state *state, struct readings *readings)
{
	hl7_owe(state, 'R', TEXT_TYPE);
	if (has_results(&state->message))
		tell_undecodable(
			state, readings, _("results in a message of another type than ORU or OUL are not read"));
	return NEXT_ASK;
}

/* By MSH-9; a message without a type is taken for what it holds. */
enum message_type { TYPE_RESULTS, TYPE_ANSWER, TYPE_OTHER };

static enum message_type message_type(const struct hl7_message *message)
{
	struct hl7_segment header = hl7_segment_at(message, 0);
	struct field type = hl7_component(&header, hl7_field(&header, 9), 1);
	if (hl7_says(type, "ACK") || hl7_says(type, "MCF"))
		return TYPE_ANSWER;
	bool results = delimited_blank(type) || hl7_starts(type, "ORU") || hl7_starts(type, "OUL");
	return results ? TYPE_RESULTS : TYPE_OTHER;
}

/* The message is whole. */
static enum next take_message(struct instrument *instrument, struct readings *readings)
{
	struct hl7_state *state = instrument->state;
	const struct hl7_options *options = instrument->options;
	if (!state->finishing) {
		if (state->message.overflow)
			return undecodable(state, readings, _("the message is longer than any known"), TEXT_LONG);
		if (!hl7_open(&state->message, (enum delimited_encoding)options->encoding))
			return undecodable(state, readings, _("the message does not begin with MSH"), TEXT_NO_MSH);
		enum message_type type = message_type(&state->message);
		if (type == TYPE_OTHER)
			return reject(state, readings);
		if (type == TYPE_ANSWER)
			return NEXT_WAIT;
	}
	enum next next = hl7_take_results(instrument, readings);
	if (next == NEXT_ASK)
		hl7_owe(state, 'A', TEXT_SUCCESS);
	return next;
}

static enum next take_broken(struct instrument *instrument, struct readings *readings)
{
	struct hl7_state *state = instrument->state;
	const struct hl7_options *options = instrument->options;
	hl7_open(&state->message, (enum delimited_encoding)options->encoding);
	return undecodable(state, readings, _("the message was broken off"), TEXT_BROKEN);
}

static bool ends_line(uint8_t byte)
{
	return byte == '\r' || byte == '\n';
}

static void gather(struct hl7_state *state, const uint8_t *data, size_t length)
{
	bool start = length > 0 && data[0] == HL7_START;
	bool end = length > 0 && data[length - 1] == HL7_END;
	hl7_gather(&state->message, data + start, length - start - (end && length > start));
}

/* As the cursor, what is known of the sender outlives the link. */
#define CURSOR_ENDED   "end blocks, doubts %u"
#define CURSOR_UNENDED "no end blocks"

#define DOUBTS_MAX 3

/* Who wrote one writes them: what has none is half a message. */
static void note_ended(struct hl7_state *state, struct readings *readings)
{
	if (!state->ended || state->doubts > 0)
		snprintf(readings->cursor, sizeof(readings->cursor), CURSOR_ENDED, 0U);
	state->ended = true;
	state->unended = false;
	state->doubts = 0;
}

/* Unless it never does again: another instrument may stand there now. */
static void note_unended(struct hl7_state *state, struct readings *readings)
{
	if (state->unended)
		return;
	if (state->ended && ++state->doubts < DOUBTS_MAX) {
		snprintf(readings->cursor, sizeof(readings->cursor), CURSOR_ENDED, state->doubts);
		return;
	}
	snprintf(readings->cursor, sizeof(readings->cursor), CURSOR_UNENDED);
	state->unended = true;
	state->ended = false;
}

/* An end block is proof that there are such; line ends behind a block without one, that it did not stop in a line. */
static void note_end(struct hl7_state *state, const struct reply *reply, struct readings *readings)
{
	bool broken = state->broken;
	state->broken = false;
	if (reply->bytes[reply->length - 1] == HL7_END)
		note_ended(state, readings);
	else if (broken && ends_line(reply->bytes[0]))
		note_unended(state, readings);
}

/* A frame that begins a message; mostly it is the message. */
static enum next take_first(struct instrument *instrument, const struct reply *reply, struct readings *readings)
{
	struct hl7_state *state = instrument->state;
	uint8_t last = reply->bytes[reply->length - 1];
	bool whole = last == HL7_END || ends_line(last);
	hl7_message_reset(&state->message);
	gather(state, reply->bytes, reply->length);
	state->block = reply->bytes[0] == HL7_START;
	state->inside = !whole && reply->length > HL7_PART_MIN;
	if (state->inside)
		return NEXT_WAIT;
	if (!whole && reply->offline && !state->block)
		whole = true; /* the last line of a file */
	state->broken = !whole && state->block;
	return whole ? take_message(instrument, readings) : take_broken(instrument, readings);
}

/* A piece of a message that is too long for one frame. Line ends alone, or an end block behind them, end it. */
static enum next take_piece(struct instrument *instrument, const struct reply *reply, struct readings *readings)
{
	struct hl7_state *state = instrument->state;
	uint8_t last = reply->bytes[reply->length - 1];
	if (!state->finishing)
		hl7_gather(&state->message, reply->bytes, reply->length - (last == HL7_END || last == HL7_START));
	if (last == HL7_START) { /* another begins; its frame is known by MSH, without the block */
		state->inside = false;
		if (reply->length > 1 && ends_line(reply->bytes[0]))
			note_unended(state, readings);
		return take_broken(instrument, readings);
	}
	if (last != HL7_END && !ends_line(last))
		return NEXT_WAIT;
	enum next next = take_message(instrument, readings);
	state->inside = next == NEXT_MORE;
	return next;
}

/* A long message broke off in the middle of a line, or has a start block and no end. */
static enum next take_silence(struct instrument *instrument, const struct reply *reply, struct readings *readings)
{
	struct hl7_state *state = instrument->state;
	state->finishing = false;
	if (!state->inside)
		return NEXT_IDLE;
	state->inside = false;
	if (reply->length > 0 && ends_line(reply->bytes[0])) /* they alone are what did not become a piece */
		note_unended(state, readings);
	return take_broken(instrument, readings);
}

/* ---- the driver's functions ---- */

static int setup(struct instrument *instrument, struct fault *fault)
{
	const struct hl7_options *options = instrument->options;
	struct hl7_state *state = instrument->state;
	state->inside = state->finishing = state->broken = false;
	state->doubts = 0;
	state->ended = sscanf(instrument->cursor, CURSOR_ENDED, &state->doubts) == 1;
	state->unended = strcmp(instrument->cursor, CURSOR_UNENDED) == 0;
	state->answer.owed = false;
	hl7_message_reset(&state->message);
	return delimited_flags_check(options->flags, fault);
}

static void ask(struct instrument *instrument, struct request *request)
{
	struct hl7_state *state = instrument->state;
	const struct hl7_options *options = instrument->options;
	if (state->answer.owed && options->acknowledge)
		hl7_answer(instrument, request);
	state->answer.owed = false;
}

static int frame(const struct instrument *instrument, const uint8_t *data, size_t length)
{
	return hl7_frame(instrument->state, instrument->idle, data, length);
}

static enum next take(struct instrument *instrument, const struct reply *reply, struct readings *readings)
{
	struct hl7_state *state = instrument->state;
	if (reply->kind == REPLY_SILENCE)
		return take_silence(instrument, reply, readings);
	if (reply->kind != REPLY_FRAME)
		return NEXT_WAIT;
	note_end(state, reply, readings);
	if (state->inside)
		return take_piece(instrument, reply, readings);
	if (state->finishing)
		return take_message(instrument, readings);
	if (reply->length == 1 && reply->bytes[0] != HL7_START)
		return NEXT_WAIT; /* the rest of an end block, blank lines */
	return take_first(instrument, reply, readings);
}

const struct driver hl7_driver = {
	.name = "hl7",
	.title = N_("Instruments that send HL7 version 2 results over MLLP"),
	.line = "9600/8n1",
	.version = 4,
	.links = LINK_SERIAL | LINK_TCP,
	.manner = MANNER_ANSWERS,
	.options = options_table,
	.options_size = sizeof(struct hl7_options),
	.state_size = sizeof(struct hl7_state),
	.setup = setup,
	.ask = ask,
	.frame = frame,
	.take = take,
	.hide = hl7_hide,
	.raw_alone = true,
	.hears_end = true,
};
