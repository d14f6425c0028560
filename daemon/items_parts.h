/* What the files of the item table share. Only daemon/items*.c includes this. */
#ifndef ASSAYD_ITEMS_PARTS_H
#define ASSAYD_ITEMS_PARTS_H

#include "items.h"
#include "rows.h"

#define ITEMS_TEXT_MAX 128 /* bytes of a code, name, method or basis: longer ones are a slipped column */

struct sample_limit {
	struct limit limit;
	int line;
};

struct item_table {
	struct rows rows;   /* of struct item */
	struct rows limits; /* of struct sample_limit, spelled "CODE:sample" */
};

/* Each adds a fault of the row and returns false when the text is not what it should be. A limit needs sign, value and
 * unit; without sign and value there is none. */
bool items_decimal(const struct csv_row *row, const char *column, const char *text, char out[static DECIMAL_MAX]);
bool items_read_limit(const struct csv_row *row, const char *op, const char *value, const char *unit,
	const char *source, struct limit *ret);

#endif
