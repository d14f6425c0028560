/* Where a frame of the astm link layer ends, and whether it is whole. */
#include <stdio.h>
#include <string.h>

#include "astm.h"
#include "bytes.h"
#include "checksum.h"

uint64_t astm_hash(uint64_t start, const uint8_t *data, size_t length) /* FNV-1a */
{
	for (size_t i = 0; i < length; i++)
		start = (start ^ data[i]) * 0x100000001B3;
	return start;
}

static bool is_control(uint8_t byte)
{
	return byte == ASTM_STX || byte == ASTM_ETX || byte == ASTM_ETB || byte == ASTM_ENQ || byte == ASTM_EOT ||
	       byte == ASTM_ACK || byte == ASTM_NAK;
}

static int hex_digit(uint8_t byte)
{
	if (byte >= '0' && byte <= '9')
		return byte - '0';
	byte &= 0xDF;
	return byte >= 'A' && byte <= 'F' ? byte - 'A' + 10 : -1;
}

/* ---- ends ---- */

/* The bare record at `data` with its line end, whatever it says. */
static int line_length(const uint8_t *data, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (data[i] == '\r' || data[i] == '\n')
			return (int)i + 1;
		if (is_control(data[i]))
			return FRAME_NONE;
	}
	return FRAME_MORE;
}

/* The byte that ends the text of the frame: ETX or ETB, or what must not stand inside one; `length`: none yet. */
static size_t text_end(const uint8_t *data, size_t start, size_t length)
{
	size_t i = start;
	while (i < length && data[i] != ASTM_ETX && data[i] != ASTM_ETB && data[i] != ASTM_STX && data[i] != ASTM_ENQ &&
		data[i] != ASTM_EOT)
		i++;
	return i;
}

/* With ETX or ETB at `end`: the frame's length with its checksum. What follows (CR LF, LF, nothing) is passed over.
 * Where nothing more comes, there is no checksum, or half a one. */
static int with_checksum(const struct astm_options *options, const uint8_t *data, size_t end, size_t length, bool idle)
{
	if (options->checksum == ASTM_CHECKSUM_NONE)
		return (int)end + 1;
	for (size_t at = end + 1; at <= end + 2; at++) {
		if (at >= length)
			return idle ? (int)length : FRAME_MORE;
		if (hex_digit(data[at]) < 0)
			return (int)at;
	}
	return (int)end + 3;
}

/* How much of a long frame is taken at once: whole records. */
static int piece_length(const uint8_t *data, size_t length)
{
	unsigned ends = 0;
	for (size_t i = 0; i < length; i++) {
		if (data[i] != '\r' && data[i] != '\n')
			continue;
		if (++ends >= ASTM_PIECE_ENDS || i + 1 >= ASTM_PIECE)
			return (int)i + 1;
	}
	return (int)length;
}

static int framed_length(
	const struct astm_options *options, const uint8_t *data, size_t length, bool inside, bool idle, bool *ret_whole)
{
	size_t end = text_end(data, inside ? 0 : 1, length);
	if (end == length && length < FRAME_MAX)
		return FRAME_MORE;
	if (end == length || (data[end] != ASTM_ETX && data[end] != ASTM_ETB)) {
		/* Broken off. It never ends as a piece does, by which take() tells them apart. */
		while (end > 1 && (data[end - 1] == '\r' || data[end - 1] == '\n'))
			end--;
		return (int)end;
	}
	*ret_whole = true;
	return with_checksum(options, data, end, length, idle);
}

