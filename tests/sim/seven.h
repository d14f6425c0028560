/* The 7E-AA readers: A2, polled by date, and A2b. Everything is little-endian unless said.
 *
 *   7E cmd len16 data crc8 AA         CRC-8 over cmd..data; no byte stuffing: 7E and AA may occur inside data
 *
 *   A2   00 {00 00}        -> 01 {00 00}
 *        12 {yy mm dd}     -> 13 {yy mm dd count16}
 *        10 {yy mm dd}     -> n x 11 {total16 index16 number16 name[6] yy mm dd h m s inhibition*100}
 *   A2b  00 {..}           -> 02 {FF 02 10 10}
 *        15 {FF yy mm dd}  -> n x 16 {FF total16 index16 channel standard yy mm dd h m s number16BE absorbance*1000
 *                                     inhibition*10 verdict(2 ok, 1 over) 00}
 *           date 00 00 00: the last batch; FF FF FF: all
 *
 * Reading erases nothing. Without results the A2 sends no frame at all, the A2b one with total 0. The control well is
 * named "对照样" by the A2 and has channel 0 on the A2b.
 */
#ifndef SIM_SEVEN_H
#define SIM_SEVEN_H

#include "instrument.h"

enum { SEVEN_FRAME_MAX = 64 };

/* Length of the complete request at `data`, 0 while it may become one, -1 when none starts here. */
int seven_frame(const uint8_t *data, size_t length);

/* Wraps command and data into a frame. Returns its length. */
size_t seven_wrap(uint8_t command, const uint8_t *data, size_t length, uint8_t out[static SEVEN_FRAME_MAX]);

/* One result as the frame number `index` (from 1) of `total`. */
size_t seven_result_a2(
	const struct result *result, unsigned total, unsigned index, uint8_t out[static SEVEN_FRAME_MAX]);
size_t seven_result_a2b(
	const struct result *result, unsigned total, unsigned index, uint8_t out[static SEVEN_FRAME_MAX]);

/* Answers one request: calls `send` for every frame of the answer. */
void seven_answer(struct instrument *instrument, const uint8_t *request, size_t length,
	void (*send)(void *context, const uint8_t *frame, size_t length), void *context);

#endif
