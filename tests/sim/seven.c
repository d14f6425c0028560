#include "seven.h"

#include <string.h>

#include "../../drivers/bytes.h"
#include "../../drivers/checksum.h"
#include "label.h"

enum { START = 0x7E, END = 0xAA, FRAME_EXTRA = 6, REQUEST_DATA_MAX = 16 };
enum { COMM_TEST = 0x00, READ_A2 = 0x10, COUNT_A2 = 0x12, READ_A2B = 0x15 };
enum { VERDICT_OVER = 1, VERDICT_OK = 2 };

int seven_frame(const uint8_t *data, size_t length)
{
	struct bytes bytes = bytes_of(data, length);

	if (bytes_u8(&bytes) != START)
		return -1;
	bytes_u8(&bytes);
	size_t data_length = bytes_u16le(&bytes);
	if (bytes.failed)
		return 0;
	if (data_length > REQUEST_DATA_MAX)
		return -1;
	bytes_take(&bytes, data_length);
	uint8_t crc = bytes_u8(&bytes), end = bytes_u8(&bytes);
	if (bytes.failed)
		return 0;
	return end == END && crc == checksum_crc8(data + 1, data_length + 3) ? (int)(data_length + FRAME_EXTRA) : -1;
}

size_t seven_wrap(uint8_t command, const uint8_t *data, size_t length, uint8_t out[static SEVEN_FRAME_MAX])
{
	out[0] = START;
	out[1] = command;
	out[2] = (uint8_t)length;
	out[3] = (uint8_t)(length >> 8);
	memcpy(out + 4, data, length);
	out[length + 4] = checksum_crc8(out + 1, length + 3);
	out[length + 5] = END;
	return length + FRAME_EXTRA;
}

static uint8_t *put16(uint8_t *at, unsigned value)
{
	*at++ = (uint8_t)value;
	*at++ = (uint8_t)(value >> 8);
	return at;
}

static uint8_t *put_moment(uint8_t *at, const struct moment *moment)
{
	const uint8_t fields[] = { (uint8_t)(moment->year % 100), moment->month, moment->day, moment->hour,
		moment->minute, moment->second };

	memcpy(at, fields, sizeof fields);
	return at + sizeof fields;
}

size_t seven_result_a2(const struct result *result, unsigned total, unsigned index, uint8_t out[static SEVEN_FRAME_MAX])
{
	uint8_t data[20], *at = data;

	at = put16(at, total);
	at = put16(at, index);
	at = put16(at, result->number);
	label_field(result->name, at, 6, NULL, 0);
	at = put_moment(at + 6, &result->tested);
	at = put16(at, (unsigned)result->value);
	return seven_wrap(0x11, data, (size_t)(at - data), out);
}

size_t seven_result_a2b(
	const struct result *result, unsigned total, unsigned index, uint8_t out[static SEVEN_FRAME_MAX])
{
	uint8_t data[21], *at = data;

	*at++ = 0xFF;
	at = put16(at, total);
	at = put16(at, index);
	*at++ = result->channel;
	*at++ = result->standard;
	at = put_moment(at, &result->tested);
	*at++ = (uint8_t)(result->number >> 8); /* the one big-endian number */
	*at++ = (uint8_t)result->number;
	at = put16(at, result->signal);
	at = put16(at, result->sentinel ? result->sentinel : (unsigned)result->value);
	*at++ = result->verdict == RESULT_NONE ? 0 : result->verdict == RESULT_NEGATIVE ? VERDICT_OK : VERDICT_OVER;
	*at++ = 0;
	return seven_wrap(0x16, data, (size_t)(at - data), out);
}

/* Which results a request is about. */
struct wanted {
	bool all, last_batch;
	uint8_t year, month, day;
	uint32_t batch;
};

static bool is_wanted(const struct wanted *wanted, const struct result *result)
{
	if (wanted->all)
		return true;
	if (wanted->last_batch)
		return result->batch == wanted->batch;
	return result->tested.year % 100 == wanted->year && result->tested.month == wanted->month &&
	       result->tested.day == wanted->day;
}

