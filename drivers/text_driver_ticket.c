/* Printed tickets: the bytes on their way to a thermal printer, ESC/POS commands between lines of text.
 *
 * Lengths of commands are those of the printers' public command references (ESC/POS); a command that stands in no line
 * of the table has the two bytes every one has, and its parameters, if any, are read as text.
 */
#include "text_driver.h"

#include <string.h>

#define ESC 0x1B
#define FS  0x1C
#define GS  0x1D
#define DLE 0x10

enum tail {
	TAIL_NONE,
	TAIL_CUT,     /* ends the ticket */
	TAIL_GS_V,    /* m 65 and above have one byte more; ends the ticket */
	TAIL_NUL,     /* data up to a NUL */
	TAIL_LENGTH,  /* the last two bytes of the head are the length of what follows, low byte first */
	TAIL_COLUMNS, /* ESC *: one byte a column, three when m >= 32 */
	TAIL_RASTER,  /* GS v 0: bytes of width times lines */
	TAIL_BARCODE, /* GS k: NUL behind it, or a length before it when m >= 65 */
	TAIL_BITMAP,  /* GS *: x times y times 8 bytes */
};

static const struct command {
	uint8_t lead, code, head; /* head: bytes of fixed length, lead and code among them */
	enum tail tail;
} commands[] = {
	{ ESC, '!', 3, TAIL_NONE },
	{ ESC, ' ', 3, TAIL_NONE },
	{ ESC, '$', 4, TAIL_NONE },
	{ ESC, '%', 3, TAIL_NONE },
	{ ESC, '*', 5, TAIL_COLUMNS },
	{ ESC, '-', 3, TAIL_NONE },
	{ ESC, '3', 3, TAIL_NONE },
	{ ESC, '=', 3, TAIL_NONE },
	{ ESC, 'D', 2, TAIL_NUL },
	{ ESC, 'E', 3, TAIL_NONE },
	{ ESC, 'G', 3, TAIL_NONE },
	{ ESC, 'J', 3, TAIL_NONE },
	{ ESC, 'K', 3, TAIL_NONE },
	{ ESC, 'M', 3, TAIL_NONE },
	{ ESC, 'R', 3, TAIL_NONE },
	{ ESC, 'T', 3, TAIL_NONE },
	{ ESC, 'V', 3, TAIL_NONE },
	{ ESC, 'W', 10, TAIL_NONE },
	{ ESC, '\\', 4, TAIL_NONE },
	{ ESC, 'a', 3, TAIL_NONE },
	{ ESC, 'c', 4, TAIL_NONE },
	{ ESC, 'd', 3, TAIL_NONE },
	{ ESC, 'e', 3, TAIL_NONE },
	{ ESC, 'i', 2, TAIL_CUT },
	{ ESC, 'm', 2, TAIL_CUT },
	{ ESC, 'p', 5, TAIL_NONE },
	{ ESC, 'r', 3, TAIL_NONE },
	{ ESC, 't', 3, TAIL_NONE },
	{ ESC, '{', 3, TAIL_NONE },
	{ FS, '!', 3, TAIL_NONE },
	{ FS, '-', 3, TAIL_NONE },
	{ FS, '2', 76, TAIL_NONE },
	{ FS, 'C', 3, TAIL_NONE },
	{ FS, 'S', 4, TAIL_NONE },
	{ FS, 'W', 3, TAIL_NONE },
	{ FS, 'p', 4, TAIL_NONE },
	{ GS, '!', 3, TAIL_NONE },
	{ GS, '$', 4, TAIL_NONE },
	{ GS, '(', 5, TAIL_LENGTH },
	{ GS, '*', 4, TAIL_BITMAP },
	{ GS, '/', 3, TAIL_NONE },
	{ GS, 'B', 3, TAIL_NONE },
	{ GS, 'H', 3, TAIL_NONE },
	{ GS, 'I', 3, TAIL_NONE },
	{ GS, 'L', 4, TAIL_NONE },
	{ GS, 'P', 4, TAIL_NONE },
	{ GS, 'V', 3, TAIL_GS_V },
	{ GS, 'W', 4, TAIL_NONE },
	{ GS, '\\', 4, TAIL_NONE },
	{ GS, '^', 5, TAIL_NONE },
	{ GS, 'a', 3, TAIL_NONE },
	{ GS, 'b', 3, TAIL_NONE },
	{ GS, 'f', 3, TAIL_NONE },
	{ GS, 'h', 3, TAIL_NONE },
	{ GS, 'k', 3, TAIL_BARCODE },
	{ GS, 'r', 3, TAIL_NONE },
	{ GS, 'v', 8, TAIL_RASTER },
	{ GS, 'w', 3, TAIL_NONE },
	{ DLE, 0x04, 3, TAIL_NONE },
	{ DLE, 0x05, 3, TAIL_NONE },
	{ DLE, 0x14, 5, TAIL_NONE },
};

bool text_printer_lead(uint8_t byte)
{
	return byte == ESC || byte == FS || byte == GS || byte == DLE;
}

static size_t up_to_nul(const uint8_t *at, size_t from, size_t left)
{
	const uint8_t *end = from < left ? memchr(at + from, 0, left - from) : NULL;
	return end ? (size_t)(end - at) + 1 : 0;
}

