/* Instruments that list their memory page by page, by a function of their own, such as an oil tester:
 *
 *     host    01 65 0000 0001 8C02                               page 0 please (and one record of it)
 *     tester  01 65 0A 1A 03 05 09 29 00 06DB 00EB F741          one record: 2026-03-05 09:41, 175.5 degrees, 23.5 %
 *     host    01 65 0001 0001 DDC2                               the page behind it ... and so on
 *     tester  01 65 02 0000 CRC                                  two bytes: no more
 *
 * A profile's [pages] say which function, what stands in the request, and how long record and end are. There are no
 * running numbers: a record is known by its bytes, and records alike to the last bit are counted. Reading is harmless.
 *
 * Where page 0 is the newest result, each new one moves all others by a page, also while they are read: then a record
 * would be seen twice and counted as two. So pages are read in short segments, and behind each the beginning of the
 * memory is looked at once more: so many records alike, and the one below them (the head). Only when it is where it was
 * the segment is taken; else it is read again, so many pages further on. What silence broke off goes on where it was,
 * and is looked at in the same way.
 *
 *     newest first   from page 0 until the head of the walk before (the cursor keeps it): what lies above is new. All
 *                    that was read is handed over; what is stored already has the same record id and stays as it is
 *     oldest first   the last page known must still hold the last record known, then the pages behind it are new; else
 *                    the memory was cleared, or is full and moves: it is read whole
 *
 * At the start and every `reconcile` the memory is read whole, to its end. That finds also what a head cannot show:
 * records alike with others between them, within one minute.
 */
#include "modbus.h"

#include <stdio.h>
#include <string.h>

#define FAILURES_MAX  20 /* segments in a row that moved under our eyes, before this poll is given up */
#define RECONCILE_MS  600000
#define SEEK_BEYOND   64 /* pages read beyond the walk in search of a head that moved */
#define BUSY_PAUSE_MS 50
#define BUSY_TRIES    10
#define FNV_START     UINT32_C(2166136261)
#define FNV_PRIME     UINT32_C(16777619)

static uint32_t print_of(const uint8_t *bytes, size_t length)
{
	uint32_t print = FNV_START;
	for (size_t i = 0; i < length; i++)
		print = (print ^ bytes[i]) * FNV_PRIME;
	return print;
}

/* ---- heads ---- */

/* True when this record completes the head: so many of the first kind, then the one below. */
static bool find(struct modbus_finder *finder, uint32_t print)
{
	const struct modbus_head *head = &finder->head;
	finder->fed++;
	bool found = head->closed && print == head->below && finder->same >= head->run;
	finder->same = print == head->first ? finder->same + 1 : 0;
	return found;
}

/* How far the head moved, when it was found behind `fed` records. */
static uint32_t moved_by(const struct modbus_finder *finder)
{
	return finder->fed - finder->head.run - finder->head.closed;
}

/* The head of this walk: as it was found, once its records have given way in a very long one. */
static struct modbus_head head_of(struct modbus_pages *pages)
{
	struct modbus_head head = { .first = pages->prints[0] };
	if (pages->walked > MODBUS_WALK_MAX)
		return pages->head;
	while (head.run < pages->walked && pages->prints[head.run] == head.first)
		head.run++;
	head.closed = head.run < pages->walked;
	head.below = head.closed ? pages->prints[head.run] : 0;
	pages->head = head;
	return head;
}

/* ---- walks ---- */

static bool newest_first(const struct instrument *instrument)
{
	const struct modbus_profile *profile = instrument->profile;
	return !profile->pages.oldest_first;
}

static bool listing_due(const struct instrument *instrument)
{
	const struct modbus_options *options = instrument->options;
	const struct modbus_pages *pages = &((const struct modbus_state *)instrument->state)->pages;
	int64_t now_s = modbus_now_s(instrument), period_ms = options ? options->reconcile_ms : RECONCILE_MS;
	return !pages->listed || now_s < pages->listed_s || (now_s - pages->listed_s) * 1000 >= period_ms;
}

static enum next rest(struct modbus_pages *pages)
{
	pages->resting = true;
	pages->held = 0;
	return NEXT_IDLE;
}

static void begin_walk(struct modbus_pages *pages, bool whole)
{
	pages->whole = whole;
	pages->resting = pages->over = pages->met = false;
	pages->step = MODBUS_WALKING;
	pages->page = pages->begun = pages->walked = pages->held = 0;
	pages->found = (struct modbus_finder){ .head = pages->last };
}

