#include "items.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "items_parts.h"
#include "units.h"

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

static bool short_enough(const struct csv_row *row, const char *column, const char *text)
{
	if (strlen(text) <= ITEMS_TEXT_MAX)
		return true;
	csv_fault(row, _("%s is longer than %d bytes; a shorter text, or is a comma missing before it?"), column,
		ITEMS_TEXT_MAX);
	return false;
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

static bool read_item(struct rows *rows, const struct csv_row *row, void *ret_row)
{
	struct item *item = ret_row;
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
	good &= items_read_limit(
		row, row->field[LIMIT_OP], row->field[LIMIT_VALUE], unit, row->field[LIMIT_SOURCE], &item->limit);
	good &= items_decimal(row, "control_min", row->field[CONTROL_MIN], item->control_min);
	good = good && agree(row, item);
	if (!good)
		return false;
	item->code = rows_text(rows, row->field[CODE]);
	item->name = rows_text(rows, row->field[NAME]);
	item->method = rows_text(rows, row->field[METHOD]);
	item->basis = rows_text(rows, row->field[BASIS]);
	item->unit = rows_text(rows, ucum);
	item->interfering = rows_text(rows, row->field[INTERFERING]);
	return true;
}

/* One spelling may stand for several items only when they are the same thing tested by different standards. */
static void tell_alike(const struct rows *rows, const struct spelling *one, const struct spelling *other,
	const char *path, struct faults *faults)
{
	const struct item *a = rows_at(rows, one->meaning), *b = rows_at(rows, other->meaning);
	if (spelling_same(a->code, b->code)) {
		if (spelling_same(other->folded, b->code))
			faults_add(faults, FAULTS_ERROR, path, other->line, 0, NULL,
				_("the code %s is on line %d already; give each item a code of its own"), b->code,
				one->line);
	} else if (!spelling_same(a->name, b->name)) {
		faults_add(faults, FAULTS_ERROR, path, other->line, 0, NULL,
			_("\"%s\" stands for %s (line %d) already; remove it from one of the two"), other->folded,
			a->code, one->line);
	} else if (spelling_same(other->folded, b->name) &&
		   (!*a->basis || !*b->basis || basis_same(a->basis, b->basis))) {
		faults_add(faults, FAULTS_ERROR, path, other->line, 0, NULL,
			_("%s and %s (line %d) have the same name; a different basis must tell them apart"), b->code,
			a->code, one->line);
	}
}

static const struct rows_kind item_rows = {
	.columns = columns,
	.size = sizeof(struct item),
	.read = read_item,
	.alike = tell_alike,
	.code = CODE,
	.name = NAME,
	.aliases = ALIASES,
};

int items_load(const char *path, struct item_table **ret, struct faults *faults)
{
	struct item_table *table = calloc(1, sizeof(*table));
	if (!table)
		abort();
	int result = rows_load(&table->rows, &item_rows, path, faults);
	if (result == 0)
		*ret = table;
	else
		items_free(table);
	return result;
}

void items_free(struct item_table *table)
{
	if (!table)
		return;
	rows_free(&table->rows);
	rows_free(&table->limits);
	free(table);
}

size_t items_count(const struct item_table *table)
{
	return table->rows.count;
}

const struct item *items_at(const struct item_table *table, size_t index)
{
	return rows_at(&table->rows, index);
}

/* The "-2003" at the end of a standard's folded number, or NULL. */
static char *edition(char *folded)
{
	char *dash = strrchr(folded, '-');
	return dash && strlen(dash) == 5 && strspn(dash + 1, "0123456789") == 4 ? dash : NULL;
}

bool basis_same(const char *a, const char *b)
{
	char one[ITEMS_TEXT_MAX + 1], other[ITEMS_TEXT_MAX + 1];
	if (strlen(a) > ITEMS_TEXT_MAX || strlen(b) > ITEMS_TEXT_MAX)
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
	const struct spelling *alike = spellings_find(&table->rows.spellings, first->name, &count);
	if (!*basis || basis_same(first->basis, basis))
		return first;
	for (size_t i = 0; i < count; i++) {
		const struct item *item = items_at(table, alike[i].meaning);
		if (basis_same(item->basis, basis))
			return item;
	}
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
			found = spellings_find(&table->rows.spellings, scoped, &count);
	}
	if (!found)
		found = spellings_find(&table->rows.spellings, text, &count);
	return found ? by_basis(table, items_at(table, found->meaning), basis) : NULL;
}

/* "PR-*" stands for every code that begins so. */
static bool begins_so(const char *pattern, const char *code)
{
	char start[SPELLING_MAX], folded[SPELLING_MAX];
	size_t length = strlen(spelling_fold(start, pattern));
	if (length == 0 || start[length - 1] != '*' || strlen(code) >= sizeof(folded))
		return false;
	return strncmp(spelling_fold(folded, code), start, length - 1) == 0;
}

bool items_means(const struct item_table *table, const char *word, const struct item *item)
{
	if (begins_so(word, item->code))
		return true;
	const struct item *meant = items_find(table, word, "", NULL);
	if (meant && !spelling_same(word, meant->code)) /* a name may be several standards', a code is one's */
		meant = items_find(table, word, item->basis, NULL);
	return meant == item;
}

bool items_listed(const struct item_table *table, const char *list, const struct item *item)
{
	char word[SPELLING_MAX];
	while (spelling_next(&list, word))
		if (items_means(table, word, item))
			return true;
	return false;
}
