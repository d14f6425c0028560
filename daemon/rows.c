#include "rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct rows_text {
	struct rows_text *next;
	char text[];
};

char *rows_text(struct rows *rows, const char *text)
{
	size_t size = strlen(text) + 1;
	struct rows_text *kept = malloc(sizeof(*kept) + size);
	if (!kept)
		abort();
	kept->next = rows->texts;
	rows->texts = kept;
	return memcpy(kept->text, text, size);
}

/* Zeroed room for one more row behind the last. */
static void *next_row(struct rows *rows)
{
	size_t size = rows->kind->size;
	if (rows->count == rows->room) {
		rows->room = rows->room ? 2 * rows->room : 64;
		rows->list = reallocarray(rows->list, rows->room, size);
		if (!rows->list)
			abort();
	}
	return memset((char *)rows->list + rows->count * size, 0, size);
}

static void take_row(void *context, const struct csv_row *given)
{
	struct rows *rows = context;
	const struct rows_kind *kind = rows->kind;
	if (!kind->read(rows, given, next_row(rows)))
		return;
	if (kind->alike) {
		spellings_add(&rows->spellings, given->field[kind->code], rows->count, given->line);
		spellings_add(&rows->spellings, given->field[kind->name], rows->count, given->line);
		spellings_add_list(&rows->spellings, "", given->field[kind->aliases], rows->count, given->line);
	}
	rows->count++;
}

static void check_spellings(const struct rows *rows, const char *path, struct faults *faults)
{
	for (size_t i = 1; rows->kind->alike && i < rows->spellings.count; i++) {
		const struct spelling *one = &rows->spellings.list[i - 1], *other = one + 1;
		if (one->meaning != other->meaning && strcmp(one->folded, other->folded) == 0)
			rows->kind->alike(rows, one, other, path, faults);
	}
}

int rows_load(struct rows *rows, const struct rows_kind *kind, const char *path, struct faults *faults)
{
	size_t errors = faults->errors;
	rows->kind = kind;
	int result = csv_read(path, kind->columns, take_row, rows, faults);
	spellings_sort(&rows->spellings);
	check_spellings(rows, path, faults);
	return result == 0 && faults->errors > errors ? -EINVAL : result;
}

void rows_free(struct rows *rows)
{
	for (struct rows_text *kept = rows->texts, *next; kept; kept = next) {
		next = kept->next;
		free(kept);
	}
	spellings_free(&rows->spellings);
	free(rows->list);
	*rows = (struct rows){ 0 };
}

const void *rows_at(const struct rows *rows, size_t index)
{
	return index < rows->count ? (const char *)rows->list + index * rows->kind->size : NULL;
}
