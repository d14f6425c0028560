#include "operators.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../drivers/fault.h"
#include "csv.h"
#include "spellings.h"

#define TEXT_MAX 63 /* what fits an operator in a reading */

struct operator_table {
	struct operator* list;
	size_t count, room;
	struct spellings spellings; /* of ids, names and aliases -> operator */
};

enum column { ID, NAME, ALIASES, CERTIFICATE, FROM, UNTIL, TRAINED, REMARK };

static const struct csv_column columns[] = {
	[ID] = { "id", true },
	[NAME] = { "name", true },
	[ALIASES] = { "aliases", false },
	[CERTIFICATE] = { "certificate", false },
	[FROM] = { "valid_from", false },
	[UNTIL] = { "valid_until", false },
	[TRAINED] = { "trained_on", false },
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

static void take_operator(void *context, const struct csv_row *row)
{
	struct operator_table *table = context;
	struct operator person = { 0 };
	bool good = csv_days(row, columns, FROM, UNTIL, person.from, person.until);
	for (enum column column = ID; column <= CERTIFICATE; column++)
		if (column != ALIASES && strlen(row->field[column]) > TEXT_MAX) {
			csv_fault(row, _("%s is longer than %d bytes; is a comma missing before it?"),
				columns[column].name, TEXT_MAX);
			good = false;
		}
	if (!*row->field[ID] && !*row->field[NAME]) {
		csv_fault(row, _("id and name are both empty; write at least one of them"));
		good = false;
	}
	if (!good)
		return;
	if (table->count == table->room) {
		table->room = table->room ? 2 * table->room : 16;
		table->list = realloc(table->list, table->room * sizeof(*table->list));
		if (!table->list)
			abort();
	}
	person.id = copied(row->field[ID]);
	person.name = copied(row->field[NAME]);
	person.certificate = copied(row->field[CERTIFICATE]);
	person.trained = copied(row->field[TRAINED]);
	person.line = row->line;
	spellings_add(&table->spellings, person.id, table->count, row->line);
	spellings_add(&table->spellings, person.name, table->count, row->line);
	spellings_add_list(&table->spellings, "", row->field[ALIASES], table->count, row->line);
	table->list[table->count++] = person;
}

/* An id belongs to one person. A name may be two people's: then it names nobody, and whoever keeps the file is told. */
static void check_spellings(const struct operator_table *table, const char *path, struct faults *faults)
{
	for (size_t i = 1; i < table->spellings.count; i++) {
		const struct spelling *one = &table->spellings.list[i - 1], *other = one + 1;
		if (one->meaning == other->meaning || strcmp(one->folded, other->folded) != 0)
			continue;
		const char *id = table->list[one->meaning].id, *other_id = table->list[other->meaning].id;
		if (*id && spelling_same(id, other_id))
			faults_add(faults, FAULTS_ERROR, path, other->line, 0, NULL,
				_("the id %s is on line %d already; give each person an id of their own"), other_id,
				one->line);
		else
			faults_add(faults, FAULTS_WARNING, path, other->line, 0, NULL,
				_("\"%s\" also stands for the person on line %d, so it tells nobody apart; let the instruments "
				  "send ids or distinct aliases"),
				other->folded, one->line);
	}
}

int operators_load(const char *path, struct operator_table **ret, struct faults *faults)
{
	size_t errors = faults->errors;
	struct operator_table *table = calloc(1, sizeof(*table));
	if (!table)
		abort();
	int result = csv_read(path, columns, take_operator, table, faults);
	spellings_sort(&table->spellings);
	check_spellings(table, path, faults);
	if (result == 0 && faults->errors > errors)
		result = -EINVAL;
	if (result < 0) {
		operators_free(table);
		return result;
	}
	*ret = table;
	return 0;
}

void operators_free(struct operator_table *table)
{
	if (!table)
		return;
	for (size_t i = 0; i < table->count; i++) {
		free(table->list[i].id);
		free(table->list[i].name);
		free(table->list[i].certificate);
		free(table->list[i].trained);
	}
	spellings_free(&table->spellings);
	free(table->list);
	free(table);
}

const struct operator* operators_find(const struct operator_table *table, const char *text)
{
	size_t count;
	const struct spelling *found = spellings_find(&table->spellings, text, &count);
	if (!found || found[0].meaning != found[count - 1].meaning)
		return NULL;
	return &table->list[found->meaning];
}

bool operator_certified(const struct operator* person, const char *day)
{
	return (!*person->from || strncmp(day, person->from, 10) >= 0) &&
	       (!*person->until || strncmp(day, person->until, 10) <= 0);
}

static bool stands_for(const char *word, const struct training *test)
{
	return spelling_same(word, test->method) || spelling_same(word, test->instrument) ||
	       items_means(test->items, word, test->item);
}

bool operator_trained(const struct operator* person, const struct training *test)
{
	char word[SPELLING_MAX];
	if (!*person->trained || !test->item)
		return true;
	for (const char *at = person->trained; spelling_next(&at, word);)
		if (word[strspn(word, " ")] && stands_for(word, test))
			return true;
	return false;
}

size_t operators_count(const struct operator_table *table)
{
	return table->count;
}

const struct operator* operators_at(const struct operator_table *table, size_t index)
{
	return index < table->count ? &table->list[index] : NULL;
}
