#include "bytes.h"

struct bytes bytes_of(const void *data, size_t length)
{
	const uint8_t *at = data;
	return (struct bytes){ .at = at, .end = at ? at + length : at };
}

size_t bytes_left(const struct bytes *bytes)
{
	return (size_t)(bytes->end - bytes->at);
}

const uint8_t *bytes_take(struct bytes *bytes, size_t length)
{
	if (bytes->failed || bytes_left(bytes) < length) {
		bytes->failed = true;
		return NULL;
	}
	const uint8_t *taken = bytes->at;
	/* An empty window may stand on NULL, to which not even 0 may be added. */
	if (length > 0)
		bytes->at += length;
	return taken;
}

uint8_t bytes_u8(struct bytes *bytes)
{
	const uint8_t *at = bytes_take(bytes, 1);
	return at ? at[0] : 0;
}

uint16_t bytes_u16le(struct bytes *bytes)
{
	const uint8_t *at = bytes_take(bytes, 2);
	if (!at)
		return 0;
	return (uint16_t)(at[0] | at[1] << 8);
}

uint16_t bytes_u16be(struct bytes *bytes)
{
	const uint8_t *at = bytes_take(bytes, 2);
	if (!at)
		return 0;
	return (uint16_t)(at[0] << 8 | at[1]);
}

uint32_t bytes_u32le(struct bytes *bytes)
{
	const uint8_t *at = bytes_take(bytes, 4);
	return at ? (uint32_t)at[3] << 24 | (uint32_t)at[2] << 16 | (uint32_t)at[1] << 8 | at[0] : 0;
}

uint32_t bytes_u32be(struct bytes *bytes)
{
	const uint8_t *at = bytes_take(bytes, 4);
	return at ? (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3] : 0;
}

unsigned bytes_bcd(struct bytes *bytes)
{
	uint8_t byte = bytes_u8(bytes);
	unsigned tens = byte >> 4, ones = byte & 0x0F;
	if (tens > 9 || ones > 9) {
		bytes->failed = true;
		return 0;
	}
	return tens * 10 + ones;
}