int astm_frame(const struct astm_state *state, const struct astm_options *options, const uint8_t *data, size_t length,
	bool idle)
{
	bool whole = false;
	if (!state->inside && (data[0] != ASTM_STX || options->framing == ASTM_BARE)) {
		if (is_control(data[0]) || data[0] == '\r' || data[0] == '\n')
			return 1;
		bool framed =
			options->framing == ASTM_FRAMED || (state->framed && options->framing == ASTM_FRAMING_AUTO);
		if (framed || data[0] < ' ' || data[0] >= 0x7F)
			return FRAME_NONE;
		return line_length(data, length);
	}
	int total = framed_length(options, data, length, state->inside, idle, &whole);
	if (total <= 0 || !whole)
		return total;
	/* A long frame is believed as a whole before its first piece is taken. */
	int piece = piece_length(data, (size_t)total);
	if (piece < total && !state->inside && !astm_open_frame(state, options, data, (size_t)total).good)
		return total;
	return piece;
}

/* ---- what is inside ---- */

/* The sum as the sender meant it. Programs that store or forward a stream turn line ends around; frames they spoilt
 * in this way are still whole: LF for CR, CR LF for CR. */
static bool sum_fits(const struct astm_options *options, const uint8_t *data, size_t length, unsigned sum)
{
	unsigned plain = 0, turned = 0, joined = 0;
	for (size_t i = 0; i < length; i++) {
		plain += data[i];
		turned += data[i] == '\n' ? '\r' : data[i];
		joined += data[i] == '\n' && i > 0 && data[i - 1] == '\r' ? 0 : data[i] == '\n' ? '\r' : data[i];
	}
	if ((plain & 0xFF) == sum)
		return true;
	return options->checksum == ASTM_CHECKSUM_AUTO && ((turned & 0xFF) == sum || (joined & 0xFF) == sum);
}

static void strip_number(struct astm_text *text)
{
	text->number = -1;
	if (text->length == 0 || text->bytes[0] < '0' || text->bytes[0] > '9')
		return;
	text->number = text->bytes[0] - '0';
	text->bytes++;
	text->length--;
}

/* Where there are checksums, a frame without has lost it, and what else nobody knows. */
static bool without_checksum(const struct astm_options *options, bool sums, char reason[80])
{
	bool good = options->checksum == ASTM_CHECKSUM_NONE || (options->checksum == ASTM_CHECKSUM_AUTO && !sums);
	if (!good)
		snprintf(reason, 80, _("the frame has no checksum"));
	return good;
}

static bool check(const struct astm_options *options, const uint8_t *data, size_t end, size_t length, char reason[80])
{
	struct bytes bytes = bytes_of(data + end + 1, length - end - 1);
	int high = hex_digit(bytes_u8(&bytes)), low = hex_digit(bytes_u8(&bytes));
	if (bytes.failed || high < 0 || low < 0) {
		snprintf(reason, 80, _("the frame's checksum is no number"));
		return false;
	}
	unsigned sum = (unsigned)(high * 16 + low);
	if (sum_fits(options, data + 1, end, sum))
		return true;
	snprintf(reason, 80, _("checksum %02X where %02X would be right"), sum, checksum_sum8(data + 1, end));
	return false;
}

struct astm_text astm_open_frame(
	const struct astm_state *state, const struct astm_options *options, const uint8_t *data, size_t length)
{
	struct astm_text text = { .bytes = data + 1, .number = -1, .good = true };
	size_t end = text_end(data, 1, length);
	text.length = end - 1;
	if (end == length && data[end - 1] != '\r' && data[end - 1] != '\n') {
		text.good = false;
		snprintf(text.reason, sizeof(text.reason), _("the frame was broken off"));
	} else if (end < length) {
		text.complete = true;
		text.open = data[end] == ASTM_ETB;
		text.summed = end + 1 < length;
		text.good = text.summed ? check(options, data, end, length, text.reason)
		                        : without_checksum(options, state->sums, text.reason);
	}
	strip_number(&text);
	return text;
}

struct astm_text astm_open_rest(const uint8_t *data, size_t length)
{
	struct astm_text text = { .bytes = data, .number = -1, .good = true };
	text.length = text_end(data, 0, length);
	text.complete = text.length < length;
	text.open = text.complete && data[text.length] == ASTM_ETB;
	return text;
}
