/* The limits of items, and those that depend on the sample and the day (limits.csv). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../drivers/text.h"
#include "items_parts.h"
#include "units.h"

bool items_decimal(const struct csv_row *row, const char *column, const char *text, char out[static DECIMAL_MAX])
{
	if (*text && (!decimal_valid(text) || strlen(text) >= DECIMAL_MAX)) {
		csv_fault(row, _("%s \"%.40s\" is no number; write digits with a point, like 0.05"), column, text);
		return false;
	}
	text_copy(out, DECIMAL_MAX, text);
	return true;
}

bool items_read_limit(const struct csv_row *row, const char *op, const char *value, const char *unit,
	const char *source, struct limit *ret)
{
	struct limit limit = { 0 };
	if (!*op && !*value)
		return true;
	const char *sign = rule_sign(op);
	if (!sign) {
		csv_fault(row, _("\"%.20s\" is no sign of a limit; write <, <=, > or >= for what is allowed"), op);
		return false;
	}
	if (!*value) {
		csv_fault(row, _("the limit has a sign and no value; write the number, like 0.05"));
		return false;
	}
	if (!items_decimal(row, _("the limit's value"), value, limit.value))
		return false;
	const char *ucum = units_ucum(unit);
	if (!ucum) {
		csv_fault(row, _("the limit's unit \"%.30s\" is not known; write %%, mg/kg, ug/kg, RLU ..."), unit);
		return false;
	}
	if (strlen(source) >= sizeof(limit.source)) {
		csv_fault(row, _("the limit's source is longer than %zu bytes; name the standard and its year"),
			sizeof(limit.source) - 1);
		return false;
	}
	text_copy(limit.op, sizeof(limit.op), sign);
	text_copy(limit.unit, sizeof(limit.unit), ucum);
	text_copy(limit.source, sizeof(limit.source), source);
	*ret = limit;
	return true;
}

enum limit_column { LIMIT_ITEM, LIMIT_SAMPLES, OP, VALUE, OF_UNIT, SOURCE, EDITION, FROM, UNTIL, NOTE };

static const struct csv_column limit_columns[] = {
	[LIMIT_ITEM] = { "item", true },
	[LIMIT_SAMPLES] = { "samples", true },
	[OP] = { "op", true },
	[VALUE] = { "value", true },
	[OF_UNIT] = { "unit", true },
	[SOURCE] = { "source", false },
	[EDITION] = { "edition", false },
	[FROM] = { "valid_from", false },
	[UNTIL] = { "valid_until", false },
	[NOTE] = { "remark", false },
	{ NULL, false },
};

static bool read_row(const struct csv_row *row, struct limit *limit)
{
	if (!*row->field[LIMIT_SAMPLES] || !*row->field[OP]) {
		csv_fault(
			row, _("samples or op is empty; write the samples' names, or * for every sample, and a sign"));
		return false;
	}
	bool good = items_read_limit(
		row, row->field[OP], row->field[VALUE], row->field[OF_UNIT], row->field[SOURCE], limit);
	if (strlen(row->field[EDITION]) >= sizeof(limit->edition)) {
		csv_fault(row, _("edition is longer than %zu bytes; write its year or number"),
			sizeof(limit->edition) - 1);
		return false;
	}
	text_copy(limit->edition, sizeof(limit->edition), row->field[EDITION]);
	return csv_days(row, limit_columns, FROM, UNTIL, limit->from, limit->until) && good;
}

static bool take_limit(struct rows *limits, const struct csv_row *row, void *ret_row)
{
	const struct item_table *table = limits->context;
	struct sample_limit *limit = ret_row;
	size_t count;
	const struct spelling *found = spellings_find(&table->rows.spellings, row->field[LIMIT_ITEM], &count);
	if (!found) {
		csv_fault(
			row, _("there is no item \"%.60s\"; write a code that items.csv has"), row->field[LIMIT_ITEM]);
		return false;
	}
	if (!read_row(row, &limit->limit))
		return false;
	limit->line = row->line;
	char code[ITEMS_TEXT_MAX + 2];
	snprintf(code, sizeof(code), "%s:", items_at(table, found->meaning)->code);
	spellings_add_list(&limits->spellings, code, row->field[LIMIT_SAMPLES], limits->count, row->line);
	return true;
}

static const struct rows_kind limit_rows = {
	.columns = limit_columns,
	.size = sizeof(struct sample_limit),
	.read = take_limit,
};

static int by_day(const void *one, const void *other)
{
	const struct sample_limit *a = one, *b = other;
	int order = strcmp(a->limit.from, b->limit.from);
	return order ? order : (a->line > b->line) - (a->line < b->line);
}

/* Limits of one item and sample must not be in force on the same day: nobody could say which is meant. */
static void check_days(
	const struct rows *limits, const char *path, const struct spelling *first, size_t count, struct faults *faults)
{
	struct sample_limit *list = calloc(count, sizeof(*list));
	if (!list)
		abort();
	for (size_t i = 0; i < count; i++)
		list[i] = *(const struct sample_limit *)rows_at(limits, first[i].meaning);
	qsort(list, count, sizeof(*list), by_day);
	for (size_t i = 1; i < count; i++) {
		const struct sample_limit *before = &list[i - 1], *after = &list[i];
		bool apart = *before->limit.until && *after->limit.from &&
		             strcmp(before->limit.until, after->limit.from) < 0;
		if (!apart && before->line != after->line) /* one row may name a sample twice */
			faults_add(faults, FAULTS_ERROR, path, after->line, 0, NULL,
				_("\"%s\" has a limit for the same days on line %d already; remove one of the two, or end one "
				  "before the other begins (valid_until, valid_from)"),
				first->folded, before->line);
	}
	free(list);
}

