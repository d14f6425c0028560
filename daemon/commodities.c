#include "commodities.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../drivers/fault.h"
#include "csv.h"
#include "spellings.h"

#define TEXT_MAX 95 /* what fits a sample's name in a reading */

struct commodity_table {
	struct commodity *list;
	size_t count, room;
	struct spellings spellings; /* of codes, names and aliases -> commodity */
};

enum column { CODE, NAME, ALIASES, CATEGORY, GROUPS, REMARK };

static const struct csv_column columns[] = {
	[CODE] = { "code", false },
	[NAME] = { "name", true },
	[ALIASES] = { "aliases", false },
	[CATEGORY] = { "category", false },
	[GROUPS] = { "groups", false },
	[REMARK] = { "remark", false },
	{ NULL, false },
};

static char *copied(const char *text)
{
	char *copy = strdup(text);
	if (!copy)
		abort();
	return copy;
}

static bool check_row(const struct csv_row *row)
{
	static const enum column short_ones[] = { CODE, NAME, CATEGORY };
	bool good = true;
	for (size_t i = 0; i < sizeof(short_ones) / sizeof(*short_ones); i++)
		if (strlen(row->field[short_ones[i]]) > TEXT_MAX) {
			csv_fault(row, _("%s is longer than %d bytes; is a comma missing before it?"),
				columns[short_ones[i]].name, TEXT_MAX);
			good = false;
		}
	if (!*row->field[NAME]) {
		csv_fault(row, _("name is empty; write what the sample is of, such as 菠菜"));
		good = false;
	}
	return good;
}

static void take_commodity(void *context, const struct csv_row *row)
{
	struct commodity_table *table = context;
	if (!check_row(row))
		return;
	if (table->count == table->room) {
		table->room = table->room ? 2 * table->room : 64;
		table->list = realloc(table->list, table->room * sizeof(*table->list));
		if (!table->list)
			abort();
	}
	spellings_add(&table->spellings, row->field[CODE], table->count, row->line);
	spellings_add(&table->spellings, row->field[NAME], table->count, row->line);
	spellings_add_list(&table->spellings, "", row->field[ALIASES], table->count, row->line);
	table->list[table->count++] = (struct commodity){
		.code = copied(row->field[CODE]),
		.name = copied(row->field[NAME]),
		.category = copied(row->field[CATEGORY]),
		.groups = copied(row->field[GROUPS]),
	};
}

/* One that stands for two would give a sample the limits of either. */
static void check_spellings(const struct spellings *spellings, const char *path, struct faults *faults)
{
	for (size_t i = 1; i < spellings->count; i++) {
		const struct spelling *one = &spellings->list[i - 1], *other = one + 1;
		if (one->meaning != other->meaning && strcmp(one->folded, other->folded) == 0)
			faults_add(faults, FAULTS_ERROR, path, other->line, 0, NULL,
				_("\"%s\" also stands for the commodity on line %d; remove one of the two"),
				other->folded, one->line);
	}
}

int commodities_load(const char *path, struct commodity_table **ret, struct faults *faults)
{
	size_t errors = faults->errors;
	struct commodity_table *table = calloc(1, sizeof(*table));
	if (!table)
		abort();
	int result = csv_read(path, columns, take_commodity, table, faults);
	spellings_sort(&table->spellings);
	check_spellings(&table->spellings, path, faults);
	if (result == 0 && faults->errors > errors)
		result = -EINVAL;
	if (result < 0) {
		commodities_free(table);
		return result;
	}
	*ret = table;
	return 0;
}

void commodities_free(struct commodity_table *table)
{
	if (!table)
		return;
	for (size_t i = 0; i < table->count; i++) {
		free(table->list[i].code);
		free(table->list[i].name);
		free(table->list[i].category);
		free(table->list[i].groups);
	}
	spellings_free(&table->spellings);
	free(table->list);
	free(table);
}

size_t commodities_count(const struct commodity_table *table)
{
	return table->count;
}

const struct commodity *commodities_find(const struct commodity_table *table, const char *text)
{
	size_t count;
	const struct spelling *found = spellings_find(&table->spellings, text, &count);
	return found ? &table->list[found->meaning] : NULL;
}
