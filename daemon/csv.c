#include "csv.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../drivers/fault.h"
#include "day.h"
#include "spellings.h"
#include "textfile.h"

#define FIELDS_MAX 64

struct reader {
	const char *path;
	const struct csv_column *columns;
	struct faults *faults;
	char *at;                 /* the rest of the text; fields are cut out of it in place */
	int line;                 /* of `at` */
	char *fields[FIELDS_MAX]; /* of the record read last */
	size_t count;             /* of fields */
	int place[FIELDS_MAX];    /* field -> column asked for, -1 for none */
	size_t width;             /* fields of the header; 0 before it */
	char *excerpt;            /* first line of the record read last */
};

static void complain(const struct reader *reader, int line, int column, const char *text)
{
	faults_add(reader->faults, FAULTS_ERROR, reader->path, line, column, reader->excerpt, "%s", text);
}

void csv_fault(const struct csv_row *row, const char *format, ...)
{
	char text[512];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	faults_add(row->faults, FAULTS_ERROR, row->path, row->line, 0, row->excerpt, "%s", text);
}

bool csv_short(const struct csv_row *row, const struct csv_column *columns, size_t column, int most)
{
	if (strlen(row->field[column]) <= (size_t)most)
		return true;
	csv_fault(row, _("%s is longer than %d bytes; is a comma missing before it?"), columns[column].name, most);
	return false;
}

bool csv_days(const struct csv_row *row, const struct csv_column *columns, size_t from, size_t until,
	char ret_from[static DAY_MAX], char ret_until[static DAY_MAX])
{
	bool good = true;
	*ret_from = *ret_until = '\0';
	for (size_t i = 0; i < 2; i++) {
		size_t column = i ? until : from;
		const char *text = row->field[column];
		if (*text && !day_read(text, i ? ret_until : ret_from)) {
			csv_fault(
				row, _("%s \"%.30s\" is no day; write it like 2026-03-05"), columns[column].name, text);
			good = false;
		}
	}
	if (good && *ret_from && *ret_until && strcmp(ret_from, ret_until) > 0) {
		csv_fault(row, _("%s %s is before %s %s; exchange them"), columns[until].name, ret_until,
			columns[from].name, ret_from);
		good = false;
	}
	return good;
}

static char *trimmed(char *text)
{
	size_t length;
	for (;;) {
		if (*text == ' ' || *text == '\t')
			text++;
		else if (strncmp(text, "\u3000", 3) == 0)
			text += 3;
		else
			break;
	}
	length = strlen(text);
	for (;;) {
		if (length && (text[length - 1] == ' ' || text[length - 1] == '\t'))
			length--;
		else if (length >= 3 && strncmp(text + length - 3, "\u3000", 3) == 0)
			length -= 3;
		else
			break;
	}
	text[length] = '\0';
	return text;
}

/* Cuts a quoted field that begins at reader->at, a quote; leaves `at` behind the closing quote. */
static char *quoted(struct reader *reader, bool *good)
{
	int line = reader->line;
	char *from = ++reader->at, *to = from, *start = from;
	for (;; from++) {
		if (!*from) {
			complain(reader, line, 0,
				_("a quoted field begins here and never ends; close it with a double quote"));
			*good = false;
			break;
		}
		if (*from == '"' && from[1] != '"')
			break;
		if (*from == '"')
			from++;
		if (*from == '\n')
			reader->line++;
		*to++ = *from;
	}
	reader->at = *from ? from + 1 : from;
	*to = '\0';
	return start;
}

/* Cuts one field; sets `*end` when it was the last of its line. */
static char *field(struct reader *reader, bool *end, bool *good)
{
	char *start = reader->at;
	while (*start == ' ' || *start == '\t')
		start++;
	if (*start == '"') {
		reader->at = start;
		start = quoted(reader, good);
		char *rest = reader->at;
		reader->at += strcspn(reader->at, ",\n");
		if (strspn(rest, " \t") != (size_t)(reader->at - rest)) {
			complain(reader, reader->line, 0,
				_("text follows a closing quote; put the whole field in quotes and double the quotes inside it"));
			*good = false;
		}
	} else {
		size_t length = strcspn(start, ",\n\"");
		if (start[length] == '"') {
			complain(reader, reader->line, 0,
				_("a double quote stands inside a field that is not quoted; put the field in quotes and double "
				  "the quote"));
			*good = false;
			length = strcspn(start, ",\n");
		}
		reader->at = start + length;
	}
	char stop = *reader->at;
	*end = stop != ',';
	*reader->at = '\0';
	if (stop)
		reader->at++;
	if (stop == '\n')
		reader->line++;
	return trimmed(start);
}

