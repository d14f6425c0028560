/* Modbus instruments by profile.
 *
 * One poll of an analyzer with a result window (registers in hexadecimal, as in config/profiles/analyzer-a6b.conf):
 *
 *     read    0000..0011                 who are you: magic, model, serial      once after every break
 *     read    0012..001F                 status, count, oldest, newest, clock   nothing new: this is the whole poll
 *     write   0020 = low, 0021 = high    select the result after the last one
 *     write   0022 = 1                   latch it; exception 06: busy, ask again in 50 ms
 *     read    0100..012D                 the window, in one request
 *         checksum right, number as selected, marked valid? else from the status again, at most ten times
 *     ... the result is stored ...
 *     write   0022 = 2                   erase up to the selected one
 *     read    0012..001F                 and so on, until the newest
 *     write   0028..002D = y m d h m s, 0022 = 3    set the clock: only where the station wishes it, and nothing is
 * left to read; the next status shows what came of it
 *
 * Erasing is asked only in the turn after the one that delivered the result: by then it is durable. After silence or a
 * broken link nothing of the interrupted turn is used; the dialogue begins anew from the last stored result.
 */
#include "modbus.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "checksum.h"

#define BUSY_PAUSE_MS 50
#define BUSY_TRIES    10 /* then the line is let go, and the next poll tries again */
#define TRIES         10 /* to read one result whole */
#define REST_POLLS    10 /* polls between two looks at an instrument that is not ours */

enum { ILLEGAL_ADDRESS = 2, ILLEGAL_VALUE = 3, ACKNOWLEDGED = 5, BUSY = 6, GATEWAY_PATH = 10, GATEWAY_TARGET = 11 };

static void start_anew(struct instrument *instrument)
{
	struct modbus_state *state = instrument->state;
	const struct modbus_profile *profile = instrument->profile;
	state->step = profile->pages.given                      ? MODBUS_ASK_PAGE
	              : state->plans[MODBUS_IDENTITY].count > 0 ? MODBUS_ASK_IDENTITY
	                                                        : MODBUS_ASK_STATUS;
	state->block = state->word = 0;
	state->busy = 0;
	state->again = false;
	state->checking = state->have_last && state->have_mark;
	state->after_erasing = state->erased = false;
	state->doubted = MODBUS_NOTHING_NEW;
}

static int modbus_setup(struct instrument *instrument, struct fault *fault)
{
	struct modbus_state *state = instrument->state;
	const struct modbus_profile *profile = instrument->profile;
	if (!profile)
		return fault_set(fault, EINVAL, _("the modbus driver needs a profile; profile = NAME would be right"));
	memset(state, 0, sizeof(*state));
	memcpy(state->plans, profile->plans, sizeof(state->plans));
	modbus_cursor_read(state, instrument->cursor);
	if (profile->pages.given)
		state->pages.prints = ((struct modbus_paged_state *)instrument->state)->prints;
	modbus_pages_begin(state);
	if (!*instrument->maker.maker)
		text_copy(instrument->maker.maker, sizeof(instrument->maker.maker), profile->maker);
	if (!*instrument->maker.model)
		text_copy(instrument->maker.model, sizeof(instrument->maker.model), profile->model);
	start_anew(instrument);
	return 0;
}

static uint32_t as_bcd(uint32_t number)
{
	uint32_t bcd = 0;
	for (unsigned shift = 0; shift < 32; shift += 4, number /= 10)
		bcd |= number % 10 << shift;
	return bcd;
}

static void ask_select(struct instrument *instrument, struct request *request)
{
	struct modbus_state *state = instrument->state;
	const struct modbus_profile *profile = instrument->profile;
	const struct modbus_field *select = modbus_field_of(profile, MODBUS_SELECT);
	enum modbus_order order = modbus_order_now(instrument, select);
	uint32_t number = select->form == MODBUS_BCD ? as_bcd(state->next) : state->next;
	uint16_t words[2] = { (uint16_t)(number >> 16), (uint16_t)number };
	if (select->count == 1)
		words[0] = words[1];
	else if (order & MODBUS_SWAP_REGISTERS)
		words[0] = (uint16_t)number, words[1] = (uint16_t)(number >> 16);
	request->kind = REQUEST_WRITE;
	request->address = (uint16_t)(select->address + state->word);
	request->count = profile->write_multiple ? select->count : 1;
	for (size_t i = 0; i < request->count; i++) {
		unsigned word = words[state->word + i];
		if (order & MODBUS_SWAP_BYTES)
			word = word << 8 | word >> 8;
		request->registers[i] = (uint16_t)word;
	}
}

