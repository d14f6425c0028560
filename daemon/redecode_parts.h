/* The parts of decoding again, for daemon/redecode*.c and their tests. Pure but for the time zone; any thread. */
#ifndef ASSAYD_REDECODE_PARTS_H
#define ASSAYD_REDECODE_PARTS_H

#include "config.h"
#include "json.h"

/* Runs the raw bytes of one reading, or of bytes that could not be read, through the instrument's driver; `each` gets
 * what each frame gave, good until it returns. `before` as for take_raw() in drivers/driver.h; `now`: when they came.
 */
void redecode_raw(const struct instrument_config *config, const struct reading *before, const struct date_time *now,
	const uint8_t *raw, size_t length,
	void (*each)(void *context, const struct instrument *instrument, const struct readings *readings),
	void *context);

/* What take_raw() may know of the record's reading. */
void redecode_before(const struct json *record, struct reading *ret_before);

/* Which of these records is the old one decoded again: one frame may hold several. `count` when none is, or it cannot
 * be told. */
size_t redecode_match(const struct json *old, struct json *const *list, size_t count);

/* {"was":{..},"is":{..}}: where the two differ in what the instrument said; NULL when they do not. */
struct json *redecode_changes(const struct json *old, const struct json *new);

/* The same for what the tables make of it, where words of the old record that had no row now have one; NULL when none
 * has. */
struct json *redecode_mapped(const struct json *old, const struct json *new);

#endif
