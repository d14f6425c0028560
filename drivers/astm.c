/* Instruments that speak ASTM E1381/E1394, today CLSI LIS01-A2/LIS02-A2. Serial, TCP client or TCP listener.
 *
 * Sources: the two standards as quoted in public projects, and captures of twelve analyzers (tests/captures/astm).
 * What is marked (?) is a reading of ours.
 *
 * The link (LIS01). The instrument sends, the host acknowledges; what either has to say is bracketed by ENQ and EOT.
 *     instrument  05                                          ENQ: I have something to say
 *     host        06                                          ACK: say it            (15, NAK: not now)
 *     instrument  02 fn text.. 03 c1 c2 0D 0A                 STX, frame number 0-7, text, ETX or ETB (17), checksum
 *     host        06                                          whole                  (15, NAK: send it again)
 *     instrument  04                                          EOT
 * The checksum is the sum of the bytes from fn to ETX or ETB, modulo 256, in two hexadecimal digits. ETB says that the
 * text goes on in the next frame; it may stand anywhere, even inside a test code. Instruments do it otherwise in many
 * ways, all seen: the whole message in one frame of 26 kB, or 89 frames; LF or nothing behind the checksum; no
 * checksum; no ENQ; frame numbers that stand still or skip; no frames at all, only records that end with CR, LF or
 * both. So a frame number refuses nothing. A frame equal in every byte to the one before it is that frame, sent again
 * because our ACK was lost: it is acknowledged and otherwise nothing. A wrong checksum loses that frame alone; where it
 * cut a record, that record is lost too, unless the frame comes again. Where the lost frame may have held an order, or
 * a number is missing from an instrument that counts, the order before it is forgotten: what follows up to the next
 * has no sample, rather than that of another (astm_loss.c). A checksum that is right when LF stands for CR
 * is taken for right: files and terminal servers turn line ends around (`checksum = strict` does not). Where frames
 * have checksums one without is damaged.
 *
 * The records (LIS02), fields from 1, delimiters from the header:
 *     H|\^&|||sender|||||||processing|version|time        sender: model, serial number, firmware, in any order (?)
 *     P|..                                                a person: nothing of it is taken over
 *     O|1|sample|position|^^^item|||..|12 action||||16 what it is||||||23 reported
 *     R|1|^^^item|value|unit|range|flag||status||operator|started|completed|instrument
 *                                                         status C corrects what was sent before, R sends it again:
 *                                                         neither says that anything was tested again
 *     C|1|I|text    M|.. S|..                             comment; what only the maker understands
 *     Q|1|^sample||^^^ALL                                 a question to the host: what shall I test?
 *     L|1|N                                               the end
 * Some write the letter small, or put a blank before it; bare records may keep the digit of a frame.
 * The sample is O-3, its first component that says something, else O-4 (there the third component, as racks are
 * described). The item is the fourth component of R-3, else its first that says something, else that of O-5. Makers
 * that put either elsewhere are told of by the settings `sample` and `item`. The time is. A value
 * keeps its form: a decimal comma, components, words; the one component that says something is the value ("14.5^",
 * "^Negative"); "<" and ">" are its qualifier; NA, *** and the like are the value as sent with verdict `invalid`. A
 * flag is the verdict as sent; what it means differs from maker to maker, so the polarity comes from the setting
 * `flags`. O-12 Q, and H-12 Q, T or D, are of kind `qc`.
 *     In GB 18030 the second byte of a character may equal any delimiter but CR and LF: fields are cut at whole
 * characters, the encoding is found for each record. A character cut in half swallows the delimiter behind it where
 * the two make a character. What is Latin-1 cannot be told from GB 18030: µm is a character there, too. `auto` takes it
 * for GB 18030, but where a unit holds ° ² ³ or µ of Latin-1 before ASCII it is marked `text_bad`, and R-6 is not
 * swallowed; everywhere else only `encoding = latin-1` helps.
 *
 * Safety. A result is stored when the record that holds it is complete; the frame that completed it is acknowledged
 * only by the ask() after that. When the acknowledgement is lost with us, the instrument sends the message again from
 * the start. Results are then known by their bytes: identity is O and R where one of them tells when it was made (R-9
 * to R-13, O-23), else H, O and R where the header does, and the count of equal results before it in this message.
 * Where nothing tells a time two equal results cannot be told from one sent twice; they are two records, so that none
 * is lost: then, and only then, the repetition of a message after a crash doubles. (?) A header that is written anew
 * for the repetition while no result tells its time comes to the same.
 *
 * A question is answered, after the instrument's EOT, with "no information": ENQ, H, L|1|I, EOT. When both begin at
 * once the instrument goes first; we answer after its EOT. With `acknowledge = no` nothing is ever sent: a tap on the
 * line between an instrument and its computer.
 */
