/* Frames of "03-FF" analyzers; the transcript stands in zero3_ff.c. */
#include <string.h>

#include "checksum.h"
#include "zero3_ff.h"

enum { START = 0x03, HOST = 0xFF, INSTRUMENT = 0xFE, HEADER = 12, IDENTIFY_COMMAND = 0x20 };

static enum zero3_part part_of(uint8_t command, enum zero3_family *ret_family)
{
	static const int8_t families[16] = { [4] = ZERO3_4X + 1, [6] = ZERO3_6X + 1, [7] = ZERO3_7X + 1 };
	if (command == IDENTIFY_COMMAND)
		return ZERO3_IDENTIFY;
	int family = families[command >> 4] - 1, part = command & 0x0F;
	bool known = part == ZERO3_TABLE || part == ZERO3_RANGE || part == ZERO3_RECORD ||
	             (part == ZERO3_CLEAR && family == ZERO3_4X);
	if (family < 0 || !known)
		return ZERO3_UNKNOWN;
	*ret_family = (enum zero3_family)family;
	return (enum zero3_part)part;
}

/* The most data that a frame of this kind may have: a damaged length must not swallow the frames behind it. */
static size_t data_max(uint8_t from, enum zero3_part part)
{
	if (from == HOST)
		return 64;
	switch (part) {
	case ZERO3_TABLE:
		return ZERO3_ITEMS_MAX * 128;
	case ZERO3_RECORD:
		return 4096;
	case ZERO3_IDENTIFY:
		return 512;
	default:
		return 64;
	}
}

/* The length which a header at `data` promises, FRAME_MORE while it may become one, FRAME_NONE. */
static int promised(const uint8_t *data, size_t length)
{
	enum zero3_family family;
	struct bytes bytes = bytes_of(data, length);
	if (bytes_u8(&bytes) != START)
		return FRAME_NONE;
	uint8_t from = bytes_u8(&bytes);
	if (!bytes.failed && from != HOST && from != INSTRUMENT)
		return FRAME_NONE;
	enum zero3_part part = part_of(bytes_u8(&bytes), &family);
	if (!bytes.failed && part == ZERO3_UNKNOWN)
		return FRAME_NONE;
	if (bytes_u8(&bytes) != 0)
		return FRAME_NONE;
	bytes_u32le(&bytes);
	size_t size = bytes_u16le(&bytes);
	uint8_t checksum = bytes_u8(&bytes);
	bytes_u8(&bytes);
	if (bytes.failed)
		return FRAME_MORE;
	if (checksum != checksum_xor8(data, HEADER - 2) || size > data_max(from, part))
		return FRAME_NONE;
	return (int)(HEADER + size);
}

/* Data with a wrong checksum are a frame all the same, so that their bytes can be told. Where another header begins
 * inside them the end of this frame was lost, and it ends there, even with the right checksum: a frame that broke off
 * and its repetition may well come to the same sum, while no data hold a whole header by chance. */
int zero3_frame(const struct instrument *instrument, const uint8_t *data, size_t length)
{
	int total = promised(data, length);
	if (total <= 0)
		return total;
	if (length < (size_t)total)
		return FRAME_MORE;
	bool right = data[HEADER - 1] == checksum_xor8(data + HEADER, (size_t)total - HEADER);
	for (int at = HEADER; at < total; at++) {
		int next = promised(data + at, (right ? (size_t)total : length) - (size_t)at);
		if (next > 0)
			return at;
		if (next == FRAME_MORE && !right && !instrument->idle)
			return FRAME_MORE;
	}
	return total;
}

struct zero3_frame zero3_open(const uint8_t *data, size_t length)
{
	struct zero3_frame frame = { 0 };
	struct bytes bytes = bytes_of(data, length);
	bytes_u8(&bytes);
	frame.from_instrument = bytes_u8(&bytes) == INSTRUMENT;
	frame.part = part_of(bytes_u8(&bytes), &frame.family);
	bytes_u8(&bytes);
	frame.argument = bytes_u32le(&bytes);
	size_t size = bytes_u16le(&bytes);
	bytes_u8(&bytes);
	uint8_t checksum = bytes_u8(&bytes);
	frame.data = bytes;
	frame.whole = bytes_left(&bytes) == size && checksum == checksum_xor8(bytes.at, size);
	return frame;
}

void zero3_send(struct request *request, enum zero3_family family, enum zero3_part part, uint32_t argument,
	const uint8_t *data, size_t length)
{
	static const uint8_t families[] = { [ZERO3_4X] = 0x40, [ZERO3_6X] = 0x60, [ZERO3_7X] = 0x70 };
	uint8_t *bytes = request->bytes;
	memset(bytes, 0, HEADER);
	bytes[0] = START;
	bytes[1] = HOST;
	bytes[2] = part == ZERO3_IDENTIFY ? IDENTIFY_COMMAND : (uint8_t)(families[family] | (uint8_t)part);
	for (int i = 0; i < 4; i++)
		bytes[4 + i] = (uint8_t)(argument >> 8 * i);
	bytes[8] = (uint8_t)length;
	bytes[10] = checksum_xor8(bytes, HEADER - 2);
	bytes[11] = checksum_xor8(data, length);
	if (length > 0)
		memcpy(bytes + HEADER, data, length);
	request->kind = REQUEST_BYTES;
	request->length = HEADER + length;
}
