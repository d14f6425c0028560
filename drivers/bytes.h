/* The bounded reader: the only way foreign bytes are looked at.
 *
 * A `struct bytes` is a window on memory it does not own. Reading past the end never touches memory: it returns 0 (or
 * NULL), and sets `failed`, which stays set; a decoder reads a whole layout and asks once at the end.
 * Pure; any thread may call.
 */
#ifndef ASSAYD_BYTES_H
#define ASSAYD_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes {
	const uint8_t *at;
	const uint8_t *end;
	bool failed;
};

struct bytes bytes_of(const void *data, size_t length);
size_t bytes_left(const struct bytes *bytes);

uint8_t bytes_u8(struct bytes *bytes);
uint16_t bytes_u16le(struct bytes *bytes);
uint16_t bytes_u16be(struct bytes *bytes);
uint32_t bytes_u32le(struct bytes *bytes);
uint32_t bytes_u32be(struct bytes *bytes);

/* One packed BCD byte, 0..99; a nibble over 9 sets `failed` and gives 0. */
unsigned bytes_bcd(struct bytes *bytes);

/* The next `length` bytes, or NULL and `failed` when fewer are left. */
const uint8_t *bytes_take(struct bytes *bytes, size_t length);

#endif