/* The next record that is neither empty nor a comment. False at the end; `*good` tells whether it can be used. */
static bool record(struct reader *reader, int *line, bool *good)
{
	for (;;) {
		if (!*reader->at)
			return false;
		*line = reader->line;
		size_t length = strcspn(reader->at, "\n");
		if (*reader->at == '#') { /* a comment may hold anything, quotes too */
			reader->at += length + (reader->at[length] ? 1 : 0);
			reader->line++;
			continue;
		}
		free(reader->excerpt);
		reader->excerpt = strndup(reader->at, length);
		*good = true;
		reader->count = 0;
		size_t filled = 0;
		for (bool end = false; !end;) {
			char *text = field(reader, &end, good);
			filled += *text != '\0';
			if (reader->count < FIELDS_MAX)
				reader->fields[reader->count++] = text;
			else if (*text)
				*good = false;
		}
		/* a spreadsheet saves a comment line as quoted first field and a row of commas */
		if (filled && reader->fields[0][0] != '#')
			return true;
	}
}

static void unknown_column(const struct reader *reader, int line, const char *name)
{
	char known[400] = "";
	size_t used = 0;
	for (const struct csv_column *column = reader->columns; column->name && used < sizeof(known); column++)
		used += (size_t)snprintf(known + used, sizeof(known) - used, "%s%s", used ? ", " : "", column->name);
	char text[512];
	if (reader->count == 1 && strpbrk(name, ";\t|"))
		snprintf(text, sizeof(text),
			_("the columns are not separated by commas; save the table as \"CSV (comma separated)\""));
	else
		snprintf(text, sizeof(text), _("there is no column \"%.60s\"; the columns are %s"), name, known);
	complain(reader, line, 0, text);
}

static int header(struct reader *reader, int line)
{
	bool good = true, found[CSV_COLUMNS_MAX] = { false };
	char text[256];
	for (size_t i = 0; i < reader->count; i++) {
		reader->place[i] = -1;
		if (!*reader->fields[i])
			continue;
		for (int c = 0; reader->columns[c].name; c++)
			if (spelling_same(reader->columns[c].name, reader->fields[i]))
				reader->place[i] = c;
		if (reader->place[i] < 0) {
			unknown_column(reader, line, reader->fields[i]);
			good = false;
		} else if (found[reader->place[i]]) {
			snprintf(text, sizeof(text), _("the column \"%.60s\" is there twice; remove one"),
				reader->fields[i]);
			complain(reader, line, 0, text);
			good = false;
		} else {
			found[reader->place[i]] = true;
		}
	}
	for (int c = 0; reader->columns[c].name; c++)
		if (reader->columns[c].required && !found[c]) {
			snprintf(text, sizeof(text),
				_("the column \"%s\" is missing; the first line names the columns"),
				reader->columns[c].name);
			complain(reader, line, 0, text);
			good = false;
		}
	reader->width = reader->count;
	return good ? 0 : -EINVAL;
}

/* Puts the fields where the caller asked for them; false when there are more than the header has. */
static bool arrange(const struct reader *reader, struct csv_row *row)
{
	for (size_t c = 0; c < CSV_COLUMNS_MAX; c++)
		row->field[c] = "";
	for (size_t i = 0; i < reader->count; i++) {
		if (i < reader->width && reader->place[i] >= 0)
			row->field[reader->place[i]] = reader->fields[i];
		else if (*reader->fields[i]) {
			csv_fault(row,
				_("there is text in field %zu, for which the first line names no column; it names %zu; is a comma "
				  "too many, or a field with a comma without quotes?"),
				i + 1, reader->width);
			return false;
		}
	}
	return true;
}

int csv_read(const char *path, const struct csv_column *columns, void (*row)(void *context, const struct csv_row *),
	void *context, struct faults *faults)
{
	char *text;
	size_t length, errors = faults->errors;
	int result = textfile_read(path, &text, &length, faults);
	if (result < 0)
		return result;
	struct reader reader = { .path = path, .columns = columns, .faults = faults, .at = text, .line = 1 };
	int line;
	bool good;
	if (!record(&reader, &line, &good))
		complain(&reader, 0, 0, _("the file is empty; its first line must name the columns"));
	else if (good && header(&reader, line) == 0)
		while (record(&reader, &line, &good)) {
			struct csv_row given = {
				.path = path, .line = line, .excerpt = reader.excerpt, .faults = faults
			};
			if (good && arrange(&reader, &given))
				row(context, &given);
		}
	free(reader.excerpt);
	free(text);
	return faults->errors > errors ? -EINVAL : 0;
}

void csv_put_quoted(FILE *out, const char *before, const char *text)
{
	fprintf(out, "\"%s", before);
	for (; *text; text++) {
		if (*text == '"')
			fputc('"', out);
		fputc(*text, out);
	}
	fputc('"', out);
}

void csv_put(FILE *out, const char *text)
{
	if (strpbrk(text, ",\"\r\n"))
		csv_put_quoted(out, "", text);
	else
		fputs(text, out);
}
