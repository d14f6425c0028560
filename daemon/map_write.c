#include "map_write.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "map_parts.h"
#include "text_stream.h"

struct map_writer {
	const struct map *map;
	int (*put)(void *context, size_t number, const char *bytes, size_t length);
	void *context;
	size_t number;  /* of the document begun last; 0: none yet */
	size_t records; /* in it */
	FILE *waiting;  /* the records of a document with an envelope */
	char *texts;
	size_t length;
	const struct json *record; /* of a batch of one: the envelope may draw on it */
	const char *original;
};

static enum map_format format_of(const struct map_writer *writer)
{
	return (enum map_format)writer->map->settings.format;
}

static bool is_json(const struct map_writer *writer)
{
	return format_of(writer) == MAP_JSON || format_of(writer) == MAP_JSONL;
}

static bool waits(const struct map_writer *writer)
{
	return format_of(writer) == MAP_JSON || format_of(writer) == MAP_XML;
}

struct map_writer *map_writer_new(const struct map *map,
	int (*put)(void *context, size_t number, const char *bytes, size_t length), void *context)
{
	struct map_writer *writer = calloc(1, sizeof(*writer));
	if (!writer)
		abort();
	*writer = (struct map_writer){ .map = map, .put = put, .context = context };
	return writer;
}

void map_writer_free(struct map_writer *writer)
{
	if (!writer)
		return;
	if (writer->waiting)
		fclose(writer->waiting);
	free(writer->texts);
	free(writer);
}

/* ---- texts of the rows ---- */

static void free_texts(char **texts, size_t count)
{
	for (size_t i = 0; texts && i < count; i++)
		free(texts[i]);
	free(texts);
}

/* The text of every row, NULL for those left out; NULL when one is refused. */
static char **texts_of(const struct map_writer *writer, const struct map_rows *rows, const struct map_record *record,
	struct map_refusal *refusal)
{
	char **texts = calloc(rows->count + 1, sizeof(*texts));
	if (!texts)
		abort();
	for (size_t i = 0; i < rows->count; i++) {
		const struct map_row *row = &rows->list[i];
		if (row->records || map_value(writer->map, row, record, &texts[i], &refusal->fault) == 0)
			continue;
		refusal->field = row->name;
		free_texts(texts, rows->count);
		return NULL;
	}
	return texts;
}

/* ---- objects and elements ---- */

struct nest { /* what is open while rows are written */
	FILE *out;
	bool json;
	const char *open[MAP_DEPTH_MAX];
	size_t depth;
	bool begun[MAP_DEPTH_MAX + 1]; /* a member stands there already: the next needs a comma */
};

static void begin_member(struct nest *nest, const char *name)
{
	if (!nest->json) {
		fprintf(nest->out, "<%s>", name);
		return;
	}
	if (nest->begun[nest->depth])
		fputc(',', nest->out);
	nest->begun[nest->depth] = true;
	map_text_put(nest->out, MAP_JSON, name);
	fputc(':', nest->out);
}

static void close_to(struct nest *nest, size_t depth)
{
	while (nest->depth > depth) {
		nest->depth--;
		if (nest->json)
			fputc('}', nest->out);
		else
			fprintf(nest->out, "</%s>", nest->open[nest->depth]);
	}
}

/* Closes and opens what lies between the last row and this one. */
static void open_for(struct nest *nest, const struct map_row *row)
{
	size_t common = 0;
	while (common < nest->depth && common + 1 < row->depth && strcmp(nest->open[common], row->parts[common]) == 0)
		common++;
	close_to(nest, common);
	for (; common + 1 < row->depth; common++) {
		begin_member(nest, row->parts[common]);
		if (nest->json)
			fputc('{', nest->out);
		nest->open[nest->depth++] = row->parts[common];
		nest->begun[nest->depth] = false;
	}
}

static void write_member(struct nest *nest, const struct map_row *row, const char *text)
{
	const char *name = row->parts[row->depth - 1];
	open_for(nest, row);
	begin_member(nest, name);
	if (!nest->json) {
		map_text_put(nest->out, MAP_XML, text);
		fprintf(nest->out, "</%s>", name);
	} else if (row->number && *text) {
		fputs(text, nest->out);
	} else {
		map_text_put(nest->out, MAP_JSON, text);
	}
}

/* The records come with their own commas, elements and line ends. */
static void write_records(struct nest *nest, const struct map_row *row, const char *records)
{
	open_for(nest, row);
	if (nest->json) {
		begin_member(nest, row->parts[row->depth - 1]);
		fprintf(nest->out, "[\n%s\n]", records);
	} else {
		fprintf(nest->out, "\n%s\n", records);
	}
}

static void write_rows(FILE *out, bool json, const struct map_rows *rows, char **texts, const char *records)
{
	struct nest nest = { .out = out, .json = json };
	if (json)
		fputc('{', out);
	for (size_t i = 0; i < rows->count; i++)
		if (rows->list[i].records)
			write_records(&nest, &rows->list[i], records);
		else if (texts[i])
			write_member(&nest, &rows->list[i], texts[i]);
	close_to(&nest, 0);
	if (json)
		fputc('}', out);
}

/* ---- documents ---- */

/* In the platform's encoding. */
static int put(struct map_writer *writer, const char *text, size_t length)
{
	char *converted = NULL;
	if (writer->map->settings.encoding == MAP_GB18030) {
		converted = map_text_gb18030(text, length, &length);
		if (!converted)
			return -EIO; /* every text of it was tried before */
		text = converted;
	}
	int error = writer->put(writer->context, writer->number, text, length) ? -EIO : 0;
	free(converted);
	return error;
}

