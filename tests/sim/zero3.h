/* A3 and A4: a multi-parameter analyzer and a strip reader with 03-FF frames. Everything is little-endian.
 *
 *   03 FF|FE cmd 00 arg32 len16 xor(0..9) xor(data) data      FF asks, FE answers with the same cmd and arg
 *
 *   20 "DEVICE??"      -> maker, model, serial number, time, each behind its length byte (our guess)
 *   42                 -> items: name[16] unit[8] method[1] in 128 bytes each (62 with --gold)
 *   43 start32 end32   -> 0[8] first16 last16: the records between two MS-DOS times (years from 2000); both 0: none
 *   45 arg = index     -> one record: 01 item 0 0 time32, then 8 bytes a channel: channel flag 0 0 value32
 *                         the flag of a channel that is being measured is 0, and so is its value (--overlap)
 *                         --gold (65): 01 item 0 0 time32, then method << 6 | 1 positive, 2 negative, 3 none
 *                         a4: index24, then lines of GB 18030 ended with 0D
 *   46                 -> memory and index begin anew
 *
 * An a3 writes what was finished together (--burst, at most 24) into one record, its control as channel 0; with --gold
 * and on the a4 each strip is a record. The index is a place in the memory: it begins anew only where that is cleared.
 */
#ifndef SIM_ZERO3_H
#define SIM_ZERO3_H

#include <stddef.h>
#include <stdint.h>

#include "options.h"
#include "result.h"

struct instrument;

enum { ZERO3_CHANNELS = 24, ZERO3_FRAME_MAX = 1024 };

/* Length of the complete request at `data`, 0 while it may become one, -1 when none starts here. */
int zero3_sim_frame(const uint8_t *data, size_t length);

/* Results of one record as the answer to the question for it. Returns its length. */
size_t zero3_sim_record(const struct options *options, const struct result *const *results, size_t count,
	uint8_t out[static ZERO3_FRAME_MAX]);

/* Answers one request: calls `send` for the frame of the answer, if there is one. */
void zero3_sim_answer(struct instrument *instrument, const uint8_t *request, size_t length,
	void (*send)(void *context, const uint8_t *frame, size_t length), void *context);

#endif