#include "astm.h"

#include <stdio.h>
#include <string.h>

#include "checksum.h"

static const struct setting options_table[] = {
	{
		.name = "acknowledge",
		.type = SETTING_BOOLEAN,
		.offset = offsetof(struct astm_options, acknowledge),
		.standard = "yes",
		.help = N_("Whether frames are acknowledged; no: only listen, beside a computer that acknowledges"),
	},
	{
		.name = "framing",
		.type = SETTING_CHOICE,
		.offset = offsetof(struct astm_options, framing),
		.choices = "auto|frames|records",
		.standard = "auto",
		.help = N_("Frames with STX and ETX, bare records on lines, or whichever comes first"),
	},
	{
		.name = "checksum",
		.type = SETTING_CHOICE,
		.offset = offsetof(struct astm_options, checksum),
		.choices = "auto|strict|none",
		.standard = "auto",
		.help = N_(
			"Checked where there is one; strict: demanded, and right to the bit; none: the frame ends at "
			"its ETX"),
	},
	{
		.name = "encoding",
		.type = SETTING_CHOICE,
		.offset = offsetof(struct astm_options, encoding),
		.choices = DELIMITED_ENCODINGS,
		.standard = "auto",
		.help = N_(
			"How texts are written; auto: a record that is no UTF-8 is GB 18030; Latin-1 (µ, °, ² in one byte) must be set"),
	},
	{
		.name = "sample",
		.type = SETTING_CHOICE,
		.offset = offsetof(struct astm_options, sample),
		.choices = "auto|o-3|o-4",
		.standard = "auto",
		.help = N_("Where the sample number stands; auto: O-3, or O-4 where that is empty"),
	},
	{
		.name = "item",
		.type = SETTING_CHOICE,
		.offset = offsetof(struct astm_options, item),
		.choices = "auto|1|2|3|4|5",
		.standard = "auto",
		.help = N_("Which component of R-3 is the item; auto: the fourth, or the first where that is empty"),
	},
	{
		.name = "flags",
		.type = SETTING_TEXT,
		.offset = offsetof(struct astm_options, flags),
		.max = ASTM_FLAGS_MAX,
		.standard = "",
		.example = "A=positive N=negative",
		.help = N_("What the instrument's result flags mean as a verdict"),
	},
	{ .name = NULL },
};

#define REFUSALS_MAX     6     /* after so many the sender gives up, says the standard */
#define OUT_OF_PLACE_MAX 12    /* two frames' worth: the answer to noise may have been taken for that to the first */
#define NEXT_FRAME_MS    30000 /* the standard's patience for the next frame */
#define REPLY_MS         15000 /* ... and for the answer to one */

/* ---- receiving ---- */

static void drop_part(struct astm_state *state)
{
	state->part_length = 0;
	state->part_long = false;
}

static void begin_session(struct astm_state *state)
{
	drop_part(state);
	astm_message_reset(&state->message);
	state->framed = state->session = true;
	state->inside = state->bad = state->skip = state->result_before = false;
	state->number = state->bad_number = -1;
	state->last = 0;
	state->refused = state->bad_frames = state->told = 0;
}

static void add_part(struct astm_state *state, const uint8_t *data, size_t length)
{
	if (length > sizeof(state->part) - state->part_length) {
		length = sizeof(state->part) - state->part_length;
		state->part_long = true;
	}
	memcpy(state->part + state->part_length, data, length);
	state->part_length += length;
}

/* A record is whole: what was kept of it, and these bytes. */
static void end_record(struct instrument *instrument, const uint8_t *data, size_t length, struct readings *readings)
{
	struct astm_state *state = instrument->state;
	if (state->part_length > 0) {
		add_part(state, data, length);
		data = state->part;
		length = state->part_length;
	}
	if (state->skip)
		astm_tell_rest(state, data, length, readings);
	else
		astm_take_record(instrument, data, length, false, readings);
	state->skip = false;
	drop_part(state);
}

