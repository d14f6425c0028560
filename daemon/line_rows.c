/* What the files of a folder say of each sample's number, so that a correction that is put back counts.
 *
 * A row that is known registers nothing, however often its file is read. But a file may say of S1 spinach, then
 * cabbage, then spinach again: the third time the row is known, and what holds is cabbage. Such a row is registered
 * anew at its file's end, if it is the last one there for its number, the file was changed since it was stored, and
 * said something else of that number when it was read before. So a file that only grew, or is read again after a
 * restart, changes nothing that another file, a scanner or a person said since; of two files that contradict each other
 * the one that was saved last holds.
 *
 * What was said before is kept in memory for the files of the newest day, and after a restart comes back with the
 * reading again that a folder begins with (link_folder.c). Of a folder whose files go to done/ nothing is kept:
 * whatever is put in is said anew.
 */
#include <stdlib.h>
#include <string.h>

#include "line_parts.h"

struct row { /* the last one of a file for a number */
	char no[sizeof(((struct sample_facts *)0)->no)];
	uint64_t says;          /* digest of its text */
	struct scan *overtaken; /* to be registered anew, or NULL */
};

struct rows_file {
	char name[256];
	struct row *rows;
	size_t count, room;
};

struct rows {
	struct date_time day; /* of the newest file */
	struct rows_file *files;
	size_t count;
	struct rows_file now; /* being read */
};

/* FNV-1a: rows of one file and number are compared with each other only. */
static uint64_t digest(const char *text)
{
	uint64_t sum = 0xCBF29CE484222325;
	for (; *text; text++)
		sum = (sum ^ (uint8_t)*text) * 0x100000001B3;
	return sum;
}

static void forget_overtaken(struct row *row)
{
	if (row->overtaken)
		free((char *)(uintptr_t)row->overtaken->text);
	free(row->overtaken);
	row->overtaken = NULL;
}

static void forget_file(struct rows_file *file)
{
	for (size_t i = 0; i < file->count; i++)
		forget_overtaken(&file->rows[i]);
	free(file->rows);
	*file = (struct rows_file){ .count = 0 };
}

static void forget_files(struct rows *rows)
{
	for (size_t i = 0; i < rows->count; i++)
		forget_file(&rows->files[i]);
	free(rows->files);
	rows->files = NULL;
	rows->count = 0;
}

void line_rows_free(struct line *line)
{
	if (!line->rows)
		return;
	forget_files(line->rows);
	forget_file(&line->rows->now);
	free(line->rows);
	line->rows = NULL;
}

static struct row *find(const struct rows_file *file, const char *no)
{
	for (size_t i = file ? file->count : 0; i-- > 0;)
		if (strcmp(file->rows[i].no, no) == 0)
			return &file->rows[i];
	return NULL;
}

static struct rows_file *file_called(const struct rows *rows, const char *name)
{
	for (size_t i = 0; i < rows->count; i++)
		if (strcmp(rows->files[i].name, name) == 0)
			return &rows->files[i];
	return NULL;
}

/* As realloc(); memory or the end: a gateway without memory restarts from its journal. */
static void *larger(void *list, size_t count, size_t size)
{
	void *more = reallocarray(list, count, size);
	if (!more)
		abort();
	return more;
}

void line_rows_begin(struct line *line, const struct link_file *file)
{
	struct rows *rows = line->rows;
	if (!rows) {
		rows = line->rows = larger(NULL, 1, sizeof(*rows));
		*rows = (struct rows){ .count = 0 };
	}
	forget_file(&rows->now);
	memcpy(rows->now.name, file->name, sizeof(rows->now.name));
	const struct date_time *day = &file->changed;
	int later = day->year - rows->day.year;
	later = later ? later : day->month - rows->day.month;
	later = later ? later : day->day - rows->day.day;
	if (later > 0) { /* its rows are others than those of the day before, whatever they say */
		forget_files(rows);
		rows->day = *day;
	}
}

static struct row *row_of(struct rows_file *file, const char *no)
{
	struct row *row = find(file, no);
	if (row)
		return row;
	if (file->count == file->room) {
		file->room = file->room ? 2 * file->room : 16;
		file->rows = larger(file->rows, file->room, sizeof(*file->rows));
	}
	row = &file->rows[file->count++];
	*row = (struct row){ .says = 0 };
	memcpy(row->no, no, strlen(no) + 1);
	return row;
}

/* Before it is stored: a row that is not known yet is registered by that. */
int line_rows_take(struct line *line, const struct link_file *file, struct fault *fault)
{
	struct rows *rows = line->rows;
	char holds[ENTRY_ID_MAX];
	for (size_t i = 0; i < line->readings.scan_count; i++) {
		const struct scan *scan = &line->readings.scans[i];
		struct row *row = row_of(&rows->now, scan->facts.no);
		const struct row *before = find(file_called(rows, file->name), scan->facts.no);
		forget_overtaken(row);
		row->says = digest(scan->text);
		if (file->known == UINT64_MAX || (before && before->says == row->says))
			continue;
		int overtaken = intake_row_overtaken(line->intake, scan, holds, fault);
		if (overtaken < 0)
			return overtaken;
		if (!overtaken)
			continue;
		row->overtaken = larger(NULL, 1, sizeof(*row->overtaken));
		*row->overtaken = *scan;
		row->overtaken->text = strdup(scan->text);
		if (!row->overtaken->text)
			abort();
	}
	return 0;
}

int line_rows_end(struct line *line, const struct unit *unit, struct fault *fault)
{
	struct rows *rows = line->rows;
	for (size_t i = 0; rows && i < rows->now.count; i++) {
		struct row *row = &rows->now.rows[i];
		int error =
			row->overtaken ? intake_register_again(line->intake, unit->config, row->overtaken, fault) : 0;
		if (error < 0)
			return error;
		forget_overtaken(row);
	}
	if (!rows || unit->config->port.move_done)
		return 0;
	struct rows_file *file = file_called(rows, rows->now.name);
	if (!file) {
		rows->files = larger(rows->files, rows->count + 1, sizeof(*rows->files));
		file = &rows->files[rows->count++];
	} else {
		forget_file(file);
	}
	*file = rows->now;
	rows->now = (struct rows_file){ .count = 0 };
	return 0;
}
