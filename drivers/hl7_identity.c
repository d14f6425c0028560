/* By what an hl7 result is known again. */
#include <string.h>

#include "hl7.h"

static uint64_t hash(const uint8_t *data, size_t length) /* FNV-1a */
{
	uint64_t value = 0xCBF29CE484222325;
	for (size_t i = 0; i < length; i++)
		value = (value ^ data[i]) * 0x100000001B3;
	return value;
}

static void put(struct hl7_state *state, const struct hl7_segment *segment)
{
	if (segment->whole.length == 0)
		return;
	memcpy(state->raw + state->raw_length, segment->whole.at, segment->whole.length);
	state->raw_length += segment->whole.length;
	state->raw[state->raw_length++] = '\r';
}

static unsigned alike(struct hl7_state *state, uint64_t print)
{
	unsigned count = 0, known = state->alike_at < HL7_ALIKE_MAX ? state->alike_at : HL7_ALIKE_MAX;
	for (unsigned i = 0; i < known; i++)
		count += state->alike[i] == print;
	state->alike[state->alike_at++ % HL7_ALIKE_MAX] = print;
	return count;
}

static void put_comments(struct hl7_state *state, size_t at, size_t end)
{
	struct hl7_segment segment = hl7_segment_at(&state->message, at);
	size_t from = at + segment.whole.length + 1;
	if (at == HL7_NONE || from >= end)
		return;
	memcpy(state->raw + state->raw_length, state->message.kept + from, end - from);
	state->raw_length += end - from;
}

/* The result itself says which it is: what was tested, and the second in which. A message sent again from memory has
 * another MSH. */
static bool tells_itself(const struct hl7_parts *of, const struct reading *reading)
{
	struct date_time when;
	bool second = delimited_time(hl7_field(&of->result, 14), 14, &when) ||
	              delimited_time(hl7_field(&of->result, 19), 14, &when);
	return second && *reading->sample_no;
}

/* The raw bytes are the segments the reading was made of, which decode to the same again. They are its identity; with
 * their header, where the result does not tell itself: the same message again is the same results, another message
 * others. */
void hl7_identify(struct hl7_state *state, const struct hl7_parts *of, struct reading *reading)
{
	size_t start = state->raw_length;
	put(state, &of->header);
	size_t identity = tells_itself(of, reading) ? state->raw_length : start;
	put(state, &of->specimen);
	put(state, &of->container);
	put(state, &of->order);
	put_comments(state, state->order, of->order_end);
	put(state, &of->result);
	put_comments(state, of->result_at, of->result_end);
	reading->raw = state->raw + start;
	reading->raw_length = state->raw_length - start;
	reading->identity = state->raw + identity;
	reading->identity_length = state->raw_length - identity;
	reading->repeatable = state->message.timed || *reading->tested_at;
	reading->repeat = alike(state, hash(reading->identity, reading->identity_length));
}