static void take_text(struct instrument *instrument, const struct astm_text *text, struct readings *readings)
{
	struct astm_state *state = instrument->state;
	size_t start = 0;
	for (size_t i = 0; i < text->length; i++) {
		if (text->bytes[i] != '\r' && text->bytes[i] != '\n')
			continue;
		end_record(instrument, text->bytes + start, i - start, readings);
		start = i + 1;
	}
	if (text->complete && !text->open)
		end_record(instrument, text->bytes + start, text->length - start, readings);
	else
		add_part(state, text->bytes + start, text->length - start);
	state->cuts = state->cuts || (text->complete && state->part_length > 0);
}

/* A frame that is not whole. It is asked for again; where it does not come again, what it cut is lost. */
static enum next take_bad(struct instrument *instrument, const struct reply *reply, const struct astm_text *text,
	struct readings *readings)
{
	struct astm_state *state = instrument->state;
	const struct astm_options *options = instrument->options;
	readings->rejected++;
	bool again = options->acknowledge && !reply->offline && ++state->refused % REFUSALS_MAX != 0;
	struct notice *notice = again ? NULL : readings_notice(readings, NOTICE_UNDECODABLE);
	astm_note_bad(state, reply, text, notice != NULL, readings);
	if (notice) {
		snprintf(notice->reason, sizeof(notice->reason), "%s", text->reason);
		notice->raw = reply->bytes;
		notice->raw_length = reply->length;
	}
	if (text->complete)
		state->answer = ASTM_NAK;
	return NEXT_ASK;
}

/* In the middle of a message that we do not know: after a start of ours the instrument goes on where it was. It is made
 * to begin anew, by more refusals than the standard lets it bear; should it not, its results are taken as they are. */
static bool out_of_place(struct astm_state *state, const struct astm_options *options, const struct reply *reply,
	const struct astm_text *text)
{
	if (state->session || reply->offline || !options->acknowledge)
		return false;
	size_t at;
	if (astm_letter(text->bytes, text->length, &at) == 'H')
		return false;
	return ++state->refused <= OUT_OF_PLACE_MAX;
}

/* One that comes again as it was is of a sender that heeds us, and will come with its message. */
static enum next refuse(
	struct astm_state *state, const struct reply *reply, struct astm_text *text, struct readings *readings)
{
	size_t kept = reply->length < ASTM_BAD_KEPT ? reply->length : ASTM_BAD_KEPT;
	bool again =
		state->bad && reply->length == state->bad_length && memcmp(reply->bytes, state->bad_frame, kept) == 0;
	snprintf(text->reason, sizeof(text->reason), _("the beginning of its message was not heard"));
	astm_note_bad(state, reply, text, again, readings);
	state->answer = ASTM_NAK;
	readings->rejected++;
	return NEXT_ASK;
}

/* A sender that numbers no frame goes on with a record at any byte: its digit is no number, it is text. */
static void give_back_digit(const struct astm_state *state, struct astm_text *text)
{
	if (state->part_length == 0 || state->number >= 0 || text->number < 0)
		return;
	text->number = -1;
	text->bytes--;
	text->length++;
}

static enum next take_frame(struct instrument *instrument, const struct reply *reply, struct readings *readings)
{
	struct astm_state *state = instrument->state;
	const struct astm_options *options = instrument->options;
	struct astm_text text = state->inside ? astm_open_rest(reply->bytes, reply->length)
	                                      : astm_open_frame(state, options, reply->bytes, reply->length);
	bool first = !state->inside;
	give_back_digit(state, &text);
	state->framed = true;
	if (!text.good)
		return take_bad(instrument, reply, &text, readings);
	if (first && out_of_place(state, options, reply, &text))
		return refuse(state, reply, &text, readings);
	if (first) {
		uint64_t print = astm_hash(ASTM_HASH_START, reply->bytes, reply->length);
		state->inside_known = print == state->last;
		state->last = print;
		state->session = true;
		state->sums = state->sums || text.summed;
		state->refused = 0;
		if (!state->inside_known)
			astm_mend(state, reply, &text, readings);
	}
	state->inside = !text.complete;
	if (!state->inside_known)
		take_text(instrument, &text, readings);
	if (text.complete)
		state->answer = ASTM_ACK;
	return NEXT_ASK;
}