static void ask_command(const struct modbus_command *command, struct request *request)
{
	request->kind = REQUEST_WRITE;
	request->address = command->address;
	request->count = 1;
	request->registers[0] = command->value;
}

static void modbus_ask(struct instrument *instrument, struct request *request)
{
	struct modbus_state *state = instrument->state;
	const struct modbus_profile *profile = instrument->profile;
	request->pause_ms = state->pause_ms;
	state->pause_ms = 0;
	switch (state->step) {
	case MODBUS_REST:
		request->kind = REQUEST_NONE;
		return;
	case MODBUS_ASK_PAGE:
		modbus_pages_ask(instrument, request);
		return;
	case MODBUS_WRITE_SELECT:
		ask_select(instrument, request);
		return;
	case MODBUS_WRITE_LATCH:
		ask_command(&profile->latch, request);
		return;
	case MODBUS_WRITE_ACKNOWLEDGE:
		ask_command(&profile->acknowledge, request);
		return;
	case MODBUS_WRITE_CLOCK:
		modbus_clock_ask(instrument, request);
		return;
	case MODBUS_WRITE_SET_CLOCK:
		ask_command(&profile->set_clock, request);
		return;
	default:
		if (state->plans[state->step].count == 0)
			return; /* `every`, without a status to read: nothing is asked before it is time */
		request->kind = REQUEST_READ;
		request->table = profile->table;
		request->address = state->plans[state->step].blocks[state->block].address;
		request->count = state->plans[state->step].blocks[state->block].count;
	}
}

static enum next begin(struct modbus_state *state, enum modbus_step step, enum next next)
{
	state->step = step;
	state->block = state->word = 0;
	state->again = false;
	return next;
}

/* What follows when `last` is done with: the next result, or the end of this poll. */
static enum next go_on(struct instrument *instrument)
{
	struct modbus_state *state = instrument->state;
	const struct modbus_profile *profile = instrument->profile;
	if (state->last == state->newest || !modbus_field_of(profile, MODBUS_SELECT))
		return begin(state, MODBUS_ASK_STATUS, NEXT_IDLE);
	state->next = modbus_after(profile, state->last);
	state->tries = 0;
	return begin(state, MODBUS_WRITE_SELECT, NEXT_ASK);
}

static void advance(struct modbus_state *state, struct readings *readings)
{
	state->rounds += state->have_last && state->next < state->last;
	state->last = state->next;
	state->have_last = true;
	state->tries = 0;
	modbus_cursor_write(state, readings->cursor);
}

static enum next finish_result(struct instrument *instrument)
{
	struct modbus_state *state = instrument->state;
	const struct modbus_profile *profile = instrument->profile;
	const struct modbus_options *options = instrument->options;
	bool wanted = profile->acknowledge.given && (!options || options->acknowledge);
	if (wanted && !state->cannot_acknowledge)
		return begin(state, MODBUS_WRITE_ACKNOWLEDGE, NEXT_ASK);
	return go_on(instrument);
}

/* The end of the old numbers in a memory that holds old and new ones. The new are read from the oldest; where that is
 * still one of the old, from the first or the second number there is. True when reading goes on there. */
static bool to_new_numbers(struct instrument *instrument, struct readings *readings)
{
	struct modbus_state *state = instrument->state;
	const struct modbus_profile *profile = instrument->profile;
	bool mixed = modbus_numbers_mixed(profile, state);
	if (modbus_is_past(profile, state, state->next)) {
		modbus_restarted(instrument, readings);
		state->have_last = mixed;
		state->last = profile->wrap_last; /* the one before the first */
	} else if (mixed && state->next == profile->wrap_first) {
		state->last = profile->wrap_first;
	} else {
		return false;
	}
	modbus_cursor_write(state, readings->cursor);
	return true;
}