/* What is known is read first from where we left, so that new results need not wait for the whole memory. */
static void begin_poll(const struct instrument *instrument, struct modbus_pages *pages)
{
	bool due = listing_due(instrument);
	pages->failures = 0;
	if (newest_first(instrument)) {
		begin_walk(pages, due && (pages->caught_up || !pages->known));
	} else if (due || pages->walked == 0) {
		begin_walk(pages, true);
	} else {
		pages->resting = pages->over = false;
		pages->step = MODBUS_ANCHORING;
		pages->page = pages->walked - 1;
	}
}

void modbus_pages_begin(struct modbus_state *state)
{
	state->pages.segment = MODBUS_SEGMENT;
	state->pages.resting = true;
}

void modbus_pages_ask(const struct instrument *instrument, struct request *request)
{
	const struct modbus_profile *profile = instrument->profile;
	struct modbus_pages *pages = &((struct modbus_state *)instrument->state)->pages;
	if (pages->resting)
		begin_poll(instrument, pages);
	uint32_t page = pages->step == MODBUS_GUARDING ? pages->guard.fed : pages->page;
	request->kind = REQUEST_RAW;
	request->length = 1 + profile->pages.request_length;
	request->bytes[0] = (uint8_t)profile->pages.function;
	memcpy(request->bytes + 1, profile->pages.request, profile->pages.request_length);
	request->bytes[1 + profile->pages.page_at] = (uint8_t)(page >> 8);
	request->bytes[2 + profile->pages.page_at] = (uint8_t)page;
}

/* ---- records ---- */

void modbus_page_record(struct instrument *instrument, struct readings *readings)
{
	const struct modbus_profile *profile = instrument->profile;
	const struct modbus_state *state = instrument->state;
	size_t before = readings->count;
	char reason[MODBUS_SENTENCE_MAX] = "";
	if (modbus_record_read(instrument, NULL, readings, reason) == MODBUS_BLANK)
		readings->blanks++;
	else if (readings->count == before) {
		struct notice *notice = readings_notice(readings, NOTICE_UNDECODABLE);
		readings->rejected++;
		if (!notice)
			return;
		snprintf(notice->reason, sizeof(notice->reason), "%s", reason);
		notice->raw = state->image + state->record_at;
		notice->raw_length = (size_t)profile->pages.record;
	}
}

/* Of records alike to the last bit the deepest in the memory is counted last: their number is what matters. */
static uint32_t alike_before(const struct modbus_pages *pages, uint32_t index)
{
	uint32_t from = pages->walked > MODBUS_WALK_MAX ? pages->walked - MODBUS_WALK_MAX : 0, alike = 0;
	for (uint32_t i = from; i < index; i++)
		alike += pages->prints[i % MODBUS_WALK_MAX] == pages->prints[index % MODBUS_WALK_MAX];
	return alike;
}

/* Hands over what is held, the older ones first. */
static void give(struct instrument *instrument, struct readings *readings)
{
	const struct modbus_profile *profile = instrument->profile;
	struct modbus_state *state = instrument->state;
	struct modbus_pages *pages = &state->pages;
	for (uint32_t i = 0; i < pages->held; i++) {
		uint32_t place = profile->pages.oldest_first ? i : pages->held - 1 - i;
		size_t before = readings->count;
		state->record_at = place * (size_t)profile->pages.record;
		modbus_page_record(instrument, readings);
		if (readings->count > before)
			readings->list[before].repeat = alike_before(pages, pages->walked - pages->held + place);
	}
	pages->held = 0;
	pages->begun = pages->page;
	pages->failures = 0;
	if (pages->segment < MODBUS_SEGMENT)
		pages->segment *= 2;
}

static void hold(const struct modbus_profile *profile, struct modbus_state *state, const uint8_t *record)
{
	struct modbus_pages *pages = &state->pages;
	size_t length = (size_t)profile->pages.record;
	memcpy(state->image + pages->held++ * length, record, length);
	pages->prints[pages->walked++ % MODBUS_WALK_MAX] = print_of(record, length);
	pages->page++;
}

/* ---- turns ---- */

/* The segment is read again, in smaller steps, `by` pages further on. */
static void find_known(struct modbus_pages *pages, uint32_t print)
{
	pages->met |= pages->known && find(&pages->found, print);
}

