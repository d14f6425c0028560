/* Tables of codes: the lines of a [table NAME], or a CSV file beside the map for those with hundreds. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "csv.h"
#include "map_parts.h"

#define OTHERS "*"

static void add_code(struct map_table *table, const char *code, const char *to, int line)
{
	table->codes = reallocarray(table->codes, table->count + 1, sizeof(*table->codes));
	if (!table->codes)
		abort();
	table->codes[table->count++] = (struct map_code){ code, to, line };
}

void map_table_section(struct map_table *table, const struct ini_section *section)
{
	for (size_t i = 0; i < section->count; i++) {
		const struct ini_entry *entry = &section->entries[i];
		if (strcmp(entry->key, OTHERS) == 0)
			table->others = entry->value;
		else
			add_code(table, entry->key, entry->value, entry->line);
	}
}

static int by_code(const void *left, const void *right)
{
	const struct map_code *a = left, *b = right;
	int order = strcmp(a->code, b->code);
	return order ? order : a->line - b->line;
}

void map_table_sort(struct map_table *table)
{
	if (table->count)
		qsort(table->codes, table->count, sizeof(*table->codes), by_code);
}

/* ---- from a file ---- */

enum { CODE, TO, NAME, REMARK };
static const struct csv_column columns[] = {
	[CODE] = { "code", true },
	[TO] = { "to", true },
	[NAME] = { "name", false },
	[REMARK] = { "remark", false },
	{ NULL, false },
};

static char *copy(const char *text)
{
	char *made = strdup(text);
	if (!made)
		abort();
	return made;
}

static void take_row(void *context, const struct csv_row *row)
{
	struct map_table *table = context;
	if (!*row->field[CODE])
		csv_fault(row, _("this line has no code; write the code that records have, or delete the line"));
	else if (strcmp(row->field[CODE], OTHERS) != 0)
		add_code(table, copy(row->field[CODE]), copy(row->field[TO]), row->line);
	else if (table->others)
		csv_fault(row, _("the code * for all others is there twice; delete one"));
	else
		table->others = copy(row->field[TO]);
}

int map_table_file(struct map_table *table, const char *path, struct faults *faults)
{
	table->owned = true;
	int error = csv_read(path, columns, take_row, table, faults);
	map_table_sort(table);
	for (size_t i = 1; i < table->count; i++)
		if (strcmp(table->codes[i - 1].code, table->codes[i].code) == 0) {
			faults_add(faults, FAULTS_ERROR, path, table->codes[i].line, 0, NULL,
				_("the code %.60s is there twice, first at line %d; delete one"), table->codes[i].code,
				table->codes[i - 1].line);
			error = -EINVAL;
		}
	return error;
}

void map_table_free(struct map_table *table)
{
	for (size_t i = 0; table->owned && i < table->count; i++) {
		free((char *)table->codes[i].code);
		free((char *)table->codes[i].to);
	}
	if (table->owned)
		free((char *)table->others);
	free(table->codes);
}

struct map_table *map_table_find(const struct map *map, const char *name)
{
	for (size_t i = 0; i < map->table_count; i++)
		if (strcmp(map->tables[i].name, name) == 0)
			return &map->tables[i];
	return NULL;
}

static int is_code(const void *code, const void *row)
{
	return strcmp(code, ((const struct map_code *)row)->code);
}

const char *map_table_look(const struct map_table *table, const char *code)
{
	const struct map_code *found =
		table->count ? bsearch(code, table->codes, table->count, sizeof(*table->codes), is_code) : NULL;
	if (found)
		return found->to;
	return table->others && strcmp(table->others, OTHERS) == 0 ? code : table->others;
}
