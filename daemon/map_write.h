/* Documents by a map: records go in one by one, and come out as the platform takes them.
 *
 * A document is what one request carries. With `batch` in the map there are several; without, one, which for json and
 * xml is kept in memory until the end because what stands around the records tells their number. One thread at a time.
 */
#ifndef ASSAYD_MAP_WRITE_H
#define ASSAYD_MAP_WRITE_H

#include "json.h"
#include "map.h"

struct map_writer;

/* `put` gets the bytes of document `number`, from 1 on, in order; a non-zero answer ends everything. */
struct map_writer *map_writer_new(const struct map *map,
	int (*put)(void *context, size_t number, const char *bytes, size_t length), void *context);

struct map_refusal { /* why a record is in no document */
	const char *field;
	struct fault fault;
};

/* 0 taken; 1 refused, with the reason; -EIO what `put` answered. `original` is the id of the first of the records that
 * this one corrects, or its own. */
int map_writer_add(
	struct map_writer *writer, const struct json *record, const char *original, struct map_refusal *ret_refusal);
/* Writes what is left. 0, -EINVAL with the reason when the envelope cannot be written, -EIO. */
int map_writer_end(struct map_writer *writer, struct map_refusal *ret_refusal);
void map_writer_free(struct map_writer *writer); /* NULL is fine */

#endif
