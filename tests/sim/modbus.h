/* Modbus as a server, written from the specification and on purpose not with the library the gateway uses. */
#ifndef SIM_MODBUS_H
#define SIM_MODBUS_H

#include "instrument.h"

enum { MODBUS_PDU_MAX = 253, MODBUS_RTU_MAX = 256, MODBUS_TCP_MAX = 260 };

/* Length of the complete request at `data`, 0 while it may become one, -1 when none starts here. */
int modbus_rtu_frame(const uint8_t *data, size_t length);
int modbus_tcp_frame(const uint8_t *data, size_t length);

/* Answers one request (function and data, without address and checksum). Returns the answer's length. */
size_t modbus_answer(
	struct instrument *instrument, const uint8_t *request, size_t length, uint8_t out[static MODBUS_PDU_MAX]);

/* Wraps an answer for the wire. Returns the frame's length. */
size_t modbus_rtu_wrap(unsigned unit, const uint8_t *pdu, size_t length, uint8_t out[static MODBUS_RTU_MAX]);
size_t modbus_tcp_wrap(const uint8_t *request, const uint8_t *pdu, size_t length, uint8_t out[static MODBUS_TCP_MAX]);

#endif