static enum next take_torn(struct instrument *instrument, const char *reason, struct readings *readings)
{
	struct modbus_state *state = instrument->state;
	readings->rejected++;
	if (++state->tries < TRIES) {
		state->pause_ms = BUSY_PAUSE_MS;
		return begin(state, MODBUS_ASK_STATUS, NEXT_ASK);
	}
	if (state->checking) { /* nothing is lost: it is stored already */
		state->checking = false;
		state->tries = 0;
		return begin(state, MODBUS_ASK_STATUS, NEXT_IDLE);
	}
	struct notice *notice = readings_notice(readings, NOTICE_UNDECODABLE);
	if (notice) {
		notice->first = notice->last = state->next;
		snprintf(notice->reason, sizeof(notice->reason), "%s", reason);
		notice->raw = state->image;
		notice->raw_length = MODBUS_BYTES(state->plans[MODBUS_RECORD].registers);
	}
	if (modbus_is_triggered(instrument->profile)) {
		state->tries = 0;
		modbus_trigger_take(instrument, NULL, readings);
		return begin(state, MODBUS_ASK_STATUS, NEXT_IDLE);
	}
	if (to_new_numbers(instrument, readings))
		return begin(state, MODBUS_ASK_STATUS, NEXT_ASK);
	state->have_mark = false;
	advance(state, readings);
	return go_on(instrument);
}

/* The last stored result was read once more: the same, or did the numbers start again? */
static enum next take_check(struct instrument *instrument, enum modbus_outcome outcome, struct readings *readings)
{
	struct modbus_state *state = instrument->state;
	bool same = outcome == MODBUS_TAKEN && modbus_record_mark(&readings->list[readings->count - 1]) == state->mark;
	if (outcome == MODBUS_TAKEN)
		readings->count--;
	state->checking = false;
	if (!same)
		modbus_restarted(instrument, readings);
	else if (!state->after_erasing)
		return finish_result(instrument); /* stored, and not yet erased: the break came between */
	return begin(state, MODBUS_ASK_STATUS, NEXT_ASK);
}

/* No number says which result this is: the trigger made it one. */
static enum next take_triggered(struct instrument *instrument, enum modbus_outcome outcome, struct readings *readings)
{
	struct modbus_state *state = instrument->state;
	bool taken = outcome == MODBUS_TAKEN;
	if (!modbus_trigger_take(instrument, taken ? &readings->list[readings->count - 1] : NULL, readings) && taken)
		readings->count--;
	readings->blanks += !taken;
	state->tries = 0;
	return begin(state, MODBUS_ASK_STATUS, NEXT_IDLE);
}

static enum next take_record(struct instrument *instrument, struct readings *readings)
{
	struct modbus_state *state = instrument->state;
	bool triggered = modbus_is_triggered(instrument->profile);
	char reason[MODBUS_SENTENCE_MAX] = "";
	enum modbus_outcome outcome = modbus_record_read(instrument, triggered ? NULL : &state->next, readings, reason);
	if (outcome == MODBUS_TORN)
		return take_torn(instrument, reason, readings);
	state->told &= ~(unsigned)MODBUS_TOLD_REFUSED;
	if (triggered)
		return take_triggered(instrument, outcome, readings);
	if (state->checking)
		return take_check(instrument, outcome, readings);
	state->have_mark = outcome == MODBUS_TAKEN;
	if (outcome == MODBUS_TAKEN)
		state->mark = modbus_record_mark(&readings->list[readings->count - 1]);
	else
		readings->blanks++;
	advance(state, readings);
	return finish_result(instrument);
}

static bool must_compare(const struct modbus_profile *profile, const struct modbus_state *state)
{
	if (profile->window.guard != MODBUS_GUARD_CRC)
		return profile->window.guard != MODBUS_GUARD_NONE;
	/* The checksum says nothing about registers outside the window. */
	return state->plans[MODBUS_RECORD].registers != profile->window.length;
}

