/* Chinese text in the fixed GB 18030 fields of instruments, cut wherever the field ends. */
#ifndef SIM_LABEL_H
#define SIM_LABEL_H

#include <stddef.h>
#include <stdint.h>

/* Writes `utf8` into a NUL-padded field of `size` bytes. A character that does not fit is cut in half, as instruments
 * do. `seen` (may be NULL) gets what a reader of the field can know: the whole characters, and U+FFFD for a half one.
 */
void label_field(const char *utf8, uint8_t *field, size_t size, char *seen, size_t seen_size);

#endif
