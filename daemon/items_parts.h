/* What the files of the item table share. Only daemon/items*.c includes this. */
#ifndef ASSAYD_ITEMS_PARTS_H
#define ASSAYD_ITEMS_PARTS_H

#include "csv.h"
#include "items.h"
#include "spellings.h"

#define ITEMS_TEXT_MAX 128 /* bytes of a code, name, method or basis: longer ones are a slipped column */

struct sample_limit {
	size_t item;
	struct limit limit;
	int line;
};

struct item_table {
	struct item *list;
	int *lines; /* where each item stands in the file */
	size_t count, room;
	struct spellings spellings; /* of codes, names and aliases -> item */
	struct sample_limit *limits;
	size_t limit_count, limit_room;
	struct spellings samples; /* "CODE:sample", folded -> limit */
};

/* Room for one more of `size` bytes at the end of a growing array. */
void *items_grown(void *list, size_t count, size_t *room, size_t size);

/* Each adds a fault of the row and returns false when the text is not what it should be. A limit needs sign, value and
 * unit; without sign and value there is none. */
bool items_decimal(const struct csv_row *row, const char *column, const char *text, char out[static DECIMAL_MAX]);
bool items_read_limit(const struct csv_row *row, const char *op, const char *value, const char *unit,
	const char *source, struct limit *ret);

#endif
