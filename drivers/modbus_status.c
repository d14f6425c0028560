/* Identity and status registers: whose results these are, and which of them there are to fetch.
 *
 * The cursor names the last result that is stored for good, and enough to know it again:
 *
 *     serial=SN42 last=41 mark=5C1E told=1 rounds=2
 *
 * `mark` is a digest of that result's words: after every break the instrument is asked for it once more where it still
 * holds it, because an instrument that lost power may have begun counting again and be past our number already. `told`
 * are complaints that were made and still hold. `rounds` counts how often the running numbers began anew: an instrument
 * without a clock gives the same number again for another test, and two tests must not become one.
 *
 * Instruments without running numbers keep other words there: modbus_trigger.c (`last=1` or `taken`, in seconds) and
 * modbus_pages.c (`page`, `run` and `below`).
 *
 * An instrument that kept its memory over a power cycle may hold two series of numbers at once, the old ones first:
 * oldest 40, newest 3. The old ones are read until the instrument refuses a number, then the new from their beginning.
 */
#include "modbus.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TAKEN_FROM_S (INT64_C(730425) * 86400) /* 2000-01-01, in days as the calendar counts them */

void modbus_tell(struct modbus_state *state, struct readings *readings, unsigned once, enum notice_kind kind,
	const char *format, ...)
{
	struct notice *notice = state->told & once ? NULL : readings_notice(readings, kind);
	if (!notice)
		return;
	state->told |= once;
	va_list arguments;
	va_start(arguments, format);
	/* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): clang-tidy 14, several files in one run */
	vsnprintf(notice->reason, sizeof(notice->reason), format, arguments);
	va_end(arguments);
	if (once)
		modbus_cursor_write(state, readings->cursor);
}

static const char *find_last(const char *text, const char *word)
{
	const char *found = NULL;
	for (const char *at = text; (at = strstr(at, word)) != NULL; at++)
		found = at;
	return found;
}

static bool cursor_number(const char *cursor, const char *name, int base, uint32_t *ret)
{
	const char *at = find_last(cursor, name);
	if (!at)
		return false;
	*ret = (uint32_t)strtoull(at + strlen(name), NULL, base);
	return true;
}

void modbus_cursor_read(struct modbus_state *state, const char *cursor)
{
	static const char *const names[] = {
		" last=", " mark=", " told=", " rounds=", " taken=", " page=", " run=", " below="
	};
	uint32_t mark = 0, told = 0, taken = 0;
	struct modbus_pages *pages = &state->pages;
	state->have_last = cursor_number(cursor, names[0], 10, &state->last);
	state->have_mark = cursor_number(cursor, names[1], 16, &mark);
	cursor_number(cursor, names[2], 16, &told);
	cursor_number(cursor, names[3], 10, &state->rounds);
	state->taken = cursor_number(cursor, names[4], 10, &taken);
	state->taken_s = TAKEN_FROM_S + taken;
	pages->known = cursor_number(cursor, names[5], 16, &pages->last.first) &&
	               cursor_number(cursor, names[6], 10, &pages->last.run);
	pages->last.closed = cursor_number(cursor, names[7], 16, &pages->last.below);
	state->mark = (uint16_t)mark;
	state->told = told;
	if (strncmp(cursor, "serial=", 7) != 0)
		return;
	size_t length = strlen(cursor);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		const char *at = find_last(cursor, names[i]);
		if (at && (size_t)(at - cursor) < length)
			length = (size_t)(at - cursor);
	}
	length = length < 7 ? 0 : length - 7;
	if (length < sizeof(state->serial))
		memcpy(state->serial, cursor + 7, length);
}