static enum next again(struct modbus_pages *pages, uint32_t by)
{
	pages->walked -= pages->held;
	pages->held = 0;
	pages->page = pages->begun += by;
	pages->step = MODBUS_WALKING;
	pages->segment = pages->segment > 1 ? pages->segment / 2 : 1;
	pages->over = pages->met = false;
	pages->found = (struct modbus_finder){ .head = pages->last };
	for (uint32_t i = pages->walked > MODBUS_WALK_MAX ? pages->walked - MODBUS_WALK_MAX : 0; i < pages->walked; i++)
		find_known(pages, pages->prints[i % MODBUS_WALK_MAX]);
	return NEXT_ASK;
}

static enum next changed(const struct instrument *instrument, uint32_t by)
{
	struct modbus_pages *pages = &((struct modbus_state *)instrument->state)->pages;
	if (++pages->failures > FAILURES_MAX)
		return rest(pages);
	if (by > 0)
		return again(pages, by);
	pages->segment = pages->segment > 1 ? pages->segment / 2 : 1;
	begin_walk(pages, pages->whole || !newest_first(instrument));
	return NEXT_ASK;
}

static enum next finish_walk(struct instrument *instrument, struct readings *readings)
{
	struct modbus_state *state = instrument->state;
	struct modbus_pages *pages = &state->pages;
	pages->caught_up = true;
	if (pages->whole) {
		pages->listed = true;
		pages->listed_s = modbus_now_s(instrument);
	}
	if (pages->walked > 0 && newest_first(instrument)) {
		pages->known = true;
		pages->last = head_of(pages);
		modbus_cursor_write(state, readings->cursor);
	}
	return rest(pages);
}

static enum next guarded(struct instrument *instrument, struct readings *readings)
{
	struct modbus_pages *pages = &((struct modbus_state *)instrument->state)->pages;
	bool over = pages->over;
	pages->over = false;
	pages->step = MODBUS_WALKING;
	give(instrument, readings);
	return over ? finish_walk(instrument, readings) : NEXT_ASK;
}

/* Looks at the memory's beginning once more: a record, or NULL behind the last. */
static enum next take_guard(struct instrument *instrument, const uint8_t *record, struct readings *readings)
{
	const struct modbus_profile *profile = instrument->profile;
	struct modbus_pages *pages = &((struct modbus_state *)instrument->state)->pages;
	struct modbus_finder *guard = &pages->guard;
	bool found = record && find(guard, print_of(record, (size_t)profile->pages.record));
	if (!guard->head.closed) /* nothing but one kind so far: one more of it moves nothing that could be told */
		found = guard->same == guard->head.run;
	uint32_t by = found ? moved_by(guard) : 0, before = pages->page - pages->walked;
	if (found && by == before)
		return guarded(instrument, readings);
	if (found && by > before && newest_first(instrument))
		return changed(instrument, by - before);
	bool here = guard->fed == guard->same;
	if (!record || (!newest_first(instrument) && !here) || guard->fed > pages->page + SEEK_BEYOND)
		return changed(instrument, 0);
	return NEXT_ASK;
}

static enum next begin_guard(struct instrument *instrument, struct readings *readings, bool over)
{
	struct modbus_pages *pages = &((struct modbus_state *)instrument->state)->pages;
	pages->over = over;
	if (pages->held == 0)
		return guarded(instrument, readings);
	pages->guard = (struct modbus_finder){ .head = head_of(pages) };
	pages->step = MODBUS_GUARDING;
	return NEXT_ASK;
}

static void tell_lost(struct modbus_state *state, struct readings *readings)
{
	struct notice *notice = readings_notice(readings, NOTICE_COUNTER_RESTARTED);
	if (notice)
		snprintf(notice->reason, sizeof(notice->reason),
			_("the instrument no longer holds the result that was read last: its memory was cleared, or more "
			  "came than it holds and some are missing"));
	state->pages.known = false;
	modbus_cursor_write(state, readings->cursor);
}

