/* Barcode and QR scanners: what they say names the sample of the results to come.
 *
 * Source: the usual settings of hand-held scanners with a serial (or USB CDC) port or behind a serial server; nothing
 * is asked, nothing answered. 9600 8N1.
 *
 *     scanner   the code's bytes, then what it is set to send behind: CR, LF, CR LF, TAB, or nothing but silence
 *
 * A code is ASCII, or for Chinese text UTF-8 or GB 18030, as it was printed. In GB 18030 no second byte lies below
 * 0x30, so an end cannot stand inside a character. What a code may hold is told above scanner_code.c.
 *
 * Where QR codes hold line ends themselves (`end = silence`), a code is over when the scanner falls silent; with
 * `end = line` what silence ends is half a code, and not used. A code longer than any can be is dropped as a whole, so
 * that its tail names no sample. So is one with bytes that are no characters.
 *
 * The number of a person's identity card is personal: as the station says it is masked, or the code that holds one
 * refused, before anything of it is kept.
 */
#include "scanner.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "text.h"

enum end { END_ANY, END_LINE, END_SILENCE };
enum own_rule { OWN_STATION, OWN_MASK, OWN_REFUSE, OWN_KEEP };

struct options {
	int encoding, end, identity;
	int64_t silence_ms;
	bool short_trace;
};

static const struct setting options_table[] = {
	{
		.name = "encoding",
		.type = SETTING_CHOICE,
		.offset = offsetof(struct options, encoding),
		.choices = "auto|gb18030|utf-8",
		.standard = "auto",
		.help = N_(
			"How Chinese text in codes is written; auto takes UTF-8 where the bytes are valid UTF-8, else "
			"GB 18030."),
	},
	{
		.name = "end",
		.type = SETTING_CHOICE,
		.offset = offsetof(struct options, end),
		.choices = "any|line|silence",
		.standard = "any",
		.help = N_(
			"What ends a code: line is CR, LF or TAB; silence is for codes that hold line ends themselves; any is "
			"whichever comes first."),
	},
	{
		.name = "silence",
		.type = SETTING_DURATION,
		.offset = offsetof(struct options, silence_ms),
		.min = 20,
		.max = 5000,
		.standard = "200ms",
		.help = N_("After this long without a byte a code is over."),
	},
	{
		.name = "short-trace-codes",
		.type = SETTING_BOOLEAN,
		.offset = offsetof(struct options, short_trace),
		.standard = "no",
		.help = N_(
			"Whether 20 digits that begin with 1, 2 or 3 are a short trace code rather than a sample number."),
	},
	{
		.name = "identity-numbers",
		.type = SETTING_CHOICE,
		.offset = offsetof(struct options, identity),
		.choices = "station|mask|refuse|keep",
		.standard = "station",
		.help = N_(
			"What becomes of the number of a person's identity card in what this scanner reads, where that differs "
			"from the rule of section [samples]."),
	},
	{ .name = NULL },
};

struct state {
	bool dropping; /* behind the beginning of what is longer than any code */
	char text[SCANNER_TEXT_MAX];
};

void scanner_refuse(struct readings *readings, const char *format, ...)
{
	struct notice *notice = readings_notice(readings, NOTICE_SCAN_REFUSED);
	char reason[1024];
	va_list arguments;
	if (!notice)
		return;
	va_start(arguments, format);
	vsnprintf(reason, sizeof(reason), format, arguments);
	va_end(arguments);
	text_copy(notice->reason, sizeof(notice->reason), reason);
}

static bool is_end(uint8_t byte)
{
	return byte == '\r' || byte == '\n' || byte == '\t';
}

/* An end left over from the code before belongs to the next frame, so that it does not matter how CR LF arrives. */
static int frame(const struct instrument *instrument, const uint8_t *data, size_t length)
{
	const struct options *options = instrument->options;
	bool said = false;
	for (size_t i = 0; i < length && i < SCANNER_CODE_MAX; i++) {
		said = said || !is_end(data[i]);
		if (said && is_end(data[i]) && options->end != END_SILENCE)
			return (int)i + 1;
	}
	if (length >= SCANNER_CODE_MAX)
		return SCANNER_CODE_MAX;
	return instrument->idle ? (int)length : FRAME_MORE;
}

/* Decodes line by line: a line end is no character. The text is empty where only line ends came. */
static unsigned decode(const struct options *options, const uint8_t *data, size_t length, char *text)
{
	static const enum text_encoding encodings[] = { TEXT_AUTO, TEXT_GB18030, TEXT_UTF8 };
	unsigned marks = memchr(data, '\0', length) ? TEXT_BAD : 0;
	size_t used = 0;
	text[0] = '\0';
	for (size_t i = 0, begin = 0; i <= length; i++) {
		if (i < length && !is_end(data[i]))
			continue;
		char *line = text + used + (used > 0);
		marks |= text_decode(encodings[options->encoding], data + begin, i - begin, line,
			SCANNER_TEXT_MAX - (size_t)(line - text));
		begin = i + 1;
		if (*line == '\0') {
			text[used] = '\0';
			continue;
		}
		if (used > 0)
			text[used] = '\n';
		used = (size_t)(line - text) + strlen(line);
	}
	return marks;
}