void modbus_cursor_write(const struct modbus_state *state, char out[static CURSOR_MAX])
{
	char last[24] = "", mark[16] = "", told[16] = "", rounds[24] = "";
	if (state->have_last)
		snprintf(last, sizeof(last), " last=%u", state->last);
	if (state->have_last && state->have_mark)
		snprintf(mark, sizeof(mark), " mark=%04X", state->mark);
	if (state->told)
		snprintf(told, sizeof(told), " told=%x", state->told);
	if (state->rounds)
		snprintf(rounds, sizeof(rounds), " rounds=%u", state->rounds);
	if (state->taken)
		snprintf(rounds, sizeof(rounds), " taken=%u", (unsigned)(state->taken_s - TAKEN_FROM_S));
	if (state->pages.known) { /* such instruments have no serial number and no running ones */
		const struct modbus_head *head = &state->pages.last;
		int length = snprintf(out, CURSOR_MAX, "serial= page=%08X run=%u%s", head->first, head->run, told);
		if (head->closed)
			snprintf(out + length, CURSOR_MAX - (size_t)length, " below=%08X", head->below);
		return;
	}
	snprintf(out, CURSOR_MAX, "serial=%.47s%.16s%.10s%.14s%.18s", state->serial, last, mark, told, rounds);
}

static void identity_text(struct instrument *instrument, enum modbus_role role, char *out, size_t size)
{
	const struct modbus_field *field = modbus_field_of(instrument->profile, role);
	struct modbus_value value;
	if (!field)
		return;
	modbus_value_read(field, modbus_order_now(instrument, field), modbus_registers(instrument, field), &value);
	if (value.saying == MODBUS_SAYS)
		text_copy(out, size, value.text);
}

static bool is_ours(struct instrument *instrument, struct readings *readings)
{
	struct modbus_state *state = instrument->state;
	const struct modbus_field *magic = modbus_field_of(instrument->profile, MODBUS_MAGIC);
	struct modbus_value value;
	if (!magic)
		return true;
	modbus_value_read(magic, modbus_order_now(instrument, magic), modbus_registers(instrument, magic), &value);
	if (value.bits == magic->expected) {
		state->told &= ~(unsigned)MODBUS_TOLD_FOREIGN;
		return true;
	}
	modbus_tell(state, readings, MODBUS_TOLD_FOREIGN, NOTICE_INSTRUMENT_FAULT,
		_("another kind of instrument answers: register %ld holds %llu, this profile expects %llu; check unit, profile "
		  "and wiring"),
		magic->documented, (unsigned long long)value.bits, (unsigned long long)magic->expected);
	return false;
}

bool modbus_identity_take(struct instrument *instrument, struct readings *readings)
{
	struct modbus_state *state = instrument->state;
	struct maker *maker = &instrument->maker;
	char serial[sizeof(maker->serial)] = "";
	if (!is_ours(instrument, readings))
		return false;
	identity_text(instrument, MODBUS_MAKER, maker->maker, sizeof(maker->maker));
	identity_text(instrument, MODBUS_MODEL, maker->model, sizeof(maker->model));
	identity_text(instrument, MODBUS_FIRMWARE, maker->firmware, sizeof(maker->firmware));
	identity_text(instrument, MODBUS_SERIAL, serial, sizeof(serial));
	if (!*serial)
		return true;
	memcpy(maker->serial, serial, sizeof(serial));
	bool other = *state->serial && strcmp(state->serial, serial) != 0;
	char before[sizeof(state->serial)];
	memcpy(before, state->serial, sizeof(before));
	memcpy(state->serial, serial, sizeof(state->serial));
	if (other) {
		state->have_last = state->have_mark = state->checking = false;
		state->told = 0;
		state->rounds++;
		modbus_tell(state, readings, 0, NOTICE_COUNTER_RESTARTED,
			_("another instrument answers: serial number %s, was %s; its results are read from the oldest"),
			serial, before);
		modbus_cursor_write(state, readings->cursor);
	}
	return true;
}

static const struct modbus_field *status_number(struct instrument *instrument, enum modbus_role role, uint32_t *ret)
{
	const struct modbus_field *field = modbus_field_of(instrument->profile, role);
	if (field)
		*ret = modbus_number(field, modbus_order_now(instrument, field), modbus_registers(instrument, field));
	return field;
}

static bool status_bit(struct instrument *instrument, enum modbus_role role)
{
	uint32_t value = 0;
	return status_number(instrument, role, &value) && value != 0;
}

