/* Setting the clock of a Modbus instrument: [control] clock = ADDRESS TYPE, where the time is written, and, where the
 * instrument wants to be told to take it, set-clock = ADDRESS VALUE. With write = single the registers go one by one.
 *
 * Only of instruments that number their results. A clock that is set back shows some times twice, and two results of
 * one time, one value and no number would be taken for one; numbers keep them apart. And only of those that tell their
 * clock, so that what came of it is seen.
 */
#include <errno.h>

#include "calendar.h"
#include "modbus.h"

static bool can_be_written(const struct modbus_field *field)
{
	return field->form == MODBUS_YMDHMS || field->form == MODBUS_BCD_TIME || field->form == MODBUS_SECONDS;
}

int modbus_clock_check(const struct modbus_profile *profile, struct fault *fault)
{
	const struct modbus_field *field = modbus_field_of(profile, MODBUS_NEW_CLOCK);
	if (!field && profile->set_clock.given)
		return fault_set(fault, EINVAL,
			_("[control] set-clock needs clock = ADDRESS TYPE in [control]: where the time is written"));
	if (!field)
		return 0;
	if (!can_be_written(field))
		return fault_set(fault, EINVAL,
			_("[control] clock cannot be written in this form; ymdhms, bcd-time or seconds would be right"));
	if (!modbus_field_of(profile, MODBUS_CLOCK))
		return fault_set(fault, EINVAL,
			_("[control] clock needs clock = ADDRESS TYPE in [status]: what came of setting it is seen there"));
	if (!modbus_field_of(profile, MODBUS_NEWEST))
		return fault_set(fault, EINVAL,
			_("[control] clock needs newest = ADDRESS TYPE in [status]: results without running numbers cannot be "
			  "told apart once a clock is set back"));
	return 0;
}

bool modbus_sets_clock(const void *profile)
{
	return profile && modbus_field_of(profile, MODBUS_NEW_CLOCK);
}

static uint16_t bcd(int high, int low)
{
	return (uint16_t)((high / 10 % 10) << 12 | (high % 10) << 8 | (low / 10 % 10) << 4 | low % 10);
}

static uint32_t seconds_of(const struct date_time *now)
{
	long epoch = calendar_day(&(struct date_time){ .year = 1970, .month = 1, .day = 1 });
	return (uint32_t)((calendar_day(now) - epoch) * 86400 + now->hour * 3600 + now->minute * 60 + now->second);
}

void modbus_clock_encode(struct instrument *instrument)
{
	struct modbus_state *state = instrument->state;
	const struct modbus_field *field = modbus_field_of(instrument->profile, MODBUS_NEW_CLOCK);
	const struct date_time *now = &instrument->now;
	enum modbus_order order = modbus_order_now(instrument, field);
	uint16_t *words = state->new_clock;
	if (field->form == MODBUS_YMDHMS) {
		const int parts[] = { now->year, now->month, now->day, now->hour, now->minute, now->second };
		for (size_t i = 0; i < 6; i++)
			words[i] = (uint16_t)parts[i];
	} else if (field->form == MODBUS_BCD_TIME) {
		words[0] = bcd(now->year % 100, now->month);
		words[1] = bcd(now->day, now->hour);
		words[2] = bcd(now->minute, now->second);
	} else {
		bool low_first = order & MODBUS_SWAP_REGISTERS;
		uint32_t seconds = seconds_of(now);
		words[low_first] = (uint16_t)(seconds >> 16);
		words[!low_first] = (uint16_t)seconds;
		for (size_t i = 0; i < 2 && (order & MODBUS_SWAP_BYTES); i++)
			words[i] = (uint16_t)(words[i] << 8 | words[i] >> 8);
	}
}

void modbus_clock_ask(struct instrument *instrument, struct request *request)
{
	const struct modbus_state *state = instrument->state;
	const struct modbus_profile *profile = instrument->profile;
	const struct modbus_field *field = modbus_field_of(profile, MODBUS_NEW_CLOCK);
	request->kind = REQUEST_WRITE;
	request->address = (uint16_t)(field->address + state->word);
	request->count = profile->write_multiple ? field->count : 1;
	for (size_t i = 0; i < request->count; i++)
		request->registers[i] = state->new_clock[state->word + i];
}