/* The second pass: true when the registers still say what they said. */
static bool still_same(
	const struct modbus_profile *profile, const struct modbus_state *state, const struct reply *reply)
{
	const struct modbus_block *block = &state->plans[MODBUS_RECORD].blocks[state->block];
	const struct modbus_field *sequence = modbus_field_of(profile, MODBUS_SEQUENCE);
	size_t from = 0, length = reply->length;
	if (profile->window.guard == MODBUS_GUARD_SEQUENCE) {
		bool inside = sequence->address >= block->address &&
		              sequence->address + sequence->count <= block->address + block->count;
		from = inside ? MODBUS_BYTES(sequence->address - block->address) : 0;
		length = inside ? MODBUS_BYTES(sequence->count) : 0;
	}
	return memcmp(state->image + MODBUS_BYTES(block->at) + from, reply->bytes + from, length) == 0;
}

static enum next decide(struct instrument *instrument, struct readings *readings)
{
	struct modbus_state *state = instrument->state;
	bool more = modbus_is_triggered(instrument->profile) ? modbus_trigger_decide(instrument, readings)
	                                                     : modbus_status_decide(instrument, readings);
	if (!more && instrument->setting == CLOCK_WISHED && modbus_sets_clock(instrument->profile)) {
		modbus_clock_encode(instrument);
		return begin(state, MODBUS_WRITE_CLOCK, NEXT_ASK);
	}
	return begin(state, state->step, more ? NEXT_ASK : NEXT_IDLE);
}

static enum next take_block(struct instrument *instrument, const struct reply *reply, struct readings *readings)
{
	struct modbus_state *state = instrument->state;
	const struct modbus_profile *profile = instrument->profile;
	const struct modbus_block *block = &state->plans[state->step].blocks[state->block];
	if (state->again && !still_same(profile, state, reply))
		return take_torn(instrument, _("the registers changed while they were read"), readings);
	memcpy(state->image + MODBUS_BYTES(block->at), reply->bytes, reply->length);
	if (++state->block < state->plans[state->step].count)
		return NEXT_ASK;
	if (state->step == MODBUS_ASK_RECORD) {
		if (state->again || !must_compare(profile, state))
			return take_record(instrument, readings);
		state->block = 0;
		state->again = true;
		return NEXT_ASK;
	}
	if (state->step == MODBUS_ASK_IDENTITY)
		return modbus_identity_take(instrument, readings) ? begin(state, MODBUS_ASK_STATUS, NEXT_ASK)
		                                                  : begin(state, MODBUS_REST, NEXT_IDLE);
	modbus_status_take(instrument, readings);
	return decide(instrument, readings);
}

static enum next take_done(struct instrument *instrument, struct readings *readings)
{
	struct modbus_state *state = instrument->state;
	const struct modbus_profile *profile = instrument->profile;
	switch (state->step) {
	case MODBUS_ASK_STATUS:
		return decide(instrument, readings);
	case MODBUS_WRITE_SELECT:
		if (!profile->write_multiple && ++state->word < modbus_field_of(profile, MODBUS_SELECT)->count)
			return NEXT_ASK;
		return begin(state, profile->latch.given ? MODBUS_WRITE_LATCH : MODBUS_ASK_RECORD, NEXT_ASK);
	case MODBUS_WRITE_LATCH:
		return begin(state, MODBUS_ASK_RECORD, NEXT_ASK);
	case MODBUS_WRITE_ACKNOWLEDGE:
		state->erased = true;
		return begin(state, MODBUS_ASK_STATUS, state->last == state->newest ? NEXT_IDLE : NEXT_ASK);
	case MODBUS_WRITE_CLOCK:
		if (!profile->write_multiple && ++state->word < modbus_field_of(profile, MODBUS_NEW_CLOCK)->count)
			return NEXT_ASK;
		if (profile->set_clock.given)
			return begin(state, MODBUS_WRITE_SET_CLOCK, NEXT_ASK);
		/* fall through */
	case MODBUS_WRITE_SET_CLOCK:
		state->told &= ~(unsigned)MODBUS_TOLD_CLOCK;
		instrument->setting = CLOCK_SET;
		return begin(state, MODBUS_ASK_STATUS, NEXT_ASK);
	default: /* MODBUS_REST */
		if (++state->rests % REST_POLLS == 0)
			start_anew(instrument);
		return NEXT_IDLE;
	}
}

