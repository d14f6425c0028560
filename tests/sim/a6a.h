/* A6a: an oil tester, Modbus framing with a function of its own. Numbers are big-endian.
 *
 *   65 page16 count16 -> 65 n, and up to `count` records of 10 bytes from that page on:
 *                        year - 2000, month, day, hour, minute, unit (0: %), temperature * 10 (16), value * 10 (16)
 *   behind the last    -> 65 02 00 00
 *
 * Every page holds one record; page 0 is the newest, with --oldest-first the oldest. Reading erases nothing. There is
 * neither a running number nor a second in the time.
 */
#ifndef SIM_A6A_H
#define SIM_A6A_H

#include <stddef.h>
#include <stdint.h>

#include "result.h"

struct instrument;
struct bytes;

enum { A6A_FUNCTION = 0x65, A6A_RECORD = 10, A6A_RECORDS_MAX = 24 };

void a6a_record(const struct result *result, uint8_t out[static A6A_RECORD]);

/* `request` stands behind the function code. The answer's length from its function code on; 0 for no such request. */
size_t a6a_answer(const struct instrument *instrument, struct bytes *request, uint8_t *out);

#endif
