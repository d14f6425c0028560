/* Frames that never came whole, and what they took with them. A result belongs to the order before it; when a frame
 * that may have held an order is lost, whose the next results are is not known any more.
 *
 * What decides, at each good frame, whether one before it is missing:
 *   1. Its number is the next (7 is followed by 0) or the same as the last good one's, or either has none: none is.
 *   2. Bad frames in between, or a header that begins to count anew, account for the gap: none but those.
 *   3. The instrument counts: twice in a row its numbers were the next. Then one is. Many do not count.
 *   4. It is not known whether it does, and the last good frame ended inside a record: then one is, as halves of two
 *      results would make a third. Once only: its numbers have proved to mean nothing.
 * A bad frame came again where the number is the next, or, where numbers say nothing, where the good one equals it but
 * for one place. Else it is lost: what it may have held an order is forgotten with it, and no record is joined across
 * it.
 */
#include <stdio.h>
#include <string.h>

#include "astm.h"

/* An order or a person anywhere: the line end before it may be what is damaged. */
static bool hides_order(const uint8_t *text, size_t length, uint8_t delimiter)
{
	for (size_t i = 0; i + 2 < length; i++)
		if (strchr("OPop", text[i]) && text[i] && text[i + 1] == delimiter && text[i + 2] >= '0' &&
			text[i + 2] <= '9')
			return true;
	return false;
}

/* ---- telling ---- */

struct notice *astm_tell(struct astm_state *state, struct readings *readings, const uint8_t *data, size_t length)
{
	size_t kept = length < ASTM_TOLD_KEPT ? length : ASTM_TOLD_KEPT;
	bool room = kept <= sizeof(state->kept) - state->kept_length;
	struct notice *notice = room ? readings_notice(readings, NOTICE_UNDECODABLE) : NULL;
	if (!notice) {
		readings->rejected++;
		return NULL;
	}
	notice->raw = state->kept + state->kept_length;
	notice->raw_length = kept;
	memcpy(state->kept + state->kept_length, data, kept);
	state->kept_length += kept;
	return notice;
}

static void tell_bad(struct astm_state *state, struct readings *readings)
{
	if (state->bad_told)
		return;
	state->bad_told = true;
	size_t kept = state->bad_length < ASTM_BAD_KEPT ? state->bad_length : ASTM_BAD_KEPT;
	struct notice *notice = astm_tell(state, readings, state->bad_frame, kept);
	if (notice)
		snprintf(notice->reason, sizeof(notice->reason), _("%s, and it did not come again"), state->bad_reason);
}

void astm_tell_rest(struct astm_state *state, const uint8_t *data, size_t length, struct readings *readings)
{
	if (hides_order(data, length, state->message.delimiters.field))
		astm_forget_order(&state->message);
	struct notice *notice = length > 0 ? astm_tell(state, readings, data, length) : NULL;
	if (notice)
		snprintf(notice->reason, sizeof(notice->reason), _("the rest of a record, whose beginning is lost"));
}

/* Half a record, the rest of which is lost. That of the end says nothing, that of a person is nobody's matter. */
static void tell_part(struct astm_state *state, struct readings *readings)
{
	size_t at;
	uint8_t letter = astm_letter(state->part, state->part_length, &at);
	if (state->skip) {
		astm_tell_rest(state, state->part, state->part_length, readings);
	} else if (state->part_length > 0 && letter != 'L' && letter != 'P') {
		struct notice *notice = astm_tell(state, readings, state->part, state->part_length);
		if (notice)
			snprintf(notice->reason, sizeof(notice->reason), _("a record began, and its end did not come"));
	}
	state->part_length = 0;
	state->part_long = false;
}

void astm_tell_broken(struct astm_state *state, struct readings *readings)
{
	if (state->bad)
		tell_bad(state, readings);
	tell_part(state, readings);
}

/* ---- a bad frame ---- */

/* R, C, M and S stand beside the results of the order before them: it holds on when they are lost. */
static bool is_beside(uint8_t letter)
{
	return letter == 'R' || letter == 'C' || letter == 'M' || letter == 'S';
}

/* Whether every record of the frame can only be one that leaves the order standing. */
static bool leaves_order(const struct astm_state *state, const struct astm_text *text)
{
	uint8_t delimiter = state->message.delimiters.field;
	if (!text->complete || hides_order(text->bytes, text->length, delimiter))
		return false;
	size_t first;
	if (state->part_length > 0 && !is_beside(astm_letter(state->part, state->part_length, &first)))
		return false;
	bool begins = state->part_length == 0 && !state->skip;
	for (size_t i = 0; i < text->length; i++) {
		bool end = text->bytes[i] == '\r' || text->bytes[i] == '\n';
		size_t at = 0;
		if (begins && !end) {
			uint8_t letter = astm_letter(text->bytes + i, text->length - i, &at);
			bool cut = i + at + 1 >= text->length; /* before its delimiter */
			if (!is_beside(letter) || !(cut || text->bytes[i + at + 1] == delimiter))
				return false;
		}
		begins = end;
	}
	return true;
}