static enum next take_busy(struct modbus_state *state)
{
	if (++state->busy <= BUSY_TRIES) {
		state->pause_ms = BUSY_PAUSE_MS;
		return NEXT_ASK;
	}
	state->busy = 0;
	return begin(state, MODBUS_ASK_STATUS, NEXT_IDLE);
}

/* The instrument holds the result by its own count, and refuses to select it. */
static enum next take_hole(struct instrument *instrument, struct readings *readings)
{
	struct modbus_state *state = instrument->state;
	if (!state->checking && to_new_numbers(instrument, readings))
		return begin(state, MODBUS_ASK_STATUS, NEXT_ASK);
	if (++state->tries < TRIES || state->checking) {
		state->checking = false;
		return begin(state, MODBUS_ASK_STATUS, NEXT_IDLE);
	}
	struct notice *notice = readings_notice(readings, NOTICE_MISSED_RESULTS);
	if (notice) {
		notice->first = notice->last = state->next;
		snprintf(notice->reason, sizeof(notice->reason),
			_("the instrument lists this result and refuses to show it (Modbus exception 3)"));
	}
	state->have_mark = false;
	advance(state, readings);
	return go_on(instrument);
}

static enum next tell_refused(struct instrument *instrument, int exception, struct readings *readings)
{
	struct modbus_state *state = instrument->state;
	struct request request = { 0 };
	modbus_ask(instrument, &request);
	/* as the profile writes them: its author compares them with the maker's table */
	long first = ((const struct modbus_profile *)instrument->profile)->first + request.address;
	if (request.kind == REQUEST_READ)
		modbus_tell(state, readings, MODBUS_TOLD_REFUSED, NOTICE_INSTRUMENT_FAULT,
			_("the instrument refuses to have registers %ld to %ld (0x%04lX to 0x%04lX) read (Modbus exception %d); "
			  "check table, first and addresses of the profile"),
			first, first + request.count - 1, first, first + request.count - 1, exception);
	else
		modbus_tell(state, readings, MODBUS_TOLD_REFUSED, NOTICE_INSTRUMENT_FAULT,
			_("the instrument refuses to have register %ld (0x%04lX) written (Modbus exception %d); check [control] "
			  "of the profile"),
			first, first, exception);
	start_anew(instrument);
	return NEXT_IDLE;
}

static enum next take_refused(struct instrument *instrument, const struct reply *reply, struct readings *readings)
{
	struct modbus_state *state = instrument->state;
	bool reading = state->step <= MODBUS_ASK_RECORD;
	if (reply->exception == BUSY || reply->exception == ACKNOWLEDGED)
		return take_busy(state);
	if (reply->exception == GATEWAY_PATH || reply->exception == GATEWAY_TARGET) {
		start_anew(instrument); /* the gateway answers, the instrument does not */
		return NEXT_IDLE;
	}
	if (reading && reply->exception == ILLEGAL_ADDRESS &&
		modbus_plan_split(
			instrument->profile, (enum modbus_group)state->step, &state->plans[state->step], state->block))
		return NEXT_ASK;
	if (state->step == MODBUS_WRITE_ACKNOWLEDGE) {
		state->cannot_acknowledge = true;
		modbus_tell(state, readings, MODBUS_TOLD_ACKNOWLEDGE, NOTICE_INSTRUMENT_FAULT,
			_("the instrument refuses to erase stored results (Modbus exception %d); acknowledge = no would be right"),
			reply->exception);
		return go_on(instrument);
	}
	if (state->step == MODBUS_WRITE_CLOCK || state->step == MODBUS_WRITE_SET_CLOCK) {
		instrument->setting = CLOCK_REFUSED;
		modbus_tell(state, readings, MODBUS_TOLD_CLOCK, NOTICE_INSTRUMENT_FAULT,
			_("the instrument refuses to have its clock set (Modbus exception %d); set-clock = no would be right"),
			reply->exception);
		return begin(state, MODBUS_ASK_STATUS, NEXT_IDLE);
	}
	bool of_result = state->step != MODBUS_ASK_IDENTITY && state->step != MODBUS_ASK_STATUS;
	if (reply->exception == ILLEGAL_VALUE && of_result && !modbus_is_triggered(instrument->profile))
		return take_hole(instrument, readings);
	return tell_refused(instrument, reply->exception, readings);
}