static const struct map_row *records_row(const struct map *map)
{
	for (size_t i = 0; i < map->envelope.count; i++)
		if (map->envelope.list[i].records)
			return &map->envelope.list[i];
	return NULL;
}

static void write_document(const struct map_writer *writer, FILE *out, char **texts)
{
	const struct map *map = writer->map;
	if (format_of(writer) == MAP_XML)
		fprintf(out, "<?xml version=\"1.0\" encoding=\"%s\"?>\n",
			map->settings.encoding == MAP_GB18030 ? "GB18030" : "UTF-8");
	if (map->envelope.count)
		write_rows(out, is_json(writer), &map->envelope, texts, writer->texts);
	else
		fprintf(out, "[\n%s\n]", writer->texts);
	fputc('\n', out);
}

/* Puts the envelope around the records that wait. */
static int end_document(struct map_writer *writer, struct map_refusal *refusal)
{
	char *document = NULL;
	size_t length = 0;
	const struct map_record around = { writer->record, writer->original, writer->records };
	char **texts = texts_of(writer, &writer->map->envelope, &around, refusal);
	if (!texts)
		return -EINVAL;
	FILE *out = text_stream(&document, &length);
	fclose(writer->waiting);
	writer->waiting = NULL;
	write_document(writer, out, texts);
	fclose(out);
	writer->number++;
	int error = put(writer, document, length);
	free_texts(texts, writer->map->envelope.count);
	free(document);
	free(writer->texts);
	writer->texts = NULL;
	writer->records = 0;
	return error;
}

static void write_heads(FILE *out, const struct map *map)
{
	if (map->settings.encoding == MAP_UTF8)
		fputs("\xEF\xBB\xBF", out); /* without which Excel takes it for the system's own encoding */
	for (size_t i = 0; i < map->fields.count; i++) {
		if (i)
			fputc(',', out);
		map_text_put(out, MAP_CSV, map->fields.list[i].name);
	}
	fputs("\r\n", out);
}

static void write_cells(FILE *out, const struct map *map, char **texts)
{
	for (size_t i = 0; i < map->fields.count; i++) {
		if (i)
			fputc(',', out);
		if (texts[i])
			map_text_put(out, MAP_CSV, texts[i]);
	}
	fputs("\r\n", out);
}

/* A line for itself: no envelope waits for it. */
static int put_line(struct map_writer *writer, char **texts)
{
	const struct map *map = writer->map;
	char *text = NULL;
	size_t length = 0;
	FILE *out = text_stream(&text, &length);
	if (writer->number == 0 || (map->settings.batch && writer->records == (size_t)map->settings.batch)) {
		writer->number++;
		writer->records = 0;
		if (format_of(writer) == MAP_CSV)
			write_heads(out, map);
	}
	if (format_of(writer) == MAP_CSV) {
		write_cells(out, map, texts);
	} else {
		write_rows(out, true, &map->fields, texts, NULL);
		fputc('\n', out);
	}
	fclose(out);
	writer->records++;
	int error = put(writer, text, length);
	free(text);
	return error;
}

/* Behind those that wait for the envelope. */
static void put_aside(struct map_writer *writer, char **texts)
{
	const struct map *map = writer->map;
	const struct map_row *around = records_row(map);
	const char *element = around ? around->parts[around->depth - 1] : NULL;
	if (!writer->waiting)
		writer->waiting = text_stream(&writer->texts, &writer->length);
	if (writer->records++)
		fputs(is_json(writer) ? ",\n" : "\n", writer->waiting);
	if (!is_json(writer))
		fprintf(writer->waiting, "<%s>", element);
	write_rows(writer->waiting, is_json(writer), &map->fields, texts, NULL);
	if (!is_json(writer))
		fprintf(writer->waiting, "</%s>", element);
}

/* With a batch of one the envelope belongs to the record, and what it lacks refuses the record. */
static bool envelope_fits(
	struct map_writer *writer, const struct json *record, const char *original, struct map_refusal *refusal)
{
	if (!waits(writer) || writer->map->settings.batch != 1)
		return true;
	const struct map_record alone = { record, original, 1 };
	char **texts = texts_of(writer, &writer->map->envelope, &alone, refusal);
	free_texts(texts, writer->map->envelope.count);
	writer->record = record;
	writer->original = original;
	return texts != NULL;
}

int map_writer_add(
	struct map_writer *writer, const struct json *record, const char *original, struct map_refusal *ret_refusal)
{
	const struct map *map = writer->map;
	const struct map_record one = { record, original, 1 };
	int error = 0;
	char **texts = texts_of(writer, &map->fields, &one, ret_refusal);
	if (!texts)
		return 1;
	if (!envelope_fits(writer, record, original, ret_refusal)) {
		error = 1;
	} else if (!waits(writer)) {
		error = put_line(writer, texts);
	} else {
		put_aside(writer, texts);
		if (map->settings.batch && writer->records == (size_t)map->settings.batch)
			error = end_document(writer, ret_refusal);
	}
	free_texts(texts, map->fields.count);
	return error;
}

int map_writer_end(struct map_writer *writer, struct map_refusal *ret_refusal)
{
	return writer->records && waits(writer) ? end_document(writer, ret_refusal) : 0;
}
