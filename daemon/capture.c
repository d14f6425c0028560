#include "capture.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SECONDS_MAX 100000000 /* three years: what does not end is no time */
#define SHOWN_MAX   64        /* bytes that are shown as letters too */

static const char *const wires[] = { "bytes", "modbus-rtu", "modbus-tcp" };

const char *capture_wire_name(enum capture_wire wire)
{
	return wires[wire];
}

bool capture_says_so(const char *text, size_t length)
{
	size_t magic = sizeof(CAPTURE_MAGIC) - 1;
	return length >= magic && memcmp(text, CAPTURE_MAGIC, magic) == 0;
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

struct span { /* what is left of a line */
	const char *at, *end;
};

struct reader {
	struct capture *capture;
	size_t used, room; /* bytes used; items there is room for */
	const char *name;
	size_t line;
};

static int digit(char c)
{
	return isdigit((unsigned char)c)    ? c - '0'
	       : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10
	                                    : -1;
}

static void skip_blanks(struct span *span)
{
	while (span->at < span->end && isspace((unsigned char)*span->at))
		span->at++;
}

static int no_capture(const struct reader *reader, struct fault *fault)
{
	return fault_set(fault, EINVAL,
		_("%s:%zu: not a capture: wanted < or >, then +SECONDS, then pairs of hexadecimal digits; the first two may be missing"),
		reader->name, reader->line);
}

/* "+12.345": seconds and at most six places. False when it is none. */
static bool take_time(struct span *span, int64_t *ret_us)
{
	int64_t seconds = 0, micros = 0, place = 100000;
	const char *at = span->at + 1;
	if (at == span->end || !isdigit((unsigned char)*at))
		return false;
	for (; at < span->end && isdigit((unsigned char)*at) && seconds < SECONDS_MAX; at++)
		seconds = 10 * seconds + (*at - '0');
	if (at < span->end && *at == '.')
		for (at++; at < span->end && isdigit((unsigned char)*at) && place > 0; at++, place /= 10)
			micros += (*at - '0') * place;
	if (seconds >= SECONDS_MAX || (at < span->end && !isspace((unsigned char)*at)))
		return false;
	span->at = at;
	*ret_us = seconds * 1000000 + micros;
	return true;
}

static bool take_bytes(struct reader *reader, struct span *span)
{
	for (;;) {
		skip_blanks(span);
		if (span->at == span->end || *span->at == '#')
			return true;
		int high = digit(span->at[0]), low = span->end - span->at < 2 ? -1 : digit(span->at[1]);
		if (high < 0 || low < 0)
			return false;
		reader->capture->bytes[reader->used++] = (uint8_t)(high << 4 | low);
		span->at += 2;
	}
}

static struct capture_item *new_item(struct reader *reader)
{
	struct capture *capture = reader->capture;
	if (capture->count == reader->room) {
		size_t room = reader->room ? 2 * reader->room : 64;
		struct capture_item *items = reallocarray(capture->items, room, sizeof(*items));
		if (!items)
			return NULL;
		capture->items = items;
		reader->room = room;
	}
	return &capture->items[capture->count];
}

/* "# driver: astm" before the first bytes; anything else after # is a comment. */
static void take_head(struct capture_head *head, struct span span)
{
	static const size_t size = sizeof(head->driver);
	struct {
		const char *name;
		char *into;
	} texts[] = {
		{ "instrument:", head->instrument },
		{ "driver:", head->driver },
		{ "profile:", head->profile },
	};
	char line[96], value[48];
	span.at++;
	skip_blanks(&span);
	snprintf(line, sizeof(line), "%.*s", (int)(span.end - span.at), span.at);
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		if (strncmp(line, texts[i].name, strlen(texts[i].name)) == 0 &&
			sscanf(line + strlen(texts[i].name), "%47s", value) == 1)
			snprintf(texts[i].into, size, "%s", value);
	if (sscanf(line, "line: %23s", value) == 1)
		snprintf(head->line, sizeof(head->line), "%.23s", value);
	int unit;
	if (sscanf(line, "unit: %3d", &unit) == 1 && unit > 0 && unit < 256)
		head->unit = unit;
	for (size_t i = 0; i < sizeof(wires) / sizeof(*wires); i++)
		if (sscanf(line, "wire: %47s", value) == 1 && strcmp(value, wires[i]) == 0)
			head->wire = (enum capture_wire)i;
}

static int take_line(struct reader *reader, struct span span, struct fault *fault)
{
	struct capture *capture = reader->capture;
	skip_blanks(&span);
	if (span.at < span.end && *span.at == '#' && capture->count == 0)
		take_head(&capture->head, span);
	struct capture_item *item = new_item(reader);
	if (!item)
		return fault_set(fault, ENOMEM, _("%s: out of memory"), reader->name);
	*item = (struct capture_item){ .at_us = -1, .offset = reader->used };
	if (span.at < span.end && (*span.at == '<' || *span.at == '>')) {
		item->sent = *span.at++ == '>';
		skip_blanks(&span);
		if (span.at < span.end && *span.at == '+' && !take_time(&span, &item->at_us))
			return no_capture(reader, fault);
	}
	if (!take_bytes(reader, &span))
		return no_capture(reader, fault);
	item->length = reader->used - item->offset;
	capture->count += item->length > 0;
	return 0;
}

int capture_parse(const char *text, size_t length, const char *name, struct capture *ret, struct fault *fault)
{
	struct capture capture = { .bytes = malloc(length / 2 + 1) };
	struct reader reader = { .capture = &capture, .name = name };
	int error = capture.bytes ? 0 : fault_set(fault, ENOMEM, _("%s: out of memory"), name);
	for (const char *at = text, *end = text + length; !error && at < end;) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));
		stop = stop ? stop : end;
		reader.line++;
		error = take_line(&reader, (struct span){ at, stop }, fault);
		at = stop < end ? stop + 1 : end;
	}
	if (error)
		capture_free(&capture);
	else
		*ret = capture;
	return error;
}

