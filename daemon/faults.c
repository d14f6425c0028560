#include "faults.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "../drivers/fault.h"
#include "../drivers/text.h"

#define EXCERPT_SHOWN 100 /* columns of a line that are shown beside its fault */

static void *need(void *memory)
{
	if (!memory)
		abort(); /* a checker without memory has nothing true to say */
	return memory;
}

void faults_add(struct faults *faults, enum faults_weight weight, const char *file, int line, int column,
	const char *excerpt, const char *format, ...)
{
	struct faults_entry *entry = need(reallocarray(faults->list, faults->count + 1, sizeof(*faults->list)));
	faults->list = entry;
	entry += faults->count++;
	*entry = (struct faults_entry){ .weight = weight, .line = line, .column = column };
	entry->file = need(strdup(file));
	entry->excerpt = excerpt ? need(strdup(excerpt)) : NULL;
	va_list args;
	va_start(args, format);
	if (vasprintf(&entry->text, format, args) < 0)
		abort();
	va_end(args);
	if (weight == FAULTS_ERROR)
		faults->errors++;
}

/* By file, line and column; faults of one place keep the order in which they were found. */
static int in_order(const void *a, const void *b)
{
	const struct faults_entry *left = *(const struct faults_entry *const *)a;
	const struct faults_entry *right = *(const struct faults_entry *const *)b;
	int order = strcmp(left->file, right->file);
	if (!order)
		order = (left->line > right->line) - (left->line < right->line);
	if (!order)
		order = (left->column > right->column) - (left->column < right->column);
	return order ? order : (left > right) - (left < right);
}

static size_t character_length(const char *at)
{
	size_t length = 1;
	while (((unsigned char)at[length] & 0xC0) == 0x80)
		length++;
	return length;
}

/* What a terminal must not be given: C0 and C1 controls and DEL, whatever the file held. */
static int is_control(const char *at)
{
	unsigned char first = (unsigned char)at[0];
	return first < ' ' || first == 0x7F || (first == 0xC2 && (unsigned char)at[1] < 0xA0);
}

/* Prints one character (a tab as one blank, controls and halves as U+FFFD) and returns the columns it took. */
static size_t print_character(const char *at, size_t length, FILE *out)
{
	char character[8] = "";
	if (*at == '\t')
		strcpy(character, " ");
	else if (is_control(at) || length >= sizeof(character) || !text_is_utf8(at, length))
		strcpy(character, "\xEF\xBF\xBD");
	else
		memcpy(character, at, length);
	fputs(character, out);
	return text_width(character);
}

/* The line with a caret under the column. Of a long line only the neighbourhood of the column is shown. */
static void print_excerpt(const char *excerpt, int column, FILE *out)
{
	int position = 1;
	const char *at = excerpt;
	for (; *at && position < column - EXCERPT_SHOWN / 2; position++)
		at += character_length(at);
	fputs(at == excerpt ? "    " : "  ..", out);
	size_t width = 0, caret = 0;
	for (; *at && width < EXCERPT_SHOWN; position++) {
		if (position == column)
			caret = width;
		size_t length = character_length(at);
		width += print_character(at, length, out);
		at += length;
	}
	if (column >= position)
		caret = width; /* just behind the line's end: something is missing there */
	fprintf(out, "%s\n", *at ? ".." : "");
	if (column > 0)
		fprintf(out, "    %*s^\n", (int)caret, "");
}

/* Sentences quote what files hold, and a long one may have been cut inside a character. */
static void print_sentence(const char *text, FILE *out)
{
	for (const char *at = text; *at;) {
		size_t length = character_length(at);
		print_character(at, length, out);
		at += length;
	}
	fputc('\n', out);
}

static void print_entry(const struct faults_entry *entry, FILE *out)
{
	fputs(entry->file, out);
	if (entry->line > 0)
		fprintf(out, ":%d", entry->line);
	if (entry->line > 0 && entry->column > 0)
		fprintf(out, ":%d", entry->column);
	/* TRANSLATORS: stands between place and text of a fault that does not stop the start */
	fprintf(out, ": %s", entry->weight == FAULTS_WARNING ? _("warning: ") : "");
	print_sentence(entry->text, out);
	if (entry->excerpt)
		print_excerpt(entry->excerpt, entry->column, out);
}

void faults_print(const struct faults *faults, FILE *out)
{
	if (!faults->count)
		return;
	const struct faults_entry **sorted = need(calloc(faults->count, sizeof(struct faults_entry *)));
	for (size_t i = 0; i < faults->count; i++)
		sorted[i] = &faults->list[i];
	qsort(sorted, faults->count, sizeof(struct faults_entry *), in_order);
	for (size_t i = 0; i < faults->count; i++)
		print_entry(sorted[i], out);
	free(sorted);
}

void faults_free(struct faults *faults)
{
	for (size_t i = 0; i < faults->count; i++) {
		free(faults->list[i].file);
		free(faults->list[i].text);
		free(faults->list[i].excerpt);
	}
	free(faults->list);
	*faults = (struct faults){ 0 };
}
