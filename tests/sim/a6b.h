/* The A6b analyzer's holding registers: identity, status, clock, select, latch, acknowledge, and the result window.
 *
 *   0000 magic A55D        0001 map version       0002-0009 model         000A-0011 serial number (ASCII)
 *   0012 status bits       0013 channels          0014 capacity           0015 results held
 *   0016 oldest (hi, lo)   0018 newest (hi, lo)   001A-001F year month day hour minute second
 *   0020 select (lo, hi)   0022 command: 1 latch, 2 acknowledge and erase up to the selected, 3 set the clock
 *   0028-002D the clock to be set
 *   0100 valid (FFFF blank)  0101 number (hi, lo)  0103 channel  0104 item  0105 method  0106-010B time  010C result
 * type 010D value f32  010F unit  0110 verdict  0111 signal f32  0113 control f32  0115 kind  0116-011D sample number
 *   011E-0127 name (GB 18030)  0128-012B operator (GB 18030)  012C status  012D CRC-16 of 0100-012C
 *
 * Nothing else exists: what touches another register is refused as a whole (exception 02).
 */
#ifndef SIM_A6B_H
#define SIM_A6B_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "result.h"

struct instrument;

enum {
	A6B_CHANNELS = 12,
	A6B_WINDOW = 0x100,
	A6B_WINDOW_LENGTH = 46,
};

enum modbus_exception {
	MODBUS_FINE = 0,
	MODBUS_ILLEGAL_FUNCTION = 1,
	MODBUS_ILLEGAL_ADDRESS = 2,
	MODBUS_ILLEGAL_VALUE = 3,
	MODBUS_BUSY = 6,
};

struct a6b { /* cleared by a power cycle */
	uint32_t selected;
	uint16_t clock_to_set[6];
	uint16_t window[A6B_WINDOW_LENGTH];
	bool new_data, overrun;
	bool host_erases; /* this host walks the memory from its oldest end */
};

void a6b_start(struct a6b *a6b);

/* The window that shows `result`, checksum included. */
void a6b_fill_window(const struct result *result, bool low_word_first, uint16_t window[static A6B_WINDOW_LENGTH]);

/* 0, or the exception to refuse with. Writing has effects in the order of the registers. */
enum modbus_exception a6b_read(struct instrument *instrument, unsigned address, unsigned count, uint16_t *out);
enum modbus_exception a6b_write(
	struct instrument *instrument, unsigned address, unsigned count, const uint16_t *values);

#endif
