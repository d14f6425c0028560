#include "atp.h"

#include <stdlib.h>
#include <string.h>

#include "../../drivers/checksum.h"
#include "instrument.h"

int atp_frame(const uint8_t *data, size_t length)
{
	(void)length;
	return strchr("NGE", data[0]) && data[0] ? 1 : -1;
}

static uint8_t *put16(uint8_t *at, unsigned value)
{
	*at++ = (uint8_t)value;
	*at++ = (uint8_t)(value >> 8);
	return at;
}

/* 0 is Sunday. */
static uint8_t weekday(const struct moment *day)
{
	static const uint8_t offsets[] = { 0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4 };
	unsigned year = day->year - (day->month < 3 ? 1U : 0U);

	return (uint8_t)((year + year / 4 - year / 100 + year / 400 + offsets[day->month - 1] + day->day) % 7);
}

void atp_record(const struct result *result, uint8_t out[static ATP_RECORD])
{
	const struct moment *tested = &result->tested;
	uint8_t *at = out;

	*at++ = 'r';
	at = put16(at, result->number);
	at = put16(at, (unsigned)result->value);
	at = put16(at, ATP_LOW);
	at = put16(at, ATP_UP);
	const uint8_t rest[] = { 1, result->channel, tested->second, tested->minute, tested->hour, weekday(tested),
		tested->day, tested->month, (uint8_t)(tested->year % 100) };
	memcpy(at, rest, sizeof rest);
	out[ATP_RECORD - 1] = checksum_sum8(out + 1, ATP_RECORD - 2);
}

void atp_answer(const struct instrument *instrument, uint8_t request,
	void (*send)(void *context, const uint8_t *frame, size_t length), void *context)
{
	const struct memory *memory = &instrument->memory;
	uint8_t frame[ATP_RECORD] = { 'n' };

	if (request == 'N') {
		put16(frame + 1, (unsigned)memory->count);
		send(context, frame, 3);
	}
	if (request != 'G')
		return;
	frame[0] = 'g';
	put16(frame + 1, (unsigned)atoi(instrument->serial));
	send(context, frame, 3);
	for (size_t i = 0; i < memory->count; i++) {
		atp_record(memory_at(memory, i), frame);
		send(context, frame, ATP_RECORD);
	}
}
