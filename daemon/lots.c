#include "lots.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../drivers/fault.h"
#include "rows.h"

#define NUMBER_MAX 63

struct lot_table {
	const struct item_table *items;
	struct rows rows; /* of struct lot */
};

enum column { KIND, LOT, INSTRUMENTS, ITEMS, OPENED, EXPIRES, REMARK };

static const struct csv_column columns[] = {
	[KIND] = { "kind", true },
	[LOT] = { "lot", true },
	[INSTRUMENTS] = { "instruments", false },
	[ITEMS] = { "items", false },
	[OPENED] = { "opened", false },
	[EXPIRES] = { "expires", false },
	[REMARK] = { "remark", false },
	{ NULL, false },
};

/* ---- loading ---- */

const char *lot_kind_name(enum lot_kind kind)
{
	static const char *const names[] = { "reagent", "strip", "standard", "control" };
	return names[kind];
}

static bool read_kind(const char *text, enum lot_kind *ret)
{
	static const struct {
		const char *spelling;
		enum lot_kind kind;
	} kinds[] = {
		{ "reagent", LOT_REAGENT },
		{ "试剂", LOT_REAGENT },
		{ "试剂盒", LOT_REAGENT },
		{ "strip", LOT_STRIP },
		{ "试纸", LOT_STRIP },
		{ "试纸条", LOT_STRIP },
		{ "检测卡", LOT_STRIP },
		{ "金标卡", LOT_STRIP },
		{ "standard", LOT_STANDARD },
		{ "标准品", LOT_STANDARD },
		{ "control", LOT_CONTROL },
		{ "质控样", LOT_CONTROL },
		{ "质控品", LOT_CONTROL },
	};
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (spelling_same(kinds[i].spelling, text)) {
			*ret = kinds[i].kind;
			return true;
		}
	return false;
}

static bool read_lot(struct rows *rows, const struct csv_row *row, void *ret_row)
{
	struct lot *lot = ret_row;
	bool good = csv_days(row, columns, OPENED, EXPIRES, lot->opened, lot->expires);
	if (!read_kind(row->field[KIND], &lot->kind)) {
		csv_fault(row, _("the kind \"%.30s\" is not known; write reagent, strip, standard or control"),
			row->field[KIND]);
		good = false;
	}
	if (!*row->field[LOT]) {
		csv_fault(row, _("lot is empty; write the number that is printed on the box"));
		good = false;
	}
	good &= csv_short(row, columns, LOT, NUMBER_MAX);
	if (!*row->field[INSTRUMENTS] && !*row->field[ITEMS]) {
		csv_fault(row, _("instruments and items are both empty; write with which of either it is used"));
		good = false;
	}
	if (!good)
		return false;
	lot->number = rows_text(rows, row->field[LOT]);
	lot->instruments = rows_text(rows, row->field[INSTRUMENTS]);
	lot->items = rows_text(rows, row->field[ITEMS]);
	lot->line = row->line;
	return true;
}

static const struct rows_kind lot_rows = { .columns = columns, .size = sizeof(struct lot), .read = read_lot };

/* ---- what a lot is for ---- */

static bool lists_instrument(const struct lot *lot, const char *id)
{
	char word[SPELLING_MAX];
	for (const char *at = lot->instruments; spelling_next(&at, word);)
		if (spelling_same(word, id))
			return true;
	return !*lot->instruments;
}

static bool is_for(const struct lot *lot, const struct lot_test *test)
{
	bool material = lot->kind == LOT_STANDARD || lot->kind == LOT_CONTROL;
	if ((material && test->sample) || !lists_instrument(lot, test->instrument))
		return false;
	return !*lot->items || (test->item && items_listed(test->items, lot->items, test->item));
}

static bool share_instrument(const struct lot *a, const struct lot *b)
{
	char word[SPELLING_MAX];
	if (!*a->instruments)
		return true;
	for (const char *at = a->instruments; spelling_next(&at, word);)
		if (lists_instrument(b, word))
			return true;
	return false;
}

static bool share_item(const struct lot_table *table, const struct lot *a, const struct lot *b)
{
	if (!*a->items || !*b->items)
		return true;
	for (size_t i = 0; table->items && i < items_count(table->items); i++) {
		const struct item *item = items_at(table->items, i);
		if (items_listed(table->items, a->items, item) && items_listed(table->items, b->items, item))
			return true;
	}
	return false;
}

