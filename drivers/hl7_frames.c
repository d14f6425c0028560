/* Where a frame of an hl7 stream ends: a message, with or without its blocks.
 *
 * A frame that begins with a start block and is whole ends with the end block, or, where several messages stand in one
 * block, with the line end before the next MSH; one that was broken off ends with neither, but where the sender is
 * known to write no end blocks. A frame that ends with neither and is longer than HL7_PART_MIN is the beginning of a
 * message that is too long to be held.
 */
#include <string.h>

#include "hl7.h"

static bool ends_line(uint8_t byte)
{
	return byte == '\r' || byte == '\n';
}

bool hl7_is_delimiter(uint8_t byte)
{
	bool letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
	return byte > ' ' && byte < 0x7F && !letter && !(byte >= '0' && byte <= '9');
}

/* Whether a message begins here: "MSH" and two delimiters. FRAME_MORE when it may become so. */
static int begins_message(const uint8_t *data, size_t length)
{
	static const uint8_t name[] = { 'M', 'S', 'H' };
	size_t known = length < sizeof(name) ? length : sizeof(name);
	if (memcmp(data, name, known) != 0)
		return FRAME_NONE;
	if (length < 5)
		return length < 4 || hl7_is_delimiter(data[3]) ? FRAME_MORE : FRAME_NONE;
	return hl7_is_delimiter(data[3]) && hl7_is_delimiter(data[4]) && data[3] != data[4] ? 1 : FRAME_NONE;
}

#define BEGINS_MAX 6 /* bytes by which it is known */

/* The same behind noise, in the middle of a line: with one delimiter more, so that no field is taken for it. */
static bool begins_anywhere(const uint8_t *data, size_t length)
{
	return length >= BEGINS_MAX && begins_message(data, length) > 0 && hl7_is_delimiter(data[5]) &&
	       data[5] != data[3] && data[5] != data[4];
}

/* The end of what begins at `from`: behind the end block, before another start block, or with the last line before
 * another MSH, unless it is the first. FRAME_MORE where there is none yet. */
static int message_end(const uint8_t *data, size_t length, bool block)
{
	bool headed = !block;
	size_t line = 1; /* where the last one began */
	for (size_t i = 1; i < length; i++) {
		if (data[i] == HL7_END)
			return (int)i + 1;
		if (data[i] == HL7_START)
			return (int)i;
		if (ends_line(data[i]))
			line = i + 1;
		if (data[i] != 'M')
			continue;
		int begins = i == line ? begins_message(data + i, length - i) : FRAME_NONE;
		if (begins == FRAME_MORE)
			return FRAME_MORE;
		if (headed && begins == FRAME_NONE && line > 1 && begins_anywhere(data + i, length - i))
			return (int)line;
		if (begins > 0 && headed)
			return (int)i;
		headed = headed || begins > 0;
	}
	return FRAME_MORE;
}

static bool ends_text(uint8_t byte)
{
	return ends_line(byte) || byte == HL7_END || byte == HL7_START;
}

/* Whether another message begins behind the line ends at the front, or in the middle of the line behind them. */
static int begins_behind(const uint8_t *data, size_t length, size_t blank)
{
	int begins = begins_message(data + blank, length - blank);
	size_t end = length < blank + HL7_PIECE_MAX ? length : blank + HL7_PIECE_MAX;
	for (size_t i = blank; begins == FRAME_NONE && i < end && !ends_text(data[i]); i++)
		if (begins_anywhere(data + i, length - i))
			begins = 1;
	return begins;
}

/* A piece of a message that is too long: the line ends at the front, and what follows up to the next, or as much as
 * there is. Line ends alone are the end of the message: another one follows, or, where no end block is to come,
 * nothing.
 */
static int piece(const struct hl7_state *state, const uint8_t *data, size_t length, bool idle)
{
	bool unblocked = !state->block || state->unended;
	size_t blank = 0;
	while (blank < length && ends_line(data[blank]))
		blank++;
	if (blank == length)
		return idle && unblocked ? (int)length : FRAME_MORE;
	if (data[blank] == HL7_START && blank > 0 && unblocked)
		return (int)blank;
	if (data[blank] == HL7_END || data[blank] == HL7_START)
		return (int)blank + 1;
	int begins = blank > 0 ? begins_behind(data, length, blank) : FRAME_NONE;
	if (begins > 0)
		return (int)blank;
	if (begins == FRAME_MORE && !idle)
		return FRAME_MORE;
	for (size_t i = blank; i < length && i < blank + HL7_PIECE_MAX; i++)
		if (ends_text(data[i]))
			return (int)i;
	if (length >= blank + HL7_PIECE_MAX + BEGINS_MAX)
		return (int)blank + HL7_PIECE_MAX;
	return idle ? (int)length : FRAME_MORE;
}

/* Nothing more comes, or another start block. A message in blocks was broken off: it does not end as a whole one does;
 * take() sees by the line ends that follow whether it stopped between two lines. */
static int cut_off(const struct hl7_state *state, const uint8_t *data, size_t length)
{
	if (data[0] != HL7_START || state->unended)
		return (int)length;
	while (length > 1 && ends_line(data[length - 1]))
		length--;
	return (int)length;
}

/* The beginning of a message that is too long. It never ends with its line: the line ends that follow tell, with what
 * stands behind them, whether the message ends there. */
static int beginning(const uint8_t *data)
{
	int length = HL7_WHOLE_MAX;
	while (length > 1 && ends_line(data[length - 1]))
		length--;
	return length;
}

int hl7_frame(const struct hl7_state *state, bool idle, const uint8_t *data, size_t length)
{
	if (state->inside)
		return piece(state, data, length, idle);
	if (data[0] == HL7_END || ends_line(data[0]))
		return 1;
	bool block = data[0] == HL7_START;
	int begins = block ? 1 : begins_message(data, length);
	if (begins <= 0)
		return begins;
	int end = message_end(data, length < HL7_WHOLE_MAX ? length : HL7_WHOLE_MAX, block);
	if (block && end > 1 && data[end - 1] != HL7_END && (size_t)end < length && data[end] == HL7_START)
		return cut_off(state, data, (size_t)end);
	if (end > 0)
		return end;
	if (length >= HL7_WHOLE_MAX)
		return beginning(data);
	return idle ? cut_off(state, data, length) : FRAME_MORE;
}