static enum next take_line(struct instrument *instrument, const struct reply *reply, struct readings *readings)
{
	struct astm_state *state = instrument->state;
	size_t length = reply->length;
	while (length > 0 && (reply->bytes[length - 1] == '\r' || reply->bytes[length - 1] == '\n'))
		length--;
	if (length > 0)
		astm_take_record(instrument, reply->bytes, length, true, readings);
	state->message.asked = false; /* without frames nobody waits for an answer */
	/* The next may be as long as any: what is kept must be stored before. */
	bool full = sizeof(state->kept) - state->kept_length < ASTM_RECORD_MAX + ASTM_HEADER_KEPT + ASTM_ORDER_KEPT + 3;
	return full ? NEXT_ASK : NEXT_WAIT;
}

/* ---- sending: the answer to a query ---- */

static void give_up_sending(struct astm_state *state, bool later)
{
	state->sending = ASTM_SILENT;
	state->owed = later;
	state->tries = 0;
}

static enum next take_answer(struct astm_state *state, uint8_t control)
{
	if (control == ASTM_ACK) {
		state->sending++; /* ENQ, header, end, EOT */
		state->tries = 0;
	} else if (++state->tries >= REFUSALS_MAX) {
		state->sending = ASTM_SEND_EOT;
	}
	return NEXT_ASK;
}

static enum next take_control(struct astm_state *state, uint8_t control, bool offline, struct readings *readings)
{
	bool halfway = state->session && state->message.open && !state->message.ended;
	switch (control) {
	case ASTM_ENQ:
		if (state->sending == ASTM_SEND_ENQ && !offline) {
			/* Both began: it begins anew, unanswered, and we come after its EOT. */
			give_up_sending(state, true);
			state->session = true;
			return NEXT_WAIT;
		}
		if (state->sending != ASTM_SILENT)
			give_up_sending(state, false);
		astm_tell_broken(state, readings);
		begin_session(state);
		/* A byte of noise can look like ENQ. Halfway through a message it may have been one, and an R must not
		 * be taken without its O: what comes next has to begin with H, see out_of_place(). */
		state->session = !halfway;
		state->answer = ASTM_ACK;
		return NEXT_ASK;
	case ASTM_EOT:
		if (state->sending != ASTM_SILENT)
			give_up_sending(state, false);
		state->owed = state->owed || (state->message.asked && state->message.ended);
		state->answer_delimiters = state->message.delimiters;
		astm_tell_broken(state, readings);
		begin_session(state);
		state->session = false;
		return NEXT_ASK;
	case ASTM_ACK:
	case ASTM_NAK:
		return state->sending == ASTM_SILENT ? NEXT_WAIT : take_answer(state, control);
	default:
		return NEXT_WAIT;
	}
}

static void send_frame(struct request *request, int number, const char *text)
{
	size_t length = (size_t)snprintf((char *)request->bytes, 240, "%c%d%s\r%c", ASTM_STX, number, text, ASTM_ETX);
	uint8_t sum = checksum_sum8(request->bytes + 1, length - 1);
	length += (size_t)snprintf((char *)request->bytes + length, 8, "%02X\r\n", sum);
	request->length = length;
}

static void send_header(const struct instrument *instrument, struct request *request)
{
	const struct astm_state *state = instrument->state;
	const struct astm_delimiters *d = &state->answer_delimiters;
	const struct date_time *now = &instrument->now;
	uint8_t f = d->field;
	char text[128];
	const struct astm_delimiters named = { f, d->repeat ? d->repeat : '\\', d->component ? d->component : '^',
		d->escape ? d->escape : '&' };
	snprintf(text, sizeof(text), "H%c%c%c%c%c%c%cassayd%c%c%c%c%c%c%cP%cLIS2-A2%c%04d%02d%02d%02d%02d%02d", f,
		named.repeat, named.component, named.escape, f, f, f, f, f, f, f, f, f, f, f, f, now->year % 10000,
		now->month, now->day, now->hour, now->minute, now->second);
	send_frame(request, 1, text);
}

static void ask_sending(const struct instrument *instrument, struct request *request)
{
	struct astm_state *state = instrument->state;
	char text[8];
	request->kind = REQUEST_BYTES;
	request->timeout_ms = REPLY_MS;
	request->length = 1;
	switch (state->sending) {
	case ASTM_SEND_HEADER:
		send_header(instrument, request);
		break;
	case ASTM_SEND_END:
		snprintf(text, sizeof(text), "L%c1%cI", state->answer_delimiters.field, state->answer_delimiters.field);
		send_frame(request, 2, text);
		break;
	case ASTM_SEND_EOT:
		request->bytes[0] = ASTM_EOT;
		request->unanswered = true;
		give_up_sending(state, false);
		break;
	case ASTM_SILENT:
	case ASTM_SEND_ENQ:
		request->bytes[0] = ASTM_ENQ;
		state->sending = ASTM_SEND_ENQ;
		break;
	}
}

