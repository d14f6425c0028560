#include "link_pdu.h"

#include <errno.h>
#include <string.h>

#include "../drivers/bytes.h"

#define WRITE_HEAD 6 /* function, address, count, bytes of a WRITE_MANY */

enum { READ_HOLDING = 0x03, READ_INPUT = 0x04, WRITE_ONE = 0x06, WRITE_MANY = 0x10 };

/* Function code and data of a request; the register functions of MODBUS Application Protocol V1.1b3, 6.3 to 6.12. */
size_t pdu_make(const struct request *request, uint8_t pdu[static PDU_MAX])
{
	size_t length = 0;
	size_t written = request->kind == REQUEST_WRITE ? WRITE_HEAD + 2u * request->count : 0;
	if (request->count > REGISTERS_MAX || written > PDU_MAX || request->length > PDU_MAX ||
		(request->kind == REQUEST_RAW && request->length == 0))
		return 0;
#define PUT16(value) (pdu[length++] = (uint8_t)((value) >> 8), pdu[length++] = (uint8_t)((value)&0xFF))
	switch (request->kind) {
	case REQUEST_READ:
		pdu[length++] = request->table == REGISTERS_INPUT ? READ_INPUT : READ_HOLDING;
		PUT16(request->address);
		PUT16(request->count);
		break;
	case REQUEST_WRITE:
		pdu[length++] = request->count > 1 ? WRITE_MANY : WRITE_ONE;
		PUT16(request->address);
		if (request->count > 1) {
			PUT16(request->count);
			pdu[length++] = (uint8_t)(2 * request->count);
		}
		for (unsigned i = 0; i < request->count; i++)
			PUT16(request->registers[i]);
		break;
	default:
		memcpy(pdu, request->bytes, request->length);
		length = request->length;
	}
#undef PUT16
	return length;
}

static int take_registers(
	const struct request *request, struct bytes data, struct reply *reply, uint16_t *registers, struct fault *fault)
{
	unsigned length = bytes_u8(&data);
	if (length != 2u * request->count || bytes_left(&data) != length)
		return fault_set(fault, EBADMSG, _("answer of %u bytes, asked were %u registers"), length,
			(unsigned)request->count);
	reply->kind = REPLY_REGISTERS;
	reply->bytes = data.at;
	reply->length = length;
	reply->registers = registers;
	reply->count = request->count;
	for (unsigned i = 0; i < request->count; i++)
		registers[i] = bytes_u16be(&data);
	return 0;
}

/* A write is confirmed with its own address and value, or address and count. */
static int take_done(const struct request *request, struct bytes data, struct reply *reply, struct fault *fault)
{
	uint16_t address = bytes_u16be(&data), second = bytes_u16be(&data);
	uint16_t wanted = request->count > 1 ? request->count : request->registers[0];
	if (data.failed || address != request->address || second != wanted)
		return fault_set(fault, EBADMSG, _("confirmation of another write"));
	reply->kind = REPLY_DONE;
	return 0;
}

int pdu_take(const struct request *request, uint8_t function, const uint8_t *answer, size_t length, struct reply *reply,
	uint16_t *registers, uint8_t *bytes, struct fault *fault)
{
	memcpy(bytes, answer, length);
	struct bytes pdu = bytes_of(bytes, length);
	uint8_t answered = bytes_u8(&pdu);
	if (answered == (function | 0x80)) {
		reply->kind = REPLY_REFUSED;
		reply->exception = bytes_u8(&pdu);
		return 0;
	}
	if (answered != function)
		return fault_set(fault, EBADMSG, _("answer to function %u, asked was %u"), answered, function);
	if (request->kind == REQUEST_READ)
		return take_registers(request, pdu, reply, registers, fault);
	if (request->kind == REQUEST_WRITE)
		return take_done(request, pdu, reply, fault);
	reply->kind = REPLY_RAW;
	reply->bytes = bytes;
	reply->length = length;
	return 0;
}