static int latest_birth(const struct instrument *instrument)
{
	return identity_latest_birth(instrument->now.year);
}

static enum identity_rule rule_of(const struct instrument *instrument)
{
	static const enum identity_rule rules[] = { IDENTITY_MASK, IDENTITY_MASK, IDENTITY_REFUSE, IDENTITY_KEEP };
	const struct options *options = instrument->options;
	return options->identity == OWN_STATION ? instrument->identity : rules[options->identity];
}

/* False where the code is refused for it. */
static bool guard_identity(const struct instrument *instrument, char *text, struct readings *readings)
{
	enum identity_rule rule = rule_of(instrument);
	if (rule == IDENTITY_MASK)
		identity_mask(text, latest_birth(instrument));
	if (rule != IDENTITY_REFUSE || !identity_find(text, latest_birth(instrument), NULL))
		return true;
	scanner_refuse_person(readings);
	return false;
}

/* Bytes that are no text are kept with the event, unless they may show whom they name. */
static void refuse_bytes(
	const struct instrument *instrument, const struct reply *reply, const char *text, struct readings *readings)
{
	struct notice *notice = readings_notice(readings, NOTICE_UNDECODABLE);
	if (!notice)
		return;
	text_copy(notice->reason, sizeof(notice->reason),
		_("the scanned code holds bytes that are no text; scan it again, and compare the scanner's encoding"));
	if (rule_of(instrument) != IDENTITY_KEEP && identity_find(text, latest_birth(instrument), NULL))
		return;
	notice->raw = reply->bytes;
	notice->raw_length = reply->length;
}

static void take_code(struct instrument *instrument, const struct reply *reply, struct readings *readings)
{
	const struct options *options = instrument->options;
	struct state *state = instrument->state;
	unsigned marks = decode(options, reply->bytes, reply->length, state->text);
	if (*state->text == '\0' && !marks)
		return;
	if (marks) {
		refuse_bytes(instrument, reply, state->text, readings);
		return;
	}
	if (!guard_identity(instrument, state->text, readings))
		return;
	struct scanner_code code = {
		.text = state->text,
		.short_trace = options->short_trace,
		.rule = rule_of(instrument),
		.latest_birth = latest_birth(instrument),
		.readings = readings,
	};
	if (!scanner_read(&code))
		return;
	struct scan *scan = readings_scan(readings, code.kind);
	if (!scan)
		return;
	scan->facts = code.facts;
	scan->text = code.personal ? "" : state->text; /* it stands there in escapes, which nobody can mask */
}

static enum next take(struct instrument *instrument, const struct reply *reply, struct readings *readings)
{
	const struct options *options = instrument->options;
	struct state *state = instrument->state;
	if (reply->kind == REPLY_SILENCE)
		state->dropping = false;
	if (reply->kind != REPLY_FRAME)
		return NEXT_WAIT;
	bool ended = is_end(reply->bytes[reply->length - 1]), dropped = state->dropping;
	bool whole = options->end == END_SILENCE ? reply->length < SCANNER_CODE_MAX : ended;
	state->dropping = reply->length >= SCANNER_CODE_MAX && !whole;
	if (dropped)
		return NEXT_WAIT;
	if (state->dropping) {
		readings->rejected++;
		scanner_refuse(readings,
			_("more than %d bytes came as one code; set the scanner to send an end (CR) after each"),
			SCANNER_CODE_MAX - 1);
	} else if (options->end == END_LINE && !whole) {
		readings->rejected++;
		scanner_refuse(readings, _("a code came without its end and is not used; scan it again"));
	} else {
		take_code(instrument, reply, readings);
	}
	return NEXT_WAIT;
}

static void ask(struct instrument *instrument, struct request *request)
{
	const struct options *options = instrument->options;
	request->kind = REQUEST_NONE;
	request->timeout_ms = (int)options->silence_ms;
}

static int setup(struct instrument *instrument, struct fault *fault)
{
	(void)fault;
	struct state *state = instrument->state;
	state->dropping = false;
	return 0;
}

const struct driver scanner_driver = {
	.name = "scanner",
	.title = N_("Barcode and QR scanners that name the samples of other instruments"),
	.line = "9600/8n1",
	.version = 1,
	.links = LINK_SERIAL | LINK_TCP,
	.manner = MANNER_LISTENS,
	.scans = true,
	.options = options_table,
	.options_size = sizeof(struct options),
	.state_size = sizeof(struct state),
	.setup = setup,
	.ask = ask,
	.frame = frame,
	.take = take,
};
