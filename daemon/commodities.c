#include "commodities.h"

#include <stdbool.h>
#include <stdlib.h>

#include "../drivers/fault.h"
#include "rows.h"

#define TEXT_MAX 95 /* what fits a sample's name in a reading */

struct commodity_table {
	struct rows rows; /* of struct commodity */
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

static bool read_commodity(struct rows *rows, const struct csv_row *row, void *ret_row)
{
	struct commodity *commodity = ret_row;
	bool good = csv_short(row, columns, CODE, TEXT_MAX);
	good &= csv_short(row, columns, NAME, TEXT_MAX);
	good &= csv_short(row, columns, CATEGORY, TEXT_MAX);
	if (!*row->field[NAME]) {
		csv_fault(row, _("name is empty; write what the sample is of, such as 菠菜"));
		good = false;
	}
	if (!good)
		return false;
	commodity->code = rows_text(rows, row->field[CODE]);
	commodity->name = rows_text(rows, row->field[NAME]);
	commodity->category = rows_text(rows, row->field[CATEGORY]);
	commodity->groups = rows_text(rows, row->field[GROUPS]);
	return true;
}

/* One that stands for two would give a sample the limits of either. */
static void tell_alike(const struct rows *rows, const struct spelling *one, const struct spelling *other,
	const char *path, struct faults *faults)
{
	(void)rows;
	faults_add(faults, FAULTS_ERROR, path, other->line, 0, NULL,
		_("\"%s\" also stands for the commodity on line %d; remove one of the two"), other->folded, one->line);
}

static const struct rows_kind commodity_rows = {
	.columns = columns,
	.size = sizeof(struct commodity),
	.read = read_commodity,
	.alike = tell_alike,
	.code = CODE,
	.name = NAME,
	.aliases = ALIASES,
};

int commodities_load(const char *path, struct commodity_table **ret, struct faults *faults)
{
	struct commodity_table *table = calloc(1, sizeof(*table));
	if (!table)
		abort();
	int result = rows_load(&table->rows, &commodity_rows, path, faults);
	if (result == 0)
		*ret = table;
	else
		commodities_free(table);
	return result;
}

void commodities_free(struct commodity_table *table)
{
	if (!table)
		return;
	rows_free(&table->rows);
	free(table);
}

size_t commodities_count(const struct commodity_table *table)
{
	return table->rows.count;
}

const struct commodity *commodities_find(const struct commodity_table *table, const char *text)
{
	size_t count;
	const struct spelling *found = spellings_find(&table->rows.spellings, text, &count);
	return found ? rows_at(&table->rows, found->meaning) : NULL;
}