static enum next take_end(struct instrument *instrument, struct readings *readings)
{
	struct modbus_state *state = instrument->state;
	struct modbus_pages *pages = &state->pages;
	/* What lay below the last known ones may have given way to new results; they themselves are the oldest then. */
	if (pages->known && !pages->met && pages->found.same == 0)
		tell_lost(state, readings);
	if (pages->walked == 0)
		return finish_walk(instrument, readings); /* nothing there */
	bool same = pages->found.same == pages->walked && pages->walked == pages->last.run;
	if (pages->known && !pages->whole && same && !pages->last.closed) {
		pages->caught_up = true;
		return rest(pages); /* all as it was: nothing but one kind */
	}
	return begin_guard(instrument, readings, true);
}

static enum next take_walk(struct instrument *instrument, const uint8_t *record, struct readings *readings)
{
	const struct modbus_profile *profile = instrument->profile;
	struct modbus_state *state = instrument->state;
	struct modbus_pages *pages = &state->pages;
	if (!record)
		return take_end(instrument, readings);
	hold(profile, state, record);
	find_known(pages, print_of(record, (size_t)profile->pages.record));
	bool found = pages->met && !pages->whole;
	if (found && pages->walked == pages->last.run + 1) {
		pages->caught_up = true;
		return rest(pages); /* all as it was */
	}
	bool full = pages->held >= pages->segment ||
	            (pages->held + 1) * (size_t)profile->pages.record > sizeof(state->image);
	if (found || full || pages->page > UINT16_MAX)
		return begin_guard(instrument, readings, found || pages->page > UINT16_MAX);
	return NEXT_ASK;
}

/* Oldest first: is the last page known still what it was? */
static enum next take_anchor(struct instrument *instrument, const uint8_t *record, struct readings *readings)
{
	const struct modbus_profile *profile = instrument->profile;
	struct modbus_pages *pages = &((struct modbus_state *)instrument->state)->pages;
	uint32_t last = pages->prints[(pages->walked - 1) % MODBUS_WALK_MAX];
	bool same = record && print_of(record, (size_t)profile->pages.record) == last;
	if (!same) {
		if (!record)
			tell_lost((struct modbus_state *)instrument->state, readings);
		begin_walk(pages, true);
		return NEXT_ASK;
	}
	pages->step = MODBUS_WALKING;
	pages->whole = false;
	pages->page = pages->begun = pages->walked;
	return NEXT_ASK;
}

static enum next take_other(struct instrument *instrument, const struct reply *reply, struct readings *readings)
{
	struct modbus_state *state = instrument->state;
	struct modbus_pages *pages = &state->pages;
	bool refused = reply->kind == REPLY_REFUSED, busy = refused && (reply->exception == 5 || reply->exception == 6);
	if (busy && ++state->busy <= BUSY_TRIES) {
		state->pause_ms = BUSY_PAUSE_MS;
		return NEXT_ASK;
	}
	state->busy = 0;
	if (refused && !busy)
		modbus_tell(state, readings, MODBUS_TOLD_REFUSED, NOTICE_INSTRUMENT_FAULT,
			_("the instrument refuses to have a page of its memory read (Modbus exception %d); check function and "
			  "request in [pages] of the profile"),
			reply->exception);
	else if (reply->kind == REPLY_RAW)
		readings->rejected++;
	if (pages->step == MODBUS_ANCHORING)
		return rest(pages);
	return NEXT_IDLE; /* the same page is asked for once more; whether all is where it was the guard will see */
}

enum next modbus_pages_take(struct instrument *instrument, const struct reply *reply, struct readings *readings)
{
	const struct modbus_profile *profile = instrument->profile;
	struct modbus_state *state = instrument->state;
	struct bytes bytes = bytes_of(reply->bytes, reply->kind == REPLY_RAW ? reply->length : 0);
	unsigned function = bytes_u8(&bytes), length = bytes_u8(&bytes);
	bool shaped = !bytes.failed && function == (unsigned)profile->pages.function && bytes_left(&bytes) == length;
	bool end = length == (unsigned)profile->pages.end;
	if (!shaped || (!end && length != (unsigned)profile->pages.record))
		return take_other(instrument, reply, readings);
	const uint8_t *record = end ? NULL : bytes.at;
	state->told &= ~(unsigned)MODBUS_TOLD_REFUSED;
	state->busy = 0;
	switch (state->pages.step) {
	case MODBUS_GUARDING:
		return take_guard(instrument, record, readings);
	case MODBUS_ANCHORING:
		return take_anchor(instrument, record, readings);
	default:
		return take_walk(instrument, record, readings);
	}
}
