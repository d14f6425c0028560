#include "modbus.h"

#include <string.h>

#include "../../drivers/bytes.h"
#include "../../drivers/checksum.h"
#include "a6a.h"

enum { READ_HOLDING = 3, WRITE_SINGLE = 6, WRITE_MULTIPLE = 16 };

int modbus_rtu_frame(const uint8_t *data, size_t length)
{
	size_t wanted = 8; /* address, function, two words, checksum */

	if (length < 2)
		return 0;
	if (data[1] == 15 || data[1] == WRITE_MULTIPLE) {
		if (length < 7)
			return 0;
		wanted = 9 + (size_t)data[6];
	} else if (data[1] == 7 || data[1] == 11 || data[1] == 12 || data[1] == 17) {
		wanted = 4;
	} else if (data[1] == 0 || data[1] > 0x6E) {
		return -1;
	}
	if (length < wanted)
		return 0;
	uint16_t crc = checksum_crc16(data, wanted - 2);
	return data[wanted - 2] == (crc & 0xFF) && data[wanted - 1] == crc >> 8 ? (int)wanted : -1;
}

int modbus_tcp_frame(const uint8_t *data, size_t length)
{
	if (length < 6)
		return 0;
	size_t rest = (size_t)data[4] << 8 | data[5];
	if (data[2] != 0 || data[3] != 0 || rest < 2 || rest > MODBUS_TCP_MAX - 6)
		return -1;
	return length < 6 + rest ? 0 : (int)(6 + rest);
}

static size_t refuse(uint8_t function, enum modbus_exception exception, uint8_t *out)
{
	out[0] = function | 0x80;
	out[1] = (uint8_t)exception;
	return 2;
}

static size_t answer_read(struct instrument *instrument, struct bytes *request, uint8_t *out)
{
	uint16_t registers[125];
	unsigned address = bytes_u16be(request), count = bytes_u16be(request);

	if (request->failed)
		return refuse(READ_HOLDING, MODBUS_ILLEGAL_VALUE, out);
	enum modbus_exception exception = a6b_read(instrument, address, count, registers);
	if (exception != MODBUS_FINE)
		return refuse(READ_HOLDING, exception, out);
	out[0] = READ_HOLDING;
	out[1] = (uint8_t)(2 * count);
	for (unsigned i = 0; i < count; i++) {
		out[2 + 2 * i] = (uint8_t)(registers[i] >> 8);
		out[3 + 2 * i] = (uint8_t)registers[i];
	}
	return 2 + 2 * (size_t)count;
}

static size_t answer_write(struct instrument *instrument, uint8_t function, struct bytes *request, uint8_t *out)
{
	const uint8_t *head = request->at;
	uint16_t values[123];
	unsigned address = bytes_u16be(request), count = 1;

	if (function == WRITE_MULTIPLE) {
		count = bytes_u16be(request);
		unsigned bytes = bytes_u8(request);
		if (count < 1 || count > 123 || bytes != 2 * count)
			return refuse(function, MODBUS_ILLEGAL_VALUE, out);
	}
	for (unsigned i = 0; i < count; i++)
		values[i] = bytes_u16be(request);
	if (request->failed)
		return refuse(function, MODBUS_ILLEGAL_VALUE, out);
	enum modbus_exception exception = a6b_write(instrument, address, count, values);
	if (exception != MODBUS_FINE)
		return refuse(function, exception, out);
	out[0] = function;
	memcpy(out + 1, head, 4); /* address and value, or address and count */
	return 5;
}

static size_t answer_pages(struct instrument *instrument, struct bytes *request, uint8_t *out)
{
	uint8_t function = A6A_FUNCTION;

	if (dice_chance(&instrument->dice, instrument->options->busy))
		return refuse(function, MODBUS_BUSY, out);
	size_t length = a6a_answer(instrument, request, out);
	return length > 0 ? length : refuse(function, MODBUS_ILLEGAL_VALUE, out);
}

size_t modbus_answer(
	struct instrument *instrument, const uint8_t *request, size_t length, uint8_t out[static MODBUS_PDU_MAX])
{
	struct bytes bytes = bytes_of(request, length);
	uint8_t function = bytes_u8(&bytes);

	if (instrument->options->archetype == ARCHETYPE_A6A)
		return function == A6A_FUNCTION ? answer_pages(instrument, &bytes, out)
		                                : refuse(function, MODBUS_ILLEGAL_FUNCTION, out);
	switch (function) {
	case READ_HOLDING:
		return answer_read(instrument, &bytes, out);
	case WRITE_SINGLE:
	case WRITE_MULTIPLE:
		return answer_write(instrument, function, &bytes, out);
	default:
		return refuse(function, MODBUS_ILLEGAL_FUNCTION, out);
	}
}

size_t modbus_rtu_wrap(unsigned unit, const uint8_t *pdu, size_t length, uint8_t out[static MODBUS_RTU_MAX])
{
	out[0] = (uint8_t)unit;
	memcpy(out + 1, pdu, length);
	uint16_t crc = checksum_crc16(out, length + 1);
	out[length + 1] = (uint8_t)crc;
	out[length + 2] = (uint8_t)(crc >> 8);
	return length + 3;
}

size_t modbus_tcp_wrap(const uint8_t *request, const uint8_t *pdu, size_t length, uint8_t out[static MODBUS_TCP_MAX])
{
	memcpy(out, request, 4);
	out[4] = (uint8_t)((length + 1) >> 8);
	out[5] = (uint8_t)(length + 1);
	out[6] = request[6];
	memcpy(out + 7, pdu, length);
	return 7 + length;
}
