/* The acknowledgement of an hl7 message, in the shape of the message. */
#include <stdio.h>
#include <string.h>

#include "hl7.h"

#define NAME_MAX_BYTES 120 /* of the sender's and our own name, as much as is given back */
#define ID_MAX         199 /* of the message, as the standard allows */

struct writer {
	uint8_t *bytes;
	size_t length, size;
};

static void put_bytes(struct writer *writer, const void *bytes, size_t length)
{
	if (length > writer->size - writer->length)
		length = writer->size - writer->length;
	if (length)
		memcpy(writer->bytes + writer->length, bytes, length);
	writer->length += length;
}

static void put_byte(struct writer *writer, uint8_t byte)
{
	put_bytes(writer, &byte, 1);
}

static void put_text(struct writer *writer, const char *text)
{
	put_bytes(writer, text, strlen(text));
}

static void put_field(struct writer *writer, struct field field, size_t most)
{
	put_bytes(writer, field.at, field.length < most ? field.length : most);
}

/* ---- what the sender wants ---- */

enum wish { WISH_NONE, WISH_ALWAYS, WISH_NEVER, WISH_ERROR, WISH_SUCCESS };

/* Some makers put words of their own here: they wait for an answer like anybody else. */
static enum wish wish(struct field field)
{
	if (delimited_blank(field) || hl7_says(field, "\"\""))
		return WISH_NONE;
	if (hl7_says(field, "NE"))
		return WISH_NEVER;
	if (hl7_says(field, "ER"))
		return WISH_ERROR;
	return hl7_says(field, "SU") ? WISH_SUCCESS : WISH_ALWAYS;
}

static bool wanted(enum wish wish, bool success)
{
	return wish == WISH_ALWAYS || (wish == WISH_ERROR && !success) || (wish == WISH_SUCCESS && success);
}

/* 'A' for the answer of an application, 'C' for a receipt, 0 for none. Without wishes the answer is an application's,
 * and where both are wished it is that one: to us a message is received when it is stored. */
static char answer_mode(const struct hl7_segment *header, bool success)
{
	enum wish receipt = wish(hl7_field(header, 15)), application = wish(hl7_field(header, 16));
	if (receipt == WISH_NONE && application == WISH_NONE)
		return 'A';
	if (wanted(application, success))
		return 'A';
	return wanted(receipt, success) ? 'C' : '\0';
}

/* ---- writing ---- */

/* ACK with the event of the message; the oldest versions know only ACK, the newer repeat it as the structure. */
static void put_type(struct writer *writer, const struct hl7_segment *header)
{
	struct field type = hl7_field(header, 9), event = hl7_component(header, type, 2);
	struct field version = hl7_field(header, 12);
	uint8_t component = header->message->delimiters.component;
	put_text(writer, "ACK");
	if (delimited_blank(event) || hl7_starts(version, "2.1") || hl7_starts(version, "2.2"))
		return;
	put_byte(writer, component);
	put_field(writer, event, 20);
	if (delimited_blank(hl7_component(header, type, 3)))
		return;
	put_byte(writer, component);
	put_text(writer, "ACK");
}

static void put_time(struct writer *writer, const struct date_time *now)
{
	char text[48];
	snprintf(text, sizeof(text), "%04d%02d%02d%02d%02d%02d", now->year % 10000, now->month, now->day, now->hour,
		now->minute, now->second);
	put_text(writer, text);
}

/* MSH-3 to MSH-6 change places; identity, version and encoding are the sender's. MSH-16 is given back where it is not a
 * wish but a number that says what the message was. */
static void put_header(struct writer *writer, const struct hl7_segment *header, const struct date_time *now)
{
	static const unsigned back[] = { 5, 6, 3, 4 };
	uint8_t delimiter = header->message->delimiters.field;
	struct field what = hl7_field(header, 16), charset = hl7_field(header, 18);
	put_text(writer, "MSH");
	put_byte(writer, delimiter);
	put_field(writer, hl7_field(header, 2), 8);
	for (size_t i = 0; i < 4; i++) {
		put_byte(writer, delimiter);
		put_field(writer, hl7_field(header, back[i]), NAME_MAX_BYTES);
	}
	put_byte(writer, delimiter);
	put_time(writer, now);
	put_byte(writer, delimiter);
	put_byte(writer, delimiter);
	put_type(writer, header);
	for (unsigned number = 10; number <= 18; number++) {
		if (number > 12 && delimited_blank(charset) && !hl7_says(what, "0") && !hl7_says(what, "1") &&
			!hl7_says(what, "2"))
			break;
		put_byte(writer, delimiter);
		if (number <= 12)
			put_field(writer, hl7_field(header, number), ID_MAX);
		else if (number == 18)
			put_field(writer, charset, 32);
		else if (number == 16 && what.length == 1)
			put_field(writer, what, 1);
	}
	put_byte(writer, '\r');
}

/* The error's number has a field of its own in the versions that analyzers of our makers speak. */
static void put_result(
	struct writer *writer, const struct hl7_segment *header, const struct hl7_answer *answer, char mode)
{
	uint8_t delimiter = header->message->delimiters.field;
	const char *number = answer->code == 'A' ? "0" : answer->code == 'R' ? "200" : "100";
	put_text(writer, "MSA");
	put_byte(writer, delimiter);
	put_byte(writer, (uint8_t)mode);
	put_byte(writer, (uint8_t)answer->code);
	put_byte(writer, delimiter);
	put_field(writer, hl7_field(header, 10), ID_MAX);
	put_byte(writer, delimiter);
	put_text(writer, answer->text);
	if (hl7_starts(hl7_field(header, 12), "2.3")) {
		for (int i = 0; i < 3; i++)
			put_byte(writer, delimiter);
		put_text(writer, number);
		put_byte(writer, delimiter);
	}
	put_byte(writer, '\r');
}

void hl7_owe(struct hl7_state *state, char code, const char *text)
{
	struct hl7_answer *answer = &state->answer;
	struct hl7_segment header = hl7_segment_at(&state->message, 0);
	bool headed = hl7_is(&header, "MSH") && header.whole.length >= 8;
	*answer = (struct hl7_answer){ .owed = true, .code = code, .text = text };
	if (!headed)
		return;
	answer->header_length = header.whole.length < HL7_HEADER_MAX ? header.whole.length : HL7_HEADER_MAX;
	memcpy(answer->header, header.whole.at, answer->header_length);
}

void hl7_answer(struct instrument *instrument, struct request *request)
{
	static const char plain[] = "MSH|^~\\&|||||||ACK||P|2.3.1";
	struct hl7_state *state = instrument->state;
	struct hl7_answer *answer = &state->answer;
	struct hl7_message *message = &state->message; /* given out and stored: its delimiters and place are free */
	answer->owed = false;
	hl7_message_reset(message);
	if (answer->header_length)
		hl7_gather(message, answer->header, answer->header_length);
	else
		hl7_gather(message, (const uint8_t *)plain, sizeof(plain) - 1);
	hl7_open(message, DELIMITED_AUTO);
	struct hl7_segment header = hl7_segment_at(message, 0);
	char mode = answer_mode(&header, answer->code == 'A');
	if (!mode)
		return;
	struct writer writer = { .bytes = request->bytes, .size = sizeof(request->bytes) - 2 };
	put_byte(&writer, HL7_START);
	put_header(&writer, &header, &instrument->now);
	put_result(&writer, &header, answer, mode);
	writer.size += 2;
	put_byte(&writer, HL7_END);
	put_byte(&writer, '\r');
	request->kind = REQUEST_BYTES;
	request->length = writer.length;
	request->unanswered = true; /* nothing need come for it */
}
