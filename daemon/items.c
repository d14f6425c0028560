#include "items.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "csv.h"
#include "spellings.h"
#include "units.h"

#define TEXT_MAX 128 /* bytes of a code, name, method or basis: longer ones are a slipped column */

struct sample_limit {
	size_t item;
	struct limit limit;
};

struct item_table {
	struct item *list;
	int *lines; /* where each item stands in the file */
	size_t count, room;
	struct spellings spellings; /* of codes, names and aliases -> item */
	struct sample_limit *limits;
	size_t limit_count, limit_room;
	struct spellings samples; /* "CODE:sample", folded -> limit */
};

enum column {
	CODE,
	NAME,
	ALIASES,
	METHOD,
	BASIS,
	UNIT,
	RULE,
	LIMIT_OP,
	LIMIT_VALUE,
	LIMIT_UNIT,
	LIMIT_SOURCE,
	CONTROL_MIN,
	INTERFERING,
	REMARK
};

static const struct csv_column columns[] = {
	[CODE] = { "code", true },
	[NAME] = { "name", true },
	[ALIASES] = { "aliases", false },
	[METHOD] = { "method", false },
	[BASIS] = { "basis", false },
	[UNIT] = { "unit", false },
	[RULE] = { "rule", false },
	[LIMIT_OP] = { "limit_op", false },
	[LIMIT_VALUE] = { "limit_value", false },
	[LIMIT_UNIT] = { "limit_unit", false },
	[LIMIT_SOURCE] = { "limit_source", false },
	[CONTROL_MIN] = { "control_min", false },
	[INTERFERING] = { "interfering", false },
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

/* Room for one more of `size` bytes at the end of a growing array. */
static void *grown(void *list, size_t count, size_t *room, size_t size)
{
	if (count < *room)
		return list;
	*room = *room ? 2 * *room : 64;
	list = realloc(list, *room * size);
	if (!list)
		abort();
	return list;
}

static bool short_enough(const struct csv_row *row, const char *column, const char *text)
{
	if (strlen(text) <= TEXT_MAX)
		return true;
	csv_fault(row, _("%s is longer than %d bytes; a shorter text, or is a comma missing before it?"), column,
		TEXT_MAX);
	return false;
}

static bool decimal_or_empty(
	const struct csv_row *row, const char *column, const char *text, char out[static DECIMAL_MAX])
{
	if (*text && (!decimal_valid(text) || strlen(text) >= DECIMAL_MAX)) {
		csv_fault(row, _("%s \"%.40s\" is no number; write digits with a point, like 0.05"), column, text);
		return false;
	}
	snprintf(out, DECIMAL_MAX, "%s", text);
	return true;
}

/* A limit needs sign and value; its unit may come from the item. */
static bool read_limit(const struct csv_row *row, const char *op, const char *value, const char *unit,
	const char *source, struct limit *ret)
{
	struct limit limit = { 0 };
	if (!*op && !*value)
		return true;
	const char *sign = rule_sign(op);
	if (!sign) {
		csv_fault(row, _("limit_op \"%.20s\" is no sign; write <, <=, > or >= for what is allowed"), op);
		return false;
	}
	if (!*value) {
		csv_fault(row, _("limit_op has no limit_value; write the number, like 0.05"));
		return false;
	}
	if (!decimal_or_empty(row, "limit_value", value, limit.value))
		return false;
	const char *ucum = units_ucum(unit);
	if (!ucum) {
		csv_fault(row, _("the limit's unit \"%.30s\" is not known; write %%, mg/kg, ug/kg, RLU ..."), unit);
		return false;
	}
	if (strlen(source) >= sizeof(limit.source)) {
		csv_fault(row, _("limit_source is longer than %zu bytes; name the standard and its year"),
			sizeof(limit.source) - 1);
		return false;
	}
	snprintf(limit.op, sizeof(limit.op), "%s", sign);
	snprintf(limit.unit, sizeof(limit.unit), "%s", ucum);
	snprintf(limit.source, sizeof(limit.source), "%s", source);
	*ret = limit;
	return true;
}

/* inhibition>=50 and "< 50 %" must be the same bound told from both sides. */
static bool agree(const struct csv_row *row, const struct item *item)
{
	const struct rule *rule = &item->rule;
	const struct limit *limit = &item->limit;
	if (rule->kind != RULE_INHIBITION || !*limit->op)
		return true;
	const char *allowed = strcmp(rule->op, ">=") == 0 ? "<" : "<=";
	if (strcmp(limit->op, allowed) == 0 && decimal_compare(limit->value, rule->low) == 0 &&
		strcmp(limit->unit, "%") == 0)
		return true;
	csv_fault(row,
		_("the limit %s %s %s contradicts the rule %s; write limit_op %s, limit_value %s, limit_unit %%, or "
		  "leave all three empty"),
		limit->op, limit->value, limit->unit, rule->text, allowed, rule->low);
	return false;
}

static bool read_item(const struct csv_row *row, struct item *item)
{
	struct fault fault;
	bool good = true;
	for (enum column column = CODE; column <= UNIT; column++)
		if (column != ALIASES)
			good &= short_enough(row, columns[column].name, row->field[column]);
	for (enum column column = CODE; column <= NAME; column++)
		if (!*row->field[column]) {
			csv_fault(row, _("%s is empty; every item needs a code and a name"), columns[column].name);
			good = false;
		}
	const char *ucum = "";
	if (*row->field[UNIT] && !(ucum = units_ucum(row->field[UNIT]))) {
		csv_fault(row, _("the unit \"%.30s\" is not known; write %%, mg/kg, ug/kg, RLU ..."), row->field[UNIT]);
		good = false;
	}
	if (rule_parse(row->field[RULE], &item->rule, &fault) < 0) {
		csv_fault(row, "%s", fault.text);
		good = false;
	}
	const char *unit = *row->field[LIMIT_UNIT] ? row->field[LIMIT_UNIT] : row->field[UNIT];
	good &= read_limit(
		row, row->field[LIMIT_OP], row->field[LIMIT_VALUE], unit, row->field[LIMIT_SOURCE], &item->limit);
	good &= decimal_or_empty(row, "control_min", row->field[CONTROL_MIN], item->control_min);
	good = good && agree(row, item);
	if (!good)
		return false;
	item->code = copied(row->field[CODE]);
	item->name = copied(row->field[NAME]);
	item->method = copied(row->field[METHOD]);
	item->basis = copied(row->field[BASIS]);
	item->unit = copied(ucum);
	item->interfering = copied(row->field[INTERFERING]);
	return true;
}

static void take_item(void *context, const struct csv_row *row)
{
	struct item_table *table = context;
	struct item item = { 0 };
	if (!read_item(row, &item))
		return;
	size_t room = table->room;
	table->list = grown(table->list, table->count, &table->room, sizeof(*table->list));
	if (table->room != room) {
		table->lines = realloc(table->lines, table->room * sizeof(*table->lines));
		if (!table->lines)
			abort();
	}
	spellings_add(&table->spellings, item.code, table->count, row->line);
	spellings_add(&table->spellings, item.name, table->count, row->line);
	spellings_add_list(&table->spellings, row->field[ALIASES], table->count, row->line);
	table->lines[table->count] = row->line;
	table->list[table->count++] = item;
}

/* One spelling may stand for several items only when they are the same thing tested by different standards. */
static void check_pair(const struct item_table *table, const char *path, const struct spelling *first,
	const struct spelling *second, struct faults *faults)
{
	const struct item *a = &table->list[first->meaning], *b = &table->list[second->meaning];
	int line = table->lines[second->meaning];
	if (first->meaning == second->meaning)
		return;
	if (spelling_same(a->code, b->code)) {
		if (spelling_same(second->folded, b->code))
			faults_add(faults, FAULTS_ERROR, path, line, 0, NULL,
				_("the code %s is on line %d already; give each item a code of its own"), b->code,
				table->lines[first->meaning]);
	} else if (!spelling_same(a->name, b->name)) {
		faults_add(faults, FAULTS_ERROR, path, line, 0, NULL,
			_("\"%s\" stands for %s (line %d) already; remove it from one of the two"), second->folded,
			a->code, table->lines[first->meaning]);
	} else if (spelling_same(second->folded, b->name) &&
		   (!*a->basis || !*b->basis || basis_same(a->basis, b->basis))) {
		faults_add(faults, FAULTS_ERROR, path, line, 0, NULL,
			_("%s and %s (line %d) have the same name; a different basis must tell them apart"), b->code,
			a->code, table->lines[first->meaning]);
	}
}

static void check_spellings(const struct item_table *table, const char *path, struct faults *faults)
{
	const struct spellings *all = &table->spellings;
	for (size_t i = 1; i < all->count; i++)
		if (strcmp(all->list[i - 1].folded, all->list[i].folded) == 0)
			check_pair(table, path, &all->list[i - 1], &all->list[i], faults);
}

int items_load(const char *path, struct item_table **ret, struct faults *faults)
{
	size_t errors = faults->errors;
	struct item_table *table = calloc(1, sizeof(*table));
	if (!table)
		abort();
	int result = csv_read(path, columns, take_item, table, faults);
	spellings_sort(&table->spellings);
	check_spellings(table, path, faults);
	if (result == 0 && faults->errors > errors)
		result = -EINVAL;
	if (result < 0) {
		items_free(table);
		return result;
	}
	*ret = table;
	return 0;
}

void items_free(struct item_table *table)
{
	if (!table)
		return;
	for (size_t i = 0; i < table->count; i++) {
		struct item *item = &table->list[i];
		free(item->code);
		free(item->name);
		free(item->method);
		free(item->basis);
		free(item->unit);
		free(item->interfering);
	}
	spellings_free(&table->spellings);
	spellings_free(&table->samples);
	free(table->limits);
	free(table->list);
	free(table->lines);
	free(table);
}

size_t items_count(const struct item_table *table)
{
	return table->count;
}

const struct item *items_at(const struct item_table *table, size_t index)
{
	return index < table->count ? &table->list[index] : NULL;
}

/* The "-2003" at the end of a standard's folded number, or NULL. */
static char *edition(char *folded)
{
	char *dash = strrchr(folded, '-');
	return dash && strlen(dash) == 5 && strspn(dash + 1, "0123456789") == 4 ? dash : NULL;
}

bool basis_same(const char *a, const char *b)
{
	char one[TEXT_MAX + 1], other[TEXT_MAX + 1];
	if (strlen(a) > TEXT_MAX || strlen(b) > TEXT_MAX)
		return strcmp(a, b) == 0;
	char *year = edition(spelling_fold(one, a)), *other_year = edition(spelling_fold(other, b));
	if (year && !other_year)
		*year = '\0';
	if (other_year && !year)
		*other_year = '\0';
	return strcmp(one, other) == 0;
}

/* Of the items with this spelling, the one tested by `basis`; else one that shares the first one's name. */
static const struct item *by_basis(const struct item_table *table, const struct item *first, const char *basis)
{
	size_t count;
	const struct spelling *alike = spellings_find(&table->spellings, first->name, &count);
	if (!*basis || basis_same(first->basis, basis))
		return first;
	for (size_t i = 0; i < count; i++)
		if (basis_same(table->list[alike[i].meaning].basis, basis))
			return &table->list[alike[i].meaning];
	return first;
}

const struct item *items_find(
	const struct item_table *table, const char *text, const char *basis, const char *const *scopes)
{
	const struct spelling *found = NULL;
	size_t count = 0;
	char scoped[256];
	for (; !found && scopes && *scopes; scopes++) {
		int length = snprintf(scoped, sizeof(scoped), "%s:%s", *scopes, text);
		if (**scopes && *text && length < (int)sizeof(scoped))
			found = spellings_find(&table->spellings, scoped, &count);
	}
	if (!found)
		found = spellings_find(&table->spellings, text, &count);
	return found ? by_basis(table, &table->list[found->meaning], basis) : NULL;
}

enum limit_column { LIMIT_ITEM, LIMIT_SAMPLES, OP, VALUE, OF_UNIT, SOURCE, NOTE };

static const struct csv_column limit_columns[] = {
	[LIMIT_ITEM] = { "item", true },
	[LIMIT_SAMPLES] = { "samples", true },
	[OP] = { "op", true },
	[VALUE] = { "value", true },
	[OF_UNIT] = { "unit", true },
	[SOURCE] = { "source", false },
	[NOTE] = { "remark", false },
	{ NULL, false },
};

/* Adds "CODE:sample" for each of the samples. */
static void add_samples(struct item_table *table, const char *code, const char *samples, int line)
{
	struct spellings names = { 0 };
	char key[2 * TEXT_MAX + 2];
	spellings_add_list(&names, samples, 0, 0);
	for (size_t i = 0; i < names.count; i++)
		if (snprintf(key, sizeof(key), "%s:%s", code, names.list[i].folded) < (int)sizeof(key))
			spellings_add(&table->samples, key, table->limit_count, line);
	spellings_free(&names);
}

static void take_limit(void *context, const struct csv_row *row)
{
	struct item_table *table = context;
	struct sample_limit limit = { 0 };
	size_t count;
	const struct spelling *found = spellings_find(&table->spellings, row->field[LIMIT_ITEM], &count);
	if (!found) {
		csv_fault(
			row, _("there is no item \"%.60s\"; write a code that items.csv has"), row->field[LIMIT_ITEM]);
		return;
	}
	if (!*row->field[LIMIT_SAMPLES] || !*row->field[OP]) {
		csv_fault(row, _("samples or op is empty; a limit for every sample belongs into items.csv"));
		return;
	}
	if (!read_limit(row, row->field[OP], row->field[VALUE], row->field[OF_UNIT], row->field[SOURCE], &limit.limit))
		return;
	limit.item = found->meaning;
	table->limits = grown(table->limits, table->limit_count, &table->limit_room, sizeof(*table->limits));
	table->limits[table->limit_count] = limit;
	add_samples(table, table->list[limit.item].code, row->field[LIMIT_SAMPLES], row->line);
	table->limit_count++;
}

int items_load_limits(const char *path, struct item_table *table, struct faults *faults)
{
	size_t errors = faults->errors;
	if (access(path, F_OK) < 0 && errno == ENOENT)
		return 0;
	int result = csv_read(path, limit_columns, take_limit, table, faults);
	spellings_sort(&table->samples);
	for (size_t i = 1; i < table->samples.count; i++) {
		const struct spelling *one = &table->samples.list[i - 1], *other = one + 1;
		if (one->meaning != other->meaning && strcmp(one->folded, other->folded) == 0)
			faults_add(faults, FAULTS_ERROR, path, other->line, 0, NULL,
				_("\"%s\" has a limit on line %d already; remove one of the two"), other->folded,
				one->line);
	}
	return result == 0 && faults->errors > errors ? -EINVAL : result;
}

static const struct limit *sample_limit(const struct item_table *table, const struct item *item, const char *sample)
{
	char key[2 * TEXT_MAX + 2];
	size_t count;
	if (!*sample || snprintf(key, sizeof(key), "%s:%s", item->code, sample) >= (int)sizeof(key))
		return NULL;
	const struct spelling *found = spellings_find(&table->samples, key, &count);
	return found ? &table->limits[found->meaning].limit : NULL;
}

const struct limit *items_limit(
	const struct item_table *table, const struct item *item, const char *sample_name, const char *sample_category)
{
	const struct limit *limit = sample_limit(table, item, sample_name);
	if (!limit)
		limit = sample_limit(table, item, sample_category);
	return limit ? limit : *item->limit.op ? &item->limit : NULL;
}
