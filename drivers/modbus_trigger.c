/* When there is a result, on instruments that do not number them: their registers hold what was measured last, or is
 * measured now, and nothing else. Reading them at every poll would make a test of each look. One of:
 *
 *     [trigger] ready = 0x12 bit2 good=1    the instrument says so: a result is taken when the register or bit comes to
 *                                           one of these codes from another, and not again before it has left them
 *     [trigger] every = 60s                 the station says so: a reading is logged this often, as nobody's test
 *     [status] newest = ...                 a counter of tests says so: modbus_status.c
 *
 * Two results in a row that are alike are two when the trigger came twice. The cursor keeps whether the one that is
 * shown has been taken ("last=1"), or when the last reading was: it is stored together with the result, so that a break
 * at any moment neither loses nor doubles one. What came and went while nobody looked cannot be read any more; where
 * the instrument tells a time or a number with its results, another one standing there is noticed all the same.
 *
 * Each record says in `said` what it was taken on: "trigger": "every 60s", or the code of `ready`.
 */
#include "modbus.h"

#include <stdio.h>
#include <string.h>

#include "calendar.h"

bool modbus_is_triggered(const struct modbus_profile *profile)
{
	return profile->every_s > 0 || modbus_field_of(profile, MODBUS_READY);
}

int64_t modbus_now_s(const struct instrument *instrument)
{
	const struct date_time *now = &instrument->now;
	return (int64_t)calendar_day(now) * 86400 + now->hour * 3600 + now->minute * 60 + now->second;
}

static void read_registers(const struct modbus_profile *profile, struct modbus_state *state)
{
	state->step = profile->latch.given ? MODBUS_WRITE_LATCH : MODBUS_ASK_RECORD;
}

/* A station clock that was set back must not stop the log. */
static bool every_decide(const struct instrument *instrument)
{
	const struct modbus_profile *profile = instrument->profile;
	struct modbus_state *state = instrument->state;
	int64_t since_s = modbus_now_s(instrument) - state->taken_s;
	if (state->taken && since_s >= 0 && since_s < profile->every_s)
		return false;
	snprintf(state->trigger, sizeof(state->trigger), "every %lds", profile->every_s);
	read_registers(profile, state);
	return true;
}

static bool tells_which(const struct modbus_profile *profile)
{
	return modbus_field_of(profile, MODBUS_TIME) || modbus_field_of(profile, MODBUS_SEQUENCE);
}

static bool is_good(const struct modbus_field *ready, uint64_t bits)
{
	for (size_t i = 0; i < ready->sentinel_count; i++)
		if (ready->sentinels[i].bits == bits && ready->sentinels[i].meaning == MODBUS_MEANS_GOOD)
			return true;
	return false;
}

static bool ready_decide(struct instrument *instrument, const struct modbus_field *ready, struct readings *readings)
{
	const struct modbus_profile *profile = instrument->profile;
	struct modbus_state *state = instrument->state;
	struct modbus_value value;
	modbus_value_read(ready, modbus_order_now(instrument, ready), modbus_registers(instrument, ready), &value);
	if (!is_good(ready, value.bits)) {
		bool left = state->have_last;
		state->have_last = state->have_mark = state->checking = false;
		if (left)
			modbus_cursor_write(state, readings->cursor);
		return false;
	}
	state->checking = state->checking && state->have_last && tells_which(profile);
	if (state->have_last && !state->checking)
		return false;
	snprintf(state->trigger, sizeof(state->trigger), "%s", value.as_sent);
	read_registers(profile, state);
	return true;
}

bool modbus_trigger_decide(struct instrument *instrument, struct readings *readings)
{
	struct modbus_state *state = instrument->state;
	const struct modbus_field *ready = modbus_field_of(instrument->profile, MODBUS_READY);
	bool take = ready ? ready_decide(instrument, ready, readings) : every_decide(instrument);
	if (!take)
		state->step = MODBUS_ASK_STATUS;
	return take;
}

bool modbus_trigger_take(struct instrument *instrument, const struct reading *reading, struct readings *readings)
{
	struct modbus_state *state = instrument->state;
	const struct modbus_profile *profile = instrument->profile;
	uint16_t mark = reading ? modbus_record_mark(reading) : 0;
	bool new = !(reading && state->checking && state->have_mark && mark == state->mark);
	state->checking = false;
	if (profile->every_s > 0) {
		state->taken = true;
		state->taken_s = modbus_now_s(instrument);
	} else {
		state->have_last = true;
		state->last = 1;
		state->have_mark = reading;
		state->mark = mark;
	}
	modbus_cursor_write(state, readings->cursor);
	return new;
}