/* ---- the driver's functions ---- */

static int setup(struct instrument *instrument, struct fault *fault)
{
	const struct astm_options *options = instrument->options;
	struct astm_state *state = instrument->state;
	memset(state, 0, sizeof(*state));
	begin_session(state);
	state->framed = state->session = false;
	return delimited_flags_check(options->flags, fault);
}

static void ask(struct instrument *instrument, struct request *request)
{
	struct astm_state *state = instrument->state;
	const struct astm_options *options = instrument->options;
	uint8_t answer = state->answer;
	state->answer = 0;
	state->kept_length = 0; /* what was kept is stored */
	if (!options->acknowledge) {
		state->owed = false;
		return;
	}
	if (answer) {
		request->kind = REQUEST_BYTES;
		request->bytes[0] = answer;
		request->length = 1;
		request->timeout_ms = NEXT_FRAME_MS;
		/* Nothing more need come behind the last record; some leave out the EOT. */
		request->unanswered = state->message.ended;
	} else if (state->sending != ASTM_SILENT || (state->owed && !state->session)) {
		ask_sending(instrument, request);
	}
}

static int frame(const struct instrument *instrument, const uint8_t *data, size_t length)
{
	return astm_frame(instrument->state, instrument->options, data, length, instrument->idle);
}

/* Whoever fell silent begins anew: what was half said is told, and nothing else becomes of it. Bare records know no
 * beginning but their header. */
static enum next take_silence(struct astm_state *state, struct readings *readings)
{
	bool was_framed = state->framed;
	give_up_sending(state, false);
	state->answer = 0;
	if (was_framed) {
		astm_tell_broken(state, readings);
		begin_session(state);
		state->session = false;
	}
	return NEXT_IDLE;
}

static enum next take_cut(struct instrument *instrument, const struct reply *reply, struct readings *readings)
{
	struct astm_state *state = instrument->state;
	const struct astm_options *options = instrument->options;
	uint8_t first = reply->bytes[0];
	if (state->inside || (first == ASTM_STX && options->framing != ASTM_BARE))
		return take_frame(instrument, reply, readings);
	return first >= ' ' ? take_line(instrument, reply, readings)
	                    : take_control(state, first, reply->offline, readings);
}

static enum next take(struct instrument *instrument, const struct reply *reply, struct readings *readings)
{
	struct astm_state *state = instrument->state;
	if (reply->kind == REPLY_SILENCE)
		return take_silence(state, readings);
	if (reply->kind != REPLY_FRAME)
		return NEXT_WAIT;
	if (reply->offline)
		state->kept_length = 0;
	state->count_before = readings->count;
	return take_cut(instrument, reply, readings);
}

/* The raw bytes of a result hold no comments; what those said stands in its record. */
static void take_raw(struct instrument *instrument, const struct reading *before, const uint8_t *raw, size_t length,
	struct readings *readings)
{
	struct instrument idle = *instrument;
	idle.idle = true;
	for (size_t at = 0; at < length;) {
		int step = frame(&idle, raw + at, length - at);
		struct reply reply = { .kind = REPLY_FRAME, .bytes = raw + at, .offset = at, .offline = true };
		reply.length = step > 0 ? (size_t)step : 1;
		if (step > 0)
			take_cut(instrument, &reply, readings);
		at += reply.length;
	}
	bool alone = readings->count == 1 && !*reading_has_said(&readings->list[0], "comment");
	for (size_t i = 0; before && alone && i < before->said_count; i++)
		if (strncmp(before->said[i].name, "comment", strlen("comment")) == 0)
			reading_said(&readings->list[0], "comment", before->said[i].value);
}

const struct driver astm_driver = {
	.name = "astm",
	.title = N_("Instruments that send ASTM E1381/E1394 (CLSI LIS01/LIS02)"),
	.line = "9600/8n1",
	.version = 4,
	.links = LINK_SERIAL | LINK_TCP,
	.manner = MANNER_ANSWERS,
	.options = options_table,
	.options_size = sizeof(struct astm_options),
	.state_size = sizeof(struct astm_state),
	.setup = setup,
	.ask = ask,
	.frame = frame,
	.take = take,
	.raw_alone = true,
	.take_raw = take_raw,
};
