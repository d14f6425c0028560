/* Items: what is tested, by which method, in which unit and against which limit (items.csv).
 *
 * A table is loaded once and constant; any thread may look up.
 */
#ifndef ASSAYD_ITEMS_H
#define ASSAYD_ITEMS_H

#include "faults.h"

struct item_table;

/* 0, or -errno with every faulty line added to `faults`. */
int items_load(const char *path, struct item_table **ret, struct faults *faults);
void items_free(struct item_table *table); /* NULL is fine */

#endif
