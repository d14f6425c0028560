/* Rows: a table people keep (csv.h) as its module holds it in memory, with the spellings that stand for each row.
 *
 * What a row is, the module says by a `struct rows_kind`; reading, looking up and giving back are the same for every
 * table. Loaded once and then constant; any thread may look up.
 */
#ifndef ASSAYD_ROWS_H
#define ASSAYD_ROWS_H

#include <stdbool.h>
#include <stddef.h>

#include "csv.h"
#include "spellings.h"

struct rows {
	const struct rows_kind *kind;
	void *list; /* `count` rows of kind->size bytes */
	size_t count, room;
	struct spellings spellings; /* -> place in the list */
	struct rows_text *texts;
	const void *context; /* the module's, for its read(); set before rows_load(), may be NULL */
};

struct rows_kind {
	const struct csv_column *columns; /* ended by a NULL name */
	size_t size;                      /* bytes of a row in memory */

	/* Fills a row, all zero before, with texts of rows_text(). False, and faults of this row, when it is not to be
	 * taken. May add spellings for rows->count, the place the row will have. */
	bool (*read)(struct rows *rows, const struct csv_row *given, void *ret_row);

	/* Says what is wrong with one spelling for two rows; called for each two neighbours that share one, the earlier
	 * first. NULL for rows without code, name and aliases: then the columns below do not count. */
	void (*alike)(const struct rows *rows, const struct spelling *one, const struct spelling *other,
		const char *path, struct faults *faults);
	size_t code, name, aliases; /* the columns whose texts stand for a row */
};

/* Reads a whole file, into rows that are all zero but for the context. 0, or -errno when anything was added to `faults`
 * as an error; what could be read is there even then. rows_free() in either case. */
int rows_load(struct rows *rows, const struct rows_kind *kind, const char *path, struct faults *faults);
void rows_free(struct rows *rows);

/* A copy of `text` that lives as long as the rows. */
char *rows_text(struct rows *rows, const char *text);

const void *rows_at(const struct rows *rows, size_t index); /* NULL behind the last */

#endif
