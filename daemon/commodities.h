/* Commodities: what samples are of, as people and instruments spell it, and which groups of foods it belongs to
 * (commodities.csv).
 *
 * A table is loaded once and constant; any thread may look up. The columns are explained in config/README.md.
 */
#ifndef ASSAYD_COMMODITIES_H
#define ASSAYD_COMMODITIES_H

#include <stddef.h>

#include "faults.h"

struct commodity_table;

struct commodity {
	char *code;     /* the county's or platform's code; "" for none */
	char *name;     /* "菠菜" */
	char *category; /* "蔬菜"; "" for none */
	char *groups; /* matrix groups that limits name, separated by `;`, the nearest first: "叶菜类;叶类蔬菜" */
};

/* 0, or -errno with every faulty line added to `faults`. */
int commodities_load(const char *path, struct commodity_table **ret, struct faults *faults);
void commodities_free(struct commodity_table *table); /* NULL is fine */
size_t commodities_count(const struct commodity_table *table);

/* The commodity that `text` (code, name or alias, any case and width) stands for, or NULL. */
const struct commodity *commodities_find(const struct commodity_table *table, const char *text);

#endif
