/* Operators: the people who test, as instruments spell them (operators.csv).
 *
 * A table is loaded once and constant; any thread may look up. The columns are explained in config/README.md.
 */
#ifndef ASSAYD_OPERATORS_H
#define ASSAYD_OPERATORS_H

#include <stdbool.h>

#include "faults.h"
#include "items.h"

struct operator_table;

struct operator
{
	char *id, *name, *certificate;
	char *trained;            /* on what: items, methods, instruments, separated by `;`; "" where nobody said */
	int line;                 /* of the table */
	char from[11], until[11]; /* the certificate's first and last day, "2026-03-05"; "" for no bound */
};

/* 0, or -errno with every faulty line added to `faults`. */
int operators_load(const char *path, struct operator_table **ret, struct faults *faults);
void operators_free(struct operator_table *table); /* NULL is fine */

/* Who is meant by `text` (id, name or alias, any case and width); NULL when nobody is, or more than one. */
const struct operator* operators_find(const struct operator_table *table, const char *text);

/* True when the certificate covers this day, "2026-03-05" (a longer text is looked at up to the day). */
bool operator_certified(const struct operator* person, const char *day);

struct training { /* what somebody may be trained on, of one test or of a whole station */
	const struct item_table *items;
	const struct item *item; /* NULL: unknown */
	const char *method, *instrument;
};

/* True where the table says of what this test is (one of its item, in any spelling, or PR-* for codes that begin so;
 * its method; its instrument's id), where it says nothing, and where nobody knows what was tested. */
bool operator_trained(const struct operator* person, const struct training *test);

size_t operators_count(const struct operator_table *table);
const struct operator* operators_at(const struct operator_table *table, size_t index);

#endif