void astm_note_bad(struct astm_state *state, const struct reply *reply, const struct astm_text *text, bool told,
	struct readings *readings)
{
	state->zero = state->zero || text->number == 0;
	uint8_t last = text->length ? text->bytes[text->length - 1] : 0;
	bool other = !state->bad || text->number != state->bad_number;
	if (state->bad && other) /* its bytes make room for these */
		tell_bad(state, readings);
	state->bad_frames += other;
	state->bad_doubt = (state->bad && state->bad_doubt) || !leaves_order(state, text);
	state->bad_told = told || (!other && state->bad_told);
	state->bad = true;
	state->bad_number = text->number;
	state->bad_open = text->complete ? text->open && last != '\r' && last != '\n' : state->cuts;
	state->bad_length = reply->length;
	memcpy(state->bad_frame, reply->bytes, reply->length < ASTM_BAD_KEPT ? reply->length : ASTM_BAD_KEPT);
	snprintf(state->bad_reason, sizeof(state->bad_reason), "%s", text->reason);
}

/* ---- the good one behind it ---- */

/* As it should: 0 follows 7. Some count on to 9; some leave out the 0, which is believed the second time. */
static bool follows(const struct astm_state *state, int number)
{
	int last = state->number;
	if (last < 0 || number < 0)
		return false;
	return number == (last + 1) % 8 || number == (last + 1) % 10 ||
	       (last == 7 && number == 1 && state->zero_missing && !state->zero);
}

/* Neither the next nor the same. */
static bool strays(const struct astm_state *state, int number)
{
	return state->number >= 0 && number >= 0 && number != state->number && !follows(state, number);
}

/* Whether a number that strays is believed. */
static bool counts(const struct astm_state *state)
{
	return state->in_step >= ASTM_IN_STEP || (state->part_length > 0 && !state->strayed);
}

static unsigned missing(const struct astm_state *state, int number)
{
	return (unsigned)(number - state->number - 1 + 16) % 8;
}

/* The bad frame as it should have been: of the same length, and damaged in one place. */
static bool alike_to_bad(const struct astm_state *state, const struct reply *reply)
{
	if (!state->bad || reply->length != state->bad_length)
		return false;
	size_t length = reply->length < ASTM_BAD_KEPT ? reply->length : ASTM_BAD_KEPT, first = length, last = 0;
	for (size_t i = 0; i < length; i++) {
		if (reply->bytes[i] == state->bad_frame[i])
			continue;
		first = first < i ? first : i;
		last = i;
	}
	return first == length || last - first < 2 + length / 16;
}

/* A message begins, and with it the numbers. */
static bool begins_anew(const struct astm_state *state, const struct astm_text *text)
{
	size_t at;
	return text->number <= 1 && astm_letter(text->bytes, text->length, &at) == 'H' && at + 1 < text->length &&
	       text->bytes[at + 1] == state->message.delimiters.field;
}

static void tell_missing(const struct astm_state *state, int number, struct readings *readings)
{
	struct notice *notice = readings_notice(readings, NOTICE_UNDECODABLE);
	if (notice)
		snprintf(notice->reason, sizeof(notice->reason),
			_("frame %d follows frame %d: what stood between is lost; results have no sample until the next order"),
			number, state->number);
}

static void count_on(struct astm_state *state, int number, bool jump, bool explained)
{
	if (follows(state, number))
		state->in_step += state->in_step < ASTM_IN_STEP;
	else if (strays(state, number) && !jump && !explained)
		state->in_step = 0;
	state->strayed = state->strayed || (strays(state, number) && !explained);
	if (state->number == 7 && number == 1 && !explained)
		state->zero_missing = true;
	state->number = number;
	state->bad = false;
	state->bad_frames = 0;
}

void astm_mend(
	struct astm_state *state, const struct reply *reply, const struct astm_text *text, struct readings *readings)
{
	state->zero = state->zero || text->number == 0;
	int number = text->number;
	bool jump = strays(state, number) && counts(state), alike = alike_to_bad(state, reply);
	unsigned never_whole = state->bad_frames - (alike && state->bad_frames > 0);
	bool explained = strays(state, number) && missing(state, number) <= never_whole;
	bool lost = state->bad && !follows(state, number) && (jump || !alike);
	bool unseen = jump && !explained && !begins_anew(state, text);
	if (lost)
		tell_bad(state, readings);
	if (unseen)
		tell_missing(state, number, readings);
	if (lost || unseen) {
		tell_part(state, readings);
		state->skip = (lost && state->bad_open) || (unseen && state->cuts);
	}
	if (unseen || (lost && state->bad_doubt))
		astm_forget_order(&state->message);
	count_on(state, number, jump, explained);
}
