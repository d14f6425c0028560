/* Operators: the people who test, as instruments spell them (operators.csv).
 *
 * A table is loaded once and constant; any thread may look up.
 */
#ifndef ASSAYD_OPERATORS_H
#define ASSAYD_OPERATORS_H

#include "faults.h"

struct operator_table;

/* 0, or -errno with every faulty line added to `faults`. */
int operators_load(const char *path, struct operator_table **ret, struct faults *faults);
void operators_free(struct operator_table *table); /* NULL is fine */

#endif
