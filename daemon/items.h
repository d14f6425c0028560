/* Items: what is tested, by which method, in which unit and against which limit (items.csv, limits.csv).
 *
 * A table is loaded once and constant; any thread may look up. The columns are explained in config/README.md.
 */
#ifndef ASSAYD_ITEMS_H
#define ASSAYD_ITEMS_H

#include <stdbool.h>
#include <stddef.h>

#include "faults.h"
#include "rule.h"

struct item_table;

struct item {
	char *code;   /* the county's code: "PR-OPCB" */
	char *name;   /* the county's name; items tested by several standards share it */
	char *method; /* "enzyme-inhibition" */
	char *basis;  /* test standard: "GB/T 5009.199-2003" */
	char *unit;   /* UCUM */
	struct rule rule;
	struct limit limit;            /* when no sample of limits.csv fits; op "" for none */
	char control_min[DECIMAL_MAX]; /* least delta A of the control for a valid series; "" for none */
	char *interfering;             /* samples known to give false positives, separated by `;` */
};

/* 0, or -errno with every faulty line added to `faults`. */
int items_load(const char *path, struct item_table **ret, struct faults *faults);
/* Adds the limits that depend on the sample and the day; codes must be in the table. A missing file is no fault:
 * limits.csv is optional. To be called before the table is shared. */
int items_load_limits(const char *path, struct item_table *table, struct faults *faults);
void items_free(struct item_table *table); /* NULL is fine */
size_t items_count(const struct item_table *table);
const struct item *items_at(const struct item_table *table, size_t index);

/* The item that `text` (code, name or alias, any case and width) stands for, or NULL. Where several standards test the
 * same item, the one `basis` names is meant, and the first of the file when it names none of them. `scopes` (may be
 * NULL; ended by NULL) are tried first as prefixes, "analyzer-a6b:101", because numeric codes mean something else on
 * each instrument. */
const struct item *items_find(
	const struct item_table *table, const char *text, const char *basis, const char *const *scopes);

/* True when a list, separated by `;`, names the item: by code, name or alias in any spelling, or as PR-* for every code
 * that begins so. A name that several standards share names them all, a code one. */
bool items_listed(const struct item_table *table, const char *list, const struct item *item);
bool items_means(const struct item_table *table, const char *word, const struct item *item); /* one word of it */

/* The limit in force for this sample on `day` ("2026-03-05", more may follow): by the first of `samples` (ended by
 * NULL), its name and then whatever it belongs to, that has one, else that of every sample ("*"), else the item's own;
 * NULL when there is none. Where the sample's limit ended before that day and none follows it, none is guessed: NULL,
 * and `*ret_ended` is true. */
const struct limit *items_limit(const struct item_table *table, const struct item *item, const char *const *samples,
	const char *day, bool *ret_ended);

/* True when both name the same standard: "GB/T5009.199" and "GB/T 5009.199-2003" do; different years do not. */
bool basis_same(const char *a, const char *b);

#endif
