#include "operators.h"

#include <stdlib.h>
#include <string.h>

#include "../drivers/fault.h"
#include "rows.h"

#define TEXT_MAX 63 /* what fits an operator in a reading */

struct operator_table {
	struct rows rows; /* of struct operator */
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

static bool read_operator(struct rows *rows, const struct csv_row *row, void *ret_row)
{
	struct operator* person = ret_row;
	bool good = csv_days(row, columns, FROM, UNTIL, person->from, person->until);
	good &= csv_short(row, columns, ID, TEXT_MAX);
	good &= csv_short(row, columns, NAME, TEXT_MAX);
	good &= csv_short(row, columns, CERTIFICATE, TEXT_MAX);
	if (!*row->field[ID] && !*row->field[NAME]) {
		csv_fault(row, _("id and name are both empty; write at least one of them"));
		good = false;
	}
	if (!good)
		return false;
	person->id = rows_text(rows, row->field[ID]);
	person->name = rows_text(rows, row->field[NAME]);
	person->certificate = rows_text(rows, row->field[CERTIFICATE]);
	person->trained = rows_text(rows, row->field[TRAINED]);
	person->line = row->line;
	return true;
}

/* An id belongs to one person. A name may be two people's: then it names nobody, and whoever keeps the file is told. */
static void tell_alike(const struct rows *rows, const struct spelling *one, const struct spelling *other,
	const char *path, struct faults *faults)
{
	const struct operator* person = rows_at(rows, one->meaning), *another = rows_at(rows, other->meaning);
	if (*person->id && spelling_same(person->id, another->id))
		faults_add(faults, FAULTS_ERROR, path, other->line, 0, NULL,
			_("the id %s is on line %d already; give each person an id of their own"), another->id,
			one->line);
	else
		faults_add(faults, FAULTS_WARNING, path, other->line, 0, NULL,
			_("\"%s\" also stands for the person on line %d, so it tells nobody apart; let the instruments "
			  "send ids or distinct aliases"),
			other->folded, one->line);
}

static const struct rows_kind operator_rows = {
	.columns = columns,
	.size = sizeof(struct operator),
	.read = read_operator,
	.alike = tell_alike,
	.code = ID,
	.name = NAME,
	.aliases = ALIASES,
};

int operators_load(const char *path, struct operator_table **ret, struct faults *faults)
{
	struct operator_table *table = calloc(1, sizeof(*table));
	if (!table)
		abort();
	int result = rows_load(&table->rows, &operator_rows, path, faults);
	if (result == 0)
		*ret = table;
	else
		operators_free(table);
	return result;
}

void operators_free(struct operator_table *table)
{
	if (!table)
		return;
	rows_free(&table->rows);
	free(table);
}

const struct operator* operators_find(const struct operator_table *table, const char *text)
{
	size_t count;
	const struct spelling *found = spellings_find(&table->rows.spellings, text, &count);
	if (!found || found[0].meaning != found[count - 1].meaning)
		return NULL;
	return rows_at(&table->rows, found->meaning);
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
	return table->rows.count;
}

const struct operator* operators_at(const struct operator_table *table, size_t index)
{
	return rows_at(&table->rows, index);
}