static struct wanted wanted_by(const struct memory *memory, struct bytes *data, bool words)
{
	struct wanted wanted = { .year = bytes_u8(data), .month = bytes_u8(data), .day = bytes_u8(data) };

	wanted.last_batch = words && wanted.year == 0 && wanted.month == 0 && wanted.day == 0;
	wanted.all = words && wanted.year == 0xFF && wanted.month == 0xFF && wanted.day == 0xFF;
	if (wanted.last_batch && memory->count > 0)
		wanted.batch = memory_at(memory, memory->count - 1)->batch;
	return wanted;
}

static unsigned count_wanted(const struct memory *memory, const struct wanted *wanted)
{
	unsigned count = 0;

	for (size_t i = 0; i < memory->count; i++)
		count += is_wanted(wanted, memory_at(memory, i));
	return count;
}

typedef void send_frame(void *context, const uint8_t *frame, size_t length);
typedef size_t make_frame(const struct result *, unsigned total, unsigned index, uint8_t out[static SEVEN_FRAME_MAX]);

static void send_results(
	const struct memory *memory, const struct wanted *wanted, make_frame *make, send_frame *send, void *context)
{
	uint8_t frame[SEVEN_FRAME_MAX];
	unsigned total = count_wanted(memory, wanted), index = 0;

	for (size_t i = 0; i < memory->count; i++) {
		if (is_wanted(wanted, memory_at(memory, i)))
			send(context, frame, make(memory_at(memory, i), total, ++index, frame));
	}
}

static void send_count(const struct memory *memory, const struct wanted *wanted, send_frame *send, void *context)
{
	uint8_t frame[SEVEN_FRAME_MAX];
	uint8_t data[5] = { wanted->year, wanted->month, wanted->day };

	put16(data + 3, count_wanted(memory, wanted));
	send(context, frame, seven_wrap(0x13, data, sizeof data, frame));
}

static bool stays_mute(struct instrument *instrument, const struct wanted *wanted)
{
	if (instrument->muted >= instrument->options->mute_days || count_wanted(&instrument->memory, wanted) == 0)
		return false;
	instrument->muted++;
	return true;
}

static void answer_a2(
	struct instrument *instrument, uint8_t command, struct bytes *data, send_frame *send, void *context)
{
	uint8_t frame[SEVEN_FRAME_MAX];

	if (command == COMM_TEST) {
		send(context, frame, seven_wrap(0x01, (const uint8_t[]){ 0, 0 }, 2, frame));
		return;
	}
	const struct memory *memory = &instrument->memory;
	struct wanted wanted = wanted_by(memory, data, false);
	if (data->failed || stays_mute(instrument, &wanted))
		return;
	if (command == COUNT_A2)
		send_count(memory, &wanted, send, context);
	else if (command == READ_A2)
		send_results(memory, &wanted, seven_result_a2, send, context);
}

static void answer_a2b(
	const struct memory *memory, uint8_t command, struct bytes *data, send_frame *send, void *context)
{
	static const uint8_t nothing[21] = { 0xFF };
	uint8_t frame[SEVEN_FRAME_MAX];

	if (command == COMM_TEST) {
		send(context, frame, seven_wrap(0x02, (const uint8_t[]){ 0xFF, 0x02, 0x10, 0x10 }, 4, frame));
		return;
	}
	bool asked = bytes_u8(data) == 0xFF;
	struct wanted wanted = wanted_by(memory, data, true);
	if (command != READ_A2B || !asked || data->failed)
		return;
	if (count_wanted(memory, &wanted) > 0)
		send_results(memory, &wanted, seven_result_a2b, send, context);
	else
		send(context, frame, seven_wrap(0x16, nothing, sizeof nothing, frame));
}

void seven_answer(struct instrument *instrument, const uint8_t *request, size_t length, send_frame *send, void *context)
{
	struct bytes data = bytes_of(request + 4, length - FRAME_EXTRA);

	if (instrument->options->archetype == ARCHETYPE_A2B)
		answer_a2b(&instrument->memory, request[1], &data, send, context);
	else
		answer_a2(instrument, request[1], &data, send, context);
}
