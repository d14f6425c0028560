/* A5: an ATP luminometer. Numbers are little-endian.
 *
 *   N -> 'n' count16     G -> 'g' serial16, then every record     E: the dialogue is over, no answer
 *   record (19 bytes): 'r' number16 rlu16 low16 up16 group point second minute hour weekday day month year sum8
 *
 * Reading erases nothing. First byte and checksum are our choice: what a real one sends there is not known.
 */
#ifndef SIM_ATP_H
#define SIM_ATP_H

#include <stddef.h>
#include <stdint.h>

#include "result.h"

struct instrument;

enum { ATP_RECORD = 19, ATP_LOW = 10, ATP_UP = 30, ATP_SERIAL = 1042 };

/* Length of the request at `data`, -1 when none starts here. */
int atp_frame(const uint8_t *data, size_t length);

void atp_record(const struct result *result, uint8_t out[static ATP_RECORD]);

/* Answers one request: calls `send` for every frame of the answer. */
void atp_answer(const struct instrument *instrument, uint8_t request,
	void (*send)(void *context, const uint8_t *frame, size_t length), void *context);

#endif