void modbus_status_take(struct instrument *instrument, struct readings *readings)
{
	struct modbus_state *state = instrument->state;
	const struct modbus_profile *profile = instrument->profile;
	const struct modbus_field *clock = modbus_field_of(profile, MODBUS_CLOCK);
	state->count = 1;
	status_number(instrument, MODBUS_NEWEST, &state->newest);
	status_number(instrument, MODBUS_COUNT, &state->count);
	/* Without a count, a newest number that is none (0 where results are 1..9999) says the same. */
	state->empty = state->count == 0 || state->newest < profile->wrap_first || state->newest > profile->wrap_last;
	state->oldest = state->newest;
	status_number(instrument, MODBUS_OLDEST, &state->oldest);
	state->calibration_due = status_bit(instrument, MODBUS_CALIBRATION_DUE);
	*state->clock = '\0';
	if (clock) {
		struct modbus_value value;
		modbus_value_read(
			clock, modbus_order_now(instrument, clock), modbus_registers(instrument, clock), &value);
		text_copy(state->clock, sizeof(state->clock), value.text);
		text_copy(instrument->clock, sizeof(instrument->clock), value.text);
	}
	if (status_bit(instrument, MODBUS_OVERRUN))
		modbus_tell(state, readings, MODBUS_TOLD_OVERRUN, NOTICE_OVERRUN,
			_("the instrument says its memory overflowed"));
	else
		state->told &= ~(unsigned)MODBUS_TOLD_OVERRUN;
	if (status_bit(instrument, MODBUS_FAULT))
		modbus_tell(state, readings, MODBUS_TOLD_FAULT, NOTICE_INSTRUMENT_FAULT,
			_("the instrument says it is faulty: look at its display"));
	else
		state->told &= ~(unsigned)MODBUS_TOLD_FAULT;
}

/* Running numbers go round (RFC 1982): how far it is from `from` forward to `to`. */
static uint64_t numbers_in(const struct modbus_profile *profile)
{
	return (uint64_t)profile->wrap_last - profile->wrap_first + 1;
}

static uint64_t distance(const struct modbus_profile *profile, uint32_t from, uint32_t to)
{
	uint64_t all = numbers_in(profile);
	return ((uint64_t)to + all * 2 - from) % all;
}

uint32_t modbus_after(const struct modbus_profile *profile, uint32_t number)
{
	return number >= profile->wrap_last || number < profile->wrap_first ? profile->wrap_first : number + 1;
}

static uint32_t before(const struct modbus_profile *profile, uint32_t number)
{
	return number <= profile->wrap_first ? profile->wrap_last : number - 1;
}

static bool holds_number(const struct modbus_profile *profile, const struct modbus_state *state, uint32_t number)
{
	return distance(profile, state->oldest, number) <= distance(profile, state->oldest, state->newest);
}

bool modbus_numbers_mixed(const struct modbus_profile *profile, const struct modbus_state *state)
{
	return distance(profile, state->oldest, state->newest) >= numbers_in(profile) / 2;
}

bool modbus_is_past(const struct modbus_profile *profile, const struct modbus_state *state, uint32_t number)
{
	return distance(profile, number, state->newest) >= numbers_in(profile) / 2;
}

static enum modbus_finding find(const struct modbus_profile *profile, const struct modbus_state *state)
{
	uint64_t ahead = distance(profile, state->last, state->newest), half = numbers_in(profile) / 2;
	bool selects = modbus_field_of(profile, MODBUS_SELECT), mixed = modbus_numbers_mixed(profile, state);
	if (state->empty) /* some show 0 as newest when they hold nothing: that says nothing */
		return state->have_last && state->newest != 0 && ahead > 0 && ahead < half ? MODBUS_EMPTIED
		                                                                           : MODBUS_NOTHING_NEW;
	if (!state->have_last)
		return MODBUS_FIRST_CONTACT;
	/* More results than there are new numbers: behind ours there may be old ones that were never read. */
	if (ahead >= half && !mixed)
		return selects && state->count > distance(profile, state->oldest, state->newest) + 1
		               ? MODBUS_NEXT_RESULT
		               : MODBUS_RESTARTED;
	if (state->checking && selects && holds_number(profile, state, state->last))
		return MODBUS_LAST_RESULT;
	if (ahead == 0)
		return MODBUS_NOTHING_NEW;
	if (mixed && ahead < half)
		return MODBUS_NEXT_RESULT; /* among the new numbers already; `oldest` is one of the old */
	uint32_t held = selects ? state->oldest : state->newest;
	uint64_t missing = distance(profile, modbus_after(profile, state->last), held);
	return missing > 0 && missing < half ? MODBUS_MISSED : MODBUS_NEXT_RESULT;
}

