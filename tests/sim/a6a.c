#include "a6a.h"

#include <string.h>

#include "../../drivers/bytes.h"
#include "instrument.h"

void a6a_record(const struct result *result, uint8_t out[static A6A_RECORD])
{
	const struct moment *tested = &result->tested;
	const uint8_t record[A6A_RECORD] = { (uint8_t)(tested->year % 100), tested->month, tested->day, tested->hour,
		tested->minute, 0, (uint8_t)(result->signal >> 8), (uint8_t)result->signal,
		(uint8_t)(result->value >> 8), (uint8_t)result->value };

	memcpy(out, record, sizeof record);
}

size_t a6a_answer(const struct instrument *instrument, struct bytes *request, uint8_t *out)
{
	const struct memory *memory = &instrument->memory;
	size_t page = bytes_u16be(request), count = bytes_u16be(request), length = 2;

	if (request->failed || count < 1 || count > A6A_RECORDS_MAX)
		return 0;
	out[0] = A6A_FUNCTION;
	for (; count > 0 && page < memory->count; count--, page++, length += A6A_RECORD) {
		size_t place = instrument->options->oldest_first ? page : memory->count - 1 - page;
		a6a_record(memory_at(memory, place), out + length);
	}
	if (length == 2) {
		out[length++] = 0;
		out[length++] = 0;
	}
	out[1] = (uint8_t)(length - 2);
	return length;
}
