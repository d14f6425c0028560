/* Lots: the reagents, strips and control materials in use, with the day they expire (lots.csv).
 *
 * A lot is in use with the instruments and items its row names from the day it was opened until another of its kind is.
 * A table is loaded once and constant; any thread may look up. The columns are explained in config/README.md.
 */
#ifndef ASSAYD_LOTS_H
#define ASSAYD_LOTS_H

#include <stdbool.h>
#include <stddef.h>

#include "day.h"
#include "faults.h"
#include "items.h"

struct lot_table;

enum lot_kind { LOT_REAGENT, LOT_STRIP, LOT_STANDARD, LOT_CONTROL };

#define LOT_KINDS (LOT_CONTROL + 1)

const char *lot_kind_name(enum lot_kind kind); /* "reagent", ... as in the record */

struct lot {
	enum lot_kind kind;
	char *number;              /* as it is printed on the box */
	char *instruments, *items; /* lists, separated by `;`; "" for every one */
	char opened[DAY_MAX];      /* the first day it was used; "": before anybody wrote it down */
	char expires[DAY_MAX];     /* the last day it may be used; "": not known */
	int line;
};

struct lot_test { /* what a lot was used for */
	const struct item_table *items;
	const struct item *item; /* NULL: unknown */
	const char *instrument;
	bool sample;     /* else a control or calibration, which takes its material too */
	const char *day; /* "2026-03-05"; more may follow, which does not count */
};

/* 0, or -errno with every faulty line added to `faults`: among them two lots of which nobody can tell which is in use.
 */
int lots_load(const char *path, const struct item_table *items, struct lot_table **ret, struct faults *faults);
void lots_free(struct lot_table *table); /* NULL is fine */
size_t lots_count(const struct lot_table *table);
const struct lot *lots_at(const struct lot_table *table, size_t index);

/* The lots in use that day, one of each kind at most; returns how many. */
size_t lots_in_use(
	const struct lot_table *table, const struct lot_test *test, const struct lot *list[static LOT_KINDS]);

/* The lot of that number among those of the test; NULL where the table has none. */
const struct lot *lots_numbered(const struct lot_table *table, const struct lot_test *test, const char *number);
/* The lot whose number, of at least four signs, stands in a code, apart from other letters and digits: what a strip's
 * code says besides, only its maker knows. The longest where there are several; NULL where there is none. */
const struct lot *lots_in_code(const struct lot_table *table, const struct lot_test *test, const char *code);

/* True when another lot of its kind took its place for some test, by that day. */
bool lots_replaced(const struct lot_table *table, const struct lot *lot, const char *day);

#endif