static void missed(struct instrument *instrument, uint32_t last, const char *reason, struct readings *readings)
{
	struct modbus_state *state = instrument->state;
	struct notice *notice = readings_notice(readings, NOTICE_MISSED_RESULTS);
	if (notice) {
		notice->first = modbus_after(instrument->profile, state->last);
		notice->last = last;
		snprintf(notice->reason, sizeof(notice->reason), "%s", reason);
	}
	state->rounds += last < state->last;
	state->last = last;
	state->have_mark = false;
	modbus_cursor_write(state, readings->cursor);
}

void modbus_restarted(struct instrument *instrument, struct readings *readings)
{
	struct modbus_state *state = instrument->state;
	struct notice *notice = readings_notice(readings, NOTICE_COUNTER_RESTARTED);
	if (notice) {
		notice->first = state->last;
		notice->last = state->newest;
		snprintf(notice->reason, sizeof(notice->reason),
			_("result %u is no longer the one that was read; newest is %u, reading from the oldest, %u"),
			state->last, state->newest, state->oldest);
	}
	state->have_last = state->have_mark = state->checking = false;
	state->rounds++;
	modbus_cursor_write(state, readings->cursor);
}

/* True when this finding may be acted upon. */
static bool believed(struct modbus_state *state, enum modbus_finding finding)
{
	bool same = state->doubted == finding && state->doubted_newest == state->newest &&
	            state->doubted_oldest == state->oldest;
	state->doubted = finding;
	state->doubted_newest = state->newest;
	state->doubted_oldest = state->oldest;
	return same || finding <= MODBUS_LAST_RESULT;
}

static void fetch(struct modbus_state *state, uint32_t number)
{
	if (state->next != number)
		state->tries = 0;
	state->next = number;
}

bool modbus_status_decide(struct instrument *instrument, struct readings *readings)
{
	struct modbus_state *state = instrument->state;
	const struct modbus_profile *profile = instrument->profile;
	bool selects = modbus_field_of(profile, MODBUS_SELECT);
	/* What was erased cannot still be held: unless the numbers began again and have come past it. */
	if (state->erased && selects && !state->empty && state->have_mark && holds_number(profile, state, state->last))
		state->checking = state->after_erasing = true;
	state->erased = false;
	enum modbus_finding finding = find(profile, state);
	if (!believed(state, finding)) {
		state->step = MODBUS_ASK_STATUS;
		return true;
	}
	state->doubted = MODBUS_NOTHING_NEW;
	state->checking = finding == MODBUS_LAST_RESULT;
	state->step = selects ? MODBUS_WRITE_SELECT : profile->latch.given ? MODBUS_WRITE_LATCH : MODBUS_ASK_RECORD;
	uint32_t held = selects ? state->oldest : state->newest;
	switch (finding) {
	case MODBUS_NOTHING_NEW:
		state->step = MODBUS_ASK_STATUS;
		return false;
	case MODBUS_EMPTIED:
		missed(instrument, state->newest, _("the instrument's memory was emptied before they were read"),
			readings);
		state->step = MODBUS_ASK_STATUS;
		return false;
	case MODBUS_LAST_RESULT:
		fetch(state, state->last);
		return true;
	case MODBUS_NEXT_RESULT:
		fetch(state, modbus_after(profile, state->last));
		return true;
	case MODBUS_RESTARTED:
		modbus_restarted(instrument, readings);
		break;
	case MODBUS_MISSED:
		missed(instrument, before(profile, held), _("the instrument no longer holds them"), readings);
		break;
	case MODBUS_FIRST_CONTACT:
		break;
	}
	fetch(state, held);
	return true;
}