int capture_read(FILE *file, const char *name, struct capture *ret, struct fault *fault)
{
	char *text = NULL;
	size_t length = 0, room = 0;
	int error = 0;
	while (!error) {
		if (length == room) {
			room = room ? 2 * room : 65536;
			char *more = room > CAPTURE_FILE_MAX ? NULL : realloc(text, room);
			if (!more && room <= CAPTURE_FILE_MAX) {
				error = fault_set(fault, ENOMEM, _("%s: out of memory"), name);
				break;
			}
			if (!more) {
				error = fault_set(fault, EFBIG, _("%s: a capture longer than %d MiB; cut it in pieces"),
					name, CAPTURE_FILE_MAX >> 20);
				break;
			}
			text = more;
		}
		size_t got = fread(text + length, 1, room - length, file);
		if (got == 0)
			break;
		length += got;
	}
	if (!error && ferror(file))
		error = fault_set(fault, errno ? errno : EIO, "%s: %s", name, strerror(errno ? errno : EIO));
	if (!error)
		error = capture_parse(text, length, name, ret, fault);
	free(text);
	return error;
}

void capture_free(struct capture *capture)
{
	free(capture->bytes);
	free(capture->items);
	*capture = (struct capture){ 0 };
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

static void write_text(FILE *file, const char *name, const char *value)
{
	if (*value)
		fprintf(file, "# %s: %s\n", name, value);
}

void capture_write_head(FILE *file, const struct capture_head *head)
{
	fprintf(file, CAPTURE_MAGIC "1\n");
	write_text(file, "instrument", head->instrument);
	write_text(file, "driver", head->driver);
	write_text(file, "profile", head->profile);
	write_text(file, "line", head->line);
	if (head->unit > 0)
		fprintf(file, "# unit: %d\n", head->unit);
	write_text(file, "wire", wires[head->wire]);
	if (head->wire != CAPTURE_BYTES)
		fputs("# only this unit's questions, and what was read in answer, wrong checksums too; an answer that broke "
		      "off is a comment\n",
			file);
}

static void write_time(FILE *file, int64_t at_us)
{
	fprintf(file, " +%" PRId64 ".%06" PRId64, at_us / 1000000, at_us % 1000000);
}

void capture_write_item(FILE *file, bool sent, int64_t at_us, const uint8_t *bytes, size_t length)
{
	fputc(sent ? '>' : '<', file);
	write_time(file, at_us);
	for (size_t i = 0; i < length; i++)
		fprintf(file, " %02x", bytes[i]);
	fputs(" # ", file);
	for (size_t i = 0; i < length && i < SHOWN_MAX; i++)
		fputc(bytes[i] >= ' ' && bytes[i] < 0x7F ? bytes[i] : '.', file);
	fputs(length > SHOWN_MAX ? "...\n" : "\n", file);
}

void capture_write_note(FILE *file, int64_t at_us, const char *note)
{
	fputc('#', file);
	write_time(file, at_us);
	fputc(' ', file);
	for (; *note; note++)
		fputc((unsigned char)*note < ' ' ? ' ' : *note, file); /* a text from outside cannot start a line */
	fputc('\n', file);
}