static enum next modbus_take(struct instrument *instrument, const struct reply *reply, struct readings *readings)
{
	struct modbus_state *state = instrument->state;
	if (reply->offline)
		return modbus_take_offline(instrument, reply, readings);
	if (state->step == MODBUS_ASK_PAGE)
		return modbus_pages_take(instrument, reply, readings);
	if (reply->kind == REPLY_REFUSED)
		return take_refused(instrument, reply, readings);
	state->busy = 0;
	bool reads = state->step <= MODBUS_ASK_RECORD && state->plans[state->step].count > 0;
	if (reply->kind == REPLY_DONE && !reads)
		return take_done(instrument, readings);
	uint16_t count = reads ? state->plans[state->step].blocks[state->block].count : 0;
	if (reply->kind == REPLY_REGISTERS && reads && reply->count == count && reply->length == MODBUS_BYTES(count))
		return take_block(instrument, reply, readings);
	/* Silence, or an answer to something else: this turn is suspect and nothing of it is used. */
	start_anew(instrument);
	return NEXT_IDLE;
}

static const struct setting modbus_settings[] = {
	{
		.name = "acknowledge",
		.type = SETTING_BOOLEAN,
		.offset = offsetof(struct modbus_options, acknowledge),
		.standard = "yes",
		.help = N_(
			"erase results from the instrument's memory once they are stored, where the profile tells how"),
	},
	{
		.name = "order",
		.type = SETTING_CHOICE,
		.offset = offsetof(struct modbus_options, order),
		.choices = "profile|ABCD|CDAB|BADC|DCBA",
		.standard = "profile",
		.example = "CDAB",
		.help = N_("order of bytes and registers in numbers, where the instrument lets the user choose it"),
	},
	{
		.name = "reconcile",
		.type = SETTING_DURATION,
		.offset = offsetof(struct modbus_options, reconcile_ms),
		.min = 1000,
		.max = 86400000,
		.standard = "10min",
		.help = N_("How often the whole memory is read again on instruments that list it page by page"),
	},
	{ .name = NULL },
};

/* By the magic number, which stands among the registers that are read first. */
static enum recognition modbus_recognised(const struct instrument *instrument)
{
	const struct modbus_state *state = instrument->state;
	const struct modbus_profile *profile = instrument->profile;
	if (!modbus_field_of(profile, MODBUS_MAGIC) || profile->pages.given)
		return RECOGNISED_NEVER;
	return state->step == MODBUS_ASK_IDENTITY || state->step == MODBUS_REST ? RECOGNISED_NOT_YET : RECOGNISED;
}

const struct driver modbus_driver = {
	.name = "modbus",
	.title = N_("Modbus RTU or TCP instruments, by profile"),
	.line = NULL,
	.version = 1,
	.links = LINK_MODBUS,
	.manner = MANNER_ASKS,
	.options = modbus_settings,
	.options_size = sizeof(struct modbus_options),
	.profiles = &modbus_profiles,
	.state_size = sizeof(struct modbus_state),
	.setup = modbus_setup,
	.ask = modbus_ask,
	.frame = modbus_frame,
	.take = modbus_take,
	.sets_clock = modbus_sets_clock,
	.scan_lines = "9600/8n1 115200/8n1 19200/8e1",
	.recognised = modbus_recognised,
	.take_raw = modbus_take_raw,
};