/* True when some test uses both. */
static bool overlap(const struct lot_table *table, const struct lot *a, const struct lot *b)
{
	return a->kind == b->kind && share_instrument(a, b) && share_item(table, a, b);
}

static void check_pairs(const struct lot_table *table, const char *path, struct faults *faults)
{
	for (size_t i = 0; i < lots_count(table); i++)
		for (size_t k = 0; k < i; k++) {
			const struct lot *one = lots_at(table, k), *other = lots_at(table, i);
			if (strcmp(one->opened, other->opened) == 0 && overlap(table, one, other))
				faults_add(faults, FAULTS_ERROR, path, other->line, 0, NULL,
					_("lot %s is in use with the same instruments and items as lot %s (line %d) from "
					  "the same day on; write the day each was opened, or take one away"),
					other->number, one->number, one->line);
		}
}

int lots_load(const char *path, const struct item_table *items, struct lot_table **ret, struct faults *faults)
{
	size_t errors = faults->errors;
	struct lot_table *table = calloc(1, sizeof(*table));
	if (!table)
		abort();
	table->items = items;
	int result = rows_load(&table->rows, &lot_rows, path, faults);
	check_pairs(table, path, faults);
	if (result == 0 && faults->errors > errors)
		result = -EINVAL;
	if (result == 0)
		*ret = table;
	else
		lots_free(table);
	return result;
}

void lots_free(struct lot_table *table)
{
	if (!table)
		return;
	rows_free(&table->rows);
	free(table);
}

size_t lots_count(const struct lot_table *table)
{
	return table->rows.count;
}

const struct lot *lots_at(const struct lot_table *table, size_t index)
{
	return rows_at(&table->rows, index);
}

/* ---- looking up ---- */

static bool is_open(const struct lot *lot, const char *day)
{
	return strncmp(lot->opened, day, strlen(lot->opened)) <= 0;
}

size_t lots_in_use(const struct lot_table *table, const struct lot_test *test, const struct lot *list[static LOT_KINDS])
{
	const struct lot *last[LOT_KINDS] = { NULL };
	size_t count = 0;
	for (size_t i = lots_count(table); i-- > 0;) { /* the last row is mostly the one */
		const struct lot *lot = lots_at(table, i), *known = last[lot->kind];
		bool later = !known || strcmp(lot->opened, known->opened) > 0;
		if (later && is_open(lot, test->day) && is_for(lot, test))
			last[lot->kind] = lot;
	}
	for (size_t kind = 0; kind < LOT_KINDS; kind++)
		if (last[kind])
			list[count++] = last[kind];
	return count;
}

const struct lot *lots_numbered(const struct lot_table *table, const struct lot_test *test, const char *number)
{
	for (size_t i = 0; i < lots_count(table); i++) {
		const struct lot *lot = lots_at(table, i);
		if (is_for(lot, test) && spelling_same(lot->number, number))
			return lot;
	}
	return NULL;
}

/* "A123" is in "CBF|A123|2027", not in "XA1234". */
static bool stands_in(const char *text, const char *number)
{
	size_t length = strlen(number);
	for (const char *at = strstr(text, number); at && length; at = strstr(at + 1, number))
		if ((at == text || !isalnum((unsigned char)at[-1])) && !isalnum((unsigned char)at[length]))
			return true;
	return false;
}

const struct lot *lots_in_code(const struct lot_table *table, const struct lot_test *test, const char *code)
{
	char text[256], number[NUMBER_MAX + 1];
	const struct lot *found = NULL;
	size_t longest = 3;
	if (strlen(code) >= sizeof(text))
		return NULL;
	spelling_fold(text, code);
	for (size_t i = 0; i < lots_count(table); i++) {
		const struct lot *lot = lots_at(table, i);
		size_t length = strlen(spelling_fold(number, lot->number));
		if (length <= longest || !is_for(lot, test) || !stands_in(text, number))
			continue;
		longest = length;
		found = lot;
	}
	return found;
}

bool lots_replaced(const struct lot_table *table, const struct lot *lot, const char *day)
{
	for (size_t i = 0; i < lots_count(table); i++) {
		const struct lot *other = lots_at(table, i);
		if (strcmp(other->opened, lot->opened) > 0 && is_open(other, day) && overlap(table, lot, other))
			return true;
	}
	return false;
}