/* Bytes of a command whose head is there; 0 when more must be seen to tell. */
static size_t whole_length(const struct command *command, const uint8_t *at, size_t left)
{
	size_t head = command->head;
	switch (command->tail) {
	case TAIL_NONE:
	case TAIL_CUT:
		return head;
	case TAIL_GS_V:
		return at[2] >= 65 ? 4 : 3;
	case TAIL_NUL:
		return up_to_nul(at, head, left);
	case TAIL_LENGTH:
		return head + (size_t)(at[3] | at[4] << 8);
	case TAIL_COLUMNS:
		return head + (size_t)(at[3] | at[4] << 8) * (at[2] >= 32 ? 3 : 1);
	case TAIL_RASTER:
		return head + (size_t)(at[4] | at[5] << 8) * (size_t)(at[6] | at[7] << 8);
	case TAIL_BARCODE:
		if (at[2] < 65)
			return up_to_nul(at, head, left);
		return left < 4 ? 0 : 4 + (size_t)at[3];
	case TAIL_BITMAP:
		return head + (size_t)at[2] * at[3] * 8;
	}
	return head;
}

static const struct command *command_at(const uint8_t *at, size_t left)
{
	for (size_t i = 0; left >= 2 && i < sizeof(commands) / sizeof(commands[0]); i++)
		if (commands[i].lead == at[0] && commands[i].code == at[1])
			return &commands[i];
	return NULL;
}

size_t text_printer_command(const uint8_t *at, size_t left, bool *ret_cut)
{
	const struct command *command = command_at(at, left);
	*ret_cut = false;
	if (left < 2)
		return 0;
	if (!command)
		return at[0] == DLE ? 1 : 2;
	size_t length = left < command->head ? 0 : whole_length(command, at, left);
	if (length == 0 || length > left)
		return 0;
	*ret_cut = command->tail == TAIL_CUT || command->tail == TAIL_GS_V;
	return length;
}

/* Of a command that is not whole, though nothing more comes: a damaged length must not hide the text behind it. */
static size_t head_length(const uint8_t *at, size_t left)
{
	const struct command *command = command_at(at, left);
	size_t head = command ? command->head : 2;
	return head < left ? head : left;
}

static bool begins_again(const struct text_profile *profile, const uint8_t *at, size_t left)
{
	const struct text_literal *start = &profile->starts.list[0];
	return profile->starts.count > 0 && left >= start->length && memcmp(at, start->bytes, start->length) == 0;
}

/* Ends with the cut, where the next ticket begins, or when nothing more came for the idle gap. */
int text_ticket_frame(const struct text_profile *profile, const uint8_t *data, size_t length, bool idle)
{
	for (size_t at = 0; at < length && at < TEXT_TICKET_MAX;) {
		size_t left = length - at, step = 1;
		bool cut = false;
		if (at > 0 && begins_again(profile, data + at, left))
			return (int)at;
		if (text_printer_lead(data[at]))
			step = text_printer_command(data + at, left, &cut);
		if (step == 0 && !idle)
			break;
		if (step == 0)
			step = head_length(data + at, left);
		at += step;
		if (cut)
			return (int)at;
	}
	if (length >= TEXT_TICKET_MAX)
		return TEXT_TICKET_MAX; /* no printer's ticket: what stands in it is read all the same */
	return idle ? (int)length : FRAME_MORE;
}

/* Where the value begins behind the first colon, half or full width; NULL when there is none. */
static const char *behind_colon(const char *line, size_t *ret_label)
{
	const char *half = strchr(line, ':'), *full = strstr(line, "：");
	if (!half && !full)
		return NULL;
	bool first_full = full && (!half || full < half);
	const char *colon = first_full ? full : half;
	*ret_label = (size_t)(colon - line);
	return colon + (first_full ? strlen("：") : 1);
}

static void take_line(
	const struct text_profile *profile, const uint8_t *line, size_t length, struct text_record *record)
{
	char text[256], label[256];
	size_t label_length;
	unsigned marks = text_decode(profile->encoding, line, length, text, sizeof(text));
	const char *value = behind_colon(text, &label_length);
	if (!value || label_length == 0 || record->label_count == TEXT_LABELS_MAX)
		return;
	struct text_label *out = &record->labels[record->label_count++];
	memcpy(label, text, label_length);
	/* decoding once more takes the blanks off both ends */
	text_decode(TEXT_UTF8, label, label_length, out->label, sizeof(out->label));
	marks |= text_decode(TEXT_UTF8, value, strlen(value), out->value, sizeof(out->value));
	out->marks = marks;
	out->used = false;
}

void text_ticket_open(
	const struct text_profile *profile, const uint8_t *data, size_t length, struct text_record *record)
{
	uint8_t line[256];
	size_t used = 0;
	record->label_count = 0;
	for (size_t at = 0; at < length;) {
		bool cut;
		size_t step = 1;
		if (text_printer_lead(data[at])) {
			step = text_printer_command(data + at, length - at, &cut);
			at += step ? step : head_length(data + at, length - at);
			continue;
		}
		if (data[at] == '\n' || data[at] == '\r' || data[at] == '\f') {
			take_line(profile, line, used, record);
			used = 0;
		} else if (data[at] >= ' ' || data[at] == '\t') {
			if (used < sizeof(line))
				line[used++] = data[at];
		}
		at += step;
	}
	take_line(profile, line, used, record);
}
