/* Tables people keep in a spreadsheet: comma-separated values with a header line (RFC 4180).
 *
 * The columns are found by the names in the header, in any order. Fields may be quoted and then hold commas, quotes
 * (doubled) and line ends. Empty lines and lines that begin with `#` are skipped. Blanks around a field do not count.
 * Fields missing at the end of a line are empty, because spreadsheets drop trailing commas. One thread per call.
 */
#ifndef ASSAYD_CSV_H
#define ASSAYD_CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "day.h"
#include "faults.h"

struct csv_column {
	const char *name;
	bool required; /* the header must have it */
};

#define CSV_COLUMNS_MAX 32

struct csv_row {
	const char *path;
	int line;                           /* where the row begins, from 1 */
	const char *field[CSV_COLUMNS_MAX]; /* in the order of the columns asked for; "" when not given */
	const char *excerpt;                /* the line as it stands in the file */
	struct faults *faults;
};

/* Reads a whole file and calls `row` for every row, good rows also after faulty ones. 0, or -errno when anything was
 * added to `faults` as an error. Ends `columns` with a NULL name. */
int csv_read(const char *path, const struct csv_column *columns, void (*row)(void *context, const struct csv_row *),
	void *context, struct faults *faults);

/* Reads the first and the last day something holds, either may be empty, written like 2026-03-05 or as spreadsheets
 * rewrite it, 2026/3/5. False, and faults of this row, when one is no day or the last is before the first. `columns`
 * are the table's, `from` and `until` places in it. */
bool csv_days(const struct csv_row *row, const struct csv_column *columns, size_t from, size_t until,
	char ret_from[static DAY_MAX], char ret_until[static DAY_MAX]);

/* False, and a fault of this row, when the text in a column is longer than `most` bytes: mostly a slipped column. */
bool csv_short(const struct csv_row *row, const struct csv_column *columns, size_t column, int most);

/* Adds an error at this row. */
void csv_fault(const struct csv_row *row, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Writes one field, in quotes where it could not be read without. */
void csv_put(FILE *out, const char *text);
/* Writes one field in quotes, with `before` in front of it. */
void csv_put_quoted(FILE *out, const char *before, const char *text);

#endif