int items_load_limits(const char *path, struct item_table *table, struct faults *faults)
{
	size_t errors = faults->errors;
	const struct spellings *samples = &table->limits.spellings;
	if (access(path, F_OK) < 0 && errno == ENOENT)
		return 0;
	table->limits.context = table;
	int result = rows_load(&table->limits, &limit_rows, path, faults);
	for (size_t first = 0, end; first < samples->count; first = end) {
		for (end = first + 1; end < samples->count; end++)
			if (strcmp(samples->list[first].folded, samples->list[end].folded) != 0)
				break;
		if (end - first > 1)
			check_days(&table->limits, path, &samples->list[first], end - first, faults);
	}
	return result == 0 && faults->errors > errors ? -EINVAL : result;
}

/* The limit of this sample that is in force on `day`. Without one, `*ret_ended` says that there was one. */
static const struct limit *in_force(
	const struct item_table *table, const struct item *item, const char *sample, const char *day, bool *ret_ended)
{
	char key[2 * ITEMS_TEXT_MAX + 2];
	size_t count;
	bool ended = false;
	if (!*sample || snprintf(key, sizeof(key), "%s:%s", item->code, sample) >= (int)sizeof(key))
		return NULL;
	const struct spelling *found = spellings_find(&table->limits.spellings, key, &count);
	for (size_t i = 0; i < count; i++) {
		const struct sample_limit *row = rows_at(&table->limits, found[i].meaning);
		const struct limit *limit = &row->limit;
		bool over = *limit->until && strncmp(day, limit->until, strlen(limit->until)) > 0;
		bool begun = !*limit->from || strncmp(day, limit->from, strlen(limit->from)) >= 0;
		if (begun && !over)
			return limit;
		ended |= over;
	}
	*ret_ended = ended;
	return NULL;
}

const struct limit *items_limit(const struct item_table *table, const struct item *item, const char *const *samples,
	const char *day, bool *ret_ended)
{
	const struct limit *limit = NULL;
	*ret_ended = false;
	for (; *samples && !limit && !*ret_ended; samples++)
		limit = in_force(table, item, *samples, day, ret_ended);
	if (!limit && !*ret_ended)
		limit = in_force(table, item, "*", day, ret_ended);
	if (limit || *ret_ended)
		return limit;
	return *item->limit.op ? &item->limit : NULL;
}
